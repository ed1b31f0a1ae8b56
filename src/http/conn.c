/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection, as a state machine that runs until it needs the socket, the handler or time. */
#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

enum {
	HEAD_READ = 4096,   /* room for one read of a head */
	READS_PER_RUN = 16, /* then the others get their turn */
	LINGER_MS = 2000,
	TRIM_AFTER_MS = 5000
};

enum step { GO_ON, STOP };

static uint64_t now_of(const struct conn *c)
{
	return uv_now(c->server->loop);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *h, int status, int events);

static bool wants_input(const struct conn *c)
{
	switch (c->phase) {
	case CONN_BODY:
		return !c->paused;
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
	if (c->ready || c->phase == CONN_CLOSED)
		return;
	c->ready = true;
	server_ready(c->server, c);
}

/* Time in which a body must move min_rate bytes a second. */
static void in_window_start(struct conn *c)
{
	c->in_moved = 0;
	c->in_window = now_of(c) + c->server->limits.body_ms;
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

/* --- the end of a connection ------------------------------------------------------------------------------
 */

static void conn_free(struct conn *c)
{
	struct http_server *s = c->server;

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
	if (c->phase == CONN_CLOSED && !c->poll_open && !c->live && !c->running && !c->ready)
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

static void conn_close(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->phase == CONN_CLOSED)
		return;
	c->phase = CONN_CLOSED;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	uv_close((uv_handle_t *)&c->poll, on_poll_closed);
	close(c->fd);
	c->fd = -1;
	c->io_error = true;
	server_conn_closed(s);
}

/* Tells the handler that nobody waits for the rest: its answer goes nowhere. */
static void request_abandon(struct conn *c)
{
	const struct http_handler *h = c->server->handler;
	bool streaming_in = c->phase == CONN_BODY && c->mode == HTTP_BODY_STREAM;
	bool collecting = c->phase == CONN_BODY && c->mode == HTTP_BODY_COLLECT;

	if (!c->live || c->gone)
		return;
	c->gone = true;
	if (collecting && !c->started) {
		c->live = false; /* the handler has not been asked for an answer yet */
	} else if (streaming_in) {
		if (h->abort)
			h->abort(h->ctx, &c->req);
	} else if (c->blocked) {
		c->blocked = false;
		if (h->drain)
			h->drain(h->ctx, &c->req);
	}
}

void conn_drop(struct conn *c)
{
	bool running = c->running;

	c->running = true;
	request_abandon(c);
	conn_close(c);
	c->running = running;
	conn_unref(c);
}

static enum step drop(struct conn *c)
{
	request_abandon(c);
	conn_close(c);
	return STOP;
}

/* Ends our side in order, after all output is sent. */
static enum step linger(struct conn *c)
{
	io_goodbye(c);
	c->phase = CONN_LINGER;
	c->deadline = now_of(c) + LINGER_MS;
	c->in_window = c->out_window = 0;
	return GO_ON;
}

/* The peer broke a rule: tell it, if an answer can still be told apart, and close. */
static enum step refuse(struct conn *c, int status, const char *why)
{
	if (c->live && c->started)
		return drop(c);
	if (c->live) {
		/* Our answer goes first, so that the handler's cannot. */
		respond_error(c, status, why);
		request_abandon(c);
	} else if (c->phase == CONN_HEAD) {
		respond_error(c, status, why);
	}
	if (c->phase == CONN_CLOSED)
		return STOP;
	c->closing = true;
	c->phase = CONN_ANSWER;
	c->deadline = c->in_window = 0;
	return GO_ON;
}

/* --- steps ------------------------------------------------------------------------------------------------
 */

static enum step run_handshake(struct conn *c)
{
	int done = c->ssl ? tls_handshake(c) : 1;

	if (c->server->draining)
		return drop(c);
	if (done < 0) {
		io_flush(c); /* the alert */
		return drop(c);
	}
	if (!done)
		return STOP;
	c->phase = CONN_HEAD;
	c->deadline = now_of(c) + c->server->limits.idle_ms;
	return GO_ON;
}

static void in_compact(struct conn *c)
{
	if (c->in_at) {
		buf_consume(&c->in, c->in_at);
		c->in_at = 0;
	}
}

/* The head moves to a buffer of its own, where it stays until the answer. */
static void head_take(struct conn *c, size_t n)
{
	if (c->in_at == 0 && c->in.len == n) {
		struct buf b = c->head;

		c->head = c->in;
		c->in = b;
		c->in.len = 0;
		return;
	}
	c->head.len = 0;
	buf_append(&c->head, c->in.data + c->in_at, n);
	c->in_at += n;
	if (!conn_in_n(c))
		c->in.len = c->in_at = 0;
}

static enum step body_begin(struct conn *c)
{
	const struct http_limits *l = &c->server->limits;

	if (c->live && c->mode == HTTP_BODY_COLLECT && c->msg.content_length > (int64_t)l->body)
		return refuse(c, 413, "the body is too large");
	if (c->live && c->mode != HTTP_BODY_REFUSED && c->msg.expect_continue && !c->msg.complete &&
		!conn_in_n(c) && !c->started)
		respond_continue(c);
	if (c->mode != HTTP_BODY_REFUSED)
		c->msg.expect_continue = false;
	in_window_start(c);
	return GO_ON;
}

static enum step head_done(struct conn *c, size_t n)
{
	const struct http_handler *h = c->server->handler;

	head_take(c, n);
	if (message_head_parse(&c->msg, c->head.data, n) || request_fill(c))
		return refuse(c, c->msg.status, c->msg.why);
	c->server->stats.requests++;
	c->deadline = 0;
	c->live = true;
	c->gone = c->started = c->blocked = c->paused = c->chunked_out = c->no_body_out = false;
	c->body_n = c->discard_n = 0;
	c->collect.len = 0;
	if (c->msg.close || c->server->draining)
		c->closing = true;
	c->phase = CONN_BODY;
	c->mode = HTTP_BODY_REFUSED; /* while begin runs, an answer must not ask for the body */
	c->mode = h->begin(h->ctx, &c->req);
	if (c->phase == CONN_CLOSED)
		return STOP;
	return body_begin(c);
}

static enum step run_head(struct conn *c)
{
	size_t n, got;

	if (conn_in_n(c))
		c->in_at += message_head_skip(&c->msg, c->in.data + c->in_at, conn_in_n(c));
	if (conn_in_n(c)) {
		if (message_head_find(&c->msg, c->in.data + c->in_at, conn_in_n(c), &n))
			return refuse(c, c->msg.status, c->msg.why);
		if (n)
			return head_done(c, n);
	} else if (c->server->draining) {
		c->closing = true;
		return linger(c);
	}
	in_compact(c);
	if (c->in.cap - c->in.len < HEAD_READ / 4)
		buf_reserve(&c->in, HEAD_READ);
	switch (io_read(c, c->in.data + c->in.len, c->in.cap - c->in.len, &got)) {
	case IO_AGAIN:
		return STOP;
	case IO_EOF:
		return linger(c);
	case IO_OK:
		break;
	}
	if (!c->in.len)
		c->deadline = now_of(c) + c->server->limits.header_ms;
	c->trimmed = false;
	c->in.len += got;
	return GO_ON;
}

/* Bytes of the body for whoever wants them. */
static enum step piece(struct conn *c)
{
	const struct http_handler *h = c->server->handler;
	const struct message *m = &c->msg;

	c->body_n += m->piece_n;
	if (!c->live || c->gone || c->mode == HTTP_BODY_REFUSED) {
		c->discard_n += m->piece_n;
		if (c->discard_n <= DISCARD_MAX)
			return GO_ON;
		if (c->live && !c->gone)
			return refuse(c, 413, "the body is too large");
		c->closing = true;
		c->phase = CONN_ANSWER;
		return GO_ON;
	}
	if (c->mode == HTTP_BODY_COLLECT) {
		if (c->body_n > c->server->limits.body)
			return refuse(c, 413, "the body is too large");
		if (!c->collect.len && m->content_length > 0)
			buf_reserve(&c->collect, (size_t)m->content_length + 1);
		buf_append(&c->collect, m->piece, m->piece_n);
		return GO_ON;
	}
	c->resumed = false;
	if (!h->data(h->ctx, &c->req, m->piece, m->piece_n) && c->live && !c->gone)
		c->paused = !c->resumed;
	return GO_ON;
}

static enum step body_end(struct conn *c)
{
	const struct http_handler *h = c->server->handler;

	c->phase = CONN_ANSWER;
	c->in_window = 0;
	if (!c->live || c->gone || c->mode == HTTP_BODY_REFUSED)
		return GO_ON;
	if (c->mode == HTTP_BODY_COLLECT) {
		c->req.body = buf_text(&c->collect);
		c->req.body_n = c->collect.len;
	}
	h->end(h->ctx, &c->req);
	return c->phase == CONN_CLOSED ? STOP : GO_ON;
}

/* Feeds n bytes until they are used, the handler pauses, or the body ends. *used tells how far it came. */
static enum step body_feed(struct conn *c, const char *p, size_t n, size_t *used)
{
	*used = 0;
	for (;;) {
		size_t k;
		enum message_event e = message_body(&c->msg, p + *used, n - *used, &k);

		*used += k;
		switch (e) {
		case MESSAGE_MORE:
			return GO_ON;
		case MESSAGE_END:
			return body_end(c);
		case MESSAGE_BAD:
			return refuse(c, c->msg.status, c->msg.why);
		case MESSAGE_PIECE:
			break;
		}
		if (piece(c) == STOP || c->phase == CONN_CLOSED)
			return STOP;
		if (c->phase != CONN_BODY || c->paused)
			return GO_ON;
	}
}

static enum step run_body(struct conn *c)
{
	char *scratch = c->server->scratch;
	enum step step;
	size_t used, got;

	if (!c->live && c->closing && !c->msg.complete) {
		c->phase = CONN_ANSWER;
		return GO_ON;
	}
	if (c->paused)
		return STOP;
	if (c->msg.complete)
		return body_end(c);
	if (conn_in_n(c)) {
		step = body_feed(c, c->in.data + c->in_at, conn_in_n(c), &used);
		c->in_at += used;
		if (!conn_in_n(c))
			c->in.len = c->in_at = 0;
		return step;
	}
	switch (io_read(c, scratch, SCRATCH, &got)) {
	case IO_AGAIN:
		return STOP;
	case IO_EOF:
		return drop(c);
	case IO_OK:
		break;
	}
	step = body_feed(c, scratch, got, &used);
	if (used < got && c->phase != CONN_CLOSED)
		buf_append(&c->in, scratch + used, got - used);
	return step;
}

static void request_next(struct conn *c)
{
	request_clear(c);
	message_reset(&c->msg);
	if (c->collect.cap > RECORD)
		buf_finish(&c->collect);
	if (c->head.cap > RECORD)
		buf_finish(&c->head);
	c->gone = c->started = false;
	c->phase = CONN_HEAD;
	c->deadline = now_of(c) + (conn_in_n(c) ? c->server->limits.header_ms : c->server->limits.idle_ms);
}

static enum step run_answer(struct conn *c)
{
	if (c->live && !c->gone)
		return STOP;
	if (conn_in_n(c) && !c->closing && conn_out_n(c) < OUT_LOW && !conn_body_pending(c)) {
		request_next(c); /* pipelined: the answers may leave together */
		return GO_ON;
	}
	io_flush(c);
	if (conn_body_pending(c) || conn_out_n(c))
		return STOP;
	if (c->closing)
		return linger(c);
	if (c->live)
		return STOP;
	request_next(c);
	return GO_ON;
}

static enum step run_linger(struct conn *c)
{
	char *scratch = c->server->scratch;
	ssize_t n = io_recv(c, scratch, SCRATCH);

	if (n > 0)
		return GO_ON;
	return n < 0 && errno == EAGAIN ? STOP : drop(c);
}

static enum step step(struct conn *c)
{
	if (c->io_error)
		return drop(c);
	switch (c->phase) {
	case CONN_HANDSHAKE:
		return run_handshake(c);
	case CONN_HEAD:
		return run_head(c);
	case CONN_BODY:
		return run_body(c);
	case CONN_ANSWER:
		return run_answer(c);
	case CONN_LINGER:
		return run_linger(c);
	case CONN_CLOSED:
		break;
	}
	return STOP;
}

void conn_run(struct conn *c)
{
	unsigned budget = 4 * READS_PER_RUN;

	c->running = true;
	while (step(c) == GO_ON)
		if (!--budget) {
			conn_ready(c);
			break;
		}
	if (c->phase != CONN_CLOSED && (c->corked || c->io_error)) {
		if (!c->io_error)
			io_flush(c);
		if (c->io_error)
			drop(c);
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
		request_next(c);
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
	in_window_start(c);
	conn_ready(c);
}

static void on_writable(struct conn *c)
{
	const struct http_handler *h = c->server->handler;

	io_flush(c);
	if (c->blocked && c->live && !c->gone && conn_out_n(c) < OUT_LOW && !c->io_error) {
		c->blocked = false;
		if (h->drain)
			h->drain(h->ctx, &c->req);
	}
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct conn *c = CONTAINER_OF(h, struct conn, poll);

	if (status < 0) {
		c->armed = 0;
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
	conn_run(c);
}

/* --- time -------------------------------------------------------------------------------------------------
 */

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
		drop(c);
	} else if (conn_in_n(c)) {
		refuse(c, 408, "the request's head took too long");
	} else {
		c->closing = true;
		linger(c);
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
		drop(c);
	else if (c->phase == CONN_BODY && !c->paused && window_missed(&c->in_window, &c->in_moved, now, l))
		refuse(c, 408, "the body came too slowly");
	else {
		c->running = false;
		return;
	}
	c->running = false;
	conn_run(c);
}

/* --- the beginning ----------------------------------------------------------------------------------------
 */

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
	if ((l->ctx && !c->ssl) || uv_poll_init(s->loop, &c->poll, fd)) {
		close(fd);
		SSL_free(c->ssl);
		message_finish(&c->msg);
		free(c);
		return;
	}
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	c->poll_open = true;
	s->handles++;
	s->memory++;
	s->stats.open++;
	s->stats.accepted++;
	c->deadline = uv_now(s->loop) + s->limits.header_ms;
	c->readable = true; /* the first bytes are often there already */
	server_timer_start(s);
	conn_run(c);
}
