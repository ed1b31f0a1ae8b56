/* SPDX-License-Identifier: Apache-2.0 */
#include "store/budgets.h"

#include "store/row.h"

#define COLUMNS                                                                                        \
	"b.id, b.uid, b.project_id, p.uid, b.name, b.currency, b.amount, b.thresholds, b.told_month, " \
	"b.told_percent, b.created_us"
#define FROM " FROM budget b JOIN project p ON p.id = b.project_id "

static void fill(sqlite3_stmt *st, struct arena *a, struct budget *out)
{
	*out = (struct budget) { .id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.project_id = db_int(st, 2),
		.project_uid = db_dup(st, 3, a),
		.name = db_dup(st, 4, a),
		.currency = db_dup(st, 5, a),
		.amount = db_int(st, 6),
		.thresholds = db_dup(st, 7, a),
		.told_month = (int)db_int(st, 8),
		.told_percent = (int)db_int(st, 9),
		.created_us = db_int(st, 10) };
}

int store_budget_insert(struct db *db, struct budget *b, struct error *err)
{
	int64_t n;

	if (db_int_query(
		    db, err, &n, "SELECT count(*) FROM budget WHERE project_id = ?", "i", b->project_id) != 1)
		return -1;
	if (n >= BUDGETS_PER_PROJECT)
		return error_set(err, ERR_CONFLICT, "A project may have %d budgets, and has them.",
			BUDGETS_PER_PROJECT);
	b->id = store_next_id(db_store(db));
	if (db_run(db, err,
		    "INSERT INTO budget (id, uid, project_id, name, currency, amount, thresholds, "
		    "created_us) "
		    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		    "isissisi", b->id, b->uid, b->project_id, b->name, b->currency, b->amount, b->thresholds,
		    b->created_us) < 0)
		return row_taken(err, "a budget", b->name);
	return 0;
}

int store_budget_update(struct db *db, const struct budget *b, struct error *err)
{
	if (db_run(db, err,
		    "UPDATE budget SET name = ?, amount = ?, thresholds = ?, told_month = 0, told_percent = "
		    "0 "
		    "WHERE id = ?",
		    "sisi", b->name, b->amount, b->thresholds, b->id) < 0)
		return row_taken(err, "a budget", b->name);
	return 0;
}

int store_budget_delete(struct db *db, int64_t id, struct error *err)
{
	return db_run(db, err, "DELETE FROM budget WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

int store_budget_told(struct db *db, const struct budget *b, int month, int percent, struct error *err)
{
	return db_run(db, err,
		"UPDATE budget SET told_month = ?, told_percent = ? WHERE id = ? AND amount = ? AND "
		"thresholds = "
		"? AND told_month = ? AND told_percent = ?",
		"iiiisii", (int64_t)month, (int64_t)percent, b->id, b->amount, b->thresholds,
		(int64_t)b->told_month, (int64_t)b->told_percent);
}

int store_budget_load(struct db *db, struct arena *a, const char *uid, int64_t project_id, struct budget *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS FROM "WHERE b.uid = ?1 AND (?2 = 0 OR b.project_id = ?2)", "si", uid,
		    project_id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc ? -1 : error_set(err, ERR_NOT_FOUND, "There is no budget %.64s.", uid);
	fill(st, a, out);
	return 0;
}

int store_budget_list(struct db *db, struct arena *a, const struct budget_filter *f, struct budget **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct budget *all = ARENA_ARRAY(a, struct budget, (size_t)f->limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS FROM
		    "WHERE (?1 = 0 OR b.project_id = ?1) AND (b.project_id, b.id) > (?2, ?3) ORDER BY "
		    "b.project_id, b.id LIMIT ?4",
		    "iiii", f->project_id, f->after_project, f->after_id, f->limit))
		return -1;
	while ((int64_t)n < f->limit && (rc = db_row(st, err)) > 0)
		fill(st, a, &all[n++]);
	*out = all;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
