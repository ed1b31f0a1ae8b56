/* SPDX-License-Identifier: Apache-2.0 */
/* Random clouds: creations, actions and deletions on hosts that fail, drop, hang and lose power, while the
 * engine is killed now and then. However it went, in the end every wish has come to its end, rows and hosts
 * agree, nothing is held twice and nothing is left. A failure prints its seed; FLOW_CHAOS_SEED=n plays one
 * again, FLOW_CHAOS_LIVES=n plays more. */
#include "change_fixture.h"
#include "move_fixture.h"

#include "base/log.h"

enum { HOSTS = 3, STEPS = 60, SERVERS_MAX = 64, LIVES = 12 };

static uint64_t random_state;

static unsigned dice(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 33) % n;
}

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

struct life {
	struct cloud c;
	char uids[SERVERS_MAX][UUID_TEXT];
	unsigned n;
};

static void some_create(struct life *l)
{
	struct want w = {
		.vcpus = 1, .ram_mib = 64, .disk_gib = 1, .count = 1 + (int)dice(3), .drive = dice(2)
	};

	if (dice(3) == 0)
		w.extra_specs = "{\"pci_passthrough:alias\":\"h100:1\"}";
	if (l->n + 3 > SERVERS_MAX || cloud_do(&l->c, do_create, &w))
		return;
	for (int i = 0; i < w.count; i++)
		str_copy(l->uids[l->n++], UUID_TEXT, w.uid[i]);
}

static void some_wish(struct life *l)
{
	struct change change = { .rotation = "1" };
	struct op op;

	if (!l->n)
		return;
	op.uid = change.uid = l->uids[dice(l->n)];
	op.op = (enum server_op)dice(SERVER_RESUME + 1);
	change.what = (enum change_kind)(
		CHANGE_CREATE_IMAGE + (int)dice(CHANGE_UNSHELVE - CHANGE_CREATE_IMAGE + 1));
	if (dice(5) == 0)
		cloud_do(&l->c, do_delete, (void *)(uintptr_t)op.uid);
	else if (dice(2) == 0)
		cloud_do(&l->c, do_change, &change);
	else
		cloud_do(&l->c, do_op, &op);
}

static void some_move(struct life *l)
{
	static const char *const gpus[] = { NULL, "{\"pci_passthrough:alias\":\"h100:1\"}",
		"{\"pci_passthrough:alias\":\"h100:2\"}" };
	char flavor[8];
	struct go g;

	/* most are in a state that does not allow it */
	for (int tries = 0; l->n && tries < 8; tries++) {
		g = resize_to(
			l->uids[dice(l->n)], 1 + dice(3), 64 + dice(3) * 32, gpus[dice(ARRAY_LEN(gpus))]);
		snprintf(flavor, sizeof flavor, "f%u", dice(4));
		g.flavor.uid = flavor;
		g.move.kind = (enum move_kind)dice(MOVE_EVACUATION + 1);
		g.verb = (int[]) { 0, 0, 'c', 'r' }[dice(4)];
		if (cloud_do(&l->c, do_move, &g) == 0)
			return;
	}
}

static void some_fault(struct life *l)
{
	static const enum sim_fault_kind kinds[] = { SIM_FAIL, SIM_FAIL_AFTER, SIM_LOSE_REPLY, SIM_DROP,
		SIM_HANG, SIM_DELAY };
	unsigned host = dice(HOSTS);

	sim_fault(l->c.worlds[host], (enum sim_op)dice(SIM_ANY + 1), 1 + dice(5), 1,
		kinds[dice(ARRAY_LEN(kinds))]);
}

static void some_trouble(struct life *l)
{
	const char *world = l->c.worlds[dice(HOSTS)];
	int host;

	switch (dice(9)) {
	case 0:
		sim_drop(world, "cable");
		break;
	case 7:
	case 8: /* right or wrong, and taken back */
		host = (int)dice(HOSTS);
		host = dice(2) ? host : -host - 1;
		cloud_do(&l->c, do_force_down, &host);
		break;
	case 1:
		sim_set_down(world, true);
		sim_drop(world, "down");
		break;
	case 2:
		sim_set_down(world, false);
		break;
	case 3:
		sim_crash(world);
		break;
	case 4:
		sim_events(world, dice(2), dice(2));
		break;
	case 5:
		sim_release(world);
		break;
	default:
		if (l->n)
			sim_guest_shutdown(world, l->uids[dice(l->n)]);
	}
}

static void reopen(struct life *l)
{
	killing.due = killing.dead = false;
	/* a call that begins to hang while all is closed would never be released */
	for (unsigned i = 0; i < HOSTS; i++)
		sim_faults_clear(l->c.worlds[i]);
	cloud_shut(&l->c);
	cloud_open(&l->c);
}

static void turn(struct life *l)
{
	for (unsigned i = dice(6); i > 0 && !killing.dead; i--)
		uv_run(&l->c.loop.uv, UV_RUN_NOWAIT);
	if (killing.dead)
		reopen(l);
}

static void step(struct life *l)
{
	unsigned d = dice(100);

	if (d < 25)
		some_create(l);
	else if (d < 50)
		some_wish(l);
	else if (d < 68)
		some_move(l);
	else if (d < 80)
		some_fault(l);
	else if (d < 93)
		some_trouble(l);
	else if (d < 98)
		killing.due = true;
	else
		flow_host_refresh(l->c.e, l->c.hosts[dice(HOSTS)]);
	if (killing.dead)
		reopen(l);
	turn(l);
}

/* ---- the end ---- */

static void calm(struct life *l)
{
	killing.due = false;
	if (killing.dead)
		reopen(l);
	for (int i = 0; i < HOSTS; i++) {
		int up = -i - 1;

		cloud_ok(&l->c, do_force_down, &up);
		sim_faults_clear(l->c.worlds[i]);
		sim_events(l->c.worlds[i], false, false);
		sim_set_down(l->c.worlds[i], false);
		sim_release(l->c.worlds[i]);
	}
}

static enum hv_power power_anywhere(struct life *l, const char *uid, unsigned *out_hosts)
{
	struct sim_domain d;
	enum hv_power power = HV_POWER_ABSENT;

	*out_hosts = 0;
	for (unsigned i = 0; i < HOSTS; i++)
		if (sim_domain_get(l->c.worlds[i], uid, &d)) {
			power = d.power;
			++*out_hosts;
		}
	return power;
}

/* It waits for a confirmation: whatever the old place has of it is off. */
static bool resized_agrees(struct life *l, const char *uid)
{
	int home = host_of(&l->c, uid);

	for (int i = 0; i < HOSTS; i++) {
		enum hv_power power = power_on(&l->c, i, uid);

		if (i != home && power != HV_POWER_ABSENT && power != HV_POWER_SHUTOFF &&
			power != HV_POWER_CRASHED)
			return false;
	}
	return true;
}

static bool agrees(struct life *l, const char *uid)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s = cloud_server(&l->c, &a, uid);
	unsigned hosts;
	enum hv_power power = power_anywhere(l, uid, &hosts);

	if (s.task_state != TASK_NONE)
		return false;
	if (s.vm_state == VM_RESIZED)
		return resized_agrees(l, uid);
	if (hosts > 1)
		return false;
	switch (s.vm_state) {
	case VM_ACTIVE:
		return power == HV_POWER_RUNNING;
	case VM_STOPPED:
		return power == HV_POWER_SHUTOFF || power == HV_POWER_CRASHED || power == HV_POWER_ABSENT;
	case VM_PAUSED:
		return power == HV_POWER_PAUSED;
	case VM_SUSPENDED:
		return power == HV_POWER_SUSPENDED;
	case VM_RESCUED:
		return power != HV_POWER_ABSENT && power != HV_POWER_SUSPENDED;
	case VM_SHELVED_OFFLOADED:
	case VM_DELETED:
		return power == HV_POWER_ABSENT;
	default:
		return s.vm_state == VM_ERROR;
	}
}

static bool all_agree(struct cloud *c, void *arg)
{
	struct life *l = arg;

	(void)c;
	for (unsigned i = 0; i < l->n; i++)
		if (!agrees(l, l->uids[i]))
			return false;
	return true;
}

static bool all_connected(struct cloud *c, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < HOSTS; i++)
		if (!host_connected(c, &i))
			return false;
	return true;
}

static bool nothing_left(struct cloud *c, void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < HOSTS; i++)
		if (sim_domain_count(c->worlds[i]))
			return false;
	return tick_pending(c->tick) == 0;
}

static void refresh_all(struct life *l)
{
	for (unsigned i = 0; i < HOSTS; i++)
		flow_host_refresh(l->c.e, l->c.hosts[i]);
}

static void print_flows(struct cloud *c)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_row *rows;
	struct host_link h;
	struct error err;
	size_t n;

	for (unsigned i = 0; i < HOSTS; i++)
		if (flow_host_link(c->e, c->hosts[i], &h))
			print_error("host%u %s %s: %u queued, %u running, %u hang\n", i, h.state, h.error,
				h.queued, h.running, sim_hanging(c->worlds[i]));
	if (store_flow_list(store_ro(c->store), &a, &rows, &n, &err))
		return;
	for (size_t i = 0; i < n; i++)
		print_error("flow %lld %s/%s on %lld: %s, %lld tries, %s\n", (long long)rows[i].id,
			rows[i].kind, rows[i].step, (long long)rows[i].subject_id, rows[i].state,
			(long long)rows[i].tries, rows[i].last_error ? rows[i].last_error : "");
}

static void settle(struct life *l)
{
	calm(l);
	if (!cloud_try_until(&l->c, flows_gone, NULL)) {
		print_flows(&l->c);
		fail_msg("flows did not end");
	}
	cloud_until(&l->c, lanes_idle, NULL);
	cloud_until(&l->c, all_connected, NULL);
	refresh_all(l);
	cloud_until(&l->c, all_agree, l);
	cloud_until(&l->c, flows_gone, NULL);
	for (unsigned i = 0; i < HOSTS; i++)
		assert_int_equal(sim_devices_shared(l->c.worlds[i]), 0);
	assert_int_equal(
		cloud_count(&l->c, "SELECT count(*) FROM image WHERE status = 'saving' AND deleted_us = 0"),
		0);
	cloud_clean(&l->c);
}

static void end(struct life *l)
{
	for (unsigned i = 0; i < l->n; i++)
		if (cloud_do(&l->c, do_delete, l->uids[i]))
			assert_int_equal(l->c.err.code, ERR_NOT_FOUND);
	cloud_until(&l->c, flows_gone, NULL);
	print_message("%u servers, %lld moves\n", l->n,
		(long long)cloud_count(&l->c, "SELECT count(*) FROM migration"));
	refresh_all(l);
	cloud_until(&l->c, nothing_left, NULL);
	assert_int_equal(cloud_count(&l->c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(&l->c, "SELECT count(*) FROM port_address"), 0);
	assert_int_equal(
		cloud_count(&l->c, "SELECT count(*) FROM usage WHERE kind = 'server' AND ended_us IS NULL"),
		0);
	cloud_clean(&l->c);
	cloud_close(&l->c);
	for (unsigned i = 0; i < HOSTS; i++)
		assert_true(sim_volume_count(l->c.worlds[i]) <= 1); /* the image */
	cloud_remove(&l->c);
}

static int do_unlimited(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err, "INSERT INTO quota VALUES (?1, 'instances', -1), (?1, 'cores', -1)", "i",
		       c->project) < 0 ||
			       db_run(db, err, "UPDATE subnet SET pool_last = pool_first + 200", NULL) < 0
		       ? -1
		       : 0;
}

static void live(uint64_t seed)
{
	struct life *l = xcalloc(1, sizeof *l);

	print_message("seed %llu\n", (unsigned long long)seed);
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	killing.due = killing.dead = false;
	l->c.hooks.crash = kill_here;
	l->c.flow.call_timeout_ms = 400;
	l->c.flow.stage_timeout_ms = 400;
	l->c.flow.connect_timeout_ms = 200;
	cloud_make(&l->c);
	cloud_ok(&l->c, do_unlimited, NULL);
	for (unsigned i = 0; i < HOSTS; i++)
		cloud_host(&l->c, "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330");
	for (int i = 0; i < STEPS; i++)
		step(l);
	settle(l);
	end(l);
	free(l);
}

static void test_lives(void **state)
{
	const char *seed = getenv("FLOW_CHAOS_SEED"), *lives = getenv("FLOW_CHAOS_LIVES");
	int64_t first = 1, n = LIVES;

	(void)state;
	if (lives)
		assert_true(str_int64(lives, 1, 1000000, &n));
	if (seed) {
		assert_true(str_int64(seed, 1, INT64_MAX / 2, &first));
		n = lives ? n : 1;
	}
	for (int64_t i = 0; i < n; i++)
		live((uint64_t)(first + i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
