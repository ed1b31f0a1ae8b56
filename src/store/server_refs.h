/* SPDX-License-Identifier: Apache-2.0 */
/* What a request for a server refers to by the client's ids: images, networks, ports, hosts and zones, as far
 * as the project may use them. Each returns 1 found, 0 not (or not this project's), -1. */
#ifndef STORE_SERVER_REFS_H
#define STORE_SERVER_REFS_H

#include <stdbool.h>

#include "store/db.h"

struct server_image_ref {
	int64_t id;
	bool active;
	int64_t virtual_size; /* bytes; 0: unknown */
	int64_t min_disk_gib, min_ram_mib;
};
int store_ref_image(struct db *db, int64_t project_id, bool is_admin, const char *uid,
	struct server_image_ref *out, struct error *err);

int store_ref_network(struct db *db, int64_t project_id, const char *uid, int64_t *out_id, struct error *err);
/* The only network that the project can use, and how many there are. */
int store_ref_network_only(
	struct db *db, int64_t project_id, int64_t *out_id, int64_t *out_n, struct error *err);

struct server_port_ref {
	int64_t id, network_id;
	bool in_use;
};
int store_ref_port(
	struct db *db, int64_t project_id, const char *uid, struct server_port_ref *out, struct error *err);

/* A host by its name or its hypervisor's; out_name, out_zone (NULL: not wanted) in the arena. */
int store_ref_host(struct db *db, struct arena *a, const char *name, const char **out_name,
	const char **out_zone, struct error *err);
int store_ref_zone(struct db *db, const char *zone, struct error *err);

#endif
