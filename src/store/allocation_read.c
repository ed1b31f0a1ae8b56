/* SPDX-License-Identifier: Apache-2.0 */
/* Reading allocations: the rows, and what hangs on them. */
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "store/allocation_place.h"
#include "store/host_room.h"

/* ---- what hangs on a row ---- */

static void device_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	(void)a;
	*(struct allocation_device *)out =
		(struct allocation_device) { .id = db_int(st, 1), .guest_cell = db_int(st, 2) };
}

static void cell_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	(void)a;
	*(struct allocation_cell *)out = (struct allocation_cell) {
		.cell = db_int(st, 1),
		.vcpus = db_int(st, 2),
		.ram_mib = db_int(st, 3),
		.page_kib = db_int(st, 4),
	};
}

static void cpu_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	(void)a;
	*(int16_t *)out = (int16_t)db_int(st, 1);
}

static void part_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	*(struct allocation_part *)out = (struct allocation_part) {
		.device_id = db_int(st, 1),
		.uid = db_dup(st, 2, a),
		.profile = db_dup(st, 3, a),
		.start = db_int(st, 4),
		.slots = db_int(st, 5),
		.share = db_int(st, 6),
		.guest_cell = db_int(st, 7),
	};
}

#define CHILD(columns, table, where, order)                                                                  \
	"SELECT allocation_id, " columns " FROM " table " WHERE allocation_id = ?" where " ORDER BY " order, \
		"SELECT allocation_id, " columns " FROM " table " WHERE 1" where                             \
		" ORDER BY allocation_id, " order
#define FIELD(name)                                                                        \
	sizeof *((struct allocation_row *)0)->name, offsetof(struct allocation_row, name), \
		offsetof(struct allocation_row, name##_n)

static const struct child {
	const char *one, *all; /* the first column is the allocation */
	size_t size, at, at_n; /* of an element; of its array and count in the row */
	void (*read)(sqlite3_stmt *st, struct arena *a, void *out);
} children[] = {
	{ CHILD("device_id, guest_cell", "allocation_device", "", "device_id"), FIELD(devices), device_read },
	{ CHILD("device_id, guest_cell", "allocation_also", "", "device_id"), FIELD(also), device_read },
	{ CHILD("cell, vcpus, ram_mib, page_kib", "allocation_cell", "", "guest_cell"), FIELD(cells),
		cell_read },
	{ CHILD("cpu", "allocation_cpu", " AND vcpu IS NOT NULL", "vcpu"), FIELD(cpus), cpu_read },
	{ CHILD("cpu", "allocation_cpu", " AND vcpu IS NULL", "cpu"), FIELD(idle), cpu_read },
	{ CHILD("device_id, uid, profile, start, slots, share, guest_cell", "allocation_part", "", "id"),
		FIELD(parts), part_read },
};

#undef CHILD
#undef FIELD

static void child_flush(
	const struct child *c, struct arena *a, struct buf *elements, struct allocation_row *row)
{
	const void *list = elements->len ? arena_copy(a, elements->data, elements->len) : NULL;

	*(size_t *)((char *)row + c->at_n) = elements->len / c->size;
	memcpy((char *)row + c->at, &list, sizeof list);
	elements->len = 0;
}

/* Rows are in the order of their keys, as is what the statement gives. */
static int child_list(const struct child *c, sqlite3_stmt *st, struct arena *a, struct allocation_row *rows,
	size_t n, struct error *err)
{
	CLEANUP(buf_finish) struct buf elements = { 0 };
	_Alignas(8) char element[sizeof(struct allocation_part)];
	size_t at = 0;
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		int64_t id = db_int(st, 0);

		while (at < n && rows[at].id < id)
			child_flush(c, a, &elements, &rows[at++]);
		if (at == n || rows[at].id != id)
			continue;
		c->read(st, a, element);
		buf_append(&elements, element, c->size);
	}
	if (at < n)
		child_flush(c, a, &elements, &rows[at]);
	return rc;
}

static int children_read(
	struct db *db, struct arena *a, struct allocation_row *rows, size_t n, bool all, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		for (size_t k = 0; k < (all ? 1 : n); k++) {
			const struct child *c = &children[i];
			CLEANUP(db_done) sqlite3_stmt *st = NULL;

			if ((all ? db_query(db, err, &st, c->all, NULL)
				 : db_query(db, err, &st, c->one, "i", rows[k].id)) ||
				child_list(c, st, a, &rows[k], all ? n : 1, err))
				return -1;
		}
	return 0;
}

/* ---- rows ---- */

#define SELECT_ROW                                                                                         \
	"SELECT id, server_id, host_id, vcpus, ram_mib, disk_gib, float_vcpus, float_ram_mib, exclusive, " \
	"preemptible, block_id, cpus_isolated FROM allocation "

static struct allocation_row row_read(sqlite3_stmt *st)
{
	return (struct allocation_row) {
		.id = db_int(st, 0),
		.server_id = db_int(st, 1),
		.host_id = db_int(st, 2),
		.vcpus = db_int(st, 3),
		.ram_mib = db_int(st, 4),
		.disk_gib = db_int(st, 5),
		.float_vcpus = db_int(st, 6),
		.float_ram_mib = db_int(st, 7),
		.exclusive = db_int(st, 8) != 0,
		.preemptible = db_int(st, 9) != 0,
		.block_id = db_int(st, 10),
		.cpus_isolated = db_int(st, 11) != 0,
	};
}

int store_allocation_get(
	struct db *db, struct arena *a, int64_t id, struct allocation_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct allocation_row row;
	int rc;

	if (db_query(db, err, &st, SELECT_ROW "WHERE id = ?", "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	row = row_read(st);
	if (children_read(db, a, &row, 1, false, err))
		return -1;
	*out = row;
	return 1;
}

int store_allocation_list(struct db *db, struct arena *a, int64_t server_id, struct allocation_row **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct allocation_row *rows;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if ((server_id ? db_int_query(db, err, &count, "SELECT count(*) FROM allocation WHERE server_id = ?",
				 "i", server_id)
		       : db_int_query(db, err, &count, "SELECT count(*) FROM allocation", NULL)) < 0 ||
		(server_id ? db_query(db, err, &st, SELECT_ROW "WHERE server_id = ? ORDER BY id", "i",
				     server_id)
			   : db_query(db, err, &st, SELECT_ROW "ORDER BY id", NULL)))
		return -1;
	rows = ARENA_ARRAY(a, struct allocation_row, (size_t)count + 1);
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		rows[n++] = row_read(st);
	if (rc < 0 || children_read(db, a, rows, n, !server_id, err))
		return -1;
	*out = rows;
	*out_n = n;
	return 0;
}

int store_allocation_leaving(struct db *db, int64_t host_id, int64_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT count(*) FROM allocation a WHERE a.host_id = ? AND a.id != "
				  "a.server_id AND EXISTS (SELECT 1 "
				  "FROM flow f WHERE f.subject_kind = 'allocation' AND f.subject_id = a.id)";

	return db_int_query(db, err, out_n, sql, "i", host_id) < 0 ? -1 : 0;
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

/* ---- where it lies ---- */

static int gpus_read(
	struct db *db, struct arena *a, int64_t id, size_t n, struct allocation_place *p, struct error *err)
{
	static const char sql[] =
		"SELECT d.address, d.companions, x.guest_cell FROM allocation_device x "
		"JOIN device d ON d.id = x.device_id WHERE x.allocation_id = ? ORDER BY d.address";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct place_gpu *gpus = ARENA_ARRAY(a, struct place_gpu, n + 1);
	int rc = 0;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	while (p->gpus_n < n && (rc = db_row(st, err)) > 0)
		gpus[p->gpus_n++] = (struct place_gpu) {
			.address = db_dup(st, 0, a),
			.companions = db_dup(st, 1, a),
			.guest_cell = db_int(st, 2),
		};
	p->gpus = gpus;
	return rc < 0 ? -1 : 0;
}

static int parts_read(
	struct db *db, struct arena *a, int64_t id, size_t n, struct allocation_place *p, struct error *err)
{
	static const char sql[] =
		"SELECT p.uid, d.address, p.profile, d.cut, p.start, p.slots, p.share, p.guest_cell, "
		"d.mdev_types "
		"FROM allocation_part p JOIN device d ON d.id = p.device_id WHERE p.allocation_id = ? "
		"ORDER BY d.address, p.start, p.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct place_part *parts = ARENA_ARRAY(a, struct place_part, n + 1);
	int rc = 0;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	while (p->parts_n < n && (rc = db_row(st, err)) > 0)
		parts[p->parts_n++] = (struct place_part) {
			.uid = db_dup(st, 0, a),
			.address = db_dup(st, 1, a),
			.profile = db_dup(st, 2, a),
			.cut = db_dup(st, 3, a),
			.start = db_int(st, 4),
			.slots = db_int(st, 5),
			.share = db_int(st, 6),
			.guest_cell = db_int(st, 7),
			.types = db_dup(st, 8, a),
		};
	p->parts = parts;
	return rc < 0 ? -1 : 0;
}

/* What no one has for himself, once some CPUs are for those who have. */
static int shared_read(struct db *db, struct arena *a, struct allocation_place *p, struct error *err)
{
	static const char sql[] = "SELECT cpu_list, cell FROM host_cell WHERE host_id = ? ORDER BY cell";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int16_t *cpus, *cells;
	struct cpuset pins;
	int rc = store_host_pins(db, p->host_id, &pins, err);

	if (rc <= 0 || (cpuset_empty(&pins) && !p->cells_n))
		return rc < 0 ? -1 : 0;
	cpus = ARENA_ARRAY(a, int16_t, CPUSET_MAX);
	cells = ARENA_ARRAY(a, int16_t, CPUSET_MAX);
	if (db_query(db, err, &st, sql, "i", p->host_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct cpuset cell = store_cell_cpus(db_text(st, 0));

		cpuset_without(&cell, &pins);
		for (int i = cpuset_next(&cell, 0); i >= 0 && p->shared_n < CPUSET_MAX;
			i = cpuset_next(&cell, i + 1)) {
			cpus[p->shared_n] = (int16_t)i;
			cells[p->shared_n++] = (int16_t)db_int(st, 1);
		}
	}
	p->shared = cpus;
	p->shared_cell = cells;
	return rc;
}

int store_allocation_place(
	struct db *db, struct arena *a, int64_t id, struct allocation_place *out, struct error *err)
{
	struct allocation_row row;
	struct allocation_place p;
	int rc = store_allocation_get(db, a, id, &row, err);

	if (rc <= 0)
		return rc;
	p = (struct allocation_place) {
		.host_id = row.host_id,
		.cells = row.cells,
		.cells_n = row.cells_n,
		.cpus = row.cpus,
		.cpus_n = row.cpus_n,
	};
	if ((row.devices_n && gpus_read(db, a, id, row.devices_n, &p, err)) ||
		(row.parts_n && parts_read(db, a, id, row.parts_n, &p, err)) || shared_read(db, a, &p, err))
		return -1;
	*out = p;
	return 1;
}

int store_allocation_mdevs(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t count = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &count, "SELECT count(*) FROM allocation_part WHERE allocation_id = ?", "i",
		    id) < 0)
		return -1;
	*out = ARENA_ARRAY(a, const char *, (size_t)count);
	if (count &&
		db_query(db, err, &st, "SELECT uid FROM allocation_part WHERE allocation_id = ?", "i", id))
		return -1;
	while (n < (size_t)count && (rc = db_row(st, err)) > 0)
		(*out)[n++] = db_dup(st, 0, a);
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
