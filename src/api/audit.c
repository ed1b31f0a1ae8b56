/* SPDX-License-Identifier: Apache-2.0 */
/* A row for each write and each denied request: who, from where, what, with which result. Never a body, never
 * a secret. */
#include "api/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

enum { TEXT_MAX = 512 };

struct record {
	int64_t at_us;
	const char *request_id, *user_uid, *user_name, *project_uid, *peer, *method, *path, *action, *target,
		*reason;
	int status;
};

static struct record record_of(struct api_call *c, const char *reason)
{
	const struct principal *who = c->who;

	return (struct record) {
		.at_us = clock_wall(c->api->loop->clock),
		.request_id = c->request_id,
		.user_uid = who ? who->user.uid : NULL,
		.user_name = who ? who->user.name : NULL,
		.project_uid = who ? who->project.uid : NULL,
		.peer = c->http->peer,
		.method = c->http->method_name,
		.path = c->http->path,
		.action = c->action                    ? c->action
			  : c->route && c->route->name ? c->route->name
						       : "unknown",
		.target = c->target,
		.status = c->status,
		.reason = reason,
	};
}

static int insert(struct db *db, const struct record *r, struct error *err)
{
	char path[TEXT_MAX];

	str_copy(path, sizeof path, r->path);
	return db_run(db, err,
		       "INSERT INTO audit (id, at_us, request_id, user_uid, user_name, project_uid, peer, "
		       "method, path, "
		       "action, target, status, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "iisssssssssis", store_next_id(db_store(db)), r->at_us, r->request_id, r->user_uid,
		       r->user_name, r->project_uid, r->peer, r->method, path, r->action, r->target,
		       (int64_t)r->status, r->reason) < 0
		       ? -1
		       : 0;
}

int audit_insert(struct api_call *c, struct db *db, const char *reason, struct error *err)
{
	struct record r = record_of(c, reason);

	return insert(db, &r, err);
}

struct detached {
	struct tick_unit unit;
	struct store *store;
	struct arena arena;
	struct record record;
};

static int run_detached(struct tick_unit *u, struct error *err)
{
	struct detached *d = CONTAINER_OF(u, struct detached, unit);

	return insert(store_rw(d->store), &d->record, err);
}

static void finish_detached(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct detached *d = CONTAINER_OF(u, struct detached, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "audit record lost", "request_id", d->record.request_id, "error", err->msg,
			"detail", err->detail, NULL);
	arena_finish(&d->arena);
	free(d);
}

void audit_detached(struct api_call *c, const char *reason)
{
	struct detached *d = xcalloc(1, sizeof *d);
	struct record *r = &d->record;

	*r = record_of(c, reason);
	const char **texts[] = { &r->request_id, &r->user_uid, &r->user_name, &r->project_uid, &r->peer,
		&r->method, &r->path, &r->action, &r->target, &r->reason };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_strdup(&d->arena, *texts[i]);
	d->store = c->api->store;
	d->unit = (struct tick_unit) { .run = run_detached, .finish = finish_detached };
	tick_submit(c->api->tick, &d->unit);
}
