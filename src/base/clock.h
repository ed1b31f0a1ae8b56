/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness come in as parameters, so that a test can hold both. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Microseconds: wall since 1970-01-01 UTC, for rows; mono from any start, never backward, for deadlines; boot
 * as mono, but it goes on while the machine sleeps, for the books (NULL: mono). */
struct clock {
	int64_t (*wall_us)(void *ctx);
	int64_t (*mono_us)(void *ctx);
	int64_t (*boot_us)(void *ctx);
	void *ctx;
};

extern const struct clock clock_system;

static inline int64_t clock_wall(const struct clock *c)
{
	return c->wall_us(c->ctx);
}

static inline int64_t clock_mono(const struct clock *c)
{
	return c->mono_us(c->ctx);
}

static inline int64_t clock_boot(const struct clock *c)
{
	return c->boot_us ? c->boot_us(c->ctx) : c->mono_us(c->ctx);
}

struct rng {
	void (*fill)(void *ctx, void *out, size_t n); /* cannot fail: aborts when the system has no entropy */
	void *ctx;
};

extern const struct rng rng_system; /* OpenSSL's RAND_bytes */

enum { TIME_TEXT = 40 };
/* "2026-01-01T00:00:00Z" */
const char *time_iso(int64_t wall_us, char out[TIME_TEXT]);
/* "2026-01-01T00:00:00.000000": no zone, as Nova and placement write times */
const char *time_iso_us(int64_t wall_us, char out[TIME_TEXT]);
/* "2026-01-01T00:00:00.000000Z": Keystone's form */
const char *time_iso_usz(int64_t wall_us, char out[TIME_TEXT]);
/* Reads ISO 8601 (date; date and time with T or space; optional fraction; optional Z or +hh:mm). 0 or -1. */
int time_parse(const char *text, int64_t *out_wall_us);

#endif
