/* SPDX-License-Identifier: Apache-2.0 */
/* What one host can give a request: its amounts, NUMA cells, CPUs, pages, GPUs. Looks at this host alone, and
 * at no one's name; private to this room. */
#ifndef PLACEMENT_FIT_H
#define PLACEMENT_FIT_H

#include "placement/state.h"

struct shape_gpu {
	uint64_t models; /* bit per number in placement.models; all: any */
	int count;
	int share;                    /* 1 to PLACEMENT_SHARE of each */
	char profile[PLACEMENT_NAME]; /* "": none */
};

/* The part of a request that a host alone answers: equal shapes are asked in the same way. Unused bytes are
 * 0, so that shapes are compared and hashed as memory. */
struct shape {
	int64_t vcpus, ram_mib, disk_gib;
	int64_t reservation;
	struct shape_gpu gpus[PLACEMENT_GPU_KINDS_MAX];
	struct placement_guest_cell cells[PLACEMENT_GUEST_CELLS_MAX];
	int32_t gpus_n, gpus_total, cells_n, page_kib;
	int32_t link, pci, threads; /* placement_wish, placement_pci, placement_threads */
	int32_t dedicated, preemptible, exclusive;
};

/* Derives what a check reads of the host's cells and IOMMU groups; whenever anything of them has changed. */
void fit_refresh(struct host *h);

/* Pages that memory takes; what is charged to a cell. */
static inline int64_t pages_of(int64_t ram_mib, int page_kib)
{
	return (ram_mib * 1024 + page_kib - 1) / page_kib;
}

/* RULE_OK, or the first of RULE_VCPUS and what follows it that the host fails, with what it counts. want and
 * have may be NULL. Says OK exactly where fit_pick finds a place. */
enum placement_rule fit_check(const struct host *h, const struct shape *s, int64_t *want, int64_t *have);

/* Chooses cells, CPUs, pages and GPUs on a host that fits; the same answer for the same host. Fills all of
 * out but host_id. GPUs: close to each other and to the cells, one partition of the interconnect where
 * wished, and such that the largest partitions, cells and uncut GPUs stay whole. */
void fit_pick(const struct host *h, const struct shape *s, struct placement_choice *out);

#endif
