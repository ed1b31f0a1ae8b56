/* SPDX-License-Identifier: Apache-2.0 */
#include "store/users.h"

#include "store/app_credentials.h"
#include "store/assignments.h"
#include "store/row.h"

#define COLUMNS                                                                                          \
	"SELECT u.id, u.domain_id, u.uid, u.name, u.description, u.email, u.default_project_uid, "       \
	"u.enabled, "                                                                                    \
	"u.password_hash, u.password_changed_us, u.password_expires_us, u.failures, u.locked_until_us, " \
	"u.extra, "                                                                                      \
	"u.created_us, d.uid, d.name, d.enabled, u.options FROM user u JOIN domain d ON d.id = u.domain_id "

int store_user_next(sqlite3_stmt *st, struct arena *a, struct user *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct user) { .id = db_int(st, 0),
			.domain_id = db_int(st, 1),
			.uid = row_text(st, 2, a),
			.name = row_text(st, 3, a),
			.description = row_text(st, 4, a),
			.email = row_text(st, 5, a),
			.default_project_uid = row_text(st, 6, a),
			.enabled = db_int(st, 7),
			.password_hash = row_text(st, 8, a),
			.password_changed_us = db_int(st, 9),
			.password_expires_us = db_int(st, 10),
			.failures = db_int(st, 11),
			.locked_until_us = db_int(st, 12),
			.extra = row_text(st, 13, a),
			.created_us = db_int(st, 14),
			.domain_uid = row_text(st, 15, a),
			.domain_name = row_text(st, 16, a),
			.domain_enabled = db_int(st, 17),
			.options = row_text(st, 18, a) };
	return rc;
}

static int one(sqlite3_stmt *st, struct arena *a, const char *key, struct user *out, struct error *err)
{
	int rc = store_user_next(st, a, out, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find user: %.64s.", key);
	return rc < 0 ? -1 : 0;
}

int store_user_get(struct db *db, struct arena *a, const char *uid, struct user *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE u.uid = ?", "s", uid) < 0)
		return -1;
	return one(st, a, uid, out, err);
}

int store_user_by_name(struct db *db, struct arena *a, int64_t domain_id, const char *name, struct user *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE u.domain_id = ? AND u.name = ?", "is", domain_id, name) < 0)
		return -1;
	return one(st, a, name, out, err);
}

int store_user_load(struct db *db, struct arena *a, int64_t id, struct user *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE u.id = ?", "i", id) < 0)
		return -1;
	return one(st, a, "of a row", out, err);
}

int store_user_query(struct db *db, const struct user_filter *f, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS "WHERE (?1 IS NULL OR u.name = ?1) AND (?2 IS NULL OR d.uid = ?2) AND (?3 < 0 OR "
			"u.enabled = ?3) "
			"AND (?4 = 0 OR u.id IN (SELECT user_id FROM user_group_member WHERE group_id = ?4)) "
			"AND u.id > ?5 ORDER BY u.id LIMIT ?6",
		"ssiiii", f->name, f->domain_uid, (int64_t)f->enabled, f->group_id, f->after_id, f->limit);
}

int store_user_insert(struct db *db, const struct user *u, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO user (id, uid, domain_id, name, description, email, enabled, "
		    "default_project_uid, "
		    "password_hash, password_changed_us, password_expires_us, extra, created_us, options) "
		    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?)",
		    "isisssissiisis", u->id, u->uid, u->domain_id, u->name, u->description, u->email,
		    (int64_t)u->enabled, u->default_project_uid, u->password_hash, u->created_us,
		    u->password_expires_us, u->extra, u->created_us, u->options ? u->options : "{}") < 0)
		return row_taken(err, "a user", u->name);
	return 0;
}

int store_user_update(struct db *db, const struct user *u, struct error *err)
{
	if (db_run(db, err,
		    "UPDATE user SET name = ?, description = ?, email = ?, enabled = ?, default_project_uid "
		    "= ?, "
		    "extra = ?, options = ? WHERE id = ?",
		    "sssisssi", u->name, u->description, u->email, (int64_t)u->enabled,
		    u->default_project_uid, u->extra, u->options, u->id) < 0)
		return row_taken(err, "a user", u->name);
	return 0;
}

int store_user_set_password(
	struct db *db, int64_t id, const char *hash, int64_t now_us, int64_t expires_us, struct error *err)
{
	return db_run(db, err,
		       "UPDATE user SET password_hash = ?, password_changed_us = ?, password_expires_us = "
		       "nullif(?, 0), failures = 0, locked_until_us = 0 WHERE id = ?",
		       "siii", hash, now_us, expires_us, id) < 0
		       ? -1
		       : 0;
}

int store_user_password_add(struct db *db, int64_t id, const char *hash, int64_t keep, struct error *err)
{
	if (db_run(db, err, "INSERT INTO user_password (id, user_id, hash) VALUES (?, ?, ?)", "iis",
		    store_next_id(db_store(db)), id, hash) < 0)
		return -1;
	return db_run(db, err,
		       "DELETE FROM user_password WHERE user_id = ?1 AND id NOT IN (SELECT id FROM "
		       "user_password WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2)",
		       "ii", id, keep) < 0
		       ? -1
		       : 0;
}

int store_user_passwords(struct db *db, struct arena *a, int64_t id, int64_t limit, const char ***out,
	size_t *out_n, struct error *err)
{
	const char **all = ARENA_ARRAY(a, const char *, (size_t)limit + 1);
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	size_t n = 0;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT hash FROM user_password WHERE user_id = ? ORDER BY id DESC LIMIT ?", "ii", id,
		    limit) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		all[n++] = db_dup(st, 0, a);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_user_set_failures(
	struct db *db, int64_t id, int64_t failures, int64_t locked_until_us, struct error *err)
{
	return db_run(db, err, "UPDATE user SET failures = ?, locked_until_us = ? WHERE id = ?", "iii",
		       failures, locked_until_us, id) < 0
		       ? -1
		       : 0;
}

int store_user_delete(struct db *db, int64_t id, struct error *err)
{
	static const char *const parts[] = {
		"DELETE FROM token WHERE user_id = ?",
		"DELETE FROM user_group_member WHERE user_id = ?",
		"DELETE FROM keypair WHERE user_id = ?",
		"DELETE FROM user_password WHERE user_id = ?",
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	if (store_app_credential_delete_user(db, id, err) < 0 ||
		store_assignment_delete_actor(db, ACTOR_USER, id, err) < 0)
		return -1;
	if (db_run(db, err, "DELETE FROM access_rule WHERE user_id = ?", "i", id) < 0)
		return -1;
	return db_run(db, err, "DELETE FROM user WHERE id = ?", "i", id) < 0 ? -1 : 0;
}
