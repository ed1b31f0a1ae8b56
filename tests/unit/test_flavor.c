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
	{ "hw:cpu_policy", "dedicated", NULL },
	{ "hw:cpu_policy", "mixed", "must be shared or dedicated" },
	{ "hw:cpu_thread_policy", "isolate", NULL },
	{ "hw:cpu_thread_policy", "avoid", "must be prefer, isolate or require" },
	{ "hw:emulator_threads_policy", "share", NULL },
	{ "hw:emulator_threads_policy", "isolate", "must be share" },
	{ "hw:numa_nodes", "2", NULL },
	{ "hw:numa_nodes", "9", "from 1 to 8" },
	{ "hw:numa_nodes", "", "from 1 to 8" },
	{ "hw:numa_nodes", "1e1", "from 1 to 8" },
	{ "hw:numa_cpus.0", "0-3", NULL },
	{ "hw:numa_cpus.1", "4,5,6-7", NULL },
	{ "hw:numa_cpus.1", "4,6", "vCPUs in a row" },
	{ "hw:numa_cpus.1", "3-2", "vCPUs in a row" },
	{ "hw:numa_cpus.1", "", "vCPUs in a row" },
	{ "hw:numa_cpus.1", "1,", "vCPUs in a row" },
	{ "hw:numa_cpus.1", "99999999999999999999", "vCPUs in a row" },
	{ "hw:numa_cpus.8", "0", "from 0 to 7" },
	{ "hw:numa_cpus.", "0", "from 0 to 7" },
	{ "hw:numa_mem.0", "1024", NULL },
	{ "hw:numa_mem.0", "-1", "from 1 to" },
	{ "hw:mem_page_size", "large", NULL },
	{ "hw:mem_page_size", "2MB", NULL },
	{ "hw:mem_page_size", "1048576", NULL },
	{ "hw:mem_page_size", "16384", "must be any, small, large" },
	{ "hw:pci_numa_affinity_policy", "required", NULL },
	{ "hw:pci_numa_affinity_policy", "near", "must be legacy, required, preferred or socket" },
	{ "hw:watchdog_action", "reset", "of hw: there are cpu_policy, cpu_thread_policy" },
	{ "quota:cpu_shares", "10", "understood are some of pci_passthrough:" },
	{ "nonsense", "1", "understood are some of pci_passthrough:" },
	{ "resources:VGPU", "2", NULL },
	{ "resources:VGPU", "0", "from 1 to 64" },
	{ "resources:PCPU", "8", NULL },
	{ "resources:FPGA", "1", "of resources: there are VGPU, PCPU" },
	{ "trait:HW_CPU_X86_AVX", "required", NULL },
	{ "trait:CUSTOM_OLD", "forbidden", NULL },
	{ "trait:CUSTOM_OLD", "perhaps", "must be required or forbidden" },
	{ "trait:avx", "required", "capitals, digits and '_'" },
	{ "trait:", "required", "capitals, digits and '_'" },
	{ "cloudd:gpu_link", "required", NULL },
	{ "cloudd:gpu_link", "yes", "must be required or preferred" },
	{ "cloudd:gpu_profile", "1g.10gb", NULL },
	{ "cloudd:gpu_profile", "1g 10gb", "must be a name" },
	{ "cloudd:gpu_model", "h100|h200", NULL },
	{ "cloudd:scope", "rack", NULL },
	{ "cloudd:scope", "row", "must be host, rack or fabric" },
	{ "cloudd:scope_policy", "preferred", NULL },
	{ "cloudd:preemptible", "true", NULL },
	{ "cloudd:preemptible", "sometimes", "must be true or false" },
	{ "cloudd:frobnicate", "1", "of cloudd: there are exclusive_host, gpu_link" },
	{ "pci_passthrough:alias", "h100|h200:8", NULL },
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

/* Extra specs together, for a flavor of 8 vCPUs and 16 GiB: well, or what is wrong. */
static const struct {
	const char *specs[8]; /* key, value, ... */
	const char *says;     /* NULL: well */
} wholes[] = {
	{ { NULL }, NULL },
	{ { "resources:VGPU", "1" }, "needs cloudd:gpu_profile" },
	{ { "cloudd:gpu_profile", "1g.10gb" }, "need resources:VGPU" },
	{ { "resources:VGPU", "1", "cloudd:gpu_profile", "1g.10gb" }, NULL },
	{ { "pci_passthrough:alias", "a:5", "resources:VGPU", "60", "cloudd:gpu_profile", "1g.10gb" },
		"at most 64 GPUs" },
	{ { "cloudd:gpu_link", "required" }, "needs whole GPUs" },
	{ { "cloudd:gpu_link", "required", "pci_passthrough:alias", "h100:8" }, NULL },
	{ { "hw:cpu_thread_policy", "require" }, "needs hw:cpu_policy" },
	{ { "hw:cpu_thread_policy", "require", "hw:cpu_policy", "dedicated" }, NULL },
	{ { "resources:PCPU", "8" }, NULL },
	{ { "resources:PCPU", "4" }, "all are dedicated or none" },
	{ { "cloudd:scope_policy", "required" }, "needs cloudd:scope" },
	{ { "cloudd:scope_policy", "required", "cloudd:scope", "rack" }, NULL },
	{ { "hw:numa_nodes", "2" }, NULL },
	{ { "hw:numa_nodes", "3" }, "no equal cells" },
	{ { "hw:numa_cpus.0", "0-7" }, "need hw:numa_nodes" },
	{ { "hw:numa_nodes", "1", "hw:numa_cpus.0", "0-7" }, "both be said" },
	{ { "hw:numa_nodes", "1", "hw:numa_cpus.0", "0-7", "hw:numa_mem.0", "16384" }, NULL },
	{ { "hw:numa_nodes", "1", "hw:numa_cpus.0", "0-6", "hw:numa_mem.0", "16384" }, "have 7 vCPUs" },
	{ { "hw:numa_nodes", "1", "hw:numa_cpus.0", "1-7", "hw:numa_mem.0", "16384" },
		"must begin with vCPU 0" },
	{ { "hw:numa_nodes", "1", "hw:numa_cpus.1", "0-7", "hw:numa_mem.1", "16384" }, "both be said" },
	{ { "hw:mem_page_size", "1GB" }, NULL },
	{ { "hw:mem_page_size", "1GB", "hw:numa_nodes", "2" }, NULL },
	{ { "hw:mem_page_size", "1GB", "hw:numa_nodes", "1", "hw:numa_cpus.0", "0-7", "hw:numa_mem.0",
		  "16383" },
		"have 8 vCPUs" },
};

static void test_wholes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wholes); i++) {
		struct flavor_wants w = { .gpus_n = 0 };
		struct error err;
		int rc;

		for (size_t k = 0; k + 1 < ARRAY_LEN(wholes[i].specs) && wholes[i].specs[k]; k += 2)
			assert_int_equal(
				flavor_extra_spec(wholes[i].specs[k], wholes[i].specs[k + 1], &w, &err), 0);
		rc = flavor_wants_check(&w, 8, 16384, &err);
		if (rc != (wholes[i].says ? -1 : 0) || (rc && !strstr(err.msg, wholes[i].says)))
			fail_msg("case %zu: %d %s", i, rc, rc ? err.msg : "");
	}
}

static void test_cells(void **state)
{
	struct flavor_wants w = { .gpus_n = 0 };
	struct flavor_cell c[FLAVOR_CELLS_MAX];
	struct error err;

	(void)state;
	assert_int_equal(flavor_wants_cells(&w, 8, 4096, c), 0);
	assert_int_equal(flavor_extra_spec("hw:numa_nodes", "2", &w, &err), 0);
	assert_int_equal(flavor_wants_cells(&w, 8, 4096, c), 2);
	assert_int_equal(c[1].first, 4);
	assert_int_equal(c[1].vcpus, 4);
	assert_int_equal(c[1].ram_mib, 2048);
	assert_int_equal(flavor_extra_spec("hw:numa_cpus.0", "0", &w, &err), 0);
	assert_int_equal(flavor_extra_spec("hw:numa_cpus.1", "1-7", &w, &err), 0);
	assert_int_equal(flavor_extra_spec("hw:numa_mem.0", "1024", &w, &err), 0);
	assert_int_equal(flavor_extra_spec("hw:numa_mem.1", "3072", &w, &err), 0);
	assert_int_equal(flavor_wants_check(&w, 8, 4096, &err), 0);
	assert_int_equal(flavor_wants_cells(&w, 8, 4096, c), 2);
	assert_int_equal(c[0].vcpus, 1);
	assert_int_equal(c[1].vcpus, 7);
	assert_int_equal(c[1].ram_mib, 3072);
	assert_int_equal(flavor_extra_spec("hw:mem_page_size", "1GB", &w, &err), 0);
	assert_int_equal(flavor_wants_check(&w, 8, 4096, &err), 0);
	w.cells[0].ram_mib = 1023;
	w.cells[1].ram_mib = 3073;
	assert_int_equal(flavor_wants_check(&w, 8, 4096, &err), -1);
	assert_non_null(strstr(err.msg, "does not divide the 1023 MiB"));
}

static void test_models(void **state)
{
	(void)state;
	assert_true(flavor_model_among("h100", "h100"));
	assert_true(flavor_model_among("a|h100|b", "h100"));
	assert_true(flavor_model_among("a|h100", "h100"));
	assert_false(flavor_model_among("h1000|xh100", "h100"));
	assert_false(flavor_model_among("h100", ""));
	assert_false(flavor_model_among("", "h100"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_wholes),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
