/* SPDX-License-Identifier: Apache-2.0 */
/* Flavors and what their extra specs ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"

static const struct flavor_values good = {
	.name = "m1.small", .vcpus = 1, .ram_mib = 512, .rxtx_factor = 1.0
};

static void test_check(void **state)
{
	struct error err;
	struct flavor_values f;

	(void)state;
	assert_int_equal(flavor_check(&good, &err), 0);
	f = good;
	f.id = "7b7b7b7b-1";
	f.description = "";
	f.disk_gib = FLAVOR_DISK_GIB_MAX;
	f.vcpus = FLAVOR_VCPUS_MAX;
	f.ram_mib = FLAVOR_RAM_MIB_MAX;
	assert_int_equal(flavor_check(&f, &err), 0);
#define REFUSED(field, value, text)                           \
	do {                                                  \
		f = good;                                     \
		f.field = value;                              \
		assert_int_equal(flavor_check(&f, &err), -1); \
		assert_int_equal(err.code, ERR_BAD_REQUEST);  \
		assert_non_null(strstr(err.msg, text));       \
	} while (0)
	REFUSED(name, "", "flavor name");
	REFUSED(name, "   ", "flavor name");
	REFUSED(id, "a/b", "flavor id");
	REFUSED(vcpus, 0, "flavor.vcpus must be an integer from 1 to 4096");
	REFUSED(vcpus, FLAVOR_VCPUS_MAX + 1, "flavor.vcpus");
	REFUSED(ram_mib, 0, "flavor.ram ");
	REFUSED(ram_mib, INT64_MAX, "flavor.ram ");
	REFUSED(disk_gib, -1, "flavor.disk");
	REFUSED(swap_mib, -1, "flavor.swap");
	REFUSED(ephemeral_gib, -1, "flavor.OS-FLV-EXT-DATA:ephemeral");
	REFUSED(rxtx_factor, 0, "rxtx_factor");
	REFUSED(rxtx_factor, NAN, "rxtx_factor");
	REFUSED(description, "a\nb", "description");
#undef REFUSED
}

static const struct {
	const char *key, *value;
	const char *says; /* NULL: taken */
} specs[] = {
	{ "hw_rng:allowed", "True", NULL },
	{ "hw_rng:allowed", "false", "must be true" },
	{ "hw_rng:allowed", "perhaps", "must be true" },
	{ "hw:cpu_policy", "shared", NULL },
	{ "hw:cpu_policy", "dedicated", "must be shared" },
	{ "hw:numa_nodes", "2", "'hw:numa_nodes' is not understood" },
	{ "hw:numa_nodes", "2", "understood are: pci_passthrough:alias, hw_rng:allowed, hw:cpu_policy" },
	{ "trait:HW_CPU_X86_AVX", "required", "not understood" },
	{ "hw:numa_nodes", "2", "cloudd:exclusive_host, aggregate_instance_extra_specs:*" },
	{ "aggregate_instance_extra_specs:ssd", "true", NULL },
	{ "aggregate_instance_extra_specs:ssd", "", NULL },
	{ "aggregate_instance_extra_specs:ssd", ">= 2", "operator '>'" },
	{ "aggregate_instance_extra_specs:ssd", "<or> a <or> b", "operator '<'" },
	{ "aggregate_instance_extra_specs:ssd", "s== a", "operator 's=='" },
	{ "aggregate_instance_extra_specs:", "a", "needs a key" },
	{ "cloudd:exclusive_host", "True", NULL },
	{ "cloudd:exclusive_host", "no", NULL },
	{ "cloudd:exclusive_host", "perhaps", "must be true or false" },
	{ "a/b", "1", "extra spec key" },
	{ "", "1", "extra spec key" },
	{ "pci_passthrough:alias", "h100:8", NULL },
	{ "pci_passthrough:alias", "h100:1, l40s:2", NULL },
	{ "pci_passthrough:alias", "", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:0", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:-1", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", ":1", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:1,", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:1;l40s:1", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:99999999999", "must be MODEL:COUNT" },
	{ "pci_passthrough:alias", "h100:1,h100:2", "h100 twice" },
	{ "pci_passthrough:alias", "h100:65", "at most 64 GPUs" },
	{ "pci_passthrough:alias", "a:60,b:5", "at most 64 GPUs" },
	{ "pci_passthrough:alias", "a:1,b:1,c:1,d:1", NULL },
	{ "pci_passthrough:alias", "a:1,b:1,c:1,d:1,e:1", "at most 4 models" },
	{ "pci_passthrough:alias", "0123456789012345678901234567890123456789012345678901234567890123:1",
		"must be MODEL:COUNT" },
};

static void test_specs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct flavor_wants w = { .gpus_n = 0 };
		struct error err;
		int rc = flavor_extra_spec(specs[i].key, specs[i].value, &w, &err);

		if (rc != (specs[i].says ? -1 : 0))
			fail_msg("%s=%s: %d", specs[i].key, specs[i].value, rc);
		if (rc) {
			assert_int_equal(err.code, ERR_BAD_REQUEST);
			if (!strstr(err.msg, specs[i].says))
				fail_msg("%s", err.msg);
		}
		assert_int_equal(flavor_extra_spec(specs[i].key, specs[i].value, NULL, &err), rc);
	}
}

static void test_wants(void **state)
{
	struct flavor_wants w = { .gpus_n = 0 };
	struct error err;

	(void)state;
	assert_int_equal(flavor_extra_spec("hw_rng:allowed", "true", &w, &err), 0);
	assert_int_equal(flavor_wants_gpus(&w), 0);
	assert_int_equal(flavor_extra_spec("pci_passthrough:alias", "h100:2,l40s:16", &w, &err), 0);
	assert_int_equal(w.gpus_n, 2);
	assert_string_equal(w.gpus[0].model, "h100");
	assert_int_equal(w.gpus[0].count, 2);
	assert_string_equal(w.gpus[1].model, "l40s");
	assert_int_equal(w.gpus[1].count, 16);
	assert_int_equal(flavor_wants_gpus(&w), 18);
	assert_false(w.exclusive_host);
	assert_int_equal(flavor_extra_spec("cloudd:exclusive_host", "true", &w, &err), 0);
	assert_true(w.exclusive_host);
	for (size_t i = 0; i < FLAVOR_AGGREGATES_MAX; i++)
		assert_int_equal(
			flavor_extra_spec("aggregate_instance_extra_specs:disk", "nvme", &w, &err), 0);
	assert_int_equal(flavor_extra_spec("aggregate_instance_extra_specs:disk", "nvme", &w, &err), -1);
	assert_int_equal(w.aggregates_n, FLAVOR_AGGREGATES_MAX);
	assert_string_equal(w.aggregates[0].key, "disk");
	assert_string_equal(w.aggregates[0].value, "nvme");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
