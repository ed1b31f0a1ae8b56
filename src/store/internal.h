/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's own files share; nothing outside src/store includes it. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

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

struct store {
	struct db rw, ro;
	char *path;
	const struct clock *clock; /* for rows that say when they were written */
	int lock_fd;
	int schema;
	uint64_t seq;
	int64_t next_id;  /* the last id given */
	int64_t tick_id;  /* the same when the last unit ended, for the commit thread */
	int64_t saved_id; /* the last one on disk */
	bool event_news; /* store_event_news */
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

/* store.c: before a read on ro */
int store_turn_begin(struct store *s, struct error *err);

/* member.c */
void member_init(struct store *s);

#endif
