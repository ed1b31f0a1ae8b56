/* SPDX-License-Identifier: Apache-2.0 */
/* What a host has: GPUs, cells, CPUs, as they are told, joined with what servers have of them. What is no
 * longer told stays for as long as it is taken. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/fit.h"

struct gpu *host_gpu(const struct host *h, int64_t id)
{
	for (size_t i = 0; i < h->gpus_n; i++)
		if (h->gpus[i].id == id)
			return &h->gpus[i];
	return NULL;
}

struct cell *host_cell(const struct host *h, int id)
{
	for (size_t i = 0; i < h->cells_n; i++)
		if (h->cells[i].id == id)
			return &h->cells[i];
	return NULL;
}

struct cell *cell_of_cpu(const struct host *h, int16_t id, const struct cpu **out)
{
	for (size_t c = 0; c < h->cells_n; c++)
		for (size_t i = 0; i < h->cells[c].cpus_n; i++)
			if (h->cells[c].cpus[i].id == id) {
				*out = &h->cells[c].cpus[i];
				return &h->cells[c];
			}
	*out = NULL;
	return NULL;
}

const struct cpu *host_cpu(const struct host *h, int16_t id)
{
	const struct cpu *cpu;

	cell_of_cpu(h, id, &cpu);
	return cpu;
}

static struct gpu *gpu_append(struct host *h, const struct gpu *g)
{
	h->gpus = xrealloc(h->gpus, (h->gpus_n + 1) * sizeof *h->gpus);
	h->gpus[h->gpus_n] = *g;
	return &h->gpus[h->gpus_n++];
}

struct gpu *host_gpu_add_gone(struct host *h, int64_t id, uint32_t model)
{
	return gpu_append(h, &(struct gpu) { .id = id,
				     .model = model,
				     .cell = -1,
				     .iommu_group = -1,
				     .profile = -1,
				     .gone = true });
}

static struct cell *cell_append(struct host *h, int id)
{
	h->cells = xrealloc(h->cells, (h->cells_n + 1) * sizeof *h->cells);
	h->cells[h->cells_n] = (struct cell) { .id = id };
	return &h->cells[h->cells_n++];
}

struct cell *host_cell_add_gone(struct host *h, int id)
{
	struct cell *c = cell_append(h, id);

	c->gone = true;
	return c;
}

static int by_core(const void *a, const void *b)
{
	const struct cpu *x = a, *y = b;

	return x->core != y->core ? (x->core > y->core) - (x->core < y->core)
				  : (x->id > y->id) - (x->id < y->id);
}

static void cell_add_gone_cpu(struct cell *c, const struct cpu *cpu)
{
	c->cpus = xrealloc(c->cpus, (c->cpus_n + 1) * sizeof *c->cpus);
	c->cpus[c->cpus_n] = *cpu;
	c->cpus[c->cpus_n++].gone = true;
	qsort(c->cpus, c->cpus_n, sizeof *c->cpus, by_core);
}

void cell_cpu_add_gone(struct cell *c, int16_t id)
{
	cell_add_gone_cpu(c, &(struct cpu) { .id = id, .core = -1 });
}

void host_count_gpus(struct host *h)
{
	h->gpus_free = 0;
	h->models_free = h->whole = 0;
	for (size_t i = 0; i < h->gpus_there; i++) {
		const struct gpu *g = &h->gpus[i];
		bool whole = gpu_free(g) && !g->parts;

		h->gpus_free += whole;
		h->whole |= (uint64_t)whole << i;
		if (gpu_free(g))
			h->models_free |= g->model < MODELS_MAX ? UINT64_C(1) << g->model : UINT64_MAX;
	}
}

/* ---- GPUs ---- */

/* Of the partitions that it has; the new geometry may number them otherwise. */
static int16_t profile_again(const struct gpu *was, const struct placement_geometry *now)
{
	if (was->profile < 0 || !was->geometry || !now)
		return -1;
	for (size_t i = 0; i < now->profiles_n; i++)
		if (str_eq(now->profiles[i].name, was->geometry->profiles[was->profile].name))
			return (int16_t)i;
	return -1;
}

static struct gpu gpu_of_told(struct placement *p, const struct placement_gpu *from, const struct gpu *was)
{
	struct gpu g = { .id = from->id,
		.model = words_have(&p->models, from->model),
		.cell = from->numa_cell,
		.iommu_group = from->iommu_group,
		.healthy = from->healthy,
		.geometry = from->geometry,
		.shared = from->shared,
		.reserved = from->reserved,
		.reserved_begun = from->reserved_begun,
		.profile = -1 };

	if (was) {
		g.owner = was->owner;
		g.slots_used = was->slots_used;
		g.share_used = was->share_used;
		g.parts = was->parts;
		g.profile = profile_again(was, from->geometry);
	}
	return g;
}

static int by_gpu_id(const void *a, const void *b)
{
	const struct gpu *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void know_profiles(struct placement *p, const struct host *h)
{
	const struct placement_geometry *known = NULL;

	for (size_t i = 0; i < h->gpus_n; i++) {
		const struct placement_geometry *g = h->gpus[i].geometry;

		for (size_t k = 0; g && g != known && k < g->profiles_n; k++)
			words_have(&p->profiles, g->profiles[k].name);
		known = g;
	}
}

static void build_gpus(
	struct placement *p, const struct placement_host *from, const struct host *old, struct host *h)
{
	size_t n = from->gpus_n < PLACEMENT_GPUS_MAX ? from->gpus_n : PLACEMENT_GPUS_MAX;

	h->gpus = n ? xcalloc(n, sizeof *h->gpus) : NULL;
	for (size_t i = 0; i < n; i++)
		h->gpus[i] = gpu_of_told(p, &from->gpus[i], old ? host_gpu(old, from->gpus[i].id) : NULL);
	h->gpus_n = h->gpus_there = n;
	know_profiles(p, h);
	if (n)
		qsort(h->gpus, n, sizeof *h->gpus, by_gpu_id);
	for (size_t i = 0; old && i < old->gpus_n; i++)
		if (gpu_taken(&old->gpus[i]) && !host_gpu(h, old->gpus[i].id))
			gpu_append(h, &old->gpus[i])->gone = true;
}

/* The sets name GPUs by their places as told; here they are in the order of ids. */
static void build_links(const struct placement_host *from, struct host *h)
{
	h->links_n = from->links_n < PLACEMENT_LINKS_MAX ? from->links_n : PLACEMENT_LINKS_MAX;
	h->links = h->links_n ? xcalloc(h->links_n, sizeof *h->links) : NULL;
	for (size_t at = 0; at < h->gpus_there; at++)
		for (size_t told = 0; told < h->gpus_there; told++)
			for (size_t l = 0; from->gpus[told].id == h->gpus[at].id && l < h->links_n; l++)
				h->links[l] |= (from->links[l] >> told & 1) << at;
}

/* ---- cells ---- */

static void build_cell(const struct placement_cell *from, const struct host *old, struct cell *c)
{
	const struct cell *was = old ? host_cell(old, from->id) : NULL;

	c->ram_mib = from->ram_mib;
	c->pages[0] = from->pages_2m;
	c->pages[1] = from->pages_1g;
	c->cpus_n = from->cpus_n < PLACEMENT_CPUS_MAX ? from->cpus_n : PLACEMENT_CPUS_MAX;
	c->cpus = c->cpus_n ? xcalloc(c->cpus_n, sizeof *c->cpus) : NULL;
	for (size_t i = 0; i < c->cpus_n; i++) {
		const struct cpu *had = old ? host_cpu(old, from->cpus[i].id) : NULL;

		c->cpus[i] = (struct cpu) { .id = from->cpus[i].id,
			.core = from->cpus[i].core,
			.owner = had ? had->owner : NO_OWNER };
	}
	if (c->cpus_n)
		qsort(c->cpus, c->cpus_n, sizeof *c->cpus, by_core);
	if (was) {
		c->ram_used_mib = was->ram_used_mib;
		memcpy(c->pages_used, was->pages_used, sizeof c->pages_used);
	}
}

static bool cell_taken(const struct cell *c)
{
	return c->ram_used_mib || c->pages_used[0] || c->pages_used[1];
}

static int by_cell_id(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* What is taken of the old host's cell and not in the new one's. */
static void keep_taken(const struct cell *was, struct host *h)
{
	struct cell *c = host_cell(h, was->id);

	if (!c && cell_taken(was)) {
		c = host_cell_add_gone(h, was->id);
		c->ram_used_mib = was->ram_used_mib;
		memcpy(c->pages_used, was->pages_used, sizeof c->pages_used);
	}
	for (size_t i = 0; i < was->cpus_n; i++) {
		if (was->cpus[i].owner == NO_OWNER || host_cpu(h, was->cpus[i].id))
			continue;
		if (!c)
			c = host_cell_add_gone(h, was->id);
		cell_add_gone_cpu(c, &was->cpus[i]);
	}
}

static void build_cells(const struct placement_host *from, const struct host *old, struct host *h)
{
	size_t n = from->cells_n < PLACEMENT_CELLS_MAX ? from->cells_n : PLACEMENT_CELLS_MAX;

	for (size_t i = 0; i < n; i++)
		build_cell(&from->cells[i], old, cell_append(h, from->cells[i].id));
	for (size_t i = 0; old && i < old->cells_n; i++)
		keep_taken(&old->cells[i], h);
	if (h->cells_n)
		qsort(h->cells, h->cells_n, sizeof *h->cells, by_cell_id);
}

/* ---- the host ---- */

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void build_traits(struct placement *p, const struct placement_host *from, struct host *h)
{
	h->traits_n = from->traits_n;
	h->traits = from->traits_n ? xcalloc(from->traits_n, sizeof *h->traits) : NULL;
	for (size_t i = 0; i < from->traits_n; i++)
		h->traits[i] = words_have(&p->traits, from->traits[i]);
	if (h->traits_n)
		qsort(h->traits, h->traits_n, sizeof *h->traits, by_number);
}

static int64_t scaled(int64_t n, int32_t milli)
{
	return n > 0 ? n * milli / 1000 : 0;
}

struct host *host_build(struct placement *p, const struct placement_host *from, const struct host *old)
{
	struct host *h = xcalloc(1, sizeof *h);

	h->id = from->id;
	h->state = from->state;
	h->exclusive = from->exclusive;
	str_copy(h->name, sizeof h->name, from->name);
	str_copy(h->zone, sizeof h->zone, from->zone);
	str_copy(h->rack, sizeof h->rack, from->rack);
	str_copy(h->fabric, sizeof h->fabric, from->fabric);
	h->vcpus = scaled(from->vcpus, from->vcpu_ratio_milli);
	h->ram_mib = scaled(from->ram_mib - from->ram_reserved_mib, from->ram_ratio_milli);
	h->disk_gib = scaled(from->disk_gib - from->disk_reserved_gib, from->disk_ratio_milli);
	if (old) {
		h->vcpus_used = old->vcpus_used;
		h->ram_used_mib = old->ram_used_mib;
		h->disk_used_gib = old->disk_used_gib;
		h->servers = old->servers;
		h->exclusives = old->exclusives;
		h->preemptibles = old->preemptibles;
		h->held_for = old->held_for;
	}
	build_gpus(p, from, old, h);
	build_links(from, h);
	build_cells(from, old, h);
	build_traits(p, from, h);
	fit_refresh(h);
	return h;
}
