/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/rebalance.h"

#include "base/util.h"
#include "flow/claims.h"
#include "flow/server_groups.h"
#include "store/servers.h"

int flow_flavor_request(struct db *db, struct arena *a, const struct flavor_wants *wants, int64_t vcpus,
	int64_t ram_mib, int64_t disk_gib, struct placement_request *out, struct error *err)
{
	const struct server_rules none = { 0 };

	capacity_request(a, wants, vcpus, ram_mib, disk_gib, out);
	return server_rules_fill(db, a, &none, wants, 0, out, err);
}

struct movers {
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
};

/* The allocation's key is the server's where it lives; what a move holds has another. */
static bool load(const struct movers *m, int64_t id, struct server *s, struct allocation_row *held)
{
	struct error ignored;

	return store_allocation_get(m->db, m->a, id, held, &ignored) == 1 && held->server_id == id &&
	       store_server_load(m->db, m->a, id, s, &ignored) == 0;
}

static bool may_move(void *ctx, int64_t server_id)
{
	const struct movers *m = ctx;
	struct allocation_row held;
	struct server s;

	return load(m, server_id, &s, &held) && s.vm_state == VM_ACTIVE && s.task_state == TASK_NONE &&
	       !s.locked && claim_is_plain(&held) && !held.devices_n;
}

static int request_of(void *ctx, int64_t server_id, struct placement_request *out)
{
	const struct movers *m = ctx;
	struct flavor_wants *wants = ARENA_NEW(m->a, struct flavor_wants);
	struct allocation_row held;
	struct error ignored;
	struct server s;

	if (!load(m, server_id, &s, &held) || capacity_wants(s.extra_specs, wants, &ignored) < 0)
		return -1;
	capacity_request(m->a, wants, held.vcpus, held.ram_mib, held.disk_gib, out);
	str_copy(out->zone, sizeof out->zone, s.zone);
	return server_rules_request(m->db, m->a, server_id, wants, out, &ignored);
}

size_t flow_rebalance(struct flow_engine *e, struct db *db, struct arena *a,
	const struct placement_request *req, size_t count, struct placement_move *moves, size_t max,
	size_t *out_n)
{
	struct movers m = { e, db, a };
	const struct placement_movers movers = { { may_move, &m }, request_of, &m };

	return placement_rebalance(e->placement, req, count, &movers, moves, max, out_n);
}
