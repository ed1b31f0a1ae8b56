/* SPDX-License-Identifier: Apache-2.0 */
/* What guests use is counted, all of it and once: as they go on, end, start again and move, over lost and
 * hanging hosts, restarts of cloudd and steps of the wall clock. */
#include "move_fixture.h"

#include "flow/samples.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500"

static struct cloud cloud;

static void make(struct cloud *c, int64_t period_ms, unsigned call_timeout_ms)
{
	static char path[96];
	struct samples_config s = { .period_ms = period_ms,
		.minutes_keep_ms = INT64_MAX / 4,
		.hours_keep_ms = INT64_MAX / 4,
		.path = path };
	struct error err;

	memset(c, 0, sizeof *c);
	c->flow.call_timeout_ms = call_timeout_ms;
	sim_use_clock(NULL);
	cloud_make(c);
	snprintf(path, sizeof path, "%s/samples.db", c->dir);
	if (samples_open(&s, &c->flow.samples, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	cloud_close(c);
	cloud_open(c);
	cloud_host(c, HOST);
	cloud_host(c, HOST);
}

static int setup(void **state)
{
	make(&cloud, 10, 0);
	*state = &cloud;
	return 0;
}

static int setup_seldom(void **state)
{
	make(&cloud, 3600000, 0);
	*state = &cloud;
	return 0;
}

static int setup_hasty(void **state)
{
	make(&cloud, 10, 300);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	struct cloud *c = *state;

	clock_set_us = 0;
	for (unsigned i = 0; i < c->hosts_n; i++) {
		sim_faults_clear(c->worlds[i]);
		sim_release(c->worlds[i]);
		sim_set_down(c->worlds[i], false);
	}
	cloud_close(c);
	samples_unref(c->flow.samples);
	cloud_remove(c);
	return 0;
}

static void make_on(struct cloud *c, struct want *w, const char *host)
{
	w->host = host;
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
}

/* Each counter by so much, each another. */
static void use(struct cloud *c, int host, const char *uid, int64_t n)
{
	int64_t more[SAMPLE_COUNTERS];

	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		more[i] = n * (i + 1);
	assert_int_equal(sim_guest_use(c->worlds[host], uid, more), 0);
}

static struct samples_sum whole(struct cloud *c, const char *uid, enum samples_step step)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct samples_query q = { uid, step, 0, 4102444800000, 0, 1 };
	struct samples_sum *list;
	struct error err;
	size_t n;
	bool more;

	if (samples_read(c->flow.samples, &a, &q, &list, &n, &more, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	return n ? *list : (struct samples_sum) { 0 };
}

static bool counted(struct cloud *c, const char *uid, int64_t n)
{
	for (enum samples_step step = SAMPLES_MINUTE; step <= SAMPLES_HOUR; step++) {
		struct samples_sum s = whole(c, uid, step);

		for (int i = 0; i < SAMPLE_COUNTERS; i++) {
			if (s.used[i] > n * (i + 1))
				fail_msg("%s: %lld counted of %lld", sample_counter_names[i],
					(long long)s.used[i], (long long)n * (i + 1));
			if (s.used[i] < n * (i + 1))
				return false;
		}
	}
	return true;
}

struct sum {
	const char *uid;
	int64_t n;
};

static bool is_counted(struct cloud *c, void *arg)
{
	const struct sum *s = arg;

	return counted(c, s->uid, s->n);
}

#define until_counted(c, server, want)            \
	do {                                      \
		struct sum s_ = { server, want }; \
		cloud_until(c, is_counted, &s_);  \
	} while (0)

static bool written_on(struct cloud *c, void *arg)
{
	struct flow_samples_stats s;

	flow_samples_stats(c->e, &s);
	return s.written > *(uint64_t *)arg;
}

/* So many more readings of all hosts are in the file. */
static void until_written(struct cloud *c, uint64_t n)
{
	struct flow_samples_stats s;

	flow_samples_stats(c->e, &s);
	n += s.written;
	cloud_until(c, written_on, &n);
}

static bool asked_again(struct cloud *c, void *arg)
{
	return sim_calls(c->worlds[1], SIM_DOMAINS_USE) >= *(uint64_t *)arg;
}

/* --- as they go on -------------------------------------------------------------------------------------- */

static void test_goes_on(void **state)
{
	struct cloud *c = *state;
	struct want a = { 0 }, b = { 0 };
	struct op reset = { a.uid[0], SERVER_REBOOT_HARD };

	make_on(c, &a, "host0");
	make_on(c, &b, "host1");
	sim_foreign_domain(c->worlds[0], "ffffffff-0000-4000-8000-000000000001");
	use(c, 0, a.uid[0], 1000);
	use(c, 1, b.uid[0], 70);
	until_counted(c, a.uid[0], 1000);
	until_counted(c, b.uid[0], 70);
	/* what a busy one does not tell it tells later */
	sim_guest_busy(c->worlds[0], a.uid[0], true);
	use(c, 0, a.uid[0], 500);
	until_written(c, 4);
	assert_int_equal(whole(c, a.uid[0], SAMPLES_HOUR).used[SAMPLE_CPU_NS], 1500);
	assert_int_equal(whole(c, a.uid[0], SAMPLES_HOUR).used[SAMPLE_DISK_READ_BYTES], 2000);
	sim_guest_busy(c->worlds[0], a.uid[0], false);
	until_counted(c, a.uid[0], 1500);
	/* another start counts from nothing */
	cloud_ok(c, do_op, &reset);
	cloud_until_server(c, a.uid[0], VM_ACTIVE);
	until_written(c, 4);
	assert_true(counted(c, a.uid[0], 1500));
	use(c, 0, a.uid[0], 1);
	until_counted(c, a.uid[0], 1501);
	assert_true(whole(c, a.uid[0], SAMPLES_HOUR).ram_max_mib > 0);
	assert_true(flow_samples_host_us(c->e, c->hosts[0]) > 0);
}

/* --- lost, hanging, restarted --------------------------------------------------------------------------- */

static void test_faults(void **state)
{
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY, SIM_DROP };
	struct cloud *c = *state;
	struct want a = { 0 };
	int64_t n = 0;

	make_on(c, &a, "host0");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		sim_fault(c->worlds[0], SIM_DOMAINS_USE, 1, 3, kinds[i]);
		use(c, 0, a.uid[0], 100);
		n += 100;
		until_counted(c, a.uid[0], n);
	}
}

static void test_hang(void **state)
{
	struct cloud *c = *state;
	struct want a = { 0 }, b = { 0 };
	uint64_t calls;

	make_on(c, &a, "host0");
	make_on(c, &b, "host1");
	use(c, 0, a.uid[0], 10);
	until_counted(c, a.uid[0], 10);
	sim_fault(c->worlds[0], SIM_DOMAINS_USE, 1, -1, SIM_HANG);
	use(c, 0, a.uid[0], 10);
	/* the other host has its turns meanwhile */
	calls = sim_calls(c->worlds[1], SIM_DOMAINS_USE) + 20;
	cloud_until(c, asked_again, &calls);
	use(c, 1, b.uid[0], 7);
	until_counted(c, b.uid[0], 7);
	assert_false(counted(c, a.uid[0], 20));
	sim_faults_clear(c->worlds[0]);
	sim_release(c->worlds[0]);
	until_counted(c, a.uid[0], 20);
}

static void test_restart(void **state)
{
	struct cloud *c = *state;
	struct want a = { 0 };

	make_on(c, &a, "host0");
	for (int i = 1; i <= 5; i++) {
		use(c, 0, a.uid[0], 30);
		if (i % 2)
			until_counted(c, a.uid[0], 30 * i);
		cloud_shut(c); /* as kill -9 would */
		use(c, 0, a.uid[0], 0);
		cloud_open(c);
		until_counted(c, a.uid[0], 30 * i);
	}
	until_written(c, 3);
	assert_true(counted(c, a.uid[0], 150));
}

/* The wall clock is set on and back: nothing is lost, no time covered twice. */
static void test_clock_is_set(void **state)
{
	static const int64_t hours[] = { 5, -3, 0, 1, 0 };
	struct cloud *c = *state;
	struct want a = { 0 };
	int64_t begun = clock_mono(&clock_system), n = 0;

	make_on(c, &a, "host0");
	for (size_t i = 0; i < ARRAY_LEN(hours); i++) {
		clock_set_us = hours[i] * 3600000000;
		use(c, 0, a.uid[0], 9);
		until_counted(c, a.uid[0], n += 9);
		until_written(c, 2);
	}
	assert_true(whole(c, a.uid[0], SAMPLES_HOUR).covered_ms > 0);
	assert_true(
		whole(c, a.uid[0], SAMPLES_HOUR).covered_ms <= (clock_mono(&clock_system) - begun) / 1000);
}

/* --- as they end: seldom read, yet nothing is missed -----------------------------------------------------
 */

static void test_ends(void **state)
{
	struct cloud *c = *state;
	struct want a = { 0 }, b = { 0 };
	struct op stop = { a.uid[0], SERVER_STOP }, start = { a.uid[0], SERVER_START },
		  hard = { a.uid[0], SERVER_REBOOT_HARD }, suspend = { a.uid[0], SERVER_SUSPEND },
		  resume = { a.uid[0], SERVER_RESUME };
	const struct {
		struct op *op;
		enum vm_state after;
	} ops[] = { { &stop, VM_STOPPED }, { &start, VM_ACTIVE }, { &hard, VM_ACTIVE },
		{ &suspend, VM_SUSPENDED }, { &resume, VM_ACTIVE }, { &stop, VM_STOPPED } };
	int64_t n = 0;
	bool on = true;

	c->hooks.act_twice = true;
	flow_engine_hooks(c->e, &c->hooks);
	make_on(c, &a, "host0");
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		if (on)
			use(c, 0, a.uid[0], 11);
		n += on ? 11 : 0;
		cloud_ok(c, do_op, ops[i].op);
		cloud_until_server(c, a.uid[0], ops[i].after);
		on = ops[i].after == VM_ACTIVE;
		if (!on)
			assert_true(counted(c, a.uid[0], n));
	}
	make_on(c, &b, "host1");
	use(c, 1, b.uid[0], 5);
	cloud_ok(c, do_delete, b.uid[0]);
	cloud_until_server(c, b.uid[0], VM_DELETED);
	assert_true(counted(c, b.uid[0], 5));
}

static void test_moves(void **state)
{
	struct cloud *c = *state;
	struct want a = { 0 };
	struct go live = go_elsewhere(a.uid[0], MOVE_LIVE), cold = go_elsewhere(a.uid[0], MOVE_COLD);

	make_on(c, &a, "host0");
	use(c, 0, a.uid[0], 40);
	cloud_ok(c, do_move, &live);
	cloud_until(c, flows_gone, NULL);
	cloud_until_server(c, a.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(c, a.uid[0]), 1);
	assert_true(counted(c, a.uid[0], 40));
	use(c, 1, a.uid[0], 3);
	cloud_ok(c, do_move, &cold);
	cloud_until_server(c, a.uid[0], VM_RESIZED);
	assert_int_equal(host_of(c, a.uid[0]), 0);
	assert_true(counted(c, a.uid[0], 43));
	verb(c, a.uid[0], 'c');
	cloud_until_server(c, a.uid[0], VM_ACTIVE);
	use(c, 0, a.uid[0], 2);
	cloud_ok(c, do_delete, a.uid[0]);
	cloud_until_server(c, a.uid[0], VM_DELETED);
	assert_true(counted(c, a.uid[0], 45));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang, setup_hasty, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_is_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup_seldom, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup_seldom, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
