/* SPDX-License-Identifier: Apache-2.0 */
#include "store/groups.h"

#include "store/assignments.h"
#include "store/row.h"
#include "store/tokens.h"

#define COLUMNS                                                                                          \
	"SELECT g.id, g.domain_id, g.uid, g.name, g.description, g.extra, d.uid FROM user_group g JOIN " \
	"domain d ON d.id = g.domain_id "

int store_group_next(sqlite3_stmt *st, struct arena *a, struct user_group *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct user_group) { .id = db_int(st, 0),
			.domain_id = db_int(st, 1),
			.uid = row_text(st, 2, a),
			.name = row_text(st, 3, a),
			.description = row_text(st, 4, a),
			.extra = row_text(st, 5, a),
			.domain_uid = row_text(st, 6, a) };
	return rc;
}

int store_group_get(
	struct db *db, struct arena *a, const char *uid, struct user_group *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, COLUMNS "WHERE g.uid = ?", "s", uid) < 0)
		return -1;
	rc = store_group_next(st, a, out, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find group: %.64s.", uid);
	return rc < 0 ? -1 : 0;
}

int store_group_query(struct db *db, const struct user_group_filter *f, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS
		"WHERE (?1 IS NULL OR g.name = ?1) AND (?2 IS NULL OR d.uid = ?2) AND (?3 = 0 OR g.id IN "
		"(SELECT group_id FROM user_group_member WHERE user_id = ?3)) AND g.id > ?4 ORDER BY g.id "
		"LIMIT ?5",
		"ssiii", f->name, f->domain_uid, f->user_id, f->after_id, f->limit);
}

int store_group_insert(struct db *db, const struct user_group *g, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO user_group (id, uid, domain_id, name, description, extra) VALUES (?, ?, ?, "
		    "?, ?, ?)",
		    "isisss", g->id, g->uid, g->domain_id, g->name, g->description, g->extra) < 0)
		return row_taken(err, "a group", g->name);
	return 0;
}

int store_group_update(struct db *db, const struct user_group *g, struct error *err)
{
	if (db_run(db, err, "UPDATE user_group SET name = ?, description = ?, extra = ? WHERE id = ?", "sssi",
		    g->name, g->description, g->extra, g->id) < 0)
		return row_taken(err, "a group", g->name);
	return 0;
}

int store_group_delete(struct db *db, int64_t id, struct error *err)
{
	if (store_token_delete_group(db, id, err) < 0 ||
		db_run(db, err, "DELETE FROM user_group_member WHERE group_id = ?", "i", id) < 0 ||
		store_assignment_delete_actor(db, ACTOR_GROUP, id, err) < 0)
		return -1;
	return db_run(db, err, "DELETE FROM user_group WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

int store_group_member_add(struct db *db, int64_t group_id, int64_t user_id, struct error *err)
{
	return db_run(db, err, "INSERT OR IGNORE INTO user_group_member (group_id, user_id) VALUES (?, ?)",
		       "ii", group_id, user_id) < 0
		       ? -1
		       : 0;
}

int store_group_member_has(struct db *db, int64_t group_id, int64_t user_id, struct error *err)
{
	int64_t row;

	return db_int_query(db, err, &row,
		"SELECT 1 FROM user_group_member WHERE group_id = ? AND user_id = ?", "ii", group_id,
		user_id);
}

int store_group_member_remove(struct db *db, int64_t group_id, int64_t user_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM user_group_member WHERE group_id = ? AND user_id = ?", "ii",
		group_id, user_id);
}
