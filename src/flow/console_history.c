/* SPDX-License-Identifier: Apache-2.0 */
/* What consoles printed, collected: each connected host is looked at in turn, on its bulk lane. A log is read
 * on from where the last look ended; one that had nothing new is looked at less and less often. Text and
 * place are written together, on the lane, into a file of their own: the loop never waits for it, and a host
 * that hangs holds up its own consoles alone. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/console.h"
#include "flow/internal.h"
#include "store/host_use.h"

enum {
	PIECE_MAX = 256 * 1024, /* of one log at a time */
	PIECES_MAX = 16,        /* of one log in one look: the others get their turn */
	LAST_PIECES_MAX = 32,   /* before it goes */
	QUIET_MAX = 6,          /* a quiet log is looked at each so many looks */
	BEAT_MS = 1000,
	SWEEP_BEATS = 60,
	READ_BYTES = 1 << 20, /* of one answer */
	READ_LANE = 2,
	READ_QUEUE = 64
};
_Static_assert((int)HISTORY_TAIL == (int)HV_LOG_TAIL, "the same tail");

struct watched { /* a server of a host */
	char uid[UUID_TEXT];
	unsigned quiet, skip; /* looks without news; looks to leave out */
};

struct watch { /* a host */
	int64_t host_id, due_us;
	bool busy, seen;
	struct watched *list; /* sorted by uid */
	size_t n;
};

struct console_set {
	struct flow_engine *e;
	struct history *history;
	struct loop_timer timer;
	struct map all; /* struct watch by host */
	unsigned beats;
	bool sweeping, closing;
	unsigned refs; /* the timer, work under way */
	struct lane *lane;
};

/* --- one log: on a lane --------------------------------------------------------------------------------- */

/* A character that is cut off at the end waits for its rest; bytes that begin none wait for nothing. */
static size_t whole_characters(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char c = (unsigned char)p[n - back];

		if (c >= 0xc2 && c <= 0xf4)
			return back < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? n - back : n;
		if (c < 0x80 || c >= 0xc0)
			break;
	}
	return n;
}

static void log_finish(struct hv_log *log)
{
	buf_finish(&log->text);
}

static struct hv_log_mark to_log(const struct history_mark *m)
{
	struct hv_log_mark out = { .known = m->known, .offset = m->offset, .tail_n = m->tail_n };

	memcpy(out.tail, m->tail, m->tail_n);
	return out;
}

static struct history_mark from_log(const struct hv_log_mark *m, int64_t host_id)
{
	struct history_mark out = {
		.known = m->known, .host_id = host_id, .offset = m->offset, .tail_n = m->tail_n
	};

	memcpy(out.tail, m->tail, m->tail_n);
	return out;
}

/* The bytes of an unfinished character are left to the look that finds its rest. */
static void trim(struct hv_log *log)
{
	size_t n = whole_characters(log->text.data, log->text.len), cut = log->text.len - n;

	if (!cut || cut > log->mark.tail_n)
		return;
	log->text.len = n;
	log->mark.offset -= (int64_t)cut;
	log->mark.tail_n -= cut;
}

struct piece { /* of a log, on its way from a host into the history */
	struct history *history;
	int64_t host_id, now_us;
	const char *uid;
	bool last; /* nothing comes after it */
	bool more; /* out: there is more */
};

/* 1: there was something, 0: nothing, -1. */
static int read_piece(struct piece *p, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	CLEANUP(log_finish) struct hv_log log = { 0 };
	struct history_step step = { 0 };
	struct history_text text;

	p->more = false;
	if (history_mark_get(p->history, p->uid, p->host_id, &step.before, err) < 0 ||
		history_mark_before(p->history, p->uid, p->host_id, &step.other, err) < 0)
		return -1;
	str_copy(log.uuid, sizeof log.uuid, p->uid);
	log.mark = to_log(&step.before);
	log.before = to_log(&step.other);
	if (drv->console_follow(conn, &log, PIECE_MAX, err) < 0)
		return -1;
	step.other_after = from_log(&log.before, step.other.host_id);
	step.came = step.other_after.offset != step.other.offset;
	if (log.text.len && (!p->last || log.more))
		trim(&log);
	step.after = from_log(&log.mark, p->host_id);
	text = (struct history_text) {
		.p = log.text.data, .n = log.text.len, .at_us = p->now_us, .lost = log.lost
	};
	if ((text.n || step.after.offset != step.before.offset || step.after.known != step.before.known ||
		    log.lost) &&
		history_append(p->history, p->uid, &step, &text, err) < 0)
		return -1;
	p->more = log.more;
	return text.n > 0;
}

void console_last_read(
	const struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *uid)
{
	struct piece p = { .history = act->history,
		.host_id = act->host_id,
		.now_us = act->now_us,
		.uid = uid,
		.last = true,
		.more = true };
	struct error err;

	for (int i = 0; act->history && i < LAST_PIECES_MAX && p.more; i++)
		if (atomic_load(&act->call.abandoned) || read_piece(&p, drv, conn, &err) < 0)
			return;
}

/* --- a host --------------------------------------------------------------------------------------------- */

struct look {
	struct host_call call;
	struct console_set *set;
	struct history *history;
	int64_t host_id, now_us;
	char (*uids)[UUID_TEXT];
	bool *news;
	size_t n;
	bool more;
};

/* -1: the host cannot be heard. Else what went wrong is this log's alone: the others are not to suffer. */
static int look_at(
	struct look *k, size_t i, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct piece p = { .history = k->history,
		.host_id = k->host_id,
		.now_us = k->now_us,
		.uid = k->uids[i],
		.more = true };

	for (int n = 0; n < PIECES_MAX && p.more; n++) {
		int rc = atomic_load(&k->call.abandoned) ? error_set(err, ERR_TIMEOUT, "given up meanwhile")
							 : read_piece(&p, drv, conn, err);

		if (rc < 0 && (err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT))
			return -1;
		if (rc < 0)
			log_event(LOG_DEBUG, "a console could not be read", "server", p.uid, "error",
				err->msg, "detail", err->detail, NULL);
		k->news[i] |= rc > 0;
	}
	k->more |= p.more;
	return 0;
}

static int look_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct look *k = CONTAINER_OF(call, struct look, call);

	for (size_t i = 0; i < k->n; i++)
		if (look_at(k, i, drv, conn, err) < 0)
			return -1;
	return 0;
}

static struct watch *watch_find(const struct console_set *set, int64_t host_id)
{
	return map_ptr(&set->all, host_id);
}

static void watch_free(struct console_set *set, struct watch *w)
{
	map_remove(&set->all, w->host_id);
	free(w->list);
	free(w);
}

/* All watches; the list is the caller's to free. */
static struct watch **watches(const struct console_set *set, size_t *out_n)
{
	struct watch **list = xcalloc(set->all.n + 1, sizeof(struct watch *));
	size_t n = 0;

	for (size_t i = 0; i < set->all.cap; i++)
		if (set->all.entries[i].value != MAP_NONE)
			list[n++] = (struct watch *)(intptr_t)set->all.entries[i].value;
	*out_n = n;
	return list;
}

static int by_uid(const void *a, const void *b)
{
	return strcmp(((const struct watched *)a)->uid, ((const struct watched *)b)->uid);
}

static struct watched *watched_find(const struct watch *w, const char *uid)
{
	struct watched key;

	str_copy(key.uid, sizeof key.uid, uid);
	return w->n ? bsearch(&key, w->list, w->n, sizeof *w->list, by_uid) : NULL;
}

static void look_done(struct host_call *call, int rc, const struct error *err)
{
	struct look *k = CONTAINER_OF(call, struct look, call);
	struct watch *w = watch_find(k->set, k->host_id);

	(void)rc;
	if (!w)
		return;
	w->busy = false;
	if (err)
		return;
	if (k->more)
		w->due_us = 0;
	for (size_t i = 0; i < k->n; i++) {
		struct watched *s = watched_find(w, k->uids[i]);

		if (!s)
			continue;
		s->quiet = k->news[i] ? 0 : s->quiet < QUIET_MAX ? s->quiet + 1 : QUIET_MAX;
		s->skip = s->quiet ? s->quiet - 1 : 0;
	}
}

static void set_unref(struct console_set *set)
{
	struct watch **list;
	size_t n;

	if (--set->refs)
		return;
	list = watches(set, &n);
	for (size_t i = 0; i < n; i++)
		watch_free(set, list[i]);
	free(list);
	map_finish(&set->all);
	history_unref(set->history);
	engine_unref(set->e);
	free(set);
}

static void look_destroy(struct host_call *call)
{
	struct look *k = CONTAINER_OF(call, struct look, call);

	set_unref(k->set);
	history_unref(k->history);
	free(k->uids);
	free(k->news);
	free(k);
}

/* The host's servers as the rows have them, with what is remembered of each. */
static int watch_servers(struct console_set *set, struct watch *w, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server_pair *rows;
	struct watched *list;
	size_t n;

	if (store_host_use_servers(store_ro(set->e->cfg.store), &a, w->host_id, &rows, &n, err) < 0)
		return -1;
	list = xcalloc(n + 1, sizeof *list);
	for (size_t i = 0; i < n; i++) {
		const struct watched *old = watched_find(w, rows[i].value);

		if (old)
			list[i] = *old;
		else
			str_copy(list[i].uid, sizeof list[i].uid, rows[i].value);
	}
	if (n)
		qsort(list, n, sizeof *list, by_uid);
	free(w->list);
	w->list = list;
	w->n = n;
	return 0;
}

static void look_start(struct console_set *set, struct watch *w, struct link *l)
{
	struct look *k;
	struct error err;
	size_t n = 0;

	if (watch_servers(set, w, &err) < 0 || !w->n)
		return;
	k = xcalloc(1, sizeof *k);
	k->uids = xcalloc(w->n, sizeof *k->uids);
	k->news = xcalloc(w->n, sizeof *k->news);
	for (size_t i = 0; i < w->n; i++) {
		if (w->list[i].skip)
			w->list[i].skip--;
		else
			str_copy(k->uids[n++], sizeof *k->uids, w->list[i].uid);
	}
	k->n = n;
	k->set = set;
	set->refs++;
	k->history = history_ref(set->history);
	k->host_id = w->host_id;
	k->now_us = engine_now(set->e);
	k->call.run = look_run;
	k->call.done = look_done;
	k->call.destroy = look_destroy;
	k->call.timeout_ms = set->e->cfg.call_timeout_ms;
	w->busy = n && link_call(l, LINK_BULK, &k->call);
	if (!w->busy)
		look_destroy(&k->call);
}

/* --- the beat ------------------------------------------------------------------------------------------- */

/* Hosts have their turns spread over the period. */
static struct watch *watch_of(struct console_set *set, int64_t host_id, int64_t now, int64_t period)
{
	struct watch *w = watch_find(set, host_id);

	if (w)
		return w;
	w = xcalloc(1, sizeof *w);
	w->host_id = host_id;
	w->due_us = now + host_id * 7919000 % period;
	map_set(&set->all, host_id, (int64_t)(intptr_t)w);
	return w;
}

/* Those whose host is gone. */
static void forget_unseen(struct console_set *set)
{
	size_t n;
	struct watch **list = watches(set, &n);

	for (size_t i = 0; i < n; i++) {
		if (!list[i]->seen && !list[i]->busy)
			watch_free(set, list[i]);
		else
			list[i]->seen = false;
	}
	free(list);
}

static void look_around(struct console_set *set)
{
	const struct map *links = &set->e->links;
	int64_t now = engine_mono(set->e), period = (int64_t)set->e->cfg.console_poll_ms * 1000;

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
			look_start(set, w, (struct link *)(intptr_t)links->entries[i].value);
	}
	forget_unseen(set);
}

struct sweep {
	struct work work;
	struct console_set *set;
	int64_t now_us;
	bool more;
};

static void sweep_run(struct work *work)
{
	struct sweep *s = CONTAINER_OF(work, struct sweep, work);
	struct error err;

	if (history_sweep(s->set->history, s->now_us, &s->more, &err) < 0)
		log_event(LOG_WARNING, "the console history cannot be tidied", "error", err.msg, "detail",
			err.detail, NULL);
}

static void sweep_done(struct work *work, enum work_result res)
{
	struct sweep *s = CONTAINER_OF(work, struct sweep, work);

	s->set->sweeping = false;
	if (res == WORK_DONE && s->more)
		s->set->beats = SWEEP_BEATS; /* at the next beat */
}

static void sweep_destroy(struct work *work)
{
	struct sweep *s = CONTAINER_OF(work, struct sweep, work);

	set_unref(s->set);
	free(s);
}

static void sweep_start(struct console_set *set)
{
	struct sweep *s = xcalloc(1, sizeof *s);

	s->work = (struct work) { .run = sweep_run, .done = sweep_done, .destroy = sweep_destroy };
	s->set = set;
	set->refs++;
	s->now_us = engine_now(set->e);
	set->sweeping = lane_submit(set->lane, &s->work);
	if (!set->sweeping)
		sweep_destroy(&s->work);
	set->beats = 0;
}

static void beat(struct loop_timer *t)
{
	struct console_set *set = CONTAINER_OF(t, struct console_set, timer);
	unsigned ms = set->e->cfg.console_poll_ms < BEAT_MS ? set->e->cfg.console_poll_ms : BEAT_MS;

	if (set->e->dead || set->e->stopping)
		return;
	if (++set->beats >= SWEEP_BEATS && !set->sweeping)
		sweep_start(set);
	look_around(set);
	loop_timer_set(set->e->cfg.loop, t, ms, beat);
}

void console_history_start(struct flow_engine *e)
{
	struct console_set *set;

	if (!e->cfg.history)
		return;
	set = xcalloc(1, sizeof *set);
	set->e = e;
	e->refs++;
	set->refs = 1;
	set->history = history_ref(e->cfg.history);
	set->lane = lane_create(e->cfg.lanes, "console history", READ_LANE, READ_QUEUE);
	set->beats = SWEEP_BEATS;
	e->consoles = set;
	beat(&set->timer);
}

static void timer_closed(struct loop_timer *t)
{
	set_unref(CONTAINER_OF(t, struct console_set, timer));
}

void console_history_destroy(struct flow_engine *e)
{
	struct console_set *set = e->consoles;

	if (!set)
		return;
	e->consoles = NULL;
	lane_destroy(set->lane);
	loop_timer_close(&set->timer, timer_closed);
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct read {
	struct work work;
	struct history *history;
	char uid[UUID_TEXT];
	struct history_query query;
	size_t last; /* the last bytes are wanted, or 0 */
	struct arena arena;
	struct history_chunk *list;
	size_t n;
	struct buf text;
	bool more;
	int rc;
	struct error err;
	flow_history_fn *done;
	console_last_fn *last_done;
	void *ctx;
};

static void read_run(struct work *work)
{
	struct read *r = CONTAINER_OF(work, struct read, work);

	if (r->last)
		r->rc = history_last(r->history, r->uid, r->last, &r->text, &r->err);
	else
		r->rc = history_read(r->history, &r->arena, &r->query, &r->list, &r->n, &r->more, &r->err);
}

static void read_done(struct work *work, enum work_result res)
{
	struct read *r = CONTAINER_OF(work, struct read, work);
	struct error late;
	const struct error *err = NULL;

	error_set(&late, ERR_UNAVAILABLE, "The console history cannot be read now.");
	if (res != WORK_DONE)
		err = &late; /* r is the thread's still */
	else if (r->rc < 0)
		err = &r->err;
	if (r->last_done)
		r->last_done(r->ctx, err ? NULL : &r->text, err);
	else
		r->done(r->ctx, err ? NULL : r->list, err ? 0 : r->n, !err && r->more, err);
}

static void read_destroy(struct work *work)
{
	struct read *r = CONTAINER_OF(work, struct read, work);

	history_unref(r->history);
	arena_finish(&r->arena);
	buf_finish(&r->text);
	free(r);
}

static struct read *read_new(struct console_set *set, const char *uid, void *ctx)
{
	struct read *r = xcalloc(1, sizeof *r);

	r->work = (struct work) { .run = read_run,
		.done = read_done,
		.destroy = read_destroy,
		.timeout_ms = set->e->cfg.call_timeout_ms };
	r->history = history_ref(set->history);
	str_copy(r->uid, sizeof r->uid, uid);
	r->ctx = ctx;
	return r;
}

bool console_history_last(
	struct flow_engine *e, const char *uid, size_t max, console_last_fn *done, void *ctx)
{
	struct read *r = e->consoles ? read_new(e->consoles, uid, ctx) : NULL;

	if (!r)
		return false;
	r->last = max;
	r->last_done = done;
	if (lane_submit(e->consoles->lane, &r->work))
		return true;
	read_destroy(&r->work);
	return false;
}

void flow_console_history(struct flow_engine *e, const char *uid, int64_t since_us, int64_t until_us,
	size_t chunks, flow_history_fn *done, void *ctx)
{
	struct console_set *set = e->consoles;
	struct read *r;
	struct error err;

	if (!set) {
		error_set(&err, ERR_UNAVAILABLE, "No console history is kept.");
		done(ctx, NULL, 0, false, &err);
		return;
	}
	r = read_new(set, uid, ctx);
	r->query = (struct history_query) { r->uid, since_us, until_us, chunks, READ_BYTES };
	r->done = done;
	if (lane_submit(set->lane, &r->work))
		return;
	read_destroy(&r->work);
	error_set(&err, ERR_BUSY, "Too many requests read the console history: try again.");
	done(ctx, NULL, 0, false, &err);
}
