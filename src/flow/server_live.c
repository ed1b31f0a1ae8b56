/* SPDX-License-Identifier: Apache-2.0 */
/* Live migration: the guest goes on running.
 *
 *	check --> migrate --> here --> there --+--> lives there
 *	                                       +--> back --> stays
 *
 * How the move itself ended decides nothing: both hosts are asked. It runs here: it stays, and what the other
 * host has of it is cleared away. It is not here: it moved, if it is there; else its domain is gone. It is
 *here and does not run, or its host is dead: it moved if it came to life there, since it goes on there only
 *when all of it has arrived, and what is left here is older. A move that was cut off between its phases
 *leaves it paused here, whole, and perhaps there, never let go on: then nothing of it may be there before it
 *goes on here. A move that takes too long is cancelled at its source; that ends nothing by itself. */
#include "flow/move.h"
#include "flow/samples.h"

#include <string.h>

#include "base/util.h"
#include "store/server_power.h"

struct live { /* first of what a step's facts point to */
	struct hv_migrate how;
	struct hv_target target;
	struct hv_seen seen;
	struct hv_domain promise; /* the other host's */
	struct error broken;      /* how it does not keep that; no code: it does */
	bool tried;               /* an earlier try came to no end that was heard */
	bool late;                /* the step has taken its time */
	bool source_dead;         /* the operator says so: it was not asked */
	char reason[256];         /* why it did not move; "": not known that it did not */
};

static struct live *live_of(const struct act *act)
{
	return ((struct server_facts *)act->facts)->live;
}

static enum flow_verdict with_live(struct flow_engine *e, struct db *ro, struct act *act, enum flow_verdict v)
{
	struct server_facts *f = act->facts;
	int64_t ms = flow_step_ms(&e->cfg, act->step->time, &act->size);

	if (v != FLOW_NEXT)
		return v;
	f->live = ARENA_NEW(&act->arena, struct live);
	f->live->late = act->now_us - act->since_us >= ms * 1000;
	f->live->source_dead = host_is_dead(e, ro, f->move->source_host_id);
	return v;
}

/* A host that the operator declared dead is not asked. */
static enum flow_verdict source_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = with_live(e, ro, act, move_load_source(e, ro, act, err));

	return v == FLOW_NEXT && live_of(act)->source_dead ? FLOW_DONE : v;
}

/* Nor is the other one, unless the guest can be nowhere else. */
static enum flow_verdict dest_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = with_live(e, ro, act, move_load_dest(e, ro, act, err));
	const struct server_facts *f = act->facts;

	return v == FLOW_NEXT && strcmp(f->move->status, "post-migrating") != 0 &&
			       host_is_dead(e, ro, act->host_id)
		       ? FLOW_DONE
		       : v;
}

static enum flow_verdict there_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = dest_load(e, ro, act, err);
	const struct server_facts *f = act->facts;

	if (v != FLOW_NEXT)
		return v;
	return server_promise_load(ro, &act->arena, &f->s, f->move->id, &live_of(act)->promise, err)
		       ? FLOW_FAIL
		       : FLOW_NEXT;
}

/* A guest that its owner paused is as it was. */
static enum flow_verdict back_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = source_load(e, ro, act, err);
	const struct server_facts *f = act->facts;

	return v == FLOW_NEXT &&
			       (strcmp(f->move->status, "post-migrating") == 0 || f->s.vm_state != VM_ACTIVE)
		       ? FLOW_DONE
		       : v;
}

/* ---- acts ---- */

/* Nothing runs there under its name; the other host can be heard. */
static int check_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);

	if (drv->domain_look(conn, f->s.uid, &l->seen, err))
		return -1;
	if (l->seen.power == HV_POWER_ABSENT)
		return FLOW_NEXT;
	str_copy(l->reason, sizeof l->reason, "the other host has a domain of this id");
	return FLOW_DONE;
}

static int keep_reason(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	(void)e;
	(void)out_verdict;
	if (!live_of(act)->reason[0])
		return 0;
	return store_move_reason(db, act->flow->arg_id, live_of(act)->reason, err);
}

static int check_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	if (store_move_status(db, act->flow->arg_id, "running", false, act->now_us, err))
		return -1;
	return keep_reason(e, db, act, out_verdict, err);
}

static enum flow_verdict migrate_load(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = source_load(e, ro, act, err);
	const struct server_facts *f = act->facts;
	const struct link *to;
	struct live *l;

	if (v != FLOW_NEXT)
		return v;
	l = live_of(act);
	to = link_find(e, f->move->dest_host_id);
	if (f->move->cancel || !to)
		return FLOW_DONE;
	l->tried = act->flow->tries > 0;
	l->target = link_target(to, &act->arena);
	l->how.to = &l->target;
	l->how.disks = server_disks(&act->arena, &f->s, &l->how.disks_n);
	l->how.as = &l->promise;
	l->how.epoch = f->s.epoch + 1; /* as the switch counts it */
	return server_promise_load(ro, &act->arena, &f->s, f->move->id, &l->promise, err) ? FLOW_FAIL
											  : FLOW_NEXT;
}

/* 1 a move of the guest is under way, 0 none, -1. */
static int under_way(const struct hv_driver *drv, struct hv_conn *conn, const char *uid, struct error *err)
{
	struct hv_progress ignored;

	if (drv->migrate_look(conn, uid, &ignored, err) == 0)
		return 1;
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}

static bool unknown(const struct error *err)
{
	return err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT;
}

/* Of a move under way: one that takes too long is cancelled, and again until it ends. */
static int end_it(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);

	if (!l->late)
		return FLOW_POLL;
	str_copy(l->reason, sizeof l->reason, "the move did not end in time");
	if (drv->migrate_cancel(conn, f->s.uid, err) == 0 || err->code == ERR_NOT_FOUND ||
		err->code == ERR_HYPERVISOR)
		return FLOW_NEXT;
	return -1;
}

static int migrate_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);
	int busy = under_way(drv, conn, f->s.uid, err);

	if (busy)
		return busy < 0 ? -1 : end_it(act, drv, conn, err);
	if (l->tried) {
		str_copy(l->reason, sizeof l->reason, "the move was cut off");
		return FLOW_NEXT;
	}
	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	if (act_abandoned(act, err))
		return -1;
	if (drv->domain_migrate(conn, f->s.uid, &l->how, err) == 0)
		return FLOW_NEXT;
	if (unknown(err))
		return -1;
	snprintf(l->reason, sizeof l->reason, "%.120s%s%.120s", err->msg, err->detail[0] ? ": " : "",
		err->detail);
	return FLOW_NEXT;
}

static int here_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen *seen = &live_of(act)->seen;
	int busy = under_way(drv, conn, f->s.uid, err);

	if (busy < 0 || drv->domain_look(conn, f->s.uid, seen, err))
		return -1;
	if (!busy)
		return FLOW_NEXT;
	/* all of it was sent: what is under way still waits for the other host, which will be asked */
	if (seen->halted && live_of(act)->late)
		return FLOW_NEXT;
	return act_abandoned(act, err) || (f->move->reason[0] && drv->migrate_cancel(conn, f->s.uid, err) &&
						  err->code != ERR_NOT_FOUND && err->code != ERR_HYPERVISOR)
		       ? -1
		       : FLOW_POLL;
}

/* It came, and was never let go on. Its host may still hear the word for that: until the step has taken its
 * time it is waited for; then it goes, so that it cannot any more. */
static int arriving(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);

	if (!l->late)
		return FLOW_POLL;
	return drv->domain_remove(conn, f->s.uid, err) || act_abandoned(act, err) ||
			       drv->domain_look(conn, f->s.uid, &l->seen, err)
		       ? -1
		       : FLOW_NEXT;
}

/* Has it there what that host owes it? A guest that came alive is not cut off for that, but shown. */
static int look_closer(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);
	struct hv_domain has;

	if (drv->domain_read(conn, &act->arena, f->s.uid, &has, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	hv_domain_kept(&l->promise, &has, &l->broken);
	return 0;
}

static int there_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen *seen = &live_of(act)->seen;
	bool left = strcmp(f->move->status, "post-migrating") == 0;

	if (drv->domain_look(conn, f->s.uid, seen, err) || act_abandoned(act, err) ||
		(seen->ours && seen->power != HV_POWER_ABSENT && look_closer(act, drv, conn, err)))
		return -1;
	/* cut off between its arrival and its first step there */
	if (left && seen->ours && seen->power == HV_POWER_PAUSED && f->s.vm_state == VM_ACTIVE)
		return drv->domain_unpause(conn, f->s.uid, err) || drv->domain_look(conn, f->s.uid, seen, err)
			       ? -1
			       : FLOW_NEXT;
	if (!left && !live_of(act)->source_dead && seen->ours && seen->halted)
		return arriving(act, drv, conn, err);
	return FLOW_NEXT;
}

/* The other host has said that nothing of it runs there, or is dead. */
static int back_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return drv->migrate_undo(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

/* ---- commits ---- */

/* A guest that was paused is paused at both hosts, and the same. */
static bool lives(const struct act *act)
{
	const struct hv_seen *seen = &live_of(act)->seen;

	return seen->ours && (seen->power == HV_POWER_RUNNING ||
				     (seen->power == HV_POWER_PAUSED &&
					     ((struct server_facts *)act->facts)->s.vm_state == VM_PAUSED));
}

static int here_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	const struct hv_seen *seen = &live_of(act)->seen;

	(void)e;
	if (lives(act))
		*out_verdict = FLOW_DONE; /* however the other host is */
	if (!act->link_epoch || (seen->ours && seen->power != HV_POWER_ABSENT))
		return 0;
	return store_move_status(db, act->flow->arg_id, "post-migrating", false, act->now_us, err);
}

/* Nothing of it was there before; what is there and is not on its way has come to life there, whatever became
 * of it since. Where the source could not be asked, only what runs is believed. */
static bool arrived_there(const struct act *act)
{
	const struct server_facts *f = act->facts;
	const struct live *l = live_of(act);
	bool there = l->seen.ours && l->seen.power != HV_POWER_ABSENT;

	if (strcmp(f->move->status, "post-migrating") == 0)
		return there;
	return l->source_dead ? lives(act) : there && !l->seen.halted;
}

static int there_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	struct server_facts *f = act->facts;

	if (!arrived_there(act))
		return 0;
	*out_verdict = FLOW_DONE;
	return move_switch(e, db, &act->arena, &f->s, f->move, err);
}

static const struct {
	enum hv_power seen;
	enum vm_state vm;
	int power;
} arrived[] = {
	{ HV_POWER_RUNNING, VM_ACTIVE, POWER_RUNNING },
	{ HV_POWER_PAUSED, VM_PAUSED, POWER_PAUSED },
	{ HV_POWER_SHUTOFF, VM_STOPPED, POWER_SHUTDOWN },
	{ HV_POWER_CRASHED, VM_STOPPED, POWER_CRASHED },
};

static int moved(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(arrived) && arrived[i].seen != live_of(act)->seen.power)
		i++;
	if (move_close(e, db, &f->s, f->move, "completed", act->flow->request_id, act->now_us, err) ||
		move_settle(e, db, act, arrived[i].vm, arrived[i].power, err))
		return -1;
	return live_of(act)->broken.code ? server_fail(e, db, act->flow, &live_of(act)->broken, err) : 0;
}

/* It is where it was, unless it is nowhere; the action's log says why. */
static int stayed(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;
	const struct move *m = f->move;
	const char *why = m->cancel ? "the live migration was cancelled" : m->reason;

	if (live_of(act)->reason[0])
		why = live_of(act)->reason;
	else if (!why[0])
		why = "the server did not move";
	if (move_close(e, db, &f->s, m, m->cancel ? "cancelled" : "error", act->flow->request_id, act->now_us,
		    err) ||
		(act->flow->action_id &&
			store_server_action_finish(db, act->flow->action_id, act->now_us, why, err)))
		return -1;
	if (strcmp(m->status, "post-migrating") == 0) {
		struct error gone;

		error_set(&gone, ERR_INTERNAL, "The server's domain is gone from both hosts of its move.");
		return server_fail(e, db, act->flow, &gone, err);
	}
	return store_server_task(db, f->s.id, TASK_NONE, act->now_us, err);
}

static int live_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	const struct server_facts *f = act->facts;

	return f->move->switched ? moved(e, db, act, err) : stayed(e, db, act, err);
}

static const struct flow_step live_steps[] = {
	{ "check", dest_load, check_act, check_commit, TASK_MIGRATING, LINK_OPS, TIME_CALL },
	{ "migrate", migrate_load, migrate_act, keep_reason, TASK_MIGRATING, LINK_BULK, TIME_MOVE },
	{ "here", source_load, here_act, here_commit, TASK_MIGRATING, LINK_OPS, TIME_CALL },
	{ "there", there_load, there_act, there_commit, TASK_MIGRATING, LINK_OPS, TIME_CALL },
	{ "back", back_load, back_act, NULL, TASK_MIGRATING, LINK_OPS, TIME_CALL },
};

/* It never fails: a host that does not answer is waited for, since nobody else knows where the guest is. */
const struct flow_kind kind_server_migrate_live = {
	.name = "server_migrate_live",
	.subject = SUBJECT_SERVER,
	.flags = KIND_NEVER_FAILS,
	.steps = live_steps,
	.steps_n = ARRAY_LEN(live_steps),
	.deadline_s = 12 * 3600,
	.end = live_end,
};
