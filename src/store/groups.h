/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `user_group` and their members. */
#ifndef STORE_GROUPS_H
#define STORE_GROUPS_H

#include "base/arena.h"
#include "store/db.h"

struct user_group {
	int64_t id, domain_id;
	const char *uid, *name, *description;
	const char *extra;      /* a JSON object */
	const char *domain_uid; /* joined */
};

struct user_group_filter {
	const char *name, *domain_uid; /* NULL: any */
	int64_t user_id;               /* those that it is in; 0: any */
	int64_t after_id;              /* page: ids above it */
	int64_t limit;                 /* -1: none */
};

/* By the client's id. ERR_NOT_FOUND. */
int store_group_get(
	struct db *db, struct arena *a, const char *uid, struct user_group *out, struct error *err);
/* A cursor, by id; then rows: 1, 0 at the end, -1. Strings are borrowed until the next row when `a` is NULL.
 */
int store_group_query(
	struct db *db, const struct user_group_filter *f, sqlite3_stmt **out, struct error *err);
int store_group_next(sqlite3_stmt *st, struct arena *a, struct user_group *out, struct error *err);
int store_group_insert(struct db *db, const struct user_group *g, struct error *err);
int store_group_update(struct db *db, const struct user_group *g, struct error *err);
/* With memberships and assignments; the tokens of its members go too. */
int store_group_delete(struct db *db, int64_t id, struct error *err);

int store_group_member_add(struct db *db, int64_t group_id, int64_t user_id, struct error *err);
/* 1 it is in, 0 not, -1. */
int store_group_member_has(struct db *db, int64_t group_id, int64_t user_id, struct error *err);
/* Rows removed, or -1. */
int store_group_member_remove(struct db *db, int64_t group_id, int64_t user_id, struct error *err);

#endif
