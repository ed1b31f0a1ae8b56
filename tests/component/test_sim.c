/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host: that it does what a host does, refuses what a host refuses, and fails as ordered. */
#include "hv_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "hv/internal.h"
#include "hv/sim.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"
#define URI "sim://w?vcpus=128&ram_gib=1024&disk_gib=100&cells=2&gpus=4&gpu=10de:2330"

static struct seen seen;

static const struct hv_driver *sim(void)
{
	struct error err;

	return hv_driver_for(URI, &err);
}

static struct hv_conn *connect_to(const char *uri)
{
	struct hv_target t = { .uri = uri };
	struct hv_conn *c = NULL;
	struct error err;

	assert_int_equal(sim()->connect(&t, on_event, &seen, &c, &err), 0);
	return c;
}

static int setup(void **state)
{
	fixture_start("cloud-a");
	seen_init(&seen);
	*state = connect_to(URI);
	return 0;
}

static int teardown(void **state)
{
	sim()->close(*state);
	turn();
	fixture_stop();
	sim_reset();
	return 0;
}

/* --- what it is -------------------------------------------------------------------------------------------
 */

static void test_uris(void **state)
{
	static const char *const bad[] = { "sim://", "sim://x?nonsense=1", "sim://x?gpus=-1", "sim://x?gpus",
		"sim://x?gpu=zz", "sim://x?vcpus=0" };
	static const char *const unknown[] = { "", "http://x", "qemu+ssh://x/system", "qemu+tls://",
		"qemu+tls:///system", "sim://", "qemu+tls://h/system?no_verify=1", "qemu+tls://a b/system",
		"xen:///" };
	struct hv_conn *c;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.code = ERR_NONE;
		assert_int_equal(
			sim()->connect(&(struct hv_target) { .uri = bad[i] }, NULL, NULL, &c, &err), -1);
		assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		err.code = ERR_NONE;
		assert_null(hv_driver_for(unknown[i], &err));
		assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
	assert_string_equal(hv_driver_for("qemu+tls://h/system", &err)->scheme, "libvirt");
	assert_string_equal(hv_driver_for("test:///default", &err)->scheme, "libvirt");
}

static void test_names(void **state)
{
	static const char *const others[] = { "", "debian.qcow2", "image-" A ".raw.ok", A "-console.log",
		A "-console.log.0", A "-move.ok", A ".qcow2", "x" A "-root.qcow2" };
	char name[HV_VOLUME_NAME];

	(void)state;
	assert_string_equal(hv_image_volume(A, "qcow2", name), "image-" A ".qcow2");
	assert_string_equal(hv_server_volume(A, HV_ROOT, name), A "-root.qcow2");
	assert_string_equal(hv_server_volume(A, HV_CONFIG, name), A "-config.iso");
	for (int part = 0; part < HV_PARTS; part++)
		assert_true(hv_volume_ours(hv_server_volume(A, (enum hv_part)part, name)));
	assert_true(hv_volume_ours(hv_image_volume(A, "raw", name)));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(hv_volume_ours(others[i]));
}

static void test_inventory(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_inventory inv;
	struct error err;

	assert_int_equal(sim()->inventory(*state, &a, &inv, &err), 0);
	assert_string_equal(inv.type, "SIM");
	assert_string_equal(inv.hostname, "w");
	assert_true(uuid_valid(inv.uuid));
	assert_int_equal(inv.cpus, 128);
	assert_int_equal(inv.ram_mib, 1024 * 1024);
	assert_int_equal(inv.cells_n, 2);
	assert_int_equal(inv.cells[0].cpus + inv.cells[1].cpus, 128);
	assert_int_equal(inv.cells[0].ram_mib + inv.cells[1].ram_mib, inv.ram_mib);
	assert_int_equal(inv.devices_n, 4);
	assert_int_equal(inv.devices[0].product_id, 0x2330);
	assert_int_equal(inv.devices[0].numa_cell, 0);
	assert_int_equal(inv.devices[3].numa_cell, 1);
	assert_string_not_equal(inv.devices[0].address, inv.devices[1].address);
	assert_int_equal(inv.pool_free_gib, 100);
}

/* What else a URI can make a host of; and what it cannot. */
static void test_made_by_its_uri(void **state)
{
	static const char rich[] =
		"sim://rich?vcpus=12&cells=2&threads=2&pages_2m=7&pages_1g=3&features=avx2.svm&gpus=4&iommu=2"
		"&audio=1&mdev=nv-1:4:X-1-5C,nv-2:1";
	static const char *const bad[] = { "sim://x?threads=0", "sim://x?gpu=10de", "sim://x?audio=2",
		"sim://x?features=", "sim://x?what=1", "sim://x?vcpus" };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_target t = { .uri = rich };
	struct hv_inventory inv;
	struct hv_conn *c;
	struct error err;

	(void)state;
	assert_int_equal(sim()->connect(&t, NULL, NULL, &c, &err), 0);
	assert_int_equal(sim()->inventory(c, &a, &inv, &err), 0);
	assert_int_equal(inv.cores, 3);
	assert_int_equal(inv.threads, 2);
	assert_string_equal(inv.cpu_features, "avx2 svm");
	assert_int_equal(inv.cells[1].cpus, 6);
	assert_int_equal(inv.cells[1].cpu_n, 6);
	/* the threads of core 3, then of core 4 */
	assert_int_equal(inv.cells[1].cpu[0].id, 3);
	assert_int_equal(inv.cells[1].cpu[1].id, 9);
	assert_int_equal(inv.cells[1].cpu[1].core, 3);
	assert_int_equal(inv.cells[1].cpu[2].core, 4);
	assert_int_equal(inv.cells[1].pages_2m, 7);
	assert_int_equal(inv.cells[1].pages_1g, 3);
	assert_int_equal(inv.devices[0].iommu_group, inv.devices[1].iommu_group);
	assert_int_not_equal(inv.devices[1].iommu_group, inv.devices[2].iommu_group);
	assert_string_equal(inv.devices[2].companions, "0000:12:00.1");
	assert_string_equal(inv.devices[3].mdev_types, "nv-1=4:X-1-5C;nv-2=1");
	sim()->close(c);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		t.uri = bad[i];
		assert_int_equal(sim()->connect(&t, NULL, NULL, &c, &err), -1);
		assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
}

/* --- a life ------------------------------------------------------------------------------------------------
 */

static void define_with(struct hv_conn *c, const char *uuid, const char *gpu)
{
	struct hv_domain d = small_domain(uuid, "cloud-a");
	struct hv_disk disk = { .format = "qcow2" };
	struct hv_hostdev hostdev = { .guest_cell = -1 };
	char name[HV_VOLUME_NAME];
	struct error err;

	disk.volume = hv_server_volume(uuid, HV_ROOT, name);
	str_copy(hostdev.address, sizeof hostdev.address, gpu ? gpu : "");
	d.disks = &disk;
	d.disks_n = 1;
	d.hostdevs = &hostdev;
	d.hostdevs_n = gpu != NULL;
	assert_int_equal(sim()->volume_ensure(c, name, 1 << 30, NULL, NULL, &err), 0);
	assert_int_equal(sim()->domain_define(c, &d, &err), 0);
}

static enum hv_power power(struct hv_conn *c, const char *uuid)
{
	struct hv_seen s;
	struct error err;

	assert_int_equal(sim()->domain_look(c, uuid, &s, &err), 0);
	assert_string_equal(s.uuid, uuid);
	return s.power;
}

/* Every step twice: the second finds it done. */
static void test_life_twice(void **state)
{
	typedef int step_fn(struct hv_conn * c, const char *uuid, struct error *err);
	const struct {
		step_fn *fn;
		enum hv_power after;
	} steps[] = {
		{ sim()->domain_start, HV_POWER_RUNNING },
		{ sim()->domain_pause, HV_POWER_PAUSED },
		{ sim()->domain_unpause, HV_POWER_RUNNING },
		{ sim()->domain_reboot, HV_POWER_RUNNING },
		{ sim()->domain_reset, HV_POWER_RUNNING },
		{ sim()->domain_shutdown, HV_POWER_SHUTOFF },
		{ sim()->domain_stop, HV_POWER_SHUTOFF },
		{ sim()->domain_start, HV_POWER_RUNNING },
		{ sim()->domain_stop, HV_POWER_SHUTOFF },
		{ sim()->domain_remove, HV_POWER_ABSENT },
		{ sim()->domain_stop, HV_POWER_ABSENT },
	};
	struct hv_conn *c = *state;
	struct error err;

	define_with(c, A, NULL);
	define_with(c, A, NULL);
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	for (size_t i = 0; i < 2 * ARRAY_LEN(steps); i++) {
		assert_int_equal(steps[i / 2].fn(c, A, &err), 0);
		assert_int_equal(power(c, A), steps[i / 2].after);
	}
	turn();
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_RUNNING), 3);
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_PAUSED), 1);
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_SHUTOFF), 2);
	assert_int_equal(seen.wrong_thread, 0);
	assert_int_equal(sim_domain_count("w"), 0);
}

static void test_volumes(void **state)
{
	CLEANUP(buf_finish) struct buf got = { 0 };
	struct hv_conn *c = *state;
	char path[] = "/tmp/cloudd-sim-XXXXXX";
	int fd = mkstemp(path);
	struct error err;

	assert_int_equal(ftruncate(fd, 1000), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->image_ensure(c, "image-x.raw", "raw", fd, 1000, 1000, &err), 0);
	assert_int_equal(sim()->image_ensure(c, "image-y.raw", "raw", fd, 1001, 1001, &err), -1);
	assert_false(sim_volume_exists("w", "image-y.raw"));
	close(fd);
	unlink(path);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->volume_ensure(c, "v", 1 << 30, "image-x.raw", "raw", &err), 0);
	assert_int_equal(sim()->volume_ensure(c, "v2", 1 << 30, "no-such-image", "raw", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sim()->volume_ensure(c, "v3", 200LL << 30, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_int_equal(sim()->volume_write(c, "iso", "12345", 5, &err), 0);
	assert_int_equal(sim()->volume_write(c, "iso", "abc", 3, &err), 0);
	assert_true(sim_volume_read("w", "iso", &got));
	assert_string_equal(buf_text(&got), "abc");
	assert_int_equal(sim_volume_count("w"), 3);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->volume_remove(c, "iso", &err), 0);
	assert_false(sim_volume_exists("w", "iso"));
}

/* Bytes are kept for tests to look at, but not without end. */
static void test_kept_bytes_are_bounded(void **state)
{
	enum { N = 40 << 20 };
	CLEANUP(free_ptr) char *big = xcalloc(1, N);
	CLEANUP(buf_finish) struct buf got = { 0 };
	struct error err;

	assert_int_equal(sim()->volume_write(*state, "a", big, N, &err), 0);
	assert_int_equal(sim()->volume_write(*state, "b", big, N, &err), 0);
	assert_true(sim_volume_read("w", "a", &got));
	assert_false(sim_volume_read("w", "b", &got));
	assert_true(sim_volume_exists("w", "b"));
	assert_int_equal(sim()->volume_remove(*state, "a", &err), 0);
	assert_int_equal(sim()->volume_write(*state, "b", big, N, &err), 0);
	assert_true(sim_volume_read("w", "b", &got));
}

static void test_console(void **state)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	struct hv_conn *c = *state;
	struct error err;

	assert_int_equal(sim()->console_read(c, A, 1000, &out, &err), 0);
	assert_int_equal(out.len, 0);
	define_with(c, A, NULL);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(sim()->console_read(c, A, 1000, &out, &err), 0);
	assert_non_null(strstr(buf_text(&out), "instance-00000001"));
	out.len = 0;
	assert_int_equal(sim()->console_read(c, A, 6, &out, &err), 0);
	assert_string_equal(buf_text(&out), "ready\n");
}

static void test_refuses_what_a_host_refuses(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = *state;
	struct hv_inventory inv;
	char name[HV_VOLUME_NAME];
	struct error err;

	assert_int_equal(sim()->inventory(c, &a, &inv, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	define_with(c, A, inv.devices[1].address);
	define_with(c, B, inv.devices[1].address);
	assert_int_equal(sim_devices_shared("w"), 1);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(sim()->domain_start(c, B, &err), -1); /* the device is taken */
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_int_equal(sim()->domain_stop(c, A, &err), 0);
	assert_int_equal(sim()->domain_start(c, B, &err), 0);
	assert_int_equal(sim()->domain_remove(c, B, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(sim()->domain_stop(c, A, &err), 0);
	assert_int_equal(sim()->volume_remove(c, hv_server_volume(A, HV_ROOT, name), &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), -1); /* the disk is gone */
	define_with(c, A, "0000:ff:00.0");
	assert_int_equal(sim()->domain_start(c, A, &err), -1); /* no such device */
	assert_int_equal(sim()->domain_reboot(c, A, &err), -1);
	assert_int_equal(sim()->domain_pause(c, A, &err), -1);
}

static void test_foreign_is_not_touched(void **state)
{
	typedef int step_fn(struct hv_conn * c, const char *uuid, struct error *err);
	step_fn *const steps[] = { sim()->domain_start, sim()->domain_shutdown, sim()->domain_stop,
		sim()->domain_reboot, sim()->domain_reset, sim()->domain_pause, sim()->domain_unpause,
		sim()->domain_remove };
	struct hv_domain d = small_domain(B, "cloud-a");
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_seen *list;
	struct error err;
	size_t n;

	sim_foreign_domain("w", B);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(steps[i](*state, B, &err), -1);
		assert_int_equal(err.code, ERR_CONFLICT);
	}
	assert_int_equal(sim()->domain_define(*state, &d, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	define_with(*state, A, NULL);
	assert_int_equal(sim()->domain_list(*state, &a, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		bool ours = strcmp(list[i].uuid, A) == 0;

		assert_int_equal(list[i].ours, ours);
		assert_int_equal(list[i].epoch, ours ? 3 : 0);
		assert_int_equal(list[i].power, ours ? HV_POWER_SHUTOFF : HV_POWER_RUNNING);
	}
}

/* --- saved memory, agent, figures -------------------------------------------------------------------------
 */

static void test_save_forget(void **state)
{
	struct hv_conn *c = *state;
	struct sim_domain d;
	struct error err;

	assert_int_equal(sim()->domain_save(c, A, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	define_with(c, A, NULL);
	assert_int_equal(sim()->domain_save(c, A, &err), 0); /* off already */
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->domain_save(c, A, &err), 0);
	assert_int_equal(power(c, A), HV_POWER_SUSPENDED);
	define_with(c, A, NULL);
	assert_int_equal(sim()->domain_stop(c, A, &err), 0);
	sim_crash("w"); /* what is on disk stays */
	turn();
	c = connect_to(URI);
	assert_int_equal(power(c, A), HV_POWER_SUSPENDED);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	assert_true(sim_domain_get("w", A, &d));
	assert_int_equal(d.starts, 1); /* went on */
	assert_int_equal(sim()->domain_save(c, A, &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->domain_forget(c, A, &err), 0);
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_true(sim_domain_get("w", A, &d));
	assert_int_equal(d.starts, 2);
	assert_int_equal(sim()->domain_forget(c, A, &err), 0);
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	define_with(c, B, "0000:10:00.0");
	assert_int_equal(sim()->domain_start(c, B, &err), 0);
	assert_int_equal(sim()->domain_save(c, B, &err), -1); /* a device's memory is not kept */
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(sim()->domain_forget(c, "cccccccc-0000-4000-8000-000000000003", &err), 0);
	sim()->close(c);
	turn();
}

static void test_password_nmi_stats(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(buf_finish) struct buf password = { 0 };
	struct hv_stats stats;
	struct sim_domain d;
	struct error err;

	define_with(*state, A, NULL);
	assert_int_equal(sim()->domain_set_password(*state, A, "root", "p", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(sim()->domain_stats(*state, &a, A, &stats, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sim()->domain_nmi(*state, A, &err), -1);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim()->domain_nmi(*state, A, &err), 0);
	assert_int_equal(sim()->domain_set_password(*state, A, "root", "p:q", &err), 0);
	assert_true(sim_guest_password("w", A, &password));
	assert_string_equal(buf_text(&password), "root:p:q");
	assert_int_equal(sim_guest_agent("w", A, false), 0);
	assert_int_equal(sim()->domain_set_password(*state, A, "root", "p", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(sim()->domain_stats(*state, &a, A, &stats, &err), 0);
	assert_int_equal(stats.power, HV_POWER_RUNNING);
	assert_int_equal(stats.vcpus_n, 1);
	assert_int_equal(stats.cpu_ns, 1000000000);
	assert_int_equal(stats.ram_max_mib, 64);
	assert_int_equal(stats.disks_n, 1);
	assert_int_equal(stats.disks[0].write_bytes, 8192);
	assert_true(sim_domain_get("w", A, &d));
	assert_int_equal(d.nmis, 1);
}

/* --- what guests use
 * ------------------------------------------------------------------------------------
 */

static struct hv_use *use_list(struct hv_conn *c, struct arena *a, const char *only, size_t want_n)
{
	struct hv_use *list = NULL;
	struct error err;
	size_t n = 99;

	assert_int_equal(sim()->domains_use(c, a, only, &list, &n, &err), 0);
	assert_int_equal(n, want_n);
	return list;
}

static void test_use(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const int64_t more[SAMPLE_COUNTERS] = { 5, 6, 7, 8, 9, 10, 11, 12, 13 };
	struct hv_use first, again;
	struct hv_use *list = NULL;
	struct error err;
	size_t n = 0;

	sim_use_clock(NULL); /* guests use what they are told to */
	sim_foreign_domain("w", B);
	define_with(*state, A, NULL);
	use_list(*state, &a, NULL, 0);
	assert_int_equal(sim_guest_use("w", A, more), -1);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim_guest_use("w", A, more), 0);
	first = *use_list(*state, &a, NULL, 1);
	assert_string_equal(first.uuid, A);
	assert_int_equal(first.counter[SAMPLE_NET_TX_PACKETS], 13);
	assert_true(first.ram_mib > 0 && first.ram_mib < 64);
	/* a reset goes on counting; what would take waiting is not told */
	assert_int_equal(sim()->domain_reset(*state, A, &err), 0);
	assert_int_equal(sim_guest_busy("w", A, true), 0);
	again = *use_list(*state, &a, A, 1);
	assert_int_equal(again.start, first.start);
	assert_int_equal(again.counter[SAMPLE_CPU_NS], 5);
	assert_int_equal(again.counter[SAMPLE_DISK_WRITES], SAMPLE_UNKNOWN);
	assert_int_equal(again.ram_mib, SAMPLE_UNKNOWN);
	use_list(*state, &a, B, 0);
	/* a start counts anew */
	assert_int_equal(sim()->domain_stop(*state, A, &err), 0);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	again = *use_list(*state, &a, A, 1);
	assert_true(again.start != first.start);
	assert_int_equal(again.counter[SAMPLE_CPU_NS], 0);
	/* by the clock */
	sim_use_clock(&clock_system);
	while (use_list(*state, &a, A, 1)->counter[SAMPLE_NET_TX_BYTES] < 100)
		;
	sim_fault("w", SIM_DOMAINS_USE, 1, 1, SIM_FAIL);
	assert_int_equal(sim()->domains_use(*state, &a, NULL, &list, &n, &err), -1);
}

/* --- what volumes can do
 * ------------------------------------------------------------------------------------
 */

static void test_grow_flatten_list(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_volume *list;
	char root[HV_VOLUME_NAME];
	struct error err;
	size_t n;

	hv_server_volume(A, HV_ROOT, root);
	define_with(*state, A, NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->volume_grow(*state, root, 2LL << 30, &err), 0);
	assert_int_equal(sim()->volume_grow(*state, root, 1, &err), 0); /* never smaller */
	assert_int_equal(sim_volume_capacity("w", root), 2LL << 30);
	assert_int_equal(sim()->volume_grow(*state, root, 200LL << 30, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_int_equal(sim()->volume_grow(*state, "nothing", 1, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim()->volume_grow(*state, root, 3LL << 30, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->volume_flatten(*state, A, root, "image-f.qcow2", &err), 0);
	assert_int_equal(sim_volume_capacity("w", "image-f.qcow2"), 2LL << 30);
	assert_int_equal(sim()->volume_flatten(*state, A, root, root, &err), -1);
	assert_int_equal(sim()->volume_flatten(*state, A, "nothing", "x", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sim()->volume_write(*state, "somebody's", "x", 1, &err), 0);
	assert_int_equal(sim()->volume_list(*state, &a, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_true(strcmp(list[i].name, root) == 0 || strcmp(list[i].name, "image-f.qcow2") == 0);
}

static void test_download(void **state)
{
	CLEANUP(free_ptr) char *check = NULL;
	char path[] = "/tmp/cloudd-sim-XXXXXX", got[8] = "";
	int fd = mkstemp(path);
	struct error err;
	int64_t size = 0;

	assert_int_equal(sim()->volume_write(*state, "v", "abc", 3, &err), 0);
	assert_int_equal(write(fd, "longer than it", 14), 14);
	assert_int_equal(sim()->volume_download(*state, "v", fd, 3, &size, &err), 0);
	assert_int_equal(size, 3);
	assert_int_equal(pread(fd, got, sizeof got, 0), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(sim()->volume_download(*state, "v", fd, 2, &size, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(sim()->volume_download(*state, "w", fd, 2, &size, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	/* a disk without bytes reads as an empty image */
	assert_int_equal(sim()->volume_ensure(*state, "v.qcow2", 10LL << 30, NULL, NULL, &err), 0);
	assert_int_equal(sim()->volume_download(*state, "v.qcow2", fd, 1 << 20, &size, &err), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	check = xasprintf("! command -v qemu-img >/dev/null || qemu-img check -q -f qcow2 %s", path);
	assert_int_equal(system(check), 0);
	close(fd);
	unlink(path);
}

/* --- moves
 * --------------------------------------------------------------------------------------------------
 */

static const struct hv_target target_x = { .uri = "sim://x" };

static int move_to_x(struct hv_conn *c, const char *uuid, struct error *err)
{
	char name[HV_VOLUME_NAME];
	struct hv_disk disk = { .volume = hv_server_volume(uuid, HV_ROOT, name), .format = "qcow2" };
	struct hv_migrate how = { .to = &target_x, .disks = &disk, .disks_n = 1 };

	return sim()->domain_migrate(c, uuid, &how, err);
}

static void test_move(void **state)
{
	struct hv_conn *x = connect_to("sim://x");
	struct hv_log log = { .uuid = A };
	char name[HV_VOLUME_NAME];
	struct error err;
	size_t before;

	hv_server_volume(A, HV_ROOT, name);
	define_with(*state, A, NULL);
	assert_int_equal(move_to_x(*state, A, &err), -1); /* off */
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim()->console_follow(*state, &log, 10, &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(move_to_x(*state, A, &err), 0);
	turn();
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_SHUTOFF), 0);
	assert_int_equal(power(*state, A), HV_POWER_ABSENT);
	assert_int_equal(power(x, A), HV_POWER_RUNNING);
	assert_false(sim_volume_exists("w", name));
	assert_true(sim_volume_exists("x", name));
	/* what it printed before is read there, once */
	assert_int_equal(sim()->console_follow(x, &log, 1000, &err), 0);
	assert_true((before = log.text.len) > 10);
	assert_int_equal(sim()->domain_stop(x, A, &err), 0);
	assert_int_equal(sim()->domain_start(x, A, &err), 0);
	assert_int_equal(sim()->console_follow(x, &log, 1000, &err), 0);
	assert_int_equal(log.text.len, 2 * before);
	assert_false(log.lost);
	buf_finish(&log.text);
	turn();
	assert_int_equal(move_to_x(*state, B, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	define_with(*state, B, "0000:10:00.0");
	assert_int_equal(sim()->domain_start(*state, B, &err), 0);
	assert_int_equal(move_to_x(*state, B, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	sim()->close(x);
	turn();
}

static void test_move_fails(void **state)
{
	struct hv_conn *x = connect_to("sim://x");
	struct error err;

	define_with(*state, A, NULL);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	sim_fault("x", SIM_CONNECT, 1, 1, SIM_DROP);
	assert_int_equal(move_to_x(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	sim_fault("x", SIM_VOLUME_ENSURE, 1, 1, SIM_FAIL);
	assert_int_equal(move_to_x(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	sim_fault("w", SIM_DOMAIN_MIGRATE, 1, 1, SIM_FAIL);
	assert_int_equal(move_to_x(*state, A, &err), -1);
	assert_int_equal(power(*state, A), HV_POWER_RUNNING);
	assert_int_equal(sim_domain_count("x"), 0);
	assert_int_equal(sim_volume_count("x"), 0);
	sim_fault("w", SIM_DOMAIN_MIGRATE, 1, 1, SIM_LOSE_REPLY);
	assert_int_equal(move_to_x(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	assert_int_equal(power(x, A), HV_POWER_RUNNING); /* it is there all the same */
	assert_int_equal(sim_domain_count("w"), 0);
	sim()->close(x);
	turn();
}

struct travel {
	uv_thread_t thread;
	struct hv_conn *c;
	struct error err;
	int rc;
};

static void travel_run(void *arg)
{
	struct travel *t = arg;

	t->rc = move_to_x(t->c, A, &t->err);
}

/* On the way: returns when the source says so. */
static void travel_start(struct travel *t, struct hv_conn *c)
{
	struct hv_progress p;
	struct error err;

	t->c = c;
	assert_int_equal(uv_thread_create(&t->thread, travel_run, t), 0);
	while (sim()->migrate_look(c, A, &p, &err) < 0)
		assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(p.ram_total, 64 << 20);
	assert_int_equal(p.ram_done + p.ram_left, p.ram_total);
	assert_int_equal(p.disk_total, 1 << 30);
}

static void test_move_under_way(void **state)
{
	struct hv_conn *x = connect_to("sim://x"), *c;
	struct sim_domain d;
	struct travel t;
	struct error err;

	define_with(*state, A, NULL);
	assert_int_equal(sim()->migrate_cancel(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	sim_move_time("w", 600000);
	travel_start(&t, *state);
	assert_int_equal(power(*state, A), HV_POWER_RUNNING);
	assert_int_equal(power(x, A), HV_POWER_PAUSED); /* as at a real target */
	assert_int_equal(move_to_x(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(sim()->migrate_cancel(*state, A, &err), 0);
	uv_thread_join(&t.thread);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.code, ERR_CONFLICT);
	assert_int_equal(power(*state, A), HV_POWER_RUNNING);
	assert_int_equal(power(x, A), HV_POWER_ABSENT);
	assert_int_equal(sim_volume_count("x"), 0);
	travel_start(&t, *state);
	sim_drop("w", "cable"); /* lost in the middle: it stays */
	uv_thread_join(&t.thread);
	assert_int_equal(t.rc, -1);
	assert_int_equal(t.err.code, ERR_UNREACHABLE);
	assert_int_equal(power(x, A), HV_POWER_ABSENT);
	c = connect_to(URI);
	travel_start(&t, c);
	assert_int_equal(sim_guest_shutdown("w", A), 0); /* off on the way: nothing is left to be moved */
	sim_release("w");
	uv_thread_join(&t.thread);
	assert_int_equal(t.rc, -1);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	travel_start(&t, c);
	assert_int_equal(sim()->migrate_force(c, A, &err), 0);
	uv_thread_join(&t.thread);
	assert_int_equal(t.rc, 0);
	assert_int_equal(power(x, A), HV_POWER_RUNNING);
	assert_false(sim_domain_get("w", A, &d));
	assert_true(sim_domain_get("x", A, &d));
	assert_false(d.moving);
	sim()->close(c);
	sim()->close(x);
	turn();
}

/* --- faults ------------------------------------------------------------------------------------------------
 */

static void test_fail_before_and_after(void **state)
{
	struct error err;

	define_with(*state, A, NULL);
	sim_fault("w", SIM_DOMAIN_START, 2, 1, SIM_FAIL);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim()->domain_stop(*state, A, &err), 0);
	assert_int_equal(sim()->domain_start(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_HYPERVISOR);
	assert_int_equal(power(*state, A), HV_POWER_SHUTOFF);
	sim_fault("w", SIM_DOMAIN_START, 1, 1, SIM_FAIL_AFTER);
	assert_int_equal(sim()->domain_start(*state, A, &err), -1);
	assert_int_equal(power(*state, A), HV_POWER_RUNNING);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim_calls("w", SIM_DOMAIN_START), 4);
	sim_fault("w", SIM_ANY, 1, -1, SIM_FAIL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sim()->domain_stop(*state, A, &err), -1);
	sim_faults_clear("w");
	assert_int_equal(sim()->domain_stop(*state, A, &err), 0);
}

static void test_lost_reply(void **state)
{
	struct hv_conn *c;
	struct error err;

	define_with(*state, A, NULL);
	sim_fault("w", SIM_DOMAIN_START, 1, 1, SIM_LOSE_REPLY);
	assert_int_equal(sim()->domain_start(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	assert_int_equal(sim()->domain_start(*state, A, &err), -1); /* the connection is gone */
	turn();
	assert_int_equal(seen_count(&seen, HV_EVENT_CLOSED, "", 0), 1);
	c = connect_to(URI); /* the world is still there */
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	sim()->close(c);
}

static void test_drop_down_crash(void **state)
{
	struct hv_target t = { .uri = URI };
	struct hv_conn *c;
	struct error err;

	define_with(*state, A, NULL);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	sim_fault("w", SIM_DOMAIN_STOP, 1, 1, SIM_DROP);
	assert_int_equal(sim()->domain_stop(*state, A, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	c = connect_to(URI);
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	sim_set_down("w", true);
	assert_int_equal(sim()->domain_stop(c, A, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	sim()->close(c);
	assert_int_equal(sim()->connect(&t, on_event, &seen, &c, &err), -1);
	assert_int_equal(err.code, ERR_UNREACHABLE);
	sim_crash("w");
	sim_set_down("w", false);
	c = connect_to(URI);
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	sim()->close(c);
}

static void test_events_lost_repeated_and_from_inside(void **state)
{
	struct error err;

	define_with(*state, A, NULL);
	sim_events("w", true, false);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	turn();
	assert_int_equal(seen.n, 0);
	sim_events("w", false, true);
	assert_int_equal(sim_guest_shutdown("w", A), 0);
	turn();
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_SHUTOFF), 2);
	sim_events("w", false, false);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim_guest_crash("w", A), 0);
	turn();
	assert_int_equal(seen_count(&seen, HV_EVENT_POWER, A, HV_POWER_CRASHED), 1);
	assert_int_equal(sim()->domain_start(*state, A, &err), 0);
	assert_int_equal(sim_undefine("w", A), 0);
	assert_int_equal(power(*state, A), HV_POWER_ABSENT);
	assert_int_equal(sim_guest_shutdown("w", A), -1);
}

/* --- hanging: the call is made on a thread --- */

struct hung {
	uv_thread_t thread;
	struct hv_conn *c;
	struct error err;
	int rc;
};

static void hung_run(void *arg)
{
	struct hung *h = arg;

	h->rc = sim()->domain_start(h->c, A, &h->err);
}

static void hung_start(struct hung *h, struct hv_conn *c)
{
	h->c = c;
	sim_fault("w", SIM_DOMAIN_START, 1, 1, SIM_HANG);
	assert_int_equal(uv_thread_create(&h->thread, hung_run, h), 0);
	while (!sim_hanging("w"))
		sched_yield();
}

static void test_hang_and_release(void **state)
{
	struct hung h;
	struct error err;

	define_with(*state, A, NULL);
	hung_start(&h, *state);
	assert_int_equal(power(*state, A), HV_POWER_SHUTOFF); /* other calls go on */
	sim_release("w");
	uv_thread_join(&h.thread);
	assert_int_equal(h.rc, 0);
	assert_int_equal(power(*state, A), HV_POWER_RUNNING);
	assert_int_equal(sim()->domain_stop(*state, A, &err), 0);
	hung_start(&h, *state);
	sim_drop("w", "cable");
	uv_thread_join(&h.thread);
	assert_int_equal(h.rc, -1);
	assert_int_equal(h.err.code, ERR_UNREACHABLE);
}

static void test_close_while_a_call_hangs(void **state)
{
	struct hung h;
	struct hv_conn *c = connect_to(URI);

	define_with(*state, A, NULL);
	hung_start(&h, c);
	sim()->close(c); /* returns at once; the memory is the call's still */
	uv_thread_join(&h.thread);
	assert_int_equal(h.rc, -1);
	assert_int_equal(h.err.code, ERR_UNREACHABLE);
	assert_int_equal(power(*state, A), HV_POWER_SHUTOFF);
}

static void test_no_events_after_close(void **state)
{
	struct hv_conn *c = connect_to(URI);
	struct error err;
	size_t before;

	define_with(*state, A, NULL);
	turn();
	before = seen.n;
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	sim()->close(c); /* its event is on the way */
	turn();
	assert_int_equal(seen.n, before + 1); /* the other connection's */
}

/* --- the state file --- */

static void test_state_file(void **state)
{
	char dir[] = "/tmp/cloudd-sim-XXXXXX";
	CLEANUP(free_ptr) char *uri = NULL, *path = NULL;
	struct sim_domain d;
	struct hv_conn *c;
	struct error err;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/state", dir);
	uri = xasprintf("sim://p?gpus=2&state=%s", path);
	c = connect_to(uri);
	define_with(c, A, "0000:10:00.0");
	define_with(c, B, NULL);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(sim()->domain_remove(c, B, &err), 0);
	sim()->close(c);
	turn();
	sim_reset(); /* as if the process had ended */
	assert_false(sim_domain_get("p", A, &d));
	assert_non_null(f = fopen(path, "ae")); /* torn by a crash */
	fputs("D\t" B "\thalf", f);
	fclose(f);
	c = connect_to(uri);
	assert_true(sim_domain_get("p", A, &d));
	assert_int_equal(d.power, HV_POWER_RUNNING);
	assert_int_equal(d.epoch, 3);
	assert_int_equal(d.starts, 1);
	assert_int_equal(d.hostdevs_n, 1);
	assert_string_equal(d.name, "instance-00000001");
	assert_false(sim_domain_get("p", B, &d));
	assert_int_equal(sim_volume_count("p"), 2);
	/* the device is held, as before */
	define_with(c, B, "0000:10:00.0");
	assert_int_equal(sim()->domain_start(c, B, &err), -1);
	sim()->close(c);
	unlink(path);
	rmdir(dir);
}

/* --- what was promised -----------------------------------------------------------------------------------
 */

#define MDEV "dddddddd-0000-4000-8000-00000000000d"

struct promised {
	struct hv_guest_cell cells[2];
	struct cpuset pins[4];
	struct hv_hostdev hostdevs[2];
	struct hv_mdev mdev;
	struct hv_domain d;
};

static void promised_make(struct promised *p)
{
	*p = (struct promised) {
		.cells = { { 1, 2, 32, 2048 }, { 0, 2, 32, 4 } },
		.pins = { { { 1 << 3 } }, { { 1 << 4 } }, { { 0xf0 } }, { { 0xf0 } } },
		.hostdevs = { { "0000:10:00.0", 1 }, { "0000:10:00.1", -1 } },
		.mdev = { MDEV, "0000:11:00.0", "nvidia-474", 0 },
		.d = small_domain(A, "cloud-a"),
	};
	memset(&p->pins[3], 0x55, sizeof p->pins[3]); /* the longest text that a set has */
	p->d.vcpus = 4;
	p->d.cells = p->cells;
	p->d.cells_n = 2;
	p->d.pins = p->pins;
	p->d.pins_n = 4;
	p->d.emulator = (struct cpuset) { .bits = { 3 } };
	p->d.hostdevs = p->hostdevs;
	p->d.hostdevs_n = 2;
	p->d.mdevs = &p->mdev;
	p->d.mdevs_n = 1;
}

static void expect_kept(struct hv_conn *c, const struct hv_domain *promised)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain has;
	struct error err;

	assert_int_equal(sim()->domain_read(c, &a, promised->uuid, &has, &err), 0);
	if (!hv_domain_kept(promised, &has, &err))
		fail_msg("%s", err.detail);
}

static void test_promise(void **state)
{
	static const enum sim_breach ways[] = { SIM_LESS_MEMORY, SIM_OTHER_PIN, SIM_OTHER_CELL,
		SIM_SMALL_PAGES, SIM_LESS_DEVICES };
	char dir[] = "/tmp/cloudd-sim-XXXXXX";
	CLEANUP(free_ptr) char *uri = NULL, *path = NULL;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain has;
	struct promised p;
	struct hv_conn *c;
	struct error err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/state", dir);
	uri = xasprintf("sim://q?gpus=2&cells=2&state=%s", path);
	c = connect_to(uri);
	promised_make(&p);
	assert_int_equal(sim()->domain_define(c, &p.d, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), -1); /* its part of a GPU is not there */
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->mdev_ensure(c, &p.mdev, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	expect_kept(c, &p.d);
	assert_int_equal(sim()->mdev_remove(c, MDEV, &err), -1); /* in use */
	sim()->close(c);
	turn();
	sim_reset(); /* as if the process had ended */
	c = connect_to(uri);
	expect_kept(c, &p.d);
	assert_true(sim_mdev_exists("q", MDEV));
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		sim_breach("q", ways[i]);
		assert_int_equal(sim()->domain_read(c, &a, A, &has, &err), 0);
		assert_false(hv_domain_kept(&p.d, &has, &err));
	}
	sim_breach("q", SIM_KEEPS);
	expect_kept(c, &p.d);
	assert_int_equal(sim()->domain_stop(c, A, &err), 0);
	assert_int_equal(sim()->domain_read(c, &a, A, &has, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim()->mdev_remove(c, MDEV, &err), 0);
	/* what is given in parts is not given whole, and the other way */
	str_copy(p.mdev.parent, sizeof p.mdev.parent, "0000:10:00.0");
	assert_int_equal(sim()->mdev_ensure(c, &p.mdev, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), -1);
	assert_int_equal(sim()->domain_remove(c, A, &err), 0);
	assert_int_equal(sim_mdev_count("q"), 0); /* with its part */
	p.d.mdevs_n = 0;
	assert_int_equal(sim()->domain_define(c, &p.d, &err), 0);
	assert_int_equal(sim()->domain_start(c, A, &err), 0);
	assert_int_equal(sim()->mdev_ensure(c, &p.mdev, &err), -1);
	sim()->close(c);
	unlink(path);
	rmdir(dir);
}

static void test_many(void **state)
{
	enum { N = 20000 };
	int64_t start = clock_mono(&clock_system);
	struct error err;

	for (int i = 0; i < N; i++) {
		char uuid[UUID_TEXT], name[32];
		struct hv_domain d;

		snprintf(uuid, sizeof uuid, "%08x-0000-4000-8000-%012x", i, i);
		snprintf(name, sizeof name, "instance-%08x", i);
		d = small_domain(uuid, "cloud-a");
		d.name = name;
		assert_int_equal(sim()->domain_define(*state, &d, &err), 0);
		assert_int_equal(sim()->domain_start(*state, uuid, &err), 0);
	}
	print_message(
		"%d calls, %.2f us each\n", 2 * N, (double)(clock_mono(&clock_system) - start) / (2 * N));
	assert_int_equal(sim_domain_count("w"), N);
	turn();
	assert_int_equal(seen.n, SEEN_MAX);
}

int main(void)
{
#define SIM_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		SIM_TEST(test_uris),
		SIM_TEST(test_names),
		SIM_TEST(test_inventory),
		SIM_TEST(test_made_by_its_uri),
		SIM_TEST(test_life_twice),
		SIM_TEST(test_volumes),
		SIM_TEST(test_kept_bytes_are_bounded),
		SIM_TEST(test_console),
		SIM_TEST(test_refuses_what_a_host_refuses),
		SIM_TEST(test_foreign_is_not_touched),
		SIM_TEST(test_save_forget),
		SIM_TEST(test_password_nmi_stats),
		SIM_TEST(test_use),
		SIM_TEST(test_grow_flatten_list),
		SIM_TEST(test_download),
		SIM_TEST(test_move),
		SIM_TEST(test_move_fails),
		SIM_TEST(test_move_under_way),
		SIM_TEST(test_fail_before_and_after),
		SIM_TEST(test_lost_reply),
		SIM_TEST(test_drop_down_crash),
		SIM_TEST(test_events_lost_repeated_and_from_inside),
		SIM_TEST(test_hang_and_release),
		SIM_TEST(test_close_while_a_call_hangs),
		SIM_TEST(test_no_events_after_close),
		SIM_TEST(test_state_file),
		SIM_TEST(test_promise),
		SIM_TEST(test_many),
	};
#undef SIM_TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
