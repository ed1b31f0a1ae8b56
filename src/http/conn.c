/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: accepted, run until it needs the socket, the handler or time, watched, closed,
 * freed. */
#include "http/conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"

enum {
	READS_PER_RUN = 16, /* then the others get their turn */
	TRIM_AFTER_MS = 5000
};

static uint64_t now_of(const struct conn *c)
{
	return uv_now(c->server->loop);
}

/* --- waiting --------------------------------------------------------------- */

static void on_poll(uv_poll_t *h, int status, int events);

static bool wants_input(const struct conn *c)
{
	switch (c->phase) {
	case CONN_BODY:
		return !c->paused;
	case CONN_SOCKET:
		return websocket_reads(c);
	case CONN_ANSWER:
	case CONN_CLOSED:
		return false;
	default:
		return true;
	}
}

/* Reading stays armed while a request is answered: that saves two system calls per request, and the kernel
 * tells of a pipelined one at most once. */
static void poll_update(struct conn *c)
{
	int want = 0;

	if (c->phase == CONN_CLOSED)
		return;
	if (wants_input(c) || (c->armed & UV_READABLE && !c->readable))
		want |= UV_READABLE;
	if (conn_out_n(c) || conn_body_pending(c))
		want |= UV_WRITABLE;
	/* an answer without a known end may be quiet for long: nothing else would tell that nobody reads it
	 */
	if (c->live && c->started && c->out_left < 0 && c->phase == CONN_ANSWER)
		want |= UV_DISCONNECT;
	if (want == c->armed)
		return;
	c->armed = want;
	if (want)
		uv_poll_start(&c->poll, want, on_poll);
	else
		uv_poll_stop(&c->poll);
}

void conn_ready(struct conn *c)
{
	if (!c->turn.class && c->phase != CONN_CLOSED)
		turns_line_up(c->server, c);
}

static void out_window_update(struct conn *c)
{
	if (!conn_out_n(c) && !conn_body_pending(c)) {
		c->out_window = 0;
	} else if (!c->out_window) {
		c->out_moved = 0;
		c->out_window = now_of(c) + c->server->limits.body_ms;
	}
}

/* --- the end of a connection ----------------------------------------------- */

static void conn_free(struct conn *c)
{
	struct http_server *s = c->server;

	turns_body_release(c);
	fair_class_put(&s->line, c->owner);
	request_clear(c);
	message_finish(&c->msg);
	SSL_free(c->ssl);
	buf_finish(&c->head);
	buf_finish(&c->in);
	buf_finish(&c->collect);
	buf_finish(&c->out);
	buf_finish(&c->body);
	free(c);
	s->memory--;
	if (s->destroyed)
		server_maybe_free(s);
	else
		listener_arm(s);
}

void conn_unref(struct conn *c)
{
	if (c->phase == CONN_CLOSED && !c->poll_open && !c->live && !c->running)
		conn_free(c);
}

static void on_poll_closed(uv_handle_t *h)
{
	struct conn *c = CONTAINER_OF(h, struct conn, poll);
	struct http_server *s = c->server;

	c->poll_open = false;
	conn_unref(c);
	server_handle_closed(s);
}

void conn_close(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->phase == CONN_CLOSED)
		return;
	c->phase = CONN_CLOSED;
	c->io_error = true;
	turns_leave(s, c);
	if (c->ws)
		websocket_lost(c);
	evict_leave(c);
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
	close(c->fd);
	c->fd = -1;
	server_conn_closed(s);
}

void conn_drop(struct conn *c)
{
	bool running = c->running;

	c->running = true;
	exchange_abandon(c);
	conn_close(c);
	c->running = running;
	conn_unref(c);
}

void conn_run(struct conn *c)
{
	unsigned budget = 4 * READS_PER_RUN;

	c->running = true;
	while (exchange_step(c) == GO_ON)
		if (!--budget) {
			conn_ready(c);
			break;
		}
	if (c->phase != CONN_CLOSED && (c->corked || c->io_error)) {
		if (!c->io_error)
			io_flush(c);
		if (c->io_error)
			exchange_drop(c);
	}
	c->running = false;
	if (c->phase == CONN_CLOSED) {
		conn_unref(c);
		return;
	}
	out_window_update(c);
	poll_update(c);
}

void conn_settle(struct conn *c)
{
	if (c->running)
		return;
	if (c->phase == CONN_CLOSED) {
		conn_unref(c);
		return;
	}
	if (!c->live && c->phase == CONN_ANSWER && !c->closing && !c->server->draining && !c->io_error &&
		!conn_in_n(c) && !io_buffered(c) && !conn_out_n(c) && !conn_body_pending(c) && !c->readable) {
		exchange_next(c);
	} else if (!c->live || c->io_error) {
		conn_ready(c);
	}
	out_window_update(c);
	poll_update(c);
}

void http_body_resume(struct http_request *r)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);

	c->resumed = true;
	if (!c->paused)
		return;
	c->paused = false;
	if (c->phase != CONN_BODY)
		return;
	exchange_window(c);
	conn_ready(c);
}

static void on_writable(struct conn *c)
{
	const struct http_handler *h = &c->server->handler;

	io_flush(c);
	if (c->ws)
		websocket_drained(c);
	if (c->blocked && c->live && !c->gone && conn_out_n(c) < OUT_LOW && !c->io_error) {
		c->blocked = false;
		if (h->drain)
			h->drain(h->ctx, &c->req);
	}
}

/* What it does with its input costs time that others may want, too. */
static bool waits_turn(const struct conn *c)
{
	return c->phase <= CONN_BODY || c->phase == CONN_LINGER;
}

/* One that stands in line already is not reported again: the bytes wait with the kernel. */
static void input_came(struct conn *c)
{
	if (!c->turn.class) {
		turns_go(c->server, c);
		return;
	}
	c->armed &= ~UV_READABLE;
	if (c->armed)
		uv_poll_start(&c->poll, c->armed, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct conn *c = CONTAINER_OF(h, struct conn, poll);

	if (status < 0) {
		c->armed = 0;
		conn_drop(c);
		return;
	}
	if (events & UV_DISCONNECT) {
		conn_drop(c);
		return;
	}
	if (events & UV_READABLE)
		c->readable = true;
	if (events & UV_WRITABLE) {
		c->running = true;
		on_writable(c);
		c->running = false;
	}
	if (waits_turn(c) && !(events & UV_WRITABLE))
		input_came(c);
	else
		conn_run(c);
}

/* --- time ------------------------------------------------------------------ */

static bool window_missed(uint64_t *end, uint64_t *moved, uint64_t now, const struct http_limits *l)
{
	uint64_t least = (uint64_t)l->min_rate * l->body_ms / 1000;

	if (!*end || now < *end)
		return false;
	if (*moved < least)
		return true;
	*moved = 0;
	*end = now + l->body_ms;
	return false;
}

static void deadline_passed(struct conn *c)
{
	c->deadline = 0;
	if (c->phase != CONN_HEAD) {
		exchange_drop(c);
	} else if (conn_in_n(c)) {
		exchange_refuse(c, 408, "the request's head took too long");
	} else {
		c->closing = true;
		exchange_linger(c);
	}
}

void conn_sweep(struct conn *c, uint64_t now)
{
	const struct http_limits *l = &c->server->limits;

	if (c->phase == CONN_HEAD && !c->trimmed && !conn_in_n(c) && c->deadline &&
		c->deadline + TRIM_AFTER_MS < now + l->idle_ms)
		io_trim(c);
	c->running = true;
	if (c->deadline && now >= c->deadline)
		deadline_passed(c);
	else if (window_missed(&c->out_window, &c->out_moved, now, l))
		exchange_drop(c);
	else if (c->phase == CONN_BODY && !c->paused && window_missed(&c->in_window, &c->in_moved, now, l))
		exchange_refuse(c, 408, "the body came too slowly");
	else if (c->ws)
		websocket_sweep(c, now);
	else {
		c->running = false;
		return;
	}
	c->running = false;
	conn_run(c);
}

/* --- the beginning --------------------------------------------------------- */

void conn_accept(struct listener *l, int fd, const char *peer, uint32_t uid)
{
	struct http_server *s = l->server;
	struct conn *c = xcalloc(1, sizeof *c);

	c->fd = fd;
	c->server = s;
	message_init(&c->msg, &s->limits);
	str_copy(c->req.peer, sizeof c->req.peer, peer);
	c->req.peer_uid = uid;
	c->req.is_unix = !l->ctx;
	c->ssl = l->ctx ? tls_accept(l->ctx, c) : NULL;
	c->owner = turns_peer(s, c);
	if ((l->ctx && !c->ssl) || uv_poll_init(s->loop, &c->poll, fd)) {
		close(fd);
		SSL_free(c->ssl);
		message_finish(&c->msg);
		fair_class_put(&s->line, c->owner);
		free(c);
		return;
	}
	evict_enter(c);
	c->poll_open = true;
	s->handles++;
	s->memory++;
	s->stats.open++;
	s->stats.accepted++;
	c->deadline = uv_now(s->loop) + s->limits.header_ms;
	c->readable = true; /* the first bytes are often there already */
	server_timer_start(s);
	turns_go(s, c);
}
