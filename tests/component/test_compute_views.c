/* SPDX-License-Identifier: Apache-2.0 */
/* The compute API's handlers on a real store and flow engine with a simulated host: which keys each
 * microversion shows to whom, what lists find, what bodies are refused, and that kept replies never go stale.
 */
#include <math.h>
#include <openssl/evp.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/compute/server_view.h"
#include "api/compute/ssh_key.h"
#include "api/compute/x509_key.h"
#include "compute_fixture.h"
#include "domain/names.h"

static char first[UUID_TEXT]; /* a server that runs */

/* SHORT_PUT: in PUT's answer below 2.75 too. */
static const struct key server_keys[] = {
	{ "id", 1, 0, SHORT_PUT },
	{ "name", 1, 0, SHORT_PUT },
	{ "status", 1, 0, SHORT_PUT },
	{ "tenant_id", 1, 0, SHORT_PUT },
	{ "user_id", 1, 0, SHORT_PUT },
	{ "metadata", 1, 0, SHORT_PUT },
	{ "hostId", 1, 0, SHORT_PUT },
	{ "image", 1, 0, SHORT_PUT },
	{ "flavor", 1, 0, SHORT_PUT },
	{ "created", 1, 0, SHORT_PUT },
	{ "updated", 1, 0, SHORT_PUT },
	{ "addresses", 1, 0, SHORT_PUT },
	{ "accessIPv4", 1, 0, SHORT_PUT },
	{ "accessIPv6", 1, 0, SHORT_PUT },
	{ "links", 1, 0, SHORT_PUT },
	{ "OS-DCF:diskConfig", 1, 0, SHORT_PUT },
	{ "progress", 1, 0, SHORT_PUT },
	{ "OS-EXT-AZ:availability_zone", 1, 0, 0 },
	{ "config_drive", 1, 0, 0 },
	{ "key_name", 1, 0, 0 },
	{ "OS-SRV-USG:launched_at", 1, 0, 0 },
	{ "OS-SRV-USG:terminated_at", 1, 0, 0 },
	{ "OS-EXT-STS:task_state", 1, 0, 0 },
	{ "OS-EXT-STS:vm_state", 1, 0, 0 },
	{ "OS-EXT-STS:power_state", 1, 0, 0 },
	{ "os-extended-volumes:volumes_attached", 1, 0, 0 },
	{ "OS-EXT-SRV-ATTR:host", 1, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:instance_name", 1, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:hypervisor_hostname", 1, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:reservation_id", 3, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:launch_index", 3, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:hostname", 3, 89, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:hostname", 90, 0, 0 },
	{ "OS-EXT-SRV-ATTR:kernel_id", 3, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:ramdisk_id", 3, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:root_device_name", 3, 0, FOR_ADMIN },
	{ "OS-EXT-SRV-ATTR:user_data", 3, 0, FOR_ADMIN },
	{ "locked", 9, 0, SHORT_PUT },
	{ "host_status", 16, 0, FOR_ADMIN },
	{ "description", 19, 0, SHORT_PUT },
	{ "tags", 26, 0, SHORT_PUT },
	{ "trusted_image_certificates", 63, 0, SHORT_PUT },
	{ "server_groups", 71, 0, SHORT_PUT | SHOW_ONLY },
	{ "locked_reason", 73, 0, SHORT_PUT },
};

static const struct key flavor_keys[] = {
	{ "id", 1, 0, 0 },
	{ "name", 1, 0, 0 },
	{ "ram", 1, 0, 0 },
	{ "vcpus", 1, 0, 0 },
	{ "disk", 1, 0, 0 },
	{ "swap", 1, 0, 0 },
	{ "OS-FLV-EXT-DATA:ephemeral", 1, 0, 0 },
	{ "OS-FLV-DISABLED:disabled", 1, 0, 0 },
	{ "os-flavor-access:is_public", 1, 0, 0 },
	{ "rxtx_factor", 1, 0, 0 },
	{ "links", 1, 0, 0 },
	{ "description", 55, 0, 0 },
	{ "extra_specs", 61, 0, 0 },
};

static const struct key flavor_brief_keys[] = {
	{ "id", 1, 0, 0 },
	{ "name", 1, 0, 0 },
	{ "links", 1, 0, 0 },
	{ "description", 55, 0, 0 },
};

static const struct key quota_keys[] = {
	{ "id", 1, 0, 0 },
	{ "instances", 1, 0, 0 },
	{ "cores", 1, 0, 0 },
	{ "ram", 1, 0, 0 },
	{ "metadata_items", 1, 0, 0 },
	{ "key_pairs", 1, 0, 0 },
	{ "server_groups", 1, 0, 0 },
	{ "server_group_members", 1, 0, 0 },
	{ "injected_files", 1, 56, 0 },
	{ "injected_file_content_bytes", 1, 56, 0 },
	{ "injected_file_path_bytes", 1, 56, 0 },
	{ "fixed_ips", 1, 35, 0 },
	{ "floating_ips", 1, 35, 0 },
	{ "security_groups", 1, 35, 0 },
	{ "security_group_rules", 1, 35, 0 },
};

static const struct key limit_keys[] = {
	{ "maxTotalInstances", 1, 0, 0 },
	{ "maxTotalCores", 1, 0, 0 },
	{ "maxTotalRAMSize", 1, 0, 0 },
	{ "maxServerMeta", 1, 0, 0 },
	{ "maxImageMeta", 1, 38, 0 },
	{ "maxPersonality", 1, 56, 0 },
	{ "maxPersonalitySize", 1, 56, 0 },
	{ "maxTotalKeypairs", 1, 0, 0 },
	{ "maxServerGroups", 1, 0, 0 },
	{ "maxServerGroupMembers", 1, 0, 0 },
	{ "maxTotalFloatingIps", 1, 35, 0 },
	{ "maxSecurityGroups", 1, 35, 0 },
	{ "maxSecurityGroupRules", 1, 35, 0 },
	{ "totalRAMUsed", 1, 0, 0 },
	{ "totalCoresUsed", 1, 0, 0 },
	{ "totalInstancesUsed", 1, 0, 0 },
	{ "totalFloatingIpsUsed", 1, 35, 0 },
	{ "totalSecurityGroupsUsed", 1, 35, 0 },
	{ "totalServerGroupsUsed", 1, 0, 0 },
};

static const struct key hypervisor_keys[] = {
	{ "id", 1, 0, 0 },
	{ "hypervisor_hostname", 1, 0, 0 },
	{ "state", 1, 0, 0 },
	{ "status", 1, 0, 0 },
	{ "hypervisor_type", 1, 0, 0 },
	{ "hypervisor_version", 1, 0, 0 },
	{ "host_ip", 1, 0, 0 },
	{ "service", 1, 0, 0 },
	{ "cpu_info", 1, 87, 0 },
	{ "vcpus", 1, 87, 0 },
	{ "vcpus_used", 1, 87, 0 },
	{ "memory_mb", 1, 87, 0 },
	{ "memory_mb_used", 1, 87, 0 },
	{ "free_ram_mb", 1, 87, 0 },
	{ "local_gb", 1, 87, 0 },
	{ "local_gb_used", 1, 87, 0 },
	{ "free_disk_gb", 1, 87, 0 },
	{ "disk_available_least", 1, 87, 0 },
	{ "running_vms", 1, 87, 0 },
	{ "current_workload", 1, 87, 0 },
	{ "uptime", 88, 0, 0 },
};

/* --- fixture */

static int make_flavor(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	if (db_run(db, err,
		    "INSERT INTO flavor (id, uid, name, vcpus, ram_mib, disk_gib, is_public, created_us)"
		    " VALUES (?, 'f1', 'small', 1, 512, 10, 1, 1)",
		    "i", store_next_id(cl->store)) < 0 ||
		db_run(db, err,
			"INSERT INTO flavor (id, uid, name, vcpus, ram_mib, disk_gib, is_public, created_us)"
			" VALUES (?, 'f2', 'hidden', 1, 512, 10, 0, 1)",
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
	struct want w = { .drive = true };

	(void)state;
	cloud_make(&cloud);
	cloud_host(&cloud, HOST);
	cloud_ok(&cloud, make_flavor, NULL);
	api = (struct api) { .loop = &cloud.loop,
		.tick = cloud.tick,
		.store = cloud.store,
		.flows = cloud.e,
		.lanes = cloud.lanes,
		.config = { .public_url = "https://cloud.test", .default_zone = "nova", .list_max = 1000 } };
	cloud_ok(&cloud, do_create, &w);
	cloud_until_server(&cloud, w.uid[0], VM_ACTIVE);
	str_copy(first, sizeof first, w.uid[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cloud_close(&cloud);
	cloud_remove(&cloud);
	return 0;
}

/* --- views */

static void test_server_keys(void **state)
{
	(void)state;
	for (int v = COMPUTE_VERSION_MIN; v <= COMPUTE_VERSION_MAX; v++) {
		for (enum role role = MEMBER; role <= ADMIN; role++) {
			struct ask show = { .version = v,
				.role = role,
				.params = { { "server_id", first } },
				.handler = compute_server_show };
			struct ask list = { .version = v, .role = role, .handler = compute_server_detail };
			struct ask update = { .version = v,
				.role = role,
				.params = { { "server_id", first } },
				.body = "{'server': {'name': 'vm'}}",
				.handler = compute_server_update };

			get(&show);
			WELL(show);
			CHECK_KEYS("show", json_object_get(show.json, "server"), server_keys, v, role);
			get(&list);
			WELL(list);
			check_keys("list", json_array_get(json_object_get(list.json, "servers"), 0),
				server_keys, ARRAY_LEN(server_keys), v, role, 0, SHOW_ONLY);
			put(&update);
			WELL(update);
			check_keys("update", json_object_get(update.json, "server"), server_keys,
				ARRAY_LEN(server_keys), v, role, v < 75 ? SHORT_PUT : 0, 0);
			json_decref(show.json);
			json_decref(list.json);
			json_decref(update.json);
		}
	}
}

static void test_other_keys(void **state)
{
	(void)state;
	for (int v = COMPUTE_VERSION_MIN; v <= COMPUTE_VERSION_MAX; v++) {
		struct ask flavor = {
			.version = v, .params = { { "flavor_id", "f1" } }, .handler = compute_flavor_show
		};
		struct ask brief = { .version = v, .handler = compute_flavor_list };
		struct ask quota = {
			.version = v, .params = { { "project_id", PROJECT } }, .handler = compute_quota_show
		};
		struct ask limits = { .version = v, .handler = compute_limits };
		struct ask hosts = { .version = v, .role = ADMIN, .handler = compute_hypervisor_detail };
		json_t *swap;

		get(&flavor);
		WELL(flavor);
		CHECK_KEYS("flavor", json_object_get(flavor.json, "flavor"), flavor_keys, v, MEMBER);
		swap = json_object_get(json_object_get(flavor.json, "flavor"), "swap");
		assert_true(v < 75 ? json_is_string(swap) : json_is_integer(swap));
		get(&brief);
		WELL(brief);
		CHECK_KEYS("flavors", json_array_get(json_object_get(brief.json, "flavors"), 0),
			flavor_brief_keys, v, MEMBER);
		get(&quota);
		WELL(quota);
		CHECK_KEYS("quota set", json_object_get(quota.json, "quota_set"), quota_keys, v, MEMBER);
		get(&limits);
		WELL(limits);
		CHECK_KEYS("limits", json_object_get(json_object_get(limits.json, "limits"), "absolute"),
			limit_keys, v, MEMBER);
		get(&hosts);
		WELL(hosts);
		CHECK_KEYS("hypervisor", json_array_get(json_object_get(hosts.json, "hypervisors"), 0),
			hypervisor_keys, v, ADMIN);
		json_decref(flavor.json);
		json_decref(brief.json);
		json_decref(quota.json);
		json_decref(limits.json);
		json_decref(hosts.json);
	}
}

/* "a.b.0.c" */
static const json_t *at(const json_t *v, const char *path)
{
	char *copy = xstrdup(path), *save = NULL;

	for (char *p = strtok_r(copy, ".", &save); p && v; p = strtok_r(NULL, ".", &save))
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(p)) : json_object_get(v, p);
	free(copy);
	return v;
}

static const char *text_at(const json_t *v, const char *path)
{
	const char *text = json_string_value(at(v, path));

	return text ? text : "(none)";
}

static void test_server_values(void **state)
{
	struct ask old = {
		.version = 1, .params = { { "server_id", first } }, .handler = compute_server_show
	};
	struct ask new = {
		.version = 93, .params = { { "server_id", first } }, .handler = compute_server_show
	};
	char host_id[HOST_ID_TEXT];

	(void)state;
	get(&old);
	get(&new);
	WELL(old);
	WELL(new);
	assert_string_equal(text_at(old.json, "server.status"), "ACTIVE");
	assert_string_equal(text_at(old.json, "server.config_drive"), "True");
	assert_string_equal(text_at(old.json, "server.metadata.role"), "db");
	assert_string_equal(text_at(old.json, "server.flavor.id"), "f");
	assert_string_equal(text_at(old.json, "server.image.id"), IMAGE_UID);
	assert_string_equal(text_at(old.json, "server.addresses.lan.0.addr"), "10.0.0.10");
	assert_string_equal(text_at(old.json, "server.addresses.lan.0.OS-EXT-IPS:type"), "fixed");
	assert_int_equal(json_integer_value(at(old.json, "server.OS-EXT-STS:power_state")), 1);
	assert_true(json_is_null(at(old.json, "server.OS-EXT-STS:task_state")));
	host_id_make(PROJECT, "host0", host_id);
	assert_string_equal(text_at(old.json, "server.hostId"), host_id);
	assert_string_equal(text_at(new.json, "server.flavor.original_name"), "m1.small");
	assert_null(at(new.json, "server.flavor.id"));
	assert_int_equal(json_integer_value(at(new.json, "server.flavor.vcpus")), 2);
	assert_string_equal(text_at(new.json, "server.tags.0"), "blue");
	assert_string_equal(
		text_at(new.json, "server.links.0.href"), text_at(old.json, "server.links.0.href"));
	json_decref(old.json);
	json_decref(new.json);
}

static void test_host_id(void **state)
{
	char text[HOST_ID_TEXT];

	(void)state;
	/* echo -n projecthost | sha224sum */
	host_id_make("project", "host", text);
	assert_string_equal(text, "71cadb69bfd5185e469fda3761e01d8669966de9d48fdce2fa1e51c2");
	host_id_make("project", NULL, text);
	assert_string_equal(text, "");
}

/* --- kept replies */

static void test_replies_never_stale(void **state)
{
	struct ask show = {
		.version = 1, .params = { { "server_id", first } }, .handler = compute_server_show
	};
	struct ask other = { .version = 1,
		.role = STRANGER,
		.params = { { "server_id", first } },
		.handler = compute_server_show };
	struct ask meta = { .version = 1,
		.params = { { "server_id", first } },
		.body = "{'metadata': {'role': 'web'}}",
		.handler = compute_server_metadata_merge };
	const char *want[] = { "db", "web" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int again = 0; again < 2; again++) {
			get(&show);
			WELL(show);
			assert_string_equal(text_at(show.json, "server.metadata.role"), want[i]);
			json_decref(show.json);
		}
		get(&other); /* what is kept for one project is no other's */
		assert_int_equal(other.code, ERR_NOT_FOUND);
		if (i == 0) {
			put(&meta);
			WELL(meta);
			json_decref(meta.json);
		}
	}
}

/* --- lists */

static void names_of(const json_t *json, char *out, size_t size)
{
	const json_t *servers = json_object_get(json, "servers");
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(servers); i++)
		n += (size_t)snprintf(
			out + n, size - n, "%s%s", i ? " " : "", text_at(json_array_get(servers, i), "name"));
}

static const struct {
	int version;
	enum role role;
	const char *query, *names; /* NULL: refused with code */
	enum err code;
} list_cases[] = {
	{ 1, MEMBER, "", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, STRANGER, "", "", 0 },
	{ 1, ADMIN, "", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "name=vm-2", "vm-2", 0 },
	{ 1, MEMBER, "name=vm-[13]", "vm-3 vm-1", 0 },
	{ 1, MEMBER, "name=(a{1,255}){1,255}", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "name=(a)\\1", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "name=[", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "status=active", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "status=SHUTOFF", "", 0 },
	{ 1, MEMBER, "status=SHUTOFF&status=ACTIVE", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "status=nonsense", "", 0 },
	{ 38, MEMBER, "status=nonsense", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "status=deleted", NULL, ERR_FORBIDDEN },
	{ 1, MEMBER, "limit=2", "vm-3 vm-2", 0 },
	{ 1, MEMBER, "limit=0", "", 0 },
	{ 1, MEMBER, "limit=-1", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "limit=x", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "marker=6f1d9c2e-1111-4000-8000-0000000000ff", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "sort_key=display_name&sort_dir=asc", "vm vm-1 vm-2 vm-3", 0 },
	{ 1, MEMBER, "sort_key=display_name&sort_dir=asc&limit=2", "vm vm-1", 0 },
	{ 1, MEMBER, "sort_key=vm_state&sort_dir=asc&sort_key=display_name&sort_dir=desc",
		"vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "sort_key=colour", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "sort_key=host", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "sort_key=name&sort_dir=up", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "ip=10.0.0.11", "vm-1", 0 },
	{ 1, MEMBER, "ip=^10.0.0.1[23]$", "vm-3 vm-2", 0 },
	{ 1, MEMBER, "flavor=f", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "flavor=g", "", 0 },
	{ 1, MEMBER, "image=" IMAGE_UID, "vm-3 vm-2 vm-1 vm", 0 },
	{ 26, MEMBER, "tags=blue", "vm-3 vm-2 vm-1 vm", 0 },
	{ 26, MEMBER, "tags=blue,red", "", 0 },
	{ 26, MEMBER, "tags-any=blue,red", "vm-3 vm-2 vm-1 vm", 0 },
	{ 26, MEMBER, "not-tags=blue", "", 0 },
	{ 26, MEMBER, "not-tags=blue,red", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, MEMBER, "changes-since=2999-01-01T00:00:00Z", "", 0 },
	{ 1, MEMBER, "changes-since=yesterday", NULL, ERR_BAD_REQUEST },
	{ 73, MEMBER, "locked=True", "", 0 },
	{ 73, MEMBER, "locked=maybe", NULL, ERR_BAD_REQUEST },
	{ 1, MEMBER, "all_tenants=1", NULL, ERR_FORBIDDEN },
	{ 1, MEMBER, "all_tenants=False", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, ADMIN, "all_tenants=True&project_id=nobody", "", 0 },
	{ 1, ADMIN, "all_tenants=1&tenant_id=" PROJECT, "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, ADMIN, "all_tenants=1&tenant_id=nobody", "", 0 },
	{ 1, ADMIN, "all_tenants=1&host=host0", "vm-3 vm-2 vm-1 vm", 0 },
	{ 1, ADMIN, "all_tenants=1&host=host1", "", 0 },
	{ 1, MEMBER, "host=host1", "vm-3 vm-2 vm-1 vm", 0 }, /* dropped: administrators' */
	{ 1, MEMBER, "vm_state=stopped", "vm-3 vm-2 vm-1 vm", 0 },
	{ 83, MEMBER, "vm_state=stopped", "", 0 },
	{ 1, MEMBER, "colour=red", "vm-3 vm-2 vm-1 vm", 0 },
	{ 75, MEMBER, "colour=red", NULL, ERR_BAD_REQUEST },
};

static void test_lists(void **state)
{
	struct want w = { .count = 3 };
	char names[256];

	(void)state;
	cloud_ok(&cloud, do_create, &w);
	for (int i = 0; i < 3; i++)
		cloud_until_server(&cloud, w.uid[i], VM_ACTIVE);
	for (size_t i = 0; i < ARRAY_LEN(list_cases); i++) {
		struct ask q = { .version = list_cases[i].version,
			.role = list_cases[i].role,
			.query = list_cases[i].query,
			.handler = compute_server_list };

		get(&q);
		if (!list_cases[i].names) {
			if (q.code != list_cases[i].code)
				fail_msg("%s: %d (%s)", q.query, q.code, q.msg);
			continue;
		}
		if (q.code)
			fail_msg("%s: %s", q.query, q.msg);
		names_of(q.json, names, sizeof names);
		if (strcmp(names, list_cases[i].names) != 0)
			fail_msg("2.%d %s: '%s' instead of '%s'", q.version, q.query, names,
				list_cases[i].names);
		json_decref(q.json);
	}
}

/* Every page size and order gives each server once, and the last page is empty or short. */
static void test_pages(void **state)
{
	static const char *const orders[] = { "", "&sort_key=display_name&sort_dir=asc",
		"&sort_key=vm_state&sort_dir=desc" };

	(void)state;
	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		for (int limit = 1; limit <= 5; limit++) {
			char marker[UUID_TEXT] = "", query[200];
			size_t seen = 0, n;

			do {
				struct ask q = {
					.version = 1, .query = query, .handler = compute_server_list
				};
				const json_t *servers;

				snprintf(query, sizeof query, "limit=%d%s%s%s", limit, orders[o],
					*marker ? "&marker=" : "", marker);
				get(&q);
				WELL(q);
				servers = json_object_get(q.json, "servers");
				n = json_array_size(servers);
				assert_true((json_object_get(q.json, "servers_links") != NULL) ==
					    (n == (size_t)limit));
				if (n)
					str_copy(marker, sizeof marker,
						text_at(json_array_get(servers, n - 1), "id"));
				seen += n;
				json_decref(q.json);
				assert_true(seen <= 4);
			} while (n == (size_t)limit);
			assert_int_equal(seen, 4);
		}
	}
}

/* --- bodies that are refused, by name, and make nothing */

#define CREATE(more) "{'server': {'name': 'x', 'imageRef': '" IMAGE_UID "', 'flavorRef': 'f1'" more "}}"

static const struct {
	int version;
	enum role role;
	const char *body;
	enum err code;
	const char *says;
} create_cases[] = {
	{ 1, MEMBER, "{'server': {}}", ERR_BAD_REQUEST, "required" },
	{ 1, MEMBER, "{}", ERR_BAD_REQUEST, "server" },
	{ 1, MEMBER, "{'server': {'name': 5, 'imageRef': '" IMAGE_UID "', 'flavorRef': 'f1'}}",
		ERR_BAD_REQUEST, "name" },
	{ 1, MEMBER, "{'server': {'name': '  ', 'imageRef': '" IMAGE_UID "', 'flavorRef': 'f1'}}",
		ERR_BAD_REQUEST, "name" },
	{ 1, MEMBER, "{'server': {'name': 'x', 'imageRef': '', 'flavorRef': 'f1'}}", ERR_BAD_REQUEST,
		"imageRef" },
	{ 1, MEMBER, "{'server': {'name': 'x', 'imageRef': 'z', 'flavorRef': 'f1'}}", ERR_BAD_REQUEST,
		"imageRef" },
	{ 1, MEMBER, "{'server': {'name': 'x', 'imageRef': '" IMAGE_UID "', 'flavorRef': 'f9'}}",
		ERR_BAD_REQUEST, "Flavor" },
	{ 1, MEMBER, "{'server': {'name': 'x', 'imageRef': '" IMAGE_UID "', 'flavorRef': 'f2'}}",
		ERR_BAD_REQUEST, "Flavor" },
	{ 1, MEMBER, CREATE(", 'colour': 1"), ERR_BAD_REQUEST, "Additional properties are not allowed" },
	{ 1, MEMBER, CREATE(", 'description': 'd'"), ERR_BAD_REQUEST, "description" },
	{ 51, MEMBER, CREATE(", 'networks': 'auto', 'tags': ['a']"), ERR_BAD_REQUEST, "tags" },
	{ 52, MEMBER, CREATE(", 'networks': 'auto', 'tags': ['a,b']"), ERR_BAD_REQUEST, "tag" },
	{ 1, MEMBER, CREATE(", 'key_name': 'none'"), ERR_BAD_REQUEST, "key_name" },
	{ 1, MEMBER, CREATE(", 'user_data': '***'"), ERR_BAD_REQUEST, "base 64" },
	{ 1, MEMBER, CREATE(", 'min_count': 0"), ERR_BAD_REQUEST, "min_count" },
	{ 1, MEMBER, CREATE(", 'min_count': 3, 'max_count': 2"), ERR_BAD_REQUEST, "min_count" },
	{ 1, MEMBER, CREATE(", 'max_count': 5000"), ERR_BAD_REQUEST, "max_count" },
	{ 1, MEMBER, CREATE(", 'accessIPv4': '1.2.3'"), ERR_BAD_REQUEST, "accessIPv4" },
	{ 1, MEMBER, CREATE(", 'accessIPv6': '1.2.3.4'"), ERR_BAD_REQUEST, "accessIPv6" },
	{ 1, MEMBER, CREATE(", 'OS-DCF:diskConfig': 'auto'"), ERR_BAD_REQUEST, "diskConfig" },
	{ 1, MEMBER, CREATE(", 'metadata': {'a': 1}"), ERR_BAD_REQUEST, "metadata" },
	{ 1, MEMBER, CREATE(", 'config_drive': 'perhaps'"), ERR_BAD_REQUEST, "config_drive" },
	{ 1, MEMBER, CREATE(", 'availability_zone': 'mars'"), ERR_BAD_REQUEST, "zone" },
	{ 1, MEMBER, CREATE(", 'availability_zone': 'nova:host0'"), ERR_FORBIDDEN, "host" },
	{ 1, ADMIN, CREATE(", 'availability_zone': 'nova:host9'"), ERR_BAD_REQUEST, "host9" },
	{ 74, MEMBER, CREATE(", 'networks': 'none', 'host': 'host0'"), ERR_FORBIDDEN, "host" },
	{ 73, ADMIN, CREATE(", 'networks': 'none', 'host': 'host0'"), ERR_BAD_REQUEST, "host" },
	{ 37, MEMBER, CREATE(""), ERR_BAD_REQUEST, "networks" },
	{ 36, MEMBER, CREATE(", 'networks': 'auto'"), ERR_BAD_REQUEST, "networks" },
	{ 1, MEMBER, CREATE(", 'networks': [{'uuid': 'x'}]"), ERR_BAD_REQUEST, "Network" },
	{ 1, MEMBER, CREATE(", 'networks': [{}]"), ERR_BAD_REQUEST, "networks[0]" },
	{ 1, MEMBER, CREATE(", 'networks': [{'port': 'x'}]"), ERR_BAD_REQUEST, "Port" },
	{ 1, MEMBER,
		CREATE(", 'networks': [{'uuid': 'e1000000-0000-4000-8000-000000000001', 'fixed_ip': 'x'}]"),
		ERR_BAD_REQUEST, "fixed_ip" },
	{ 1, MEMBER, CREATE(", 'security_groups': [{'name': 'web'}]"), ERR_BAD_REQUEST, "web" },
	{ 1, MEMBER, CREATE(", 'personality': [{'path': '/a', 'contents': ''}]"), ERR_BAD_REQUEST,
		"personality" },
	{ 57, MEMBER, CREATE(", 'networks': 'none', 'personality': []"), ERR_BAD_REQUEST, "personality" },
	{ 1, MEMBER,
		CREATE(", 'block_device_mapping_v2': [{'boot_index': 0, 'source_type': 'volume',"
		       " 'destination_type': 'volume', 'uuid': '" IMAGE_UID "'}]"),
		ERR_BAD_REQUEST, "block_device_mapping_v2" },
	{ 63, MEMBER, CREATE(", 'networks': 'none', 'trusted_image_certificates': ['c']"), ERR_BAD_REQUEST,
		"trusted" },
	{ 90, MEMBER, CREATE(", 'networks': 'none', 'hostname': 'a_b'"), ERR_BAD_REQUEST, "hostname" },
	{ 1, STRANGER, CREATE(", 'networks': [{'uuid': 'e1000000-0000-4000-8000-000000000009'}]"),
		ERR_BAD_REQUEST, "Network" },
	{ 1, MEMBER,
		"{'server': {'name': 'x', 'imageRef': '" IMAGE_UID
		"', 'flavorRef': 'f1'}, 'os:scheduler_hints':"
		" {'group': 'g'}}",
		ERR_BAD_REQUEST, "hints" },
};

static void test_create_refusals(void **state)
{
	int64_t servers = cloud_count(&cloud, "SELECT count(*) FROM server");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(create_cases); i++) {
		struct ask q = { .version = create_cases[i].version,
			.role = create_cases[i].role,
			.body = create_cases[i].body,
			.handler = compute_server_create };

		put(&q);
		if (q.code != create_cases[i].code || !strstr(q.msg, create_cases[i].says))
			fail_msg("2.%d %s: %d '%s'", q.version, q.body, q.code, q.msg);
	}
	assert_int_equal(cloud_count(&cloud, "SELECT count(*) FROM server"), servers);
	cloud_clean(&cloud);
}

static void test_create_and_delete(void **state)
{
	struct ask q = { .version = 90,
		.role = ADMIN,
		.body = CREATE(
			", 'networks': 'auto', 'hostname': 'web', 'min_count': '1', 'host': 'host0', "
			"'description': null,"
			" 'block_device_mapping_v2': [{'uuid': '" IMAGE_UID
			"', 'boot_index': '0', 'source_type': 'image',"
			" 'destination_type': 'local', 'delete_on_termination': true}], 'security_groups':"
			" [{'name': 'default'}], 'adminPass': 'hunter22'"),
		.handler = compute_server_create };
	struct ask gone = { .version = 1, .handler = compute_server_show };
	char uid[UUID_TEXT];

	(void)state;
	put(&q);
	WELL(q);
	assert_int_equal(q.status, 202);
	assert_string_equal(text_at(q.json, "server.adminPass"), "hunter22");
	assert_string_equal(text_at(q.json, "server.security_groups.0.name"), "default");
	assert_int_equal(json_object_size(at(q.json, "server")), 5);
	str_copy(uid, sizeof uid, text_at(q.json, "server.id"));
	json_decref(q.json);
	cloud_until_server(&cloud, uid, VM_ACTIVE);
	q = (struct ask) {
		.version = 1, .params = { { "server_id", uid } }, .handler = compute_server_delete
	};
	put(&q);
	WELL(q);
	assert_int_equal(q.status, 204);
	cloud_until(&cloud, flows_gone, NULL);
	gone.params[0][0] = "server_id";
	gone.params[0][1] = uid;
	get(&gone);
	assert_int_equal(gone.code, ERR_NOT_FOUND);
	cloud_clean(&cloud);
}

/* --- another project's server is not there, whatever is asked of it */

static void test_strangers(void **state)
{
	static api_handler *const reads[] = { compute_server_show, compute_server_metadata_list,
		compute_server_tags_list, compute_server_ips, compute_server_interfaces,
		compute_server_volumes, compute_server_password, compute_server_groups_of,
		compute_action_list };
	static const struct {
		api_handler *handler;
		const char *body;
	} writes[] = {
		{ compute_server_update, "{'server': {'name': 'mine'}}" },
		{ compute_server_delete, NULL },
		{ compute_server_metadata_merge, "{'metadata': {'a': 'b'}}" },
		{ compute_server_metadata_replace, "{'metadata': {}}" },
		{ compute_server_tags_replace, "{'tags': []}" },
		{ compute_server_tags_clear, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reads) + ARRAY_LEN(writes); i++) {
		bool is_read = i < ARRAY_LEN(reads);
		struct ask q = { .version = 26,
			.role = STRANGER,
			.params = { { "server_id", first } },
			.body = is_read ? NULL : writes[i - ARRAY_LEN(reads)].body,
			.handler = is_read ? reads[i] : writes[i - ARRAY_LEN(reads)].handler };

		if (is_read)
			get(&q);
		else
			put(&q);
		if (q.code != ERR_NOT_FOUND)
			fail_msg("handler %zu: %d %s", i, q.code, q.msg);
	}
}

/* --- quotas */

static void test_quotas(void **state)
{
	struct ask set = { .version = 1,
		.role = ADMIN,
		.params = { { "project_id", PROJECT } },
		.body = "{'quota_set': {'cores': 1}}",
		.handler = compute_quota_update };
	struct ask show = {
		.version = 57, .params = { { "project_id", PROJECT } }, .handler = compute_quota_detail
	};
	struct ask limits = { .version = 57, .handler = compute_limits };
	int64_t used = cloud_count(&cloud, "SELECT sum(vcpus) FROM server WHERE deleted_us = 0");

	(void)state;
	put(&set);
	assert_int_equal(set.code, ERR_BAD_REQUEST); /* below what is used */
	set.body = "{'quota_set': {'cores': 1, 'colour': 2}}";
	put(&set);
	assert_int_equal(set.code, ERR_BAD_REQUEST);
	set.body = "{'quota_set': {'cores': '1', 'force': true}}";
	put(&set);
	WELL(set);
	assert_null(at(set.json, "quota_set.id"));
	json_decref(set.json);
	get(&show);
	WELL(show);
	assert_int_equal(json_integer_value(at(show.json, "quota_set.cores.limit")), 1);
	assert_int_equal(json_integer_value(at(show.json, "quota_set.cores.in_use")), used);
	get(&limits);
	assert_int_equal(json_integer_value(at(limits.json, "limits.absolute.totalCoresUsed")), used);
	json_decref(show.json);
	json_decref(limits.json);
	set = (struct ask) { .version = 1,
		.role = ADMIN,
		.params = { { "project_id", PROJECT } },
		.handler = compute_quota_delete };
	put(&set);
	WELL(set);
	show.role = STRANGER;
	get(&show);
	assert_int_equal(show.code, ERR_FORBIDDEN);
}

/* --- usage: each launched server once, hours by its size */

static void test_usage(void **state)
{
	struct ask q = { .version = 1,
		.query = "start=2000-01-01T00:00:00&end=2999-01-01T00:00:00",
		.params = { { "project_id", PROJECT } },
		.handler = compute_usage_show };
	const json_t *list;
	double hours = 0, vcpus = 0;

	(void)state;
	get(&q);
	WELL(q);
	list = at(q.json, "tenant_usage.server_usages");
	assert_int_equal(json_array_size(list),
		cloud_count(&cloud, "SELECT count(*) FROM server WHERE launched_us > 0"));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);

		hours += json_real_value(at(s, "hours"));
		vcpus += json_real_value(at(s, "hours")) * (double)json_integer_value(at(s, "vcpus"));
	}
	assert_true(hours > 0);
	assert_true(fabs(hours - json_real_value(at(q.json, "tenant_usage.total_hours"))) < 1e-9);
	assert_true(fabs(vcpus - json_real_value(at(q.json, "tenant_usage.total_vcpus_usage"))) < 1e-9);
	json_decref(q.json);
	q.query = "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00";
	get(&q);
	assert_int_equal(q.code, ERR_BAD_REQUEST);
	q.query = "start=2000-01-01T00:00:00&end=2000-01-02T00:00:00";
	get(&q);
	WELL(q);
	assert_int_equal(json_object_size(at(q.json, "tenant_usage")), 0);
	json_decref(q.json);
}

/* --- keys */

#define ED25519 "AAAAC3NzaC1lZDI1NTE5AAAAIIhz2GK/XCUj4i6Q5yQJNL1MXMY0RxzPV2QrBqfHrDq6"

static void test_ssh_keys(void **state)
{
	static const char *const bad[] = { "", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA",
		"ssh-rsa " ED25519 " x", "rot13 " ED25519, "ssh-ed25519 " ED25519 "\nssh-ed25519 " ED25519,
		"ssh-ed25519 ???" };
	char text[SSH_FINGERPRINT], *private_key = NULL, *public_key = NULL;
	struct error err;

	(void)state;
	assert_int_equal(ssh_key_fingerprint("ssh-ed25519 " ED25519 " life@test", text, &err), 0);
	assert_int_equal(strlen(text), 47);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ssh_key_fingerprint(bad[i], text, &err) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(ssh_key_generate(SSH_KEY_RSA, &private_key, &public_key, &err), 0);
	assert_non_null(strstr(private_key, "-----BEGIN RSA PRIVATE KEY-----"));
	assert_int_equal(ssh_key_fingerprint(public_key, text, &err), 0);
	free(private_key);
	free(public_key);
}

/* For an encrypted one's password OpenSSL itself would ask the terminal or stdin, and the daemon would wait.
 */
static void test_encrypted_certificate_asks_nobody(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
				  "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
				  "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n";
	char text[X509_FINGERPRINT];
	int ends[2], left = 0, status = -1;
	struct error err;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "word\n", 5), 5);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setsid(); /* no terminal */
		dup2(ends[0], STDIN_FILENO);
		if (x509_key_fingerprint(pem, text, &err) == 0 || ioctl(STDIN_FILENO, FIONREAD, &left) < 0)
			_exit(2);
		_exit(left != 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(status, 0);
}

static size_t occurrences(const char *data, size_t n, const char *what, size_t what_n)
{
	const char *end = data + n;
	size_t found = 0;

	while ((data = memmem(data, (size_t)(end - data), what, what_n))) {
		found++;
		data++;
	}
	return found;
}

/* OpenSSH's form of an Ed25519 key: the public half, the secrets, and in these the public half again, by
 * which OpenSSL makes the same key of the seed. */
static void test_ed25519(void **state)
{
	CLEANUP(free_ptr) char *private_key = NULL, *public_key = NULL;
	CLEANUP(buf_finish) struct buf text = { 0 };
	unsigned char public[32];
	size_t n, blob_n, public_n = sizeof public;
	char print[SSH_FINGERPRINT];
	struct error err;
	char *at, *file, *blob;
	EVP_PKEY *key;

	(void)state;
	assert_int_equal(ssh_key_generate(SSH_KEY_ED25519, &private_key, &public_key, &err), 0);
	assert_int_equal(ssh_key_fingerprint(public_key, print, &err), 0);
	assert_true(str_starts(public_key, "ssh-ed25519 AAAA"));
	at = strstr(private_key, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	assert_non_null(at);
	for (at = strchr(at, '\n') + 1; *at && *at != '-'; at++)
		if (*at != '\n')
			buf_append(&text, at, 1);
	assert_string_equal(at, "-----END OPENSSH PRIVATE KEY-----\n");
	file = (char *)base64_decode(text.data, text.len, &n);
	assert_non_null(file);
	assert_memory_equal(file, "openssh-key-v1", 15);
	blob = (char *)base64_decode(public_key + 12, strcspn(public_key + 12, " "), &blob_n);
	assert_int_equal(occurrences(file, n, blob, blob_n), 2);
	assert_int_equal(occurrences(file, n, blob + blob_n - 32, 32), 3);
	at = (char *)memmem(file, n, "\0\0\0\x40", 4) + 4; /* the seed, with the public half behind it */
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (unsigned char *)at, 32);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, public, &public_n), 1);
	assert_memory_equal(public, blob + blob_n - 32, 32);
	EVP_PKEY_free(key);
	free(file);
	free(blob);
}

/* The table of actions knows a key in the same versions as the rules of states, and each has its rule. */
static void test_action_versions(void **state)
{
	const struct bind_table *t = &compute_action_body;

	(void)state;
	for (int version = COMPUTE_VERSION_MIN; version <= COMPUTE_VERSION_MAX; version++) {
		for (size_t i = 0; i < t->n; i++) {
			const struct bind_field *f = bind_field_at(t, i);
			enum server_action action;
			bool known = false;

			for (size_t k = 0; k < t->n; k++) {
				const struct bind_field *o = bind_field_at(t, k);

				known = known || (strcmp(o->name, f->name) == 0 && version >= o->since &&
							 (!o->until || version <= o->until));
			}
			if (known != server_action_find(f->name, version, &action))
				fail_msg("%s at 2.%d", f->name, version);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_action_versions),
		cmocka_unit_test(test_server_keys),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_server_values),
		cmocka_unit_test(test_host_id),
		cmocka_unit_test(test_replies_never_stale),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_create_refusals),
		cmocka_unit_test(test_create_and_delete),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_quotas),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_ssh_keys),
		cmocka_unit_test(test_encrypted_certificate_asks_nobody),
		cmocka_unit_test(test_ed25519),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
