/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	submit -> WAITING -> READY -> RUNNING -> RETURNED -> done(DONE), destroy
 *	             |         |         |
 *	             +---------+         +-> ABANDONED: done(GIVEN_UP) ... the call returns -> destroy
 *	             |
 *	             +-> done(CANCELLED), destroy
 *
 * The loop alone decides what may run: lanes and their queues are its own. What may run is handed to the
 * crew of threads, which hands it back. */
#include "loop/lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "loop/crew.h"

enum {
	DEADLINE_GRAIN_MS = 50, /* deadlines are looked at no more often than this */
	THREAD_RETRY_MS = 100,  /* when the system had no thread */
};

struct lane {
	struct lane_pool *pool;   /* NULL once the pool is gone */
	struct lane *prev, *next; /* in the pool's list */
	char name[32];
	unsigned width, limit, queued, running;
	struct work waiting, active; /* heads of rings */
	unsigned refs;               /* work not yet destroyed, and the owner */
	unsigned lost;               /* of these: given up and not back */
	bool closed;
};

struct lane_pool {
	struct loop *loop;
	struct crew *crew;
	struct lane *lanes;
	struct loop_timer timer;
	uint64_t timer_at_ms; /* 0: not set */
	uv_async_t async;
	int open_handles;
	bool closing;
	unsigned given_up;
};

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- rings of work, the loop's own ---- */

static void ring_init(struct work *head)
{
	head->ring_next = head->ring_prev = head;
}

static void ring_push(struct work *head, struct work *w)
{
	w->ring_next = head;
	w->ring_prev = head->ring_prev;
	head->ring_prev->ring_next = w;
	head->ring_prev = w;
}

static void ring_remove(struct work *w)
{
	w->ring_prev->ring_next = w->ring_next;
	w->ring_next->ring_prev = w->ring_prev;
	w->ring_next = w->ring_prev = NULL;
}

/* ---- lanes ---- */

static void lane_unref(struct lane *l)
{
	if (--l->refs)
		return;
	if (l->pool) {
		if (l->prev)
			l->prev->next = l->next;
		else
			l->pool->lanes = l->next;
		if (l->next)
			l->next->prev = l->prev;
	}
	free(l);
}

static void deadline_arm(struct lane_pool *p, uint64_t at_ms, uint64_t soonest_ms);

static void lane_fill(struct lane *l)
{
	while (!l->closed && l->running < l->width && l->waiting.ring_next != &l->waiting) {
		struct work *w = l->waiting.ring_next;

		ring_remove(w);
		l->queued--;
		l->running++;
		ring_push(&l->active, w);
		if (!crew_push(l->pool->crew, w))
			deadline_arm(l->pool, now_ms() + THREAD_RETRY_MS, 0);
	}
}

/* The last that is heard of a piece of work, but for GIVEN_UP. */
static void work_end(struct work *w, enum work_result res)
{
	struct lane *l = w->lane;

	w->done(w, res);
	w->destroy(w);
	lane_unref(l);
}

/* From the active ring: its place in the lane is free. */
static void work_leave(struct work *w)
{
	ring_remove(w);
	w->lane->running--;
}

/* Takes an active piece out of its lane. It may be with a thread, then it is given up, or back already, then
 * it is let come home. Returns false in that last case. */
static bool work_abort(struct work *w)
{
	struct lane *l = w->lane;
	enum work_state was = crew_withdraw(l->pool->crew, w);

	if (was == WORK_RETURNED)
		return false;
	work_leave(w);
	l->refs++;
	if (was == WORK_READY) {
		work_end(w, WORK_CANCELLED);
	} else {
		l->pool->given_up++;
		l->lost++;
		w->done(w, WORK_GIVEN_UP);
	}
	lane_fill(l);
	lane_unref(l);
	return true;
}

static void work_cancel_waiting(struct work *w)
{
	ring_remove(w);
	w->lane->queued--;
	work_end(w, WORK_CANCELLED);
}

/* ---- what comes back ---- */

static void home(struct lane_pool *p, struct work *w)
{
	struct lane *l = w->lane;

	if (w->state == WORK_ABANDONED) {
		p->given_up--;
		l->lost--;
		w->destroy(w);
		lane_unref(l);
		return;
	}
	work_leave(w);
	l->refs++;
	lane_fill(l); /* before done, which may take its time */
	work_end(w, WORK_DONE);
	lane_unref(l); /* NOLINT(clang-analyzer-unix.Malloc): the reference taken above holds it */
}

static void back_drain(struct lane_pool *p)
{
	struct work *w;

	while ((w = crew_take(p->crew)))
		home(p, w);
}

static void on_async(uv_async_t *async)
{
	struct lane_pool *p = CONTAINER_OF(async, struct lane_pool, async);

	if (!p->closing)
		back_drain(p);
}

/* ---- deadlines ---- */

static void on_deadline(struct loop_timer *t);

static void deadline_arm(struct lane_pool *p, uint64_t at_ms, uint64_t soonest_ms)
{
	uint64_t now = now_ms();

	if (at_ms < soonest_ms)
		at_ms = soonest_ms;
	if (p->closing || (p->timer_at_ms && p->timer_at_ms <= at_ms))
		return;
	p->timer_at_ms = at_ms;
	loop_timer_set(p->loop, &p->timer, at_ms > now ? at_ms - now : 0, on_deadline);
}

/* One overdue piece of a ring, or NULL; *next_ms becomes the soonest deadline of the others. */
static struct work *overdue(struct work *head, uint64_t now, uint64_t *next_ms)
{
	for (struct work *w = head->ring_next; w != head; w = w->ring_next) {
		if (!w->deadline_ms)
			continue;
		if (w->deadline_ms <= now)
			return w;
		if (!*next_ms || w->deadline_ms < *next_ms)
			*next_ms = w->deadline_ms;
	}
	return NULL;
}

/* Callbacks may change lanes as they like, so each search begins anew. */
static bool expire_one(struct lane_pool *p, uint64_t now, uint64_t *next_ms)
{
	*next_ms = 0;
	for (struct lane *l = p->lanes; l; l = l->next) {
		struct work *w = overdue(&l->waiting, now, next_ms);

		if (w) {
			work_cancel_waiting(w);
			return true;
		}
		w = overdue(&l->active, now, next_ms);
		if (w) {
			if (!work_abort(w))
				w->deadline_ms = 0; /* back in time */
			return true;
		}
	}
	return false;
}

static void on_deadline(struct loop_timer *t)
{
	struct lane_pool *p = CONTAINER_OF(t, struct lane_pool, timer);
	uint64_t now = now_ms(), next_ms = 0;

	p->timer_at_ms = 0;
	while (!p->closing && expire_one(p, now, &next_ms))
		;
	if (!crew_grow(p->crew))
		deadline_arm(p, now + THREAD_RETRY_MS, 0);
	if (next_ms)
		deadline_arm(p, next_ms, now + DEADLINE_GRAIN_MS);
}

/* ---- the interface ---- */

struct lane *lane_create(struct lane_pool *pool, const char *name, unsigned width, unsigned limit)
{
	struct lane *l = xcalloc(1, sizeof *l);

	assert(width > 0 && !pool->closing);
	l->pool = pool;
	l->width = width;
	l->limit = limit;
	l->refs = 1;
	str_copy(l->name, sizeof l->name, name);
	ring_init(&l->waiting);
	ring_init(&l->active);
	l->next = pool->lanes;
	if (l->next)
		l->next->prev = l;
	pool->lanes = l;
	return l;
}

bool lane_submit(struct lane *l, struct work *w)
{
	if (l->closed || !l->pool || (l->running >= l->width && l->queued >= l->limit))
		return false;
	w->lane = l;
	w->next = NULL;
	w->state = WORK_WAITING;
	w->deadline_ms = w->timeout_ms ? now_ms() + w->timeout_ms : 0;
	ring_push(&l->waiting, w);
	l->queued++;
	l->refs++;
	lane_fill(l);
	if (w->timeout_ms)
		deadline_arm(l->pool, w->deadline_ms, 0);
	return true;
}

/* Nothing of it runs or waits afterwards, but for what is on its way home. */
static void lane_close(struct lane *l)
{
	struct work *w, *next;

	l->closed = true;
	while ((w = l->waiting.ring_next) != &l->waiting)
		work_cancel_waiting(w);
	for (w = l->active.ring_next; w != &l->active; w = next) {
		next = w->ring_next;
		work_abort(w);
	}
}

void lane_destroy(struct lane *l)
{
	if (!l)
		return;
	if (!l->closed)
		lane_close(l);
	lane_unref(l);
}

unsigned lane_queued(const struct lane *l)
{
	return l->queued;
}

unsigned lane_running(const struct lane *l)
{
	return l->running;
}

unsigned lane_pool_threads(const struct lane_pool *pool)
{
	return crew_threads(pool->crew);
}

unsigned lane_pool_given_up(const struct lane_pool *pool)
{
	return pool->given_up;
}

struct lane_pool *lane_pool_create(struct loop *loop)
{
	struct lane_pool *p = xcalloc(1, sizeof *p);

	if (uv_async_init(&loop->uv, &p->async, on_async))
		abort(); /* no descriptor at start: as fatal as no memory */
	p->loop = loop;
	p->crew = crew_create(&p->async);
	return p;
}

/* ---- the pool's end ---- */

/* Is something running that was not given up? */
static bool pool_busy(const struct lane_pool *p)
{
	for (const struct lane *l = p->lanes; l; l = l->next) {
		if (l->running)
			return true;
	}
	return false;
}

static void pool_cancel_waiting(struct lane_pool *p)
{
	for (struct lane *l = p->lanes; l;) {
		struct work *w = l->waiting.ring_next;

		l->closed = true; /* done may not bring more */
		if (w == &l->waiting) {
			l = l->next;
			continue;
		}
		work_cancel_waiting(w);
		l = p->lanes; /* done may have destroyed any lane */
	}
}

static void pool_wait(struct lane_pool *p, unsigned grace_ms)
{
	uint64_t until_ns = uv_hrtime() + (uint64_t)grace_ms * 1000000;

	back_drain(p);
	while ((pool_busy(p) || p->given_up) && crew_wait(p->crew, until_ns))
		back_drain(p);
}

/* What still runs is given up. Its lane does not wait for it: nobody will destroy it. */
static void pool_give_up(struct lane_pool *p)
{
	for (struct lane *l = p->lanes; l;) {
		struct work *w = l->active.ring_next;

		if (w == &l->active) {
			l = l->next;
			continue;
		}
		if (!work_abort(w))
			back_drain(p);
		l = p->lanes;
	}
}

static void pool_forget_lanes(struct lane_pool *p)
{
	while (p->lanes) {
		struct lane *l = p->lanes;

		p->lanes = l->next;
		l->pool = NULL;
		l->prev = l->next = NULL;
		l->refs -= l->lost; /* what is not back by now is never destroyed */
		if (!l->refs)
			free(l);
	}
}

static void handle_closed(struct lane_pool *p)
{
	if (!--p->open_handles)
		free(p);
}

static void async_closed(uv_handle_t *h)
{
	handle_closed(CONTAINER_OF((uv_async_t *)h, struct lane_pool, async));
}

static void timer_closed(struct loop_timer *t)
{
	handle_closed(CONTAINER_OF(t, struct lane_pool, timer));
}

unsigned lane_pool_destroy(struct lane_pool *p, unsigned grace_ms)
{
	unsigned lost;

	if (!p)
		return 0;
	p->closing = true;
	pool_cancel_waiting(p);
	pool_wait(p, grace_ms);
	pool_give_up(p);
	crew_stop(p->crew);
	back_drain(p); /* given up, and back just in time */
	lost = p->given_up;
	crew_destroy(p->crew);
	pool_forget_lanes(p);
	p->open_handles = 2;
	loop_timer_close(&p->timer, timer_closed);
	uv_close((uv_handle_t *)&p->async, async_closed);
	return lost;
}
