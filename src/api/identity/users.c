/* SPDX-License-Identifier: Apache-2.0 */
/* /users. A password in a body is hashed on the passwords lane before the tick. */
#include "api/identity/internal.h"
#include "domain/names.h"

struct user_body {
	const char *name, *description, *email, *domain_id, *default_project_id, *password;
	bool enabled;
	json_t *options;
	/* not of the body */
	const char *password_hash;
	api_handler *then;
};

enum { NAME, DESCRIPTION, EMAIL, DOMAIN_ID, DEFAULT_PROJECT, PASSWORD, ENABLED, OPTIONS };

static const struct bind_field fields[] = {
	[NAME] = BIND(user_body, name, "name", BIND_STR, 0, 1, 255),
	[DESCRIPTION] = BIND(user_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[EMAIL] = BIND(user_body, email, "email", BIND_STR, 0, 0, 255),
	[DOMAIN_ID] = BIND(user_body, domain_id, "domain_id", BIND_STR, 0, 0, 64),
	[DEFAULT_PROJECT] = BIND(user_body, default_project_id, "default_project_id", BIND_STR, 0, 0, 64),
	[PASSWORD] = BIND(user_body, password, "password", BIND_STR, 0, 1, PASSWORD_MAX),
	[ENABLED] = BIND(user_body, enabled, "enabled", BIND_BOOL, 0, 0, 0),
	[OPTIONS] = { .name = "options",
		.type = BIND_OBJ,
		.offset = offsetof(struct user_body, options),
		.flags = BIND_JSON,
		.table = &user_options_table },
};

const struct bind_table identity_user_create_body = { .top = "user",
	BIND_TABLE(user_body, fields),
	.required = 1u << NAME,
	.flags = BIND_LINKS,
	.more = &bind_item_any },
			identity_user_update_body = { .top = "user",
				BIND_TABLE(user_body, fields),
				.flags = BIND_LINKS,
				.more = &bind_item_any };

static int reply(struct api_call *c, const struct user *u)
{
	jw_object(&c->out);
	jw_key(&c->out, "user");
	view_user(c, u);
	jw_end_object(&c->out);
	return 0;
}

static int check_default_project(struct api_call *c, const char *uid, struct error *err)
{
	struct project p;

	if (!uid || store_project_get(c->db, c->arena, uid, &p, err) == 0)
		return 0;
	return err->code == ERR_NOT_FOUND
		       ? error_set(err, ERR_BAD_REQUEST, "user.default_project_id: no project %.64s", uid)
		       : -1;
}

/* Lays the body over the row. */
static int apply(struct api_call *c, const struct user_body *body, struct user *u, struct error *err)
{
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, u->extra, &u->extra, err) < 0 ||
		user_options_merge(c, u->options, body->options, &u->options, err) < 0 ||
		check_default_project(c, body->default_project_id, err) < 0)
		return -1;
	if (seen_has(seen, NAME) || !u->name) {
		if (name_check(NAME_USER, body->name, err) < 0)
			return -1;
		u->name = body->name;
	}
	if (body->description || seen_null(seen, DESCRIPTION))
		u->description = body->description;
	if (body->email || seen_null(seen, EMAIL))
		u->email = body->email;
	if (body->default_project_id || seen_null(seen, DEFAULT_PROJECT))
		u->default_project_uid = body->default_project_id;
	if (seen_has(seen, ENABLED))
		u->enabled = body->enabled;
	return body->password ? password_strength(&c->api->config.passwords, body->password, err) : 0;
}

static void hashed(struct api_call *c, enum password_outcome outcome, const char *hash)
{
	struct user_body *body = c->in;
	struct error err;

	if (password_refused(c, outcome, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	body->password_hash = hash;
	api_submit(c, body->then);
}

/* On to the tick, over the passwords lane when there is something to hash. */
static int go_on(struct api_call *c, struct user_body *body, const struct user *u, api_handler *in_tick,
	struct error *err)
{
	struct password_work work = { .fresh = body->password };

	if (!body->password) {
		api_submit(c, in_tick);
		return 0;
	}
	body->then = in_tick;
	return passwords_earlier(c, u, &work, err) < 0 ? -1 : password_submit(c, &work, hashed, err);
}

/* --- reading --- */

static int marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	struct user u;

	if (store_user_get(c->db, c->arena, uid, &u, err) < 0)
		return -1;
	*out_id = u.id;
	return 0;
}

static int list(struct api_call *c, struct user_filter *f, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct list_page page;
	struct user u;
	int rc, take;

	if (query_page(c, marker, &page, err) < 0)
		return -1;
	f->name = api_query(c, "name");
	f->domain_uid = api_query(c, "domain_id");
	f->enabled = query_flag(c, "enabled");
	f->after_id = page.after_id;
	f->limit = -1;
	if (store_user_query(c->db, f, &st, err) < 0)
		return -1;
	list_begin(c, "users");
	while ((rc = store_user_next(st, NULL, &u, err)) > 0) {
		take = list_take(c, &page, u.id, u.uid, u.name);
		if (take < 0)
			break;
		if (take)
			view_user(c, &u);
	}
	list_end(c, page.next);
	return rc < 0 ? -1 : 0;
}

int identity_user_list(struct api_call *c, struct error *err)
{
	struct user_filter f = { 0 };

	return list(c, &f, err);
}

int identity_member_list(struct api_call *c, struct error *err)
{
	struct user_filter f = { 0 };
	struct user_group g;

	if (store_group_get(c->db, c->arena, api_param(c, "group_id"), &g, err) < 0)
		return -1;
	f.group_id = g.id;
	return list(c, &f, err);
}

/* The user of the path: oneself, or any for an administrator. */
static int find(struct api_call *c, struct user *u, struct error *err)
{
	const char *uid = api_param(c, "user_id");

	if (!api_is_admin(c) && !is_self(c, uid))
		return forbidden(err);
	c->target = uid;
	return store_user_get(c->db, c->arena, uid, u, err);
}

int identity_user_show(struct api_call *c, struct error *err)
{
	struct user u;

	return find(c, &u, err) < 0 ? -1 : reply(c, &u);
}

int identity_user_projects(struct api_call *c, struct error *err)
{
	struct project_filter f = { .name = api_query(c, "name"),
		.domain_uid = api_query(c, "domain_id"),
		.enabled = -1,
		.limit = LIST_MAX };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct project p;
	struct user u;
	int rc;

	if (find(c, &u, err) < 0)
		return -1;
	f.user_id = u.id;
	if (store_project_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "projects");
	while ((rc = store_project_next(st, NULL, &p, err)) > 0)
		if (view_project(c, &p, err) < 0)
			return -1;
	list_end(c, NULL);
	return rc;
}

int identity_user_groups(struct api_call *c, struct error *err)
{
	struct user_group_filter f = { .name = api_query(c, "name"), .limit = LIST_MAX };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct user_group g;
	struct user u;
	int rc;

	if (find(c, &u, err) < 0)
		return -1;
	f.user_id = u.id;
	if (store_group_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "groups");
	while ((rc = store_group_next(st, NULL, &g, err)) > 0)
		view_group(c, &g);
	list_end(c, NULL);
	return rc;
}

/* --- writing --- */

static int create_in_tick(struct api_call *c, struct error *err)
{
	const struct user_body *body = c->in;
	struct user u = { .enabled = true, .created_us = c->now_us };
	const char *domain_uid;
	struct domain d;

	if (apply(c, body, &u, err) < 0)
		return -1;
	domain_uid = body->domain_id          ? body->domain_id
		     : c->who->domain.id      ? c->who->domain.uid
		     : c->who->user_domain.id ? c->who->user_domain.uid
					      : DOMAIN_DEFAULT_UID;
	if (store_domain_get(c->db, c->arena, domain_uid, &d, err) < 0)
		return -1;
	u.id = new_id(c);
	u.uid = new_uid(c);
	u.domain_id = d.id;
	u.domain_uid = d.uid;
	if (store_user_insert(c->db, &u, err) < 0 ||
		(body->password_hash && passwords_set(c, &u, body->password_hash, true, err) < 0) ||
		store_user_load(c->db, c->arena, u.id, &u, err) < 0)
		return -1;
	c->status = 201;
	c->target = u.uid;
	return reply(c, &u);
}

int identity_user_create(struct api_call *c, struct error *err)
{
	struct user_body *body = c->in;
	struct user u = { .enabled = true };

	return apply(c, body, &u, err) < 0 ? -1 : go_on(c, body, &u, create_in_tick, err);
}

static int check_domain(const struct user_body *body, const struct user *u, struct error *err)
{
	if (body->domain_id && !str_eq(body->domain_id, u->domain_uid))
		return error_set(err, ERR_BAD_REQUEST, "user.domain_id cannot be changed");
	return 0;
}

static int update_in_tick(struct api_call *c, struct error *err)
{
	const struct user_body *body = c->in;
	bool was, none = seen_null(&c->seen, PASSWORD);
	struct user u;

	if (find(c, &u, err) < 0)
		return -1;
	was = u.enabled;
	if (apply(c, body, &u, err) < 0 || store_user_update(c->db, &u, err) < 0)
		return -1;
	if ((body->password_hash || none) &&
		passwords_set(c, &u, body->password_hash, !is_self(c, u.uid), err) < 0)
		return -1;
	if ((body->password_hash || none || (was && !u.enabled)) &&
		store_token_delete_user(c->db, u.id, err) < 0)
		return -1;
	if (store_user_load(c->db, c->arena, u.id, &u, err) < 0)
		return -1;
	tokens_changed(c);
	return reply(c, &u);
}

int identity_user_update(struct api_call *c, struct error *err)
{
	struct user_body *body = c->in;
	struct user u;

	if (find(c, &u, err) < 0 || apply(c, body, &u, err) < 0 || check_domain(body, &u, err) < 0)
		return -1;
	return go_on(c, body, &u, update_in_tick, err);
}

int identity_user_delete(struct api_call *c, struct error *err)
{
	struct user u;

	if (find(c, &u, err) < 0 || store_user_delete(c->db, u.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}
