/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher with identity's table alone on a real store, loop and lanes; requests come in and replies go
 * out as structs instead of over a socket. The clock is the test's. */
#ifndef TESTS_IDENTITY_FIXTURE_H
#define TESTS_IDENTITY_FIXTURE_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "store_fixture.h"

#include "api/identity/identity.h"
#include "flow/internal.h"
#include "http/websocket.h"
#include "loop/lane.h"

/* --- what the dispatcher would otherwise link --- */

static const struct api_route fixture_root_routes[] = {
	{ "GET", "/identity", identity_versions, ROLE_NONE, 0, 0, 0, "identity.versions" },
	{ "POST", "/bootstrap", identity_bootstrap, ROLE_ADMIN, 0, 0, ROUTE_OWN, "cloud.bootstrap",
		&identity_bootstrap_body },
};
const struct api_service service_root = { .name = "root",
	.prefix = "",
	.routes = fixture_root_routes,
	.routes_n = ARRAY_LEN(fixture_root_routes),
	.error_body = api_error_body_identity };
static const struct api_service *const fixture_services[] = { &service_root, &service_identity };

const struct api_service *const *api_services(size_t *n)
{
	*n = ARRAY_LEN(fixture_services);
	return fixture_services;
}

/* --- one request
 * ---------------------------------------------------------------------------------------------------------
 */

enum { FIXTURE_HEADERS = 16 };

struct reply {
	struct http_request http;
	char *target, *query_in, *body_in; /* owned */
	struct http_pair in[4], query[8], out[FIXTURE_HEADERS];
	size_t out_n;
	bool done;
	int status;
	json_t *body; /* NULL: none */
	char text[512];
};

void http_respond(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, struct buf *body)
{
	struct reply *rep = CONTAINER_OF(r, struct reply, http);

	rep->status = status;
	rep->out_n = n;
	assert_true(n <= FIXTURE_HEADERS);
	for (size_t i = 0; i < n; i++)
		rep->out[i] = (struct http_pair) { xstrdup(headers[i].name), xstrdup(headers[i].value) };
	if (body && body->len) {
		rep->body = json_loadb(body->data, body->len, JSON_DECODE_ANY, NULL);
		str_copy(rep->text, sizeof rep->text, buf_text(body));
		if (!rep->body)
			fail_msg("not JSON: %s", buf_text(body));
	}
	arena_finish(&r->arena);
	rep->done = true;
}

/* Nothing here answers in pieces. */
void http_respond_start(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, int64_t content_length)
{
	(void)r;
	(void)headers;
	(void)n;
	(void)content_length;
	fail_msg("status %d in pieces", status);
}

void http_respond_end(struct http_request *r, bool ok)
{
	(void)r;
	(void)ok;
}

/* Everybody is let in. */
enum http_admission http_admit(struct http_request *r, uint64_t owner, bool collects, unsigned *out_retry_s)
{
	(void)r;
	(void)owner;
	(void)collects;
	*out_retry_s = 1;
	return HTTP_FINE;
}

uint64_t http_owner_peer(const struct http_request *r)
{
	(void)r;
	return 2;
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
	(void)s;
	*out = (struct http_stats) { 0 };
}

struct http_websocket *http_websocket_accept(struct http_request *r, const char *protocol,
	const struct http_pair *headers, size_t n, const struct http_websocket_limits *limits,
	const struct http_websocket_events *events, void *ctx)
{
	(void)r;
	(void)protocol;
	(void)headers;
	(void)n;
	(void)limits;
	(void)events;
	(void)ctx;
	fail_msg("no route of identity upgrades");
	return NULL;
}

/* --- the cloud
 * -------------------------------------------------------------------------------------------------------------
 */

struct cloud {
	struct store_fixture store;
	struct clock clock;
	int64_t ahead_us; /* of the real clock */
	struct api api;
	struct flow_engine flows; /* of which only what projects use is there */
	struct http_handler handler;
	bool as_root;          /* requests come over the unix socket from uid 0 */
	struct http_pair more; /* a header of all requests; no name: none */
	char *patterns[512];
	size_t patterns_n;
	struct reply last;
};

static inline int64_t cloud_wall(void *ctx)
{
	return clock_wall(&clock_system) + ((struct cloud *)ctx)->ahead_us;
}

static inline int64_t cloud_mono(void *ctx)
{
	(void)ctx;
	return clock_mono(&clock_system);
}

static inline void cloud_routes(struct cloud *w)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
	static const enum http_method methods[] = { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH,
		HTTP_DELETE };

	w->api.router = router_create();
	for (size_t s = 0; s < ARRAY_LEN(fixture_services); s++) {
		for (size_t i = 0; i < fixture_services[s]->routes_n; i++) {
			const struct api_route *r = &fixture_services[s]->routes[i];
			size_t m = 0;

			while (strcmp(names[m], r->method) != 0)
				m++;
			w->patterns[w->patterns_n] = xasprintf("%s%s", fixture_services[s]->prefix, r->path);
			router_add(w->api.router, methods[m], w->patterns[w->patterns_n++], r);
		}
	}
}

static inline void reply_finish(struct reply *r)
{
	for (size_t i = 0; i < r->out_n; i++) {
		free((void *)r->out[i].name);
		free((void *)r->out[i].value);
	}
	json_decref(r->body);
	free(r->target);
	free(r->query_in);
	free(r->body_in);
	memset(r, 0, sizeof *r);
}

static inline void cloud_up(struct cloud *w, unsigned threads, unsigned queue)
{
	struct error err = { 0 };

	memset(w, 0, sizeof *w);
	fixture_dir(&w->store);
	fixture_open(&w->store);
	fixture_start(&w->store);
	w->clock = (struct clock) { .wall_us = cloud_wall, .mono_us = cloud_mono, .ctx = w };
	w->store.loop.clock = &w->clock;
	w->flows.quota = quota_index_create();
	w->api = (struct api) {
		.loop = &w->store.loop,
		.tick = w->store.tick,
		.store = w->store.store,
		.flows = &w->flows,
		.lanes = lane_pool_create(&w->store.loop),
		.config = { .public_url = "https://cloud.test:8774",
			.region = "RegionOne",
			.token_ttl_s = 3600,
			.list_max = 1000,
			.password_threads = threads,
			.password_queue = queue,
			.lockout_failures = 3,
			.lockout_s = 30 },
	};
	cloud_routes(w);
	assert_int_equal(identity_create(&w->api, &w->api.identity, &err), 0);
	w->handler = api_http_handler(&w->api);
}

static inline void cloud_down(struct cloud *w)
{
	reply_finish(&w->last);
	assert_int_equal(w->api.calls, 0);
	identity_destroy(w->api.identity);
	quota_index_destroy(w->flows.quota);
	lane_pool_destroy(w->api.lanes, 5000);
	fixture_drain(&w->store);
	fixture_stop(&w->store);
	fixture_close(&w->store);
	router_destroy(w->api.router);
	for (size_t i = 0; i < w->patterns_n; i++)
		free(w->patterns[i]);
	fixture_remove(&w->store);
}

/* --- asking
 * ------------------------------------------------------------------------------------------------------------------
 */

static inline enum http_method method_of(const char *name)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

static inline void set_query(struct reply *r, char *query)
{
	char *save = NULL;

	for (char *p = strtok_r(query, "&", &save); p; p = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(p, '=');

		if (eq)
			*eq = '\0';
		assert_true(r->http.query_n < ARRAY_LEN(r->query));
		r->query[r->http.query_n++] = (struct http_pair) { p, eq ? eq + 1 : "" };
	}
}

/* Sends without waiting. path: below /identity/v3 unless it starts with '!'. */
static inline void start(struct cloud *w, struct reply *r, const char *method, const char *path,
	const char *token, const char *subject, const char *body)
{
	char *q;

	reply_finish(r);
	r->target = path[0] == '!' ? xstrdup(path + 1) : xasprintf("/identity/v3%s", path);
	q = strchr(r->target, '?');
	if (q)
		*q++ = '\0';
	r->query_in = xstrdup(q ? q : "");
	r->http.raw_query = r->query_in;
	if (q)
		set_query(r, q);
	r->http.method = method_of(method);
	r->http.method_name = method;
	r->http.path = r->target;
	r->http.query = r->query;
	r->http.headers = r->in;
	if (token)
		r->in[r->http.headers_n++] = (struct http_pair) { "X-Auth-Token", token };
	if (subject)
		r->in[r->http.headers_n++] = (struct http_pair) { "X-Subject-Token", subject };
	if (w->more.name)
		r->in[r->http.headers_n++] = w->more;
	r->body_in = body ? xstrdup(body) : NULL;
	r->http.body = r->body_in;
	r->http.body_n = body ? strlen(body) : 0;
	r->http.is_unix = w->as_root;
	r->http.peer_uid = w->as_root ? 0 : UINT32_MAX;
	str_copy(r->http.peer, sizeof r->http.peer, w->as_root ? "unix" : "192.0.2.7");
	assert_int_equal(w->handler.begin(w->handler.ctx, &r->http), HTTP_BODY_COLLECT);
	w->handler.end(w->handler.ctx, &r->http);
}

static inline void finish(struct cloud *w, struct reply *r)
{
	while (!r->done)
		uv_run(&w->store.loop.uv, UV_RUN_ONCE);
}

static inline int ask_as(struct cloud *w, const char *method, const char *path, const char *token,
	const char *subject, const char *body)
{
	start(w, &w->last, method, path, token, subject, body);
	finish(w, &w->last);
	return w->last.status;
}

/* The status; the reply is in w->last until the next. `fmt`: the body, with ' for ". */
static inline int ask(struct cloud *w, const char *token, const char *method, const char *path,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static inline int ask(
	struct cloud *w, const char *token, const char *method, const char *path, const char *fmt, ...)
{
	char body[2048];
	va_list ap;

	if (!fmt)
		return ask_as(w, method, path, token, NULL, NULL);
	va_start(ap, fmt);
	vsnprintf(body, sizeof body, fmt, ap);
	va_end(ap);
	for (char *p = body; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return ask_as(w, method, path, token, NULL, body);
}

#define ASK(want, ...)                                                                                   \
	do {                                                                                             \
		int got_ = ask(__VA_ARGS__);                                                             \
		if (got_ != (want))                                                                      \
			fail_msg("line %d: %d instead of %d: %s", __LINE__, got_, (want), w->last.text); \
	} while (0)

/* A path of keys into the last reply: "user.domain.id", "roles.0.name". NULL when it is not there. */
static inline json_t *at(struct cloud *w, const char *path)
{
	json_t *v = w->last.body;
	char *copy = xstrdup(path), *save = NULL;

	for (char *p = strtok_r(copy, ".", &save); p && v; p = strtok_r(NULL, ".", &save))
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(p)) : json_object_get(v, p);
	free(copy);
	return v;
}

static inline const char *text_at(struct cloud *w, const char *path)
{
	return json_string_value(at(w, path));
}

/* The same, kept by the caller. */
static inline char *keep(struct cloud *w, const char *path)
{
	if (!text_at(w, path))
		fail_msg("no %s in %s", path, w->last.text);
	return xstrdup(text_at(w, path));
}

static inline size_t count_at(struct cloud *w, const char *path)
{
	return json_array_size(at(w, path));
}

static inline const char *header_out(struct cloud *w, const char *name)
{
	for (size_t i = 0; i < w->last.out_n; i++)
		if (strcasecmp(w->last.out[i].name, name) == 0)
			return w->last.out[i].value;
	return NULL;
}

/* A password login; scope: JSON with ' for ", or NULL. Returns the status; *token is kept by the caller. */
static inline int login(
	struct cloud *w, const char *user, const char *password, const char *scope, char **token)
{
	int status = ask(w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['password'], 'password': {'user': {'name': '%s', "
		"'domain': {'id': "
		"'default'}, 'password': '%s'}}}%s%s}}",
		user, password, scope ? ", 'scope': " : "", scope ? scope : "");

	if (status == 201 && token)
		*token = xstrdup(header_out(w, "X-Subject-Token"));
	return status;
}

#define SCOPE_OF(name) "{'project': {'name': '" name "', 'domain': {'id': 'default'}}}"

#endif
