/* SPDX-License-Identifier: Apache-2.0 */
/* The first set of providers of one host that serves a query. Like groups get providers in order, and going
 * back is bounded: among eight like GPUs six are found at once, not in each of 20,160 ways. */
#include <string.h>

#include "api/placement/candidates.h"

static bool same_want(const struct rp_want *a, const struct rp_want *b)
{
	if (a->amounts_n != b->amounts_n || a->traits_n || b->traits_n)
		return false;
	for (size_t i = 0; i < a->amounts_n; i++)
		if (strcmp(a->amounts[i].name, b->amounts[i].name) != 0 || a->amounts[i].n != b->amounts[i].n)
			return false;
	return true;
}

static void add_item(struct candidate *k, size_t group, const struct rp_amount *amounts, size_t n)
{
	const struct candidate_item *last = k->items_n ? &k->items[k->items_n - 1] : NULL;
	const struct candidate_group *groups = k->query->groups;

	k->items[k->items_n++] = (struct candidate_item) {
		.group = group,
		.amounts = amounts,
		.amounts_n = n,
		.alike = last && last->group != group && *groups[group].suffix &&
			 *groups[last->group].suffix && !k->query->subtrees_n &&
			 same_want(&groups[group].want, &groups[last->group].want),
	};
}

void candidate_items(struct arena *a, const struct candidate_query *q, struct candidate *out)
{
	*out = (struct candidate) { .query = q };
	out->items = ARENA_ARRAY(a, struct candidate_item, CANDIDATE_GROUPS_MAX + WANT_AMOUNTS_MAX);
	for (size_t i = 0; i < q->groups_n; i++) {
		const struct rp_want *w = &q->groups[i].want;

		for (size_t k = 0; k < w->amounts_n && !*q->groups[i].suffix; k++)
			add_item(out, i, &w->amounts[k], 1);
		if (*q->groups[i].suffix)
			add_item(out, i, w->amounts, w->amounts_n);
	}
}

/* ---- one provider for one item ---- */

static bool has_forbidden(const struct rp *p, const struct rp_want *w)
{
	for (size_t i = 0; i < w->traits_n; i++)
		for (size_t k = 0; w->traits[i].forbidden && k < w->traits[i].n; k++)
			if (rp_has_trait(p, w->traits[i].names[k]))
				return true;
	return false;
}

static bool suits(const struct candidate *k, size_t item, size_t at)
{
	const struct candidate_item *it = &k->items[item];
	const struct candidate_group *g = &k->query->groups[it->group];
	const struct rp *p = &k->tree->all[at];

	for (size_t i = 0; i < it->amounts_n; i++)
		if (!want_fits(p, &it->amounts[i]))
			return false;
	if (!*g->suffix)
		return !has_forbidden(p, &g->want);
	for (size_t i = 0; k->query->isolate && i < item; i++)
		if (k->items[i].at == at && *k->query->groups[k->items[i].group].suffix)
			return false;
	return want_has_traits(p, &g->want);
}

static void ask(struct candidate *k, size_t item, size_t at, int64_t sign)
{
	for (size_t i = 0; i < k->items[item].amounts_n; i++)
		rp_class_find(&k->tree->all[at], k->items[item].amounts[i].name)->asked +=
			sign * k->items[item].amounts[i].n;
}

/* ---- all of them ---- */

/* What the group without a suffix requires, any of its providers may have. */
static bool has_required(const struct candidate *k, size_t group, const struct want_set *s)
{
	for (size_t i = 0; i < k->items_n; i++)
		for (size_t n = 0; k->items[i].group == group && n < s->n; n++)
			if (rp_has_trait(&k->tree->all[k->items[i].at], s->names[n]))
				return true;
	return s->forbidden;
}

static bool is_below(const struct rp_tree *t, size_t at, size_t top)
{
	while (at != top && t->all[at].parent != at)
		at = t->all[at].parent;
	return at == top;
}

static bool named(const struct candidate *k, size_t item, const struct want_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(k->query->groups[k->items[item].group].suffix, s->names[i]) == 0)
			return true;
	return false;
}

static bool is_subtree(const struct candidate *k, const struct want_set *s)
{
	for (size_t top = 0; top < k->items_n; top++) {
		bool all = named(k, top, s);

		for (size_t i = 0; i < k->items_n && all; i++)
			all = !named(k, i, s) || is_below(k->tree, k->items[i].at, k->items[top].at);
		if (all)
			return true;
	}
	return false;
}

static bool complete(const struct candidate *k)
{
	const struct candidate_query *q = k->query;

	for (size_t g = 0; g < q->groups_n; g++)
		for (size_t i = 0; !*q->groups[g].suffix && i < q->groups[g].want.traits_n; i++)
			if (!has_required(k, g, &q->groups[g].want.traits[i]))
				return false;
	for (size_t i = 0; i < q->subtrees_n; i++)
		if (!is_subtree(k, &q->subtrees[i]))
			return false;
	return true;
}

static bool place(struct candidate *k, size_t item, size_t from)
{
	if (item == k->items_n)
		return complete(k);
	for (size_t i = k->items[item].alike ? from : 0; i < k->order_n; i++) {
		size_t at = k->order[i];

		if (!suits(k, item, at))
			continue;
		if (k->tries++ > k->items_n + CANDIDATE_TRIES)
			return false;
		k->items[item].at = at;
		ask(k, item, at, 1);
		if (place(k, item + 1, i))
			return true;
		ask(k, item, at, -1);
	}
	return false;
}

void candidate_clear(struct candidate *k)
{
	for (size_t i = k->root; i < k->end; i++)
		for (size_t n = 0; n < k->tree->all[i].classes_n; n++)
			k->tree->all[i].classes[n].asked = 0;
}

bool candidate_find(struct candidate *k, size_t root, bool whole_tree)
{
	k->root = root;
	k->end = whole_tree ? rp_tree_end(k->tree, root) : root + 1;
	k->tries = k->order_n = 0;
	for (int preferred = 1; preferred >= 0; preferred--)
		for (size_t i = k->root; i < k->end; i++)
			if (k->tree->all[i].preferred == (preferred != 0))
				k->order[k->order_n++] = i;
	return place(k, 0, 0);
}
