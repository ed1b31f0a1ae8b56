/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to a host: they stand in line at its slot and run over the slot's connection, as many at once as the
 * lane is wide. */
#include "flow/link.h"

#include "base/util.h"

const unsigned link_lane_widths[LINK_LANES] = { [LINK_OPS] = 4, [LINK_BULK] = 2 };

static void call_run(struct work *w)
{
	struct host_call *c = CONTAINER_OF(w, struct host_call, work);

	c->rc = c->run(c, c->conn->drv, c->conn->c, &c->err);
}

static void call_destroy(struct work *w)
{
	struct host_call *c = CONTAINER_OF(w, struct host_call, work);

	link_conn_unref(c->conn);
	c->destroy(c);
}

static void call_lost(struct link_slot *s, struct link_conn *conn, const struct error *err)
{
	if (s->conn != conn || s->l->closing || s->l->e->dead)
		return;
	if (s->id == LINK_OPS)
		link_wait(s->l, err->detail[0] ? err->detail : err->msg);
	else
		link_slot_let_go(s);
}

static void call_done(struct work *w, enum work_result res)
{
	struct host_call *c = CONTAINER_OF(w, struct host_call, work);
	struct link_slot *s = c->slot;
	struct link_conn *conn = c->conn;
	struct error local, *err = NULL;
	bool lost = false;

	s->running--;
	if (res == WORK_DONE && c->rc < 0) {
		local = c->err;
		err = &local;
		lost = local.code == ERR_UNREACHABLE;
	} else if (res == WORK_GIVEN_UP) {
		err = &local;
		atomic_store(&c->abandoned, true);
		error_set(err, ERR_TIMEOUT, "the host did not answer in time");
		lost = true;
	} else if (res == WORK_CANCELLED) {
		err = &local;
		error_set(err, ERR_UNAVAILABLE, "the call was not made");
	}
	if (!lost && !s->l->e->dead)
		s->l->seen_us = engine_now(s->l->e);
	c->done(c, res == WORK_DONE ? c->rc : -1, err);
	if (lost)
		call_lost(s, conn, &local);
	if (s->l->closing)
		link_free_when_idle(s->l);
	else
		link_slot_pump(s);
}

/* One of each owner in turn. */
static struct host_call *call_next(struct link_slot *s)
{
	struct fair_class *whose;
	struct host_call *c = CONTAINER_OF(fair_pop(&s->line, &whose), struct host_call, turn);

	fair_charge(&s->line, whose, 1, 0);
	return c;
}

void link_slot_pump(struct link_slot *s)
{
	while (s->line.n && s->conn && s->running < link_lane_widths[s->id] && !s->l->closing) {
		struct host_call *c = call_next(s);

		c->conn = s->conn;
		c->conn->refs++;
		c->work = (struct work) {
			.run = call_run,
			.done = call_done,
			.destroy = call_destroy,
			.timeout_ms = c->timeout_ms,
		};
		s->running++;
		if (!lane_submit(s->lane, &c->work)) {
			call_done(&c->work, WORK_CANCELLED);
			call_destroy(&c->work);
		}
	}
	if (s->line.n && !s->conn && s->id == LINK_BULK && s->l->state == LINK_CONNECTED && !s->l->closing)
		link_gate_enter(s);
}

void link_slot_fail(struct link_slot *s, enum err code, const char *why)
{
	for (unsigned n = s->line.n; n; n--) { /* not those that `done` may bring */
		struct host_call *c = call_next(s);
		struct error err;

		error_set(&err, code, "the host is not connected");
		error_detail(&err, "%s", why);
		c->done(c, -1, &err);
		c->destroy(c);
	}
}

static void call_queue(struct link_slot *s, struct host_call *c)
{
	struct fair_class *whose = fair_class_get(&s->line, c->owner, FAIR_SHARE);

	c->slot = s;
	fair_push(&s->line, whose, &c->turn);
	fair_class_put(&s->line, whose);
	link_slot_pump(s);
}

bool link_call(struct link *l, enum link_lane lane, struct host_call *c)
{
	if (l->state != LINK_CONNECTED || l->closing)
		return false;
	call_queue(&l->slots[lane], c);
	return true;
}

void link_ops_call(struct link *l, struct host_call *c)
{
	call_queue(&l->slots[LINK_OPS], c);
}
