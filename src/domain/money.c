/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/money.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

__extension__ typedef unsigned __int128 money_uwide;

/* ISO 4217; all that trade in what has no minor unit or three digits, and the larger ones with two. */
static const struct currency currencies[] = { { "AED", 2 }, { "ARS", 2 }, { "AUD", 2 }, { "BDT", 2 },
	{ "BHD", 3 }, { "BIF", 0 }, { "BND", 2 }, { "BRL", 2 }, { "CAD", 2 }, { "CHF", 2 }, { "CLP", 0 },
	{ "CNY", 2 }, { "COP", 2 }, { "CZK", 2 }, { "DJF", 0 }, { "DKK", 2 }, { "EGP", 2 }, { "EUR", 2 },
	{ "GBP", 2 }, { "GNF", 0 }, { "HKD", 2 }, { "HUF", 2 }, { "IDR", 2 }, { "ILS", 2 }, { "INR", 2 },
	{ "IQD", 3 }, { "ISK", 0 }, { "JOD", 3 }, { "JPY", 0 }, { "KHR", 2 }, { "KMF", 0 }, { "KRW", 0 },
	{ "KWD", 3 }, { "KZT", 2 }, { "LAK", 2 }, { "LKR", 2 }, { "LYD", 3 }, { "MMK", 2 }, { "MXN", 2 },
	{ "MYR", 2 }, { "NGN", 2 }, { "NOK", 2 }, { "NPR", 2 }, { "NZD", 2 }, { "OMR", 3 }, { "PHP", 2 },
	{ "PKR", 2 }, { "PLN", 2 }, { "PYG", 0 }, { "QAR", 2 }, { "RON", 2 }, { "RUB", 2 }, { "RWF", 0 },
	{ "SAR", 2 }, { "SEK", 2 }, { "SGD", 2 }, { "THB", 2 }, { "TND", 3 }, { "TRY", 2 }, { "TWD", 2 },
	{ "UAH", 2 }, { "UGX", 0 }, { "USD", 2 }, { "UYU", 2 }, { "VND", 0 }, { "VUV", 0 }, { "XAF", 0 },
	{ "XOF", 0 }, { "XPF", 0 }, { "ZAR", 2 } };

const struct currency *currency_find(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(currencies); i++)
		if (strcmp(currencies[i].code, code) == 0)
			return &currencies[i];
	return NULL;
}

int64_t money_power(int n)
{
	int64_t p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

/* --- decimals --- */

bool decimal_parse(const char *text, struct decimal *out)
{
	struct decimal d = { 0, 0 };
	bool point = false, digit = false;

	if (strlen(text) >= DECIMAL_TEXT)
		return false;
	for (; *text; text++) {
		if (*text == '.' && !point && digit) {
			point = true;
			digit = false; /* one at least behind it */
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		digit = true;
		d.n = d.n * 10 + (*text - '0');
		d.scale += point;
		if (d.n >= money_power(DECIMAL_DIGITS_MAX) || d.scale > DECIMAL_SCALE_MAX)
			return false;
	}
	*out = d;
	return digit;
}

const char *decimal_text(struct decimal d, char out[DECIMAL_TEXT])
{
	while (d.scale > 0 && d.n % 10 == 0) {
		d.n /= 10;
		d.scale--;
	}
	if (d.scale == 0)
		snprintf(out, DECIMAL_TEXT, "%lld", (long long)d.n);
	else
		snprintf(out, DECIMAL_TEXT, "%lld.%0*lld", (long long)(d.n / money_power(d.scale)), d.scale,
			(long long)(d.n % money_power(d.scale)));
	return out;
}

int decimal_compare(struct decimal a, struct decimal b)
{
	money_wide x = (money_wide)a.n * money_power(b.scale), y = (money_wide)b.n * money_power(a.scale);

	return x < y ? -1 : x > y;
}

/* --- amounts --- */

bool money_round(money_wide num, money_wide den, int64_t *out)
{
	money_wide whole = num / den, rest = num % den;

	if (rest < 0)
		rest = -rest;
	if (rest >= den - rest)
		whole += num < 0 ? -1 : 1;
	if (whole < -INT64_MAX || whole > INT64_MAX)
		return false;
	*out = (int64_t)whole;
	return true;
}

/* The whole units and the rest of the quantity are multiplied apart: no product passes 128 bits for what the
 * header allows (rest < 2^75, minor < 2^50, power < 2^30). */
bool money_amount(
	money_wide num, money_wide den, struct decimal price, const struct currency *c, int64_t *out)
{
	int scale = price.scale > c->digits ? price.scale - c->digits : 0;
	int64_t power = money_power(scale), minor = price.n, rounded;
	money_wide whole = num / den, rest = num % den, product;

	if (price.scale < c->digits)
		minor *= money_power(c->digits - price.scale);
	if (minor >= MONEY_PRICE_MAX)
		return false;
	if (__builtin_mul_overflow(whole, (money_wide)minor, &product) || product / power > INT64_MAX)
		return false;
	if (!money_round(product % power * den + rest * minor, den * power, &rounded))
		return false;
	*out = (int64_t)(product / power);
	return money_add(out, rounded);
}

bool money_percent(int64_t amount, struct decimal percent, int64_t *out)
{
	return money_round((money_wide)amount * percent.n, (money_wide)100 * money_power(percent.scale), out);
}

bool money_add(int64_t *sum, int64_t more)
{
	return !__builtin_add_overflow(*sum, more, sum) && *sum != INT64_MIN;
}

const char *money_text(int64_t amount, const struct currency *c, char out[MONEY_TEXT])
{
	uint64_t n = amount < 0 ? -(uint64_t)amount : (uint64_t)amount,
		 power = (uint64_t)money_power(c->digits);
	const char *sign = amount < 0 ? "-" : "";

	if (c->digits == 0)
		snprintf(out, MONEY_TEXT, "%s%llu", sign, (unsigned long long)n);
	else
		snprintf(out, MONEY_TEXT, "%s%llu.%0*llu", sign, (unsigned long long)(n / power), c->digits,
			(unsigned long long)(n % power));
	return out;
}

bool money_parse(const char *text, const struct currency *c, int64_t *out)
{
	bool minus = *text == '-';
	struct decimal d;

	if (!decimal_parse(text + minus, &d) || d.scale > c->digits)
		return false;
	d.n *= money_power(c->digits - d.scale);
	*out = minus ? -d.n : d.n;
	return true;
}

/* --- fractions --- */

static char *wide_text(money_wide n, char *end)
{
	*--end = '\0';
	do {
		*--end = (char)('0' + (int)(n % 10));
		n /= 10;
	} while (n);
	return end;
}

static money_wide divisor(money_wide a, money_wide b)
{
	while (b) {
		money_wide t = a % b;

		a = b;
		b = t;
	}
	return a;
}

const char *fraction_text(money_wide num, money_wide den, char out[FRACTION_TEXT])
{
	money_wide d = divisor(num, den);
	char a[44], b[44];

	assert(num >= 0 && d > 0);
	if (den == d)
		snprintf(out, FRACTION_TEXT, "%s", wide_text(num / d, a + sizeof a));
	else
		snprintf(out, FRACTION_TEXT, "%s/%s", wide_text(num / d, a + sizeof a),
			wide_text(den / d, b + sizeof b));
	return out;
}

static bool wide_parse(const char **text, money_wide *out)
{
	const char *p = *text;
	money_wide n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, (money_wide)10, &n) ||
			__builtin_add_overflow(n, (money_wide)(*p - '0'), &n))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*out = n;
	return true;
}

bool fraction_parse(const char *text, money_wide *num, money_wide *den)
{
	*den = 1;
	if (!wide_parse(&text, num))
		return false;
	if (*text == '/' && (text++, !wide_parse(&text, den)))
		return false;
	return !*text && *den > 0;
}

const char *quantity_text(money_wide num, money_wide den, char out[FRACTION_TEXT])
{
	money_wide whole = num / den;
	int64_t power = money_power(QUANTITY_DIGITS), part = 0;
	char a[44], b[DECIMAL_TEXT];

	/* den is at most 2^75 and power 2^20 */
	money_round(num % den * power, den, &part);
	if (part == power) {
		whole++;
		part = 0;
	}
	decimal_text((struct decimal) { power + part, QUANTITY_DIGITS }, b);
	snprintf(out, FRACTION_TEXT, "%s%s", wide_text(whole, a + sizeof a), b + 1);
	return out;
}
