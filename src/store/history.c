/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "store/internal.h"

enum {
	SCHEMA = 1,
	SWEEP_ROWS = 1000,
	CHUNK_OVERHEAD = 64, /* what a row takes beside its text, about */
	FREE_PAGES = 256     /* given back at a time */
};
static const int64_t mark_keep_us = 400LL * 24 * 3600 * 1000000;

enum statement {
	MARK_GET,
	MARK_BEFORE,
	MARK_SET,
	CHUNK_ADD,
	READ,
	LAST,
	OLDEST,
	OLDEST_OF,
	CHUNK_DROP,
	KEPT_GET,
	KEPT_ADD,
	KEPT_TAKE,
	KEPT_FORGET,
	MARKS_FORGET,
	STATEMENTS
};

static const char *const sqls[STATEMENTS] = {
	[MARK_GET] = "SELECT host, at, tail FROM mark WHERE server = ? AND host = ?",
	[MARK_BEFORE] =
		"SELECT host, at, tail FROM mark WHERE server = ? AND host != ? ORDER BY seen DESC LIMIT 1",
	[MARK_SET] =
		"INSERT INTO mark (server, host, at, tail, seen) VALUES (?, ?, ?, ?, ?) ON CONFLICT (server, "
		"host) DO UPDATE SET at = excluded.at, tail = excluded.tail, seen = excluded.seen",
	[CHUNK_ADD] = "INSERT INTO chunk (at, server, lost, text) VALUES (?, ?, ?, ?)",
	[READ] = "SELECT at, lost, text FROM chunk WHERE server = ? AND at BETWEEN ? AND ? ORDER BY at LIMIT "
		 "?",
	[LAST] = "SELECT text FROM chunk WHERE server = ? ORDER BY at DESC",
	[OLDEST] = "SELECT at, server, length(text) FROM chunk ORDER BY at LIMIT 1",
	[OLDEST_OF] = "SELECT at, server, length(text) FROM chunk WHERE server = ? ORDER BY at LIMIT 1",
	[CHUNK_DROP] = "DELETE FROM chunk WHERE at = ?",
	[KEPT_GET] = "SELECT bytes FROM kept WHERE server = ?",
	[KEPT_ADD] =
		"INSERT INTO kept (server, bytes) VALUES (?1, ?2) ON CONFLICT (server) DO UPDATE SET bytes = "
		"bytes + ?2",
	[KEPT_TAKE] = "UPDATE kept SET bytes = bytes + ?2 WHERE server = ?1",
	[KEPT_FORGET] = "DELETE FROM kept WHERE bytes = 0",
	[MARKS_FORGET] = "DELETE FROM mark WHERE seen < ?",
};

/* A chunk's key is its time, made later by a microsecond where two would be the same. */
static const char schema_sql[] =
	"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
	"PRAGMA journal_size_limit = 4194304;"
	"BEGIN;"
	"CREATE TABLE IF NOT EXISTS mark (server TEXT NOT NULL, host INTEGER NOT NULL, at INTEGER NOT NULL, "
	"tail BLOB "
	"NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (server, host)) STRICT;"
	"CREATE TABLE IF NOT EXISTS kept (server TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL CHECK "
	"(bytes >= 0)) "
	"STRICT;"
	"CREATE TABLE IF NOT EXISTS chunk (at INTEGER NOT NULL PRIMARY KEY, server TEXT NOT NULL, lost "
	"INTEGER NOT "
	"NULL, text BLOB NOT NULL) STRICT;"
	"CREATE INDEX IF NOT EXISTS chunk_of ON chunk (server, at);"
	"PRAGMA user_version = 1;"
	"COMMIT";

struct history {
	atomic_uint refs;
	pthread_mutex_t lock; /* all below */
	sqlite3 *h;
	sqlite3_stmt *st[STATEMENTS];
	struct history_config config;
	char *path;
	int64_t last_at, bytes;
};

/* --- statements: under the lock ------------------------------------------------------------------------- */

static int fail(struct history *h, int rc, struct error *err)
{
	db_error(h->h, rc, err);
	return error_wrap(err, "console history");
}

static int exec(struct history *h, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(h->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(h, rc, err);
}

static void bind_bytes(sqlite3_stmt *st, int i, const void *p, size_t n)
{
	if (n)
		sqlite3_bind_blob64(st, i, p, n, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(st, i, 0);
}

/* 1 a row, 0 none, -1. */
static int step(struct history *h, sqlite3_stmt *st, struct error *err)
{
	int rc = sqlite3_step(st);

	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : fail(h, rc, err);
}

static int done(sqlite3_stmt *st, int rc)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static int run(struct history *h, sqlite3_stmt *st, struct error *err)
{
	return done(st, step(h, st, err));
}

/* --- open and close ------------------------------------------------------------------------------------- */

static void close_file(struct history *h)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(h->st[i]);
		h->st[i] = NULL;
	}
	sqlite3_close(h->h);
	h->h = NULL;
}

static int read_int(struct history *h, const char *sql, int64_t *out, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(h->h, sql, -1, &st, NULL);

	if (rc != SQLITE_OK)
		return fail(h, rc, err);
	rc = step(h, st, err);
	if (rc > 0)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc < 0 ? -1 : 0;
}

static int open_file(struct history *h, struct error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int rc = sqlite3_open_v2(h->path, &h->h, flags, NULL);
	int64_t version = 0;

	if (rc != SQLITE_OK)
		return fail(h, rc, err);
	sqlite3_db_config(h->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (read_int(h, "PRAGMA user_version", &version, err) < 0)
		return -1;
	if (version > SCHEMA)
		return error_set(err, ERR_CONFLICT, "console history: it was written by a newer version");
	if (exec(h, schema_sql, err) < 0)
		return -1;
	for (int i = 0; i < STATEMENTS; i++) {
		rc = sqlite3_prepare_v3(h->h, sqls[i], -1, SQLITE_PREPARE_PERSISTENT, &h->st[i], NULL);
		if (rc != SQLITE_OK)
			return fail(h, rc, err);
	}
	return read_int(h, "SELECT coalesce(max(at), 0) FROM chunk", &h->last_at, err) < 0 ||
			       read_int(h, "SELECT coalesce(sum(bytes), 0) FROM kept", &h->bytes, err) < 0
		       ? -1
		       : 0;
}

static void put_aside(struct history *h, const struct error *why)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	log_event(LOG_ERR, "the console history cannot be read and begins anew", "file", h->path, "error",
		why->msg, "detail", why->detail, NULL);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		CLEANUP(free_ptr) char *from = xasprintf("%s%s", h->path, ends[i]);
		CLEANUP(free_ptr) char *to = xasprintf("%s.broken%s", h->path, ends[i]);

		if (rename(from, to) < 0 && errno != ENOENT)
			log_event(
				LOG_ERR, "cannot put it aside", "file", from, "error", strerror(errno), NULL);
	}
}

int history_open(const struct history_config *config, struct history **out, struct error *err)
{
	struct history *h = xcalloc(1, sizeof *h);
	int rc;

	h->config = *config;
	h->path = xstrdup(config->path);
	h->config.path = h->path;
	atomic_store(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	rc = open_file(h, err);
	/* only what is broken: a full disk, a busy or a newer file has other codes */
	if (rc < 0 && err->code == ERR_INTERNAL) {
		close_file(h);
		put_aside(h, err);
		rc = open_file(h, err);
	}
	if (rc == 0)
		*out = h;
	else
		history_unref(h);
	return rc;
}

struct history *history_ref(struct history *h)
{
	if (h)
		atomic_fetch_add(&h->refs, 1);
	return h;
}

void history_unref(struct history *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	close_file(h);
	pthread_mutex_destroy(&h->lock);
	free(h->path);
	free(h);
}

/* --- marks and text: under the lock --------------------------------------------------------------------- */

static int mark_load(struct history *h, enum statement which, const char *server, int64_t host_id,
	struct history_mark *out, struct error *err)
{
	sqlite3_stmt *st = h->st[which];
	int rc;

	*out = (struct history_mark) { .host_id = host_id };
	sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, host_id);
	if ((rc = step(h, st, err)) > 0) {
		out->known = true;
		out->host_id = sqlite3_column_int64(st, 0);
		out->offset = sqlite3_column_int64(st, 1);
		out->tail_n = (size_t)sqlite3_column_bytes(st, 2);
		if (out->tail_n > HISTORY_TAIL)
			out->tail_n = 0;
		if (out->tail_n)
			memcpy(out->tail, sqlite3_column_blob(st, 2), out->tail_n);
	}
	return done(st, rc) < 0 ? -1 : 0;
}

static int mark_save(struct history *h, const char *server, const struct history_mark *m, int64_t now_us,
	struct error *err)
{
	sqlite3_stmt *st = h->st[MARK_SET];

	sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, m->host_id);
	sqlite3_bind_int64(st, 3, m->offset);
	bind_bytes(st, 4, m->tail, m->tail_n);
	sqlite3_bind_int64(st, 5, now_us);
	return run(h, st, err);
}

static int64_t kept(struct history *h, const char *server, struct error *err)
{
	sqlite3_stmt *st = h->st[KEPT_GET];
	int64_t bytes = 0;
	int rc;

	sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	if ((rc = step(h, st, err)) > 0)
		bytes = sqlite3_column_int64(st, 0);
	return done(st, rc) < 0 ? -1 : bytes;
}

static int kept_add(struct history *h, const char *server, int64_t n, struct error *err)
{
	sqlite3_stmt *st = h->st[n < 0 ? KEPT_TAKE : KEPT_ADD];

	sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, n);
	if (run(h, st, err) < 0)
		return -1;
	h->bytes += n;
	return 0;
}

static int chunk_add(struct history *h, const char *server, const struct history_text *t, struct error *err)
{
	sqlite3_stmt *st = h->st[CHUNK_ADD];
	int64_t at = t->at_us > h->last_at ? t->at_us : h->last_at + 1;

	sqlite3_bind_int64(st, 1, at);
	sqlite3_bind_text(st, 2, server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, t->lost);
	bind_bytes(st, 4, t->p, t->n);
	if (run(h, st, err) < 0)
		return -1;
	h->last_at = at;
	return kept_add(h, server, (int64_t)t->n + CHUNK_OVERHEAD, err);
}

/* The oldest chunk, of one server or of all, goes when it is older than `before`. 1: it went, 0: none. */
static int drop_oldest(struct history *h, const char *server, int64_t before_us, struct error *err)
{
	sqlite3_stmt *st = h->st[server ? OLDEST_OF : OLDEST];
	CLEANUP(free_ptr) char *of = NULL;
	int64_t at = 0, n = 0;
	int rc;

	if (server)
		sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	if ((rc = step(h, st, err)) > 0) {
		at = sqlite3_column_int64(st, 0);
		of = xstrdup((const char *)sqlite3_column_text(st, 1));
		n = sqlite3_column_int64(st, 2);
	}
	if (done(st, rc) <= 0)
		return rc;
	if (at >= before_us)
		return 0;
	sqlite3_bind_int64(h->st[CHUNK_DROP], 1, at);
	return run(h, h->st[CHUNK_DROP], err) < 0 || kept_add(h, of, -(n + CHUNK_OVERHEAD), err) < 0 ? -1 : 1;
}

static bool mark_same(const struct history_mark *a, const struct history_mark *b)
{
	return a->known == b->known && a->offset == b->offset && a->tail_n == b->tail_n &&
	       memcmp(a->tail, b->tail, a->tail_n) == 0;
}

/* Is it what was seen? 1, 0 or -1. */
static int mark_holds(struct history *h, enum statement which, const char *server, int64_t host_id,
	const struct history_mark *seen, struct error *err)
{
	struct history_mark now;

	if (mark_load(h, which, server, host_id, &now, err) < 0)
		return -1;
	return now.host_id == seen->host_id && mark_same(&now, seen);
}

static int append(struct history *h, const char *server, const struct history_step *s,
	const struct history_text *t, struct error *err)
{
	int64_t bytes, host_id = s->before.host_id;
	int rc = mark_holds(h, MARK_GET, server, host_id, &s->before, err);

	/* the first of a host: the host that it came from may be read just now */
	if (rc > 0 && (s->came || !s->before.known))
		rc = mark_holds(h, MARK_BEFORE, server, host_id, &s->other, err);
	if (rc <= 0)
		return rc;
	/* in this order: marks, like chunks, are then seen one after the other */
	if ((t->n && chunk_add(h, server, t, err) < 0) ||
		mark_save(h, server, &s->after, h->last_at, err) < 0 ||
		(s->came && mark_save(h, server, &s->other_after, h->last_at - 1, err) < 0))
		return -1;
	while (rc > 0 && (bytes = kept(h, server, err)) > h->config.server_bytes)
		rc = drop_oldest(h, server, INT64_MAX, err);
	return rc < 0 || bytes < 0 ? -1 : 0;
}

/* --- the face ------------------------------------------------------------------------------------------- */

static int begin(struct history *h, struct error *err)
{
	pthread_mutex_lock(&h->lock);
	if (exec(h, "BEGIN IMMEDIATE", err) == 0)
		return 0;
	pthread_mutex_unlock(&h->lock);
	return -1;
}

static int end(struct history *h, int rc, int64_t bytes_before, struct error *err)
{
	struct error ignored;

	if (rc == 0)
		rc = exec(h, "COMMIT", err);
	if (rc < 0) {
		h->bytes = bytes_before;
		if (!sqlite3_get_autocommit(h->h))
			exec(h, "ROLLBACK", &ignored);
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static int mark_read(struct history *h, enum statement which, const char *server, int64_t host_id,
	struct history_mark *out, struct error *err)
{
	int rc;

	pthread_mutex_lock(&h->lock);
	rc = mark_load(h, which, server, host_id, out, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int history_mark_get(
	struct history *h, const char *server, int64_t host_id, struct history_mark *out, struct error *err)
{
	return mark_read(h, MARK_GET, server, host_id, out, err);
}

int history_mark_before(
	struct history *h, const char *server, int64_t host_id, struct history_mark *out, struct error *err)
{
	return mark_read(h, MARK_BEFORE, server, host_id, out, err);
}

int history_append(struct history *h, const char *server, const struct history_step *step,
	const struct history_text *text, struct error *err)
{
	int64_t bytes;

	if (begin(h, err) < 0)
		return -1;
	bytes = h->bytes;
	return end(h, append(h, server, step, text, err), bytes, err);
}

int history_read(struct history *h, struct arena *a, const struct history_query *q,
	struct history_chunk **out, size_t *out_n, bool *out_more, struct error *err)
{
	sqlite3_stmt *st = h->st[READ];
	struct history_chunk *list = ARENA_ARRAY(a, struct history_chunk, q->chunks);
	size_t n = 0, bytes = 0;
	int rc;

	*out_more = false;
	pthread_mutex_lock(&h->lock);
	sqlite3_bind_text(st, 1, q->server, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, q->since_us);
	sqlite3_bind_int64(st, 3, q->until_us);
	sqlite3_bind_int64(st, 4, (int64_t)q->chunks + 1);
	while ((rc = step(h, st, err)) > 0) {
		size_t len = (size_t)sqlite3_column_bytes(st, 2);

		if (n == q->chunks || (n && bytes + len > q->bytes)) {
			*out_more = true;
			break;
		}
		list[n++] = (struct history_chunk) {
			.at_us = sqlite3_column_int64(st, 0),
			.lost = sqlite3_column_int(st, 1),
			.p = memcpy(arena_alloc(a, len + 1), len ? sqlite3_column_blob(st, 2) : "", len),
			.n = len,
		};
		bytes += len;
	}
	done(st, rc);
	pthread_mutex_unlock(&h->lock);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int history_last(struct history *h, const char *server, size_t max, struct buf *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf all = { 0 };
	sqlite3_stmt *st = h->st[LAST];
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	sqlite3_bind_text(st, 1, server, -1, SQLITE_STATIC);
	while (all.len < max && (rc = step(h, st, err)) > 0) {
		struct buf older = { 0 };

		buf_append(&older, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		buf_append(&older, all.data, all.len);
		buf_finish(&all);
		all = older;
	}
	done(st, 0);
	pthread_mutex_unlock(&h->lock);
	if (rc < 0)
		return -1;
	if (all.len > max)
		buf_consume(&all, all.len - max);
	buf_append(out, all.data, all.len);
	return 0;
}

/* What is too old, then what is too much. */
static int sweep(struct history *h, int64_t now_us, bool *out_more, struct error *err)
{
	int rc = 1;

	for (int i = 0; i < SWEEP_ROWS && rc > 0; i++) {
		rc = drop_oldest(h, NULL, now_us - h->config.keep_us, err);
		if (rc == 0 && h->bytes > h->config.total_bytes)
			rc = drop_oldest(h, NULL, INT64_MAX, err);
	}
	*out_more = rc > 0;
	sqlite3_bind_int64(h->st[MARKS_FORGET], 1, now_us - mark_keep_us);
	return rc < 0 || run(h, h->st[MARKS_FORGET], err) < 0 || run(h, h->st[KEPT_FORGET], err) < 0 ? -1 : 0;
}

int history_sweep(struct history *h, int64_t now_us, bool *out_more, struct error *err)
{
	struct error ignored;
	int64_t bytes;
	char vacuum[64];

	if (begin(h, err) < 0)
		return -1;
	bytes = h->bytes;
	if (end(h, sweep(h, now_us, out_more, err), bytes, err) < 0)
		return -1;
	snprintf(vacuum, sizeof vacuum, "PRAGMA incremental_vacuum(%d)", FREE_PAGES);
	pthread_mutex_lock(&h->lock);
	exec(h, vacuum, &ignored);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

void history_stats(struct history *h, struct history_stats *out)
{
	struct stat st = { 0 };

	pthread_mutex_lock(&h->lock);
	out->bytes = h->bytes;
	pthread_mutex_unlock(&h->lock);
	(void)!stat(h->path, &st);
	out->file_bytes = st.st_size;
}
