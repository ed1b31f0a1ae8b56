/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `role`, and which role implies which. */
#ifndef STORE_ROLES_H
#define STORE_ROLES_H

#include "base/arena.h"
#include "store/db.h"

/* The roles that every cloud has; their rows come with the schema. */
enum { ROLE_ID_ADMIN = 2, ROLE_ID_MEMBER = 3, ROLE_ID_READER = 4 };

struct role {
	int64_t id;
	int64_t domain_id; /* 0: of the whole cloud */
	const char *uid, *name, *description /* may be NULL */, *extra;
	const char *domain_uid; /* joined; NULL: none */
};

struct role_filter {
	const char *name;       /* NULL: any */
	const char *domain_uid; /* NULL: those of the whole cloud */
	int64_t implied_by;     /* directly; 0: any */
	bool all;               /* also those of domains */
};

/* By the client's id. ERR_NOT_FOUND. */
int store_role_get(struct db *db, struct arena *a, const char *uid, struct role *out, struct error *err);
/* A cursor, by id; then rows: 1, 0 at the end, -1. Strings are borrowed until the next row when `a` is NULL.
 */
int store_role_query(struct db *db, const struct role_filter *f, sqlite3_stmt **out, struct error *err);
int store_role_next(sqlite3_stmt *st, struct arena *a, struct role *out, struct error *err);
int store_role_insert(struct db *db, const struct role *r, struct error *err);
int store_role_update(struct db *db, const struct role *r, struct error *err);
/* With all assignments of it. */
int store_role_delete(struct db *db, int64_t id, struct error *err);

int store_role_implies_add(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err);
/* 1 it does, 0 not, -1. Directly, or over others too. */
int store_role_implies_has(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err);
int store_role_implies_reaches(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err);
/* Rows removed, or -1. */
int store_role_implies_remove(struct db *db, int64_t prior_id, int64_t implied_id, struct error *err);

#endif
