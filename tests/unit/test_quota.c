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
		assert_true(info->default_limit == QUOTA_UNLIMITED || info->default_limit > 0);
		assert_true(quota_resource_find(info->name, &r));
		assert_int_equal(r, i);
		assert_int_equal(quota_limit_valid(info->name, -1, &err), 0);
		assert_int_equal(quota_limit_valid(info->name, 0, &err), 0);
		assert_int_equal(quota_limit_valid(info->name, -2, &err), -1);
		assert_int_equal(err.code, ERR_BAD_REQUEST);
		assert_non_null(strstr(err.msg, info->name));
		assert_int_equal(quota_limit_valid(info->name, INT64_MAX, &err), -1);
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
	assert_string_equal(text, "3 instances 1 1\n7 cores 6 6\n9223372036854775807 ram 1024 1024\n");
	quota_index_forget(q);
	assert_int_equal(quota_index_mark(q), 0);
	quota_index_undo(q, 0);
	assert_int_equal(quota_index_get(q, 7, QUOTA_CORES), 6);
	quota_index_destroy(q);
	quota_index_destroy(NULL);
}

/* ---- trees at random, against a plain array that is summed up anew each time ---- */

enum { PROJECTS = 60, DEPTH = 6, KINDS = 4 };

struct plain {
	int parent[PROJECTS]; /* -1: none */
	int64_t own[PROJECTS][KINDS];
};

static unsigned seed = 12345;

static unsigned dice(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static bool is_below(const struct plain *p, int project, int top)
{
	while (project >= 0 && project != top)
		project = p->parent[project];
	return project == top;
}

static int64_t sum_below(const struct plain *p, int top, int kind)
{
	int64_t sum = 0;

	for (int i = 0; i < PROJECTS; i++)
		if (is_below(p, i, top))
			sum += p->own[i][kind];
	return sum;
}

static int64_t id_of(int project)
{
	return project < 0 ? 0 : 1000 * (int64_t)project + 7;
}

static void compare(const struct quota_index *q, const struct plain *p, const int kinds[KINDS])
{
	for (int i = 0; i < PROJECTS; i++)
		for (int k = 0; k < KINDS; k++) {
			assert_int_equal(quota_index_get(q, id_of(i), kinds[k]), p->own[i][k]);
			assert_int_equal(quota_index_tree(q, id_of(i), kinds[k]), sum_below(p, i, k));
		}
}

/* One step of a life: use comes and goes, projects are made below others or hung elsewhere. */
static void step(struct quota_index *q, struct plain *p, const int kinds[KINDS])
{
	int project = (int)dice(PROJECTS), kind = (int)dice(KINDS);
	int64_t delta = (int64_t)dice(11) - 5;

	if (dice(6) == 0) {
		int parent = (int)dice(PROJECTS + 1) - 1;

		if (parent >= 0 && is_below(p, parent, project))
			return;
		quota_index_parent(q, id_of(project), id_of(parent));
		p->parent[project] = parent;
		return;
	}
	quota_index_add(q, id_of(project), kinds[kind], delta);
	p->own[project][kind] += delta;
}

/* Nested marks, undone in any depth, also of projects that were hung elsewhere meanwhile. */
static void test_trees(void **state)
{
	static struct plain at[DEPTH + 1];
	struct quota_index *q = quota_index_create();
	const int kinds[KINDS] = { QUOTA_CORES, QUOTA_ADDRESSES, quota_index_resource(q, "gpu:h100"),
		quota_index_resource(q, "gpu:*/1g.10gb") };
	size_t marks[DEPTH];
	int depth = 0;

	(void)state;
	for (int i = 0; i < PROJECTS; i++)
		at[0].parent[i] = -1;
	for (int i = 0; i < 20000; i++) {
		unsigned what = dice(24);

		if (what == 0 && depth < DEPTH) {
			marks[depth] = quota_index_mark(q);
			at[depth + 1] = at[depth];
			depth++;
		} else if (what == 1 && depth > 0) {
			quota_index_undo(q, marks[--depth]);
		} else if (what == 2 && depth == 0) {
			quota_index_forget(q);
		} else {
			step(q, &at[depth], kinds);
		}
		if (i % 50 == 0)
			compare(q, &at[depth], kinds);
	}
	compare(q, &at[depth], kinds);
	quota_index_destroy(q);
}

/* The same state by another way gives the same text, whoever was named first. */
static void test_dump(void **state)
{
	struct quota_index *a = quota_index_create(), *b = quota_index_create();
	CLEANUP(free_ptr) char *x = NULL, *y = NULL;

	(void)state;
	quota_index_add(a, 1, quota_index_resource(a, "gpu:a"), 1);
	quota_index_add(a, 2, quota_index_resource(a, "gpu:b"), 2);
	quota_index_parent(a, 2, 1);
	quota_index_parent(b, 2, 1);
	quota_index_add(b, 2, quota_index_resource(b, "gpu:b"), 2);
	quota_index_add(b, 1, quota_index_resource(b, "gpu:a"), 1);
	x = dump(a);
	y = dump(b);
	assert_string_equal(x, y);
	assert_string_equal(x, "1 gpu:a 1 1\n1 gpu:b 0 2\n2 gpu:b 2 2\n");
	quota_index_destroy(a);
	quota_index_destroy(b);
}

/* ---- names and amounts of GPUs ---- */

static void test_gpu_names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "gpu:h100", true },
		{ "gpu:h100/1g.10gb", true },
		{ "gpu:*/1g.10gb", true },
		{ "gpu:nvidia_a-100.x", true },
		{ "gpu:", false },
		{ "gpu:*", false },
		{ "gpu:h100/", false },
		{ "gpu:/1g", false },
		{ "gpu:h100|h200", false },
		{ "gpu:h100/a/b", false },
		{ "gpus", false },
		{ "gpu:h 100", false },
		{ "cores", false },
	};
	struct quota_index *q = quota_index_create();
	char longest[QUOTA_NAME + 8] = "gpu:";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(quota_gpu_name(cases[i].name), cases[i].good);
		if (cases[i].good)
			assert_string_equal(
				quota_index_name(q, quota_index_resource(q, cases[i].name)), cases[i].name);
	}
	assert_int_equal(quota_index_resource(q, "warp"), -1);
	assert_int_equal(quota_index_resource(q, "cores"), QUOTA_CORES);
	assert_int_equal(quota_index_resource(q, "gpu:h100"), quota_index_resource(q, "gpu:h100"));
	assert_null(quota_resource_named("warp"));
	assert_int_equal(quota_resource_named("gpu:x")->default_limit, QUOTA_UNLIMITED);
	memset(longest + 4, 'x', FLAVOR_MODEL - 1);
	assert_true(quota_gpu_name(longest));
	longest[4 + FLAVOR_MODEL - 1] = 'x';
	assert_false(quota_gpu_name(longest));
	quota_index_destroy(q);
}

/* Each model that a request may take counts, all of them once as GPUs. */
static void test_gpu_amounts(void **state)
{
	struct quota_index *q = quota_index_create();
	CLEANUP(quota_amounts_finish) struct quota_amounts a = { 0 }, b = { 0 }, more = { 0 };
	struct flavor_wants w = { .gpus = { { "h100|h200", "", 8 }, { "l40s", "", 1 } },
		.gpus_n = 2,
		.part = { "", "1g.10gb", 2 } };

	(void)state;
	quota_count_gpus(q, &w, &a);
	assert_int_equal(quota_amounts_get(&a, QUOTA_GPUS), 11);
	assert_int_equal(quota_amounts_get(&a, quota_index_resource(q, "gpu:h100")), 8);
	assert_int_equal(quota_amounts_get(&a, quota_index_resource(q, "gpu:h200")), 8);
	assert_int_equal(quota_amounts_get(&a, quota_index_resource(q, "gpu:l40s")), 1);
	assert_int_equal(quota_amounts_get(&a, quota_index_resource(q, "gpu:*/1g.10gb")), 2);
	assert_int_equal(a.n, 5);
	w.gpus[0].count = 9;
	w.gpus[1].count = 0;
	str_copy(w.part.model, sizeof w.part.model, "h100");
	quota_count_gpus(q, &w, &b);
	quota_amounts_over(&b, &a, &more);
	assert_int_equal(more.n, 3); /* h100, h200, h100/1g.10gb; eleven GPUs as before */
	assert_int_equal(quota_amounts_get(&more, quota_index_resource(q, "gpu:h100/1g.10gb")), 2);
	assert_int_equal(quota_amounts_get(&more, quota_index_resource(q, "gpu:h200")), 1);
	quota_index_add_all(q, 5, &b, 3);
	assert_int_equal(quota_index_get(q, 5, QUOTA_GPUS), 33);
	quota_index_destroy(q);
}

static void test_below(void **state)
{
	const struct quota_below two = { .sum = 30, .max = 20, .n = 2 }, none = { 0 },
				 one = { .sum = 0, .max = -1, .n = 1, .unlimited = true };

	(void)state;
	assert_true(quota_below_fits(QUOTA_PER_PROJECT, 30, &two));
	assert_false(quota_below_fits(QUOTA_PER_PROJECT, 29, &two));
	assert_true(quota_below_fits(QUOTA_PER_USER, 20, &two));
	assert_false(quota_below_fits(QUOTA_PER_ITEM, 19, &two));
	assert_true(quota_below_fits(QUOTA_PER_PROJECT, QUOTA_UNLIMITED, &two));
	assert_true(quota_below_fits(QUOTA_PER_PROJECT, QUOTA_UNLIMITED, &one));
	assert_false(quota_below_fits(QUOTA_PER_PROJECT, 1000, &one));
	assert_true(quota_below_fits(QUOTA_PER_PROJECT, 0, &none));
}

/* What a tenant is told: its own use, and of a limit above it no more than that. */
static void test_refusals(void **state)
{
	struct error err;

	(void)state;
	quota_refuse("cores", QUOTA_OWN_TREE, 20, 18, 4, &err);
	assert_int_equal(err.code, ERR_OVER_QUOTA);
	assert_string_equal(err.msg,
		"Quota exceeded for cores: Requested 4, but already used 18 of 20 cores with "
		"the projects below this one");
	quota_refuse("gpu:h100", QUOTA_PARENTS, 8, 2, 4, &err);
	assert_string_equal(err.msg,
		"Quota exceeded for gpu:h100: Requested 4, already used 2 by this project, but "
		"a limit of a parent project, 8 gpu:h100, leaves no room for that");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_gpu_names),
		cmocka_unit_test(test_gpu_amounts),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
