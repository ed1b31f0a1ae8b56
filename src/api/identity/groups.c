/* SPDX-License-Identifier: Apache-2.0 */
/* /groups and their members */
#include "api/identity/internal.h"
#include "domain/names.h"

struct group_body {
	const char *name, *description, *domain_id;
};

enum { NAME, DESCRIPTION, DOMAIN_ID };

static const struct bind_field fields[] = {
	[NAME] = BIND(group_body, name, "name", BIND_STR, 0, 1, 64),
	[DESCRIPTION] = BIND(group_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[DOMAIN_ID] = BIND(group_body, domain_id, "domain_id", BIND_STR, 0, 0, 64),
};

const struct bind_table identity_group_create_body = { .top = "group",
	BIND_TABLE(group_body, fields),
	.required = 1u << NAME,
	.flags = BIND_LINKS,
	.more = &bind_item_any },
			identity_group_update_body = { .top = "group",
				BIND_TABLE(group_body, fields),
				.flags = BIND_LINKS,
				.more = &bind_item_any };

static int reply(struct api_call *c, const struct user_group *g)
{
	jw_object(&c->out);
	jw_key(&c->out, "group");
	view_group(c, g);
	jw_end_object(&c->out);
	return 0;
}

/* Lays the body over the row. */
static int apply(struct api_call *c, const struct group_body *body, struct user_group *g, struct error *err)
{
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, g->extra, &g->extra, err) < 0)
		return -1;
	if (seen_has(seen, NAME) || !g->name) {
		/* as long as a project's */
		if (name_check(NAME_PROJECT, body->name, err) < 0)
			return -1;
		g->name = body->name;
	}
	if (body->description || seen_null(seen, DESCRIPTION))
		g->description = body->description ? body->description : "";
	return 0;
}

static int marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	struct user_group g;

	if (store_group_get(c->db, c->arena, uid, &g, err) < 0)
		return -1;
	*out_id = g.id;
	return 0;
}

int identity_group_list(struct api_call *c, struct error *err)
{
	struct user_group_filter f = { .name = api_query(c, "name"),
		.domain_uid = api_query(c, "domain_id") };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct list_page page;
	struct user_group g;
	int rc, take;

	if (query_page(c, marker, &page, err) < 0)
		return -1;
	f.after_id = page.after_id;
	f.limit = -1;
	if (store_group_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "groups");
	while ((rc = store_group_next(st, NULL, &g, err)) > 0) {
		take = list_take(c, &page, g.id, g.uid, g.name);
		if (take < 0)
			break;
		if (take)
			view_group(c, &g);
	}
	list_end(c, page.next);
	return rc < 0 ? -1 : 0;
}

int identity_group_create(struct api_call *c, struct error *err)
{
	struct user_group g = { .description = "" };
	const struct group_body *body = c->in;
	const char *domain_uid = body->domain_id          ? body->domain_id
				 : c->who->domain.id      ? c->who->domain.uid
				 : c->who->user_domain.id ? c->who->user_domain.uid
							  : DOMAIN_DEFAULT_UID;
	struct domain d;

	if (apply(c, body, &g, err) < 0)
		return -1;
	if (store_domain_get(c->db, c->arena, domain_uid, &d, err) < 0)
		return -1;
	g.id = new_id(c);
	g.uid = new_uid(c);
	g.domain_id = d.id;
	g.domain_uid = d.uid;
	if (store_group_insert(c->db, &g, err) < 0)
		return -1;
	c->status = 201;
	c->target = g.uid;
	return reply(c, &g);
}

static int find(struct api_call *c, struct user_group *g, struct error *err)
{
	c->target = api_param(c, "group_id");
	return store_group_get(c->db, c->arena, c->target, g, err);
}

int identity_group_show(struct api_call *c, struct error *err)
{
	struct user_group g;

	return find(c, &g, err) < 0 ? -1 : reply(c, &g);
}

int identity_group_update(struct api_call *c, struct error *err)
{
	const struct group_body *body = c->in;
	struct user_group g;

	if (find(c, &g, err) < 0 || apply(c, body, &g, err) < 0)
		return -1;
	if (body->domain_id && !str_eq(body->domain_id, g.domain_uid))
		return error_set(err, ERR_BAD_REQUEST, "group.domain_id cannot be changed");
	return store_group_update(c->db, &g, err) < 0 ? -1 : reply(c, &g);
}

int identity_group_delete(struct api_call *c, struct error *err)
{
	struct user_group g;

	if (find(c, &g, err) < 0 || store_group_delete(c->db, g.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

/* --- members --- */

static int find_both(struct api_call *c, struct user_group *g, struct user *u, struct error *err)
{
	return find(c, g, err) < 0 ? -1 : store_user_get(c->db, c->arena, api_param(c, "user_id"), u, err);
}

static int not_member(const struct user_group *g, const struct user *u, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "User %.64s is not found in group %.64s.", u->uid, g->uid);
}

int identity_member_add(struct api_call *c, struct error *err)
{
	struct user_group g;
	struct user u;

	if (find_both(c, &g, &u, err) < 0 || store_group_member_add(c->db, g.id, u.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

int identity_member_check(struct api_call *c, struct error *err)
{
	struct user_group g;
	struct user u;
	int rc;

	if (find_both(c, &g, &u, err) < 0)
		return -1;
	rc = store_group_member_has(c->db, g.id, u.id, err);
	if (rc == 0)
		return not_member(&g, &u, err);
	return rc < 0 ? -1 : no_content(c);
}

int identity_member_remove(struct api_call *c, struct error *err)
{
	struct user_group g;
	struct user u;
	int rc;

	if (find_both(c, &g, &u, err) < 0)
		return -1;
	rc = store_group_member_remove(c->db, g.id, u.id, err);
	if (rc == 0)
		return not_member(&g, &u, err);
	/* which of the user's tokens rest on the group's roles is not known */
	if (rc < 0 || store_token_delete_user(c->db, u.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}
