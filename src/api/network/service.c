/* SPDX-License-Identifier: Apache-2.0 */
/* The network service's table, its documents and its shape of errors. */
#include <stdlib.h>
#include <string.h>

#include "api/network/network.h"
#include "base/util.h"

/* Tenants' networks come later: what would change something is refused by name, never ignored. */
static int provider_only(struct api_call *c, struct error *err)
{
	(void)c;
	return error_set(err, ERR_FORBIDDEN,
		"networks, subnets and ports of tenants are not offered by this cloud; servers get their "
		"ports from the provider's "
		"networks (openstack network list)");
}

static int show_versions(struct api_call *c)
{
	jw_object(&c->out);
	jw_key(&c->out, "versions");
	jw_array(&c->out);
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", "v2.0");
	jw_kv_str(&c->out, "status", "CURRENT");
	jw_key(&c->out, "links");
	jw_array(&c->out);
	api_link(c, "self", api_url(c, "/network/v2.0/"));
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int network_versions(struct api_call *c, struct error *err)
{
	(void)err;
	return show_versions(c);
}

static int resources(struct api_call *c, struct error *err)
{
	static const char *const names[][2] = { { "network", "networks" }, { "subnet", "subnets" },
		{ "port", "ports" } };

	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "resources");
	jw_array(&c->out);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", names[i][0]);
		jw_kv_str(&c->out, "collection", names[i][1]);
		jw_key(&c->out, "links");
		jw_array(&c->out);
		api_link(c, "self", api_url(c, "/network/v2.0/%s", names[i][1]));
		jw_end_array(&c->out);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static const struct {
	const char *alias, *name;
} extensions[] = {
	{ "binding", "Port Binding" },
	{ "external-net", "Neutron external network" },
	{ "net-mtu", "Network MTU" },
	{ "pagination", "Pagination support" },
	{ "project-id", "project_id field enabled" },
	{ "provider", "Provider Network" },
	{ "quotas", "Quota management support" },
	{ "quota_details", "Quota details management support" },
	{ "sorting", "Sorting support" },
	{ "standard-attr-timestamp", "Resource timestamps" },
};

static json_t *extension(size_t i)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[]}", "alias", extensions[i].alias, "name",
		extensions[i].name, "description", extensions[i].name, "updated", "2026-01-01T00:00:00-00:00",
		"links");
}

static int extension_list(struct api_call *c, struct error *err)
{
	json_t *all = json_array();

	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		json_array_append_new(all, extension(i));
	return network_reply_one(c, "extensions", all);
}

static int extension_show(struct api_call *c, struct error *err)
{
	const char *alias = api_param(c, "alias");

	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (strcmp(extensions[i].alias, alias) == 0)
			return network_reply_one(c, "extension", extension(i));
	return error_set(err, ERR_NOT_FOUND, "Extension with alias %.64s does not exist", alias);
}

static int empty_list(struct api_call *c, struct error *err)
{
	const char *collection = strrchr(c->http->path, '/') + 1;
	char *key = arena_strdup(c->arena, collection);

	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
	return network_reply_list(c, key, json_array(), err);
}

/* Neutron's error names by what was asked for. */
static const char *error_type(const struct api_call *c, const struct error *err)
{
	const char *path = c->http->path + strlen("/network/v2.0");

	switch (err->code) {
	case ERR_NOT_FOUND:
		return !c->route                       ? "HTTPNotFound"
		       : str_starts(path, "/networks") ? "NetworkNotFound"
		       : str_starts(path, "/subnets")  ? "SubnetNotFound"
		       : str_starts(path, "/ports")    ? "PortNotFound"
						       : "HTTPNotFound";
	case ERR_FORBIDDEN:
		return "PolicyNotAuthorized";
	case ERR_OVER_QUOTA:
		return "OverQuota";
	case ERR_BAD_REQUEST:
		return "HTTPBadRequest";
	default:
		return error_code_name(err->code);
	}
}

static void error_body(struct api_call *c, const struct error *err)
{
	if (err->code == ERR_OVER_QUOTA)
		c->status = 409;
	jw_object(&c->out);
	jw_key(&c->out, "NeutronError");
	jw_object(&c->out);
	jw_kv_str(&c->out, "type", error_type(c, err));
	jw_kv_str(&c->out, "message", err->msg);
	jw_kv_str(&c->out, "detail", "");
	jw_end_object(&c->out);
	jw_end_object(&c->out);
}

#define REFUSED(collection)                                                                                \
	{ "POST", "/" collection, provider_only, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, collection ".create" }, \
		{ "PUT", "/" collection "/{id}", provider_only, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,          \
			collection ".update" },                                                            \
	{                                                                                                  \
		"DELETE", "/" collection "/{id}", provider_only, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,         \
			collection ".delete"                                                               \
	}

static const struct api_route routes[] = {
	{ "GET", "", resources, ROLE_ANY, 0, 0, 0, "network.resources" },
	{ "GET", "/extensions", extension_list, ROLE_ANY, 0, 0, 0, "extension.list" },
	{ "GET", "/extensions/{alias}", extension_show, ROLE_ANY, 0, 0, 0, "extension.show" },
	{ "GET", "/networks", network_list, ROLE_READER, 0, 0, 0, "network.list" },
	{ "GET", "/networks/{id}", network_show, ROLE_READER, 0, 0, 0, "network.show" },
	{ "GET", "/subnets", subnet_list, ROLE_READER, 0, 0, 0, "subnet.list" },
	{ "GET", "/subnets/{id}", subnet_show, ROLE_READER, 0, 0, 0, "subnet.show" },
	{ "GET", "/ports", port_list, ROLE_READER, 0, 0, ROUTE_LONG, "port.list" },
	{ "GET", "/ports/{id}", port_show, ROLE_READER, 0, 0, 0, "port.show" },
	/* what clients list before they work: there are none of these */
	{ "GET", "/routers", empty_list, ROLE_READER, 0, 0, 0, "router.list" },
	{ "GET", "/floatingips", empty_list, ROLE_READER, 0, 0, 0, "floatingip.list" },
	{ "GET", "/security-groups", empty_list, ROLE_READER, 0, 0, 0, "security_group.list" },
	{ "GET", "/security-group-rules", empty_list, ROLE_READER, 0, 0, 0, "security_group_rule.list" },
	{ "GET", "/agents", empty_list, ROLE_ADMIN, 0, 0, 0, "agent.list" },
	{ "GET", "/quotas/{project}", network_quota_show, ROLE_READER, 0, 0, 0, "network_quota.show" },
	{ "GET", "/quotas/{project}/default", network_quota_default, ROLE_READER, 0, 0, 0,
		"network_quota.default" },
	{ "GET", "/quotas/{project}/details", network_quota_details, ROLE_READER, 0, 0, 0,
		"network_quota.details" },
	{ "GET", "/quotas/{project}/details.json", network_quota_details, ROLE_READER, 0, 0, 0,
		"network_quota.details" },
	{ "PUT", "/quotas/{project}", network_quota_update, ROLE_ADMIN, 0, 0, 0, "network_quota.update",
		&network_quota_body },
	{ "DELETE", "/quotas/{project}", network_quota_reset, ROLE_ADMIN, 0, 0, 0, "network_quota.reset" },
	REFUSED("networks"),
	REFUSED("subnets"),
	REFUSED("ports"),
};

const struct api_service service_network = {
	.name = "network",
	.prefix = "/network/v2.0",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.error_body = error_body,
};
