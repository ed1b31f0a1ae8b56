/* SPDX-License-Identifier: Apache-2.0 */
/* /services, /endpoints, /regions: the catalog as entities. They are made of the configuration, so they can
 * be read only. */
#include "api/identity/catalog.h"

int identity_catalog_refuse(struct api_call *c, struct error *err)
{
	(void)c;
	return error_set(err, ERR_FORBIDDEN,
		"The catalog is made of cloudd's configuration (public_url, region) and cannot be changed "
		"here.");
}

static bool wanted(const struct api_call *c, const char *filter, const char *value)
{
	const char *want = api_query(c, filter);

	return !want || str_eq(want, value);
}

/* --- services --- */

static void service(struct api_call *c, const struct catalog_service *s)
{
	char id[HEX32_TEXT];

	catalog_id(s, NULL, id);
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", id);
	jw_kv_str(&c->out, "type", s->type);
	jw_kv_str(&c->out, "name", s->name);
	jw_kv_str(&c->out, "description", "");
	jw_kv_bool(&c->out, "enabled", true);
	view_links(c, "services/%s", id);
	jw_end_object(&c->out);
}

int identity_service_list(struct api_call *c, struct error *err)
{
	(void)err;
	list_begin(c, "services");
	for (size_t i = 0; i < catalog_services_n; i++) {
		const struct catalog_service *s = &catalog_services[i];

		if (wanted(c, "type", s->type) && wanted(c, "name", s->name))
			service(c, s);
	}
	list_end(c, NULL);
	return 0;
}

int identity_service_show(struct api_call *c, struct error *err)
{
	const char *want = api_param(c, "service_id");
	char id[HEX32_TEXT];

	for (size_t i = 0; i < catalog_services_n; i++) {
		if (!str_eq(catalog_id(&catalog_services[i], NULL, id), want))
			continue;
		jw_object(&c->out);
		jw_key(&c->out, "service");
		service(c, &catalog_services[i]);
		jw_end_object(&c->out);
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, "Could not find service: %.64s.", want);
}

/* --- endpoints --- */

static void endpoint(struct api_call *c, const struct catalog_service *s, const char *interface)
{
	const char *region = c->api->config.region;
	char id[HEX32_TEXT], service_id[HEX32_TEXT];

	catalog_id(s, interface, id);
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", id);
	jw_kv_str(&c->out, "interface", interface);
	jw_kv_str(&c->out, "url", api_url(c, "%s", s->path));
	jw_kv_str(&c->out, "service_id", catalog_id(s, NULL, service_id));
	jw_kv_str(&c->out, "region", region);
	jw_kv_str(&c->out, "region_id", region);
	jw_kv_bool(&c->out, "enabled", true);
	view_links(c, "endpoints/%s", id);
	jw_end_object(&c->out);
}

int identity_endpoint_list(struct api_call *c, struct error *err)
{
	const char *region = c->api->config.region;
	char id[HEX32_TEXT];

	(void)err;
	list_begin(c, "endpoints");
	for (size_t i = 0; i < catalog_services_n; i++) {
		const struct catalog_service *s = &catalog_services[i];

		if (!wanted(c, "service_id", catalog_id(s, NULL, id)) || !wanted(c, "region_id", region) ||
			!wanted(c, "region", region))
			continue;
		for (size_t j = 0; j < ARRAY_LEN(catalog_interfaces); j++)
			if (wanted(c, "interface", catalog_interfaces[j]))
				endpoint(c, s, catalog_interfaces[j]);
	}
	list_end(c, NULL);
	return 0;
}

int identity_endpoint_show(struct api_call *c, struct error *err)
{
	const char *want = api_param(c, "endpoint_id");
	char id[HEX32_TEXT];

	for (size_t i = 0; i < catalog_services_n * ARRAY_LEN(catalog_interfaces); i++) {
		const struct catalog_service *s = &catalog_services[i / ARRAY_LEN(catalog_interfaces)];
		const char *interface = catalog_interfaces[i % ARRAY_LEN(catalog_interfaces)];

		if (!str_eq(catalog_id(s, interface, id), want))
			continue;
		jw_object(&c->out);
		jw_key(&c->out, "endpoint");
		endpoint(c, s, interface);
		jw_end_object(&c->out);
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, "Could not find endpoint: %.64s.", want);
}

/* --- the region --- */

static void region(struct api_call *c)
{
	const char *id = c->api->config.region;

	jw_object(&c->out);
	jw_kv_str(&c->out, "id", id);
	jw_kv_str(&c->out, "description", "");
	jw_kv_null(&c->out, "parent_region_id");
	view_links(c, "regions/%s", id);
	jw_end_object(&c->out);
}

int identity_region_list(struct api_call *c, struct error *err)
{
	(void)err;
	list_begin(c, "regions");
	if (!api_query(c, "parent_region_id"))
		region(c);
	list_end(c, NULL);
	return 0;
}

int identity_region_show(struct api_call *c, struct error *err)
{
	const char *want = api_param(c, "region_id");

	if (!str_eq(want, c->api->config.region))
		return error_set(err, ERR_NOT_FOUND, "Could not find region: %.64s.", want);
	jw_object(&c->out);
	jw_key(&c->out, "region");
	region(c);
	jw_end_object(&c->out);
	return 0;
}
