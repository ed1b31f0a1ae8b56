/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `access_rule`: requests that application credentials are restricted to. They belong to a user, and
 * several credentials may have the same ones. */
#ifndef STORE_ACCESS_RULES_H
#define STORE_ACCESS_RULES_H

#include "base/arena.h"
#include "store/db.h"

struct access_rule {
	int64_t id, user_id;
	const char *uid, *service, *method, *path;
};

/* The user's rule with the same service, method and path, else this one as a new row: out_id. */
int store_access_rule_ensure(struct db *db, const struct access_rule *r, int64_t *out_id, struct error *err);
int store_access_rule_count(struct db *db, int64_t user_id, int64_t *out, struct error *err);
int store_access_rule_give(struct db *db, int64_t credential_id, int64_t rule_id, struct error *err);
/* Cursors, then rows: 1, 0 at the end, -1. Strings are borrowed when `a` is NULL. */
int store_access_rule_query(struct db *db, int64_t user_id, sqlite3_stmt **out, struct error *err);
int store_access_rule_of(struct db *db, int64_t credential_id, sqlite3_stmt **out, struct error *err);
int store_access_rule_next(sqlite3_stmt *st, struct arena *a, struct access_rule *out, struct error *err);
/* ERR_NOT_FOUND also for another user's. */
int store_access_rule_get(struct db *db, struct arena *a, int64_t user_id, const char *uid,
	struct access_rule *out, struct error *err);
/* ERR_FORBIDDEN while a credential has it. */
int store_access_rule_delete(struct db *db, int64_t id, struct error *err);

#endif
