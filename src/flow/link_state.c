/* SPDX-License-Identifier: Apache-2.0 */
/* A link's way between its states (host_link.h draws it), and what placement is told of it. */
#include "flow/link.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "store/event_rows.h"

static void link_timer(struct loop_timer *t);

struct down {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id;
};

static int down_run(struct tick_unit *u, struct error *err)
{
	struct down *d = CONTAINER_OF(u, struct down, unit);

	if (d->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	if (event_host_link(store_rw(d->e->cfg.store), d->host_id, false, err))
		return -1;
	return capacity_host_set(d->e, store_rw(d->e->cfg.store), d->host_id, false, err);
}

static void down_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct down *d = CONTAINER_OF(u, struct down, unit);
	struct link *l = d->e->dead ? NULL : link_find(d->e, d->host_id);

	(void)err;
	if (l)
		l->telling--;
	if (l && outcome != TICK_DONE)
		l->down_told = false; /* the next failure tells again */
	free(d);
}

/* Placement gives it no new servers: memory that follows the tick, so in a unit of its own. */
static void tell_down(struct link *l)
{
	struct down *d;

	if (l->down_told || l->e->stopping)
		return;
	l->down_told = true;
	l->telling++;
	d = xcalloc(1, sizeof *d);
	d->unit = (struct tick_unit) { .run = down_run, .finish = down_finish };
	d->e = l->e;
	d->host_id = l->host_id;
	tick_submit(l->e->cfg.tick, &d->unit);
}

void link_close(struct link *l, const char *why)
{
	l->state = LINK_WAITING;
	l->attempt++;
	l->looking = false;
	for (int i = 0; i < LINK_LANES; i++) {
		link_slot_let_go(&l->slots[i]);
		link_gate_leave(&l->slots[i]);
		link_slot_fail(&l->slots[i], ERR_UNREACHABLE, why);
	}
}

void link_begin(struct link *l)
{
	l->state = LINK_CONNECTING;
	link_gate_enter(&l->slots[LINK_OPS]);
}

void link_up(struct link *l)
{
	l->state = LINK_CONNECTED;
	l->since_us = engine_now(l->e);
	l->fails = 0;
	l->error[0] = 0;
	log_event(LOG_INFO, "host connected", "host", l->name, NULL);
	link_wake_parked(l);
	loop_timer_set(l->e->cfg.loop, &l->timer, engine_backoff_ms(l->e, 0) + l->e->cfg.poll_ms, link_timer);
}

void link_wait(struct link *l, const char *why)
{
	struct flow_engine *e = l->e;
	char reason[sizeof l->error];

	str_copy(reason, sizeof reason, why); /* may be in what is closed */
	if (l->state != LINK_WAITING || !l->error[0]) {
		l->since_us = engine_now(e);
		log_event(LOG_WARNING, "host not connected", "host", l->name, "error", reason, NULL);
	}
	str_copy(l->error, sizeof l->error, reason);
	link_close(l, reason);
	tell_down(l);
	if (!e->stopping && !l->closing)
		loop_timer_set(e->cfg.loop, &l->timer,
			(uint64_t)engine_backoff_ms(e, l->fails) * (1 + l->tally->stuck), link_timer);
	l->fails++;
}

void link_retry(struct link *l)
{
	l->fails = 0;
	loop_timer_set(l->e->cfg.loop, &l->timer, 0, link_timer);
}

static void link_timer(struct loop_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, timer);

	if (l->e->dead || l->e->stopping)
		return;
	if (l->state == LINK_WAITING) {
		link_begin(l);
	} else if (l->state == LINK_CONNECTED) {
		link_look_over(l, false);
		loop_timer_set(l->e->cfg.loop, &l->timer, l->e->cfg.poll_ms, link_timer);
	}
}
