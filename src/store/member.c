/* SPDX-License-Identifier: Apache-2.0 */
/* The store's part of a tick: one transaction, a savepoint per unit, a commit that says done, refused or
 * unknown. */
#include "base/log.h"
#include "store/internal.h"

enum {
	TICK_ROWS_MAX = 4096,    /* changed by one tick, so that its write stays short */
	CHECKPOINT_PAGES = 2048, /* of the log (8 MiB) before they are copied into the file */
};

/* As loop/tick.h has them: the store does not know the loop. */
enum { COMMIT_DONE, COMMIT_REFUSED, COMMIT_UNKNOWN };

static int wal_committed(void *ctx, sqlite3 *h, const char *name, int pages)
{
	struct store *s = ctx;

	(void)h;
	(void)name;
	if (pages < s->wal_pages)
		s->checkpoint_at = CHECKPOINT_PAGES; /* the log began anew */
	s->wal_pages = pages;
	return SQLITE_OK;
}

void member_init(struct store *s)
{
	s->checkpoint_at = CHECKPOINT_PAGES;
	sqlite3_wal_hook(s->rw.h, wal_committed, s);
	sqlite3_busy_timeout(s->rw.h, 0); /* the tick waits, not the loop */
}

/* The transaction of this tick is lost, whatever comes; the first reason is the one to tell. */
static void break_tick(struct store *s, const struct error *why)
{
	if (!s->broken)
		s->broken_err = *why;
	s->broken = true;
}

static void control(struct store *s, const char *sql)
{
	struct error err = { 0 };

	if (!s->broken && db_control(&s->rw, sql, &err))
		break_tick(s, &err);
}

/* Without space or memory SQLite may end the transaction by itself: the earlier units are undone with it. */
static void notice_loss(struct store *s)
{
	struct error err;

	if (s->broken || !sqlite3_get_autocommit(s->rw.h))
		return;
	db_error(s->rw.h, sqlite3_extended_errcode(s->rw.h), &err);
	break_tick(s, &err);
}

static void leave_transaction(struct store *s)
{
	struct error err;

	if (!sqlite3_get_autocommit(s->rw.h) && db_control(&s->rw, "ROLLBACK", &err))
		log_event(LOG_ERR, "rollback failed", "detail", err.detail, NULL);
}

int store_tick_begin(void *store, struct error *err)
{
	struct store *s = store;

	store_turn_end(s); /* a reader of the log would keep it from beginning anew */
	s->broken = s->wrote = false;
	s->changes_begin = sqlite3_total_changes64(s->rw.h);
	s->changes_undone = 0;
	if (db_control(&s->rw, "BEGIN IMMEDIATE", err)) {
		if (sqlite3_errcode(s->rw.h) == SQLITE_BUSY)
			err->code = ERR_BUSY; /* the tick tries again */
		return -1;
	}
	if (!books_begin(s, err))
		return 0;
	leave_transaction(s);
	return -1;
}

void store_tick_savepoint(void *store)
{
	struct store *s = store;

	s->changes_savepoint = sqlite3_total_changes64(s->rw.h);
	books_forget(s);
	control(s, "SAVEPOINT unit");
}

int store_tick_seal(void *store, struct error *err)
{
	return books_follow(store, err);
}

void store_tick_release(void *store)
{
	struct store *s = store;

	notice_loss(s);
	control(s, "RELEASE unit");
	s->tick_id = s->next_id;
}

void store_tick_rollback(void *store)
{
	struct store *s = store;

	notice_loss(s);
	control(s, "ROLLBACK TO unit");
	control(s, "RELEASE unit");
	s->changes_undone += sqlite3_total_changes64(s->rw.h) - s->changes_savepoint;
}

static int64_t rows_changed(struct store *s)
{
	return sqlite3_total_changes64(s->rw.h) - s->changes_begin - s->changes_undone;
}

bool store_tick_dirty(void *store)
{
	struct store *s = store;

	return !s->broken && rows_changed(s) > 0;
}

bool store_tick_full(void *store)
{
	struct store *s = store;

	return s->broken || rows_changed(s) >= TICK_ROWS_MAX;
}

/* The rows that each tick writes of its own: its number, its books time, and how far ids are given out. */
static int count_tick(struct store *s, struct error *err)
{
	if (db_run(&s->rw, err, "UPDATE applied SET seq = seq + 1, books_us = ? WHERE one = 1", "i",
		    s->books.now_us) != 1)
		return -1;
	if (s->tick_id == s->saved_id)
		return 0;
	return db_run(&s->rw, err, "UPDATE counter SET value = ? WHERE name = 'id'", "i", s->tick_id) == 1
		       ? 0
		       : -1;
}

/* A write that failed left the log without this commit's last page, so a reader of the log finds no commit:
 * refused. After any other failure (the sync, the log's index) the whole commit may be in the log, and a
 * restart may find it. */
static int classify(struct store *s, int rc)
{
	bool no_commit_mark = (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_WRITE ||
			      (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_CONSTRAINT;

	leave_transaction(s);
	if (no_commit_mark && sqlite3_get_autocommit(s->rw.h))
		return COMMIT_REFUSED;
	s->unknown = true;
	return COMMIT_UNKNOWN;
}

int store_tick_commit(void *store, struct error *err)
{
	struct store *s = store;

	notice_loss(s);
	if (!s->broken && rows_changed(s) <= 0) {
		leave_transaction(s);
		return COMMIT_DONE;
	}
	if (!s->broken && count_tick(s, err))
		break_tick(s, err);
	if (s->broken) {
		leave_transaction(s);
		*err = s->broken_err;
		return COMMIT_REFUSED;
	}
	if (db_control(&s->rw, "COMMIT", err))
		return classify(s, sqlite3_extended_errcode(s->rw.h));
	s->wrote = true;
	return COMMIT_DONE;
}

void store_tick_settle(void *store, bool done)
{
	struct store *s = store;

	store_turn_end(s); /* who reads from here on sees this tick */
	books_settle(s, done);
	if (!done) {
		leave_transaction(s);
	} else if (s->wrote) {
		s->seq++;
		s->saved_id = s->tick_id;
	}
}

bool store_tick_tired(void *store)
{
	struct store *s = store;

	return s->wal_pages >= s->checkpoint_at;
}

/* Copies the log into the file, so that the next commit begins the log anew. Between two ticks, so that
 * nothing is added to it meanwhile: beside a steady stream of commits a checkpoint would never be done. */
void store_tick_rest(void *store)
{
	struct store *s = store;
	int pages = 0, copied = 0;
	int rc = sqlite3_wal_checkpoint_v2(s->rw.h, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);

	/* all of it stays in the log when this fails: again when it has grown by as much */
	s->checkpoint_at = s->wal_pages + CHECKPOINT_PAGES;
	if (rc != SQLITE_OK)
		log_event(LOG_WARNING, "checkpoint failed", "detail", sqlite3_errmsg(s->rw.h), NULL);
}
