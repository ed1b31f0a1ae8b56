/* SPDX-License-Identifier: Apache-2.0 */
/* Months: rated off the loop, closed in pieces, cut off in the middle and closed all the same; what was
 * sealed is verified, and every edit is found; budgets tell of each threshold once a month. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "store_fixture.h"

#include "domain/month.h"
#include "flow/billing_local.h"
#include "store/books.h"
#include "store/budgets.h"
#include "store/checks.h"
#include "store/price_books.h"
#include "store/rating_read.h"

enum { PROJECTS = 250, GUARD_MS = 60000, BEAT_MS = 10 };
#define H INT64_C(3600000000)

static struct {
	struct store_fixture f;
	struct lane_pool *lanes;
	struct billing *b;
	int64_t now_us; /* wall, and time since boot */
	int allowed;    /* units that may still write; -1: all */
} t;

static int64_t now(void *ctx)
{
	(void)ctx;
	return t.now_us;
}

static int64_t mono(void *ctx)
{
	(void)ctx;
	return clock_mono(&clock_system);
}

static const struct clock test_clock = { .wall_us = now, .mono_us = mono, .boot_us = now };

/* --- the world --- */

static int refuse_seal(void *ctx, struct error *err)
{
	(void)ctx;
	if (t.allowed == 0)
		return error_set(err, ERR_UNAVAILABLE, "the power failed");
	t.allowed -= t.allowed > 0;
	return 0;
}

static void open_all(void)
{
	struct store_config sc = {
		.path = t.f.path, .clock = &test_clock, .boot_id = "boot", .no_sync = true
	};
	struct tick_config tc = { .loop = &t.f.loop, .fatal = fixture_fatal, .fatal_ctx = &t.f };
	struct tick_member store, power = { .seal = refuse_seal };
	struct error err = { 0 };

	t.allowed = -1;
	if (store_open(&sc, &t.f.store, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	store = fixture_member(t.f.store);
	assert_int_equal(loop_init(&t.f.loop, &test_clock, &rng_system, &err), 0);
	t.f.tick = tick_create(&tc);
	tick_add_member(t.f.tick, &store);
	tick_add_member(t.f.tick, &power);
	t.lanes = lane_pool_create(&t.f.loop);
	t.b = billing_create(&(struct billing_config) {
		&t.f.loop, t.f.tick, t.f.store, t.lanes, .budgets_every_s = 86400 });
}

static void close_all(void)
{
	billing_stop(t.b);
	fixture_drain(&t.f);
	billing_destroy(t.b);
	lane_pool_destroy(t.lanes, 20000);
	tick_destroy(t.f.tick);
	loop_finish(&t.f.loop);
	fixture_close(&t.f);
}

static void on_guard(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void on_beat(uv_timer_t *timer)
{
	(void)timer;
}

static void until(bool (*pred)(void))
{
	uv_timer_t *guard = malloc(sizeof *guard), *beat = malloc(sizeof *beat);
	bool late = false;

	uv_timer_init(&t.f.loop.uv, guard);
	uv_timer_init(&t.f.loop.uv, beat);
	guard->data = &late;
	uv_timer_start(guard, on_guard, GUARD_MS, 0);
	uv_timer_start(beat, on_beat, BEAT_MS, BEAT_MS);
	while (!pred() && !late)
		uv_run(&t.f.loop.uv, UV_RUN_ONCE);
	uv_close((uv_handle_t *)guard, (uv_close_cb)free);
	uv_close((uv_handle_t *)beat, (uv_close_cb)free);
	assert_false(late);
}

/* --- units --- */

typedef int unit_fn(struct db *db, struct error *err);

static struct {
	struct tick_unit unit;
	unit_fn *fn;
	bool finished;
	enum tick_outcome outcome;
	struct error err;
} u;

static int unit_run(struct tick_unit *unit, struct error *err)
{
	(void)unit;
	return u.fn(store_rw(t.f.store), err);
}

static void unit_finish(struct tick_unit *unit, enum tick_outcome outcome, const struct error *err)
{
	(void)unit;
	u.outcome = outcome;
	u.err = *err;
	u.finished = true;
}

static bool unit_finished(void)
{
	return u.finished;
}

static int try_unit(unit_fn *fn)
{
	u.fn = fn;
	u.finished = false;
	u.unit = (struct tick_unit) { .run = unit_run, .finish = unit_finish };
	tick_submit(t.f.tick, &u.unit);
	until(unit_finished);
	return u.outcome == TICK_DONE ? 0 : -1;
}

static void unit(unit_fn *fn)
{
	if (try_unit(fn))
		fail_msg("%s (%s)", u.err.msg, u.err.detail);
}

static int64_t number(const char *sql)
{
	struct error err;
	int64_t n = 0;

	if (db_int_query(store_ro(t.f.store), &err, &n, sql, NULL) < 0)
		fail_msg("%s (%s)", err.msg, err.detail);
	return n;
}

/* --- rows --- */

/* "p1" to "p250": p<i> had a server of i % 7 + 1 vCPUs from hour i on, until hour 700 in January, but the
 * last has one that still runs. */
static int make_projects(struct db *db, struct error *err)
{
	for (int64_t i = 1; i <= PROJECTS; i++) {
		int64_t id = store_next_id(t.f.store), from = month_start(202701) + i * H,
			to = month_start(202701) + 700 * H;
		char uid[16];

		snprintf(uid, sizeof uid, "p%d", (int)i);
		if (db_run(db, err,
			    "INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (?1, ?2, 1, "
			    "?2, 1)",
			    "is", id, uid) < 0 ||
			db_run(db, err,
				"INSERT INTO usage (kind, subject_id, started_us, ended_us, project_id, "
				"state, item, "
				"zone, vcpus, ram_mib) VALUES ('server', ?1, ?2, nullif(?3, 0), ?1, "
				"'active', 'f', "
				"'nova', ?4, 1024)",
				"iiii", id, from, i == PROJECTS ? (int64_t)0 : to, i % 7 + 1) < 0)
			return -1;
	}
	return 0;
}

static const char book_body[] =
	"{\"currency\":\"USD\",\"from_month\":\"2027-01\",\"taxes\":[{\"name\":\"VAT\",\"percent\":\"10\"}],"
	"\"items\":[{\"resource\":\"vcpu\",\"price\":\"0.01\"},{\"resource\":\"ram_gib\",\"unit\":\"month\","
	"\"price\":\"3\"}]}";

static int add_book(struct db *db, struct error *err)
{
	struct price_book_row r = {
		.from_month = 202701, .currency = "USD", .body = book_body, .created_us = 1
	};

	return store_price_book_add(db, &r, err);
}

static struct closed_month closing;
static int closing_which;

static int begin_close(struct db *db, struct error *err)
{
	return billing_close_begin(db, closing_which, t.now_us, &closing, err);
}

static int try_close(int month)
{
	closing_which = month;
	return try_unit(begin_close);
}

static bool nothing_closes(void)
{
	return !t.b->close;
}

static void make(void)
{
	memset(&t, 0, sizeof t);
	fixture_dir(&t.f);
	t.now_us = month_start(202701);
	open_all();
	unit(make_projects);
	unit(add_book);
}

static void drop(void)
{
	close_all();
	fixture_remove(&t.f);
}

/* --- what a month costs --- */

static struct {
	bool called;
	struct error err;
	int64_t total, projects, lines;
} answer;

static void on_rated(void *ctx, const struct billing_rated *r, const struct error *err)
{
	(void)ctx;
	answer.called = true;
	answer.err = err ? *err : (struct error) { 0 };
	answer.projects = err ? 0 : (int64_t)r->n;
	answer.total = answer.projects ? r->projects[0].invoice.total : -1;
	answer.lines = answer.projects ? (int64_t)r->projects[0].invoice.n : -1;
}

static bool answered(void)
{
	return answer.called;
}

static void rate(int month, int64_t project_id)
{
	struct billing_ask ask = { .project_id = project_id };
	struct error err;

	answer.called = false;
	store_turn_end(t.f.store);
	if (billing_month_load(store_ro(t.f.store), month, &ask.month, &err) ||
		billing_rate(t.b, &ask, on_rated, NULL, &err)) {
		answer.err = err;
		answer.projects = -1;
		return;
	}
	until(answered);
}

static void test_provisional(void **state)
{
	int64_t last = 0;

	(void)state;
	make();
	last = number("SELECT max(project_id) FROM usage");
	/* 20 hours into the month the last one's server does not run yet; 260 hours into it 10 h × 6 vCPUs ×
	 * 1 cent = 60 cents, and 10/744 GiB-month × 3 $ = 4.03 cents; 10 % of 64 cents: 6 */
	t.now_us = month_start(202701) + 20 * H;
	rate(202701, last);
	assert_int_equal(answer.projects, 0);
	t.now_us = month_start(202701) + 260 * H;
	rate(202701, last);
	assert_int_equal(answer.projects, 1);
	assert_int_equal(answer.total, 70);
	assert_int_equal(answer.lines, 3);
	rate(202701, 0);
	assert_int_equal(answer.projects, PROJECTS);
	assert_int_equal(answer.lines, 0 + 3);
	rate(202702, last);
	assert_int_equal(answer.projects, -1);
	assert_non_null(strstr(answer.err.msg, "has not begun"));
	rate(202612, last);
	assert_int_equal(answer.projects, 0);
	assert_non_null(strstr(answer.err.msg, "no price book"));
	drop();
}

/* --- reading the books --- */

static const char *const books_rows[] = {
	"INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (9001, 'x', 1, 'x', 1), (9002, "
	"'y', 1, "
	"'y', 1)",
	"INSERT INTO usage (kind, subject_id, started_us, ended_us, project_id, state, item, zone, "
	"preemptible, "
	"vcpus, ram_mib, disk_gib, amount) VALUES "
	"('server', 1, 50, 150, 9001, 'active', 'f', 'a', 0, 2, 3, 5, 0), "
	"('server', 1, 150, 250, 9001, 'stopped', 'f', 'a', 0, 2, 3, 5, 0), "
	"('server', 1, 250, 350, 9001, 'active', 'f', 'a', 0, 2, 3, 5, 0), "
	"('server', 2, 120, NULL, 9002, 'active', 'g', '', 1, 7, 1, 1, 0), "
	"('server', 3, 300, NULL, 9002, 'active', 'g', '', 1, 7, 1, 1, 0), "
	"('image', 4, 10, 100, 9001, 'active', '', '', 0, 0, 0, 0, 4096), "
	"('image', 5, 10, 101, 9001, 'active', '', '', 0, 0, 0, 0, 4096), "
	"('address', 6, 1, NULL, 9002, 'held', 'net', '', 0, 0, 0, 0, 3)",
	"INSERT INTO gpu_book VALUES (1, 'g', 'h', '', 'H100', 1, NULL)",
	"INSERT INTO gpu_usage (device_id, part_id, started_us, ended_us, owner, share, project_id, "
	"server_id, "
	"block_id, state, model, profile, zone, preemptible) VALUES "
	"(1, 0, 10, 110, 'tenant', 1000, 9001, 1, NULL, 'active', 'H100', '', 'a', 0), "
	"(1, 0, 110, 120, 'idle', 1000, NULL, NULL, NULL, '', 'H100', '', 'a', 0), "
	"(1, 7, 120, NULL, 'tenant', 142, 9002, 2, 8, 'active', 'H100', '1g', 'a', 1), "
	"(1, 0, 120, NULL, 'reserved', 858, 9002, NULL, 8, '', 'H100', '', 'a', 0)",
};

static int make_books(struct db *db, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(books_rows); i++)
		if (db_run(db, err, books_rows[i], NULL) < 0)
			return -1;
	return 0;
}

/* Of [100, 200): "project kind fields: sums" a line. */
static void read_books(enum rating_way way, struct buf *out)
{
	struct rating_sums *s = rating_sums_create(100, 200);
	const struct rating_group *g;
	atomic_bool stop = false;
	struct error err;
	struct db *db;
	size_t n;

	if (store_reader_open(t.f.store, &db, &err) ||
		store_rating_read_all(db, way, 100, 200, &stop, s, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	store_reader_close(db);
	g = rating_sums_sorted(s, &n);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%lld %d", (long long)g[i].project_id, (int)g[i].kind);
		for (size_t f = 0; f < PRICE_FIELDS; f++)
			buf_printf(out, " %s", *g[i].thing.fields[f] ? g[i].thing.fields[f] : "-");
		for (size_t k = 0; k < RATING_AMOUNTS; k++)
			buf_printf(out, " %lld", (long long)g[i].sums[k]);
		buf_puts(out, "\n");
	}
	rating_sums_destroy(s);
}

static void test_reading(void **state)
{
	static const char want[] = "9001 0 f - - - a active no - 50 100 150 250\n"
				   "9001 0 f - - - a stopped no - 50 100 150 250\n"
				   "9001 1 - - H100 - a active no no 10000 10000 0 0\n"
				   "9001 3 - - - - - active - - 4096 0 0 0\n"
				   "9002 0 g - - - - active yes - 80 560 80 80\n"
				   "9002 1 - - H100 1g a active yes yes 11360 80000 0 0\n"
				   "9002 2 - - H100 - a - - - 68640 0 0 0\n"
				   "9002 4 - net - - - - - - 300 0 0 0\n";

	(void)state;
	memset(&t, 0, sizeof t);
	fixture_dir(&t.f);
	t.now_us = 1000;
	open_all();
	unit(make_books);
	for (int way = RATING_WALK; way <= RATING_BY_PROJECT; way++) {
		CLEANUP(buf_finish) struct buf got = { 0 };

		read_books((enum rating_way)way, &got);
		assert_string_equal(buf_text(&got), want);
	}
	drop();
}

/* --- closing --- */

static void refused(int month, const char *says)
{
	assert_int_equal(try_close(month), -1);
	if (!strstr(u.err.msg, says))
		fail_msg("%s", u.err.msg);
}

static void close_month(int month)
{
	assert_int_equal(try_close(month), 0);
	billing_close_go(t.b);
	until(nothing_closes);
}

static int64_t faults;

static void on_fault(void *ctx, const char *uid, const char *fault)
{
	(void)ctx;
	(void)uid;
	assert_non_null(fault);
	faults++;
}

static int64_t verify(int month)
{
	struct error err;
	int64_t n;

	faults = 0;
	store_turn_end(t.f.store);
	assert_int_equal(store_month_verify(store_ro(t.f.store), month, on_fault, NULL, &n, &err), 0);
	assert_int_equal(n, PROJECTS);
	return faults;
}

static void month_digest(int month, unsigned char out[SHA256_SIZE])
{
	struct closed_month m;
	struct error err;

	store_turn_end(t.f.store);
	assert_int_equal(store_month_get(store_ro(t.f.store), month, &m, &err), 1);
	assert_int_not_equal(m.closed_us, 0);
	memcpy(out, m.digest, SHA256_SIZE);
}

static void close_whole(unsigned char digest[SHA256_SIZE])
{
	make();
	refused(202701, "is not over");
	t.now_us = month_start(202702) + 5;
	refused(202612, "no price book");
	close_month(202701);
	month_digest(202701, digest);
	refused(202701 + 2, "is next");
	refused(202702, "is not over");
	assert_int_equal(try_close(202701), 0); /* again: nothing happens */
	assert_int_equal(number("SELECT count(*) FROM invoice"), PROJECTS);
	assert_int_equal(verify(202701), 0);
	/* p1: 699 h × 2 = 1398 h × 1 cent; 699/744 GiB-month × 3 $ = 2.8185 $; 16.80 $, with tax 18.48 $ */
	assert_int_equal(number("SELECT total FROM invoice WHERE uid = '2027-01-000001'"), 1848);
	/* p250, still running: (744 - 250) × 6 × 1 cent = 29.64 $; 494/744 × 3 $ = 1.9919 $; 31.63 $; 34.79 $
	 */
	assert_int_equal(number("SELECT total FROM invoice WHERE uid = '2027-01-000250'"), 3479);
	drop();
}

/* Cut off after so many units: closed by the next start, with the same seal. */
static void close_cut(int units, const unsigned char want[SHA256_SIZE])
{
	unsigned char got[SHA256_SIZE];

	make();
	t.now_us = month_start(202702) + 5;
	assert_int_equal(try_close(202701), 0);
	t.allowed = units;
	billing_close_go(t.b);
	until(nothing_closes);
	assert_string_equal(billing_close_error(t.b, 202701), "the power failed");
	close_all();
	open_all();
	assert_int_equal(number("SELECT count(*) FROM invoice"), units * 100);
	assert_int_equal(number("SELECT closed_us IS NULL FROM closed_month"), 1);
	billing_close_go(t.b);
	until(nothing_closes);
	month_digest(202701, got);
	assert_memory_equal(got, want, SHA256_SIZE);
	assert_int_equal(verify(202701), 0);
	drop();
}

static void test_close(void **state)
{
	unsigned char digest[SHA256_SIZE];

	(void)state;
	close_whole(digest);
	for (int units = 0; units < 3; units++)
		close_cut(units, digest);
}

/* A price that makes amounts too large to write: the month is open again, and says why. */
static int add_absurd_book(struct db *db, struct error *err)
{
	struct price_book_row r = { .from_month = 202701, .currency = "VND", .created_us = 1 };

	r.body = "{\"currency\":\"VND\",\"from_month\":\"2027-01\",\"items\":[{\"resource\":\"vcpu\","
		 "\"price\":"
		 "\"999999999999999\"}],\"commitments\":[{\"project_id\":\"p9\",\"resource\":\"vcpu\","
		 "\"quantity\":1000000000000,\"price\":\"999999999999999\"}]}";
	return store_price_book_add(db, &r, err);
}

static void test_cannot_be_rated(void **state)
{
	(void)state;
	make();
	unit(add_absurd_book);
	t.now_us = month_start(202702) + 5;
	close_month(202701);
	assert_non_null(strstr(billing_close_error(t.b, 202701), "more than can be written"));
	assert_int_equal(number("SELECT count(*) FROM closed_month"), 0);
	unit(add_book);
	close_month(202701);
	assert_string_equal(billing_close_error(t.b, 202701), "");
	assert_int_equal(verify(202701), 0);
	drop();
}

/* --- corrections and edits --- */

static int correct(struct db *db, struct error *err)
{
	const struct invoice_correction c = { "a day without network", "admin", -150, t.now_us };
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct invoice v;

	return store_invoice_load(db, &a, "2027-01-000007", 0, &v, err) ||
			       store_invoice_correct(db, &v, &c, err)
		       ? -1
		       : 0;
}

static const char *edit_sql;
static int64_t findings;

static void on_finding(void *ctx, const char *rule, const char *object, const char *message)
{
	(void)ctx;
	(void)object;
	(void)message;
	findings += strncmp(rule, "invoice-", 8) == 0 || strncmp(rule, "month-", 6) == 0;
}

static int64_t check(void)
{
	struct error err;
	int rules;

	findings = 0;
	assert_int_equal(store_check(store_ro(t.f.store), on_finding, NULL, &rules, &err), 0);
	return findings;
}

static int edit(struct db *db, struct error *err)
{
	int n = db_run(db, err, edit_sql, NULL);

	assert_true(n < 0 || n == 1);
	return n < 0 ? -1 : 0;
}

#define LINE(what) \
	"UPDATE invoice_line SET " what " WHERE line = 1 AND invoice_id = (SELECT min(id) FROM invoice)"
#define INVOICE(what) "UPDATE invoice SET " what " WHERE id = (SELECT min(id) FROM invoice)"

static void test_edits(void **state)
{
	static const char *const pairs[][2] = {
		{ LINE("amount = amount + 1"), LINE("amount = amount - 1") },
		{ LINE("text = text || ' '"), LINE("text = rtrim(text)") },
		{ LINE("price = '0.02'"), LINE("price = '0.01'") },
		{ LINE("quantity = '1399'"), LINE("quantity = '1398'") },
		{ LINE("unit = 'h'"), LINE("unit = 'vCPU-hour'") },
		{ LINE("item = '{}'"), LINE("item = '{\"resource\":\"vcpu\"}'") },
		{ LINE("kind = 'tax'"), LINE("kind = 'usage'") },
		{ LINE("kind = 'correction'"), LINE("kind = 'usage'") },
		{ INVOICE("total = total - 1"), INVOICE("total = total + 1") },
		{ INVOICE("uid = uid || 'x'"), INVOICE("uid = rtrim(uid, 'x')") },
		{ INVOICE("currency = 'EUR'"), INVOICE("currency = 'USD'") },
		{ INVOICE("created_us = created_us + 1"), INVOICE("created_us = created_us - 1") },
		{ INVOICE("book_version = 2"), INVOICE("book_version = 1") },
		{ INVOICE("lines = lines + 1"), INVOICE("lines = lines - 1") },
		{ INVOICE("digest = zeroblob(32)"), NULL },
	};

	(void)state;
	make();
	t.now_us = month_start(202702) + 5;
	close_month(202701);
	unit(correct);
	assert_int_equal(verify(202701), 0);
	assert_int_equal(
		number("SELECT count(*) FROM invoice_line WHERE kind = 'correction' AND amount = -150"), 1);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		edit_sql = pairs[i][0];
		unit(edit);
		if (!verify(202701) || !check())
			fail_msg("not found: %s", edit_sql);
		edit_sql = pairs[i][1];
		if (!edit_sql)
			continue;
		unit(edit);
		if (verify(202701) || check())
			fail_msg("not mended: %s", edit_sql);
	}
	drop();
}

/* --- budgets --- */

static int add_budget(struct db *db, struct error *err)
{
	struct budget b = { .uid = "b1",
		.name = "all",
		.currency = "USD",
		.amount = 1000,
		.thresholds = "50,100,150",
		.created_us = 1 };

	if (db_int_query(db, err, &b.project_id, "SELECT id FROM project WHERE uid = 'p250'", NULL) != 1)
		return -1;
	return store_budget_insert(db, &b, err);
}

static bool budgets_done(void)
{
	return !t.b->budgets;
}

static int64_t events_after_look(void)
{
	store_turn_end(t.f.store);
	billing_budgets_go(t.b, 0);
	until(budgets_done);
	store_turn_end(t.f.store);
	return number("SELECT count(*) FROM event WHERE type = 'budget.threshold' AND subject = 'b1'");
}

/* p250's server of 6 vCPUs and a GiB costs 6.4 cents an hour, from hour 250 on, with the tax 7.04: 5 $ of 10
 * $ after 71 hours, 10 $ after 142, 15 $ after 213. */
static void test_budgets(void **state)
{
	(void)state;
	make();
	unit(add_budget);
	t.now_us = month_start(202701) + 320 * H;
	assert_int_equal(events_after_look(), 0);
	t.now_us = month_start(202701) + 322 * H;
	assert_int_equal(events_after_look(), 1);
	assert_int_equal(events_after_look(), 1);
	t.now_us = month_start(202701) + 470 * H;
	assert_int_equal(events_after_look(), 3);
	assert_int_equal(events_after_look(), 3);
	/* February: 10 $ after 142 hours, and that is two at once */
	t.now_us = month_start(202702) + 10 * H;
	assert_int_equal(events_after_look(), 3);
	t.now_us = month_start(202702) + 150 * H;
	assert_int_equal(events_after_look(), 5);
	assert_int_equal(number("SELECT told_percent FROM budget"), 100);
	drop();
}

static void test_thresholds(void **state)
{
	int out[BUDGET_THRESHOLDS_MAX];

	(void)state;
	assert_int_equal(billing_thresholds("50,80,100", out), 3);
	assert_int_equal(out[2], 100);
	assert_int_equal(billing_thresholds("100", out), 1);
	assert_int_equal(billing_thresholds("", out), 0);
	assert_int_equal(billing_thresholds("0", out), 0);
	assert_int_equal(billing_thresholds("50,50", out), 0);
	assert_int_equal(billing_thresholds("50,", out), 0);
	assert_int_equal(billing_thresholds("1001", out), 0);
	assert_int_equal(billing_thresholds("1,2,3,4,5,6,7,8,9,10,11", out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_provisional),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_cannot_be_rated),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_thresholds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
