/* SPDX-License-Identifier: Apache-2.0 */
/* Power: each request is one flow that ends in one state.
 *
 *	start        spawn
 *	stop         shutdown --> off                  the guest is asked; when its time is over the plug is
 *pulled reboot soft  shutdown --> off --> spawn        so that its end can be seen, which a guest's own
 *reboot does not show reboot hard  cut --> spawn pause, unpause
 */
#include "base/util.h"
#include "flow/server.h"
#include "flow/server_parts.h"

enum { ASK_AGAIN_MS = 5000 };

/* ---- acts ---- */

static bool is_off(enum hv_power p)
{
	return p == HV_POWER_SHUTOFF || p == HV_POWER_CRASHED || p == HV_POWER_ABSENT;
}

/* A refusal is no error: `off` goes on without the guest's help. */
static int ask_guest(const struct hv_driver *drv, struct hv_conn *conn, const char *uid, struct error *err)
{
	return drv->domain_shutdown(conn, uid, err) && err->code != ERR_HYPERVISOR ? -1 : 0;
}

static int shutdown_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen seen;

	if (drv->domain_look(conn, f->s.uid, &seen, err) || act_abandoned(act, err))
		return -1;
	/* a guest that is paused hears nothing: `off` will see to it */
	if (seen.power == HV_POWER_RUNNING && ask_guest(drv, conn, f->s.uid, err))
		return -1;
	return FLOW_NEXT;
}

/* A guest that was still booting has not heard the first one. */
static bool asks_again(const struct act *act)
{
	int64_t waited_ms = (act->now_us - act->since_us) / 1000;

	return waited_ms >= ASK_AGAIN_MS && waited_ms % ASK_AGAIN_MS < ASK_AGAIN_MS / 4;
}

static int off_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen seen;

	if (drv->domain_look(conn, f->s.uid, &seen, err) || act_abandoned(act, err))
		return -1;
	if (is_off(seen.power))
		return FLOW_NEXT;
	if (!f->late && seen.power == HV_POWER_RUNNING)
		return asks_again(act) && ask_guest(drv, conn, f->s.uid, err) ? -1 : FLOW_POLL;
	return drv->domain_stop(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

static int cut_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return drv->domain_stop(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

static int pause_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return drv->domain_pause(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

static int unpause_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return drv->domain_unpause(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

static int end_active(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_ACTIVE, err);
}

static int end_stopped(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_STOPPED, err);
}

static int end_paused(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_PAUSED, err);
}

/* ---- the tables ---- */

#define STEP(name, load, act, task)                              \
	{                                                        \
		name, load, act, NULL, task, LINK_OPS, TIME_CALL \
	}

static const struct flow_step start_steps[] = {
	STEP("spawn", server_load_domain, server_spawn_act, TASK_POWERING_ON),
};
static const struct flow_step stop_steps[] = {
	STEP("shutdown", server_load_row, shutdown_act, TASK_POWERING_OFF),
	STEP("off", server_load_row, off_act, TASK_POWERING_OFF),
};
static const struct flow_step soft_steps[] = {
	STEP("shutdown", server_load_row, shutdown_act, TASK_REBOOTING),
	STEP("off", server_load_row, off_act, TASK_REBOOT_PENDING),
	STEP("spawn", server_load_domain, server_spawn_act, TASK_REBOOT_STARTED),
};
static const struct flow_step hard_steps[] = {
	STEP("cut", server_load_row, cut_act, TASK_REBOOTING_HARD),
	STEP("spawn", server_load_domain, server_spawn_act, TASK_REBOOT_STARTED_HARD),
};
static const struct flow_step pause_steps[] = {
	STEP("pause", server_load_row, pause_act, TASK_PAUSING),
};
static const struct flow_step unpause_steps[] = {
	STEP("unpause", server_load_row, unpause_act, TASK_UNPAUSING),
};

#undef STEP
#define KIND(kind_name, kind_steps, kind_end)                                                                \
	{                                                                                                    \
		.name = (kind_name), .subject = SUBJECT_SERVER, .steps = (kind_steps),                       \
		.steps_n = ARRAY_LEN(kind_steps), .deadline_s = 3600, .end = (kind_end), .fail = server_fail \
	}

const struct flow_kind kind_server_start = KIND("server_start", start_steps, end_active);
const struct flow_kind kind_server_stop = KIND("server_stop", stop_steps, end_stopped);
const struct flow_kind kind_server_reboot_soft = KIND("server_reboot_soft", soft_steps, end_active);
const struct flow_kind kind_server_reboot_hard = KIND("server_reboot_hard", hard_steps, end_active);
const struct flow_kind kind_server_pause = KIND("server_pause", pause_steps, end_paused);
const struct flow_kind kind_server_unpause = KIND("server_unpause", unpause_steps, end_active);

#undef KIND

static const struct {
	enum server_action action;
	const struct flow_kind *kind;
	bool starts; /* counts the epoch up */
} ops[] = {
	[SERVER_START] = { ACTION_START, &kind_server_start, true },
	[SERVER_STOP] = { ACTION_STOP, &kind_server_stop, false },
	[SERVER_REBOOT_SOFT] = { ACTION_REBOOT_SOFT, &kind_server_reboot_soft, true },
	[SERVER_REBOOT_HARD] = { ACTION_REBOOT_HARD, &kind_server_reboot_hard, true },
	[SERVER_PAUSE] = { ACTION_PAUSE, &kind_server_pause, false },
	[SERVER_UNPAUSE] = { ACTION_UNPAUSE, &kind_server_unpause, false },
};

int flow_server_act(struct flow_engine *e, struct db *db, struct server *s, enum server_op op, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	const struct server_action_rule *rule = server_action_rule(ops[op].action);
	int64_t action_id;

	if (server_action_allowed(
		    ops[op].action, s->uid, s->vm_state, s->task_state, s->locked, is_admin, err))
		return -1;
	if (!s->host_id)
		return error_set(err, ERR_CONFLICT, "Cannot '%s' instance %s: it was never on a host",
			rule->name, s->uid);
	s->task_state = ops[op].kind->steps[0].task;
	s->epoch += ops[op].starts;
	s->updated_us = origin->now_us;
	if (store_server_save(db, s, err) ||
		store_server_action_start(db, s->id, rule->event, origin->request_id, origin->user_uid,
			origin->project_uid, origin->now_us, &action_id, err))
		return -1;
	return flow_begin(e, db,
		&(struct flow_start) { .kind = ops[op].kind,
			.subject_id = s->id,
			.action_id = action_id,
			.request_id = origin->request_id,
			.now_us = origin->now_us },
		err);
}
