/* SPDX-License-Identifier: Apache-2.0 */
/* Which row a method and a path find, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "http/router.h"

static const struct {
	enum http_method method;
	const char *pattern, *entry;
} rows[] = {
	{ HTTP_GET, "/", "root" },
	{ HTTP_GET, "/v2.1", "version" },
	{ HTTP_GET, "/v2.1/servers", "list" },
	{ HTTP_POST, "/v2.1/servers", "create" },
	{ HTTP_GET, "/v2.1/servers/detail", "detail" },
	{ HTTP_GET, "/v2.1/servers/{server_id}", "show" },
	{ HTTP_GET, "/v2.1/servers/{server_id}", "show since 2.50" },
	{ HTTP_GET, "/v2.1/servers/{server_id}", "show since 2.80" },
	{ HTTP_DELETE, "/v2.1/servers/{id}", "delete" },
	{ HTTP_POST, "/v2.1/servers/{server_id}/action", "action" },
	{ HTTP_GET, "/v2.1/servers/{server_id}/metadata/{key}", "meta" },
	{ HTTP_HEAD, "/v2.1/images", "head" },
	{ HTTP_GET, "/v2.1/images", "images" },
	{ HTTP_GET, "/a/b/d", "abd" },
	{ HTTP_GET, "/a/{x}/c", "axc" },
	{ HTTP_GET, "/{a}/{b}/{c}/{d}/{e}/{f}", "six" },
};

static const struct {
	enum http_method method;
	const char *path, *entry, *params; /* params: "name=value;" of each */
	bool path_known;
} cases[] = {
	{ HTTP_GET, "/", "root", "", true },
	{ HTTP_GET, "", "root", "", true },
	{ HTTP_GET, "/v2.1", "version", "", true },
	{ HTTP_GET, "/v2.1/", "version", "", true },
	{ HTTP_GET, "/v2%2e1", "version", "", true },
	{ HTTP_GET, "/v2.1/servers", "list", "", true },
	{ HTTP_POST, "/v2.1/servers", "create", "", true },
	{ HTTP_HEAD, "/v2.1/servers", "list", "", true },
	{ HTTP_HEAD, "/v2.1/images", "head", "", true },
	{ HTTP_GET, "/v2.1/images", "images", "", true },
	{ HTTP_DELETE, "/v2.1/servers", NULL, "", true },
	{ HTTP_OTHER, "/v2.1/servers", NULL, "", true },
	{ HTTP_HEAD, "/v2.1/servers/1/action", NULL, "", true },
	/* a literal wins; what it does not serve falls to the name */
	{ HTTP_GET, "/v2.1/servers/detail", "detail", "", true },
	{ HTTP_DELETE, "/v2.1/servers/detail", "delete", "id=detail;", true },
	{ HTTP_GET, "/v2.1/servers/details", "show", "server_id=details;", true },
	{ HTTP_GET, "/a/b/d", "abd", "", true },
	{ HTTP_GET, "/a/b/c", "axc", "x=b;", true },
	{ HTTP_GET, "/a/b/e", NULL, "", false },
	/* names */
	{ HTTP_GET, "/v2.1/servers/77", "show", "server_id=77;", true },
	{ HTTP_DELETE, "/v2.1/servers/77", "delete", "id=77;", true },
	{ HTTP_POST, "/v2.1/servers/77/action", "action", "server_id=77;", true },
	{ HTTP_GET, "/v2.1/servers/7/metadata/k", "meta", "server_id=7;key=k;", true },
	{ HTTP_GET, "/1/2/3/4/5/6", "six", "a=1;b=2;c=3;d=4;e=5;f=6;", true },
	{ HTTP_GET, "/v2.1/servers/a%20b%2Fc%c3%a4", "show", "server_id=a b/c\xc3\xa4;", true },
	{ HTTP_GET, "/v2.1/servers/a+b", "show", "server_id=a+b;", true },
	{ HTTP_GET, "/v2.1/servers/%7Bserver_id%7D", "show", "server_id={server_id};", true },
	/* nothing */
	{ HTTP_GET, "/v2", NULL, "", false },
	{ HTTP_GET, "/V2.1", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/1/2/3/4/5/6", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/%ff", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/a%00b", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/%", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/%4", NULL, "", false },
	{ HTTP_GET, "/v2.1/servers/%zz", NULL, "", false },
	{ HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", NULL, "",
		false },
	{ HTTP_OPTIONS, "*", NULL, "", false },
};

static struct router *build(void)
{
	struct router *r = router_create();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		router_add(r, rows[i].method, rows[i].pattern, rows[i].entry);
	return r;
}

static void test_find(void **state)
{
	struct router *r = build();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena arena = { 0 };
		struct route_match m;
		struct buf params = { 0 };

		router_find(r, cases[i].method, cases[i].path, &arena, &m);
		for (size_t k = 0; k < m.params_n; k++)
			buf_printf(&params, "%s=%s;", m.params[k].name, m.params[k].value);
		if (!str_eq(m.entry, cases[i].entry) || m.path_known != cases[i].path_known ||
			strcmp(buf_text(&params), cases[i].params)) {
			print_message("%s: found %s with %s, path %d\n", cases[i].path,
				m.entry ? (const char *)m.entry : "nothing", buf_text(&params), m.path_known);
			fail();
		}
		buf_finish(&params);
		arena_finish(&arena);
	}
	router_destroy(r);
}

static void test_next(void **state)
{
	struct router *r = build();
	struct arena arena = { 0 };
	struct route_match m;
	const void *e;

	(void)state;
	router_find(r, HTTP_HEAD, "/v2.1/servers/1", &arena, &m);
	assert_string_equal(m.entry, "show");
	e = router_next(r, HTTP_HEAD, &m, m.entry);
	assert_string_equal(e, "show since 2.50");
	e = router_next(r, HTTP_HEAD, &m, e);
	assert_string_equal(e, "show since 2.80");
	assert_null(router_next(r, HTTP_HEAD, &m, e));
	router_find(r, HTTP_DELETE, "/v2.1/servers/1", &arena, &m);
	assert_null(router_next(r, HTTP_DELETE, &m, m.entry));
	arena_finish(&arena);
	router_destroy(r);
	router_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
