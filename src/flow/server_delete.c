/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting servers. What a server holds is given back only when its host has said that nothing of it is left
 * there; until then it waits, however long the host cannot be heard. A server that never had a host goes at
 * once. */
#include "base/util.h"
#include "flow/claims.h"
#include "flow/console.h"
#include "flow/move.h"
#include "flow/preempt.h"
#include "flow/samples.h"
#include "flow/server.h"
#include "flow/server_parts.h"
#include "store/allocation_place.h"
#include "store/server_groups.h"
#include "store/server_power.h"

/* A host that the operator declared dead is not waited for: what is left there is cleared when it comes back.
 */
enum flow_verdict server_load_removal(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f;

	if (server_load_row(e, ro, act, err) != FLOW_NEXT)
		return FLOW_FAIL;
	f = act->facts;
	act->clears = f->s.id;
	if (store_allocation_mdevs(ro, &act->arena, f->s.id, &f->mdevs, &f->mdevs_n, err))
		return FLOW_FAIL;
	return host_is_dead(e, ro, act->host_id) ? FLOW_DONE : FLOW_NEXT;
}

static int remove_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	console_last_read(act, drv, conn, f->s.uid);
	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	/* also what its row does not speak of: of a copy or a resize that gave way */
	return server_remove(f->s.uid, f->mdevs, f->mdevs_n, drv, conn, err) ? -1 : FLOW_NEXT;
}

static int remove_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct server_facts *f = act->facts;
	struct server s;

	if (store_server_load(db, &a, f->s.id, &s, err))
		return -1;
	if (!act->link_epoch && leftover_make(e, db, &s, act->flow->request_id, act->now_us, err))
		return -1; /* its host was not asked */
	return server_delete_finish(e, db, &s, act->flow->request_id, act->now_us, err);
}

static const struct flow_step delete_steps[] = {
	{ "remove", server_load_removal, remove_act, NULL, TASK_DELETING, LINK_OPS, TIME_CALL },
};

const struct flow_kind kind_server_delete = {
	.name = "server_delete",
	.subject = SUBJECT_SERVER,
	.flags = KIND_NEVER_FAILS | KIND_DELETE,
	.steps = delete_steps,
	.steps_n = ARRAY_LEN(delete_steps),
	.deadline_s = 24 * 3600,
	.end = remove_end,
	.fail = NULL,
};

int server_delete_finish(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err)
{
	struct server gone = *s;
	int64_t ports = 0, addresses = 0;

	if (server_shelved_forget(e, db, &gone, err) || claim_reset(e, db, s->id, err) ||
		store_allocation_remove(db, s->id, err) || move_abandon(e, db, s, request_id, now_us, err) ||
		store_server_group_leave(db, s->id, err) ||
		store_server_port_release(db, s->id, now_us, &ports, &addresses, err))
		return -1;
	gone.vm_state = VM_DELETED;
	gone.task_state = TASK_NONE;
	gone.power_state = POWER_NOSTATE;
	gone.want_delete = true;
	gone.admin_pass = NULL;
	gone.terminated_us = gone.deleted_us = gone.updated_us = now_us;
	if (store_server_save(db, &gone, err))
		return -1;
	placement_release(e->placement, s->id);
	capacity_count_server(e->quota, s, -1);
	quota_index_add(e->quota, s->project_id, QUOTA_PORTS, -ports);
	quota_index_add(e->quota, s->project_id, QUOTA_ADDRESSES, -addresses);
	return preempt_left(e, db, s->id, err) || waiter_gone(e, db, s->id, err) ||
			       (s->host_id && waiter_room(e, db, s->host_id, err))
		       ? -1
		       : 0;
}

int server_delete_takeover(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t action_id = 0;
	const char *request_id = "";

	if (store_server_delete_action(db, &a, server_id, &action_id, &request_id, err) < 0)
		return -1;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_server_delete,
			.subject_id = server_id,
			.action_id = action_id,
			.request_id = request_id,
			.now_us = engine_now(e) },
		err);
}

/* Nothing of it is on a host: it never had one. */
static int delete_now(struct flow_engine *e, struct db *db, struct server *s, int64_t action_id,
	const struct flow_origin *o, struct error *err)
{
	if (server_delete_finish(e, db, s, o->request_id, o->now_us, err))
		return -1;
	return store_server_action_finish(db, action_id, o->now_us, NULL, err);
}

/* A flow that sleeps or is parked gives way at once, one at work at its next step. */
static int delete_start(struct flow_engine *e, struct db *db, struct server *s, int64_t action_id,
	const struct flow_origin *o, struct error *err)
{
	struct flow *f = flow_find(e, s->id);

	if (f && flow_is_busy(f) && !f->gave_up)
		return 0;
	if (f && flow_give_way(e, db, f, err))
		return -1;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = &kind_server_delete,
			.subject_id = s->id,
			.action_id = action_id,
			.request_id = o->request_id,
			.now_us = o->now_us },
		err);
}

int flow_server_delete(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	int64_t action_id;

	if (server_action_allowed(
		    ACTION_DELETE, s->uid, s->vm_state, s->task_state, s->locked, is_admin, err))
		return -1;
	if (s->want_delete)
		return 0;
	if (store_server_action_start(db, s->id, "delete", origin->request_id, origin->user_uid,
		    origin->project_uid, origin->now_us, &action_id, err))
		return -1;
	if (!s->host_id)
		return delete_now(e, db, s, action_id, origin, err);
	s->want_delete = true;
	s->task_state = TASK_DELETING;
	s->updated_us = origin->now_us;
	if (store_server_save(db, s, err))
		return -1;
	return delete_start(e, db, s, action_id, origin, err);
}
