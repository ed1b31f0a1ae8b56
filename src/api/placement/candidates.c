/* SPDX-License-Identifier: Apache-2.0 */
/* GET /allocation_candidates: one for each host that has room, the engine's favourite first, with the GPUs
 * that the engine would give where it can tell. */
#include "api/placement/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "api/placement/placement.h"
#include "base/util.h"
#include "flow/flow.h"

/* ---- what the engine says ---- */

static int64_t asked_of(const struct candidate_query *q, const char *name)
{
	int64_t sum = 0;

	for (size_t i = 0; i < q->groups_n; i++)
		for (size_t k = 0; k < q->groups[i].want.amounts_n; k++)
			if (strcmp(q->groups[i].want.amounts[k].name, name) == 0)
				sum += q->groups[i].want.amounts[k].n;
	return sum;
}

static bool knows_model(const struct placement_request *req, const char *model)
{
	for (size_t i = 0; i < req->gpus_n; i++)
		if (strcmp(req->gpus[i].model, model) == 0)
			return true;
	return false;
}

/* The query as the engine knows it: the host's own amounts, and whole GPUs. The rest is looked for without
 * it. */
static struct placement_request engine_request(const struct candidate_query *q, const struct rp_tree *t)
{
	struct placement_request req = { .vcpus = asked_of(q, "VCPU"),
		.ram_mib = asked_of(q, "MEMORY_MB"),
		.disk_gib = asked_of(q, "DISK_GB"),
		.link = PLACEMENT_PREFERRED };

	for (size_t i = 0; i < t->n && req.gpus_n < PLACEMENT_GPU_KINDS_MAX; i++) {
		const struct rp *p = &t->all[i];
		int64_t n;

		if (p->kind != RP_GPU || p->classes_n != 1 || !*p->model || knows_model(&req, p->model))
			continue;
		n = asked_of(q, p->classes[0].name);
		/* a profile's class says more than the model */
		if (!n || n > PLACEMENT_GPUS_MAX ||
			strcmp(p->classes[0].name + strlen("CUSTOM_GPU_"),
				p->traits[0] + strlen("CUSTOM_GPU_MODEL_")) != 0)
			continue;
		str_copy(req.gpus[req.gpus_n].model, sizeof req.gpus[0].model, p->model);
		req.gpus[req.gpus_n++].count = (int)n;
	}
	return req;
}

static int by_score(const void *pa, const void *pb)
{
	const struct placement_verdict *a = pa, *b = pb;

	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	return a->host_id < b->host_id ? -1 : a->host_id > b->host_id;
}

static void prefer(struct placement *p, struct placement_request *req, struct candidate *k, size_t root)
{
	struct placement_choice choice;
	struct error ignored;

	str_copy(req->host, sizeof req->host, k->tree->all[root].name);
	if (placement_choose(p, req, 1, &choice, &ignored) < 0)
		return;
	for (size_t i = root; i < rp_tree_end(k->tree, root); i++)
		for (size_t g = 0; g < choice.gpus_n; g++)
			if (k->tree->all[i].kind == RP_GPU && k->tree->all[i].key == choice.gpus[g].id)
				k->tree->all[i].preferred = true;
}

/* ---- the answer ---- */

/* The first item that has this provider. */
static bool is_first(const struct candidate *k, size_t item)
{
	for (size_t i = 0; i < item; i++)
		if (k->items[i].at == k->items[item].at)
			return false;
	return true;
}

static void write_asked(struct api_call *c, const struct rp *p)
{
	jw_key(&c->out, "resources");
	jw_object(&c->out);
	for (size_t i = 0; i < p->classes_n; i++)
		if (p->classes[i].asked)
			jw_kv_int(&c->out, p->classes[i].name, p->classes[i].asked);
	jw_end_object(&c->out);
}

static bool is_asked(const struct rp *p)
{
	for (size_t i = 0; i < p->classes_n; i++)
		if (p->classes[i].asked)
			return true;
	return false;
}

/* A list with the providers in it, below 1.12. */
static void write_allocations(struct api_call *c, const struct candidate *k)
{
	bool list = c->version < SINCE_BY_PROVIDER;

	jw_key(&c->out, "allocations");
	(list ? jw_array : jw_object)(&c->out);
	for (size_t i = 0; i < k->items_n; i++) {
		const struct rp *p = &k->tree->all[k->items[i].at];

		if (!is_first(k, i) || !is_asked(p))
			continue;
		if (!list)
			jw_key(&c->out, p->uid);
		jw_object(&c->out);
		if (list) {
			jw_key(&c->out, "resource_provider");
			jw_object(&c->out);
			jw_kv_str(&c->out, "uuid", p->uid);
			jw_end_object(&c->out);
		}
		write_asked(c, p);
		jw_end_object(&c->out);
	}
	(list ? jw_end_array : jw_end_object)(&c->out);
}

static void write_mappings(struct api_call *c, const struct candidate *k)
{
	jw_key(&c->out, "mappings");
	jw_object(&c->out);
	for (size_t g = 0; g < k->query->groups_n; g++) {
		jw_key(&c->out, k->query->groups[g].suffix);
		jw_array(&c->out);
		for (size_t i = 0; i < k->items_n; i++) {
			bool before = k->items[i].group != g;

			for (size_t n = 0; n < i && !before; n++)
				before = k->items[n].group == g && k->items[n].at == k->items[i].at;
			if (!before)
				jw_str(&c->out, k->tree->all[k->items[i].at].uid);
		}
		jw_end_array(&c->out);
	}
	jw_end_object(&c->out);
}

static void write_candidate(struct api_call *c, const struct candidate *k)
{
	jw_object(&c->out);
	write_allocations(c, k);
	if (c->version >= SINCE_MAPPINGS)
		write_mappings(c, k);
	jw_end_object(&c->out);
}

static void write_summary(struct api_call *c, const struct candidate *k, size_t at)
{
	const struct rp *p = &k->tree->all[at];

	jw_key(&c->out, p->uid);
	jw_object(&c->out);
	jw_key(&c->out, "resources");
	jw_object(&c->out);
	for (size_t i = 0; i < p->classes_n; i++) {
		const struct rp_class *r = &p->classes[i];

		if (c->version < SINCE_ALL_CLASSES && !asked_of(k->query, r->name))
			continue;
		jw_key(&c->out, r->name);
		jw_object(&c->out);
		jw_kv_int(&c->out, "capacity", rp_class_capacity(r));
		jw_kv_int(&c->out, "used", r->used);
		jw_end_object(&c->out);
	}
	jw_end_object(&c->out);
	if (c->version >= SINCE_SUMMARY_TRAITS)
		placement_kv_traits(c, p);
	if (c->version >= SINCE_CANDIDATE_TREES) {
		jw_kv_str(&c->out, "parent_provider_uuid",
			p->parent == at ? NULL : k->tree->all[p->parent].uid);
		jw_kv_str(&c->out, "root_provider_uuid", k->tree->all[p->root].uid);
	}
	jw_end_object(&c->out);
}

/* ---- which hosts ---- */

struct hunt {
	struct api_call *c;
	struct candidate_query query;
	struct candidate k;
	struct rp_tree tree;
	struct provider_member *members;
	size_t members_n;
	int64_t only_host; /* 0: any; -1: none */
	size_t *roots;     /* of the hosts that are candidates */
	size_t roots_n;
};

/* The trees that groups are bound to are one, or none will do. */
static int read_in_tree(struct hunt *h, struct error *err)
{
	for (size_t i = 0; i < h->query.groups_n; i++) {
		const char *uid = h->query.groups[i].want.in_tree;
		int64_t host = -1;
		struct rp_tree t;
		size_t at;

		if (!uid)
			continue;
		if (rp_tree_find(h->c, uid, &t, &at, err) == 0)
			host = t.all[at].host_id;
		else if (err->code != ERR_NOT_FOUND)
			return -1;
		h->only_host = !h->only_host || h->only_host == host ? host : -1;
	}
	return 0;
}

static bool may(const struct hunt *h, size_t root)
{
	const struct rp *host = &h->tree.all[root];

	if (!want_has_traits(host, &h->query.root))
		return false;
	for (size_t i = 0; i < h->query.groups_n; i++)
		if (!want_is_member(h->members, h->members_n, host->host_id, &h->query.groups[i].want))
			return false;
	return true;
}

/* The place of a host in the tree; t->n: it has none. Hosts are by row there. */
static size_t root_of(const struct rp_tree *t, int64_t host_id)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->all[mid].host_id < host_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->n && t->all[lo].host_id == host_id ? lo : t->n;
}

static void hunt_hosts(struct hunt *h)
{
	struct placement *p = flow_placement(h->c->api->flows);
	struct placement_request req = engine_request(&h->query, &h->tree);
	size_t n = placement_hosts(p);
	struct placement_verdict *verdicts = ARENA_ARRAY(h->c->arena, struct placement_verdict, n + 1);
	bool trees = h->c->version >= SINCE_CANDIDATE_TREES;

	placement_explain(p, &req, verdicts);
	if (n)
		qsort(verdicts, n, sizeof *verdicts, by_score);
	h->roots = ARENA_ARRAY(h->c->arena, size_t, n + 1);
	for (size_t i = 0; i < n && (int64_t)h->roots_n < h->query.limit; i++) {
		size_t root = root_of(&h->tree, verdicts[i].host_id);

		if (verdicts[i].rule != RULE_OK || root == h->tree.n || !may(h, root))
			continue;
		if (req.gpus_n && trees)
			prefer(p, &req, &h->k, root);
		if (candidate_find(&h->k, root, trees)) {
			write_candidate(h->c, &h->k);
			h->roots[h->roots_n++] = root;
		}
		candidate_clear(&h->k);
	}
}

static bool has_members(const struct candidate_query *q)
{
	for (size_t i = 0; i < q->groups_n; i++)
		if (q->groups[i].want.members_n)
			return true;
	return false;
}

static int load(struct hunt *h, struct error *err)
{
	struct api_call *c = h->c;

	if (candidate_query_read(c, &h->query, err) < 0 || read_in_tree(h, err) < 0 ||
		(h->only_host >= 0 && rp_tree_load(c, h->only_host, &h->tree, err) < 0) ||
		(has_members(&h->query) &&
			store_provider_aggregates(c->db, c->arena, 0, &h->members, &h->members_n, err) < 0))
		return -1;
	candidate_items(c->arena, &h->query, &h->k);
	h->k.tree = &h->tree;
	h->k.order = ARENA_ARRAY(c->arena, size_t, h->tree.n + 1);
	return 0;
}

int candidate_list(struct api_call *c, struct error *err)
{
	struct hunt *h = ARENA_NEW(c->arena, struct hunt);

	h->c = c;
	if (load(h, err) < 0)
		return -1;
	placement_fresh(c);
	jw_object(&c->out);
	jw_key(&c->out, "allocation_requests");
	jw_array(&c->out);
	hunt_hosts(h);
	jw_end_array(&c->out);
	jw_key(&c->out, "provider_summaries");
	jw_object(&c->out);
	for (size_t i = 0; i < h->roots_n; i++) {
		size_t end = c->version >= SINCE_CANDIDATE_TREES ? rp_tree_end(&h->tree, h->roots[i])
								 : h->roots[i] + 1;

		for (size_t at = h->roots[i]; at < end; at++)
			write_summary(c, &h->k, at);
	}
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
