/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations, maintenance windows, and servers that make way for others, on simulated hosts and a clock
 * that the test sets: what happens in time, what becomes of it after a crash at any point, and that rows and
 * memory agree all along. */
#include "change_fixture.h"

#include "base/log.h"
#include "flow/calendar.h"
#include "move_fixture.h"
#include "store/devices.h"
#include "store/evictions.h"
#include "store/hosts.h"

#define HOST "vcpus=64&ram_gib=256&disk_gib=2000&gpus=8&gpu=10de:2330"
#define GPUS(n) "{\"pci_passthrough:alias\": \"h100:" #n "\"}"
#define SPOT(n) "{\"pci_passthrough:alias\": \"h100:" #n "\", \"cloudd:preemptible\": \"true\"}"

enum { HOUR_S = 3600 };

/* ---- the world ---- */

static int do_limits(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err,
		       "INSERT INTO quota_default (resource, hard_limit) VALUES ('gpus', -1), ('cores', -1), "
		       "('ram', -1), ('instances', -1)",
		       NULL) < 0
		       ? -1
		       : 0;
}

static void make(struct cloud *c, unsigned hosts)
{
	clock_ahead_us = 0;
	c->flow.preempt_wait_s = HOUR_S;
	cloud_make(c);
	cloud_ok(c, do_limits, NULL);
	for (unsigned i = 0; i < hosts; i++)
		cloud_host(c, HOST);
}

static void finish(struct cloud *c)
{
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

/* The time goes on. */
static void go_on(struct cloud *c, int64_t seconds)
{
	clock_ahead_us += seconds * 1000000;
	calendar_look(c->e);
}

static void create(struct cloud *c, struct want *w, const char *extra_specs, const char *host)
{
	w->extra_specs = extra_specs;
	w->host = host;
	cloud_ok(c, do_create, w);
}

static void create_on(struct cloud *c, struct want *w, const char *extra_specs, const char *host)
{
	create(c, w, extra_specs, host);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
}

static const char *name_of_host(struct cloud *c, struct arena *a, const char *uid)
{
	struct server s = cloud_server(c, a, uid);
	struct host_row h;
	struct error err;

	if (!s.host_id)
		return "";
	assert_int_equal(store_host_load(store_ro(c->store), a, s.host_id, &h, &err), 0);
	return h.name;
}

static void expect_host(struct cloud *c, const char *uid, const char *host)
{
	CLEANUP(arena_finish) struct arena a = { 0 };

	assert_string_equal(name_of_host(c, &a, uid), host);
}

static void expect_waiting(struct cloud *c, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, uid);

	assert_int_equal(s.vm_state, VM_BUILDING);
	assert_int_equal(s.task_state, TASK_SCHEDULING);
	assert_int_equal(s.host_id, 0);
}

static void expect_text(struct cloud *c, const char *sql, const char *uid, const char *text)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;

	assert_int_equal(db_query(store_ro(c->store), &err, &st, sql, "s", uid), 0);
	assert_int_equal(db_row(st, &err), 1);
	if (!strstr(db_text(st, 0), text))
		fail_msg("'%s' is not in '%s'", text, db_text(st, 0));
}

/* ---- blocks ---- */

struct block_deed {
	struct block_want want;
	int64_t start_s, end_s; /* from now */
	int64_t id;
	int64_t new_end_s;
};

static int do_block(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct block_deed *d = arg;
	int64_t now_us = clock_wall(&test_clock);

	d->want.name = "b";
	d->want.reason = "why";
	d->want.start_us = now_us + d->start_s * 1000000;
	d->want.end_us = now_us + d->end_s * 1000000;
	if (!d->want.hosts_n) {
		d->want.project_id = c->project;
		d->want.model = "h100";
	}
	return flow_block_make(c->e, db, &a, &d->want, now_us, &d->id, err);
}

static int do_block_change(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct block_deed *d = arg;
	int64_t now_us = clock_wall(&test_clock);
	struct block b;

	return store_block_load(db, &a, d->id, &b, err) ||
			       flow_block_change(
				       c->e, db, &a, &b, NULL, now_us + d->new_end_s * 1000000, now_us, err)
		       ? -1
		       : 0;
}

static int do_block_cancel(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct block_deed *d = arg;
	struct block b;

	return store_block_load(db, &a, d->id, &b, err) ||
			       flow_block_cancel(c->e, db, &a, &b, clock_wall(&test_clock), err)
		       ? -1
		       : 0;
}

struct block_state {
	int64_t id;
	const char *state;
};

static bool block_is(struct cloud *c, void *arg)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct block_state *x = arg;
	struct error err;
	struct block b;

	assert_int_equal(store_block_load(store_ro(c->store), &a, x->id, &b, &err), 0);
	return strcmp(b.state, x->state) == 0 && tick_pending(c->tick) == 0;
}

#define until_block(c, block_id, text)                          \
	do {                                                    \
		struct block_state x_ = { (block_id), (text) }; \
		cloud_until(c, block_is, &x_);                  \
	} while (0)

/* ---- who makes way ---- */

/* The smallest that is enough leaves, and nobody else; who waits for it gets its room. */
static void test_fewest(void **state)
{
	struct cloud c = { 0 };
	struct want a = { 0 }, b = { 0 }, small = { 0 }, large = { 0 }, w = { 0 };

	(void)state;
	make(&c, 2);
	create_on(&c, &a, SPOT(4), "host0");
	create_on(&c, &b, SPOT(4), "host0");
	create_on(&c, &large, SPOT(6), "host1");
	create_on(&c, &small, SPOT(2), "host1");
	create(&c, &w, GPUS(2), NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, small.uid[0], VM_SHELVED_OFFLOADED);
	expect_host(&c, w.uid[0], "host1");
	expect_host(&c, a.uid[0], "host0");
	expect_host(&c, b.uid[0], "host0");
	expect_host(&c, large.uid[0], "host1");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'preempt' AND "
					 "finish_us IS NOT NULL AND message IS NULL"),
		1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM port"), 5);
	assert_int_equal(
		cloud_count(&c, "SELECT (SELECT count(*) FROM eviction) + (SELECT count(*) FROM waiter)"), 0);
	finish(&c);
}

/* Preemptible servers are no reason to send others away, and there is no host where nobody may be. */
static void test_refused(void **state)
{
	struct cloud c = { 0 };
	struct want a = { 0 }, b = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(4), NULL);
	create_on(&c, &b, GPUS(4), NULL);
	create(&c, &w, SPOT(2), NULL);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	create(&c, &w, GPUS(5), NULL);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	expect_host(&c, a.uid[0], "host0");
	finish(&c);
}

/* They stay as long as they were told, over a restart as well, and their host is nobody else's. */
static void test_notice(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want a = { 0 }, b = { 0 }, w = { 0 }, other = { 0 };
	unsigned host = 0;

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(4), NULL);
	create_on(&c, &b, SPOT(3), NULL);
	create(&c, &w, GPUS(8), NULL);
	expect_waiting(&c, w.uid[0]);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction WHERE begun = 0"), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'wait'"), 1);
	create(&c, &other, GPUS(1), NULL);
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	expect_text(&c, "SELECT fault_message FROM server WHERE uid = ?", other.uid[0], "kept");
	cloud_clean(&c);
	cloud_close(&c);
	cloud_open(&c);
	cloud_until(&c, host_connected, &host);
	cloud_clean(&c);
	go_on(&c, HOUR_S - 60);
	expect_waiting(&c, w.uid[0]);
	cloud_until_server(&c, a.uid[0], VM_ACTIVE);
	go_on(&c, 120);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, a.uid[0], VM_SHELVED_OFFLOADED);
	cloud_until_server(&c, b.uid[0], VM_SHELVED_OFFLOADED);
	finish(&c);
}

/* Each host is kept for one at a time. */
static void test_two_wait(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want spot[3] = { 0 }, w[3] = { 0 };

	(void)state;
	make(&c, 2);
	create_on(&c, &spot[0], SPOT(4), "host0");
	create_on(&c, &spot[1], SPOT(4), "host0");
	create_on(&c, &spot[2], SPOT(8), "host1");
	create(&c, &w[0], GPUS(4), NULL);
	create(&c, &w[1], GPUS(4), NULL);
	create(&c, &w[2], GPUS(4), NULL);
	expect_waiting(&c, w[0].uid[0]);
	expect_waiting(&c, w[1].uid[0]);
	cloud_until_server(&c, w[2].uid[0], VM_ERROR);
	go_on(&c, HOUR_S + 1);
	cloud_until_server(&c, w[0].uid[0], VM_ACTIVE);
	cloud_until_server(&c, w[1].uid[0], VM_ACTIVE);
	expect_host(&c, w[0].uid[0], "host0");
	expect_host(&c, w[1].uid[0], "host1");
	/* what is left of the second host is everybody's again */
	create_on(&c, &w[2], GPUS(4), NULL);
	expect_host(&c, w[2].uid[0], "host1");
	finish(&c);
}

/* Several of one request: some have room, for the others there is made room; or nobody is told anything. */
static void test_several(void **state)
{
	struct cloud c = { 0 };
	struct want spot = { 0 }, w = { .count = 3 }, more = { .count = 2 };

	(void)state;
	make(&c, 2);
	create_on(&c, &spot, SPOT(8), "host0");
	create(&c, &w, GPUS(4), NULL);
	for (int i = 0; i < 3; i++)
		cloud_until_server(&c, w.uid[i], VM_ACTIVE);
	cloud_until_server(&c, spot.uid[0], VM_SHELVED_OFFLOADED);
	create_on(&c, &spot, SPOT(4), NULL);
	create(&c, &more, GPUS(4), NULL);
	for (int i = 0; i < 2; i++)
		cloud_until_server(&c, more.uid[i], VM_ERROR);
	cloud_until_server(&c, spot.uid[0], VM_ACTIVE);
	finish(&c);
}

/* Nobody is sent away for more of them than are looked at in one request. */
static void test_too_many(void **state)
{
	struct cloud c = { 0 };
	struct want spot = { .ram_mib = 132 * 1024 }, w = { .count = 33, .ram_mib = 4096 };

	(void)state;
	make(&c, 1);
	create_on(&c, &spot, "{\"cloudd:preemptible\": \"true\"}", NULL);
	create(&c, &w, NULL, NULL);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM waiter"), 0);
	cloud_until_server(&c, spot.uid[0], VM_ACTIVE);
	finish(&c);
}

/* Who waited is deleted: those who were not yet made to leave stay. */
static void test_waiter_deleted(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want a = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(8), NULL);
	create(&c, &w, GPUS(8), NULL);
	expect_waiting(&c, w.uid[0]);
	cloud_ok(&c, do_delete, w.uid[0]);
	assert_int_equal(
		cloud_count(&c, "SELECT (SELECT count(*) FROM eviction) + (SELECT count(*) FROM waiter)"), 0);
	go_on(&c, 2 * HOUR_S);
	cloud_clean(&c);
	cloud_until_server(&c, a.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'preempt' AND "
					 "message LIKE 'It stays%'"),
		1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM port"), 1);
	finish(&c);
}

static int do_deadline(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err, "UPDATE waiter SET deadline_us = 1", NULL) < 0 ? -1 : 0;
}

/* It got room elsewhere: those who were to leave for it, and were not yet made to, stay. */
static void test_placed_elsewhere(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want spot = { 0 }, other = { 0 }, w = { 0 };

	(void)state;
	make(&c, 2);
	create_on(&c, &spot, SPOT(8), "host0");
	create_on(&c, &other, GPUS(8), "host1");
	create(&c, &w, GPUS(8), NULL);
	expect_waiting(&c, w.uid[0]);
	cloud_ok(&c, do_delete, other.uid[0]);
	cloud_until_server(&c, other.uid[0], VM_DELETED);
	cloud_ok(&c, do_deadline, NULL);
	go_on(&c, 1);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	expect_host(&c, w.uid[0], "host1");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction"), 0);
	go_on(&c, 3 * HOUR_S);
	cloud_until_server(&c, spot.uid[0], VM_ACTIVE);
	finish(&c);
}

/* The one who has to leave is deleted by its owner: who waits need not wait any more. */
static void test_leaver_deleted(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want a = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(8), NULL);
	create(&c, &w, GPUS(8), NULL);
	cloud_ok(&c, do_delete, a.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	finish(&c);
}

/* What is in ERROR cannot be kept, and is deleted. */
static void test_broken(void **state)
{
	struct cloud c = { 0 };
	struct want a = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	sim_fault(c.worlds[0], SIM_DOMAIN_START, 1, 3, SIM_FAIL);
	create(&c, &a, SPOT(8), NULL);
	cloud_until_server(&c, a.uid[0], VM_ERROR);
	create(&c, &w, GPUS(8), NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, a.uid[0], VM_DELETED);
	finish(&c);
}

/* Shelving fails three times: then it cannot be kept either. */
static void test_not_kept(void **state)
{
	struct cloud c = { 0 };
	struct want a = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(8), NULL);
	sim_fault(c.worlds[0], SIM_VOLUME_FLATTEN, 1, -1, SIM_FAIL);
	create(&c, &w, GPUS(8), NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, a.uid[0], VM_DELETED);
	finish(&c);
}

static bool calls_hang(struct cloud *c, void *arg)
{
	(void)arg;
	return sim_hanging(c->worlds[0]) == 1;
}

static bool evictions_begun(struct cloud *c, void *arg)
{
	return cloud_count(c, "SELECT count(*) FROM eviction WHERE begun = 1") == *(int *)arg &&
	       tick_pending(c->tick) == 0;
}

/* In whatever state they are: rescued, paused, shelved on their host, at work. */
static void test_states(void **state)
{
	struct cloud c = { .flow.shelved_offload_s = -1 };
	struct want spot[4] = { 0 }, w = { 0 };
	struct change rescue = { .what = CHANGE_RESCUE }, shelve = { .what = CHANGE_SHELVE };
	struct op pause = { .op = SERVER_PAUSE }, reboot = { .op = SERVER_REBOOT_HARD };
	int begun = 0;

	(void)state;
	make(&c, 1);
	for (size_t i = 0; i < ARRAY_LEN(spot); i++)
		create_on(&c, &spot[i], SPOT(2), NULL);
	rescue.uid = spot[0].uid[0];
	pause.uid = spot[1].uid[0];
	shelve.uid = spot[2].uid[0];
	reboot.uid = spot[3].uid[0];
	cloud_ok(&c, do_change, &rescue);
	cloud_ok(&c, do_op, &pause);
	cloud_ok(&c, do_change, &shelve);
	cloud_until_server(&c, rescue.uid, VM_RESCUED);
	cloud_until_server(&c, pause.uid, VM_PAUSED);
	cloud_until_server(&c, shelve.uid, VM_SHELVED);
	sim_fault(c.worlds[0], SIM_DOMAIN_START, 1, 1, SIM_HANG);
	cloud_ok(&c, do_op, &reboot);
	cloud_until(&c, calls_hang, NULL);
	create(&c, &w, GPUS(8), NULL);
	cloud_until_server(&c, shelve.uid, VM_SHELVED_OFFLOADED);
	cloud_until_server(&c, pause.uid, VM_SHELVED_OFFLOADED);
	cloud_until_server(&c, rescue.uid, VM_SHELVED_OFFLOADED);
	expect_waiting(&c, w.uid[0]);
	cloud_until(&c, evictions_begun, &begun);
	sim_release(c.worlds[0]);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	finish(&c);
}

static int do_clear(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct device_row *devices;
	size_t n;

	(void)arg;
	if (store_device_list(db, &a, c->hosts[0], &devices, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(devices[i].custody, "reset") == 0)
			return flow_gpu_change(c->e, db, &devices[i], GPU_CLEAR, NULL, err);
	return 0;
}

/* GPUs that were given back are cleared before anyone gets them: who waits for them waits for that too. */
static void test_reset(void **state)
{
	struct cloud c = { .flow.gpu_reset = true };
	struct want a = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(8), NULL);
	create(&c, &w, GPUS(2), NULL);
	cloud_until_server(&c, a.uid[0], VM_SHELVED_OFFLOADED);
	expect_waiting(&c, w.uid[0]);
	cloud_clean(&c);
	cloud_ok(&c, do_clear, NULL);
	expect_waiting(&c, w.uid[0]);
	cloud_ok(&c, do_clear, NULL);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	finish(&c);
}

static bool resets_hang(struct cloud *c, void *arg)
{
	return sim_hanging(c->worlds[0]) == *(unsigned *)arg;
}

/* The same where a flow does it: who waits is placed when as many as it wants are clean, by one decision. */
static void test_reset_by_flow(void **state)
{
	struct cloud c = { .flow.gpu_reset = GPU_RESET_AUTO };
	struct want a = { 0 }, w = { 0 };
	unsigned four = 4; /* calls at once to a host */

	(void)state;
	make(&c, 1);
	create_on(&c, &a, SPOT(8), NULL);
	sim_fault(c.worlds[0], SIM_DEVICE_RESET, 1, 8, SIM_HANG);
	create(&c, &w, GPUS(8), NULL);
	cloud_until(&c, resets_hang, &four);
	expect_waiting(&c, w.uid[0]);
	cloud_clean(&c);
	sim_faults_clear(c.worlds[0]);
	sim_release(c.worlds[0]);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	/* that it waits, and where it is */
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM audit x JOIN server s ON s.uid = x.target WHERE "
				"x.action = 'placement.choose' AND s.vm_state = 'active'"),
		2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM custody_record WHERE result = 'clean'"), 8);
	finish(&c);
}

static int do_down(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	const struct host_proof word = { .proof = "operator" };

	return flow_host_force_down(c->e, db, c->hosts[*(unsigned *)arg], &word, err);
}

/* The host dies: who waits for it goes elsewhere when there is room, or gives up in time. */
static void test_host_dies(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want a = { 0 }, b = { 0 }, w = { 0 }, v = { 0 };
	unsigned host;

	(void)state;
	make(&c, 2);
	create_on(&c, &a, SPOT(8), "host0");
	create_on(&c, &b, SPOT(8), "host1");
	create(&c, &w, GPUS(8), NULL);
	create(&c, &v, GPUS(8), NULL);
	for (host = 0; host < 2; host++) {
		sim_set_down(c.worlds[host], true);
		cloud_ok(&c, do_down, &host);
	}
	cloud_host(&c, HOST);
	go_on(&c, 2 * HOUR_S + 60);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, v.uid[0], VM_ERROR);
	expect_host(&c, w.uid[0], "host2");
	expect_text(
		&c, "SELECT fault_message FROM server WHERE uid = ?", v.uid[0], "No valid host was found");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM waiter"), 0);
	cloud_clean(&c);
	for (host = 0; host < 2; host++)
		sim_set_down(c.worlds[host], false);
	finish(&c);
}

/* Unshelved, it waits as a new one does, and is what it was when there is nothing for it. */
static void test_unshelve(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want a = { 0 }, w = { 0 };
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	make(&c, 1);
	create_on(&c, &w, GPUS(8), NULL);
	x.uid = w.uid[0];
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, w.uid[0], VM_SHELVED_OFFLOADED);
	create_on(&c, &a, SPOT(1), NULL);
	x.what = CHANGE_UNSHELVE;
	cloud_ok(&c, do_change, &x);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM waiter"), 1);
	cloud_clean(&c);
	go_on(&c, HOUR_S + 1);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, a.uid[0], VM_SHELVED_OFFLOADED);
	/* and the other way round: it may not send an ordinary one away */
	x = (struct change) { .uid = a.uid[0], .what = CHANGE_UNSHELVE };
	assert_int_equal(cloud_do(&c, do_change, &x), -1);
	assert_int_equal(c.err.code, ERR_NO_HOST);
	finish(&c);
}

static bool no_waiters(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM waiter") == 0 && tick_pending(c->tick) == 0;
}

static bool resizing(struct cloud *c, void *arg)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, arg);

	return s.vm_state == VM_ACTIVE && s.task_state == TASK_RESIZE_PREP && tick_pending(c->tick) == 0;
}

/* A server that shall be larger runs on where it is while others leave another host for it. */
static void test_resize(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want w = { 0 }, full = { 0 }, spot = { 0 };
	struct go larger;

	(void)state;
	make(&c, 2);
	create_on(&c, &w, GPUS(2), "host0");
	create_on(&c, &full, GPUS(6), "host0");
	create_on(&c, &spot, SPOT(8), "host1");
	larger = resize_to(w.uid[0], 4, 2048, GPUS(4));
	cloud_ok(&c, do_move, &larger);
	cloud_until(&c, resizing, w.uid[0]);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	cloud_clean(&c);
	go_on(&c, HOUR_S + 1);
	cloud_until_server(&c, w.uid[0], VM_RESIZED);
	cloud_until_server(&c, spot.uid[0], VM_SHELVED_OFFLOADED);
	expect_host(&c, w.uid[0], "host1");
	verb(&c, w.uid[0], 'c');
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(
		cloud_count(
			&c, "SELECT count(*) FROM server_action WHERE action = 'resize' AND message IS NULL"),
		1);
	finish(&c);
}

/* They do not leave in time, or the server is deleted: nothing has happened to it, and to them. */
static void test_resize_given_up(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want w = { 0 }, v = { 0 }, full = { 0 }, spot = { 0 };
	unsigned host = 1;
	struct go larger;

	(void)state;
	make(&c, 2);
	create_on(&c, &w, GPUS(2), "host0");
	create_on(&c, &v, GPUS(2), "host0");
	create_on(&c, &full, GPUS(4), "host0");
	create_on(&c, &spot, SPOT(8), "host1");
	larger = resize_to(w.uid[0], 4, 2048, GPUS(4));
	cloud_ok(&c, do_move, &larger);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	assert_int_equal(
		cloud_count(&c, "SELECT (SELECT count(*) FROM eviction) + (SELECT count(*) FROM waiter)"), 0);
	larger = resize_to(v.uid[0], 8, 2048, GPUS(8));
	cloud_ok(&c, do_move, &larger);
	cloud_until(&c, resizing, v.uid[0]);
	sim_set_down(c.worlds[1], true);
	cloud_ok(&c, do_down, &host);
	go_on(&c, 2 * HOUR_S + 60);
	cloud_until_server(&c, v.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM waiter"), 0);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'resize' AND message "
				"LIKE 'No valid host%'"),
		1);
	cloud_clean(&c);
	sim_set_down(c.worlds[1], false);
	finish(&c);
}

/* Its memory is put aside, or back again. */
static int do_aside(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	return db_run(db, err,
		       "UPDATE server SET vm_state = iif(vm_state = 'active', 'suspended', 'active') WHERE "
		       "uid "
		       "= ?",
		       "s", arg) < 0
		       ? -1
		       : 0;
}

/* Something became of it while it waited: it can be worked with again. */
static void test_resize_overtaken(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct want w = { 0 }, full = { 0 }, spot = { 0 };
	struct go larger;

	(void)state;
	make(&c, 2);
	create_on(&c, &w, GPUS(2), "host0");
	create_on(&c, &full, GPUS(6), "host0");
	create_on(&c, &spot, SPOT(8), "host1");
	larger = resize_to(w.uid[0], 4, 2048, GPUS(4));
	cloud_ok(&c, do_move, &larger);
	cloud_until(&c, resizing, w.uid[0]);
	cloud_ok(&c, do_aside, w.uid[0]);
	cloud_ok(&c, do_deadline, NULL);
	go_on(&c, 1);
	cloud_until(&c, no_waiters, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server WHERE task_state IS NOT NULL"), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE action = 'resize' AND "
					 "finish_us IS NOT NULL"),
		1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction"), 0);
	cloud_ok(&c, do_aside, w.uid[0]);
	finish(&c);
}

/* ---- reservations ---- */

/* Parts of the second and third GPU are given to the servers; it is all undone. */
static int do_parts(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	static const char sql[] =
		"INSERT INTO allocation_part (id, uid, device_id, allocation_id, profile, "
		"start, slots, share) SELECT ?1, ?1, ?2, a.id, '', -1, 0, 100 FROM allocation a "
		"WHERE a.preemptible = ?3";
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct calendar_gpu *gpus;
	struct calendar_use *uses;
	size_t n, uses_n;

	(void)arg;
	if (store_block_gpus(db, &a, "h100", 0, &gpus, &n, &uses, &uses_n, err))
		return -1;
	assert_int_equal(n, 8);
	assert_true(gpus[0].held != gpus[0].guest && gpus[1].held != gpus[1].guest);
	assert_false(gpus[2].held || gpus[2].guest || gpus[3].held || gpus[3].guest);
	if (db_run(db, err, sql, "iii", store_next_id(c->store), gpus[2].id, (int64_t)1) != 1 ||
		db_run(db, err, sql, "iii", store_next_id(c->store), gpus[2].id, (int64_t)0) != 1 ||
		db_run(db, err, sql, "iii", store_next_id(c->store), gpus[3].id, (int64_t)1) != 1 ||
		store_block_gpus(db, &a, "h100", 0, &gpus, &n, &uses, &uses_n, err))
		return -1;
	assert_true(gpus[2].held && !gpus[2].guest);
	assert_true(gpus[3].guest && !gpus[3].held);
	return error_set(err, ERR_CONFLICT, "enough");
}

static void test_parts(void **state)
{
	struct cloud c = { 0 };
	struct want a = { 0 }, b = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &a, GPUS(1), NULL);
	create_on(&c, &b, SPOT(1), NULL);
	assert_int_equal(cloud_do(&c, do_parts, NULL), -1);
	assert_string_equal(c.err.msg, "enough");
	finish(&c);
}

/* A life of a block: on-demand servers keep away, preemptible ones leave before it begins, its owner's get
 * its GPUs, and stay as ordinary ones when it is over. */
static void test_block(void **state)
{
	struct cloud c = { .flow = { .preempt_notice_s = 600, .preempt_lead_s = HOUR_S } };
	struct block_deed block = { .want.gpus = 8, .start_s = 10 * HOUR_S, .end_s = 20 * HOUR_S };
	struct want spot = { 0 }, other = { 0 }, own = { 0 };

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_block, &block);
	until_block(&c, block.id, "planned");
	create(&c, &other, GPUS(1), NULL);
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	expect_text(&c, "SELECT fault_message FROM server WHERE uid = ?", other.uid[0], "reserv");
	create_on(&c, &spot, SPOT(8), NULL);
	cloud_clean(&c);
	go_on(&c, 9 * HOUR_S - 500); /* the notice is given */
	until_block(&c, block.id, "clearing");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction WHERE begun = 0"), 1);
	create(&c, &other, SPOT(1), NULL); /* too late */
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	go_on(&c, 700);
	cloud_until_server(&c, spot.uid[0], VM_SHELVED_OFFLOADED);
	until_block(&c, block.id, "clearing");
	go_on(&c, HOUR_S);
	until_block(&c, block.id, "active");
	create(&c, &other, GPUS(1), NULL);
	cloud_until_server(&c, other.uid[0], VM_ERROR);
	own.reservation = block.id;
	create_on(&c, &own, GPUS(8), NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation WHERE block_id IS NOT NULL"), 1);
	cloud_clean(&c);
	go_on(&c, 10 * HOUR_S);
	until_block(&c, block.id, "ended");
	cloud_until_server(&c, own.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation WHERE block_id IS NOT NULL"), 0);
	finish(&c);
}

/* The next block has claimed the GPUs: then the servers of the first leave for it. */
static void test_block_behind(void **state)
{
	struct cloud c = { 0 };
	struct block_deed first = { .want.gpus = 8, .end_s = 10 * HOUR_S },
			  second = { .want.gpus = 4, .start_s = 12 * HOUR_S, .end_s = 20 * HOUR_S };
	struct want a = { 0 }, b = { 0 };

	(void)state;
	make(&c, 1);
	cloud_ok(&c, do_block, &first);
	until_block(&c, first.id, "active");
	a.reservation = b.reservation = first.id;
	create_on(&c, &a, GPUS(4), NULL);
	create_on(&c, &b, GPUS(4), NULL);
	cloud_ok(&c, do_block, &second);
	first.new_end_s = 13 * HOUR_S;
	assert_int_equal(cloud_do(&c, do_block_change, &first), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	first.new_end_s = 11 * HOUR_S;
	cloud_ok(&c, do_block_change, &first);
	go_on(&c, 11 * HOUR_S + 1);
	until_block(&c, first.id, "ended");
	/* one of them is on claimed GPUs, and stays until these are cleared */
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation WHERE block_id IS NOT NULL"), 1);
	cloud_clean(&c);
	go_on(&c, HOUR_S);
	until_block(&c, second.id, "active");
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM server WHERE vm_state = 'shelved_offloaded'"), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server WHERE vm_state = 'active'"), 1);
	finish(&c);
}

static void test_cancel(void **state)
{
	struct cloud c = { .flow.preempt_notice_s = HOUR_S };
	struct block_deed block = { .want.gpus = 6, .start_s = 60, .end_s = 20 * HOUR_S },
			  again = { .want.gpus = 3, .start_s = 60, .end_s = HOUR_S };
	struct want spot = { 0 }, other = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &spot, SPOT(8), NULL);
	cloud_ok(&c, do_block, &block);
	until_block(&c, block.id, "clearing");
	assert_int_equal(cloud_do(&c, do_block, &again), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	if (!strstr(c.err.msg, "2 of 3 h100") || !strstr(c.err.msg, "the earliest start for all is"))
		fail_msg("%s", c.err.msg);
	cloud_ok(&c, do_block_cancel, &block);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction"), 0);
	assert_int_equal(cloud_do(&c, do_block_cancel, &block), -1);
	go_on(&c, 2 * HOUR_S);
	cloud_until_server(&c, spot.uid[0], VM_ACTIVE);
	cloud_ok(&c, do_delete, spot.uid[0]);
	cloud_until_server(&c, spot.uid[0], VM_DELETED);
	create_on(&c, &other, GPUS(8), NULL);
	finish(&c);
}

/* A server and a block want the room of one: it leaves for the one when the other does not need it any more.
 */
static void test_block_and_waiter(void **state)
{
	struct cloud c = { .flow = { .preempt_notice_s = HOUR_S, .preempt_lead_s = HOUR_S } };
	struct block_deed block = { .want.gpus = 6, .start_s = 60, .end_s = 20 * HOUR_S };
	struct want spot = { 0 }, w = { 0 };

	(void)state;
	make(&c, 1);
	create_on(&c, &spot, SPOT(8), NULL);
	cloud_ok(&c, do_block, &block);
	until_block(&c, block.id, "clearing");
	create(&c, &w, GPUS(2), NULL);
	expect_waiting(&c, w.uid[0]);
	cloud_ok(&c, do_delete, w.uid[0]);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction WHERE for_block_id IS NOT NULL"), 1);
	create(&c, &w, GPUS(2), NULL);
	expect_waiting(&c, w.uid[0]);
	cloud_ok(&c, do_block_cancel, &block);
	go_on(&c, HOUR_S + 60);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, spot.uid[0], VM_SHELVED_OFFLOADED);
	finish(&c);
}

/* ---- maintenance ---- */

static int do_state(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_set_state(c->e, db, c->hosts[1], arg, "by hand", err);
}

static void test_maintenance(void **state)
{
	struct cloud c = { 0 };
	struct block_deed window = { .start_s = HOUR_S, .end_s = 2 * HOUR_S };
	struct block_deed block = { .want.gpus = 16, .start_s = HOUR_S, .end_s = 3 * HOUR_S };
	struct want w = { 0 };
	int64_t hosts[2];

	(void)state;
	make(&c, 2);
	hosts[0] = c.hosts[0];
	hosts[1] = c.hosts[1];
	window.want.hosts = hosts;
	window.want.hosts_n = 2;
	cloud_ok(&c, do_block, &window);
	assert_int_equal(cloud_do(&c, do_block, &window), -1); /* they are in one */
	assert_int_equal(cloud_do(&c, do_block, &block), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	cloud_ok(&c, do_state, (void *)(uintptr_t) "disabled");
	create_on(&c, &w, GPUS(1), NULL);
	go_on(&c, HOUR_S + 1);
	until_block(&c, window.id, "active");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM host WHERE state = 'draining'"), 1);
	create(&c, &w, GPUS(1), NULL);
	cloud_until_server(&c, w.uid[0], VM_ERROR);
	cloud_clean(&c);
	go_on(&c, HOUR_S);
	until_block(&c, window.id, "ended");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM host WHERE state = 'up'"), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM host WHERE state = 'disabled'"), 1);
	create_on(&c, &w, GPUS(1), NULL);
	finish(&c);
}

/* The first host's row can be read or not. */
static int do_spoil(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return db_run(db, err, "UPDATE host SET dedicated_cpus = ? WHERE id = ?", "si", arg, c->hosts[0]) < 0
		       ? -1
		       : 0;
}

/* One that fails holds up no other. */
static void test_put_off(void **state)
{
	struct cloud c = { 0 };
	struct block_deed window = { .start_s = HOUR_S + 1, .end_s = 2 * HOUR_S };
	struct block_deed block = { .want.gpus = 8, .start_s = HOUR_S, .end_s = 3 * HOUR_S };

	(void)state;
	make(&c, 2);
	window.want.hosts = &c.hosts[1];
	window.want.hosts_n = 1;
	cloud_ok(&c, do_block, &window);
	cloud_ok(&c, do_block, &block);
	cloud_ok(&c, do_spoil, (void *)(uintptr_t) "x");
	log_set_level(LOG_CRIT);
	go_on(&c, HOUR_S + 2);
	until_block(&c, window.id, "active");
	until_block(&c, block.id, "planned");
	log_set_level(LOG_ERR);
	cloud_ok(&c, do_spoil, (void *)(uintptr_t) "");
	until_block(&c, block.id, "active");
	cloud_ok(&c, do_block_cancel, &block);
	cloud_ok(&c, do_block_cancel, &window);
	finish(&c);
}

/* ---- crashes ---- */

static struct {
	int crash_at, seen; /* crash_at -1: never */
	bool crashed;
	char where[96];
} points;

static bool crash_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	if (points.seen++ != points.crash_at)
		return false;
	points.crashed = true;
	snprintf(points.where, sizeof points.where, "%s %s", step, point);
	return true;
}

static bool quiet(struct cloud *c)
{
	return cloud_count(c, "SELECT (SELECT count(*) FROM flow) + (SELECT count(*) FROM waiter) + (SELECT "
			      "count(*) FROM eviction)") == 0 &&
	       tick_pending(c->tick) == 0;
}

static bool settled(struct cloud *c, void *arg)
{
	return quiet(c) && flows_gone(c, arg);
}

static bool settled_or_crashed(struct cloud *c, void *arg)
{
	return points.crashed || settled(c, arg);
}

/* Whatever was going on goes on in the next process. */
static void settle(struct cloud *c)
{
	unsigned host = 0;

	cloud_until(c, settled_or_crashed, NULL);
	if (!points.crashed)
		return;
	points.crashed = false;
	cloud_shut(c);
	cloud_open(c);
	files_recover(c);
	cloud_until(c, settled, NULL);
	cloud_until(c, host_connected, &host);
}

/* One leaves for a server, then another for a block, with a crash at the n-th point. False: there is none. */
static bool live(int crash_at)
{
	struct cloud c = { .hooks.crash = crash_here };
	struct block_deed block = { .want.gpus = 4, .end_s = 10 * HOUR_S };
	struct want a = { 0 }, w = { 0 };

	points.crash_at = -1;
	points.where[0] = 0;
	make(&c, 1);
	create_on(&c, &a, SPOT(6), NULL);
	points.crash_at = crash_at;
	points.seen = 0;
	create(&c, &w, GPUS(4), NULL);
	settle(&c);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until_server(&c, a.uid[0], VM_SHELVED_OFFLOADED);
	cloud_clean(&c);
	create(&c, &a, SPOT(4), NULL);
	settle(&c);
	cloud_ok(&c, do_block, &block);
	settle(&c);
	cloud_until_server(&c, a.uid[0], VM_SHELVED_OFFLOADED);
	until_block(&c, block.id, "active");
	assert_int_equal(sim_domain_count(c.worlds[0]), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	finish(&c);
	return points.where[0] != 0;
}

static void test_every_point(void **state)
{
	int n = 0;

	(void)state;
	while (live(n))
		n++;
	print_message("%d points\n", n);
	assert_true(n >= 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fewest),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_notice),
		cmocka_unit_test(test_two_wait),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_waiter_deleted),
		cmocka_unit_test(test_placed_elsewhere),
		cmocka_unit_test(test_leaver_deleted),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_by_flow),
		cmocka_unit_test(test_host_dies),
		cmocka_unit_test(test_unshelve),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_resize_given_up),
		cmocka_unit_test(test_resize_overtaken),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_block_behind),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_block_and_waiter),
		cmocka_unit_test(test_maintenance),
		cmocka_unit_test(test_put_off),
		cmocka_unit_test(test_every_point),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
