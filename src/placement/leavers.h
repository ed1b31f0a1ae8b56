/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that may leave their hosts so that a request fits, and bounds on what that would take; private to
 * this room. */
#ifndef PLACEMENT_LEAVERS_H
#define PLACEMENT_LEAVERS_H

#include "placement/query.h"

struct size { /* compared in this order */
	int64_t gpus, vcpus, ram_mib;
};

/* What is lacked, or what would be won, of the amounts that can simply be added up. */
enum { WON_GPUS, WON_VCPUS, WON_RAM, WON_DISK, WON_CPUS, WON_MAX };

struct leaver {
	struct size size;
	int64_t server;
	int64_t won[WON_MAX];
	const struct holding *held;
};

/* Those of one host. */
struct group {
	size_t slot;
	struct leaver *leavers;
	size_t n;
	int64_t lacks[WON_MAX];
	/* No set that makes it fit is better than this: */
	size_t fewest;
	struct size smallest;
	int64_t newest;
};

int64_t size_compare(const struct size *a, const struct size *b);
/* The smallest first, of these the newest: as qsort compares. */
int leaver_compare(const struct size *a, int64_t server_a, const struct size *b, int64_t server_b);

/* All that may leave, host by host: those of a slot are first[slot] to first[slot + 1]. Room for all that is
 * held, and for two more than there are hosts. */
void leavers_find(
	const struct placement *p, const struct placement_may *may, struct leaver *out, size_t *first);
/* The hosts where some may leave, and what these lack. Room for all hosts; returns how many. */
size_t groups_find(const struct query *q, struct leaver *leavers, const size_t *first, struct group *out);
/* Whether this one alone could be enough, as far as amounts tell. */
bool leaver_is_enough(const struct group *g, const struct leaver *l);
/* Puts leavers in order, finds the bounds of each group where one leaver is not enough, and puts the most
 * promising groups first. */
void groups_rank(struct group *groups, size_t n);

#endif
