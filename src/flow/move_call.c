/* SPDX-License-Identifier: Apache-2.0 */
/* Words to a live move that is under way, and how far it is: calls to the source, outside of its flow. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/move.h"

struct move_call {
	struct host_call call;
	char uid[UUID_TEXT];
	enum move_word word;
	struct hv_progress progress;
	flow_progress_fn *done;
	void *ctx;
};

static void call_destroy(struct host_call *call)
{
	free(CONTAINER_OF(call, struct move_call, call));
}

static struct move_call *call_new(struct flow_engine *e, const char *uid)
{
	struct move_call *c = xcalloc(1, sizeof *c);

	str_copy(c->uid, sizeof c->uid, uid);
	c->call.destroy = call_destroy;
	c->call.timeout_ms = e->cfg.call_timeout_ms;
	return c;
}

/* ---- cancel, force ---- */

static int tell_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct move_call *c = CONTAINER_OF(call, struct move_call, call);

	return c->word == MOVE_WORD_CANCEL ? drv->migrate_cancel(conn, c->uid, err)
					   : drv->migrate_force(conn, c->uid, err);
}

/* Over already: as good. */
static void tell_done(struct host_call *call, int rc, const struct error *err)
{
	const struct move_call *c = CONTAINER_OF(call, struct move_call, call);

	(void)rc;
	if (err && err->code != ERR_NOT_FOUND)
		log_event(LOG_WARNING, "a live migration could not be told", "server", c->uid, "word",
			c->word == MOVE_WORD_CANCEL ? "cancel" : "force", "error", err->msg, NULL);
}

void flow_move_tell(struct flow_engine *e, int64_t host_id, const char *uid, enum move_word word)
{
	struct link *l = link_find(e, host_id);
	struct move_call *c;

	if (!l)
		return;
	c = call_new(e, uid);
	c->word = word;
	c->call.run = tell_run;
	c->call.done = tell_done;
	if (!link_call(l, LINK_OPS, &c->call))
		call_destroy(&c->call);
}

int flow_move_order(
	struct db *db, const struct move *m, enum move_word word, int64_t now_us, struct error *err)
{
	bool running = strcmp(m->status, "running") == 0 ||
		       (word == MOVE_WORD_CANCEL && strcmp(m->status, "preparing") == 0);

	if (m->kind != MOVE_LIVE || m->ended_us || !running)
		return error_set(err, ERR_BAD_REQUEST,
			"Migration %lld state of instance %s is %s. Cannot %s while the migration is in this "
			"state.",
			(long long)m->id, m->server_uid, m->status,
			word == MOVE_WORD_CANCEL ? "abort" : "force_complete");
	return word == MOVE_WORD_CANCEL ? store_move_cancel(db, m->id, now_us, err) : 0;
}

/* ---- progress ---- */

static int look_run(
	struct host_call *call, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	struct move_call *c = CONTAINER_OF(call, struct move_call, call);

	return drv->migrate_look(conn, c->uid, &c->progress, err);
}

static void look_done(struct host_call *call, int rc, const struct error *err)
{
	struct move_call *c = CONTAINER_OF(call, struct move_call, call);

	(void)rc;
	c->done(c->ctx, err ? NULL : &c->progress);
}

void flow_move_progress(
	struct flow_engine *e, int64_t host_id, const char *uid, flow_progress_fn *done, void *ctx)
{
	struct link *l = link_find(e, host_id);
	struct move_call *c;

	if (l) {
		c = call_new(e, uid);
		c->done = done;
		c->ctx = ctx;
		c->call.run = look_run;
		c->call.done = look_done;
		if (link_call(l, LINK_OPS, &c->call))
			return;
		call_destroy(&c->call);
	}
	done(ctx, NULL);
}
