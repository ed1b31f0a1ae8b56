/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quotas.h"

#include "base/util.h"

int store_quota_limit(
	struct db *db, int64_t project_id, enum quota_resource r, int64_t *out, struct error *err)
{
	const struct quota_resource_info *info = quota_resource_info(r);
	int64_t limit = info->default_limit;

	if (db_int_query(db, err, &limit,
		    "SELECT coalesce((SELECT hard_limit FROM quota WHERE project_id = ?1 AND resource = ?2),"
		    " (SELECT hard_limit FROM quota_default WHERE resource = ?2))",
		    "is", project_id, info->name) < 0)
		return -1;
	*out = limit;
	return 0;
}

static int read_limits(sqlite3_stmt *st, int64_t out[QUOTA_MAX], struct error *err)
{
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		enum quota_resource r;

		if (quota_resource_find(db_text(st, 0), &r))
			out[r] = db_int(st, 1);
	}
	return rc;
}

int store_quota_defaults(struct db *db, int64_t out[QUOTA_MAX], struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	for (int r = 0; r < QUOTA_MAX; r++)
		out[r] = quota_resource_info((enum quota_resource)r)->default_limit;
	if (db_query(db, err, &st, "SELECT resource, hard_limit FROM quota_default", NULL) < 0)
		return -1;
	return read_limits(st, out, err);
}

int store_quota_limits(struct db *db, int64_t project_id, int64_t out[QUOTA_MAX], struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (store_quota_defaults(db, out, err) < 0 ||
		db_query(db, err, &st, "SELECT resource, hard_limit FROM quota WHERE project_id = ?", "i",
			project_id) < 0)
		return -1;
	return read_limits(st, out, err);
}

int store_quota_default_set(struct db *db, enum quota_resource r, int64_t limit, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO quota_default (resource, hard_limit) VALUES (?, ?)"
		       " ON CONFLICT (resource) DO UPDATE SET hard_limit = excluded.hard_limit",
		       "si", quota_resource_info(r)->name, limit) < 0
		       ? -1
		       : 0;
}

int store_quota_set(
	struct db *db, int64_t project_id, enum quota_resource r, int64_t limit, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO quota (project_id, resource, hard_limit) VALUES (?, ?, ?)"
		    " ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit",
		    "isi", project_id, quota_resource_info(r)->name, limit) < 0)
		return -1;
	return 0;
}

int store_quota_reset(struct db *db, int64_t project_id, enum quota_service service, struct error *err)
{
	for (int r = 0; r < QUOTA_MAX; r++) {
		const struct quota_resource_info *info = quota_resource_info((enum quota_resource)r);

		if (info->service != service)
			continue;
		if (db_run(db, err, "DELETE FROM quota WHERE project_id = ? AND resource = ?", "is",
			    project_id, info->name) < 0)
			return -1;
	}
	return 0;
}

int store_quota_project(
	struct db *db, const char *project_uid, bool deleted_too, int64_t *out_id, struct error *err)
{
	return db_int_query(db, err, out_id,
		"SELECT id FROM project WHERE uid = ?1 AND (?2 OR deleted_us = 0)", "si", project_uid,
		(int64_t)deleted_too);
}
