/* SPDX-License-Identifier: Apache-2.0 */
#include "store/access_rules.h"

#include "store/row.h"

#define COLUMNS "SELECT r.id, r.user_id, r.uid, r.service, r.method, r.path FROM access_rule r "

int store_access_rule_next(sqlite3_stmt *st, struct arena *a, struct access_rule *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct access_rule) { .id = db_int(st, 0),
			.user_id = db_int(st, 1),
			.uid = row_text(st, 2, a),
			.service = row_text(st, 3, a),
			.method = row_text(st, 4, a),
			.path = row_text(st, 5, a) };
	return rc;
}

int store_access_rule_query(struct db *db, int64_t user_id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out, COLUMNS "WHERE r.user_id = ? ORDER BY r.id", "i", user_id);
}

int store_access_rule_of(struct db *db, int64_t credential_id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS
		"JOIN application_credential_rule c ON c.rule_id = r.id WHERE c.credential_id = ? ORDER BY "
		"r.id",
		"i", credential_id);
}

int store_access_rule_get(struct db *db, struct arena *a, int64_t user_id, const char *uid,
	struct access_rule *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, COLUMNS "WHERE r.uid = ? AND r.user_id = ?", "si", uid, user_id) < 0)
		return -1;
	rc = store_access_rule_next(st, a, out, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find Access Rule: %.64s.", uid);
	return rc < 0 ? -1 : 0;
}

int store_access_rule_ensure(struct db *db, const struct access_rule *r, int64_t *out_id, struct error *err)
{
	int rc = db_int_query(db, err, out_id,
		"SELECT id FROM access_rule WHERE user_id = ? AND service = ? AND method = ? AND path = ?",
		"isss", r->user_id, r->service, r->method, r->path);

	if (rc)
		return rc < 0 ? -1 : 0;
	*out_id = r->id;
	return db_run(db, err,
		       "INSERT INTO access_rule (id, uid, user_id, service, method, path) VALUES (?, ?, ?, "
		       "?, ?, ?)",
		       "isisss", r->id, r->uid, r->user_id, r->service, r->method, r->path) < 0
		       ? -1
		       : 0;
}

int store_access_rule_count(struct db *db, int64_t user_id, int64_t *out, struct error *err)
{
	return db_int_query(
		       db, err, out, "SELECT count(*) FROM access_rule WHERE user_id = ?", "i", user_id) < 0
		       ? -1
		       : 0;
}

int store_access_rule_give(struct db *db, int64_t credential_id, int64_t rule_id, struct error *err)
{
	return db_run(db, err,
		       "INSERT OR IGNORE INTO application_credential_rule (credential_id, rule_id) VALUES "
		       "(?, ?)",
		       "ii", credential_id, rule_id) < 0
		       ? -1
		       : 0;
}

int store_access_rule_delete(struct db *db, int64_t id, struct error *err)
{
	int64_t n = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM application_credential_rule WHERE rule_id = ?",
		    "i", id) < 0)
		return -1;
	if (n)
		return error_set(err, ERR_FORBIDDEN, "The access rule is in use by application credentials.");
	return db_run(db, err, "DELETE FROM access_rule WHERE id = ?", "i", id) < 0 ? -1 : 0;
}
