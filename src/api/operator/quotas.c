/* SPDX-License-Identifier: Apache-2.0 */
/* All limits of a project in one place: the OpenStack calls show each service's own, and know no GPUs. */
#include "store/quotas.h"
#include "api/operator/operator.h"
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

static int reply(struct api_call *c, int64_t project, struct error *err)
{
	static const char *const scopes[] = { "project", "user", "item" };
	int64_t limits[QUOTA_MAX], images = 0, image_mib = 0;
	struct buf *b = &c->out;

	if (store_quota_limits(c->db, project, limits, err) < 0 ||
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
		if (info->scope == QUOTA_PER_PROJECT)
			jw_int(b, r == QUOTA_IMAGES      ? images
				  : r == QUOTA_IMAGE_MIB ? image_mib
							 : in_use(c, project, r));
		else
			jw_null(b);
		jw_kv_str(b, "per", scopes[info->scope]);
		jw_kv_int(b, "default", info->default_limit);
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

int operator_quota_set(struct api_call *c, struct error *err)
{
	json_t *quotas = bind_top(c->body, "quotas", err), *value;
	enum quota_resource r;
	const char *name;
	int64_t project;

	if (!quotas || find_project(c, &project, err) < 0)
		return -1;
	json_object_foreach(quotas, name, value)
	{
		if (!quota_resource_find(name, &r))
			return error_set(
				err, ERR_BAD_REQUEST, "quotas.%.64s: there is no such resource", name);
		if (!json_is_integer(value))
			return error_set(
				err, ERR_BAD_REQUEST, "quotas.%s must be an integer; -1 is no limit", name);
		if (quota_limit_valid(r, json_integer_value(value), err) < 0 ||
			store_quota_set(c->db, project, r, json_integer_value(value), err) < 0)
			return -1;
	}
	return reply(c, project, err);
}
