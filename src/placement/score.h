/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the hosts that fit is the best; private to this room. */
#ifndef PLACEMENT_SCORE_H
#define PLACEMENT_SCORE_H

#include "placement/fit.h"

/* The score of a host that fits: lower is better, below INT64_MAX. It reads the host, what requests to expect
 * (p->mix), the fleet as a whole and the weights of p; whoever changes these resets the index. */
int64_t score_of(const struct placement *p, const struct host *h, const struct shape *s);

/* ---- what requests to expect ---- */

enum {
	MIX_SHAPES = 64, /* representative ones in the table */
	MIX_ENOUGH = 1000,
	GPU_SORTS = 3 /* given whole; or in shares; or cut */
};

/* What a host can run out of. */
enum pool { POOL_VCPUS, POOL_DEDICATED, POOL_RAM, POOL_HUGE, POOLS };

/* All that a score reads, a place per representative request in each array. */
struct mix_table {
	size_t n; /* requests; 0: none wants GPUs */
	/* Of what is free in a pool, times this, the upper 32 bits say how many fit; unlimited: all bits
	 * where it wants nothing of the pool. Pools that none wants are left out. */
	uint32_t per[POOLS][MIX_SHAPES], unlimited[POOLS][MIX_SHAPES];
	bool asked[POOLS];
	int16_t on_gpu[PLACEMENT_SHARE + 1][MIX_SHAPES]; /* how many, by the free thousandths of one GPU */
	int16_t on_whole[PLACEMENT_GPUS_MAX + 1][MIX_SHAPES];    /* those for several, by free whole GPUs */
	int16_t worth[(MODELS_MAX + 1) * GPU_SORTS][MIX_SHAPES]; /* of one more that fits; see mix_row */
	int32_t per_left; /* price of a whole GPU that is left free on the host */
	int32_t step;     /* scores that differ by less are equal */
};

/* As it was told; the table is learned from it and from the fleet when it is first read. */
struct mix {
	struct shape *shapes;
	uint32_t *weights;
	size_t n;
	bool churning;
	struct mix_table *table;
	uint64_t fleet; /* that the table was learned of */
};

void mix_destroy(struct mix *m);
struct mix *mix_copy(const struct mix *m);
/* NULL: nothing is expected. */
const struct mix_table *mix_table(const struct placement *p);

/* What is free of a pool, in the unit of mix_table.per. */
uint32_t pool_units(enum pool pool, int64_t amount);
/* The row of mix_table.worth for a GPU. */
static inline size_t mix_row(const struct gpu *g)
{
	size_t model = g->model < MODELS_MAX ? g->model : MODELS_MAX;

	return model * GPU_SORTS + (g->geometry ? 2 : g->shared);
}
/* A sum of all hosts' of this changes whenever the fleet does. */
uint64_t mix_fleet_of(const struct host *h);

#endif
