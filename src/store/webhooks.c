/* SPDX-License-Identifier: Apache-2.0 */
#include "store/webhooks.h"

#include "base/buf.h"
#include "base/util.h"

#define COLUMNS                                                                                   \
	"id, uid, name, project_uid, everything, url, types, secret, state = 'paused', done_id, " \
	"delivered_us, tries, due_us, last_error, given_up, created_us, round"

static struct webhook read_row(sqlite3_stmt *st, struct arena *a)
{
	size_t n = (size_t)sqlite3_column_bytes(st, 7);

	return (struct webhook) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.name = db_dup(st, 2, a),
		.project_uid = db_dup(st, 3, a),
		.everything = db_int(st, 4) != 0,
		.url = db_dup(st, 5, a),
		.types = db_dup(st, 6, a),
		.secret = arena_copy(a, sqlite3_column_blob(st, 7), n),
		.secret_n = n,
		.paused = db_int(st, 8) != 0,
		.done_id = db_int(st, 9),
		.delivered_us = db_int(st, 10),
		.tries = db_int(st, 11),
		.due_us = db_int(st, 12),
		.last_error = db_dup(st, 13, a),
		.given_up = db_int(st, 14),
		.created_us = db_int(st, 15),
		.round = db_int(st, 16),
	};
}

int store_webhook_list(struct db *db, struct arena *a, const char *project_uid, struct webhook **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS " FROM webhook WHERE ?1 IS NULL OR project_uid = ?1 ORDER BY id", "s",
		    project_uid))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct webhook w = read_row(st, a);

		buf_append(&rows, &w, sizeof w);
	}
	*out = rows.len ? arena_copy(a, rows.data, rows.len) : NULL;
	*out_n = rows.len / sizeof **out;
	return rc;
}

int store_webhook_get(struct db *db, struct arena *a, const char *project_uid, const char *uid,
	struct webhook *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS " FROM webhook WHERE uid = ?1 AND (?2 IS NULL OR project_uid = ?2)",
		    "ss", uid, project_uid))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Webhook %.64s could not be found.", uid);
	if (rc < 0)
		return -1;
	*out = read_row(st, a);
	return 0;
}

int store_webhook_load(struct db *db, struct arena *a, int64_t id, struct webhook *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM webhook WHERE id = ?", "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = read_row(st, a);
	return rc;
}

int store_webhook_insert(struct db *db, const struct webhook *w, struct error *err)
{
	static const char sql[] =
		"INSERT INTO webhook (id, uid, name, project_uid, everything, url, types, secret, done_id, "
		"created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "isssissbii", w->id, w->uid, w->name, w->project_uid,
		       (int64_t)w->everything, w->url, w->types, w->secret, w->secret_n, w->done_id,
		       w->created_us) < 0
		       ? -1
		       : 0;
}

int store_webhook_remove(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM webhook WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

int store_webhook_pause(struct db *db, int64_t id, bool paused, struct error *err)
{
	static const char sql[] =
		"UPDATE webhook SET state = iif(?, 'paused', 'active'), tries = 0, due_us = "
		"0, last_error = '' WHERE id = ?";

	return db_run(db, err, sql, "ii", (int64_t)paused, id) < 0 ? -1 : 0;
}

int store_webhook_advance(struct db *db, const struct webhook *w, struct error *err)
{
	static const char sql[] = "UPDATE webhook SET done_id = ?, delivered_us = ?, tries = ?, due_us = ?, "
				  "last_error = ?, given_up = ? WHERE id = ? AND round = ?";

	return db_run(db, err, sql, "iiiisiii", w->done_id, w->delivered_us, w->tries, w->due_us,
		w->last_error, w->given_up, w->id, w->round);
}

int store_webhook_pass(struct db *db, int64_t id, int64_t round, int64_t done_id, struct error *err)
{
	return db_run(db, err,
		"UPDATE webhook SET done_id = ?1 WHERE id = ?2 AND round = ?3 AND done_id < ?1", "iii",
		done_id, id, round);
}

int store_webhook_rewind(struct db *db, int64_t id, int64_t done_id, struct error *err)
{
	static const char sql[] = "UPDATE webhook SET done_id = ?, round = round + 1, tries = 0, due_us = 0, "
				  "last_error = '' WHERE id = ?";

	return db_run(db, err, sql, "ii", done_id, id) < 0 ? -1 : 0;
}
