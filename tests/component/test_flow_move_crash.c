/* SPDX-License-Identifier: Apache-2.0 */
/* A server's moves with the engine stopped, as kill -9 would, at every point where a step hands over; with
 * every act run twice; and with a deletion at every point. However it is cut, the server ends on one host, as
 * if nothing had happened, and the other one is clear. */
#include "move_fixture.h"

#include "base/log.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330"

/* ---- points ---- */

static struct {
	int at; /* -1: never */
	int seen;
	bool hit;
	char names[64][96]; /* points seen, once each */
	int names_n;
} points;

static bool note(const char *step, const char *point)
{
	char name[96];
	int i = 0;

	snprintf(name, sizeof name, "%s %s", step, point);
	while (i < points.names_n && strcmp(points.names[i], name) != 0)
		i++;
	if (i == points.names_n && i < (int)ARRAY_LEN(points.names))
		strcpy(points.names[points.names_n++], name);
	return points.seen++ == points.at;
}

static bool crash_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	if (!note(step, point))
		return false;
	points.hit = true;
	return true;
}

static bool tell_here(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	points.hit |= note(step, point);
	return false;
}

/* ---- a life ---- */

enum deed_op { CREATE, COLD, GROW, LIVE, CONFIRM, REVERT, STOP, EVACUATE, DELETE };

struct deed {
	enum deed_op op;
	enum vm_state then;
	enum hv_power here;  /* where it lives */
	enum hv_power there; /* at the other host */
};

static const struct deed cold_life[] = {
	{ CREATE, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ COLD, VM_RESIZED, HV_POWER_RUNNING, HV_POWER_SHUTOFF },
	{ REVERT, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ COLD, VM_RESIZED, HV_POWER_RUNNING, HV_POWER_SHUTOFF },
	{ CONFIRM, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ GROW, VM_RESIZED, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ REVERT, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ STOP, VM_STOPPED, HV_POWER_SHUTOFF, HV_POWER_ABSENT },
	{ COLD, VM_RESIZED, HV_POWER_SHUTOFF, HV_POWER_SHUTOFF },
	{ DELETE, VM_DELETED, HV_POWER_ABSENT, HV_POWER_ABSENT },
};

static const struct deed live_life[] = {
	{ CREATE, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ LIVE, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ EVACUATE, VM_ACTIVE, HV_POWER_RUNNING, HV_POWER_ABSENT },
	{ DELETE, VM_DELETED, HV_POWER_ABSENT, HV_POWER_ABSENT },
};

static const struct life {
	const char *extra_specs;
	const struct deed *deeds;
	size_t n;
} lives[] = {
	{ "{\"pci_passthrough:alias\": \"h100:1\"}", cold_life, ARRAY_LEN(cold_life) },
	{ "{}", live_life, ARRAY_LEN(live_life) },
};

static bool not_connected(struct cloud *c, void *arg)
{
	return !host_connected(c, arg);
}

static void lose_host(struct cloud *c, int host)
{
	unsigned which = (unsigned)host;

	sim_set_down(c->worlds[host], true);
	sim_drop(c->worlds[host], "fire");
	cloud_until(c, not_connected, &which);
	cloud_ok(c, do_force_down, &host);
}

static void find_host(struct cloud *c, int host)
{
	int up = -host - 1;

	sim_set_down(c->worlds[host], false);
	cloud_ok(c, do_force_down, &up);
}

static void begin(struct cloud *c, enum deed_op op, struct want *w)
{
	struct go g = { .uid = w->uid[0] };

	switch (op) {
	case CREATE:
		cloud_ok(c, do_create, w);
		return;
	case STOP:
		cloud_ok(c, do_op, &((struct op) { w->uid[0], SERVER_STOP }));
		return;
	case DELETE:
		cloud_ok(c, do_delete, w->uid[0]);
		return;
	case GROW:
		g = resize_to(w->uid[0], 4, 2048, w->extra_specs);
		break;
	case CONFIRM:
		g.verb = 'c';
		break;
	case REVERT:
		g.verb = 'r';
		break;
	default:
		g.move.kind = op == COLD ? MOVE_COLD : op == LIVE ? MOVE_LIVE : MOVE_EVACUATION;
	}
	cloud_ok(c, do_move, &g);
}

/* But for what waits for a host that is away. */
static bool servers_settled(struct cloud *c, void *arg)
{
	(void)arg;
	return cloud_count(c, "SELECT count(*) FROM flow WHERE kind != 'leftover_remove'") == 0 &&
	       tick_pending(c->tick) == 0;
}

static bool settled_or_hit(struct cloud *c, void *arg)
{
	return points.hit || (arg ? servers_settled : flows_gone)(c, NULL);
}

static void reopen(struct cloud *c)
{
	points.hit = false;
	cloud_shut(c);
	cloud_open(c);
}

static void check_end(struct cloud *c, const struct deed *d, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(c, &a, uid);
	bool gone = d->then == VM_DELETED;
	int at = host_of(c, uid);

	assert_string_equal(vm_state_text(s.vm_state), vm_state_text(d->then));
	assert_int_equal(s.task_state, TASK_NONE);
	assert_int_equal(power_on(c, at, uid), d->here);
	assert_int_equal(power_on(c, 1 - at, uid), d->there);
	assert_int_equal(disk_on(c, at, uid), !gone);
	assert_int_equal(disk_on(c, 1 - at, uid), d->there != HV_POWER_ABSENT);
	if (gone)
		assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
	else if (d->then != VM_RESIZED)
		assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 1);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM usage WHERE kind = 'server' AND ended_us IS NULL"),
		gone ? 0 : 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE message IS NOT NULL"), 0);
	assert_int_equal(sim_devices_shared(c->worlds[0]) + sim_devices_shared(c->worlds[1]), 0);
	cloud_clean(c);
}

static void do_deed(struct cloud *c, const struct deed *d, struct want *w)
{
	bool dead = d->op == EVACUATE;
	int lost = dead ? host_of(c, w->uid[0]) : -1;

	if (dead)
		lose_host(c, lost);
	begin(c, d->op, w);
	cloud_until(c, settled_or_hit, dead ? c : NULL);
	if (points.hit)
		reopen(c);
	if (dead) {
		cloud_until(c, servers_settled, NULL);
		assert_int_equal(power_on(c, lost, w->uid[0]), HV_POWER_RUNNING);
		cloud_clean(c);
		find_host(c, lost);
	}
	/* what is cleared away behind the server may be the point */
	cloud_until(c, settled_or_hit, NULL);
	if (points.hit)
		reopen(c);
	cloud_until(c, flows_gone, NULL);
	for (unsigned i = 0; i < 2; i++)
		cloud_until(c, host_connected, &i);
	check_end(c, d, w->uid[0]);
}

/* A whole life with a crash at the n-th point; false when there is none such. */
static bool live(const struct life *life, int crash_at, bool twice)
{
	struct cloud c = { .hooks = { .crash = crash_here, .act_twice = twice } };
	struct want w = { .drive = true, .extra_specs = life->extra_specs };

	points.at = crash_at;
	points.seen = 0;
	points.hit = false;
	cloud_make(&c);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	for (size_t i = 0; i < life->n; i++)
		do_deed(&c, &life->deeds[i], &w);
	assert_int_equal(files_left(&c), 0);
	cloud_close(&c);
	cloud_remove(&c);
	return points.seen > crash_at && crash_at >= 0;
}

static void test_every_point(void **state)
{
	int crashes = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		for (int n = 0; live(&lives[i], n, false); n++)
			crashes++;
	print_message("%d crashes, %d different points\n", crashes, points.names_n);
	assert_true(points.names_n >= 60);
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
		for (int n = 0; live(&lives[i], n, true); n += 5)
			;
}

/* ---- a deletion at each point ---- */

static bool delete_during(enum deed_op first, enum deed_op op, int at)
{
	struct cloud c = { .hooks = { .crash = tell_here } };
	struct want w = { .drive = true };
	int lost = -1;

	points.at = -1;
	cloud_make(&c);
	cloud_host(&c, HOST);
	cloud_host(&c, HOST);
	begin(&c, CREATE, &w);
	cloud_until(&c, flows_gone, NULL);
	if (first != op) {
		begin(&c, first, &w);
		cloud_until(&c, flows_gone, NULL);
	}
	if (op == EVACUATE)
		lose_host(&c, lost = host_of(&c, w.uid[0]));
	points.at = at;
	points.seen = 0;
	points.hit = false;
	begin(&c, op, &w);
	cloud_until(&c, settled_or_hit, lost >= 0 ? &c : NULL);
	cloud_ok(&c, do_delete, w.uid[0]);
	cloud_until_server(&c, w.uid[0], VM_DELETED);
	if (lost >= 0)
		find_host(&c, lost);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(sim_domain_count(c.worlds[0]) + sim_domain_count(c.worlds[1]), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM migration WHERE ended_us IS NULL"), 0);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	assert_int_equal(quota_of(&c, QUOTA_CORES), 0);
	cloud_clean(&c);
	cloud_close(&c);
	for (int i = 0; i < 2; i++)
		assert_true(sim_volume_count(c.worlds[i]) <= 1); /* the image */
	cloud_remove(&c);
	return points.hit;
}

static void test_delete_during(void **state)
{
	static const enum deed_op moves[][2] = { { COLD, COLD }, { GROW, GROW }, { LIVE, LIVE },
		{ EVACUATE, EVACUATE }, { COLD, REVERT }, { COLD, CONFIRM } };
	int n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		for (int at = (int)(i % 2); delete_during(moves[i][0], moves[i][1], at); at += 2)
			n++;
	print_message("%d deletions\n", n);
	assert_true(n >= 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_point),
		cmocka_unit_test(test_every_act_twice),
		cmocka_unit_test(test_every_point_and_twice),
		cmocka_unit_test(test_delete_during),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
