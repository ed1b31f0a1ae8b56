/* SPDX-License-Identifier: Apache-2.0 */
/* Billing: rates what the books say on a thread of its own with a connection of its own, closes months in
 * bounded units, and looks after budgets. */
#ifndef FLOW_BILLING_H
#define FLOW_BILLING_H

#include <stdatomic.h>

#include "domain/invoice.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/tick.h"
#include "store/invoices.h"

struct billing;

struct billing_config {
	struct loop *loop;
	struct tick *tick;
	struct store *store;
	struct lane_pool *lanes;
	int64_t budgets_every_s;
};

struct billing *billing_create(const struct billing_config *config);
/* Starts no more work of its own; what is under way on threads ends soon. */
void billing_stop(struct billing *b);
/* After billing_stop, before the pool of lanes. The memory goes with the loop's next turn. */
void billing_destroy(struct billing *b);

/* --- what a month costs --- */

/* A month's bounds in books time, as far as it is over, and the book that it is rated by. */
struct billing_month {
	int month;
	int64_t from_us, to_us, until_us;
	int version; /* of the book; 0: there is none */
	bool closed;
};

/* ERR_BAD_REQUEST for a month that has not begun. */
int billing_month_load(struct db *db, int month, struct billing_month *out, struct error *err);

struct billing_ask {
	struct billing_month month;
	int64_t project_id; /* 0: all projects, without lines */
	const char *book;   /* JSON of another book than month.version; NULL: that one */
	bool all;           /* with what has no price */
	bool merged;        /* of all projects, as if they were one without a name: with lines */
};

struct billing_project {
	int64_t id;
	const char *uid, *name;
	const struct rating_group *groups;
	size_t groups_n;
	struct rating_invoice invoice; /* of one project; of all: its total alone */
};

struct billing_rated {
	struct arena arena;
	struct price_book book;
	struct rating_period period;
	struct rating_sums *sums;
	struct billing_project
		*projects; /* by their keys: those that used anything, or have committed themselves */
	size_t n;
};

/* Called on the loop; rated is NULL when err says why, and gone when it returns. */
typedef void billing_done(void *ctx, const struct billing_rated *rated, const struct error *err);
/* ERR_BUSY when too many are asking. */
int billing_rate(
	struct billing *b, const struct billing_ask *ask, billing_done *done, void *ctx, struct error *err);

struct billing_verdict {
	int64_t invoices;
	struct arena arena;
	struct billing_fault {
		const char *uid, *fault;
	} faults[100];
	size_t n;
	bool more;
};
typedef void billing_verified(void *ctx, const struct billing_verdict *v, const struct error *err);
/* All invoices of a closed month against their seals. */
int billing_verify(struct billing *b, int month, billing_verified *done, void *ctx, struct error *err);

/* --- closing --- */

/* Inside a unit: the month is over, and those before it are closed; it is being closed from now on. Harmless
 * when it is already. */
int billing_close_begin(
	struct db *db, int month, int64_t now_us, struct closed_month *out, struct error *err);
/* After that unit's commit: goes on with a month that is being closed, if there is one. */
void billing_close_go(struct billing *b);
/* Why the last attempt to close this month failed; "" when none did. */
const char *billing_close_error(const struct billing *b, int month);

/* --- budgets --- */

enum { BUDGET_THRESHOLDS_MAX = 10, BUDGET_PERCENT_MAX = 1000 };
/* "50,80,100": ascending, from 1 on. How many, 0: it is none. */
size_t billing_thresholds(const char *text, int out[BUDGET_THRESHOLDS_MAX]);
/* A project's budgets were changed: looks at them now; when others are just looked at, within a minute or so.
 */
void billing_budgets_soon(struct billing *b, int64_t project_id);

#endif
