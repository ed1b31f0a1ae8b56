/* SPDX-License-Identifier: Apache-2.0 */
#include "store/devices.h"

#include <string.h>

#include "base/util.h"

int store_device_list(struct db *db, struct arena *a, int64_t host_id, struct device_row **out, size_t *out_n,
	struct error *err)
{
	static const char sql[] =
		"SELECT d.id, d.host_id, d.uid, d.address, d.vendor, d.product, d.model, d.driver, "
		"d.vendor_id, "
		"d.product_id, d.numa_cell, d.iommu_group, d.present, a.server_id, s.uid FROM device d "
		"LEFT JOIN allocation_device x ON x.device_id = d.id "
		"LEFT JOIN allocation a ON a.id = x.allocation_id LEFT JOIN server s ON s.id = "
		"a.server_id "
		"WHERE ?1 = 0 OR d.host_id = ?1 ORDER BY d.host_id, d.address";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct device_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, "i", host_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct device_row *more = ARENA_ARRAY(a, struct device_row, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 16;
		}
		rows[n++] = (struct device_row) {
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
			.server_id = db_int(st, 13),
			.server_uid = db_dup(st, 14, a),
		};
	}
	*out = rows;
	*out_n = n;
	return rc;
}

int store_device_insert(struct db *db, const struct device_row *d, struct error *err)
{
	static const char sql[] =
		"INSERT INTO device (id, uid, host_id, address, vendor_id, product_id, vendor, "
		"product, model, numa_cell, iommu_group, driver, present) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "isisiisssiisi", d->id, d->uid, d->host_id, d->address, d->vendor_id,
		       d->product_id, d->vendor, d->product, d->model, d->numa_cell, d->iommu_group,
		       d->driver, (int64_t)d->present) < 0
		       ? -1
		       : 0;
}

int store_device_update(struct db *db, const struct device_row *d, struct error *err)
{
	static const char sql[] =
		"UPDATE device SET vendor_id = ?, product_id = ?, vendor = ?, product = ?, "
		"model = ?, numa_cell = ?, iommu_group = ?, driver = ?, present = ? WHERE id = ?";

	return db_run(db, err, sql, "iisssiisii", d->vendor_id, d->product_id, d->vendor, d->product,
		       d->model, d->numa_cell, d->iommu_group, d->driver, (int64_t)d->present, d->id) < 0
		       ? -1
		       : 0;
}
