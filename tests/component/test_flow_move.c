/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that change host or flavor: what they hold at both places, what quota counts meanwhile, what is
 * left on the hosts in the end, and the ways back. */
#include "move_fixture.h"

#include "base/log.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330"

static void expect_status(struct cloud *c, const char *status)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct move_filter all = { .limit = 1 };
	struct move *m;
	struct error err;
	size_t n;

	assert_int_equal(store_move_list(store_ro(c->store), &a, &all, &m, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(m[0].status, status);
}

static void set_up(struct cloud *c, struct want *w, unsigned hosts)
{
	cloud_make(c);
	for (unsigned i = 0; i < hosts; i++)
		cloud_host(c, HOST);
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
}

static void tear_down(struct cloud *c)
{
	cloud_clean(c);
	assert_int_equal(files_left(c), 0);
	cloud_close(c);
	cloud_remove(c);
}

/* Deletes what there is, and sees that nothing of it stays anywhere. */
static void delete_all(struct cloud *c, const char *uid)
{
	cloud_ok(c, do_delete, (void *)(uintptr_t)uid);
	cloud_until_server(c, uid, VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM migration WHERE ended_us IS NULL"), 0);
	assert_int_equal(quota_of(c, QUOTA_CORES), 0);
	assert_int_equal(quota_of(c, QUOTA_RAM), 0);
	assert_int_equal(quota_of(c, QUOTA_GPUS), 0);
	for (unsigned i = 0; i < c->hosts_n; i++) {
		assert_int_equal(sim_domain_count(c->worlds[i]), 0);
		assert_true(sim_volume_count(c->worlds[i]) <= 1); /* the image */
	}
}

/* ---- resize on one host ---- */

static void test_resize_here(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true };
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 6, 2048, NULL);
	cloud_ok(&c, do_move, &g);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 6);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	expect_status(&c, "finished");
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(cloud_count(&c, "SELECT vcpus FROM server"), 6);
	assert_int_equal(cloud_count(&c, "SELECT sum(vcpus) FROM allocation"), 6);
	assert_int_equal(
		cloud_count(&c, "SELECT vcpus FROM usage WHERE kind = 'server' AND ended_us IS NULL"), 6);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "reverted");
	assert_int_equal(cloud_count(&c, "SELECT vcpus FROM server"), 2);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 2);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	verb(&c, w.uid[0], 'c');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "confirmed");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	assert_int_equal(quota_of(&c, QUOTA_RAM), 2048);
	cloud_clean(&c);
	/* smaller: what it had stays held and counted until that is confirmed */
	g = resize_to(w.uid[0], 1, 512, NULL);
	g.flavor.uid = "f3";
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(cloud_count(&c, "SELECT sum(vcpus) FROM allocation"), 6);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 6);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'c');
	assert_int_equal(quota_of(&c, QUOTA_CORES), 1);
	assert_int_equal(cloud_count(&c, "SELECT sum(vcpus) FROM allocation"), 1);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* A disk that only the other flavor has goes with it: by the way back, and by a deletion on the way. */
static void test_resize_extra_disks(void **state)
{
	(void)state;
	for (int deleted = 0; deleted < 2; deleted++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true };
		struct go g;

		set_up(&c, &w, 1);
		g = resize_to(w.uid[0], 4, 1024, NULL);
		g.flavor.ephemeral_gib = 5;
		g.flavor.swap_mib = 512;
		cloud_ok(&c, do_move, &g);
		cloud_until_server(&c, w.uid[0], VM_RESIZED);
		if (!deleted) {
			verb(&c, w.uid[0], 'r');
			cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		}
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* From two GPUs to three on a host of four: two are kept, one comes; and back. */
static void test_resize_gpus(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:2\"}" };
	struct sim_domain d;
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 2, 1024, "{\"pci_passthrough:alias\": \"h100:3\"}");
	cloud_ok(&c, do_move, &g);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 3);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 3);
	assert_true(sim_domain_get(c.worlds[0], w.uid[0], &d));
	assert_int_equal(d.hostdevs_n, 3);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	assert_true(sim_domain_get(c.worlds[0], w.uid[0], &d));
	assert_int_equal(d.hostdevs_n, 2);
	g = resize_to(w.uid[0], 2, 1024, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 2);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'c');
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 0);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 0);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* What a failed way back may have left in the definition stays held: no GPU is in two. */
static void test_resize_gpus_back_fails(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:2\"}" }, other = w;
	struct op reboot = { w.uid[0], SERVER_REBOOT_HARD };
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 2, 1024, "{\"pci_passthrough:alias\": \"h100:3\"}");
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	sim_fault(c.worlds[0], SIM_DOMAIN_DEFINE, 1, 3, SIM_FAIL);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	expect_status(&c, "error");
	cloud_clean(&c);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 3);
	cloud_ok(&c, do_create, &other);
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	assert_int_equal(sim_devices_shared(c.worlds[0]), 0);
	cloud_clean(&c);
	cloud_ok(&c, do_op, &reboot);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 4);
	cloud_ok(&c, do_delete, other.uid[0]);
	cloud_until_server(&c, other.uid[0], VM_DELETED);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static void expect_refused(struct cloud *c, struct go *g, enum err code)
{
	assert_int_equal(cloud_do(c, do_move, g), -1);
	if (c->err.code != code)
		fail_msg("%s: %s (%s)", error_code_name(c->err.code), c->err.msg, c->err.detail);
}

static int do_limit(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err, "INSERT INTO quota VALUES (?, 'cores', 4)", "i", c->project) < 0 ? -1 : 0;
}

static void test_refusals(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:1\"}" };
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 2, 1024, NULL);
	g.flavor.uid = "f";
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* the same flavor */
	g = resize_to(w.uid[0], 2, 1024, NULL);
	g.flavor.disk_gib = 5;
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* a smaller disk */
	g.flavor.disk_gib = 0;
	expect_refused(&c, &g, ERR_BAD_REQUEST);
	g = resize_to(w.uid[0], 500, 1024, NULL);
	expect_refused(&c, &g, ERR_OVER_QUOTA);
	cloud_ok(&c, do_limit, NULL);
	g = resize_to(w.uid[0], 5, 1024, NULL);
	expect_refused(&c, &g, ERR_OVER_QUOTA);
	g = resize_to(w.uid[0], 2, 1 << 20, NULL);
	expect_refused(&c, &g, ERR_OVER_QUOTA);
	g = go_elsewhere(w.uid[0], MOVE_COLD);
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* nowhere to go */
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* GPUs */
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* the host is alive */
	g = go_elsewhere(w.uid[0], MOVE_COLD);
	g.move.host = "nowhere";
	expect_refused(&c, &g, ERR_BAD_REQUEST);
	g.move.host = "host0";
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* there already */
	g = (struct go) { .uid = w.uid[0], .verb = 'c' };
	expect_refused(&c, &g, ERR_CONFLICT);
	g.verb = 'r';
	expect_refused(&c, &g, ERR_CONFLICT);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM migration"), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* ---- to another host ---- */

static void test_cold(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .extra_specs = "{\"pci_passthrough:alias\": \"h100:1\"}" };
	struct go g;
	int from, to;

	(void)state;
	set_up(&c, &w, 2);
	from = host_of(&c, w.uid[0]);
	to = 1 - from;
	g = go_elsewhere(w.uid[0], MOVE_COLD);
	cloud_ok(&c, do_move, &g);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(host_of(&c, w.uid[0]), to);
	assert_int_equal(power_on(&c, to, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_SHUTOFF);
	assert_true(disk_on(&c, from, w.uid[0]) && disk_on(&c, to, w.uid[0]));
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 1);
	cloud_clean(&c);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	expect_status(&c, "reverted");
	assert_int_equal(host_of(&c, w.uid[0]), from);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(power_on(&c, to, w.uid[0]), HV_POWER_ABSENT);
	assert_false(disk_on(&c, to, w.uid[0]));
	cloud_clean(&c);
	/* again, off, and for good */
	cloud_ok(&c, do_op, &((struct op) { w.uid[0], SERVER_STOP }));
	cloud_until_server(&c, w.uid[0], VM_STOPPED);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(power_on(&c, to, w.uid[0]), HV_POWER_SHUTOFF);
	verb(&c, w.uid[0], 'c');
	cloud_until_server(&c, w.uid[0], VM_STOPPED);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_ABSENT);
	assert_false(disk_on(&c, from, w.uid[0]));
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_ok(&c, do_op, &((struct op) { w.uid[0], SERVER_START }));
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* Deleted while it waits for its confirmation: both places are cleared. */
static void test_delete_resized(void **state)
{
	struct cloud c = { .flow = { .resize_elsewhere = true } };
	struct want w = { .drive = true };
	struct go g;

	(void)state;
	set_up(&c, &w, 2);
	g = resize_to(w.uid[0], 4, 2048, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	assert_int_equal(cloud_count(&c, "SELECT count(DISTINCT host_id) FROM allocation"), 2);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* The other host refuses it: it runs on where it was, and nothing of it is left there. */
static void test_failed_move(void **state)
{
	static const enum sim_op ops[] = { SIM_VOLUME_UPLOAD, SIM_DOMAIN_DEFINE, SIM_DOMAIN_START };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true };
		struct go g;
		int from;

		set_up(&c, &w, 2);
		from = host_of(&c, w.uid[0]);
		sim_fault(c.worlds[1 - from], ops[i], 1, 50, SIM_FAIL);
		g = go_elsewhere(w.uid[0], MOVE_COLD);
		cloud_ok(&c, do_move, &g);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		cloud_until(&c, flows_gone, NULL);
		expect_status(&c, "error");
		assert_int_equal(host_of(&c, w.uid[0]), from);
		assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_RUNNING);
		assert_int_equal(power_on(&c, 1 - from, w.uid[0]), HV_POWER_ABSENT);
		assert_false(disk_on(&c, 1 - from, w.uid[0]));
		assert_int_equal(
			cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'migrate' AND "
					"message IS NOT NULL"),
			1);
		cloud_clean(&c);
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* ---- live ---- */

static void test_live(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true };
	struct sim_domain d;
	struct go g;
	int from;

	(void)state;
	set_up(&c, &w, 2);
	from = host_of(&c, w.uid[0]);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	expect_status(&c, "completed");
	assert_int_equal(host_of(&c, w.uid[0]), 1 - from);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_ABSENT);
	assert_true(sim_domain_get(c.worlds[1 - from], w.uid[0], &d));
	assert_int_equal(d.power, HV_POWER_RUNNING);
	assert_int_equal(d.starts, 1);
	assert_int_equal(d.epoch, cloud_count(&c, "SELECT epoch FROM server"));
	assert_false(disk_on(&c, from, w.uid[0]));
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	/* back, paused */
	cloud_ok(&c, do_op, &((struct op) { w.uid[0], SERVER_PAUSE }));
	cloud_until_server(&c, w.uid[0], VM_PAUSED);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_PAUSED);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(host_of(&c, w.uid[0]), from);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_PAUSED);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* What went wrong, and lost replies, at each call: it is on one host, and on that alone. */
static void live_fault(enum sim_op op, unsigned host, enum sim_fault_kind kind)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	struct go g;
	int at;

	set_up(&c, &w, 2);
	sim_fault(c.worlds[host], op, 1, 1, kind);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &g);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	at = host_of(&c, w.uid[0]);
	assert_int_equal(power_on(&c, at, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(power_on(&c, 1 - at, w.uid[0]), HV_POWER_ABSENT);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static void test_live_faults(void **state)
{
	static const enum sim_op ops[] = { SIM_DOMAIN_MIGRATE, SIM_MIGRATE_LOOK, SIM_DOMAIN_LOOK };
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY, SIM_DROP };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (unsigned host = 0; host < 2; host++)
			for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
				live_fault(ops[i], host, kinds[k]);
}

/* An older domain of the server, off, as a call that was cut off behind the move leaves it. */
static void leave_domain(struct cloud *c, unsigned host, const char *uid)
{
	char uri[64], volume[HV_VOLUME_NAME];
	struct hv_target target = { .uri = uri, .pool = "cloudd" };
	struct hv_disk disk = { .volume = hv_server_volume(uid, HV_ROOT, volume), .format = "qcow2" };
	struct hv_domain d = { .uuid = uid,
		.name = "left",
		.title = "left",
		.vcpus = 1,
		.ram_mib = 64,
		.disks = &disk,
		.disks_n = 1,
		.project_id = "p",
		.flavor_name = "f",
		.cloud_id = CLOUD_ID,
		.epoch = 1 };
	const struct hv_driver *drv;
	struct hv_conn *conn;
	struct error err;

	snprintf(uri, sizeof uri, "sim://%s", c->worlds[host]);
	drv = hv_driver_for(uri, &err);
	assert_int_equal(drv->connect(&target, NULL, NULL, &conn, &err), 0);
	assert_int_equal(drv->volume_ensure(conn, volume, 1 << 30, NULL, NULL, &err), 0);
	assert_int_equal(drv->domain_define(conn, &d, &err), 0);
	drv->close(conn);
}

static bool hangs(struct cloud *c, void *arg)
{
	return sim_hanging(c->worlds[*(unsigned *)arg]) > 0;
}

/* It runs there, and what it was is here still, off: it moved. */
static void test_live_left_behind(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	unsigned first = 0;
	struct go g;

	(void)state;
	set_up(&c, &w, 2);
	sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 1, 1, SIM_LOSE_REPLY);
	sim_fault(c.worlds[0], SIM_MIGRATE_LOOK, 2, 1, SIM_HANG);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &g);
	cloud_until(&c, hangs, &first);
	leave_domain(&c, 0, w.uid[0]);
	sim_release(c.worlds[0]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "completed");
	assert_int_equal(host_of(&c, w.uid[0]), 1);
	assert_int_equal(power_on(&c, 1, w.uid[0]), HV_POWER_RUNNING);
	assert_true(disk_on(&c, 1, w.uid[0]));
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_ABSENT);
	assert_false(disk_on(&c, 0, w.uid[0]));
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static bool not_connected(struct cloud *c, void *arg)
{
	return !host_connected(c, arg);
}

static void lose_host(struct cloud *c, unsigned host)
{
	int dead = (int)host;

	sim_set_down(c->worlds[host], true);
	sim_drop(c->worlds[host], "fire");
	cloud_until(c, not_connected, &host);
	cloud_ok(c, do_force_down, &dead);
}

static void find_host(struct cloud *c, int host)
{
	int up = -host - 1;

	sim_set_down(c->worlds[host], false);
	cloud_ok(c, do_force_down, &up);
	cloud_until(c, flows_gone, NULL);
}

/* One of the two hosts dies, by the operator's word: the guest is where it runs, and nobody waits for the
 * dead one. */
static void test_live_dead_host(void **state)
{
	(void)state;
	for (unsigned dead = 0; dead < 2; dead++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true, .host = "host0" };
		unsigned first = 0;
		struct go g;

		set_up(&c, &w, 2);
		sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 1, 1, dead ? SIM_DROP : SIM_LOSE_REPLY);
		sim_fault(c.worlds[0], SIM_MIGRATE_LOOK, 2, 1, SIM_HANG);
		g = go_elsewhere(w.uid[0], MOVE_LIVE);
		cloud_ok(&c, do_move, &g);
		cloud_until(&c, hangs, &first);
		lose_host(&c, dead);
		if (!dead) {
			g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
			assert_int_equal(cloud_do(&c, do_move, &g), -1);
		}
		sim_release(c.worlds[0]);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		expect_status(&c, dead ? "error" : "completed");
		assert_int_equal(host_of(&c, w.uid[0]), 1 - (int)dead);
		assert_int_equal(power_on(&c, 1 - (int)dead, w.uid[0]), HV_POWER_RUNNING);
		find_host(&c, (int)dead);
		assert_int_equal(power_on(&c, (int)dead, w.uid[0]), HV_POWER_ABSENT);
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* ---- moves that are cut off between their phases ---- */

static int do_host_nothing(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)db;
	(void)arg;
	(void)err;
	return 0;
}

static bool no_server_flow(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE subject_kind = 'server'") == 0;
}

static bool asked_there(struct cloud *c, void *arg)
{
	return sim_calls(c->worlds[1], SIM_DOMAIN_LOOK) >= *(uint64_t *)arg;
}

/* The controller of the move is gone when all was sent: nobody tells the one host to let it go on, or the
 * other. It goes on where it may, and was never at two places. */
static void test_live_cut(void **state)
{
	static const enum sim_cut cuts[] = { SIM_CUT_PERFORMED, SIM_CUT_WAITING, SIM_CUT_FINISHED };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		bool moved = cuts[i] == SIM_CUT_FINISHED;
		struct cloud c = { 0 };
		struct want w = { .drive = true, .host = "host0" };
		struct sim_domain d;
		uint64_t looks;
		struct go g;

		clock_ahead_us = 0;
		set_up(&c, &w, 2);
		sim_move_cut(c.worlds[0], cuts[i]);
		g = go_elsewhere(w.uid[0], MOVE_LIVE);
		cloud_ok(&c, do_move, &g);
		if (cuts[i] == SIM_CUT_WAITING) {
			/* the word may still come: it is waited for */
			looks = sim_calls(c.worlds[1], SIM_DOMAIN_LOOK) + 4;
			cloud_until(&c, asked_there, &looks);
			assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_PAUSED);
			assert_int_equal(power_on(&c, 1, w.uid[0]), HV_POWER_PAUSED);
			clock_ahead_us += 3600 * 1000000LL;
		}
		cloud_until(&c, flows_gone, NULL);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		expect_status(&c, moved ? "completed" : "error");
		assert_int_equal(host_of(&c, w.uid[0]), moved);
		assert_true(sim_domain_get(c.worlds[moved], w.uid[0], &d));
		assert_int_equal(d.power, HV_POWER_RUNNING);
		assert_int_equal(d.starts, 1); /* it was paused, not started again */
		assert_int_equal(power_on(&c, !moved, w.uid[0]), HV_POWER_ABSENT);
		assert_true(disk_on(&c, moved, w.uid[0]));
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* And while the other host cannot be asked, it is let go on nowhere; unless the operator says that it is
 * dead. */
static void test_live_cut_away(void **state)
{
	(void)state;
	for (int dead = 0; dead < 2; dead++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true, .host = "host0" };
		unsigned first = 0, other = 1;
		struct go g;

		set_up(&c, &w, 2);
		sim_move_cut(c.worlds[0], SIM_CUT_PERFORMED);
		sim_fault(c.worlds[0], SIM_MIGRATE_LOOK, 2, 1, SIM_HANG);
		g = go_elsewhere(w.uid[0], MOVE_LIVE);
		cloud_ok(&c, do_move, &g);
		cloud_until(&c, hangs, &first);
		sim_set_down(c.worlds[1], true);
		sim_drop(c.worlds[1], "fire");
		cloud_until(&c, not_connected, &other);
		sim_release(c.worlds[0]);
		while (cloud_count(&c,
			       "SELECT count(*) FROM flow WHERE step = 'there' AND state = 'waiting'") == 0)
			cloud_ok(&c, do_host_nothing, NULL);
		assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_PAUSED);
		if (dead)
			cloud_ok(&c, do_force_down, &(int) { 1 });
		else
			sim_set_down(c.worlds[1], false);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
		if (dead)
			find_host(&c, 1);
		cloud_until(&c, flows_gone, NULL);
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* The other host is frozen when the move begins: it is given up in its time, cancelled, and both are asked.
 * When the host thaws, nothing comes to it any more. */
static void test_live_frozen(void **state)
{
	struct cloud c = { .flow = { .stage_timeout_ms = 100 } };
	struct want w = { .drive = true, .host = "host0", .disk_gib = 1, .no_image = true };
	struct go g;

	(void)state;
	set_up(&c, &w, 2);
	sim_fault(c.worlds[1], SIM_VOLUME_ENSURE, 1, 1, SIM_HANG);
	g = go_elsewhere(w.uid[0], MOVE_LIVE);
	cloud_ok(&c, do_move, &g);
	cloud_until(&c, no_server_flow, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "error");
	assert_int_equal(host_of(&c, w.uid[0]), 0);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	sim_release(c.worlds[1]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until(&c, lanes_idle, NULL);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(power_on(&c, 1, w.uid[0]), HV_POWER_ABSENT);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static int do_cancel(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct move m;
	int64_t id = 0;

	(void)c;
	if (db_int_query(db, err, &id, "SELECT id FROM server WHERE uid = ?", "s", (const char *)arg) <= 0 ||
		store_move_open(db, &a, id, &m, err) <= 0)
		return -1;
	return flow_move_order(db, &m, MOVE_WORD_CANCEL, 5, err);
}

static bool is_running(struct cloud *c, void *arg)
{
	return sim_calls(c->worlds[0], SIM_DOMAIN_MIGRATE) > 0 &&
	       cloud_count(c, "SELECT count(*) FROM migration WHERE status = 'running'") == 1 && !arg;
}

static void test_live_words(void **state)
{
	static const enum move_word words[] = { MOVE_WORD_CANCEL, MOVE_WORD_FORCE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true, .host = "host0" };
		struct go g;

		cloud_make(&c);
		cloud_host(&c, HOST "&move_ms=100000");
		cloud_host(&c, HOST);
		cloud_ok(&c, do_create, &w);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		g = go_elsewhere(w.uid[0], MOVE_LIVE);
		cloud_ok(&c, do_move, &g);
		cloud_until(&c, is_running, NULL);
		if (words[i] == MOVE_WORD_CANCEL)
			cloud_ok(&c, do_cancel, w.uid[0]);
		flow_move_tell(c.e, c.hosts[0], w.uid[0], words[i]);
		cloud_until(&c, flows_gone, NULL);
		expect_status(&c, words[i] == MOVE_WORD_CANCEL ? "cancelled" : "completed");
		assert_int_equal(host_of(&c, w.uid[0]), words[i] == MOVE_WORD_CANCEL ? 0 : 1);
		cloud_clean(&c);
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* ---- evacuation ---- */

static void test_evacuate(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .extra_specs = "{\"pci_passthrough:alias\": \"h100:1\"}" };
	struct go g;
	int from, up;
	unsigned host;

	(void)state;
	set_up(&c, &w, 2);
	host = (unsigned)(from = host_of(&c, w.uid[0]));
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	sim_set_down(c.worlds[from], true);
	sim_drop(c.worlds[from], "fire");
	cloud_until(&c, not_connected, &host);
	expect_refused(&c, &g, ERR_BAD_REQUEST); /* nobody said that it is dead */
	/* a flow that waits for it gives way */
	cloud_ok(&c, do_op, &((struct op) { w.uid[0], SERVER_STOP }));
	cloud_ok(&c, do_force_down, &from);
	while (cloud_do(&c, do_move, &g))
		assert_int_equal(c.err.code, ERR_CONFLICT); /* its call is under way still */
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "done");
	assert_int_equal(host_of(&c, w.uid[0]), 1 - from);
	assert_int_equal(power_on(&c, 1 - from, w.uid[0]), HV_POWER_RUNNING);
	/* until the dead one is heard, what was held there stays held */
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_RUNNING);
	sim_set_down(c.worlds[from], false);
	up = -from - 1;
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(power_on(&c, from, w.uid[0]), HV_POWER_ABSENT);
	assert_false(disk_on(&c, from, w.uid[0]));
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static int do_host_remove(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_remove(c->e, db, c->hosts[*(int *)arg], err);
}

/* A host that never comes back is taken out with what was left there. */
static void test_host_gone_for_good(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	struct go g;
	int host = 0;
	unsigned first = 0;

	(void)state;
	set_up(&c, &w, 2);
	sim_set_down(c.worlds[0], true);
	sim_drop(c.worlds[0], "fire");
	cloud_until(&c, not_connected, &first);
	cloud_ok(&c, do_force_down, &host);
	assert_int_equal(cloud_do(&c, do_host_remove, &host), -1); /* a server lives there */
	assert_int_equal(c.err.code, ERR_CONFLICT);
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_ok(&c, do_host_remove, &host);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM migration WHERE source_host_id IS NULL"), 1);
	cloud_clean(&c);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	tear_down(&c);
}

static bool waits_at(struct cloud *c, void *arg)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	struct error err;
	size_t n;

	assert_int_equal(store_flow_list(store_ro(c->store), &a, &rows, &n, &err), 0);
	return n == 1 && strcmp(rows[0].step, arg) == 0 && rows[0].tries > 0;
}

/* A host dies under a cold move. The old one, before the disk is away: what the new one has of it goes, and
 * it can be made anew there. The new one: it runs on where it was. */
static void test_cold_dead_host(void **state)
{
	(void)state;
	for (unsigned dead = 0; dead < 2; dead++) {
		struct cloud c = { 0 };
		struct want w = { .drive = true, .host = "host0" };
		struct go g = { .uid = w.uid[0] };

		set_up(&c, &w, 2);
		sim_fault(c.worlds[0], SIM_VOLUME_FLATTEN, 1, dead ? 0 : -1, SIM_DROP);
		sim_fault(c.worlds[1], SIM_VOLUME_UPLOAD, 1, dead ? -1 : 0, SIM_DROP);
		g = go_elsewhere(w.uid[0], MOVE_COLD);
		cloud_ok(&c, do_move, &g);
		cloud_until(&c, waits_at, dead ? "send" : "fetch");
		lose_host(&c, dead);
		cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		expect_status(&c, "error");
		assert_int_equal(host_of(&c, w.uid[0]), 0);
		if (!dead) {
			cloud_until(&c, flows_gone, NULL);
			g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
			cloud_ok(&c, do_move, &g);
			cloud_until_server(&c, w.uid[0], VM_ACTIVE);
		}
		assert_int_equal(power_on(&c, 1 - (int)dead, w.uid[0]), HV_POWER_RUNNING);
		cloud_clean(&c);
		sim_faults_clear(c.worlds[dead]);
		find_host(&c, (int)dead);
		assert_int_equal(sim_domain_count(c.worlds[dead]), 0);
		delete_all(&c, w.uid[0]);
		tear_down(&c);
	}
}

/* It goes back on a host that is dead, where it may run on as it was: its GPUs are nobody else's when the
 * host comes back. */
static void test_resize_gpus_back_on_dead_host(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:2\"}" }, other = w;
	struct op reboot = { w.uid[0], SERVER_REBOOT_HARD };
	unsigned host = 0;
	struct go g;
	int up = -1;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 2, 1024, "{\"pci_passthrough:alias\": \"h100:3\"}");
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	lose_host(&c, 0);
	verb(&c, w.uid[0], 'r');
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	cloud_clean(&c);
	sim_set_down(c.worlds[0], false);
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, host_connected, &host);
	cloud_ok(&c, do_create, &other);
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	assert_int_equal(sim_devices_shared(c.worlds[0]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 3);
	cloud_ok(&c, do_op, &reboot);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_ok(&c, do_delete, other.uid[0]);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* The new host dies before the server is made anew there: it goes to a third one. */
static void test_evacuate_again(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	cloud_host(&c, HOST);
	sim_fault(c.worlds[1], SIM_DOMAIN_DEFINE, 1, -1, SIM_DROP);
	lose_host(&c, 0);
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	while (cloud_do(&c, do_move, &g))
		assert_int_equal(c.err.code, ERR_CONFLICT);
	cloud_host(&c, HOST);
	assert_int_equal(cloud_do(&c, do_move, &g), -1); /* it goes on */
	assert_int_equal(c.err.code, ERR_CONFLICT);
	lose_host(&c, 1);
	while (cloud_do(&c, do_move, &g))
		assert_int_equal(c.err.code, ERR_CONFLICT);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, w.uid[0]), 2);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 3);
	cloud_clean(&c);
	sim_faults_clear(c.worlds[1]);
	sim_set_down(c.worlds[0], false);
	find_host(&c, 1);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(sim_domain_count(c.worlds[1]), 0);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

static bool one_holds(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM allocation") == 1;
}

/* A host that came back, was cleared, and is taken out before the server is made anew elsewhere. */
static void test_host_removed_behind(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	struct go g;
	int host = 0, up = -1;

	(void)state;
	set_up(&c, &w, 2);
	sim_fault(c.worlds[1], SIM_DOMAIN_DEFINE, 1, -1, SIM_DROP);
	lose_host(&c, 0);
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	cloud_ok(&c, do_move, &g);
	sim_set_down(c.worlds[0], false);
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, one_holds, NULL);
	cloud_ok(&c, do_host_remove, &host);
	sim_faults_clear(c.worlds[1]);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	expect_status(&c, "done");
	cloud_clean(&c);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	tear_down(&c);
}

static bool spawns(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE step = 'spawn'") == 1;
}

/* The new host dies while the server is on its way to it: it goes back to its disk. */
static void test_evacuate_back(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true, .host = "host0" };
	struct go g;
	int host = 1, up = -2;
	unsigned second = 1;

	(void)state;
	set_up(&c, &w, 2);
	sim_fault(c.worlds[1], SIM_DOMAIN_DEFINE, 1, -1, SIM_DROP);
	g = go_elsewhere(w.uid[0], MOVE_COLD);
	cloud_ok(&c, do_move, &g);
	cloud_until(&c, spawns, NULL);
	sim_set_down(c.worlds[1], true);
	sim_drop(c.worlds[1], "fire");
	cloud_until(&c, not_connected, &second);
	cloud_ok(&c, do_force_down, &host);
	g = go_elsewhere(w.uid[0], MOVE_EVACUATION);
	while (cloud_do(&c, do_move, &g))
		assert_int_equal(c.err.code, ERR_CONFLICT);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, w.uid[0]), 0);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	expect_status(&c, "error");
	sim_faults_clear(c.worlds[1]);
	sim_set_down(c.worlds[1], false);
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c.worlds[1]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* A server on a dead host can be deleted; the host is cleared when it is back. */
static void test_delete_on_dead_host(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .drive = true };
	int host = 0, up = -1;
	unsigned first = 0;

	(void)state;
	set_up(&c, &w, 1);
	sim_set_down(c.worlds[0], true);
	sim_drop(c.worlds[0], "fire");
	cloud_until(&c, not_connected, &first);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_ok(&c, do_force_down, &host);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 1);
	cloud_clean(&c);
	sim_set_down(c.worlds[0], false);
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 0);
	tear_down(&c);
}

/* Nor is what a second flavor held on the same host given back before that. */
static void test_delete_resized_on_dead_host(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\": \"h100:2\"}" };
	int host = 0, up = -1;
	unsigned first = 0;
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 2, 1024, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	sim_set_down(c.worlds[0], true);
	sim_drop(c.worlds[0], "fire");
	cloud_until(&c, not_connected, &first);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_ok(&c, do_force_down, &host);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(quota_of(&c, QUOTA_GPUS), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation_device"), 2);
	cloud_clean(&c);
	sim_set_down(c.worlds[0], false);
	cloud_ok(&c, do_force_down, &up);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 0);
	tear_down(&c);
}

/* ---- by time alone ---- */

static void test_confirmed_by_time(void **state)
{
	struct cloud c = { .flow = { .resize_confirm_s = 1 } };
	struct want w = { .drive = true };
	struct go g;

	(void)state;
	set_up(&c, &w, 1);
	g = resize_to(w.uid[0], 4, 2048, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_status(&c, "confirmed");
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM audit WHERE action = 'server.auto_confirm'"), 1);
	/* where it was put first, and where it went */
	assert_int_equal(
		cloud_count(
			&c, "SELECT count(*) FROM audit WHERE action = 'placement.choose' AND status = 200"),
		2);
	delete_all(&c, w.uid[0]);
	tear_down(&c);
}

/* Not while the host of the new disk cannot be heard. */
static void test_not_confirmed_by_time(void **state)
{
	struct cloud c = { .flow = { .resize_confirm_s = 2, .resize_elsewhere = true } };
	struct want w = { .host = "host1" }, v = { .host = "host0" };
	unsigned second = 1;
	struct go g;

	(void)state;
	set_up(&c, &w, 2);
	cloud_ok(&c, do_create, &v);
	cloud_until_server(&c, v.uid[0], VM_ACTIVE);
	g = resize_to(w.uid[0], 4, 2048, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	g = resize_to(v.uid[0], 4, 2048, NULL);
	cloud_ok(&c, do_move, &g);
	cloud_until_server(&c, v.uid[0], VM_RESIZED);
	sim_set_down(c.worlds[1], true);
	sim_drop(c.worlds[1], "fire");
	cloud_until(&c, not_connected, &second);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE); /* its time was over before the other's */
	assert_true(disk_on(&c, 0, v.uid[0]));
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server WHERE vm_state = 'resized'"), 1);
	sim_set_down(c.worlds[1], false);
	cloud_until_server(&c, v.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_false(disk_on(&c, 0, v.uid[0]));
	delete_all(&c, v.uid[0]);
	tear_down(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resize_here),
		cmocka_unit_test(test_resize_extra_disks),
		cmocka_unit_test(test_resize_gpus),
		cmocka_unit_test(test_resize_gpus_back_fails),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_cold),
		cmocka_unit_test(test_delete_resized),
		cmocka_unit_test(test_failed_move),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_live_faults),
		cmocka_unit_test(test_live_left_behind),
		cmocka_unit_test(test_live_dead_host),
		cmocka_unit_test(test_live_cut),
		cmocka_unit_test(test_live_cut_away),
		cmocka_unit_test(test_live_frozen),
		cmocka_unit_test(test_live_words),
		cmocka_unit_test(test_evacuate),
		cmocka_unit_test(test_host_gone_for_good),
		cmocka_unit_test(test_cold_dead_host),
		cmocka_unit_test(test_resize_gpus_back_on_dead_host),
		cmocka_unit_test(test_host_removed_behind),
		cmocka_unit_test(test_evacuate_again),
		cmocka_unit_test(test_evacuate_back),
		cmocka_unit_test(test_delete_on_dead_host),
		cmocka_unit_test(test_delete_resized_on_dead_host),
		cmocka_unit_test(test_confirmed_by_time),
		cmocka_unit_test(test_not_confirmed_by_time),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
