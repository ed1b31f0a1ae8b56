/* SPDX-License-Identifier: Apache-2.0 */
/* How fast a month is rated, and in how much memory: bench_rating [--size N] [--servers N] [--projects N]
 * [--file PATH]. Makes a database with so many intervals of one month (a tenth of them GPUs'), in a directory
 * of its own or, to be kept and used again, in PATH; then reads, adds up and rates all of it as cloudd does,
 * beside a plain SQLite loop that reads the same rows. Prints "name value unit" lines. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "domain/month.h"
#include "flow/billing_local.h"
#include "load.h"
#include "store/db.h"
#include "store/rating_read.h"

enum { FLAVORS = 20, ZONES = 3, MODELS = 4 };
#define H INT64_C(3600000000)

static struct {
	int64_t size, servers, projects;
	const char *file;
} config = { 10000000, 100000, 1000, NULL };

static int64_t from_us, to_us;

/* --- making --- */

static void sql(sqlite3 *h, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(h, text, NULL, NULL, &why))
		load_die("%s: %s", text, why);
}

static sqlite3_stmt *prepare(sqlite3 *h, const char *text)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(h, text, -1, &st, NULL))
		load_die("%s: %s", text, sqlite3_errmsg(h));
	return st;
}

static void insert(sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		load_die("%s", sqlite3_errmsg(sqlite3_db_handle(st)));
	sqlite3_reset(st);
}

static void bind_times(sqlite3_stmt *st, int col, int64_t i, int64_t n)
{
	int64_t start = from_us + (to_us - from_us) / n * i;

	sqlite3_bind_int64(st, col, start);
	if (i + 1 < n)
		sqlite3_bind_int64(st, col + 1, from_us + (to_us - from_us) / n * (i + 1));
	else
		sqlite3_bind_null(st, col + 1);
}

static const char *state_of(int64_t i)
{
	static const char *const states[] = { "active", "stopped", "active", "paused" };

	return states[i % 4];
}

static void make_servers(sqlite3 *h)
{
	sqlite3_stmt *st = prepare(h, "INSERT INTO usage (kind, subject_id, started_us, ended_us, "
				      "project_id, state, item, zone, vcpus, "
				      "ram_mib, disk_gib) VALUES ('server', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	int64_t each = (config.size - config.size / 10) / config.servers;

	for (int64_t s = 0; s < config.servers; s++) {
		char flavor[40], zone[8];

		snprintf(flavor, sizeof flavor, "%08d-0000-4000-8000-000000000000", (int)(s % FLAVORS));
		snprintf(zone, sizeof zone, "zone%d", (int)(s % ZONES));
		for (int64_t i = 0; i < each; i++) {
			sqlite3_bind_int64(st, 1, s + 1);
			bind_times(st, 2, i, each);
			sqlite3_bind_int64(st, 4, 1000 + s % config.projects);
			sqlite3_bind_text(st, 5, state_of(i), -1, SQLITE_STATIC);
			sqlite3_bind_text(st, 6, flavor, -1, SQLITE_STATIC);
			sqlite3_bind_text(st, 7, zone, -1, SQLITE_STATIC);
			sqlite3_bind_int64(st, 8, 1 << s % 5);
			sqlite3_bind_int64(st, 9, 1024 << s % 5);
			sqlite3_bind_int64(st, 10, 20 + s % 100);
			insert(st);
		}
	}
	sqlite3_finalize(st);
}

static void make_gpus(sqlite3 *h)
{
	static const char *const models[MODELS] = { "A100", "H100", "H200", "L40S" };
	sqlite3_stmt
		*book = prepare(h, "INSERT INTO gpu_book VALUES (?1, 'gpu' || ?1, 'host', '', ?2, ?3, NULL)"),
		*st = prepare(h,
			"INSERT INTO gpu_usage (device_id, part_id, started_us, ended_us, owner, share, "
			"project_id, server_id, state, model, zone) VALUES (?, 0, ?, ?, ?, 1000, ?, ?, ?, ?, "
			"'zone0')");
	int64_t n = config.servers / 10 + 1, each = config.size / 10 / n;

	for (int64_t g = 0; g < n; g++) {
		sqlite3_bind_int64(book, 1, g + 1);
		sqlite3_bind_text(book, 2, models[g % MODELS], -1, SQLITE_STATIC);
		sqlite3_bind_int64(book, 3, from_us);
		insert(book);
		for (int64_t i = 0; i < each; i++) {
			bool tenant = i % 8 != 7;

			sqlite3_clear_bindings(st);
			sqlite3_bind_int64(st, 1, g + 1);
			bind_times(st, 2, i, each);
			sqlite3_bind_text(st, 4, tenant ? "tenant" : "idle", -1, SQLITE_STATIC);
			if (tenant) {
				sqlite3_bind_int64(st, 5, 1000 + g % config.projects);
				sqlite3_bind_int64(st, 6, g + 1);
			}
			sqlite3_bind_text(st, 7, tenant ? state_of(i) : "", -1, SQLITE_STATIC);
			sqlite3_bind_text(st, 8, models[g % MODELS], -1, SQLITE_STATIC);
			insert(st);
		}
	}
	sqlite3_finalize(book);
	sqlite3_finalize(st);
}

static void make_projects(sqlite3 *h)
{
	sqlite3_stmt *st =
		prepare(h, "INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (?1, "
			   "'project' || ?1, 1, 'project' || ?1, 1)");

	for (int64_t i = 0; i < config.projects; i++) {
		sqlite3_bind_int64(st, 1, 1000 + i);
		insert(st);
	}
	sqlite3_finalize(st);
}

/* Twelve items of all kinds, with tiers; a book as an operator might have it. */
static void make_book(sqlite3 *h)
{
	sqlite3_stmt *st = prepare(h, "INSERT INTO price_book VALUES (1, 202701, 'VND', ?, 1)");
	static const char body[] =
		"{\"currency\":\"VND\",\"from_month\":\"2027-01\",\"taxes\":[{\"name\":\"GTGT\",\"percent\":"
		"\"8\"}],"
		"\"items\":[{\"resource\":\"vcpu\",\"price\":\"310.5\"},{\"resource\":\"vcpu\",\"state\":"
		"[\"stopped\",\"paused\"],\"price\":\"0\"},{\"resource\":\"vcpu\",\"zone\":\"zone1\","
		"\"price\":"
		"\"290\"},{\"resource\":\"ram_gib\",\"price\":\"77.25\"},{\"resource\":\"disk_gib\",\"unit\":"
		"\"month\",\"price\":\"1500\"},{\"resource\":\"gpu\",\"model\":\"H100\",\"tiers\":[{\"from\":"
		"0,"
		"\"price\":\"65000\"},{\"from\":5000,\"price\":\"60000\"}]},{\"resource\":\"gpu\",\"model\":"
		"\"H200\",\"price\":\"92000\"},{\"resource\":\"gpu\",\"model\":\"A100\",\"price\":\"41000\"},"
		"{\"resource\":\"gpu\",\"price\":\"21000\"},{\"resource\":\"gpu\",\"state\":\"stopped\","
		"\"price\":"
		"\"10000\"},{\"resource\":\"server\",\"flavor\":\"00000007-0000-4000-8000-000000000000\","
		"\"price\":"
		"\"99\"},{\"resource\":\"address\",\"price\":\"50\"}]}";

	sqlite3_bind_text(st, 1, body, -1, SQLITE_STATIC);
	insert(st);
	sqlite3_finalize(st);
}

static void make(const char *path)
{
	int64_t start = load_now_us();
	sqlite3 *h;

	if (sqlite3_open(path, &h))
		load_die("%s", sqlite3_errmsg(h));
	sql(h, "PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN");
	make_projects(h);
	make_book(h);
	make_servers(h);
	make_gpus(h);
	sql(h, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(h);
	printf("rating_make_seconds %.2f s\n", (double)(load_now_us() - start) / 1e6);
}

/* --- measuring --- */

static double cpu_s(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double peak_mib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)r.ru_maxrss / 1024;
}

/* The same rows and columns, and nothing done with them. */
static void plain_loop(const char *path)
{
	static const char *const texts[] = {
		"SELECT project_id, started_us, ended_us, vcpus, ram_mib, disk_gib, item, zone, state, "
		"preemptible FROM usage",
		"SELECT project_id, started_us, ended_us, share, model, profile, zone, state, preemptible, "
		"block_id FROM gpu_usage WHERE owner = 'tenant'"
	};
	int64_t start = load_now_us(), rows = 0, sum = 0;
	sqlite3 *h;

	if (sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL))
		load_die("%s", sqlite3_errmsg(h));
	for (size_t i = 0; i < 2; i++) {
		sqlite3_stmt *st = prepare(h, texts[i]);

		for (; sqlite3_step(st) == SQLITE_ROW; rows++)
			for (int c = 0; c < 10; c++)
				sum += sqlite3_column_type(st, c) == SQLITE_TEXT
					       ? *sqlite3_column_text(st, c)
					       : sqlite3_column_int64(st, c);
		sqlite3_finalize(st);
	}
	sqlite3_close(h);
	printf("rating_plain_loop_seconds %.2f s\n# %lld rows, sum %llx\n",
		(double)(load_now_us() - start) / 1e6, (long long)rows, (unsigned long long)sum);
}

static void rate(struct store *s)
{
	const struct billing_ask ask = { .month = { 202701, from_us, to_us, to_us, 1, false } };
	int64_t start = load_now_us(), total = 0;
	struct billing_rated r = { .n = 0 };
	atomic_bool stop = false;
	double cpu = cpu_s();
	struct error err;
	struct db *db;
	size_t groups;

	if (store_reader_open(s, &db, &err) || billing_open_book(db, &ask, &r, &err) ||
		billing_read(db, &ask, &stop, &r, &err))
		load_die("%s (%s)", err.msg, err.detail);
	for (size_t i = 0; i < r.n; i++)
		total += r.projects[i].invoice.total;
	rating_sums_sorted(r.sums, &groups);
	printf("rating_seconds %.2f s\nrating_cpu_seconds %.2f s\nrating_intervals_per_second %.0f 1/s\n",
		(double)(load_now_us() - start) / 1e6, cpu_s() - cpu,
		(double)config.size * 1e6 / (double)(load_now_us() - start));
	printf("rating_peak_mib %.0f MiB\nrating_invoices %zu invoices\n# %zu kinds of things, %lld VND\n",
		peak_mib(), r.n, groups, (long long)total);
	billing_rated_finish(&r);
	store_reader_close(db);
}

/* Reading and adding up, project by project: what is done when the books go back for years. */
static void by_project(struct store *s)
{
	struct rating_sums *sums = rating_sums_create(from_us, to_us);
	int64_t start = load_now_us();
	atomic_bool stop = false;
	struct error err;
	struct db *db;

	if (store_reader_open(s, &db, &err) ||
		store_rating_read_all(db, RATING_BY_PROJECT, from_us, to_us, &stop, sums, &err))
		load_die("%s (%s)", err.msg, err.detail);
	printf("rating_by_project_seconds %.2f s\n", (double)(load_now_us() - start) / 1e6);
	store_reader_close(db);
	rating_sums_destroy(sums);
}

/* Adding up alone, of intervals that are made as they come. */
static void sums_alone(void)
{
	struct rating_sums *s = rating_sums_create(from_us, to_us);
	int64_t start = load_now_us();
	struct error err;

	for (int64_t i = 0; i < config.size; i++) {
		char flavor[40] = "00000000-0000-4000-8000-000000000000";
		struct rating_use use = { .project_id = i / 100 % config.projects,
			.kind = RATING_SERVER,
			.start_us = from_us + i,
			.end_us = from_us + i + H,
			.thing = { { flavor, "", "", "", "zone1", state_of(i), "no", "" } },
			.amounts = { 1, 4, 8192, 40 } };

		flavor[0] = (char)('0' + i / 100 % FLAVORS % 10);
		if (rating_sums_add(s, &use, &err))
			load_die("%s", err.msg);
	}
	printf("rating_sums_seconds %.2f s\n", (double)(load_now_us() - start) / 1e6);
	rating_sums_destroy(s);
}

/* --- main --- */

static void options(int argc, char **argv)
{
	static const struct option known[] = { { "size", 1, NULL, 's' }, { "servers", 1, NULL, 'v' },
		{ "projects", 1, NULL, 'p' }, { "file", 1, NULL, 'f' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		int64_t *number = c == 's' ? &config.size : c == 'v' ? &config.servers : &config.projects;

		if (c == 'f')
			config.file = optarg;
		else if (c == '?' || !str_int64(optarg, 1, INT64_C(1000000000), number))
			load_die("usage: bench_rating [--size N] [--servers N] [--projects N] [--file PATH]");
	}
	if (config.servers > config.size / 2)
		config.servers = config.size / 2 + 1;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/bench-rating-XXXXXX", path[PATH_MAX];
	struct store_config sc = { .path = path, .clock = &clock_system, .no_sync = true };
	struct stat st;
	struct error err;
	struct store *s;
	bool fresh;

	options(argc, argv);
	from_us = month_start(202701);
	to_us = month_start(202702);
	if (!config.file && !mkdtemp(dir))
		load_die("no directory");
	snprintf(path, sizeof path, "%s%s", config.file ? config.file : dir, config.file ? "" : "/cloud.db");
	fresh = stat(path, &st) != 0;
	if (store_open(&sc, &s, &err))
		load_die("%s (%s)", err.msg, err.detail);
	if (fresh)
		make(path);
	stat(path, &st);
	printf("rating_file_mib %.0f MiB\n", (double)st.st_size / 1048576);
	sums_alone();
	rate(s);
	by_project(s);
	plain_loop(path);
	store_close(s);
	if (!config.file) {
		char rm[PATH_MAX + 8];

		snprintf(rm, sizeof rm, "%s.lock", path);
		unlink(rm);
		unlink(path);
		rmdir(dir);
	}
	return 0;
}
