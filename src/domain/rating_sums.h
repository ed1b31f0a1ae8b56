/* SPDX-License-Identifier: Apache-2.0 */
/* What was used within a period, added up from intervals in any order: for each project and each kind of
 * thing (flavor, model, state, zone ...) amount × time, exactly. Memory grows with the kinds of things, not
 * with the intervals, and the sums do not depend on any price. */
#ifndef DOMAIN_RATING_SUMS_H
#define DOMAIN_RATING_SUMS_H

#include "domain/price_book.h"

/* server: 1, vCPUs, MiB, GiB of disk; gpu: its share of 1000, and 1000 (a part counts as one); gpu_reserved:
 * share; image: bytes; address: addresses. */
enum { RATING_AMOUNTS = 4 };

struct rating_use {
	int64_t project_id;
	enum rating_kind kind;
	int64_t start_us, end_us; /* half-open; end 0: not ended */
	struct price_thing thing;
	int64_t amounts[RATING_AMOUNTS];
};

struct rating_group {
	int64_t project_id;
	enum rating_kind kind;
	struct price_thing thing;
	money_wide sums[RATING_AMOUNTS]; /* amount × µs */
};

enum { RATING_GROUPS_MAX = 4000000 };

struct rating_sums;
/* Of [from, to). */
struct rating_sums *rating_sums_create(int64_t from_us, int64_t to_us);
/* From now on all projects are added up as one, with the key 0. */
void rating_sums_merge(struct rating_sums *s);
void rating_sums_destroy(struct rating_sums *s); /* NULL is fine */
/* What lies within the period is added. -1: too many kinds of things, or more than can be. */
int rating_sums_add(struct rating_sums *s, const struct rating_use *u, struct error *err);
/* Sorted by project and thing. Borrowed until the next add. */
const struct rating_group *rating_sums_sorted(struct rating_sums *s, size_t *n);

#endif
