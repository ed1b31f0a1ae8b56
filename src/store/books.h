/* SPDX-License-Identifier: Apache-2.0 */
/* The books' time (domain/books_time.h), and the one thing that writers of rows do for metering: say what
 * they touched. When the unit ends, the open intervals of that are brought in line with its rows, in the
 * unit's savepoint: nobody else writes intervals. */
#ifndef STORE_BOOKS_H
#define STORE_BOOKS_H

#include <stdint.h>

#include "domain/books_time.h"
#include "store/db.h"

/* Books time: of all that a tick writes the same one, when the tick began; for a reader, now. */
int64_t books_now(struct db *db);
int64_t books_from_wall(struct db *db, int64_t wall_us);
int64_t books_to_wall(struct db *db, int64_t books_us);
/* The steps of the wall clock, for who works on another thread. */
const struct books_step *books_steps(struct db *db, struct arena *a, size_t *out_n);

enum books_kind {
	BOOKS_SERVER, /* state, flavor, place, what it holds where it lives */
	BOOKS_IMAGE,  /* status, size, project */
	BOOKS_PORT,   /* addresses */
	/* all their GPUs: */
	BOOKS_ALLOCATION, /* block */
	BOOKS_HOST,       /* state */
	BOOKS_AGGREGATE,  /* zone */
	BOOKS_BLOCK,      /* state, GPUs, hosts */
	BOOKS_DEVICE,     /* health, custody, who holds it */
};

/* Rows that intervals follow were written, of that key. Cheap, and harmless when nothing changed. */
void books_touch(struct db *db, enum books_kind kind, int64_t id);
/* The same for each key that a statement gives for `id`: a query, or a change with RETURNING. Returns how
 * many rows it gave, or -1. */
int books_touch_each(struct db *db, enum books_kind kind, const char *sql, int64_t id, struct error *err);

#endif
