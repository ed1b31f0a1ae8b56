/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that make way for others, with notice, and those who wait for their room: in rows, so that nothing
 * is lost with the process. All run inside a unit.
 *
 *	notice --leave_us--> made to leave: shelved; deleted where that cannot be --> its host is given back
 *	a waiter --the last of its host's has left--> placed there --deadline--> elsewhere, or no valid host
 */
#ifndef FLOW_PREEMPT_H
#define FLOW_PREEMPT_H

#include "flow/internal.h"
#include "flow/server.h"
#include "store/evictions.h"

/* ---- preempt.c: those who leave ---- */

enum { PREEMPT_MAX = 64 }; /* servers that leave one host for one other */

struct preempt_plan { /* of one host; n 0: there is room as it is */
	struct placement_choice choice;
	int64_t leavers[PREEMPT_MAX];
	size_t n;
};

struct preempt_for { /* one of them is 0; both: its host is being emptied */
	int64_t server_id, block_id;
};
/* Tells a server on that host that it has to leave by then. One that has to already leaves by the earlier
 * time, for the server that asks last. */
int preempt_notice(struct flow_engine *e, struct db *db, int64_t server_id, int64_t host_id,
	struct preempt_for who, int64_t leave_us, const char *request_id, struct error *err);
/* Those who have not been made to leave yet stay. */
int preempt_withdraw(struct flow_engine *e, struct db *db, struct preempt_for who, struct error *err);
/* Its host is not being emptied any more: nor are those who left for nobody else. */
int preempt_undrain(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* The server has left its host, whatever the reason. */
int preempt_left(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err);
/* It could not be made to: tried again later. */
int preempt_stayed(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err);
/* Is it being made to leave? Then it is kept whatever its project's limits say. 1, 0, -1. */
int preempt_begun(struct db *db, int64_t server_id, struct error *err);
/* Those whose time has come. */
int preempt_due(struct flow_engine *e, struct db *db, int64_t now_us, struct error *err);

/* ---- waiters.c: those who wait ---- */

struct waiter_wish { /* what a server waits for */
	const struct placement_request *req;
	const struct preempt_plan *plan;
	int64_t action_id;  /* in its log, open */
	const char *resize; /* the request, as JSON; NULL: it is none */
};
/* The server, whose row is written, waits for those of the plan. */
int waiter_begin(struct flow_engine *e, struct db *db, const struct server *s, const struct waiter_wish *wish,
	const struct flow_origin *origin, struct error *err);
/* It is being deleted: it waits no more. */
int waiter_gone(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err);
/* Something of the host was given back: who waits for it is placed, when nobody is left to leave. */
int waiter_room(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* Those who have waited long enough. */
int waiters_due(struct flow_engine *e, struct db *db, int64_t now_us, struct error *err);
/* The hosts that are kept for them, told to placement. */
int waiters_hold(struct db *db, struct placement *p, struct error *err);

#endif
