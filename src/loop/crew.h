/* SPDX-License-Identifier: Apache-2.0 */
/* The threads behind the lanes: a queue of ready work, threads that come and go with it, and a list of work
 * that came back. Private to this room; called on the loop alone. */
#ifndef LOOP_CREW_H
#define LOOP_CREW_H

#include "loop/lane.h"

/* Of struct work, under the crew's lock from READY on. */
enum work_state { WORK_WAITING = 1, WORK_READY, WORK_RUNNING, WORK_RETURNED, WORK_ABANDONED };

struct crew;

/* `back` is sent when work came back. */
struct crew *crew_create(uv_async_t *back);
/* Queues work for the next free thread. False when the system had no thread for it: it is queued all the
 * same, and crew_grow is to be tried again. */
bool crew_push(struct crew *c, struct work *w);
/* As many threads as there is ready work. False as above. */
bool crew_grow(struct crew *c);
/* Takes work out of it. Returns the state that it was in: READY (it will not run), RUNNING (it is ABANDONED
 * now, and comes back when its call ever returns) or RETURNED (unchanged: it comes back in a moment). */
enum work_state crew_withdraw(struct crew *c, struct work *w);
/* Work that came back, RETURNED or ABANDONED, or NULL. */
struct work *crew_take(struct crew *c);
/* Blocks until some work came back or until_ns (uv_hrtime) has passed: false then. */
bool crew_wait(struct crew *c, uint64_t until_ns);
/* Threads alive, those in abandoned calls included. */
unsigned crew_threads(struct crew *c);
/* Waits for all threads but those in abandoned calls, which go their own way: what they work on is never
 * taken again. No work may be ready or running. `back` is not used afterwards. */
void crew_stop(struct crew *c);
/* After crew_stop. The last thread takes the memory with it. */
void crew_destroy(struct crew *c);

#endif
