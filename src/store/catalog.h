/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `catalog_region`, `catalog_service` and `catalog_endpoint`: what the operator adds to the catalog.
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include <stdbool.h>

#include "base/arena.h"
#include "store/db.h"

enum { CATALOG_MAX = 1000 }; /* rows of each: a catalog goes with every token */

struct catalog_region {
	int64_t id; /* 0: cloudd's own; so below */
	const char *uid, *description;
	const char *parent_uid; /* NULL: none */
	const char *extra;      /* JSON */
};

struct catalog_service {
	int64_t id;
	const char *uid, *type;
	const char *name, *description; /* NULL: none */
	bool enabled;
	const char *extra;
};

struct catalog_endpoint {
	int64_t id;
	const char *uid, *service_uid;
	const char *region_uid; /* NULL: none */
	const char *interface, *url;
	bool enabled;
	const char *extra;
};

/* All, by id, in the arena, behind `before` entries that are left to the caller. */
int store_region_list(struct db *db, struct arena *a, size_t before, struct catalog_region **out,
	size_t *out_n, struct error *err);
int store_service_list(struct db *db, struct arena *a, size_t before, struct catalog_service **out,
	size_t *out_n, struct error *err);
int store_endpoint_list(struct db *db, struct arena *a, size_t before, struct catalog_endpoint **out,
	size_t *out_n, struct error *err);

/* Insert: ERR_CONFLICT when the id is taken, ERR_OVER_QUOTA when there are CATALOG_MAX. */
int store_region_insert(struct db *db, const struct catalog_region *r, struct error *err);
int store_region_update(struct db *db, const struct catalog_region *r, struct error *err);
/* ERR_FORBIDDEN while endpoints or regions are in it. */
int store_region_remove(struct db *db, const struct catalog_region *r, struct error *err);
int store_service_insert(struct db *db, const struct catalog_service *s, struct error *err);
int store_service_update(struct db *db, const struct catalog_service *s, struct error *err);
/* With its endpoints. */
int store_service_remove(struct db *db, const struct catalog_service *s, struct error *err);
int store_endpoint_insert(struct db *db, const struct catalog_endpoint *e, struct error *err);
int store_endpoint_update(struct db *db, const struct catalog_endpoint *e, struct error *err);
int store_endpoint_remove(struct db *db, int64_t id, struct error *err);

#endif
