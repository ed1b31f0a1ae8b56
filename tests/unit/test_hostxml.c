/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of a host's own XML: capabilities and PCI devices, in the form in which libvirt 9 gives them
 * (tests/unit/golden/host). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "hv/libvirt/hostxml.h"
#include "hv/libvirt/nodexml.h"

static struct arena arena;

static const char *file(const char *name)
{
	const char *path = arena_printf(&arena, "%s/tests/unit/golden/host/%s.xml", SOURCE_DIR, name);
	CLEANUP(buf_finish) struct buf b = { 0 };
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf_reserve(&b, 4096), 1, 4096, f)) > 0)
		b.len += n;
	fclose(f);
	return arena_strdup(&arena, buf_text(&b));
}

static int done(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

static void test_capabilities(void **state)
{
	static const struct hv_cpu first[] = { { 0, 0 }, { 8, 0 }, { 1, 1 }, { 9, 1 }, { 2, 2 }, { 10, 2 },
		{ 3, 3 }, { 11, 3 } };
	const char *xml = file("capabilities");
	struct host_caps caps;
	struct error err;

	(void)state;
	assert_int_equal(hostxml_caps(&arena, xml, &caps, &err), 0);
	assert_string_equal(caps.uuid, "4c4c4544-0051-3510-8057-b4c04f4c5a32");
	assert_string_equal(caps.cpu_model, "EPYC-Milan");
	assert_string_equal(caps.guest_arch, "x86_64");
	assert_string_equal(caps.emulator, "/usr/bin/qemu-system-x86_64");
	assert_true(caps.offers_kvm);
	assert_int_equal(caps.sockets * caps.cores * caps.threads, 8);
	assert_int_equal(caps.cells_n, 2);
	assert_int_equal(caps.cells[0].id, 0);
	assert_int_equal(caps.cells[0].ram_mib, 257844);
	assert_int_equal(caps.cells[0].cpus, 8);
	/* threads of a core beside each other, by the lowest of them: core_id is the same in both sockets */
	assert_int_equal(caps.cells[0].cpu_n, ARRAY_LEN(first));
	assert_memory_equal(caps.cells[0].cpu, first, sizeof first);
	assert_int_equal(caps.cells[1].cpu[0].id, 4);
	assert_int_equal(caps.cells[1].cpu[1].id, 12);
	assert_int_equal(caps.cells[1].cpu[1].core, 4);
	assert_int_equal(caps.cells[0].pages_2m, 4096);
	assert_int_equal(caps.cells[0].pages_1g, 200);
	assert_int_equal(caps.cells[1].pages_2m, 2048);
	assert_int_equal(caps.cells[1].pages_1g, 199);
	assert_non_null(strstr(hostxml_cpu_text(&arena, xml), "<model>EPYC-Milan</model>"));
}

static void test_capabilities_bad(void **state)
{
	static const char *const bad[] = { "", "<capabilities/>", "<capabilities><host/></capabilities>",
		"<capabilities><guest><os_type>xen</os_type><arch name='x86_64'/></guest></capabilities>" };
	struct host_caps caps;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.code = ERR_NONE;
		assert_int_equal(hostxml_caps(&arena, bad[i], &caps, &err), -1);
		assert_int_equal(err.code, ERR_HYPERVISOR);
	}
}

/* CPUs that no set can hold, that come twice, whose siblings are nonsense or leave themselves out. */
static void test_odd_cpus(void **state)
{
	static const char xml[] =
		"<capabilities><host><topology><cells><cell id='3'><memory unit='KiB'>2048</memory>"
		"<pages size='2048'>-5</pages><pages size='1048576'>99999999999</pages><pages "
		"size='4'>7</pages>"
		"<cpus num='9'><cpu id='5' siblings='x'/><cpu id='1024' siblings='1024'/><cpu id='-1'/>"
		"<cpu/><cpu id='5' siblings='5'/><cpu id='4' siblings='0-1'/><cpu id='1023' "
		"siblings='5,1023'/>"
		"</cpus></cell></cells></topology></host><guest><os_type>hvm</os_type><arch "
		"name='x86_64'/></guest>"
		"</capabilities>";
	static const struct hv_cpu want[] = { { 4, 4 }, { 5, 5 }, { 1023, 5 } };
	struct host_caps caps;
	struct error err;

	(void)state;
	assert_int_equal(hostxml_caps(&arena, xml, &caps, &err), 0);
	assert_int_equal(caps.cells_n, 1);
	assert_int_equal(caps.cells[0].id, 3);
	assert_int_equal(caps.cells[0].cpu_n, ARRAY_LEN(want));
	assert_memory_equal(caps.cells[0].cpu, want, sizeof want);
	assert_int_equal(caps.cells[0].pages_2m, 0);
	assert_int_equal(caps.cells[0].pages_1g, 0);
}

/* Cells that come twice or have numbers of no cell, a CPU in two of them, memory beyond all measure. */
static void test_odd_cells(void **state)
{
	static const char xml[] =
		"<capabilities><host><topology><cells><cell id='1'><memory "
		"unit='MiB'>9223372036854775807</memory>"
		"<cpus num='2'><cpu id='0' siblings='0'/><cpu id='1' siblings='1'/></cpus></cell>"
		"<cell id='1'><memory>4096</memory></cell><cell id='4294967296'/><cell id='-1'/>"
		"<cell id='0'><memory>-4096</memory><cpus num='99999999999'><cpu id='1'/><cpu "
		"id='2'/></cpus></cell>"
		"</cells></topology></host><guest><os_type>hvm</os_type><arch name='x86_64'/></guest>"
		"</capabilities>";
	struct host_caps caps;
	struct error err;

	(void)state;
	assert_int_equal(hostxml_caps(&arena, xml, &caps, &err), 0);
	assert_int_equal(caps.cells_n, 2);
	assert_int_equal(caps.cells[0].id, 1);
	assert_int_equal(caps.cells[0].ram_mib, HV_RAM_MIB_MAX);
	assert_int_equal(caps.cells[0].cpu_n, 2);
	assert_int_equal(caps.cells[1].id, 0);
	assert_int_equal(caps.cells[1].ram_mib, 0);
	assert_int_equal(caps.cells[1].cpus, 0);
	assert_int_equal(caps.cells[1].cpu_n, 1);
	assert_int_equal(caps.cells[1].cpu[0].id, 2);
}

static void test_cpu_features(void **state)
{
	(void)state;
	assert_true(hostxml_cpu_virtualizes("<cpu><feature policy='require' name='svm'/></cpu>"));
	assert_true(hostxml_cpu_virtualizes("<cpu><feature name='a'/><feature name='vmx'/></cpu>"));
	assert_false(hostxml_cpu_virtualizes("<cpu><feature policy='disable' name='svm'/></cpu>"));
	assert_false(hostxml_cpu_virtualizes("<cpu><feature name='hypervisor'/></cpu>"));
	assert_false(hostxml_cpu_virtualizes("<cpu"));
	assert_string_equal(hostxml_cpu_features(&arena,
				    "<cpu><feature policy='require' name='svm'/><feature name='avx2'/>"
				    "<feature policy='disable' name='mpx'/><feature name='avx2'/>"
				    "<feature/><feature name=''/><feature name='a b'/></cpu>"),
		"avx2 svm");
	assert_string_equal(hostxml_cpu_features(&arena, "<cpu/>"), "");
	assert_string_equal(hostxml_cpu_features(&arena, "<cpu"), "");
}

static void test_device(void **state)
{
	static const char npu[] = "<device><capability type='pci'><class>0x120000</class><bus>3</bus>"
				  "<product id='0x1'/><vendor id='0x2'/></capability></device>";
	struct error err;
	struct pci p;

	(void)state;
	assert_int_equal(nodexml_read(&arena, file("gpu_a100"), &p, &err), 1);
	assert_string_equal(p.device.address, "0000:41:00.0");
	assert_int_equal(p.device.vendor_id, 0x10de);
	assert_int_equal(p.device.product_id, 0x20b0);
	assert_string_equal(p.device.vendor, "NVIDIA Corporation");
	assert_string_equal(p.device.product, "GA100 [A100 SXM4 40GB]");
	assert_string_equal(p.device.driver, "nvidia");
	assert_int_equal(p.device.numa_cell, 1);
	assert_int_equal(p.device.iommu_group, 27);
	assert_string_equal(p.physical, "");
	assert_int_equal(nodexml_read(&arena, file("gpu_a100_vf1"), &p, &err), 1);
	assert_string_equal(p.physical, "0000:41:00.0");
	assert_int_equal(nodexml_read(&arena, npu, &p, &err), 1);
	assert_string_equal(p.device.address, "0000:03:00.0");
	assert_string_equal(p.device.driver, "");
	assert_int_equal(p.device.numa_cell, -1);
	assert_int_equal(p.device.iommu_group, -1);
	assert_int_equal(nodexml_read(&arena, "<device/>", &p, &err), 0);
	assert_int_equal(nodexml_read(&arena, "nonsense", &p, &err), -1);
}

/* A GPU of which virtual functions were made, another with companions behind a bridge, and what is no GPU. */
static void test_devices(void **state)
{
	static const char *const names[] = { "gpu_rtx_usb", "gpu_rtx", "nvswitch", "gpu_a100_vf0", "bridge",
		"gpu_a100_vf1", "gpu_rtx_audio", "gpu_a100" };
	struct pci all[ARRAY_LEN(names)];
	const struct hv_device *d;
	struct error err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(nodexml_read(&arena, file(names[i]), &all[i], &err), 1);
	nodexml_devices(&arena, all, ARRAY_LEN(all), &d, &n);
	assert_int_equal(n, 2);
	assert_string_equal(d[0].address, "0000:41:00.0");
	assert_string_equal(d[0].companions, "");
	assert_string_equal(d[0].mdev_types, "nvidia-474=2:GRID A100X-1-5C;nvidia-477=1:GRID A100X-3-20C");
	assert_string_equal(d[1].address, "0000:61:00.0");
	assert_string_equal(d[1].companions, "0000:61:00.2,0000:61:00.1");
	assert_string_equal(d[1].mdev_types, "");
}

static void test_devices_twice(void **state)
{
	struct pci all[3];
	const struct hv_device *d;
	struct error err;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(
			nodexml_read(&arena, file(i == 1 ? "gpu_a100" : "gpu_rtx"), &all[i], &err), 1);
	nodexml_devices(&arena, all, ARRAY_LEN(all), &d, &n);
	assert_int_equal(n, 2);
	assert_string_equal(d[0].address, "0000:41:00.0");
	assert_string_equal(d[1].address, "0000:61:00.0");
}

/* Names that would not fit between '=', ':' and ';'. */
static void test_odd_types(void **state)
{
	static const char xml[] =
		"<device><capability type='pci'><class>0x030200</class><capability type='mdev_types'>"
		"<type id='a;b'><availableInstances>1</availableInstances></type>"
		"<type id='x'><name>n;1</name><availableInstances>4</availableInstances></type><type/>"
		"<type id='y'><name>fine</name><availableInstances>-4</availableInstances></type>"
		"<type id='z'><name>fine</name></type></capability></capability></device>";
	struct error err;
	struct pci p;

	(void)state;
	assert_int_equal(nodexml_read(&arena, xml, &p, &err), 1);
	assert_string_equal(p.device.mdev_types, "x=4;z=0:fine");
}

static void test_pool_path(void **state)
{
	(void)state;
	assert_string_equal(
		hostxml_pool_path(&arena, "<pool type='dir'><target><path>/p</path></target></pool>"), "/p");
	assert_null(hostxml_pool_path(&arena, "<pool type='rbd'><target><path>/p</path></target></pool>"));
	assert_null(hostxml_pool_path(&arena, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_capabilities_bad),
		cmocka_unit_test(test_odd_cpus),
		cmocka_unit_test(test_odd_cells),
		cmocka_unit_test(test_cpu_features),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_devices_twice),
		cmocka_unit_test(test_odd_types),
		cmocka_unit_test(test_pool_path),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
