/* SPDX-License-Identifier: Apache-2.0 */
/* Capacity blocks against exhaustive search on small clusters, and what a refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "domain/calendar.h"

enum { HOSTS = 6, GPUS_MAX = HOSTS * 4, USES_MAX = 12, LEN = 4 };

static const char *const racks[] = { "", "r1", "r2" };

struct cluster {
	struct calendar_gpu gpus[GPUS_MAX];
	size_t n, hosts;
	struct calendar_use uses[USES_MAX];
	size_t uses_n;
};

static unsigned seed;

static unsigned roll(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static void make(struct cluster *c)
{
	memset(c, 0, sizeof *c);
	c->hosts = 1 + roll(HOSTS);
	for (size_t h = 0; h < c->hosts; h++) {
		const char *rack = racks[roll(3)], *fabric = racks[roll(2)];
		size_t n = 1 + roll(4);

		for (size_t i = 0; i < n; i++) {
			bool held = roll(5) == 0;

			c->gpus[c->n] = (struct calendar_gpu) { (int64_t)c->n + 100, (int64_t)h + 1, rack,
				fabric, held, !held && roll(3) == 0 };
			c->n++;
		}
	}
	c->uses_n = roll(USES_MAX);
	for (size_t i = 0; i < c->uses_n; i++) {
		int64_t start = roll(12);

		c->uses[i] = (struct calendar_use) { roll((unsigned)c->n), start, start + 1 + roll(6),
			roll(2) == 0 };
	}
}

static bool free_at(const struct cluster *c, size_t gpu, int64_t start, int64_t end)
{
	if (c->gpus[gpu].held)
		return false;
	for (size_t i = 0; i < c->uses_n; i++)
		if (c->uses[i].gpu == gpu && c->uses[i].start_us < end && start < c->uses[i].end_us)
			return false;
	return true;
}

static bool hosts_go(const struct cluster *c, unsigned mask, enum calendar_scope scope)
{
	const char *label = NULL;
	int hosts = __builtin_popcount(mask);

	for (size_t i = 0; i < c->n; i++) {
		const char *own = scope == CALENDAR_ONE_RACK ? c->gpus[i].rack : c->gpus[i].fabric;

		if (!(mask & 1u << (c->gpus[i].host_id - 1)))
			continue;
		if (scope == CALENDAR_ANYWHERE || hosts == 1)
			return true;
		if (scope == CALENDAR_ONE_HOST || !own[0] || (label && strcmp(label, own) != 0))
			return false;
		label = own;
	}
	return true;
}

/* The fewest hosts, and of these the least left over; false: it cannot be had. */
static bool search(const struct cluster *c, const struct calendar_want *w, int64_t start, int *out_hosts,
	size_t *out_left)
{
	int64_t end = start + w->end_us - w->start_us;
	bool any = false;

	for (unsigned mask = 1; mask < 1u << c->hosts; mask++) {
		int hosts = __builtin_popcount(mask);
		size_t sum = 0;

		if (!hosts_go(c, mask, w->scope))
			continue;
		for (size_t i = 0; i < c->n; i++)
			sum += (mask & 1u << (c->gpus[i].host_id - 1)) && free_at(c, i, start, end);
		if (sum < w->gpus)
			continue;
		if (!any || hosts < *out_hosts || (hosts == *out_hosts && sum - w->gpus < *out_left)) {
			*out_hosts = hosts;
			*out_left = sum - w->gpus;
		}
		any = true;
	}
	return any;
}

static void check_plan(
	const struct cluster *c, const struct calendar_want *w, const int64_t *ids, int hosts, size_t left)
{
	bool taken[GPUS_MAX] = { false };
	unsigned mask = 0;
	size_t sum = 0;

	for (size_t i = 0; i < w->gpus; i++) {
		size_t k = (size_t)(ids[i] - 100);

		assert_true(k < c->n && !taken[k]);
		taken[k] = true;
		assert_true(free_at(c, k, w->start_us, w->end_us));
		mask |= 1u << (c->gpus[k].host_id - 1);
	}
	assert_true(hosts_go(c, mask, w->scope));
	assert_int_equal(__builtin_popcount(mask), hosts);
	for (size_t i = 0; i < c->n; i++)
		sum += (mask & 1u << (c->gpus[i].host_id - 1)) && free_at(c, i, w->start_us, w->end_us);
	assert_int_equal(sum - w->gpus, left);
}

/* The time that a refusal names, by trying them all. */
static void check_refusal(const struct cluster *c, const struct calendar_want *w, const struct error *err)
{
	int64_t start = w->start_us;
	char text[TIME_TEXT], said[96];
	int hosts;
	size_t left;

	assert_int_equal(err->code, ERR_CONFLICT);
	while (start < 100 && !search(c, w, start, &hosts, &left))
		start++;
	snprintf(said, sizeof said, "%s%s",
		start < 100 ? "the earliest start for all is " : "no later start is known",
		start < 100 ? time_iso(start, text) : "");
	if (!strstr(err->msg, said))
		fail_msg("'%s' does not say '%s'", err->msg, said);
}

static void test_exhaustive(void **state)
{
	int planned = 0, refused = 0;

	(void)state;
	for (seed = 1; planned + refused < 8000;) {
		CLEANUP(arena_finish) struct arena a = { 0 };
		struct calendar_want w = { .model = "h100" };
		int64_t ids[GPUS_MAX];
		struct cluster c;
		struct error err;
		int hosts = 0;
		size_t left = 0;

		make(&c);
		w.gpus = 1 + roll((unsigned)c.n);
		w.scope = (enum calendar_scope)roll(4);
		w.start_us = roll(8);
		w.end_us = w.start_us + 1 + roll(LEN);
		if (search(&c, &w, w.start_us, &hosts, &left)) {
			planned++;
			if (calendar_plan(&w, c.gpus, c.n, c.uses, c.uses_n, &a, ids, &err))
				fail_msg("refused: %s", err.msg);
			check_plan(&c, &w, ids, hosts, left);
		} else {
			refused++;
			assert_int_equal(calendar_plan(&w, c.gpus, c.n, c.uses, c.uses_n, &a, ids, &err), -1);
			check_refusal(&c, &w, &err);
		}
	}
	assert_true(planned > 1000 && refused > 1000);
}

static void fill(struct calendar_gpu *gpus, size_t *n, int64_t host, size_t count, size_t guests)
{
	for (size_t i = 0; i < count; i++) {
		gpus[*n] = (struct calendar_gpu) { (int64_t)*n + 1, host, "r", "f", false, i < guests };
		++*n;
	}
}

/* Hosts without guests are taken first, and of a host that is taken in part its guests stay. */
static void test_guests(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct calendar_want w = { "h100", 12, CALENDAR_ANYWHERE, 0, 10 };
	struct calendar_gpu gpus[24];
	int64_t ids[12];
	struct error err;
	size_t n = 0;

	(void)state;
	fill(gpus, &n, 1, 8, 3);
	fill(gpus, &n, 2, 8, 0);
	fill(gpus, &n, 3, 8, 8);
	assert_int_equal(calendar_plan(&w, gpus, n, NULL, 0, &a, ids, &err), 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(ids[i], 9 + i);
	for (size_t i = 8; i < 12; i++)
		assert_int_equal(ids[i], 4 + i - 8);
}

static void test_message(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct calendar_want w = { "h100", 8, CALENDAR_ANYWHERE, 1700000000000000, 1700003600000000 };
	const struct calendar_use uses[] = { { 0, 1690000000000000, 1700007200000000, false },
		{ 1, 1700000000000000, 1700000001000000, true } };
	struct calendar_gpu gpus[9];
	int64_t ids[8];
	struct error err;
	size_t n = 0;

	(void)state;
	fill(gpus, &n, 1, 9, 0);
	gpus[2].held = true;
	assert_int_equal(calendar_plan(&w, gpus, n, uses, 2, &a, ids, &err), -1);
	assert_string_equal(err.msg,
		"6 of 8 h100 are free of other uses from 2023-11-14T22:13:20Z to 2023-11-14T23:13:20Z (of 9 "
		"servers have 1, blocks 1, maintenance 1); the earliest start for all is "
		"2023-11-15T00:13:20Z");
}

/* The largest block on a large cluster takes the loop no time to speak of: as many hosts as it needs. */
static void test_large(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct calendar_want w = { "h100", CALENDAR_GPUS_MAX, CALENDAR_ANYWHERE, 0, 10 };
	size_t n = 0, hosts = 10000;
	struct calendar_gpu *gpus = ARENA_ARRAY(&a, struct calendar_gpu, hosts * 8);
	int64_t *ids = ARENA_ARRAY(&a, int64_t, CALENDAR_GPUS_MAX);
	struct error err;

	(void)state;
	for (size_t h = 0; h < hosts; h++)
		fill(gpus, &n, (int64_t)h + 1, 1 + h % 8, 0);
	assert_int_equal(calendar_plan(&w, gpus, n, NULL, 0, &a, ids, &err), 0);
	for (size_t i = 0; i < w.gpus; i++)
		assert_true(gpus[ids[i] - 1].host_id % 8 == 0);
}

static void test_scopes(void **state)
{
	enum calendar_scope scope;

	(void)state;
	for (int i = CALENDAR_ANYWHERE; i <= CALENDAR_ONE_FABRIC; i++) {
		assert_true(calendar_scope_parse(calendar_scope_text((enum calendar_scope)i), &scope));
		assert_int_equal(scope, i);
	}
	assert_false(calendar_scope_parse("row", &scope));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhaustive),
		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
