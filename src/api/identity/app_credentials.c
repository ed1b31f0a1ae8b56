/* SPDX-License-Identifier: Apache-2.0 */
/* /users/{id}/application_credentials: a secret of a user's own making that stands for them in one project.
 */
#include "api/identity/internal.h"

#include <string.h>

#include "domain/names.h"

enum {
	SECRET_BYTES = 64,    /* of one that we make */
	SECRET_MIN = 12,      /* characters of a chosen one: it is kept as a plain SHA-256 */
	CREDENTIALS_MAX = 200 /* a user */
};

struct credential_body {
	const char *name, *description, *secret, *expires_at, *project_id;
	bool unrestricted;
	json_t *roles;
	struct bind_list access_rules;
};

static const struct bind_field role_fields[] = {
	{ .name = "id", .type = BIND_STR, .min = 1, .max = 64 },
	{ .name = "name", .type = BIND_STR, .min = 1, .max = 255 },
};

static const struct bind_table role_table = { .fields = role_fields, .n = ARRAY_LEN(role_fields) };
static const struct bind_field role_item = { .type = BIND_OBJ, .min = 1, .table = &role_table };

static const struct bind_field fields[] = {
	BIND(credential_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(credential_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	BIND(credential_body, secret, "secret", BIND_STR, 0, SECRET_MIN, 255),
	BIND(credential_body, expires_at, "expires_at", BIND_STR, 0, 0, 64),
	BIND(credential_body, project_id, "project_id", BIND_STR, 0, 0, 64),
	BIND(credential_body, unrestricted, "unrestricted", BIND_BOOL, 0, 0, 0),
	{ .name = "roles",
		.type = BIND_ARR,
		.offset = offsetof(struct credential_body, roles),
		.flags = BIND_JSON,
		.max = 64,
		.items = &role_item },
	{ .name = "access_rules",
		.type = BIND_ARR,
		.offset = offsetof(struct credential_body, access_rules),
		.max = 64,
		.items = &access_rule_item },
};

const struct bind_table identity_credential_body = { .top = "application_credential",
	BIND_TABLE(credential_body, fields) };

/* --- views --- */

static int view_roles(struct api_call *c, int64_t id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct role r;
	int rc;

	if (store_app_credential_roles(c->db, id, &st, err) < 0)
		return -1;
	jw_key(&c->out, "roles");
	jw_array(&c->out);
	while ((rc = store_role_next(st, NULL, &r, err)) > 0) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "id", r.uid);
		jw_kv_str(&c->out, "name", r.name);
		jw_kv_str(&c->out, "domain_id", r.domain_uid);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	return rc;
}

/* secret: only in the answer to its creation */
static int view(struct api_call *c, const char *user_uid, const struct app_credential *ac, const char *secret,
	struct error *err)
{
	struct buf *b = &c->out;
	char when[TIME_TEXT];

	jw_object(b);
	jw_kv_str(b, "id", ac->uid);
	jw_kv_str(b, "name", ac->name);
	jw_kv_str(b, "description", ac->description);
	jw_kv_str(b, "project_id", ac->project_uid);
	jw_kv_str(b, "user_id", user_uid);
	if (view_roles(c, ac->id, err) < 0)
		return -1;
	jw_kv_str(b, "expires_at", ac->expires_us ? time_iso_us(ac->expires_us, when) : NULL);
	jw_kv_bool(b, "unrestricted", ac->unrestricted);
	jw_kv_null(b, "system");
	if (access_rules_view(c, ac->id, err) < 0)
		return -1;
	if (secret)
		jw_kv_str(b, "secret", secret);
	view_links(c, "users/%s/application_credentials/%s", user_uid, ac->uid);
	jw_end_object(b);
	return 0;
}

static int reply(struct api_call *c, const char *user_uid, const struct app_credential *ac,
	const char *secret, struct error *err)
{
	jw_object(&c->out);
	jw_key(&c->out, "application_credential");
	if (view(c, user_uid, ac, secret, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

/* --- reading --- */

static int find_user(struct api_call *c, struct user *u, struct error *err)
{
	const char *uid = api_param(c, "user_id");

	if (!api_is_admin(c) && !is_self(c, uid))
		return forbidden(err);
	return store_user_get(c->db, c->arena, uid, u, err);
}

int identity_credential_list(struct api_call *c, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct app_credential ac;
	struct user u;
	int rc;

	if (find_user(c, &u, err) < 0 ||
		store_app_credential_query(c->db, u.id, api_query(c, "name"), &st, err) < 0)
		return -1;
	list_begin(c, "application_credentials");
	while ((rc = store_app_credential_next(st, NULL, &ac, err)) > 0)
		if (view(c, u.uid, &ac, NULL, err) < 0)
			return -1;
	list_end(c, NULL);
	return rc;
}

static int find(struct api_call *c, struct user *u, struct app_credential *ac, struct error *err)
{
	const char *uid = api_param(c, "credential_id");

	c->target = uid;
	if (find_user(c, u, err) < 0 || store_app_credential_get(c->db, c->arena, uid, ac, err) < 0)
		return -1;
	if (ac->user_id != u->id)
		return error_set(err, ERR_NOT_FOUND, "Could not find Application Credential: %.64s.", uid);
	return 0;
}

int identity_credential_show(struct api_call *c, struct error *err)
{
	struct app_credential ac;
	struct user u;

	return find(c, &u, &ac, err) < 0 ? -1 : reply(c, u.uid, &ac, NULL, err);
}

/* --- writing --- */

/* One made with an application credential could outlive it. */
static int check_unrestricted(const struct api_call *c, struct error *err)
{
	if (c->who->credential_id && !c->who->credential_unrestricted)
		return error_set(err, ERR_FORBIDDEN,
			"A restricted application credential cannot manage application credentials.");
	return 0;
}

/* The caller's role that an entry {"id"} or {"name"} asks for. */
static const struct principal_name *asked_role(const struct principal *who, const json_t *entry)
{
	const char *id = json_string_value(json_object_get(entry, "id"));
	const char *name = json_string_value(json_object_get(entry, "name"));

	for (size_t i = 0; i < who->roles_n; i++)
		if (id ? str_eq(who->roles[i].uid, id) : name && strcasecmp(who->roles[i].name, name) == 0)
			return &who->roles[i];
	return NULL;
}

static int add_roles(struct api_call *c, int64_t id, const json_t *asked, struct error *err)
{
	const struct principal *who = c->who;
	json_t *entry;
	size_t i;

	for (i = 0; !json_array_size(asked) && i < who->roles_n; i++)
		if (store_app_credential_role_add(c->db, id, who->roles[i].id, err) < 0)
			return -1;
	json_array_foreach((json_t *)asked, i, entry)
	{
		const struct principal_name *role = asked_role(who, entry);

		if (!role)
			return error_set(err, ERR_BAD_REQUEST,
				"application_credential.roles: entry %zu is no role that your token has; "
				"each is "
				"{\"id\"} or {\"name\"}",
				i);
		if (store_app_credential_role_add(c->db, id, role->id, err) < 0)
			return -1;
	}
	return 0;
}

static int read_expiry(struct api_call *c, const char *text, int64_t *out, struct error *err)
{
	int64_t days = c->api->config.credential_max_days;

	if (!text)
		return days ? error_set(err, ERR_BAD_REQUEST,
				      "application_credential.expires_at is required: here they live at most "
				      "%lld "
				      "days",
				      (long long)days)
			    : 0;
	if (time_parse(text, out) < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"application_credential.expires_at must be a time as 2030-01-31T12:00:00");
	if (*out <= c->now_us)
		return error_set(
			err, ERR_BAD_REQUEST, "application_credential.expires_at must be in the future");
	if (days && *out > c->now_us + days * INT64_C(86400000000))
		return error_set(err, ERR_BAD_REQUEST,
			"application_credential.expires_at must be within %lld days", (long long)days);
	return 0;
}

static int read_body(
	struct api_call *c, const struct credential_body *body, struct app_credential *ac, struct error *err)
{
	if (name_check(NAME_APP_CREDENTIAL, body->name, err) < 0 ||
		read_expiry(c, body->expires_at, &ac->expires_us, err) < 0)
		return -1;
	if (body->project_id && !str_eq(body->project_id, c->who->project.uid))
		return error_set(err, ERR_BAD_REQUEST,
			"application_credential.project_id must be the token's project");
	ac->name = body->name;
	ac->description = body->description;
	ac->unrestricted = body->unrestricted;
	return 0;
}

static int check_count(struct api_call *c, struct error *err)
{
	int64_t n = 0;

	if (store_app_credential_count(c->db, c->who->user.id, &n, err) < 0)
		return -1;
	if (n >= CREDENTIALS_MAX)
		return error_set(
			err, ERR_FORBIDDEN, "A user can have %d application credentials.", CREDENTIALS_MAX);
	return 0;
}

int identity_credential_create(struct api_call *c, struct error *err)
{
	struct credential_body *body = c->in;
	struct app_credential ac = { 0 };

	if (!is_self(c, api_param(c, "user_id")))
		return forbidden(err); /* not even an administrator */
	if (!c->who->project.id)
		return error_set(
			err, ERR_FORBIDDEN, "An application credential needs a token with a project.");
	if (check_unrestricted(c, err) < 0 || read_body(c, body, &ac, err) < 0 || check_count(c, err) < 0)
		return -1;
	if (!body->secret) {
		CLEANUP(free_ptr) char *made = random_base64url(c->api->loop->rng, SECRET_BYTES);

		body->secret = arena_strdup(c->arena, made);
	}
	sha256(body->secret, strlen(body->secret), ac.secret_hash);
	ac.id = new_id(c);
	ac.uid = new_uid(c);
	ac.user_id = c->who->user.id;
	ac.project_id = c->who->project.id;
	ac.project_uid = c->who->project.uid;
	ac.created_us = c->now_us;
	if (store_app_credential_insert(c->db, &ac, err) < 0 || add_roles(c, ac.id, body->roles, err) < 0 ||
		access_rules_give(c, ac.id, &body->access_rules, err) < 0)
		return -1;
	c->status = 201;
	c->target = ac.uid;
	return reply(c, c->who->user.uid, &ac, body->secret, err);
}

int identity_credential_delete(struct api_call *c, struct error *err)
{
	struct app_credential ac;
	struct user u;

	if (check_unrestricted(c, err) < 0 || find(c, &u, &ac, err) < 0 ||
		store_app_credential_delete(c->db, ac.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}
