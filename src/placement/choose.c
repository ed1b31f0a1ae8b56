/* SPDX-License-Identifier: Apache-2.0 */
/* Which host a server gets: the lowest score of those that pass all rules, after what a soft policy prefers;
 * the lower id where scores are equal. */
#include "placement/choose.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { LIST_SHORT = 16 }; /* hosts that are asked one by one, without a tree */

struct tree *choose_tree(struct choosing *c)
{
	if (!c->tree)
		c->tree = index_tree(c->p, &c->q->key);
	return c->tree;
}

/* ---- lists ---- */

struct candidate {
	int64_t preference, score, id;
	size_t slot;
	bool there;
};

static bool better(const struct candidate *a, const struct candidate *b)
{
	if (!b->there || a->preference != b->preference)
		return !b->there || a->preference < b->preference;
	return a->score != b->score ? a->score < b->score : a->id < b->id;
}

/* Where a tree is at hand, it knows; but not of a host that is kept for this very server. */
static bool fits(const struct choosing *c, size_t slot, int64_t *score)
{
	if (!c->tree || c->p->hot[slot].held)
		return query_ask(c->q, slot, score) == RULE_OK;
	if (tree_code(c->tree, slot) != RULE_OK || query_rule(c->q, slot) != RULE_OK)
		return false;
	*score = tree_score(c->tree, slot);
	return true;
}

static void consider(const struct choosing *c, int64_t id, struct candidate *best)
{
	int64_t slot = map_get(&c->p->by_id, id);
	struct candidate one = { .id = id, .slot = (size_t)slot, .there = true };

	if (slot == MAP_NONE || !fits(c, one.slot, &one.score))
		return;
	one.preference = query_preference(c->q, one.slot);
	if (better(&one, best))
		*best = one;
}

static void consider_list(struct choosing *c, const struct id_set *ids, struct candidate *best)
{
	if (ids->n > LIST_SHORT)
		choose_tree(c);
	for (size_t i = 0; i < ids->n; i++)
		consider(c, ids->ids[i], best);
}

static void consider_members(struct choosing *c, struct candidate *best)
{
	const struct map *m = &c->q->members;

	for (size_t i = 0; i < m->cap; i++)
		if (m->entries[i].value > 0)
			consider(c, m->entries[i].key, best);
}

/* A host that is kept for this server, which trees count as refused. */
static void consider_held(struct choosing *c, struct candidate *best)
{
	for (size_t i = 0; c->q->req->server && c->p->held_n && i < c->p->hosts_n; i++)
		if (c->p->hot[i].held && c->p->hosts[i]->held_for == c->q->req->server)
			consider(c, c->p->hot[i].id, best);
}

/* The shortest list that the host must be on; NULL: there is none, or none that is short. */
static const struct id_set *list_of(const struct query *q)
{
	const struct id_set *list = q->req->within ? &q->within : NULL;

	if (q->req->eligible && (!list || q->eligible.n < list->n))
		list = &q->eligible;
	return list && (list->n <= LIST_SHORT || list->n < q->p->hosts_n / 8) ? list : NULL;
}

/* ---- the tree ---- */

static bool accept(void *ctx, size_t slot)
{
	const struct choosing *c = ctx;

	return query_rule(c->q, slot) == RULE_OK;
}

/* Soft policies come before scores, so hosts without members are looked at apart from those with. */
static bool accept_stranger(void *ctx, size_t slot)
{
	const struct choosing *c = ctx;

	return !query_members_on(c->q, c->p->hot[slot].id) && query_rule(c->q, slot) == RULE_OK;
}

static void consider_all(struct choosing *c, tree_accept_fn *fn, struct candidate *best)
{
	const struct tree *t = choose_tree(c);
	size_t slot;

	if (!tree_best(t, c->q->narrow ? fn : NULL, c, &slot))
		return;
	*best = (struct candidate) {
		.score = tree_score(t, slot), .id = c->p->hot[slot].id, .slot = slot, .there = true
	};
}

bool choose_slot(struct choosing *c, size_t *out)
{
	const struct query *q = c->q;
	const struct id_set *list = list_of(q);
	struct candidate best = { .there = false };

	if (*q->req->host)
		consider(c, q->named, &best);
	else if (list)
		consider_list(c, list, &best);
	else if (q->req->policy == PLACEMENT_TOGETHER && q->members_all)
		consider_members(c, &best);
	else if (q->req->policy == PLACEMENT_SOFT_TOGETHER || q->req->policy == PLACEMENT_SOFT_APART) {
		if (q->req->policy == PLACEMENT_SOFT_TOGETHER)
			consider_members(c, &best);
		if (!best.there)
			consider_all(c, accept_stranger, &best);
		if (!best.there)
			consider_members(c, &best);
	} else
		consider_all(c, accept, &best);
	consider_held(c, &best);
	*out = best.slot;
	return best.there;
}

/* ---- for all to use ---- */

void choose_on(const struct query *q, size_t slot, struct placement_choice *out)
{
	fit_pick(q->p->hosts[slot], &q->key.shape, out);
	out->host_id = q->p->hot[slot].id;
}

static int choose_one(struct choosing *c, struct placement_choice *out, struct error *err)
{
	size_t slot;

	if (!choose_slot(c, &slot))
		return no_host(c, PLACEMENT_ANYWHERE, 0, 1, err);
	choose_on(c->q, slot, out);
	return 0;
}

int placement_choose(struct placement *p, const struct placement_request *req, size_t n,
	struct placement_choice *out, struct error *err)
{
	CLEANUP(query_finish) struct query q = { .p = NULL };
	CLEANUP(free_ptr) struct taken *taken = NULL;
	struct choosing c = { .p = p, .q = &q };
	struct gang g = { .c = &c };
	int rc = 0;

	hosts_order(p);
	q = query_make(p, req);
	if (n == 1)
		return choose_one(&c, out, err);
	taken = xmalloc(n * sizeof *taken);
	g.taken = taken;
	gang_choose(&g, n);
	if (g.n < n)
		rc = no_host(&c, g.lacks, g.most, n,
			err); /* while the others are charged: that is what refused it */
	else
		gang_tell(&g, out);
	gang_undo(&g);
	return rc;
}
