/* SPDX-License-Identifier: Apache-2.0 */
/* /users/{id}/access_rules: the requests that a user's application credentials are restricted to. They come
 * with a credential and stay until they are deleted. */
#include "api/identity/internal.h"

#include <string.h>

#include "domain/access_path.h"

enum { RULES_MAX = 1000 }; /* a user: they outlive the credentials that they came with */

static const char *const services[] = { "identity", "compute", "image", "network", "cloud", NULL };
static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL };

static const struct bind_field fields[] = {
	{ .name = "id", .type = BIND_STR, .offset = offsetof(struct access_rule, uid), .min = 1, .max = 64 },
	{ .name = "service",
		.type = BIND_STR,
		.offset = offsetof(struct access_rule, service),
		.words = services },
	{ .name = "method",
		.type = BIND_STR,
		.offset = offsetof(struct access_rule, method),
		.words = methods },
	{ .name = "path",
		.type = BIND_STR,
		.offset = offsetof(struct access_rule, path),
		.min = 1,
		.max = ACCESS_PATH_MAX },
};
static const struct bind_table table = { BIND_TABLE(access_rule, fields) };
const struct bind_field access_rule_item = { .type = BIND_OBJ, .table = &table };

/* With the new one. */
static int check_count(struct api_call *c, struct error *err)
{
	int64_t n = 0;

	if (store_access_rule_count(c->db, c->who->user.id, &n, err) < 0)
		return -1;
	return n <= RULES_MAX
		       ? 0
		       : error_set(err, ERR_FORBIDDEN,
				 "A user can have %d access rules: delete those that no credential has.",
				 RULES_MAX);
}

static int give(struct api_call *c, int64_t credential_id, const struct access_rule *asked, struct error *err)
{
	struct access_rule r = *asked;
	int64_t id;

	if (r.uid && (r.service || r.method || r.path))
		return error_set(err, ERR_BAD_REQUEST,
			"application_credential.access_rules: an entry has an id, or service, method and "
			"path");
	if (r.uid) {
		if (store_access_rule_get(c->db, c->arena, c->who->user.id, r.uid, &r, err) < 0)
			return err->code == ERR_NOT_FOUND ? error_set(err, ERR_BAD_REQUEST,
								    "application_credential.access_rules: "
								    "there is no rule %.64s",
								    asked->uid)
							  : -1;
		return store_access_rule_give(c->db, credential_id, r.id, err);
	}
	if (!r.service || !r.method || !r.path || !access_path_valid(r.path))
		return error_set(err, ERR_BAD_REQUEST,
			"application_credential.access_rules: an entry needs service, method and a path as "
			"/v2.1/servers/*");
	r.id = new_id(c);
	r.uid = new_uid(c);
	r.user_id = c->who->user.id;
	if (store_access_rule_ensure(c->db, &r, &id, err) < 0 || (id == r.id && check_count(c, err) < 0))
		return -1;
	return store_access_rule_give(c->db, credential_id, id, err);
}

int access_rules_give(
	struct api_call *c, int64_t credential_id, const struct bind_list *rules, struct error *err)
{
	for (size_t i = 0; i < rules->n; i++)
		if (give(c, credential_id, &((const struct access_rule *)rules->items)[i], err) < 0)
			return -1;
	return 0;
}

static void view(struct api_call *c, const struct access_rule *r, const char *user_uid)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", r->uid);
	jw_kv_str(&c->out, "service", r->service);
	jw_kv_str(&c->out, "method", r->method);
	jw_kv_str(&c->out, "path", r->path);
	if (user_uid)
		view_links(c, "users/%s/access_rules/%s", user_uid, r->uid);
	jw_end_object(&c->out);
}

int access_rules_view(struct api_call *c, int64_t credential_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct access_rule r;
	bool any = false;
	int rc;

	if (store_access_rule_of(c->db, credential_id, &st, err) < 0)
		return -1;
	for (; (rc = store_access_rule_next(st, NULL, &r, err)) > 0; any = true) {
		if (!any) {
			jw_key(&c->out, "access_rules");
			jw_array(&c->out);
		}
		view(c, &r, NULL);
	}
	if (any)
		jw_end_array(&c->out);
	return rc;
}

/* --- the handlers --- */

static int find_user(struct api_call *c, struct user *u, struct error *err)
{
	const char *uid = api_param(c, "user_id");

	if (!api_is_admin(c) && !is_self(c, uid))
		return forbidden(err);
	return store_user_get(c->db, c->arena, uid, u, err);
}

static int find(struct api_call *c, struct user *u, struct access_rule *r, struct error *err)
{
	c->target = api_param(c, "rule_id");
	return find_user(c, u, err) < 0 ? -1
					: store_access_rule_get(c->db, c->arena, u->id, c->target, r, err);
}

int identity_access_rule_list(struct api_call *c, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct access_rule r;
	struct user u;
	int rc;

	if (find_user(c, &u, err) < 0 || store_access_rule_query(c->db, u.id, &st, err) < 0)
		return -1;
	list_begin(c, "access_rules");
	while ((rc = store_access_rule_next(st, NULL, &r, err)) > 0)
		view(c, &r, u.uid);
	list_end(c, NULL);
	return rc;
}

int identity_access_rule_show(struct api_call *c, struct error *err)
{
	struct access_rule r;
	struct user u;

	if (find(c, &u, &r, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "access_rule");
	view(c, &r, u.uid);
	jw_end_object(&c->out);
	return 0;
}

int identity_access_rule_delete(struct api_call *c, struct error *err)
{
	struct access_rule r;
	struct user u;

	if (find(c, &u, &r, err) < 0 || store_access_rule_delete(c->db, r.id, err) < 0)
		return -1;
	return no_content(c);
}
