/* SPDX-License-Identifier: Apache-2.0 */
/* Power: each request is one flow that ends in one state.
 *
 *	start        spawn
 *	stop         shutdown --> off                  the guest is asked; when its time is over the plug is
 *pulled reboot soft  shutdown --> off --> spawn        so that its end can be seen, which a guest's own
 *reboot does not show reboot hard  cut --> spawn pause, unpause
 */
#include "base/util.h"
#include "flow/custody.h"
#include "flow/samples.h"
#include "flow/server.h"
#include "flow/server_parts.h"

enum { ASK_AGAIN_MS = 5000 };

/* ---- acts ---- */

static bool is_off(enum hv_power p)
{
	return p == HV_POWER_SHUTOFF || p == HV_POWER_CRASHED || p == HV_POWER_ABSENT;
}

int server_cut(const struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	return drv->domain_stop(conn, f->s.uid, err) || drv->domain_forget(conn, f->s.uid, err) ? -1 : 0;
}

/* A refusal is no error: `off` goes on without the guest's help. */
static int ask_guest(const struct hv_driver *drv, struct hv_conn *conn, const char *uid, struct error *err)
{
	return drv->domain_shutdown(conn, uid, err) && err->code != ERR_HYPERVISOR ? -1 : 0;
}

int server_shutdown_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen seen;

	if (drv->domain_look(conn, f->s.uid, &seen, err) || act_abandoned(act, err))
		return -1;
	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
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

int server_off_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_seen seen;

	if (drv->domain_look(conn, f->s.uid, &seen, err) || act_abandoned(act, err))
		return -1;
	if (is_off(seen.power))
		return FLOW_NEXT;
	if (f->late || seen.power != HV_POWER_RUNNING)
		return server_cut(act, drv, conn, err) ? -1 : FLOW_NEXT;
	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	return asks_again(act) && ask_guest(drv, conn, f->s.uid, err) ? -1 : FLOW_POLL;
}

static int cut_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	return server_cut(act, drv, conn, err) ? -1 : FLOW_NEXT;
}

static int suspend_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	samples_last_read(act, drv, conn, f->s.uid, f->project_uid);
	return drv->domain_save(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
}

static int resume_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	return drv->domain_start(conn, f->s.uid, err) ? -1 : FLOW_NEXT;
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

static int end_suspended(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_SUSPENDED, err);
}

/* ---- the tables ---- */

#define STEP(name, load, act, task)                              \
	{                                                        \
		name, load, act, NULL, task, LINK_OPS, TIME_CALL \
	}
#define LONG(name, load, act, task, time)                   \
	{                                                   \
		name, load, act, NULL, task, LINK_OPS, time \
	}

static const struct flow_step start_steps[] = {
	LONG("spawn", server_load_domain, server_spawn_act, TASK_POWERING_ON, TIME_START),
};
static const struct flow_step stop_steps[] = {
	STEP("shutdown", server_load_row, server_shutdown_act, TASK_POWERING_OFF),
	STEP("off", server_load_row, server_off_act, TASK_POWERING_OFF),
};
static const struct flow_step soft_steps[] = {
	STEP("shutdown", server_load_row, server_shutdown_act, TASK_REBOOTING),
	STEP("off", server_load_row, server_off_act, TASK_REBOOT_PENDING),
	LONG("spawn", server_load_domain, server_spawn_act, TASK_REBOOT_STARTED, TIME_START),
};
static const struct flow_step hard_steps[] = {
	STEP("cut", server_load_row, cut_act, TASK_REBOOTING_HARD),
	LONG("spawn", server_load_domain, server_spawn_act, TASK_REBOOT_STARTED_HARD, TIME_START),
};
static const struct flow_step pause_steps[] = {
	STEP("pause", server_load_row, pause_act, TASK_PAUSING),
};
static const struct flow_step unpause_steps[] = {
	STEP("unpause", server_load_row, unpause_act, TASK_UNPAUSING),
};

static const struct flow_step suspend_steps[] = {
	LONG("save", server_load_row, suspend_act, TASK_SUSPENDING, TIME_SAVE),
};
static const struct flow_step resume_steps[] = {
	LONG("start", server_load_row, resume_act, TASK_RESUMING, TIME_SAVE),
};

#undef STEP
#undef LONG
#define KIND(kind_name, kind_steps, kind_end, kind_fail)                                                     \
	{                                                                                                    \
		.name = (kind_name), .subject = SUBJECT_SERVER, .steps = (kind_steps),                       \
		.steps_n = ARRAY_LEN(kind_steps), .deadline_s = 3600, .end = (kind_end), .fail = (kind_fail) \
	}

const struct flow_kind kind_server_start = KIND("server_start", start_steps, end_active, server_fail);
const struct flow_kind kind_server_stop = KIND("server_stop", stop_steps, end_stopped, server_fail);
const struct flow_kind kind_server_reboot_soft =
	KIND("server_reboot_soft", soft_steps, end_active, server_fail);
const struct flow_kind kind_server_reboot_hard =
	KIND("server_reboot_hard", hard_steps, end_active, server_fail);
const struct flow_kind kind_server_pause = KIND("server_pause", pause_steps, end_paused, server_fail);
const struct flow_kind kind_server_unpause = KIND("server_unpause", unpause_steps, end_active, server_fail);

/* A host that does not save a guest leaves it running. */
const struct flow_kind kind_server_suspend =
	KIND("server_suspend", suspend_steps, end_suspended, server_fail_kept);
const struct flow_kind kind_server_resume = KIND("server_resume", resume_steps, end_active, server_fail);

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
	[SERVER_SUSPEND] = { ACTION_SUSPEND, &kind_server_suspend, false },
	[SERVER_RESUME] = { ACTION_RESUME, &kind_server_resume, false },
};

/* What a device holds of a guest cannot be saved with its memory. */
static int check_suspend(const struct server *s, struct error *err)
{
	if (!capacity_gpus(s->extra_specs))
		return 0;
	return error_set(err, ERR_CONFLICT,
		"Cannot 'suspend' instance %s: what its GPUs hold cannot be saved; stop or shelve it",
		s->uid);
}

int flow_server_act(struct flow_engine *e, struct db *db, struct server *s, enum server_op op, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	const struct server_start start = { .action = ops[op].action, .kind = ops[op].kind };

	if (server_may(s, ops[op].action, is_admin, err) || (op == SERVER_SUSPEND && check_suspend(s, err)))
		return -1;
	if (ops[op].starts && custody_complete(e, db, s, err))
		return -1;
	s->epoch += ops[op].starts;
	return server_start(e, db, s, &start, origin, err);
}
