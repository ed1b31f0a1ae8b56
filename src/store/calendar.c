/* SPDX-License-Identifier: Apache-2.0 */
#include "store/calendar.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "store/books.h"
#include "store/event_rows.h"

#define OPEN "('planned', 'clearing', 'active')"

/* In the order of struct block. */
#define SELECT                                                                                         \
	"SELECT b.id, b.uid, b.name, b.project_id, p.uid, p.name, b.model, b.gpus, b.scope, "          \
	"b.start_us, b.end_us, b.state, b.reason, b.created_us, b.updated_us, b.empties FROM block b " \
	"LEFT JOIN project p ON p.id = b.project_id "

/* Of an open block: when it changes next. ?1: how long before its beginning a capacity block's GPUs are
 * cleared. */
#define DUE                                                                              \
	"CASE b.state WHEN 'planned' THEN b.start_us - iif(b.kind = 'capacity', ?1, 0) " \
	"WHEN 'clearing' THEN b.start_us ELSE b.end_us END"

bool block_is_open(const struct block *b)
{
	return strcmp(b->state, "ended") != 0 && strcmp(b->state, "cancelled") != 0;
}

/* ---- writing ---- */

int store_block_insert(struct db *db, const struct block *b, struct error *err)
{
	static const char sql[] =
		"INSERT INTO block (id, uid, kind, name, project_id, model, gpus, scope, start_us, end_us, "
		"state, reason, created_us, updated_us, empties) VALUES (?, ?, iif(?4 = 0, 'maintenance', "
		"'capacity'), ?3, nullif(?4, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "issisisiissiii", b->id, b->uid, b->name, b->project_id, b->model,
		       b->gpus, b->scope, b->start_us, b->end_us, b->state, b->reason, b->created_us,
		       b->updated_us, (int64_t)b->empties) < 0
		       ? -1
		       : 0;
}

int store_block_device_add(struct db *db, int64_t block_id, int64_t device_id, struct error *err)
{
	books_touch(db, BOOKS_DEVICE, device_id);
	return db_run(db, err, "INSERT INTO block_device (block_id, device_id) VALUES (?, ?)", "ii", block_id,
		       device_id) < 0
		       ? -1
		       : 0;
}

int store_block_host_add(struct db *db, int64_t block_id, int64_t host_id, struct error *err)
{
	books_touch(db, BOOKS_HOST, host_id);
	return db_run(db, err, "INSERT INTO block_host (block_id, host_id) VALUES (?, ?)", "ii", block_id,
		       host_id) < 0
		       ? -1
		       : 0;
}

int store_block_edit(
	struct db *db, int64_t id, const char *name, int64_t end_us, int64_t now_us, struct error *err)
{
	return db_run(db, err, "UPDATE block SET name = ?, end_us = ?, updated_us = ? WHERE id = ?", "siii",
		       name, end_us, now_us, id) < 0
		       ? -1
		       : event_block_edited(db, id, err);
}

int store_block_state(struct db *db, int64_t id, const char *state, int64_t now_us, struct error *err)
{
	if (event_block_state(db, id, state, err) < 0)
		return -1;
	books_touch(db, BOOKS_BLOCK, id);
	return db_run(db, err, "UPDATE block SET state = ?, updated_us = ? WHERE id = ?", "sii", state,
		       now_us, id) < 0
		       ? -1
		       : 0;
}

int store_block_drained(struct db *db, int64_t block_id, int64_t host_id, bool drained, struct error *err)
{
	return db_run(db, err, "UPDATE block_host SET drained = ? WHERE block_id = ? AND host_id = ?", "iii",
		       (int64_t)drained, block_id, host_id) < 0
		       ? -1
		       : 0;
}

/* ---- reading ---- */

static void *kept(struct arena *a, const struct buf *rows)
{
	return rows->len ? arena_copy(a, rows->data, rows->len) : NULL;
}

static void block_read(sqlite3_stmt *st, struct arena *a, struct block *out)
{
	*out = (struct block) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.name = db_dup(st, 2, a),
		.project_id = db_int(st, 3),
		.project_uid = db_dup(st, 4, a),
		.project_name = db_dup(st, 5, a),
		.model = db_dup(st, 6, a),
		.gpus = db_int(st, 7),
		.scope = db_dup(st, 8, a),
		.start_us = db_int(st, 9),
		.end_us = db_int(st, 10),
		.state = db_dup(st, 11, a),
		.reason = db_dup(st, 12, a),
		.created_us = db_int(st, 13),
		.updated_us = db_int(st, 14),
		.empties = db_int(st, 15) != 0,
	};
}

/* The first row, if there is one. */
static int block_first(sqlite3_stmt *st, struct arena *a, struct block *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		block_read(st, a, out);
	return rc;
}

int store_block_list(struct db *db, struct arena *a, const struct block_filter *f, struct block **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		SELECT "WHERE (?1 = 0 OR b.project_id IS NULL) AND (?2 = 0 OR b.project_id IS NOT NULL) "
		       "AND (?3 = 0 OR b.project_id = ?3) "
		       "AND (?4 = 0 OR EXISTS (SELECT 1 FROM block_host h WHERE h.block_id = b.id AND "
		       "h.host_id = ?4) OR EXISTS (SELECT 1 FROM block_device x JOIN device d ON d.id = "
		       "x.device_id WHERE x.block_id = b.id AND d.host_id = ?4)) "
		       "AND (?5 = 0 OR b.state IN " OPEN ") AND (?6 = 0 OR b.end_us > ?6) "
		       "AND (?7 = 0 OR b.start_us < ?7) ORDER BY b.start_us, b.id LIMIT ?8";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	struct block b;
	int rc;

	if (db_query(db, err, &st, sql, "iiiiiiii", (int64_t)f->maintenance, (int64_t)f->capacity,
		    f->project_id, f->host_id, (int64_t)f->open, f->from_us, f->to_us, f->limit))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		block_read(st, a, &b);
		buf_append(&rows, &b, sizeof b);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof b;
	return rc;
}

int store_block_get(struct db *db, struct arena *a, bool maintenance, int64_t project_id, const char *uid,
	struct block *out, struct error *err)
{
	static const char sql[] = SELECT "WHERE b.uid = ?1 AND (b.project_id IS NULL) = ?2 "
					 "AND (?3 = 0 OR b.project_id = ?3)";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "sii", uid, (int64_t)maintenance, project_id))
		return -1;
	rc = block_first(st, a, out, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "%s %.64s could not be found.",
			maintenance ? "Maintenance" : "Reservation", uid);
	return rc < 0 ? -1 : 0;
}

int store_block_load(struct db *db, struct arena *a, int64_t id, struct block *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, SELECT "WHERE b.id = ?", "i", id))
		return -1;
	rc = block_first(st, a, out, err);
	if (rc == 0)
		return error_internal(err, "block %lld has no row", (long long)id);
	return rc < 0 ? -1 : 0;
}

int store_block_hosts(struct db *db, struct arena *a, int64_t block_id, struct block_host **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT h.id, h.name, h.rack, h.fabric, x.gpus, x.drained FROM host h JOIN "
		"(SELECT host_id, 0 AS gpus, drained FROM block_host WHERE block_id = ?1 UNION ALL "
		"SELECT d.host_id, count(*), 0 FROM block_device b JOIN device d ON d.id = b.device_id "
		"WHERE b.block_id = ?1 GROUP BY d.host_id) x ON x.host_id = h.id ORDER BY h.name";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct block_host *rows;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max,
		    "SELECT (SELECT count(*) FROM block_host WHERE block_id = ?1) + "
		    "(SELECT count(*) FROM block_device WHERE block_id = ?1)",
		    "i", block_id) < 0 ||
		db_query(db, err, &st, sql, "i", block_id))
		return -1;
	rows = ARENA_ARRAY(a, struct block_host, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		rows[n++] = (struct block_host) { db_int(st, 0), db_dup(st, 1, a), db_dup(st, 2, a),
			db_dup(st, 3, a), db_int(st, 4), db_int(st, 5) != 0 };
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_block_servers(struct db *db, int64_t block_id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out,
		       "SELECT count(DISTINCT server_id) FROM allocation WHERE block_id = ?", "i",
		       block_id) < 0
		       ? -1
		       : 0;
}

int store_block_count(struct db *db, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out, "SELECT count(*) FROM block WHERE state IN " OPEN, NULL) < 0 ? -1
												       : 0;
}

/* ---- planning ---- */

/* A server makes way for the block if it is preemptible, or uses another block. */
#define MAKES_WAY "(l.preemptible = 1 OR l.block_id IS NOT NULL)"

static int gpus_read(struct db *db, struct arena *a, const char *model, struct calendar_gpu **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT d.id, d.host_id, h.rack, h.fabric, l.id, " MAKES_WAY " FROM host h JOIN device d ON "
		"d.host_id = h.id LEFT JOIN allocation_device x ON x.device_id = d.id LEFT JOIN allocation l "
		"ON l.id = x.allocation_id WHERE d.model = ?1 AND d.present = 1 AND d.health = 'ok' AND "
		"d.custody != 'quarantined' AND h.state != 'disabled' AND h.forced_down = 0 ORDER BY "
		"d.host_id, d.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf gpus = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "s", model))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct calendar_gpu g = { db_int(st, 0), db_int(st, 1), db_dup(st, 2, a), db_dup(st, 3, a),
			.guest = db_int(st, 5) != 0 };

		g.held = db_int(st, 4) && !g.guest;
		buf_append(&gpus, &g, sizeof g);
	}
	*out = kept(a, &gpus);
	*out_n = gpus.len / sizeof(struct calendar_gpu);
	return rc;
}

/* Goes on in the GPUs, which are by host and id, to the one of the row's first two columns. NULL: it is not
 * sound now. */
static struct calendar_gpu *gpu_of(sqlite3_stmt *st, struct calendar_gpu *gpus, size_t n, size_t *at)
{
	int64_t host_id = db_int(st, 0), id = db_int(st, 1);

	while (*at < n &&
		(gpus[*at].host_id < host_id || (gpus[*at].host_id == host_id && gpus[*at].id < id)))
		++*at;
	return *at < n && gpus[*at].id == id ? &gpus[*at] : NULL;
}

/* Those that are given in parts: one server that stays is enough. */
static int parts_read(
	struct db *db, const char *model, struct calendar_gpu *gpus, size_t n, struct error *err)
{
	static const char sql[] =
		"SELECT d.host_id, d.id, " MAKES_WAY " FROM allocation_part p JOIN device d ON d.id = "
		"p.device_id JOIN allocation l ON l.id = p.allocation_id WHERE d.model = ?1 ORDER BY 1, 2";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	size_t at = 0;
	int rc;

	if (db_query(db, err, &st, sql, "s", model))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct calendar_gpu *g = gpu_of(st, gpus, n, &at);

		if (g && db_int(st, 2))
			g->guest = !g->held;
		else if (g) {
			g->held = true;
			g->guest = false;
		}
	}
	return rc;
}

int store_block_gpus(struct db *db, struct arena *a, const char *model, int64_t after_us,
	struct calendar_gpu **out, size_t *out_n, struct calendar_use **out_uses, size_t *out_uses_n,
	struct error *err)
{
	/* in the order of the GPUs */
	static const char sql[] =
		"SELECT d.host_id, d.id, b.start_us, b.end_us, b.project_id IS NULL FROM block b JOIN "
		"block_device x ON x.block_id = b.id JOIN device d ON d.id = x.device_id WHERE b.state "
		"IN " OPEN " AND b.end_us > ?2 AND d.model = ?1 UNION ALL "
		"SELECT d.host_id, d.id, b.start_us, b.end_us, b.project_id IS NULL FROM block b JOIN "
		"block_host x ON x.block_id = b.id JOIN device d ON d.host_id = x.host_id WHERE b.state "
		"IN " OPEN " AND b.end_us > ?2 AND d.model = ?1 ORDER BY 1, 2";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf uses = { 0 };
	size_t at = 0;
	int rc = 0;

	if (gpus_read(db, a, model, out, out_n, err) || parts_read(db, model, *out, *out_n, err) ||
		db_query(db, err, &st, sql, "si", model, after_us))
		return -1;
	while ((rc = db_row(st, err)) > 0)
		if (gpu_of(st, *out, *out_n, &at)) {
			struct calendar_use u = { at, db_int(st, 2), db_int(st, 3), db_int(st, 4) != 0 };

			buf_append(&uses, &u, sizeof u);
		}
	*out_uses = kept(a, &uses);
	*out_uses_n = uses.len / sizeof(struct calendar_use);
	return rc;
}

int store_block_on_host(struct db *db, struct arena *a, int64_t host_id, int64_t but, int64_t start_us,
	int64_t end_us, struct block *out, struct error *err)
{
	static const char sql[] =
		SELECT "WHERE b.state IN " OPEN " AND b.id != ?2 AND b.start_us < ?4 AND b.end_us > ?3 AND "
		       "(EXISTS (SELECT 1 FROM block_host h WHERE h.block_id = b.id AND h.host_id = ?1) OR "
		       "EXISTS (SELECT 1 FROM block_device x JOIN device d ON d.id = x.device_id WHERE "
		       "x.block_id = b.id AND d.host_id = ?1)) ORDER BY b.start_us LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "iiii", host_id, but, start_us, end_us))
		return -1;
	return block_first(st, a, out, err);
}

int store_block_behind(struct db *db, struct arena *a, const struct block *b, int64_t end_us,
	struct block *out, struct error *err)
{
	static const char sql[] =
		SELECT "WHERE b.state IN " OPEN " AND b.id != ?1 AND b.start_us < ?3 AND b.end_us > ?2 AND "
		       "(EXISTS (SELECT 1 FROM block_device x JOIN block_device y ON y.device_id = "
		       "x.device_id WHERE x.block_id = b.id AND y.block_id = ?1) OR EXISTS (SELECT 1 FROM "
		       "block_host h JOIN device d ON d.host_id = h.host_id JOIN block_device y ON "
		       "y.device_id = d.id WHERE h.block_id = b.id AND y.block_id = ?1)) "
		       "ORDER BY b.start_us LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "iii", b->id, b->start_us, end_us))
		return -1;
	return block_first(st, a, out, err);
}

/* ---- time ---- */

int store_calendar_next(struct db *db, int64_t ahead_us, int64_t *out_us, struct error *err)
{
	static const char sql[] =
		"SELECT min(t) FROM (SELECT " DUE " AS t FROM block b WHERE b.state IN " OPEN
		" UNION ALL SELECT min(leave_us) FROM eviction WHERE begun = 0 UNION ALL "
		"SELECT min(deadline_us) FROM waiter)";

	return db_int_query(db, err, out_us, sql, "i", ahead_us);
}

static int ids_read(sqlite3_stmt *st, struct arena *a, int64_t **out, size_t *out_n, struct error *err)
{
	CLEANUP(buf_finish) struct buf ids = { 0 };
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		int64_t id = db_int(st, 0);

		buf_append(&ids, &id, sizeof id);
	}
	*out = kept(a, &ids);
	*out_n = ids.len / sizeof(int64_t);
	return rc;
}

int store_block_due(struct db *db, struct arena *a, int64_t now_us, int64_t ahead_us, int64_t max,
	int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT b.id FROM block b WHERE b.state IN " OPEN " AND " DUE
				  " <= ?2 ORDER BY " DUE ", b.id LIMIT ?3";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "iii", ahead_us, now_us, max))
		return -1;
	return ids_read(st, a, out, out_n, err);
}

#define GUEST(table)                                                                                      \
	"SELECT l.server_id, l.host_id, coalesce((SELECT o.end_us FROM block o WHERE o.id = l.block_id "  \
	"AND o.state IN " OPEN "), 0) FROM block_device b JOIN " table " x ON x.device_id = b.device_id " \
	"JOIN allocation l ON l.id = x.allocation_id AND l.id = l.server_id WHERE b.block_id = ?1 "       \
	"AND " MAKES_WAY " AND l.block_id IS NOT ?1"

int store_block_guests(struct db *db, struct arena *a, int64_t block_id, struct block_guest **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] = GUEST("allocation_device") " UNION " GUEST("allocation_part") " ORDER BY 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf guests = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "i", block_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct block_guest g = { db_int(st, 0), db_int(st, 1), db_int(st, 2) };

		buf_append(&guests, &g, sizeof g);
	}
	*out = kept(a, &guests);
	*out_n = guests.len / sizeof(struct block_guest);
	return rc;
}

#undef GUEST

int store_block_over(struct db *db, int64_t server_id, int64_t *out_block_id, struct error *err)
{
	static const char sql[] =
		"SELECT b.id FROM (SELECT device_id FROM allocation_device WHERE allocation_id = ?1 UNION "
		"SELECT device_id FROM allocation_part WHERE allocation_id = ?1) x JOIN block_device k ON "
		"k.device_id = x.device_id JOIN block b ON b.id = k.block_id JOIN allocation l ON l.id = ?1 "
		"WHERE b.state IN ('clearing', 'active') AND l.block_id IS NOT b.id AND " MAKES_WAY
		" ORDER BY b.start_us LIMIT 1";

	return db_int_query(db, err, out_block_id, sql, "i", server_id);
}

#define HOLDS(table, which)                                                                   \
	"EXISTS (SELECT 1 FROM " table " x JOIN block_device y ON y.device_id = x.device_id " \
	"JOIN block b ON b.id = y.block_id WHERE x.allocation_id = l.id AND " which ")"

int store_block_free_servers(
	struct db *db, struct arena *a, int64_t block_id, int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT l.id FROM allocation l JOIN block o ON o.id = l.block_id WHERE o.state NOT IN " OPEN
		" AND (o.id = ?1 OR " HOLDS("allocation_device", "b.id = ?1") " OR " HOLDS(
			"allocation_part", "b.id = ?1") ") AND NOT " HOLDS("allocation_device",
			"b.state IN " OPEN) " AND NOT " HOLDS("allocation_part",
			"b.state IN " OPEN) " ORDER BY l.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "i", block_id))
		return -1;
	return ids_read(st, a, out, out_n, err);
}

int store_block_leave(struct db *db, int64_t allocation_id, struct error *err)
{
	books_touch(db, BOOKS_ALLOCATION, allocation_id);
	return db_run(db, err, "UPDATE allocation SET block_id = NULL WHERE id = ?", "i", allocation_id) < 0
		       ? -1
		       : 0;
}
