/* SPDX-License-Identifier: Apache-2.0 */
#include "store/events.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "domain/event_types.h"
#include "store/internal.h"
#include "store/row.h"

enum { SCAN_MAX = 5000 }; /* rows that one list looks at, so that no filter holds up the loop */

#define COLUMNS "id, at_us, type, project_uid, subject, data, inside"

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static const char *or_object(const char *s)
{
	return s ? s : "{}";
}

int store_event_add(struct db *db, const struct event_row *r, struct error *err)
{
	static const char sql[] = "INSERT INTO event (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)";
	struct store *s = db_store(db);

	assert(event_type_find(r->type));
	s->event_news = true;
	return db_run(db, err, sql, "iisssss", store_next_id(s), clock_wall(s->clock), r->type,
		       or_empty(r->project_uid), or_empty(r->subject), or_object(r->data),
		       or_object(r->inside)) < 0
		       ? -1
		       : 0;
}

/* ---- reading ---- */

bool event_fits(const struct event_filter *f, const char *type, const char *subject)
{
	if (f->webhook_uid && strcmp(type, "webhook.test") == 0)
		return strcmp(subject, f->webhook_uid) == 0;
	if (f->subject && strcmp(subject, f->subject) != 0)
		return false;
	return !f->types || event_wanted(f->types, type);
}

static void fill(sqlite3_stmt *st, struct arena *a, struct event_row *out)
{
	*out = (struct event_row) {
		.id = db_int(st, 0),
		.at_us = db_int(st, 1),
		.type = db_dup(st, 2, a),
		.project_uid = db_dup(st, 3, a),
		.subject = db_dup(st, 4, a),
		.data = db_dup(st, 5, a),
		.inside = db_dup(st, 6, a),
	};
}

/* Two statements of each order: an index serves one project's, the key all. */
static int open_query(struct db *db, const struct event_filter *f, sqlite3_stmt **out, struct error *err)
{
	static const char all[] = "SELECT " COLUMNS " FROM event WHERE id > ? ORDER BY id LIMIT ?";
	static const char all_back[] = "SELECT " COLUMNS " FROM event WHERE id > ? ORDER BY id DESC LIMIT ?";
	static const char own[] =
		"SELECT " COLUMNS " FROM event WHERE project_uid = ? AND id > ? ORDER BY id LIMIT ?";
	static const char own_back[] =
		"SELECT " COLUMNS " FROM event WHERE project_uid = ? AND id > ? ORDER BY id DESC "
		"LIMIT ?";
	int64_t scan = SCAN_MAX;

	if (f->project_uid)
		return db_query(
			db, err, out, f->newest ? own_back : own, "sii", f->project_uid, f->after, scan);
	return db_query(db, err, out, f->newest ? all_back : all, "ii", f->after, scan);
}

static void turn_round(struct event_row *rows, size_t n)
{
	for (size_t i = 0; i + 1 < n - i; i++) {
		struct event_row r = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = r;
	}
}

/* What the client says that it has seen may be older than all that is kept, or, after the database was put
 * back to an earlier state, newer. */
static int begin(
	struct db *db, const struct event_filter *f, struct event_page *out, int64_t *last, struct error *err)
{
	int64_t floor;

	if (store_event_last(db, last, err) < 0 || store_event_floor(db, &floor, err) < 0)
		return -1;
	out->upto = f->after;
	out->lost = f->after && (f->after < floor || f->after > *last);
	out->lost_upto = f->after > *last ? *last : floor;
	return 0;
}

static int read_rows(sqlite3_stmt *st, struct arena *a, const struct event_filter *f, struct event_page *out,
	struct error *err)
{
	int64_t looked = 0;
	int rc = 1;

	while ((int64_t)out->n < f->limit && (rc = db_row(st, err)) > 0) {
		looked++;
		if (!f->newest)
			out->upto = db_int(st, 0);
		if (event_fits(f, db_text(st, 2), db_text(st, 4)))
			fill(st, a, &out->rows[out->n++]);
	}
	out->more = rc > 0 || looked == SCAN_MAX;
	return rc < 0 ? -1 : 0;
}

int store_event_list(struct db *db, struct arena *a, const struct event_filter *f, struct event_page *out,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t last;

	*out = (struct event_page) { .rows = ARENA_ARRAY(a, struct event_row, (size_t)f->limit) };
	if (begin(db, f, out, &last, err) < 0 || open_query(db, f, &st, err) < 0 ||
		read_rows(st, a, f, out, err) < 0)
		return -1;
	if (f->newest || !out->more)
		out->upto = last;
	if (f->newest)
		turn_round(out->rows, out->n);
	return 0;
}

int store_event_last(struct db *db, int64_t *out, struct error *err)
{
	*out = 0;
	return db_int_query(db, err, out,
		       "SELECT coalesce((SELECT max(id) FROM event), (SELECT value FROM counter WHERE name = "
		       "'events_purged'), 0)",
		       NULL) < 0
		       ? -1
		       : 0;
}

int store_event_floor(struct db *db, int64_t *out, struct error *err)
{
	*out = 0;
	return db_int_query(db, err, out, "SELECT value FROM counter WHERE name = 'events_purged'", NULL) < 0
		       ? -1
		       : 0;
}

bool store_event_news(struct store *s)
{
	bool news = s->event_news;

	s->event_news = false;
	return news;
}

/* ---- what is not kept ---- */

/* The oldest first, so that what is missing is what came before one id. */
static int purge_upto(
	struct db *db, int64_t before_us, int64_t surplus, int64_t limit, int64_t *out_id, struct error *err)
{
	static const char sql[] =
		"SELECT max(id) FROM (SELECT id, at_us, row_number() OVER (ORDER BY id) AS n FROM "
		"(SELECT id, at_us FROM event ORDER BY id LIMIT ?3)) WHERE at_us < ?1 OR n <= ?2";

	*out_id = 0;
	return db_int_query(db, err, out_id, sql, "iii", before_us, surplus, limit);
}

/* Only what came since the last time is counted: all of them would take a while. A unit that is undone makes
 * it a few off until the next start. */
static int count_events(struct db *db, int64_t *out, struct error *err)
{
	struct store *s = db_store(db);
	int64_t more = 0, last;

	if (store_event_last(db, &last, err) < 0 ||
		db_int_query(db, err, &more, "SELECT count(*) FROM event WHERE id > ?", "i", s->events_upto) <
			0)
		return -1;
	s->events += more;
	s->events_upto = last;
	*out = s->events;
	return 0;
}

int store_event_purge(struct db *db, int64_t before_us, int64_t max, int64_t limit, struct error *err)
{
	int64_t count, upto = 0;
	int n, rc;

	if (count_events(db, &count, err) < 0)
		return -1;
	rc = purge_upto(db, before_us, count - max, limit, &upto, err);
	if (rc <= 0)
		return rc;
	n = db_run(db, err, "DELETE FROM event WHERE id <= ?", "i", upto);
	if (n < 0 || db_run(db, err,
			     "INSERT INTO counter VALUES ('events_purged', ?) ON CONFLICT (name) DO UPDATE "
			     "SET value = excluded.value",
			     "i", upto) < 0)
		return -1;
	db_store(db)->events -= n;
	return n;
}
