/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of billing share. */
#ifndef FLOW_BILLING_LOCAL_H
#define FLOW_BILLING_LOCAL_H

#include "flow/billing.h"

/* Work on billing's thread. `run` sees the books through db; `done` is called on the loop, with the error of
 * run, or of a thread that could not be had. */
struct billing_work {
	struct work work;
	struct billing *billing;
	struct billing_work *next, **at; /* in the list of those under way */
	struct store *store;
	atomic_bool stop; /* asked to end soon */
	int (*run)(struct billing_work *w, struct db *db, struct error *err);
	void (*done)(struct billing_work *w, const struct error *err); /* err NULL: well */
	void (*destroy)(struct billing_work *w);
	struct error err;
	bool failed;
};

/* False: too many wait; the caller keeps w. */
bool billing_submit(struct billing *b, struct billing_work *w);

/* On the thread: fills in what a month's books say. rated is all-zero before; a book is opened first. */
int billing_open_book(
	struct db *db, const struct billing_ask *ask, struct billing_rated *out, struct error *err);
int billing_read(struct db *db, const struct billing_ask *ask, const atomic_bool *stop,
	struct billing_rated *out, struct error *err);
void billing_rated_finish(struct billing_rated *r);

struct billing_close;
struct billing_budgets;

struct billing {
	struct billing_config cfg;
	struct lane *lane;
	struct billing_work *works;
	struct loop_timer timer;
	bool stopped;
	struct billing_close *close; /* under way, or NULL */
	int failed_month;
	char failed_why[256];
	int64_t budgets_due_us;
	struct billing_budgets *budgets; /* under way, or NULL */
};

/* billing_budgets.c: looks at a project's budgets once; project_id 0: at all. */
void billing_budgets_go(struct billing *b, int64_t project_id);
#endif
