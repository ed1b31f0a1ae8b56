/* SPDX-License-Identifier: Apache-2.0 */
/* What metering costs, each figure beside a plain loop over SQLite that does the same inserts:
 *
 *	bench_metering create [N]     CPU of a create to ACTIVE on simulated hosts, with the books and without
 *	bench_metering intervals [N]  changes of servers' states, each of which ends an interval and begins
 *one
 *
 * Prints lines "name value". Both sides take turns, and each ratio is the median of the rounds' ratios. */
#include "flow_fixture.h"

#include <sqlite3.h>
#include <sys/resource.h>

#include "base/log.h"
#include "store/server_power.h"

enum { ROUNDS = 15, PER_TICK = 500, HOSTS = 64 };

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, by_size);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* ---- the cloud ---- */

static bool sealing = true;
static int64_t seal_ns;

static int64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int seal_maybe(void *store, struct error *err)
{
	int64_t start = thread_ns();
	int rc = sealing ? store_tick_seal(store, err) : 0;

	seal_ns += thread_ns() - start;
	return rc;
}

static int do_unlimited(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)c;
	(void)arg;
	return db_run(db, err,
		       "INSERT INTO quota_default (resource, hard_limit) VALUES ('cores', -1), ('ram', -1), "
		       "('instances', -1), ('ports', -1)",
		       NULL) < 0 ||
			       db_run(db, err,
				       "UPDATE subnet SET cidr_bits = 8, pool_last = pool_first + 4000000",
				       NULL) < 0
		       ? -1
		       : 0;
}

static void make(struct cloud *c, unsigned hosts)
{
	cloud_seal = seal_maybe;
	cloud_make(c);
	cloud_ok(c, do_unlimited, NULL);
	for (unsigned i = 0; i < hosts; i++)
		cloud_host(c, "vcpus=64&ram_gib=256&disk_gib=4000");
}

static void finish(struct cloud *c)
{
	cloud_close(c);
	cloud_remove(c);
}

/* Counting rows at each turn would cost more than what is measured. */
static bool nothing_left(struct cloud *c, void *arg)
{
	struct flow_stats s;

	flow_engine_stats(c->e, &s);
	return s.running == 0 && tick_pending(c->tick) == 0 && flows_gone(c, arg);
}

static void create_servers(struct cloud *c, int64_t n)
{
	for (; n > 0; n -= 8) {
		struct want w = { .vcpus = 1, .ram_mib = 64, .disk_gib = 1, .count = 8 };

		cloud_ok(c, do_create, &w);
	}
	cloud_until(c, nothing_left, NULL);
}

/* ---- what a create costs ---- */

static double create_round(struct cloud *c, int64_t n, bool metered)
{
	int64_t start;

	sealing = metered;
	start = cpu_us();
	create_servers(c, n);
	return (double)(cpu_us() - start) / (double)n;
}

static void bench_create(int64_t n)
{
	double with[ROUNDS], without[ROUNDS], ratio[ROUNDS], seal[ROUNDS];
	struct cloud c = { .hosts_n = 0 };

	make(&c, HOSTS);
	create_round(&c, 1000, true); /*  the image is on the hosts, caches are warm */
	seal_ns = 0;
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 2)
			with[i] = create_round(&c, n, true);
		without[i] = create_round(&c, n, false);
		if (i % 2 == 0)
			with[i] = create_round(&c, n, true);
		ratio[i] = with[i] / without[i];
		seal[i] = (double)seal_ns / 1e3 / (double)n;
		seal_ns = 0;
	}
	printf("create_seal_us %.1f\n", median(seal, ROUNDS));
	printf("create_books_us %.1f\n", median(with, ROUNDS));
	printf("create_bare_us %.1f\n", median(without, ROUNDS));
	printf("create_ratio %.3f\n", median(ratio, ROUNDS));
	sealing = true;
	finish(&c);
}

/* ---- intervals ---- */

static int64_t *ids, ids_n;

static int do_flip(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int64_t i = *(int64_t *)arg;
	struct server_settled to = { .id = ids[i % ids_n],
		.vm_state = i / ids_n % 2 ? VM_ACTIVE : VM_STOPPED,
		.power_state = i / ids_n % 2 ? POWER_RUNNING : POWER_SHUTDOWN,
		.seen_epoch = 1,
		.now_us = clock_wall(&test_clock) };

	(void)c;
	return store_server_settle(db, &to, err);
}

struct flip {
	struct cloud_unit k;
	int64_t i;
};

static double flips(struct cloud *c, int64_t from, int64_t n, bool metered)
{
	static struct flip units[PER_TICK];
	int64_t start = cpu_us();

	sealing = metered;
	for (int64_t i = 0; i < n; i += PER_TICK) {
		for (int k = 0; k < PER_TICK; k++) {
			units[k] = (struct flip) {
				.k = { .unit = { .run = cloud_unit_run, .finish = cloud_unit_finish },
					.c = c,
					.fn = do_flip,
					.arg = &units[k].i },
				.i = from + i + k
			};
			tick_submit(c->tick, &units[k].k.unit);
		}
		cloud_until(c, tick_idle, NULL);
		clock_hold.wall_us += 1000;
		clock_hold.mono_us += 1000;
	}
	return (double)(cpu_us() - start) / (double)n;
}

/* The same rows by hand, in a file of their own with the store's settings. */
static sqlite3 *plain;

static void plain_run(const char *sql)
{
	char *text = NULL;

	if (sqlite3_exec(plain, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
}

static sqlite3_stmt *plain_prepare(const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v3(plain, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(plain));
	return st;
}

static void plain_step(sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		fail_msg("%s", sqlite3_errmsg(plain));
	sqlite3_reset(st);
}

static void plain_schema(struct cloud *c, const char *table)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;

	if (db_query(store_ro(c->store), &err, &st,
		    "SELECT replace(sql, ' REFERENCES project (id)', '') FROM sqlite_schema WHERE tbl_name = "
		    "? AND sql IS NOT "
		    "NULL ORDER BY type DESC",
		    "s", table))
		fail_msg("%s", err.detail);
	while (db_row(st, &err) > 0)
		plain_run(db_text(st, 0));
}

static void plain_open(struct cloud *c)
{
	char path[128];

	snprintf(path, sizeof path, "%s/plain.db", c->dir);
	if (sqlite3_open(path, &plain) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(plain));
	plain_run("PRAGMA journal_mode = WAL");
	plain_run("PRAGMA synchronous = OFF");
	plain_run("PRAGMA cache_size = -65536");
}

static double plain_flips(int64_t from, int64_t n)
{
	static sqlite3_stmt *end, *begin;
	int64_t start = cpu_us();

	if (!end) {
		end = plain_prepare("UPDATE usage SET ended_us = ?1 WHERE kind = 'server' AND subject_id = "
				    "?2 AND ended_us IS NULL");
		begin = plain_prepare("INSERT INTO usage (kind, subject_id, started_us, project_id, state, "
				      "item, vcpus, ram_mib, "
				      "disk_gib) VALUES ('server', ?2, ?1, 101, ?3, 'f', 1, 64, 1)");
	}
	for (int64_t i = from; i < from + n; i++) {
		if (i % PER_TICK == 0)
			plain_run("BEGIN IMMEDIATE");
		sqlite3_bind_int64(end, 1, 1000 + i / PER_TICK);
		sqlite3_bind_int64(end, 2, ids[i % ids_n]);
		plain_step(end);
		sqlite3_bind_int64(begin, 1, 1000 + i / PER_TICK);
		sqlite3_bind_int64(begin, 2, ids[i % ids_n]);
		sqlite3_bind_text(begin, 3, i / ids_n % 2 ? "active" : "stopped", -1, SQLITE_STATIC);
		plain_step(begin);
		if (i % PER_TICK == PER_TICK - 1)
			plain_run("COMMIT");
	}
	return (double)(cpu_us() - start) / (double)n;
}

static void ids_read(struct cloud *c)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;

	ids_n = cloud_count(c, "SELECT count(*) FROM server");
	ids = xcalloc((size_t)ids_n, sizeof *ids);
	if (db_query(store_ro(c->store), &err, &st, "SELECT id FROM server", NULL))
		fail_msg("%s", err.detail);
	for (int64_t i = 0; db_row(st, &err) > 0; i++)
		ids[i] = db_int(st, 0);
}

static int64_t pages(struct cloud *c)
{
	return cloud_count(c,
		       "SELECT count(*) FROM dbstat WHERE name IN ('usage', 'usage_open', 'usage_project')") *
	       cloud_count(c, "SELECT page_size FROM pragma_page_size");
}

static void bench_intervals(int64_t n)
{
	double rate[ROUNDS], ratio[ROUNDS], seal[ROUNDS];
	struct cloud c = { .hosts_n = 0 };
	int64_t before, rows;

	make(&c, 1);
	create_servers(&c, 1000);
	ids_read(&c);
	plain_open(&c);
	plain_schema(&c, "usage");
	clock_hold.mono_us = clock_mono(&test_clock);
	clock_hold.wall_us = clock_wall(&test_clock);
	clock_hold.held = true;
	flips(&c, 0, ids_n * 2, true);
	plain_flips(0, ids_n * 2);
	before = pages(&c);
	rows = cloud_count(&c, "SELECT count(*) FROM usage");
	for (int i = 0; i < ROUNDS; i++) {
		int64_t from = (2 + i) * n / ids_n * ids_n;
		double bare = flips(&c, from, n, false), by_hand = plain_flips(from, n);
		double books = flips(&c, from + ids_n, n, true);

		rate[i] = 1e6 / books;
		seal[i] = books - bare;
		ratio[i] = seal[i] / by_hand;
	}
	rows = cloud_count(&c, "SELECT count(*) FROM usage") - rows;
	printf("intervals_per_s %.0f\n", median(rate, ROUNDS));
	printf("interval_us %.2f\n", median(seal, ROUNDS));
	printf("interval_ratio %.2f\n", median(ratio, ROUNDS));
	printf("interval_bytes %.1f\n", (double)(pages(&c) - before) / (double)rows);
	clock_hold.held = false;
	sealing = true;
	sqlite3_close_v2(plain);
	free(ids);
	finish(&c);
}

int main(int argc, char **argv)
{
	int64_t n = 0;

	log_set_level(LOG_ERR);
	if (argc > 2 && !str_int64(argv[2], 100, 10000000, &n))
		return 2;
	if (argc > 1 && strcmp(argv[1], "create") == 0)
		bench_create(n ? n : 400);
	else if (argc > 1 && strcmp(argv[1], "intervals") == 0)
		bench_intervals(n ? n : 50000);
	else
		return 2;
	return 0;
}
