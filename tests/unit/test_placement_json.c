/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine is asked and answers goes through JSON unchanged; what is not of that form is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "placement/json.h"

static json_t *parse(const struct buf *b)
{
	json_t *j = json_loadb(b->data, b->len, 0, NULL);

	assert_non_null(j);
	return j;
}

static void test_host(void **state)
{
	static const struct placement_profile profiles[] = { { "1g", 0x7f, 1, 143 }, { "7g", 1, 8, 1000 } };
	static const struct placement_geometry mig = { 8, true, profiles, 2 };
	static const struct placement_gpu gpus[] = { { 7, "h100", 1, 40, true, &mig, false, 9, true },
		{ .id = 8, .model = "l40s", .numa_cell = -1, .iommu_group = -1, .shared = true } };
	static const struct placement_cpu cpus[] = { { 2, 1 }, { 66, 1 } };
	static const struct placement_cell cells[] = { { 0, 1024, 5, 6, cpus, 2 },
		{ .id = 1, .ram_mib = 2048 } };
	static const uint64_t links[] = { 3, UINT64_C(1) << 63 };
	static const char *const traits[] = { "CUSTOM_A", "HW_CPU_X86_AVX" };
	const struct placement_host h = { .id = 5,
		.name = "máy-1",
		.zone = "z",
		.rack = "r",
		.fabric = "f",
		.state = PLACEMENT_DRAINING,
		.vcpus = 1,
		.ram_mib = 2,
		.ram_reserved_mib = 3,
		.disk_gib = 4,
		.disk_reserved_gib = 5,
		.vcpu_ratio_milli = 16000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 900,
		.exclusive = true,
		.gpus = gpus,
		.gpus_n = 2,
		.cells = cells,
		.cells_n = 2,
		.links = links,
		.links_n = 2,
		.traits = traits,
		.traits_n = 2 };
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf once = { 0 }, again = { 0 };
	struct placement_host got;
	struct error err;
	json_t *j;

	(void)state;
	placement_host_write(&once, &h);
	j = parse(&once);
	assert_int_equal(placement_host_read(j, &a, &got, &err), 0);
	json_decref(j);
	placement_host_write(&again, &got);
	assert_string_equal(buf_text(&once), buf_text(&again));
	assert_string_equal(got.name, "máy-1");
	assert_int_equal(got.gpus[0].geometry->profiles[1].slots, 8);
	assert_int_equal(got.gpus[1].numa_cell, -1);
	assert_true(got.links[1] == UINT64_C(1) << 63);
	assert_int_equal(got.cells[0].cpus[1].id, 66);
	assert_string_equal(got.traits[1], "HW_CPU_X86_AVX");
}

static void test_request(void **state)
{
	static const int64_t ids[] = { 3, INT64_MAX };
	static const char *const traits[] = { "CUSTOM_A" };
	static const struct placement_members members[] = { { 3, 2 } };
	static const struct placement_request r = { .vcpus = 8,
		.ram_mib = 1,
		.disk_gib = 2,
		.gpus = { { "a|b", 2, 500, "" }, { "", 1, 0, "1g" } },
		.gpus_n = 2,
		.link = PLACEMENT_REQUIRED,
		.pci = PLACEMENT_PCI_SOCKET,
		.cells = { { 4, 1 }, { 4, 0 } },
		.cells_n = 2,
		.dedicated = true,
		.threads = PLACEMENT_THREADS_REQUIRE,
		.page_kib = PAGE_LARGE,
		.traits_required = traits,
		.traits_required_n = 1,
		.zone = "z",
		.host = "h",
		.avoid = ids,
		.avoid_n = 2,
		.within = ids,
		.within_n = 0,
		.policy = PLACEMENT_APART,
		.max_per_host = 2,
		.members = members,
		.members_n = 1,
		.exclusive = true,
		.scope = PLACEMENT_ONE_RACK,
		.scope_required = true,
		.reservation = 77,
		.preemptible = true };
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf once = { 0 }, again = { 0 };
	struct placement_request got;
	struct error err;
	json_t *j;

	(void)state;
	placement_request_write(&once, &r);
	j = parse(&once);
	assert_int_equal(placement_request_read(j, &a, &got, &err), 0);
	json_decref(j);
	placement_request_write(&again, &got);
	assert_string_equal(buf_text(&once), buf_text(&again));
	assert_non_null(got.within); /* none of them is not any of them */
	assert_null(got.eligible);
	assert_int_equal(got.page_kib, PAGE_LARGE);
	assert_true(got.avoid[1] == INT64_MAX);
	assert_memory_equal(got.gpus, r.gpus, sizeof r.gpus);
}

static void test_choice(void **state)
{
	struct placement_choice c = { .host_id = 9,
		.gpus = { { 7, -1, 1000, "", 1 }, { 8, 4, 143, "1g", -1 } },
		.gpus_n = 2,
		.cells = { { 1, 2, 512, PAGE_1G } },
		.cells_n = 1,
		.cpus = { 0, 1023 },
		.cpus_n = 2,
		.cpus_isolated = true };
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf b = { 0 };
	struct placement_choice got;
	struct error err;
	json_t *j;

	(void)state;
	placement_choice_write(&b, &c);
	j = parse(&b);
	assert_int_equal(placement_choice_read(j, &a, &got, &err), 0);
	json_decref(j);
	assert_int_equal(got.cpus[1], 1023);
	assert_int_equal(got.gpus[0].start, -1);
	assert_string_equal(got.gpus[1].profile, "1g");
	assert_int_equal(got.cells[0].page_kib, PAGE_1G);
	assert_true(got.cpus_isolated);
}

static void test_bad(void **state)
{
	static const char *const texts[] = { "[]", "{\"vcpus\":\"1\"}", "{\"vcpus\":1.5}", "{\"gpus\":{}}",
		"{\"gpus\":[{},{},{},{},{}]}", "{\"gpus\":[1]}", "{\"gpus\":[{\"count\":2147483648}]}",
		"{\"dedicated\":1}", "{\"traits_required\":[1]}", "{\"avoid\":[null]}",
		"{\"zone\":\"0123456789012345678901234567890123456789012345678901234567890123\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(arena_finish) struct arena a = { 0 };
		json_t *j = json_loads(texts[i], 0, NULL);
		struct placement_request got;
		struct error err;

		if (placement_request_read(j, &a, &got, &err) != -1 || err.code != ERR_BAD_REQUEST)
			fail_msg("%s", texts[i]);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
