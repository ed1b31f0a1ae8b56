/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of hosts as a whole, by domain/host_evidence.h: weighed when a connection comes or goes and,
 * while a host is silent, by a timer; told to the row, to events and to placement in one unit. Proofs that a
 * host is down, and what has to be seen before one that was is used again. */
#include "flow/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/fence.h"
#include "store/allocations.h"
#include "store/audit_notes.h"
#include "store/event_rows.h"
#include "store/hosts.h"
#include "store/server_power.h"

enum { WATCH_MS = 1000, STALE_NOTED = 256 };

/* ---- weighing ---- */

struct evidence_verdict evidence_of(const struct link *l, bool connected)
{
	int64_t now = engine_mono(l->e), stands = l->state == LINK_CONNECTED ? now - l->known.up_us : 0;

	return evidence_weigh(&(struct evidence_facts) {
		.fenced = l->known.fenced,
		.stated = l->known.stated,
		.connected = connected,
		.failed = l->known.failed,
		.comes_back = l->known.comes_back,
		.unsteady = evidence_unsteady(
			&l->known.losses, now, stands, l->e->cfg.steady_s * INT64_C(1000000)),
		.was = l->known.told,
		.silent_us = now - l->known.heard_us,
		.unreachable_us = l->e->cfg.unreachable_s * INT64_C(1000000),
	});
}

static struct evidence_verdict as_it_is(const struct link *l)
{
	return evidence_of(l, l->state == LINK_CONNECTED);
}

void evidence_take(struct link *l, const struct host_row *h)
{
	l->known.fenced = h->forced_down && str_eq(h->down_proof, "fence");
	l->known.stated = h->forced_down && !l->known.fenced;
	l->known.comes_back = h->comes_back;
	if (l->telling)
		return; /* the row is about to change */
	if (!evidence_parse(h->evidence, &l->known.told))
		l->known.told = EVIDENCE_DOUBTFUL;
	/* Placement begins with the hosts that were there before: a create right after a restart finds them,
	 * and waits for the connection as one does that was under way. The first failure tells otherwise. */
	if (l->known.told == EVIDENCE_CONNECTED && !h->inventory_us)
		l->known.told = EVIDENCE_DOUBTFUL;
	str_copy(l->known.source, sizeof l->known.source, h->evidence_source);
	l->known.told_us = h->evidence_us;
}

void evidence_stands(struct link *l)
{
	l->known.up_us = engine_mono(l->e);
	l->known.auto_us = 0;
	l->known.held_why[0] = 0;
	evidence_tell(l);
}

void evidence_failed(struct link *l, bool stood)
{
	int64_t now = engine_mono(l->e);

	l->known.failed = true;
	l->known.clean = false;
	if (stood) {
		l->known.heard_us = now;
		evidence_lost(&l->known.losses, now);
	}
	evidence_tell(l);
}

/* ---- telling ---- */

int evidence_write(struct flow_engine *e, struct db *db, int64_t host_id, const struct evidence_verdict *v,
	int64_t epoch, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;

	if (store_host_load(db, &a, host_id, &h, err)) /* removed meanwhile: nothing to tell */
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (h.forced_down != (v->state == EVIDENCE_DOWN)) /* it was weighed before that was said */
		return 0;
	if (!str_eq(h.evidence, evidence_text(v->state)))
		h.evidence_us = engine_now(e);
	h.evidence = evidence_text(v->state);
	h.evidence_source = v->source;
	h.link_epoch = epoch;
	return store_host_set_evidence(db, &h, err);
}

struct telling {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id, epoch;
	struct evidence_verdict v;
};

static int telling_run(struct tick_unit *u, struct error *err)
{
	struct telling *t = CONTAINER_OF(u, struct telling, unit);
	struct db *db = store_rw(t->e->cfg.store);

	if (t->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	return evidence_write(t->e, db, t->host_id, &t->v, t->epoch, err) ||
			       capacity_host_set(t->e, db, t->host_id, t->v.state == EVIDENCE_CONNECTED, err)
		       ? -1
		       : 0;
}

static void watch_on(struct flow_engine *e);

/* Placement may be asked for a host by its memory of the row: so after a failure nothing was told. */
static void telling_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct telling *t = CONTAINER_OF(u, struct telling, unit);
	struct link *l = t->e->dead ? NULL : link_find(t->e, t->host_id);

	(void)err;
	if (l)
		l->telling--;
	if (l && outcome == TICK_DONE)
		evidence_tell(l); /* it may have changed meanwhile */
	else if (l) {             /* told again in a while */
		str_copy(l->known.source, sizeof l->known.source, "");
		watch_on(l->e);
	}
	free(t);
}

static bool is_told(const struct link *l, const struct evidence_verdict *v)
{
	return v->state == l->known.told && str_eq(v->source, l->known.source);
}

void evidence_note(struct link *l, const struct evidence_verdict *v)
{
	if (v->state != l->known.told)
		l->known.told_us = engine_now(l->e);
	l->known.told = v->state;
	str_copy(l->known.source, sizeof l->known.source, v->source);
}

static void watch(struct loop_timer *t);

/* Does time alone change what is known of it? */
static bool is_watched(const struct link *l)
{
	if (l->state == LINK_CONNECTED)
		return str_eq(l->known.source, "unsteady") || !l->known.source[0];
	return l->known.failed && l->known.told != EVIDENCE_DOWN &&
	       (l->known.told != EVIDENCE_UNREACHABLE || l->e->cfg.fence_auto_after_s);
}

/* Setting it again would put it off: failures may come more often than it. */
static void watch_on(struct flow_engine *e)
{
	if (!e->watching)
		loop_timer_set(e->cfg.loop, &e->watch, WATCH_MS, watch);
	e->watching = true;
}

void evidence_tell(struct link *l)
{
	struct flow_engine *e = l->e;
	struct evidence_verdict v = as_it_is(l);
	struct telling *t;

	if (e->stopping || e->dead || l->closing)
		return;
	if (is_watched(l))
		watch_on(e);
	if (!v.tell || is_told(l, &v))
		return;
	if (v.state != l->known.told)
		log_event(v.state == EVIDENCE_CONNECTED ? LOG_INFO : LOG_WARNING, "what is known of a host",
			"host", l->name, "was", evidence_text(l->known.told), "is", evidence_text(v.state),
			"by", v.source, NULL);
	evidence_note(l, &v);
	l->telling++;
	t = xcalloc(1, sizeof *t);
	*t = (struct telling) { .unit = { .run = telling_run, .finish = telling_finish },
		.e = e,
		.host_id = l->host_id,
		.epoch = l->epoch,
		.v = v };
	tick_submit(e->cfg.tick, &t->unit);
}

static void watch(struct loop_timer *t)
{
	struct flow_engine *e = CONTAINER_OF(t, struct flow_engine, watch);
	bool more = false;

	e->watching = false;
	if (e->dead || e->stopping)
		return;
	for (size_t i = 0; i < e->links.cap; i++) {
		struct link *l = (struct link *)(intptr_t)e->links.entries[i].value;

		if (e->links.entries[i].value == MAP_NONE || !is_watched(l))
			continue;
		evidence_tell(l);
		if (l->state != LINK_CONNECTED)
			fence_by_itself(e, l, engine_mono(e) - l->known.heard_us);
		more |= is_watched(l);
	}
	if (more)
		watch_on(e);
}

/* ---- proofs ---- */

/* Is anything left there of servers that went elsewhere, as far as the rows and the last look say? */
static int is_clean(struct db *db, const struct link *l, int64_t host_id, bool *out, struct error *err)
{
	int64_t left = 0;

	if (store_allocation_leaving(db, host_id, &left, err))
		return -1;
	*out = !left && l && l->known.clean;
	return 0;
}

static int taken_back(struct db *db, struct host_row *h, const struct link *l, struct evidence_verdict *out,
	struct error *err)
{
	bool clean = false;

	if (is_clean(db, l, h->id, &clean, err))
		return -1;
	h->forced_down = false;
	h->down_proof = h->down_by = h->down_reason = "";
	h->down_us = 0;
	h->comes_back = !clean;
	*out = (struct evidence_verdict) { EVIDENCE_DOUBTFUL, "start", true };
	if (l) { /* the link itself follows when that is on disk */
		struct link as = *l;

		as.known.fenced = as.known.stated = false;
		as.known.comes_back = h->comes_back;
		*out = as_it_is(&as);
	}
	return 0;
}

static int proof_note(struct flow_engine *e, struct db *db, const struct host_row *h, struct error *err)
{
	char reason[420];

	snprintf(reason, sizeof reason, "proof: %s, by %.64s%s%s", h->down_proof, h->down_by,
		h->down_reason[0] ? ": " : "", h->down_reason);
	return store_audit_note(db,
		&(struct audit_note) { .at_us = engine_now(e),
			.action = "host.proved_down",
			.target = h->uid,
			.status = 200,
			.reason = reason },
		err);
}

int flow_host_force_down(struct flow_engine *e, struct db *db, int64_t host_id,
	const struct host_proof *proof, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct link *l = link_find(e, host_id);
	struct evidence_verdict v = { EVIDENCE_DOWN, proof ? proof->proof : "", true };
	struct host_row h;

	if (store_host_load(db, &a, host_id, &h, err))
		return -1;
	if (!proof && !h.forced_down)
		return 0;
	if (proof) {
		h.forced_down = true;
		h.comes_back = false;
		h.down_proof = proof->proof;
		h.down_by = proof->by ? proof->by : "";
		h.down_reason = proof->reason ? proof->reason : "";
		h.down_us = engine_now(e);
		if (proof_note(e, db, &h, err))
			return -1;
	} else if (taken_back(db, &h, l, &v, err)) {
		return -1;
	}
	if (store_host_set_down(db, &h, err) || store_host_set_comes_back(db, host_id, h.comes_back, err) ||
		evidence_write(e, db, host_id, &v, l ? l->epoch : h.link_epoch, err))
		return -1;
	host_sync_later(e, host_id);
	return capacity_host_set(e, db, host_id, v.state == EVIDENCE_CONNECTED, err);
}

/* ---- one that comes back ---- */

static bool lives_here(const struct server_power *rows, size_t n, const char *uuid)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].uid, uuid) == 0)
			return true;
	return false;
}

static int stale_note(struct flow_engine *e, struct db *db, const struct host_row *h,
	const struct hv_seen *seen, const struct server_elsewhere *s, struct error *err)
{
	char reason[256];

	snprintf(reason, sizeof reason,
		"host %.64s was down and answers again: its domain there, of epoch %lld, %s; the server's "
		"epoch is "
		"%lld, and it %s",
		h->name, (long long)seen->epoch, seen->power == HV_POWER_RUNNING ? "runs" : "does not run",
		(long long)s->epoch, s->deleted ? "is deleted" : "lives elsewhere");
	return store_audit_server(db, s->id,
		&(struct audit_note) { .at_us = engine_now(e),
			.action = "server.stale_domain",
			.status = 200,
			.reason = reason },
		err);
}

int evidence_returned(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	int64_t stale = 0, running = 0, unknown = 0, foreign = 0;
	struct server_power *rows;
	struct host_row h;
	char data[160];
	size_t n;

	if (store_host_load(db, &a, look->host_id, &h, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (!h.forced_down && !h.comes_back)
		return 0;
	h.down_us = 0; /* it was heard: what proved it down proves nothing from here on */
	if (h.forced_down && store_host_set_down(db, &h, err))
		return -1;
	if (store_server_powers(db, &a, look->host_id, NULL, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < look->seen_n; i++) {
		const struct hv_seen *seen = &look->seen[i];
		struct server_elsewhere s;
		int rc;

		foreign += !seen->ours;
		if (!seen->ours || lives_here(rows, n, seen->uuid))
			continue;
		rc = store_server_elsewhere(db, seen->uuid, look->host_id, &s, err);
		if (rc < 0)
			return -1;
		unknown += rc == 0;
		stale += rc > 0;
		running += rc > 0 && seen->power == HV_POWER_RUNNING;
		if (rc > 0 && stale <= STALE_NOTED && stale_note(e, db, &h, seen, &s, err))
			return -1;
	}
	snprintf(data, sizeof data,
		"{\"stale\": %lld, \"running\": %lld, \"unknown\": %lld, \"foreign\": %lld, \"servers\": "
		"%zu}",
		(long long)stale, (long long)running, (long long)unknown, (long long)foreign, n);
	return event_host_note(db, "host.returned", look->host_id, data, err);
}

int evidence_left(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	const struct link *l = link_find(e, host_id);
	int64_t left = 0;

	if (!l || !(l->known.comes_back || l->known.fenced || l->known.stated))
		return 0;
	if (store_allocation_leaving(db, host_id, &left, err))
		return -1;
	if (!left) /* looks it over */
		host_sync_later(e, host_id);
	return 0;
}

struct settling {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id;
	bool done;
};

static int settling_run(struct tick_unit *u, struct error *err)
{
	struct settling *s = CONTAINER_OF(u, struct settling, unit);
	struct db *db = store_rw(s->e->cfg.store);
	struct link *l;

	if (s->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	l = link_find(s->e, s->host_id);
	if (is_clean(db, l, s->host_id, &s->done, err))
		return -1;
	return s->done ? store_host_set_comes_back(db, s->host_id, false, err) : 0;
}

static void settling_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct settling *s = CONTAINER_OF(u, struct settling, unit);
	struct link *l = s->e->dead ? NULL : link_find(s->e, s->host_id);

	(void)err;
	if (l && outcome == TICK_DONE && s->done) {
		l->known.comes_back = false;
		evidence_tell(l);
	}
	free(s);
}

void evidence_judged(struct link *l, size_t stale)
{
	struct settling *s;

	l->known.clean = stale == 0;
	if (stale || !l->known.comes_back || l->known.fenced || l->known.stated)
		return;
	s = xcalloc(1, sizeof *s);
	*s = (struct settling) {
		.unit = { .run = settling_run, .finish = settling_finish }, .e = l->e, .host_id = l->host_id
	};
	tick_submit(l->e->cfg.tick, &s->unit);
}
