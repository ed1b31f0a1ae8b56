/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `project` and their tags. A deleted project that bills or deleted servers still name keeps its row
 * (deleted_us); none of these functions but store_project_load shows it. */
#ifndef STORE_PROJECTS_H
#define STORE_PROJECTS_H

#include "base/arena.h"
#include "store/db.h"

struct project {
	int64_t id, domain_id;
	int64_t parent_id; /* 0: its domain */
	const char *uid, *name, *description;
	bool enabled;
	const char *extra; /* a JSON object */
	int64_t created_us, deleted_us;
	/* joined */
	const char *domain_uid, *domain_name, *parent_uid;
	bool domain_enabled;
};

struct project_filter {
	const char *name, *domain_uid, *parent_uid; /* NULL: any */
	int enabled;                                /* -1: any */
	int64_t user_id;                            /* those that this user may scope to; 0: any */
	int64_t after_id;                           /* page: ids above it */
	int64_t limit;                              /* -1: none */
};

/* By the client's id, or by name in a domain, without case. ERR_NOT_FOUND. */
int store_project_get(
	struct db *db, struct arena *a, const char *uid, struct project *out, struct error *err);
int store_project_by_name(struct db *db, struct arena *a, int64_t domain_id, const char *name,
	struct project *out, struct error *err);
/* By row, deleted ones too. ERR_NOT_FOUND. */
int store_project_load(struct db *db, struct arena *a, int64_t id, struct project *out, struct error *err);
/* A cursor, by id; then rows: 1, 0 at the end, -1. Strings are borrowed until the next row when `a` is NULL.
 */
int store_project_query(struct db *db, const struct project_filter *f, sqlite3_stmt **out, struct error *err);
int store_project_next(sqlite3_stmt *st, struct arena *a, struct project *out, struct error *err);
/* Cursors: the projects above one, the nearest first; and all below it, each behind its parent, and before
 * its parent's next child. */
int store_project_above(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err);
int store_project_below(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err);
int store_project_insert(struct db *db, const struct project *p, struct error *err);
/* name, description, enabled, extra */
int store_project_update(struct db *db, const struct project *p, struct error *err);
/* ERR_FORBIDDEN when it has children, ERR_CONFLICT when it holds servers, images, networks or ports. */
int store_project_delete(struct db *db, int64_t id, int64_t now_us, struct error *err);
/* How far below its domain a project is: 1 at the top. */
int store_project_depth(struct db *db, int64_t id, int64_t *out, struct error *err);

/* A cursor of tags (one text column), by name. */
int store_project_tags(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err);
int store_project_tag_count(struct db *db, int64_t id, int64_t *out, struct error *err);
int store_project_tag_add(struct db *db, int64_t id, const char *tag, struct error *err);
/* 1 it is there, 0 not, -1. */
int store_project_tag_has(struct db *db, int64_t id, const char *tag, struct error *err);
/* tag NULL: all. Rows removed, or -1. */
int store_project_tag_remove(struct db *db, int64_t id, const char *tag, struct error *err);

#endif
