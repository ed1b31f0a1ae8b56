/* SPDX-License-Identifier: Apache-2.0 */
/* Identity v3: what the other services' tables need of it. The route table itself is service_identity
 * (api/api.h), authentication is in api/principal.h. */
#ifndef API_IDENTITY_IDENTITY_H
#define API_IDENTITY_IDENTITY_H

#include "api/api.h"

/* GET /identity: 300 with the one version. */
int identity_versions(struct api_call *c, struct error *err);
/* POST /cloud/v1/bootstrap, ROUTE_OWN, for root on the unix socket alone: the first administrator and
 * project.
 * {"bootstrap": {"username": "admin", "password": "...", "project": "admin"}} */
int identity_bootstrap(struct api_call *c, struct error *err);
extern const struct bind_table identity_bootstrap_body;
/* "catalog": services as tokens show them, an array, at the writer's place. */
void identity_catalog(struct api_call *c, struct buf *b);

#endif
