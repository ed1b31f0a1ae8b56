/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `flavor`, their extra specs, and which projects may use those that are not public. */
#ifndef STORE_FLAVORS_H
#define STORE_FLAVORS_H

#include "store/servers.h"

struct flavor {
	int64_t id;
	const char *uid, *name, *description; /* description NULL: none */
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	double rxtx_factor;
	bool is_public, disabled;
	int64_t created_us;
};

struct flavor_filter {
	int64_t project_id; /* sees the public ones and those it has access to; 0: all are seen */
	int is_public;      /* -1: both */
	int64_t min_ram_mib, min_disk_gib;
};

/* id included. ERR_CONFLICT naming what is taken. */
int store_flavor_insert(struct db *db, const struct flavor *f, struct error *err);
/* project_id 0: of any; else "not found" covers what the project may not use. */
int store_flavor_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct flavor *out,
	struct error *err);
/* By uid ascending. */
int store_flavor_list(struct db *db, struct arena *a, const struct flavor_filter *filter, struct flavor **out,
	size_t *out_n, struct error *err);
int store_flavor_describe(struct db *db, int64_t id, const char *description, struct error *err);
int store_flavor_delete(struct db *db, int64_t id, struct error *err);

/* Extra specs, by key. */
int store_flavor_extras(struct db *db, struct arena *a, int64_t flavor_id, struct server_pair **out,
	size_t *out_n, struct error *err);
int store_flavor_extra_set(
	struct db *db, int64_t flavor_id, const char *key, const char *value, struct error *err);
int store_flavor_extra_remove(struct db *db, int64_t flavor_id, const char *key, struct error *err);

/* The uids of the projects with access. */
int store_flavor_access(struct db *db, struct arena *a, int64_t flavor_id, const char ***out, size_t *out_n,
	struct error *err);
int store_flavor_access_add(struct db *db, int64_t flavor_id, int64_t project_id, struct error *err);
int store_flavor_access_remove(struct db *db, int64_t flavor_id, int64_t project_id, struct error *err);

#endif
