/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

enum { STARTS_MAX = 512, SPLITS = 16, NEVER = 1 << 20 };

static const char *const scope_texts[] = {
	[CALENDAR_ANYWHERE] = "",
	[CALENDAR_ONE_HOST] = "host",
	[CALENDAR_ONE_RACK] = "rack",
	[CALENDAR_ONE_FABRIC] = "fabric",
};

const char *calendar_scope_text(enum calendar_scope scope)
{
	return scope_texts[scope];
}

bool calendar_scope_parse(const char *text, enum calendar_scope *out)
{
	for (size_t i = 0; i < ARRAY_LEN(scope_texts); i++)
		if (strcmp(scope_texts[i], text) == 0) {
			*out = (enum calendar_scope)i;
			return true;
		}
	return false;
}

/* What has a GPU in a span of time. */
enum busy { FREE, HELD, BLOCK, MAINTENANCE };

struct host {
	size_t first, n;     /* its GPUs */
	size_t free, guests; /* of these free ones, and of those how many have guests */
	const char *label;   /* hosts of one label may be used together; NULL: by itself */
};

struct plan {
	const struct calendar_want *want;
	const struct calendar_gpu *gpus;
	size_t n;
	const struct calendar_use *uses;
	size_t uses_n;
	struct arena *a;
	unsigned char *busy; /* enum busy */
	struct host *hosts;  /* by label */
	size_t hosts_n;
};

/* ---- hosts ---- */

static const char *label_of(const struct plan *p, const struct calendar_gpu *g)
{
	static const char everywhere[] = "*";
	const char *label = p->want->scope == CALENDAR_ONE_RACK     ? g->rack
			    : p->want->scope == CALENDAR_ONE_FABRIC ? g->fabric
								    : NULL;

	if (p->want->scope == CALENDAR_ANYWHERE)
		return everywhere;
	return label && *label ? label : NULL;
}

static bool together(const struct host *x, const struct host *y)
{
	return x == y || (x->label && y->label && strcmp(x->label, y->label) == 0);
}

static int by_label(const void *x, const void *y)
{
	const struct host *a = x, *b = y;
	int d = a->label && b->label ? strcmp(a->label, b->label) : (a->label != NULL) - (b->label != NULL);

	return d ? d : (a->first > b->first) - (a->first < b->first);
}

static void find_hosts(struct plan *p)
{
	p->hosts = ARENA_ARRAY(p->a, struct host, p->n + 1);
	for (size_t i = 0; i < p->n; i++) {
		if (i == 0 || p->gpus[i].host_id != p->gpus[i - 1].host_id)
			p->hosts[p->hosts_n++] =
				(struct host) { .first = i, .label = label_of(p, &p->gpus[i]) };
		p->hosts[p->hosts_n - 1].n++;
	}
	qsort(p->hosts, p->hosts_n, sizeof *p->hosts, by_label);
}

/* Who has what from then on, for as long as the block lasts. */
static void look(struct plan *p, int64_t start_us)
{
	int64_t end_us = start_us + (p->want->end_us - p->want->start_us);

	for (size_t i = 0; i < p->n; i++)
		p->busy[i] = p->gpus[i].held ? HELD : FREE;
	for (size_t i = 0; i < p->uses_n; i++) {
		const struct calendar_use *u = &p->uses[i];

		if (u->start_us < end_us && start_us < u->end_us && p->busy[u->gpu] == FREE)
			p->busy[u->gpu] = u->maintenance ? MAINTENANCE : BLOCK;
	}
	for (size_t i = 0; i < p->hosts_n; i++) {
		struct host *h = &p->hosts[i];

		h->free = h->guests = 0;
		for (size_t k = h->first; k < h->first + h->n; k++) {
			h->free += p->busy[k] == FREE;
			h->guests += p->busy[k] == FREE && p->gpus[k].guest;
		}
	}
}

/* The hosts behind the one at `from` that may be used with it; *out_free: what they have together. */
static size_t group_end(const struct plan *p, size_t from, size_t *out_free)
{
	size_t i = from;

	*out_free = 0;
	for (; i < p->hosts_n && together(&p->hosts[from], &p->hosts[i]); i++)
		*out_free += p->hosts[i].free;
	return i;
}

static size_t most_free(const struct plan *p)
{
	size_t most = 0, free;

	for (size_t i = 0; i < p->hosts_n;) {
		i = group_end(p, i, &free);
		most = free > most ? free : most;
	}
	return most;
}

/* ---- which hosts of a group ---- */

/* Hosts with as many free GPUs are taken by ones, twos, fours …: `cost` is the fewest hosts for exactly so
 * many GPUs. A sum that could do without one of its hosts is never the fewest, so those beyond what is wanted
 * plus one host need no look. */
struct choice {
	size_t sums; /* length of cost and of each row of took */
	int *cost;
	struct {
		size_t free, hosts;
		unsigned char *took;
	} items[(CALENDAR_HOST_GPUS + 1) * SPLITS];
	size_t items_n;
	size_t used[CALENDAR_HOST_GPUS + 1]; /* hosts, by their free GPUs */
};

static void offer(struct choice *c, struct arena *a, size_t free, size_t hosts)
{
	size_t gpus = free * hosts;
	unsigned char *took;

	if (gpus >= c->sums)
		return;
	took = ARENA_ARRAY(a, unsigned char, c->sums);
	for (size_t s = c->sums - 1; s >= gpus; s--)
		if (c->cost[s - gpus] + (int)hosts < c->cost[s]) {
			c->cost[s] = c->cost[s - gpus] + (int)hosts;
			took[s] = 1;
		}
	c->items[c->items_n].free = free;
	c->items[c->items_n].hosts = hosts;
	c->items[c->items_n++].took = took;
}

static void choose_counts(struct choice *c, struct arena *a, size_t want, const size_t *hosts_of)
{
	size_t best = want;

	c->sums = want + CALENDAR_HOST_GPUS + 1;
	c->cost = ARENA_ARRAY(a, int, c->sums);
	for (size_t s = 1; s < c->sums; s++)
		c->cost[s] = NEVER;
	for (size_t free = CALENDAR_HOST_GPUS; free; free--) {
		size_t left = hosts_of[free], useful = want / free + 1;

		left = left > useful ? useful : left;
		for (size_t k = 1; left; k *= 2) {
			size_t hosts = k < left ? k : left;

			offer(c, a, free, hosts);
			left -= hosts;
		}
	}
	for (size_t s = want; s < c->sums; s++)
		if (c->cost[s] < c->cost[best])
			best = s;
	for (size_t i = c->items_n; i--;)
		if (c->items[i].took[best]) {
			c->used[c->items[i].free] += c->items[i].hosts;
			best -= c->items[i].free * c->items[i].hosts;
		}
}

/* Whole hosts first, then those with the fewest guests, then by their order. */
static bool goes_before(const struct host *x, const struct host *y)
{
	bool whole_x = x->free == x->n, whole_y = y->free == y->n;

	if (whole_x != whole_y)
		return whole_x;
	if (x->guests != y->guests)
		return x->guests < y->guests;
	return x->first < y->first;
}

static int by_liking(const void *x, const void *y)
{
	const struct host *const *a = x, *const *b = y;

	if ((*a)->free != (*b)->free)
		return (*a)->free > (*b)->free ? -1 : 1;
	return goes_before(*a, *b) ? -1 : 1;
}

static size_t capped(size_t free)
{
	return free < CALENDAR_HOST_GPUS ? free : CALENDAR_HOST_GPUS;
}

/* The chosen hosts of [from, to) in the order of liking. */
static size_t choose_hosts(
	struct plan *p, size_t from, size_t to, size_t want, struct host **out, size_t *out_left)
{
	struct choice *c = ARENA_NEW(p->a, struct choice);
	struct host **all = ARENA_ARRAY(p->a, struct host *, to - from + 1);
	size_t hosts_of[CALENDAR_HOST_GPUS + 1] = { 0 }, n = 0, sum = 0;

	for (size_t i = from; i < to; i++) {
		all[i - from] = &p->hosts[i];
		hosts_of[capped(p->hosts[i].free)]++;
	}
	choose_counts(c, p->a, want, hosts_of);
	qsort(all, to - from, sizeof(struct host *), by_liking);
	for (size_t i = 0; i < to - from; i++) {
		size_t *used = &c->used[capped(all[i]->free)];

		if (!all[i]->free || !*used)
			continue;
		--*used;
		out[n++] = all[i];
		sum += all[i]->free;
	}
	*out_left = sum - want;
	return n;
}

/* What is left over is left on one host, and there on GPUs that have guests where it can be. */
static void take_gpus(
	const struct plan *p, struct host *const *hosts, size_t hosts_n, size_t left, int64_t *out)
{
	size_t spare = 0, n = 0;

	for (size_t i = 1; i < hosts_n; i++)
		if (hosts[i]->guests >= hosts[spare]->guests)
			spare = i;
	for (size_t i = 0; i < hosts_n; i++) {
		const struct host *h = hosts[i];
		size_t skip = i == spare ? left : 0, skip_guests = skip < h->guests ? skip : h->guests,
		       skip_others = skip - skip_guests, free = h->free - h->guests;

		for (size_t k = h->first; k < h->first + h->n; k++) {
			if (p->busy[k] != FREE)
				continue;
			if (p->gpus[k].guest && skip_guests) {
				skip_guests--;
				continue;
			}
			if (!p->gpus[k].guest && free-- <= skip_others)
				continue;
			out[n++] = p->gpus[k].id;
		}
	}
}

/* ---- the answer ---- */

static int by_time(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/* More gets free only where another use ends. 0: no such time is known. */
static int64_t earliest(struct plan *p)
{
	int64_t *ends = ARENA_ARRAY(p->a, int64_t, p->uses_n + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->uses_n; i++)
		if (p->uses[i].end_us > p->want->start_us)
			ends[n++] = p->uses[i].end_us;
	qsort(ends, n, sizeof *ends, by_time);
	for (size_t i = 0, tried = 0; i < n && tried < STARTS_MAX; i++) {
		if (i && ends[i] == ends[i - 1])
			continue;
		tried++;
		look(p, ends[i]);
		if (most_free(p) >= p->want->gpus)
			return ends[i];
	}
	return 0;
}

static int refuse(struct plan *p, size_t have, struct error *err)
{
	static const char *const places[] = { "", " of one host", " of one rack", " of one fabric" };
	size_t counts[MAINTENANCE + 1] = { 0 };
	char from[TIME_TEXT], to[TIME_TEXT], at[TIME_TEXT];
	int64_t start_us;

	for (size_t i = 0; i < p->n; i++)
		counts[p->busy[i]]++;
	start_us = earliest(p);
	time_iso(p->want->start_us, from);
	time_iso(p->want->end_us, to);
	if (start_us)
		time_iso(start_us, at);
	return error_set(err, ERR_CONFLICT,
		"%zu of %zu %.32s%s are free of other uses from %s to %s (of %zu servers have %zu, blocks "
		"%zu, maintenance %zu); %s%s",
		have, p->want->gpus, p->want->model, places[p->want->scope], from, to, p->n, counts[HELD],
		counts[BLOCK], counts[MAINTENANCE],
		start_us ? "the earliest start for all is " : "no later start is known", start_us ? at : "");
}

/* Of the groups that have enough: the fewest hosts, then the least left over, then the first. */
static void take_best(struct plan *p, int64_t *out)
{
	struct host **best = NULL, **hosts;
	size_t best_n = 0, best_left = 0, to, n, left, free;

	for (size_t from = 0; from < p->hosts_n; from = to) {
		to = group_end(p, from, &free);
		if (free < p->want->gpus)
			continue;
		hosts = ARENA_ARRAY(p->a, struct host *, to - from + 1);
		n = choose_hosts(p, from, to, p->want->gpus, hosts, &left);
		if (best && (n > best_n || (n == best_n && left >= best_left)))
			continue;
		best = hosts;
		best_n = n;
		best_left = left;
	}
	take_gpus(p, best, best_n, best_left, out);
}

int calendar_plan(const struct calendar_want *want, const struct calendar_gpu *gpus, size_t n,
	const struct calendar_use *uses, size_t uses_n, struct arena *a, int64_t *out, struct error *err)
{
	struct plan p = { .want = want, .gpus = gpus, .n = n, .uses = uses, .uses_n = uses_n, .a = a };
	size_t have;

	p.busy = ARENA_ARRAY(a, unsigned char, n + 1);
	find_hosts(&p);
	look(&p, want->start_us);
	have = most_free(&p);
	if (have < want->gpus)
		return refuse(&p, have, err);
	take_best(&p, out);
	return 0;
}
