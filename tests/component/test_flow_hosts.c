/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that fail, hang, drop, lie and come back; and what guests do by themselves. */
#include "flow_fixture.h"

#include "base/log.h"
#include "store/hosts.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=2&gpu=10de:2330"

static struct cloud cloud;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud_make(&cloud);
	cloud_host(&cloud, HOST);
	cloud_host(&cloud, HOST);
	*state = &cloud;
	return 0;
}

static int setup_hasty(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud.flow.call_timeout_ms = 300;
	cloud.flow.connect_timeout_ms = 100;
	cloud_make(&cloud);
	cloud_host(&cloud, HOST);
	cloud_host(&cloud, HOST);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	struct cloud *c = *state;

	for (unsigned i = 0; i < c->hosts_n; i++) {
		sim_faults_clear(c->worlds[i]);
		sim_release(c->worlds[i]);
		sim_set_down(c->worlds[i], false);
	}
	cloud_close(c);
	cloud_remove(c);
	return 0;
}

static enum hv_power power(struct cloud *c, unsigned host, const char *uid)
{
	struct sim_domain d = { .power = HV_POWER_ABSENT };

	sim_domain_get(c->worlds[host], uid, &d);
	return d.power;
}

static void make_on(struct cloud *c, struct want *w, const char *host)
{
	w->host = host;
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
}

/* Each call of a creation fails once, in each way, and the server is made all the same. */
static void test_each_call_fails_once(void **state)
{
	static const enum sim_op ops[] = { SIM_IMAGE_ENSURE, SIM_VOLUME_ENSURE, SIM_VOLUME_WRITE,
		SIM_DOMAIN_DEFINE, SIM_DOMAIN_START, SIM_DOMAIN_REMOVE, SIM_VOLUME_REMOVE };
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY, SIM_DROP };
	struct cloud *c = *state;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
			struct want w = { .drive = true };

			sim_fault(c->worlds[0], ops[i], 1, 1, kinds[k]);
			make_on(c, &w, "host0");
			assert_int_equal(power(c, 0, w.uid[0]), HV_POWER_RUNNING);
			cloud_ok(c, do_delete, w.uid[0]);
			cloud_until_server(c, w.uid[0], VM_DELETED);
			cloud_until(c, flows_gone, NULL);
			assert_int_equal(sim_domain_count(c->worlds[0]), 0);
			sim_faults_clear(c->worlds[0]);
			cloud_clean(c);
		}
	assert_int_equal(sim_volume_count(c->worlds[0]), 1);
}

/* A host that goes on refusing: ERROR with a fault; the deletion gives back what it held. */
static void test_refused_for_good(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { .host = "host0" };
	struct server s;

	sim_fault(c->worlds[0], SIM_DOMAIN_START, 1, -1, SIM_FAIL);
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ERROR);
	cloud_until(c, flows_gone, NULL);
	s = cloud_server(c, &a, w.uid[0]);
	assert_int_equal(s.fault_code, 500);
	assert_true(strlen(s.fault_message) > 3);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE message IS NOT NULL"), 1);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server' AND state = 'error'"), 1);
	cloud_clean(c);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c->worlds[0]), 0);
	cloud_clean(c);
}

/* The image cannot be copied: its servers fail with it, and the next one tries again. */
static void test_image_refused(void **state)
{
	struct cloud *c = *state;
	struct want w = { .host = "host0", .count = 2 }, again = { 0 };

	sim_fault(c->worlds[0], SIM_IMAGE_ENSURE, 1, -1, SIM_FAIL);
	cloud_ok(c, do_create, &w);
	cloud_until_server(c, w.uid[0], VM_ERROR);
	cloud_until_server(c, w.uid[1], VM_ERROR);
	cloud_until(c, flows_gone, NULL);
	sim_faults_clear(c->worlds[0]);
	make_on(c, &again, "host0");
	cloud_clean(c);
}

static bool hangs(struct cloud *c, void *arg)
{
	return sim_hanging(c->worlds[0]) >= *(unsigned *)arg;
}

/* One host hangs; the other serves as ever. When it is released all comes to its end. */
static void test_hung_host(void **state)
{
	struct cloud *c = *state;
	struct want stuck = { .host = "host0", .count = 6 };
	unsigned one = 1;

	sim_fault(c->worlds[0], SIM_ANY, 1, -1, SIM_HANG);
	cloud_ok(c, do_create, &stuck);
	cloud_until(c, hangs, &one);
	for (int i = 0; i < 5; i++) {
		struct want w = { 0 };

		make_on(c, &w, "host1");
		cloud_ok(c, do_delete, w.uid[0]);
		cloud_until_server(c, w.uid[0], VM_DELETED);
	}
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server WHERE vm_state = 'building'"), 6);
	sim_faults_clear(c->worlds[0]);
	sim_release(c->worlds[0]);
	for (int i = 0; i < 6; i++)
		cloud_until_server(c, stuck.uid[i], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	cloud_clean(c);
}

static bool given_up(struct cloud *c, void *arg)
{
	return lane_pool_given_up(c->lanes) >= *(unsigned *)arg;
}

/* Calls that hang past their deadline are given up; the host is connected anew and the flow goes on. The late
 * call's end harms nothing. */
static void test_given_up(void **state)
{
	struct cloud *c = *state;
	struct want w = { .host = "host0" };
	unsigned one = 1;

	sim_fault(c->worlds[0], SIM_DOMAIN_START, 1, 1, SIM_HANG);
	cloud_ok(c, do_create, &w);
	cloud_until(c, given_up, &one);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	sim_release(c->worlds[0]);
	cloud_until(c, lanes_idle, NULL);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(power(c, 0, w.uid[0]), HV_POWER_RUNNING);
	cloud_clean(c);
}

static bool hangs_no_more(struct cloud *c, void *arg)
{
	(void)arg;
	return lane_pool_given_up(c->lanes) == 0;
}

/* A definition that was given up comes through while the server is being deleted: the deletion waits for it,
 * since what is removed before would be made again after. */
static void test_late_call(void **state)
{
	struct cloud *c = *state;
	struct want w = { .host = "host0" };
	unsigned one = 1, zero = 0;
	char disk[HV_VOLUME_NAME];

	sim_fault(c->worlds[0], SIM_DOMAIN_DEFINE, 1, 1, SIM_HANG);
	cloud_ok(c, do_create, &w);
	cloud_until(c, given_up, &one);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until(c, host_connected, &zero);
	hv_server_volume(w.uid[0], HV_ROOT, disk);
	assert_true(sim_volume_exists(c->worlds[0], disk));
	sim_release(c->worlds[0]);
	cloud_until(c, hangs_no_more, NULL);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c->worlds[0]), 0);
	assert_false(sim_volume_exists(c->worlds[0], disk));
	cloud_clean(c);
}

static bool nothing_there(struct cloud *c, void *arg)
{
	(void)arg;
	return sim_domain_count(c->worlds[0]) == 0;
}

static bool server_gone(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM server WHERE deleted_us = 0") == 0;
}

/* A call that never ends does not hold up its server's deletion for ever: the host is asked over another
 * connection, and what is there goes. Nothing is given back before. */
static void test_endless_call(void **state)
{
	static const enum sim_op ops[] = { SIM_DOMAIN_START, SIM_DOMAIN_DEFINE };
	struct cloud *c = *state;

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct want w = { .host = "host0" };
		unsigned one = 1;

		sim_fault(c->worlds[0], ops[i], 1, 1, SIM_HANG);
		cloud_ok(c, do_create, &w);
		cloud_until(c, given_up, &one);
		cloud_ok(c, do_delete, w.uid[0]);
		cloud_until(c, server_gone, NULL);
		assert_int_equal(sim_hanging(c->worlds[0]), 1);
		assert_int_equal(sim_domain_count(c->worlds[0]), 0);
		assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
		cloud_clean(c);
		sim_release(c->worlds[0]);
		cloud_until(c, hangs_no_more, NULL);
		/* what came late is seen, and cleared away */
		flow_host_refresh(c->e, c->hosts[0]);
		cloud_until(c, nothing_there, NULL);
		cloud_until(c, flows_gone, NULL);
	}
}

static bool unreachable(struct cloud *c, void *arg)
{
	struct host_link l;

	return flow_host_link(c->e, c->hosts[*(unsigned *)arg], &l) && strcmp(l.state, "unreachable") == 0 &&
	       l.error[0];
}

/* A host that is away: its servers keep their state, gets no new ones, and a deletion waits for proof. */
static void test_host_away(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 }, other = { 0 };
	struct op stop = { w.uid[0], SERVER_STOP };
	unsigned zero = 0;

	make_on(c, &w, "host0");
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "cable");
	cloud_until(c, unreachable, &zero);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	other.host = "host0";
	cloud_ok(c, do_create, &other);
	cloud_until_server(c, other.uid[0], VM_ERROR); /* no valid host */
	cloud_ok(c, do_op, &stop);
	cloud_ok(c, do_delete, w.uid[0]);
	make_on(c, &other, "host1"); /* others go on */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server WHERE task_state = 'deleting'"), 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM port"), 2);
	cloud_clean(c);
	sim_set_down(c->worlds[0], false);
	cloud_until_server(c, w.uid[0], VM_DELETED);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c->worlds[0]), 0);
	cloud_clean(c);
}

/* ---- what guests do ---- */

static void test_guest_goes_off(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { 0 };

	make_on(c, &w, "host0");
	assert_int_equal(sim_guest_shutdown(c->worlds[0], w.uid[0]), 0);
	cloud_until_server(c, w.uid[0], VM_STOPPED);
	assert_int_equal(cloud_server(c, &a, w.uid[0]).power_state, POWER_SHUTDOWN);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server' AND state = "
					"'stopped' AND ended_us IS NULL"),
		1);
	/* changes-since goes by when the row changed, not by when the look began */
	assert_int_equal(cloud_count(c, "SELECT updated_us > power_seen_us FROM server"), 1);
	cloud_clean(c);
}

/* The event is lost: a look over the host finds it. */
static void test_event_lost(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };

	make_on(c, &w, "host0");
	sim_events(c->worlds[0], true, false);
	assert_int_equal(sim_guest_shutdown(c->worlds[0], w.uid[0]), 0);
	flow_host_refresh(c->e, c->hosts[0]);
	cloud_until_server(c, w.uid[0], VM_STOPPED);
	sim_events(c->worlds[0], false, true);
	cloud_clean(c);
}

/* A power failure: what ran is found off when the host is back. */
static void test_power_failure(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	unsigned zero = 0;

	make_on(c, &w, "host0");
	sim_crash(c->worlds[0]);
	cloud_until_server(c, w.uid[0], VM_STOPPED);
	cloud_until(c, host_connected, &zero);
	cloud_clean(c);
}

static void test_domain_gone(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	struct op hard = { w.uid[0], SERVER_REBOOT_HARD };

	make_on(c, &w, "host0");
	assert_int_equal(sim_undefine(c->worlds[0], w.uid[0]), 0);
	flow_host_refresh(c->e, c->hosts[0]);
	cloud_until_server(c, w.uid[0], VM_ERROR);
	cloud_clean(c);
	cloud_ok(c, do_op, &hard); /* its disks are still there */
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(power(c, 0, w.uid[0]), HV_POWER_RUNNING);
	cloud_clean(c);
}

/* An observation that fails changes nothing, and what is not ours is left alone. */
static void test_failed_look(void **state)
{
	static const char foreign[] = "f0000000-0000-4000-8000-000000000001";
	struct cloud *c = *state;
	struct want w = { 0 }, x = { 0 };
	uint64_t lists;

	make_on(c, &w, "host0");
	sim_foreign_domain(c->worlds[0], foreign);
	sim_fault(c->worlds[0], SIM_DOMAIN_LIST, 1, 1, SIM_FAIL);
	lists = sim_calls(c->worlds[0], SIM_DOMAIN_LIST);
	flow_host_refresh(c->e, c->hosts[0]);
	make_on(c, &x, "host0");
	assert_true(sim_calls(c->worlds[0], SIM_DOMAIN_LIST) > lists);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(sim_domain_count(c->worlds[0]), 3);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_ok(c, do_delete, x.uid[0]);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c->worlds[0]), 1);
	assert_int_equal(power(c, 0, foreign), HV_POWER_RUNNING);
	cloud_clean(c);
}

/* ---- the operator ---- */

static int do_state(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_set_state(c->e, db, c->hosts[0], arg, "because", err);
}

static int do_remove(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return flow_host_remove(c->e, db, c->hosts[*(unsigned *)arg], err);
}

static bool link_gone(struct cloud *c, void *arg)
{
	struct host_link l;

	return !flow_host_link(c->e, c->hosts[*(unsigned *)arg], &l);
}

static void test_drain_and_remove(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 }, none = { .host = "host0" };
	unsigned zero = 0;

	make_on(c, &w, "host0");
	cloud_ok(c, do_state, "draining");
	cloud_ok(c, do_create, &none);
	cloud_until_server(c, none.uid[0], VM_ERROR);
	assert_int_equal(cloud_do(c, do_remove, &zero), -1);
	assert_int_equal(c->err.code, ERR_CONFLICT);
	assert_int_equal(cloud_do(c, do_state, "resting"), -1);
	assert_int_equal(c->err.code, ERR_BAD_REQUEST);
	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until(c, flows_gone, NULL);
	cloud_ok(c, do_remove, &zero);
	cloud_until(c, link_gone, &zero);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host"), 1);
	cloud_clean(c);
}

static bool link_says(struct cloud *c, unsigned host, const char *what)
{
	struct host_link l;

	return flow_host_link(c->e, c->hosts[host], &l) && strstr(l.error, what);
}

static bool second_refused(struct cloud *c, void *arg)
{
	(void)arg;
	return link_says(c, 2, "same machine as host host0");
}

static bool first_refused(struct cloud *c, void *arg)
{
	(void)arg;
	return link_says(c, 0, "another machine answers");
}

static int do_add_again(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	return add_host(c, db, arg, err);
}

/* Its GPUs would be counted, and given, twice. */
static void test_one_machine_is_one_host(void **state)
{
	struct cloud *c = *state;
	char uri[160];
	unsigned two = 2;

	snprintf(uri, sizeof uri, "sim://%s?gpu=10de:2330&gpus=2&vcpus=16&ram_gib=64&disk_gib=500",
		c->worlds[0]);
	cloud_ok(c, do_add_again, uri);
	c->hosts_n++;
	cloud_until(c, second_refused, NULL);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM device"), 4);
	cloud_ok(c, do_remove, &two);
	cloud_until(c, link_gone, &two);
	c->hosts_n--;
	cloud_clean(c);
}

static int do_machine(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;

	if (store_host_load(db, &a, c->hosts[0], &h, err))
		return -1;
	h.hv_uuid = arg;
	return flow_host_change(c->e, db, &a, &h, err);
}

/* What another machine has says nothing about the servers of this one, before the operator says that it took
 * its place. */
static void test_another_machine_answers(void **state)
{
	struct cloud *c = *state;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct want w = { 0 };
	struct host_row h;
	unsigned zero = 0;

	make_on(c, &w, "host0");
	assert_int_equal(store_host_load(store_ro(c->store), &a, c->hosts[0], &h, &c->err), 0);
	cloud_ok(c, do_machine, "6a5c3fb0-0000-4000-8000-0123456789ab");
	sim_drop(c->worlds[0], "cable");
	cloud_until(c, first_refused, NULL);
	cloud_until_server(c, w.uid[0], VM_ACTIVE);
	assert_int_equal(cloud_do(c, do_machine, "a machine"), -1);
	assert_int_equal(c->err.code, ERR_BAD_REQUEST);
	cloud_ok(c, do_machine, (void *)(uintptr_t)h.hv_uuid);
	cloud_until(c, host_connected, &zero);
	assert_int_equal(power(c, 0, w.uid[0]), HV_POWER_RUNNING);
	cloud_clean(c);
}

static int do_add_bad(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int64_t id;

	return flow_host_add(c->e, db, arg, 1, &id, err);
}

static void test_add_refused(void **state)
{
	struct cloud *c = *state;
	struct host_add ok = { .name = "n",
		.uri = "sim://n?vcpus=1",
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000 };
	struct host_add bad[6];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = ok;
	bad[0].name = "";
	bad[1].uri = "http://nonsense";
	bad[2].accel = "warp";
	bad[3].vcpu_ratio_milli = 0;
	bad[4].ram_reserved_mib = -1;
	bad[5].name = "host0";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(cloud_do(c, do_add_bad, &bad[i]), -1);
		assert_int_equal(c->err.code, i == 5 ? ERR_CONFLICT : ERR_BAD_REQUEST);
	}
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM host"), 2);
	cloud_clean(c);
}

/* ---- the console ---- */

struct console_got {
	bool done;
	enum err code;
	char text[256];
	size_t n;
};

static void console_done(void *ctx, const struct buf *text, const struct error *err)
{
	struct console_got *got = ctx;

	got->done = true;
	got->code = err ? err->code : ERR_NONE;
	if (text) {
		got->n = text->len < sizeof got->text ? text->len : sizeof got->text;
		if (got->n)
			memcpy(got->text, text->data, got->n);
	}
}

static bool console_came(struct cloud *c, void *arg)
{
	(void)c;
	return ((struct console_got *)arg)->done;
}

static void test_console(void **state)
{
	struct cloud *c = *state;
	struct want w = { 0 };
	struct console_got all = { 0 }, last = { 0 }, none = { 0 }, away = { 0 };
	unsigned zero = 0;

	make_on(c, &w, "host0");
	flow_server_console(c->e, c->hosts[0], w.uid[0], 0, console_done, &all);
	cloud_until(c, console_came, &all);
	assert_int_equal(all.code, ERR_NONE);
	assert_true(all.n > 0);
	flow_server_console(c->e, c->hosts[0], w.uid[0], 2, console_done, &last);
	cloud_until(c, console_came, &last);
	assert_true(last.n > 0 && last.n <= all.n);
	assert_memory_equal(last.text, all.text + all.n - last.n, last.n);
	assert_null(memchr(last.text, '\n', last.n - 1));
	flow_server_console(c->e, 0, w.uid[0], 1, console_done, &none);
	assert_int_equal(none.code, ERR_CONFLICT);
	sim_set_down(c->worlds[0], true);
	sim_drop(c->worlds[0], "cable");
	cloud_until(c, unreachable, &zero);
	flow_server_console(c->e, c->hosts[0], w.uid[0], 1, console_done, &away);
	assert_int_equal(away.code, ERR_UNREACHABLE);
}

int main(void)
{
#define TEST(fn, up) cmocka_unit_test_setup_teardown(fn, up, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_call_fails_once, setup),
		TEST(test_refused_for_good, setup),
		TEST(test_image_refused, setup),
		TEST(test_hung_host, setup),
		TEST(test_given_up, setup_hasty),
		TEST(test_late_call, setup_hasty),
		TEST(test_endless_call, setup_hasty),
		TEST(test_host_away, setup),
		TEST(test_guest_goes_off, setup),
		TEST(test_event_lost, setup),
		TEST(test_power_failure, setup),
		TEST(test_domain_gone, setup),
		TEST(test_failed_look, setup),
		TEST(test_drain_and_remove, setup),
		TEST(test_one_machine_is_one_host, setup),
		TEST(test_another_machine_answers, setup),
		TEST(test_add_refused, setup),
		TEST(test_console, setup),
	};
#undef TEST

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
