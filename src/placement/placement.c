/* SPDX-License-Identifier: Apache-2.0 */
/* What servers take of hosts, and the journal. Choosing is in choose.c. */
#include "placement/placement.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/state.h"

enum { LOG_KEEP = 4096 }; /* changes */

struct placement *placement_create(void)
{
	return xcalloc(1, sizeof(struct placement));
}

static void change_finish(struct change *c)
{
	free(c->gpus);
	if (c->host)
		free(c->host->gpus);
	free(c->host);
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

struct change *journal_add(struct placement *p, enum change_kind kind, int64_t id)
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
		const struct gpu *g = host_gpu(h, choice->gpus[i].id);
		size_t k = 0;

		if (!g || !gpu_free(g))
			return error_set(err, ERR_CONFLICT, "GPU %" PRId64 " of host %s is not free",
				choice->gpus[i].id, h->name);
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
			if (c->gpus[i].id == c->gpus[j].id)
				return true;
	return false;
}

static int check_fits(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct placement_choice *choice, struct error *err)
{
	int64_t vcpus = h->vcpus - h->vcpus_used, ram = h->ram_mib - h->ram_used_mib,
		disk = h->disk_gib - h->disk_used_gib;

	if (h->exclusives || ((h->exclusive || req->exclusive) && h->servers))
		return error_set(err, ERR_CONFLICT, "host %s is not shared", h->name);
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

	for (size_t i = 0; i < choice->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, choice->gpus[i].id);

		if (g && g->owner != NO_OWNER)
			return error_set(err, ERR_CONFLICT,
				"GPU %" PRId64 " of host %s is taken by server %" PRId64, g->id, h->name,
				g->owner);
	}
	for (size_t i = 0; i < choice->gpus_n; i++)
		if (!host_gpu(h, choice->gpus[i].id))
			host_gpu_add_gone(p, h, choice->gpus[i].id, model);
	return 0;
}

int placement_take(struct placement *p, int64_t server_id, const struct placement_request *req,
	const struct placement_choice *choice, bool force, struct error *err)
{
	int64_t slot = map_get(&p->by_id, choice->host_id);
	struct holding h = { server_id, choice->host_id, req->vcpus, req->ram_mib, req->disk_gib,
		req->exclusive };
	int64_t ids[PLACEMENT_GPUS_MAX];
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
	for (size_t i = 0; i < choice->gpus_n; i++)
		ids[i] = choice->gpus[i].id;
	host_charge(p, (size_t)slot, 1, &h, ids, choice->gpus_n, server_id);
	holding_add(p, &h);
	journal_add(p, CHANGE_TAKE, server_id);
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
	c = journal_add(p, CHANGE_RELEASE, server_id);
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
		host_put(p, c->host);
		c->host->gpus = NULL; /* it is p's again */
		break;
	case CHANGE_HOST_REMOVE:
		host_put(p, c->host);
		c->host->gpus = NULL;
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
	if (p->log_cap > LOG_KEEP) { /* a tick is small; loading all servers at start is not */
		free(p->log);
		p->log = NULL;
		p->log_cap = 0;
	}
}
