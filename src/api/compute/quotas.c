/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: of one's own project (GET /limits), and of any for administrators (/os-quota-sets). What is used
 * comes from the index that admission itself counts with. */
#include "store/quota_tree.h"

#include <inttypes.h>
#include <string.h>

#include "api/compute/compute.h"
#include "api/quota_body.h"
#include "base/util.h"
#include "store/quotas.h"

/* Key, resource, last version in a quota set, first and last in a class set (minor versions; 0: open). */
#define KEYS(KEY)                                                                        \
	KEY("instances", QUOTA_INSTANCES, 0, 0, 0)                                       \
	KEY("cores", QUOTA_CORES, 0, 0, 0)                                               \
	KEY("ram", QUOTA_RAM, 0, 0, 0)                                                   \
	KEY("metadata_items", QUOTA_METADATA_ITEMS, 0, 0, 0)                             \
	KEY("key_pairs", QUOTA_KEY_PAIRS, 0, 0, 0)                                       \
	KEY("server_groups", QUOTA_SERVER_GROUPS, 0, 50, 0)                              \
	KEY("server_group_members", QUOTA_SERVER_GROUP_MEMBERS, 0, 50, 0)                \
	KEY("injected_files", QUOTA_INJECTED_FILES, 56, 0, 56)                           \
	KEY("injected_file_content_bytes", QUOTA_INJECTED_FILE_CONTENT_BYTES, 56, 0, 56) \
	KEY("injected_file_path_bytes", QUOTA_INJECTED_FILE_PATH_BYTES, 56, 0, 56)       \
	KEY("fixed_ips", QUOTA_ADDRESSES, 35, 0, 49)                                     \
	KEY("floating_ips", QUOTA_FLOATING_IPS, 35, 0, 49)                               \
	KEY("security_groups", QUOTA_SECURITY_GROUPS, 35, 0, 49)                         \
	KEY("security_group_rules", QUOTA_SECURITY_GROUP_RULES, 35, 0, 49)

struct key {
	struct bind_field field;
	enum quota_resource resource;
};

#define KEY_FIELD(name_, resource_, since_, until_)                                                 \
	{ .field = { .name = (name_),                                                               \
		  .type = BIND_INT,                                                                 \
		  .offset = offsetof(struct quota_body, limits[0]) + (resource_) * sizeof(int64_t), \
		  .min = QUOTA_UNLIMITED,                                                           \
		  .max = INT32_MAX,                                                                 \
		  .since = (since_),                                                                \
		  .until = (until_) },                                                              \
		.resource = (resource_) },
#define SET_KEY(name, resource, until, class_since, class_until) KEY_FIELD(name, resource, 0, until)
#define CLASS_KEY(name, resource, until, class_since, class_until) \
	KEY_FIELD(name, resource, class_since, class_until)

static const struct key set_keys[] = {
	KEYS(SET_KEY) { .field = { .name = "force",
				.type = BIND_BOOL,
				.offset = offsetof(struct quota_body, force),
				.flags = BIND_LOOSE } },
};
static const struct key class_keys[] = { KEYS(CLASS_KEY) };

enum { KEYS_N = ARRAY_LEN(class_keys) }; /* of both: what follows in set_keys is no limit */

const struct bind_table compute_quota_body = { .top = "quota_set", BIND_ROWS(quota_body, set_keys) };
const struct bind_table compute_quota_class_body = { .top = "quota_class_set",
	BIND_ROWS(quota_body, class_keys) };

#undef KEYS
#undef KEY_FIELD
#undef SET_KEY
#undef CLASS_KEY

static bool shown(const struct api_call *c, const struct key *k)
{
	return since(c, k->field.since) && (!k->field.until || c->version <= k->field.until);
}

static int64_t used(const struct api_call *c, int64_t project_id, enum quota_resource r)
{
	return quota_index_get(flow_quota(c->api->flows), project_id, (int)r);
}

/* --- which project */

/* The project that the request names: one's own, or any for administrators. */
static int named_project(struct api_call *c, const char *uid, int64_t *out, struct error *err)
{
	int rc;

	c->target = uid;
	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return error_set(
			err, ERR_FORBIDDEN, "Only an administrator may see another project's limits.");
	rc = store_quota_project(c->db, uid, false, out, err);
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Project ID %.64s is not a valid project.", uid);
	return rc < 0 ? -1 : 0;
}

/* --- GET /limits */

static const struct absolute {
	const char *name;
	int resource;
	bool is_used;
	int until;
} absolutes[] = {
	/* clang-format off */
	{ "maxTotalInstances", QUOTA_INSTANCES, false, 0 },
	{ "maxTotalCores", QUOTA_CORES, false, 0 },
	{ "maxTotalRAMSize", QUOTA_RAM, false, 0 },
	{ "maxServerMeta", QUOTA_METADATA_ITEMS, false, 0 },
	{ "maxImageMeta", QUOTA_METADATA_ITEMS, false, 38 },
	{ "maxPersonality", QUOTA_INJECTED_FILES, false, 56 },
	{ "maxPersonalitySize", QUOTA_INJECTED_FILE_CONTENT_BYTES, false, 56 },
	{ "maxTotalKeypairs", QUOTA_KEY_PAIRS, false, 0 },
	{ "maxServerGroups", QUOTA_SERVER_GROUPS, false, 0 },
	{ "maxServerGroupMembers", QUOTA_SERVER_GROUP_MEMBERS, false, 0 },
	{ "maxTotalFloatingIps", QUOTA_FLOATING_IPS, false, 35 },
	{ "maxSecurityGroups", QUOTA_SECURITY_GROUPS, false, 35 },
	{ "maxSecurityGroupRules", QUOTA_SECURITY_GROUP_RULES, false, 35 },
	{ "totalRAMUsed", QUOTA_RAM, true, 0 },
	{ "totalCoresUsed", QUOTA_CORES, true, 0 },
	{ "totalInstancesUsed", QUOTA_INSTANCES, true, 0 },
	{ "totalFloatingIpsUsed", QUOTA_FLOATING_IPS, true, 35 },
	{ "totalSecurityGroupsUsed", QUOTA_SECURITY_GROUPS, true, 35 },
	{ "totalServerGroupsUsed", QUOTA_SERVER_GROUPS, true, 0 },
	/* clang-format on */
};

int compute_limits(struct api_call *c, struct error *err)
{
	static const char *const known[] = { "tenant_id", "reserved", NULL };
	const char *other = api_query(c, "tenant_id");
	int64_t project = c->who->project.id, limits[QUOTA_MAX];

	if (compute_only_query(c, 75, known, err) < 0 ||
		(other && named_project(c, other, &project, err) < 0) ||
		store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "limits");
	jw_object(&c->out);
	jw_key(&c->out, "rate");
	jw_array(&c->out);
	jw_end_array(&c->out);
	jw_key(&c->out, "absolute");
	jw_object(&c->out);
	for (size_t i = 0; i < ARRAY_LEN(absolutes); i++) {
		const struct absolute *a = &absolutes[i];

		if (!a->until || c->version <= a->until)
			jw_kv_int(&c->out, a->name,
				a->is_used ? used(c, project, a->resource) : limits[a->resource]);
	}
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- quota sets */

/* Limits are kept by project: a user's are those of the project, and there are none of a user to change. */
static int check_query(const struct api_call *c, bool user_too, struct error *err)
{
	static const char *const known[] = { "user_id", NULL };

	if (compute_only_query(c, 75, known, err) < 0)
		return -1;
	if (!user_too && api_query(c, "user_id"))
		return error_set(err, ERR_BAD_REQUEST, "user_id: limits are kept by project, not by user");
	return 0;
}

static void limits_view(struct api_call *c, const char *top, const char *id, const struct key *keys,
	const int64_t limits[QUOTA_MAX])
{
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, top);
	jw_object(&c->out);
	if (id)
		jw_kv_str(&c->out, "id", id);
	for (size_t i = 0; i < KEYS_N; i++)
		if (shown(c, &keys[i]))
			jw_kv_int(&c->out, keys[i].field.name, limits[keys[i].resource]);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}

int compute_quota_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	int64_t project, limits[QUOTA_MAX];

	if (check_query(c, true, err) < 0 || named_project(c, uid, &project, err) < 0 ||
		store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	limits_view(c, "quota_set", uid, set_keys, limits);
	return 0;
}

int compute_quota_detail(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	int64_t project, limits[QUOTA_MAX];

	if (check_query(c, true, err) < 0 || named_project(c, uid, &project, err) < 0 ||
		store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "quota_set");
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", uid);
	for (size_t i = 0; i < KEYS_N; i++) {
		if (!shown(c, &set_keys[i]))
			continue;
		jw_key(&c->out, set_keys[i].field.name);
		jw_object(&c->out);
		jw_kv_int(&c->out, "limit", limits[set_keys[i].resource]);
		jw_kv_int(&c->out, "in_use", used(c, project, set_keys[i].resource));
		jw_kv_int(&c->out, "reserved", 0);
		jw_end_object(&c->out);
	}
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_quota_defaults(struct api_call *c, struct error *err)
{
	int64_t limits[QUOTA_MAX];

	if (store_quota_defaults(c->db, limits, err) < 0)
		return -1;
	limits_view(c, "quota_set", api_param(c, "project_id"), set_keys, limits);
	return 0;
}

static int set_one(struct api_call *c, int64_t project, const struct key *k, int64_t limit, bool force,
	struct error *err)
{
	int64_t in_use = quota_index_tree(flow_quota(c->api->flows), project, (int)k->resource);

	if (!force && limit != QUOTA_UNLIMITED && limit < in_use)
		return error_set(err, ERR_BAD_REQUEST,
			"Quota limit %" PRId64
			" for %s must be greater than or equal to already used %" PRId64 ".",
			limit, k->field.name, in_use);
	return store_quota_set(c->db, project, quota_resource_info(k->resource)->name, limit, err);
}

int compute_quota_update(struct api_call *c, struct error *err)
{
	const struct quota_body *in = c->in;
	int64_t project, limits[QUOTA_MAX];

	if (check_query(c, false, err) < 0 || named_project(c, api_param(c, "project_id"), &project, err) < 0)
		return -1;
	for (size_t i = 0; i < KEYS_N; i++)
		if ((c->seen.present >> i & 1) &&
			set_one(c, project, &set_keys[i], in->limits[set_keys[i].resource], in->force, err) <
				0)
			return -1;
	if (store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	limits_view(c, "quota_set", NULL, set_keys, limits);
	return 0;
}

int compute_quota_delete(struct api_call *c, struct error *err)
{
	int64_t project;

	if (check_query(c, false, err) < 0 || named_project(c, api_param(c, "project_id"), &project, err) < 0)
		return -1;
	c->status = 202;
	return store_quota_reset(c->db, project, QUOTA_COMPUTE, err);
}

/* --- class sets: only `default` has an effect, on projects that have no limits of their own */

int compute_quota_class(struct api_call *c, struct error *err)
{
	int64_t limits[QUOTA_MAX];

	if (store_quota_defaults(c->db, limits, err) < 0)
		return -1;
	limits_view(c, "quota_class_set", api_param(c, "class"), class_keys, limits);
	return 0;
}

int compute_quota_class_update(struct api_call *c, struct error *err)
{
	const struct quota_body *in = c->in;
	int64_t limits[QUOTA_MAX];

	c->target = api_param(c, "class");
	if (strcmp(c->target, "default") != 0)
		return error_set(err, ERR_BAD_REQUEST,
			"the class %.64s would have no effect here: there is only 'default'", c->target);
	for (size_t i = 0; i < KEYS_N; i++) {
		enum quota_resource r = class_keys[i].resource;

		if ((c->seen.present >> i & 1) &&
			store_quota_default_set(c->db, quota_resource_info(r)->name, in->limits[r], err) < 0)
			return -1;
	}
	if (store_quota_defaults(c->db, limits, err) < 0)
		return -1;
	limits_view(c, "quota_class_set", NULL, class_keys, limits);
	return 0;
}
