/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quota_tree.h"

#include <inttypes.h>

#include "base/util.h"
#include "store/quotas.h"
#include "store/row.h"

/* ---- does it fit? ---- */

static int refuse(const struct quota_torn *t, struct error *err)
{
	const struct quota_resource_info *info = quota_resource_named(t->name);

	if (t->below.unlimited)
		return error_set(err, ERR_BAD_REQUEST,
			"Limits of %.64s do not fit: a project below %.64s would be unlimited (-1), which "
			"does "
			"not fit inside the limit of %" PRId64,
			t->name, t->project_name, t->limit);
	if (info && info->scope != QUOTA_PER_PROJECT)
		return error_set(err, ERR_BAD_REQUEST,
			"Limits of %.64s do not fit: a project below %.64s would have %" PRId64
			", more than the limit of %" PRId64,
			t->name, t->project_name, t->below.max, t->limit);
	return error_set(err, ERR_BAD_REQUEST,
		"Limits of %.64s do not fit: those of the projects below %.64s would sum up to %" PRId64
		", more than its limit of %" PRId64,
		t->name, t->project_name, t->below.sum, t->limit);
}

static bool fits(const struct quota_torn *t)
{
	const struct quota_resource_info *info = quota_resource_named(t->name);

	return quota_below_fits(info ? info->scope : QUOTA_PER_PROJECT, t->limit, &t->below);
}

/* What the limits below a project come to: of each way down the first one. */
static int read_below(
	struct db *db, int64_t project_id, const char *name, struct quota_below *out, struct error *err)
{
	static const char sql[] =
		"WITH RECURSIVE below(id, hard_limit) AS (SELECT p.id, q.hard_limit FROM project p LEFT JOIN "
		"quota q ON q.project_id = p.id AND q.resource = ?2 WHERE p.parent_id = ?1 AND p.deleted_us "
		"= 0 "
		"UNION ALL SELECT p.id, q.hard_limit FROM below b JOIN project p ON p.parent_id = b.id AND "
		"p.deleted_us = 0 LEFT JOIN quota q ON q.project_id = p.id AND q.resource = ?2 WHERE "
		"b.hard_limit IS NULL) SELECT count(*), sum(max(hard_limit, 0)), max(hard_limit), "
		"min(hard_limit) < 0 FROM below WHERE hard_limit IS NOT NULL";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, sql, "is", project_id, name) < 0 || db_row(st, err) < 0)
		return -1;
	*out = (struct quota_below) { .n = db_int(st, 0),
		.sum = db_int(st, 1),
		.max = db_int(st, 2),
		.unlimited = db_int(st, 3) != 0 };
	return 0;
}

/* The limit that holds a project, from `depth` above it on, against those below that limit's project. */
static int check_from(struct db *db, int64_t project_id, const char *name, int64_t depth, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct quota_torn t = { .name = name };
	int rc;

	if (store_quota_default(db, name, &t.limit, err) < 0 ||
		db_query(db, err, &st,
			QUOTA_UP
			"SELECT u.id, p.uid, q.hard_limit, p.name FROM up u JOIN project p ON p.id = u.id "
			"LEFT "
			"JOIN quota q ON q.project_id = u.id AND q.resource = ?2 WHERE u.depth >= ?3 AND "
			"(q.hard_limit IS NOT NULL OR u.parent_id IS NULL) ORDER BY u.depth LIMIT 1",
			"isi", project_id, name, depth) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	t.project_uid = db_text(st, 1);
	t.project_name = db_text(st, 3);
	if (!db_is_null(st, 2))
		t.limit = db_int(st, 2);
	if (read_below(db, db_int(st, 0), name, &t.below, err) < 0)
		return -1;
	return fits(&t) ? 0 : refuse(&t, err);
}

/* ---- changes ---- */

int store_quota_set(struct db *db, int64_t project_id, const char *name, int64_t limit, struct error *err)
{
	if (db_run(db, err,
		    "INSERT INTO quota (project_id, resource, hard_limit) VALUES (?, ?, ?)"
		    " ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit",
		    "isi", project_id, name, limit) < 0)
		return -1;
	/* those below it inside its own, and it with its neighbours inside what is above */
	return check_from(db, project_id, name, 0, err) || check_from(db, project_id, name, 1, err) ? -1 : 0;
}

static int reset_one(struct db *db, int64_t project_id, const char *name, struct error *err)
{
	int n = db_run(
		db, err, "DELETE FROM quota WHERE project_id = ? AND resource = ?", "is", project_id, name);

	return n <= 0 ? n : check_from(db, project_id, name, 0, err);
}

int store_quota_reset(struct db *db, int64_t project_id, enum quota_service service, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const char **gpus;
	size_t n = 0;

	for (int r = 0; r < QUOTA_MAX; r++) {
		const struct quota_resource_info *info = quota_resource_info((enum quota_resource)r);

		if (info->service == service && reset_one(db, project_id, info->name, err) < 0)
			return -1;
	}
	if (service != QUOTA_COMPUTE)
		return 0;
	if (store_quota_gpu_names(db, &a, project_id, &gpus, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (reset_one(db, project_id, gpus[i], err) < 0)
			return -1;
	return 0;
}

struct first_torn {
	struct error *err;
	bool any;
};

static void refuse_first(void *ctx, const struct quota_torn *torn)
{
	struct first_torn *f = ctx;

	if (!f->any)
		refuse(torn, f->err);
	f->any = true;
}

int store_quota_default_set(struct db *db, const char *name, int64_t limit, struct error *err)
{
	struct first_torn f = { .err = err };

	if (db_run(db, err,
		    "INSERT INTO quota_default (resource, hard_limit) VALUES (?, ?)"
		    " ON CONFLICT (resource) DO UPDATE SET hard_limit = excluded.hard_limit",
		    "si", name, limit) < 0 ||
		store_quota_torn(db, name, refuse_first, &f, err) < 0)
		return -1;
	return f.any ? -1 : 0;
}

/* ---- the whole tree ---- */

int store_quota_torn(struct db *db, const char *name, quota_torn_fn *found, void *ctx, struct error *err)
{
	/* each limit climbs to the next one above it, or to the top */
	static const char sql[] =
		"WITH RECURSIVE up(resource, hard_limit, at) AS (SELECT q.resource, q.hard_limit, "
		"p.parent_id "
		"FROM quota q JOIN project p ON p.id = q.project_id WHERE p.deleted_us = 0 AND p.parent_id "
		"IS "
		"NOT NULL AND (?1 IS NULL OR q.resource = ?1) UNION ALL SELECT u.resource, u.hard_limit, "
		"p.parent_id FROM up u JOIN project p ON p.id = u.at WHERE p.parent_id IS NOT NULL AND NOT "
		"EXISTS (SELECT 1 FROM quota o WHERE o.project_id = u.at AND o.resource = u.resource)) "
		"SELECT p.uid, u.resource, o.hard_limit, count(*), sum(max(u.hard_limit, 0)), "
		"max(u.hard_limit), min(u.hard_limit) < 0, p.name FROM up u JOIN project p ON p.id = u.at "
		"LEFT JOIN "
		"quota o ON o.project_id = u.at AND o.resource = u.resource WHERE o.hard_limit IS NOT NULL "
		"OR "
		"p.parent_id IS NULL GROUP BY u.at, u.resource";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "s", name) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct quota_torn t = { .project_uid = db_text(st, 0),
			.project_name = db_text(st, 7),
			.name = db_text(st, 1),
			.limit = db_int(st, 2),
			.below = { .n = db_int(st, 3),
				.sum = db_int(st, 4),
				.max = db_int(st, 5),
				.unlimited = db_int(st, 6) != 0 } };

		if (db_is_null(st, 2) && store_quota_default(db, t.name, &t.limit, err) < 0)
			return -1;
		if (!fits(&t))
			found(ctx, &t);
	}
	return rc;
}

int store_quota_tree(struct db *db, int64_t project_id, sqlite3_stmt **out, struct error *err)
{
	return db_query(db, err, out,
		"WITH RECURSIVE tree(id, path, depth) AS (SELECT id, format('%020d', id), 0 FROM project "
		"WHERE "
		"deleted_us = 0 AND iif(?1 = 0, parent_id IS NULL, id = ?1) UNION ALL SELECT c.id, t.path || "
		"format('/%020d', c.id), t.depth + 1 FROM tree t JOIN project c ON c.parent_id = t.id WHERE "
		"c.deleted_us = 0) SELECT p.id, p.parent_id, t.depth, p.uid, p.name, q.resource, "
		"q.hard_limit "
		"FROM tree t JOIN project p ON p.id = t.id LEFT JOIN quota q ON q.project_id = p.id ORDER BY "
		"t.path, q.resource",
		"i", project_id);
}

int store_quota_tree_next(sqlite3_stmt *st, struct quota_tree_row *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		*out = (struct quota_tree_row) { .id = db_int(st, 0),
			.parent_id = row_key(st, 1),
			.depth = db_int(st, 2),
			.uid = db_text(st, 3),
			.name = db_text(st, 4),
			.resource = db_text(st, 5),
			.limit = db_int(st, 6) };
	return rc;
}
