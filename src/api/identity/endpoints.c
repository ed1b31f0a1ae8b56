/* SPDX-License-Identifier: Apache-2.0 */
/* /endpoints: where the services of the catalog are. The operator may also add one to a service of cloudd's
 * own, as for another region. */
#include "api/identity/catalog.h"

struct endpoint_body {
	const char *interface, *url, *service_id, *region_id, *region;
	bool enabled;
};

enum { INTERFACE, URL, SERVICE_ID, REGION_ID, REGION, ENABLED };

static const char *const interface_words[] = { "public", "internal", "admin", NULL };

/* "region" is the older name of region_id; a region that is not there is made. */
static const struct bind_field fields[] = {
	[INTERFACE] = { .name = "interface",
		.type = BIND_STR,
		.offset = offsetof(struct endpoint_body, interface),
		.words = interface_words },
	[URL] = BIND(endpoint_body, url, "url", BIND_STR, 0, 1, 2048),
	[SERVICE_ID] = BIND(endpoint_body, service_id, "service_id", BIND_STR, 0, 1, 64),
	[REGION_ID] = BIND(endpoint_body, region_id, "region_id", BIND_STR, BIND_NULL, 1, 255),
	[REGION] = BIND(endpoint_body, region, "region", BIND_STR, BIND_NULL, 1, 255),
	[ENABLED] = BIND(endpoint_body, enabled, "enabled", BIND_BOOL, 0, 0, 0),
};

const struct bind_table identity_endpoint_create_body = { .top = "endpoint",
	BIND_TABLE(endpoint_body, fields),
	.required = 1u << INTERFACE | 1u << URL | 1u << SERVICE_ID,
	.flags = BIND_LINKS,
	.more = &bind_item_any };
const struct bind_table identity_endpoint_update_body = {
	.top = "endpoint", BIND_TABLE(endpoint_body, fields), .flags = BIND_LINKS, .more = &bind_item_any
};

static void view(struct api_call *c, const struct catalog_endpoint *e)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", e->uid);
	jw_kv_str(&c->out, "interface", e->interface);
	jw_kv_str(&c->out, "url", e->url);
	jw_kv_str(&c->out, "service_id", e->service_uid);
	jw_kv_str(&c->out, "region", e->region_uid);
	jw_kv_str(&c->out, "region_id", e->region_uid);
	jw_kv_bool(&c->out, "enabled", e->enabled);
	view_extra(c, e->extra);
	view_links(c, "endpoints/%s", e->uid);
	jw_end_object(&c->out);
}

static int reply(struct api_call *c, const struct catalog_endpoint *e)
{
	jw_object(&c->out);
	jw_key(&c->out, "endpoint");
	view(c, e);
	jw_end_object(&c->out);
	return 0;
}

static int region_make(struct api_call *c, const struct catalog *k, const char *uid, struct error *err)
{
	struct catalog_region r = { .id = new_id(c), .uid = uid, .description = "", .extra = "{}" };

	return catalog_region(k, uid, err) ? 0 : store_region_insert(c->db, &r, err);
}

static int apply_region(struct api_call *c, const struct catalog *k, const struct endpoint_body *body,
	const struct bind_seen *seen, struct catalog_endpoint *e, struct error *err)
{
	if (body->region_id && !catalog_region(k, body->region_id, err))
		return error_set(err, ERR_BAD_REQUEST, "endpoint.region_id: there is no region %.255s",
			body->region_id);
	if (!body->region_id && body->region && region_make(c, k, body->region, err) < 0)
		return -1;
	if (seen_has(seen, REGION_ID) || seen_has(seen, REGION))
		e->region_uid = body->region_id ? body->region_id : body->region;
	return 0;
}

/* Lays the body over the row. */
static int apply(struct api_call *c, const struct catalog *k, struct catalog_endpoint *e, struct error *err)
{
	const struct endpoint_body *body = c->in;
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, e->extra, &e->extra, err) < 0)
		return -1;
	if (body->service_id && !catalog_service(k, body->service_id, err))
		return error_set(err, ERR_BAD_REQUEST, "endpoint.service_id: there is no service %.64s",
			body->service_id);
	if (apply_region(c, k, body, seen, e, err) < 0)
		return -1;
	if (body->interface)
		e->interface = body->interface;
	if (body->url)
		e->url = body->url;
	if (body->service_id)
		e->service_uid = body->service_id;
	if (seen_has(seen, ENABLED))
		e->enabled = body->enabled;
	return 0;
}

int identity_endpoint_list(struct api_call *c, struct error *err)
{
	struct catalog k;

	if (catalog_load(c, &k, err) < 0)
		return -1;
	list_begin(c, "endpoints");
	for (size_t i = 0; i < k.endpoints_n; i++) {
		const struct catalog_endpoint *e = &k.endpoints[i];

		if (catalog_wanted(c, "service_id", e->service_uid) &&
			catalog_wanted(c, "interface", e->interface) &&
			catalog_wanted(c, "region_id", e->region_uid) &&
			catalog_wanted(c, "region", e->region_uid))
			view(c, e);
	}
	list_end(c, NULL);
	return 0;
}

/* The path's. */
static const struct catalog_endpoint *find(struct api_call *c, struct catalog *k, struct error *err)
{
	c->target = api_param(c, "endpoint_id");
	return catalog_load(c, k, err) < 0 ? NULL : catalog_endpoint(k, c->target, err);
}

int identity_endpoint_show(struct api_call *c, struct error *err)
{
	struct catalog k;
	const struct catalog_endpoint *e = find(c, &k, err);

	return e ? reply(c, e) : -1;
}

int identity_endpoint_create(struct api_call *c, struct error *err)
{
	struct catalog_endpoint e = { .id = new_id(c), .uid = new_uid(c), .enabled = true };
	struct catalog k;

	if (catalog_load(c, &k, err) < 0 || apply(c, &k, &e, err) < 0 ||
		store_endpoint_insert(c->db, &e, err) < 0)
		return -1;
	c->status = 201;
	c->target = e.uid;
	return reply(c, &e);
}

int identity_endpoint_update(struct api_call *c, struct error *err)
{
	struct catalog k;
	const struct catalog_endpoint *old = find(c, &k, err);
	struct catalog_endpoint e;

	if (!old || catalog_changeable(old->id, err) < 0)
		return -1;
	e = *old;
	if (apply(c, &k, &e, err) < 0 || store_endpoint_update(c->db, &e, err) < 0)
		return -1;
	return reply(c, &e);
}

int identity_endpoint_delete(struct api_call *c, struct error *err)
{
	struct catalog k;
	const struct catalog_endpoint *e = find(c, &k, err);

	if (!e || catalog_changeable(e->id, err) < 0 || store_endpoint_remove(c->db, e->id, err) < 0)
		return -1;
	return no_content(c);
}
