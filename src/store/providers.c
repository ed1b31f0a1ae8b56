/* SPDX-License-Identifier: Apache-2.0 */
#include "store/providers.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"

/* ---- lists of unknown length ---- */

typedef void row_fn(sqlite3_stmt *st, struct arena *a, void *out);

static int rows_read(sqlite3_stmt *st, struct arena *a, row_fn *read, size_t size, void *out_list,
	size_t *out_n, struct error *err)
{
	CLEANUP(buf_finish) struct buf rows = { 0 };
	void *list;
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		read(st, a, buf_reserve(&rows, size));
		rows.len += size;
	}
	if (rc < 0)
		return -1;
	list = rows.len ? arena_copy(a, rows.data, rows.len) : NULL;
	memcpy(out_list, &list, sizeof list);
	*out_n = rows.len / size;
	return 0;
}

/* ---- what is held ---- */

/* Columns: host, kind, key, then by kind; those who hold it last. */
enum { COL_HOST, COL_KIND, COL_KEY, COL_MODEL, COL_PROFILE, COL_1, COL_2, COL_3, COL_WHO };

static void held_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	struct held *h = out;

	*h = (struct held) {
		.host_id = db_int(st, COL_HOST),
		.kind = (enum held_kind)db_int(st, COL_KIND),
		.key = db_int(st, COL_KEY),
		.model = db_dup(st, COL_MODEL, a),
		.profile = db_dup(st, COL_PROFILE, a),
		.n = 1,
	};
	if (h->kind == HELD_AMOUNTS) {
		h->vcpus = db_int(st, COL_1);
		h->ram_mib = db_int(st, COL_2);
		h->disk_gib = db_int(st, COL_3);
	} else if (h->kind == HELD_PAGES) {
		h->page_kib = db_int(st, COL_1);
		h->n = db_int(st, COL_2);
	} else if (h->kind == HELD_PART) {
		h->start = db_int(st, COL_1);
		h->slots = db_int(st, COL_2);
		h->share = db_int(st, COL_3);
	}
	if (sqlite3_column_count(st) == COL_WHO)
		return;
	h->consumer = db_dup(st, COL_WHO, a);
	h->by_move = db_int(st, COL_WHO + 1) != 0;
	h->project_uid = db_dup(st, COL_WHO + 2, a);
	h->user_uid = db_dup(st, COL_WHO + 3, a);
	h->generation = db_int(st, COL_WHO + 4);
}

#define PAGES "(x.ram_mib * 1024 + x.page_kib - 1) / x.page_kib"

#define SUMS(where)                                                                                          \
	"SELECT x.host_id AS host, 0 AS kind, 0, NULL, NULL, sum(x.float_vcpus), sum(x.float_ram_mib), "     \
	"sum(x.disk_gib) FROM allocation x WHERE " where " GROUP BY x.host_id "                              \
	"UNION ALL SELECT x.host_id, 1, x.cell, NULL, NULL, x.page_kib, sum(" PAGES "), 0 "                  \
	"FROM allocation_cell x WHERE x.page_kib != 4 AND " where " GROUP BY x.host_id, x.cell, x.page_kib " \
	"UNION ALL SELECT x.host_id, 2, x.cpu, NULL, NULL, 0, 0, 0 FROM allocation_cpu x WHERE " where " "   \
	"UNION ALL SELECT x.host_id, 3, x.id, x.model, NULL, 0, 0, 0 FROM allocation_device y "              \
	"JOIN device x ON x.id = y.device_id WHERE " where " "                                               \
	"UNION ALL SELECT x.host_id, 4, x.id, x.model, y.profile, y.start, y.slots, y.share "                \
	"FROM allocation_part y JOIN device x ON x.id = y.device_id WHERE " where " ORDER BY host, kind"

#define WHO "c.consumer, c.by_move, c.project, c.user, c.generation FROM c "
#define LIST(where)                                                                                         \
	"WITH c AS (SELECT a.id AS id, a.host_id AS host, coalesce(m.uid, s.uid) AS consumer, "             \
	"m.uid IS NOT NULL AS by_move, p.uid AS project, s.user_uid AS user, s.generation AS generation, "  \
	"a.float_vcpus AS vcpus, a.float_ram_mib AS ram, a.disk_gib AS disk FROM allocation a "             \
	"JOIN server s ON s.id = a.server_id JOIN project p ON p.id = s.project_id "                        \
	"LEFT JOIN migration m ON m.id = a.id WHERE " where ") "                                            \
	"SELECT c.host AS host, 0 AS kind, 0, NULL, NULL, c.vcpus, c.ram, c.disk, c.consumer AS consumer, " \
	"c.by_move, c.project, c.user, c.generation FROM c "                                                \
	"UNION ALL SELECT c.host, 1, x.cell, NULL, NULL, x.page_kib, " PAGES ", 0, " WHO                    \
	"JOIN allocation_cell x ON x.allocation_id = c.id WHERE x.page_kib != 4 "                           \
	"UNION ALL SELECT c.host, 2, x.cpu, NULL, NULL, 0, 0, 0, " WHO                                      \
	"JOIN allocation_cpu x ON x.allocation_id = c.id "                                                  \
	"UNION ALL SELECT c.host, 3, d.id, d.model, NULL, 0, 0, 0, " WHO                                    \
	"JOIN allocation_device x ON x.allocation_id = c.id JOIN device d ON d.id = x.device_id "           \
	"UNION ALL SELECT c.host, 4, d.id, d.model, x.profile, x.start, x.slots, x.share, " WHO             \
	"JOIN allocation_part x ON x.allocation_id = c.id JOIN device d ON d.id = x.device_id "             \
	"ORDER BY consumer, host, kind"

#define READ_ALL(st, a, read, out, out_n, err) rows_read(st, a, read, sizeof **(out), out, out_n, err)

int store_held_sums(
	struct db *db, struct arena *a, int64_t host_id, struct held **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (host_id ? db_query(db, err, &st, SUMS("x.host_id = ?1"), "i", host_id)
		    : db_query(db, err, &st, SUMS("1"), NULL))
		return -1;
	return READ_ALL(st, a, held_read, out, out_n, err);
}

int store_held_of_host(
	struct db *db, struct arena *a, int64_t host_id, struct held **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return db_query(db, err, &st, LIST("a.host_id = ?1"), "i", host_id)
		       ? -1
		       : READ_ALL(st, a, held_read, out, out_n, err);
}

int store_held_of_consumer(
	struct db *db, struct arena *a, const char *uid, struct held **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		LIST("a.server_id IN (SELECT id FROM server WHERE uid = ?1 UNION ALL SELECT server_id FROM "
		     "migration WHERE uid = ?1) AND coalesce(m.uid, s.uid) = ?1");
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return db_query(db, err, &st, sql, "s", uid) ? -1 : READ_ALL(st, a, held_read, out, out_n, err);
}

int store_held_of_project(struct db *db, struct arena *a, const char *project_uid, const char *user_uid,
	struct held **out, size_t *out_n, struct error *err)
{
	static const char sql[] = LIST("p.uid = ?1 AND coalesce(?2, s.user_uid) = s.user_uid");
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return db_query(db, err, &st, sql, "ss", project_uid, user_uid)
		       ? -1
		       : READ_ALL(st, a, held_read, out, out_n, err);
}

/* ---- cells, devices ---- */

static void cell_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	*(struct provider_cell *)out = (struct provider_cell) {
		.host_id = db_int(st, 0),
		.cell = { .cell = db_int(st, 1),
			.ram_mib = db_int(st, 2),
			.cpus = db_int(st, 3),
			.pages_2m = db_int(st, 4),
			.pages_1g = db_int(st, 5),
			.cpu_list = db_dup(st, 6, a) },
	};
}

#define CELLS(where)                                                                              \
	"SELECT host_id, cell, ram_mib, cpus, pages_2m, pages_1g, cpu_list FROM host_cell " where \
	" ORDER BY host_id, cell"

int store_provider_cells(struct db *db, struct arena *a, int64_t host_id, struct provider_cell **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (host_id ? db_query(db, err, &st, CELLS("WHERE host_id = ?"), "i", host_id)
		    : db_query(db, err, &st, CELLS(""), NULL))
		return -1;
	return READ_ALL(st, a, cell_read, out, out_n, err);
}

int store_provider_of_device(struct db *db, const char *uid, int64_t *out_host_id, struct error *err)
{
	return db_int_query(db, err, out_host_id, "SELECT host_id FROM device WHERE uid = ?", "s", uid);
}

int store_provider_by_prefix(struct db *db, struct arena *a, const char *prefix, int64_t *out_host_id,
	const char **out_uid, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	/* '~' is behind all that an id is written with */
	if (db_query(db, err, &st, "SELECT id, uid FROM host WHERE uid >= ?1 AND uid < ?1 || '~'", "s",
		    prefix))
		return -1;
	rc = db_row(st, err);
	if (rc > 0) {
		*out_host_id = db_int(st, 0);
		*out_uid = db_dup(st, 1, a);
	}
	return rc;
}

static void member_read(sqlite3_stmt *st, struct arena *a, void *out)
{
	*(struct provider_member *)out =
		(struct provider_member) { .host_id = db_int(st, 0), .aggregate_uid = db_dup(st, 1, a) };
}

#define MEMBERS(where)                                                                                   \
	"SELECT x.host_id, g.uid FROM aggregate_host x JOIN aggregate g ON g.id = x.aggregate_id " where \
	" ORDER BY x.host_id, g.uid"

int store_provider_aggregates(struct db *db, struct arena *a, int64_t host_id, struct provider_member **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (host_id ? db_query(db, err, &st, MEMBERS("WHERE x.host_id = ?"), "i", host_id)
		    : db_query(db, err, &st, MEMBERS(""), NULL))
		return -1;
	return READ_ALL(st, a, member_read, out, out_n, err);
}
