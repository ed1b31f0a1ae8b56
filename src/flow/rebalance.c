/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/rebalance.h"

#include <stdlib.h>

#include "base/util.h"
#include "flow/claims.h"
#include "flow/server_groups.h"
#include "store/operator_reads.h"
#include "store/servers.h"

int flow_flavor_request(struct db *db, struct arena *a, const struct flavor_wants *wants, int64_t vcpus,
	int64_t ram_mib, int64_t disk_gib, struct placement_request *out, struct error *err)
{
	const struct server_rules none = { 0 };

	capacity_request(a, wants, vcpus, ram_mib, disk_gib, out);
	return server_rules_fill(db, a, &none, wants, 0, out, err);
}

struct movers {
	struct db *db;
	struct arena *a;
	int64_t *ids; /* who may move, in order: placement asks for all again for each host that it wins */
	size_t n;
};

static int by_id(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool may_move(void *ctx, int64_t server_id)
{
	const struct movers *m = ctx;

	return m->n && bsearch(&server_id, m->ids, m->n, sizeof server_id, by_id);
}

static int request_of(void *ctx, int64_t server_id, struct placement_request *out)
{
	const struct movers *m = ctx;
	struct flavor_wants *wants = ARENA_NEW(m->a, struct flavor_wants);
	struct allocation_row held;
	struct error ignored;
	struct server s;

	if (store_allocation_get(m->db, m->a, server_id, &held, &ignored) != 1 ||
		store_server_load(m->db, m->a, server_id, &s, &ignored) ||
		capacity_wants(s.extra_specs, wants, &ignored) < 0)
		return -1;
	capacity_request(m->a, wants, held.vcpus, held.ram_mib, held.disk_gib, out);
	str_copy(out->zone, sizeof out->zone, s.zone);
	return server_rules_request(m->db, m->a, server_id, wants, out, &ignored);
}

int flow_rebalance(struct flow_engine *e, struct db *db, struct arena *a, const struct placement_request *req,
	struct rebalance_plan *plan, struct error *err)
{
	struct movers m = { .db = db, .a = a };
	const struct placement_movers movers = { { may_move, &m }, request_of, &m };

	if (store_server_movable(db, a, &m.ids, &m.n, err) < 0)
		return -1;
	plan->moves = ARENA_ARRAY(a, struct placement_move, plan->moves_max);
	plan->won = placement_rebalance(
		e->placement, req, plan->count, &movers, plan->moves, plan->moves_max, &plan->moves_n);
	return 0;
}
