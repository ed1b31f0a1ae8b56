/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

#include "base/util.h"

int store_audit_insert(struct db *db, const struct audit_row *r, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO audit (id, at_us, request_id, user_uid, user_name, project_uid, peer, "
		       "method, path, "
		       "action, target, status, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "iisssssssssis", store_next_id(db_store(db)), r->at_us, r->request_id, r->user_uid,
		       r->user_name, r->project_uid, r->peer, r->method, r->path, r->action, r->target,
		       r->status, r->reason) < 0
		       ? -1
		       : 0;
}

int store_audit_list(struct db *db, struct arena *a, int64_t before, size_t limit, struct audit_row **out,
	size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_row *all = ARENA_ARRAY(a, struct audit_row, limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT id, at_us, request_id, user_uid, user_name, project_uid, peer, method, path, "
		    "action, target, "
		    "status, reason FROM audit WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2",
		    "ii", before, (int64_t)limit) < 0)
		return -1;
	while (n < limit && (rc = db_row(st, err)) > 0)
		all[n++] = (struct audit_row) {
			.id = db_int(st, 0),
			.at_us = db_int(st, 1),
			.request_id = db_dup(st, 2, a),
			.user_uid = db_dup(st, 3, a),
			.user_name = db_dup(st, 4, a),
			.project_uid = db_dup(st, 5, a),
			.peer = db_dup(st, 6, a),
			.method = db_dup(st, 7, a),
			.path = db_dup(st, 8, a),
			.action = db_dup(st, 9, a),
			.target = db_dup(st, 10, a),
			.status = db_int(st, 11),
			.reason = db_dup(st, 12, a),
		};
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}
