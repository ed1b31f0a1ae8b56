/* SPDX-License-Identifier: Apache-2.0 */
/* What a server left on a host where it does not live any more: the old place of a move, or a home on a host
 * that was declared dead; or where it lives, what its definition there may name of a flavor that it does not
 * have any more. The flow's subject is the allocation. It waits until the host can be heard, clears domain,
 * parts and disks (where it lives: parts alone, once the definition is of its own flavor), and only then
 * gives back what was held: until there is proof, it may still run there, or be started. */
#include "flow/console.h"
#include "flow/move.h"
#include "flow/preempt.h"
#include "flow/samples.h"

#include "base/log.h"
#include "base/util.h"
#include "store/server_power.h"

struct leftover {
	struct allocation_row held;
	struct server s;
	struct move move; /* id 0: none */
	const char *image_dir;
	bool at_home; /* of a flavor that it does not have any more, where it lives */
};

static enum flow_verdict remove_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct leftover *f = ARENA_NEW(&act->arena, struct leftover);
	int rc = store_allocation_get(ro, &act->arena, act->flow->subject_id, &f->held, err);

	act->facts = f;
	f->image_dir = e->cfg.image_dir;
	if (rc == 0)
		error_internal(err, "allocation %lld is not there", (long long)act->flow->subject_id);
	if (rc <= 0 || store_server_load(ro, &act->arena, f->held.server_id, &f->s, err) ||
		store_move_load(ro, &act->arena, f->held.id, &f->move, err) < 0)
		return FLOW_FAIL;
	act->host_id = f->held.host_id;
	act->call.owner = fair_project(f->s.project_id);
	act->clears = f->held.server_id;
	f->at_home = !f->s.deleted_us && f->s.host_id == f->held.host_id && f->held.id != f->s.id;
	if (f->s.deleted_us || f->s.host_id != f->held.host_id || f->at_home)
		return FLOW_NEXT;
	error_internal(err, "server %s lives where its left-overs should be cleared away", f->s.uid);
	return FLOW_FAIL;
}

/* Each change of the flavor has an epoch: what its domain carries tells by which one it was defined. */
static int see_defined(
	const struct leftover *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct hv_seen seen;

	if (drv->domain_look(conn, f->s.uid, &seen, err))
		return -1;
	if (seen.power == HV_POWER_ABSENT || (seen.ours && seen.epoch >= f->s.epoch))
		return 0;
	return error_set(err, ERR_CONFLICT, "the server's definition is still of its other flavor");
}

static int remove_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct leftover *f = act->facts;

	if (!f->at_home) {
		console_last_read(act, drv, conn, f->s.uid);
		samples_last_read(act, drv, conn, f->s.uid, NULL);
	}
	if (f->at_home ? see_defined(f, drv, conn, err) : server_remove(f->s.uid, NULL, 0, drv, conn, err))
		return -1;
	for (size_t i = 0; i < f->held.parts_n; i++)
		if (act_abandoned(act, err) || drv->mdev_remove(conn, f->held.parts[i].uid, err))
			return -1;
	if (f->move.id)
		move_files_remove(f->image_dir, f->move.uid);
	return FLOW_NEXT;
}

static int remove_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct leftover *f = act->facts;

	return move_unhold(e, db, f->held.id, err) || waiter_room(e, db, f->held.host_id, err) ||
			       evidence_left(e, db, f->held.host_id, err)
		       ? -1
		       : 0;
}

static const struct flow_step remove_steps[] = {
	{ "remove", remove_load, remove_act, NULL, TASK_NONE, LINK_OPS, TIME_CALL },
};

const struct flow_kind kind_leftover_remove = {
	.name = "leftover_remove",
	.subject = SUBJECT_ALLOCATION,
	.flags = KIND_NEVER_FAILS,
	.steps = remove_steps,
	.steps_n = ARRAY_LEN(remove_steps),
	.deadline_s = 365 * 24 * 3600, /* a dead host may come back late */
	.end = remove_end,
};

/* ---- inside a unit ---- */

int leftover_begin(struct flow_engine *e, struct db *db, int64_t allocation_id, const char *request_id,
	int64_t now_us, struct error *err)
{
	if (flow_find(e, allocation_id))
		return 0;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_leftover_remove,
			.subject_id = allocation_id,
			.request_id = request_id,
			.now_us = now_us },
		err);
}

int leftover_make(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct allocation_row home;
	int rc = store_allocation_get(db, &a, s->id, &home, err);

	if (rc <= 0)
		return rc;
	home.id = store_next_id(e->cfg.store);
	if (move_hold_as(e, db, s->id, &home, err))
		return -1;
	return leftover_begin(e, db, home.id, request_id, now_us, err);
}

int leftover_seen(struct flow_engine *e, struct db *db, int64_t server_id, int64_t host_id, int64_t now_us,
	struct error *err)
{
	struct allocation_row nothing = {
		.id = store_next_id(e->cfg.store), .server_id = server_id, .host_id = host_id
	};

	if (move_hold(e, db, &nothing, err))
		return -1;
	return leftover_begin(e, db, nothing.id, "", now_us, err);
}

int leftover_avoid(
	struct db *db, struct arena *a, int64_t server_id, int64_t **out, size_t *out_n, struct error *err)
{
	struct allocation_row *rows;
	size_t n;

	if (store_allocation_list(db, a, server_id, &rows, &n, err))
		return -1;
	*out = ARENA_ARRAY(a, int64_t, n + 1);
	*out_n = 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].id != server_id)
			(*out)[(*out_n)++] = rows[i].host_id;
	return 0;
}

int leftover_forget(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t *ids;
	size_t n;

	if (store_allocation_left(db, &a, host_id, &ids, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct flow *f = flow_find(e, ids[i]);

		if (f && flow_is_busy(f))
			return error_set(
				err, ERR_CONFLICT, "a call to the host is under way; try again soon");
		if ((f && flow_drop(e, db, f, err)) || move_unhold(e, db, ids[i], err))
			return -1;
	}
	return 0;
}
