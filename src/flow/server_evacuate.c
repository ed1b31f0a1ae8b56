/* SPDX-License-Identifier: Apache-2.0 */
/* Evacuation: the host is dead, by the operator's word, so the server was moved in its rows at once, and is
 * made anew from its image at the new place. Its old disk is lost; what is left of it is cleared away when
 * the host comes back. */
#include "base/util.h"
#include "flow/fence.h"
#include "flow/move.h"

static enum flow_verdict disks_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = move_load_home(e, ro, act, err);
	const struct server_facts *f = act->facts;

	if (v != FLOW_NEXT || act->want_delete)
		return v;
	v = server_image_wait(ro, act, f->s.root_image_id, err);
	return v == FLOW_NEXT ? server_drive_load(e, ro, act, err) : v;
}

static int spawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (f->move->was_off)
		return server_define(act, drv, conn, err) ? -1 : FLOW_NEXT;
	return server_spawn_act(act, drv, conn, err);
}

static int evacuate_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;
	bool off = f->move->was_off;

	if (move_close(e, db, &f->s, f->move, "done", act->flow->request_id, act->now_us, err))
		return -1;
	evacuations_look(e);
	return move_settle(
		e, db, act, off ? VM_STOPPED : VM_ACTIVE, off ? POWER_SHUTDOWN : POWER_RUNNING, err);
}

static int evacuate_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;
	struct move m;
	int rc = store_move_load(db, &a, f->arg_id, &m, err);

	if (rc < 0 || server_fail_disks(e, db, f, why, err) ||
		store_server_load(db, &a, f->subject_id, &s, err))
		return -1;
	return rc == 0 ? 0 : move_close(e, db, &s, &m, "error", f->request_id, engine_now(e), err);
}

static const struct flow_step evacuate_steps[] = {
	{ "disks", disks_load, server_disks_act, NULL, TASK_REBUILD_BLOCK_DEVICE_MAPPING, LINK_OPS,
		TIME_CALL },
	{ "spawn", move_load_home, spawn_act, NULL, TASK_REBUILD_SPAWNING, LINK_OPS, TIME_START },
};

const struct flow_kind kind_server_evacuate = {
	.name = "server_evacuate",
	.subject = SUBJECT_SERVER,
	.steps = evacuate_steps,
	.steps_n = ARRAY_LEN(evacuate_steps),
	.deadline_s = 6 * 3600,
	.end = evacuate_end,
	.fail = evacuate_fail,
};
