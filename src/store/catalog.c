/* SPDX-License-Identifier: Apache-2.0 */
#include "store/catalog.h"

#include <string.h>

#include "store/row.h"

/* ---- reading ---- */

static int query_all(struct db *db, struct arena *a, const char *sql, size_t before, size_t size,
	void (*read)(sqlite3_stmt *st, struct arena *a, void *row), void *out, size_t *out_n,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	size_t n = before, cap = before + 16;
	char *rows = arena_alloc(a, cap * size), *more;
	int rc;

	if (db_query(db, err, &st, sql, "i", (int64_t)CATALOG_MAX) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			more = arena_alloc(a, 2 * cap * size);
			memcpy(more, rows, n * size);
			rows = more;
			cap *= 2;
		}
		read(st, a, rows + n++ * size);
	}
	*(void **)out = rows;
	*out_n = n;
	return rc;
}

static void read_region(sqlite3_stmt *st, struct arena *a, void *row)
{
	*(struct catalog_region *)row = (struct catalog_region) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.description = db_dup(st, 2, a),
		.parent_uid = db_dup(st, 3, a),
		.extra = db_dup(st, 4, a),
	};
}

static void read_service(sqlite3_stmt *st, struct arena *a, void *row)
{
	*(struct catalog_service *)row = (struct catalog_service) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.type = db_dup(st, 2, a),
		.name = db_dup(st, 3, a),
		.description = db_dup(st, 4, a),
		.enabled = db_int(st, 5) != 0,
		.extra = db_dup(st, 6, a),
	};
}

static void read_endpoint(sqlite3_stmt *st, struct arena *a, void *row)
{
	*(struct catalog_endpoint *)row = (struct catalog_endpoint) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.service_uid = db_dup(st, 2, a),
		.region_uid = db_dup(st, 3, a),
		.interface = db_dup(st, 4, a),
		.url = db_dup(st, 5, a),
		.enabled = db_int(st, 6) != 0,
		.extra = db_dup(st, 7, a),
	};
}

int store_region_list(struct db *db, struct arena *a, size_t before, struct catalog_region **out,
	size_t *out_n, struct error *err)
{
	return query_all(db, a,
		"SELECT id, uid, description, parent_uid, extra FROM catalog_region ORDER BY id LIMIT ?",
		before, sizeof **out, read_region, out, out_n, err);
}

int store_service_list(struct db *db, struct arena *a, size_t before, struct catalog_service **out,
	size_t *out_n, struct error *err)
{
	return query_all(db, a,
		"SELECT id, uid, type, name, description, enabled, extra FROM catalog_service ORDER BY id "
		"LIMIT ?",
		before, sizeof **out, read_service, out, out_n, err);
}

int store_endpoint_list(struct db *db, struct arena *a, size_t before, struct catalog_endpoint **out,
	size_t *out_n, struct error *err)
{
	return query_all(db, a,
		"SELECT id, uid, service_uid, region_uid, interface, url, enabled, extra FROM "
		"catalog_endpoint "
		"ORDER BY id LIMIT ?",
		before, sizeof **out, read_endpoint, out, out_n, err);
}

/* ---- writing ---- */

static int room(struct db *db, const char *count, const char *what, struct error *err)
{
	int64_t n = 0;

	if (db_int_query(db, err, &n, count, NULL) < 0)
		return -1;
	return n < CATALOG_MAX
		       ? 0
		       : error_set(err, ERR_OVER_QUOTA, "The catalog has room for %d %s.", CATALOG_MAX, what);
}

int store_region_insert(struct db *db, const struct catalog_region *r, struct error *err)
{
	static const char sql[] =
		"INSERT INTO catalog_region (id, uid, description, parent_uid, extra) VALUES (?, ?, ?, ?, ?)";

	if (room(db, "SELECT count(*) FROM catalog_region", "regions", err) < 0)
		return -1;
	if (db_run(db, err, sql, "issss", r->id, r->uid, r->description, r->parent_uid, r->extra) < 0)
		return row_taken(err, "a region", r->uid);
	return 0;
}

int store_region_update(struct db *db, const struct catalog_region *r, struct error *err)
{
	static const char sql[] =
		"UPDATE catalog_region SET description = ?, parent_uid = ?, extra = ? WHERE id = ?";

	return db_run(db, err, sql, "sssi", r->description, r->parent_uid, r->extra, r->id) < 0 ? -1 : 0;
}

int store_region_remove(struct db *db, const struct catalog_region *r, struct error *err)
{
	static const char users[] = "SELECT (SELECT count(*) FROM catalog_endpoint WHERE region_uid = ?1) + "
				    "(SELECT count(*) FROM catalog_region WHERE parent_uid = ?1)";
	int64_t n = 0;

	if (db_int_query(db, err, &n, users, "s", r->uid) < 0)
		return -1;
	if (n)
		return error_set(err, ERR_FORBIDDEN,
			"Unable to delete region %.255s because endpoints or child regions are in it.",
			r->uid);
	return db_run(db, err, "DELETE FROM catalog_region WHERE id = ?", "i", r->id) < 0 ? -1 : 0;
}

int store_service_insert(struct db *db, const struct catalog_service *s, struct error *err)
{
	static const char sql[] = "INSERT INTO catalog_service (id, uid, type, name, description, enabled, "
				  "extra) VALUES (?, ?, ?, ?, ?, ?, ?)";

	if (room(db, "SELECT count(*) FROM catalog_service", "services", err) < 0)
		return -1;
	return db_run(db, err, sql, "issssis", s->id, s->uid, s->type, s->name, s->description,
		       (int64_t)s->enabled, s->extra) < 0
		       ? -1
		       : 0;
}

int store_service_update(struct db *db, const struct catalog_service *s, struct error *err)
{
	static const char sql[] =
		"UPDATE catalog_service SET type = ?, name = ?, description = ?, enabled = ?, "
		"extra = ? WHERE id = ?";

	return db_run(db, err, sql, "sssisi", s->type, s->name, s->description, (int64_t)s->enabled, s->extra,
		       s->id) < 0
		       ? -1
		       : 0;
}

int store_service_remove(struct db *db, const struct catalog_service *s, struct error *err)
{
	if (db_run(db, err, "DELETE FROM catalog_endpoint WHERE service_uid = ?", "s", s->uid) < 0)
		return -1;
	return db_run(db, err, "DELETE FROM catalog_service WHERE id = ?", "i", s->id) < 0 ? -1 : 0;
}

int store_endpoint_insert(struct db *db, const struct catalog_endpoint *e, struct error *err)
{
	static const char sql[] =
		"INSERT INTO catalog_endpoint (id, uid, service_uid, region_uid, interface, "
		"url, enabled, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

	if (room(db, "SELECT count(*) FROM catalog_endpoint", "endpoints", err) < 0)
		return -1;
	return db_run(db, err, sql, "isssssis", e->id, e->uid, e->service_uid, e->region_uid, e->interface,
		       e->url, (int64_t)e->enabled, e->extra) < 0
		       ? -1
		       : 0;
}

int store_endpoint_update(struct db *db, const struct catalog_endpoint *e, struct error *err)
{
	static const char sql[] =
		"UPDATE catalog_endpoint SET service_uid = ?, region_uid = ?, interface = ?, "
		"url = ?, enabled = ?, extra = ? WHERE id = ?";

	return db_run(db, err, sql, "ssssisi", e->service_uid, e->region_uid, e->interface, e->url,
		       (int64_t)e->enabled, e->extra, e->id) < 0
		       ? -1
		       : 0;
}

int store_endpoint_remove(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM catalog_endpoint WHERE id = ?", "i", id) < 0 ? -1 : 0;
}
