/* SPDX-License-Identifier: Apache-2.0 */
#include "store/image_tasks.h"

#include "store/row.h"

#define COLUMNS                                                                                            \
	"SELECT t.id, t.image_id, t.uid, t.user_uid, t.request_id, t.method, t.uri, t.status, t.message, " \
	"t.created_us, t.updated_us, t.expires_us, i.uid, i.status, p.uid, i.disk_format, i.project_id "   \
	"FROM image_task t JOIN image i ON i.id = t.image_id JOIN project p ON p.id = i.project_id "

int store_image_task_insert(struct db *db, const struct image_task *t, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO image_task (id, uid, image_id, user_uid, request_id, method, uri, "
		       "status, "
		       "created_us, updated_us, expires_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "isisssssiii", t->id, t->uid, t->image_id, t->user_uid, t->request_id, t->method,
		       t->uri, t->status, t->created_us, t->created_us, t->expires_us) < 0
		       ? -1
		       : 0;
}

int store_image_task_end(
	struct db *db, int64_t id, const char *status, const char *message, int64_t now_us, struct error *err)
{
	return db_run(db, err, "UPDATE image_task SET status = ?, message = ?, updated_us = ? WHERE id = ?",
		       "ssii", status, message, now_us, id) < 0
		       ? -1
		       : 0;
}

int store_image_task_query(struct db *db, int64_t project_id, int64_t image_id, int64_t limit,
	sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS
		"WHERE (?1 = 0 OR i.project_id = ?1) AND (?2 = 0 OR t.image_id = ?2) ORDER BY t.id DESC "
		"LIMIT ?3",
		"iii", project_id, image_id, limit);
}

int store_image_task_open(struct db *db, sqlite3_stmt **out, struct error *err)
{
	return db_query(
		db, err, out, COLUMNS "WHERE t.status IN ('pending', 'processing') ORDER BY t.id", NULL);
}

int store_image_task_next(sqlite3_stmt *st, struct arena *a, struct image_task *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct image_task) { .id = db_int(st, 0),
			.image_id = db_int(st, 1),
			.uid = row_text(st, 2, a),
			.user_uid = row_text(st, 3, a),
			.request_id = row_text(st, 4, a),
			.method = row_text(st, 5, a),
			.uri = row_text(st, 6, a),
			.status = row_text(st, 7, a),
			.message = row_text(st, 8, a),
			.created_us = db_int(st, 9),
			.updated_us = db_int(st, 10),
			.expires_us = db_int(st, 11),
			.image_uid = row_text(st, 12, a),
			.image_status = row_text(st, 13, a),
			.project_uid = row_text(st, 14, a),
			.disk_format = row_text(st, 15, a),
			.project_id = db_int(st, 16) };
	return rc;
}

int store_image_task_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct image_task *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, COLUMNS "WHERE t.uid = ?1 AND (?2 = 0 OR i.project_id = ?2)", "si", uid,
		    project_id) < 0)
		return -1;
	rc = store_image_task_next(st, a, out, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find task %.64s.", uid);
	return rc < 0 ? -1 : 0;
}

int store_image_task_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err)
{
	return db_run(db, err,
		"DELETE FROM image_task WHERE id IN (SELECT id FROM image_task WHERE expires_us <= ?1 AND "
		"status "
		"IN ('success', 'failure') ORDER BY expires_us LIMIT ?2)",
		"ii", now_us, limit);
}
