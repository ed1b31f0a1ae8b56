/* SPDX-License-Identifier: Apache-2.0 */
#include "store/drains.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "store/event_rows.h"

#define SELECT_DRAIN                                                                                   \
	"SELECT d.host_id, d.state, d.parallel, d.cold, d.request_id, d.begun_us, d.ended_us, h.uid, " \
	"h.name, h.state_reason FROM drain d JOIN host h ON h.id = d.host_id "

static void *kept(struct arena *a, const struct buf *rows)
{
	return rows->len ? arena_copy(a, rows->data, rows->len) : NULL;
}

/* ---- drains ---- */

int store_drain_put(struct db *db, const struct drain *d, struct error *err)
{
	static const char sql[] =
		"INSERT INTO drain (host_id, state, parallel, cold, request_id, begun_us, ended_us) VALUES "
		"(?, "
		"?, ?, ?, ?, ?, nullif(?, 0)) ON CONFLICT (host_id) DO UPDATE SET state = excluded.state, "
		"parallel = excluded.parallel, cold = excluded.cold, request_id = excluded.request_id, "
		"begun_us = excluded.begun_us, ended_us = excluded.ended_us";

	if (event_drain(db, d->host_id, d->state, err) < 0)
		return -1;
	return db_run(db, err, sql, "isiisii", d->host_id, d->state, d->parallel, (int64_t)d->cold,
		       d->request_id, d->begun_us, d->ended_us) < 0
		       ? -1
		       : 0;
}

int store_drain_remove(struct db *db, int64_t host_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM drain_server WHERE host_id = ?", "i", host_id) < 0 ||
			       db_run(db, err, "DELETE FROM drain WHERE host_id = ?", "i", host_id) < 0
		       ? -1
		       : 0;
}

static struct drain drain_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct drain) {
		.host_id = db_int(st, 0),
		.state = db_dup(st, 1, a),
		.parallel = db_int(st, 2),
		.cold = db_int(st, 3) != 0,
		.request_id = db_dup(st, 4, a),
		.begun_us = db_int(st, 5),
		.ended_us = db_int(st, 6),
		.host_uid = db_dup(st, 7, a),
		.host_name = db_dup(st, 8, a),
		.reason = db_dup(st, 9, a),
	};
}

int store_drain_get(struct db *db, struct arena *a, int64_t host_id, struct drain *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, SELECT_DRAIN "WHERE d.host_id = ?", "i", host_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = drain_read(st, a);
	return rc;
}

int store_drain_open(struct db *db, struct arena *a, struct drain **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st, SELECT_DRAIN "WHERE d.state != 'done' ORDER BY d.begun_us, d.host_id",
		    NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct drain d = drain_read(st, a);

		buf_append(&rows, &d, sizeof d);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof(struct drain);
	return rc;
}

int store_drain_next(struct db *db, int64_t now_us, struct drain_next *out, struct error *err)
{
	static const char sql[] =
		"SELECT EXISTS (SELECT 1 FROM drain WHERE state != 'done'), count(*) FILTER (WHERE s.state = "
		"'moving'), count(*) FILTER (WHERE s.for_room = 1), coalesce(min(s.due_us) FILTER (WHERE "
		"s.state = 'waiting' AND s.due_us > ?1 AND d.state = 'running'), 0) FROM drain d JOIN "
		"drain_server s ON s.host_id = d.host_id WHERE d.state != 'done'";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "i", now_us) || db_row(st, err) < 0)
		return -1;
	*out = (struct drain_next) { db_int(st, 0) != 0, db_int(st, 1), db_int(st, 2), db_int(st, 3) };
	return 0;
}

/* ---- their servers ---- */

int store_drain_server_put(struct db *db, const struct drain_server *s, struct error *err)
{
	static const char sql[] =
		"UPDATE drain_server SET state = ?3, way = ?4, reason = ?5, to_host = ?6, tries = "
		"?7, due_us = ?8, for_room = ?9 WHERE host_id = ?1 AND server_id = ?2";
	int rc = db_run(db, err, sql, "iissssiii", s->host_id, s->server_id, s->state, s->way, s->reason,
		s->to_host, s->tries, s->due_us, (int64_t)s->for_room);

	return rc == 0  ? error_internal(err, "server %lld is in no drain", (long long)s->server_id)
	       : rc < 0 ? -1
			: 0;
}

int store_drain_sync(struct db *db, int64_t host_id, struct error *err)
{
	static const char *const parts[] = {
		"DELETE FROM drain_server WHERE host_id = ? AND server_id IN (SELECT id FROM server WHERE "
		"deleted_us != 0)",
		"INSERT INTO drain_server (host_id, server_id, state) SELECT s.host_id, s.id, 'waiting' FROM "
		"server s WHERE s.host_id = ? AND s.deleted_us = 0 ON CONFLICT (host_id, server_id) DO "
		"UPDATE "
		"SET state = 'waiting', way = '', reason = '', to_host = '', tries = 0, due_us = 0, for_room "
		"= "
		"0 WHERE state = 'moved'",
		"UPDATE drain_server AS x SET state = 'moved', reason = '', for_room = 0, to_host = "
		"coalesce((SELECT h.name FROM server s JOIN host h ON h.id = s.host_id WHERE s.id = "
		"x.server_id), '') WHERE x.host_id = ? AND x.state IN ('waiting', 'stays') AND NOT EXISTS "
		"(SELECT 1 FROM server s WHERE s.id = x.server_id AND s.host_id = x.host_id)",
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", host_id) < 0)
			return -1;
	return 0;
}

int store_drain_afresh(struct db *db, int64_t host_id, struct error *err)
{
	return db_run(db, err,
		       "UPDATE drain_server SET state = 'waiting', tries = 0, due_us = 0, reason = '', "
		       "for_room "
		       "= 0 WHERE host_id = ? AND state IN ('waiting', 'stays')",
		       "i", host_id) < 0
		       ? -1
		       : 0;
}

int store_drain_excuse(struct db *db, struct error *err)
{
	return db_run(db, err,
		       "UPDATE drain_server SET tries = tries - 1 WHERE state = 'moving' AND tries > 0",
		       NULL) < 0
		       ? -1
		       : 0;
}

static int server_read(sqlite3_stmt *st, struct arena *a, struct drain_server *out, struct error *err)
{
	*out = (struct drain_server) {
		.host_id = db_int(st, 0),
		.server_id = db_int(st, 1),
		.state = db_dup(st, 2, a),
		.way = db_dup(st, 3, a),
		.reason = db_dup(st, 4, a),
		.to_host = db_dup(st, 5, a),
		.tries = db_int(st, 6),
		.due_us = db_int(st, 7),
		.for_room = db_int(st, 8) != 0,
		.server_uid = db_dup(st, 9, a),
		.server_name = db_dup(st, 10, a),
		.project_uid = db_dup(st, 11, a),
		.server_host_id = db_int(st, 12),
		.server_host = db_dup(st, 13, a),
		.locked = db_int(st, 16) != 0,
		.want_delete = db_int(st, 17) != 0,
		.extra_specs = db_dup(st, 18, a),
		.preemptible = db_int(st, 19) != 0,
		.leave_us = db_int(st, 20),
		.has_flow = db_int(st, 21) != 0,
		.failed = db_dup(st, 22, a),
	};
	if (!vm_state_parse(db_text(st, 14), &out->vm) || !task_state_parse(db_text(st, 15), &out->task))
		return error_internal(err, "server %lld is in an unknown state", (long long)out->server_id);
	return 0;
}

int store_drain_servers(struct db *db, struct arena *a, int64_t host_id, bool all, struct drain_server **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT x.host_id, x.server_id, x.state, x.way, x.reason, x.to_host, x.tries, x.due_us, "
		"x.for_room, s.uid, s.name, p.uid, s.host_id, h.name, s.vm_state, s.task_state, s.locked, "
		"s.want_delete, s.extra_specs, l.preemptible, e.leave_us, EXISTS (SELECT 1 FROM flow f WHERE "
		"f.subject_kind = 'server' AND f.subject_id = s.id), (SELECT m.reason FROM migration m WHERE "
		"m.server_id = s.id AND m.source_host_id = x.host_id AND m.ended_us > 0 ORDER BY m.id DESC "
		"LIMIT 1) FROM drain_server x JOIN server s ON s.id = x.server_id JOIN project p ON p.id = "
		"s.project_id LEFT JOIN host h ON h.id = s.host_id LEFT JOIN allocation l ON l.id = s.id "
		"LEFT "
		"JOIN eviction e ON e.server_id = s.id WHERE x.host_id = ?1 AND (?2 OR x.state != 'moved') "
		"ORDER BY s.ram_mib DESC, s.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "ii", host_id, (int64_t)all))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct drain_server s;

		if (server_read(st, a, &s, err))
			return -1;
		buf_append(&rows, &s, sizeof s);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof(struct drain_server);
	return rc;
}

int store_drain_failed(struct db *db, struct arena *a, const struct drain_server *s, int64_t since_us,
	int64_t **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf ids = { 0 };
	int rc;

	if (db_query(db, err, &st,
		    "SELECT DISTINCT dest_host_id FROM migration WHERE server_id = ? AND source_host_id = ? "
		    "AND "
		    "dest_host_id > 0 AND created_us >= ? AND ended_us > 0",
		    "iii", s->server_id, s->host_id, since_us))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		int64_t id = db_int(st, 0);

		buf_append(&ids, &id, sizeof id);
	}
	*out = kept(a, &ids);
	*out_n = ids.len / sizeof(int64_t);
	return rc;
}

int store_drain_counts(struct db *db, int64_t host_id, struct drain_counts *out, struct error *err)
{
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'moving'), "
		"count(*) FILTER (WHERE state = 'moved'), count(*) FILTER (WHERE state = 'stays') FROM "
		"drain_server WHERE host_id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "i", host_id) || db_row(st, err) < 0)
		return -1;
	*out = (struct drain_counts) { db_int(st, 0), db_int(st, 1), db_int(st, 2), db_int(st, 3) };
	return 0;
}

int store_drain_targets(
	struct db *db, struct arena *a, struct drain_target **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st,
		    "SELECT dest_host_id, count(*) FROM migration WHERE ended_us IS NULL AND status != "
		    "'finished' AND dest_host_id > 0 AND dest_host_id IS NOT source_host_id GROUP BY "
		    "dest_host_id",
		    NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		const struct drain_target t = { db_int(st, 0), db_int(st, 1) };

		buf_append(&rows, &t, sizeof t);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof(struct drain_target);
	return rc;
}
