/* SPDX-License-Identifier: Apache-2.0 */
#include "store/host_images.h"

#include <string.h>

#include "base/util.h"

#define SELECT_ROW                                                                                       \
	"SELECT h.id, h.host_id, h.image_id, h.state, h.error, i.uid, i.status, i.disk_format, i.size, " \
	"coalesce(i.virtual_size, i.size), i.deleted_us != 0 "
#define FROM_ROW "FROM host_image h JOIN image i ON i.id = h.image_id "

static int row_one(sqlite3_stmt *st, struct arena *a, struct host_image_row *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc <= 0)
		return rc;
	*out = (struct host_image_row) {
		.id = db_int(st, 0),
		.host_id = db_int(st, 1),
		.image_id = db_int(st, 2),
		.state = db_dup(st, 3, a),
		.error = db_dup(st, 4, a),
		.image_uid = db_dup(st, 5, a),
		.image_status = db_dup(st, 6, a),
		.format = db_dup(st, 7, a),
		.size = db_int(st, 8),
		.virtual_size = db_int(st, 9),
		.image_deleted = db_int(st, 10) != 0,
	};
	return 1;
}

int store_host_image_find(struct db *db, struct arena *a, int64_t host_id, int64_t image_id,
	struct host_image_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, SELECT_ROW FROM_ROW "WHERE h.host_id = ? AND h.image_id = ?", "ii",
		    host_id, image_id))
		return -1;
	return row_one(st, a, out, err);
}

int store_host_image_load(
	struct db *db, struct arena *a, int64_t id, struct host_image_row *out, struct error *err)
{
	static const char sql[] = SELECT_ROW
		", (SELECT count(*) FROM server s WHERE s.host_id = h.host_id "
		"AND h.image_id IN (s.root_image_id, s.rescue_image_id) AND s.deleted_us = 0) " FROM_ROW
		"WHERE h.id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	rc = row_one(st, a, out, err);
	if (rc > 0)
		out->servers = db_int(st, 11);
	return rc;
}

int store_host_image_insert(struct db *db, int64_t id, int64_t host_id, int64_t image_id, struct error *err)
{
	static const char sql[] =
		"INSERT INTO host_image (id, host_id, image_id, state) VALUES (?, ?, ?, 'staging')";

	return db_run(db, err, sql, "iii", id, host_id, image_id) < 0 ? -1 : 0;
}

int store_host_image_set(struct db *db, int64_t id, const char *state, const char *error_text,
	int64_t staged_us, struct error *err)
{
	static const char sql[] =
		"UPDATE host_image SET state = ?, error = ?, staged_us = nullif(?, 0) WHERE id = ?";

	return db_run(db, err, sql, "ssii", state, error_text, staged_us, id) < 0 ? -1 : 0;
}

int store_host_image_remove(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM host_image WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

/* A rebuild holds the image that it was asked for until the disks are made over it. */
#define NOBODY                                                                                     \
	"AND i.deleted_us != 0 "                                                                   \
	"AND NOT EXISTS (SELECT 1 FROM server s WHERE s.host_id = h.host_id AND s.deleted_us = 0 " \
	"AND h.image_id IN (s.root_image_id, s.rescue_image_id)) "                                 \
	"AND NOT EXISTS (SELECT 1 FROM allocation a JOIN server s ON s.id = a.server_id "          \
	"WHERE a.host_id = h.host_id AND a.id != a.server_id AND h.image_id = s.root_image_id) "   \
	"AND NOT EXISTS (SELECT 1 FROM server s JOIN flow f ON f.subject_kind = 'server' "         \
	"AND f.subject_id = s.id WHERE s.host_id = h.host_id AND s.deleted_us = 0 "                \
	"AND f.kind = 'server_rebuild' AND f.arg_id = h.image_id)"

static int unused_ids(sqlite3_stmt *st, struct arena *a, int64_t **out, size_t *out_n, struct error *err)
{
	int64_t *ids = NULL, *more;
	size_t n = 0, cap = 0;
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			cap = cap ? cap * 2 : 8;
			more = ARENA_ARRAY(a, int64_t, cap);
			if (n)
				memcpy(more, ids, n * sizeof *ids);
			ids = more;
		}
		ids[n++] = db_int(st, 0);
	}
	*out = ids;
	*out_n = n;
	return rc;
}

int store_host_image_unused(struct db *db, struct arena *a, int64_t host_id, int64_t image_id, int64_t **out,
	size_t *out_n, struct error *err)
{
	static const char on_host[] = "SELECT h.id " FROM_ROW "WHERE h.host_id = ? " NOBODY;
	static const char of_image[] = "SELECT h.id " FROM_ROW "WHERE h.image_id = ? " NOBODY;
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, host_id ? on_host : of_image, "i", host_id ? host_id : image_id))
		return -1;
	return unused_ids(st, a, out, out_n, err);
}

int store_image_facts(
	struct db *db, struct arena *a, int64_t image_id, struct image_facts *out, struct error *err)
{
	static const char sql[] = "SELECT uid, status, disk_format, size, coalesce(virtual_size, size), "
				  "deleted_us != 0, project_id, protected, visibility FROM image WHERE id = "
				  "?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "i", image_id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	*out = (struct image_facts) {
		.uid = db_dup(st, 0, a),
		.status = db_dup(st, 1, a),
		.format = db_dup(st, 2, a),
		.size = db_int(st, 3),
		.virtual_size = db_int(st, 4),
		.deleted = db_int(st, 5) != 0,
		.project_id = db_int(st, 6),
		.is_protected = db_int(st, 7) != 0,
		.visibility = db_dup(st, 8, a),
	};
	return 1;
}
