/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/topology.h"

#include <stdlib.h>
#include <string.h>

#include "base/cpuset.h"
#include "base/util.h"
#include "domain/cpu_traits.h"
#include "domain/gpu_products.h"

enum { MIB_2M = 2, MIB_1G = 1024, TRAITS_MAX = 128 };

_Static_assert((int)GPU_LINKS_MAX == (int)PLACEMENT_LINKS_MAX, "all links of a host can be told");
_Static_assert((int)TRAIT_NAME == (int)PLACEMENT_NAME, "all traits can be told");

/* ---- geometries: converted once, and kept: placement points at them ---- */

struct kept {
	struct kept *next;
	char *key; /* what it was made of */
	struct placement_geometry geometry;
};

static struct kept *kept_ones;

static struct kept *kept_find(const char *key)
{
	for (struct kept *k = kept_ones; k; k = k->next)
		if (strcmp(k->key, key) == 0)
			return k;
	return NULL;
}

static const struct placement_geometry *keep(
	const char *key, struct placement_profile *profiles, size_t n, uint8_t slots, bool alike)
{
	struct kept *k = xcalloc(1, sizeof *k);

	k->key = xstrdup(key);
	k->geometry = (struct placement_geometry) {
		.slots = slots, .alike = alike, .profiles = profiles, .profiles_n = n
	};
	k->next = kept_ones;
	kept_ones = k;
	return &k->geometry;
}

/* Of the table's profiles those start nowhere of which the host can make no mediated devices: what is held of
 * them keeps its slots. */
static const struct placement_geometry *of_table(
	const struct gpu_geometry *g, uint64_t offered, const char *key)
{
	struct placement_profile *p = xcalloc(g->profiles_n, sizeof *p);

	for (size_t i = 0; i < g->profiles_n; i++) {
		p[i].starts = offered >> i & 1 ? g->profiles[i].starts : 0;
		p[i].slots = g->profiles[i].slots;
		p[i].share = g->profiles[i].share;
		str_copy(p[i].name, sizeof p[i].name, g->profiles[i].name);
	}
	return keep(key, p, g->profiles_n, g->slots, false);
}

/* A type of which there can be n takes one n-th of the slots. All of one device are of one type, as most
 * devices want it. */
static const struct placement_geometry *of_types(const char *text, int64_t memory_mib, const char *key)
{
	struct gpu_mdev_type types[GPU_MDEV_TYPES_MAX];
	size_t n = gpu_mdev_types(text, types), k = 0;
	struct placement_profile *p = xcalloc(n + 1, sizeof *p);

	for (size_t i = 0; i < n; i++) {
		int many = gpu_mdev_most(&types[i], memory_mib);

		many = many < GPU_MDEV_INSTANCES_MAX ? many : GPU_MDEV_INSTANCES_MAX;
		if (!many)
			continue;
		p[k].slots = (uint8_t)(GPU_MDEV_INSTANCES_MAX / many);
		p[k].share = (int16_t)(PLACEMENT_SHARE / many);
		for (int j = 0; j < many; j++)
			p[k].starts |= (uint32_t)1 << (j * p[k].slots);
		str_copy(p[k].name, sizeof p[k].name, types[i].id);
		k++;
	}
	return keep(key, p, k, GPU_MDEV_INSTANCES_MAX, true);
}

const struct placement_geometry *topology_geometry(const struct device_row *d)
{
	const struct gpu_geometry *table = gpu_geometry_find(d->cut);
	uint64_t offered = table ? gpu_geometry_offered(table, d->mdev_types) : 0;
	/* a geometry that another version knew is one without profiles: nothing is given */
	const char *types = strcmp(d->cut, GPU_CUT_MDEV) == 0 ? d->mdev_types : "";
	CLEANUP(buf_finish) struct buf key = { 0 };
	const struct kept *k;

	if (strcmp(d->cut, GPU_CUT_WHOLE) == 0)
		return NULL;
	if (table)
		buf_printf(&key, "%s %llx", d->cut, (unsigned long long)offered);
	else
		buf_printf(&key, "%lld %s", (long long)d->memory_mib, types);
	if ((k = kept_find(buf_text(&key))))
		return &k->geometry;
	return table ? of_table(table, offered, buf_text(&key))
		     : of_types(types, d->memory_mib, buf_text(&key));
}

/* ---- GPUs ---- */

static size_t of_host(const struct device_row *devices, size_t n, int64_t host_id)
{
	size_t k = 0;

	while (k < n && k < PLACEMENT_GPUS_MAX && devices[k].host_id == host_id)
		k++;
	return k;
}

/* A set is there as a whole or not at all. */
static size_t told_links(const char *text, size_t n, uint64_t out[PLACEMENT_LINKS_MAX])
{
	int told = gpu_links_parse(text, out);
	size_t k = 0;

	for (int i = 0; i < told; i++)
		if (n >= 64 || !(out[i] >> n))
			out[k++] = out[i];
	return k;
}

size_t topology_links(const struct host_row *h, const struct device_row *devices, size_t n,
	uint64_t out[PLACEMENT_LINKS_MAX])
{
	const struct gpu_product *products[PLACEMENT_GPUS_MAX];

	n = of_host(devices, n, h->id);
	if (strcmp(h->gpu_links, "none") == 0)
		return 0;
	if (strcmp(h->gpu_links, "auto") != 0)
		return told_links(h->gpu_links, n, out);
	/* one that vanished keeps its place, so that the others do not change partners */
	for (size_t i = 0; i < n; i++)
		products[i] = gpu_product_find(devices[i].vendor_id, devices[i].product_id);
	return gpu_links_auto(products, n, out);
}

static void fill_gpus(struct arena *a, const struct host_row *h, const struct device_row *devices, size_t n,
	struct placement_host *out)
{
	struct placement_gpu *gpus;
	uint64_t *links;

	n = of_host(devices, n, h->id);
	out->gpus = gpus = ARENA_ARRAY(a, struct placement_gpu, n + 1);
	out->gpus_n = n;
	for (size_t i = 0; i < n; i++) {
		const struct device_row *d = &devices[i];

		gpus[i] = (struct placement_gpu) {
			.id = d->id,
			.numa_cell = (int)d->numa_cell,
			.iommu_group = (int)d->iommu_group,
			.healthy = d->present && d->model[0] && strcmp(d->health, "ok") == 0 &&
				   strcmp(d->custody, "clean") == 0,
			.geometry = topology_geometry(d),
			.reserved = d->block_id,
			.reserved_begun = d->block_begun,
		};
		str_copy(gpus[i].model, sizeof gpus[i].model, d->model);
	}
	out->links = links = ARENA_ARRAY(a, uint64_t, PLACEMENT_LINKS_MAX);
	out->links_n = topology_links(h, devices, n, links);
}

/* ---- CPUs and memory ---- */

/* "0,32;1,33": the threads of each core. Those in `only` are added to list (NULL: only counted), and all to
 * *seen. */
static size_t read_cpus(
	const char *text, const struct cpuset *only, struct placement_cpu *list, struct cpuset *seen)
{
	long core = -1;
	size_t n = 0;

	while (*text) {
		char *end;
		long id = strtol(text, &end, 10);

		if (end == text || id < 0 || id >= CPUSET_MAX)
			break;
		core = core < 0 ? id : core;
		cpuset_add(seen, (int)id);
		if (only && cpuset_has(only, (int)id)) {
			if (list)
				list[n] = (struct placement_cpu) { (int16_t)id, (int16_t)core };
			n++;
		}
		if (*end == ';')
			core = -1;
		text = *end ? end + 1 : end;
	}
	return n;
}

static int dedicated_of(const struct host_row *h, const struct host_cell_row *rows, size_t n,
	struct cpuset *out, struct error *err)
{
	struct cpuset set, there = { { 0 } };

	if (cpuset_parse(h->dedicated_cpus, &set))
		return error_internal(err, "dedicated CPUs of host %s: %.100s", h->name, h->dedicated_cpus);
	for (size_t i = 0; i < n; i++)
		read_cpus(rows[i].cpu_list, NULL, NULL, &there);
	cpuset_common(&set, &there);
	*out = set;
	return 0;
}

int topology_dedicated(struct db *db, const struct host_row *h, struct cpuset *out, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_cell_row *rows;
	size_t n;

	return store_host_cells(db, &a, h->id, &rows, &n, err) ? -1 : dedicated_of(h, rows, n, out, err);
}

static int64_t huge_mib(const struct host_cell_row *c)
{
	return c->pages_2m * MIB_2M + c->pages_1g * MIB_1G;
}

static void fill_cell(struct arena *a, const struct host_cell_row *row, const struct cpuset *dedicated,
	struct placement_cell *out)
{
	struct cpuset seen = { { 0 } };
	struct placement_cpu *cpus =
		ARENA_ARRAY(a, struct placement_cpu, read_cpus(row->cpu_list, dedicated, NULL, &seen) + 1);

	*out = (struct placement_cell) {
		.id = (int)row->cell,
		.ram_mib = row->ram_mib - huge_mib(row),
		.pages_2m = row->pages_2m,
		.pages_1g = row->pages_1g,
		.cpus = cpus,
		.cpus_n = read_cpus(row->cpu_list, dedicated, cpus, &seen),
	};
}

static int count(const struct cpuset *s)
{
	int n = 0;

	for (int i = cpuset_next(s, 0); i >= 0; i = cpuset_next(s, i + 1))
		n++;
	return n;
}

/* Cells beyond what placement knows are not told: nothing there is given to servers with cells. */
static int fill_cells(struct db *db, struct arena *a, const struct host_row *h, struct placement_host *out,
	struct error *err)
{
	struct placement_cell *cells = ARENA_ARRAY(a, struct placement_cell, PLACEMENT_CELLS_MAX);
	struct host_cell_row *rows;
	struct cpuset dedicated;
	size_t n;

	if (store_host_cells(db, a, h->id, &rows, &n, err) || dedicated_of(h, rows, n, &dedicated, err))
		return -1;
	out->vcpus -= count(&dedicated);
	for (size_t i = 0; i < n; i++) {
		out->ram_mib -= huge_mib(&rows[i]);
		if (i < PLACEMENT_CELLS_MAX)
			fill_cell(a, &rows[i], &dedicated, &cells[i]);
	}
	out->cells = cells;
	out->cells_n = n < PLACEMENT_CELLS_MAX ? n : PLACEMENT_CELLS_MAX;
	return 0;
}

/* ---- traits ---- */

bool topology_emulated(const struct host_row *h)
{
	return strcmp(h->hv_type, "QEMU") == 0 && !h->kvm;
}

static void fill_traits(struct arena *a, const struct host_row *h, struct placement_host *out)
{
	const char **traits = ARENA_ARRAY(a, const char *, TRAITS_MAX);
	char *rest = NULL, *words = arena_strdup(a, h->traits);

	out->traits = traits;
	for (char *t = strtok_r(words, " ", &rest); t && out->traits_n < TRAITS_MAX / 2;
		t = strtok_r(NULL, " ", &rest))
		traits[out->traits_n++] = t;
	words = topology_emulated(h) ? NULL : arena_strdup(a, h->cpu_features);
	for (char *f = words ? strtok_r(words, " ", &rest) : NULL; f && out->traits_n < TRAITS_MAX;
		f = strtok_r(NULL, " ", &rest))
		if (cpu_trait(f))
			traits[out->traits_n++] = cpu_trait(f);
}

/* ---- the host ---- */

int topology_host(struct db *db, struct arena *a, const struct host_row *h, const struct device_row *devices,
	size_t n, struct placement_host *out, struct error *err)
{
	*out = (struct placement_host) {
		.id = h->id,
		.vcpus = h->vcpus,
		.ram_mib = h->ram_mib,
		.ram_reserved_mib = h->ram_reserved_mib,
		.disk_gib = h->disk_gib,
		.disk_reserved_gib = h->disk_reserved_gib,
		.vcpu_ratio_milli = h->vcpu_ratio_milli,
		.ram_ratio_milli = h->ram_ratio_milli,
		.disk_ratio_milli = h->disk_ratio_milli,
		.exclusive = h->exclusive,
	};
	str_copy(out->name, sizeof out->name, h->name);
	str_copy(out->zone, sizeof out->zone, h->zone);
	str_copy(out->rack, sizeof out->rack, h->rack);
	str_copy(out->fabric, sizeof out->fabric, h->fabric);
	fill_gpus(a, h, devices, n, out);
	fill_traits(a, h, out);
	return fill_cells(db, a, h, out, err);
}
