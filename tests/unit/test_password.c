/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/password.h"

static const int64_t DAY = INT64_C(86400000000), NOW = INT64_C(1700000000000000);

static void test_strength(void **state)
{
	static const struct {
		int64_t min_length;
		const char *regex, *password;
		bool good;
	} rows[] = {
		{ 1, "", "x", true },
		{ 8, NULL, "1234567", false },
		{ 8, NULL, "12345678", true },
		{ 8, NULL, "mật khẩu", true }, /* characters, not bytes */
		{ 9, NULL, "mật khẩu", false },
		{ 1, "[0-9].*[a-z]|[a-z].*[0-9]", "abc", false },
		{ 1, "[0-9].*[a-z]|[a-z].*[0-9]", "abc1", true },
		{ 5, "^[a-z]+$", "abcd", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct password_rules r = { .min_length = rows[i].min_length, .regex = rows[i].regex };
		struct error err = { 0 };

		if ((password_strength(&r, rows[i].password, &err) == 0) != rows[i].good)
			fail_msg("row %zu: %s", i, err.msg);
		if (!rows[i].good)
			assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
}

static void test_words_instead_of_the_regex(void **state)
{
	struct password_rules r = { .regex = "[0-9]", .regex_says = "a digit" };
	struct error err;

	(void)state;
	assert_int_equal(password_strength(&r, "none", &err), -1);
	assert_non_null(strstr(err.msg, "a digit"));
	assert_true(password_regex_valid("[0-9]"));
	assert_false(password_regex_valid("[0-9"));
}

static void test_expiry(void **state)
{
	struct password_rules r = { .expires_days = 90, .change_first = true }, never = { 0 };

	(void)state;
	assert_int_equal(password_expiry(&never, true, 0, NOW), 0);
	assert_int_equal(password_expiry(&r, false, 0, NOW), NOW + 90 * DAY);
	assert_int_equal(password_expiry(&r, true, 0, NOW), NOW);
	assert_int_equal(password_expiry(&r, true, USER_IGNORE_CHANGE_FIRST, NOW), NOW + 90 * DAY);
	assert_int_equal(password_expires(NOW, USER_LOCK_PASSWORD), NOW);
	assert_int_equal(password_expires(NOW, USER_IGNORE_EXPIRY), 0);
}

static void test_age(void **state)
{
	struct password_rules r = { .min_age_days = 2 };
	struct error err;

	(void)state;
	assert_int_equal(password_age(&r, NOW - DAY, 0, NOW, &err), -1);
	assert_int_equal(err.code, ERR_BAD_REQUEST);
	assert_int_equal(password_age(&r, NOW - 2 * DAY, 0, NOW, &err), 0);
	assert_int_equal(password_age(&r, NOW - DAY, NOW + DAY, NOW, &err), -1);
	assert_int_equal(password_age(&r, NOW - DAY, NOW, NOW, &err), 0); /* it must be changed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strength),
		cmocka_unit_test(test_words_instead_of_the_regex),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
