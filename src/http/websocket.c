/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that has become a WebSocket: the opening handshake, frames to and from the socket, pings,
 * limits of time, and the closing handshake. */
#include "http/websocket.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/util.h"
#include "http/conn.h"
#include "http/frame.h"

enum { REASON_MAX = 123, KEY_BYTES = 16 };

struct http_websocket {
	struct conn *c;
	struct frame_reader in;
	struct http_websocket_limits limits;
	struct http_websocket_events on;
	void *ctx;
	bool paused, blocked, pinged;
	uint64_t heard, moved, began; /* uv_now: of the peer's last byte, of the last message, of its start */
};

/* --- the opening handshake ---------------------------------------------------------------------------- */

/* Is the word in the comma separated values of this header? */
static bool has_token(const struct http_request *r, const char *name, const char *word, bool any_case)
{
	size_t want = strlen(word);

	for (size_t i = 0; i < r->headers_n; i++) {
		if (strcasecmp(r->headers[i].name, name))
			continue;
		for (const char *p = r->headers[i].value; *p; p += *p == ',') {
			size_t n, skip = strspn(p, " \t");

			p += skip;
			n = strcspn(p, ",");
			while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
				n--;
			if (n == want && !(any_case ? strncasecmp : strncmp)(p, word, n))
				return true;
			p += strcspn(p, ",");
		}
	}
	return false;
}

static bool key_valid(const char *key)
{
	size_t n = 0;
	unsigned char *raw = key && strlen(key) == 24 ? base64_decode(key, 24, &n) : NULL;

	free(raw);
	return raw && n == KEY_BYTES;
}

enum http_websocket_ask http_websocket_asked(const struct http_request *r)
{
	const struct conn *c = CONTAINER_OF(r, struct conn, req);
	const char *version = http_header(r, "Sec-WebSocket-Version");

	if (!has_token(r, "Upgrade", "websocket", true))
		return WEBSOCKET_NONE;
	if (r->method != HTTP_GET || c->msg.http10 || !has_token(r, "Connection", "upgrade", true) ||
		r->body_n || !version || !key_valid(http_header(r, "Sec-WebSocket-Key")))
		return WEBSOCKET_BAD;
	return strcmp(version, "13") == 0 ? WEBSOCKET_FINE : WEBSOCKET_VERSION;
}

bool http_websocket_offers(const struct http_request *r, const char *protocol)
{
	return has_token(r, "Sec-WebSocket-Protocol", protocol, false);
}

/* Section 1.3: proves that the handshake was understood; it is no secret. */
static char *accept_of(const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	CLEANUP(free_ptr) char *text = xasprintf("%s%s", key, guid);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int ok = EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);

	assert(ok == 1);
	(void)ok;
	return base64_encode(digest, n);
}

static void answer(struct conn *c, const char *protocol, const struct http_pair *headers, size_t n)
{
	CLEANUP(free_ptr) char *accept = accept_of(http_header(&c->req, "Sec-WebSocket-Key"));
	struct http_pair all[20] = {
		{ "Upgrade", "websocket" },
		{ "Sec-WebSocket-Accept", accept },
		{ "Sec-WebSocket-Protocol", protocol },
	};

	assert(n <= ARRAY_LEN(all) - 3);
	for (size_t i = 0; i < n; i++)
		all[3 + i] = headers[i];
	respond_switch(c, all, 3 + n);
}

struct http_websocket *http_websocket_accept(struct http_request *r, const char *protocol,
	const struct http_pair *headers, size_t headers_n, const struct http_websocket_limits *limits,
	const struct http_websocket_events *events, void *ctx)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);
	struct http_websocket *w;

	assert(c->live && !c->started && limits->message);
	if (c->gone || c->phase != CONN_ANSWER)
		return NULL;
	w = xcalloc(1, sizeof *w);
	*w = (struct http_websocket) { .c = c, .limits = *limits, .on = *events, .ctx = ctx };
	frame_reader_init(&w->in, limits->message);
	w->heard = w->moved = w->began = uv_now(c->server->loop);
	answer(c, protocol, headers, headers_n);
	c->ws = w;
	c->live = false;
	c->phase = CONN_SOCKET;
	request_clear(c);
	buf_finish(&c->head);
	conn_settle(c);
	return w;
}

/* --- out ---------------------------------------------------------------------------------------------- */

static void frame_write(struct conn *c, enum frame_opcode opcode, const void *p, size_t n)
{
	char record[RECORD];
	size_t head = frame_head(record, opcode, n);

	if (head + n <= sizeof record) {
		if (n)
			memcpy(record + head, p, n);
		io_write(c, record, head + n);
		return;
	}
	io_write(c, record, head);
	io_write(c, p, n);
}

bool http_websocket_send(struct http_websocket *w, const void *p, size_t n, bool is_text)
{
	struct conn *c = w->c;

	frame_write(c, is_text ? FRAME_TEXT : FRAME_BINARY, p, n);
	w->moved = uv_now(c->server->loop);
	w->blocked = conn_out_n(c) >= OUT_HIGH;
	conn_settle(c);
	return !w->blocked;
}

void websocket_drained(struct conn *c)
{
	struct http_websocket *w = c->ws;

	if (!w->blocked || conn_out_n(c) >= OUT_LOW || c->io_error)
		return;
	w->blocked = false;
	if (w->on.drain)
		w->on.drain(w->ctx);
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void forget(struct http_websocket *w)
{
	w->c->ws = NULL;
	frame_reader_finish(&w->in);
	free(w);
}

/* Says goodbye; what the peer still sends is thrown away. The owner is told, unless it was its wish. */
static void end(struct http_websocket *w, int code, const char *why, bool tell)
{
	struct http_websocket_events on = w->on;
	struct conn *c = w->c;
	void *ctx = w->ctx;
	char text[2 + REASON_MAX + 1];

	if (code != CLOSE_NO_CODE) {
		text[0] = (char)(code >> 8);
		text[1] = (char)code;
		str_copy(text + 2, REASON_MAX + 1, why ? why : "");
	}
	frame_write(c, FRAME_CLOSE, text, code == CLOSE_NO_CODE ? 0 : 2 + strlen(text + 2));
	forget(w);
	c->closing = true;
	c->phase = CONN_ANSWER;
	if (tell && on.closed)
		on.closed(ctx, code, why);
	conn_settle(c);
}

void http_websocket_close(struct http_websocket *w, int code, const char *why)
{
	end(w, code, why, false);
}

void websocket_lost(struct conn *c)
{
	struct http_websocket_events on = c->ws->on;
	void *ctx = c->ws->ctx;

	forget(c->ws);
	if (on.closed)
		on.closed(ctx, CLOSE_LOST, "the connection was lost");
}

/* --- in ----------------------------------------------------------------------------------------------- */

bool websocket_reads(const struct conn *c)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who frees it takes it from c->ws, which is w->c->ws */
	return !c->ws->paused && conn_out_n(c) < OUT_HIGH;
}

void http_websocket_pause(struct http_websocket *w, bool paused)
{
	bool resumed = w->paused && !paused;

	w->paused = paused;
	if (resumed)
		conn_ready(w->c);
}

/* A message or a control frame; w may be gone after it. */
static void take(struct http_websocket *w)
{
	const struct frame_reader *r = &w->in;

	switch (r->opcode) {
	case FRAME_PING:
		frame_write(w->c, FRAME_PONG, r->data, r->data_n);
		break;
	case FRAME_CLOSE:
		end(w, r->code, NULL, true);
		break;
	case FRAME_TEXT:
	case FRAME_BINARY:
		w->moved = w->heard;
		w->on.message(w->ctx, r->data ? r->data : "", r->data_n, r->opcode == FRAME_TEXT);
		break;
	default:
		break;
	}
}

/* Feeds n bytes, until they are used, the owner pauses or the socket is over. Returns how many were used. */
static size_t feed(struct conn *c, const char *p, size_t n)
{
	size_t used = 0, k;

	while (c->ws && used < n && websocket_reads(c)) {
		enum frame_event e = frame_read(&c->ws->in, p + used, n - used, &k);

		used += k;
		if (e == FRAME_GOT)
			take(c->ws);
		else if (e == FRAME_BAD)
			end(c->ws, c->ws->in.code, c->ws->in.why, true);
	}
	return used;
}

static enum step feed_kept(struct conn *c)
{
	size_t used = feed(c, c->in.data + c->in_at, conn_in_n(c));

	c->in_at += used;
	if (!conn_in_n(c))
		c->in.len = c->in_at = 0;
	return GO_ON;
}

enum step websocket_step(struct conn *c)
{
	char *scratch = c->server->scratch;
	size_t used, got;

	if (c->server->draining) {
		end(c->ws, CLOSE_GOING_AWAY, "the service stops", true);
		return GO_ON;
	}
	if (!websocket_reads(c))
		return STOP;
	if (conn_in_n(c))
		return feed_kept(c);
	switch (io_read(c, scratch, SCRATCH, &got)) {
	case IO_AGAIN:
		return STOP;
	case IO_EOF:
		return exchange_drop(c);
	case IO_OK:
		break;
	}
	c->ws->heard = uv_now(c->server->loop);
	c->ws->pinged = false;
	used = feed(c, scratch, got);
	if (used < got && c->ws)
		buf_append(&c->in, scratch + used, got - used);
	return GO_ON;
}

/* --- time --------------------------------------------------------------------------------------------- */

static bool past(uint64_t now, uint64_t since, unsigned ms)
{
	return ms && now >= since + ms;
}

enum step websocket_sweep(struct conn *c, uint64_t now)
{
	struct http_websocket *w = c->ws;
	const struct http_websocket_limits *l = &w->limits;

	if (past(now, w->began, l->life_ms)) {
		end(w, CLOSE_NORMAL, "the time for it is over", true);
	} else if (past(now, w->moved, l->idle_ms)) {
		end(w, CLOSE_NORMAL, "nothing was said for too long", true);
	} else if (websocket_reads(c) && past(now, w->heard, 2 * l->ping_ms)) {
		return exchange_drop(c);
	} else if (!w->pinged && past(now, w->heard, l->ping_ms)) {
		w->pinged = true;
		frame_write(c, FRAME_PING, NULL, 0);
	}
	return GO_ON;
}
