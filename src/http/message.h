/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of one request: bytes in, head and body pieces out. It owns the parser, knows no socket, and
 * refuses whatever two parsers might read differently (request smuggling). */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* llhttp has constants of these names, too. */
#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_OPTIONS LLHTTP_OPTIONS
#define HTTP_PATCH LLHTTP_PATCH
#include <llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_OPTIONS
#undef HTTP_PATCH

#include "http/http.h"

enum message_event {
	MESSAGE_MORE,  /* all was used, more is needed */
	MESSAGE_PIECE, /* piece, piece_n: bytes of the body, inside what was fed */
	MESSAGE_END,   /* the message is complete; what was not used belongs to the next one */
	MESSAGE_BAD    /* status, why: answer that and close */
};

struct message_span {
	uint32_t name_n, value_n;
};

struct message {
	llhttp_t parser;
	const struct http_limits *limits;
	/* the head; points into the text that message_head_parse was given */
	enum http_method method;
	const char *method_name;
	char *target;
	struct http_pair *headers;
	struct message_span *spans;
	size_t headers_n, headers_cap, target_n;
	int64_t content_length; /* -1: chunked, or none */
	bool chunked, http10, close, expect_continue;
	bool complete; /* the whole message is in */
	bool in_body;
	/* where message_head_find is: start of the line, first byte not seen, bytes before the first header
	 */
	size_t line, seen, request_line_n;
	size_t trailer_line_n;
	bool in_trailer, trailer_cr, trailer_colon;
	size_t extra_n; /* trailer and chunk extension bytes */
	const char *piece;
	size_t piece_n;
	int status;
	const char *why;
};

void message_init(struct message *m, const struct http_limits *limits);
void message_finish(struct message *m);
/* Ready for the next message. */
void message_reset(struct message *m);

/* Bytes of empty lines before a request line, to be skipped (RFC 9112 section 2.2). */
size_t message_head_skip(struct message *m, const char *p, size_t n);
/* Looks for the end of the head; call it again with the same bytes and more. 0: more is needed, and *out_n is
 * 0; or *out_n is the head's length. -1: status and why are set. */
int message_head_find(struct message *m, const char *p, size_t n, size_t *out_n);
/* Reads a head that message_head_find has found; terminates its parts in place. 0, or -1: status and why. */
int message_head_parse(struct message *m, char *p, size_t n);
/* Feeds the body (n may be 0). *used bytes were taken. */
enum message_event message_body(struct message *m, const char *p, size_t n, size_t *used);

#endif
