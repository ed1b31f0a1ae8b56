/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts, what is taken on them, and the journal. Choosing is in choose.c. */
#include "placement/placement.h"

#include <inttypes.h>
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

struct placement *placement_create(void)
{
	return xcalloc(1, sizeof(struct placement));
}

static void change_finish(struct change *c)
{
	free(c->gpus);
	free(c->host.gpus);
}

void placement_destroy(struct placement *p)
{
	if (!p)
		return;
	placement_forget(p);
	for (size_t i = 0; i < p->hosts_n; i++)
		free(p->hosts[i].gpus);
	free(p->hosts);
	free(p->hot);
	free(p->holdings);
	free(p->models.texts);
	free(p->zones.texts);
	free(p->log);
	map_finish(&p->by_id);
	map_finish(&p->by_server);
	free(p);
}

static struct change *journal(struct placement *p, enum change_kind kind, int64_t id)
{
	struct change *c;

	if (p->log_n == p->log_cap) {
		p->log_cap = p->log_cap ? 2 * p->log_cap : 64;
		p->log = xrealloc(p->log, p->log_cap * sizeof *p->log);
	}
	c = &p->log[p->log_n++];
	*c = (struct change) { .kind = kind, .id = id };
	return c;
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

/* Puts h, whose GPUs pass over to p, where the host of its id is, or behind all. */
static void host_put(struct placement *p, const struct host *h)
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

/* Takes the host out; its GPUs pass over to the caller. The last host moves into the gap. */
static struct host host_pull(struct placement *p, size_t slot)
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
	struct host h = { .id = from->id, .state = from->state };
	struct change *c;

	str_copy(h.name, sizeof h.name, from->name);
	str_copy(h.zone, sizeof h.zone, from->zone);
	h.vcpus = scaled(from->vcpus, from->vcpu_ratio_milli);
	h.ram_mib = scaled(from->ram_mib - from->ram_reserved_mib, from->ram_ratio_milli);
	h.disk_gib = scaled(from->disk_gib, from->disk_ratio_milli);
	merge_gpus(p, from, old, &h);
	c = journal(p, old ? CHANGE_HOST_SET : CHANGE_HOST_ADD, from->id);
	if (old) {
		h.vcpus_used = old->vcpus_used;
		h.ram_used_mib = old->ram_used_mib;
		h.disk_used_gib = old->disk_used_gib;
		h.servers = old->servers;
		c->host = *old;
	}
	host_put(p, &h);
}

bool placement_host_remove(struct placement *p, int64_t host_id)
{
	int64_t slot = map_get(&p->by_id, host_id);

	if (slot == MAP_NONE)
		return true;
	if (p->hosts[slot].servers)
		return false;
	journal(p, CHANGE_HOST_REMOVE, host_id)->host = host_pull(p, (size_t)slot);
	return true;
}

size_t placement_hosts(const struct placement *p)
{
	return p->hosts_n;
}

static void holding_add(struct placement *p, const struct holding *h)
{
	if (p->holdings_n == p->holdings_cap) {
		p->holdings_cap = p->holdings_cap ? 2 * p->holdings_cap : 64;
		p->holdings = xrealloc(p->holdings, p->holdings_cap * sizeof *p->holdings);
	}
	map_set(&p->by_server, h->server, (int64_t)p->holdings_n);
	p->holdings[p->holdings_n++] = *h;
}

static struct holding holding_pull(struct placement *p, size_t at)
{
	struct holding h = p->holdings[at];
	size_t last = --p->holdings_n;

	map_remove(&p->by_server, h.server);
	if (at != last) {
		p->holdings[at] = p->holdings[last];
		map_set(&p->by_server, p->holdings[at].server, (int64_t)at);
	}
	return h;
}

static int lacks(struct error *err, const struct host *h, const char *what, int64_t want, int64_t have)
{
	return error_set(err, ERR_CONFLICT, "host %s has %" PRId64 " %s left, not %" PRId64, h->name, have,
		what, want);
}

/* The GPUs of the choice are free, each named once, and of the models that were asked for. */
static int gpus_fit(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct placement_choice *choice, struct error *err)
{
	int left[PLACEMENT_GPU_KINDS_MAX] = { 0 };
	size_t wanted = 0;

	for (size_t k = 0; k < req->gpus_n; k++)
		wanted += (size_t)(left[k] = req->gpus[k].count);
	if (wanted != choice->gpus_n)
		return error_set(err, ERR_CONFLICT, "%zu GPUs were chosen where %zu are wanted",
			choice->gpus_n, wanted);
	for (size_t i = 0; i < choice->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, choice->gpu_ids[i]);
		size_t k = 0;

		if (!g || !gpu_free(g))
			return error_set(err, ERR_CONFLICT, "GPU %" PRId64 " of host %s is not free",
				choice->gpu_ids[i], h->name);
		while (k < req->gpus_n &&
			(!left[k] || words_find(&p->models, req->gpus[k].model) != g->model))
			k++;
		if (k == req->gpus_n)
			return error_set(err, ERR_CONFLICT,
				"GPU %" PRId64 " of host %s is not of a wanted model", g->id, h->name);
		left[k]--;
	}
	return 0;
}

static bool named_twice(const struct placement_choice *c)
{
	for (size_t i = 0; i < c->gpus_n; i++)
		for (size_t j = 0; j < i; j++)
			if (c->gpu_ids[i] == c->gpu_ids[j])
				return true;
	return false;
}

static int check_fits(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct placement_choice *choice, struct error *err)
{
	int64_t vcpus = h->vcpus - h->vcpus_used, ram = h->ram_mib - h->ram_used_mib,
		disk = h->disk_gib - h->disk_used_gib;

	if (vcpus < req->vcpus)
		return lacks(err, h, "vcpus", req->vcpus, vcpus);
	if (ram < req->ram_mib)
		return lacks(err, h, "MiB of ram", req->ram_mib, ram);
	if (disk < req->disk_gib)
		return lacks(err, h, "GiB of disk", req->disk_gib, disk);
	return gpus_fit(p, h, req, choice, err);
}

/* What runs has its GPU even if the inventory does not list it: it is added as one that is gone. One that
 * another server has is an error in any case. */
static int force_gpus(struct placement *p, size_t slot, const struct placement_request *req,
	const struct placement_choice *choice, struct error *err)
{
	struct host *h = &p->hosts[slot];
	const char *model = req->gpus_n ? req->gpus[0].model : "";
	size_t missing = 0;

	for (size_t i = 0; i < choice->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, choice->gpu_ids[i]);

		missing += !g;
		if (g && g->owner != NO_OWNER)
			return error_set(err, ERR_CONFLICT,
				"GPU %" PRId64 " of host %s is taken by server %" PRId64, g->id, h->name,
				g->owner);
	}
	if (!missing)
		return 0;
	h->gpus = xrealloc(h->gpus, (h->gpus_n + missing) * sizeof *h->gpus);
	for (size_t i = 0; i < choice->gpus_n; i++)
		if (!host_gpu(h, choice->gpu_ids[i]))
			h->gpus[h->gpus_n++] = (struct gpu) { .id = choice->gpu_ids[i],
				.model = words_have(&p->models, model),
				.cell = -1,
				.gone = true };
	qsort(h->gpus, h->gpus_n, sizeof *h->gpus, by_gpu_id);
	return 0;
}

int placement_take(struct placement *p, int64_t server_id, const struct placement_request *req,
	const struct placement_choice *choice, bool force, struct error *err)
{
	int64_t slot = map_get(&p->by_id, choice->host_id);
	struct holding h = { server_id, choice->host_id, req->vcpus, req->ram_mib, req->disk_gib };
	int rc;

	if (slot == MAP_NONE)
		return error_set(err, ERR_CONFLICT, "host %" PRId64 " is not known", choice->host_id);
	if (map_get(&p->by_server, server_id) != MAP_NONE)
		return error_set(err, ERR_CONFLICT, "server %" PRId64 " holds something already", server_id);
	if (named_twice(choice))
		return error_set(err, ERR_CONFLICT, "a GPU is named twice");
	rc = force ? force_gpus(p, (size_t)slot, req, choice, err)
		   : check_fits(p, &p->hosts[slot], req, choice, err);
	if (rc < 0)
		return -1;
	host_charge(p, (size_t)slot, 1, &h, choice->gpu_ids, choice->gpus_n, server_id);
	holding_add(p, &h);
	journal(p, CHANGE_TAKE, server_id);
	return 0;
}

/* Gives back without journal; the GPUs' ids into *out_gpus, to be freed by the caller. False: it held
 * nothing. */
static bool give_back(
	struct placement *p, int64_t server_id, struct holding *out, int64_t **out_gpus, size_t *out_n)
{
	int64_t at = map_get(&p->by_server, server_id);
	const struct host *h;
	int64_t slot;

	if (at == MAP_NONE)
		return false;
	*out = holding_pull(p, (size_t)at);
	slot = map_get(&p->by_id, out->host);
	h = &p->hosts[slot];
	*out_gpus = h->gpus_n ? xcalloc(h->gpus_n, sizeof **out_gpus) : NULL;
	*out_n = 0;
	for (size_t i = 0; i < h->gpus_n; i++)
		if (h->gpus[i].owner == server_id)
			(*out_gpus)[(*out_n)++] = h->gpus[i].id;
	host_charge(p, (size_t)slot, -1, out, *out_gpus, *out_n, server_id);
	return true;
}

void placement_release(struct placement *p, int64_t server_id)
{
	struct holding h;
	int64_t *gpus;
	size_t n;
	struct change *c;

	if (!give_back(p, server_id, &h, &gpus, &n))
		return;
	c = journal(p, CHANGE_RELEASE, server_id);
	c->holding = h;
	c->gpus = gpus;
	c->gpus_n = n;
}

size_t placement_mark(const struct placement *p)
{
	return p->log_n;
}

static void undo_one(struct placement *p, struct change *c)
{
	struct holding h;
	struct host host;
	size_t slot;

	switch (c->kind) {
	case CHANGE_TAKE:
		give_back(p, c->id, &h, &c->gpus, &c->gpus_n);
		break;
	case CHANGE_RELEASE:
		slot = (size_t)map_get(&p->by_id, c->holding.host);
		host_charge(p, slot, 1, &c->holding, c->gpus, c->gpus_n, c->holding.server);
		holding_add(p, &c->holding);
		break;
	case CHANGE_HOST_ADD:
		host = host_pull(p, (size_t)map_get(&p->by_id, c->id));
		free(host.gpus);
		break;
	case CHANGE_HOST_SET:
		free(p->hosts[map_get(&p->by_id, c->id)].gpus);
		host_put(p, &c->host);
		c->host.gpus = NULL; /* it is p's again */
		break;
	case CHANGE_HOST_REMOVE:
		host_put(p, &c->host);
		c->host.gpus = NULL;
		break;
	}
}

void placement_undo(struct placement *p, size_t mark)
{
	while (p->log_n > mark) {
		struct change *c = &p->log[--p->log_n];

		undo_one(p, c);
		change_finish(c);
	}
}

void placement_forget(struct placement *p)
{
	while (p->log_n)
		change_finish(&p->log[--p->log_n]);
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
