/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames under arbitrary bytes: no crash, no message above the limit, and the same reading however
 * the bytes are cut. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_replay.h"
#include "http/frame.h"

enum { MESSAGE_MAX = 300 };

static void note(struct buf *out, const struct frame_reader *r, enum frame_event e)
{
	if (e == FRAME_BAD) {
		buf_printf(out, "bad %d %s\n", r->code, r->why);
		return;
	}
	if (r->data_n > MESSAGE_MAX)
		abort();
	buf_printf(out, "got %d %zu ", (int)r->opcode, r->data_n);
	if (r->opcode == FRAME_CLOSE)
		buf_printf(out, "code %d ", r->code);
	if (r->data_n)
		buf_append(out, r->data, r->data_n);
	buf_append(out, "\n", 1);
}

static void replay(const uint8_t *data, size_t n, size_t piece, struct buf *out)
{
	struct frame_reader r;
	size_t at = 0;

	frame_reader_init(&r, MESSAGE_MAX);
	while (at < n) {
		size_t end = at + piece < n ? at + piece : n, used;
		/* a copy of its own: reading past it is seen */
		char *copy = memcpy(malloc(end - at), data + at, end - at);
		enum frame_event e = frame_read(&r, copy, end - at, &used);

		free(copy);
		if (used > end - at || (e == FRAME_MORE && used < end - at))
			abort();
		at += used;
		if (e != FRAME_MORE)
			note(out, &r, e);
		if (e == FRAME_BAD)
			break;
	}
	frame_reader_finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = { 0 }, cut = { 0 };

	replay(data, n, n + 1, &whole);
	replay(data, n, 1 + n % 7, &cut);
	if (whole.len != cut.len || (whole.len && memcmp(whole.data, cut.data, whole.len)))
		abort();
	buf_finish(&whole);
	buf_finish(&cut);
	return 0;
}
