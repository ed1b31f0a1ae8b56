/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to a row of a route table and back.
 *
 *	begin: request id · route · microversion · token · role      (an error waits for the body, then is
 *answered) end:   body → JSON → handler: reads at once on the read-only connection, writes inside the tick
 *	reply: after the commit that it depends on; refused writes leave an audit row too */
#include "api/admission.h"
#include "api/internal.h"
#include "api/long_reads.h"
#include "api/metrics.h"
#include "api/resources.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/util.h"
#include "domain/access_path.h"
#include "store/access_rules.h"

/* --- for handlers
 * ---------------------------------------------------------------------------------------------------- */

const char *api_param(const struct api_call *c, const char *name)
{
	for (size_t i = 0; i < c->match.params_n; i++)
		if (strcmp(c->match.params[i].name, name) == 0)
			return c->match.params[i].value;
	assert(!"the route has no such parameter");
	abort();
}

const char *api_query(const struct api_call *c, const char *name)
{
	return http_query(c->http, name);
}

bool api_query_bool(const struct api_call *c, const char *name, bool fallback)
{
	const char *text = api_query(c, name);
	bool value = fallback;

	if (text && !str_bool(text, &value))
		return fallback;
	return value;
}

void api_header(struct api_call *c, const char *name, const char *value)
{
	assert(c->headers_n < ARRAY_LEN(c->headers));
	c->headers[c->headers_n++] = (struct http_pair) { name, value };
}

const char *api_who(const struct api_call *c)
{
	return !c->who ? "" : c->who->is_local_root ? "root" : c->who->user.name;
}

bool api_is_admin(const struct api_call *c)
{
	return c->who && c->who->is_admin;
}

/* --- the reply
 * ---------------------------------------------------------------------------------------------------------
 */

const char *api_path(const struct api_call *c)
{
	return c->route && (c->route->flags & ROUTE_SECRET) ? c->route->path : c->http->path;
}

static bool is_write(const struct api_call *c)
{
	return c->http->method > HTTP_HEAD && c->http->method != HTTP_OPTIONS;
}

static void log_call(const struct api_call *c)
{
	char status[12], us[24];
	/* of those that are turned away there may be a great many: they are counted */
	bool quiet = c->http->method <= HTTP_HEAD || c->error.code == ERR_BUSY;
	int level = quiet ? LOG_DEBUG : LOG_INFO;

	if (c->status >= 500 && c->error.code && c->error.code != ERR_BUSY)
		level = LOG_WARNING;
	if (!log_enabled(level))
		return;
	snprintf(status, sizeof status, "%d", c->status);
	snprintf(us, sizeof us, "%lld", (long long)(clock_mono(c->api->loop->clock) - c->begun_us));
	log_event(level, "request", "request_id", c->request_id, "method", c->http->method_name, "path",
		api_path(c), "status", status, "us", us, "user", c->who ? c->who->user.uid : NULL, "project",
		c->who ? c->who->project.uid : NULL, "peer", c->http->peer, NULL);
}

static void reply_headers(struct api_call *c)
{
	if (c->out.len || c->content_type)
		api_header(c, "Content-Type", c->content_type ? c->content_type : "application/json");
	api_header(c, "x-openstack-request-id", c->request_id);
	if (c->service && c->service->version_legacy)
		api_header(c, "x-compute-request-id", c->request_id);
	version_headers(c);
}

/* The last touch of a call: what it holds goes, then the request with its arena. */
static void let_go(struct api_call *c)
{
	log_call(c);
	metrics_count(c->api->metrics, c->service, c->status);
	c->api->calls--;
	json_decref(c->body);
	c->body = NULL;
	principal_unref(c->who);
	c->who = NULL;
}

void api_reply(struct api_call *c)
{
	struct buf out = c->out;

	if (!c->status)
		c->status = 200;
	if (is_write(c) && c->status < 400 && !c->audited)
		audit_detached(c, NULL); /* answered without a unit: nothing was changed */
	reply_headers(c);
	let_go(c);
	http_respond(c->http, c->status, c->headers, c->headers_n, &out);
	buf_finish(&out);
}

void api_stream_start(struct api_call *c, int64_t length)
{
	reply_headers(c);
	http_respond_start(c->http, c->status, c->headers, c->headers_n, length);
}

void api_stream_end(struct api_call *c, bool ok)
{
	let_go(c);
	http_respond_end(c->http, ok);
}

struct http_websocket *api_websocket(struct api_call *c, const char *protocol,
	const struct http_websocket_limits *limits, const struct http_websocket_events *events, void *ctx)
{
	struct http_request *r = c->http;
	struct http_websocket *w;

	c->status = 101;
	reply_headers(c);
	let_go(c);
	w = http_websocket_accept(r, protocol, c->headers, c->headers_n, limits, events, ctx);
	if (!w)
		http_respond(r, 400, NULL, 0, NULL);
	return w;
}

static void send_error(struct api_call *c)
{
	const struct error *err = &c->error;

	buf_finish(&c->out);
	c->headers_n = 0;
	c->content_type = NULL;
	if (c->status == 401) {
		api_header(c, "WWW-Authenticate",
			arena_printf(c->arena, "Keystone uri=\"%s\"", api_url(c, "/identity")));
		api_error_body_identity(c, err);
	} else {
		(c->service ? c->service->error_body : api_error_body_identity)(c, err);
	}
	if (err->code == ERR_BUSY || err->code == ERR_UNAVAILABLE)
		api_header(c, "Retry-After", api_retry_after(c));
	if (api_error_level(err->code) <= LOG_WARNING || err->detail[0])
		log_event(api_error_level(err->code), err->msg, "request_id", c->request_id, "code",
			error_code_name(err->code), "detail", err->detail[0] ? err->detail : NULL, "method",
			c->http->method_name, "path", api_path(c), NULL);
	api_reply(c);
}

static int run_refusal_audit(struct tick_unit *u, struct error *err)
{
	struct api_call *c = CONTAINER_OF(u, struct api_call, unit);

	return audit_insert(c, store_rw(c->api->store), c->error.msg, err);
}

static void finish_refusal_audit(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct api_call *c = CONTAINER_OF(u, struct api_call, unit);

	if (outcome != TICK_DONE)
		audit_lost(c->api, c->request_id, err);
	send_error(c);
}

static bool ignore_data(struct api_call *c, const void *p, size_t n)
{
	(void)c;
	(void)p;
	(void)n;
	return false; /* until the answer, which may have to wait for a commit, has gone */
}

static void ignore(struct api_call *c)
{
	(void)c;
}

/* Who asks for what does not exist is known, too, when it is written down. */
static void find_who(struct api_call *c)
{
	const char *token = http_header(c->http, "X-Auth-Token");
	struct error ignored;

	if (!c->who && !c->route && token)
		c->who = identity_authenticate(c->api->identity, token, &ignored);
	else if (!c->who && !c->route && c->http->is_unix && c->http->peer_uid == 0)
		c->who = identity_local_root(c->api->identity);
}

void api_turn_away(struct api_call *c, const struct error *err)
{
	c->error = *err;
	send_error(c);
}

void api_fail(struct api_call *c, const struct error *err)
{
	bool denied;

	/* The handler is done with the call, and may have freed what it hung on it. */
	c->stream = (struct api_stream) { .data = ignore_data, .end = ignore, .abort = ignore };
	c->error = *err;
	c->status = api_error_status(err->code);
	denied = c->status == 401 || c->status == 403;
	c->api->denied += denied;
	if (is_write(c))
		find_who(c);
	if (!(denied || is_write(c)) || !housekeeping_denied(c)) {
		send_error(c);
		return;
	}
	c->unit = (struct tick_unit) {
		.run = run_refusal_audit, .finish = finish_refusal_audit, .owner = c->owner
	};
	tick_submit(c->api->tick, &c->unit);
}

/* --- running a handler
 * --------------------------------------------------------------------------------------------------- */

static int run_in_tick(struct tick_unit *u, struct error *err)
{
	struct api_call *c = CONTAINER_OF(u, struct api_call, unit);
	int rc;

	c->db = store_rw(c->api->store);
	c->now_us = clock_wall(c->api->loop->clock);
	rc = c->key ? idempotency_replay(c, err) : 0;
	if (rc)
		return rc < 0 ? -1 : 0;
	if (c->in_tick(c, err) < 0)
		return -1;
	if (!c->status)
		c->status = 200;
	if (c->key && idempotency_keep(c, err) < 0)
		return -1;
	return is_write(c) ? audit_insert(c, c->db, NULL, err) : 0;
}

void api_unstored(struct error *out, enum tick_outcome outcome, const struct error *why)
{
	bool full = why->code == ERR_NO_SPACE;
	char detail[240];

	snprintf(detail, sizeof detail, "%.100s %.120s", why->msg, why->detail); /* may be out itself */
	if (outcome == TICK_UNKNOWN)
		error_set(out, ERR_INTERNAL,
			"it is not known whether the change was stored: look before you try again");
	else
		error_set(out, full ? ERR_NO_SPACE : ERR_UNAVAILABLE,
			"the change could not be stored%s; nothing was changed, try again later",
			full ? ", as the controller has no disk space left" : "");
	error_detail(out, "%s", detail);
}

static void finish_in_tick(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct api_call *c = CONTAINER_OF(u, struct api_call, unit);

	if (outcome == TICK_DONE) {
		c->db = store_ro(c->api->store);
		if (c->committed)
			c->committed(c);
		api_reply(c);
	} else if (outcome == TICK_FAILED) {
		struct error copy = *err;

		api_fail(c, &copy);
	} else {
		audit_lost(c->api, c->request_id, err);
		api_unstored(&c->error, outcome, err);
		c->status = api_error_status(c->error.code);
		send_error(c);
	}
}

void api_submit(struct api_call *c, api_handler *in_tick)
{
	c->in_tick = in_tick;
	c->unit = (struct tick_unit) { .run = run_in_tick, .finish = finish_in_tick, .owner = c->owner };
	tick_submit(c->api->tick, &c->unit);
}

static void run_now(struct api_call *c)
{
	bool own = c->route->flags & ROUTE_OWN; /* such a handler may have answered: the call is gone then */
	bool is_long = (c->route->flags & ROUTE_LONG) && c->api->long_reads;
	struct error err = { 0 };
	int64_t begun_us;
	int rc;

	c->db = store_ro(c->api->store);
	c->now_us = clock_wall(c->api->loop->clock);
	if (is_long && long_read_take(c))
		return;
	begun_us = is_long ? clock_mono(c->api->loop->clock) : 0;
	rc = c->route->handler(c, &err);
	if (is_long)
		long_read_ran(c, clock_mono(c->api->loop->clock) - begun_us);
	if (rc < 0)
		api_fail(c, &err);
	else if (!own)
		api_reply(c);
}

/* Answers a repeated request at once. True when there is nothing more to do. */
static bool replayed(struct api_call *c)
{
	struct error err = { 0 };
	int rc;

	c->db = store_ro(c->api->store);
	c->now_us = clock_wall(c->api->loop->clock);
	rc = idempotency_replay(c, &err);
	if (rc < 0)
		api_fail(c, &err);
	else if (rc)
		api_reply(c);
	return rc != 0;
}

static void run(struct api_call *c)
{
	if (c->key && replayed(c))
		return;
	if ((c->route->flags & ROUTE_OWN) || !is_write(c))
		run_now(c);
	else
		api_submit(c, c->route->handler);
}

/* --- from the request to the route
 * -------------------------------------------------------------------------------------- */

static bool prefix_matches(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static const struct api_service *service_of(const char *path)
{
	const struct api_service *best = &service_root;
	const struct api_service *const *all;
	size_t n, best_n = 0;

	all = api_services(&n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(all[i]->prefix);

		if (len > best_n && prefix_matches(path, all[i]->prefix)) {
			best = all[i];
			best_n = len;
		}
	}
	return best;
}

/* A leading segment that is a project id: "/compute/v2.1/<id>/servers" is "/compute/v2.1/servers" for that
 * project. */
static const char *without_project(struct api_call *c, struct error *err)
{
	const char *path = c->http->path, *rest = path + strlen(c->service->prefix), *end;
	char *id;

	if (!c->service->project_prefix || *rest != '/')
		return NULL;
	end = strchr(rest + 1, '/');
	id = end ? arena_strndup(c->arena, rest + 1, (size_t)(end - rest - 1))
		 : arena_strdup(c->arena, rest + 1);
	if (strlen(id) > 36 || !(hex32_valid(id) || (strlen(id) == 36 && uuid_valid(id))))
		return NULL;
	if (!c->who || !str_eq(c->who->project.uid, id)) {
		error_set(err, ERR_BAD_REQUEST,
			"malformed request URL: its project id is not the token's project");
		return NULL;
	}
	return arena_printf(c->arena, "%s%s", c->service->prefix, end ? end : "");
}

static int find_route(struct api_call *c, struct error *err)
{
	const struct api_route *r;
	const char *path;

	router_find(c->api->router, c->http->method, c->http->path, c->arena, &c->match);
	if (!c->match.entry && !c->match.path_known) {
		struct error ignored = { 0 };

		err->code = ERR_NONE;
		if (!c->who) /* an error here shows later, where it belongs */
			c->who = identity_authenticate(
				c->api->identity, http_header(c->http, "X-Auth-Token"), &ignored);
		path = without_project(c, err);
		if (path)
			router_find(c->api->router, c->http->method, c->path = path, c->arena, &c->match);
		else if (err->code)
			return -1;
	}
	if (!c->match.entry)
		return c->match.path_known
			       ? error_set(err, ERR_METHOD, "%s is not possible on this resource",
					 c->http->method_name)
			       : error_set(err, ERR_NOT_FOUND, "The resource could not be found.");
	for (r = c->match.entry; r; r = router_next(c->api->router, c->http->method, &c->match, r)) {
		if (c->version >= r->since && (!r->until || c->version <= r->until)) {
			c->route = r;
			return 0;
		}
	}
	return error_set(err, ERR_NOT_FOUND, "The resource could not be found at API version %d.%d.",
		c->service->version_major, c->version);
}

static int authenticate(struct api_call *c, struct error *err)
{
	const char *token = http_header(c->http, "X-Auth-Token");

	if (c->who)
		return 0;
	if (token)
		c->who = identity_authenticate(c->api->identity, token, err);
	else if ((c->http->is_unix && c->http->peer_uid == 0) ||
		 ((c->route->flags & ROUTE_BEARER) &&
			 metrics_bearer(c->api->metrics, http_header(c->http, "Authorization"))))
		c->who = identity_local_root(c->api->identity);
	if (c->who || c->route->role == ROLE_NONE)
		return 0;
	return token ? -1
		     : error_set(err, ERR_UNAUTHORIZED, "The request you have made requires authentication.");
}

/* Rules name a path below the service's own first segment: "/v2.1/servers" of compute. */
static bool rule_allows(const struct api_call *c, const struct access_rule *r)
{
	const char *below = strchr(c->path + 1, '/');
	const char *service = str_eq(c->service->name, "operator") ? "cloud" : c->service->name;

	return strcmp(r->service, service) == 0 && strcmp(r->method, c->http->method_name) == 0 &&
	       access_path_matches(r->path, below ? below : "/");
}

static int check_rules(const struct api_call *c, struct error *err)
{
	const struct principal *w = c->who;

	for (size_t i = 0; w && i < w->rules_n; i++)
		if (rule_allows(c, &w->rules[i]))
			return 0;
	return !w || !w->rules_n
		       ? 0
		       : error_set(err, ERR_FORBIDDEN,
				 "No access rule of the application credential allows this request.");
}

static int authorize(const struct api_call *c, struct error *err)
{
	static const char *const names[] = { "", "", "reader", "member", "admin" };
	const struct principal *w = c->who;
	enum api_role need = c->route->role;
	bool scoped;

	if (need > ROLE_NONE && check_rules(c, err) < 0)
		return -1;
	if (need <= ROLE_ANY || w->is_admin)
		return 0;
	scoped = w->project.id != 0;
	if (scoped && ((need == ROLE_READER && w->is_reader) || (need == ROLE_MEMBER && w->is_member)))
		return 0;
	return error_set(err, ERR_FORBIDDEN,
		"You are not authorized to perform this action: it needs the role %s%s.", names[need],
		need == ROLE_ADMIN ? "" : " on the token's project");
}

static int admit(struct api_call *c, struct error *err)
{
	if (version_negotiate(c, err) < 0 || find_route(c, err) < 0 || authenticate(c, err) < 0 ||
		authorize(c, err) < 0 || resources_memory(c->api->resources, err) < 0)
		return -1;
	return c->route->flags & (ROUTE_GROWS | ROUTE_IMAGES)
		       ? resources_room(c->api->resources, c->route->flags & ROUTE_IMAGES, err)
		       : 0;
}

static enum http_body begin(void *ctx, struct http_request *r)
{
	struct api *api = ctx;
	struct api_call *c = ARENA_NEW(&r->arena, struct api_call);
	char uuid[UUID_TEXT];

	r->data = c;
	c->api = api;
	c->http = r;
	c->arena = &r->arena;
	c->begun_us = clock_mono(api->loop->clock);
	uuid_make(api->loop->rng, uuid);
	snprintf(c->request_id, sizeof c->request_id, "req-%s", uuid);
	c->path = r->path;
	c->service = service_of(r->path);
	api->calls++;
	api->requests++;
	if (admit(c, &c->error) < 0)
		c->status = api_error_status(c->error.code);
	if (admission_ask(c, &c->error) < 0) { /* at once, and without a record: there may be a great many */
		send_error(c);
		return HTTP_BODY_REFUSED;
	}
	if (!c->route || !(c->route->flags & ROUTE_STREAM))
		return HTTP_BODY_COLLECT;
	if (c->error.code) { /* do not let a refused upload stream in: answer at once */
		if (housekeeping_denied(c))
			audit_detached(c, c->error.msg);
		send_error(c);
		return HTTP_BODY_REFUSED;
	}
	c->db = store_ro(api->store);
	c->now_us = clock_wall(api->loop->clock);
	if (c->route->handler(c, &c->error) < 0) {
		c->status = api_error_status(c->error.code);
		audit_detached(c, c->error.msg);
		send_error(c);
		return HTTP_BODY_REFUSED;
	}
	return HTTP_BODY_STREAM;
}

static int parse_body(struct api_call *c, struct error *err)
{
	const struct http_request *r = c->http;

	if (!r->body_n || (c->route->flags & (ROUTE_RAW_BODY | ROUTE_NO_BODY)) || !is_write(c))
		return 0;
	c->body = bind_parse(r->body, r->body_n, err);
	if (!c->body)
		return -1;
	if (!json_is_object(c->body) && !(c->route->flags & ROUTE_ANY_JSON))
		return error_set(err, ERR_BAD_REQUEST, "the body must be a JSON object");
	return 0;
}

static int read_body(struct api_call *c, struct error *err)
{
	const struct bind_table *t = c->route->body;

	if (parse_body(c, err) < 0)
		return -1;
	if (!t)
		return 0;
	c->in = arena_alloc(c->arena, t->size);
	return bind_body(c->body, t, c->version, c->arena, c->in, &c->seen, err);
}

static void end(void *ctx, struct http_request *r)
{
	struct api_call *c = r->data;

	(void)ctx;
	if (c->stream.end) {
		c->stream.end(c);
		return;
	}
	if (c->error.code || read_body(c, &c->error) < 0 || idempotency_begin(c, &c->error) < 0) {
		struct error err = c->error;

		api_fail(c, &err);
		return;
	}
	run(c);
}

/* The peer left before all of its body had come: nobody is there to answer. */
static void dropped(void *ctx, struct http_request *r)
{
	(void)ctx;
	let_go(r->data);
}

static bool data(void *ctx, struct http_request *r, const void *p, size_t n)
{
	struct api_call *c = r->data;

	(void)ctx;
	return c->stream.data(c, p, n);
}

static void aborted(void *ctx, struct http_request *r)
{
	struct api_call *c = r->data;

	(void)ctx;
	c->stream.abort(c);
}

static void drain(void *ctx, struct http_request *r)
{
	struct api_call *c = r->data;

	(void)ctx;
	if (c->stream.drain)
		c->stream.drain(c);
}

static void left(void *ctx, struct http_request *r)
{
	struct api_call *c = r->data;

	(void)ctx;
	if (c->stream.left)
		c->stream.left(c);
}

struct http_handler api_http_handler(struct api *api)
{
	return (struct http_handler) { .begin = begin,
		.data = data,
		.end = end,
		.dropped = dropped,
		.abort = aborted,
		.drain = drain,
		.left = left,
		.ctx = api };
}
