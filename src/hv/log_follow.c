/* SPDX-License-Identifier: Apache-2.0 */
/* Reading on in a console's log that somebody else writes, rotates and makes anew. Its size alone does not
 * tell that it is another file: so the last bytes that were read are read again and compared. */
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"

/* Notes that p was read, and from where on it goes on. */
static void advance(struct hv_log *l, const char *p, size_t n)
{
	size_t keep = n < HV_LOG_TAIL ? HV_LOG_TAIL - n : 0;

	if (keep > l->tail_n)
		keep = l->tail_n;
	memmove(l->tail, l->tail + l->tail_n - keep, keep);
	l->tail_n = keep + (n < HV_LOG_TAIL ? n : HV_LOG_TAIL);
	memcpy(l->tail + keep, p + n - (l->tail_n - keep), l->tail_n - keep);
	l->offset += (int64_t)n;
	buf_append(&l->text, p, n);
}

/* Reads on in a piece of the log. 1: done; 0: it is not the one that was read before. */
static int read_on(
	struct hv_log *l, const struct log_source *from, void *ctx, int piece, size_t max, struct error *err)
{
	CLEANUP(buf_finish) struct buf got = { 0 };
	int64_t size = -1, left;
	size_t n;

	if (from->size(ctx, piece, &size, err) < 0)
		return -1;
	left = size - l->offset;
	if (left < 0)
		return 0;
	if (l->text.len >= max || (!left && !piece)) {
		l->more = left > 0;
		return 1;
	}
	n = max - l->text.len;
	if ((int64_t)n > left)
		n = (size_t)left;
	if (from->read(ctx, piece, l->offset - (int64_t)l->tail_n, n + l->tail_n, &got, err) < 0)
		return -1;
	if (got.len < l->tail_n || (l->tail_n && memcmp(got.data, l->tail, l->tail_n) != 0))
		return 0;
	l->more = left > (int64_t)n;
	if (got.len > l->tail_n) {
		buf_consume(&got, l->tail_n);
		advance(l, got.data, got.len);
	}
	return 1;
}

int log_follow(struct hv_log *l, const struct log_source *from, void *ctx, size_t max, struct error *err)
{
	int64_t size = -1;
	int rc;

	l->lost = l->more = false;
	if (from->size(ctx, 0, &size, err) < 0)
		return -1;
	if (size < 0)
		return 0; /* not there (yet): nothing was printed */
	if ((rc = read_on(l, from, ctx, 0, max, err)) != 0)
		return rc < 0 ? -1 : 0;
	/* another file has its name: the rest of the old one first */
	if ((rc = read_on(l, from, ctx, 1, max, err)) < 0)
		return -1;
	if (rc && l->more)
		return 0;
	if (!rc) {
		if (from->size(ctx, 1, &size, err) < 0)
			return -1;
		l->lost = size >= 0; /* rotated more than once; else it was made anew */
	}
	l->offset = 0;
	l->tail_n = 0;
	return read_on(l, from, ctx, 0, max, err) < 0 ? -1 : 0;
}
