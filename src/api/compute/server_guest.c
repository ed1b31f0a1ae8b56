/* SPDX-License-Identifier: Apache-2.0 */
/* changePassword and trigger_crash_dump: asked of the running guest, and answered when it has. */
#include "api/compute/server_act.h"
#include "base/util.h"
#include "store/host_images.h"
#include "store/images.h"

struct password_body {
	const char *password;
};

static const struct bind_field password_fields[] = {
	BIND(password_body, password, "adminPass", BIND_STR, BIND_REQUIRED, 1, 255),
};

const struct bind_table server_password_args = { BIND_TABLE(password_body, password_fields) };

/* In the tick: it is done, the log says so. */
static int note(struct api_call *c, struct error *err)
{
	struct flow_origin o = compute_origin(c);
	struct server s;
	int64_t id;

	c->status = 202;
	if (compute_server_load(c, &s, err) < 0 ||
		store_server_action_start(c->db, s.id, server_action_rule(server_action_of(c))->event,
			o.request_id, o.user_uid, o.project_uid, c->now_us, &id, err) < 0)
		return -1;
	return store_server_action_finish(c->db, id, c->now_us, NULL, err);
}

static void done(void *ctx, const struct error *err)
{
	struct api_call *c = ctx;

	if (err)
		api_fail(c, err);
	else
		api_submit(c, note);
}

static int load(struct api_call *c, enum server_action action, struct server *s, struct error *err)
{
	return compute_server_load(c, s, err) < 0 ? -1
						  : server_action_allowed(action, s->uid, s->vm_state,
							    s->task_state, s->locked, api_is_admin(c), err);
}

/* Whose password it is, the image says; else the system does. */
static int find_user(struct api_call *c, const struct server *s, const char **out, struct error *err)
{
	struct image i = { .id = s->image_id };

	*out = "root";
	if (!s->image_id)
		return 0;
	if (store_image_details(c->db, c->arena, &i, err) < 0)
		return -1;
	for (size_t k = 0; k < i.properties_n; k++)
		if (str_eq(i.properties[k].key, "os_type") && str_eq(i.properties[k].value, "windows"))
			*out = "Administrator";
	for (size_t k = 0; k < i.properties_n; k++)
		if (str_eq(i.properties[k].key, "os_admin_user"))
			*out = i.properties[k].value;
	return 0;
}

int server_change_password(struct api_call *c, const void *in, struct error *err)
{
	const struct password_body *body = in;
	const char *user;
	struct server s;

	if (load(c, ACTION_CHANGE_PASSWORD, &s, err) < 0 || find_user(c, &s, &user, err) < 0)
		return -1;
	flow_server_password(c->api->flows, &s, user, body->password, done, c);
	return 0;
}

int server_crash_dump(struct api_call *c, const void *in, struct error *err)
{
	struct server s;

	(void)in;
	if (load(c, ACTION_CRASH_DUMP, &s, err) < 0)
		return -1;
	flow_server_crash_dump(c->api->flows, &s, done, c);
	return 0;
}
