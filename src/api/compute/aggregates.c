/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates: hosts that have something in common, as metadata says; also what makes availability zones. */
#include "store/aggregates.h"

#include <string.h>

#include "api/compute/host_view.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/flavor.h"
#include "domain/names.h"
#include "store/server_refs.h"

/* --- views */

static void metadata_view(struct api_call *c, const struct aggregate *g)
{
	jw_key(&c->out, "metadata");
	jw_object(&c->out);
	for (size_t i = 0; i < g->metadata_n; i++)
		jw_kv_str(&c->out, g->metadata[i].key, g->metadata[i].value);
	jw_end_object(&c->out);
}

static void hosts_view(struct api_call *c, const struct aggregate *g)
{
	jw_key(&c->out, "hosts");
	jw_array(&c->out);
	for (size_t i = 0; i < g->hosts_n; i++)
		jw_str(&c->out, g->hosts[i]);
	jw_end_array(&c->out);
}

static void view(struct api_call *c, const struct aggregate *g, bool with_parts)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_int(b, "id", g->id);
	jw_kv_str(b, "name", g->name);
	jw_kv_str(b, "availability_zone", g->zone);
	if (with_parts) {
		hosts_view(c, g);
		metadata_view(c, g);
	}
	compute_time(b, "created_at", g->created_us, true);
	compute_time(b, "updated_at", g->updated_us, true);
	jw_kv_bool(b, "deleted", false);
	jw_kv_null(b, "deleted_at");
	if (since(c, 41))
		jw_kv_str(b, "uuid", g->uid);
	jw_end_object(b);
}

static int reply(struct api_call *c, int64_t id, bool with_parts, struct error *err)
{
	struct aggregate g;

	if (store_aggregate_get(c->db, c->arena, id, &g, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "aggregate");
	view(c, &g, with_parts);
	jw_end_object(&c->out);
	return 0;
}

int compute_aggregate_list(struct api_call *c, struct error *err)
{
	struct aggregate *list;
	size_t n;

	if (store_aggregate_list(c->db, c->arena, &list, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "aggregates");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		view(c, &list[i], true);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int read_id(struct api_call *c, int64_t *out, struct error *err)
{
	c->target = api_param(c, "aggregate_id");
	if (str_int64(c->target, INT64_MIN, INT64_MAX, out))
		return 0; /* one below 0 is an id that there is not */
	return error_set(err, ERR_BAD_REQUEST, "an aggregate's id is a number, not '%.64s'", c->target);
}

int compute_aggregate_show(struct api_call *c, struct error *err)
{
	int64_t id;

	return read_id(c, &id, err) < 0 ? -1 : reply(c, id, true, err);
}

/* --- create, update, delete */

struct aggregate_body {
	const char *name, *zone;
};

enum { NAME_FIELD, ZONE_FIELD };

static const struct bind_field create_fields[] = {
	[NAME_FIELD] = BIND(aggregate_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	[ZONE_FIELD] = BIND(aggregate_body, zone, "availability_zone", BIND_STR, BIND_NULL, 1, 255),
};
static const struct bind_field update_fields[] = {
	[NAME_FIELD] = BIND(aggregate_body, name, "name", BIND_STR, 0, 1, 255),
	[ZONE_FIELD] = BIND(aggregate_body, zone, "availability_zone", BIND_STR, BIND_NULL, 1, 255),
};
const struct bind_table compute_aggregate_create_body = { .top = "aggregate",
	BIND_TABLE(aggregate_body, create_fields) };
const struct bind_table compute_aggregate_update_body = { .top = "aggregate",
	BIND_TABLE(aggregate_body, update_fields) };

static int check_body(const struct aggregate_body *in, struct error *err)
{
	if (in->name && (in->name[0] == ' ' || in->name[strlen(in->name) - 1] == ' '))
		return error_set(err, ERR_BAD_REQUEST, "aggregate.name must not begin or end with a blank");
	if ((in->name && name_check(NAME_AGGREGATE, in->name, err) < 0) ||
		(in->zone && name_check(NAME_ZONE, in->zone, err) < 0))
		return -1;
	return 0;
}

static int change(struct api_call *c, int64_t id, const struct aggregate_change *what, struct error *err)
{
	return flow_aggregate_change(c->api->flows, c->db, c->arena, id, what, c->now_us, err);
}

int compute_aggregate_create(struct api_call *c, struct error *err)
{
	const struct aggregate_body *in = c->in;
	struct aggregate g = { .name = in->name, .created_us = c->now_us };
	char uid[UUID_TEXT];

	if (check_body(in, err) < 0)
		return -1;
	uuid_make(c->api->loop->rng, uid);
	g.id = store_next_id(c->api->store);
	g.uid = uid;
	c->target = arena_printf(c->arena, "%lld", (long long)g.id);
	if (store_aggregate_insert(c->db, &g, err) < 0 ||
		(in->zone && store_aggregate_metadata_set(c->db, g.id, AGGREGATE_ZONE, in->zone, err) < 0))
		return -1;
	return reply(c, g.id, false, err);
}

int compute_aggregate_update(struct api_call *c, struct error *err)
{
	const struct aggregate_body *in = c->in;
	const struct server_pair zone = { AGGREGATE_ZONE, in->zone };
	const struct aggregate_change what = {
		.name = in->name, .metadata = &zone, .metadata_n = c->seen.present >> ZONE_FIELD & 1
	};
	int64_t id;

	if (!c->seen.present)
		return error_set(err, ERR_BAD_REQUEST, "aggregate needs 'name' or 'availability_zone'");
	if (check_body(in, err) < 0 || read_id(c, &id, err) < 0 || change(c, id, &what, err) < 0)
		return -1;
	return reply(c, id, true, err);
}

int compute_aggregate_delete(struct api_call *c, struct error *err)
{
	struct aggregate g;
	int64_t id;

	if (read_id(c, &id, err) < 0 || store_aggregate_get(c->db, c->arena, id, &g, err) < 0)
		return -1;
	if (g.hosts_n)
		return error_set(err, ERR_BAD_REQUEST,
			"Cannot remove aggregate %lld: it has %zu hosts; remove these first.", (long long)id,
			g.hosts_n);
	c->status = 200;
	return store_aggregate_delete(c->db, id, err);
}

/* --- actions */

struct host_args {
	const char *host;
};

struct metadata_args {
	json_t *metadata;
};

struct action_body {
	const struct host_args *add_host, *remove_host;
	const struct metadata_args *set_metadata;
};

static const struct bind_field host_fields[] = {
	BIND(host_args, host, "host", BIND_STR, BIND_REQUIRED, 1, 255),
};
static const struct bind_table host_table = { BIND_TABLE(host_args, host_fields) };

static const struct bind_field metadata_value = { .type = BIND_STR, .flags = BIND_NULL, .max = 255 };
static const struct bind_table metadata_map = { .more = &metadata_value };
static const struct bind_field metadata_fields[] = {
	{ .name = "metadata",
		.type = BIND_OBJ,
		.offset = offsetof(struct metadata_args, metadata),
		.flags = BIND_REQUIRED | BIND_JSON,
		.table = &metadata_map },
};
static const struct bind_table metadata_table = { BIND_TABLE(metadata_args, metadata_fields) };

static const struct bind_field action_fields[] = {
	{ .name = "add_host",
		.type = BIND_OBJ,
		.offset = offsetof(struct action_body, add_host),
		.table = &host_table },
	{ .name = "remove_host",
		.type = BIND_OBJ,
		.offset = offsetof(struct action_body, remove_host),
		.table = &host_table },
	{ .name = "set_metadata",
		.type = BIND_OBJ,
		.offset = offsetof(struct action_body, set_metadata),
		.table = &metadata_table },
};
const struct bind_table compute_aggregate_action_body = { BIND_TABLE(action_body, action_fields),
	.flags = BIND_ONE };

/* What is understood has to make sense. */
static int check_pair(const struct server_pair *m, struct error *err)
{
	if (name_check(NAME_AGGREGATE_KEY, m->key, err) < 0)
		return -1;
	if (m->value && strcmp(m->key, AGGREGATE_ZONE) == 0)
		return name_check(NAME_ZONE, m->value, err);
	if (m->value && strcmp(m->key, FLAVOR_EXCLUSIVE_HOST) == 0 && strcmp(m->value, "true") != 0 &&
		strcmp(m->value, "false") != 0)
		return error_set(err, ERR_BAD_REQUEST, "metadata.%s must be true or false", m->key);
	if (m->value && str_starts(m->key, "trait:") && strcmp(m->value, "required") != 0)
		return error_set(err, ERR_BAD_REQUEST, "metadata.%.80s must be required", m->key);
	return 0;
}

static int read_metadata(
	struct api_call *c, json_t *map, struct server_pair **out, size_t *out_n, struct error *err)
{
	struct server_pair *pairs = ARENA_ARRAY(c->arena, struct server_pair, json_object_size(map) + 1);
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach(map, key, value)
	{
		pairs[n] = (struct server_pair) { key, json_string_value(value) };
		if (check_pair(&pairs[n++], err) < 0)
			return -1;
	}
	*out = pairs;
	*out_n = n;
	return 0;
}

static int read_change(struct api_call *c, struct aggregate_change *out, struct error *err)
{
	const struct action_body *in = c->in;
	const struct host_args *args = in->add_host ? in->add_host : in->remove_host;
	struct server_pair *pairs;
	struct host_row h;

	*out = (struct aggregate_change) { 0 };
	if (!args) {
		c->action = "aggregate.set_metadata";
		if (!in->set_metadata)
			return error_set(err, ERR_BAD_REQUEST, "the action needs its arguments");
		if (read_metadata(c, in->set_metadata->metadata, &pairs, &out->metadata_n, err) < 0)
			return -1;
		out->metadata = pairs;
		return 0;
	}
	c->action = in->add_host ? "aggregate.add_host" : "aggregate.remove_host";
	if (host_find_by_name(c, args->host, &h, err) < 0)
		return -1;
	*(in->add_host ? &out->add_host : &out->remove_host) = h.id;
	return 0;
}

int compute_aggregate_action(struct api_call *c, struct error *err)
{
	struct aggregate_change what;
	struct aggregate g;
	int64_t id;

	if (read_id(c, &id, err) < 0 || store_aggregate_get(c->db, c->arena, id, &g, err) < 0 ||
		read_change(c, &what, err) < 0 || change(c, id, &what, err) < 0)
		return -1;
	return reply(c, id, true, err);
}

/* --- images that its hosts shall have before a server needs them */

struct cache_item {
	const char *id;
};

struct cache_body {
	struct bind_list cache;
};

static const struct bind_field cache_item_fields[] = {
	BIND(cache_item, id, "id", BIND_STR, BIND_REQUIRED, 1, 64),
};
static const struct bind_table cache_item_table = { BIND_TABLE(cache_item, cache_item_fields) };
static const struct bind_field cache_item_field = { .type = BIND_OBJ, .table = &cache_item_table };
static const struct bind_field cache_fields[] = {
	{ .name = "cache",
		.type = BIND_ARR,
		.offset = offsetof(struct cache_body, cache),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 64,
		.items = &cache_item_field },
};
const struct bind_table compute_aggregate_images_body = { BIND_TABLE(cache_body, cache_fields) };

int compute_aggregate_images(struct api_call *c, struct error *err)
{
	const struct cache_body *in = c->in;
	const struct cache_item *items = in->cache.items;
	struct server_image_ref image;
	struct aggregate g;
	int64_t id;
	int rc;

	if (read_id(c, &id, err) < 0 || store_aggregate_get(c->db, c->arena, id, &g, err) < 0)
		return -1;
	for (size_t i = 0; i < in->cache.n; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(items[k].id, items[i].id) == 0)
				return error_set(err, ERR_BAD_REQUEST, "cache names an image twice: %.64s",
					items[i].id);
		rc = store_ref_image(c->db, c->who->project.id, true, items[i].id, &image, err);
		if (rc < 0)
			return -1;
		if (rc == 0 || !image.active)
			return error_set(err, ERR_BAD_REQUEST, "Image %.64s %s.", items[i].id,
				rc ? "is not active" : "could not be found");
		if (flow_aggregate_cache(
			    c->api->flows, c->db, c->arena, &g, image.id, c->request_id, c->now_us, err) < 0)
			return -1;
	}
	c->status = 202;
	return 0;
}
