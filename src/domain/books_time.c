/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/books_time.h"

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct books_clock books_clock_first(int64_t boot_us, int64_t wall_us, int64_t last_us)
{
	return (struct books_clock) { .base_us = later(wall_us, last_us) - boot_us };
}

struct books_clock books_clock_resume(
	const struct books_clock *c, bool same_boot, int64_t boot_us, int64_t wall_us, int64_t last_us)
{
	int64_t now_us = same_boot ? c->base_us + boot_us : wall_us - c->offset_us;

	return (struct books_clock) { later(now_us, last_us) - boot_us, c->offset_us };
}

bool books_clock_stepped(
	const struct books_clock *c, int64_t boot_us, int64_t wall_us, int64_t *out_offset_us)
{
	int64_t offset_us = wall_us - books_clock_now(c, boot_us), by_us = offset_us - c->offset_us;

	if (by_us > -BOOKS_JITTER_US && by_us < BOOKS_JITTER_US)
		return false;
	*out_offset_us = offset_us;
	return true;
}

/* ---- wall time ---- */

int64_t books_time_to_wall(const struct books_step *steps, size_t n, int64_t books_us)
{
	while (n && steps[n - 1].at_us > books_us)
		n--;
	return books_us + (n ? steps[n - 1].offset_us : 0);
}

/* Between two steps, or before the first, or after the last: what the clock showed. */
struct stretch {
	int64_t from_us, to_us, offset_us; /* wall times [from, to) */
};

/* The i-th of n + 1. */
static struct stretch stretch(const struct books_step *steps, size_t n, size_t i)
{
	int64_t offset_us = i ? steps[i - 1].offset_us : 0;

	return (struct stretch) { i ? steps[i - 1].at_us + offset_us : INT64_MIN,
		i < n ? steps[i].at_us + offset_us : INT64_MAX, offset_us };
}

/* The first time from wall_us on that no stretch from the i-th on shows. */
static int64_t not_again(const struct books_step *steps, size_t n, size_t i, int64_t wall_us)
{
	for (size_t k = i; k <= n; k++) {
		struct stretch s = stretch(steps, n, k);

		if (wall_us < s.from_us || wall_us >= s.to_us)
			continue;
		if (s.to_us == INT64_MAX)
			return INT64_MAX;
		wall_us = s.to_us;
		k = i - 1; /* those before it may show this one */
	}
	return wall_us;
}

int64_t books_time_from_wall(const struct books_step *steps, size_t n, int64_t wall_us)
{
	for (size_t i = 0; i <= n; i++) {
		struct stretch s = stretch(steps, n, i);
		int64_t at_us = wall_us > s.from_us ? wall_us : s.from_us;

		if (at_us < s.to_us)
			at_us = not_again(steps, n, i + 1, at_us);
		if (at_us < s.to_us)
			return at_us - s.offset_us;
	}
	return INT64_MAX; /* not reached: the last stretch has no end */
}
