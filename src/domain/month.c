/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/month.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

bool month_parse(const char *text, int *out)
{
	int64_t year, month;
	char digits[5];

	if (strlen(text) != 7 || text[4] != '-' || !str_int64(text + 5, 1, 12, &month))
		return false;
	str_copy(digits, sizeof digits, text);
	if (!str_int64(digits, 2000, 2999, &year) || (year == 2999 && month == 12))
		return false;
	*out = (int)(year * 100 + month);
	return true;
}

const char *month_text(int month, char out[MONTH_TEXT])
{
	snprintf(out, MONTH_TEXT, "%04u-%02u", (unsigned)month / 100 % 10000, (unsigned)month % 100);
	return out;
}

int month_next(int month)
{
	return month % 100 == 12 ? month + 89 : month + 1;
}

int month_of(int64_t wall_us)
{
	char text[TIME_TEXT];
	int month = 0;

	time_iso(wall_us, text);
	text[7] = '\0';
	month_parse(text, &month);
	return month;
}

int64_t month_start(int month)
{
	char text[TIME_TEXT];
	int64_t us = 0;

	month_text(month, text);
	str_copy(text + 7, sizeof text - 7, "-01T00:00:00Z");
	time_parse(text, &us);
	return us;
}
