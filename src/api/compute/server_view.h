/* SPDX-License-Identifier: Apache-2.0 */
/* A server as JSON, for each microversion. */
#ifndef API_COMPUTE_SERVER_VIEW_H
#define API_COMPUTE_SERVER_VIEW_H

#include "api/compute/compute.h"

enum server_view_kind {
	SERVER_VIEW_SHOW,
	SERVER_VIEW_LIST,   /* an entry of the detailed list */
	SERVER_VIEW_UPDATE, /* PUT's answer: less below 2.75 */
	SERVER_VIEW_REBUILD /* rebuild's: as PUT's, with the password */
};

/* Writes the object (without a key) to c->out. */
int server_view(
	struct api_call *c, const struct server_row *r, enum server_view_kind kind, struct error *err);
/* {id, name, links} */
void server_view_brief(struct api_call *c, const struct server_row *r);
/* {"label": [{version, addr, …}]}: extended adds type and MAC; label NULL: all. Returns how many labels, or
 * -1. */
int server_addresses_view(
	struct api_call *c, int64_t server_id, const char *label, bool extended, struct error *err);

#endif
