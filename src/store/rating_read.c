/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rating_read.h"

#include <string.h>

#include "base/util.h"

/* A walk of so many months costs about as much as going to one month's intervals by projects. */
enum { WALK_MONTHS = 18 };

/* The first columns of both tables' queries. */
enum { COL_PROJECT, COL_STARTED, COL_ENDED, COL_KIND, COL_STATE, COL_ZONE, COL_PREEMPTIBLE, COL_MORE };
#define FIRST(kind) "SELECT project_id, started_us, ended_us, " kind ", state, zone, preemptible, "

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

/* Columns: amount, item, vcpus, ram_mib, disk_gib. False: of a kind that nobody rates. */
static bool fill_usage(sqlite3_stmt *st, struct rating_use *u)
{
	const char *kind = db_text(st, COL_KIND);

	if (strcmp(kind, "server") == 0) {
		u->kind = RATING_SERVER;
		u->amounts[0] = 1;
		u->amounts[1] = db_int(st, COL_MORE + 2);
		u->amounts[2] = db_int(st, COL_MORE + 3);
		u->amounts[3] = db_int(st, COL_MORE + 4);
		u->thing.fields[PRICE_FLAVOR] = db_text(st, COL_MORE + 1);
		u->thing.fields[PRICE_ZONE] = db_text(st, COL_ZONE);
		u->thing.fields[PRICE_STATE] = db_text(st, COL_STATE);
		u->thing.fields[PRICE_PREEMPTIBLE] = yes_no(db_int(st, COL_PREEMPTIBLE));
		return true;
	}
	u->amounts[0] = db_int(st, COL_MORE);
	if (strcmp(kind, "image") == 0) {
		u->kind = RATING_IMAGE;
		u->thing.fields[PRICE_STATE] = db_text(st, COL_STATE);
		return true;
	}
	u->kind = RATING_ADDRESS;
	u->thing.fields[PRICE_NETWORK] = db_text(st, COL_MORE + 1);
	return strcmp(kind, "address") == 0;
}

/* Columns: share, model, profile, block_id. */
static bool fill_gpu(sqlite3_stmt *st, struct rating_use *u)
{
	const char *owner = db_text(st, COL_KIND);

	u->amounts[0] = db_int(st, COL_MORE);
	u->thing.fields[PRICE_MODEL] = db_text(st, COL_MORE + 1);
	u->thing.fields[PRICE_ZONE] = db_text(st, COL_ZONE);
	u->kind = RATING_GPU_RESERVED;
	if (strcmp(owner, "reserved") == 0)
		return true;
	u->kind = RATING_GPU;
	u->amounts[1] = 1000;
	u->thing.fields[PRICE_PROFILE] = db_text(st, COL_MORE + 2);
	u->thing.fields[PRICE_STATE] = db_text(st, COL_STATE);
	u->thing.fields[PRICE_PREEMPTIBLE] = yes_no(db_int(st, COL_PREEMPTIBLE));
	u->thing.fields[PRICE_BLOCK] = yes_no(!db_is_null(st, COL_MORE + 3));
	return strcmp(owner, "tenant") == 0;
}

#define USAGE FIRST("kind") "amount, item, vcpus, ram_mib, disk_gib FROM "
#define GPUS FIRST("owner") "share, model, profile, block_id FROM "
#define ALL " WHERE started_us < ?2 AND (ended_us IS NULL OR ended_us > ?1) AND ?3 = 0"
/* A project's keys from its index first, in the order of the table: rows of one page then come one after the
 * other. LIMIT keeps SQLite from leaving the order out. */
#define KEYS(table, key, ended) \
	"SELECT " key " FROM " table " WHERE project_id = ?3 AND ended_us " ended " AND started_us < ?2"
#define ONE(table, key)                                  \
	"(" KEYS(table, key, "> ?1") " UNION ALL " KEYS( \
		table, key, "IS NULL") " ORDER BY " key " LIMIT -1) CROSS JOIN " table " USING (" key ")"

static const struct {
	const char *all, *one;
	bool (*fill)(sqlite3_stmt *st, struct rating_use *u);
} sources[] = {
	{ USAGE "usage" ALL, USAGE ONE("usage", "kind, subject_id, started_us"), fill_usage },
	{ GPUS "gpu_usage" ALL " AND project_id IS NOT NULL",
		GPUS ONE("gpu_usage", "device_id, part_id, started_us"), fill_gpu },
};

struct read {
	struct db *db;
	int64_t project_id, from_us, to_us;
	const atomic_bool *stop;
	struct rating_sums *sums;
	struct error *err;
};

static int read_rows(const struct read *r, size_t source)
{
	const char *sql = r->project_id ? sources[source].one : sources[source].all;
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(r->db, r->err, &st, sql, "iii", r->from_us, r->to_us, r->project_id))
		return -1;
	while ((rc = db_row(st, r->err)) > 0) {
		struct rating_use u = { .project_id = db_int(st, COL_PROJECT),
			.start_us = db_int(st, COL_STARTED),
			.end_us = db_int(st, COL_ENDED) };

		if (sources[source].fill(st, &u) && rating_sums_add(r->sums, &u, r->err))
			return -1;
		if (atomic_load_explicit(r->stop, memory_order_relaxed))
			return error_set(r->err, ERR_UNAVAILABLE, "cloudd is stopping");
	}
	return rc;
}

static int read_sources(const struct read *r)
{
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (read_rows(r, i))
			return -1;
	return 0;
}

int store_rating_read_all(struct db *db, enum rating_way way, int64_t from_us, int64_t to_us,
	const atomic_bool *stop, struct rating_sums *sums, struct error *err)
{
	struct read r = { db, 0, from_us, to_us, stop, sums, err };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (way == RATING_WALK)
		return read_sources(&r);
	if (db_query(db, err, &st, "SELECT id FROM project ORDER BY id", NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		r.project_id = db_int(st, 0);
		if (read_sources(&r))
			return -1;
	}
	return rc;
}

/* Since when there are intervals that have ended. */
static int books_since(struct db *db, int64_t *out, struct error *err)
{
	return db_int_query(db, err, out,
		"SELECT min((SELECT min(u.ended_us) FROM usage u WHERE u.project_id = p.id)) FROM project p",
		NULL);
}

int store_rating_read(struct db *db, int64_t project_id, int64_t from_us, int64_t to_us,
	const atomic_bool *stop, struct rating_sums *sums, struct error *err)
{
	const struct read r = { db, project_id, from_us, to_us, stop, sums, err };
	int64_t since = from_us;

	if (project_id)
		return read_sources(&r);
	if (books_since(db, &since, err) < 0)
		return -1;
	return store_rating_read_all(db,
		from_us - since > WALK_MONTHS * (to_us - from_us) ? RATING_BY_PROJECT : RATING_WALK, from_us,
		to_us, stop, sums, err);
}
