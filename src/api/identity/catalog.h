/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that the catalog, /services and /endpoints are made of. */
#ifndef API_IDENTITY_CATALOG_H
#define API_IDENTITY_CATALOG_H

#include "api/identity/internal.h"

struct catalog_service {
	const char *type, *name, *path;
};

extern const struct catalog_service catalog_services[];
extern const size_t catalog_services_n;
extern const char *const catalog_interfaces[3];

/* The id of a service (interface NULL) or of its endpoint. */
const char *catalog_id(const struct catalog_service *s, const char *interface, char out[HEX32_TEXT]);

#endif
