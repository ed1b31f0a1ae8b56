/* SPDX-License-Identifier: Apache-2.0 */
/* Stops the engine, as kill -9 would, at every point where a step hands over (before its act, after it, after
 * its commit), of every flow in a server's life; opens the store again; and expects the same end. The points
 * are counted, not listed: a step that is added is covered the same day. Then everything once more with each
 * act run twice, as after a lost reply. */
#include "change_fixture.h"

#include "base/log.h"
#include "store/devices.h"
#include "store/images.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330&mdev=nvidia-474:7:H100-1-10C"

static struct {
	int crash_at; /* -1: never */
	int seen;
	bool crashed;
	char where[128];
	char names[192][96]; /* points seen, once each */
	int names_n;
} points;

static bool crash_here(void *ctx, const char *step, const char *point)
{
	char name[96];
	int i = 0;

	(void)ctx;
	snprintf(name, sizeof name, "%s %s", step, point);
	while (i < points.names_n && strcmp(points.names[i], name) != 0)
		i++;
	if (i == points.names_n && i < (int)ARRAY_LEN(points.names))
		strcpy(points.names[points.names_n++], name);
	if (points.seen++ != points.crash_at)
		return false;
	points.crashed = true;
	str_copy(points.where, sizeof points.where, name);
	return true;
}

/* An operation of the life, and what the server is then. */
struct deed {
	int op; /* enum server_op, or one of these */
	enum vm_state then;
	enum hv_power power;
};
enum { DEED_CREATE = 100, DEED_DELETE, DEED_IMAGE };

static const struct deed life_gpu[] = {
	{ DEED_CREATE, VM_ACTIVE, HV_POWER_RUNNING },
	{ SERVER_STOP, VM_STOPPED, HV_POWER_SHUTOFF },
	{ SERVER_START, VM_ACTIVE, HV_POWER_RUNNING },
	{ SERVER_PAUSE, VM_PAUSED, HV_POWER_PAUSED },
	{ SERVER_UNPAUSE, VM_ACTIVE, HV_POWER_RUNNING },
	{ SERVER_REBOOT_SOFT, VM_ACTIVE, HV_POWER_RUNNING },
	{ SERVER_REBOOT_HARD, VM_ACTIVE, HV_POWER_RUNNING },
	{ CHANGE_SHELVE, VM_SHELVED_OFFLOADED, HV_POWER_ABSENT },
	{ CHANGE_UNSHELVE, VM_ACTIVE, HV_POWER_RUNNING },
	{ DEED_DELETE, VM_DELETED, HV_POWER_ABSENT },
	{ DEED_IMAGE, VM_DELETED, HV_POWER_ABSENT },
};

static const struct deed life_plain[] = {
	{ DEED_CREATE, VM_ACTIVE, HV_POWER_RUNNING },
	{ SERVER_SUSPEND, VM_SUSPENDED, HV_POWER_SUSPENDED },
	{ SERVER_RESUME, VM_ACTIVE, HV_POWER_RUNNING },
	{ CHANGE_CREATE_IMAGE, VM_ACTIVE, HV_POWER_RUNNING },
	{ CHANGE_BACKUP, VM_ACTIVE, HV_POWER_RUNNING },
	{ CHANGE_RESCUE, VM_RESCUED, HV_POWER_RUNNING },
	{ CHANGE_UNRESCUE, VM_ACTIVE, HV_POWER_RUNNING },
	{ CHANGE_REBUILD, VM_ACTIVE, HV_POWER_RUNNING },
	{ DEED_DELETE, VM_DELETED, HV_POWER_ABSENT },
	{ DEED_IMAGE, VM_DELETED, HV_POWER_ABSENT },
};

static const struct life {
	const char *extra_specs;
	int gpus, parts; /* parts of a GPU */
	const struct deed *deeds;
	size_t n;
} lives[] = {
	{ "{\"pci_passthrough:alias\": \"h100:1\", \"resources:VGPU\": \"2\", "
	  "\"cloudd:gpu_profile\": \"nvidia-474\"}",
		1, 2, life_gpu, ARRAY_LEN(life_gpu) },
	{ "{}", 0, 0, life_plain, ARRAY_LEN(life_plain) },
};

static int do_image_delete(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	if (store_image_delete(db, c->image, 5, err) || images_counted(c, db, err))
		return -1;
	return flow_image_deleted(c->e, db, c->image, err);
}

static void begin(struct cloud *c, const struct deed *d, struct want *w)
{
	struct op op = { w->uid[0], (enum server_op)d->op };
	struct change change = { .uid = w->uid[0], .what = (enum change_kind)d->op, .rotation = "1" };

	if (d->op == DEED_CREATE)
		cloud_ok(c, do_create, w);
	else if (d->op == DEED_DELETE)
		cloud_ok(c, do_delete, w->uid[0]);
	else if (d->op == DEED_IMAGE)
		cloud_ok(c, do_image_delete, NULL);
	else if (d->op >= CHANGE_CREATE_IMAGE)
		cloud_ok(c, do_change, &change);
	else
		cloud_ok(c, do_op, &op);
}

static bool settled_or_crashed(struct cloud *c, void *arg)
{
	return points.crashed || flows_gone(c, arg);
}

static void check_end(struct cloud *c, const struct life *life, const struct deed *d, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, uid);
	struct sim_domain dom = { .power = HV_POWER_ABSENT };
	char volume[HV_VOLUME_NAME];
	bool gone = d->then == VM_DELETED, away = gone || d->then == VM_SHELVED_OFFLOADED;

	sim_domain_get(c->worlds[0], uid, &dom);
	assert_string_equal(vm_state_text(s.vm_state), vm_state_text(d->then));
	assert_int_equal(s.task_state, TASK_NONE);
	assert_int_equal(dom.power, d->power);
	assert_int_equal(sim_domain_count(c->worlds[0]), away ? 0 : 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), away ? 0 : 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation_device"), away ? 0 : life->gpus);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation_part"), away ? 0 : life->parts);
	assert_int_equal(sim_mdev_count(c->worlds[0]), away ? 0 : life->parts);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server' AND ended_us IS NULL"),
		gone ? 0 : 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM port"), gone ? 0 : 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE message IS NOT NULL"), 0);
	assert_int_equal(sim_devices_shared(c->worlds[0]), 0);
	if (d->op == DEED_IMAGE)
		assert_int_equal(sim_volume_count(c->worlds[0]), 0);
	/* one snapshot and one backup at most; a shelved server's image goes with the wait */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM image WHERE status != 'active'"), 0);
	cloud_until(c, files_match, NULL);
	assert_false(sim_volume_exists(c->worlds[0], hv_server_volume(uid, HV_SNAPSHOT, volume)));
	assert_int_equal(sim_volume_exists(c->worlds[0], hv_server_volume(uid, HV_RESCUE, volume)),
		d->then == VM_RESCUED);
	cloud_clean(c);
}

static void do_deed(struct cloud *c, const struct life *life, const struct deed *d, struct want *w)
{
	unsigned host = 0;

	begin(c, d, w);
	cloud_until(c, settled_or_crashed, NULL);
	if (points.crashed) {
		points.crashed = false;
		cloud_shut(c);
		cloud_open(c);
		files_recover(c);
		cloud_until(c, flows_gone, NULL);
		cloud_until(c, host_connected, &host);
	}
	check_end(c, life, d, w->uid[0]);
}

/* One GPU is given in parts. */
static int do_cut(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct device_row *d;
	size_t n;

	(void)arg;
	if (store_device_list(db, &a, c->hosts[0], &d, &n, err))
		return -1;
	return flow_gpu_change(c->e, db, &d[0], GPU_CUT, "mdev", err);
}

/* A whole life with a crash at the n-th point; false when there is none such. */
static bool live(const struct life *life, int crash_at, bool twice)
{
	struct cloud c = { .hooks = { .crash = crash_here, .act_twice = twice } };
	struct want w = { .drive = true, .pass = "secret", .extra_specs = life->extra_specs };

	points.crash_at = crash_at;
	points.seen = 0;
	points.where[0] = 0;
	cloud_make(&c);
	cloud_host(&c, HOST);
	cloud_ok(&c, do_cut, NULL);
	for (size_t i = 0; i < life->n; i++)
		do_deed(&c, life, &life->deeds[i], &w);
	cloud_close(&c);
	cloud_remove(&c);
	return points.where[0] != 0;
}

static void test_every_point(void **state)
{
	int crashes = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		for (int n = 0; live(&lives[i], n, false); n++)
			crashes++;
	print_message("%d crashes, %d different points\n", crashes, points.names_n);
	/* nineteen kinds of flows have 32 steps with three points each: those of the last step's commit
	 * included */
	assert_true(points.names_n >= 96);
	assert_true(crashes >= points.names_n);
}

static void test_every_act_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		assert_false(live(&lives[i], -1, true));
}

static void test_every_point_and_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		for (int n = 0; live(&lives[i], n, true); n += 4)
			;
}

/* The deletion comes while each point of the creation is passed. */
static struct {
	struct cloud *c;
	int at, seen;
	bool due, fired;
} deletion;

static bool delete_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	(void)step;
	(void)point;
	if (deletion.seen++ == deletion.at)
		deletion.due = deletion.fired = true;
	return false;
}

static bool due_or_gone(struct cloud *c, void *arg)
{
	return deletion.due || flows_gone(c, arg);
}

static bool delete_during(int at)
{
	struct cloud c = { .hooks = { .crash = delete_here } };
	struct want w = { .drive = true, .extra_specs = lives[0].extra_specs };

	deletion.c = &c;
	deletion.at = at;
	deletion.seen = 0;
	deletion.due = deletion.fired = false;
	cloud_make(&c);
	cloud_host(&c, HOST);
	cloud_ok(&c, do_cut, NULL);
	cloud_ok(&c, do_create, &w);
	cloud_until(&c, due_or_gone, NULL);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until(&c, flows_gone, NULL);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(sim_mdev_count(c.worlds[0]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	cloud_clean(&c);
	cloud_close(&c);
	assert_true(sim_volume_count(c.worlds[0]) <= 1);
	cloud_remove(&c);
	return deletion.fired;
}

static void test_delete_during_create(void **state)
{
	int n = 0;

	(void)state;
	while (delete_during(n))
		n++;
	assert_true(n >= 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_point),
		cmocka_unit_test(test_every_act_twice),
		cmocka_unit_test(test_every_point_and_twice),
		cmocka_unit_test(test_delete_during_create),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
