/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is promised of its host: written as XML, read back from it, and compared. */
#include "golden.h"

#include <string.h>

#include "hv/libvirt/mdevxml.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/treexml.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define MDEV_A "aaaaaaaa-0000-4000-8000-000000000001"
#define MDEV_B "bbbbbbbb-0000-4000-8000-000000000002"

static const struct hv_disk disk = { .volume = UUID "-root.qcow2", .format = "qcow2", .serial = UUID };
static const struct hv_nic nic = { .mac = "fa:16:3e:00:00:01", .source = "cloudd" };
static const struct domxml_host kvm = { .type = "kvm", .arch = "x86_64", .pool = "cloudd" };

enum { VCPUS = 8 };
struct pinned { /* two cells, four processors each of its own, pages of 1 GiB, a GPU with its sound in each */
	struct hv_guest_cell cells[2];
	struct cpuset pins[VCPUS];
	struct hv_hostdev hostdevs[4];
	struct hv_mdev mdevs[2];
	struct hv_domain d;
};

static void make_pinned(struct pinned *p)
{
	*p = (struct pinned) {
		.cells = { { 0, 4, 32768, 1048576 }, { 3, 4, 32768, 1048576 } },
		.hostdevs = { { "0000:17:00.0", 0 }, { "0000:17:00.1", 0 }, { "0000:ca:00.0", 1 },
			{ "0000:ca:00.1", 1 } },
		.d = { .uuid = UUID,
			.name = "instance-0000002a",
			.title = "train-1",
			.vcpus = VCPUS,
			.ram_mib = 65536,
			.disks = &disk,
			.disks_n = 1,
			.nics = &nic,
			.nics_n = 1,
			.cells_n = 2,
			.pins_n = VCPUS,
			.hostdevs_n = 4,
			.project_id = "0123456789abcdef0123456789abcdef",
			.flavor_name = "g2.pinned",
			.cloud_id = "cloud-a",
			.epoch = 1 },
	};
	for (int i = 0; i < VCPUS; i++)
		cpuset_add(&p->pins[i], i < 4 ? 8 + i : 96 + i);
	assert_int_equal(cpuset_parse("0-1,64-65", &p->d.emulator), 0);
	p->d.cells = p->cells;
	p->d.pins = p->pins;
	p->d.hostdevs = p->hostdevs;
}

/* Small pages and no pins of its own: it floats in its cell, with parts of GPUs. */
static void make_parts(struct pinned *p)
{
	make_pinned(p);
	p->cells[0] = (struct hv_guest_cell) { 1, 5, 4096, 4 };
	p->cells[1] = (struct hv_guest_cell) { 0, 3, 2048, 2048 };
	p->mdevs[0] = (struct hv_mdev) { MDEV_A, "0000:17:00.0", "nvidia-474", 1 };
	p->mdevs[1] = (struct hv_mdev) { MDEV_B, "0000:ca:00.0", "nvidia-475", -1 };
	p->hostdevs[0].guest_cell = -1;
	p->d.hostdevs_n = 1;
	p->d.mdevs = p->mdevs;
	p->d.mdevs_n = 2;
	p->d.ram_mib = 6144;
	p->d.emulator = (struct cpuset) { 0 };
	for (int i = 0; i < VCPUS; i++)
		assert_int_equal(cpuset_parse(i < 5 ? "16-31,48-63" : "0-15", &p->pins[i]), 0);
}

static void test_golden(void **state)
{
	struct pinned p;

	(void)state;
	make_pinned(&p);
	same_as_golden("pinned_gpus", &p.d, &kvm);
	make_parts(&p);
	same_as_golden(
		"gpu_parts", &p.d, &(struct domxml_host) { .type = "qemu", .arch = "x86_64", .pool = "p" });
	make_pinned(&p);
	same_as_golden("pinned_test_driver", &p.d,
		&(struct domxml_host) { .type = "test", .arch = "i686", .pool = "default" });
}

/* As libvirt tells it: what it reads back from the definition is what was defined. */
static void read_back(
	struct arena *a, const struct hv_domain *d, const struct domxml_host *host, struct hv_domain *out)
{
	CLEANUP(buf_finish) struct buf xml = { 0 };
	CLEANUP(xr_free) xmlDocPtr doc = NULL;
	struct error err;
	xmlNodePtr root;

	domxml_write(&xml, d, host);
	assert_non_null(doc = xr_parse(xml.data, xml.len, &err));
	root = xmlDocGetRootElement(doc);
	memset(out, 0, sizeof *out);
	assert_int_equal(numaxml_read(a, root, out, &err), 0);
	assert_int_equal(treexml_read(a, xr_child(root, "devices"), out, &err), 0);
}

static void test_read_back(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain has;
	struct error err = { 0 };
	struct pinned p;

	(void)state;
	make_pinned(&p);
	read_back(&a, &p.d, &kvm, &has);
	if (!hv_domain_kept(&p.d, &has, &err))
		fail_msg("%s", err.detail);
	assert_int_equal(has.cells_n, 2);
	assert_int_equal(has.hostdevs[3].guest_cell, 1);
	make_parts(&p);
	read_back(&a, &p.d, &kvm, &has);
	if (!hv_domain_kept(&p.d, &has, &err))
		fail_msg("%s", err.detail);
	assert_int_equal(has.mdevs_n, 2);
	assert_int_equal(has.mdevs[0].guest_cell, 1);
	assert_int_equal(has.mdevs[1].guest_cell, -1);
	assert_int_equal(has.hostdevs[0].guest_cell, -1);
	assert_int_equal(has.cells[0].page_kib, 4);
	/* a plain one */
	p.d.cells_n = p.d.pins_n = p.d.hostdevs_n = p.d.mdevs_n = 0;
	read_back(&a, &p.d, &kvm, &has);
	assert_true(hv_domain_kept(&p.d, &has, &err));
	assert_int_equal(has.cells_n + has.pins_n + has.hostdevs_n + has.mdevs_n, 0);
}

/* Forty devices in one cell are more than its expander has slots. */
static void test_many_devices(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_hostdev many[40];
	struct hv_domain has;
	struct pinned p;
	size_t below = 0;

	(void)state;
	make_pinned(&p);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		snprintf(many[i].address, sizeof many[i].address, "0000:%02zx:00.0", 0x10 + i);
		many[i].guest_cell = 1;
	}
	p.d.hostdevs = many;
	p.d.hostdevs_n = ARRAY_LEN(many);
	read_back(&a, &p.d, &kvm, &has);
	assert_int_equal(has.hostdevs_n, ARRAY_LEN(many));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		below += has.hostdevs[i].guest_cell == 1;
	assert_int_equal(below, 32);
}

/* --- what may differ ------------------------------------------------------------------------------------ */

static void less_ram(struct pinned *p)
{
	p->d.ram_mib--;
}

static void less_vcpus(struct pinned *p)
{
	p->d.vcpus = 7;
}

static void other_pin(struct pinned *p)
{
	cpuset_parse("0-31", &p->pins[3]);
}

static void no_pins(struct pinned *p)
{
	p->d.pins_n = 0;
}

static void other_emulator(struct pinned *p)
{
	cpuset_parse("2", &p->d.emulator);
}

static void one_cell(struct pinned *p)
{
	p->d.cells_n = 1;
}

static void other_cell(struct pinned *p)
{
	p->cells[1].cell = 2;
}

static void no_cell(struct pinned *p)
{
	p->cells[1].cell = -1;
}

static void more_in_cell(struct pinned *p)
{
	p->cells[0].vcpus++;
}

static void less_in_cell(struct pinned *p)
{
	p->cells[0].ram_mib = 1;
}

static void small_pages(struct pinned *p)
{
	p->cells[0].page_kib = 4;
}

static void less_devices(struct pinned *p)
{
	p->d.hostdevs_n = 3;
}

static void other_device(struct pinned *p)
{
	strcpy(p->hostdevs[3].address, "0000:cb:00.0");
}

static void more_devices(struct pinned *p)
{
	p->d.mdevs = p->mdevs;
	p->d.mdevs_n = 1;
	strcpy(p->mdevs[0].uuid, MDEV_A);
}

static void device_elsewhere(struct pinned *p)
{
	p->hostdevs[2].guest_cell = 0;
}

static void test_difference(void **state)
{
	static const struct {
		void (*change)(struct pinned *p);
		const char *says;
	} cases[] = {
		{ less_ram, "it has 65535 MiB of memory, not 65536" },
		{ less_vcpus, "it has 7 vCPUs, not 8" },
		{ other_pin, "vCPU 3 may run on 0-31, not on 11" },
		{ no_pins, "vCPU 0 may run on any, not on 8" },
		{ other_emulator, "the emulator may run on 2, not on 0-1,64-65" },
		{ one_cell, "the number of NUMA cells is 1, not 2" },
		{ other_cell, "cell 1 lies in cell 2 of the host, not in cell 3" },
		{ no_cell, "cell 1 lies in no cell of the host, not in cell 3" },
		{ more_in_cell, "cell 0 has 5 vCPUs, not 4" },
		{ less_in_cell, "cell 0 has 1 MiB of memory, not 32768" },
		{ small_pages, "cell 0 has 4 KiB a page, not 1048576" },
		{ less_devices, "it has no device 0000:ca:00.1" },
		{ other_device, "it has no device 0000:ca:00.1" },
		{ more_devices, "it has device " MDEV_A ", which is not its own" },
		{ device_elsewhere, "device 0000:ca:00.0 is at cell 0, not at cell 1" },
	};
	struct pinned promised, has;
	struct error err;

	(void)state;
	make_pinned(&promised);
	make_pinned(&has);
	assert_true(hv_domain_kept(&promised.d, &has.d, &err));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make_pinned(&has);
		cases[i].change(&has);
		assert_false(hv_domain_kept(&promised.d, &has.d, &err));
		assert_string_equal(err.detail, cases[i].says);
		assert_int_equal(err.code, ERR_CONFLICT);
	}
	/* who was promised nothing may have anything, but devices */
	make_pinned(&has);
	promised.d.cells_n = promised.d.pins_n = 0;
	promised.d.emulator = (struct cpuset) { 0 };
	assert_true(hv_domain_kept(&promised.d, &has.d, &err));
	promised.d.hostdevs_n = 0;
	assert_false(hv_domain_kept(&promised.d, &has.d, &err));
}

/* --- what a host may say -------------------------------------------------------------------------------- */

static int read_text(struct arena *a, const char *xml, struct hv_domain *out)
{
	struct error err;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &err);

	assert_non_null(doc);
	memset(out, 0, sizeof *out);
	return numaxml_read(a, xmlDocGetRootElement(doc), out, &err);
}

static void test_other_forms(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain d;

	(void)state;
	/* pages for all cells, memory of two cells of the host for one, cells in any order */
	assert_int_equal(
		read_text(&a,
			"<domain><memory unit='KiB'>2097152</memory><vcpu>4</vcpu>"
			"<memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages></memoryBacking>"
			"<numatune><memory mode='strict' nodeset='0-1'/><memnode cellid='0' mode='strict' "
			"nodeset='0-1'/><memnode cellid='1' mode='preferred' nodeset='1'/></numatune>"
			"<cpu><numa><cell id='1' cpus='1,3' memory='1048576' unit='KiB'/>"
			"<cell id='0' cpus='0,2' memory='1' unit='GiB'/></numa></cpu></domain>",
			&d),
		0);
	assert_int_equal(d.ram_mib, 2048);
	assert_int_equal(d.cells_n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(d.cells[i].cell, -1);
		assert_int_equal(d.cells[i].vcpus, 2);
		assert_int_equal(d.cells[i].ram_mib, 1024);
		assert_int_equal(d.cells[i].page_kib, 2048);
	}
}

static void test_unreadable(void **state)
{
	static const char *const bad[] = {
		"<domain/>",
		"<domain><memory>1024</memory><vcpu>0</vcpu></domain>",
		"<domain><memory>1024</memory><vcpu>99999</vcpu></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><cputune><vcpupin vcpu='1' "
		"cpuset='0'/></cputune></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><cputune><vcpupin vcpu='0' "
		"cpuset='x'/></cputune></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><cpu><numa><cell id='1' cpus='0' "
		"memory='1'/></numa></cpu></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><cpu><numa><cell id='0' "
		"memory='1'/></numa></cpu></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><numatune><memnode cellid='0' mode='strict' "
		"nodeset='0'/></numatune></domain>",
		"<domain><memory>1024</memory><vcpu>1</vcpu><memoryBacking><hugepages><page size='0' "
		"unit='KiB'/></hugepages></memoryBacking></domain>",
	};
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(read_text(&a, bad[i], &d), -1);
}

/* A circle of controllers ends. */
static void test_circle(void **state)
{
	static const char xml[] =
		"<devices><controller type='pci' index='1' model='pcie-root-port'><address type='pci' "
		"bus='0x02'/>"
		"</controller><controller type='pci' index='2' model='pcie-root-port'><address type='pci' "
		"bus='0x01'/></controller><hostdev type='pci'><source><address domain='0x0000' bus='0x65' "
		"slot='0x00' function='0x1'/></source><address type='pci' bus='0x01'/></hostdev></devices>";
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error err;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &err);
	struct hv_domain d = { 0 };

	(void)state;
	assert_int_equal(treexml_read(&a, xmlDocGetRootElement(doc), &d, &err), 0);
	assert_string_equal(d.hostdevs[0].address, "0000:65:00.1");
	assert_int_equal(d.hostdevs[0].guest_cell, -1);
}

/* --- mediated devices ----------------------------------------------------------------------------------- */

static void test_mdev_names(void **state)
{
	char name[MDEVXML_NAME];

	(void)state;
	mdevxml_pci_name("0000:65:1f.7", name);
	assert_string_equal(name, "pci_0000_65_1f_7");
	mdevxml_pci_name("65:1f.7", name);
	assert_string_equal(name, "");
	assert_true(mdevxml_is("mdev_aaaaaaaa_0000_4000_8000_000000000001", MDEV_A));
	assert_true(mdevxml_is("mdev_aaaaaaaa_0000_4000_8000_000000000001_0000_65_00_0", MDEV_A));
	assert_false(mdevxml_is("mdev_aaaaaaaa_0000_4000_8000_0000000000012", MDEV_A));
	assert_false(mdevxml_is("mdev_aaaaaaaa_0000_4000_8000_00000000000", MDEV_A));
	assert_false(mdevxml_is("pci_aaaaaaaa_0000_4000_8000_000000000001", MDEV_A));
}

static void test_mdev_written(void **state)
{
	CLEANUP(buf_finish) struct buf xml = { 0 };

	(void)state;
	mdevxml_write(&xml, "pci_0000_65_00_0", "nvidia-<474>", MDEV_A);
	assert_string_equal(buf_text(&xml), "<device>\n  <parent>pci_0000_65_00_0</parent>\n"
					    "  <capability type='mdev'>\n"
					    "    <type id='nvidia-&lt;474&gt;'/>\n"
					    "    <uuid>" MDEV_A "</uuid>\n  </capability>\n</device>\n");
}

static void test_mdev_parent(void **state)
{
	static const char xml[] =
		"<device><name>pci_0000_65_00_0</name><capability type='pci'><class>0x030200</class>"
		"<capability type='virt_functions' maxCount='2'>"
		"<address domain='0x0000' bus='0x65' slot='0x00' function='0x4'/>"
		"<address domain='0x0000' bus='0x65' slot='0x00' function='0x5'/></capability>"
		"<capability type='mdev_types'><type id='nvidia-474'><name>NVIDIA A100-1-5C</name>"
		"<deviceAPI>vfio-pci</deviceAPI><availableInstances>7</availableInstances></type>"
		"<type id='nvidia-475'><name>NVIDIA "
		"A100-2-10C</name><availableInstances>0</availableInstances>"
		"</type></capability></capability></device>";
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct mdevxml_parent p;
	struct error err;

	(void)state;
	assert_int_equal(mdevxml_parent(&a, xml, "NVIDIA A100-1-5C", &p, &err), 0);
	assert_string_equal(p.type_id, "nvidia-474");
	assert_int_equal(p.available, 7);
	assert_int_equal(p.functions_n, 2);
	assert_string_equal(p.functions[1], "pci_0000_65_00_5");
	assert_int_equal(mdevxml_parent(&a, xml, "nvidia-475", &p, &err), 0);
	assert_int_equal(p.available, 0);
	assert_int_equal(mdevxml_parent(&a, xml, "nvidia-476", &p, &err), 0);
	assert_null(p.type_id);
	assert_int_equal(mdevxml_parent(&a, "<device/>", "nvidia-475", &p, &err), 0);
	assert_null(p.type_id);
	assert_int_equal(mdevxml_parent(&a, "nonsense", "nvidia-475", &p, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_many_devices),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_other_forms),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_mdev_names),
		cmocka_unit_test(test_mdev_written),
		cmocka_unit_test(test_mdev_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
