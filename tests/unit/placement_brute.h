/* SPDX-License-Identifier: Apache-2.0 */
/* A second opinion on what fits on one small host: tries every way there is. */
#ifndef TESTS_PLACEMENT_BRUTE_H
#define TESTS_PLACEMENT_BRUTE_H

#include "placement/fit.h"

/* What a search leaves out of account, so that it finds the rule which refuses. */
enum { FREE_RESERVED = 1, FREE_CELLS = 2, FREE_LINK = 4, FREE_GROUP = 8 };

/* One way: the host's cell of each guest cell, GPU and start of each GPU wanted, want by want. */
struct way {
	size_t cell[PLACEMENT_GUEST_CELLS_MAX];
	size_t gpu[PLACEMENT_GPUS_MAX];
	int start[PLACEMENT_GPUS_MAX];
	size_t gpus_n;
};

/* Calls seen with each way, until it returns true. Returns whether it did. */
bool brute_search(const struct host *h, const struct shape *s, unsigned leave_out,
	bool (*seen)(const struct host *h, const struct shape *s, const struct way *w, void *arg), void *arg);
bool brute_fits(const struct host *h, const struct shape *s, unsigned leave_out);
/* What fit_check has to say. RULE_NUMA stands for CPUs and pages as well. */
enum placement_rule brute_rule(const struct host *h, const struct shape *s);

/* The server's cells: those it asks for, or the one that pins and huge pages make of it. */
size_t brute_guest(const struct shape *s, struct placement_guest_cell *out);
/* Fails the test unless the choice is one of those that the search would find, with CPUs that are free. */
void brute_assert_valid(const struct host *h, const struct shape *s, const struct placement_choice *c);
/* The whole GPUs of a way, by bit of host.gpus. */
uint64_t brute_whole(const struct shape *s, const struct way *w);

#endif
