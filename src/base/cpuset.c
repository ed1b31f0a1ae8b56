/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpuset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

bool cpuset_add(struct cpuset *s, int cpu)
{
	if (cpu < 0 || cpu >= CPUSET_MAX)
		return false;
	s->bits[cpu / 64] |= 1ull << (cpu % 64);
	return true;
}

bool cpuset_has(const struct cpuset *s, int cpu)
{
	return cpu >= 0 && cpu < CPUSET_MAX && (s->bits[cpu / 64] >> (cpu % 64) & 1);
}

bool cpuset_empty(const struct cpuset *s)
{
	return cpuset_next(s, 0) < 0;
}

bool cpuset_same(const struct cpuset *a, const struct cpuset *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

void cpuset_join(struct cpuset *s, const struct cpuset *more)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] |= more->bits[i];
}

void cpuset_without(struct cpuset *s, const struct cpuset *less)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] &= ~less->bits[i];
}

void cpuset_common(struct cpuset *s, const struct cpuset *other)
{
	for (size_t i = 0; i < ARRAY_LEN(s->bits); i++)
		s->bits[i] &= other->bits[i];
}

int cpuset_next(const struct cpuset *s, int from)
{
	for (int i = from < 0 ? 0 : from; i < CPUSET_MAX; i++) {
		uint64_t left = s->bits[i / 64] >> (i % 64);

		if (left)
			return i + __builtin_ctzll(left);
		i |= 63; /* the last of its word */
	}
	return -1;
}

/* One number at *p, which is moved behind it; -1. */
static int number(const char **p)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return -1;
	for (; isdigit((unsigned char)**p); (*p)++)
		if ((n = n * 10 + (**p - '0')) >= CPUSET_MAX)
			return -1;
	return n;
}

int cpuset_parse(const char *text, struct cpuset *out)
{
	struct cpuset s = { 0 };

	for (const char *p = text; *p;) {
		int first = number(&p), last = first;

		if (*p == '-') {
			p++;
			last = number(&p);
		}
		if (first < 0 || last < first || (*p && *p != ',') || (*p == ',' && !p[1]))
			return -1;
		for (int i = first; i <= last; i++)
			cpuset_add(&s, i);
		p += *p == ',';
	}
	*out = s;
	return 0;
}

void cpuset_write(const struct cpuset *s, struct buf *out)
{
	const char *comma = "";

	for (int first = cpuset_next(s, 0); first >= 0;) {
		int last = first;

		while (cpuset_has(s, last + 1))
			last++;
		buf_printf(out, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
		comma = ",";
		first = cpuset_next(s, last + 1);
	}
}
