/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of events and webhooks: order, filters, bounds on what is looked at, and what is not kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/event_types.h"
#include "store/events.h"
#include "store/webhooks.h"
#include "store_fixture.h"

static struct store_fixture f;
static struct error err;

static int setup(void **state)
{
	(void)state;
	fixture_dir(&f);
	fixture_open(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_close(&f);
	fixture_remove(&f);
	return 0;
}

static void add(const char *type, const char *project, const char *subject)
{
	assert_int_equal(
		store_event_add(store_rw(f.store),
			&(struct event_row) { .type = type, .project_uid = project, .subject = subject },
			&err),
		0);
}

/* n of them, in one commit. */
static void add_many(int n, const char *type, const char *project)
{
	fixture_begin(&f);
	for (int i = 0; i < n; i++)
		add(type, project, "s");
	fixture_commit(&f);
}

static struct event_page list(struct arena *a, struct event_filter filter)
{
	struct event_page page;

	filter.limit = filter.limit ? filter.limit : 100;
	assert_int_equal(store_event_list(store_ro(f.store), a, &filter, &page, &err), 0);
	for (size_t i = 1; i < page.n; i++)
		assert_true(page.rows[i - 1].id < page.rows[i].id);
	return page;
}

static int64_t last(void)
{
	int64_t id;

	assert_int_equal(store_event_last(store_ro(f.store), &id, &err), 0);
	return id;
}

static void test_list(void **state)
{
	struct arena a = { 0 };
	struct event_page page;
	int64_t begin;

	(void)state;
	assert_int_equal(last(), 0);
	page = list(&a, (struct event_filter) { .after = 0 });
	assert_int_equal(page.n, 0);
	assert_false(page.more || page.lost);
	add_many(3, "server.state", "p1");
	begin = last();
	add_many(2, "host.state", "");
	add_many(2, "image.active", "p2");
	page = list(&a, (struct event_filter) { .after = begin });
	assert_int_equal(page.n, 4);
	assert_int_equal(page.upto, last());
	assert_string_equal(page.rows[0].data, "{}");
	page = list(&a, (struct event_filter) { .project_uid = "p1" });
	assert_int_equal(page.n, 3);
	assert_int_equal(page.upto, last()); /* the others were not for it */
	page = list(&a, (struct event_filter) { .types = "host,image", .limit = 3 });
	assert_int_equal(page.n, 3);
	assert_true(page.more);
	assert_int_equal(page.upto, page.rows[2].id);
	page = list(&a, (struct event_filter) { .limit = 2, .newest = true });
	assert_int_equal(page.n, 2);
	assert_int_equal(page.rows[1].id, last());
	page = list(&a, (struct event_filter) { .subject = "t" });
	assert_int_equal(page.n, 0);
	/* an id that was never given out, as after the file was put back to a backup */
	page = list(&a, (struct event_filter) { .after = last() + 1000 });
	assert_true(page.lost);
	assert_int_equal(page.lost_upto, last());
	arena_finish(&a);
}

/* A filter that nothing fits looks at so many and says how far it came. */
static void test_bound(void **state)
{
	enum { N = 12000 };
	struct arena a = { 0 };
	struct event_page page = { 0 };
	int calls = 0;

	(void)state;
	add_many(N, "server.state", "p");
	add_many(1, "image.active", "p");
	do {
		page = list(&a, (struct event_filter) { .after = page.upto, .types = "image" });
		calls++;
		assert_true(calls < 10);
	} while (page.more);
	assert_true(calls > 1);
	assert_int_equal(page.n, 1);
	arena_finish(&a);
}

static void test_webhook_test(void **state)
{
	struct arena a = { 0 };

	(void)state;
	fixture_begin(&f);
	add("webhook.test", "p", "hook1");
	add("server.state", "p", "s");
	fixture_commit(&f);
	assert_int_equal(list(&a, (struct event_filter) { .webhook_uid = "hook1", .types = "host" }).n, 1);
	assert_int_equal(list(&a, (struct event_filter) { .webhook_uid = "hook2", .types = "" }).n, 1);
	assert_int_equal(list(&a, (struct event_filter) { .webhook_uid = "hook2", .types = "webhook" }).n, 0);
	arena_finish(&a);
}

static int purge(int64_t before_us, int64_t max, int64_t limit)
{
	int n;

	fixture_begin(&f);
	n = store_event_purge(store_rw(f.store), before_us, max, limit, &err);
	fixture_commit(&f);
	assert_true(n >= 0);
	return n;
}

static void test_purge(void **state)
{
	struct arena a = { 0 };
	struct event_page page;
	int64_t first, floor;

	(void)state;
	add_many(20, "server.state", "p");
	first = list(&a, (struct event_filter) { .limit = 1 }).rows[0].id;
	assert_int_equal(purge(0, 1000, 10), 0);
	assert_int_equal(purge(0, 15, 3), 3); /* a piece */
	assert_int_equal(purge(0, 15, 10), 2);
	assert_int_equal(purge(0, 15, 10), 0);
	page = list(&a, (struct event_filter) { .after = first });
	assert_int_equal(page.n, 15);
	assert_true(page.lost);
	assert_int_equal(store_event_floor(store_ro(f.store), &floor, &err), 0);
	assert_int_equal(page.lost_upto, floor);
	assert_false(list(&a, (struct event_filter) { .after = floor }).lost);
	assert_false(
		list(&a, (struct event_filter) { .after = 0 }).lost); /* all that is kept was asked for */
	assert_int_equal(purge(INT64_MAX, 1000, 100), 15);
	assert_true(last() > floor); /* where a reader is is not taken back */
	page = list(&a, (struct event_filter) { .after = last() });
	assert_false(page.lost);
	add_many(1, "server.state", "p");
	assert_int_equal(list(&a, (struct event_filter) { .after = page.upto }).n, 1);
	arena_finish(&a);
}

static void test_news(void **state)
{
	(void)state;
	assert_false(store_event_news(f.store));
	add_many(1, "server.state", "p");
	assert_true(store_event_news(f.store));
	assert_false(store_event_news(f.store));
}

static struct webhook load(struct arena *a, int64_t id)
{
	struct webhook w;

	assert_int_equal(store_webhook_load(store_ro(f.store), a, id, &w, &err), 1);
	return w;
}

/* What was under way when somebody asked for all again moves it no more. */
static void test_webhook(void **state)
{
	struct arena a = { 0 };
	struct webhook w = { .id = 7,
		.uid = "u",
		.name = "n",
		.project_uid = "p",
		.url = "https://h/",
		.types = "",
		.secret = "\0s",
		.secret_n = 2,
		.done_id = 5 };
	struct webhook old;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(store_webhook_insert(store_rw(f.store), &w, &err), 0);
	fixture_commit(&f);
	old = load(&a, 7);
	assert_int_equal(old.secret_n, 2);
	assert_memory_equal(old.secret, "\0s", 2);
	fixture_begin(&f);
	assert_int_equal(store_webhook_rewind(store_rw(f.store), 7, 2, &err), 0);
	old.done_id = 9;
	assert_int_equal(store_webhook_advance(store_rw(f.store), &old, &err), 0);
	assert_int_equal(store_webhook_pass(store_rw(f.store), 7, old.round, 9, &err), 0);
	fixture_commit(&f);
	w = load(&a, 7);
	assert_int_equal(w.done_id, 2);
	fixture_begin(&f);
	assert_int_equal(store_webhook_pass(store_rw(f.store), 7, w.round, 1, &err), 0); /* not back */
	w.done_id = 9;
	assert_int_equal(store_webhook_advance(store_rw(f.store), &w, &err), 1);
	fixture_commit(&f);
	assert_int_equal(load(&a, 7).done_id, 9);
	assert_int_equal(store_webhook_get(store_ro(f.store), &a, "q", "u", &w, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	arena_finish(&a);
}

static void test_wanted(void **state)
{
	(void)state;
	assert_true(event_wanted("", "server.state") && event_wanted(" , ", "server.state"));
	assert_true(
		event_wanted("server", "server.state") && event_wanted("x, server.state", "server.state"));
	assert_false(event_wanted("serv", "server.state") || event_wanted("server.state", "server.moved"));
	assert_false(event_wanted("server.", "server.state"));
	assert_true(event_wanted_valid("") && event_wanted_valid("server, host.state"));
	assert_false(event_wanted_valid("serv") || event_wanted_valid("server.") ||
		     event_wanted_valid("server x"));
	for (size_t i = 0; i < event_types_n; i++)
		assert_ptr_equal(event_type_find(event_types[i].name), &event_types[i]);
	assert_null(event_type_find("server"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_list),
		TEST(test_bound),
		TEST(test_webhook_test),
		TEST(test_purge),
		TEST(test_news),
		TEST(test_webhook),
		TEST(test_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
