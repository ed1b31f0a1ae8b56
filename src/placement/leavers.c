/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/leavers.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/claims.h"

/* ---- order ---- */

int64_t size_compare(const struct size *a, const struct size *b)
{
	if (a->gpus != b->gpus)
		return a->gpus - b->gpus;
	return a->vcpus != b->vcpus ? a->vcpus - b->vcpus : a->ram_mib - b->ram_mib;
}

int leaver_compare(const struct size *a, int64_t server_a, const struct size *b, int64_t server_b)
{
	int64_t size = size_compare(a, b);

	if (size)
		return size < 0 ? -1 : 1;
	return (server_a < server_b) - (server_a > server_b);
}

static int by_size(const void *a, const void *b)
{
	const struct leaver *x = a, *y = b;

	return leaver_compare(&x->size, x->server, &y->size, y->server);
}

/* The most promising first. */
static int by_promise(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	int64_t size = size_compare(&x->smallest, &y->smallest);

	if (x->fewest != y->fewest)
		return x->fewest < y->fewest ? -1 : 1;
	if (size)
		return size < 0 ? -1 : 1;
	return (x->newest < y->newest) - (x->newest > y->newest);
}

/* ---- what could be ---- */

static int64_t lack(int64_t want, int64_t total, int64_t used)
{
	return want > total - used && want > 0 ? want - (total - used) : 0;
}

static bool asks_whole_gpus(const struct shape *s)
{
	for (int k = 0; k < s->gpus_n; k++)
		if (s->gpus[k].share < PLACEMENT_SHARE || s->gpus[k].profile[0])
			return false;
	return true;
}

static void lacks_of(const struct query *q, const struct host *h, int64_t lacks[WON_MAX])
{
	const struct shape *s = &q->key.shape;
	int64_t cpus = 0;

	for (size_t c = 0; c < h->cells_n; c++)
		cpus += h->cells[c].cpus_free;
	lacks[WON_GPUS] = asks_whole_gpus(s) ? lack(s->gpus_total, (int64_t)h->gpus_free, 0) : 0;
	lacks[WON_VCPUS] = s->dedicated ? 0 : lack(s->vcpus, h->vcpus, h->vcpus_used);
	lacks[WON_RAM] = pages_small(s->page_kib) ? lack(s->ram_mib, h->ram_mib, h->ram_used_mib) : 0;
	lacks[WON_DISK] = lack(s->disk_gib, h->disk_gib, h->disk_used_gib);
	lacks[WON_CPUS] = s->dedicated ? lack(s->vcpus, cpus, 0) : 0;
}

static struct leaver leaver_of(const struct holding *h)
{
	const struct claim *c = h->claim;
	struct leaver l = { .size = { 0, h->vcpus, h->ram_mib }, .server = h->server, .held = h };

	for (size_t i = 0; c && i < c->gpus_n; i++)
		l.size.gpus += c->gpus[i].share;
	l.won[WON_GPUS] = c ? (int64_t)c->gpus_n : 0;
	l.won[WON_VCPUS] = holding_vcpus(h);
	l.won[WON_RAM] = holding_ram(h);
	l.won[WON_DISK] = h->disk_gib;
	l.won[WON_CPUS] = c ? (int64_t)(c->cpus_n + c->idle_n) : 0;
	return l;
}

static int by_amount(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

/* How many have to leave at least until that much is won; more than there are: it never is. */
static size_t fewest_for(const struct group *g, int what, int64_t *scratch)
{
	int64_t left = g->lacks[what];
	size_t n = 0;

	if (left <= 0)
		return 0;
	for (size_t i = 0; i < g->n; i++)
		scratch[i] = g->leavers[i].won[what];
	qsort(scratch, g->n, sizeof *scratch, by_amount);
	while (left > 0 && n < g->n)
		left -= scratch[n++];
	return left > 0 ? g->n + 1 : n;
}

/* The least of a GPU that any of them has: a small part may be all that keeps it from being given. */
static int64_t least_part(const struct group *g)
{
	int64_t least = PLACEMENT_SHARE;

	for (size_t i = 0; i < g->n; i++) {
		const struct claim *c = g->leavers[i].held->claim;

		for (size_t k = 0; c && k < c->gpus_n; k++)
			least = c->gpus[k].share < least ? c->gpus[k].share : least;
	}
	return least;
}

/* Bounds from below, where one is not enough. */
static void group_promise(struct group *g, int64_t *scratch)
{
	qsort(g->leavers, g->n, sizeof *g->leavers, by_size);
	g->fewest = 2;
	for (int what = 0; what < WON_MAX; what++) {
		size_t n = fewest_for(g, what, scratch);

		g->fewest = n > g->fewest ? n : g->fewest;
	}
	for (size_t i = 0; i < g->n; i++) {
		scratch[i] = g->leavers[i].size.vcpus;
		g->newest = g->leavers[i].server > g->newest ? g->leavers[i].server : g->newest;
	}
	qsort(scratch, g->n, sizeof *scratch, by_amount);
	g->smallest = (struct size) { 0, 0, 0 };
	for (size_t i = 0; i < g->n && i < g->fewest; i++) {
		g->smallest.gpus += g->leavers[i].size.gpus;
		g->smallest.vcpus += scratch[g->n - 1 - i];
	}
	if (g->smallest.gpus < g->lacks[WON_GPUS] * least_part(g))
		g->smallest.gpus = g->lacks[WON_GPUS] * least_part(g);
}

/* ---- all hosts ---- */

static bool host_may(const struct query *q, size_t slot)
{
	int64_t held_for = q->p->hosts[slot]->held_for;

	return query_rule_of_place(q, slot) == RULE_OK && (!held_for || held_for == q->req->server);
}

void leavers_find(
	const struct placement *p, const struct placement_may *may, struct leaver *out, size_t *first)
{
	CLEANUP(free_ptr) size_t *slots = xmalloc((p->holdings_n + 1) * sizeof *slots);

	memset(first, 0, (p->hosts_n + 2) * sizeof *first);
	for (size_t i = 0; i < p->holdings_n; i++) {
		const struct holding *h = &p->holdings[i];
		bool leaves = may ? may->leave(may->ctx, h->server) : h->preemptible;

		slots[i] = leaves ? (size_t)map_get(&p->by_id, h->host) : SIZE_MAX;
		if (leaves)
			first[slots[i] + 2]++;
	}
	for (size_t i = 2; i < p->hosts_n + 2; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < p->holdings_n; i++)
		if (slots[i] != SIZE_MAX)
			out[first[slots[i] + 1]++] = leaver_of(&p->holdings[i]);
}

size_t groups_find(const struct query *q, struct leaver *leavers, const size_t *first, struct group *out)
{
	size_t n = 0;

	for (size_t slot = 0; slot < q->p->hosts_n; slot++) {
		struct group *g = &out[n];

		*g = (struct group) { .slot = slot,
			.leavers = leavers + first[slot],
			.n = first[slot + 1] - first[slot],
			.newest = INT64_MIN };
		if (!g->n || !host_may(q, slot))
			continue;
		lacks_of(q, q->p->hosts[slot], g->lacks);
		n++;
	}
	return n;
}

bool leaver_is_enough(const struct group *g, const struct leaver *l)
{
	for (int what = 0; what < WON_MAX; what++)
		if (l->won[what] < g->lacks[what])
			return false;
	return true;
}

void groups_rank(struct group *groups, size_t n)
{
	size_t most = 0;
	int64_t *scratch;

	for (size_t i = 0; i < n; i++)
		most = groups[i].n > most ? groups[i].n : most;
	scratch = xmalloc((most + 1) * sizeof *scratch);
	for (size_t i = 0; i < n; i++)
		group_promise(&groups[i], scratch);
	free(scratch);
	qsort(groups, n, sizeof *groups, by_promise);
}
