/* SPDX-License-Identifier: Apache-2.0 */
/* Money without floating point: currencies with their minor units, exact decimals, amounts in minor units,
 * and the one place where anything is rounded. */
#ifndef DOMAIN_MONEY_H
#define DOMAIN_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

__extension__ typedef __int128 money_wide;

struct currency {
	char code[4]; /* ISO 4217 */
	int digits;   /* of its minor unit: VND 0, USD 2, KWD 3 */
};

/* NULL: none that we know. */
const struct currency *currency_find(const char *code);

/* n / 10^scale, as it was written: "0.125" is 125 and 3. Never negative. */
struct decimal {
	int64_t n;
	int scale;
};

/* So that products with what a month can use stay within 128 bits. */
enum { DECIMAL_SCALE_MAX = 9, DECIMAL_DIGITS_MAX = 15 };
enum { DECIMAL_TEXT = 24 };
#define MONEY_PRICE_MAX INT64_C(1000000000000000) /* minor units for one unit of quantity: less than that */

/* "1250", "0.125": digits, perhaps a point and digits; at most 15 of them in all, 9 behind the point. */
bool decimal_parse(const char *text, struct decimal *out);
/* Without zeros at the end. */
const char *decimal_text(struct decimal d, char out[DECIMAL_TEXT]);
int decimal_compare(struct decimal a, struct decimal b);
/* 10^n, for n from 0 to 18. */
int64_t money_power(int n);

/* The one rounding: num / den to the nearest whole number, halves away from zero. den > 0. False: it passes
 * what an amount can hold. */
bool money_round(money_wide num, money_wide den, int64_t *out);
/* quantity (num / den, not negative) × price in the currency's minor units, rounded once. den at most 2^75.
 * False: too much. */
bool money_amount(
	money_wide num, money_wide den, struct decimal price, const struct currency *c, int64_t *out);
/* percent of an amount, rounded. */
bool money_percent(int64_t amount, struct decimal percent, int64_t *out);
bool money_add(int64_t *sum, int64_t more);

enum { MONEY_TEXT = 32 };
/* "-12.50": as many digits behind the point as the currency has. */
const char *money_text(int64_t amount, const struct currency *c, char out[MONEY_TEXT]);
/* The other way: "12.5" USD is 1250. False for more digits than the currency has, or too many. */
bool money_parse(const char *text, const struct currency *c, int64_t *out);

enum { FRACTION_TEXT = 84, QUANTITY_DIGITS = 6 };
/* "num/den" in lowest terms, or "num". */
const char *fraction_text(money_wide num, money_wide den, char out[FRACTION_TEXT]);
bool fraction_parse(const char *text, money_wide *num, money_wide *den);
/* As a decimal for people, with up to QUANTITY_DIGITS digits behind the point. */
const char *quantity_text(money_wide num, money_wide den, char out[FRACTION_TEXT]);

#endif
