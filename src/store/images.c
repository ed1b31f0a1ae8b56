/* SPDX-License-Identifier: Apache-2.0 */
#include "store/images.h"

#include "store/books.h"
#include "store/event_rows.h"
#include "store/row.h"

#define COLUMNS                                                                                        \
	"i.id, i.project_id, i.uid, p.uid, i.name, i.status, i.visibility, i.disk_format, "            \
	"i.container_format, coalesce(i.size, -1), coalesce(i.virtual_size, -1), i.checksum, "         \
	"i.sha512, i.min_disk_gib, i.min_ram_mib, i.protected, i.hidden, i.created_us, i.updated_us, " \
	"m.status"
/* ?1: the viewer's project */
#define FROM                                                  \
	" FROM image i JOIN project p ON p.id = i.project_id" \
	" LEFT JOIN image_member m ON m.image_id = i.id AND m.project_id = ?1 WHERE i.deleted_us = 0"

static void load(sqlite3_stmt *st, struct arena *a, struct image *i)
{
	*i = (struct image) {
		.id = db_int(st, 0),
		.project_id = db_int(st, 1),
		.uid = row_text(st, 2, a),
		.project_uid = row_text(st, 3, a),
		.name = row_text(st, 4, a),
		.status = row_text(st, 5, a),
		.visibility = row_text(st, 6, a),
		.disk_format = row_text(st, 7, a),
		.container_format = row_text(st, 8, a),
		.size = db_int(st, 9),
		.virtual_size = db_int(st, 10),
		.checksum = row_text(st, 11, a),
		.sha512 = row_text(st, 12, a),
		.min_disk_gib = db_int(st, 13),
		.min_ram_mib = db_int(st, 14),
		.is_protected = db_int(st, 15) != 0,
		.hidden = db_int(st, 16) != 0,
		.created_us = db_int(st, 17),
		.updated_us = db_int(st, 18),
		.member_status = row_text(st, 19, a),
	};
}

int store_image_get(struct db *db, struct arena *a, struct image_viewer viewer, const char *uid,
	struct image *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct image i;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS FROM " AND i.uid = ?3 AND (?2 OR i.project_id = ?1"
		    " OR i.visibility IN ('public', 'community')"
		    " OR (i.visibility = 'shared' AND m.status IS NOT NULL))",
		    "iis", viewer.project_id, (int64_t)viewer.is_admin, uid) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "No image found with ID %.64s", uid);
	if (rc < 0)
		return -1;
	load(st, a, &i);
	if (store_image_details(db, a, &i, err) < 0)
		return -1;
	*out = i;
	return 0;
}

/* Each part by an index of its own: what other projects have costs a list nothing. */
static const char scan_seen[] =
	"SELECT " COLUMNS FROM " AND i.id IN ("
	"SELECT id FROM image WHERE project_id = ?1 AND deleted_us = 0"
	" UNION ALL SELECT id FROM image WHERE visibility = 'public' AND deleted_us = 0"
	" UNION ALL SELECT id FROM image WHERE ?2 AND visibility = 'community' AND deleted_us = 0"
	" UNION ALL SELECT s.image_id FROM image_member s JOIN image x ON x.id = s.image_id"
	" WHERE s.project_id = ?1 AND (?3 = 'all' OR s.status = ?3) AND x.visibility = 'shared')";
static const char scan_all[] = "SELECT " COLUMNS FROM " AND (?2 OR ?3 IS NOT NULL)";

int store_image_scan(
	struct db *db, const struct image_scan *scan, image_scan_fn *fn, void *ctx, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct image i;
	int rc;

	if (db_query(db, err, &st, scan->viewer.is_admin ? scan_all : scan_seen, "iis",
		    scan->viewer.project_id, (int64_t)scan->community, scan->member_status) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		load(st, NULL, &i);
		rc = fn(ctx, &i, err);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return rc;
}

int store_image_has_property(struct db *db, int64_t id, const char *key, const char *value, struct error *err)
{
	int64_t one;

	return db_int_query(db, err, &one,
		"SELECT 1 FROM image_property WHERE image_id = ? AND key = ? AND value = ?", "iss", id, key,
		value);
}

int store_image_has_tag(struct db *db, int64_t id, const char *tag, struct error *err)
{
	int64_t one;

	return db_int_query(
		db, err, &one, "SELECT 1 FROM image_tag WHERE image_id = ? AND tag = ?", "is", id, tag);
}

static int load_properties(struct db *db, struct arena *a, struct image *i, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	i->properties = ARENA_ARRAY(a, struct image_property, IMAGE_PROPERTIES_MAX);
	i->properties_n = 0;
	if (db_query(db, err, &st, "SELECT key, value FROM image_property WHERE image_id = ? ORDER BY key",
		    "i", i->id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0 && i->properties_n < IMAGE_PROPERTIES_MAX)
		i->properties[i->properties_n++] =
			(struct image_property) { db_dup(st, 0, a), db_dup(st, 1, a) };
	return rc < 0 ? -1 : 0;
}

static int load_tags(struct db *db, struct arena *a, struct image *i, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	i->tags = ARENA_ARRAY(a, const char *, IMAGE_TAGS_MAX);
	i->tags_n = 0;
	if (db_query(db, err, &st, "SELECT tag FROM image_tag WHERE image_id = ? ORDER BY tag", "i", i->id) <
		0)
		return -1;
	while ((rc = db_row(st, err)) > 0 && i->tags_n < IMAGE_TAGS_MAX)
		i->tags[i->tags_n++] = db_dup(st, 0, a);
	return rc < 0 ? -1 : 0;
}

int store_image_details(struct db *db, struct arena *a, struct image *i, struct error *err)
{
	return load_properties(db, a, i, err) < 0 ? -1 : load_tags(db, a, i, err);
}

int store_image_use(
	struct db *db, int64_t project_id, int64_t *out_images, int64_t *out_mib, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st,
		    "SELECT count(*), coalesce(sum((size + 1048575) / 1048576), 0) FROM image "
		    "WHERE project_id = ? AND deleted_us = 0",
		    "i", project_id) < 0 ||
		db_row(st, err) < 0)
		return -1;
	*out_images = db_int(st, 0);
	*out_mib = db_int(st, 1);
	return 0;
}

/* --- writes -----------------------------------------------------------------------------------------------
 */

static int insert_details(struct db *db, const struct image *i, struct error *err)
{
	for (size_t k = 0; k < i->properties_n; k++)
		if (db_run(db, err, "INSERT INTO image_property (image_id, key, value) VALUES (?, ?, ?)",
			    "iss", i->id, i->properties[k].key, i->properties[k].value) < 0)
			return -1;
	for (size_t k = 0; k < i->tags_n; k++)
		if (db_run(db, err, "INSERT INTO image_tag (image_id, tag) VALUES (?, ?)", "is", i->id,
			    i->tags[k]) < 0)
			return -1;
	return 0;
}

static int remove_details(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM image_property WHERE image_id = ?", "i", id) < 0 ||
			       db_run(db, err, "DELETE FROM image_tag WHERE image_id = ?", "i", id) < 0
		       ? -1
		       : 0;
}

int store_image_insert(struct db *db, const struct image *i, struct error *err)
{
	static const char sql[] =
		"INSERT INTO image (id, uid, project_id, name, status, visibility, disk_format, "
		"container_format, min_disk_gib, min_ram_mib, protected, hidden, created_us, updated_us) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
	int64_t other;
	int rc = db_int_query(db, err, &other, "SELECT id FROM image WHERE uid = ?", "s", i->uid);

	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "Image ID %.64s already exists!", i->uid);
	if (rc < 0 ||
		db_run(db, err, sql, "isisssssiiiiii", i->id, i->uid, i->project_id, i->name, i->status,
			i->visibility, i->disk_format, i->container_format, i->min_disk_gib, i->min_ram_mib,
			(int64_t)i->is_protected, (int64_t)i->hidden, i->created_us, i->updated_us) < 0)
		return -1;
	return insert_details(db, i, err);
}

int store_image_update(struct db *db, const struct image *i, struct error *err)
{
	static const char sql[] =
		"UPDATE image SET project_id = ?, name = ?, visibility = ?, disk_format = ?, "
		"container_format = ?, min_disk_gib = ?, min_ram_mib = ?, protected = ?, hidden = ?, "
		"updated_us = ? WHERE id = ?";

	books_touch(db, BOOKS_IMAGE, i->id);
	if (db_run(db, err, sql, "issssiiiiii", i->project_id, i->name, i->visibility, i->disk_format,
		    i->container_format, i->min_disk_gib, i->min_ram_mib, (int64_t)i->is_protected,
		    (int64_t)i->hidden, i->updated_us, i->id) < 0 ||
		remove_details(db, i->id, err) < 0)
		return -1;
	return insert_details(db, i, err);
}

int store_image_move(
	struct db *db, int64_t id, const char *from, const char *to, int64_t now_us, struct error *err)
{
	static const char sql[] = "UPDATE image SET status = ?, updated_us = ? WHERE id = ? AND status = ? "
				  "AND deleted_us = 0";

	int rc = db_run(db, err, sql, "siis", to, now_us, id, from);

	books_touch(db, BOOKS_IMAGE, id);
	return rc > 0 && str_eq(to, "active") && event_image_active(db, id, err) < 0 ? -1 : rc;
}

int store_image_claim(
	struct db *db, int64_t id, const char *to, const char *disk_format, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE image SET status = ?, updated_us = ? WHERE id = ? AND status = 'queued' "
		"AND disk_format = ? AND container_format IS NOT NULL AND deleted_us = 0";

	return db_run(db, err, sql, "siis", to, now_us, id, disk_format);
}

int store_image_activate(struct db *db, const struct image *i, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE image SET status = 'active', size = ?, virtual_size = ?, checksum = ?, sha512 = ?, "
		"updated_us = ? WHERE id = ? AND status IN ('saving', 'importing') AND deleted_us = 0";

	int rc = db_run(
		db, err, sql, "iissii", i->size, i->virtual_size, i->checksum, i->sha512, now_us, i->id);

	books_touch(db, BOOKS_IMAGE, i->id);
	return rc > 0 && event_image_active(db, i->id, err) < 0 ? -1 : rc;
}

int store_image_staged(struct db *db, const struct image *i, int64_t now_us, struct error *err)
{
	static const char sql[] =
		"UPDATE image SET size = ?, virtual_size = ?, checksum = ?, sha512 = ?, updated_us = ? WHERE "
		"id = ? AND status = 'uploading' AND size IS NULL AND deleted_us = 0";

	books_touch(db, BOOKS_IMAGE, i->id);
	return db_run(
		db, err, sql, "iissii", i->size, i->virtual_size, i->checksum, i->sha512, now_us, i->id);
}

int store_image_delete(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	books_touch(db, BOOKS_IMAGE, id);
	if (event_image_deleted(db, id, err) < 0 || remove_details(db, id, err) < 0 ||
		db_run(db, err, "DELETE FROM image_member WHERE image_id = ?", "i", id) < 0 ||
		db_run(db, err,
			"UPDATE image SET deleted_us = ?1, updated_us = ?1 WHERE id = ?2 AND deleted_us = 0",
			"ii", now_us, id) < 0)
		return -1;
	return 0;
}

int store_image_requeue_all(struct db *db, int64_t now_us, struct error *err)
{
	return db_run(db, err,
		"UPDATE image SET status = 'queued', updated_us = ? WHERE deleted_us = 0 AND (status = "
		"'saving' OR (status = 'uploading' AND size IS NULL)) AND id NOT IN (SELECT arg_id FROM "
		"flow)",
		"i", now_us);
}

int store_image_has_data(struct db *db, const char *uid, struct error *err)
{
	int64_t id;

	return db_int_query(db, err, &id,
		"SELECT id FROM image WHERE uid = ? AND deleted_us = 0 AND (status IN ('active', "
		"'deactivated') OR (status = 'uploading' AND size IS NOT NULL))",
		"s", uid);
}

/* --- members ----------------------------------------------------------------------------------------------
 */

int store_image_members(struct db *db, struct arena *a, int64_t image_id, const char *project_uid,
	struct image_member **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT m.project_id, p.uid, m.status, m.created_us, m.updated_us FROM image_member m "
		"JOIN project p ON p.id = m.project_id WHERE m.image_id = ?1 AND (?2 IS NULL OR p.uid = ?2) "
		"ORDER BY m.created_us, p.uid";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct image_member *list = ARENA_ARRAY(a, struct image_member, IMAGE_MEMBERS_MAX);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "is", image_id, project_uid) < 0)
		return -1;
	while (n < IMAGE_MEMBERS_MAX && (rc = db_row(st, err)) > 0)
		list[n++] = (struct image_member) { .image_id = image_id,
			.project_id = db_int(st, 0),
			.project_uid = db_dup(st, 1, a),
			.status = db_dup(st, 2, a),
			.created_us = db_int(st, 3),
			.updated_us = db_int(st, 4) };
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}

int store_image_member_insert(struct db *db, const struct image_member *m, struct error *err)
{
	static const char sql[] = "INSERT INTO image_member (image_id, project_id, status, created_us, "
				  "updated_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
	int rc = db_run(
		db, err, sql, "iisii", m->image_id, m->project_id, m->status, m->created_us, m->updated_us);

	if (rc == 0)
		return error_set(
			err, ERR_CONFLICT, "The image is shared with project %.64s already.", m->project_uid);
	return rc < 0 ? -1 : 0;
}

int store_image_member_update(struct db *db, const struct image_member *m, struct error *err)
{
	return db_run(db, err,
		       "UPDATE image_member SET status = ?, updated_us = ? WHERE image_id = ? AND "
		       "project_id = ?",
		       "siii", m->status, m->updated_us, m->image_id, m->project_id) < 0
		       ? -1
		       : 0;
}

int store_image_member_remove(struct db *db, int64_t image_id, int64_t project_id, struct error *err)
{
	return db_run(db, err, "DELETE FROM image_member WHERE image_id = ? AND project_id = ?", "ii",
		       image_id, project_id) < 0
		       ? -1
		       : 0;
}
