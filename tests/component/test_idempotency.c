/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key through the dispatcher on a real store: what a retry meets, and what it does not. */
#include "identity_fixture.h"

#include "base/seal.h"
#include "store/idempotency.h"

#define FREE CLEANUP(free_ptr) char

static struct cloud the_cloud, *const w = &the_cloud;
static char *admin, *of_domain;

static int up(void **state)
{
	(void)state;
	cloud_up(w, 2, 8);
	w->as_root = true;
	ASK(201, w, NULL, "POST", "!/bootstrap",
		"{'bootstrap': {'username': 'admin', 'password': 'Secret-0', 'project': 'admin'}}");
	w->as_root = false;
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
	assert_int_equal(login(w, "admin", "Secret-0", "{'system': {'all': true}}", &of_domain), 201);
	return 0;
}

static int down(void **state)
{
	(void)state;
	free(admin);
	free(of_domain);
	cloud_down(w);
	return 0;
}

static void use_key(const char *key)
{
	w->more = (struct http_pair) { key ? "Idempotency-Key" : NULL, key };
}

static int no_key(void **state)
{
	(void)state;
	use_key(NULL);
	return 0;
}

static bool was_replayed(void)
{
	return header_out(w, "Idempotent-Replayed") != NULL;
}

static int64_t count_of(const char *sql, const char *text)
{
	struct error err = { 0 };
	int64_t n = 0;

	assert_true(db_int_query(store_ro(w->store.store), &err, &n, sql, text ? "s" : NULL, text) >= 0);
	return n;
}

static int64_t projects(const char *name)
{
	return count_of("SELECT count(*) FROM project WHERE deleted_us = 0 AND name = ?", name);
}

static void test_retry_gets_the_first_answer(void **state)
{
	json_t *first;

	(void)state;
	use_key("retry-1");
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'once', 'colour': 'red'}}");
	assert_false(was_replayed());
	first = json_deep_copy(w->last.body);
	for (int i = 0; i < 3; i++) {
		ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'once', 'colour': 'red'}}");
		assert_true(was_replayed());
		assert_true(json_equal(first, w->last.body));
	}
	assert_int_equal(projects("once"), 1);
	assert_int_equal(count_of("SELECT count(*) FROM audit WHERE action = 'project.create' AND target = ?",
				 json_string_value(json_object_get(json_object_get(first, "project"), "id"))),
		1);
	json_decref(first);
	/* without the key it is just another request */
	use_key(NULL);
	ASK(409, w, admin, "POST", "/projects", "{'project': {'name': 'once'}}");
}

static void test_another_request_is_refused(void **state)
{
	(void)state;
	use_key("other-1");
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'other'}}");
	ASK(409, w, admin, "POST", "/projects", "{'project': {'name': 'other2'}}");
	assert_non_null(strstr(text_at(w, "error.message"), "Idempotency-Key"));
	ASK(409, w, admin, "POST", "/projects?x=1", "{'project': {'name': 'other'}}");
	ASK(409, w, admin, "POST", "/groups", "{'group': {'name': 'other'}}");
	assert_int_equal(projects("other2"), 0);
	/* GET and PATCH do not look at it */
	ASK(200, w, admin, "GET", "/projects", NULL);
	assert_false(was_replayed());
}

/* What is kept of a body, which may hold a password, is of no use to who knows all but the password. */
static void test_what_is_kept_needs_the_key(void **state)
{
	int64_t rows = count_of("SELECT count(*) FROM request", NULL);
	int64_t prints = count_of("SELECT count(DISTINCT fingerprint) FROM request", NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		FREE *id = NULL;

		use_key(i ? "kept-2" : "kept-1");
		ASK(201, w, admin, "POST", "/users", "{'user': {'name': 'kept', 'password': 'Secret-0'}}");
		assert_false(was_replayed());
		id = xasprintf("/users/%s", text_at(w, "user.id"));
		ASK(204, w, admin, "DELETE", id, NULL);
	}
	assert_int_equal(count_of("SELECT count(*) FROM request", NULL), rows + 2);
	assert_int_equal(count_of("SELECT count(DISTINCT fingerprint) FROM request", NULL), prints + 2);
}

static void test_refused_leaves_no_row(void **state)
{
	int64_t rows = count_of("SELECT count(*) FROM request", NULL);

	(void)state;
	use_key("refused-1");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 4}}");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'deep', 'domain_id': 5}}");
	assert_int_equal(count_of("SELECT count(*) FROM request", NULL), rows);
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'deep'}}");
	assert_false(was_replayed());
}

static void test_keys_belong_to_the_project(void **state)
{
	FREE *first = NULL;

	(void)state;
	use_key("shared-1");
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'mine'}}");
	first = keep(w, "project.id");
	/* the same user in another scope: another request, which meets the name that is taken */
	ASK(409, w, of_domain, "POST", "/projects", "{'project': {'name': 'mine'}}");
	assert_null(strstr(text_at(w, "error.message"), "Idempotency-Key"));
	ASK(201, w, of_domain, "POST", "/projects", "{'project': {'name': 'yours'}}");
	assert_string_not_equal(text_at(w, "project.id"), first);
}

static void test_another_user_of_the_project(void **state)
{
	FREE *user = NULL, *project = NULL, *token = NULL, *path = NULL;

	(void)state;
	ASK(201, w, admin, "POST", "/users", "{'user': {'name': 'second', 'password': 'Secret-0'}}");
	user = keep(w, "user.id");
	ASK(200, w, admin, "GET", "/projects?name=admin", NULL);
	project = keep(w, "projects.0.id");
	path = xasprintf("/projects/%s/users/%s/roles/c10dd000000000000000000000000002", project, user);
	ASK(204, w, admin, "PUT", path, NULL);
	assert_int_equal(login(w, "second", "Secret-0", SCOPE_OF("admin"), &token), 201);
	use_key("between-1");
	ASK(201, w, admin, "POST", "/groups", "{'group': {'name': 'between'}}");
	ASK(409, w, token, "POST", "/groups", "{'group': {'name': 'between'}}");
	assert_non_null(strstr(text_at(w, "error.message"), "Idempotency-Key"));
}

/* Both are on their way before either has an answer. */
static void test_two_at_once(void **state)
{
	static struct reply a, b;
	const char *bodies[] = { "{\"user\": {\"name\": \"twin\", \"password\": \"Secret-0\"}}",
		"{\"user\": {\"name\": \"lone\"}}" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		use_key(i ? "lone-1" : "twin-1");
		start(w, &a, "POST", "/users", admin, NULL, bodies[i]);
		start(w, &b, "POST", "/users", admin, NULL, bodies[i]);
		finish(w, &a);
		finish(w, &b);
		assert_int_equal(a.status, 201);
		assert_int_equal(b.status, 201);
		assert_true(json_equal(a.body, b.body));
	}
	reply_finish(&a);
	reply_finish(&b);
	assert_int_equal(count_of("SELECT count(*) FROM user WHERE name IN ('twin', 'lone')", NULL), 2);
}

static void test_secrets_are_sealed(void **state)
{
	FREE *secret = NULL, *self = NULL, *path = NULL;
	struct error err = { 0 };
	int64_t n = 0;

	(void)state;
	ASK(200, w, admin, "GET", "/users?name=admin", NULL);
	self = keep(w, "users.0.id");
	path = xasprintf("/users/%s/application_credentials", self);
	use_key("secret-1");
	ASK(201, w, admin, "POST", path, "{'application_credential': {'name': 'sealed'}}");
	secret = keep(w, "application_credential.secret");
	ASK(201, w, admin, "POST", path, "{'application_credential': {'name': 'sealed'}}");
	assert_true(was_replayed());
	assert_string_equal(text_at(w, "application_credential.secret"), secret);
	assert_true(
		db_int_query(store_ro(w->store.store), &err, &n,
			"SELECT count(*) FROM request WHERE instr(reply, cast(?1 AS BLOB)) OR instr(reply, "
			"cast('sealed' AS BLOB)) OR instr(reply, cast('secret-1' AS BLOB))",
			"s", secret) >= 0);
	assert_int_equal(n, 0);
}

static void test_impossible_keys(void **state)
{
	char longest[257];

	(void)state;
	memset(longest, 'k', 256);
	longest[256] = '\0';
	use_key(longest);
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'k'}}");
	use_key("");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'k'}}");
	use_key("two words");
	ASK(400, w, admin, "POST", "/projects", "{'project': {'name': 'k'}}");
	use_key(longest + 1);
	ASK(201, w, admin, "POST", "/projects", "{'project': {'name': 'k'}}");
}

static void test_tokens_are_new_each_time(void **state)
{
	FREE *first = NULL, *second = NULL;

	(void)state;
	use_key("token-1");
	assert_int_equal(login(w, "admin", "Secret-0", NULL, &first), 201);
	assert_int_equal(login(w, "admin", "Secret-0", NULL, &second), 201);
	assert_string_not_equal(first, second);
}

/* The reply to a change of password is lost, and the old password is no good any more. */
static void test_password_change(void **state)
{
	FREE *user = NULL, *path = NULL;

	(void)state;
	ASK(201, w, admin, "POST", "/users", "{'user': {'name': 'changer', 'password': 'old-one'}}");
	user = keep(w, "user.id");
	path = xasprintf("/users/%s/password", user);
	use_key("change-1");
	ASK(204, w, NULL, "POST", path, "{'user': {'original_password': 'old-one', 'password': 'new-one'}}");
	ASK(204, w, NULL, "POST", path, "{'user': {'original_password': 'old-one', 'password': 'new-one'}}");
	assert_true(was_replayed());
	ASK(409, w, NULL, "POST", path, "{'user': {'original_password': 'guess', 'password': 'new-one'}}");
	use_key(NULL);
	ASK(401, w, NULL, "POST", path, "{'user': {'original_password': 'old-one', 'password': 'new-one'}}");
}

static void purge(int64_t limit, int want)
{
	struct error err = { 0 };

	fixture_begin(&w->store);
	assert_int_equal(store_request_purge(store_rw(w->store.store), cloud_wall(w), limit, &err), want);
	fixture_commit(&w->store);
}

/* Whoever sends a new key with each of very many requests is told so, and nothing is done. */
static void test_kept_replies_are_bounded(void **state)
{
	static const char fill[] =
		"INSERT INTO request (id, owner_id, key_hash, fingerprint, reply, expires_us) "
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
		"SELECT -i, (SELECT id FROM project WHERE name = 'admin'), cast(i AS BLOB), x'', x'', 1 FROM "
		"n";
	struct error err;

	(void)state;
	fixture_begin(&w->store);
	assert_true(db_run(store_rw(w->store.store), &err, fill, "i", (int64_t)KEPT_REQUESTS_MAX) > 0);
	fixture_commit(&w->store);
	use_key("one-too-many");
	ASK(403, w, admin, "POST", "/groups", "{'group': {'name': 'crowd'}}");
	use_key(NULL);
	ASK(201, w, admin, "POST", "/groups", "{'group': {'name': 'crowd'}}");
	fixture_begin(&w->store);
	assert_int_equal(db_run(store_rw(w->store.store), &err, "DELETE FROM request WHERE id < 0", NULL),
		KEPT_REQUESTS_MAX);
	fixture_commit(&w->store);
}

/* The last one: a day passes, and with it all tokens. */
static void test_a_day_later(void **state)
{
	int64_t rows;

	(void)state;
	use_key("day-1");
	ASK(201, w, admin, "POST", "/groups", "{'group': {'name': 'daily'}}");
	rows = count_of("SELECT count(*) FROM request", NULL);
	assert_true(rows > 4);
	purge(100, 0);
	w->ahead_us += INT64_C(25) * 3600 * 1000000;
	use_key(NULL);
	free(admin);
	assert_int_equal(login(w, "admin", "Secret-0", SCOPE_OF("admin"), &admin), 201);
	use_key("day-1");
	ASK(409, w, admin, "POST", "/groups",
		"{'group': {'name': 'daily'}}"); /* a new request: the name is taken */
	assert_null(strstr(text_at(w, "error.message"), "Idempotency-Key"));
	ASK(201, w, admin, "POST", "/groups", "{'group': {'name': 'weekly'}}");
	purge(2, 2);
	purge(100, (int)rows - 1 - 2); /* the expired row of day-1 was taken over */
	assert_int_equal(count_of("SELECT count(*) FROM request", NULL), 1);
}

static void test_seal(void **state)
{
	static const char text[] = "adminPass";
	unsigned char box[sizeof text + SEAL_EXTRA], again[sizeof box], open[sizeof text];

	(void)state;
	seal(&rng_system, "key", "test", text, sizeof text, box);
	seal(&rng_system, "key", "test", text, sizeof text, again);
	assert_memory_not_equal(box, again, sizeof box);
	assert_true(unseal("key", "test", box, sizeof box, open));
	assert_string_equal((char *)open, text);
	assert_false(unseal("kez", "test", box, sizeof box, open));
	assert_false(unseal("key", "tesu", box, sizeof box, open));
	for (size_t i = 0; i < sizeof box; i++) {
		box[i] ^= 1;
		assert_false(unseal("key", "test", box, sizeof box, open));
		box[i] ^= 1;
	}
	assert_false(unseal("key", "test", box, SEAL_EXTRA - 1, open));
}

#define T(f) cmocka_unit_test_teardown(f, no_key)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_seal),
		T(test_retry_gets_the_first_answer),
		T(test_another_request_is_refused),
		T(test_what_is_kept_needs_the_key),
		T(test_refused_leaves_no_row),
		T(test_keys_belong_to_the_project),
		T(test_another_user_of_the_project),
		T(test_two_at_once),
		T(test_secrets_are_sealed),
		T(test_impossible_keys),
		T(test_tokens_are_new_each_time),
		T(test_password_change),
		T(test_kept_replies_are_bounded),
		T(test_a_day_later),
	};

	return cmocka_run_group_tests(tests, up, down);
}
