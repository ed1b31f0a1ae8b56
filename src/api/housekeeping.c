/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with time: kept replies, tokens and tasks that have expired, a bounded number each tick; and the
 * tally of requests without a valid token, of which only the first of each peer and minute have audit rows of
 * their own. Anybody who reaches the port can make such requests, and none of them shall fill the disk. */
#include "api/internal.h"

#include <stdlib.h>
#include <string.h>

#include "api/webhooks.h"
#include "base/log.h"
#include "base/util.h"
#include "flow/expect.h"
#include "store/audit.h"
#include "store/custody.h"
#include "store/decisions.h"
#include "store/events.h"
#include "store/idempotency.h"
#include "store/image_tasks.h"
#include "store/tokens.h"

enum { PERIOD_MS = 60000, AGAIN_MS = 100, PURGE_ROWS = 500, PEERS = 64 };

struct peer_tally {
	char peer[64]; /* "" free */
	unsigned rows, left_out;
};

struct housekeeping {
	struct api *api;
	struct loop_timer timer;
	struct tick_unit unit;
	bool busy, stopped, more;
	struct peer_tally peers[PEERS], others; /* others: of all for whom there is no room */
	struct peer_tally told[PEERS + 1];      /* what the unit under way writes down */
	size_t told_n;
	unsigned unstored, unstored_told; /* records that the disk did not take */
};

/* --- denied requests --- */

static struct peer_tally *tally_of(struct housekeeping *h, const char *peer)
{
	for (size_t i = 0; i < PEERS; i++) {
		struct peer_tally *t = &h->peers[i];

		if (!t->peer[0])
			str_copy(t->peer, sizeof t->peer, peer);
		if (strcmp(t->peer, peer) == 0)
			return t;
	}
	return &h->others;
}

bool housekeeping_denied(struct api_call *c)
{
	struct housekeeping *h = c->api->housekeeping;
	struct peer_tally *t;

	if (h && h->stopped && c->error.code == ERR_UNAVAILABLE)
		return false; /* cut off by the stop, when there are no ticks any more */
	if (!h || c->who)
		return true;
	t = tally_of(h, c->http->peer);
	if (t->rows < c->api->config.audit_denied_max) {
		t->rows++;
		return true;
	}
	t->left_out++;
	return false;
}

void housekeeping_unstored(struct api *api)
{
	if (api->housekeeping)
		api->housekeeping->unstored++;
}

static void take_tallies(struct housekeeping *h)
{
	str_copy(h->others.peer, sizeof h->others.peer, "other peers");
	h->unstored_told = h->unstored;
	h->told_n = 0;
	for (size_t i = 0; i <= PEERS; i++) {
		struct peer_tally *t = i < PEERS ? &h->peers[i] : &h->others;

		if (t->left_out)
			h->told[h->told_n++] = *t;
		*t = (struct peer_tally) { 0 };
	}
}

static int write_unstored(struct housekeeping *h, struct db *db, struct error *err)
{
	char reason[96];
	struct audit_note note = { .at_us = clock_wall(h->api->loop->clock),
		.action = "audit.unstored",
		.status = 503,
		.reason = reason };

	if (!h->unstored_told)
		return 0;
	snprintf(reason, sizeof reason, "%u requests were refused while the disk took no record of them",
		h->unstored_told);
	return store_audit_note(db, &note, err);
}

static int write_tallies(struct housekeeping *h, struct db *db, struct error *err)
{
	for (size_t i = 0; i < h->told_n; i++) {
		char reason[96];
		struct audit_record row = { .at_us = clock_wall(h->api->loop->clock),
			.request_id = "-",
			.peer = h->told[i].peer,
			.method = "-",
			.path = "-",
			.action = "audit.left_out",
			.status = 401,
			.reason = reason };

		snprintf(reason, sizeof reason,
			"%u more requests without a valid token were refused within a minute",
			h->told[i].left_out);
		if (store_audit_insert(db, &row, err) < 0)
			return -1;
	}
	return write_unstored(h, db, err);
}

/* --- the unit --- */

static int purge_decisions(struct housekeeping *h, struct db *db, int64_t now_us, struct error *err)
{
	int64_t keep_us = h->api->config.decisions_keep_us;

	return keep_us ? store_decision_purge(db, now_us - keep_us, PURGE_ROWS, err) : 0;
}

static int purge_custody(struct housekeeping *h, struct db *db, int64_t now_us, struct error *err)
{
	int64_t keep_us = h->api->config.custody_keep_us;

	return keep_us ? store_custody_purge(db, now_us - keep_us, PURGE_ROWS, err) : 0;
}

static int purge_events(struct housekeeping *h, struct db *db, int64_t now_us, struct error *err)
{
	const struct api_config *c = &h->api->config;

	return c->events_keep_us
		       ? store_event_purge(db, now_us - c->events_keep_us, c->events_max, PURGE_ROWS, err)
		       : 0;
}

static int run(struct tick_unit *u, struct error *err)
{
	struct housekeeping *h = CONTAINER_OF(u, struct housekeeping, unit);
	struct db *db = store_rw(h->api->store);
	int64_t now_us = clock_wall(h->api->loop->clock);
	int requests, tokens, tasks, decisions, custody, events;

	if ((requests = store_request_purge(db, now_us, PURGE_ROWS, err)) < 0 ||
		(tokens = store_token_purge(db, now_us, PURGE_ROWS, err)) < 0 ||
		(tasks = store_image_task_purge(db, now_us, PURGE_ROWS, err)) < 0 ||
		(decisions = purge_decisions(h, db, now_us, err)) < 0 ||
		(custody = purge_custody(h, db, now_us, err)) < 0 ||
		(events = purge_events(h, db, now_us, err)) < 0 ||
		(h->api->webhooks && webhooks_note(h->api->webhooks, db, err) < 0) ||
		(h->api->flows && flow_expect(h->api->flows, db, err) < 0))
		return -1;
	h->more = requests == PURGE_ROWS || tokens == PURGE_ROWS || tasks == PURGE_ROWS ||
		  decisions == PURGE_ROWS || custody == PURGE_ROWS || events == PURGE_ROWS;
	return write_tallies(h, db, err);
}

static void fire(struct loop_timer *t);

static void finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct housekeeping *h = CONTAINER_OF(u, struct housekeeping, unit);

	h->busy = false;
	if (outcome == TICK_DONE)
		h->unstored -= h->unstored_told;
	else
		log_event(LOG_ERR, "housekeeping failed", "error", err->msg, "detail", err->detail, NULL);
	if (!h->stopped)
		loop_timer_set(h->api->loop, &h->timer,
			outcome == TICK_DONE && h->more ? AGAIN_MS : PERIOD_MS, fire);
}

static void fire(struct loop_timer *t)
{
	struct housekeeping *h = CONTAINER_OF(t, struct housekeeping, timer);

	take_tallies(h);
	h->busy = true;
	h->unit = (struct tick_unit) { .run = run, .finish = finish, .patient = true };
	tick_submit(h->api->tick, &h->unit);
}

void housekeeping_start(struct api *api)
{
	struct housekeeping *h = xcalloc(1, sizeof *h);

	h->api = api;
	api->housekeeping = h;
	loop_timer_set(api->loop, &h->timer, PERIOD_MS, fire);
}

void housekeeping_stop(struct api *api)
{
	struct housekeeping *h = api->housekeeping;

	if (!h || h->stopped)
		return;
	h->stopped = true;
	loop_timer_stop(&h->timer);
	if (!h->busy)
		fire(&h->timer); /* what is on the tally is written down */
}

static void closed(struct loop_timer *t)
{
	free(CONTAINER_OF(t, struct housekeeping, timer));
}

void housekeeping_destroy(struct api *api)
{
	if (api->housekeeping)
		loop_timer_close(&api->housekeeping->timer, closed);
	api->housekeeping = NULL;
}
