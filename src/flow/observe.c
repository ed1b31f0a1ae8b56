/* SPDX-License-Identifier: Apache-2.0 */
/* What was seen of a host, against the rows. An observation that failed does not come here and changes
 * nothing; one that was begun before a flow left the server as it is says nothing about it; what is not ours
 * is never touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/custody.h"
#include "flow/move.h"
#include "flow/restored.h"
#include "flow/server_parts.h"
#include "store/audit_notes.h"
#include "store/server_power.h"
#include "store/servers.h"

static const int power_numbers[] = {
	[HV_POWER_ABSENT] = POWER_NOSTATE,
	[HV_POWER_RUNNING] = POWER_RUNNING,
	[HV_POWER_PAUSED] = POWER_PAUSED,
	[HV_POWER_SHUTOFF] = POWER_SHUTDOWN,
	[HV_POWER_CRASHED] = POWER_CRASHED,
	[HV_POWER_SUSPENDED] = POWER_SUSPENDED,
};

/* ---- servers ---- */

/* The state that follows when nobody is at work on the server. Everything else stays. */
static const struct {
	enum vm_state from;
	enum hv_power seen;
	enum vm_state to;
} follows[] = {
	{ VM_ACTIVE, HV_POWER_SHUTOFF, VM_STOPPED },
	{ VM_ACTIVE, HV_POWER_CRASHED, VM_STOPPED },
	{ VM_ACTIVE, HV_POWER_ABSENT, VM_ERROR },
	{ VM_PAUSED, HV_POWER_SHUTOFF, VM_STOPPED },
	{ VM_PAUSED, HV_POWER_CRASHED, VM_STOPPED },
	{ VM_PAUSED, HV_POWER_ABSENT, VM_ERROR },
	{ VM_PAUSED, HV_POWER_RUNNING, VM_ACTIVE },
	{ VM_STOPPED, HV_POWER_RUNNING, VM_ACTIVE },
	/* memory that was saved, by us or by hand on the host */
	{ VM_ACTIVE, HV_POWER_SUSPENDED, VM_SUSPENDED },
	{ VM_PAUSED, HV_POWER_SUSPENDED, VM_SUSPENDED },
	{ VM_STOPPED, HV_POWER_SUSPENDED, VM_SUSPENDED },
	{ VM_SUSPENDED, HV_POWER_RUNNING, VM_ACTIVE },
	{ VM_SUSPENDED, HV_POWER_PAUSED, VM_PAUSED },
	{ VM_SUSPENDED, HV_POWER_SHUTOFF, VM_STOPPED },
	{ VM_SUSPENDED, HV_POWER_ABSENT, VM_ERROR },
	{ VM_RESCUED, HV_POWER_ABSENT, VM_ERROR },
};

static enum vm_state state_after(enum vm_state from, enum hv_power seen)
{
	for (size_t i = 0; i < ARRAY_LEN(follows); i++)
		if (follows[i].from == from && follows[i].seen == seen)
			return follows[i].to;
	return from;
}

bool observe_follows(enum vm_state from, enum hv_power seen)
{
	return state_after(from, seen) != from;
}

static int compare_seen(const void *a, const void *b)
{
	return strcmp(((const struct hv_seen *)a)->uuid, ((const struct hv_seen *)b)->uuid);
}

void observe_sort(struct host_look *look)
{
	if (look->seen_n)
		qsort(look->seen, look->seen_n, sizeof *look->seen, compare_seen);
}

/* What the look says of a server: absence from a whole list is an answer too. A domain with its uuid that
 * does not carry our mark is not the server. */
const struct hv_seen *observe_find(const struct host_look *look, const char *uid)
{
	struct hv_seen key;
	const struct hv_seen *seen;

	if (!look->seen_n)
		return NULL;
	str_copy(key.uuid, sizeof key.uuid, uid);
	seen = bsearch(&key, look->seen, look->seen_n, sizeof key, compare_seen);
	return seen && seen->ours ? seen : NULL;
}

static enum hv_power power_in(const struct host_look *look, const char *uid)
{
	const struct hv_seen *seen = observe_find(look, uid);

	return seen ? seen->power : HV_POWER_ABSENT;
}

static int note_found(
	struct db *db, const struct server_power *p, enum vm_state to, int64_t now_us, struct error *err)
{
	char reason[96];
	const struct audit_note note = {
		.at_us = now_us, .action = "server.found", .status = 200, .reason = reason
	};

	snprintf(reason, sizeof reason, "was %s, is %s", vm_state_text(p->vm_state), vm_state_text(to));
	return store_audit_server(db, p->id, &note, err);
}

static int server_changed(struct db *db, const struct host_look *look, const struct server_power *p,
	enum hv_power seen, int64_t now_us, struct error *err)
{
	enum vm_state to = state_after(p->vm_state, seen);

	if (store_server_set_power(
		    db, p->id, to, power_numbers[seen], look->started_us, look->epoch, now_us, err))
		return -1;
	if (to == p->vm_state)
		return 0;
	if (note_found(db, p, to, now_us, err))
		return -1;
	log_event(LOG_NOTICE, "server found in another state", "server", p->uid, "was",
		vm_state_text(p->vm_state), "is", vm_state_text(to), NULL);
	if (to != VM_ERROR)
		return 0;
	return store_server_fault(
		db, p->id, 500, "The server's domain is gone from its host.", NULL, look->started_us, err);
}

/* Somebody set the clock back since it was seen: no look could count until the clock is there again. */
static bool seen_in_future(const struct server_power *p, int64_t now_us)
{
	return !p->has_flow && p->power_seen_us > now_us;
}

static bool says_something(const struct host_look *look, const struct server_power *p, enum hv_power seen)
{
	if (p->has_flow || look->started_us <= p->power_seen_us)
		return false;
	return p->power_state != power_numbers[seen] || state_after(p->vm_state, seen) != p->vm_state;
}

/* How many rows differ; they are brought in line when `write`. -1. */
static int servers_compare(
	struct db *db, const struct host_look *look, int64_t now_us, bool write, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server_power *rows;
	size_t n;
	int differ = 0;

	if (store_server_powers(db, &a, look->host_id, look->one, &rows, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		enum hv_power seen = power_in(look, rows[i].uid);

		if (seen_in_future(&rows[i], now_us)) { /* the next look counts */
			differ++;
			if (write && store_server_set_seen(db, rows[i].id, now_us, err))
				return -1;
			continue;
		}
		if (!says_something(look, &rows[i], seen))
			continue;
		differ++;
		if (write && server_changed(db, look, &rows[i], seen, now_us, err))
			return -1;
	}
	return differ;
}

int observe_differs(struct flow_engine *e, struct db *ro, const struct host_look *look, struct error *err)
{
	int n = servers_compare(ro, look, engine_now(e), false, err);

	return n > 0 ? 1 : n;
}

bool observe_event(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen)
{
	struct error err;
	int64_t id;
	int power;
	struct flow *f;

	if (store_server_find_power(store_ro(e->cfg.store), host_id, seen->uuid, &id, &power, &err) <= 0)
		return false;
	f = map_ptr(&e->flows, id);
	if (!f)
		return power != power_numbers[seen->power];
	/* the flow looks itself; what came while it was busy is checked when it is done */
	flow_note_event(f, host_id, seen);
	flow_kick(e, id);
	return false;
}

struct stray { /* a domain of an older epoch, where its server holds nothing */
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id, epoch;
	char uuid[UUID_TEXT];
};

static int stray_run(struct tick_unit *u, struct error *err)
{
	struct stray *y = CONTAINER_OF(u, struct stray, unit);
	struct db *db = store_rw(y->e->cfg.store);
	struct server_elsewhere s;
	int rc;

	if (y->e->dead)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	rc = store_server_elsewhere(db, y->uuid, y->host_id, &s, err);
	if (rc <= 0 || s.deleted || s.holds || y->epoch >= s.epoch)
		return rc < 0 ? -1 : 0;
	return leftover_seen(y->e, db, s.id, y->host_id, engine_now(y->e), err);
}

static void stray_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	(void)outcome; /* the next look finds it again */
	(void)err;
	free(CONTAINER_OF(u, struct stray, unit));
}

static void stray_clear(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen)
{
	struct stray *y = xcalloc(1, sizeof *y);

	y->unit = (struct tick_unit) { .run = stray_run, .finish = stray_finish };
	y->e = e;
	y->host_id = host_id;
	y->epoch = seen->epoch;
	str_copy(y->uuid, sizeof y->uuid, seen->uuid);
	tick_submit(e->cfg.tick, &y->unit);
}

/* True: its server does not live there. A server that is deleted has no domain; one that lives elsewhere and
 * holds nothing here has none here, and what carries an older epoch came late. A domain whose server is not
 * known at all, or that is newer than its row, is left for the operator: the rows may be older than the
 * domain. */
static bool orphan(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen)
{
	struct server_elsewhere s;
	struct error err;
	int rc = store_server_elsewhere(store_ro(e->cfg.store), seen->uuid, host_id, &s, &err);

	if (rc < 0 || !link_find(e, host_id))
		return false;
	if (rc == 0) {
		restored_keeps(e, host_id, seen, "unknown");
		log_event(LOG_WARNING, "a domain with our mark belongs to no known server", "domain",
			seen->uuid, NULL);
	} else if ((s.deleted || !s.holds) && flow_restored(e)) {
		restored_keeps(e, host_id, seen, s.deleted ? "deleted" : "elsewhere");
	} else if (s.deleted)
		link_clear(link_find(e, host_id), seen->uuid);
	else if (!s.holds && seen->epoch < s.epoch)
		stray_clear(e, host_id, seen);
	else if (!s.holds)
		log_event(LOG_WARNING, "a server has a domain where it does not live", "server", seen->uuid,
			NULL);
	return rc > 0;
}

size_t observe_orphans(struct flow_engine *e, const struct host_look *look)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server_power *rows;
	struct error err;
	size_t n, i = 0, stale = 0;

	if (store_server_powers(store_ro(e->cfg.store), &a, look->host_id, NULL, &rows, &n, &err))
		return SIZE_MAX;
	restored_look(e, look->host_id);
	/* both are sorted */
	for (size_t k = 0; k < look->seen_n; k++) {
		while (i < n && strcmp(rows[i].uid, look->seen[k].uuid) < 0)
			i++;
		if (look->seen[k].ours && (i == n || strcmp(rows[i].uid, look->seen[k].uuid) != 0))
			stale += orphan(e, look->host_id, &look->seen[k]);
	}
	return stale;
}

int observe_apply(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err)
{
	if (look->has_inventory && inventory_apply(e, db, look, err))
		return -1;
	if (servers_compare(db, look, engine_now(e), true, err) < 0)
		return -1;
	return look->has_inventory ? custody_lost(e, db, look, err) : 0;
}
