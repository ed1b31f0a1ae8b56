/* SPDX-License-Identifier: Apache-2.0 */
/* What servers hold, and what hosts are charged for it: vCPUs and memory of servers that float against the
 * host's amounts, memory in cells against both, huge pages and dedicated CPUs against the cells alone; GPUs
 * whole, or their slots and shares. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/claims.h"
#include "placement/fit.h"

/* ---- charging ---- */

int pages_index(int page_kib)
{
	return page_kib == PAGE_1G;
}

int64_t holding_vcpus(const struct holding *h)
{
	return h->claim && h->claim->cpus_n ? 0 : h->vcpus;
}

int64_t holding_ram(const struct holding *h)
{
	int64_t ram = 0;

	if (!h->claim || !h->claim->cells_n)
		return h->ram_mib;
	for (size_t i = 0; i < h->claim->cells_n; i++)
		ram += pages_small(h->claim->cells[i].page_kib) ? h->claim->cells[i].ram_mib : 0;
	return ram;
}

uint32_t part_slots(const struct part *part)
{
	return part->start < 0 || !part->slots
		       ? 0
		       : (uint32_t)(((UINT64_C(1) << part->slots) - 1) << part->start);
}

int geometry_profile(const struct placement_geometry *g, const char *name)
{
	for (size_t i = 0; g && i < g->profiles_n; i++)
		if (strcmp(g->profiles[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void charge_gpu(
	const struct placement *p, struct host *h, int sign, const struct part *part, int64_t server)
{
	struct gpu *g = host_gpu(h, part->gpu);

	if (part_whole(part)) {
		g->owner = sign > 0 ? server : NO_OWNER;
		return;
	}
	if (sign > 0 && !g->parts && part->profile != WORD_NONE)
		g->profile = (int16_t)geometry_profile(g->geometry, p->profiles.texts[part->profile]);
	g->slots_used = sign > 0 ? g->slots_used | part_slots(part) : g->slots_used & ~part_slots(part);
	g->share_used = (int16_t)(g->share_used + sign * part->share);
	g->parts = (int16_t)(g->parts + sign);
	if (!g->parts)
		g->profile = -1;
}

static void charge_cpu(struct host *h, int sign, int16_t id, int64_t server)
{
	const struct cpu *found;
	struct cell *cell = cell_of_cpu(h, id, &found);

	cell->cpus[found - cell->cpus].owner = sign > 0 ? server : NO_OWNER;
}

static void charge_cell(struct host *h, int sign, const struct placement_cell_choice *of)
{
	struct cell *c = host_cell(h, of->cell);

	if (pages_small(of->page_kib))
		c->ram_used_mib += sign * of->ram_mib;
	else
		c->pages_used[pages_index(of->page_kib)] += sign * pages_of(of->ram_mib, of->page_kib);
}

void host_charge(const struct placement *p, struct host *h, int sign, const struct holding *held)
{
	const struct claim *c = held->claim;

	h->vcpus_used += sign * holding_vcpus(held);
	h->ram_used_mib += sign * holding_ram(held);
	h->disk_used_gib += sign * held->disk_gib;
	h->servers += sign;
	h->exclusives += sign * held->exclusive;
	h->preemptibles += sign * held->preemptible;
	if (!c)
		return;
	for (size_t i = 0; i < c->gpus_n; i++)
		charge_gpu(p, h, sign, &c->gpus[i], held->server);
	for (size_t i = 0; i < c->cells_n; i++)
		charge_cell(h, sign, &c->cells[i]);
	for (size_t i = 0; i < c->cpus_n + c->idle_n; i++)
		charge_cpu(h, sign, c->cpus[i], held->server);
	if (c->cells_n || c->cpus_n)
		fit_refresh(h);
	else
		host_count_gpus(h);
}

/* ---- one holding ---- */

static struct claim *claim_new(size_t gpus, size_t cells, size_t cpus, size_t idle)
{
	struct claim *c;
	char *at;

	if (!gpus && !cells && !cpus)
		return NULL;
	at = xmalloc(sizeof *c + gpus * sizeof *c->gpus + cells * sizeof *c->cells +
		     (cpus + idle) * sizeof *c->cpus);
	c = (struct claim *)(void *)at;
	at += sizeof *c;
	c->gpus = (struct part *)(void *)at;
	at += gpus * sizeof *c->gpus;
	c->cells = (struct placement_cell_choice *)(void *)at;
	at += cells * sizeof *c->cells;
	c->cpus = (int16_t *)(void *)at;
	c->gpus_n = gpus;
	c->cells_n = cells;
	c->cpus_n = cpus;
	c->idle_n = idle;
	c->isolated = false;
	return c;
}

/* Rows of older versions say the device alone: all of it. */
static struct part part_make(
	const struct placement *p, const struct host *h, const struct placement_gpu_choice *of)
{
	const struct gpu *g = host_gpu(h, of->id);
	int profile = g ? geometry_profile(g->geometry, of->profile) : -1;
	struct part part = { of->id, WORD_NONE, -1, of->share, 0, of->guest_cell };

	if (*of->profile) {
		part.profile = words_find(&p->profiles, of->profile);
		part.start = of->start;
	}
	if (profile >= 0) {
		part.slots = g->geometry->profiles[profile].slots;
		part.share = g->geometry->profiles[profile].share;
	}
	if (part.share <= 0 || part.share > PLACEMENT_SHARE)
		part.share = PLACEMENT_SHARE;
	return part;
}

/* Adds the CPU; false: it was there, or is none. */
static bool see(uint64_t seen[PLACEMENT_CPUS_MAX / 64], int16_t id)
{
	uint64_t bit = UINT64_C(1) << (id & 63);

	if (id < 0 || id >= PLACEMENT_CPUS_MAX || (seen[id / 64] & bit))
		return false;
	seen[id / 64] |= bit;
	return true;
}

/* The other threads of the pinned CPUs' cores. */
static size_t find_idle(const struct host *h, const struct placement_choice *choice, int16_t *out)
{
	uint64_t seen[PLACEMENT_CPUS_MAX / 64] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < choice->cpus_n; i++)
		see(seen, choice->cpus[i]);
	for (size_t i = 0; i < choice->cpus_n; i++) {
		const struct cpu *pinned;
		const struct cell *cell = cell_of_cpu(h, choice->cpus[i], &pinned);

		for (size_t k = 0; cell && pinned->core >= 0 && k < cell->cpus_n; k++) {
			const struct cpu *cpu = &cell->cpus[k];

			if (cpu->core == pinned->core && !cpu->gone && n < PLACEMENT_PINS_MAX &&
				see(seen, cpu->id))
				out[n++] = cpu->id;
		}
	}
	return n;
}

struct holding holding_make(const struct placement *p, const struct host *h, int64_t server_id,
	const struct placement_request *req, const struct placement_choice *choice, bool told)
{
	int16_t found[PLACEMENT_PINS_MAX];
	size_t idle_n = told ? choice->idle_n : choice->cpus_isolated ? find_idle(h, choice, found) : 0;
	const int16_t *idle = told ? choice->idle : found;

	struct holding to = { .server = server_id,
		.host = h->id,
		.vcpus = req->vcpus,
		.ram_mib = req->ram_mib,
		.disk_gib = req->disk_gib,
		.reservation = req->reservation,
		.exclusive = req->exclusive,
		.preemptible = req->preemptible,
		.claim = claim_new(choice->gpus_n, choice->cells_n, choice->cpus_n, idle_n) };

	for (size_t i = 0; i < choice->gpus_n; i++)
		to.claim->gpus[i] = part_make(p, h, &choice->gpus[i]);
	for (size_t i = 0; i < choice->cells_n; i++)
		to.claim->cells[i] = choice->cells[i];
	for (size_t i = 0; i < choice->cpus_n; i++)
		to.claim->cpus[i] = choice->cpus[i];
	for (size_t i = 0; i < idle_n && to.claim; i++)
		to.claim->cpus[choice->cpus_n + i] = idle[i];
	if (to.claim)
		to.claim->isolated = choice->cpus_isolated;
	return to;
}

struct holding holding_copy(const struct holding *h)
{
	struct holding to = *h;
	const struct claim *c = h->claim;

	if (!c)
		return to;
	to.claim = claim_new(c->gpus_n, c->cells_n, c->cpus_n, c->idle_n);
	to.claim->isolated = c->isolated;
	memcpy(to.claim->gpus, c->gpus, c->gpus_n * sizeof *c->gpus);
	memcpy(to.claim->cells, c->cells, c->cells_n * sizeof *c->cells);
	memcpy(to.claim->cpus, c->cpus, (c->cpus_n + c->idle_n) * sizeof *c->cpus);
	return to;
}

void holding_finish(struct holding *h)
{
	free(h->claim);
	h->claim = NULL;
}

/* ---- the book ---- */

void holding_add(struct placement *p, const struct holding *h)
{
	if (p->holdings_n == p->holdings_cap) {
		p->holdings_cap = p->holdings_cap ? 2 * p->holdings_cap : 64;
		p->holdings = xrealloc(p->holdings, p->holdings_cap * sizeof *p->holdings);
	}
	map_set(&p->by_server, h->server, (int64_t)p->holdings_n);
	p->holdings[p->holdings_n++] = *h;
}

bool holding_pull(struct placement *p, int64_t server_id, struct holding *out)
{
	int64_t at = map_get(&p->by_server, server_id);
	size_t last = p->holdings_n - 1;

	if (at == MAP_NONE)
		return false;
	*out = p->holdings[at];
	p->holdings_n = last;
	map_remove(&p->by_server, server_id);
	if ((size_t)at != last) {
		p->holdings[at] = p->holdings[last];
		map_set(&p->by_server, p->holdings[at].server, at);
	}
	return true;
}

bool placement_held(const struct placement *p, int64_t server_id, struct placement_request *req,
	struct placement_choice *out)
{
	int64_t at = map_get(&p->by_server, server_id);

	if (at == MAP_NONE)
		return false;
	holding_tell(p, &p->holdings[at], req, out);
	return true;
}

void holding_tell(const struct placement *p, const struct holding *h, struct placement_request *req,
	struct placement_choice *out)
{
	const struct claim *c = h->claim;

	*req = (struct placement_request) { .vcpus = h->vcpus,
		.ram_mib = h->ram_mib,
		.disk_gib = h->disk_gib,
		.exclusive = h->exclusive,
		.preemptible = h->preemptible,
		.reservation = h->reservation };
	/* it is large: of its arrays only what counts is written */
	out->host_id = h->host;
	out->gpus_n = out->cells_n = out->cpus_n = out->idle_n = 0;
	out->cpus_isolated = false;
	if (!c)
		return;
	for (size_t i = 0; i < c->gpus_n; i++) {
		struct placement_gpu_choice *g = &out->gpus[out->gpus_n++];

		*g = (struct placement_gpu_choice) { .id = c->gpus[i].gpu,
			.start = c->gpus[i].start,
			.share = c->gpus[i].share,
			.guest_cell = c->gpus[i].guest_cell };
		if (c->gpus[i].profile != WORD_NONE)
			str_copy(g->profile, sizeof g->profile, p->profiles.texts[c->gpus[i].profile]);
	}
	for (size_t i = 0; i < c->cells_n; i++)
		out->cells[out->cells_n++] = c->cells[i];
	for (size_t i = 0; i < c->cpus_n; i++)
		out->cpus[out->cpus_n++] = c->cpus[i];
	for (size_t i = 0; i < c->idle_n; i++)
		out->idle[out->idle_n++] = c->cpus[c->cpus_n + i];
	out->cpus_isolated = c->isolated;
}
