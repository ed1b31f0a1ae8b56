/* SPDX-License-Identifier: Apache-2.0 */
/* os-server-external-events: what other services saw of a server. Networks and volumes are not other services
 * here, so that all an event is good for is another look at the server. */
#include <string.h>

#include "api/compute/compute.h"
#include "base/util.h"

struct event {
	const char *name, *server, *tag, *status;
};

struct events_body {
	struct bind_list events;
};

static const char *const statuses[] = { "failed", "completed", "in-progress", NULL };

static const struct known_event {
	const char *name;
	int since;
	bool looks; /* else it is about something that no server here has */
} known[] = {
	{ "network-changed", 0, true },
	{ "network-vif-plugged", 0, true },
	{ "network-vif-unplugged", 0, true },
	{ "network-vif-deleted", 0, true },
	{ "volume-extended", 51, false },
	{ "power-update", 76, true },
	{ "accelerator-request-bound", 82, false },
	{ "volume-reimaged", 93, false },
};

static const struct bind_field event_fields[] = {
	BIND(event, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(event, server, "server_uuid", BIND_STR, BIND_REQUIRED, 36, 36),
	BIND(event, tag, "tag", BIND_STR, 0, 0, 255),
	{ .name = "status", .type = BIND_STR, .offset = offsetof(struct event, status), .words = statuses },
};
static const struct bind_table event_table = { BIND_TABLE(event, event_fields) };
static const struct bind_field event_field = { .type = BIND_OBJ, .table = &event_table };
static const struct bind_field events_fields[] = {
	{ .name = "events",
		.type = BIND_ARR,
		.offset = offsetof(struct events_body, events),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = 1000,
		.items = &event_field },
};
const struct bind_table compute_events_body = { BIND_TABLE(events_body, events_fields) };

static const struct known_event *find_known(const struct api_call *c, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (since(c, known[i].since) && strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static void event_view(struct api_call *c, const struct event *e, int code)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "name", e->name);
	jw_kv_str(b, "server_uuid", e->server);
	if (e->tag)
		jw_kv_str(b, "tag", e->tag);
	jw_kv_str(b, "status", code == 200 ? e->status ? e->status : "completed" : "failed");
	jw_kv_int(b, "code", code);
	jw_end_object(b);
}

/* 200 it was taken, 404 no such server, 422 there is nothing that it could be about. */
static int take(struct api_call *c, const struct event *e, int *out_code, struct error *err)
{
	struct server s;
	int rc = store_server_get(c->db, c->arena, 0, e->server, &s, err);

	if (rc < 0 && err->code != ERR_NOT_FOUND)
		return -1;
	if (rc < 0)
		*out_code = 404;
	else if (!s.host_id || !find_known(c, e->name)->looks)
		*out_code = 422;
	else
		*out_code = 200;
	return 0;
}

static void look(struct api_call *c)
{
	const struct events_body *in = c->in;
	const struct event *events = in->events.items;
	struct error ignored;
	struct server s;

	for (size_t i = 0; i < in->events.n; i++)
		if (find_known(c, events[i].name)->looks &&
			store_server_get(c->db, c->arena, 0, events[i].server, &s, &ignored) == 0)
			flow_server_look(c->api->flows, s.host_id, s.uid);
}

int compute_external_events(struct api_call *c, struct error *err)
{
	const struct events_body *in = c->in;
	const struct event *events = in->events.items;
	size_t found = 0;

	for (size_t i = 0; i < in->events.n; i++)
		if (!find_known(c, events[i].name))
			return error_set(err, ERR_BAD_REQUEST,
				"events[%zu].name: '%.64s' is not a known event", i, events[i].name);
	c->status = 200;
	c->committed = look;
	jw_object(&c->out);
	jw_key(&c->out, "events");
	jw_array(&c->out);
	for (size_t i = 0; i < in->events.n; i++) {
		int code = 200;

		if (take(c, &events[i], &code, err) < 0)
			return -1;
		found += code != 404;
		if (code != 200)
			c->status = 207;
		event_view(c, &events[i], code);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return found ? 0 : error_set(err, ERR_NOT_FOUND, "No instances found for any event");
}
