/* SPDX-License-Identifier: Apache-2.0 */
/* What a running server uses, asked of its host on the bulk lane. */
#include <stdlib.h>

#include "base/util.h"
#include "flow/internal.h"
#include "flow/server.h"

struct stats_call {
	struct host_call call;
	char uid[UUID_TEXT];
	struct arena arena;
	struct hv_stats stats;
	flow_stats_fn *done;
	void *ctx;
};

static int stats_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct stats_call *c = CONTAINER_OF(call, struct stats_call, call);

	return drv->domain_stats(conn, &c->arena, c->uid, &c->stats, err);
}

static void stats_done(struct host_call *call, int rc, const struct error *err)
{
	struct stats_call *c = CONTAINER_OF(call, struct stats_call, call);
	struct error why;

	(void)rc;
	if (!err) {
		c->done(c->ctx, &c->stats, NULL);
		return;
	}
	why = *err;
	if (why.code == ERR_NOT_FOUND)
		error_set(&why, ERR_CONFLICT, "Instance %s is not running.", c->uid);
	c->done(c->ctx, NULL, &why);
}

static void stats_destroy(struct host_call *call)
{
	struct stats_call *c = CONTAINER_OF(call, struct stats_call, call);

	arena_finish(&c->arena);
	free(c);
}

void flow_server_stats(
	struct flow_engine *e, int64_t host_id, const char *uid, flow_stats_fn *done, void *ctx)
{
	struct link *l = host_id ? link_find(e, host_id) : NULL;
	struct stats_call *c;
	struct error err;

	if (!l) {
		error_set(&err, ERR_CONFLICT, "Instance %s is on no host.", uid);
		done(ctx, NULL, &err);
		return;
	}
	c = xcalloc(1, sizeof *c);
	str_copy(c->uid, sizeof c->uid, uid);
	c->done = done;
	c->ctx = ctx;
	c->call.run = stats_run;
	c->call.done = stats_done;
	c->call.destroy = stats_destroy;
	c->call.timeout_ms = e->cfg.call_timeout_ms;
	if (link_call(l, LINK_BULK, &c->call))
		return;
	stats_destroy(&c->call);
	error_set(&err, ERR_UNREACHABLE, "The host of instance %s cannot be reached now.", uid);
	done(ctx, NULL, &err);
}

void flow_server_look(struct flow_engine *e, int64_t host_id, const char *uid)
{
	struct link *l = host_id ? link_find(e, host_id) : NULL;

	if (l && link_connected(l))
		link_look_at(l, uid);
}
