/* SPDX-License-Identifier: Apache-2.0 */
/* /domains */
#include "api/identity/internal.h"
#include "domain/names.h"

struct domain_body {
	const char *name, *description;
	bool enabled;
	json_t *options, *tags;
};

enum { NAME, DESCRIPTION, ENABLED, OPTIONS, TAGS };

static const struct bind_field fields[] = {
	[NAME] = BIND(domain_body, name, "name", BIND_STR, 0, 1, 64),
	[DESCRIPTION] = BIND(domain_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[ENABLED] = BIND(domain_body, enabled, "enabled", BIND_BOOL, 0, 0, 0),
	[OPTIONS] = BODY_OPTIONS(domain_body),
	[TAGS] = BODY_TAGS(domain_body),
};

const struct bind_table identity_domain_create_body = { .top = "domain",
	BIND_TABLE(domain_body, fields),
	.required = 1u << NAME,
	.flags = BIND_LINKS,
	.more = &bind_item_any },
			identity_domain_update_body = { .top = "domain",
				BIND_TABLE(domain_body, fields),
				.flags = BIND_LINKS,
				.more = &bind_item_any };

static int reply(struct api_call *c, const struct domain *d)
{
	jw_object(&c->out);
	jw_key(&c->out, "domain");
	view_domain(c, d);
	jw_end_object(&c->out);
	return 0;
}

/* Lays the body over the row. */
static int apply(struct api_call *c, struct domain *d, struct error *err)
{
	const struct domain_body *body = c->in;
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, d->extra, &d->extra, err) < 0)
		return -1;
	if (json_array_size(body->tags))
		return error_set(err, ERR_BAD_REQUEST,
			"domain.tags: domains have no tags here; leave it out or empty");
	if (seen_has(seen, NAME) || !d->name) {
		if (name_check(NAME_DOMAIN, body->name, err) < 0)
			return -1;
		d->name = body->name;
	}
	if (body->description || seen_null(seen, DESCRIPTION))
		d->description = body->description ? body->description : "";
	if (seen_has(seen, ENABLED))
		d->enabled = body->enabled;
	return 0;
}

static int marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	struct domain d;

	if (store_domain_get(c->db, c->arena, uid, &d, err) < 0)
		return -1;
	*out_id = d.id;
	return 0;
}

int identity_domain_list(struct api_call *c, struct error *err)
{
	struct domain_filter f = { .name = api_query(c, "name"), .enabled = query_flag(c, "enabled") };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct list_page page;
	struct domain d;
	int rc, take;

	if (query_page(c, marker, &page, err) < 0 || store_domain_query(c->db, &f, &st, err) < 0)
		return -1;
	list_begin(c, "domains");
	while ((rc = store_domain_next(st, NULL, &d, err)) > 0) {
		take = list_take(c, &page, d.id, d.uid, d.name);
		if (take < 0)
			break;
		if (take)
			view_domain(c, &d);
	}
	list_end(c, page.next);
	return rc < 0 ? -1 : 0;
}

int identity_domain_create(struct api_call *c, struct error *err)
{
	struct domain d = { .description = "", .enabled = true };

	if (apply(c, &d, err) < 0)
		return -1;
	d.id = new_id(c);
	d.uid = new_uid(c);
	if (store_domain_insert(c->db, &d, err) < 0)
		return -1;
	c->status = 201;
	c->target = d.uid;
	return reply(c, &d);
}

int identity_domain_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "domain_id");
	struct domain d;

	/* everyone may see the domain of their user and project, and the default one */
	if (!api_is_admin(c) && !str_eq(uid, c->who->user_domain.uid) &&
		!str_eq(uid, c->who->project_domain.uid) && !str_eq(uid, c->who->domain.uid) &&
		!str_eq(uid, DOMAIN_DEFAULT_UID))
		return forbidden(err);
	return store_domain_get(c->db, c->arena, uid, &d, err) < 0 ? -1 : reply(c, &d);
}

int domain_save(struct api_call *c, const struct domain *d, bool was_enabled, struct error *err)
{
	if (store_domain_update(c->db, d, err) < 0)
		return -1;
	if (was_enabled && !d->enabled && store_token_delete_domain(c->db, d->id, err) < 0)
		return -1;
	tokens_changed(c);
	return 0;
}

int identity_domain_update(struct api_call *c, struct error *err)
{
	struct domain d;
	bool was;

	c->target = api_param(c, "domain_id");
	if (store_domain_get(c->db, c->arena, c->target, &d, err) < 0)
		return -1;
	was = d.enabled;
	if (apply(c, &d, err) < 0 || domain_save(c, &d, was, err) < 0)
		return -1;
	return reply(c, &d);
}

int domain_remove(struct api_call *c, const struct domain *d, struct error *err)
{
	if (str_eq(d->uid, DOMAIN_DEFAULT_UID))
		return error_set(err, ERR_FORBIDDEN, "The default domain cannot be deleted.");
	if (d->enabled)
		return error_set(err, ERR_FORBIDDEN,
			"Cannot delete a domain that is enabled, please disable it first.");
	if (store_token_delete_domain(c->db, d->id, err) < 0 ||
		store_domain_delete(c->db, d->id, c->now_us, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

int identity_domain_delete(struct api_call *c, struct error *err)
{
	struct domain d;

	c->target = api_param(c, "domain_id");
	return store_domain_get(c->db, c->arena, c->target, &d, err) < 0 ? -1 : domain_remove(c, &d, err);
}
