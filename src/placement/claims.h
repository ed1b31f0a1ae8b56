/* SPDX-License-Identifier: Apache-2.0 */
/* What a claim comes to, and whether it can be taken; private to this room. */
#ifndef PLACEMENT_CLAIMS_H
#define PLACEMENT_CLAIMS_H

#include "placement/state.h"

static inline bool part_whole(const struct part *part)
{
	return part->profile == WORD_NONE && part->share >= PLACEMENT_SHARE;
}
uint32_t part_slots(const struct part *part);
/* Its index; -1: there is none of this name. */
int geometry_profile(const struct placement_geometry *g, const char *name);

int pages_index(int page_kib); /* in cell.pages */
/* What it is charged of the host's amounts. */
int64_t holding_vcpus(const struct holding *h);
int64_t holding_ram(const struct holding *h);

/* All that is to be held is there, free, and what was asked for. */
int claim_check(const struct placement *p, const struct host *h, const struct placement_request *req,
	const struct holding *held, struct error *err);
/* What runs is there: what the host does not list is added to it. What another server has is an error. */
int claim_force(struct placement *p, struct host *h, const struct placement_request *req,
	const struct holding *held, struct error *err);

#endif
