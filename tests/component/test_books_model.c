/* SPDX-License-Identifier: Apache-2.0 */
/* The books against an accountant of its own (books_oracle.h): random lives of servers, GPUs, images and
 * addresses on simulated hosts that fail and are lost, under a clock that moves only when the test moves it,
 * with the wall clock set back and forth and the daemon killed at any point. In the end every microsecond is
 * in the books, once, where the accountant has it. A failure prints its seed.
 *
 *	test_books_model [--seed N] [--lives N] [--steps N] [--servers N]  (servers: at one time) */
#include "books_bills.h"

#include <getopt.h>

#include "base/log.h"

enum { START_YEAR_MONTH = 56 * 12 + 10 }; /* November 2026 */
#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static struct {
	int64_t seed, lives, steps, servers;
} config = { 1, 5, 250, 24 };

static struct {
	bool due, dead;
} killing;

static bool kill_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	(void)step;
	(void)point;
	if (!killing.due)
		return false;
	killing.due = false;
	return killing.dead = true;
}

/* ---- time ---- */

static void pass(struct model *m, int64_t us)
{
	oracle_pass(&m->o, us);
	clock_hold.wall_us += us;
	clock_hold.mono_us += us;
	did.time_us += us;
}

static int64_t some_time(void)
{
	unsigned d = dice(100);

	if (d < 30)
		return 1 + dice(1000);
	if (d < 60)
		return 1 + (int64_t)(dice_wide() % (600 * SECOND));
	if (d < 90)
		return 1 + (int64_t)(dice_wide() % DAY);
	return 1 + (int64_t)(dice_wide() % (5 * DAY));
}

static void go_on(struct model *m)
{
	look(m);
	pass(m, some_time());
	calendar_look(m->l.c.e);
}

static int do_nothing(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)db;
	(void)arg;
	(void)err;
	return 0;
}

/* By so much that somebody will see it; until then no month is closed. */
static bool clock_is_wrong(const struct model *m)
{
	int64_t by = clock_hold.wall_us - m->o.now_us;

	return by < -60 * DAY || by > 60 * DAY;
}

/* Somebody sets the clock: by seconds, by days, over the end of the month and back, by years. */
static void set_clock(struct model *m)
{
	static const int64_t most[] = { 10 * SECOND, HOUR, 3 * DAY, 3 * DAY, 40 * DAY, 800 * DAY };
	int64_t by = SECOND + (int64_t)(dice_wide() % (uint64_t)most[dice(ARRAY_LEN(most))]);

	look(m);
	if (clock_is_wrong(m)) /* and puts it right */
		by = m->o.now_us - clock_hold.wall_us;
	else if (by < 60 * DAY && one_in(2) && clock_hold.wall_us - by > oracle_month_wall(START_YEAR_MONTH))
		by = -by;
	clock_hold.wall_us += by;
	oracle_set_wall(&m->o, clock_hold.wall_us);
	cloud_ok(&m->l.c, do_nothing, NULL);
	did.clock_steps++;
}

/* ---- the daemon ---- */

static int do_write(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err, "UPDATE subnet SET cursor = cursor", NULL) < 0 ? -1 : 0;
}

/* The machine was off as long as its wall clock says, and books time never goes back. */
static void reboot(struct model *m)
{
	/* less than the jitter of reading two clocks is no step */
	int64_t off_us = one_in(4) ? -SECOND - some_time() : some_time();

	clock_hold.wall_us += off_us;
	clock_hold.mono_us = (int64_t)dice(100) * SECOND;
	oracle_pass(&m->o, off_us > 0 ? off_us : 0);
	if (off_us < 0)
		oracle_set_wall(&m->o, clock_hold.wall_us);
	did.boots++;
}

static void stopped(struct model *m, bool off)
{
	const char *boot_id = cloud_boot_id;

	look(m);
	cloud_shut(&m->l.c);
	if (off) {
		while (cloud_boot_id == boot_id)
			cloud_boot_id = one_in(2) ? "boot-a" : "boot-b";
		reboot(m);
	} else if (one_in(2)) {
		pass(m, some_time());
	}
	cloud_open(&m->l.c);
	cloud_ok(&m->l.c, do_nothing, NULL); /* the clock is looked at */
}

static void reopen(struct model *m)
{
	killing.due = killing.dead = false;
	for (unsigned i = 0; i < HOSTS; i++)
		sim_faults_clear(m->l.c.worlds[i]);
	did.crashes++;
	stopped(m, false);
}

static void restart(struct model *m)
{
	bool done = false;

	for (unsigned i = 0; i < HOSTS; i++)
		sim_faults_clear(m->l.c.worlds[i]);
	cloud_ok(&m->l.c, do_write, NULL);
	flow_engine_stop(m->l.c.e, 30000, cloud_stopped, &done);
	cloud_until(&m->l.c, flag_set, &done);
	did.restarts++;
	killing.due = killing.dead = false;
	stopped(m, one_in(2));
}

static bool nothing_runs(struct cloud *c, void *arg)
{
	struct flow_stats s;
	int *turns = arg;

	flow_engine_stats(c->e, &s);
	return killing.dead || (s.running == 0 && tick_pending(c->tick) == 0) || --*turns < 0;
}

static void turn(struct model *m)
{
	int turns = one_in(3) ? (int)dice(6) : 200;

	cloud_until(&m->l.c, nothing_runs, &turns);
	if (killing.dead)
		reopen(m);
}

static void step(struct model *m)
{
	static const struct {
		unsigned weight;
		void (*deed)(struct life *l);
	} deeds[] = { { 26, some_create }, { 12, some_delete }, { 22, some_wish }, { 14, some_move },
		{ 3, some_image_gone }, { 12, some_operator }, { 6, some_fault }, { 4, some_trouble } };
	unsigned d = dice(105);

	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		if (d < deeds[i].weight) {
			deeds[i].deed(&m->l);
			break;
		}
		d -= deeds[i].weight;
	}
	if (one_in(25))
		set_clock(m);
	if (one_in(20) && !clock_is_wrong(m))
		close_months(m);
	if (one_in(40))
		killing.due = true;
	else if (one_in(60))
		restart(m);
	if (killing.dead)
		reopen(m);
	turn(m);
	go_on(m);
}

/* ---- the end ---- */

static void calm(struct model *m)
{
	struct cloud *c = &m->l.c;

	killing.due = false;
	if (killing.dead)
		reopen(m);
	for (int i = 0; i < HOSTS; i++) {
		int up = -i - 1;

		cloud_ok(c, do_force_down, &up);
		sim_faults_clear(c->worlds[i]);
		sim_events(c->worlds[i], false, false);
		sim_set_down(c->worlds[i], false);
	}
	cloud_ok(c, do_retry, NULL);
}

static bool all_connected(struct cloud *c, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < HOSTS; i++)
		if (!host_connected(c, &i))
			return false;
	return true;
}

/* Time has to pass for those who wait a while before they try again; more and more of it. */
static bool gone_in_time(struct cloud *c, void *arg)
{
	struct model *m = arg;

	if (flows_gone(c, arg))
		return true;
	if (tick_pending(c->tick) == 0 && !killing.dead) {
		look(m);
		pass(m, m->wait_us);
		m->wait_us += m->wait_us < 60 * SECOND ? m->wait_us / 8 : 0;
	}
	return false;
}

static void print_flows(struct cloud *c)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	struct error err;
	size_t n;

	if (store_flow_list(store_ro(c->store), &a, &rows, &n, &err))
		return;
	for (size_t i = 0; i < n; i++)
		print_error("flow %lld %s/%s on %lld: %s, %lld tries, %s\n", (long long)rows[i].id,
			rows[i].kind, rows[i].step, (long long)rows[i].subject_id, rows[i].state,
			(long long)rows[i].tries, rows[i].last_error ? rows[i].last_error : "");
}

static void until_no_flows(struct model *m)
{
	m->wait_us = SECOND / 100;
	if (cloud_try_until(&m->l.c, gone_in_time, m))
		return;
	print_flows(&m->l.c);
	fail_msg("flows did not end");
}

static void settle(struct model *m)
{
	calm(m);
	cloud_until(&m->l.c, all_connected, NULL);
	until_no_flows(m);
	for (unsigned i = 0; i < HOSTS; i++)
		flow_host_refresh(m->l.c.e, m->l.c.hosts[i]);
	until_no_flows(m);
}

static void compare(struct model *m)
{
	int n;

	look(m);
	n = oracle_compare(&m->o, store_ro(m->l.c.store));
	if (n)
		fail_msg("%d sums differ", n);
	compare_bills(m);
	cloud_clean(&m->l.c);
}

static void delete_all(struct model *m)
{
	struct life *l = &m->l;

	while (l->n) {
		l->c.project = l->guests[l->n - 1].project;
		if (cloud_do(&l->c, do_delete, l->guests[--l->n].uid))
			assert_int_equal(l->c.err.code, ERR_NOT_FOUND);
	}
	until_no_flows(m);
	assert_int_equal(cloud_count(&l->c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(
		cloud_count(&l->c, "SELECT count(*) FROM usage WHERE ended_us IS NULL AND kind = 'server'"),
		0);
}

/* ---- what was lived through ---- */

static struct oracle_bag seen; /* µs by kind and state, or kind, owner and state */

static void remember(const struct oracle *o)
{
	for (size_t i = 0; i < o->segments_n; i++) {
		char text[ORACLE_KEY], *part[16] = { NULL }, name[64];
		size_t n = 0;

		str_copy(text, sizeof text, o->segments[i]->key);
		for (char *rest = text, *p; n < ARRAY_LEN(part) && (p = strsep(&rest, "|"));)
			part[n++] = p;
		if (strcmp(part[0], "gpu") == 0)
			snprintf(name, sizeof name, "gpu %s%s%s", part[3],
				strcmp(part[10], "held") ? "" : " held",
				strcmp(part[3], "tenant") == 0 && strcmp(part[9], "0") != 0 ? " of a block"
											    : "");
		else
			snprintf(name, sizeof name, "%s %s", part[0], part[4]);
		oracle_bag_get(&seen, name)->us += o->segments[i]->us;
		oracle_bag_get(&seen, name)->from_us++;
	}
}

/* A test that never met a state says nothing about it. The rare ones are asked for in long runs. */
static void expect_all_seen(void)
{
	static const struct {
		const char *name;
		bool rare;
	} all[] = { { "server building" }, { "server active" }, { "server stopped" }, { "server resized" },
		{ "server shelved_offloaded" }, { "image active" }, { "address held" }, { "gpu tenant" },
		{ "gpu faulty" }, { "gpu maintenance" }, { "gpu idle" }, { "server paused", true },
		{ "server suspended", true }, { "server rescued", true }, { "server shelved", true },
		{ "server error", true }, { "gpu reserved", true }, { "gpu tenant held", true },
		{ "gpu tenant of a block", true } };
	bool well = true;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct oracle_sum *s = oracle_bag_get(&seen, all[i].name);

		print_message("%-26s %8lld times %10lld h\n", all[i].name, (long long)s->from_us,
			(long long)(s->us / HOUR));
		well &= s->us || config.lives * config.steps < (all[i].rare ? 10000 : 1250);
	}
	oracle_bag_finish(&seen);
	assert_true(well);
}

static void begin(struct model *m, uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	killing.due = killing.dead = false;
	clock_hold.held = true;
	cloud_boot_id = "boot-a";
	clock_hold.wall_us = oracle_month_wall(START_YEAR_MONTH) + (int64_t)(dice_wide() % (20 * DAY));
	clock_hold.mono_us = (int64_t)(dice_wide() % DAY);
	oracle_init(&m->o, clock_hold.wall_us);
	m->l.live = (unsigned)config.servers;
	m->l.guests = xcalloc(m->l.live, sizeof *m->l.guests);
	m->l.c.hooks.crash = kill_here;
	m->l.c.flow.call_timeout_ms = m->l.c.flow.stage_timeout_ms = 2000;
	m->l.c.flow.shelved_offload_s = one_in(2) ? -1 : 0;
	m->l.c.flow.gpu_reset = one_in(2);
	cloud_make(&m->l.c);
	cloud_ok(&m->l.c, do_seed, &m->l);
	some_rates(m);
	for (unsigned i = 0; i < HOSTS; i++)
		life_host(&m->l.c, i);
}

static void live(uint64_t seed)
{
	struct model *m = xcalloc(1, sizeof *m);

	print_message("seed %llu\n", (unsigned long long)seed);
	begin(m, seed);
	for (int64_t i = 0; i < config.steps; i++)
		step(m);
	settle(m);
	compare(m);
	delete_all(m);
	go_on(m);
	compare(m);
	remember(&m->o);
	did.servers += m->l.made;
	cloud_close(&m->l.c);
	cloud_remove(&m->l.c);
	oracle_finish(&m->o);
	rates_finish(&m->rates);
	free(m->l.guests);
	free(m);
	clock_hold.held = false;
}

static void test_lives(void **state)
{
	(void)state;
	for (int64_t i = 0; i < config.lives; i++)
		live((uint64_t)(config.seed + i));
	print_message("%lld servers, %lld days, the clock set %lld times, %lld crashes, %lld restarts, %lld "
		      "boots\n",
		(long long)did.servers, (long long)(did.time_us / DAY), (long long)did.clock_steps,
		(long long)did.crashes, (long long)did.restarts, (long long)did.boots);
	print_message("%lld months closed, %lld invoices of %lld lines compared\n", (long long)did.closed,
		(long long)did.bills, (long long)did.lines);
	expect_all_seen();
}

static void options(int argc, char **argv)
{
	static const struct option table[] = { { "seed", 1, 0, 's' }, { "lives", 1, 0, 'l' },
		{ "steps", 1, 0, 't' }, { "servers", 1, 0, 'n' }, { 0 } };
	int opt;

	while ((opt = getopt_long(argc, argv, "", table, NULL)) != -1) {
		int64_t *to = opt == 's'   ? &config.seed
			      : opt == 'l' ? &config.lives
			      : opt == 't' ? &config.steps
					   : &config.servers;

		if (opt == '?' || !str_int64(optarg, 1, 1000000000, to))
			exit(2);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
	};

	options(argc, argv);
	log_set_level(LOG_CRIT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
