/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's own files share; nothing outside src/store includes it. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "base/buf.h"
#include "domain/books_time.h"
#include "store/db.h"

struct stmt; /* a kept statement: db.c */

struct db {
	sqlite3 *h;
	struct store *store;
	struct db *next;    /* in the list of open connections */
	bool writable;      /* statements need an open transaction */
	struct stmt *stmts; /* kept statements */
	size_t n_stmts;
	uint16_t *by_text; /* hash tables of indexes into stmts, plus one */
	uint16_t *by_handle;
};

enum { BOOT_ID_TEXT = 64 };

/* The books: their clock, and what the unit under way touched. */
struct books {
	const struct clock *clock;
	struct books_clock time;
	struct buf steps; /* of struct books_step: rows of clock_step */
	int64_t now_us;   /* of the tick under way, or the last one */
	struct buf marks;
	/* the tick under way */
	bool stepped;
	int64_t before_us; /* the offset before it */
};

struct store {
	struct db rw, ro;
	struct books books;
	char *path;
	const struct clock *clock; /* for rows that say when they were written */
	int lock_fd;
	int schema;
	uint64_t seq;
	int64_t next_id;  /* the last id given */
	int64_t tick_id;  /* the same when the last unit ended, for the commit thread */
	int64_t saved_id; /* the last one on disk */
	bool event_news;  /* store_event_news */
	int64_t events,
		events_upto; /* how many are kept, of those up to that id: counted as they are purged */
	/* the tick under way */
	int64_t changes_begin, changes_savepoint, changes_undone;
	bool wrote;  /* the commit wrote something */
	bool broken; /* the transaction is gone or cannot be trusted: the tick is refused */
	struct error broken_err;
	bool unknown; /* an outcome is unknown: this stop is not a clean one */
	/* reads that share a transaction until the turn of the loop ends */
	void (*reading)(void *ctx);
	void *reading_ctx;
	bool turn;
	/* the write-ahead log, in pages */
	int wal_pages, checkpoint_at;
};

/* db.c */
int db_open(struct db *db, struct store *s, const char *path, bool writable, struct error *err);
void db_close(struct db *db);
/* Sets err from the connection's last failure (extended code rc). Always -1. */
int db_error(sqlite3 *h, int rc, struct error *err);
/* Plain SQL without values, also outside of ticks. */
int db_exec(struct db *db, const char *sql, struct error *err);
/* The same with a kept statement: BEGIN, SAVEPOINT and their like. */
int db_control(struct db *db, const char *sql, struct error *err);

/* store.c. The lock of a database's file; *fd is the caller's to close, also after a failure when not -1. */
int store_lock_take(const char *database, int *fd, struct error *err);
/* before a read on ro */
int store_turn_begin(struct store *s, struct error *err);

/* books_clock.c */
int books_open(struct store *s, const struct store_config *config, struct error *err);
void books_close(struct store *s);
/* books.c. When a unit ends: open intervals in line with the rows that it touched; or nothing of it. */
int books_follow(struct store *s, struct error *err);
void books_forget(struct store *s);
/* The books' first day: all that there is. */
int books_fill(struct store *s, struct error *err);
/* In a tick that begins. */
int books_begin(struct store *s, struct error *err);
void books_settle(struct store *s, bool done);

/* member.c */
void member_init(struct store *s);

#endif
