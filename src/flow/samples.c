/* SPDX-License-Identifier: Apache-2.0 */
/* What servers use: each connected host is asked in turn, on its bulk lane, in one call for all its guests.
 * What hosts said is written together by a lane of its own: neither the loop nor a host's lane waits for that
 * disk, and a host that hangs holds up its own figures alone. Counters only grow: what one reading missed the
 * next one has. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/sample_set.h"
#include "store/books.h"
#include "store/server_power.h"

enum {
	BEAT_MS = 1000,
	SWEEP_BEATS = 60,
	WRITE_MAX = 256 /* batches written together */
};

struct watch *sample_watch(const struct sample_set *set, int64_t host_id)
{
	return map_ptr(&set->all, host_id);
}

static void set_unref(struct sample_set *set)
{
	if (--set->refs)
		return;
	for (size_t i = 0; i < set->all.cap; i++)
		if (set->all.entries[i].value != MAP_NONE)
			free((struct watch *)(intptr_t)set->all.entries[i].value);
	map_finish(&set->all);
	samples_unref(set->file);
	engine_unref(set->e);
	free(set);
}

/* --- a host is asked ------------------------------------------------------------------------------------ */

struct take {
	struct host_call call;
	struct sample_set *set;
	struct arena arena;
	struct hv_use *list;
	size_t n;
	struct samples_batch batch;
	unsigned refs; /* the lane's, the writer's */
	struct take *next;
};

static void take_unref(struct take *t)
{
	if (--t->refs)
		return;
	set_unref(t->set);
	arena_finish(&t->arena);
	free(t);
}

static int take_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct take *t = CONTAINER_OF(call, struct take, call);

	return drv->domains_use(conn, &t->arena, NULL, &t->list, &t->n, err);
}

static void row_fill(struct samples_row *row, const struct hv_use *u, const char *project, int64_t at_ms)
{
	*row = (struct samples_row) { .server = u->uuid,
		.project = project,
		.reading = { .start = u->start, .at_ms = at_ms, .ram_mib = u->ram_mib } };
	memcpy(row->reading.counter, u->counter, sizeof u->counter);
}

/* In books time, so that the wall clock may be set as one likes. */
static int take_rows(struct take *t, struct error *err)
{
	struct db *ro = store_ro(t->set->e->cfg.store);
	struct samples_row *rows = ARENA_ARRAY(&t->arena, struct samples_row, t->n);
	int64_t now_us = books_now(ro);
	const char *project;

	for (size_t i = 0; i < t->n; i++) {
		if (store_server_project_of(ro, &t->arena, t->list[i].uuid, &project, err) < 0)
			return -1;
		row_fill(&rows[i], &t->list[i], project, now_us / 1000);
	}
	t->batch.rows = rows;
	t->batch.n = t->n;
	t->batch.offset_ms = (books_to_wall(ro, now_us) - now_us) / 1000;
	return 0;
}

static void write_start(struct sample_set *set);

static void take_done(struct host_call *call, int rc, const struct error *err)
{
	struct take *t = CONTAINER_OF(call, struct take, call);
	struct sample_set *set = t->set;
	struct watch *w = sample_watch(set, t->batch.host_id);
	struct error local;

	(void)rc;
	set->stats.asked++;
	if (!err && !set->e->dead && take_rows(t, &local) < 0)
		err = &local;
	if (err || set->e->dead) {
		set->stats.failed++;
		if (w)
			w->busy = false;
		return;
	}
	t->refs++;
	t->next = NULL;
	*set->tail = t;
	set->tail = &t->next;
	write_start(set);
}

static void take_destroy(struct host_call *call)
{
	take_unref(CONTAINER_OF(call, struct take, call));
}

static void take_start(struct sample_set *set, struct watch *w, struct link *l)
{
	struct take *t = xcalloc(1, sizeof *t);

	t->set = set;
	set->refs++;
	t->refs = 1;
	t->batch.host_id = w->host_id;
	t->call.run = take_run;
	t->call.done = take_done;
	t->call.destroy = take_destroy;
	t->call.timeout_ms = set->e->cfg.call_timeout_ms;
	w->busy = link_call(l, LINK_BULK, &t->call);
	if (!w->busy)
		take_unref(t);
}

/* --- what hosts said is written ------------------------------------------------------------------------- */

struct write {
	struct work work;
	struct sample_set *set;
	struct samples *file;
	struct take *takes[WRITE_MAX];
	const struct samples_batch *list[WRITE_MAX];
	size_t n;
	int64_t added;
	int rc;
	struct error err;
};

static void write_run(struct work *work)
{
	struct write *k = CONTAINER_OF(work, struct write, work);

	k->rc = samples_write(k->file, k->list, k->n, &k->added, &k->err);
}

static void write_done(struct work *work, enum work_result res)
{
	struct write *k = CONTAINER_OF(work, struct write, work);
	struct sample_set *set = k->set;
	bool ok = res == WORK_DONE && k->rc == 0;

	set->writing = false;
	if (res == WORK_DONE && !ok)
		log_event(LOG_WARNING, "samples could not be written", "error", k->err.msg, "detail",
			k->err.detail, NULL);
	for (size_t i = 0; i < k->n; i++) {
		struct watch *w = sample_watch(set, k->list[i]->host_id);

		if (!w)
			continue;
		w->busy = false;
		if (ok)
			w->read_us = engine_now(set->e);
	}
	if (ok)
		set->stats.written += (uint64_t)k->added;
	else
		set->stats.lost_writes += k->n;
	write_start(set);
}

static void write_destroy(struct work *work)
{
	struct write *k = CONTAINER_OF(work, struct write, work);

	for (size_t i = 0; i < k->n; i++)
		take_unref(k->takes[i]);
	samples_unref(k->file);
	set_unref(k->set);
	free(k);
}

static struct take *take_pop(struct sample_set *set)
{
	struct take *t = set->head;

	set->head = t->next;
	if (!set->head)
		set->tail = &set->head;
	return t;
}

static void write_start(struct sample_set *set)
{
	struct write *k;

	if (set->writing || !set->head || set->e->dead)
		return;
	k = xcalloc(1, sizeof *k);
	k->work = (struct work) { .run = write_run, .done = write_done, .destroy = write_destroy };
	k->set = set;
	set->refs++;
	k->file = samples_ref(set->file);
	while (set->head && k->n < WRITE_MAX) {
		k->takes[k->n] = take_pop(set);
		k->list[k->n] = &k->takes[k->n]->batch;
		k->n++;
	}
	set->writing = true;
	if (lane_submit(set->writer, &k->work))
		return;
	write_done(&k->work, WORK_CANCELLED);
	write_destroy(&k->work);
}

/* --- the last one before a guest ends ------------------------------------------------------------------- */

void samples_last_read(const struct act *act, const struct hv_driver *drv, struct hv_conn *conn,
	const char *uid, const char *project)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct act_books *b = &act->books;
	struct samples_row row;
	struct samples_batch batch = {
		.host_id = act->host_id, .offset_ms = b->offset_us / 1000, .rows = &row
	};
	const struct samples_batch *list = &batch;
	struct hv_use *use;
	struct error err;
	int64_t ignored;

	if (!act->samples || atomic_load(&act->call.abandoned) ||
		drv->domains_use(conn, &a, uid, &use, &batch.n, &err) < 0 || batch.n != 1)
		return;
	row_fill(&row, use, project ? project : "", (b->now_us + clock_boot(b->clock) - b->boot_us) / 1000);
	if (samples_write(act->samples, &list, 1, &ignored, &err) < 0)
		log_event(LOG_WARNING, "a last sample could not be written", "server", uid, "error", err.msg,
			"detail", err.detail, NULL);
}

/* --- the beat ------------------------------------------------------------------------------------------- */

/* Hosts have their turns spread over the period. */
static struct watch *watch_of(struct sample_set *set, int64_t host_id, int64_t now, int64_t period)
{
	struct watch *w = sample_watch(set, host_id);

	if (w)
		return w;
	w = xcalloc(1, sizeof *w);
	w->host_id = host_id;
	w->due_us = now + host_id * 7919000 % period;
	map_set(&set->all, host_id, (int64_t)(intptr_t)w);
	return w;
}

/* Those whose host is gone. */
static void forget_unseen(struct sample_set *set)
{
	struct watch **list = xcalloc(set->all.n + 1, sizeof(struct watch *));
	size_t n = 0;

	for (size_t i = 0; i < set->all.cap; i++)
		if (set->all.entries[i].value != MAP_NONE)
			list[n++] = (struct watch *)(intptr_t)set->all.entries[i].value;
	for (size_t i = 0; i < n; i++) {
		if (!list[i]->seen && !list[i]->busy) {
			map_remove(&set->all, list[i]->host_id);
			free(list[i]);
		} else {
			list[i]->seen = false;
		}
	}
	free(list);
}

static void look_around(struct sample_set *set)
{
	const struct map *links = &set->e->links;
	int64_t now = engine_mono(set->e), period = samples_period_ms(set->file) * 1000;

	for (size_t i = 0; i < links->cap; i++) {
		struct watch *w;

		if (links->entries[i].value == MAP_NONE)
			continue;
		w = watch_of(set, links->entries[i].key, now, period);
		w->seen = true;
		if (w->busy || now < w->due_us)
			continue;
		w->due_us = now + period;
		if (link_connected((struct link *)(intptr_t)links->entries[i].value))
			take_start(set, w, (struct link *)(intptr_t)links->entries[i].value);
	}
	forget_unseen(set);
}

struct sweep {
	struct work work;
	struct sample_set *set;
	struct samples *file;
	int64_t wall_ms;
	bool more;
};

static void sweep_run(struct work *work)
{
	struct sweep *k = CONTAINER_OF(work, struct sweep, work);
	struct error err;

	if (samples_sweep(k->file, k->wall_ms, &k->more, &err) < 0)
		log_event(LOG_WARNING, "the samples cannot be tidied", "error", err.msg, "detail", err.detail,
			NULL);
}

static void sweep_done(struct work *work, enum work_result res)
{
	struct sweep *k = CONTAINER_OF(work, struct sweep, work);

	k->set->sweeping = false;
	if (res == WORK_DONE && k->more)
		k->set->beats = SWEEP_BEATS; /* at the next beat */
}

static void sweep_destroy(struct work *work)
{
	struct sweep *k = CONTAINER_OF(work, struct sweep, work);

	samples_unref(k->file);
	set_unref(k->set);
	free(k);
}

static void sweep_start(struct sample_set *set)
{
	struct sweep *k = xcalloc(1, sizeof *k);

	k->work = (struct work) { .run = sweep_run, .done = sweep_done, .destroy = sweep_destroy };
	k->set = set;
	set->refs++;
	k->file = samples_ref(set->file);
	k->wall_ms = engine_now(set->e) / 1000;
	set->beats = 0;
	set->sweeping = lane_submit(set->writer, &k->work);
	if (!set->sweeping)
		sweep_destroy(&k->work);
}

static void beat(struct loop_timer *t)
{
	struct sample_set *set = CONTAINER_OF(t, struct sample_set, timer);
	int64_t period = samples_period_ms(set->file);

	if (set->e->dead || set->e->stopping)
		return;
	if (++set->beats >= SWEEP_BEATS && !set->sweeping)
		sweep_start(set);
	look_around(set);
	loop_timer_set(set->e->cfg.loop, t, period < BEAT_MS ? (uint64_t)period : BEAT_MS, beat);
}

void samples_start(struct flow_engine *e)
{
	struct sample_set *set;

	if (!e->cfg.samples)
		return;
	set = xcalloc(1, sizeof *set);
	set->e = e;
	e->refs++;
	set->refs = 1;
	set->file = samples_ref(e->cfg.samples);
	set->tail = &set->head;
	set->writer = lane_create(e->cfg.lanes, "samples", 1, SAMPLE_QUEUE);
	set->readers = lane_create(e->cfg.lanes, "samples read", SAMPLE_READERS, SAMPLE_QUEUE);
	set->beats = SWEEP_BEATS;
	e->samples = set;
	beat(&set->timer);
}

static void timer_closed(struct loop_timer *t)
{
	set_unref(CONTAINER_OF(t, struct sample_set, timer));
}

void samples_destroy(struct flow_engine *e)
{
	struct sample_set *set = e->samples;

	if (!set)
		return;
	e->samples = NULL;
	while (set->head)
		take_unref(take_pop(set));
	lane_destroy(set->writer);
	lane_destroy(set->readers);
	loop_timer_close(&set->timer, timer_closed);
}
