/* SPDX-License-Identifier: Apache-2.0 */
/* A row for each write and each denied request: who, from where, what, with which result. Never a body, never
 * a secret. */
#include "api/internal.h"

#include <stdlib.h>
#include <string.h>

#include "api/resources.h"
#include "base/log.h"
#include "base/util.h"
#include "store/audit.h"

enum { PATH_MAX_KEPT = 512, SEGMENTS_KEPT = 2 };

/* A path of no table may hold anything, as the tokens that the API before this one had there: only where it
 * led is kept. */
static const char *path_of(struct api_call *c)
{
	const char *path = api_path(c);
	size_t n = strlen(path), at = 0;

	for (int i = 0; !c->route && i < SEGMENTS_KEPT && at < n; i++)
		at += 1 + strcspn(path + at + 1, "/");
	if (!c->route && at < n)
		return arena_printf(c->arena, "%.*s/...", (int)(at < PATH_MAX_KEPT ? at : 0), path);
	return n <= PATH_MAX_KEPT ? path : arena_strndup(c->arena, path, PATH_MAX_KEPT);
}

static struct audit_record row_of(struct api_call *c, const char *reason)
{
	const struct principal *who = c->who;

	return (struct audit_record) {
		.at_us = clock_wall(c->api->loop->clock),
		.request_id = c->request_id,
		.user_uid = who ? who->user.uid : NULL,
		.user_name = who ? who->user.name : NULL,
		.project_uid = who ? who->project.uid : NULL,
		.peer = c->http->peer,
		.method = c->http->method_name,
		.path = path_of(c),
		.action = c->action                    ? c->action
			  : c->route && c->route->name ? c->route->name
						       : "unknown",
		.target = c->target,
		.status = c->status,
		.reason = reason,
	};
}

int audit_insert(struct api_call *c, struct db *db, const char *reason, struct error *err)
{
	struct audit_record r = row_of(c, reason);

	c->audited = true;
	return store_audit_insert(db, &r, err);
}

void audit_lost(struct api *api, const char *request_id, const struct error *why)
{
	resources_hint(api->resources);
	/* while the database takes no writes, which is told of once, their number is written down when it
	 * does */
	log_event(tick_trouble(api->tick) ? LOG_INFO : LOG_ERR, "audit record lost", "request_id", request_id,
		"error", why->msg, "detail", why->detail, NULL);
	housekeeping_unstored(api);
}

struct detached {
	struct tick_unit unit;
	struct api *api;
	struct arena arena;
	struct audit_record row;
};

static int run_detached(struct tick_unit *u, struct error *err)
{
	struct detached *d = CONTAINER_OF(u, struct detached, unit);

	return store_audit_insert(store_rw(d->api->store), &d->row, err);
}

static void finish_detached(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct detached *d = CONTAINER_OF(u, struct detached, unit);

	if (outcome != TICK_DONE)
		audit_lost(d->api, d->row.request_id, err);
	arena_finish(&d->arena);
	free(d);
}

void audit_detached(struct api_call *c, const char *reason)
{
	struct detached *d = xcalloc(1, sizeof *d);
	const struct audit_record r = row_of(c, reason);

	c->audited = true;
	d->row = audit_record_copy(&r, &d->arena);
	d->api = c->api;
	d->unit = (struct tick_unit) { .run = run_detached, .finish = finish_detached };
	tick_submit(c->api->tick, &d->unit);
}
