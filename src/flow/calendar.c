/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/calendar.h"

#include <string.h>

#include "base/util.h"
#include "flow/claims.h"
#include "flow/drain.h"
#include "flow/preempt.h"
#include "store/audit_notes.h"
#include "store/event_rows.h"
#include "store/hosts.h"

enum { OPEN_MAX = 10000 };

#define DAY_US (24 * 3600 * 1000000ll)

/* ---- what placement knows of it ---- */

static int refresh(struct flow_engine *e, struct db *db, struct arena *a, int64_t block_id, struct error *err)
{
	struct block_host *hosts;
	size_t n;

	if (store_block_hosts(db, a, block_id, &hosts, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct link *l = link_find(e, hosts[i].host_id);

		if (capacity_host_set(e, db, hosts[i].host_id, l && link_placed(l), err))
			return -1;
	}
	return 0;
}

/* A server of the block is an ordinary one from here on. */
static int set_free(struct flow_engine *e, struct db *db, struct arena *a, int64_t id, struct error *err)
{
	struct placement_choice *c = ARENA_NEW(a, struct placement_choice);
	struct placement_request req;
	struct allocation_row row;
	int rc = store_allocation_get(db, a, id, &row, err);

	if (rc <= 0)
		return rc;
	row.block_id = 0;
	claim_held(&row, &req, c);
	placement_release(e->placement, id);
	return store_block_leave(db, id, err) || placement_take(e->placement, id, &req, c, true, err) ? -1
												      : 0;
}

/* ---- beginnings and ends ---- */

/* Who is on its GPUs and is not of it gets notice. */
static int clear(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	int64_t soonest_us = engine_now(e) + e->cfg.preempt_notice_s * 1000000,
		leave_us = b->start_us - e->cfg.preempt_lead_s * 1000000;
	const struct preempt_for who = { .block_id = b->id };
	struct block_guest *guests;
	size_t n;

	if (store_block_guests(db, a, b->id, &guests, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		int64_t us = leave_us > soonest_us ? leave_us : soonest_us;

		us = us > guests[i].until_us ? us : guests[i].until_us;
		if (preempt_notice(e, db, guests[i].server_id, guests[i].host_id, who, us, "", err))
			return -1;
	}
	return 0;
}

/* Its servers stay as ordinary ones where nobody else has claimed their GPUs; the others stay until that
 * one's are cleared. */
static int let_go(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	int64_t *ids;
	size_t n;

	if (preempt_withdraw(e, db, (struct preempt_for) { .block_id = b->id }, err) ||
		store_block_free_servers(db, a, b->id, &ids, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (set_free(e, db, a, ids[i], err))
			return -1;
	return 0;
}

static int empty(
	struct flow_engine *e, struct db *db, const struct block *b, int64_t host_id, struct error *err)
{
	return flow_host_drain(e, db, host_id,
		&(struct drain_want) { .reason = b->reason, .request_id = "", .now_us = engine_now(e) }, err);
}

/* A window drains the hosts that are up, and takes back no more than that. */
static int drain(struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, bool begin,
	struct error *err)
{
	const char *from = begin ? "up" : "draining", *to = begin ? "draining" : "up";
	struct block_host *hosts;
	struct host_row h;
	size_t n;

	if (store_block_hosts(db, a, b->id, &hosts, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (hosts[i].drained == begin)
			continue;
		if (store_host_load(db, a, hosts[i].host_id, &h, err) ||
			store_block_drained(db, b->id, h.id, begin && strcmp(h.state, from) == 0, err))
			return -1;
		if (strcmp(h.state, from) == 0 &&
			(begin && b->empties
					? empty(e, db, b, h.id, err)
					: flow_host_set_state(e, db, h.id, to, begin ? b->reason : "", err)))
			return -1;
	}
	return 0;
}

static int capacity_clearing(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	return clear(e, db, a, b, err) ? -1 : refresh(e, db, a, b->id, err);
}

static int capacity_ended(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	return let_go(e, db, a, b, err) ? -1 : refresh(e, db, a, b->id, err);
}

static int maintenance_active(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	return drain(e, db, a, b, true, err);
}

static int maintenance_ended(
	struct flow_engine *e, struct db *db, struct arena *a, const struct block *b, struct error *err)
{
	return drain(e, db, a, b, false, err);
}

/* What follows when a block's time for it has come. */
static const struct change {
	bool maintenance;
	const char *from, *to;
	int (*act)(struct flow_engine *e, struct db *db, struct arena *a, const struct block *b,
		struct error *err);
} changes[] = {
	{ false, "planned", "clearing", capacity_clearing },
	{ false, "clearing", "active", capacity_clearing }, /* who came meanwhile, by a move */
	{ false, "active", "ended", capacity_ended },
	{ true, "planned", "active", maintenance_active },
	{ true, "active", "ended", maintenance_ended },
};

static int64_t due_us(const struct flow_engine *e, const struct block *b)
{
	if (strcmp(b->state, "planned") == 0)
		return b->start_us - (b->project_id ? calendar_ahead_us(e) : 0);
	return strcmp(b->state, "clearing") == 0 ? b->start_us : b->end_us;
}

static int note_state(
	struct db *db, struct arena *a, const struct block *b, int64_t now_us, struct error *err)
{
	const struct audit_note note = { .at_us = now_us,
		.action = arena_printf(a, "%s.%s", b->project_id ? "reservation" : "maintenance", b->state),
		.status = 200 };

	return store_audit_block(db, b->id, &note, err);
}

static int set_state(struct flow_engine *e, struct db *db, struct arena *a, struct block *b,
	const struct change *change, int64_t now_us, struct error *err)
{
	b->state = change->to;
	b->updated_us = now_us;
	if (store_block_state(db, b->id, b->state, now_us, err) || note_state(db, a, b, now_us, err))
		return -1;
	return change->act(e, db, a, b, err);
}

/* All that is due of one block: of one that nobody looked at for long it is more than one thing. */
static int bring_up(struct flow_engine *e, struct db *db, struct arena *a, struct block *b, int64_t now_us,
	struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (changes[i].maintenance == !b->project_id && strcmp(changes[i].from, b->state) == 0 &&
			due_us(e, b) <= now_us && set_state(e, db, a, b, &changes[i], now_us, err))
			return -1;
	return 0;
}

int calendar_block_due(struct flow_engine *e, struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct block b;

	return store_block_load(db, &a, id, &b, err) || bring_up(e, db, &a, &b, now_us, err) ? -1 : 0;
}

/* ---- the requests ---- */

static int check_times(const struct block_want *w, int64_t now_us, struct error *err)
{
	if (w->end_us <= now_us)
		return error_set(err, ERR_BAD_REQUEST, "end must be in the future");
	if (w->end_us <= w->start_us)
		return error_set(err, ERR_BAD_REQUEST, "end must be after start");
	if (w->start_us > now_us + CALENDAR_DAYS_MAX * DAY_US ||
		w->end_us - w->start_us > CALENDAR_DAYS_MAX * DAY_US)
		return error_set(err, ERR_BAD_REQUEST,
			"start must be within %d days, and end within %d days of it", CALENDAR_DAYS_MAX,
			CALENDAR_DAYS_MAX);
	return 0;
}

static int in_the_way(const struct block *other, const char *what, struct error *err)
{
	char from[TIME_TEXT], to[TIME_TEXT];

	return error_set(err, ERR_CONFLICT, "%.64s is in %s %.64s (%.36s) from %s to %s", what,
		other->project_id ? "reservation" : "maintenance", other->name, other->uid,
		time_iso(other->start_us, from), time_iso(other->end_us, to));
}

static int add_gpus(struct flow_engine *e, struct db *db, struct arena *a, const struct block_want *w,
	const struct block *b, struct error *err)
{
	const struct calendar_want want = { w->model, (size_t)w->gpus, w->scope, b->start_us, b->end_us };
	int64_t *ids = ARENA_ARRAY(a, int64_t, (size_t)w->gpus + 1);
	struct calendar_gpu *gpus;
	struct calendar_use *uses;
	size_t n, uses_n;

	(void)e;
	if (store_block_gpus(db, a, w->model, b->start_us, &gpus, &n, &uses, &uses_n, err))
		return -1;
	if (!n)
		return error_set(err, ERR_BAD_REQUEST, "no host has a sound GPU of model %.64s", w->model);
	if (calendar_plan(&want, gpus, n, uses, uses_n, a, ids, err) || store_block_insert(db, b, err))
		return -1;
	for (size_t i = 0; i < want.gpus; i++)
		if (store_block_device_add(db, b->id, ids[i], err))
			return -1;
	return 0;
}

static int add_hosts(
	struct db *db, struct arena *a, const struct block_want *w, const struct block *b, struct error *err)
{
	struct block other;
	struct host_row h;

	if (store_block_insert(db, b, err))
		return -1;
	for (size_t i = 0; i < w->hosts_n; i++) {
		int rc = store_block_on_host(db, a, w->hosts[i], b->id, b->start_us, b->end_us, &other, err);

		if (rc < 0 || store_host_load(db, a, w->hosts[i], &h, err))
			return -1;
		if (rc > 0)
			return in_the_way(&other, h.name, err);
		if (store_block_host_add(db, b->id, h.id, err))
			return -1;
	}
	return 0;
}

static int check_open(struct db *db, struct error *err)
{
	int64_t n = 0;

	if (store_block_count(db, &n, err))
		return -1;
	return n < OPEN_MAX ? 0
			    : error_set(err, ERR_CONFLICT,
				      "the calendar has %d open entries, which is all it takes", OPEN_MAX);
}

int flow_block_make(struct flow_engine *e, struct db *db, struct arena *a, const struct block_want *want,
	int64_t now_us, int64_t *out_id, struct error *err)
{
	struct block_want w = *want;
	char uid[UUID_TEXT];
	struct block b;

	w.start_us = w.start_us > now_us ? w.start_us : now_us;
	if (check_times(&w, now_us, err) || check_open(db, err))
		return -1;
	uuid_make(e->cfg.loop->rng, uid);
	b = (struct block) {
		.id = store_next_id(e->cfg.store),
		.uid = uid,
		.name = w.name,
		.project_id = w.project_id,
		.model = w.project_id ? w.model : "",
		.gpus = w.gpus,
		.scope = calendar_scope_text(w.scope),
		.start_us = w.start_us,
		.end_us = w.end_us,
		.state = "planned",
		.reason = w.reason,
		.created_us = now_us,
		.updated_us = now_us,
		.empties = w.empties,
	};
	if ((w.project_id ? add_gpus(e, db, a, &w, &b, err) : add_hosts(db, a, &w, &b, err)) ||
		event_block_made(db, b.id, err))
		return -1;
	calendar_changed(e);
	*out_id = b.id;
	/* on-demand servers keep away from its GPUs at once */
	return refresh(e, db, a, b.id, err) || bring_up(e, db, a, &b, now_us, err) ? -1 : 0;
}

static int check_free(
	struct db *db, struct arena *a, const struct block *b, int64_t end_us, struct error *err)
{
	struct block_host *hosts;
	struct block other;
	size_t n;
	int rc;

	if (b->project_id) {
		rc = store_block_behind(db, a, b, end_us, &other, err);
		return rc > 0 ? in_the_way(&other, "a GPU of it", err) : rc;
	}
	if (store_block_hosts(db, a, b->id, &hosts, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		rc = store_block_on_host(db, a, hosts[i].host_id, b->id, b->start_us, end_us, &other, err);
		if (rc)
			return rc > 0 ? in_the_way(&other, hosts[i].name, err) : -1;
	}
	return 0;
}

static int check_changeable(const struct block *b, struct error *err)
{
	return block_is_open(b) ? 0 : error_set(err, ERR_CONFLICT, "it has %s", b->state);
}

int flow_block_change(struct flow_engine *e, struct db *db, struct arena *a, struct block *b,
	const char *name, int64_t end_us, int64_t now_us, struct error *err)
{
	struct block_want w = { .start_us = b->start_us, .end_us = end_us ? end_us : b->end_us };

	if (check_changeable(b, err))
		return -1;
	if (end_us && (check_times(&w, now_us, err) || check_free(db, a, b, end_us, err)))
		return -1;
	b->name = name ? name : b->name;
	b->end_us = w.end_us;
	b->updated_us = now_us;
	calendar_changed(e);
	return store_block_edit(db, b->id, b->name, b->end_us, now_us, err);
}

int flow_block_cancel(struct flow_engine *e, struct db *db, struct arena *a, struct block *b, int64_t now_us,
	struct error *err)
{
	const struct change end = { .to = "cancelled",
		.act = b->project_id ? capacity_ended : maintenance_ended };

	if (check_changeable(b, err))
		return -1;
	calendar_changed(e);
	return set_state(e, db, a, b, &end, now_us, err);
}
