/* SPDX-License-Identifier: Apache-2.0 */
#include "store/meta.h"

#include "base/util.h"

int store_meta_ensure(
	struct db *db, const char *key, const char *fresh, char *out, size_t size, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;

	if (db_run(db, err, "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", "ss", key,
		    fresh) < 0)
		return -1;
	if (db_query(db, err, &st, "SELECT value FROM meta WHERE key = ?", "s", key) < 0 ||
		db_row(st, err) < 0)
		return -1;
	db_copy(st, 0, out, size);
	return 0;
}

int store_meta_get(struct db *db, const char *key, char *out, size_t size, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT value FROM meta WHERE key = ?", "s", key) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		db_copy(st, 0, out, size);
	return rc;
}
