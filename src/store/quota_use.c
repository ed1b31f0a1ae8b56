/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quota_use.h"

#include <string.h>

#include "base/util.h"

int store_quota_use_servers(
	struct db *db, struct arena *a, struct quota_use_row **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT s.project_id, count(*), sum(max(s.vcpus, coalesce(m.vcpus, 0))), "
		"sum(max(s.ram_mib, coalesce(m.ram_mib, 0))), s.extra_specs, m.extra_specs FROM server s "
		"LEFT JOIN migration m ON m.server_id = s.id AND m.ended_us IS NULL "
		"WHERE s.deleted_us = 0 GROUP BY s.project_id, s.extra_specs, m.extra_specs";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct quota_use_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct quota_use_row *more = ARENA_ARRAY(a, struct quota_use_row, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 16;
		}
		rows[n++] = (struct quota_use_row) {
			.project_id = db_int(st, 0),
			.servers = db_int(st, 1),
			.vcpus = db_int(st, 2),
			.ram_mib = db_int(st, 3),
			.extra_specs = db_dup(st, 4, a),
			.other_specs = db_dup(st, 5, a),
		};
	}
	*out = rows;
	*out_n = n;
	return rc;
}

/* Rows of a project and a number. */
static int read_counts(
	sqlite3_stmt *st, struct arena *a, struct quota_use_count **out, size_t *out_n, struct error *err)
{
	struct quota_use_count *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct quota_use_count *more =
				ARENA_ARRAY(a, struct quota_use_count, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 16;
		}
		rows[n++] = (struct quota_use_count) { db_int(st, 0), db_int(st, 1) };
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_quota_use_ports(
	struct db *db, struct arena *a, struct quota_use_count **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, "SELECT project_id, count(*) FROM port GROUP BY project_id", NULL))
		return -1;
	return read_counts(st, a, out, out_n, err);
}

int store_quota_use_groups(
	struct db *db, struct arena *a, struct quota_use_count **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, "SELECT project_id, count(*) FROM server_group GROUP BY project_id", NULL))
		return -1;
	return read_counts(st, a, out, out_n, err);
}
