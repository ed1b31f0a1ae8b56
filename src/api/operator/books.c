/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/books.h"

#include <stdlib.h>

#include "base/util.h"
#include "domain/month.h"
#include "store/books.h"

/* ---- the period ---- */

static int read_time(struct api_call *c, const char *name, int64_t *out_us, struct error *err)
{
	const char *text = api_query(c, name);

	if (!text || time_parse(text, out_us) == 0)
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "%s must be a time as 2026-12-01T00:00:00Z, not '%.40s'", name, text);
}

static int read_period(struct books_report *r, bool all, struct error *err)
{
	const char *text = api_query(r->call, "month");
	int month = month_of(r->call->now_us);

	if (text && !month_parse(text, &month))
		return error_set(err, ERR_BAD_REQUEST, "the month must be as 2027-01, not '%.20s'", text);
	if (text && (api_query(r->call, "from") || api_query(r->call, "to")))
		return error_set(err, ERR_BAD_REQUEST, "Give a month, or from and to.");
	r->from_wall_us = all && !text ? 0 : month_start(month);
	r->to_wall_us = text ? month_start(month_next(month)) : r->call->now_us;
	if (read_time(r->call, "from", &r->from_wall_us, err) ||
		read_time(r->call, "to", &r->to_wall_us, err))
		return -1;
	if (r->to_wall_us < r->from_wall_us)
		return error_set(err, ERR_BAD_REQUEST, "from must not be after to.");
	return 0;
}

struct books_report *books_report_create(struct api_call *c, bool all, books_write *write, struct error *err)
{
	struct books_report *r = xcalloc(1, sizeof *r);

	r->call = c;
	r->write = write;
	if (read_period(r, all, err)) {
		books_report_destroy(r);
		return NULL;
	}
	r->steps = books_steps(c->db, &r->arena, &r->steps_n);
	r->now_us = books_now(c->db);
	r->from_us = books_time_from_wall(r->steps, r->steps_n, r->from_wall_us);
	/* what begins now is of the next period */
	r->to_us = r->to_wall_us >= c->now_us ? r->now_us
					      : books_time_from_wall(r->steps, r->steps_n, r->to_wall_us);
	if (r->to_us > r->now_us)
		r->to_us = r->now_us;
	return r;
}

void books_report_destroy(struct books_report *r)
{
	arena_finish(&r->arena);
	buf_finish(&r->out);
	free(r);
}

/* ---- the answer ---- */

static int on_thread(void *ctx, struct db *db, const atomic_bool *stop, struct error *err)
{
	struct books_report *r = ctx;

	return r->write(r, db, stop, err);
}

static void on_loop(void *ctx, const struct error *err)
{
	struct books_report *r = ctx;
	struct api_call *c = r->call;

	if (err) {
		api_fail(c, err);
	} else {
		buf_append(&c->out, r->out.data, r->out.len);
		c->status = 200;
		api_reply(c);
	}
	books_report_destroy(r);
}

int books_report_send(struct books_report *r, struct error *err)
{
	if (!books_read(r->call->api->billing, on_thread, on_loop, r, err))
		return 0;
	books_report_destroy(r);
	return -1;
}

void books_kv_time(struct books_report *r, const char *key, int64_t us)
{
	char text[TIME_TEXT];

	if (us)
		jw_kv_str(&r->out, key, time_iso_usz(books_time_to_wall(r->steps, r->steps_n, us), text));
	else
		jw_kv_null(&r->out, key);
}

void books_write_period(struct books_report *r)
{
	char text[TIME_TEXT];

	jw_kv_str(&r->out, "from", time_iso_usz(r->from_wall_us, text));
	jw_kv_str(&r->out, "to", time_iso_usz(r->to_wall_us, text));
}
