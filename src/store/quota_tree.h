/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's limits, and what holds between them: the limits of the projects below one fit inside its
 * own. Whatever breaks that is ERR_BAD_REQUEST, naming resource, sum, limit and project; the unit is to fail.
 */
#ifndef STORE_QUOTA_TREE_H
#define STORE_QUOTA_TREE_H

#include "domain/quota.h"
#include "store/db.h"

int store_quota_set(struct db *db, int64_t project_id, const char *name, int64_t limit, struct error *err);
/* One service's limits go back to what holds without them. */
int store_quota_reset(struct db *db, int64_t project_id, enum quota_service service, struct error *err);
int store_quota_default_set(struct db *db, const char *name, int64_t limit, struct error *err);

/* A project whose limit those below it do not fit inside. */
struct quota_torn {
	const char *project_uid, *project_name, *name; /* name: the resource's */
	int64_t limit;
	struct quota_below below;
};
typedef void quota_torn_fn(void *ctx, const struct quota_torn *torn);
/* Of one resource, or of all (NULL). */
int store_quota_torn(struct db *db, const char *name, quota_torn_fn *found, void *ctx, struct error *err);

/* The tree from a project down (0: all), each behind its parent: limits of its own, by project and resource.
 */
struct quota_tree_row {
	int64_t id, parent_id, depth;
	const char *uid, *name, *resource; /* resource NULL: it has no limit of its own; borrowed */
	int64_t limit;
};
int store_quota_tree(struct db *db, int64_t project_id, sqlite3_stmt **out, struct error *err);
int store_quota_tree_next(sqlite3_stmt *st, struct quota_tree_row *out, struct error *err);

#endif
