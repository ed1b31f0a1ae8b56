/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that wait until others have left a host for them. */
#include "flow/preempt.h"

#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/calendar.h"
#include "flow/decisions.h"
#include "flow/drain.h"
#include "flow/resize_wait.h"
#include "flow/server_parts.h"
#include "flow/server_room.h"
#include "store/hosts.h"
#include "store/server_power.h"

enum { AT_ONCE = 16 }; /* in one unit: each may be a look at all hosts */

/* What a server waits for, by its state. */
static const struct way {
	enum vm_state vm;
	enum task_state task;
	int (*request)(struct db *db, struct arena *a, const struct server *s, struct placement_request *out,
		struct error *err);
	int (*go)(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
		const struct server_room *room, struct error *err);
	bool lost; /* a server that never ran is in ERROR then; the others stay what they are */
	bool resize;
} ways[] = {
	{ VM_BUILDING, TASK_SCHEDULING, server_create_request, server_create_go, .lost = true },
	{ VM_SHELVED_OFFLOADED, TASK_UNSHELVING, server_unshelve_request, server_unshelve_go },
	{ VM_ACTIVE, TASK_RESIZE_PREP, .resize = true },
	{ VM_STOPPED, TASK_RESIZE_PREP, .resize = true },
};

static const struct way *way_of(const struct server *s)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (s->vm_state == ways[i].vm && s->task_state == ways[i].task &&
			ways[i].resize == (s->host_id != 0))
			return &ways[i];
	return NULL;
}

/* ---- the beginning ---- */

/* In the server's log; who asks why is told more (GET /cloud/v1/evictions). */
static int write_down(struct db *db, const struct server *s, const struct preempt_plan *plan,
	const struct flow_origin *o, struct error *err)
{
	char leavers[24], host[24];
	int64_t action_id;

	snprintf(leavers, sizeof leavers, "%zu", plan->n);
	snprintf(host, sizeof host, "%lld", (long long)plan->choice.host_id);
	log_event(LOG_NOTICE, "preemptible servers leave a host for a server", "server", s->uid, "host", host,
		"leavers", leavers, "request_id", o->request_id, NULL);
	return store_server_action_start(db, s->id, "wait", o->request_id, o->user_uid, o->project_uid,
		       o->now_us, &action_id, err) ||
			       store_server_action_finish(db, action_id, o->now_us, NULL, err)
		       ? -1
		       : 0;
}

static int tell(struct flow_engine *e, struct db *db, int64_t server_id, const struct preempt_plan *plan,
	const char *request_id, int64_t leave_us, struct error *err)
{
	const struct preempt_for who = { .server_id = server_id };

	placement_host_hold(e->placement, plan->choice.host_id, server_id);
	for (size_t i = 0; i < plan->n; i++)
		if (preempt_notice(
			    e, db, plan->leavers[i], plan->choice.host_id, who, leave_us, request_id, err))
			return -1;
	return 0;
}

int waiter_begin(struct flow_engine *e, struct db *db, const struct server *s, const struct waiter_wish *wish,
	const struct flow_origin *o, struct error *err)
{
	int64_t leave_us = o->now_us + e->cfg.preempt_notice_s * 1000000;
	const struct waiter w = {
		.server_id = s->id,
		.host_id = wish->plan->choice.host_id,
		.named = wish->req->host[0] != 0,
		.zone = wish->req->zone,
		.resize = wish->resize,
		.action_id = wish->action_id,
		.request_id = o->request_id,
		.deadline_us = leave_us + e->cfg.preempt_wait_s * 1000000,
	};

	calendar_changed(e);
	return store_waiter_insert(db, &w, err) || write_down(db, s, wish->plan, o, err) ||
			       tell(e, db, s->id, wish->plan, o->request_id, leave_us, err)
		       ? -1
		       : 0;
}

/* ---- the end ---- */

/* It waits no more: nobody else has to leave for it. */
static int drop(struct flow_engine *e, struct db *db, const struct waiter *w, struct error *err)
{
	const struct preempt_for who = { .server_id = w->server_id };

	placement_host_hold(e->placement, w->host_id, 0);
	return store_waiter_remove(db, w->server_id, err) || preempt_withdraw(e, db, who, err) ? -1 : 0;
}

int waiter_gone(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct waiter w;
	int rc = store_waiter_get(db, &a, server_id, &w, err);

	if (rc <= 0)
		return rc;
	return drop(e, db, &w, err) || store_server_action_finish(db, w.action_id, engine_now(e),
					       "the server is being deleted", err)
		       ? -1
		       : 0;
}

static int give_up(struct flow_engine *e, struct db *db, struct server *s, const struct way *way,
	const struct waiter *w, const struct error *why, struct error *err)
{
	char message[sizeof why->msg + 32];
	int64_t now_us = engine_now(e);

	snprintf(message, sizeof message, "%s%s", why->code == ERR_NO_HOST ? "No valid host was found. " : "",
		why->msg);
	if (way->lost ? store_server_fault(db, s->id, 500, message, NULL, now_us, err)
		      : store_server_task(db, s->id, TASK_NONE, now_us, err))
		return -1;
	return store_server_action_finish(db, w->action_id, now_us, message, err);
}

/* ---- a place ---- */

struct trial {
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	const struct waiter *w;
	const struct way *way;
	struct server s;
	struct placement_request req;
	struct preempt_plan plan;
};

/* Where it was asked to be. */
static int name_place(struct trial *t, struct error *err)
{
	struct host_row h;

	str_copy(t->req.zone, sizeof t->req.zone, t->w->zone);
	if (!t->w->named)
		return 0;
	if (store_host_load(t->db, t->a, t->w->host_id, &h, err))
		return -1;
	str_copy(t->req.host, sizeof t->req.host, h.name);
	return 0;
}

static int go(struct trial *t, struct error *err)
{
	const struct server_room room = {
		.req = &t->req,
		.choice = &t->plan.choice,
		.action_id = t->w->action_id,
		.request_id = t->w->request_id,
		.now_us = engine_now(t->e),
	};

	return t->way->go(t->e, t->db, t->a, &t->s, &room, err);
}

/* Kept for it is the other host now. */
static int wait_on(struct trial *t, struct error *err)
{
	int64_t leave_us = engine_now(t->e) + t->e->cfg.preempt_notice_s * 1000000;

	if (store_waiter_move(t->db, t->s.id, t->plan.choice.host_id, err))
		return -1;
	return tell(t->e, t->db, t->s.id, &t->plan, t->w->request_id, leave_us, err);
}

/* GPUs that were given back are reset first, one by one: it waits on. */
static bool waits_for_reset(struct trial *t, bool last)
{
	struct error why;

	return !last && t->w->to_reset &&
	       placement_choose(t->e->placement, &t->req, 1, &t->plan.choice, &why) &&
	       why.code == ERR_NO_HOST;
}

/* On the host that was kept for it, or wherever there is room now; or others leave for it once more. */
static int try(struct trial *t, bool last, struct error *err)
{
	const struct decision_asked who = { .request_id = t->w->request_id, .server_id = t->s.id };
	struct placement *p = t->e->placement;
	struct error why;
	int rc;

	placement_host_hold(p, t->w->host_id, 0);
	if (waits_for_reset(t, last)) /* no decision: one that is clean later may do */
		return placement_host_hold(p, t->w->host_id, t->s.id), 0;
	rc = decision_choose(t->e, t->db, &who, &t->req, 1, &t->plan.choice, &why);
	if (rc == 0)
		return drop(t->e, t->db, t->w, err) || go(t, err) ? -1 : 0;
	if (why.code == ERR_NO_HOST)
		rc = placement_victims(
			p, &t->req, NULL, &t->plan.choice, t->plan.leavers, PREEMPT_MAX, &t->plan.n, &why);
	if (rc && why.code != ERR_NO_HOST)
		return *err = why, -1;
	if (!last && rc == 0)
		return wait_on(t, err);
	if (rc == 0)
		error_set(&why, ERR_NO_HOST, "those who had to leave for it did not leave in time");
	else /* counts by rule: who else is there is not the tenant's business */
		placement_choose(p, &t->req, 1, &t->plan.choice, &why);
	return drop(t->e, t->db, t->w, err) || give_up(t->e, t->db, &t->s, t->way, t->w, &why, err) ? -1 : 0;
}

/* Asked for again. What its project's limits or its state say by now is heard too. */
static int resume(struct trial *t, bool last, struct error *err)
{
	struct server s = t->s;
	struct error why;

	placement_host_hold(t->e->placement, t->w->host_id, 0);
	if (resize_wait_go(t->e, t->db, t->a, &s, t->w, &why) == 0)
		return drop(t->e, t->db, t->w, err);
	if (why.code == ERR_INTERNAL)
		return *err = why, -1;
	if (!last && t->w->to_reset)
		return placement_host_hold(t->e->placement, t->w->host_id, t->s.id), 0;
	return drop(t->e, t->db, t->w, err) || give_up(t->e, t->db, &t->s, t->way, t->w, &why, err) ? -1 : 0;
}

/* An administrator has set its state by hand, its guest was put aside on the host, or it is being deleted. */
static int overtaken(struct trial *t, struct error *err)
{
	static const char message[] = "It waits no more: its state was changed meanwhile.";
	const struct server *s = &t->s;
	int64_t now_us = engine_now(t->e);

	if (drop(t->e, t->db, t->w, err) ||
		store_server_action_finish(t->db, t->w->action_id, now_us, message, err))
		return -1;
	return t->w->resize && s->task_state == TASK_RESIZE_PREP && !flow_find(t->e, s->id)
		       ? store_server_task(t->db, s->id, TASK_NONE, now_us, err)
		       : 0;
}

static int place(struct flow_engine *e, struct db *db, const struct waiter *w, bool last, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct trial *t = ARENA_NEW(&a, struct trial);

	*t = (struct trial) { .e = e, .db = db, .a = &a, .w = w };
	if (store_server_load(db, &a, w->server_id, &t->s, err))
		return -1;
	t->way = way_of(&t->s);
	if (!t->way || t->s.deleted_us)
		return overtaken(t, err);
	if (t->way->resize)
		return resume(t, last, err);
	if (t->way->request(db, &a, &t->s, &t->req, err) || name_place(t, err))
		return -1;
	return try(t, last, err);
}

/* One that cannot be placed for a reason of our own is left to its deadline when this unit is tried again: it
 * holds up nobody else. */
int waiter_room(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct waiter w;
	int rc = store_waiter_on(db, &a, host_id, &w, err);

	drain_room(e);
	if (rc <= 0 || w.leavers || w.server_id == e->calendar.stumbled)
		return rc < 0 ? -1 : 0;
	rc = place(e, db, &w, false, err);
	if (rc)
		e->calendar.stumbled = w.server_id;
	return rc;
}

/* It could not be placed for a reason of our own. */
static int lose(struct flow_engine *e, struct db *db, const struct waiter *w, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct way *way;
	struct error why;
	struct server s;

	error_internal(&why, "it could not be placed");
	if (drop(e, db, w, err) || store_server_load(db, &a, w->server_id, &s, err))
		return -1;
	way = way_of(&s);
	return way ? give_up(e, db, &s, way, w, &why, err) : 0;
}

int waiters_due(struct flow_engine *e, struct db *db, int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct waiter *all;
	size_t n;

	if (store_waiter_list(db, &a, now_us, 0, AT_ONCE, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		e->calendar.at = all[i].server_id;
		if (e->calendar.put_off == all[i].server_id ? lose(e, db, &all[i], err)
							    : place(e, db, &all[i], true, err))
			return -1;
	}
	return 0;
}

int waiters_hold(struct db *db, struct placement *p, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct waiter *all;
	size_t n;

	if (store_waiter_list(db, &a, 0, 0, 0, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		placement_host_hold(p, all[i].host_id, all[i].server_id);
	return 0;
}
