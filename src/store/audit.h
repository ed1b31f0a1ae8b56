/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `audit`: append-only, and a chain (domain/audit_chain.h). Strings are in the caller's arena unless
 * said otherwise. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "base/arena.h"
#include "domain/audit_walk.h"
#include "store/db.h"

struct audit_tip {
	int64_t seq;
	unsigned char hash[SHA256_SIZE];
	int64_t base_seq; /* the records up to it are gone */
	unsigned char base_hash[SHA256_SIZE];
};

/* Appends a record: its seq is set here. Bytes that are no UTF-8 become '?'. */
int store_audit_insert(struct db *db, const struct audit_record *r, struct error *err);

/* What cloudd does by itself: nobody's request. */
struct audit_note {
	int64_t at_us;
	const char *request_id; /* whose consequence it is; NULL or "": nobody's */
	const char *project_uid, *action, *target;
	int64_t status; /* as a request's would be: 200 done */
	const char *reason;
};
int store_audit_note(struct db *db, const struct audit_note *n, struct error *err);

int store_audit_tip(struct db *db, struct audit_tip *out, struct error *err);
/* ERR_NOT_FOUND. project_uid NULL: of any. hash may be NULL. */
int store_audit_load(struct db *db, struct arena *a, int64_t seq, const char *project_uid,
	struct audit_record *out, unsigned char hash[SHA256_SIZE], struct error *err);

struct audit_filter {
	int64_t before;          /* seq below it; 0: from the end */
	const char *project_uid; /* NULL: of all */
	const char *action;      /* "server.create", or "server." for all that begin so; NULL: any */
	const char *target, *user, *request_id; /* user: id or name; NULL: any */
	int64_t from_us, to_us;                 /* 0: open */
	int64_t status_min, status_max;         /* 0: any */
	size_t limit;
};
/* Newest first. A call looks at a bounded number of rows; *out_next: go on with it as `before`; 0: the end.
 */
int store_audit_list(struct db *db, struct arena *a, const struct audit_filter *f, struct audit_record **out,
	size_t *out_n, int64_t *out_next, struct error *err);

/* In order, from a record on. Then 1, 0 at the end, -1; texts are borrowed until the next. */
int store_audit_walk(struct db *db, int64_t from_seq, sqlite3_stmt **out, struct error *err);
int store_audit_next(
	sqlite3_stmt *st, struct audit_record *out, unsigned char hash[SHA256_SIZE], struct error *err);

/* The first record that was written at a time or later, as far as clocks that were set allow; behind the last
 * without one. */
int store_audit_seq_at(struct db *db, int64_t at_us, int64_t *out, struct error *err);

/* --- heads and keys --- */

int store_audit_head_insert(struct db *db, const struct audit_head *h, struct error *err);
/* The first of a record from seq on: 1, 0 none, -1. */
int store_audit_head_from(struct db *db, int64_t seq, struct audit_head *out, struct error *err);
/* The last: 1, 0 none, -1. */
int store_audit_head_last(struct db *db, struct audit_head *out, struct error *err);
/* The last that was signed before a time: 1, 0 none, -1. */
int store_audit_head_before(struct db *db, int64_t at_us, struct audit_head *out, struct error *err);

struct audit_key {
	char id[SIGN_ID_TEXT];
	unsigned char public_key[SIGN_PUBLIC];
	int64_t seq;
};
int store_audit_key_insert(struct db *db, const struct audit_key *k, struct error *err);
/* All, in the order in which they began. */
int store_audit_key_list(
	struct db *db, struct arena *a, struct audit_key **out, size_t *out_n, struct error *err);
/* 1, 0 none, -1. */
int store_audit_key_find(struct db *db, const char *id, struct audit_key *out, struct error *err);

/* Takes at most limit records away, none behind upto_seq, and moves the base; heads before it go, too.
 * Returns how many, or -1. */
int store_audit_purge(struct db *db, int64_t upto_seq, int64_t limit, struct error *err);
/* When the oldest record was written; 0: there is none. */
int store_audit_oldest(struct db *db, int64_t *out_us, struct error *err);

/* Rows from before there was a chain are taken into it; at every start, outside of ticks. */
int store_audit_adopt(struct db *rw, struct error *err);

#endif
