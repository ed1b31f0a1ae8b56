/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `budget`: what a project means to spend a month, and which shares of it are to be told of. */
#ifndef STORE_BUDGETS_H
#define STORE_BUDGETS_H

#include "base/arena.h"
#include "store/db.h"

struct budget {
	int64_t id, project_id;
	const char *uid, *project_uid, *name, *currency;
	int64_t amount;         /* minor units */
	const char *thresholds; /* "50,80,100" */
	int told_month, told_percent;
	int64_t created_us;
};

enum { BUDGETS_PER_PROJECT = 20 };

/* ERR_CONFLICT: the name is taken, or the project has as many as one may. */
int store_budget_insert(struct db *db, struct budget *b, struct error *err);
/* name, amount and thresholds; what was told is told again. */
int store_budget_update(struct db *db, const struct budget *b, struct error *err);
int store_budget_delete(struct db *db, int64_t id, struct error *err);
/* 1; 0: it was changed or told of since it was read; -1. */
int store_budget_told(struct db *db, const struct budget *b, int month, int percent, struct error *err);
/* project_id 0: of any. ERR_NOT_FOUND. */
int store_budget_load(struct db *db, struct arena *a, const char *uid, int64_t project_id, struct budget *out,
	struct error *err);
/* By project and key, behind (after_project, after_id); project_id 0: all. */
struct budget_filter {
	int64_t project_id, after_project, after_id, limit;
};
int store_budget_list(struct db *db, struct arena *a, const struct budget_filter *f, struct budget **out,
	size_t *out_n, struct error *err);

#endif
