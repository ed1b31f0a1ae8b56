/* SPDX-License-Identifier: Apache-2.0 */
/* /services: cloudd's own, and those that the operator added for clients to find in the catalog. */
#include "api/identity/catalog.h"

struct service_body {
	const char *type, *name, *description;
	bool enabled;
};

enum { TYPE, NAME, DESCRIPTION, ENABLED };

static const struct bind_field fields[] = {
	[TYPE] = BIND(service_body, type, "type", BIND_STR, 0, 1, 255),
	[NAME] = BIND(service_body, name, "name", BIND_STR, 0, 0, 255),
	[DESCRIPTION] =
		BIND(service_body, description, "description", BIND_STR, BIND_NULL, 0, DESCRIPTION_MAX),
	[ENABLED] = BIND(service_body, enabled, "enabled", BIND_BOOL, 0, 0, 0),
};

const struct bind_table identity_service_create_body = { .top = "service",
	BIND_TABLE(service_body, fields),
	.required = 1u << TYPE,
	.flags = BIND_LINKS,
	.more = &bind_item_any };
const struct bind_table identity_service_update_body = {
	.top = "service", BIND_TABLE(service_body, fields), .flags = BIND_LINKS, .more = &bind_item_any
};

static void view(struct api_call *c, const struct catalog_service *s)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", s->uid);
	jw_kv_str(&c->out, "type", s->type);
	if (s->name)
		jw_kv_str(&c->out, "name", s->name);
	if (s->description)
		jw_kv_str(&c->out, "description", s->description);
	jw_kv_bool(&c->out, "enabled", s->enabled);
	view_extra(c, s->extra);
	view_links(c, "services/%s", s->uid);
	jw_end_object(&c->out);
}

static int reply(struct api_call *c, const struct catalog_service *s)
{
	jw_object(&c->out);
	jw_key(&c->out, "service");
	view(c, s);
	jw_end_object(&c->out);
	return 0;
}

/* Lays the body over the row. */
static int apply(struct api_call *c, struct catalog_service *s, struct error *err)
{
	const struct service_body *body = c->in;
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, s->extra, &s->extra, err) < 0)
		return -1;
	if (body->type)
		s->type = body->type;
	if (body->name)
		s->name = body->name;
	if (seen_has(seen, DESCRIPTION))
		s->description = body->description;
	if (seen_has(seen, ENABLED))
		s->enabled = body->enabled;
	return 0;
}

int identity_service_list(struct api_call *c, struct error *err)
{
	struct catalog k;

	if (catalog_load(c, &k, err) < 0)
		return -1;
	list_begin(c, "services");
	for (size_t i = 0; i < k.services_n; i++)
		if (catalog_wanted(c, "type", k.services[i].type) &&
			catalog_wanted(c, "name", k.services[i].name))
			view(c, &k.services[i]);
	list_end(c, NULL);
	return 0;
}

/* The path's. */
static const struct catalog_service *find(struct api_call *c, struct error *err)
{
	struct catalog k;

	c->target = api_param(c, "service_id");
	return catalog_load(c, &k, err) < 0 ? NULL : catalog_service(&k, c->target, err);
}

int identity_service_show(struct api_call *c, struct error *err)
{
	const struct catalog_service *s = find(c, err);

	return s ? reply(c, s) : -1;
}

int identity_service_create(struct api_call *c, struct error *err)
{
	struct catalog_service s = { .id = new_id(c), .uid = new_uid(c), .enabled = true };

	if (apply(c, &s, err) < 0 || store_service_insert(c->db, &s, err) < 0)
		return -1;
	c->status = 201;
	c->target = s.uid;
	return reply(c, &s);
}

int identity_service_update(struct api_call *c, struct error *err)
{
	const struct catalog_service *old = find(c, err);
	struct catalog_service s;

	if (!old || catalog_changeable(old->id, err) < 0)
		return -1;
	s = *old;
	if (apply(c, &s, err) < 0 || store_service_update(c->db, &s, err) < 0)
		return -1;
	return reply(c, &s);
}

int identity_service_delete(struct api_call *c, struct error *err)
{
	const struct catalog_service *s = find(c, err);

	if (!s || catalog_changeable(s->id, err) < 0 || store_service_remove(c->db, s, err) < 0)
		return -1;
	return no_content(c);
}
