/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the compute API on a real store and flow engine with a simulated host, called without a socket;
 * and keys of answers by microversion. */
#ifndef TESTS_COMPUTE_FIXTURE_H
#define TESTS_COMPUTE_FIXTURE_H

#include "flow_fixture.h"

#include <jansson.h>

#include "api/compute/compute.h"

#define PROJECT "c0ffee00000000000000000000000001"
#define HOST "vcpus=16&ram_gib=64&disk_gib=500"

static struct cloud cloud;
static struct api api;

/* --- a call without a socket */

enum role { MEMBER, ADMIN, STRANGER };

struct ask {
	int version;
	enum role role;
	const char *query; /* "a=b&c=d" */
	const char *body;  /* with ' for " */
	const char *params[2][2];
	/* what came of it */
	enum err code; /* ERR_NONE: well */
	char msg[256];
	int status;
	json_t *json; /* owned by the caller */
	api_handler *handler;
};

static inline void set_query(struct http_request *r, char *text)
{
	struct http_pair *pairs = ARENA_ARRAY(&r->arena, struct http_pair, 16);
	char *save = NULL;

	r->query = pairs;
	for (char *p = strtok_r(text, "&", &save); p; p = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(p, '=');

		if (eq)
			*eq++ = '\0';
		assert_true(r->query_n < 16);
		pairs[r->query_n++] = (struct http_pair) { p, eq ? eq : "" };
	}
}

static inline json_t *parse(const char *text)
{
	char *copy = xstrdup(text);
	struct error err;
	json_t *v;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	v = bind_parse(copy, strlen(copy), &err);
	if (!v)
		fail_msg("%s: %s", text, err.msg);
	free(copy);
	return v;
}

/* As the dispatcher: the body against the table of the handler's route. */
static inline int read_body(struct api_call *c, api_handler *handler, struct error *err)
{
	for (size_t i = 0; i < service_compute.routes_n; i++) {
		const struct api_route *r = &service_compute.routes[i];

		if (r->handler != handler || !r->body)
			continue;
		c->in = arena_alloc(c->arena, r->body->size);
		return bind_body(c->body, r->body, c->version, c->arena, c->in, &c->seen, err);
	}
	return 0;
}

static inline int run(struct cloud *cl, struct db *db, void *arg, struct error *err)
{
	struct ask *q = arg;
	struct http_request http = {
		.method = q->body ? HTTP_POST : HTTP_GET, .path = "/test", .raw_query = ""
	};
	struct principal who = { .user = { 7, "u", "user" },
		.project = { q->role == STRANGER ? 999 : cl->project, q->role == STRANGER ? "other" : PROJECT,
			"p" },
		.is_admin = q->role == ADMIN,
		.is_member = true,
		.is_reader = true };
	struct api_call c = { .api = &api,
		.http = &http,
		.arena = &http.arena,
		.service = &service_compute,
		.who = &who,
		.request_id = "req-test",
		.version = q->version,
		.db = db,
		.now_us = clock_wall(&clock_system) };
	int rc;

	if (q->query)
		set_query(&http, arena_strdup(&http.arena, q->query));
	for (size_t i = 0; i < 2 && q->params[i][0]; i++)
		c.match.params[c.match.params_n++] =
			(struct route_param) { q->params[i][0], q->params[i][1] };
	c.body = q->body ? parse(q->body) : NULL;
	rc = read_body(&c, q->handler, err);
	rc = rc < 0 ? rc : q->handler(&c, err);
	q->code = rc < 0 ? err->code : ERR_NONE;
	str_copy(q->msg, sizeof q->msg, rc < 0 ? err->msg : "");
	q->status = c.status;
	q->json =
		rc == 0 && c.out.len ? json_loadb(c.out.data, c.out.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (rc == 0 && c.out.len && !q->json)
		fail_msg("no JSON, or a key twice: %s", buf_text(&c.out));
	json_decref(c.body);
	buf_finish(&c.out);
	arena_finish(&http.arena);
	return rc;
}

static inline void get(struct ask *q)
{
	struct error err = { 0 };

	run(&cloud, store_ro(cloud.store), q, &err);
}

static inline void put(struct ask *q)
{
	cloud_do(&cloud, run, q);
}

#define WELL(q)                                                                        \
	do {                                                                           \
		if ((q).code)                                                          \
			fail_msg("line %d: 2.%d: %s", __LINE__, (q).version, (q).msg); \
	} while (0)

/* --- keys by microversion, written down a second time and in another form */

struct key {
	const char *name;
	int since, until; /* 0: open */
	int marks;
};

enum { FOR_ADMIN = 1, SHORT_PUT = 2, SHOW_ONLY = 4 };

static inline bool expected(const struct key *k, int version, enum role role, int need, int without)
{
	if (version < k->since || (k->until && version > k->until) ||
		((k->marks & FOR_ADMIN) && role != ADMIN))
		return false;
	return (k->marks & need) == need && !(k->marks & without);
}

static inline void check_keys(const char *what, const json_t *obj, const struct key *keys, size_t n,
	int version, enum role role, int need, int without)
{
	size_t wanted = 0;

	assert_true(json_is_object(obj));
	for (size_t i = 0; i < n; i++) {
		if (!expected(&keys[i], version, role, need, without))
			continue;
		wanted++;
		if (!json_object_get(obj, keys[i].name))
			fail_msg("%s at 2.%d (role %d) lacks %s", what, version, role, keys[i].name);
	}
	if (wanted != json_object_size(obj))
		fail_msg("%s at 2.%d (role %d): %zu keys instead of %zu", what, version, role,
			json_object_size(obj), wanted);
}

#define CHECK_KEYS(what, obj, keys, version, role) \
	check_keys(what, obj, keys, ARRAY_LEN(keys), version, role, 0, 0)

#endif
