/* SPDX-License-Identifier: Apache-2.0 */
#include "store/devices.h"

#include <string.h>

#include "base/util.h"
#include "store/books.h"
#include "store/event_rows.h"

/* b: the first of the open capacity blocks that have the device. */
#define SELECT                                                                                           \
	"SELECT d.id, d.host_id, d.uid, d.address, d.vendor, d.product, d.model, d.driver, "             \
	"d.vendor_id, d.product_id, d.numa_cell, d.iommu_group, d.present, d.memory_mib, "               \
	"d.companions, d.mdev_types, d.health, d.custody, d.custody_reason, d.cut, a.server_id, "        \
	"s.uid, (SELECT count(*) FROM allocation_part p WHERE p.device_id = d.id), b.id, b.state != "    \
	"'planned', c.released_us, c.reset_us, c.by_operator FROM device d LEFT JOIN block b ON b.id = " \
	"(SELECT k.block_id FROM block_device k "                                                        \
	"JOIN block o ON o.id = k.block_id WHERE k.device_id = d.id AND o.state IN ('planned', "         \
	"'clearing', 'active') ORDER BY o.start_us LIMIT 1) "                                            \
	"LEFT JOIN device_custody c ON c.device_id = d.id "                                              \
	"LEFT JOIN allocation_device x ON x.device_id = d.id "                                           \
	"LEFT JOIN allocation a ON a.id = x.allocation_id LEFT JOIN server s ON s.id = a.server_id "

static void device_read(sqlite3_stmt *st, struct arena *a, struct device_row *out)
{
	*out = (struct device_row) {
		.id = db_int(st, 0),
		.host_id = db_int(st, 1),
		.uid = db_dup(st, 2, a),
		.address = db_dup(st, 3, a),
		.vendor = db_dup(st, 4, a),
		.product = db_dup(st, 5, a),
		.model = db_dup(st, 6, a),
		.driver = db_dup(st, 7, a),
		.vendor_id = db_int(st, 8),
		.product_id = db_int(st, 9),
		.numa_cell = db_int(st, 10),
		.iommu_group = db_int(st, 11),
		.present = db_int(st, 12) != 0,
		.memory_mib = db_int(st, 13),
		.companions = db_dup(st, 14, a),
		.mdev_types = db_dup(st, 15, a),
		.health = db_dup(st, 16, a),
		.custody = db_dup(st, 17, a),
		.custody_reason = db_dup(st, 18, a),
		.cut = db_dup(st, 19, a),
		.server_id = db_int(st, 20),
		.server_uid = db_dup(st, 21, a),
		.parts = db_int(st, 22),
		.block_id = db_int(st, 23),
		.block_begun = db_int(st, 24) != 0,
		.released_us = db_int(st, 25),
		.reset_us = db_int(st, 26),
		.by_operator = db_int(st, 27) != 0,
	};
}

int store_device_list(struct db *db, struct arena *a, int64_t host_id, struct device_row **out, size_t *out_n,
	struct error *err)
{
	static const char all[] = SELECT "ORDER BY d.host_id, d.address";
	static const char of_host[] = SELECT "WHERE d.host_id = ? ORDER BY d.address";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct device_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (host_id ? db_query(db, err, &st, of_host, "i", host_id) : db_query(db, err, &st, all, NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct device_row *more = ARENA_ARRAY(a, struct device_row, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 16;
		}
		device_read(st, a, &rows[n++]);
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_device_get(
	struct db *db, struct arena *a, const char *uid_or_place, struct device_row *out, struct error *err)
{
	static const char by_uid[] = SELECT "WHERE d.uid = ?";
	static const char by_place[] =
		SELECT "WHERE d.host_id = (SELECT id FROM host WHERE name = ?) AND d.address = ?";
	const char *colon = strchr(uid_or_place, ':');
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (colon ? db_query(db, err, &st, by_place, "ss",
			    arena_strndup(a, uid_or_place, (size_t)(colon - uid_or_place)), colon + 1)
		  : db_query(db, err, &st, by_uid, "s", uid_or_place))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "GPU %.120s could not be found.", uid_or_place);
	if (rc > 0)
		device_read(st, a, out);
	return rc < 0 ? -1 : 0;
}

int store_device_load(struct db *db, struct arena *a, int64_t id, struct device_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, SELECT "WHERE d.id = ?", "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		device_read(st, a, out);
	return rc;
}

int store_device_parts(struct db *db, struct arena *a, int64_t id, struct device_part **out, size_t *out_n,
	struct error *err)
{
	static const char sql[] =
		"SELECT p.profile, s.uid, p.start, p.slots, p.share FROM allocation_part p "
		"JOIN allocation a ON a.id = p.allocation_id JOIN server s ON s.id = a.server_id "
		"WHERE p.device_id = ? ORDER BY p.start, p.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct device_part *list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, "SELECT count(*) FROM allocation_part WHERE device_id = ?", "i", id) <
			0 ||
		db_query(db, err, &st, sql, "i", id))
		return -1;
	list = ARENA_ARRAY(a, struct device_part, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		list[n++] = (struct device_part) { db_dup(st, 0, a), db_dup(st, 1, a), db_int(st, 2),
			db_int(st, 3), db_int(st, 4) };
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_device_insert(struct db *db, const struct device_row *d, struct error *err)
{
	static const char sql[] =
		"INSERT INTO device (id, uid, host_id, address, vendor_id, product_id, vendor, "
		"product, model, numa_cell, iommu_group, driver, present, memory_mib, companions, "
		"mdev_types) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

	books_touch(db, BOOKS_DEVICE, d->id);
	return db_run(db, err, sql, "isisiisssiisiiss", d->id, d->uid, d->host_id, d->address, d->vendor_id,
		       d->product_id, d->vendor, d->product, d->model, d->numa_cell, d->iommu_group,
		       d->driver, (int64_t)d->present, d->memory_mib, d->companions, d->mdev_types) < 0
		       ? -1
		       : event_gpu_added(db, d->id, err);
}

int store_device_update(struct db *db, const struct device_row *d, struct error *err)
{
	static const char sql[] =
		"UPDATE device SET vendor_id = ?, product_id = ?, vendor = ?, product = ?, "
		"model = ?, numa_cell = ?, iommu_group = ?, driver = ?, present = ?, memory_mib = ?, "
		"companions = ?, mdev_types = ? WHERE id = ?";

	if (event_gpu_present(db, d->id, d->present, err) < 0)
		return -1;
	books_touch(db, BOOKS_DEVICE, d->id);
	return db_run(db, err, sql, "iisssiisiissi", d->vendor_id, d->product_id, d->vendor, d->product,
		       d->model, d->numa_cell, d->iommu_group, d->driver, (int64_t)d->present, d->memory_mib,
		       d->companions, d->mdev_types, d->id) < 0
		       ? -1
		       : 0;
}

int store_device_set_state(struct db *db, const struct device_row *d, struct error *err)
{
	if (event_gpu_state(db, d, err) < 0)
		return -1;
	books_touch(db, BOOKS_DEVICE, d->id);
	return db_run(db, err,
		       "UPDATE device SET health = ?, custody = ?, custody_reason = ?, cut = ? WHERE id = ?",
		       "ssssi", d->health, d->custody, d->custody_reason, d->cut, d->id) < 0
		       ? -1
		       : 0;
}
