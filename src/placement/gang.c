/* SPDX-License-Identifier: Apache-2.0 */
/* Several alike servers at once, all or none: chosen one after the other, on hosts that are charged as if
 * each had been taken. Where they shall lie close to each other, the places (hosts, racks, fabrics) are
 * ranked by what they could take, and the first that takes all gets them. */
#include <stdlib.h>

#include "base/util.h"
#include "placement/choose.h"

static void gang_take(struct gang *g, size_t slot)
{
	struct placement *p = g->c->p;
	struct host *h = p->hosts[slot];
	struct taken *taken = &g->taken[g->n];
	struct placement_choice choice;

	choose_on(g->c->q, slot, &choice);
	taken->held = holding_make(p, h, SCRATCH_OWNER, g->c->q->req, &choice, false);
	taken->before = tree_leaf(g->c->tree, slot);
	host_charge(p, h, 1, &taken->held);
	host_refresh(p, slot);
	tree_renew(p, g->c->tree, slot);
	query_member(g->c->q, h->id, 1);
	g->n++;
}

void gang_undo(struct gang *g)
{
	struct placement *p = g->c->p;

	while (g->n) {
		struct taken *taken = &g->taken[--g->n];
		size_t slot = (size_t)map_get(&p->by_id, taken->held.host);

		host_charge(p, p->hosts[slot], -1, &taken->held);
		host_refresh(p, slot);
		tree_put(g->c->tree, slot, taken->before);
		query_member(g->c->q, taken->held.host, -1);
		holding_finish(&taken->held);
	}
}

void gang_tell(const struct gang *g, struct placement_choice *out)
{
	struct placement_request req;

	for (size_t i = 0; i < g->n; i++) {
		holding_tell(g->c->p, &g->taken[i].held, &req, &out[i]);
		out[i].idle_n = 0; /* found when it is taken */
	}
}

static bool fits_still(const struct gang *g, size_t slot)
{
	return tree_code(g->c->tree, slot) == RULE_OK && query_rule(g->c->q, slot) == RULE_OK;
}

/* ---- places ---- */

struct spot { /* a host where one fits */
	int64_t place;
	int64_t score;
	size_t slot;
	size_t room; /* at most so many */
};

struct place {
	struct spot *spots; /* the roomiest first */
	size_t n;
	size_t room;
	size_t hosts;  /* that are needed for all */
	size_t left;   /* servers that would still have room */
	int64_t score; /* of the hosts that are needed, by and large */
};

/* Hosts without a label are in a place of their own, as nothing is known of what is near. */
static int64_t place_of(const struct hot *h, size_t slot, enum placement_scope scope)
{
	uint32_t label = scope == PLACEMENT_ONE_RACK     ? h->rack
			 : scope == PLACEMENT_ONE_FABRIC ? h->fabric
							 : WORD_NONE;

	if (label == WORD_NONE)
		return INT64_C(1) << 40 | (int64_t)slot;
	return (int64_t)h->zone << 16 | label;
}

static int by_place(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->room != y->room)
		return x->room > y->room ? -1 : 1;
	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->slot > y->slot) - (x->slot < y->slot);
}

static size_t find_spots(const struct gang *g, size_t n, enum placement_scope scope, struct spot *out)
{
	const struct placement *p = g->c->p;
	size_t found = 0;

	for (size_t i = 0; i < p->hosts_n; i++)
		if (fits_still(g, i))
			out[found++] = (struct spot) { place_of(&p->hot[i], i, scope),
				tree_score(g->c->tree, i), i, room_at_most(g->c->q, i, n) };
	if (found)
		qsort(out, found, sizeof *out, by_place);
	return found;
}

static size_t find_places(struct spot *spots, size_t spots_n, size_t n, struct place *out)
{
	size_t found = 0;

	for (size_t i = 0, end; i < spots_n; i = end) {
		struct place *place = &out[found++];

		*place = (struct place) { .spots = spots + i };
		for (end = i; end < spots_n && spots[end].place == spots[i].place; end++) {
			place->hosts += place->room < n;
			place->room += spots[end].room;
		}
		place->n = end - i;
		place->left = place->room > n ? place->room - n : 0;
		for (size_t k = 0; k < place->hosts; k++)
			place->score += place->spots[k].score / (int64_t)place->hosts;
	}
	return found;
}

/* What takes all comes first; then the fewest hosts, the fullest place, the best score. */
static int by_worth(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	bool one_host = x->n == 1 && y->n == 1;

	if (x->hosts != y->hosts)
		return x->hosts < y->hosts ? -1 : 1;
	if (!one_host && x->left != y->left)
		return x->left < y->left ? -1 : 1;
	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->spots->slot > y->spots->slot) - (x->spots->slot < y->spots->slot);
}

/* ---- filling a place ---- */

/* The roomiest, until one is enough for the rest: then the tightest of those. */
static struct spot *next_spot(struct spot *spots, size_t n, size_t left)
{
	struct spot *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!spots[i].room)
			continue;
		if (!best && spots[i].room <= left)
			return &spots[i];
		if (best && spots[i].room < left)
			break;
		if (!best || spots[i].room < best->room)
			best = &spots[i];
	}
	return best;
}

/* One each in turns. */
static struct spot *next_in_turn(const struct gang *g, struct spot *spots, size_t n)
{
	struct spot *best = NULL;

	for (size_t i = 0; i < n; i++) {
		struct spot *s = &spots[i];

		if (!s->room || !fits_still(g, s->slot))
			continue;
		if (!best || query_preference(g->c->q, s->slot) < query_preference(g->c->q, best->slot))
			best = s;
	}
	return best;
}

static void fill(struct gang *g, struct place *place, size_t n)
{
	bool in_turn = g->c->q->req->policy == PLACEMENT_SOFT_APART;
	struct spot *s;

	while (g->n < n) {
		s = in_turn ? next_in_turn(g, place->spots, place->n)
			    : next_spot(place->spots, place->n, n - g->n);
		if (!s)
			return;
		do
			gang_take(g, s->slot);
		while (!in_turn && g->n < n && fits_still(g, s->slot));
		s->room = in_turn ? s->room : 0;
	}
}

/* All in one place? If not, nothing is charged, and g->most is the most that one place could take. */
static bool gang_near(struct gang *g, size_t n, enum placement_scope scope)
{
	size_t hosts = g->c->p->hosts_n + 1;
	CLEANUP(free_ptr) struct spot *spots = xmalloc(hosts * sizeof *spots);
	CLEANUP(free_ptr) struct place *places = xmalloc(hosts * sizeof *places);
	size_t places_n = find_places(spots, find_spots(g, n, scope, spots), n, places);

	if (places_n)
		qsort(places, places_n, sizeof *places, by_worth);
	g->most = 0;
	for (size_t i = 0; i < places_n; i++) {
		if (places[i].room < n && places[i].room <= g->most)
			continue;
		fill(g, &places[i], n);
		if (g->n == n)
			return true;
		g->most = g->n > g->most ? g->n : g->most;
		gang_undo(g);
	}
	return false;
}

void gang_choose(struct gang *g, size_t n)
{
	const struct placement_request *req = g->c->q->req;
	bool together = req->policy == PLACEMENT_TOGETHER;
	enum placement_scope scope = together ? PLACEMENT_ONE_HOST : req->scope;
	size_t slot;

	choose_tree(g->c); /* before anything is charged */
	for (; scope != PLACEMENT_ANYWHERE;
		scope = scope == PLACEMENT_ONE_FABRIC ? PLACEMENT_ANYWHERE : scope + 1) {
		if (gang_near(g, n, scope))
			return;
		if (together || req->scope_required) {
			g->lacks = scope;
			return;
		}
	}
	while (g->n < n && choose_slot(g->c, &slot))
		gang_take(g, slot);
	g->most = g->n;
}
