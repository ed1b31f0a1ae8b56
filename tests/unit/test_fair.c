/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that are served in turn: the order of service, as counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fair.h"
#include "base/util.h"

enum { ITEMS = 4000, CLASSES = 200 };

struct thing {
	struct fair_item item;
	uint64_t of;
	unsigned number;
};

static struct fair line;
static struct thing things[ITEMS];
static struct fair_class *classes[CLASSES];
static unsigned things_n;
static int64_t now_us;

static int up(void **state)
{
	(void)state;
	fair_init(&line, 100);
	things_n = 0;
	now_us = 1000;
	return 0;
}

static int down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < things_n; i++)
		fair_remove(&line, &things[i].item);
	for (unsigned i = 0; i < CLASSES; i++) {
		fair_class_put(&line, classes[i]);
		classes[i] = NULL;
	}
	fair_finish(&line);
	return 0;
}

/* Held to the end of the test, as by a connection. */
static struct fair_class *of(uint64_t key, unsigned share)
{
	if (!classes[key])
		classes[key] = fair_class_get(&line, key, share);
	return classes[key];
}

static struct thing *put(uint64_t key, unsigned n)
{
	struct thing *t = NULL;

	while (n--) {
		t = &things[things_n];
		*t = (struct thing) { .of = key, .number = things_n++ };
		fair_push(&line, of(key, FAIR_SHARE), &t->item);
	}
	return t;
}

static struct thing *serve(int64_t cost_us)
{
	struct fair_class *whose;
	struct fair_item *item = fair_pop(&line, &whose);

	if (!item)
		return NULL;
	now_us += cost_us;
	fair_charge(&line, whose, cost_us, now_us);
	return CONTAINER_OF(item, struct thing, item);
}

static void test_one_class_is_a_queue(void **state)
{
	(void)state;
	put(1, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(serve(30)->number, i);
	assert_null(serve(1));
	assert_int_equal(line.n, 0);
}

/* Whoever holds 500, the one who comes is next. */
static void test_who_asks_little_is_next(void **state)
{
	(void)state;
	put(1, 500);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(serve(40)->of, 1);
	put(2, 1);
	assert_int_equal(serve(40)->of, 2);
	/* again and again, not only once: within a share of the other */
	for (unsigned round = 0; round < 50; round++) {
		unsigned before = 0;

		serve(40);
		put(2, 1);
		while (serve(40)->of != 2)
			before++;
		assert_true(before <= 4);
	}
}

static void test_shares_are_of_time_not_of_items(void **state)
{
	int64_t took[3] = { 0 };

	(void)state;
	put(1, 1000);
	put(2, 1000);
	for (unsigned i = 0; i < 800; i++) {
		struct fair_class *whose;
		struct fair_item *item = fair_pop(&line, &whose);
		uint64_t key = CONTAINER_OF(item, struct thing, item)->of;
		int64_t cost = key == 1 ? 700 : 20; /* one asks for long lists */

		took[key] += cost;
		fair_charge(&line, whose, cost, now_us += cost);
		if (line.n && (!classes[1]->n || !classes[2]->n))
			break;
	}
	assert_true(took[1] > 0 && took[2] > 0);
	assert_in_range(took[1] * 100 / took[2], 80, 125);
}

static void test_half_a_share(void **state)
{
	unsigned n[3] = { 0 };

	(void)state;
	classes[1] = fair_class_get(&line, 1, FAIR_SHARE / 2);
	put(1, 600);
	put(2, 600);
	for (unsigned i = 0; i < 600; i++)
		n[serve(50)->of]++;
	assert_in_range(n[2] * 100 / n[1], 180, 220);
}

static void test_first_comes_first(void **state)
{
	(void)state;
	classes[0] = fair_class_get(&line, 0, FAIR_FIRST);
	put(1, 300);
	put(2, 1);
	put(0, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(serve(100000)->of, 0);
	assert_int_equal(serve(200)->of, 1);
	assert_int_equal(serve(10)->of, 2);
}

/* However many new ones come, those that stand get on. */
static void test_nobody_stands_for_ever(void **state)
{
	unsigned got = 0;

	(void)state;
	put(1, 200);
	while (classes[1]->n == 200)
		serve(1000);
	for (unsigned i = 0; i < 1000; i++) {
		put(2 + i % (CLASSES - 2), 1);
		got += serve(1)->of == 1;
	}
	assert_true(got >= 1000 / 20);
}

static void test_the_wait_is_told(void **state)
{
	const struct fair_class *a = of(1, FAIR_SHARE), *b = of(2, FAIR_SHARE);

	(void)state;
	assert_int_equal(fair_wait_us(a), 0);
	put(1, 400);
	put(2, 4);
	for (unsigned i = 0; i < 8; i++)
		serve(1000);
	assert_in_range(fair_wait_us(a), 300 * 1000, 900 * 1000);
	assert_true(fair_above_share(&line, a));
	put(2, 1);
	assert_false(fair_above_share(&line, b));
	assert_true(fair_shared(&line, now_us));
	assert_false(fair_shared(&line, now_us + 10000000));
}

static void test_the_last_of_the_longest(void **state)
{
	struct thing *last;

	(void)state;
	put(2, 3);
	last = put(1, 9);
	put(3, 5);
	assert_ptr_equal(fair_last_of_longest(&line), &last->item);
	fair_remove(&line, &last->item);
	fair_remove(&line, &last->item); /* in no line any more */
	assert_int_equal(line.n, 16);
}

/* At random: none is lost, none is served twice, those of a class in order. */
static void test_nothing_is_lost(void **state)
{
	unsigned seen[ITEMS] = { 0 }, last[40] = { 0 }, n = 0;
	uint32_t r = 7;

	(void)state;
	while (n < ITEMS) {
		struct thing *t;

		r = r * 1664525 + 1013904223;
		if (things_n < ITEMS && (r >> 16) % 3) {
			put(1 + (r >> 20) % 39, 1);
			continue;
		}
		t = serve((int64_t)((r >> 8) % 300));
		if (!t)
			continue;
		assert_int_equal(seen[t->number]++, 0);
		assert_true(t->number >= last[t->of]);
		last[t->of] = t->number;
		n++;
	}
	assert_null(serve(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_class_is_a_queue, up, down),
		cmocka_unit_test_setup_teardown(test_who_asks_little_is_next, up, down),
		cmocka_unit_test_setup_teardown(test_shares_are_of_time_not_of_items, up, down),
		cmocka_unit_test_setup_teardown(test_half_a_share, up, down),
		cmocka_unit_test_setup_teardown(test_first_comes_first, up, down),
		cmocka_unit_test_setup_teardown(test_nobody_stands_for_ever, up, down),
		cmocka_unit_test_setup_teardown(test_the_wait_is_told, up, down),
		cmocka_unit_test_setup_teardown(test_the_last_of_the_longest, up, down),
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
