/* SPDX-License-Identifier: Apache-2.0 */
#include "api/backups.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "loop/lane.h"
#include "store/audit.h"
#include "store/events.h"

/* LOOK_MS: how often it is looked whether one is due; AGAIN_S: after one that failed; READERS: pieces that
 * wait */
enum { LOOK_MS = 30000, AGAIN_S = 600, READERS = 64 };

struct job { /* on the heap: the thread may outlive the loop's interest in it */
	struct work work;
	struct backups *owner;
	bool make; /* else the directory is only read */
	char *database, *dir;
	size_t keep;
	int64_t at_us;
	atomic_bool stop;
	atomic_llong done, total;
	/* what came of it */
	bool failed;
	struct error err;
	struct backup_info made;
	struct arena arena;
	struct backup_info *kept;
	size_t kept_n;
};

struct backups {
	struct api *api;
	struct lane *lane, *reads;
	struct loop_timer timer;
	struct tick_unit unit; /* tells what became of it */
	bool busy, stopped;
	struct job *job;          /* under way */
	struct arena arena;       /* of kept */
	struct backup_info *kept; /* newest first */
	size_t kept_n;
	char by[64];
	int64_t ended_us;
	char error[256];
	struct backup_info last;
};

/* --- on the thread -------------------------------------------------------------------------------------- */

static bool on_step(void *ctx, int64_t done, int64_t total)
{
	struct job *j = ctx;

	atomic_store(&j->done, done);
	atomic_store(&j->total, total);
	return !atomic_load(&j->stop);
}

static void job_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	const struct backup_want want = {
		.database = j->database, .dir = j->dir, .at_us = j->at_us, .step = on_step, .ctx = j
	};

	if (j->make)
		j->failed = backup_make(&want, &j->made, &j->err) ||
			    (j->keep && backup_prune(j->dir, j->keep, &j->err));
	if (!j->failed)
		j->failed = backup_list(j->dir, &j->arena, &j->kept, &j->kept_n, &j->err) != 0;
}

/* --- what became of it ---------------------------------------------------------------------------------- */

static void write_data(const struct backups *b, struct buf *out)
{
	jw_object(out);
	if (b->error[0]) {
		jw_kv_str(out, "error", b->error);
	} else {
		jw_kv_str(out, "name", b->last.name);
		jw_kv_int(out, "bytes", b->last.bytes);
		jw_kv_int(out, "seq", b->last.seq);
	}
	jw_end_object(out);
}

static int tell_run(struct tick_unit *u, struct error *err)
{
	struct backups *b = CONTAINER_OF(u, struct backups, unit);
	struct db *db = store_rw(b->api->store);
	CLEANUP(buf_finish) struct buf data = { 0 };
	const bool bad = b->error[0];
	const struct audit_note note = { .at_us = b->ended_us,
		.action = "backup.made",
		.target = bad ? NULL : b->last.name,
		.status = bad ? 500 : 200,
		.reason = bad ? b->error : b->by };
	struct event_row e = { .at_us = b->ended_us,
		.type = bad ? "backup.failed" : "backup.made",
		.subject = bad ? "" : b->last.name };

	write_data(b, &data);
	e.inside = buf_text(&data);
	return store_audit_note(db, &note, err) || store_event_add(db, &e, err) ? -1 : 0;
}

static void tell_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct backups *b = CONTAINER_OF(u, struct backups, unit);

	b->busy = false;
	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "what became of a backup could not be written down", "error", err->msg,
			"detail", err->detail, NULL);
}

static void tell(struct backups *b)
{
	if (b->error[0])
		log_event(LOG_ERR, "the backup failed", "error", b->error, NULL);
	else
		log_event(LOG_NOTICE, "backup made", "name", b->last.name, NULL);
	if (b->stopped || b->busy)
		return;
	b->busy = true;
	b->unit = (struct tick_unit) { .run = tell_run, .finish = tell_finish };
	tick_submit(b->api->tick, &b->unit);
}

static void take_list(struct backups *b, struct job *j)
{
	arena_finish(&b->arena);
	b->arena = j->arena;
	b->kept = j->kept;
	b->kept_n = j->kept_n;
	j->arena = (struct arena) { 0 };
}

static void look(struct backups *b);

static void job_done(struct work *w, enum work_result res)
{
	struct job *j = CONTAINER_OF(w, struct job, work);
	struct backups *b = j->owner;

	b->job = NULL;
	if (res != WORK_DONE)
		return;
	if (!j->failed)
		take_list(b, j);
	else if (!j->make)
		log_event(LOG_ERR, "the directory of backups cannot be read", "error", j->err.msg, NULL);
	if (!j->make) {
		look(b); /* it is known now when the last one was made */
		return;
	}
	b->ended_us = clock_wall(b->api->loop->clock);
	b->last = j->made;
	str_copy(b->error, sizeof b->error, j->failed ? j->err.msg : "");
	if (j->failed && j->err.detail[0])
		log_event(LOG_ERR, "the backup failed", "detail", j->err.detail, NULL);
	tell(b);
}

static void job_destroy(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, work);

	arena_finish(&j->arena);
	free(j->database);
	free(j->dir);
	free(j);
}

/* --- when ----------------------------------------------------------------------------------------------- */

static bool submit(struct backups *b, bool make)
{
	const struct api_config *c = &b->api->config;
	struct job *j = xcalloc(1, sizeof *j);

	j->work = (struct work) { .run = job_run, .done = job_done, .destroy = job_destroy };
	j->owner = b;
	j->make = make;
	j->database = xstrdup(store_path(b->api->store));
	j->dir = xstrdup(c->backup_dir);
	j->keep = c->backup_keep;
	j->at_us = clock_wall(b->api->loop->clock);
	if (lane_submit(b->lane, &j->work)) {
		b->job = j;
		return true;
	}
	job_destroy(&j->work);
	return false;
}

int backups_begin(struct backups *b, const char *by, struct error *err)
{
	if (b && b->job)
		return error_set(err, ERR_CONFLICT, "a backup is under way");
	if (!b || b->stopped || !submit(b, true))
		return error_set(err, ERR_UNAVAILABLE, "cloudd is stopping");
	snprintf(b->by, sizeof b->by, "by %s", by);
	return 0;
}

static bool due(const struct backups *b, int64_t now_us)
{
	int64_t every_us = b->api->config.backup_every_us;
	int64_t last_us = b->kept_n ? b->kept[0].at_us : 0;

	if (!every_us || b->job)
		return false;
	/* a clock that was set back does not stop them */
	if (last_us <= now_us && now_us - last_us < every_us)
		return false;
	return !b->error[0] || now_us - b->ended_us >= (int64_t)AGAIN_S * 1000000;
}

static void look(struct backups *b)
{
	struct error ignored;

	if (due(b, clock_wall(b->api->loop->clock)))
		backups_begin(b, "the schedule", &ignored);
}

static void on_look(struct loop_timer *t)
{
	struct backups *b = CONTAINER_OF(t, struct backups, timer);

	look(b);
	loop_timer_set(b->api->loop, &b->timer, LOOK_MS, on_look);
}

/* --- life ----------------------------------------------------------------------------------------------- */

struct backups *backups_create(struct api *api)
{
	struct backups *b = xcalloc(1, sizeof *b);

	b->api = api;
	b->lane = lane_create(api->lanes, "backup", 1, 2);
	b->reads = lane_create(api->lanes, "backup-read", 1, READERS);
	submit(b, false);
	loop_timer_set(api->loop, &b->timer, LOOK_MS, on_look);
	return b;
}

void backups_stop(struct backups *b)
{
	if (!b || b->stopped)
		return;
	b->stopped = true;
	loop_timer_stop(&b->timer);
	if (b->job)
		atomic_store(&b->job->stop, true);
}

static void closed(struct loop_timer *t)
{
	struct backups *b = CONTAINER_OF(t, struct backups, timer);

	arena_finish(&b->arena);
	free(b);
}

void backups_destroy(struct backups *b)
{
	if (!b)
		return;
	backups_stop(b);
	lane_destroy(b->reads);
	lane_destroy(b->lane);
	loop_timer_close(&b->timer, closed);
}

void backups_look(const struct backups *b, struct backups_state *out)
{
	*out = (struct backups_state) { .error = "" };
	if (!b)
		return;
	*out = (struct backups_state) { .running = b->job && b->job->make,
		.done = b->job ? atomic_load(&b->job->done) : 0,
		.total = b->job ? atomic_load(&b->job->total) : 0,
		.ended_us = b->ended_us,
		.error = b->error,
		.kept = b->kept,
		.kept_n = b->kept_n };
}

bool backups_read(struct backups *b, struct work *w)
{
	return !b->stopped && lane_submit(b->reads, w);
}
