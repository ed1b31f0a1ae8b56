/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as services: each stands for one nova-compute. */
#include <string.h>

#include "api/compute/host_view.h"
#include "base/crypto.h"
#include "base/util.h"

static const char binary[] = "nova-compute";

static void service_view(struct api_call *c, const struct host_row *h)
{
	struct buf *b = &c->out;
	int64_t seen_us;
	bool up = host_is_up(c, h, &seen_us);

	jw_object(b);
	host_put_id(c, h);
	jw_kv_str(b, "binary", binary);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "zone", h->zone);
	jw_kv_str(b, "status", host_is_enabled(h) ? "enabled" : "disabled");
	jw_kv_str(b, "state", up ? "up" : "down");
	compute_time(b, "updated_at", seen_us, true);
	jw_kv_str(b, "disabled_reason", host_disabled_reason(h));
	if (since(c, 11))
		jw_kv_bool(b, "forced_down", h->forced_down);
	jw_end_object(b);
}

int compute_service_list(struct api_call *c, struct error *err)
{
	static const char *const known[] = { "host", "binary", NULL };
	const char *host = api_query(c, "host"), *kind = api_query(c, "binary");
	struct host_row *hosts;
	size_t n;

	if (compute_only_query(c, 75, known, err) < 0 ||
		store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "services");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		if ((!host || !*host || strcmp(host, hosts[i].name) == 0) &&
			(!kind || !*kind || strcmp(binary, kind) == 0))
			service_view(c, &hosts[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- PUT: by an action's name below 2.53, by the service's uuid from then on */

struct service_body {
	const char *host, *binary, *status, *reason;
	bool forced_down;
};

enum { HOST_FIELD, BINARY_FIELD, STATUS_FIELD, REASON_FIELD, DOWN_FIELD };

static const char *const statuses[] = { "enabled", "disabled", NULL };

static const struct bind_field service_fields[] = {
	[HOST_FIELD] = { .name = "host",
		.type = BIND_STR,
		.offset = offsetof(struct service_body, host),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 255,
		.until = 52 },
	[BINARY_FIELD] = { .name = "binary",
		.type = BIND_STR,
		.offset = offsetof(struct service_body, binary),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 255,
		.until = 52 },
	[STATUS_FIELD] = { .name = "status",
		.type = BIND_STR,
		.offset = offsetof(struct service_body, status),
		.words = statuses,
		.since = 53 },
	[REASON_FIELD] = { .name = "disabled_reason",
		.type = BIND_STR,
		.offset = offsetof(struct service_body, reason),
		.min = 1,
		.max = 255 },
	[DOWN_FIELD] = { .name = "forced_down",
		.type = BIND_BOOL,
		.offset = offsetof(struct service_body, forced_down),
		.flags = BIND_LOOSE,
		.since = 11 },
};
const struct bind_table compute_service_body = { BIND_TABLE(service_body, service_fields) };

static bool came(const struct api_call *c, int field)
{
	return c->seen.present >> field & 1;
}

enum old_action { ENABLE, DISABLE, DISABLE_REASON, FORCE_DOWN };

static const struct {
	const char *name;
	int since;
} old_actions[] = {
	[ENABLE] = { "enable", 0 },
	[DISABLE] = { "disable", 0 },
	[DISABLE_REASON] = { "disable-log-reason", 0 },
	[FORCE_DOWN] = { "force-down", 11 },
};

static int find_action(struct api_call *c, enum old_action *out, struct error *err)
{
	const char *name = api_param(c, "service_id");

	for (size_t i = 0; i < ARRAY_LEN(old_actions); i++) {
		if (strcmp(old_actions[i].name, name) != 0 || !since(c, old_actions[i].since))
			continue;
		*out = (enum old_action)i;
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, "Unknown action: %.64s", name);
}

/* What each of them wants beside host and binary, and nothing else. */
static int check_old(const struct api_call *c, enum old_action action, struct error *err)
{
	if (came(c, REASON_FIELD) != (action == DISABLE_REASON))
		return error_set(err, ERR_BAD_REQUEST, "disabled_reason %s",
			action == DISABLE_REASON ? "is required" : "does not belong here");
	if (came(c, DOWN_FIELD) != (action == FORCE_DOWN))
		return error_set(err, ERR_BAD_REQUEST, "forced_down %s",
			action == FORCE_DOWN ? "is required" : "does not belong here");
	return 0;
}

/* The answer repeats the request. */
static void old_view(struct api_call *c, const struct host_row *h, enum old_action action)
{
	struct buf *b = &c->out;

	c->status = 200;
	jw_object(b);
	jw_key(b, "service");
	jw_object(b);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "binary", binary);
	if (action == FORCE_DOWN)
		jw_kv_bool(b, "forced_down", h->forced_down);
	else
		jw_kv_str(b, "status", host_is_enabled(h) ? "enabled" : "disabled");
	if (action == DISABLE_REASON)
		jw_kv_str(b, "disabled_reason", h->state_reason);
	jw_end_object(b);
	jw_end_object(b);
}

static int force_down(struct api_call *c, struct host_row *h, bool down, struct error *err)
{
	c->action = down ? "service.force_down" : "service.force_up";
	if (flow_host_force_down(c->api->flows, c->db, h->id,
		    down ? &(struct host_proof) { "operator", api_who(c), "os-services" } : NULL, err) < 0)
		return -1;
	h->forced_down = down;
	return 0;
}

static int update_by_action(struct api_call *c, struct error *err)
{
	const struct service_body *in = c->in;
	enum old_action action = ENABLE;
	struct host_row h;
	int rc;

	if (find_action(c, &action, err) < 0 || check_old(c, action, err) < 0)
		return -1;
	c->target = in->host;
	if (strcmp(in->binary, binary) != 0)
		return error_set(
			err, ERR_NOT_FOUND, "Host '%.64s' has no binary '%.64s'.", in->host, in->binary);
	if (host_find_by_name(c, in->host, &h, err) < 0)
		return -1;
	if (action == FORCE_DOWN) {
		rc = force_down(c, &h, in->forced_down, err);
	} else {
		c->action = action == ENABLE ? "service.enable" : "service.disable";
		rc = host_set_enabled(c, &h, action == ENABLE, in->reason ? in->reason : "", err);
	}
	if (rc < 0)
		return -1;
	old_view(c, &h, action);
	return 0;
}

static int find_service(struct api_call *c, struct host_row *out, struct error *err)
{
	const char *id = api_param(c, "service_id");
	bool found;

	c->target = id;
	if (since(c, 53) && !uuid_valid(id))
		return error_set(err, ERR_BAD_REQUEST, "Invalid uuid %.64s", id);
	if (host_find_by_id(c, id, out, &found, err) < 0)
		return -1;
	return found ? 0 : error_set(err, ERR_NOT_FOUND, "Service %.64s could not be found.", id);
}

static int update_by_uuid(struct api_call *c, struct error *err)
{
	const struct service_body *in = c->in;
	bool disable = in->status && strcmp(in->status, "disabled") == 0;
	struct host_row h;

	if (!came(c, STATUS_FIELD) && !came(c, REASON_FIELD) && !came(c, DOWN_FIELD))
		return error_set(
			err, ERR_BAD_REQUEST, "the body needs 'status', 'disabled_reason' or 'forced_down'");
	if (came(c, REASON_FIELD) && !disable)
		return error_set(
			err, ERR_BAD_REQUEST, "disabled_reason goes only with the status 'disabled'");
	if (find_service(c, &h, err) < 0 ||
		(in->status && host_set_enabled(c, &h, !disable, in->reason ? in->reason : "", err) < 0) ||
		(came(c, DOWN_FIELD) && force_down(c, &h, in->forced_down, err) < 0))
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "service");
	service_view(c, &h);
	jw_end_object(&c->out);
	return 0;
}

int compute_service_update(struct api_call *c, struct error *err)
{
	return since(c, 53) ? update_by_uuid(c, err) : update_by_action(c, err);
}

/* The host leaves the cloud: not while servers are there. */
int compute_service_delete(struct api_call *c, struct error *err)
{
	struct host_row h;

	if (find_service(c, &h, err) < 0)
		return -1;
	c->status = 204;
	return flow_host_remove(c->api->flows, c->db, h.id, err);
}
