/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhooks.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/webhook_delivery.h"
#include "api/webhook_secret.h"
#include "base/log.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "loop/lane.h"

enum { PAGE = 500, LOOKS_A_TURN = 16, NOTES = 500, CONNECT_S = 5 }; /* PAGE: events looked at together */

/* One that is not paused. */
struct hook {
	struct hook *next;
	int64_t id, round;
	char *project_uid; /* NULL: all */
	char *types, *uid;
	int64_t noted; /* of `seen`, in its row */
	unsigned note_round;
	int64_t seen;   /* done, or not for it, all up to that event */
	int64_t due_ms; /* on the loop's clock; 0: now */
	bool work;      /* there may be something for it behind `seen` */
	bool busy;      /* a delivery is under way */
	bool failing;
};

struct webhooks {
	struct webhook_sender sender;
	struct hook *first, **last;
	unsigned note_round;
	int64_t upto; /* who has no work has seen all up to here */
	unsigned busy_failing;
	struct loop_timer wake, later;
	unsigned timers; /* not closed yet */
};

static void on_later(struct loop_timer *t);

static int64_t mono_ms(const struct webhooks *all)
{
	return clock_mono(all->sender.api->loop->clock) / 1000;
}

void webhooks_seal(struct webhooks *all, struct arena *a, const char *secret, struct webhook *w)
{
	webhook_secret_seal(all->sender.api->loop->rng, all->sender.key, a, secret, w);
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
	all->sender.stats.failing += failing - h->failing;
	h->failing = failing;
}

static void drop(struct webhooks *all, struct hook *h)
{
	set_failing(all, h, false);
	all->sender.stats.n--;
	unlink_hook(all, h);
	hook_free(h);
}

/* As the row has it now; it may have come further than the row says. */
static void take_row(struct webhooks *all, struct hook *h, const struct webhook *w)
{
	int64_t wait_us = w->due_us - clock_wall(all->sender.api->loop->clock);
	int64_t most_us = INT64_C(1000) * WEBHOOK_BACKOFF_MAX_MS * 2;

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

	if (!all->sender.stats.n && all->upto < w->done_id)
		all->upto = w->done_id; /* nobody looked at what came meanwhile */
	h->id = w->id;
	h->round = -1;
	h->note_round = all->note_round - 1;
	h->project_uid = w->everything ? NULL : xstrdup(w->project_uid);
	h->types = xstrdup(w->types);
	h->uid = xstrdup(w->uid);
	append_hook(all, h);
	all->sender.stats.n++;
	return h;
}

void webhooks_changed(struct webhooks *all, int64_t id)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct hook *h = find(all, id);
	struct error err = { 0 };
	struct webhook w;
	int rc;

	if (all->sender.stopped || !all->sender.key || (h && h->busy)) /* busy: when it is back */
		return;
	rc = store_webhook_load(store_ro(all->sender.api->store), &a, id, &w, &err);
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

	if (store_event_list(store_ro(all->sender.api->store), &a, &f, &page, &err) < 0) {
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

/* --- deliveries --- */

static void over(struct webhook_sender *s, int64_t id, bool failing, bool stored)
{
	struct webhooks *all = CONTAINER_OF(s, struct webhooks, sender);
	struct hook *h = find(all, id);

	s->stats.busy--;
	all->busy_failing -= failing;
	if (h)
		h->busy = false;
	webhooks_changed(all, id);
	h = find(all, id);
	if (h && !stored)
		h->due_ms = mono_ms(all) + WEBHOOK_BACKOFF_MIN_MS;
}

/* What is next for it, if there is anything. */
static void look(struct webhooks *all, struct hook *h)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_ro(all->sender.api->store);
	struct event_filter f = { .after = h->seen,
		.limit = WEBHOOK_BATCH,
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
		h->busy = true;
		all->sender.stats.busy++;
		all->busy_failing += w.tries > 0;
		webhook_delivery_begin(&all->sender, &w, &page, h->seen);
	} else {
		h->seen = page.upto > h->seen ? page.upto : h->seen;
		h->work = page.more;
	}
}

static bool may_begin(const struct webhooks *all, const struct hook *h)
{
	unsigned most = all->sender.api->config.webhook_threads;

	return all->sender.stats.busy < most && (!h->failing || all->busy_failing < most / 2);
}

/* Begins what can begin; those that were served stand behind the others then. */
static void pump(struct webhooks *all)
{
	int64_t now = mono_ms(all), soonest = INT64_MAX;
	unsigned n = all->sender.stats.n, looks = LOOKS_A_TURN;

	for (struct hook *h = all->first, *next; h && n; h = next, n--) {
		next = h->next;
		if (!h->work || h->busy)
			continue;
		if (h->due_ms > now) {
			soonest = h->due_ms < soonest ? h->due_ms : soonest;
		} else if (may_begin(all, h) && !looks) {
			soonest = now;
		} else if (may_begin(all, h)) {
			looks--;
			look(all, h);
			unlink_hook(all, h);
			append_hook(all, h);
			if (h->work && !h->busy) /* much that was not for it */
				soonest = now;
		}
	}
	if (soonest != INT64_MAX)
		loop_timer_set(all->sender.api->loop, &all->later, (uint64_t)(soonest - now), on_later);
}

static void on_wake(struct loop_timer *t)
{
	struct webhooks *all = CONTAINER_OF(t, struct webhooks, wake);
	bool more;

	if (all->sender.stopped)
		return;
	more = look_at_news(all);
	pump(all);
	if (more)
		webhooks_wake(all);
}

static void on_later(struct loop_timer *t)
{
	struct webhooks *all = CONTAINER_OF(t, struct webhooks, later);

	if (!all->sender.stopped)
		pump(all);
}

void webhooks_wake(struct webhooks *all)
{
	if (all->sender.stats.n && !all->sender.stopped)
		loop_timer_set(all->sender.api->loop, &all->wake, 0, on_wake);
}

/* At most so many at a time, and each once before any of them again. */
int webhooks_note(struct webhooks *all, struct db *db, struct error *err)
{
	unsigned left = NOTES;

	for (struct hook *h = all->first; h && left; h = h->next) {
		if (h->note_round == all->note_round || h->work || h->busy || h->noted == h->seen)
			continue;
		if (store_webhook_pass(db, h->id, h->round, h->seen, err) < 0)
			return -1;
		h->noted = h->seen;
		h->note_round = all->note_round;
		left--;
	}
	if (left)
		all->note_round++;
	return 0;
}

/* --- the whole --- */

int webhooks_create(struct api *api, struct webhooks **out, struct error *err)
{
	struct webhooks *all = xcalloc(1, sizeof *all);

	all->sender.api = api;
	all->sender.over = over;
	all->last = &all->first;
	*out = all;
	if (!webhooks_offered(api))
		return 0;
	if (secret_file_get(api->config.webhook_key, api->loop->rng, &all->sender.key, err) < 0)
		return -1;
	outbound_start_all();
	all->sender.lane = lane_create(api->lanes, "webhooks", api->config.webhook_threads, UINT_MAX);
	return 0;
}

int webhooks_start(struct webhooks *all, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_ro(all->sender.api->store);
	struct webhook *rows;
	size_t n;

	if (!all->sender.key)
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
	*out = all->sender.stats;
}

void webhooks_stop(struct webhooks *all)
{
	all->sender.stopped = true;
}

static void free_last(struct webhooks *all)
{
	if (--all->timers)
		return;
	free(all->sender.key);
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
	if (all->sender.lane)
		lane_destroy(all->sender.lane);
	while (all->first)
		drop(all, all->first);
	all->timers = 2;
	loop_timer_close(&all->wake, wake_closed);
	loop_timer_close(&all->later, later_closed);
}
