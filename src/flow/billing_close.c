/* SPDX-License-Identifier: Apache-2.0 */
/* Closing a month: rated once on billing's thread, then written by turns: the thread makes the invoices of
 * some projects, a unit writes them. What is written says how far it came, so that after a crash it goes on
 * there; rating the same again gives the same, as the books of a time that is over do not change. */
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "domain/month.h"
#include "flow/billing_local.h"
#include "store/books.h"
#include "store/price_books.h"

enum { BATCH_PROJECTS = 100, BATCH_LINES = 1000 };

struct billing_close {
	struct billing *b;
	unsigned refs; /* its own, and its work's */
	struct closed_month m;
	/* of the thread, while there is work; else of the loop */
	struct billing_rated rated;
	bool read;
	size_t next; /* of rated.projects */
	struct arena batch_arena;
	struct invoice batch[BATCH_PROJECTS];
	struct rating_invoice lines[BATCH_PROJECTS];
	size_t batch_n;
	bool last;
	/* of the loop */
	bool written; /* there are invoices on disk */
	struct tick_unit unit;
};

struct close_work {
	struct billing_work work;
	struct billing_close *c;
};

static void unref(struct billing_close *c)
{
	if (--c->refs)
		return;
	billing_rated_finish(&c->rated);
	arena_finish(&c->batch_arena);
	free(c);
}

static void over(struct billing_close *c)
{
	c->b->close = NULL;
	unref(c);
}

/* --- on the thread --- */

static int read_month(struct billing_close *c, const atomic_bool *stop, struct db *db, struct error *err)
{
	struct billing_ask ask = { .month = { .month = c->m.month,
					   .from_us = c->m.from_us,
					   .to_us = c->m.to_us,
					   .until_us = c->m.to_us,
					   .version = c->m.book_version } };
	int64_t last;

	/* the clock was set past all of it: nobody used anything, and nobody pays for what was to be his */
	c->read = c->m.to_us == c->m.from_us;
	if (c->read)
		return 0;
	if (billing_open_book(db, &ask, &c->rated, err) || billing_read(db, &ask, stop, &c->rated, err) ||
		store_invoice_last_project(db, c->m.month, &last, err))
		return -1;
	while (c->next < c->rated.n && c->rated.projects[c->next].id <= last)
		c->next++;
	c->read = true;
	return 0;
}

static int make_one(
	struct billing_close *c, const struct billing_project *p, size_t *lines, struct error *err)
{
	struct rating_invoice *r = &c->lines[c->batch_n];

	if (rating_make(&c->batch_arena, &c->rated.book, p->uid, &c->rated.period, p->groups, p->groups_n, r,
		    err))
		return -1;
	if (!r->n)
		return 0;
	c->batch[c->batch_n++] = (struct invoice) { .month = c->m.month,
		.project_id = p->id,
		.project_uid = p->uid,
		.book_version = c->m.book_version,
		.currency = c->rated.book.currency->code,
		.created_us = c->m.begun_us };
	*lines += r->n;
	return 0;
}

static int run(struct billing_work *w, struct db *db, struct error *err)
{
	struct billing_close *c = CONTAINER_OF(w, struct close_work, work)->c;
	size_t lines = 0;

	if (!c->read && read_month(c, &w->stop, db, err))
		return -1;
	arena_finish(&c->batch_arena);
	c->batch_n = 0;
	while (c->next < c->rated.n && c->batch_n < BATCH_PROJECTS && lines < BATCH_LINES)
		if (make_one(c, &c->rated.projects[c->next++], &lines, err))
			return -1;
	c->last = c->next == c->rated.n;
	return 0;
}

/* --- on the loop --- */

static void go_on(struct billing_close *c);

static int write_batch(struct tick_unit *u, struct error *err)
{
	struct billing_close *c = CONTAINER_OF(u, struct billing_close, unit);
	struct db *db = store_rw(c->b->cfg.store);

	for (size_t i = 0; i < c->batch_n; i++)
		if (store_invoice_write(db, &c->batch_arena, &c->batch[i], &c->lines[i], err))
			return -1;
	return c->last ? store_month_finish(db, c->m.month, clock_wall(c->b->cfg.loop->clock), err) : 0;
}

static void keep_error(struct billing_close *c, const struct error *err)
{
	char month[MONTH_TEXT];

	c->b->failed_month = c->m.month;
	str_copy(c->b->failed_why, sizeof c->b->failed_why, err->msg);
	log_event(LOG_ERR, "a month could not be closed", "month", month_text(c->m.month, month), "error",
		err->msg, "detail", err->detail, NULL);
}

static void finish_batch(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct billing_close *c = CONTAINER_OF(u, struct billing_close, unit);
	char month[MONTH_TEXT];

	if (outcome != TICK_DONE) {
		keep_error(c, err);
		over(c);
		return;
	}
	c->written |= c->batch_n > 0;
	if (!c->last) {
		go_on(c);
		return;
	}
	log_event(LOG_NOTICE, "a month is closed", "month", month_text(c->m.month, month), NULL);
	over(c);
}

static int undo(struct tick_unit *u, struct error *err)
{
	struct billing_close *c = CONTAINER_OF(u, struct billing_close, unit);

	return store_month_undo(store_rw(c->b->cfg.store), c->m.month, err);
}

static void finish_undo(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct billing_close *c = CONTAINER_OF(u, struct billing_close, unit);

	if (outcome != TICK_DONE)
		keep_error(c, err);
	over(c);
}

static void done(struct billing_work *w, const struct error *err)
{
	struct billing_close *c = CONTAINER_OF(w, struct close_work, work)->c;
	bool again = err && (err->code == ERR_UNAVAILABLE || c->b->stopped);

	if (err)
		keep_error(c, err);
	if (again || (err && c->written)) {
		over(c); /* billing_close_go tries again */
		return;
	}
	c->unit = err ? (struct tick_unit) { .run = undo, .finish = finish_undo }
		      : (struct tick_unit) { .run = write_batch, .finish = finish_batch };
	tick_submit(c->b->cfg.tick, &c->unit);
}

static void destroy(struct billing_work *w)
{
	struct close_work *cw = CONTAINER_OF(w, struct close_work, work);

	unref(cw->c);
	free(cw);
}

static void go_on(struct billing_close *c)
{
	struct close_work *w = xcalloc(1, sizeof *w);

	w->work.run = run;
	w->work.done = done;
	w->work.destroy = destroy;
	w->c = c;
	if (billing_submit(c->b, &w->work)) {
		c->refs++;
		return;
	}
	free(w);
	over(c);
}

void billing_close_go(struct billing *b)
{
	struct closed_month m;
	struct billing_close *c;
	struct error err;
	int rc;

	if (b->close || b->stopped)
		return;
	rc = store_month_closing(store_ro(b->cfg.store), &m, &err);
	if (rc < 0)
		log_event(LOG_ERR, "the closed months cannot be read", "error", err.msg, "detail", err.detail,
			NULL);
	if (rc <= 0)
		return;
	c = b->close = xcalloc(1, sizeof *c);
	c->b = b;
	c->refs = 1;
	c->m = m;
	c->written = m.invoices > 0;
	b->failed_month = 0;
	go_on(c);
}

const char *billing_close_error(const struct billing *b, int month)
{
	return b->failed_month == month ? b->failed_why : "";
}

/* --- the request --- */

static int check_order(struct db *db, int month, struct error *err)
{
	char text[MONTH_TEXT], other[MONTH_TEXT];
	struct closed_month m;
	int last, rc = store_month_last(db, &last, err);

	if (rc <= 0)
		return rc;
	month_text(month, text);
	if (store_month_get(db, last, &m, err) <= 0)
		return -1;
	if (!m.closed_us)
		return error_set(err, ERR_CONFLICT, "%s is being closed: try again when it is",
			month_text(last, other));
	if (month != month_next(last))
		return error_set(err, ERR_CONFLICT, "months are closed in their order: %s is next, not %s",
			month_text(month_next(last), other), text);
	return 0;
}

int billing_close_begin(struct db *db, int month, int64_t now_us, struct closed_month *out, struct error *err)
{
	struct closed_month m = { .month = month, .begun_us = now_us };
	char text[MONTH_TEXT];
	int rc = store_month_get(db, month, out, err);

	if (rc)
		return rc < 0 ? -1 : 0;
	month_text(month, text);
	if (check_order(db, month, err) || store_month_bounds(db, month, &m.from_us, &m.to_us, err))
		return -1;
	if (now_us < month_start(month_next(month)) || books_now(db) < m.to_us)
		return error_set(err, ERR_CONFLICT, "%s is not over", text);
	rc = store_price_book_in_force(db, month, &m.book_version, err);
	if (rc <= 0)
		return rc ? -1
			  : error_set(err, ERR_CONFLICT,
				    "there is no price book for %s: add one that is in force from that month "
				    "or before",
				    text);
	*out = m;
	return store_month_begin(db, &m, err);
}
