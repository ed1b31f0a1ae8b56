/* SPDX-License-Identifier: Apache-2.0 */
/* Resize, and cold migration, which is one without another flavor.
 *
 *	shutdown --> off --> fetch --> send --> (lives there) --> spawn --> resized
 *	revert:     shutdown --> off --> (lives here again) --> spawn --> as it was
 *
 * On the same host fetch has nothing to do, and send grows the disks. The old place keeps its domain, off,
 *and its disks until the resize is confirmed. What goes wrong goes back by the revert's way, which starts
 *nothing at the old place before the new one is proved to be off. */
#include "flow/move.h"

#include <string.h>

#include "base/util.h"
#include "store/server_power.h"

static bool same_host(const struct act *act)
{
	const struct move *m = ((const struct server_facts *)act->facts)->move;

	return m->source_host_id == m->dest_host_id;
}

static enum flow_verdict source_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return unless_dead(e, ro, act, move_load_source(e, ro, act, err), err);
}

static enum flow_verdict fetch_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = source_load(e, ro, act, err);

	return v == FLOW_NEXT && same_host(act) ? FLOW_DONE : v;
}

static enum flow_verdict send_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = unless_dead(e, ro, act, move_load_dest(e, ro, act, err), err);

	return v == FLOW_NEXT ? server_drive_load(e, ro, act, err) : v;
}

static int spawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (f->move->was_off ? server_define(act, drv, conn, err) : server_spawn_act(act, drv, conn, err) < 0)
		return -1;
	move_files_remove(f->image_dir, f->move->uid);
	return FLOW_NEXT;
}

/* ---- commits ---- */

static int rows(struct flow_engine *e, struct db *db, struct arena *a, int64_t server_id, int64_t move_id,
	struct server *s, struct move *m, struct error *err)
{
	int rc = store_move_load(db, a, move_id, m, err);

	(void)e;
	if (rc == 0)
		return error_internal(err, "move %lld has no row", (long long)move_id);
	return rc < 0 ? -1 : store_server_load(db, a, server_id, s, err);
}

static int off_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	(void)e;
	(void)out_verdict;
	return store_move_status(db, act->flow->arg_id, "migrating", false, act->now_us, err);
}

/* From here on it lives there. */
static int send_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;
	struct move m;

	(void)out_verdict;
	if (rows(e, db, &a, act->flow->subject_id, act->flow->arg_id, &s, &m, err) ||
		move_switch(e, db, &a, &s, &m, err))
		return -1;
	return store_move_status(db, m.id, "post-migrating", false, act->now_us, err);
}

/* Nobody was asked to confirm it. */
static int arrive(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;
	bool off = f->move->was_off;

	if (move_close(e, db, &f->s, f->move, "confirmed", act->flow->request_id, act->now_us, err))
		return -1;
	return move_settle(
		e, db, act, off ? VM_STOPPED : VM_ACTIVE, off ? POWER_SHUTDOWN : POWER_RUNNING, err);
}

static int resize_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (f->move->direct)
		return arrive(e, db, act, err);
	if (store_move_status(db, f->move->id, "finished", false, act->now_us, err))
		return -1;
	return move_settle(e, db, act, VM_RESIZED, f->move->was_off ? POWER_SHUTDOWN : POWER_RUNNING, err);
}

/* Back to what it was; on a dead host it can only be left, to be evacuated. */
static int resize_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct server s;
	struct move m;
	bool leave;

	if (rows(e, db, &a, f->subject_id, f->arg_id, &s, &m, err))
		return -1;
	leave = !m.switched && host_is_dead(e, db, s.host_id);
	if (store_move_status(db, m.id, "error", false, now_us, err) ||
		store_move_reason(db, m.id, why->msg, err) ||
		store_server_task(db, s.id, leave ? TASK_NONE : TASK_RESIZE_REVERTING, now_us, err))
		return -1;
	if (leave)
		return move_close(e, db, &s, &m, "error", f->request_id, now_us, err);
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_server_resize_revert,
			.subject_id = f->subject_id,
			.arg_id = f->arg_id,
			.request_id = f->request_id,
			.now_us = now_us },
		err);
}

static const struct flow_step resize_steps[] = {
	{ "shutdown", source_load, server_shutdown_act, NULL, TASK_RESIZE_PREP, LINK_OPS, TIME_CALL },
	{ "off", source_load, server_off_act, off_commit, TASK_RESIZE_PREP, LINK_OPS, TIME_CALL },
	{ "fetch", fetch_load, move_fetch_act, NULL, TASK_RESIZE_MIGRATING, LINK_BULK, TIME_STAGE },
	{ "send", send_load, move_send_act, send_commit, TASK_RESIZE_MIGRATED, LINK_BULK, TIME_STAGE },
	{ "spawn", move_load_home, spawn_act, NULL, TASK_RESIZE_FINISH, LINK_OPS, TIME_START },
};

const struct flow_kind kind_server_resize = {
	.name = "server_resize",
	.subject = SUBJECT_SERVER,
	.steps = resize_steps,
	.steps_n = ARRAY_LEN(resize_steps),
	.deadline_s = 12 * 3600,
	.end = resize_end,
	.fail = resize_fail,
};

/* ---- back ---- */

/* A host that the operator declared dead runs nothing: no need to hear that from it. */
static enum flow_verdict back_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = move_load_home(e, ro, act, err);

	return v == FLOW_NEXT && host_is_dead(e, ro, act->host_id) ? FLOW_DONE : v;
}

static int back_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;
	struct move m;

	(void)out_verdict;
	if (rows(e, db, &a, act->flow->subject_id, act->flow->arg_id, &s, &m, err))
		return -1;
	return m.switched ? move_switch(e, db, &a, &s, &m, err) : 0;
}

static enum flow_verdict home_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return unless_dead(e, ro, act, move_load_home(e, ro, act, err), err);
}

/* Disks that grew on the same host stay as they are; swap has the flavor's size again, and one that only the
 * other flavor has goes. */
static int back_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	char name[HV_VOLUME_NAME];

	if (same_host(act) && !f->s.ephemeral_gib && f->move->other.ephemeral_gib &&
		drv->volume_remove(conn, hv_server_volume(f->s.uid, HV_EPHEMERAL, name), err))
		return -1;
	if (same_host(act) && f->s.swap_mib != f->move->other.swap_mib &&
		(drv->volume_remove(conn, hv_server_volume(f->s.uid, HV_SWAP, name), err) ||
			server_blanks_make(&f->s, drv, conn, err)))
		return -1;
	return spawn_act(act, drv, conn, err);
}

static int back_close(struct flow_engine *e, struct db *db, const struct server *s, const struct move *m,
	bool failed, const char *request_id, int64_t now_us, struct error *err)
{
	return move_close(e, db, s, m, failed || strcmp(m->status, "reverting") != 0 ? "error" : "reverted",
		request_id, now_us, err);
}

static int back_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;
	bool off = f->move->was_off;

	if (back_close(e, db, &f->s, f->move, false, act->flow->request_id, act->now_us, err))
		return -1;
	return move_settle(
		e, db, act, off ? VM_STOPPED : VM_ACTIVE, off ? POWER_SHUTDOWN : POWER_RUNNING, err);
}

static int back_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;
	struct move m;

	if (rows(e, db, &a, f->subject_id, f->arg_id, &s, &m, err) || server_fail(e, db, f, why, err))
		return -1;
	return back_close(e, db, &s, &m, true, f->request_id, engine_now(e), err);
}

static const struct flow_step back_steps[] = {
	{ "shutdown", back_load, server_shutdown_act, NULL, TASK_RESIZE_REVERTING, LINK_OPS, TIME_CALL },
	{ "off", back_load, server_off_act, back_commit, TASK_RESIZE_REVERTING, LINK_OPS, TIME_CALL },
	{ "spawn", home_load, back_act, NULL, TASK_RESIZE_REVERTING, LINK_OPS, TIME_START },
};

const struct flow_kind kind_server_resize_revert = {
	.name = "server_resize_revert",
	.subject = SUBJECT_SERVER,
	.steps = back_steps,
	.steps_n = ARRAY_LEN(back_steps),
	.deadline_s = 12 * 3600,
	.end = back_end,
	.fail = back_fail,
};
