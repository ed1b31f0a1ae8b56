/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `domain`: the name spaces of projects, users and groups. */
#ifndef STORE_DOMAINS_H
#define STORE_DOMAINS_H

#include "base/arena.h"
#include "store/db.h"

#define DOMAIN_DEFAULT_UID "default"

struct domain {
	int64_t id;
	const char *uid, *name, *description;
	bool enabled;
	const char *extra; /* a JSON object */
};

struct domain_filter {
	const char *name; /* NULL: any */
	int enabled;      /* -1: any */
};

/* By the client's id, or by name. ERR_NOT_FOUND. */
int store_domain_get(struct db *db, struct arena *a, const char *uid, struct domain *out, struct error *err);
int store_domain_by_name(
	struct db *db, struct arena *a, const char *name, struct domain *out, struct error *err);
/* By row. ERR_NOT_FOUND. */
int store_domain_load(struct db *db, struct arena *a, int64_t id, struct domain *out, struct error *err);
/* A cursor, by id; then rows: 1, 0 at the end, -1. Strings are borrowed until the next row when `a` is NULL.
 */
int store_domain_query(struct db *db, const struct domain_filter *f, sqlite3_stmt **out, struct error *err);
int store_domain_next(sqlite3_stmt *st, struct arena *a, struct domain *out, struct error *err);
/* A name that is taken: ERR_CONFLICT. */
int store_domain_insert(struct db *db, const struct domain *d, struct error *err);
int store_domain_update(struct db *db, const struct domain *d, struct error *err);
/* With its users, groups, roles and projects. ERR_CONFLICT when a project still holds something. */
int store_domain_delete(struct db *db, int64_t id, int64_t now_us, struct error *err);

#endif
