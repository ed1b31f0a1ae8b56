/* SPDX-License-Identifier: Apache-2.0 */
/* Where a new server goes: zone and host, networks and ports, from a request's texts to rows. */
#ifndef API_COMPUTE_SERVER_PLACE_H
#define API_COMPUTE_SERVER_PLACE_H

#include "api/compute/server_create_body.h"

/* zone is "zone", or for administrators "zone:host", "zone:host:node"; host and hypervisor are theirs too.
 * NULL: any. Fills in want->zone and want->host. */
int server_find_place(struct api_call *c, const char *zone, const char *host, const char *hypervisor,
	struct server_create *want, struct error *err);
/* A list of {uuid | port, fixed_ip}, from 2.37 also "auto" and "none". several: for more than one server.
 * Fills in want->nics. */
int server_find_networks(struct api_call *c, int64_t project_id, const struct server_create_args *in,
	struct server_create *want, struct error *err);

#endif
