/* SPDX-License-Identifier: Apache-2.0 */
/* Who is turned away because too much waits already: for whom a request is, whether its line is too long, and
 * the short list of those to whom it happened last, for operators and for the log. */
#include "api/admission.h"

#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/crypto.h"
#include "base/fair.h"
#include "base/log.h"
#include "base/util.h"

enum {
	LATELY = 32,             /* owners that are remembered */
	LOG_EVERY_US = 60000000, /* of one owner */
	SHOWN_US = 600000000,    /* then it is no news any more */
	WAIT_MS = 5000,          /* without a configuration */
	FEW = 4                  /* so many may always wait */
};

struct turned { /* one that was turned away */
	uint64_t owner;
	char project[UUID_TEXT], peer[64]; /* project "": it had none */
	int64_t first_us, last_us, logged_us;
	uint64_t n, logged_n;
};

struct admission {
	struct turned all[LATELY]; /* n 0: free */
	uint64_t counts[ADMISSION_KINDS];
};

struct admission *admission_create(void)
{
	return xcalloc(1, sizeof(struct admission));
}

void admission_destroy(struct admission *a)
{
	free(a);
}

/* The project of the token; who has none is a line of its own; the operators' socket comes first. */
uint64_t admission_owner(const struct api_call *c)
{
	const struct principal *w = c->who;

	if (!w)
		return http_owner_peer(c->http);
	if (w->is_local_root)
		return HTTP_OWNER_FIRST;
	return w->project.id ? fair_project(w->project.id) : (uint64_t)w->user.id << 2 | 2;
}

/* --- who it was
 * --------------------------------------------------------------------------------------------- */

/* Its entry, or the oldest, which is forgotten. */
static struct turned *turned_of(struct admission *a, uint64_t owner)
{
	struct turned *oldest = &a->all[0];

	for (size_t i = 0; i < LATELY; i++) {
		if (a->all[i].n && a->all[i].owner == owner)
			return &a->all[i];
		if (a->all[i].last_us < oldest->last_us)
			oldest = &a->all[i];
	}
	*oldest = (struct turned) { .owner = owner };
	return oldest;
}

static void tell(struct turned *t, const struct api_call *c, int64_t now_us)
{
	char n[24];

	if (t->logged_us && now_us - t->logged_us < LOG_EVERY_US)
		return;
	snprintf(n, sizeof n, "%llu", (unsigned long long)(t->n - t->logged_n));
	t->logged_us = now_us;
	t->logged_n = t->n;
	log_event(LOG_WARNING, "requests are turned away: too many wait", "project",
		t->project[0] ? t->project : NULL, "peer", t->peer, "requests", n, "request_id",
		c->request_id, NULL);
}

static void remember(struct api_call *c, uint64_t owner, int64_t now_us)
{
	struct turned *t = turned_of(c->api->admission, owner);

	if (!t->n) {
		t->first_us = now_us;
		if (c->who && c->who->project.uid)
			str_copy(t->project, sizeof t->project, c->who->project.uid);
	}
	str_copy(t->peer, sizeof t->peer, c->http->peer);
	t->n++;
	t->last_us = now_us;
	tell(t, c, now_us);
}

/* --- whether
 * -------------------------------------------------------------------------------------------------- */

static bool writes(const struct api_call *c)
{
	return c->http->method > HTTP_HEAD && c->http->method != HTTP_OPTIONS;
}

static unsigned seconds(int64_t us)
{
	return us > 60000000 ? 60 : us < 1000000 ? 1 : (unsigned)((us + 999999) / 1000000);
}

static int64_t wait_max_us(const struct api *api)
{
	unsigned ms = api->config.queue_wait_max_ms;

	return (int64_t)(ms ? ms : WAIT_MS) * 1000;
}

/* Writes stand in line a second time, for the next transaction. */
static enum http_admission admit_write(const struct api_call *c, uint64_t owner, unsigned *out_retry_s)
{
	bool above;
	int64_t wait_us = tick_wait_us(c->api->tick, owner, &above);

	if (owner == HTTP_OWNER_FIRST || wait_us <= wait_max_us(c->api))
		return HTTP_FINE;
	*out_retry_s = seconds(wait_us);
	return above ? HTTP_EXCESS : HTTP_OVERLOAD;
}

/* Always -1. */
static int turn_away(struct api_call *c, bool excess, struct error *err)
{
	c->api->admission->counts[excess ? ADMISSION_EXCESS : ADMISSION_OVERLOAD]++;
	remember(c, c->owner, clock_wall(c->api->loop->clock));
	c->status = excess ? 429 : 503;
	if (!excess)
		return error_set(err, ERR_BUSY, "The cloud is overloaded: try again after %u s.", c->retry_s);
	return error_set(err, ERR_BUSY, "Too many requests of this %s are waiting: try again after %u s.",
		c->who && c->who->project.id ? "project" : "client", c->retry_s);
}

int admission_line(
	struct api_call *c, const struct fair *line, const struct fair_class *whose, struct error *err)
{
	int64_t wait_us = fair_wait_us(whose);

	if (c->owner == HTTP_OWNER_FIRST || whose->n < FEW || wait_us <= wait_max_us(c->api))
		return 0;
	c->retry_s = seconds(wait_us);
	return turn_away(c, fair_above_share(line, whose), err);
}

int admission_ask(struct api_call *c, struct error *err)
{
	bool collects = !c->route || !(c->route->flags & ROUTE_STREAM);
	enum http_admission a;

	c->owner = admission_owner(c);
	a = http_admit(c->http, c->owner, collects, &c->retry_s);
	if (a == HTTP_FINE && writes(c))
		a = admit_write(c, c->owner, &c->retry_s);
	return a == HTTP_FINE ? 0 : turn_away(c, a == HTTP_EXCESS, err);
}

/* --- what operators see
 * ------------------------------------------------------------------------------------------ */

void admission_count(const struct api *api, uint64_t out[ADMISSION_KINDS])
{
	memcpy(out, api->admission->counts, sizeof api->admission->counts);
}

void admission_write(struct api_call *c)
{
	const struct admission *a = c->api->admission;
	struct buf *b = &c->out;
	struct http_stats s = { 0 };
	char at[TIME_TEXT];

	if (c->api->http)
		http_server_stats(c->api->http, &s);
	jw_kv_int(b, "waiting", s.waiting);
	jw_kv_int(b, "waiting_owners", s.owners);
	jw_kv_int(b, "turned_away", (int64_t)(a->counts[ADMISSION_EXCESS] + a->counts[ADMISSION_OVERLOAD]));
	jw_key(b, "turned_away_lately");
	jw_array(b);
	for (size_t i = 0; i < LATELY; i++) {
		const struct turned *t = &a->all[i];

		if (!t->n || c->now_us - t->last_us > SHOWN_US)
			continue;
		jw_object(b);
		jw_kv_str(b, "project_id", t->project[0] ? t->project : NULL);
		jw_kv_str(b, "peer", t->peer);
		jw_kv_int(b, "requests", (int64_t)t->n);
		jw_kv_str(b, "since", time_iso(t->first_us, at));
		jw_kv_str(b, "last", time_iso(t->last_us, at));
		jw_end_object(b);
	}
	jw_end_array(b);
}
