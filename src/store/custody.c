/* SPDX-License-Identifier: Apache-2.0 */
#include "store/custody.h"

#include "base/buf.h"
#include "base/util.h"
#include "store/audit_notes.h"
#include "store/books.h"
#include "store/event_rows.h"

static void *kept(struct arena *a, const struct buf *rows)
{
	return rows->len ? arena_copy(a, rows->data, rows->len) : NULL;
}

/* ---- the way ---- */

int store_custody_get(
	struct db *db, struct arena *a, int64_t device_id, struct custody_pass *out, struct error *err)
{
	static const char sql[] =
		"SELECT device_id, server_uid, project_uid, by_operator, vendor_id, product_id, numa_cell, "
		"iommu_group, released_us, reset_us FROM device_custody WHERE device_id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", device_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct custody_pass) {
			.device_id = db_int(st, 0),
			.server_uid = db_dup(st, 1, a),
			.project_uid = db_dup(st, 2, a),
			.by_operator = db_int(st, 3) != 0,
			.vendor_id = db_int(st, 4),
			.product_id = db_int(st, 5),
			.numa_cell = db_int(st, 6),
			.iommu_group = db_int(st, 7),
			.released_us = db_int(st, 8),
			.reset_us = db_int(st, 9),
		};
	return rc;
}

static int set_custody(struct db *db, int64_t id, const char *custody, const char *reason, struct error *err)
{
	books_touch(db, BOOKS_DEVICE, id);
	return db_run(db, err, "UPDATE device SET custody = ?, custody_reason = ? WHERE id = ?", "ssi",
		       custody, reason, id) < 0
		       ? -1
		       : 0;
}

int store_custody_begin(struct db *db, const struct custody_pass *p, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"INSERT INTO device_custody (device_id, server_uid, project_uid, by_operator, vendor_id, "
		"product_id, numa_cell, iommu_group, released_us) SELECT id, ?2, ?3, ?4, vendor_id, "
		"product_id, numa_cell, iommu_group, ?5 FROM device WHERE id = ?1";

	return event_gpu_custody(db, p->device_id, "reset", "released", "", err) ||
			       db_run(db, err, sql, "issii", p->device_id, p->server_uid, p->project_uid,
				       (int64_t)p->by_operator, now_us) < 0
		       ? -1
		       : set_custody(db, p->device_id, "reset", "", err);
}

int store_custody_by_flow(struct db *db, int64_t device_id, struct error *err)
{
	return db_run(db, err, "UPDATE device_custody SET by_operator = 0 WHERE device_id = ?", "i",
		       device_id) < 0
		       ? -1
		       : 0;
}

int store_custody_was_reset(struct db *db, int64_t device_id, int64_t now_us, struct error *err)
{
	/* the clock may have been set back since */
	static const char sql[] =
		"UPDATE device_custody SET reset_us = max(released_us, ?2) WHERE device_id = ?1";

	if (db_run(db, err, sql, "ii", device_id, now_us) < 0)
		return -1;
	return event_gpu_custody(db, device_id, "reset", "reset", "", err);
}

/* ---- the record ---- */

static const struct {
	const char *record, *custody, *stage, *action; /* action NULL: a request has one of its own */
} results[] = {
	[CUSTODY_CLEAN] = { "clean", "clean", "verified", "gpu.cleaned" },
	[CUSTODY_CLEARED] = { "cleared", "clean", "cleared", NULL },
	[CUSTODY_QUARANTINED] = { "quarantined", "quarantined", "quarantined", "gpu.quarantined" },
};

static int note(struct db *db, int64_t device_id, enum custody_result result, const char *words,
	int64_t now_us, struct error *err)
{
	const struct audit_note n = {
		.at_us = now_us, .action = results[result].action, .status = 200, .reason = words
	};

	return n.action ? store_audit_device(db, device_id, &n, err) : 0;
}

int store_custody_end(struct db *db, int64_t device_id, enum custody_result result, const char *words,
	int64_t now_us, struct error *err)
{
	static const char record[] =
		"INSERT INTO custody_record (id, device_uid, host, address, model, part, server_uid, "
		"project_uid, released_us, reset_us, verified_us, ended_us, result, words) SELECT ?1, d.uid, "
		"h.name, d.address, d.model, '', c.server_uid, c.project_uid, c.released_us, c.reset_us, "
		"iif(?4 = 'clean', max(c.reset_us, ?3), 0), max(c.reset_us, c.released_us, ?3), ?4, ?5 FROM "
		"device_custody c JOIN device d ON d.id = c.device_id JOIN host h ON h.id = d.host_id WHERE "
		"c.device_id = ?2";
	const char *custody = results[result].custody, *reason = result == CUSTODY_QUARANTINED ? words : "";

	if (db_run(db, err, record, "iiiss", store_next_id(db_store(db)), device_id, now_us,
		    results[result].record, words) < 0 ||
		db_run(db, err, "DELETE FROM device_custody WHERE device_id = ?", "i", device_id) < 0 ||
		note(db, device_id, result, words, now_us, err))
		return -1;
	return event_gpu_custody(db, device_id, custody, results[result].stage, reason, err)
		       ? -1
		       : set_custody(db, device_id, custody, reason, err);
}

/* Of a device that was on no way: nothing was reset. */
static int record(struct db *db, const struct custody_held *h, const char *result, const char *words,
	int64_t now_us, struct error *err)
{
	static const char sql[] =
		"INSERT INTO custody_record (id, device_uid, host, address, model, part, server_uid, "
		"project_uid, released_us, reset_us, verified_us, ended_us, result, words) SELECT ?1, d.uid, "
		"h.name, d.address, d.model, '', ?4, ?5, ?3, 0, 0, ?3, ?6, coalesce(?7, d.custody_reason) "
		"FROM device d JOIN host h ON h.id = d.host_id WHERE d.id = ?2";

	return db_run(db, err, sql, "iiissss", store_next_id(db_store(db)), h->device_id, now_us,
		       h->server_uid, h->project_uid, result, words) < 0
		       ? -1
		       : 0;
}

int store_custody_cleared(struct db *db, int64_t device_id, int64_t now_us, struct error *err)
{
	const struct custody_held nobody = { .device_id = device_id, .server_uid = "", .project_uid = "" };

	return record(db, &nobody, "cleared", "an operator's word", now_us, err);
}

int store_custody_kept(struct db *db, const struct custody_held *h, int64_t now_us, struct error *err)
{
	return record(db, h, "quarantined", NULL, now_us, err);
}

/* ---- what is held ---- */

int store_custody_held(struct db *db, struct arena *a, int64_t allocation_id, struct custody_held **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT d.id, d.custody, s.uid, p.uid FROM allocation_device x JOIN device d ON d.id = "
		"x.device_id JOIN allocation l ON l.id = x.allocation_id JOIN server s ON s.id = l.server_id "
		"JOIN project p ON p.id = s.project_id WHERE x.allocation_id = ? ORDER BY d.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, "i", allocation_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		const struct custody_held h = { db_int(st, 0), db_dup(st, 1, a), db_dup(st, 2, a),
			db_dup(st, 3, a) };

		buf_append(&rows, &h, sizeof h);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof **out;
	return rc;
}

int store_custody_parts(struct db *db, int64_t allocation_id, int64_t now_us, struct error *err)
{
	static const char each[] = "SELECT id FROM allocation_part WHERE allocation_id = ? ORDER BY id";
	static const char sql[] =
		"INSERT INTO custody_record (id, device_uid, host, address, model, part, server_uid, "
		"project_uid, released_us, reset_us, verified_us, ended_us, result, words) SELECT ?1, d.uid, "
		"h.name, d.address, d.model, iif(x.profile = '', 'share', x.profile), s.uid, p.uid, ?3, ?3, "
		"?3, ?3, 'clean', 'its mediated device ' || x.uid || ' was removed' FROM allocation_part x "
		"JOIN device d ON d.id = x.device_id JOIN host h ON h.id = d.host_id JOIN allocation l ON "
		"l.id = x.allocation_id JOIN server s ON s.id = l.server_id JOIN project p ON p.id = "
		"s.project_id WHERE x.id = ?2";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, each, "i", allocation_id))
		return -1;
	while ((rc = db_row(st, err)) > 0)
		if (db_run(db, err, sql, "iii", store_next_id(db_store(db)), db_int(st, 0), now_us) < 0)
			return -1;
	return rc;
}

/* ---- what is not there ---- */

int store_custody_lost(struct db *db, struct arena *a, int64_t host_id, int64_t server_id,
	struct custody_lost **out, size_t *out_n, struct error *err)
{
	/* what a move holds elsewhere it does not use */
#define LOST(table, where)                                                                                  \
	"SELECT s.id, s.uid, s.vm_state, d.address, h.name, EXISTS (SELECT 1 FROM flow f WHERE "            \
	"f.subject_kind = 'server' AND f.subject_id = s.id), s.power_seen_us FROM device d JOIN " table     \
	" x ON x.device_id = d.id JOIN server s ON s.id = x.allocation_id JOIN host h ON h.id = d.host_id " \
	"WHERE d.present = 0 AND " where " = ?1 AND s.deleted_us = 0"
#define BOTH(where) LOST("allocation_device", where) " UNION " LOST("allocation_part", where) " ORDER BY 1, 4"
	static const char of_host[] = BOTH("d.host_id");
	static const char of_server[] = BOTH("x.allocation_id");
#undef BOTH
#undef LOST
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (host_id ? db_query(db, err, &st, of_host, "i", host_id)
		    : db_query(db, err, &st, of_server, "i", server_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		const struct custody_lost l = { db_int(st, 0), db_dup(st, 1, a), db_dup(st, 2, a),
			db_dup(st, 3, a), db_dup(st, 4, a), db_int(st, 5) != 0, db_int(st, 6) };

		buf_append(&rows, &l, sizeof l);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof **out;
	return rc;
}

/* ---- reading records ---- */

int store_custody_records(struct db *db, struct arena *a, const struct custody_filter *f,
	struct custody_record **out, size_t *out_n, struct error *err)
{
#define RECORDS                                                                                         \
	"SELECT id, device_uid, host, address, model, part, server_uid, project_uid, released_us, "     \
	"reset_us, verified_us, ended_us, result, words FROM custody_record WHERE (?2 = 0 OR id < ?2) " \
	"AND (?3 IS NULL OR server_uid = ?3) "
	static const char of_device[] = RECORDS "AND device_uid = ?1 ORDER BY id DESC LIMIT ?4";
	static const char of_all[] = RECORDS "AND ?1 IS NULL ORDER BY id DESC LIMIT ?4";
#undef RECORDS
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	if (f->device_uid ? db_query(db, err, &st, of_device, "sisi", f->device_uid, f->before, f->server_uid,
				    (int64_t)f->limit)
			  : db_query(db, err, &st, of_all, "sisi", NULL, f->before, f->server_uid,
				    (int64_t)f->limit))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		const struct custody_record r = { db_int(st, 0), db_dup(st, 1, a), db_dup(st, 2, a),
			db_dup(st, 3, a), db_dup(st, 4, a), db_dup(st, 5, a), db_dup(st, 6, a),
			db_dup(st, 7, a), db_int(st, 8), db_int(st, 9), db_int(st, 10), db_int(st, 11),
			db_dup(st, 12, a), db_dup(st, 13, a) };

		buf_append(&rows, &r, sizeof r);
	}
	*out = kept(a, &rows);
	*out_n = rows.len / sizeof **out;
	return rc;
}

int store_custody_purge(struct db *db, int64_t before_us, int64_t rows, struct error *err)
{
	return db_run(db, err,
		"DELETE FROM custody_record WHERE id IN (SELECT id FROM custody_record WHERE ended_us < ? "
		"ORDER BY ended_us LIMIT ?)",
		"ii", before_us, rows);
}
