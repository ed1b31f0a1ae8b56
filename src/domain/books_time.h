/* SPDX-License-Identifier: Apache-2.0 */
/* The time that the books are kept in, microseconds: it advances with the machine's time since boot, never
 * jumps nor runs backward. What the wall clock said is books time plus an offset, which changes when somebody
 * sets the clock. */
#ifndef DOMAIN_BOOKS_TIME_H
#define DOMAIN_BOOKS_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOOKS_JITTER_US = 50000 }; /* two clocks read one after the other differ; more than this is a step */

struct books_clock {
	int64_t base_us;   /* books time less the time since boot */
	int64_t offset_us; /* wall clock less books time, as last seen */
};

/* The books' first day: books time is what the wall clock says, but later than all that is in them. */
struct books_clock books_clock_first(int64_t boot_us, int64_t wall_us, int64_t last_us);
/* Goes on after a restart. Of the same boot nothing is lost; of another one the time between is what the wall
 * clock says that it was. Never before last_us, the last books time that was written down. */
struct books_clock books_clock_resume(
	const struct books_clock *c, bool same_boot, int64_t boot_us, int64_t wall_us, int64_t last_us);

static inline int64_t books_clock_now(const struct books_clock *c, int64_t boot_us)
{
	return c->base_us + boot_us;
}

/* Was the wall clock set since? *out_offset_us then is the new offset. */
bool books_clock_stepped(
	const struct books_clock *c, int64_t boot_us, int64_t wall_us, int64_t *out_offset_us);

struct books_step { /* from at_us on the wall clock was ahead by offset_us */
	int64_t at_us, offset_us;
};

/* Steps are in order of time; before the first the offset is 0. */
int64_t books_time_to_wall(const struct books_step *steps, size_t n, int64_t books_us);
/* The first moment at which the clock showed that time, or a later one, and never showed the same again. Each
 * wall time has one such moment, and a later one never has an earlier moment: so months follow each other
 * without gap or overlap, whatever was done to the clock; and a wrong time that was set back does not count.
 */
int64_t books_time_from_wall(const struct books_step *steps, size_t n, int64_t wall_us);

#endif
