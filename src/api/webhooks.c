/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhooks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_view.h"
#include "api/webhook_post.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/seal.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "loop/lane.h"
#include "store/events.h"

enum {
	PAGE = 500,               /* events looked at together */
	BATCH = 100,              /* in one delivery */
	BATCH_BYTES = 256 * 1024, /* its body, about */
	BACKOFF_MIN_MS = 1000,
	BACKOFF_MAX_MS = 3600 * 1000,
	TRIES_BEFORE_GIVING_UP = 8, /* however old the events are */
	SECRET_MAX = 256,
	CONNECT_S = 5,
};

/* One that is not paused. */
struct hook {
	struct hook *next;
	int64_t id, round;
	char *project_uid; /* NULL: all */
	char *types, *uid;
	int64_t noted;  /* of `seen`, in its row */
	int64_t seen;   /* done, or not for it, all up to that event */
	int64_t due_ms; /* on the loop's clock; 0: now */
	bool work;      /* there may be something for it behind `seen` */
	bool busy;      /* a delivery is under way */
	bool failing;
};

struct webhooks {
	struct api *api;
	char *key;
	struct lane *lane;
	struct hook *first, **last;
	int64_t upto; /* who has no work has seen all up to here */
	unsigned busy, busy_failing;
	bool stopped;
	struct loop_timer wake, later;
	unsigned timers;
	struct webhooks_stats stats;
};

struct delivery {
	struct work work;
	struct tick_unit unit;
	struct webhook_post post;
	struct webhooks *all;
	struct webhook row; /* numbers alone: its texts are gone */
	char uid[UUID_TEXT], project_uid[64];
	bool everything;
	int64_t upto; /* of what is in it */
	unsigned n;   /* events in it */
	int64_t at_us[BATCH], ids[BATCH];
	enum work_result result;
	bool was_failing;
};

static void on_later(struct loop_timer *t);

static int64_t mono_ms(const struct webhooks *all)
{
	return clock_mono(all->api->loop->clock) / 1000;
}

bool webhooks_offered(const struct api *api)
{
	return api->config.webhook_hosts && api->config.webhook_hosts[0];
}

struct outbound webhooks_outbound(const struct api *api)
{
	const struct api_config *c = &api->config;

	return (struct outbound) {
		.field = "url",
		.unlisted = "webhooks may not lead to this host",
		.hosts = c->webhook_hosts ? c->webhook_hosts : "",
		.networks = c->webhook_networks ? c->webhook_networks : "",
		.ca_file = c->webhook_ca ? c->webhook_ca : "",
		.plain = c->webhook_http,
		.timeout_s = (long)c->webhook_timeout_s,
		.connect_s = CONNECT_S,
	};
}

/* --- secrets --- */

static void purpose_of(const char *uid, char out[64])
{
	snprintf(out, 64, "cloudd webhook %.36s", uid);
}

void webhook_secret_seal(struct webhooks *all, struct arena *a, const char *uid, const char *secret,
	const void **out, size_t *out_n)
{
	size_t n = strlen(secret);
	unsigned char *sealed = arena_alloc(a, n + SEAL_EXTRA);
	char purpose[64];

	purpose_of(uid, purpose);
	seal(all->api->loop->rng, all->key, purpose, secret, n, sealed);
	*out = sealed;
	*out_n = n + SEAL_EXTRA;
}

/* NULL: the key is another one. */
static char *secret_of(const struct webhooks *all, const struct webhook *w)
{
	size_t n = w->secret_n < SEAL_EXTRA ? 0 : w->secret_n - SEAL_EXTRA;
	char *plain = xcalloc(1, n + 1), purpose[64];

	purpose_of(w->uid, purpose);
	if (n && n <= SECRET_MAX && unseal(all->key, purpose, w->secret, w->secret_n, (unsigned char *)plain))
		return plain;
	free(plain);
	return NULL;
}

/* --- those who want to be told --- */

static struct hook *find(struct webhooks *all, int64_t id)
{
	for (struct hook *h = all->first; h; h = h->next)
		if (h->id == id)
			return h;
	return NULL;
}

static void hook_free(struct hook *h)
{
	free(h->project_uid);
	free(h->types);
	free(h->uid);
	free(h);
}

static void unlink_hook(struct webhooks *all, struct hook *h)
{
	struct hook **p = &all->first;

	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	if (all->last == &h->next)
		all->last = p;
}

static void append_hook(struct webhooks *all, struct hook *h)
{
	h->next = NULL;
	*all->last = h;
	all->last = &h->next;
}

static void set_failing(struct webhooks *all, struct hook *h, bool failing)
{
	all->stats.failing += failing - h->failing;
	h->failing = failing;
}

static void drop(struct webhooks *all, struct hook *h)
{
	set_failing(all, h, false);
	all->stats.n--;
	unlink_hook(all, h);
	hook_free(h);
}

/* As the row has it now; it may have come further than the row says. */
static void take_row(struct webhooks *all, struct hook *h, const struct webhook *w)
{
	int64_t wait_us = w->due_us - clock_wall(all->api->loop->clock);
	int64_t most_us = INT64_C(1000) * BACKOFF_MAX_MS * 2;

	if (h->round != w->round || h->seen < w->done_id)
		h->seen = w->done_id;
	h->round = w->round;
	h->work = true;
	wait_us = wait_us > most_us ? most_us : wait_us; /* the clock was put back */
	h->due_ms = wait_us > 0 ? mono_ms(all) + wait_us / 1000 : 0;
	set_failing(all, h, w->tries > 0);
}

static struct hook *add(struct webhooks *all, const struct webhook *w)
{
	struct hook *h = xcalloc(1, sizeof *h);

	if (!all->stats.n && all->upto < w->done_id)
		all->upto = w->done_id; /* nobody looked at what came meanwhile */
	h->id = w->id;
	h->round = -1;
	h->project_uid = w->everything ? NULL : xstrdup(w->project_uid);
	h->types = xstrdup(w->types);
	h->uid = xstrdup(w->uid);
	append_hook(all, h);
	all->stats.n++;
	return h;
}

void webhooks_changed(struct webhooks *all, int64_t id)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hook *h = find(all, id);
	struct error err = { 0 };
	struct webhook w;
	int rc;

	if (all->stopped || !all->key || (h && h->busy)) /* busy: when it is back */
		return;
	rc = store_webhook_load(store_ro(all->api->store), &a, id, &w, &err);
	if (rc < 0)
		log_event(LOG_ERR, "a webhook cannot be read", "detail", err.detail, NULL);
	else if (rc > 0 && !w.paused)
		take_row(all, h ? h : add(all, &w), &w);
	else if (h)
		drop(all, h);
	webhooks_wake(all);
}

static bool wants(const struct hook *h, const struct event_row *r)
{
	const struct event_filter f = { .types = h->types, .webhook_uid = h->uid };

	return (!h->project_uid || strcmp(h->project_uid, r->project_uid) == 0) &&
	       event_fits(&f, r->type, r->subject);
}

/* Who of those without work has some now? True when there is more to be looked at. */
static bool look_at_news(struct webhooks *all)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct event_filter f = { .after = all->upto, .limit = PAGE };
	struct event_page page;
	struct error err = { 0 };

	if (store_event_list(store_ro(all->api->store), &a, &f, &page, &err) < 0) {
		log_event(LOG_ERR, "events cannot be read", "detail", err.detail, NULL);
		return false;
	}
	for (struct hook *h = all->first; h; h = h->next) {
		for (size_t i = 0; i < page.n && !h->work; i++) {
			h->work = page.rows[i].id > h->seen && wants(h, &page.rows[i]);
			if (!h->work && page.rows[i].id > h->seen)
				h->seen = page.rows[i].id;
		}
	}
	all->upto = page.upto;
	return page.more;
}

/* --- the end of a delivery --- */

static void delivery_free(struct delivery *d)
{
	webhook_post_finish(&d->post);
	free(d);
}

static int64_t backoff_ms(const struct webhooks *all, int64_t tries)
{
	const struct rng *rng = all->api->loop->rng;
	int64_t ms = tries > 20 ? BACKOFF_MAX_MS : INT64_C(1) << (tries - 1);
	uint16_t noise;

	ms = ms < BACKOFF_MAX_MS / BACKOFF_MIN_MS ? ms * BACKOFF_MIN_MS : BACKOFF_MAX_MS;
	rng->fill(rng->ctx, &noise, sizeof noise);
	return ms * 3 / 4 + ms / 2 * noise / 65536; /* a quarter less or more */
}

static int tell_given_up(const struct delivery *d, struct db *db, unsigned n, int64_t upto, struct error *err)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	jw_kv_int(&b, "events", n);
	jw_kv_int(&b, "from", d->ids[0]);
	jw_kv_int(&b, "upto", upto);
	jw_kv_str(&b, "error", d->post.err.msg);
	jw_end_object(&b);
	return store_event_add(db,
		&(struct event_row) { .type = "webhook.given_up",
			.project_uid = d->everything ? "" : d->project_uid,
			.subject = d->uid,
			.data = buf_text(&b) },
		err);
}

/* What is too old by now is given up; the rest is tried again. */
static int failed(struct delivery *d, struct webhook *w, struct db *db, int64_t now_us, struct error *err)
{
	int64_t old_us = now_us - d->all->api->config.webhook_give_up_us;
	unsigned n = 0;

	w->tries++;
	w->due_us = now_us + 1000 * backoff_ms(d->all, w->tries);
	w->last_error = d->post.err.msg;
	while (w->tries >= TRIES_BEFORE_GIVING_UP && n < d->n && d->at_us[n] < old_us)
		n++;
	if (!n)
		return 0;
	w->done_id = d->ids[n - 1];
	w->given_up += n;
	d->all->stats.given_up += n;
	return tell_given_up(d, db, n, w->done_id, err);
}

static int end_run(struct tick_unit *u, struct error *err)
{
	struct delivery *d = CONTAINER_OF(u, struct delivery, unit);
	struct db *db = store_rw(d->all->api->store);
	int64_t now_us = clock_wall(d->all->api->loop->clock);
	struct webhook w = d->row;

	w.last_error = "";
	if (d->post.err.code) {
		if (failed(d, &w, db, now_us, err) < 0)
			return -1;
	} else {
		w.done_id = d->upto;
		w.delivered_us = now_us;
		w.tries = w.due_us = 0;
	}
	return store_webhook_advance(db, &w, err) < 0 ? -1 : 0;
}

static void leave(struct webhooks *all, struct delivery *d)
{
	struct hook *h = find(all, d->row.id);

	all->busy--;
	all->busy_failing -= d->was_failing;
	if (h)
		h->busy = false;
}

static void end_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct delivery *d = CONTAINER_OF(u, struct delivery, unit);
	struct webhooks *all = d->all;
	struct hook *h;

	leave(all, d);
	webhooks_changed(all, d->row.id);
	h = find(all, d->row.id);
	if (outcome != TICK_DONE && h) {
		log_event(LOG_ERR, "a delivery's end is not stored: it is made again", "webhook", d->uid,
			"error", err->msg, "detail", err->detail, NULL);
		h->due_ms = mono_ms(all) + BACKOFF_MIN_MS;
	}
	delivery_free(d);
}

static void post_work(struct work *w)
{
	webhook_post_run(&CONTAINER_OF(w, struct delivery, work)->post);
}

static void post_done(struct work *w, enum work_result res)
{
	CONTAINER_OF(w, struct delivery, work)->result = res;
}

/* On the loop, when the thread has let go of it. */
static void post_settled(struct work *w)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, work);
	struct webhooks *all = d->all;

	if (d->result != WORK_DONE || all->stopped) { /* the daemon ends */
		delivery_free(d);
		return;
	}
	all->stats.failed += d->post.err.code != ERR_NONE;
	all->stats.delivered += d->post.err.code == ERR_NONE;
	all->stats.events += d->post.err.code == ERR_NONE ? d->n : 0;
	if (d->post.err.code)
		log_event(LOG_INFO, "a delivery failed", "webhook", d->uid, "error", d->post.err.msg, NULL);
	d->unit = (struct tick_unit) { .run = end_run, .finish = end_finish, .patient = true };
	tick_submit(all->api->tick, &d->unit);
}

/* --- the beginning of one --- */

static void write_body(
	struct delivery *d, const struct webhook *w, const struct event_page *page, int64_t after)
{
	struct buf *b = &d->post.body;

	jw_object(b);
	jw_kv_str(b, "webhook_id", w->uid);
	jw_key(b, "events");
	jw_array(b);
	if (page->lost)
		event_view_lost(b, after, page->lost_upto);
	for (size_t i = 0; i < page->n && (!i || b->len < BATCH_BYTES); i++) {
		const struct event_row *r = &page->rows[i];

		event_view(b, r, w->everything);
		d->ids[d->n] = r->id;
		d->at_us[d->n++] = r->at_us;
	}
	jw_end_array(b);
	jw_end_object(b);
	d->upto = d->n ? d->ids[d->n - 1] : page->lost_upto;
}

/* One with no text that is good for it is not sent unsigned: it fails like any other. */
static struct delivery *delivery_make(
	struct webhooks *all, const struct webhook *w, const struct event_page *page, int64_t after)
{
	struct delivery *d = xcalloc(1, sizeof *d);

	d->all = all;
	d->row = *w;
	str_copy(d->uid, sizeof d->uid, w->uid);
	str_copy(d->project_uid, sizeof d->project_uid, w->project_uid);
	d->everything = w->everything;
	write_body(d, w, page, after);
	d->post.to = webhooks_outbound(all->api);
	d->post.url = xstrdup(w->url);
	d->post.webhook = xstrdup(w->uid);
	d->post.secret = secret_of(all, w);
	d->post.event_id = d->upto;
	d->post.at_s = clock_wall(all->api->loop->clock) / 1000000;
	d->work = (struct work) { .run = post_work, .done = post_done, .destroy = post_settled };
	return d;
}

static void begin(struct webhooks *all, struct hook *h, struct delivery *d)
{
	h->busy = true;
	d->was_failing = h->failing;
	all->busy++;
	all->busy_failing += h->failing;
	if (!d->post.secret) {
		error_set(&d->post.err, ERR_INTERNAL, "its secret cannot be read: make the webhook anew");
		d->result = WORK_DONE;
		post_settled(&d->work);
	} else {
		lane_submit(all->lane, &d->work);
	}
}

/* What is next for it, if there is anything. */
static void look(struct webhooks *all, struct hook *h)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_ro(all->api->store);
	struct event_filter f = { .after = h->seen,
		.limit = BATCH,
		.project_uid = h->project_uid,
		.types = h->types,
		.webhook_uid = h->uid };
	struct event_page page;
	struct error err = { 0 };
	struct webhook w;
	int rc = store_webhook_load(db, &a, h->id, &w, &err);

	if (rc > 0 && store_event_list(db, &a, &f, &page, &err) < 0)
		rc = -1;
	if (rc <= 0) {
		if (rc < 0)
			log_event(LOG_ERR, "events cannot be read", "detail", err.detail, NULL);
		h->work = false;
		return;
	}
	if (page.n || page.lost) {
		begin(all, h, delivery_make(all, &w, &page, h->seen));
	} else {
		h->seen = page.upto > h->seen ? page.upto : h->seen;
		h->work = page.more;
	}
}

static bool may_begin(const struct webhooks *all, const struct hook *h)
{
	unsigned most = all->api->config.webhook_threads;

	return all->busy < most && (!h->failing || all->busy_failing < most / 2);
}

/* Begins what can begin; those that were served stand behind the others then. */
static void pump(struct webhooks *all)
{
	int64_t now = mono_ms(all), soonest = INT64_MAX;
	unsigned n = all->stats.n;

	for (struct hook *h = all->first, *next; h && n; h = next, n--) {
		next = h->next;
		if (!h->work || h->busy)
			continue;
		if (h->due_ms > now) {
			soonest = h->due_ms < soonest ? h->due_ms : soonest;
		} else if (may_begin(all, h)) {
			look(all, h);
			unlink_hook(all, h);
			append_hook(all, h);
			if (h->work && !h->busy) /* much that was not for it */
				soonest = now;
		}
	}
	if (soonest != INT64_MAX)
		loop_timer_set(all->api->loop, &all->later, (uint64_t)(soonest - now), on_later);
}

static void on_wake(struct loop_timer *t)
{
	struct webhooks *all = CONTAINER_OF(t, struct webhooks, wake);
	bool more;

	if (all->stopped)
		return;
	more = look_at_news(all);
	pump(all);
	if (more)
		webhooks_wake(all);
}

static void on_later(struct loop_timer *t)
{
	struct webhooks *all = CONTAINER_OF(t, struct webhooks, later);

	if (!all->stopped)
		pump(all);
}

void webhooks_wake(struct webhooks *all)
{
	if (all->stats.n && !all->stopped)
		loop_timer_set(all->api->loop, &all->wake, 0, on_wake);
}

int webhooks_note(struct webhooks *all, struct db *db, struct error *err)
{
	for (struct hook *h = all->first; h; h = h->next) {
		if (h->work || h->busy || h->noted == h->seen)
			continue;
		if (store_webhook_pass(db, h->id, h->round, h->seen, err) < 0)
			return -1;
		h->noted = h->seen;
	}
	return 0;
}

/* --- the whole --- */

int webhooks_create(struct api *api, struct webhooks **out, struct error *err)
{
	struct webhooks *all = xcalloc(1, sizeof *all);

	all->api = api;
	all->last = &all->first;
	*out = all;
	if (!webhooks_offered(api))
		return 0;
	if (secret_file_get(api->config.webhook_key, api->loop->rng, &all->key, err) < 0)
		return -1;
	outbound_start_all();
	all->lane = lane_create(api->lanes, "webhooks", api->config.webhook_threads, UINT_MAX);
	return 0;
}

int webhooks_start(struct webhooks *all, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_ro(all->api->store);
	struct webhook *rows;
	size_t n;

	if (!all->key)
		return 0;
	if (store_event_last(db, &all->upto, err) < 0 || store_webhook_list(db, &a, NULL, &rows, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!rows[i].paused)
			take_row(all, add(all, &rows[i]), &rows[i]);
	webhooks_wake(all);
	return 0;
}

void webhooks_stats(const struct webhooks *all, struct webhooks_stats *out)
{
	*out = all->stats;
	out->busy = all->busy;
}

void webhooks_stop(struct webhooks *all)
{
	all->stopped = true;
}

static void free_last(struct webhooks *all)
{
	if (--all->timers)
		return;
	free(all->key);
	free(all);
}

static void wake_closed(struct loop_timer *t)
{
	free_last(CONTAINER_OF(t, struct webhooks, wake));
}

static void later_closed(struct loop_timer *t)
{
	free_last(CONTAINER_OF(t, struct webhooks, later));
}

void webhooks_destroy(struct webhooks *all)
{
	if (!all)
		return;
	webhooks_stop(all);
	if (all->lane)
		lane_destroy(all->lane);
	while (all->first)
		drop(all, all->first);
	all->timers = 2;
	loop_timer_close(&all->wake, wake_closed);
	loop_timer_close(&all->later, later_closed);
}
