/* SPDX-License-Identifier: Apache-2.0 */
#include "store/restored.h"

#include <stdio.h>

#include "base/util.h"
#include "store/meta.h"

int store_restored_get(struct db *db, struct restored *out, struct error *err)
{
	char text[256];
	long long at, made;
	int rc = store_meta_get(db, "restored", text, sizeof text, err), name = 0;

	if (rc <= 0)
		return rc;
	if (sscanf(text, "%lld %lld %n", &at, &made, &name) < 2 || !name)
		return error_internal(err, "meta 'restored' is not what it should be: %s", text);
	out->at_us = at;
	out->backup_us = made;
	str_copy(out->backup, sizeof out->backup, text + name);
	return 1;
}

int store_restored_end(struct db *db, struct arena *a, int64_t **out_flows, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int64_t n = 0;
	int rc;

	if (db_run(db, err, "DELETE FROM meta WHERE key = 'restored'", NULL) < 0 ||
		db_int_query(db, err, &n, "SELECT count(*) FROM flow WHERE last_error = ?", "s",
			RESTORED_HELD) < 0 ||
		db_query(db, err, &st, "SELECT id FROM flow WHERE last_error = ? ORDER BY id", "s",
			RESTORED_HELD) < 0)
		return -1;
	*out_flows = ARENA_ARRAY(a, int64_t, (size_t)n + 1);
	*out_n = 0;
	while ((rc = db_row(st, err)) > 0)
		(*out_flows)[(*out_n)++] = db_int(st, 0);
	return rc;
}
