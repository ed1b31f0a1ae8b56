/* SPDX-License-Identifier: Apache-2.0 */
/* What a host says that it has, into the rows: only what differs is written, and placement told of it. */
#include <string.h>

#include "base/util.h"
#include "domain/gpu_products.h"
#include "flow/custody.h"
#include "store/hosts.h"

/* The operator's name for it, else that of the product. */
static const char *model_of(
	const struct flow_engine *e, const struct hv_device *d, const struct gpu_product *product)
{
	for (size_t i = 0; i < e->cfg.gpu_models_n; i++)
		if (e->cfg.gpu_models[i].vendor_id == d->vendor_id &&
			e->cfg.gpu_models[i].product_id == d->product_id)
			return e->cfg.gpu_models[i].name;
	return product ? product->model : "";
}

static const char *text(const char *s)
{
	return s ? s : "";
}

static struct device_row device_of(const struct flow_engine *e, int64_t host_id, const struct hv_device *d)
{
	const struct gpu_product *product = gpu_product_find(d->vendor_id, d->product_id);

	return (struct device_row) {
		.host_id = host_id,
		.address = d->address,
		.vendor_id = d->vendor_id,
		.product_id = d->product_id,
		.vendor = d->vendor,
		.product = d->product,
		.model = model_of(e, d, product),
		.memory_mib = product ? product->memory_mib : 0,
		.numa_cell = d->numa_cell,
		.iommu_group = d->iommu_group,
		.driver = d->driver,
		.companions = text(d->companions),
		.mdev_types = text(d->mdev_types),
		.present = true,
	};
}

/* The host tells how many more can be made: while some are, the numbers of before hold where they are larger.
 */
static const char *types_kept(struct arena *a, const char *now, const struct device_row *have)
{
	struct gpu_mdev_type is[GPU_MDEV_TYPES_MAX], was[GPU_MDEV_TYPES_MAX];
	size_t is_n = gpu_mdev_types(now, is), was_n = gpu_mdev_types(have->mdev_types, was);
	CLEANUP(buf_finish) struct buf b = { 0 };

	if (!have->parts)
		return now;
	for (size_t i = 0; i < is_n; i++) {
		for (size_t k = 0; k < was_n; k++)
			if (strcmp(is[i].id, was[k].id) == 0 && was[k].instances > is[i].instances)
				is[i].instances = was[k].instances;
		buf_printf(&b, "%s%s=%d%s%s", i ? ";" : "", is[i].id, is[i].instances,
			is[i].name[0] ? ":" : "", is[i].name);
	}
	return arena_strdup(a, buf_text(&b));
}

static bool device_same(const struct device_row *a, const struct device_row *b)
{
	return a->vendor_id == b->vendor_id && a->product_id == b->product_id &&
	       a->numa_cell == b->numa_cell && a->iommu_group == b->iommu_group && a->present == b->present &&
	       !strcmp(a->model, b->model) && !strcmp(a->vendor, b->vendor) &&
	       !strcmp(a->product, b->product) && !strcmp(a->driver, b->driver) &&
	       !strcmp(a->companions, b->companions) && !strcmp(a->mdev_types, b->mdev_types) &&
	       a->memory_mib == b->memory_mib;
}

/* *changed is left alone where nothing did. */
static int device_write(struct flow_engine *e, struct db *db, const struct device_row *want,
	const struct device_row *have, bool *changed, struct error *err)
{
	struct device_row row = *want;
	char uid[UUID_TEXT];

	if (have && device_same(want, have))
		return 0;
	*changed = true;
	if (have) {
		row.id = have->id;
		return store_device_update(db, &row, err);
	}
	uuid_make(e->cfg.loop->rng, uid);
	row.id = store_next_id(e->cfg.store);
	row.uid = uid;
	return store_device_insert(db, &row, err);
}

static int devices_apply(struct flow_engine *e, struct db *db, int64_t host_id,
	const struct hv_inventory *inv, bool *changed, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct device_row *have;
	size_t n;

	if (store_device_list(db, &a, host_id, &have, &n, err))
		return -1;
	for (size_t i = 0; i < inv->devices_n; i++) {
		struct device_row want = device_of(e, host_id, &inv->devices[i]);
		const struct device_row *old = NULL;

		for (size_t j = 0; j < n && !old; j++)
			if (strcmp(have[j].address, want.address) == 0)
				old = &have[j];
		if (old)
			want.mdev_types = types_kept(&a, want.mdev_types, old);
		if (device_write(e, db, &want, old, changed, err) ||
			(old && custody_seen(e, db, old, now_us, changed, err)))
			return -1;
	}
	for (size_t j = 0; j < n; j++) {
		bool there = false;

		for (size_t i = 0; i < inv->devices_n && !there; i++)
			there = strcmp(have[j].address, inv->devices[i].address) == 0;
		if (there || !have[j].present)
			continue;
		have[j].present = false;
		*changed = true;
		if (store_device_update(db, &have[j], err))
			return -1;
	}
	return 0;
}

static bool cells_same(const struct host_cell_row *a, const struct host_cell_row *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i].cell != b[i].cell || a[i].ram_mib != b[i].ram_mib || a[i].cpus != b[i].cpus ||
			a[i].pages_2m != b[i].pages_2m || a[i].pages_1g != b[i].pages_1g ||
			strcmp(a[i].cpu_list, b[i].cpu_list) != 0)
			return false;
	return true;
}

/* "0,32;1,33": the threads of each core. */
static const char *cpu_list(struct arena *a, const struct hv_cell *cell)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	for (size_t i = 0; i < cell->cpu_n; i++)
		buf_printf(&b, "%s%d",
			i == 0                                       ? ""
			: cell->cpu[i].core == cell->cpu[i - 1].core ? ","
								     : ";",
			cell->cpu[i].id);
	return arena_strdup(a, buf_text(&b));
}

static int cells_apply(
	struct db *db, int64_t host_id, const struct hv_inventory *inv, bool *changed, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_cell_row *have, *want = ARENA_ARRAY(&a, struct host_cell_row, inv->cells_n + 1);
	size_t n;

	for (size_t i = 0; i < inv->cells_n; i++)
		want[i] = (struct host_cell_row) { .cell = inv->cells[i].id,
			.ram_mib = inv->cells[i].ram_mib,
			.cpus = inv->cells[i].cpus,
			.pages_2m = inv->cells[i].pages_2m,
			.pages_1g = inv->cells[i].pages_1g,
			.cpu_list = cpu_list(&a, &inv->cells[i]) };
	if (store_host_cells(db, &a, host_id, &have, &n, err))
		return -1;
	if (n == inv->cells_n && cells_same(have, want, n))
		return 0;
	*changed = true;
	return store_host_cells_set(db, host_id, want, inv->cells_n, err);
}

static bool host_same(const struct host_row *a, const struct host_row *b)
{
	return a->vcpus == b->vcpus && a->ram_mib == b->ram_mib && a->disk_gib == b->disk_gib &&
	       a->kvm == b->kvm && !strcmp(a->hv_type, b->hv_type) &&
	       !strcmp(a->cpu_features, b->cpu_features);
}

static int host_apply(struct db *db, const struct host_row *h, bool *changed, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row have;

	if (store_host_load(db, &a, h->id, &have, err))
		return -1;
	*changed |= !host_same(h, &have);
	return store_host_set_inventory(db, h, err);
}

int inventory_apply(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err)
{
	const struct hv_inventory *inv = &look->inventory;
	struct host_row h = {
		.id = look->host_id,
		.inventory_us = look->started_us,
		.hv_uuid = inv->uuid,
		.hv_hostname = text(inv->hostname),
		.hv_type = text(inv->type),
		.hv_version = inv->version,
		.arch = text(inv->arch),
		.cpu_model = text(inv->cpu_model),
		.cpu_features = text(inv->cpu_features),
		.vcpus = inv->cpus,
		.cpu_sockets = inv->sockets,
		.cpu_cores = inv->cores,
		.cpu_threads = inv->threads,
		.ram_mib = inv->ram_mib,
		.disk_gib = inv->pool_capacity_gib,
		.disk_free_gib = inv->pool_free_gib,
		.kvm = inv->kvm,
	};
	bool changed = false;

	if (host_apply(db, &h, &changed, err) || cells_apply(db, h.id, inv, &changed, err) ||
		devices_apply(e, db, h.id, inv, &changed, err))
		return -1;
	return changed || !look->placed ? capacity_host_set(e, db, h.id, look->up, err) : 0;
}

/* Of two hosts that are one machine, which each would count for itself, the older one stays. */
int inventory_machine(struct db *ro, const struct host_look *look, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const char *uuid = look->inventory.uuid, *other;
	struct host_row h;
	int64_t servers;
	int rc;

	if (!uuid[0]) /* it does not say */
		return 0;
	if (store_host_load(ro, &a, look->host_id, &h, err) ||
		store_host_servers(ro, look->host_id, &servers, err) ||
		(rc = store_host_of_machine(ro, &a, uuid, h.id, &other, err)) < 0)
		return -1;
	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "it is the same machine as host %s (UUID %s): remove one",
			other, uuid);
	if (servers && h.hv_uuid[0] && strcmp(h.hv_uuid, uuid) != 0)
		return error_set(err, ERR_CONFLICT,
			"another machine answers (UUID %s) than the one with its servers (%s); if that one "
			"was "
			"replaced: cloudctl host set %s --machine %s",
			uuid, h.hv_uuid, h.name, uuid);
	return 0;
}
