/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	IDLE -> (units run) -> COMMITTING -> (finish) -> RESTING -> IDLE
 *	             |          on the thread            on the thread ^
 *	             +-- nothing written: commit and finish at once ---+
 *
 * Units that callbacks of one loop turn submit go together: they run in libuv's check phase, after all of the
 * turn's timers and descriptors. A long batch is run, and finished, over several turns, so that others have
 *theirs. RESTING is the first member's `rest` (a checkpoint) on the commit thread. */
#include "loop/tick.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "loop/thread.h"

enum { UNITS_MAX_DEFAULT = 512, HANDLES = 4, BUSY_AGAIN_MS = 20 };

enum {
	SHARE_US = 250,   /* what an owner's units may take in a round */
	HOUSE_SHARES = 4, /* and the house's own, most of which are steps of flows */
	SLICE_US = 500,   /* of a turn of the loop, when several owners have units; */
	SLICE_ALONE_US = 10000,
	BATCH_US = 3000, /* of a transaction, in all; */
	BATCH_ALONE_US = 50000
};

enum phase { PHASE_IDLE, PHASE_RUNNING, PHASE_COMMITTING, PHASE_RESTING };

/* What loop and commit thread tell each other, under the lock. */
struct handoff {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool job;       /* loop to thread: commit */
	bool stop;      /* loop to thread: end */
	bool committed; /* thread to loop: outcome and err are set */
	bool rested;    /* thread to loop: the connection is yours again */
	enum tick_outcome outcome;
	struct error err;
};

struct tick {
	struct tick_config config;
	struct tick_member members[TICK_MEMBERS_MAX];
	size_t n_members;
	uv_check_t check; /* where units run */
	uv_idle_t idle;   /* keeps the turn from blocking while units are ready */
	uv_async_t async;
	uv_timer_t linger; /* armed while only patient units wait, or all for a transaction */
	int open_handles;
	enum phase phase;
	struct fair line; /* submitted, not yet run */
	struct fair_class *house;
	unsigned pending, hasty;         /* hasty: of those in line, not patient */
	struct tick_unit *batch, **tail; /* run, not yet finished, in order */
	unsigned left;                   /* units that may still run in this batch */
	int64_t batch_us;                /* when it may take no more */
	bool finishing, rested;          /* rested: the next tick waits for `finishing` alone */
	enum tick_outcome outcome;       /* of the batch that is being finished */
	struct error outcome_err;
	int64_t commit_start_us;
	bool dead, closing; /* dead: an outcome was unknown, nothing runs any more */
	struct error dead_err;
	void (*drained)(void *ctx);
	void *drained_ctx;
	struct tick_stats stats;
	struct tick_trouble trouble; /* since_us 0: none */
	int64_t busy_us;             /* since then no transaction could begin; 0: it can */
	pthread_t thread;
	bool thread_started;
	struct handoff hand;
};

static void schedule(struct tick *t);
static void now_idle(struct tick *t);

/* ---- the members, as one ---- */

static void members_settle(struct tick *t, size_t n, bool done)
{
	/* undone in reverse, so that each sees the state that it left */
	for (size_t i = 0; i < n; i++) {
		const struct tick_member *m = &t->members[done ? i : n - 1 - i];

		if (m->settle)
			m->settle(m->ctx, done);
	}
}

static int members_begin(struct tick *t, struct error *err)
{
	for (size_t i = 0; i < t->n_members; i++) {
		const struct tick_member *m = &t->members[i];

		if (m->begin && m->begin(m->ctx, err)) {
			members_settle(t, i, false);
			return -1;
		}
	}
	return 0;
}

static void members_savepoint(struct tick *t)
{
	for (size_t i = 0; i < t->n_members; i++) {
		if (t->members[i].savepoint)
			t->members[i].savepoint(t->members[i].ctx);
	}
}

static int members_seal(struct tick *t, struct error *err)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (t->members[i].seal && t->members[i].seal(t->members[i].ctx, err))
			return -1;
	return 0;
}

static void members_release(struct tick *t)
{
	for (size_t i = 0; i < t->n_members; i++) {
		if (t->members[i].release)
			t->members[i].release(t->members[i].ctx);
	}
}

static void members_rollback(struct tick *t)
{
	for (size_t i = t->n_members; i-- > 0;) {
		if (t->members[i].rollback)
			t->members[i].rollback(t->members[i].ctx);
	}
}

static bool members_full(struct tick *t)
{
	for (size_t i = 0; i < t->n_members; i++) {
		if (t->members[i].full && t->members[i].full(t->members[i].ctx))
			return true;
	}
	return false;
}

static enum tick_outcome commit(struct tick *t, struct error *err)
{
	const struct tick_member *m = &t->members[0];
	int rc = t->n_members && m->commit ? m->commit(m->ctx, err) : TICK_COMMIT_DONE;

	if (rc == TICK_COMMIT_DONE)
		return TICK_DONE;
	return rc == TICK_COMMIT_REFUSED ? TICK_REFUSED : TICK_UNKNOWN;
}

/* True when the commit may block. */
static bool commit_blocks(struct tick *t)
{
	const struct tick_member *m = &t->members[0];

	if (!t->n_members || !m->commit)
		return false;
	return !m->dirty || m->dirty(m->ctx);
}

/* ---- the end of a tick ---- */

static enum tick_outcome unit_outcome(const struct tick_unit *u, enum tick_outcome tick_outcome,
	const struct error *tick_err, const struct error **out_err)
{
	if (u->failed) {
		*out_err = &u->err;
		return TICK_FAILED;
	}
	*out_err = tick_outcome == TICK_DONE ? &u->err : tick_err;
	return tick_outcome;
}

static void run_soon(struct tick *t);

/* A unit belongs to its owner from the call of finish on. */
static void finish_one(struct tick *t, enum tick_outcome outcome, const struct error *err)
{
	struct tick_unit *u = t->batch;
	const struct error *unit_err;
	enum tick_outcome res = unit_outcome(u, outcome, err, &unit_err);
	struct error copy = *unit_err; /* the unit may be freed while its owner still reads the error */

	t->batch = u->next;
	t->stats.failed += res == TICK_FAILED;
	t->stats.refused += res == TICK_REFUSED;
	u->next = NULL;
	t->pending--;
	u->finish(u, res, &copy);
}

/* Hands the batch back to its owners, in order. */
static void finish_batch(struct tick *t, enum tick_outcome outcome, const struct error *err)
{
	while (t->batch)
		finish_one(t, outcome, err);
}

static int64_t slice_us(const struct tick *t, int64_t now_us)
{
	return fair_shared(&t->line, now_us) ? SLICE_US : SLICE_ALONE_US;
}

/* The same for as long as the rest of the loop can wait; then again in its next turn. */
static void finish_some(struct tick *t)
{
	int64_t now = clock_mono(t->config.loop->clock), until = now + slice_us(t, now);

	while (t->batch && now < until) {
		finish_one(t, t->outcome, &t->outcome_err);
		now = clock_mono(t->config.loop->clock);
	}
	t->finishing = t->batch != NULL;
	if (t->finishing)
		run_soon(t);
	else if (t->rested)
		now_idle(t);
}

static void trouble(struct tick *t, const struct error *why)
{
	if (!t->trouble.since_us)
		t->trouble.since_us = clock_mono(t->config.loop->clock) | 1; /* 0 is none */
	t->trouble.err = *why;
}

/* wrote: there was something to commit, so that a good end proves that it can be done. */
static void settle(struct tick *t, enum tick_outcome outcome, bool wrote, const struct error *err)
{
	t->stats.ticks++;
	if (outcome == TICK_REFUSED)
		trouble(t, err);
	else if (outcome == TICK_DONE && wrote)
		t->trouble.since_us = 0;
	if (outcome == TICK_UNKNOWN) {
		t->dead = true;
		t->dead_err = *err;
	} else {
		members_settle(t, t->n_members, outcome == TICK_DONE);
	}
	if (outcome == TICK_UNKNOWN) {
		finish_batch(t, outcome, err);
		t->config.fatal(t->config.fatal_ctx, &t->dead_err);
		return;
	}
	t->outcome = outcome;
	t->outcome_err = *err;
	t->finishing = t->batch != NULL; /* an empty batch had nothing to tell */
}

/* The connection is the loop's again. */
static void rested(struct tick *t)
{
	t->rested = true;
	if (!t->finishing)
		now_idle(t);
}

static void now_idle(struct tick *t)
{
	t->phase = PHASE_IDLE;
	if (t->line.n || t->drained)
		schedule(t);
}

/* ---- the commit thread ---- */

static void *commit_thread(void *arg)
{
	struct tick *t = arg;
	struct handoff *h = &t->hand;
	const struct tick_member *m = &t->members[0];

	pthread_setname_np(pthread_self(), "commit");
	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct error err = { 0 };
		enum tick_outcome outcome;

		while (!h->job && !h->stop)
			pthread_cond_wait(&h->wake, &h->lock);
		if (!h->job)
			break;
		h->job = false;
		pthread_mutex_unlock(&h->lock);

		outcome = commit(t, &err);

		pthread_mutex_lock(&h->lock);
		h->outcome = outcome;
		h->err = err;
		h->committed = true;
		if (m->rest && outcome == TICK_DONE && (!m->tired || m->tired(m->ctx))) {
			/* replies need not wait for it */
			uv_async_send(&t->async);
			pthread_mutex_unlock(&h->lock);
			m->rest(m->ctx);
			pthread_mutex_lock(&h->lock);
		}
		h->rested = true;
		uv_async_send(&t->async);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void commit_async(uv_async_t *async)
{
	struct tick *t = CONTAINER_OF(async, struct tick, async);
	struct handoff *h = &t->hand;
	enum tick_outcome outcome;
	struct error err;
	bool committed, has_rested;

	pthread_mutex_lock(&h->lock);
	committed = h->committed;
	has_rested = h->rested;
	outcome = h->outcome;
	err = h->err;
	h->committed = h->rested = false;
	pthread_mutex_unlock(&h->lock);

	if (committed) {
		t->stats.commit_us += (uint64_t)(clock_mono(t->config.loop->clock) - t->commit_start_us);
		t->phase = PHASE_RESTING;
		settle(t, outcome, true, &err);
		if (t->finishing)
			finish_some(t);
	}
	if (has_rested)
		rested(t);
}

static void commit_start(struct tick *t)
{
	struct handoff *h = &t->hand;

	t->phase = PHASE_COMMITTING;
	t->commit_start_us = clock_mono(t->config.loop->clock);
	if (!t->thread_started) {
		int rc = thread_start(commit_thread, t, &t->thread);

		if (rc)
			abort(); /* no memory for a thread: the same as xmalloc's */
		t->thread_started = true;
	}
	pthread_mutex_lock(&h->lock);
	h->job = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

static void commit_inline(struct tick *t)
{
	const struct tick_member *m = &t->members[0];
	struct error err = { 0 };
	int64_t start_us = clock_mono(t->config.loop->clock);
	bool wrote = commit_blocks(t);
	enum tick_outcome outcome = commit(t, &err);

	t->phase = PHASE_RESTING;
	if (outcome == TICK_DONE && wrote && m->rest && (!m->tired || m->tired(m->ctx)))
		m->rest(m->ctx);
	t->stats.commit_us += (uint64_t)(clock_mono(t->config.loop->clock) - start_us);
	t->rested = true;
	settle(t, outcome, wrote, &err);
	finish_some(t);
}

/* ---- a tick ---- */

static bool is_hasty(const struct tick *t, const struct tick_unit *u)
{
	return !u->patient || !t->config.linger_ms;
}

static struct tick_unit *queue_pop(struct tick *t, struct fair_class **out_whose)
{
	struct fair_item *item = fair_pop(&t->line, out_whose);
	struct tick_unit *u = item ? CONTAINER_OF(item, struct tick_unit, turn) : NULL;

	if (!u)
		return NULL;
	t->hasty -= is_hasty(t, u);
	u->next = NULL;
	*t->tail = u;
	t->tail = &u->next;
	t->stats.units++;
	return u;
}

static void unit_run(struct tick *t, struct tick_unit *u)
{
	members_savepoint(t);
	u->failed = u->run(u, &u->err) != 0 || members_seal(t, &u->err) != 0;
	if (u->failed) {
		if (u->err.code == ERR_NONE)
			error_internal(&u->err, "a unit failed without saying why");
		members_rollback(t);
	} else {
		members_release(t);
	}
}

static void batch_begin(struct tick *t)
{
	int64_t now = clock_mono(t->config.loop->clock);

	t->left = t->line.n < t->config.units_max ? t->line.n : t->config.units_max;
	t->batch_us = now + (fair_shared(&t->line, now) ? BATCH_US : BATCH_ALONE_US);
	t->tail = &t->batch;
	t->rested = false;
}

/* Runs as many as were in line when the batch began, up to the bounds. False: there are more, and it is time
 * for the rest of the loop. */
static bool batch_run(struct tick *t)
{
	int64_t now = clock_mono(t->config.loop->clock), until = now + slice_us(t, now);

	while (t->left) {
		struct fair_class *whose;
		struct tick_unit *u = queue_pop(t, &whose);
		int64_t begun = now;

		if (!u)
			break;
		t->left--;
		unit_run(t, u);
		now = clock_mono(t->config.loop->clock);
		fair_charge(&t->line, whose, now - begun, now);
		if (members_full(t) || now >= t->batch_us)
			break;
		if (now >= until && t->left)
			return false;
	}
	return true;
}

/* No transaction, or none any more: all that is queued ends here. */
static void refuse_queue(struct tick *t, const struct error *err)
{
	int64_t now = clock_mono(t->config.loop->clock);
	struct fair_class *whose;
	struct tick_unit *u;

	t->tail = &t->batch;
	while ((u = queue_pop(t, &whose))) {
		u->failed = false;
		fair_charge(&t->line, whose, 0, now);
	}
	finish_batch(t, TICK_REFUSED, err);
}

static void on_linger(uv_timer_t *timer);

/* Another program holds the database: those who wait may wait a little longer, while reads go on. */
static bool wait_for_it(struct tick *t, const struct error *err)
{
	int64_t now = clock_mono(t->config.loop->clock);

	if (err->code != ERR_BUSY)
		return false;
	if (!t->busy_us)
		t->busy_us = now;
	if (now - t->busy_us >= (int64_t)t->config.busy_ms * 1000)
		return false;
	uv_timer_start(&t->linger, on_linger, BUSY_AGAIN_MS, 0);
	return true;
}

static void tick_go_on(struct tick *t)
{
	if (!batch_run(t)) {
		run_soon(t);
		return;
	}
	t->phase = PHASE_COMMITTING;
	if (!t->config.inline_commit && commit_blocks(t))
		commit_start(t);
	else
		commit_inline(t);
}

static void tick_run(struct tick *t)
{
	struct error err = { 0 };

	if (t->dead || members_begin(t, &err)) {
		struct error why = t->dead ? t->dead_err : err;

		if (!t->dead && wait_for_it(t, &err))
			return;
		if (!t->dead)
			trouble(t, &why);
		t->phase = PHASE_RESTING; /* what finish submits is scheduled by now_idle */
		refuse_queue(t, &why);
		now_idle(t);
		return;
	}
	t->busy_us = 0;
	t->phase = PHASE_RUNNING;
	batch_begin(t);
	tick_go_on(t);
}

static void on_check(uv_check_t *check)
{
	struct tick *t = CONTAINER_OF(check, struct tick, check);

	uv_check_stop(&t->check);
	uv_idle_stop(&t->idle);
	if (t->finishing) {
		finish_some(t);
	} else if (t->phase == PHASE_RUNNING) {
		tick_go_on(t);
	} else if (t->phase == PHASE_IDLE && t->line.n) {
		tick_run(t);
	} else if (t->drained && !t->pending) {
		void (*drained)(void *) = t->drained;

		t->drained = NULL;
		drained(t->drained_ctx);
	}
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void run_soon(struct tick *t)
{
	uv_timer_stop(&t->linger);
	uv_check_start(&t->check, on_check);
	uv_idle_start(&t->idle, on_idle);
}

static void on_linger(uv_timer_t *timer)
{
	struct tick *t = CONTAINER_OF(timer, struct tick, linger);

	if (t->phase == PHASE_IDLE && t->line.n)
		run_soon(t);
}

static void schedule(struct tick *t)
{
	if (t->phase != PHASE_IDLE || t->closing)
		return;
	if (t->line.n && !t->hasty && !t->drained && t->line.n < t->config.units_max) {
		if (!uv_is_active((uv_handle_t *)&t->linger))
			uv_timer_start(&t->linger, on_linger, t->config.linger_ms, 0);
		return;
	}
	run_soon(t);
}

/* ---- the interface ---- */

struct tick *tick_create(const struct tick_config *config)
{
	struct tick *t = xcalloc(1, sizeof *t);
	uv_loop_t *uv = &config->loop->uv;
	int rc;

	assert(config->fatal);
	t->config = *config;
	if (!t->config.units_max)
		t->config.units_max = UNITS_MAX_DEFAULT;
	fair_init(&t->line, SHARE_US);
	t->house = fair_class_get(&t->line, 0, HOUSE_SHARES * FAIR_SHARE);
	uv_check_init(uv, &t->check);
	uv_idle_init(uv, &t->idle);
	uv_timer_init(uv, &t->linger);
	rc = uv_async_init(uv, &t->async, commit_async);
	if (rc)
		abort(); /* no descriptor at start: as fatal as no memory */
	t->open_handles = HANDLES;
	pthread_mutex_init(&t->hand.lock, NULL);
	pthread_cond_init(&t->hand.wake, NULL);
	return t;
}

void tick_add_member(struct tick *t, const struct tick_member *m)
{
	assert(t->n_members < TICK_MEMBERS_MAX);
	assert(!t->n_members || (!m->commit && !m->rest));
	assert(t->phase == PHASE_IDLE);
	t->members[t->n_members++] = *m;
}

int64_t tick_wait_us(const struct tick *t, uint64_t owner, bool *out_above)
{
	const struct fair_class *c = fair_class_find(&t->line, owner);

	*out_above = c && fair_above_share(&t->line, c);
	return c ? fair_wait_us(c) : 0;
}

void tick_submit(struct tick *t, struct tick_unit *u)
{
	struct fair_class *whose;

	assert(!t->closing);
	u->next = NULL;
	u->failed = false;
	u->err = (struct error) { 0 };
	u->turn = (struct fair_item) { 0 };
	whose = fair_class_get(&t->line, u->owner, FAIR_SHARE);
	fair_push(&t->line, whose, &u->turn);
	fair_class_put(&t->line, whose);
	t->hasty += is_hasty(t, u);
	t->pending++;
	schedule(t);
}

unsigned tick_pending(const struct tick *t)
{
	return t->pending;
}

void tick_drain(struct tick *t, void (*idle)(void *ctx), void *ctx)
{
	t->drained = idle;
	t->drained_ctx = ctx;
	schedule(t);
}

static void handle_closed(uv_handle_t *h)
{
	struct tick *t = h->data;

	if (--t->open_handles)
		return;
	pthread_cond_destroy(&t->hand.wake);
	pthread_mutex_destroy(&t->hand.lock);
	fair_class_put(&t->line, t->house);
	fair_finish(&t->line);
	free(t);
}

void tick_destroy(struct tick *t)
{
	uv_handle_t *handles[HANDLES];

	if (!t)
		return;
	assert(!t->pending && !t->closing);
	t->closing = true;
	if (t->thread_started) {
		/* a `rest` under way ends first */
		pthread_mutex_lock(&t->hand.lock);
		t->hand.stop = true;
		pthread_cond_signal(&t->hand.wake);
		pthread_mutex_unlock(&t->hand.lock);
		pthread_join(t->thread, NULL);
	}
	handles[0] = (uv_handle_t *)&t->check;
	handles[1] = (uv_handle_t *)&t->idle;
	handles[2] = (uv_handle_t *)&t->async;
	handles[3] = (uv_handle_t *)&t->linger;
	for (int i = 0; i < HANDLES; i++) {
		handles[i]->data = t;
		uv_close(handles[i], handle_closed);
	}
}

void tick_stats(const struct tick *t, struct tick_stats *out)
{
	*out = t->stats;
}

const struct tick_trouble *tick_trouble(const struct tick *t)
{
	return t->trouble.since_us ? &t->trouble : NULL;
}
