/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that are emptied: bounded moves, failures and back-off, stop and go on, a restart in the middle,
 * servers that cannot move or find no room, and windows of the calendar that empty their hosts. */
#include "change_fixture.h"
#include "move_fixture.h"

#include "base/log.h"
#include "flow/calendar.h"
#include "flow/drain.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=2000&gpus=4&gpu=10de:2330"
#define SLOW HOST "&move_ms=100000"
#define GPU "{\"pci_passthrough:alias\": \"h100:1\"}"
#define SPOT "{\"cloudd:preemptible\": \"true\"}"

enum { HOUR_S = 3600 };

/* ---- the world ---- */

static int do_room(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err,
		       "INSERT INTO quota_default (resource, hard_limit) VALUES ('gpus', -1), ('cores', -1), "
		       "('ram', -1), ('instances', -1), ('disk_gib', -1)",
		       NULL) < 0 ||
			       db_run(db, err, "UPDATE subnet SET pool_last = 167772400", NULL) < 0
		       ? -1
		       : 0;
}

static void make(struct cloud *c)
{
	clock_ahead_us = 0;
	cloud_make(c);
	cloud_ok(c, do_room, NULL);
}

static void finish(struct cloud *c)
{
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
}

/* On the first host. */
static void create(struct cloud *c, struct want *w, const char *extra_specs)
{
	w->extra_specs = extra_specs;
	w->host = "host0";
	w->disk_gib = 2;
	cloud_ok(c, do_create, w);
	for (int i = 0; i < (w->count ? w->count : 1) && i < 8; i++)
		cloud_until_server(c, w->uid[i], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
}

static void stop(struct cloud *c, const char *uid)
{
	cloud_ok(c, do_op, &((struct op) { uid, SERVER_STOP }));
	cloud_until_server(c, uid, VM_STOPPED);
	cloud_until(c, flows_gone, NULL);
}

/* ---- drains ---- */

static int do_drain(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	struct drain_want *want = arg;

	want->now_us = clock_wall(&test_clock);
	want->reason = "new disks";
	want->request_id = "req-drain";
	return flow_host_drain(c->e, db, c->hosts[0], want, err);
}

static int do_stop(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return flow_host_drain_stop(c->e, db, c->hosts[0], err);
}

static int do_state(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_set_state(c->e, db, c->hosts[0], arg, "", err);
}

static int do_nothing(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)db;
	(void)arg;
	(void)err;
	return 0;
}

static void drain(struct cloud *c, int64_t parallel, bool cold)
{
	cloud_ok(c, do_drain, &((struct drain_want) { .parallel = parallel, .cold = cold }));
}

static struct drain_counts counts(struct cloud *c)
{
	struct drain_counts n;
	struct error err;

	assert_int_equal(store_drain_counts(store_ro(c->store), c->hosts[0], &n, &err), 0);
	return n;
}

/* The bounds hold whenever one looks. */
static void within_bounds(struct cloud *c)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain_target *to;
	struct drain d;
	struct error err;
	size_t n;

	if (store_drain_get(store_ro(c->store), &a, c->hosts[0], &d, &err) > 0)
		assert_true(counts(c).moving <= d.parallel);
	assert_int_equal(store_drain_targets(store_ro(c->store), &a, &to, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		assert_true(to[i].moves <= MOVES_PER_TARGET);
}

static bool drain_is(struct cloud *c, void *arg)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain d;
	struct error err;

	within_bounds(c);
	return store_drain_get(store_ro(c->store), &a, c->hosts[0], &d, &err) > 0 &&
	       strcmp(d.state, arg) == 0;
}

#define until_drain(c, state) cloud_until(c, drain_is, (void *)(uintptr_t)(state))

static bool moving_are(struct cloud *c, void *arg)
{
	return counts(c).moving == *(int64_t *)arg;
}

/* Of the five. */
static bool two_travel(struct cloud *c, void *arg)
{
	const struct want *w = arg;
	struct sim_domain d;
	int n = 0;

	for (int i = 0; i < w->count; i++)
		n += sim_domain_get(c->worlds[0], w->uid[i], &d) && d.moving;
	return n == 2;
}

static bool waits_for_room(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM drain_server WHERE for_room = 1 AND state = 'waiting'") ==
	       1;
}

static int64_t servers_on(struct cloud *c, int host)
{
	char sql[128];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM server WHERE deleted_us = 0 AND host_id = %lld",
		(long long)c->hosts[host]);
	return cloud_count(c, sql);
}

static void row_of(struct cloud *c, struct arena *a, const char *uid, struct drain_server *out)
{
	struct drain_server *all;
	struct error err;
	size_t n;

	assert_int_equal(store_drain_servers(store_ro(c->store), a, c->hosts[0], true, &all, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].server_uid, uid) == 0) {
			*out = all[i];
			return;
		}
	fail_msg("%s is in no drain", uid);
}

static void expect_row(struct cloud *c, const char *uid, const char *state, const char *reason)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drain_server s;

	row_of(c, &a, uid, &s);
	assert_string_equal(s.state, state);
	if (reason && !strstr(s.reason, reason))
		fail_msg("%s, not %s", s.reason, reason);
}

/* ---- tests ---- */

/* Thirty servers in all states, faults on the way: those that can move have moved, once each. */
static void test_thirty(void **state)
{
	struct cloud c = { 0 };
	struct want many = { .count = 8, .vcpus = 1, .ram_mib = 512 }, more = many,
		    off = { .count = 4, .vcpus = 1 }, rest = many, gpu = { .vcpus = 1 },
		    paused = { .vcpus = 1 };
	struct sim_domain d;

	(void)state;
	make(&c);
	for (int i = 0; i < 4; i++)
		cloud_host(&c, HOST);
	create(&c, &many, NULL);
	create(&c, &more, NULL);
	create(&c, &rest, NULL);
	create(&c, &off, NULL);
	create(&c, &gpu, GPU);
	create(&c, &paused, NULL);
	for (int i = 0; i < 4; i++)
		stop(&c, off.uid[i]);
	cloud_ok(&c, do_op, &((struct op) { paused.uid[0], SERVER_PAUSE }));
	cloud_until_server(&c, paused.uid[0], VM_PAUSED);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(servers_on(&c, 0), 30);
	sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 2, 3, SIM_FAIL);
	sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 9, 1, SIM_LOSE_REPLY);
	sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 14, 1, SIM_DROP);
	sim_fault(c.worlds[1], SIM_VOLUME_ENSURE, 1, 2, SIM_FAIL);
	sim_fault(c.worlds[2], SIM_DOMAIN_LOOK, 3, 1, SIM_DROP);
	sim_fault(c.worlds[3], SIM_VOLUME_UPLOAD, 1, 1, SIM_FAIL);
	drain(&c, 4, false);
	until_drain(&c, "partial");
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(servers_on(&c, 0), 1);
	assert_int_equal(counts(&c).moved, 29);
	expect_row(&c, gpu.uid[0], "stays", "GPUs");
	for (int i = 0; i < 8; i++) {
		cloud_until_server(&c, many.uid[i], VM_ACTIVE);
		assert_true(sim_domain_get(c.worlds[host_of(&c, many.uid[i])], many.uid[i], &d));
		assert_int_equal(d.power, HV_POWER_RUNNING);
		assert_int_equal(d.starts, 1); /* it was never started again */
	}
	for (int i = 0; i < 4; i++) {
		cloud_until_server(&c, off.uid[i], VM_STOPPED); /* nobody has to confirm anything */
		assert_int_not_equal(host_of(&c, off.uid[i]), 0);
	}
	cloud_until_server(&c, paused.uid[0], VM_PAUSED);
	assert_int_equal(sim_domain_count(c.worlds[0]), 1);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM migration WHERE ended_us IS NULL"), 0);
	/* and what cannot move live, by force */
	drain(&c, 0, true);
	until_drain(&c, "done");
	cloud_until_server(&c, gpu.uid[0], VM_ACTIVE);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(servers_on(&c, 0), 0);
	assert_int_equal(sim_domain_count(c.worlds[0]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM event WHERE type = 'host.drain_ended'"), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM audit WHERE action = 'drain.moved'"), 30);
	cloud_ok(&c, do_state, (void *)(uintptr_t) "up");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM drain"), 0);
	finish(&c);
}

/* Stopped: who is under way arrives, nobody else sets out; resumed, it goes on. */
static void test_stop(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .count = 6, .vcpus = 1 };
	int64_t two = 2, none = 0;

	(void)state;
	make(&c);
	cloud_host(&c, SLOW);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	create(&c, &w, NULL);
	assert_int_equal(cloud_do(&c, do_stop, NULL), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	drain(&c, 0, false);
	cloud_until(&c, moving_are, &two);
	cloud_ok(&c, do_stop, NULL);
	until_drain(&c, "stopped");
	while (!cloud_count(&c, "SELECT count(*) = 0 FROM flow")) {
		sim_release(c.worlds[0]);
		cloud_ok(&c, do_nothing, NULL);
	}
	cloud_until(&c, moving_are, &none);
	assert_int_equal(counts(&c).moved, 2);
	assert_int_equal(counts(&c).waiting, 4);
	assert_int_equal(servers_on(&c, 0), 4);
	cloud_clean(&c);
	sim_move_time(c.worlds[0], 0);
	drain(&c, 3, false);
	until_drain(&c, "done");
	assert_int_equal(servers_on(&c, 0), 0);
	finish(&c);
}

/* As kill -9 would, with two under way: what was cut off is moved all the same, and what waited too. */
static void test_restart(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .count = 5, .vcpus = 1 };

	(void)state;
	make(&c);
	cloud_host(&c, SLOW);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	create(&c, &w, NULL);
	drain(&c, 0, false);
	cloud_until(&c, two_travel, &w);
	cloud_shut(&c);
	for (int i = 0; i < 3; i++)
		sim_move_time(c.worlds[i], 0);
	cloud_open(&c);
	until_drain(&c, "done");
	assert_int_equal(servers_on(&c, 0), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM host WHERE state = 'draining'"), 1);
	for (int i = 0; i < 5; i++)
		cloud_until_server(&c, w.uid[i], VM_ACTIVE);
	finish(&c);
}

/* One for which there is no room waits, and holds up nobody; when there is room it goes. */
static void test_no_room(void **state)
{
	struct cloud c = { .flow = { .retry_max_ms = 3600000 } }; /* only room wakes it */
	struct want big = { .vcpus = 8, .ram_mib = 40960 }, small = { .vcpus = 1, .ram_mib = 512 },
		    other = big;

	(void)state;
	make(&c);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	other.host = "host1";
	cloud_ok(&c, do_create, &other);
	cloud_until_server(&c, other.uid[0], VM_ACTIVE);
	create(&c, &big, NULL);
	create(&c, &small, NULL);
	drain(&c, 1, false);
	cloud_until(&c, waits_for_room, NULL);
	while (servers_on(&c, 0) != 1)
		cloud_ok(&c, do_nothing, NULL);
	expect_row(&c, big.uid[0], "waiting", "no host fits");
	assert_int_equal(host_of(&c, small.uid[0]), 1);
	assert_true(drain_is(&c, (void *)(uintptr_t) "running"));
	cloud_ok(&c, do_delete, other.uid[0]);
	until_drain(&c, "done");
	assert_int_equal(host_of(&c, big.uid[0]), 1);
	finish(&c);
}

/* A preemptible one without room is made to leave, as by others: with notice, into an image. */
static void test_preemptible(void **state)
{
	struct cloud c = { .flow = { .retry_max_ms = 3600000, .preempt_notice_s = 10 } };
	struct want spot = { .vcpus = 2 };

	(void)state;
	make(&c);
	cloud_host(&c, HOST);
	create(&c, &spot, SPOT);
	drain(&c, 0, false);
	while (!cloud_count(&c, "SELECT count(*) FROM eviction"))
		cloud_ok(&c, do_nothing, NULL);
	expect_row(&c, spot.uid[0], "waiting", "preemptible");
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM event WHERE type = 'eviction.notice'"), 1);
	cloud_clean(&c);
	/* taken back with the drain */
	cloud_ok(&c, do_stop, NULL);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM eviction"), 0);
	cloud_clean(&c);
	drain(&c, 0, false);
	while (!cloud_count(&c, "SELECT count(*) FROM eviction"))
		cloud_ok(&c, do_nothing, NULL);
	clock_ahead_us += 11 * 1000000;
	calendar_look(c.e);
	until_drain(&c, "done");
	cloud_until_server(&c, spot.uid[0], VM_SHELVED_OFFLOADED);
	finish(&c);
}

static int do_lock(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	return db_run(db, err, "UPDATE server SET locked = 1 - locked WHERE uid = ?", "s", arg) < 0 ? -1 : 0;
}

/* Those that stay say why; what one does about it is seen. */
static void test_states(void **state)
{
	struct cloud c = { .flow = { .shelved_offload_s = -1 } };
	struct want shelved = { .vcpus = 1 }, saved = shelved, locked = shelved, gpu = shelved;
	struct change x = { .what = CHANGE_SHELVE };

	(void)state;
	make(&c);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	create(&c, &shelved, NULL);
	create(&c, &saved, NULL);
	create(&c, &locked, GPU);
	create(&c, &gpu, GPU);
	x.uid = shelved.uid[0];
	cloud_ok(&c, do_change, &x);
	cloud_until_server(&c, x.uid, VM_SHELVED);
	cloud_ok(&c, do_op, &((struct op) { saved.uid[0], SERVER_SUSPEND }));
	cloud_until_server(&c, saved.uid[0], VM_SUSPENDED);
	cloud_until(&c, flows_gone, NULL);
	cloud_ok(&c, do_lock, locked.uid[0]);
	drain(&c, 0, true);
	until_drain(&c, "partial");
	cloud_until_server(&c, shelved.uid[0], VM_SHELVED_OFFLOADED);
	cloud_until_server(&c, gpu.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, gpu.uid[0]), 1);
	expect_row(&c, saved.uid[0], "stays", "memory");
	expect_row(&c, locked.uid[0], "stays", "locked");
	cloud_clean(&c);
	cloud_ok(&c, do_op, &((struct op) { saved.uid[0], SERVER_RESUME }));
	while (host_of(&c, saved.uid[0]) == 0)
		cloud_ok(&c, do_nothing, NULL);
	until_drain(&c, "partial");
	cloud_ok(&c, do_lock, locked.uid[0]);
	cloud_ok(&c, do_delete, locked.uid[0]);
	until_drain(&c, "done");
	finish(&c);
}

/* One that fails everywhere is tried so often, and stays; asked again, it is tried again. */
static void test_in_vain(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .vcpus = 1 };

	(void)state;
	make(&c);
	for (int i = 0; i < 3; i++)
		cloud_host(&c, HOST);
	create(&c, &w, NULL);
	sim_fault(c.worlds[0], SIM_DOMAIN_MIGRATE, 1, -1, SIM_FAIL);
	drain(&c, 0, false);
	until_drain(&c, "partial");
	expect_row(&c, w.uid[0], "stays", "4 moves failed");
	/* not always to the same host */
	assert_int_equal(cloud_count(&c, "SELECT count(DISTINCT dest_host_id) FROM migration"), 2);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM migration"), 4);
	sim_faults_clear(c.worlds[0]);
	drain(&c, 0, false);
	until_drain(&c, "done");
	finish(&c);
}

static int do_window(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = clock_wall(&test_clock);
	const struct block_want want = { .name = "w",
		.reason = "new disks",
		.start_us = now_us + HOUR_S * 1000000LL,
		.end_us = now_us + 2 * HOUR_S * 1000000LL,
		.hosts = c->hosts,
		.hosts_n = 1,
		.empties = true };

	return flow_block_make(c->e, db, &a, &want, now_us, arg, err);
}

/* A window empties its host when it begins, also when the daemon was started again in between. */
static void test_window(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .count = 2, .vcpus = 1 };
	int64_t id;

	(void)state;
	make(&c);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	create(&c, &w, NULL);
	cloud_ok(&c, do_window, &id);
	cloud_close(&c);
	cloud_open(&c);
	assert_int_equal(servers_on(&c, 0), 2);
	clock_ahead_us += HOUR_S * 1000000LL + 1000000;
	calendar_look(c.e);
	until_drain(&c, "done");
	assert_int_equal(servers_on(&c, 0), 0);
	clock_ahead_us += HOUR_S * 1000000LL;
	calendar_look(c.e);
	while (cloud_count(&c, "SELECT count(*) FROM drain") ||
		cloud_count(&c, "SELECT count(*) FROM host WHERE state != 'up'"))
		cloud_ok(&c, do_nothing, NULL);
	finish(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thirty),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_preemptible),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_in_vain),
		cmocka_unit_test(test_window),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
