/* SPDX-License-Identifier: Apache-2.0 */
/* Identity's rules through its route table on a real store: passwords that expire and repeat, trees of
 * projects, credentials for some requests only, lists as the clients ask for them. */
#include "identity_fixture.h"

#define FREE CLEANUP(free_ptr) char
#define MEMBER "c10dd000000000000000000000000003"
#define READER "c10dd000000000000000000000000004"
static const int64_t DAY = INT64_C(24) * 3600 * 1000000;

static struct cloud the_cloud, *const w = &the_cloud;
static char *admin, *admin_project;

static void sign_in(void)
{
	free(admin);
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
}

static int up(void **state)
{
	(void)state;
	cloud_up(w, 2, 8);
	w->api.config.token_ttl_s = 86400;
	w->as_root = true;
	ASK(201, w, NULL, "POST", "!/bootstrap",
		"{'bootstrap': {'username': 'admin', 'password': 'Secret-0', 'project': 'admin'}}");
	admin_project = keep(w, "bootstrap.project.id");
	w->as_root = false;
	sign_in();
	return 0;
}

static int down(void **state)
{
	(void)state;
	free(admin);
	free(admin_project);
	cloud_down(w);
	return 0;
}

/* Each test begins with no rules on passwords. */
static int reset(void **state)
{
	(void)state;
	w->api.config.passwords = (struct password_rules) { 0 };
	w->api.config.credential_max_days = 0;
	return 0;
}

static char *make(const char *what, const char *path, const char *attributes)
{
	char where[64];

	ASK(201, w, admin, "POST", path, "{'%s': {%s}}", what, attributes);
	snprintf(where, sizeof where, "%s.id", what);
	return keep(w, where);
}

static int at_path(const char *token, const char *method, const char *body, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int at_path(const char *token, const char *method, const char *body, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	return body ? ask(w, token, method, path, "%s", body) : ask(w, token, method, path, NULL);
}

#define AT(want, ...)                                                                                    \
	do {                                                                                             \
		int got_ = at_path(__VA_ARGS__);                                                         \
		if (got_ != (want))                                                                      \
			fail_msg("line %d: %d instead of %d: %s", __LINE__, got_, (want), w->last.text); \
	} while (0)

/* --- passwords --- */

static int change(const char *user, const char *old, const char *new)
{
	FREE *path = xasprintf("/users/%s/password", user);

	return ask(
		w, NULL, "POST", path, "{'user': {'original_password': '%s', 'password': '%s'}}", old, new);
}

static void test_strength(void **state)
{
	FREE *user = make("user", "/users", "'name': 'strong', 'password': 'x'");

	(void)state;
	w->api.config.passwords = (struct password_rules) {
		.min_length = 7, .regex = "[0-9]", .regex_says = "it needs a digit"
	};
	ASK(400, w, admin, "POST", "/users", "{'user': {'name': 'weak', 'password': 'short1'}}");
	ASK(400, w, admin, "POST", "/users", "{'user': {'name': 'weak', 'password': 'without a digit'}}");
	assert_non_null(strstr(text_at(w, "error.message"), "it needs a digit"));
	AT(400, admin, "PATCH", "{'user': {'password': 'x'}}", "/users/%s", user);
	assert_int_equal(change(user, "x", "y"), 400);
	assert_int_equal(change(user, "x", "long enough 1"), 204);
	assert_int_equal(login(w, "strong", "long enough 1", NULL, NULL), 201);
}

static void test_expiry(void **state)
{
	FREE *user = NULL, *token = NULL;

	(void)state;
	w->api.config.passwords.expires_days = 2;
	user = make("user", "/users", "'name': 'aging', 'password': 'first'");
	assert_non_null(text_at(w, "user.password_expires_at"));
	assert_int_equal(
		strlen(text_at(w, "user.password_expires_at")), strlen("2026-01-01T00:00:00.000000"));
	assert_int_equal(login(w, "aging", "first", NULL, &token), 201);
	assert_non_null(text_at(w, "token.user.password_expires_at"));
	w->ahead_us += 3 * DAY;
	sign_in();
	assert_int_equal(login(w, "aging", "wrong", NULL, NULL), 401);
	assert_null(strstr(text_at(w, "error.message"), "expired"));
	assert_int_equal(login(w, "aging", "first", NULL, NULL), 401);
	assert_non_null(strstr(text_at(w, "error.message"), "password is expired"));
	/* the one thing that an expired password is good for */
	assert_int_equal(change(user, "first", "second"), 204);
	assert_int_equal(login(w, "aging", "second", NULL, NULL), 201);
	/* an exception */
	AT(200, admin, "PATCH", "{'user': {'options': {'ignore_password_expiry': true}}}", "/users/%s", user);
	assert_true(json_is_null(at(w, "user.password_expires_at")));
	assert_true(json_is_true(at(w, "user.options.ignore_password_expiry")));
	w->ahead_us += 3 * DAY;
	sign_in();
	assert_int_equal(login(w, "aging", "second", NULL, NULL), 201);
	AT(200, admin, "PATCH", "{'user': {'options': {'ignore_password_expiry': null}}}", "/users/%s", user);
	assert_null(at(w, "user.options.ignore_password_expiry"));
	assert_int_equal(login(w, "aging", "second", NULL, NULL), 401);
	AT(400, admin, "PATCH", "{'user': {'options': {'no_such_option': true}}}", "/users/%s", user);
	AT(400, admin, "PATCH", "{'user': {'options': {'lock_password': 1}}}", "/users/%s", user);
}

static void test_change_first(void **state)
{
	FREE *user = NULL, *free_user = NULL;

	(void)state;
	w->api.config.passwords.change_first = true;
	user = make("user", "/users", "'name': 'fresh', 'password': 'given'");
	assert_int_equal(login(w, "fresh", "given", NULL, NULL), 401);
	assert_int_equal(change(user, "given", "own"), 204);
	assert_int_equal(login(w, "fresh", "own", NULL, NULL), 201);
	AT(200, admin, "PATCH", "{'user': {'password': 'reset'}}", "/users/%s", user);
	assert_int_equal(login(w, "fresh", "reset", NULL, NULL), 401);
	free_user = make("user", "/users",
		"'name': 'robot', 'password': 'given', 'options': "
		"{'ignore_change_password_upon_first_use': true}");
	assert_int_equal(login(w, "robot", "given", NULL, NULL), 201);
	assert_non_null(free_user);
}

static void test_history(void **state)
{
	FREE *user = NULL;

	(void)state;
	w->api.config.passwords.unique_last = 2;
	user = make("user", "/users", "'name': 'creature of habit', 'password': 'one'");
	assert_int_equal(change(user, "one", "one"), 400);
	assert_int_equal(change(user, "one", "two"), 204);
	assert_int_equal(change(user, "two", "one"), 400);
	AT(400, admin, "PATCH", "{'user': {'password': 'one'}}", "/users/%s", user);
	assert_int_equal(change(user, "two", "three"), 204);
	assert_int_equal(change(user, "three", "one"), 204); /* forgotten by now */
	assert_int_equal(login(w, "creature of habit", "one", NULL, NULL), 201);
}

static void test_age_and_lock(void **state)
{
	FREE *user = make("user", "/users", "'name': 'hasty', 'password': 'one'");

	(void)state;
	w->api.config.passwords.min_age_days = 1;
	assert_int_equal(change(user, "one", "two"), 400);
	w->ahead_us += DAY;
	sign_in();
	assert_int_equal(change(user, "one", "two"), 204);
	w->api.config.passwords.min_age_days = 0;
	AT(200, admin, "PATCH", "{'user': {'options': {'lock_password': true}}}", "/users/%s", user);
	assert_int_equal(change(user, "two", "three"), 403);
	AT(200, admin, "PATCH", "{'user': {'password': 'three'}}", "/users/%s", user);
	assert_int_equal(login(w, "hasty", "three", NULL, NULL), 201);
	/* no password at all */
	AT(200, admin, "PATCH", "{'user': {'password': null}}", "/users/%s", user);
	assert_int_equal(login(w, "hasty", "three", NULL, NULL), 401);
}

/* Who exists, is locked, is disabled, or has guessed right meanwhile: a guesser gets one and the same answer.
 */
static void test_guesser_learns_nothing(void **state)
{
	FREE *user = make("user", "/users", "'name': 'target', 'password': 'right'");
	FREE *wrong = NULL;

	(void)state;
	w->api.config.passwords.unique_last = 3;
	assert_int_equal(change("no-such-user", "x", "y"), 401);
	wrong = keep(w, "error.message");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(change(user, "guess", "y"), 401);
		assert_string_equal(text_at(w, "error.message"), wrong);
	}
	/* locked now: the right one, the right one twice, and a wrong one */
	assert_int_equal(change(user, "right", "y"), 401);
	assert_string_equal(text_at(w, "error.message"), wrong);
	assert_int_equal(change(user, "right", "right"), 401);
	assert_string_equal(text_at(w, "error.message"), wrong);
	assert_int_equal(login(w, "target", "right", NULL, NULL), 401);
	assert_string_equal(text_at(w, "error.message"), wrong);
	w->ahead_us += 31 * INT64_C(1000000);
	AT(200, admin, "PATCH", "{'user': {'enabled': false}}", "/users/%s", user);
	assert_int_equal(change(user, "right", "y"), 401);
	assert_int_equal(login(w, "target", "right", NULL, NULL), 401);
	assert_string_equal(text_at(w, "error.message"), wrong);
	AT(200, admin, "PATCH",
		"{'user': {'enabled': true, 'options': {'ignore_lockout_failure_attempts': true}}}",
		"/users/%s", user);
	for (int i = 0; i < 5; i++)
		assert_int_equal(login(w, "target", "wrong", NULL, NULL), 401);
	assert_int_equal(login(w, "target", "right", NULL, NULL), 201);
}

/* --- trees of projects --- */

static char *project(const char *name, const char *parent)
{
	FREE *text = parent ? xasprintf("'name': '%s', 'parent_id': '%s'", name, parent)
			    : xasprintf("'name': '%s'", name);

	return make("project", "/projects", text);
}

static void test_tree(void **state)
{
	FREE *top = project("top", NULL), *left = project("left", top), *right = project("right", top);
	FREE *leaf = project("leaf", left),
	     *user = make("user", "/users", "'name': 'gardener', 'password': 'x'");
	FREE *path = NULL, *token = NULL;

	(void)state;
	AT(200, admin, "GET", NULL, "/projects/%s?parents_as_list&subtree_as_list", left);
	assert_int_equal(count_at(w, "project.parents"), 1);
	assert_string_equal(text_at(w, "project.parents.0.project.id"), top);
	assert_int_equal(count_at(w, "project.subtree"), 1);
	assert_string_equal(text_at(w, "project.subtree.0.project.id"), leaf);
	AT(200, admin, "GET", NULL, "/projects/%s?subtree_as_ids=True", top);
	path = xasprintf("project.subtree.%s.%s", left, leaf);
	assert_true(json_is_null(at(w, path)));
	free(path);
	path = xasprintf("project.subtree.%s", right);
	assert_true(json_is_null(at(w, path)));
	assert_int_equal(json_object_size(at(w, "project.subtree")), 2);
	AT(200, admin, "GET", NULL, "/projects/%s?parents_as_ids", leaf);
	free(path);
	path = xasprintf("project.parents.%s.%s.default", left, top);
	assert_true(json_is_null(at(w, path)));
	AT(200, admin, "GET", NULL, "/projects/%s?parents_as_ids&subtree_as_ids", leaf);
	assert_true(json_is_null(at(w, "project.subtree")));
	AT(400, admin, "GET", NULL, "/projects/%s?parents_as_ids&parents_as_list", leaf);
	AT(200, admin, "GET", NULL, "/projects?parent_id=%s", top);
	assert_int_equal(count_at(w, "projects"), 2);
	/* a member of left alone sees neither what is above nor what is below */
	AT(204, admin, "PUT", NULL, "/projects/%s/users/%s/roles/" MEMBER, left, user);
	assert_int_equal(login(w, "gardener", "x", SCOPE_OF("left"), &token), 201);
	AT(200, token, "GET", NULL, "/projects/%s?parents_as_list&subtree_as_list", left);
	assert_int_equal(count_at(w, "project.parents"), 0);
	assert_int_equal(count_at(w, "project.subtree"), 0);
	AT(200, token, "GET", NULL, "/projects/%s?parents_as_ids&subtree_as_ids", left);
	assert_true(json_is_null(at(w, "project.parents")));
	assert_true(json_is_null(at(w, "project.subtree")));
	AT(403, admin, "DELETE", NULL, "/projects/%s", top);
}

/* Whatever a token stands on ends it in the tick that ends the thing. */
static void test_what_ends_tokens(void **state)
{
	FREE *domain = make("domain", "/domains", "'name': 'elsewhere'"), *user = NULL, *parent = NULL;
	FREE *child = NULL, *text = NULL, *token = NULL, *unscoped = NULL;

	(void)state;
	text = xasprintf("'name': 'above', 'domain_id': '%s'", domain);
	parent = make("project", "/projects", text);
	child = project("under", parent);
	free(text);
	text = xasprintf("'name': 'visitor', 'password': 'x'");
	user = make("user", "/users", text);
	AT(204, admin, "PUT", NULL, "/projects/%s/users/%s/roles/" MEMBER, child, user);
	free(text);
	text = xasprintf("{'project': {'id': '%s'}}", child);
	assert_int_equal(login(w, "visitor", "x", text, &token), 201);
	assert_int_equal(login(w, "visitor", "x", NULL, &unscoped), 201);
	AT(200, token, "GET", NULL, "/auth/projects");
	/* a parent goes after its children */
	AT(403, admin, "PATCH", "{'project': {'enabled': false}}", "/projects/%s", parent);
	AT(200, admin, "PATCH", "{'project': {'enabled': false}}", "/projects/%s", child);
	AT(401, token, "GET", NULL, "/auth/projects");
	AT(200, unscoped, "GET", NULL, "/auth/projects");
	AT(200, admin, "PATCH", "{'project': {'enabled': false}}", "/projects/%s", parent);
	AT(403, admin, "PATCH", "{'project': {'enabled': true}}", "/projects/%s", child);
	ASK(403, w, admin, "POST", "/projects", "{'project': {'name': 'orphan', 'parent_id': '%s'}}", parent);
	AT(200, admin, "PATCH", "{'project': {'enabled': true}}", "/projects/%s", parent);
	AT(200, admin, "PATCH", "{'project': {'enabled': true}}", "/projects/%s", child);
	/* the old token is gone for good */
	AT(401, token, "GET", NULL, "/auth/projects");
	free(token);
	assert_int_equal(login(w, "visitor", "x", text, &token), 201);
	/* the domain of the project, with an enabled project in it */
	AT(200, admin, "PATCH", "{'domain': {'enabled': false}}", "/domains/%s", domain);
	AT(401, token, "GET", NULL, "/auth/projects");
	assert_int_equal(login(w, "visitor", "x", text, NULL), 401);
	AT(200, admin, "PATCH", "{'domain': {'enabled': true}}", "/domains/%s", domain);
	free(token);
	assert_int_equal(login(w, "visitor", "x", text, &token), 201);
	AT(200, admin, "PATCH", "{'user': {'enabled': false}}", "/users/%s", user);
	AT(401, token, "GET", NULL, "/auth/projects");
	AT(401, unscoped, "GET", NULL, "/auth/projects");
}

/* --- lists --- */

static void names_like(size_t want, const char *query)
{
	AT(200, admin, "GET", NULL, "/groups?%s", query);
	if (count_at(w, "groups") != want)
		fail_msg("%s: %zu instead of %zu", query, count_at(w, "groups"), want);
}

static void test_lists(void **state)
{
	static const char *const names[] = { "Alpha", "alphabet", "beta", "Gamma ray" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ASK(201, w, admin, "POST", "/groups", "{'group': {'name': '%s'}}", names[i]);
	names_like(1, "name__contains=bet&name__startswith=b");
	names_like(2, "name__contains=bet");
	names_like(1, "name__startswith=al");
	names_like(2, "name__istartswith=AL");
	names_like(
		2, "name__endswith=ta&name=beta&name__contains=e" + strlen("name__endswith=ta&name=beta&"));
	names_like(1, "name__endswith=eta");
	names_like(1, "name__iendswith=RAY");
	names_like(1, "name__icontains=GAMMA");
	names_like(0, "name__contains=GAMMA");
	AT(200, admin, "GET", NULL, "/groups?name__contains=a&limit=2");
	assert_int_equal(count_at(w, "groups"), 2);
	assert_true(json_is_true(at(w, "truncated")));
	assert_non_null(strstr(text_at(w, "links.next"), "name__contains=a"));
	AT(200, admin, "GET", NULL, "/roles?limit=2");
	assert_int_equal(count_at(w, "roles"), 2);
	AT(200, admin, "GET", NULL, "/roles?limit=2&marker=%s", text_at(w, "roles.1.id"));
	assert_true(count_at(w, "roles") >= 1);
	AT(400, admin, "GET", NULL, "/domains?marker=none");
	AT(200, admin, "GET", NULL, "/domains?limit=1");
	assert_int_equal(count_at(w, "domains"), 1);
}

/* --- credentials for some requests --- */

static int credential_login(const char *id, const char *secret, char **token)
{
	int status = ask(w, NULL, "POST", "/auth/tokens",
		"{'auth': {'identity': {'methods': ['application_credential'], 'application_credential': "
		"{'id': '%s', "
		"'secret': '%s'}}}}",
		id, secret);

	if (status == 201)
		*token = xstrdup(header_out(w, "X-Subject-Token"));
	return status;
}

static void test_access_rules(void **state)
{
	FREE *me = NULL, *path = NULL, *id = NULL, *secret = NULL, *token = NULL, *rule = NULL;

	(void)state;
	AT(200, admin, "GET", NULL, "/users?name=admin");
	me = keep(w, "users.0.id");
	path = xasprintf("/users/%s/application_credentials", me);
	ASK(400, w, admin, "POST", path,
		"{'application_credential': {'name': 'a', 'access_rules': [{'service': 'compute', 'method': "
		"'GET', "
		"'path': 'v2.1'}]}}");
	ASK(400, w, admin, "POST", path,
		"{'application_credential': {'name': 'a', 'access_rules': [{'service': 'nova', 'method': "
		"'GET', 'path': "
		"'/v2.1'}]}}");
	ASK(400, w, admin, "POST", path,
		"{'application_credential': {'name': 'a', 'access_rules': [{'id': 'none'}]}}");
	ASK(201, w, admin, "POST", path,
		"{'application_credential': {'name': 'narrow', 'access_rules': [{'service': 'identity', "
		"'method': "
		"'GET', 'path': '/v3/auth/projects'}, {'service': 'identity', 'method': 'GET', 'path': "
		"'/v3/users/{id}/access_rules'}]}}");
	assert_int_equal(count_at(w, "application_credential.access_rules"), 2);
	id = keep(w, "application_credential.id");
	secret = keep(w, "application_credential.secret");
	rule = keep(w, "application_credential.access_rules.0.id");
	assert_int_equal(credential_login(id, secret, &token), 201);
	AT(200, token, "GET", NULL, "/auth/projects");
	AT(403, token, "GET", NULL, "/auth/catalog");
	AT(403, token, "GET", NULL, "/projects");
	AT(403, token, "POST", "{'project': {'name': 'x'}}", "/projects");
	AT(200, token, "GET", NULL, "/users/%s/access_rules", me);
	assert_int_equal(count_at(w, "access_rules"), 2);
	AT(403, token, "GET", NULL, "/users/%s/access_rules/%s", me, rule);
	/* the same rule again is the same rule; by its id too */
	ASK(201, w, admin, "POST", path,
		"{'application_credential': {'name': 'second', 'access_rules': [{'id': '%s'}, {'service': "
		"'identity', "
		"'method': 'GET', 'path': '/v3/auth/projects'}]}}",
		rule);
	assert_int_equal(count_at(w, "application_credential.access_rules"), 1);
	AT(200, admin, "GET", NULL, "/users/%s/access_rules", me);
	assert_int_equal(count_at(w, "access_rules"), 2);
	AT(403, admin, "DELETE", NULL, "/users/%s/access_rules/%s", me, rule);
	AT(204, admin, "DELETE", NULL, "/users/%s/application_credentials/%s", me, id);
	AT(401, token, "GET", NULL, "/auth/projects");
	AT(200, admin, "GET", NULL, "/users/%s/application_credentials?name=second", me);
	free(id);
	id = keep(w, "application_credentials.0.id");
	AT(204, admin, "DELETE", NULL, "/users/%s/application_credentials/%s", me, id);
	AT(204, admin, "DELETE", NULL, "/users/%s/access_rules/%s", me, rule);
	AT(404, admin, "GET", NULL, "/users/%s/access_rules/%s", me, rule);
}

/* Rules outlive their credentials: nobody fills the disk, or the memory of who lists them, with such. */
static void test_access_rules_are_bounded(void **state)
{
	FREE *me = NULL, *path = NULL;
	int status = 201, n = 0;

	(void)state;
	AT(200, admin, "GET", NULL, "/users?name=admin");
	me = keep(w, "users.0.id");
	path = xasprintf("/users/%s/application_credentials", me);
	for (; status == 201 && n < 2000; n += 20) {
		CLEANUP(buf_finish) struct buf rules = { 0 };

		for (int i = 0; i < 20; i++)
			buf_printf(&rules, "%s{'service': 'compute', 'method': 'GET', 'path': '/v2.1/%d'}",
				i ? ", " : "", n + i);
		status = ask(w, admin, "POST", path,
			"{'application_credential': {'name': 'many', 'access_rules': [%s]}}",
			buf_text(&rules));
		if (status == 201)
			AT(204, admin, "DELETE", NULL, "/users/%s/application_credentials/%s", me,
				text_at(w, "application_credential.id"));
	}
	assert_int_equal(status, 403);
	assert_in_range(n, 960, 1020); /* other tests leave some */
	/* old ones still serve */
	ASK(201, w, admin, "POST", path,
		"{'application_credential': {'name': 'again', 'access_rules': [{'service': 'compute', "
		"'method': "
		"'GET', 'path': '/v2.1/7'}]}}");
	AT(204, admin, "DELETE", NULL, "/users/%s/application_credentials/%s", me,
		text_at(w, "application_credential.id"));
}

/* Two may hold at once, so that one can take the other's place; none lives for longer than the operator
 * allows. */
static void test_credentials_expire_and_rotate(void **state)
{
	FREE *me = NULL, *path = NULL, *old = NULL, *old_secret = NULL, *token = NULL, *new_token = NULL;
	char soon[TIME_TEXT], late[TIME_TEXT];

	(void)state;
	time_iso(cloud_wall(w) + DAY, soon);
	time_iso(cloud_wall(w) + 40 * DAY, late);
	AT(200, admin, "GET", NULL, "/users?name=admin");
	me = keep(w, "users.0.id");
	path = xasprintf("/users/%s/application_credentials", me);
	w->api.config.credential_max_days = 30;
	ASK(400, w, admin, "POST", path, "{'application_credential': {'name': 'for ever'}}");
	ASK(400, w, admin, "POST", path, "{'application_credential': {'name': 'late', 'expires_at': '%s'}}",
		late);
	ASK(201, w, admin, "POST", path, "{'application_credential': {'name': 'one', 'expires_at': '%s'}}",
		soon);
	old = keep(w, "application_credential.id");
	old_secret = keep(w, "application_credential.secret");
	assert_int_equal(credential_login(old, old_secret, &token), 201);
	ASK(201, w, admin, "POST", path, "{'application_credential': {'name': 'two', 'expires_at': '%s'}}",
		soon);
	assert_int_equal(
		credential_login(text_at(w, "application_credential.id"), "not its secret", &new_token), 401);
	AT(200, admin, "GET", NULL, "%s", path);
	assert_int_equal(count_at(w, "application_credentials"), 2);
	AT(204, admin, "DELETE", NULL, "%s/%s", path, old);
	AT(401, token, "GET", NULL, "/auth/projects");
	assert_int_equal(credential_login(old, old_secret, &new_token), 401);
}

#define T(f) cmocka_unit_test_teardown(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_strength),
		T(test_expiry),
		T(test_change_first),
		T(test_history),
		T(test_age_and_lock),
		T(test_guesser_learns_nothing),
		T(test_tree),
		T(test_what_ends_tokens),
		T(test_lists),
		T(test_access_rules),
		T(test_access_rules_are_bounded),
		T(test_credentials_expire_and_rotate),
	};

	return cmocka_run_group_tests(tests, up, down);
}
