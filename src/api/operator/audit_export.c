/* SPDX-License-Identifier: Apache-2.0 */
/* GET /audit/export: the chain as lines of JSON, in pieces, as fast as the peer takes them. That it was read
 * is a record of its own, on disk before the first line leaves. */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/operator/operator.h"
#include "base/log.h"
#include "base/util.h"
#include "domain/audit_json.h"
#include "store/audit.h"
#include "store/meta.h"

enum { PIECE_RECORDS = 200 };

struct export
{
	struct api_call *call;
	struct tick_unit unit;
	struct loop_timer again; /* so that a fast reader does not keep the loop */
	int64_t from, to, next, records;
	bool head; /* there are heads to come; the next: */
	struct audit_head next_head;
	unsigned char hash[SHA256_SIZE]; /* of the last record that was sent */
	bool begun, ended;
};

static void line_begin(struct buf *b, const char *type)
{
	buf_puts(b, "{"); /* not jw_object: lines have no commas between */
	jw_kv_str(b, "type", type);
}

static void line_end(struct buf *b)
{
	jw_end_object(b);
	buf_puts(b, "\n");
}

static void closed(struct loop_timer *t)
{
	free(CONTAINER_OF(t, struct export, again));
}

static void finish(struct export *x, bool ok)
{
	struct api_call *c = x->call;

	loop_timer_close(&x->again, closed);
	api_stream_end(c, ok);
}

/* --- lines --- */

static int write_start(struct export *x, struct buf *b, struct error *err)
{
	struct db *db = store_ro(x->call->api->store);
	char cloud[UUID_TEXT] = "";
	struct audit_key *keys;
	size_t n;

	if (store_meta_get(db, "cloud_id", cloud, sizeof cloud, err) < 0 ||
		store_audit_key_list(db, x->call->arena, &keys, &n, err))
		return -1;
	line_begin(b, "begin");
	jw_kv_str(b, "format", AUDIT_EXPORT_FORMAT);
	jw_kv_str(b, "cloud", cloud);
	jw_kv_int(b, "from", x->from);
	jw_kv_int(b, "to", x->to);
	audit_hash_write(b, "before", x->hash);
	line_end(b);
	for (size_t i = 0; i < n; i++) {
		line_begin(b, "key");
		audit_key_write(b, keys[i].public_key);
		jw_kv_int(b, "seq", keys[i].seq);
		line_end(b);
	}
	return 0;
}

/* The heads of records up to seq. */
static int write_heads(struct export *x, struct buf *b, int64_t seq, struct error *err)
{
	struct db *db = store_ro(x->call->api->store);
	int rc = 1;

	while (x->head && x->next_head.seq <= seq) {
		line_begin(b, "head");
		audit_head_write(b, &x->next_head);
		line_end(b);
		rc = store_audit_head_from(db, x->next_head.seq + 1, &x->next_head, err);
		x->head = rc > 0;
	}
	return rc < 0 ? -1 : 0;
}

static int write_piece(struct export *x, struct buf *b, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_record r;
	int rc = 0, n = 0;

	if (store_audit_walk(store_ro(x->call->api->store), x->next, &st, err) < 0)
		return -1;
	while (x->next <= x->to && n++ < PIECE_RECORDS && (rc = store_audit_next(st, &r, x->hash, err)) > 0) {
		line_begin(b, "record");
		audit_record_write(b, &r, x->hash);
		line_end(b);
		x->next = r.seq + 1;
		x->records++;
		if (write_heads(x, b, r.seq, err))
			return -1;
	}
	if (rc < 0)
		return -1;
	if (x->next <= x->to && rc > 0)
		return 0;
	line_begin(b, "end");
	jw_kv_int(b, "seq", x->next - 1);
	audit_hash_write(b, "hash", x->hash);
	jw_kv_int(b, "records", x->records);
	line_end(b);
	x->ended = true;
	return 0;
}

/* --- sending --- */

static void send_on(struct export *x);

static void again(struct loop_timer *t)
{
	send_on(CONTAINER_OF(t, struct export, again));
}

static void on_drain(struct api_call *c)
{
	struct export *x = c->stream.data_ctx;

	loop_timer_set(c->api->loop, &x->again, 0, again);
}

static void send_on(struct export *x)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	struct api_call *c = x->call;
	struct error err = { 0 };
	bool more;

	if ((!x->begun && write_start(x, &b, &err)) || write_piece(x, &b, &err)) {
		log_event(LOG_ERR, "an export of the audit broke off", "request_id", c->request_id, "error",
			err.msg, "detail", err.detail, NULL);
		finish(x, false);
		return;
	}
	x->begun = true;
	more = http_respond_write(c->http, b.data, b.len);
	if (x->ended)
		finish(x, true);
	else if (more)
		loop_timer_set(c->api->loop, &x->again, 0, again);
}

static int run_record(struct tick_unit *u, struct error *err)
{
	struct export *x = CONTAINER_OF(u, struct export, unit);

	return audit_insert(x->call, store_rw(x->call->api->store), NULL, err);
}

static void finish_record(struct tick_unit *u, enum tick_outcome outcome, const struct error *why)
{
	struct export *x = CONTAINER_OF(u, struct export, unit);
	struct api_call *c = x->call;
	struct error err;

	if (outcome != TICK_DONE) {
		free(x);
		api_unstored(&err, outcome, why);
		api_fail(c, &err);
		return;
	}
	c->stream = (struct api_stream) { .drain = on_drain, .data_ctx = x };
	c->content_type = "application/jsonl";
	api_stream_start(c, -1);
	send_on(x);
}

/* --- what is asked for --- */

/* A record's number, or a time: the first record then. */
static int read_place(struct api_call *c, const char *name, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);
	int64_t us;

	if (!text || str_int64(text, 1, INT64_MAX - 1, out))
		return 0;
	if (time_parse(text, &us))
		return error_set(err, ERR_BAD_REQUEST,
			"%s must be the number of a record, or a time as 2026-01-31T00:00:00Z", name);
	if (store_audit_seq_at(c->db, us, out, err))
		return -1;
	*out -= *name == 't'; /* up to a time: the one before it */
	return 0;
}

/* The end is put off to the head that covers it, where there is one. */
static int settle(struct export *x, const struct audit_tip *tip, struct error *err)
{
	struct api_call *c = x->call;
	struct audit_record r;
	struct audit_head h;
	int rc;

	if (x->from <= tip->base_seq)
		x->from = tip->base_seq + 1;
	if (x->to > tip->seq)
		x->to = tip->seq;
	if (x->from > x->to + 1)
		return error_set(err, ERR_BAD_REQUEST, "there are no records from %lld to %lld",
			(long long)x->from, (long long)x->to);
	rc = store_audit_head_from(c->db, x->to, &h, err);
	if (rc > 0)
		x->to = h.seq;
	if (rc < 0 || (rc = store_audit_head_from(c->db, x->from - 1, &x->next_head, err)) < 0)
		return -1;
	x->head = rc > 0;
	x->next = x->from;
	if (x->from == tip->base_seq + 1)
		memcpy(x->hash, tip->base_hash, SHA256_SIZE);
	else if (store_audit_load(c->db, c->arena, x->from - 1, NULL, &r, x->hash, err))
		return -1;
	return 0;
}

int operator_audit_export(struct api_call *c, struct error *err)
{
	struct export *x = xcalloc(1, sizeof *x);
	struct audit_tip tip;

	x->call = c;
	x->from = 1;
	x->to = INT64_MAX - 1;
	c->status = 200;
	if (read_place(c, "from", &x->from, err) || read_place(c, "to", &x->to, err) ||
		store_audit_tip(c->db, &tip, err) || settle(x, &tip, err)) {
		free(x);
		return -1;
	}
	x->unit = (struct tick_unit) { .run = run_record, .finish = finish_record };
	tick_submit(c->api->tick, &x->unit);
	return 0;
}
