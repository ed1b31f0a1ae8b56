/* SPDX-License-Identifier: Apache-2.0 */
#include "api/long_reads.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/admission.h"
#include "api/internal.h"
#include "base/fair.h"
#include "base/util.h"
#include "flow/flow.h"
#include "loop/lane.h"

enum {
	THREADS_MAX = 4,
	SHARE_US = 5000,
	LONG_US = 1000, /* what may be done on the loop */
	COSTS = 512     /* owners and routes that are remembered */
};

struct reading {
	struct work work;
	struct fair_item turn;
	struct fair_class *whose; /* while it runs */
	struct long_reads *all;   /* NULL: it is over, and the call answered */
	struct api_call *call;
	size_t place; /* among those that run */
	int64_t begun_us;
	int rc;
	struct error err;
};

struct cost {
	uint64_t key;
	int64_t us;
};

struct long_reads {
	struct api *api;
	struct lane *lane;
	struct fair line; /* by owners in turn */
	size_t threads;
	struct reading *running[THREADS_MAX];
	struct db *readers[THREADS_MAX]; /* opened at the first use */
	struct cost costs[COSTS];
	uint64_t taken;
	pthread_mutex_t lock; /* for the end, which waits for those that run */
	pthread_cond_t changed;
	unsigned on_threads;
};

/* ---- what is known to be short ---- */

static struct cost *cost_of(struct long_reads *r, const struct api_call *c, uint64_t *out_key)
{
	*out_key = (c->owner * 0x9e3779b97f4a7c15u) ^ (uint64_t)(uintptr_t)c->route;
	return &r->costs[(*out_key >> 40 ^ *out_key >> 4) % COSTS];
}

void long_read_ran(struct api_call *c, int64_t us)
{
	uint64_t key;
	struct cost *k = cost_of(c->api->long_reads, c, &key);

	if (k->key != key)
		*k = (struct cost) { key, us };
	else
		k->us += (us - k->us) / 4;
}

static bool is_short(struct long_reads *r, const struct api_call *c)
{
	uint64_t key;
	const struct cost *k = cost_of(r, c, &key);

	return k->key == key && k->us < LONG_US;
}

/* ---- on a thread ---- */

static void threads_count(struct long_reads *r, int change)
{
	pthread_mutex_lock(&r->lock);
	r->on_threads += (unsigned)change;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int read_on(struct long_reads *r, struct reading *k)
{
	struct db **db = &r->readers[k->place];
	struct api_call *c = k->call;

	if (!*db && store_reader_open(r->api->store, db, &k->err))
		return -1;
	c->db = *db;
	return c->route->handler(c, &k->err);
}

static void run(struct work *w)
{
	struct reading *k = CONTAINER_OF(w, struct reading, work);
	struct long_reads *r = k->all;
	struct error ignored;

	k->rc = read_on(r, k);
	if (r->readers[k->place] && store_reader_again(r->readers[k->place], &ignored)) {
		store_reader_close(r->readers[k->place]);
		r->readers[k->place] = NULL;
	}
	threads_count(r, -1);
}

/* ---- on the loop ---- */

static void pump(struct long_reads *r);

static void destroy(struct work *w)
{
	free(CONTAINER_OF(w, struct reading, work));
}

static void done(struct work *w, enum work_result res)
{
	struct reading *k = CONTAINER_OF(w, struct reading, work);
	struct long_reads *r = k->all;
	struct api_call *c = k->call;
	int64_t now_us;

	if (!r)
		return;
	now_us = clock_mono(r->api->loop->clock);
	r->running[k->place] = NULL;
	fair_charge(&r->line, k->whose, now_us - k->begun_us, now_us);
	if (res != WORK_DONE) {
		threads_count(r, -1);
		error_set(&k->err, ERR_UNAVAILABLE, "cloudd is stopping");
	} else {
		long_read_ran(c, now_us - k->begun_us);
	}
	c->db = store_ro(r->api->store);
	if (res != WORK_DONE || k->rc < 0)
		api_fail(c, &k->err);
	else
		api_reply(c);
	pump(r);
}

static void begin(struct long_reads *r, size_t place)
{
	struct fair_class *whose;
	struct reading *k = CONTAINER_OF(fair_pop(&r->line, &whose), struct reading, turn);

	k->whose = whose;
	k->place = place;
	k->begun_us = clock_mono(r->api->loop->clock);
	r->running[place] = k;
	threads_count(r, 1);
	if (!lane_submit(r->lane, &k->work)) {
		done(&k->work, WORK_CANCELLED);
		destroy(&k->work);
	}
}

static void pump(struct long_reads *r)
{
	for (size_t i = 0; i < r->threads && r->line.n; i++)
		if (!r->running[i])
			begin(r, i);
}

bool long_read_take(struct api_call *c)
{
	struct long_reads *r = c->api->long_reads;
	struct fair_class *whose;
	struct reading *k;
	struct error err;

	if (!r || is_short(r, c))
		return false;
	whose = fair_class_get(&r->line, c->owner, c->owner ? FAIR_SHARE : FAIR_FIRST);
	if (admission_line(c, &r->line, whose, &err) < 0) {
		fair_class_put(&r->line, whose);
		api_turn_away(c, &err);
		return true;
	}
	if (api_is_admin(c))
		c->hosts_heard = flow_hosts_heard(c->api->flows, c->arena, &c->hosts_heard_n);
	c->away = true;
	k = xcalloc(1, sizeof *k);
	*k = (struct reading) {
		.work = { .run = run, .done = done, .destroy = destroy }, .all = r, .call = c
	};
	r->taken++;
	fair_push(&r->line, whose, &k->turn);
	fair_class_put(&r->line, whose);
	pump(r);
	return true;
}

void long_reads_stats(const struct long_reads *r, struct long_reads_stats *out)
{
	*out = (struct long_reads_stats) { .taken = r ? r->taken : 0, .waiting = r ? r->line.n : 0 };
}

struct long_reads *long_reads_create(struct api *api)
{
	struct long_reads *r = xcalloc(1, sizeof *r);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	r->api = api;
	r->threads = cores > THREADS_MAX ? THREADS_MAX : cores > 2 ? (size_t)cores - 1 : 1;
	r->lane = lane_create(api->lanes, "lists", (unsigned)r->threads, (unsigned)r->threads);
	fair_init(&r->line, SHARE_US);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	return r;
}

/* Tells the caller, and forgets it. */
static void give_up(struct reading *k)
{
	error_set(&k->err, ERR_UNAVAILABLE, "cloudd is stopping");
	k->all = NULL;
	api_fail(k->call, &k->err);
}

void long_reads_destroy(struct long_reads *r)
{
	struct fair_class *whose;

	if (!r)
		return;
	while (r->line.n) {
		struct reading *k = CONTAINER_OF(fair_pop(&r->line, &whose), struct reading, turn);

		fair_charge(&r->line, whose, 0, 0);
		give_up(k);
		free(k);
	}
	/* what is being read ends by itself, and soon: it must not lose the ground under its feet */
	pthread_mutex_lock(&r->lock);
	while (r->on_threads)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->threads; i++) {
		if (r->running[i]) {
			fair_charge(&r->line, r->running[i]->whose, 0, 0);
			give_up(r->running[i]);
		}
		store_reader_close(r->readers[i]);
	}
	lane_destroy(r->lane);
	fair_finish(&r->line);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
