/* SPDX-License-Identifier: Apache-2.0 */
/* The row of an image that is made of a server's disk: there at once, in status saving; its data come when a
 * flow brings them. */
#ifndef FLOW_SERVER_SNAPSHOT_H
#define FLOW_SERVER_SNAPSHOT_H

#include "base/arena.h"
#include "flow/flow.h"
#include "store/servers.h"

struct server_snapshot {
	const char *name, *type; /* image_type: snapshot or backup */
	const struct server_pair *extra;
	size_t extra_n;
	const char *user_uid; /* who asked; "": nobody */
	const char *uid;      /* out */
	int64_t id;           /* out */
};

/* Inside a unit. Limits are the caller's business. */
int server_snapshot_insert(struct flow_engine *e, struct db *db, struct arena *a, const struct server *s,
	int64_t project_id, struct server_snapshot *snapshot, int64_t now_us, struct error *err);
/* "<name>-shelved", cut between characters where that is too long. */
const char *server_shelved_name(struct arena *a, const char *server_name);

#endif
