/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's life, its part in the tick, and the beginnings and ends of flows. What a flow does is in
 * run.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/calendar.h"
#include "flow/custody.h"
#include "flow/decisions.h"
#include "flow/drain.h"
#include "flow/fence.h"
#include "flow/image_file.h"
#include "flow/internal.h"
#include "flow/move.h"
#include "flow/restored.h"
#include "flow/run.h"
#include "store/servers.h"

static const struct flow_kind *const kinds[] = {
	&kind_server_create,
	&kind_server_delete,
	&kind_server_start,
	&kind_server_stop,
	&kind_server_reboot_soft,
	&kind_server_reboot_hard,
	&kind_server_pause,
	&kind_server_unpause,
	&kind_server_suspend,
	&kind_server_resume,
	&kind_server_create_image,
	&kind_server_create_backup,
	&kind_server_rebuild,
	&kind_server_rescue,
	&kind_server_unrescue,
	&kind_server_shelve,
	&kind_server_offload,
	&kind_server_unshelve,
	&kind_server_unshelve_here,
	&kind_server_resize,
	&kind_server_resize_revert,
	&kind_server_migrate_live,
	&kind_server_evacuate,
	&kind_leftover_remove,
	&kind_image_stage,
	&kind_image_unstage,
	&kind_gpu_reset,
};

static const char *const subject_texts[] = {
	[SUBJECT_SERVER] = "server",
	[SUBJECT_HOST_IMAGE] = "host_image",
	[SUBJECT_ALLOCATION] = "allocation",
	[SUBJECT_DEVICE] = "device",
};

const struct flow_kind *flow_kind_at(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

const struct flow_kind *flow_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

int64_t engine_now(const struct flow_engine *e)
{
	return clock_wall(e->cfg.loop->clock);
}

int64_t engine_mono(const struct flow_engine *e)
{
	return clock_mono(e->cfg.loop->clock);
}

unsigned engine_backoff_ms(const struct flow_engine *e, unsigned tries)
{
	uint64_t ms = (uint64_t)(e->cfg.retry_min_ms ? e->cfg.retry_min_ms : 1) << (tries < 20 ? tries : 20);
	uint32_t r;

	if (ms > e->cfg.retry_max_ms)
		ms = e->cfg.retry_max_ms;
	e->cfg.loop->rng->fill(e->cfg.loop->rng->ctx, &r, sizeof r);
	return (unsigned)(ms / 2 + (ms - ms / 2) * (r & 0xffff) / 0xffff);
}

/* ---- notes: the memory of flows follows the tick ---- */

static void note_add(struct flow_engine *e, enum note_op op, struct flow *f)
{
	if (e->notes_n == e->notes_cap) {
		e->notes_cap = e->notes_cap ? e->notes_cap * 2 : 64;
		e->notes = xrealloc(e->notes, e->notes_cap * sizeof *e->notes);
	}
	e->notes[e->notes_n++] = (struct note) { op, f };
}

static void flow_forget(struct flow_engine *e, struct flow *f)
{
	heap_remove(e, f);
	park_out(f);
	if (map_ptr(&e->flows, f->subject_id) == f)
		map_remove(&e->flows, f->subject_id);
}

static void flow_free(struct flow *f)
{
	if (f->act) {
		f->act->flow = NULL;
		act_unref(f->act);
	}
	free(f);
}

void flow_release(struct flow *f)
{
	flow_free(f);
}

/* Newest first. */
static void notes_undo(struct flow_engine *e, size_t mark)
{
	while (e->notes_n > mark) {
		struct note *n = &e->notes[--e->notes_n];

		if (n->op == NOTE_ADD) {
			flow_free(n->f);
		} else if (n->op == NOTE_DROP) {
			n->f->held = false;
			if (n->f->phase == PHASE_SLEEP && !n->f->heap_at)
				heap_set(e, n->f, engine_mono(e));
			run_timer(e);
		}
	}
}

/* Those who waited for f go on. */
static void waiters_wake(struct flow *f)
{
	while (f->waiters) {
		struct flow *w = f->waiters;

		park_out(w);
		flow_wake(w);
	}
}

static void retry_now(struct flow *f)
{
	f->deadline_us = engine_now(f->e) + f->kind->deadline_s * 1000000;
	f->tries = f->refusals = 0;
	if (f->phase == PHASE_STUCK)
		f->phase = PHASE_SLEEP;
	flow_wake(f);
}

static void notes_done(struct flow_engine *e)
{
	size_t n = e->notes_n;

	for (size_t i = 0; i < n; i++) {
		struct flow *f = e->notes[i].f;

		if (e->notes[i].op == NOTE_ADD)
			map_set(&e->flows, f->subject_id, (int64_t)(intptr_t)f);
		else if (e->notes[i].op == NOTE_DROP)
			flow_forget(e, f);
	}
	for (size_t i = 0; i < n; i++) {
		struct flow *f = e->notes[i].f;

		if (e->notes[i].op == NOTE_DROP) {
			f->dropped = true;
			waiters_wake(f);
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct flow *f = e->notes[i].f;

		if (e->notes[i].op == NOTE_RETRY && !f->dropped)
			retry_now(f);
		if (e->notes[i].op == NOTE_ADD && !f->dropped && e->started && !e->dead) {
			f->phase = PHASE_SLEEP;
			run_dispatch(f);
		}
	}
	/* one that is in its own unit is freed when that is finished */
	for (size_t i = 0; i < n; i++)
		if (e->notes[i].op == NOTE_DROP && e->notes[i].f->phase != PHASE_COMMIT)
			flow_free(e->notes[i].f);
	e->notes_n = 0;
}

/* ---- the tick's member ---- */

static void member_savepoint(void *ctx)
{
	struct flow_engine *e = ctx;

	e->mark_placement = e->mark_decisions = placement_mark(e->placement);
	e->mark_quota = quota_index_mark(e->quota);
	e->mark_notes = e->notes_n;
	e->mark_files = e->files_n;
}

/* Before the first change after a start. */
static int member_begin(void *ctx, struct error *err)
{
	struct flow_engine *e = ctx;

	if (e->decisions_begun)
		return 0;
	e->decisions_begun = true;
	return decisions_begin(e, store_rw(e->cfg.store), err);
}

static int member_seal(void *ctx, struct error *err)
{
	struct flow_engine *e = ctx;

	return decisions_write(e, store_rw(e->cfg.store), err);
}

static void member_rollback(void *ctx)
{
	struct flow_engine *e = ctx;

	placement_undo(e->placement, e->mark_placement);
	quota_index_undo(e->quota, e->mark_quota);
	notes_undo(e, e->mark_notes);
	image_files_undo(e, e->mark_files);
}

static void member_settle(void *ctx, bool done)
{
	struct flow_engine *e = ctx;

	if (!done) {
		e->decisions_begun = e->decisions_begun && e->decisions_kept;
		/* nothing outside of a tick writes to these journals: they begin with it */
		placement_undo(e->placement, 0);
		quota_index_undo(e->quota, 0);
		notes_undo(e, 0);
		image_files_undo(e, 0);
	}
	placement_forget(e->placement);
	quota_index_forget(e->quota);
	e->decisions_kept = e->decisions_kept || done;
	if (done && !e->destroyed) {
		notes_done(e);
		image_files_done(e);
		if (e->calendar.changed)
			calendar_look(e);
		drain_look(e);
	}
}

/* ---- beginnings and ends ---- */

struct flow *flow_find(const struct flow_engine *e, int64_t subject_id)
{
	struct flow *f = map_ptr(&e->flows, subject_id);

	if (f && f->held)
		f = NULL;
	for (size_t i = 0; i < e->notes_n; i++)
		if (e->notes[i].f->subject_id == subject_id && !e->notes[i].f->held)
			f = e->notes[i].f;
	return f;
}

bool flow_is_busy(const struct flow *f)
{
	return f->phase == PHASE_ACT || f->phase == PHASE_COMMIT;
}

static struct flow *flow_new(struct flow_engine *e, const struct flow_row *row, const struct flow_kind *kind)
{
	struct flow *f = xcalloc(1, sizeof *f);

	*f = (struct flow) {
		.id = row->id,
		.subject_id = row->subject_id,
		.action_id = row->action_id,
		.arg_id = row->arg_id,
		.created_us = row->created_us,
		.since_us = row->run_at_us,
		.deadline_us = row->deadline_us,
		.tries = (unsigned)row->tries,
		.waiting = strcmp(row->state, "waiting") == 0,
		.kind = kind,
		.e = e,
		.phase = strcmp(row->state, "stuck") == 0 ? PHASE_STUCK : PHASE_NEW,
	};
	str_copy(f->request_id, sizeof f->request_id, row->request_id ? row->request_id : "");
	return f;
}

int flow_begin(struct flow_engine *e, struct db *db, const struct flow_start *start, struct error *err)
{
	const struct flow_kind *kind = start->kind;
	struct flow_row row = {
		.id = store_next_id(e->cfg.store),
		.kind = kind->name,
		.subject_kind = subject_texts[kind->subject],
		.subject_id = start->subject_id,
		.step = kind->steps[0].name,
		.state = "ready",
		.run_at_us = start->now_us,
		.deadline_us = start->now_us + kind->deadline_s * 1000000,
		.action_id = start->action_id,
		.arg_id = start->arg_id,
		.request_id = start->request_id,
		.created_us = start->now_us,
	};

	if (store_flow_insert(db, &row, err))
		return -1;
	note_add(e, NOTE_ADD, flow_new(e, &row, kind));
	e->stats.started++;
	return 0;
}

int flow_drop(struct flow_engine *e, struct db *db, struct flow *f, struct error *err)
{
	if (store_flow_remove(db, f->id, err))
		return -1;
	f->held = true;
	note_add(e, NOTE_DROP, f);
	return 0;
}

int flow_give_way(struct flow_engine *e, struct db *db, struct flow *f, struct error *err)
{
	if (f->action_id && store_server_action_finish(
				    db, f->action_id, engine_now(e), "the server is being deleted", err))
		return -1;
	if (f->kind->give_way && f->kind->give_way(e, db, f, err))
		return -1;
	return flow_drop(e, db, f, err);
}

int flow_retry(struct flow_engine *e, struct db *db, int64_t flow_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct flow_row row;
	struct flow *f;

	if (store_flow_load(db, &a, flow_id, &row, err))
		return -1;
	f = flow_find(e, row.subject_id);
	if (!f || f->id != flow_id)
		return error_internal(err, "flow %lld is not known to the engine", (long long)flow_id);
	if (store_flow_retry(db, flow_id, now_us, now_us + f->kind->deadline_s * 1000000, err))
		return -1;
	note_add(e, NOTE_RETRY, f);
	return 0;
}

/* ---- life ---- */

static int flow_resume(struct flow_engine *e, const struct flow_row *row, struct error *err)
{
	const struct flow_kind *kind = flow_kind_find(row->kind);
	struct flow *f;

	if (!kind)
		return error_internal(
			err, "flow %lld is of the unknown kind %s", (long long)row->id, row->kind);
	f = flow_new(e, row, kind);
	while (f->step < kind->steps_n && strcmp(kind->steps[f->step].name, row->step) != 0)
		f->step++;
	if (f->step == kind->steps_n) {
		free(f);
		return error_internal(err, "flow %lld is at the unknown step %s/%s", (long long)row->id,
			row->kind, row->step);
	}
	/* from wall time to monotonic: it waits what it had left to wait, but never longer than a back-off */
	f->due_us = engine_mono(e);
	if (row->run_at_us > engine_now(e)) {
		int64_t left = row->run_at_us - engine_now(e), max = (int64_t)e->cfg.retry_max_ms * 1000;

		f->due_us += left < max ? left : max;
	}
	map_set(&e->flows, f->subject_id, (int64_t)(intptr_t)f);
	return 0;
}

static int flows_load(struct flow_engine *e, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	size_t n;

	if (store_flow_list(store_ro(e->cfg.store), &a, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (flow_resume(e, &rows[i], err))
			return -1;
	return 0;
}

int flow_engine_create(const struct flow_config *config, struct flow_engine **out, struct error *err)
{
	struct flow_engine *e = xcalloc(1, sizeof *e);
	struct tick_member member = {
		.begin = member_begin,
		.savepoint = member_savepoint,
		.seal = member_seal,
		.rollback = member_rollback,
		.settle = member_settle,
		.ctx = e,
	};

	e->cfg = *config;
	e->cfg.moves_per_target = e->cfg.moves_per_target ? e->cfg.moves_per_target : MOVES_PER_TARGET;
	e->cfg.moves_at_once = e->cfg.moves_at_once ? e->cfg.moves_at_once : MOVES_AT_ONCE;
	e->refs = 7;                             /* its timers */
	e->drain.open = e->drain.changed = true; /* until they were looked at */
	links_create(e);
	fences_create(e);
	if (restored_create(e, store_ro(config->store), err) ||
		capacity_create(e, store_ro(config->store), err) || flows_load(e, err)) {
		flow_engine_destroy(e);
		return -1;
	}
	tick_add_member(config->tick, &member);
	*out = e;
	return 0;
}

static void each_flow(struct flow_engine *e, void (*fn)(struct flow *f))
{
	struct flow **all = xcalloc(e->flows.n + 1, sizeof(struct flow *));
	size_t n = 0;

	for (size_t i = 0; i < e->flows.cap; i++)
		if (e->flows.entries[i].value != MAP_NONE)
			all[n++] = (struct flow *)(intptr_t)e->flows.entries[i].value;
	for (size_t i = 0; i < n; i++)
		fn(all[i]);
	free(all);
}

static void resume_one(struct flow *f)
{
	if (f->phase != PHASE_NEW)
		return;
	f->phase = PHASE_SLEEP;
	heap_set(f->e, f, f->due_us);
}

void flow_engine_start(struct flow_engine *e)
{
	e->started = true;
	fences_start(e);
	links_start(e);
	evacuations_start(e);
	shelf_start(e);
	calendar_look(e);
	drain_look(e);
	console_history_start(e);
	samples_start(e);
	each_flow(e, resume_one);
	run_timer(e);
}

static void stop_report(struct flow_engine *e)
{
	void (*stopped)(void *ctx) = e->stopped;

	if (!stopped)
		return;
	e->dead = true; /* what comes home after the grace is not written any more */
	e->stopped = NULL;
	loop_timer_stop(&e->grace);
	stopped(e->stopped_ctx);
}

void engine_check_stopped(struct flow_engine *e)
{
	if (e->stopping && !e->running && !e->committing)
		stop_report(e);
}

static void grace_over(struct loop_timer *t)
{
	stop_report(CONTAINER_OF(t, struct flow_engine, grace));
}

void flow_engine_stop(struct flow_engine *e, unsigned grace_ms, void (*stopped)(void *ctx), void *ctx)
{
	e->stopping = true;
	e->stopped = stopped;
	e->stopped_ctx = ctx;
	loop_timer_stop(&e->timer);
	loop_timer_stop(&e->shelf);
	loop_timer_stop(&e->watch);
	loop_timer_stop(&e->evacuate);
	fences_stop(e);
	loop_timer_stop(&e->calendar.timer);
	loop_timer_stop(&e->drain.timer);
	/* the report comes in a later turn, also when there is nothing to wait for */
	loop_timer_set(e->cfg.loop, &e->grace, e->running || e->committing ? grace_ms : 0, grace_over);
}

void engine_unref(struct flow_engine *e)
{
	if (--e->refs)
		return;
	map_finish(&e->flows);
	restored_destroy(e);
	free(e->heap);
	free(e->notes);
	free(e);
}

static void timer_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, timer));
}

static void shelf_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, shelf));
}

static void evacuate_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, evacuate));
}

static void watch_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, watch));
}

static void calendar_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, calendar.timer));
}

static void drain_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, drain.timer));
}

static void grace_closed(struct loop_timer *t)
{
	engine_unref(CONTAINER_OF(t, struct flow_engine, grace));
}

void flow_engine_destroy(struct flow_engine *e)
{
	if (!e)
		return;
	e->dead = e->destroyed = true;
	console_history_destroy(e);
	samples_destroy(e);
	fences_destroy(e);
	evacuations_destroy(e);
	links_destroy(e);
	notes_undo(e, 0);
	while (e->strays)
		stray_home(e->strays);
	each_flow(e, flow_release);
	image_files_destroy(e);
	capacity_destroy(e);
	loop_timer_close(&e->timer, timer_closed);
	loop_timer_close(&e->grace, grace_closed);
	loop_timer_close(&e->shelf, shelf_closed);
	loop_timer_close(&e->watch, watch_closed);
	loop_timer_close(&e->evacuate, evacuate_closed);
	loop_timer_close(&e->calendar.timer, calendar_closed);
	loop_timer_close(&e->drain.timer, drain_closed);
}

void flow_engine_hooks(struct flow_engine *e, const struct flow_hooks *hooks)
{
	e->hooks = *hooks;
}

struct placement *flow_placement(struct flow_engine *e)
{
	return e->placement;
}

struct quota_index *flow_quota(struct flow_engine *e)
{
	return e->quota;
}

void flow_engine_stats(const struct flow_engine *e, struct flow_stats *out)
{
	*out = e->stats;
	out->running = e->running;
}
