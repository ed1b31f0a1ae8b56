/* SPDX-License-Identifier: Apache-2.0 */
/* The file of samples: minutes and hours add up to what was read, whatever came twice, late or never, over
 * restarts; bounds by age; a file that is broken or newer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/crypto.h"
#include "base/util.h"
#include "store/samples.h"

enum { MINUTE = 60000, HOUR = 3600000, DAY = 24 * HOUR };
#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000001"
#define P "c0ffee00000000000000000000000001"
#define Q "c0ffee00000000000000000000000002"
static const int64_t t0 = 1700000000000 / HOUR * HOUR;

static char dir[64], path[96];
static struct samples *s;
static struct error err;

static void open_file(void)
{
	struct samples_config c = {
		.path = path, .period_ms = MINUTE, .minutes_keep_ms = 2LL * HOUR, .hours_keep_ms = 10LL * DAY
	};

	if (samples_open(&c, &s, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
}

static int setup(void **state)
{
	(void)state;
	str_copy(dir, sizeof dir, "/tmp/cloudd-samples-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/samples.db", dir);
	open_file();
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".broken", ".broken-wal", ".broken-shm" };

	(void)state;
	samples_unref(s);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char file[128];

		snprintf(file, sizeof file, "%s%s", path, ends[i]);
		unlink(file);
	}
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static struct samples_row row(const char *server, const char *project, int64_t start, int64_t at, int64_t all)
{
	struct samples_row r = { server, project, { .start = start, .at_ms = at, .ram_mib = 100 } };

	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		r.reading.counter[i] = all;
	return r;
}

/* How many were new. */
static int64_t write_rows(int64_t host, const struct samples_row *rows, size_t n)
{
	struct samples_batch b = { .host_id = host, .rows = rows, .n = n };
	const struct samples_batch *list = &b;
	int64_t added = -1;

	if (samples_write(s, &list, 1, &added, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	return added;
}

static int64_t write_one(int64_t host, const char *server, int64_t start, int64_t at, int64_t all)
{
	struct samples_row r = row(server, P, start, at, all);

	return write_rows(host, &r, 1);
}

/* "at/covered/cpu at/covered/cpu", seconds since t0; '+' when there is more. */
static const char *show(const char *server, enum samples_step step, int64_t each, size_t max)
{
	static char out[1024];
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct samples_query q = { server, step, t0 - DAY, t0 + 30LL * DAY, each, max };
	struct samples_sum *list;
	size_t n, len = 0;
	bool more;

	assert_int_equal(samples_read(s, &a, &q, &list, &n, &more, &err), 0);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, sizeof out - len, "%s%lld/%lld/%lld", i ? " " : "",
			(long long)(each ? (list[i].at_ms - t0) / 1000 : 0),
			(long long)list[i].covered_ms / 1000, (long long)list[i].used[SAMPLE_CPU_NS]);
	if (more)
		snprintf(out + len, sizeof out - len, "+");
	return out;
}

static void test_steps(void **state)
{
	(void)state;
	assert_int_equal(write_one(1, A, 5, t0 + 30000, 10), 1);
	assert_int_equal(write_one(1, A, 5, t0 + 90000, 40), 1);
	assert_int_equal(write_one(1, A, 5, t0 + 90000, 40), 0); /* twice */
	assert_int_equal(write_one(1, A, 5, t0 + 80000, 90), 0); /* late */
	assert_string_equal(show(A, SAMPLES_MINUTE, 1, 9), "0/0/10 60/60/30");
	assert_string_equal(show(A, SAMPLES_HOUR, 1, 9), "0/60/40");
	/* silent for two hours and a half: it ran on, and each hour has its share */
	assert_int_equal(write_one(1, A, 5, t0 + 90000 + 9000000, 40 + 9000), 1);
	assert_string_equal(show(A, SAMPLES_HOUR, 1, 9), "0/3570/3550 3600/3600/3600 7200/1890/1890");
	assert_string_equal(show(A, SAMPLES_HOUR, 2, 9), "0/7170/7150 7200/1890/1890");
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 9), "0/9060/9040");
	assert_string_equal(show(A, SAMPLES_HOUR, 1, 2), "0/3570/3550 3600/3600/3600+");
	assert_string_equal(show(B, SAMPLES_HOUR, 1, 2), "");
}

static void test_moves(void **state)
{
	(void)state;
	write_one(1, A, 5, t0 + 1000, 10);
	write_one(1, A, 5, t0 + 61000, 20);
	/* both hosts tell of it while it is on its way */
	write_one(2, A, 9, t0 + 71000, 3);
	assert_int_equal(write_one(1, A, 5, t0 + 66000, 24), 1); /* came later than the other's */
	write_one(2, A, 9, t0 + 131000, 30);
	/* and back again, where it was before */
	write_one(1, A, 6, t0 + 191000, 7);
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "0/190/61");
}

static void test_servers(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct samples_row rows[] = { row(A, P, 1, t0, 5), row(B, "", 1, t0, 9) };
	struct samples_server *list;
	struct samples_top *top;
	size_t n;

	(void)state;
	assert_int_equal(write_rows(1, rows, 2), 2);
	assert_int_equal(samples_servers(s, &a, Q, NULL, 9, &list, &n, &err), 0);
	assert_int_equal(n, 0);
	rows[1] = row(B, Q, 1, t0 + 1, 12); /* known by now */
	assert_int_equal(write_rows(1, &rows[1], 1), 1);
	assert_int_equal(samples_servers(s, &a, Q, NULL, 9, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].uid, B);
	assert_int_equal(samples_servers(s, &a, NULL, A, 9, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(samples_top(s, &a, NULL, t0, SAMPLES_BY_CPU, 5, &top, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(top[0].server.uid, B);
	assert_int_equal(top[0].sum.used[SAMPLE_CPU_NS], 12);
	assert_int_equal(samples_top(s, &a, NULL, t0, SAMPLES_BY_NET, 1, &top, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(top[0].server.project, Q);
	assert_int_equal(samples_top(s, &a, P, t0, SAMPLES_BY_DISK, 5, &top, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(samples_top(s, &a, P, t0 + MINUTE, SAMPLES_BY_RAM, 5, &top, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void sweep_at(int64_t now)
{
	bool more = true;

	for (int i = 0; more; i++) {
		assert_true(i < 100);
		assert_int_equal(samples_sweep(s, now, &more, &err), 0);
	}
}

static void test_sweep(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct samples_server *list;
	size_t n;

	(void)state;
	for (int64_t at = t0; at <= t0 + 5LL * HOUR; at += MINUTE)
		write_one(1, A, 1, at, (at - t0) / 1000);
	sweep_at(t0 + 5LL * HOUR);
	assert_string_equal(show(A, SAMPLES_MINUTE, 0, 1), "0/7260/7260");
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "0/18000/18000");
	sweep_at(t0 + 5LL * HOUR); /* doing it again changes nothing */
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "0/18000/18000");
	sweep_at(t0 + 10LL * DAY + 2LL * HOUR);
	assert_string_equal(show(A, SAMPLES_MINUTE, 0, 1), "");
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "0/10800/10800");
	sweep_at(t0 + 12LL * DAY);
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "");
	assert_int_equal(samples_servers(s, &a, NULL, NULL, 9, &list, &n, &err), 0);
	assert_int_equal(n, 0);
}

/* --- lives at random, with restarts and clock steps ------------------------------------------------------
 */

static uint64_t seed = 7;

static int64_t below(int64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((seed >> 33) % (uint64_t)n);
}

enum { SERVERS = 40, HOSTS = 4, ROUNDS = 400 };

struct guest {
	char uid[UUID_TEXT];
	int64_t host, start, used, told, truth;
};

static void live(struct guest *g, int64_t *starts, bool read)
{
	switch (below(15)) {
	case 0:
		g->host = 1 + below(HOSTS);
		/* fall through */
	case 1: /* what was not read of the life before is lost with it */
		g->used = g->told = 0;
		g->start = ++*starts;
		return;
	default:
		g->used += below(1000000);
		if (!read)
			return;
		g->truth += g->used - g->told;
		g->told = g->used;
	}
}

static int64_t whole(const char *uid, enum samples_step step)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct samples_query q = { uid, step, t0 - 30LL * DAY, t0 + 60LL * DAY, 0, 1 };
	struct samples_sum *list;
	size_t n;
	bool more;

	assert_int_equal(samples_read(s, &a, &q, &list, &n, &more, &err), 0);
	return n ? list[0].used[SAMPLE_DISK_READ_BYTES] : 0;
}

static void test_random(void **state)
{
	static struct guest guests[SERVERS];
	int64_t starts = 0, now = t0, offset = 0;

	(void)state;
	for (int i = 0; i < SERVERS; i++) {
		snprintf(guests[i].uid, sizeof guests[i].uid, "aaaaaaaa-0000-4000-8000-%012d", i);
		guests[i].host = 1 + below(HOSTS);
		guests[i].start = ++starts;
	}
	for (int r = 0; r < ROUNDS; r++) {
		struct samples_row rows[SERVERS];
		struct samples_batch batches[HOSTS] = { { 0 } };
		const struct samples_batch *list[2 * HOSTS];
		size_t n = 0, lists = 0;
		int64_t added;

		now += 1 + below(3LL * MINUTE);
		if (below(20) == 0)
			offset = below(4LL * HOUR) - 2LL * HOUR;
		for (int64_t h = 1; h <= HOSTS; h++) {
			bool lost = below(5) == 0;

			batches[h - 1] = (struct samples_batch) {
				.host_id = h, .offset_ms = offset, .rows = rows + n
			};
			for (int i = 0; i < SERVERS; i++) {
				if (guests[i].host != h)
					continue;
				live(&guests[i], &starts, !lost);
				if (guests[i].host != h || !guests[i].used || lost)
					continue;
				rows[n++] = row(guests[i].uid, P, guests[i].start, now, guests[i].used);
				batches[h - 1].n++;
			}
			list[lists++] = &batches[h - 1];
			if (below(3) == 0)
				list[lists++] = &batches[h - 1]; /* twice */
		}
		assert_int_equal(samples_write(s, list, lists, &added, &err), 0);
		if (below(30) == 0) {
			samples_unref(s);
			open_file();
		}
	}
	for (int i = 0; i < SERVERS; i++) {
		assert_int_equal(whole(guests[i].uid, SAMPLES_HOUR), guests[i].truth);
		assert_int_equal(whole(guests[i].uid, SAMPLES_MINUTE), guests[i].truth);
		assert_true(guests[i].truth > 0);
	}
}

/* --- the file ------------------------------------------------------------------------------------------- */

static void exec(const char *sql)
{
	sqlite3 *h;

	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
}

static void test_broken(void **state)
{
	struct samples_config c = { .path = path, .period_ms = MINUTE };
	struct samples *other = NULL;
	FILE *f;

	(void)state;
	write_one(1, A, 1, t0, 5);
	samples_unref(s);
	exec("PRAGMA user_version = 99");
	assert_int_equal(samples_open(&c, &other, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("this is no database, and long enough to be read as the header of one: it is put aside and "
	      "begun anew.....................",
		f);
	fclose(f);
	open_file();
	assert_string_equal(show(A, SAMPLES_HOUR, 0, 1), "");
	assert_int_equal(write_one(1, A, 1, t0, 5), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_servers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
