/* SPDX-License-Identifier: Apache-2.0 */
#include "store/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "store/internal.h"
#include "store/samples_file.h"

enum {
	SCHEMA = 1,
	MINUTE_MS = 60000,
	HOUR_MS = 3600000,
	GAP_PERIODS = 3,    /* a start so many readings after the last one follows without a gap */
	SPREAD_HOURS = 168, /* a longer silence is laid over its last week */
	SWEEP_ROWS = 10000
};

/* As the names in the readings, in their order. */
#define COUNTERS "cpu_ns, read_bytes, reads, write_bytes, writes, rx_bytes, rx_packets, tx_bytes, tx_packets"
#define SUMS(table)                                                                                         \
	"INSERT INTO " table " (at, server, covered_ms, " COUNTERS                                          \
	", ram_known_ms, ram_mib_ms, ram_max_mib, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, " \
	"1) "                                                                                               \
	"ON CONFLICT (at, server) DO UPDATE SET covered_ms = covered_ms + excluded.covered_ms, "            \
	"cpu_ns = cpu_ns + excluded.cpu_ns, read_bytes = read_bytes + excluded.read_bytes, "                \
	"reads = reads + excluded.reads, write_bytes = write_bytes + excluded.write_bytes, "                \
	"writes = writes + excluded.writes, rx_bytes = rx_bytes + excluded.rx_bytes, "                      \
	"rx_packets = rx_packets + excluded.rx_packets, tx_bytes = tx_bytes + excluded.tx_bytes, "          \
	"tx_packets = tx_packets + excluded.tx_packets, "                                                   \
	"ram_known_ms = ram_known_ms + excluded.ram_known_ms, "                                             \
	"ram_mib_ms = ram_mib_ms + excluded.ram_mib_ms, "                                                   \
	"ram_max_mib = max(ram_max_mib, excluded.ram_max_mib), n = n + 1"
#define DROP(table)                                                                                         \
	"DELETE FROM " table " WHERE (at, server) IN (SELECT at, server FROM " table " WHERE at < ? ORDER " \
	"BY at, server LIMIT ?)"

static const char *const write_sql[SAMPLES_WRITES] = {
	[SERVER_GET] = "SELECT id, until_ms, project FROM server WHERE uid = ?",
	[SERVER_ADD] = "INSERT INTO server (uid, project, until_ms) VALUES (?, ?, 0) ON CONFLICT (uid) DO "
		       "UPDATE SET project = excluded.project",
	[SERVER_COVER] = "UPDATE server SET until_ms = max(until_ms, ?2) WHERE id = ?1",
	[LIFE_GET] = "SELECT start, at_ms, " COUNTERS " FROM life WHERE host = ? AND server = ?",
	[LIFE_SET] =
		"INSERT INTO life (host, server, start, at_ms, " COUNTERS
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (host, server) DO UPDATE SET "
		"start = excluded.start, at_ms = excluded.at_ms, cpu_ns = excluded.cpu_ns, "
		"read_bytes = excluded.read_bytes, reads = excluded.reads, "
		"write_bytes = excluded.write_bytes, writes = excluded.writes, "
		"rx_bytes = excluded.rx_bytes, rx_packets = excluded.rx_packets, "
		"tx_bytes = excluded.tx_bytes, tx_packets = excluded.tx_packets",
	[MINUTE_ADD] = SUMS("minute"),
	[HOUR_ADD] = SUMS("hour"),
	[MINUTES_DROP] = DROP("minute"),
	[HOURS_DROP] = DROP("hour"),
	[LIVES_DROP] = "DELETE FROM life WHERE at_ms < ?",
	[SERVERS_DROP] = "DELETE FROM server WHERE until_ms < ? AND id NOT IN (SELECT server FROM life)",
};

#define COLUMNS                                                                                              \
	"cpu_ns INTEGER NOT NULL CHECK (cpu_ns >= 0), read_bytes INTEGER NOT NULL CHECK (read_bytes >= 0), " \
	"reads INTEGER NOT NULL CHECK (reads >= 0), write_bytes INTEGER NOT NULL CHECK (write_bytes >= 0), " \
	"writes INTEGER NOT NULL CHECK (writes >= 0), rx_bytes INTEGER NOT NULL CHECK (rx_bytes >= 0), "     \
	"rx_packets INTEGER NOT NULL CHECK (rx_packets >= 0), "                                              \
	"tx_bytes INTEGER NOT NULL CHECK (tx_bytes >= 0), "                                                  \
	"tx_packets INTEGER NOT NULL CHECK (tx_packets >= 0)"
/* Clustered by time: what is written together lies together, and what is too old is at the front. */
#define TABLE(table)                                                                               \
	"CREATE TABLE IF NOT EXISTS " table " (at INTEGER NOT NULL, server INTEGER NOT NULL, "     \
	"covered_ms INTEGER NOT NULL CHECK (covered_ms >= 0), " COLUMNS                            \
	", ram_known_ms INTEGER NOT NULL CHECK (ram_known_ms >= 0), ram_mib_ms INTEGER NOT NULL, " \
	"ram_max_mib INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (at, server)) STRICT, WITHOUT ROWID;"

static const char schema_sql[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216;"
	"PRAGMA cache_size = -65536;" /* KiB: what is written each minute of 100,000 servers */
	"BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS server (id INTEGER NOT NULL PRIMARY KEY, uid TEXT NOT NULL UNIQUE, "
	"project TEXT NOT NULL, until_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX IF NOT EXISTS server_of ON server (project, uid);"
	"CREATE TABLE IF NOT EXISTS life (host INTEGER NOT NULL, server INTEGER NOT NULL, start INTEGER NOT "
	"NULL, "
	"at_ms INTEGER NOT NULL, " COLUMNS ", PRIMARY KEY (host, server)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS life_of ON life (server);" TABLE("minute")
		TABLE("hour") "PRAGMA user_version = 1;"
			      "COMMIT";

/* --- statements ----------------------------------------------------------------------------------------- */

int samples_fail(sqlite3 *h, int rc, struct error *err)
{
	db_error(h, rc, err);
	return error_wrap(err, "samples");
}

int samples_step(sqlite3_stmt *st, struct error *err)
{
	int rc = sqlite3_step(st);

	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : samples_fail(sqlite3_db_handle(st), rc, err);
}

int samples_done(sqlite3_stmt *st, int rc)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static int run(sqlite3_stmt *st, struct error *err)
{
	return samples_done(st, samples_step(st, err));
}

static int exec(sqlite3 *h, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : samples_fail(h, rc, err);
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

static int bind_counters(sqlite3_stmt *st, int i, const int64_t *counters)
{
	for (int k = 0; k < SAMPLE_COUNTERS; k++)
		sqlite3_bind_int64(st, i++, counters[k]);
	return i;
}

/* --- open and close ------------------------------------------------------------------------------------- */

static void close_file(struct samples *s)
{
	for (int i = 0; i < SAMPLES_STATEMENTS; i++) {
		sqlite3_finalize(s->st[i]);
		s->st[i] = NULL;
	}
	sqlite3_close(s->r);
	sqlite3_close(s->w);
	s->r = s->w = NULL;
}

static int open_one(struct samples *s, sqlite3 **out, int flags, struct error *err)
{
	int rc = sqlite3_open_v2(s->path, out,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc != SQLITE_OK)
		return samples_fail(*out, rc, err);
	sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(*out, 10000);
	return 0;
}

static int prepare(struct samples *s, struct error *err)
{
	for (int i = 0; i < SAMPLES_STATEMENTS; i++) {
		bool reads = i >= SAMPLES_WRITES;
		sqlite3 *h = reads ? s->r : s->w;
		int rc = sqlite3_prepare_v3(h, reads ? samples_read_sql[i - SAMPLES_WRITES] : write_sql[i],
			-1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL);

		if (rc != SQLITE_OK)
			return samples_fail(h, rc, err);
	}
	return 0;
}

static int read_version(struct samples *s, int *out, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->w, "PRAGMA user_version", -1, &st, NULL);

	if (rc != SQLITE_OK)
		return samples_fail(s->w, rc, err);
	rc = samples_step(st, err);
	*out = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return rc < 0 ? -1 : 0;
}

static int open_file(struct samples *s, struct error *err)
{
	int version = 0;

	if (open_one(s, &s->w, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) < 0 ||
		read_version(s, &version, err) < 0)
		return -1;
	if (version > SCHEMA)
		return error_set(err, ERR_CONFLICT, "samples: the file was written by a newer version");
	if (exec(s->w, schema_sql, err) < 0 || open_one(s, &s->r, SQLITE_OPEN_READONLY, err) < 0)
		return -1;
	return prepare(s, err);
}

static void put_aside(struct samples *s, const struct error *why)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	log_event(LOG_ERR, "the samples cannot be read and begin anew", "file", s->path, "error", why->msg,
		"detail", why->detail, NULL);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		CLEANUP(free_ptr) char *from = xasprintf("%s%s", s->path, ends[i]);
		CLEANUP(free_ptr) char *to = xasprintf("%s.broken%s", s->path, ends[i]);

		if (rename(from, to) < 0 && errno != ENOENT)
			log_event(
				LOG_ERR, "cannot put it aside", "file", from, "error", strerror(errno), NULL);
	}
}

int samples_open(const struct samples_config *config, struct samples **out, struct error *err)
{
	struct samples *s = xcalloc(1, sizeof *s);
	int rc;

	s->config = *config;
	s->path = xstrdup(config->path);
	s->config.path = s->path;
	atomic_store(&s->refs, 1);
	pthread_mutex_init(&s->write_lock, NULL);
	pthread_mutex_init(&s->read_lock, NULL);
	rc = open_file(s, err);
	/* only what is broken: a full disk, a busy or a newer file has other codes */
	if (rc < 0 && err->code == ERR_INTERNAL) {
		close_file(s);
		put_aside(s, err);
		rc = open_file(s, err);
	}
	if (rc == 0)
		*out = s;
	else
		samples_unref(s);
	return rc;
}

struct samples *samples_ref(struct samples *s)
{
	if (s)
		atomic_fetch_add(&s->refs, 1);
	return s;
}

void samples_unref(struct samples *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	close_file(s);
	pthread_mutex_destroy(&s->write_lock);
	pthread_mutex_destroy(&s->read_lock);
	free(s->path);
	free(s);
}

int64_t samples_period_ms(const struct samples *s)
{
	return s->config.period_ms;
}

int64_t samples_file_bytes(const struct samples *s)
{
	struct stat st = { 0 };

	(void)!stat(s->path, &st);
	return st.st_size;
}

/* --- writing: under the lock ---------------------------------------------------------------------------- */

struct known_server {
	int64_t id, covered_ms;
};

static int server_get(
	struct samples *s, const char *uid, struct known_server *out, bool *out_named, struct error *err)
{
	sqlite3_stmt *st = s->st[SERVER_GET];
	int rc;

	bind_text(st, 1, uid);
	if ((rc = samples_step(st, err)) > 0) {
		out->id = sqlite3_column_int64(st, 0);
		out->covered_ms = sqlite3_column_int64(st, 1);
		*out_named = sqlite3_column_bytes(st, 2) > 0;
	}
	return samples_done(st, rc);
}

/* Made when it is not there; given its project when that was not known before. */
static int server_ensure(
	struct samples *s, const struct samples_row *row, struct known_server *out, struct error *err)
{
	bool named = false;
	int rc = server_get(s, row->server, out, &named, err);

	if (rc < 0 || (rc > 0 && (named || !row->project[0])))
		return rc < 0 ? -1 : 0;
	bind_text(s->st[SERVER_ADD], 1, row->server);
	bind_text(s->st[SERVER_ADD], 2, row->project);
	if (run(s->st[SERVER_ADD], err) < 0)
		return -1;
	return server_get(s, row->server, out, &named, err) < 0 ? -1 : 0;
}

static int life_get(
	struct samples *s, int64_t host_id, int64_t server, struct sample_last *out, struct error *err)
{
	sqlite3_stmt *st = s->st[LIFE_GET];
	int rc;

	*out = (struct sample_last) { 0 };
	sqlite3_bind_int64(st, 1, host_id);
	sqlite3_bind_int64(st, 2, server);
	if ((rc = samples_step(st, err)) > 0) {
		out->known = true;
		out->start = sqlite3_column_int64(st, 0);
		out->at_ms = sqlite3_column_int64(st, 1);
		for (int i = 0; i < SAMPLE_COUNTERS; i++)
			out->counter[i] = sqlite3_column_int64(st, 2 + i);
	}
	return samples_done(st, rc) < 0 ? -1 : 0;
}

static int life_set(
	struct samples *s, int64_t host_id, int64_t server, const struct sample_last *l, struct error *err)
{
	sqlite3_stmt *st = s->st[LIFE_SET];

	sqlite3_bind_int64(st, 1, host_id);
	sqlite3_bind_int64(st, 2, server);
	sqlite3_bind_int64(st, 3, l->start);
	sqlite3_bind_int64(st, 4, l->at_ms);
	bind_counters(st, 5, l->counter);
	return run(st, err);
}

static int sum_add(struct samples *s, enum samples_statement which, int64_t at, int64_t server,
	const struct sample_use *u, struct error *err)
{
	sqlite3_stmt *st = s->st[which];
	int64_t ms = u->at_ms - u->since_ms;
	int i;

	sqlite3_bind_int64(st, 1, at);
	sqlite3_bind_int64(st, 2, server);
	sqlite3_bind_int64(st, 3, ms);
	i = bind_counters(st, 4, u->used);
	sqlite3_bind_int64(st, i++, u->ram_mib < 0 ? 0 : ms);
	sqlite3_bind_int64(st, i++, u->ram_mib < 0 ? 0 : u->ram_mib * ms);
	sqlite3_bind_int64(st, i, u->ram_mib);
	return run(st, err);
}

/* The minute in which it was read has it whole; hours have it by time. */
static int use_add(
	struct samples *s, int64_t server, int64_t offset_ms, struct sample_use *u, struct error *err)
{
	struct sample_use part;

	if (u->at_ms - u->since_ms > SPREAD_HOURS * (int64_t)HOUR_MS)
		u->since_ms = u->at_ms - SPREAD_HOURS * (int64_t)HOUR_MS;
	if (sum_add(s, MINUTE_ADD, (u->at_ms + offset_ms) / MINUTE_MS, server, u, err) < 0)
		return -1;
	while (sample_part(u, offset_ms, HOUR_MS, &part))
		if (sum_add(s, HOUR_ADD, sample_step(&part, offset_ms, HOUR_MS), server, &part, err) < 0)
			return -1;
	return 0;
}

/* 1: it was new, 0, -1. */
static int row_add(
	struct samples *s, const struct samples_batch *b, const struct samples_row *row, struct error *err)
{
	struct known_server server = { 0 };
	struct sample_last last;
	struct sample_use use;

	if (server_ensure(s, row, &server, err) < 0 || life_get(s, b->host_id, server.id, &last, err) < 0)
		return -1;
	if (!sample_count(&last, server.covered_ms, GAP_PERIODS * s->config.period_ms, &row->reading, &use))
		return 0;
	if (life_set(s, b->host_id, server.id, &last, err) < 0 ||
		use_add(s, server.id, b->offset_ms, &use, err) < 0)
		return -1;
	sqlite3_bind_int64(s->st[SERVER_COVER], 1, server.id);
	sqlite3_bind_int64(s->st[SERVER_COVER], 2, row->reading.at_ms);
	return run(s->st[SERVER_COVER], err) < 0 ? -1 : 1;
}

static int begin(struct samples *s, struct error *err)
{
	pthread_mutex_lock(&s->write_lock);
	if (exec(s->w, "BEGIN IMMEDIATE", err) == 0)
		return 0;
	pthread_mutex_unlock(&s->write_lock);
	return -1;
}

static int end(struct samples *s, int rc, struct error *err)
{
	struct error ignored;

	if (rc == 0)
		rc = exec(s->w, "COMMIT", err);
	if (rc < 0 && !sqlite3_get_autocommit(s->w))
		exec(s->w, "ROLLBACK", &ignored);
	pthread_mutex_unlock(&s->write_lock);
	return rc;
}

int samples_write(struct samples *s, const struct samples_batch *const *list, size_t n, int64_t *out_n,
	struct error *err)
{
	int64_t added = 0;
	int rc = 0;

	if (begin(s, err) < 0)
		return -1;
	for (size_t i = 0; i < n && rc >= 0; i++)
		for (size_t k = 0; k < list[i]->n && rc >= 0; k++)
			if ((rc = row_add(s, list[i], &list[i]->rows[k], err)) > 0)
				added++;
	if (end(s, rc < 0 ? -1 : 0, err) < 0)
		return -1;
	*out_n = added;
	return 0;
}

/* --- sweeping ------------------------------------------------------------------------------------------- */

static int drop(
	struct samples *s, enum samples_statement which, int64_t before, bool *out_more, struct error *err)
{
	sqlite3_bind_int64(s->st[which], 1, before);
	if (which == MINUTES_DROP || which == HOURS_DROP)
		sqlite3_bind_int64(s->st[which], 2, SWEEP_ROWS);
	if (run(s->st[which], err) < 0)
		return -1;
	*out_more |= sqlite3_changes(s->w) >= SWEEP_ROWS;
	return 0;
}

/* A server goes a day after its last hour, so that nothing names it any more. */
static int sweep(struct samples *s, int64_t wall_ms, bool *out_more, struct error *err)
{
	const struct samples_config *c = &s->config;
	bool ignored = false;

	*out_more = false;
	if (drop(s, MINUTES_DROP, (wall_ms - c->minutes_keep_ms) / MINUTE_MS, out_more, err) < 0 ||
		drop(s, HOURS_DROP, (wall_ms - c->hours_keep_ms) / HOUR_MS, out_more, err) < 0)
		return -1;
	return *out_more ? 0
	       : drop(s, LIVES_DROP, wall_ms - c->hours_keep_ms - 24LL * HOUR_MS, &ignored, err) < 0 ||
			       drop(s, SERVERS_DROP, wall_ms - c->hours_keep_ms - 24LL * HOUR_MS, &ignored,
				       err) < 0
		       ? -1
		       : 0;
}

int samples_sweep(struct samples *s, int64_t wall_ms, bool *out_more, struct error *err)
{
	if (begin(s, err) < 0)
		return -1;
	return end(s, sweep(s, wall_ms, out_more, err), err);
}
