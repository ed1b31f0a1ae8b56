/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs of a host a server gets. The GPUs that could serve are narrowed down, a wish at a time, as long
 * as there still is a choice among those that are left: cells first, then partitions of the interconnect that
 * stay whole, then single GPUs. */
#include <limits.h>
#include <string.h>

#include "placement/fit_local.h"

/* What a choice of whole GPUs costs the others. */
struct rating {
	int cells;                               /* of the host, that it spreads over */
	unsigned char links[PLACEMENT_GPUS_MAX]; /* partitions that stay free, by size: the largest first */
	int left;                                /* GPUs free in these cells */
};

static uint64_t beside(const struct host *h, size_t gpu)
{
	uint64_t set = 0;

	for (size_t i = 0; i < h->gpus_there; i++)
		set |= (uint64_t)(h->gpus[i].cell == h->gpus[gpu].cell) << i;
	return set;
}

static struct rating rate(const struct host *h, uint64_t chosen)
{
	struct rating r = { 0 };
	uint64_t stay = h->whole & ~chosen;

	for (size_t i = 0; i < h->links_n; i++)
		if (h->links[i] && !(h->links[i] & ~stay))
			r.links[PLACEMENT_GPUS_MAX - __builtin_popcountll(h->links[i])]++;
	while (chosen) {
		uint64_t cell = beside(h, (size_t)__builtin_ctzll(chosen));

		r.cells++;
		r.left += __builtin_popcountll(cell & stay);
		chosen &= ~cell;
	}
	return r;
}

/* Above 0: a is better. */
static int better(const struct rating *a, const struct rating *b)
{
	int links = memcmp(a->links, b->links, sizeof a->links);

	if (a->cells != b->cells)
		return b->cells - a->cells;
	return links ? links : b->left - a->left;
}

/* Takes the partition of the interconnect that leaves most to others. False: none serves. */
static bool take_best_link(struct task *t, struct rating *rating)
{
	struct task best, with;
	bool found = false;

	if (!bit(t->h->link_sizes, (size_t)t->whole_n - 1))
		return false;
	for (size_t i = 0; i < t->h->links_n; i++) {
		uint64_t set = t->h->links[i];
		struct rating r;

		if (!task_fits_link(t, set))
			continue;
		with = *t;
		with.linked = true;
		task_take_link(&with, set);
		if (!task_fits_bound(&with))
			continue;
		r = rate(t->h, set);
		if (!found || better(&r, rating) > 0) {
			best = with;
			*rating = r;
			found = true;
		}
	}
	if (found)
		*t = best;
	return found;
}

/* Keeps all of the sets but one. */
static bool keep_all_but(struct task *t, const uint64_t *sets, size_t n, size_t but)
{
	uint64_t keep = 0;

	for (size_t i = 0; i < n; i++)
		keep |= i != but ? sets[i] : 0;
	return task_drop(t, t->whole | t->shares, keep);
}

/* All if it can be, else all but one, else one after the other. */
static void keep_sets(struct task *t, const uint64_t *sets, size_t n)
{
	if (keep_all_but(t, sets, n, n))
		return;
	for (size_t i = 0; i < n; i++)
		if (keep_all_but(t, sets, n, i))
			return;
	while (n-- > 0)
		task_drop(t, t->whole | t->shares, sets[n]);
}

/* Keeps free partitions whole, the largest first: those of few GPUs are broken only for want of others. Those
 * of more GPUs than will be left cannot be kept. */
static void keep_links(struct task *t)
{
	uint64_t stay = t->h->whole, sets[PLACEMENT_LINKS_MAX];
	int most = __builtin_popcountll(stay | task_any(t, t->whole | t->shares)) - t->ones;
	uint64_t sizes = most < PLACEMENT_GPUS_MAX ? t->h->link_sizes & ((UINT64_C(1) << most) - 1) : 0;

	while (sizes > 1) {
		int size = 64 - __builtin_clzll(sizes);
		size_t n = 0;

		for (size_t i = 0; i < t->h->links_n; i++)
			if (!(t->h->links[i] & ~stay) && __builtin_popcountll(t->h->links[i]) == size)
				sets[n++] = t->h->links[i];
		keep_sets(t, sets, n);
		sizes &= ~(UINT64_C(1) << (size - 1));
	}
}

/* As many of them as can be, the last first. */
static void drop_each(struct task *t, unsigned wants, uint64_t gpus)
{
	for (gpus &= task_any(t, wants); gpus;) {
		int last = 63 - __builtin_clzll(gpus);

		task_drop(t, wants, UINT64_C(1) << last);
		gpus &= ~(UINT64_C(1) << last);
	}
}

/* Drops one by one what is not needed: of GPUs for shares the emptiest first, of others the last. */
static void drop_rest(struct task *t)
{
	uint64_t left = task_any(t, t->whole | t->shares);
	int spare = __builtin_popcountll(left) - t->ones;

	while (left && spare > 0) {
		size_t drop = (size_t)__builtin_ctzll(left);

		for (uint64_t set = left; set; set &= set - 1) {
			size_t i = (size_t)__builtin_ctzll(set);

			if (t->h->gpus[i].share_used <= t->h->gpus[drop].share_used)
				drop = i;
		}
		left &= ~(UINT64_C(1) << drop);
		spare -= task_drop(t, t->whole | t->shares, UINT64_C(1) << drop);
	}
}

/* As few cells as can be, and no limit where all are needed. */
static void limit_cells(struct task *t)
{
	struct gpu_cell cells[GPU_CELLS_MAX];
	size_t n = t->bind == BIND_NONE ? task_cells(t, cells) : GPU_CELLS_MAX;
	int have = 0;

	t->cells_max = 0;
	for (; t->bind == BIND_NONE && t->cells_max < n && have < t->ones; t->cells_max++)
		have += __builtin_popcountll(cells[t->cells_max].gpus & task_any(t, t->whole | t->shares));
	t->few_cells = true;
	while (t->cells_max < n && !task_fits_bound(t))
		t->cells_max++;
	t->few_cells = t->cells_max < n;
}

/* Of the cells those with the fewest GPUs, so that whole cells stay free. */
static void choose_cells(struct task *t)
{
	struct gpu_cell cells[GPU_CELLS_MAX];
	size_t n = task_cells(t, cells);
	uint64_t stay = t->h->whole;
	struct task best = *t, within;
	unsigned unknown = 0; /* not to be chosen */
	int least = INT_MAX, gpus[GPU_CELLS_MAX];

	for (size_t c = 0; c < n; c++) {
		unknown |= (unsigned)(t->bind != BIND_NONE && !cells[c].cell) << c;
		gpus[c] = __builtin_popcountll(beside(t->h, (size_t)__builtin_ctzll(cells[c].gpus)) & stay);
	}
	for (unsigned set = set_first(t->cells_max); set < 1u << n; set = set_next(set)) {
		int left = 0;

		for (unsigned of = set; of; of &= of - 1)
			left += gpus[__builtin_ctz(of)];
		if (set & unknown || left >= least || !task_within(t, cells, n, set, &within))
			continue;
		best = within;
		least = left;
	}
	*t = best;
}

static void choose_whole(struct task *t)
{
	struct task linked;
	struct rating with, without;

	limit_cells(t);
	linked = *t;
	if (!t->linked) {
		keep_links(t);
		if (t->few_cells || t->bind != BIND_NONE)
			choose_cells(t);
		drop_rest(t);
		without = rate(t->h, task_any(t, t->whole));
	}
	/* Unasked, a partition of its own does no harm where it leaves as much to others. */
	if (take_best_link(&linked, &with) && (t->linked || better(&with, &without) >= 0)) {
		*t = linked;
		drop_rest(t);
	}
	t->few_cells = false;
}

/* Each GPU goes to one of the wants that it serves. */
static void assign(struct task *t)
{
	for (uint64_t left = task_any(t, t->whole | t->shares); left; left &= left - 1) {
		uint64_t gpu = left & -left;

		for (size_t k = 0; k < t->n; k++)
			if (t->can[k] & gpu && task_drop(t, ~(1u << k), gpu))
				break;
	}
}

/* Wishes that are not required are kept where they can be: the interconnect first, then cells. */
static void keep_wishes(struct task *t)
{
	enum bind weakest = t->bind;
	bool linked = t->s->link != PLACEMENT_WHATEVER && link_matters(t->h, t->whole_n);
	bool must = t->linked;

	if (t->guest->n && t->s->pci == PLACEMENT_PCI_PREFERRED)
		weakest = BIND_NONE;
	for (;; linked = false) {
		static const enum bind order[] = { BIND_CELLS, BIND_LEGACY, BIND_NONE };

		t->linked = linked;
		for (size_t i = t->guest->n ? 0 : 2; i < 3; i++) {
			t->bind = order[i];
			if (task_fits_bound(t))
				return;
			if (order[i] == weakest)
				break;
		}
		if (!linked || must)
			return;
	}
}

static uint32_t put(const struct task *t, struct placement_choice *out)
{
	struct placement_gpu_choice *at[PLACEMENT_GPU_KINDS_MAX];
	uint32_t near = 0;

	for (size_t k = 0; k < t->n; k++) {
		at[k] = out->gpus + out->gpus_n;
		out->gpus_n += (size_t)t->count[k];
		if (t->parts >> k & 1)
			continue;
		for (uint64_t left = t->can[k]; left; left &= left - 1)
			*at[k]++ = (struct placement_gpu_choice) { .id = t->h->gpus[__builtin_ctzll(left)].id,
				.start = -1,
				.share = (int16_t)t->s->gpus[k].share };
	}
	if (t->parts)
		parts_choose(t, at);
	for (size_t i = 0; t->guest->n && i < out->gpus_n; i++) {
		uint32_t cell = host_cell_bit(t->h, host_gpu(t->h, out->gpus[i].id)->cell);

		if (guest_covers(t->guest, near | cell))
			near |= cell;
	}
	return near;
}

/* None of a block, that will call them back; few of no known cell, where others are near; for shares none
 * that nobody has a share of. */
static void avoid_gpus(struct task *t)
{
	uint64_t reserved = 0, far = 0;

	for (size_t i = 0; i < t->h->gpus_there; i++) {
		const struct gpu *g = &t->h->gpus[i];

		reserved |= (uint64_t)(g->reserved != t->s->reservation) << i;
		far |= (uint64_t)(t->bind == BIND_LEGACY && !host_cell_bit(t->h, g->cell)) << i;
	}
	task_drop(t, ~0u, reserved);
	drop_each(t, t->whole | t->shares, far);
	task_drop(t, t->shares, t->h->whole);
}

uint32_t gpus_choose(
	const struct host *h, const struct shape *s, const struct guest *g, struct placement_choice *out)
{
	struct task t;

	task_init(&t, h, s, g);
	keep_wishes(&t);
	avoid_gpus(&t);
	if (t.whole_n)
		choose_whole(&t);
	else
		drop_rest(&t);
	assign(&t);
	return put(&t, out);
}
