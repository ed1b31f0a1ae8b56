/* SPDX-License-Identifier: Apache-2.0 */
/* Random price books, and what they make of the sums of the model test's accountant: worked out apart from
 * the code that rates, in fractions of whole numbers. */
#ifndef TESTS_BOOKS_RATES_H
#define TESTS_BOOKS_RATES_H

#include "books_oracle.h"

#include "base/buf.h"

enum { RATES_ITEMS = 24, RATES_TIERS = 4, RATES_FIELDS = 8, RATES_LINES = 256, RATES_PROJECTS = 8 };

struct rates_project {
	int64_t id;
	const char *uid;
};

/* How the names that books and prices use are found: networks are rows here and ids there. */
struct rates_world {
	struct rates_project projects[RATES_PROJECTS];
	size_t projects_n;
	const char *network_uid;
};

struct rates_price {
	int64_t n;
	int scale; /* n / 10^scale */
};

struct rates_item {
	int resource;
	char match[RATES_FIELDS][40]; /* "": not asked for */
	bool by_month, by_part;
	int64_t from[RATES_TIERS];
	struct rates_price price[RATES_TIERS];
	int tiers;
	/* of a commitment, too */
	size_t project;
	int64_t quantity;
};

struct rates {
	const char *currency;
	int digits;
	struct rates_item items[RATES_ITEMS], commitments[RATES_PROJECTS];
	size_t items_n, commitments_n;
	struct {
		size_t project;
		int resource; /* -1: all others */
		struct rates_price percent;
	} discounts[RATES_PROJECTS];
	size_t discounts_n;
	struct rates_price taxes[2];
	size_t taxes_n;
	struct buf json;
};

/* One that may still be refused: two of its items can be as special as each other. dice(n): 0 to n - 1. */
void rates_make(struct rates *r, const struct rates_world *w, unsigned (*dice)(unsigned n));
void rates_finish(struct rates *r);

struct rates_bill {
	int64_t lines[RATES_LINES]; /* amounts, ascending */
	size_t n;
	int64_t total;
};
/* Of a project (its place in the world) in a month (202701) of that length. `sums`: oracle_months. */
void rates_bill(const struct rates *r, const struct rates_world *w, size_t project, int month,
	int64_t length_us, const struct oracle_bag *sums, struct rates_bill *out);

#endif
