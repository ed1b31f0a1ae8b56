/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames (RFC 6455 section 5) as a server reads and writes them: bytes in, whole messages out. It
 * knows no socket. Extensions are not spoken. */
#ifndef HTTP_FRAME_H
#define HTTP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum frame_opcode {
	FRAME_CONTINUE = 0,
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8,
	FRAME_PING = 9,
	FRAME_PONG = 10
};

enum { /* section 7.4.1 */
	CLOSE_NORMAL = 1000,
	CLOSE_GOING_AWAY = 1001,
	CLOSE_PROTOCOL = 1002,
	CLOSE_NO_CODE = 1005, /* the peer gave none; never sent */
	CLOSE_LOST = 1006,    /* no closing handshake; never sent */
	CLOSE_NOT_UTF8 = 1007,
	CLOSE_TOO_LARGE = 1009,
	CLOSE_FAILED = 1011
};

enum frame_event {
	FRAME_MORE, /* all was used, more is needed */
	FRAME_GOT,  /* opcode, data, data_n: a whole message (TEXT, BINARY) or a control frame */
	FRAME_BAD   /* code, why: close with that; nothing can be read any more */
};

enum { FRAME_CONTROL_MAX = 125, FRAME_HEAD_MAX = 14 };

struct frame_reader {
	size_t message_max;
	struct buf message; /* gathered so far, unmasked */
	enum frame_opcode message_opcode;
	bool in_message; /* more fragments are to come */
	/* the frame under way */
	unsigned char head[FRAME_HEAD_MAX];
	size_t head_n;
	bool in_payload, fin;
	enum frame_opcode frame_opcode;
	uint64_t left;
	unsigned char mask[4];
	unsigned mask_at;
	char control[FRAME_CONTROL_MAX];
	size_t control_n;
	/* what the last event is about; valid until the next call */
	enum frame_opcode opcode;
	const char *data;
	size_t data_n;
	int code; /* BAD, and a CLOSE frame's (CLOSE_NO_CODE: it has none) */
	const char *why;
};

void frame_reader_init(struct frame_reader *r, size_t message_max);
void frame_reader_finish(struct frame_reader *r);
/* Feeds bytes; *used were taken. */
enum frame_event frame_read(struct frame_reader *r, const char *p, size_t n, size_t *used);

/* The head of an unfragmented, unmasked frame with n bytes; how long it is. */
size_t frame_head(char out[FRAME_HEAD_MAX], enum frame_opcode opcode, size_t n);

#endif
