/* SPDX-License-Identifier: Apache-2.0 */
/* A price book: what an hour or a month of each resource costs, taxes, discounts and committed use. Which
 * item prices a thing is decided by which matchers it names; a book in which two items could tie, or one
 * could never be reached, is refused. docs/prices.md has the format. */
#ifndef DOMAIN_PRICE_BOOK_H
#define DOMAIN_PRICE_BOOK_H

#include "base/arena.h"
#include "base/bind.h"
#include "domain/money.h"

/* What intervals are of. */
enum rating_kind {
	RATING_SERVER,
	RATING_GPU,
	RATING_GPU_RESERVED,
	RATING_IMAGE,
	RATING_ADDRESS,
	RATING_KINDS
};

enum price_resource {
	PRICE_SERVER,
	PRICE_VCPU,
	PRICE_RAM,
	PRICE_DISK,
	PRICE_GPU,
	PRICE_GPU_RESERVED,
	PRICE_IMAGE,
	PRICE_ADDRESS,
	PRICE_RESOURCES
};

/* What matchers ask about. The first that only one of two items names decides which is the more special. */
enum price_field {
	PRICE_FLAVOR, /* its id */
	PRICE_NETWORK,
	PRICE_MODEL,
	PRICE_PROFILE, /* "": a whole GPU */
	PRICE_ZONE,
	PRICE_STATE,
	PRICE_PREEMPTIBLE, /* yes, no */
	PRICE_BLOCK,       /* yes: the server uses its project's reserved GPUs; no */
	PRICE_FIELDS
};

struct price_resource_info {
	const char *name; /* in the book */
	const char *unit; /* of its quantity, before "-hour" */
	enum rating_kind kind;
	int amount;      /* which of an interval's amounts it counts: rating_sums.h */
	int64_t scale;   /* amounts are so many times the unit */
	unsigned fields; /* bit 1 << enum price_field: what its items may match */
};

extern const struct price_resource_info price_resources[PRICE_RESOURCES];
extern const char *const price_field_names[PRICE_FIELDS];

enum {
	PRICE_ITEMS_MAX = 1000,
	PRICE_TIERS_MAX = 20,
	PRICE_TAXES_MAX = 8,
	PRICE_VALUES_MAX = 100,
	PRICE_CASES_MAX = 1000
};
#define PRICE_QUANTITY_MAX INT64_C(1000000000000)

struct price_values { /* n 0: any */
	const char *const *list;
	size_t n;
};

struct price_match {
	enum price_resource resource;
	struct price_values values[PRICE_FIELDS];
	bool by_month; /* the unit of quantity: one for the whole month; else an hour */
};

struct price_tier {
	int64_t from; /* what is above so many units within a month */
	struct decimal price;
};

struct price_item {
	struct price_match match;
	bool by_part; /* of gpu: each part counts 1, not its share */
	struct price_tier *tiers;
	size_t tiers_n;
	const char *text;
};

struct price_discount {
	const char *project; /* id */
	int resource;        /* -1: all that have no discount of their own */
	struct decimal percent;
	const char *text;
};

struct price_commitment {
	const char *project;
	struct price_match match;
	int64_t quantity;
	struct decimal price;
	const char *text;
};

struct price_tax {
	const char *name;
	struct decimal percent;
};

struct price_book {
	int version; /* 0: not one that was added */
	int from_month;
	const struct currency *currency;
	const char *name;
	struct price_item *items;
	struct price_discount *discounts;
	struct price_commitment *commitments;
	struct price_tax *taxes;
	size_t items_n, discounts_n, commitments_n, taxes_n;
};

/* As the JSON has it. */
struct price_book_body;
extern const struct bind_table price_book_table;
extern const struct bind_table price_book_request; /* below "price_book" */

/* Everything in the arena. ERR_BAD_REQUEST names the item. */
int price_book_make(
	const struct price_book_body *in, struct arena *a, struct price_book *out, struct error *err);
/* Of a text that was stored, or came as a file. */
int price_book_parse(const char *json, size_t n, struct arena *a, struct price_book *out, struct error *err);

/* A thing as intervals describe it: "" where it has no such field. */
struct price_thing {
	const char *fields[PRICE_FIELDS];
};

bool price_has_value(const struct price_values *v, const char *text);
/* The more, the more special: the first fields count most. Two of one weight name the same fields. */
unsigned price_weight(const struct price_match *m);
bool price_matches(const struct price_match *m, enum price_resource r, const struct price_thing *t);
/* The item that prices it, -1: none. */
int price_item_of(const struct price_book *b, enum price_resource r, const struct price_thing *t);
/* The project's commitment that covers it, -1: none. */
int price_commitment_of(
	const struct price_book *b, const char *project, enum price_resource r, const struct price_thing *t);
/* Costs nothing unless an item names its state: what does not run yet, not by the tenant's doing, or nowhere.
 */
bool price_state_free(const char *state);

#endif
