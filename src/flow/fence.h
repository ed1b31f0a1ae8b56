/* SPDX-License-Identifier: Apache-2.0 */
/* The power of hosts, read and changed from outside by their fence agents, and what follows of what was read.
 * Each attempt is a row, so that one that a restart cuts off goes on: it begins by reading. */
#ifndef FLOW_FENCE_H
#define FLOW_FENCE_H

#include "flow/server.h"
#include "store/fences.h"

/* --- for the operator's API, inside a unit --- */

struct host_row;
struct fence_agent_want {
	const char *kind, *target, *user, *password, *ca; /* not NULL; "" none */
};
/* ERR_BAD_REQUEST. The password is sealed with a key that is not in the database. */
int flow_fence_agent_set(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct fence_agent_want *want, struct error *err);

struct fence_want {
	const char *verb; /* off, on, status */
	const char *by, *reason, *request_id;
	int64_t deadline_s; /* 0: as it is configured */
	bool force;         /* off, though the host can be heard */
	bool evacuate;      /* its servers are made anew elsewhere when it is off */
};
/* ERR_CONFLICT: it has no agent, one is at work, or the host can be heard. */
int flow_fence_begin(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct fence_want *want, int64_t *out_id, struct error *err);

/* Evacuates what can be made anew, a few servers at a time; what cannot is noted with why. ERR_CONFLICT: it
 * is not proved that the host is down. */
int flow_host_evacuate(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct flow_origin *origin, const char *by, struct error *err);
/* No more servers set out. */
int flow_host_evacuate_stop(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);

/* --- for the engine, on the loop --- */

void fences_create(struct flow_engine *e);
/* Before links begin. */
void fences_start(struct flow_engine *e);
void fences_stop(struct flow_engine *e);
void fences_destroy(struct flow_engine *e);

struct link;
/* Of one that is silent: is it time, and allowed, to fence it without being asked? */
void fence_by_itself(struct flow_engine *e, struct link *l, int64_t silent_us);

void evacuations_start(struct flow_engine *e);
void evacuations_destroy(struct flow_engine *e);
/* Something may have become possible. */
void evacuations_look(struct flow_engine *e);

#endif
