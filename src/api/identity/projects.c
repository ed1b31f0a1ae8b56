/* SPDX-License-Identifier: Apache-2.0 */
/* /projects */
#include "api/identity/internal.h"
#include "api/identity/tags.h"
#include "domain/names.h"
#include "flow/flow.h"

struct project_body {
	const char *name, *description, *domain_id, *parent_id;
	bool enabled, is_domain;
	json_t *options, *tags;
};

enum { NAME, DESCRIPTION, DOMAIN_ID, PARENT_ID, ENABLED, IS_DOMAIN, OPTIONS, TAGS };

static const struct bind_field fields[] = {
	[NAME] = BIND(project_body, name, "name", BIND_STR, 0, 1, 64),
	[DESCRIPTION] = BIND(project_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[DOMAIN_ID] = BIND(project_body, domain_id, "domain_id", BIND_STR, 0, 0, 64),
	[PARENT_ID] = BIND(project_body, parent_id, "parent_id", BIND_STR, 0, 0, 64),
	[ENABLED] = BIND(project_body, enabled, "enabled", BIND_BOOL, 0, 0, 0),
	[IS_DOMAIN] = BIND(project_body, is_domain, "is_domain", BIND_BOOL, 0, 0, 0),
	[OPTIONS] = BODY_OPTIONS(project_body),
	[TAGS] = BODY_TAGS(project_body),
};

const struct bind_table identity_project_create_body = { .top = "project",
	BIND_TABLE(project_body, fields),
	.required = 1u << NAME,
	.flags = BIND_LINKS,
	.more = &bind_item_any },
			identity_project_update_body = { .top = "project",
				BIND_TABLE(project_body, fields),
				.flags = BIND_LINKS,
				.more = &bind_item_any };

static int reply(struct api_call *c, const struct project *p, struct error *err)
{
	jw_object(&c->out);
	jw_key(&c->out, "project");
	if (view_project(c, p, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

static int read_body(struct api_call *c, struct project *p, const struct project_body *body,
	const struct bind_seen *seen, struct error *err)
{
	if (body_extra(c, p->extra, &p->extra, err) < 0 || body_tags(body->tags, err) < 0)
		return -1;
	if (seen_has(seen, NAME) || !p->name) {
		if (name_check(NAME_PROJECT, body->name, err) < 0)
			return -1;
		p->name = body->name;
	}
	if (body->description || seen_null(seen, DESCRIPTION))
		p->description = body->description ? body->description : "";
	if (seen_has(seen, ENABLED))
		p->enabled = body->enabled;
	return 0;
}

/* --- reading --- */

static int marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	struct project p;

	if (store_project_get(c->db, c->arena, uid, &p, err) < 0)
		return -1;
	*out_id = p.id;
	return 0;
}

/* ?is_domain=true */
static int list_domains(struct api_call *c, struct error *err)
{
	struct domain_filter f = { .name = api_query(c, "name"), .enabled = query_flag(c, "enabled") };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct domain d;
	int rc;

	if (store_domain_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "projects");
	while ((rc = store_domain_next(st, NULL, &d, err)) > 0)
		if (query_name_fits(c, d.name))
			view_domain_project(c, &d);
	list_end(c, NULL);
	return rc;
}

int identity_project_list(struct api_call *c, struct error *err)
{
	struct project_filter f = { .name = api_query(c, "name"),
		.domain_uid = api_query(c, "domain_id"),
		.parent_uid = api_query(c, "parent_id"),
		.enabled = query_flag(c, "enabled"),
		.limit = -1 };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct list_page page;
	struct project p;
	int rc, match, take;

	if (query_flag(c, "is_domain") == 1)
		return list_domains(c, err);
	if (query_page(c, marker, &page, err) < 0)
		return -1;
	f.after_id = page.after_id;
	if (store_project_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "projects");
	while ((rc = store_project_next(st, NULL, &p, err)) > 0) {
		match = tags_match(c, p.id, err);
		if (match < 0)
			return -1;
		if (!match)
			continue;
		take = list_take(c, &page, p.id, p.uid, p.name);
		if (take < 0)
			break;
		if (take && view_project(c, &p, err) < 0)
			return -1;
	}
	list_end(c, page.next);
	return rc < 0 ? -1 : 0;
}

/* --- a domain by the id of the project that acts as it --- */

static int reply_domain(struct api_call *c, const struct domain *d)
{
	jw_object(&c->out);
	jw_key(&c->out, "project");
	view_domain_project(c, d);
	jw_end_object(&c->out);
	return 0;
}

/* The path's: 1 a project, 2 a domain, -1. */
static int find(struct api_call *c, struct project *p, struct domain *d, struct error *err)
{
	struct error none;

	c->target = api_param(c, "project_id");
	if (store_project_get(c->db, c->arena, c->target, p, err) == 0)
		return 1;
	if (err->code == ERR_NOT_FOUND && store_domain_get(c->db, c->arena, c->target, d, &none) == 0)
		return 2;
	return -1;
}

/* What the two have in common. */
static struct project project_of(const struct domain *d)
{
	return (struct project) {
		.name = d->name, .description = d->description, .enabled = d->enabled, .extra = d->extra
	};
}

static void domain_take(struct domain *d, const struct project *p)
{
	d->name = p->name;
	d->description = p->description;
	d->enabled = p->enabled;
	d->extra = p->extra;
}

static int create_domain(
	struct api_call *c, const struct project *p, const struct project_body *body, struct error *err)
{
	struct domain d = { .id = new_id(c), .uid = new_uid(c) };

	if (body->domain_id || body->parent_id || json_array_size(body->tags))
		return error_set(err, ERR_BAD_REQUEST,
			"project.is_domain: a domain is in no domain or project, and has no tags");
	domain_take(&d, p);
	if (store_domain_insert(c->db, &d, err) < 0)
		return -1;
	c->status = 201;
	c->target = d.uid;
	return reply_domain(c, &d);
}

static int update_domain(struct api_call *c, struct domain *d, struct error *err)
{
	struct project p = project_of(d);
	const struct project_body *body = c->in;
	const struct bind_seen *seen = &c->seen;
	bool was = d->enabled;

	if (read_body(c, &p, body, seen, err) < 0)
		return -1;
	if ((seen_has(seen, IS_DOMAIN) && !body->is_domain) || body->domain_id || body->parent_id ||
		json_array_size(body->tags))
		return error_set(err, ERR_BAD_REQUEST,
			"project: this one is a domain; is_domain, domain_id, parent_id and tags stay as "
			"they are");
	domain_take(d, &p);
	return domain_save(c, d, was, err) < 0 ? -1 : reply_domain(c, d);
}

int identity_project_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "project_id");
	struct project p;
	struct domain d;
	int what;

	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return forbidden(err);
	what = find(c, &p, &d, err);
	if (what != 1)
		return what < 0 ? -1 : reply_domain(c, &d);
	jw_object(&c->out);
	jw_key(&c->out, "project");
	if (view_project_tree(c, &p, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

/* --- writing --- */

/* A reference of a body that names nothing. */
static int unknown_ref(struct error *err, const char *field)
{
	if (err->code != ERR_NOT_FOUND)
		return -1;
	return error_wrap(err, "project.%s", field);
}

/* Where a new project goes: its parent (a project, or a domain as Keystone has it), its domain, else the
 * token's. */
static int place(struct api_call *c, const struct project_body *body, struct project *p, struct error *err)
{
	const char *domain_uid = body->domain_id;
	struct project parent = { 0 };
	struct domain d;
	int64_t depth = 0;

	if (body->parent_id && store_project_get(c->db, c->arena, body->parent_id, &parent, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		/* it may be a domain: the top then */
		if (store_domain_get(c->db, c->arena, body->parent_id, &d, err) < 0)
			return unknown_ref(err, "parent_id");
		if (domain_uid && !str_eq(domain_uid, d.uid))
			return error_set(
				err, ERR_BAD_REQUEST, "project.parent_id is not in project.domain_id");
		domain_uid = d.uid;
	}
	if (parent.id) {
		if (domain_uid && !str_eq(domain_uid, parent.domain_uid))
			return error_set(
				err, ERR_BAD_REQUEST, "project.parent_id is not in project.domain_id");
		if (store_project_depth(c->db, parent.id, &depth, err) < 0)
			return -1;
		if (!parent.enabled)
			return error_set(
				err, ERR_FORBIDDEN, "The parent project %.64s is disabled.", parent.uid);
		if (depth >= DEPTH_MAX)
			return error_set(err, ERR_FORBIDDEN, "Projects can be nested %d deep.", DEPTH_MAX);
		domain_uid = parent.domain_uid;
	}
	if (!domain_uid)
		domain_uid = c->who->domain.id           ? c->who->domain.uid
			     : c->who->project_domain.id ? c->who->project_domain.uid
							 : DOMAIN_DEFAULT_UID;
	if (store_domain_get(c->db, c->arena, domain_uid, &d, err) < 0)
		return unknown_ref(err, "domain_id");
	p->domain_id = d.id;
	p->domain_uid = d.uid;
	p->parent_id = parent.id;
	p->parent_uid = parent.uid;
	return 0;
}

int identity_project_create(struct api_call *c, struct error *err)
{
	struct project p = { .description = "", .enabled = true, .created_us = c->now_us };
	const struct project_body *body = c->in;
	const struct bind_seen *seen = &c->seen;

	if (read_body(c, &p, body, seen, err) < 0)
		return -1;
	if (body->is_domain)
		return create_domain(c, &p, body, err);
	if (place(c, body, &p, err) < 0)
		return -1;
	p.id = new_id(c);
	p.uid = new_uid(c);
	if (store_project_insert(c->db, &p, err) < 0 || tags_set(c, p.id, body->tags, err) < 0)
		return -1;
	quota_index_parent(flow_quota(c->api->flows), p.id, p.parent_id);
	c->status = 201;
	c->target = p.uid;
	return reply(c, &p, err);
}

/* What cannot be moved may be said again, but not otherwise. */
static int check_unmoved(const struct project_body *body, const struct project *p, struct error *err)
{
	if (body->is_domain)
		return error_set(err, ERR_BAD_REQUEST, "project.is_domain cannot be changed");
	if (body->domain_id && !str_eq(body->domain_id, p->domain_uid))
		return error_set(err, ERR_BAD_REQUEST, "project.domain_id cannot be changed");
	if (body->parent_id && !str_eq(body->parent_id, p->parent_uid ? p->parent_uid : p->domain_uid))
		return error_set(err, ERR_FORBIDDEN, "project.parent_id cannot be changed");
	return 0;
}

/* What is enabled hangs on nothing that is disabled: else a token for it would hold when its parent's does
 * not. Which of the others is in the way is said to administrators only; no one else comes here. */
static int check_tree(struct api_call *c, const struct project *p, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct project other;
	int rc;

	if ((p->enabled ? store_project_above(c->db, p->id, &st, err)
			: store_project_below(c->db, p->id, &st, err)) < 0)
		return -1;
	while ((rc = store_project_next(st, NULL, &other, err)) > 0) {
		if (other.enabled == p->enabled)
			continue;
		return error_set(err, ERR_FORBIDDEN,
			p->enabled ? "Cannot enable project %.64s: %.64s above it is disabled."
				   : "Cannot disable project %.64s: %.64s below it is enabled.",
			p->uid, other.uid);
	}
	if (rc == 0 && p->enabled && !p->domain_enabled)
		return error_set(
			err, ERR_FORBIDDEN, "Cannot enable project %.64s: its domain is disabled.", p->uid);
	return rc;
}

int identity_project_update(struct api_call *c, struct error *err)
{
	const struct project_body *body = c->in;
	const struct bind_seen *seen = &c->seen;
	struct project p;
	struct domain d;
	bool was;
	int what = find(c, &p, &d, err);

	if (what != 1)
		return what < 0 ? -1 : update_domain(c, &d, err);
	was = p.enabled;
	if (read_body(c, &p, body, seen, err) < 0 || check_unmoved(body, &p, err) < 0 ||
		(was != p.enabled && check_tree(c, &p, err) < 0) || store_project_update(c->db, &p, err) < 0)
		return -1;
	if (seen_has(seen, TAGS) && tags_set(c, p.id, body->tags, err) < 0)
		return -1;
	if (was && !p.enabled && store_token_delete_project(c->db, p.id, err) < 0)
		return -1;
	tokens_changed(c);
	return reply(c, &p, err);
}

int identity_project_delete(struct api_call *c, struct error *err)
{
	struct project p;
	struct domain d;
	int what = find(c, &p, &d, err);

	if (what == 2)
		return domain_remove(c, &d, err);
	if (what < 0 || store_project_delete(c->db, p.id, c->now_us, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}
