/* SPDX-License-Identifier: Apache-2.0 */
/* POST /servers/{id}/action: one key in the body says what to do. */
#include <string.h>

#include "api/compute/server_act.h"
#include "base/util.h"
#include "store/allocations.h"

/* --- the bodies: one key, its value by the key's own table */

struct action_body {
	const void *args;
};

struct reboot_body {
	const char *type;
};

static const char *const reboot_types[] = { "SOFT", "HARD", NULL };

static const struct bind_field reboot_fields[] = {
	{ .name = "type", .flags = BIND_REQUIRED | BIND_ANY_CASE, .words = reboot_types },
};

struct lock_body {
	const char *reason;
};

static const struct bind_field lock_fields[] = {
	BIND(lock_body, reason, "locked_reason", BIND_STR, BIND_REQUIRED, 1, 255),
};

struct reset_body {
	const char *state;
};

static const char *const reset_states[] = { "active", "error", NULL };

static const struct bind_field reset_fields[] = {
	{ .name = "state", .flags = BIND_REQUIRED, .words = reset_states },
};

struct console_body {
	int64_t length;
};

static const struct bind_field console_fields[] = {
	{ .name = "length", .type = BIND_INT, .min = -1, .max = INT32_MAX, .absent = -1 },
};

static const struct bind_table nothing = { 0 }, reboot_table = { BIND_TABLE(reboot_body, reboot_fields) },
			       lock_table = { BIND_TABLE(lock_body, lock_fields) },
			       reset_table = { BIND_TABLE(reset_body, reset_fields) },
			       console_table = { BIND_TABLE(console_body, console_fields) };

/* --- power: one row of the flow room each */

static int power(struct api_call *c, const struct server_act *a, enum server_op op, struct error *err)
{
	return flow_server_act(c->api->flows, c->db, a->s, op, api_is_admin(c), a->origin, err);
}

static int act_start(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_START, err);
}

static int act_stop(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_STOP, err);
}

static int act_pause(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_PAUSE, err);
}

static int act_unpause(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_UNPAUSE, err);
}

static int act_suspend(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_SUSPEND, err);
}

static int act_resume(struct api_call *c, const struct server_act *a, struct error *err)
{
	return power(c, a, SERVER_RESUME, err);
}

static int act_reboot(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct reboot_body *in = a->in;

	return power(c, a, str_eq(in->type, "SOFT") ? SERVER_REBOOT_SOFT : SERVER_REBOOT_HARD, err);
}

static int act_delete(struct api_call *c, const struct server_act *a, struct error *err)
{
	compute_move_ends(c, a->s);
	return flow_server_delete(c->api->flows, c->db, a->s, api_is_admin(c), a->origin, err);
}

/* --- those that change rows only */

/* Notes an action that is over as soon as it is committed. */
static int log_done(struct api_call *c, const struct server_act *a, const char *name, struct error *err)
{
	int64_t id;

	if (store_server_action_start(c->db, a->s->id, name, a->origin->request_id, a->origin->user_uid,
		    a->origin->project_uid, c->now_us, &id, err) < 0)
		return -1;
	return store_server_action_finish(c->db, id, c->now_us, NULL, err);
}

static int act_lock(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct lock_body *in = a->in;
	bool is_owner = c->who->project.id == a->s->project_id;

	/* a tenant does not make an administrator's lock its own, to open it then */
	if (a->s->locked && str_eq(a->s->locked_by, "admin") && !api_is_admin(c))
		return 0;
	a->s->locked_by = is_owner ? "owner" : "admin";
	a->s->locked_reason = in ? in->reason : NULL;
	a->s->locked = true;
	a->s->updated_us = c->now_us;
	if (store_server_edit(c->db, a->s, err) < 0)
		return -1;
	return log_done(c, a, "lock", err);
}

static int act_unlock(struct api_call *c, const struct server_act *a, struct error *err)
{
	if (a->s->locked && str_eq(a->s->locked_by, "admin") && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN,
			"You are not authorized to unlock instance %s: an administrator locked it.",
			a->s->uid);
	a->s->locked = false;
	a->s->locked_reason = NULL;
	a->s->locked_by = "";
	a->s->updated_us = c->now_us;
	if (store_server_edit(c->db, a->s, err) < 0)
		return -1;
	return log_done(c, a, "unlock", err);
}

static int act_reset_state(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct reset_body *in = a->in;
	bool is_error = str_eq(in->state, "error");
	int rc;

	rc = store_server_busy(c->db, a->s->id, err);
	if (rc > 0)
		return error_set(err, ERR_CONFLICT,
			"Instance %s is being worked on; its state settles when that is over", a->s->uid);
	if (rc < 0)
		return -1;
	if (!is_error && !a->s->host_id)
		return error_set(
			err, ERR_CONFLICT, "Instance %s is on no host: it cannot be active", a->s->uid);
	if (a->s->vm_state == VM_RESIZED)
		return error_set(err, ERR_CONFLICT,
			"Instance %s is resized: confirm or revert that, so that its old place is cleared",
			a->s->uid);
	if (a->s->vm_state == VM_SHELVED_OFFLOADED)
		return error_set(err, ERR_CONFLICT,
			"Instance %s is shelved and on no host: only unshelving can bring it back",
			a->s->uid);
	a->s->vm_state = is_error ? VM_ERROR : VM_ACTIVE;
	a->s->task_state = TASK_NONE;
	a->s->updated_us = c->now_us;
	return store_server_save(c->db, a->s, err);
}

/* --- what this cloud has no use for, and says so */

/* Nothing is ever deleted softly, so that no state allows it. */
static int act_restore(struct api_call *c, const struct server_act *a, struct error *err)
{
	return server_action_allowed(ACTION_RESTORE, a->s->uid, a->s->vm_state, a->s->task_state,
		a->s->locked, api_is_admin(c), err);
}

/* What a guest needs to know of its networks is on its config drive, always. */
static int act_inject_network(struct api_call *c, const struct server_act *a, struct error *err)
{
	return server_action_allowed(ACTION_INJECT_NETWORK, a->s->uid, a->s->vm_state, a->s->task_state,
		a->s->locked, api_is_admin(c), err);
}

static int act_reset_network(struct api_call *c, const struct server_act *a, struct error *err)
{
	(void)c;
	(void)a;
	return error_set(err, ERR_GONE, "resetNetwork was removed from the API.");
}

/* --- console: read from the host, answered when it comes */

static void console_done(void *ctx, const struct buf *text, const struct error *err)
{
	struct api_call *c = ctx;

	if (!text) {
		api_fail(c, err);
		return;
	}
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "output");
	jw_strn(&c->out, text->data ? text->data : "", text->len);
	jw_end_object(&c->out);
	api_reply(c);
}

static int console(struct api_call *c, const void *args, struct error *err)
{
	const struct console_body *in = args;
	int64_t length = in ? in->length : -1;
	struct server s;

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	if (!s.host_id || s.vm_state == VM_BUILDING)
		return error_set(err, ERR_CONFLICT, "Instance %s is not ready", s.uid);
	if (length == 0) {
		console_done(c, &(struct buf) { 0 }, NULL);
		return 0;
	}
	flow_server_console(c->api->flows, s.host_id, s.uid, length < 0 ? 0 : length, console_done, c);
	return 0;
}

/* --- the table: the key and what goes with it, and who does it */

typedef int act_now_fn(struct api_call *c, const void *args, struct error *err);

static const struct action {
	struct bind_field field;
	enum server_action action;
	server_act_fn *fn; /* in the tick; or */
	act_now_fn *now;   /* by itself: it answers when the host has */
} actions[] = {
/* clang-format off */
#define ARGS(key, since_, until_, null_, table_) \
	{ .name = (key), .type = BIND_OBJ, .flags = (null_), .since = (since_), .until = (until_), .table = &(table_) }
#define PLAIN(key) ARGS(key, 0, 0, BIND_NULL, nothing)
#define WITH(key, table_) ARGS(key, 0, 0, 0, table_)
#define PERHAPS(key, table_) ARGS(key, 0, 0, BIND_NULL, table_)

	{ PLAIN("os-start"), ACTION_START, act_start },
	{ PLAIN("os-stop"), ACTION_STOP, act_stop },
	{ WITH("reboot", reboot_table), ACTION_REBOOT_SOFT, act_reboot },
	{ PLAIN("pause"), ACTION_PAUSE, act_pause },
	{ PLAIN("unpause"), ACTION_UNPAUSE, act_unpause },
	{ PLAIN("suspend"), ACTION_SUSPEND, act_suspend },
	{ PLAIN("resume"), ACTION_RESUME, act_resume },
	{ WITH("rebuild", server_rebuild_args), ACTION_REBUILD, server_act_rebuild },
	{ PERHAPS("rescue", server_rescue_args), ACTION_RESCUE, server_act_rescue },
	{ PLAIN("unrescue"), ACTION_UNRESCUE, server_act_unrescue },
	{ WITH("resize", server_resize_args), ACTION_RESIZE, server_act_resize },
	{ PLAIN("confirmResize"), ACTION_CONFIRM_RESIZE, server_act_confirm_resize },
	{ PLAIN("revertResize"), ACTION_REVERT_RESIZE, server_act_revert_resize },
	{ ARGS("migrate", 0, 55, BIND_NULL, nothing), ACTION_MIGRATE, server_act_migrate },
	{ ARGS("migrate", 56, 0, BIND_NULL, server_migrate_args), ACTION_MIGRATE, server_act_migrate },
	{ ARGS("os-migrateLive", 0, 24, 0, server_live_old_args), ACTION_MIGRATE_LIVE, server_act_migrate_live },
	{ ARGS("os-migrateLive", 25, 0, 0, server_live_args), ACTION_MIGRATE_LIVE, server_act_migrate_live },
	{ WITH("evacuate", server_evacuate_args), ACTION_EVACUATE, server_act_evacuate },
	{ WITH("createImage", server_create_image_args), ACTION_CREATE_IMAGE, server_act_create_image },
	{ WITH("createBackup", server_create_backup_args), ACTION_CREATE_BACKUP, server_act_create_backup },
	{ PLAIN("shelve"), ACTION_SHELVE, server_act_shelve },
	{ PLAIN("shelveOffload"), ACTION_SHELVE_OFFLOAD, server_act_shelve_offload },
	{ ARGS("unshelve", 0, 76, BIND_NULL, nothing), ACTION_UNSHELVE, server_act_unshelve },
	{ ARGS("unshelve", 77, 90, BIND_NULL, server_unshelve_az_args), ACTION_UNSHELVE, server_act_unshelve },
	{ ARGS("unshelve", 91, 0, BIND_NULL, server_unshelve_args), ACTION_UNSHELVE, server_act_unshelve },
	{ WITH("changePassword", server_password_args), ACTION_CHANGE_PASSWORD, .now = server_change_password },
	{ ARGS("trigger_crash_dump", 17, 0, BIND_NULL, nothing), ACTION_CRASH_DUMP, .now = server_crash_dump },
	{ PLAIN("restore"), ACTION_RESTORE, act_restore },
	{ PLAIN("injectNetworkInfo"), ACTION_INJECT_NETWORK, act_inject_network },
	{ PLAIN("resetNetwork"), ACTION_RESET_NETWORK, act_reset_network },
	{ ARGS("lock", 0, 72, BIND_NULL, nothing), ACTION_LOCK, act_lock },
	{ ARGS("lock", 73, 0, BIND_NULL, lock_table), ACTION_LOCK, act_lock },
	{ PLAIN("unlock"), ACTION_UNLOCK, act_unlock },
	{ WITH("os-resetState", reset_table), ACTION_RESET_STATE, act_reset_state },
	{ PLAIN("forceDelete"), ACTION_FORCE_DELETE, act_delete },
	{ PERHAPS("os-getConsoleOutput", console_table), ACTION_CONSOLE_OUTPUT, .now = console },
	{ ARGS("os-getVNCConsole", 0, 5, 0, server_vnc_console_args), ACTION_VNC_CONSOLE, server_act_console },
	{ ARGS("os-getSPICEConsole", 0, 5, 0, server_spice_console_args), ACTION_SPICE_CONSOLE, server_act_console },
	{ ARGS("os-getSerialConsole", 0, 5, 0, server_serial_console_args), ACTION_SERIAL_CONSOLE, server_act_console },
	{ ARGS("os-getRDPConsole", 0, 5, 0, server_rdp_console_args), ACTION_RDP_CONSOLE, server_act_console },

#undef ARGS
#undef PLAIN
#undef WITH
#undef PERHAPS
	/* clang-format on */
};

/* All arguments go to the same place: there is only one key. */
const struct bind_table compute_action_body = { BIND_ROWS(action_body, actions), .flags = BIND_ONE };

/* The row of the body's only key. */
static const struct action *action_of(const struct api_call *c)
{
	size_t i = 0;

	while (!(c->seen.present >> i & 1))
		i++;
	return &actions[i];
}

enum server_action server_action_of(const struct api_call *c)
{
	return action_of(c)->action;
}

static int run(struct api_call *c, struct error *err)
{
	const struct action_body *in = c->in;
	struct flow_origin origin = compute_origin(c);
	struct server s;
	struct server_act a = { .s = &s,
		.args = json_object_iter_value(json_object_iter(c->body)),
		.in = in->args,
		.origin = &origin };

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	c->status = 202;
	return action_of(c)->fn(c, &a, err);
}

int compute_server_action(struct api_call *c, struct error *err)
{
	const struct action_body *in = c->in;
	const struct action *a = action_of(c);

	c->action = arena_printf(c->arena, "server.%s", a->field.name);
	c->target = api_param(c, "server_id");
	if ((server_action_rule(a->action)->flags & ACTION_ADMIN) && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN,
			"You are not authorized to perform '%s': it needs the role admin.", a->field.name);
	if (a->now)
		return a->now(c, in->args, err);
	api_submit(c, run);
	return 0;
}
