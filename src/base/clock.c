/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t system_wall(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_boot(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_BOOTTIME);
}

/* Small amounts are taken from a supply: a call of the generator costs as much for 16 bytes as for many more.
 * What is handed out is wiped here. */
static void system_fill(void *ctx, void *out, size_t n)
{
	static _Thread_local unsigned char supply[1024];
	static _Thread_local size_t left;

	(void)ctx;
	if (n > sizeof supply / 8) {
		if (RAND_bytes(out, (int)n) != 1)
			abort();
		return;
	}
	if (n > left) {
		if (RAND_bytes(supply, sizeof supply) != 1)
			abort();
		left = sizeof supply;
	}
	left -= n;
	memcpy(out, supply + left, n);
	OPENSSL_cleanse(supply + left, n);
}

const struct clock clock_system = { .wall_us = system_wall, .mono_us = system_mono, .boot_us = system_boot };
const struct rng rng_system = { .fill = system_fill };

static void split(int64_t wall_us, struct tm *tm, int *us)
{
	time_t s = (time_t)(wall_us / 1000000);

	*us = (int)(wall_us % 1000000);
	if (*us < 0) {
		*us += 1000000;
		s--;
	}
	gmtime_r(&s, tm);
}

static char *put_digits(char *out, int value, int n, char end)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
	out[n] = end;
	return out + n + 1;
}

/* By hand, since lists print thousands of them: strftime and printf cost ten times as much. */
static const char *format(int64_t wall_us, char out[TIME_TEXT], bool micro, bool zulu)
{
	struct tm tm;
	char *p = out;
	int us;

	split(wall_us, &tm, &us);
	if (tm.tm_year + 1900 > 9999)
		p += snprintf(p, 16, "%d-", tm.tm_year + 1900);
	else
		p = put_digits(p, tm.tm_year + 1900, 4, '-');
	p = put_digits(p, tm.tm_mon + 1, 2, '-');
	p = put_digits(p, tm.tm_mday, 2, 'T');
	p = put_digits(p, tm.tm_hour, 2, ':');
	p = put_digits(p, tm.tm_min, 2, ':');
	p = put_digits(p, tm.tm_sec, 2, micro ? '.' : '\0');
	if (micro)
		p = put_digits(p, us, 6, '\0');
	if (zulu)
		memcpy(p - 1, "Z", 2);
	return out;
}

const char *time_iso(int64_t wall_us, char out[TIME_TEXT])
{
	return format(wall_us, out, false, true);
}

const char *time_iso_us(int64_t wall_us, char out[TIME_TEXT])
{
	return format(wall_us, out, true, false);
}

const char *time_iso_usz(int64_t wall_us, char out[TIME_TEXT])
{
	return format(wall_us, out, true, true);
}

/* Exactly n digits at *s, moved over. -1 when they are not there. */
static int digits(const char **s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static int parse_clock(const char **s, struct tm *tm, int64_t *us)
{
	int64_t unit = 100000;

	if ((tm->tm_hour = digits(s, 2)) < 0 || *(*s)++ != ':' || (tm->tm_min = digits(s, 2)) < 0)
		return -1;
	if (**s == ':' && ((*s)++, (tm->tm_sec = digits(s, 2)) < 0))
		return -1;
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return -1;
	if (**s == '.') {
		for ((*s)++; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
			*us += (**s - '0') * unit;
	}
	return 0;
}

static int parse_zone(const char **s, int64_t *offset_us)
{
	int sign, h, m;

	if (**s == 'Z') {
		(*s)++;
		return 0;
	}
	if (**s != '+' && **s != '-')
		return 0;
	sign = *(*s)++ == '-' ? -1 : 1;
	if ((h = digits(s, 2)) < 0)
		return -1;
	if (**s == ':')
		(*s)++;
	if ((m = digits(s, 2)) < 0 || m > 59 || h > 23)
		return -1;
	*offset_us = (int64_t)sign * (h * 3600 + m * 60) * 1000000;
	return 0;
}

int time_parse(const char *s, int64_t *out_wall_us)
{
	struct tm tm = { 0 }, given;
	int64_t us = 0, offset_us = 0;
	int year, month;
	time_t seconds;

	if ((year = digits(&s, 4)) < 0 || *s++ != '-' || (month = digits(&s, 2)) < 1 || month > 12)
		return -1;
	if (*s++ != '-' || (tm.tm_mday = digits(&s, 2)) < 1 || tm.tm_mday > 31)
		return -1;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	if ((*s == 'T' || *s == ' ') &&
		(s++, parse_clock(&s, &tm, &us) < 0 || parse_zone(&s, &offset_us) < 0))
		return -1;
	if (*s)
		return -1;
	given = tm;
	seconds = timegm(&tm);
	if (tm.tm_mday != given.tm_mday && given.tm_sec < 60) /* the 31st of a shorter month */
		return -1;
	*out_wall_us = (int64_t)seconds * 1000000 + us - offset_us;
	return 0;
}
