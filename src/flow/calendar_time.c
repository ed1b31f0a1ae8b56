/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes due in the calendar: one timer, set by the rows for the next thing in them, so that nothing
 * has to be remembered over a restart. */
#include "flow/calendar.h"

#include "base/log.h"
#include "base/util.h"
#include "flow/preempt.h"
#include "flow/run.h"

/* Looked at now and then all the same: somebody may set the clock. */
enum { LOOK_MAX_MS = 60000, BLOCKS_AT_ONCE = 100 };

int64_t calendar_ahead_us(const struct flow_engine *e)
{
	return (e->cfg.preempt_notice_s + e->cfg.preempt_lead_s) * 1000000;
}

void calendar_changed(struct flow_engine *e)
{
	e->calendar.changed = true;
}

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, calendar.unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_rw(e->cfg.store);
	int64_t now_us = engine_now(e), *ids;
	size_t n;

	if (e->dead || e->stopping)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	e->calendar.at = 0;
	if (store_block_due(db, &a, now_us, calendar_ahead_us(e), BLOCKS_AT_ONCE, &ids, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool put_off = e->calendar.put_off == ids[i];

		e->calendar.at = ids[i];
		if (!put_off && calendar_block_due(e, db, ids[i], now_us, err))
			return -1;
	}
	return preempt_due(e, db, now_us, err) || waiters_due(e, db, now_us, err) ? -1 : 0;
}

static void fired(struct loop_timer *t)
{
	calendar_look(CONTAINER_OF(t, struct flow_engine, calendar.timer));
}

/* What could not be written is put off when it comes up again, so that it holds up nothing else. */
static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, calendar.unit);

	e->committing--;
	e->calendar.busy = false;
	e->calendar.put_off = outcome == TICK_DONE ? 0 : e->calendar.at;
	if (outcome != TICK_DONE && !e->dead && !e->stopping) {
		log_event(LOG_ERR, "the calendar waits for its next look", "error", err->msg, "detail",
			err->detail, NULL);
		loop_timer_set(e->cfg.loop, &e->calendar.timer, e->cfg.retry_max_ms, fired);
	} else if (outcome == TICK_DONE) {
		calendar_look(e);
	}
	engine_check_stopped(e);
}

void calendar_look(struct flow_engine *e)
{
	struct error err;
	int64_t next_us = 0, ms = LOOK_MAX_MS;
	int rc;

	e->calendar.changed = false;
	if (!e->started || e->dead || e->stopping || e->calendar.busy)
		return;
	rc = store_calendar_next(store_ro(e->cfg.store), calendar_ahead_us(e), &next_us, &err);
	if (rc < 0)
		log_event(
			LOG_ERR, "the calendar cannot be read", "error", err.msg, "detail", err.detail, NULL);
	if (rc > 0 && (next_us - engine_now(e)) / 1000 < ms)
		ms = (next_us - engine_now(e) + 999) / 1000;
	if (ms > 0) {
		if (rc)
			loop_timer_set(e->cfg.loop, &e->calendar.timer, (uint64_t)ms, fired);
		return;
	}
	loop_timer_stop(&e->calendar.timer);
	e->committing++;
	e->calendar.busy = true;
	e->calendar.unit = (struct tick_unit) { .run = unit_run, .finish = unit_finish, .patient = true };
	tick_submit(e->cfg.tick, &e->calendar.unit);
}
