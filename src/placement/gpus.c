/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs of a host a server gets: close to each other first, then such that whole cells stay free. */
#include "placement/state.h"

#include <limits.h>
#include <string.h>

int gpus_of_model(const struct hot *hot, const struct host *h, uint32_t model)
{
	int n = 0;

	if (model == WORD_NONE)
		return 0;
	for (size_t i = 0; i < HOT_KINDS && i < hot->kinds_n; i++)
		if (hot->kind[i] == model)
			return hot->kind_free[i];
	if (hot->kinds_n <= HOT_KINDS)
		return 0;
	for (size_t i = 0; i < h->gpus_n; i++)
		n += h->gpus[i].model == model && gpu_free(&h->gpus[i]);
	return n;
}

/* What one NUMA cell could give. */
struct cell_gpus {
	int number;
	int free[PLACEMENT_GPU_KINDS_MAX];
	int others; /* free ones of models not wanted */
	bool used;
};

static size_t kind_of(const struct gpu_query *q, uint32_t model)
{
	size_t k = 0;

	while (k < q->kinds_n && q->model[k] != model)
		k++;
	return k;
}

static size_t cells_of(const struct host *h, const struct gpu_query *q, struct cell_gpus *cells)
{
	size_t n = 0;

	for (size_t i = 0; i < h->gpus_n; i++) {
		const struct gpu *g = &h->gpus[i];
		size_t k = kind_of(q, g->model), c = 0;

		if (!gpu_free(g))
			continue;
		while (c < n && cells[c].number != g->cell)
			c++;
		if (c == n)
			cells[n++] = (struct cell_gpus) { .number = g->cell };
		if (k < q->kinds_n)
			cells[c].free[k]++;
		else
			cells[c].others++;
	}
	return n;
}

/* The next cell to take from: the one that covers most of what is left to give, of these the one that keeps
 * least, then the lowest number. */
static struct cell_gpus *best_cell(
	struct cell_gpus *cells, size_t n, const struct gpu_query *q, const int *left)
{
	struct cell_gpus *best = NULL;
	int best_covers = 0, best_keeps = INT_MAX;

	for (size_t c = 0; c < n; c++) {
		int covers = 0, keeps = cells[c].others;

		if (cells[c].used)
			continue;
		for (size_t k = 0; k < q->kinds_n; k++) {
			int give = cells[c].free[k] < left[k] ? cells[c].free[k] : left[k];

			covers += give;
			keeps += cells[c].free[k] - give;
		}
		if (covers < best_covers || covers == 0)
			continue;
		if (best && covers == best_covers &&
			(keeps > best_keeps || (keeps == best_keeps && cells[c].number > best->number)))
			continue;
		best = &cells[c];
		best_covers = covers;
		best_keeps = keeps;
	}
	return best;
}

static void ids_from(
	const struct host *h, int cell, const struct gpu_query *q, size_t k, int give, int64_t *ids)
{
	for (size_t i = 0; give > 0 && i < h->gpus_n; i++) {
		const struct gpu *g = &h->gpus[i];

		if (gpu_free(g) && g->cell == cell && g->model == q->model[k]) {
			*ids++ = g->id;
			give--;
		}
	}
}

int gpus_pick(const struct host *h, const struct gpu_query *q, int64_t *ids)
{
	struct cell_gpus cells[PLACEMENT_GPUS_MAX];
	int left[PLACEMENT_GPU_KINDS_MAX], used = 0, total = q->total;
	size_t n = cells_of(h, q, cells);

	memcpy(left, q->count, sizeof left);
	for (; total > 0; used++) {
		struct cell_gpus *c = best_cell(cells, n, q, left);
		int start = 0; /* of this kind's run in ids */

		c->used = true;
		for (size_t k = 0; k < q->kinds_n; start += q->count[k], k++) {
			int give = c->free[k] < left[k] ? c->free[k] : left[k];

			if (ids)
				ids_from(h, c->number, q, k, give, ids + start + (q->count[k] - left[k]));
			left[k] -= give;
			total -= give;
		}
	}
	return used;
}
