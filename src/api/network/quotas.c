/* SPDX-License-Identifier: Apache-2.0 */
/* The network service's share of a project's limits, under Neutron's names. */
#include "store/quotas.h"
#include "api/network/network.h"
#include "base/util.h"
#include "domain/quota.h"
#include "flow/flow.h"

static const struct {
	const char *name;
	enum quota_resource resource;
} names[] = {
	{ "network", QUOTA_NETWORKS },
	{ "subnet", QUOTA_SUBNETS },
	{ "port", QUOTA_PORTS },
	{ "router", QUOTA_ROUTERS },
	{ "floatingip", QUOTA_FLOATING_IPS },
	{ "security_group", QUOTA_SECURITY_GROUPS },
	{ "security_group_rule", QUOTA_SECURITY_GROUP_RULES },
};

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
		json_object_set_new(quota, names[i].name, json_integer(limits[names[i].resource]));
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
		json_object_set_new(quota, names[i].name,
			json_pack("{s:I, s:I, s:i}", "limit", (json_int_t)limits[names[i].resource], "used",
				(json_int_t)quota_index_get(
					flow_quota(c->api->flows), project, names[i].resource),
				"reserved", 0));
	return network_reply_one(c, "quota", quota);
}

int network_quota_default(struct api_call *c, struct error *err)
{
	json_t *quota;
	int64_t project;

	if (find_project(c, &project, err) < 0)
		return -1;
	quota = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(quota, names[i].name,
			json_integer(quota_resource_info(names[i].resource)->default_limit));
	return network_reply_one(c, "quota", quota);
}

static bool find_name(const char *name, enum quota_resource *out)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(names[i].name, name)) {
			*out = names[i].resource;
			return true;
		}
	}
	return false;
}

int network_quota_update(struct api_call *c, struct error *err)
{
	json_t *quota = bind_top(c->body, "quota", err), *value;
	enum quota_resource r;
	int64_t project, limit;
	const char *name;

	if (!quota || find_project(c, &project, err) < 0)
		return -1;
	c->target = api_param(c, "project");
	json_object_foreach(quota, name, value)
	{
		if (!find_name(name, &r))
			return error_set(err, ERR_BAD_REQUEST, "Unrecognized attribute(s) '%.64s'", name);
		limit = json_integer_value(value);
		if (!json_is_integer(value) && !(json_is_string(value) && str_int64(json_string_value(value),
										  -1, INT32_MAX, &limit)))
			return error_set(
				err, ERR_BAD_REQUEST, "quota.%s must be an integer; -1 is no limit", name);
		if (quota_limit_valid(r, limit, err) < 0 ||
			store_quota_set(c->db, project, r, limit, err) < 0)
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
