/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a running guest and answered at once: no state of ours changes. */
#include <stdlib.h>

#include "base/util.h"
#include "flow/internal.h"
#include "flow/server.h"

struct guest {
	struct host_call call;
	char uid[UUID_TEXT];
	char *user, *password; /* NULL: a non-maskable interrupt */
	flow_guest_fn *done;
	void *ctx;
};

static int guest_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct guest *g = CONTAINER_OF(call, struct guest, call);

	return g->password ? drv->domain_set_password(conn, g->uid, g->user, g->password, err)
			   : drv->domain_nmi(conn, g->uid, err);
}

static void guest_done(struct host_call *call, int rc, const struct error *err)
{
	struct guest *g = CONTAINER_OF(call, struct guest, call);

	(void)rc;
	g->done(g->ctx, err);
}

static void guest_destroy(struct host_call *call)
{
	struct guest *g = CONTAINER_OF(call, struct guest, call);

	free(g->user);
	free(g->password);
	free(g);
}

static void guest_call(
	struct flow_engine *e, struct guest *g, int64_t host_id, flow_guest_fn *done, void *ctx)
{
	struct link *l = link_find(e, host_id);
	struct error err;

	g->done = done;
	g->ctx = ctx;
	g->call.run = guest_run;
	g->call.done = guest_done;
	g->call.destroy = guest_destroy;
	g->call.timeout_ms = e->cfg.call_timeout_ms;
	if (l && link_call(l, LINK_OPS, &g->call))
		return;
	error_set(&err, ERR_UNREACHABLE, "The host of instance %s cannot be reached now.", g->uid);
	guest_destroy(&g->call);
	done(ctx, &err);
}

void flow_server_password(struct flow_engine *e, const struct server *s, const char *user,
	const char *password, flow_guest_fn *done, void *ctx)
{
	struct guest *g = xcalloc(1, sizeof *g);

	str_copy(g->uid, sizeof g->uid, s->uid);
	g->user = xstrdup(user);
	g->password = xstrdup(password);
	guest_call(e, g, s->host_id, done, ctx);
}

void flow_server_crash_dump(struct flow_engine *e, const struct server *s, flow_guest_fn *done, void *ctx)
{
	struct guest *g = xcalloc(1, sizeof *g);

	str_copy(g->uid, sizeof g->uid, s->uid);
	guest_call(e, g, s->host_id, done, ctx);
}
