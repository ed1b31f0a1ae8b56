/* SPDX-License-Identifier: Apache-2.0 */
/* What the libvirt driver does with guests beyond power: memory that is kept, disks that are copied, read and
 * grown, figures, and live moves between two libvirtds. The guest is one boot sector that counts on its
 * console, so that going on, starting anew and being on another host can be told apart. */
#include "libvirt_fixture.h"

#include <limits.h>
#include <sys/mman.h>

#define ROOT A "-root.qcow2"
#define CONFIG A "-config.iso"
#define COPY A "-snapshot.qcow2"

enum { DISK_BYTES = 24 << 20, ROOT_BYTES = 32 << 20 };

/* --- libvirt's test driver -------------------------------------------------------------------------------
 */

static void test_driver_saves(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_domain d = domain(A);
	struct hv_seen *list = NULL;
	size_t n = 0, suspended = 0;

	(void)state;
	FAILS(drv->domain_save(c, A, &err), ERR_NOT_FOUND);
	OK(drv->domain_define(c, &d, &err));
	OK(drv->domain_save(c, A, &err)); /* off already */
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	OK(drv->domain_start(c, A, &err));
	forget_events();
	for (int i = 0; i < 2; i++) {
		OK(drv->domain_save(c, A, &err));
		assert_int_equal(power(c, A), HV_POWER_SUSPENDED);
	}
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_SUSPENDED));
	OK(drv->domain_define(c, &d, &err));
	OK(drv->domain_list(c, &a, &list, &n, &err));
	for (size_t i = 0; i < n; i++)
		suspended += list[i].power == HV_POWER_SUSPENDED && strcmp(list[i].uuid, A) == 0;
	assert_int_equal(suspended, 1);
	OK(drv->domain_start(c, A, &err));
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	OK(drv->domain_save(c, A, &err));
	for (int i = 0; i < 2; i++)
		OK(drv->domain_forget(c, A, &err));
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_save(c, A, &err));
	OK(drv->domain_remove(c, A, &err)); /* with what is kept */
	assert_int_equal(power(c, A), HV_POWER_ABSENT);
	OK(drv->domain_forget(c, A, &err));
	finish(c);
}

static int64_t capacity_of(struct hv_conn *c, const char *name)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_volume *list = NULL;
	size_t n = 0;

	OK(drv->volume_list(c, &a, &list, &n, &err));
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].capacity;
	return -1;
}

static void test_driver_disks(void **state)
{
	struct hv_disk disk = { .volume = ROOT, .format = "qcow2" };
	CLEANUP(close_fd) int fd = memfd_create("disk", MFD_CLOEXEC);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_test();
	struct hv_domain d = domain(A);
	struct hv_migrate how = { .to = &(struct hv_target) { .uri = "qemu+tls://localhost/system" } };
	struct hv_stats stats = { 0 };
	int64_t size = 0;

	(void)state;
	d.disks = &disk;
	d.disks_n = 1;
	OK(drv->volume_ensure(c, ROOT, 1 << 20, NULL, NULL, &err));
	OK(drv->volume_ensure(c, "no-disk-of-ours", 1 << 20, NULL, NULL, &err));
	for (int i = 0; i < 2; i++)
		OK(drv->volume_grow(c, ROOT, 2 << 20, &err));
	assert_int_equal(capacity_of(c, ROOT), 2 << 20);
	assert_int_equal(capacity_of(c, "no-disk-of-ours"), -1);
	OK(drv->domain_define(c, &d, &err));
	FAILS(drv->domain_stats(c, &a, A, &stats, &err), ERR_NOT_FOUND);
	OK(drv->domain_start(c, A, &err));
	OK(drv->domain_stats(c, &a, A, &stats, &err));
	assert_int_equal(stats.power, HV_POWER_RUNNING);
	assert_int_equal(stats.vcpus_n, 1);
	assert_int_equal(stats.disks_n, 1);
	FAILS(drv->volume_grow(c, ROOT, 3 << 20, &err), ERR_CONFLICT);
	for (int i = 0; i < 2; i++)
		OK(drv->volume_flatten(c, A, ROOT, COPY, &err));
	OK(drv->volume_download(c, COPY, fd, 1 << 20, &size, &err));
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	FAILS(drv->volume_download(c, COPY, fd, 1000, &size, &err), ERR_TOO_LARGE);
	FAILS(drv->volume_flatten(c, A, "nothing", COPY, &err), ERR_NOT_FOUND);
	FAILS(drv->domain_migrate(c, A, &how, &err), ERR_HYPERVISOR);
	FAILS(drv->migrate_look(c, A, &(struct hv_progress) { 0 }, &err), ERR_NOT_FOUND);
	OK(drv->domain_remove(c, A, &err));
	OK(drv->volume_remove(c, ROOT, &err));
	OK(drv->volume_remove(c, COPY, &err));
	OK(drv->volume_remove(c, "no-disk-of-ours", &err));
	finish(c);
}

/* --- a guest that counts ---------------------------------------------------------------------------------
 */

/* Boot sector: says "boot sector is up", then "tick NNNN" every fifth of a second, the number from its
 * memory. */
static const unsigned char counter[] = { 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, 0xbe, 0x58,
	0x7c, 0xe8, 0x3d, 0x00, 0xc7, 0x06, 0x00, 0x7e, 0x00, 0x00, 0xff, 0x06, 0x00, 0x7e, 0xbe, 0x6c, 0x7c,
	0xe8, 0x2d, 0x00, 0x8b, 0x1e, 0x00, 0x7e, 0xb1, 0x04, 0xb5, 0x04, 0xd3, 0xc3, 0x88, 0xd8, 0x24, 0x0f,
	0x3c, 0x0a, 0x72, 0x02, 0x04, 0x27, 0x04, 0x30, 0xba, 0xf8, 0x03, 0xee, 0xfe, 0xcd, 0x75, 0xea, 0xbe,
	0x72, 0x7c, 0xe8, 0x09, 0x00, 0xb9, 0x04, 0x00, 0xfb, 0xf4, 0xe2, 0xfc, 0xeb, 0xc9, 0xac, 0x84, 0xc0,
	0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, 0xc3 };
static const char texts[] = "boot sector is up\r\n\0tick \0\r\n";

static int boot_disk(void)
{
	CLEANUP(free_ptr) unsigned char *disk = xmalloc(DISK_BYTES);
	int fd = memfd_create("boot", MFD_CLOEXEC);

	for (size_t i = 0; i < DISK_BYTES; i++)
		disk[i] = (unsigned char)(i * 7 + i / 512);
	memset(disk, 0, 512);
	memcpy(disk, counter, sizeof counter);
	memcpy(disk + sizeof counter, texts, sizeof texts);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, disk, DISK_BYTES), DISK_BYTES);
	return fd;
}

static const struct hv_disk disks[] = { { .volume = ROOT, .format = "qcow2", .serial = "root" },
	{ .volume = CONFIG, .format = "raw", .readonly = true } };

/* What the guest has on the first host, and on the second: another CPU, if there is one. */
static struct cpuset pin_here = { .bits = { 1 } }, pin_there;
static const struct hv_guest_cell in_cell = { 0, 1, 64, 4 };
static struct hv_domain there = {
	.vcpus = 1, .ram_mib = 64, .cells = &in_cell, .cells_n = 1, .pins = &pin_there, .pins_n = 1
};

static void define_guest(struct hv_conn *c)
{
	struct hv_domain d = domain(A);

	d.disks = disks;
	d.disks_n = ARRAY_LEN(disks);
	d.cells = &in_cell;
	d.cells_n = d.pins_n = 1;
	d.pins = &pin_here;
	OK(drv->domain_define(c, &d, &err));
}

static void make_guest(struct hv_conn *c)
{
	CLEANUP(close_fd) int fd = boot_disk();

	OK(drv->image_ensure(c, "image-1.raw", "raw", fd, DISK_BYTES, DISK_BYTES, &err));
	OK(drv->volume_ensure(c, ROOT, ROOT_BYTES, "image-1.raw", "raw", &err));
	OK(drv->volume_write(c, CONFIG, "config drive", 12, &err));
	define_guest(c);
	OK(drv->domain_start(c, A, &err));
}

static void remove_guest(struct hv_conn *c)
{
	OK(drv->domain_remove(c, A, &err));
	OK(drv->volume_remove(c, ROOT, &err));
	OK(drv->volume_remove(c, CONFIG, &err));
	OK(drv->volume_remove(c, COPY, &err));
	OK(drv->volume_remove(c, "image-1.raw", &err));
}

/* The last number on its console, -1 before the first; how often it has booted. */
static int last_tick(struct hv_conn *c, int *boots)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	int tick = -1;

	OK(drv->console_read(c, A, 1 << 20, &out, &err));
	*boots = 0;
	for (const char *p = buf_text(&out); (p = strstr(p, "boot sector is up")); p++)
		++*boots;
	for (const char *p = buf_text(&out); (p = strstr(p, "tick ")); p++)
		if (strlen(p) >= 10 && p[9] == '\r')
			tick = (int)strtol(p + 5, NULL, 16);
	return tick;
}

/* Waits until the console of host `what` shows a number above `than`, or the guest's boot number `boot`. */
static int console_until(struct hv_conn *c, const char *what, int than, int boot)
{
	CLEANUP(free_ptr) char *images = xasprintf("%s/%s/images", dir, what);
	CLEANUP(close_fd) int fd = inotify_init1(IN_CLOEXEC);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char ignored[4096];
	int tick, boots;

	assert_true(inotify_add_watch(fd, images, IN_MODIFY | IN_CREATE) >= 0);
	while ((tick = last_tick(c, &boots)) <= than && boots != boot)
		assert_true(poll(&p, 1, DEADLINE_S * 1000) > 0 && read(fd, ignored, sizeof ignored) > 0);
	return tick;
}

static int tick_above(struct hv_conn *c, const char *what, int than)
{
	return console_until(c, what, than, -1);
}

/* --- what is kept, copied, measured -----------------------------------------------------------------------
 */

static void test_memory_is_kept(void **state)
{
	struct hv_conn *c = connect_qemu();
	int tick, boots;

	(void)state;
	make_guest(c);
	tick_above(c, "a", 3);
	OK(drv->domain_pause(c, A, &err)); /* a paused guest runs when it goes on */
	for (int i = 0; i < 2; i++) {
		OK(drv->domain_save(c, A, &err));
		assert_int_equal(power(c, A), HV_POWER_SUSPENDED);
	}
	define_guest(c); /* loses nothing */
	assert_int_equal(power(c, A), HV_POWER_SUSPENDED);
	tick = last_tick(c, &boots);
	OK(drv->domain_start(c, A, &err));
	assert_int_equal(power(c, A), HV_POWER_RUNNING);
	tick_above(c, "a", tick);
	last_tick(c, &boots);
	assert_int_equal(boots, 1);
	OK(drv->domain_save(c, A, &err));
	OK(drv->domain_forget(c, A, &err));
	assert_int_equal(power(c, A), HV_POWER_SHUTOFF);
	FAILS(drv->migrate_look(c, A, &(struct hv_progress) { 0 }, &err),
		ERR_NOT_FOUND); /* nor is it on its way */
	OK(drv->domain_start(c, A, &err));
	console_until(c, "a", INT_MAX, 2);
	finish(c);
}

/* Its monitor may be busy just then: not all is told. */
static struct hv_use *use_told(struct hv_conn *c, struct arena *a)
{
	struct hv_use *u = NULL;
	bool all = false;
	size_t n = 0;

	while (!all) {
		OK(drv->domains_use(c, a, NULL, &u, &n, &err));
		assert_int_equal(n, 1);
		all = true;
		for (int i = 0; i < SAMPLE_COUNTERS; i++)
			all &= u->counter[i] >= 0;
	}
	return u;
}

/* All in one call. A reset, unlike a start, goes on counting. */
static void test_use(struct hv_conn *c, const struct hv_stats *stats)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_use *first = use_told(c, &a), *again = NULL;
	size_t n = 0;

	assert_string_equal(first->uuid, A);
	assert_int_equal(first->power, HV_POWER_RUNNING);
	assert_true(first->counter[SAMPLE_CPU_NS] >= stats->cpu_ns);
	assert_int_equal(first->counter[SAMPLE_DISK_READ_BYTES],
		stats->disks[0].read_bytes + stats->disks[1].read_bytes);
	assert_true(first->ram_mib > 0);
	OK(drv->domain_reset(c, A, &err));
	do
		again = use_told(c, &a);
	while (again->counter[SAMPLE_CPU_NS] == first->counter[SAMPLE_CPU_NS]);
	assert_int_equal(again->start, first->start);
	assert_true(again->counter[SAMPLE_CPU_NS] > first->counter[SAMPLE_CPU_NS]);
	assert_true(again->counter[SAMPLE_DISK_READ_BYTES] >= first->counter[SAMPLE_DISK_READ_BYTES]);
	OK(drv->domain_stop(c, A, &err));
	OK(drv->domains_use(c, &a, NULL, &again, &n, &err));
	assert_int_equal(n, 0);
	OK(drv->domain_start(c, A, &err));
	OK(drv->domains_use(c, &a, NULL, &again, &n, &err));
	assert_int_equal(n, 1);
	assert_true(again->start != first->start);
}

static void test_figures(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_conn *c = connect_qemu();
	struct hv_stats stats = { 0 };

	(void)state;
	OK(drv->domain_stats(c, &a, A, &stats, &err));
	assert_int_equal(stats.power, HV_POWER_RUNNING);
	assert_true(stats.cpu_ns > 0);
	assert_int_equal(stats.vcpus_n, 1);
	assert_int_equal(stats.ram_max_mib, 64);
	assert_int_equal(stats.ram_used_mib, 0); /* nobody tells: it has no balloon driver */
	assert_int_equal(stats.disks_n, 2);
	assert_true(stats.disks[0].read_bytes >= 512);
	assert_int_equal(stats.disks[1].write_bytes, 0);
	test_use(c, &stats);
	OK(drv->domain_nmi(c, A, &err));
	FAILS(drv->domain_set_password(c, A, "root", "secret", &err), ERR_CONFLICT);
	FAILS(drv->volume_grow(c, ROOT, 2LL * ROOT_BYTES, &err), ERR_CONFLICT);
	finish(c);
}

static bool same_files(const char *volume, int fd, int64_t size)
{
	CLEANUP(buf_finish) struct buf want = { 0 };
	CLEANUP(free_ptr) char *got = xmalloc((size_t)size + 1);

	read_volume(volume, &want);
	return pread(fd, got, (size_t)size + 1, 0) == size && want.len == (size_t)size &&
	       memcmp(got, want.data, want.len) == 0;
}

static bool stands_alone(const char *volume)
{
	CLEANUP(free_ptr)
	char *cmd = xasprintf("qemu-img info -U %s/a/images/%s | grep -q 'file format: qcow2' && "
			      "! qemu-img info -U %s/a/images/%s | grep -q 'backing file'",
		dir, volume, dir, volume);

	return system(cmd) == 0;
}

static void test_disk_is_copied(void **state)
{
	CLEANUP(close_fd) int fd = memfd_create("copy", MFD_CLOEXEC);
	struct hv_conn *c = connect_qemu();
	int64_t size = 0;
	int boots, tick;

	(void)state;
	tick = last_tick(c, &boots);
	OK(drv->volume_flatten(c, A, ROOT, COPY, &err)); /* it runs, and goes on */
	tick_above(c, "a", tick);
	assert_true(stands_alone(COPY));
	OK(drv->domain_pause(c, A, &err));
	OK(drv->volume_flatten(c, A, ROOT, COPY, &err));
	OK(drv->domain_stop(c, A, &err));
	OK(drv->volume_grow(c, ROOT, 2LL * ROOT_BYTES, &err));
	assert_int_equal(capacity_of(c, ROOT), 2LL * ROOT_BYTES);
	assert_int_equal(capacity_of(c, COPY), ROOT_BYTES);
	OK(drv->volume_download(c, COPY, fd, 64 << 20, &size, &err));
	assert_true(same_files(COPY, fd, size));
	FAILS(drv->volume_download(c, COPY, fd, size - 1, &size, &err), ERR_TOO_LARGE);
	OK(drv->volume_flatten(c, A, ROOT, COPY, &err)); /* off */
	assert_true(stands_alone(COPY));
	assert_int_equal(capacity_of(c, COPY), 2LL * ROOT_BYTES);
	finish(c);
}

/* Of the copy as an image comes a guest that boots. */
static void test_copy_boots(void **state)
{
	CLEANUP(close_fd) int fd = memfd_create("copy", MFD_CLOEXEC);
	struct hv_conn *c = connect_qemu();
	int64_t size = 0;
	int boots;

	(void)state;
	OK(drv->volume_download(c, COPY, fd, 1 << 30, &size, &err));
	remove_guest(c);
	assert_int_equal(images_left(), 0);
	OK(drv->image_ensure(c, "image-2.qcow2", "qcow2", fd, size, ROOT_BYTES, &err));
	OK(drv->volume_ensure(c, ROOT, 2LL * ROOT_BYTES, "image-2.qcow2", "qcow2", &err));
	OK(drv->volume_write(c, CONFIG, "config drive", 12, &err));
	define_guest(c);
	OK(drv->domain_start(c, A, &err));
	tick_above(c, "a", 0);
	last_tick(c, &boots);
	assert_int_equal(boots, 1);
	OK(drv->volume_write(c, A "-move.ok", "", 0, &err)); /* as a live move leaves it that is cut off */
	remove_guest(c);
	OK(drv->volume_remove(c, "image-2.qcow2", &err));
	assert_int_equal(images_left(), 0);
	finish(c);
}

/* --- moves ------------------------------------------------------------------------------------------------
 */

static char other_port[16];

static struct hv_conn *connect_other(void)
{
	struct hv_conn *c = NULL;

	OK(try_connect("qemu+tls", "127.0.0.1", other_port, "system", "a/client", "cloudd", &c, &err));
	return c;
}

static int move(struct hv_conn *c, const char *to_port, int64_t mib, struct error *err)
{
	CLEANUP(free_ptr) char *uri = xasprintf("qemu+tls://127.0.0.1:%s/system", to_port);
	CLEANUP(free_ptr) char *pki = xasprintf("%s/a/client", dir);
	struct hv_target to = { .uri = uri, .pki_dir = pki, .pool = "cloudd", .connect_timeout_ms = 5000 };
	struct hv_migrate how = {
		.to = &to, .disks = disks, .disks_n = ARRAY_LEN(disks), .as = &there, .bandwidth_mib = mib
	};

	return drv->domain_migrate(c, A, &how, err);
}

static int volumes_of(const char *what)
{
	CLEANUP(free_ptr) char *cmd = xasprintf("exit $(ls %s/%s/images | grep -c ^aaaa)", dir, what);
	int rc = system(cmd);

	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* From 1 to above `than`. */
static bool counts_without_gap(const char *text, int than)
{
	int next = 1;

	for (const char *p = text; (p = strstr(p, "tick ")); p++)
		if (strlen(p) >= 10 && p[9] == '\r' && strtol(p + 5, NULL, 16) != next++)
			return false;
	return next > than;
}

static void test_move(void **state)
{
	CLEANUP(arena_finish) struct arena arena = { 0 };
	struct hv_conn *a = connect_qemu(), *b;
	struct hv_log log = { .uuid = A };
	struct hv_use *use;
	struct hv_domain has;
	struct error err;
	int tick, boots;
	int64_t start;
	size_t n = 0;

	(void)state;
	assert_int_equal(start_libvirtd_like("a", "b", other_port), 0);
	b = connect_other();
	cpuset_add(&pin_there, sysconf(_SC_NPROCESSORS_ONLN) > 1);
	make_guest(a);
	tick = tick_above(a, "a", 2);
	OK(drv->console_follow(a, &log, 30, &err));
	forget_events();
	start = use_told(a, &arena)->start;
	OK(move(a, other_port, 0, &err));
	assert_true(use_told(b, &arena)->start != start); /* another process, which counts from 0 */
	OK(drv->domains_use(a, &arena, NULL, &use, &n, &err));
	assert_int_equal(n, 0);
	assert_int_equal(power(a, A), HV_POWER_ABSENT);
	assert_int_equal(power(b, A), HV_POWER_RUNNING);
	tick_above(b, "b", tick);
	last_tick(b, &boots);
	assert_int_equal(boots, 0); /* it went on */
	OK(drv->domain_read(b, &arena, A, &has, &err));
	if (!hv_domain_kept(&there, &has, &err))
		fail_msg("%s", err.detail);
	assert_int_equal(volumes_of("a"), 0);
	assert_int_equal(volumes_of("b"), 4);
	OK(move(a, other_port, 0, &err)); /* there already */
	assert_int_equal(volumes_of("b"), 4);
	/* nothing that it printed is lost, or read twice */
	do
		OK(drv->console_follow(b, &log, 1 << 20, &err));
	while (log.more);
	assert_false(log.lost);
	assert_true(counts_without_gap(buf_text(&log.text), tick));
	buf_finish(&log.text);
	assert_true(wait_event(HV_EVENT_POWER, A, HV_POWER_RUNNING));
	for (size_t i = 0; i < loop.seen_n; i++) /* nowhere did it end */
		assert_false(event_matches(&loop.seen[i], HV_EVENT_POWER, A, HV_POWER_SHUTOFF));
	finish(a);
	finish(b);
}

struct moving {
	pthread_t thread;
	struct hv_conn *c;
	struct error err;
	int rc;
};

static void *move_run(void *arg)
{
	struct moving *m = arg;

	m->rc = move(m->c, port, 4, &m->err);
	return NULL;
}

/* In the middle of the disk; the driver's own answers take long enough to ask on. */
static void move_start(struct moving *m, struct hv_conn *c)
{
	struct hv_progress p = { 0 };
	struct error err;

	m->c = c;
	assert_int_equal(pthread_create(&m->thread, NULL, move_run, m), 0);
	while (!p.disk_total)
		if (drv->migrate_look(c, A, &p, &err) < 0)
			assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_true(p.disk_done < p.disk_total);
	assert_int_equal(p.disk_done + p.disk_left, p.disk_total);
}

static void test_move_cancelled(void **state)
{
	struct hv_conn *a = connect_qemu(), *b = connect_other();
	struct moving m;
	int tick, boots;

	(void)state;
	FAILS(drv->migrate_cancel(b, A, &err), ERR_NOT_FOUND);
	tick = last_tick(b, &boots);
	move_start(&m, b);
	FAILS(move(b, port, 0, &err), ERR_CONFLICT);
	OK(drv->migrate_cancel(b, A, &err));
	pthread_join(m.thread, NULL);
	assert_int_equal(m.rc, -1);
	assert_int_equal(m.err.code, ERR_CONFLICT);
	assert_int_equal(power(b, A), HV_POWER_RUNNING);
	assert_int_equal(power(a, A), HV_POWER_ABSENT);
	assert_int_equal(volumes_of("a"), 0);
	tick_above(b, "b", tick);
	finish(a);
	finish(b);
}

static void shell(const char *cmd)
{
	CLEANUP(free_ptr) char *all = xasprintf("cd %s && %s", dir, cmd);

	assert_int_equal(system(all), 0);
}

/* No guest goes to a QEMU without a certificate, or with one of another authority. */
static void test_move_is_encrypted(void **state)
{
	struct hv_conn *a = connect_qemu(), *b = connect_other();
	int tick, boots;

	(void)state;
	tick = last_tick(b, &boots);
	shell("mv a/etc/pki/qemu a/etc/pki/away");
	FAILS(move(b, port, 0, &err), ERR_HYPERVISOR);
	assert_int_equal(starter(NULL, "testpki", "other", ""), 0);
	shell("cp -r other/etc/pki/qemu a/etc/pki/qemu");
	FAILS(move(b, port, 0, &err), ERR_HYPERVISOR);
	shell("rm -r a/etc/pki/qemu && mv a/etc/pki/away a/etc/pki/qemu");
	assert_int_equal(power(b, A), HV_POWER_RUNNING);
	assert_int_equal(power(a, A), HV_POWER_ABSENT);
	assert_int_equal(volumes_of("a"), 0);
	tick_above(b, "b", tick);
	finish(a);
	finish(b);
}

/* The other host does not answer, or is lost on the way: the guest stays. */
static void test_move_fails(void **state)
{
	struct hv_conn *b = connect_other(), *a;
	struct moving m;
	int tick, boots;

	(void)state;
	FAILS(move(b, "1", 0, &err), ERR_HYPERVISOR);
	tick = last_tick(b, &boots);
	move_start(&m, b);
	assert_int_equal(starter(NULL, "stop", "a", ""), 0);
	pthread_join(m.thread, NULL);
	assert_int_equal(m.rc, -1);
	assert_int_equal(m.err.code, ERR_HYPERVISOR);
	assert_int_equal(power(b, A), HV_POWER_RUNNING);
	tick_above(b, "b", tick);
	assert_int_equal(start_again("a", port), 0);
	a = connect_qemu();
	assert_int_equal(power(a, A), HV_POWER_ABSENT);
	OK(move(b, port, 0, &err)); /* what the first try has left is no obstacle */
	assert_int_equal(power(a, A), HV_POWER_RUNNING);
	OK(drv->domain_pause(a, A, &err));
	OK(move(a, other_port, 0, &err)); /* a paused guest arrives as such */
	assert_int_equal(power(b, A), HV_POWER_PAUSED);
	remove_guest(b);
	remove_guest(a);
	assert_int_equal(images_left(), 0);
	finish(a);
	finish(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_saves),
		cmocka_unit_test(test_driver_disks),
		cmocka_unit_test(test_memory_is_kept),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_disk_is_copied),
		cmocka_unit_test(test_copy_boots),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_move_cancelled),
		cmocka_unit_test(test_move_is_encrypted),
		cmocka_unit_test(test_move_fails),
	};

	return LIBVIRT_TESTS(tests);
}
