/* SPDX-License-Identifier: Apache-2.0 */
/* The libvirt driver against a real libvirtd over TLS: first its test driver, then qemu (TCG) with a guest of
 * one boot sector. Skipped, with the reason, where there is no root, libvirtd or qemu. */
#include "libvirt_fixture.h"

#include "hv/config_drive.h"

/* --- certificates --- */

static void test_wrong_certificates(void **state)
{
	CLEANUP(free_ptr) char *mix = NULL;
	struct hv_conn *c;

	(void)state;
	assert_int_equal(starter(NULL, "testpki", "other", ""), 0);
	/* a CA that has not signed the server's certificate */
	FAILS(try_connect("test+tls", "localhost", port, "default", "other/client", "default-pool", &c, &err),
		ERR_UNREACHABLE);
	/* a client that the server's CA has not signed */
	mix = xasprintf("cp %s/a/client/cacert.pem %s/other/client/cacert.pem", dir, dir);
	assert_int_equal(system(mix), 0);
	FAILS(try_connect("test+tls", "localhost", port, "default", "other/client", "default-pool", &c, &err),
		ERR_UNREACHABLE);
	/* no certificates at all */
	FAILS(try_connect("test+tls", "localhost", port, "default", "nowhere", "default-pool", &c, &err),
		ERR_UNREACHABLE);
}

static void test_wrong_name(void **state)
{
	char other_port[16];
	struct hv_conn *c;
	struct error err = { 0 };
	int rc;

	(void)state;
	setenv("SERVER_SAN", "DNS:elsewhere.example", 1);
	rc = start_libvirtd("elsewhere", other_port);
	unsetenv("SERVER_SAN");
	assert_int_equal(rc, 0);
	rc = try_connect(
		"test+tls", "localhost", other_port, "default", "elsewhere/client", "default-pool", &c, &err);
	starter(NULL, "stop", "elsewhere", "");
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
}

static void test_nobody_listens(void **state)
{
	struct hv_conn *c;

	(void)state;
	FAILS(try_connect("qemu+tls", "127.0.0.1", "1", "system", "a/client", "cloudd", &c, &err),
		ERR_UNREACHABLE);
	FAILS(try_connect("qemu+tls", "no-such-host.invalid", "1", "system", "a/client", "cloudd", &c, &err),
		ERR_UNREACHABLE);
	FAILS(try_connect("qemu+tls", "127.0.0.1", "99999", "system", "a/client", "cloudd", &c, &err),
		ERR_BAD_REQUEST);
}

/* --- libvirt's test driver --- */

static void test_driver_inventory(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_inventory inv = { 0 };

	(void)state;
	OK(drv->inventory(c, &a, &inv, &err));
	assert_string_equal(inv.type, "TEST");
	assert_true(inv.cpus > 0);
	assert_true(inv.ram_mib > 0);
	assert_int_equal(inv.cells_n, 2);
	assert_int_equal(inv.cells[0].ram_mib, 2048);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(inv.cells[1].cpu[i].id, 8 + i);
		assert_int_equal(inv.cells[1].cpu[i].core, 8 + i);
	}
	assert_int_equal(inv.cells[1].cpu_n, 8);
	assert_int_equal(inv.cells[0].pages_2m, 0);
	assert_false(inv.kvm);
	assert_true(inv.pool_capacity_gib > 0);
	finish(c);
}

/* The PCI devices of the unit tests, as libvirt itself reads and tells them. */
static char *node_of_devices(void)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/a/devices.xml", dir);
	CLEANUP(free_ptr)
	char *cmd = xasprintf(
		"{ echo '<node><cpu><mhz>2600</mhz><model>x86_64</model><active>8</active><nodes>1</nodes>"
		"<sockets>1</sockets><cores>4</cores><threads>2</threads></cpu><memory>8388608</memory>"
		"<pool type=\"dir\"><name>default-pool</name><target><path>/p</path></target></pool>"
		"<device><name>computer</name><capability type=\"system\"><hardware><uuid>" A
		"</uuid></hardware></capability></device>'; cd %s/tests/unit/golden/host && "
		"cat gpu*.xml bridge.xml nvswitch.xml | sed "
		"'s,<parent>.*</parent>,<parent>computer</parent>,'; "
		"echo '</node>'; } > %s",
		SOURCE_DIR, path);

	assert_int_equal(system(cmd), 0);
	return xstrdup(path + 1);
}

static void test_driver_devices(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *node = node_of_devices();
	struct hv_inventory inv = { 0 };
	struct hv_conn *c = NULL;

	(void)state;
	OK(try_connect("test+tls", "localhost", port, node, "a/client", "default-pool", &c, &err));
	OK(drv->inventory(c, &a, &inv, &err));
	assert_int_equal(inv.devices_n, 2);
	assert_string_equal(inv.devices[0].address, "0000:41:00.0");
	assert_int_equal(inv.devices[0].iommu_group, 27);
	assert_int_equal(inv.devices[0].numa_cell, 1);
	assert_string_equal(
		inv.devices[0].mdev_types, "nvidia-474=2:GRID A100X-1-5C;nvidia-477=1:GRID A100X-3-20C");
	assert_string_equal(inv.devices[1].address, "0000:61:00.0");
	assert_true(str_eq(inv.devices[1].companions, "0000:61:00.1,0000:61:00.2") ||
		    str_eq(inv.devices[1].companions, "0000:61:00.2,0000:61:00.1"));
	/* such a host tells of no cells: one with all of its CPUs, by core */
	assert_int_equal(inv.cells_n, 1);
	assert_int_equal(inv.cells[0].cpu_n, 8);
	assert_int_equal(inv.cells[0].cpu[3].id, 3);
	assert_int_equal(inv.cells[0].cpu[3].core, 2);
	finish(c);
}

/* What is looked at between two guests; the test driver's devices are of paper, and need no reset. */
static void test_driver_custody(void **state)
{
	CLEANUP(free_ptr) char *node = node_of_devices();
	struct hv_hostdev gpu = { .address = "0000:41:00.0", .guest_cell = -1 };
	struct hv_domain d = domain(A);
	struct hv_device_seen seen;
	struct error err = { 0 };
	struct hv_conn *c = NULL;

	(void)state;
	OK(try_connect("test+tls", "localhost", port, node, "a/client", "default-pool", &c, &err));
	OK(drv->device_look(c, gpu.address, &seen, &err));
	assert_string_equal(seen.device.address, gpu.address);
	assert_int_equal(seen.device.vendor_id, 0x10de);
	assert_int_equal(seen.device.iommu_group, 27);
	assert_int_equal(seen.device.numa_cell, 1);
	assert_string_equal(seen.user, "");
	OK(drv->device_reset(c, gpu.address, &err));
	FAILS(drv->device_look(c, "0000:42:00.0", &seen, &err), ERR_NOT_FOUND);
	FAILS(drv->device_reset(c, "0000:42:00.0", &err), ERR_NOT_FOUND);
	FAILS(drv->device_look(c, "computer", &seen, &err), ERR_BAD_REQUEST);
	d.hostdevs = &gpu;
	d.hostdevs_n = 1;
	OK(drv->domain_define(c, &d, &err));
	OK(drv->device_reset(c, gpu.address, &err)); /* only defined */
	OK(drv->domain_start(c, A, &err));
	OK(drv->device_look(c, gpu.address, &seen, &err));
	assert_string_equal(seen.user, A);
	assert_int_equal(drv->device_reset(c, gpu.address, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.msg, "the device is in use by domain " A);
	OK(drv->domain_stop(c, A, &err));
	OK(drv->device_reset(c, gpu.address, &err));
	OK(drv->domain_remove(c, A, &err));
	finish(c);
}

/* The test driver tells nothing of what guests use but that they run; each start is another. */
static void use_of_starts(struct hv_conn *c, const struct hv_domain *d)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t last = 0;

	OK(drv->domain_define(c, d, &err));
	for (int i = 0; i < 3; i++) {
		struct hv_use *all = NULL, *one = NULL;
		size_t n = 0;

		OK(drv->domain_start(c, A, &err));
		OK(drv->domains_use(c, &a, NULL, &all, &n, &err));
		assert_int_equal(n, 1);
		OK(drv->domains_use(c, &a, A, &one, &n, &err));
		assert_int_equal(n, 1);
		assert_memory_equal(all, one, sizeof *all);
		assert_int_equal(all->power, HV_POWER_RUNNING);
		assert_int_equal(all->counter[SAMPLE_CPU_NS], SAMPLE_UNKNOWN);
		assert_int_equal(all->start >> 32, d->epoch);
		assert_true(all->start != last);
		last = all->start;
		OK(drv->domain_stop(c, A, &err));
	}
	OK(drv->domain_remove(c, A, &err));
}

static void test_driver_life_twice(void **state)
{
	typedef int step_fn(struct hv_conn * c, const char *uuid, struct error *err);
	struct hv_conn *c = connect_test();
	const struct {
		step_fn *fn;
		enum hv_power after;
	} steps[] = {
		{ drv->domain_start, HV_POWER_RUNNING },
		{ drv->domain_pause, HV_POWER_PAUSED },
		{ drv->domain_unpause, HV_POWER_RUNNING },
		{ drv->domain_stop, HV_POWER_SHUTOFF },
		{ drv->domain_start, HV_POWER_RUNNING },
		{ drv->domain_shutdown, HV_POWER_SHUTOFF },
		{ drv->domain_start, HV_POWER_RUNNING },
		{ drv->domain_remove, HV_POWER_ABSENT },
		{ drv->domain_stop, HV_POWER_ABSENT },
	};
	const struct hv_hostdev gpu = { "0000:65:00.0", -1 };
	struct hv_domain d = domain(A);
	struct hv_disk disk = { .volume = A "-root.qcow2", .format = "qcow2" };
	struct hv_nic nic = { .mac = "fa:16:3e:00:00:01", .source = "default", .mtu = 1450 };

	(void)state;
	d.disks = &disk;
	d.nics = &nic;
	d.hostdevs = &gpu;
	d.disks_n = d.nics_n = d.hostdevs_n = 1;
	forget_events();
	FAILS(drv->domain_start(c, A, &err), ERR_NOT_FOUND);
	OK(drv->volume_ensure(c, disk.volume, 1 << 20, NULL, NULL, &err));
	OK(drv->domain_define(c, &d, &err));
	OK(drv->domain_define(c, &d, &err));
	for (size_t i = 0; i < 2 * ARRAY_LEN(steps); i++) {
		OK(steps[i / 2].fn(c, A, &err));
		assert_int_equal(power(c, A), steps[i / 2].after);
	}
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_RUNNING));
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_PAUSED));
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_SHUTOFF));
	assert_int_equal(loop.off_thread, 0);
	use_of_starts(c, &d);
	for (int i = 0; i < 2; i++)
		OK(drv->volume_remove(c, disk.volume, &err));
	finish(c);
}

/* Two connections to one test URI are one state, which outlives both. */
static void test_driver_state_is_shared(void **state)
{
	struct hv_conn *c = connect_test(), *other = connect_test();
	struct hv_domain d = domain(B);

	(void)state;
	OK(drv->domain_define(c, &d, &err));
	finish(c);
	assert_int_equal(power(other, B), HV_POWER_SHUTOFF);
	finish(other);
	c = connect_test();
	OK(drv->domain_remove(c, B, &err));
	finish(c);
}

static void test_driver_volumes(void **state)
{
	struct hv_conn *c = connect_test();
	CLEANUP(buf_finish) struct buf out = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		OK(drv->image_ensure(c, "image-1.qcow2", "qcow2", -1, 1000, 1 << 20, &err));
	for (int i = 0; i < 2; i++)
		OK(drv->volume_ensure(c, "v.qcow2", 1 << 20, "image-1.qcow2", "qcow2", &err));
	for (int i = 0; i < 2; i++)
		OK(drv->volume_write(c, "v.iso", "abc", 3, &err));
	OK(drv->volume_write(c, "v.iso", "abcd", 4, &err));
	FAILS(drv->volume_ensure(c, "w.qcow2", 1 << 20, "image-2.qcow2", "qcow2", &err), ERR_NOT_FOUND);
	FAILS(drv->volume_ensure(c, "../x", 1 << 20, NULL, NULL, &err), ERR_BAD_REQUEST);
	for (int i = 0; i < 2; i++) {
		OK(drv->volume_remove(c, "v.qcow2", &err));
		OK(drv->volume_remove(c, "v.iso", &err));
		OK(drv->volume_remove(c, "image-1.qcow2", &err));
	}
	OK(drv->console_read(c, A, 100, &out, &err));
	assert_int_equal(out.len, 0);
	finish(c);
}

/* The test driver comes with a running domain named `test`, which is not ours. */
static void test_driver_foreign(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_domain d;
	struct hv_seen *list = NULL;
	struct hv_use *use;
	size_t n = 0;

	(void)state;
	OK(drv->domain_list(c, &a, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_false(list[0].ours);
	assert_int_equal(list[0].power, HV_POWER_RUNNING);
	OK(drv->domains_use(c, &a, NULL, &use, &n, &err));
	assert_int_equal(n, 0);
	FAILS(drv->domains_use(c, &a, list[0].uuid, &use, &n, &err), ERR_CONFLICT);
	d = domain(list[0].uuid);
	FAILS(drv->domain_define(c, &d, &err), ERR_CONFLICT);
	FAILS(drv->domain_stop(c, list[0].uuid, &err), ERR_CONFLICT);
	FAILS(drv->domain_remove(c, list[0].uuid, &err), ERR_CONFLICT);
	finish(c);
}

static void test_bad_input(void **state)
{
	struct hv_conn *c = connect_test();
	const struct hv_hostdev bad = { "65:00.0; x", -1 };
	struct hv_domain d = domain(A);
	struct hv_disk disk = { .volume = "v", .format = "vmdk" };

	(void)state;
	d.hostdevs = &bad;
	d.hostdevs_n = 1;
	FAILS(drv->domain_define(c, &d, &err), ERR_BAD_REQUEST);
	d.hostdevs_n = 0;
	d.disks = &disk;
	d.disks_n = 1;
	FAILS(drv->domain_define(c, &d, &err), ERR_BAD_REQUEST);
	FAILS(drv->domain_start(c, "not-a-uuid", &err), ERR_BAD_REQUEST);
	finish(c);
}

/* --- a daemon that is lost --- */

static void test_frozen_daemon(void **state)
{
	struct hv_conn *c = connect_qemu();
	struct hv_seen s;

	(void)state;
	forget_events();
	assert_int_equal(starter(NULL, "freeze", "a", ""), 0);
	FAILS(drv->domain_look(c, A, &s, &err), ERR_UNREACHABLE);
	assert_true(wait_event(HV_EVENT_CLOSED, "", 0));
	FAILS(drv->domain_look(c, A, &s, &err), ERR_UNREACHABLE);
	finish(c);
	assert_int_equal(starter(NULL, "thaw", "a", ""), 0);
	c = connect_qemu();
	assert_int_equal(power(c, A), HV_POWER_ABSENT);
	finish(c);
	assert_int_equal(loop.off_thread, 0);
}

/* --- qemu
 * -----------------------------------------------------------------------------------------------------------
 */

static void test_qemu_inventory(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_qemu(), *no_pool = NULL;
	struct hv_inventory inv = { 0 };
	struct error err = { 0 };
	bool virtualizes = system("grep -qE '^flags.*(vmx|svm)' /proc/cpuinfo") == 0;

	(void)state;
	OK(drv->inventory(c, &a, &inv, &err));
	assert_string_equal(inv.type, "QEMU");
	assert_string_equal(inv.hostname, "a");
	assert_true(uuid_valid(inv.uuid));
	assert_true(inv.version > 1000000);
	assert_int_equal(inv.cpus, (int)sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(inv.cells_n >= 1);
	assert_true(inv.cells[0].ram_mib > 0);
	assert_true(inv.cells[0].cpu_n > 0 && (int)inv.cells[0].cpu_n <= inv.cpus);
	assert_true(inv.arch[0] != 'x' || strstr(inv.cpu_features, "sse2"));
	assert_true(inv.pool_free_gib > 0);
	assert_string_equal(inv.pool, "cloudd");
	if (!virtualizes)
		assert_false(inv.kvm);
	finish(c);
	OK(try_connect("qemu+tls", "127.0.0.1", port, "system", "a/client", "no-such-pool", &no_pool, &err));
	assert_int_equal(drv->inventory(no_pool, &a, &inv, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_non_null(strstr(err.msg, "no-such-pool"));
	finish(no_pool);
}

/* KVM is used where the processor virtualizes, not where there is a /dev/kvm: without vmx and svm no ordinary
 * guest boots under it. */
static void test_qemu_accel(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	bool virtualizes = system("grep -qE '^flags.*(vmx|svm)' /proc/cpuinfo") == 0;
	struct hv_inventory inv = { 0 };
	struct hv_conn *c = NULL;
	char kvm_port[16];
	int rc;

	(void)state;
	if (access("/dev/kvm", F_OK) != 0) {
		print_message("no /dev/kvm here\n");
		skip();
	}
	setenv("KVM", "1", 1);
	rc = start_libvirtd("kvm", kvm_port);
	unsetenv("KVM");
	assert_int_equal(rc, 0);
	assert_int_equal(starter(NULL, "exec", "kvm",
				 "sh -c \"virsh -c qemu:///system capabilities | grep -q type=.kvm.\""),
		0);
	OK(try_connect("qemu+tls", "127.0.0.1", kvm_port, "system", "kvm/client", "cloudd", &c, &err));
	OK(drv->inventory(c, &a, &inv, &err));
	assert_int_equal(inv.kvm, virtualizes);
	finish(c);
	starter(NULL, "stop", "kvm", "");
}

static bool volume_is(const char *name, const void *data, size_t n)
{
	CLEANUP(buf_finish) struct buf got = { 0 };

	read_volume(name, &got);
	return got.len == n && memcmp(got.data, data, n) == 0;
}

/* A disk whose boot sector writes a line to the serial port and halts. */
static int boot_disk(unsigned char *disk, size_t n)
{
	static const unsigned char code[] = { 0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x15, 0x7c, 0xac, 0x84, 0xc0,
		0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, 0xf4, 0xeb, 0xfd };
	char path[] = "/tmp/cloudd-boot-XXXXXX";
	int fd = mkstemp(path);

	for (size_t i = 0; i < n; i++)
		disk[i] = (unsigned char)(i * 7 + i / 512);
	memset(disk, 0, 512);
	memcpy(disk, code, sizeof code);
	memcpy(disk + sizeof code, "boot sector is up\r\n", 20);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, disk, n), (ssize_t)n);
	return fd;
}

enum { DISK_BYTES = 3 << 20 };

static void test_qemu_images(void **state)
{
	CLEANUP(free_ptr) unsigned char *disk = xmalloc(DISK_BYTES);
	CLEANUP(close_fd) int fd = boot_disk(disk, DISK_BYTES);
	CLEANUP(close_fd) int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP(buf_finish) struct buf got = { 0 };
	CLEANUP(free_ptr) char *lose_marker = xasprintf("rm %s/a/images/image-1.raw.ok", dir);
	struct hv_conn *c = connect_qemu();

	(void)state;
	/* an upload that breaks off leaves nothing that counts as an image */
	FAILS(drv->image_ensure(c, "image-1.raw", "raw", empty, DISK_BYTES, DISK_BYTES, &err), ERR_INTERNAL);
	OK(drv->image_ensure(c, "image-1.raw", "raw", fd, DISK_BYTES, DISK_BYTES, &err));
	assert_true(volume_is("image-1.raw", disk, DISK_BYTES));
	/* whole: not read again */
	OK(drv->image_ensure(c, "image-1.raw", "raw", empty, DISK_BYTES, DISK_BYTES, &err));
	assert_true(volume_is("image-1.raw", disk, DISK_BYTES));
	for (int i = 0; i < 2; i++)
		OK(drv->volume_ensure(c, "v.qcow2", 8 << 20, "image-1.raw", "raw", &err));
	read_volume("v.qcow2", &got);
	assert_memory_equal(got.data, "QFI\xfb", 4);
	assert_non_null(memmem(got.data, got.len, "/images/image-1.raw", 19));
	/* a marker lost to a crash between upload and its making: the image is taken anew */
	assert_int_equal(system(lose_marker), 0);
	assert_int_equal(
		starter(NULL, "exec", "a", "virsh -q -c qemu:///system pool-refresh cloudd >/dev/null"), 0);
	FAILS(drv->image_ensure(c, "image-1.raw", "raw", empty, DISK_BYTES, DISK_BYTES, &err), ERR_INTERNAL);
	OK(drv->image_ensure(c, "image-1.raw", "raw", fd, DISK_BYTES, DISK_BYTES, &err));
	for (int i = 0; i < 2; i++) {
		OK(drv->volume_remove(c, "v.qcow2", &err));
		OK(drv->volume_remove(c, "image-1.raw", &err));
	}
	assert_int_equal(images_left(), 0);
	finish(c);
}

static void test_qemu_config_drive(void **state)
{
	CLEANUP(buf_finish) struct buf iso = { 0 }, longer = { 0 };
	struct config_drive cd = { .user_data = "#!/bin/sh\n", .user_data_n = 10 };
	struct hv_conn *c = connect_qemu();

	(void)state;
	buf_puts(&cd.meta_data, "{}");
	buf_puts(&cd.network_data, "{}");
	OK(config_drive_make(&cd, &iso, &err));
	buf_append(&longer, iso.data, iso.len);
	buf_append(&longer, iso.data, 4096);
	OK(drv->volume_write(c, "c.iso", iso.data, iso.len, &err));
	assert_true(volume_is("c.iso", iso.data, iso.len));
	OK(drv->volume_write(c, "c.iso", longer.data, longer.len, &err));
	assert_true(volume_is("c.iso", longer.data, longer.len));
	OK(drv->volume_write(c, "c.iso", iso.data, iso.len, &err));
	assert_true(volume_is("c.iso", iso.data, iso.len));
	OK(drv->volume_remove(c, "c.iso", &err));
	buf_finish(&cd.meta_data);
	buf_finish(&cd.network_data);
	finish(c);
}

static bool network_works(void)
{
	CLEANUP(buf_finish) struct buf out = { 0 };

	return starter(&out, "exec", "a", "virsh -q -c qemu:///system net-list --name 2>/dev/null") == 0 &&
	       strstr(buf_text(&out), "cloudd");
}

static void test_qemu_guest(void **state)
{
	CLEANUP(free_ptr) unsigned char *disk = xmalloc(DISK_BYTES);
	CLEANUP(close_fd) int fd = boot_disk(disk, DISK_BYTES);
	CLEANUP(buf_finish) struct buf tail = { 0 };
	struct hv_conn *c = connect_qemu();
	struct hv_disk disks[] = { { .volume = A "-root.qcow2", .format = "qcow2", .serial = "root" },
		{ .volume = A "-config.iso", .format = "raw", .readonly = true } };
	struct hv_nic nic = { .mac = "fa:16:3e:00:00:01", .source = "cloudd", .mtu = 1450 };
	struct hv_domain d = domain(A);

	(void)state;
	d.disks = disks;
	d.disks_n = ARRAY_LEN(disks);
	d.nics = &nic;
	d.nics_n = network_works();
	OK(drv->image_ensure(c, "image-1.raw", "raw", fd, DISK_BYTES, DISK_BYTES, &err));
	OK(drv->volume_ensure(c, disks[0].volume, 8 << 20, "image-1.raw", "raw", &err));
	OK(drv->volume_write(c, disks[1].volume, disk, 4096, &err));
	for (int i = 0; i < 2; i++)
		OK(drv->domain_define(c, &d, &err));
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	forget_events();
	for (int i = 0; i < 2; i++)
		OK(drv->domain_start(c, A, &err));
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_RUNNING));
	assert_true(console_says(c, A, "boot sector is up"));
	OK(drv->console_read(c, A, 4, &tail, &err));
	assert_string_equal(buf_text(&tail), "up\r\n");
	OK(drv->domain_pause(c, A, &err));
	OK(drv->domain_pause(c, A, &err));
	assert_int_equal(power(c, A), HV_POWER_PAUSED);
	OK(drv->domain_unpause(c, A, &err));
	OK(drv->domain_unpause(c, A, &err));
	OK(drv->domain_reset(c, A, &err));
	OK(drv->domain_define(c, &d, &err));  /* while it runs */
	OK(drv->domain_shutdown(c, A, &err)); /* this guest does not listen */
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	finish(c);
	*state = NULL;
}

/* libvirtd dies and comes back; guests run on and are found again. */
static void test_qemu_daemon_restart(void **state)
{
	struct hv_conn *c = connect_qemu();
	struct hv_seen s = { 0 };

	(void)state;
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	forget_events();
	assert_int_equal(starter(NULL, "crash", "a", ""), 0);
	assert_true(wait_event(HV_EVENT_CLOSED, "", 0));
	FAILS(drv->domain_look(c, A, &s, &err), ERR_UNREACHABLE);
	finish(c);
	assert_int_equal(starter(NULL, "resume", "a", ""), 0);
	c = connect_qemu();
	OK(drv->domain_look(c, A, &s, &err));
	assert_int_equal(s.power, HV_POWER_RUNNING);
	assert_true(s.ours);
	assert_int_equal(s.epoch, 3);
	/* These need the guest's monitor. libvirtd takes it up again in the background; a guest that is
	 * stopped meanwhile ends without an event (libvirt 9.0). */
	OK(drv->domain_pause(c, A, &err));
	OK(drv->domain_unpause(c, A, &err));
	finish(c);
}

static void test_qemu_remove(void **state)
{
	struct hv_conn *c = connect_qemu();

	(void)state;
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	forget_events();
	for (int i = 0; i < 2; i++)
		OK(drv->domain_stop(c, A, &err));
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_SHUTOFF));
	OK(drv->domain_start(c, A, &err));
	for (int i = 0; i < 2; i++) {
		OK(drv->domain_remove(c, A, &err));
		OK(drv->volume_remove(c, A "-root.qcow2", &err));
		OK(drv->volume_remove(c, A "-config.iso", &err));
		OK(drv->volume_remove(c, "image-1.raw", &err));
	}
	assert_int_equal(power(c, A), HV_POWER_ABSENT);
	assert_int_equal(images_left(), 0); /* the console's log went, too */
	finish(c);
}

/* What an administrator defined is seen, and never touched. */
static void test_qemu_foreign(void **state)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/foreign.xml", dir);
	CLEANUP(free_ptr) char *define = xasprintf("virsh -q -c qemu:///system define %s >/dev/null", path);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_qemu();
	struct hv_domain d = domain(B);
	struct hv_seen *list = NULL;
	FILE *f = fopen(path, "we");
	size_t n = 0;

	(void)state;
	assert_non_null(f);
	fputs("<domain type='qemu'><name>mine</name><uuid>" B "</uuid><memory unit='MiB'>64</memory>"
	      "<os><type arch='x86_64'>hvm</type></os></domain>",
		f);
	fclose(f);
	assert_int_equal(starter(NULL, "exec", "a", define), 0);
	OK(drv->domain_list(c, &a, &list, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(list[0].uuid, B);
	assert_false(list[0].ours);
	FAILS(drv->domain_define(c, &d, &err), ERR_CONFLICT);
	FAILS(drv->domain_start(c, B, &err), ERR_CONFLICT);
	FAILS(drv->domain_remove(c, B, &err), ERR_CONFLICT);
	finish(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_certificates),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_driver_inventory),
		cmocka_unit_test(test_driver_devices),
		cmocka_unit_test(test_driver_custody),
		cmocka_unit_test(test_driver_life_twice),
		cmocka_unit_test(test_driver_state_is_shared),
		cmocka_unit_test(test_driver_volumes),
		cmocka_unit_test(test_driver_foreign),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_frozen_daemon),
		cmocka_unit_test(test_qemu_inventory),
		cmocka_unit_test(test_qemu_accel),
		cmocka_unit_test(test_qemu_images),
		cmocka_unit_test(test_qemu_config_drive),
		cmocka_unit_test(test_qemu_guest),
		cmocka_unit_test(test_qemu_daemon_restart),
		cmocka_unit_test(test_qemu_remove),
		cmocka_unit_test(test_qemu_foreign),
	};

	return LIBVIRT_TESTS(tests);
}
