/* SPDX-License-Identifier: Apache-2.0 */
#include "store/usage.h"

#include <string.h>

#include "base/util.h"

int store_usage_list(struct db *db, struct arena *a, int64_t project_id, int64_t from_us, int64_t to_us,
	struct usage_row **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT u.project_id, u.subject_id, s.uid, s.name, s.flavor_name, u.state, u.vcpus, "
		"u.ram_mib, "
		"u.disk_gib, u.gpus, u.started_us, u.ended_us, s.created_us, s.launched_us, s.terminated_us, "
		"s.vm_state FROM usage u JOIN server s ON s.id = u.subject_id WHERE u.kind = 'server' AND "
		"(?1 = 0 OR u.project_id = ?1) AND u.started_us < ?3 AND (u.ended_us IS NULL OR u.ended_us "
		"> ?2) ORDER BY u.project_id, u.subject_id, u.started_us";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct usage_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, "iii", project_id, from_us, to_us))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct usage_row *more = ARENA_ARRAY(a, struct usage_row, cap ? cap * 2 : 64);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 64;
		}
		rows[n++] = (struct usage_row) {
			.project_id = db_int(st, 0),
			.server_id = db_int(st, 1),
			.server_uid = db_dup(st, 2, a),
			.server_name = db_dup(st, 3, a),
			.flavor_name = db_dup(st, 4, a),
			.state = db_dup(st, 5, a),
			.vcpus = db_int(st, 6),
			.ram_mib = db_int(st, 7),
			.disk_gib = db_int(st, 8),
			.gpus = db_int(st, 9),
			.started_us = db_int(st, 10),
			.ended_us = db_int(st, 11),
			.created_us = db_int(st, 12),
			.launched_us = db_int(st, 13),
			.terminated_us = db_int(st, 14),
			.vm_state = db_dup(st, 15, a),
		};
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_usage_name(
	struct db *db, struct arena *a, const char *sql, const char *uid, const char **out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "s", uid))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = db_dup(st, 0, a);
	return rc < 0 ? -1 : 0;
}
