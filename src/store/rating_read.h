/* SPDX-License-Identifier: Apache-2.0 */
/* The books' intervals, as rating takes them (domain/rating_sums.h). */
#ifndef STORE_RATING_READ_H
#define STORE_RATING_READ_H

#include <stdatomic.h>

#include "domain/rating_sums.h"
#include "store/db.h"

/* Adds what meets [from, to): of one project, by an index; project_id 0: all. Ends with ERR_UNAVAILABLE when
 * stop is set. */
int store_rating_read(struct db *db, int64_t project_id, int64_t from_us, int64_t to_us,
	const atomic_bool *stop, struct rating_sums *sums, struct error *err);

/* How all of them are read: in one walk through the books, which is quickest but takes longer by each month
 * that they go back; or project by project. */
enum rating_way { RATING_WALK, RATING_BY_PROJECT };
int store_rating_read_all(struct db *db, enum rating_way way, int64_t from_us, int64_t to_us,
	const atomic_bool *stop, struct rating_sums *sums, struct error *err);

#endif
