/* SPDX-License-Identifier: Apache-2.0 */
#include "store/decisions.h"

#include "base/util.h"
#include "store/row.h"

#define COLUMNS \
	"d.id, d.at_us, d.kind, d.subject_id, d.request_id, d.project_uid, d.input, d.before, d.answer"

int store_decision_insert(struct db *db, const struct decision_row *r, struct error *err)
{
	int64_t id = r->id ? r->id : store_next_id(db_store(db));

	return db_run(db, err,
		       "INSERT INTO decision (id, at_us, kind, subject_id, request_id, project_uid, input, "
		       "before, "
		       "answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "iisisssss", id, r->at_us, r->kind, r->subject_id, r->request_id ? r->request_id : "",
		       r->project_uid ? r->project_uid : "", r->input ? r->input : "",
		       r->before ? r->before : "", r->answer ? r->answer : "") < 0
		       ? -1
		       : 0;
}

/* Texts as SQLite lends them, or in the arena. */
static void fill(sqlite3_stmt *st, struct arena *a, struct decision_row *out)
{
	*out = (struct decision_row) {
		.id = db_int(st, 0), .at_us = db_int(st, 1), .subject_id = db_int(st, 3)
	};
	out->kind = row_text(st, 2, a);
	out->request_id = row_text(st, 4, a);
	out->project_uid = row_text(st, 5, a);
	out->input = row_text(st, 6, a);
	out->before = row_text(st, 7, a);
	out->answer = row_text(st, 8, a);
}

int store_decision_list(struct db *db, struct arena *a, const struct decision_filter *f,
	struct decision_row **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct decision_row *all = ARENA_ARRAY(a, struct decision_row, f->limit + 1);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS " FROM decision d WHERE d.kind = 'choose' AND (?1 = 0 OR d.id < ?1) "
		    "AND (?2 IS NULL OR d.project_uid = ?2) AND (?3 IS NULL OR d.request_id IN "
		    "(SELECT a.request_id FROM server_action a JOIN server s ON s.id = a.server_id "
		    "WHERE s.uid = ?3)) ORDER BY d.id DESC LIMIT ?4",
		    "issi", f->before, f->project_uid, f->server_uid, (int64_t)f->limit) < 0)
		return -1;
	while (n < f->limit && (rc = db_row(st, err)) > 0)
		fill(st, a, &all[n++]);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_decision_load(
	struct db *db, struct arena *a, int64_t id, struct decision_row *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM decision d WHERE d.id = ? AND d.kind = 'choose'",
		    "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "there is no decision %lld, or it is no longer kept",
			(long long)id);
	if (rc < 0)
		return -1;
	fill(st, a, out);
	return 0;
}

int store_decision_walk(struct db *db, int64_t from_id, bool back, sqlite3_stmt **out, struct error *err)
{
	return back ? db_query(db, err, out,
			      "SELECT " COLUMNS " FROM decision d WHERE d.id > ? ORDER BY d.id DESC", "i",
			      from_id)
		    : db_query(db, err, out,
			      "SELECT " COLUMNS " FROM decision d WHERE d.id >= ? ORDER BY d.id", "i",
			      from_id);
}

int store_decision_next(sqlite3_stmt *st, struct decision_row *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		fill(st, NULL, out);
	return rc;
}

static int last_input(
	struct db *db, struct arena *a, const char *sql, int64_t id, const char **out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	*out = rc > 0 ? db_dup(st, 0, a) : "";
	return rc < 0 ? -1 : 0;
}

int store_decision_host(struct db *db, struct arena *a, int64_t host_id, const char **out, struct error *err)
{
	return last_input(db, a,
		"SELECT input FROM decision WHERE kind = 'host' AND subject_id = ? ORDER BY id DESC LIMIT 1",
		host_id, out, err);
}

int store_decision_mix(struct db *db, struct arena *a, const char **out, struct error *err)
{
	return last_input(db, a,
		"SELECT input FROM decision WHERE kind = 'mix' AND subject_id = ? ORDER BY id DESC LIMIT 1",
		0, out, err);
}

int store_decision_purge(struct db *db, int64_t before_us, int64_t limit, struct error *err)
{
	return db_run(db, err,
		"DELETE FROM decision WHERE id IN (SELECT d.id FROM decision d WHERE d.id < coalesce((SELECT "
		"n.id "
		"FROM decision n WHERE n.at_us >= ?1 ORDER BY n.id LIMIT 1), 9223372036854775807) AND "
		"(d.kind NOT IN ('host', 'mix') OR EXISTS (SELECT 1 FROM decision l WHERE l.kind IN ('host', "
		"'mix') "
		"AND l.kind = d.kind AND l.subject_id = d.subject_id AND l.id > d.id)) ORDER BY d.id LIMIT "
		"?2)",
		"ii", before_us, limit);
}
