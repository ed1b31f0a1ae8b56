/* SPDX-License-Identifier: Apache-2.0 */
/* Server groups: which servers are to be together, or apart. */
#include "store/server_groups.h"

#include <string.h>

#include "api/compute/compute.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/names.h"
#include "store/quotas.h"

static const char rule_name[] = "max_server_per_host";

/* --- views */

static int members_view(struct api_call *c, const struct server_group *g, struct error *err)
{
	const char **members;
	size_t n;

	if (store_server_group_members(c->db, c->arena, g->id, &members, &n, err) < 0)
		return -1;
	jw_key(&c->out, "members");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_str(&c->out, members[i]);
	jw_end_array(&c->out);
	return 0;
}

/* A list of policies and empty metadata; from 2.64 one policy with its rules. */
static void policy_view(struct api_call *c, const struct server_group *g)
{
	struct buf *b = &c->out;

	if (!since(c, 64)) {
		jw_key(b, "policies");
		jw_array(b);
		jw_str(b, g->policy);
		jw_end_array(b);
		jw_key(b, "metadata");
		jw_object(b);
		jw_end_object(b);
		return;
	}
	jw_kv_str(b, "policy", g->policy);
	jw_key(b, "rules");
	jw_object(b);
	if (g->max_per_host)
		jw_kv_int(b, rule_name, g->max_per_host);
	jw_end_object(b);
}

static int view(struct api_call *c, const struct server_group *g, struct error *err)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", g->uid);
	jw_kv_str(b, "name", g->name);
	policy_view(c, g);
	if (members_view(c, g, err) < 0)
		return -1;
	if (since(c, 13)) {
		jw_kv_str(b, "project_id", g->project_uid);
		jw_kv_str(b, "user_id", g->user_uid);
	}
	jw_end_object(b);
	return 0;
}

static int reply(struct api_call *c, const struct server_group *g, struct error *err)
{
	c->status = 200;
	c->target = g->uid;
	jw_object(&c->out);
	jw_key(&c->out, "server_group");
	if (view(c, g, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

/* --- list */

static int read_number(
	struct api_call *c, const char *name, int64_t fallback, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	*out = fallback;
	if (text && !str_int64(text, 0, INT64_MAX, out))
		return error_set(
			err, ERR_BAD_REQUEST, "%s must be an integer of 0 or more, not '%.32s'", name, text);
	return 0;
}

int compute_server_group_list(struct api_call *c, struct error *err)
{
	static const char *const known[] = { "all_projects", "limit", "offset", NULL };
	bool all = api_is_admin(c) && api_query_bool(c, "all_projects", api_query(c, "all_projects") != NULL);
	int64_t max = c->api->config.list_max, limit, offset;
	struct server_group *list;
	size_t n;

	if (compute_only_query(c, 75, known, err) < 0 || read_number(c, "limit", max, &limit, err) < 0 ||
		read_number(c, "offset", 0, &offset, err) < 0)
		return -1;
	limit = limit && limit < max ? limit : max;
	if (!all && !c->who->project.id)
		limit = 0; /* no project, no groups */
	if (store_server_group_list(
		    c->db, c->arena, all ? 0 : c->who->project.id, offset, limit, &list, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "server_groups");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		if (view(c, &list[i], err) < 0)
			return -1;
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- one */

static int find(struct api_call *c, struct server_group *out, struct error *err)
{
	c->target = api_param(c, "group_id");
	return store_server_group_get(c->db, c->arena, compute_scope(c), c->target, out, err);
}

int compute_server_group_show(struct api_call *c, struct error *err)
{
	struct server_group g;

	return find(c, &g, err) < 0 ? -1 : reply(c, &g, err);
}

int compute_server_group_delete(struct api_call *c, struct error *err)
{
	struct server_group g;

	if (find(c, &g, err) < 0 || store_server_group_delete(c->db, g.id, err) < 0)
		return -1;
	quota_index_add(flow_quota(c->api->flows), g.project_id, QUOTA_SERVER_GROUPS, -1);
	c->status = 204;
	return 0;
}

/* --- create */

struct rules_body {
	int64_t max_per_host;
};

struct group_body {
	const char *name, *policy;
	struct bind_list policies;
	const struct rules_body *rules;
};

static const char *const hard_policies[] = { "affinity", "anti-affinity", NULL };
static const char *const all_policies[] = { "affinity", "anti-affinity", "soft-affinity",
	"soft-anti-affinity", NULL };

static const struct bind_field hard_policy = { .type = BIND_STR, .words = hard_policies },
			       any_policy = { .type = BIND_STR, .words = all_policies };

static const struct bind_field rules_fields[] = {
	BIND(rules_body, max_per_host, "max_server_per_host", BIND_INT, 0, 1, INT32_MAX),
};
static const struct bind_table rules_table = { BIND_TABLE(rules_body, rules_fields) };

static const struct bind_field group_fields[] = {
	BIND(group_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	{ .name = "policies",
		.type = BIND_ARR,
		.offset = offsetof(struct group_body, policies),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 1,
		.until = 14,
		.items = &hard_policy },
	{ .name = "policies",
		.type = BIND_ARR,
		.offset = offsetof(struct group_body, policies),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 1,
		.since = 15,
		.until = 63,
		.items = &any_policy },
	{ .name = "policy",
		.type = BIND_STR,
		.offset = offsetof(struct group_body, policy),
		.flags = BIND_REQUIRED,
		.since = 64,
		.words = all_policies },
	{ .name = "rules",
		.type = BIND_OBJ,
		.offset = offsetof(struct group_body, rules),
		.since = 64,
		.table = &rules_table },
};
const struct bind_table compute_server_group_body = { .top = "server_group",
	BIND_TABLE(group_body, group_fields) };

static int admit(struct api_call *c, struct error *err)
{
	struct quota_amount one = { QUOTA_SERVER_GROUPS, 1 };
	int64_t project = c->who->project.id;

	if (!project)
		return error_set(err, ERR_FORBIDDEN,
			"A server group belongs to a project: the token must be scoped to one.");
	return store_quota_admit(
		c->db, flow_quota(c->api->flows), project, &(struct quota_amounts) { &one, 1, 1 }, err);
}

int compute_server_group_create(struct api_call *c, struct error *err)
{
	const struct group_body *in = c->in;
	char uid[UUID_TEXT];
	struct server_group g = { .project_id = c->who->project.id,
		.project_uid = c->who->project.uid,
		.user_uid = c->who->user.uid ? c->who->user.uid : "",
		.name = in->name,
		.policy = in->policy ? in->policy : *(const char *const *)in->policies.items,
		.max_per_host = in->rules ? in->rules->max_per_host : 0,
		.created_us = c->now_us };

	if (name_check(NAME_SERVER_GROUP, in->name, err) < 0)
		return -1;
	if (g.max_per_host && strcmp(g.policy, "anti-affinity") != 0)
		return error_set(err, ERR_BAD_REQUEST, "Only anti-affinity policy supports rules.");
	if (admit(c, err) < 0)
		return -1;
	uuid_make(c->api->loop->rng, uid);
	g.id = store_next_id(c->api->store);
	g.uid = arena_strdup(c->arena, uid);
	if (store_server_group_insert(c->db, &g, err) < 0)
		return -1;
	quota_index_add(flow_quota(c->api->flows), g.project_id, QUOTA_SERVER_GROUPS, 1);
	return reply(c, &g, err);
}
