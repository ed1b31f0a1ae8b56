/* SPDX-License-Identifier: Apache-2.0 */
/* How readings of counters become uses, and uses parts of hours: the rules one by one, and lives of guests at
 * random against an oracle that knows what they truly used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/samples.h"

enum { GAP = 180000, HOUR = 3600000 };

static struct sample_reading reading(int64_t start, int64_t at_ms, int64_t all)
{
	struct sample_reading r = { .start = start, .at_ms = at_ms, .ram_mib = 512 };

	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		r.counter[i] = all;
	return r;
}

static void test_rules(void **state)
{
	struct sample_last last = { 0 };
	struct sample_reading r = reading(1, 100000, 7);
	struct sample_use u;

	(void)state;
	/* a first one counts from the start, and covers no time */
	assert_true(sample_count(&last, 0, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 7);
	assert_int_equal(u.at_ms - u.since_ms, 0);
	/* again, or earlier: nothing */
	assert_false(sample_count(&last, 100000, GAP, &r, &u));
	r = reading(1, 99999, 1000);
	assert_false(sample_count(&last, 100000, GAP, &r, &u));
	/* the difference; what is not told is told later */
	r = reading(1, 160000, 10);
	r.counter[SAMPLE_DISK_READS] = SAMPLE_UNKNOWN;
	assert_true(sample_count(&last, 100000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 3);
	assert_int_equal(u.used[SAMPLE_DISK_READS], 0);
	assert_int_equal(u.at_ms - u.since_ms, 60000);
	r = reading(1, 900000, 11);
	assert_true(sample_count(&last, 160000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 1);
	assert_int_equal(u.used[SAMPLE_DISK_READS], 4);
	assert_int_equal(u.at_ms - u.since_ms, 740000); /* it ran on, heard or not */
	/* a smaller one began anew */
	r = reading(1, 960000, 5);
	assert_true(sample_count(&last, 900000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_NET_TX_BYTES], 5);
	/* another start, larger or not */
	r = reading(2, 1000000, 50);
	assert_true(sample_count(&last, 960000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 50);
	assert_int_equal(u.at_ms - u.since_ms, 40000);
	/* after a long time off it covers none of that */
	r = reading(3, 9000000, 1);
	assert_true(sample_count(&last, 1000000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 1);
	assert_int_equal(u.at_ms - u.since_ms, 0);
	/* the other host has covered the time already */
	r = reading(3, 9060000, 4);
	assert_true(sample_count(&last, 9070000, GAP, &r, &u));
	assert_int_equal(u.used[SAMPLE_CPU_NS], 3);
	assert_int_equal(u.at_ms - u.since_ms, 0);
}

/* --- parts ---------------------------------------------------------------------------------------------- */

static void test_parts(void **state)
{
	/* 10 s before an hour of the wall clock, which is 30 s ahead, to 50 s after the next */
	struct sample_use u = { .since_ms = 5 * HOUR - 40000, .at_ms = 6 * HOUR + 20000 }, part;
	const int64_t steps[] = { 4, 5, 6 }, ms[] = { 10000, HOUR, 50000 };
	int64_t sum = 0, first = u.since_ms;
	int n = 0;

	(void)state;
	u.used[SAMPLE_CPU_NS] = 1000003;
	for (; sample_part(&u, 30000, HOUR, &part); n++) {
		assert_true(n < 3);
		assert_int_equal(part.since_ms, first);
		assert_int_equal(part.at_ms - part.since_ms, ms[n]);
		assert_int_equal(sample_step(&part, 30000, HOUR), steps[n]);
		sum += part.used[SAMPLE_CPU_NS];
		first = part.at_ms;
	}
	assert_int_equal(n, 3);
	assert_int_equal(sum, 1000003);
	/* without time: the step that it was read in */
	u = (struct sample_use) { .since_ms = 7 * HOUR, .at_ms = 7 * HOUR, .used = { 9 } };
	assert_true(sample_part(&u, 0, HOUR, &part));
	assert_int_equal(sample_step(&part, 0, HOUR), 7);
	assert_int_equal(part.used[0], 9);
	assert_false(sample_part(&u, 0, HOUR, &part));
	/* up to the end of an hour is that hour's */
	u = (struct sample_use) { .since_ms = 7 * HOUR, .at_ms = 8 * HOUR, .used = { 9 } };
	assert_true(sample_part(&u, 0, HOUR, &part));
	assert_int_equal(sample_step(&part, 0, HOUR), 7);
	assert_false(sample_part(&u, 0, HOUR, &part));
}

/* --- lives at random ------------------------------------------------------------------------------------ */

static uint64_t seed;

static int64_t below(int64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 33) % (uint64_t)n);
}

enum { HOSTS = 3, STEPS = 20000 };

struct life { /* of a guest on a host; what it used so far is the truth */
	int64_t start, used[SAMPLE_COUNTERS], told[SAMPLE_COUNTERS];
};

struct world {
	struct life at[HOSTS];
	struct sample_last last[HOSTS];
	struct sample_reading old[HOSTS];
	int64_t starts, now_ms, covered_ms, covered_sum;
	int64_t truth[SAMPLE_COUNTERS]; /* of lives that were read to their end, and what was told of those
					   that go on */
	int64_t sums[SAMPLE_COUNTERS], parts[SAMPLE_COUNTERS];
};

static void take(struct world *w, int host, const struct sample_reading *r, bool is_new)
{
	struct sample_use u, part;
	bool counted = sample_count(&w->last[host], w->covered_ms, GAP, r, &u);

	assert_int_equal(counted, is_new);
	if (!counted)
		return;
	assert_true(u.since_ms <= u.at_ms);
	w->covered_sum += u.at_ms - u.since_ms;
	if (r->at_ms > w->covered_ms)
		w->covered_ms = r->at_ms;
	for (int i = 0; i < SAMPLE_COUNTERS; i++) {
		assert_true(u.used[i] >= 0);
		w->sums[i] += u.used[i];
	}
	while (sample_part(&u, below(2) ? -HOUR / 2 : 77, HOUR, &part))
		for (int i = 0; i < SAMPLE_COUNTERS; i++) {
			assert_true(part.used[i] >= 0);
			w->parts[i] += part.used[i];
		}
}

/* A reading of all that runs there; lost: nobody hears of it. */
static void read_host(struct world *w, int host, bool lost)
{
	struct life *l = &w->at[host];
	struct sample_reading r = { .start = l->start, .at_ms = w->now_ms, .ram_mib = below(4096) };

	if (!l->start)
		return;
	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		r.counter[i] = below(20) ? l->used[i] : SAMPLE_UNKNOWN;
	if (lost)
		return;
	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		if (r.counter[i] >= 0) {
			w->truth[i] += l->used[i] - l->told[i];
			l->told[i] = l->used[i];
		}
	take(w, host, &r, true);
	w->old[host] = r;
}

static void start_guest(struct world *w, int host)
{
	w->at[host] = (struct life) { .start = ++w->starts };
}

static void step(struct world *w)
{
	int host = (int)below(HOSTS), to = (int)below(HOSTS);

	w->now_ms += 1 + (below(50) ? below(90000) : below(5LL * HOUR));
	for (int h = 0; h < HOSTS; h++)
		for (int i = 0; w->at[h].start && i < SAMPLE_COUNTERS; i++)
			w->at[h].used[i] += below(2) ? below(1 << 20) : 0;
	switch (below(12)) {
	case 0: /* stop and start; the last reading may be missed */
		read_host(w, host, below(2));
		start_guest(w, host);
		break;
	case 1: /* moves */
		read_host(w, host, below(2));
		w->at[host].start = 0;
		start_guest(w, to);
		break;
	case 2: /* repeated, or late */
		if (w->old[host].start)
			take(w, host, &w->old[host], false);
		break;
	default:
		read_host(w, host, below(4) == 0);
	}
}

static void test_random(void **state)
{
	(void)state;
	for (seed = 1; seed < 6; seed++) {
		struct world w = { .now_ms = 1700000000000 };
		int64_t begun = w.now_ms;

		for (int i = 0; i < STEPS; i++)
			step(&w);
		for (int i = 0; i < SAMPLE_COUNTERS; i++) {
			assert_int_equal(w.sums[i], w.truth[i]);
			assert_int_equal(w.parts[i], w.truth[i]);
		}
		assert_true(w.truth[SAMPLE_CPU_NS] > 0);
		assert_true(w.covered_sum > 0 && w.covered_sum <= w.now_ms - begun);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
