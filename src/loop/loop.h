/* SPDX-License-Identifier: Apache-2.0 */
/* The one event loop: libuv's, with our clock, timers and the tick. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/clock.h"
#include "base/error.h"

struct loop {
	uv_loop_t uv;
	const struct clock *clock;
	const struct rng *rng;
};

int loop_init(struct loop *l, const struct clock *clock, const struct rng *rng, struct error *err);
/* Runs until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Runs until no handle is open, then closes. Asserts that nothing was leaked. */
void loop_finish(struct loop *l);

/* A timer embedded in its owner. All-zero is unset. The owner may be freed only after loop_timer_close's
 * callback. */
struct loop_timer {
	uv_timer_t uv;
	void (*fire)(struct loop_timer *t);
	void (*closed)(struct loop_timer *t);
	bool open;
};

/* Fires once after delay_ms; setting it again moves it. */
void loop_timer_set(
	struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fire)(struct loop_timer *t));
void loop_timer_stop(struct loop_timer *t);
void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *t)); /* closed may be NULL */

#endif
