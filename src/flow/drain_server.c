/* SPDX-License-Identifier: Apache-2.0 */
/* What a drain does with each server: how one in its state can leave, whose turn it is, and what became of
 * those that set out. All of it inside the worker's unit. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "flow/drain.h"
#include "flow/preempt.h"
#include "flow/server_move.h"
#include "flow/server_parts.h"
#include "store/audit_notes.h"

enum { TRIES_MAX = 4, BACKOFF_MAX = 6, ROOM_BACKOFF = 3 };

struct leaving {
	struct drain_work *w;
	const struct drain *d;
	struct drain_server *s;
	const int64_t *avoid;
	size_t avoid_n;
};

/* ---- rows ---- */

struct as { /* what a server's row says from here on */
	const char *state, *reason;
	int64_t due_us;
	bool for_room;
};

/* Nothing is written when it says so already. */
static int put(struct drain_work *w, struct drain_server *s, const struct as *to, struct error *err)
{
	if (str_eq(s->state, to->state) && str_eq(s->reason, to->reason) && s->due_us == to->due_us &&
		s->for_room == to->for_room)
		return 0;
	s->state = to->state;
	s->reason = arena_strdup(w->a, to->reason);
	s->due_us = to->due_us;
	s->for_room = to->for_room;
	return store_drain_server_put(w->db, s, err);
}

static int waits(struct drain_work *w, struct drain_server *s, const char *why, struct error *err)
{
	return put(w, s, &(struct as) { "waiting", why, s->due_us, s->for_room }, err);
}

static int stays(struct drain_work *w, struct drain_server *s, const char *why, struct error *err)
{
	return put(w, s, &(struct as) { "stays", why, 0, false }, err);
}

static int64_t later_us(const struct drain_work *w, int64_t tries)
{
	int64_t shift = tries < BACKOFF_MAX ? tries : BACKOFF_MAX;

	return w->now_us + ((int64_t)engine_backoff_ms(w->e, BACKOFF_MAX * 4) * 1000 << shift);
}

static int note(
	const struct leaving *l, const char *action, int64_t status, const char *reason, struct error *err)
{
	return store_audit_server(l->w->db, l->s->server_id,
		&(struct audit_note) { .at_us = l->w->now_us,
			.request_id = l->d->request_id,
			.action = action,
			.status = status,
			.reason = reason },
		err);
}

/* ---- who was under way ---- */

static int arrived(const struct leaving *l, struct error *err)
{
	l->s->to_host = l->s->server_host ? l->s->server_host : "";
	l->s->tries = 0;
	return put(l->w, l->s, &(struct as) { "moved", "", 0, false }, err) ||
			       note(l, "drain.moved", 200, l->s->way, err)
		       ? -1
		       : 0;
}

static int came_back(const struct leaving *l, struct error *err)
{
	struct drain_server *s = l->s;
	const char *why = s->failed && *s->failed ? s->failed : "it did not leave";
	bool over = s->tries >= TRIES_MAX;

	log_event(LOG_WARNING, "a server did not leave the host that is being emptied", "server",
		s->server_uid, "host", l->d->host_name, "reason", why, NULL);
	if (note(l, "drain.failed", 500, NULL, err))
		return -1;
	if (over)
		why = arena_printf(l->w->a, "%lld moves failed, the last one: %s", (long long)s->tries, why);
	return put(l->w, s,
		&(struct as) { over ? "stays" : "waiting", why, over ? 0 : later_us(l->w, s->tries), false },
		err);
}

static int settle(const struct leaving *l, struct error *err)
{
	if (l->s->has_flow || l->s->want_delete)
		return 0;
	return l->s->server_host_id == l->s->host_id ? came_back(l, err) : arrived(l, err);
}

/* ---- setting out ---- */

static int load(const struct leaving *l, struct server *out, struct flow_origin *origin, struct error *err)
{
	*origin = (struct flow_origin) { l->d->request_id, "", "", l->w->now_us };
	return store_server_load(l->w->db, l->w->a, l->s->server_id, out, err);
}

static void count_target(struct drain_work *w, int64_t host_id)
{
	struct drain_target *all = ARENA_ARRAY(w->a, struct drain_target, w->targets_n + 1);

	w->moves++;
	for (size_t i = 0; i < w->targets_n; i++) {
		if (w->targets[i].host_id == host_id) {
			w->targets[i].moves++;
			return;
		}
		all[i] = w->targets[i];
	}
	all[w->targets_n++] = (struct drain_target) { host_id, 1 };
	w->targets = all;
}

static int move(const struct leaving *l, enum move_kind kind, struct error *err)
{
	const struct server_move want = {
		.kind = kind, .drain = true, .avoid = l->avoid, .avoid_n = l->avoid_n
	};
	struct flow_origin origin;
	struct server s;
	struct move m;
	int rc;

	if (load(l, &s, &origin, err) ||
		flow_server_move(l->w->e, l->w->db, l->w->a, &s, &want, true, &origin, err))
		return -1;
	rc = store_move_open(l->w->db, l->w->a, s.id, &m, err);
	if (rc <= 0)
		return rc < 0 ? -1 : error_internal(err, "server %s does not move", s.uid);
	l->s->to_host = m.dest_host;
	count_target(l->w, m.dest_host_id);
	return 0;
}

static int go_live(const struct leaving *l, struct error *err)
{
	return move(l, MOVE_LIVE, err);
}

static int go_cold(const struct leaving *l, struct error *err)
{
	return move(l, MOVE_COLD, err);
}

static int go_offload(const struct leaving *l, struct error *err)
{
	struct flow_origin origin;
	struct server s;

	l->s->to_host = "";
	return load(l, &s, &origin, err)
		       ? -1
		       : flow_server_shelve_offload(l->w->e, l->w->db, &s, true, &origin, err);
}

/* How a server in that state leaves. Without `go` it does not: it stays, or waits until its state is another.
 */
static const struct way {
	enum vm_state vm;
	const char *name;
	int (*go)(const struct leaving *l, struct error *err);
	const char *why;
	bool waits;
} ways[] = {
	{ VM_ACTIVE, "live", go_live, NULL, false },
	{ VM_PAUSED, "live", go_live, NULL, false },
	{ VM_STOPPED, "cold", go_cold, NULL, false },
	{ VM_SHELVED, "offload", go_offload, NULL, false },
	{ VM_BUILDING, "", NULL, "it is being made", true },
	{ VM_RESIZED, "", NULL, "its resize waits to be confirmed or reverted", true },
	{ VM_SUSPENDED, "", NULL, "its memory is kept on this host: resume it", false },
	{ VM_RESCUED, "", NULL, "it is rescued: unrescue it", false },
};
static const struct way no_way = { VM_ERROR, "", NULL, "it failed: see cloudctl why", false };
static const struct way stop_way = { VM_ACTIVE, "cold", go_cold, NULL, false };
/* Devices that are passed through cannot move live. */
static const struct way device_ways[] = {
	{ VM_ACTIVE, "", NULL, "it has GPUs, which cannot move live: stop it, or drain --cold", false },
	{ VM_PAUSED, "", NULL, "it is paused and has GPUs, which cannot move live: stop it", false },
};
/* A lock says that nobody shall stop it; the others do not notice a move. */
static const struct way locked_way = { VM_ACTIVE, "", NULL, "it is locked, and would have to be stopped",
	false };

static const struct way *way_in(const struct way *all, size_t n, enum vm_state vm)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].vm == vm)
			return &all[i];
	return NULL;
}

static const struct way *way_of(const struct drain *d, const struct drain_server *s)
{
	const struct way *way = NULL;

	if (capacity_gpus(s->extra_specs))
		way = way_in(device_ways, ARRAY_LEN(device_ways), s->vm);
	if (way && d->cold && s->vm == VM_ACTIVE)
		way = s->locked ? &locked_way : &stop_way;
	if (!way)
		way = way_in(ways, ARRAY_LEN(ways), s->vm);
	return way ? way : &no_way;
}

/* ---- those that cannot ---- */

/* By the flavor it may be made to leave: shelved, with notice, as for others. */
static int made_to_leave(const struct leaving *l, struct error *err)
{
	const struct preempt_for nobody = { 0 };
	struct drain_server *s = l->s;
	char when[TIME_TEXT];

	if (!s->leave_us) {
		s->leave_us = l->w->now_us + l->w->e->cfg.preempt_notice_s * 1000000;
		if (preempt_notice(l->w->e, l->w->db, s->server_id, s->host_id, nobody, s->leave_us,
			    l->d->request_id, err))
			return -1;
	}
	s->way = "shelve";
	return put(l->w, s,
		&(struct as) { "waiting",
			arena_printf(
				l->w->a, "it is preemptible, and leaves at %s", time_iso(s->leave_us, when)),
			later_us(l->w, ROOM_BACKOFF), true },
		err);
}

static int cannot(const struct leaving *l, const char *why, struct error *err)
{
	if (l->s->preemptible)
		return made_to_leave(l, err);
	return stays(l->w, l->s, why, err);
}

/* Nothing was written but what is the unit's to lose: it fails as a whole, or its error is one of these. */
static bool is_refusal(enum err code)
{
	return code == ERR_NO_HOST || code == ERR_CONFLICT || code == ERR_BAD_REQUEST;
}

static int refused(const struct leaving *l, const struct error *why, struct error *err)
{
	bool room = why->code == ERR_NO_HOST;

	if (!is_refusal(why->code))
		return *err = *why, -1;
	if (room && l->s->preemptible)
		return made_to_leave(l, err);
	return put(l->w, l->s, &(struct as) { "waiting", why->msg, later_us(l->w, ROOM_BACKOFF), room }, err);
}

/* ---- whose turn it is ---- */

/* Hosts that take no more now; and, if it can be helped, those to which it failed to move. */
static int avoided(struct leaving *l, bool failed, struct error *err)
{
	struct drain_work *w = l->w;
	int64_t *ids = NULL, *all;
	size_t n = 0;

	if (failed && store_drain_failed(w->db, w->a, l->s, l->d->begun_us, &ids, &n, err))
		return -1;
	if (failed && !n)
		return 0;
	all = ARENA_ARRAY(w->a, int64_t, n + w->targets_n + 1);
	if (n)
		memcpy(all, ids, n * sizeof *all);
	for (size_t i = 0; i < w->targets_n; i++)
		if (w->targets[i].moves >= w->e->cfg.moves_per_target)
			all[n++] = w->targets[i].host_id;
	l->avoid = all;
	l->avoid_n = n;
	return 1;
}

static int set_out(struct leaving *l, const struct way *way, struct error *err)
{
	struct drain_server *s = l->s;
	struct error why = { .code = ERR_NO_HOST };

	l->w->e->drain.at = s->server_id;
	l->w->left--;
	for (int failed = 1; failed >= 0; failed--) {
		int rc = avoided(l, failed, err);

		if (rc < 0)
			return -1;
		if (rc == 0)
			continue;
		if (way->go(l, &why) == 0) {
			s->way = way->name;
			s->tries++;
			return put(l->w, s, &(struct as) { "moving", "", 0, false }, err) ||
					       note(l, "drain.move", 202, way->name, err)
				       ? -1
				       : 1;
		}
		if (why.code != ERR_NO_HOST)
			break;
	}
	return refused(l, &why, err);
}

static bool has_turn(const struct leaving *l, int64_t moving)
{
	const struct drain_work *w = l->w;

	return w->left && moving < l->d->parallel && w->moves < w->e->cfg.moves_at_once;
}

/* 1: it set out. */
static int consider(struct leaving *l, int64_t moving, struct error *err)
{
	struct drain_server *s = l->s;
	const struct way *way = way_of(l->d, s);

	if (s->has_flow || s->task != TASK_NONE || s->want_delete)
		return waits(l->w, s,
			arena_printf(l->w->a, "it is busy%s%s", s->task ? ": " : "",
				s->task ? task_state_text(s->task) : ""),
			err);
	if (s->tries >= TRIES_MAX && s->preemptible)
		return made_to_leave(l, err);
	if (s->tries >= TRIES_MAX)
		return str_eq(s->state, "stays") ? 0 : stays(l->w, s, "its moves failed", err);
	if (!way->go)
		return way->waits ? waits(l->w, s, way->why, err) : cannot(l, way->why, err);
	if (s->due_us > l->w->now_us && !(s->for_room && l->w->room))
		return 0;
	if (!has_turn(l, moving))
		return s->for_room
			       ? 0
			       : put(l->w, s, &(struct as) { "waiting", "it waits for its turn", 0, false },
					 err);
	if (l->w->e->drain.put_off == s->server_id)
		return put(l->w, s,
			&(struct as) { "waiting", "its move could not be written down",
				later_us(l->w, ROOM_BACKOFF), false },
			err);
	return set_out(l, way, err);
}

/* ---- a drain ---- */

static int over(struct drain_work *w, struct drain *d, struct error *err)
{
	struct drain_counts n;
	const char *to;
	char reason[96];

	if (store_drain_counts(w->db, d->host_id, &n, err))
		return -1;
	to = n.waiting || n.moving ? "running" : n.stays ? "partial" : "done";
	if (str_eq(d->state, "stopped") || str_eq(d->state, to))
		return 0;
	d->state = to;
	d->ended_us = str_eq(to, "running") ? 0 : w->now_us;
	snprintf(reason, sizeof reason, "%lld moved, %lld stay", (long long)n.moved, (long long)n.stays);
	log_event(LOG_NOTICE, "a host is being emptied", "host", d->host_name, "state", to, "servers", reason,
		NULL);
	return store_drain_put(w->db, d, err) || store_audit_note(w->db,
							 &(struct audit_note) { .at_us = w->now_us,
								 .request_id = d->request_id,
								 .action = "host.drain_state",
								 .target = d->host_uid,
								 .status = 200,
								 .reason = reason },
							 err)
		       ? -1
		       : 0;
}

int drain_bring_up(struct drain_work *w, struct drain *d, struct error *err)
{
	bool stopped = str_eq(d->state, "stopped");
	struct drain_server *all;
	int64_t moving = 0;
	size_t n;

	if (store_drain_sync(w->db, d->host_id, err) ||
		store_drain_servers(w->db, w->a, d->host_id, false, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct leaving l = { .w = w, .d = d, .s = &all[i] };

		if (str_eq(all[i].state, "moving") && settle(&l, err))
			return -1;
		moving += str_eq(all[i].state, "moving");
	}
	for (size_t i = 0; i < n && !stopped; i++) {
		struct leaving l = { .w = w, .d = d, .s = &all[i] };
		int rc;

		if (str_eq(all[i].state, "moving") || str_eq(all[i].state, "moved"))
			continue;
		rc = consider(&l, moving, err);
		if (rc < 0)
			return -1;
		moving += rc;
	}
	return over(w, d, err);
}
