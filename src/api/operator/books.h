/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls about usage and the ledger share: a period of the books, read and written down on a thread.
 */
#ifndef API_OPERATOR_BOOKS_H
#define API_OPERATOR_BOOKS_H

#include "api/operator/operator.h"
#include "domain/books_time.h"
#include "flow/books_read.h"

struct books_report;
/* On the thread: writes the reply into r->out. */
typedef int books_write(struct books_report *r, struct db *db, const atomic_bool *stop, struct error *err);

struct books_report {
	struct api_call *call; /* not for the thread */
	struct arena arena;
	struct buf out;
	books_write *write;
	const struct books_step *steps;
	size_t steps_n;
	int64_t from_us, to_us, now_us; /* books time */
	int64_t from_wall_us, to_wall_us;
	/* what is asked for */
	int64_t project_id; /* 0: all */
	const char *gpu, *host, *model;
	int64_t limit;
};

/* Reads from, to and month: without them all of the books (all), or the month under way. The report is the
 * caller's until it is sent; NULL with err. */
struct books_report *books_report_create(struct api_call *c, bool all, books_write *write, struct error *err);
/* Runs it, and answers the call: for a handler's end. */
int books_report_send(struct books_report *r, struct error *err);
void books_report_destroy(struct books_report *r);

/* The members "from" and "to". */
void books_write_period(struct books_report *r);
/* Books time, as ISO 8601 in UTC; null for 0. */
void books_kv_time(struct books_report *r, const char *key, int64_t us);

#endif
