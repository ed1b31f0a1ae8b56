/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite as the house uses it: a file with one read-write connection that only ticks touch, and one read-only
 * connection that sees the last commit. Noun files (store/servers.c, …) hold the SQL as constant statements;
 * values are always bound. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct db;    /* one connection with its prepared statements */
struct store; /* the file */

struct store_config {
	const char *path;
	const struct clock *clock; /* of the books */
	const char *boot_id;       /* of what clock_boot counts from; NULL: the kernel's */
	bool check;                /* PRAGMA integrity_check also after a clean stop */
	bool no_sync;              /* tests only: synchronous=OFF */
	/* Told of the first read on store_ro since store_turn_end: all reads of that turn of the loop then
	 * see one commit and share its locks, which are half of a short query's cost. NULL: each query is a
	 * transaction of its own. */
	void (*reading)(void *ctx);
	void *reading_ctx;
};

/* Opens or creates, takes the lock (two daemons on one file: ERR_CONFLICT), migrates, checks integrity after
 * an unclean stop. A schema newer than this binary is ERR_CONFLICT. */
int store_open(const struct store_config *config, struct store **out, struct error *err);
/* Marks a clean stop, checkpoints, closes. */
void store_close(struct store *s);

struct db *store_rw(struct store *s); /* inside a tick's unit only */
struct db *store_ro(struct store *s); /* any time on the loop: the last commit */
/* A read-only connection of the caller's own, for one thread that may take its time: it sees one commit, that
 * of its first query, until it is closed. The thread must be done before store_close. */
int store_reader_open(struct store *s, struct db **out, struct error *err);
/* What it is asked next is answered by the commit of then. */
int store_reader_again(struct db *db, struct error *err);
void store_reader_close(struct db *db); /* NULL is fine */
/* Several queries on store_ro that shall see one and the same commit: between begin and end, on the loop, not
 * nested and not across turns of the loop. */
int store_snapshot_begin(struct store *s, struct error *err);
void store_snapshot_end(struct store *s);
/* The turn of the loop is over (a tick that begins or settles ends it too). Harmless at any time on the loop.
 */
void store_turn_end(struct store *s);
/* A row key nobody had before, in one sequence for all tables (table `counter`, written back by each tick).
 */
int64_t store_next_id(struct store *s);
/* The next ones are beyond that. Inside a unit. */
void store_ids_beyond(struct store *s, int64_t id);
/* Ticks committed in this file's life: changes exactly when what store_ro shows changes. */
uint64_t store_seq(const struct store *s);
const char *store_path(const struct store *s);
int store_schema_version(const struct store *s);
/* Size of the file and its WAL, bytes. */
int64_t store_bytes(const struct store *s);

struct tick_member;
/* The store as a tick's first member (it alone has `commit`). Defined here without loop/'s types: the
 * functions have the signatures of struct tick_member with the store as ctx. */
int store_tick_begin(void *store, struct error *err);
void store_tick_savepoint(void *store);
int store_tick_seal(void *store, struct error *err); /* the books follow what the unit wrote */
void store_tick_release(void *store);
void store_tick_rollback(void *store);
bool store_tick_dirty(void *store); /* anything written in this tick? */
int store_tick_commit(
	void *store, struct error *err); /* 0 done, 1 refused, 2 unknown; on the commit thread */
void store_tick_settle(void *store, bool done);
bool store_tick_full(void *store);  /* as many rows changed as one tick should */
bool store_tick_tired(void *store); /* on the commit thread: is a checkpoint due? */
void store_tick_rest(void *store);  /* on the commit thread: the checkpoint */

/* --- statements --- */

/* The store a connection belongs to. */
struct store *db_store(struct db *db);

/* Bound values by a format: i int64_t, s text (NULL: null), b bytes (const void *, size_t), d double, n null.
 * A statement's text is a string literal: it is prepared once and kept. */

/* Runs a statement without rows. Returns the number of rows changed, or -1. A broken UNIQUE or CHECK is
 * ERR_CONFLICT (sqlite's text in detail); a full disk ERR_NO_SPACE; no memory, a lock or a disk that fails
 * ERR_UNAVAILABLE; anything else ERR_INTERNAL. */
int db_run(struct db *db, struct error *err, const char *sql, const char *fmt, ...);

/* A query:	CLEANUP(db_done) sqlite3_stmt *st = NULL;
 *		if (db_query(db, err, &st, sql, "i", id) < 0) return -1;
 *		while ((rc = db_row(st, err)) > 0) … db_int(st, 0) …
 * The statement is returned to the cache by db_done. Nested use of the same text works. */
int db_query(struct db *db, struct error *err, sqlite3_stmt **out, const char *sql, const char *fmt, ...);
int db_row(sqlite3_stmt *st, struct error *err); /* 1 a row, 0 no more, -1 */
void db_done(sqlite3_stmt **st);                 /* for CLEANUP; NULL is fine */
/* First row's first column. 1 found, 0 no row or null, -1. */
int db_int_query(struct db *db, struct error *err, int64_t *out, const char *sql, const char *fmt, ...);

static inline int64_t db_int(sqlite3_stmt *st, int col)
{
	return sqlite3_column_int64(st, col);
}

static inline bool db_is_null(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL;
}

/* Borrowed until the next db_row or db_done; NULL for null. */
static inline const char *db_text(sqlite3_stmt *st, int col)
{
	return (const char *)sqlite3_column_text(st, col);
}

/* Copied into the arena; NULL for null. */
char *db_dup(sqlite3_stmt *st, int col, struct arena *a);
/* Copied into a fixed array; "" for null. Returns false when cut. */
bool db_copy(sqlite3_stmt *st, int col, char *out, size_t size);

#endif
