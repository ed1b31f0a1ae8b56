/* SPDX-License-Identifier: Apache-2.0 */
/* All limits of a project in one place: the OpenStack calls show each service's own, and know no GPUs. */
#include "store/quotas.h"
#include "api/operator/operator.h"
#include "api/quota_body.h"
#include "base/util.h"
#include "domain/quota.h"
#include "flow/flow.h"
#include "store/images.h"

static int find_project(struct api_call *c, int64_t *id, struct error *err)
{
	int found = store_quota_project(c->db, api_param(c, "project"), false, id, err);

	c->target = api_param(c, "project");
	return found > 0   ? 0
	       : found < 0 ? -1
			   : error_set(err, ERR_NOT_FOUND, "there is no project %.64s", c->target);
}

static int64_t in_use(struct api_call *c, int64_t project, enum quota_resource r)
{
	return quota_index_get(flow_quota(c->api->flows), project, r);
}

/* project 0: the limits of projects that have none of their own */
static int reply(struct api_call *c, int64_t project, struct error *err)
{
	static const char *const scopes[] = { "project", "user", "item" };
	int64_t limits[QUOTA_MAX], defaults[QUOTA_MAX], images = 0, image_mib = 0;
	struct buf *b = &c->out;

	if (store_quota_limits(c->db, project, limits, err) < 0 ||
		store_quota_defaults(c->db, defaults, err) < 0 ||
		store_image_use(c->db, project, &images, &image_mib, err) < 0)
		return -1;
	jw_object(b);
	jw_key(b, "quotas");
	jw_array(b);
	for (enum quota_resource r = 0; r < QUOTA_MAX; r++) {
		const struct quota_resource_info *info = quota_resource_info(r);

		jw_object(b);
		jw_kv_str(b, "resource", info->name);
		jw_kv_int(b, "limit", limits[r]);
		jw_key(b, "in_use");
		if (project && info->scope == QUOTA_PER_PROJECT)
			jw_int(b, r == QUOTA_IMAGES      ? images
				  : r == QUOTA_IMAGE_MIB ? image_mib
							 : in_use(c, project, r));
		else
			jw_null(b);
		jw_kv_str(b, "per", scopes[info->scope]);
		jw_kv_int(b, "default", defaults[r]);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_end_object(b);
	return 0;
}

int operator_quota_show(struct api_call *c, struct error *err)
{
	int64_t project;

	return find_project(c, &project, err) < 0 ? -1 : reply(c, project, err);
}

/* The resources' own names. */
static const struct quota_field fields[] = {
	{ QUOTA_LIMIT("instances", QUOTA_INSTANCES) },
	{ QUOTA_LIMIT("cores", QUOTA_CORES) },
	{ QUOTA_LIMIT("ram", QUOTA_RAM) },
	{ QUOTA_LIMIT("gpus", QUOTA_GPUS) },
	{ QUOTA_LIMIT("metadata_items", QUOTA_METADATA_ITEMS) },
	{ QUOTA_LIMIT("injected_files", QUOTA_INJECTED_FILES) },
	{ QUOTA_LIMIT("injected_file_content_bytes", QUOTA_INJECTED_FILE_CONTENT_BYTES) },
	{ QUOTA_LIMIT("injected_file_path_bytes", QUOTA_INJECTED_FILE_PATH_BYTES) },
	{ QUOTA_LIMIT("key_pairs", QUOTA_KEY_PAIRS) },
	{ QUOTA_LIMIT("server_groups", QUOTA_SERVER_GROUPS) },
	{ QUOTA_LIMIT("server_group_members", QUOTA_SERVER_GROUP_MEMBERS) },
	{ QUOTA_LIMIT("images", QUOTA_IMAGES) },
	{ QUOTA_LIMIT("image_mib", QUOTA_IMAGE_MIB) },
	{ QUOTA_LIMIT("networks", QUOTA_NETWORKS) },
	{ QUOTA_LIMIT("subnets", QUOTA_SUBNETS) },
	{ QUOTA_LIMIT("ports", QUOTA_PORTS) },
	{ QUOTA_LIMIT("routers", QUOTA_ROUTERS) },
	{ QUOTA_LIMIT("floating_ips", QUOTA_FLOATING_IPS) },
	{ QUOTA_LIMIT("security_groups", QUOTA_SECURITY_GROUPS) },
	{ QUOTA_LIMIT("security_group_rules", QUOTA_SECURITY_GROUP_RULES) },
};

_Static_assert(ARRAY_LEN(fields) == QUOTA_MAX, "every limit has a name here");

const struct bind_table operator_quota_body = { .top = "quotas", BIND_ROWS(quota_body, fields) };

int operator_quota_set(struct api_call *c, struct error *err)
{
	const struct quota_body *in = c->in;
	int64_t project;

	if (find_project(c, &project, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		enum quota_resource r = fields[i].resource;

		if ((c->seen.present >> i & 1) && store_quota_set(c->db, project, r, in->limits[r], err) < 0)
			return -1;
	}
	return reply(c, project, err);
}

int operator_quota_defaults(struct api_call *c, struct error *err)
{
	return reply(c, 0, err);
}

int operator_quota_defaults_set(struct api_call *c, struct error *err)
{
	const struct quota_body *in = c->in;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		enum quota_resource r = fields[i].resource;

		if ((c->seen.present >> i & 1) && store_quota_default_set(c->db, r, in->limits[r], err) < 0)
			return -1;
	}
	return reply(c, 0, err);
}
