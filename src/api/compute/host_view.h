/* SPDX-License-Identifier: Apache-2.0 */
/* A host as the compute API's several lists see it: a hypervisor, a nova-compute service, a part of a zone.
 */
#ifndef API_COMPUTE_HOST_VIEW_H
#define API_COMPUTE_HOST_VIEW_H

#include "api/compute/compute.h"
#include "store/hosts.h"

/* It is known to be connected. out_seen_us (may be NULL): its last answer, 0 never. */
bool host_is_up(const struct api_call *c, const struct host_row *h, int64_t *out_seen_us);
/* Takes new servers while it is up. */
bool host_is_enabled(const struct host_row *h);
/* Why it takes none; NULL: it does. */
const char *host_disabled_reason(const struct host_row *h);
/* The name that its hypervisor gives itself. */
const char *host_hypervisor_name(const struct host_row *h);
/* By number below 2.53, by uuid from then on: in the arena. */
const char *host_public_id(struct api_call *c, const struct host_row *h);
/* "id": that, as a number or a text. */
void host_put_id(struct api_call *c, const struct host_row *h);
/* The host whose public id is `text`. *out_found false: none. */
int host_find_by_id(
	struct api_call *c, const char *text, struct host_row *out, bool *out_found, struct error *err);
/* The host of that name. ERR_NOT_FOUND "Compute host X could not be found." */
int host_find_by_name(struct api_call *c, const char *name, struct host_row *out, struct error *err);
/* What an operator's call makes of the row: up or disabled, with a reason, by flow_host_set_state. */
int host_set_enabled(
	struct api_call *c, struct host_row *h, bool enabled, const char *reason, struct error *err);

#endif
