/* SPDX-License-Identifier: Apache-2.0 */
/* Books time: steps of the wall clock both ways, restarts, boots; months that meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/books_time.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define DAY (24 * HOUR)

static void test_first(void **state)
{
	struct books_clock c = books_clock_first(5 * S, 1000 * DAY, 0);
	int64_t offset;

	(void)state;
	assert_int_equal(books_clock_now(&c, 5 * S), 1000 * DAY);
	assert_int_equal(books_clock_now(&c, 6 * S), 1000 * DAY + S);
	assert_false(books_clock_stepped(&c, 6 * S, 1000 * DAY + S, &offset));
	/* rows of before are later than the wall clock: the books begin behind them */
	c = books_clock_first(5 * S, 1000 * DAY, 1001 * DAY);
	assert_int_equal(books_clock_now(&c, 5 * S), 1001 * DAY);
	assert_true(books_clock_stepped(&c, 5 * S, 1000 * DAY, &offset));
	assert_int_equal(offset, -DAY);
}

static void test_steps(void **state)
{
	struct books_clock c = books_clock_first(0, 1000 * DAY, 0);
	int64_t offset = 0;

	(void)state;
	assert_false(books_clock_stepped(&c, S, 1000 * DAY + S + 49999, &offset));
	assert_false(books_clock_stepped(&c, S, 1000 * DAY + S - 49999, &offset));
	assert_true(books_clock_stepped(&c, S, 1000 * DAY + S + 50000, &offset));
	assert_int_equal(offset, 50000);
	assert_true(books_clock_stepped(&c, 2 * S, 900 * DAY, &offset));
	assert_int_equal(offset, -100 * DAY - 2 * S);
	c.offset_us = offset; /* time went on as before */
	assert_int_equal(books_clock_now(&c, 3 * S), 1000 * DAY + 3 * S);
	assert_false(books_clock_stepped(&c, 3 * S, 900 * DAY + S, &offset));
}

static void test_resume(void **state)
{
	const struct books_clock c = { .base_us = 1000 * DAY, .offset_us = HOUR };
	struct books_clock r;
	int64_t offset;

	(void)state;
	/* the same boot: exact, whatever the wall clock says */
	r = books_clock_resume(&c, true, 2 * HOUR, 5 * DAY, 1000 * DAY + HOUR);
	assert_int_equal(books_clock_now(&r, 2 * HOUR), 1000 * DAY + 2 * HOUR);
	assert_int_equal(r.offset_us, HOUR);
	/* another boot: the wall clock goes on as it was seen last */
	r = books_clock_resume(&c, false, 10 * S, 1002 * DAY, 1000 * DAY + HOUR);
	assert_int_equal(books_clock_now(&r, 10 * S), 1002 * DAY - HOUR);
	assert_false(books_clock_stepped(&r, 10 * S, 1002 * DAY, &offset));
	/* with a clock that lost its battery: not before what is written, and a step */
	r = books_clock_resume(&c, false, 10 * S, 0, 1000 * DAY + HOUR);
	assert_int_equal(books_clock_now(&r, 10 * S), 1000 * DAY + HOUR);
	assert_true(books_clock_stepped(&r, 10 * S, 0, &offset));
	assert_int_equal(offset, -1000 * DAY - HOUR);
	/* the same boot's name, but time ran backward: a machine that was put back */
	r = books_clock_resume(&c, true, S, 0, 1000 * DAY + HOUR);
	assert_int_equal(books_clock_now(&r, S), 1000 * DAY + HOUR);
}

static void test_wall(void **state)
{
	const struct books_step steps[] = { { 100 * DAY, HOUR }, { 200 * DAY, -HOUR } };

	(void)state;
	assert_int_equal(books_time_to_wall(steps, 2, 99 * DAY), 99 * DAY);
	assert_int_equal(books_time_to_wall(steps, 2, 100 * DAY), 100 * DAY + HOUR);
	assert_int_equal(books_time_to_wall(steps, 2, 201 * DAY), 201 * DAY - HOUR);
	assert_int_equal(books_time_to_wall(NULL, 0, 7), 7);
	assert_int_equal(books_time_from_wall(NULL, 0, 7), 7);
	assert_int_equal(books_time_from_wall(steps, 2, 99 * DAY), 99 * DAY);
	/* what a step forward left out is where it was taken */
	assert_int_equal(books_time_from_wall(steps, 2, 100 * DAY + HOUR / 2), 100 * DAY);
	assert_int_equal(books_time_from_wall(steps, 2, 100 * DAY + HOUR), 100 * DAY);
	assert_int_equal(books_time_from_wall(steps, 2, 150 * DAY + HOUR), 150 * DAY);
	/* what was shown twice counts when it was shown last */
	assert_int_equal(books_time_from_wall(steps, 2, 200 * DAY), 200 * DAY + HOUR);
	assert_int_equal(books_time_from_wall(steps, 2, 300 * DAY), 300 * DAY + HOUR);
}

/* A wrong clock for ten minutes, then the right one again: other times are where they were. */
static void test_excursions(void **state)
{
	const struct books_step back[] = { { 100 * DAY, -90 * DAY }, { 100 * DAY + 600 * S, 0 } };
	const struct books_step ahead[] = { { 100 * DAY, 900 * DAY }, { 100 * DAY + 600 * S, 0 } };

	(void)state;
	for (int64_t t = 20 * DAY; t < 1100 * DAY; t += 7 * DAY) {
		if (t == 100 * DAY)
			continue;
		assert_int_equal(books_time_from_wall(back, 2, t), t);
		assert_int_equal(books_time_from_wall(ahead, 2, t), t);
	}
	assert_int_equal(books_time_from_wall(ahead, 2, 100 * DAY), 100 * DAY + 600 * S);
	/* the minutes that the clock did not show */
	assert_int_equal(books_time_from_wall(back, 2, 100 * DAY + 60 * S), 100 * DAY + 600 * S);
}

/* However the clock is set: a later wall time is never an earlier moment. */
static void test_order(void **state)
{
	struct books_step steps[12];
	uint64_t r = 12345;

	(void)state;
	for (int round = 0; round < 300; round++) {
		int64_t at = 0, before = INT64_MIN;

		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			r = r * 6364136223846793005u + 1442695040888963407u;
			at += 1 + (int64_t)(r >> 33) % 40;
			r = r * 6364136223846793005u + 1442695040888963407u;
			steps[i] = (struct books_step) { at, (int64_t)(r >> 33) % 200 - 100 };
		}
		for (int64_t wall = -150; wall < 700; wall++) {
			int64_t books = books_time_from_wall(steps, ARRAY_LEN(steps), wall);

			assert_true(books >= before);
			assert_true(books_time_to_wall(steps, ARRAY_LEN(steps), books) >= wall);
			before = books;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_wall),
		cmocka_unit_test(test_excursions),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
