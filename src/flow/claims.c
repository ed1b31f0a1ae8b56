/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/claims.h"

#include "base/util.h"
#include "flow/custody.h"

/* ---- to rows ---- */

static bool is_whole(const struct placement_gpu_choice *g)
{
	return g->start < 0 && !g->profile[0] && (g->share == 0 || g->share == PLACEMENT_SHARE);
}

static struct allocation_part part_of(struct arena *a, const struct placement *p, const struct rng *rng,
	int64_t host_id, const struct placement_gpu_choice *g)
{
	char *uid = arena_alloc(a, UUID_TEXT);

	uuid_make(rng, uid);
	return (struct allocation_part) {
		.device_id = g->id,
		.uid = uid,
		.profile = arena_strdup(a, g->profile),
		.start = g->start,
		.slots = g->start < 0 ? 0 : placement_profile_slots(p, host_id, g->id, g->profile),
		.share = g->share,
		.guest_cell = g->guest_cell,
	};
}

static void gpus_row(struct arena *a, const struct placement *p, const struct rng *rng,
	const struct placement_choice *c, struct allocation_row *out)
{
	struct allocation_device *devices = ARENA_ARRAY(a, struct allocation_device, c->gpus_n + 1);
	struct allocation_part *parts = ARENA_ARRAY(a, struct allocation_part, c->gpus_n + 1);

	for (size_t i = 0; i < c->gpus_n; i++)
		if (is_whole(&c->gpus[i]))
			devices[out->devices_n++] =
				(struct allocation_device) { c->gpus[i].id, c->gpus[i].guest_cell };
		else
			parts[out->parts_n++] = part_of(a, p, rng, c->host_id, &c->gpus[i]);
	out->devices = devices;
	out->parts = parts;
}

static void cells_row(struct arena *a, const struct placement_choice *c, struct allocation_row *out)
{
	struct allocation_cell *cells = ARENA_ARRAY(a, struct allocation_cell, c->cells_n + 1);

	for (size_t i = 0; i < c->cells_n; i++)
		cells[i] = (struct allocation_cell) { c->cells[i].cell, c->cells[i].vcpus,
			c->cells[i].ram_mib, c->cells[i].page_kib ? c->cells[i].page_kib : PAGE_4K };
	out->cells = cells;
	out->cells_n = c->cells_n;
}

void claim_floats(struct allocation_row *row)
{
	row->float_vcpus = row->cpus_n ? 0 : row->vcpus;
	row->float_ram_mib = row->ram_mib;
	for (size_t i = 0; i < row->cells_n; i++)
		if (row->cells[i].page_kib != PAGE_4K)
			row->float_ram_mib -= row->cells[i].ram_mib;
	if (row->float_ram_mib < 0)
		row->float_ram_mib = 0;
}

void claim_row(struct arena *a, const struct placement *p, const struct rng *rng,
	const struct placement_request *req, const struct placement_choice *c, struct allocation_row *out)
{
	*out = (struct allocation_row) {
		.host_id = c->host_id,
		.vcpus = req->vcpus,
		.ram_mib = req->ram_mib,
		.disk_gib = req->disk_gib,
		.exclusive = req->exclusive,
		.preemptible = req->preemptible,
		.block_id = req->reservation,
		.cpus = c->cpus_n ? arena_copy(a, c->cpus, c->cpus_n * sizeof *c->cpus) : NULL,
		.cpus_n = c->cpus_n,
		.cpus_isolated = c->cpus_isolated,
	};
	gpus_row(a, p, rng, c, out);
	cells_row(a, c, out);
	claim_floats(out);
}

/* ---- from rows ---- */

static void part_held(const struct allocation_part *p, struct placement_gpu_choice *out)
{
	*out = (struct placement_gpu_choice) {
		.id = p->device_id,
		.start = (int16_t)p->start,
		.share = (int16_t)p->share,
		.guest_cell = (int8_t)p->guest_cell,
	};
	str_copy(out->profile, sizeof out->profile, p->profile);
}

void claim_held(const struct allocation_row *row, struct placement_request *req, struct placement_choice *out)
{
	*req = (struct placement_request) {
		.vcpus = row->vcpus,
		.ram_mib = row->ram_mib,
		.disk_gib = row->disk_gib,
		.exclusive = row->exclusive,
		.preemptible = row->preemptible,
		.reservation = row->block_id,
	};
	/* it is large: of its arrays only what counts is written */
	out->host_id = row->host_id;
	out->gpus_n = out->cells_n = out->cpus_n = 0;
	out->idle_n = 0;
	out->cpus_isolated = row->cpus_isolated;
	for (size_t i = 0; i < row->devices_n && out->gpus_n < PLACEMENT_GPUS_MAX; i++)
		out->gpus[out->gpus_n++] = (struct placement_gpu_choice) { .id = row->devices[i].id,
			.start = -1,
			.share = PLACEMENT_SHARE,
			.guest_cell = (int8_t)row->devices[i].guest_cell };
	for (size_t i = 0; i < row->parts_n && out->gpus_n < PLACEMENT_GPUS_MAX; i++)
		part_held(&row->parts[i], &out->gpus[out->gpus_n++]);
	for (size_t i = 0; i < row->cells_n && i < PLACEMENT_GUEST_CELLS_MAX; i++)
		out->cells[out->cells_n++] = (struct placement_cell_choice) { (int)row->cells[i].cell,
			(int)row->cells[i].vcpus, row->cells[i].ram_mib, (int)row->cells[i].page_kib };
	for (size_t i = 0; i < row->cpus_n && i < PLACEMENT_PINS_MAX; i++)
		out->cpus[out->cpus_n++] = row->cpus[i];
	for (size_t i = 0; i < row->idle_n && i < PLACEMENT_PINS_MAX; i++)
		out->idle[out->idle_n++] = row->idle[i];
}

bool claim_is_plain(const struct allocation_row *row)
{
	return !row->cells_n && !row->cpus_n && !row->parts_n;
}

/* ---- both ---- */

int claim_take(struct flow_engine *e, struct db *db, struct arena *a, int64_t id, int64_t server_id,
	const struct placement_request *req, const struct placement_choice *c, struct error *err)
{
	struct allocation_row row;

	claim_row(a, e->placement, e->cfg.loop->rng, req, c, &row);
	row.id = id;
	row.server_id = server_id;
	if (placement_take(e->placement, id, req, c, false, err) || store_allocation_insert(db, &row, err))
		return error_wrap(err, "placement");
	return 0;
}

int claim_take_row(struct flow_engine *e, struct db *db, struct arena *a, const struct allocation_row *row,
	struct error *err)
{
	struct allocation_row written;
	struct placement_request req;
	struct placement_choice c;

	/* as it was written: with the threads that stay idle */
	if (store_allocation_insert(db, row, err) || store_allocation_get(db, a, row->id, &written, err) < 0)
		return error_wrap(err, "placement");
	claim_held(&written, &req, &c);
	return placement_take(e->placement, row->id, &req, &c, true, err);
}

int claim_reset(struct flow_engine *e, struct db *db, int64_t id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct custody_held *held;
	struct allocation_row row;
	const struct link *l;
	size_t n;
	int rc = store_allocation_get(db, &a, id, &row, err);

	if (rc <= 0 || (!row.devices_n && !row.parts_n))
		return rc < 0 ? -1 : 0;
	if (store_custody_held(db, &a, id, &held, &n, err) ||
		(e->cfg.gpu_reset != GPU_RESET_OFF && store_custody_parts(db, id, now_us, err)))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (custody_given_back(e, db, &held[i], now_us, err))
			return -1;
	l = link_find(e, row.host_id);
	return n ? capacity_host_set(e, db, row.host_id, l && link_placed(l), err) : 0;
}
