/* SPDX-License-Identifier: Apache-2.0 */
/* Work that may block, off the loop. A lane is a queue with a bound on how much of it runs at once; it holds
 * a thread only while it has work, so thousands of quiet hosts cost none. A piece of work that passes its
 * deadline is given up: its owner is told, its thread is left to the dead call and another takes its place.
 */
#ifndef LOOP_LANE_H
#define LOOP_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

enum work_result {
	WORK_DONE,     /* run returned */
	WORK_GIVEN_UP, /* the deadline passed while it ran: what it did is unknown. It still runs, or never
			  ends */
	WORK_CANCELLED /* it never started (its deadline passed in the queue, or the lane was closed) */
};

/* Embedded in a heap object of the submitter's. `run` works on that object's private copies only. `done` is
 * called once on the loop. After GIVEN_UP the object is still the running thread's: the submitter must not
 * touch it. `destroy` is called once on the loop after `done`, when no thread uses the object any more (for a
 * call that never ends: never), and frees it. */
struct work {
	void (*run)(struct work *w);                        /* on a thread of the pool */
	void (*done)(struct work *w, enum work_result res); /* on the loop */
	void (*destroy)(struct work *w);                    /* on the loop */
	unsigned timeout_ms;                                /* from submission; 0: none */
	/* private to lane.c */
	struct lane *lane;
	struct work *next;                  /* in a list under the pool's lock */
	struct work *ring_next, *ring_prev; /* in its lane */
	uint64_t deadline_ms;
	int state;
};

struct lane;

/* The pool of threads behind all lanes of a loop: a thread that finds no work for some seconds ends. */
struct lane_pool;
struct lane_pool *lane_pool_create(struct loop *loop);
/* Cancels what waits, waits for running work and for what was given up for at most grace_ms (blocking the
 * loop), then gives it up. Lanes may be destroyed before or after; they take no work any more. Memory goes
 * with the loop's next turn. Returns how many threads are left in calls: the process must then end by _exit,
 * not by running destructors of libraries under them. */
unsigned lane_pool_destroy(struct lane_pool *pool, unsigned grace_ms);

/* `width`: how many pieces run at once (1 to 5 for a libvirt connection); `limit`: how many may wait. */
struct lane *lane_create(struct lane_pool *pool, const char *name, unsigned width, unsigned limit);
/* Cancels what waits; running work is given up: their `done` is called from here. The lane is freed when the
 * last of its work is. */
void lane_destroy(struct lane *lane);
/* False when `limit` pieces wait already: the caller keeps the work, nothing is called. */
bool lane_submit(struct lane *lane, struct work *w);
unsigned lane_queued(const struct lane *lane);
unsigned lane_running(const struct lane *lane);
/* Threads alive in the pool, those given up included. */
unsigned lane_pool_threads(const struct lane_pool *pool);
unsigned lane_pool_given_up(const struct lane_pool *pool);

#endif
