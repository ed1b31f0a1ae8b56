/* SPDX-License-Identifier: Apache-2.0 */
/* One request after the other on a connection: each step goes as far as the bytes and the handler let it. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "http/conn.h"

enum {
	HEAD_READ = 4096, /* room for one read of a head */
	LINGER_MS = 2000
};

static uint64_t now_of(const struct conn *c)
{
	return uv_now(c->server->loop);
}

/* Time in which a body must move min_rate bytes a second. */
void exchange_window(struct conn *c)
{
	c->in_moved = 0;
	c->in_window = now_of(c) + c->server->limits.body_ms;
}

/* --- ends ------------------------------------------------------------------ */

/* Tells the handler that nobody waits for the rest: its answer goes nowhere. */
void exchange_abandon(struct conn *c)
{
	const struct http_handler *h = &c->server->handler;
	bool streaming_in = c->phase == CONN_BODY && c->mode == HTTP_BODY_STREAM;
	bool collecting = c->phase == CONN_BODY && c->mode == HTTP_BODY_COLLECT;

	if (!c->live || c->gone)
		return;
	c->gone = true;
	if (collecting && !c->started) {
		c->live = false; /* the handler has not been asked for an answer yet */
		if (h->dropped)
			h->dropped(h->ctx, &c->req);
	} else if (streaming_in) {
		if (h->abort)
			h->abort(h->ctx, &c->req);
	} else if (c->blocked) {
		c->blocked = false;
		if (h->drain)
			h->drain(h->ctx, &c->req);
	}
	if (c->live && c->started && h->left)
		h->left(h->ctx, &c->req);
}

enum step exchange_drop(struct conn *c)
{
	exchange_abandon(c);
	conn_close(c);
	return STOP;
}

/* Ends our side in order, after all output is sent. */
enum step exchange_linger(struct conn *c)
{
	io_goodbye(c);
	c->phase = CONN_LINGER;
	c->deadline = now_of(c) + LINGER_MS;
	c->in_window = c->out_window = 0;
	return GO_ON;
}

/* The peer broke a rule: tell it, if an answer can still be told apart, and close. */
enum step exchange_refuse(struct conn *c, int status, const char *why)
{
	if (c->live && c->started)
		return exchange_drop(c);
	if (c->live) {
		/* Our answer goes first, so that the handler's cannot. */
		respond_error(c, status, why);
		exchange_abandon(c);
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

/* --- steps ----------------------------------------------------------------- */

static enum step run_handshake(struct conn *c)
{
	int done = c->ssl ? tls_handshake(c) : 1;

	if (c->server->draining)
		return exchange_drop(c);
	if (done < 0) {
		io_flush(c); /* the alert */
		return exchange_drop(c);
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
		return exchange_refuse(c, 413, "the body is too large");
	if (c->live && c->mode != HTTP_BODY_REFUSED && c->msg.expect_continue && !c->msg.complete &&
		!conn_in_n(c) && !c->started)
		respond_continue(c);
	if (c->mode != HTTP_BODY_REFUSED)
		c->msg.expect_continue = false;
	exchange_window(c);
	return GO_ON;
}

static enum step head_done(struct conn *c, size_t n)
{
	const struct http_handler *h = &c->server->handler;

	head_take(c, n);
	if (message_head_parse(&c->msg, c->head.data, n) || request_fill(c))
		return exchange_refuse(c, c->msg.status, c->msg.why);
	c->server->stats.requests++;
	c->deadline = 0;
	c->live = true;
	c->gone = c->started = c->blocked = c->paused = c->chunked_out = c->no_body_out = c->moved = false;
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

/* Nothing was sent to us that we have not read: no need to wait for the peer, which may hold on for long. */
static enum step end_idle(struct conn *c)
{
	io_goodbye(c);
	return exchange_drop(c);
}

static enum step run_head(struct conn *c)
{
	size_t n, got;

	if (conn_in_n(c))
		c->in_at += message_head_skip(&c->msg, c->in.data + c->in_at, conn_in_n(c));
	if (conn_in_n(c)) {
		if (message_head_find(&c->msg, c->in.data + c->in_at, conn_in_n(c), &n))
			return exchange_refuse(c, c->msg.status, c->msg.why);
		if (n)
			return head_done(c, n);
	}
	in_compact(c);
	if (c->in.cap - c->in.len < HEAD_READ / 4)
		buf_reserve(&c->in, HEAD_READ);
	switch (io_read(c, c->in.data + c->in.len, c->in.cap - c->in.len, &got)) {
	case IO_AGAIN:
		return c->server->draining && !c->in.len ? end_idle(c) : STOP;
	case IO_EOF:
		return exchange_linger(c);
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
	const struct http_handler *h = &c->server->handler;
	const struct message *m = &c->msg;

	c->body_n += m->piece_n;
	if (!c->live || c->gone || c->mode == HTTP_BODY_REFUSED) {
		c->discard_n += m->piece_n;
		if (c->discard_n <= DISCARD_MAX)
			return GO_ON;
		if (c->live && !c->gone)
			return exchange_refuse(c, 413, "the body is too large");
		c->closing = true;
		c->phase = CONN_ANSWER;
		return GO_ON;
	}
	if (c->mode == HTTP_BODY_COLLECT) {
		if (c->body_n > c->server->limits.body)
			return exchange_refuse(c, 413, "the body is too large");
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
	const struct http_handler *h = &c->server->handler;

	if (c->moved && c->live && !c->gone && c->mode == HTTP_BODY_COLLECT && c->server->line.n) {
		c->moved = false;
		c->in_window = 0;
		conn_ready(c); /* it is another's: its turn is that one's */
		return STOP;
	}
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
			return exchange_refuse(c, c->msg.status, c->msg.why);
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
		return exchange_drop(c);
	case IO_OK:
		break;
	}
	step = body_feed(c, scratch, got, &used);
	if (used < got && c->phase != CONN_CLOSED)
		buf_append(&c->in, scratch + used, got - used);
	return step;
}

void exchange_next(struct conn *c)
{
	turns_body_release(c);
	request_clear(c);
	message_reset(&c->msg);
	if (c->collect.cap > RECORD)
		buf_finish(&c->collect);
	if (c->head.cap > RECORD)
		buf_finish(&c->head);
	c->gone = c->started = false;
	c->phase = CONN_HEAD;
	evict_idle(c);
	c->deadline = now_of(c) + (conn_in_n(c) ? c->server->limits.header_ms : c->server->limits.idle_ms);
}

static enum step run_answer(struct conn *c)
{
	if (c->live && !c->gone)
		return STOP;
	if (conn_in_n(c) && !c->closing && conn_out_n(c) < OUT_LOW && !conn_body_pending(c)) {
		exchange_next(c); /* pipelined: the answers may leave together */
		return GO_ON;
	}
	io_flush(c);
	if (conn_body_pending(c) || conn_out_n(c))
		return STOP;
	if (c->closing)
		return exchange_linger(c);
	if (c->live)
		return STOP;
	exchange_next(c);
	return GO_ON;
}

static enum step run_linger(struct conn *c)
{
	char *scratch = c->server->scratch;
	ssize_t n = io_recv(c, scratch, SCRATCH);

	if (n > 0)
		return GO_ON;
	return n < 0 && errno == EAGAIN ? STOP : exchange_drop(c);
}

enum step exchange_step(struct conn *c)
{
	if (c->io_error)
		return exchange_drop(c);
	switch (c->phase) {
	case CONN_HANDSHAKE:
		return run_handshake(c);
	case CONN_HEAD:
		return run_head(c);
	case CONN_BODY:
		return run_body(c);
	case CONN_ANSWER:
		return run_answer(c);
	case CONN_SOCKET:
		return websocket_step(c);
	case CONN_LINGER:
		return run_linger(c);
	case CONN_CLOSED:
		break;
	}
	return STOP;
}
