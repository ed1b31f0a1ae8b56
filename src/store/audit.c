/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

#include <string.h>

#include "base/util.h"

#define COLUMNS                                                                                          \
	"seq, at_us, request_id, user_uid, user_name, project_uid, peer, method, path, action, target, " \
	"status, reason, hash"

enum { SCAN_MAX = 20000, CLOCK_STEP_ROWS = 1000 };
static const int64_t DAY_US = 86400LL * 1000000;

/* --- writing --- */

static bool get_hash(sqlite3_stmt *st, int col, unsigned char out[SHA256_SIZE])
{
	const void *p = sqlite3_column_blob(st, col);

	if (!p || sqlite3_column_bytes(st, col) != SHA256_SIZE)
		return false;
	memcpy(out, p, SHA256_SIZE);
	return true;
}

int store_audit_tip(struct db *db, struct audit_tip *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;

	if (db_query(db, err, &st, "SELECT seq, hash, base_seq, base_hash FROM audit_chain WHERE one = 1",
		    NULL) < 0)
		return -1;
	switch (db_row(st, err)) {
	case 1:
		out->seq = db_int(st, 0);
		out->base_seq = db_int(st, 2);
		if (get_hash(st, 1, out->hash) && get_hash(st, 3, out->base_hash))
			return 0;
		return error_internal(err, "the audit's chain has a hash that is none");
	case 0:
		return error_internal(err, "the audit's chain has lost its row");
	default:
		return -1;
	}
}

/* What would be written otherwise than it is hashed. */
static const char *as_utf8(struct arena *a, const char *s)
{
	char *c;

	if (!s || utf8_valid(s, strlen(s)))
		return s;
	c = arena_strdup(a, s);
	for (char *p = c; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return c;
}

static void clean(struct audit_record *r, struct arena *a)
{
	const char **const texts[] = { &r->request_id, &r->user_uid, &r->user_name, &r->project_uid, &r->peer,
		&r->method, &r->path, &r->action, &r->target, &r->reason };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = as_utf8(a, *texts[i]);
}

int store_audit_insert(struct db *db, const struct audit_record *in, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct audit_record r = *in;
	struct audit_tip tip;
	unsigned char leaf[SHA256_SIZE], hash[SHA256_SIZE];

	if (store_audit_tip(db, &tip, err))
		return -1;
	clean(&r, &a);
	r.seq = tip.seq + 1;
	audit_leaf(&r, leaf);
	audit_link(tip.hash, leaf, hash);
	if (db_run(db, err,
		    "INSERT INTO audit (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    "iisssssssssisb", r.seq, r.at_us, r.request_id, r.user_uid, r.user_name, r.project_uid,
		    r.peer, r.method, r.path, r.action, r.target, r.status, r.reason, hash,
		    sizeof hash) < 0 ||
		db_run(db, err, "UPDATE audit_chain SET seq = ?, hash = ? WHERE one = 1", "ib", r.seq, hash,
			sizeof hash) < 0)
		return -1;
	return 0;
}

int store_audit_note(struct db *db, const struct audit_note *n, struct error *err)
{
	const struct audit_record r = { .at_us = n->at_us,
		.request_id = n->request_id && *n->request_id ? n->request_id : "-",
		.project_uid = n->project_uid && *n->project_uid ? n->project_uid : NULL,
		.peer = "-",
		.method = "-",
		.path = "-",
		.action = n->action,
		.target = n->target,
		.status = n->status,
		.reason = n->reason };

	return store_audit_insert(db, &r, err);
}

/* --- reading --- */

/* Bytes behind a NUL were never written, and would not be seen: such a text fits nothing. */
static const char *lend_text(sqlite3_stmt *st, int col)
{
	const char *s = db_text(st, col);

	return s && strlen(s) != (size_t)sqlite3_column_bytes(st, col) ? "(bytes behind a NUL)" : s;
}

/* Texts as SQLite lends them. False: the hash is none. */
static bool lend(sqlite3_stmt *st, struct audit_record *r, unsigned char *hash)
{
	const char **const texts[] = { &r->request_id, &r->user_uid, &r->user_name, &r->project_uid, &r->peer,
		&r->method, &r->path, &r->action, &r->target };

	r->seq = db_int(st, 0);
	r->at_us = db_int(st, 1);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = lend_text(st, 2 + (int)i);
	r->status = db_int(st, 11);
	r->reason = lend_text(st, 12);
	return !hash || get_hash(st, 13, hash);
}

int store_audit_walk(struct db *db, int64_t from_seq, sqlite3_stmt **out, struct error *err)
{
	return db_query(
		db, err, out, "SELECT " COLUMNS " FROM audit WHERE seq >= ? ORDER BY seq", "i", from_seq);
}

int store_audit_next(
	sqlite3_stmt *st, struct audit_record *out, unsigned char hash[SHA256_SIZE], struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0 && !lend(st, out, hash))
		return error_internal(err, "audit record %lld has no hash", (long long)out->seq);
	return rc;
}

int store_audit_load(struct db *db, struct arena *a, int64_t seq, const char *project_uid,
	struct audit_record *out, unsigned char hash[SHA256_SIZE], struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_record r;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS " FROM audit WHERE seq = ?1 AND (?2 IS NULL OR project_uid = ?2)", "is",
		    seq, project_uid) < 0)
		return -1;
	rc = store_audit_next(st, &r, hash, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "there is no audit record %lld", (long long)seq);
	if (rc < 0)
		return -1;
	*out = audit_record_copy(&r, a);
	return 0;
}

int store_audit_seq_at(struct db *db, int64_t at_us, int64_t *out, struct error *err)
{
	struct audit_tip tip;
	int64_t seq = 0;
	int rc = db_int_query(db, err, &seq,
		"SELECT min(seq) FROM (SELECT seq FROM audit WHERE at_us >= ? ORDER BY at_us LIMIT ?)", "ii",
		at_us, (int64_t)CLOCK_STEP_ROWS);

	if (rc < 0 || store_audit_tip(db, &tip, err))
		return -1;
	*out = rc ? seq : tip.seq + 1;
	return 0;
}

static bool action_matches(const char *wanted, const char *action)
{
	size_t n = strlen(wanted);

	return n && wanted[n - 1] == '.' ? strncmp(action, wanted, n) == 0 : strcmp(action, wanted) == 0;
}

static bool matches(const struct audit_filter *f, const struct audit_record *r)
{
	return (!f->action || action_matches(f->action, r->action)) &&
	       (!f->target || str_eq(f->target, r->target)) &&
	       (!f->user || str_eq(f->user, r->user_uid) || str_eq(f->user, r->user_name)) &&
	       (!f->request_id || str_eq(f->request_id, r->request_id)) &&
	       (!f->from_us || r->at_us >= f->from_us) && (!f->to_us || r->at_us < f->to_us) &&
	       (!f->status_min || (r->status >= f->status_min && r->status <= f->status_max));
}

/* Where to begin: with a time, at the last record before it, as far as clocks that were set allow. */
static int list_start(struct db *db, const struct audit_filter *f, int64_t *out, struct error *err)
{
	int64_t last = 0;

	*out = f->before ? f->before : INT64_MAX;
	if (!f->to_us)
		return 0;
	if (db_int_query(db, err, &last,
		    "SELECT max(seq) FROM (SELECT seq FROM audit WHERE at_us < ? ORDER BY at_us DESC "
		    "LIMIT ?)",
		    "ii", f->to_us, (int64_t)CLOCK_STEP_ROWS) < 0)
		return -1;
	if (last + 1 < *out)
		*out = last + 1;
	return 0;
}

int store_audit_list(struct db *db, struct arena *a, const struct audit_filter *f, struct audit_record **out,
	size_t *out_n, int64_t *out_next, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_record *all = ARENA_ARRAY(a, struct audit_record, f->limit + 1), r;
	int64_t start, last = 0;
	int rc = 0, seen = 0;
	size_t n = 0;

	if (list_start(db, f, &start, err) ||
		(f->project_uid ? db_query(db, err, &st,
					  "SELECT " COLUMNS " FROM audit WHERE project_uid = ? AND seq < ? "
					  "ORDER BY seq DESC",
					  "si", f->project_uid, start)
				: db_query(db, err, &st,
					  "SELECT " COLUMNS " FROM audit WHERE seq < ? ORDER BY seq DESC",
					  "i", start)) < 0)
		return -1;
	while (n < f->limit && seen < SCAN_MAX && (rc = db_row(st, err)) > 0) {
		lend(st, &r, NULL);
		if (f->from_us && r.at_us < f->from_us - DAY_US) {
			rc = 0;
			break;
		}
		seen++;
		last = r.seq;
		if (matches(f, &r))
			all[n++] = audit_record_copy(&r, a);
	}
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	*out_next = rc > 0 ? last : 0;
	return 0;
}
