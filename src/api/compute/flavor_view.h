/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_COMPUTE_FLAVOR_VIEW_H
#define API_COMPUTE_FLAVOR_VIEW_H

#include "api/compute/compute.h"
#include "store/flavors.h"

/* The flavor of the path's {flavor_id}, as far as the caller may see it. */
int compute_flavor_get(struct api_call *c, struct flavor *out, struct error *err);
/* Values of a JSON object of extra specs as text (numbers and booleans too). ERR_BAD_REQUEST. */
int compute_flavor_spec_text(
	struct api_call *c, const char *key, const json_t *value, const char **out, struct error *err);

#endif
