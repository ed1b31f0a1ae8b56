/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fences.h"

#include "base/util.h"

enum { ATTEMPTS_KEPT = 100 };

/* ---- agents ---- */

int store_fence_agent_put(struct db *db, const struct fence_agent_row *a, struct error *err)
{
	static const char sql[] =
		"INSERT OR REPLACE INTO fence_agent (host_id, kind, target, user, password, ca, "
		"changed_us) VALUES (?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "isssbsi", a->host_id, a->kind, a->target, a->user,
		       a->password ? a->password : "", a->password_n, a->ca, a->changed_us) < 0
		       ? -1
		       : 0;
}

int store_fence_agent_get(
	struct db *db, struct arena *a, int64_t host_id, struct fence_agent_row *out, struct error *err)
{
	static const char sql[] =
		"SELECT kind, target, user, password, ca, changed_us FROM fence_agent WHERE host_id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", host_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	*out = (struct fence_agent_row) {
		.host_id = host_id,
		.kind = db_dup(st, 0, a),
		.target = db_dup(st, 1, a),
		.user = db_dup(st, 2, a),
		.password_n = (size_t)sqlite3_column_bytes(st, 3),
		.ca = db_dup(st, 4, a),
		.changed_us = db_int(st, 5),
	};
	if (out->password_n)
		out->password = arena_copy(a, sqlite3_column_blob(st, 3), out->password_n);
	return 1;
}

int store_fence_agent_remove(struct db *db, int64_t host_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM fence_agent WHERE host_id = ?", "i", host_id);
}

/* ---- attempts ---- */

#define SELECT_ATTEMPT                                                                                      \
	"SELECT t.id, t.host_id, h.name, t.verb, t.state, t.asked_by, t.reason, t.request_id, t.answered, " \
	"t.evacuate, t.power, t.last_error, t.power_us, t.tries, t.created_us, t.deadline_us, t.ended_us "  \
	"FROM fence_attempt t JOIN host h ON h.id = t.host_id "

int store_fence_attempt_insert(struct db *db, const struct fence_attempt *t, struct error *err)
{
	static const char sql[] =
		"INSERT INTO fence_attempt (id, host_id, verb, state, asked_by, reason, request_id, "
		"answered, "
		"evacuate, created_us, deadline_us) VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?)";
	static const char oldest[] =
		"DELETE FROM fence_attempt WHERE host_id = ?1 AND state != 'running' AND id < (SELECT "
		"min(id) FROM "
		"(SELECT id FROM fence_attempt WHERE host_id = ?1 ORDER BY id DESC LIMIT ?2))";

	if (db_run(db, err, sql, "iissssiiii", t->id, t->host_id, t->verb, t->asked_by, t->reason,
		    t->request_id, (int64_t)t->answered, (int64_t)t->evacuate, t->created_us,
		    t->deadline_us) < 0)
		return err->code == ERR_CONFLICT
			       ? error_set(err, ERR_CONFLICT,
					 "the host's fence agent is at work already: see its attempts")
			       : -1;
	return db_run(db, err, oldest, "ii", t->host_id, (int64_t)ATTEMPTS_KEPT) < 0 ? -1 : 0;
}

int store_fence_attempt_save(struct db *db, const struct fence_attempt *t, struct error *err)
{
	static const char sql[] = "UPDATE fence_attempt SET state = ?, power = ?, power_us = ?, tries = ?, "
				  "last_error = ?, ended_us = ? WHERE id = ?";

	return db_run(db, err, sql, "ssiisii", t->state, t->power, t->power_us, t->tries, t->last_error,
		       t->ended_us, t->id) < 0
		       ? -1
		       : 0;
}

static struct fence_attempt attempt_read(sqlite3_stmt *st, struct arena *a)
{
	return (struct fence_attempt) {
		.id = db_int(st, 0),
		.host_id = db_int(st, 1),
		.host = db_dup(st, 2, a),
		.verb = db_dup(st, 3, a),
		.state = db_dup(st, 4, a),
		.asked_by = db_dup(st, 5, a),
		.reason = db_dup(st, 6, a),
		.request_id = db_dup(st, 7, a),
		.answered = db_int(st, 8) != 0,
		.evacuate = db_int(st, 9) != 0,
		.power = db_dup(st, 10, a),
		.last_error = db_dup(st, 11, a),
		.power_us = db_int(st, 12),
		.tries = db_int(st, 13),
		.created_us = db_int(st, 14),
		.deadline_us = db_int(st, 15),
		.ended_us = db_int(st, 16),
	};
}

int store_fence_attempt_load(
	struct db *db, struct arena *a, int64_t id, struct fence_attempt *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, SELECT_ATTEMPT "WHERE t.id = ?", "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = attempt_read(st, a);
	return rc;
}

int store_fence_attempt_list(struct db *db, struct arena *a, int64_t host_id, size_t limit,
	struct fence_attempt **out, size_t *out_n, struct error *err)
{
	static const char of_host[] = SELECT_ATTEMPT "WHERE t.host_id = ? ORDER BY t.id DESC LIMIT ?";
	static const char running[] =
		SELECT_ATTEMPT "WHERE t.state = 'running' AND ? = 0 ORDER BY t.id LIMIT ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	*out = ARENA_ARRAY(a, struct fence_attempt, limit + 1);
	*out_n = 0;
	if (db_query(db, err, &st, host_id ? of_host : running, "ii", host_id, (int64_t)limit) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		(*out)[(*out_n)++] = attempt_read(st, a);
	return rc;
}

int store_fence_auto_count(struct db *db, int64_t since_us, int64_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT count(*) FROM host h WHERE h.forced_down = 1 AND EXISTS (SELECT 1 FROM fence_attempt "
		"t "
		"WHERE t.host_id = h.id AND t.asked_by = '' AND t.verb = 'off' AND t.state = 'done' AND "
		"t.created_us > ?)";

	return db_int_query(db, err, out_n, sql, "i", since_us) < 0 ? -1 : 0;
}

/* ---- evacuations of hosts ---- */

int store_evacuation_begin(struct db *db, const struct host_evacuation *v, struct error *err)
{
	static const char sql[] =
		"INSERT OR REPLACE INTO host_evacuation (host_id, state, asked_by, request_id, user_uid, "
		"project_uid, created_us) VALUES (?, 'running', ?, ?, ?, ?, ?)";

	return db_run(db, err, "DELETE FROM host_evacuation_left WHERE host_id = ?", "i", v->host_id) < 0 ||
			       db_run(db, err, sql, "issssi", v->host_id, v->asked_by, v->request_id,
				       v->user_uid, v->project_uid, v->created_us) < 0
		       ? -1
		       : 0;
}

int store_evacuation_end(
	struct db *db, int64_t host_id, const char *state, const char *why, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE host_evacuation SET state = ?, why = ?, ended_us = ? WHERE host_id = ?";

	return db_run(db, err, sql, "ssii", state, why, now_us, host_id) < 0 ? -1 : 0;
}

int store_evacuation_count(struct db *db, int64_t host_id, struct error *err)
{
	return db_run(db, err, "UPDATE host_evacuation SET begun = begun + 1 WHERE host_id = ?", "i",
		       host_id) < 0
		       ? -1
		       : 0;
}

int store_evacuation_leave(
	struct db *db, int64_t host_id, int64_t server_id, const char *why, struct error *err)
{
	static const char sql[] =
		"INSERT OR REPLACE INTO host_evacuation_left (host_id, server_id, why) VALUES (?, ?, ?)";

	return db_run(db, err, sql, "iis", host_id, server_id, why) < 0 ? -1 : 0;
}

int store_evacuation_get(
	struct db *db, struct arena *a, int64_t host_id, struct host_evacuation *out, struct error *err)
{
	static const char sql[] = "SELECT state, asked_by, request_id, user_uid, project_uid, why, begun, "
				  "created_us, ended_us FROM host_evacuation WHERE host_id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", host_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct host_evacuation) {
			.host_id = host_id,
			.state = db_dup(st, 0, a),
			.asked_by = db_dup(st, 1, a),
			.request_id = db_dup(st, 2, a),
			.user_uid = db_dup(st, 3, a),
			.project_uid = db_dup(st, 4, a),
			.why = db_dup(st, 5, a),
			.begun = db_int(st, 6),
			.created_us = db_int(st, 7),
			.ended_us = db_int(st, 8),
		};
	return rc;
}

int store_evacuation_running(struct db *db, struct arena *a, int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT host_id FROM host_evacuation WHERE state = 'running'";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM host_evacuation WHERE state = 'running'", NULL) <
			0 ||
		db_query(db, err, &st, sql, NULL) < 0)
		return -1;
	*out = ARENA_ARRAY(a, int64_t, (size_t)n + 1);
	*out_n = 0;
	while (*out_n < (size_t)n && (rc = db_row(st, err)) > 0)
		(*out)[(*out_n)++] = db_int(st, 0);
	return rc < 0 ? -1 : 0;
}

int store_evacuation_servers(struct db *db, struct arena *a, int64_t host_id, struct evacuation_server **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT s.id, s.uid, s.name, s.vm_state, l.why FROM server s LEFT JOIN "
				  "host_evacuation_left l ON "
				  "l.host_id = s.host_id AND l.server_id = s.id WHERE s.host_id = ? AND "
				  "s.deleted_us = 0 ORDER BY "
				  "s.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM server WHERE host_id = ? AND deleted_us = 0", "i",
		    host_id) < 0 ||
		db_query(db, err, &st, sql, "i", host_id) < 0)
		return -1;
	*out = ARENA_ARRAY(a, struct evacuation_server, (size_t)n + 1);
	*out_n = 0;
	while (*out_n < (size_t)n && (rc = db_row(st, err)) > 0)
		(*out)[(*out_n)++] = (struct evacuation_server) { .id = db_int(st, 0),
			.uid = db_dup(st, 1, a),
			.name = db_dup(st, 2, a),
			.vm_state = db_dup(st, 3, a),
			.why = db_dup(st, 4, a) };
	return rc < 0 ? -1 : 0;
}

int store_evacuation_moving(struct db *db, int64_t host_id, int64_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT count(*) FROM migration WHERE source_host_id = ? AND kind = "
				  "'evacuation' AND ended_us IS NULL";

	return db_int_query(db, err, out_n, sql, "i", host_id) < 0 ? -1 : 0;
}
