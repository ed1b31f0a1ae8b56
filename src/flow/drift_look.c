/* SPDX-License-Identifier: Apache-2.0 */
/* Looks that are asked for: domains, volumes and, where it is wished, what guests have of what they were
 * promised; on the bulk lane, so that nothing waits for it, a few hosts at a time. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/drift_set.h"
#include "flow/server_parts.h"
#include "store/server_power.h"

enum { AT_ONCE = 8, DEFINITIONS_MAX = 512 };

struct sweep {
	struct flow_engine *e;
	int64_t *hosts;
	size_t n, next, running;
	bool definitions, starting;
	flow_drift_fn *done;
	void *ctx;
};

struct promised {
	const char *uid;
	struct hv_domain promise;
	char broken[DRIFT_DETAIL]; /* out; "": it is kept */
};

struct deep {
	struct host_call call;
	struct sweep *sweep; /* NULL once it was told */
	struct flow_engine *e;
	struct host_look look;
	struct promised *promised; /* in the look's arena */
	size_t promised_n;
	struct hv_volume *volumes;
	size_t volumes_n;
};

static void sweep_go(struct sweep *w);

/* ---- on the lane ---- */

static int read_one(struct promised *p, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hv_domain has;
	struct error broken;

	if (drv->domain_read(conn, &a, p->uid, &has, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (!hv_domain_kept(&p->promise, &has, &broken))
		str_copy(p->broken, sizeof p->broken, broken.detail);
	return 0;
}

static int deep_run(struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct deep *k = CONTAINER_OF(c, struct deep, call);
	struct host_look *look = &k->look;

	if (drv->domain_list(conn, &look->arena, &look->seen, &look->seen_n, err) ||
		drv->volume_list(conn, &look->arena, &k->volumes, &k->volumes_n, err))
		return -1;
	observe_sort(look);
	drift_volumes_sort(k->volumes, k->volumes_n);
	for (size_t i = 0; i < k->promised_n; i++) {
		if (atomic_load(&c->abandoned))
			return error_set(err, ERR_TIMEOUT, "given up meanwhile");
		if (read_one(&k->promised[i], drv, conn, err))
			return -1;
	}
	return 0;
}

/* ---- on the loop ---- */

/* What was settled while it was read says nothing. */
static int definitions(struct drift_set *d, struct db *ro, const struct deep *k, struct error *err)
{
	for (size_t i = 0; i < k->promised_n; i++) {
		CLEANUP(arena_finish) struct arena a = { 0 };
		struct server_power *row;
		size_t n;

		if (!k->promised[i].broken[0])
			continue;
		if (store_server_powers(ro, &a, k->look.host_id, k->promised[i].uid, &row, &n, err))
			return -1;
		if (n && !row->has_flow && row->power_seen_us < k->look.started_us)
			drift_add(d, DRIFT_DEFINITION, k->promised[i].uid, "%s", k->promised[i].broken);
	}
	return 0;
}

static void judge(struct link *l, const struct deep *k)
{
	struct drift_set *d = drift_set_of(l);
	struct db *ro = store_ro(l->e->cfg.store);
	struct error err;

	drift_begin(d, k->look.started_us);
	if (drift_domains(d, ro, &k->look, &err) ||
		drift_volumes(d, ro, &k->look, k->volumes, k->volumes_n, &err) || definitions(d, ro, k, &err))
		log_event(LOG_ERR, "drift could not be judged", "error", err.detail, NULL);
	else
		drift_end(d, true);
	/* what follows by itself need not wait for the next look */
	if (observe_differs(l->e, ro, &k->look, &err) > 0)
		link_look_over(l, false);
}

static void deep_done(struct host_call *c, int rc, const struct error *err)
{
	struct deep *k = CONTAINER_OF(c, struct deep, call);
	struct link *l = k->e->dead || k->e->destroyed ? NULL : link_find(k->e, k->look.host_id);
	struct sweep *w = k->sweep;

	(void)rc;
	if (l)
		drift_set_of(l)->looking = false;
	if (l && err)
		log_event(LOG_WARNING, "host could not be compared with its rows", "host", l->name, "error",
			err->detail[0] ? err->detail : err->msg, NULL);
	else if (l)
		judge(l, k);
	w->running--;
	sweep_go(w);
}

static void deep_destroy(struct host_call *c)
{
	struct deep *k = CONTAINER_OF(c, struct deep, call);

	arena_finish(&k->look.arena);
	free(k);
}

/* What the rows owe those guests that run and are left alone. */
static int promises(struct deep *k, struct db *ro, struct error *err)
{
	struct arena *a = &k->look.arena;
	struct server_power *rows;
	size_t n;

	if (store_server_powers(ro, a, k->look.host_id, NULL, &rows, &n, err))
		return -1;
	k->promised = ARENA_ARRAY(a, struct promised, n < DEFINITIONS_MAX ? n : DEFINITIONS_MAX);
	for (size_t i = 0; i < n && k->promised_n < DEFINITIONS_MAX; i++) {
		struct promised *p = &k->promised[k->promised_n];
		struct server s;

		if (rows[i].has_flow || rows[i].power_state != POWER_RUNNING)
			continue;
		if (store_server_load(ro, a, rows[i].id, &s, err) ||
			server_promise_load(ro, a, &s, s.id, &p->promise, err))
			return -1;
		p->uid = s.uid;
		k->promised_n++;
	}
	return 0;
}

static void deep_start(struct sweep *w, struct link *l)
{
	struct deep *k = xcalloc(1, sizeof *k);
	struct error err;

	k->sweep = w;
	k->e = w->e;
	k->look.host_id = l->host_id;
	k->look.epoch = l->epoch;
	k->look.started_us = engine_now(w->e);
	k->call.run = deep_run;
	k->call.done = deep_done;
	k->call.destroy = deep_destroy;
	k->call.timeout_ms = w->e->cfg.call_timeout_ms;
	if (w->definitions && promises(k, store_ro(w->e->cfg.store), &err)) {
		log_event(LOG_ERR, "promises could not be read", "error", err.detail, NULL);
		deep_destroy(&k->call);
		return;
	}
	drift_set_of(l)->looking = true;
	w->running++;
	if (link_call(l, LINK_BULK, &k->call))
		return;
	w->running--;
	drift_set_of(l)->looking = false;
	deep_destroy(&k->call);
}

/* A call may end as it is made: that does not come back in here. */
static void sweep_go(struct sweep *w)
{
	if (w->starting)
		return;
	w->starting = true;
	while (w->next < w->n && w->running < AT_ONCE && !w->e->stopping) {
		struct link *l = link_find(w->e, w->hosts[w->next++]);

		if (l && link_connected(l) && !drift_set_of(l)->looking)
			deep_start(w, l);
	}
	w->starting = false;
	if (w->running || (w->next < w->n && !w->e->stopping))
		return;
	w->done(w->ctx);
	free(w->hosts);
	free(w);
}

void flow_drift_now(struct flow_engine *e, const int64_t *hosts, size_t n, bool definitions,
	flow_drift_fn *done, void *ctx)
{
	struct sweep *w = xcalloc(1, sizeof *w);

	w->e = e;
	w->hosts = xcalloc(n + 1, sizeof *hosts);
	if (n)
		memcpy(w->hosts, hosts, n * sizeof *hosts);
	w->n = n;
	w->definitions = definitions;
	w->done = done;
	w->ctx = ctx;
	sweep_go(w);
}
