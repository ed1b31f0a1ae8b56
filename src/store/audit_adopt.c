/* SPDX-License-Identifier: Apache-2.0 */
/* Audit rows from before there was a chain are its first records, in their order. Piece by piece, each a
 * transaction of its own that takes them from the old table: a start that is broken off goes on at the next.
 */
#include "base/util.h"
#include "store/audit.h"
#include "store/internal.h"

enum { PIECE = 5000 };

static int there(struct db *db, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out,
		       "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'audit_before'",
		       NULL) < 0
		       ? -1
		       : 0;
}

static int copy(struct db *db, int64_t *out_last, int *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT id, at_us, request_id, user_uid, user_name, project_uid, peer, method, path, "
		    "action, target, status, reason FROM audit_before ORDER BY id LIMIT ?",
		    "i", (int64_t)PIECE) < 0)
		return -1;
	for (*out_n = 0; (rc = db_row(st, err)) > 0; ++*out_n) {
		const struct audit_record r = { .at_us = db_int(st, 1),
			.request_id = db_text(st, 2),
			.user_uid = db_text(st, 3),
			.user_name = db_text(st, 4),
			.project_uid = db_text(st, 5),
			.peer = db_text(st, 6),
			.method = db_text(st, 7),
			.path = db_text(st, 8),
			.action = db_text(st, 9),
			.target = db_text(st, 10),
			.status = db_int(st, 11),
			.reason = db_text(st, 12) };

		*out_last = db_int(st, 0);
		if (store_audit_insert(db, &r, err))
			return -1;
	}
	return rc;
}

/* *out_more: there may be more. */
static int piece(struct db *db, bool *out_more, struct error *err)
{
	int64_t last = 0;
	int n;

	if (copy(db, &last, &n, err) ||
		db_run(db, err, "DELETE FROM audit_before WHERE id <= ?", "i", last) < 0)
		return -1;
	*out_more = n == PIECE;
	return *out_more ? 0 : db_exec(db, "DROP TABLE audit_before", err);
}

int store_audit_adopt(struct db *rw, struct error *err)
{
	struct error ignored;
	int64_t is = 0;
	bool more = true;

	for (;;) {
		if (db_exec(rw, "BEGIN IMMEDIATE", err))
			return -1;
		if (there(rw, &is, err) == 0 && (!is || piece(rw, &more, err) == 0) &&
			db_exec(rw, "COMMIT", err) == 0) {
			if (!is || !more)
				return 0;
			continue;
		}
		if (!sqlite3_get_autocommit(rw->h))
			db_exec(rw, "ROLLBACK", &ignored);
		return error_wrap(err, "taking old audit records into the chain");
	}
}
