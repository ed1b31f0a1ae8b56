/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_groups.h"

#include <string.h>

#include "base/util.h"

#define COLUMNS                                                                                   \
	"SELECT g.id, g.project_id, g.uid, p.uid, g.user_uid, g.name, g.policy, g.max_per_host, " \
	"g.created_us"                                                                            \
	" FROM server_group g JOIN project p ON p.id = g.project_id"

static void group_read(sqlite3_stmt *st, struct arena *a, struct server_group *out)
{
	*out = (struct server_group) {
		.id = db_int(st, 0),
		.project_id = db_int(st, 1),
		.uid = db_dup(st, 2, a),
		.project_uid = db_dup(st, 3, a),
		.user_uid = db_dup(st, 4, a),
		.name = db_dup(st, 5, a),
		.policy = db_dup(st, 6, a),
		.max_per_host = db_int(st, 7),
		.created_us = db_int(st, 8),
	};
}

int store_server_group_insert(struct db *db, const struct server_group *g, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO server_group (id, uid, project_id, user_uid, name, policy, max_per_host,"
		       " created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		       "isisssii", g->id, g->uid, g->project_id, g->user_uid, g->name, g->policy,
		       g->max_per_host, g->created_us) < 0
		       ? -1
		       : 0;
}

int store_server_group_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct server_group *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, COLUMNS " WHERE g.uid = ?1 AND (?2 = 0 OR g.project_id = ?2)", "si", uid,
		    project_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Instance group %.64s could not be found.", uid);
	if (rc > 0)
		group_read(st, a, out);
	return rc < 0 ? -1 : 0;
}

int store_server_group_load(
	struct db *db, struct arena *a, int64_t id, struct server_group *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, COLUMNS " WHERE g.id = ?", "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		group_read(st, a, out);
	return rc;
}

int store_server_group_list(struct db *db, struct arena *a, int64_t project_id, int64_t offset, int64_t limit,
	struct server_group **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_group *list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, "SELECT count(*) FROM server_group WHERE ?1 = 0 OR project_id = ?1",
		    "i", project_id) < 0 ||
		db_query(db, err, &st,
			COLUMNS " WHERE ?1 = 0 OR g.project_id = ?1 ORDER BY g.id LIMIT ?2 OFFSET ?3", "iii",
			project_id, limit, offset) < 0)
		return -1;
	max = max < limit ? max : limit;
	list = ARENA_ARRAY(a, struct server_group, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		group_read(st, a, &list[n++]);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_server_group_delete(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM server_group_member WHERE group_id = ?", "i", id) < 0 ||
			       db_run(db, err, "DELETE FROM server_group WHERE id = ?", "i", id) < 0
		       ? -1
		       : 0;
}

int store_server_group_count(struct db *db, int64_t id, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out, "SELECT count(*) FROM server_group_member WHERE group_id = ?", "i",
		       id) < 0
		       ? -1
		       : 0;
}

int store_server_group_members(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char **list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (store_server_group_count(db, id, &max, err) < 0 ||
		db_query(db, err, &st,
			"SELECT s.uid FROM server_group_member m JOIN server s ON s.id = m.server_id"
			" WHERE m.group_id = ? ORDER BY s.id",
			"i", id) < 0)
		return -1;
	list = ARENA_ARRAY(a, const char *, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		list[n++] = db_dup(st, 0, a);
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

/* ---- members ---- */

int store_server_group_join(struct db *db, int64_t group_id, int64_t server_id, struct error *err)
{
	return db_run(db, err, "INSERT INTO server_group_member (server_id, group_id) VALUES (?, ?)", "ii",
		       server_id, group_id) < 0
		       ? -1
		       : 0;
}

int store_server_group_leave(struct db *db, int64_t server_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM server_group_member WHERE server_id = ?", "i", server_id) < 0 ||
			       db_run(db, err, "DELETE FROM server_hint WHERE server_id = ?", "i",
				       server_id) < 0 ||
			       db_run(db, err, "DELETE FROM server_block WHERE server_id = ?", "i",
				       server_id) < 0
		       ? -1
		       : 0;
}

int store_server_group_of(struct db *db, struct arena *a, int64_t server_id, int64_t *out_id,
	const char **out_uid, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT g.id, g.uid FROM server_group_member m JOIN server_group g ON g.id = m.group_id"
		    " WHERE m.server_id = ?",
		    "i", server_id) < 0)
		return -1;
	rc = db_row(st, err);
	*out_id = rc > 0 ? db_int(st, 0) : 0;
	*out_uid = rc > 0 ? db_dup(st, 1, a) : NULL;
	return rc < 0 ? -1 : 0;
}

int store_server_group_hosts(struct db *db, struct arena *a, int64_t id, int64_t but,
	struct server_group_host **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_group_host *list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max,
		    "SELECT count(DISTINCT a.host_id) FROM server_group_member m JOIN allocation a"
		    " ON a.server_id = m.server_id WHERE m.group_id = ? AND m.server_id != ?",
		    "ii", id, but) < 0 ||
		db_query(db, err, &st,
			"SELECT a.host_id, count(DISTINCT a.server_id) FROM server_group_member m"
			" JOIN allocation a ON a.server_id = m.server_id"
			" WHERE m.group_id = ? AND m.server_id != ? GROUP BY a.host_id",
			"ii", id, but) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct server_group_host, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		list[n++] = (struct server_group_host) { db_int(st, 0), db_int(st, 1) };
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

/* ---- hints ---- */

static const char *const kinds[] = {
	[HINT_SAME_HOST] = "same_host",
	[HINT_DIFFERENT_HOST] = "different_host",
	[HINT_RESERVATION] = "reservation", /* a row of server_block */
};

int store_server_hint_add(struct db *db, int64_t server_id, const struct server_hint *h, struct error *err)
{
	if (h->kind == HINT_RESERVATION)
		return db_run(db, err, "INSERT INTO server_block (server_id, block_id) VALUES (?, ?)", "ii",
			       server_id, h->other_id) < 0
			       ? -1
			       : 0;
	return db_run(db, err,
		       "INSERT OR IGNORE INTO server_hint (server_id, kind, other_id) VALUES (?, ?, ?)",
		       "isi", server_id, kinds[h->kind], h->other_id) < 0
		       ? -1
		       : 0;
}

int store_server_hints(struct db *db, struct arena *a, int64_t server_id, struct server_hint **out,
	size_t *out_n, struct error *err)
{
	static const char count[] = "SELECT 1 + count(*) FROM server_hint WHERE server_id = ?";
	static const char live[] =
		"SELECT h.kind, h.other_id FROM server_hint h JOIN server s"
		" ON s.id = h.other_id AND s.deleted_us = 0 WHERE h.server_id = ?1 UNION ALL SELECT "
		"'reservation', b.id FROM server_block x JOIN block b ON b.id = x.block_id WHERE "
		"x.server_id = ?1 AND b.state = 'active'";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_hint *list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, count, "i", server_id) < 0 ||
		db_query(db, err, &st, live, "i", server_id) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct server_hint, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0) {
		size_t kind = 0;

		while (kind + 1 < ARRAY_LEN(kinds) && strcmp(db_text(st, 0), kinds[kind]) != 0)
			kind++;
		list[n++] = (struct server_hint) { (enum hint_kind)kind, db_int(st, 1) };
	}
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_server_hosts(struct db *db, int64_t server_id, int64_t *ids, size_t *n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc = 0;

	if (db_query(db, err, &st, "SELECT DISTINCT host_id FROM allocation WHERE server_id = ? LIMIT 4", "i",
		    server_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		ids[(*n)++] = db_int(st, 0);
	return rc;
}
