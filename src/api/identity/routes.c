/* SPDX-License-Identifier: Apache-2.0 */
/* Identity's table. Where a row says ROLE_ANY, the handler looks whether it is the caller's own. */
#include "api/identity/internal.h"

/* clang-format off */

/* method, path, handler, role, flags, name */
#define R(method, path, handler, role, flags, name) \
	{ method, path, identity_##handler, role, 0, 0, flags, name }
/* and the table of its body */
#define B(method, path, handler, role, flags, name, body) \
	{ method, path, identity_##handler, role, 0, 0, flags, name, &identity_##body##_body }

/* The same five rows for each place where a role can be granted. */
#define GRANTS(place) \
	R("GET", place "/roles", grant_list, ROLE_ADMIN, 0, "grant.list"), \
	R("PUT", place "/roles/{role_id}", grant_add, ROLE_ADMIN, ROUTE_NO_BODY, "grant.add"), \
	R("GET", place "/roles/{role_id}", grant_check, ROLE_ADMIN, 0, "grant.check"), \
	R("HEAD", place "/roles/{role_id}", grant_check, ROLE_ADMIN, 0, "grant.check"), \
	R("DELETE", place "/roles/{role_id}", grant_remove, ROLE_ADMIN, ROUTE_NO_BODY, "grant.remove")
#define GRANTS_INHERITED(place) \
	R("GET", place "/roles/inherited_to_projects", grant_list, ROLE_ADMIN, 0, "grant.list"), \
	R("PUT", place "/roles/{role_id}/inherited_to_projects", grant_add, ROLE_ADMIN, ROUTE_NO_BODY, "grant.add"), \
	R("GET", place "/roles/{role_id}/inherited_to_projects", grant_check, ROLE_ADMIN, 0, "grant.check"), \
	R("HEAD", place "/roles/{role_id}/inherited_to_projects", grant_check, ROLE_ADMIN, 0, "grant.check"), \
	R("DELETE", place "/roles/{role_id}/inherited_to_projects", grant_remove, ROLE_ADMIN, ROUTE_NO_BODY, "grant.remove")

static const struct api_route routes[] = {
	R("GET", "", version_show, ROLE_NONE, 0, "identity.version"),

	B("POST", "/auth/tokens", token_create, ROLE_NONE, ROUTE_OWN | ROUTE_ANEW, "token.create", token),
	R("GET", "/auth/tokens", token_show, ROLE_ANY, 0, "token.show"),
	R("DELETE", "/auth/tokens", token_delete, ROLE_ANY, ROUTE_NO_BODY, "token.delete"),
	R("GET", "/auth/catalog", auth_catalog, ROLE_ANY, 0, "auth.catalog"),
	R("GET", "/auth/projects", auth_projects, ROLE_ANY, 0, "auth.projects"),
	R("GET", "/auth/domains", auth_domains, ROLE_ANY, 0, "auth.domains"),
	R("GET", "/auth/system", auth_system, ROLE_ANY, 0, "auth.system"),

	R("GET", "/domains", domain_list, ROLE_ADMIN, 0, "domain.list"),
	B("POST", "/domains", domain_create, ROLE_ADMIN, 0, "domain.create", domain_create),
	R("GET", "/domains/{domain_id}", domain_show, ROLE_ANY, 0, "domain.show"),
	B("PATCH", "/domains/{domain_id}", domain_update, ROLE_ADMIN, 0, "domain.update", domain_update),
	R("DELETE", "/domains/{domain_id}", domain_delete, ROLE_ADMIN, ROUTE_NO_BODY, "domain.delete"),

	R("GET", "/projects", project_list, ROLE_ADMIN, 0, "project.list"),
	B("POST", "/projects", project_create, ROLE_ADMIN, 0, "project.create", project_create),
	R("GET", "/projects/{project_id}", project_show, ROLE_ANY, 0, "project.show"),
	B("PATCH", "/projects/{project_id}", project_update, ROLE_ADMIN, 0, "project.update", project_update),
	R("DELETE", "/projects/{project_id}", project_delete, ROLE_ADMIN, ROUTE_NO_BODY, "project.delete"),
	R("GET", "/projects/{project_id}/tags", tag_list, ROLE_ANY, 0, "project.tags"),
	B("PUT", "/projects/{project_id}/tags", tag_replace, ROLE_ADMIN, 0, "project.tags_set", tags),
	R("DELETE", "/projects/{project_id}/tags", tag_clear, ROLE_ADMIN, ROUTE_NO_BODY, "project.tags_clear"),
	R("PUT", "/projects/{project_id}/tags/{tag}", tag_add, ROLE_ADMIN, ROUTE_NO_BODY, "project.tag_add"),
	R("GET", "/projects/{project_id}/tags/{tag}", tag_check, ROLE_ANY, 0, "project.tag"),
	R("DELETE", "/projects/{project_id}/tags/{tag}", tag_remove, ROLE_ADMIN, ROUTE_NO_BODY, "project.tag_remove"),

	R("GET", "/users", user_list, ROLE_ADMIN, 0, "user.list"),
	B("POST", "/users", user_create, ROLE_ADMIN, ROUTE_OWN, "user.create", user_create),
	R("GET", "/users/{user_id}", user_show, ROLE_ANY, 0, "user.show"),
	B("PATCH", "/users/{user_id}", user_update, ROLE_ADMIN, ROUTE_OWN, "user.update", user_update),
	R("DELETE", "/users/{user_id}", user_delete, ROLE_ADMIN, ROUTE_NO_BODY, "user.delete"),
	B("POST", "/users/{user_id}/password", user_password, ROLE_NONE, ROUTE_OWN, "user.password", password),
	R("GET", "/users/{user_id}/projects", user_projects, ROLE_ANY, 0, "user.projects"),
	R("GET", "/users/{user_id}/groups", user_groups, ROLE_ANY, 0, "user.groups"),
	R("GET", "/users/{user_id}/access_rules", access_rule_list, ROLE_ANY, 0, "access_rule.list"),
	R("GET", "/users/{user_id}/access_rules/{rule_id}", access_rule_show, ROLE_ANY, 0, "access_rule.show"),
	R("DELETE", "/users/{user_id}/access_rules/{rule_id}", access_rule_delete, ROLE_ANY, ROUTE_NO_BODY,
		"access_rule.delete"),
	R("GET", "/users/{user_id}/application_credentials", credential_list, ROLE_ANY, 0, "app_credential.list"),
	B("POST", "/users/{user_id}/application_credentials", credential_create, ROLE_ANY, 0, "app_credential.create", credential),
	R("GET", "/users/{user_id}/application_credentials/{credential_id}", credential_show, ROLE_ANY, 0,
		"app_credential.show"),
	R("DELETE", "/users/{user_id}/application_credentials/{credential_id}", credential_delete, ROLE_ANY,
		ROUTE_NO_BODY, "app_credential.delete"),

	R("GET", "/groups", group_list, ROLE_ADMIN, 0, "group.list"),
	B("POST", "/groups", group_create, ROLE_ADMIN, 0, "group.create", group_create),
	R("GET", "/groups/{group_id}", group_show, ROLE_ADMIN, 0, "group.show"),
	B("PATCH", "/groups/{group_id}", group_update, ROLE_ADMIN, 0, "group.update", group_update),
	R("DELETE", "/groups/{group_id}", group_delete, ROLE_ADMIN, ROUTE_NO_BODY, "group.delete"),
	R("GET", "/groups/{group_id}/users", member_list, ROLE_ADMIN, 0, "group.members"),
	R("PUT", "/groups/{group_id}/users/{user_id}", member_add, ROLE_ADMIN, ROUTE_NO_BODY, "group.member_add"),
	R("GET", "/groups/{group_id}/users/{user_id}", member_check, ROLE_ADMIN, 0, "group.member"),
	R("DELETE", "/groups/{group_id}/users/{user_id}", member_remove, ROLE_ADMIN, ROUTE_NO_BODY,
		"group.member_remove"),

	R("GET", "/roles", role_list, ROLE_ADMIN, 0, "role.list"),
	B("POST", "/roles", role_create, ROLE_ADMIN, 0, "role.create", role_create),
	R("GET", "/roles/{role_id}", role_show, ROLE_ADMIN, 0, "role.show"),
	B("PATCH", "/roles/{role_id}", role_update, ROLE_ADMIN, 0, "role.update", role_update),
	R("DELETE", "/roles/{role_id}", role_delete, ROLE_ADMIN, ROUTE_NO_BODY, "role.delete"),
	R("GET", "/roles/{role_id}/implies", implied_list, ROLE_ADMIN, 0, "role.implies"),
	R("PUT", "/roles/{role_id}/implies/{implied_id}", implied_add, ROLE_ADMIN, ROUTE_NO_BODY, "role.imply"),
	R("GET", "/roles/{role_id}/implies/{implied_id}", implied_show, ROLE_ADMIN, 0, "role.implied"),
	R("HEAD", "/roles/{role_id}/implies/{implied_id}", implied_check, ROLE_ADMIN, 0, "role.implied"),
	R("DELETE", "/roles/{role_id}/implies/{implied_id}", implied_remove, ROLE_ADMIN, ROUTE_NO_BODY,
		"role.unimply"),
	R("GET", "/role_inferences", inference_list, ROLE_ADMIN, 0, "role.inferences"),

	R("GET", "/role_assignments", assignment_list, ROLE_ADMIN, 0, "role.assignments"),
	GRANTS("/projects/{project_id}/users/{user_id}"),
	GRANTS("/projects/{project_id}/groups/{group_id}"),
	GRANTS("/domains/{domain_id}/users/{user_id}"),
	GRANTS("/domains/{domain_id}/groups/{group_id}"),
	GRANTS("/system/users/{user_id}"),
	GRANTS("/system/groups/{group_id}"),
	GRANTS_INHERITED("/OS-INHERIT/projects/{project_id}/users/{user_id}"),
	GRANTS_INHERITED("/OS-INHERIT/projects/{project_id}/groups/{group_id}"),
	GRANTS_INHERITED("/OS-INHERIT/domains/{domain_id}/users/{user_id}"),
	GRANTS_INHERITED("/OS-INHERIT/domains/{domain_id}/groups/{group_id}"),

	R("GET", "/services", service_list, ROLE_ADMIN, 0, "service.list"),
	R("GET", "/services/{service_id}", service_show, ROLE_ADMIN, 0, "service.show"),
	B("POST", "/services", service_create, ROLE_ADMIN, 0, "service.create", service_create),
	B("PATCH", "/services/{service_id}", service_update, ROLE_ADMIN, 0, "service.update", service_update),
	R("DELETE", "/services/{service_id}", service_delete, ROLE_ADMIN, ROUTE_NO_BODY, "service.delete"),
	R("GET", "/endpoints", endpoint_list, ROLE_ADMIN, 0, "endpoint.list"),
	R("GET", "/endpoints/{endpoint_id}", endpoint_show, ROLE_ADMIN, 0, "endpoint.show"),
	B("POST", "/endpoints", endpoint_create, ROLE_ADMIN, 0, "endpoint.create", endpoint_create),
	B("PATCH", "/endpoints/{endpoint_id}", endpoint_update, ROLE_ADMIN, 0, "endpoint.update", endpoint_update),
	R("DELETE", "/endpoints/{endpoint_id}", endpoint_delete, ROLE_ADMIN, ROUTE_NO_BODY, "endpoint.delete"),
	R("GET", "/regions", region_list, ROLE_ANY, 0, "region.list"),
	R("GET", "/regions/{region_id}", region_show, ROLE_ANY, 0, "region.show"),
	B("POST", "/regions", region_create, ROLE_ADMIN, 0, "region.create", region),
	B("PUT", "/regions/{region_id}", region_put, ROLE_ADMIN, 0, "region.create", region),
	B("PATCH", "/regions/{region_id}", region_update, ROLE_ADMIN, 0, "region.update", region),
	R("DELETE", "/regions/{region_id}", region_delete, ROLE_ADMIN, ROUTE_NO_BODY, "region.delete"),
};

#undef R
#undef B
#undef GRANTS
#undef GRANTS_INHERITED
/* clang-format on */

const struct api_service service_identity = {
	.name = "identity",
	.prefix = "/identity/v3",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.error_body = api_error_body_identity,
};
