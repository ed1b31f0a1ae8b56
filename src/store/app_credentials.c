/* SPDX-License-Identifier: Apache-2.0 */
#include "store/app_credentials.h"

#include <string.h>

#include "store/row.h"

#define COLUMNS                                                                                             \
	"SELECT c.id, c.user_id, c.project_id, c.uid, c.name, c.description, c.secret_hash, c.expires_us, " \
	"c.unrestricted, c.created_us, p.uid FROM application_credential c JOIN project p ON p.id = "       \
	"c.project_id "

int store_app_credential_next(
	sqlite3_stmt *st, struct arena *a, struct app_credential *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc <= 0)
		return rc;
	*out = (struct app_credential) { .id = db_int(st, 0),
		.user_id = db_int(st, 1),
		.project_id = db_int(st, 2),
		.uid = row_text(st, 3, a),
		.name = row_text(st, 4, a),
		.description = row_text(st, 5, a),
		.expires_us = row_key(st, 7),
		.unrestricted = db_int(st, 8),
		.created_us = db_int(st, 9),
		.project_uid = row_text(st, 10, a) };
	if (sqlite3_column_bytes(st, 6) != SHA256_SIZE)
		return error_internal(err, "application credential %s: its hash is damaged", out->uid);
	memcpy(out->secret_hash, sqlite3_column_blob(st, 6), SHA256_SIZE);
	return 1;
}

static int one(
	sqlite3_stmt *st, struct arena *a, const char *key, struct app_credential *out, struct error *err)
{
	int rc = store_app_credential_next(st, a, out, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find Application Credential: %.64s.", key);
	return rc < 0 ? -1 : 0;
}

int store_app_credential_get(
	struct db *db, struct arena *a, const char *uid, struct app_credential *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE c.uid = ?", "s", uid) < 0)
		return -1;
	return one(st, a, uid, out, err);
}

int store_app_credential_by_name(struct db *db, struct arena *a, int64_t user_id, const char *name,
	struct app_credential *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (store_app_credential_query(db, user_id, name, &st, err) < 0)
		return -1;
	return one(st, a, name, out, err);
}

int store_app_credential_load(
	struct db *db, struct arena *a, int64_t id, struct app_credential *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE c.id = ?", "i", id) < 0)
		return -1;
	return one(st, a, "of a token", out, err);
}

int store_app_credential_query(
	struct db *db, int64_t user_id, const char *name, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS "WHERE c.user_id = ?1 AND (?2 IS NULL OR c.name = ?2) ORDER BY c.id", "is", user_id,
		name);
}

int store_app_credential_count(struct db *db, int64_t user_id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out, "SELECT count(*) FROM application_credential WHERE user_id = ?",
		       "i", user_id) < 0
		       ? -1
		       : 0;
}

int store_app_credential_insert(struct db *db, const struct app_credential *c, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO application_credential (id, uid, user_id, project_id, name, description, "
		    "secret_hash, "
		    "expires_us, unrestricted, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?)",
		    "isiissbiii", c->id, c->uid, c->user_id, c->project_id, c->name, c->description,
		    c->secret_hash, sizeof c->secret_hash, c->expires_us, (int64_t)c->unrestricted,
		    c->created_us) < 0)
		return row_taken(err, "an application credential", c->name);
	return 0;
}

int store_app_credential_role_add(struct db *db, int64_t id, int64_t role_id, struct error *err)
{
	return db_run(db, err,
		       "INSERT OR IGNORE INTO application_credential_role (credential_id, role_id) VALUES "
		       "(?, ?)",
		       "ii", id, role_id) < 0
		       ? -1
		       : 0;
}

int store_app_credential_roles(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		"SELECT r.id, r.domain_id, r.uid, r.name, r.description, r.extra, d.uid FROM "
		"application_credential_role cr JOIN role r ON r.id = cr.role_id LEFT JOIN domain d ON d.id "
		"= "
		"r.domain_id WHERE cr.credential_id = ? ORDER BY r.id",
		"i", id);
}

#define THOSE_OF(where) "(SELECT id FROM application_credential WHERE " where ")"
#define DELETE_PARTS(where)                                                                                \
	{                                                                                                  \
		"DELETE FROM token WHERE credential_id IN " THOSE_OF(where),                               \
			"DELETE FROM application_credential_role WHERE credential_id IN " THOSE_OF(where), \
			"DELETE FROM application_credential_rule WHERE credential_id IN " THOSE_OF(where), \
			"DELETE FROM application_credential WHERE " where                                  \
	}

static int delete_parts(struct db *db, const char *const parts[4], int64_t id, struct error *err)
{
	for (int i = 0; i < 4; i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	return 0;
}

int store_app_credential_delete(struct db *db, int64_t id, struct error *err)
{
	static const char *const parts[4] = DELETE_PARTS("id = ?");

	return delete_parts(db, parts, id, err);
}

int store_app_credential_delete_user(struct db *db, int64_t user_id, struct error *err)
{
	static const char *const parts[4] = DELETE_PARTS("user_id = ?");

	return delete_parts(db, parts, user_id, err);
}

int store_app_credential_delete_project(struct db *db, int64_t project_id, struct error *err)
{
	static const char *const parts[4] = DELETE_PARTS("project_id = ?");

	return delete_parts(db, parts, project_id, err);
}
