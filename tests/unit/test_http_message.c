/* SPDX-License-Identifier: Apache-2.0 */
/* Framing: what is read of good bytes, and which bad ones are refused with which status. Each case is fed
 * whole and in pieces, which must make no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "message_replay.h"

static const struct http_limits limits = { .line = 64, .headers = 256, .header_count = 5 };

#define HOST "Host: h\r\n"
#define POST "POST /p HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKED_OUT "POST /p|Host=h|Transfer-Encoding=chunked"
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64

static const struct {
	const char *in, *out;
} cases[] = {
	/* good */
	{ "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /|Host=h [];" },
	{ "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET /|Host=h [];" },
	{ "GET / HTTP/1.0\r\n\r\n", "GET / []x;" },
	{ "GET /a?b=c HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
		"GET /a?b=c|Host=h|Connection=close []x;" },
	{ "GET / HTTP/1.1\r\nHost:h\r\nA:\r\nB: \t v w \t\r\n\r\n", "GET /|Host=h|A=|B=v w [];" },
	{ POST "Content-Length: 5\r\n\r\nhello", "POST /p|Host=h|Content-Length=5 [hello];" },
	{ POST "Content-Length: 0\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
		"POST /p|Host=h|Content-Length=0 [];GET /|Host=h [];" },
	{ CHUNKED "3\r\nabc\r\n2;ext=\"v\"\r\nde\r\n0\r\n\r\n", CHUNKED_OUT " [abcde];" },
	{ CHUNKED "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
		CHUNKED_OUT " [abc];GET /|Host=h [];" },
	{ CHUNKED "A\r\n0123456789\r\n00\r\n\r\n", CHUNKED_OUT " [0123456789];" },
	{ "GET http://h/x?y HTTP/1.1\r\n" HOST "\r\n", "GET http://h/x?y|Host=h [];" },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *|Host=h [];" },
	{ "GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\nGET /2 HTTP/1.1\r\n" HOST
	  "\r\n",
		"GET /|Host=h|Upgrade=h2c|Connection=Upgrade [];GET /2|Host=h [];" },
	{ POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		"POST /p|Host=h|Expect=100-continue|Content-Length=1 [x];" },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxx", "GET /|Host=h|Content-Length=2 [xx];" },
	/* incomplete: nothing is made of it yet */
	{ "GET / HTTP/1.1\r\n" HOST, "" },
	{ CHUNKED "3\r\nab", CHUNKED_OUT },
	{ CHUNKED "3\r\nabc\r\n0\r\n", CHUNKED_OUT },
	/* the request line */
	{ "GET /\r\n\r\n", "!400" },
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET /  HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ " GET / HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", "!400" },
	{ "GET\t/ HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET / http/1.1\r\n" HOST "\r\n", "!400" },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", "!501" },
	{ "G@T / HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "BREW / HTTP/1.1\r\n" HOST "\r\n", "!501" },
	{ "CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", "!501" },
	{ "GET / HTTP/1.2\r\n" HOST "\r\n", "!505" },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", "!505" },
	{ "GET / HTTP/0.9\r\n" HOST "\r\n", "!505" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!505" },
	{ "GET / RTSP/1.0\r\n" HOST "\r\n", "!400" },
	{ "GET /a\x01 HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET /a#b HTTP/1.1\r\n" HOST "\r\n", "!400" },
	{ "GET /" X64 " HTTP/1.1\r\n" HOST "\r\n", "!414" },
	{ "GET /" X64, "!414" },
	/* line ends and folding */
	{ "GET / HTTP/1.1\n" HOST "\r\n", "!400" },
	{ "GET / HTTP/1.1\r\nHost: h\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\nHost: h\r\n\n", "!400" },
	{ "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "!400" },
	/* header fields */
	{ "GET / HTTP/1.1\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST ": v\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A\x80: b\r\n\r\n", "!400" },
	{ "GET / HTTP/1.1\r\n" HOST "A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\n\r\n", "!431" },
	{ "GET / HTTP/1.1\r\n" HOST "A: " X256 "\r\n\r\n", "!431" },
	{ "GET / HTTP/1.1\r\n" HOST "A: " X256, "!431" },
	{ POST "Expect: tea\r\n\r\n", "!417" },
	/* the length of the body, told twice or unclearly */
	{ POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "!400" },
	{ POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "!400" },
	{ POST "Content-Length: 1, 1\r\n\r\nx", "!400" },
	{ POST "Content-Length: +1\r\n\r\nx", "!400" },
	{ POST "Content-Length: -1\r\n\r\nx", "!400" },
	{ POST "Content-Length: 0x1\r\n\r\nx", "!400" },
	{ POST "Content-Length: 1 2\r\n\r\nx", "!400" },
	{ POST "Content-Length:\r\n\r\nx", "!400" },
	{ POST "Content-Length: 18446744073709551617\r\n\r\nx", "!400" },
	{ POST "Content-Length: 9223372036854775808\r\n\r\nx", "!400" },
	{ POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!400" },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", "!400" },
	{ POST "Transfer-Encoding: gzip\r\n\r\n", "!501" },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "!501" },
	{ POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "!501" },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!501" },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "!501" },
	{ POST "Transfer-Encoding:\x0b"
	       "chunked\r\n\r\n0\r\n\r\n",
		"!400" },
	{ POST "Transfer-Encoding: identity\r\n\r\n", "!501" },
	{ "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!400" },
	/* chunks */
	{ CHUNKED "3\nabc\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "3\r\nabc\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "3\r\nabcd\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "3\r\rabc\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "x\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "-1\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "+1\r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED " 1\r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1 \r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "ffffffffffffffff1\r\nx", CHUNKED_OUT "!400" },
	{ CHUNKED "1;a\nb\r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1;a\rb\r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1\r\nx\r\n0\n\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1\r\nx\r\n0\r\n\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1\r\nx\r\n0\r\nA: b\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1\r\nx\r\n0\r\nA: b\r\n c\r\n\r\n", CHUNKED_OUT "!400" },
	{ CHUNKED "1;" X256 "=1\r\nx\r\n0\r\n\r\n", CHUNKED_OUT "!431" },
	{ CHUNKED "0\r\nA: " X256 "\r\n\r\n", CHUNKED_OUT "!431" },
};

static void test_cases(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 1024; step = step * 3 + 1) {
			struct buf out = { 0 };

			message_replay(&limits, cases[i].in, strlen(cases[i].in), step, &out);
			if (strcmp(buf_text(&out), cases[i].out)) {
				print_message("case %zu in steps of %zu: %s\n", i, step, cases[i].in);
				print_message("wanted %s, got %s\n", cases[i].out, buf_text(&out));
				wrong++;
			}
			buf_finish(&out);
		}
	assert_int_equal(wrong, 0);
}

static void test_nul_is_refused(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
	struct buf out = { 0 };

	(void)state;
	message_replay(&limits, in, sizeof in - 1, sizeof in, &out);
	assert_string_equal(buf_text(&out), "!400");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
