/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher with the image service's table alone on a real store, loop, lanes and directory; requests
 * come in and replies go out as structs instead of over a socket, and a token is the name of a person. */
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include "store_fixture.h"

#include "api/image/image.h"
#include "base/log.h"
#include "flow/flow.h"
#include "http/websocket.h"
#include "loop/lane.h"
#include "store/images.h"

/* --- what the dispatcher and the service would otherwise link ---------------------------------------------
 */

const struct api_service service_root = {
	.name = "root", .prefix = "", .error_body = api_error_body_identity
};
static const struct api_service *const fixture_services[] = { &service_root, &service_image };

const struct api_service *const *api_services(size_t *n)
{
	*n = ARRAY_LEN(fixture_services);
	return fixture_services;
}

#define PERSON(person_uid, project_id, project_uid, admin)                                                   \
	{                                                                                                    \
		.refs = 1, .user = { 1, person_uid, person_uid },                                            \
		.project = { project_id, project_uid, project_uid }, .is_admin = (admin), .is_member = true, \
		.is_reader = true                                                                            \
	}
static struct principal people[] = {
	PERSON("alice", 101, "project-a", false),
	PERSON("bob", 102, "project-b", false),
	PERSON("carol", 103, "project-c", false),
	PERSON("admin", 104, "project-admin", true),
	PERSON("root", 0, NULL, true),
};

struct principal *identity_authenticate(struct identity *id, const char *token, struct error *err)
{
	(void)id;
	for (size_t i = 0; i < ARRAY_LEN(people); i++)
		if (str_eq(people[i].user.uid, token))
			return &people[i];
	error_set(err, ERR_UNAUTHORIZED, "no such token");
	return NULL;
}

struct principal *identity_local_root(struct identity *id)
{
	(void)id;
	return NULL;
}

void principal_unref(struct principal *p)
{
	(void)p;
}

/* The engine's functions that images call; the linker sends those calls here. */
static unsigned flow_deletions;

int __wrap_flow_image_deleted(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err)
{
	(void)e;
	(void)db;
	(void)image_id;
	(void)err;
	flow_deletions++;
	return 0;
}

/* What projects use, as cloudd's engine keeps it. */
static struct quota_index *flow_use;

struct quota_index *__wrap_flow_quota(struct flow_engine *e)
{
	(void)e;
	if (!flow_use)
		flow_use = quota_index_create();
	return flow_use;
}

/* Placement is not there. */
int __wrap_flow_expect(struct flow_engine *e, struct db *db, struct error *err)
{
	(void)e;
	(void)db;
	(void)err;
	return 0;
}

/* --- one request ------------------------------------------------------------------------------------------
 */

struct reply {
	struct http_request http;
	char *target, *body_in; /* owned */
	struct http_pair in[4], query[8], out[16];
	size_t out_n;
	bool done, paused, cut;
	bool full; /* the peer does not read: a streamed reply is to wait */
	int status, resumed;
	int64_t announced;
	struct buf text;
	json_t *body; /* NULL: no JSON */
};

static inline struct reply *reply_of(struct http_request *r)
{
	return CONTAINER_OF(r, struct reply, http);
}

static inline void take_head(struct reply *rep, int status, const struct http_pair *headers, size_t n)
{
	assert_false(rep->done);
	assert_true(n <= ARRAY_LEN(rep->out));
	rep->status = status;
	rep->out_n = n;
	for (size_t i = 0; i < n; i++)
		rep->out[i] = (struct http_pair) { xstrdup(headers[i].name), xstrdup(headers[i].value) };
}

static inline void take_end(struct reply *rep)
{
	rep->body = rep->text.len ? json_loadb(rep->text.data, rep->text.len, 0, NULL) : NULL;
	rep->done = true;
}

void http_respond(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, struct buf *body)
{
	take_head(reply_of(r), status, headers, n);
	if (body)
		buf_append(&reply_of(r)->text, body->data ? body->data : "", body->len);
	take_end(reply_of(r));
}

void http_respond_start(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, int64_t content_length)
{
	take_head(reply_of(r), status, headers, n);
	reply_of(r)->announced = content_length;
}

bool http_respond_write(struct http_request *r, const void *p, size_t n)
{
	buf_append(&reply_of(r)->text, p, n);
	return !reply_of(r)->full;
}

void http_respond_end(struct http_request *r, bool ok)
{
	reply_of(r)->cut = !ok;
	take_end(reply_of(r));
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
	fail_msg("no route of images upgrades");
	return NULL;
}

void http_body_resume(struct http_request *r)
{
	reply_of(r)->paused = false;
	reply_of(r)->resumed++;
}

/* --- the cloud --------------------------------------------------------------------------------------------
 */

struct cloud {
	struct store_fixture store;
	struct api api;
	struct http_handler handler;
	char image_dir[96];
	char *patterns[64];
	size_t patterns_n;
	struct reply last;
};

static const char *const method_names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };

static inline enum http_method method_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(method_names); i++)
		if (strcmp(method_names[i], name) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

static inline void sql(struct cloud *w, const char *text)
{
	struct error err = { 0 };

	fixture_begin(&w->store);
	if (db_run(store_rw(w->store.store), &err, text, NULL) < 0)
		fail_msg("%s: %s %s", text, err.msg, err.detail);
	fixture_commit(&w->store);
}

static inline int64_t sql_int(struct cloud *w, const char *text)
{
	struct error err = { 0 };
	int64_t v = -1;

	if (db_int_query(store_ro(w->store.store), &err, &v, text, NULL) < 0)
		fail_msg("%s: %s %s", text, err.msg, err.detail);
	return v;
}

static inline void cloud_rows(struct cloud *w)
{
	sql(w, "INSERT INTO project (id, uid, domain_id, name, created_us) VALUES "
	       "(101, 'project-a', 1, 'a', 1), (102, 'project-b', 1, 'b', 1), "
	       "(103, 'project-c', 1, 'c', 1), (104, 'project-admin', 1, 'admin', 1)");
}

/* Opens everything; the directory stays from one to the next. */
static inline void cloud_start(struct cloud *w)
{
	struct error err = { 0 };

	fixture_open(&w->store);
	fixture_start(&w->store);
	w->api = (struct api) {
		.loop = &w->store.loop,
		.tick = w->store.tick,
		.store = w->store.store,
		.lanes = lane_pool_create(&w->store.loop),
		.config = { .public_url = "https://cloud.test:8774",
			.image_dir = w->image_dir,
			.image_size_max = 8 << 20,
			.list_max = 1000 },
	};
	w->api.router = router_create();
	for (size_t i = 0; i < service_image.routes_n; i++) {
		const struct api_route *r = &service_image.routes[i];

		w->patterns[w->patterns_n] = xasprintf("%s%s", service_image.prefix, r->path);
		router_add(w->api.router, method_of(r->method), w->patterns[w->patterns_n++], r);
	}
	w->handler = api_http_handler(&w->api);
	assert_int_equal(image_recover(&w->api, &err), 0);
	fixture_drain(&w->store);
}

static inline void reply_finish(struct reply *r)
{
	for (size_t i = 0; i < r->out_n; i++) {
		free((void *)r->out[i].name);
		free((void *)r->out[i].value);
	}
	json_decref(r->body);
	arena_finish(&r->http.arena); /* as a connection does when its next request begins */
	buf_finish(&r->text);
	free(r->target);
	free(r->body_in);
	memset(r, 0, sizeof *r);
}

static inline void cloud_stop(struct cloud *w)
{
	reply_finish(&w->last);
	image_finish();
	assert_int_equal(w->api.calls, 0);
	lane_pool_destroy(w->api.lanes, 5000);
	fixture_drain(&w->store);
	fixture_stop(&w->store);
	fixture_close(&w->store);
	router_destroy(w->api.router);
	while (w->patterns_n)
		free(w->patterns[--w->patterns_n]);
}

static inline int cloud_up(void **state)
{
	struct cloud *w = xcalloc(1, sizeof *w);

	log_set_level(LOG_CRIT);
	fixture_dir(&w->store);
	snprintf(w->image_dir, sizeof w->image_dir, "%s/images", w->store.dir);
	assert_int_equal(mkdir(w->image_dir, 0700), 0);
	cloud_start(w);
	cloud_rows(w);
	*state = w;
	return 0;
}

static inline int cloud_down(void **state)
{
	struct cloud *w = *state;

	cloud_stop(w);
	fixture_remove(&w->store);
	free(w);
	return 0;
}

/* --- asking -----------------------------------------------------------------------------------------------
 */

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

static inline void add_header(struct reply *r, const char *name, const char *value)
{
	assert_true(r->http.headers_n < ARRAY_LEN(r->in));
	if (value)
		r->in[r->http.headers_n++] = (struct http_pair) { name, value };
}

/* Up to the end of the head. path: below /image/v2. */
static inline enum http_body start(struct cloud *w, struct reply *r, const char *who, const char *method,
	const char *path, const char *type, int64_t length)
{
	char *q;

	r->target = xasprintf("/image/v2%s", path);
	q = strchr(r->target, '?');
	if (q)
		*q++ = '\0';
	r->http.raw_query = "";
	if (q)
		set_query(r, q);
	r->http.method = method_of(method);
	r->http.method_name = method;
	r->http.path = r->target;
	r->http.query = r->query;
	r->http.headers = r->in;
	r->http.content_length = length;
	r->http.peer_uid = UINT32_MAX;
	str_copy(r->http.peer, sizeof r->http.peer, "192.0.2.7");
	add_header(r, "X-Auth-Token", who);
	add_header(r, "Content-Type", type);
	return w->handler.begin(w->handler.ctx, &r->http);
}

static inline void run_until_done(struct cloud *w, struct reply *r)
{
	while (!r->done)
		uv_run(&w->store.loop.uv, UV_RUN_ONCE);
}

static inline int ask_typed(struct cloud *w, const char *who, const char *method, const char *path,
	const char *type, const char *body)
{
	struct reply *r = &w->last;

	reply_finish(r);
	r->body_in = body ? xstrdup(body) : NULL;
	for (char *p = r->body_in; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	r->http.body = r->body_in;
	r->http.body_n = body ? strlen(body) : 0;
	assert_int_equal(start(w, r, who, method, path, type, (int64_t)r->http.body_n), HTTP_BODY_COLLECT);
	w->handler.end(w->handler.ctx, &r->http);
	run_until_done(w, r);
	return r->status;
}

/* The status; the reply is in w->last until the next. body: with ' for ". */
static inline int ask(
	struct cloud *w, const char *who, const char *method, const char *path, const char *body)
{
	return ask_typed(w, who, method, path, "application/json", body);
}

#define ASK(want, ...)                                                                    \
	do {                                                                              \
		int got_ = ask(__VA_ARGS__);                                              \
		if (got_ != (want))                                                       \
			fail_msg("line %d: %d instead of %d: %s", __LINE__, got_, (want), \
				buf_text(&w->last.text));                                 \
	} while (0)

static inline const char *header_out(const struct reply *r, const char *name)
{
	for (size_t i = 0; i < r->out_n; i++)
		if (strcasecmp(r->out[i].name, name) == 0)
			return r->out[i].value;
	return NULL;
}

/* A value of the last reply, on its top level, as compact JSON text; "" when absent. Valid until the next
 * call. */
static inline const char *value_of(struct cloud *w, const char *key)
{
	static char text[512];
	char *dump = json_dumps(json_object_get(w->last.body, key), JSON_COMPACT | JSON_ENCODE_ANY);

	str_copy(text, sizeof text, dump ? dump : "");
	free(dump);
	return text;
}

/* Creates an image and gives its path below /image/v2; owned by the caller. */
static inline char *make_image(struct cloud *w, const char *who, const char *body)
{
	if (ask(w, who, "POST", "/images", body) != 201)
		fail_msg("%s: %s", body, buf_text(&w->last.text));
	return xasprintf("/images/%s", json_string_value(json_object_get(w->last.body, "id")));
}

#endif
