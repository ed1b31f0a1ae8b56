/* SPDX-License-Identifier: Apache-2.0 */
#include "store/flows.h"

#include "base/util.h"
#include "store/event_rows.h"

#define COLUMNS                                                                                        \
	"id, kind, subject_kind, subject_id, step, state, tries, run_at_us, deadline_us, last_error, " \
	"action_id, arg_id, request_id, created_us"

int store_flow_insert(struct db *db, const struct flow_row *f, struct error *err)
{
	static const char sql[] =
		"INSERT INTO flow (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?)";

	return db_run(db, err, sql, "ississiiisiisi", f->id, f->kind, f->subject_kind, f->subject_id, f->step,
		       f->state, f->tries, f->run_at_us, f->deadline_us, f->last_error, f->action_id,
		       f->arg_id, f->request_id ? f->request_id : "", f->created_us) < 0
		       ? -1
		       : 0;
}

static struct flow_row flow_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct flow_row) {
		.id = db_int(st, 0),
		.kind = db_dup(st, 1, a),
		.subject_kind = db_dup(st, 2, a),
		.subject_id = db_int(st, 3),
		.step = db_dup(st, 4, a),
		.state = db_dup(st, 5, a),
		.tries = db_int(st, 6),
		.run_at_us = db_int(st, 7),
		.deadline_us = db_int(st, 8),
		.last_error = db_dup(st, 9, a),
		.action_id = db_int(st, 10),
		.arg_id = db_int(st, 11),
		.request_id = db_dup(st, 12, a),
		.created_us = db_int(st, 13),
	};
}

static int flow_missing(int64_t id, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "Flow %lld could not be found.", (long long)id);
}

int store_flow_load(struct db *db, struct arena *a, int64_t id, struct flow_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM flow WHERE id = ?", "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return flow_missing(id, err);
	if (rc < 0)
		return -1;
	*out = flow_read(st, a);
	return 0;
}

int store_flow_find(struct db *db, struct arena *a, const char *subject_kind, int64_t subject_id,
	struct flow_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM flow WHERE subject_kind = ? AND subject_id = ?",
		    "si", subject_kind, subject_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = flow_read(st, a);
	return rc;
}

int store_flow_list(struct db *db, struct arena *a, struct flow_row **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct flow_row *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM flow", NULL) < 0 ||
		db_query(db, err, &st, "SELECT " COLUMNS " FROM flow ORDER BY id", NULL))
		return -1;
	rows = ARENA_ARRAY(a, struct flow_row, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		rows[n++] = flow_read(st, a);
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_flow_move(struct db *db, int64_t id, const char *step, int64_t now_us, struct error *err)
{
	static const char sql[] = "UPDATE flow SET step = ?, state = 'ready', tries = 0, run_at_us = ?, "
				  "last_error = NULL WHERE id = ?";
	int rc = db_run(db, err, sql, "sii", step, now_us, id);

	return rc == 0 ? flow_missing(id, err) : rc < 0 ? -1 : 0;
}

int store_flow_wait(struct db *db, int64_t id, const char *state, int64_t tries, int64_t run_at_us,
	const char *last_error, struct error *err)
{
	static const char sql[] =
		"UPDATE flow SET state = ?, tries = ?, run_at_us = ?, last_error = ? WHERE id = ?";
	int rc;

	if (str_eq(state, "stuck") && event_flow_stuck(db, id, last_error, err) < 0)
		return -1;
	rc = db_run(db, err, sql, "siisi", state, tries, run_at_us, last_error, id);

	return rc == 0 ? flow_missing(id, err) : rc < 0 ? -1 : 0;
}

int store_flow_retry(struct db *db, int64_t id, int64_t now_us, int64_t deadline_us, struct error *err)
{
	static const char sql[] =
		"UPDATE flow SET state = 'ready', tries = 0, run_at_us = ?, deadline_us = ? "
		"WHERE id = ?";
	int rc = db_run(db, err, sql, "iii", now_us, deadline_us, id);

	return rc == 0 ? flow_missing(id, err) : rc < 0 ? -1 : 0;
}

int store_flow_remove(struct db *db, int64_t id, struct error *err)
{
	int rc = db_run(db, err, "DELETE FROM flow WHERE id = ?", "i", id);

	return rc == 0 ? flow_missing(id, err) : rc < 0 ? -1 : 0;
}
