/* SPDX-License-Identifier: Apache-2.0 */
/* The compute service: its table of routes and its version documents. */
#include "api/compute/compute.h"

#include "base/util.h"

/* --- version documents */

static void version_entry(struct api_call *c, bool is_v21, bool full)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", is_v21 ? "v2.1" : "v2.0");
	jw_kv_str(b, "status", is_v21 ? "CURRENT" : "SUPPORTED");
	jw_key(b, "version");
	if (is_v21)
		jw_strf(b, "2.%d", COMPUTE_VERSION_MAX);
	else
		jw_str(b, "");
	jw_key(b, "min_version");
	if (is_v21)
		jw_strf(b, "2.%d", COMPUTE_VERSION_MIN);
	else
		jw_str(b, "");
	jw_kv_str(b, "updated", is_v21 ? "2013-07-23T11:33:21Z" : "2011-01-21T11:33:21Z");
	jw_key(b, "links");
	jw_array(b);
	api_link(c, "self", api_url(c, is_v21 ? "/compute/v2.1/" : "/compute/v2/"));
	if (full) {
		jw_object(b);
		jw_kv_str(b, "rel", "describedby");
		jw_kv_str(b, "type", "text/html");
		jw_kv_str(b, "href", "https://docs.openstack.org/api-ref/compute/");
		jw_end_object(b);
	}
	jw_end_array(b);
	if (full) {
		jw_key(b, "media-types");
		jw_array(b);
		jw_object(b);
		jw_kv_str(b, "base", "application/json");
		jw_key(b, "type");
		jw_strf(b, "application/vnd.openstack.compute+json;version=2%s", is_v21 ? ".1" : "");
		jw_end_object(b);
		jw_end_array(b);
	}
	jw_end_object(b);
}

static int version_document(struct api_call *c, bool is_v21)
{
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "version");
	version_entry(c, is_v21, true);
	jw_end_object(&c->out);
	return 0;
}

/* v2.0 comes first: older clients take the first entry. */
int compute_versions(struct api_call *c, struct error *err)
{
	(void)err;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "versions");
	jw_array(&c->out);
	version_entry(c, false, false);
	version_entry(c, true, false);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int compute_version_v2(struct api_call *c, struct error *err)
{
	(void)err;
	return version_document(c, false);
}

static int version_v21(struct api_call *c, struct error *err)
{
	(void)err;
	return version_document(c, true);
}

/* --- routes */

#define SERVER "/servers/{server_id}"
#define FLAVOR "/flavors/{flavor_id}"
#define OWN ROUTE_OWN

/* Columns: method, path, handler, role, first and last minor version (0: open), flags, name. */
static const struct api_route routes[] = {
	/* clang-format off */
	{ "GET", "", version_v21, ROLE_NONE, 0, 0, 0, "compute.version" },
	{ "GET", "/extensions", compute_extensions, ROLE_ANY, 0, 0, 0, "extension.list" },
	{ "GET", "/extensions/{alias}", compute_extension, ROLE_ANY, 0, 0, 0, "extension.show" },
	{ "GET", "/limits", compute_limits, ROLE_READER, 0, 0, 0, "limits.show" },

	{ "GET", "/flavors", compute_flavor_list, ROLE_READER, 0, 0, 0, "flavor.list" },
	{ "GET", "/flavors/detail", compute_flavor_detail, ROLE_READER, 0, 0, 0, "flavor.detail" },
	{ "POST", "/flavors", compute_flavor_create, ROLE_ADMIN, 0, 0, 0, "flavor.create", &compute_flavor_create_body },
	{ "GET", FLAVOR, compute_flavor_show, ROLE_READER, 0, 0, 0, "flavor.show" },
	{ "PUT", FLAVOR, compute_flavor_update, ROLE_ADMIN, 55, 0, 0, "flavor.update", &compute_flavor_update_body },
	{ "DELETE", FLAVOR, compute_flavor_delete, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "flavor.delete" },
	{ "GET", FLAVOR "/os-extra_specs", compute_flavor_specs_list, ROLE_READER, 0, 0, 0, "flavor.specs" },
	{ "POST", FLAVOR "/os-extra_specs", compute_flavor_specs_create, ROLE_ADMIN, 0, 0, 0, "flavor.specs_set", &compute_flavor_specs_body },
	{ "GET", FLAVOR "/os-extra_specs/{key}", compute_flavor_spec_show, ROLE_READER, 0, 0, 0, "flavor.spec" },
	{ "PUT", FLAVOR "/os-extra_specs/{key}", compute_flavor_spec_update, ROLE_ADMIN, 0, 0, 0, "flavor.spec_set", &compute_flavor_spec_body },
	{ "DELETE", FLAVOR "/os-extra_specs/{key}", compute_flavor_spec_delete, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY,
		"flavor.spec_delete" },
	{ "GET", FLAVOR "/os-flavor-access", compute_flavor_access, ROLE_ADMIN, 0, 0, 0, "flavor.access" },
	{ "POST", FLAVOR "/action", compute_flavor_action, ROLE_ADMIN, 0, 0, 0, "flavor.action", &compute_flavor_action_body },

	{ "GET", "/os-keypairs", compute_keypair_list, ROLE_READER, 0, 0, 0, "keypair.list" },
	{ "POST", "/os-keypairs", compute_keypair_create, ROLE_MEMBER, 0, 0, OWN | ROUTE_GROWS, "keypair.create", &compute_keypair_body },
	{ "GET", "/os-keypairs/{name}", compute_keypair_show, ROLE_READER, 0, 0, 0, "keypair.show" },
	{ "DELETE", "/os-keypairs/{name}", compute_keypair_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "keypair.delete" },

	{ "GET", "/servers", compute_server_list, ROLE_READER, 0, 0, ROUTE_LONG, "server.list" },
	{ "GET", "/servers/detail", compute_server_detail, ROLE_READER, 0, 0, ROUTE_LONG, "server.detail" },
	{ "POST", "/servers", compute_server_create, ROLE_MEMBER, 0, 0, ROUTE_GROWS, "server.create",
		&compute_server_create_body },
	{ "GET", SERVER, compute_server_show, ROLE_READER, 0, 0, 0, "server.show" },
	{ "PUT", SERVER, compute_server_update, ROLE_MEMBER, 0, 0, 0, "server.update", &compute_server_update_body },
	{ "DELETE", SERVER, compute_server_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY, "server.delete" },
	{ "POST", SERVER "/action", compute_server_action, ROLE_MEMBER, 0, 0, OWN, "server.action",
		&compute_action_body },

	{ "GET", SERVER "/metadata", compute_server_metadata_list, ROLE_READER, 0, 0, 0, "server.metadata" },
	{ "POST", SERVER "/metadata", compute_server_metadata_merge, ROLE_MEMBER, 0, 0, 0, "server.metadata_merge", &compute_metadata_body },
	{ "PUT", SERVER "/metadata", compute_server_metadata_replace, ROLE_MEMBER, 0, 0, 0, "server.metadata_replace", &compute_metadata_body },
	{ "GET", SERVER "/metadata/{key}", compute_server_meta_show, ROLE_READER, 0, 0, 0, "server.meta" },
	{ "PUT", SERVER "/metadata/{key}", compute_server_meta_set, ROLE_MEMBER, 0, 0, 0, "server.meta_set", &compute_meta_body },
	{ "DELETE", SERVER "/metadata/{key}", compute_server_meta_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,
		"server.meta_delete" },
	{ "GET", SERVER "/tags", compute_server_tags_list, ROLE_READER, 26, 0, 0, "server.tags" },
	{ "PUT", SERVER "/tags", compute_server_tags_replace, ROLE_MEMBER, 26, 0, 0, "server.tags_replace", &compute_tags_body },
	{ "DELETE", SERVER "/tags", compute_server_tags_clear, ROLE_MEMBER, 26, 0, ROUTE_NO_BODY, "server.tags_clear" },
	{ "GET", SERVER "/tags/{tag}", compute_server_tag_check, ROLE_READER, 26, 0, 0, "server.tag" },
	{ "PUT", SERVER "/tags/{tag}", compute_server_tag_add, ROLE_MEMBER, 26, 0, ROUTE_NO_BODY, "server.tag_add" },
	{ "DELETE", SERVER "/tags/{tag}", compute_server_tag_remove, ROLE_MEMBER, 26, 0, ROUTE_NO_BODY,
		"server.tag_remove" },
	{ "GET", SERVER "/ips", compute_server_ips, ROLE_READER, 0, 0, 0, "server.ips" },
	{ "GET", SERVER "/ips/{label}", compute_server_ips_of, ROLE_READER, 0, 0, 0, "server.ips_of" },
	{ "GET", SERVER "/os-security-groups", compute_server_groups_of, ROLE_READER, 0, 0, 0, "server.security_groups" },
	{ "GET", SERVER "/os-interface", compute_server_interfaces, ROLE_READER, 0, 0, 0, "server.interfaces" },
	{ "GET", SERVER "/os-volume_attachments", compute_server_volumes, ROLE_READER, 0, 0, 0, "server.volumes" },
	{ "GET", SERVER "/diagnostics", compute_server_diagnostics, ROLE_ADMIN, 0, 0, OWN, "server.diagnostics" },
	{ "GET", SERVER "/topology", compute_server_topology, ROLE_READER, 78, 0, 0, "server.topology" },
	{ "GET", SERVER "/os-server-password", compute_server_password, ROLE_READER, 0, 0, 0, "server.password" },
	{ "DELETE", SERVER "/os-server-password", compute_server_password_clear, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,
		"server.password_clear" },
	{ "POST", SERVER "/remote-consoles", compute_remote_console, ROLE_MEMBER, 6, 0, 0, "server.remote_console",
		&compute_remote_console_body },
	{ "GET", "/os-console-auth-tokens/{token}", compute_console_token, ROLE_ADMIN, 31, 0, ROUTE_SECRET,
		"console.token_show" },
	{ "GET", SERVER "/os-instance-actions", compute_action_list, ROLE_READER, 0, 0, 0, "server.actions" },
	{ "GET", SERVER "/os-instance-actions/{request_id}", compute_action_show, ROLE_READER, 0, 0, 0,
		"server.action_show" },

	{ "GET", "/os-quota-sets/{project_id}", compute_quota_show, ROLE_READER, 0, 0, 0, "quota.show" },
	{ "GET", "/os-quota-sets/{project_id}/detail", compute_quota_detail, ROLE_READER, 0, 0, 0, "quota.detail" },
	{ "GET", "/os-quota-sets/{project_id}/defaults", compute_quota_defaults, ROLE_ANY, 0, 0, 0, "quota.defaults" },
	{ "PUT", "/os-quota-sets/{project_id}", compute_quota_update, ROLE_ADMIN, 0, 0, 0, "quota.update", &compute_quota_body },
	{ "DELETE", "/os-quota-sets/{project_id}", compute_quota_delete, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "quota.delete" },
	{ "GET", "/os-quota-class-sets/{class}", compute_quota_class, ROLE_ADMIN, 0, 0, 0, "quota_class.show" },
	{ "PUT", "/os-quota-class-sets/{class}", compute_quota_class_update, ROLE_ADMIN, 0, 0, 0, "quota_class.update",
		&compute_quota_class_body },
	{ "GET", "/os-simple-tenant-usage", compute_usage_list, ROLE_ADMIN, 0, 0, 0, "usage.list" },
	{ "GET", "/os-simple-tenant-usage/{project_id}", compute_usage_show, ROLE_READER, 0, 0, 0, "usage.show" },

	{ "GET", "/os-availability-zone", compute_zone_list, ROLE_READER, 0, 0, 0, "zone.list" },
	{ "GET", "/os-availability-zone/detail", compute_zone_detail, ROLE_ADMIN, 0, 0, 0, "zone.detail" },
	{ "GET", "/os-hypervisors", compute_hypervisor_list, ROLE_ADMIN, 0, 0, 0, "hypervisor.list" },
	{ "GET", "/os-hypervisors/detail", compute_hypervisor_detail, ROLE_ADMIN, 0, 0, 0, "hypervisor.detail" },
	{ "GET", "/os-hypervisors/statistics", compute_hypervisor_statistics, ROLE_ADMIN, 0, 87, 0,
		"hypervisor.statistics" },
	{ "GET", "/os-hypervisors/{hypervisor_id}", compute_hypervisor_show, ROLE_ADMIN, 0, 0, 0, "hypervisor.show" },
	{ "GET", "/os-hypervisors/{hypervisor_id}/uptime", compute_hypervisor_uptime, ROLE_ADMIN, 0, 87, 0,
		"hypervisor.uptime" },
	{ "GET", "/os-hypervisors/{hypervisor_id}/search", compute_hypervisor_search, ROLE_ADMIN, 0, 52, 0,
		"hypervisor.search" },
	{ "GET", "/os-hypervisors/{hypervisor_id}/servers", compute_hypervisor_servers, ROLE_ADMIN, 0, 52, 0,
		"hypervisor.servers" },
	{ "GET", "/os-services", compute_service_list, ROLE_ADMIN, 0, 0, 0, "service.list" },
	{ "PUT", "/os-services/{service_id}", compute_service_update, ROLE_ADMIN, 0, 0, 0, "service.update",
		&compute_service_body },
	{ "DELETE", "/os-services/{service_id}", compute_service_delete, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "service.delete" },
	{ "GET", "/os-hosts", compute_os_host_list, ROLE_ADMIN, 0, 42, 0, "os_host.list" },
	{ "GET", "/os-hosts/{host_name}", compute_os_host_show, ROLE_ADMIN, 0, 42, 0, "os_host.show" },
	{ "PUT", "/os-hosts/{host_name}", compute_os_host_update, ROLE_ADMIN, 0, 42, 0, "os_host.update",
		&compute_os_host_body },
	{ "GET", "/os-hosts/{host_name}/startup", compute_os_host_power, ROLE_ADMIN, 0, 42, 0, "os_host.startup" },
	{ "GET", "/os-hosts/{host_name}/shutdown", compute_os_host_power, ROLE_ADMIN, 0, 42, 0, "os_host.shutdown" },
	{ "GET", "/os-hosts/{host_name}/reboot", compute_os_host_power, ROLE_ADMIN, 0, 42, 0, "os_host.reboot" },

	{ "GET", "/os-server-groups", compute_server_group_list, ROLE_READER, 0, 0, 0, "server_group.list" },
	{ "POST", "/os-server-groups", compute_server_group_create, ROLE_MEMBER, 0, 0, ROUTE_GROWS, "server_group.create",
		&compute_server_group_body },
	{ "GET", "/os-server-groups/{group_id}", compute_server_group_show, ROLE_READER, 0, 0, 0, "server_group.show" },
	{ "DELETE", "/os-server-groups/{group_id}", compute_server_group_delete, ROLE_MEMBER, 0, 0, ROUTE_NO_BODY,
		"server_group.delete" },
	{ "GET", "/os-aggregates", compute_aggregate_list, ROLE_ADMIN, 0, 0, 0, "aggregate.list" },
	{ "POST", "/os-aggregates", compute_aggregate_create, ROLE_ADMIN, 0, 0, 0, "aggregate.create",
		&compute_aggregate_create_body },
	{ "GET", "/os-aggregates/{aggregate_id}", compute_aggregate_show, ROLE_ADMIN, 0, 0, 0, "aggregate.show" },
	{ "PUT", "/os-aggregates/{aggregate_id}", compute_aggregate_update, ROLE_ADMIN, 0, 0, 0, "aggregate.update",
		&compute_aggregate_update_body },
	{ "DELETE", "/os-aggregates/{aggregate_id}", compute_aggregate_delete, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY,
		"aggregate.delete" },
	{ "POST", "/os-aggregates/{aggregate_id}/action", compute_aggregate_action, ROLE_ADMIN, 0, 0, 0, "aggregate.action",
		&compute_aggregate_action_body },
	{ "POST", "/os-aggregates/{aggregate_id}/images", compute_aggregate_images, ROLE_ADMIN, 81, 0, 0, "aggregate.images",
		&compute_aggregate_images_body },
	{ "POST", "/os-server-external-events", compute_external_events, ROLE_ADMIN, 0, 0, 0, "server.external_events",
		&compute_events_body },
	{ "GET", "/os-instance_usage_audit_log", compute_audit_log, ROLE_ADMIN, 0, 0, 0, "usage.audit_log" },
	{ "GET", "/os-instance_usage_audit_log/{before}", compute_audit_log_before, ROLE_ADMIN, 0, 0, 0,
		"usage.audit_log_before" },
	{ "GET", SERVER "/migrations", compute_server_migrations, ROLE_ADMIN, 23, 0, OWN, "server.migrations" },
	{ "GET", SERVER "/migrations/{migration_id}", compute_server_migration, ROLE_ADMIN, 23, 0, OWN,
		"server.migration" },
	{ "DELETE", SERVER "/migrations/{migration_id}", compute_server_migration_abort, ROLE_ADMIN, 24, 0, ROUTE_NO_BODY,
		"server.migration_abort" },
	{ "POST", SERVER "/migrations/{migration_id}/action", compute_server_migration_action, ROLE_ADMIN, 22, 0, 0,
		"server.migration_action", &compute_migration_action_body },
	{ "GET", "/os-migrations", compute_migrations, ROLE_ADMIN, 0, 0, 0, "migration.list" },

	/* removed from the API for all versions */
	{ "GET", "/os-agents", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-cells", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-certificates/root", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-cloudpipe", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-fping", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-floating-ips-bulk", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-floating-ip-dns", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	{ "GET", "/os-security-group-default-rules", compute_gone, ROLE_ANY, 0, 0, 0, "gone" },
	/* clang-format on */
};

#undef SERVER
#undef FLAVOR
#undef OWN

const struct api_service service_compute = {
	.name = "compute",
	.prefix = "/compute/v2.1",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.version_major = 2,
	.version_min = COMPUTE_VERSION_MIN,
	.version_max = COMPUTE_VERSION_MAX,
	.version_name = "compute",
	.version_legacy = "X-OpenStack-Nova-API-Version",
	.project_prefix = true,
	.error_body = api_error_body_compute,
};
