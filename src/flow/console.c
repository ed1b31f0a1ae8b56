/* SPDX-License-Identifier: Apache-2.0 */
/* A server's console, read from its host on the bulk lane; while the host cannot be heard, from what is kept
 * of it. */
#include <stdlib.h>

#include "base/util.h"
#include "flow/internal.h"
#include "flow/server.h"

enum { CONSOLE_MAX = 100 * 1024 };

struct console {
	struct host_call call;
	struct flow_engine *e;
	char uid[UUID_TEXT];
	int64_t max_lines;
	struct buf text;
	flow_console_fn *done;
	void *ctx;
};

static int console_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct console *c = CONTAINER_OF(call, struct console, call);

	return drv->console_read(conn, c->uid, CONSOLE_MAX, &c->text, err);
}

/* As Nova counts: behind the last line's end begins another one, if an empty one. Clients ask for one more.
 */
static void keep_last_lines(struct buf *b, int64_t max_lines)
{
	size_t at = b->len;

	while (at && (b->data[at - 1] != '\n' || --max_lines > 0))
		at--;
	buf_consume(b, at);
}

struct kept {
	int64_t max_lines;
	flow_console_fn *done;
	void *ctx;
};

static void kept_done(void *ctx, struct buf *text, const struct error *err)
{
	struct kept *k = ctx;

	if (text && k->max_lines > 0)
		keep_last_lines(text, k->max_lines);
	k->done(k->ctx, text, err);
	free(k);
}

/* The host is away. Called before the call's object may be a thread's: copies are taken. */
static void answer_kept(struct flow_engine *e, const char *uid, int64_t max_lines, flow_console_fn *done,
	void *ctx, const struct error *why)
{
	struct kept *k = xcalloc(1, sizeof *k);

	*k = (struct kept) { max_lines, done, ctx };
	if (!e->dead && console_history_last(e, uid, CONSOLE_MAX, kept_done, k))
		return;
	free(k);
	done(ctx, NULL, why);
}

static void console_done(struct host_call *call, int rc, const struct error *err)
{
	struct console *c = CONTAINER_OF(call, struct console, call);

	(void)rc;
	if (err && (err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT)) {
		answer_kept(c->e, c->uid, c->max_lines, c->done, c->ctx, err);
	} else if (err) {
		c->done(c->ctx, NULL, err);
	} else {
		if (c->max_lines > 0)
			keep_last_lines(&c->text, c->max_lines);
		c->done(c->ctx, &c->text, NULL);
	}
}

static void console_destroy(struct host_call *call)
{
	struct console *c = CONTAINER_OF(call, struct console, call);

	buf_finish(&c->text);
	free(c);
}

void flow_server_console(struct flow_engine *e, int64_t host_id, const char *uid, int64_t max_lines,
	flow_console_fn *done, void *ctx)
{
	struct link *l = host_id ? link_find(e, host_id) : NULL;
	struct console *c;
	struct error err;

	if (!l) {
		error_set(&err, ERR_CONFLICT, "Instance %s has no console: it is on no host.", uid);
		done(ctx, NULL, &err);
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->e = e;
	str_copy(c->uid, sizeof c->uid, uid);
	c->max_lines = max_lines;
	c->done = done;
	c->ctx = ctx;
	c->call.run = console_run;
	c->call.done = console_done;
	c->call.destroy = console_destroy;
	c->call.timeout_ms = e->cfg.call_timeout_ms;
	if (link_call(l, LINK_BULK, &c->call))
		return;
	console_destroy(&c->call);
	error_set(&err, ERR_UNREACHABLE, "The host of instance %s cannot be reached now.", uid);
	answer_kept(e, uid, max_lines, done, ctx, &err);
}
