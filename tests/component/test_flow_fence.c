/* SPDX-License-Identifier: Apache-2.0 */
/* Fencing on simulated hosts, with a program of the test's own as the agent: what a file says is the host's
 * power. A silent host is not evacuated; the proof is a power that was read, also over a stop in the middle;
 * and who comes back with a guest that ran on loses it before anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <sys/stat.h>

#include "flow/fence.h"
#include "move_fixture.h"

static char commands[64];

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", commands, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* The agent: its power is a file beside it; "off" is obeyed when a file `obeys` is there. */
static void agent_make(const char *power)
{
	char script[512];

	snprintf(script, sizeof script,
		"#!/bin/sh\ncd %s || exit 1\necho \"$1\" >>asked\ncase $1 in\nstatus) cat power ;;\n"
		"off) [ ! -e obeys ] || echo off >power ;;\non) echo on >power ;;\nesac\n",
		commands);
	put_file("agent", script, 0755);
	put_file("power", power, 0644);
	put_file("asked", "", 0644);
}

static int asked(const char *verb)
{
	char path[128], line[32];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/asked", commands);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		n += strncmp(line, verb, strlen(verb)) == 0;
	fclose(f);
	return n;
}

struct ask {
	const char *verb;
	bool force, evacuate;
};

static int do_agent(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	const struct fence_agent_want want = { "command", "agent", "", "", "" };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;

	return store_host_load(db, &a, c->hosts[*(int *)arg], &h, err) ||
			       flow_fence_agent_set(c->e, db, &h, &want, err)
		       ? -1
		       : 0;
}

static int do_ask(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	const struct ask *k = arg;
	const struct fence_want want = { .verb = k->verb,
		.by = "tester",
		.reason = "a test",
		.request_id = "",
		.force = k->force,
		.evacuate = k->evacuate };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;
	int64_t id;

	return store_host_load(db, &a, c->hosts[0], &h, err) ||
			       flow_fence_begin(c->e, db, &h, &want, &id, err)
		       ? -1
		       : 0;
}

static int do_evacuate(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_origin o = origin_now();
	struct host_row h;

	(void)arg;
	return store_host_load(db, &a, c->hosts[0], &h, err) ||
			       flow_host_evacuate(c->e, db, &h, &o, "tester", err)
		       ? -1
		       : 0;
}

static bool is_known(struct cloud *c, void *arg)
{
	struct host_link l;

	return flow_host_link(c->e, c->hosts[0], &l) && l.known == *(enum host_evidence *)arg;
}

#define until_known(c, state) cloud_until(c, is_known, &(enum host_evidence) { EVIDENCE_##state })

static bool sql_holds(struct cloud *c, void *arg)
{
	return cloud_count(c, arg) != 0;
}

static void set_up(struct cloud *c, struct want *w)
{
	strcpy(commands, "/tmp/fence-XXXXXX");
	assert_non_null(mkdtemp(commands));
	agent_make("on");
	c->flow.fence_command_dir = commands;
	c->flow.fence_call_s = 5;
	c->flow.fence_deadline_s = 60;
	c->flow.evacuate_parallel = 2;
	cloud_make(c);
	for (int i = 0; i < 2; i++)
		cloud_host(c, "vcpus=8&ram_gib=16");
	cloud_ok(c, do_create, w);
	cloud_until_server(c, w->uid[0], VM_ACTIVE);
	cloud_ok(c, do_agent, &(int) { 0 });
}

static void tear_down(struct cloud *c)
{
	char command[96];

	cloud_clean(c);
	cloud_close(c);
	cloud_remove(c);
	snprintf(command, sizeof command, "rm -r %s", commands);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a path of our own */
}

static void silence(struct cloud *c)
{
	sim_set_down(c->worlds[0], true);
	until_known(c, UNREACHABLE); /* its time is 0 s here */
}

/* Nothing without a proof; with one the server is made anew; the old guest is gone when its host is back. */
static void test_proof(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .host = "host0" };

	(void)state;
	set_up(&c, &w);
	assert_int_equal(cloud_do(&c, do_ask, (&(struct ask) { "off" })), -1); /* it can be heard */
	assert_int_equal(c.err.code, ERR_CONFLICT);
	silence(&c);
	assert_int_equal(cloud_do(&c, do_evacuate, NULL), -1);
	assert_int_equal(c.err.code, ERR_CONFLICT);
	put_file("obeys", "", 0644);
	cloud_ok(&c, do_ask, (&(struct ask) { .verb = "off", .evacuate = true }));
	assert_int_equal(cloud_do(&c, do_ask, (&(struct ask) { "off" })), -1); /* one at a time */
	until_known(&c, DOWN);
	cloud_until(&c, sql_holds, "SELECT count(*) FROM host_evacuation WHERE state = 'done' AND begun = 1");
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, w.uid[0]), 1);
	assert_int_equal(power_on(&c, 1, w.uid[0]), HV_POWER_RUNNING);
	assert_true(asked("off") >= 1 && asked("status") > asked("off"));

	/* the agent lied, or was another machine's: the guest has run all the time */
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);
	sim_foreign_domain(c.worlds[0], "f0f0f0f0-0000-4000-8000-000000000001");
	sim_set_down(c.worlds[0], false);
	cloud_until(&c, flows_gone, NULL);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_ABSENT);
	assert_int_equal(power_on(&c, 1, w.uid[0]), HV_POWER_RUNNING);
	assert_int_equal(sim_domain_count(c.worlds[0]), 1); /* it is not ours */
	assert_int_equal(
		cloud_count(&c,
			"SELECT count(*) FROM event WHERE type = 'host.returned' AND "
			"json_extract(data, '$.running') = 1 AND json_extract(data, '$.foreign') = 1"),
		1);
	assert_int_equal(
		cloud_count(&c, "SELECT count(*) FROM audit WHERE action = 'server.stale_domain'"), 1);
	until_known(&c, DOWN); /* until somebody says otherwise */
	cloud_ok(&c, do_ask, (&(struct ask) { "on" }));
	until_known(&c, CONNECTED);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM host WHERE forced_down = 0 AND evidence = "
					 "'connected' AND comes_back = 0"),
		2);
	tear_down(&c);
}

/* It says that it did, and the power stays on: that is no proof, however often it is asked. */
static void test_liar(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .host = "host0" };

	(void)state;
	set_up(&c, &w);
	silence(&c);
	cloud_ok(&c, do_ask, (&(struct ask) { "off" }));
	cloud_until(&c, sql_holds, "SELECT count(*) FROM fence_attempt WHERE tries > 1");
	clock_ahead_us += 61 * 1000000LL;
	cloud_until(
		&c, sql_holds, "SELECT count(*) FROM fence_attempt WHERE state = 'failed' AND power = 'on'");
	until_known(&c, UNREACHABLE);
	assert_int_equal(cloud_count(&c, "SELECT count(*) FROM event WHERE type = 'host.fence_failed'"), 1);
	sim_set_down(c.worlds[0], false);
	until_known(&c, CONNECTED);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_RUNNING);

	put_file("power", "off", 0644); /* of a host that can be heard */
	cloud_ok(&c, do_ask, (&(struct ask) { .verb = "off", .force = true }));
	cloud_until(&c, sql_holds,
		"SELECT count(*) FROM fence_attempt WHERE last_error LIKE '%another machine%'");
	until_known(&c, CONNECTED);
	tear_down(&c);
}

/* Killed between the wish and the proof: the attempt goes on, reads first, and does not ask again. */
static void test_stop_in_the_middle(void **state)
{
	struct cloud c = { 0 };
	struct want w = { .host = "host0" };
	int off;

	(void)state;
	set_up(&c, &w);
	silence(&c);
	cloud_ok(&c, do_ask, (&(struct ask) { .verb = "off", .evacuate = true }));
	cloud_until(&c, sql_holds, "SELECT count(*) FROM fence_attempt WHERE tries > 0");
	cloud_shut(&c); /* as kill -9 does */
	put_file("power", "off", 0644);
	off = asked("off");
	cloud_open(&c);
	until_known(&c, DOWN);
	assert_int_equal(asked("off"), off);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	cloud_until(&c, sql_holds, "SELECT count(*) FROM host_evacuation WHERE state = 'done'");
	assert_int_equal(host_of(&c, w.uid[0]), 1);
	sim_crash(c.worlds[0]);
	sim_set_down(c.worlds[0], false);
	cloud_ok(&c, do_force_down, &(int) { -1 });
	until_known(&c, CONNECTED);
	assert_int_equal(power_on(&c, 0, w.uid[0]), HV_POWER_ABSENT);
	tear_down(&c);
}

/* A connection that comes and goes: no servers until it has stood for a while. */
static void test_unsteady(void **state)
{
	struct cloud c = { .flow = { .steady_s = 3600 } };
	struct want w = { .host = "host0" };

	(void)state;
	set_up(&c, &w);
	for (int i = 0; i < EVIDENCE_LOSSES; i++) {
		until_known(&c, CONNECTED);
		sim_drop(c.worlds[0], "a bad cable");
		cloud_until(&c, sql_holds,
			"SELECT count(*) FROM host WHERE name = 'host0' AND evidence != 'connected'");
	}
	until_known(&c, DOUBTFUL);
	cloud_until(&c, sql_holds,
		"SELECT count(*) FROM host WHERE evidence = 'doubtful' AND evidence_source = 'unsteady'");
	w = (struct want) { .host = NULL };
	cloud_ok(&c, do_create, &w);
	cloud_until_server(&c, w.uid[0], VM_ACTIVE);
	assert_int_equal(host_of(&c, w.uid[0]), 1);
	tear_down(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proof),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_stop_in_the_middle),
		cmocka_unit_test(test_unsteady),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
