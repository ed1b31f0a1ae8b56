/* SPDX-License-Identifier: Apache-2.0 */
/* What beside its size decides on which hosts a server may be: its group, the hints that it was made with,
 * and what its flavor wants of aggregates. */
#ifndef FLOW_SERVER_GROUPS_H
#define FLOW_SERVER_GROUPS_H

#include "domain/flavor.h"
#include "placement/placement.h"
#include "store/server_groups.h"

struct server_rules {
	int64_t group_id; /* 0: none */
	const struct server_hint *hints;
	size_t hints_n;
};

/* Fills in policy, members, avoid, within, eligible and exclusive; avoid and within that are set already stay
 * in force. server_id: the server itself, which is not in its own way; 0: a new one. Arrays are in the arena.
 */
int server_rules_fill(struct db *db, struct arena *a, const struct server_rules *rules,
	const struct flavor_wants *wants, int64_t server_id, struct placement_request *req,
	struct error *err);
/* Narrows `within` to the zones that the project's guardrails allow, for one that goes where it never was. */
int server_rules_zones(
	struct db *db, struct arena *a, int64_t project_id, struct placement_request *req, struct error *err);
/* The same for a server that is there, which looks for another host. wants: of the flavor that it shall have.
 */
int server_rules_request(struct db *db, struct arena *a, int64_t server_id, const struct flavor_wants *wants,
	struct placement_request *req, struct error *err);

#endif
