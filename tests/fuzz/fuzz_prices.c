/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a price book: what is refused says why; by what is taken a month is rated twice, to the same
 * lines, whose amounts hold and add up. */
#include <stdlib.h>
#include <string.h>

#include "domain/rating.h"
#include "fuzz_replay.h"

#define HOUR INT64_C(3600000000)

static const struct rating_group groups[] = {
	{ 1, RATING_SERVER, { { "f1", "", "", "", "z", "active", "no", "" } },
		{ 744 * HOUR, 744 * HOUR * 8, 744 * HOUR * 16384 + 1, 33 * HOUR } },
	{ 1, RATING_SERVER, { { "f2", "", "", "", "", "stopped", "yes", "" } }, { 1, 2, 3, 4 } },
	{ 1, RATING_GPU, { { "", "", "H100", "", "z", "active", "no", "yes" } },
		{ 8 * 744 * HOUR * 1000, 744 * HOUR * 8000 } },
	{ 1, RATING_GPU, { { "", "", "H100", "1g", "z", "active", "no", "no" } },
		{ 142 * HOUR + 7, 1000 * HOUR } },
	{ 1, RATING_GPU, { { "", "", "H100", "", "z", "held", "no", "no" } }, { HOUR * 1000, HOUR * 1000 } },
	{ 1, RATING_GPU_RESERVED, { { "", "", "H200", "", "z", "", "", "" } }, { HOUR * 999 } },
	{ 1, RATING_IMAGE, { { "", "", "", "", "", "active", "", "" } }, { (money_wide)1 << 90 } },
	{ 1, RATING_ADDRESS, { { "", "net", "", "", "", "", "", "" } }, { 5 * HOUR + 1 } },
};

static void check(int holds)
{
	if (!holds)
		abort();
}

static void compare(const struct rating_invoice *x, const struct rating_invoice *y, const struct currency *c)
{
	int64_t sum = 0;

	check(x->n == y->n && x->total == y->total);
	for (size_t i = 0; i < x->n; i++) {
		const struct rating_line *l = &x->lines[i], *k = &y->lines[i];

		check(l->amount == k->amount && strcmp(l->text, k->text) == 0 &&
			strcmp(l->item, k->item) == 0 && strcmp(l->quantity, k->quantity) == 0 &&
			rating_line_holds(l, c) && money_add(&sum, l->amount));
	}
	check(sum == x->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct rating_period january = { 0, 744 * HOUR, n % 2 };
	struct arena a = { 0 };
	struct price_book b;
	struct rating_invoice x, y;
	struct error err = { 0 };
	int rc;

	if (price_book_parse((const char *)data, n, &a, &b, &err)) {
		check(err.msg[0] && err.code == ERR_BAD_REQUEST);
	} else {
		rc = rating_make(&a, &b, "p", &january, groups, sizeof groups / sizeof *groups, &x, &err);
		check(rc ==
			rating_make(&a, &b, "p", &january, groups, sizeof groups / sizeof *groups, &y, &err));
		if (rc == 0)
			compare(&x, &y, b.currency);
		else
			check(err.code == ERR_TOO_LARGE);
	}
	arena_finish(&a);
	return 0;
}
