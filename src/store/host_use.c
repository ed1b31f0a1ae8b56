/* SPDX-License-Identifier: Apache-2.0 */
#include "store/host_use.h"

#include "base/util.h"
#include "store/books.h"

int store_host_use(struct db *db, int64_t host_id, struct host_use *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT count(*), coalesce(sum(vcpus), 0), coalesce(sum(ram_mib), 0), "
		    "coalesce(sum(disk_gib), 0)"
		    " FROM allocation WHERE host_id = ?",
		    "i", host_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc < 0)
		return -1;
	*out = (struct host_use) { db_int(st, 0), db_int(st, 1), db_int(st, 2), db_int(st, 3) };
	return 0;
}

int store_host_use_cpus(struct db *db, struct arena *a, int64_t host_id, struct host_use_cpu **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT c.cpu, s.uid, s.name FROM allocation_cpu c JOIN allocation a ON a.id = "
		"c.allocation_id "
		"JOIN server s ON s.id = a.server_id WHERE c.host_id = ? ORDER BY s.id, c.cpu";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_use_cpu *list;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, "SELECT count(*) FROM allocation_cpu WHERE host_id = ?", "i",
		    host_id) < 0 ||
		db_query(db, err, &st, sql, "i", host_id) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct host_use_cpu, (size_t)max + 1);
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		list[n++] = (struct host_use_cpu) { db_int(st, 0), db_dup(st, 1, a), db_dup(st, 2, a) };
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_host_use_cells(struct db *db, struct arena *a, int64_t host_id, struct host_use_cell **out,
	size_t *out_n, struct error *err)
{
	enum { ROWS_MAX = 1024 }; /* cells by sizes of pages */
	static const char sql[] =
		"SELECT cell, page_kib, sum(ram_mib) FROM allocation_cell WHERE host_id = ? "
		"GROUP BY cell, page_kib ORDER BY cell, page_kib";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_use_cell *list = ARENA_ARRAY(a, struct host_use_cell, ROWS_MAX);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "i", host_id) < 0)
		return -1;
	while (n < ROWS_MAX && (rc = db_row(st, err)) > 0)
		list[n++] = (struct host_use_cell) { db_int(st, 0), db_int(st, 1), db_int(st, 2) };
	*out = list;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_host_use_servers(struct db *db, struct arena *a, int64_t host_id, struct server_pair **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_pair *list;
	int64_t n = 0, i = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM server WHERE host_id = ? AND deleted_us = 0", "i",
		    host_id) < 0 ||
		db_query(db, err, &st,
			"SELECT name, uid FROM server WHERE host_id = ? AND deleted_us = 0 ORDER BY id", "i",
			host_id) < 0)
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

int store_host_use_projects(struct db *db, struct arena *a, int64_t host_id, const char ***out_uids,
	struct host_use **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_use *uses;
	const char **uids;
	int64_t max = 0;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, "SELECT count(*) FROM allocation WHERE host_id = ?", "i", host_id) <
			0 ||
		db_query(db, err, &st,
			"SELECT p.uid, count(DISTINCT s.id), sum(x.vcpus), sum(x.ram_mib), sum(x.disk_gib)"
			" FROM allocation x JOIN server s ON s.id = x.server_id JOIN project p"
			" ON p.id = s.project_id WHERE x.host_id = ? GROUP BY p.id ORDER BY p.id",
			"i", host_id) < 0)
		return -1;
	uids = ARENA_ARRAY(a, const char *, (size_t)max + 1);
	uses = ARENA_ARRAY(a, struct host_use, (size_t)max + 1);
	for (; n < (size_t)max && (rc = db_row(st, err)) > 0; n++) {
		uids[n] = db_dup(st, 0, a);
		uses[n] = (struct host_use) { db_int(st, 1), db_int(st, 2), db_int(st, 3), db_int(st, 4) };
	}
	*out_uids = uids;
	*out = uses;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_host_use_metered(struct db *db, struct arena *a, int64_t from_us, int64_t to_us,
	const char ***out_names, int64_t **out_servers, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char **names;
	int64_t max = 0, *servers;
	size_t n = 0;
	int rc = 0;

	if (db_int_query(db, err, &max, "SELECT count(*) FROM host", NULL) < 0 ||
		db_query(db, err, &st,
			"SELECT h.name, coalesce(m.n, 0) FROM host h LEFT JOIN (SELECT s.host_id AS host_id,"
			" count(DISTINCT u.subject_id) AS n FROM usage u JOIN server s ON s.id = u.subject_id"
			" WHERE u.kind = 'server' AND u.started_us < ?2 AND (u.ended_us IS NULL OR "
			"u.ended_us > ?1)"
			" GROUP BY s.host_id) m ON m.host_id = h.id ORDER BY h.name",
			"ii", books_from_wall(db, from_us), books_from_wall(db, to_us)) < 0)
		return -1;
	names = ARENA_ARRAY(a, const char *, (size_t)max + 1);
	servers = ARENA_ARRAY(a, int64_t, (size_t)max + 1);
	for (; n < (size_t)max && (rc = db_row(st, err)) > 0; n++) {
		names[n] = db_dup(st, 0, a);
		servers[n] = db_int(st, 1);
	}
	*out_names = names;
	*out_servers = servers;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
