/* SPDX-License-Identifier: Apache-2.0 */
/* The GPU ledger follows the rows: who has which share of a GPU, and who has it while no tenant does. */
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "store/books.h"
#include "store/books_rows.h"

struct gpu_use { /* in the order of BOOKS_GPU */
	int64_t part_id;
	const char *owner;
	int64_t share, project_id, server_id, block_id;
	const char *state, *model, *profile, *zone;
	int64_t preemptible;
	int64_t started_us; /* of an open interval */
	bool kept;
};

struct uses {
	struct gpu_use *all;
	size_t n;
};

/* Columns: BOOKS_GPU, started_us. */
static int uses_read(sqlite3_stmt *st, struct arena *a, struct uses *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf rows = { 0 };
	int rc;

	while ((rc = db_row(st, err)) > 0) {
		struct gpu_use u = { .part_id = db_int(st, 0),
			.owner = db_dup(st, 1, a),
			.share = db_int(st, 2),
			.project_id = db_int(st, 3),
			.server_id = db_int(st, 4),
			.block_id = db_int(st, 5),
			.state = db_dup(st, 6, a),
			.model = db_dup(st, 7, a),
			.profile = db_dup(st, 8, a),
			.zone = db_dup(st, 9, a),
			.preemptible = db_int(st, 10),
			.started_us = db_int(st, 11) };

		buf_append(&rows, &u, sizeof u);
	}
	out->n = rows.len / sizeof(struct gpu_use);
	out->all = out->n ? arena_copy(a, rows.data, rows.len) : NULL;
	return rc;
}

static bool same(const struct gpu_use *a, const struct gpu_use *b)
{
	return a->part_id == b->part_id && a->share == b->share && a->project_id == b->project_id &&
	       a->server_id == b->server_id && a->block_id == b->block_id &&
	       a->preemptible == b->preemptible && !strcmp(a->owner, b->owner) &&
	       !strcmp(a->state, b->state) && !strcmp(a->model, b->model) &&
	       !strcmp(a->profile, b->profile) && !strcmp(a->zone, b->zone);
}

/* What is open already and as wanted. */
static void match(struct uses *open, struct uses *wanted)
{
	for (size_t i = 0; i < open->n; i++)
		for (size_t k = 0; k < wanted->n && !open->all[i].kept; k++)
			if (!wanted->all[k].kept && same(&open->all[i], &wanted->all[k]))
				open->all[i].kept = wanted->all[k].kept = true;
}

/* ---- writing ---- */

/* One that began in this tick lasted for no time at all. */
static int close_use(
	struct db *db, int64_t device_id, const struct gpu_use *u, int64_t now_us, struct error *err)
{
	static const char end[] = "UPDATE gpu_usage SET ended_us = ?4 WHERE device_id = ?1 AND part_id = ?2 "
				  "AND started_us = ?3";
	static const char drop[] =
		"DELETE FROM gpu_usage WHERE device_id = ? AND part_id = ? AND started_us = ?";

	if (u->started_us < now_us)
		return db_run(db, err, end, "iiii", device_id, u->part_id, u->started_us, now_us) < 0 ? -1
												      : 0;
	return db_run(db, err, drop, "iii", device_id, u->part_id, u->started_us) < 0 ? -1 : 0;
}

static int open_use(
	struct db *db, int64_t device_id, const struct gpu_use *u, int64_t now_us, struct error *err)
{
	static const char sql[] = "INSERT INTO gpu_usage (device_id, started_us, " BOOKS_GPU
				  ") VALUES (?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), ?, ?, "
				  "?, ?, ?)";

	return db_run(db, err, sql, "iiisiiiissssi", device_id, now_us, u->part_id, u->owner, u->share,
		       u->project_id, u->server_id, u->block_id, u->state, u->model, u->profile, u->zone,
		       u->preemptible) < 0
		       ? -1
		       : 0;
}

/* A GPU that the books do not know yet. */
static int book_begin(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	static const char begin[] =
		"INSERT INTO gpu_book (device_id, uid, host, address, model, first_us) SELECT d.id, d.uid, "
		"h.name, d.address, d.model, ?2 FROM device d JOIN host h ON h.id = d.host_id WHERE d.id = "
		"?1 ON CONFLICT (device_id) DO UPDATE SET model = excluded.model";

	return db_run(db, err, begin, "ii", id, now_us) < 0 ? -1 : 0;
}

/* It is gone; when it came in this tick it never was. */
static int book_end(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	return db_run(db, err, "DELETE FROM gpu_book WHERE device_id = ? AND first_us = ?", "ii", id,
		       now_us) < 0 ||
			       db_run(db, err,
				       "UPDATE gpu_book SET last_us = ? WHERE device_id = ? AND last_us IS "
				       "NULL",
				       "ii", now_us, id) < 0
		       ? -1
		       : 0;
}

static int write_changes(struct db *db, int64_t id, const struct uses *open, const struct uses *wanted,
	int64_t now_us, struct error *err)
{
	for (size_t i = 0; i < open->n; i++)
		if (!open->all[i].kept && close_use(db, id, &open->all[i], now_us, err))
			return -1;
	if (!wanted->n)
		return book_end(db, id, now_us, err);
	/* the first ones of all, or another model */
	if ((!open->n || strcmp(open->all[0].model, wanted->all[0].model)) && book_begin(db, id, now_us, err))
		return -1;
	for (size_t i = 0; i < wanted->n; i++)
		if (!wanted->all[i].kept && open_use(db, id, &wanted->all[i], now_us, err))
			return -1;
	return 0;
}

int books_follow_gpu(struct db *db, int64_t id, struct error *err)
{
	static const char open_sql[] =
		"SELECT " BOOKS_GPU ", started_us FROM gpu_usage WHERE device_id = ? AND ended_us IS NULL";
	static const char wanted_sql[] = "SELECT " BOOKS_GPU ", 0 FROM (" BOOKS_GPU_USE("d.id = ?") ")";
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(db_done) sqlite3_stmt *is = NULL;
	CLEANUP(db_done) sqlite3_stmt *shall = NULL;
	struct uses open, wanted;

	if (db_query(db, err, &is, open_sql, "i", id) || uses_read(is, &a, &open, err) ||
		db_query(db, err, &shall, wanted_sql, "i", id) || uses_read(shall, &a, &wanted, err))
		return -1;
	match(&open, &wanted);
	return write_changes(db, id, &open, &wanted, books_now(db), err);
}
