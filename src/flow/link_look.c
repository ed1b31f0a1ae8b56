/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a host: inventory and domains, read on the lane, written in a unit. And the clearing away of what
 * a look found left over. */
#include "flow/link.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/drift_set.h"
#include "flow/server_parts.h"

enum {
	LOOKS_MAX = 128, /* single looks that may queue; beyond, one look over all is cheaper */
	INVENTORY_EVERY = 10
};

struct look {
	struct host_call call;
	struct tick_unit unit;
	struct host_look look;
	struct flow_engine *e;
	char one[UUID_TEXT];
	bool first;
	struct evidence_verdict verdict; /* of the first */
	unsigned attempt;                /* the link's, when it began */
	unsigned refs;                   /* the lane's, the loop's */
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
		link_up(l);
	} else if (why) {
		log_event(LOG_WARNING, "host could not be looked over", "host", l->name, "error", why, NULL);
	}
	if (!k->look.one && l->inventory_due) /* asked for while it went on */
		link_look_over(l, true);
}

static int look_unit_run(struct tick_unit *u, struct error *err)
{
	struct look *k = CONTAINER_OF(u, struct look, unit);

	if (k->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	if (observe_apply(k->e, store_rw(k->e->cfg.store), &k->look, err))
		return -1;
	return k->first && (evidence_returned(k->e, store_rw(k->e->cfg.store), &k->look, err) ||
				   evidence_write(k->e, store_rw(k->e->cfg.store), k->look.host_id,
					   &k->verdict, k->look.epoch, err))
		       ? -1
		       : 0;
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
	if (k->look.has_inventory && inventory_machine(store_ro(k->e->cfg.store), &k->look, &local)) {
		link_wait(l, local.msg); /* what it has says nothing about this host */
		return;
	}
	if (!k->look.has_inventory)
		differs = observe_differs(k->e, store_ro(k->e->cfg.store), &k->look, &local);
	if (!k->look.one) {
		evidence_judged(l, observe_orphans(k->e, &k->look));
		drift_look(l, &k->look);
	}
	if (differs < 0) {
		look_over(k, local.detail);
	} else if (!differs) {
		look_over(k, NULL);
	} else {
		if (k->look.has_inventory) {
			k->verdict = evidence_of(l, true);
			k->look.up = k->first ? k->verdict.state == EVIDENCE_CONNECTED : link_placed(l);
			k->look.placed = !k->first;
			if (k->first)
				evidence_note(l, &k->verdict);
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

void link_look_start(struct link *l, bool first, bool inventory, const char *uuid)
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
	link_ops_call(l, &k->call);
}

void link_look_over(struct link *l, bool inventory)
{
	l->inventory_due |= inventory;
	if (l->state != LINK_CONNECTED || l->looking || l->e->stopping)
		return;
	link_look_start(l, false, l->inventory_due || l->looks++ % INVENTORY_EVERY == 0, NULL);
	l->inventory_due = false;
}

void link_look_at(struct link *l, const char *uuid)
{
	if (l->state != LINK_CONNECTED || l->e->stopping)
		return;
	if (l->slots[LINK_OPS].line.n > LOOKS_MAX)
		link_look_over(l, false);
	else
		link_look_start(l, false, false, uuid);
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

	return drv->domain_remove(conn, k->uuid, err) ? -1 : server_parts_remove(k->uuid, drv, conn, err);
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

void link_clear(struct link *l, const char *uuid)
{
	struct clear *k = xcalloc(1, sizeof *k);

	str_copy(k->uuid, sizeof k->uuid, uuid);
	k->call.run = clear_run;
	k->call.done = clear_done;
	k->call.destroy = clear_destroy;
	k->call.timeout_ms = l->e->cfg.call_timeout_ms;
	link_ops_call(l, &k->call);
}
