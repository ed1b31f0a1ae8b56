/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and tenants see of hosts and groups of servers, at each microversion; and that the policies
 * of groups are kept for many servers, one by one and several at once. */
#include "compute_fixture.h"

#include "base/crypto.h"
#include "domain/flavor.h"
#include "store/aggregates.h"
#include "store/server_groups.h"

enum { HOSTS = 6, ROUNDS = 40 };

static char uid[64]; /* of what a test made last */

/* --- fixture */

static int make_rows(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	if (db_run(db, err,
		    "INSERT INTO flavor (id, uid, name, vcpus, ram_mib, disk_gib, is_public, created_us)"
		    " VALUES (?, 'f1', 'small', 1, 64, 1, 1, 1)",
		    "i", store_next_id(cl->store)) < 0 ||
		db_run(db, err,
			"INSERT INTO user (id, uid, domain_id, name, created_us) VALUES (7, 'u', 1, 'user', "
			"1)",
			NULL) < 0)
		return -1;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	cloud_make(&cloud);
	for (int i = 0; i < HOSTS; i++)
		cloud_host(&cloud, HOST);
	cloud_ok(&cloud, make_rows, NULL);
	api = (struct api) { .loop = &cloud.loop,
		.tick = cloud.tick,
		.store = cloud.store,
		.flows = cloud.e,
		.lanes = cloud.lanes,
		.config = { .public_url = "https://cloud.test", .default_zone = "nova", .list_max = 1000 } };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cloud_close(&cloud);
	cloud_remove(&cloud);
	return 0;
}

static const char *text_at(const json_t *v, const char *top, const char *key)
{
	return json_string_value(json_object_get(json_object_get(v, top), key));
}

/* --- keys by microversion */

static const struct key group_keys[] = {
	{ "id", 1, 0, 0 },
	{ "name", 1, 0, 0 },
	{ "members", 1, 0, 0 },
	{ "policies", 1, 63, 0 },
	{ "metadata", 1, 63, 0 },
	{ "project_id", 13, 0, 0 },
	{ "user_id", 13, 0, 0 },
	{ "policy", 64, 0, 0 },
	{ "rules", 64, 0, 0 },
};

enum { SHOWN = 8 }; /* not in the answer to POST */

static const struct key aggregate_keys[] = {
	{ "id", 1, 0, 0 },
	{ "name", 1, 0, 0 },
	{ "availability_zone", 1, 0, 0 },
	{ "hosts", 1, 0, SHOWN },
	{ "metadata", 1, 0, SHOWN },
	{ "created_at", 1, 0, 0 },
	{ "updated_at", 1, 0, 0 },
	{ "deleted", 1, 0, 0 },
	{ "deleted_at", 1, 0, 0 },
	{ "uuid", 41, 0, 0 },
};

static const struct key service_keys[] = {
	{ "id", 1, 0, 0 },
	{ "binary", 1, 0, 0 },
	{ "host", 1, 0, 0 },
	{ "zone", 1, 0, 0 },
	{ "status", 1, 0, 0 },
	{ "state", 1, 0, 0 },
	{ "updated_at", 1, 0, 0 },
	{ "disabled_reason", 1, 0, 0 },
	{ "forced_down", 11, 0, 0 },
};

static const struct key brief_keys[] = {
	{ "id", 1, 0, 0 },
	{ "hypervisor_hostname", 1, 0, 0 },
	{ "state", 1, 0, 0 },
	{ "status", 1, 0, 0 },
};

static const struct key class_keys[] = {
	{ "id", 1, 0, 0 },
	{ "instances", 1, 0, 0 },
	{ "cores", 1, 0, 0 },
	{ "ram", 1, 0, 0 },
	{ "metadata_items", 1, 0, 0 },
	{ "key_pairs", 1, 0, 0 },
	{ "server_groups", 50, 0, 0 },
	{ "server_group_members", 50, 0, 0 },
	{ "injected_files", 1, 56, 0 },
	{ "injected_file_content_bytes", 1, 56, 0 },
	{ "injected_file_path_bytes", 1, 56, 0 },
	{ "fixed_ips", 1, 49, 0 },
	{ "floating_ips", 1, 49, 0 },
	{ "security_groups", 1, 49, 0 },
	{ "security_group_rules", 1, 49, 0 },
};

static void check_group(int v)
{
	struct ask make = { .version = v,
		.body = v < 64 ? "{'server_group': {'name': 'g', 'policies': ['affinity']}}"
			       : "{'server_group': {'name': 'g', 'policy': 'affinity'}}",
		.handler = compute_server_group_create };
	struct ask soft = { .version = v,
		.body = v < 64 ? "{'server_group': {'name': 's', 'policies': ['soft-affinity']}}"
			       : "{'server_group': {'name': 's', 'policy': 'soft-affinity'}}",
		.handler = compute_server_group_create };
	struct ask list = { .version = v, .handler = compute_server_group_list };
	struct ask gone = {
		.version = v, .params = { { "group_id", uid } }, .handler = compute_server_group_delete
	};

	put(&make);
	WELL(make);
	CHECK_KEYS("group", json_object_get(make.json, "server_group"), group_keys, v, MEMBER);
	get(&list);
	WELL(list);
	CHECK_KEYS("group of a list", json_array_get(json_object_get(list.json, "server_groups"), 0),
		group_keys, v, MEMBER);
	str_copy(uid, sizeof uid, text_at(make.json, "server_group", "id"));
	put(&gone);
	WELL(gone);
	put(&soft);
	assert_int_equal(soft.code, v < 15 ? ERR_BAD_REQUEST : ERR_NONE);
	if (soft.code == ERR_NONE) {
		str_copy(uid, sizeof uid, text_at(soft.json, "server_group", "id"));
		put(&gone);
		WELL(gone);
	}
	json_decref(make.json);
	json_decref(soft.json);
	json_decref(list.json);
}

static void check_aggregate(int v)
{
	struct ask make = { .version = v,
		.role = ADMIN,
		.body = "{'aggregate': {'name': 'a', 'availability_zone': null}}",
		.handler = compute_aggregate_create };
	struct ask show = { .version = v,
		.role = ADMIN,
		.params = { { "aggregate_id", uid } },
		.handler = compute_aggregate_show };
	struct ask gone = { .version = v,
		.role = ADMIN,
		.params = { { "aggregate_id", uid } },
		.handler = compute_aggregate_delete };

	put(&make);
	WELL(make);
	check_keys("new aggregate", json_object_get(make.json, "aggregate"), aggregate_keys,
		ARRAY_LEN(aggregate_keys), v, ADMIN, 0, SHOWN);
	snprintf(uid, sizeof uid, "%lld",
		(long long)json_integer_value(
			json_object_get(json_object_get(make.json, "aggregate"), "id")));
	get(&show);
	WELL(show);
	CHECK_KEYS("aggregate", json_object_get(show.json, "aggregate"), aggregate_keys, v, ADMIN);
	put(&gone);
	WELL(gone);
	json_decref(make.json);
	json_decref(show.json);
}

static void check_hosts(int v)
{
	struct ask services = { .version = v, .role = ADMIN, .handler = compute_service_list };
	struct ask brief = { .version = v, .role = ADMIN, .handler = compute_hypervisor_list };
	struct ask classes = { .version = v,
		.role = ADMIN,
		.params = { { "class", "default" } },
		.handler = compute_quota_class };
	const json_t *first;

	get(&services);
	WELL(services);
	first = json_array_get(json_object_get(services.json, "services"), 0);
	CHECK_KEYS("service", first, service_keys, v, ADMIN);
	assert_int_equal(json_is_integer(json_object_get(first, "id")), v < 53);
	get(&brief);
	WELL(brief);
	CHECK_KEYS("hypervisor", json_array_get(json_object_get(brief.json, "hypervisors"), 0), brief_keys, v,
		ADMIN);
	get(&classes);
	WELL(classes);
	CHECK_KEYS("quota class", json_object_get(classes.json, "quota_class_set"), class_keys, v, ADMIN);
	json_decref(services.json);
	json_decref(brief.json);
	json_decref(classes.json);
}

static void test_keys(void **state)
{
	(void)state;
	for (int v = COMPUTE_VERSION_MIN; v <= COMPUTE_VERSION_MAX; v++) {
		check_group(v);
		check_aggregate(v);
		check_hosts(v);
	}
}

/* Unknown parts of a query are refused from the version on that says so, and passed over below. */
static void test_queries(void **state)
{
	static const struct {
		api_handler *handler;
		int from;
		const char *param;
	} lists[] = {
		{ compute_server_group_list, 75, NULL },
		{ compute_service_list, 75, NULL },
		{ compute_keypair_list, 75, NULL },
		{ compute_flavor_list, 75, NULL },
		{ compute_flavor_detail, 75, NULL },
		{ compute_limits, 75, NULL },
		{ compute_usage_list, 75, NULL },
		{ compute_quota_show, 75, "project_id" },
		{ compute_hypervisor_list, 53, NULL },
		{ compute_hypervisor_detail, 53, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (int v = lists[i].from - 1; v <= lists[i].from; v++) {
			struct ask q = { .version = v,
				.role = ADMIN,
				.query = "no_such_thing=1",
				.params = { { lists[i].param, PROJECT } },
				.handler = lists[i].handler };

			get(&q);
			if (q.code != (v < lists[i].from ? ERR_NONE : ERR_BAD_REQUEST))
				fail_msg("list %zu at 2.%d: %d %s", i, v, q.code, q.msg);
			json_decref(q.json);
		}
}

/* --- policies, with many servers */

struct spread { /* members of a group on each host */
	int64_t group;
	int n[HOSTS], all, most, hosts;
};

static int do_spread(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct spread *s = arg;
	struct server_group_host *hosts;
	size_t n;

	(void)cl;
	if (store_server_group_hosts(db, &a, s->group, 0, &hosts, &n, err))
		return -1;
	s->all = s->most = 0;
	s->hosts = (int)n;
	for (size_t i = 0; i < n; i++) {
		s->all += (int)hosts[i].n;
		s->most = (int)hosts[i].n > s->most ? (int)hosts[i].n : s->most;
	}
	return 0;
}

struct joining {
	int64_t group;
	int count, fitted; /* fitted: those that a host was found for */
};

static int do_join(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct joining *j = arg;
	struct flow_origin o = origin_now();
	struct server_create want = { .base = { .project_id = cl->project,
					      .user_uid = "u",
					      .name = "vm",
					      .flavor_uid = "f1",
					      .flavor_name = "small",
					      .vcpus = 1,
					      .ram_mib = 64,
					      .disk_gib = 1,
					      .extra_specs = "{}" },
		.group_id = j->group,
		.count = j->count,
		.numbered = j->count > 1 };
	const char **uids;
	struct server s;

	want.base.zone = want.base.access_ipv4 = want.base.access_ipv6 = "";
	want.base.disk_config = "MANUAL";
	if (flow_server_create(cl->e, db, &a, &want, &o, &uids, err))
		return -1;
	j->fitted = 0;
	for (int i = 0; i < j->count; i++) {
		if (store_server_get(db, &a, 0, uids[i], &s, err))
			return -1;
		j->fitted += s.host_id != 0;
	}
	return 0;
}

static int do_group(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	struct server_group *g = arg;
	char id[UUID_TEXT];

	uuid_make(&rng_system, id);
	g->id = store_next_id(cl->store);
	g->uid = id;
	g->project_id = cl->project;
	g->user_uid = "u";
	g->name = g->policy;
	quota_index_add(flow_quota(cl->e), cl->project, QUOTA_SERVER_GROUPS, 1);
	return store_server_group_insert(db, g, err);
}

static int do_limits(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	static const char *const names[] = { "instances", "cores", "ram", "server_group_members", "ports" };

	(void)cl;
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (db_run(db, err, "INSERT INTO quota_default (resource, hard_limit) VALUES (?, -1)", "s",
			    names[i]) < 0)
			return -1;
	return 0;
}

static void test_policies(void **state)
{
	static const struct {
		const char *policy;
		int64_t max;
	} policies[] = {
		{ "affinity", 0 },
		{ "anti-affinity", 0 },
		{ "anti-affinity", 3 },
		{ "soft-affinity", 0 },
		{ "soft-anti-affinity", 0 },
	};
	unsigned seed = 1;

	(void)state;
	cloud_ok(&cloud, do_limits, NULL);
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		struct server_group g = { .policy = policies[i].policy, .max_per_host = policies[i].max };
		int room = policies[i].max ? HOSTS * (int)policies[i].max : HOSTS, placed = 0;

		cloud_ok(&cloud, do_group, &g);
		for (int round = 0; round < ROUNDS && placed < 14; round++) {
			struct joining j = { .group = g.id, .count = 1 + rand_r(&seed) % 4 };
			struct spread s = { .group = g.id };
			bool apart = strcmp(g.policy, "anti-affinity") == 0;

			cloud_ok(&cloud, do_join, &j);
			/* all of a request, or none */
			assert_true(j.fitted == 0 || j.fitted == j.count);
			if (apart)
				assert_int_equal(j.fitted != 0, placed + j.count <= room);
			else
				assert_int_equal(j.fitted, j.count);
			placed += j.fitted;
			cloud_ok(&cloud, do_spread, &s);
			assert_int_equal(s.all, placed);
			if (apart)
				assert_true(s.most <= (g.max_per_host ? g.max_per_host : 1));
			else if (strcmp(g.policy, "soft-anti-affinity") == 0)
				assert_true(s.most <= (placed + HOSTS - 1) / HOSTS);
			else
				assert_int_equal(s.hosts, 1);
		}
	}
	cloud_until(&cloud, flows_gone, NULL);
	cloud_clean(&cloud);
}

/* --- what memory keeps is made of the rows again */

static int do_force_down(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	return flow_host_force_down(cl->e, db, cl->hosts[0],
		*(bool *)arg ? &(struct host_proof) { .proof = "operator" } : NULL, err);
}

static int do_zone(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct server_pair metadata[] = { { AGGREGATE_ZONE, "east" },
		{ FLAVOR_EXCLUSIVE_HOST, "true" } };
	struct aggregate g = { .id = store_next_id(cl->store), .uid = "a", .name = "a", .created_us = 1 };
	struct aggregate_change change = { .add_host = cl->hosts[*(unsigned *)arg],
		.metadata = metadata,
		.metadata_n = ARRAY_LEN(metadata) };

	return store_aggregate_insert(db, &g, err) ||
			       flow_aggregate_change(cl->e, db, &a, g.id, &change, 2, err)
		       ? -1
		       : 0;
}

/* Where a server of these wishes ends up; 0: nowhere. */
static int64_t placed_at(struct want *w)
{
	CLEANUP(arena_finish) struct arena a = { 0 };

	cloud_ok(&cloud, do_create, w);
	return cloud_server(&cloud, &a, w->uid[0]).host_id;
}

static void check_places(unsigned alone, unsigned east)
{
	char names[2][16];
	struct want beside = { .host = names[0] }, second = { .host = names[1] }, dead = { .host = "host0" };

	snprintf(names[0], sizeof names[0], "host%u", alone);
	snprintf(names[1], sizeof names[1], "host%u", east);
	assert_int_equal(placed_at(&beside), 0);
	assert_int_equal(placed_at(&second), 0);
	assert_int_equal(placed_at(&dead), 0);
}

static void test_restart(void **state)
{
	struct want alone = { .extra_specs = "{\"cloudd:exclusive_host\":\"true\"}" },
		    first = { .host = NULL };
	CLEANUP(arena_finish) struct arena arena = { 0 };
	unsigned a = cloud_host(&cloud, HOST), east;
	bool down = true;
	char name[16];

	(void)state;
	assert_int_equal(placed_at(&alone), cloud.hosts[a]); /* the only one that is empty */
	east = cloud_host(&cloud, HOST);
	cloud_ok(&cloud, do_zone, &east);
	snprintf(name, sizeof name, "host%u", east);
	first.host = name;
	assert_int_equal(placed_at(&first), cloud.hosts[east]);
	cloud_ok(&cloud, do_force_down, &down);
	check_places(a, east);
	assert_string_equal(cloud_server(&cloud, &arena, first.uid[0]).zone, "east");
	cloud_until(&cloud, flows_gone, NULL);
	cloud_clean(&cloud);
	cloud_close(&cloud);
	cloud_open(&cloud);
	api.tick = cloud.tick;
	api.store = cloud.store;
	api.flows = cloud.e;
	api.lanes = cloud.lanes;
	for (unsigned i = 0; i < cloud.hosts_n; i++)
		cloud_until(&cloud, host_connected, &i);
	check_places(a, east);
	cloud_clean(&cloud);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
