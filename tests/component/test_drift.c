/* SPDX-License-Identifier: Apache-2.0 */
/* Each difference between rows and hosts is planted, found, named with its policy, and gone when it is
 * repaired; a quiet cloud has none; and what is left over goes only on the operator's word. And what a flow
 * waits for is told while it does. */
#include "flow_fixture.h"

#include "flow/drift.h"
#include "flow/why.h"
#include "store/hosts.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500"
#define STRANGER "5f000000-0000-4000-8000-00000000000"

static int setup(void **state)
{
	struct cloud *c = calloc(1, sizeof *c);

	cloud_make(c);
	cloud_host(c, HOST);
	cloud_host(c, HOST);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	cloud_remove(*state);
	free(*state);
	clock_ahead_us = 0;
	return 0;
}

static void looked(void *ctx)
{
	*(bool *)ctx = true;
}

/* A deep look at both hosts, a minute and more behind the one before. */
static void look(struct cloud *c)
{
	bool done = false;

	clock_ahead_us += (DRIFT_APART_S + 1) * INT64_C(1000000);
	flow_drift_now(c->e, c->hosts, c->hosts_n, true, looked, &done);
	cloud_until(c, flag_set, &done);
}

static size_t count(struct cloud *c, unsigned host)
{
	struct drift_host d = { 0 };

	assert_true(flow_drift_host(c->e, c->hosts[host], &d));
	return d.n;
}

static const struct drift *find(struct cloud *c, unsigned host, enum drift_what what, const char *object)
{
	struct drift_host d = { 0 };

	flow_drift_host(c->e, c->hosts[host], &d);
	for (size_t i = 0; i < d.n; i++)
		if (d.found[i].what == what && strcmp(d.found[i].object, object) == 0)
			return &d.found[i];
	return NULL;
}

#define found(c, host, what, object)                                                                        \
	do {                                                                                                \
		if (!find(c, host, what, object))                                                           \
			fail_msg("%s:%d: no %s of %s", __FILE__, __LINE__, drift_kind(what)->name, object); \
	} while (0)

#define quiet(c)                                  \
	do {                                      \
		assert_int_equal(count(c, 0), 0); \
		assert_int_equal(count(c, 1), 0); \
	} while (0)

static void make(struct cloud *c, struct want *w)
{
	w->host = "host0";
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
}

/* What somebody does on a host behind our back. */
static void plant(struct cloud *c, unsigned host, const char *uuid, int64_t epoch, const char *volume)
{
	char uri[160];
	const struct hv_target target = { .uri = uri, .connect_timeout_ms = 10000 };
	const struct hv_domain d = { .uuid = uuid,
		.name = "planted",
		.vcpus = 1,
		.ram_mib = 64,
		.project_id = "p",
		.flavor_name = "f",
		.cloud_id = CLOUD_ID,
		.epoch = epoch };
	const struct hv_driver *drv;
	struct hv_conn *conn;
	struct error err;

	snprintf(uri, sizeof uri, "sim://%s?%s", c->worlds[host], HOST);
	drv = hv_driver_for(uri, &err);
	assert_int_equal(drv->connect(&target, NULL, NULL, &conn, &err), 0);
	if (uuid)
		assert_int_equal(drv->domain_define(conn, &d, &err), 0);
	if (volume)
		assert_int_equal(drv->volume_ensure(conn, volume, 1 << 20, NULL, NULL, &err), 0);
	drv->close(conn);
}

static void drop_volume(struct cloud *c, unsigned host, const char *volume)
{
	char uri[160];
	const struct hv_target target = { .uri = uri, .connect_timeout_ms = 10000 };
	const struct hv_driver *drv;
	struct hv_conn *conn;
	struct error err;

	snprintf(uri, sizeof uri, "sim://%s?%s", c->worlds[host], HOST);
	drv = hv_driver_for(uri, &err);
	assert_int_equal(drv->connect(&target, NULL, NULL, &conn, &err), 0);
	assert_int_equal(drv->volume_remove(conn, volume, &err), 0);
	drv->close(conn);
}

/* ---- none ---- */

static void test_quiet(void **state)
{
	struct cloud *c = *state;
	struct want w = { .count = 3, .drive = true, .swap_mib = 64, .ephemeral_gib = 1 };

	make(c, &w);
	look(c);
	quiet(c);
	sim_foreign_domain(c->worlds[1], STRANGER "9");
	look(c);
	quiet(c); /* others' are counted, and that is all */
	{
		struct drift_host d;

		assert_true(flow_drift_host(c->e, c->hosts[1], &d));
		assert_int_equal(d.foreign, 1);
		assert_true(d.looked_us && d.deep_us);
	}
	for (int i = 0; i < 3; i++) {
		cloud_ok(c, do_delete, w.uid[i]);
		cloud_until_server(c, w.uid[i], VM_DELETED);
	}
	cloud_until(c, flows_gone, NULL);
	look(c);
	quiet(c);
}

/* ---- domains ---- */

static bool absent(struct cloud *c, void *arg)
{
	struct sim_domain d;

	return !sim_domain_get(c->worlds[1], arg, &d);
}

static void test_domains(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	const char *unknown = STRANGER "1";

	make(c, &w);
	plant(c, 1, unknown, 1, NULL);
	plant(c, 1, w.uid[0], 1000, NULL); /* newer than its row, where it does not live */
	look(c);
	found(c, 1, DRIFT_DOMAIN_UNKNOWN, unknown);
	found(c, 1, DRIFT_DOMAIN_ELSEWHERE, w.uid[0]);
	assert_int_equal(count(c, 1), 2);
	/* neither is touched, and both stay the same findings */
	look(c);
	assert_int_equal(find(c, 1, DRIFT_DOMAIN_UNKNOWN, unknown)->looks, 2);
	assert_int_equal(count(c, 0), 0);
	assert_int_equal(sim_undefine(c->worlds[1], unknown), 0);
	assert_int_equal(sim_undefine(c->worlds[1], w.uid[0]), 0);
	look(c);
	quiet(c);
	/* an older one goes by itself */
	plant(c, 1, w.uid[0], 0, NULL);
	look(c);
	found(c, 1, DRIFT_DOMAIN_OLDER, w.uid[0]);
	flow_host_refresh(c->e, c->hosts[1]);
	cloud_until(c, absent, w.uid[0]);
	cloud_until(c, flows_gone, NULL);
	look(c);
	quiet(c);
}

static void test_deleted(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };

	make(c, &w);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	plant(c, 1, w.uid[0], 1, NULL);
	look(c);
	found(c, 1, DRIFT_DOMAIN_DELETED, w.uid[0]);
	flow_host_refresh(c->e, c->hosts[1]);
	cloud_until(c, absent, w.uid[0]);
	look(c);
	quiet(c);
}

static void test_power(void **state)
{
	struct cloud *c = *state;
	struct want w = { .count = 3 };
	char root[HV_VOLUME_NAME];

	make(c, &w);
	cloud_until_server(c, w.uid[1], VM_ACTIVE);
	cloud_until_server(c, w.uid[2], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	sim_events(c->worlds[0], true, false); /* nobody tells */
	assert_int_equal(sim_guest_shutdown(c->worlds[0], w.uid[0]), 0);
	assert_int_equal(sim_undefine(c->worlds[0], w.uid[1]), 0);
	drop_volume(c, 0, hv_server_volume(w.uid[2], HV_ROOT, root));
	look(c);
	found(c, 0, DRIFT_POWER, w.uid[0]);
	found(c, 0, DRIFT_DOMAIN_ABSENT, w.uid[1]);
	found(c, 0, DRIFT_VOLUME_MISSING, w.uid[2]);
	assert_int_equal(count(c, 0), 3);
	/* the look lets the states follow */
	cloud_until_server(c, w.uid[0], VM_STOPPED);
	cloud_until_server(c, w.uid[1], VM_ERROR);
	look(c);
	assert_int_equal(count(c, 0), 1);
	found(c, 0, DRIFT_VOLUME_MISSING, w.uid[2]);
}

static int set_epoch(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	return db_run(db, err, "UPDATE server SET epoch = epoch + 1 WHERE uid = ?", "s", (const char *)arg) <
			       0
		       ? -1
		       : 0;
}

static int set_vcpus(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	return db_run(db, err, "UPDATE server SET vcpus = vcpus + 1 WHERE uid = ?", "s", (const char *)arg) <
			       0
		       ? -1
		       : 0;
}

static void test_definition(void **state)
{
	struct cloud *c = *state;
	struct want w = { .count = 2 };

	make(c, &w);
	cloud_until_server(c, w.uid[1], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	cloud_ok(c, set_epoch, w.uid[0]);
	cloud_ok(c, set_vcpus, w.uid[1]);
	look(c);
	found(c, 0, DRIFT_EPOCH, w.uid[0]);
	found(c, 0, DRIFT_DEFINITION, w.uid[1]);
	assert_int_equal(count(c, 0), 2);
}

/* ---- what is left over ---- */

static int do_clear(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_drift_clear(c->e, db, arg, "req-1", clock_wall(&test_clock), err);
}

static void test_volumes(void **state)
{
	struct cloud *c = *state;
	struct want gone = { 0 }, live = { 0 };
	char volume[HV_VOLUME_NAME], other[HV_VOLUME_NAME], id[DRIFT_ID];

	make(c, &gone);
	make(c, &live);
	cloud_ok(c, do_delete, gone.uid[0]);
	cloud_until_server(c, gone.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	hv_server_volume(gone.uid[0], HV_ROOT, volume);
	plant(c, 0, NULL, 0, volume);
	plant(c, 1, NULL, 0, hv_server_volume(live.uid[0], HV_SWAP, other));
	plant(c, 1, NULL, 0, STRANGER "2-root.qcow2");
	look(c);
	found(c, 0, DRIFT_VOLUME_LEFT, volume);
	found(c, 1, DRIFT_VOLUME_LEFT, other);
	found(c, 1, DRIFT_VOLUME_UNKNOWN, STRANGER "2-root.qcow2");
	str_copy(id, sizeof id, find(c, 0, DRIFT_VOLUME_LEFT, volume)->id);
	/* seen once is not enough: a call that was given up may still be at it */
	assert_int_equal(cloud_do(c, do_clear, id), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	assert_int_equal(cloud_do(c, do_clear, "0123456789abcdef"), -1);
	assert_int_equal(c->err.code, ERR_NOT_FOUND);
	look(c);
	assert_string_equal(find(c, 0, DRIFT_VOLUME_LEFT, volume)->id, id);
	cloud_ok(c, do_clear, id);
	str_copy(id, sizeof id, find(c, 1, DRIFT_VOLUME_LEFT, other)->id);
	cloud_ok(c, do_clear, id);
	cloud_until(c, flows_gone, NULL);
	assert_false(sim_volume_exists(c->worlds[0], volume));
	assert_false(sim_volume_exists(c->worlds[1], other));
	/* the live one's own are where they were */
	assert_true(sim_volume_exists(c->worlds[0], hv_server_volume(live.uid[0], HV_ROOT, volume)));
	str_copy(id, sizeof id, find(c, 1, DRIFT_VOLUME_UNKNOWN, STRANGER "2-root.qcow2")->id);
	assert_int_equal(cloud_do(c, do_clear, id), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	look(c);
	assert_int_equal(count(c, 0), 0);
	assert_int_equal(count(c, 1), 1);
	cloud_clean(c);
}

static int delete_image(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err, "DELETE FROM host_image WHERE host_id = ?", "i", c->hosts[0]) < 0 ||
			       db_run(db, err, "UPDATE image SET deleted_us = 2 WHERE id = ?", "i",
				       c->image) < 0
		       ? -1
		       : 0;
}

static void test_copies(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	char copy[HV_VOLUME_NAME], id[DRIFT_ID];

	make(c, &w);
	hv_image_volume(IMAGE_UID, "qcow2", copy);
	drop_volume(c, 0, copy);
	look(c);
	found(c, 0, DRIFT_COPY_MISSING, IMAGE_UID);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	/* a copy of a deleted image that no row knows of */
	cloud_ok(c, delete_image, NULL);
	plant(c, 0, NULL, 0, copy);
	look(c);
	look(c);
	assert_int_equal(count(c, 0), 1);
	found(c, 0, DRIFT_COPY_LEFT, copy);
	str_copy(id, sizeof id, find(c, 0, DRIFT_COPY_LEFT, copy)->id);
	cloud_ok(c, do_clear, id);
	cloud_until(c, flows_gone, NULL);
	assert_false(sim_volume_exists(c->worlds[0], copy));
	look(c);
	quiet(c);
}

/* However much there is, so much is kept. */
static void test_bounded(void **state)
{
	struct cloud *c = *state;
	struct drift_host d;
	char volume[HV_VOLUME_NAME];

	for (int i = 0; i < DRIFT_KEPT + 30; i++) {
		snprintf(volume, sizeof volume, "5f000000-0000-4000-8000-%012d-root.qcow2", i);
		plant(c, 0, NULL, 0, volume);
	}
	look(c);
	assert_true(flow_drift_host(c->e, c->hosts[0], &d));
	assert_int_equal(d.n, DRIFT_KEPT);
	assert_int_equal(d.more, 30);
}

/* A host that cannot be heard keeps what was found, and nobody waits for it. */
static void test_unheard(void **state)
{
	struct cloud *c = *state;

	plant(c, 0, STRANGER "3", 1, NULL);
	look(c);
	found(c, 0, DRIFT_DOMAIN_UNKNOWN, STRANGER "3");
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "cut");
	look(c);
	found(c, 0, DRIFT_DOMAIN_UNKNOWN, STRANGER "3");
}

static void test_kinds(void **state)
{
	(void)state;
	for (int i = 0; i < DRIFT_WHATS; i++) {
		const struct drift_kind *k = drift_kind((enum drift_what)i);

		assert_true(k->name && k->says && k->by);
		assert_true(strcmp(k->policy, "repaired") == 0 || strcmp(k->policy, "reported") == 0);
	}
}

/* ---- what a flow waits for ---- */

/* How the server's flow stands; WHY_FLOW_NONE: it has none. */
static struct flow_stands stands(struct cloud *c, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, uid);
	struct flow_stands none = { 0 };
	struct flow_row f;
	struct error err;

	if (store_flow_find(store_ro(c->store), &a, "server", s.id, &f, &err) <= 0)
		return none;
	return flow_stands(c->e, &f);
}

struct waits {
	const char *uid;
	enum why_flow how;
};

static bool waits(struct cloud *c, void *arg)
{
	const struct waits *w = arg;

	return stands(c, w->uid).how == w->how;
}

static int do_retry(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int64_t id = 0;

	(void)arg;
	return db_int_query(db, err, &id, "SELECT id FROM flow", NULL) < 0 || flow_retry(c->e, db, id, err)
		       ? -1
		       : 0;
}

static void test_waits(void **state)
{
	struct cloud c = { 0 };
	struct want want = { .host = "host0" };
	struct waits w = { want.uid[0], WHY_FLOW_IMAGE };
	const struct op stop = { want.uid[0], SERVER_STOP };
	struct flow_stands s;

	(void)state;
	cloud_make(&c);
	cloud_host(&c, "vcpus=16&ram_gib=64&disk_gib=500");
	sim_fault(c.worlds[0], SIM_IMAGE_ENSURE, 1, 1, SIM_HANG);
	cloud_ok(&c, do_create, &want);
	cloud_until(&c, waits, &w);
	s = stands(&c, want.uid[0]);
	assert_string_equal(s.other_kind, "image_stage");
	assert_true(s.other_id > 0);
	sim_release(c.worlds[0]);
	cloud_until_server(&c, want.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	/* its host cannot be heard */
	sim_set_down(c.worlds[0], true);
	sim_drop(c.worlds[0], "cut");
	cloud_ok(&c, do_op, (void *)&stop);
	w.how = WHY_FLOW_HOST;
	cloud_until(&c, waits, &w);
	assert_int_equal(stands(&c, want.uid[0]).host_id, c.hosts[0]);
	/* and when it is back, the flow's time is over: it is the operator's */
	clock_ahead_us += 2 * 3600 * INT64_C(1000000);
	sim_set_down(c.worlds[0], false);
	flow_host_refresh(c.e, c.hosts[0]);
	w.how = WHY_FLOW_STUCK;
	cloud_until(&c, waits, &w);
	cloud_ok(&c, do_retry, NULL);
	cloud_until_server(&c, want.uid[0], VM_STOPPED);
	cloud_close(&c);
	cloud_remove(&c);
	clock_ahead_us = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_waits),
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power, setup, teardown),
		cmocka_unit_test_setup_teardown(test_definition, setup, teardown),
		cmocka_unit_test_setup_teardown(test_volumes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unheard, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
