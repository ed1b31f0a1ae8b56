/* SPDX-License-Identifier: Apache-2.0 */
/* Failed logins are counted with the user; at the limit the user is locked for a while, each time for longer.
 * The answer stays the same 401, after the same work, so that nobody learns from it who exists or is locked.
 */
#include "api/identity/internal.h"

#include <stdlib.h>

#include "base/log.h"

enum { BACKOFF_MAX = 6 }; /* doublings: at most 64 times the first lock */

bool lockout_active(const struct user *u, int64_t now_us)
{
	return u->locked_until_us > now_us;
}

struct failure {
	struct tick_unit unit;
	struct store *store;
	int64_t user_id, now_us, limit, lock_s;
	char peer[64];
};

static int64_t locked_until(const struct failure *f, int64_t failures)
{
	int64_t over = failures - f->limit;

	if (over < 0)
		return 0;
	return f->now_us + ((f->lock_s * 1000000) << (over < BACKOFF_MAX ? over : BACKOFF_MAX));
}

static int run(struct tick_unit *u, struct error *err)
{
	struct failure *f = CONTAINER_OF(u, struct failure, unit);
	struct db *db = store_rw(f->store);
	struct arena a = { 0 };
	struct user user;
	int rc = store_user_load(db, &a, f->user_id, &user, err);

	if (rc == 0)
		rc = store_user_set_failures(
			db, user.id, user.failures + 1, locked_until(f, user.failures + 1), err);
	else if (err->code == ERR_NOT_FOUND)
		rc = 0; /* deleted meanwhile */
	arena_finish(&a);
	return rc;
}

static void finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct failure *f = CONTAINER_OF(u, struct failure, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "failed login not counted", "peer", f->peer, "error", err->msg, NULL);
	free(f);
}

void lockout_count(struct api_call *c, const struct user *u)
{
	const struct api_config *config = &c->api->config;
	struct failure *f;

	if (user_options(u->options) & USER_IGNORE_LOCKOUT)
		return;
	if (lockout_active(u, c->now_us))
		return; /* or a guesser could keep it locked for ever */
	f = xcalloc(1, sizeof *f);
	f->unit = (struct tick_unit) { .run = run, .finish = finish };
	f->store = c->api->store;
	f->user_id = u->id;
	f->now_us = c->now_us;
	f->limit = config->lockout_failures;
	f->lock_s = config->lockout_s;
	str_copy(f->peer, sizeof f->peer, c->http->peer);
	tick_submit(c->api->tick, &f->unit);
}
