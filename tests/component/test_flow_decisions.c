/* SPDX-License-Identifier: Apache-2.0 */
/* Each decision that is kept can be asked for again, of the cloud as it was then: after creates, deletions
 * and refusals, changes of hosts, and starts of the daemon. */
#include "flow_fixture.h"

#include "flow/expect.h"

enum { ALL = 1000 };

static struct cloud cloud;

static int setup(void **state)
{
	memset(&cloud, 0, sizeof cloud);
	cloud_make(&cloud);
	for (int i = 0; i < 3; i++)
		cloud_host(&cloud, "vcpus=16&ram_gib=64&disk_gib=500&gpus=4&gpu=10de:2330");
	*state = &cloud;
	return 0;
}

static int teardown(void **state)
{
	cloud_close(*state);
	cloud_remove(*state);
	return 0;
}

static int do_again(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	*(int *)arg = decisions_again(c, db, ALL, err);
	return *(int *)arg < 0 ? -1 : 0;
}

static void all_again(struct cloud *c, int64_t kept)
{
	int n = 0;

	cloud_ok(c, do_again, &n);
	assert_int_equal(n, kept);
	assert_int_equal(n, cloud_count(c, "SELECT count(*) FROM decision WHERE kind = 'choose'"));
}

static int do_drain(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int64_t id = 0;

	if (db_int_query(db, err, &id, "SELECT min(id) FROM host", NULL) < 0)
		return -1;
	return flow_host_set_state(c->e, db, id, arg, "", err);
}

static struct want gpus(int n)
{
	return (struct want) { .extra_specs = n == 1   ? "{\"pci_passthrough:alias\":\"h100:1\"}"
					      : n == 3 ? "{\"pci_passthrough:alias\":\"h100:3\"}"
						       : "{\"pci_passthrough:alias\":\"a100:1\"}" };
}

static void test_again(void **state)
{
	struct cloud *c = *state;
	struct want one = gpus(1), three = gpus(3), none = gpus(0), many = { .count = 4 };

	cloud_ok(c, do_create, &one);
	cloud_ok(c, do_create, &three);
	cloud_ok(c, do_create, &none); /* no host has that model: it has its row, too */
	cloud_ok(c, do_create, &many);
	cloud_until(c, flows_gone, NULL);
	all_again(c, 4);

	cloud_ok(c, do_drain, "draining");
	cloud_ok(c, do_delete, three.uid[0]);
	cloud_until(c, flows_gone, NULL);
	cloud_ok(c, do_create, &three);
	cloud_ok(c, do_drain, "up");
	cloud_ok(c, do_create, &one);
	cloud_until(c, flows_gone, NULL);
	all_again(c, 6);

	/* a start knows hosts as not connected at first: the journal tells that, too */
	cloud_close(c);
	cloud_open(c);
	cloud_until(c, host_connected, &(unsigned) { 0 });
	cloud_ok(c, do_create, &one);
	cloud_until(c, flows_gone, NULL);
	all_again(c, 7);
	cloud_clean(c);
}

/* What is undone leaves nothing behind. */
static int do_fail(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	if (do_create(c, db, arg, err))
		return -1;
	return error_set(err, ERR_CONFLICT, "changed my mind");
}

static void test_undone(void **state)
{
	struct cloud *c = *state;
	struct want one = gpus(1);
	int64_t rows = cloud_count(c, "SELECT count(*) FROM decision");

	assert_int_equal(cloud_do(c, do_fail, &one), -1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM decision"), rows);
	cloud_ok(c, do_create, &one);
	all_again(c, 1);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM decision"), rows + 2); /* choose, take */
}

static int do_expect(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	return flow_expect(c->e, db, err);
}

/* What is expected is learned from the servers of late, once a start and an hour, and is journaled: what was
 * decided before is asked again with what was expected before. */
static void test_expect(void **state)
{
	struct cloud *c = *state;
	struct want one = gpus(1), three = gpus(3);
	const char *mixes = "SELECT count(*) FROM decision WHERE kind = 'mix' AND subject_id = 0";

	assert_int_equal(cloud_count(c, mixes), 0);
	for (int i = 0; i < 60; i++) {
		struct want *w = i % 10 ? &one : &three;

		cloud_ok(c, do_create, w);
		cloud_until(c, flows_gone, NULL);
		cloud_ok(c, do_delete, w->uid[0]);
		cloud_until(c, flows_gone, NULL);
	}
	cloud_ok(c, do_expect, NULL); /* the hour is not over */
	assert_int_equal(cloud_count(c, mixes), 0);
	cloud_close(c);
	cloud_open(c);
	cloud_until(c, host_connected, &(unsigned) { 0 });
	cloud_ok(c, do_create, &one);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(cloud_count(c, mixes), 1);
	assert_int_equal(
		cloud_count(
			c, "SELECT json_array_length(input, '$.requests') FROM decision WHERE kind = 'mix'"),
		2);
	assert_int_equal(cloud_count(c, "SELECT input ->> '$.churning' FROM decision WHERE kind = 'mix'"), 1);
	all_again(c, 61);
	cloud_close(c);
	cloud_open(c); /* the same but for one more: another mix, that follows upon the first */
	cloud_until(c, host_connected, &(unsigned) { 0 });
	cloud_ok(c, do_create, &one);
	cloud_until(c, flows_gone, NULL);
	assert_int_equal(
		cloud_count(c, "SELECT count(*) FROM decision d WHERE kind = 'mix' AND before != ''"), 1);
	all_again(c, 62);
}

static int do_purge(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	*(int *)arg = store_decision_purge(db, INT64_MAX, ALL, err);
	return *(int *)arg < 0 ? -1 : 0;
}

/* Old rows go; of each host the last stays, so that the next start knows what it was. */
static void test_purge(void **state)
{
	struct cloud *c = *state;
	struct want one = gpus(1);
	int n;

	cloud_ok(c, do_create, &one);
	cloud_ok(c, do_purge, &n);
	assert_true(n > 2);
	assert_int_equal(cloud_count(c, "SELECT count(*) FROM decision"), 3);
	assert_int_equal(
		cloud_count(c, "SELECT count(DISTINCT subject_id) FROM decision WHERE kind = 'host'"), 3);
	cloud_ok(c, do_create, &one);
	all_again(c, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_purge, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
