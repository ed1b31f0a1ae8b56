/* SPDX-License-Identifier: Apache-2.0 */
/* A live console: opened by a call on the host's lane, and held, with the connection that it runs over, until
 * its owner or the host ends it. */
#include "flow/console.h"

#include <stdlib.h>

#include "base/util.h"
#include "flow/link.h"

enum { EARLY_MAX = 64 * 1024 }; /* output that comes before word that it is open */

struct flow_console {
	struct host_call call;
	char uid[UUID_TEXT];
	const struct hv_driver *drv;
	struct link_conn *conn;
	struct hv_console *open;
	const struct flow_console_events *on;
	void *ctx;
	bool live;     /* its owner has it */
	bool returned; /* the call's object is ours again */
	bool ended;    /* before word that it is open */
	struct error why;
	struct buf early;
};

static void drop_if_unused(struct flow_console *k)
{
	if (k->live || !k->returned)
		return;
	if (k->open)
		k->drv->console_close(k->open);
	link_conn_unref(k->conn);
	buf_finish(&k->early);
	free(k);
}

/* --- from the host, on the loop --- */

static void on_output(void *ctx, const void *p, size_t n)
{
	struct flow_console *k = ctx;

	if (k->live)
		k->on->output(k->ctx, p, n);
	else if (k->early.len + n <= EARLY_MAX)
		buf_append(&k->early, p, n);
}

static void on_room(void *ctx)
{
	struct flow_console *k = ctx;

	if (k->live)
		k->on->room(k->ctx);
}

static void on_closed(void *ctx, const struct error *why)
{
	struct flow_console *k = ctx;

	k->ended = true;
	k->why = *why;
	if (!k->live)
		return;
	k->live = false;
	k->on->closed(k->ctx, why);
	drop_if_unused(k);
}

static const struct hv_console_events events = { on_output, on_room, on_closed };

/* --- opening --- */

static int open_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct flow_console *k = CONTAINER_OF(call, struct flow_console, call);

	k->drv = drv;
	return drv->console_open(conn, k->uid, &events, k, &k->open, err);
}

static void open_done(struct host_call *call, int rc, const struct error *err)
{
	struct flow_console *k = CONTAINER_OF(call, struct flow_console, call);

	(void)rc;
	if (err || k->ended) {
		k->on->opened(k->ctx, NULL, err ? err : &k->why);
		return;
	}
	k->conn = call->conn;
	k->conn->refs++;
	k->live = true;
	k->on->opened(k->ctx, k, NULL);
	if (k->live && k->early.len)
		k->on->output(k->ctx, k->early.data, k->early.len);
	buf_finish(&k->early);
}

/* Also of a call that was given up and came back late: what it opened is closed. */
static void open_destroy(struct host_call *call)
{
	struct flow_console *k = CONTAINER_OF(call, struct flow_console, call);

	k->returned = true;
	drop_if_unused(k);
}

void flow_console_open(struct flow_engine *e, int64_t host_id, const char *uid,
	const struct flow_console_events *on, void *ctx)
{
	struct link *l = host_id ? link_find(e, host_id) : NULL;
	struct flow_console *k = xcalloc(1, sizeof *k);
	struct error err;

	str_copy(k->uid, sizeof k->uid, uid);
	k->on = on;
	k->ctx = ctx;
	k->call.run = open_run;
	k->call.done = open_done;
	k->call.destroy = open_destroy;
	k->call.timeout_ms = e->cfg.call_timeout_ms;
	if (l && link_call(l, LINK_OPS, &k->call))
		return;
	free(k);
	error_set(&err, l ? ERR_UNREACHABLE : ERR_CONFLICT,
		l ? "The host of instance %s cannot be reached now." : "Instance %s is on no host.", uid);
	on->opened(ctx, NULL, &err);
}

size_t flow_console_send(struct flow_console *k, const void *p, size_t n)
{
	return k->drv->console_send(k->open, p, n);
}

void flow_console_close(struct flow_console *k)
{
	k->live = false;
	drop_if_unused(k);
}
