/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: issued for a password, another token or an application credential; shown; revoked.
 *
 *	request → user looked up on the read-only connection → scrypt on the passwords lane → tick: all is
 *looked at again, the token's row written → the text leaves with the reply and is kept nowhere */
#include "api/identity/auth.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES = 32, AUDIT_BYTES = 16 };

static const char *random_text(struct api_call *c, size_t bytes)
{
	CLEANUP(free_ptr) char *text = random_base64url(c->api->loop->rng, bytes);

	return arena_strdup(c->arena, text);
}

/* Any failure to find what credentials name is a 401 like all others. */
static int refused(struct error *err, const char *why)
{
	return err->code == ERR_NOT_FOUND ? unauthorized(err, why) : -1;
}

/* --- in the tick: who it is --- */

/* What the methods proved, and what they leave for the new token. */
struct proof {
	int64_t user_id;
	int64_t expires_us;               /* latest; 0: the usual life */
	struct token parent;              /* id 0: none */
	struct app_credential credential; /* id 0: none */
	bool failures;                    /* to be forgotten now */
};

static int same_user(struct proof *p, int64_t user_id, struct error *err)
{
	if (p->user_id && p->user_id != user_id)
		return unauthorized(err, "the methods name different users");
	p->user_id = user_id;
	return 0;
}

static void until(struct proof *p, int64_t expires_us)
{
	if (expires_us && (!p->expires_us || expires_us < p->expires_us))
		p->expires_us = expires_us;
}

/* The password was right for the hash of the first look: is it still this user's? */
static int prove_password(
	struct api_call *c, const struct auth_request *r, struct proof *p, struct error *err)
{
	struct user u;

	if (store_user_load(c->db, c->arena, r->user_id, &u, err) < 0)
		return refused(err, "the user was deleted");
	if (!str_eq(u.password_hash, r->password_hash) || lockout_active(&u, c->now_us))
		return unauthorized(err, "the password was changed, or the user is locked");
	if (password_has_expired(&u, c->now_us)) {
		error_set(err, ERR_UNAUTHORIZED,
			"The password is expired and needs to be changed for user: %.64s.", u.uid);
		return error_detail(err, "an expired password");
	}
	p->failures = u.failures != 0;
	return same_user(p, u.id, err);
}

static int prove_token(struct api_call *c, const struct auth_request *r, struct proof *p, struct error *err)
{
	unsigned char hash[SHA256_SIZE];
	int rc;

	sha256(r->token, strlen(r->token), hash);
	rc = store_token_find(c->db, c->arena, hash, &p->parent, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || p->parent.expires_us <= c->now_us)
		return unauthorized(err, "an unknown or expired token");
	until(p, p->parent.expires_us);
	if (p->parent.credential_id &&
		store_app_credential_load(c->db, c->arena, p->parent.credential_id, &p->credential, err) < 0)
		return refused(err, "the application credential was deleted");
	return same_user(p, p->parent.user_id, err);
}

static int find_credential(
	struct api_call *c, const struct auth_request *r, struct app_credential *out, struct error *err)
{
	struct user u;

	if (r->credential.uid)
		return store_app_credential_get(c->db, c->arena, r->credential.uid, out, err);
	if (auth_find_user(c, &r->credential_user, &u, err) < 0)
		return -1;
	return store_app_credential_by_name(c->db, c->arena, u.id, r->credential.name, out, err);
}

static int prove_credential(
	struct api_call *c, const struct auth_request *r, struct proof *p, struct error *err)
{
	struct app_credential *ac = &p->credential;
	unsigned char hash[SHA256_SIZE];

	if (find_credential(c, r, ac, err) < 0)
		return refused(err, "no such application credential");
	sha256(r->secret, strlen(r->secret), hash);
	if (!constant_time_equal(hash, ac->secret_hash, sizeof hash))
		return unauthorized(err, "wrong secret of an application credential");
	if (ac->expires_us && ac->expires_us <= c->now_us)
		return unauthorized(err, "an expired application credential");
	until(p, ac->expires_us);
	return same_user(p, ac->user_id, err);
}

static int prove(struct api_call *c, const struct auth_request *r, struct proof *p, struct error *err)
{
	if (((r->methods & AUTH_PASSWORD) && prove_password(c, r, p, err) < 0) ||
		((r->methods & AUTH_TOKEN) && prove_token(c, r, p, err) < 0) ||
		((r->methods & AUTH_CREDENTIAL) && prove_credential(c, r, p, err) < 0))
		return -1;
	return 0;
}

/* --- in the tick: for what --- */

static int find_project(
	struct api_call *c, const struct auth_ref *ref, struct project *out, struct error *err)
{
	struct domain d;

	if (ref->uid)
		return store_project_get(c->db, c->arena, ref->uid, out, err);
	if ((ref->domain_uid ? store_domain_get(c->db, c->arena, ref->domain_uid, &d, err)
			     : store_domain_by_name(c->db, c->arena, ref->domain_name, &d, err)) < 0)
		return -1;
	return store_project_by_name(c->db, c->arena, d.id, ref->name, out, err);
}

/* Without a scope: the user's default project, if it has a role there, else none. */
static int default_scope(struct api_call *c, struct token *t, struct error *err)
{
	struct project project;
	struct role *roles;
	struct user u;
	size_t n;

	if (store_user_load(c->db, c->arena, t->user_id, &u, err) < 0)
		return refused(err, "the user was deleted");
	if (!u.default_project_uid)
		return 0;
	if (store_project_get(c->db, c->arena, u.default_project_uid, &project, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (!project.enabled || !project.domain_enabled)
		return 0;
	if (store_assignment_effective(c->db, c->arena, u.id, ASSIGNED_PROJECT, project.id, &roles, &n, err) <
		0)
		return -1;
	t->project_id = n ? project.id : 0;
	return 0;
}

/* An application credential means its project and no other. */
static int credential_scope(struct api_call *c, const struct auth_request *r, const struct proof *p,
	struct token *t, struct error *err)
{
	struct project project = { 0 };

	t->credential_id = p->credential.id;
	t->project_id = p->credential.project_id;
	if (r->scope == SCOPE_DEFAULT)
		return 0;
	if (r->scope != SCOPE_PROJECT || find_project(c, &r->target, &project, err) < 0 ||
		project.id != t->project_id)
		return unauthorized(err, "an application credential was used for another scope than its own");
	return 0;
}

static int resolve_scope(struct api_call *c, const struct auth_request *r, const struct proof *p,
	struct token *t, struct error *err)
{
	struct project project;
	struct domain domain;

	if (p->credential.id)
		return credential_scope(c, r, p, t, err);
	switch (r->scope) {
	case SCOPE_DEFAULT:
		return default_scope(c, t, err);
	case SCOPE_NONE:
		return 0;
	case SCOPE_PROJECT:
		if (find_project(c, &r->target, &project, err) < 0)
			return refused(err, "no such project");
		t->project_id = project.id;
		return 0;
	case SCOPE_DOMAIN:
		if ((r->target.uid ? store_domain_get(c->db, c->arena, r->target.uid, &domain, err)
				   : store_domain_by_name(c->db, c->arena, r->target.name, &domain, err)) < 0)
			return refused(err, "no such domain");
		t->domain_id = domain.id;
		return 0;
	case SCOPE_SYSTEM:
		t->is_system = true;
		return 0;
	}
	return error_internal(err, "scope %d", (int)r->scope);
}

/* --- in the tick: the token --- */

static const char *methods_text(struct api_call *c, const struct auth_request *r, const struct token *parent)
{
	static const char *const names[] = { "password", "token", "application_credential" };
	const char *text = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((r->methods >> i & 1) || (parent->id && strstr(parent->methods, names[i])))
			text = arena_printf(c->arena, "%s%s%s", text, text[0] ? "," : "", names[i]);
	return text;
}

/* Its own, and that of the first token of its line. */
static const char *audit_ids(struct api_call *c, const struct token *parent)
{
	const char *own = random_text(c, AUDIT_BYTES), *first;

	if (!parent->id)
		return own;
	first = strrchr(parent->audit_ids, ',');
	return arena_printf(c->arena, "%s,%s", own, first ? first + 1 : parent->audit_ids);
}

static void fill_token(
	struct api_call *c, const struct auth_request *r, const struct proof *p, struct token *t)
{
	t->id = new_id(c);
	t->methods = methods_text(c, r, &p->parent);
	t->audit_ids = audit_ids(c, &p->parent);
	t->issued_us = c->now_us;
	t->expires_us = c->now_us + c->api->config.token_ttl_s * 1000000;
	if (p->expires_us && p->expires_us < t->expires_us)
		t->expires_us = p->expires_us;
}

static int issue(struct api_call *c, struct error *err)
{
	const struct auth_request *r = c->stream.data_ctx;
	const char *text = random_text(c, TOKEN_BYTES);
	struct principal *who = NULL;
	struct proof p = { 0 };
	struct token t = { 0 };

	if (prove(c, r, &p, err) < 0)
		return -1;
	t.user_id = p.user_id;
	if (resolve_scope(c, r, &p, &t, err) < 0)
		return -1;
	fill_token(c, r, &p, &t);
	sha256(text, strlen(text), t.hash);
	if (principal_load(c->db, &t, &who, err) < 0 || store_token_insert(c->db, &t, err) < 0 ||
		(p.failures && store_user_set_failures(c->db, p.user_id, 0, 0, err) < 0)) {
		principal_unref(who);
		return -1;
	}
	c->status = 201;
	c->target = arena_strdup(c->arena, who->user.uid);
	api_header(c, "X-Subject-Token", text);
	api_header(c, "Vary", "X-Auth-Token");
	view_token(c, who);
	principal_unref(c->who); /* the audit row names who it was */
	c->who = who;
	return 0;
}

/* --- before the tick --- */

static void checked(struct api_call *c, enum password_outcome outcome, const char *made)
{
	const struct auth_request *r = c->stream.data_ctx;
	struct error err = { 0 };
	struct user u;

	(void)made;
	c->db = store_ro(c->api->store);
	if (outcome == PASSWORD_OK) {
		api_submit(c, issue);
		return;
	}
	if (r->user_id && store_user_load(c->db, c->arena, r->user_id, &u, &err) == 0) {
		c->target = u.uid;
		lockout_count(c, &u);
	}
	password_refused(c, outcome, &err);
	api_fail(c, &err);
}

int identity_token_create(struct api_call *c, struct error *err)
{
	struct auth_request *r = ARENA_NEW(c->arena, struct auth_request);
	struct user u = { 0 };

	c->stream.data_ctx = r;
	if (auth_parse(c, r, err) < 0)
		return -1;
	if (!(r->methods & AUTH_PASSWORD)) {
		api_submit(c, issue);
		return 0;
	}
	/* who does not exist costs as much work as who does */
	if (auth_find_user(c, &r->user, &u, err) < 0 && err->code != ERR_NOT_FOUND)
		return -1;
	r->user_id = u.id;
	r->password_hash = u.password_hash;
	return password_submit(
		c, &(struct password_work) { .given = r->password, .hash = r->password_hash }, checked, err);
}

/* --- a token as a subject --- */

/* The token in X-Subject-Token; one's own, or any for an administrator. */
static struct principal *subject(struct api_call *c, struct error *err)
{
	const char *text = http_header(c->http, "X-Subject-Token");
	struct principal *p;

	if (!text) {
		error_set(err, ERR_BAD_REQUEST, "The header X-Subject-Token is required.");
		return NULL;
	}
	p = identity_authenticate(c->api->identity, text, err);
	if (!p) {
		if (err->code == ERR_UNAUTHORIZED)
			error_set(err, ERR_NOT_FOUND, "Could not find token.");
		return NULL;
	}
	if (!api_is_admin(c) && p->user.id != c->who->user.id) {
		principal_unref(p);
		forbidden(err);
		return NULL;
	}
	return p;
}

int identity_token_show(struct api_call *c, struct error *err)
{
	struct principal *p = subject(c, err);

	if (!p)
		return -1;
	api_header(c, "X-Subject-Token", arena_strdup(c->arena, http_header(c->http, "X-Subject-Token")));
	api_header(c, "Vary", "X-Auth-Token");
	view_token(c, p);
	principal_unref(p);
	return 0;
}

int identity_token_delete(struct api_call *c, struct error *err)
{
	struct principal *p = subject(c, err);
	int rc;

	if (!p)
		return -1;
	c->target = arena_strdup(c->arena, p->user.uid);
	rc = store_token_delete(c->db, p->token_id, err);
	principal_unref(p);
	if (rc < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

/* --- what the caller may scope to --- */

int identity_auth_projects(struct api_call *c, struct error *err)
{
	struct project_filter f = { .enabled = 1, .user_id = c->who->user.id, .limit = LIST_MAX };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct project p;
	int rc = 0;

	list_begin(c, "projects");
	if (f.user_id && store_project_query(c->db, &f, &st, err) < 0)
		return -1;
	while (st && (rc = store_project_next(st, NULL, &p, err)) > 0)
		if (view_project(c, &p, err) < 0)
			return -1;
	list_end(c, NULL);
	return rc;
}

int identity_auth_domains(struct api_call *c, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct domain d;
	int rc;

	if (store_assignment_domains(c->db, c->who->user.id, &st, err) < 0)
		return -1;
	list_begin(c, "domains");
	while ((rc = store_domain_next(st, NULL, &d, err)) > 0)
		view_domain(c, &d);
	list_end(c, NULL);
	return rc;
}

int identity_auth_system(struct api_call *c, struct error *err)
{
	int rc = store_assignment_system(c->db, c->who->user.id, err);

	if (rc < 0)
		return -1;
	list_begin(c, "system");
	if (rc) {
		jw_object(&c->out);
		jw_kv_bool(&c->out, "all", true);
		jw_end_object(&c->out);
	}
	list_end(c, NULL);
	return 0;
}
