/* SPDX-License-Identifier: Apache-2.0 */
#include "store/assignments.h"

#include <string.h>

#include "store/row.h"
#include "store/tokens.h"

static const char *const actor_names[] = { "user", "group" };
static const char *const target_names[] = { "project", "domain", "system" };

int store_assignment_add(struct db *db, const struct assignment *a, struct error *err)
{
	return db_run(db, err,
		       "INSERT OR IGNORE INTO role_assignment (actor_kind, actor_id, target_kind, target_id, "
		       "role_id, "
		       "inherited) VALUES (?, ?, ?, ?, ?, ?)",
		       "sisiii", actor_names[a->actor_kind], a->actor_id, target_names[a->target_kind],
		       a->target_id, a->role_id, (int64_t)a->inherited) < 0
		       ? -1
		       : 0;
}

int store_assignment_has(struct db *db, const struct assignment *a, struct error *err)
{
	int64_t row;

	return db_int_query(db, err, &row,
		"SELECT 1 FROM role_assignment WHERE actor_kind = ? AND actor_id = ? AND target_kind = ? AND "
		"target_id = ? AND role_id = ? AND inherited = ?",
		"sisiii", actor_names[a->actor_kind], a->actor_id, target_names[a->target_kind], a->target_id,
		a->role_id, (int64_t)a->inherited);
}

int store_assignment_remove(struct db *db, const struct assignment *a, struct error *err)
{
	int n = db_run(db, err,
		"DELETE FROM role_assignment WHERE actor_kind = ? AND actor_id = ? AND target_kind = ? AND "
		"target_id = ? AND role_id = ? AND inherited = ?",
		"sisiii", actor_names[a->actor_kind], a->actor_id, target_names[a->target_kind], a->target_id,
		a->role_id, (int64_t)a->inherited);

	if (n > 0 && store_token_delete_assignment(db, a, err) < 0)
		return -1;
	return n;
}

int store_assignment_delete_actor(struct db *db, enum actor_kind kind, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM role_assignment WHERE actor_kind = ? AND actor_id = ?", "si",
		       actor_names[kind], id) < 0
		       ? -1
		       : 0;
}

int store_assignment_delete_target(struct db *db, enum assigned_kind kind, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM role_assignment WHERE target_kind = ? AND target_id = ?", "si",
		       target_names[kind], id) < 0
		       ? -1
		       : 0;
}

int store_assignment_roles(struct db *db, const struct assignment *a, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		"SELECT r.id, r.domain_id, r.uid, r.name, r.description, r.extra, d.uid FROM role_assignment "
		"ra "
		"JOIN role r ON r.id = ra.role_id LEFT JOIN domain d ON d.id = r.domain_id "
		"WHERE ra.actor_kind = ? AND ra.actor_id = ? AND ra.target_kind = ? AND ra.target_id = ? AND "
		"ra.inherited = ? ORDER BY r.id",
		"sisii", actor_names[a->actor_kind], a->actor_id, target_names[a->target_kind], a->target_id,
		(int64_t)a->inherited);
}

/* ?1 user, ?2 target's id, ?3 target's kind */
static const char effective_sql[] =
	"WITH RECURSIVE above(id) AS (SELECT parent_id FROM project WHERE ?3 = 'project' AND id = ?2 UNION "
	"SELECT p.parent_id FROM project p JOIN above ON p.id = above.id), "
	"actor(kind, id) AS (SELECT 'user', ?1 UNION ALL "
	"SELECT 'group', group_id FROM user_group_member WHERE user_id = ?1), "
	"has(role_id) AS ("
	"SELECT ra.role_id FROM actor a JOIN role_assignment ra ON ra.actor_kind = a.kind AND ra.actor_id = "
	"a.id "
	"WHERE (ra.target_kind = ?3 AND ra.target_id = ?2 AND ra.inherited = 0) OR (ra.inherited = 1 AND ?3 "
	"= "
	"'project' AND ((ra.target_kind = 'project' AND ra.target_id IN (SELECT id FROM above)) OR "
	"(ra.target_kind = 'domain' AND ra.target_id = (SELECT domain_id FROM project WHERE id = ?2)))) "
	"UNION SELECT ri.implied_id FROM has JOIN role_implies ri ON ri.prior_id = has.role_id) "
	"SELECT r.id, r.domain_id, r.uid, r.name, r.description, r.extra, NULL FROM has JOIN role r "
	"ON r.id = has.role_id WHERE r.domain_id IS NULL ORDER BY r.id";

int store_assignment_effective(struct db *db, struct arena *a, int64_t user_id, enum assigned_kind kind,
	int64_t target_id, struct role **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct role *roles = NULL, r;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, effective_sql, "iis", user_id, target_id, target_names[kind]) < 0)
		return -1;
	while ((rc = store_role_next(st, a, &r, err)) > 0) {
		if (n == cap) {
			struct role *more = ARENA_ARRAY(a, struct role, cap ? 2 * cap : 4);

			if (n)
				memcpy(more, roles, n * sizeof *roles);
			roles = more;
			cap = cap ? 2 * cap : 4;
		}
		roles[n++] = r;
	}
	if (rc < 0)
		return -1;
	*out = roles;
	*out_n = n;
	return 0;
}

/* --- lists of assignments --- */

/* Both forms end in the same rows: `flat` has one per (actor, target, role). */
#define FLAT_DIRECT                                                                            \
	"WITH flat(actor_kind, actor_id, target_kind, target_id, role_id, inherited, via) AS " \
	"(SELECT actor_kind, actor_id, target_kind, target_id, role_id, inherited, 0 FROM role_assignment) "
#define FLAT_EFFECTIVE                                                                                       \
	"WITH RECURSIVE below(kind, root, id) AS (SELECT 'domain', domain_id, id FROM project WHERE "        \
	"deleted_us = 0 "                                                                                    \
	"UNION SELECT 'project', parent_id, id FROM project WHERE parent_id IS NOT NULL AND deleted_us = 0 " \
	"UNION SELECT b.kind, b.root, p.id FROM below b JOIN project p ON p.parent_id = b.id WHERE "         \
	"p.deleted_us = 0), "                                                                                \
	"placed(actor_kind, actor_id, target_kind, target_id, role_id) AS (SELECT ra.actor_kind, "           \
	"ra.actor_id, "                                                                                      \
	"iif(ra.inherited, 'project', ra.target_kind), iif(ra.inherited, b.id, ra.target_id), ra.role_id "   \
	"FROM role_assignment ra LEFT JOIN below b ON ra.inherited = 1 AND b.kind = ra.target_kind AND "     \
	"b.root = "                                                                                          \
	"ra.target_id WHERE ra.inherited = 0 OR b.id IS NOT NULL), "                                         \
	"flat(actor_kind, actor_id, target_kind, target_id, role_id, inherited, via) AS (SELECT 'user', "    \
	"iif(p.actor_kind = 'user', p.actor_id, m.user_id), p.target_kind, p.target_id, p.role_id, 0, "      \
	"iif(p.actor_kind = 'user', 0, p.actor_id) FROM placed p LEFT JOIN user_group_member m ON "          \
	"p.actor_kind = 'group' AND m.group_id = p.actor_id WHERE p.actor_kind = 'user' OR m.user_id IS "    \
	"NOT NULL "                                                                                          \
	"UNION SELECT f.actor_kind, f.actor_id, f.target_kind, f.target_id, ri.implied_id, 0, f.via FROM "   \
	"flat f "                                                                                            \
	"JOIN role_implies ri ON ri.prior_id = f.role_id) "
#define NAMED                                                                                                \
	"SELECT f.actor_kind, f.actor_id, f.target_kind, f.target_id, f.role_id, f.inherited, "              \
	"coalesce(u.uid, g.uid), coalesce(u.name, g.name), ad.uid, ad.name, "                                \
	"coalesce(p.uid, d.uid), coalesce(p.name, d.name), pd.uid, pd.name, r.uid, r.name, rd.uid, "         \
	"rd.name, "                                                                                          \
	"via.uid FROM flat f LEFT JOIN user u ON f.actor_kind = 'user' AND u.id = f.actor_id "               \
	"LEFT JOIN user_group g ON f.actor_kind = 'group' AND g.id = f.actor_id "                            \
	"LEFT JOIN domain ad ON ad.id = coalesce(u.domain_id, g.domain_id) "                                 \
	"LEFT JOIN project p ON f.target_kind = 'project' AND p.id = f.target_id "                           \
	"LEFT JOIN domain pd ON pd.id = p.domain_id "                                                        \
	"LEFT JOIN domain d ON f.target_kind = 'domain' AND d.id = f.target_id "                             \
	"JOIN role r ON r.id = f.role_id LEFT JOIN domain rd ON rd.id = r.domain_id "                        \
	"LEFT JOIN user_group via ON via.id = f.via "                                                        \
	"WHERE (?1 IS NULL OR u.uid = ?1) AND (?2 IS NULL OR g.uid = ?2) AND (?3 IS NULL OR r.uid = ?3) "    \
	"AND (?4 IS NULL OR p.uid = ?4 OR (?8 AND p.id IN (WITH RECURSIVE t(id) AS (SELECT id FROM project " \
	"WHERE uid = ?4 UNION SELECT c.id FROM project c JOIN t ON c.parent_id = t.id) SELECT id FROM t))) " \
	"AND (?5 IS NULL OR d.uid = ?5) AND (?6 = 0 OR f.target_kind = 'system') AND (?7 = 0 OR "            \
	"f.inherited = 1) AND (?9 = 0 OR r.domain_id IS NULL) " /* a domain's role gives what it implies */  \
	"ORDER BY f.target_kind, f.target_id, f.actor_kind, f.actor_id, f.role_id"

int store_assignment_query(
	struct db *db, const struct assignment_filter *f, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out, f->effective ? FLAT_EFFECTIVE NAMED : FLAT_DIRECT NAMED, "sssssiiii",
		f->user_uid, f->group_uid, f->role_uid, f->project_uid, f->domain_uid, (int64_t)f->system,
		(int64_t)f->inherited, (int64_t)f->subtree, (int64_t)f->effective);
}

static struct assignment_name name_at(sqlite3_stmt *st, int col, struct arena *a)
{
	return (struct assignment_name) { .uid = row_text(st, col, a),
		.name = row_text(st, col + 1, a),
		.domain_uid = row_text(st, col + 2, a),
		.domain_name = row_text(st, col + 3, a) };
}

int store_assignment_next(sqlite3_stmt *st, struct arena *a, struct assignment_row *out, struct error *err)
{
	int rc = db_row(st, err);
	const char *kind;

	if (rc <= 0)
		return rc;
	kind = db_text(st, 2);
	*out = (struct assignment_row) {
		.of = { .actor_kind = str_eq(db_text(st, 0), "group") ? ACTOR_GROUP : ACTOR_USER,
			.actor_id = db_int(st, 1),
			.target_kind = str_eq(kind, "project")  ? ASSIGNED_PROJECT
				       : str_eq(kind, "domain") ? ASSIGNED_DOMAIN
								: ASSIGNED_SYSTEM,
			.target_id = db_int(st, 3),
			.role_id = db_int(st, 4),
			.inherited = db_int(st, 5) },
		.actor = name_at(st, 6, a),
		.target = name_at(st, 10, a),
		.role = name_at(st, 14, a),
		.membership_uid = row_text(st, 18, a),
	};
	return 1;
}

#define ACTORS                                                                  \
	"WITH actor(kind, id) AS (SELECT 'user', ?1 UNION ALL SELECT 'group', " \
	"group_id FROM user_group_member WHERE user_id = ?1) "

int store_assignment_domains(struct db *db, int64_t user_id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		ACTORS
		"SELECT id, uid, name, description, enabled, extra FROM domain WHERE enabled = 1 AND id IN "
		"(SELECT ra.target_id FROM actor a JOIN role_assignment ra ON ra.actor_kind = a.kind AND "
		"ra.actor_id = a.id WHERE ra.target_kind = 'domain' AND ra.inherited = 0) ORDER BY id",
		"i", user_id);
}

int store_assignment_system(struct db *db, int64_t user_id, struct error *err)
{
	int64_t row;

	return db_int_query(db, err, &row,
		ACTORS "SELECT 1 FROM actor a JOIN role_assignment ra ON ra.actor_kind = a.kind AND "
		       "ra.actor_id = a.id WHERE ra.target_kind = 'system' LIMIT 1",
		"i", user_id);
}
