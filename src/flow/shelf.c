/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes due by time alone: shelved servers leave their host, resizes that nobody confirmed are taken
 * for confirmed. Looked for now and then, in the rows: nothing has to be remembered over a restart. */
#include "flow/run.h"

#include "base/log.h"
#include "base/util.h"
#include "flow/server_move.h"
#include "flow/server_parts.h"
#include "store/audit_notes.h"
#include "store/server_power.h"

enum { LOOKS_PER_TERM = 4, LOOK_MAX_MS = 10000, AT_ONCE = 100 };

static int note(struct db *db, const struct server *s, const char *action, int64_t now_us, struct error *err)
{
	return store_audit_server(
		db, s->id, &(struct audit_note) { .at_us = now_us, .action = action, .status = 202 }, err);
}

static int offload(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct flow_origin *nobody, struct error *err)
{
	(void)a;
	return flow_server_shelve_offload(e, db, s, true, nobody, err)
		       ? -1
		       : note(db, s, "server.auto_offload", nobody->now_us, err);
}

/* The old disk stays while the host of the new one cannot be heard: it may be the last. */
static int confirm(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct flow_origin *nobody, struct error *err)
{
	const struct link *l = link_find(e, s->host_id);

	if (!l || !link_connected(l))
		return 0;
	return flow_server_confirm(e, db, a, s, true, nobody, err)
		       ? -1
		       : note(db, s, "server.auto_confirm", nobody->now_us, err);
}

static const struct {
	size_t limit_s; /* in the configuration */
	int (*before)(struct db *db, struct arena *a, int64_t before_us, int64_t limit, int64_t **out,
		size_t *out_n, struct error *err);
	int (*act)(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
		const struct flow_origin *nobody, struct error *err);
} terms[] = {
	{ offsetof(struct flow_config, shelved_offload_s), store_server_shelved_before, offload },
	{ offsetof(struct flow_config, resize_confirm_s), store_move_unconfirmed, confirm },
};

static int64_t limit_of(const struct flow_engine *e, size_t i)
{
	return *(const int64_t *)(const void *)((const char *)&e->cfg + terms[i].limit_s);
}

/* Servers whose time of that kind is over. */
static int due(struct flow_engine *e, struct db *db, struct arena *a, size_t i, int64_t **out, size_t *out_n,
	struct error *err)
{
	int64_t limit = limit_of(e, i);

	*out_n = 0;
	return limit > 0 ? terms[i].before(db, a, engine_now(e) - limit * 1000000, AT_ONCE, out, out_n, err)
			 : 0;
}

static int end(struct flow_engine *e, struct db *db, size_t i, int64_t id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct flow_origin nobody = {
		.request_id = "", .user_uid = "", .project_uid = "", .now_us = engine_now(e)
	};
	struct server s;

	if (flow_find(e, id))
		return 0;
	return store_server_load(db, &a, id, &s, err) || terms[i].act(e, db, &a, &s, &nobody, err) ? -1 : 0;
}

static int unit_run(struct tick_unit *u, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, shelf_unit);
	struct db *db = store_rw(e->cfg.store);
	int64_t *ids;
	size_t n;

	if (e->dead || e->stopping)
		return error_set(err, ERR_UNAVAILABLE, "the engine has stopped");
	for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
		if (due(e, db, &a, i, &ids, &n, err))
			return -1;
		for (size_t k = 0; k < n; k++)
			if (end(e, db, i, ids[k], err))
				return -1;
	}
	return 0;
}

static void unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct flow_engine *e = CONTAINER_OF(u, struct flow_engine, shelf_unit);

	e->committing--;
	if (outcome != TICK_DONE && !e->dead && !e->stopping)
		log_event(LOG_ERR, "what became due by time waits for the next look", "error", err->msg,
			"detail", err->detail, NULL);
	shelf_start(e);
	engine_check_stopped(e);
}

static void fired(struct loop_timer *t)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_engine *e = CONTAINER_OF(t, struct flow_engine, shelf);
	struct error err;
	int64_t *ids;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(terms) && !n; i++)
		if (due(e, store_ro(e->cfg.store), &a, i, &ids, &n, &err))
			n = 0;
	if (!n) {
		shelf_start(e);
		return;
	}
	e->committing++;
	e->shelf_unit = (struct tick_unit) { .run = unit_run, .finish = unit_finish, .patient = true };
	tick_submit(e->cfg.tick, &e->shelf_unit);
}

void shelf_start(struct flow_engine *e)
{
	int64_t ms = 0;

	for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
		int64_t limit = limit_of(e, i) * 1000 / LOOKS_PER_TERM;

		if (limit > 0 && (!ms || limit < ms))
			ms = limit;
	}
	if (!ms || e->dead || e->stopping)
		return;
	loop_timer_set(e->cfg.loop, &e->shelf, (uint64_t)(ms < LOOK_MAX_MS ? ms : LOOK_MAX_MS), fired);
}
