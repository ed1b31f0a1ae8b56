/* SPDX-License-Identifier: Apache-2.0 */
/* What a price book may be, and which of its items prices a thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "domain/price_book.h"

/* With ' for ", which C would need a backslash for. */
static int parse(struct arena *a, const char *text, struct price_book *out, struct error *err)
{
	char *json = arena_strdup(a, text);

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return price_book_parse(json, strlen(json), a, out, err);
}

#define HEAD "{'currency': 'USD', 'from_month': '2027-01', "

static void test_refused(void **state)
{
	static const struct {
		const char *book, *says;
	} cases[] = {
		{ "{'currency': 'USD'}", "from_month is required" },
		{ "{'currency': 'XXX', 'from_month': '2027-01'}", "there is no XXX" },
		{ "{'currency': 'USD', 'from_month': '2027-13'}", "from_month must be a month" },
		{ HEAD "'colour': 1}", "colour" },
		{ HEAD "'items': [{'resource': 'disk', 'price': '1'}]}", "items[0].resource must be one of" },
		{ HEAD "'items': [{'resource': 'vcpu'}]}", "items[0]: it has no price" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': 1}]}", "items[0].price must be a string" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '-1'}]}",
			"items[0]: price must be a decimal" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1e3'}]}",
			"items[0]: price must be a decimal" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '99999999999999'}]}", "too large" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1', 'tiers': [{'from': 0, 'price': '1'}]}]}",
			"not both" },
		{ HEAD "'items': [{'resource': 'vcpu', 'tiers': [{'from': 1, 'price': '1'}]}]}",
			"tiers begin at 0" },
		{ HEAD "'items': [{'resource': 'vcpu', 'tiers': [{'from': 0, 'price': '1'}, {'from': 5, "
		       "'price': '1'}, {'from': 5, 'price': '1'}]}]}",
			"tiers begin at 0 and go up" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1', 'model': 'H100'}]}",
			"items[0]: a price of vcpu cannot depend on model" },
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'preemptible': 'maybe'}]}", "yes or no" },
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'model': ['a', 'b', 'a']}]}",
			"model names 'a' twice" },
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'count': 'part'}]}",
			"name their profiles" },
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'count': 'part', 'profile': ['1g', "
		       "'']}]}",
			"name their profiles" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1', 'count': 'part'}]}", "only gpu" },
		{ HEAD "'taxes': [{'name': 'VAT', 'percent': '100.1'}]}", "taxes[0]: 100.1 percent" },
		/* twice the same, though one is a list */
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'model': ['a', 'b']}, {'resource': "
		       "'gpu', "
		       "'price': '2', 'model': 'b'}]}",
			"items[1]: it prices the same things as items[0]" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1'}, {'resource': 'vcpu', 'price': '2'}]}",
			"items[1]: it prices the same things as items[0]" },
		/* both values of a thing with two are taken */
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1'}, {'resource': 'vcpu', 'price': '2', "
		       "'preemptible': 'yes'}, {'resource': 'vcpu', 'price': '2', 'preemptible': 'no'}]}",
			"items[0]: it can never be reached" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '2', 'preemptible': ['yes', 'no']}, "
		       "{'resource': 'vcpu', 'price': '1'}]}",
			"items[1]: it can never be reached" },
		/* each of its flavors has an item that is more special */
		{ HEAD "'items': [{'resource': 'gpu', 'price': '1', 'model': 'a', 'block': 'yes'}, "
		       "{'resource': "
		       "'gpu', 'price': '1', 'model': 'a', 'block': 'no'}, {'resource': 'gpu', 'price': '2', "
		       "'model': 'a'}]}",
			"items[2]: it can never be reached" },
		{ HEAD "'discounts': [{'project_id': 'p', 'percent': '1'}, {'project_id': 'p', 'percent': "
		       "'2'}]}",
			"discounts[1]" },
		{ HEAD "'commitments': [{'project_id': 'p', 'resource': 'vcpu', 'quantity': 1, 'price': "
		       "'1'}, "
		       "{'project_id': 'p', 'resource': 'vcpu', 'quantity': 2, 'price': '1'}]}",
			"commitments[1]" },
		{ HEAD "'commitments': [{'project_id': 'p', 'resource': 'vcpu', 'quantity': 0, 'price': "
		       "'1'}]}",
			"commitments[0].quantity" },
		{ HEAD "'items': [{'resource': 'vcpu', 'price': '1', 'price': '2'}]}", "not JSON" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a = { 0 };
		struct price_book b;
		struct error err = { 0 };

		if (parse(&a, cases[i].book, &b, &err) == 0)
			fail_msg("taken: %s", cases[i].book);
		if (!strstr(err.msg, cases[i].says) || err.code != ERR_BAD_REQUEST)
			fail_msg("%s\nsays: %s", cases[i].book, err.msg);
		arena_finish(&a);
	}
}

static void test_matching(void **state)
{
	static const char book[] = HEAD
		"'items': ["
		"{'resource': 'gpu', 'price': '1'},"
		"{'resource': 'gpu', 'price': '2', 'model': ['H100', 'H200']},"
		"{'resource': 'gpu', 'price': '3', 'model': 'H100', 'state': ['stopped', 'paused']},"
		"{'resource': 'gpu', 'price': '4', 'zone': 'hn', 'state': 'stopped', 'preemptible': 'yes', "
		"'block': 'no'},"
		"{'resource': 'gpu', 'price': '5', 'model': 'H100', 'profile': ''},"
		"{'resource': 'gpu', 'price': '6', 'state': 'held'},"
		"{'resource': 'vcpu', 'price': '7', 'flavor': 'f1'}]}";
	static const struct {
		const char *model, *profile, *zone, *state, *preemptible, *block;
		int want;
	} cases[] = {
		{ "A100", "", "", "active", "no", "no", 0 },
		{ "H200", "", "", "active", "no", "no", 1 },
		/* a profile counts more than a state: the whole H100 */
		{ "H100", "", "", "paused", "no", "no", 4 },
		{ "H100", "1g.10gb", "", "paused", "no", "no", 2 },
		{ "H100", "1g.10gb", "", "active", "no", "no", 1 },
		/* the model that one names beats all that the other names */
		{ "H200", "", "hn", "stopped", "yes", "no", 1 },
		{ "A100", "", "hn", "stopped", "yes", "no", 3 },
		{ "A100", "", "hn", "stopped", "yes", "yes", 0 },
		{ "A100", "", "hn", "stopped", "no", "no", 0 },
		/* held is free unless named; building and error are free here */
		{ "A100", "", "", "held", "no", "no", 5 },
		{ "H100", "", "", "held", "no", "no", 5 },
		{ "H100", "", "", "building", "no", "no", -1 },
		{ "H100", "", "", "error", "no", "no", -1 },
	};
	struct arena a = { 0 };
	struct price_book b;
	struct error err;

	(void)state;
	if (parse(&a, book, &b, &err))
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct price_thing t = { { "", "", cases[i].model, cases[i].profile, cases[i].zone,
			cases[i].state, cases[i].preemptible, cases[i].block } };

		if (price_item_of(&b, PRICE_GPU, &t) != cases[i].want)
			fail_msg("case %zu: item %d, not %d", i, price_item_of(&b, PRICE_GPU, &t),
				cases[i].want);
		assert_int_equal(price_item_of(&b, PRICE_VCPU, &t), -1);
	}
	arena_finish(&a);
}

static void test_whole_book(void **state)
{
	static const char book[] =
		"{'currency': 'VND', 'from_month': '2027-02', 'name': 'B\xe1\xba\xa3ng gi\xc3\xa1',"
		"'taxes': [{'name': 'GTGT', 'percent': '8'}],"
		"'items': [{'resource': 'ram_gib', 'unit': 'month', 'tiers': [{'from': 0, 'price': '5.5'}, "
		"{'from': 100, 'price': '4'}], 'text': 'RAM'}],"
		"'discounts': [{'project_id': 'p', 'percent': '12.5'}],"
		"'commitments': [{'project_id': 'p', 'resource': 'gpu', 'model': 'H100', 'quantity': 744, "
		"'price': '60000'}]}";
	struct arena a = { 0 };
	struct price_book b;
	struct error err;

	(void)state;
	if (parse(&a, book, &b, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(b.currency->code, "VND");
	assert_int_equal(b.from_month, 202702);
	assert_true(b.items_n == 1 && b.items[0].tiers_n == 2 && b.items[0].match.by_month);
	assert_int_equal(b.items[0].tiers[0].price.n, 55);
	assert_int_equal(b.items[0].tiers[1].from, 100);
	assert_int_equal(b.discounts[0].resource, -1);
	assert_int_equal(b.commitments[0].match.resource, PRICE_GPU);
	assert_string_equal(b.taxes[0].name, "GTGT");
	arena_finish(&a);
}

/* What is installed for operators to begin with. */
static void test_example(void **state)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	FILE *f = fopen(SOURCE_DIR "/conf/prices.example.json", "r");
	struct arena a = { 0 };
	struct price_book b;
	struct error err;
	char piece[4096];
	size_t n;

	(void)state;
	assert_non_null(f);
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_append(&text, piece, n);
	fclose(f);
	if (price_book_parse(text.data, text.len, &a, &b, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(b.currency->code, "VND");
	assert_true(b.items_n > 10 && b.discounts_n == 2 && b.commitments_n == 1 && b.taxes_n == 1);
	arena_finish(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_matching),
		cmocka_unit_test(test_whole_book),
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
