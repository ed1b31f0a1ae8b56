/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets (RFC 6455): a GET request is answered by turning its connection into one. What is said over it
 * is its owner's. All calls are made on the loop's thread. */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

struct http_websocket;

struct http_websocket_events {
	/* A whole message; valid during the call. */
	void (*message)(void *ctx, const void *p, size_t n, bool is_text);
	/* There is room again, after http_websocket_send was false. */
	void (*drain)(void *ctx);
	/* It is over, by the peer, by its rules being broken or by time: the last call. Not made after
	 * http_websocket_close. code: as RFC 6455 section 7.4.1 has it, 1006 when the connection was lost. */
	void (*closed)(void *ctx, int code, const char *why);
};

struct http_websocket_limits { /* 0: none */
	size_t message;        /* bytes of one (1009); must be set */
	unsigned ping_ms;      /* a peer that is silent for that long is asked; twice that: it is gone */
	unsigned idle_ms;      /* without a message either way */
	unsigned life_ms;
};

enum http_websocket_ask {
	WEBSOCKET_NONE,    /* the request does not ask for one */
	WEBSOCKET_BAD,     /* it does, but not in order (400) */
	WEBSOCKET_VERSION, /* of a version that is not spoken here (426, Sec-WebSocket-Version: 13) */
	WEBSOCKET_FINE
};
enum http_websocket_ask http_websocket_asked(const struct http_request *r);
/* Does the request offer this subprotocol? */
bool http_websocket_offers(const struct http_request *r, const char *protocol);

/* Answers a request that is FINE with 101, instead of http_respond: the request is gone after that, and the
 * owner may send. protocol: one that was offered, or NULL. NULL when the peer has left meanwhile: answer the
 * request as any other then. */
struct http_websocket *http_websocket_accept(struct http_request *r, const char *protocol,
	const struct http_pair *headers, size_t headers_n, const struct http_websocket_limits *limits,
	const struct http_websocket_events *events, void *ctx);
/* One message, copied. False: the outgoing queue is full, send again after `drain`. */
bool http_websocket_send(struct http_websocket *w, const void *p, size_t n, bool is_text);
/* No messages are read meanwhile: back-pressure to the peer. */
void http_websocket_pause(struct http_websocket *w, bool paused);
/* Says goodbye; w is gone. why: at most 123 bytes of it are told. */
void http_websocket_close(struct http_websocket *w, int code, const char *why);

#endif
