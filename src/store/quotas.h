/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of projects: rows of `quota` where an operator set one, else the cloud's defaults: rows of
 * `quota_default`, else those of domain/quota.h. */
#ifndef STORE_QUOTAS_H
#define STORE_QUOTAS_H

#include "domain/quota.h"
#include "store/db.h"

int store_quota_limit(
	struct db *db, int64_t project_id, enum quota_resource r, int64_t *out, struct error *err);
/* All of a project's at once. */
int store_quota_limits(struct db *db, int64_t project_id, int64_t out[QUOTA_MAX], struct error *err);
int store_quota_set(
	struct db *db, int64_t project_id, enum quota_resource r, int64_t limit, struct error *err);
/* The cloud's defaults, and a new one of them. */
int store_quota_defaults(struct db *db, int64_t out[QUOTA_MAX], struct error *err);
int store_quota_default_set(struct db *db, enum quota_resource r, int64_t limit, struct error *err);
/* One service's limits go back to the defaults. */
int store_quota_reset(struct db *db, int64_t project_id, enum quota_service service, struct error *err);
/* The row of the project that a client names, deleted ones only when asked for: 1 found, 0 no such project,
 * -1. */
int store_quota_project(
	struct db *db, const char *project_uid, bool deleted_too, int64_t *out_id, struct error *err);

#endif
