/* SPDX-License-Identifier: Apache-2.0 */
/* The money of the model test: months are closed as it goes, and each invoice is compared with a bill of the
 * test's own (books_rates.h). */
#ifndef TESTS_BOOKS_BILLS_H
#define TESTS_BOOKS_BILLS_H

#include "books_life.h"
#include "books_rates.h"

#include "flow/billing_local.h"
#include "store/price_books.h"

static struct {
	int64_t clock_steps, crashes, restarts, boots, time_us, servers, closed, bills, lines;
} did;

struct model {
	struct life l;
	struct oracle o;
	struct rates_world world;
	struct rates rates; /* the price book that months are closed by */
	int64_t wait_us;
};

/* All that is committed is in what the accountant sees, and nothing can happen before time has passed. */
static inline void look(struct model *m)
{
	cloud_until(&m->l.c, tick_idle, NULL);
	store_turn_end(m->l.c.store);
	oracle_look(&m->o, store_ro(m->l.c.store));
}

static int do_book(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct rates *r = arg;
	struct price_book_row row = {
		.from_month = 200001, .currency = r->currency, .body = buf_text(&r->json)
	};
	struct price_book b;

	(void)c;
	return price_book_parse(r->json.data, r->json.len, &a, &b, err) ||
	       store_price_book_add(db, &row, err);
}

/* One that is taken. */
static inline void some_rates(struct model *m)
{
	static const char *const uids[] = { "c0ffee00000000000000000000000001",
		"c0ffee00000000000000000000000002", "c0ffee00000000000000000000000003" };

	for (size_t i = 0; i < PROJECTS; i++)
		m->world.projects[i] = (struct rates_project) { m->l.projects[i], uids[i] };
	m->world.projects_n = PROJECTS;
	m->world.network_uid = "e1000000-0000-4000-8000-000000000001";
	rates_make(&m->rates, &m->world, dice);
	while (cloud_do(&m->l.c, do_book, &m->rates)) {
		rates_finish(&m->rates);
		rates_make(&m->rates, &m->world, dice);
	}
}

static inline bool not_closing(struct cloud *c, void *arg)
{
	return tick_pending(c->tick) == 0 && !((struct billing *)arg)->close;
}

static inline int do_close(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	struct closed_month out;

	(void)c;
	return billing_close_begin(db, *(int *)arg, clock_wall(&test_clock), &out, err);
}

/* The operator closes the months that are over. */
static inline void close_months(struct model *m)
{
	struct cloud *c = &m->l.c;
	struct billing_config config = { &c->loop, c->tick, c->store, c->lanes, 3600 };
	struct billing *b = billing_create(&config);

	look(m);
	for (int month; (month = oracle_close(&m->o));) {
		cloud_ok(c, do_close, &month);
		billing_close_go(b);
		cloud_until(c, not_closing, b);
		if (*billing_close_error(b, month))
			fail_msg("%d: %s", month, billing_close_error(b, month));
		did.closed++;
	}
	billing_destroy(b);
}

static inline int ascending(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

static inline void expect_bill(struct model *m, size_t project, int month, const struct rating_line *lines,
	size_t n, const struct oracle_bag *sums)
{
	int64_t amounts[RATES_LINES], begin = oracle_month_begin(&m->o, month), total = 0;
	struct rates_bill want;

	rates_bill(&m->rates, &m->world, project, oracle_month_number(month),
		oracle_month_begin(&m->o, month + 1) - begin, sums, &want);
	assert_true(n <= RATES_LINES);
	for (size_t i = 0; i < n; i++) {
		amounts[i] = lines[i].amount;
		total += amounts[i];
	}
	qsort(amounts, n, sizeof amounts[0], ascending);
	if (n != want.n || total != want.total || memcmp(amounts, want.lines, n * sizeof amounts[0]) != 0) {
		for (size_t i = 0; i < n; i++)
			print_error("%s %s %s %s: %lld\n", lines[i].item, lines[i].quantity, lines[i].unit,
				lines[i].price, (long long)lines[i].amount);
		for (size_t i = 0; i < n || i < want.n; i++)
			print_error("%lld %lld\n", (long long)(i < n ? amounts[i] : -1),
				(long long)(i < want.n ? want.lines[i] : -1));
		fail_msg("%d of project %zu: %zu lines, %lld; not %zu, %lld; %s", oracle_month_number(month),
			project, n, (long long)total, want.n, (long long)want.total,
			buf_text(&m->rates.json));
	}
	did.bills++;
	did.lines += (int64_t)n;
}

/* Of a closed month: what was written then. */
static inline void sealed_bill(struct model *m, size_t project, int month, const struct oracle_bag *sums)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct invoice_filter f = {
		.project_id = m->l.projects[project], .month = oracle_month_number(month), .limit = 2
	};
	struct rating_line *lines = NULL;
	struct closed_month c;
	struct invoice *v;
	struct error err;
	size_t n, lines_n = 0;

	assert_int_equal(store_month_get(store_ro(m->l.c.store), f.month, &c, &err), 1);
	assert_int_equal(c.from_us, oracle_month_begin(&m->o, month));
	assert_int_equal(c.to_us, oracle_month_begin(&m->o, month + 1));
	assert_int_equal(store_invoice_list(store_ro(m->l.c.store), &a, &f, &v, &n, &err), 0);
	assert_true(n <= 1);
	if (n)
		assert_int_equal(
			store_invoice_lines(store_ro(m->l.c.store), &a, v->id, &lines, &lines_n, &err), 0);
	if (oracle_month_begin(&m->o, month) < oracle_month_begin(&m->o, month + 1))
		expect_bill(m, project, month, lines, lines_n, sums);
	else
		assert_int_equal(n, 0);
}

/* Of one that is not: what it comes to so far. */
static inline void open_bill(struct model *m, size_t project, int month, const struct oracle_bag *sums)
{
	struct billing_ask ask = { .project_id = m->l.projects[project], .book = buf_text(&m->rates.json) };
	struct billing_rated rated = { .n = 0 };
	struct db *db = store_ro(m->l.c.store);
	atomic_bool stop = false;
	struct error err;

	if (oracle_month_begin(&m->o, month) >= oracle_month_begin(&m->o, month + 1))
		return;
	if (billing_month_load(db, oracle_month_number(month), &ask.month, &err) ||
		billing_open_book(db, &ask, &rated, &err) || billing_read(db, &ask, &stop, &rated, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	assert_int_equal(ask.month.from_us, oracle_month_begin(&m->o, month));
	assert_int_equal(ask.month.to_us, oracle_month_begin(&m->o, month + 1));
	assert_true(rated.n <= 1);
	expect_bill(m, project, month, rated.n ? rated.projects[0].invoice.lines : NULL,
		rated.n ? rated.projects[0].invoice.n : 0, sums);
	billing_rated_finish(&rated);
}

static inline void compare_bills(struct model *m)
{
	int first = oracle_first_month(&m->o), open = first + (int)m->o.sealed_n;
	struct oracle_bag sums = { 0 };

	oracle_months(&m->o, &sums);
	for (int month = first; month < open || oracle_month_begin(&m->o, month) < m->o.now_us; month++)
		for (size_t p = 0; p < PROJECTS; p++)
			(month < open ? sealed_bill : open_bill)(m, p, month, &sums);
	oracle_bag_finish(&sums);
}

#endif
