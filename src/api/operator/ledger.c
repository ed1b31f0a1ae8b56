/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of GPUs: who had each of them when, and the proof that it adds up. */
#include <string.h>

#include "api/operator/books.h"
#include "base/util.h"
#include "domain/money.h"
#include "store/books_verify.h"
#include "store/ledger.h"

enum { FINDINGS_MAX = 100 };

static const int64_t hour_us = 3600000000;

/* ---- verify ---- */

struct findings {
	struct buf *out;
	int64_t n;
};

static void on_finding(void *ctx, const char *rule, const char *object, const char *message)
{
	struct findings *f = ctx;

	if (f->n++ >= FINDINGS_MAX)
		return;
	jw_object(f->out);
	jw_kv_str(f->out, "rule", rule);
	jw_kv_str(f->out, "object", object);
	jw_kv_str(f->out, "message", message);
	jw_end_object(f->out);
}

static void kv_hours(struct buf *b, const char *key, usage_wide share_us)
{
	char text[FRACTION_TEXT];

	jw_kv_str(b, key, quantity_text(share_us, (usage_wide)hour_us * 1000, text));
}

static void write_model(struct buf *b, const struct books_model *m)
{
	char exact[FRACTION_TEXT];
	usage_wide total = 0;

	jw_object(b);
	jw_kv_str(b, "model", m->model);
	for (int i = 0; i < GPU_OWNERS; i++) {
		kv_hours(b, gpu_owner_names[i], m->owners[i]);
		total += m->owners[i];
	}
	kv_hours(b, "total", total);
	kv_hours(b, "lifetime", m->lifetime);
	jw_kv_str(b, "total_us", fraction_text(total, 1000, exact));
	jw_kv_str(b, "lifetime_us", fraction_text(m->lifetime, 1000, exact));
	jw_end_object(b);
}

static int write_verdict(struct books_report *r, struct db *db, const atomic_bool *stop, struct error *err)
{
	struct findings f = { .out = &r->out };
	struct books_verify v = { .from_us = r->from_us,
		.to_us = r->to_us,
		.now_us = r->now_us,
		.steps = r->steps,
		.steps_n = r->steps_n,
		.found = on_finding,
		.ctx = &f,
		.stop = stop,
		.arena = &r->arena };
	struct buf *b = &r->out;

	jw_object(b);
	jw_key(b, "ledger");
	jw_object(b);
	books_write_period(r);
	jw_key(b, "findings");
	jw_array(b);
	if (store_books_verify(db, &v, err))
		return -1;
	jw_end_array(b);
	jw_kv_bool(b, "ok", f.n == 0);
	jw_kv_int(b, "findings_n", f.n);
	jw_kv_int(b, "gpus", v.gpus);
	jw_kv_int(b, "gpu_intervals", v.gpu_rows);
	jw_kv_int(b, "intervals", v.rows);
	jw_key(b, "models");
	jw_array(b);
	for (size_t i = 0; i < v.models_n; i++)
		write_model(b, &v.models[i]);
	jw_end_array(b);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int ledger_verify(struct api_call *c, struct error *err)
{
	struct books_report *r = books_report_create(c, true, write_verdict, err);

	return r ? books_report_send(r, err) : -1;
}

/* ---- show ---- */

static void write_row(void *ctx, const struct ledger_row *row)
{
	struct books_report *r = ctx;
	struct buf *b = &r->out;

	jw_object(b);
	jw_kv_str(b, "gpu", row->gpu_uid);
	jw_kv_str(b, "host", row->host);
	jw_kv_str(b, "address", row->address);
	jw_kv_str(b, "model", row->model);
	jw_kv_str(b, "zone", row->zone);
	jw_kv_str(b, "owner", row->owner);
	jw_kv_int(b, "share", row->share);
	jw_kv_str(b, "profile", *row->profile ? row->profile : NULL);
	jw_kv_str(b, "state", *row->state ? row->state : NULL);
	jw_kv_str(b, "project_id", row->project_uid);
	jw_kv_str(b, "server_id", row->server_uid);
	jw_kv_str(b, "reservation_id", row->block_uid);
	jw_kv_bool(b, "preemptible", row->preemptible);
	books_kv_time(r, "from", row->started_us);
	books_kv_time(r, "to", row->ended_us);
	jw_end_object(b);
}

static int write_rows(struct books_report *r, struct db *db, const atomic_bool *stop, struct error *err)
{
	const struct ledger_filter filter = { r->gpu, r->host, r->model, r->from_us, r->to_us, r->limit };
	bool more;

	(void)stop; /* bounded by the limit, and each GPU's rows by an index */
	jw_object(&r->out);
	jw_key(&r->out, "intervals");
	jw_array(&r->out);
	if (store_ledger_walk(db, &filter, write_row, r, &more, err))
		return -1;
	jw_end_array(&r->out);
	jw_kv_bool(&r->out, "more", more);
	jw_end_object(&r->out);
	return 0;
}

int ledger_list(struct api_call *c, struct error *err)
{
	struct books_report *r = books_report_create(c, true, write_rows, err);

	if (!r)
		return -1;
	if (api_limit(c, &r->limit, NULL, err)) {
		books_report_destroy(r);
		return -1;
	}
	r->gpu = arena_strdup(&r->arena, api_query(c, "gpu"));
	r->host = arena_strdup(&r->arena, api_query(c, "host"));
	r->model = arena_strdup(&r->arena, api_query(c, "model"));
	return books_report_send(r, err);
}
