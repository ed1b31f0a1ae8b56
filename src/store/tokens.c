/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tokens.h"

#include <string.h>

#include "store/assignments.h"
#include "store/row.h"

int store_token_insert(struct db *db, const struct token *t, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO token (id, hash, user_id, project_id, domain_id, is_system, "
		       "credential_id, methods, "
		       "audit_ids, issued_us, expires_us) VALUES (?, ?, ?, nullif(?, 0), nullif(?, 0), ?, "
		       "nullif(?, 0), ?, ?, ?, ?)",
		       "ibiiiiissii", t->id, t->hash, sizeof t->hash, t->user_id, t->project_id, t->domain_id,
		       (int64_t)t->is_system, t->credential_id, t->methods, t->audit_ids, t->issued_us,
		       t->expires_us) < 0
		       ? -1
		       : 0;
}

int store_token_find(struct db *db, struct arena *a, const unsigned char hash[SHA256_SIZE], struct token *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT id, user_id, project_id, domain_id, is_system, credential_id, methods, "
		    "audit_ids, "
		    "issued_us, expires_us FROM token WHERE hash = ?",
		    "b", hash, (size_t)SHA256_SIZE) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	*out = (struct token) { .id = db_int(st, 0),
		.user_id = db_int(st, 1),
		.project_id = row_key(st, 2),
		.domain_id = row_key(st, 3),
		.is_system = db_int(st, 4),
		.credential_id = row_key(st, 5),
		.methods = row_text(st, 6, a),
		.audit_ids = row_text(st, 7, a),
		.issued_us = db_int(st, 8),
		.expires_us = db_int(st, 9) };
	memcpy(out->hash, hash, SHA256_SIZE);
	return 1;
}

static int delete_by(struct db *db, const char *sql, int64_t id, struct error *err)
{
	return db_run(db, err, sql, "i", id) < 0 ? -1 : 0;
}

int store_token_holds(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	int64_t expires_us = 0;
	int rc = db_int_query(db, err, &expires_us, "SELECT expires_us FROM token WHERE id = ?", "i", id);

	return rc < 0 ? -1 : rc > 0 && expires_us > now_us;
}

int store_token_delete(struct db *db, int64_t id, struct error *err)
{
	return delete_by(db, "DELETE FROM token WHERE id = ?", id, err);
}

int store_token_delete_user(struct db *db, int64_t user_id, struct error *err)
{
	return delete_by(db, "DELETE FROM token WHERE user_id = ?", user_id, err);
}

int store_token_delete_project(struct db *db, int64_t project_id, struct error *err)
{
	return delete_by(db, "DELETE FROM token WHERE project_id = ?", project_id, err);
}

int store_token_delete_domain(struct db *db, int64_t domain_id, struct error *err)
{
	return delete_by(db,
		"DELETE FROM token WHERE domain_id = ?1 OR user_id IN (SELECT id FROM user WHERE domain_id = "
		"?1) "
		"OR project_id IN (SELECT id FROM project WHERE domain_id = ?1)",
		domain_id, err);
}

int store_token_delete_group(struct db *db, int64_t group_id, struct error *err)
{
	return delete_by(db,
		"DELETE FROM token WHERE user_id IN (SELECT user_id FROM user_group_member WHERE group_id = "
		"?)",
		group_id, err);
}

#define USERS_OF                                                                                             \
	"user_id IN (SELECT ?1 WHERE ?2 = 0 UNION ALL SELECT user_id FROM user_group_member WHERE group_id " \
	"= "                                                                                                 \
	"?1 AND ?2 = 1)"

int store_token_delete_assignment(struct db *db, const struct assignment *a, struct error *err)
{
	int64_t kind = a->actor_kind;

	if (a->inherited) /* it may have come down to any project below */
		return db_run(db, err, "DELETE FROM token WHERE project_id IS NOT NULL AND " USERS_OF, "ii",
			       a->actor_id, kind) < 0
			       ? -1
			       : 0;
	return db_run(db, err,
		       "DELETE FROM token WHERE " USERS_OF " AND ((?3 = 0 AND project_id = ?4) OR (?3 = 1 "
		       "AND domain_id = ?4) OR (?3 = 2 AND is_system))",
		       "iiii", a->actor_id, kind, (int64_t)a->target_kind, a->target_id) < 0
		       ? -1
		       : 0;
}

int store_token_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err)
{
	return db_run(db, err,
		"DELETE FROM token WHERE id IN (SELECT id FROM token WHERE expires_us <= ? LIMIT ?)", "ii",
		now_us, limit);
}
