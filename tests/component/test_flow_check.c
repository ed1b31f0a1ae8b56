/* SPDX-License-Identifier: Apache-2.0 */
/* The check finds what is wrong: each of its rules is broken once by hand. */
#include "flow_fixture.h"

#include "base/log.h"

static struct cloud cloud;
static struct want server;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	server = (struct want) { .extra_specs = "{\"pci_passthrough:alias\":\"h100:1\"}" };
	cloud_make(&cloud);
	cloud_host(&cloud, "vcpus=16&ram_gib=64&disk_gib=500&gpus=2&gpu=10de:2330");
	cloud_host(&cloud, "vcpus=16&ram_gib=64&disk_gib=500&gpus=2&gpu=10de:2330");
	cloud_ok(&cloud, do_create, &server);
	cloud_until_server(&cloud, server.uid[0], VM_ACTIVE);
	cloud_until(&cloud, flows_gone, NULL);
	cloud_clean(&cloud);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	cloud_remove(*state);
	return 0;
}

struct breach {
	const char *sql;   /* what is done to the rows */
	const char *rules; /* what must be found, space between */
};

#define PART(id, profile, start, slots, share)                                                            \
	"INSERT INTO allocation_part (id, uid, device_id, allocation_id, profile, start, slots, share) "  \
	"SELECT " id ", 'u" id "', coalesce((SELECT max(x.device_id) FROM allocation_device x), "         \
	"(SELECT min(d.id) FROM device d WHERE d.host_id = a.host_id)), a.id, '" profile "', " start ", " \
	"" slots ", " share " FROM allocation a"

#define CHILD                                                                                            \
	"INSERT INTO project (id, uid, domain_id, parent_id, name, created_us) SELECT 900, 'below', 1, " \
	"max(id), 'child', 1 FROM project; "

static const struct breach breaches[] = {
	{ "UPDATE allocation SET vcpus = 1000, float_vcpus = 1000",
		"host-capacity allocation-size memory-placement" },
	{ "UPDATE allocation SET ram_mib = 1000000000, float_ram_mib = 1000000000",
		"host-capacity allocation-size" },
	{ "UPDATE allocation SET float_vcpus = 1", "allocation-float" },
	{ "UPDATE allocation SET float_ram_mib = 1", "allocation-float" },
	{ "UPDATE server SET deleted_us = 5", "allocation-server server-deleted port-server memory-quota" },
	{ "UPDATE allocation SET host_id = (SELECT max(id) FROM host)", "allocation-host allocation-device" },
	{ "DELETE FROM allocation_device", "memory-placement" },
	{ "DELETE FROM allocation_device; DELETE FROM allocation", "server-allocation usage-closed" },
	{ "UPDATE server SET host_id = NULL", "server-host allocation-host" },
	{ "UPDATE server SET task_state = 'powering-off'", "server-task" },
	{ "UPDATE server SET vm_state = 'stopped'", "event-state usage-state" },
	{ "INSERT INTO counter SELECT 'events_purged', min(id) FROM event", "event-kept" },
	{ "INSERT INTO webhook (id, uid, name, project_uid, everything, url, secret, done_id, created_us) "
	  "VALUES "
	  "(900, 'hook', '', 'gone', 0, '', x'00', 9999999, 1)",
		"webhook-project webhook-done" },
	{ "UPDATE server SET want_delete = 1", "server-task" },
	{ "UPDATE usage SET ended_us = started_us + 1 WHERE ended_us IS NULL", "usage-open" },
	{ "UPDATE usage SET state = 'stopped' WHERE ended_us IS NULL", "usage-state" },
	{ "UPDATE usage SET started_us = started_us + 1 WHERE ended_us IS NULL", "usage-gapless" },
	{ "UPDATE usage SET project_id = (SELECT max(id) FROM project)", "usage-state" },
	{ "DELETE FROM usage WHERE kind = 'address'", "usage-open" },
	{ "UPDATE image SET size = 77", "usage-state" },
	{ "UPDATE gpu_usage SET state = 'stopped' WHERE owner = 'tenant'", "gpu-open gpu-closed" },
	{ "UPDATE gpu_usage SET share = 999", "gpu-shares gpu-open gpu-closed" },
	{ "UPDATE device SET health = 'faulty'", "gpu-open gpu-closed" },
	{ "DELETE FROM gpu_usage; DELETE FROM gpu_book", "gpu-book gpu-open" },
	{ "UPDATE gpu_book SET last_us = first_us + 1", "gpu-book" },
	{ "UPDATE books_clock SET offset_us = 7", "books-clock" },
	{ "UPDATE port_address SET address = 1", "port-address" },
	{ "DELETE FROM port_address; DELETE FROM port", "memory-quota" },
	{ "UPDATE server SET ephemeral_gib = 3", "memory-quota" },
	{ "UPDATE server SET extra_specs = '{\"pci_passthrough:alias\":\"h200:1\"}'", "memory-quota" },
	{ "UPDATE image SET size = 5000000", "memory-quota" },
	{ CHILD "INSERT INTO quota VALUES (900, 'cores', 21)", "quota-tree" },
	{ CHILD "INSERT INTO quota VALUES (900, 'key_pairs', 101)", "quota-tree" },
	{ CHILD "INSERT INTO quota VALUES (900, 'ram', -1)", "quota-tree" },
	{ CHILD "UPDATE port SET project_id = 900", "memory-quota" },
	{ "INSERT INTO quota SELECT id, 'cores', 1 FROM project; UPDATE project SET deleted_us = 5",
		"quota-project" },
	{ "INSERT INTO guardrail SELECT id, 'colour', 'red' FROM project", "guardrail-rule" },
	{ "INSERT INTO guardrail SELECT id, 'preemptible', 'yes' FROM project", "guardrail-rule" },
	{ "INSERT INTO guardrail SELECT id, 'zone', 'z' FROM project; UPDATE project SET deleted_us = 5",
		"guardrail-project" },
	{ "INSERT INTO flow (id, kind, subject_kind, subject_id, step, state, run_at_us, deadline_us, "
	  "request_id, "
	  "created_us) VALUES (1, 'server_stop', 'server', 1, 'off', 'ready', 1, 1, '', 1)",
		"flow-subject memory-flows" },
	{ "UPDATE host_image SET state = 'staging'", "image-staging" },
	{ "UPDATE server_action SET finish_us = NULL", "action-open" },
	{ "UPDATE server SET vcpus = 3", "allocation-size memory-quota" },
	{ "UPDATE device SET host_id = (SELECT max(id) FROM host), address = id", "allocation-device" },
	{ "INSERT INTO allocation_also (allocation_id, device_id, guest_cell) SELECT a.id, d.id, -1 "
	  "FROM allocation a, device d",
		"allocation-device allocation-also" },
	{ "INSERT INTO allocation_cell (allocation_id, guest_cell, host_id, cell, vcpus, ram_mib, page_kib) "
	  "SELECT id, 0, host_id, 77, 1, 512, 4 FROM allocation",
		"allocation-cell allocation-cells memory-placement" },
	{ "INSERT INTO allocation_cell (allocation_id, guest_cell, host_id, cell, vcpus, ram_mib, page_kib) "
	  "SELECT a.id, 0, a.host_id, min(c.cell), 2, 1024, 2048 FROM allocation a JOIN host_cell c "
	  "ON c.host_id = a.host_id",
		"cell-pages allocation-float memory-placement" },
	{ "INSERT INTO allocation_cpu (host_id, cpu, allocation_id, vcpu) SELECT host_id, 1000, id, 0 FROM "
	  "allocation",
		"allocation-cpu allocation-cells allocation-float memory-placement" },
	{ PART("2000", "", "-1", "0", "500"), "device-cut memory-placement" },
	{ "DELETE FROM allocation_device; " PART("2000", "", "-1", "0", "1000") "; " PART(
		  "3000", "", "-1", "0", "1"),
		"device-cut memory-placement" },
	{ "DELETE FROM allocation_device; " PART("2000", "1g", "3", "2", "100"),
		"part-slots memory-placement" },
};

struct found {
	char rules[1024];
};

static void note(void *ctx, const char *rule, const char *object, const char *message)
{
	struct found *f = ctx;
	size_t n = strlen(f->rules);

	assert_true(object && object[0] && message && message[0]);
	snprintf(f->rules + n, sizeof f->rules - n, "%s ", rule);
}

/* Breaks the rows, checks, and fails: the unit is undone. */
static int do_breach(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	struct breach *b = ((void **)arg)[0];
	struct found *f = ((void **)arg)[1];
	char sql[1024], *at = sql;
	int rules;

	str_copy(sql, sizeof sql, b->sql);
	while (at) {
		char *next = strstr(at, "; ");

		if (next)
			*next = 0;
		if (db_run(db, err, at, NULL) < 0)
			fail_msg("%s: %s", at, err->detail);
		at = next ? next + 2 : NULL;
	}
	if (flow_check(c->e, db, note, f, &rules, err))
		fail_msg("%s", err->detail);
	return error_set(err, ERR_CONFLICT, "undo");
}

static int do_other_project(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return db_run(db, err,
		       "INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (?, 'other', 1, "
		       "'other', 1)",
		       "i", store_next_id(c->store)) < 0
		       ? -1
		       : 0;
}

static void run_breaches(struct cloud *c, const struct breach *list, size_t n)
{
	cloud_ok(c, do_other_project, NULL);
	for (size_t i = 0; i < n; i++) {
		struct found f = { "" };
		const void *args[] = { &list[i], &f };
		char rules[256], *save = NULL;

		assert_int_equal(cloud_do(c, do_breach, args), -1);
		assert_string_equal(c->err.msg, "undo");
		str_copy(rules, sizeof rules, list[i].rules);
		for (char *r = strtok_r(rules, " ", &save); r; r = strtok_r(NULL, " ", &save))
			if (!strstr(f.rules, r))
				fail_msg("'%s' is not found as %s, but as %s", list[i].sql, r, f.rules);
		cloud_clean(c);
	}
}

static void test_breaches(void **state)
{
	run_breaches(*state, breaches, ARRAY_LEN(breaches));
}

/* Two servers on one host. */
static int setup_two(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	server = (struct want) { .count = 2 };
	cloud_make(&cloud);
	cloud_host(&cloud, "vcpus=16&ram_gib=64&disk_gib=500");
	cloud_host(&cloud, "vcpus=16&ram_gib=64&disk_gib=500");
	cloud_ok(&cloud, do_create, &server);
	cloud_until_server(&cloud, server.uid[0], VM_ACTIVE);
	cloud_until_server(&cloud, server.uid[1], VM_ACTIVE);
	cloud_until(&cloud, flows_gone, NULL);
	cloud_clean(&cloud);
	*state = &cloud;
	return 0;
}

#define GROUP(policy)                                                                                       \
	"INSERT INTO server_group (id, uid, project_id, user_uid, name, policy, created_us) SELECT 90001, " \
	"'g', "                                                                                             \
	"project_id, 'u', 'g', '" policy "', 1 FROM server LIMIT 1; "                                       \
	"INSERT INTO server_group_member (server_id, group_id) SELECT id, 90001 FROM server"

static const struct breach group_breaches[] = {
	{ GROUP("soft-affinity"), "memory-quota" },
	{ GROUP("anti-affinity"), "group-apart" },
	{ GROUP("affinity") "; UPDATE server SET host_id = (SELECT max(id) FROM host) WHERE launch_index = "
			    "1; "
			    "UPDATE server SET host_id = (SELECT min(id) FROM host) WHERE launch_index = 0",
		"group-together" },
	{ GROUP("affinity") "; UPDATE server SET deleted_us = 5", "group-member" },
	{ GROUP("affinity") "; UPDATE server_group SET project_id = (SELECT max(id) FROM project)",
		"group-project" },
	{ "UPDATE allocation SET exclusive = 1", "host-exclusive memory-placement" },
	{ "INSERT INTO aggregate (id, uid, name, created_us) VALUES (90001, 'a', 'a', 1), (90002, 'b', 'b', "
	  "1); "
	  "INSERT INTO aggregate_host (aggregate_id, host_id) SELECT a.id, h.id FROM aggregate a, host h; "
	  "INSERT INTO aggregate_metadata (aggregate_id, key, value) SELECT id, 'availability_zone', uid "
	  "FROM "
	  "aggregate",
		"aggregate-zone memory-placement" },
	{ "INSERT INTO aggregate (id, uid, name, created_us) VALUES (90001, 'a', 'a', 1); "
	  "INSERT INTO aggregate_host (aggregate_id, host_id) SELECT a.id, h.id FROM aggregate a, host h; "
	  "INSERT INTO aggregate_metadata (aggregate_id, key, value) VALUES (90001, 'cloudd:exclusive_host', "
	  "'true')",
		"memory-placement" },
};

static void test_group_breaches(void **state)
{
	run_breaches(*state, group_breaches, ARRAY_LEN(group_breaches));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_breaches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_breaches, setup_two, teardown),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
