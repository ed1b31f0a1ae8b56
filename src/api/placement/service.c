/* SPDX-License-Identifier: Apache-2.0 */
/* The placement service's table, its document and its shape of errors. */
#include <string.h>
#include <time.h>

#include "api/placement/placement.h"
#include "base/util.h"

enum { VERSION_MAX = 39, SINCE_FRESH = 15 };

void placement_kv_generation(struct api_call *c, const char *key)
{
	jw_kv_int(&c->out, key, (int64_t)store_seq(c->api->store));
}

void placement_fresh(struct api_call *c)
{
	time_t seconds = (time_t)(c->now_us / 1000000);
	char text[40];
	struct tm tm;

	if (c->version < SINCE_FRESH)
		return;
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	api_header(c, "Last-Modified", arena_strdup(c->arena, text));
	api_header(c, "Cache-Control", "no-cache");
}

static int show_versions(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "versions");
	jw_array(&c->out);
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", "v1.0");
	jw_kv_str(&c->out, "min_version", "1.0");
	jw_kv_str(&c->out, "max_version", arena_printf(c->arena, "1.%d", VERSION_MAX));
	jw_kv_str(&c->out, "status", "CURRENT");
	jw_key(&c->out, "links");
	jw_array(&c->out);
	api_link(c, "self", "");
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* ---- what is not to be changed here ---- */

static int refuse(const char *what, struct error *err)
{
	return error_set(err, ERR_FORBIDDEN,
		"this is a view of what cloudd keeps itself and cannot be changed here: %s", what);
}

static int refuse_provider(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse("hosts come and go by cloudctl host add and remove", err);
}

static int refuse_inventory(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse(
		"inventories are read from the hosts; ratios and reserves are set by cloudctl host set", err);
}

static int refuse_traits(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse("traits are given to a host by cloudctl host set --trait", err);
}

static int refuse_aggregates(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse(
		"a host's aggregates are those of the compute service (openstack aggregate add host)", err);
}

static int refuse_classes(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse("resource classes follow from the models of GPUs", err);
}

static int refuse_allocations(struct api_call *c, struct error *err)
{
	(void)c;
	return refuse("what servers hold is given and taken with them; to keep GPUs for later reserve them "
		      "(cloudctl reservation)",
		err);
}

/* ---- errors ---- */

static void error_body(struct api_call *c, const struct error *err)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_key(b, "errors");
	jw_array(b);
	jw_object(b);
	jw_kv_int(b, "status", c->status);
	jw_kv_str(b, "title", http_status_text(c->status));
	jw_kv_str(b, "detail", err->msg);
	if (c->version >= SINCE_ERROR_CODE)
		jw_kv_str(b, "code", "placement.undefined_code");
	if (err->code == ERR_NOT_ACCEPTABLE) {
		jw_kv_str(b, "min_version", "1.0");
		jw_kv_str(b, "max_version", arena_printf(c->arena, "1.%d", VERSION_MAX));
	}
	jw_kv_str(b, "request_id", c->request_id);
	jw_end_object(b);
	jw_end_array(b);
	jw_end_object(b);
}

#define GET(path, handler, since, name)                             \
	{                                                           \
		"GET", path, handler, ROLE_ADMIN, since, 0, 0, name \
	}
#define REFUSED(method, path, handler, since, name)                              \
	{                                                                        \
		method, path, handler, ROLE_ADMIN, since, 0, ROUTE_NO_BODY, name \
	}
#define PROVIDER "/resource_providers/{uuid}"

static const struct api_route routes[] = {
	{ "GET", "", show_versions, ROLE_NONE, 0, 0, 0, "placement.versions" },
	GET("/resource_providers", provider_list, 0, "resource_provider.list"),
	GET(PROVIDER, provider_show, 0, "resource_provider.show"),
	GET(PROVIDER "/inventories", provider_inventories, 0, "inventory.list"),
	GET(PROVIDER "/inventories/{resource_class}", provider_inventory, 0, "inventory.show"),
	GET(PROVIDER "/usages", provider_usages, 0, "resource_provider.usages"),
	GET(PROVIDER "/aggregates", provider_aggregates, 1, "resource_provider.aggregates"),
	GET(PROVIDER "/traits", provider_traits, SINCE_TRAITS, "resource_provider.traits"),
	GET(PROVIDER "/allocations", provider_allocations, 0, "resource_provider.allocations"),
	GET("/allocations/{consumer_uuid}", allocation_show, 0, "allocation.show"),
	GET("/usages", usage_show, 9, "placement_usage.show"),
	GET("/allocation_candidates", candidate_list, 10, "allocation_candidate.list"),
	GET("/resource_classes", resource_class_list, SINCE_CLASSES, "resource_class.list"),
	GET("/resource_classes/{name}", resource_class_show, SINCE_CLASSES, "resource_class.show"),
	GET("/traits", trait_list, SINCE_TRAITS, "trait.list"),
	GET("/traits/{name}", trait_show, SINCE_TRAITS, "trait.show"),
	REFUSED("POST", "/resource_providers", refuse_provider, 0, "resource_provider.create"),
	REFUSED("PUT", PROVIDER, refuse_provider, 0, "resource_provider.update"),
	REFUSED("DELETE", PROVIDER, refuse_provider, 0, "resource_provider.delete"),
	REFUSED("POST", PROVIDER "/inventories", refuse_inventory, 0, "inventory.create"),
	REFUSED("PUT", PROVIDER "/inventories", refuse_inventory, 0, "inventory.set"),
	REFUSED("DELETE", PROVIDER "/inventories", refuse_inventory, 5, "inventory.delete_all"),
	REFUSED("PUT", PROVIDER "/inventories/{resource_class}", refuse_inventory, 0, "inventory.update"),
	REFUSED("DELETE", PROVIDER "/inventories/{resource_class}", refuse_inventory, 0, "inventory.delete"),
	REFUSED("PUT", PROVIDER "/aggregates", refuse_aggregates, 1, "resource_provider.aggregates_set"),
	REFUSED("PUT", PROVIDER "/traits", refuse_traits, SINCE_TRAITS, "resource_provider.traits_set"),
	REFUSED("DELETE", PROVIDER "/traits", refuse_traits, SINCE_TRAITS, "resource_provider.traits_delete"),
	REFUSED("POST", "/allocations", refuse_allocations, 13, "allocation.set_many"),
	REFUSED("PUT", "/allocations/{consumer_uuid}", refuse_allocations, 0, "allocation.set"),
	REFUSED("DELETE", "/allocations/{consumer_uuid}", refuse_allocations, 0, "allocation.delete"),
	REFUSED("POST", "/resource_classes", refuse_classes, SINCE_CLASSES, "resource_class.create"),
	REFUSED("PUT", "/resource_classes/{name}", refuse_classes, SINCE_CLASSES, "resource_class.update"),
	REFUSED("DELETE", "/resource_classes/{name}", refuse_classes, SINCE_CLASSES, "resource_class.delete"),
	REFUSED("PUT", "/traits/{name}", refuse_traits, SINCE_TRAITS, "trait.create"),
	REFUSED("DELETE", "/traits/{name}", refuse_traits, SINCE_TRAITS, "trait.delete"),
	REFUSED("POST", "/reshaper", refuse_allocations, 30, "placement.reshape"),
};

const struct api_service service_placement = {
	.name = "placement",
	.prefix = "/placement",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.version_major = 1,
	.version_min = 0,
	.version_max = VERSION_MAX,
	.version_name = "placement",
	.error_body = error_body,
};
