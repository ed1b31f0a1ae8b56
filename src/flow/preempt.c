/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/preempt.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "flow/calendar.h"
#include "flow/server_move.h"
#include "flow/server_parts.h"
#include "flow/server_snapshot.h"
#include "store/allocations.h"
#include "store/audit_notes.h"

enum { AT_ONCE = 100, TRIES_MAX = 3, BACKOFF_MAX = 6 };

static int note(struct flow_engine *e, struct db *db, int64_t server_id, const char *action, int64_t status,
	const char *reason, struct error *err)
{
	return store_audit_server(db, server_id,
		&(struct audit_note) {
			.at_us = engine_now(e), .action = action, .status = status, .reason = reason },
		err);
}

/* ---- notice ---- */

static int told_again(struct flow_engine *e, struct db *db, struct eviction *x, struct preempt_for who,
	int64_t leave_us, struct error *err)
{
	if (who.server_id) {
		x->for_server_id = who.server_id;
		x->for_block_id = 0;
	} else if (!x->for_server_id && who.block_id) {
		x->for_block_id = who.block_id;
	}
	if (!x->begun && leave_us < x->leave_us)
		x->leave_us = leave_us;
	calendar_changed(e);
	return store_eviction_put(db, x, err);
}

static int note_notice(struct flow_engine *e, struct db *db, const struct eviction *x, const char *request_id,
	struct error *err)
{
	char reason[96], when[TIME_TEXT];

	snprintf(reason, sizeof reason, "it has to leave by %s, for %s", time_iso(x->leave_us, when),
		x->for_server_id  ? "another server"
		: x->for_block_id ? "a reservation"
				  : "the maintenance of its host");
	return store_audit_server(db, x->server_id,
		&(struct audit_note) { .at_us = engine_now(e),
			.request_id = request_id,
			.action = "eviction.notice",
			.status = 202,
			.reason = reason },
		err);
}

int preempt_notice(struct flow_engine *e, struct db *db, int64_t server_id, int64_t host_id,
	struct preempt_for who, int64_t leave_us, const char *request_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t now_us = engine_now(e);
	struct eviction x;
	int rc = store_eviction_get(db, &a, server_id, &x, err);

	if (rc)
		return rc < 0 ? -1 : told_again(e, db, &x, who, leave_us, err);
	x = (struct eviction) {
		.server_id = server_id,
		.host_id = host_id,
		.for_server_id = who.server_id,
		.for_block_id = who.block_id,
		.notice_us = now_us,
		.leave_us = leave_us > now_us ? leave_us : now_us,
	};
	if (store_server_action_start(
		    db, server_id, "preempt", request_id, "", "", now_us, &x.action_id, err) ||
		store_eviction_put(db, &x, err) || note_notice(e, db, &x, request_id, err))
		return -1;
	calendar_changed(e);
	return 0;
}

static int forget(
	struct flow_engine *e, struct db *db, const struct eviction *x, const char *why, struct error *err)
{
	if (store_eviction_remove(db, x->server_id, err) ||
		note(e, db, x->server_id, why ? "eviction.withdrawn" : "eviction.done", 200, why, err))
		return -1;
	return store_server_action_finish(db, x->action_id, engine_now(e), why, err);
}

/* A block whose GPUs it is on may need the room as well. */
static int stay(struct flow_engine *e, struct db *db, struct eviction *x, struct error *err)
{
	int rc = store_block_over(db, x->server_id, &x->for_block_id, err);

	if (rc <= 0)
		return rc < 0 ? -1 : forget(e, db, x, "It stays: its room is not needed any more.", err);
	x->for_server_id = 0;
	return store_eviction_put(db, x, err);
}

int preempt_withdraw(struct flow_engine *e, struct db *db, struct preempt_for who, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct eviction_filter filter = { .for_server_id = who.server_id,
		.for_block_id = who.block_id };
	struct eviction *all;
	size_t n;

	if (store_eviction_list(db, &a, &filter, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!all[i].begun && stay(e, db, &all[i], err))
			return -1;
	return 0;
}

int preempt_undrain(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct eviction_filter filter = { .host_id = host_id };
	struct eviction *all;
	size_t n;

	if (store_eviction_list(db, &a, &filter, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!all[i].begun && !all[i].for_server_id && !all[i].for_block_id &&
			stay(e, db, &all[i], err))
			return -1;
	return 0;
}

int preempt_left(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct eviction x;
	int rc = store_eviction_get(db, &a, server_id, &x, err);

	return rc <= 0 ? rc : forget(e, db, &x, NULL, err);
}

/* ---- leaving ---- */

static int later(struct flow_engine *e, struct db *db, struct eviction *x, struct error *err)
{
	int64_t tries = x->tries < BACKOFF_MAX ? x->tries : BACKOFF_MAX;

	x->begun = false;
	x->leave_us = engine_now(e) + ((int64_t)e->cfg.retry_max_ms * 1000 << tries);
	calendar_changed(e);
	return store_eviction_put(db, x, err);
}

int preempt_stayed(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct eviction x;
	int rc = store_eviction_get(db, &a, server_id, &x, err);

	if (rc <= 0)
		return rc;
	x.tries++;
	if (note(e, db, server_id, "eviction.stayed", 500, "it could not be shelved", err))
		return -1;
	log_event(LOG_WARNING, "a server that has to leave its host could not be shelved", "server",
		x.server_uid, "host", x.host_name, NULL);
	return later(e, db, &x, err);
}

int preempt_begun(struct db *db, int64_t server_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct eviction x;
	int rc = store_eviction_get(db, &a, server_id, &x, err);

	return rc > 0 ? x.begun : rc;
}

struct leaving {
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	struct server *s;
	const struct flow_origin *nobody;
};

static int shelve(const struct leaving *l, struct error *err)
{
	struct server_snapshot image = {
		.name = server_shelved_name(l->a, l->s->name), .type = "snapshot", .user_uid = ""
	};

	if (server_snapshot_insert(l->e, l->db, l->a, l->s, l->s->project_id, &image, l->nobody->now_us, err))
		return -1;
	return flow_server_shelve(l->e, l->db, l->s, image.id, true, l->nobody, err);
}

static int offload(const struct leaving *l, struct error *err)
{
	return flow_server_shelve_offload(l->e, l->db, l->s, true, l->nobody, err);
}

static int unrescue(const struct leaving *l, struct error *err)
{
	return flow_server_unrescue(l->e, l->db, l->s, true, l->nobody, err);
}

/* The old disk stays while the host of the new one cannot be heard: it may be the last. */
static int confirm(const struct leaving *l, struct error *err)
{
	const struct link *link = link_find(l->e, l->s->host_id);

	return link && link_connected(link)
		       ? flow_server_confirm(l->e, l->db, l->a, l->s, true, l->nobody, err)
		       : 0;
}

/* How a server in that state leaves: by what it begins, or in the state that it comes to. */
static const struct way {
	enum vm_state vm;
	int (*go)(const struct leaving *l, struct error *err);
	bool leaves;
} ways[] = {
	{ VM_ACTIVE, shelve, true },
	{ VM_STOPPED, shelve, true },
	{ VM_PAUSED, shelve, true },
	{ VM_SUSPENDED, shelve, true },
	{ VM_SHELVED, offload, true },
	{ VM_RESCUED, unrescue, false },
	{ VM_RESIZED, confirm, false },
};

static const struct way *way_of(enum vm_state vm)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (ways[i].vm == vm)
			return &ways[i];
	return NULL;
}

/* What cannot be kept is deleted, where the flavor says that it may be preempted. */
static int must_go(const struct leaving *l, struct eviction *x, struct error *err)
{
	struct allocation_row held = { .preemptible = false };

	if (store_allocation_get(l->db, l->a, l->s->id, &held, err) < 0)
		return -1;
	if (!held.preemptible) {
		x->tries++;
		return later(l->e, l->db, x, err);
	}
	log_event(LOG_WARNING, "a preemptible server that could not be shelved is deleted", "server",
		x->server_uid, "host", x->host_name, NULL);
	x->begun = true;
	return note(l->e, l->db, l->s->id, "eviction.delete", 202, "it is preemptible and cannot be kept",
		       err) || store_eviction_put(l->db, x, err) ||
			       flow_server_delete(l->e, l->db, l->s, true, l->nobody, err)
		       ? -1
		       : 0;
}

static int make_leave(struct flow_engine *e, struct db *db, struct eviction *x, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct flow_origin nobody = {
		.request_id = "", .user_uid = "", .project_uid = "", .now_us = engine_now(e)
	};
	struct server s;
	const struct leaving l = { e, db, &a, &s, &nobody };
	const struct way *way;

	if (store_server_load(db, &a, x->server_id, &s, err))
		return -1;
	if (s.deleted_us || s.host_id != x->host_id)
		return preempt_left(e, db, s.id, err) || waiter_room(e, db, x->host_id, err) ? -1 : 0;
	if (flow_find(e, s.id) || s.want_delete || s.task_state != TASK_NONE)
		return later(e, db, x, err);
	way = way_of(s.vm_state);
	if (!way || x->tries >= TRIES_MAX)
		return must_go(&l, x, err);
	if (note(e, db, s.id, "eviction.leave", 202, NULL, err) || way->go(&l, err))
		return -1;
	x->begun = way->leaves;
	return way->leaves ? store_eviction_put(db, x, err) : later(e, db, x, err);
}

int preempt_due(struct flow_engine *e, struct db *db, int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct eviction_filter filter = { .due_us = now_us, .limit = AT_ONCE };
	struct eviction *all;
	size_t n;

	if (store_eviction_list(db, &a, &filter, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool put_off = e->calendar.put_off == all[i].server_id;

		e->calendar.at = all[i].server_id;
		all[i].tries += put_off;
		if (put_off ? later(e, db, &all[i], err) : make_leave(e, db, &all[i], err))
			return -1;
	}
	return 0;
}
