/* SPDX-License-Identifier: Apache-2.0 */
/* os:scheduler_hints of a request for servers: the group that they join, and servers whose hosts they want or
 * keep away from, and the capacity block whose GPUs they use. Other hints are refused. */
#ifndef API_COMPUTE_SERVER_HINTS_H
#define API_COMPUTE_SERVER_HINTS_H

#include "api/compute/compute.h"

struct server_hints_body {
	const char *group;
	const char *same, *different;             /* one server's id, or */
	struct bind_list all_same, all_different; /* several, const char * */
	const char *reservation;
};
extern const struct bind_table server_hints_table;

/* Fills in group_id and hints. What they name must be the project's own. ERR_BAD_REQUEST. */
int server_find_hints(struct api_call *c, int64_t project_id, const struct server_hints_body *in,
	struct server_create *want, struct error *err);

#endif
