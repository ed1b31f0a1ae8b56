/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of projects: rows of `quota` where an operator set one. A project without one of its own has the
 * limit of the nearest project above it that has one; at the top it is the cloud's default: a row of
 * `quota_default`, else that of domain/quota.h. What a limit holds is the use of the project with all below
 * it. */
#ifndef STORE_QUOTAS_H
#define STORE_QUOTAS_H

#include "domain/quota.h"
#include "store/db.h"

/* A cursor of a project and those above it, the nearest first, is begun with this: (id, parent_id, depth). */
#define QUOTA_UP                                                                                       \
	"WITH RECURSIVE up(id, parent_id, depth) AS (SELECT id, parent_id, 0 FROM project WHERE id = " \
	"?1 UNION ALL SELECT p.id, p.parent_id, u.depth + 1 FROM up u JOIN project p ON p.id = "       \
	"u.parent_id) "

/* What holds for a project: of one resource by its name, and of all of the table. */
int store_quota_limit(struct db *db, int64_t project_id, const char *name, int64_t *out, struct error *err);
int store_quota_limits(struct db *db, int64_t project_id, int64_t out[QUOTA_MAX], struct error *err);
/* The cloud's default of one, and of all of the table. */
int store_quota_default(struct db *db, const char *name, int64_t *out, struct error *err);
int store_quota_defaults(struct db *db, int64_t out[QUOTA_MAX], struct error *err);
/* Names of GPUs that limits of the project, of those above it or of the cloud speak of; by name. */
int store_quota_gpu_names(struct db *db, struct arena *a, int64_t project_id, const char ***out,
	size_t *out_n, struct error *err);

/* Does this fit inside all limits of the project and of those above it? ERR_OVER_QUOTA names the first of
 * `want` that does not. In the unit that goes on to use it. */
int store_quota_admit(struct db *db, const struct quota_index *q, int64_t project_id,
	const struct quota_amounts *want, struct error *err);
/* How many times `each` fits, at most `max`. */
int store_quota_room(struct db *db, const struct quota_index *q, int64_t project_id,
	const struct quota_amounts *each, int64_t max, int64_t *out, struct error *err);

/* The row of the project that a client names, deleted ones only when asked for: 1 found, 0 no such project,
 * -1. */
int store_quota_project(
	struct db *db, const char *project_uid, bool deleted_too, int64_t *out_id, struct error *err);

#endif
