/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/util.h"
#include "loop/thread.h"

enum {
	THREADS_MAX = 1024, /* alive and not abandoned; more work than this waits */
	THREAD_IDLE_S = 5,  /* then a thread without work ends */
};

struct queue {
	struct work *head, **tail;
};

struct crew {
	uv_async_t *back;
	pthread_mutex_t lock;
	pthread_cond_t wake;     /* for threads: work, or the end */
	pthread_cond_t progress; /* for the loop when it waits: work came back, or a thread ended */
	struct queue ready, returned;
	unsigned n_ready;
	unsigned n_threads;
	unsigned n_free;      /* threads that wait for work, or will as soon as they have started */
	unsigned n_abandoned; /* threads in calls that were given up */
	bool stop, orphan;    /* orphan: the loop has let go of it */
};

static void queue_push(struct queue *q, struct work *w)
{
	w->next = NULL;
	*q->tail = w;
	q->tail = &w->next;
}

static struct work *queue_pop(struct queue *q)
{
	struct work *w = q->head;

	if (!w)
		return NULL;
	q->head = w->next;
	if (!q->head)
		q->tail = &q->head;
	w->next = NULL;
	return w;
}

static void queue_remove(struct queue *q, struct work *w)
{
	struct work **at = &q->head;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (q->tail == &w->next)
		q->tail = at;
	w->next = NULL;
}

/* ---- threads; all of it under the lock ---- */

static void unlock_and_free_if_last(struct crew *c)
{
	bool last = c->orphan && !c->n_threads;

	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->progress);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* NULL when the thread should end. */
static struct work *next_work(struct crew *c)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += THREAD_IDLE_S;
	while (!c->ready.head && !c->stop) {
		if (pthread_cond_timedwait(&c->wake, &c->lock, &until) == ETIMEDOUT && !c->ready.head)
			return NULL;
	}
	return queue_pop(&c->ready);
}

static void work_back(struct crew *c, struct work *w)
{
	if (w->state == WORK_ABANDONED)
		c->n_abandoned--;
	else
		w->state = WORK_RETURNED;
	if (c->stop)
		return; /* no loop any more that could destroy it */
	queue_push(&c->returned, w);
	pthread_cond_signal(&c->progress);
	uv_async_send(c->back);
}

static void *thread_main(void *arg)
{
	struct crew *c = arg;
	struct work *w;

	pthread_setname_np(pthread_self(), "lane");
	pthread_mutex_lock(&c->lock);
	while ((w = next_work(c))) {
		c->n_ready--;
		c->n_free--;
		w->state = WORK_RUNNING;
		pthread_mutex_unlock(&c->lock);

		w->run(w);

		pthread_mutex_lock(&c->lock);
		c->n_free++;
		work_back(c, w);
	}
	c->n_free--;
	c->n_threads--;
	pthread_cond_signal(&c->progress);
	unlock_and_free_if_last(c);
	return NULL;
}

static bool grow(struct crew *c)
{
	while (c->n_free < c->n_ready) {
		if (c->n_threads - c->n_abandoned >= THREADS_MAX)
			return true; /* those that there are will come to it */
		c->n_free++;
		c->n_threads++;
		if (thread_start(thread_main, c, NULL)) {
			c->n_free--;
			c->n_threads--;
			return false;
		}
	}
	return true;
}

/* ---- the interface ---- */

struct crew *crew_create(uv_async_t *back)
{
	struct crew *c = xcalloc(1, sizeof *c);
	pthread_condattr_t attr;

	c->back = back;
	c->ready.tail = &c->ready.head;
	c->returned.tail = &c->returned.head;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_cond_init(&c->progress, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

bool crew_push(struct crew *c, struct work *w)
{
	bool ok;

	pthread_mutex_lock(&c->lock);
	w->state = WORK_READY;
	queue_push(&c->ready, w);
	c->n_ready++;
	ok = grow(c);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	return ok;
}

bool crew_grow(struct crew *c)
{
	bool ok;

	pthread_mutex_lock(&c->lock);
	ok = grow(c);
	pthread_mutex_unlock(&c->lock);
	return ok;
}

enum work_state crew_withdraw(struct crew *c, struct work *w)
{
	enum work_state was;

	pthread_mutex_lock(&c->lock);
	was = (enum work_state)w->state;
	if (was == WORK_READY) {
		queue_remove(&c->ready, w);
		c->n_ready--;
	} else if (was == WORK_RUNNING) {
		w->state = WORK_ABANDONED;
		c->n_abandoned++;
		grow(c); /* another may take the thread's place when there were too many */
	}
	pthread_mutex_unlock(&c->lock);
	return was;
}

struct work *crew_take(struct crew *c)
{
	struct work *w;

	pthread_mutex_lock(&c->lock);
	w = queue_pop(&c->returned);
	pthread_mutex_unlock(&c->lock);
	return w;
}

bool crew_wait(struct crew *c, uint64_t until_ns)
{
	/* uv_hrtime is CLOCK_MONOTONIC too */
	struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000) };
	bool some;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	while (!c->returned.head && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&c->progress, &c->lock, &until);
	some = c->returned.head != NULL;
	pthread_mutex_unlock(&c->lock);
	return some;
}

unsigned crew_threads(struct crew *c)
{
	unsigned n;

	pthread_mutex_lock(&c->lock);
	n = c->n_threads;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void crew_stop(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->wake);
	while (c->n_threads > c->n_abandoned)
		pthread_cond_wait(&c->progress, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void crew_destroy(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->orphan = true;
	unlock_and_free_if_last(c);
}
