/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: of one's own project (GET /limits), and of any for administrators (/os-quota-sets). What is used
 * comes from the index that admission itself counts with. */
#include "store/quotas.h"

#include <inttypes.h>
#include <string.h>

#include "api/compute/compute.h"
#include "base/util.h"

enum { NO_RESOURCE = -1 }; /* never limited here: -1 */

/* Keys of a quota set; of a class set some come and go at other versions. */
static const struct key {
	const char *name;
	int resource;
	int until, class_since, class_until; /* minor versions; 0: open */
} keys[] = {
	/* clang-format off */
	{ "instances", QUOTA_INSTANCES, 0, 0, 0 },
	{ "cores", QUOTA_CORES, 0, 0, 0 },
	{ "ram", QUOTA_RAM, 0, 0, 0 },
	{ "metadata_items", QUOTA_METADATA_ITEMS, 0, 0, 0 },
	{ "key_pairs", QUOTA_KEY_PAIRS, 0, 0, 0 },
	{ "server_groups", QUOTA_SERVER_GROUPS, 0, 50, 0 },
	{ "server_group_members", QUOTA_SERVER_GROUP_MEMBERS, 0, 50, 0 },
	{ "injected_files", QUOTA_INJECTED_FILES, 56, 0, 56 },
	{ "injected_file_content_bytes", QUOTA_INJECTED_FILE_CONTENT_BYTES, 56, 0, 56 },
	{ "injected_file_path_bytes", QUOTA_INJECTED_FILE_PATH_BYTES, 56, 0, 56 },
	{ "fixed_ips", NO_RESOURCE, 35, 0, 49 },
	{ "floating_ips", QUOTA_FLOATING_IPS, 35, 0, 49 },
	{ "security_groups", QUOTA_SECURITY_GROUPS, 35, 0, 49 },
	{ "security_group_rules", QUOTA_SECURITY_GROUP_RULES, 35, 0, 49 },
	/* clang-format on */
};

static bool in_set(const struct api_call *c, const struct key *k)
{
	return !k->until || c->version <= k->until;
}

static bool in_class_set(const struct api_call *c, const struct key *k)
{
	return since(c, k->class_since) && (!k->class_until || c->version <= k->class_until);
}

static int64_t limit_of(const struct key *k, const int64_t limits[QUOTA_MAX])
{
	return k->resource == NO_RESOURCE ? QUOTA_UNLIMITED : limits[k->resource];
}

static int64_t used(const struct api_call *c, int64_t project_id, int resource)
{
	if (resource == NO_RESOURCE ||
		quota_resource_info((enum quota_resource)resource)->scope != QUOTA_PER_PROJECT)
		return 0;
	return quota_index_get(flow_quota(c->api->flows), project_id, (enum quota_resource)resource);
}

static void default_limits(int64_t out[QUOTA_MAX])
{
	for (int r = 0; r < QUOTA_MAX; r++)
		out[r] = quota_resource_info((enum quota_resource)r)->default_limit;
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
	const char *other = api_query(c, "tenant_id");
	int64_t project = c->who->project.id, limits[QUOTA_MAX];

	if ((other && named_project(c, other, &project, err) < 0) ||
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

static void set_view(struct api_call *c, const char *id, const int64_t limits[QUOTA_MAX])
{
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "quota_set");
	jw_object(&c->out);
	if (id)
		jw_kv_str(&c->out, "id", id);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (in_set(c, &keys[i]))
			jw_kv_int(&c->out, keys[i].name, limit_of(&keys[i], limits));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}

int compute_quota_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	int64_t project, limits[QUOTA_MAX];

	if (named_project(c, uid, &project, err) < 0 || store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	set_view(c, uid, limits);
	return 0;
}

int compute_quota_detail(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	int64_t project, limits[QUOTA_MAX];

	if (named_project(c, uid, &project, err) < 0 || store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "quota_set");
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", uid);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!in_set(c, &keys[i]))
			continue;
		jw_key(&c->out, keys[i].name);
		jw_object(&c->out);
		jw_kv_int(&c->out, "limit", limit_of(&keys[i], limits));
		jw_kv_int(&c->out, "in_use", used(c, project, keys[i].resource));
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

	(void)err;
	default_limits(limits);
	set_view(c, api_param(c, "project_id"), limits);
	return 0;
}

struct quota_body {
	int64_t values[ARRAY_LEN(keys)];
	bool force;
};

static int read_body(struct api_call *c, struct quota_body *out, struct bind_seen *seen, struct error *err)
{
	struct bind_field fields[ARRAY_LEN(keys) + 1];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		fields[i] = (struct bind_field) { .name = keys[i].name,
			.type = BIND_INT,
			.offset = offsetof(struct quota_body, values) + i * sizeof(int64_t),
			.min = QUOTA_UNLIMITED,
			.max = INT32_MAX,
			.until = keys[i].until };
	fields[ARRAY_LEN(keys)] = (struct bind_field) { .name = "force",
		.type = BIND_BOOL,
		.offset = offsetof(struct quota_body, force),
		.flags = BIND_LOOSE };
	*out = (struct quota_body) { .force = false };
	if (api_bind(c, "quota_set", fields, ARRAY_LEN(fields), out, seen, err) < 0)
		return -1;
	if (json_object_size(c->body) != 1)
		return error_set(
			err, ERR_BAD_REQUEST, "Additional properties are not allowed beside 'quota_set'");
	return 0;
}

static int set_one(struct api_call *c, int64_t project, const struct key *k, int64_t limit, bool force,
	struct error *err)
{
	int64_t in_use = used(c, project, k->resource);

	if (k->resource == NO_RESOURCE)
		return limit == QUOTA_UNLIMITED
			       ? 0
			       : error_set(err, ERR_BAD_REQUEST, "%s cannot be limited here: it must be -1",
					 k->name);
	if (!force && limit != QUOTA_UNLIMITED && limit < in_use)
		return error_set(err, ERR_BAD_REQUEST,
			"Quota limit %" PRId64
			" for %s must be greater than or equal to already used %" PRId64 ".",
			limit, k->name, in_use);
	return store_quota_set(c->db, project, (enum quota_resource)k->resource, limit, err);
}

int compute_quota_update(struct api_call *c, struct error *err)
{
	int64_t project, limits[QUOTA_MAX];
	struct quota_body in;
	struct bind_seen seen;

	if (read_body(c, &in, &seen, err) < 0 ||
		named_project(c, api_param(c, "project_id"), &project, err) < 0)
		return -1;
	if (api_query(c, "user_id"))
		return error_set(err, ERR_BAD_REQUEST, "user_id: limits are kept by project, not by user");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if ((seen.present >> i & 1) && set_one(c, project, &keys[i], in.values[i], in.force, err) < 0)
			return -1;
	if (store_quota_limits(c->db, project, limits, err) < 0)
		return -1;
	set_view(c, NULL, limits);
	return 0;
}

int compute_quota_delete(struct api_call *c, struct error *err)
{
	int64_t project;

	if (named_project(c, api_param(c, "project_id"), &project, err) < 0)
		return -1;
	c->status = 202;
	return store_quota_reset(c->db, project, QUOTA_COMPUTE, err);
}

int compute_quota_class(struct api_call *c, struct error *err)
{
	int64_t limits[QUOTA_MAX];

	(void)err;
	default_limits(limits);
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "quota_class_set");
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", api_param(c, "class"));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (in_class_set(c, &keys[i]))
			jw_kv_int(&c->out, keys[i].name, limit_of(&keys[i], limits));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
