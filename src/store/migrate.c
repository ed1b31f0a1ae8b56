/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <stdio.h>

#include "store/internal.h"

static int exec(sqlite3 *h, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(h, rc, err);
}

static int pragma_int(sqlite3 *h, const char *sql, int *out, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(h, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(st, 0);
	else
		db_error(h, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

/* Foreign keys are off while scripts rebuild tables, so they are looked over as a whole before the commit. */
static int foreign_keys_hold(sqlite3 *h, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(h, "PRAGMA foreign_key_check", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		error_internal(err, "a row of table %s names a row of %s that is not there",
			(const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 2));
	else if (rc != SQLITE_DONE)
		db_error(h, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int script(sqlite3 *h, const struct migration *m, struct error *err)
{
	char version[64];

	snprintf(version, sizeof version, "PRAGMA user_version = %d", m->version);
	if (exec(h, "BEGIN IMMEDIATE", err))
		return -1;
	if (!exec(h, m->sql, err) && !foreign_keys_hold(h, err) && !exec(h, version, err) &&
		!exec(h, "COMMIT", err))
		return 0;
	if (!sqlite3_get_autocommit(h))
		sqlite3_exec(h, "ROLLBACK", NULL, NULL, NULL);
	return error_wrap(err, "schema change %s", m->name);
}

int migrate_refuse_newer(sqlite3 *h, const struct migration *list, size_t n, struct error *err)
{
	int have = 0, newest = n ? list[n - 1].version : 0;

	if (pragma_int(h, "PRAGMA user_version", &have, err))
		return -1;
	if (have > newest)
		return error_set(err, ERR_CONFLICT,
			"the database has schema %d, this cloudd knows schemas up to %d: use the newer "
			"cloudd that "
			"wrote it, or restore a backup from before its upgrade",
			have, newest);
	return 0;
}

int migrate_run(sqlite3 *h, const struct migration *list, size_t n, int *out_version, struct error *err)
{
	int have = 0, rc = 0;

	if (migrate_refuse_newer(h, list, n, err) || pragma_int(h, "PRAGMA user_version", &have, err))
		return -1;
	if (exec(h, "PRAGMA foreign_keys = OFF", err))
		return -1;
	for (size_t i = 0; i < n && !rc; i++) {
		if (list[i].version > have)
			rc = script(h, &list[i], err);
	}
	if (rc || exec(h, "PRAGMA foreign_keys = ON", err))
		return -1;
	*out_version = n ? list[n - 1].version : 0;
	return 0;
}
