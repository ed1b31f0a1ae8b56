/* SPDX-License-Identifier: Apache-2.0 */
/* The requests to empty a host, and the worker that brings all drains up to date: one unit at a time, begun
 * by what happens; a timer for what is due. */
#include "flow/drain.h"

#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/internal.h"
#include "flow/preempt.h"
#include "flow/run.h"
#include "store/hosts.h"

enum { LOOK_MAX_MS = 60000, TRIES_AT_ONCE = 32 };

/* ---- requests ---- */

int flow_host_drain(struct flow_engine *e, struct db *db, int64_t host_id, const struct drain_want *want,
	struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain d = { .parallel = DRAIN_PARALLEL };
	int rc;

	if (flow_host_set_state(e, db, host_id, "draining", want->reason, err))
		return -1;
	rc = store_drain_get(db, &a, host_id, &d, err);
	if (rc < 0)
		return -1;
	d.host_id = host_id;
	if (!rc || d.ended_us)
		d.begun_us = want->now_us;
	d.ended_us = 0;
	d.state = "running";
	d.cold = want->cold;
	d.parallel = want->parallel ? want->parallel : d.parallel;
	d.request_id = want->request_id;
	e->drain.open = e->drain.changed = true;
	return store_drain_put(db, &d, err) || store_drain_sync(db, host_id, err) ||
			       store_drain_afresh(db, host_id, err)
		       ? -1
		       : 0;
}

int flow_host_drain_stop(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain d;
	int rc = store_drain_get(db, &a, host_id, &d, err);

	if (rc < 0)
		return -1;
	if (rc == 0 || str_eq(d.state, "done"))
		return error_set(err, ERR_CONFLICT, "the host is not being emptied");
	d.state = "stopped";
	d.ended_us = 0;
	e->drain.changed = true;
	return preempt_undrain(e, db, host_id, err) || store_drain_put(db, &d, err) ? -1 : 0;
}

int drain_end(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	return preempt_undrain(e, db, host_id, err) || store_drain_remove(db, host_id, err) ? -1 : 0;
}

/* ---- the worker ---- */

void drain_changed(struct flow_engine *e)
{
	e->drain.changed |= e->drain.open;
}

void drain_room(struct flow_engine *e)
{
	e->drain.room |= e->drain.open;
}

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, drain.unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain_work w = { .e = e,
		.db = store_rw(e->cfg.store),
		.a = &a,
		.now_us = engine_now(e),
		.room = e->drain.room,
		.left = TRIES_AT_ONCE };
	struct drain *all;
	size_t n;

	if (e->dead || e->stopping)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	e->drain.at = 0;
	e->drain.room = false;
	e->drain.had_room = w.room;
	if ((!e->drain.excused && store_drain_excuse(w.db, err)) ||
		store_drain_targets(w.db, &a, &w.targets, &w.targets_n, err) ||
		store_drain_open(w.db, &a, &all, &n, err))
		return -1;
	for (size_t i = 0; i < w.targets_n; i++)
		w.moves += w.targets[i].moves;
	for (size_t i = 0; i < n; i++)
		if (drain_bring_up(&w, &all[i], err))
			return -1;
	e->drain.changed |= !w.left; /* the rest in another unit */
	e->drain.room |= !w.left && w.room;
	return 0;
}

static void fired(struct loop_timer *t)
{
	struct flow_engine *e = CONTAINER_OF(t, struct flow_engine, drain.timer);

	e->drain.changed = true;
	drain_look(e);
}

/* Until something happens, or is due. */
static void wait_for(struct flow_engine *e)
{
	struct drain_next next;
	int64_t ms = LOOK_MAX_MS, now_us = engine_now(e);
	struct error err;

	if (store_drain_next(store_ro(e->cfg.store), now_us, &next, &err)) {
		log_event(LOG_ERR, "drains cannot be read", "error", err.msg, "detail", err.detail, NULL);
	} else {
		e->drain.open = next.open;
		if (!next.open)
			return;
		if (next.due_us && (next.due_us - now_us) / 1000 < ms)
			ms = (next.due_us - now_us + 999) / 1000;
	}
	loop_timer_set(e->cfg.loop, &e->drain.timer, (uint64_t)ms, fired);
}

/* What could not be written is put off when it comes up again, so that it holds up nothing else. */
static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, drain.unit);

	e->committing--;
	e->drain.busy = false;
	e->drain.put_off = outcome == TICK_DONE ? 0 : e->drain.at;
	e->drain.excused |= outcome == TICK_DONE;
	if (outcome != TICK_DONE && !e->dead && !e->stopping) {
		e->drain.room |= e->drain.had_room;
		log_event(LOG_ERR, "drains wait for their next look", "error", err->msg, "detail",
			err->detail, NULL);
		loop_timer_set(e->cfg.loop, &e->drain.timer, e->cfg.retry_max_ms, fired);
	} else if (!e->dead && !e->stopping) {
		wait_for(e);
		drain_look(e);
	}
	engine_check_stopped(e);
}

/* Room alone is not looked at more often than a step is tried again: where servers come and go it comes all
 * the time. */
void drain_look(struct flow_engine *e)
{
	if (!e->started || e->dead || e->stopping || e->drain.busy || !(e->drain.changed || e->drain.room))
		return;
	if (!e->drain.changed) {
		if (!e->drain.soon)
			loop_timer_set(e->cfg.loop, &e->drain.timer, e->cfg.retry_min_ms, fired);
		e->drain.soon = true;
		return;
	}
	loop_timer_stop(&e->drain.timer);
	e->drain.changed = e->drain.soon = false;
	e->drain.busy = true;
	e->committing++;
	e->drain.unit = (struct tick_unit) { .run = unit_run, .finish = unit_finish, .patient = true };
	tick_submit(e->cfg.tick, &e->drain.unit);
}
