/* SPDX-License-Identifier: Apache-2.0 */
/* /roles, and which role implies which */
#include "api/identity/internal.h"
#include "domain/names.h"

struct role_body {
	const char *name, *description, *domain_id;
	json_t *options;
};

enum { NAME, DESCRIPTION, DOMAIN_ID, OPTIONS };

static const struct bind_field fields[] = {
	[NAME] = BIND(role_body, name, "name", BIND_STR, 0, 1, 255),
	[DESCRIPTION] = BIND(role_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[DOMAIN_ID] = BIND(role_body, domain_id, "domain_id", BIND_STR, 0, 0, 64),
	[OPTIONS] = BODY_OPTIONS(role_body),
};

const struct bind_table identity_role_create_body = { .top = "role",
	BIND_TABLE(role_body, fields),
	.required = 1u << NAME,
	.flags = BIND_LINKS,
	.more = &bind_item_any },
			identity_role_update_body = { .top = "role",
				BIND_TABLE(role_body, fields),
				.flags = BIND_LINKS,
				.more = &bind_item_any };

static int reply(struct api_call *c, const struct role *r)
{
	jw_object(&c->out);
	jw_key(&c->out, "role");
	view_role(c, r);
	jw_end_object(&c->out);
	return 0;
}

/* admin, member and reader are what the code checks for: they stay as they are. */
static int check_ours(const struct role *r, struct error *err)
{
	if (r->id == ROLE_ID_ADMIN || r->id == ROLE_ID_MEMBER || r->id == ROLE_ID_READER)
		return error_set(err, ERR_FORBIDDEN,
			"The role %s is built in: it cannot be changed or deleted.", r->name);
	return 0;
}

static int apply(struct api_call *c, const struct role_body *body, struct role *r, struct error *err)
{
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, r->extra, &r->extra, err) < 0)
		return -1;
	if (seen_has(seen, NAME) || !r->name) {
		if (name_check(NAME_ROLE, body->name, err) < 0)
			return -1;
		r->name = body->name;
	}
	if (body->description || seen_null(seen, DESCRIPTION))
		r->description = body->description;
	return 0;
}

static int marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	struct role r;

	if (store_role_get(c->db, c->arena, uid, &r, err) < 0)
		return -1;
	*out_id = r.id;
	return 0;
}

int identity_role_list(struct api_call *c, struct error *err)
{
	struct role_filter f = { .name = api_query(c, "name"), .domain_uid = api_query(c, "domain_id") };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct list_page page;
	struct role r;
	int rc, take;

	if (query_page(c, marker, &page, err) < 0 || store_role_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "roles");
	while ((rc = store_role_next(st, NULL, &r, err)) > 0) {
		take = list_take(c, &page, r.id, r.uid, r.name);
		if (take < 0)
			break;
		if (take)
			view_role(c, &r);
	}
	list_end(c, page.next);
	return rc < 0 ? -1 : 0;
}

int identity_role_create(struct api_call *c, struct error *err)
{
	const struct role_body *body = c->in;
	struct domain d = { 0 };
	struct role r = { 0 };

	if (apply(c, body, &r, err) < 0 ||
		(body->domain_id && store_domain_get(c->db, c->arena, body->domain_id, &d, err) < 0))
		return -1;
	r.id = new_id(c);
	r.uid = new_uid(c);
	r.domain_id = d.id;
	r.domain_uid = d.uid;
	if (store_role_insert(c->db, &r, err) < 0)
		return -1;
	c->status = 201;
	c->target = r.uid;
	return reply(c, &r);
}

static int find(struct api_call *c, struct role *r, struct error *err)
{
	c->target = api_param(c, "role_id");
	return store_role_get(c->db, c->arena, c->target, r, err);
}

int identity_role_show(struct api_call *c, struct error *err)
{
	struct role r;

	return find(c, &r, err) < 0 ? -1 : reply(c, &r);
}

int identity_role_update(struct api_call *c, struct error *err)
{
	const struct role_body *body = c->in;
	struct role r;

	if (find(c, &r, err) < 0 || check_ours(&r, err) < 0 || apply(c, body, &r, err) < 0)
		return -1;
	if (body->domain_id && !str_eq(body->domain_id, r.domain_uid))
		return error_set(err, ERR_BAD_REQUEST, "role.domain_id cannot be changed");
	if (store_role_update(c->db, &r, err) < 0)
		return -1;
	tokens_changed(c);
	return reply(c, &r);
}

int identity_role_delete(struct api_call *c, struct error *err)
{
	struct role r;

	if (find(c, &r, err) < 0 || check_ours(&r, err) < 0 || store_role_delete(c->db, r.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

/* --- implied roles --- */

static int find_pair(struct api_call *c, struct role *prior, struct role *implied, struct error *err)
{
	return find(c, prior, err) < 0
		       ? -1
		       : store_role_get(c->db, c->arena, api_param(c, "implied_id"), implied, err);
}

static void view_short(struct api_call *c, const struct role *r)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", r->uid);
	jw_kv_str(&c->out, "name", r->name);
	view_links(c, "roles/%s", r->uid);
	jw_end_object(&c->out);
}

static int reply_pair(struct api_call *c, const struct role *prior, const struct role *implied)
{
	jw_object(&c->out);
	jw_key(&c->out, "role_inference");
	jw_object(&c->out);
	jw_key(&c->out, "prior_role");
	view_short(c, prior);
	jw_key(&c->out, "implies");
	view_short(c, implied);
	jw_end_object(&c->out);
	view_links(c, "roles/%s/implies/%s", prior->uid, implied->uid);
	jw_end_object(&c->out);
	return 0;
}

/* {"prior_role": …, "implies": […]} */
static int view_implied(struct api_call *c, const struct role *prior, struct error *err)
{
	struct role_filter f = { .implied_by = prior->id, .all = true };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct role r;
	int rc;

	if (store_role_query(c->db, &f, &st, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "prior_role");
	view_short(c, prior);
	jw_key(&c->out, "implies");
	jw_array(&c->out);
	while ((rc = store_role_next(st, NULL, &r, err)) > 0)
		view_short(c, &r);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return rc;
}

int identity_implied_list(struct api_call *c, struct error *err)
{
	struct role r;

	if (find(c, &r, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "role_inference");
	if (view_implied(c, &r, err) < 0)
		return -1;
	view_links(c, "roles/%s/implies", r.uid);
	jw_end_object(&c->out);
	return 0;
}

int identity_inference_list(struct api_call *c, struct error *err)
{
	struct role_filter f = { .all = true }, below = { .all = true };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct role r, any;
	int rc, has;

	if (store_role_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "role_inferences");
	while ((rc = store_role_next(st, c->arena, &r, err)) > 0) {
		CLEANUP(db_done) sqlite3_stmt *some = NULL;

		below.implied_by = r.id;
		if (store_role_query(c->db, &below, &some, err) < 0)
			return -1;
		has = store_role_next(some, NULL, &any, err);
		if (has < 0 || (has && view_implied(c, &r, err) < 0))
			return -1;
	}
	list_end(c, NULL);
	return rc;
}

int identity_implied_add(struct api_call *c, struct error *err)
{
	struct role prior, implied;
	int circle;

	if (find_pair(c, &prior, &implied, err) < 0)
		return -1;
	if (implied.id == ROLE_ID_ADMIN)
		return error_set(err, ERR_FORBIDDEN, "The role admin cannot be implied by another.");
	if (implied.domain_id && !prior.domain_id)
		return error_set(err, ERR_FORBIDDEN,
			"A role of a domain cannot be implied by one of the whole cloud.");
	circle = store_role_implies_reaches(c->db, implied.id, prior.id, err);
	if (circle < 0)
		return -1;
	if (circle)
		return error_set(err, ERR_CONFLICT, "The role %.64s would imply itself.", prior.uid);
	if (store_role_implies_add(c->db, prior.id, implied.id, err) < 0)
		return -1;
	tokens_changed(c);
	c->status = 201;
	return reply_pair(c, &prior, &implied);
}

static int not_implied(const struct role *prior, const struct role *implied, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "%.64s does not imply %.64s.", prior->uid, implied->uid);
}

/* 0 when it does. */
static int find_implied(struct api_call *c, struct role *prior, struct role *implied, struct error *err)
{
	int rc;

	if (find_pair(c, prior, implied, err) < 0)
		return -1;
	rc = store_role_implies_has(c->db, prior->id, implied->id, err);
	return rc == 0 ? not_implied(prior, implied, err) : rc < 0 ? -1 : 0;
}

int identity_implied_show(struct api_call *c, struct error *err)
{
	struct role prior, implied;

	return find_implied(c, &prior, &implied, err) < 0 ? -1 : reply_pair(c, &prior, &implied);
}

int identity_implied_check(struct api_call *c, struct error *err)
{
	struct role prior, implied;

	return find_implied(c, &prior, &implied, err) < 0 ? -1 : no_content(c);
}

int identity_implied_remove(struct api_call *c, struct error *err)
{
	struct role prior, implied;

	if (find_implied(c, &prior, &implied, err) < 0)
		return -1;
	if (prior.id <= ROLE_ID_MEMBER && implied.id <= ROLE_ID_READER)
		return error_set(
			err, ERR_FORBIDDEN, "That %s implies %s is built in.", prior.name, implied.name);
	if (store_role_implies_remove(c->db, prior.id, implied.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}
