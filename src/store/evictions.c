/* SPDX-License-Identifier: Apache-2.0 */
#include "store/evictions.h"

#include "base/buf.h"
#include "base/util.h"
#include "store/event_rows.h"

#define SELECT_EVICTION                                                                              \
	"SELECT e.server_id, e.host_id, e.for_server_id, e.for_block_id, e.action_id, e.notice_us, " \
	"e.leave_us, e.begun, e.tries, s.uid, s.name, p.uid, h.name, coalesce(f.uid, b.uid) FROM "   \
	"eviction e JOIN server s ON s.id = e.server_id JOIN project p ON p.id = s.project_id JOIN " \
	"host h ON h.id = e.host_id LEFT JOIN server f ON f.id = e.for_server_id LEFT JOIN block b " \
	"ON b.id = e.for_block_id "
#define SELECT_WAITER                                                                                    \
	"SELECT w.server_id, w.host_id, w.named, w.zone, w.action_id, w.request_id, w.deadline_us, "     \
	"s.uid, s.name, p.uid, h.name, (SELECT count(*) FROM eviction e WHERE e.for_server_id = s.id), " \
	"(SELECT count(*) FROM device d WHERE d.host_id = w.host_id AND d.present = 1 AND d.custody = "  \
	"'reset'), w.resize "                                                                            \
	"FROM waiter w JOIN server s ON s.id = w.server_id JOIN project p ON p.id = s.project_id JOIN "  \
	"host h ON h.id = w.host_id "

static void *kept(struct arena *a, const struct buf *rows)
{
	return rows->len ? arena_copy(a, rows->data, rows->len) : NULL;
}

/* ---- those who leave ---- */

const char *eviction_for(const struct eviction *e)
{
	return e->for_server_id ? "server" : e->for_block_id ? "reservation" : "drain";
}

int store_eviction_put(struct db *db, const struct eviction *e, struct error *err)
{
	static const char sql[] =
		"INSERT OR REPLACE INTO eviction (server_id, host_id, for_server_id, for_block_id, "
		"action_id, notice_us, leave_us, begun, tries) VALUES (?, ?, nullif(?, 0), nullif(?, 0), ?, "
		"?, ?, ?, ?)";

	if (event_eviction(db, e, err) < 0)
		return -1;
	return db_run(db, err, sql, "iiiiiiiii", e->server_id, e->host_id, e->for_server_id, e->for_block_id,
		       e->action_id, e->notice_us, e->leave_us, (int64_t)e->begun, e->tries) < 0
		       ? -1
		       : 0;
}

int store_eviction_remove(struct db *db, int64_t server_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM eviction WHERE server_id = ?", "i", server_id) < 0 ? -1 : 0;
}

static struct eviction eviction_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct eviction) {
		.server_id = db_int(st, 0),
		.host_id = db_int(st, 1),
		.for_server_id = db_int(st, 2),
		.for_block_id = db_int(st, 3),
		.action_id = db_int(st, 4),
		.notice_us = db_int(st, 5),
		.leave_us = db_int(st, 6),
		.begun = db_int(st, 7) != 0,
		.tries = db_int(st, 8),
		.server_uid = db_dup(st, 9, a),
		.server_name = db_dup(st, 10, a),
		.project_uid = db_dup(st, 11, a),
		.host_name = db_dup(st, 12, a),
		.for_uid = db_dup(st, 13, a),
	};
}

int store_eviction_get(
	struct db *db, struct arena *a, int64_t server_id, struct eviction *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, SELECT_EVICTION "WHERE e.server_id = ?", "i", server_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = eviction_read(st, a);
	return rc;
}

int store_eviction_list(struct db *db, struct arena *a, const struct eviction_filter *f,
	struct eviction **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		SELECT_EVICTION "WHERE (?1 = 0 OR s.project_id = ?1) AND (?2 = 0 OR e.host_id = ?2) AND "
				"(?3 = 0 OR e.for_server_id = ?3) AND (?4 = 0 OR e.for_block_id = ?4) AND "
				"(?5 = 0 OR (e.begun = 0 AND e.leave_us <= ?5)) ORDER BY e.leave_us, "
				"e.server_id LIMIT ?6";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "iiiiii", f->project_id, f->host_id, f->for_server_id,
		    f->for_block_id, f->due_us, f->limit ? f->limit : -1))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct eviction e = eviction_read(st, a);

		buf_append(&rows, &e, sizeof e);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof(struct eviction);
	return rc;
}

/* ---- those who wait ---- */

int store_waiter_insert(struct db *db, const struct waiter *w, struct error *err)
{
	static const char sql[] = "INSERT INTO waiter (server_id, host_id, named, zone, action_id, "
				  "request_id, deadline_us, resize) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "iiisisis", w->server_id, w->host_id, (int64_t)w->named, w->zone,
		       w->action_id, w->request_id, w->deadline_us, w->resize) < 0
		       ? -1
		       : 0;
}

int store_waiter_move(struct db *db, int64_t server_id, int64_t host_id, struct error *err)
{
	return db_run(db, err, "UPDATE waiter SET host_id = ? WHERE server_id = ?", "ii", host_id,
		       server_id) < 0
		       ? -1
		       : 0;
}

int store_waiter_remove(struct db *db, int64_t server_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM waiter WHERE server_id = ?", "i", server_id) < 0 ? -1 : 0;
}

static struct waiter waiter_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct waiter) {
		.server_id = db_int(st, 0),
		.host_id = db_int(st, 1),
		.named = db_int(st, 2) != 0,
		.zone = db_dup(st, 3, a),
		.action_id = db_int(st, 4),
		.request_id = db_dup(st, 5, a),
		.deadline_us = db_int(st, 6),
		.server_uid = db_dup(st, 7, a),
		.server_name = db_dup(st, 8, a),
		.project_uid = db_dup(st, 9, a),
		.host_name = db_dup(st, 10, a),
		.leavers = db_int(st, 11),
		.to_reset = db_int(st, 12),
		.resize = db_dup(st, 13, a),
	};
}

static int waiter_first(sqlite3_stmt *st, struct arena *a, struct waiter *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = waiter_read(st, a);
	return rc;
}

int store_waiter_get(struct db *db, struct arena *a, int64_t server_id, struct waiter *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, SELECT_WAITER "WHERE w.server_id = ?", "i", server_id))
		return -1;
	return waiter_first(st, a, out, err);
}

int store_waiter_on(struct db *db, struct arena *a, int64_t host_id, struct waiter *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, SELECT_WAITER "WHERE w.host_id = ?", "i", host_id))
		return -1;
	return waiter_first(st, a, out, err);
}

int store_waiter_list(struct db *db, struct arena *a, int64_t due_us, int64_t project_id, int64_t limit,
	struct waiter **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		SELECT_WAITER "WHERE (?1 = 0 OR w.deadline_us <= ?1) AND (?2 = 0 OR "
			      "s.project_id = ?2) ORDER BY w.deadline_us, w.server_id LIMIT "
			      "?3";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "iii", due_us, project_id, limit ? limit : -1))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct waiter w = waiter_read(st, a);

		buf_append(&rows, &w, sizeof w);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof(struct waiter);
	return rc;
}
