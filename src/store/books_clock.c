/* SPDX-License-Identifier: Apache-2.0 */
/* The books' clock: read at start, looked at when a tick begins; its steps are written in that tick, before
 * anything that comes after them. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "store/books.h"
#include "store/internal.h"

/* ---- beginning ---- */

static int boot_id_read(char out[BOOT_ID_TEXT], struct error *err)
{
	CLEANUP(close_fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, BOOT_ID_TEXT - 1);

	if (n <= 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot read the kernel's boot id");
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

static int steps_load(struct books *b, struct db *db, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT at_us, offset_us FROM clock_step ORDER BY at_us", NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct books_step step = { db_int(st, 0), db_int(st, 1) };

		buf_append(&b->steps, &step, sizeof step);
	}
	return rc;
}

/* The last time that is in the books; before their first day that of a usage interval, which was wall time.
 */
static int last_read(struct db *db, int64_t *out_us, struct error *err)
{
	static const char first[] = "SELECT max(max(started_us, coalesce(ended_us, 0))) + 1 FROM usage";
	int64_t one;
	int rc = db_int_query(db, err, &one, "SELECT 1 FROM books_clock", NULL);

	if (rc < 0)
		return -1;
	*out_us = 0;
	return db_int_query(db, err, out_us, rc ? "SELECT books_us FROM applied" : first, NULL) < 0 ? -1 : 0;
}

/* 1 the books were begun before, 0 they begin now, -1. */
static int clock_load(struct books *b, struct db *db, const char *boot_id, struct error *err)
{
	int64_t boot_us = clock_boot(b->clock), wall_us = clock_wall(b->clock), last_us;
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct books_clock saved;
	int rc;

	if (last_read(db, &last_us, err) ||
		db_query(db, err, &st, "SELECT boot_id, base_us, offset_us FROM books_clock", NULL))
		return -1;
	rc = db_row(st, err);
	if (rc < 0)
		return -1;
	if (rc) {
		saved = (struct books_clock) { db_int(st, 1), db_int(st, 2) };
		b->time = books_clock_resume(
			&saved, str_eq(db_text(st, 0), boot_id), boot_us, wall_us, last_us);
	} else {
		b->time = books_clock_first(boot_us, wall_us, last_us);
	}
	b->now_us = books_clock_now(&b->time, boot_us);
	return rc;
}

static int clock_save(struct books *b, struct db *db, const char *boot_id, struct error *err)
{
	static const char sql[] =
		"INSERT INTO books_clock (one, boot_id, base_us, offset_us) VALUES (1, ?, ?, ?) ON CONFLICT "
		"(one) DO UPDATE SET boot_id = excluded.boot_id, base_us = excluded.base_us, "
		"offset_us = excluded.offset_us";

	return db_run(db, err, sql, "sii", boot_id, b->time.base_us, b->time.offset_us) < 0 ? -1 : 0;
}

int books_open(struct store *s, const struct store_config *config, struct error *err)
{
	const char *boot_id = config->boot_id;
	struct books *b = &s->books;
	char text[BOOT_ID_TEXT];
	int begun;

	b->clock = config->clock;
	if (!boot_id) {
		if (boot_id_read(text, err))
			return -1;
		boot_id = text;
	}
	if (db_exec(&s->rw, "BEGIN IMMEDIATE", err))
		return -1;
	begun = clock_load(b, &s->rw, boot_id, err);
	return begun < 0 || steps_load(b, &s->rw, err) || clock_save(b, &s->rw, boot_id, err) ||
			       (!begun && books_fill(s, err)) || db_exec(&s->rw, "COMMIT", err)
		       ? -1
		       : 0;
}

void books_close(struct store *s)
{
	buf_finish(&s->books.steps);
	buf_finish(&s->books.marks);
}

/* ---- the tick ---- */

static bool stepped(const struct books *b, int64_t boot_us, int64_t *out_offset_us)
{
	return books_clock_stepped(&b->time, boot_us, clock_wall(b->clock), out_offset_us);
}

static int step_write(struct books *b, struct db *db, int64_t offset_us, struct error *err)
{
	static const char sql[] = "INSERT INTO clock_step (at_us, offset_us) VALUES (?1, ?2) ON CONFLICT "
				  "(at_us) DO UPDATE SET offset_us = excluded.offset_us";
	struct books_step step = { b->now_us, offset_us };
	char by[32];

	if (db_run(db, err, sql, "ii", step.at_us, step.offset_us) < 0 ||
		db_run(db, err, "UPDATE books_clock SET offset_us = ? WHERE one = 1", "i", offset_us) < 0)
		return -1;
	snprintf(by, sizeof by, "%" PRId64, offset_us - b->time.offset_us);
	log_event(LOG_NOTICE, "the wall clock was set", "by_us", by, NULL);
	buf_append(&b->steps, &step, sizeof step);
	b->stepped = true;
	b->before_us = b->time.offset_us;
	b->time.offset_us = offset_us;
	return 0;
}

int books_begin(struct store *s, struct error *err)
{
	struct books *b = &s->books;
	int64_t boot_us = clock_boot(b->clock), now_us = books_clock_now(&b->time, boot_us), offset_us;

	if (now_us > b->now_us)
		b->now_us = now_us;
	b->stepped = false;
	if (!stepped(b, boot_us, &offset_us))
		return 0;
	/* once more: this thread may have waited between the two clocks */
	if (!stepped(b, clock_boot(b->clock), &offset_us))
		return 0;
	return step_write(b, &s->rw, offset_us, err);
}

void books_settle(struct store *s, bool done)
{
	struct books *b = &s->books;

	if (!done && b->stepped) { /* seen again by the next tick */
		b->steps.len -= sizeof(struct books_step);
		b->time.offset_us = b->before_us;
	}
	b->stepped = false;
}

/* ---- reading ---- */

static const struct books_step *steps_of(struct db *db, size_t *out_n)
{
	const struct buf *steps = &db_store(db)->books.steps;

	*out_n = steps->len / sizeof(struct books_step);
	return (const void *)steps->data;
}

int64_t books_now(struct db *db)
{
	const struct books *b = &db_store(db)->books;
	int64_t now_us;

	if (db->writable)
		return b->now_us;
	now_us = books_clock_now(&b->time, clock_boot(b->clock));
	return now_us > b->now_us ? now_us : b->now_us;
}

int64_t books_from_wall(struct db *db, int64_t wall_us)
{
	size_t n;
	const struct books_step *steps = steps_of(db, &n);

	return books_time_from_wall(steps, n, wall_us);
}

int64_t books_to_wall(struct db *db, int64_t books_us)
{
	size_t n;
	const struct books_step *steps = steps_of(db, &n);

	return books_time_to_wall(steps, n, books_us);
}

const struct books_step *books_steps(struct db *db, struct arena *a, size_t *out_n)
{
	const struct books_step *steps = steps_of(db, out_n);

	return *out_n ? arena_copy(a, steps, *out_n * sizeof *steps) : NULL;
}
