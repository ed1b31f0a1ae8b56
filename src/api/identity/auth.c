/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the body of POST /auth/tokens. What is malformed is 400; what is wrong is found out later and is 401.
 */
#include "api/identity/auth.h"

#include <string.h>

enum { ID_MAX = 64, NAME_MAX_CHARS = 255, TOKEN_MAX = 512 };

/* --- what a body may have; what it has to have depends on its methods, and is read below */

/* clang-format off */
#define TEXT(name_, max_) { .name = (name_), .type = BIND_STR, .max = (max_) }
#define INSIDE(name_, table_) { .name = (name_), .type = BIND_OBJ, .table = &(table_) }
#define TABLE(fields_) { .fields = (fields_), .n = ARRAY_LEN(fields_) }

static const struct bind_field domain_fields[] = { TEXT("id", ID_MAX), TEXT("name", NAME_MAX_CHARS) };
static const struct bind_table domain_table = TABLE(domain_fields);

static const struct bind_field named_fields[] = {
	TEXT("id", ID_MAX),
	TEXT("name", NAME_MAX_CHARS),
	INSIDE("domain", domain_table),
};
static const struct bind_table named_table = TABLE(named_fields);

static const struct bind_field user_fields[] = {
	TEXT("id", ID_MAX),
	TEXT("name", NAME_MAX_CHARS),
	TEXT("password", PASSWORD_MAX),
	INSIDE("domain", domain_table),
};
static const struct bind_table user_table = TABLE(user_fields);

static const struct bind_field password_fields[] = { INSIDE("user", user_table) };
static const struct bind_field token_fields[] = { TEXT("id", TOKEN_MAX) };
static const struct bind_field credential_fields[] = {
	TEXT("id", ID_MAX),
	TEXT("name", NAME_MAX_CHARS),
	TEXT("secret", PASSWORD_MAX),
	INSIDE("user", named_table),
};
static const struct bind_table password_table = TABLE(password_fields), token_table = TABLE(token_fields),
			       credential_table = TABLE(credential_fields);

static const struct bind_field method_item = { .type = BIND_STR, .min = 1, .max = ID_MAX };
static const struct bind_field identity_fields[] = {
	{ .name = "methods", .type = BIND_ARR, .flags = BIND_REQUIRED, .min = 1, .max = 3, .items = &method_item },
	INSIDE("password", password_table),
	INSIDE("token", token_table),
	INSIDE("application_credential", credential_table),
};
/* Methods that are not offered are no mistake of form: they are 401. */
static const struct bind_table identity_table = { .fields = identity_fields,
	.n = ARRAY_LEN(identity_fields),
	.more = &bind_item_any };

static const struct bind_field system_fields[] = { { .name = "all", .type = BIND_BOOL } };
static const struct bind_table system_table = TABLE(system_fields);
static const struct bind_field scope_fields[] = {
	INSIDE("project", named_table),
	INSIDE("domain", domain_table),
	INSIDE("system", system_table),
	{ .name = "unscoped", .type = BIND_ANY },
};
static const struct bind_table scope_table = TABLE(scope_fields);
static const char *const scope_words[] = { "unscoped", NULL };

static const struct bind_field auth_fields[] = {
	{ .name = "identity", .type = BIND_OBJ, .flags = BIND_REQUIRED, .table = &identity_table },
	{ .name = "scope", .type = BIND_OBJ, .max = 1, .table = &scope_table },
	{ .name = "scope", .type = BIND_STR, .words = scope_words },
};

const struct bind_table identity_token_body = { .top = "auth",
	.fields = auth_fields,
	.n = ARRAY_LEN(auth_fields) };

#undef TEXT
#undef INSIDE
#undef TABLE
/* clang-format on */

/* --- reading */

/* A string member, or NULL when it is absent; -1 when it is something else. */
static int text_at(struct api_call *c, const json_t *obj, const char *where, const char *key, size_t max,
	const char **out, struct error *err)
{
	const json_t *v = json_object_get(obj, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v) ||
		utf8_length(json_string_value(v)) > max)
		return error_set(err, ERR_BAD_REQUEST, "%s.%s must be a string of at most %zu characters",
			where, key, max);
	*out = arena_strdup(c->arena, json_string_value(v));
	return 0;
}

static const json_t *object_at(const json_t *obj, const char *where, const char *key, struct error *err)
{
	const json_t *v = json_object_get(obj, key);

	if (!json_is_object(v)) {
		error_set(err, ERR_BAD_REQUEST, "%s.%s must be an object", where, key);
		return NULL;
	}
	return v;
}

/* {"id": …} or {"name": …, "domain": {"id"|"name": …}}; in_domain: whether a name needs its domain. */
static int ref_at(struct api_call *c, const json_t *obj, const char *where, bool in_domain,
	struct auth_ref *out, struct error *err)
{
	const json_t *domain = json_object_get(obj, "domain");

	if (text_at(c, obj, where, "id", ID_MAX, &out->uid, err) < 0 ||
		text_at(c, obj, where, "name", NAME_MAX_CHARS, &out->name, err) < 0)
		return -1;
	if (!out->uid && !out->name)
		return error_set(err, ERR_BAD_REQUEST, "%s needs an id or a name", where);
	if (out->uid || !in_domain)
		return 0;
	if (!json_is_object(domain))
		return error_set(err, ERR_BAD_REQUEST, "%s.domain is required with a name", where);
	if (text_at(c, domain, where, "id", ID_MAX, &out->domain_uid, err) < 0 ||
		text_at(c, domain, where, "name", NAME_MAX_CHARS, &out->domain_name, err) < 0)
		return -1;
	if (!out->domain_uid && !out->domain_name)
		return error_set(err, ERR_BAD_REQUEST, "%s.domain needs an id or a name", where);
	return 0;
}

static int parse_password(
	struct api_call *c, const json_t *identity, struct auth_request *r, struct error *err)
{
	const json_t *method = object_at(identity, "auth.identity", "password", err);
	const json_t *user = method ? object_at(method, "auth.identity.password", "user", err) : NULL;

	if (!user || ref_at(c, user, "auth.identity.password.user", true, &r->user, err) < 0 ||
		text_at(c, user, "auth.identity.password.user", "password", PASSWORD_MAX, &r->password, err) <
			0)
		return -1;
	if (!r->password)
		return error_set(err, ERR_BAD_REQUEST, "auth.identity.password.user.password is required");
	return 0;
}

static int parse_token(struct api_call *c, const json_t *identity, struct auth_request *r, struct error *err)
{
	const json_t *method = object_at(identity, "auth.identity", "token", err);

	if (!method || text_at(c, method, "auth.identity.token", "id", 512, &r->token, err) < 0)
		return -1;
	return r->token ? 0 : error_set(err, ERR_BAD_REQUEST, "auth.identity.token.id is required");
}

static int parse_credential(
	struct api_call *c, const json_t *identity, struct auth_request *r, struct error *err)
{
	static const char where[] = "auth.identity.application_credential";
	const json_t *method = object_at(identity, "auth.identity", "application_credential", err);
	const json_t *user;

	if (!method || ref_at(c, method, where, false, &r->credential, err) < 0 ||
		text_at(c, method, where, "secret", PASSWORD_MAX, &r->secret, err) < 0)
		return -1;
	if (!r->secret)
		return error_set(err, ERR_BAD_REQUEST, "%s.secret is required", where);
	if (r->credential.uid)
		return 0;
	user = object_at(method, where, "user", err);
	return user ? ref_at(c, user, "auth.identity.application_credential.user", true, &r->credential_user,
			      err)
		    : -1;
}

static const struct {
	const char *name;
	enum auth_method method;
	int (*parse)(struct api_call *c, const json_t *identity, struct auth_request *r, struct error *err);
} methods[] = {
	{ "password", AUTH_PASSWORD, parse_password },
	{ "token", AUTH_TOKEN, parse_token },
	{ "application_credential", AUTH_CREDENTIAL, parse_credential },
};

static int parse_method(struct api_call *c, const json_t *identity, const json_t *name,
	struct auth_request *r, struct error *err)
{
	if (!json_is_string(name))
		return error_set(err, ERR_BAD_REQUEST, "auth.identity.methods must be strings");
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(methods[i].name, json_string_value(name)) != 0)
			continue;
		if (r->methods & methods[i].method)
			return 0;
		r->methods |= methods[i].method;
		return methods[i].parse(c, identity, r, err);
	}
	return error_set(err, ERR_UNAUTHORIZED, "Attempted to authenticate with an unsupported method.");
}

static int parse_system(const json_t *system, struct auth_request *r, struct error *err)
{
	if (!json_is_true(json_object_get(system, "all")))
		return error_set(err, ERR_BAD_REQUEST, "auth.scope.system must be {\"all\": true}");
	r->scope = SCOPE_SYSTEM;
	return 0;
}

static int parse_scope(struct api_call *c, const json_t *scope, struct auth_request *r, struct error *err)
{
	const json_t *v;

	if (json_is_string(scope) && strcmp(json_string_value(scope), "unscoped") == 0) {
		r->scope = SCOPE_NONE;
		return 0;
	}
	if (!json_is_object(scope) || json_object_size(scope) != 1)
		return error_set(err, ERR_BAD_REQUEST,
			"auth.scope must be \"unscoped\" or an object with one of project, domain, system");
	if ((v = json_object_get(scope, "project"))) {
		r->scope = SCOPE_PROJECT;
		return ref_at(c, v, "auth.scope.project", true, &r->target, err);
	}
	if ((v = json_object_get(scope, "domain"))) {
		r->scope = SCOPE_DOMAIN;
		return ref_at(c, v, "auth.scope.domain", false, &r->target, err);
	}
	if ((v = json_object_get(scope, "system")))
		return parse_system(v, r, err);
	if (json_object_get(scope, "unscoped")) {
		r->scope = SCOPE_NONE;
		return 0;
	}
	return error_set(
		err, ERR_BAD_REQUEST, "auth.scope: only project, domain and system are offered as scopes");
}

int auth_parse(struct api_call *c, struct auth_request *out, struct error *err)
{
	const json_t *auth = bind_top(c->body, "auth", err);
	const json_t *identity = auth ? object_at(auth, "auth", "identity", err) : NULL;
	const json_t *list = json_object_get(identity, "methods"), *scope = json_object_get(auth, "scope");
	struct auth_request r = { 0 };
	json_t *name;
	size_t i;

	if (!identity)
		return -1;
	if (!json_is_array(list) || !json_array_size(list) || json_array_size(list) > ARRAY_LEN(methods))
		return error_set(err, ERR_BAD_REQUEST, "auth.identity.methods must be an array of methods");
	json_array_foreach((json_t *)list, i, name)
	{
		if (parse_method(c, identity, name, &r, err) < 0)
			return -1;
	}
	if (scope && !json_is_null(scope) && parse_scope(c, scope, &r, err) < 0)
		return -1;
	*out = r;
	return 0;
}

int auth_find_user(struct api_call *c, const struct auth_ref *ref, struct user *out, struct error *err)
{
	struct domain d;

	if (ref->uid)
		return store_user_get(c->db, c->arena, ref->uid, out, err);
	if ((ref->domain_uid ? store_domain_get(c->db, c->arena, ref->domain_uid, &d, err)
			     : store_domain_by_name(c->db, c->arena, ref->domain_name, &d, err)) < 0)
		return -1;
	return store_user_by_name(c->db, c->arena, d.id, ref->name, out, err);
}
