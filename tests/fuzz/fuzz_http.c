/* SPDX-License-Identifier: Apache-2.0 */
/* Request framing under arbitrary bytes: no crash, and the same reading however the bytes are cut. With
 * libFuzzer it searches; without, it replays the files and directories named on the command line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_replay.h"
#include "message_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct http_limits limits = { .line = 200, .headers = 1000, .header_count = 20 };
	struct buf whole = { 0 }, cut = { 0 };

	message_replay(&limits, data, n, n + 1, &whole);
	message_replay(&limits, data, n, 1 + n % 7, &cut);
	if (whole.len != cut.len || (whole.len && memcmp(whole.data, cut.data, whole.len))) {
		fprintf(stderr, "whole: %s\ncut: %s\n", buf_text(&whole), buf_text(&cut));
		abort();
	}
	buf_finish(&whole);
	buf_finish(&cut);
	return 0;
}
