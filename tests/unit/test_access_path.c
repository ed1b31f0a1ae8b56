/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/access_path.h"

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool fits;
	} rows[] = {
		{ "/v2.1/servers", "/v2.1/servers", true },
		{ "/v2.1/servers", "/v2.1/servers/1", false },
		{ "/v2.1/servers", "/v2.1/server", false },
		{ "/v2.1/servers/*", "/v2.1/servers/1", true },
		{ "/v2.1/servers/*", "/v2.1/servers/", false },
		{ "/v2.1/servers/*", "/v2.1/servers/1/action", false },
		{ "/v2.1/servers/{id}", "/v2.1/servers/1", true },
		{ "/v2.1/servers/{id}/action", "/v2.1/servers/abc/action", true },
		{ "/v2.1/servers/{id}/action", "/v2.1/servers/a/b/action", false },
		{ "/v2.1/**", "/v2.1/servers/1/action", true },
		{ "/v2.1/**", "/v2.1/", true },
		{ "/v2.1/**", "/v3/servers", false },
		{ "/v2.1**", "/v2.1", true },
		{ "/**/action", "/v2.1/servers/1/action", true },
		{ "/**/action", "/v2.1/servers/1/actions", false },
		{ "/a*c", "/abc", true },
		{ "/a*c", "/ac", false },
		{ "/a*c", "/ab/c", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (access_path_matches(rows[i].pattern, rows[i].path) != rows[i].fits)
			fail_msg("%s against %s", rows[i].pattern, rows[i].path);
}

static void test_valid_and_quick(void **state)
{
	char pattern[ACCESS_PATH_MAX + 2] = "/", path[4001];

	(void)state;
	assert_true(access_path_valid("/v3/users/{id}"));
	assert_false(access_path_valid("v3/users"));
	assert_false(access_path_valid("/v3/{id/x}"));
	assert_false(access_path_valid("/v3/{id"));
	assert_false(access_path_valid(""));
	memset(pattern + 1, 'x', ACCESS_PATH_MAX);
	assert_false(access_path_valid(pattern));
	/* one for which a matcher that tries everything would never come back */
	memset(path, 'a', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	for (int i = 1; i < ACCESS_PATH_MAX; i++)
		pattern[i] = i % 2 ? '*' : 'a';
	pattern[ACCESS_PATH_MAX - 1] = 'b';
	pattern[ACCESS_PATH_MAX] = '\0';
	assert_true(access_path_valid(pattern));
	assert_false(access_path_matches(pattern, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_valid_and_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
