/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog: cloudd's own services are made of the configuration, with three interfaces each and ids that
 * never change; the operator's are rows. */
#include "api/identity/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static const struct {
	const char *type, *name, *path;
} own[] = {
	{ "identity", "keystone", "/identity/v3" },
	{ "compute", "nova", "/compute/v2.1" },
	{ "image", "glance", "/image" },
	{ "network", "neutron", "/network" },
	{ "placement", "placement", "/placement" },
};
static const char *const interfaces[] = { "public", "internal", "admin" };

enum { OWN_ENDPOINTS = ARRAY_LEN(own) * ARRAY_LEN(interfaces) };

/* Of a service, or of its endpoint. */
static const char *own_id(struct api_call *c, const char *type, const char *interface)
{
	unsigned char hash[SHA256_SIZE];
	char *out = arena_alloc(c->arena, HEX32_TEXT), text[64];
	int n = snprintf(text, sizeof text, "catalog %s %s", type, interface);

	sha256(text, (size_t)n, hash);
	hex_encode(hash, 16, out);
	return out;
}

static void add_own(struct api_call *c, struct catalog *k)
{
	const char *region = c->api->config.region;
	size_t n = 0;

	k->regions[0] = (struct catalog_region) { .uid = region, .description = "", .extra = "{}" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		const char *url = api_url(c, "%s", own[i].path), *uid = own_id(c, own[i].type, "");

		k->services[i] = (struct catalog_service) { .uid = uid,
			.type = own[i].type,
			.name = own[i].name,
			.description = "",
			.enabled = true,
			.extra = "{}" };
		for (size_t j = 0; j < ARRAY_LEN(interfaces); j++)
			k->endpoints[n++] = (struct catalog_endpoint) {
				.uid = own_id(c, own[i].type, interfaces[j]),
				.service_uid = uid,
				.region_uid = region,
				.interface = interfaces[j],
				.url = url,
				.enabled = true,
				.extra = "{}",
			};
	}
}

int catalog_load(struct api_call *c, struct catalog *out, struct error *err)
{
	if (store_region_list(c->db, c->arena, 1, &out->regions, &out->regions_n, err) < 0 ||
		store_service_list(c->db, c->arena, ARRAY_LEN(own), &out->services, &out->services_n, err) <
			0 ||
		store_endpoint_list(c->db, c->arena, OWN_ENDPOINTS, &out->endpoints, &out->endpoints_n, err) <
			0)
		return -1;
	add_own(c, out);
	return 0;
}

#define FIND(noun)                                                                       \
	const struct catalog_##noun *catalog_##noun(                                     \
		const struct catalog *k, const char *uid, struct error *err)             \
	{                                                                                \
		for (size_t i = 0; i < k->noun##s_n; i++)                                \
			if (str_eq(k->noun##s[i].uid, uid))                              \
				return &k->noun##s[i];                                   \
		error_set(err, ERR_NOT_FOUND, "Could not find " #noun ": %.255s.", uid); \
		return NULL;                                                             \
	}
FIND(region)
FIND(service)
FIND(endpoint)
#undef FIND

int catalog_changeable(int64_t id, struct error *err)
{
	return id ? 0
		  : error_set(err, ERR_FORBIDDEN,
			    "This entry is made of cloudd's configuration (public_url, region) and cannot be "
			    "changed here.");
}

bool catalog_wanted(const struct api_call *c, const char *filter, const char *value)
{
	const char *want = api_query(c, filter);

	return !want || str_eq(want, value ? value : "");
}

/* --- with a token --- */

static void write_endpoint(struct buf *b, const struct catalog_endpoint *e)
{
	jw_object(b);
	jw_kv_str(b, "id", e->uid);
	jw_kv_str(b, "interface", e->interface);
	jw_kv_str(b, "region", e->region_uid);
	jw_kv_str(b, "region_id", e->region_uid);
	jw_kv_str(b, "url", e->url);
	jw_end_object(b);
}

static void write_service(struct buf *b, const struct catalog *k, const struct catalog_service *s)
{
	jw_object(b);
	jw_kv_str(b, "id", s->uid);
	jw_kv_str(b, "type", s->type);
	jw_kv_str(b, "name", s->name ? s->name : "");
	jw_key(b, "endpoints");
	jw_array(b);
	for (size_t i = 0; i < k->endpoints_n; i++)
		if (k->endpoints[i].enabled && str_eq(k->endpoints[i].service_uid, s->uid))
			write_endpoint(b, &k->endpoints[i]);
	jw_end_array(b);
	jw_end_object(b);
}

void identity_catalog(struct api_call *c, struct buf *b)
{
	struct catalog k = { 0 };
	struct error err;

	jw_array(b);
	if (catalog_load(c, &k, &err) < 0)
		log_event(LOG_ERR, "the catalog cannot be read", "error", err.detail, NULL);
	else
		for (size_t i = 0; i < k.services_n; i++)
			if (k.services[i].enabled)
				write_service(b, &k, &k.services[i]);
	jw_end_array(b);
}

int identity_auth_catalog(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "catalog");
	identity_catalog(c, &c->out);
	view_list_links(c, NULL);
	jw_end_object(&c->out);
	return 0;
}

/* --- version discovery --- */

static void version(struct api_call *c)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", "v3.14");
	jw_kv_str(b, "status", "stable");
	jw_kv_str(b, "updated", "2020-04-07T00:00:00Z");
	jw_key(b, "links");
	jw_array(b);
	api_link(c, "self", api_url(c, "/identity/v3/"));
	jw_end_array(b);
	jw_key(b, "media-types");
	jw_array(b);
	jw_object(b);
	jw_kv_str(b, "base", "application/json");
	jw_kv_str(b, "type", "application/vnd.openstack.identity-v3+json");
	jw_end_object(b);
	jw_end_array(b);
	jw_end_object(b);
}

int identity_version_show(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "version");
	version(c);
	jw_end_object(&c->out);
	return 0;
}

int identity_versions(struct api_call *c, struct error *err)
{
	(void)err;
	c->status = 300;
	jw_object(&c->out);
	jw_key(&c->out, "versions");
	jw_object(&c->out);
	jw_key(&c->out, "values");
	jw_array(&c->out);
	version(c);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
