/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/score.h"

/* ---- the shape ---- */

/* "h100|h200" as bits. Models that no host has give none: any of them refuses every host. */
static uint64_t models_of(const struct placement *p, const char *text)
{
	char name[PLACEMENT_MODELS], *save, *word;
	uint64_t models = 0;

	if (!*text)
		return UINT64_MAX;
	str_copy(name, sizeof name, text);
	for (word = strtok_r(name, "|", &save); word; word = strtok_r(NULL, "|", &save)) {
		uint32_t model = words_find(&p->models, word);

		if (model < MODELS_MAX)
			models |= UINT64_C(1) << model;
	}
	return models;
}

static bool alike(const struct shape_gpu *a, const struct shape_gpu *b)
{
	/* models that no host has stay apart */
	return a->models && a->models == b->models && a->share == b->share &&
	       strcmp(a->profile, b->profile) == 0;
}

static void shape_add_gpus(const struct placement *p, const struct placement_gpu_want *want, struct shape *s)
{
	struct shape_gpu g = { .models = models_of(p, want->model),
		.share = want->share > 0 && want->share < PLACEMENT_SHARE ? want->share : PLACEMENT_SHARE };
	int count = want->count <= PLACEMENT_GPUS_MAX ? want->count : PLACEMENT_GPUS_MAX + 1;
	int k = 0;

	if (count <= 0)
		return;
	for (size_t i = 0; want->profile[i] && i + 1 < sizeof g.profile; i++)
		g.profile[i] = want->profile[i];
	while (k < s->gpus_n && !alike(&s->gpus[k], &g))
		k++;
	if (k == s->gpus_n)
		s->gpus[s->gpus_n++] = g;
	s->gpus[k].count += count;
	s->gpus_total += count;
}

struct shape shape_of(const struct placement *p, const struct placement_request *req)
{
	struct shape s;
	size_t gpus = req->gpus_n < PLACEMENT_GPU_KINDS_MAX ? req->gpus_n : PLACEMENT_GPU_KINDS_MAX;
	size_t cells = req->cells_n < PLACEMENT_GUEST_CELLS_MAX ? req->cells_n : PLACEMENT_GUEST_CELLS_MAX;

	memset(&s, 0, sizeof s);
	s.vcpus = req->vcpus;
	s.ram_mib = req->ram_mib;
	s.disk_gib = req->disk_gib;
	s.reservation = req->reservation;
	for (size_t i = 0; i < gpus; i++)
		shape_add_gpus(p, &req->gpus[i], &s);
	for (size_t i = 0; i < cells; i++) {
		s.cells[i].vcpus = req->cells[i].vcpus;
		s.cells[i].ram_mib = req->cells[i].ram_mib;
	}
	s.cells_n = (int32_t)cells;
	if (!cells && (req->dedicated || req->page_kib != PAGE_ANY)) {
		s.cells[0].vcpus = (int)req->vcpus;
		s.cells[0].ram_mib = req->ram_mib;
		s.cells_n = 1;
	}
	s.page_kib = req->page_kib;
	s.link = (int32_t)req->link;
	s.pci = (int32_t)req->pci;
	s.threads = (int32_t)req->threads;
	s.dedicated = req->dedicated;
	s.preemptible = req->preemptible;
	s.exclusive = req->exclusive;
	return s;
}

void shape_know_models(struct placement *p, const struct placement_request *req)
{
	char name[PLACEMENT_MODELS], *save, *word;

	for (size_t i = 0; i < req->gpus_n; i++) {
		str_copy(name, sizeof name, req->gpus[i].model);
		for (word = strtok_r(name, "|", &save); word; word = strtok_r(NULL, "|", &save))
			words_have(&p->models, word);
	}
}

/* ---- lists ---- */

static int by_id(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct id_set id_set_make(const int64_t *ids, size_t n)
{
	struct id_set s = { .ids = ids, .n = n };
	size_t i = 1;

	while (i < n && ids[i - 1] <= ids[i])
		i++;
	if (i >= n)
		return s;
	s.owned = xmalloc(n * sizeof *ids);
	memcpy(s.owned, ids, n * sizeof *ids);
	qsort(s.owned, n, sizeof *ids, by_id);
	s.ids = s.owned;
	return s;
}

bool id_set_has(const struct id_set *s, int64_t id)
{
	return s->n && bsearch(&id, s->ids, s->n, sizeof id, by_id);
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void query_traits(struct query *q)
{
	const struct placement_request *req = q->req;
	size_t n = req->traits_required_n + req->traits_forbidden_n;

	if (!n)
		return;
	q->traits = xmalloc(n * sizeof *q->traits);
	for (size_t i = 0; i < req->traits_required_n; i++)
		q->traits[q->required_n++] = words_find(&q->p->traits, req->traits_required[i]);
	if (q->required_n)
		qsort(q->traits, q->required_n, sizeof *q->traits, by_number);
	for (size_t i = 0; i < req->traits_forbidden_n; i++)
		q->traits[q->required_n + q->forbidden_n++] =
			words_find(&q->p->traits, req->traits_forbidden[i]);
	q->key.traits_n = (uint32_t)(q->required_n < KEY_TRAITS ? q->required_n : KEY_TRAITS);
	memcpy(q->key.traits, q->traits, q->key.traits_n * sizeof *q->traits);
}

static int64_t host_named(const struct placement *p, const char *name)
{
	const struct host *h = host_by_id(p, map_get(&p->by_name, text_hash(name)));

	if (!h || strcmp(h->name, name) == 0)
		return h ? h->id : MAP_NONE;
	for (size_t i = 0; i < p->hosts_n; i++) /* another name has the same hash */
		if (strcmp(p->hosts[i]->name, name) == 0)
			return p->hosts[i]->id;
	return MAP_NONE;
}

struct query query_make(const struct placement *p, const struct placement_request *req)
{
	struct query q;

	memset(&q, 0, sizeof q); /* the key's unused bytes as well */
	q.p = p;
	q.req = req;
	q.key.shape = shape_of(p, req);
	q.key.zone = *req->zone ? words_find(&p->labels, req->zone) : WORD_NONE;
	q.named = *req->host ? host_named(p, req->host) : MAP_NONE;
	q.avoid = id_set_make(req->avoid, req->avoid_n);
	q.within = id_set_make(req->within, req->within ? req->within_n : 0);
	q.eligible = id_set_make(req->eligible, req->eligible ? req->eligible_n : 0);
	q.apart = id_set_make(req->apart, req->apart_n);
	query_traits(&q);
	for (size_t i = 0; req->policy != PLACEMENT_NO_GROUP && i < req->members_n; i++)
		query_member(&q, req->members[i].host_id, req->members[i].n);
	q.narrow = *req->host || req->avoid_n || req->within || req->eligible || req->apart_n ||
		   q.forbidden_n || q.required_n > KEY_TRAITS || req->policy != PLACEMENT_NO_GROUP ||
		   (*req->zone && q.key.zone == WORD_NONE);
	return q;
}

void query_finish(struct query *q)
{
	free(q->avoid.owned);
	free(q->within.owned);
	free(q->eligible.owned);
	free(q->apart.owned);
	free(q->traits);
	map_finish(&q->members);
}

/* ---- the rules ---- */

void query_member(struct query *q, int64_t host_id, int n)
{
	if (q->req->policy == PLACEMENT_NO_GROUP || !n)
		return;
	map_set(&q->members, host_id, query_members_on(q, host_id) + n);
	q->members_all += host_by_id(q->p, host_id) ? n : 0;
}

int64_t query_members_on(const struct query *q, int64_t host_id)
{
	int64_t n = map_get(&q->members, host_id);

	return n == MAP_NONE ? 0 : n;
}

static bool host_has(const struct host *h, uint32_t trait)
{
	return h->traits_n && bsearch(&trait, h->traits, h->traits_n, sizeof trait, by_number);
}

bool host_has_traits(const struct host *h, const uint32_t *traits, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!host_has(h, traits[i]))
			return false;
	return true;
}

static bool traits_refuse(const struct query *q, const struct host *h)
{
	if (!host_has_traits(h, q->traits, q->required_n))
		return true;
	for (size_t i = 0; i < q->forbidden_n; i++)
		if (host_has(h, q->traits[q->required_n + i]))
			return true;
	return false;
}

static bool group_refuses(const struct query *q, int64_t id)
{
	const struct placement_request *req = q->req;
	int64_t most = req->max_per_host > 0 ? req->max_per_host : 1;

	if ((req->within && !id_set_has(&q->within, id)) || id_set_has(&q->avoid, id))
		return true;
	return (req->policy == PLACEMENT_APART && query_members_on(q, id) >= most) ||
	       (req->policy == PLACEMENT_TOGETHER && q->members_all && !query_members_on(q, id));
}

enum placement_rule query_rule_of_place(const struct query *q, size_t slot)
{
	const struct hot *h = &q->p->hot[slot];
	const struct placement_request *req = q->req;

	if (h->state != PLACEMENT_UP)
		return RULE_HOST_STATE;
	if (*req->host && h->id != q->named)
		return RULE_HOST_NAMED;
	if (*req->zone && (h->zone != q->key.zone || q->key.zone == WORD_NONE))
		return RULE_ZONE;
	if (q->traits && traits_refuse(q, q->p->hosts[slot]))
		return RULE_TRAIT;
	if ((req->eligible && !id_set_has(&q->eligible, h->id)) || id_set_has(&q->apart, h->id))
		return RULE_AGGREGATE;
	if ((req->within || q->avoid.n || req->policy != PLACEMENT_NO_GROUP) && group_refuses(q, h->id))
		return RULE_GROUP;
	return RULE_OK;
}

enum placement_rule query_rule(const struct query *q, size_t slot)
{
	const struct hot *h = &q->p->hot[slot];
	enum placement_rule rule = query_rule_of_place(q, slot);

	if (rule != RULE_OK)
		return rule;
	if (h->closed || (q->req->exclusive && h->used))
		return RULE_EXCLUSIVE;
	if (h->held && (!q->req->server || q->p->hosts[slot]->held_for != q->req->server))
		return RULE_HELD;
	return RULE_OK;
}

enum placement_rule query_ask(const struct query *q, size_t slot, int64_t *score)
{
	const struct host *h = q->p->hosts[slot];
	enum placement_rule rule = query_rule(q, slot);

	if (rule == RULE_OK)
		rule = fit_check(h, &q->key.shape, NULL, NULL);
	if (rule == RULE_OK && score)
		*score = score_of(q->p, h, &q->key.shape);
	return rule;
}

int64_t query_preference(const struct query *q, size_t slot)
{
	int64_t id = q->p->hot[slot].id;

	if (q->req->policy == PLACEMENT_SOFT_TOGETHER)
		return -query_members_on(q, id);
	return q->req->policy == PLACEMENT_SOFT_APART ? query_members_on(q, id) : 0;
}
