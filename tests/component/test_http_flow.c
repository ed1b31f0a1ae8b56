/* SPDX-License-Identifier: Apache-2.0 */
/* Back-pressure in both directions, and peers that leave at the wrong moment. */
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

enum { MIB = 1024 * 1024, UPLOAD = 64 * MIB };

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_start(&f, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_stop(&f);
	return 0;
}

static void *upload(void *arg)
{
	struct client *c = arg;
	char *piece = calloc(1, MIB);
	bool ok = true;

	for (int i = 0; i < UPLOAD / MIB && ok; i++)
		ok = client_send(c, piece, MIB);
	free(piece);
	return ok ? c : NULL;
}

static void *upload_chunked(void *arg)
{
	struct client *c = arg;
	char *piece = calloc(1, MIB + 8);
	bool ok = true;

	memset(piece, 'x', MIB + 8);
	memcpy(piece, "100000\r\n", 8);
	for (int i = 0; i < UPLOAD / MIB && ok; i++)
		ok = client_send(c, piece, MIB + 8) && client_puts(c, "\r\n");
	free(piece);
	return ok && client_puts(c, "0\r\n\r\n") ? c : NULL;
}

static void read_counters(struct fixture *x)
{
	struct http_stats stats;

	http_server_stats(x->server, &stats);
	x->result = (int)stats.bytes_in;
}

/* While the handler pauses, the server takes no more than one read from the socket, however long the sender
 * waits. */
static void upload_waits(struct client *c, const char *request, void *(*sender)(void *))
{
	struct client_response r = { 0 };
	pthread_t thread;
	void *sent;
	char want[24];

	assert_true(client_puts(c, request));
	assert_int_equal(pthread_create(&thread, NULL, sender, c), 0);
	fixture_wait(&f, &f.held_n, 1);
	for (int i = 0; i < 100; i++) {
		fixture_call(&f, read_counters); /* a turn of the loop */
		assert_true(f.result < MIB);
		assert_true(f.bytes_in == f.bytes_at_pause && f.bytes_in <= 64 * 1024);
	}
	fixture_resume(&f);
	pthread_join(thread, &sent);
	assert_ptr_equal(sent, c);
	assert_true(client_read(c, &r, false));
	assert_int_equal(r.status, 201);
	snprintf(want, sizeof want, "%d", UPLOAD);
	assert_string_equal(buf_text(&r.body), want);
	client_response_finish(&r);
	assert_true(client_puts(c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(c, &r, false));
	assert_string_equal(buf_text(&r.body), "GET /echo?\n");
	client_response_finish(&r);
	client_close(c);
}

static void test_upload_back_pressure(void **state)
{
	struct client c;
	char request[128];

	(void)state;
	snprintf(request, sizeof request, "PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
		UPLOAD);
	assert_true(client_open_tls(&c, f.port, 0));
	upload_waits(&c, request, upload);
}

static void test_chunked_upload_back_pressure(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	upload_waits(
		&c, "PUT /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", upload_chunked);
}

static void test_unix_upload_back_pressure(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_unix(&c, f.path));
	upload_waits(
		&c, "PUT /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", upload_chunked);
}

/* The last piece of a body, and the end with it, may come while the handler pauses. */
static void test_pause_on_the_last_piece(void **state)
{
	static const char *const requests[] = {
		"PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
		"PUT /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"PUT /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		"chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(requests); i++) {
		struct client c;
		struct client_response r = { 0 };

		f.bytes_in = 0;
		assert_true(client_open_tls(&c, f.port, 0));
		assert_true(client_puts(&c, requests[i]));
		fixture_wait(&f, &f.held_n, i + 1);
		fixture_resume(&f);
		assert_true(client_read(&c, &r, false));
		assert_string_equal(buf_text(&r.body), "5");
		client_response_finish(&r);
		client_close(&c);
	}
}

static void read_progress(struct fixture *x)
{
	x->result = (int)(x->stream_done / 1024);
}

static void test_response_back_pressure(void **state)
{
	static const char *const targets[] = { "GET /stream?n=67108864 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /stream?n=67108864&length=1 HTTP/1.1\r\nHost: h\r\n\r\n" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(targets); i++) {
		struct client c;
		struct client_response r = { 0 };

		f.stream_done = 0;
		assert_true(client_open_tls(&c, f.port, 0));
		assert_true(client_puts(&c, targets[i]));
		assert_true(client_fill(&c)); /* it has begun, and now nobody reads */
		for (int n = 0; n < 100; n++)
			fixture_call(&f, read_progress);
		/* what the kernel's buffers take, and ours */
		assert_in_range(f.result, 1, 32 * 1024);
		assert_true(client_read(&c, &r, false));
		assert_true(r.complete);
		assert_int_equal(r.body.len, UPLOAD);
		assert_true(f.drained > 0);
		client_response_finish(&r);
		client_close(&c);
	}
}

/* Pipelined requests whose answers nobody reads are not worked off. */
static void test_pipelined_answers_wait_for_the_reader(void **state)
{
	enum { N = 600 };
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (int i = 0; i < N; i++)
		assert_true(client_puts(&c, "GET /big?n=100000 HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_fill(&c));
	for (int n = 0; n < 100; n++)
		fixture_call(&f, read_progress);
	assert_in_range(f.begun, 1, N / 2);
	for (int i = 0; i < N; i++) {
		assert_true(client_read(&c, &r, false));
		assert_int_equal(r.body.len, 100000);
	}
	client_response_finish(&r);
	client_close(&c);
}

static void wait_closed(void)
{
	while (fixture_open(&f))
		;
}

static void test_peer_leaves_in_upload(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct client c;

		assert_true(client_open_tls(&c, f.port, 0));
		assert_true(
			client_puts(&c, "PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"));
		fixture_wait(&f, &f.held_n, i + 1);
		fixture_resume(&f);
		if (i)
			client_close(&c);
		else
			client_reset(&c);
		fixture_wait(&f, &f.aborted, i + 1);
		wait_closed();
	}
}

static void test_peer_leaves_in_collected_body(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"));
	fixture_wait(&f, &f.begun, 1);
	client_reset(&c);
	wait_closed();
	assert_int_equal(f.aborted, 0);
	assert_int_equal(f.dropped, 1);
}

static void test_peer_leaves_in_response(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /stream?n=100000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_fill(&c));
	client_reset(&c);
	fixture_wait(&f, &f.finished, 1); /* the rest went nowhere */
	wait_closed();
}

static void test_peer_leaves_before_the_answer(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
	fixture_wait(&f, &f.held_n, 1);
	client_reset(&c);
	fixture_release(&f);
	wait_closed();
	/* and with a pipelined request behind it */
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(
		&c, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
	fixture_wait(&f, &f.held_n, 2);
	client_close(&c);
	fixture_release(&f);
	wait_closed();
}

static void test_response_cut_short_is_noticed(void **state)
{
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /cut HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	assert_false(r.complete);
	assert_false(c.clean_end);
	client_response_finish(&r);
	client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_upload_back_pressure),
		TEST(test_chunked_upload_back_pressure),
		TEST(test_unix_upload_back_pressure),
		TEST(test_pause_on_the_last_piece),
		TEST(test_response_back_pressure),
		TEST(test_pipelined_answers_wait_for_the_reader),
		TEST(test_peer_leaves_in_upload),
		TEST(test_peer_leaves_in_collected_body),
		TEST(test_peer_leaves_in_response),
		TEST(test_peer_leaves_before_the_answer),
		TEST(test_response_cut_short_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
