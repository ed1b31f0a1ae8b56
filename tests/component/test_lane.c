/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: width, limits, deadlines, calls that hang and come back, and many of them at once. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/util.h"
#include "loop/lane.h"

struct fixture {
	struct loop loop;
	struct lane_pool *pool;
	int live, done, given_up, cancelled, destroyed; /* of the loop */
	int stop_when_destroyed;
};

struct job {
	struct work w;
	struct fixture *f;
	sem_t *hang;    /* run waits for it */
	sem_t *started; /* and says so first */
	pthread_barrier_t *meet;
	_Atomic int *inside, *most;
	pthread_t ran_on;
	bool *signals_blocked;
	void (*on_done)(struct job *j, enum work_result res);
	struct lane *again; /* submitted there once more when done */
	int again_left;
	enum work_result *out_res;
};

static void job_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, w);

	if (j->inside) {
		int n = atomic_fetch_add(j->inside, 1) + 1, most = atomic_load(j->most);

		while (n > most && !atomic_compare_exchange_weak(j->most, &most, n))
			;
	}
	if (j->signals_blocked) {
		sigset_t set;

		pthread_sigmask(SIG_SETMASK, NULL, &set);
		*j->signals_blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGCHLD);
	}
	j->ran_on = pthread_self();
	if (j->started)
		sem_post(j->started);
	if (j->hang)
		sem_wait(j->hang);
	if (j->meet)
		pthread_barrier_wait(j->meet);
	if (j->inside)
		atomic_fetch_sub(j->inside, 1);
}

static void job_done(struct work *w, enum work_result res)
{
	struct job *j = CONTAINER_OF(w, struct job, w);
	struct fixture *f = j->f;

	f->done += res == WORK_DONE;
	f->given_up += res == WORK_GIVEN_UP;
	f->cancelled += res == WORK_CANCELLED;
	if (res == WORK_GIVEN_UP) {
		/* the object is the thread's now: nothing of it is read but what this callback was made for
		 */
		if (j->on_done)
			j->on_done(j, res);
		return;
	}
	if (res == WORK_DONE)
		assert_false(pthread_equal(j->ran_on, pthread_self()));
	if (j->out_res)
		*j->out_res = res;
	if (j->on_done)
		j->on_done(j, res);
}

static struct job *job_new(struct fixture *f);

static void job_destroy(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, w);
	struct fixture *f = j->f;

	if (j->again_left) {
		struct job *next = job_new(f);

		next->again = j->again;
		next->again_left = j->again_left - 1;
		next->inside = j->inside;
		next->most = j->most;
		assert_true(lane_submit(next->again, &next->w));
	}
	f->destroyed++;
	f->live--;
	if (f->live == f->stop_when_destroyed)
		loop_stop(&f->loop);
	free(j);
}

static struct job *job_new(struct fixture *f)
{
	struct job *j = xcalloc(1, sizeof *j);

	j->w.run = job_run;
	j->w.done = job_done;
	j->w.destroy = job_destroy;
	j->f = f;
	f->live++;
	return j;
}

static void setup(struct fixture *f)
{
	struct error err;

	memset(f, 0, sizeof *f);
	assert_int_equal(loop_init(&f->loop, &clock_system, &rng_system, &err), 0);
	f->pool = lane_pool_create(&f->loop);
}

static void teardown(struct fixture *f)
{
	lane_pool_destroy(f->pool, 10000);
	loop_finish(&f->loop);
}

/* Runs until only `live` jobs are left. */
static void run_to(struct fixture *f, int live)
{
	f->stop_when_destroyed = live;
	if (f->live > live)
		loop_run(&f->loop);
	assert_int_equal(f->live, live);
}

static void test_runs_on_a_thread(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *j;
	bool blocked = false;

	(void)state;
	setup(&f);
	l = lane_create(f.pool, "host", 1, 10);
	j = job_new(&f);
	j->signals_blocked = &blocked;
	assert_true(lane_submit(l, &j->w));
	run_to(&f, 0);
	assert_int_equal(f.done, 1);
	assert_true(blocked);
	assert_int_equal(lane_pool_threads(f.pool), 1); /* kept for the next */
	assert_int_equal(lane_running(l), 0);
	lane_destroy(l);
	teardown(&f);
}

static void test_width(void **state)
{
	enum { WIDTH = 3, JOBS = 30 };
	struct fixture f;
	struct lane *l;
	pthread_barrier_t meet;
	_Atomic int inside = 0, most = 0;

	(void)state;
	setup(&f);
	pthread_barrier_init(&meet, NULL, WIDTH); /* nobody goes on unless WIDTH of them run at once */
	l = lane_create(f.pool, "host", WIDTH, JOBS);
	for (int i = 0; i < JOBS; i++) {
		struct job *j = job_new(&f);

		j->meet = &meet;
		j->inside = &inside;
		j->most = &most;
		assert_true(lane_submit(l, &j->w));
		assert_true(lane_running(l) <= WIDTH);
	}
	assert_int_equal(lane_running(l), WIDTH);
	assert_int_equal(lane_queued(l), JOBS - WIDTH);
	run_to(&f, 0);
	assert_int_equal(f.done, JOBS);
	assert_int_equal(most, WIDTH);
	assert_true(lane_pool_threads(f.pool) <= WIDTH);
	lane_destroy(l);
	pthread_barrier_destroy(&meet);
	teardown(&f);
}

static void test_limit(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *j[4];
	sem_t gate;

	(void)state;
	setup(&f);
	sem_init(&gate, 0, 0);
	l = lane_create(f.pool, "host", 1, 2);
	for (int i = 0; i < 4; i++) {
		j[i] = job_new(&f);
		j[i]->hang = &gate;
		assert_int_equal(lane_submit(l, &j[i]->w), i < 3);
	}
	assert_int_equal(lane_queued(l), 2);
	free(j[3]); /* still ours */
	f.live--;
	for (int i = 0; i < 3; i++)
		sem_post(&gate);
	run_to(&f, 0);
	assert_int_equal(f.done, 3);
	lane_destroy(l);
	sem_destroy(&gate);
	teardown(&f);
}

/* A call that hangs is given up; its lane goes on with another thread; it comes back and is destroyed. */
static void test_given_up_and_back(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *hung, *next, *late;
	sem_t gate, started;

	(void)state;
	setup(&f);
	sem_init(&gate, 0, 0);
	sem_init(&started, 0, 0);
	l = lane_create(f.pool, "host", 1, 10);
	hung = job_new(&f);
	hung->hang = &gate;
	hung->started = &started;
	hung->w.timeout_ms = 1;
	next = job_new(&f);
	assert_true(lane_submit(l, &hung->w));
	assert_true(lane_submit(l, &next->w));
	sem_wait(&started); /* else the deadline may find it not begun */
	run_to(&f, 1);      /* `next` is through while `hung` still hangs */
	assert_int_equal(f.given_up, 1);
	assert_int_equal(f.done, 1);
	assert_int_equal(f.destroyed, 1);
	assert_int_equal(lane_pool_given_up(f.pool), 1);
	assert_int_equal(lane_pool_threads(f.pool), 2);
	assert_int_equal(lane_running(l), 0);

	sem_post(&gate);
	run_to(&f, 0);
	assert_int_equal(lane_pool_given_up(f.pool), 0);
	assert_int_equal(f.given_up, 1);
	assert_int_equal(f.done, 1);

	/* work that waits behind a call without a deadline of its own never starts */
	hung = job_new(&f);
	hung->hang = &gate;
	late = job_new(&f);
	late->w.timeout_ms = 1;
	assert_true(lane_submit(l, &hung->w));
	assert_true(lane_submit(l, &late->w));
	run_to(&f, 1);
	assert_int_equal(f.cancelled, 1);
	assert_int_equal(lane_queued(l), 0);
	sem_post(&gate);
	run_to(&f, 0);
	assert_int_equal(f.done, 2);
	lane_destroy(l);
	sem_destroy(&gate);
	sem_destroy(&started);
	teardown(&f);
}

static void test_one_hung_host_alone(void **state)
{
	enum { HUNG = 40 };
	struct fixture f;
	struct lane *hung_lane, *other;
	sem_t gate, started;

	(void)state;
	setup(&f);
	sem_init(&gate, 0, 0);
	sem_init(&started, 0, 0);
	hung_lane = lane_create(f.pool, "dead", 5, 1000);
	other = lane_create(f.pool, "well", 1, 1000);
	for (int i = 0; i < HUNG; i++) {
		struct job *j = job_new(&f);

		j->hang = &gate;
		j->started = &started;
		j->w.timeout_ms = 3600 * 1000;
		assert_true(lane_submit(hung_lane, &j->w));
	}
	for (int i = 0; i < 100; i++)
		assert_true(lane_submit(other, &job_new(&f)->w));
	run_to(&f, HUNG); /* all of the other's are through */
	assert_int_equal(f.done, 100);
	assert_int_equal(lane_running(hung_lane), 5);
	for (int i = 0; i < 5; i++)
		sem_wait(&started);
	lane_destroy(hung_lane); /* 35 never start, 5 are given up */
	assert_int_equal(f.cancelled, HUNG - 5);
	assert_int_equal(f.given_up, 5);
	assert_int_equal(lane_pool_given_up(f.pool), 5);
	for (int i = 0; i < 5; i++)
		sem_post(&gate);
	run_to(&f, 0);
	lane_destroy(other);
	sem_destroy(&gate);
	sem_destroy(&started);
	teardown(&f);
}

static void destroy_lane(struct job *j, enum work_result res)
{
	(void)res;
	lane_destroy(j->again);
}

static void test_destroyed_in_done(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *first;

	(void)state;
	setup(&f);
	l = lane_create(f.pool, "host", 1, 10);
	first = job_new(&f);
	first->on_done = destroy_lane;
	first->again = l;
	assert_true(lane_submit(l, &first->w));
	for (int i = 0; i < 3; i++)
		assert_true(lane_submit(l, &job_new(&f)->w));
	run_to(&f, 0);
	/* the second had begun when the first was reported: it is given up, or back by then */
	assert_int_equal(f.done + f.given_up + f.cancelled, 4);
	assert_true(f.cancelled >= 2);
	teardown(&f);
}

static void test_quiet_lanes_hold_no_thread(void **state)
{
	enum { LANES = 5000 };
	struct fixture f;
	static struct lane *l[LANES];

	(void)state;
	setup(&f);
	for (int i = 0; i < LANES; i++)
		l[i] = lane_create(f.pool, "host", 5, 100);
	assert_int_equal(lane_pool_threads(f.pool), 0);
	assert_true(lane_submit(l[4321], &job_new(&f)->w));
	run_to(&f, 0);
	assert_int_equal(lane_pool_threads(f.pool), 1);
	for (int i = 0; i < LANES; i++)
		lane_destroy(l[i]);
	teardown(&f);
}

static void test_pool_waits_for_running_work(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *j;
	enum work_result first = WORK_CANCELLED, second = WORK_DONE;
	sem_t started;

	(void)state;
	setup(&f);
	sem_init(&started, 0, 0);
	f.stop_when_destroyed = -1;
	l = lane_create(f.pool, "host", 1, 10);
	j = job_new(&f);
	j->started = &started;
	j->out_res = &first;
	assert_true(lane_submit(l, &j->w));
	j = job_new(&f);
	j->out_res = &second;
	assert_true(lane_submit(l, &j->w));
	sem_wait(&started);
	lane_pool_destroy(f.pool, 60000);
	assert_int_equal(first, WORK_DONE);
	assert_int_equal(second, WORK_CANCELLED);
	assert_int_equal(f.live, 0);
	j = job_new(&f);
	assert_false(lane_submit(l, &j->w));
	free(j);
	lane_destroy(l); /* after the pool: allowed */
	loop_finish(&f.loop);
	sem_destroy(&started);
}

/* A call that outlives its pool: the thread ends by itself; the object is never destroyed. */
static void test_pool_goes_before_a_hung_call(void **state)
{
	struct fixture f;
	struct lane *l;
	struct job *j;
	sem_t started;
	static sem_t gate; /* outlives the test, as the thread does */

	(void)state;
	setup(&f);
	sem_init(&started, 0, 0);
	sem_init(&gate, 0, 0);
	l = lane_create(f.pool, "host", 1, 10);
	j = job_new(&f);
	j->started = &started;
	j->hang = &gate;
	assert_true(lane_submit(l, &j->w));
	sem_wait(&started);
	lane_pool_destroy(f.pool, 0);
	assert_int_equal(f.given_up, 1);
	assert_int_equal(f.live, 1);
	lane_destroy(l);
	loop_finish(&f.loop);
	sem_post(&gate);
	sem_destroy(&started);
	/* j is leaked by design: keep it reachable, so that the leak checker knows */
	static struct job *volatile kept;
	kept = j;
	assert_non_null(kept);
}

static void test_storm(void **state)
{
	enum { LANES = 64, CHAINS = 6, LINKS = 60 };
	struct fixture f;
	struct lane *l[LANES];
	static _Atomic int inside[LANES], most[LANES];

	(void)state;
	setup(&f);
	for (int i = 0; i < LANES; i++) {
		l[i] = lane_create(f.pool, "host", 1 + (unsigned)i % 4, 100);
		for (int c = 0; c < CHAINS; c++) {
			struct job *j = job_new(&f);

			j->again = l[i];
			j->again_left = LINKS - 1;
			j->inside = &inside[i];
			j->most = &most[i];
			j->w.timeout_ms = 3600 * 1000;
			assert_true(lane_submit(l[i], &j->w));
		}
	}
	run_to(&f, 0);
	assert_int_equal(f.done, LANES * CHAINS * LINKS);
	for (int i = 0; i < LANES; i++) {
		assert_true(most[i] >= 1 && most[i] <= 1 + i % 4);
		lane_destroy(l[i]);
	}
	teardown(&f);
}

/* Calls that return at about their deadline: each is reported once, and destroyed once, whoever wins. */
static void race_run(struct work *w)
{
	struct job *j = CONTAINER_OF(w, struct job, w);
	uint64_t end = uv_hrtime() + (uint64_t)j->again_left * 1000;

	while (uv_hrtime() < end)
		;
}

static void race_destroy(struct work *w)
{
	CONTAINER_OF(w, struct job, w)->again_left = 0;
	job_destroy(w);
}

static void test_deadlines_race_with_returns(void **state)
{
	enum { JOBS = 300 };
	struct fixture f;
	struct lane *l;

	(void)state;
	setup(&f);
	l = lane_create(f.pool, "host", 4, JOBS);
	for (int i = 0; i < JOBS; i++) {
		struct job *j = job_new(&f);

		j->w.run = race_run;
		j->w.destroy = race_destroy;
		j->w.timeout_ms = 1 + (unsigned)i / 6;
		j->again_left = 500 + i % 13 * 60; /* microseconds */
		assert_true(lane_submit(l, &j->w));
	}
	run_to(&f, 0);
	assert_int_equal(f.done + f.given_up + f.cancelled, JOBS);
	assert_int_equal(f.destroyed, JOBS);
	assert_int_equal(lane_pool_given_up(f.pool), 0);
	lane_destroy(l);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_on_a_thread),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_given_up_and_back),
		cmocka_unit_test(test_one_hung_host_alone),
		cmocka_unit_test(test_destroyed_in_done),
		cmocka_unit_test(test_quiet_lanes_hold_no_thread),
		cmocka_unit_test(test_pool_waits_for_running_work),
		cmocka_unit_test(test_pool_goes_before_a_hung_call),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_deadlines_race_with_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
