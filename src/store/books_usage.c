/* SPDX-License-Identifier: Apache-2.0 */
/* The open intervals of servers, images and ports' addresses follow their rows. */
#include "base/util.h"
#include "store/books.h"
#include "store/books_rows.h"

/* A row when the interval is not what it has to be: columns as FOLLOW has them. */
#define FOLLOW(kind, use)                                                                              \
	"SELECT w.wanted, w."                                                                          \
	"project_id, w.state, w.item, w.zone, w.preemptible, w.vcpus, w.ram_mib, "                     \
	"w.disk_gib, w.gpus, w.amount, u.started_us, u.gpus FROM (" use ") w LEFT JOIN usage u ON "    \
	"u.kind = '" kind "' AND u.subject_id = ?1 AND u.ended_us IS NULL WHERE CASE WHEN w.wanted "   \
	"THEN (w.project_id, w.state, w.item, w.zone, w.preemptible, w.vcpus, w.ram_mib, w.disk_gib, " \
	"w.gpus, w.amount) IS NOT (u.project_id, u.state, u.item, u.zone, u.preemptible, u.vcpus, "    \
	"u.ram_mib, u.disk_gib, u.gpus, u.amount) ELSE u.started_us IS NOT NULL END"

enum {
	COL_WANTED,
	COL_PROJECT,
	COL_STATE,
	COL_ITEM,
	COL_ZONE,
	COL_PREEMPTIBLE,
	COL_VCPUS,
	COL_RAM,
	COL_DISK,
	COL_GPUS,
	COL_AMOUNT,
	COL_STARTED,
	COL_OPEN_GPUS
};

/* One that began in this tick lasted for no time at all. */
static int close_interval(
	struct db *db, const char *kind, int64_t id, int64_t started_us, int64_t now_us, struct error *err)
{
	static const char end[] =
		"UPDATE usage SET ended_us = ?1 WHERE kind = ?2 AND subject_id = ?3 AND started_us = ?4";
	static const char drop[] = "DELETE FROM usage WHERE kind = ? AND subject_id = ? AND started_us = ?";

	if (started_us < now_us)
		return db_run(db, err, end, "isii", now_us, kind, id, started_us) < 0 ? -1 : 0;
	return db_run(db, err, drop, "sii", kind, id, started_us) < 0 ? -1 : 0;
}

static int open_interval(
	struct db *db, const char *kind, int64_t id, sqlite3_stmt *w, int64_t now_us, struct error *err)
{
	static const char sql[] = "INSERT INTO usage (kind, subject_id, started_us, " BOOKS_USE
				  ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

	return db_run(db, err, sql, "siiisssiiiiii", kind, id, now_us, db_int(w, COL_PROJECT),
		       db_text(w, COL_STATE), db_text(w, COL_ITEM), db_text(w, COL_ZONE),
		       db_int(w, COL_PREEMPTIBLE), db_int(w, COL_VCPUS), db_int(w, COL_RAM),
		       db_int(w, COL_DISK), db_int(w, COL_GPUS), db_int(w, COL_AMOUNT)) < 0
		       ? -1
		       : 0;
}

/* *out_gpus: how many it had or has, when anything changed. */
static int follow(
	struct db *db, const char *kind, const char *sql, int64_t id, int64_t *out_gpus, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t now_us = books_now(db);
	int rc;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	*out_gpus = db_int(st, COL_GPUS) + db_int(st, COL_OPEN_GPUS);
	if (!db_is_null(st, COL_STARTED) &&
		close_interval(db, kind, id, db_int(st, COL_STARTED), now_us, err))
		return -1;
	return db_int(st, COL_WANTED) ? open_interval(db, kind, id, st, now_us, err) : 0;
}

int books_follow_server(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = FOLLOW("server", BOOKS_SERVER_USE("WHERE s.id = ?1"));
	int64_t gpus = 0;

	if (follow(db, "server", sql, id, &gpus, err))
		return -1;
	if (gpus) /* their rows have the state of the server that lives with them */
		books_touch(db, BOOKS_ALLOCATION, id);
	return 0;
}

int books_follow_image(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = FOLLOW("image", BOOKS_IMAGE_USE("WHERE i.id = ?1"));
	int64_t gpus;

	return follow(db, "image", sql, id, &gpus, err);
}

int books_follow_port(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = FOLLOW("address", BOOKS_PORT_USE("WHERE x.port_id = ?1"));
	int64_t gpus;

	return follow(db, "address", sql, id, &gpus, err);
}
