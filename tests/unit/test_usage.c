/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals clipped and summed, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/usage.h"

static void test_clip(void **state)
{
	static const struct {
		int64_t start, end, from, to, now, want;
	} cases[] = {
		{ 100, 200, 0, 1000, 500, 100 },  /* inside */
		{ 100, 200, 150, 1000, 500, 50 }, /* started before */
		{ 100, 200, 0, 150, 500, 50 },    /* ended after */
		{ 100, 200, 120, 130, 500, 10 },  /* all of the period */
		{ 100, 200, 200, 300, 500, 0 },   /* the end is not in it */
		{ 100, 200, 0, 100, 500, 0 },     /* the period's end neither */
		{ 100, USAGE_OPEN, 0, 1000, 500, 400 }, { 100, USAGE_OPEN, 0, 300, 500, 200 },
		{ 600, USAGE_OPEN, 0, 1000, 500, 0 },                          /* a clock that went back */
		{ 100, 100, 0, 1000, 500, 0 }, { 100, 200, 300, 100, 500, 0 }, /* an empty period */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct usage_interval u = { .start_us = cases[i].start, .end_us = cases[i].end };

		assert_int_equal(usage_clip(&u, cases[i].from, cases[i].to, cases[i].now), cases[i].want);
	}
}

static void test_sum(void **state)
{
	const int64_t hour = INT64_C(3600000000);
	const struct usage_interval a = { 0 + hour, 3 * hour, 4, 8192, 40, 2 },
				    b = { 2 * hour, USAGE_OPEN, 1, 512, 1, 0 };
	struct usage_sum sum = { 0 }, twice = { 0 };

	(void)state;
	usage_add(&sum, &a, 0, 10 * hour, 4 * hour);
	usage_add(&sum, &b, 0, 10 * hour, 4 * hour);
	assert_true(usage_hours(sum.us) == 4.0);
	assert_true(usage_hours(sum.vcpu_us) == 10.0);
	assert_true(usage_hours(sum.ram_mib_us) == 2 * 8192.0 + 2 * 512.0);
	assert_true(usage_hours(sum.disk_gib_us) == 82.0);
	assert_true(usage_hours(sum.gpu_us) == 4.0);
	usage_sum_add(&twice, &sum);
	usage_sum_add(&twice, &sum);
	assert_true(usage_hours(twice.vcpu_us) == 20.0);
	assert_true(usage_hours(twice.gpu_us) == 8.0);
}

/* A period cut anywhere adds up to the whole, to the microsecond. */
static void test_cuts_add_up(void **state)
{
	const struct usage_interval u = { 1000, 987654321, 3, 777, 5, 1 };
	struct usage_sum whole = { 0 };

	(void)state;
	usage_add(&whole, &u, 0, INT64_C(2000000000), 0);
	for (int64_t cut = 0; cut < INT64_C(1100000000); cut += 99999989) {
		struct usage_sum parts = { 0 };

		usage_add(&parts, &u, 0, cut, 0);
		usage_add(&parts, &u, cut, INT64_C(2000000000), 0);
		assert_true(parts.us == whole.us && parts.ram_mib_us == whole.ram_mib_us);
	}
}

/* A hundred thousand servers of 2 TiB over ten years: far above 64 bits, and still exact. */
static void test_large(void **state)
{
	const int64_t years = INT64_C(10) * 365 * 86400 * 1000000;
	const struct usage_interval u = { 1, years + 1, 512, 2 << 20, 100000, 8 };
	struct usage_sum sum = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		usage_add(&sum, &u, 0, INT64_MAX, INT64_MAX);
	assert_true(usage_hours(sum.ram_mib_us) == 100000.0 * (2 << 20) * 87600);
	assert_true(usage_hours(sum.vcpu_us) == 100000.0 * 512 * 87600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clip),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_cuts_add_up),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
