/* SPDX-License-Identifier: Apache-2.0 */
/* Reading on in a console's log that somebody else writes, rotates and makes anew. Its size alone does not
 * tell that it is another file: so the last bytes that were read are read again and compared. What was put
 * aside last may also be the log of the host that the server came from. */
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"

/* Notes that p was read, and from where on it goes on. */
static void advance(struct hv_log *l, const char *p, size_t n)
{
	struct hv_log_mark *m = &l->mark;
	size_t keep = n < HV_LOG_TAIL ? HV_LOG_TAIL - n : 0;

	if (keep > m->tail_n)
		keep = m->tail_n;
	memmove(m->tail, m->tail + m->tail_n - keep, keep);
	m->tail_n = keep + (n < HV_LOG_TAIL ? n : HV_LOG_TAIL);
	memcpy(m->tail + keep, p + n - (m->tail_n - keep), m->tail_n - keep);
	m->offset += (int64_t)n;
	m->known = true;
	buf_append(&l->text, p, n);
}

/* Reads on from the mark in a piece of the log. 1: done; 0: it is not the one that was read before. */
static int read_on(
	struct hv_log *l, const struct log_source *from, void *ctx, int piece, size_t max, struct error *err)
{
	CLEANUP(buf_finish) struct buf got = { 0 };
	const struct hv_log_mark *m = &l->mark;
	int64_t size = -1, left;
	size_t n;

	if (from->size(ctx, piece, &size, err) < 0)
		return -1;
	left = size - m->offset;
	if (left < 0)
		return 0;
	if (l->text.len >= max || (!left && !piece)) {
		l->more = left > 0;
		return 1;
	}
	n = max - l->text.len;
	if ((int64_t)n > left)
		n = (size_t)left;
	if (from->read(ctx, piece, m->offset - (int64_t)m->tail_n, n + m->tail_n, &got, err) < 0)
		return -1;
	if (got.len < m->tail_n || (m->tail_n && memcmp(got.data, m->tail, m->tail_n) != 0))
		return 0;
	l->more = left > (int64_t)n;
	if (got.len > m->tail_n) {
		buf_consume(&got, m->tail_n);
		advance(l, got.data, got.len);
	}
	return 1;
}

/* The rest of what was put aside: of the log that was read here, or of the one that came along. 1, 0 or -1.
 */
static int read_rest(
	struct hv_log *l, const struct log_source *from, void *ctx, size_t max, struct error *err)
{
	bool all = !l->mark.known && !l->before.tail_n; /* nothing of it was ever read */
	int rc = l->mark.known || all ? read_on(l, from, ctx, 1, max, err) : 0;

	if (rc || !l->before.tail_n)
		return rc;
	l->mark = l->before;
	if ((rc = read_on(l, from, ctx, 1, max, err)) > 0)
		l->before = l->mark;
	return rc;
}

int log_follow(struct hv_log *l, const struct log_source *from, void *ctx, size_t max, struct error *err)
{
	bool first = !l->mark.known;
	int64_t size = -1;
	int rc = 0;

	l->lost = l->more = false;
	if (from->size(ctx, 0, &size, err) < 0)
		return -1;
	if (size < 0)
		return 0; /* not there (yet): nothing was printed */
	if (!first && (rc = read_on(l, from, ctx, 0, max, err)) != 0)
		return rc < 0 ? -1 : 0;
	if ((rc = read_rest(l, from, ctx, max, err)) < 0 || (rc && l->more))
		return rc < 0 ? -1 : 0;
	if (!rc && !first) {
		if (from->size(ctx, 1, &size, err) < 0)
			return -1;
		l->lost = size >= 0; /* rotated more than once; else it was made anew */
	}
	l->mark = (struct hv_log_mark) { .known = true };
	return read_on(l, from, ctx, 0, max, err) < 0 ? -1 : 0;
}
