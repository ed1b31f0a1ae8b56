/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	IDLE -> (units run) -> COMMITTING -> (finish) -> RESTING -> IDLE
 *	             |          on the thread            on the thread ^
 *	             +-- nothing written: commit and finish at once ---+
 *
 * Units that callbacks of one loop turn submit go together: they run in libuv's check phase, after all of the
 * turn's timers and descriptors. RESTING is the first member's `rest` (a checkpoint) on the commit thread. */
#include "loop/tick.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "loop/thread.h"

enum { UNITS_MAX_DEFAULT = 512, HANDLES = 4 };

enum phase { PHASE_IDLE, PHASE_COMMITTING, PHASE_RESTING };

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
	uv_timer_t linger; /* armed while only patient units wait */
	int open_handles;
	enum phase phase;
	struct tick_unit *head, **tail;  /* submitted, not yet run */
	unsigned queued, pending, hasty; /* hasty: of those queued, not patient */
	struct tick_unit *batch;         /* run, not yet finished, in order */
	int64_t commit_start_us;
	bool dead, closing; /* dead: an outcome was unknown, nothing runs any more */
	struct error dead_err;
	void (*drained)(void *ctx);
	void *drained_ctx;
	struct tick_stats stats;
	pthread_t thread;
	bool thread_started;
	struct handoff hand;
};

static void schedule(struct tick *t);

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

/* Hands the batch back to its owners, in order. A unit belongs to its owner from the call of finish on. */
static void finish_batch(struct tick *t, enum tick_outcome outcome, const struct error *err)
{
	struct tick_unit *u = t->batch;

	t->batch = NULL;
	while (u) {
		struct tick_unit *next = u->next;
		const struct error *unit_err;
		enum tick_outcome res = unit_outcome(u, outcome, err, &unit_err);
		struct error copy =
			*unit_err; /* the unit may be freed while its owner still reads the error */

		t->stats.failed += res == TICK_FAILED;
		t->stats.refused += res == TICK_REFUSED;
		u->next = NULL;
		t->pending--;
		u->finish(u, res, &copy);
		u = next;
	}
}

static void settle(struct tick *t, enum tick_outcome outcome, const struct error *err)
{
	t->stats.ticks++;
	if (outcome == TICK_UNKNOWN) {
		t->dead = true;
		t->dead_err = *err;
	} else {
		members_settle(t, t->n_members, outcome == TICK_DONE);
	}
	finish_batch(t, outcome, err);
	if (outcome == TICK_UNKNOWN)
		t->config.fatal(t->config.fatal_ctx, &t->dead_err);
}

static void now_idle(struct tick *t)
{
	t->phase = PHASE_IDLE;
	if (t->head || t->drained)
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
	bool committed, rested;

	pthread_mutex_lock(&h->lock);
	committed = h->committed;
	rested = h->rested;
	outcome = h->outcome;
	err = h->err;
	h->committed = h->rested = false;
	pthread_mutex_unlock(&h->lock);

	if (committed) {
		t->stats.commit_us += (uint64_t)(clock_mono(t->config.loop->clock) - t->commit_start_us);
		t->phase = PHASE_RESTING;
		settle(t, outcome, &err);
	}
	if (rested)
		now_idle(t);
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
	settle(t, outcome, &err);
	now_idle(t);
}

/* ---- a tick ---- */

static bool is_hasty(const struct tick *t, const struct tick_unit *u)
{
	return !u->patient || !t->config.linger_ms;
}

static struct tick_unit *queue_pop(struct tick *t)
{
	struct tick_unit *u = t->head;

	t->head = u->next;
	if (!t->head)
		t->tail = &t->head;
	t->queued--;
	t->hasty -= is_hasty(t, u);
	u->next = NULL;
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

/* Runs what is queued now, up to the bounds; what those units submit waits for the next tick. */
static void batch_run(struct tick *t)
{
	struct tick_unit **tail = &t->batch;
	unsigned n = t->queued < t->config.units_max ? t->queued : t->config.units_max;

	while (n--) {
		struct tick_unit *u = queue_pop(t);

		*tail = u;
		tail = &u->next;
		unit_run(t, u);
		t->stats.units++;
		if (members_full(t))
			break;
	}
}

/* No transaction, or none any more: all that is queued ends here. */
static void refuse_queue(struct tick *t, const struct error *err)
{
	struct tick_unit **tail = &t->batch;
	unsigned n = t->queued;

	while (n--) {
		struct tick_unit *u = queue_pop(t);

		u->failed = false;
		*tail = u;
		tail = &u->next;
		t->stats.units++;
	}
	finish_batch(t, TICK_REFUSED, err);
}

static void tick_run(struct tick *t)
{
	struct error err = { 0 };

	if (t->dead || members_begin(t, &err)) {
		struct error why = t->dead ? t->dead_err : err;

		t->phase = PHASE_RESTING; /* what finish submits is scheduled by now_idle */
		refuse_queue(t, &why);
		now_idle(t);
		return;
	}
	t->phase = PHASE_COMMITTING;
	batch_run(t);
	if (!t->config.inline_commit && commit_blocks(t))
		commit_start(t);
	else
		commit_inline(t);
}

static void on_check(uv_check_t *check)
{
	struct tick *t = CONTAINER_OF(check, struct tick, check);

	uv_check_stop(&t->check);
	uv_idle_stop(&t->idle);
	if (t->head) {
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

	if (t->phase == PHASE_IDLE && t->head)
		run_soon(t);
}

static void schedule(struct tick *t)
{
	if (t->phase != PHASE_IDLE || t->closing)
		return;
	if (t->head && !t->hasty && !t->drained && t->queued < t->config.units_max) {
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
	t->tail = &t->head;
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

void tick_submit(struct tick *t, struct tick_unit *u)
{
	assert(!t->closing);
	u->next = NULL;
	u->failed = false;
	u->err = (struct error) { 0 };
	*t->tail = u;
	t->tail = &u->next;
	t->queued++;
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
