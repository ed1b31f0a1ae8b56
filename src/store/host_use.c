/* SPDX-License-Identifier: Apache-2.0 */
#include "store/host_use.h"

#include "base/util.h"

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
