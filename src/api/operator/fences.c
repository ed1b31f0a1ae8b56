/* SPDX-License-Identifier: Apache-2.0 */
/* /hosts/{host}/fence-agent: what reads and cuts its power. /power: attempts at that. /evacuation: its
 * servers go elsewhere when it is down. No answer has a password in it. */
#include "flow/fence.h"

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/flow.h"
#include "store/hosts.h"

enum { ATTEMPTS_SHOWN = 20, CA_MAX = 64 * 1024, PASSWORD_MAX = 256 };

static int find_host(struct api_call *c, struct host_row *out, struct error *err)
{
	if (store_host_get(c->db, c->arena, api_param(c, "host"), out, err) < 0)
		return -1;
	c->target = out->uid;
	return 0;
}

/* --- the agent --- */

static int reply_agent(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct buf *b = &c->out;
	struct fence_agent_row a;
	int rc = store_fence_agent_get(c->db, c->arena, h->id, &a, err);
	bool redfish;

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "host %.64s has no fence agent", h->name);
	if (rc < 0)
		return -1;
	redfish = str_eq(a.kind, "redfish");
	jw_object(b);
	jw_key(b, "fence_agent");
	jw_object(b);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "kind", a.kind);
	jw_kv_str(b, "url", redfish ? a.target : NULL);
	jw_kv_str(b, "command", redfish ? NULL : a.target);
	jw_kv_str(b, "user", a.user);
	jw_kv_bool(b, "has_password", a.password_n != 0);
	jw_kv_bool(b, "has_ca", a.ca[0] != '\0');
	operator_kv_time(c, "changed_at", a.changed_us);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int fence_agent_show(struct api_call *c, struct error *err)
{
	struct host_row h;

	return find_host(c, &h, err) < 0 ? -1 : reply_agent(c, &h, err);
}

struct agent_body {
	const char *url, *command, *user, *password, *ca;
};

static const struct bind_field agent_fields[] = {
	BIND(agent_body, url, "url", BIND_STR, 0, 1, 512),
	BIND(agent_body, command, "command", BIND_STR, 0, 1, 64),
	BIND(agent_body, user, "user", BIND_STR, 0, 0, 128),
	BIND(agent_body, password, "password", BIND_STR, 0, 0, PASSWORD_MAX),
	BIND(agent_body, ca, "ca", BIND_STR, 0, 0, CA_MAX),
};
const struct bind_table fence_agent_body = { .top = "fence_agent", BIND_TABLE(agent_body, agent_fields) };

static const char *text_or(const char *text)
{
	return text ? text : "";
}

int fence_agent_set(struct api_call *c, struct error *err)
{
	const struct agent_body *in = c->in;
	struct fence_agent_want want = { .kind = in->url ? "redfish" : "command",
		.target = in->url ? in->url : text_or(in->command),
		.user = text_or(in->user),
		.password = text_or(in->password),
		.ca = text_or(in->ca) };
	struct host_row h;

	if (find_host(c, &h, err) < 0)
		return -1;
	if (!in->url == !in->command)
		return error_set(err, ERR_BAD_REQUEST, "fence_agent needs either url or command");
	if (in->command && (in->user || in->password || in->ca))
		return error_set(
			err, ERR_BAD_REQUEST, "a command has no user, password or ca: it brings its own");
	if (want.ca[0] && !str_starts(want.ca, "-----BEGIN CERTIFICATE-----"))
		return error_set(err, ERR_BAD_REQUEST, "fence_agent.ca has to be certificates (PEM)");
	if (flow_fence_agent_set(c->api->flows, c->db, &h, &want, err) < 0)
		return -1;
	return reply_agent(c, &h, err);
}

int fence_agent_clear(struct api_call *c, struct error *err)
{
	struct host_row h;
	int rc;

	if (find_host(c, &h, err) < 0)
		return -1;
	rc = store_fence_agent_remove(c->db, h.id, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "host %.64s has no fence agent", h.name);
	c->status = 204;
	return rc < 0 ? -1 : 0;
}

/* --- power --- */

static void write_attempt(struct api_call *c, const struct fence_attempt *t)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_int(b, "id", t->id);
	jw_kv_str(b, "to", t->verb);
	jw_kv_str(b, "state", t->state);
	jw_kv_str(b, "power", t->power[0] ? t->power : NULL);
	operator_kv_time(c, "power_read_at", t->power_us);
	jw_kv_int(b, "tries", t->tries);
	jw_kv_str(b, "error", t->last_error);
	jw_kv_str(b, "asked_by", t->asked_by[0] ? t->asked_by : "cloudd");
	jw_kv_str(b, "reason", t->reason);
	jw_kv_str(b, "request_id", t->request_id);
	jw_kv_bool(b, "evacuate", t->evacuate);
	operator_kv_time(c, "created_at", t->created_us);
	operator_kv_time(c, "deadline_at", t->deadline_us);
	operator_kv_time(c, "ended_at", t->ended_us);
	jw_end_object(b);
}

static int reply_power(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct host_link link = { .known = EVIDENCE_DOUBTFUL };
	struct fence_attempt *rows;
	struct fence_agent_row agent;
	struct buf *b = &c->out;
	size_t n;
	int rc = store_fence_agent_get(c->db, c->arena, h->id, &agent, err);

	if (rc < 0 || store_fence_attempt_list(c->db, c->arena, h->id, ATTEMPTS_SHOWN, &rows, &n, err) < 0)
		return -1;
	flow_host_link(c->api->flows, h->id, &link);
	jw_object(b);
	jw_key(b, "power");
	jw_object(b);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "agent", rc ? agent.kind : NULL);
	jw_kv_str(b, "evidence", evidence_text(link.known));
	jw_kv_str(b, "proof", h->forced_down ? h->down_proof : NULL);
	jw_key(b, "attempts");
	jw_array(b);
	for (size_t i = 0; i < n; i++)
		write_attempt(c, &rows[i]);
	jw_end_array(b);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int host_power_show(struct api_call *c, struct error *err)
{
	struct host_row h;

	return find_host(c, &h, err) < 0 ? -1 : reply_power(c, &h, err);
}

struct power_body {
	const char *to, *reason;
	bool force, evacuate;
	int64_t deadline_s;
};

static const char *const power_words[] = { "off", "on", "status", NULL };
static const struct bind_field power_fields[] = {
	{ .name = "to",
		.type = BIND_STR,
		.flags = BIND_REQUIRED,
		.offset = offsetof(struct power_body, to),
		.words = power_words },
	BIND(power_body, reason, "reason", BIND_STR, 0, 0, 255),
	BIND(power_body, force, "force", BIND_BOOL, 0, 0, 0),
	BIND(power_body, evacuate, "evacuate", BIND_BOOL, 0, 0, 0),
	BIND(power_body, deadline_s, "deadline_s", BIND_INT, 0, 1, 86400),
};
const struct bind_table host_power_body = { .top = "power", BIND_TABLE(power_body, power_fields) };

int host_power(struct api_call *c, struct error *err)
{
	const struct power_body *in = c->in;
	const struct fence_want want = { .verb = in->to,
		.by = api_who(c),
		.reason = text_or(in->reason),
		.request_id = c->request_id,
		.deadline_s = in->deadline_s,
		.force = in->force,
		.evacuate = in->evacuate };
	struct host_row h;
	int64_t id;

	if (find_host(c, &h, err) < 0)
		return -1;
	c->action = arena_printf(c->arena, "host.power_%s", in->to);
	if (in->evacuate && !str_eq(in->to, "off"))
		return error_set(err, ERR_BAD_REQUEST, "power.evacuate goes with off alone");
	if (flow_fence_begin(c->api->flows, c->db, &h, &want, &id, err) < 0)
		return -1;
	c->status = 202;
	return reply_power(c, &h, err);
}

/* --- evacuation --- */

static int reply_evacuation(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct evacuation_server *servers;
	struct host_evacuation v;
	struct buf *b = &c->out;
	int64_t moving = 0, to_go = 0;
	size_t n;
	int rc = store_evacuation_get(c->db, c->arena, h->id, &v, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "host %.64s was never evacuated", h->name);
	if (rc < 0 || store_evacuation_servers(c->db, c->arena, h->id, &servers, &n, err) < 0 ||
		store_evacuation_moving(c->db, h->id, &moving, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		to_go += !servers[i].why;
	jw_object(b);
	jw_key(b, "evacuation");
	jw_object(b);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "state", v.state);
	jw_kv_str(b, "reason", v.why);
	jw_kv_str(b, "asked_by", v.asked_by[0] ? v.asked_by : "cloudd");
	operator_kv_time(c, "created_at", v.created_us);
	operator_kv_time(c, "ended_at", v.ended_us);
	jw_kv_int(b, "begun", v.begun);
	jw_kv_int(b, "under_way", moving);
	jw_kv_int(b, "to_go", to_go);
	jw_key(b, "left");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		if (!servers[i].why && str_eq(v.state, "running"))
			continue;
		jw_object(b);
		jw_kv_str(b, "id", servers[i].uid);
		jw_kv_str(b, "name", servers[i].name);
		jw_kv_str(b, "state", servers[i].vm_state);
		jw_kv_str(b, "reason", servers[i].why);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int host_evacuation_show(struct api_call *c, struct error *err)
{
	struct host_row h;

	return find_host(c, &h, err) < 0 ? -1 : reply_evacuation(c, &h, err);
}

int host_evacuate(struct api_call *c, struct error *err)
{
	const struct flow_origin origin = { .request_id = c->request_id,
		.user_uid = text_or(c->who->user.uid),
		.project_uid = text_or(c->who->project.uid),
		.now_us = c->now_us };
	struct host_row h;

	if (find_host(c, &h, err) < 0 ||
		flow_host_evacuate(c->api->flows, c->db, &h, &origin, api_who(c), err) < 0)
		return -1;
	c->status = 202;
	return reply_evacuation(c, &h, err);
}

int host_evacuation_stop(struct api_call *c, struct error *err)
{
	struct host_evacuation v;
	struct host_row h;
	int rc;

	if (find_host(c, &h, err) < 0)
		return -1;
	rc = store_evacuation_get(c->db, c->arena, h.id, &v, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_eq(v.state, "running"))
		return error_set(err, ERR_CONFLICT, "host %.64s is not being evacuated", h.name);
	if (flow_host_evacuate_stop(c->api->flows, c->db, h.id, err) < 0)
		return -1;
	return reply_evacuation(c, &h, err);
}
