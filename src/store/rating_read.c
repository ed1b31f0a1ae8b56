/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rating_read.h"

#include "base/util.h"

/* A walk of so many months costs as much as going to a month's intervals one by one. */
enum { WALK_MONTHS = 6 };

/* The first columns of each query. */
enum { COL_PROJECT, COL_STARTED, COL_ENDED, COL_AMOUNT, COL_MORE };

typedef void fill_fn(sqlite3_stmt *st, struct rating_use *u);

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void fill_server(sqlite3_stmt *st, struct rating_use *u)
{
	u->amounts[0] = 1;
	u->amounts[1] = db_int(st, COL_AMOUNT);
	u->amounts[2] = db_int(st, COL_MORE);
	u->amounts[3] = db_int(st, COL_MORE + 1);
	u->thing.fields[PRICE_FLAVOR] = db_text(st, COL_MORE + 2);
	u->thing.fields[PRICE_ZONE] = db_text(st, COL_MORE + 3);
	u->thing.fields[PRICE_STATE] = db_text(st, COL_MORE + 4);
	u->thing.fields[PRICE_PREEMPTIBLE] = yes_no(db_int(st, COL_MORE + 5));
}

static void fill_image(sqlite3_stmt *st, struct rating_use *u)
{
	u->thing.fields[PRICE_STATE] = db_text(st, COL_MORE);
}

static void fill_address(sqlite3_stmt *st, struct rating_use *u)
{
	u->thing.fields[PRICE_NETWORK] = db_text(st, COL_MORE);
}

static void fill_gpu(sqlite3_stmt *st, struct rating_use *u)
{
	u->amounts[1] = 1000;
	u->thing.fields[PRICE_MODEL] = db_text(st, COL_MORE);
	u->thing.fields[PRICE_PROFILE] = db_text(st, COL_MORE + 1);
	u->thing.fields[PRICE_ZONE] = db_text(st, COL_MORE + 2);
	u->thing.fields[PRICE_STATE] = db_text(st, COL_MORE + 3);
	u->thing.fields[PRICE_PREEMPTIBLE] = yes_no(db_int(st, COL_MORE + 4));
	u->thing.fields[PRICE_BLOCK] = yes_no(!db_is_null(st, COL_MORE + 5));
}

static void fill_reserved(sqlite3_stmt *st, struct rating_use *u)
{
	u->thing.fields[PRICE_MODEL] = db_text(st, COL_MORE);
	u->thing.fields[PRICE_ZONE] = db_text(st, COL_MORE + 1);
}

#define FIRST "SELECT project_id, started_us, ended_us, "
#define ALL " AND started_us < ?2 AND (ended_us IS NULL OR ended_us > ?1) AND ?3 = 0"
#define ONE_ENDED " AND project_id = ?3 AND ended_us > ?1 AND started_us < ?2"
#define ONE_OPEN " AND project_id = ?3 AND ended_us IS NULL AND started_us < ?2 AND ?1 < ?2"
/* By the index of projects, for which a condition on the key's first column is no help: + takes it away. */
#define THREE(columns_and_from, all, one)                                             \
	{                                                                             \
		FIRST columns_and_from all ALL, FIRST columns_and_from one ONE_ENDED, \
			FIRST columns_and_from one ONE_OPEN                           \
	}
#define USAGE(columns, kind) THREE(columns " FROM usage WHERE ", "kind = '" kind "'", "+kind = '" kind "'")
#define GPU_USAGE(columns, owner) \
	THREE(columns " FROM gpu_usage WHERE ", "owner = '" owner "'", "+owner = '" owner "'")

static const struct {
	enum rating_kind kind;
	const char *sql[3]; /* of all projects; of one: what has ended, what has not */
	fill_fn *fill;
} sources[] = {
	{ RATING_SERVER, USAGE("vcpus, ram_mib, disk_gib, item, zone, state, preemptible", "server"),
		fill_server },
	{ RATING_IMAGE, USAGE("amount, state", "image"), fill_image },
	{ RATING_ADDRESS, USAGE("amount, item", "address"), fill_address },
	{ RATING_GPU, GPU_USAGE("share, model, profile, zone, state, preemptible, block_id", "tenant"),
		fill_gpu },
	{ RATING_GPU_RESERVED, GPU_USAGE("share, model, zone", "reserved"), fill_reserved },
};

struct read {
	struct db *db;
	int64_t project_id, from_us, to_us;
	const atomic_bool *stop;
	struct rating_sums *sums;
	struct error *err;
};

static int read_rows(const struct read *r, size_t source, const char *sql)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(r->db, r->err, &st, sql, "iii", r->from_us, r->to_us, r->project_id))
		return -1;
	while ((rc = db_row(st, r->err)) > 0) {
		struct rating_use u = { .kind = sources[source].kind,
			.project_id = db_int(st, COL_PROJECT),
			.start_us = db_int(st, COL_STARTED),
			.end_us = db_int(st, COL_ENDED),
			.amounts = { db_int(st, COL_AMOUNT) } };

		sources[source].fill(st, &u);
		if (rating_sums_add(r->sums, &u, r->err))
			return -1;
		if (atomic_load_explicit(r->stop, memory_order_relaxed))
			return error_set(r->err, ERR_UNAVAILABLE, "cloudd is stopping");
	}
	return rc;
}

/* first, last: of the statements of each source */
static int read_sources(const struct read *r, int first, int last)
{
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		for (int part = first; part <= last; part++)
			if (read_rows(r, i, sources[i].sql[part]))
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
		return read_sources(&r, 0, 0);
	if (db_query(db, err, &st, "SELECT id FROM project ORDER BY id", NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		r.project_id = db_int(st, 0);
		if (read_sources(&r, 1, 2))
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
		return read_sources(&r, 1, 2);
	if (books_since(db, &since, err) < 0)
		return -1;
	return store_rating_read_all(db,
		from_us - since > WALK_MONTHS * (to_us - from_us) ? RATING_BY_PROJECT : RATING_WALK, from_us,
		to_us, stop, sums, err);
}
