/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of GET /servers/{id} kept as they were rendered, for those who poll.
 *
 * An entry is good while nothing was committed since it was rendered: store_seq changes exactly when what
 * reads show changes, so there is nothing to invalidate and nothing to forget. What a reply depends on
 * besides rows is its key: id, project, role, microversion and the URL that links begin with. Replies that
 * show memory (host_status) are not kept. */
#ifndef API_COMPUTE_SERVER_CACHE_H
#define API_COMPUTE_SERVER_CACHE_H

#include "api/compute/compute.h"

/* Writes the kept reply to c->out. False: there is none. */
bool server_cache_get(struct api_call *c, const char *uid);
/* Keeps c->out as the reply. */
void server_cache_put(struct api_call *c, const char *uid);

#endif
