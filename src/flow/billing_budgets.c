/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets: from time to time each project that has any is rated for the month under way, some at a time, and
 * each threshold that was passed is told of once a month. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "domain/month.h"
#include "flow/billing_local.h"
#include "store/budgets.h"
#include "store/events.h"

enum { PAGE = 50 };

struct spent { /* a budget of which something is to be told */
	struct budget budget;
	int64_t total;
	int percent; /* the highest threshold that was passed */
};

struct billing_budgets {
	struct billing *b;
	unsigned refs;
	struct billing_month month;
	/* of the thread, while there is work; else of the loop */
	struct arena arena;
	struct budget_filter after;
	struct spent spent[PAGE];
	size_t n;
	bool last;
	struct tick_unit unit;
};

struct budgets_work {
	struct billing_work work;
	struct billing_budgets *p;
};

size_t billing_thresholds(const char *text, int out[BUDGET_THRESHOLDS_MAX])
{
	size_t n = 0;

	while (n < BUDGET_THRESHOLDS_MAX) {
		size_t length = strcspn(text, ",");
		char digits[8];
		int64_t percent;

		if (length >= sizeof digits)
			return 0;
		snprintf(digits, sizeof digits, "%.*s", (int)length, text);
		if (!str_int64(digits, n ? out[n - 1] + 1 : 1, BUDGET_PERCENT_MAX, &percent))
			return 0;
		out[n++] = (int)percent;
		if (!text[length])
			return n;
		text += length + 1;
	}
	return 0;
}

static void unref(struct billing_budgets *p)
{
	if (--p->refs)
		return;
	arena_finish(&p->arena);
	free(p);
}

static void over(struct billing_budgets *p)
{
	p->b->budgets = NULL;
	unref(p);
}

/* --- on the thread --- */

/* What the budget's project has spent of it so far. */
static void look_at(struct billing_budgets *p, const struct budget *b, int64_t total)
{
	int thresholds[BUDGET_THRESHOLDS_MAX], reached = 0,
					       told = b->told_month == p->month.month ? b->told_percent : 0;
	size_t n = billing_thresholds(b->thresholds, thresholds);

	for (size_t i = 0; i < n; i++)
		if ((money_wide)total * 100 >= (money_wide)thresholds[i] * b->amount)
			reached = thresholds[i];
	if (reached > told)
		p->spent[p->n++] = (struct spent) { *b, total, reached };
}

/* One project, and its budgets; lists them all once more when it went well. */
static int look_at_project(struct billing_budgets *p, const struct billing_rated *with,
	const struct budget *all, size_t n, struct billing_work *w, struct db *db, struct error *err)
{
	const struct billing_ask ask = { .month = p->month, .project_id = all->project_id };
	struct billing_rated r = { .book = with->book };
	int rc = billing_read(db, &ask, &w->stop, &r, err);

	for (size_t i = 0; !rc && i < n; i++)
		if (strcmp(all[i].currency, with->book.currency->code) == 0)
			look_at(p, &all[i], r.n ? r.projects[0].invoice.total : 0);
	billing_rated_finish(&r);
	return rc;
}

static int run(struct billing_work *w, struct db *db, struct error *err)
{
	struct billing_budgets *p = CONTAINER_OF(w, struct budgets_work, work)->p;
	const struct billing_ask ask = { .month = p->month };
	struct billing_rated with = { .period = { 0 } };
	struct budget *all;
	size_t n, run_n;
	int rc;

	arena_finish(&p->arena);
	p->n = 0;
	rc = store_budget_list(db, &p->arena, &p->after, &all, &n, err) ||
	     (n && billing_open_book(db, &ask, &with, err));
	for (size_t i = 0; !rc && i < n; i += run_n) {
		for (run_n = 1; i + run_n < n && all[i + run_n].project_id == all[i].project_id;)
			run_n++;
		rc = look_at_project(p, &with, &all[i], run_n, w, db, err);
	}
	billing_rated_finish(&with);
	if (rc)
		return -1;
	p->last = (int64_t)n < p->after.limit;
	if (n) {
		p->after.after_project = all[n - 1].project_id;
		p->after.after_id = all[n - 1].id;
	}
	return 0;
}

/* --- on the loop --- */

static void go_on(struct billing_budgets *p);

static int tell(
	struct db *db, const struct billing_budgets *p, const struct spent *s, int percent, struct error *err)
{
	const struct currency *c = currency_find(s->budget.currency);
	CLEANUP(buf_finish) struct buf data = { 0 };
	char month[MONTH_TEXT], amount[MONEY_TEXT];
	struct event_row event = {
		.type = "budget.threshold", .project_uid = s->budget.project_uid, .subject = s->budget.uid
	};

	jw_object(&data);
	jw_kv_str(&data, "name", s->budget.name);
	jw_kv_str(&data, "month", month_text(p->month.month, month));
	jw_kv_int(&data, "percent", percent);
	jw_kv_str(&data, "amount", money_text(s->budget.amount, c, amount));
	jw_kv_str(&data, "spent", money_text(s->total, c, amount));
	jw_kv_str(&data, "currency", c->code);
	jw_end_object(&data);
	event.data = buf_text(&data);
	log_event(LOG_NOTICE, "a budget's threshold is passed", "budget", s->budget.uid, "project",
		s->budget.project_uid, "data", event.data, NULL);
	return store_event_add(db, &event, err);
}

static int tell_all(struct tick_unit *u, struct error *err)
{
	struct billing_budgets *p = CONTAINER_OF(u, struct billing_budgets, unit);
	struct db *db = store_rw(p->b->cfg.store);

	for (size_t i = 0; i < p->n; i++) {
		const struct spent *s = &p->spent[i];
		int thresholds[BUDGET_THRESHOLDS_MAX],
			told = s->budget.told_month == p->month.month ? s->budget.told_percent : 0;
		size_t n = billing_thresholds(s->budget.thresholds, thresholds);
		int rc = store_budget_told(db, &s->budget, p->month.month, s->percent, err);

		if (rc < 0)
			return -1;
		for (size_t k = 0; rc && k < n; k++)
			if (thresholds[k] > told && thresholds[k] <= s->percent &&
				tell(db, p, s, thresholds[k], err))
				return -1;
	}
	return 0;
}

static void finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct billing_budgets *p = CONTAINER_OF(u, struct billing_budgets, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "budgets could not be looked at", "error", err->msg, "detail", err->detail,
			NULL);
	if (outcome == TICK_DONE && !p->last)
		go_on(p);
	else
		over(p);
}

static void done(struct billing_work *w, const struct error *err)
{
	struct billing_budgets *p = CONTAINER_OF(w, struct budgets_work, work)->p;

	if (err) {
		log_event(err->code == ERR_UNAVAILABLE || err->code == ERR_CONFLICT ? LOG_INFO : LOG_ERR,
			"budgets could not be looked at", "error", err->msg, "detail", err->detail, NULL);
		over(p);
	} else if (p->n) {
		p->unit = (struct tick_unit) { .run = tell_all, .finish = finish, .patient = true };
		tick_submit(p->b->cfg.tick, &p->unit);
	} else if (!p->last) {
		go_on(p);
	} else {
		over(p);
	}
}

static void destroy(struct billing_work *w)
{
	struct budgets_work *bw = CONTAINER_OF(w, struct budgets_work, work);

	unref(bw->p);
	free(bw);
}

static void go_on(struct billing_budgets *p)
{
	struct budgets_work *w = xcalloc(1, sizeof *w);

	w->work.run = run;
	w->work.done = done;
	w->work.destroy = destroy;
	w->p = p;
	if (billing_submit(p->b, &w->work)) {
		p->refs++;
		return;
	}
	free(w);
	over(p);
}

void billing_budgets_go(struct billing *b, int64_t project_id)
{
	struct billing_budgets *p;
	struct billing_month month;
	struct error err;

	if (b->budgets || b->stopped)
		return;
	if (billing_month_load(
		    store_ro(b->cfg.store), month_of(clock_wall(b->cfg.loop->clock)), &month, &err)) {
		log_event(LOG_INFO, "budgets could not be looked at", "error", err.msg, NULL);
		return;
	}
	p = b->budgets = xcalloc(1, sizeof *p);
	p->b = b;
	p->refs = 1;
	p->month = month;
	p->after = (struct budget_filter) { .project_id = project_id, .limit = PAGE };
	go_on(p);
}
