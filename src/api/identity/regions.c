/* SPDX-License-Identifier: Apache-2.0 */
/* /regions: cloudd's own region, and others that endpoints of the catalog are in. */
#include "api/identity/catalog.h"

struct region_body {
	const char *id, *description, *parent_id;
};

enum { ID, DESCRIPTION, PARENT_ID };

static const struct bind_field fields[] = {
	[ID] = BIND(region_body, id, "id", BIND_STR, 0, 1, 255),
	[DESCRIPTION] = BIND(region_body, description, "description", BIND_STR, 0, 0, DESCRIPTION_MAX),
	[PARENT_ID] = BIND(region_body, parent_id, "parent_region_id", BIND_STR, BIND_NULL, 1, 255),
};

const struct bind_table identity_region_body = {
	.top = "region", BIND_TABLE(region_body, fields), .flags = BIND_LINKS, .more = &bind_item_any
};

static void view(struct api_call *c, const struct catalog_region *r)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", r->uid);
	jw_kv_str(&c->out, "description", r->description);
	jw_kv_str(&c->out, "parent_region_id", r->parent_uid);
	view_extra(c, r->extra);
	view_links(c, "regions/%s", r->uid);
	jw_end_object(&c->out);
}

static int reply(struct api_call *c, const struct catalog_region *r)
{
	jw_object(&c->out);
	jw_key(&c->out, "region");
	view(c, r);
	jw_end_object(&c->out);
	return 0;
}

/* A region is in none of those that are in it. */
static int check_parent(const struct catalog *k, const char *uid, const char *parent_uid, struct error *err)
{
	const struct catalog_region *r;

	for (size_t depth = 0; parent_uid; depth++) {
		if (str_eq(parent_uid, uid) || depth > k->regions_n)
			return error_set(err, ERR_BAD_REQUEST,
				"region.parent_region_id: region %.255s would be in itself", uid);
		r = catalog_region(k, parent_uid, err);
		if (!r)
			return -1;
		parent_uid = r->parent_uid;
	}
	return 0;
}

/* Lays the body over the row. path_uid: the id that the path gives, or NULL. */
static int apply(struct api_call *c, const struct catalog *k, const char *path_uid, struct catalog_region *r,
	struct error *err)
{
	const struct region_body *body = c->in;
	const struct bind_seen *seen = &c->seen;

	if (body_extra(c, r->extra, &r->extra, err) < 0)
		return -1;
	if (path_uid && body->id && !str_eq(body->id, path_uid))
		return error_set(err, ERR_BAD_REQUEST, "region.id must be the path's: %.255s", path_uid);
	r->uid = path_uid ? path_uid : body->id ? body->id : new_uid(c);
	if (body->description)
		r->description = body->description;
	if (seen_has(seen, PARENT_ID))
		r->parent_uid = body->parent_id;
	return check_parent(k, r->uid, r->parent_uid, err);
}

int identity_region_list(struct api_call *c, struct error *err)
{
	struct catalog k;

	if (catalog_load(c, &k, err) < 0)
		return -1;
	list_begin(c, "regions");
	for (size_t i = 0; i < k.regions_n; i++)
		if (catalog_wanted(c, "parent_region_id", k.regions[i].parent_uid))
			view(c, &k.regions[i]);
	list_end(c, NULL);
	return 0;
}

int identity_region_show(struct api_call *c, struct error *err)
{
	const struct catalog_region *r;
	struct catalog k;

	if (catalog_load(c, &k, err) < 0)
		return -1;
	r = catalog_region(&k, api_param(c, "region_id"), err);
	return r ? reply(c, r) : -1;
}

static int create(struct api_call *c, const char *path_uid, struct error *err)
{
	struct catalog_region r = { .id = new_id(c), .description = "" };
	struct error none;
	struct catalog k;

	if (catalog_load(c, &k, err) < 0 || apply(c, &k, path_uid, &r, err) < 0)
		return -1;
	if (catalog_region(&k, r.uid, &none))
		return error_set(err, ERR_CONFLICT, "Duplicate ID, %.255s.", r.uid);
	if (store_region_insert(c->db, &r, err) < 0)
		return -1;
	c->status = 201;
	c->target = r.uid;
	return reply(c, &r);
}

int identity_region_create(struct api_call *c, struct error *err)
{
	return create(c, NULL, err);
}

int identity_region_put(struct api_call *c, struct error *err)
{
	return create(c, api_param(c, "region_id"), err);
}

int identity_region_update(struct api_call *c, struct error *err)
{
	const struct catalog_region *old;
	struct catalog_region r;
	struct catalog k;

	c->target = api_param(c, "region_id");
	if (catalog_load(c, &k, err) < 0 || !(old = catalog_region(&k, c->target, err)) ||
		catalog_changeable(old->id, err) < 0)
		return -1;
	r = *old;
	if (apply(c, &k, old->uid, &r, err) < 0 || store_region_update(c->db, &r, err) < 0)
		return -1;
	return reply(c, &r);
}

int identity_region_delete(struct api_call *c, struct error *err)
{
	const struct catalog_region *r;
	struct catalog k;

	c->target = api_param(c, "region_id");
	if (catalog_load(c, &k, err) < 0 || !(r = catalog_region(&k, c->target, err)) ||
		catalog_changeable(r->id, err) < 0 || store_region_remove(c->db, r, err) < 0)
		return -1;
	return no_content(c);
}
