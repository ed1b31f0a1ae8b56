/* SPDX-License-Identifier: Apache-2.0 */
/* The file of what consoles printed: order, marks, bounds by age, by server and in all, a restart, a broken
 * file. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "store/history.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000001"

static char dir[64], path[96];
static struct history *h;
static struct error err;

static void open_with(int64_t keep_us, int64_t server_bytes, int64_t total_bytes)
{
	struct history_config c = {
		.path = path, .keep_us = keep_us, .server_bytes = server_bytes, .total_bytes = total_bytes
	};

	if (history_open(&c, &h, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
}

static int setup(void **state)
{
	(void)state;
	str_copy(dir, sizeof dir, "/tmp/cloudd-history-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/console.db", dir);
	open_with(INT64_MAX / 4, 1 << 20, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".broken", ".broken-wal", ".broken-shm" };

	(void)state;
	history_unref(h);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char file[128];

		snprintf(file, sizeof file, "%s%s", path, ends[i]);
		unlink(file);
	}
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* Reads on as a collector does: from the mark, so many bytes further. */
static void append(const char *server, int64_t host, const char *text, int64_t at_us)
{
	struct history_step s = { 0 };
	struct history_text t = { .p = text, .n = strlen(text), .at_us = at_us };

	assert_int_equal(history_mark_get(h, server, host, &s.before, &err), 0);
	assert_int_equal(history_mark_before(h, server, host, &s.other, &err), 0);
	s.after = s.before;
	s.after.offset += (int64_t)t.n;
	s.after.tail_n = t.n < HISTORY_TAIL ? t.n : HISTORY_TAIL;
	memcpy(s.after.tail, text + t.n - s.after.tail_n, s.after.tail_n);
	if (history_append(h, server, &s, &t, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
}

/* "time:text time:text", and '+' when there is more. */
static const char *read_all(const char *server, int64_t since, int64_t until, size_t chunks, size_t bytes)
{
	static char out[2048];
	struct history_query q = { server, since, until, chunks, bytes };
	struct history_chunk *list;
	struct arena a = { 0 };
	bool more;
	size_t n, at = 0;

	if (history_read(h, &a, &q, &list, &n, &more, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, sizeof out - at, "%s%lld:%.*s", i ? " " : "",
			(long long)list[i].at_us, (int)list[i].n, list[i].p);
	if (more)
		snprintf(out + at, sizeof out - at, "+");
	arena_finish(&a);
	return out;
}

static void sweep(int64_t now)
{
	bool more = true;

	while (more)
		assert_int_equal(history_sweep(h, now, &more, &err), 0);
}

static void test_order_and_time(void **state)
{
	(void)state;
	append(A, 1, "one", 100);
	append(B, 1, "other", 100); /* the same moment: no two are the same */
	append(A, 1, "two", 50);    /* the clock went back: order stays */
	append(A, 2, "three", 200); /* on another host */
	assert_string_equal(read_all(A, 0, 1000, 10, 1000), "100:one 102:two 200:three");
	assert_string_equal(read_all(B, 0, 1000, 10, 1000), "101:other");
	assert_string_equal(read_all(A, 102, 199, 10, 1000), "102:two");
	assert_string_equal(read_all(A, 0, 1000, 2, 1000), "100:one 102:two+");
	assert_string_equal(read_all(A, 0, 1000, 10, 4), "100:one+");
	assert_string_equal(read_all(A, 0, 1000, 10, 1), "100:one+"); /* always one, however large */
	assert_string_equal(read_all(A, 201, 1000, 10, 1000), "");
	assert_string_equal(read_all("cccccccc-0000-4000-8000-000000000001", 0, 1000, 10, 1000), "");
}

static void test_last(void **state)
{
	struct buf b = { 0 };

	(void)state;
	append(A, 1, "first ", 1);
	append(A, 1, "second ", 2);
	append(A, 1, "third", 3);
	assert_int_equal(history_last(h, A, 10, &b, &err), 0);
	assert_string_equal(buf_text(&b), "cond third");
	b.len = 0;
	assert_int_equal(history_last(h, A, 1000, &b, &err), 0);
	assert_string_equal(buf_text(&b), "first second third");
	b.len = 0;
	assert_int_equal(history_last(h, B, 1000, &b, &err), 0);
	assert_int_equal(b.len, 0);
	buf_finish(&b);
}

/* Two that read from the same mark: the text is kept once. */
static void test_marks(void **state)
{
	struct history_step s = { .after = { .host_id = 1, .offset = 5, .tail = "hello", .tail_n = 5 } };
	struct history_text t = { .p = "hello", .n = 5, .at_us = 1 };
	struct history_mark m;

	(void)state;
	assert_int_equal(history_mark_get(h, A, 1, &s.before, &err), 0);
	assert_int_equal(history_mark_before(h, A, 1, &s.other, &err), 0);
	assert_int_equal(s.before.offset, 0);
	assert_int_equal(history_append(h, A, &s, &t, &err), 0);
	assert_int_equal(history_append(h, A, &s, &t, &err), 0);
	assert_string_equal(read_all(A, 0, 100, 10, 100), "1:hello");
	assert_int_equal(history_mark_get(h, A, 1, &m, &err), 0);
	assert_int_equal(m.offset, 5);
	assert_int_equal(m.tail_n, 5);
	assert_memory_equal(m.tail, "hello", 5);
	/* each host has a mark of its own, which stays when the server moves there and back */
	assert_int_equal(history_mark_get(h, A, 2, &m, &err), 0);
	assert_int_equal(m.offset, 0);
	append(A, 2, "there", 2);
	assert_int_equal(history_mark_get(h, A, 1, &m, &err), 0);
	assert_int_equal(m.offset, 5);
}

/* A log moves to another host while both hosts are read: what it brought is kept once, whoever comes first.
 */
static void test_marks_of_a_move(void **state)
{
	struct history_text t = { .p = "rest", .n = 4, .at_us = 2 };
	struct history_step there = { 0 }, here = { 0 };
	struct history_mark m;

	(void)state;
	for (int first = 0; first < 2; first++) {
		const char *server = first ? A : B;

		append(server, 1, "begin", 1);
		assert_int_equal(history_mark_get(h, server, 1, &here.before, &err), 0);
		here.after = here.before;
		here.after.offset += 4;
		assert_int_equal(history_mark_get(h, server, 2, &there.before, &err), 0);
		assert_int_equal(history_mark_before(h, server, 2, &there.other, &err), 0);
		assert_int_equal(there.other.host_id, 1);
		there.other_after = here.after;
		there.came = true;
		there.after = (struct history_mark) { .host_id = 2, .offset = 1, .tail = "n", .tail_n = 1 };
		assert_int_equal(history_append(h, server, first ? &here : &there, &t, &err), 0);
		assert_int_equal(history_append(h, server, first ? &there : &here, &t, &err), 0);
		assert_non_null(strstr(read_all(server, 0, 100, 10, 100), "begin"));
		assert_ptr_equal(strstr(strstr(read_all(server, 0, 100, 10, 100), "rest") + 1, "rest"), NULL);
		/* from a third host, the place where it was last */
		if (!first) {
			assert_int_equal(history_mark_before(h, server, 3, &m, &err), 0);
			assert_int_equal(m.host_id, 2);
		}
	}
}

static void test_restart(void **state)
{
	struct history_mark m;

	(void)state;
	append(A, 1, "kept", 10);
	history_unref(h);
	open_with(INT64_MAX / 4, 1 << 20, 1 << 20);
	assert_string_equal(read_all(A, 0, 100, 10, 100), "10:kept");
	assert_int_equal(history_mark_get(h, A, 1, &m, &err), 0);
	assert_int_equal(m.offset, 4);
	append(A, 1, "more", 10);
	assert_string_equal(read_all(A, 0, 100, 10, 100), "10:kept 11:more");
}

static void test_age(void **state)
{
	(void)state;
	history_unref(h);
	open_with(100, 1 << 20, 1 << 20);
	for (int i = 0; i < 2500; i++) /* more than one piece of a sweep */
		append(i % 2 ? A : B, 1, "x", 10);
	append(A, 1, "young", 5000);
	sweep(5050);
	assert_string_equal(read_all(A, 0, 10000, 10, 100), "5000:young");
	assert_string_equal(read_all(B, 0, 10000, 10, 100), "");
	sweep(6000);
	assert_string_equal(read_all(A, 0, 10000, 10, 100), "");
}

static void test_bounds(void **state)
{
	char block[1001];
	struct history_stats stats;

	(void)state;
	memset(block, 'b', 1000);
	block[1000] = '\0';
	history_unref(h);
	open_with(INT64_MAX / 4, 5000, 8000);
	for (int i = 0; i < 20; i++) {
		append(A, 1, block, 1 + i);
		history_stats(h, &stats);
		assert_true(stats.bytes <= 5000);
	}
	/* the newest are there, and the mark stands at the end */
	assert_non_null(strstr(read_all(A, 20, 20, 10, 100), "20:bbb"));
	assert_string_equal(read_all(A, 0, 15, 10, 100), "");
	for (int i = 0; i < 20; i++)
		append(B, 1, block, 100 + i);
	history_stats(h, &stats);
	assert_true(stats.bytes > 8000); /* each within its own */
	sweep(200);
	history_stats(h, &stats);
	assert_true(stats.bytes <= 8000);
	assert_non_null(strstr(read_all(B, 119, 119, 10, 100), "119:bbb")); /* the oldest went first */
	append(A, 1, "goes on", 300);
	assert_string_equal(read_all(A, 300, 300, 10, 100), "300:goes on");
}

/* A disk without room is no broken file: what is in it stays. */
static void test_full_disk(void **state)
{
	struct history_config c = { .path = path, .keep_us = 1, .server_bytes = 1000, .total_bytes = 1000 };
	struct rlimit was, none;

	(void)state;
	append(A, 1, "kept", 10);
	history_unref(h);
	h = NULL;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(history_open(&c, &h, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	open_with(INT64_MAX / 4, 1 << 20, 1 << 20);
	assert_string_equal(read_all(A, 10, 10, 10, 100), "10:kept");
}

static void test_broken_file(void **state)
{
	char aside[128];
	FILE *f;

	(void)state;
	append(A, 1, "lost", 10);
	history_unref(h);
	h = NULL;
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fwrite("this is no database, as anybody can see at its start", 1, 50, f), 50);
	fclose(f);
	open_with(INT64_MAX / 4, 1 << 20, 1 << 20);
	snprintf(aside, sizeof aside, "%s.broken", path);
	assert_int_equal(access(aside, F_OK), 0);
	assert_string_equal(read_all(A, 0, 100, 10, 100), "");
	append(A, 1, "anew", 20);
	assert_string_equal(read_all(A, 0, 100, 10, 100), "20:anew");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks_of_a_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_age, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
