/* SPDX-License-Identifier: Apache-2.0 */
#include "store/drift.h"

#include "base/util.h"

int store_drift_owner(struct db *db, struct arena *a, const char *uid, int64_t host_id,
	struct drift_owner *out, struct error *err)
{
	static const char sql[] =
		"SELECT s.id, s.epoch, coalesce(s.host_id, 0), s.deleted_us, s.power_seen_us, h.name, "
		"EXISTS (SELECT 1 FROM flow f WHERE f.subject_kind = 'server' AND f.subject_id = s.id), "
		"EXISTS (SELECT 1 FROM allocation l WHERE l.server_id = s.id AND l.host_id = ?2), "
		"EXISTS (SELECT 1 FROM allocation l JOIN flow f ON f.subject_kind = 'allocation' AND "
		"f.subject_id = l.id WHERE l.server_id = s.id AND l.host_id = ?2) "
		"FROM server s LEFT JOIN host h ON h.id = s.host_id WHERE s.uid = ?1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "si", uid, host_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct drift_owner) {
			.id = db_int(st, 0),
			.epoch = db_int(st, 1),
			.host_id = db_int(st, 2),
			.deleted_us = db_int(st, 3),
			.power_seen_us = db_int(st, 4),
			.host = db_dup(st, 5, a),
			.has_flow = db_int(st, 6) != 0,
			.holds = db_int(st, 7) != 0,
			.clearing = db_int(st, 8) != 0,
		};
	return rc;
}

int store_drift_copies(struct db *db, struct arena *a, int64_t host_id, struct drift_copy **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT i.uid, i.disk_format, x.state, coalesce(x.staged_us, 0), EXISTS (SELECT 1 FROM flow "
		"f "
		"WHERE f.subject_kind = 'host_image' AND f.subject_id = x.id) FROM host_image x JOIN image i "
		"ON i.id = x.image_id WHERE x.host_id = ? ORDER BY x.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct drift_copy *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM host_image WHERE host_id = ?", "i", host_id) <
			0 ||
		db_query(db, err, &st, sql, "i", host_id))
		return -1;
	rows = ARENA_ARRAY(a, struct drift_copy, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		rows[n++] = (struct drift_copy) {
			.uid = db_dup(st, 0, a),
			.format = db_dup(st, 1, a),
			.state = db_dup(st, 2, a),
			.staged_us = db_int(st, 3),
			.has_flow = db_int(st, 4) != 0,
		};
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_drift_image(struct db *db, const char *uid, int64_t *out_id, bool *out_deleted, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT id, deleted_us != 0 FROM image WHERE uid = ?", "s", uid))
		return -1;
	rc = db_row(st, err);
	if (rc > 0) {
		*out_id = db_int(st, 0);
		*out_deleted = db_int(st, 1) != 0;
	}
	return rc;
}
