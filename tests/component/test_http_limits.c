/* SPDX-License-Identifier: Apache-2.0 */
/* What the server does not put up with: each limit, slowness, and broken framing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "http_fixture.h"

#define HOST "Host: h\r\n"

enum { NEVER_MS = 60000, SOON_MS = 50 };

static struct fixture f;

static const struct http_limits small = {
	.line = 100,
	.headers = 200,
	.header_count = 4,
	.body = 1000,
	.connections = 2,
	.header_ms = NEVER_MS,
	.idle_ms = NEVER_MS,
	.body_ms = NEVER_MS,
	.min_rate = 100,
};

static int teardown(void **state)
{
	(void)state;
	fixture_stop(&f);
	return 0;
}

static int setup_small(void **state)
{
	(void)state;
	fixture_start(&f, &small);
	return 0;
}

static int setup_slow_head(void **state)
{
	struct http_limits l = small;

	(void)state;
	l.header_ms = SOON_MS;
	fixture_start(&f, &l);
	return 0;
}

static int setup_idle(void **state)
{
	struct http_limits l = small;

	(void)state;
	l.idle_ms = SOON_MS;
	fixture_start(&f, &l);
	return 0;
}

static int setup_slow_body(void **state)
{
	struct http_limits l = small;

	(void)state;
	l.body_ms = SOON_MS;
	l.min_rate = 1000 * 1000 * 1000;
	fixture_start(&f, &l);
	return 0;
}

/* Everything that is quiet ends soon, but an answer that has nothing to say. */
static int setup_quiet(void **state)
{
	struct http_limits l = small;

	(void)state;
	l.connections = 4;
	l.idle_ms = l.body_ms = SOON_MS;
	l.min_rate = 1000 * 1000 * 1000;
	fixture_start(&f, &l);
	return 0;
}

/* An answer without an end outlives all windows while its peer has read what there is; when that leaves, its
 * handler is told at once, though nothing is written. */
static void test_quiet_answer(void **state)
{
	static const char said[] = "more\r\n4\r\nmore\r\n4\r\nmore\r\n4\r\nmore";
	struct client c, other;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /watch HTTP/1.1\r\n" HOST "\r\n"));
	fixture_wait(&f, &f.held_n, 1);
	for (int i = 0; i < 4; i++) { /* each takes as long as an idle connection lives */
		assert_true(client_open_tls(&other, f.port, 0));
		client_drain(&other);
		client_close(&other);
		fixture_more(&f);
	}
	do
		assert_true(client_fill(&c));
	while (!memmem(c.in.data, c.in.len, said, sizeof said - 1));
	client_close(&c);
	fixture_wait(&f, &f.left, 1);
	assert_int_equal(f.left, 1);
}

/* The answer to these bytes is this status with a JSON body, and then the connection ends in order. */
static void expect_refused(const char *bytes, size_t n, int status)
{
	struct client c;
	struct client_response r = { 0 };
	char *connection, want[32];

	/* Where a handshake has a short limit too, a busy machine may miss it. */
	while (!client_open_tls(&c, f.port, 0))
		;
	client_send(&c, bytes, n);
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, status);
	assert_true(r.complete);
	snprintf(want, sizeof want, "{\"error\":{\"code\":%d,", status);
	assert_int_equal(strncmp(buf_text(&r.body), want, strlen(want)), 0);
	connection = client_header(&r, "Connection");
	assert_string_equal(connection, "close");
	free(connection);
	client_response_finish(&r);
	assert_int_equal(client_drain(&c), 0);
	assert_true(c.clean_end);
	client_close(&c);
}

static void refused(const char *text, int status)
{
	expect_refused(text, strlen(text), status);
}

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static void test_framing_errors_are_answered(void **state)
{
	(void)state;
	refused("GET /" X100 " HTTP/1.1\r\n" HOST "\r\n", 414);
	refused("GET / HTTP/1.1\r\n" HOST "A: " X100 "\r\nB: " X100 "\r\n\r\n", 431);
	refused("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", 431);
	refused("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413);
	refused("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413);
	refused("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400);
	refused("POST /echo HTTP/1.1\r\n" HOST
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		400);
	refused("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400);
	refused("POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400);
	refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501);
	refused("BREW / HTTP/1.1\r\n" HOST "\r\n", 501);
	refused("GET / HTTP/2.0\r\n" HOST "\r\n", 505);
	refused("GET /%zz?%zz HTTP/1.1\r\n" HOST "\r\n", 400);
	refused("GET /?%ff HTTP/1.1\r\n" HOST "\r\n", 400);
	refused("GET relative HTTP/1.1\r\n" HOST "\r\n", 400);
	refused("nonsense\r\n\r\n", 400);
	assert_int_equal(f.aborted, 1);
}

static void test_collected_body_over_limit(void **state)
{
	char text[2048];
	int n = snprintf(
		text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");

	(void)state;
	for (int i = 0; i < 11; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "64\r\n" X100 "\r\n");
	expect_refused(text, (size_t)n, 413);
	assert_int_equal(f.dropped, 1);
}

static void test_answers_before_a_broken_request_arrive(void **state)
{
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c,
		"GET /echo HTTP/1.1\r\n" HOST "\r\nGET /echo?2 HTTP/1.1\r\n" HOST "\r\nbroken\r\n"
		"GET /echo?3 HTTP/1.1\r\n" HOST "\r\n"));
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "GET /echo?\n");
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "GET /echo?2\n");
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, 400);
	assert_false(client_read(&c, &r, false));
	assert_true(c.clean_end);
	assert_int_equal(f.begun, 2);
	client_response_finish(&r);
	client_close(&c);
}

static void test_connection_limit(void **state)
{
	struct client a, b, third;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&a, f.port, 0));
	assert_true(client_open_unix(&b, f.path));
	assert_true(client_puts(&b, "GET /echo HTTP/1.1\r\n" HOST "\r\n"));
	assert_true(client_read(&b, &r, false));
	/* Waits in the listen queue until there is room. */
	assert_true(client_open_unix(&third, f.path));
	assert_true(client_puts(&third, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
	assert_true(client_puts(&b, "GET /echo HTTP/1.1\r\n" HOST "\r\n"));
	assert_true(client_read(&b, &r, false));
	assert_int_equal(fixture_open(&f), 2);
	assert_int_equal(f.begun, 2);
	client_close(&a);
	fixture_wait(&f, &f.held_n, 1);
	fixture_release(&f);
	assert_true(client_read(&third, &r, false));
	assert_string_equal(buf_text(&r.body), "held");
	client_response_finish(&r);
	client_close(&b);
	client_close(&third);
}

static void test_slow_head(void **state)
{
	struct client c;

	(void)state;
	refused("GET / HTT", 408);
	refused("GET / HTTP/1.1\r\n" HOST, 408);
	/* A TLS handshake that never begins, and the same without TLS. */
	assert_true(client_open_plain(&c, f.port));
	assert_int_equal(client_drain(&c), 0);
	client_close(&c);
	assert_true(client_open_unix(&c, f.path));
	assert_true(client_puts(&c, "GET"));
	assert_true(client_drain(&c) > 0);
	client_close(&c);
}

static void test_idle_ends_quietly(void **state)
{
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_int_equal(client_drain(&c), 0);
	assert_true(c.clean_end);
	client_close(&c);
	assert_true(client_open_tls(&c, f.port, 0));
	if (client_puts(&c, "GET /echo HTTP/1.1\r\n" HOST "\r\n") && client_read(&c, &r, false))
		assert_int_equal(r.status, 200);
	client_response_finish(&r);
	assert_int_equal(client_drain(&c), 0);
	assert_true(c.clean_end);
	client_close(&c);
}

/* An answer that takes long is the handler's affair: no limit of ours ends it. */
static void test_waiting_for_an_answer_is_not_idling(void **state)
{
	struct client idle, c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_unix(&c, f.path));
	assert_true(client_puts(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n"));
	fixture_wait(&f, &f.held_n, 1);
	assert_true(client_open_tls(&idle, f.port, 0));
	assert_int_equal(client_drain(&idle), 0); /* so the limit has passed */
	fixture_release(&f);
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "held");
	client_response_finish(&r);
	client_close(&idle);
	client_close(&c);
}

static void test_slow_sender(void **state)
{
	(void)state;
	refused("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nx", 408);
	refused("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n", 408);
	assert_int_equal(f.aborted, 1);
}

static void test_paused_sender_is_not_slow(void **state)
{
	struct client slow, c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nx"));
	fixture_wait(&f, &f.held_n, 1);
	assert_true(client_open_tls(&slow, f.port, 0));
	assert_true(client_puts(&slow, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nx"));
	assert_true(client_drain(&slow) > 0); /* so the limit has passed */
	assert_true(client_puts(&c, "y"));
	fixture_resume(&f);
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, 201);
	client_response_finish(&r);
	client_close(&slow);
	client_close(&c);
}

static void test_slow_reader(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /stream?n=100000000 HTTP/1.1\r\n" HOST "\r\n"));
	fixture_wait(&f, &f.finished, 1); /* cut: what the handler still writes goes nowhere */
	assert_true(client_drain(&c) < 100000000);
	assert_false(c.clean_end);
	client_close(&c);
}

#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(setup_small, test_framing_errors_are_answered),
		TEST(setup_quiet, test_quiet_answer),
		TEST(setup_small, test_collected_body_over_limit),
		TEST(setup_small, test_answers_before_a_broken_request_arrive),
		TEST(setup_small, test_connection_limit),
		TEST(setup_slow_head, test_slow_head),
		TEST(setup_idle, test_idle_ends_quietly),
		TEST(setup_idle, test_waiting_for_an_answer_is_not_idling),
		TEST(setup_slow_body, test_slow_sender),
		TEST(setup_slow_body, test_paused_sender_is_not_slow),
		TEST(setup_slow_body, test_slow_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
