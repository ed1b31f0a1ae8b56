/* SPDX-License-Identifier: Apache-2.0 */
/* Identity through its route table on a real store: who gets a token, what ends it, and who may do what. */
#include "identity_fixture.h"

#include "api/internal.h"
#include "base/log.h"
#include "store/tokens.h"

#define FREE CLEANUP(free_ptr) char

/* One cloud for all tests: logins are slow on purpose. Each test makes the names it needs. */
static struct cloud the_cloud, *const w = &the_cloud;
static char *admin, *admin_uid, *admin_project;

static int up(void **state)
{
	(void)state;
	cloud_up(w, 2, 8);
	w->as_root = true;
	ASK(201, w, NULL, "POST", "!/bootstrap",
		"{'bootstrap': {'username': 'admin', 'password': 'Secret-0', 'project': 'admin'}}");
	admin_uid = keep(w, "bootstrap.user.id");
	admin_project = keep(w, "bootstrap.project.id");
	w->as_root = false;
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
	return 0;
}

static int down(void **state)
{
	(void)state;
	free(admin);
	free(admin_uid);
	free(admin_project);
	cloud_down(w);
	return 0;
}

/* --- small makers --- */

static char *make(const char *what, const char *path, const char *name, const char *more)
{
	char where[64];

	ASK(201, w, admin, "POST", path, "{'%s': {'name': '%s'%s}}", what, name, more);
	snprintf(where, sizeof where, "%s.id", what);
	return keep(w, where);
}

static char *make_project(const char *name)
{
	return make("project", "/projects", name, "");
}

/* Rows of other rooms, and what would be slow to do by request. */
static void sql(const char *text)
{
	struct error err = { 0 };

	fixture_begin(&w->store);
	if (db_run(store_rw(w->store.store), &err, text, NULL) < 0)
		fail_msg("%s: %s", err.msg, err.detail);
	fixture_commit(&w->store);
}

/* With the administrator's password: hashing one takes its time. */
static char *make_user(const char *name)
{
	char *id = make("user", "/users", name, "");
	FREE *text =
		xasprintf("UPDATE user SET password_hash = (SELECT password_hash FROM user WHERE uid = '%s') "
			  "WHERE uid = '%s'",
			admin_uid, id);

	sql(text);
	return id;
}

#define MEMBER "c10dd000000000000000000000000003"
#define READER "c10dd000000000000000000000000004"
#define ADMIN "c10dd000000000000000000000000002"

static int grant(const char *method, const char *project, const char *user, const char *role)
{
	FREE *path = xasprintf("/projects/%s/users/%s/roles/%s", project, user, role);

	return ask(w, admin, method, path, NULL);
}

static int get(const char *token, const char *fmt, const char *id)
{
	FREE *path = xasprintf("%s%s", fmt, id);

	return ask(w, token, "GET", path, NULL);
}

/* A project and a user who is a member of it, with a token for it. */
struct tenant {
	char *project, *user, *token;
};

static void tenant_make(struct tenant *t, const char *name)
{
	FREE *scope = xasprintf("{'project': {'name': '%s', 'domain': {'id': 'default'}}}", name);

	t->project = make_project(name);
	t->user = make_user(name);
	assert_int_equal(grant("PUT", t->project, t->user, MEMBER), 204);
	assert_int_equal(login(w, name, "Secret-0", scope, &t->token), 201);
}

static void tenant_free(struct tenant *t)
{
	free(t->project);
	free(t->user);
	free(t->token);
}

/* Is the token good for anything? */
static int works(const char *token)
{
	return ask(w, token, "GET", "/auth/projects", NULL);
}

/* --- discovery and bootstrap --- */

static void test_discovery(void **state)
{
	(void)state;
	ASK(300, w, NULL, "GET", "!/identity", NULL);
	assert_string_equal(
		text_at(w, "versions.values.0.links.0.href"), "https://cloud.test:8774/identity/v3/");
	ASK(200, w, NULL, "GET", "", NULL);
	assert_string_equal(text_at(w, "version.status"), "stable");
}

static void test_bootstrap_once(void **state)
{
	(void)state;
	w->as_root = true;
	ASK(409, w, NULL, "POST", "!/bootstrap", "{'bootstrap': {'password': 'x'}}");
	w->as_root = false;
	ASK(403, w, admin, "POST", "!/bootstrap", "{'bootstrap': {'password': 'x'}}");
	ASK(401, w, NULL, "POST", "!/bootstrap", "{'bootstrap': {'password': 'x'}}");
}

/* --- logging in --- */

static void test_token_shape(void **state)
{
	FREE *token = NULL;
	json_t *issued;

	(void)state;
	assert_int_equal(login(w, "Admin", "Secret-0", SCOPE_OF("ADMIN"), &token), 201);
	assert_string_equal(text_at(w, "token.methods.0"), "password");
	assert_int_equal(strlen(text_at(w, "token.audit_ids.0")), 22);
	assert_int_equal(strlen(text_at(w, "token.issued_at")), strlen("2026-01-01T00:00:00.000000Z"));
	assert_string_equal(text_at(w, "token.user.domain.id"), "default");
	assert_string_equal(text_at(w, "token.project.name"), "admin");
	assert_true(json_is_false(at(w, "token.is_domain")));
	assert_int_equal(count_at(w, "token.roles"), 3); /* member and reader are implied */
	assert_int_equal(count_at(w, "token.catalog"), 5);
	assert_int_equal(count_at(w, "token.catalog.0.endpoints"), 3);
	assert_string_equal(
		text_at(w, "token.catalog.1.endpoints.0.url"), "https://cloud.test:8774/compute/v2.1");
	issued = json_deep_copy(w->last.body);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", admin, token, NULL), 200);
	assert_string_equal(header_out(w, "X-Subject-Token"), token);
	assert_true(json_equal(issued, w->last.body));
	json_decref(issued);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens?nocatalog", admin, token, NULL), 200);
	assert_null(at(w, "token.catalog"));
	assert_int_equal(ask_as(w, "HEAD", "/auth/tokens", token, token, NULL), 200);
}

static void test_scopes(void **state)
{
	FREE *plain = NULL, *of_system = NULL, *none = NULL;

	(void)state;
	/* the first administrator has a default project */
	assert_int_equal(login(w, "admin", "Secret-0", NULL, &plain), 201);
	assert_string_equal(text_at(w, "token.project.id"), admin_project);
	assert_int_equal(login(w, "admin", "Secret-0", "'unscoped'", &none), 201);
	assert_null(at(w, "token.project"));
	assert_null(at(w, "token.roles"));
	assert_null(at(w, "token.catalog"));
	assert_int_equal(login(w, "admin", "Secret-0", "{'system': {'all': true}}", &of_system), 201);
	assert_true(json_is_true(at(w, "token.system.all")));
	ASK(200, w, none, "GET", "/auth/system", NULL);
	assert_int_equal(count_at(w, "system"), 1);
	ASK(200, w, none, "GET", "/auth/projects", NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	assert_non_null(at(w, "links"));
	ASK(200, w, none, "GET", "/auth/domains", NULL);
	assert_int_equal(count_at(w, "domains"), 0);
	ASK(403, w, none, "GET", "/projects", NULL);
	ASK(200, w, of_system, "GET", "/projects", NULL);
	/* no role there */
	assert_int_equal(login(w, "admin", "Secret-0", "{'domain': {'id': 'default'}}", NULL), 401);
}

static void test_refusals_look_alike(void **state)
{
	char wrong[512];

	(void)state;
	assert_int_equal(login(w, "admin", "wrong", SCOPE_OF("admin"), NULL), 401);
	str_copy(wrong, sizeof wrong, w->last.text);
	assert_non_null(header_out(w, "WWW-Authenticate"));
	assert_int_equal(login(w, "nobody", "wrong", SCOPE_OF("admin"), NULL), 401);
	assert_string_equal(w->last.text, wrong);
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("none"), NULL), 401);
	assert_string_equal(w->last.text, wrong);
}

static void test_malformed(void **state)
{
	static const char *const bodies[] = {
		"{}",
		"{'auth': 1}",
		"{'auth': {'identity': {'methods': []}}}",
		"{'auth': {'identity': {'methods': ['password']}}}",
		"{'auth': {'identity': {'methods': ['password'], 'password': {'user': {'name': 'admin'}}}}}",
		"{'auth': {'identity': {'methods': ['password'], 'password': {'user': {'id': 7, 'password': "
		"'x'}}}}}",
		"{'auth': {'identity': {'methods': ['password'], 'password': {'user': {'id': 'x'}}}}}",
		"{'auth': {'identity': {'methods': ['token'], 'token': {}}}}",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': 'x'}}, 'scope': 'all'}}",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': 'x'}}, 'scope': {'system': "
		"{}}}}",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': 'x'}}, 'scope': {'project': "
		"{'name': 'a'}}}}",
		"{'auth': {'identity': {'methods': ['application_credential'], 'application_credential': "
		"{'id': 'x'}}}}",
		"{'auth': {'identity': {'methods': ['application_credential'], 'application_credential': "
		"{'name': 'x', "
		"'secret': 'x'}}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		int status = ask(w, NULL, "POST", "/auth/tokens", "%s", bodies[i]);

		if (status != 400)
			fail_msg("%s: %d", bodies[i], status);
	}
	ASK(401, w, NULL, "POST", "/auth/tokens", "{'auth': {'identity': {'methods': ['oauth1']}}}");
	assert_int_equal(ask_as(w, "POST", "/auth/tokens", NULL, NULL, "{"), 400);
}

static char *rescope(const char *token, const char *scope)
{
	ASK(201, w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': '%s'}}, 'scope': %s}}", token,
		scope);
	return xstrdup(header_out(w, "X-Subject-Token"));
}

static void test_rescope_keeps_expiry(void **state)
{
	FREE *first = NULL, *second = NULL, *third = NULL, *expires = NULL, *audit = NULL;

	(void)state;
	assert_int_equal(login(w, "admin", "Secret-0", "'unscoped'", &first), 201);
	expires = keep(w, "token.expires_at");
	audit = keep(w, "token.audit_ids.0");
	w->ahead_us += 60000000;
	second = rescope(first, SCOPE_OF("admin"));
	assert_string_equal(text_at(w, "token.expires_at"), expires);
	assert_string_equal(text_at(w, "token.audit_ids.1"), audit);
	assert_int_equal(count_at(w, "token.methods"), 2);
	third = rescope(second, "{'system': {'all': true}}");
	assert_int_equal(count_at(w, "token.audit_ids"), 2);
	assert_string_equal(text_at(w, "token.audit_ids.1"), audit);
	ASK(401, w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': 'nonsense'}}}}");
}

static void test_expiry(void **state)
{
	FREE *token = NULL;

	(void)state;
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &token), 201);
	assert_int_equal(works(token), 200);
	w->ahead_us += 3599 * INT64_C(1000000);
	assert_int_equal(works(token), 200);
	w->ahead_us += 2 * INT64_C(1000000);
	assert_int_equal(works(token), 401);
	/* the one that all tests use went with it; expired rows go with new ones */
	free(admin);
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", admin, token, NULL), 404);
}

static void test_revocation(void **state)
{
	FREE *token = NULL;

	(void)state;
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &token), 201);
	assert_int_equal(works(token), 200);
	assert_int_equal(ask_as(w, "DELETE", "/auth/tokens", token, token, NULL), 204);
	assert_int_equal(works(token), 401);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", admin, token, NULL), 404);
	assert_int_equal(ask_as(w, "DELETE", "/auth/tokens", admin, token, NULL), 404);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", admin, NULL, NULL), 400);
}

static void test_token_of_another(void **state)
{
	struct tenant t;

	(void)state;
	tenant_make(&t, "curious");
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", t.token, admin, NULL), 403);
	assert_int_equal(ask_as(w, "DELETE", "/auth/tokens", t.token, admin, NULL), 403);
	assert_int_equal(ask_as(w, "GET", "/auth/tokens", admin, t.token, NULL), 200);
	assert_int_equal(works(admin), 200);
	tenant_free(&t);
}

/* --- what ends tokens at once --- */

static void patch(const char *kind, const char *id, const char *body)
{
	FREE *path = xasprintf("/%ss/%s", kind, id);

	ASK(200, w, admin, "PATCH", path, "{'%s': %s}", kind, body);
}

static void test_disabling_ends_tokens(void **state)
{
	struct tenant t;

	(void)state;
	tenant_make(&t, "ended");
	assert_int_equal(works(t.token), 200);
	patch("project", t.project, "{'enabled': false}");
	assert_int_equal(works(t.token), 401);
	assert_int_equal(login(w, "ended", "Secret-0", SCOPE_OF("ended"), NULL), 401);
	patch("project", t.project, "{'enabled': true}");
	assert_int_equal(works(t.token), 401); /* revoked is revoked */
	free(t.token);
	assert_int_equal(login(w, "ended", "Secret-0", SCOPE_OF("ended"), &t.token), 201);
	assert_int_equal(works(t.token), 200);
	patch("user", t.user, "{'enabled': false}");
	assert_int_equal(works(t.token), 401);
	assert_int_equal(login(w, "ended", "Secret-0", SCOPE_OF("ended"), NULL), 401);
	tenant_free(&t);
}

static void test_lost_role_ends_tokens(void **state)
{
	FREE *path = NULL;
	struct tenant t;

	(void)state;
	tenant_make(&t, "demoted");
	assert_int_equal(works(t.token), 200);
	assert_int_equal(grant("HEAD", t.project, t.user, MEMBER), 204);
	assert_int_equal(grant("HEAD", t.project, t.user, READER), 404); /* implied, not given */
	assert_int_equal(grant("DELETE", t.project, t.user, MEMBER), 204);
	assert_int_equal(grant("DELETE", t.project, t.user, MEMBER), 404);
	assert_int_equal(works(t.token), 401);
	assert_int_equal(login(w, "demoted", "Secret-0", SCOPE_OF("demoted"), NULL), 401);
	path = xasprintf("/users/%s", t.user);
	ASK(204, w, admin, "DELETE", path, NULL);
	assert_int_equal(login(w, "demoted", "Secret-0", NULL, NULL), 401);
	tenant_free(&t);
}

static void test_new_role_counts_at_once(void **state)
{
	struct tenant t;

	(void)state;
	tenant_make(&t, "promoted");
	ASK(403, w, t.token, "GET", "/projects", NULL);
	assert_int_equal(grant("PUT", t.project, t.user, ADMIN), 204);
	assert_int_equal(grant("PUT", t.project, t.user, ADMIN), 204);
	ASK(200, w, t.token, "GET", "/projects", NULL);
	tenant_free(&t);
}

static void test_password_change(void **state)
{
	FREE *path = NULL;
	struct tenant t;

	(void)state;
	tenant_make(&t, "changer");
	path = xasprintf("/users/%s/password", t.user);
	ASK(401, w, t.token, "POST", path,
		"{'user': {'password': 'Secret-2', 'original_password': 'wrong'}}");
	ASK(400, w, t.token, "POST", path, "{'user': {'password': 'Secret-2'}}");
	ASK(204, w, t.token, "POST", path,
		"{'user': {'password': 'Secret-2', 'original_password': 'Secret-0'}}");
	assert_int_equal(works(t.token), 401);
	assert_int_equal(login(w, "changer", "Secret-0", NULL, NULL), 401);
	assert_int_equal(login(w, "changer", "Secret-2", NULL, NULL), 201);
	patch("user", t.user, "{'password': 'Secret-3'}");
	assert_int_equal(login(w, "changer", "Secret-3", NULL, NULL), 201);
	tenant_free(&t);
}

/* --- guessing --- */

static void test_lockout(void **state)
{
	FREE *user = make_user("guessed");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(login(w, "guessed", "wrong", NULL, NULL), 401);
	assert_int_equal(login(w, "guessed", "Secret-0", NULL, NULL), 401);
	w->ahead_us += 31 * INT64_C(1000000);
	/* one more failure now locks for twice as long */
	assert_int_equal(login(w, "guessed", "wrong", NULL, NULL), 401);
	w->ahead_us += 31 * INT64_C(1000000);
	assert_int_equal(login(w, "guessed", "Secret-0", NULL, NULL), 401);
	w->ahead_us += 31 * INT64_C(1000000);
	assert_int_equal(login(w, "guessed", "Secret-0", NULL, NULL), 201);
	/* and success forgets */
	assert_int_equal(login(w, "guessed", "wrong", NULL, NULL), 401);
	assert_int_equal(login(w, "guessed", "Secret-0", NULL, NULL), 201);
}

static void test_full_queue(void **state)
{
	static struct cloud small;
	struct reply replies[4];
	int busy = 0, denied = 0;

	(void)state;
	cloud_up(&small, 1, 1);
	memset(replies, 0, sizeof replies);
	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		start(&small, &replies[i], "POST", "/auth/tokens", NULL, NULL,
			"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": "
			"{\"id\": "
			"\"x\", \"password\": \"x\"}}}}}");
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		finish(&small, &replies[i]);
		busy += replies[i].status == 429;
		denied += replies[i].status == 401;
		reply_finish(&replies[i]);
	}
	assert_int_equal(busy + denied, 4);
	assert_in_range(busy, 2, 3);
	cloud_down(&small);
}

/* --- application credentials --- */

static int login_credential(const char *id, const char *secret, char **token)
{
	int status = ask(w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['application_credential'], 'application_credential': "
		"{'id': '%s', "
		"'secret': '%s'}}}}",
		id, secret);

	if (status == 201 && token)
		*token = xstrdup(header_out(w, "X-Subject-Token"));
	return status;
}

static void test_app_credential(void **state)
{
	FREE *path = NULL, *id = NULL, *secret = NULL, *token = NULL, *one = NULL;
	struct tenant t;

	(void)state;
	tenant_make(&t, "machine");
	path = xasprintf("/users/%s/application_credentials", t.user);
	ASK(201, w, t.token, "POST", path,
		"{'application_credential': {'name': 'ci', 'roles': [{'name': 'reader'}]}}");
	id = keep(w, "application_credential.id");
	secret = keep(w, "application_credential.secret");
	assert_int_equal(count_at(w, "application_credential.roles"), 1);
	assert_true(json_is_null(at(w, "application_credential.expires_at")));
	ASK(409, w, t.token, "POST", path, "{'application_credential': {'name': 'ci'}}");
	one = xasprintf("%s/%s", path, id);
	ASK(200, w, t.token, "GET", one, NULL);
	assert_null(at(w, "application_credential.secret"));
	assert_int_equal(login_credential(id, "wrong secret", NULL), 401);
	assert_int_equal(login_credential(id, secret, &token), 201);
	assert_string_equal(text_at(w, "token.project.id"), t.project);
	assert_int_equal(count_at(w, "token.roles"), 1);
	assert_true(json_is_true(at(w, "token.application_credential.restricted")));
	ASK(201, w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['application_credential'], 'application_credential': "
		"{'name': 'ci', "
		"'user': {'id': '%s'}, 'secret': '%s'}}}}",
		t.user, secret);
	/* it makes no other, and goes nowhere else */
	ASK(403, w, token, "POST", path, "{'application_credential': {'name': 'more'}}");
	ASK(401, w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['token'], 'token': {'id': '%s'}}, 'scope': 'unscoped'}}",
		token);
	ASK(403, w, admin, "POST", path, "{'application_credential': {'name': 'foreign'}}");
	/* the role that it stands on is taken away */
	assert_int_equal(grant("DELETE", t.project, t.user, MEMBER), 204);
	assert_int_equal(works(token), 401);
	assert_int_equal(login_credential(id, secret, NULL), 401);
	assert_int_equal(grant("PUT", t.project, t.user, MEMBER), 204);
	free(token);
	assert_int_equal(login_credential(id, secret, &token), 201);
	ASK(204, w, admin, "DELETE", one, NULL);
	assert_int_equal(works(token), 401);
	assert_int_equal(login_credential(id, secret, NULL), 401);
	tenant_free(&t);
}

static void test_app_credential_expires(void **state)
{
	FREE *path = NULL, *id = NULL, *token = NULL;
	struct tenant t;
	char when[TIME_TEXT];

	(void)state;
	tenant_make(&t, "brief");
	path = xasprintf("/users/%s/application_credentials", t.user);
	time_iso(cloud_wall(w) + 60 * INT64_C(1000000), when);
	ASK(201, w, t.token, "POST", path,
		"{'application_credential': {'name': 'x', 'secret': 'a chosen secret', 'expires_at': '%s'}}",
		when);
	id = keep(w, "application_credential.id");
	assert_int_equal(login_credential(id, "a chosen secret", &token), 201);
	w->ahead_us += 61 * INT64_C(1000000);
	assert_int_equal(works(token), 401);
	assert_int_equal(login_credential(id, "a chosen secret", NULL), 401);
	ASK(400, w, t.token, "POST", path,
		"{'application_credential': {'name': 'y', 'expires_at': '2001-01-01T00:00:00'}}");
	ASK(400, w, t.token, "POST", path, "{'application_credential': {'name': 'y', 'expires_at': 'soon'}}");
	ASK(400, w, t.token, "POST", path, "{'application_credential': {'name': 'y', 'secret': 'short'}}");
	ASK(400, w, t.token, "POST", path,
		"{'application_credential': {'name': 'y', 'roles': [{'name': 'admin'}]}}");
	ASK(400, w, t.token, "POST", path,
		"{'application_credential': {'name': 'y', 'access_rules': [{'path': '/'}]}}");
	tenant_free(&t);
}

/* --- who may what --- */

/* The route's path with something that does not exist in each {name}. */
static char *filled(const char *path)
{
	struct buf b = { 0 };
	char *out;

	for (const char *p = path; *p; p++) {
		if (*p == '{') {
			buf_puts(&b, "unknown");
			p = strchr(p, '}');
		} else {
			buf_append(&b, p, 1);
		}
	}
	out = xstrdup(buf_text(&b));
	buf_finish(&b);
	return out;
}

static void test_every_route_is_guarded(void **state)
{
	struct tenant t;

	(void)state;
	tenant_make(&t, "plain");
	for (size_t i = 0; i < service_identity.routes_n; i++) {
		const struct api_route *r = &service_identity.routes[i];
		FREE *path = filled(r->path);
		int status;

		if (r->role == ROLE_NONE)
			continue;
		if (ask(w, NULL, r->method, path, NULL) != 401)
			fail_msg("%s %s without a token: %d", r->method, path, w->last.status);
		if (ask(w, "nonsense", r->method, path, NULL) != 401)
			fail_msg("%s %s with a wrong token: %d", r->method, path, w->last.status);
		status = ask(w, t.token, r->method, path, NULL);
		if (r->role == ROLE_ADMIN && status != 403)
			fail_msg("%s %s as a member: %d", r->method, path, status);
		status = ask(w, admin, r->method, path, NULL);
		if (status >= 500 || status == 401)
			fail_msg("%s %s as an administrator: %d %s", r->method, path, status, w->last.text);
	}
	tenant_free(&t);
}

static void test_own_things(void **state)
{
	struct tenant a, b;
	FREE *path = NULL, *foreign = NULL;

	(void)state;
	tenant_make(&a, "alice");
	tenant_make(&b, "bob");
	assert_int_equal(get(a.token, "/users/", a.user), 200);
	assert_int_equal(get(a.token, "/users/", b.user), 403);
	assert_int_equal(get(a.token, "/users/", "bob"), 403);
	assert_int_equal(get(a.token, "/projects/", a.project), 200);
	assert_int_equal(get(a.token, "/projects/", b.project), 403);
	assert_int_equal(get(a.token, "/projects/", "bob"), 403);
	assert_int_equal(get(a.token, "/domains/", "default"), 200);
	assert_int_equal(get(a.token, "/domains/", "other"), 403);
	path = xasprintf("/users/%s/projects", a.user);
	ASK(200, w, a.token, "GET", path, NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	foreign = xasprintf("/users/%s/projects", b.user);
	ASK(403, w, a.token, "GET", foreign, NULL);
	tenant_free(&a);
	tenant_free(&b);
}

/* --- entities
 * ----------------------------------------------------------------------------------------------------------
 */

static void test_projects(void **state)
{
	FREE *id = NULL, *child = NULL, *path = NULL, *below = NULL, *tag = NULL;

	(void)state;
	ASK(201, w, admin, "POST", "/projects",
		"{'project': {'name': 'tree', 'description': null, 'enabled': true, 'options': {}, 'tags': "
		"['b', 'a'], "
		"'cost_centre': {'n': 7}}}");
	id = keep(w, "project.id");
	assert_int_equal(strlen(id), 32);
	assert_string_equal(text_at(w, "project.parent_id"), "default");
	assert_string_equal(text_at(w, "project.tags.0"), "a");
	assert_int_equal(json_integer_value(at(w, "project.cost_centre.n")), 7);
	path = xasprintf("/projects/%s", id);
	assert_non_null(strstr(text_at(w, "project.links.self"), path));
	ASK(409, w, admin, "POST", "/projects", "{'project': {'name': 'TREE'}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': ''}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 7}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'x', 'enabled': 'yes'}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'x', 'options': {'immutable': true}}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'x', 'tags': ['a,b']}}");
	ASK(404, w, admin, "POST", "/projects", "{'project': {'name': 'x', 'domain_id': 'none'}}");
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'leaf', 'parent_id': '%s'}}", id);
	child = keep(w, "project.id");
	ASK(200, w, admin, "GET", "/projects?name=Tree", NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	below = xasprintf("/projects?parent_id=%s", id);
	ASK(200, w, admin, "GET", below, NULL);
	assert_string_equal(text_at(w, "projects.0.id"), child);
	ASK(200, w, admin, "GET", "/projects?tags=a,b", NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	ASK(200, w, admin, "GET", "/projects?tags=a,c", NULL);
	assert_int_equal(count_at(w, "projects"), 0);
	ASK(200, w, admin, "PATCH", path,
		"{'project': {'description': 'd', 'cost_centre': null, 'owner': 'x'}}");
	assert_null(at(w, "project.cost_centre"));
	assert_string_equal(text_at(w, "project.owner"), "x");
	ASK(400, w, admin, "PATCH", path, "{'project': {'domain_id': 'other'}}");
	tag = xasprintf("%s/tags/gold", path);
	ASK(201, w, admin, "PUT", tag, NULL);
	ASK(204, w, admin, "GET", tag, NULL);
	ASK(204, w, admin, "DELETE", tag, NULL);
	ASK(404, w, admin, "GET", tag, NULL);
	ASK(403, w, admin, "DELETE", path, NULL); /* it has a child */
	free(below);
	below = xasprintf("/projects/%s", child);
	ASK(204, w, admin, "DELETE", below, NULL);
	ASK(204, w, admin, "DELETE", path, NULL);
	ASK(404, w, admin, "GET", path, NULL);
}

static void test_project_that_holds_things(void **state)
{
	FREE *id = make_project("holder"), *path = xasprintf("/projects/%s", id);
	FREE *insert = xasprintf(
		"INSERT INTO image (id, uid, project_id, status, visibility, created_us, updated_us) VALUES "
		"(90001, 'img', (SELECT id FROM project WHERE uid = '%s'), 'active', 'private', 1, 1)",
		id);

	(void)state;
	sql(insert);
	ASK(409, w, admin, "DELETE", path, NULL);
	assert_non_null(strstr(w->last.text, "1 images"));
	/* deleted, but not forgotten */
	sql("UPDATE image SET deleted_us = 2 WHERE id = 90001");
	ASK(204, w, admin, "DELETE", path, NULL);
	ASK(404, w, admin, "GET", path, NULL);
	ASK(404, w, admin, "DELETE", path, NULL);
	free(id);
	id = make_project("holder"); /* the name is free again */
}

static void test_users_and_paging(void **state)
{
	FREE *one = make("user", "/users", "pager-1", ""), *two = make("user", "/users", "pager-2", "");
	FREE *path = xasprintf("/users/%s", one), *next = NULL;

	(void)state;
	ASK(200, w, admin, "GET", path, NULL);
	assert_null(at(w, "user.password"));
	assert_true(json_is_null(at(w, "user.password_expires_at")));
	assert_null(at(w, "user.email"));
	ASK(200, w, admin, "PATCH", path, "{'user': {'email': 'a@b', 'name': 'pager-one', 'phone': '1'}}");
	assert_string_equal(text_at(w, "user.email"), "a@b");
	assert_string_equal(text_at(w, "user.phone"), "1");
	ASK(200, w, admin, "PATCH", path, "{'user': {'email': null}}");
	assert_null(at(w, "user.email"));
	ASK(409, w, admin, "PATCH", path, "{'user': {'name': 'Pager-2'}}");
	ASK(400, w, admin, "POST", "/users", "{'user': {'name': 'x', 'default_project_id': 'none'}}");
	ASK(404, w, admin, "POST", "/users", "{'user': {'name': 'x', 'domain_id': 'none'}}");
	ASK(400, w, admin, "POST", "/users", "{'user': {'name': 'x', 'password_expires_at': '2030-01-01'}}");
	ASK(200, w, admin, "GET", "/users?limit=1", NULL);
	assert_int_equal(count_at(w, "users"), 1);
	assert_true(json_is_true(at(w, "truncated")));
	next = keep(w, "links.next");
	assert_non_null(strstr(next, "marker="));
	ASK(200, w, admin, "GET", strstr(next, "/users"), NULL);
	assert_int_equal(count_at(w, "users"), 1);
	ASK(400, w, admin, "GET", "/users?limit=1&marker=nobody", NULL);
	ASK(400, w, admin, "GET", "/users?limit=x", NULL);
	ASK(200, w, admin, "GET", "/users?name=pager-2&enabled=True", NULL);
	assert_int_equal(count_at(w, "users"), 1);
	assert_true(json_is_null(at(w, "links.next")));
}

static void test_domains(void **state)
{
	FREE *id = make("domain", "/domains", "Bank", ""), *path = xasprintf("/domains/%s", id);
	FREE *more = xasprintf(", 'domain_id': '%s', 'password': 'Secret-1'", id);
	FREE *user = make("user", "/users", "teller", more), *token = NULL, *grant_path = NULL;

	(void)state;
	ASK(409, w, admin, "POST", "/domains", "{'domain': {'name': 'bank'}}");
	grant_path = xasprintf("/domains/%s/users/%s/roles/%s", id, user, MEMBER);
	ASK(204, w, admin, "PUT", grant_path, NULL);
	ASK(201, w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['password'], 'password': {'user': {'id': '%s', "
		"'password': "
		"'Secret-1'}}}, 'scope': {'domain': {'name': 'Bank'}}}}",
		user);
	token = xstrdup(header_out(w, "X-Subject-Token"));
	assert_string_equal(text_at(w, "token.domain.id"), id);
	assert_null(at(w, "token.project"));
	ASK(200, w, token, "GET", path, NULL);
	ASK(403, w, admin, "DELETE", path, NULL); /* enabled */
	ASK(200, w, admin, "PATCH", path, "{'domain': {'enabled': false}}");
	assert_int_equal(works(token), 401);
	ASK(204, w, admin, "DELETE", path, NULL);
	assert_int_equal(get(admin, "/users/", user), 404);
	ASK(403, w, admin, "DELETE", "/domains/default", NULL);
}

static void test_groups_give_roles(void **state)
{
	FREE *group = make("group", "/groups", "team", ", 'colour': 'red'"),
	     *project = make_project("teamwork");
	FREE *user = make_user("player"), *token = NULL, *role = NULL, *member = NULL;
	FREE *assigned = xasprintf("/role_assignments?effective&include_names&user.id=%s", user);

	(void)state;
	assert_int_equal(get(admin, "/groups/", group), 200);
	assert_string_equal(text_at(w, "group.colour"), "red");
	role = xasprintf("/projects/%s/groups/%s/roles/%s", project, group, MEMBER);
	member = xasprintf("/groups/%s/users/%s", group, user);
	ASK(204, w, admin, "PUT", role, NULL);
	ASK(404, w, admin, "HEAD", member, NULL);
	assert_int_equal(login(w, "player", "Secret-0", SCOPE_OF("teamwork"), NULL), 401);
	ASK(204, w, admin, "PUT", member, NULL);
	assert_int_equal(login(w, "player", "Secret-0", SCOPE_OF("teamwork"), &token), 201);
	ASK(200, w, admin, "GET", assigned, NULL);
	assert_int_equal(count_at(w, "role_assignments"), 2); /* member, and reader by it */
	assert_string_equal(text_at(w, "role_assignments.0.user.name"), "player");
	assert_string_equal(text_at(w, "role_assignments.0.scope.project.domain.id"), "default");
	assert_non_null(text_at(w, "role_assignments.0.links.membership"));
	ASK(204, w, admin, "DELETE", member, NULL);
	assert_int_equal(works(token), 401);
}

static void test_inherited_roles(void **state)
{
	FREE *top = make_project("top"), *more = xasprintf(", 'parent_id': '%s'", top);
	FREE *sub = make("project", "/projects", "sub", more), *user = make_user("heir"), *token = NULL;
	FREE *path = xasprintf(
		"/OS-INHERIT/projects/%s/users/%s/roles/%s/inherited_to_projects", top, user, MEMBER);

	(void)state;
	ASK(204, w, admin, "PUT", path, NULL);
	ASK(204, w, admin, "HEAD", path, NULL);
	assert_int_equal(login(w, "heir", "Secret-0", SCOPE_OF("top"), NULL), 401);
	assert_int_equal(login(w, "heir", "Secret-0", SCOPE_OF("sub"), &token), 201);
	ASK(200, w, token, "GET", "/auth/projects", NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	assert_string_equal(text_at(w, "projects.0.id"), sub);
	ASK(200, w, admin, "GET", "/role_assignments?scope.OS-INHERIT:inherited_to=projects", NULL);
	assert_int_equal(count_at(w, "role_assignments"), 1);
	ASK(204, w, admin, "DELETE", path, NULL);
	assert_int_equal(works(token), 401);
}

static void test_roles(void **state)
{
	FREE *id = make("role", "/roles", "auditor", ""),
	     *path = xasprintf("/roles/%s/implies/%s", id, READER);
	FREE *own = xasprintf("/roles/%s", id), *circle = NULL, *project = make_project("audited");
	FREE *user = make_user("auditor"), *token = NULL;

	(void)state;
	ASK(200, w, admin, "GET", "/roles?name=ADMIN", NULL);
	assert_string_equal(text_at(w, "roles.0.id"), ADMIN);
	ASK(409, w, admin, "POST", "/roles", "{'role': {'name': 'Member'}}");
	ASK(403, w, admin, "DELETE", "/roles/" ADMIN, NULL);
	ASK(403, w, admin, "PATCH", "/roles/" MEMBER, "{'role': {'name': 'x'}}");
	ASK(403, w, admin, "PUT", "/roles/" READER "/implies/" ADMIN, NULL);
	ASK(201, w, admin, "PUT", path, NULL);
	ASK(200, w, admin, "GET", path, NULL);
	ASK(204, w, admin, "HEAD", path, NULL);
	circle = xasprintf("/roles/%s/implies/%s", READER, id);
	ASK(409, w, admin, "PUT", circle, NULL);
	ASK(200, w, admin, "GET", "/role_inferences", NULL);
	assert_int_equal(count_at(w, "role_inferences"), 3);
	assert_int_equal(grant("PUT", project, user, id), 204);
	assert_int_equal(login(w, "auditor", "Secret-0", SCOPE_OF("audited"), &token), 201);
	assert_int_equal(count_at(w, "token.roles"), 2);
	ASK(204, w, admin, "DELETE", own, NULL);
	assert_int_equal(works(token), 401);
}

/* A project that acts as a domain is the domain, by the same id. */
/* A domain's role opens nothing by itself: it is no part of what holds, only what it implies is. */
static void test_domain_role(void **state)
{
	FREE *project = make_project("roled"), *user = make_user("roled"), *role = NULL, *path = NULL;

	(void)state;
	ASK(201, w, admin, "POST", "/roles", "{'role': {'name': 'steward', 'domain_id': 'default'}}");
	role = keep(w, "role.id");
	assert_int_equal(grant("PUT", project, user, role), 204);
	path = xasprintf("/role_assignments?user.id=%s", user);
	ASK(200, w, admin, "GET", path, NULL);
	assert_int_equal(count_at(w, "role_assignments"), 1);
	free(path);
	path = xasprintf("/role_assignments?effective&user.id=%s", user);
	ASK(200, w, admin, "GET", path, NULL);
	assert_int_equal(count_at(w, "role_assignments"), 0);
}

static void test_domain_as_project(void **state)
{
	FREE *id = NULL, *project = NULL, *domain = NULL;

	(void)state;
	ASK(400, w, admin, "POST", "/projects",
		"{'project': {'name': 'ward', 'is_domain': true, 'domain_id': 'default'}}");
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'ward', 'is_domain': true}}");
	assert_true(json_is_null(at(w, "project.parent_id")));
	id = keep(w, "project.id");
	project = xasprintf("/projects/%s", id);
	domain = xasprintf("/domains/%s", id);
	ASK(200, w, admin, "GET", domain, NULL);
	ASK(200, w, admin, "GET", "/projects?is_domain=true&name=ward", NULL);
	assert_int_equal(count_at(w, "projects"), 1);
	ASK(403, w, admin, "DELETE", project, NULL);
	ASK(400, w, admin, "PATCH", project, "{'project': {'is_domain': false}}");
	ASK(200, w, admin, "PATCH", project, "{'project': {'enabled': false, 'is_domain': true}}");
	ASK(200, w, admin, "GET", domain, NULL);
	assert_true(json_is_false(at(w, "domain.enabled")));
	ASK(204, w, admin, "DELETE", project, NULL);
	ASK(404, w, admin, "GET", domain, NULL);
}

static void test_catalog_can_be_read(void **state)
{
	FREE *id = NULL, *path = NULL;

	(void)state;
	ASK(200, w, admin, "GET", "/services?type=image", NULL);
	assert_int_equal(count_at(w, "services"), 1);
	id = keep(w, "services.0.id");
	assert_int_equal(get(admin, "/services/", id), 200);
	assert_int_equal(get(admin, "/endpoints?interface=public&service_id=", id), 200);
	assert_int_equal(count_at(w, "endpoints"), 1);
	ASK(200, w, admin, "GET", "/regions/RegionOne", NULL);
	ASK(200, w, admin, "GET", "/auth/catalog", NULL);
	assert_int_equal(count_at(w, "catalog"), 5);
	path = xasprintf("/services/%s", id);
	ASK(403, w, admin, "PATCH", path, "{'service': {'name': 'x'}}");
	ASK(403, w, admin, "DELETE", path, NULL);
	ASK(403, w, admin, "DELETE", "/regions/RegionOne", NULL);
}

static void test_regions(void **state)
{
	(void)state;
	ASK(201, w, admin, "POST", "/regions", "{'region': {'id': 'North', 'note': 7}}");
	ASK(409, w, admin, "PUT", "/regions/North", "{'region': {}}");
	ASK(400, w, admin, "PUT", "/regions/South", "{'region': {'id': 'East'}}");
	ASK(404, w, admin, "PUT", "/regions/South", "{'region': {'parent_region_id': 'West'}}");
	ASK(201, w, admin, "PUT", "/regions/South", "{'region': {'parent_region_id': 'North'}}");
	ASK(400, w, admin, "PATCH", "/regions/North", "{'region': {'parent_region_id': 'South'}}");
	ASK(403, w, admin, "DELETE", "/regions/North", NULL);
	ASK(200, w, admin, "GET", "/regions?parent_region_id=North", NULL);
	assert_int_equal(count_at(w, "regions"), 1);
	ASK(200, w, admin, "PATCH", "/regions/South", "{'region': {'parent_region_id': null}}");
	ASK(204, w, admin, "DELETE", "/regions/North", NULL);
	ASK(404, w, admin, "GET", "/regions/North", NULL);
}

static void test_catalog_grows(void **state)
{
	FREE *service = NULL, *path = NULL, *body = NULL, *endpoint = NULL;

	(void)state;
	ASK(400, w, admin, "POST", "/services", "{'service': {'name': 'no type'}}");
	ASK(201, w, admin, "POST", "/services", "{'service': {'type': 'object-store', 'name': 'rgw'}}");
	service = keep(w, "service.id");
	body = xasprintf("{'endpoint': {'interface': 'public', 'url': 'https://rgw.test', 'region': "
			 "'Far', 'service_id': '%s'}}",
		service);
	ASK(201, w, admin, "POST", "/endpoints", body);
	endpoint = keep(w, "endpoint.id");
	ASK(200, w, admin, "GET", "/regions/Far", NULL);
	ASK(200, w, admin, "GET", "/auth/catalog", NULL);
	assert_int_equal(count_at(w, "catalog"), 6);
	assert_int_equal(count_at(w, "catalog.5.endpoints"), 1);
	path = xasprintf("/endpoints/%s", endpoint);
	ASK(400, w, admin, "PATCH", path, "{'endpoint': {'enabled': 'yes'}}");
	ASK(400, w, admin, "PATCH", path, "{'endpoint': {'service_id': 'nobody'}}");
	ASK(400, w, admin, "PATCH", path, "{'endpoint': {'region_id': 'nowhere'}}");
	ASK(200, w, admin, "PATCH", path, "{'endpoint': {'enabled': false}}");
	ASK(200, w, admin, "GET", "/auth/catalog", NULL);
	assert_int_equal(count_at(w, "catalog.5.endpoints"), 0);
	free(path);
	path = xasprintf("/services/%s", service);
	ASK(204, w, admin, "DELETE", path, NULL);
	assert_int_equal(get(admin, "/endpoints/", endpoint), 404);
	ASK(204, w, admin, "DELETE", "/regions/Far", NULL);
	ASK(200, w, admin, "GET", "/auth/catalog", NULL);
	assert_int_equal(count_at(w, "catalog"), 5);
}

static void test_body_limits(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_puts(&b, "{\"project\": {\"name\": \"big\"");
	for (int i = 0; i < 65; i++)
		buf_printf(&b, ", \"k%d\": 1", i);
	buf_puts(&b, "}}");
	assert_int_equal(ask_as(w, "POST", "/projects", admin, NULL, buf_text(&b)), 400);
	b.len = 0;
	buf_puts(&b, "{\"project\": {\"name\": \"big\", \"k\": \"");
	for (int i = 0; i < 2000; i++)
		buf_puts(&b, "0123456789");
	buf_puts(&b, "\"}}");
	assert_int_equal(ask_as(w, "POST", "/projects", admin, NULL, buf_text(&b)), 400);
	buf_finish(&b);
}

/* The reader sees what the writer did as soon as its reply is there, however often it looked before. */
static void test_memory_follows_the_rows(void **state)
{
	struct tenant t;

	(void)state;
	tenant_make(&t, "flicker");
	for (int i = 0; i < 5; i++) {
		struct reply change;
		FREE *path = xasprintf("/projects/%s/users/%s/roles/%s", t.project, t.user, ADMIN);

		memset(&change, 0, sizeof change);
		start(w, &change, "PUT", path, admin, NULL, NULL);
		works(t.token); /* may be remembered while the change is not on disk */
		finish(w, &change);
		reply_finish(&change);
		ASK(200, w, t.token, "GET", "/roles", NULL);
		memset(&change, 0, sizeof change);
		start(w, &change, "DELETE", path, admin, NULL, NULL);
		works(t.token);
		finish(w, &change);
		reply_finish(&change);
		assert_int_equal(works(t.token), 401);
		free(t.token);
		assert_int_equal(login(w, "flicker", "Secret-0", SCOPE_OF("flicker"), &t.token), 201);
	}
	tenant_free(&t);
}

static void test_local_root(void **state)
{
	(void)state;
	w->as_root = true;
	ASK(200, w, NULL, "GET", "/users", NULL);
	ASK(201, w, NULL, "POST", "/projects", "{'project': {'name': 'by-root'}}");
	assert_string_equal(text_at(w, "project.domain_id"), "default");
	ASK(200, w, NULL, "GET", "/auth/projects", NULL);
	assert_int_equal(count_at(w, "projects"), 0);
	w->as_root = false;
}

/* --- what is kept, and for how long --- */

static int64_t number(const char *query)
{
	struct error err = { 0 };
	int64_t n = -1;

	assert_true(db_int_query(store_ro(w->store.store), &err, &n, query, NULL) >= 0);
	return n;
}

static void test_many_tokens(void **state)
{
	enum { MANY = 300 };
	FREE *first = NULL;
	struct error err = { 0 };
	char *tokens[MANY];
	int64_t before;

	(void)state;
	assert_int_equal(login(w, "admin", "Secret-0", "'unscoped'", &first), 201);
	for (size_t i = 0; i < MANY; i++) {
		tokens[i] = rescope(first, SCOPE_OF("admin"));
		assert_int_equal(works(tokens[i]), 200);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(works(tokens[i]), 200);
		free(tokens[i]);
	}
	/* they expire together; housekeeping removes so many rows at a time */
	w->ahead_us += 3601 * INT64_C(1000000);
	before = number("SELECT count(*) FROM token");
	assert_true(before > MANY);
	free(admin);
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
	fixture_begin(&w->store);
	assert_int_equal(store_token_purge(store_rw(w->store.store), cloud_wall(w), 16, &err), 16);
	assert_int_equal(store_token_purge(store_rw(w->store.store), cloud_wall(w), 1000, &err), before - 16);
	fixture_commit(&w->store);
	assert_int_equal(number("SELECT count(*) FROM token"), 1);
}

static bool in_file(const char *path, const char *text)
{
	CLEANUP(free_ptr) char *data = NULL;
	FILE *f = fopen(path, "rb");
	bool found;
	long n;

	if (!f)
		return false;
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	rewind(f);
	data = xmalloc((size_t)n + 1);
	assert_int_equal(fread(data, 1, (size_t)n, f), n);
	found = memmem(data, (size_t)n, text, strlen(text)) != NULL;
	fclose(f);
	return found;
}

static void test_secrets_are_kept_nowhere(void **state)
{
	FREE *path = NULL, *wal = xasprintf("%s-wal", w->store.path), *id = make_user("keeper-of-secrets");
	struct tenant t;

	(void)state;
	tenant_make(&t, "discreet");
	path = xasprintf("/users/%s/application_credentials", t.user);
	ASK(201, w, t.token, "POST", path,
		"{'application_credential': {'name': 'x', 'secret': 'a-secret-to-look-for'}}");
	/* the search finds what is there */
	assert_true(in_file(w->store.path, "keeper-of-secrets") || in_file(wal, "keeper-of-secrets"));
	for (int i = 0; i < 2; i++) {
		const char *file = i ? wal : w->store.path;

		assert_false(in_file(file, t.token));
		assert_false(in_file(file, "Secret-0"));
		assert_false(in_file(file, "a-secret-to-look-for"));
	}
	tenant_free(&t);
}

static void test_audit(void **state)
{
	(void)state;
	assert_int_equal(login(w, "nobody", "wrong", NULL, NULL), 401);
	assert_int_equal(number("SELECT status FROM audit WHERE action = 'token.create' AND user_uid IS NULL "
				"ORDER BY seq DESC LIMIT 1"),
		401);
	assert_true(number("SELECT count(*) FROM audit WHERE action = 'token.create' AND status = 201 AND "
			   "user_name = 'admin'") > 0);
	ASK(404, w, admin, "DELETE", "/users/nobody", NULL);
	assert_int_equal(number("SELECT status FROM audit WHERE target = 'nobody'"), 404);
}

/* --- the audit of requests that anybody can make --- */

static void test_denied_requests_are_tallied(void **state)
{
	int64_t rows = number("SELECT count(*) FROM audit");

	(void)state;
	w->api.config.audit_denied_max = 5;
	w->api.flows = NULL; /* no engine that housekeeping could tell anything */
	housekeeping_start(&w->api);
	for (int i = 0; i < 12; i++)
		ASK(401, w, i % 2 ? "no-such-token" : NULL, "POST", "/projects",
			"{'project': {'name': 'x'}}");
	assert_int_equal(number("SELECT count(*) FROM audit") - rows, 5);
	/* who is known has a row each time */
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': ''}}");
	assert_int_equal(number("SELECT count(*) FROM audit") - rows, 6);
	housekeeping_stop(&w->api);
	fixture_drain(&w->store);
	assert_int_equal(number("SELECT count(*) FROM audit WHERE action = 'audit.left_out' AND peer = "
				"'192.0.2.7' AND reason LIKE '7 more%'"),
		1);
	housekeeping_destroy(&w->api);
	w->api.flows = &w->flows;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_bootstrap_once),
		cmocka_unit_test(test_token_shape),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_refusals_look_alike),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_rescope_keeps_expiry),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_token_of_another),
		cmocka_unit_test(test_disabling_ends_tokens),
		cmocka_unit_test(test_lost_role_ends_tokens),
		cmocka_unit_test(test_new_role_counts_at_once),
		cmocka_unit_test(test_password_change),
		cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_app_credential),
		cmocka_unit_test(test_app_credential_expires),
		cmocka_unit_test(test_every_route_is_guarded),
		cmocka_unit_test(test_own_things),
		cmocka_unit_test(test_projects),
		cmocka_unit_test(test_project_that_holds_things),
		cmocka_unit_test(test_users_and_paging),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_groups_give_roles),
		cmocka_unit_test(test_inherited_roles),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_domain_role),
		cmocka_unit_test(test_domain_as_project),
		cmocka_unit_test(test_catalog_can_be_read),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_catalog_grows),
		cmocka_unit_test(test_body_limits),
		cmocka_unit_test(test_memory_follows_the_rows),
		cmocka_unit_test(test_local_root),
		cmocka_unit_test(test_many_tokens),
		cmocka_unit_test(test_secrets_are_kept_nowhere),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_denied_requests_are_tallied),
	};

	log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, up, down);
}
