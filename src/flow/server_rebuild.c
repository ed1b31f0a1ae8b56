/* SPDX-License-Identifier: Apache-2.0 */
/* Servers made anew in their place: id, addresses and GPUs stay.
 *
 *	rebuild    (waits for the image) cut --> disks --> spawn
 *	rescue     (waits for the image) disks --> spawn
 *	unrescue   cut --> spawn
 *
 * A rebuild's old disks go, then new ones come; what was off stays off. Who is rescued boots a disk of the
 * rescue image, with its own behind it. */
#include "base/util.h"
#include "flow/server_parts.h"
#include "store/guardrails.h"
#include "store/server_list.h"

/* ---- rebuild ---- */

static enum flow_verdict disks_load(
	struct flow_engine *e, struct db *ro, struct act *act, bool rescue, struct error *err)
{
	enum flow_verdict v = server_load_domain(e, ro, act, err);
	const struct server_facts *f = act->facts;

	if (v != FLOW_NEXT || act->want_delete)
		return v;
	v = server_image_wait(ro, act, rescue ? f->s.rescue_image_id : f->s.root_image_id, err);
	return v == FLOW_NEXT ? server_drive_load(e, ro, act, err) : v;
}

/* The flow's argument is the image to come: until the old disks are gone, they stand on the old one. */
static enum flow_verdict cut_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = server_load_row(e, ro, act, err);

	return v == FLOW_NEXT && !act->want_delete ? server_image_wait(ro, act, act->flow->arg_id, err) : v;
}

static int cut_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return server_cut(act, drv, conn, err) || act_abandoned(act, err) ||
			       server_disks_remove(&f->s, drv, conn, err)
		       ? -1
		       : FLOW_NEXT;
}

static int cut_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	struct server s;

	(void)e;
	(void)out_verdict;
	if (store_server_load(db, &act->arena, act->flow->subject_id, &s, err))
		return -1;
	s.root_image_id = act->flow->arg_id;
	return store_server_save(db, &s, err);
}

static enum flow_verdict rebuild_load(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return disks_load(e, ro, act, false, err);
}

/* The old disks once more: of an earlier try, they may be half made. */
static int rebuild_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (server_cut(act, drv, conn, err) || act_abandoned(act, err) ||
		server_disks_remove(&f->s, drv, conn, err) || act_abandoned(act, err) ||
		server_root_make(f, drv, conn, err) || server_blanks_make(&f->s, drv, conn, err) ||
		server_drive_make(f, drv, conn, err))
		return -1;
	return FLOW_NEXT;
}

static int respawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (f->s.vm_state != VM_STOPPED)
		return server_spawn_act(act, drv, conn, err);
	return server_define(act, drv, conn, err) ? -1 : FLOW_NEXT;
}

static int rebuild_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;

	return server_settle(e, db, act, f->s.vm_state == VM_STOPPED ? VM_STOPPED : VM_ACTIVE, err);
}

enum { STEP_CUT, STEP_DISKS };

static int rebuild_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	return f->step == STEP_CUT ? server_fail(e, db, f, why, err) : server_fail_disks(e, db, f, why, err);
}

/* ---- rescue ---- */

static enum flow_verdict rescue_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return disks_load(e, ro, act, true, err);
}

static int rescue_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (server_cut(act, drv, conn, err) || act_abandoned(act, err) ||
		server_rescue_make(f, drv, conn, err) || server_drive_make(f, drv, conn, err))
		return -1;
	return FLOW_NEXT;
}

static int rescue_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_RESCUED, err);
}

static int unrescue_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	char name[HV_VOLUME_NAME];

	return server_cut(act, drv, conn, err) || act_abandoned(act, err) ||
			       drv->volume_remove(conn, hv_server_volume(f->s.uid, HV_RESCUE, name), err)
		       ? -1
		       : FLOW_NEXT;
}

static int unrescue_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	struct server s;

	if (server_settle(e, db, act, VM_ACTIVE, err) ||
		store_server_load(db, &act->arena, act->flow->subject_id, &s, err))
		return -1;
	s.rescue_image_id = 0;
	return store_server_save(db, &s, err);
}

/* ---- the tables ---- */

#define STEP(name, load, act, task)                              \
	{                                                        \
		name, load, act, NULL, task, LINK_OPS, TIME_CALL \
	}
#define SPAWN(act, task)                                                           \
	{                                                                          \
		"spawn", server_load_domain, act, NULL, task, LINK_OPS, TIME_START \
	}

static const struct flow_step rebuild_steps[] = {
	[STEP_CUT] = { "cut", cut_load, cut_act, cut_commit, TASK_REBUILDING, LINK_OPS, TIME_CALL },
	[STEP_DISKS] = STEP("disks", rebuild_load, rebuild_act, TASK_REBUILDING),
	SPAWN(respawn_act, TASK_REBUILD_SPAWNING),
};
static const struct flow_step rescue_steps[] = {
	STEP("disks", rescue_load, rescue_act, TASK_RESCUING),
	SPAWN(server_spawn_act, TASK_RESCUING),
};
static const struct flow_step unrescue_steps[] = {
	STEP("cut", server_load_row, unrescue_act, TASK_UNRESCUING),
	SPAWN(server_spawn_act, TASK_UNRESCUING),
};

#undef STEP
#undef SPAWN
#define KIND(kind_name, kind_steps, kind_end, kind_fail)                                      \
	{                                                                                     \
		.name = (kind_name), .subject = SUBJECT_SERVER, .steps = (kind_steps),        \
		.steps_n = ARRAY_LEN(kind_steps), .deadline_s = 2 * 3600L, .end = (kind_end), \
		.fail = (kind_fail)                                                           \
	}

const struct flow_kind kind_server_rebuild = KIND("server_rebuild", rebuild_steps, rebuild_end, rebuild_fail);
const struct flow_kind kind_server_rescue = KIND("server_rescue", rescue_steps, rescue_end, server_fail);
const struct flow_kind kind_server_unrescue =
	KIND("server_unrescue", unrescue_steps, unrescue_end, server_fail);

#undef KIND

/* ---- the requests ---- */

static int check_guardrail(
	struct db *db, struct arena *a, const struct server *s, int64_t image_id, struct error *err)
{
	struct image_facts image = { .visibility = NULL };

	if (store_image_facts(db, a, image_id, &image, err) < 0)
		return -1;
	return store_guardrail_check(
		db, s->project_id, &(struct guardrail_ask) { .visibility = image.visibility }, err);
}

int flow_server_rebuild(struct flow_engine *e, struct db *db, struct server *s,
	const struct server_rebuild *want, bool is_admin, const struct flow_origin *origin, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct server_start start = {
		.action = ACTION_REBUILD, .kind = &kind_server_rebuild, .arg_id = want->image_id
	};

	if (server_may(s, ACTION_REBUILD, is_admin, err) || check_guardrail(db, &a, s, want->image_id, err))
		return -1;
	s->image_id = want->image_id;
	s->epoch++;
	s->fault_code = 0;
	s->fault_message = s->fault_details = NULL;
	s->fault_us = 0;
	if (store_server_edit(db, s, err) || store_server_remake(db, s, err) ||
		(want->metadata &&
			store_server_metadata_set(db, s->id, want->metadata, want->metadata_n, true, err)) ||
		image_stage_ensure(
			e, db, &a, s->host_id, s->image_id, origin->request_id, origin->now_us, err))
		return -1;
	return server_start(e, db, s, &start, origin, err);
}

int flow_server_rescue(struct flow_engine *e, struct db *db, struct server *s, int64_t image_id,
	bool is_admin, const struct flow_origin *origin, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct server_start start = { .action = ACTION_RESCUE, .kind = &kind_server_rescue };

	if (server_may(s, ACTION_RESCUE, is_admin, err) ||
		(image_id != s->image_id && check_guardrail(db, &a, s, image_id, err)))
		return -1;
	s->rescue_image_id = image_id;
	s->epoch++;
	if (image_stage_ensure(e, db, &a, s->host_id, image_id, origin->request_id, origin->now_us, err))
		return -1;
	return server_start(e, db, s, &start, origin, err);
}

int flow_server_unrescue(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	const struct server_start start = { .action = ACTION_UNRESCUE, .kind = &kind_server_unrescue };

	if (server_may(s, ACTION_UNRESCUE, is_admin, err))
		return -1;
	s->epoch++;
	return server_start(e, db, s, &start, origin, err);
}
