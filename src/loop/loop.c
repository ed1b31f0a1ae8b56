/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

int loop_init(struct loop *l, const struct clock *clock, const struct rng *rng, struct error *err)
{
	int rc;

	memset(l, 0, sizeof *l);
	rc = uv_loop_init(&l->uv);
	if (rc)
		return error_internal(err, "uv_loop_init: %s", uv_strerror(rc));
	l->clock = clock;
	l->rng = rng;
	return 0;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

void loop_finish(struct loop *l)
{
	int rc;

	/* a stop that came after the last run would end the first of these at once */
	while (uv_run(&l->uv, UV_RUN_DEFAULT))
		;
	rc = uv_loop_close(&l->uv);
	assert(rc == 0);
	(void)rc;
}

static void timer_fire(uv_timer_t *uv)
{
	struct loop_timer *t = CONTAINER_OF(uv, struct loop_timer, uv);

	t->fire(t);
}

void loop_timer_set(
	struct loop *l, struct loop_timer *t, uint64_t delay_ms, void (*fire)(struct loop_timer *t))
{
	assert(!t->open || !uv_is_closing((uv_handle_t *)&t->uv));
	if (!t->open) {
		uv_timer_init(&l->uv, &t->uv);
		t->open = true;
	}
	t->fire = fire;
	/* libuv counts from the start of the loop's turn: after a long callback a timer would fire too soon
	 */
	uv_update_time(&l->uv);
	uv_timer_start(&t->uv, timer_fire, delay_ms, 0);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (t->open)
		uv_timer_stop(&t->uv);
}

static void timer_closed(uv_handle_t *h)
{
	struct loop_timer *t = CONTAINER_OF((uv_timer_t *)h, struct loop_timer, uv);
	void (*closed)(struct loop_timer *) = t->closed;

	memset(t, 0, sizeof *t);
	if (closed)
		closed(t);
}

void loop_timer_close(struct loop_timer *t, void (*closed)(struct loop_timer *t))
{
	if (!t->open) {
		if (closed)
			closed(t);
		return;
	}
	assert(!uv_is_closing((uv_handle_t *)&t->uv));
	t->closed = closed;
	uv_close((uv_handle_t *)&t->uv, timer_closed);
}
