/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `decision`: the scheduler's journal. Strings are in the caller's arena. */
#ifndef STORE_DECISIONS_H
#define STORE_DECISIONS_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct decision_row {
	int64_t id, at_us, subject_id;
	const char *kind, *request_id, *project_uid;
	const char *input, *before, *answer; /* JSON, or "" */
};

struct decision_filter {
	int64_t before;          /* ids below it; 0: from the end */
	const char *project_uid; /* NULL: of all */
	const char *server_uid;  /* those about it; NULL: about any */
	size_t limit;
};

/* id 0: the next. */
int store_decision_insert(struct db *db, const struct decision_row *r, struct error *err);
/* What was asked, newest first. */
int store_decision_list(struct db *db, struct arena *a, const struct decision_filter *f,
	struct decision_row **out, size_t *out_n, struct error *err);
int store_decision_load(
	struct db *db, struct arena *a, int64_t id, struct decision_row *out, struct error *err);
/* A cursor over all that was written: from an id on, oldest first, or back to it, newest first. Then rows: 1,
 * 0 at the end, -1; strings are borrowed until the next. */
int store_decision_walk(struct db *db, int64_t from_id, bool back, sqlite3_stmt **out, struct error *err);
int store_decision_next(sqlite3_stmt *st, struct decision_row *out, struct error *err);
/* What was last told of a host; "" nothing. */
int store_decision_host(struct db *db, struct arena *a, int64_t host_id, const char **out, struct error *err);
/* The same of the mix of requests that are expected. */
int store_decision_mix(struct db *db, struct arena *a, const char **out, struct error *err);
/* Removes at most limit rows that are older, but the last of each host and of the mix. Returns how many, or
 * -1. */
int store_decision_purge(struct db *db, int64_t before_us, int64_t limit, struct error *err);

#endif
