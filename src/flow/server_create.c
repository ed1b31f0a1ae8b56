/* SPDX-License-Identifier: Apache-2.0 */
/* Making servers: all that a server is, in one unit; then its disks, then its domain.
 *
 *	(request) --> disks --> spawn --> active
 *
 * A host that finds no room for it is not an error of the request: the server is made in ERROR, as Nova does.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "domain/ipam.h"
#include "domain/names.h"
#include "flow/decisions.h"
#include "flow/preempt.h"
#include "flow/server.h"
#include "flow/server_admit.h"
#include "flow/server_groups.h"
#include "flow/server_parts.h"
#include "flow/server_room.h"
#include "store/audit_notes.h"
#include "store/server_list.h"

/* WAITERS_MAX: for each of them all servers are looked at */
enum { COUNT_MAX = 1000, WAITERS_MAX = 32, MAC_TRIES = 8, GIB_SHIFT = 30 };

/* ---- the flow ---- */

static enum flow_verdict disks_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err)
{
	struct server_facts *f;
	enum flow_verdict v = server_load_domain(e, ro, act, err);

	if (v != FLOW_NEXT || act->want_delete)
		return v;
	f = act->facts;
	v = server_image_wait(ro, act, f->s.root_image_id, err);
	return v == FLOW_NEXT ? server_drive_load(e, ro, act, err) : v;
}

static int create_end(struct flow_engine *e, struct db *db, struct act *act, struct error *err)
{
	return server_settle(e, db, act, VM_ACTIVE, err);
}

int server_fail_disks(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_image_row image;
	struct server s;
	int rc = 0;

	if (why->code == ERR_NOT_FOUND) {
		if (store_server_load(db, &a, f->subject_id, &s, err))
			return -1;
		if (s.host_id && s.root_image_id)
			rc = store_host_image_find(db, &a, s.host_id, s.root_image_id, &image, err);
		if (rc < 0 || (rc > 0 && strcmp(image.state, "ready") == 0 &&
				      store_host_image_set(db, image.id, "error", why->msg, 0, err)))
			return -1;
	}
	return server_fail(e, db, f, why, err);
}

static const struct flow_step create_steps[] = {
	{ "disks", disks_load, server_disks_act, NULL, TASK_BLOCK_DEVICE_MAPPING, LINK_OPS, TIME_CALL },
	{ "spawn", server_load_domain, server_spawn_act, NULL, TASK_SPAWNING, LINK_OPS, TIME_START },
};

const struct flow_kind kind_server_create = {
	.name = "server_create",
	.subject = SUBJECT_SERVER,
	.steps = create_steps,
	.steps_n = ARRAY_LEN(create_steps),
	.deadline_s = 2 * 3600,
	.end = create_end,
	.fail = server_fail_disks,
};

/* ---- the request ---- */

struct making { /* one request's worth */
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	const struct server_create *want;
	const struct flow_origin *origin;
	struct flavor_wants wants;
	int64_t disk_gib; /* what it takes of a host */
	struct placement_choice *choices;
	bool placed;
	struct error no_host;
	/* not placed, but preemptible servers leave for those that find no place as it is */
	struct preempt_plan *plans;
	int64_t *ids; /* of the rows */
};

/* The image fits the disk, and how much of a host's disk the server takes. */
static int check_image(struct making *m, struct error *err)
{
	const struct server *s = &m->want->base;
	struct image_facts image;
	int64_t gib, blank = server_blanks_gib(s);
	int rc;

	m->disk_gib = s->disk_gib + blank;
	if (!s->image_id)
		return s->disk_gib
			       ? 0
			       : error_set(err, ERR_BAD_REQUEST, "A server without an image needs a disk.");
	rc = store_image_facts(m->db, m->a, s->image_id, &image, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || image.deleted || strcmp(image.status, "active") != 0)
		return error_set(err, ERR_BAD_REQUEST, "Image %.64s is not active.", rc ? image.uid : "");
	gib = (image.virtual_size + (1ll << GIB_SHIFT) - 1) >> GIB_SHIFT;
	if (s->disk_gib && gib > s->disk_gib)
		return error_set(err, ERR_BAD_REQUEST,
			"Flavor's disk is too small for requested image: %lld GiB, the image needs %lld GiB.",
			(long long)s->disk_gib, (long long)gib);
	if (!s->disk_gib)
		m->disk_gib = gib + blank;
	return 0;
}

static void fill_request(const struct making *m, struct placement_request *req)
{
	const struct server *s = &m->want->base;

	capacity_request(m->a, &m->wants, s->vcpus, s->ram_mib, m->disk_gib, req);
	str_copy(req->zone, sizeof req->zone, m->want->zone ? m->want->zone : "");
	str_copy(req->host, sizeof req->host, m->want->host ? m->want->host : "");
}

/* What is only explained is not written down. */
static int ask(struct making *m, const struct placement_request *req, size_t n)
{
	struct decision_asked who;

	if (!m->origin)
		return placement_choose(m->e->placement, req, n, m->choices, &m->no_host);
	who = (struct decision_asked) { .request_id = m->origin->request_id,
		.project_uid = m->origin->project_uid };
	return decision_choose(m->e, m->db, &who, req, n, m->choices, &m->no_host);
}

static int place(struct making *m, struct placement_request *req, struct error *err)
{
	struct server_rules rules = { m->want->group_id, m->want->hints, m->want->hints_n };
	size_t n = (size_t)m->want->count;

	fill_request(m, req);
	if (server_rules_fill(m->db, m->a, &rules, &m->wants, 0, req, err) ||
		server_rules_zones(m->db, m->a, m->want->base.project_id, req, err))
		return -1;
	if (req->preemptible && req->reservation)
		return error_set(
			err, ERR_BAD_REQUEST, "A preemptible server cannot use the GPUs of a reservation.");
	m->choices = ARENA_ARRAY(m->a, struct placement_choice, n);
	if (ask(m, req, n) == 0) {
		m->placed = true;
		return 0;
	}
	if (m->no_host.code == ERR_NO_HOST)
		return 0;
	*err = m->no_host;
	return -1;
}

/* Where there is no room, servers that are preemptible may leave for it: for one, or for several that need
 * not be close to each other; for all of them, or for none. */
static void plan_waits(struct making *m, const struct placement_request *req)
{
	struct placement *p = m->e->placement;
	size_t n = (size_t)m->want->count, mark = placement_mark(p);
	struct preempt_plan *plans = ARENA_ARRAY(m->a, struct preempt_plan, n);
	struct error ignored;

	if (req->preemptible || n > WAITERS_MAX ||
		(n > 1 && (req->policy != PLACEMENT_NO_GROUP || req->scope)))
		return;
	m->ids = ARENA_ARRAY(m->a, int64_t, n);
	m->plans = plans;
	for (size_t i = 0; i < n && m->plans; i++) {
		struct preempt_plan *x = &plans[i];

		m->ids[i] = store_next_id(m->e->cfg.store);
		if (placement_victims(p, req, NULL, &x->choice, x->leavers, PREEMPT_MAX, &x->n, &ignored))
			m->plans = NULL;
		else if (x->n)
			placement_host_hold(p, x->choice.host_id, m->ids[i]);
		else if (placement_take(p, m->ids[i], req, &x->choice, false, &ignored))
			m->plans = NULL;
	}
	placement_undo(p, mark);
}

/* NULL: there is none yet, or none at all. */
static const struct placement_choice *choice_of(const struct making *m, int i)
{
	if (m->placed)
		return &m->choices[i];
	return m->plans && !m->plans[i].n ? &m->plans[i].choice : NULL;
}

static void fill_names(const struct making *m, struct server *s, int i)
{
	const struct server_create *w = m->want;
	char *uid = arena_alloc(m->a, UUID_TEXT), *host = arena_alloc(m->a, HOSTNAME_TEXT);

	uuid_make(m->e->cfg.loop->rng, uid);
	s->uid = uid;
	if (w->numbered)
		s->name = arena_printf(m->a, "%s-%d", w->base.name, i + 1);
	if (!s->hostname) {
		hostname_make(s->name, uid, host);
		s->hostname = host;
	} else if (w->numbered) {
		s->hostname = arena_printf(m->a, "%.50s-%d", w->base.hostname, i + 1);
	}
	if (!s->reservation_id)
		s->reservation_id = arena_printf(m->a, "r-%.8s", uid);
}

static void fill_row(const struct making *m, struct server *s, int i)
{
	const struct placement_choice *c = choice_of(m, i);
	const struct link *l = c ? link_find(m->e, c->host_id) : NULL;

	*s = m->want->base;
	s->id = m->plans ? m->ids[i] : store_next_id(m->e->cfg.store);
	fill_names(m, s, i);
	s->launch_index = i;
	s->root_image_id = s->image_id;
	s->vm_state = VM_BUILDING;
	s->task_state = create_steps[0].task;
	s->power_state = POWER_NOSTATE;
	s->created_us = s->updated_us = m->origin->now_us;
	s->generation = 1;
	s->epoch = 1;
	s->zone = m->want->zone ? m->want->zone : "";
	if (!s->config_drive)
		s->admin_pass = NULL; /* nobody would hand it over */
	if (c) {
		s->host_id = c->host_id;
		if (!s->zone[0] && l)
			s->zone = arena_strdup(m->a, link_zone(l));
		return;
	}
	if (m->plans) {
		s->task_state = TASK_SCHEDULING;
		return;
	}
	s->vm_state = VM_ERROR;
	s->task_state = TASK_NONE;
	s->admin_pass = NULL;
	s->fault_code = 500;
	s->fault_message = arena_printf(m->a, "No valid host was found. %s", m->no_host.msg);
	s->fault_us = m->origin->now_us;
}

static int make_nic(
	const struct making *m, const struct server *s, const struct server_nic_want *nic, struct error *err)
{
	char uid[UUID_TEXT], mac[IPAM_MAC_TEXT];
	struct server_port_want want = {
		.project_id = s->project_id,
		.server_id = s->id,
		.network_id = nic->network_id,
		.fixed_ip = nic->fixed_ip,
		.uid = uid,
		.mac = mac,
		.now_us = m->origin->now_us,
	};
	const struct rng *rng = m->e->cfg.loop->rng;
	unsigned char bytes[3];
	int64_t id;

	if (nic->port_id)
		return store_server_port_join(
			m->db, nic->port_id, s->project_id, s->id, m->origin->now_us, err);
	for (int tries = 0;; tries++) {
		uuid_make(rng, uid);
		rng->fill(rng->ctx, bytes, sizeof bytes);
		ipam_mac(bytes, mac);
		if (store_server_port_make(m->db, &want, &id, err) == 0)
			break;
		if (err->code != ERR_CONFLICT || !strstr(err->detail, "port.mac") || tries == MAC_TRIES)
			return -1;
	}
	quota_index_add(m->e->quota, s->project_id, QUOTA_PORTS, 1);
	quota_index_add(m->e->quota, s->project_id, QUOTA_ADDRESSES, 1);
	return 0;
}

static int make_tags(const struct making *m, const struct server *s, struct error *err)
{
	bool is_new;

	for (size_t i = 0; i < m->want->tags_n; i++)
		if (store_server_tag_add(m->db, s->id, m->want->tags[i], &is_new, err))
			return -1;
	return 0;
}

static int make_rules(const struct making *m, const struct server *s, struct error *err)
{
	if (m->want->group_id && store_server_group_join(m->db, m->want->group_id, s->id, err))
		return -1;
	for (size_t i = 0; i < m->want->hints_n; i++)
		if (store_server_hint_add(m->db, s->id, &m->want->hints[i], err))
			return -1;
	return 0;
}

static int make_nics(const struct making *m, const struct server *s, struct error *err)
{
	for (size_t i = 0; i < m->want->nics_n; i++)
		if (make_nic(m, s, &m->want->nics[i], err))
			return -1;
	return 0;
}

static int note_choice(const struct making *m, const struct server *s, int i, struct error *err)
{
	const struct placement_choice *c = choice_of(m, i);
	const struct audit_choice note = { .server_id = s->id,
		.host_id = c ? c->host_id : 0,
		.waits_for_host = m->plans ? m->plans[i].choice.host_id : 0,
		.why = m->no_host.msg,
		.request_id = m->origin->request_id,
		.now_us = m->origin->now_us };

	return store_audit_choice(m->db, &note, err);
}

/* It has a place, or waits for one, or there is none for it. */
static int make_holdings(const struct making *m, const struct server *s, const struct placement_request *req,
	int i, int64_t action_id, struct error *err)
{
	const struct server_room room = {
		.req = req,
		.choice = choice_of(m, i),
		.action_id = action_id,
		.request_id = m->origin->request_id,
		.now_us = m->origin->now_us,
	};

	if (note_choice(m, s, i, err))
		return -1;
	if (!room.choice && !m->plans)
		return store_server_action_finish(m->db, action_id, room.now_us, s->fault_message, err);
	if (make_nics(m, s, err))
		return -1;
	if (room.choice)
		return server_create_begin(m->e, m->db, m->a, s, &room, err);
	return waiter_begin(m->e, m->db, s,
		&(struct waiter_wish) { .req = req, .plan = &m->plans[i], .action_id = action_id }, m->origin,
		err);
}

static int make_one(const struct making *m, const struct placement_request *req, int i, const char **out_uid,
	struct error *err)
{
	const struct flow_origin *o = m->origin;
	int64_t action_id;
	struct server s;

	fill_row(m, &s, i);
	if (store_server_insert(m->db, &s, err) ||
		store_server_metadata_set(m->db, s.id, m->want->metadata, m->want->metadata_n, false, err) ||
		make_tags(m, &s, err) || make_rules(m, &s, err) ||
		store_server_action_start(m->db, s.id, "create", o->request_id, o->user_uid, o->project_uid,
			o->now_us, &action_id, err))
		return -1;
	capacity_count_server(m->e->quota, &s, 1);
	*out_uid = s.uid;
	return make_holdings(m, &s, req, i, action_id, err);
}

static int making_wants(struct making *m, struct error *err)
{
	return capacity_wants(m->want->base.extra_specs, &m->wants, err);
}

static bool anyone(void *ctx, int64_t server_id)
{
	(void)ctx;
	(void)server_id;
	return true;
}

/* Would it wait for preemptible servers? */
static void explain_wait(struct making *m, struct server_explanation *x)
{
	plan_waits(m, &x->request);
	for (int i = 0; m->plans && i < m->want->count; i++)
		x->preempted += m->plans[i].n;
}

static void explain_change(struct flow_engine *e, struct server_explanation *x)
{
	const struct placement_may may = { anyone, NULL };
	struct placement_choice there;
	struct error none;

	if (placement_victims(e->placement, &x->request, &may, &there, x->leavers, EXPLAIN_LEAVERS_MAX,
		    &x->leavers_n, &none) == 0)
		x->change_host_id = there.host_id;
}

static int explain_limits(struct making *m, struct server_explanation *x, struct error *err)
{
	if (server_quota_check(m->e, m->db, m->want, &x->quota) && x->quota.code != ERR_OVER_QUOTA)
		return *err = x->quota, -1;
	if (server_guardrail_check(m->db, m->a, m->want, &m->wants, &x->guardrail) &&
		x->guardrail.code != ERR_FORBIDDEN)
		return *err = x->guardrail, -1;
	return 0;
}

int flow_server_explain(struct flow_engine *e, struct db *db, struct arena *a,
	const struct server_create *want, bool with_change, struct server_explanation *out, struct error *err)
{
	struct making *m = ARENA_NEW(a, struct making);

	*m = (struct making) { .e = e, .db = db, .a = a, .want = want };
	*out = (struct server_explanation) { .quota = { .code = ERR_NONE } };
	if (making_wants(m, err))
		return -1;
	if (want->base.project_id && explain_limits(m, out, err))
		return -1;
	if (check_image(m, err) || place(m, &out->request, err))
		return -1;
	out->placed = m->placed;
	out->choices = m->choices;
	out->no_host = m->no_host;
	out->verdicts_n = placement_hosts(e->placement);
	out->verdicts = ARENA_ARRAY(a, struct placement_verdict, out->verdicts_n + 1);
	placement_explain(e->placement, &out->request, out->verdicts);
	if (!out->placed)
		explain_wait(m, out);
	if (!out->placed && with_change)
		explain_change(e, out);
	return 0;
}

int flow_server_create(struct flow_engine *e, struct db *db, struct arena *a,
	const struct server_create *want, const struct flow_origin *origin, const char ***out_uids,
	struct error *err)
{
	struct making m = { .e = e, .db = db, .a = a, .want = want, .origin = origin };
	struct placement_request req;
	const char **uids;

	if (want->count < 1 || want->count > COUNT_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "the number of servers must be from 1 to %d", COUNT_MAX);
	if (making_wants(&m, err) || server_guardrail_check(db, a, want, &m.wants, err) ||
		server_quota_check(e, db, want, err) || check_image(&m, err) || place(&m, &req, err))
		return -1;
	if (!m.placed)
		plan_waits(&m, &req);
	uids = ARENA_ARRAY(a, const char *, (size_t)want->count);
	for (int i = 0; i < want->count; i++)
		if (make_one(&m, &req, i, &uids[i], err))
			return -1;
	*out_uids = uids;
	return 0;
}
