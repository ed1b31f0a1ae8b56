/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of placement's journal and what is held, as they are: what cloudctl simulate replays. */
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/claims.h"
#include "placement/json.h"
#include "store/allocations.h"
#include "store/decisions.h"

enum { PAGE = 1000, PAGE_MAX = 10000 };

static int read_page(struct api_call *c, int64_t *after, int64_t *limit, struct error *err)
{
	const char *after_text = api_query(c, "after"), *limit_text = api_query(c, "limit");

	*after = 0;
	*limit = PAGE;
	if (limit_text && !str_int64(limit_text, 1, PAGE_MAX, limit))
		return error_set(err, ERR_BAD_REQUEST, "limit must be an integer from 1 to %d", PAGE_MAX);
	if (after_text && !str_int64(after_text, 0, INT64_MAX - 1, after))
		return error_set(err, ERR_BAD_REQUEST, "after must be the id of a row");
	return 0;
}

static void kv_json(struct buf *b, const char *key, const char *json)
{
	if (!*json)
		return;
	jw_key(b, key);
	jw_raw(b, json, strlen(json));
}

static void write_row(struct buf *b, const struct decision_row *d)
{
	jw_object(b);
	jw_kv_int(b, "id", d->id);
	jw_kv_int(b, "at_us", d->at_us);
	jw_kv_str(b, "kind", d->kind);
	jw_kv_int(b, "subject", d->subject_id);
	kv_json(b, "input", d->input);
	kv_json(b, "before", d->before);
	kv_json(b, "answer", d->answer);
	jw_end_object(b);
}

int operator_journal_list(struct api_call *c, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct decision_row row;
	int64_t after, limit, n = 0;
	int rc = 0;

	if (read_page(c, &after, &limit, err) < 0 ||
		store_decision_walk(c->db, after + 1, false, &st, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "journal");
	jw_array(&c->out);
	while (n < limit && (rc = store_decision_next(st, &row, err)) > 0) {
		write_row(&c->out, &row);
		after = row.id;
		n++;
	}
	jw_end_array(&c->out);
	jw_kv_int(&c->out, "next", n == limit ? after : 0);
	jw_end_object(&c->out);
	return rc < 0 ? -1 : 0;
}

static void write_held(struct buf *b, const struct allocation_row *row)
{
	struct placement_request req;
	struct placement_choice choice;

	claim_held(row, &req, &choice);
	jw_object(b);
	jw_kv_int(b, "id", row->id);
	jw_key(b, "request");
	placement_request_write(b, &req);
	jw_key(b, "choice");
	placement_choice_write(b, &choice);
	jw_end_object(b);
}

int operator_held_list(struct api_call *c, struct error *err)
{
	struct allocation_row *rows;
	int64_t after, limit, last = 0, told = 0;
	size_t n;

	if (read_page(c, &after, &limit, err) < 0 ||
		store_allocation_list(c->db, c->arena, 0, &rows, &n, err))
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "held");
	jw_array(&c->out);
	for (size_t i = 0; i < n && told < limit; i++) {
		if (rows[i].id <= after)
			continue;
		write_held(&c->out, &rows[i]);
		last = rows[i].id;
		told++;
	}
	jw_end_array(&c->out);
	jw_kv_int(&c->out, "next", told == limit ? last : 0);
	jw_end_object(&c->out);
	return 0;
}
