/* SPDX-License-Identifier: Apache-2.0 */
/* Identity's entities as JSON, at the place of the writer in c->out. */
#include "api/identity/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void view_links(struct api_call *c, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	jw_key(&c->out, "links");
	jw_object(&c->out);
	jw_kv_str(&c->out, "self", api_url(c, "/identity/v3/%s", path));
	jw_end_object(&c->out);
}

void view_list_links(struct api_call *c, const char *next_marker)
{
	const char *base = api_url(c, "%s", "");

	jw_key(&c->out, "links");
	jw_object(&c->out);
	jw_kv_str(&c->out, "self",
		arena_printf(c->arena, "%s%s%s%s", base, c->http->path, c->http->raw_query[0] ? "?" : "",
			c->http->raw_query));
	jw_kv_str(&c->out, "next", next_marker ? api_next_url(c, next_marker) : NULL);
	jw_kv_null(&c->out, "previous");
	jw_end_object(&c->out);
	if (next_marker)
		jw_kv_bool(&c->out, "truncated", true);
}

static void write_json(struct buf *b, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text)
		jw_raw(b, text, strlen(text));
	else
		jw_null(b);
	free(text);
}

void view_extra(struct api_call *c, const char *extra)
{
	json_t *obj, *v;
	const char *key;

	if (str_eq(extra, "{}"))
		return;
	obj = json_loads(extra, 0, NULL);
	json_object_foreach(obj, key, v)
	{
		jw_key(&c->out, key);
		write_json(&c->out, v);
	}
	json_decref(obj);
}

void view_named(struct buf *b, const char *key, const char *uid, const char *name)
{
	jw_key(b, key);
	jw_object(b);
	jw_kv_str(b, "id", uid);
	if (name)
		jw_kv_str(b, "name", name);
	jw_end_object(b);
}

static void expires_at(struct buf *b, int64_t us)
{
	char when[TIME_TEXT];

	jw_kv_str(b, "password_expires_at", us ? time_iso_us(us, when) : NULL);
}

static void options(struct buf *b)
{
	jw_key(b, "options");
	jw_object(b);
	jw_end_object(b);
}

void view_domain(struct api_call *c, const struct domain *d)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", d->uid);
	jw_kv_str(b, "name", d->name);
	jw_kv_str(b, "description", d->description);
	jw_kv_bool(b, "enabled", d->enabled);
	jw_key(b, "tags");
	jw_array(b);
	jw_end_array(b);
	options(b);
	view_extra(c, d->extra);
	view_links(c, "domains/%s", d->uid);
	jw_end_object(b);
}

void view_domain_project(struct api_call *c, const struct domain *d)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", d->uid);
	jw_kv_str(b, "name", d->name);
	jw_kv_null(b, "domain_id");
	jw_kv_null(b, "parent_id");
	jw_kv_bool(b, "is_domain", true);
	jw_kv_str(b, "description", d->description);
	jw_kv_bool(b, "enabled", d->enabled);
	jw_key(b, "tags");
	jw_array(b);
	jw_end_array(b);
	options(b);
	view_extra(c, d->extra);
	view_links(c, "projects/%s", d->uid);
	jw_end_object(b);
}

static int write_tags(struct api_call *c, int64_t project_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (store_project_tags(c->db, project_id, &st, err) < 0)
		return -1;
	jw_key(&c->out, "tags");
	jw_array(&c->out);
	while ((rc = db_row(st, err)) > 0)
		jw_str(&c->out, db_text(st, 0));
	jw_end_array(&c->out);
	return rc;
}

int view_project_open(struct api_call *c, const struct project *p, struct error *err)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", p->uid);
	jw_kv_str(b, "name", p->name);
	jw_kv_str(b, "domain_id", p->domain_uid);
	jw_kv_str(b, "parent_id", p->parent_uid ? p->parent_uid : p->domain_uid);
	jw_kv_bool(b, "is_domain", false);
	jw_kv_str(b, "description", p->description);
	jw_kv_bool(b, "enabled", p->enabled);
	if (write_tags(c, p->id, err) < 0)
		return -1;
	options(b);
	view_extra(c, p->extra);
	view_links(c, "projects/%s", p->uid);
	return 0;
}

int view_project(struct api_call *c, const struct project *p, struct error *err)
{
	if (view_project_open(c, p, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

void view_user(struct api_call *c, const struct user *u)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", u->uid);
	jw_kv_str(b, "name", u->name);
	jw_kv_str(b, "domain_id", u->domain_uid);
	jw_kv_bool(b, "enabled", u->enabled);
	expires_at(b, passwords_expire(u));
	jw_key(b, "options");
	jw_raw(b, u->options, strlen(u->options));
	if (u->default_project_uid)
		jw_kv_str(b, "default_project_id", u->default_project_uid);
	if (u->description)
		jw_kv_str(b, "description", u->description);
	if (u->email)
		jw_kv_str(b, "email", u->email);
	view_extra(c, u->extra);
	view_links(c, "users/%s", u->uid);
	jw_end_object(b);
}

void view_group(struct api_call *c, const struct user_group *g)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", g->uid);
	jw_kv_str(b, "name", g->name);
	jw_kv_str(b, "domain_id", g->domain_uid);
	jw_kv_str(b, "description", g->description);
	view_extra(c, g->extra);
	view_links(c, "groups/%s", g->uid);
	jw_end_object(b);
}

void view_role(struct api_call *c, const struct role *r)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", r->uid);
	jw_kv_str(b, "name", r->name);
	jw_kv_str(b, "domain_id", r->domain_uid);
	jw_kv_str(b, "description", r->description);
	options(b);
	view_extra(c, r->extra);
	view_links(c, "roles/%s", r->uid);
	jw_end_object(b);
}

/* --- tokens --- */

static void write_split(struct buf *b, const char *key, const char *commas)
{
	const char *p = commas;

	jw_key(b, key);
	jw_array(b);
	while (*p) {
		size_t n = strcspn(p, ",");

		jw_strn(b, p, n);
		p += n + (p[n] == ',');
	}
	jw_end_array(b);
}

static void write_in_domain(struct buf *b, const char *key, const struct principal_name *of,
	const struct principal_name *domain, bool is_user, int64_t password_expires_us)
{
	jw_key(b, key);
	jw_object(b);
	jw_kv_str(b, "id", of->uid);
	jw_kv_str(b, "name", of->name);
	view_named(b, "domain", domain->uid, domain->name);
	if (is_user)
		expires_at(b, password_expires_us);
	jw_end_object(b);
}

static void write_scope(struct buf *b, const struct principal *p)
{
	if (p->project.id) {
		write_in_domain(b, "project", &p->project, &p->project_domain, false, 0);
		jw_kv_bool(b, "is_domain", false);
	} else if (p->domain.id) {
		view_named(b, "domain", p->domain.uid, p->domain.name);
	} else if (p->is_system) {
		jw_key(b, "system");
		jw_object(b);
		jw_kv_bool(b, "all", true);
		jw_end_object(b);
	}
}

static void write_roles(struct buf *b, const struct principal *p)
{
	jw_key(b, "roles");
	jw_array(b);
	for (size_t i = 0; i < p->roles_n; i++) {
		jw_object(b);
		jw_kv_str(b, "id", p->roles[i].uid);
		jw_kv_str(b, "name", p->roles[i].name);
		jw_end_object(b);
	}
	jw_end_array(b);
}

void view_token(struct api_call *c, const struct principal *p)
{
	bool scoped = p->project.id || p->domain.id || p->is_system;
	struct buf *b = &c->out;
	char when[TIME_TEXT];

	jw_object(b);
	jw_key(b, "token");
	jw_object(b);
	write_split(b, "methods", p->methods);
	write_split(b, "audit_ids", p->audit_ids);
	jw_kv_str(b, "issued_at", time_iso_usz(p->issued_us, when));
	jw_kv_str(b, "expires_at", time_iso_usz(p->expires_us, when));
	write_in_domain(b, "user", &p->user, &p->user_domain, true, p->password_expires_us);
	write_scope(b, p);
	if (scoped)
		write_roles(b, p);
	if (p->credential_id) {
		jw_key(b, "application_credential");
		jw_object(b);
		jw_kv_str(b, "id", p->credential_uid);
		jw_kv_str(b, "name", p->credential_name);
		jw_kv_bool(b, "restricted", !p->credential_unrestricted);
		jw_end_object(b);
	}
	if (scoped && !api_query(c, "nocatalog")) {
		jw_key(b, "catalog");
		identity_catalog(c, b);
	}
	jw_end_object(b);
	jw_end_object(b);
}
