/* SPDX-License-Identifier: Apache-2.0 */
/* How many readings of guests are written a second: bench_samples DIR [SERVERS [ROUNDS]]. SERVERS guests on
 * hosts of a hundred are read once a minute, as the collector does it; beside it, in the same run and turn by
 * turn, a plain loop inserts one row with the same figures for each reading, in transactions of the same
 * size. Then a month of hours, for its size. Prints "name value" lines. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"
#include "load.h"
#include "store/samples.h"

enum { GUESTS = 100, TOGETHER = 16, MINUTE = 60000, HOUR = 3600000, MONTH_HOURS = 720, MONTH_SERVERS = 1000 };
static const int64_t t0 = 1700000000000 / HOUR * HOUR;

struct cloud { /* all readings of one minute, by host */
	size_t servers, hosts;
	struct samples_row *rows;
	struct samples_batch *batches;
	char (*uids)[UUID_TEXT];
};

static void make(struct cloud *c, size_t servers)
{
	*c = (struct cloud) { .servers = servers, .hosts = (servers + GUESTS - 1) / GUESTS };
	c->rows = xcalloc(servers, sizeof *c->rows);
	c->batches = xcalloc(c->hosts, sizeof *c->batches);
	c->uids = xcalloc(servers, sizeof *c->uids);
	for (size_t i = 0; i < servers; i++) {
		uuid_make(&rng_system, c->uids[i]);
		c->rows[i] = (struct samples_row) { c->uids[i], "c0ffee00000000000000000000000001",
			{ .start = (int64_t)i + 1, .ram_mib = 1000 } };
	}
	for (size_t h = 0; h < c->hosts; h++)
		c->batches[h] = (struct samples_batch) { .host_id = (int64_t)h + 1,
			.rows = &c->rows[h * GUESTS],
			.n = h + 1 < c->hosts ? GUESTS : servers - h * GUESTS };
}

static void finish(struct cloud *c)
{
	free(c->rows);
	free(c->batches);
	free(c->uids);
}

/* Every guest works. */
static void go_on(struct cloud *c, int64_t at_ms)
{
	for (size_t i = 0; i < c->servers; i++) {
		c->rows[i].reading.at_ms = at_ms + (int64_t)(i / GUESTS) % 1000;
		for (int k = 0; k < SAMPLE_COUNTERS; k++)
			c->rows[i].reading.counter[k] += 1000003 * (int64_t)(k + 1) + (int64_t)i;
	}
}

static void write_all(struct samples *s, const struct cloud *c)
{
	struct error err;
	int64_t n, all = 0;

	for (size_t h = 0; h < c->hosts; h += TOGETHER) {
		const struct samples_batch *list[TOGETHER];
		size_t lists = 0;

		for (; lists < TOGETHER && h + lists < c->hosts; lists++)
			list[lists] = &c->batches[h + lists];
		if (samples_write(s, list, lists, &n, &err) < 0)
			load_die("%s: %s", err.msg, err.detail);
		all += n;
	}
	if (all != (int64_t)c->servers)
		load_die("%lld of %zu were new", (long long)all, c->servers);
}

/* --- the plain loop ------------------------------------------------------------------------------------- */

static void sql(sqlite3 *h, const char *text)
{
	if (sqlite3_exec(h, text, NULL, NULL, NULL) != SQLITE_OK)
		load_die("%s: %s", text, sqlite3_errmsg(h));
}

static sqlite3 *plain_open(const char *path, sqlite3_stmt **out)
{
	sqlite3 *h;

	if (sqlite3_open(path, &h) != SQLITE_OK)
		load_die("cannot open %s", path);
	sql(h, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE sample (at INTEGER NOT "
	       "NULL, server "
	       "INTEGER NOT NULL, a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER, f INTEGER, g "
	       "INTEGER, h INTEGER, i "
	       "INTEGER, ram INTEGER, PRIMARY KEY (at, server)) STRICT, WITHOUT ROWID");
	if (sqlite3_prepare_v2(h, "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, out,
		    NULL) != SQLITE_OK)
		load_die("%s", sqlite3_errmsg(h));
	return h;
}

static void plain_all(sqlite3 *h, sqlite3_stmt *st, const struct cloud *c)
{
	for (size_t i = 0; i < c->servers; i++) {
		const struct sample_reading *r = &c->rows[i].reading;

		if (i % (GUESTS * TOGETHER) == 0)
			sql(h, i ? "COMMIT; BEGIN" : "BEGIN");
		sqlite3_bind_int64(st, 1, r->at_ms / MINUTE);
		sqlite3_bind_int64(st, 2, (int64_t)i);
		for (int k = 0; k < SAMPLE_COUNTERS; k++)
			sqlite3_bind_int64(st, 3 + k, r->counter[k]);
		sqlite3_bind_int64(st, 3 + SAMPLE_COUNTERS, r->ram_mib);
		if (sqlite3_step(st) != SQLITE_DONE)
			load_die("%s", sqlite3_errmsg(h));
		sqlite3_reset(st);
	}
	sql(h, "COMMIT");
}

/* --- size ----------------------------------------------------------------------------------------------- */

static struct samples *open_in(const char *dir, const char *name, char *path, size_t size)
{
	struct samples_config c = { .path = path,
		.period_ms = MINUTE,
		.minutes_keep_ms = 48LL * HOUR,
		.hours_keep_ms = 400LL * 24 * HOUR };
	struct samples *s;
	struct error err;

	snprintf(path, size, "%s/%s", dir, name);
	if (samples_open(&c, &s, &err) < 0)
		load_die("%s: %s", err.msg, err.detail);
	return s;
}

/* Bytes that hold something. */
static int64_t bytes_used(const char *path)
{
	static const char what[] = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, "
				   "pragma_freelist_count, pragma_page_size";
	sqlite3_stmt *st;
	int64_t n;
	sqlite3 *h;

	if (sqlite3_open(path, &h) != SQLITE_OK || sqlite3_prepare_v2(h, what, -1, &st, NULL) != SQLITE_OK ||
		sqlite3_step(st) != SQLITE_ROW)
		load_die("cannot measure %s", path);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(h);
	return n;
}

/* A month of hours; the minutes have gone. */
static void month(const char *dir)
{
	char path[512];
	struct samples *s = open_in(dir, "month.db", path, sizeof path);
	struct cloud c;
	struct error err;
	bool more = true;

	make(&c, MONTH_SERVERS);
	for (int64_t hour = 0; hour < MONTH_HOURS; hour++) {
		go_on(&c, t0 + hour * HOUR + MINUTE);
		write_all(s, &c);
	}
	while (more)
		if (samples_sweep(s, t0 + MONTH_HOURS * (int64_t)HOUR + 49LL * HOUR, &more, &err) < 0)
			load_die("%s: %s", err.msg, err.detail);
	samples_unref(s);
	printf("samples_bytes_server_month %lld\n", (long long)bytes_used(path) / MONTH_SERVERS);
	finish(&c);
}

int main(int argc, char **argv)
{
	size_t servers = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000,
	       rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 10;
	int64_t mine = 0, plain = 0, t;
	char path[512], other[512];
	struct samples *s;
	struct cloud c;
	sqlite3_stmt *st;
	sqlite3 *h;

	if (argc < 2 || !servers || !rounds)
		load_die("usage: %s DIR [SERVERS [ROUNDS]]", argv[0]);
	s = open_in(argv[1], "samples.db", path, sizeof path);
	snprintf(other, sizeof other, "%s/plain.db", argv[1]);
	h = plain_open(other, &st);
	make(&c, servers);
	for (size_t i = 0; i <= rounds; i++) {
		go_on(&c, t0 + (int64_t)i * MINUTE);
		t = load_now_us();
		write_all(s, &c);
		mine += i ? load_now_us() - t : 0; /* not the first, which makes the servers */
		t = load_now_us();
		plain_all(h, st, &c);
		plain += i ? load_now_us() - t : 0;
	}
	printf("samples_per_s %.0f\nsamples_plain_per_s %.0f\n",
		(double)(servers * rounds) * 1e6 / (double)mine,
		(double)(servers * rounds) * 1e6 / (double)plain);
	sqlite3_finalize(st);
	sqlite3_close(h);
	samples_unref(s);
	finish(&c);
	month(argv[1]);
	return 0;
}
