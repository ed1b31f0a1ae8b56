/* SPDX-License-Identifier: Apache-2.0 */
/* Shelving: a server leaves its host and waits in an image of its root disk. It keeps its addresses and
 *counts for the project's limits; room and GPUs are given back when nothing of it is left on the host.
 *
 *	shelve     shutdown --> off --> snapshot --> upload --> shelved, or at once --> offload -->
 *shelved_offloaded offload    offload unshelve   (placed anew; waits for the image) disks --> spawn, or on
 *its host: spawn */
#include "base/util.h"
#include "flow/claims.h"
#include "flow/console.h"
#include "flow/decisions.h"
#include "flow/move.h"
#include "flow/preempt.h"
#include "flow/samples.h"
#include "flow/server_parts.h"
#include "flow/server_room.h"
#include "placement/placement.h"
#include "store/allocations.h"
#include "store/guardrails.h"
#include "store/server_power.h"

static int drop_shelved_image(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct image_facts image;
	int rc = image_id ? store_image_facts(db, &a, image_id, &image, err) : 0;

	/* protected since: it is the tenant's to keep */
	return rc <= 0 || image.is_protected ? (rc < 0 ? -1 : 0) : server_image_drop(e, db, image_id, err);
}

int server_shelved_forget(struct flow_engine *e, struct db *db, struct server *s, struct error *err)
{
	int64_t image_id = s->shelved_image_id;

	s->shelved_image_id = 0;
	s->shelved_us = 0;
	return drop_shelved_image(e, db, image_id, err);
}

/* ---- shelve and offload ---- */

/* The image could not be made: the server is off, and has all it had. */
static int shelve_undo(struct flow_engine *e, struct db *db, struct server *s, bool off, struct error *err)
{
	s->task_state = TASK_NONE;
	s->updated_us = engine_now(e);
	if (off) {
		s->vm_state = VM_STOPPED;
		s->power_state = POWER_SHUTDOWN;
	}
	return server_shelved_forget(e, db, s, err) || store_server_save(db, s, err) ||
			       preempt_stayed(e, db, s->id, err)
		       ? -1
		       : 0;
}

static int shelve_commit(struct flow_engine *e, struct db *db, struct act *act,
	enum flow_verdict *out_verdict, struct error *err)
{
	struct server s;
	bool made;
	int leaves = preempt_begun(db, act->flow->subject_id, err);

	if (leaves < 0 || server_image_finish(e, db, act, &made, err) ||
		(made && server_settle(e, db, act, VM_SHELVED, err)) ||
		store_server_load(db, &act->arena, act->flow->subject_id, &s, err))
		return -1;
	if (!made) {
		*out_verdict = FLOW_DONE;
		return shelve_undo(e, db, &s, true, err);
	}
	if (e->cfg.shelved_offload_s && !leaves)
		*out_verdict = FLOW_DONE;
	s.shelved_us = act->now_us;
	return store_server_save(db, &s, err);
}

static int offload_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	console_last_read(act, drv, conn, f->s.uid);
	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	return server_remove(f->s.uid, f->mdevs, f->mdevs_n, drv, conn, err) ? -1 : FLOW_NEXT;
}

static int offload_commit(struct flow_engine *e, struct db *db, struct act *act,
	enum flow_verdict *out_verdict, struct error *err)
{
	struct server s;
	int64_t host_id;

	(void)out_verdict;
	if (store_server_load(db, &act->arena, act->flow->subject_id, &s, err) ||
		(!act->link_epoch && leftover_make(e, db, &s, act->flow->request_id, act->now_us, err)))
		return -1;
	host_id = s.host_id;
	s.vm_state = VM_SHELVED_OFFLOADED;
	s.task_state = TASK_NONE;
	s.power_state = POWER_SHUTDOWN;
	s.power_seen_us = s.updated_us = act->now_us;
	s.host_id = s.root_image_id = s.rescue_image_id = 0;
	if (store_server_save(db, &s, err) || claim_reset(e, db, s.id, err) ||
		store_allocation_remove(db, s.id, err))
		return -1;
	placement_release(e->placement, s.id);
	return preempt_left(e, db, s.id, err) || waiter_room(e, db, host_id, err) ? -1 : 0;
}

enum { STEP_SNAPSHOT = 2, STEP_OFFLOAD = 4 };

static int shelve_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;

	if (f->step == STEP_OFFLOAD) /* it is shelved all the same */
		return server_fail_kept(e, db, f, why, err) || preempt_stayed(e, db, f->subject_id, err) ? -1
													 : 0;
	if (store_server_load(db, &a, f->subject_id, &s, err))
		return -1;
	return shelve_undo(e, db, &s, f->step >= STEP_SNAPSHOT, err);
}

/* ---- unshelve ---- */

static enum flow_verdict unshelve_load(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = unless_dead(e, ro, act, server_load_domain(e, ro, act, err), err);
	const struct server_facts *f = act->facts;

	if (v != FLOW_NEXT || act->want_delete)
		return v;
	v = server_image_wait(ro, act, f->s.root_image_id, err);
	return v == FLOW_NEXT ? server_drive_load(e, ro, act, err) : v;
}

static enum flow_verdict spawn_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return unless_dead(e, ro, act, server_load_domain(e, ro, act, err), err);
}

static int unshelve_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	struct server s;

	if (server_settle(e, db, act, VM_ACTIVE, err) ||
		store_server_load(db, &act->arena, act->flow->subject_id, &s, err))
		return -1;
	/* its copy on the host stays, as the root disk is made over it */
	return server_shelved_forget(e, db, &s, err) || store_server_save(db, &s, err) ? -1 : 0;
}

/* What there is of it on the new host goes again, and it waits on. One that did not get there what it was
 * promised is shown as that. */
static int unshelve_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	const struct flow_start start = {
		.kind = &kind_server_offload,
		.subject_id = f->subject_id,
		.request_id = f->request_id,
		.now_us = engine_now(e),
	};

	if (hv_domain_broken(why))
		return server_fail(e, db, f, why, err);
	return store_server_task(db, f->subject_id, TASK_SHELVING_OFFLOADING, start.now_us, err) ||
			       flow_begin(e, db, &start, err)
		       ? -1
		       : 0;
}

/* ---- the tables ---- */

#define STEP(name, load, act, commit, task)                        \
	{                                                          \
		name, load, act, commit, task, LINK_OPS, TIME_CALL \
	}
#define SPAWN(load, task)                                                         \
	{                                                                         \
		"spawn", load, server_spawn_act, NULL, task, LINK_OPS, TIME_START \
	}
#define COPY(name, act, commit, task)                                             \
	{                                                                         \
		name, server_image_load, act, commit, task, LINK_BULK, TIME_STAGE \
	}

static const struct flow_step shelve_steps[] = {
	STEP("shutdown", server_load_row, server_shutdown_act, NULL, TASK_SHELVING),
	STEP("off", server_load_row, server_off_act, NULL, TASK_SHELVING),
	[STEP_SNAPSHOT] = COPY("snapshot", server_snapshot_act, NULL, TASK_SHELVING_IMAGE_PENDING_UPLOAD),
	COPY("upload", server_upload_act, shelve_commit, TASK_SHELVING_IMAGE_UPLOADING),
	[STEP_OFFLOAD] =
		STEP("offload", server_load_removal, offload_act, offload_commit, TASK_SHELVING_OFFLOADING),
};
static const struct flow_step offload_steps[] = {
	STEP("offload", server_load_removal, offload_act, offload_commit, TASK_SHELVING_OFFLOADING),
};
static const struct flow_step unshelve_steps[] = {
	STEP("disks", unshelve_load, server_disks_act, NULL, TASK_UNSHELVING),
	SPAWN(spawn_load, TASK_SPAWNING),
};
static const struct flow_step unshelve_here_steps[] = {
	SPAWN(server_load_domain, TASK_UNSHELVING),
};

#undef STEP
#undef SPAWN
#undef COPY
#define KIND(kind_name, kind_steps)                                            \
	.name = (kind_name), .subject = SUBJECT_SERVER, .steps = (kind_steps), \
	.steps_n = ARRAY_LEN(kind_steps)

const struct flow_kind kind_server_shelve = { KIND("server_shelve", shelve_steps), .deadline_s = 6 * 3600L,
	.fail = shelve_fail };
const struct flow_kind kind_server_offload = { KIND("server_offload", offload_steps),
	.flags = KIND_NEVER_FAILS, .deadline_s = 24 * 3600L };
const struct flow_kind kind_server_unshelve = { KIND("server_unshelve", unshelve_steps),
	.deadline_s = 2 * 3600L, .end = unshelve_end, .fail = unshelve_fail };
const struct flow_kind kind_server_unshelve_here = { KIND("server_unshelve_here", unshelve_here_steps),
	.deadline_s = 3600, .end = unshelve_end, .fail = server_fail };

#undef KIND

/* ---- the requests ---- */

int flow_server_shelve(struct flow_engine *e, struct db *db, struct server *s, int64_t image_id,
	bool is_admin, const struct flow_origin *origin, struct error *err)
{
	const struct server_start start = {
		.action = ACTION_SHELVE, .kind = &kind_server_shelve, .arg_id = image_id
	};

	if (server_may(s, ACTION_SHELVE, is_admin, err) || server_shelved_forget(e, db, s, err))
		return -1;
	s->shelved_image_id = image_id;
	return server_start(e, db, s, &start, origin, err);
}

int flow_server_shelve_offload(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	const struct server_start start = { .action = ACTION_SHELVE_OFFLOAD, .kind = &kind_server_offload };

	if (server_may(s, ACTION_SHELVE_OFFLOAD, is_admin, err))
		return -1;
	return server_start(e, db, s, &start, origin, err);
}

static int check_shelved_image(struct db *db, struct arena *a, const struct server *s, struct error *err)
{
	struct image_facts image;
	int rc = store_image_facts(db, a, s->shelved_image_id, &image, err);

	if (rc < 0)
		return -1;
	if (rc == 0 || image.deleted || !str_eq(image.status, "active"))
		return error_set(err, ERR_CONFLICT,
			"Cannot 'unshelve' instance %s: the image it was shelved in is %s", s->uid,
			rc == 0 || image.deleted ? "deleted" : image.status);
	return 0;
}

/* Others leave a host for it, or there is nothing that would do. */
static int unshelve_wait(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct placement_request *req, const struct flow_origin *o, int64_t action_id,
	struct error *err)
{
	struct preempt_plan *plan = ARENA_NEW(a, struct preempt_plan);
	const struct waiter_wish wish = { .req = req, .plan = plan, .action_id = action_id };
	struct error why = *err;

	if (why.code != ERR_NO_HOST || req->preemptible ||
		placement_victims(
			e->placement, req, NULL, &plan->choice, plan->leavers, PREEMPT_MAX, &plan->n, err) ||
		!plan->n)
		return *err = why, -1;
	s->task_state = TASK_UNSHELVING;
	s->updated_us = o->now_us;
	return store_server_save(db, s, err) || waiter_begin(e, db, s, &wish, o, err) ? -1 : 0;
}

static int unshelve_elsewhere(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_unshelve *want, const struct flow_origin *o, struct error *err)
{
	struct placement_choice *choice = ARENA_NEW(a, struct placement_choice);
	struct placement_request req;
	struct server_room room = {
		.req = &req, .choice = choice, .request_id = o->request_id, .now_us = o->now_us
	};

	if (check_shelved_image(db, a, s, err) ||
		store_guardrail_check(
			db, s->project_id, &(struct guardrail_ask) { .zone = want->zone }, err) ||
		server_unshelve_request(db, a, s, &req, err))
		return -1;
	str_copy(req.zone, sizeof req.zone, want->zone ? want->zone : "");
	str_copy(req.host, sizeof req.host, want->host ? want->host : "");
	if (store_server_action_start(db, s->id, server_action_rule(ACTION_UNSHELVE)->event, o->request_id,
		    o->user_uid, o->project_uid, o->now_us, &room.action_id, err))
		return -1;
	if (decision_choose(e, db,
		    &(struct decision_asked) {
			    .request_id = o->request_id, .project_uid = o->project_uid, .server_id = s->id },
		    &req, 1, choice, err))
		return unshelve_wait(e, db, a, s, &req, o, room.action_id, err);
	return server_unshelve_go(e, db, a, s, &room, err);
}

int flow_server_unshelve(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_unshelve *want, bool is_admin, const struct flow_origin *origin,
	struct error *err)
{
	const struct server_start here = { .action = ACTION_UNSHELVE, .kind = &kind_server_unshelve_here };

	if (server_action_allowed(
		    ACTION_UNSHELVE, s->uid, s->vm_state, s->task_state, s->locked, is_admin, err))
		return -1;
	s->epoch++;
	if (s->vm_state == VM_SHELVED_OFFLOADED)
		return unshelve_elsewhere(e, db, a, s, want, origin, err);
	if ((want->zone && *want->zone) || (want->host && *want->host))
		return error_set(err, ERR_CONFLICT,
			"Instance %s is still on its host: only one that is shelved_offloaded can go "
			"elsewhere",
			s->uid);
	return server_start(e, db, s, &here, origin, err);
}
