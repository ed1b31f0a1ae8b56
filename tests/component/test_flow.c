/* SPDX-License-Identifier: Apache-2.0 */
/* Servers from request to end on simulated hosts: each state, what they hold, and what is left. */
#include "flow_fixture.h"

#include "base/log.h"
#include "store/images.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330"

static struct cloud cloud;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud_make(&cloud);
	cloud_host(&cloud, HOST);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	cloud_remove(*state);
	return 0;
}

static struct sim_domain domain_of(struct cloud *c, const char *uid)
{
	struct sim_domain d = { .power = HV_POWER_ABSENT };

	sim_domain_get(c->worlds[0], uid, &d);
	return d;
}

static void act(struct cloud *c, const char *uid, enum server_op op, enum vm_state then)
{
	struct op o = { uid, op };

	cloud_ok(c, do_op, &o);
	cloud_until_server(c, uid, then);
	cloud_clean(c);
}

static void test_life(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { .drive = true, .pass = "secret" };
	struct sim_domain d;
	struct server s;
	const char *uid = w.uid[0];

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, uid, VM_ACTIVE);
	cloud_clean(c);
	s = cloud_server(c, &a, uid);
	assert_int_equal(s.power_state, POWER_RUNNING);
	assert_true(s.launched_us >= s.created_us);
	assert_null(s.admin_pass);
	assert_string_equal(s.zone, "nova");
	d = domain_of(c, uid);
	assert_int_equal(d.power, HV_POWER_RUNNING);
	assert_int_equal(d.vcpus, 2);
	assert_int_equal(d.ram_mib, 1024);
	assert_int_equal(d.disks_n, 2);
	assert_int_equal(d.nics_n, 1);
	assert_int_equal(d.epoch, 1);

	act(c, uid, SERVER_STOP, VM_STOPPED);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_SHUTOFF);
	act(c, uid, SERVER_START, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_RUNNING);
	assert_int_equal(domain_of(c, uid).epoch, 2);
	act(c, uid, SERVER_PAUSE, VM_PAUSED);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_PAUSED);
	act(c, uid, SERVER_UNPAUSE, VM_ACTIVE);
	act(c, uid, SERVER_REBOOT_SOFT, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).epoch, 3);
	act(c, uid, SERVER_REBOOT_HARD, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).starts, 4);

	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, uid, VM_DELETED);
	cloud_clean(c);
	assert_int_equal(sim_domain_count(c->worlds[0]), 0);
	assert_int_equal(sim_volume_count(c->worlds[0]), 1); /* the image */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM port"), 0);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server' AND ended_us IS NULL"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	assert_int_equal(quota_index_get(flow_quota(c->e), c->project, QUOTA_INSTANCES), 0);
}

/* ---- what is refused leaves no trace ---- */

struct trace { /* what a refusal must not change */
	int64_t rows;
	char quota[512], placement[2048];
};

static void dump_text(struct buf *b, char *out, size_t size)
{
	str_copy(out, size, b->len ? buf_text(b) : "");
	buf_finish(b);
}

static struct error refusal; /* the last one */

static struct trace trace_of(struct cloud *c)
{
	struct trace t = {
		.rows = cloud_count(c,
			"SELECT (SELECT count(*) FROM server) + (SELECT count(*) FROM port) + "
			"(SELECT count(*) FROM port_address) + (SELECT count(*) FROM allocation) + "
			"(SELECT count(*) FROM allocation_device) + (SELECT count(*) FROM usage WHERE kind = "
			"'server') + "
			"(SELECT count(*) FROM flow) + (SELECT count(*) FROM server_action) + "
			"(SELECT count(*) FROM host_image) + (SELECT count(*) FROM server_metadata) + "
			"(SELECT sum(cursor) FROM subnet)")
	};
	struct buf b = { 0 };

	quota_index_dump(flow_quota(c->e), &b);
	dump_text(&b, t.quota, sizeof t.quota);
	placement_dump(flow_placement(c->e), &b);
	dump_text(&b, t.placement, sizeof t.placement);
	return t;
}

#define refused(c, want, error_code)                                      \
	do {                                                              \
		struct trace before_ = trace_of(c), after_;               \
		assert_int_equal(cloud_do(c, do_create, want), -1);       \
		refusal = (c)->err;                                       \
		assert_int_equal((c)->err.code, error_code);              \
		after_ = trace_of(c);                                     \
		assert_int_equal(before_.rows, after_.rows);              \
		assert_string_equal(before_.quota, after_.quota);         \
		assert_string_equal(before_.placement, after_.placement); \
		cloud_clean(c);                                           \
	} while (0)

static int do_limit(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO quota VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET hard_limit = ?3",
		       "isi", c->project, (const char *)arg, (int64_t)2) < 0
		       ? -1
		       : 0;
}

static int do_free(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err, "DELETE FROM quota WHERE project_id = ?", "i", c->project) < 0 ? -1 : 0;
}

static void test_quota(void **state)
{
	static const char *const resources[] = { "instances", "cores", "ram", "gpus", "ports" };
	struct cloud *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		struct want w = { .vcpus = 1,
			.ram_mib = 1,
			.count = 3,
			.extra_specs = "{\"pci_passthrough:alias\":\"h100:1\"}" };

		cloud_ok(c, do_limit, (void *)(uintptr_t)resources[i]);
		refused(c, &w, ERR_OVER_QUOTA);
		assert_non_null(strstr(refusal.msg, resources[i]));
		w.count = 2;
		cloud_ok(c, do_create, &w);
		cloud_until_server(c, w.uid[1], VM_ACTIVE);
		cloud_ok(c, do_delete, w.uid[0]);
		cloud_ok(c, do_delete, w.uid[1]);
		cloud_until(c, flows_gone, NULL);
		cloud_ok(c, do_free, NULL);
	}
	cloud_clean(c);
}

static void test_bad_requests(void **state)
{
	struct cloud *c = *state;
	struct want none = { .count = -1 }, address = { .fixed_ip = "10.0.1.1" },
		    text = { .fixed_ip = "nonsense" }, gateway = { .fixed_ip = "10.0.0.1" },
		    broadcast = { .fixed_ip = "10.0.0.255" }, many = { .count = 1001 };

	refused(c, &none, ERR_BAD_REQUEST);
	refused(c, &many, ERR_BAD_REQUEST);
	refused(c, &address, ERR_BAD_REQUEST);
	refused(c, &text, ERR_BAD_REQUEST);
	refused(c, &gateway, ERR_BAD_REQUEST);
	refused(c, &broadcast, ERR_BAD_REQUEST);
}

/* The image of 3 GiB does not fit 2. */
static int do_grow_image(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err, "UPDATE image SET virtual_size = 3221225472 WHERE id = ?", "i", c->image) < 0
		       ? -1
		       : 0;
}

static void test_image_too_large(void **state)
{
	struct cloud *c = *state;
	struct want w = { .disk_gib = 2 }, fits = { .disk_gib = 3 };

	cloud_ok(c, do_grow_image, NULL);
	refused(c, &w, ERR_BAD_REQUEST);
	cloud_ok(c, do_create, &fits);
	cloud_until_server(c, fits.uid[0], VM_ACTIVE);
}

static int do_unlimited(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err,
		       "INSERT INTO quota VALUES (?1, 'instances', -1), (?1, 'cores', -1), (?1, 'ram', -1)",
		       "i", c->project) < 0
		       ? -1
		       : 0;
}

static int do_wide(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	if (do_unlimited(c, db, arg, err))
		return -1;
	return db_run(db, err, "UPDATE subnet SET pool_last = pool_first + 200", NULL) < 0 ? -1 : 0;
}

/* Eleven addresses: a twelfth server is refused, with all that its request would have made. Freed ones rest.
 */
static void test_addresses(void **state)
{
	struct cloud *c = *state;
	struct want w = { .vcpus = 1, .ram_mib = 16, .disk_gib = 1, .count = 11 }, more = w, one = w,
		    fixed = w;

	cloud_ok(c, do_unlimited, NULL);
	more.count = 12;
	refused(c, &more, ERR_CONFLICT);
	one.count = fixed.count = 1;
	cloud_ok(c, do_create, &one);
	assert_int_equal(cloud_count(c, "SELECT address FROM port_address"), 167772170);
	cloud_ok(c, do_delete, one.uid[0]);
	cloud_until_server(c, one.uid[0], VM_DELETED);
	cloud_ok(c, do_create, &one);
	assert_int_equal(cloud_count(c, "SELECT address FROM port_address"), 167772171);
	fixed.fixed_ip = "10.0.0.12";
	cloud_ok(c, do_create, &fixed);
	refused(c, &fixed, ERR_CONFLICT);
	w.count = 9;
	cloud_ok(c, do_create, &w);
	assert_int_equal(cloud_count(c, "SELECT count(DISTINCT address) FROM port_address"), 11);
	refused(c, &one, ERR_CONFLICT);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
}

/* ---- placement ---- */

/* All or none: two of three would fit. They are made in ERROR and hold nothing. */
static void test_no_room(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { .ram_mib = 30 * 1024, .count = 3 };
	struct server s;

	cloud_ok(c, do_unlimited, NULL);
	cloud_ok(c, do_create, &w);
	for (int i = 0; i < 3; i++) {
		cloud_until_server(c, w.uid[i], VM_ERROR);
		s = cloud_server(c, &a, w.uid[i]);
		assert_int_equal(s.host_id, 0);
		assert_int_equal(s.fault_code, 500);
		assert_non_null(strstr(s.fault_message, "No valid host was found"));
	}
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server'"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM flow"), 0);
	assert_int_equal(quota_index_get(flow_quota(c->e), c->project, QUOTA_INSTANCES), 3);
	cloud_clean(c);
	for (int i = 0; i < 3; i++)
		cloud_ok(c, do_delete, w.uid[i]);
	cloud_until_server(c, w.uid[2], VM_DELETED); /* at once: it was never on a host */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM flow"), 0);
	cloud_clean(c);
}

/* Four GPUs for five servers: none is given twice, a freed one is given again. */
static void test_gpus(void **state)
{
	struct cloud *c = *state;
	struct want w = { .extra_specs = "{\"pci_passthrough:alias\":\"h100:2\"}", .count = 2 };
	struct want late = { .extra_specs = w.extra_specs },
		    unknown = { .extra_specs = "{\"pci_passthrough:alias\":\"a1:1\"}" };

	cloud_ok(c, do_create, &w);
	cloud_ok(c, do_create, &late);
	cloud_ok(c, do_create, &unknown);
	cloud_until_server(c, w.uid[1], VM_ACTIVE);
	cloud_until_server(c, late.uid[0], VM_ERROR);
	cloud_until_server(c, unknown.uid[0], VM_ERROR);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_devices_shared(c->worlds[0]), 0);
	assert_int_equal(domain_of(c, w.uid[0]).hostdevs_n, 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation_device"), 4);
	assert_int_equal(
		cloud_count(c, "SELECT sum(gpus) FROM usage WHERE kind = 'server' AND ended_us IS NULL"), 4);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_ok(c, do_create, &late);
	cloud_until_server(c, late.uid[0], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_devices_shared(c->worlds[0]), 0);
	cloud_clean(c);
}

/* ---- two wishes at once ---- */

static void test_conflicts(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	struct op stop = { w.uid[0], SERVER_STOP }, start = { w.uid[0], SERVER_START };

	cloud_ok(c, do_create, &w);
	assert_int_equal(cloud_do(c, do_op, &stop), -1); /* still building */
	assert_int_equal(c->err.code, ERR_CONFLICT);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_do(c, do_op, &start), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	cloud_ok(c, do_op, &stop);
	if (cloud_count(c, "SELECT count(*) FROM flow"))
		assert_int_equal(cloud_do(c, do_op, &stop), -1);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_do(c, do_delete, w.uid[0]); /* again: fine, or gone already */
	cloud_until_server(c, w.uid[0], VM_DELETED);
	assert_int_equal(cloud_do(c, do_delete, w.uid[0]), -1);
	assert_int_equal(c->err.code, ERR_NOT_FOUND);
	cloud_clean(c);
}

/* Forty at once, half of them deleted while they are made; then the engine starts anew. */
static void test_crowd(void **state)
{
	struct cloud *c = *state;
	struct want w[5] = { 0 };

	cloud_ok(c, do_wide, NULL);
	for (int i = 0; i < 5; i++) {
		w[i] = (struct want) { .vcpus = 1, .ram_mib = 64, .disk_gib = 1, .count = 8, .drive = i & 1 };
		cloud_ok(c, do_create, &w[i]);
		for (int k = 0; k < 8; k += 2)
			cloud_ok(c, do_delete, w[i].uid[k]);
	}
	cloud_close(c);
	cloud_open(c);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server WHERE vm_state = 'active'"), 20);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server WHERE vm_state = 'deleted'"), 20);
	assert_int_equal(sim_domain_count(c->worlds[0]), 20);
	cloud_clean(c);
}

/* ---- guests that do not go off ---- */

static void test_stop_unheard(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	struct op stop = { w.uid[0], SERVER_STOP };

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	sim_fault(c->worlds[0], SIM_DOMAIN_SHUTDOWN, 1, -1, SIM_FAIL);
	cloud_ok(c, do_op, &stop);
	cloud_until_server(c, w.uid[0], VM_STOPPED);
	assert_int_equal(domain_of(c, w.uid[0]).power, HV_POWER_SHUTOFF);
	assert_int_equal(sim_calls(c->worlds[0], SIM_DOMAIN_STOP), 1);
	sim_faults_clear(c->worlds[0]);
	cloud_clean(c);
}

/* ---- deadlines ---- */

static int do_expire(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err, "UPDATE flow SET deadline_us = 1", NULL) < 0 ? -1 : 0;
}

static int do_retry(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_retry(c->e, db, *(int64_t *)arg, err);
}

static bool is_stuck(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE state = 'stuck'") == 1 &&
	       tick_pending(c->tick) == 0;
}

static void test_stuck(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	int64_t id, bad = 1;

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "cable");
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_ok(c, do_expire, NULL);
	cloud_close(c);
	sim_set_down(c->worlds[0], false);
	cloud_open(c);
	cloud_until(c, is_stuck, NULL);
	cloud_close(c);
	cloud_open(c); /* it stays so */
	cloud_clean(c);
	assert_true(is_stuck(c, NULL));
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 1);
	assert_int_equal(cloud_do(c, do_retry, &bad), -1);
	assert_int_equal(c->err.code, ERR_NOT_FOUND);
	id = cloud_count(c, "SELECT id FROM flow");
	cloud_ok(c, do_retry, &id);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
}

/* A deletion in the very tick that gives a flow up: it does not wait for that flow. */
struct behind {
	struct cloud *c;
	struct cloud_unit unit;
	bool sent;
};

static void send_behind(uv_prepare_t *h)
{
	struct behind *b = h->data;

	if (b->sent || !tick_pending(b->c->tick))
		return;
	b->sent = true;
	tick_submit(b->c->tick, &b->unit.unit);
}

static void test_stuck_and_deleted(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	struct op stop = { w.uid[0], SERVER_STOP };
	struct behind b = { .c = c,
		.unit = { .unit = { .run = cloud_unit_run, .finish = cloud_unit_finish },
			.c = c,
			.fn = do_delete,
			.arg = w.uid[0] } };
	uv_prepare_t prepare;

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "cable");
	cloud_ok(c, do_op, &stop);
	cloud_ok(c, do_expire, NULL);
	cloud_close(c);
	cloud_open(c);
	uv_prepare_init(&c->loop.uv, &prepare);
	prepare.data = &b;
	uv_prepare_start(&prepare, send_behind);
	cloud_until(c, unit_finished, &b.unit);
	uv_close((uv_handle_t *)&prepare, NULL);
	assert_int_equal(b.unit.outcome, TICK_DONE);
	sim_set_down(c->worlds[0], false);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
}

/* ---- images that go while they are copied ---- */

static int do_image_delete(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	if (store_image_delete(db, c->image, 2, err) || images_counted(c, db, err))
		return -1;
	return flow_image_deleted(c->e, db, c->image, err);
}

static bool copy_hangs(struct cloud *c, void *arg)
{
	(void)arg;
	return sim_hanging(c->worlds[0]) == 1;
}

/* Nobody needs the copy any more when it is made, or has failed: nothing of it stays on the host. */
static void image_goes(struct cloud *c, enum sim_fault_kind then, int times)
{
	struct want w = { 0 };

	sim_fault(c->worlds[0], SIM_IMAGE_ENSURE, 1, 1, SIM_HANG);
	if (times)
		sim_fault(c->worlds[0], SIM_IMAGE_ENSURE, 1, times, then);
	cloud_ok(c, do_create, &w);
	cloud_until(c, copy_hangs, NULL);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_ok(c, do_image_delete, NULL);
	sim_release(c->worlds[0]);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host_image"), 0);
	assert_int_equal(sim_volume_count(c->worlds[0]), 0);
}

static void test_image_goes(void **state)
{
	image_goes(*state, SIM_FAIL, 0);
}

static void test_image_goes_failing(void **state)
{
	image_goes(*state, SIM_FAIL_AFTER, -1);
}

/* ---- the config drive ---- */

static void test_drive(void **state)
{
	struct cloud *c = *state;
	struct want w = { .drive = true, .pass = "pa55word" };
	char name[HV_VOLUME_NAME];
	struct buf b = { 0 };

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_true(sim_volume_read(c->worlds[0], hv_server_volume(w.uid[0], HV_CONFIG, name), &b));
	assert_non_null(memmem(b.data, b.len, "\"admin_pass\":\"pa55word\"", 23));
	assert_non_null(memmem(b.data, b.len, "\"hostname\":\"vm\"", 15));
	assert_non_null(memmem(b.data, b.len, "\"project_id\":\"c0ffee", 20));
	assert_non_null(memmem(b.data, b.len, "\"meta\":{\"role\":\"db\"}", 20));
	assert_non_null(memmem(b.data, b.len, "\"ip_address\":\"10.0.0.10\"", 24));
	assert_non_null(memmem(b.data, b.len, "\"netmask\":\"255.255.255.0\"", 25));
	assert_non_null(memmem(b.data, b.len, "\"gateway\":\"10.0.0.1\"", 20));
	assert_non_null(memmem(b.data, b.len, "\"address\":\"9.9.9.9\"", 19));
	assert_non_null(memmem(b.data, b.len, "ssh-ed25519 AAAA test", 21));
	assert_non_null(memmem(b.data, b.len, "#cloud-config\n", 14));
	buf_finish(&b);
}

/* ---- scratch storage ---- */

static int64_t part_bytes(struct cloud *c, const char *uid, enum hv_part part)
{
	char name[HV_VOLUME_NAME];

	return sim_volume_capacity(c->worlds[0], hv_server_volume(uid, part, name));
}

static void test_scratch_disks(void **state)
{
	struct cloud *c = *state;
	struct want w = { .ephemeral_gib = 3, .swap_mib = 1025 };

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(part_bytes(c, w.uid[0], HV_ROOT), 10ll << 30);
	assert_int_equal(part_bytes(c, w.uid[0], HV_EPHEMERAL), 3ll << 30);
	assert_int_equal(part_bytes(c, w.uid[0], HV_SWAP), 1025ll << 20);
	assert_int_equal(cloud_count(c, "SELECT disk_gib FROM allocation"), 10 + 3 + 2);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	for (enum hv_part part = 0; part < HV_PARTS; part++)
		assert_int_equal(part_bytes(c, w.uid[0], part), -1);
}

/* It is of use to the drive alone: a server that failed has none to come. */
static void test_pass_forgotten(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { .drive = true, .pass = "pa55word" };

	sim_fault(c->worlds[0], SIM_VOLUME_ENSURE, 1, -1, SIM_FAIL);
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ERROR);
	assert_null(cloud_server(c, &a, w.uid[0]).admin_pass);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_quota),
		TEST(test_bad_requests),
		TEST(test_image_too_large),
		TEST(test_addresses),
		TEST(test_no_room),
		TEST(test_gpus),
		TEST(test_conflicts),
		TEST(test_crowd),
		TEST(test_stop_unheard),
		TEST(test_stuck),
		TEST(test_stuck_and_deleted),
		TEST(test_image_goes),
		TEST(test_image_goes_failing),
		TEST(test_scratch_disks),
		TEST(test_drive),
		TEST(test_pass_forgotten),
	};
#undef TEST

	log_set_level(LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
