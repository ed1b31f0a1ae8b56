/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, the index of use, and its journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/quota.h"

static void test_check(void **state)
{
	static const struct {
		int64_t limit, used, want;
		bool fits;
	} cases[] = {
		{ 10, 0, 10, true }, { 10, 10, 0, true }, { 10, 9, 1, true }, { 10, 9, 2, false },
		{ 10, 10, 1, false }, { 0, 0, 1, false }, { -1, INT64_MAX, 1, true },
		{ 10, 12, 0, true },                                                     /* a lowered limit */
		{ 10, 12, -3, true }, { 10, 12, 1, false }, { 10, 1, INT64_MAX, false }, /* no overflow */
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int rc = quota_check(QUOTA_CORES, cases[i].limit, cases[i].used, cases[i].want, &err);

		assert_int_equal(rc, cases[i].fits ? 0 : -1);
		if (rc)
			assert_int_equal(err.code, ERR_OVER_QUOTA);
	}
	quota_check(QUOTA_CORES, 20, 18, 4, &err);
	assert_string_equal(
		err.msg, "Quota exceeded for cores: Requested 4, but already used 18 of 20 cores");
}

static void test_table(void **state)
{
	struct error err;
	enum quota_resource r;

	(void)state;
	for (int i = 0; i < QUOTA_MAX; i++) {
		const struct quota_resource_info *info = quota_resource_info((enum quota_resource)i);

		assert_non_null(info->name);
		assert_true(info->default_limit > 0);
		assert_true(quota_resource_find(info->name, &r));
		assert_int_equal(r, i);
		assert_int_equal(quota_limit_valid(r, -1, &err), 0);
		assert_int_equal(quota_limit_valid(r, 0, &err), 0);
		assert_int_equal(quota_limit_valid(r, -2, &err), -1);
		assert_int_equal(err.code, ERR_BAD_REQUEST);
		assert_non_null(strstr(err.msg, info->name));
		assert_int_equal(quota_limit_valid(r, INT64_MAX, &err), -1);
	}
	assert_false(quota_resource_find("warp", &r));
}

static char *dump(const struct quota_index *q)
{
	struct buf b = { 0 };
	char *text;

	quota_index_dump(q, &b);
	text = xstrdup(buf_text(&b));
	buf_finish(&b);
	return text;
}

static void test_index(void **state)
{
	struct quota_index *q = quota_index_create();
	CLEANUP(free_ptr) char *text = NULL;

	(void)state;
	assert_int_equal(quota_index_get(q, 7, QUOTA_CORES), 0);
	quota_index_add(q, 7, QUOTA_CORES, 4);
	quota_index_add(q, 7, QUOTA_CORES, 2);
	quota_index_add(q, 3, QUOTA_INSTANCES, 1);
	quota_index_add(q, INT64_MAX, QUOTA_RAM, 1024);
	quota_index_add(q, 5, QUOTA_RAM, 1);
	quota_index_add(q, 5, QUOTA_RAM, -1);
	assert_int_equal(quota_index_get(q, 7, QUOTA_CORES), 6);
	text = dump(q);
	assert_string_equal(text, "3 instances 1\n7 cores 6\n9223372036854775807 ram 1024\n");
	quota_index_forget(q);
	assert_int_equal(quota_index_mark(q), 0);
	quota_index_undo(q, 0);
	assert_int_equal(quota_index_get(q, 7, QUOTA_CORES), 6);
	quota_index_destroy(q);
	quota_index_destroy(NULL);
}

/* Many projects, nested marks, undone in any depth: always as a plain array says. */
static void test_journal(void **state)
{
	enum { PROJECTS = 300, DEPTH = 8 };
	static int64_t use[DEPTH + 1][PROJECTS][QUOTA_MAX];
	struct quota_index *q = quota_index_create();
	size_t marks[DEPTH];
	unsigned x = 12345;
	int depth = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525u + 1013904223u;
		unsigned project = (x >> 8) % PROJECTS, res = (x >> 16) % QUOTA_MAX, what = (x >> 24) % 16;

		if (what == 0 && depth < DEPTH) {
			marks[depth] = quota_index_mark(q);
			memcpy(use[depth + 1], use[depth], sizeof use[0]);
			depth++;
		} else if (what == 1 && depth > 0) {
			quota_index_undo(q, marks[--depth]);
		} else if (what == 2 && depth == 0) {
			quota_index_forget(q);
		} else {
			int64_t delta = (int64_t)((x >> 4) % 11) - 5;

			quota_index_add(q, project * 1000, (enum quota_resource)res, delta);
			use[depth][project][res] += delta;
		}
		assert_int_equal(quota_index_get(q, project * 1000, (enum quota_resource)res),
			use[depth][project][res]);
	}
	for (int p = 0; p < PROJECTS; p++)
		for (int r = 0; r < QUOTA_MAX; r++)
			assert_int_equal(
				quota_index_get(q, p * 1000, (enum quota_resource)r), use[depth][p][r]);
	quota_index_destroy(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
