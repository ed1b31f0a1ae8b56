/* SPDX-License-Identifier: Apache-2.0 */
#include "store/snapshots.h"

#include "base/util.h"

enum { SURPLUS_MAX = 1000 };

/* A rotation that is no number any more keeps all. */
#define ROTATION                                                                                          \
	"coalesce((SELECT CASE WHEN value GLOB '[0-9]*' AND value NOT GLOB '*[^0-9]*' "                   \
	"AND length(value) < 10 THEN CAST(value AS INTEGER) END FROM image_property WHERE image_id = ?1 " \
	"AND key = '" SNAPSHOT_ROTATION "'), 1000000000)"
#define SAME(key_name)                                                                          \
	"AND EXISTS (SELECT 1 FROM image_property x, image_property y WHERE x.image_id = i.id " \
	"AND y.image_id = n.id AND x.key = '" key_name "' AND y.key = x.key AND y.value = x.value) "

int store_snapshot_surplus(
	struct db *db, struct arena *a, int64_t image_id, int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT i.id FROM image n JOIN image i ON i.project_id = n.project_id WHERE n.id = ?1 "
		"AND EXISTS (SELECT 1 FROM image_property t WHERE t.image_id = n.id "
		"AND t.key = '" SNAPSHOT_TYPE "' AND t.value = 'backup') " SAME(SNAPSHOT_TYPE)
			SAME(SNAPSHOT_INSTANCE)
				SAME(SNAPSHOT_BACKUP_TYPE) "AND i.deleted_us = 0 AND i.status = 'active' AND "
							   "i.protected = 0 "
							   "ORDER BY i.created_us DESC, i.id DESC LIMIT ?2 "
							   "OFFSET " ROTATION;
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t *ids = ARENA_ARRAY(a, int64_t, SURPLUS_MAX);
	size_t n = 0;
	int rc;

	if (db_query(db, err, &st, sql, "ii", image_id, (int64_t)SURPLUS_MAX))
		return -1;
	while ((rc = db_row(st, err)) > 0)
		ids[n++] = db_int(st, 0);
	*out = ids;
	*out_n = n;
	return rc;
}
