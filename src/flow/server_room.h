/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is on no host, what it asks for, and what follows when there is a place for it. In a unit. */
#ifndef FLOW_SERVER_ROOM_H
#define FLOW_SERVER_ROOM_H

#include "flow/internal.h"
#include "store/servers.h"

struct server_room { /* a place that was found */
	const struct placement_request *req;
	const struct placement_choice *choice;
	int64_t action_id; /* of the server's log, that ends with the flow */
	const char *request_id;
	int64_t now_us;
};

/* Zone and host are left to the caller. */
int server_create_request(struct db *db, struct arena *a, const struct server *s,
	struct placement_request *out, struct error *err);
int server_unshelve_request(struct db *db, struct arena *a, const struct server *s,
	struct placement_request *out, struct error *err);

/* What a server on its host holds from now on, and the flow that brings it to life. */
int server_create_begin(struct flow_engine *e, struct db *db, struct arena *a, const struct server *s,
	const struct server_room *room, struct error *err);
/* The same of one that is on no host yet; its row is written. */
int server_create_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_room *room, struct error *err);
int server_unshelve_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_room *room, struct error *err);

#endif
