/* SPDX-License-Identifier: Apache-2.0 */
/* The tick with members that write down what they are told, and with a commit that a test holds and lets go.
 */
#include <limits.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "loop/tick.h"

struct fixture;

struct unit {
	struct tick_unit u;
	struct fixture *f;
	const char *name;
	bool fail, writes, stop; /* stop: the loop, when finished */
	struct unit *submits;    /* when finished */
	int finished;
	enum tick_outcome outcome;
	enum err code;
};

struct fixture {
	struct loop loop;
	struct tick *tick;
	struct buf log, finishes;
	/* the first member */
	bool begin_fails, held;
	int busy, tries; /* busy: so many begins more find the database locked */
	bool wrote, unit_wrote;
	int answer, begins, commits, rests;
	unsigned full_after, in_tick;
	bool is_tired;
	sem_t entered, go;
	/* the second */
	bool second_begin_fails;
	int fatals, drains;
};

static int m_begin(void *ctx, struct error *err)
{
	struct fixture *f = ctx;

	f->tries++;
	if (f->busy) {
		f->busy--;
		return error_set(err, ERR_BUSY, "locked");
	}
	if (f->begin_fails)
		return error_set(err, ERR_UNAVAILABLE, "no transaction");
	f->begins++;
	f->wrote = false;
	f->in_tick = 0;
	buf_puts(&f->log, "[");
	return 0;
}

static void m_savepoint(void *ctx)
{
	struct fixture *f = ctx;

	f->unit_wrote = false;
	buf_puts(&f->log, "(");
}

static void m_release(void *ctx)
{
	struct fixture *f = ctx;

	f->wrote |= f->unit_wrote;
	f->in_tick++;
	buf_puts(&f->log, ")");
}

static void m_rollback(void *ctx)
{
	buf_puts(&((struct fixture *)ctx)->log, "!");
}

static bool m_dirty(void *ctx)
{
	return ((struct fixture *)ctx)->wrote;
}

static bool m_full(void *ctx)
{
	struct fixture *f = ctx;

	return f->full_after && f->in_tick >= f->full_after;
}

/* Called on the commit thread: touches only what the loop leaves alone meanwhile. */
static int m_commit(void *ctx, struct error *err)
{
	struct fixture *f = ctx;

	if (f->held) {
		sem_post(&f->entered);
		sem_wait(&f->go);
	}
	f->commits++;
	if (f->answer != TICK_COMMIT_DONE)
		error_set(err, ERR_UNAVAILABLE, "the disk said no");
	return f->answer;
}

static bool m_tired(void *ctx)
{
	return ((struct fixture *)ctx)->is_tired;
}

static void m_rest(void *ctx)
{
	struct fixture *f = ctx;

	sem_post(&f->entered);
	sem_wait(&f->go);
	f->rests++;
}

static void m_settle(void *ctx, bool done)
{
	buf_puts(&((struct fixture *)ctx)->log, done ? "]" : "X");
}

static int second_begin(void *ctx, struct error *err)
{
	struct fixture *f = ctx;

	return f->second_begin_fails ? error_set(err, ERR_INTERNAL, "second") : 0;
}

static void second_settle(void *ctx, bool done)
{
	buf_puts(&((struct fixture *)ctx)->log, done ? "2" : "x");
}

static void fatal(void *ctx, const struct error *err)
{
	struct fixture *f = ctx;

	assert_string_equal(err->msg, "the disk said no");
	f->fatals++;
}

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct unit *me = CONTAINER_OF(u, struct unit, u);

	buf_puts(&me->f->log, me->name);
	me->f->unit_wrote = me->writes;
	return me->fail ? error_set(err, ERR_CONFLICT, "unit %s", me->name) : 0;
}

static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct unit *me = CONTAINER_OF(u, struct unit, u);

	me->finished++;
	me->outcome = outcome;
	me->code = err->code;
	buf_puts(&me->f->finishes, me->name);
	if (me->submits) {
		tick_submit(me->f->tick, &me->submits->u);
		me->submits = NULL;
	}
	if (me->stop)
		loop_stop(&me->f->loop);
}

static struct unit make(struct fixture *f, const char *name)
{
	return (struct unit) {
		.u = { .run = unit_run, .finish = unit_finish }, .f = f, .name = name, .writes = true
	};
}

static unsigned busy_ms; /* of those that are set up next */

static void setup_lingering(struct fixture *f, bool inline_commit, unsigned units_max, unsigned linger_ms)
{
	struct error err;
	struct tick_config config = { .loop = &f->loop,
		.inline_commit = inline_commit,
		.units_max = units_max,
		.linger_ms = linger_ms,
		.busy_ms = busy_ms,
		.fatal = fatal,
		.fatal_ctx = f };

	memset(f, 0, sizeof *f);
	sem_init(&f->entered, 0, 0);
	sem_init(&f->go, 0, 0);
	assert_int_equal(loop_init(&f->loop, &clock_system, &rng_system, &err), 0);
	f->tick = tick_create(&config);
	tick_add_member(f->tick, &(struct tick_member) { .begin = m_begin,
					 .savepoint = m_savepoint,
					 .release = m_release,
					 .rollback = m_rollback,
					 .dirty = m_dirty,
					 .full = m_full,
					 .commit = m_commit,
					 .tired = m_tired,
					 .rest = m_rest,
					 .settle = m_settle,
					 .ctx = f });
	tick_add_member(
		f->tick, &(struct tick_member) { .begin = second_begin, .settle = second_settle, .ctx = f });
}

static void setup(struct fixture *f, bool inline_commit, unsigned units_max)
{
	setup_lingering(f, inline_commit, units_max, 0);
}

static void on_drained(void *ctx)
{
	struct fixture *f = ctx;

	f->drains++;
	loop_stop(&f->loop);
}

/* Runs until nothing is pending. */
static void drain(struct fixture *f)
{
	tick_drain(f->tick, on_drained, f);
	loop_run(&f->loop);
	assert_int_equal(tick_pending(f->tick), 0);
}

static void teardown(struct fixture *f)
{
	tick_destroy(f->tick);
	loop_finish(&f->loop);
	buf_finish(&f->log);
	buf_finish(&f->finishes);
	sem_destroy(&f->entered);
	sem_destroy(&f->go);
}

static void one_transaction(bool inline_commit)
{
	struct fixture f;
	struct unit a, b, c;
	struct tick_stats stats;

	setup(&f, inline_commit, 0);
	a = make(&f, "a"), b = make(&f, "b"), c = make(&f, "c");
	b.fail = true;
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u);
	tick_submit(f.tick, &c.u);
	assert_int_equal(tick_pending(f.tick), 3);
	drain(&f);
	assert_string_equal(buf_text(&f.log), "[(a)(b!(c)]2");
	assert_string_equal(buf_text(&f.finishes), "abc");
	assert_int_equal(f.commits, 1);
	assert_int_equal(a.outcome, TICK_DONE);
	assert_int_equal(b.outcome, TICK_FAILED);
	assert_int_equal(b.code, ERR_CONFLICT);
	assert_int_equal(c.outcome, TICK_DONE);
	tick_stats(f.tick, &stats);
	assert_int_equal(stats.ticks, 1);
	assert_int_equal(stats.units, 3);
	assert_int_equal(stats.failed, 1);
	teardown(&f);
}

static void test_units_of_a_turn_share_a_transaction(void **state)
{
	(void)state;
	one_transaction(true);
	one_transaction(false);
}

struct late {
	struct loop_timer timer;
	struct fixture *f;
	struct unit *unit;
};

static void submit_from_timer(struct loop_timer *t)
{
	struct late *l = CONTAINER_OF(t, struct late, timer);

	tick_submit(l->f->tick, &l->unit->u);
}

static void test_callbacks_of_one_turn_go_together(void **state)
{
	struct fixture f;
	struct unit a, b;
	struct late ta, tb;

	(void)state;
	setup(&f, true, 0);
	a = make(&f, "a"), b = make(&f, "b");
	ta = (struct late) { .f = &f, .unit = &a };
	tb = (struct late) { .f = &f, .unit = &b };
	b.stop = true;
	loop_timer_set(&f.loop, &ta.timer, 0, submit_from_timer);
	loop_timer_set(&f.loop, &tb.timer, 0, submit_from_timer);
	loop_run(&f.loop);
	assert_string_equal(buf_text(&f.log), "[(a)(b)]2");
	loop_timer_close(&ta.timer, NULL);
	loop_timer_close(&tb.timer, NULL);
	teardown(&f);
}

/* While the commit is held, a unit is submitted; it must wait, and then be a tick of its own. */
static void release_commit(struct loop_timer *t)
{
	struct late *l = CONTAINER_OF(t, struct late, timer);

	sem_wait(&l->f->entered);
	tick_submit(l->f->tick, &l->unit->u);
	assert_int_equal(l->unit->finished, 0);
	assert_string_equal(buf_text(&l->f->finishes), "");
	l->f->held = false; /* the commit thread has read it */
	sem_post(&l->f->go);
}

static void test_units_wait_while_a_commit_is_under_way(void **state)
{
	struct fixture f;
	struct unit a, b;
	struct late late;

	(void)state;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	b.stop = true;
	f.held = true;
	late = (struct late) { .f = &f, .unit = &b };
	tick_submit(f.tick, &a.u);
	loop_timer_set(&f.loop, &late.timer, 1, release_commit);
	loop_run(&f.loop);
	assert_string_equal(buf_text(&f.log), "[(a)]2[(b)]2");
	assert_string_equal(buf_text(&f.finishes), "ab");
	loop_timer_close(&late.timer, NULL);
	drain(&f);
	teardown(&f);
}

static void test_bounds_and_order(void **state)
{
	struct fixture f;
	struct unit u[10];
	static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };

	(void)state;
	setup(&f, false, 4);
	for (int i = 0; i < 10; i++) {
		u[i] = make(&f, names[i]);
		tick_submit(f.tick, &u[i].u);
	}
	drain(&f);
	assert_string_equal(buf_text(&f.finishes), "0123456789");
	assert_string_equal(buf_text(&f.log), "[(0)(1)(2)(3)]2[(4)(5)(6)(7)]2[(8)(9)]2");
	f.full_after = 3; /* the member's bound */
	f.log.len = 0;
	for (int i = 0; i < 5; i++)
		tick_submit(f.tick, &u[i].u);
	drain(&f);
	assert_string_equal(buf_text(&f.log), "[(0)(1)(2)]2[(3)(4)]2");
	teardown(&f);
}

static void test_submit_from_finish(void **state)
{
	struct fixture f;
	struct unit a, b;

	(void)state;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	a.submits = &b;
	b.submits = &a; /* the same unit again */
	tick_submit(f.tick, &a.u);
	drain(&f);
	assert_string_equal(buf_text(&f.finishes), "aba");
	assert_int_equal(f.begins, 3);
	teardown(&f);
}

static void refused(bool inline_commit)
{
	struct fixture f;
	struct unit a, b, c;

	setup(&f, inline_commit, 0);
	a = make(&f, "a"), b = make(&f, "b"), c = make(&f, "c");
	b.fail = true;
	f.answer = TICK_COMMIT_REFUSED;
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u);
	drain(&f);
	assert_string_equal(buf_text(&f.log), "[(a)(b!xX"); /* undone in reverse */
	assert_int_equal(a.outcome, TICK_REFUSED);
	assert_int_equal(a.code, ERR_UNAVAILABLE);
	assert_int_equal(b.outcome, TICK_FAILED);
	assert_int_equal(b.code, ERR_CONFLICT);
	f.answer = TICK_COMMIT_DONE; /* and life goes on */
	tick_submit(f.tick, &c.u);
	drain(&f);
	assert_int_equal(c.outcome, TICK_DONE);
	assert_int_equal(f.fatals, 0);
	teardown(&f);
}

static void test_refused_commit(void **state)
{
	(void)state;
	refused(true);
	refused(false);
}

/* Another program has the lock for a while: nobody notices. */
static void test_busy_is_waited_for(void **state)
{
	struct fixture f;
	struct unit a, b;

	(void)state;
	busy_ms = 60000;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	f.busy = 3;
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u);
	drain(&f);
	assert_int_equal(a.outcome, TICK_DONE);
	assert_int_equal(b.outcome, TICK_DONE);
	assert_int_equal(f.tries, 4);
	assert_null(tick_trouble(f.tick));
	teardown(&f);
}

/* For too long: refused, those who come later at once, until it is free. */
static void test_busy_for_too_long(void **state)
{
	struct fixture f;
	struct unit a, b, c;
	int tries;

	(void)state;
	busy_ms = 1;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b"), c = make(&f, "c");
	f.busy = INT_MAX;
	tick_submit(f.tick, &a.u);
	drain(&f);
	assert_int_equal(a.outcome, TICK_REFUSED);
	assert_non_null(tick_trouble(f.tick));
	assert_int_equal(tick_trouble(f.tick)->err.code, ERR_BUSY);
	tries = f.tries;
	tick_submit(f.tick, &b.u);
	drain(&f);
	assert_int_equal(b.outcome, TICK_REFUSED);
	assert_int_equal(f.tries, tries + 1);
	f.busy = 0;
	c.writes = false;
	tick_submit(f.tick, &c.u);
	drain(&f);
	assert_int_equal(c.outcome, TICK_DONE);
	assert_non_null(tick_trouble(f.tick)); /* nothing was written: that proves nothing */
	c.writes = true;
	tick_submit(f.tick, &c.u);
	drain(&f);
	assert_null(tick_trouble(f.tick));
	teardown(&f);
	busy_ms = 0;
}

static void unknown(bool inline_commit)
{
	struct fixture f;
	struct unit a, b, c;

	setup(&f, inline_commit, 1);
	a = make(&f, "a"), b = make(&f, "b"), c = make(&f, "c");
	f.answer = TICK_COMMIT_UNKNOWN;
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u); /* the next tick's: it never runs */
	drain(&f);
	assert_int_equal(f.fatals, 1);
	assert_int_equal(a.outcome, TICK_UNKNOWN);
	assert_int_equal(b.outcome, TICK_REFUSED);
	tick_submit(f.tick, &c.u);
	drain(&f);
	assert_int_equal(c.outcome, TICK_REFUSED);
	assert_string_equal(buf_text(&f.log), "[(a)");
	assert_int_equal(f.begins, 1);
	teardown(&f);
}

static void test_unknown_ends_everything(void **state)
{
	(void)state;
	unknown(true);
	unknown(false);
}

static void test_begin_fails(void **state)
{
	struct fixture f;
	struct unit a, b;

	(void)state;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	f.begin_fails = true;
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u);
	drain(&f);
	assert_string_equal(buf_text(&f.log), "");
	assert_int_equal(a.outcome, TICK_REFUSED);
	assert_int_equal(b.outcome, TICK_REFUSED);
	f.begin_fails = false;
	f.second_begin_fails = true; /* the first has begun and is told */
	tick_submit(f.tick, &a.u);
	drain(&f);
	assert_string_equal(buf_text(&f.log), "[X");
	assert_int_equal(a.outcome, TICK_REFUSED);
	assert_int_equal(a.code, ERR_INTERNAL);
	teardown(&f);
}

static void test_nothing_written_needs_no_thread(void **state)
{
	struct fixture f;
	struct unit a, b;

	(void)state;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	a.writes = false;
	b.fail = true;     /* what it wrote is undone */
	f.is_tired = true; /* on the thread it would wait for go, which nobody gives */
	tick_submit(f.tick, &a.u);
	tick_submit(f.tick, &b.u);
	drain(&f);
	assert_int_equal(f.commits, 1); /* to end the transaction */
	assert_int_equal(f.rests, 0);
	assert_int_equal(a.outcome, TICK_DONE);
	teardown(&f);
}

/* Replies leave before the rest is over, the next tick begins after it. */
static void in_rest(struct loop_timer *t)
{
	struct late *l = CONTAINER_OF(t, struct late, timer);

	if (!l->f->finishes.len) { /* not settled yet */
		loop_timer_set(&l->f->loop, t, 1, in_rest);
		return;
	}
	sem_wait(&l->f->entered);
	assert_string_equal(buf_text(&l->f->finishes), "a");
	tick_submit(l->f->tick, &l->unit->u);
	assert_int_equal(l->f->begins, 1);
	l->f->is_tired = false;
	sem_post(&l->f->go);
}

static void test_rest_holds_up_the_next_tick_alone(void **state)
{
	struct fixture f;
	struct unit a, b;
	struct late late;

	(void)state;
	setup(&f, false, 0);
	a = make(&f, "a"), b = make(&f, "b");
	b.stop = true;
	f.is_tired = true;
	late = (struct late) { .f = &f, .unit = &b };
	tick_submit(f.tick, &a.u);
	loop_timer_set(&f.loop, &late.timer, 1, in_rest);
	loop_run(&f.loop);
	assert_int_equal(f.rests, 1);
	assert_string_equal(buf_text(&f.log), "[(a)]2[(b)]2");
	loop_timer_close(&late.timer, NULL);
	drain(&f);
	teardown(&f);
}

static void test_drain_when_idle(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, false, 0);
	drain(&f);
	assert_int_equal(f.drains, 1);
	drain(&f);
	assert_int_equal(f.drains, 2);
	teardown(&f);
}

enum { AN_HOUR_MS = 3600000 };

/* Patient units wait for one that is not, for as many as a tick takes, for a drain, or for the time. */
static void test_patient_units_go_with_others(void **state)
{
	struct fixture f;
	struct unit a, b, c, d;

	(void)state;
	setup_lingering(&f, true, 2, AN_HOUR_MS);
	a = make(&f, "a"), b = make(&f, "b"), c = make(&f, "c"), d = make(&f, "d");
	a.u.patient = c.u.patient = d.u.patient = true;
	tick_submit(f.tick, &a.u);
	uv_run(&f.loop.uv, UV_RUN_NOWAIT);
	assert_string_equal(buf_text(&f.log), "");
	tick_submit(f.tick, &b.u);
	uv_run(&f.loop.uv, UV_RUN_NOWAIT);
	assert_string_equal(buf_text(&f.log), "[(a)(b)]2");
	tick_submit(f.tick, &c.u);
	uv_run(&f.loop.uv, UV_RUN_NOWAIT);
	assert_int_equal(c.finished, 0);
	tick_submit(f.tick, &d.u);
	uv_run(&f.loop.uv, UV_RUN_NOWAIT);
	assert_string_equal(buf_text(&f.log), "[(a)(b)]2[(c)(d)]2");
	tick_submit(f.tick, &a.u);
	drain(&f);
	assert_int_equal(a.finished, 2);
	teardown(&f);
}

static void test_patience_ends(void **state)
{
	struct fixture f;
	struct unit a;

	(void)state;
	setup_lingering(&f, false, 0, 1);
	a = make(&f, "a");
	a.u.patient = a.stop = true;
	tick_submit(f.tick, &a.u);
	loop_run(&f.loop);
	assert_int_equal(a.outcome, TICK_DONE);
	drain(&f);
	teardown(&f);
}

/* Many units from finish callbacks, on the thread: nothing lost, order kept. */
struct storm {
	struct tick_unit u;
	struct fixture *f;
	unsigned left;
	unsigned *total;
};

static int storm_run(struct tick_unit *u, struct error *err)
{
	struct storm *s = CONTAINER_OF(u, struct storm, u);

	s->f->unit_wrote = true;
	return s->left % 7 ? 0 : error_set(err, ERR_CONFLICT, "every seventh");
}

static void storm_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct storm *s = CONTAINER_OF(u, struct storm, u);

	(void)err;
	assert_int_equal(outcome, s->left % 7 ? TICK_DONE : TICK_FAILED);
	++*s->total;
	if (--s->left)
		tick_submit(s->f->tick, u);
}

static void test_storm(void **state)
{
	enum { UNITS = 64, EACH = 300 };
	struct fixture f;
	static struct storm s[UNITS];
	unsigned total = 0;
	struct tick_stats stats;

	(void)state;
	setup(&f, false, 0);
	for (int i = 0; i < UNITS; i++) {
		s[i] = (struct storm) { .u = { .run = storm_run, .finish = storm_finish },
			.f = &f,
			.left = EACH,
			.total = &total };
		tick_submit(f.tick, &s[i].u);
	}
	drain(&f);
	assert_int_equal(total, UNITS * EACH);
	tick_stats(f.tick, &stats);
	assert_int_equal(stats.units, UNITS * EACH);
	assert_int_equal(stats.failed, UNITS * (EACH / 7));
	assert_int_equal(stats.ticks, f.commits);
	assert_true(stats.ticks <= EACH + 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_of_a_turn_share_a_transaction),
		cmocka_unit_test(test_callbacks_of_one_turn_go_together),
		cmocka_unit_test(test_units_wait_while_a_commit_is_under_way),
		cmocka_unit_test(test_bounds_and_order),
		cmocka_unit_test(test_submit_from_finish),
		cmocka_unit_test(test_refused_commit),
		cmocka_unit_test(test_unknown_ends_everything),
		cmocka_unit_test(test_begin_fails),
		cmocka_unit_test(test_nothing_written_needs_no_thread),
		cmocka_unit_test(test_rest_holds_up_the_next_tick_alone),
		cmocka_unit_test(test_drain_when_idle),
		cmocka_unit_test(test_patient_units_go_with_others),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_busy_is_waited_for),
		cmocka_unit_test(test_busy_for_too_long),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
