/* SPDX-License-Identifier: Apache-2.0 */
/* A cloud that is only simulated: the engine itself, a clock that is told, servers that wait for room, and
 * what is counted meanwhile. */
#ifndef CLOUDCTL_SIMULATE_H
#define CLOUDCTL_SIMULATE_H

#include <jansson.h>

#include "placement/placement.h"

enum { SIM_REASONS = 24, SIM_REASON = 64 };

struct sim_waiter {
	int64_t id, since, until, life; /* microseconds */
	struct placement_request request;
};

struct sim {
	struct placement *p;
	int64_t now, begun; /* microseconds; begun -1: no clock yet */
	int64_t wait;       /* how long a server waits for room; 0: it is refused at once */
	int64_t asked, placed, refused, refused_gpu, waiting_most;
	int64_t gpus, gpus_used, vcpus, vcpus_used; /* gpus in thousandths */
	double gpus_time, vcpus_time, time;         /* shares in use, times how long */
	double gpus_sum, vcpus_sum, steps;          /* the same, each step alike */
	struct {
		char text[SIM_REASON];
		int64_t n;
	} reasons[SIM_REASONS];
	struct sim_waiter *waiters; /* first come first */
	size_t waiters_n, waiters_cap;
	int64_t *waits; /* of the placed, in microseconds */
	size_t waits_n, waits_cap;
	struct sim_leaving { /* a heap: the first is who leaves first */
		int64_t due, id;
	} * leaving;
	size_t leaving_n, leaving_cap;
	struct placement_choice choice; /* the last */
};

void sim_open(struct sim *s, enum placement_order order);
void sim_close(struct sim *s);
/* Moves the clock: who is due leaves, and who has waited too long is refused. */
void sim_at(struct sim *s, int64_t us);
/* Adds what a host has to the sums (sign 1), or takes it out. */
void sim_count_host(struct sim *s, const struct placement_host *h, int sign);
/* Asks for a place for one server: takes it, or lets it wait, or refuses it. life: how long it stays, -1:
 * until it is released. True: it is in s->choice. */
bool sim_ask(struct sim *s, int64_t id, const struct placement_request *req, int64_t life);
/* As it was chosen elsewhere. False: it does not fit. */
bool sim_take(struct sim *s, int64_t id, const struct placement_request *req,
	const struct placement_choice *choice, bool force);
/* It found a place after so long; or it waits, or is refused for a reason as placement gives it. */
void sim_placed(struct sim *s, int64_t wait_us);
void sim_missed(
	struct sim *s, int64_t id, const struct placement_request *req, int64_t life, const char *why);
/* False: it was not there; if it waited, it does no more. */
bool sim_give_back(struct sim *s, int64_t id);
/* All refused of the waiting; the sums as an object. */
json_t *sim_report(struct sim *s);

bool sim_order(const char *name, enum placement_order *out); /* "mix"; NULL: that, too */

#endif
