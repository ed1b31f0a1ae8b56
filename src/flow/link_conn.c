/* SPDX-License-Identifier: Apache-2.0 */
/* A lane's connection to its host: making it, a few at once, and letting it go. */
#include "flow/link.h"

#include <assert.h>
#include <stdlib.h>

#include "base/util.h"

static void gate_open(struct flow_engine *e);

/* ---- connections ---- */

void link_tally_unref(struct tally *t)
{
	if (!--t->refs)
		free(t);
}

void link_conn_unref(struct link_conn *conn)
{
	if (!conn || --conn->refs)
		return;
	if (conn->c)
		conn->drv->close(conn->c);
	free(conn);
}

void link_slot_let_go(struct link_slot *s)
{
	if (!s->conn)
		return;
	s->conn->link = NULL;
	link_conn_unref(s->conn);
	s->conn = NULL;
}

static void on_event(void *ctx, const struct hv_event *ev)
{
	struct link_conn *conn = ctx;
	struct link *l = conn->link;

	if (ev->kind == HV_EVENT_CLOSED)
		conn->closed = true;
	if (!l || l->e->dead)
		return;
	l->seen_us = engine_now(l->e);
	if (ev->kind == HV_EVENT_CLOSED)
		link_wait(l, ev->text[0] ? ev->text : "the connection was closed");
	else if (observe_event(l->e, l->host_id, &ev->seen))
		link_look_at(l, ev->seen.uuid);
}

/* ---- connecting: one piece of work on the lane ---- */

struct connect {
	struct work work;
	struct link_slot *slot;
	struct link_conn *conn;
	struct tally *tally;
	char *uri, *pki_dir, *pool;
	struct hv_target target;
	bool events, given_up;
	int rc;
	struct error err;
};

static void connect_run(struct work *w)
{
	struct connect *c = CONTAINER_OF(w, struct connect, work);

	c->rc = c->conn->drv->connect(&c->target, c->events ? on_event : NULL, c->conn, &c->conn->c, &c->err);
}

static void connect_destroy(struct work *w)
{
	struct connect *c = CONTAINER_OF(w, struct connect, work);

	if (c->given_up)
		c->tally->stuck--;
	link_tally_unref(c->tally);
	link_conn_unref(c->conn);
	free(c->uri);
	free(c->pki_dir);
	free(c->pool);
	free(c);
}

static void connected(struct link_slot *s, struct connect *c)
{
	struct link *l = s->l;

	c->conn->refs++;
	s->conn = c->conn;
	c->conn->link = l;
	l->seen_us = engine_now(l->e);
	if (s->id == LINK_OPS) {
		l->epoch++;
		l->attempt++;
		link_look_start(l, true, true, NULL);
	} else {
		link_slot_pump(s);
	}
}

static void connect_done(struct work *w, enum work_result res)
{
	struct connect *c = CONTAINER_OF(w, struct connect, work);
	struct link_slot *s = c->slot;
	struct link *l = s->l;
	const char *why = NULL;

	s->connecting = NULL;
	if (l->e->link_set)
		l->e->link_set->connecting--;
	if (res == WORK_GIVEN_UP) {
		c->given_up = true;
		c->tally->stuck++;
		why = "connecting took too long";
	} else if (res == WORK_CANCELLED) {
		why = "connecting did not start in time";
	} else if (c->rc < 0) {
		why = c->err.detail[0] ? c->err.detail : c->err.msg;
	} else if (c->conn->closed) {
		why = "the connection was closed at once";
	}
	if (l->closing) {
		link_free_when_idle(l);
		return;
	}
	if (l->e->dead)
		return;
	if (!why && l->held)
		why = "its power is being cut";
	if (!why)
		connected(s, c);
	else if (s->id == LINK_OPS)
		link_wait(l, why);
	else
		link_slot_fail(s, ERR_UNREACHABLE, why);
	gate_open(l->e);
}

static void connect_start(struct link_slot *s)
{
	struct link *l = s->l;
	const struct flow_config *cfg = &l->e->cfg;
	struct connect *c = xcalloc(1, sizeof *c);

	c->slot = s;
	c->tally = l->tally;
	c->tally->refs++;
	c->uri = xstrdup(l->uri);
	c->pki_dir = xstrdup(cfg->pki_dir ? cfg->pki_dir : "");
	c->pool = xstrdup(l->pool);
	c->target = (struct hv_target) {
		.uri = c->uri,
		.pki_dir = c->pki_dir,
		.pool = c->pool,
		.accel = l->accel,
		.connect_timeout_ms = cfg->connect_timeout_ms,
		.keepalive_interval_s = KEEPALIVE_S,
		.keepalive_count = KEEPALIVE_COUNT,
	};
	c->events = s->id == LINK_OPS;
	c->conn = xcalloc(1, sizeof *c->conn);
	c->conn->drv = l->drv;
	c->conn->refs = 1;
	c->work = (struct work) {
		.run = connect_run,
		.done = connect_done,
		.destroy = connect_destroy,
		/* the TCP part has this deadline of its own; TLS and what follows get as much again */
		.timeout_ms = 2 * cfg->connect_timeout_ms,
	};
	s->connecting = c;
	l->e->link_set->connecting++;
	if (!lane_submit(s->lane, &c->work)) {
		connect_done(&c->work, WORK_CANCELLED);
		connect_destroy(&c->work);
	}
}

/* ---- the gate ---- */

void link_gate_enter(struct link_slot *s)
{
	struct link_set *set = s->l->e->link_set;

	if (s->gated || s->connecting || s->conn)
		return;
	s->gated = true;
	s->gate_next = NULL;
	*set->gate_tail = s;
	set->gate_tail = &s->gate_next;
	gate_open(s->l->e);
}

void link_gate_leave(struct link_slot *s)
{
	struct link_set *set = s->l->e->link_set;

	if (!s->gated)
		return;
	s->gated = false;
	for (struct link_slot **p = &set->gate_head; *p; p = &(*p)->gate_next) {
		if (*p == s) {
			*p = s->gate_next;
			if (!*p)
				set->gate_tail = p;
			break;
		}
	}
}

static void gate_open(struct flow_engine *e)
{
	struct link_set *set = e->link_set;
	unsigned max = e->cfg.connects_max ? e->cfg.connects_max : 1;

	assert(set); /* goes only after every link is closing */
	while (set->gate_head && set->connecting < max && !e->dead) {
		struct link_slot *s = set->gate_head;

		link_gate_leave(s);
		connect_start(s);
	}
}
