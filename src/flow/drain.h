/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that are being emptied: their servers are moved elsewhere, a few at a time, until none is left that
 *can move. All of it is rows, so that a restart changes nothing; who sets out next is decided when a flow has
 * ended, a host came, room was given back, or a time is due.
 *
 *	waiting --its turn--> moving --it lives elsewhere--> moved
 *	   ^ +--it cannot--> stays        |
 *	   +------ back-off, elsewhere ---+--too often--> stays
 */
#ifndef FLOW_DRAIN_H
#define FLOW_DRAIN_H

#include "flow/flow.h"
#include "store/drains.h"

enum { DRAIN_PARALLEL = 2, DRAIN_PARALLEL_MAX = 64, MOVES_PER_TARGET = 2, MOVES_AT_ONCE = 16 };

struct drain_want {
	int64_t parallel; /* moves at once; 0: as before, or DRAIN_PARALLEL */
	bool cold;        /* what cannot move live is stopped, moved and started again */
	const char *reason, *request_id;
	int64_t now_us;
};

/* --- inside a unit --- */

/* The host gets no new servers, and those on it leave; one that was stopped or is over begins again with
 * those that are left. */
int flow_host_drain(struct flow_engine *e, struct db *db, int64_t host_id, const struct drain_want *want,
	struct error *err);
/* No more set out; who is under way arrives. ERR_CONFLICT: it is not being emptied. */
int flow_host_drain_stop(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* The host is in use again: nothing of it is kept. */
int drain_end(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* Brings a drain up to date. */
struct drain_work;
int drain_bring_up(struct drain_work *w, struct drain *d, struct error *err);

struct drain_work { /* of one unit */
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	int64_t now_us;
	bool room;     /* some was given back since the last time */
	unsigned left; /* tries to begin a move that this unit still makes */
	int64_t moves; /* under way in all of the cloud */
	struct drain_target *targets;
	size_t targets_n;
};

/* --- any time on the loop --- */

/* Something happened that a drain may wait for: looked at when the unit is on disk. */
void drain_changed(struct flow_engine *e);
/* A host has room again. */
void drain_room(struct flow_engine *e);
void drain_look(struct flow_engine *e);

#endif
