/* SPDX-License-Identifier: Apache-2.0 */
/* Billing's thread and its clock. */
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/billing_local.h"

/* WIDTH: months are long; tenants who look at their invoice meanwhile shall not wait. */
enum { WIDTH = 3, WAITING_MAX = 64, LOOK_MS = 30000, FIRST_MS = 1000, SOON_US = 60000000 };

static void look(struct loop_timer *t)
{
	struct billing *b = CONTAINER_OF(t, struct billing, timer);
	int64_t now_us = clock_mono(b->cfg.loop->clock);

	billing_close_go(b);
	if (now_us >= b->budgets_due_us) {
		b->budgets_due_us = now_us + b->cfg.budgets_every_s * 1000000;
		billing_budgets_go(b, 0);
	}
	loop_timer_set(b->cfg.loop, &b->timer, LOOK_MS, look);
}

void billing_budgets_soon(struct billing *b, int64_t project_id)
{
	int64_t soon_us = clock_mono(b->cfg.loop->clock) + SOON_US;

	if (!b->budgets)
		billing_budgets_go(b, project_id);
	else if (b->budgets_due_us > soon_us)
		b->budgets_due_us = soon_us;
}

struct billing *billing_create(const struct billing_config *config)
{
	struct billing *b = xcalloc(1, sizeof *b);

	b->cfg = *config;
	b->lane = lane_create(config->lanes, "billing", WIDTH, WAITING_MAX);
	b->budgets_due_us = clock_mono(config->loop->clock) + config->budgets_every_s * 1000000;
	loop_timer_set(config->loop, &b->timer, FIRST_MS, look);
	return b;
}

void billing_stop(struct billing *b)
{
	if (b->stopped)
		return;
	b->stopped = true;
	loop_timer_stop(&b->timer);
	for (struct billing_work *w = b->works; w; w = w->next)
		atomic_store(&w->stop, true);
}

static void closed(struct loop_timer *t)
{
	free(CONTAINER_OF(t, struct billing, timer));
}

void billing_destroy(struct billing *b)
{
	if (!b)
		return;
	billing_stop(b);
	lane_destroy(b->lane);
	loop_timer_close(&b->timer, closed);
}

/* --- work --- */

static void work_run(struct work *work)
{
	struct billing_work *w = CONTAINER_OF(work, struct billing_work, work);
	struct db *db = NULL;

	w->failed = store_reader_open(w->store, &db, &w->err) || w->run(w, db, &w->err);
	store_reader_close(db);
}

static void work_done(struct work *work, enum work_result res)
{
	struct billing_work *w = CONTAINER_OF(work, struct billing_work, work);
	struct error err;

	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	if (res == WORK_DONE) {
		w->done(w, w->failed ? &w->err : NULL);
		return;
	}
	error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
	w->done(w, &err);
}

static void work_destroy(struct work *work)
{
	struct billing_work *w = CONTAINER_OF(work, struct billing_work, work);

	w->destroy(w);
}

bool billing_submit(struct billing *b, struct billing_work *w)
{
	w->work = (struct work) { .run = work_run, .done = work_done, .destroy = work_destroy };
	w->billing = b;
	w->store = b->cfg.store;
	if (b->stopped || !lane_submit(b->lane, &w->work))
		return false;
	w->next = b->works;
	w->at = &b->works;
	if (w->next)
		w->next->at = &w->next;
	b->works = w;
	return true;
}
