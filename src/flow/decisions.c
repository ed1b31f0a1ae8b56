/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/decisions.h"

#include <jansson.h>
#include <string.h>

#include "base/util.h"
#include "flow/internal.h"
#include "placement/json.h"
#include "store/audit_notes.h"

enum { BACK_MAX = 20000 }; /* rows that are walked back on the loop */

static char *text_of(struct arena *a, const struct buf *b)
{
	return arena_strdup(a, buf_text((struct buf *)b));
}

/* ---- what changed ---- */

struct writing {
	struct flow_engine *e;
	struct db *db;
	int64_t now_us;
};

static void holding_write(struct buf *b, const struct placement_event *ev)
{
	jw_object(b);
	jw_key(b, "request");
	placement_request_write(b, ev->request);
	jw_key(b, "choice");
	placement_choice_write(b, ev->choice);
	jw_end_object(b);
}

static void mix_write(struct buf *b, const struct placement_mix *m)
{
	if (m)
		placement_mix_write(b, m);
}

static int write_event(void *ctx, const struct placement_event *ev, struct error *err)
{
	const struct writing *w = ctx;
	CLEANUP(buf_finish) struct buf now = { 0 };
	CLEANUP(buf_finish) struct buf before = { 0 };
	struct decision_row row = { .at_us = w->now_us, .subject_id = ev->id };

	switch (ev->kind) {
	case PLACEMENT_TAKEN:
		row.kind = "take";
		holding_write(&now, ev);
		break;
	case PLACEMENT_RELEASED:
		row.kind = "release";
		holding_write(&before, ev);
		break;
	case PLACEMENT_HOST_TOLD:
		row.kind = "host";
		if (ev->host)
			placement_host_write(&now, ev->host);
		if (ev->before)
			placement_host_write(&before, ev->before);
		break;
	case PLACEMENT_HOST_HELD:
		row.kind = "hold";
		buf_printf(&now, "%lld", (long long)ev->held_for);
		buf_printf(&before, "%lld", (long long)ev->held_before);
		break;
	case PLACEMENT_MIX_TOLD:
		row.kind = "mix";
		mix_write(&now, ev->mix);
		mix_write(&before, ev->mix_before);
		break;
	}
	row.input = buf_text(&now);
	row.before = buf_text(&before);
	return store_decision_insert(w->db, &row, err);
}

int decisions_write(struct flow_engine *e, struct db *db, struct error *err)
{
	struct writing w = { e, db, engine_now(e) };

	if (placement_events(e->placement, e->mark_decisions, write_event, &w, err) < 0)
		return -1;
	e->mark_decisions = placement_mark(e->placement);
	return 0;
}

static int begin_host(void *ctx, const struct placement_event *ev, struct error *err)
{
	const struct writing *w = ctx;
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf now = { 0 };
	struct decision_row row = { .at_us = w->now_us, .kind = "host", .subject_id = ev->id };

	if (store_decision_host(w->db, &a, ev->id, &row.before, err) < 0)
		return -1;
	placement_host_write(&now, ev->host);
	row.input = buf_text(&now);
	return str_eq(row.input, row.before) ? 0 : store_decision_insert(w->db, &row, err);
}

static int begin_mix_write(void *ctx, const struct placement_event *ev, struct error *err)
{
	(void)err;
	placement_mix_write(ctx, ev->mix);
	return 0;
}

static int begin_mix(const struct writing *w, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf now = { 0 };
	struct decision_row row = { .at_us = w->now_us, .kind = "mix" };

	if (store_decision_mix(w->db, &a, &row.before, err) < 0 ||
		placement_mix_tell(w->e->placement, begin_mix_write, &now, err) < 0)
		return -1;
	row.input = buf_text(&now);
	return str_eq(row.input, row.before) ? 0 : store_decision_insert(w->db, &row, err);
}

int decisions_begin(struct flow_engine *e, struct db *db, struct error *err)
{
	struct writing w = { e, db, engine_now(e) };

	return placement_each_host(e->placement, begin_host, &w, err) < 0 ? -1 : begin_mix(&w, err);
}

/* ---- what was asked ---- */

static void answer_write(
	struct buf *b, int rc, const struct placement_choice *choices, size_t n, const struct error *err)
{
	jw_object(b);
	if (rc) {
		jw_kv_str(b, "refused", err->msg);
	} else {
		jw_key(b, "choices");
		jw_array(b);
		for (size_t i = 0; i < n; i++)
			placement_choice_write(b, &choices[i]);
		jw_end_array(b);
	}
	jw_end_object(b);
}

static void question_write(
	struct buf *b, const struct decision_beside *beside, const struct placement_request *req, size_t n)
{
	jw_object(b);
	jw_kv_int(b, "n", (int64_t)n);
	jw_key(b, "request");
	placement_request_write(b, req);
	if (beside->id) {
		jw_key(b, "beside");
		jw_object(b);
		jw_kv_int(b, "id", beside->id);
		if (beside->held) {
			jw_key(b, "request");
			placement_request_write(b, beside->held);
			jw_key(b, "choice");
			placement_choice_write(b, beside->choice);
		}
		jw_end_object(b);
	}
	jw_end_object(b);
}

/* Changes nothing. */
static int ask(struct placement *p, const struct decision_beside *beside, const struct placement_request *req,
	size_t n, struct placement_choice *out, struct error *err)
{
	size_t mark = placement_mark(p);
	int rc = 0;

	if (beside->id)
		placement_release(p, beside->id);
	if (beside->id && beside->held)
		rc = placement_take(p, beside->id, beside->held, beside->choice, true, err);
	if (rc == 0)
		rc = placement_choose(p, req, n, out, err);
	placement_undo(p, mark);
	return rc;
}

int decision_choose(struct flow_engine *e, struct db *db, const struct decision_asked *who,
	const struct placement_request *req, size_t n, struct placement_choice *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf question = { 0 };
	CLEANUP(buf_finish) struct buf answer = { 0 };
	struct decision_row row = { .at_us = engine_now(e),
		.kind = "choose",
		.subject_id = who->server_id,
		.request_id = who->request_id,
		.project_uid = who->project_uid };
	struct error why = { 0 };
	int rc;

	if (decisions_write(e, db, err) < 0)
		return -1;
	rc = ask(e->placement, &who->beside, req, n, out, &why);
	question_write(&question, &who->beside, req, n);
	answer_write(&answer, rc, out, n, &why);
	row.input = buf_text(&question);
	row.answer = buf_text(&answer);
	if (store_decision_insert(db, &row, err) < 0 ||
		(who->server_id && store_audit_choice(db,
					   &(struct audit_choice) { .server_id = who->server_id,
						   .host_id = rc ? 0 : out->host_id,
						   .why = why.msg,
						   .request_id = who->request_id,
						   .now_us = row.at_us },
					   err)))
		return -1;
	if (rc)
		*err = why;
	return rc;
}

/* ---- asking again ---- */

static int part(const json_t *j, const char *key, const json_t **out, struct error *err)
{
	*out = json_object_get(j, key);
	return *out ? 0 : error_internal(err, "the journal of decisions lacks '%s'", key);
}

static int holding_read(const json_t *j, struct arena *a, struct placement_request *req,
	struct placement_choice *choice, struct error *err)
{
	const json_t *r, *c;

	if (part(j, "request", &r, err) < 0 || part(j, "choice", &c, err) < 0 ||
		placement_request_read(r, a, req, err) < 0 || placement_choice_read(c, a, choice, err) < 0)
		return -1;
	return 0;
}

static int untake_release(
	struct placement *p, struct arena *a, int64_t id, const json_t *before, struct error *err)
{
	struct placement_choice *choice = ARENA_NEW(a, struct placement_choice);
	struct placement_request req;

	if (holding_read(before, a, &req, choice, err) < 0)
		return -1;
	return placement_take(p, id, &req, choice, true, err);
}

static int untell_host(
	struct placement *p, struct arena *a, int64_t id, const json_t *before, struct error *err)
{
	struct placement_host h;

	if (!before) {
		placement_host_remove(p, id);
		return 0;
	}
	if (placement_host_read(before, a, &h, err) < 0)
		return -1;
	placement_host_set(p, &h);
	return 0;
}

static int untell_mix(struct placement *p, struct arena *a, const json_t *before, struct error *err)
{
	struct placement_mix m = { .n = 0 };

	if (before && placement_mix_read(before, a, &m, err) < 0)
		return -1;
	placement_mix_set(p, m.requests, m.weights, m.n, m.churning);
	return 0;
}

/* Takes one row back. What hosts are told of geometries lives as long as the arena. */
static int take_back(struct placement *p, struct arena *a, const struct decision_row *row, struct error *err)
{
	json_t *before;
	int rc = 0;

	if (str_eq(row->kind, "choose"))
		return 0;
	if (str_eq(row->kind, "take")) {
		placement_release(p, row->subject_id);
		return 0;
	}
	before = *row->before ? json_loads(row->before, JSON_DECODE_ANY, NULL) : NULL;
	if (str_eq(row->kind, "release"))
		rc = untake_release(p, a, row->subject_id, before, err);
	else if (str_eq(row->kind, "host"))
		rc = untell_host(p, a, row->subject_id, before, err);
	else if (str_eq(row->kind, "hold"))
		placement_host_hold(p, row->subject_id, json_integer_value(before));
	else if (str_eq(row->kind, "mix"))
		rc = untell_mix(p, a, before, err);
	json_decref(before);
	return rc;
}

static int walk_back(struct placement *p, struct db *db, struct arena *a, int64_t to_id, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct decision_row row;
	int rows = 0, rc;

	if (store_decision_walk(db, to_id, true, &st, err) < 0)
		return -1;
	while ((rc = store_decision_next(st, &row, err)) > 0) {
		if (++rows > BACK_MAX)
			return error_set(err, ERR_TOO_LARGE,
				"more than %d changes happened since: ask about it with cloudctl simulate",
				BACK_MAX);
		if (take_back(p, a, &row, err) < 0)
			return -1;
		placement_forget(p);
	}
	return rc;
}

static int ask_again(
	struct placement *p, struct arena *a, const json_t *question, struct buf *answer, struct error *err)
{
	const json_t *r, *beside = json_object_get(question, "beside");
	int64_t n = json_integer_value(json_object_get(question, "n"));
	struct decision_beside b = { .id = json_integer_value(json_object_get(beside, "id")) };
	struct placement_choice *out, *kept = ARENA_NEW(a, struct placement_choice);
	struct placement_request req, held;
	struct error why = { 0 };

	if (n < 1 || n > BACK_MAX || part(question, "request", &r, err) < 0 ||
		placement_request_read(r, a, &req, err) < 0)
		return error_wrap(err, "decision");
	if (json_object_get(beside, "request")) {
		if (holding_read(beside, a, &held, kept, err) < 0)
			return -1;
		b.held = &held;
		b.choice = kept;
	}
	out = ARENA_ARRAY(a, struct placement_choice, (size_t)n);
	answer_write(answer, ask(p, &b, &req, (size_t)n, out, &why), out, (size_t)n, &why);
	return 0;
}

static void placement_done(struct placement **p)
{
	placement_destroy(*p);
}

int flow_decision_ask(struct flow_engine *e, struct db *db, struct arena *a, const struct decision_row *row,
	const char **out_answer, struct error *err)
{
	CLEANUP(arena_finish) struct arena told = { 0 };
	struct placement *p CLEANUP(placement_done) = placement_copy(e->placement);
	CLEANUP(buf_finish) struct buf answer = { 0 };
	json_t *question;
	int rc;

	if (walk_back(p, db, &told, row->id, err) < 0)
		return -1;
	question = json_loads(row->input, 0, NULL);
	rc = ask_again(p, &told, question, &answer, err);
	json_decref(question);
	if (rc == 0)
		*out_answer = text_of(a, &answer);
	return rc;
}
