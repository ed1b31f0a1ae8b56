/* SPDX-License-Identifier: Apache-2.0 */
/* Rating: what was used, and a price book, become the lines of an invoice. A pure function of its arguments,
 * in whole numbers; each line's amount is rounded once (money_round). */
#ifndef DOMAIN_RATING_H
#define DOMAIN_RATING_H

#include "domain/rating_sums.h"

enum rating_line_kind { LINE_USAGE, LINE_COMMITMENT, LINE_DISCOUNT, LINE_TAX, LINE_CORRECTION, LINE_KINDS };
extern const char *const rating_line_names[LINE_KINDS];

struct rating_line {
	enum rating_line_kind kind;
	const char *text;
	const char *item;     /* JSON: what it is of, as the book names it */
	const char *quantity; /* exact, "1234/3600": fraction_text; "" where it has none */
	const char *unit;     /* "vCPU-hour" */
	const char *price;    /* of one unit, or "8%"; "" where none is in the book */
	int64_t amount;       /* in the currency's minor unit */
	int resource;         /* of usage and commitments */
	bool no_price; /* of use: nothing of it is sold, or this resource is sold, but not of such a thing */
	int64_t created_us;   /* of stored lines */
	const char *user_uid; /* of corrections, else "" */
};

struct rating_invoice {
	struct rating_line *lines;
	size_t n;
	int64_t total;
};

struct rating_period {
	int64_t from_us, to_us;
	bool all; /* with lines for what has no price */
};

/* The most that a period may last, so that products stay within their bounds (money_amount): a month in which
 * the clock was set back lasts longer than others. */
#define RATING_PERIOD_MAX (INT64_C(400) * 86400 * 1000000)

/* groups: the project's, sorted. Everything in the arena. No use and no commitment: no lines. */
int rating_make(struct arena *a, const struct price_book *b, const char *project,
	const struct rating_period *p, const struct rating_group *groups, size_t n,
	struct rating_invoice *out, struct error *err);

/* How many groups from the first on are of its project. */
size_t rating_project_groups(const struct rating_group *groups, size_t n);

/* Is the amount of a usage or commitment line what its quantity and price say? Other lines: true. */
bool rating_line_holds(const struct rating_line *l, const struct currency *c);

#endif
