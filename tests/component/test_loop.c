/* SPDX-License-Identifier: Apache-2.0 */
/* The loop and its timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/util.h"
#include "loop/loop.h"

struct owner {
	struct loop_timer timer;
	struct loop *loop;
	int fired, closed;
	struct owner *other;
};

static void open_loop(struct loop *l)
{
	struct error err;

	assert_int_equal(loop_init(l, &clock_system, &rng_system, &err), 0);
}

static void count_and_stop(struct loop_timer *t)
{
	struct owner *o = CONTAINER_OF(t, struct owner, timer);

	o->fired++;
	loop_stop(o->loop);
}

static void count(struct loop_timer *t)
{
	CONTAINER_OF(t, struct owner, timer)->fired++;
}

static void closed(struct loop_timer *t)
{
	CONTAINER_OF(t, struct owner, timer)->closed++;
}

static void test_timers_fire_in_order(void **state)
{
	struct loop l;
	struct owner a = { .loop = &l }, b = { .loop = &l };

	(void)state;
	open_loop(&l);
	loop_timer_set(&l, &b.timer, 2, count_and_stop);
	loop_timer_set(&l, &a.timer, 1, count);
	loop_run(&l);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 1);
	loop_timer_close(&a.timer, closed);
	loop_timer_close(&b.timer, NULL);
	assert_int_equal(a.closed, 0);
	loop_finish(&l);
	assert_int_equal(a.closed, 1);
	assert_int_equal(a.fired, 1);
}

static void test_moved_and_stopped(void **state)
{
	struct loop l;
	struct owner a = { .loop = &l }, b = { .loop = &l }, c = { .loop = &l };

	(void)state;
	open_loop(&l);
	loop_timer_set(&l, &a.timer, 1, count);
	loop_timer_set(&l, &a.timer, 3600 * 1000, count); /* moved: does not fire in this test */
	loop_timer_set(&l, &b.timer, 1, count);
	loop_timer_stop(&b.timer);
	loop_timer_stop(&c.timer); /* unset: nothing */
	loop_timer_set(&l, &c.timer, 3, count_and_stop);
	loop_run(&l);
	assert_int_equal(a.fired, 0);
	assert_int_equal(b.fired, 0);
	assert_int_equal(c.fired, 1);
	/* set again after it fired */
	loop_timer_set(&l, &c.timer, 0, count_and_stop);
	loop_run(&l);
	assert_int_equal(c.fired, 2);
	loop_timer_close(&a.timer, closed);
	loop_timer_close(&b.timer, closed);
	loop_timer_close(&c.timer, closed);
	loop_finish(&l);
	assert_int_equal(a.closed + b.closed + c.closed, 3);
}

static void free_owner(struct loop_timer *t)
{
	free(CONTAINER_OF(t, struct owner, timer));
}

static void test_owner_is_freed_in_closed(void **state)
{
	struct loop l;
	struct owner *o = xcalloc(1, sizeof *o);
	struct owner unset = { .loop = &l };

	(void)state;
	open_loop(&l);
	o->loop = &l;
	loop_timer_set(&l, &o->timer, 1000, count);
	loop_timer_close(&o->timer, free_owner);
	loop_timer_close(&unset.timer, closed); /* never set: called at once */
	assert_int_equal(unset.closed, 1);
	loop_finish(&l);
}

static void reopen(struct loop_timer *t)
{
	struct owner *o = CONTAINER_OF(t, struct owner, timer);

	o->closed++;
	loop_timer_set(o->loop, &o->timer, 0, count_and_stop);
}

static void test_closed_timer_is_unset_again(void **state)
{
	struct loop l;
	struct owner a = { .loop = &l };

	(void)state;
	open_loop(&l);
	loop_timer_set(&l, &a.timer, 1000, count);
	loop_timer_close(&a.timer, reopen);
	loop_run(&l);
	assert_int_equal(a.fired, 1);
	loop_timer_close(&a.timer, NULL);
	loop_finish(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_fire_in_order),
		cmocka_unit_test(test_moved_and_stopped),
		cmocka_unit_test(test_owner_is_freed_in_closed),
		cmocka_unit_test(test_closed_timer_is_unset_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
