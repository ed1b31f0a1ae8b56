/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quotas.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* ---- limits ---- */

static int64_t built_in(const char *name)
{
	const struct quota_resource_info *info = quota_resource_named(name);

	return info ? info->default_limit : QUOTA_UNLIMITED;
}

int store_quota_limit(struct db *db, int64_t project_id, const char *name, int64_t *out, struct error *err)
{
	int64_t limit = built_in(name);

	if (db_int_query(db, err, &limit,
		    QUOTA_UP "SELECT coalesce((SELECT q.hard_limit FROM up u JOIN quota q ON q.project_id = "
			     "u.id WHERE q.resource = ?2 ORDER BY u.depth LIMIT 1), (SELECT hard_limit FROM "
			     "quota_default WHERE resource = ?2))",
		    "is", project_id, name) < 0)
		return -1;
	*out = limit;
	return 0;
}

int store_quota_default(struct db *db, const char *name, int64_t *out, struct error *err)
{
	int64_t limit = built_in(name);

	if (db_int_query(db, err, &limit, "SELECT hard_limit FROM quota_default WHERE resource = ?", "s",
		    name) < 0)
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

	/* the nearest is read last */
	if (store_quota_defaults(db, out, err) < 0 ||
		db_query(db, err, &st,
			QUOTA_UP "SELECT q.resource, q.hard_limit FROM up u JOIN quota q ON q.project_id = "
				 "u.id ORDER BY u.depth DESC",
			"i", project_id) < 0)
		return -1;
	return read_limits(st, out, err);
}

int store_quota_gpu_names(struct db *db, struct arena *a, int64_t project_id, const char ***out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char **names = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st,
		    QUOTA_UP
		    "SELECT q.resource FROM up u JOIN quota q ON q.project_id = u.id WHERE q.resource "
		    "GLOB 'gpu:*' UNION SELECT resource FROM quota_default WHERE resource GLOB "
		    "'gpu:*' ORDER BY 1",
		    "i", project_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			const char **more = ARENA_ARRAY(a, const char *, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, names, n * sizeof *names);
			names = more;
			cap = cap ? cap * 2 : 16;
		}
		names[n++] = db_dup(st, 0, a);
	}
	*out = names;
	*out_n = n;
	return rc;
}

/* ---- what fits ---- */

/* A limit of the project or of one above it that holds one of the amounts. */
struct bound {
	size_t i; /* of the amounts */
	int64_t project_id, limit;
	bool own;
};

struct walk {
	struct db *db;
	const struct quota_index *q;
	const struct quota_amounts *want;
	void (*met)(void *ctx, const struct bound *b);
	void *ctx;
	bool *at_top; /* of each amount: the topmost project has a limit of its own */
	int64_t top_id, top_depth;
};

/* To whichever of the amounts the limit is for, unless it is a default that another takes the place of. */
static void meet(struct walk *w, const char *name, struct bound b, bool is_default)
{
	for (b.i = 0; b.i < w->want->n; b.i++) {
		if (strcmp(quota_index_name(w->q, w->want->at[b.i].resource), name) != 0)
			continue;
		if (!is_default || !w->at_top[b.i])
			w->met(w->ctx, &b);
		w->at_top[b.i] |= b.project_id == w->top_id;
		return;
	}
}

static int walk_up(struct walk *w, int64_t project_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(w->db, err, &st,
		    QUOTA_UP
		    "SELECT u.id, u.depth, u.parent_id IS NULL, q.resource, q.hard_limit FROM up u LEFT "
		    "JOIN quota q ON q.project_id = u.id ORDER BY u.depth",
		    "i", project_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (db_int(st, 2)) {
			w->top_id = db_int(st, 0);
			w->top_depth = db_int(st, 1);
		}
		if (!db_is_null(st, 3))
			meet(w, db_text(st, 3),
				(struct bound) { .project_id = db_int(st, 0),
					.limit = db_int(st, 4),
					.own = db_int(st, 1) == 0 },
				false);
	}
	return rc;
}

/* The cloud's defaults hold the topmost project, where it has no limit of its own. */
static int walk_defaults(struct walk *w, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct bound b = { .project_id = w->top_id, .own = w->top_depth == 0 };
	int rc;

	if (db_query(w->db, err, &st, "SELECT resource, hard_limit FROM quota_default", NULL) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		b.limit = db_int(st, 1);
		meet(w, db_text(st, 0), b, true);
	}
	for (b.i = 0; rc == 0 && b.i < w->want->n; b.i++) {
		b.limit = built_in(quota_index_name(w->q, w->want->at[b.i].resource));
		if (!w->at_top[b.i])
			w->met(w->ctx, &b);
	}
	return rc;
}

static int walk(struct walk *w, int64_t project_id, struct error *err)
{
	int rc;

	w->at_top = xcalloc(w->want->n + 1, sizeof *w->at_top);
	rc = walk_up(w, project_id, err) || walk_defaults(w, err) ? -1 : 0;
	free(w->at_top);
	return rc;
}

struct admission {
	const struct walk *w;
	struct bound first; /* that does not hold it */
	bool refused;
};

static void admit(void *ctx, const struct bound *b)
{
	struct admission *x = ctx;
	const struct quota_amount *want = &x->w->want->at[b->i];
	int64_t used = quota_index_tree(x->w->q, b->project_id, want->resource);

	if (quota_fits(b->limit, used, want->n) || (x->refused && x->first.i <= b->i))
		return;
	x->refused = true;
	x->first = *b;
}

int store_quota_admit(struct db *db, const struct quota_index *q, int64_t project_id,
	const struct quota_amounts *want, struct error *err)
{
	struct admission x = { .refused = false };
	struct walk w = { .db = db, .q = q, .want = want, .met = admit, .ctx = &x };
	const struct quota_amount *a;
	int64_t own, used;

	x.w = &w;
	if (walk(&w, project_id, err))
		return -1;
	if (!x.refused)
		return 0;
	a = &want->at[x.first.i];
	own = quota_index_get(q, project_id, a->resource);
	used = x.first.own ? quota_index_tree(q, project_id, a->resource) : own;
	return quota_refuse(quota_index_name(q, a->resource),
		!x.first.own  ? QUOTA_PARENTS
		: used != own ? QUOTA_OWN_TREE
			      : QUOTA_OWN,
		x.first.limit, used, a->n, err);
}

struct rooms {
	const struct walk *w;
	int64_t n;
};

static void count_room(void *ctx, const struct bound *b)
{
	struct rooms *x = ctx;
	const struct quota_amount *each = &x->w->want->at[b->i];
	int64_t left = b->limit - quota_index_tree(x->w->q, b->project_id, each->resource);

	if (b->limit == QUOTA_UNLIMITED || each->n <= 0)
		return;
	left = left > 0 ? left / each->n : 0;
	if (left < x->n)
		x->n = left;
}

int store_quota_room(struct db *db, const struct quota_index *q, int64_t project_id,
	const struct quota_amounts *each, int64_t max, int64_t *out, struct error *err)
{
	struct rooms x = { .n = max };
	struct walk w = { .db = db, .q = q, .want = each, .met = count_room, .ctx = &x };

	x.w = &w;
	if (walk(&w, project_id, err))
		return -1;
	*out = x.n;
	return 0;
}

int store_quota_project(
	struct db *db, const char *project_uid, bool deleted_too, int64_t *out_id, struct error *err)
{
	return db_int_query(db, err, out_id,
		"SELECT id FROM project WHERE uid = ?1 AND (?2 OR deleted_us = 0)", "si", project_uid,
		(int64_t)deleted_too);
}
