/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `migration`: moves of servers to another host or another flavor. Strings are in the caller's arena.
 */
#ifndef STORE_MOVES_H
#define STORE_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct server;

enum move_kind { MOVE_RESIZE, MOVE_COLD, MOVE_LIVE, MOVE_EVACUATION };
const char *move_kind_text(enum move_kind kind); /* as the API says it: "live-migration" */

struct move_flavor { /* the columns of a server's row that a flavor makes */
	const char *uid, *name;
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	const char *extra_specs; /* JSON */
};

struct move {
	int64_t id;
	const char *uid;
	int64_t server_id;
	const char *server_uid; /* read only */
	enum move_kind kind;
	const char *status;
	int64_t source_host_id, dest_host_id; /* 0: removed since */
	const char *source_host, *dest_host;
	const char *source_node, *dest_node; /* read only: the hypervisors' names */
	struct move_flavor other;            /* the one that the server does not have */
	int64_t old_flavor_id, new_flavor_id;
	bool was_off, cancel;
	bool direct;        /* nobody has to confirm it */
	bool switched;      /* the server lives at the destination, with the new flavor */
	const char *reason; /* why it went wrong; "": it did not */
	const char *user_uid, *project_uid;
	int64_t created_us, updated_us, ended_us; /* ended 0: open */
};

/* ERR_CONFLICT: the server has an open one. */
int store_move_insert(struct db *db, const struct move *m, struct error *err);
/* 1 found, 0 none, -1. */
int store_move_load(struct db *db, struct arena *a, int64_t id, struct move *out, struct error *err);
int store_move_open(struct db *db, struct arena *a, int64_t server_id, struct move *out, struct error *err);
/* Servers (rows) that wait for their resize's confirmation since before that time; in the arena. */
int store_move_unconfirmed(struct db *db, struct arena *a, int64_t before_us, int64_t max, int64_t **out,
	size_t *out_n, struct error *err);
/* ended: closes it. */
int store_move_status(
	struct db *db, int64_t id, const char *status, bool ended, int64_t now_us, struct error *err);
int store_move_cancel(struct db *db, int64_t id, int64_t now_us, struct error *err);
int store_move_reason(struct db *db, int64_t id, const char *reason, struct error *err);
/* Where the server lives now, and the flavor that it does not have there. */
int store_move_switched(
	struct db *db, int64_t id, bool switched, const struct move_flavor *f, struct error *err);
/* The server's row takes a flavor; guarded by its generation as store_server_save, and counts it up. */
int store_server_reflavor(struct db *db, struct server *s, const struct move_flavor *f, struct error *err);
struct move_flavor move_flavor_of(const struct server *s);

struct move_filter { /* NULL, 0: any */
	const char *server_uid, *host, *source_host, *status, *user_uid, *project_uid;
	bool by_kind;
	enum move_kind kind;
	int64_t since_us, before_us; /* by the time of the last change, both inclusive */
	int64_t below_id;            /* those behind the marker */
	int64_t limit;
};
/* Newest first. */
int store_move_list(struct db *db, struct arena *a, const struct move_filter *filter, struct move **out,
	size_t *out_n, struct error *err);
/* Is there an open one of that uid? 1, 0, -1. */
int store_move_is_open(struct db *db, const char *uid, struct error *err);
/* The row of a uid: 1 found, 0 none, -1. */
int store_move_find(struct db *db, const char *uid, int64_t *out_id, struct error *err);

#endif
