/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit touched, and what becomes of it when the unit ends. */
#include "store/books.h"

#include <stdlib.h>

#include "base/util.h"
#include "store/books_rows.h"
#include "store/internal.h"

struct mark {
	enum books_kind kind;
	int64_t id;
};

void books_touch(struct db *db, enum books_kind kind, int64_t id)
{
	struct buf *marks = &db_store(db)->books.marks;
	const struct mark mark = { kind, id };

	buf_append(marks, &mark, sizeof mark);
}

void books_forget(struct store *s)
{
	s->books.marks.len = 0;
}

/* ---- what stands for many ---- */

int books_touch_each(struct db *db, enum books_kind kind, const char *sql, int64_t id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc, n = 0;

	if (db_query(db, err, &st, sql, "i", id))
		return -1;
	for (; (rc = db_row(st, err)) > 0; n++)
		books_touch(db, kind, db_int(st, 0));
	return rc < 0 ? -1 : n;
}

static int touch_gpus(struct db *db, const char *sql, int64_t id, struct error *err)
{
	return books_touch_each(db, BOOKS_DEVICE, sql, id, err) < 0 ? -1 : 0;
}

static int touch_allocation(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = "SELECT device_id FROM allocation_device WHERE allocation_id = ?1 UNION "
				  "SELECT device_id FROM allocation_part WHERE allocation_id = ?1";

	return touch_gpus(db, sql, id, err);
}

static int touch_host(struct db *db, int64_t id, struct error *err)
{
	return touch_gpus(db, "SELECT id FROM device WHERE host_id = ?", id, err);
}

static int touch_aggregate(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = "SELECT d.id FROM aggregate_host h JOIN device d ON d.host_id = h.host_id "
				  "WHERE h.aggregate_id = ?";

	return touch_gpus(db, sql, id, err);
}

static int touch_block(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] =
		"SELECT device_id FROM block_device WHERE block_id = ?1 UNION ALL SELECT d.id FROM "
		"block_host h JOIN device d ON d.host_id = h.host_id WHERE h.block_id = ?1";

	return touch_gpus(db, sql, id, err);
}

/* In order of the kinds: what comes first may touch what comes later. */
static int (*const followers[])(struct db *db, int64_t id, struct error *err) = {
	[BOOKS_SERVER] = books_follow_server,
	[BOOKS_IMAGE] = books_follow_image,
	[BOOKS_PORT] = books_follow_port,
	[BOOKS_ALLOCATION] = touch_allocation,
	[BOOKS_HOST] = touch_host,
	[BOOKS_AGGREGATE] = touch_aggregate,
	[BOOKS_BLOCK] = touch_block,
	[BOOKS_DEVICE] = books_follow_gpu,
};

/* ---- the end of a unit ---- */

static size_t marks_n(const struct store *s)
{
	return s->books.marks.len / sizeof(struct mark);
}

static int mark_order(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* All marks from the i-th on whose kind is at most `last`, each once. Returns where it stopped; -1. */
static ssize_t follow(struct store *s, size_t i, enum books_kind last, struct error *err)
{
	const struct buf *marks = &s->books.marks; /* which grows meanwhile */
	size_t n = marks_n(s);
	struct mark before = { 0 };

	if (n - i > 1)
		qsort((struct mark *)(void *)marks->data + i, n - i, sizeof before, mark_order);
	for (; i < n; i++) {
		struct mark m = ((const struct mark *)(const void *)marks->data)[i];

		if (m.kind > last)
			break;
		if (m.id == before.id && m.kind == before.kind)
			continue;
		before = m;
		if (followers[m.kind](&s->rw, m.id, err))
			return -1;
	}
	return (ssize_t)i;
}

int books_follow(struct store *s, struct error *err)
{
	/* each touches what is of a later round */
	static const enum books_kind rounds[] = { BOOKS_SERVER, BOOKS_BLOCK, BOOKS_DEVICE };
	ssize_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(rounds) && (size_t)at < marks_n(s); i++)
		if ((at = follow(s, (size_t)at, rounds[i], err)) < 0)
			return error_wrap(err, "metering");
	books_forget(s);
	return 0;
}

int books_fill(struct store *s, struct error *err)
{
	static const struct {
		enum books_kind kind;
		const char *sql;
	} all[] = {
		{ BOOKS_SERVER, "SELECT id FROM server WHERE deleted_us = ?1 UNION SELECT subject_id FROM "
				"usage WHERE kind = 'server' AND ended_us IS NULL" },
		{ BOOKS_IMAGE, "SELECT id FROM image WHERE deleted_us = ?" },
		{ BOOKS_PORT, "SELECT id FROM port WHERE id > ?" },
		{ BOOKS_DEVICE, "SELECT id FROM device WHERE id > ?" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (books_touch_each(&s->rw, all[i].kind, all[i].sql, 0, err) < 0)
			return -1;
	return books_follow(s, err);
}
