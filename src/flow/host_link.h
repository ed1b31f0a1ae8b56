/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to hosts, one link a host with two lanes; each lane has a connection of its own (the bulk
 *lane's is opened when it is first needed).
 *
 *	WAITING --timer, gate--> CONNECTING --inventory and domains read and written--> CONNECTED
 *	   ^                        |                                                      |
 *	   +------- back-off -------+------------- closed, lost, given up -----------------+
 */
#ifndef FLOW_HOST_LINK_H
#define FLOW_HOST_LINK_H

#include <stdatomic.h>

#include "base/fair.h"
#include "domain/server_state.h"
#include "hv/hv.h"
#include "loop/lane.h"

struct flow_engine;
struct flow;
struct host_row;
struct link;
struct link_conn;
struct link_slot;

enum link_lane { LINK_NONE = -1, LINK_OPS, LINK_BULK, LINK_LANES };

/* A call to a host, embedded in a heap object of the caller's. */
struct host_call {
	/* On a lane: 0 or more, or -1 with err. */
	int (*run)(struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
	/* On the loop, once. err NULL: run returned rc. Else what went wrong; with ERR_TIMEOUT and
	 * ERR_UNREACHABLE it may still be running, and the object is not the caller's to touch before
	 * destroy. */
	void (*done)(struct host_call *c, int rc, const struct error *err);
	/* On the loop, once, after done, when no thread uses it. */
	void (*destroy)(struct host_call *c);
	unsigned timeout_ms;
	uint64_t owner; /* owners take turns at the host (base/fair.h); 0: the house itself */
	/* Set when nobody waits for it any more: `run` must not begin another call to the host. */
	atomic_bool abandoned;
	/* private to link_call.c */
	struct work work;
	struct link_slot *slot;
	struct link_conn *conn;
	struct fair_item turn;
	int rc;
	struct error err;
};

void links_create(struct flow_engine *e);
void links_start(struct flow_engine *e);
/* Closes what is connected. Calls under way are given up. */
void links_destroy(struct flow_engine *e);

/* A link for the host's row, made or changed (then it connects anew where it must). Starts at once in a
 * started engine. */
void link_set_host(struct flow_engine *e, const struct host_row *h);
void link_remove(struct flow_engine *e, int64_t host_id);
struct link *link_find(const struct flow_engine *e, int64_t host_id);

bool link_connected(const struct link *l);
/* Placement was told that it is up; link_telling: it is being told right now. */
bool link_placed(const struct link *l);
bool link_telling(const struct link *l);
int64_t link_epoch(const struct link *l);
const char *link_zone(const struct link *l);
/* Where another host finds it; strings in the arena. */
struct hv_target link_target(const struct link *l, struct arena *a);
const char *link_error(const struct link *l); /* "" none */
/* Runs the call on the host's lane; false when the link is not connected: nothing is called then. */
bool link_call(struct link *l, enum link_lane lane, struct host_call *c);
/* Flows that wait for the host: parked in this list, woken when it connects. */
struct flow **link_parked(struct link *l);
/* Whose list it is. */
int64_t link_parked_host(struct flow **list);
/* First those that clear away what servers left there. */
void link_wake_parked(struct link *l);
/* Looks the host over soon. inventory: its inventory too. */
void link_look_over(struct link *l, bool inventory);
/* Takes away a domain of ours whose server is deleted, and its disks: a call that was given up came through
 * late. */
void link_clear(struct link *l, const char *uuid);
/* Looks at one domain: the row and what was heard of it disagree. */
void link_look_at(struct link *l, const char *uuid);

/* --- observe.c: what was seen, and what follows of it --- */

struct host_look { /* a look over a host: made on a lane, judged on the loop */
	int64_t host_id, started_us, epoch;
	bool has_inventory;
	bool up;     /* placement may take the host for connected, */
	bool placed; /* and does so already, or it does not and may not */
	struct arena arena;
	struct hv_inventory inventory;
	struct hv_seen *seen; /* sorted by uuid */
	size_t seen_n;
	const char *one; /* only this domain was looked at; NULL: all */
};
struct db;
/* Does it say anything that the rows do not? 1, 0 or -1. */
int observe_differs(struct flow_engine *e, struct db *ro, const struct host_look *look, struct error *err);
/* Brings the rows in line (inside a unit): what was seen is written, what follows of it done. */
int observe_apply(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err);
int inventory_apply(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err);
/* Is the machine that answered the one of the host's row, and no other row's? ERR_CONFLICT with what to do.
 */
int inventory_machine(struct db *ro, const struct host_look *look, struct error *err);
void observe_sort(struct host_look *look);
/* The server's domain in a sorted look; NULL: none that is ours. */
const struct hv_seen *observe_find(const struct host_look *look, const char *uid);
/* Does the server's state follow what was seen? */
bool observe_follows(enum vm_state from, enum hv_power seen);
/* Domains that carry our mark and whose servers are deleted are cleared away (on the loop). How many of
 * servers that do not live there were found. */
size_t observe_orphans(struct flow_engine *e, const struct host_look *look);
/* Inside a unit: something that was left on a host is cleared away. One that was down is looked over after
 * the last. */
int evidence_left(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* An event of a host's: true when a look at the domain is due. */
bool observe_event(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen);

#endif
