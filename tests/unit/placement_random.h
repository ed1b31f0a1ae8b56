/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters and requests by a seed, with all that hosts can have and servers can ask for. */
#ifndef TESTS_PLACEMENT_RANDOM_H
#define TESTS_PLACEMENT_RANDOM_H

#include "placement/placement.h"

extern uint64_t seed;
uint32_t rnd(uint32_t below);
static inline bool chance(uint32_t one_in)
{
	return rnd(one_in) == 0;
}

struct random_host {
	struct placement_host h;
	struct placement_gpu gpus[8];
	struct placement_cell cells[2];
	struct placement_cpu cpus[2][8];
	uint64_t links[16];
	const char *traits[4];
};
/* One of few kinds, so that equal hosts are common. Named "h<id>". */
void random_host(struct random_host *out, int64_t id);
/* Changes of what it is, none of which takes anything away. */
void random_host_change(struct random_host *h);

enum { RANDOM_LIST = 24 };
struct random_request {
	struct placement_request r;
	const char *traits[4];
	int64_t avoid[RANDOM_LIST], within[RANDOM_LIST], eligible[RANDOM_LIST], apart[RANDOM_LIST];
	struct placement_members members[RANDOM_LIST];
};
/* The part that a host alone answers. */
void random_shape(struct random_request *out);
/* Who may be asked: of hosts 1 to n. */
void random_constraints(struct random_request *out, int n);

char *random_dump(const struct placement *p); /* the caller's */

#endif
