/* SPDX-License-Identifier: Apache-2.0 */
/* The network service's share of a project's limits, under Neutron's names. */
#include "store/quotas.h"
#include "api/network/network.h"
#include "api/quota_body.h"
#include "base/util.h"
#include "domain/quota.h"
#include "flow/flow.h"
#include "store/quota_tree.h"

static const struct quota_field names[] = {
	{ QUOTA_LIMIT("network", QUOTA_NETWORKS) },
	{ QUOTA_LIMIT("subnet", QUOTA_SUBNETS) },
	{ QUOTA_LIMIT("port", QUOTA_PORTS) },
	{ QUOTA_LIMIT("router", QUOTA_ROUTERS) },
	{ QUOTA_LIMIT("floatingip", QUOTA_FLOATING_IPS) },
	{ QUOTA_LIMIT("security_group", QUOTA_SECURITY_GROUPS) },
	{ QUOTA_LIMIT("security_group_rule", QUOTA_SECURITY_GROUP_RULES) },
};

const struct bind_table network_quota_body = { .top = "quota", BIND_ROWS(quota_body, names) };

/* Administrators see every project's, others their own. */
static int find_project(struct api_call *c, int64_t *id, struct error *err)
{
	const char *uid = api_param(c, "project");
	int found;

	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return error_set(err, ERR_FORBIDDEN, "only an administrator sees another project's quota");
	found = store_quota_project(c->db, uid, false, id, err);
	return found > 0   ? 0
	       : found < 0 ? -1
			   : error_set(err, ERR_NOT_FOUND, "there is no project %.64s", uid);
}

static int limits_of(struct api_call *c, int64_t limits[QUOTA_MAX], int64_t *project, struct error *err)
{
	return find_project(c, project, err) < 0 ? -1 : store_quota_limits(c->db, *project, limits, err);
}

int network_quota_show(struct api_call *c, struct error *err)
{
	int64_t limits[QUOTA_MAX], project;
	json_t *quota;

	if (limits_of(c, limits, &project, err) < 0)
		return -1;
	quota = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(quota, names[i].field.name, json_integer(limits[names[i].resource]));
	return network_reply_one(c, "quota", quota);
}

int network_quota_details(struct api_call *c, struct error *err)
{
	int64_t limits[QUOTA_MAX], project;
	json_t *quota;

	if (limits_of(c, limits, &project, err) < 0)
		return -1;
	quota = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(quota, names[i].field.name,
			json_pack("{s:I, s:I, s:i}", "limit", (json_int_t)limits[names[i].resource], "used",
				(json_int_t)quota_index_get(
					flow_quota(c->api->flows), project, names[i].resource),
				"reserved", 0));
	return network_reply_one(c, "quota", quota);
}

int network_quota_default(struct api_call *c, struct error *err)
{
	int64_t project, limits[QUOTA_MAX];
	json_t *quota;

	if (find_project(c, &project, err) < 0 || store_quota_defaults(c->db, limits, err) < 0)
		return -1;
	quota = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(quota, names[i].field.name, json_integer(limits[names[i].resource]));
	return network_reply_one(c, "quota", quota);
}

int network_quota_update(struct api_call *c, struct error *err)
{
	const struct quota_body *in = c->in;
	int64_t project;

	if (find_project(c, &project, err) < 0)
		return -1;
	c->target = api_param(c, "project");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		enum quota_resource r = names[i].resource;

		if ((c->seen.present >> i & 1) &&
			store_quota_set(c->db, project, quota_resource_info(r)->name, in->limits[r], err) < 0)
			return -1;
	}
	return network_quota_show(c, err);
}

int network_quota_reset(struct api_call *c, struct error *err)
{
	int64_t project;

	if (find_project(c, &project, err) < 0)
		return -1;
	c->target = api_param(c, "project");
	c->status = 204;
	return store_quota_reset(c->db, project, QUOTA_NETWORK, err);
}
