/* SPDX-License-Identifier: Apache-2.0 */
#include "http/frame.h"

#include <string.h>

#include "base/util.h"

void frame_reader_init(struct frame_reader *r, size_t message_max)
{
	*r = (struct frame_reader) { .message_max = message_max };
}

void frame_reader_finish(struct frame_reader *r)
{
	buf_finish(&r->message);
}

static enum frame_event bad(struct frame_reader *r, int code, const char *why)
{
	r->code = code;
	r->why = why;
	return FRAME_BAD;
}

static bool is_control(enum frame_opcode o)
{
	return o & 8;
}

/* Text may hold U+0000, which the house's own texts may not. */
static bool text_valid(const char *p, size_t n)
{
	while (n) {
		size_t k = strnlen(p, n);

		if (!utf8_valid(p, k))
			return false;
		k += k < n;
		p += k;
		n -= k;
	}
	return true;
}

/* How long the head is, as far as its first two bytes say. */
static size_t head_size(const struct frame_reader *r)
{
	unsigned length = r->head[1] & 0x7f;

	return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + 4;
}

/* The first two bytes are in. */
static enum frame_event head_check(struct frame_reader *r)
{
	unsigned length = r->head[1] & 0x7f;

	r->fin = r->head[0] & 0x80;
	r->frame_opcode = r->head[0] & 0x0f;
	if (r->head[0] & 0x70)
		return bad(r, CLOSE_PROTOCOL, "a reserved bit is set");
	if (!(r->head[1] & 0x80))
		return bad(r, CLOSE_PROTOCOL, "a frame without a mask");
	switch (r->frame_opcode) {
	case FRAME_CONTINUE:
		return r->in_message ? FRAME_MORE
				     : bad(r, CLOSE_PROTOCOL, "nothing is there to be continued");
	case FRAME_TEXT:
	case FRAME_BINARY:
		return r->in_message ? bad(r, CLOSE_PROTOCOL, "a message inside of another") : FRAME_MORE;
	case FRAME_CLOSE:
	case FRAME_PING:
	case FRAME_PONG:
		return r->fin && length <= FRAME_CONTROL_MAX
			       ? FRAME_MORE
			       : bad(r, CLOSE_PROTOCOL, "a control frame that is long or in pieces");
	default:
		return bad(r, CLOSE_PROTOCOL, "an unknown opcode");
	}
}

/* All of the head is in. */
static enum frame_event head_done(struct frame_reader *r)
{
	size_t n = head_size(r) - 4;
	uint64_t length = r->head[1] & 0x7f;

	if (n > 2) {
		length = 0;
		for (size_t i = 2; i < n; i++)
			length = length << 8 | r->head[i];
		if (length >> 63 || length < (n == 4 ? 126u : 65536u))
			return bad(r, CLOSE_PROTOCOL, "a length that is not in its shortest form");
	}
	memcpy(r->mask, r->head + n, sizeof r->mask);
	r->mask_at = 0;
	r->left = length;
	r->head_n = 0;
	r->in_payload = true;
	r->control_n = 0;
	if (is_control(r->frame_opcode))
		return FRAME_MORE;
	if (r->frame_opcode != FRAME_CONTINUE) {
		r->message.len = 0;
		r->message_opcode = r->frame_opcode;
	}
	if (length > r->message_max - r->message.len)
		return bad(r, CLOSE_TOO_LARGE, "the message is too large");
	return FRAME_MORE;
}

static bool close_code_valid(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static enum frame_event close_done(struct frame_reader *r)
{
	if (!r->control_n) {
		r->code = CLOSE_NO_CODE;
		return FRAME_GOT;
	}
	if (r->control_n == 1)
		return bad(r, CLOSE_PROTOCOL, "half a close code");
	r->code = (unsigned char)r->control[0] << 8 | (unsigned char)r->control[1];
	if (!close_code_valid(r->code))
		return bad(r, CLOSE_PROTOCOL, "a close code that may not be sent");
	if (!text_valid(r->control + 2, r->control_n - 2))
		return bad(r, CLOSE_NOT_UTF8, "the reason is not UTF-8");
	return FRAME_GOT;
}

static enum frame_event frame_done(struct frame_reader *r)
{
	r->in_payload = false;
	if (is_control(r->frame_opcode)) {
		r->opcode = r->frame_opcode;
		r->data = r->control;
		r->data_n = r->control_n;
		return r->opcode == FRAME_CLOSE ? close_done(r) : FRAME_GOT;
	}
	r->in_message = !r->fin;
	if (r->in_message)
		return FRAME_MORE;
	r->opcode = r->message_opcode;
	r->data = r->message.data;
	r->data_n = r->message.len;
	if (r->opcode == FRAME_TEXT && !text_valid(r->data, r->data_n))
		return bad(r, CLOSE_NOT_UTF8, "the text is not UTF-8");
	return FRAME_GOT;
}

static void unmask(struct frame_reader *r, char *to, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(p[i] ^ (char)r->mask[r->mask_at++ & 3]);
}

static size_t payload_take(struct frame_reader *r, const char *p, size_t n)
{
	if (n > r->left)
		n = (size_t)r->left;
	if (is_control(r->frame_opcode)) {
		unmask(r, r->control + r->control_n, p, n);
		r->control_n += n;
	} else if (n) {
		unmask(r, buf_reserve(&r->message, n), p, n);
		r->message.len += n;
	}
	r->left -= n;
	return n;
}

enum frame_event frame_read(struct frame_reader *r, const char *p, size_t n, size_t *used)
{
	enum frame_event e = FRAME_MORE;

	*used = 0;
	while (e == FRAME_MORE && (*used < n || (r->in_payload && !r->left))) {
		if (r->in_payload) {
			*used += payload_take(r, p + *used, n - *used);
			if (!r->left)
				e = frame_done(r);
			continue;
		}
		r->head[r->head_n++] = (unsigned char)p[(*used)++];
		if (r->head_n == 2)
			e = head_check(r);
		else if (r->head_n > 2 && r->head_n == head_size(r))
			e = head_done(r);
	}
	return e;
}

size_t frame_head(char out[FRAME_HEAD_MAX], enum frame_opcode opcode, size_t n)
{
	size_t bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;

	out[0] = (char)(0x80 | opcode);
	out[1] = (char)(bytes == 0 ? n : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++)
		out[2 + i] = (char)((uint64_t)n >> 8 * (bytes - 1 - i));
	return 2 + bytes;
}
