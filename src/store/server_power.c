/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_power.h"

#include <string.h>

#include "base/util.h"
#include "store/audit_notes.h"
#include "store/books.h"
#include "store/event_rows.h"

/* A row that is not there is our own mistake: nothing removes rows of servers. */
static int changed(int rc, int64_t id, struct error *err)
{
	if (rc == 0)
		return error_internal(err, "server %lld has no row", (long long)id);
	return rc < 0 ? -1 : 0;
}

int store_server_wish(struct db *db, int64_t id, int64_t *out, struct error *err)
{
	*out = 1;
	return db_int_query(db, err, out, "SELECT want_delete OR deleted_us != 0 FROM server WHERE id = ?",
		       "i", id) < 0
		       ? -1
		       : 0;
}

int store_server_task(struct db *db, int64_t id, enum task_state task, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET task_state = ?, updated_us = ?, generation = generation + 1 "
		"WHERE id = ?";

	return changed(db_run(db, err, sql, "sii", task_state_text(task), now_us, id), id, err);
}

int store_server_settle(struct db *db, const struct server_settled *to, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET vm_state = ?1, task_state = NULL, power_state = ?2, power_seen_us = ?3, "
		"power_seen_epoch = ?4, launched_us = CASE WHEN ?5 THEN coalesce(launched_us, ?3) "
		"ELSE launched_us END, admin_pass = CASE WHEN ?6 THEN NULL ELSE admin_pass END, fault_code = "
		"0, "
		"fault_message = NULL, fault_details = NULL, fault_us = NULL, updated_us = ?3, "
		"generation = generation + 1 WHERE id = ?7";

	if (event_server_state(db, to->id, vm_state_text(to->vm_state), NULL, err) < 0)
		return -1;
	books_touch(db, BOOKS_SERVER, to->id);
	return changed(
		db_run(db, err, sql, "siiiiii", vm_state_text(to->vm_state), (int64_t)to->power_state,
			to->now_us, to->seen_epoch, (int64_t)to->launched, (int64_t)to->forget_pass, to->id),
		to->id, err);
}

int store_server_fault(struct db *db, int64_t id, int code, const char *message, const char *details,
	int64_t now_us, struct error *err)
{
	static const char sql[] = "UPDATE server SET vm_state = 'error', task_state = NULL, "
				  "admin_pass = NULL, fault_code = ?1, fault_message = ?2, "
				  "fault_details = ?3, fault_us = ?4, updated_us = ?4, generation = "
				  "generation + 1 WHERE id = ?5";

	const struct audit_note note = {
		.at_us = now_us, .action = "server.error", .status = code, .reason = message
	};

	if (event_server_state(db, id, vm_state_text(VM_ERROR), message, err) < 0 ||
		store_audit_server(db, id, &note, err) < 0)
		return -1;
	books_touch(db, BOOKS_SERVER, id);
	return changed(db_run(db, err, sql, "issii", (int64_t)code, message, details, now_us, id), id, err);
}

int store_server_powers(struct db *db, struct arena *a, int64_t host_id, const char *uid,
	struct server_power **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT s.id, s.project_id, s.uid, s.vm_state, s.power_state, s.power_seen_us, s.epoch, "
		"EXISTS (SELECT 1 FROM flow f WHERE f.subject_kind = 'server' AND f.subject_id = s.id) "
		"FROM server s "
		"WHERE s.host_id = ?1 AND s.deleted_us = 0 AND (?2 IS NULL OR s.uid = ?2) ORDER BY s.uid";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_power *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, "is", host_id, uid))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct server_power row = {
			.id = db_int(st, 0),
			.project_id = db_int(st, 1),
			.uid = db_dup(st, 2, a),
			.power_state = (int)db_int(st, 4),
			.power_seen_us = db_int(st, 5),
			.epoch = db_int(st, 6),
			.has_flow = db_int(st, 7) != 0,
		};

		if (!vm_state_parse(db_text(st, 3), &row.vm_state))
			return error_internal(
				err, "server %lld: unknown state %s", (long long)row.id, db_text(st, 3));
		if (n == cap) {
			struct server_power *more = ARENA_ARRAY(a, struct server_power, cap ? cap * 2 : 32);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 32;
		}
		rows[n++] = row;
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_server_set_seen(struct db *db, int64_t id, int64_t seen_us, struct error *err)
{
	return changed(
		db_run(db, err, "UPDATE server SET power_seen_us = ?1 WHERE id = ?2", "ii", seen_us, id), id,
		err);
}

int store_server_set_power(struct db *db, int64_t id, enum vm_state vm_state, int power_state,
	int64_t seen_us, int64_t seen_epoch, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET vm_state = ?1, power_state = ?2, power_seen_us = ?3, "
		"power_seen_epoch = ?4, updated_us = ?6, generation = generation + 1 WHERE id = ?5";

	if (event_server_state(db, id, vm_state_text(vm_state), NULL, err) < 0)
		return -1;
	books_touch(db, BOOKS_SERVER, id);
	return changed(db_run(db, err, sql, "siiiii", vm_state_text(vm_state), (int64_t)power_state, seen_us,
			       seen_epoch, id, now_us),
		id, err);
}

int store_server_find_power(
	struct db *db, int64_t host_id, const char *uid, int64_t *out_id, int *out_power, struct error *err)
{
	static const char sql[] =
		"SELECT id, power_state FROM server WHERE uid = ? AND host_id = ? AND deleted_us = 0";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "si", uid, host_id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	*out_id = db_int(st, 0);
	*out_power = (int)db_int(st, 1);
	return 1;
}

int store_server_project(
	struct db *db, struct arena *a, int64_t project_id, const char **out_uid, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT uid FROM project WHERE id = ?", "i", project_id))
		return -1;
	rc = db_row(st, err);
	if (rc < 0)
		return -1;
	*out_uid = rc ? db_dup(st, 0, a) : "";
	return 0;
}

int store_server_project_of(
	struct db *db, struct arena *a, const char *uid, const char **out_uid, struct error *err)
{
	static const char sql[] =
		"SELECT p.uid FROM server s JOIN project p ON p.id = s.project_id WHERE s.uid = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "s", uid) || (rc = db_row(st, err)) < 0)
		return -1;
	*out_uid = rc ? db_dup(st, 0, a) : "";
	return 0;
}

int store_server_delete_action(struct db *db, struct arena *a, int64_t server_id, int64_t *out_id,
	const char **out_request_id, struct error *err)
{
	static const char sql[] = "SELECT id, request_id FROM server_action WHERE server_id = ? "
				  "AND action = 'delete' AND finish_us IS NULL ORDER BY id DESC LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", server_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0) {
		*out_id = db_int(st, 0);
		*out_request_id = db_dup(st, 1, a);
	}
	return rc;
}

int store_server_shelved_before(struct db *db, struct arena *a, int64_t before_us, int64_t max, int64_t **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT id FROM server WHERE deleted_us = 0 AND shelved_us != 0 AND shelved_us <= ? "
		"AND vm_state = 'shelved' AND task_state IS NULL ORDER BY shelved_us LIMIT ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t *ids = ARENA_ARRAY(a, int64_t, (size_t)max);
	size_t n = 0;
	int rc;

	if (db_query(db, err, &st, sql, "ii", before_us, max))
		return -1;
	while ((rc = db_row(st, err)) > 0)
		ids[n++] = db_int(st, 0);
	*out = ids;
	*out_n = n;
	return rc;
}

int store_server_elsewhere(
	struct db *db, const char *uid, int64_t host_id, struct server_elsewhere *out, struct error *err)
{
	static const char sql[] =
		"SELECT id, epoch, deleted_us != 0, EXISTS (SELECT 1 FROM allocation a WHERE "
		"a.server_id = server.id AND a.host_id = ?2) FROM server WHERE uid = ?1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "si", uid, host_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct server_elsewhere) {
			.id = db_int(st, 0),
			.epoch = db_int(st, 1),
			.deleted = db_int(st, 2) != 0,
			.holds = db_int(st, 3) != 0,
		};
	return rc;
}
