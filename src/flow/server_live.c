/* SPDX-License-Identifier: Apache-2.0 */
/* Live migration: the guest goes on running.
 *
 *	check --> migrate --> here --> there --> (lives there, or stays)
 *
 * How the move itself ended decides nothing: both hosts are asked. It runs here: it stays, and what the other
 * host has of it is cleared away. It is not here: it moved, if it is there; else its domain is gone. It is
 *here and does not run, or its host is dead: it moved if it runs there, since it goes on there only when all
 *of it has arrived, and what is left here is older. */
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
	char reason[256];         /* why it did not move; "": not known that it did not */
};

static struct live *live_of(const struct act *act)
{
	return ((struct server_facts *)act->facts)->live;
}

static enum flow_verdict with_live(struct act *act, enum flow_verdict v)
{
	if (v == FLOW_NEXT)
		((struct server_facts *)act->facts)->live = ARENA_NEW(&act->arena, struct live);
	return v;
}

/* A host that the operator declared dead is not asked. */
static enum flow_verdict source_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = with_live(act, move_load_source(e, ro, act, err));

	return v == FLOW_NEXT && host_is_dead(e, ro, act->host_id) ? FLOW_DONE : v;
}

/* Nor is the other one, unless the guest can be nowhere else. */
static enum flow_verdict dest_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = with_live(act, move_load_dest(e, ro, act, err));
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

static int migrate_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct live *l = live_of(act);
	int busy = under_way(drv, conn, f->s.uid, err);

	if (busy)
		return busy < 0 ? -1 : FLOW_POLL;
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
	int busy = under_way(drv, conn, f->s.uid, err);

	if (busy)
		return busy < 0 ? -1 : FLOW_POLL;
	return drv->domain_look(conn, f->s.uid, &live_of(act)->seen, err) ? -1 : FLOW_NEXT;
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
	return FLOW_NEXT;
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

static int there_commit(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
	struct error *err)
{
	struct server_facts *f = act->facts;
	const struct hv_seen *seen = &live_of(act)->seen;

	(void)out_verdict;
	if (strcmp(f->move->status, "post-migrating") == 0 ? !seen->ours || seen->power == HV_POWER_ABSENT
							   : !lives(act))
		return 0;
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
	{ "migrate", migrate_load, migrate_act, keep_reason, TASK_MIGRATING, LINK_BULK, TIME_STAGE },
	{ "here", source_load, here_act, here_commit, TASK_MIGRATING, LINK_OPS, TIME_CALL },
	{ "there", there_load, there_act, there_commit, TASK_MIGRATING, LINK_OPS, TIME_CALL },
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
