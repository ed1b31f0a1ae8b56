/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the body of POST /auth/tokens. What is malformed is 400; what is wrong is found out later and is 401.
 */
#include "api/identity/auth.h"

#include <string.h>

enum { ID_MAX = 64, NAME_MAX_CHARS = 255, TOKEN_MAX = 512 };

/* --- what a body may have; what it has to have depends on its methods, and is read below */

struct domain_in {
	const char *id, *name;
};

/* A user, a project, an application credential. */
struct named_in {
	const char *id, *name, *password, *secret;
	const struct domain_in *domain;
	const struct named_in *user;
};

struct identity_in {
	struct bind_list methods; /* const char * */
	const struct named_in *password, *token, *credential;
};

struct scope_in {
	const struct named_in *project;
	const struct domain_in *domain;
	const struct system_in {
		bool all;
	} * system;
	json_t *unscoped;
};

struct auth_in {
	const struct identity_in *identity;
	const struct scope_in *scope;
	const char *scope_word;
};

/* clang-format off */
#define TEXT(of, member, flags_, max_) \
	{ .name = #member, .type = BIND_STR, .offset = offsetof(struct of, member), .flags = (flags_), .max = (max_) }
#define INSIDE(of, member, name_, flags_, table_) \
	{ .name = (name_), .type = BIND_OBJ, .offset = offsetof(struct of, member), .flags = (flags_), .table = &(table_) }

static const struct bind_field domain_fields[] = {
	TEXT(domain_in, id, 0, ID_MAX),
	TEXT(domain_in, name, 0, NAME_MAX_CHARS),
};
static const struct bind_table domain_table = { BIND_TABLE(domain_in, domain_fields) };

static const struct bind_field named_fields[] = {
	TEXT(named_in, id, 0, ID_MAX),
	TEXT(named_in, name, 0, NAME_MAX_CHARS),
	INSIDE(named_in, domain, "domain", 0, domain_table),
};
static const struct bind_table named_table = { BIND_TABLE(named_in, named_fields) };

static const struct bind_field user_fields[] = {
	TEXT(named_in, id, 0, ID_MAX),
	TEXT(named_in, name, 0, NAME_MAX_CHARS),
	TEXT(named_in, password, BIND_REQUIRED, PASSWORD_MAX),
	INSIDE(named_in, domain, "domain", 0, domain_table),
};
static const struct bind_table user_table = { BIND_TABLE(named_in, user_fields) };

static const struct bind_field password_fields[] = { INSIDE(named_in, user, "user", BIND_REQUIRED, user_table) };
static const struct bind_field token_fields[] = { TEXT(named_in, id, BIND_REQUIRED, TOKEN_MAX) };
static const struct bind_field credential_fields[] = {
	TEXT(named_in, id, 0, ID_MAX),
	TEXT(named_in, name, 0, NAME_MAX_CHARS),
	TEXT(named_in, secret, BIND_REQUIRED, PASSWORD_MAX),
	INSIDE(named_in, user, "user", 0, named_table),
};
static const struct bind_table password_table = { BIND_TABLE(named_in, password_fields) },
			       token_table = { BIND_TABLE(named_in, token_fields) },
			       credential_table = { BIND_TABLE(named_in, credential_fields) };

static const struct bind_field method_item = { .type = BIND_STR, .min = 1, .max = ID_MAX };
static const struct bind_field identity_fields[] = {
	{ .name = "methods", .type = BIND_ARR, .offset = offsetof(struct identity_in, methods),
		.flags = BIND_REQUIRED, .min = 1, .max = 3, .items = &method_item },
	INSIDE(identity_in, password, "password", 0, password_table),
	INSIDE(identity_in, token, "token", 0, token_table),
	INSIDE(identity_in, credential, "application_credential", 0, credential_table),
};
/* Methods that are not offered are no mistake of form: they are 401. */
static const struct bind_table identity_table = { BIND_TABLE(identity_in, identity_fields), .more = &bind_item_any };

static const struct bind_field system_fields[] = {
	{ .name = "all", .type = BIND_BOOL, .offset = offsetof(struct system_in, all) },
};
static const struct bind_table system_table = { BIND_TABLE(system_in, system_fields) };
static const struct bind_field scope_fields[] = {
	INSIDE(scope_in, project, "project", 0, named_table),
	INSIDE(scope_in, domain, "domain", 0, domain_table),
	INSIDE(scope_in, system, "system", 0, system_table),
	{ .name = "unscoped", .type = BIND_ANY, .offset = offsetof(struct scope_in, unscoped) },
};
static const struct bind_table scope_table = { BIND_TABLE(scope_in, scope_fields) };
static const char *const scope_words[] = { "unscoped", NULL };

static const struct bind_field auth_fields[] = {
	INSIDE(auth_in, identity, "identity", BIND_REQUIRED, identity_table),
	{ .name = "scope", .type = BIND_OBJ, .offset = offsetof(struct auth_in, scope), .min = 1, .max = 1,
		.table = &scope_table },
	{ .name = "scope", .type = BIND_STR, .offset = offsetof(struct auth_in, scope_word), .words = scope_words },
};

const struct bind_table identity_token_body = { .top = "auth", BIND_TABLE(auth_in, auth_fields) };

#undef TEXT
#undef INSIDE
/* clang-format on */

/* --- reading */

static int missing(const char *where, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST, "%s is required", where);
}

static int domain_ref(const struct domain_in *in, const char *where, struct auth_ref *out, struct error *err)
{
	if (!in)
		return error_set(err, ERR_BAD_REQUEST, "%s.domain is required with a name", where);
	if (!in->id && !in->name)
		return error_set(err, ERR_BAD_REQUEST, "%s.domain needs an id or a name", where);
	out->domain_uid = in->id;
	out->domain_name = in->name;
	return 0;
}

/* By id, or by name; in_domain: whether a name needs its domain. */
static int ref(
	const struct named_in *in, const char *where, bool in_domain, struct auth_ref *out, struct error *err)
{
	out->uid = in->id;
	out->name = in->name;
	if (!in->id && !in->name)
		return error_set(err, ERR_BAD_REQUEST, "%s needs an id or a name", where);
	return in->id || !in_domain ? 0 : domain_ref(in->domain, where, out, err);
}

static int parse_password(const struct identity_in *in, struct auth_request *r, struct error *err)
{
	if (!in->password)
		return missing("auth.identity.password", err);
	r->password = in->password->user->password;
	return ref(in->password->user, "auth.identity.password.user", true, &r->user, err);
}

static int parse_token(const struct identity_in *in, struct auth_request *r, struct error *err)
{
	if (!in->token)
		return missing("auth.identity.token", err);
	r->token = in->token->id;
	return 0;
}

static int parse_credential(const struct identity_in *in, struct auth_request *r, struct error *err)
{
	static const char where[] = "auth.identity.application_credential";
	const struct named_in *credential = in->credential;

	if (!credential)
		return missing(where, err);
	r->secret = credential->secret;
	if (ref(credential, where, false, &r->credential, err) < 0)
		return -1;
	if (r->credential.uid)
		return 0;
	if (!credential->user)
		return missing("auth.identity.application_credential.user", err);
	return ref(credential->user, "auth.identity.application_credential.user", true, &r->credential_user,
		err);
}

static const struct {
	const char *name;
	enum auth_method method;
	int (*parse)(const struct identity_in *in, struct auth_request *r, struct error *err);
} methods[] = {
	{ "password", AUTH_PASSWORD, parse_password },
	{ "token", AUTH_TOKEN, parse_token },
	{ "application_credential", AUTH_CREDENTIAL, parse_credential },
};

static int parse_method(
	const struct identity_in *in, const char *name, struct auth_request *r, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		if (r->methods & methods[i].method)
			return 0;
		r->methods |= methods[i].method;
		return methods[i].parse(in, r, err);
	}
	return error_set(err, ERR_UNAUTHORIZED, "Attempted to authenticate with an unsupported method.");
}

static int parse_scope(const struct scope_in *in, struct auth_request *r, struct error *err)
{
	if (in->project) {
		r->scope = SCOPE_PROJECT;
		return ref(in->project, "auth.scope.project", true, &r->target, err);
	}
	if (in->domain) {
		r->scope = SCOPE_DOMAIN;
		r->target = (struct auth_ref) { .uid = in->domain->id, .name = in->domain->name };
		return in->domain->id || in->domain->name
			       ? 0
			       : error_set(err, ERR_BAD_REQUEST, "auth.scope.domain needs an id or a name");
	}
	if (in->system && !in->system->all)
		return error_set(err, ERR_BAD_REQUEST, "auth.scope.system must be {\"all\": true}");
	if (!in->system && !in->unscoped)
		return error_set(err, ERR_BAD_REQUEST,
			"auth.scope must be \"unscoped\" or an object with one of project, domain, system");
	r->scope = in->system ? SCOPE_SYSTEM : SCOPE_NONE;
	return 0;
}

int auth_parse(struct api_call *c, struct auth_request *out, struct error *err)
{
	const struct auth_in *in = c->in;
	const char *const *names = in->identity->methods.items;
	struct auth_request r = { .scope = in->scope_word ? SCOPE_NONE : SCOPE_DEFAULT };

	for (size_t i = 0; i < in->identity->methods.n; i++)
		if (parse_method(in->identity, names[i], &r, err) < 0)
			return -1;
	if (in->scope && parse_scope(in->scope, &r, err) < 0)
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
