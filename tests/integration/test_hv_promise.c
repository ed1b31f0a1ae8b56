/* SPDX-License-Identifier: Apache-2.0 */
/* What guests are promised of their host, against a real libvirtd: its test driver keeps and tells all of it;
 * QEMU (TCG) gives it, which the kernel of this machine and the guest's own bear out. */
#include "libvirt_fixture.h"

#include <dirent.h>
#include <sched.h>

#include "hv/config_drive.h"

#define MDEV "aaaaaaaa-0000-4000-8000-00000000000d"
#define ROOT A "-root.qcow2"
#define CONFIG A "-config.iso"

/* --- libvirt's test driver ------------------------------------------------------------------------------ */

struct pinned { /* two cells, four processors each of its own, pages of 1 GiB, a GPU in each */
	struct hv_guest_cell cells[2];
	struct cpuset pins[8];
	struct hv_hostdev hostdevs[2];
	struct hv_mdev mdev;
	struct hv_domain d;
};

static void make_pinned(struct pinned *p)
{
	*p = (struct pinned) {
		.cells = { { 0, 4, 1024, 1048576 }, { 1, 4, 1024, 1048576 } },
		.hostdevs = { { "0000:65:00.0", 0 }, { "0000:ca:00.0", 1 } },
		.mdev = { MDEV, "0000:17:00.0", "nvidia-474", 1 },
		.d = domain(A),
	};
	for (int i = 0; i < 8; i++)
		cpuset_add(&p->pins[i], i < 4 ? 2 + i : 6 + i);
	assert_int_equal(cpuset_parse("0-1,8-9", &p->d.emulator), 0);
	p->d.vcpus = 8;
	p->d.ram_mib = 2048;
	p->d.cells = p->cells;
	p->d.cells_n = 2;
	p->d.pins = p->pins;
	p->d.pins_n = 8;
	p->d.hostdevs = p->hostdevs;
	p->d.hostdevs_n = 2;
	p->d.mdevs = &p->mdev;
	p->d.mdevs_n = 1;
}

static void expect_kept(const struct hv_domain *promised, const struct hv_domain *has)
{
	struct error err;

	if (!hv_domain_kept(promised, has, &err))
		fail_msg("%s", err.detail);
}

static void test_driver_keeps(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_domain has;
	struct pinned p;

	(void)state;
	make_pinned(&p);
	FAILS(drv->domain_read(c, &a, A, &has, &err), ERR_NOT_FOUND);
	OK(drv->domain_define(c, &p.d, &err));
	FAILS(drv->domain_read(c, &a, A, &has, &err), ERR_NOT_FOUND); /* it does not run */
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_read(c, &a, A, &has, &err));
	expect_kept(&p.d, &has);
	assert_int_equal(has.hostdevs[1].guest_cell, 1);
	assert_int_equal(has.mdevs[0].guest_cell, 1);
	/* a definition of other things does not change what runs */
	p.d.pins_n = p.d.cells_n = p.d.hostdevs_n = p.d.mdevs_n = 0;
	OK(drv->domain_define(c, &p.d, &err));
	OK(drv->domain_stop(c, A, &err));
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_read(c, &a, A, &has, &err));
	assert_int_equal(has.pins_n + has.cells_n + has.hostdevs_n, 0);
	make_pinned(&p);
	assert_false(hv_domain_kept(&p.d, &has, &(struct error) { 0 }));
	OK(drv->domain_remove(c, A, &err));
	finish(c);
}

/* libvirt's own example, which is not ours. */
static void test_driver_foreign(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_seen *list = NULL;
	struct hv_domain has;
	size_t n = 0;

	(void)state;
	OK(drv->domain_list(c, &a, &list, &n, &err));
	assert_int_equal(n, 1);
	FAILS(drv->domain_read(c, &a, list[0].uuid, &has, &err), ERR_CONFLICT);
	finish(c);
}

/* A host with a GPU that has parts: one is there already. The test driver makes none. */
static const char node[] =
	"<node><cpu><mhz>2600</mhz><model>x86_64</model><active>4</active><nodes>1</nodes><sockets>1</"
	"sockets>"
	"<cores>4</cores><threads>1</threads></cpu><memory>8388608</memory>"
	"<pool type='dir'><name>default-pool</name><target><path>/p</path></target></pool>"
	"<device><name>computer</name><capability type='system'><hardware><uuid>" B
	"</uuid></hardware></capability></device>"
	"<device><name>pci_0000_65_00_0</name><parent>computer</parent><capability type='pci'>"
	"<class>0x030200</class><domain>0</domain><bus>101</bus><slot>0</slot><function>0</function>"
	"<product id='0x2330'>H100</product><vendor id='0x10de'>NVIDIA</vendor>"
	"<capability type='mdev_types'><type id='nvidia-474'><name>H100-1-10C</name>"
	"<deviceAPI>vfio-pci</deviceAPI><availableInstances>1</availableInstances></type>"
	"<type id='nvidia-475'><name>H100-2-20C</name><deviceAPI>vfio-pci</deviceAPI>"
	"<availableInstances>0</availableInstances></type></capability></capability></device>"
	"<device><name>mdev_aaaaaaaa_0000_4000_8000_00000000000d_0000_65_00_0</name>"
	"<parent>pci_0000_65_00_0</parent><capability type='mdev'><type id='nvidia-474'/><uuid>" MDEV
	"</uuid></capability></device></node>";

static void test_driver_mdevs(void **state)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/a/node.xml", dir), *below = xasprintf("%s", path + 1);
	struct hv_mdev m = { MDEV, "0000:65:00.0", "nvidia-474", -1 };
	struct error err = { 0 };
	struct hv_conn *c = NULL;
	FILE *f = fopen(path, "we");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fwrite(node, 1, sizeof node - 1, f), sizeof node - 1);
	fclose(f);
	OK(try_connect("test+tls", "localhost", port, below, "a/client", "default-pool", &c, &err));
	for (int i = 0; i < 2; i++)
		OK(drv->mdev_ensure(c, &m, &err));
	OK(drv->mdev_remove(c, B, &err)); /* none */
	str_copy(m.uuid, sizeof m.uuid, B);
	FAILS(drv->mdev_ensure(c, &m, &err), ERR_HYPERVISOR); /* it has room, and cannot */
	str_copy(m.type, sizeof m.type, "H100-2-20C");
	assert_int_equal(drv->mdev_ensure(c, &m, &err), -1);
	assert_string_equal(err.detail, "0000:65:00.0 and its virtual functions have no room for H100-2-20C");
	str_copy(m.parent, sizeof m.parent, "0000:66:00.0");
	FAILS(drv->mdev_ensure(c, &m, &err), ERR_HYPERVISOR);
	FAILS(drv->mdev_ensure(c, &(struct hv_mdev) { "x", "0000:65:00.0", "t", -1 }, &err), ERR_BAD_REQUEST);
	finish(c);
}

/* --- QEMU ----------------------------------------------------------------------------------------------- */

#define PAGES "/proc/sys/vm/nr_hugepages"
enum { PAGES_WANTED = 112, CELL_MIB = 112, PATIENCE = 10 };

static int pages_get(void)
{
	FILE *f = fopen(PAGES, "re");
	int n = 0;

	if (!f || fscanf(f, "%d", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

static void pages_set(int n)
{
	FILE *f = fopen(PAGES, "we");

	if (f && fprintf(f, "%d\n", n) < 0)
		n = 0;
	if (f)
		fclose(f);
}

static int pages_before;

static int pages_more(void **state)
{
	(void)state;
	pages_before = pages_get();
	pages_set(pages_before + PAGES_WANTED);
	return 0;
}

static int pages_back(void **state)
{
	(void)state;
	pages_set(pages_before);
	return 0;
}

static const char user_data[] =
	"#!/bin/sh\n"
	"for n in /sys/devices/system/node/node[0-9]*; do\n"
	"echo \"cell ${n##*node} cpus $(cat $n/cpulist) mib $(($(sed -n "
	"'s/.*MemTotal: *\\([0-9]*\\).*/\\1/p' "
	"$n/meminfo) / 1024))\"\n"
	"done\n"
	"for d in /sys/bus/pci/devices/*; do\n"
	"echo \"device $(cat $d/vendor):$(cat $d/device) in cell $(cat $d/numa_node)\"\n"
	"done\n"
	"echo cells told\n";

static void make_disks(struct hv_conn *c)
{
	const char *given = getenv("CLOUDD_GUEST_IMAGE"); /* instead of one that is built */
	CLEANUP(free_ptr) char *image = given ? xstrdup(given) : xasprintf("%s/guest.qcow2", BINARY_DIR);
	CLEANUP(free_ptr)
	char *build = xasprintf("%s/scripts/guest-image/build %s >/dev/null", SOURCE_DIR, image);
	CLEANUP(free_ptr) char *copy = xasprintf("cp %s %s/a/images/" ROOT, image, dir);
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf iso = { 0 };
	struct hv_inventory inv;
	struct config_drive cd = { .user_data = user_data, .user_data_n = sizeof user_data - 1 };

	assert_true(given || system(build) == 0);
	assert_int_equal(system(copy), 0);
	buf_puts(&cd.meta_data, "{\"uuid\": \"" A "\", \"hostname\": \"cells\"}");
	buf_puts(&cd.network_data, "{}");
	OK(config_drive_make(&cd, &iso, &err));
	OK(drv->volume_write(c, CONFIG, iso.data, iso.len, &err));
	/* libvirt looks at the pool anew */
	OK(drv->inventory(c, &a, &inv, &err));
	buf_finish(&cd.meta_data);
	buf_finish(&cd.network_data);
}

/* The guest's process, by its name in the command line. */
static int guest_pid(const char *name)
{
	CLEANUP(free_ptr) char *cmd = xasprintf("pgrep -f '^[^ ]*qemu[^ ]* .*guest=%s,' | head -1", name);
	FILE *p = popen(cmd, "re");
	int pid = 0;

	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &pid), 1);
	pclose(p);
	return pid;
}

/* Where the kernel lets thread "CPU n/TCG", or "CPU n/KVM", of the guest run. */
static struct cpuset thread_cpus(int pid, int vcpu)
{
	CLEANUP(free_ptr)
	char *tasks = xasprintf("/proc/%d/task", pid), *name = xasprintf("CPU %d/", vcpu);
	struct cpuset out = { { 0 } };
	DIR *d = opendir(tasks);
	cpu_set_t set;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s/comm", tasks, e->d_name);
		char comm[32] = "";
		FILE *f = fopen(path, "re");

		if (f && fgets(comm, sizeof comm, f) && str_starts(comm, name) &&
			sched_getaffinity(atoi(e->d_name), sizeof set, &set) == 0)
			for (int i = 0; i < CPU_SETSIZE; i++)
				if (CPU_ISSET(i, &set))
					cpuset_add(&out, i);
		if (f)
			fclose(f);
	}
	closedir(d);
	return out;
}

static bool maps_huge(int pid)
{
	CLEANUP(free_ptr) char *cmd = xasprintf("grep -q 'KernelPageSize: *2048 kB' /proc/%d/smaps", pid);

	return system(cmd) == 0;
}

/* Two cells of the guest in the one that this machine has, each vCPU on a CPU, and pages of 2 MiB if it can
 * set some aside. */
static void test_qemu_gives(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *name = xasprintf("instance-%08x", (unsigned)getpid());
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), page = 2048, pid;
	struct hv_conn *c = connect_qemu();
	struct hv_disk disks[] = { { .volume = ROOT, .format = "qcow2", .serial = A },
		{ .volume = CONFIG, .format = "raw", .readonly = true } };
	struct hv_guest_cell cells[2];
	struct cpuset pins[2] = { { { 0 } } };
	struct hv_domain d = domain(A), has;

	(void)state;
	if (pages_get() < pages_before + PAGES_WANTED) {
		print_message("1 skipped: no huge pages can be set aside here\n");
		page = 4;
	}
	d.name = name;
	for (int i = 0; i < 2; i++) {
		cells[i] = (struct hv_guest_cell) { 0, 1, CELL_MIB, page };
		cpuset_add(&pins[i], i % cpus);
	}
	make_disks(c);
	d.vcpus = 2;
	d.ram_mib = 2 * CELL_MIB;
	d.disks = disks;
	d.disks_n = ARRAY_LEN(disks);
	d.cells = cells;
	d.cells_n = 2;
	d.pins = pins;
	d.pins_n = 2;
	cpuset_add(&d.emulator, 0);
	OK(drv->domain_define(c, &d, &err));
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_read(c, &a, A, &has, &err));
	expect_kept(&d, &has);
	pid = guest_pid(name);
	for (int i = 0; i < 2; i++) {
		struct cpuset at = thread_cpus(pid, i);

		assert_true(cpuset_same(&at, &pins[i]));
	}
	assert_int_equal(maps_huge(pid), page == 2048);
	/* what its kernel sees */
	assert_true(console_says(c, A, "cells told"));
	assert_true(console_says(c, A, "cell 0 cpus 0 mib"));
	assert_true(console_says(c, A, "cell 1 cpus 1 mib"));
	/* the affinity is the kernel's word, not the definition's */
	if (cpus > 1) {
		CLEANUP(free_ptr) char *all = xasprintf("taskset -a -c -p 0-%d %d >/dev/null", cpus - 1, pid);
		struct error err = { 0 };

		assert_int_equal(system(all), 0);
		OK(drv->domain_read(c, &a, A, &has, &err));
		assert_false(hv_domain_kept(&d, &has, &err));
		assert_non_null(strstr(err.detail, "vCPU 0 may run on 0-"));
	}
	OK(drv->domain_remove(c, A, &err));
	OK(drv->volume_remove(c, ROOT, &err));
	OK(drv->volume_remove(c, CONFIG, &err));
	finish(c);
}

/* What the host says of the device, and its reset; the words are the test's report. */
static void reset_device(struct hv_conn *c, const char *address, const char *when)
{
	struct hv_device_seen seen;

	OK(drv->device_look(c, address, &seen, &err));
	print_message("%s: %04x:%04x, IOMMU group %d, driver '%s', in no domain: %d\n", when,
		seen.device.vendor_id, seen.device.product_id, seen.device.iommu_group, seen.device.driver,
		!seen.user[0]);
	OK(drv->device_reset(c, address, &err));
	OK(drv->device_look(c, address, &seen, &err));
	print_message("%s: it was reset; driver '%s'\n", when, seen.device.driver);
	assert_string_equal(seen.user, "");
}

/* A real device of this machine, by VFIO: scripts/test-passthrough makes a machine that has one to give, and
 * says so: "0000:01:00.0 0x1234:0x1111". */
static void test_qemu_passes_through(void **state)
{
	const char *given = getenv("CLOUDD_PASSTHROUGH");
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *seen = NULL;
	struct hv_disk disks[] = { { .volume = ROOT, .format = "qcow2", .serial = A },
		{ .volume = CONFIG, .format = "raw", .readonly = true } };
	struct hv_guest_cell cells[] = { { 0, 1, CELL_MIB, 4 }, { 0, 1, CELL_MIB, 4 } };
	struct hv_hostdev device = { .guest_cell = 1 };
	struct hv_domain d = domain(A), has;
	struct hv_device_seen user;
	struct hv_conn *c;
	bool told = false;
	char id[32];

	(void)state;
	assert_int_equal(sscanf(given, "%15s %31s", device.address, id), 2);
	c = connect_qemu();
	make_disks(c);
	d.vcpus = 2;
	d.ram_mib = 2 * CELL_MIB;
	d.disks = disks;
	d.disks_n = ARRAY_LEN(disks);
	d.cells = cells;
	d.cells_n = 2;
	d.hostdevs = &device;
	d.hostdevs_n = 1;
	reset_device(c, device.address, "before");
	OK(drv->domain_define(c, &d, &err));
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_read(c, &a, A, &has, &err));
	expect_kept(&d, &has);
	OK(drv->device_look(c, device.address, &user, &err));
	assert_string_equal(user.user, A);
	FAILS(drv->device_reset(c, device.address, &err), ERR_BUSY);
	seen = xasprintf("device %s in cell 1", id);
	/* a guest in a guest is slow */
	for (int i = 0; !told && i < PATIENCE; i++)
		told = console_says(c, A, "cells told");
	assert_true(told && console_says(c, A, seen));
	print_message("the guest found \"%s\"\n", seen);
	OK(drv->domain_remove(c, A, &err));
	reset_device(c, device.address, "after");
	OK(drv->volume_remove(c, ROOT, &err));
	OK(drv->volume_remove(c, CONFIG, &err));
	finish(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_keeps),
		cmocka_unit_test(test_driver_foreign),
		cmocka_unit_test(test_driver_mdevs),
		cmocka_unit_test_setup_teardown(test_qemu_gives, pages_more, pages_back),
	};
	const struct CMUnitTest given[] = { cmocka_unit_test(test_qemu_passes_through) };

	return getenv("CLOUDD_PASSTHROUGH") ? LIBVIRT_TESTS(given) : LIBVIRT_TESTS(tests);
}
