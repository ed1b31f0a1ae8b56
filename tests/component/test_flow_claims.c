/* SPDX-License-Identifier: Apache-2.0 */
/* Servers with CPUs, pages, cells and parts of GPUs of their own go through their lives: what they hold
 * follows them, and comes back. */
#include "change_fixture.h"
#include "move_fixture.h"

#include "base/log.h"
#include "store/devices.h"

/* Two cells of eight cores with two threads: 0-7 with 16-23, 8-15 with 24-31. */
#define HOST                                                                                               \
	"vcpus=32&cells=2&threads=2&ram_gib=64&pages_2m=4096&pages_1g=8&disk_gib=500&gpus=4&gpu=10de:2330" \
	"&mdev=nvidia-474:7:H100-1-10C,nvidia-475:3:H100-2-20C"
#define DEDICATED "1-7,9-15,17-23,25-31"
#define PINNED                                                                                \
	"{\"hw:cpu_policy\": \"dedicated\", \"hw:numa_nodes\": \"2\", \"hw:mem_page_size\": " \
	"\"2MB\", \"pci_passthrough:alias\": \"h100:2\"}"
#define PINNED_LARGER                                                                         \
	"{\"hw:cpu_policy\": \"dedicated\", \"hw:numa_nodes\": \"2\", \"hw:mem_page_size\": " \
	"\"1GB\", \"pci_passthrough:alias\": \"h100:3\"}"
#define ISOLATED "{\"hw:cpu_policy\": \"dedicated\", \"hw:cpu_thread_policy\": \"isolate\"}"
#define PARTS(n) "{\"resources:VGPU\": \"" #n "\", \"cloudd:gpu_profile\": \"nvidia-474\"}"

static const char held[] =
	"SELECT (SELECT count(*) FROM allocation) + (SELECT count(*) FROM allocation_cpu) + "
	"(SELECT count(*) FROM allocation_cell) + (SELECT count(*) FROM allocation_part) + "
	"(SELECT count(*) FROM allocation_slot) + (SELECT count(*) FROM allocation_device) + "
	"(SELECT count(*) FROM allocation_also)";

static int do_prepare(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t host_id = c->hosts[*(unsigned *)arg];
	struct device_row *d;
	struct host_row h;
	size_t n;

	if (store_host_load(db, &a, host_id, &h, err) || store_device_list(db, &a, host_id, &d, &n, err))
		return -1;
	h.dedicated_cpus = DEDICATED;
	return flow_host_change(c->e, db, &a, &h, err) || /* the last GPU is given in parts */
			       flow_gpu_change(c->e, db, &d[n - 1], GPU_CUT, "mdev", err)
		       ? -1
		       : 0;
}

static void set_up(struct cloud *c, unsigned hosts, struct want *w)
{
	memset(c, 0, sizeof *c);
	cloud_make(c);
	while (hosts--) {
		unsigned host = cloud_host(c, HOST);

		cloud_ok(c, do_prepare, &host);
	}
	cloud_ok(c, do_create, w);
	for (int i = 0; i < (w->count ? w->count : 1); i++)
		cloud_until_server(c, w->uid[i], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
}

static void delete_server(struct cloud *c, const char *uid)
{
	cloud_ok(c, do_delete, (void *)(uintptr_t)uid);
	cloud_until_server(c, uid, VM_DELETED);
	cloud_until(c, flows_gone, NULL);
}

/* Nothing is held any more, whatever was: also after a start. */
static void end(struct cloud *c)
{
	assert_int_equal(cloud_count(c, held), 0);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

static void restart(struct cloud *c)
{
	cloud_close(c);
	cloud_open(c);
	for (unsigned i = 0; i < c->hosts_n; i++)
		cloud_until(c, host_connected, &i);
	cloud_clean(c);
}

/* All numbers of a query as a text: "2 3 18 19". */
static char *list(struct cloud *c, struct arena *a, const char *sql)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct buf b = { 0 };
	struct error err;
	char *out;

	assert_int_equal(db_query(store_ro(c->store), &err, &st, sql, NULL), 0);
	while (db_row(st, &err) > 0)
		buf_printf(&b, "%s%lld", b.len ? " " : "", (long long)db_int(st, 0));
	out = arena_strdup(a, buf_text(&b));
	buf_finish(&b);
	return out;
}

static const char home_cpus[] =
	"SELECT p.cpu FROM allocation_cpu p JOIN allocation a ON a.id = p.allocation_id "
	"WHERE a.id = a.server_id ORDER BY p.vcpu";
static const char home_gpus[] = "SELECT device_id FROM allocation_device x JOIN allocation a ON a.id = "
				"x.allocation_id WHERE a.id = a.server_id ORDER BY device_id";

static struct want pinned(void)
{
	return (struct want) { .vcpus = 8, .ram_mib = 8192, .extra_specs = PINNED };
}

/* ---- created, deleted ---- */

static void test_create(void **state)
{
	struct cloud c;
	struct want w = pinned(), isolated = { .vcpus = 4, .ram_mib = 2048, .extra_specs = ISOLATED };

	(void)state;
	set_up(&c, 1, &w);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu WHERE vcpu IS NOT NULL"), 8);
	assert_int_equal(cloud_count(&c, "SELECT count(DISTINCT cell) FROM allocation_cell"), 2);
	assert_int_equal(
		cloud_count(&c, "SELECT sum(ram_mib) FROM allocation_cell WHERE page_kib = 2048"), 8192);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device WHERE guest_cell >= 0"), 2);
	/* nothing of what floats */
	assert_int_equal(cloud_count(&c, "SELECT float_vcpus + float_ram_mib FROM allocation"), 0);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 8);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 2);
	cloud_ok(&c, do_create, &isolated);
	cloud_until_server(&c, isolated.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu WHERE vcpu IS NULL"), 4);
	cloud_clean(&c);
	restart(&c);
	delete_server(&c, w.uid[0]);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8);
	cloud_clean(&c);
	delete_server(&c, isolated.uid[0]);
	end(&c);
}

static void test_parts(void **state)
{
	struct cloud c;
	struct want w = { .count = 2, .extra_specs = PARTS(3) }, more = { .extra_specs = PARTS(2) },
		    last = { .extra_specs = PARTS(1) };

	(void)state;
	set_up(&c, 1, &w);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_part"), 6);
	assert_int_equal(cloud_count(&c, "SELECT count(DISTINCT uid) FROM allocation_part"), 6);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_slot"),
		cloud_count(&c, "SELECT sum(slots) FROM allocation_part"));
	/* each counts as one GPU */
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 6);
	assert_int_equal(
		cloud_count(&c, "SELECT sum(gpus) FROM usage WHERE kind = 'server' AND ended_us IS NULL"), 6);
	cloud_ok(&c, do_create, &more); /* one is left */
	cloud_until_server(&c, more.uid[0], VM_ERROR);
	delete_server(&c, more.uid[0]);
	cloud_ok(&c, do_create, &last);
	cloud_until_server(&c, last.uid[0], VM_ACTIVE);
	cloud_clean(&c);
	restart(&c);
	delete_server(&c, w.uid[0]);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_part"), 4);
	cloud_clean(&c);
	delete_server(&c, w.uid[1]);
	delete_server(&c, last.uid[0]);
	end(&c);
}

/* ---- another flavor, on the same host ---- */

static void test_resize_here(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud c;
	struct want w = pinned();
	struct go g;
	char *cpus, *gpus;

	(void)state;
	set_up(&c, 1, &w);
	cpus = list(&c, &a, home_cpus);
	gpus = list(&c, &a, home_gpus);
	g = resize_to(w.uid[0], 12, 6144, PINNED_LARGER);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	/* CPUs and pages of both, and the GPUs once */
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8 + 12);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 3);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_also"), 2);
	assert_int_equal(cloud_count(&c, "SELECT sum(vcpus) FROM allocation"), 8 + 12);
	assert_string_not_equal(list(&c, &a, home_cpus), cpus);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 12);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 3);
	cloud_clean(&c);
	restart(&c);
	/* back: exactly what it had */
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_string_equal(list(&c, &a, home_cpus), cpus);
	assert_string_equal(list(&c, &a, home_gpus), gpus);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	/* and on to the other, for good */
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	verb(&c, w.uid[0], 'c');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 12);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 3);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_also"), 0);
	assert_int_equal(
		cloud_count(&c, "SELECT sum(ram_mib) FROM allocation_cell WHERE page_kib = 1048576"), 6144);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

/* From floating to pinned, and deleted while both are held. */
static void test_resize_and_delete(void **state)
{
	struct cloud c;
	struct want w = { .vcpus = 4, .extra_specs = "{\"pci_passthrough:alias\": \"h100:1\"}" };
	struct go g;

	(void)state;
	set_up(&c, 1, &w);
	g = resize_to(w.uid[0], 8, 8192, PINNED);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(cloud_count(&c, "SELECT sum(float_vcpus) FROM allocation"), 4);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

static void test_resize_parts(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud c;
	struct want w = { .extra_specs = PARTS(1) };
	static const char uids[] =
		"SELECT group_concat(uid) FROM (SELECT uid FROM allocation_part p JOIN "
		"allocation a ON a.id = p.allocation_id WHERE a.id = a.server_id ORDER BY uid)";
	struct error err;
	struct go g;
	char before[UUID_TEXT], after[UUID_TEXT];

	(void)state;
	set_up(&c, 1, &w);
	for (int k = 0; k < 2; k++) {
		CLEANUP(db_done) sqlite3_stmt *st = NULL;

		if (k == 1) {
			g = resize_to(w.uid[0], 2, 1024, PARTS(3));
			cloud_ok(&c, do_move, &g);
			cloud_until_server(&c, w.uid[0], VM_RESIZED);
			assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_part"), 1 + 3);
			cloud_clean(&c);
			verb(&c, w.uid[0], 'r');
			cloud_until_server(&c, w.uid[0], VM_ACTIVE);
			cloud_until(&c, flows_gone, NULL);
		}
		assert_int_equal(db_query(store_ro(c.store), &err, &st, uids, NULL), 0);
		assert_int_equal(db_row(st, &err), 1);
		str_copy(k ? after : before, UUID_TEXT, db_text(st, 0));
	}
	/* a part keeps its device on the way and back */
	assert_string_equal(before, after);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

/* ---- other hosts ---- */

static void test_cold(void **state)
{
	struct cloud c;
	struct want w = pinned();
	struct go g;
	int from;

	(void)state;
	set_up(&c, 2, &w);
	from = host_of(&c, w.uid[0]);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	assert_int_equal(cloud_do(&c, do_move, &g), -1);
	assert_int_equal(c.err.code, ERR_BAD_REQUEST);
	g = go_elsewhere(w.uid[0], MOVE_COLD);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(host_of(&c, w.uid[0]), 1 - from);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 16);
	assert_int_equal(cloud_count(&c, "SELECT count(DISTINCT host_id) FROM allocation_cpu"), 2);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'c');
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

/* GPUs do not move live, CPUs and pages do: to others. */
static void test_live(void **state)
{
	struct cloud c;
	struct want w = { .vcpus = 4,
		.ram_mib = 2048,
		.extra_specs = "{\"hw:cpu_policy\": \"dedicated\", \"hw:cpu_thread_policy\": \"isolate\", "
			       "\"hw:mem_page_size\": \"large\"}" };
	struct go g;
	int from;

	(void)state;
	set_up(&c, 2, &w);
	from = host_of(&c, w.uid[0]);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &g);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 16);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(host_of(&c, w.uid[0]), 1 - from);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cell"), 1);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

static bool not_connected(struct cloud *c, void *arg)
{
	return !host_connected(c, arg);
}

static void test_evacuate(void **state)
{
	struct cloud c;
	struct want w = pinned();
	struct go g;
	unsigned host;
	int from, up;

	(void)state;
	set_up(&c, 2, &w);
	host = (unsigned)(from = host_of(&c, w.uid[0]));
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	sim_set_down(c.worlds[from], true);
	sim_drop(c.worlds[from], "fire");
	cloud_until(&c, not_connected, &host);
	cloud_ok(&c, do_force_down, &from);
	while (cloud_do(&c, do_move, &g))
		assert_int_equal(c.err.code, ERR_CONFLICT);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, w.uid[0]), 1 - from);
	/* the dead host's CPUs, pages and GPUs stay held until it is heard */
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 16);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 4);
	cloud_clean(&c);
	sim_set_down(c.worlds[from], false);
	up = -from - 1;
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 8);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

/* ---- shelved ---- */

static void test_shelve(void **state)
{
	struct cloud c;
	struct want w = { .vcpus = 4,
		.ram_mib = 2048,
		.extra_specs = "{\"hw:cpu_policy\": \"dedicated\", \"resources:VGPU\": \"2\", "
			       "\"cloudd:gpu_profile\": \"nvidia-475\"}" };

	(void)state;
	set_up(&c, 1, &w);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_part"), 2);
	cloud_ok(&c, do_change, &((struct change) { .uid = w.uid[0], .what = CHANGE_SHELVE }));
	cloud_until_server(&c, w.uid[0], VM_SHELVED_OFFLOADED);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, held), 0);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 2); /* it counts all the same */
	cloud_clean(&c);
	cloud_ok(&c, do_change, &((struct change) { .uid = w.uid[0], .what = CHANGE_UNSHELVE }));
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_part"), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_cpu"), 4);
	cloud_clean(&c);
	restart(&c);
	delete_server(&c, w.uid[0]);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_resize_here),
		cmocka_unit_test(test_resize_and_delete),
		cmocka_unit_test(test_resize_parts),
		cmocka_unit_test(test_cold),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_evacuate),
		cmocka_unit_test(test_shelve),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
