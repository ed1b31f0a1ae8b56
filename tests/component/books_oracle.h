/* SPDX-License-Identifier: Apache-2.0 */
/* An accountant of its own for the model test of the books. It looks at servers, GPUs, images and addresses
 * as they are, and whenever the test lets time pass it adds that time to each of them, one by one. It knows
 * no interval, and none of the code that keeps them. */
#ifndef TESTS_BOOKS_ORACLE_H
#define TESTS_BOOKS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

enum { ORACLE_KEY = 224 };

/* µs of one thing in one state; of a segment: since from_us. */
struct oracle_sum {
	char key[ORACLE_KEY]; /* kind|subject|part|..., in a bag with a month before it */
	int64_t us, from_us;
};

struct oracle_bag { /* by key */
	struct oracle_sum **slots;
	size_t n, cap;
};
struct oracle_sum *oracle_bag_get(struct oracle_bag *b, const char *key);
void oracle_bag_finish(struct oracle_bag *b);

struct oracle_thing;

struct oracle_stretch { /* of the wall clock: nobody set it from then on */
	int64_t from_us, offset_us;
};

struct oracle {
	int64_t now_us; /* books time */
	struct oracle_stretch *stretches;
	size_t stretches_n;
	int64_t *sealed; /* where the months that are closed end, from the first on */
	size_t sealed_n;
	struct oracle_sum **segments;
	size_t segments_n;
	struct oracle_thing *things; /* that live */
	size_t n, cap;
	uint64_t looks;
	size_t *index; /* of things by their name, a hash */
	size_t index_cap;
};

/* At the first start, when books and wall clock agree. */
void oracle_init(struct oracle *o, int64_t wall_us);
void oracle_finish(struct oracle *o);
/* What everything is from now on. */
void oracle_look(struct oracle *o, struct db *db);
/* Time passes, and nothing changes in it. */
void oracle_pass(struct oracle *o, int64_t us);
/* The wall clock is set. */
void oracle_set_wall(struct oracle *o, int64_t wall_us);
int64_t oracle_wall(const struct oracle *o);

/* Months are counted since January 1970. */
int oracle_month_of(int64_t wall_us);
int64_t oracle_month_wall(int month); /* where it begins by the calendar */
/* Books time of that wall time: the first moment at which the clock showed it, or a later one, and never the
 * same again. */
int64_t oracle_moment(const struct oracle *o, int64_t wall_us);

int oracle_first_month(const struct oracle *o);
/* The bounds of that month: as it was closed, else from where the last closed one ended, else by the
 * calendar. */
int64_t oracle_month_begin(const struct oracle *o, int month);
/* The next month that is not closed: nothing moves its bounds any more. Returns its number; 0: it is not
 * over. */
int oracle_close(struct oracle *o);
/* 202701 */
int oracle_month_number(int month);

/* All sums by month, `month|key`. */
void oracle_months(const struct oracle *o, struct oracle_bag *out);
/* The books' rows, cut at the same moments, against the sums. Returns how many differ, and prints some. */
int oracle_compare(const struct oracle *o, struct db *db);

#endif
