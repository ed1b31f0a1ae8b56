/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tenant finds a server's console: remote-consoles, its older forms among the actions, and what an
 * administrator may ask of a token. */
#include <string.h>

#include "api/compute/server_act.h"
#include "api/consoles.h"
#include "base/util.h"
#include "store/hosts.h"

/* Serial consoles are carried by libvirt's own streams. It has none for graphics but on the host itself:
 * those would need an open port there. */
static int refuse(const char *type, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST,
		"Unavailable console type %s: only serial consoles are carried here, as no host opens a "
		"port.",
		type);
}

static const char *url_of(struct api_call *c, const struct server *s, struct error *err)
{
	if (server_action_allowed(ACTION_SERIAL_CONSOLE, s->uid, s->vm_state, s->task_state, s->locked,
		    api_is_admin(c), err) < 0)
		return NULL;
	if (!s->host_id) {
		error_set(err, ERR_CONFLICT, "Instance %s is not ready", s->uid);
		return NULL;
	}
	return console_url_make(c, s->uid);
}

/* --- POST /servers/{id}/remote-consoles --- */

struct remote_body {
	const char *protocol, *type;
};

static const char *const protocols[] = { "vnc", "spice", "rdp", "serial", "mks", NULL };
static const char *const protocols_old[] = { "vnc", "spice", "rdp", "serial", NULL };
static const char *const types[] = { "novnc", "xvpvnc", "spice-html5", "rdp-html5", "serial", "webmks",
	NULL };
static const char *const types_old[] = { "novnc", "xvpvnc", "spice-html5", "rdp-html5", "serial", NULL };

#define WORD(member, words_, since_, until_)                                                             \
	{                                                                                                \
		.name = #member, .offset = offsetof(struct remote_body, member), .flags = BIND_REQUIRED, \
		.words = (words_), .since = (since_), .until = (until_)                                  \
	}
static const struct bind_field remote_fields[] = {
	WORD(protocol, protocols_old, 0, 7),
	WORD(protocol, protocols, 8, 0),
	WORD(type, types_old, 0, 7),
	WORD(type, types, 8, 0),
};

const struct bind_table compute_remote_console_body = { BIND_TABLE(remote_body, remote_fields),
	.top = "remote_console" };

int compute_remote_console(struct api_call *c, struct error *err)
{
	const struct remote_body *in = c->in;
	struct server s;
	const char *url;

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	if (!str_eq(in->protocol, "serial") || !str_eq(in->type, "serial"))
		return refuse(in->type, err);
	if (!(url = url_of(c, &s, err)))
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "remote_console");
	jw_object(&c->out);
	jw_kv_str(&c->out, "protocol", in->protocol);
	jw_kv_str(&c->out, "type", in->type);
	jw_kv_str(&c->out, "url", url);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- os-getSerialConsole and its kin, before 2.6 --- */

struct old_body {
	const char *type;
};

static const char *const vnc_types[] = { "novnc", "xvpvnc", NULL };
static const char *const spice_types[] = { "spice-html5", NULL };
static const char *const serial_types[] = { "serial", NULL };
static const char *const rdp_types[] = { "rdp-html5", NULL };

#define OLD_TABLE(kind)                                                            \
	static const struct bind_field kind##_fields[] = {                         \
		{ .name = "type", .flags = BIND_REQUIRED, .words = kind##_types }, \
	};                                                                         \
	const struct bind_table server_##kind##_console_args = { BIND_TABLE(old_body, kind##_fields) }
OLD_TABLE(vnc);
OLD_TABLE(spice);
OLD_TABLE(serial);
OLD_TABLE(rdp);

int server_act_console(struct api_call *c, const struct server_act *a, struct error *err)
{
	const struct old_body *in = a->in;
	const char *url;

	if (!str_eq(in->type, "serial"))
		return refuse(in->type, err);
	if (!(url = url_of(c, a->s, err)))
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "console");
	jw_object(&c->out);
	jw_kv_str(&c->out, "type", in->type);
	jw_kv_str(&c->out, "url", url);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- GET /os-console-auth-tokens/{token} --- */

int compute_console_token(struct api_call *c, struct error *err)
{
	const struct console_token *t = console_token_find(c->api->consoles, api_param(c, "token"));
	struct server_row r;
	int64_t id, created_us;
	int rc = t ? store_server_find(c->db, 0, t->server, &id, &created_us, err) : 0;

	if (rc < 0 || (rc && store_server_row_by_id(c->db, c->arena, id, false, &r, err) < 0))
		return -1;
	if (!rc)
		return error_set(err, ERR_NOT_FOUND, "The token is unknown, used or expired.");
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "console");
	jw_object(&c->out);
	jw_kv_str(&c->out, "instance_uuid", r.s.uid);
	jw_kv_str(&c->out, "host", r.host_name);
	jw_kv_null(&c->out, "port");
	jw_kv_null(&c->out, "internal_access_path");
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
