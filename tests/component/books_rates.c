/* SPDX-License-Identifier: Apache-2.0 */
/* Another way to an invoice: each sum of the accountant finds its price, quantities are kept as numerators
 * over one unit's, and money is rounded by the doubled remainder. */
#include "books_rates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

__extension__ typedef __int128 wide;

enum { SERVER, VCPU, RAM, DISK, GPU, GPU_RESERVED, IMAGE, ADDRESS, RESOURCES };
/* As price books weigh them. */
enum { FLAVOR, NETWORK, MODEL, PROFILE, ZONE, STATE, PREEMPTIBLE, BLOCK };

static const char *const field_names[RATES_FIELDS] = { "flavor", "network", "model", "profile", "zone",
	"state", "preemptible", "block" };

static const struct {
	const char *name, *fields; /* by their places above */
	int64_t scale;
} resources[RESOURCES] = { { "server", "0456", 1 }, { "vcpu", "0456", 1 }, { "ram_gib", "0456", 1024 },
	{ "disk_gib", "0456", 1 }, { "gpu", "234567", 1000 }, { "gpu_reserved", "24", 1000 },
	{ "image_gib", "5", 1 << 30 }, { "address", "1", 1 } };

/* ---- making one ---- */

static const char *some_value(const struct rates_world *w, int field, unsigned (*dice)(unsigned n))
{
	static const char *const values[][10] = { [FLAVOR] = { "f", "f1", "f2", "f3" },
		[MODEL] = { "h100", "a100" },
		[PROFILE] = { "nvidia-474", "nvidia-475", "none" },
		[ZONE] = { "nova", "east" },
		[STATE] = { "active", "stopped", "building", "error", "held", "resized", "shelved_offloaded",
			"active", "paused", "suspended" },
		[PREEMPTIBLE] = { "yes", "no" },
		[BLOCK] = { "yes", "no" } };
	unsigned n = 0;

	if (field == NETWORK)
		return w->network_uid;
	while (n < 10 && values[field][n])
		n++;
	return values[field][dice(n)];
}

static struct rates_price some_price(unsigned (*dice)(unsigned n), unsigned most)
{
	struct rates_price p = { 1 + dice(most), (int)dice(5) };

	return dice(8) == 0 ? (struct rates_price) { 0, 0 } : p;
}

static void json_price(struct buf *b, const char *key, struct rates_price p)
{
	int64_t power = 1;

	for (int i = 0; i < p.scale; i++)
		power *= 10;
	if (p.scale)
		buf_printf(
			b, ", \"%s\": \"%" PRId64 ".%0*" PRId64 "\"", key, p.n / power, p.scale, p.n % power);
	else
		buf_printf(b, ", \"%s\": \"%" PRId64 "\"", key, p.n);
}

static void json_match(struct buf *b, const struct rates_item *m)
{
	buf_printf(b, "{\"resource\": \"%s\", \"unit\": \"%s\"", resources[m->resource].name,
		m->by_month ? "month" : "hour");
	for (int f = 0; f < RATES_FIELDS; f++)
		if (m->match[f][0])
			buf_printf(b, ", \"%s\": \"%s\"", field_names[f], m->match[f]);
}

static struct rates_item some_match(
	const struct rates_world *w, int resource, unsigned named, unsigned (*dice)(unsigned n))
{
	struct rates_item m = {
		.resource = resource, .by_month = dice(3) == 0, .project = dice((unsigned)w->projects_n)
	};
	const char *fields = resources[resource].fields;

	for (unsigned k = 0; k < named; k++) {
		int f = fields[dice((unsigned)strlen(fields))] - '0';

		str_copy(m.match[f], sizeof m.match[f], some_value(w, f, dice));
	}
	return m;
}

static void make_item(struct rates *r, const struct rates_world *w, int resource, unsigned named,
	unsigned (*dice)(unsigned n))
{
	struct rates_item *m = &r->items[r->items_n];

	*m = some_match(w, resource, named, dice);
	m->by_part = m->match[PROFILE][0] && dice(2);
	m->tiers = 1 + (dice(3) == 0) * (int)dice(RATES_TIERS);
	buf_puts(&r->json, r->items_n++ ? ", " : "");
	json_match(&r->json, m);
	for (int t = 0; t < m->tiers; t++) {
		m->from[t] = t ? m->from[t - 1] + 1 + dice(t == 1 ? 5 : 200) : 0;
		m->price[t] = some_price(dice, 500000);
	}
	if (m->by_part)
		buf_puts(&r->json, ", \"count\": \"part\"");
	if (m->tiers == 1)
		json_price(&r->json, "price", m->price[0]);
	for (int t = 0; m->tiers > 1 && t < m->tiers; t++) {
		buf_printf(&r->json, "%s{\"from\": %" PRId64, t ? ", " : ", \"tiers\": [", m->from[t]);
		json_price(&r->json, "price", m->price[t]);
		buf_puts(&r->json, t + 1 == m->tiers ? "}]" : "}");
	}
	buf_puts(&r->json, "}");
}

static void make_agreements(struct rates *r, const struct rates_world *w, unsigned (*dice)(unsigned n))
{
	buf_puts(&r->json, "], \"commitments\": [");
	for (; r->commitments_n < 2; r->commitments_n++) {
		struct rates_item *m = &r->commitments[r->commitments_n];

		*m = some_match(w, (int)dice(RESOURCES), dice(2), dice);
		m->quantity = 1 + dice(300);
		m->price[0] = some_price(dice, 100000);
		buf_puts(&r->json, r->commitments_n ? ", " : "");
		json_match(&r->json, m);
		buf_printf(&r->json, ", \"project_id\": \"%s\", \"quantity\": %" PRId64,
			w->projects[m->project].uid, m->quantity);
		json_price(&r->json, "price", m->price[0]);
		buf_puts(&r->json, "}");
	}
	buf_puts(&r->json, "], \"discounts\": [");
	for (; r->discounts_n < 2; r->discounts_n++) {
		r->discounts[r->discounts_n].project = dice((unsigned)w->projects_n);
		r->discounts[r->discounts_n].resource = (int)dice(RESOURCES + 3) - 3;
		if (r->discounts[r->discounts_n].resource < 0)
			r->discounts[r->discounts_n].resource = -1;
		r->discounts[r->discounts_n].percent = (struct rates_price) { dice(10000), 2 };
		buf_printf(&r->json, "%s{\"project_id\": \"%s\"", r->discounts_n ? ", " : "",
			w->projects[r->discounts[r->discounts_n].project].uid);
		if (r->discounts[r->discounts_n].resource >= 0)
			buf_printf(&r->json, ", \"resource\": \"%s\"",
				resources[r->discounts[r->discounts_n].resource].name);
		json_price(&r->json, "percent", r->discounts[r->discounts_n].percent);
		buf_puts(&r->json, "}");
	}
	buf_puts(&r->json, "], \"taxes\": [");
	for (unsigned n = dice(3); r->taxes_n < n; r->taxes_n++) {
		r->taxes[r->taxes_n] = (struct rates_price) { dice(2500), 2 };
		buf_printf(&r->json, "%s{\"name\": \"tax\"", r->taxes_n ? ", " : "");
		json_price(&r->json, "percent", r->taxes[r->taxes_n]);
		buf_puts(&r->json, "}");
	}
}

void rates_make(struct rates *r, const struct rates_world *w, unsigned (*dice)(unsigned n))
{
	static const struct {
		const char *code;
		int digits;
	} currencies[] = { { "VND", 0 }, { "EUR", 2 }, { "KWD", 3 } };
	unsigned c = dice(3);

	*r = (struct rates) { .currency = currencies[c].code, .digits = currencies[c].digits };
	buf_printf(&r->json, "{\"currency\": \"%s\", \"from_month\": \"2000-01\", \"items\": [", r->currency);
	for (int k = 0; k < RESOURCES; k++)
		for (unsigned n = dice(4), i = 0; i < n; i++)
			make_item(r, w, k, i, dice);
	make_agreements(r, w, dice);
	buf_puts(&r->json, "]}");
}

void rates_finish(struct rates *r)
{
	buf_finish(&r->json);
}

/* ---- which price ---- */

struct use { /* a sum, as prices see it */
	int64_t project;
	char fields[RATES_FIELDS][40];
	int64_t amounts[RESOURCES]; /* 0: it is none of that */
	int64_t parts;              /* of gpu, where each part counts as one */
};

static bool fits(const struct rates_item *m, int resource, const struct use *u)
{
	static const char *const free_states[] = { "building", "error", "held", "shelved_offloaded" };

	if (m->resource != resource)
		return false;
	for (int f = 0; f < RATES_FIELDS; f++)
		if (m->match[f][0] && strcmp(m->match[f], u->fields[f]) != 0)
			return false;
	for (size_t i = 0; i < ARRAY_LEN(free_states); i++)
		if (strcmp(u->fields[STATE], free_states[i]) == 0 && !m->match[STATE][0])
			return false;
	return true;
}

/* The first field that only one of them names. */
static bool beats(const struct rates_item *a, const struct rates_item *b)
{
	for (int f = 0; f < RATES_FIELDS; f++)
		if (!a->match[f][0] != !b->match[f][0])
			return a->match[f][0] != 0;
	return false;
}

static const struct rates_item *best(
	const struct rates_item *all, size_t n, size_t project, int resource, const struct use *u)
{
	const struct rates_item *best = NULL;

	for (size_t i = 0; i < n; i++)
		if ((project == SIZE_MAX || all[i].project == project) && fits(&all[i], resource, u) &&
			(!best || beats(&all[i], best)))
			best = &all[i];
	return best;
}

/* "202701|server|5|0|project|state|flavor|zone|preemptible|vcpus|ram|disk|amount", or
 * "202701|gpu|5|0|owner|share|model|zone|project|server|block|state|profile|preemptible". */
static bool use_read(const struct rates_world *w, char *text, struct use *u)
{
	char *part[16] = { NULL };
	size_t n = 0;
	bool tenant;

	*u = (struct use) { .project = 0 };
	for (char *rest = text, *p; n < 16 && (p = strsep(&rest, "|"));)
		part[n++] = p;
#define TAKE(field, text_) str_copy(u->fields[field], sizeof u->fields[field], text_)
	if (strcmp(part[1], "gpu") == 0) {
		tenant = strcmp(part[4], "tenant") == 0;
		u->project = atoll(part[8]);
		u->amounts[tenant ? GPU : GPU_RESERVED] = atoll(part[5]);
		u->parts = 1000;
		TAKE(MODEL, part[6]);
		TAKE(ZONE, part[7]);
		TAKE(STATE, part[11]);
		TAKE(PROFILE, part[12]);
		TAKE(PREEMPTIBLE, strcmp(part[13], "1") == 0 ? "yes" : "no");
		TAKE(BLOCK, strcmp(part[10], "0") == 0 ? "no" : "yes");
		return u->project != 0;
	}
	u->project = atoll(part[4]);
	TAKE(STATE, part[5]);
	if (strcmp(part[1], "server") == 0) {
		TAKE(FLAVOR, part[6]);
		TAKE(ZONE, part[7]);
		TAKE(PREEMPTIBLE, strcmp(part[8], "1") == 0 ? "yes" : "no");
		u->amounts[SERVER] = 1;
		u->amounts[VCPU] = atoll(part[9]);
		u->amounts[RAM] = atoll(part[10]);
		u->amounts[DISK] = atoll(part[11]);
		return true;
	}
	u->amounts[strcmp(part[1], "image") == 0 ? IMAGE : ADDRESS] = atoll(part[12]);
	TAKE(NETWORK, strcmp(part[1], "image") == 0 ? "" : w->network_uid);
	if (strcmp(part[1], "image") != 0)
		TAKE(STATE, "");
	return true;
#undef TAKE
}

/* ---- money ---- */

static wide power_of_ten(int n)
{
	wide p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

/* num / den, halves away from zero. */
static int64_t nearest(wide num, wide den)
{
	bool minus = num < 0;
	wide n = minus ? -num : num, twice = 2 * (n / den) + (2 * (n % den)) / den;

	n = (twice + 1) / 2;
	return (int64_t)(minus ? -n : n);
}

static void bill_add(struct rates_bill *b, int64_t amount)
{
	if (b->n == RATES_LINES)
		abort();
	b->lines[b->n++] = amount;
	b->total += amount;
}

/* A quantity (num of den) at a price. */
static int64_t cost(const struct rates *r, wide num, wide den, struct rates_price p)
{
	return nearest(num * p.n * power_of_ten(r->digits), den * power_of_ten(p.scale));
}

static wide unit_of(const struct rates_item *m, int64_t length_us)
{
	return (wide)(m->by_month ? length_us : INT64_C(3600000000)) * resources[m->resource].scale;
}

/* ---- the bill ---- */

struct work {
	const struct rates *r;
	size_t project;
	int64_t length_us;
	wide plain[RATES_ITEMS], committed[RATES_PROJECTS][RATES_ITEMS];
	int64_t by_resource[RESOURCES]; /* money of use */
	struct rates_bill *out;
};

static void count_use(struct work *k, const struct use *u, int64_t us)
{
	for (int res = 0; res < RESOURCES; res++) {
		const struct rates_item *item =
			u->amounts[res] ? best(k->r->items, k->r->items_n, SIZE_MAX, res, u) : NULL;
		const struct rates_item *c = best(k->r->commitments, k->r->commitments_n, k->project, res, u);
		wide amount;

		if (!item)
			continue;
		amount = (wide)(item->by_part ? u->parts : u->amounts[res]) * us;
		if (c)
			k->committed[c - k->r->commitments][item - k->r->items] += amount;
		else
			k->plain[item - k->r->items] += amount;
	}
}

static void bill_use(struct work *k, const struct rates_item *item, wide use, struct rates_price p)
{
	int64_t amount = cost(k->r, use, unit_of(item, k->length_us), p);

	bill_add(k->out, amount);
	k->by_resource[item->resource] += amount;
}

static void bill_committed(struct work *k, size_t c)
{
	const struct rates_item *m = &k->r->commitments[c];
	wide left = m->quantity * unit_of(m, k->length_us);

	for (size_t i = 0; i < k->r->items_n; i++) {
		wide covered = k->committed[c][i] < left ? k->committed[c][i] : left;

		if (covered)
			bill_add(k->out, 0);
		left -= covered;
		k->plain[i] += k->committed[c][i] - covered;
	}
}

static void bill_tiers(struct work *k, const struct rates_item *item, wide use)
{
	wide unit = unit_of(item, k->length_us);

	for (int t = 0; t < item->tiers; t++) {
		wide above = use - item->from[t] * unit,
		     next = t + 1 < item->tiers ? use - item->from[t + 1] * unit : 0;

		if (above > 0)
			bill_use(k, item, next > 0 ? above - next : above, item->price[t]);
	}
}

static void bill_discounts(struct work *k)
{
	const struct rates *r = k->r;

	for (size_t d = 0; d < r->discounts_n; d++) {
		int64_t base = 0;

		for (int res = 0; res < RESOURCES; res++) {
			bool own = false;

			for (size_t o = 0; o < r->discounts_n; o++)
				own |= r->discounts[o].project == k->project &&
				       r->discounts[o].resource == res;
			if (r->discounts[d].resource == res || (r->discounts[d].resource < 0 && !own))
				base += k->by_resource[res];
		}
		if (r->discounts[d].project == k->project && base)
			bill_add(k->out,
				-nearest((wide)base * r->discounts[d].percent.n, 100 * power_of_ten(2)));
	}
}

static int ascending(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

void rates_bill(const struct rates *r, const struct rates_world *w, size_t project, int month,
	int64_t length_us, const struct oracle_bag *sums, struct rates_bill *out)
{
	struct work k = { .r = r, .project = project, .length_us = length_us, .out = out };
	int64_t before_tax;

	*out = (struct rates_bill) { .n = 0 };
	for (size_t i = 0; i < sums->cap; i++) {
		char text[ORACLE_KEY];
		struct use u;

		if (!sums->slots[i] || !sums->slots[i]->us || atoi(sums->slots[i]->key) != month)
			continue;
		str_copy(text, sizeof text, sums->slots[i]->key);
		if (use_read(w, text, &u) && u.project == w->projects[project].id)
			count_use(&k, &u, sums->slots[i]->us);
	}
	for (size_t c = 0; c < r->commitments_n; c++)
		if (r->commitments[c].project == project)
			bill_committed(&k, c);
	for (size_t i = 0; i < r->items_n; i++)
		bill_tiers(&k, &r->items[i], k.plain[i]);
	for (size_t c = 0; c < r->commitments_n; c++)
		if (r->commitments[c].project == project)
			bill_add(out, cost(r, r->commitments[c].quantity, 1, r->commitments[c].price[0]));
	bill_discounts(&k);
	before_tax = out->total;
	for (size_t t = 0; t < r->taxes_n && out->n; t++)
		bill_add(out, nearest((wide)before_tax * r->taxes[t].n, 100 * power_of_ten(2)));
	qsort(out->lines, out->n, sizeof out->lines[0], ascending);
}
