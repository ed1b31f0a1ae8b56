/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/restored.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/internal.h"
#include "flow/recover.h"
#include "store/server_power.h"

enum { SHOWN_MAX = 10000 };

struct restored_set {
	bool on;
	struct restored_domain *shown;
	size_t n;
};

/* --- what looks find ------------------------------------------------------------------------------------ */

int restored_create(struct flow_engine *e, struct db *ro, struct error *err)
{
	struct restored r;
	int rc = store_restored_get(ro, &r, err);

	e->restored = xcalloc(1, sizeof *e->restored);
	e->restored->on = rc > 0;
	return rc < 0 ? -1 : 0;
}

void restored_destroy(struct flow_engine *e)
{
	if (e->restored)
		free(e->restored->shown);
	free(e->restored);
	e->restored = NULL;
}

void restored_look(struct flow_engine *e, int64_t host_id)
{
	struct restored_set *s = e->restored;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->shown[i].host_id != host_id)
			s->shown[n++] = s->shown[i];
	s->n = n;
}

bool restored_keeps(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen, const char *why)
{
	struct restored_set *s = e->restored;
	struct restored_domain *d;

	if (s->n < SHOWN_MAX) {
		s->shown = xrealloc(s->shown, (s->n + 1) * sizeof *s->shown);
		d = &s->shown[s->n++];
		*d = (struct restored_domain) {
			.host_id = host_id, .power = seen->power, .epoch = seen->epoch, .why = why
		};
		str_copy(d->uuid, sizeof d->uuid, seen->uuid);
	}
	return s->on;
}

/* --- the operator --------------------------------------------------------------------------------------- */

bool flow_restored(const struct flow_engine *e)
{
	return e->restored->on;
}

const struct restored_domain *flow_restored_domains(const struct flow_engine *e, size_t *out_n)
{
	*out_n = e->restored->n;
	return e->restored->shown;
}

int flow_restored_end(
	struct flow_engine *e, struct db *db, struct arena *a, size_t *out_flows, struct error *err)
{
	int64_t *flows;

	if (store_restored_end(db, a, &flows, out_flows, err))
		return -1;
	for (size_t i = 0; i < *out_flows; i++)
		if (flow_retry(e, db, flows[i], err))
			return -1;
	return 0;
}

void flow_restored_over(struct flow_engine *e)
{
	e->restored->on = false;
}

static const struct restored_domain *shown(
	const struct flow_engine *e, int64_t host_id, const char *uuid, struct error *err)
{
	const struct restored_set *s = e->restored;

	for (size_t i = 0; i < s->n; i++)
		if (s->shown[i].host_id == host_id && strcmp(s->shown[i].uuid, uuid) == 0)
			return &s->shown[i];
	error_set(err, ERR_NOT_FOUND, "the host shows no domain %s that the rows do not account for", uuid);
	return NULL;
}

static struct link *connected(const struct flow_engine *e, int64_t host_id, struct error *err)
{
	struct link *l = link_find(e, host_id);

	if (l && link_connected(l))
		return l;
	error_set(err, ERR_CONFLICT, "the host is not connected");
	return NULL;
}

int flow_restored_discard(
	struct flow_engine *e, int64_t host_id, const char *uuid, bool now, struct error *err)
{
	struct link *l = connected(e, host_id, err);
	struct server_elsewhere s;
	int rc;

	if (!l || !shown(e, host_id, uuid, err))
		return -1;
	/* a server that came here since is not what was shown */
	rc = store_server_elsewhere(store_ro(e->cfg.store), uuid, host_id, &s, err);
	if (rc < 0)
		return -1;
	if (rc > 0 && !s.deleted && s.holds)
		return error_set(err, ERR_CONFLICT, "server %s lives on that host", uuid);
	if (now)
		link_clear(l, uuid);
	return 0;
}

/* --- taking over ---------------------------------------------------------------------------------------- */

struct reading {
	struct host_call call;
	struct arena arena;
	char uuid[UUID_TEXT];
	struct recover_domain x;
	flow_adopt_fn *done;
	void *ctx;
};

static int reading_run(
	struct host_call *c, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct reading *k = CONTAINER_OF(c, struct reading, call);

	return recover_domain_read(&k->arena, drv, conn, k->uuid, &k->x, err);
}

static void reading_done(struct host_call *c, int rc, const struct error *err)
{
	struct reading *k = CONTAINER_OF(c, struct reading, call);

	(void)rc;
	k->done(k->ctx, err ? NULL : &k->x, err ? NULL : &k->arena, err);
}

static void reading_destroy(struct host_call *c)
{
	struct reading *k = CONTAINER_OF(c, struct reading, call);

	arena_finish(&k->arena);
	free(k);
}

int flow_restored_read(struct flow_engine *e, int64_t host_id, const char *uuid, flow_adopt_fn *done,
	void *ctx, struct error *err)
{
	struct link *l = connected(e, host_id, err);
	const struct restored_domain *d = l ? shown(e, host_id, uuid, err) : NULL;
	struct reading *k;

	if (!d)
		return -1;
	if (strcmp(d->why, "unknown") != 0)
		return error_set(err, ERR_CONFLICT,
			"the rows know server %s: its domain here can be discarded only", uuid);
	k = xcalloc(1, sizeof *k);
	str_copy(k->uuid, sizeof k->uuid, uuid);
	k->done = done;
	k->ctx = ctx;
	k->call.run = reading_run;
	k->call.done = reading_done;
	k->call.destroy = reading_destroy;
	k->call.timeout_ms = e->cfg.call_timeout_ms;
	if (link_call(l, LINK_OPS, &k->call))
		return 0;
	free(k);
	return error_set(err, ERR_CONFLICT, "the host is not connected");
}
