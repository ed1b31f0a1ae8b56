/* SPDX-License-Identifier: Apache-2.0 */
/* Decimals, amounts in minor units, the rounding, and months. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "domain/money.h"
#include "domain/month.h"

static struct decimal dec(const char *text)
{
	struct decimal d = { -1, -1 };

	assert_true(decimal_parse(text, &d));
	return d;
}

static void test_decimals(void **state)
{
	static const char *const bad[] = { "", ".", "1.", ".5", "1..2", "-1", "+1", "1e3", " 1", "1 ", "1,5",
		"1.0000000001", "1000000000000000", "0.1234567890", "12345678.12345678", "x", "0x1" };
	char text[DECIMAL_TEXT];

	(void)state;
	assert_int_equal(dec("0.125").n, 125);
	assert_int_equal(dec("0.125").scale, 3);
	assert_int_equal(dec("999999999999999").n, INT64_C(999999999999999));
	assert_int_equal(dec("0.000000001").n, 1);
	assert_int_equal(dec("007").n, 7);
	assert_string_equal(decimal_text(dec("10.500"), text), "10.5");
	assert_string_equal(decimal_text(dec("3.000"), text), "3");
	assert_string_equal(decimal_text(dec("0.05"), text), "0.05");
	assert_int_equal(decimal_compare(dec("100.000000001"), dec("100")), 1);
	assert_int_equal(decimal_compare(dec("1.50"), dec("1.5")), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct decimal d;

		if (decimal_parse(bad[i], &d))
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void test_rounding(void **state)
{
	static const struct {
		int64_t num, den, want;
	} cases[] = { { 1, 2, 1 }, { -1, 2, -1 }, { 3, 2, 2 }, { -3, 2, -2 }, { 5, 2, 3 }, { 1, 3, 0 },
		{ 2, 3, 1 }, { -2, 3, -1 }, { -1, 3, 0 }, { 49, 100, 0 }, { 50, 100, 1 }, { 51, 100, 1 },
		{ 0, 7, 0 }, { 14, 7, 2 }, { INT64_MAX, 1, INT64_MAX } };
	money_wide most = (money_wide)INT64_MAX * 2 + 1;
	int64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(money_round(cases[i].num, cases[i].den, &got));
		assert_int_equal(got, cases[i].want);
	}
	/* (2^64 - 1) / 2 is a half above the most: it is away from zero, and too much */
	assert_false(money_round(most, 2, &got));
	assert_true(money_round(most - 1, 2, &got));
	assert_false(money_round((money_wide)INT64_MAX + 1, 1, &got));
}

static int64_t amount(int64_t num, int64_t den, const char *price, const char *currency)
{
	int64_t out = -1;

	assert_true(money_amount(num, den, dec(price), currency_find(currency), &out));
	return out;
}

static void test_amounts(void **state)
{
	const struct currency *usd = currency_find("USD");
	int64_t out;

	(void)state;
	/* 1.5 h × 0.015 $ = 0.0225 $ = 2.25 cents; 0.5 h × 0.01 $ = half a cent, which is one */
	assert_int_equal(amount(3, 2, "0.015", "USD"), 2);
	assert_int_equal(amount(1, 2, "0.01", "USD"), 1);
	/* 744 h × 65000 ₫; a third of an hour × 1000 ₫ = 333.3; half a ₫ is one */
	assert_int_equal(amount(744, 1, "65000", "VND"), 48360000);
	assert_int_equal(amount(1, 3, "1000", "VND"), 333);
	assert_int_equal(amount(1, 2, "1", "VND"), 1);
	assert_int_equal(amount(1, 2000000000, "0.999999999", "VND"), 0);
	/* 10 h × 0.0005 KWD = 0.005 KWD = 5 fils; one h: half a fils, rounded up; JPY 12.5 is 13 */
	assert_int_equal(amount(10, 1, "0.0005", "KWD"), 5);
	assert_int_equal(amount(1, 1, "0.0005", "KWD"), 1);
	assert_int_equal(amount(1, 1, "12.5", "JPY"), 13);
	/* 1000000 1/3 h × 3e-9 $ = 0.3 cents; 10^12 1/3 h × 3e-9 $ = 3000 $ and a thousandth of nothing */
	assert_int_equal(amount(3000001, 3, "0.000000003", "USD"), 0);
	assert_int_equal(amount(INT64_C(3000000000001), 3, "0.000000003", "USD"), 300000);
	assert_false(money_amount((money_wide)INT64_MAX, 1, dec("1"), usd, &out));
	assert_false(money_amount((money_wide)1 << 120, 1, dec("999999"), usd, &out));
	assert_false(money_amount(1, 1, dec("999999999999999"), usd, &out)); /* a price of too many cents */
	assert_true(money_amount((money_wide)INT64_MAX, 100, dec("1"), usd, &out));
	assert_int_equal(out, INT64_MAX);
}

static void test_percent_and_text(void **state)
{
	char text[MONEY_TEXT], fraction[FRACTION_TEXT];
	money_wide num, den;
	int64_t out = 7;

	(void)state;
	assert_true(money_percent(48360005, dec("10"), &out)); /* 4836000.5 */
	assert_int_equal(out, 4836001);
	assert_true(money_percent(-5, dec("10"), &out));
	assert_int_equal(out, -1);
	assert_true(money_percent(INT64_MAX, dec("100"), &out));
	assert_int_equal(out, INT64_MAX);
	assert_string_equal(money_text(-5, currency_find("USD"), text), "-0.05");
	assert_string_equal(money_text(1234567, currency_find("VND"), text), "1234567");
	assert_string_equal(money_text(1500, currency_find("KWD"), text), "1.500");
	assert_true(money_parse("-12.5", currency_find("USD"), &out));
	assert_int_equal(out, -1250);
	assert_false(money_parse("0.5", currency_find("VND"), &out));
	assert_false(money_parse("1.255", currency_find("USD"), &out));
	assert_null(currency_find("XXX"));
	assert_null(currency_find("vnd"));
	assert_string_equal(fraction_text(7200, 3600, fraction), "2");
	assert_string_equal(fraction_text(5000, 3600, fraction), "25/18");
	assert_true(fraction_parse("25/18", &num, &den) && num == 25 && den == 18);
	assert_false(fraction_parse("25/0", &num, &den));
	assert_false(fraction_parse("-1", &num, &den));
	assert_string_equal(quantity_text(25, 18, fraction), "1.388889");
	assert_string_equal(quantity_text(1999999999, 1000000000, fraction), "2");
	assert_string_equal(quantity_text(1, 2, fraction), "0.5");
	out = INT64_MAX;
	assert_false(money_add(&out, 1));
}

static void test_months(void **state)
{
	char text[MONTH_TEXT];
	int month;

	(void)state;
	assert_true(month_parse("2027-01", &month));
	assert_int_equal(month, 202701);
	assert_int_equal(month_next(202612), 202701);
	assert_int_equal(month_next(202701), 202702);
	assert_string_equal(month_text(202612, text), "2026-12");
	assert_int_equal(month_start(202701), INT64_C(1798761600) * 1000000);
	assert_int_equal(month_of(month_start(202701)), 202701);
	assert_int_equal(month_of(month_start(202701) - 1), 202612);
	/* a leap year's February has 29 days */
	assert_int_equal(month_start(202803) - month_start(202802), INT64_C(29) * 86400 * 1000000);
	assert_false(month_parse("2027-13", &month));
	assert_false(month_parse("2027-1", &month));
	assert_false(month_parse("27-01-01", &month));
	assert_false(month_parse("1999-12", &month));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_amounts),
		cmocka_unit_test(test_percent_and_text),
		cmocka_unit_test(test_months),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
