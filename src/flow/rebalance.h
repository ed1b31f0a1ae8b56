/* SPDX-License-Identifier: Apache-2.0 */
/* Room for servers of a flavor: what they ask for, and which others would have to move for them. */
#ifndef FLOW_REBALANCE_H
#define FLOW_REBALANCE_H

#include "domain/flavor.h"
#include "flow/flow.h"
#include "placement/placement.h"

/* What a new server with such wants asks of placement, without a group, hints or a zone. Points into wants.
 */
int flow_flavor_request(struct db *db, struct arena *a, const struct flavor_wants *wants, int64_t vcpus,
	int64_t ram_mib, int64_t disk_gib, struct placement_request *out, struct error *err);
struct rebalance_plan {
	size_t count, moves_max;      /* of what is wished */
	size_t won;                   /* so many more fit then */
	struct placement_move *moves; /* in the arena */
	size_t moves_n;
};
/* Live moves after which up to count more servers of the request fit, inside a unit; changes nothing. Only
 * servers that run, are not locked, have no task and nothing of their host but floating amounts move. */
int flow_rebalance(struct flow_engine *e, struct db *db, struct arena *a, const struct placement_request *req,
	struct rebalance_plan *plan, struct error *err);

#endif
