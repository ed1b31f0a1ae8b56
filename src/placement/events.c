/* SPDX-License-Identifier: Apache-2.0 */
/* The journal as it is told outside: each change with what is needed to do it again and to take it back. */
#include <string.h>

#include "placement/score.h"

#include "base/arena.h"
#include "base/util.h"

struct telling {
	const struct placement *p;
	placement_event_fn *fn;
	void *ctx;
};

/* ---- a host as it was told ---- */

static const struct placement_gpu *gpus_told(const struct placement *p, const struct host *h, struct arena *a)
{
	struct placement_gpu *out = ARENA_ARRAY(a, struct placement_gpu, h->gpus_there + 1);

	for (size_t i = 0; i < h->gpus_there; i++) {
		const struct gpu *g = &h->gpus[i];

		out[i] = (struct placement_gpu) { .id = g->id,
			.numa_cell = g->cell,
			.iommu_group = g->iommu_group,
			.healthy = g->healthy,
			.geometry = g->geometry,
			.shared = g->shared,
			.reserved = g->reserved,
			.reserved_begun = g->reserved_begun };
		str_copy(out[i].model, sizeof out[i].model, p->models.texts[g->model]);
	}
	return out;
}

static void cell_told(const struct cell *c, struct arena *a, struct placement_cell *out)
{
	struct placement_cpu *cpus = ARENA_ARRAY(a, struct placement_cpu, c->cpus_n + 1);

	*out = (struct placement_cell) { .id = c->id,
		.ram_mib = c->ram_mib,
		.pages_2m = c->pages[0],
		.pages_1g = c->pages[1],
		.cpus = cpus };
	for (size_t i = 0; i < c->cpus_n; i++)
		if (!c->cpus[i].gone)
			cpus[out->cpus_n++] = (struct placement_cpu) { c->cpus[i].id, c->cpus[i].core };
}

static void cells_told(const struct host *h, struct arena *a, struct placement_host *out)
{
	struct placement_cell *cells = ARENA_ARRAY(a, struct placement_cell, h->cells_n + 1);

	out->cells = cells;
	for (size_t i = 0; i < h->cells_n; i++)
		if (!h->cells[i].gone)
			cell_told(&h->cells[i], a, &cells[out->cells_n++]);
}

static const struct placement_host *host_told(
	const struct placement *p, const struct host *h, struct arena *a)
{
	struct placement_host *out;
	const char **traits;

	if (!h)
		return NULL;
	out = ARENA_NEW(a, struct placement_host);
	traits = ARENA_ARRAY(a, const char *, h->traits_n + 1);
	for (size_t i = 0; i < h->traits_n; i++)
		traits[i] = p->traits.texts[h->traits[i]];
	*out = (struct placement_host) { .id = h->id,
		.state = h->state,
		.vcpus = h->vcpus,
		.ram_mib = h->ram_mib,
		.disk_gib = h->disk_gib,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.exclusive = h->exclusive,
		.gpus = gpus_told(p, h, a),
		.gpus_n = h->gpus_there,
		.links = h->links,
		.links_n = h->links_n,
		.traits = traits,
		.traits_n = h->traits_n };
	cells_told(h, a, out);
	str_copy(out->name, sizeof out->name, h->name);
	str_copy(out->zone, sizeof out->zone, h->zone);
	str_copy(out->rack, sizeof out->rack, h->rack);
	str_copy(out->fabric, sizeof out->fabric, h->fabric);
	return out;
}

/* ---- what stands after an entry of the journal ---- */

static bool is_host_change(const struct change *c)
{
	return c->kind == CHANGE_HOST_ADD || c->kind == CHANGE_HOST_SET || c->kind == CHANGE_HOST_REMOVE;
}

static const struct host *host_now(const struct placement *p, int64_t id)
{
	int64_t slot = map_get(&p->by_id, id);

	return slot == MAP_NONE ? NULL : p->hosts[slot];
}

/* As the next change of it found it, or as it is. */
static const struct host *host_after(const struct placement *p, size_t at)
{
	for (size_t i = at + 1; i < p->log_n; i++)
		if (is_host_change(&p->log[i]) && p->log[i].id == p->log[at].id)
			return p->log[i].host;
	return host_now(p, p->log[at].id);
}

static const struct holding *holding_after(const struct placement *p, size_t at)
{
	int64_t now;

	for (size_t i = at + 1; i < p->log_n; i++)
		if (p->log[i].kind == CHANGE_RELEASE && p->log[i].id == p->log[at].id)
			return &p->log[i].holding;
	now = map_get(&p->by_server, p->log[at].id);
	return now == MAP_NONE ? NULL : &p->holdings[now];
}

static int64_t held_after(const struct placement *p, size_t at)
{
	const struct host *h;

	for (size_t i = at + 1; i < p->log_n; i++)
		if (p->log[i].kind == CHANGE_HOST_HOLD && p->log[i].id == p->log[at].id)
			return p->log[i].held_for;
	h = host_now(p, p->log[at].id);
	return h ? h->held_for : 0;
}

/* ---- telling ---- */

static int tell_holding(
	const struct telling *t, enum placement_event_kind kind, const struct holding *h, struct error *err)
{
	struct placement_request req;
	struct placement_choice choice;
	struct placement_event ev = { .kind = kind, .request = &req, .choice = &choice };

	if (!h)
		return 0;
	ev.id = h->server;
	holding_tell(t->p, h, &req, &choice);
	return t->fn(t->ctx, &ev, err);
}

static int tell_host(const struct telling *t, int64_t id, const struct host *now, const struct host *before,
	struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct placement_event ev = { .kind = PLACEMENT_HOST_TOLD,
		.id = id,
		.host = host_told(t->p, now, &a),
		.before = host_told(t->p, before, &a) };

	return t->fn(t->ctx, &ev, err);
}

static int tell_hold(const struct telling *t, size_t at, struct error *err)
{
	const struct placement_event ev = { .kind = PLACEMENT_HOST_HELD,
		.id = t->p->log[at].id,
		.held_for = held_after(t->p, at),
		.held_before = t->p->log[at].held_for };

	return t->fn(t->ctx, &ev, err);
}

/* ---- the mix ---- */

/* "h100|h200" */
static void models_told(const struct placement *p, uint64_t models, char *out, size_t size)
{
	size_t at = 0;

	for (uint32_t i = 0; models != UINT64_MAX && i < p->models.n && i < MODELS_MAX; i++) {
		size_t len = strlen(p->models.texts[i]);

		if (!(models >> i & 1) || at + len + 2 > size)
			continue;
		if (at)
			out[at++] = '|';
		memcpy(out + at, p->models.texts[i], len + 1);
		at += len;
	}
}

static struct placement_request shape_told(const struct placement *p, const struct shape *s)
{
	struct placement_request r = { .vcpus = s->vcpus,
		.ram_mib = s->ram_mib,
		.disk_gib = s->disk_gib,
		.gpus_n = (size_t)s->gpus_n,
		.dedicated = s->dedicated,
		.page_kib = s->page_kib };

	for (size_t i = 0; i < r.gpus_n; i++) {
		r.gpus[i].count = s->gpus[i].count;
		r.gpus[i].share = s->gpus[i].share;
		memcpy(r.gpus[i].profile, s->gpus[i].profile, sizeof r.gpus[i].profile);
		models_told(p, s->gpus[i].models, r.gpus[i].model, sizeof r.gpus[i].model);
	}
	return r;
}

static const struct placement_mix *mix_told(const struct placement *p, const struct mix *m, struct arena *a)
{
	struct placement_mix *out;
	struct placement_request *requests;

	if (!m)
		return NULL;
	out = ARENA_NEW(a, struct placement_mix);
	requests = ARENA_ARRAY(a, struct placement_request, m->n + 1);
	for (size_t i = 0; i < m->n; i++)
		requests[i] = shape_told(p, &m->shapes[i]);
	*out = (struct placement_mix) { requests, m->weights, m->n, m->churning };
	return out;
}

/* As the next change of it found it, or as it is. */
static const struct mix *mix_after(const struct placement *p, size_t at)
{
	for (size_t i = at + 1; i < p->log_n; i++)
		if (p->log[i].kind == CHANGE_MIX)
			return p->log[i].mix;
	return p->mix;
}

static int tell_mix(
	const struct telling *t, const struct mix *now, const struct mix *before, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct placement_event ev = { .kind = PLACEMENT_MIX_TOLD,
		.mix = mix_told(t->p, now, &a),
		.mix_before = mix_told(t->p, before, &a) };

	return t->fn(t->ctx, &ev, err);
}

static int tell(const struct telling *t, size_t at, struct error *err)
{
	const struct change *c = &t->p->log[at];

	switch (c->kind) {
	case CHANGE_TAKE:
		return tell_holding(t, PLACEMENT_TAKEN, holding_after(t->p, at), err);
	case CHANGE_RELEASE:
		return tell_holding(t, PLACEMENT_RELEASED, &c->holding, err);
	case CHANGE_HOST_HOLD:
		return tell_hold(t, at, err);
	case CHANGE_MIX:
		return tell_mix(t, mix_after(t->p, at), c->mix, err);
	case CHANGE_HOST_ADD:
	case CHANGE_HOST_SET:
	case CHANGE_HOST_REMOVE:
		break;
	}
	return tell_host(t, c->id, c->kind == CHANGE_HOST_REMOVE ? NULL : host_after(t->p, at), c->host, err);
}

int placement_events(
	const struct placement *p, size_t mark, placement_event_fn *fn, void *ctx, struct error *err)
{
	const struct telling t = { p, fn, ctx };

	for (size_t i = mark; i < p->log_n; i++)
		if (tell(&t, i, err) < 0)
			return -1;
	return 0;
}

int placement_each_host(const struct placement *p, placement_event_fn *fn, void *ctx, struct error *err)
{
	const struct telling t = { p, fn, ctx };

	for (size_t i = 0; i < p->hosts_n; i++)
		if (tell_host(&t, p->hosts[i]->id, p->hosts[i], NULL, err) < 0)
			return -1;
	return 0;
}

int placement_mix_tell(const struct placement *p, placement_event_fn *fn, void *ctx, struct error *err)
{
	const struct telling t = { p, fn, ctx };

	return p->mix ? tell_mix(&t, p->mix, NULL, err) : 0;
}
