/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhook_delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_view.h"
#include "api/webhook_post.h"
#include "api/webhook_secret.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/util.h"
#include "loop/lane.h"

enum {
	BATCH_BYTES = 256 * 1024,   /* its body, about */
	TRIES_BEFORE_GIVING_UP = 8, /* however old the events are */
};

struct delivery {
	struct work work;
	struct tick_unit unit;
	struct webhook_post post;
	struct webhook_sender *sender;
	struct webhook row; /* numbers alone: its texts are gone */
	char uid[UUID_TEXT], project_uid[64];
	int64_t upto; /* of what is in it */
	unsigned n;   /* events in it */
	int64_t at_us[WEBHOOK_BATCH], ids[WEBHOOK_BATCH];
	enum work_result result;
};

/* --- the end of a delivery --- */

static void delivery_free(struct delivery *d)
{
	webhook_post_finish(&d->post);
	free(d);
}

static int64_t backoff_ms(const struct webhook_sender *s, int64_t tries)
{
	const struct rng *rng = s->api->loop->rng;
	int64_t ms = tries > 20 ? WEBHOOK_BACKOFF_MAX_MS : INT64_C(1) << (tries - 1);
	uint16_t noise;

	ms = ms < WEBHOOK_BACKOFF_MAX_MS / WEBHOOK_BACKOFF_MIN_MS ? ms * WEBHOOK_BACKOFF_MIN_MS
								  : WEBHOOK_BACKOFF_MAX_MS;
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
			.project_uid = d->row.everything ? "" : d->project_uid,
			.subject = d->uid,
			.data = buf_text(&b) },
		err);
}

/* What is too old by now is given up; the rest is tried again. */
static int failed(struct delivery *d, struct webhook *w, struct db *db, int64_t now_us, struct error *err)
{
	int64_t old_us = now_us - d->sender->api->config.webhook_give_up_us;
	unsigned n = 0;

	w->tries++;
	w->due_us = now_us + 1000 * backoff_ms(d->sender, w->tries);
	w->last_error = d->post.err.msg;
	while (w->tries >= TRIES_BEFORE_GIVING_UP && n < d->n && d->at_us[n] < old_us)
		n++;
	if (!n)
		return 0;
	w->done_id = d->ids[n - 1];
	w->given_up += n;
	d->sender->stats.given_up += n;
	return tell_given_up(d, db, n, w->done_id, err);
}

static int end_run(struct tick_unit *u, struct error *err)
{
	struct delivery *d = CONTAINER_OF(u, struct delivery, unit);
	struct db *db = store_rw(d->sender->api->store);
	int64_t now_us = clock_wall(d->sender->api->loop->clock);
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

static void end_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct delivery *d = CONTAINER_OF(u, struct delivery, unit);

	if (outcome != TICK_DONE)
		log_event(LOG_ERR, "a delivery's end is not stored: it is made again", "webhook", d->uid,
			"error", err->msg, "detail", err->detail, NULL);
	d->sender->over(d->sender, d->row.id, d->row.tries > 0, outcome == TICK_DONE);
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
	struct webhooks_stats *stats;

	if (d->result != WORK_DONE || d->sender->stopped) { /* the daemon ends */
		delivery_free(d);
		return;
	}
	stats = &d->sender->stats;
	if (d->post.err.code) {
		stats->failed++;
		log_event(LOG_INFO, "a delivery failed", "webhook", d->uid, "error", d->post.err.msg, NULL);
	} else {
		stats->delivered++;
		stats->events += d->n;
	}
	d->unit = (struct tick_unit) { .run = end_run, .finish = end_finish, .patient = true };
	tick_submit(d->sender->api->tick, &d->unit);
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

static struct delivery *delivery_make(
	struct webhook_sender *s, const struct webhook *w, const struct event_page *page, int64_t after)
{
	struct delivery *d = xcalloc(1, sizeof *d);

	d->sender = s;
	d->row = *w;
	str_copy(d->uid, sizeof d->uid, w->uid);
	str_copy(d->project_uid, sizeof d->project_uid, w->project_uid);
	write_body(d, w, page, after);
	d->post.to = webhooks_outbound(s->api);
	d->post.url = xstrdup(w->url);
	d->post.webhook = xstrdup(w->uid);
	d->post.secret = webhook_secret_open(s->key, w);
	d->post.event_id = d->upto;
	d->post.at_s = clock_wall(s->api->loop->clock) / 1000000;
	d->work = (struct work) { .run = post_work, .done = post_done, .destroy = post_settled };
	return d;
}

void webhook_delivery_begin(
	struct webhook_sender *s, const struct webhook *w, const struct event_page *page, int64_t after)
{
	struct delivery *d = delivery_make(s, w, page, after);

	if (d->post.secret) {
		lane_submit(s->lane, &d->work);
		return;
	}
	/* nothing is sent unsigned: it fails like any other */
	error_set(&d->post.err, ERR_INTERNAL, "its secret cannot be read: make the webhook anew");
	d->result = WORK_DONE;
	post_settled(&d->work);
}
