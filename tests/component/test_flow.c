/* SPDX-License-Identifier: Apache-2.0 */
/* Servers from request to end on simulated hosts: each state, what they hold, and what is left. */
#include "flow_fixture.h"

#define HOST "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330"

static struct cloud cloud;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud_make(&cloud);
	cloud_host(&cloud, HOST);
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	cloud_remove(*state);
	return 0;
}

static struct sim_domain domain_of(struct cloud *c, const char *uid)
{
	struct sim_domain d = { .power = HV_POWER_ABSENT };

	sim_domain_get(c->worlds[0], uid, &d);
	return d;
}

static void act(struct cloud *c, const char *uid, enum server_op op, enum vm_state then)
{
	struct op o = { uid, op };

	cloud_ok(c, do_op, &o);
	cloud_until_server(c, uid, then);
	cloud_clean(c);
}

static void test_life(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct cloud *c = *state;
	struct want w = { .drive = true, .pass = "secret" };
	struct sim_domain d;
	struct server s;
	const char *uid = w.uid[0];

	cloud_ok(c, do_create, &w);
	cloud_until_server(c, uid, VM_ACTIVE);
	cloud_clean(c);
	s = cloud_server(c, &a, uid);
	assert_int_equal(s.power_state, POWER_RUNNING);
	assert_true(s.launched_us >= s.created_us);
	assert_null(s.admin_pass);
	assert_string_equal(s.zone, "nova");
	d = domain_of(c, uid);
	assert_int_equal(d.power, HV_POWER_RUNNING);
	assert_int_equal(d.vcpus, 2);
	assert_int_equal(d.ram_mib, 1024);
	assert_int_equal(d.disks_n, 2);
	assert_int_equal(d.nics_n, 1);
	assert_int_equal(d.epoch, 1);

	act(c, uid, SERVER_STOP, VM_STOPPED);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_SHUTOFF);
	act(c, uid, SERVER_START, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_RUNNING);
	assert_int_equal(domain_of(c, uid).epoch, 2);
	act(c, uid, SERVER_PAUSE, VM_PAUSED);
	assert_int_equal(domain_of(c, uid).power, HV_POWER_PAUSED);
	act(c, uid, SERVER_UNPAUSE, VM_ACTIVE);
	act(c, uid, SERVER_REBOOT_SOFT, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).epoch, 3);
	act(c, uid, SERVER_REBOOT_HARD, VM_ACTIVE);
	assert_int_equal(domain_of(c, uid).starts, 4);

	cloud_ok(c, do_delete, w.uid[0]);
	cloud_until_server(c, uid, VM_DELETED);
	cloud_clean(c);
	assert_int_equal(sim_domain_count(c->worlds[0]), 0);
	assert_int_equal(sim_volume_count(c->worlds[0]), 1); /* the image */
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM allocation"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM port"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM usage WHERE ended_us IS NULL"), 0);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM server_action WHERE finish_us IS NULL"), 0);
	assert_int_equal(quota_index_get(flow_quota(c->e), c->project, QUOTA_INSTANCES), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
