/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/host_link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/internal.h"
#include "store/hosts.h"

enum {
	LANE_LIMIT = 64,
	LOOKS_MAX = 128, /* single looks that may queue; beyond, one look over all is cheaper */
	INVENTORY_EVERY = 10,
	KEEPALIVE_S = 3,
	KEEPALIVE_COUNT = 3
};

static const unsigned lane_widths[LINK_LANES] = { [LINK_OPS] = 4, [LINK_BULK] = 2 };

enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_CONNECTED };

struct link_conn { /* held by its slot, and by every call that runs over it */
	const struct hv_driver *drv;
	struct hv_conn *c;
	struct link *link; /* NULL once the link let it go */
	unsigned refs;
	bool closed;
};

/* Connects that were given up and still hang; outlives the link. */
struct tally {
	unsigned refs, stuck;
};

struct link_slot {
	struct link *l;
	enum link_lane id;
	struct lane *lane;
	struct link_conn *conn;
	struct connect *connecting;
	bool gated;
	struct link_slot *gate_next;
	struct host_call *head, **tail; /* not yet on the lane */
	unsigned queued, running;
};

struct link {
	struct flow_engine *e;
	int64_t host_id;
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME], pool[128];
	char *uri;
	enum hv_accel accel;
	const struct hv_driver *drv;
	enum link_state state;
	bool down_told, closing, looking, inventory_due;
	bool timer_closed; /* with `closing`: the memory goes when nothing is under way any more */
	int64_t since_us, seen_us, epoch;
	unsigned attempt; /* counts beginnings and ends of connections: what belongs to an earlier one is not
			     heard */
	unsigned fails, looks, telling; /* telling: units on their way that tell placement */
	char error[256];
	struct link_slot slots[LINK_LANES];
	struct loop_timer timer;
	struct tally *tally;
	struct flow *parked;
};

struct link_set {
	unsigned connecting;
	struct link_slot *gate_head, **gate_tail;
};

static void link_wait(struct link *l, const char *why);
static void link_free_when_idle(struct link *l);
static void link_timer(struct loop_timer *t);
static void gate_open(struct flow_engine *e);
static void look_start(struct link *l, bool first, bool inventory, const char *uuid);
static void ops_call(struct link *l, struct host_call *c);

/* ---- connections ---- */

static void tally_unref(struct tally *t)
{
	if (!--t->refs)
		free(t);
}

static void conn_unref(struct link_conn *conn)
{
	if (!conn || --conn->refs)
		return;
	if (conn->c)
		conn->drv->close(conn->c);
	free(conn);
}

static void slot_let_go(struct link_slot *s)
{
	if (!s->conn)
		return;
	s->conn->link = NULL;
	conn_unref(s->conn);
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
	tally_unref(c->tally);
	conn_unref(c->conn);
	free(c->uri);
	free(c->pki_dir);
	free(c->pool);
	free(c);
}

static void pump(struct link_slot *s);
static void calls_fail(struct link_slot *s, enum err code, const char *why);

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
		look_start(l, true, true, NULL);
	} else {
		pump(s);
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
	if (!why)
		connected(s, c);
	else if (s->id == LINK_OPS)
		link_wait(l, why);
	else
		calls_fail(s, ERR_UNREACHABLE, why);
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

/* At most connects_max at once: the others stand in line. */
static void gate_enter(struct link_slot *s)
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

static void gate_leave(struct link_slot *s)
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

	while (set->gate_head && set->connecting < max && !e->dead) {
		struct link_slot *s = set->gate_head;

		gate_leave(s);
		connect_start(s);
	}
}

/* ---- calls ---- */

static void call_run(struct work *w)
{
	struct host_call *c = CONTAINER_OF(w, struct host_call, work);

	c->rc = c->run(c, c->conn->drv, c->conn->c, &c->err);
}

static void call_destroy(struct work *w)
{
	struct host_call *c = CONTAINER_OF(w, struct host_call, work);

	conn_unref(c->conn);
	c->destroy(c);
}

static void call_lost(struct link_slot *s, struct link_conn *conn, const struct error *err)
{
	if (s->conn != conn || s->l->closing || s->l->e->dead)
		return;
	if (s->id == LINK_OPS)
		link_wait(s->l, err->detail[0] ? err->detail : err->msg);
	else
		slot_let_go(s);
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
		pump(s);
}

static void pump(struct link_slot *s)
{
	while (s->head && s->conn && s->running < lane_widths[s->id] && !s->l->closing) {
		struct host_call *c = s->head;

		s->head = c->next;
		if (!s->head)
			s->tail = &s->head;
		s->queued--;
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
	if (s->head && !s->conn && s->id == LINK_BULK && s->l->state == LINK_CONNECTED && !s->l->closing)
		gate_enter(s);
}

/* Those that never started. */
static void calls_fail(struct link_slot *s, enum err code, const char *why)
{
	struct host_call *c = s->head;

	s->head = NULL;
	s->tail = &s->head;
	s->queued = 0;
	while (c) {
		struct host_call *next = c->next;
		struct error err;

		error_set(&err, code, "the host is not connected");
		error_detail(&err, "%s", why);
		c->done(c, -1, &err);
		c->destroy(c);
		c = next;
	}
}

bool link_call(struct link *l, enum link_lane lane, struct host_call *c)
{
	struct link_slot *s = &l->slots[lane];

	if (l->state != LINK_CONNECTED || l->closing)
		return false;
	c->slot = s;
	c->next = NULL;
	*s->tail = c;
	s->tail = &c->next;
	s->queued++;
	pump(s);
	return true;
}

/* ---- looks: inventory and domains, read on the lane, written in a unit ---- */

struct look {
	struct host_call call;
	struct tick_unit unit;
	struct host_look look;
	struct flow_engine *e;
	char one[UUID_TEXT];
	bool first;
	unsigned attempt; /* the link's, when it began */
	unsigned refs;    /* the lane's, the loop's */
};

static void look_unref(struct look *k)
{
	if (--k->refs)
		return;
	arena_finish(&k->look.arena);
	free(k);
}

static int look_run(struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct look *k = CONTAINER_OF(c, struct look, call);
	struct host_look *look = &k->look;

	if (look->has_inventory && drv->inventory(conn, &look->arena, &look->inventory, err))
		return -1;
	if (!look->one) {
		if (drv->domain_list(conn, &look->arena, &look->seen, &look->seen_n, err))
			return -1;
		observe_sort(look);
		return 0;
	}
	look->seen = ARENA_NEW(&look->arena, struct hv_seen);
	look->seen_n = 1;
	return drv->domain_look(conn, look->one, look->seen, err);
}

static void look_over(struct look *k, const char *why)
{
	struct link *l = link_find(k->e, k->look.host_id);

	/* of an earlier connection: its successor looks itself */
	if (!l || l->attempt != k->attempt || k->e->dead)
		return;
	if (!k->look.one)
		l->looking = false;
	if (k->first && why) {
		link_wait(l, why);
	} else if (k->first) {
		l->state = LINK_CONNECTED;
		l->since_us = engine_now(l->e);
		l->fails = 0;
		l->error[0] = 0;
		log_event(LOG_INFO, "host connected", "host", l->name, NULL);
		for (struct flow *f = l->parked, *next; f; f = next) {
			next = f->next;
			flow_wake(f);
		}
		loop_timer_set(l->e->cfg.loop, &l->timer, engine_backoff_ms(l->e, 0) + l->e->cfg.poll_ms,
			link_timer);
	} else if (why) {
		log_event(LOG_WARNING, "host could not be looked over", "host", l->name, "error", why, NULL);
	}
}

static int look_unit_run(struct tick_unit *u, struct error *err)
{
	struct look *k = CONTAINER_OF(u, struct look, unit);

	if (k->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	return observe_apply(k->e, store_rw(k->e->cfg.store), &k->look, err);
}

static void look_unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct look *k = CONTAINER_OF(u, struct look, unit);
	struct link *l = k->e->dead ? NULL : link_find(k->e, k->look.host_id);

	if (l && k->look.has_inventory)
		l->telling--;
	if (outcome != TICK_DONE && outcome != TICK_UNKNOWN && !k->e->dead)
		look_over(k, err->detail[0] ? err->detail : err->msg);
	else if (outcome == TICK_DONE)
		look_over(k, NULL);
	look_unref(k);
}

static void look_done(struct host_call *c, int rc, const struct error *err)
{
	struct look *k = CONTAINER_OF(c, struct look, call);
	struct link *l = k->e->dead ? NULL : link_find(k->e, k->look.host_id);
	struct error local = { 0 };
	int differs = 1;

	(void)rc;
	if (k->e->stopping)
		return;
	if (!l || l->attempt != k->attempt)
		return;
	if (err) {
		look_over(k, err->detail[0] ? err->detail : err->msg);
		return;
	}
	if (!k->look.has_inventory)
		differs = observe_differs(k->e, store_ro(k->e->cfg.store), &k->look, &local);
	if (!k->look.one)
		observe_orphans(k->e, &k->look);
	if (differs < 0) {
		look_over(k, local.detail);
	} else if (!differs) {
		look_over(k, NULL);
	} else {
		if (k->look.has_inventory) {
			l->down_told = false; /* the unit says that it is up */
			l->telling++;
		}
		k->refs++;
		k->unit = (struct tick_unit) { .run = look_unit_run, .finish = look_unit_finish };
		tick_submit(k->e->cfg.tick, &k->unit);
	}
}

static void look_destroy(struct host_call *c)
{
	look_unref(CONTAINER_OF(c, struct look, call));
}

static void look_start(struct link *l, bool first, bool inventory, const char *uuid)
{
	struct look *k = xcalloc(1, sizeof *k);

	k->e = l->e;
	k->first = first;
	k->refs = 1;
	k->look.host_id = l->host_id;
	k->attempt = l->attempt;
	k->look.epoch = l->epoch;
	k->look.started_us = engine_now(l->e);
	k->look.has_inventory = inventory;
	if (uuid) {
		str_copy(k->one, sizeof k->one, uuid);
		k->look.one = k->one;
	} else {
		l->looking = true;
	}
	k->call.run = look_run;
	k->call.done = look_done;
	k->call.destroy = look_destroy;
	k->call.timeout_ms = l->e->cfg.call_timeout_ms;
	ops_call(l, &k->call);
}

void link_look_over(struct link *l, bool inventory)
{
	l->inventory_due |= inventory;
	if (l->state != LINK_CONNECTED || l->looking || l->e->stopping)
		return;
	look_start(l, false, l->inventory_due || l->looks++ % INVENTORY_EVERY == 0, NULL);
	l->inventory_due = false;
}

void link_look_at(struct link *l, const char *uuid)
{
	if (l->state != LINK_CONNECTED || l->e->stopping)
		return;
	if (l->slots[LINK_OPS].queued > LOOKS_MAX)
		link_look_over(l, false);
	else
		look_start(l, false, false, uuid);
}

/* ---- clearing away what came late ---- */

struct clear {
	struct host_call call;
	char uuid[UUID_TEXT];
};

static int clear_run(
	struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct clear *k = CONTAINER_OF(c, struct clear, call);
	char name[HV_VOLUME_NAME];

	if (drv->domain_remove(conn, k->uuid, err) ||
		drv->volume_remove(conn, hv_root_volume(k->uuid, name), err))
		return -1;
	return drv->volume_remove(conn, hv_config_volume(k->uuid, name), err);
}

/* When it failed, the next look over the host finds it again. */
static void clear_done(struct host_call *c, int rc, const struct error *err)
{
	const struct clear *k = CONTAINER_OF(c, struct clear, call);

	(void)rc;
	if (err)
		log_event(LOG_WARNING, "leftover domain could not be cleared away", "server", k->uuid,
			"error", err->msg, NULL);
	else
		log_event(LOG_NOTICE, "leftover domain cleared away", "server", k->uuid, NULL);
}

static void clear_destroy(struct host_call *c)
{
	free(CONTAINER_OF(c, struct clear, call));
}

/* Also from the first look, before the link counts as connected. */
static void ops_call(struct link *l, struct host_call *c)
{
	struct link_slot *s = &l->slots[LINK_OPS];

	c->slot = s;
	c->next = NULL;
	*s->tail = c;
	s->tail = &c->next;
	s->queued++;
	pump(s);
}

void link_clear(struct link *l, const char *uuid)
{
	struct clear *k = xcalloc(1, sizeof *k);

	str_copy(k->uuid, sizeof k->uuid, uuid);
	k->call.run = clear_run;
	k->call.done = clear_done;
	k->call.destroy = clear_destroy;
	k->call.timeout_ms = l->e->cfg.call_timeout_ms;
	ops_call(l, &k->call);
}

/* ---- states ---- */

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

static void link_close(struct link *l, const char *why)
{
	l->state = LINK_WAITING;
	l->attempt++;
	l->looking = false;
	for (int i = 0; i < LINK_LANES; i++) {
		slot_let_go(&l->slots[i]);
		gate_leave(&l->slots[i]);
		calls_fail(&l->slots[i], ERR_UNREACHABLE, why);
	}
}

/* Not connected (any more): again after a back-off, a longer one while earlier tries still hang. */
static void link_wait(struct link *l, const char *why)
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

static void link_timer(struct loop_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, timer);

	if (l->e->dead || l->e->stopping)
		return;
	if (l->state == LINK_WAITING) {
		l->state = LINK_CONNECTING;
		gate_enter(&l->slots[LINK_OPS]);
	} else if (l->state == LINK_CONNECTED) {
		link_look_over(l, false);
		loop_timer_set(l->e->cfg.loop, &l->timer, l->e->cfg.poll_ms, link_timer);
	}
}

/* ---- the set ---- */

void links_create(struct flow_engine *e)
{
	e->link_set = xcalloc(1, sizeof *e->link_set);
	e->link_set->gate_tail = &e->link_set->gate_head;
}

static enum hv_accel accel_of(const char *text)
{
	return strcmp(text, "kvm") == 0    ? HV_ACCEL_KVM
	       : strcmp(text, "qemu") == 0 ? HV_ACCEL_QEMU
					   : HV_ACCEL_AUTO;
}

static void link_begin(struct link *l)
{
	l->state = LINK_CONNECTING;
	gate_enter(&l->slots[LINK_OPS]);
}

static struct link *link_new(struct flow_engine *e, const struct host_row *h)
{
	struct link *l = xcalloc(1, sizeof *l);

	l->e = e;
	e->refs++;
	l->host_id = h->id;
	l->since_us = engine_now(e);
	/* Placement begins with the hosts that were there before: a create right after a restart finds them,
	 * and waits for the connection as one does that was under way. The first failure tells otherwise. */
	l->down_told = !h->inventory_us;
	l->tally = xcalloc(1, sizeof *l->tally);
	l->tally->refs = 1;
	for (int i = 0; i < LINK_LANES; i++) {
		char name[PLACEMENT_NAME + 8];

		snprintf(name, sizeof name, "%s/%s", h->name, i == LINK_OPS ? "ops" : "bulk");
		l->slots[i] = (struct link_slot) {
			.l = l,
			.id = (enum link_lane)i,
			.lane = lane_create(e->cfg.lanes, name, lane_widths[i], LANE_LIMIT),
		};
		l->slots[i].tail = &l->slots[i].head;
	}
	map_set(&e->links, h->id, (int64_t)(intptr_t)l);
	return l;
}

void link_set_host(struct flow_engine *e, const struct host_row *h)
{
	struct link *l = link_find(e, h->id);
	struct error err;
	bool is_new = !l;

	if (is_new)
		l = link_new(e, h);
	str_copy(l->name, sizeof l->name, h->name);
	str_copy(l->zone, sizeof l->zone, h->zone);
	str_copy(l->pool, sizeof l->pool, h->pool);
	free(l->uri);
	l->uri = xstrdup(h->uri);
	l->accel = accel_of(h->accel);
	l->drv = hv_driver_for(h->uri, &err);
	if (!l->drv) {
		str_copy(l->error, sizeof l->error, err.msg);
		l->down_told |= is_new;
	} else if (is_new && e->started) {
		link_begin(l);
	}
}

/* A call that came back as its lane was closed is heard of only in a later turn. */
static void link_free_when_idle(struct link *l)
{
	struct flow_engine *e = l->e;

	for (int i = 0; i < LINK_LANES; i++)
		if (l->slots[i].running || l->slots[i].connecting)
			return;
	if (!l->timer_closed)
		return;
	tally_unref(l->tally);
	free(l->uri);
	free(l);
	engine_unref(e);
}

static void link_timer_closed(struct loop_timer *t)
{
	struct link *l = CONTAINER_OF(t, struct link, timer);

	l->timer_closed = true;
	link_free_when_idle(l);
}

static void link_destroy(struct link *l)
{
	l->closing = true;
	map_remove(&l->e->links, l->host_id);
	link_close(l, "the host was removed");
	while (l->parked) {
		struct flow *f = l->parked;

		park_out(f);
		if (!l->e->dead)
			flow_wake(f);
	}
	for (int i = 0; i < LINK_LANES; i++)
		lane_destroy(l->slots[i].lane);
	loop_timer_close(&l->timer, link_timer_closed);
}

void link_remove(struct flow_engine *e, int64_t host_id)
{
	struct link *l = link_find(e, host_id);

	if (l)
		link_destroy(l);
}

static size_t links_all(struct flow_engine *e, struct link ***out)
{
	size_t n = 0;

	*out = xcalloc(e->links.n + 1, sizeof **out);
	for (size_t i = 0; i < e->links.cap; i++)
		if (e->links.entries[i].value != MAP_NONE)
			(*out)[n++] = (struct link *)(intptr_t)e->links.entries[i].value;
	return n;
}

void links_start(struct flow_engine *e)
{
	struct link **all;
	size_t n = links_all(e, &all);

	for (size_t i = 0; i < n; i++)
		if (all[i]->drv)
			link_begin(all[i]);
	free(all);
}

void links_destroy(struct flow_engine *e)
{
	struct link **all;
	size_t n;

	if (!e->link_set)
		return;
	n = links_all(e, &all);
	for (size_t i = 0; i < n; i++)
		link_destroy(all[i]);
	free(all);
	map_finish(&e->links);
	free(e->link_set);
	e->link_set = NULL;
}

struct link *link_find(const struct flow_engine *e, int64_t host_id)
{
	return map_ptr(&e->links, host_id);
}

bool link_connected(const struct link *l)
{
	return l->state == LINK_CONNECTED;
}

bool link_placed(const struct link *l)
{
	return !l->down_told;
}

bool link_telling(const struct link *l)
{
	return l->telling != 0;
}

int64_t link_epoch(const struct link *l)
{
	return l->epoch;
}

const char *link_zone(const struct link *l)
{
	return l->zone;
}

const char *link_error(const struct link *l)
{
	return l->error;
}

struct flow **link_parked(struct link *l)
{
	return &l->parked;
}

bool flow_host_link(struct flow_engine *e, int64_t host_id, struct host_link *out)
{
	const struct link *l = link_find(e, host_id);

	if (!l)
		return false;
	*out = (struct host_link) {
		.state = l->state == LINK_CONNECTED ? "connected"
			 : l->error[0]              ? "unreachable"
						    : "connecting",
		.since_us = l->since_us,
		.seen_us = l->seen_us,
		.epoch = l->epoch,
	};
	str_copy(out->error, sizeof out->error, l->error);
	for (int i = 0; i < LINK_LANES; i++) {
		out->queued += l->slots[i].queued;
		out->running += l->slots[i].running;
	}
	return true;
}

void flow_host_refresh(struct flow_engine *e, int64_t host_id)
{
	struct link *l = link_find(e, host_id);

	if (!l)
		return;
	if (l->state == LINK_WAITING && e->started && !e->stopping && l->drv) {
		l->fails = 0;
		loop_timer_set(e->cfg.loop, &l->timer, 0, link_timer);
	} else {
		link_look_over(l, true);
	}
}
