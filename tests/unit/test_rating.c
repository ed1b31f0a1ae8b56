/* SPDX-License-Identifier: Apache-2.0 */
/* Invoices: some computed by hand, and random ones against an oracle that adds up fractions interval by
 * interval and looks for prices in another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "domain/rating.h"

#define H INT64_C(3600000000)
#define MONTH (744 * H) /* January */
#define HEAD "{'currency': 'USD', 'from_month': '2027-01', "

static const struct rating_period january = { 0, MONTH, false };

static struct price_book book_of(struct arena *a, const char *text)
{
	char *json = arena_strdup(a, text);
	struct price_book b;
	struct error err;

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (price_book_parse(json, strlen(json), a, &b, &err))
		fail_msg("%s", err.msg);
	return b;
}

static struct rating_use server(
	const char *flavor, const char *state, int64_t from, int64_t to, int64_t vcpus, int64_t ram_mib)
{
	return (struct rating_use) { .project_id = 1,
		.kind = RATING_SERVER,
		.start_us = from,
		.end_us = to,
		.thing = { { flavor, "", "", "", "nova", state, "no", "" } },
		.amounts = { 1, vcpus, ram_mib, 20 } };
}

static struct rating_use gpu(
	const char *model, const char *profile, const char *state, int64_t from, int64_t to, int64_t share)
{
	return (struct rating_use) { .project_id = 1,
		.kind = RATING_GPU,
		.start_us = from,
		.end_us = to,
		.thing = { { "", "", model, profile, "nova", state, "no", "no" } },
		.amounts = { share, 1000 } };
}

/* As text: "kind text quantity unit price amount" a line, and the total. */
static const char *rate(struct arena *a, const struct price_book *b, const struct rating_period *p,
	const struct rating_use *uses, size_t n)
{
	struct rating_sums *s = rating_sums_create(p->from_us, p->to_us);
	CLEANUP(buf_finish) struct buf out = { 0 };
	const struct rating_group *groups;
	struct rating_invoice invoice;
	struct error err;
	size_t groups_n;

	for (size_t i = 0; i < n; i++)
		if (rating_sums_add(s, &uses[i], &err))
			fail_msg("%s", err.msg);
	groups = rating_sums_sorted(s, &groups_n);
	if (rating_make(a, b, "p", p, groups, groups_n, &invoice, &err))
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < invoice.n; i++) {
		const struct rating_line *l = &invoice.lines[i];

		assert_true(rating_line_holds(l, b->currency));
		buf_printf(&out, "%s; %s; %s; %s; %s; %lld\n", rating_line_names[l->kind], l->text,
			l->quantity, l->unit, l->price, (long long)l->amount);
	}
	buf_printf(&out, "%lld\n", (long long)invoice.total);
	rating_sums_destroy(s);
	return arena_strdup(a, buf_text(&out));
}

static void expect(const char *book, const struct rating_use *uses, size_t n, const char *want)
{
	struct arena a = { 0 };
	struct price_book b = book_of(&a, book);
	const char *got = rate(&a, &b, &january, uses, n);

	if (strcmp(got, want) != 0)
		fail_msg("got:\n%swant:\n%s", got, want);
	arena_finish(&a);
}

/* --- by hand --- */

/* A server of 4 vCPUs, 8 GiB from hour 10 to 20, then stopped to 40, then active and still there.
 * Before the month and behind it nothing counts.
 * server: active 10 + 704 = 714 h × 0.10 $ = 71.40 $; stopped 20 h × 0.01 = 0.20 $
 * vcpu (any state but stopped): 714 × 4 = 2856 h × 0.0125 = 35.70 $
 * ram a month: active 714/744 + stopped 20/744 = 734/744 of 8 GiB = 734/93 GiB-month × 3.10 $ = 24.4666 $
 * together 131.77 (71.40 + 0.20 + 35.70 + 24.47); tax 8 % = 10.5416: 10.54; 142.31 */
static void test_server(void **state)
{
	static const char book[] =
		HEAD "'taxes': [{'name': 'VAT', 'percent': '8'}], 'items': ["
		     "{'resource': 'server', 'flavor': 'c4', 'price': '0.10', 'text': 'c4'},"
		     "{'resource': 'server', 'flavor': 'c4', 'state': 'stopped', 'price': '0.01'},"
		     "{'resource': 'vcpu', 'state': 'active', 'price': '0.0125'},"
		     "{'resource': 'ram_gib', 'unit': 'month', 'price': '3.10'}]}";
	const struct rating_use uses[] = {
		server("c4", "building", 9 * H, 10 * H, 4, 8192),
		server("c4", "active", 10 * H, 20 * H, 4, 8192),
		server("c4", "stopped", 20 * H, 40 * H, 4, 8192),
		server("c4", "active", 40 * H, 0, 4, 8192),
		server("c4", "active", -5 * H, 0 * H - 1, 4, 8192),
		server("c4", "active", MONTH, MONTH + 5 * H, 4, 8192),
	};

	(void)state;
	expect(book, uses, ARRAY_LEN(uses),
		"usage; c4; 714; server-hour; 0.1; 7140\n"
		"usage; server c4 stopped; 20; server-hour; 0.01; 20\n"
		"usage; vcpu active; 2856; vCPU-hour; 0.0125; 3570\n"
		"usage; ram_gib; 734/93; GiB-month; 3.1; 2447\n"
		"tax; VAT; ; ; 8%; 1054\n"
		"14231\n");
}

/* VND has no minor unit, KWD has three digits. Half an hour of a whole H100 and, for 90 minutes, 1/7 of one
 * (142 of 1000): by share 0.5 + 1.5 × 0.142 = 0.713 h × 65001 = 46345.713 ₫: 46346.
 * A part by itself: 1.5 h × 9999 = 14998.5: 14999. */
static void test_gpus(void **state)
{
	const struct rating_use uses[] = { gpu("H100", "", "active", 0, H / 2, 1000),
		gpu("H100", "1g", "active", 0, H * 3 / 2, 142), gpu("H100", "", "held", 0, 9 * H, 1000) };

	(void)state;
	expect("{'currency': 'VND', 'from_month': '2027-01', 'items': [{'resource': 'gpu', 'model': 'H100', "
	       "'price': '65001'}]}",
		uses, 3, "usage; gpu H100; 713/1000; GPU-hour; 65001; 46346\n46346\n");
	expect("{'currency': 'VND', 'from_month': '2027-01', 'items': [{'resource': 'gpu', 'model': 'H100', "
	       "'price': '65001'}, {'resource': 'gpu', 'model': 'H100', 'profile': '1g', 'count': 'part', "
	       "'price': '9999'}]}",
		uses, 3,
		"usage; gpu H100; 1/2; GPU-hour; 65001; 32501\n" /* 32500.5 */
		"usage; gpu H100 1g; 3/2; GPU-hour; 9999; 14999\n47500\n");
	/* 0.713 h × 0.0215 KWD = 0.0153295 KWD: 15 fils; held 9 h × 0.001 = 0.009: 9 fils */
	expect("{'currency': 'KWD', 'from_month': '2027-01', 'items': [{'resource': 'gpu', 'price': "
	       "'0.0215'}, "
	       "{'resource': 'gpu', 'state': 'held', 'price': '0.001'}]}",
		uses, 3,
		"usage; gpu; 713/1000; GPU-hour; 0.0215; 15\nusage; gpu held; 9; GPU-hour; 0.001; 9\n24\n");
}

/* 130 h: 100 × 1 $, 20 × 0.50 $, 10 × 0.333 $ = 3.33; and exactly at a threshold no empty line. */
static void test_tiers(void **state)
{
	static const char book[] = HEAD "'items': [{'resource': 'server', 'text': 't', 'tiers': [{'from': 0, "
					"'price': '1'}, {'from': 100, "
					"'price': '0.5'}, {'from': 120, 'price': '0.333'}]}]}";
	const struct rating_use long_use = server("a", "active", 0, 130 * H, 1, 1),
				exact = server("a", "active", 0, 100 * H, 1, 1),
				above = server("a", "active", 0, 100 * H + 1, 1, 1);

	(void)state;
	expect(book, &long_use, 1,
		"usage; t; 100; server-hour; 1; 10000\nusage; t; 20; server-hour; 0.5; 1000\n"
		"usage; t; 10; server-hour; 0.333; 333\n11333\n");
	expect(book, &exact, 1, "usage; t; 100; server-hour; 1; 10000\n10000\n");
	expect(book, &above, 1,
		"usage; t; 100; server-hour; 1; 10000\nusage; t; 1/3600000000; server-hour; 0.5; 0\n10000\n");
}

/* 100 GPU-hours of H100 are committed at 1 $: 100 $ in any case. Used: 60 h active and 70 h stopped; the
 * items' order says which is covered first: all 60 active, then 40 of the stopped; 30 h × 0.5 $ = 15 $ are
 * left. 10 % off all GPUs' use: 1.50 $. */
static void test_commitment(void **state)
{
	static const char book[] = HEAD
		"'items': [{'resource': 'gpu', 'price': '2', 'text': 'on'}, {'resource': 'gpu', 'state': "
		"'stopped', 'price': '0.5', 'text': 'off'}], 'commitments': [{'project_id': 'p', 'resource': "
		"'gpu', "
		"'model': 'H100', 'quantity': 100, 'price': '1', 'text': 'C'}, {'project_id': 'q', "
		"'resource': "
		"'gpu', 'quantity': 5, 'price': '1'}], 'discounts': [{'project_id': 'p', 'resource': 'gpu', "
		"'percent': '10'}, {'project_id': 'p', 'percent': '50'}]}";
	const struct rating_use uses[] = { gpu("H100", "", "active", 0, 60 * H, 1000),
		gpu("H100", "", "stopped", 60 * H, 130 * H, 1000) };
	const struct rating_use other = gpu("A100", "", "active", 0, 10 * H, 1000);

	(void)state;
	expect(book, uses, 2,
		"usage; on (committed: C); 60; GPU-hour; 0; 0\nusage; off (committed: C); 40; GPU-hour; 0; "
		"0\n"
		"usage; off; 30; GPU-hour; 0.5; 1500\ncommitment; C; 100; GPU-hour; 1; 10000\n"
		"discount; discount on gpu; ; ; 10%; -150\n11350\n");
	/* nothing used, and something that it does not cover */
	expect(book, uses, 0, "commitment; C; 100; GPU-hour; 1; 10000\n10000\n");
	expect(book, &other, 1,
		"usage; on; 10; GPU-hour; 2; 2000\ncommitment; C; 100; GPU-hour; 1; 10000\n"
		"discount; discount on gpu; ; ; 10%; -200\n11800\n");
}

/* A discount on one resource, and one on the rest: no line has both. 10 h × 1 $ + 20 h × 0.1 $: 10 % of 10 $,
 * 50 % of 2 $. Then the tax on what is left: 8 $... 10 + 2 - 1 - 1 = 10; two taxes, each on the 10. */
static void test_discounts(void **state)
{
	static const char book[] =
		HEAD "'items': [{'resource': 'server', 'price': '1', 'text': 's'}, {'resource': 'vcpu', "
		     "'price': '0.1', "
		     "'text': 'v'}], 'discounts': [{'project_id': 'p', 'percent': '10', 'text': 'd'}, "
		     "{'project_id': "
		     "'p', 'resource': 'vcpu', 'percent': '50', 'text': 'e'}, {'project_id': 'q', 'percent': "
		     "'99'}], "
		     "'taxes': [{'name': 'A', 'percent': '5'}, {'name': 'B', 'percent': '0.25'}]}";
	const struct rating_use use = server("a", "active", 0, 10 * H, 2, 1);

	(void)state;
	/* 0.25 % of 10 $ = 2.5 cents: 3 */
	expect(book, &use, 1,
		"usage; s; 10; server-hour; 1; 1000\nusage; v; 20; vCPU-hour; 0.1; 200\n"
		"discount; d; ; ; 10%; -100\ndiscount; e; ; ; 50%; -100\ntax; A; ; ; 5%; 50\ntax; B; ; ; "
		"0.25%; 3\n"
		"1053\n");
	expect(book, &use, 0, "0\n");
}

static void test_without_price(void **state)
{
	const struct rating_use uses[] = { server("a", "active", 0, H, 2, 1024),
		server("a", "building", H, 2 * H, 2, 1024) };
	struct rating_period all = { 0, MONTH, true };
	struct arena a = { 0 };
	struct price_book b = book_of(&a, HEAD "'items': [{'resource': 'vcpu', 'price': '1'}]}");
	const char *got = rate(&a, &b, &all, uses, 2);

	(void)state;
	assert_string_equal(got, "usage; vcpu; 2; vCPU-hour; 1; 200\n"
				 "usage; server a nova active (no price); 1; server-hour; ; 0\n"
				 "usage; ram_gib a nova active (no price); 1; GiB-hour; ; 0\n"
				 "usage; disk_gib a nova active (no price); 20; GiB-hour; ; 0\n"
				 "usage; server a nova building (free); 1; server-hour; ; 0\n"
				 "usage; vcpu a nova building (free); 2; vCPU-hour; ; 0\n"
				 "usage; ram_gib a nova building (free); 1; GiB-hour; ; 0\n"
				 "usage; disk_gib a nova building (free); 20; GiB-hour; ; 0\n"
				 "200\n");
	assert_string_equal(rate(&a, &b, &january, uses, 2), "usage; vcpu; 2; vCPU-hour; 1; 200\n200\n");
	arena_finish(&a);
}

/* vCPUs are sold, memory is sold of another flavor, the rest not at all. */
static void test_lacks_price(void **state)
{
	static const struct rating_period all = { 0, MONTH, true };
	const struct rating_use use = server("a", "active", 0, H, 2, 1024), image = { .project_id = 1,
		.kind = RATING_IMAGE,
		.end_us = H,
		.thing = { { "", "", "", "", "", "active", "", "" } },
		.amounts = { 1 << 30 } };
	struct rating_sums *s = rating_sums_create(0, MONTH);
	const struct rating_group *groups;
	struct rating_invoice invoice;
	struct arena a = { 0 };
	struct price_book b =
		book_of(&a, HEAD "'items': [{'resource': 'vcpu', 'price': '1'}, {'resource': 'ram_gib', "
				 "'flavor': 'b', 'price': '1'}]}");
	CLEANUP(buf_finish) struct buf lacking = { 0 };
	struct error err;
	size_t n;

	(void)state;
	assert_int_equal(rating_sums_add(s, &use, &err) || rating_sums_add(s, &image, &err), 0);
	groups = rating_sums_sorted(s, &n);
	assert_int_equal(rating_make(&a, &b, "p", &all, groups, n, &invoice, &err), 0);
	for (size_t i = 0; i < invoice.n; i++)
		if (invoice.lines[i].no_price)
			buf_printf(&lacking, "%s;", invoice.lines[i].text);
	assert_string_equal(
		buf_text(&lacking), "ram_gib a nova active (no price);image_gib active (no price);");
	rating_sums_destroy(s);
	arena_finish(&a);
}

static void test_too_much(void **state)
{
	struct arena a = { 0 };
	struct price_book b = book_of(&a, HEAD "'items': [{'resource': 'vcpu', 'price': '9999999999999'}]}");
	struct rating_use use = server("a", "active", 0, MONTH, INT64_C(1) << 40, 1);
	struct rating_sums *s = rating_sums_create(0, MONTH);
	const struct rating_group *groups;
	struct rating_period long_one = { 0, RATING_PERIOD_MAX + 1, false };
	struct rating_invoice invoice;
	struct error err;
	size_t n;

	(void)state;
	assert_int_equal(rating_sums_add(s, &use, &err), 0);
	groups = rating_sums_sorted(s, &n);
	assert_int_equal(rating_make(&a, &b, "p", &january, groups, n, &invoice, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(rating_make(&a, &b, "p", &long_one, groups, n, &invoice, &err), -1);
	assert_int_equal(err.code, ERR_BAD_REQUEST);
	rating_sums_destroy(s);
	arena_finish(&a);
}

/* --- at random, against the oracle --- */

enum { ROUNDS = 300, USES = 120, ITEMS = 6 };

static unsigned seed = 7;

static unsigned roll(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static const char *const flavors[] = { "a", "b", "c" }, *const states[] = { "active", "stopped", "building" },
			 *const zones[] = { "hn", "sg" }, *const yesno[] = { "yes", "no" };

/* What an item names: index + 1 of its value, 0 where it leaves it open. */
struct named {
	unsigned flavor, zone, state, preemptible;
	unsigned price;  /* thousandths */
	unsigned second; /* from the second tier's threshold on, which is `above` hours; 0: no tier */
	unsigned above;
};

static void item_json(struct buf *b, const struct named *n, bool comma)
{
	buf_printf(b, "%s{'resource': 'vcpu'", comma ? ", " : "");
	if (n->flavor)
		buf_printf(b, ", 'flavor': '%s'", flavors[n->flavor - 1]);
	if (n->zone)
		buf_printf(b, ", 'zone': '%s'", zones[n->zone - 1]);
	if (n->state)
		buf_printf(b, ", 'state': '%s'", states[n->state - 1]);
	if (n->preemptible)
		buf_printf(b, ", 'preemptible': '%s'", yesno[n->preemptible - 1]);
	if (n->second)
		buf_printf(b,
			", 'tiers': [{'from': 0, 'price': '%u.%03u'}, {'from': %u, 'price': '%u.%03u'}]}",
			n->price / 1000, n->price % 1000, n->above, n->second / 1000, n->second % 1000);
	else
		buf_printf(b, ", 'price': '%u.%03u'}", n->price / 1000, n->price % 1000);
}

/* The oracle's choice: strikes out candidates, one question after the other. */
static int oracle_item(const struct named *items, size_t n, const unsigned *what)
{
	bool in[ITEMS];
	int found = -1;

	for (size_t i = 0; i < n; i++) {
		const unsigned has[] = { items[i].flavor, items[i].zone, items[i].state,
			items[i].preemptible };

		in[i] = what[2] != 3 || items[i].state; /* building is free unless named */
		for (size_t q = 0; q < 4; q++)
			in[i] = in[i] && (!has[q] || has[q] == what[q]);
	}
	for (size_t q = 0; q < 4; q++) {
		bool any = false;

		for (size_t i = 0; i < n; i++) {
			const unsigned has[] = { items[i].flavor, items[i].zone, items[i].state,
				items[i].preemptible };

			any |= in[i] && has[q];
		}
		for (size_t i = 0; i < n; i++) {
			const unsigned has[] = { items[i].flavor, items[i].zone, items[i].state,
				items[i].preemptible };

			in[i] = in[i] && (!any || has[q]);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (in[i]) {
			assert_int_equal(found, -1); /* the book would have been refused */
			found = (int)i;
		}
	return found;
}

struct fraction {
	money_wide num, den;
};

static struct fraction reduced(money_wide num, money_wide den)
{
	money_wide a = num, b = den;

	while (b) {
		money_wide t = a % b;

		a = b;
		b = t;
	}
	return (struct fraction) { num / a, den / a };
}

static struct fraction plus(struct fraction x, struct fraction y)
{
	return reduced(x.num * y.den + y.num * x.den, x.den * y.den);
}

/* hours × thousandths of a dollar, in cents: twice the fraction plus one, halved and cut off. */
static int64_t oracle_cents(struct fraction hours, unsigned price)
{
	struct fraction f = reduced(hours.num * price, hours.den * 10);

	return (int64_t)((f.num * 2 + f.den) / (f.den * 2));
}

static int64_t oracle_line(const struct named *n, struct fraction hours)
{
	money_wide above = hours.num - (money_wide)n->above * hours.den;

	if (!n->second || above <= 0)
		return oracle_cents(hours, n->price);
	return oracle_cents((struct fraction) { n->above, 1 }, n->price) +
	       oracle_cents(reduced(above, hours.den), n->second);
}

static void random_items(struct named *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[i] = (struct named) { roll(4), roll(3), roll(4), roll(3), roll(5000),
			roll(2) ? roll(4000) + 1 : 0, 1 + roll(500) };
}

static int64_t random_uses(struct rating_use *uses, const struct named *items, size_t items_n)
{
	struct fraction hours[ITEMS];
	int64_t total = 0;

	for (size_t i = 0; i < items_n; i++)
		hours[i] = (struct fraction) { 0, 1 };
	for (size_t i = 0; i < USES; i++) {
		unsigned what[] = { 1 + roll(3), 1 + roll(2), 1 + roll(3), 1 + roll(2) };
		int64_t from = (int64_t)roll(800) * H - 20 * H + roll(60000),
			to = from + 1 + (int64_t)roll(60) * H / (1 + roll(7)) + roll(30000), vcpus = roll(9);
		int item = oracle_item(items, items_n, what);
		int64_t inside = (to < MONTH ? to : MONTH) - (from > 0 ? from : 0);

		uses[i] = server(flavors[what[0] - 1], states[what[2] - 1], from, to, vcpus, 1);
		uses[i].thing.fields[PRICE_ZONE] = zones[what[1] - 1];
		uses[i].thing.fields[PRICE_PREEMPTIBLE] = yesno[what[3] - 1];
		if (item >= 0 && inside > 0)
			hours[item] = plus(hours[item], reduced((money_wide)vcpus * inside, H));
	}
	for (size_t i = 0; i < items_n; i++)
		total += hours[i].num ? oracle_line(&items[i], hours[i]) : 0;
	return total;
}

static void shuffle(struct rating_use *uses)
{
	for (size_t i = USES - 1; i > 0; i--) {
		size_t k = roll((unsigned)i + 1);
		struct rating_use t = uses[i];

		uses[i] = uses[k];
		uses[k] = t;
	}
}

static bool random_round(void)
{
	struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf text = { 0 };
	struct rating_use uses[USES];
	struct named items[ITEMS];
	size_t n = 1 + roll(ITEMS);
	struct price_book b;
	const char *first;
	struct error err;
	char total[32], *json;
	bool taken;

	random_items(items, n);
	buf_puts(&text, HEAD "'items': [");
	for (size_t i = 0; i < n; i++)
		item_json(&text, &items[i], i > 0);
	buf_puts(&text, "]}");
	json = arena_strdup(&a, buf_text(&text));
	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	taken = price_book_parse(json, strlen(json), &a, &b, &err) == 0;
	if (taken) {
		snprintf(total, sizeof total, "\n%lld\n", (long long)random_uses(uses, items, n));
		first = rate(&a, &b, &january, uses, USES);
		if (!strstr(first, total) && strcmp(first, total + 1) != 0)
			fail_msg("oracle:%sgot:\n%s\n%s", total, first, json);
		shuffle(uses);
		assert_string_equal(rate(&a, &b, &january, uses, USES), first);
	}
	arena_finish(&a);
	return taken;
}

static void test_random(void **state)
{
	int taken = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		taken += random_round();
	assert_true(taken > ROUNDS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_commitment),
		cmocka_unit_test(test_discounts),
		cmocka_unit_test(test_without_price),
		cmocka_unit_test(test_lacks_price),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
