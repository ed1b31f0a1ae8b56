/* SPDX-License-Identifier: Apache-2.0 */
/* The deadlines of acts: what is configured, and more where there is more to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/util.h"
#include "flow/internal.h"

enum { S = 1000, GIB = 1024 };

static const struct flow_config cfg = { .call_timeout_ms = 60 * S, .stage_timeout_ms = 3600 * S };

static const struct {
	enum flow_time time;
	struct step_size size;
	unsigned s;
} cases[] = {
	/* a small call takes what it takes, however large the server is */
	{ TIME_CALL, { 0 }, 60 },
	{ TIME_CALL, { 2048 * GIB, 4000, 8 }, 60 },
	/* memory is pinned where there are devices */
	{ TIME_START, { 2048 * GIB, 0, 0 }, 60 },
	{ TIME_START, { 64 * GIB, 0, 1 }, 60 + 60 + 30 },
	{ TIME_START, { 2048 * GIB, 4000, 8 }, 60 + 32 * 60 + 4 * 60 },
	{ TIME_SAVE, { 0 }, 60 },
	{ TIME_SAVE, { 256 * GIB, 4000, 0 }, 60 + 32 * 60 },
	{ TIME_STAGE, { 0 }, 3600 },
	{ TIME_STAGE, { 2048 * GIB, 50, 0 }, 3600 + 1800 },
	{ TIME_STAGE, { 0, 1000, 0 }, 11 * 3600 },
	{ TIME_MOVE, { 256 * GIB, 100, 0 }, 3 * 3600 },
	/* and there is an end to it */
	{ TIME_MOVE, { 4096 * GIB, 1000000, 0 }, 14 * 24 * 3600 },
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(flow_step_ms(&cfg, cases[i].time, &cases[i].size), cases[i].s * S);
}

/* More work never has less time. */
static void test_grows(void **state)
{
	(void)state;
	for (int time = 0; time < TIMES; time++) {
		unsigned last = 0;

		for (int64_t n = 0; n < 64; n++) {
			const struct step_size size = { n * 100 * GIB, n * 1000, n };
			unsigned ms = flow_step_ms(&cfg, (enum flow_time)time, &size);

			assert_true(ms >= last);
			last = ms;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
