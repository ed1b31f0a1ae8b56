/* SPDX-License-Identifier: Apache-2.0 */
#include "store/roles.h"

#include "store/row.h"

#define COLUMNS                                                                                         \
	"SELECT r.id, r.domain_id, r.uid, r.name, r.description, r.extra, d.uid FROM role r LEFT JOIN " \
	"domain "                                                                                       \
	"d ON d.id = r.domain_id "

int store_role_next(sqlite3_stmt *st, struct arena *a, struct role *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct role) { .id = db_int(st, 0),
			.domain_id = row_key(st, 1),
			.uid = row_text(st, 2, a),
			.name = row_text(st, 3, a),
			.description = row_text(st, 4, a),
			.extra = row_text(st, 5, a),
			.domain_uid = row_text(st, 6, a) };
	return rc;
}

static int one(sqlite3_stmt *st, struct arena *a, const char *key, struct role *out, struct error *err)
{
	int rc = store_role_next(st, a, out, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find role: %.64s.", key);
	return rc < 0 ? -1 : 0;
}

int store_role_get(struct db *db, struct arena *a, const char *uid, struct role *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE r.uid = ?", "s", uid) < 0)
		return -1;
	return one(st, a, uid, out, err);
}

int store_role_query(struct db *db, const struct role_filter *f, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS "WHERE (?1 IS NULL OR r.name = ?1) AND (?2 = 1 OR (?3 IS NULL AND d.uid IS NULL) OR "
			"d.uid = ?3) "
			"AND (?4 = 0 OR r.id IN (SELECT implied_id FROM role_implies WHERE prior_id = ?4)) "
			"ORDER BY r.id",
		"sisi", f->name, (int64_t)f->all, f->domain_uid, f->implied_by);
}

int store_role_insert(struct db *db, const struct role *r, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO role (id, uid, name, domain_id, description, extra) "
		    "VALUES (?, ?, ?, nullif(?, 0), ?, ?)",
		    "ississ", r->id, r->uid, r->name, r->domain_id, r->description, r->extra) < 0)
		return row_taken(err, "a role", r->name);
	return 0;
}

int store_role_update(struct db *db, const struct role *r, struct error *err)
{
	if (db_run(db, err, "UPDATE role SET name = ?, description = ?, extra = ? WHERE id = ?", "sssi",
		    r->name, r->description, r->extra, r->id) < 0)
		return row_taken(err, "a role", r->name);
	return 0;
}

int store_role_delete(struct db *db, int64_t id, struct error *err)
{
	static const char *const parts[] = {
		"DELETE FROM role_assignment WHERE role_id = ?",
		"DELETE FROM role_implies WHERE prior_id = ?1 OR implied_id = ?1",
		"DELETE FROM application_credential_role WHERE role_id = ?",
		"DELETE FROM role WHERE id = ?",
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	return 0;
}

int store_role_implies_add(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err)
{
	return db_run(db, err, "INSERT OR IGNORE INTO role_implies (prior_id, implied_id) VALUES (?, ?)",
		       "ii", prior_id, implied_id) < 0
		       ? -1
		       : 0;
}

int store_role_implies_has(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err)
{
	int64_t row;

	return db_int_query(db, err, &row, "SELECT 1 FROM role_implies WHERE prior_id = ? AND implied_id = ?",
		"ii", prior_id, implied_id);
}

int store_role_implies_reaches(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err)
{
	int64_t row;

	return db_int_query(db, err, &row,
		"WITH RECURSIVE reach(id) AS (SELECT ?1 UNION SELECT ri.implied_id FROM role_implies ri "
		"JOIN reach ON ri.prior_id = reach.id) SELECT 1 FROM reach WHERE id = ?2",
		"ii", prior_id, implied_id);
}

int store_role_implies_remove(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM role_implies WHERE prior_id = ? AND implied_id = ?", "ii",
		prior_id, implied_id);
}
