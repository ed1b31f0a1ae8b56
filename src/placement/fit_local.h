/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of fit share: cells and CPUs here, GPUs and their partitions there. */
#ifndef PLACEMENT_FIT_LOCAL_H
#define PLACEMENT_FIT_LOCAL_H

#include "placement/fit.h"

enum {
	HOST_CELLS_MAX = 32, /* those that a host has, and those that vanished while they were taken */
	GPU_CELLS_MAX = PLACEMENT_CELLS_MAX + 1 /* and no known one */
};

/* ---- cells ---- */

/* The server's cells, and the cells of the host (by bit of host.cells) that each could lie in. Each takes one
 * of its own, so that where they fit is a matching. */
struct guest {
	size_t n; /* 0: it floats */
	struct placement_guest_cell cells[PLACEMENT_GUEST_CELLS_MAX];
	uint32_t fits[PLACEMENT_GUEST_CELLS_MAX];
};

/* The first of RULE_CPUS, RULE_PAGES, RULE_NUMA that fails, or RULE_OK; and the server's cells. */
enum placement_rule guest_check(
	const struct host *h, const struct shape *s, struct guest *g, int64_t *want, int64_t *have);
/* Could each of these cells hold one of the server's? Where all of the server's fit somewhere, one way does
 * both. */
bool guest_covers(const struct guest *g, uint32_t cells);
/* Chooses the host's cells, among them those of `near`, and what they give. */
void guest_pick(const struct host *h, const struct shape *s, const struct guest *g, uint32_t near,
	struct placement_choice *out);

/* ---- CPUs ---- */

void cpus_refresh(struct cell *c);
/* How many dedicated CPUs the cell can give, by policy. */
int cpus_free(const struct cell *c, int threads);
/* Takes n of them. */
void cpus_pick(const struct cell *c, int threads, int n, int16_t *out);

/* ---- GPUs ---- */

void gpus_refresh(struct host *h);

/* Where GPUs have to be. */
enum bind { BIND_NONE, BIND_CELLS /* of the server */, BIND_LEGACY /* there, or in no known one */ };

/* What is wanted of a host's GPUs. Sets of them are by bit of host.gpus, sets of wants by their number. */
struct task {
	const struct host *h;
	const struct shape *s;
	const struct guest *guest;
	size_t n;                              /* wants */
	int count[PLACEMENT_GPU_KINDS_MAX];    /* of each */
	uint64_t can[PLACEMENT_GPU_KINDS_MAX]; /* the GPUs that each may use: narrowed down to a choice */
	unsigned whole, shares, parts;         /* the wants of these kinds */
	int total, whole_n, ones;              /* GPUs wanted; of them whole; of them not as partitions */
	enum bind bind;
	bool few_cells; /* in no more cells than: */
	unsigned cells_max;
	uint32_t near;           /* cells that GPUs chosen so far are in */
	bool linked;             /* the whole ones are one partition of the interconnect */
	bool grouped;            /* IOMMU groups are taken whole or not at all */
	const struct laid *laid; /* partitions chosen so far; NULL: none */
};

/* What is taken of the GPUs that are cut. */
struct laid {
	uint32_t used[PLACEMENT_GPUS_MAX];
	int16_t profile[PLACEMENT_GPUS_MAX]; /* of all their partitions, -1 */
};

/* GPUs by the cell they are in; those of no known one count as in one. */
struct gpu_cell {
	int number;
	uint64_t gpus;
	uint32_t cell; /* bit in host.cells; 0: not known */
};

static inline bool bit(uint64_t set, size_t i)
{
	return set >> i & 1;
}

void task_init(struct task *t, const struct host *h, const struct shape *s, const struct guest *g);
uint64_t task_any(const struct task *t, unsigned wants);
/* Is there a choice among what the wants may use? And with this set for the whole ones (without partitions)?
 */
bool task_fits(const struct task *t);
bool task_fits_link(const struct task *t, uint64_t set);
/* And within some of the server's cells, if they are bound to them? */
bool task_fits_bound(const struct task *t);
/* Does a wish for a partition mean anything to n GPUs? */
bool link_matters(const struct host *h, int n);
void task_take_link(struct task *t, uint64_t set);

/* The bit of the cell of that number; 0: there is none. */
uint32_t host_cell_bit(const struct host *h, int number);
/* The cells of the GPUs that could serve, those with the most first; room for GPU_CELLS_MAX. More are seen as
 * one. */
size_t task_cells(const struct task *t, struct gpu_cell *out);
/* The task with the GPUs of a set of cells alone; false: they are not enough, or the server's do not fit
 * there. */
bool task_within(
	const struct task *t, const struct gpu_cell *cells, size_t n, unsigned set, struct task *out);

/* The GPUs `drop` are not for these wants any more, if there still is a choice; there was one. */
bool task_drop(struct task *t, unsigned wants, uint64_t drop);
/* Sets of n by rising number. */
unsigned set_first(unsigned n);
unsigned set_next(unsigned set);

/* The first of the GPU rules that fails, or RULE_OK. */
enum placement_rule gpus_check(
	const struct host *h, const struct shape *s, const struct guest *g, int64_t *want, int64_t *have);
/* Chooses GPUs; returns in which of the host's cells they are, by bit, that the server's cells shall lie. */
uint32_t gpus_choose(
	const struct host *h, const struct shape *s, const struct guest *g, struct placement_choice *out);

/* ---- partitions ---- */

bool part_serves(const struct gpu *g, const char *profile);
/* Do all partitions that are wanted fit? */
bool parts_fit(const struct task *t);
/* How many of want k there is room for, if it is the only one. */
int parts_room(const struct task *t, size_t k);
/* Chooses GPU and start of each; out: where those of each want go. */
void parts_choose(const struct task *t, struct placement_gpu_choice *const *out);

#endif
