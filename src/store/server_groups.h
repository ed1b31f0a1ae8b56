/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of servers, who is in them, and the hints that servers were made with. Strings are in the caller's
 * arena. */
#ifndef STORE_SERVER_GROUPS_H
#define STORE_SERVER_GROUPS_H

#include "base/arena.h"
#include "store/db.h"

struct server_group {
	int64_t id, project_id;
	const char *uid, *project_uid, *user_uid, *name;
	const char *policy;   /* affinity, anti-affinity, soft-affinity, soft-anti-affinity */
	int64_t max_per_host; /* of anti-affinity; 0: no rule was given */
	int64_t created_us;
};

int store_server_group_insert(struct db *db, const struct server_group *g, struct error *err);
/* project_id 0: of any. ERR_NOT_FOUND "Instance group <uid> could not be found." */
int store_server_group_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct server_group *out, struct error *err);
/* By row. 1 found, 0 none, -1. */
int store_server_group_load(
	struct db *db, struct arena *a, int64_t id, struct server_group *out, struct error *err);
/* project_id 0: of all. In the order of their making. */
int store_server_group_list(struct db *db, struct arena *a, int64_t project_id, int64_t offset, int64_t limit,
	struct server_group **out, size_t *out_n, struct error *err);
/* Its servers are in no group then. */
int store_server_group_delete(struct db *db, int64_t id, struct error *err);
/* uids of its servers, in the order of their making. */
int store_server_group_members(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err);
int store_server_group_count(struct db *db, int64_t id, int64_t *out, struct error *err);

int store_server_group_join(struct db *db, int64_t group_id, int64_t server_id, struct error *err);
/* It leaves its group, and its hints go. */
int store_server_group_leave(struct db *db, int64_t server_id, struct error *err);
/* The row of the server's group (0: none), and its uid (NULL: none). */
int store_server_group_of(struct db *db, struct arena *a, int64_t server_id, int64_t *out_id,
	const char **out_uid, struct error *err);

struct server_group_host { /* how many of its servers have room there */
	int64_t host_id, n;
};
/* `but`: a server that does not count; 0 none. */
int store_server_group_hosts(struct db *db, struct arena *a, int64_t id, int64_t but,
	struct server_group_host **out, size_t *out_n, struct error *err);

enum hint_kind { HINT_SAME_HOST, HINT_DIFFERENT_HOST, HINT_RESERVATION };
struct server_hint {
	enum hint_kind kind;
	int64_t other_id; /* server; of a reservation the capacity block */
};
int store_server_hint_add(struct db *db, int64_t server_id, const struct server_hint *h, struct error *err);
/* Those that name servers which are gone have no meaning any more, nor a block that is not active. */
int store_server_hints(struct db *db, struct arena *a, int64_t server_id, struct server_hint **out,
	size_t *out_n, struct error *err);
/* Hosts where a server has room: one, or more while it moves. There is room for four more in ids; *n grows.
 */
int store_server_hosts(struct db *db, int64_t server_id, int64_t *ids, size_t *n, struct error *err);

#endif
