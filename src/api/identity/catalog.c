/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog is made of the configuration: one service a row, three interfaces each, ids that never change.
 */
#include "api/identity/catalog.h"

#include <stdio.h>
#include <string.h>

const struct catalog_service catalog_services[] = {
	{ "identity", "keystone", "/identity/v3" },
	{ "compute", "nova", "/compute/v2.1" },
	{ "image", "glance", "/image" },
	{ "network", "neutron", "/network" },
};
const size_t catalog_services_n = ARRAY_LEN(catalog_services);

const char *const catalog_interfaces[3] = { "public", "internal", "admin" };

const char *catalog_id(const struct catalog_service *s, const char *interface, char out[HEX32_TEXT])
{
	unsigned char hash[SHA256_SIZE];
	char text[64];
	int n = snprintf(text, sizeof text, "catalog %s %s", s->type, interface ? interface : "");

	sha256(text, (size_t)n, hash);
	hex_encode(hash, 16, out);
	return out;
}

static void endpoint(struct api_call *c, struct buf *b, const struct catalog_service *s,
	const char *interface, const char *url)
{
	const char *region = c->api->config.region;
	char id[HEX32_TEXT];

	jw_object(b);
	jw_kv_str(b, "id", catalog_id(s, interface, id));
	jw_kv_str(b, "interface", interface);
	jw_kv_str(b, "region", region);
	jw_kv_str(b, "region_id", region);
	jw_kv_str(b, "url", url);
	jw_end_object(b);
}

void identity_catalog(struct api_call *c, struct buf *b)
{
	char id[HEX32_TEXT];

	jw_array(b);
	for (size_t i = 0; i < catalog_services_n; i++) {
		const struct catalog_service *s = &catalog_services[i];
		const char *url = api_url(c, "%s", s->path);

		jw_object(b);
		jw_kv_str(b, "id", catalog_id(s, NULL, id));
		jw_kv_str(b, "type", s->type);
		jw_kv_str(b, "name", s->name);
		jw_key(b, "endpoints");
		jw_array(b);
		for (size_t j = 0; j < ARRAY_LEN(catalog_interfaces); j++)
			endpoint(c, b, s, catalog_interfaces[j], url);
		jw_end_array(b);
		jw_end_object(b);
	}
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
	jw_object(b);
	jw_kv_str(b, "rel", "self");
	jw_kv_str(b, "href", api_url(c, "/identity/v3/"));
	jw_end_object(b);
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
