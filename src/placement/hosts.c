/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts: their inventory, and what a scan reads of them. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/state.h"

uint32_t words_find(const struct words *w, const char *text)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (strcmp(w->texts[i], text) == 0)
			return i;
	return WORD_NONE;
}

uint32_t words_have(struct words *w, const char *text)
{
	uint32_t i = words_find(w, text);

	if (i != WORD_NONE || w->n == WORD_NONE) /* a cloud with 65,535 models or zones: the rest are alike */
		return i;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 8;
		w->texts = xrealloc(w->texts, w->cap * sizeof *w->texts);
	}
	str_copy(w->texts[w->n], sizeof *w->texts, text);
	return w->n++;
}

uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

/* Most free GPUs of the model in one NUMA cell. */
static int most_in_cell(const struct host *h, uint32_t model)
{
	int most = 0;

	for (size_t i = 0; i < h->gpus_n; i++) {
		int n = 0;

		for (size_t j = 0; j < h->gpus_n; j++)
			n += h->gpus[j].model == model && h->gpus[j].cell == h->gpus[i].cell &&
			     gpu_free(&h->gpus[j]);
		most = n > most ? n : most;
	}
	return most;
}

static void refresh_gpus(const struct host *h, struct hot *hot)
{
	hot->has_gpus = hot->gpus_free = hot->kinds_n = 0;
	memset(hot->kind_free, 0, sizeof hot->kind_free);
	for (size_t i = 0; i < h->gpus_n; i++) {
		const struct gpu *g = &h->gpus[i];
		size_t k = 0;

		hot->has_gpus |= !g->gone;
		if (!gpu_free(g))
			continue;
		hot->gpus_free++;
		while (k < hot->kinds_n && k < HOT_KINDS && hot->kind[k] != g->model)
			k++;
		if (k == HOT_KINDS) {
			hot->kinds_n = HOT_KINDS + 1;
			continue;
		}
		if (k == hot->kinds_n) {
			hot->kind[k] = (uint16_t)g->model;
			hot->kinds_n++;
		}
		hot->kind_free[k]++;
	}
	for (size_t k = 0; k < hot->kinds_n && k < HOT_KINDS; k++)
		hot->kind_cell_free[k] = (uint8_t)most_in_cell(h, hot->kind[k]);
}

static void refresh_amounts(const struct host *h, struct hot *hot)
{
	hot->vcpus = h->vcpus - h->vcpus_used;
	hot->ram_mib = h->ram_mib - h->ram_used_mib;
	hot->disk_gib = h->disk_gib - h->disk_used_gib;
	hot->used = h->servers > 0;
	hot->closed = h->exclusives || (h->exclusive && h->servers);
}

static void host_refresh(struct placement *p, size_t slot)
{
	const struct host *h = &p->hosts[slot];
	struct hot *hot = &p->hot[slot];

	hot->id = h->id;
	hot->zone = words_have(&p->zones, h->zone);
	hot->name_hash = name_hash(h->name);
	hot->state = (uint8_t)h->state;
	refresh_amounts(h, hot);
	refresh_gpus(h, hot);
}

struct gpu *host_gpu(const struct host *h, int64_t id)
{
	for (size_t i = 0; i < h->gpus_n; i++)
		if (h->gpus[i].id == id)
			return &h->gpus[i];
	return NULL;
}

void host_charge(const struct placement *p, size_t slot, int sign, const struct holding *holding,
	const int64_t *gpus, size_t gpus_n, int64_t owner)
{
	struct host *h = &p->hosts[slot];

	h->vcpus_used += sign * holding->vcpus;
	h->ram_used_mib += sign * holding->ram_mib;
	h->disk_used_gib += sign * holding->disk_gib;
	h->servers += sign;
	h->exclusives += sign * holding->exclusive;
	for (size_t i = 0; i < gpus_n; i++)
		host_gpu(h, gpus[i])->owner = sign > 0 ? owner : NO_OWNER;
	refresh_amounts(h, &p->hot[slot]);
	if (gpus_n)
		refresh_gpus(h, &p->hot[slot]);
}

static void totals_add(struct placement *p, const struct host *h, int sign)
{
	p->vcpus += sign * h->vcpus;
	p->ram_mib += sign * h->ram_mib;
	p->disk_gib += sign * h->disk_gib;
}

void host_put(struct placement *p, const struct host *h)
{
	int64_t at = map_get(&p->by_id, h->id);
	size_t slot = at == MAP_NONE ? p->hosts_n : (size_t)at;

	if (slot == p->hosts_cap) {
		p->hosts_cap = p->hosts_cap ? 2 * p->hosts_cap : 16;
		p->hosts = xrealloc(p->hosts, p->hosts_cap * sizeof *p->hosts);
		p->hot = xrealloc(p->hot, p->hosts_cap * sizeof *p->hot);
	}
	if (slot == p->hosts_n) {
		p->hosts_n++;
		map_set(&p->by_id, h->id, (int64_t)slot);
	} else {
		totals_add(p, &p->hosts[slot], -1);
	}
	p->hosts[slot] = *h;
	totals_add(p, h, 1);
	host_refresh(p, slot);
}

struct host host_pull(struct placement *p, size_t slot)
{
	struct host h = p->hosts[slot];
	size_t last = --p->hosts_n;

	totals_add(p, &h, -1);
	map_remove(&p->by_id, h.id);
	if (slot != last) {
		p->hosts[slot] = p->hosts[last];
		p->hot[slot] = p->hot[last];
		map_set(&p->by_id, p->hosts[slot].id, (int64_t)slot);
	}
	return h;
}

static int64_t scaled(int64_t n, int32_t milli)
{
	return n > 0 ? n * milli / 1000 : 0;
}

static int by_gpu_id(const void *a, const void *b)
{
	const struct gpu *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void host_gpu_add_gone(struct placement *p, struct host *h, int64_t id, const char *model)
{
	h->gpus = xrealloc(h->gpus, (h->gpus_n + 1) * sizeof *h->gpus);
	h->gpus[h->gpus_n++] =
		(struct gpu) { .id = id, .model = words_have(&p->models, model), .cell = -1, .gone = true };
	qsort(h->gpus, h->gpus_n, sizeof *h->gpus, by_gpu_id);
}

/* The new list of GPUs, with the owners of the old, and those of the old that are taken but no longer there.
 */
static void merge_gpus(
	struct placement *p, const struct placement_host *from, const struct host *old, struct host *h)
{
	size_t n = from->gpus_n < PLACEMENT_GPUS_MAX ? from->gpus_n : PLACEMENT_GPUS_MAX, gone = 0;

	for (size_t i = 0; old && i < old->gpus_n; i++)
		gone += old->gpus[i].owner != NO_OWNER;
	h->gpus = n + gone ? xcalloc(n + gone, sizeof *h->gpus) : NULL;
	h->gpus_n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct placement_gpu *g = &from->gpus[i];
		const struct gpu *was = old ? host_gpu(old, g->id) : NULL;

		h->gpus[h->gpus_n++] = (struct gpu) { .id = g->id,
			.owner = was ? was->owner : NO_OWNER,
			.model = words_have(&p->models, g->model),
			.cell = g->numa_cell,
			.healthy = g->healthy };
	}
	for (size_t i = 0; old && i < old->gpus_n; i++)
		if (old->gpus[i].owner != NO_OWNER && !host_gpu(h, old->gpus[i].id)) {
			h->gpus[h->gpus_n] = old->gpus[i];
			h->gpus[h->gpus_n++].gone = true;
		}
	if (h->gpus_n)
		qsort(h->gpus, h->gpus_n, sizeof *h->gpus, by_gpu_id);
}

void placement_host_set(struct placement *p, const struct placement_host *from)
{
	int64_t at = map_get(&p->by_id, from->id);
	const struct host *old = at == MAP_NONE ? NULL : &p->hosts[at];
	struct host h = { .id = from->id, .state = from->state, .exclusive = from->exclusive };
	struct change *c;

	str_copy(h.name, sizeof h.name, from->name);
	str_copy(h.zone, sizeof h.zone, from->zone);
	h.vcpus = scaled(from->vcpus, from->vcpu_ratio_milli);
	h.ram_mib = scaled(from->ram_mib - from->ram_reserved_mib, from->ram_ratio_milli);
	h.disk_gib = scaled(from->disk_gib, from->disk_ratio_milli);
	merge_gpus(p, from, old, &h);
	c = journal_add(p, old ? CHANGE_HOST_SET : CHANGE_HOST_ADD, from->id);
	if (old) {
		h.vcpus_used = old->vcpus_used;
		h.ram_used_mib = old->ram_used_mib;
		h.disk_used_gib = old->disk_used_gib;
		h.servers = old->servers;
		h.exclusives = old->exclusives;
		c->host = xmalloc(sizeof *c->host);
		*c->host = *old;
	}
	host_put(p, &h);
}

bool placement_host_remove(struct placement *p, int64_t host_id)
{
	int64_t slot = map_get(&p->by_id, host_id);
	struct host *was;

	if (slot == MAP_NONE)
		return true;
	if (p->hosts[slot].servers)
		return false;
	was = xmalloc(sizeof *was);
	*was = host_pull(p, (size_t)slot);
	journal_add(p, CHANGE_HOST_REMOVE, host_id)->host = was;
	return true;
}

size_t placement_hosts(const struct placement *p)
{
	return p->hosts_n;
}

bool placement_host_usage(const struct placement *p, int64_t host_id, struct placement_usage *out)
{
	int64_t slot = map_get(&p->by_id, host_id);
	const struct host *h;

	if (slot == MAP_NONE)
		return false;
	h = &p->hosts[slot];
	*out = (struct placement_usage) { .vcpus_total = h->vcpus,
		.vcpus_used = h->vcpus_used,
		.ram_total_mib = h->ram_mib,
		.ram_used_mib = h->ram_used_mib,
		.disk_total_gib = h->disk_gib,
		.disk_used_gib = h->disk_used_gib,
		.servers = h->servers };
	for (size_t i = 0; i < h->gpus_n; i++) {
		out->gpus_total += !h->gpus[i].gone;
		out->gpus_used += h->gpus[i].owner != NO_OWNER;
	}
	return true;
}
