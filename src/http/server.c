/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: limits, the one timer, the ready list, drain and the end. */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "base/util.h"
#include "http/conn.h"

enum { DRAIN_HEAD_MS = 1000, TRIM_CONNECTIONS = 1000 };

const struct http_limits http_limits_default = {
	.line = 8192,
	.headers = 32768,
	.header_count = 100,
	.body = 1024 * 1024,
	.connections = 1000,
	.header_ms = 10000,
	.idle_ms = 60000,
	.body_ms = 30000,
	.min_rate = 512,
	.wait_ms = 5000,
	.waiting = 1000,
	.bodies = 64 * 1024 * 1024,
};

/* --- memory ---------------------------------------------------------------- */

void server_maybe_free(struct http_server *s)
{
	if (!s->destroyed || s->handles || s->memory)
		return;
	listener_free_all(s);
	turns_finish(s);
	BIO_meth_free(s->bio);
	buf_finish(&s->text);
	free(s);
}

void server_handle_closed(struct http_server *s)
{
	s->handles--;
	server_maybe_free(s);
}

static void on_timer_closed(uv_handle_t *h)
{
	server_handle_closed(CONTAINER_OF(h, struct http_server, timer));
}

static void on_idle_closed(uv_handle_t *h)
{
	server_handle_closed(CONTAINER_OF(h, struct http_server, idle));
}

/* --- work that waits for a turn of the loop --- */

static void on_idle(uv_idle_t *h)
{
	struct http_server *s = CONTAINER_OF(h, struct http_server, idle);

	turns_serve(s);
	if (!s->line.n)
		uv_idle_stop(h);
	if (s->done_due) {
		s->done_due = false;
		if (s->done)
			s->done(s->done_ctx);
	}
}

void server_wake(struct http_server *s)
{
	if (!s->destroyed)
		uv_idle_start(&s->idle, on_idle);
}

/* --- time --- */

/* What many connections took is in pieces all over the heap once they are gone, and malloc gives back the end
 * of it alone. */
static void give_memory_back(struct http_server *s)
{
	if (s->most < s->stats.open)
		s->most = s->stats.open;
	if (s->most - s->stats.open < TRIM_CONNECTIONS)
		return;
	malloc_trim(0);
	s->most = s->stats.open;
}

static void on_timer(uv_timer_t *t)
{
	struct http_server *s = CONTAINER_OF(t, struct http_server, timer);
	struct conn *next;

	s->starved = false;
	give_memory_back(s);
	for (struct conn *c = s->conns; c && !s->destroyed; c = next) {
		next = c->next;
		conn_sweep(c, uv_now(s->loop));
	}
	if (s->destroyed)
		return;
	listener_arm(s);
	if (!s->conns && !s->starved) {
		uv_timer_stop(t);
		s->timer_on = false;
	}
}

void server_timer_start(struct http_server *s)
{
	if (s->timer_on || s->destroyed)
		return;
	s->timer_on = true;
	uv_timer_start(&s->timer, on_timer, s->sweep_ms, s->sweep_ms);
}

static uint64_t sweep_interval(const struct http_limits *l)
{
	unsigned least = l->header_ms < l->idle_ms ? l->header_ms : l->idle_ms;

	if (l->body_ms < least)
		least = l->body_ms;
	least /= 4;
	return least < 1 ? 1 : least > 1000 ? 1000 : least;
}

const char *server_date(struct http_server *s)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != s->date_at) {
		s->date_at = now.tv_sec;
		gmtime_r(&now.tv_sec, &tm);
		strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return s->date;
}

/* --- the public face --- */

int http_server_create(uv_loop_t *loop, const struct http_limits *limits, const struct http_handler *handler,
	struct http_server **out, struct error *err)
{
	struct http_server *s = xcalloc(1, sizeof *s);

	s->bio = tls_bio_create();
	if (!s->bio) {
		free(s);
		return error_set(err, ERR_INTERNAL, "cannot set up TLS");
	}
	s->loop = loop;
	s->limits = limits ? *limits : http_limits_default;
	s->handler = *handler;
	turns_init(s);
	s->sweep_ms = sweep_interval(&s->limits);
	uv_timer_init(loop, &s->timer);
	uv_idle_init(loop, &s->idle);
	s->handles = 2;
	*out = s;
	return 0;
}

static void drained_check(struct http_server *s)
{
	if (!s->draining || s->stats.open || s->destroyed)
		return;
	s->done_due = true;
	server_wake(s);
}

void server_conn_closed(struct http_server *s)
{
	s->stats.open--;
	if (s->destroyed)
		return;
	s->starved = false;
	listener_arm(s);
	drained_check(s);
}

void http_server_drain(struct http_server *s, void (*done)(void *ctx), void *ctx)
{
	if (s->draining)
		return;
	s->draining = true;
	s->done = done;
	s->done_ctx = ctx;
	listener_close_all(s);
	for (struct conn *c = s->conns; c; c = c->next) {
		/* who has begun a request gets a moment to end it; those that idle close themselves */
		if (c->phase == CONN_HEAD && c->deadline > uv_now(s->loop) + DRAIN_HEAD_MS)
			c->deadline = uv_now(s->loop) + DRAIN_HEAD_MS;
		conn_ready(c);
	}
	drained_check(s);
}

void http_server_destroy(struct http_server *s)
{
	if (!s || s->destroyed)
		return;
	s->destroyed = true;
	listener_close_all(s);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
	uv_close((uv_handle_t *)&s->idle, on_idle_closed);
	while (s->conns)
		conn_drop(s->conns);
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
	*out = s->stats;
	out->waiting = s->line.n;
	out->owners = s->line.standing_n;
	out->bodies = s->bodies;
}
