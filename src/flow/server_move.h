/* SPDX-License-Identifier: Apache-2.0 */
/* What the API asks of servers that change host or flavor. As in server.h, each runs inside a unit unless
 * said otherwise. */
#ifndef FLOW_SERVER_MOVE_H
#define FLOW_SERVER_MOVE_H

#include "flow/server.h"
#include "hv/hv.h"
#include "store/moves.h"

struct server_move {
	enum move_kind kind;
	const struct move_flavor *flavor;     /* MOVE_RESIZE: the new one */
	int64_t old_flavor_id, new_flavor_id; /* rows; 0: not known any more */
	const char *host;                     /* NULL: any that fits; not for MOVE_RESIZE */
	const char *admin_pass;               /* MOVE_EVACUATION: for the new disk's config drive */
	int64_t action_id;                    /* of a request that waited for room; 0: it does so now */
	/* For a drain, in a unit with more to do: not to those hosts; nobody has to confirm it, and no place
	 * is no decision. An error other than ERR_INTERNAL has written nothing. */
	bool drain;
	const int64_t *avoid;
	size_t avoid_n;
};

/* Resize, migrate, os-migrateLive, evacuate. ERR_CONFLICT by the server's state; ERR_BAD_REQUEST for what
 * cannot be, also when no host fits; ERR_OVER_QUOTA. */
int flow_server_move(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_move *want, bool is_admin, const struct flow_origin *origin, struct error *err);
/* The server is what it was confirmed to be at once; what is left at the old place is cleared behind it. */
int flow_server_confirm(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	bool is_admin, const struct flow_origin *origin, struct error *err);
int flow_server_revert(struct flow_engine *e, struct db *db, struct arena *a, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* A live move under way, by the row: ended early, or ended soon with the guest paused. Cancel is a wish that
 * stays; both tell the host when flow_move_tell is called after the commit. ERR_BAD_REQUEST: not under way.
 */
enum move_word { MOVE_WORD_CANCEL, MOVE_WORD_FORCE };
int flow_move_order(
	struct db *db, const struct move *m, enum move_word word, int64_t now_us, struct error *err);
/* On the loop, any time. */
void flow_move_tell(struct flow_engine *e, int64_t host_id, const char *uid, enum move_word word);

/* How far it is, asked of the host. done is called once on the loop; NULL: not known. */
typedef void flow_progress_fn(void *ctx, const struct hv_progress *progress);
void flow_move_progress(
	struct flow_engine *e, int64_t host_id, const char *uid, flow_progress_fn *done, void *ctx);

#endif
