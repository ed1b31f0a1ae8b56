/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_streams.h"

#include <stdlib.h>
#include <string.h>

#include "api/event_view.h"
#include "base/log.h"
#include "base/util.h"

enum { PAGE = 200, RETRY_MS = 2000, PAGES_A_TURN = 16 };

struct event_stream {
	struct event_stream *next;
	struct event_streams *all;
	struct api_call *call;
	struct arena arena;
	struct event_filter filter; /* `after`: all up to it was sent, or is not for this one */
	int64_t told;               /* the last id that the peer knows of */
	bool is_operator;           /* an administrator's */
	bool behind;                /* reads by itself */
	bool blocked;               /* the peer has to read before more is written */
	unsigned round;             /* in which it read a page of its own */
};

struct event_streams {
	struct api *api;
	struct event_stream *first;
	unsigned n;
	int64_t upto; /* where those stand that are up to date */
	bool stopped;
	unsigned round; /* of pages */
	struct loop_timer wake, beat;
	unsigned timers; /* not closed yet */
};

static void on_wake(struct loop_timer *t);
static void on_beat(struct loop_timer *t);

/* --- one stream --- */

static void detach(struct event_streams *all, struct event_stream *s)
{
	struct event_stream **p = &all->first;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	if (!--all->n)
		loop_timer_stop(&all->beat);
}

static void end(struct event_streams *all, struct event_stream *s, bool ok)
{
	struct api_call *c = s->call;

	detach(all, s);
	arena_finish(&s->arena);
	free(s);
	api_stream_end(c, ok);
}

static void put(struct event_stream *s, const struct buf *b)
{
	if (b->len && !http_respond_write(s->call->http, b->data, b->len))
		s->blocked = s->behind = true;
}

/* Is the token still good, and for what it was good for when the stream began? */
static bool may_read(const struct event_stream *s)
{
	const struct api_call *c = s->call;
	struct error err = { 0 };
	struct principal *who;
	bool ok;

	if (c->who->is_local_root)
		return true;
	who = identity_authenticate(c->api->identity, http_header(c->http, "X-Auth-Token"), &err);
	ok = who &&
	     (s->is_operator ? who->is_admin : who->is_reader && who->project.id == c->who->project.id);
	principal_unref(who);
	return ok;
}

/* False: the stream is over. */
static bool still_good(struct event_streams *all, struct event_stream *s)
{
	static const char over[] = ": the token is no longer valid\n\n";

	if (may_read(s))
		return true;
	http_respond_write(s->call->http, over, sizeof over - 1);
	end(all, s, true);
	return false;
}

static bool wants(const struct event_stream *s, const struct event_row *r)
{
	return (!s->filter.project_uid || strcmp(s->filter.project_uid, r->project_uid) == 0) &&
	       event_fits(&s->filter, r->type, r->subject);
}

static void send_lost(struct event_stream *s, int64_t upto)
{
	CLEANUP(buf_finish) struct buf json = { 0 };
	CLEANUP(buf_finish) struct buf b = { 0 };

	event_view_lost(&json, s->filter.after, upto);
	buf_printf(&b, "id: %lld\nevent: events.lost\ndata: ", (long long)upto);
	buf_append(&b, json.data, json.len);
	buf_puts(&b, "\n\n");
	s->filter.after = s->told = upto;
	put(s, &b);
}

/* A page of its own. Returns false when the stream is over. */
static bool catch_up(struct event_streams *all, struct event_stream *s)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct db *db = store_ro(all->api->store);
	struct event_page page;
	struct error err = { 0 };

	if (!still_good(all, s))
		return false;
	if (store_event_list(db, &a, &s->filter, &page, &err) < 0) {
		log_event(LOG_ERR, "events cannot be read", "detail", err.detail, NULL);
		end(all, s, false);
		return false;
	}
	if (page.lost)
		send_lost(s, page.lost_upto);
	for (size_t i = 0; i < page.n && !s->blocked; i++) {
		CLEANUP(buf_finish) struct buf b = { 0 };

		event_view_sent(&b, &page.rows[i], s->is_operator);
		s->filter.after = s->told = page.rows[i].id;
		put(s, &b);
	}
	if (s->blocked)
		return true;
	if (page.upto > s->filter.after)
		s->filter.after = page.upto;
	s->behind = page.more;
	return true;
}

static void drained(struct api_call *c)
{
	struct event_stream *s = c->stream.data_ctx;

	s->blocked = false;
	event_streams_wake(s->all);
}

static void peer_left(struct api_call *c)
{
	struct event_stream *s = c->stream.data_ctx;

	end(s->all, s, true);
}

/* --- all of them --- */

/* What was committed since, once for all who are up to date. */
static void share(struct event_streams *all, const struct event_row *r)
{
	CLEANUP(buf_finish) struct buf plain = { 0 };
	CLEANUP(buf_finish) struct buf inside = { 0 };

	for (struct event_stream *s = all->first; s; s = s->next) {
		struct buf *b = s->is_operator ? &inside : &plain;

		if (s->behind || r->id <= s->filter.after)
			continue;
		s->filter.after = r->id;
		if (!wants(s, r))
			continue;
		if (!b->len)
			event_view_sent(b, r, s->is_operator);
		s->told = r->id;
		put(s, b);
	}
}

/* 1 there is more, 0 not, -1 with an error that is logged. */
static int share_page(struct event_streams *all)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct event_filter f = { .after = all->upto, .limit = PAGE };
	struct event_page page;
	struct error err = { 0 };

	if (store_event_list(store_ro(all->api->store), &a, &f, &page, &err) < 0) {
		log_event(LOG_ERR, "events cannot be read", "detail", err.detail, NULL);
		return -1;
	}
	for (size_t i = 0; i < page.n; i++)
		share(all, &page.rows[i]);
	all->upto = page.upto;
	for (struct event_stream *s = all->first; s; s = s->next)
		if (!s->behind && s->filter.after < all->upto)
			s->filter.after = all->upto;
	return page.more;
}

/* Those that read by themselves take turns, so that many of them do not hold up the loop. True: there is
 * more. */
static bool catch_up_some(struct event_streams *all)
{
	unsigned left = PAGES_A_TURN;
	struct event_stream *next;
	bool more = false;

	for (struct event_stream *s = all->first; s; s = next) {
		next = s->next;
		if (!s->behind || s->blocked)
			continue;
		if (s->round == all->round || !left) {
			more = true;
			continue;
		}
		left--;
		s->round = all->round;
		if (catch_up(all, s))
			more |= s->behind && !s->blocked;
	}
	if (left)
		all->round++;
	return more;
}

static void on_wake(struct loop_timer *t)
{
	struct event_streams *all = CONTAINER_OF(t, struct event_streams, wake);
	struct event_stream *next;
	bool more;

	for (struct event_stream *s = all->first; s; s = next) {
		next = s->next;
		if (!s->behind)
			still_good(all, s);
	}
	more = all->n && share_page(all) > 0;
	if (catch_up_some(all) || more)
		event_streams_wake(all);
}

/* A comment, so that nobody on the way takes the quiet for the end; and how far the peer is, so that it need
 * not come back for what was not for it. */
static void beat(struct event_stream *s)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	if (s->blocked)
		return;
	buf_puts(&b, ":\n");
	if (!s->behind && s->filter.after > s->told) {
		s->told = s->filter.after;
		buf_printf(&b, "id: %lld\n", (long long)s->told);
	}
	buf_puts(&b, "\n");
	put(s, &b);
}

static void set_beat(struct event_streams *all)
{
	loop_timer_set(all->api->loop, &all->beat, all->api->config.events_heartbeat_ms, on_beat);
}

static void on_beat(struct loop_timer *t)
{
	struct event_streams *all = CONTAINER_OF(t, struct event_streams, beat);
	struct event_stream *next;

	for (struct event_stream *s = all->first; s; s = next) {
		next = s->next;
		if (still_good(all, s))
			beat(s);
	}
	if (all->n)
		set_beat(all);
}

void event_streams_wake(struct event_streams *all)
{
	if (all->n)
		loop_timer_set(all->api->loop, &all->wake, 0, on_wake);
}

/* --- the beginning --- */

/* The first who comes finds out where "now" is. */
static int find_upto(struct event_streams *all, struct error *err)
{
	return all->n ? 0 : store_event_last(store_ro(all->api->store), &all->upto, err);
}

static struct event_stream *attach(
	struct event_streams *all, struct api_call *c, const struct event_filter *f)
{
	struct event_stream *s = xcalloc(1, sizeof *s);

	s->all = all;
	s->call = c;
	s->filter = *f;
	s->filter.limit = PAGE;
	s->filter.project_uid = arena_strdup(&s->arena, f->project_uid);
	s->filter.types = arena_strdup(&s->arena, f->types);
	s->filter.subject = arena_strdup(&s->arena, f->subject);
	s->is_operator = api_is_admin(c);
	s->round = all->round - 1;
	s->behind = f->after >= 0;
	if (!s->behind)
		s->filter.after = all->upto;
	s->next = all->first;
	all->first = s;
	if (!all->n++)
		set_beat(all);
	return s;
}

/* One project must not take what all share. */
static bool too_many(const struct event_streams *all, const struct api_call *c)
{
	unsigned max = c->api->config.events_streams_max, own = 0;

	for (const struct event_stream *s = all->first; s; s = s->next)
		own += !s->is_operator && s->call->who->project.id == c->who->project.id;
	return all->n >= max || (!api_is_admin(c) && own >= (max + 3) / 4);
}

int event_stream_begin(struct api_call *c, const struct event_filter *f, struct error *err)
{
	struct event_streams *all = c->api->event_streams;
	CLEANUP(buf_finish) struct buf b = { 0 };
	struct event_stream *s;

	if (all->stopped || too_many(all, c))
		return error_set(err, all->stopped ? ERR_UNAVAILABLE : ERR_BUSY,
			"%s: try again later, with the last id",
			all->stopped ? "cloudd is stopping" : "too many streams are open");
	if (find_upto(all, err) < 0)
		return -1;
	c->status = 200;
	c->content_type = "text/event-stream";
	api_header(c, "Cache-Control", "no-store");
	api_header(c, "X-Accel-Buffering", "no"); /* for a proxy before us */
	s = attach(all, c, f);
	c->stream = (struct api_stream) { .drain = drained, .left = peer_left, .data_ctx = s };
	api_stream_start(c, -1);
	buf_printf(&b, "retry: %d\n", RETRY_MS);
	if (!s->behind) {
		s->told = s->filter.after;
		buf_printf(&b, "id: %lld\n", (long long)s->told);
	}
	buf_puts(&b, "\n");
	put(s, &b);
	event_streams_wake(all);
	return 0;
}

/* --- the whole --- */

struct event_streams *event_streams_create(struct api *api)
{
	struct event_streams *all = xcalloc(1, sizeof *all);

	all->api = api;
	return all;
}

unsigned event_streams_open(const struct event_streams *all)
{
	return all->n;
}

void event_streams_stop(struct event_streams *all)
{
	all->stopped = true;
	while (all->first)
		end(all, all->first, true);
}

static void free_last(struct event_streams *all)
{
	if (!--all->timers)
		free(all);
}

static void wake_closed(struct loop_timer *t)
{
	free_last(CONTAINER_OF(t, struct event_streams, wake));
}

static void beat_closed(struct loop_timer *t)
{
	free_last(CONTAINER_OF(t, struct event_streams, beat));
}

void event_streams_destroy(struct event_streams *all)
{
	if (!all)
		return;
	event_streams_stop(all);
	all->timers = 2;
	loop_timer_close(&all->wake, wake_closed);
	loop_timer_close(&all->beat, beat_closed);
}
