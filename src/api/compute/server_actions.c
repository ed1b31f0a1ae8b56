/* SPDX-License-Identifier: Apache-2.0 */
/* POST /servers/{id}/action: one key in the body says what to do. */
#include <string.h>
#include <strings.h>

#include "api/compute/compute.h"
#include "base/util.h"
#include "store/allocations.h"

struct act {
	struct server *s;
	json_t *args; /* the key's value */
	const struct flow_origin *origin;
};

typedef int act_fn(struct api_call *c, const struct act *a, struct error *err);

/* --- power: one row of the flow room each */

static int power(struct api_call *c, const struct act *a, enum server_op op, struct error *err)
{
	return flow_server_act(c->api->flows, c->db, a->s, op, api_is_admin(c), a->origin, err);
}

static int act_start(struct api_call *c, const struct act *a, struct error *err)
{
	return power(c, a, SERVER_START, err);
}

static int act_stop(struct api_call *c, const struct act *a, struct error *err)
{
	return power(c, a, SERVER_STOP, err);
}

static int act_pause(struct api_call *c, const struct act *a, struct error *err)
{
	return power(c, a, SERVER_PAUSE, err);
}

static int act_unpause(struct api_call *c, const struct act *a, struct error *err)
{
	return power(c, a, SERVER_UNPAUSE, err);
}

static int act_reboot(struct api_call *c, const struct act *a, struct error *err)
{
	const char *type = json_string_value(json_object_get(a->args, "type"));

	if (type && json_object_size(a->args) == 1 && strcasecmp(type, "SOFT") == 0)
		return power(c, a, SERVER_REBOOT_SOFT, err);
	if (type && json_object_size(a->args) == 1 && strcasecmp(type, "HARD") == 0)
		return power(c, a, SERVER_REBOOT_HARD, err);
	return error_set(err, ERR_BAD_REQUEST, "reboot needs exactly 'type': SOFT or HARD");
}

static int act_delete(struct api_call *c, const struct act *a, struct error *err)
{
	return flow_server_delete(c->api->flows, c->db, a->s, api_is_admin(c), a->origin, err);
}

/* --- those that change rows only */

/* Notes an action that is over as soon as it is committed. */
static int log_done(struct api_call *c, const struct act *a, const char *name, struct error *err)
{
	int64_t id;

	if (store_server_action_start(c->db, a->s->id, name, a->origin->request_id, a->origin->user_uid,
		    a->origin->project_uid, c->now_us, &id, err) < 0)
		return -1;
	return store_server_action_finish(c->db, id, c->now_us, NULL, err);
}

static int read_locked_reason(struct api_call *c, json_t *args, const char **out, struct error *err)
{
	struct body {
		const char *reason;
	} in = { 0 };
	static const struct bind_field fields[] = {
		BIND(body, reason, "locked_reason", BIND_STR, BIND_REQUIRED, 1, 255),
	};

	if (since(c, 73) && !json_is_null(args) &&
		bind_object(args, "lock", fields, ARRAY_LEN(fields), c->version, c->arena, &in, NULL, err) <
			0)
		return -1;
	*out = in.reason;
	return 0;
}

static int act_lock(struct api_call *c, const struct act *a, struct error *err)
{
	if (read_locked_reason(c, a->args, &a->s->locked_reason, err) < 0)
		return -1;
	a->s->locked = true;
	a->s->updated_us = c->now_us;
	if (store_server_edit(c->db, a->s, err) < 0)
		return -1;
	return log_done(c, a, "lock", err);
}

static int act_unlock(struct api_call *c, const struct act *a, struct error *err)
{
	a->s->locked = false;
	a->s->locked_reason = NULL;
	a->s->updated_us = c->now_us;
	if (store_server_edit(c->db, a->s, err) < 0)
		return -1;
	return log_done(c, a, "unlock", err);
}

/* What a server holds goes on being metered: only the name of its state changes. */
static int meter(struct api_call *c, const struct server *s, struct error *err)
{
	struct allocation_row held;
	int rc = store_allocation_get(c->db, c->arena, s->id, &held, err);

	if (rc <= 0)
		return rc;
	return store_usage_switch(
		c->db, s, s->vm_state == VM_ERROR ? "error" : "active", (int)held.devices_n, c->now_us, err);
}

static int act_reset_state(struct api_call *c, const struct act *a, struct error *err)
{
	const char *state = json_string_value(json_object_get(a->args, "state"));
	bool is_error = str_eq(state, "error");
	int rc;

	if ((!is_error && !str_eq(state, "active")) || json_object_size(a->args) != 1)
		return error_set(
			err, ERR_BAD_REQUEST, "os-resetState needs exactly 'state': active or error");
	rc = store_server_busy(c->db, a->s->id, err);
	if (rc > 0)
		return error_set(err, ERR_CONFLICT,
			"Instance %s is being worked on; its state settles when that is over", a->s->uid);
	if (rc < 0)
		return -1;
	if (!is_error && !a->s->host_id)
		return error_set(
			err, ERR_CONFLICT, "Instance %s is on no host: it cannot be active", a->s->uid);
	a->s->vm_state = is_error ? VM_ERROR : VM_ACTIVE;
	a->s->task_state = TASK_NONE;
	a->s->updated_us = c->now_us;
	if (store_server_save(c->db, a->s, err) < 0)
		return -1;
	return meter(c, a->s, err);
}

/* --- the table */

static const struct {
	enum server_action action;
	act_fn *fn;
} acts[] = {
	{ ACTION_START, act_start },
	{ ACTION_STOP, act_stop },
	{ ACTION_REBOOT_SOFT, act_reboot },
	{ ACTION_PAUSE, act_pause },
	{ ACTION_UNPAUSE, act_unpause },
	{ ACTION_LOCK, act_lock },
	{ ACTION_UNLOCK, act_unlock },
	{ ACTION_RESET_STATE, act_reset_state },
	{ ACTION_FORCE_DELETE, act_delete },
};

static int run(struct api_call *c, struct error *err)
{
	struct flow_origin origin = compute_origin(c);
	struct server s;
	struct act a = { .s = &s, .origin = &origin };
	enum server_action action = ACTION_MAX;
	const char *key = compute_only_key(c, &a.args, err);

	if (!key || !server_action_find(key, c->version, &action) || compute_server_load(c, &s, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (acts[i].action == action) {
			c->status = 202;
			return acts[i].fn(c, &a, err);
		}
	}
	return error_set(err, ERR_BAD_REQUEST, "The action '%s' is not supported by this cloud.", key);
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

static int console(struct api_call *c, json_t *args, struct error *err)
{
	struct body {
		int64_t length;
	} in = { .length = -1 };
	static const struct bind_field fields[] = { BIND(
		body, length, "length", BIND_INT, 0, -1, INT32_MAX) };
	struct server s;

	if (!json_is_null(args) && bind_object(args, "os-getConsoleOutput", fields, ARRAY_LEN(fields),
					   c->version, c->arena, &in, NULL, err) < 0)
		return -1;
	if (compute_server_load(c, &s, err) < 0)
		return -1;
	if (!s.host_id || s.vm_state == VM_BUILDING)
		return error_set(err, ERR_CONFLICT, "Instance %s is not ready", s.uid);
	if (in.length == 0) {
		console_done(c, &(struct buf) { 0 }, NULL);
		return 0;
	}
	flow_server_console(c->api->flows, s.host_id, s.uid, in.length < 0 ? 0 : in.length, console_done, c);
	return 0;
}

int compute_server_action(struct api_call *c, struct error *err)
{
	enum server_action action;
	json_t *args;
	const char *key = compute_only_key(c, &args, err);

	if (!key)
		return -1;
	if (!server_action_find(key, c->version, &action))
		return error_set(err, ERR_BAD_REQUEST, "There is no such action: %.64s", key);
	c->action = arena_printf(c->arena, "server.%s", key);
	c->target = api_param(c, "server_id");
	if ((server_action_rule(action)->flags & ACTION_ADMIN) && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN,
			"You are not authorized to perform '%s': it needs the role admin.", key);
	if (action == ACTION_CONSOLE_OUTPUT)
		return console(c, args, err);
	api_submit(c, run);
	return 0;
}
