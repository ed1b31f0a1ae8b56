/* SPDX-License-Identifier: Apache-2.0 */
/* What a token comes to: its user, scope and roles as the rows say now. */
#include "api/identity/internal.h"

#include <assert.h>
#include <stdlib.h>

struct principal *principal_ref(struct principal *p)
{
	p->refs++;
	return p;
}

void principal_unref(struct principal *p)
{
	if (!p)
		return;
	assert(p->refs > 0);
	if (--p->refs)
		return;
	arena_finish(&p->arena);
	free(p);
}

int unauthorized(struct error *err, const char *why)
{
	error_set(err, ERR_UNAUTHORIZED, "The request you have made requires authentication.");
	return error_detail(err, "%s", why);
}

/* A row that is gone means that the token holds no longer; other errors are what they are. */
static int gone(struct error *err, const char *why)
{
	return err->code == ERR_NOT_FOUND ? unauthorized(err, why) : -1;
}

static int load_user(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	struct user u;

	if (store_user_load(db, &p->arena, t->user_id, &u, err) < 0)
		return gone(err, "the user was deleted");
	if (!u.enabled || !u.domain_enabled)
		return unauthorized(err, "the user or its domain is disabled");
	p->user = (struct principal_name) { u.id, u.uid, u.name };
	p->password_expires_us = passwords_expire(&u);
	p->user_domain = (struct principal_name) { u.domain_id, u.domain_uid, u.domain_name };
	return 0;
}

static int load_project(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	struct project row;

	if (store_project_load(db, &p->arena, t->project_id, &row, err) < 0)
		return gone(err, "the project was deleted");
	if (!row.enabled || row.deleted_us || !row.domain_enabled)
		return unauthorized(err, "the project or its domain is disabled");
	p->project = (struct principal_name) { row.id, row.uid, row.name };
	p->project_domain = (struct principal_name) { row.domain_id, row.domain_uid, row.domain_name };
	return 0;
}

static int load_domain(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	struct domain row;

	if (store_domain_load(db, &p->arena, t->domain_id, &row, err) < 0)
		return gone(err, "the domain was deleted");
	if (!row.enabled)
		return unauthorized(err, "the domain is disabled");
	p->domain = (struct principal_name) { row.id, row.uid, row.name };
	return 0;
}

static bool has_role(const struct role *roles, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (roles[i].id == id)
			return true;
	return false;
}

/* Does a role of the credential come to `role_id`? Every one of them must still be the user's. */
static int credential_reaches(struct db *db, struct arena *a, int64_t credential_id, const struct role *roles,
	size_t n, int64_t role_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct role r;
	int rc, reaches, found = 0;

	if (store_app_credential_roles(db, credential_id, &st, err) < 0)
		return -1;
	while ((rc = store_role_next(st, a, &r, err)) > 0) {
		if (!has_role(roles, n, r.id))
			return unauthorized(
				err, "a role of the application credential was taken from its user");
		reaches = store_role_implies_reaches(db, r.id, role_id, err);
		if (reaches < 0)
			return -1;
		found |= reaches;
	}
	return rc < 0 ? -1 : found;
}

static int load_rules(struct db *db, struct principal *p, struct error *err)
{
	enum { RULES_MAX = 64 };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct access_rule r;
	int rc;

	if (store_access_rule_of(db, p->credential_id, &st, err) < 0)
		return -1;
	while ((rc = store_access_rule_next(st, &p->arena, &r, err)) > 0) {
		if (!p->rules)
			p->rules = ARENA_ARRAY(&p->arena, struct access_rule, RULES_MAX);
		if (p->rules_n == RULES_MAX)
			return error_internal(err, "an application credential with too many rules");
		p->rules[p->rules_n++] = r;
	}
	return rc;
}

static int load_credential(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	struct app_credential row;

	if (store_app_credential_load(db, &p->arena, t->credential_id, &row, err) < 0)
		return gone(err, "the application credential was deleted");
	p->credential_id = row.id;
	p->credential_uid = row.uid;
	p->credential_name = row.name;
	p->credential_unrestricted = row.unrestricted;
	return load_rules(db, p, err);
}

static void grant(struct principal *p, const struct role *r)
{
	p->roles[p->roles_n++] = (struct principal_name) { r->id, r->uid, r->name };
	p->is_admin |= r->id == ROLE_ID_ADMIN;
	p->is_member |= r->id == ROLE_ID_ADMIN || r->id == ROLE_ID_MEMBER;
	p->is_reader |= r->id == ROLE_ID_ADMIN || r->id == ROLE_ID_MEMBER || r->id == ROLE_ID_READER;
}

static int load_roles(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	enum assigned_kind kind = t->project_id  ? ASSIGNED_PROJECT
				  : t->domain_id ? ASSIGNED_DOMAIN
						 : ASSIGNED_SYSTEM;
	struct role *roles;
	size_t n;

	if (store_assignment_effective(db, &p->arena, t->user_id, kind,
		    t->project_id  ? t->project_id
		    : t->domain_id ? t->domain_id
				   : 0,
		    &roles, &n, err) < 0)
		return -1;
	p->roles = ARENA_ARRAY(&p->arena, struct principal_name, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		int rc = 1;

		if (t->credential_id)
			rc = credential_reaches(db, &p->arena, t->credential_id, roles, n, roles[i].id, err);
		if (rc < 0)
			return -1;
		if (rc)
			grant(p, &roles[i]);
	}
	return p->roles_n ? 0 : unauthorized(err, "the user has no role in the scope");
}

static int load(struct db *db, struct principal *p, const struct token *t, struct error *err)
{
	if (load_user(db, p, t, err) < 0)
		return -1;
	if ((t->project_id && load_project(db, p, t, err) < 0) ||
		(t->domain_id && load_domain(db, p, t, err) < 0) ||
		(t->credential_id && load_credential(db, p, t, err) < 0))
		return -1;
	p->is_system = t->is_system;
	p->token_id = t->id;
	p->methods = arena_strdup(&p->arena, t->methods);
	p->audit_ids = arena_strdup(&p->arena, t->audit_ids);
	p->issued_us = t->issued_us;
	p->expires_us = t->expires_us;
	return t->project_id || t->domain_id || t->is_system ? load_roles(db, p, t, err) : 0;
}

int principal_load(struct db *db, const struct token *t, struct principal **out, struct error *err)
{
	struct principal *p = xcalloc(1, sizeof *p);

	p->refs = 1;
	if (load(db, p, t, err) < 0) {
		principal_unref(p);
		return -1;
	}
	*out = p;
	return 0;
}
