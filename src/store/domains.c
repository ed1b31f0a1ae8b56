/* SPDX-License-Identifier: Apache-2.0 */
#include "store/domains.h"

#include "store/assignments.h"
#include "store/groups.h"
#include "store/projects.h"
#include "store/roles.h"
#include "store/row.h"
#include "store/users.h"

#define COLUMNS "SELECT id, uid, name, description, enabled, extra FROM domain "

int store_domain_next(sqlite3_stmt *st, struct arena *a, struct domain *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct domain) { .id = db_int(st, 0),
			.uid = row_text(st, 1, a),
			.name = row_text(st, 2, a),
			.description = row_text(st, 3, a),
			.enabled = db_int(st, 4),
			.extra = row_text(st, 5, a) };
	return rc;
}

static int one(sqlite3_stmt *st, struct arena *a, const char *key, struct domain *out, struct error *err)
{
	int rc = store_domain_next(st, a, out, err);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find domain: %.64s.", key);
	return rc < 0 ? -1 : 0;
}

int store_domain_get(struct db *db, struct arena *a, const char *uid, struct domain *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE uid = ?", "s", uid) < 0)
		return -1;
	return one(st, a, uid, out, err);
}

int store_domain_by_name(
	struct db *db, struct arena *a, const char *name, struct domain *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE name = ?", "s", name) < 0)
		return -1;
	return one(st, a, name, out, err);
}

int store_domain_load(struct db *db, struct arena *a, int64_t id, struct domain *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, COLUMNS "WHERE id = ?", "i", id) < 0)
		return -1;
	return one(st, a, "of a project or user", out, err);
}

int store_domain_query(struct db *db, const struct domain_filter *f, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		COLUMNS "WHERE (?1 IS NULL OR name = ?1) AND (?2 < 0 OR enabled = ?2) ORDER BY id", "si",
		f->name, (int64_t)f->enabled);
}

int store_domain_insert(struct db *db, const struct domain *d, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO domain (id, uid, name, description, enabled, extra) VALUES (?, ?, ?, ?, ?, "
		    "?)",
		    "isssis", d->id, d->uid, d->name, d->description, (int64_t)d->enabled, d->extra) < 0)
		return row_taken(err, "a domain", d->name);
	return 0;
}

int store_domain_update(struct db *db, const struct domain *d, struct error *err)
{
	if (db_run(db, err,
		    "UPDATE domain SET name = ?, description = ?, enabled = ?, extra = ? WHERE id = ?",
		    "ssisi", d->name, d->description, (int64_t)d->enabled, d->extra, d->id) < 0)
		return row_taken(err, "a domain", d->name);
	return 0;
}

/* Deletes, one after the other, what a query of ids finds; the query is asked anew since each deletion
 * changes it. */
static int delete_each(struct db *db, const char *sql, int64_t domain_id, int64_t now_us,
	int (*del)(struct db *db, int64_t id, int64_t now_us, struct error *err), struct error *err)
{
	int64_t id;
	int rc;

	while ((rc = db_int_query(db, err, &id, sql, "i", domain_id)) > 0)
		if (del(db, id, now_us, err) < 0)
			return -1;
	return rc;
}

static int delete_user(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	(void)now_us;
	return store_user_delete(db, id, err);
}

static int delete_group(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	(void)now_us;
	return store_group_delete(db, id, err);
}

static int delete_role(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	(void)now_us;
	return store_role_delete(db, id, err);
}

int store_domain_delete(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	/* children before parents */
	static const char leaf[] =
		"SELECT p.id FROM project p WHERE p.domain_id = ?1 AND p.deleted_us = 0 AND NOT EXISTS "
		"(SELECT 1 FROM project c WHERE c.parent_id = p.id AND c.deleted_us = 0) LIMIT 1";

	if (delete_each(db, leaf, id, now_us, store_project_delete, err) < 0 ||
		delete_each(db, "SELECT id FROM user WHERE domain_id = ? LIMIT 1", id, now_us, delete_user,
			err) < 0 ||
		delete_each(db, "SELECT id FROM user_group WHERE domain_id = ? LIMIT 1", id, now_us,
			delete_group, err) < 0 ||
		delete_each(db, "SELECT id FROM role WHERE domain_id = ? LIMIT 1", id, now_us, delete_role,
			err) < 0 ||
		store_assignment_delete_target(db, ASSIGNED_DOMAIN, id, err) < 0 ||
		/* deleted projects that bills still name stay, in the default domain */
		db_run(db, err, "UPDATE project SET domain_id = 1 WHERE domain_id = ? AND deleted_us <> 0",
			"i", id) < 0 ||
		db_run(db, err, "DELETE FROM token WHERE domain_id = ?", "i", id) < 0)
		return -1;
	return db_run(db, err, "DELETE FROM domain WHERE id = ?", "i", id) < 0 ? -1 : 0;
}
