/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/expect.h"

#include "base/util.h"
#include "domain/flavor.h"
#include "flow/internal.h"
#include "placement/placement.h"
#include "store/server_mix.h"

enum {
	KINDS = 256, /* the most frequent; the engine makes few of them that stand for all */
	ENOUGH = 50, /* servers with GPUs: fewer say nothing */
	EVERY_S = 3600,
	DAYS = 14
};

/* False: it wants no GPU, or is of a kind that is no longer understood. */
static bool to_request(struct arena *a, const struct server_mix_row *row, struct placement_request *out)
{
	struct flavor_wants *wants = ARENA_NEW(a, struct flavor_wants);
	struct error ignored;

	if (capacity_wants(row->extra_specs, wants, &ignored))
		return false;
	capacity_request(a, wants, row->vcpus, row->ram_mib, 0, out);
	return out->gpus_n > 0;
}

int flow_expect(struct flow_engine *e, struct db *db, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e), day_us = INT64_C(86400) * 1000000;
	struct placement_request *requests;
	struct server_mix_row *rows;
	uint64_t placed = 0, released = 0;
	uint32_t *weights;
	size_t rows_n, n = 0;

	if (e->expect_us && now_us - e->expect_us < (int64_t)EVERY_S * 1000000)
		return 0;
	if (store_server_mix(db, &a, now_us - DAYS * day_us, KINDS, &rows, &rows_n, err) < 0)
		return -1;
	e->expect_us = now_us;
	requests = ARENA_ARRAY(&a, struct placement_request, rows_n + 1);
	weights = ARENA_ARRAY(&a, uint32_t, rows_n + 1);
	for (size_t i = 0; i < rows_n; i++) {
		if (!to_request(&a, &rows[i], &requests[n]))
			continue;
		weights[n++] = (uint32_t)rows[i].made;
		placed += (uint64_t)rows[i].made;
		released += (uint64_t)rows[i].gone;
	}
	e->churning = placement_churns(placed, released, e->churning);
	placement_mix_set(e->placement, requests, weights, placed < ENOUGH ? 0 : n, e->churning);
	return 0;
}
