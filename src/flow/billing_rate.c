/* SPDX-License-Identifier: Apache-2.0 */
/* What a month costs: read, added up and rated on billing's thread. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/month.h"
#include "flow/billing_local.h"
#include "store/books.h"
#include "store/price_books.h"
#include "store/projects.h"
#include "store/rating_read.h"

int billing_month_load(struct db *db, int month, struct billing_month *out, struct error *err)
{
	struct billing_month m = { .month = month };
	struct closed_month closed;
	char text[MONTH_TEXT];
	int rc = store_month_get(db, month, &closed, err);

	if (rc < 0 || store_month_bounds(db, month, &m.from_us, &m.to_us, err))
		return -1;
	m.closed = rc > 0 && closed.closed_us;
	m.version = rc > 0 ? closed.book_version : 0;
	if (!rc && store_price_book_in_force(db, month, &m.version, err) < 0)
		return -1;
	m.until_us = books_now(db);
	if (m.until_us > m.to_us)
		m.until_us = m.to_us;
	if (m.until_us <= m.from_us)
		return error_set(err, ERR_BAD_REQUEST, "%s has not begun", month_text(month, text));
	*out = m;
	return 0;
}

/* --- projects --- */

/* The project of a row, unless there is none. */
static int project_add(struct db *db, struct billing_rated *r, int64_t id, const struct rating_group *groups,
	size_t n, struct error *err)
{
	struct billing_project *p = &r->projects[r->n];
	struct project row = { .uid = "", .name = "" };

	if (id && store_project_load(db, &r->arena, id, &row, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	*p = (struct billing_project) {
		.id = id, .uid = row.uid, .name = row.name, .groups = groups, .groups_n = n
	};
	r->n++;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct billing_project *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static bool known(const struct billing_rated *r, size_t n, const char *uid)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(r->projects[i].uid, uid) == 0)
			return true;
	return false;
}

/* Those that have used nothing and pay for what they committed themselves to; not once they are deleted. */
static int committed_projects(
	struct db *db, const struct billing_ask *ask, struct billing_rated *r, struct error *err)
{
	for (size_t i = 0; i < r->book.commitments_n && !ask->merged; i++) {
		const char *uid = r->book.commitments[i].project;
		struct project row;

		if (known(r, r->n, uid))
			continue;
		if (store_project_get(db, &r->arena, uid, &row, err)) {
			if (err->code != ERR_NOT_FOUND)
				return -1;
			continue;
		}
		if ((!ask->project_id || ask->project_id == row.id) &&
			project_add(db, r, row.id, NULL, 0, err))
			return -1;
	}
	return 0;
}

static int find_projects(
	struct db *db, const struct billing_ask *ask, struct billing_rated *r, struct error *err)
{
	const struct rating_group *groups;
	size_t n, runs = 0, at = 0;

	groups = rating_sums_sorted(r->sums, &n);
	for (size_t i = 0; i < n; i++)
		runs += !i || groups[i].project_id != groups[i - 1].project_id;
	r->projects = ARENA_ARRAY(&r->arena, struct billing_project, runs + r->book.commitments_n + 1);
	for (; at < n; at += rating_project_groups(groups + at, n - at))
		if (project_add(db, r, groups[at].project_id, groups + at,
			    rating_project_groups(groups + at, n - at), err))
			return -1;
	if (committed_projects(db, ask, r, err))
		return -1;
	qsort(r->projects, r->n, sizeof *r->projects, by_id);
	return 0;
}

/* --- the whole --- */

int billing_open_book(
	struct db *db, const struct billing_ask *ask, struct billing_rated *r, struct error *err)
{
	char text[MONTH_TEXT];

	if (ask->book)
		return price_book_parse(ask->book, strlen(ask->book), &r->arena, &r->book, err);
	if (!ask->month.version)
		return error_set(err, ERR_CONFLICT,
			"there is no price book for %s: add one that is in force from that month or before",
			month_text(ask->month.month, text));
	return store_price_book_open(db, &r->arena, ask->month.version, &r->book, err);
}

/* Of many projects only the totals are kept. */
static int make_invoices(
	const struct billing_ask *ask, const atomic_bool *stop, struct billing_rated *r, struct error *err)
{
	bool keep = ask->project_id || ask->merged;

	for (size_t i = 0; i < r->n; i++) {
		CLEANUP(arena_finish) struct arena scratch = { 0 };
		struct billing_project *p = &r->projects[i];

		if (atomic_load_explicit(stop, memory_order_relaxed))
			return error_set(err, ERR_UNAVAILABLE, "cloudd is stopping");
		if (rating_make(keep ? &r->arena : &scratch, &r->book, p->uid, &r->period, p->groups,
			    p->groups_n, &p->invoice, err))
			return -1;
		if (!keep)
			p->invoice.lines = NULL;
	}
	return 0;
}

int billing_read(struct db *db, const struct billing_ask *ask, const atomic_bool *stop,
	struct billing_rated *out, struct error *err)
{
	out->period = (struct rating_period) { ask->month.from_us, ask->month.to_us, ask->all };
	out->sums = rating_sums_create(ask->month.from_us, ask->month.until_us);
	if (ask->merged)
		rating_sums_merge(out->sums);
	if (store_rating_read(
		    db, ask->project_id, ask->month.from_us, ask->month.until_us, stop, out->sums, err) ||
		find_projects(db, ask, out, err))
		return -1;
	return make_invoices(ask, stop, out, err);
}

void billing_rated_finish(struct billing_rated *r)
{
	rating_sums_destroy(r->sums);
	arena_finish(&r->arena);
}

/* --- for others --- */

struct rate_work {
	struct billing_work work;
	struct billing_ask ask;
	char *book;
	struct billing_rated rated;
	billing_done *done;
	void *ctx;
};

static int run(struct billing_work *w, struct db *db, struct error *err)
{
	struct rate_work *r = CONTAINER_OF(w, struct rate_work, work);

	return billing_open_book(db, &r->ask, &r->rated, err) ||
			       billing_read(db, &r->ask, &w->stop, &r->rated, err)
		       ? -1
		       : 0;
}

static void done(struct billing_work *w, const struct error *err)
{
	struct rate_work *r = CONTAINER_OF(w, struct rate_work, work);

	r->done(r->ctx, err ? NULL : &r->rated, err);
}

static void destroy(struct billing_work *w)
{
	struct rate_work *r = CONTAINER_OF(w, struct rate_work, work);

	billing_rated_finish(&r->rated);
	free(r->book);
	free(r);
}

static int busy(struct error *err)
{
	return error_set(err, ERR_BUSY, "Too many invoices are being made; try again in a moment.");
}

int billing_rate(
	struct billing *b, const struct billing_ask *ask, billing_done *done_fn, void *ctx, struct error *err)
{
	struct rate_work *r = xcalloc(1, sizeof *r);

	r->work.run = run;
	r->work.done = done;
	r->work.destroy = destroy;
	r->ask = *ask;
	r->book = ask->book ? xstrdup(ask->book) : NULL;
	r->ask.book = r->book;
	r->done = done_fn;
	r->ctx = ctx;
	if (billing_submit(b, &r->work))
		return 0;
	destroy(&r->work);
	return busy(err);
}

/* --- verifying --- */

struct verify_work {
	struct billing_work work;
	int month;
	struct billing_verdict verdict;
	billing_verified *done;
	void *ctx;
};

static void on_fault(void *ctx, const char *uid, const char *fault)
{
	struct billing_verdict *v = ctx;

	if (v->n == ARRAY_LEN(v->faults)) {
		v->more = true;
		return;
	}
	v->faults[v->n].uid = arena_strdup(&v->arena, uid);
	v->faults[v->n++].fault = arena_strdup(&v->arena, fault);
}

static int verify_run(struct billing_work *w, struct db *db, struct error *err)
{
	struct verify_work *v = CONTAINER_OF(w, struct verify_work, work);

	return store_month_verify(db, v->month, on_fault, &v->verdict, &v->verdict.invoices, err);
}

static void verify_done(struct billing_work *w, const struct error *err)
{
	struct verify_work *v = CONTAINER_OF(w, struct verify_work, work);

	v->done(v->ctx, err ? NULL : &v->verdict, err);
}

static void verify_destroy(struct billing_work *w)
{
	struct verify_work *v = CONTAINER_OF(w, struct verify_work, work);

	arena_finish(&v->verdict.arena);
	free(v);
}

int billing_verify(struct billing *b, int month, billing_verified *done_fn, void *ctx, struct error *err)
{
	struct verify_work *v = xcalloc(1, sizeof *v);

	v->work.run = verify_run;
	v->work.done = verify_done;
	v->work.destroy = verify_destroy;
	v->month = month;
	v->done = done_fn;
	v->ctx = ctx;
	if (billing_submit(b, &v->work))
		return 0;
	verify_destroy(&v->work);
	return busy(err);
}
