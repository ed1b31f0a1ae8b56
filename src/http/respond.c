/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: head and small body leave in one write, so that they are one TLS record. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "http/conn.h"

static const char continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

void respond_continue(struct conn *c)
{
	io_write(c, continue_text, sizeof continue_text - 1);
}

/* --- composing, in a buffer that all connections share --------------------- */

static struct buf *text_start(struct conn *c)
{
	struct buf *t = &c->server->text;

	if (t->cap > SCRATCH)
		buf_finish(t);
	t->len = 0;
	return t;
}

static void text_number(struct buf *t, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(t, digits + i, sizeof digits - i);
}

/* Framing is this room's business alone. */
static bool header_ours(const char *name)
{
	static const char *const ours[] = { "content-length", "transfer-encoding", "connection", "date" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!strcasecmp(name, ours[i]))
			return true;
	return false;
}

static bool header_name_valid(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name == ':' || *name == 0x7f)
			return false;
	return true;
}

static void header_add(struct buf *t, const struct http_pair *h)
{
	size_t at;

	if (!h->value || header_ours(h->name) || !header_name_valid(h->name))
		return;
	buf_puts(t, h->name);
	buf_append(t, ": ", 2);
	at = t->len;
	buf_puts(t, h->value);
	/* A value with a line end would be a header of somebody else's making. */
	for (; at < t->len; at++)
		if ((unsigned char)t->data[at] < ' ' && t->data[at] != '\t')
			t->data[at] = ' ';
	buf_append(t, "\r\n", 2);
}

static bool status_bodiless(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* Whether the connection can take another request after this answer. */
static void closing_decide(struct conn *c)
{
	bool unread = !c->msg.complete;

	if (c->server->draining)
		c->closing = true;
	if (!unread || c->closing)
		return;
	/* The rest of the body is skipped when it is known to be small, and known to come. */
	if (c->msg.expect_continue || c->msg.content_length < 0 ||
		(uint64_t)c->msg.content_length > c->body_n + DISCARD_MAX)
		c->closing = true;
}

static void head_compose(
	struct conn *c, struct buf *t, int status, const struct http_pair *headers, size_t n, int64_t length)
{
	buf_append(t, "HTTP/1.1 ", 9);
	text_number(t, (uint64_t)status);
	buf_append(t, " ", 1);
	buf_puts(t, http_status_text(status));
	buf_append(t, "\r\nDate: ", 8);
	buf_puts(t, server_date(c->server));
	buf_append(t, "\r\n", 2);
	if (c->closing)
		buf_puts(t, "Connection: close\r\n");
	if (length >= 0 && !status_bodiless(status)) {
		buf_puts(t, "Content-Length: ");
		text_number(t, (uint64_t)length);
		buf_append(t, "\r\n", 2);
	} else if (c->chunked_out) {
		buf_puts(t, "Transfer-Encoding: chunked\r\n");
	}
	for (size_t i = 0; i < n; i++)
		header_add(t, &headers[i]);
	buf_append(t, "\r\n", 2);
}

static void count_status(struct conn *c, int status)
{
	int class = status / 100;

	if (class >= 0 && class < 6)
		c->server->stats.responses_by_class[class]++;
}

/* An answer with its whole body; takes the bytes of body. */
static void answer(struct conn *c, int status, const struct http_pair *headers, size_t n, struct buf *body)
{
	struct buf *t = text_start(c);
	size_t body_n = body && status != 205 ? body->len : 0;

	head_compose(c, t, status, headers, n, (int64_t)body_n);
	if (status_bodiless(status) || c->msg.method == HTTP_HEAD)
		body_n = 0;
	/* More of the peer's requests are here: their answers may share a write. */
	c->corked = c->running && conn_in_n(c) && !c->closing;
	if (body_n && t->len + body_n <= RECORD) {
		buf_append(t, body->data, body_n);
		body_n = 0;
	}
	io_write(c, t->data, t->len);
	if (body_n) {
		c->body = *body;
		c->body_at = 0;
		*body = (struct buf) { 0 };
		io_flush(c);
	}
	count_status(c, status);
}

void respond_switch(struct conn *c, const struct http_pair *headers, size_t n)
{
	struct buf *t = text_start(c);

	head_compose(c, t, 101, headers, n, -1);
	t->len -= 2; /* its last, empty line: the one header that is nobody's else comes first */
	buf_puts(t, "Connection: Upgrade\r\n\r\n");
	io_write(c, t->data, t->len);
	count_status(c, 101);
}

void respond_error(struct conn *c, int status, const char *why)
{
	static const struct http_pair headers[] = { { "Content-Type", "application/json" } };
	struct buf b = { 0 };

	jw_object(&b);
	jw_key(&b, "error");
	jw_object(&b);
	jw_kv_int(&b, "code", status);
	jw_kv_str(&b, "title", http_status_text(status));
	jw_kv_str(&b, "message", why);
	jw_end_object(&b);
	jw_end_object(&b);
	c->closing = true;
	answer(c, status, headers, ARRAY_LEN(headers), &b);
	buf_finish(&b);
}

/* --- the handler's calls --- */

/* The handler lets go of the request. */
static void answered(struct conn *c)
{
	c->live = false;
	c->blocked = c->paused = false;
	conn_settle(c);
}

void http_respond(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, struct buf *body)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);

	assert(c->live && !c->started);
	if (!c->gone) {
		closing_decide(c);
		answer(c, status, headers, n, body);
	}
	if (body)
		buf_finish(body);
	answered(c);
}

void http_respond_start(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, int64_t content_length)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);
	struct buf *t = text_start(c);

	assert(c->live && !c->started);
	c->started = true;
	if (c->gone)
		return;
	closing_decide(c);
	c->no_body_out = status_bodiless(status) || c->msg.method == HTTP_HEAD;
	c->out_left = content_length;
	if (content_length < 0 && c->msg.http10)
		c->closing = true; /* the end of the connection is the end of the body */
	else if (content_length < 0 && !status_bodiless(status))
		c->chunked_out = true;
	head_compose(c, t, status, headers, n, content_length);
	io_write(c, t->data, t->len);
	count_status(c, status);
	conn_settle(c);
}

static void chunk_write(struct conn *c, const char *p, size_t n)
{
	struct buf *t = text_start(c);

	buf_printf(t, "%zx\r\n", n);
	if (t->len + n + 2 <= RECORD) {
		buf_append(t, p, n);
	} else {
		io_write(c, t->data, t->len);
		io_write(c, p, n);
		t->len = 0;
	}
	buf_append(t, "\r\n", 2);
	io_write(c, t->data, t->len);
}

bool http_respond_write(struct http_request *r, const void *p, size_t n)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);

	assert(c->live && c->started);
	if (c->gone || c->no_body_out || !n)
		return true;
	if (c->out_left >= 0 && n > (uint64_t)c->out_left) {
		c->io_error =
			true; /* more than was announced: the peer must not take it for something else */
		conn_settle(c);
		return true;
	}
	if (c->chunked_out)
		chunk_write(c, p, n);
	else
		io_write(c, p, n);
	if (c->out_left > 0)
		c->out_left -= (int64_t)n;
	c->blocked = conn_out_n(c) >= OUT_HIGH;
	conn_settle(c);
	return !c->blocked;
}

void http_respond_end(struct http_request *r, bool ok)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);

	assert(c->live && c->started);
	if (!c->gone && (!ok || (c->out_left > 0 && !c->no_body_out)))
		c->io_error = true;
	else if (!c->gone && c->chunked_out && !c->no_body_out)
		io_write(c, "0\r\n\r\n", 5);
	answered(c);
}
