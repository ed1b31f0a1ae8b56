/* SPDX-License-Identifier: Apache-2.0 */
/* A link's way between its states (host_link.h draws it), and what placement is told of it. */
#include "flow/link.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"

static void link_timer(struct loop_timer *t);

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
	if (l->held)
		return;
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
	evidence_stands(l);
	link_wake_parked(l);
	loop_timer_set(l->e->cfg.loop, &l->timer, engine_backoff_ms(l->e, 0) + l->e->cfg.poll_ms, link_timer);
}

void link_wait(struct link *l, const char *why)
{
	struct flow_engine *e = l->e;
	char reason[sizeof l->error];
	bool stood = l->state == LINK_CONNECTED;

	str_copy(reason, sizeof reason, why); /* may be in what is closed */
	if (l->state != LINK_WAITING || !l->error[0]) {
		l->since_us = engine_now(e);
		log_event(LOG_WARNING, "host not connected", "host", l->name, "error", reason, NULL);
	}
	str_copy(l->error, sizeof l->error, reason);
	link_close(l, reason);
	evidence_failed(l, stood);
	if (!e->stopping && !l->closing && !l->held)
		loop_timer_set(e->cfg.loop, &l->timer,
			(uint64_t)engine_backoff_ms(e, l->fails) * (1 + l->tally->stuck), link_timer);
	l->fails++;
}

void link_retry(struct link *l)
{
	l->fails = 0;
	loop_timer_set(l->e->cfg.loop, &l->timer, 0, link_timer);
}

void link_hold(struct link *l, bool held)
{
	l->held = held;
	if (held) {
		link_wait(l, "its power is being cut");
		loop_timer_stop(&l->timer);
	} else if (l->drv && l->e->started && !l->e->stopping && l->state == LINK_WAITING) {
		link_retry(l);
	}
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
