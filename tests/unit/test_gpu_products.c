/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of GPUs: products, ways to cut them, types of mediated devices, sets that are tied together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/gpu_products.h"

static void test_products(void **state)
{
	const struct gpu_product *p = gpu_product_find(0x10de, 0x2330);

	(void)state;
	assert_non_null(p);
	assert_string_equal(p->model, "h100-sxm5");
	assert_int_equal(p->memory_mib, 81920);
	assert_int_equal(p->link, GPU_LINK_SWITCH);
	assert_string_equal(p->geometry, "mig-80");
	assert_null(gpu_product_find(0x10de, 0xffff));
	assert_null(gpu_product_find(0x1002, 0x2330));
	/* each geometry that a product names is there */
	for (int64_t v = 0; v < 0x10000; v++)
		if ((p = gpu_product_find(0x10de, v)) && p->geometry)
			assert_non_null(gpu_geometry_find(p->geometry));
}

/* Every way to fill a GPU with profiles: none overlap by what they may start at, and all fit its processors.
 */
static int fill(const struct gpu_geometry *g, uint32_t used, int share)
{
	int ways = 1;

	assert_true(share <= 1000);
	for (size_t i = 0; i < g->profiles_n; i++)
		for (int at = 0; at < g->slots; at++) {
			uint32_t set = ((1u << g->profiles[i].slots) - 1) << at;

			/* in one order, so that each filling is met once */
			if (!(g->profiles[i].starts >> at & 1) || used & set || set < used)
				continue;
			ways += fill(g, used | set, share + g->profiles[i].share);
		}
	return ways;
}

static void test_geometries(void **state)
{
	const struct gpu_geometry *g;
	size_t n = 0;

	(void)state;
	for (; (g = gpu_geometry_at(n)); n++) {
		assert_ptr_equal(gpu_geometry_find(g->name), g);
		assert_in_range(g->slots, 1, 32);
		for (size_t i = 0; i < g->profiles_n; i++) {
			const struct gpu_profile *p = &g->profiles[i];

			assert_in_range(p->slots, 1, g->slots);
			assert_in_range(p->share, 1, 1000);
			assert_int_not_equal(p->starts, 0);
			/* the last start leaves room for all of it */
			assert_true(31 - __builtin_clz(p->starts) + p->slots <= g->slots);
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(p->name, g->profiles[k].name);
		}
		assert_true(fill(g, 0, 0) > 5);
	}
	assert_true(n >= 7);
	assert_null(gpu_geometry_find("whole"));
}

static int most(const char *geometry, const char *profile)
{
	const struct gpu_geometry *g = gpu_geometry_find(geometry);

	assert_non_null(g);
	for (size_t i = 0; i < g->profiles_n; i++)
		if (strcmp(g->profiles[i].name, profile) == 0)
			return __builtin_popcount(g->profiles[i].starts);
	return 0;
}

static void test_instances(void **state)
{
	(void)state;
	/* as published: how many of a profile fit on one GPU */
	assert_int_equal(most("mig-40", "1g.5gb"), 7);
	assert_int_equal(most("mig-40", "1g.10gb"), 4);
	assert_int_equal(most("mig-40", "2g.10gb"), 3);
	assert_int_equal(most("mig-80", "3g.40gb"), 2);
	assert_int_equal(most("mig-80", "4g.40gb"), 1);
	assert_int_equal(most("mig-141", "7g.141gb"), 1);
	assert_int_equal(most("mig-24", "1g.6gb"), 4);
	assert_int_equal(most("mig-24", "2g.12gb"), 2);
}

static void test_mdev_types(void **state)
{
	struct gpu_mdev_type t[GPU_MDEV_TYPES_MAX];
	char id[GPU_MDEV_NAME];
	static const char text[] =
		"nvidia-474=7:NVIDIA A100-1-5C;nvidia-475=3:NVIDIA A100-2-10C;i915-GVTg_V5_4=1";

	(void)state;
	assert_int_equal(gpu_mdev_types(text, t), 3);
	assert_string_equal(t[0].id, "nvidia-474");
	assert_string_equal(t[0].name, "NVIDIA A100-1-5C");
	assert_int_equal(t[0].instances, 7);
	assert_string_equal(t[2].id, "i915-GVTg_V5_4");
	assert_string_equal(t[2].name, "");
	assert_int_equal(t[2].instances, 1);
	assert_true(gpu_mdev_find(text, "2g.10gb", id));
	assert_string_equal(id, "nvidia-475");
	assert_true(gpu_mdev_find(text, "i915-GVTg_V5_4", id));
	assert_true(gpu_mdev_find(text, "NVIDIA A100-1-5C", id));
	assert_string_equal(id, "nvidia-474");
	assert_false(gpu_mdev_find(text, "3g.20gb", id));
	assert_false(gpu_mdev_find(text, "2g.10gbx", id));
	assert_int_equal(gpu_mdev_types("", t), 0);
	assert_int_equal(gpu_mdev_types(";;=3;x;y=;z=-1;w=5", t), 1);
	assert_string_equal(t[0].id, "w");
}

static int most_of(const char *name, int instances, int gib)
{
	struct gpu_mdev_type t = { .instances = instances };

	str_copy(t.name, sizeof t.name, name);
	return gpu_mdev_most(&t, (int64_t)gib * 1024);
}

static void test_mdev_most(void **state)
{
	(void)state;
	assert_int_equal(most_of("NVIDIA A100-4C", 16, 40), 10);
	assert_int_equal(most_of("NVIDIA A100-4C", 3, 40), 3);
	assert_int_equal(most_of("NVIDIA A100-40C", 16, 40), 1);
	assert_int_equal(most_of("NVIDIA A100-1-5C", 16, 40), 7);
	assert_int_equal(most_of("NVIDIA A100-2-10C", 16, 40), 3);
	assert_int_equal(most_of("NVIDIA A100-1-5CME", 16, 40), 7);
	/* what the name does not tell */
	assert_int_equal(most_of("NVIDIA A100-4C", 16, 0), 16);
	assert_int_equal(most_of("i915-GVTg_V5_4", 2, 40), 2);
	assert_int_equal(most_of("mtty-2", 2, 40), 2);
	assert_int_equal(most_of("", 5, 40), 5);
	assert_int_equal(most_of("X-", 5, 40), 5);
	assert_int_equal(most_of("X-0C", 5, 40), 5);
}

static void test_links_auto(void **state)
{
	const struct gpu_product *sxm = gpu_product_find(0x10de, 0x2330),
				 *nvl = gpu_product_find(0x10de, 0x2321),
				 *l40s = gpu_product_find(0x10de, 0x26b9), *p[64];
	uint64_t links[GPU_LINKS_MAX];
	static const uint64_t eight[] = { 0xff, 0x0f, 0xf0, 0x03, 0x0c, 0x30, 0xc0 };

	(void)state;
	for (size_t i = 0; i < 64; i++)
		p[i] = sxm;
	assert_int_equal(gpu_links_auto(p, 8, links), ARRAY_LEN(eight));
	assert_memory_equal(links, eight, sizeof eight);
	assert_int_equal(gpu_links_auto(p, 4, links), 3); /* a board of four */
	assert_int_equal(gpu_links_auto(p, 1, links), 0);
	assert_int_equal(gpu_links_auto(p, 64, links), 56);
	/* others between them, and one of no known product */
	p[0] = p[2] = nvl;
	p[1] = l40s;
	p[3] = NULL;
	assert_int_equal(gpu_links_auto(p, 4, links), 1);
	assert_int_equal(links[0], 0x5);
}

static void test_links_parse(void **state)
{
	uint64_t links[GPU_LINKS_MAX];
	static const char *const bad[] = { ";", "0-7;", "0;;1", "64", "x", "0-", "7-0", "0-7 ;1" };

	(void)state;
	assert_int_equal(gpu_links_parse("", links), 0);
	assert_int_equal(gpu_links_parse("0-7;0-3;4,6;63", links), 4);
	assert_int_equal(links[0], 0xff);
	assert_int_equal(links[1], 0x0f);
	assert_int_equal(links[2], 0x50);
	assert_true(links[3] == (uint64_t)1 << 63);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(gpu_links_parse(bad[i], links), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products),
		cmocka_unit_test(test_geometries),
		cmocka_unit_test(test_instances),
		cmocka_unit_test(test_mdev_types),
		cmocka_unit_test(test_mdev_most),
		cmocka_unit_test(test_links_auto),
		cmocka_unit_test(test_links_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
