/* SPDX-License-Identifier: Apache-2.0 */
/* Servers get what placement chose for them, CPU by CPU and device by device; one whose host does not keep
 * that is never ACTIVE. Parts of GPUs are made with servers, and go with them. */
#include "change_fixture.h"
#include "move_fixture.h"

#include "base/log.h"
#include "store/allocation_place.h"
#include "store/devices.h"

#define HOST                                                                                          \
	"vcpus=32&cells=2&threads=2&ram_gib=64&pages_1g=16&disk_gib=500&gpus=4&gpu=10de:2330&audio=1" \
	"&mdev=nvidia-474:7:H100-1-10C,nvidia-475:3:H100-2-20C"
/* cores 1-7 and 9-15 with both threads: 0, 8, 16, 24 are left for all */
#define DEDICATED "1-7,9-15,17-23,25-31"
#define PINNED                                                                                \
	"{\"hw:cpu_policy\": \"dedicated\", \"hw:numa_nodes\": \"2\", \"hw:mem_page_size\": " \
	"\"1GB\", \"pci_passthrough:alias\": \"h100:2\"}"
#define PARTS(n) "{\"resources:VGPU\": \"" #n "\", \"cloudd:gpu_profile\": \"nvidia-474\"}"

static int do_dedicate(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;

	if (store_host_load(db, &a, c->hosts[*(unsigned *)arg], &h, err))
		return -1;
	h.dedicated_cpus = DEDICATED;
	return flow_host_change(c->e, db, &a, &h, err);
}

/* The last GPU of each host is given in parts. */
static int do_cut(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct device_row *d;
	size_t n;

	if (store_device_list(db, &a, c->hosts[*(unsigned *)arg], &d, &n, err))
		return -1;
	return flow_gpu_change(c->e, db, &d[n - 1], GPU_CUT, "mdev", err);
}

static void put_host(struct cloud *c)
{
	unsigned host = cloud_host(c, HOST);

	cloud_ok(c, do_dedicate, &host);
	cloud_ok(c, do_cut, &host);
}

static void make(struct cloud *c, unsigned hosts)
{
	cloud_make(c);
	while (hosts--)
		put_host(c);
}

static void end(struct cloud *c)
{
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

static struct want pinned(void)
{
	return (struct want) { .vcpus = 8, .ram_mib = 8192, .extra_specs = PINNED };
}

static struct hv_domain has(struct cloud *c, int host, const char *uid, struct arena *a)
{
	struct hv_domain d = { 0 };

	assert_true(sim_domain_has(c->worlds[host], uid, a, &d));
	return d;
}

/* --- what they get -------------------------------------------------------------------------------------- */

/* Cores are spread over two cells: 0-7 with 16-23, 8-15 with 24-31. */
static int cell_of_cpu(int cpu)
{
	return cpu % 16 / 8;
}

static void check_pins(const struct hv_domain *d, struct cpuset *used)
{
	struct cpuset dedicated;

	assert_int_equal(cpuset_parse(DEDICATED, &dedicated), 0);
	assert_int_equal(d->pins_n, 8);
	for (size_t i = 0; i < 8; i++) {
		int cpu = cpuset_next(&d->pins[i], 0);

		assert_int_equal(cpuset_next(&d->pins[i], cpu + 1), -1);
		assert_true(cpuset_has(&dedicated, cpu));
		assert_false(cpuset_has(used, cpu));
		cpuset_add(used, cpu);
		assert_int_equal(cell_of_cpu(cpu), d->cells[i / 4].cell);
	}
}

static void test_pinned(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cpuset used = { { 0 } }, shared;
	static const char told[] = "\"dedicated_cpus\":[0,1,2,3,4,5,6,7]";
	CLEANUP(buf_finish) struct buf drive = { 0 };
	char name[HV_VOLUME_NAME];
	struct want w = pinned();
	struct cloud c = { 0 };
	struct hv_domain d;
	unsigned gpus[2] = { 0 };

	(void)state;
	w.drive = true;
	make(&c, 1);
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	d = has(&c, 0, w.uid[0], &a);
	assert_int_equal(d.cells_n, 2);
	assert_int_not_equal(d.cells[0].cell, d.cells[1].cell);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(d.cells[i].vcpus, 4);
		assert_int_equal(d.cells[i].ram_mib, 4096);
		assert_int_equal(d.cells[i].page_kib, 1048576);
	}
	check_pins(&d, &used);
	assert_int_equal(cpuset_parse("0,8,16,24", &shared), 0);
	assert_true(cpuset_same(&d.emulator, &shared));
	/* two GPUs, each with its sound, below the cell that is in the GPU's cell of the host: 10, 11 in 0 */
	assert_int_equal(d.hostdevs_n, 4);
	for (size_t i = 0; i < 4; i++) {
		bool low = strncmp(d.hostdevs[i].address, "0000:12", 7) < 0;

		gpus[i % 2] += d.hostdevs[i].address[11] == (i % 2 ? '1' : '0');
		if (d.hostdevs[i].guest_cell >= 0)
			assert_int_equal(d.cells[d.hostdevs[i].guest_cell].cell, !low);
	}
	assert_true(gpus[0] == 2 && gpus[1] == 2);
	/* the guest is told */
	assert_true(sim_volume_read(c.worlds[0], hv_server_volume(w.uid[0], HV_CONFIG, name), &drive));
	assert_non_null(memmem(drive.data, drive.len, told, strlen(told)));
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	end(&c);
}

/* Who has no CPUs of his own keeps off those of others, in his cell if he has one. */
static void test_floating(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct want plain = { .vcpus = 2 },
		    celled = { .vcpus = 2, .extra_specs = "{\"hw:numa_nodes\": \"1\"}" };
	struct cpuset shared;
	struct cloud c = { 0 };
	struct hv_domain d;

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_create, &plain);
	cloud_ok(&c, do_create, &celled);
	cloud_until_server(&c, plain.uid[0], VM_ACTIVE);
	cloud_until_server(&c, celled.uid[0], VM_ACTIVE);
	d = has(&c, 0, plain.uid[0], &a);
	assert_int_equal(cpuset_parse("0,8,16,24", &shared), 0);
	assert_int_equal(d.cells_n, 0);
	assert_int_equal(d.pins_n, 2);
	assert_true(cpuset_same(&d.pins[0], &shared) && cpuset_same(&d.pins[1], &shared));
	assert_true(cpuset_same(&d.emulator, &shared));
	d = has(&c, 0, celled.uid[0], &a);
	assert_int_equal(d.cells_n, 1);
	assert_int_equal(d.cells[0].page_kib, 4);
	assert_int_equal(cpuset_parse(d.cells[0].cell ? "8,24" : "0,16", &shared), 0);
	assert_true(cpuset_same(&d.pins[1], &shared));
	assert_true(cpuset_same(&d.emulator, &shared));
	end(&c);
}

/* --- a host that does not keep its word ----------------------------------------------------------------- */

static void expect_error(struct cloud *c, const char *uid, const char *says)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;

	cloud_until_server(c, uid, VM_ERROR);
	cloud_until(c, flows_gone, NULL);
	s = cloud_server(c, &a, uid);
	assert_string_equal(s.fault_message, "The host did not give the server what it was promised.");
	if (!strstr(s.fault_details, says))
		fail_msg("'%s' does not say '%s'", s.fault_details, says);
	for (unsigned i = 0; i < c->hosts_n; i++) {
		struct sim_domain d;

		if (sim_domain_get(c->worlds[i], uid, &d))
			assert_int_equal(d.power, HV_POWER_SHUTOFF);
	}
}

static void mend(struct cloud *c, const char *uid)
{
	struct op hard = { uid, SERVER_REBOOT_HARD };

	sim_breach(c->worlds[0], SIM_KEEPS);
	cloud_ok(c, do_op, &hard);
	cloud_until_server(c, uid, VM_ACTIVE);
}

static void test_broken_at_create(void **state)
{
	static const struct {
		enum sim_breach how;
		const char *specs, *says;
	} cases[] = {
		{ SIM_LESS_MEMORY, "{}", "it has 4096 MiB of memory, not 8192" },
		{ SIM_LESS_MEMORY, PINNED, "it has 4096 MiB of memory, not 8192" },
		{ SIM_OTHER_PIN, PINNED, "vCPU 7 may run on 0-31, not on " },
		{ SIM_OTHER_PIN, "{}", "vCPU 7 may run on 0-31, not on 0,8,16,24" },
		{ SIM_OTHER_CELL, PINNED, "cell 1 lies in cell " },
		{ SIM_SMALL_PAGES, PINNED, "cell 0 has 4 KiB a page, not 1048576" },
		{ SIM_LESS_DEVICES, PINNED, "it has no device 0000:1" },
		{ SIM_LESS_DEVICES, PARTS(2), "it has no device " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct want w = pinned();
		struct cloud c = { 0 };

		w.extra_specs = cases[i].specs;
		make(&c, 1);
		sim_breach(c.worlds[0], cases[i].how);
		cloud_ok(&c, do_create, &w);
		expect_error(&c, w.uid[0], cases[i].says);
		/* said once, and not asked again and again */
		assert_int_equal(sim_calls(c.worlds[0], SIM_DOMAIN_START), 1);
		mend(&c, w.uid[0]);
		end(&c);
	}
}

static struct change change(const char *uid, enum change_kind what)
{
	return (struct change) { .uid = uid, .what = what };
}

/* Each way to start it once more. */
static void test_broken_later(void **state)
{
	struct want w = pinned();
	struct op ops[] = { { NULL, SERVER_REBOOT_SOFT }, { NULL, SERVER_REBOOT_HARD } },
		  stop = { NULL, SERVER_STOP }, start = { NULL, SERVER_START };
	enum change_kind changes[] = { CHANGE_REBUILD, CHANGE_RESCUE };
	struct change x;
	struct cloud c = { 0 };

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		ops[i].uid = w.uid[0];
		sim_breach(c.worlds[0], SIM_OTHER_PIN);
		cloud_ok(&c, do_op, &ops[i]);
		expect_error(&c, w.uid[0], "vCPU 7");
		mend(&c, w.uid[0]);
	}
	stop.uid = start.uid = w.uid[0];
	cloud_ok(&c, do_op, &stop);
	cloud_until_server(&c, w.uid[0], VM_STOPPED);
	sim_breach(c.worlds[0], SIM_OTHER_CELL);
	cloud_ok(&c, do_op, &start);
	expect_error(&c, w.uid[0], "cell 1");
	mend(&c, w.uid[0]);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		x = change(w.uid[0], changes[i]);
		sim_breach(c.worlds[0], SIM_SMALL_PAGES);
		cloud_ok(&c, do_change, &x);
		expect_error(&c, w.uid[0], "a page");
		mend(&c, w.uid[0]);
	}
	x = change(w.uid[0], CHANGE_SHELVE);
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, w.uid[0], VM_SHELVED_OFFLOADED);
	sim_breach(c.worlds[0], SIM_LESS_DEVICES);
	x = change(w.uid[0], CHANGE_UNSHELVE);
	cloud_ok(&c, do_change, &x);
	expect_error(&c, w.uid[0], "it has no device");
	mend(&c, w.uid[0]);
	end(&c);
}

/* A resize goes back to where it was, and is ERROR when that is no better. */
static void test_broken_resize(void **state)
{
	struct want w = { .vcpus = 2, .ram_mib = 2048 };
	struct cloud c = { .flow = { .resize_elsewhere = true } };
	struct go go;

	(void)state;
	make(&c, 2);
	w.host = "host0";
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	go = resize_to(w.uid[0], 8, 8192, PINNED);
	sim_breach(c.worlds[0], SIM_SMALL_PAGES); /* what it had is kept, what it is to have is not */
	sim_breach(c.worlds[1], SIM_SMALL_PAGES);
	cloud_ok(&c, do_move, &go);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT vcpus FROM server"), 2);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM server_action WHERE message LIKE '%promised%'"), 1);
	sim_breach(c.worlds[0], SIM_LESS_MEMORY);
	sim_breach(c.worlds[1], SIM_LESS_MEMORY);
	go = resize_to(w.uid[0], 8, 8192, PINNED);
	cloud_ok(&c, do_move, &go);
	expect_error(&c, w.uid[0], "MiB of memory");
	mend(&c, w.uid[0]);
	end(&c);
}

/* How many servers have the CPU of the host that they live on. */
static int64_t allocated(struct cloud *c, int cpu)
{
	struct error err;
	int64_t n = 0;

	assert_true(
		db_int_query(store_ro(c->store), &err, &n,
			"SELECT count(*) FROM allocation_cpu x JOIN server s ON s.id = x.allocation_id AND "
			"s.host_id = x.host_id WHERE x.cpu = ?",
			"i", (int64_t)cpu) >= 0);
	return n;
}

/* One that moves while it runs lies there as that host gives it; if not, it runs on, and is shown. */
static void test_live(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct want w = { .vcpus = 8,
		.ram_mib = 8192,
		.extra_specs = "{\"hw:cpu_policy\": \"dedicated\", \"hw:numa_nodes\": \"2\", "
			       "\"hw:mem_page_size\": \"1GB\"}" };
	struct cpuset used = { { 0 } };
	struct cloud c = { 0 };
	struct hv_domain d;
	struct server s;
	struct go go;

	(void)state;
	make(&c, 2);
	w.host = "host0";
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	go = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &go);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	d = has(&c, 1, w.uid[0], &a);
	check_pins(&d, &used);
	for (int cpu = cpuset_next(&used, 0); cpu >= 0; cpu = cpuset_next(&used, cpu + 1))
		assert_int_equal(allocated(&c, cpu), 1);
	sim_breach(c.worlds[0], SIM_OTHER_PIN);
	cloud_ok(&c, do_move, &go);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	cloud_until(&c, flows_gone, NULL);
	s = cloud_server(&c, &a, w.uid[0]);
	assert_string_equal(s.fault_message, "The host did not give the server what it was promised.");
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	mend(&c, w.uid[0]);
	end(&c);
}

/* --- parts of GPUs -------------------------------------------------------------------------------------- */

static bool parts_are(struct cloud *c, void *arg)
{
	size_t n = 0;

	for (unsigned i = 0; i < c->hosts_n; i++)
		n += sim_mdev_count(c->worlds[i]);
	return n == *(size_t *)arg && flows_gone(c, NULL) &&
	       cloud_count(c, "SELECT count(*) FROM allocation_part") == (int64_t)n;
}

static void until_parts(struct cloud *c, size_t n)
{
	cloud_until(c, parts_are, &n);
}

static void test_parts(void **state)
{
	struct want w = { .extra_specs = PARTS(2) };
	struct op stop, start;
	struct change x;
	struct cloud c = { 0 };
	unsigned host = 0;

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 2);
	stop = (struct op) { w.uid[0], SERVER_STOP };
	start = (struct op) { w.uid[0], SERVER_START };
	cloud_ok(&c, do_op, &stop);
	cloud_until_server(&c, w.uid[0], VM_STOPPED);
	until_parts(&c, 2); /* they are its own as long as it is there */
	sim_crash(c.worlds[0]);
	assert_int_equal(sim_mdev_count(c.worlds[0]), 0);
	cloud_until(&c, host_connected, &host);
	cloud_ok(&c, do_op, &start);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 2);
	x = change(w.uid[0], CHANGE_SHELVE);
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, w.uid[0], VM_SHELVED_OFFLOADED);
	until_parts(&c, 0);
	x = change(w.uid[0], CHANGE_UNSHELVE);
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 2);
	/* what an administrator took away is made again */
	assert_int_equal(sim_undefine(c.worlds[0], w.uid[0]), 0);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	until_parts(&c, 0);
	end(&c);
}

static void test_parts_move(void **state)
{
	struct want w = { .extra_specs = PARTS(3) };
	struct cloud c = { 0 };
	struct go go;

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	/* on the one host: those of both flavors, until it is decided */
	go = resize_to(w.uid[0], 2, 1024, PARTS(1));
	cloud_ok(&c, do_move, &go);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	until_parts(&c, 4);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 3);
	go = resize_to(w.uid[0], 2, 1024, PARTS(2));
	cloud_ok(&c, do_move, &go);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	until_parts(&c, 5);
	verb(&c, w.uid[0], 'c');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 2);
	/* to another host */
	put_host(&c);
	go = go_elsewhere(w.uid[0], MOVE_COLD);
	cloud_ok(&c, do_move, &go);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	until_parts(&c, 4);
	verb(&c, w.uid[0], 'c');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	until_parts(&c, 2);
	assert_int_equal(sim_mdev_count(c.worlds[0]), 0);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	until_parts(&c, 0);
	end(&c);
}

/* A part that the host does not make. */
static void test_parts_refused(void **state)
{
	struct want w = { .extra_specs = PARTS(1) };
	struct cloud c = { 0 };

	(void)state;
	make(&c, 1);
	sim_fault(c.worlds[0], SIM_MDEV_ENSURE, 1, -1, SIM_FAIL);
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	assert_int_equal(sim_calls(c.worlds[0], SIM_DOMAIN_START), 0);
	sim_faults_clear(c.worlds[0]);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	until_parts(&c, 0);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_floating),
		cmocka_unit_test(test_broken_at_create),
		cmocka_unit_test(test_broken_later),
		cmocka_unit_test(test_broken_resize),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_parts_move),
		cmocka_unit_test(test_parts_refused),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
