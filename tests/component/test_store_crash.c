/* SPDX-License-Identifier: Apache-2.0 */
/* What a tick promises, on a real file: an acknowledged write survives kill -9, a refused one leaves no
 * trace, units of one tick share a sync, and a disk that fails gives the right one of the three answers. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_fixture.h"

#include "fault_vfs.h"

struct unit {
	struct tick_unit u;
	struct store_fixture *f;
	int number;
	bool fail, reads, again;
	size_t bytes;
	int ack_fd;
	enum tick_outcome outcome;
	struct error err;
	int finished;
};

static int unit_run(struct tick_unit *u, struct error *err)
{
	struct unit *me = CONTAINER_OF(u, struct unit, u);
	CLEANUP(free_ptr) char *value = xcalloc(1, me->bytes + 1);
	char key[32];

	if (me->reads)
		return 0;
	memset(value, 'v', me->bytes);
	snprintf(key, sizeof key, "unit-%d", me->number);
	if (db_run(store_rw(me->f->store), err, "INSERT INTO meta VALUES (?, ?)", "ss", key, value) < 0)
		return -1;
	return me->fail ? error_set(err, ERR_CONFLICT, "on purpose") : 0;
}

static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct unit *me = CONTAINER_OF(u, struct unit, u);

	me->outcome = outcome;
	me->err = *err;
	me->finished++;
	if (me->ack_fd && outcome == TICK_DONE && write(me->ack_fd, &me->number, sizeof me->number) < 0)
		abort();
	if (me->again) {
		me->number += 1000;
		me->fail = me->number / 1000 % 5 == 0;
		tick_submit(me->f->tick, u);
	}
}

static struct unit make(struct store_fixture *f, int number)
{
	return (struct unit) { .u = { .run = unit_run, .finish = unit_finish }, .f = f, .number = number };
}

static int setup(void **state)
{
	struct store_fixture *f = xcalloc(1, sizeof *f);

	fault.fail_sync = fault.fail_write = 0;
	fixture_dir(f);
	fixture_open(f);
	fixture_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct store_fixture *f = *state;

	fixture_stop(f);
	fixture_close(f);
	fixture_remove(f);
	free(f);
	return 0;
}

static bool present(struct store_fixture *f, int number)
{
	struct error err;
	char key[32];
	int64_t n = 0;

	snprintf(key, sizeof key, "unit-%d", number);
	assert_int_equal(db_int_query(store_ro(f->store), &err, &n, "SELECT count(*) FROM meta WHERE key = ?",
				 "s", key),
		1);
	return n == 1;
}

static void test_units_share_a_sync(void **state)
{
	enum { UNITS = 200 };
	struct store_fixture *f = *state;
	struct unit u[UNITS];
	int before;

	u[0] = make(f, 9999); /* the first commit of a log also syncs its header */
	tick_submit(f->tick, &u[0].u);
	fixture_drain(f);
	before = fault.syncs;
	for (int i = 0; i < UNITS; i++) {
		u[i] = make(f, i);
		u[i].fail = i % 10 == 3;
		tick_submit(f->tick, &u[i].u);
	}
	fixture_drain(f);
	assert_int_equal(fault.syncs - before, 1);
	assert_int_equal(store_seq(f->store), 2);
	for (int i = 0; i < UNITS; i++) {
		assert_int_equal(u[i].outcome, i % 10 == 3 ? TICK_FAILED : TICK_DONE);
		assert_int_equal(present(f, i), i % 10 != 3); /* the failure of one is nobody else's */
	}
}

static void test_nothing_written_costs_no_sync(void **state)
{
	struct store_fixture *f = *state;
	struct unit a = make(f, 1), b = make(f, 2);
	int before = fault.syncs;

	a.reads = true;
	b.fail = true;
	tick_submit(f->tick, &a.u);
	tick_submit(f->tick, &b.u);
	fixture_drain(f);
	assert_int_equal(a.outcome, TICK_DONE);
	assert_int_equal(b.outcome, TICK_FAILED);
	assert_int_equal(fault.syncs, before);
	assert_int_equal(store_seq(f->store), 0);
}

static void run_one(struct store_fixture *f, struct unit *u)
{
	tick_submit(f->tick, &u->u);
	fixture_drain(f);
	assert_int_equal(u->finished, 1);
}

/* A write to the log fails, at each place in turn: refused, nothing is left, and the next tick works. */
static void write_fails(struct store_fixture *f, int rc)
{
	int refused = 0;

	for (int place = 0;; place++) {
		struct unit bad = make(f, 10 + place), good = make(f, 1000 + place);

		bad.bytes = 20000; /* several pages */
		fault.writes_left = place;
		fault.fail_write = rc;
		run_one(f, &bad);
		if (fault.fail_write) { /* there are no more places */
			fault.fail_write = 0;
			assert_int_equal(bad.outcome, TICK_DONE);
			break;
		}
		assert_int_equal(bad.outcome, TICK_REFUSED);
		assert_int_equal(bad.err.code, rc == SQLITE_FULL ? ERR_NO_SPACE : ERR_UNAVAILABLE);
		assert_false(present(f, 10 + place));
		run_one(f, &good);
		assert_int_equal(good.outcome, TICK_DONE);
		refused++;
	}
	assert_true(refused >= 5);
	assert_int_equal(f->fatals, 0);
	/* a recovery from the log comes to the same */
	fixture_stop(f);
	fixture_close(f);
	fixture_open(f);
	fixture_start(f);
	assert_false(present(f, 10));
	assert_true(present(f, 1000));
}

static void test_disk_full_is_refused(void **state)
{
	write_fails(*state, SQLITE_FULL);
}

static void test_failed_write_is_refused(void **state)
{
	write_fails(*state, SQLITE_IOERR_WRITE);
}

/* A real limit instead of a planted error: the kernel ends the write in its middle. */
static void test_file_size_limit(void **state)
{
	struct store_fixture *f = *state;
	struct rlimit old, low;
	struct unit a = make(f, 1), b = make(f, 2);
	struct stat st;
	char wal[128];

	snprintf(wal, sizeof wal, "%s-wal", f->path);
	assert_int_equal(stat(wal, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = (rlim_t)st.st_size + 6000;
	a.bytes = 100000;
	setrlimit(RLIMIT_FSIZE, &low);
	run_one(f, &a);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(a.outcome, TICK_REFUSED);
	assert_false(present(f, 1));
	run_one(f, &b);
	assert_int_equal(b.outcome, TICK_DONE);
	assert_true(present(f, 2));
}

static void test_failed_sync_is_unknown(void **state)
{
	struct store_fixture *f = *state;
	struct unit a = make(f, 1), b = make(f, 2), c = make(f, 3);
	struct error err;

	run_one(f, &a);
	fault.fail_sync = 1;
	run_one(f, &b);
	assert_int_equal(b.outcome, TICK_UNKNOWN);
	assert_int_equal(f->fatals, 1);
	run_one(f, &c); /* nothing runs any more */
	assert_int_equal(c.outcome, TICK_REFUSED);
	/* the process would start again: the file is whole, what was acknowledged is there */
	fixture_stop(f);
	fixture_close(f);
	fixture_open(f);
	fixture_start(f);
	assert_true(present(f, 1));
	assert_false(present(f, 3));
	f->fatals = 0;
	(void)err;
}

/* The log is copied into the file now and then and begins anew, also when there is always a next tick
 * waiting. */
static void test_log_stays_bounded(void **state)
{
	enum { TICKS = 3000, BYTES = 12000 };
	struct store_fixture *f = *state;
	struct unit u = make(f, 0), v = make(f, 500);
	char wal[128];
	struct stat st;

	snprintf(wal, sizeof wal, "%s-wal", f->path);
	u.bytes = v.bytes = BYTES;
	u.again = v.again = true;
	tick_submit(f->tick, &u.u);
	tick_submit(f->tick, &v.u);
	while (store_seq(f->store) < TICKS)
		uv_run(&f->loop.uv, UV_RUN_ONCE);
	u.again = v.again = false;
	fixture_drain(f);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(store_bytes(f->store) > (int64_t)TICKS * BYTES / 2);
	assert_true(st.st_size < 20 << 20);
}

/* ---- crashes ---- */

static void child_life(struct store_fixture *f, int ack_fd)
{
	enum { UNITS = 20 };
	struct unit u[UNITS];

	fixture_open(f);
	fixture_start(f);
	for (int i = 0; i < UNITS; i++) {
		u[i] = make(f, i + (int)(store_seq(f->store) + 1) * 1000000);
		u[i].again = true;
		u[i].bytes = 300;
		u[i].ack_fd = ack_fd;
		tick_submit(f->tick, &u[i].u);
	}
	loop_run(&f->loop);
	_exit(1); /* the parent's kill comes first */
}

/* Reads acknowledgements until there are `enough`, kills, then reads the rest that were under way. */
static size_t collect(pid_t pid, int fd, int *acks, size_t max, size_t enough)
{
	size_t n = 0;
	bool killed = false;

	while (n < max && read(fd, &acks[n], sizeof *acks) == sizeof *acks) {
		n++;
		if (n >= enough && !killed) {
			kill(pid, SIGKILL);
			killed = true;
		}
	}
	if (!killed)
		kill(pid, SIGKILL);
	return n;
}

static void crash_round(struct store_fixture *f, size_t enough)
{
	enum { ACKS_MAX = 200000 };
	CLEANUP(free_ptr) int *acks = xcalloc(ACKS_MAX, sizeof *acks);
	int p[2], status;
	size_t n;
	pid_t pid;
	struct error err;
	int64_t failed = 0;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(p[0]);
		child_life(f, p[1]);
	}
	close(p[1]);
	n = collect(pid, p[0], acks, ACKS_MAX, enough);
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(n >= enough);

	fixture_open(f); /* checks integrity: the stop was not a clean one */
	for (size_t i = 0; i < n; i++) {
		if (!present(f, acks[i]))
			fail_msg("unit %d was acknowledged and is lost", acks[i]);
	}
	/* units that failed left nothing, in whichever tick they were */
	assert_int_equal(db_int_query(store_ro(f->store), &err, &failed,
				 "SELECT count(*) FROM meta WHERE key LIKE 'unit-%' AND CAST(substr(key, 6) "
				 "AS INTEGER) % 1000000 / 1000 % 5 = 0 "
				 "AND CAST(substr(key, 6) AS INTEGER) % 1000000 >= 1000",
				 NULL),
		1);
	assert_int_equal(failed, 0);
}

static void test_kill_9_loses_nothing(void **state)
{
	static const size_t enough[] = { 1, 7, 50, 333, 1000, 20 };
	struct store_fixture *f = *state;

	fixture_stop(f);
	fixture_close(f);
	for (size_t i = 0; i < ARRAY_LEN(enough); i++) {
		crash_round(f, enough[i]);
		fixture_close(f);
	}
	fixture_open(f);
	fixture_start(f);
}

/* In the middle of a tick: units have run, the commit has not. */
static void test_crash_inside_a_tick(void **state)
{
	struct store_fixture *f = *state;
	int status;
	pid_t pid;

	fixture_stop(f);
	fixture_close(f);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct unit a = make(f, 1), b = make(f, 2);
		struct error err;

		fixture_open(f);
		fixture_begin(f);
		unit_run(&a.u, &err);
		fixture_commit(f);
		fixture_begin(f);
		unit_run(&b.u, &err);
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	fixture_open(f);
	assert_true(present(f, 1));
	assert_false(present(f, 2));
	assert_int_equal(store_seq(f->store), 1);
	fixture_start(f);
}

static void damage(const char *path)
{
	FILE *file = fopen(path, "r+");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	/* all pages but the first few, which opening reads */
	for (long at = 60 * 4096; at + 4096 <= st.st_size; at += 4096) {
		fseek(file, at, SEEK_SET);
		for (int i = 0; i < 512; i++)
			fputc(0xa5, file);
	}
	fclose(file);
}

static void test_damage_is_found_after_an_unclean_stop(void **state)
{
	struct store_fixture *f = *state;
	struct store_config config = { .path = f->path, .clock = &clock_system, .check = true };
	struct unit u = make(f, 1);
	struct error err = { 0 };
	struct store *s = NULL;
	int status;
	pid_t pid;

	u.bytes = 400000;
	run_one(f, &u);
	fixture_stop(f);
	fixture_close(f);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		fixture_open(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(store_open(&config, &s, &err), 0); /* whole so far */
	store_close(s);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		fixture_open(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	damage(f->path);
	assert_null(fixture_try_open(f, &err));
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_non_null(strstr(err.msg, f->path));
	/* for teardown */
	assert_int_equal(remove(f->path), 0);
	char wal[128];
	snprintf(wal, sizeof wal, "%s-wal", f->path);
	remove(wal);
	fixture_open(f);
	fixture_start(f);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_units_share_a_sync),
		T(test_nothing_written_costs_no_sync),
		T(test_disk_full_is_refused),
		T(test_failed_write_is_refused),
		T(test_file_size_limit),
		T(test_failed_sync_is_unknown),
		T(test_log_stays_bounded),
		T(test_kill_9_loses_nothing),
		T(test_crash_inside_a_tick),
		T(test_damage_is_found_after_an_unclean_stop),
	};
#undef T

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
