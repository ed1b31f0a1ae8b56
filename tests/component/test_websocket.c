/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets over real TLS: the opening handshake, frames, what a peer may not do, pressure, time and the
 * end. */
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
#include "http/frame.h"
#include "http_fixture.h"

#define UPGRADE                                                                                        \
	"GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static struct fixture f;

static void start(const struct http_websocket_limits *limits)
{
	struct http_limits l = http_limits_default;

	l.body_ms = 400; /* also how often time is looked at */
	fixture_start(&f, &l);
	f.socket_limits = limits ? *limits : (struct http_websocket_limits) { .message = 1000 };
}

/* Everything up to the empty line, taken from what came. */
static void read_head(struct client *c, struct buf *out)
{
	const char *end;

	while (!c->in.len || !(end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4)))
		assert_true(client_fill(c));
	out->len = 0;
	buf_append(out, c->in.data, (size_t)(end - c->in.data) + 4);
	buf_consume(&c->in, out->len);
}

static void open_socket(struct client *c)
{
	struct buf head = { 0 };

	assert_true(client_open_tls(c, f.port, 0));
	assert_true(client_puts(c, UPGRADE "Sec-WebSocket-Protocol: base64, binary\r\n\r\n"));
	read_head(c, &head);
	assert_non_null(strstr(buf_text(&head), "HTTP/1.1 101 Switching Protocols\r\n"));
	/* RFC 6455 section 1.3 has this key and this answer */
	assert_non_null(strstr(buf_text(&head), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(buf_text(&head), "Sec-WebSocket-Protocol: binary\r\n"));
	assert_non_null(strstr(buf_text(&head), "Connection: Upgrade\r\n"));
	assert_non_null(strstr(buf_text(&head), "x-id: 7\r\n"));
	assert_null(strstr(buf_text(&head), "Content-Length"));
	buf_finish(&head);
}

/* A frame as a client sends it; first: FIN, reserved bits and opcode as they are on the wire. */
static void put(struct client *c, unsigned first, const char *p, size_t n)
{
	static const unsigned char mask[4] = { 0xa1, 0x02, 0xff, 0x44 };
	struct buf b = { 0 };
	char head[FRAME_HEAD_MAX];
	size_t head_n = frame_head(head, FRAME_TEXT, n);

	head[0] = (char)first;
	head[1] |= (char)0x80;
	buf_append(&b, head, head_n);
	buf_append(&b, mask, 4);
	for (size_t i = 0; i < n; i++)
		buf_append(&b, &(char) { (char)(p[i] ^ (char)mask[i & 3]) }, 1);
	assert_true(client_send(c, b.data, b.len));
	buf_finish(&b);
}

static void puts_frame(struct client *c, unsigned first, const char *text)
{
	put(c, first, text, strlen(text));
}

/* The server's next frame; false: the end came first. */
static bool get(struct client *c, unsigned *first, struct buf *out)
{
	size_t need = 2, n = 0;

	for (;;) {
		const unsigned char *p = (const unsigned char *)c->in.data;

		if (c->in.len >= 2)
			need = p[1] < 126 ? 2u : p[1] == 126 ? 4u : 10u;
		if (c->in.len >= need && c->in.len >= 2) {
			n = p[1];
			if (need > 2)
				n = 0;
			for (size_t i = 2; i < need; i++)
				n = n << 8 | p[i];
			if (c->in.len >= need + n)
				break;
		}
		if (!client_fill(c))
			return false;
	}
	*first = (unsigned char)c->in.data[0];
	out->len = 0;
	buf_append(out, c->in.data + need, n);
	buf_consume(&c->in, need + n);
	return true;
}

static void expect(struct client *c, unsigned first, const char *text)
{
	struct buf b = { 0 };
	unsigned got = 0;

	assert_true(get(c, &got, &b));
	assert_int_equal(got, first);
	assert_string_equal(buf_text(&b), text);
	buf_finish(&b);
}

static void expect_close(struct client *c, int code)
{
	struct buf b = { 0 };
	unsigned got = 0;

	do
		assert_true(get(c, &got, &b));
	while (got == 0x82 || got == 0x89);
	assert_int_equal(got, 0x88);
	assert_true(b.len >= 2);
	assert_int_equal((unsigned char)b.data[0] << 8 | (unsigned char)b.data[1], code);
	assert_int_equal(client_drain(c), 0);
	assert_true(c->clean_end);
	buf_finish(&b);
}

static void test_handshake_refusals(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ "GET /socket HTTP/1.1\r\nHost: h\r\n\r\n", 200 },
		{ "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 200 },
		{ "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			400 }, /* no Connection: Upgrade */
		{ "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 13\r\n\r\n",
			400 }, /* no key */
		{ "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n",
			400 },
		{ "POST /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			400 },
		{ "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			426 },
	};
	struct client c;

	(void)state;
	start(NULL);
	assert_true(client_open_tls(&c, f.port, 0));
	/* all on one connection: a refused upgrade leaves it as it was */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct client_response r = { 0 };

		assert_true(client_puts(&c, cases[i].request));
		assert_true(client_read(&c, &r, false));
		assert_int_equal(r.status, cases[i].status);
		client_response_finish(&r);
	}
	client_close(&c);
	fixture_stop(&f);
}

static void test_messages(void **state)
{
	char big[1000];
	struct client c;

	(void)state;
	start(NULL);
	open_socket(&c);
	puts_frame(&c, 0x81, "xin chào");
	expect(&c, 0x81, "xin chào");
	puts_frame(&c, 0x82, "\xff\x01");
	expect(&c, 0x82, "\xff\x01");
	put(&c, 0x82, "", 0);
	expect(&c, 0x82, "");
	/* in pieces, cut inside of a character, with a ping in between */
	puts_frame(&c, 0x01, "a\xc3");
	puts_frame(&c, 0x89, "ping");
	expect(&c, 0x8a, "ping");
	puts_frame(&c, 0x00, "\xa9");
	puts_frame(&c, 0x80, "z");
	expect(&c, 0x81, "aéz");
	memset(big, 'b', sizeof big);
	put(&c, 0x82, big, sizeof big); /* just the limit */
	big[sizeof big - 1] = '\0';
	put(&c, 0x82, big, 999);
	{
		struct buf b = { 0 };
		unsigned first = 0;

		assert_true(get(&c, &first, &b));
		assert_int_equal(b.len, 1000);
		buf_finish(&b);
	}
	expect(&c, 0x82, big);
	puts_frame(&c, 0x8a, "unasked"); /* a pong that nobody asked for is no fault */
	puts_frame(&c, 0x88, "\x03\xe8");
	expect_close(&c, 1000);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.close_code, 1000);
	client_close(&c);
	fixture_stop(&f);
}

static void test_broken_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int code;
	} cases[] = {
		{ "\x81\x01x", 3, 1002 },                           /* no mask */
		{ "\xc1\x81\0\0\0\0x", 7, 1002 },                   /* a reserved bit */
		{ "\x83\x80\0\0\0\0", 6, 1002 },                    /* an unknown opcode */
		{ "\x80\x80\0\0\0\0", 6, 1002 },                    /* nothing to continue */
		{ "\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12, 1002 },   /* a message inside of another */
		{ "\x09\x80\0\0\0\0", 6, 1002 },                    /* a ping in pieces */
		{ "\x89\xfe\x00\x7e\0\0\0\0", 8, 1002 },            /* a long ping */
		{ "\x82\xfe\x00\x05\0\0\0\0", 8, 1002 },            /* not the shortest length */
		{ "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 1002 }, /* the length's highest bit */
		{ "\x82\xfe\x03\xe9\0\0\0\0", 8, 1009 },            /* 1001 bytes */
		{ "\x82\xff\0\0\1\0\0\0\0\0\0\0\0\0", 14, 1009 },   /* a terabyte */
		{ "\x81\x82\0\0\0\0\xff\xfe", 8, 1007 },            /* not UTF-8 */
		{ "\x88\x81\0\0\0\0\x03", 7, 1002 },                /* half a code */
		{ "\x88\x82\0\0\0\0\x03\xed", 8, 1002 },            /* 1005 may not be sent */
	};

	(void)state;
	start(NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct client c;

		open_socket(&c);
		assert_true(client_send(&c, cases[i].bytes, cases[i].n));
		expect_close(&c, cases[i].code);
		client_close(&c);
		fixture_wait(&f, &f.closed, (unsigned)i + 1);
		assert_int_equal(f.close_code, cases[i].code);
	}
	assert_int_equal(f.heard, 0);
	fixture_stop(&f);
}

/* Fragments that together are too large, and frames that come with the request. */
static void test_limits_and_pipelining(void **state)
{
	char half[600] = { 0 };
	struct client c;
	struct buf head = { 0 };

	(void)state;
	start(NULL);
	open_socket(&c);
	put(&c, 0x02, half, sizeof half);
	put(&c, 0x80, half, sizeof half);
	expect_close(&c, 1009);
	client_close(&c);
	assert_true(client_open_tls(&c, f.port, 0));
	assert_true(client_puts(&c, UPGRADE "\r\n\x81\x82\x01\x01\x01\x01ih"));
	read_head(&c, &head);
	assert_null(strstr(buf_text(&head), "Sec-WebSocket-Protocol"));
	expect(&c, 0x81, "hi");
	puts_frame(&c, 0x81, "bye");
	expect_close(&c, 4000);
	buf_finish(&head);
	client_close(&c);
	fixture_stop(&f);
}

static void test_pressure(void **state)
{
	struct client c;
	size_t got = 0;
	struct buf b = { 0 };
	unsigned first = 0;

	(void)state;
	start(NULL);
	open_socket(&c);
	puts_frame(&c, 0x81, "wait");
	puts_frame(&c, 0x81, "later");
	fixture_wait(&f, &f.waits, 1);
	fixture_open(&f);             /* a turn of the loop */
	assert_int_equal(f.heard, 1); /* "later" waits in its queue */
	fixture_go_on(&f);
	expect(&c, 0x81, "later");
	/* more than all buffers hold: the sender has to wait, and all of it comes through */
	puts_frame(&c, 0x81, "flood");
	fixture_wait(&f, &f.socket_full, 1);
	while (got < FIXTURE_FLOOD) {
		assert_true(get(&c, &first, &b));
		assert_int_equal(first, 0x82);
		got += b.len;
	}
	assert_true(f.socket_drained > 0);
	buf_finish(&b);
	client_close(&c);
	fixture_wait(&f, &f.closed, 1);
	fixture_stop(&f);
}

static void test_half_open(void **state)
{
	struct client c;

	(void)state;
	start(&(struct http_websocket_limits) { .message = 1000, .ping_ms = 200 });
	open_socket(&c);
	expect(&c, 0x89, ""); /* asked, and silent */
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.close_code, 1006);
	client_close(&c);
	/* who answers stays: longer than the silence that would end it */
	open_socket(&c);
	for (int i = 0; i < 4; i++) {
		expect(&c, 0x89, "");
		put(&c, 0x8a, "", 0);
	}
	client_reset(&c);
	fixture_wait(&f, &f.closed, 2);
	assert_int_equal(f.close_code, 1006);
	client_close(&c);
	fixture_stop(&f);
}

static void test_idle_and_life(void **state)
{
	struct client c;

	(void)state;
	start(&(struct http_websocket_limits) { .message = 1000, .idle_ms = 200 });
	open_socket(&c);
	expect_close(&c, 1000);
	client_close(&c);
	fixture_stop(&f);
	start(&(struct http_websocket_limits) { .message = 1000, .life_ms = 200 });
	open_socket(&c);
	expect_close(&c, 1000);
	assert_int_equal(f.closed, 1);
	client_close(&c);
	fixture_stop(&f);
}

static void drained(void *ctx)
{
	struct fixture *fx = ctx;

	pthread_mutex_lock(&fx->lock);
	fx->drain_done = true;
	fx->finished++;
	pthread_cond_broadcast(&fx->changed);
	pthread_mutex_unlock(&fx->lock);
}

static void drain(struct fixture *fx)
{
	http_server_drain(fx->server, drained, fx);
}

static void test_going_away(void **state)
{
	struct client c;

	(void)state;
	start(NULL);
	open_socket(&c);
	puts_frame(&c, 0x81, "wait"); /* also one that is paused */
	fixture_wait(&f, &f.waits, 1);
	fixture_call(&f, drain);
	expect_close(&c, 1001);
	fixture_wait(&f, &f.closed, 1);
	client_close(&c);
	fixture_wait(&f, &f.finished, 1);
	fixture_stop(&f);
}

/* The server is taken apart under an open socket: its owner hears of it. */
static void test_destroyed(void **state)
{
	struct client c;

	(void)state;
	start(NULL);
	open_socket(&c);
	fixture_stop(&f);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.close_code, 1006);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_refusals),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_broken_frames),
		cmocka_unit_test(test_limits_and_pipelining),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_idle_and_life),
		cmocka_unit_test(test_going_away),
		cmocka_unit_test(test_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
