/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts on hosts' power: a row and a task in memory each, whose passes run on a lane of their own. A pass
 * reads the power first, asks for another one where it must, and its end is a unit: only a power that was
 * read is a proof, whatever the agent answered when it was asked. */
#include "flow/fence.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/seal.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "flow/link.h"
#include "flow/restored.h"
#include "flow/run.h"
#include "hv/fence.h"
#include "store/audit_notes.h"
#include "store/event_rows.h"
#include "store/hosts.h"

enum { PASSES_AT_ONCE = 8, CALLS_A_PASS = 4, RETRY_MIN_MS = 500, RETRY_MAX_MS = 10000, RUNNING_MAX = 1000 };

/* For threads, of which one that hangs may outlive the engine. */
static atomic_bool stopping;

struct fence_task {
	struct fence_task *next;
	int64_t id, host_id, due_us; /* monotonic */
	bool off, busy;
	unsigned tries;
};

struct fence_set {
	struct flow_engine *e;
	struct lane *lane;
	struct fence_task *first;
	struct loop_timer timer;
	char *key;
};

/* ---- secrets ---- */

static int key_get(struct flow_engine *e, struct error *err)
{
	if (e->fences->key)
		return 0;
	if (!e->cfg.fence_key || !e->cfg.fence_key[0])
		return error_set(
			err, ERR_CONFLICT, "fence agents cannot have passwords: no key is configured");
	return secret_file_get(e->cfg.fence_key, e->cfg.loop->rng, &e->fences->key, err);
}

static void purpose_of(const struct host_row *h, char out[80])
{
	snprintf(out, 80, "cloudd fence agent %.36s", h->uid);
}

static int password_open(struct flow_engine *e, struct arena *a, const struct host_row *h,
	const struct fence_agent_row *row, char **out, struct error *err)
{
	char purpose[80];

	*out = arena_strdup(a, "");
	if (!row->password_n)
		return 0;
	if (key_get(e, err))
		return -1;
	purpose_of(h, purpose);
	*out = arena_alloc(a, row->password_n);
	memset(*out, 0, row->password_n);
	if (row->password_n > SEAL_EXTRA &&
		unseal(e->fences->key, purpose, row->password, row->password_n, (unsigned char *)*out))
		return 0;
	return error_set(err, ERR_CONFLICT,
		"the fence agent's password cannot be read: it was sealed with another key; set the agent "
		"anew");
}

static struct fence_agent agent_of(const struct flow_engine *e, const char *host, const char *target)
{
	return (struct fence_agent) {
		.host = host,
		.target = target,
		.user = "",
		.password = "",
		.ca = "",
		.command_dir = e->cfg.fence_command_dir ? e->cfg.fence_command_dir : "",
		.timeout_s = e->cfg.fence_call_s ? (long)e->cfg.fence_call_s : 1,
		.stop = &stopping,
	};
}

int flow_fence_agent_set(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct fence_agent_want *want, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct fence_driver *driver = fence_driver_find(want->kind);
	struct fence_agent agent = agent_of(e, h->name, want->target);
	struct fence_agent_row row = { .host_id = h->id,
		.kind = want->kind,
		.target = want->target,
		.user = want->user,
		.ca = want->ca,
		.changed_us = engine_now(e) };
	size_t n = strlen(want->password);
	unsigned char *sealed;
	char purpose[80];

	if (!driver)
		return error_set(err, ERR_BAD_REQUEST, "a fence agent is of the kind redfish or command");
	if (driver->check(&agent, err))
		return -1;
	if (n) {
		if (key_get(e, err))
			return -1;
		purpose_of(h, purpose);
		sealed = arena_alloc(&a, n + SEAL_EXTRA);
		seal(e->cfg.loop->rng, e->fences->key, purpose, want->password, n, sealed);
		row.password = sealed;
		row.password_n = n + SEAL_EXTRA;
	}
	return store_fence_agent_put(db, &row, err);
}

/* ---- the end of a pass ---- */

struct ending {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t id;
	enum fence_power power;
	bool was_read, over; /* over: the attempt has ended */
	struct error err;
};

static int tell(struct flow_engine *e, struct db *db, const struct fence_attempt *t, const char *action,
	const char *event, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf data = { 0 };
	struct audit_note note = {
		.at_us = engine_now(e), .request_id = t->request_id, .action = action, .status = 200
	};
	struct host_row h;

	if (store_host_load(db, &a, t->host_id, &h, err))
		return -1;
	note.target = h.uid;
	note.status = str_eq(t->state, "failed") ? 504 : str_eq(t->state, "running") ? 202 : 200;
	note.reason = arena_printf(&a, "attempt %lld, %s by %.64s: %s%s%.200s%s%.100s", (long long)t->id,
		t->verb, t->asked_by[0] ? t->asked_by : "cloudd itself",
		t->power[0] ? arena_printf(&a, "its power was read as %s", t->power)
			    : "its power was not read",
		t->last_error[0] ? "; " : "", t->last_error, t->reason[0] ? "; " : "", t->reason);
	jw_object(&data);
	jw_kv_int(&data, "attempt", t->id);
	jw_kv_str(&data, "power", t->power);
	jw_kv_str(&data, "error", t->last_error);
	jw_kv_str(&data, "asked_by", t->asked_by);
	jw_end_object(&data);
	return store_audit_note(db, &note, err) ||
			       (event && event_host_note(db, event, t->host_id, buf_text(&data), err))
		       ? -1
		       : 0;
}

/* The proof. What follows of it is in the same unit. */
static int is_off(struct flow_engine *e, struct db *db, const struct fence_attempt *t, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct flow_origin nobody = {
		.request_id = t->request_id, .user_uid = "", .project_uid = "", .now_us = engine_now(e)
	};
	struct host_row h;

	if (flow_host_force_down(e, db, t->host_id,
		    &(struct host_proof) {
			    "fence", t->asked_by[0] ? t->asked_by : "cloudd itself", t->reason },
		    err) ||
		store_host_load(db, &a, t->host_id, &h, err))
		return -1;
	return t->evacuate ? flow_host_evacuate(e, db, &h, &nobody, t->asked_by, err) : 0;
}

static int is_on(struct flow_engine *e, struct db *db, const struct fence_attempt *t, struct error *err)
{
	return flow_host_force_down(e, db, t->host_id, NULL, err);
}

static const struct {
	const char *verb, *power; /* what has to be read; NULL: anything */
	int (*done)(struct flow_engine *e, struct db *db, const struct fence_attempt *t, struct error *err);
	const char *action, *done_event, *failed_event;
} verbs[] = {
	{ "off", "off", is_off, "host.fenced", "host.fenced", "host.fence_failed" },
	{ "on", "on", is_on, "host.powered_on", NULL, NULL },
	{ "status", NULL, NULL, "host.power_read", NULL, NULL },
};

static size_t verb_of(const char *verb)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(verbs) && !str_eq(verbs[i].verb, verb))
		i++;
	return i;
}

/* A host that could be heard a moment ago and is said to be off: one of both is another machine. */
static bool contradicts(const struct fence_attempt *t, bool first_reading)
{
	return t->answered && first_reading && str_eq(t->verb, "off") && str_eq(t->power, "off");
}

static void judge(struct fence_attempt *t, const struct ending *x, int64_t now_us)
{
	const char *wanted = verbs[verb_of(t->verb)].power;
	bool first_reading = !t->power[0];

	t->tries++;
	if (x->was_read) {
		t->power = fence_power_text(x->power);
		t->power_us = now_us;
	}
	t->last_error = x->err.code ? x->err.msg : "";
	if (contradicts(t, first_reading)) {
		t->state = "failed";
		t->last_error =
			"the fence agent says that it is off, though it could be heard: is it the agent of "
			"another machine?";
	} else if (x->was_read && x->power != FENCE_UNKNOWN && (!wanted || str_eq(wanted, t->power))) {
		t->state = "done";
		t->last_error = "";
	} else if (!wanted || now_us >= t->deadline_us) {
		t->state = "failed";
		if (!t->last_error[0])
			t->last_error = "its power is not what it should be, though the agent was asked";
	}
	t->ended_us = str_eq(t->state, "running") ? 0 : now_us;
}

static int ending_run(struct tick_unit *u, struct error *err)
{
	struct ending *x = CONTAINER_OF(u, struct ending, unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_rw(x->e->cfg.store);
	struct fence_attempt t;
	size_t v;
	int rc;

	if (x->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	rc = store_fence_attempt_load(db, &a, x->id, &t, err);
	if (rc < 0)
		return -1;
	x->over = rc == 0 || !str_eq(t.state, "running");
	if (x->over)
		return 0;
	judge(&t, x, engine_now(x->e));
	x->over = t.ended_us != 0;
	if (store_fence_attempt_save(db, &t, err) || !x->over)
		return x->over ? -1 : 0;
	v = verb_of(t.verb);
	if (str_eq(t.state, "done"))
		return tell(x->e, db, &t, verbs[v].action, verbs[v].done_event, err) ||
				       (verbs[v].done && verbs[v].done(x->e, db, &t, err))
			       ? -1
			       : 0;
	return tell(x->e, db, &t, verbs[v].action, verbs[v].failed_event, err);
}

/* ---- tasks ---- */

static void fired(struct loop_timer *timer);

static struct fence_task *task_find(struct fence_set *set, int64_t id)
{
	struct fence_task *t = set->first;

	while (t && t->id != id)
		t = t->next;
	return t;
}

enum { AUTO_AGAIN_S = 60, AUTO_HELD_S = 10, AUTO_COUNTS_S = 600 };

static void task_remove(struct fence_set *set, struct fence_task *t)
{
	struct link *l = link_find(set->e, t->host_id);

	for (struct fence_task **p = &set->first; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	if (l && t->off) { /* time to answer by itself, before it is held again */
		l->known.auto_us = engine_mono(set->e) + (int64_t)AUTO_AGAIN_S * 1000000;
		link_hold(l, false);
	}
	free(t);
}

static void arm(struct fence_set *set)
{
	int64_t now = engine_mono(set->e), soonest = INT64_MAX;

	for (const struct fence_task *t = set->first; t; t = t->next)
		if (!t->busy && t->due_us < soonest)
			soonest = t->due_us;
	if (soonest != INT64_MAX && !set->e->stopping && !set->e->dead)
		loop_timer_set(set->e->cfg.loop, &set->timer,
			soonest > now ? (uint64_t)(soonest - now) / 1000 + 1 : 0, fired);
}

static void again(struct fence_set *set, struct fence_task *t)
{
	int64_t ms = (int64_t)RETRY_MIN_MS << (t->tries < 5 ? t->tries : 5);

	t->busy = false;
	t->tries++;
	t->due_us = engine_mono(set->e) + (ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS) * 1000;
	arm(set);
}

static void ending_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct ending *x = CONTAINER_OF(u, struct ending, unit);
	struct fence_set *set = x->e->dead ? NULL : x->e->fences;
	struct fence_task *t = set ? task_find(set, x->id) : NULL;

	x->e->committing--;
	if (outcome != TICK_DONE && t)
		log_event(LOG_ERR, "what a fence agent said could not be written", "error", err->msg,
			"detail", err->detail, NULL);
	if (t && outcome == TICK_DONE && x->over) {
		task_remove(set, t);
		evacuations_look(x->e);
	} else if (t) {
		again(set, t);
	}
	engine_check_stopped(x->e);
	engine_unref(x->e);
	free(x);
}

static void end_pass(
	struct flow_engine *e, int64_t id, enum fence_power power, bool was_read, const struct error *err)
{
	struct ending *x = xcalloc(1, sizeof *x);

	*x = (struct ending) { .unit = { .run = ending_run, .finish = ending_finish },
		.e = e,
		.id = id,
		.power = power,
		.was_read = was_read };
	if (err)
		x->err = *err;
	e->refs++;
	e->committing++;
	tick_submit(e->cfg.tick, &x->unit);
}

/* ---- a pass ---- */

struct pass {
	struct work work;
	struct flow_engine *e; /* not the thread's */
	int64_t id;
	const struct fence_driver *driver;
	struct fence_agent agent;
	struct arena arena;
	enum fence_power wanted; /* FENCE_UNKNOWN: it is read alone */
	enum fence_power power;
	bool was_read;
	struct error err;
};

static void pass_run(struct work *w)
{
	struct pass *p = CONTAINER_OF(w, struct pass, work);

	if (p->driver->read(&p->agent, &p->power, &p->err))
		return;
	p->was_read = true;
	if (p->wanted != FENCE_UNKNOWN && p->power != p->wanted)
		p->driver->set(&p->agent, p->wanted == FENCE_ON, &p->err);
}

static void pass_done(struct work *w, enum work_result res)
{
	struct pass *p = CONTAINER_OF(w, struct pass, work);
	struct error late = { 0 };

	if (p->e->dead || p->e->stopping)
		return;
	if (res == WORK_DONE) {
		end_pass(p->e, p->id, p->power, p->was_read, &p->err);
		return;
	}
	error_set(&late, ERR_TIMEOUT, "the fence agent did not answer in time");
	end_pass(p->e, p->id, FENCE_UNKNOWN, false, &late);
}

static void pass_destroy(struct work *w)
{
	struct pass *p = CONTAINER_OF(w, struct pass, work);

	if (p->agent.password)
		explicit_bzero((char *)(uintptr_t)p->agent.password, strlen(p->agent.password));
	arena_finish(&p->arena);
	engine_unref(p->e);
	free(p);
}

/* 1, 0 the attempt is over, -1. */
static int pass_load(struct pass *p, struct error *err)
{
	struct db *ro = store_ro(p->e->cfg.store);
	struct fence_attempt t;
	struct fence_agent_row row;
	struct host_row h;
	char *password;
	int rc = store_fence_attempt_load(ro, &p->arena, p->id, &t, err);

	if (rc <= 0 || !str_eq(t.state, "running"))
		return rc < 0 ? -1 : 0;
	if (store_host_load(ro, &p->arena, t.host_id, &h, err) ||
		(rc = store_fence_agent_get(ro, &p->arena, t.host_id, &row, err)) < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "the host has no fence agent any more");
	if (password_open(p->e, &p->arena, &h, &row, &password, err))
		return -1;
	p->driver = fence_driver_find(row.kind);
	p->agent = agent_of(p->e, h.name, row.target);
	p->agent.user = row.user;
	p->agent.password = password;
	p->agent.ca = row.ca;
	p->wanted = str_eq(t.verb, "off") ? FENCE_OFF : str_eq(t.verb, "on") ? FENCE_ON : FENCE_UNKNOWN;
	return 1;
}

static void pass_begin(struct fence_set *set, struct fence_task *t)
{
	struct flow_engine *e = set->e;
	struct pass *p = xcalloc(1, sizeof *p);
	struct error err = { 0 };
	int rc;

	p->e = e;
	p->id = t->id;
	e->refs++;
	t->busy = true;
	rc = pass_load(p, &err);
	if (rc > 0) {
		p->work = (struct work) { .run = pass_run,
			.done = pass_done,
			.destroy = pass_destroy,
			.timeout_ms = (unsigned)(p->agent.timeout_s * CALLS_A_PASS) * 1000 };
		if (lane_submit(set->lane, &p->work))
			return;
		error_set(&err, ERR_UNAVAILABLE, "too much stands in line at the fence agents");
	}
	if (rc)
		end_pass(e, t->id, FENCE_UNKNOWN, false, &err);
	else
		task_remove(set, t);
	pass_destroy(&p->work);
}

static void fired(struct loop_timer *timer)
{
	struct fence_set *set = CONTAINER_OF(timer, struct fence_set, timer);
	int64_t now = engine_mono(set->e);

	if (set->e->dead || set->e->stopping)
		return;
	for (struct fence_task *t = set->first, *next; t; t = next) {
		next = t->next;
		if (!t->busy && t->due_us <= now)
			pass_begin(set, t);
	}
	arm(set);
}

/* ---- from rows to tasks ---- */

static void task_make(struct fence_set *set, const struct fence_attempt *row)
{
	struct link *l = link_find(set->e, row->host_id);
	struct fence_task *t;

	if (task_find(set, row->id))
		return;
	t = xcalloc(1, sizeof *t);
	*t = (struct fence_task) { .next = set->first,
		.id = row->id,
		.host_id = row->host_id,
		.off = str_eq(row->verb, "off"),
		.due_us = engine_mono(set->e) };
	set->first = t;
	if (l && t->off)
		link_hold(l, true);
}

static void tasks_load(struct flow_engine *e)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct fence_attempt *rows;
	struct error err;
	size_t n;

	if (store_fence_attempt_list(store_ro(e->cfg.store), &a, 0, RUNNING_MAX, &rows, &n, &err)) {
		log_event(LOG_ERR, "attempts on hosts' power cannot be read", "detail", err.detail, NULL);
		return;
	}
	for (size_t i = 0; i < n; i++)
		task_make(e->fences, &rows[i]);
	arm(e->fences);
}

struct sync {
	struct tick_unit unit;
	struct flow_engine *e;
};

static int sync_run(struct tick_unit *u, struct error *err)
{
	(void)u;
	(void)err;
	return 0;
}

static void sync_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct sync *y = CONTAINER_OF(u, struct sync, unit);

	(void)err;
	if (outcome != TICK_UNKNOWN && !y->e->dead && y->e->started && !y->e->stopping)
		tasks_load(y->e); /* the rows are on disk since the tick before */
	engine_unref(y->e);
	free(y);
}

/* Once the rows are on disk. */
static void tasks_later(struct flow_engine *e)
{
	struct sync *y = xcalloc(1, sizeof *y);

	*y = (struct sync) { .unit = { .run = sync_run, .finish = sync_finish }, .e = e };
	e->refs++;
	tick_submit(e->cfg.tick, &y->unit);
}

int flow_fence_begin(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct fence_want *want, int64_t *out_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct link *l = link_find(e, h->id);
	struct fence_agent_row agent;
	struct fence_attempt t = { .id = store_next_id(e->cfg.store),
		.host_id = h->id,
		.verb = want->verb,
		.state = "running",
		.asked_by = want->by,
		.reason = want->reason,
		.request_id = want->request_id,
		.answered = l && link_connected(l),
		.evacuate = want->evacuate,
		.power = "",
		.last_error = "",
		.created_us = engine_now(e) };
	int rc = store_fence_agent_get(db, &a, h->id, &agent, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT,
			"host %.64s has no fence agent: cloudctl host fence-agent set %.64s", h->name,
			h->name);
	if (str_eq(want->verb, "off") && t.answered && !want->force)
		return error_set(err, ERR_CONFLICT,
			"host %.64s can be heard: its guests would be cut off; say so with force", h->name);
	t.deadline_us =
		t.created_us + (want->deadline_s ? want->deadline_s : e->cfg.fence_deadline_s) * 1000000;
	if (store_fence_attempt_insert(db, &t, err) ||
		(str_eq(want->verb, "off") && tell(e, db, &t, "host.fencing", "host.fencing", err)))
		return -1;
	*out_id = t.id;
	tasks_later(e);
	return 0;
}

/* ---- by itself ---- */

struct by_itself {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id;
	struct evidence_fleet fleet;
	bool held;
	char why[160];
};

static struct evidence_fleet fleet_of(const struct flow_engine *e)
{
	struct evidence_fleet f = { .most = e->cfg.fence_auto_max };

	for (size_t i = 0; i < e->links.cap; i++) {
		const struct link *l = (const struct link *)(intptr_t)e->links.entries[i].value;

		if (e->links.entries[i].value == MAP_NONE)
			continue;
		f.hosts++;
		f.connected += l->state == LINK_CONNECTED;
		f.silent += l->state != LINK_CONNECTED && l->known.told != EVIDENCE_DOWN;
	}
	return f;
}

static int by_itself_run(struct tick_unit *u, struct error *err)
{
	struct by_itself *b = CONTAINER_OF(u, struct by_itself, unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf data = { 0 };
	struct db *db = store_rw(b->e->cfg.store);
	int64_t id, before = 0, now_us = engine_now(b->e);
	struct fence_agent_row agent;
	const char *why;
	struct host_row h;

	if (b->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	if (store_host_load(db, &a, b->host_id, &h, err) ||
		store_fence_auto_count(db, now_us - (int64_t)AUTO_COUNTS_S * 1000000, &before, err))
		return -1;
	b->fleet.silent += before;
	why = evidence_holds_fence(&b->fleet);
	if (!why && store_fence_agent_get(db, &a, h.id, &agent, err) == 0)
		why = "it has no fence agent";
	if (!why)
		return flow_fence_begin(b->e, db, &h,
			&(struct fence_want) { .verb = "off",
				.by = "",
				.reason = "nothing was heard of it for long",
				.request_id = "",
				.evacuate = b->e->cfg.fence_auto_evacuate },
			&id, err);
	b->held = true;
	if (str_eq(why, b->why)) /* it was told */
		return 0;
	str_copy(b->why, sizeof b->why, why);
	jw_object(&data);
	jw_kv_str(&data, "reason", why);
	jw_end_object(&data);
	return event_host_note(db, "host.fence_held", h.id, buf_text(&data), err);
}

static void by_itself_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct by_itself *b = CONTAINER_OF(u, struct by_itself, unit);
	struct link *l = b->e->dead ? NULL : link_find(b->e, b->host_id);

	(void)err;
	if (l && outcome == TICK_DONE && b->held && !str_eq(b->why, l->known.held_why))
		log_event(LOG_WARNING, "a silent host is not fenced by itself", "host", l->name, "why",
			b->why, NULL);
	if (l && b->held)
		l->known.auto_us = engine_mono(b->e) + (int64_t)AUTO_HELD_S * 1000000;
	if (l && outcome == TICK_DONE)
		str_copy(l->known.held_why, sizeof l->known.held_why, b->held ? b->why : "");
	engine_unref(b->e);
	free(b);
}

void fence_by_itself(struct flow_engine *e, struct link *l, int64_t silent_us)
{
	int64_t now = engine_mono(e);
	struct by_itself *b;

	if (!e->cfg.fence_auto_after_s || l->held || l->known.told != EVIDENCE_UNREACHABLE ||
		silent_us < e->cfg.fence_auto_after_s * 1000000 || now < l->known.auto_us || flow_restored(e))
		return;
	l->known.auto_us = now + (int64_t)AUTO_AGAIN_S * 1000000;
	b = xcalloc(1, sizeof *b);
	*b = (struct by_itself) { .unit = { .run = by_itself_run, .finish = by_itself_finish },
		.e = e,
		.host_id = l->host_id,
		.fleet = fleet_of(e) };
	str_copy(b->why, sizeof b->why, l->known.held_why);
	e->refs++;
	tick_submit(e->cfg.tick, &b->unit);
}

/* ---- the whole ---- */

void fences_create(struct flow_engine *e)
{
	e->fences = xcalloc(1, sizeof *e->fences);
	e->fences->e = e;
	e->refs++; /* its timer */
	e->fences->lane = lane_create(e->cfg.lanes, "fence", PASSES_AT_ONCE, RUNNING_MAX);
	atomic_store(&stopping, false);
	fence_start();
}

void fences_start(struct flow_engine *e)
{
	tasks_load(e);
}

void fences_stop(struct flow_engine *e)
{
	atomic_store(&stopping, true);
	loop_timer_stop(&e->fences->timer);
}

static void timer_closed(struct loop_timer *timer)
{
	struct fence_set *set = CONTAINER_OF(timer, struct fence_set, timer);
	struct flow_engine *e = set->e;

	free(set->key);
	free(set);
	engine_unref(e);
}

void fences_destroy(struct flow_engine *e)
{
	struct fence_set *set = e->fences;

	if (!set)
		return;
	atomic_store(&stopping, true);
	lane_destroy(set->lane);
	while (set->first) {
		struct fence_task *t = set->first;

		set->first = t->next;
		free(t);
	}
	e->fences = NULL;
	loop_timer_close(&set->timer, timer_closed);
}
