/* SPDX-License-Identifier: Apache-2.0 */
/* The compute service (OpenStack's Nova API): its handlers, and what they share. */
#ifndef API_COMPUTE_COMPUTE_H
#define API_COMPUTE_COMPUTE_H

#include "api/api.h"
#include "flow/server.h"
#include "store/server_list.h"

enum { COMPUTE_VERSION_MIN = 1, COMPUTE_VERSION_MAX = 93 };

/* Version documents outside of the service's prefix: GET /compute and GET /compute/v2. */
int compute_versions(struct api_call *c, struct error *err);
int compute_version_v2(struct api_call *c, struct error *err);

/* --- shared
 * ----------------------------------------------------------------------------------------------------------
 */

static inline bool since(const struct api_call *c, int minor)
{
	return c->version >= minor;
}

/* The project whose objects a call may see by id: the token's; 0 (any) for administrators. */
int64_t compute_scope(const struct api_call *c);
/* "links": [self, bookmark] of /compute/v2.1/<collection>/<id>. */
void compute_links(struct api_call *c, const char *collection, const char *id);
/* "links": [bookmark] */
void compute_bookmark(struct api_call *c, const char *collection, const char *id);
/* "key": "2026-01-01T00:00:00Z" or, with micro, "2026-01-01T00:00:00.000000"; 0 is null. */
void compute_time(struct buf *b, const char *key, int64_t us, bool micro);
/* The action's origin, for the action log. */
struct flow_origin compute_origin(const struct api_call *c);
/* From this minor version on only the named query parameters (NULL-ended) are taken: ERR_BAD_REQUEST. */
int compute_only_query(const struct api_call *c, int from, const char *const *names, struct error *err);
/* The server of the path's {server_id}; c->target is set. Changes go through `load` (all columns). */
int compute_server_row(struct api_call *c, struct server_row *out, struct error *err);
int compute_server_load(struct api_call *c, struct server *out, struct error *err);

/* --- bodies: the tables of requests --- */

extern const struct bind_table compute_action_body, compute_server_create_body;
extern const struct bind_table compute_flavor_create_body, compute_flavor_update_body,
	compute_flavor_specs_body, compute_flavor_spec_body, compute_flavor_action_body;
extern const struct bind_table compute_keypair_body, compute_server_update_body, compute_metadata_body,
	compute_meta_body, compute_tags_body;

/* The server is being deleted: a live move that is under way is told so after the commit, and not waited for.
 */
void compute_move_ends(struct api_call *c, const struct server *s);

/* --- handlers, by file --- */

api_handler compute_flavor_list, compute_flavor_detail, compute_flavor_show, compute_flavor_create,
	compute_flavor_update, compute_flavor_delete;
api_handler compute_flavor_specs_list, compute_flavor_specs_create, compute_flavor_spec_show,
	compute_flavor_spec_update, compute_flavor_spec_delete, compute_flavor_access, compute_flavor_action;
api_handler compute_keypair_list, compute_keypair_create, compute_keypair_show, compute_keypair_delete;
api_handler compute_server_create;
api_handler compute_server_list, compute_server_detail;
api_handler compute_server_show, compute_server_update, compute_server_delete;
api_handler compute_server_action;
api_handler compute_remote_console, compute_console_token;
extern const struct bind_table compute_remote_console_body;
api_handler compute_server_metadata_list, compute_server_metadata_merge, compute_server_metadata_replace,
	compute_server_meta_show, compute_server_meta_set, compute_server_meta_delete;
api_handler compute_server_tags_list, compute_server_tags_replace, compute_server_tags_clear,
	compute_server_tag_check, compute_server_tag_add, compute_server_tag_remove;
api_handler compute_server_ips, compute_server_ips_of, compute_server_groups_of, compute_server_interfaces,
	compute_server_volumes, compute_server_password, compute_server_password_clear;
api_handler compute_action_list, compute_action_show;
api_handler compute_limits, compute_quota_show, compute_quota_detail, compute_quota_defaults,
	compute_quota_update, compute_quota_delete, compute_quota_class, compute_quota_class_update;
api_handler compute_usage_list, compute_usage_show;
api_handler compute_zone_list, compute_zone_detail;
api_handler compute_hypervisor_list, compute_hypervisor_detail, compute_hypervisor_show,
	compute_hypervisor_statistics, compute_hypervisor_uptime, compute_hypervisor_search,
	compute_hypervisor_servers;
api_handler compute_service_list, compute_service_update, compute_service_delete;
api_handler compute_os_host_list, compute_os_host_show, compute_os_host_update, compute_os_host_power;
api_handler compute_server_group_list, compute_server_group_show, compute_server_group_create,
	compute_server_group_delete;
api_handler compute_aggregate_list, compute_aggregate_show, compute_aggregate_create,
	compute_aggregate_update, compute_aggregate_delete, compute_aggregate_action,
	compute_aggregate_images;
api_handler compute_server_diagnostics, compute_server_topology, compute_external_events, compute_audit_log,
	compute_audit_log_before;
api_handler compute_extensions, compute_extension, compute_gone;
api_handler compute_migrations, compute_server_migrations, compute_server_migration,
	compute_server_migration_abort, compute_server_migration_action;
extern const struct bind_table compute_migration_action_body;
extern const struct bind_table compute_service_body, compute_os_host_body, compute_server_group_body,
	compute_aggregate_create_body, compute_aggregate_update_body, compute_aggregate_action_body,
	compute_aggregate_images_body, compute_events_body, compute_quota_body, compute_quota_class_body;

#endif
