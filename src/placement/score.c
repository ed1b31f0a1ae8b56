/* SPDX-License-Identifier: Apache-2.0 */
/* A score has two parts. The upper, the class, keeps GPUs together: a server without GPUs goes to a host
 * without, and else to where fewest would be left without vCPUs and memory; a server with GPUs goes to where
 * fewest GPUs stay, and then to where they lie in fewest NUMA cells. The lower, the fit, is the sum of the
 * squares of what stays of vCPUs, memory and (at a sixteenth) disk, all as vCPUs: the smallest rest wins, and
 * of equal rests the balanced one. */
#include "placement/score.h"

enum { FIT_BITS = 50, LEFT_BITS = 24, CELLS_MAX = 8 };

static bool wanted(const struct shape *s, const struct gpu *g)
{
	for (int k = 0; k < s->gpus_n; k++)
		if (gpu_of(g, s->gpus[k].models))
			return true;
	return false;
}

/* The fewest NUMA cells that the GPUs could come of. */
static int cells_needed(const struct host *h, const struct shape *s)
{
	int cell[PLACEMENT_CELLS_MAX], free[PLACEMENT_CELLS_MAX], cells = 0, used = 0;

	for (size_t i = 0; i < h->gpus_there; i++) {
		int c = 0;

		if (!gpu_free(&h->gpus[i]) || !wanted(s, &h->gpus[i]))
			continue;
		while (c < cells && cell[c] != h->gpus[i].cell)
			c++;
		if (c == PLACEMENT_CELLS_MAX)
			continue;
		if (c == cells) {
			cell[cells] = h->gpus[i].cell;
			free[cells++] = 0;
		}
		free[c]++;
	}
	for (int left = s->gpus_total; left > 0 && used < CELLS_MAX; used++) {
		int most = 0;

		for (int c = 1; c < cells; c++)
			most = free[c] > free[most] ? c : most;
		if (!cells || !free[most])
			break;
		left -= free[most];
		free[most] = 0;
	}
	return used;
}

static int64_t class_of(const struct host *h, const struct shape *s)
{
	int64_t left = (int64_t)h->gpus_free - s->gpus_total;
	int cells;

	if (!s->gpus_total)
		return h->gpus_there ? 1 + (int64_t)h->gpus_free : 0;
	for (int k = 0; k < s->gpus_n; k++)
		if (s->gpus[k].share < PLACEMENT_SHARE || *s->gpus[k].profile)
			return (int64_t)h->gpus_free * CELLS_MAX;
	cells = cells_needed(h, s);
	return left * CELLS_MAX + (cells > 0 ? cells - 1 : 0);
}

static uint64_t left_over(int64_t left, uint64_t weight)
{
	uint64_t n = (uint64_t)left < UINT64_C(1) << 30 ? (uint64_t)left : UINT64_C(1) << 30;

	n = n * weight >> 20;
	return n < UINT64_C(1) << LEFT_BITS ? n : (UINT64_C(1) << LEFT_BITS) - 1;
}

int64_t score_of(const struct placement *p, const struct host *h, const struct shape *s)
{
	uint64_t vcpus =
		left_over(h->vcpus - h->vcpus_used - (s->dedicated ? 0 : s->vcpus), UINT64_C(16) << 20);
	uint64_t ram =
		left_over(h->ram_mib - h->ram_used_mib -
				  (s->page_kib > PAGE_4K || s->page_kib == PAGE_LARGE ? 0 : s->ram_mib),
			p->ram_weight);
	uint64_t disk = left_over(h->disk_gib - h->disk_used_gib - s->disk_gib, p->disk_weight);

	return class_of(h, s) * (INT64_C(1) << FIT_BITS) +
	       (int64_t)(vcpus * vcpus + ram * ram + disk * disk / 16);
}
