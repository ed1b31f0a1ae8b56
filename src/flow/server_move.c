/* SPDX-License-Identifier: Apache-2.0 */
/* Moves as rows and memory: room at two places while one is open, the switch from one to the other, and the
 * end. What happens on hosts is in server_resize.c, server_live.c, server_evacuate.c and leftover.c. */
#include "flow/claims.h"
#include "flow/move.h"
#include "flow/preempt.h"

#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "store/allocations.h"
#include "store/hosts.h"
#include "store/server_power.h"

/* ---- loads ---- */

static enum flow_verdict load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f;
	struct move *m = ARENA_NEW(&act->arena, struct move);
	enum flow_verdict v = server_load_domain(e, ro, act, err);
	int rc;

	if (v != FLOW_NEXT)
		return v;
	f = act->facts;
	f->image_dir = e->cfg.image_dir;
	rc = store_move_load(ro, &act->arena, act->flow->arg_id, m, err);
	if (rc == 0)
		error_internal(err, "move %lld has no row", (long long)act->flow->arg_id);
	if (rc <= 0)
		return FLOW_FAIL;
	f->move = m;
	return FLOW_NEXT;
}

enum flow_verdict move_load_home(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	return load(e, ro, act, err);
}

enum flow_verdict move_load_source(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = load(e, ro, act, err);

	if (v == FLOW_NEXT)
		act->host_id = ((struct server_facts *)act->facts)->move->source_host_id;
	return v;
}

enum flow_verdict move_load_dest(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	enum flow_verdict v = load(e, ro, act, err);

	if (v == FLOW_NEXT)
		act->host_id = ((struct server_facts *)act->facts)->move->dest_host_id;
	return v;
}

bool host_is_dead(struct flow_engine *e, struct db *db, int64_t host_id)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct link *l = link_find(e, host_id);
	struct host_row h;
	struct error ignored;

	return !(l && link_connected(l)) && store_host_load(db, &a, host_id, &h, &ignored) == 0 &&
	       h.forced_down && h.down_us;
}

enum flow_verdict unless_dead(
	struct flow_engine *e, struct db *ro, const struct act *act, enum flow_verdict v, struct error *err)
{
	if (v != FLOW_NEXT || act->want_delete || !host_is_dead(e, ro, act->host_id))
		return v;
	error_set(err, ERR_CONFLICT, "the host is dead");
	return FLOW_FAIL;
}

/* ---- what is held ---- */

int move_hold(struct flow_engine *e, struct db *db, const struct allocation_row *a, struct error *err)
{
	struct placement_request req;
	struct placement_choice c;

	claim_held(a, &req, &c);
	return store_allocation_restore(db, a, err) ||
			       placement_take(e->placement, a->id, &req, &c, true, err)
		       ? -1
		       : 0;
}

static int take_away(struct flow_engine *e, struct db *db, int64_t allocation_id, struct error *err)
{
	if (store_allocation_remove(db, allocation_id, err))
		return -1;
	placement_release(e->placement, allocation_id);
	return 0;
}

int move_unhold(struct flow_engine *e, struct db *db, int64_t allocation_id, struct error *err)
{
	return claim_reset(e, db, allocation_id, err) ? -1 : take_away(e, db, allocation_id, err);
}

int move_hold_as(struct flow_engine *e, struct db *db, int64_t allocation_id, const struct allocation_row *a,
	struct error *err)
{
	return take_away(e, db, allocation_id, err) ? -1 : move_hold(e, db, a, err);
}

int move_rehold(struct flow_engine *e, struct db *db, const struct allocation_row *a,
	const struct allocation_row *b, struct error *err)
{
	return take_away(e, db, a->id, err) || take_away(e, db, b->id, err) || move_hold(e, db, a, err) ||
			       move_hold(e, db, b, err)
		       ? -1
		       : 0;
}

static int held_by(struct db *db, struct arena *a, int64_t id, struct allocation_row *out, struct error *err)
{
	int rc = store_allocation_get(db, a, id, out, err);

	if (rc == 0)
		return error_internal(err, "allocation %lld is not there", (long long)id);
	return rc < 0 ? -1 : 0;
}

void move_peak(struct flow_engine *e, const struct server *s, const struct move_flavor *other,
	struct quota_amounts *out)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts own = { .at = NULL }, others = { .at = NULL };
	struct capacity_size size = capacity_size_of(s);

	capacity_amounts(e->quota, &size, &own);
	size = (struct capacity_size) { other->vcpus, other->ram_mib, other->disk_gib + other->ephemeral_gib,
		other->extra_specs };
	capacity_amounts(e->quota, &size, &others);
	quota_amounts_over(&others, &own, out);
}

/* Adds (sign 1) or takes away (-1) what the project's quota counts for the move: by how much the other flavor
 * is larger. */
static void count_peak(
	struct flow_engine *e, const struct server *s, const struct move_flavor *other, int sign)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts more = { .at = NULL };

	move_peak(e, s, other, &more);
	quota_index_add_all(e->quota, s->project_id, &more, sign);
}

/* ---- the switch and the end ---- */

static const char *zone_of(struct flow_engine *e, struct arena *a, const struct server *s, int64_t host_id)
{
	const struct link *l = link_find(e, host_id);

	return l ? arena_strdup(a, link_zone(l)) : s->zone;
}

int move_switch(struct flow_engine *e, struct db *db, struct arena *a, struct server *s, struct move *m,
	struct error *err)
{
	struct move_flavor was = move_flavor_of(s), is = m->other;
	struct allocation_row home, other;

	if (held_by(db, a, s->id, &home, err) || held_by(db, a, m->id, &other, err))
		return -1;
	if (home.host_id == other.host_id) {
		move_share(a, &was, &is, &home, &other);
	} else {
		struct allocation_row swap = home;

		home = other;
		other = swap;
		home.id = s->id;
		other.id = m->id;
		s->zone = zone_of(e, a, s, home.host_id);
	}
	if (s->host_id != home.host_id && preempt_left(e, db, s->id, err))
		return -1;
	s->host_id = home.host_id;
	s->epoch++;
	m->other = was;
	m->switched = !m->switched;
	return move_rehold(e, db, &home, &other, err) || store_server_reflavor(db, s, &is, err) ||
			       store_move_switched(db, m->id, m->switched, &was, err) ||
			       store_server_save(db, s, err)
		       ? -1
		       : 0;
}

int move_close(struct flow_engine *e, struct db *db, const struct server *s, const struct move *m,
	const char *status, const char *request_id, int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	/* After an error the domain may be the other flavor's still. Who is deleted may still run on a host
	 * that is dead; parts of GPUs have to go on the host first. */
	bool defined = strcmp(status, "error") != 0;
	struct allocation_row other;
	int rc = store_allocation_get(db, &a, m->id, &other, err);

	if (rc < 0 || store_move_status(db, m->id, status, true, now_us, err))
		return -1;
	count_peak(e, s, &m->other, -1);
	if (rc == 0)
		return 0;
	if (other.host_id == s->host_id && !s->want_delete && !other.parts_n && defined)
		return move_unhold(e, db, m->id, err) || waiter_room(e, db, s->host_id, err) ? -1 : 0;
	other.also_n = 0; /* it is not switched to any more */
	return take_away(e, db, m->id, err) || move_hold(e, db, &other, err) ||
			       leftover_begin(e, db, m->id, request_id, now_us, err)
		       ? -1
		       : 0;
}

int move_abandon(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct move m;
	int rc = store_move_open(db, &a, s->id, &m, err);

	if (rc <= 0)
		return rc;
	return move_close(e, db, s, &m, strcmp(m.status, "finished") == 0 ? "confirmed" : "error", request_id,
		now_us, err);
}

int move_settle(struct flow_engine *e, struct db *db, const struct act *act, enum vm_state vm, int power,
	struct error *err)
{
	struct server_settled to = {
		.id = act->flow->subject_id,
		.vm_state = vm,
		.power_state = power,
		.seen_epoch = act->link_epoch,
		.now_us = act->now_us,
		.launched = vm == VM_ACTIVE,
		.forget_pass = true,
	};

	(void)e;
	return store_server_settle(db, &to, err);
}

void move_count(struct flow_engine *e, const struct server *s, const struct move_flavor *other)
{
	count_peak(e, s, other, 1);
}
