/* SPDX-License-Identifier: Apache-2.0 */
/* What the flows of moves share: the rows and the memory of a server that holds room at two places. All but
 * the acts run inside a unit. */
#ifndef FLOW_MOVE_H
#define FLOW_MOVE_H

#include "flow/decisions.h"
#include "flow/server_move.h"
#include "flow/server_parts.h"
#include "store/allocations.h"
#include "store/moves.h"

/* The server's row with its open move, as read by a step's load; the act runs at the place of the name. All
 * read what a domain is made of. */
enum flow_verdict move_load_source(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
enum flow_verdict move_load_dest(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
/* Where it lives now. */
enum flow_verdict move_load_home(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);

/* The server lives at the other place from here on, with the other flavor and a new epoch; both places stay
 * held. Again: back. */
int move_switch(struct flow_engine *e, struct db *db, struct arena *a, struct server *s, struct move *m,
	struct error *err);
/* The move is over; what is held at the other place goes. On another host it is cleared first, and after an
 * error on its own host the domain has to be seen without it. */
int move_close(struct flow_engine *e, struct db *db, const struct server *s, const struct move *m,
	const char *status, const char *request_id, int64_t now_us, struct error *err);
/* The server is being deleted from where it lives: its open move ends with it. */
int move_abandon(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err);
/* Holds what was held before in another way, and never given away; what an allocation held is free; two whose
 * keys are held already are held as they are now. */
int move_hold(struct flow_engine *e, struct db *db, const struct allocation_row *a, struct error *err);
int move_unhold(struct flow_engine *e, struct db *db, int64_t allocation_id, struct error *err);
/* The same is held under another key: nothing is given back. */
int move_hold_as(struct flow_engine *e, struct db *db, int64_t allocation_id, const struct allocation_row *a,
	struct error *err);
int move_rehold(struct flow_engine *e, struct db *db, const struct allocation_row *a,
	const struct allocation_row *b, struct error *err);
/* A move begins: the project's quota counts the larger of the server's flavor and the other. */
void move_count(struct flow_engine *e, const struct server *s, const struct move_flavor *other);
/* By how much the other flavor is larger, in what quota counts. */
void move_peak(struct flow_engine *e, const struct server *s, const struct move_flavor *other,
	struct quota_amounts *out);
/* move_share.c: a resize on the same host. Chooses there as if nothing of the server that both flavors can
 * share were taken; takes what was chosen beside what is held; and the switch of the rows: home is by the
 * flavor `is` from now on. */
int move_choose_beside(struct flow_engine *e, struct db *db, const struct decision_asked *who,
	const struct allocation_row *held, const struct placement_request *req, struct placement_choice *out,
	struct error *err);
int move_take_beside(struct flow_engine *e, struct db *db, struct arena *a, int64_t id,
	const struct allocation_row *held, const struct placement_request *req,
	const struct placement_choice *c, struct error *err);
void move_share(struct arena *a, const struct move_flavor *was, const struct move_flavor *is,
	struct allocation_row *home, struct allocation_row *other);
/* The end of a flow: the server in this state, with no task; power as Nova counts it. */
int move_settle(struct flow_engine *e, struct db *db, const struct act *act, enum vm_state vm, int power,
	struct error *err);

/* The operator says so, and nothing else is heard of it. */
bool host_is_dead(struct flow_engine *e, struct db *db, int64_t host_id);
/* The verdict of a load, or a failure: a dead host is not waited for. */
enum flow_verdict unless_dead(
	struct flow_engine *e, struct db *ro, const struct act *act, enum flow_verdict v, struct error *err);

/* leftover.c: clears away what a server left on a host where it does not live any more, however long the host
 * cannot be heard, and then gives back what is held there. */
int leftover_begin(struct flow_engine *e, struct db *db, int64_t allocation_id, const char *request_id,
	int64_t now_us, struct error *err);
/* Hosts that are still to be cleared of a server, with room for one more: it does not go there. */
int leftover_avoid(
	struct db *db, struct arena *a, int64_t server_id, int64_t **out, size_t *out_n, struct error *err);
/* The host is gone for good, by the operator's word: nothing of what was left there has to be cleared. */
int leftover_forget(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* The home itself is left behind, on a host that is declared dead. */
int leftover_make(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err);
/* A domain of an older epoch was seen there, and nothing is held for it. */
int leftover_seen(struct flow_engine *e, struct db *db, int64_t server_id, int64_t host_id, int64_t now_us,
	struct error *err);

/* move_disks.c: disks on their way to another host, by files beside the images. */
int move_fetch_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int move_send_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
void move_files_remove(const char *image_dir, const char *move_uid);

extern const struct flow_kind kind_server_resize, kind_server_resize_revert, kind_server_migrate_live,
	kind_server_evacuate, kind_leftover_remove;

#endif
