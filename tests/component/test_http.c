/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers over real TLS and unix sockets: keep-alive, pipelining, bodies both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "http_fixture.h"

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

/* One request, one answer with this status and body. */
static void expect(struct client *c, const char *request, int status, const char *body)
{
	struct client_response r = { 0 };

	assert_true(client_puts(c, request));
	assert_true(client_read(c, &r, !strncmp(request, "HEAD", 4)));
	assert_int_equal(r.status, status);
	assert_true(r.complete);
	assert_string_equal(buf_text(&r.body), body);
	client_response_finish(&r);
}

static void test_keep_alive(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (int i = 0; i < 50; i++)
		expect(&c, "GET //a///echo/?x=%20y HTTP/1.1\r\nHost: h\r\n\r\n", 200, "GET /a/echo?x=%20y\n");
	assert_int_equal(fixture_open(&f), 1);
	client_close(&c);
}

static void test_pipelining_keeps_order(void **state)
{
	struct client c;
	struct client_response r = { 0 };
	struct buf b = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	buf_puts(&b, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 200; i++)
		buf_printf(&b, "POST /echo?%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n%03d", i, i);
	assert_true(client_send(&c, b.data, b.len));
	fixture_wait(&f, &f.held_n, 1);
	/* The requests behind the first one wait for its answer. */
	assert_int_equal(f.begun, 1);
	fixture_release(&f);
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "held");
	for (int i = 0; i < 200; i++) {
		char want[64];

		snprintf(want, sizeof want, "POST /echo?%d\n%03d", i, i);
		assert_true(client_read(&c, &r, false));
		assert_string_equal(buf_text(&r.body), want);
	}
	client_response_finish(&r);
	buf_finish(&b);
	client_close(&c);
}

static void test_chunked_request(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (int i = 0; i < 2; i++)
		expect(&c,
			"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\n",
			200, "POST /echo?\nabcdefg");
	client_close(&c);
}

/* A request that comes byte by byte, each in a TLS record of its own. */
static void test_byte_by_byte(void **state)
{
	static const char text[] = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n0\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n";
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (size_t i = 0; i < sizeof text - 1; i++)
		assert_true(client_send(&c, text + i, 1));
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "POST /echo?\nabc");
	assert_true(client_read(&c, &r, false));
	assert_string_equal(buf_text(&r.body), "GET /echo?\n");
	client_response_finish(&r);
	client_close(&c);
}

static void test_streamed_responses(void **state)
{
	static const char *const targets[] = { "/stream?n=0", "/stream?n=100000", "/stream?n=3000000",
		"/stream?n=3000000&length=1", "/stream?n=1&length=1", "/big?n=20000", "/big?n=3000000" };
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct client_response r = { 0 };
		char request[128];

		snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", targets[i]);
		assert_true(client_puts(&c, request));
		assert_true(client_read(&c, &r, false));
		assert_int_equal(r.status, 200);
		assert_true(r.complete);
		assert_int_equal(r.body.len, strtoul(strstr(targets[i], "n=") + 2, NULL, 10));
		client_response_finish(&r);
	}
	client_close(&c);
}

static void test_http10_stream_ends_with_the_connection(void **state)
{
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /stream?n=100000 HTTP/1.0\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	assert_null(client_header(&r, "Transfer-Encoding"));
	assert_true(r.complete);
	assert_int_equal(r.body.len, 100000);
	client_response_finish(&r);
	client_close(&c);
}

static void test_continue(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (int i = 0; i < 2; i++) {
		expect(&c,
			"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
			100, "");
		expect(&c, "abc", 200, "POST /echo?\nabc");
	}
	/* The body is refused before it comes: no 100, and nobody can tell what would follow. */
	expect(&c, "POST /refuse HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		403, "no");
	assert_int_equal(client_drain(&c), 0);
	assert_true(c.clean_end);
	client_close(&c);
}

static void test_head_and_empty(void **state)
{
	struct client c;
	struct client_response r = { 0 };
	char *length;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "HEAD /fixed HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(&c, &r, true));
	length = client_header(&r, "Content-Length");
	assert_string_equal(length, "1000");
	free(length);
	client_response_finish(&r);
	expect(&c, "HEAD /stream?n=1000 HTTP/1.1\r\nHost: h\r\n\r\n", 200, "");
	expect(&c, "HEAD /stream?n=1000&length=1 HTTP/1.1\r\nHost: h\r\n\r\n", 200, "");
	assert_true(client_puts(&c, "DELETE /empty HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, 204);
	assert_null(client_header(&r, "Content-Length"));
	client_response_finish(&r);
	expect(&c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 200, "GET /echo?\n");
	client_close(&c);
}

static void test_response_fields(void **state)
{
	struct client c;
	struct client_response r = { 0 };
	char *date, *one, *connection;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /inject HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	one = client_header(&r, "x-one");
	assert_string_equal(one, "a  x-two: b");
	assert_null(client_header(&r, "x-two"));
	assert_null(client_header(&r, "bad name"));
	date = client_header(&r, "Date");
	assert_int_equal(strlen(date), strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
	connection = client_header(&r, "Connection");
	assert_string_equal(connection, "close");
	assert_int_equal(client_drain(&c), 0);
	assert_true(c.clean_end);
	free(one);
	free(date);
	free(connection);
	client_response_finish(&r);
	client_close(&c);
}

static void test_refused_body(void **state)
{
	static const char small[] = "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
	struct client c;
	struct client_response r = { 0 };
	char *big = calloc(1, 1000000);

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	/* A small rest is skipped and the connection kept, a large one is not worth it. */
	expect(&c, small, 403, "no");
	expect(&c, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", 403, "enough");
	expect(&c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 200, "GET /echo?\n");
	assert_true(client_puts(&c, "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
	client_send(&c, big, 1000000);
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, 403);
	assert_int_equal(client_drain(&c), 0);
	client_close(&c);
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"));
	client_send(&c, big, 1000000);
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.status, 403);
	client_response_finish(&r);
	client_close(&c);
	free(big);
}

static void test_targets(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	expect(&c, "GET https://x.example/echo?q HTTP/1.1\r\nHost: h\r\n\r\n", 200, "GET /echo?q\n");
	expect(&c, "GET http://x.example?q=/ HTTP/1.1\r\nHost: h\r\n\r\n", 404, "no such path");
	expect(&c, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 404, "no such path");
	expect(&c, "GET /echo?%41=%c3%a4&b+c&=&&d=e=f HTTP/1.1\r\nHost: h\r\n\r\n", 200,
		"GET /echo?%41=%c3%a4&b+c&=&&d=e=f\n");
	client_close(&c);
}

static void test_unix_peer(void **state)
{
	struct client c;
	struct client_response r = { 0 };
	char want[32], *peer;

	(void)state;
	assert_true(client_open_unix(&c, f.path));
	for (int i = 0; i < 3; i++) {
		assert_true(client_puts(&c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
		assert_true(client_read(&c, &r, false));
		peer = client_header(&r, "x-peer");
		snprintf(want, sizeof want, "unix %u", getuid());
		assert_string_equal(peer, want);
		free(peer);
	}
	assert_true(client_puts(&c, "GET /big?n=3000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	assert_int_equal(r.body.len, 3000000);
	client_response_finish(&r);
	client_close(&c);
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(&c, &r, false));
	peer = client_header(&r, "x-peer");
	assert_string_equal(peer, "127.0.0.1 4294967295");
	free(peer);
	client_response_finish(&r);
	client_close(&c);
}

static void test_held_request_on_idle_connection(void **state)
{
	struct client c;
	struct client_response r = { 0 };

	(void)state;
	assert_true(client_open_tls(&c, f.port, 0));
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(client_puts(&c, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
		fixture_wait(&f, &f.held_n, i);
		fixture_release(&f);
		assert_true(client_read(&c, &r, false));
		assert_string_equal(buf_text(&r.body), "held");
	}
	client_response_finish(&r);
	client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keep_alive),
		TEST(test_pipelining_keeps_order),
		TEST(test_chunked_request),
		TEST(test_byte_by_byte),
		TEST(test_streamed_responses),
		TEST(test_http10_stream_ends_with_the_connection),
		TEST(test_continue),
		TEST(test_head_and_empty),
		TEST(test_response_fields),
		TEST(test_refused_body),
		TEST(test_targets),
		TEST(test_unix_peer),
		TEST(test_held_request_on_idle_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
