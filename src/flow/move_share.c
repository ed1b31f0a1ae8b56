/* SPDX-License-Identifier: Apache-2.0 */
/* One host, two flavors: while a server changes its flavor where it is, two allocations hold together the
 * larger of both. What floats and the disks are counted once, as far as both have it; whole GPUs that both
 * have are held by the home. Cells, CPUs, huge pages and parts are each flavor's own. */
#include <string.h>

#include "base/util.h"
#include "flow/claims.h"
#include "flow/move.h"
#include "store/devices.h"

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static const struct allocation_device *device_in(const struct allocation_device *list, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

/* Leaves to a full row what it takes beside the other, which is held in full. */
static void beside(struct arena *a, struct allocation_row *row, const struct allocation_row *held)
{
	int64_t vcpus = min64(row->float_vcpus, held->float_vcpus),
		ram = row->cells_n || held->cells_n ? 0 : min64(row->float_ram_mib, held->float_ram_mib);
	struct allocation_device *own = ARENA_ARRAY(a, struct allocation_device, row->devices_n + 1),
				 *also = ARENA_ARRAY(a, struct allocation_device, row->devices_n + 1);
	size_t own_n = 0, also_n = 0;

	row->vcpus -= vcpus;
	row->float_vcpus -= vcpus;
	row->ram_mib -= ram;
	row->float_ram_mib -= ram;
	row->disk_gib = max64(0, row->disk_gib - held->disk_gib);
	for (size_t i = 0; i < row->devices_n; i++)
		if (device_in(held->devices, held->devices_n, row->devices[i].id))
			also[also_n++] = row->devices[i];
		else
			own[own_n++] = row->devices[i];
	row->devices = own;
	row->devices_n = own_n;
	row->also = also;
	row->also_n = also_n;
}

/* The other way: what it is in full, by its flavor, of what it has and what the other holds for it. */
static void in_full(struct arena *a, struct allocation_row *row, const struct move_flavor *flavor,
	const struct allocation_row *held)
{
	struct allocation_device *all =
		ARENA_ARRAY(a, struct allocation_device, row->devices_n + row->also_n + 1);
	size_t n = row->devices_n;

	if (n)
		memcpy(all, row->devices, n * sizeof *all);
	for (size_t i = 0; i < row->also_n; i++)
		if (device_in(held->devices, held->devices_n, row->also[i].id))
			all[n++] = row->also[i];
	row->devices = all;
	row->devices_n = n;
	row->also_n = 0;
	row->vcpus = flavor->vcpus;
	row->ram_mib = flavor->ram_mib;
	claim_floats(row);
}

static int64_t blanks(const struct move_flavor *f)
{
	return server_blanks_gib(
		&(struct server) { .ephemeral_gib = f->ephemeral_gib, .swap_mib = f->swap_mib });
}

void move_share(struct arena *a, const struct move_flavor *was, const struct move_flavor *is,
	struct allocation_row *home, struct allocation_row *other)
{
	struct allocation_row now = *other, before = *home;
	int64_t all = home->disk_gib + other->disk_gib, root = home->disk_gib - was->disk_gib - blanks(was);

	in_full(a, &now, is, home);
	/* a flavor without a disk takes its image's size, which the other flavor does not know */
	if (is->disk_gib || root > 0)
		now.disk_gib = is->disk_gib + blanks(is) + (is->disk_gib ? 0 : root);
	else
		now.disk_gib = all;
	before.disk_gib = all;
	beside(a, &before, &now);
	now.id = home->id;
	before.id = other->id;
	*home = now;
	*other = before;
}

/* ---- the request ---- */

static const struct device_row *device_row_of(const struct device_row *rows, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].id == id)
			return &rows[i];
	return NULL;
}

static bool sound(const struct device_row *d)
{
	return d && d->present && strcmp(d->health, "ok") == 0 && strcmp(d->custody, "clean") == 0;
}

/* Rather a GPU that it has than another one like it. */
static int keep_devices(struct db *db, struct arena *a, const struct allocation_row *held,
	struct allocation_row *row, struct error *err)
{
	struct allocation_device *devices = ARENA_ARRAY(a, struct allocation_device, row->devices_n + 1);
	struct device_row *known;
	size_t n;

	if (!row->devices_n || !held->devices_n)
		return 0;
	if (store_device_list(db, a, held->host_id, &known, &n, err))
		return -1;
	for (size_t i = 0; i < row->devices_n; i++)
		devices[i] = row->devices[i];
	for (size_t i = 0; i < row->devices_n; i++) {
		const struct device_row *chosen = device_row_of(known, n, devices[i].id);

		for (size_t k = 0; k < held->devices_n && chosen; k++) {
			const struct device_row *own = device_row_of(known, n, held->devices[k].id);

			if (device_in(held->devices, held->devices_n, devices[i].id) ||
				device_in(devices, row->devices_n, held->devices[k].id) || !sound(own) ||
				strcmp(own->model, chosen->model) != 0)
				continue;
			devices[i].id = own->id;
			break;
		}
	}
	row->devices = devices;
	return 0;
}

/* Nothing that is tied to a place within the host is asked for. */
static bool asks_plain(const struct placement_request *req)
{
	for (size_t i = 0; i < req->gpus_n; i++)
		if (req->gpus[i].profile[0] || (req->gpus[i].share && req->gpus[i].share != PLACEMENT_SHARE))
			return false;
	return !req->cells_n && !req->dedicated && !req->page_kib;
}

/* Whole GPUs count once for both in any case; what floats does when that is all there is. */
int move_choose_beside(struct flow_engine *e, struct db *db, const struct decision_asked *who,
	const struct allocation_row *held, const struct placement_request *req, struct placement_choice *out,
	struct error *err)
{
	struct decision_asked asked = *who;
	struct allocation_row rest = *held;
	struct placement_choice choice;
	struct placement_request kept;

	asked.beside.id = held->id;
	if (!claim_is_plain(held) || !asks_plain(req)) {
		rest.devices_n = 0;
		claim_held(&rest, &kept, &choice);
		asked.beside.held = &kept;
		asked.beside.choice = &choice;
	}
	return decision_choose(e, db, &asked, req, 1, out, err);
}

int move_take_beside(struct flow_engine *e, struct db *db, struct arena *a, int64_t id,
	const struct allocation_row *held, const struct placement_request *req,
	const struct placement_choice *c, struct error *err)
{
	struct allocation_row row;

	claim_row(a, e->placement, e->cfg.loop->rng, req, c, &row);
	row.id = id;
	row.server_id = held->server_id;
	if (asks_plain(req) && req->link == PLACEMENT_WHATEVER && keep_devices(db, a, held, &row, err))
		return -1;
	beside(a, &row, held);
	return claim_take_row(e, db, a, &row, err);
}
