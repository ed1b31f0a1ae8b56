/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a claim can be taken: the last guard before anything is charged. */
#include "placement/claims.h"

#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "placement/query.h"

static int lacks(struct error *err, const struct host *h, const char *what, int64_t want, int64_t have)
{
	return error_set(err, ERR_CONFLICT, "host %s has %" PRId64 " %s left, not %" PRId64, h->name, have,
		what, want);
}

/* ---- GPUs ---- */

/* Within one claim: no GPU twice, but for parts of it that lie apart. */
static bool named_twice(const struct claim *c)
{
	for (size_t i = 0; i < c->gpus_n; i++)
		for (size_t j = 0; j < i; j++) {
			const struct part *a = &c->gpus[i], *b = &c->gpus[j];

			if (a->gpu == b->gpu &&
				(part_whole(a) || part_whole(b) || (part_slots(a) & part_slots(b))))
				return true;
		}
	return false;
}

/* What the claim's parts before this one take of the same GPU. */
static int shares_before(const struct claim *c, size_t at)
{
	int shares = 0;

	for (size_t i = 0; i < at; i++)
		shares += c->gpus[i].gpu == c->gpus[at].gpu ? c->gpus[i].share : 0;
	return shares;
}

static bool part_fits(const struct placement *p, const struct gpu *g, const struct claim *c, size_t at)
{
	const struct part *part = &c->gpus[at];
	int profile;

	if (part_whole(part))
		return gpu_free(g);
	if (!g->healthy || g->gone || g->owner != NO_OWNER ||
		g->share_used + shares_before(c, at) + part->share > PLACEMENT_SHARE)
		return false;
	if (part->profile == WORD_NONE)
		return g->shared && !g->slots_used;
	profile = geometry_profile(g->geometry, p->profiles.texts[part->profile]);
	return profile >= 0 && part->start >= 0 && part->start < g->geometry->slots &&
	       (g->geometry->profiles[profile].starts >> part->start & 1) &&
	       !(g->slots_used & part_slots(part)) &&
	       (!g->geometry->alike || !g->parts || g->profile == profile);
}

static bool part_wanted(
	const struct placement *p, const struct shape_gpu *want, const struct gpu *g, const struct part *part)
{
	const char *profile = part->profile == WORD_NONE ? "" : p->profiles.texts[part->profile];

	return gpu_of(g, want->models) && strcmp(want->profile, profile) == 0 &&
	       (*profile || want->share == part->share);
}

/* GPUs of one IOMMU group go together. */
static bool group_whole(const struct host *h, const struct claim *c, const struct gpu *g)
{
	for (size_t i = 0; g->iommu_group >= 0 && i < h->gpus_there; i++) {
		size_t k = 0;

		if (h->gpus[i].iommu_group != g->iommu_group)
			continue;
		while (k < c->gpus_n && c->gpus[k].gpu != h->gpus[i].id)
			k++;
		if (k == c->gpus_n)
			return false;
	}
	return true;
}

static int gpu_check(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct claim *c, size_t at, struct error *err)
{
	const struct part *part = &c->gpus[at];
	const struct gpu *g = host_gpu(h, part->gpu);

	if (!g || !part_fits(p, g, c, at))
		return error_set(
			err, ERR_CONFLICT, "GPU %" PRId64 " of host %s is not free", part->gpu, h->name);
	if (!gpu_open_to(g, req->reservation, req->preemptible))
		return error_set(err, ERR_CONFLICT, "GPU %" PRId64 " of host %s is reserved", g->id, h->name);
	if (part_whole(part) && !group_whole(h, c, g))
		return error_set(err, ERR_CONFLICT,
			"GPU %" PRId64 " of host %s shares its IOMMU group with others", g->id, h->name);
	return 0;
}

static int gpus_check(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct claim *c, struct error *err)
{
	struct shape s = shape_of(p, req);
	int left[PLACEMENT_GPU_KINDS_MAX];

	if ((size_t)s.gpus_total != c->gpus_n)
		return error_set(err, ERR_CONFLICT, "%zu GPUs were chosen where %d are wanted", c->gpus_n,
			s.gpus_total);
	for (int k = 0; k < s.gpus_n; k++)
		left[k] = s.gpus[k].count;
	for (size_t i = 0; i < c->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, c->gpus[i].gpu);
		int k = 0;

		if (gpu_check(p, h, req, c, i, err))
			return -1;
		while (k < s.gpus_n && (!left[k] || !part_wanted(p, &s.gpus[k], g, &c->gpus[i])))
			k++;
		if (k == s.gpus_n)
			return error_set(err, ERR_CONFLICT,
				"GPU %" PRId64 " of host %s is not of a wanted model", g->id, h->name);
		left[k]--;
	}
	return 0;
}

/* ---- cells and CPUs ---- */

static int cell_check(const struct host *h, const struct claim *c, size_t at, struct error *err)
{
	const struct placement_cell_choice *of = &c->cells[at];
	const struct cell *cell = host_cell(h, of->cell);
	int64_t want = 0, have;

	if (!cell || cell->gone)
		return error_set(err, ERR_CONFLICT, "host %s has no cell %d", h->name, of->cell);
	for (size_t i = 0; i <= at; i++) /* with those before it in the same cell */
		if (c->cells[i].cell == of->cell && c->cells[i].page_kib == of->page_kib)
			want += pages_small(of->page_kib) ? c->cells[i].ram_mib
							  : pages_of(c->cells[i].ram_mib, of->page_kib);
	if (pages_small(of->page_kib)) {
		have = cell->ram_mib - cell->ram_used_mib;
		return want > have ? lacks(err, h, "MiB of ram in a cell", want, have) : 0;
	}
	have = cell->pages[pages_index(of->page_kib)] - cell->pages_used[pages_index(of->page_kib)];
	return want > have ? lacks(err, h, "huge pages in a cell", want, have) : 0;
}

static bool core_free(const struct host *h, const struct cpu *of)
{
	const struct cpu *pinned;
	const struct cell *cell = cell_of_cpu(h, of->id, &pinned);

	for (size_t i = 0; i < cell->cpus_n; i++)
		if (cell->cpus[i].core == of->core && cell->cpus[i].owner != NO_OWNER)
			return false;
	return true;
}

static int cpus_check(
	const struct host *h, const struct placement_request *req, const struct claim *c, struct error *err)
{
	uint64_t seen[PLACEMENT_CPUS_MAX / 64] = { 0 };

	if (c->cpus_n != (req->dedicated ? (size_t)req->vcpus : 0))
		return error_set(err, ERR_CONFLICT, "%zu CPUs were chosen where %" PRId64 " are wanted",
			c->cpus_n, req->dedicated ? req->vcpus : 0);
	for (size_t i = 0; i < c->cpus_n; i++) {
		int16_t id = c->cpus[i];
		const struct cpu *cpu = host_cpu(h, id);

		if (!cpu || cpu->gone || cpu->owner != NO_OWNER || (c->isolated && !core_free(h, cpu)))
			return error_set(err, ERR_CONFLICT, "CPU %d of host %s is not free", id, h->name);
		if (id >= 0 && id < PLACEMENT_CPUS_MAX && (seen[id / 64] >> (id % 64) & 1))
			return error_set(err, ERR_CONFLICT, "a CPU is named twice");
		if (id >= 0 && id < PLACEMENT_CPUS_MAX)
			seen[id / 64] |= UINT64_C(1) << (id % 64);
	}
	return 0;
}

/* ---- all of it ---- */

static int amounts_check(const struct host *h, const struct holding *held, struct error *err)
{
	int64_t vcpus = h->vcpus - h->vcpus_used, ram = h->ram_mib - h->ram_used_mib,
		disk = h->disk_gib - h->disk_used_gib;

	if (holding_vcpus(held) > vcpus && holding_vcpus(held))
		return lacks(err, h, "vcpus", holding_vcpus(held), vcpus);
	if (holding_ram(held) > ram && holding_ram(held))
		return lacks(err, h, "MiB of ram", holding_ram(held), ram);
	if (held->disk_gib > disk && held->disk_gib)
		return lacks(err, h, "GiB of disk", held->disk_gib, disk);
	return 0;
}

int claim_check(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct holding *held, struct error *err)
{
	static const struct claim nothing = { .gpus_n = 0 };
	const struct claim *c = held->claim ? held->claim : &nothing;

	if (h->exclusives || ((h->exclusive || req->exclusive) && h->servers))
		return error_set(err, ERR_CONFLICT, "host %s is not shared", h->name);
	if (h->held_for && h->held_for != held->server)
		return error_set(
			err, ERR_CONFLICT, "host %s is kept for server %" PRId64, h->name, h->held_for);
	if (named_twice(c))
		return error_set(err, ERR_CONFLICT, "a GPU is named twice");
	if (amounts_check(h, held, err) || gpus_check(p, h, req, c, err))
		return -1;
	for (size_t i = 0; i < c->cells_n; i++)
		if (cell_check(h, c, i, err))
			return -1;
	return cpus_check(h, req, c, err);
}

/* ---- by force ---- */

static int taken(struct error *err, const char *what, int64_t id, const struct host *h, int64_t owner)
{
	return error_set(err, ERR_CONFLICT, "%s %" PRId64 " of host %s is taken by server %" PRId64, what, id,
		h->name, owner);
}

static int others_check(const struct host *h, const struct claim *c, struct error *err)
{
	if (named_twice(c))
		return error_set(err, ERR_CONFLICT, "a GPU is named twice");
	for (size_t i = 0; i < c->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, c->gpus[i].gpu);

		if (g && g->owner != NO_OWNER)
			return taken(err, "GPU", g->id, h, g->owner);
		if (g && g->parts && (part_whole(&c->gpus[i]) || (g->slots_used & part_slots(&c->gpus[i]))))
			return error_set(err, ERR_CONFLICT,
				"GPU %" PRId64 " of host %s is taken by other servers", g->id, h->name);
	}
	for (size_t i = 0; i < c->cpus_n + c->idle_n; i++) {
		const struct cpu *cpu = host_cpu(h, c->cpus[i]);

		if (cpu && cpu->owner != NO_OWNER)
			return taken(err, "CPU", cpu->id, h, cpu->owner);
		for (size_t k = 0; k < i; k++)
			if (c->cpus[k] == c->cpus[i])
				return error_set(err, ERR_CONFLICT, "a CPU is named twice");
	}
	return 0;
}

/* The host's cell that pin i lies in. */
static int cell_of_pin(const struct claim *c, size_t i)
{
	size_t k = 0;

	while (k + 1 < c->cells_n && i >= (size_t)c->cells[k].vcpus)
		i -= (size_t)c->cells[k++].vcpus;
	return c->cells_n ? c->cells[k].cell : 0;
}

static struct cell *cell_have(struct host *h, int id)
{
	struct cell *c = host_cell(h, id);

	return c ? c : host_cell_add_gone(h, id);
}

int claim_force(struct placement *p, struct host *h, const struct placement_request *req,
	const struct holding *held, struct error *err)
{
	const char *model = req->gpus_n && !strchr(req->gpus[0].model, '|') ? req->gpus[0].model : "";
	const struct claim *c = held->claim;

	if (!c)
		return 0;
	if (others_check(h, c, err))
		return -1;
	for (size_t i = 0; i < c->gpus_n; i++)
		if (!host_gpu(h, c->gpus[i].gpu))
			host_gpu_add_gone(h, c->gpus[i].gpu, words_have(&p->models, model));
	for (size_t i = 0; i < c->cells_n; i++)
		cell_have(h, c->cells[i].cell);
	for (size_t i = 0; i < c->cpus_n + c->idle_n; i++)
		if (!host_cpu(h, c->cpus[i]))
			cell_cpu_add_gone(cell_have(h, cell_of_pin(c, i)), c->cpus[i]);
	return 0;
}
