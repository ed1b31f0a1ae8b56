/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to move a server: what is allowed, where it goes, and the first rows of the move. */
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "flow/claims.h"
#include "flow/move.h"
#include "flow/resize_wait.h"
#include "flow/server_groups.h"
#include "store/guardrails.h"
#include "store/hosts.h"
#include "store/quotas.h"
#include "store/server_power.h"

enum { GIB_SHIFT = 30 };

struct request {
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	struct server *s;
	const struct server_move *want;
	const struct flow_origin *origin;
	struct move_flavor flavor; /* that it shall have */
	struct flavor_wants wants;
	int64_t disk_gib;
	struct host_row source, dest;
	struct allocation_row held;
	int64_t *avoid;
	size_t avoid_n;
	bool back; /* its move to the dead host is undone: the old one has its disk still */
	struct placement_request req;
	struct placement_choice choice;
	struct preempt_plan *plan; /* who leaves for it */
	struct move m;
};

static int check_live(struct request *r, struct error *err);
static int check_evacuate(struct request *r, struct error *err);
static int check_resize(struct request *r, struct error *err);

static const struct move_rule {
	enum server_action action;
	const struct flow_kind *flow;
	const char *status; /* to begin with */
	int (*check)(struct request *r, struct error *err);
} rules[] = {
	[MOVE_RESIZE] = { ACTION_RESIZE, &kind_server_resize, "pre-migrating", check_resize },
	[MOVE_COLD] = { ACTION_MIGRATE, &kind_server_resize, "pre-migrating", NULL },
	[MOVE_LIVE] = { ACTION_MIGRATE_LIVE, &kind_server_migrate_live, "preparing", check_live },
	[MOVE_EVACUATION] = { ACTION_EVACUATE, &kind_server_evacuate, "pre-migrating", check_evacuate },
};

/* ---- what is allowed ---- */

static int check_quota(struct request *r, struct error *err)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts more = { .at = NULL };

	move_peak(r->e, r->s, &r->flavor, &more);
	return store_quota_admit(r->db, r->e->quota, r->s->project_id, &more, err);
}

static int check_guardrail(struct request *r, struct error *err)
{
	return store_guardrail_check(r->db, r->s->project_id,
		&(struct guardrail_ask) { .flavor_uid = r->flavor.uid, .preemptible = r->wants.preemptible },
		err);
}

static int check_resize(struct request *r, struct error *err)
{
	const struct server *s = r->s;
	const struct move_flavor *f = r->want->flavor;
	int64_t root_gib = r->held.disk_gib - server_blanks_gib(s);

	if (strcmp(f->uid, s->flavor_uid) == 0)
		return error_set(err, ERR_BAD_REQUEST, "When resizing, instances must change flavor!");
	if (s->disk_gib && !f->disk_gib)
		return error_set(err, ERR_BAD_REQUEST, "Resize to zero disk flavor is not allowed.");
	if ((f->disk_gib && f->disk_gib < root_gib) || f->ephemeral_gib < s->ephemeral_gib)
		return error_set(err, ERR_BAD_REQUEST,
			"Unable to resize disk down: flavor %.64s has %lld and %lld GiB, the server %lld and "
			"%lld.",
			f->name, (long long)f->disk_gib, (long long)f->ephemeral_gib, (long long)root_gib,
			(long long)s->ephemeral_gib);
	return check_guardrail(r, err) || check_quota(r, err) ? -1 : 0;
}

static bool reachable(const struct request *r, int64_t host_id)
{
	const struct link *l = link_find(r->e, host_id);

	return l && link_connected(l);
}

static int check_live(struct request *r, struct error *err)
{
	if (capacity_gpus(r->s->extra_specs))
		return error_set(err, ERR_BAD_REQUEST,
			"Instance %s has GPUs passed through, which cannot move live: stop it and migrate "
			"it.",
			r->s->uid);
	if (!reachable(r, r->s->host_id))
		return error_set(err, ERR_BAD_REQUEST,
			"Compute service of %s is unavailable at this time: a live migration needs its host.",
			r->source.name);
	return 0;
}

/* A flow that waits for the dead host gives way; one that is at work there is waited for. */
static int give_way(struct request *r, struct error *err)
{
	struct flow *f = flow_find(r->e, r->s->id);

	if (!f)
		return 0;
	if (flow_is_busy(f) && !f->gave_up)
		return error_set(err, ERR_CONFLICT,
			"Cannot 'evacuate' instance %s: a call to its host is under way; try again soon.",
			r->s->uid);
	if (f->action_id && store_server_action_finish(r->db, f->action_id, r->origin->now_us,
				    "the server is being evacuated", err))
		return -1;
	if (f->kind->give_way && f->kind->give_way(r->e, r->db, f, err))
		return -1;
	/* an image that is whole is the tenant's only copy */
	if (!r->s->shelved_us && server_shelved_forget(r->e, r->db, r->s, err))
		return -1;
	return flow_drop(r->e, r->db, f, err);
}

static int check_image(struct request *r, struct error *err)
{
	struct image_facts image;
	int rc;

	if (!r->s->image_id)
		return 0;
	rc = store_image_facts(r->db, r->a, r->s->image_id, &image, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || image.deleted)
		return error_set(err, ERR_BAD_REQUEST,
			"Instance %s cannot be made anew: its image %.64s is deleted.", r->s->uid,
			rc ? image.uid : "");
	return 0;
}

/* Its flow gives way. */
static int check_dead(struct request *r, struct error *err)
{
	if (!host_is_dead(r->e, r->db, r->s->host_id))
		return error_set(err, ERR_BAD_REQUEST,
			"Compute service of %s is %s: evacuate only when the host is known to be dead, and "
			"say so "
			"first (openstack compute service set --down %s nova-compute).",
			r->source.name, reachable(r, r->s->host_id) ? "still in use" : "not forced down",
			r->source.name);
	if (r->s->want_delete)
		return error_set(err, ERR_CONFLICT, "Instance %s is being deleted", r->s->uid);
	return give_way(r, err);
}

static int check_evacuate(struct request *r, struct error *err)
{
	return check_dead(r, err) || check_image(r, err) ? -1 : 0;
}

/* Does the move come to its end by itself, though the server's host is dead? An evacuation to another host
 * does; a live migration asks the other host where the guest is, unless that is dead, too. */
static bool goes_on(const struct request *r, const struct move *open)
{
	const struct flow *f = flow_find(r->e, r->s->id);

	if (open->kind == MOVE_EVACUATION)
		return !host_is_dead(r->e, r->db, r->s->host_id);
	if (open->kind != MOVE_LIVE || host_is_dead(r->e, r->db, open->dest_host_id))
		return false;
	return !reachable(r, open->dest_host_id) || (f && !f->gave_up); /* unheard: the guest may run there */
}

/* One move at a time; the last one may still be cleared away behind the server. */
static int check_open(struct request *r, struct error *err)
{
	struct move open;
	int rc = store_move_open(r->db, r->a, r->s->id, &open, err);

	if (rc < 0)
		return -1;
	if (rc > 0 && (r->want->kind != MOVE_EVACUATION || goes_on(r, &open)))
		return error_set(err, ERR_CONFLICT, "Instance %s is being moved: %s is %s", r->s->uid,
			move_kind_text(open.kind), open.status);
	r->back = rc > 0 && open.switched && (open.kind == MOVE_RESIZE || open.kind == MOVE_COLD);
	if (r->back) {
		r->m = open;
		return 0;
	}
	if (rc > 0 && move_abandon(r->e, r->db, r->s, r->origin->request_id, r->origin->now_us, err))
		return -1;
	if (store_allocation_get(r->db, r->a, r->s->id, &r->held, err) < 0)
		return -1;
	return leftover_avoid(r->db, r->a, r->s->id, &r->avoid, &r->avoid_n, err);
}

/* ---- where it goes ---- */

static int fill(struct request *r, const char *host, struct error *err)
{
	struct placement_request *req = &r->req;

	capacity_request(r->a, &r->wants, r->flavor.vcpus, r->flavor.ram_mib, r->disk_gib, req);
	req->avoid = r->avoid;
	req->avoid_n = r->avoid_n;
	/* an administrator's choice of a host is above the zone */
	str_copy(req->zone, sizeof req->zone, host ? "" : r->s->zone);
	str_copy(req->host, sizeof req->host, host ? host : "");
	return server_rules_request(r->db, r->a, r->s->id, &r->wants, req, err);
}

static struct decision_asked asked(const struct request *r)
{
	return (struct decision_asked) { .request_id = r->origin->request_id,
		.project_uid = r->origin->project_uid,
		.server_id = r->s->id };
}

/* Does the other flavor fit on its host? */
static bool fits_here(struct request *r, struct error *err)
{
	const struct decision_asked who = asked(r);

	return fill(r, r->source.name, err) == 0 &&
	       move_choose_beside(r->e, r->db, &who, &r->held, &r->req, &r->choice, err) == 0;
}

static int no_host(const struct error *why, struct error *err)
{
	struct error reason = *why;

	if (reason.code != ERR_NO_HOST)
		return *err = reason, -1;
	error_set(err, ERR_BAD_REQUEST, "No valid host was found. %.200s", reason.msg);
	return error_detail(err, "%s", reason.detail);
}

static int choose_named(struct request *r, struct error *err)
{
	struct host_row h;

	if (store_host_get(r->db, r->a, r->want->host, &h, err))
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Compute host %.64s could not be found.",
					 r->want->host)
			       : -1;
	if (h.id == r->s->host_id)
		return error_set(err, ERR_BAD_REQUEST, "Unable to migrate instance %s to current host %.64s.",
			r->s->uid, h.name);
	for (size_t i = 0; i < r->avoid_n; i++)
		if (r->avoid[i] == h.id)
			return error_set(err, ERR_CONFLICT,
				"Host %.64s is still being cleared of instance %s.", h.name, r->s->uid);
	return fill(r, h.name, err);
}

/* Preemptible servers leave another host for a server that shall be resized. */
static bool others_leave(struct request *r, const struct error *why)
{
	struct error ignored;

	if (why->code != ERR_NO_HOST || r->want->kind != MOVE_RESIZE || r->want->action_id ||
		r->req.preemptible)
		return false;
	r->plan = ARENA_NEW(r->a, struct preempt_plan);
	return placement_victims(r->e->placement, &r->req, NULL, &r->plan->choice, r->plan->leavers,
		       PREEMPT_MAX, &r->plan->n, &ignored) == 0 &&
	       r->plan->n;
}

/* Its own host, and those that the caller will not have. */
static void avoid_more(struct request *r)
{
	size_t n = r->avoid_n + r->want->avoid_n;
	int64_t *all = ARENA_ARRAY(r->a, int64_t, n + 1);

	if (r->avoid_n)
		memcpy(all, r->avoid, r->avoid_n * sizeof *all);
	if (r->want->avoid_n)
		memcpy(all + r->avoid_n, r->want->avoid, r->want->avoid_n * sizeof *all);
	all[n] = r->s->host_id;
	r->avoid = all;
	r->avoid_n = n + 1;
}

/* 1: it waits for r->plan. */
static int choose(struct request *r, struct error *err)
{
	const struct decision_asked who = asked(r);
	struct error why = { 0 };

	if (r->want->kind == MOVE_RESIZE && !r->e->cfg.resize_elsewhere && fits_here(r, &why))
		return 0;
	avoid_more(r);
	if (r->want->host ? choose_named(r, err) : fill(r, NULL, err))
		return -1;
	if (r->want->drain && placement_choose(r->e->placement, &r->req, 1, &r->choice, &why))
		return *err = why, -1;
	if (decision_choose(r->e, r->db, &who, &r->req, 1, &r->choice, &why) == 0)
		return 0;
	return others_leave(r, &why) ? 1 : no_host(&why, err);
}

/* ---- the first rows ---- */

static int take(struct request *r, struct error *err)
{
	if (r->choice.host_id == r->s->host_id)
		return move_take_beside(r->e, r->db, r->a, r->m.id, &r->held, &r->req, &r->choice, err);
	return claim_take(r->e, r->db, r->a, r->m.id, r->s->id, &r->req, &r->choice, err);
}

static void fill_move(struct request *r)
{
	char *uid = arena_alloc(r->a, UUID_TEXT);

	uuid_make(r->e->cfg.loop->rng, uid);
	r->m = (struct move) {
		.id = store_next_id(r->e->cfg.store),
		.uid = uid,
		.server_id = r->s->id,
		.kind = r->want->kind,
		.status = rules[r->want->kind].status,
		.source_host_id = r->s->host_id,
		.dest_host_id = r->choice.host_id,
		.source_host = r->source.name,
		.dest_host = r->dest.name,
		.other = r->flavor,
		.old_flavor_id = r->want->old_flavor_id,
		.new_flavor_id = r->want->new_flavor_id,
		/* what was in its memory is lost with the host, and it did not run */
		.was_off = r->s->vm_state == VM_STOPPED ||
			   (r->want->kind == MOVE_EVACUATION &&
				   (r->s->vm_state == VM_PAUSED || r->s->vm_state == VM_SUSPENDED)),
		.direct = r->want->drain,
		.user_uid = r->origin->user_uid,
		.created_us = r->origin->now_us,
		.updated_us = r->origin->now_us,
	};
}

/* The old host is dead: the server lives at the new one from here on, and the old place is cleared when the
 * host comes back. */
static int leave_now(struct request *r, struct error *err)
{
	struct server *s = r->s;

	s->root_image_id = s->image_id;
	s->rescue_image_id = 0; /* a rescue that had begun is lost with the rest */
	s->admin_pass = s->config_drive ? r->want->admin_pass : NULL;
	s->power_state = POWER_NOSTATE;
	if (move_switch(r->e, r->db, r->a, s, &r->m, err))
		return -1;
	if (s->image_id && image_stage_ensure(r->e, r->db, r->a, s->host_id, s->image_id,
				   r->origin->request_id, r->origin->now_us, err))
		return -1;
	return leftover_begin(r->e, r->db, r->m.id, r->origin->request_id, r->origin->now_us, err);
}

static int begin(struct request *r, struct error *err)
{
	const struct move_rule *rule = &rules[r->want->kind];
	const struct server_start start = {
		.action = rule->action, .kind = rule->flow, .arg_id = r->m.id, .action_id = r->want->action_id
	};

	if (store_server_project(r->db, r->a, r->s->project_id, &r->m.project_uid, err) ||
		store_move_insert(r->db, &r->m, err) || take(r, err))
		return -1;
	move_count(r->e, r->s, &r->m.other);
	if (r->want->kind == MOVE_EVACUATION && leave_now(r, err))
		return -1;
	return server_start(r->e, r->db, r->s, &start, r->origin, err);
}

static int go_back(struct request *r, struct error *err)
{
	const struct server_start start = {
		.action = ACTION_EVACUATE, .kind = &kind_server_resize_revert, .arg_id = r->m.id
	};

	if (check_dead(r, err) || store_move_status(r->db, r->m.id, "error", false, r->origin->now_us, err))
		return -1;
	return server_start(r->e, r->db, r->s, &start, r->origin, err);
}

int flow_server_move(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_move *want, bool is_admin, const struct flow_origin *origin, struct error *err)
{
	const struct move_rule *rule = &rules[want->kind];
	struct request r = { .e = e, .db = db, .a = a, .s = s, .want = want, .origin = origin };
	int rc;

	if (server_may(s, rule->action, is_admin, err) || store_host_load(db, a, s->host_id, &r.source, err))
		return -1;
	r.flavor = want->kind == MOVE_RESIZE ? *want->flavor : move_flavor_of(s);
	if (check_open(&r, err))
		return -1;
	if (r.back)
		return go_back(&r, err);
	if (capacity_wants(r.flavor.extra_specs, &r.wants, err))
		return -1;
	r.disk_gib = r.held.disk_gib;
	if (want->kind == MOVE_RESIZE && r.flavor.disk_gib)
		r.disk_gib = r.flavor.disk_gib;
	else if (want->kind == MOVE_RESIZE)
		r.disk_gib -= server_blanks_gib(s);
	if (want->kind == MOVE_RESIZE)
		r.disk_gib += server_blanks_gib(&(struct server) {
			.ephemeral_gib = r.flavor.ephemeral_gib, .swap_mib = r.flavor.swap_mib });
	if (rule->check && rule->check(&r, err))
		return -1;
	rc = choose(&r, err);
	if (rc)
		return rc < 0 ? -1 : resize_wait_begin(e, db, s, want, &r.req, r.plan, origin, err);
	if (store_host_load(db, a, r.choice.host_id, &r.dest, err))
		return -1;
	fill_move(&r);
	if (begin(&r, err) == 0)
		return 0;
	if (want->action_id ||
		want->drain) /* rows were written: the unit of who waited has to fail, it may not give up */
		err->code = ERR_INTERNAL;
	return -1;
}

/* ---- what follows a resize ---- */

static int finished(
	struct db *db, struct arena *a, const struct server *s, struct move *out, struct error *err)
{
	int rc = store_move_open(db, a, s->id, out, err);

	if (rc == 0 || (rc > 0 && strcmp(out->status, "finished") != 0))
		return error_set(err, ERR_BAD_REQUEST, "Instance %s has not been resized.", s->uid);
	return rc < 0 ? -1 : 0;
}

static enum vm_state state_of(const struct move *m, const struct server *s)
{
	return m->was_off || s->power_state == POWER_SHUTDOWN || s->power_state == POWER_CRASHED ? VM_STOPPED
												 : VM_ACTIVE;
}

int flow_server_confirm(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	bool is_admin, const struct flow_origin *origin, struct error *err)
{
	int64_t action_id, now_us = origin->now_us;
	struct move m;

	if (server_may(s, ACTION_CONFIRM_RESIZE, is_admin, err) || finished(db, a, s, &m, err))
		return -1;
	s->vm_state = state_of(&m, s);
	s->updated_us = now_us;
	if (store_server_save(db, s, err) ||
		move_close(e, db, s, &m, "confirmed", origin->request_id, now_us, err) ||
		store_server_action_start(db, s->id, "confirmResize", origin->request_id, origin->user_uid,
			origin->project_uid, now_us, &action_id, err))
		return -1;
	return store_server_action_finish(db, action_id, now_us, NULL, err);
}

int flow_server_revert(struct flow_engine *e, struct db *db, struct arena *a, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err)
{
	struct server_start start = { .action = ACTION_REVERT_RESIZE, .kind = &kind_server_resize_revert };
	struct move m;

	if (server_may(s, ACTION_REVERT_RESIZE, is_admin, err) || finished(db, a, s, &m, err) ||
		store_move_status(db, m.id, "reverting", false, origin->now_us, err))
		return -1;
	start.arg_id = m.id;
	return server_start(e, db, s, &start, origin, err);
}
