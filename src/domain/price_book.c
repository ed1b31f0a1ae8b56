/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/price_book.h"

#include <string.h>

#include "base/util.h"
#include "domain/month.h"

/* --- the body --- */

struct match_body {
	const char *resource, *unit, *text, *project;
	const char *one[PRICE_FIELDS];       /* "model": "H100" */
	struct bind_list many[PRICE_FIELDS]; /* "model": ["H100", "H200"] */
};

struct tier_body {
	int64_t from;
	const char *price;
};

struct item_body {
	struct match_body match;
	const char *price, *count;
	struct bind_list tiers;
};

struct commitment_body {
	struct match_body match;
	int64_t quantity;
	const char *price;
};

struct discount_body {
	const char *project, *resource, *percent, *text;
};

struct tax_body {
	const char *name, *percent;
};

struct price_book_body {
	const char *currency, *from_month, *name;
	struct bind_list items, discounts, commitments, taxes;
};

static const char *const resource_words[] = { "server", "vcpu", "ram_gib", "disk_gib", "gpu", "gpu_reserved",
	"image_gib", "address", NULL };
static const char *const unit_words[] = { "hour", "month", NULL };
static const char *const count_words[] = { "share", "part", NULL };
static const struct bind_field value_item = { .type = BIND_STR, .max = 255 };

#define PRICE(s, flags) BIND(s, price, "price", BIND_STR, flags, 1, DECIMAL_TEXT - 1)
#define FIELD(s, i, json_name)                                                                             \
	{ .name = (json_name), .type = BIND_STR, .offset = offsetof(struct s, match.one[i]), .max = 255 }, \
	{                                                                                                  \
		.name = (json_name), .type = BIND_ARR, .offset = offsetof(struct s, match.many[i]),        \
		.min = 1, .max = PRICE_VALUES_MAX, .items = &value_item                                    \
	}
#define MATCH(s)                                                                                    \
	{ .name = "resource",                                                                       \
		.type = BIND_STR,                                                                   \
		.offset = offsetof(struct s, match.resource),                                       \
		.flags = BIND_REQUIRED,                                                             \
		.words = resource_words },                                                          \
		{ .name = "unit",                                                                   \
			.type = BIND_STR,                                                           \
			.offset = offsetof(struct s, match.unit),                                   \
			.words = unit_words },                                                      \
		BIND(s, match.text, "text", BIND_STR, 0, 1, 200), FIELD(s, PRICE_FLAVOR, "flavor"), \
		FIELD(s, PRICE_NETWORK, "network"), FIELD(s, PRICE_MODEL, "model"),                 \
		FIELD(s, PRICE_PROFILE, "profile"), FIELD(s, PRICE_ZONE, "zone"),                   \
		FIELD(s, PRICE_STATE, "state"), FIELD(s, PRICE_PREEMPTIBLE, "preemptible"),         \
		FIELD(s, PRICE_BLOCK, "block")

static const struct bind_field tier_fields[] = {
	BIND(tier_body, from, "from", BIND_INT, BIND_REQUIRED, 0, PRICE_QUANTITY_MAX),
	PRICE(tier_body, BIND_REQUIRED),
};
static const struct bind_table tier_table = { BIND_TABLE(tier_body, tier_fields) };
static const struct bind_field tier_item = { .type = BIND_OBJ, .table = &tier_table };

static const struct bind_field item_fields[] = {
	MATCH(item_body),
	PRICE(item_body, 0),
	{ .name = "count",
		.type = BIND_STR,
		.offset = offsetof(struct item_body, count),
		.words = count_words },
	{ .name = "tiers",
		.type = BIND_ARR,
		.offset = offsetof(struct item_body, tiers),
		.min = 1,
		.max = PRICE_TIERS_MAX,
		.items = &tier_item },
};
static const struct bind_table item_table = { BIND_TABLE(item_body, item_fields) };
static const struct bind_field item_item = { .type = BIND_OBJ, .table = &item_table };

static const struct bind_field commitment_fields[] = {
	MATCH(commitment_body),
	BIND(commitment_body, match.project, "project_id", BIND_STR, BIND_REQUIRED, 1, 64),
	BIND(commitment_body, quantity, "quantity", BIND_INT, BIND_REQUIRED, 1, PRICE_QUANTITY_MAX),
	PRICE(commitment_body, BIND_REQUIRED),
};
static const struct bind_table commitment_table = { BIND_TABLE(commitment_body, commitment_fields) };
static const struct bind_field commitment_item = { .type = BIND_OBJ, .table = &commitment_table };

static const struct bind_field discount_fields[] = {
	BIND(discount_body, project, "project_id", BIND_STR, BIND_REQUIRED, 1, 64),
	{ .name = "resource",
		.type = BIND_STR,
		.offset = offsetof(struct discount_body, resource),
		.words = resource_words },
	BIND(discount_body, percent, "percent", BIND_STR, BIND_REQUIRED, 1, DECIMAL_TEXT - 1),
	BIND(discount_body, text, "text", BIND_STR, 0, 1, 200),
};
static const struct bind_table discount_table = { BIND_TABLE(discount_body, discount_fields) };
static const struct bind_field discount_item = { .type = BIND_OBJ, .table = &discount_table };

static const struct bind_field tax_fields[] = {
	BIND(tax_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 200),
	BIND(tax_body, percent, "percent", BIND_STR, BIND_REQUIRED, 1, DECIMAL_TEXT - 1),
};
static const struct bind_table tax_table = { BIND_TABLE(tax_body, tax_fields) };
static const struct bind_field tax_item = { .type = BIND_OBJ, .table = &tax_table };

#define LIST(member, most, item)                                                                       \
	{                                                                                              \
		.name = #member, .type = BIND_ARR, .offset = offsetof(struct price_book_body, member), \
		.max = (most), .items = &(item)                                                        \
	}

static const struct bind_field book_fields[] = {
	BIND(price_book_body, currency, "currency", BIND_STR, BIND_REQUIRED, 3, 3),
	BIND(price_book_body, from_month, "from_month", BIND_STR, BIND_REQUIRED, 7, 7),
	BIND(price_book_body, name, "name", BIND_STR, 0, 0, 200),
	LIST(items, PRICE_ITEMS_MAX, item_item),
	LIST(discounts, PRICE_ITEMS_MAX, discount_item),
	LIST(commitments, PRICE_ITEMS_MAX, commitment_item),
	LIST(taxes, PRICE_TAXES_MAX, tax_item),
};
const struct bind_table price_book_table = { BIND_TABLE(price_book_body, book_fields) },
			price_book_request = { .top = "price_book",
				BIND_TABLE(price_book_body, book_fields) };

/* --- from the body --- */

/* Where an error is: "items[3]". */
struct place {
	const char *list;
	size_t i;
	struct error *err;
};

#define REFUSE(at, fmt, ...) \
	error_set((at)->err, ERR_BAD_REQUEST, "%s[%zu]: " fmt, (at)->list, (at)->i, __VA_ARGS__)

static int resource_of(const char *name)
{
	for (int i = 0; i < PRICE_RESOURCES; i++)
		if (strcmp(price_resources[i].name, name) == 0)
			return i;
	return -1;
}

static int make_decimal(const struct place *at, const char *what, const char *text, struct decimal *out)
{
	if (decimal_parse(text, out))
		return 0;
	return REFUSE(at,
		"%s must be a decimal as \"0.125\", not '%.30s': at most %d digits, %d of them behind "
		"the point",
		what, text, DECIMAL_DIGITS_MAX, DECIMAL_SCALE_MAX);
}

static int make_price(const struct place *at, const struct currency *c, const char *text, struct decimal *out)
{
	int64_t ignored;

	if (make_decimal(at, "price", text, out))
		return -1;
	if (!money_amount(1, 1, *out, c, &ignored))
		return REFUSE(at, "the price %s is too large", text);
	return 0;
}

static int make_percent(const struct place *at, const char *text, struct decimal *out)
{
	if (make_decimal(at, "percent", text, out))
		return -1;
	if (decimal_compare(*out, (struct decimal) { 100, 0 }) > 0)
		return REFUSE(at, "%s percent is more than 100", text);
	return 0;
}

static int make_values(const struct place *at, const struct match_body *in, enum price_field f,
	struct price_match *out, struct arena *a)
{
	const struct price_resource_info *info = &price_resources[out->resource];
	struct price_values *v = &out->values[f];

	if (in->one[f]) {
		v->list = arena_copy(a, &in->one[f], sizeof in->one[f]);
		v->n = 1;
	} else if (in->many[f].items) {
		v->list = in->many[f].items;
		v->n = in->many[f].n;
	}
	if (v->n && !(info->fields & 1u << f))
		return REFUSE(at, "a price of %s cannot depend on %s", info->name, price_field_names[f]);
	for (size_t i = 0; i < v->n; i++) {
		struct price_values before = { v->list, i };

		if (price_has_value(&before, v->list[i]))
			return REFUSE(at, "%s names '%.60s' twice", price_field_names[f], v->list[i]);
		if ((f == PRICE_PREEMPTIBLE || f == PRICE_BLOCK) && !str_eq(v->list[i], "yes") &&
			!str_eq(v->list[i], "no"))
			return REFUSE(at, "%s must be yes or no", price_field_names[f]);
	}
	return 0;
}

static int make_match(
	const struct place *at, const struct match_body *in, struct arena *a, struct price_match *out)
{
	size_t cases = 1;

	out->resource = (enum price_resource)resource_of(in->resource);
	out->by_month = str_eq(in->unit, "month");
	for (int f = 0; f < PRICE_FIELDS; f++) {
		if (make_values(at, in, (enum price_field)f, out, a))
			return -1;
		cases *= out->values[f].n ? out->values[f].n : 1;
		if (cases > PRICE_CASES_MAX)
			return REFUSE(at, "its lists have more than %d combinations", PRICE_CASES_MAX);
	}
	return 0;
}

static int make_tiers(const struct place *at, const struct currency *c, const struct item_body *in,
	struct arena *a, struct price_item *out)
{
	const struct tier_body *tiers = in->tiers.items;

	if (!in->price == !in->tiers.items)
		return REFUSE(at, "%s", in->price ? "give a price or tiers, not both" : "it has no price");
	out->tiers_n = in->price ? 1 : in->tiers.n;
	out->tiers = ARENA_ARRAY(a, struct price_tier, out->tiers_n);
	if (in->price)
		return make_price(at, c, in->price, &out->tiers[0].price);
	for (size_t i = 0; i < in->tiers.n; i++) {
		if (i == 0 ? tiers[i].from != 0 : tiers[i].from <= tiers[i - 1].from)
			return REFUSE(at, "%s", "tiers begin at 0 and go up");
		out->tiers[i].from = tiers[i].from;
		if (make_price(at, c, tiers[i].price, &out->tiers[i].price))
			return -1;
	}
	return 0;
}

static int make_item(const struct place *at, const struct currency *c, const struct item_body *in,
	struct arena *a, struct price_item *out)
{
	if (make_match(at, &in->match, a, &out->match) || make_tiers(at, c, in, a, out))
		return -1;
	out->text = in->match.text;
	out->by_part = str_eq(in->count, "part");
	if (in->count && out->match.resource != PRICE_GPU)
		return REFUSE(at, "only gpu has a count, not %s", in->match.resource);
	if (out->by_part && (!out->match.values[PRICE_PROFILE].n ||
				    price_has_value(&out->match.values[PRICE_PROFILE], "")))
		return REFUSE(at, "%s", "to count parts the item must name their profiles");
	return 0;
}

static int make_commitment(const struct place *at, const struct currency *c, const struct commitment_body *in,
	struct arena *a, struct price_commitment *out)
{
	out->project = in->match.project;
	out->text = in->match.text;
	out->quantity = in->quantity;
	return make_match(at, &in->match, a, &out->match) || make_price(at, c, in->price, &out->price) ? -1
												       : 0;
}

static int make_discount(const struct place *at, const struct discount_body *in, struct price_discount *out)
{
	*out = (struct price_discount) { .project = in->project,
		.resource = in->resource ? resource_of(in->resource) : -1,
		.text = in->text };
	return make_percent(at, in->percent, &out->percent);
}

/* --- what a book must not have --- */

static bool overlap(const struct price_match *a, const struct price_match *b)
{
	if (a->resource != b->resource || price_weight(a) != price_weight(b))
		return false;
	for (size_t f = 0; f < PRICE_FIELDS; f++) {
		bool common = !a->values[f].n;

		for (size_t i = 0; i < a->values[f].n; i++)
			common |= price_has_value(&b->values[f], a->values[f].list[i]);
		if (!common)
			return false;
	}
	return true;
}

static bool wins(const struct price_book *b, size_t i, struct price_thing *t, unsigned flags)
{
	const enum price_field two[] = { PRICE_PREEMPTIBLE, PRICE_BLOCK };
	const struct price_match *m = &b->items[i].match;

	for (size_t k = 0; k < ARRAY_LEN(two); k++)
		t->fields[two[k]] = flags & 1u << k ? "yes" : "no";
	return price_matches(m, m->resource, t) && price_item_of(b, m->resource, t) == (int)i;
}

/* Is there a thing that the item prices? Of a field that it leaves open, a value that no item names is the
 * most it can hope for; only those with two values have none. Of those it names, each could be the one. */
static bool reachable(const struct price_book *b, size_t i, struct price_thing *t, int f)
{
	const struct price_values *v;

	while (f < PRICE_FIELDS && !b->items[i].match.values[f].n)
		t->fields[f++] = "\001";
	if (f == PRICE_FIELDS)
		return wins(b, i, t, 0) || wins(b, i, t, 1) || wins(b, i, t, 2) || wins(b, i, t, 3);
	v = &b->items[i].match.values[f];
	for (size_t k = 0; k < v->n; k++) {
		t->fields[f] = v->list[k];
		if (reachable(b, i, t, f + 1))
			return true;
	}
	return false;
}

static int check_items(const struct price_book *b, struct error *err)
{
	struct place at = { "items", 0, err };
	struct price_thing t;

	for (; at.i < b->items_n; at.i++) {
		for (size_t k = 0; k < at.i; k++)
			if (overlap(&b->items[at.i].match, &b->items[k].match))
				return REFUSE(&at,
					"it prices the same things as items[%zu], and neither is more "
					"special",
					k);
	}
	for (at.i = 0; at.i < b->items_n; at.i++)
		if (!reachable(b, at.i, &t, 0))
			return REFUSE(&at, "%s",
				"it can never be reached: items that are more special price all of it");
	return 0;
}

static int check_agreements(const struct price_book *b, struct error *err)
{
	struct place at = { "commitments", 0, err };

	for (; at.i < b->commitments_n; at.i++)
		for (size_t k = 0; k < at.i; k++)
			if (str_eq(b->commitments[k].project, b->commitments[at.i].project) &&
				overlap(&b->commitments[k].match, &b->commitments[at.i].match))
				return REFUSE(&at, "it covers the same things as commitments[%zu]", k);
	at = (struct place) { "discounts", 0, err };
	for (; at.i < b->discounts_n; at.i++)
		for (size_t k = 0; k < at.i; k++)
			if (str_eq(b->discounts[k].project, b->discounts[at.i].project) &&
				b->discounts[k].resource == b->discounts[at.i].resource)
				return REFUSE(
					&at, "it is of the same project and resource as discounts[%zu]", k);
	return 0;
}

/* --- the whole --- */

static int make_items(
	const struct price_book_body *in, struct arena *a, struct price_book *out, struct error *err)
{
	const struct item_body *items = in->items.items;
	struct place at = { "items", 0, err };

	out->items = ARENA_ARRAY(a, struct price_item, in->items.n + 1);
	for (; at.i < in->items.n; at.i++)
		if (make_item(&at, out->currency, &items[at.i], a, &out->items[at.i]))
			return -1;
	out->items_n = in->items.n;
	return 0;
}

static int make_agreements(
	const struct price_book_body *in, struct arena *a, struct price_book *out, struct error *err)
{
	const struct commitment_body *commitments = in->commitments.items;
	const struct discount_body *discounts = in->discounts.items;
	struct place at = { "commitments", 0, err };

	out->commitments = ARENA_ARRAY(a, struct price_commitment, in->commitments.n + 1);
	for (; at.i < in->commitments.n; at.i++)
		if (make_commitment(&at, out->currency, &commitments[at.i], a, &out->commitments[at.i]))
			return -1;
	out->commitments_n = in->commitments.n;
	out->discounts = ARENA_ARRAY(a, struct price_discount, in->discounts.n + 1);
	at = (struct place) { "discounts", 0, err };
	for (; at.i < in->discounts.n; at.i++)
		if (make_discount(&at, &discounts[at.i], &out->discounts[at.i]))
			return -1;
	out->discounts_n = in->discounts.n;
	return 0;
}

static int make_taxes(
	const struct price_book_body *in, struct arena *a, struct price_book *out, struct error *err)
{
	const struct tax_body *taxes = in->taxes.items;
	struct place at = { "taxes", 0, err };

	out->taxes = ARENA_ARRAY(a, struct price_tax, in->taxes.n + 1);
	for (; at.i < in->taxes.n; at.i++) {
		out->taxes[at.i].name = taxes[at.i].name;
		if (make_percent(&at, taxes[at.i].percent, &out->taxes[at.i].percent))
			return -1;
	}
	out->taxes_n = in->taxes.n;
	return 0;
}

int price_book_make(
	const struct price_book_body *in, struct arena *a, struct price_book *out, struct error *err)
{
	struct price_book b = { .name = in->name ? in->name : "" };

	b.currency = currency_find(in->currency);
	if (!b.currency)
		return error_set(err, ERR_BAD_REQUEST, "currency: there is no %.3s", in->currency);
	if (!month_parse(in->from_month, &b.from_month))
		return error_set(err, ERR_BAD_REQUEST, "from_month must be a month as 2027-01, not '%.7s'",
			in->from_month);
	if (make_items(in, a, &b, err) || make_agreements(in, a, &b, err) || make_taxes(in, a, &b, err) ||
		check_items(&b, err) || check_agreements(&b, err))
		return -1;
	*out = b;
	return 0;
}

int price_book_parse(const char *json, size_t n, struct arena *a, struct price_book *out, struct error *err)
{
	struct price_book_body in = { 0 };
	json_t *body = bind_parse(json, n, err);
	int rc;

	if (!body)
		return -1;
	rc = bind_body(body, &price_book_table, 0, a, &in, NULL, err);
	if (!rc)
		rc = price_book_make(&in, a, out, err);
	json_decref(body);
	return rc;
}
