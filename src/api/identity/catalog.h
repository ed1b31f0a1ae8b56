/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog as a whole: cloudd's own services, made of the configuration, and what the operator added. */
#ifndef API_IDENTITY_CATALOG_H
#define API_IDENTITY_CATALOG_H

#include "api/identity/internal.h"
#include "store/catalog.h"

/* cloudd's own come first and have id 0; in the call's arena. */
struct catalog {
	struct catalog_region *regions;
	struct catalog_service *services;
	struct catalog_endpoint *endpoints;
	size_t regions_n, services_n, endpoints_n;
};
int catalog_load(struct api_call *c, struct catalog *out, struct error *err);

/* ERR_NOT_FOUND, as the path's or a body's id. */
const struct catalog_region *catalog_region(const struct catalog *k, const char *uid, struct error *err);
const struct catalog_service *catalog_service(const struct catalog *k, const char *uid, struct error *err);
const struct catalog_endpoint *catalog_endpoint(const struct catalog *k, const char *uid, struct error *err);

/* cloudd's own cannot be changed: ERR_FORBIDDEN with where they come from. */
int catalog_changeable(int64_t id, struct error *err);
/* Is there no such filter in the query, or is this its value? */
bool catalog_wanted(const struct api_call *c, const char *filter, const char *value);

#endif
