/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs beside the server's NUMA cells. The sets of the host's cells that the server's can cover are the
 * independent sets of a matroid: all that cannot grow are as large. So it is enough to try those. */
#include <limits.h>
#include <string.h>

#include "placement/fit_local.h"

uint32_t host_cell_bit(const struct host *h, int number)
{
	for (size_t i = 0; i < h->cells_n && i < HOST_CELLS_MAX; i++)
		if (h->cells[i].id == number && !h->cells[i].gone)
			return UINT32_C(1) << i;
	return 0;
}

static int count(const struct gpu_cell *c, uint64_t of)
{
	return __builtin_popcountll(c->gpus & of);
}

size_t task_cells(const struct task *t, struct gpu_cell *out)
{
	uint64_t ones = task_any(t, t->whole | t->shares);
	size_t n = 0;

	for (uint64_t left = task_any(t, ~0u); left; left &= left - 1) {
		size_t i = (size_t)__builtin_ctzll(left), c = 0;
		uint32_t cell = host_cell_bit(t->h, t->h->gpus[i].cell);
		int number = t->bind == BIND_NONE || cell ? t->h->gpus[i].cell : -1;

		while (c < n && out[c].number != number && c + 1 < GPU_CELLS_MAX)
			c++;
		if (c == n)
			out[n++] = (struct gpu_cell) { .number = number, .cell = cell };
		out[c].gpus |= UINT64_C(1) << i;
	}
	for (size_t i = 1; i < n; i++)
		for (size_t c = i; c > 0 && count(&out[c], ones) > count(&out[c - 1], ones); c--) {
			struct gpu_cell less = out[c - 1];

			out[c - 1] = out[c];
			out[c] = less;
		}
	return n;
}

bool task_within(const struct task *t, const struct gpu_cell *cells, size_t n, unsigned set, struct task *out)
{
	uint64_t keep = 0;
	uint32_t covered = t->near;

	for (size_t c = 0; c < n; c++)
		if (set >> c & 1 || cells[c].cell & t->near || (!cells[c].cell && t->bind == BIND_LEGACY)) {
			keep |= cells[c].gpus;
			covered |= cells[c].cell;
		}
	*out = *t;
	out->bind = BIND_NONE;
	out->few_cells = false;
	for (size_t k = 0; k < t->n; k++)
		out->can[k] &= keep;
	return task_fits(out) && (t->bind == BIND_NONE || guest_covers(t->guest, covered));
}

unsigned set_first(unsigned n)
{
	return (1u << n) - 1;
}

unsigned set_next(unsigned set)
{
	unsigned low = set & -set, up = set + low;

	return set ? up | (set ^ up) / low >> 2 : UINT_MAX;
}

/* Grows to one of the largest sets of cells that can be chosen: these are the first. Returns how many, and
 * which cells are not to be chosen. */
static unsigned find_rank(const struct task *t, const struct gpu_cell *cells, size_t n, unsigned *others)
{
	uint32_t most = t->near;
	unsigned rank = 0;

	*others = 0;
	for (size_t c = 0; c < n; c++)
		if (t->bind == BIND_NONE) {
			rank++;
		} else if (!cells[c].cell || cells[c].cell & t->near) {
			*others |= 1u << c;
		} else if (guest_covers(t->guest, most | cells[c].cell)) {
			most |= cells[c].cell;
			rank++;
		}
	return t->few_cells && rank > t->cells_max ? t->cells_max : rank;
}

/* Could the GPUs that are given one by one be as many, in the cells that have most of them? */
static bool enough(
	const struct task *t, const struct gpu_cell *cells, size_t n, unsigned rank, unsigned others)
{
	uint64_t any = task_any(t, t->whole | t->shares), have = 0;

	for (size_t c = 0; c < n; c++)
		if (others >> c & 1 || (rank > 0 && rank--))
			have |= cells[c].gpus & any;
	return __builtin_popcountll(have) >= t->ones;
}

bool task_fits_bound(const struct task *t)
{
	struct gpu_cell cells[GPU_CELLS_MAX];
	unsigned others, rank;
	size_t n;
	struct task within;

	if (!task_fits(t))
		return false;
	if (t->bind == BIND_NONE && !t->few_cells)
		return true;
	n = task_cells(t, cells);
	rank = find_rank(t, cells, n, &others);
	if (!enough(t, cells, n, rank, others))
		return false;
	for (unsigned set = set_first(rank); set < 1u << n; set = set_next(set))
		if (!(set & others) && task_within(t, cells, n, set, &within))
			return true;
	return false;
}

bool task_drop(struct task *t, unsigned wants, uint64_t drop)
{
	struct task narrow;
	uint64_t left = 0, gone = 0;

	for (size_t k = 0; k < t->n; k++) {
		uint64_t lose = wants >> k & 1 ? t->can[k] & drop : 0;

		gone |= lose;
		left |= t->parts >> k & 1 ? 0 : t->can[k] & ~lose;
	}
	if (!gone)
		return true;
	if (__builtin_popcountll(left) < t->ones) /* most tries end here */
		return false;
	narrow = *t;
	for (size_t k = 0; k < t->n; k++)
		narrow.can[k] &= wants >> k & 1 ? ~drop : UINT64_MAX;
	if (!task_fits_bound(&narrow))
		return false;
	memcpy(t->can, narrow.can, sizeof t->can);
	return true;
}
