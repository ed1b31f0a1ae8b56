/* SPDX-License-Identifier: Apache-2.0 */
/* A flow's way through its steps:
 *
 *	SLEEP --due--> load --+--> ACT (a lane) --> COMMIT (a unit) --+--> SLEEP, or the next step at once
 *	  ^                   +--> HOST, FLOW: parked                 +--> STUCK: its deadline passed
 *	  +---- back-off -----+                                       +--> gone: the end, a failure, a
 *deletion
 *
 * The crash points that tests use are where a hand-over happens: before-act, after-act, after-commit. */
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/drain.h"
#include "flow/internal.h"
#include "flow/run.h"
#include "flow/server_parts.h"
#include "store/books.h"
#include "store/history.h"
#include "store/samples.h"
#include "store/server_power.h"

enum { REFUSALS_MAX = 3, POLL_MS = 1000, DEADLINE_SLACK_US = 1000 };

/* ---- acts ---- */

void act_unref(struct act *act)
{
	if (--act->refs)
		return;
	stray_home(act);
	history_unref(act->history);
	samples_unref(act->samples);
	arena_finish(&act->arena);
	free(act);
}

int act_abandoned(struct act *act, struct error *err)
{
	return atomic_load(&act->call.abandoned) ? error_set(err, ERR_TIMEOUT, "given up meanwhile") : 0;
}

static void act_destroy(struct host_call *c)
{
	act_unref(CONTAINER_OF(c, struct act, call));
}

static void let_go(struct flow *f)
{
	if (!f->act)
		return;
	f->act->flow = NULL;
	act_unref(f->act);
	f->act = NULL;
}

static bool crashes(struct flow *f, const char *point)
{
	struct flow_engine *e = f->e;
	char name[96];

	if (!e->hooks.crash)
		return false;
	snprintf(name, sizeof name, "%s/%s", f->kind->name, f->kind->steps[f->step].name);
	if (e->hooks.crash(e->hooks.ctx, name, point))
		e->dead = true;
	return e->dead;
}

/* ---- waiting ---- */

static void timer_fired(struct loop_timer *t)
{
	struct flow_engine *e = CONTAINER_OF(t, struct flow_engine, timer);
	int64_t now = engine_mono(e);

	while (!e->dead && e->heap_n && e->heap[0]->due_us <= now) {
		struct flow *f = e->heap[0];

		heap_remove(e, f);
		run_dispatch(f);
	}
	run_timer(e);
}

void run_timer(struct flow_engine *e)
{
	int64_t left;

	if (!e->heap_n || e->dead || e->stopping || !e->started)
		return;
	left = e->heap[0]->due_us - engine_mono(e);
	loop_timer_set(e->cfg.loop, &e->timer, left > 0 ? (uint64_t)(left + 999) / 1000 : 0, timer_fired);
}

static void sleep_for(struct flow *f, unsigned ms)
{
	f->phase = PHASE_SLEEP;
	heap_set(f->e, f, engine_mono(f->e) + (int64_t)ms * 1000);
	run_timer(f->e);
}

void flow_wake(struct flow *f)
{
	if (f->phase != PHASE_SLEEP && f->phase != PHASE_HOST && f->phase != PHASE_FLOW)
		return;
	park_out(f);
	sleep_for(f, 0);
}

void flow_kick(struct flow_engine *e, int64_t subject_id)
{
	struct flow *f = map_ptr(&e->flows, subject_id);

	if (!f)
		return;
	if (flow_is_busy(f))
		f->kick = true;
	else if (f->phase == PHASE_SLEEP)
		flow_wake(f);
}

/* Until somebody wakes it, or its deadline passes. */
static void park(struct flow *f, enum flow_phase phase, struct flow **list)
{
	struct flow_engine *e = f->e;

	let_go(f);
	f->phase = phase;
	park_in(f, list);
	heap_set(e, f, engine_mono(e) + f->deadline_us - engine_now(e) + DEADLINE_SLACK_US);
	run_timer(e);
}

static unsigned poll_ms(const struct flow_engine *e)
{
	unsigned ms = e->cfg.stop_timeout_ms / 8;

	return ms < 20 ? 20 : ms > POLL_MS ? POLL_MS : ms;
}

/* ---- the unit ---- */

/* 1 the server's deletion is wished, 0 not, -1. */
static int wish(struct flow *f, struct db *db, struct error *err)
{
	int64_t wanted = 0;

	if (f->kind->subject != SUBJECT_SERVER || (f->kind->flags & KIND_DELETE))
		return 0;
	if (store_server_wish(db, f->subject_id, &wanted, err))
		return -1;
	return wanted != 0;
}

static int finish_action(struct flow *f, struct db *db, const char *message, struct error *err)
{
	if (!f->action_id)
		return 0;
	return store_server_action_finish(db, f->action_id, engine_now(f->e), message, err);
}

/* What a flow that ended or failed leaves to others. One that gave way leaves it to the deletion. */
static int run_over(struct flow *f, struct db *db, struct error *err)
{
	drain_changed(f->e);
	return image_flow_ended(f->e, db, f->act ? f->act->host_id : 0, f->request_id, err);
}

static int run_fail(struct flow *f, struct db *db, struct error *err)
{
	struct error why = f->err;

	/* dropped first: what ends may begin another flow on the same subject */
	if (flow_drop(f->e, db, f, err) || (f->kind->fail && f->kind->fail(f->e, db, f, &why, err)))
		return -1;
	return finish_action(f, db, why.msg, err) || run_over(f, db, err) ? -1 : 0;
}

static int run_wait(struct flow *f, struct db *db, const char *state, unsigned delay_ms, struct error *err)
{
	char text[sizeof f->err.msg + sizeof f->err.detail + 8];

	snprintf(text, sizeof text, "%s%s%s%s", f->err.msg, f->err.detail[0] ? " (" : "", f->err.detail,
		f->err.detail[0] ? ")" : "");
	return store_flow_wait(db, f->id, state, (int64_t)f->tries + 1,
		engine_now(f->e) + (int64_t)delay_ms * 1000, text, err);
}

static int run_end(struct flow *f, struct db *db, struct error *err)
{
	if (flow_drop(f->e, db, f, err) || (f->kind->end && f->kind->end(f->e, db, f->act, err)))
		return -1;
	return finish_action(f, db, NULL, err) || run_over(f, db, err) ? -1 : 0;
}

static int run_next(struct flow *f, struct db *db, struct error *err)
{
	const struct flow_step *step = &f->kind->steps[f->step], *next;
	enum flow_verdict verdict = f->verdict;
	int64_t now_us = engine_now(f->e);

	f->act->now_us = now_us;
	if (step->commit && step->commit(f->e, db, f->act, &verdict, err))
		return -1;
	f->next_step = f->step + 1;
	if (verdict == FLOW_DONE || f->next_step == f->kind->steps_n)
		return run_end(f, db, err);
	next = step + 1;
	if (store_flow_move(db, f->id, next->name, now_us, err))
		return -1;
	if (f->kind->subject == SUBJECT_SERVER && next->task != step->task)
		return store_server_task(db, f->subject_id, next->task, now_us, err);
	return 0;
}

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct flow *f = CONTAINER_OF(u, struct flow, unit);
	struct db *db = store_rw(f->e->cfg.store);
	int wished;

	if (f->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	wished = wish(f, db, err);
	if (wished < 0)
		return -1;
	f->to_delete = wished > 0;
	if (f->to_delete) {
		return flow_give_way(f->e, db, f, err) || server_delete_takeover(f->e, db, f->subject_id, err)
			       ? -1
			       : 0;
	}
	switch (f->verdict) {
	case FLOW_WAIT:
		return run_wait(f, db, "waiting", f->delay_ms, err);
	case FLOW_PARK:
		f->gave_up = run_wait(f, db, "stuck", 0, err) == 0;
		return f->gave_up ? 0 : -1;
	case FLOW_FAIL:
		return run_fail(f, db, err);
	default:
		return run_next(f, db, err);
	}
}

static void log_flow(const struct flow *f, int level, const char *message, const struct error *err)
{
	char id[24], subject[24];

	if (!log_enabled(level))
		return;
	snprintf(id, sizeof id, "%lld", (long long)f->id);
	snprintf(subject, sizeof subject, "%lld", (long long)f->subject_id);
	log_event(level, message, "kind", f->kind->name, "step", f->kind->steps[f->step].name, "flow", id,
		"subject", subject, "request_id", f->request_id[0] ? f->request_id : NULL, "error",
		err ? err->msg : NULL, "detail", err && err->detail[0] ? err->detail : NULL, NULL);
}

/* What happened to the guest while the flow was busy may not be what the flow left behind. */
static void check_event(const struct flow *f)
{
	struct link *l = f->event_host_id ? link_find(f->e, f->event_host_id) : NULL;

	if (l && observe_event(f->e, f->event_host_id, &f->event))
		link_look_at(l, f->event.uuid);
}

static void unit_gone(struct flow *f)
{
	struct flow_engine *e = f->e;

	if (f->verdict == FLOW_FAIL && !f->to_delete) {
		e->stats.failed++;
		log_flow(f, LOG_WARNING, "flow failed", &f->err);
	} else {
		e->stats.finished++;
		log_flow(f, LOG_DEBUG, f->to_delete ? "flow gave way to a deletion" : "flow ended", NULL);
	}
	check_event(f);
	flow_release(f);
}

/* Its row is as it was: the same again, since every act may run twice. */
static void unit_failed(struct flow *f, const struct error *err)
{
	/* that the database takes no writes is told of once, by who watches over it */
	log_flow(f, flow_error_passes(err->code) ? LOG_DEBUG : LOG_ERR, "flow's step could not be written",
		err);
	f->tries++;
	sleep_for(f, engine_backoff_ms(f->e, f->tries));
}

static void unit_moved(struct flow *f)
{
	switch (f->verdict) {
	case FLOW_WAIT:
		f->tries++;
		f->waiting = true;
		f->e->stats.retries++;
		log_flow(f, f->tries == 1 ? LOG_NOTICE : LOG_INFO, "flow waits", &f->err);
		sleep_for(f, f->delay_ms);
		break;
	case FLOW_PARK:
		f->phase = PHASE_STUCK;
		log_flow(f, LOG_ERR, "flow is stuck: its deadline passed", &f->err);
		break;
	default:
		f->step = f->next_step;
		f->since_us = engine_now(f->e);
		f->tries = f->refusals = 0;
		f->waiting = false;
		f->phase = PHASE_SLEEP;
		run_dispatch(f);
	}
}

static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct flow *f = CONTAINER_OF(u, struct flow, unit);
	struct flow_engine *e = f->e;

	e->committing--;
	let_go(f);
	if (e->dead || outcome == TICK_UNKNOWN || (outcome == TICK_DONE && crashes(f, "after-commit"))) {
		f->phase = PHASE_STUCK;
		if (f->dropped)
			flow_release(f);
		return;
	}
	f->phase = PHASE_SLEEP;
	if (outcome != TICK_DONE)
		unit_failed(f, err);
	else if (f->dropped)
		unit_gone(f);
	else
		unit_moved(f);
	engine_check_stopped(e);
}

static void submit(struct flow *f, enum flow_verdict verdict)
{
	f->verdict = verdict;
	f->to_delete = f->gave_up = false;
	f->phase = PHASE_COMMIT;
	f->unit = (struct tick_unit) {
		.run = unit_run,
		.finish = unit_finish,
		.patient = true,
		.owner = f->act ? f->act->call.owner : 0,
	};
	f->e->committing++;
	tick_submit(f->e->cfg.tick, &f->unit);
}

bool flow_error_passes(enum err code)
{
	return code == ERR_UNREACHABLE || code == ERR_TIMEOUT || code == ERR_BUSY ||
	       code == ERR_UNAVAILABLE || code == ERR_NO_SPACE;
}

/* Something went wrong: does it pass? What happened on a host that could not be heard is unknown, so it is
 * done again; a host that says no is asked a few times. */
static void submit_error(struct flow *f, const struct error *err)
{
	bool passes = flow_error_passes(err->code);

	f->err = *err;
	if (err->code == ERR_HYPERVISOR)
		passes = ++f->refusals < REFUSALS_MAX;
	if (f->kind->flags & KIND_NEVER_FAILS)
		passes = true;
	f->delay_ms = engine_backoff_ms(f->e, f->tries);
	submit(f, passes ? FLOW_WAIT : FLOW_FAIL);
}

/* ---- the act ---- */

static int act_run(struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct act *act = CONTAINER_OF(c, struct act, call);
	int rc = act->step->act(act, drv, conn, err);

	if (rc >= 0 && act->twice && !act_abandoned(act, err))
		rc = act->step->act(act, drv, conn, err);
	return rc;
}

static void act_polls(struct flow *f)
{
	let_go(f);
	sleep_for(f, f->kick ? 0 : poll_ms(f->e));
}

static void act_done(struct host_call *c, int rc, const struct error *err)
{
	struct act *act = CONTAINER_OF(c, struct act, call);
	struct flow *f = act->flow;
	struct flow_engine *e;
	struct error ignored;

	if (!f)
		return;
	e = f->e;
	e->running--;
	if (act_abandoned(act, &ignored) && !e->destroyed)
		stray_add(e, act);
	f->phase = PHASE_SLEEP;
	if (e->dead || crashes(f, "after-act")) {
		let_go(f);
		return;
	}
	if (err)
		submit_error(f, err);
	else if (rc == FLOW_POLL)
		act_polls(f);
	else
		submit(f, (enum flow_verdict)rc);
	f->kick = false;
	engine_check_stopped(e);
}

/* The host is not connected: the flow comes back with it. The row says so once. */
static void park_host(struct flow *f, struct link *l)
{
	const char *why = link_error(l);

	if (why[0] && !f->waiting) {
		struct error err;

		error_set(&err, ERR_UNREACHABLE, "the host is not connected");
		error_detail(&err, "%s", why);
		let_go(f);
		f->err = err;
		f->delay_ms = 0;
		submit(f, FLOW_WAIT);
		return;
	}
	park(f, PHASE_HOST, link_parked(l));
}

/* What is big may take longer than its flow would have. */
static void outlast(struct flow *f, unsigned ms)
{
	int64_t us = engine_now(f->e) + 2000 * (int64_t)ms;

	if (f->deadline_us < us)
		f->deadline_us = us;
}

static void start_act(struct flow *f)
{
	struct flow_engine *e = f->e;
	struct act *act = f->act;
	struct link *l = link_find(e, act->host_id);
	struct error err;

	if (!l) {
		error_set(&err, ERR_UNREACHABLE, "host %lld is not known", (long long)act->host_id);
		submit_error(f, &err);
		return;
	}
	if (!link_connected(l)) {
		park_host(f, l);
		return;
	}
	if (crashes(f, "before-act"))
		return;
	if (act->clears && stray_of(e, act->clears)) {
		f->kick = false; /* no event can hasten it */
		act_polls(f);    /* what was given up could still be made, after it was removed */
		return;
	}
	act->link_epoch = link_epoch(l);
	act->twice = e->hooks.act_twice;
	act->call.run = act_run;
	act->call.done = act_done;
	act->call.destroy = act_destroy;
	act->call.timeout_ms = flow_step_ms(&e->cfg, act->step->time, &act->size);
	outlast(f, act->call.timeout_ms);
	act->refs++;
	f->phase = PHASE_ACT;
	e->running++;
	e->stats.acts++;
	if (!link_call(l, act->step->lane, &act->call)) {
		act->refs--;
		e->running--;
		park(f, PHASE_HOST, link_parked(l));
	}
}

static void act_books(const struct flow_engine *e, struct act_books *out)
{
	struct db *ro = store_ro(e->cfg.store);

	out->clock = e->cfg.loop->clock;
	out->boot_us = clock_boot(out->clock);
	out->now_us = books_now(ro);
	out->offset_us = books_to_wall(ro, out->now_us) - out->now_us;
}

static struct act *act_new(struct flow *f)
{
	struct act *act = xcalloc(1, sizeof *act);

	act->step = &f->kind->steps[f->step];
	act->flow = f;
	act->subject_id = f->subject_id;
	act->history = history_ref(f->e->cfg.history);
	act->samples = samples_ref(f->e->cfg.samples);
	if (act->samples)
		act_books(f->e, &act->books);
	act->refs = 1;
	act->now_us = engine_now(f->e);
	act->since_us = f->since_us;
	return act;
}

static void loaded(struct flow *f, enum flow_verdict verdict, const struct error *err)
{
	struct flow *other;

	switch (verdict) {
	case FLOW_NEXT:
		if (f->act->step->act)
			start_act(f);
		else
			submit(f, FLOW_NEXT);
		break;
	case FLOW_DONE:
		submit(f, FLOW_NEXT);
		break;
	case FLOW_PARK:
		other = map_ptr(&f->e->flows, f->act->wait_for);
		if (other && !other->dropped) {
			park(f, PHASE_FLOW, &other->waiters);
		} else {
			let_go(f);
			sleep_for(f, poll_ms(f->e));
		}
		break;
	case FLOW_POLL:
		let_go(f);
		sleep_for(f, poll_ms(f->e));
		break;
	default:
		submit_error(f, err);
	}
}

void run_dispatch(struct flow *f)
{
	struct flow_engine *e = f->e;
	struct error err = { 0 };
	enum flow_verdict verdict;

	if (f->held || e->dead || e->stopping || !e->started)
		return;
	heap_remove(e, f);
	park_out(f);
	f->phase = PHASE_SLEEP;
	if (engine_now(e) > f->deadline_us) {
		if (!f->err.msg[0])
			error_set(&f->err, ERR_TIMEOUT, "the deadline passed");
		submit(f, FLOW_PARK);
		return;
	}
	f->act = act_new(f);
	verdict = f->act->step->load(e, store_ro(e->cfg.store), f->act, &err);
	if (f->act->want_delete && !(f->kind->flags & KIND_DELETE)) {
		/* the unit sees the wish itself and gives way */
		error_set(&f->err, ERR_CONFLICT, "the server is being deleted");
		submit(f, FLOW_FAIL);
		return;
	}
	loaded(f, verdict, &err);
}
