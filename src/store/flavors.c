/* SPDX-License-Identifier: Apache-2.0 */
#include "store/flavors.h"

#include "base/util.h"

#define COLUMNS                                                                                             \
	"f.id, f.uid, f.name, f.description, f.vcpus, f.ram_mib, f.disk_gib, f.ephemeral_gib, f.swap_mib, " \
	"f.rxtx_factor, f.is_public, f.disabled, f.created_us"
/* ?1: the project, 0 for all */
#define SEEN                                                                                            \
	"(?1 = 0 OR f.is_public OR EXISTS (SELECT 1 FROM flavor_access x WHERE x.flavor_id = f.id AND " \
	"x.project_id = ?1))"

static void load(sqlite3_stmt *st, struct arena *a, struct flavor *f)
{
	*f = (struct flavor) { .id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.name = db_dup(st, 2, a),
		.description = db_dup(st, 3, a),
		.vcpus = db_int(st, 4),
		.ram_mib = db_int(st, 5),
		.disk_gib = db_int(st, 6),
		.ephemeral_gib = db_int(st, 7),
		.swap_mib = db_int(st, 8),
		.rxtx_factor = sqlite3_column_double(st, 9),
		.is_public = db_int(st, 10),
		.disabled = db_int(st, 11),
		.created_us = db_int(st, 12) };
}

int store_flavor_insert(struct db *db, const struct flavor *f, struct error *err)
{
	int64_t other;
	int rc = db_int_query(db, err, &other, "SELECT id FROM flavor WHERE uid = ?", "s", f->uid);

	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "Flavor with ID %.128s already exists.", f->uid);
	if (rc == 0)
		rc = db_int_query(db, err, &other, "SELECT id FROM flavor WHERE name = ?", "s", f->name);
	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "Flavor with name %.128s already exists.", f->name);
	if (rc < 0)
		return -1;
	return db_run(db, err,
		       "INSERT INTO flavor (id, uid, name, vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib,"
		       " rxtx_factor, is_public, disabled, description, created_us)"
		       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "issiiiiidiisi", f->id, f->uid, f->name, f->vcpus, f->ram_mib, f->disk_gib,
		       f->ephemeral_gib, f->swap_mib, f->rxtx_factor, (int64_t)f->is_public,
		       (int64_t)f->disabled, f->description, f->created_us) < 0
		       ? -1
		       : 0;
}

int store_flavor_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct flavor *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM flavor f WHERE f.uid = ?2 AND " SEEN, "is",
		    project_id, uid) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Flavor %.128s could not be found.", uid);
	if (rc < 0)
		return -1;
	load(st, a, out);
	return 0;
}

static int count(struct db *db, const struct flavor_filter *f, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out,
		"SELECT count(*) FROM flavor f WHERE " SEEN
		" AND (?2 < 0 OR f.is_public = ?2) AND f.ram_mib >= ?3 AND f.disk_gib >= ?4",
		"iiii", f->project_id, (int64_t)f->is_public, f->min_ram_mib, f->min_disk_gib);
}

int store_flavor_list(struct db *db, struct arena *a, const struct flavor_filter *f, struct flavor **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct flavor *list;
	int64_t n = 0, i = 0;
	int rc;

	if (count(db, f, &n, err) < 0 ||
		db_query(db, err, &st,
			"SELECT " COLUMNS " FROM flavor f WHERE " SEEN " AND (?2 < 0 OR f.is_public = ?2)"
			" AND f.ram_mib >= ?3 AND f.disk_gib >= ?4 ORDER BY f.uid",
			"iiii", f->project_id, (int64_t)f->is_public, f->min_ram_mib, f->min_disk_gib) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct flavor, (size_t)n + 1);
	while (i < n && (rc = db_row(st, err)) > 0)
		load(st, a, &list[i++]);
	if (i < n && rc < 0)
		return -1;
	*out = list;
	*out_n = (size_t)i;
	return 0;
}

int store_flavor_describe(struct db *db, int64_t id, const char *description, struct error *err)
{
	return db_run(db, err, "UPDATE flavor SET description = ? WHERE id = ?", "si", description, id) < 0
		       ? -1
		       : 0;
}

int store_flavor_delete(struct db *db, int64_t id, struct error *err)
{
	if (db_run(db, err, "DELETE FROM flavor_extra WHERE flavor_id = ?", "i", id) < 0 ||
		db_run(db, err, "DELETE FROM flavor_access WHERE flavor_id = ?", "i", id) < 0 ||
		db_run(db, err, "DELETE FROM flavor WHERE id = ?", "i", id) < 0)
		return -1;
	return 0;
}

int store_flavor_extras(struct db *db, struct arena *a, int64_t flavor_id, struct server_pair **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_pair *list;
	int64_t n = 0, i = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM flavor_extra WHERE flavor_id = ?", "i",
		    flavor_id) < 0 ||
		db_query(db, err, &st, "SELECT key, value FROM flavor_extra WHERE flavor_id = ? ORDER BY key",
			"i", flavor_id) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct server_pair, (size_t)n + 1);
	for (; i < n && (rc = db_row(st, err)) > 0; i++)
		list[i] = (struct server_pair) { db_dup(st, 0, a), db_dup(st, 1, a) };
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = (size_t)i;
	return 0;
}

int store_flavor_extra_set(
	struct db *db, int64_t flavor_id, const char *key, const char *value, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO flavor_extra (flavor_id, key, value) VALUES (?, ?, ?)"
		       " ON CONFLICT (flavor_id, key) DO UPDATE SET value = excluded.value",
		       "iss", flavor_id, key, value) < 0
		       ? -1
		       : 0;
}

int store_flavor_extra_remove(struct db *db, int64_t flavor_id, const char *key, struct error *err)
{
	int rc = db_run(
		db, err, "DELETE FROM flavor_extra WHERE flavor_id = ? AND key = ?", "is", flavor_id, key);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Flavor has no extra specs with key %.128s.", key);
	return rc < 0 ? -1 : 0;
}

int store_flavor_access(struct db *db, struct arena *a, int64_t flavor_id, const char ***out, size_t *out_n,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char **list;
	int64_t n = 0, i = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM flavor_access WHERE flavor_id = ?", "i",
		    flavor_id) < 0 ||
		db_query(db, err, &st,
			"SELECT p.uid FROM flavor_access x JOIN project p ON p.id = x.project_id"
			" WHERE x.flavor_id = ? ORDER BY p.uid",
			"i", flavor_id) < 0)
		return -1;
	list = ARENA_ARRAY(a, const char *, (size_t)n + 1);
	for (; i < n && (rc = db_row(st, err)) > 0; i++)
		list[i] = db_dup(st, 0, a);
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = (size_t)i;
	return 0;
}

int store_flavor_access_add(struct db *db, int64_t flavor_id, int64_t project_id, struct error *err)
{
	if (db_run(db, err, "INSERT INTO flavor_access (flavor_id, project_id) VALUES (?, ?)", "ii",
		    flavor_id, project_id) < 0)
		return err->code == ERR_CONFLICT ? error_set(err, ERR_CONFLICT,
							   "The project has access to this flavor already.")
						 : -1;
	return 0;
}

int store_flavor_access_remove(struct db *db, int64_t flavor_id, int64_t project_id, struct error *err)
{
	int rc = db_run(db, err, "DELETE FROM flavor_access WHERE flavor_id = ? AND project_id = ?", "ii",
		flavor_id, project_id);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "The project has no access to this flavor.");
	return rc < 0 ? -1 : 0;
}
