/* SPDX-License-Identifier: Apache-2.0 */
/* The list of hosts. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/index.h"
#include "placement/score.h"
#include "placement/state.h"

struct host *host_by_id(const struct placement *p, int64_t id)
{
	int64_t slot = map_get(&p->by_id, id);

	return slot == MAP_NONE ? NULL : p->hosts[slot];
}

void host_destroy(struct host *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->cells_n; i++)
		free(h->cells[i].cpus);
	free(h->cells);
	free(h->gpus);
	free(h->links);
	free(h->traits);
	free(h);
}

static void *copied(const void *from, size_t n, size_t size)
{
	void *to = n ? xmalloc(n * size) : NULL;

	if (n)
		memcpy(to, from, n * size);
	return to;
}

struct host *host_copy(const struct host *h)
{
	struct host *to = copied(h, 1, sizeof *h);

	to->gpus = copied(h->gpus, h->gpus_n, sizeof *h->gpus);
	to->links = copied(h->links, h->links_n, sizeof *h->links);
	to->traits = copied(h->traits, h->traits_n, sizeof *h->traits);
	to->cells = copied(h->cells, h->cells_n, sizeof *h->cells);
	for (size_t i = 0; i < h->cells_n; i++)
		to->cells[i].cpus = copied(h->cells[i].cpus, h->cells[i].cpus_n, sizeof *h->cells[i].cpus);
	return to;
}

/* ---- slots ---- */

static int by_host_id(const void *a, const void *b)
{
	const struct host *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

void host_refresh(struct placement *p, size_t slot)
{
	const struct host *h = p->hosts[slot];
	struct hot *hot = &p->hot[slot];

	hot->state = (uint8_t)h->state;
	hot->used = h->servers > 0;
	hot->closed = h->exclusives || (h->exclusive && h->servers);
	p->held_n += (size_t)(h->held_for != 0) - hot->held;
	hot->held = h->held_for != 0;
}

/* With what does not change while servers come and go. */
static void hot_make(struct placement *p, size_t slot)
{
	const struct host *h = p->hosts[slot];
	struct hot *hot = &p->hot[slot];

	hot->id = h->id;
	hot->zone = words_have(&p->labels, h->zone);
	hot->rack = *h->rack ? words_have(&p->labels, h->rack) : WORD_NONE;
	hot->fabric = *h->fabric ? words_have(&p->labels, h->fabric) : WORD_NONE;
	host_refresh(p, slot);
}

void hosts_order(struct placement *p)
{
	if (!p->unordered)
		return;
	qsort(p->hosts, p->hosts_n, sizeof(struct host *), by_host_id);
	for (size_t i = 0; i < p->hosts_n; i++) {
		map_set(&p->by_id, p->hosts[i]->id, (int64_t)i);
		hot_make(p, i);
	}
	p->unordered = false;
	index_reset(p->index);
}

void host_changed(struct placement *p, size_t slot)
{
	host_refresh(p, slot);
	index_touch(p->index, slot);
}

/* One unit of another resource in vCPUs, by what the whole cloud has of both. */
static uint64_t weight(int64_t vcpus, int64_t other)
{
	uint64_t w = other > 0 ? ((uint64_t)vcpus << 24) / (uint64_t)other : 0;

	return w < UINT32_MAX ? w : UINT32_MAX;
}

/* One host comes (NULL: none), one goes. All scores are by the totals. */
static void totals_change(struct placement *p, const struct host *comes, const struct host *goes)
{
	uint64_t ram = p->ram_weight, disk = p->disk_weight, fleet = p->fleet;

	p->vcpus += (comes ? comes->vcpus : 0) - (goes ? goes->vcpus : 0);
	p->ram_mib += (comes ? comes->ram_mib : 0) - (goes ? goes->ram_mib : 0);
	p->disk_gib += (comes ? comes->disk_gib : 0) - (goes ? goes->disk_gib : 0);
	p->ram_weight = weight(p->vcpus, p->ram_mib);
	p->disk_weight = weight(p->vcpus, p->disk_gib);
	p->fleet += (comes ? mix_fleet_of(comes) : 0) - (goes ? mix_fleet_of(goes) : 0);
	if (p->ram_weight != ram || p->disk_weight != disk || p->fleet != fleet)
		index_reset(p->index);
}

/* Enters the host in what is kept of all, or takes it out. */
static void enter(struct placement *p, const struct host *h, bool known)
{
	int64_t hash = text_hash(h->name);

	p->states[h->state] += known ? 1 : (size_t)-1;
	if (known)
		map_set(&p->by_name, hash, h->id);
	else if (map_get(&p->by_name, hash) == h->id)
		map_remove(&p->by_name, hash);
}

static void append(struct placement *p, struct host *h)
{
	size_t slot = p->hosts_n++;

	if (slot == p->hosts_cap) {
		p->hosts_cap = p->hosts_cap ? 2 * p->hosts_cap : 16;
		p->hosts = xrealloc(p->hosts, p->hosts_cap * sizeof(struct host *));
		p->hot = xrealloc(p->hot, p->hosts_cap * sizeof *p->hot);
	}
	p->hosts[slot] = h;
	p->hot[slot].held = false;
	map_set(&p->by_id, h->id, (int64_t)slot);
	p->unordered = p->unordered || (slot && p->hosts[slot - 1]->id > h->id);
	index_reset(p->index);
}

struct host *host_put(struct placement *p, struct host *h)
{
	int64_t at = map_get(&p->by_id, h->id);
	struct host *old = NULL;

	if (at == MAP_NONE) {
		append(p, h);
		at = (int64_t)p->hosts_n - 1;
	} else {
		old = p->hosts[at];
		enter(p, old, false);
		p->hosts[at] = h;
	}
	totals_change(p, h, old);
	enter(p, h, true);
	hot_make(p, (size_t)at);
	index_touch(p->index, (size_t)at);
	return old;
}

struct host *host_pull(struct placement *p, size_t slot)
{
	struct host *h = p->hosts[slot];
	size_t last = --p->hosts_n;

	totals_change(p, NULL, h);
	enter(p, h, false);
	map_remove(&p->by_id, h->id);
	if (slot != last) {
		p->hosts[slot] = p->hosts[last];
		map_set(&p->by_id, p->hosts[slot]->id, (int64_t)slot);
		hot_make(p, slot);
		p->unordered = true;
	}
	p->held_n -= p->hot[last].held;
	index_reset(p->index);
	return h;
}

/* ---- what is told ---- */

void placement_host_set(struct placement *p, const struct placement_host *from)
{
	struct host *h = host_build(p, from, host_by_id(p, from->id));
	struct host *old = host_put(p, h);

	journal_add(p, old ? CHANGE_HOST_SET : CHANGE_HOST_ADD, from->id)->host = old;
}

bool placement_host_remove(struct placement *p, int64_t host_id)
{
	int64_t slot = map_get(&p->by_id, host_id);

	if (slot == MAP_NONE)
		return true;
	if (p->hosts[slot]->servers)
		return false;
	journal_add(p, CHANGE_HOST_REMOVE, host_id)->host = host_pull(p, (size_t)slot);
	return true;
}

void placement_host_hold(struct placement *p, int64_t host_id, int64_t server_id)
{
	int64_t slot = map_get(&p->by_id, host_id);
	struct host *h;

	if (slot == MAP_NONE)
		return;
	h = p->hosts[slot];
	journal_add(p, CHANGE_HOST_HOLD, host_id)->held_for = h->held_for;
	h->held_for = server_id;
	host_changed(p, (size_t)slot);
}

size_t placement_hosts(const struct placement *p)
{
	return p->hosts_n;
}

/* ---- usage ---- */

static void cells_usage(const struct host *h, struct placement_usage *out)
{
	static const int64_t page_mib[2] = { 2, 1024 };

	for (size_t c = 0; c < h->cells_n; c++) {
		const struct cell *cell = &h->cells[c];

		for (size_t i = 0; i < cell->cpus_n; i++) {
			out->dedicated_total += !cell->cpus[i].gone;
			out->dedicated_used += cell->cpus[i].owner != NO_OWNER;
		}
		for (int i = 0; i < 2; i++) {
			out->huge_total_mib += cell->pages[i] * page_mib[i];
			out->huge_used_mib += cell->pages_used[i] * page_mib[i];
		}
	}
}

bool placement_host_usage(const struct placement *p, int64_t host_id, struct placement_usage *out)
{
	const struct host *h = host_by_id(p, host_id);

	if (!h)
		return false;
	*out = (struct placement_usage) { .vcpus_total = h->vcpus,
		.vcpus_used = h->vcpus_used,
		.ram_total_mib = h->ram_mib,
		.ram_used_mib = h->ram_used_mib,
		.disk_total_gib = h->disk_gib,
		.disk_used_gib = h->disk_used_gib,
		.servers = h->servers };
	for (size_t i = 0; i < h->gpus_n; i++) {
		const struct gpu *g = &h->gpus[i];

		out->gpus_total += !g->gone;
		out->gpus_used += gpu_taken(g);
		out->shares_used += g->owner != NO_OWNER ? PLACEMENT_SHARE : g->share_used;
	}
	cells_usage(h, out);
	return true;
}
