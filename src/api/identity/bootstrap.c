/* SPDX-License-Identifier: Apache-2.0 */
/* The first administrator: made once, by root on the controller, when there is nobody yet who could log in.
 */
#include "api/identity/internal.h"
#include "domain/names.h"

struct first {
	const char *username, *password, *project, *hash;
};

static const struct bind_field fields[] = {
	BIND(first, username, "username", BIND_STR, 0, 1, 255),
	BIND(first, password, "password", BIND_STR, BIND_REQUIRED, 1, PASSWORD_MAX),
	BIND(first, project, "project", BIND_STR, 0, 1, 64),
};

const struct bind_table identity_bootstrap_body = { .top = "bootstrap", BIND_TABLE(first, fields) };

static int check_new(struct api_call *c, struct error *err)
{
	struct assignment_filter f = { .role_uid = NULL };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct assignment_row row;
	int rc;

	if (store_assignment_query(c->db, &f, &st, err) < 0)
		return -1;
	while ((rc = store_assignment_next(st, NULL, &row, err)) > 0)
		if (row.of.role_id == ROLE_ID_ADMIN)
			return error_set(err, ERR_CONFLICT,
				"This cloud has an administrator already: %.64s. To set a forgotten "
				"password, send PATCH "
				"/identity/v3/users/%.32s with {\"user\": {\"password\": ...}} to cloudd's "
				"socket as root.",
				row.actor.name ? row.actor.name : "a user",
				row.actor.uid ? row.actor.uid : "{id}");
	return rc;
}

/* The row of that name, or a new one. */
static int make_project(struct api_call *c, const char *name, struct project *p, struct error *err)
{
	if (store_project_by_name(c->db, c->arena, 1, name, p, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	*p = (struct project) { .id = new_id(c),
		.uid = new_uid(c),
		.domain_id = 1,
		.name = name,
		.description = "",
		.enabled = true,
		.extra = "{}",
		.created_us = c->now_us };
	return store_project_insert(c->db, p, err);
}

static int make_user(
	struct api_call *c, const struct first *f, const char *project_uid, struct user *u, struct error *err)
{
	*u = (struct user) { .id = new_id(c),
		.uid = new_uid(c),
		.domain_id = 1,
		.name = f->username,
		.enabled = true,
		.default_project_uid = project_uid,
		.password_hash = f->hash,
		.extra = "{}",
		.created_us = c->now_us };
	return store_user_insert(c->db, u, err);
}

static int make_in_tick(struct api_call *c, struct error *err)
{
	const struct first *f = c->in;
	struct assignment a = { .actor_kind = ACTOR_USER, .role_id = ROLE_ID_ADMIN };
	struct project p;
	struct user u;

	if (check_new(c, err) < 0 || make_project(c, f->project, &p, err) < 0 ||
		make_user(c, f, p.uid, &u, err) < 0)
		return -1;
	a.actor_id = u.id;
	a.target_kind = ASSIGNED_SYSTEM;
	if (store_assignment_add(c->db, &a, err) < 0)
		return -1;
	a.target_kind = ASSIGNED_PROJECT;
	a.target_id = p.id;
	if (store_assignment_add(c->db, &a, err) < 0)
		return -1;
	tokens_changed(c);
	c->status = 201;
	c->target = u.uid;
	jw_object(&c->out);
	jw_key(&c->out, "bootstrap");
	jw_object(&c->out);
	view_named(&c->out, "user", u.uid, u.name);
	view_named(&c->out, "project", p.uid, p.name);
	jw_kv_str(&c->out, "region", c->api->config.region);
	jw_kv_str(&c->out, "auth_url", api_url(c, "/identity/v3"));
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static void hashed(struct api_call *c, enum password_outcome outcome, const char *hash)
{
	struct first *f = c->in;
	struct error err;

	if (password_refused(c, outcome, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	f->hash = hash;
	api_submit(c, make_in_tick);
}

int identity_bootstrap(struct api_call *c, struct error *err)
{
	struct first *f = c->in;

	if (!c->who || !c->who->is_local_root)
		return error_set(err, ERR_FORBIDDEN,
			"Only root on the controller's own socket can make the first administrator.");
	f->username = f->username ? f->username : "admin";
	f->project = f->project ? f->project : "admin";
	if (name_check(NAME_USER, f->username, err) < 0 || name_check(NAME_PROJECT, f->project, err) < 0 ||
		password_strength(&c->api->config.passwords, f->password, err) < 0 || check_new(c, err) < 0)
		return -1;
	return password_submit(c, &(struct password_work) { .fresh = f->password }, hashed, err);
}
