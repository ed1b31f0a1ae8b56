/* SPDX-License-Identifier: Apache-2.0 */
#include "store/projects.h"

#include "store/app_credentials.h"
#include "store/assignments.h"
#include "store/row.h"

#define COLUMNS                                                                                             \
	"SELECT p.id, p.domain_id, p.parent_id, p.uid, p.name, p.description, p.enabled, p.extra, "         \
	"p.created_us, "                                                                                    \
	"p.deleted_us, d.uid, d.name, d.enabled, q.uid FROM project p JOIN domain d ON d.id = p.domain_id " \
	"LEFT JOIN project q ON q.id = p.parent_id "

int store_project_next(sqlite3_stmt *st, struct arena *a, struct project *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct project) { .id = db_int(st, 0),
			.domain_id = db_int(st, 1),
			.parent_id = row_key(st, 2),
			.uid = row_text(st, 3, a),
			.name = row_text(st, 4, a),
			.description = row_text(st, 5, a),
			.enabled = db_int(st, 6),
			.extra = row_text(st, 7, a),
			.created_us = db_int(st, 8),
			.deleted_us = db_int(st, 9),
			.domain_uid = row_text(st, 10, a),
			.domain_name = row_text(st, 11, a),
			.domain_enabled = db_int(st, 12),
			.parent_uid = row_text(st, 13, a) };
	return rc;
}

static int one(sqlite3_stmt *st, struct arena *a, const char *key, struct project *out, struct error *err)
{
	int rc = store_project_next(st, a, out, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find project: %.64s.", key);
	return rc < 0 ? -1 : 0;
}

int store_project_get(struct db *db, struct arena *a, const char *uid, struct project *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE p.uid = ? AND p.deleted_us = 0", "s", uid) < 0)
		return -1;
	return one(st, a, uid, out, err);
}

int store_project_by_name(struct db *db, struct arena *a, int64_t domain_id, const char *name,
	struct project *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE p.domain_id = ? AND p.name = ? AND p.deleted_us = 0", "is",
		    domain_id, name) < 0)
		return -1;
	return one(st, a, name, out, err);
}

int store_project_load(struct db *db, struct arena *a, int64_t id, struct project *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE p.id = ?", "i", id) < 0)
		return -1;
	return one(st, a, "of a row", out, err);
}

/* Where a user has a role: on the project, on its domain or on a project above it when that role is
 * inherited. */
#define SCOPES_OF_USER                                                                                       \
	"WITH RECURSIVE actor(kind, id) AS (SELECT 'user', ?1 UNION ALL "                                    \
	"SELECT 'group', group_id FROM user_group_member WHERE user_id = ?1), "                              \
	"granted(kind, id, inherited) AS (SELECT ra.target_kind, ra.target_id, ra.inherited "                \
	"FROM role_assignment ra JOIN actor a ON ra.actor_kind = a.kind AND ra.actor_id = a.id), "           \
	"scope(id) AS (SELECT id FROM granted WHERE kind = 'project' AND inherited = 0), "                   \
	"below(id) AS (SELECT c.id FROM project c JOIN granted g ON g.inherited = 1 AND "                    \
	"((g.kind = 'domain' AND g.id = c.domain_id) OR (g.kind = 'project' AND g.id = c.parent_id)) UNION " \
	"SELECT c.id FROM project c JOIN below b ON c.parent_id = b.id) "

int store_project_query(struct db *db, const struct project_filter *f, sqlite3_stmt **out, struct error *err)
{
	if (f->user_id)
		return db_query(db, err, out,
			SCOPES_OF_USER COLUMNS
			"WHERE (p.id IN (SELECT id FROM scope) OR p.id IN (SELECT id FROM below)) AND "
			"p.deleted_us = 0 "
			"AND (?2 IS NULL OR p.name = ?2) AND (?3 IS NULL OR d.uid = ?3) AND (?4 < 0 OR "
			"(p.enabled AND "
			"d.enabled) = ?4) AND (?5 IS NULL OR coalesce(q.uid, d.uid) = ?5) AND p.id > ?6 "
			"ORDER BY p.id LIMIT ?7",
			"issisii", f->user_id, f->name, f->domain_uid, (int64_t)f->enabled, f->parent_uid,
			f->after_id, f->limit);
	return db_query(db, err, out,
		COLUMNS
		"WHERE p.deleted_us = 0 AND (?1 IS NULL OR p.name = ?1) AND (?2 IS NULL OR d.uid = ?2) "
		"AND (?3 < 0 OR p.enabled = ?3) AND (?4 IS NULL OR coalesce(q.uid, d.uid) = ?4) AND p.id > "
		"?5 "
		"ORDER BY p.id LIMIT ?6",
		"ssisii", f->name, f->domain_uid, (int64_t)f->enabled, f->parent_uid, f->after_id, f->limit);
}

int store_project_above(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		"WITH RECURSIVE above(id, distance) AS (SELECT parent_id, 1 FROM project WHERE id = ?1 UNION "
		"ALL "
		"SELECT p.parent_id, a.distance + 1 FROM project p JOIN above a ON p.id = a.id WHERE "
		"p.parent_id "
		"IS NOT NULL) " COLUMNS "JOIN above ON above.id = p.id ORDER BY above.distance",
		"i", id);
}

int store_project_below(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		"WITH RECURSIVE below(id, path) AS (SELECT id, format('%020d', id) FROM project WHERE "
		"parent_id = "
		"?1 AND deleted_us = 0 UNION ALL SELECT c.id, b.path || format('/%020d', c.id) FROM project "
		"c "
		"JOIN below b ON c.parent_id = b.id WHERE c.deleted_us = 0) " COLUMNS
		"JOIN below ON below.id = p.id ORDER BY below.path",
		"i", id);
}

int store_project_insert(struct db *db, const struct project *p, struct error *err)
{
	static const char with_parent[] = "INSERT INTO project (id, uid, domain_id, name, description, "
					  "enabled, extra, created_us, parent_id) "
					  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))";

	if (db_run(db, err, with_parent, "isissisii", p->id, p->uid, p->domain_id, p->name, p->description,
		    (int64_t)p->enabled, p->extra, p->created_us, p->parent_id) < 0)
		return row_taken(err, "a project", p->name);
	return 0;
}

int store_project_update(struct db *db, const struct project *p, struct error *err)
{
	if (db_run(db, err,
		    "UPDATE project SET name = ?, description = ?, enabled = ?, extra = ? WHERE id = ?",
		    "ssisi", p->name, p->description, (int64_t)p->enabled, p->extra, p->id) < 0)
		return row_taken(err, "a project", p->name);
	return 0;
}

/* What keeps a project from being deleted. */
static const struct {
	const char *what, *sql;
} holds[] = {
	{ "servers", "SELECT count(*) FROM server WHERE project_id = ? AND deleted_us = 0" },
	{ "images", "SELECT count(*) FROM image WHERE project_id = ? AND deleted_us = 0" },
	{ "ports", "SELECT count(*) FROM port WHERE project_id = ?" },
	{ "networks", "SELECT count(*) FROM network WHERE project_id = ?" },
	{ "reservations", "SELECT count(*) FROM block WHERE project_id = ? AND state IN ('planned', "
			  "'clearing', 'active')" },
	{ "server groups", "SELECT count(*) FROM server_group WHERE project_id = ?" },
};

static int check_empty(struct db *db, int64_t id, struct error *err)
{
	int64_t n = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM project WHERE parent_id = ? AND deleted_us = 0",
		    "i", id) < 0)
		return -1;
	if (n)
		return error_set(err, ERR_FORBIDDEN,
			"Cannot delete the project: it has %lld projects below it; delete these first.",
			(long long)n);
	for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
		if (db_int_query(db, err, &n, holds[i].sql, "i", id) < 0)
			return -1;
		if (n)
			return error_set(err, ERR_CONFLICT,
				"Cannot delete the project: it still has %lld %s; delete these first.",
				(long long)n, holds[i].what);
	}
	return 0;
}

int store_project_delete(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	static const char *const parts[] = {
		"DELETE FROM token WHERE project_id = ?",
		"DELETE FROM project_tag WHERE project_id = ?",
		"DELETE FROM quota WHERE project_id = ?",
		"DELETE FROM guardrail WHERE project_id = ?",
		"DELETE FROM budget WHERE project_id = ?",
		"DELETE FROM image_member WHERE project_id = ?",
		"DELETE FROM flavor_access WHERE project_id = ?",
	};
	int gone;

	if (check_empty(db, id, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	if (db_run(db, err, "DELETE FROM webhook WHERE project_uid = (SELECT uid FROM project WHERE id = ?)",
		    "i", id) < 0 ||
		store_app_credential_delete_project(db, id, err) < 0 ||
		store_assignment_delete_target(db, ASSIGNED_PROJECT, id, err) < 0)
		return -1;
	gone = db_run(db, err,
		"DELETE FROM project WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM usage WHERE project_id = "
		"?1) "
		"AND NOT EXISTS (SELECT 1 FROM gpu_usage WHERE project_id = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM invoice WHERE project_id = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM server WHERE project_id = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM image WHERE project_id = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM project WHERE parent_id = ?1)",
		"i", id);
	if (gone)
		return gone < 0 ? -1 : 0;
	/* its history is still to be billed: the row stays, its name is free again */
	return db_run(db, err,
		       "UPDATE project SET deleted_us = ?, enabled = 0, name = name || ' (deleted ' || uid "
		       "|| ')' "
		       "WHERE id = ?",
		       "ii", now_us, id) < 0
		       ? -1
		       : 0;
}

int store_project_depth(struct db *db, int64_t id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out,
		       "WITH RECURSIVE up(id) AS (SELECT ?1 UNION ALL SELECT p.parent_id FROM project p JOIN "
		       "up "
		       "ON p.id = up.id WHERE p.parent_id IS NOT NULL) SELECT count(*) FROM up",
		       "i", id) < 0
		       ? -1
		       : 0;
}

int store_project_tags(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err)
{
	return db_query(
		db, err, out, "SELECT tag FROM project_tag WHERE project_id = ? ORDER BY tag", "i", id);
}

int store_project_tag_count(struct db *db, int64_t id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out, "SELECT count(*) FROM project_tag WHERE project_id = ?", "i", id) <
			       0
		       ? -1
		       : 0;
}

int store_project_tag_add(struct db *db, int64_t id, const char *tag, struct error *err)
{
	return db_run(db, err, "INSERT OR IGNORE INTO project_tag (project_id, tag) VALUES (?, ?)", "is", id,
		       tag) < 0
		       ? -1
		       : 0;
}

int store_project_tag_has(struct db *db, int64_t id, const char *tag, struct error *err)
{
	int64_t one_row;

	return db_int_query(db, err, &one_row, "SELECT 1 FROM project_tag WHERE project_id = ? AND tag = ?",
		"is", id, tag);
}

int store_project_tag_remove(struct db *db, int64_t id, const char *tag, struct error *err)
{
	return db_run(db, err, "DELETE FROM project_tag WHERE project_id = ?1 AND (?2 IS NULL OR tag = ?2)",
		"is", id, tag);
}
