/* SPDX-License-Identifier: Apache-2.0 */
/* Role assignments: grants by path (/projects/{id}/users/{id}/roles/{id} and its sisters), and their list. */
#include "api/identity/internal.h"

#include <string.h>

/* --- grants: the path says who and where --- */

static int find_actor(struct api_call *c, struct assignment *a, struct error *err)
{
	const char *user = param_or_null(c, "user_id");
	struct user_group g;
	struct user u;

	if (user) {
		if (store_user_get(c->db, c->arena, user, &u, err) < 0)
			return -1;
		a->actor_kind = ACTOR_USER;
		a->actor_id = u.id;
		return 0;
	}
	if (store_group_get(c->db, c->arena, api_param(c, "group_id"), &g, err) < 0)
		return -1;
	a->actor_kind = ACTOR_GROUP;
	a->actor_id = g.id;
	return 0;
}

static int find_target(struct api_call *c, struct assignment *a, struct error *err)
{
	const char *project = param_or_null(c, "project_id"), *domain = param_or_null(c, "domain_id");
	struct project p;
	struct domain d;

	a->target_kind = project ? ASSIGNED_PROJECT : domain ? ASSIGNED_DOMAIN : ASSIGNED_SYSTEM;
	if (project) {
		if (store_project_get(c->db, c->arena, project, &p, err) < 0)
			return -1;
		a->target_id = p.id;
	} else if (domain) {
		if (store_domain_get(c->db, c->arena, domain, &d, err) < 0)
			return -1;
		a->target_id = d.id;
	}
	return 0;
}

static int find_grant(struct api_call *c, struct assignment *a, struct error *err)
{
	const char *role = param_or_null(c, "role_id");
	struct role r;

	*a = (struct assignment) { .inherited = strstr(c->route->path, "/OS-INHERIT/") != NULL };
	c->target = param_or_null(c, "user_id") ? param_or_null(c, "user_id") : param_or_null(c, "group_id");
	if (find_target(c, a, err) < 0 || find_actor(c, a, err) < 0)
		return -1;
	if (!role)
		return 0;
	if (store_role_get(c->db, c->arena, role, &r, err) < 0)
		return -1;
	a->role_id = r.id;
	return 0;
}

int identity_grant_list(struct api_call *c, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct assignment a;
	struct role r;
	int rc;

	if (find_grant(c, &a, err) < 0 || store_assignment_roles(c->db, &a, &st, err) < 0)
		return -1;
	list_begin(c, "roles");
	while ((rc = store_role_next(st, NULL, &r, err)) > 0)
		view_role(c, &r);
	list_end(c, NULL);
	return rc;
}

int identity_grant_add(struct api_call *c, struct error *err)
{
	struct assignment a;

	if (find_grant(c, &a, err) < 0 || store_assignment_add(c->db, &a, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

static int no_grant(struct api_call *c, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "Could not find role assignment with role: %.64s, for %.64s.",
		api_param(c, "role_id"), c->target);
}

int identity_grant_check(struct api_call *c, struct error *err)
{
	struct assignment a;
	int rc;

	if (find_grant(c, &a, err) < 0)
		return -1;
	rc = store_assignment_has(c->db, &a, err);
	if (rc == 0)
		return no_grant(c, err);
	return rc < 0 ? -1 : no_content(c);
}

int identity_grant_remove(struct api_call *c, struct error *err)
{
	struct assignment a;
	int rc;

	if (find_grant(c, &a, err) < 0)
		return -1;
	rc = store_assignment_remove(c->db, &a, err);
	if (rc == 0)
		return no_grant(c, err);
	if (rc < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

/* --- the list
 * ----------------------------------------------------------------------------------------------------------
 */

static void named(
	struct buf *b, const char *key, const struct assignment_name *n, bool with_name, bool in_domain)
{
	jw_key(b, key);
	jw_object(b);
	jw_kv_str(b, "id", n->uid);
	if (with_name) {
		jw_kv_str(b, "name", n->name);
		if (in_domain && n->domain_uid)
			view_named(b, "domain", n->domain_uid, n->domain_name);
	}
	jw_end_object(b);
}

static void view_scope(struct api_call *c, const struct assignment_row *row, bool with_names)
{
	struct buf *b = &c->out;

	jw_key(b, "scope");
	jw_object(b);
	if (row->of.target_kind == ASSIGNED_SYSTEM) {
		jw_key(b, "system");
		jw_object(b);
		jw_kv_bool(b, "all", true);
		jw_end_object(b);
	} else {
		bool project = row->of.target_kind == ASSIGNED_PROJECT;

		named(b, project ? "project" : "domain", &row->target, with_names, project);
	}
	if (row->of.inherited)
		jw_kv_str(b, "OS-INHERIT:inherited_to", "projects");
	jw_end_object(b);
}

/* The path of the grant that this row is, or comes from. */
static const char *grant_path(struct api_call *c, const struct assignment_row *row)
{
	static const char *const targets[] = { "projects/", "domains/", "system" };
	bool group = row->of.actor_kind == ACTOR_GROUP || row->membership_uid;

	return arena_printf(c->arena, "/identity/v3/%s%s%s/%s/%s/roles/%s%s",
		row->of.inherited ? "OS-INHERIT/" : "", targets[row->of.target_kind],
		row->of.target_kind == ASSIGNED_SYSTEM ? "" : row->target.uid, group ? "groups" : "users",
		row->membership_uid ? row->membership_uid : row->actor.uid, row->role.uid,
		row->of.inherited ? "/inherited_to_projects" : "");
}

static void view_row(struct api_call *c, const struct assignment_row *row, bool with_names)
{
	struct buf *b = &c->out;

	jw_object(b);
	named(b, "role", &row->role, with_names, true);
	named(b, row->of.actor_kind == ACTOR_USER ? "user" : "group", &row->actor, with_names, true);
	view_scope(c, row, with_names);
	jw_key(b, "links");
	jw_object(b);
	jw_kv_str(b, "assignment", api_url(c, "%s", grant_path(c, row)));
	if (row->membership_uid)
		jw_kv_str(b, "membership",
			api_url(c, "/identity/v3/groups/%s/users/%s", row->membership_uid, row->actor.uid));
	jw_end_object(b);
	jw_end_object(b);
}

int identity_assignment_list(struct api_call *c, struct error *err)
{
	struct assignment_filter f = {
		.user_uid = api_query(c, "user.id"),
		.group_uid = api_query(c, "group.id"),
		.role_uid = api_query(c, "role.id"),
		.project_uid = api_query(c, "scope.project.id"),
		.domain_uid = api_query(c, "scope.domain.id"),
		.system = api_query(c, "scope.system") != NULL,
		.inherited = api_query(c, "scope.OS-INHERIT:inherited_to") != NULL,
		.effective = query_flag(c, "effective") == 1,
		.subtree = query_flag(c, "include_subtree") == 1,
	};
	bool with_names = query_flag(c, "include_names") == 1;
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct assignment_row row;
	int rc;

	if (f.effective && f.group_uid)
		return error_set(err, ERR_BAD_REQUEST, "group.id and effective exclude each other");
	if (f.project_uid && f.domain_uid)
		return error_set(
			err, ERR_BAD_REQUEST, "scope.project.id and scope.domain.id exclude each other");
	if (store_assignment_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "role_assignments");
	while ((rc = store_assignment_next(st, NULL, &row, err)) > 0)
		view_row(c, &row, with_names);
	list_end(c, NULL);
	return rc;
}
