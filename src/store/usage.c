/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `usage`: a server's life in intervals that meet. */
#include "store/usage.h"

#include <string.h>

#include "base/util.h"
#include "store/servers.h"

struct open_interval {
	int64_t id, started_us;
	bool same; /* state and amounts as wanted */
};

/* 1 found, 0 none, -1. */
static int open_find(struct db *db, const struct server *s, const char *state, int gpus,
	struct open_interval *out, struct error *err)
{
	static const char sql[] = "SELECT id, started_us, state, gpus, vcpus, ram_mib, disk_gib FROM usage "
				  "WHERE server_id = ? AND ended_us IS NULL";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", s->id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	out->id = db_int(st, 0);
	out->started_us = db_int(st, 1);
	out->same = state && strcmp(db_text(st, 2), state) == 0 && db_int(st, 3) == gpus &&
		    db_int(st, 4) == s->vcpus && db_int(st, 5) == s->ram_mib && db_int(st, 6) == s->disk_gib;
	return 1;
}

int store_usage_switch(
	struct db *db, const struct server *s, const char *state, int gpus, int64_t now_us, struct error *err)
{
	struct open_interval open = { .id = 0 };
	int rc = open_find(db, s, state, gpus, &open, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		if (open.same)
			return 0;
		if (now_us < open.started_us)
			now_us = open.started_us;
		if (db_run(db, err, "UPDATE usage SET ended_us = ? WHERE id = ?", "ii", now_us, open.id) < 0)
			return -1;
	}
	if (!state)
		return 0;
	return store_usage_open(db, s, state, gpus, now_us, err);
}

int store_usage_open(
	struct db *db, const struct server *s, const char *state, int gpus, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"INSERT INTO usage (id, project_id, server_id, state, vcpus, ram_mib, disk_gib, "
		"gpus, started_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "iiisiiiii", store_next_id(db_store(db)), s->project_id, s->id, state,
		       s->vcpus, s->ram_mib, s->disk_gib, (int64_t)gpus, now_us) < 0
		       ? -1
		       : 0;
}

/* ---- reading ---- */

int store_usage_list(struct db *db, struct arena *a, int64_t project_id, int64_t from_us, int64_t to_us,
	struct usage_row **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT u.project_id, u.server_id, s.uid, s.name, s.flavor_name, u.state, u.vcpus, "
		"u.ram_mib, "
		"u.disk_gib, u.gpus, u.started_us, u.ended_us, s.created_us, s.launched_us, s.terminated_us, "
		"s.vm_state FROM usage u JOIN server s ON s.id = u.server_id WHERE (?1 = 0 OR u.project_id = "
		"?1) "
		"AND u.started_us < ?3 AND (u.ended_us IS NULL OR u.ended_us > ?2) "
		"ORDER BY u.project_id, u.server_id, u.started_us, u.id";
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
