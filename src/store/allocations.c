/* SPDX-License-Identifier: Apache-2.0 */
#include "store/allocations.h"

#include <string.h>

#include "base/util.h"

static int64_t key_of(const struct allocation_row *a)
{
	return a->id ? a->id : a->server_id;
}

static int device_insert(struct db *db, const struct allocation_row *a, int64_t device_id, struct error *err)
{
	static const char sql[] = "INSERT INTO allocation_device (device_id, allocation_id) "
				  "SELECT id, ?1 FROM device WHERE id = ?2 AND host_id = ?3 AND present = 1";
	int rc = db_run(db, err, sql, "iii", key_of(a), device_id, a->host_id);

	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "device %lld cannot be given", (long long)device_id);
	return rc < 0 ? -1 : 0;
}

int store_allocation_insert(struct db *db, const struct allocation_row *a, struct error *err)
{
	/* the index allocation_host covers the sums */
	static const char sql[] =
		"INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib, exclusive) "
		"SELECT ?6, ?1, h.id, ?3, ?4, ?5, ?7 FROM host h, "
		"(SELECT coalesce(sum(vcpus), 0) AS vcpus, coalesce(sum(ram_mib), 0) AS ram_mib, "
		"coalesce(sum(disk_gib), 0) AS disk_gib FROM allocation WHERE host_id = ?2) u WHERE h.id = "
		"?2 "
		"AND (u.vcpus + ?3) * 1000 <= h.vcpus * h.vcpu_ratio_milli "
		"AND (u.ram_mib + ?4) * 1000 <= (h.ram_mib - h.ram_reserved_mib) * h.ram_ratio_milli "
		"AND (u.disk_gib + ?5) * 1000 <= h.disk_gib * h.disk_ratio_milli";
	int rc = db_run(db, err, sql, "iiiiiii", a->server_id, a->host_id, a->vcpus, a->ram_mib, a->disk_gib,
		key_of(a), (int64_t)a->exclusive);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "host %lld has not the room that placement saw",
			(long long)a->host_id);
	for (size_t i = 0; i < a->devices_n; i++)
		if (device_insert(db, a, a->devices[i], err))
			return -1;
	return 0;
}

int store_allocation_restore(struct db *db, const struct allocation_row *a, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib, exclusive) "
		    "VALUES (?, ?, ?, ?, ?, ?, ?)",
		    "iiiiiii", key_of(a), a->server_id, a->host_id, a->vcpus, a->ram_mib, a->disk_gib,
		    (int64_t)a->exclusive) < 0)
		return -1;
	for (size_t i = 0; i < a->devices_n; i++)
		if (db_run(db, err, "INSERT INTO allocation_device (device_id, allocation_id) VALUES (?, ?)",
			    "ii", a->devices[i], key_of(a)) < 0)
			return -1;
	return 0;
}

int store_allocation_remove(struct db *db, int64_t id, struct error *err)
{
	if (db_run(db, err, "DELETE FROM allocation_device WHERE allocation_id = ?", "i", id) < 0)
		return -1;
	return db_run(db, err, "DELETE FROM allocation WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

/* ---- reading ---- */

static int devices_read(struct db *db, struct arena *a, struct allocation_row *row, struct error *err)
{
	static const char sql[] =
		"SELECT device_id FROM allocation_device WHERE allocation_id = ? ORDER BY device_id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t ids[256];
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "i", row->id))
		return -1;
	while (n < ARRAY_LEN(ids) && (rc = db_row(st, err)) > 0)
		ids[n++] = db_int(st, 0);
	if (n)
		row->devices = arena_copy(a, ids, n * sizeof *ids);
	row->devices_n = n;
	return rc < 0 ? -1 : 0;
}

static struct allocation_row row_read(sqlite3_stmt *st)
{
	return (struct allocation_row) {
		.id = db_int(st, 0),
		.server_id = db_int(st, 1),
		.host_id = db_int(st, 2),
		.vcpus = db_int(st, 3),
		.ram_mib = db_int(st, 4),
		.disk_gib = db_int(st, 5),
		.exclusive = db_int(st, 6) != 0,
	};
}

int store_allocation_get(
	struct db *db, struct arena *a, int64_t id, struct allocation_row *out, struct error *err)
{
	static const char sql[] = "SELECT id, server_id, host_id, vcpus, ram_mib, disk_gib, exclusive FROM "
				  "allocation WHERE id = ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct allocation_row row;
	int rc;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	row = row_read(st);
	if (devices_read(db, a, &row, err))
		return -1;
	*out = row;
	return 1;
}

int store_allocation_list(struct db *db, struct arena *a, int64_t server_id, struct allocation_row **out,
	size_t *out_n, struct error *err)
{
	static const char all[] = "SELECT id, server_id, host_id, vcpus, ram_mib, disk_gib, exclusive, "
				  "EXISTS (SELECT 1 FROM allocation_device d WHERE d.allocation_id = a.id) "
				  "FROM allocation a ORDER BY id";
	static const char one[] = "SELECT id, server_id, host_id, vcpus, ram_mib, disk_gib, exclusive, "
				  "EXISTS (SELECT 1 FROM allocation_device d WHERE d.allocation_id = a.id) "
				  "FROM allocation a WHERE server_id = ? ORDER BY id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct allocation_row *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if ((server_id ? db_int_query(db, err, &count, "SELECT count(*) FROM allocation WHERE server_id = ?",
				 "i", server_id)
		       : db_int_query(db, err, &count, "SELECT count(*) FROM allocation", NULL)) < 0 ||
		(server_id ? db_query(db, err, &st, one, "i", server_id) : db_query(db, err, &st, all, NULL)))
		return -1;
	rows = ARENA_ARRAY(a, struct allocation_row, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0) {
		rows[n] = row_read(st);
		if (db_int(st, 7) && devices_read(db, a, &rows[n], err))
			return -1;
		n++;
	}
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_allocation_left(
	struct db *db, struct arena *a, int64_t host_id, int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT id FROM allocation a WHERE host_id = ? AND id != server_id AND NOT "
		"EXISTS (SELECT 1 FROM migration m WHERE m.id = a.id AND m.ended_us IS NULL)";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t count = 0, *ids;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM allocation WHERE host_id = ?", "i", host_id) <
			0 ||
		db_query(db, err, &st, sql, "i", host_id))
		return -1;
	ids = ARENA_ARRAY(a, int64_t, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		ids[n++] = db_int(st, 0);
	*out = ids;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_allocation_addresses(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT d.address FROM allocation_device x JOIN device d ON d.id = x.device_id "
		"WHERE x.allocation_id = ? ORDER BY d.address";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char *found[256];
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	while (n < ARRAY_LEN(found) && (rc = db_row(st, err)) > 0)
		found[n++] = db_dup(st, 0, a);
	if (rc < 0)
		return -1;
	*out = n ? arena_copy(a, found, n * sizeof *found) : NULL;
	*out_n = n;
	return 0;
}
