/* SPDX-License-Identifier: Apache-2.0 */
/* All limits of a project in one place, those of GPUs by model and profile too, and the tree of projects with
 * what each may use and uses: the OpenStack calls show each service's own. */
#include <string.h>

#include "api/operator/operator.h"
#include "api/quota_body.h"
#include "base/util.h"
#include "domain/quota.h"
#include "flow/flow.h"
#include "store/quota_tree.h"
#include "store/quotas.h"

/* Administrators see any project, others their own. */
static int find_project(struct api_call *c, const char *uid, int64_t *id, struct error *err)
{
	int found;

	c->target = uid;
	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return error_set(err, ERR_FORBIDDEN, "only an administrator sees another project's quota");
	found = store_quota_project(c->db, uid, false, id, err);
	return found > 0   ? 0
	       : found < 0 ? -1
			   : error_set(err, ERR_NOT_FOUND, "there is no project %.64s", uid);
}

/* --- limits --- */

/* project 0: the limits of projects that have none of their own, nor above them */
static int write_resource(struct api_call *c, int64_t project, const char *name, struct error *err)
{
	static const char *const scopes[] = { "project", "user", "item" };
	const struct quota_resource_info *info = quota_resource_named(name);
	struct quota_index *q = flow_quota(c->api->flows);
	int r = quota_index_resource(q, name);
	int64_t limit, standard;
	struct buf *b = &c->out;

	if (!info)
		return 0; /* a name of another version */
	if (store_quota_limit(c->db, project, name, &limit, err) < 0 ||
		store_quota_default(c->db, name, &standard, err) < 0)
		return -1;
	jw_object(b);
	jw_kv_str(b, "resource", name);
	jw_kv_int(b, "limit", limit);
	if (project && info->scope == QUOTA_PER_PROJECT) {
		jw_kv_int(b, "in_use", quota_index_get(q, project, r));
		jw_kv_int(b, "in_use_tree", quota_index_tree(q, project, r));
	} else {
		jw_kv_str(b, "in_use", NULL);
		jw_kv_str(b, "in_use_tree", NULL);
	}
	jw_kv_str(b, "per", scopes[info->scope]);
	jw_kv_int(b, "default", standard);
	jw_end_object(b);
	return 0;
}

static bool named(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Those of the table, then GPUs that somebody limits or that it uses. */
static int write_all(struct api_call *c, int64_t project, struct error *err)
{
	const struct quota_index *q = flow_quota(c->api->flows);
	const char **limited;
	size_t n;

	if (store_quota_gpu_names(c->db, c->arena, project, &limited, &n, err) < 0)
		return -1;
	for (int r = 0; r < QUOTA_MAX; r++)
		if (write_resource(c, project, quota_index_name(q, r), err) < 0)
			return -1;
	for (size_t i = 0; i < n; i++)
		if (write_resource(c, project, limited[i], err) < 0)
			return -1;
	for (int r = QUOTA_MAX; r < quota_index_resources(q); r++)
		if (quota_index_tree(q, project, r) && !named(quota_index_name(q, r), limited, n) &&
			write_resource(c, project, quota_index_name(q, r), err) < 0)
			return -1;
	return 0;
}

static int reply(struct api_call *c, int64_t project, struct error *err)
{
	jw_object(&c->out);
	jw_key(&c->out, "quotas");
	jw_array(&c->out);
	if (write_all(c, project, err) < 0)
		return -1;
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int operator_quota_show(struct api_call *c, struct error *err)
{
	int64_t project;

	return find_project(c, api_param(c, "project"), &project, err) < 0 ? -1 : reply(c, project, err);
}

/* The resources' own names; any other is one of GPUs. */
static const struct quota_field fields[] = {
	{ QUOTA_LIMIT("instances", QUOTA_INSTANCES) },
	{ QUOTA_LIMIT("cores", QUOTA_CORES) },
	{ QUOTA_LIMIT("ram", QUOTA_RAM) },
	{ QUOTA_LIMIT("gpus", QUOTA_GPUS) },
	{ QUOTA_LIMIT("disk_gib", QUOTA_DISK_GIB) },
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
	{ QUOTA_LIMIT("addresses", QUOTA_ADDRESSES) },
	{ QUOTA_LIMIT("routers", QUOTA_ROUTERS) },
	{ QUOTA_LIMIT("floating_ips", QUOTA_FLOATING_IPS) },
	{ QUOTA_LIMIT("security_groups", QUOTA_SECURITY_GROUPS) },
	{ QUOTA_LIMIT("security_group_rules", QUOTA_SECURITY_GROUP_RULES) },
};

_Static_assert(ARRAY_LEN(fields) == QUOTA_MAX, "every limit has a name here");

static const struct bind_field gpu_field = { .type = BIND_INT, .min = QUOTA_UNLIMITED, .max = INT32_MAX };

const struct bind_table operator_quota_body = {
	.top = "quotas", BIND_ROWS(quota_body, fields), .more = &gpu_field
};

/* project 0: the cloud's defaults */
static int set_one(struct api_call *c, int64_t project, const char *name, int64_t limit, struct error *err)
{
	return project ? store_quota_set(c->db, project, name, limit, err)
		       : store_quota_default_set(c->db, name, limit, err);
}

static int check_names(struct api_call *c, struct error *err)
{
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(c->body, "quotas"), name, v)
	{
		if (!quota_resource_named(name))
			return error_set(err, ERR_BAD_REQUEST,
				"quotas.%.64s is no resource; GPUs are gpu:MODEL or gpu:MODEL/PROFILE", name);
	}
	return 0;
}

static int set_all(struct api_call *c, int64_t project, struct error *err)
{
	const struct quota_body *in = c->in;
	enum quota_resource r;
	const char *name;
	int64_t limit = 0;
	json_t *v;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		r = fields[i].resource;
		if ((c->seen.present >> i & 1) &&
			set_one(c, project, quota_resource_info(r)->name, in->limits[r], err) < 0)
			return -1;
	}
	json_object_foreach(json_object_get(c->body, "quotas"), name, v)
	{
		if (quota_resource_find(name, &r))
			continue;
		if (bind_one(v, name, &gpu_field, 0, c->arena, &limit, err) < 0 ||
			set_one(c, project, name, limit, err) < 0)
			return -1;
	}
	return reply(c, project, err);
}

int operator_quota_set(struct api_call *c, struct error *err)
{
	int64_t project;

	if (check_names(c, err) < 0 || find_project(c, api_param(c, "project"), &project, err) < 0)
		return -1;
	return set_all(c, project, err);
}

int operator_quota_reset(struct api_call *c, struct error *err)
{
	static const enum quota_service services[] = { QUOTA_COMPUTE, QUOTA_IMAGE, QUOTA_NETWORK };
	int64_t project;

	if (find_project(c, api_param(c, "project"), &project, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (store_quota_reset(c->db, project, services[i], err) < 0)
			return -1;
	c->status = 204;
	return 0;
}

int operator_quota_defaults(struct api_call *c, struct error *err)
{
	return reply(c, 0, err);
}

int operator_quota_defaults_set(struct api_call *c, struct error *err)
{
	return check_names(c, err) < 0 ? -1 : set_all(c, 0, err);
}

/* --- the tree --- */

struct tree {
	struct api_call *c;
	struct quota_index *q;
	const char *only; /* a resource; NULL: all */
	int64_t rows_left;
	/* the project whose limits are being read, and what is said of them by number */
	struct quota_tree_row at;
	struct quota_amounts limits;
};

static int write_node(struct tree *t, int r, struct error *err)
{
	const char *name = quota_index_name(t->q, r);
	bool own = false;
	int64_t limit = QUOTA_UNLIMITED;
	struct buf *b = &t->c->out;

	for (size_t i = 0; i < t->limits.n; i++)
		if (t->limits.at[i].resource == r) {
			own = true;
			limit = t->limits.at[i].n;
		}
	if (quota_resource_named(name)->scope != QUOTA_PER_PROJECT ||
		(t->only && strcmp(t->only, name) != 0) ||
		(!own && !t->only && !quota_index_tree(t->q, t->at.id, r)) || t->rows_left <= 0)
		return 0;
	t->rows_left--;
	if (!own && !t->at.parent_id && store_quota_default(t->c->db, name, &limit, err) < 0)
		return -1;
	jw_object(b);
	jw_kv_str(b, "project_id", t->at.uid);
	jw_kv_str(b, "project", t->at.name);
	jw_kv_str(b, "tree", arena_printf(t->c->arena, "%*s%s", (int)(2 * t->at.depth), "", t->at.name));
	jw_kv_int(b, "depth", t->at.depth);
	jw_kv_str(b, "resource", name);
	jw_key(b, "limit"); /* null: what is above it holds */
	if (own || !t->at.parent_id)
		jw_int(b, limit);
	else
		jw_null(b);
	jw_kv_int(b, "in_use", quota_index_get(t->q, t->at.id, r));
	jw_kv_int(b, "in_use_tree", quota_index_tree(t->q, t->at.id, r));
	jw_end_object(b);
	return 0;
}

static int write_project(struct tree *t, struct error *err)
{
	for (int r = 0; t->at.id && r < quota_index_resources(t->q); r++)
		if (write_node(t, r, err) < 0)
			return -1;
	t->limits.n = 0;
	return 0;
}

static int write_tree(struct tree *t, int64_t project, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct quota_tree_row row;
	int rc;

	if (store_quota_tree(t->c->db, project, &st, err) < 0)
		return -1;
	while ((rc = store_quota_tree_next(st, &row, err)) > 0) {
		int r = row.resource ? quota_index_resource(t->q, row.resource) : -1;

		if (row.id != t->at.id) {
			if (write_project(t, err) < 0)
				return -1;
			t->at = row;
			t->at.uid = arena_strdup(t->c->arena, row.uid);
			t->at.name = arena_strdup(t->c->arena, row.name);
		}
		if (r >= 0)
			quota_amounts_add(&t->limits, r, row.limit);
	}
	return rc < 0 ? -1 : write_project(t, err);
}

int operator_quota_tree(struct api_call *c, struct error *err)
{
	const char *uid = api_query(c, "project");
	struct tree t = { .c = c,
		.q = flow_quota(c->api->flows),
		.only = api_query(c, "resource"),
		.rows_left = c->api->config.list_max };
	int64_t project = 0;
	int rc;

	if (t.only && !quota_resource_named(t.only))
		return error_set(err, ERR_BAD_REQUEST, "%.64s is no resource", t.only);
	if (t.only)
		(void)quota_index_resource(t.q, t.only);
	if (uid && find_project(c, uid, &project, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "tree");
	jw_array(&c->out);
	rc = write_tree(&t, project, err);
	quota_amounts_finish(&t.limits);
	if (rc < 0)
		return -1;
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}
