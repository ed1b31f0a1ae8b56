/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of a dead host are made anew elsewhere: a row says that it goes on, the servers' rows say what
 * is left to do, so a restart goes on where it was. A few at a time, each in a unit of its own; one that
 * cannot go is noted with why, and holds up nobody. */
#include "flow/fence.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/link.h"
#include "flow/move.h"
#include "flow/run.h"
#include "store/audit_notes.h"
#include "store/event_rows.h"
#include "store/hosts.h"

enum { AGAIN_MS = 500, LOOK_MS = 1000, TRIES_MAX = 40 };

struct setting_out { /* a server that is to go */
	struct setting_out *next;
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id, server_id, due_us; /* monotonic */
	unsigned tries;
	bool busy, over;
	char why[200];
};

static void look_in(struct flow_engine *e, uint64_t ms);

/* ---- one server ---- */

/* What is not made anew, and why. */
static const char *stays(const struct server *s)
{
	if (s->want_delete)
		return "it is being deleted";
	if (s->vm_state == VM_SOFT_DELETED)
		return "it is deleted, and may be restored: openstack server restore, or delete --force";
	if (s->vm_state == VM_SHELVED_OFFLOADED || s->vm_state == VM_DELETED)
		return "it has nothing on the host";
	return NULL;
}

static int go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct flow_origin *origin, struct error *err)
{
	const struct server_move want = { .kind = MOVE_EVACUATION };

	/* its image is whole, and all that it needs */
	if (s->vm_state == VM_SHELVED)
		return flow_server_shelve_offload(e, db, s, true, origin, err);
	return flow_server_move(e, db, a, s, &want, true, origin, err);
}

static int note(struct flow_engine *e, struct db *db, const struct server *s, const struct host_evacuation *v,
	struct error *err)
{
	char reason[128];

	snprintf(reason, sizeof reason, "its host is down; asked for by %.64s",
		v->asked_by[0] ? v->asked_by : "cloudd itself");
	return store_audit_server(db, s->id,
		&(struct audit_note) { .at_us = engine_now(e),
			.request_id = v->request_id,
			.action = "server.host_evacuate",
			.status = 202,
			.reason = reason },
		err);
}

static int set_out_run(struct tick_unit *u, struct error *err)
{
	struct setting_out *o = CONTAINER_OF(u, struct setting_out, unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_rw(o->e->cfg.store);
	struct flow_origin origin = { .now_us = engine_now(o->e) };
	struct host_evacuation v;
	struct server s;
	const char *why;
	int rc;

	if (o->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	rc = store_evacuation_get(db, &a, o->host_id, &v, err);
	if (rc <= 0 || !str_eq(v.state, "running"))
		return rc < 0 ? -1 : 0;
	if (store_server_load(db, &a, o->server_id, &s, err))
		return -1;
	if (s.deleted_us || s.host_id != o->host_id) /* it went by another way */
		return 0;
	why = o->why[0] ? o->why : stays(&s);
	if (why)
		return store_evacuation_leave(db, o->host_id, s.id, why, err);
	origin.request_id = v.request_id;
	origin.user_uid = v.user_uid;
	origin.project_uid = v.project_uid;
	return go(o->e, db, &a, &s, &origin, err) || note(o->e, db, &s, &v, err) ||
			       store_evacuation_count(db, o->host_id, err)
		       ? -1
		       : 0;
}

static void set_out_remove(struct flow_engine *e, struct setting_out *o)
{
	for (struct setting_out **p = &e->setting_out; *p; p = &(*p)->next)
		if (*p == o) {
			*p = o->next;
			break;
		}
	free(o);
}

/* A call to its host that is under way ends soon, as the host is dead; what is said otherwise holds. */
static void set_out_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct setting_out *o = CONTAINER_OF(u, struct setting_out, unit);
	struct flow_engine *e = o->e;
	int64_t ms = (int64_t)AGAIN_MS << (o->tries < 3 ? o->tries : 3);
	bool passes = flow_error_passes(err->code) || (err->code == ERR_CONFLICT && o->tries < TRIES_MAX);

	o->busy = false;
	e->committing--;
	if (outcome == TICK_DONE || e->dead || o->over) {
		set_out_remove(e, o);
	} else {
		o->tries++;
		o->over = outcome == TICK_FAILED && o->why[0]; /* even that could not be written */
		if (outcome == TICK_FAILED && !passes)
			str_copy(o->why, sizeof o->why, err->msg);
		o->due_us = engine_mono(e) + (o->why[0] && !o->over ? 0 : ms * 1000);
	}
	if (!e->dead)
		look_in(e, 0);
	engine_check_stopped(e);
	engine_unref(e);
}

static void set_out(struct setting_out *o)
{
	o->busy = true;
	o->e->refs++;
	o->e->committing++;
	o->unit = (struct tick_unit) { .run = set_out_run, .finish = set_out_finish };
	tick_submit(o->e->cfg.tick, &o->unit);
}

/* ---- the end ---- */

struct ending {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id;
	const char *state, *why; /* constants */
};

static int ending_run(struct tick_unit *u, struct error *err)
{
	struct ending *x = CONTAINER_OF(u, struct ending, unit);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_rw(x->e->cfg.store);
	struct host_evacuation v;
	struct evacuation_server *left;
	struct host_row h;
	char data[160], reason[200];
	size_t n;
	int rc;

	if (x->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	rc = store_evacuation_get(db, &a, x->host_id, &v, err);
	if (rc <= 0 || !str_eq(v.state, "running"))
		return rc < 0 ? -1 : 0;
	if (store_evacuation_servers(db, &a, x->host_id, &left, &n, err) ||
		store_host_load(db, &a, x->host_id, &h, err) ||
		store_evacuation_end(db, x->host_id, x->state, x->why, engine_now(x->e), err))
		return -1;
	snprintf(data, sizeof data, "{\"state\": \"%s\", \"moved\": %lld, \"left\": %zu}", x->state,
		(long long)v.begun, n);
	snprintf(reason, sizeof reason, "%lld servers were made anew elsewhere, %zu stay%s%s",
		(long long)v.begun, n, x->why[0] ? ": " : "", x->why);
	return event_host_note(db, "host.evacuated", x->host_id, data, err) ||
			       store_audit_note(db,
				       &(struct audit_note) { .at_us = engine_now(x->e),
					       .request_id = v.request_id,
					       .action = "host.evacuated",
					       .target = h.uid,
					       .status = 200,
					       .reason = reason },
				       err)
		       ? -1
		       : 0;
}

static void ending_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct ending *x = CONTAINER_OF(u, struct ending, unit);

	(void)outcome; /* the next look ends it again */
	(void)err;
	engine_unref(x->e);
	free(x);
}

static void end(struct flow_engine *e, int64_t host_id, const char *state, const char *why)
{
	struct ending *x = xcalloc(1, sizeof *x);

	*x = (struct ending) { .unit = { .run = ending_run, .finish = ending_finish },
		.e = e,
		.host_id = host_id,
		.state = state,
		.why = why };
	e->refs++;
	tick_submit(e->cfg.tick, &x->unit);
}

/* ---- looks ---- */

static struct setting_out *find(struct flow_engine *e, int64_t server_id)
{
	struct setting_out *o = e->setting_out;

	while (o && o->server_id != server_id)
		o = o->next;
	return o;
}

static struct setting_out *add(struct flow_engine *e, int64_t host_id, int64_t server_id)
{
	struct setting_out *o = xcalloc(1, sizeof *o);

	*o = (struct setting_out) {
		.next = e->setting_out, .e = e, .host_id = host_id, .server_id = server_id
	};
	e->setting_out = o;
	return o;
}

/* Those of this host that are on their way into the tick. */
static int64_t busy_of(const struct flow_engine *e, int64_t host_id)
{
	int64_t n = 0;

	for (const struct setting_out *o = e->setting_out; o; o = o->next)
		n += o->host_id == host_id && o->busy;
	return n;
}

static int look_at(struct flow_engine *e, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *ro = store_ro(e->cfg.store);
	struct evacuation_server *servers;
	int64_t moving = 0, now = engine_mono(e), room;
	size_t n, to_go = 0;

	if (!host_is_dead(e, ro, host_id)) {
		end(e, host_id, "stopped",
			"it is not proved any more that the host is down, or it answers again");
		return 0;
	}
	if (store_evacuation_servers(ro, &a, host_id, &servers, &n, err) ||
		store_evacuation_moving(ro, host_id, &moving, err))
		return -1;
	room = e->cfg.evacuate_parallel - moving - busy_of(e, host_id);
	for (size_t i = 0; i < n; i++) {
		struct setting_out *o = servers[i].why ? NULL : find(e, servers[i].id);

		to_go += !servers[i].why;
		if (servers[i].why || room <= 0 || (o && (o->busy || o->due_us > now)))
			continue;
		set_out(o ? o : add(e, host_id, servers[i].id));
		room--;
	}
	if (!to_go && !moving && !busy_of(e, host_id))
		end(e, host_id, "done", "");
	return 0;
}

static void fired(struct loop_timer *t)
{
	struct flow_engine *e = CONTAINER_OF(t, struct flow_engine, evacuate);
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error err = { 0 };
	int64_t *hosts;
	size_t n = 0;
	int rc;

	if (e->dead || e->stopping)
		return;
	rc = store_evacuation_running(store_ro(e->cfg.store), &a, &hosts, &n, &err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = look_at(e, hosts[i], &err);
	if (rc)
		log_event(LOG_ERR, "evacuations wait for their next look", "error", err.msg, "detail",
			err.detail, NULL);
	if (rc || n)
		look_in(e, e->setting_out ? AGAIN_MS : LOOK_MS);
}

static void look_in(struct flow_engine *e, uint64_t ms)
{
	if (e->started && !e->dead && !e->stopping)
		loop_timer_set(e->cfg.loop, &e->evacuate, ms, fired);
}

void evacuations_look(struct flow_engine *e)
{
	look_in(e, 0);
}

void evacuations_start(struct flow_engine *e)
{
	look_in(e, 0);
}

void evacuations_destroy(struct flow_engine *e)
{
	for (struct setting_out *o = e->setting_out, *next; o; o = next) {
		next = o->next;
		if (!o->busy)
			set_out_remove(e, o);
	}
}

/* ---- for the operator ---- */

struct sync {
	struct tick_unit unit;
	struct flow_engine *e;
};

static int sync_run(struct tick_unit *u, struct error *err)
{
	(void)u;
	(void)err;
	return 0;
}

static void sync_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct sync *y = CONTAINER_OF(u, struct sync, unit);

	(void)outcome;
	(void)err;
	look_in(y->e, 0);
	engine_unref(y->e);
	free(y);
}

int flow_host_evacuate(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct flow_origin *origin, const char *by, struct error *err)
{
	const struct host_evacuation v = { .host_id = h->id,
		.asked_by = by,
		.request_id = origin->request_id,
		.user_uid = origin->user_uid,
		.project_uid = origin->project_uid,
		.created_us = origin->now_us };
	const struct link *l = link_find(e, h->id);
	struct sync *y;

	if (!h->forced_down || (l && link_connected(l)))
		return error_set(err, ERR_CONFLICT,
			"host %.64s is %s: its servers are made anew elsewhere only when it is proved to be "
			"down: "
			"cloudctl host fence %.64s",
			h->name, l && link_connected(l) ? "connected" : "not proved to be down", h->name);
	if (store_evacuation_begin(db, &v, err))
		return -1;
	y = xcalloc(1, sizeof *y);
	*y = (struct sync) { .unit = { .run = sync_run, .finish = sync_finish }, .e = e };
	e->refs++;
	tick_submit(e->cfg.tick, &y->unit);
	return 0;
}

int flow_host_evacuate_stop(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	return store_evacuation_end(db, host_id, "stopped", "an operator stopped it", engine_now(e), err);
}
