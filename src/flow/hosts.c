/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as the operator adds, drains and removes them. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/names.h"
#include "flow/custody.h"
#include "flow/drain.h"
#include "flow/internal.h"
#include "flow/move.h"
#include "store/calendar.h"
#include "store/evictions.h"
#include "store/hosts.h"

enum { RATIO_MAX_MILLI = 1000 * 1000 };

/* Links follow the rows once these are on disk: a unit behind the one that changed them brings them in line.
 */
struct sync {
	struct tick_unit unit;
	struct flow_engine *e;
	int64_t host_id;
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
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;
	struct error local;

	(void)err;
	if (outcome == TICK_UNKNOWN || y->e->dead) { /* else: the row is on disk since the tick before */
		free(y);
		return;
	}
	if (store_host_load(store_ro(y->e->cfg.store), &a, y->host_id, &h, &local) == 0) {
		link_set_host(y->e, &h);
		link_look_over(link_find(y->e, y->host_id), true);
		if (h.forced_down) /* those that need not wait for it give way */
			link_wake_parked(link_find(y->e, y->host_id));
	} else if (local.code == ERR_NOT_FOUND) {
		link_remove(y->e, y->host_id);
	}
	free(y);
}

void host_sync_later(struct flow_engine *e, int64_t host_id)
{
	struct sync *y = xcalloc(1, sizeof *y);

	y->unit = (struct tick_unit) { .run = sync_run, .finish = sync_finish };
	y->e = e;
	y->host_id = host_id;
	tick_submit(e->cfg.tick, &y->unit);
}

int host_ratio_check(const char *what, int32_t milli, struct error *err)
{
	if (milli < 1 || milli > RATIO_MAX_MILLI)
		return error_set(err, ERR_BAD_REQUEST, "%s must be from 0.001 to 1000", what);
	return 0;
}

static int host_check(const struct host_add *want, struct error *err)
{
	static const char *const accels[] = { "auto", "kvm", "qemu" };
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(accels); i++)
		known |= str_eq(want->accel, accels[i]);
	if (!known)
		return error_set(err, ERR_BAD_REQUEST, "accel must be auto, kvm or qemu");
	if (name_check(NAME_HOST, want->name, err) || name_check(NAME_ZONE, want->zone, err) ||
		!hv_driver_for(want->uri, err))
		return -1;
	if (!want->pool[0] || strlen(want->pool) > 60)
		return error_set(err, ERR_BAD_REQUEST, "pool must have 1 to 60 characters");
	if (want->ram_reserved_mib < 0)
		return error_set(err, ERR_BAD_REQUEST, "ram_reserved_mib must be 0 or more");
	return host_ratio_check("vcpu_ratio", want->vcpu_ratio_milli, err) ||
			       host_ratio_check("ram_ratio", want->ram_ratio_milli, err) ||
			       host_ratio_check("disk_ratio", want->disk_ratio_milli, err)
		       ? -1
		       : 0;
}

int flow_host_add(struct flow_engine *e, struct db *db, const struct host_add *want, int64_t now_us,
	int64_t *out_id, struct error *err)
{
	struct host_add w = *want;
	char uid[UUID_TEXT];
	struct host_row h = { .id = store_next_id(e->cfg.store), .uid = uid };

	w.zone = w.zone && w.zone[0] ? w.zone : e->cfg.default_zone;
	w.pool = w.pool && w.pool[0] ? w.pool : "cloudd";
	w.accel = w.accel && w.accel[0] ? w.accel : "auto";
	w.name = w.name ? w.name : "";
	w.uri = w.uri ? w.uri : "";
	if (host_check(&w, err))
		return -1;
	uuid_make(e->cfg.loop->rng, uid);
	h.name = w.name;
	h.uri = w.uri;
	h.zone = w.zone;
	h.pool = w.pool;
	h.accel = w.accel;
	h.state = "up";
	h.vcpu_ratio_milli = w.vcpu_ratio_milli;
	h.ram_ratio_milli = w.ram_ratio_milli;
	h.disk_ratio_milli = w.disk_ratio_milli;
	h.ram_reserved_mib = w.ram_reserved_mib;
	h.created_us = now_us;
	if (store_host_insert(db, &h, err) || capacity_host_set(e, db, h.id, false, err))
		return -1;
	host_sync_later(e, h.id);
	*out_id = h.id;
	return 0;
}

int flow_host_set_state(struct flow_engine *e, struct db *db, int64_t host_id, const char *state,
	const char *reason, struct error *err)
{
	static const char *const states[] = { "up", "draining", "disabled" };
	struct link *l = link_find(e, host_id);
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		known |= str_eq(state, states[i]);
	if (!known)
		return error_set(err, ERR_BAD_REQUEST, "state must be up, draining or disabled");
	if (store_host_set_state(db, host_id, state, reason, err) ||
		(strcmp(state, "up") == 0 && drain_end(e, db, host_id, err)))
		return -1;
	host_sync_later(e, host_id);
	return capacity_host_set(e, db, host_id, l && link_placed(l), err);
}

/* Is it of somebody's in the calendar, or kept for a server? */
static int in_calendar(struct db *db, const struct host_row *h, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct waiter w;
	struct block b;
	int rc = store_block_on_host(db, &a, h->id, 0, 0, INT64_MAX, &b, err);

	if (rc > 0)
		return error_set(err, ERR_CONFLICT, "host %s is in %s %.64s (%.36s)", h->name,
			b.project_id ? "reservation" : "maintenance", b.name, b.uid);
	if (rc == 0)
		rc = store_waiter_on(db, &a, h->id, &w, err);
	return rc > 0 ? error_set(err, ERR_CONFLICT, "host %s is kept for a server that waits", h->name) : rc;
}

int flow_host_remove(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct host_row h;
	int64_t n = 0;

	if (host_is_dead(e, db, host_id) && leftover_forget(e, db, host_id, err))
		return -1;
	if (store_host_load(db, &a, host_id, &h, err) || store_host_servers(db, host_id, &n, err))
		return -1;
	if (n)
		return error_set(err, ERR_CONFLICT, "host %s has %lld servers", h.name, (long long)n);
	if (in_calendar(db, &h, err) || store_host_flows(db, host_id, &n, err))
		return -1;
	if (n)
		return error_set(err, ERR_CONFLICT, "host %s has image copies under way", h.name);
	if (custody_forget(e, db, host_id, err) || store_host_remove(db, host_id, err))
		return -1;
	if (!placement_host_remove(e->placement, host_id))
		return error_set(err, ERR_CONFLICT, "host %s is in use", h.name);
	host_sync_later(e, host_id);
	return 0;
}
