/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 (RFC 9110, RFC 9112) over TLS 1.2/1.3 or a unix socket, on a libuv loop. It knows requests and
 * bytes; what they mean is the handler's. Everything here runs on the loop's thread. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER
};

struct http_pair {
	const char *name, *value; /* header names as sent, compared without case; query parts decoded, '+' a
				   * blank */
};

/* One request. Valid from `begin` until the handler has answered it; everything it points to is in its arena.
 */
struct http_request {
	enum http_method method;
	const char *method_name; /* as sent */
	const char *path;        /* still percent-encoded; slashes collapsed, no trailing one (but "/") */
	const char *raw_query;   /* after '?', or "" */
	const struct http_pair *headers;
	size_t headers_n;
	const struct http_pair *query; /* decoded (RFC 3986), in order */
	size_t query_n;
	int64_t content_length; /* -1: chunked or none announced */
	const char *body;       /* HTTP_BODY_COLLECT: all of it, NUL-terminated, once `end` is called */
	size_t body_n;
	char peer[64];     /* "192.0.2.7" or "unix" */
	uint32_t peer_uid; /* unix socket: SO_PEERCRED; TLS: UINT32_MAX */
	bool is_unix;
	struct arena arena;
	void *data; /* the handler's */
};

/* First header of that name, or NULL. */
const char *http_header(const struct http_request *r, const char *name);
/* First query value of that name, or NULL. */
const char *http_query(const struct http_request *r, const char *name);

enum http_body {
	HTTP_BODY_COLLECT, /* gather it up to limits.body bytes, then call `end`; when it does not come in
			    * full, or is too large (413), call `dropped` instead */
	HTTP_BODY_STREAM,  /* hand each piece to `data`, then call `end` */
	HTTP_BODY_REFUSED  /* the handler has answered already; what still comes is discarded, bounded, or the
			    * connection is closed */
};

/* A handler answers each request exactly once by http_respond or http_respond_start … http_respond_end, also
 * when the peer has left meanwhile (it then goes nowhere). The request is gone after that. */
struct http_handler {
	/* The headers are in. 100 Continue is sent (if asked for) when this returns COLLECT or STREAM. */
	enum http_body (*begin)(void *ctx, struct http_request *r);
	/* STREAM: n bytes, valid during the call. Return false to pause reading until http_body_resume. */
	bool (*data)(void *ctx, struct http_request *r, const void *p, size_t n);
	/* All of the request is in: answer, now or later. */
	void (*end)(void *ctx, struct http_request *r);
	/* STREAM: the peer left, was too slow, or broke the framing before the end. Answer (anything) to let
	 * go. */
	void (*abort)(void *ctx, struct http_request *r);
	/* COLLECT: the body did not come, and never will: the last call for this request, which must not be
	 * answered. May be NULL when `begin` leaves nothing but what is in the arena. */
	void (*dropped)(void *ctx, struct http_request *r);
	/* A streamed response may be written to again. */
	void (*drain)(void *ctx, struct http_request *r);
	/* The peer of a streamed response has left: what is written goes nowhere, and it is to be ended. May
	 * be NULL where responses end by themselves. */
	void (*left)(void *ctx, struct http_request *r);
	void *ctx;
};

void http_body_resume(struct http_request *r);

/* Fair shares: connections with something to do stand in the line of their last request's owner (at first: of
 * the peer), and the lines are served in turn, by the time that their requests take. `begin` tells the owner
 * by http_admit; HTTP_OWNER_FIRST is served before all others and never turned away. When the answer is not
 * HTTP_FINE the request is to be refused at once; *out_retry_s: when it is worth to try again. collects: the
 * body is to be held in memory, where there is only so much room for them. */
enum { HTTP_OWNER_FIRST = 0 };
enum http_admission {
	HTTP_FINE,
	HTTP_EXCESS,  /* it would wait too long behind requests of its own owner (429) */
	HTTP_OVERLOAD /* behind those of all (503) */
};
enum http_admission http_admit(struct http_request *r, uint64_t owner, bool collects, unsigned *out_retry_s);
/* The owner of requests of nobody in particular: the peer. */
uint64_t http_owner_peer(const struct http_request *r);

/* Answers whole. Content-Length is set here; HEAD, 204, 205 and 304 send no body. Takes the bytes of body
 * (may be NULL) and leaves it empty. Headers are copied. */
void http_respond(
	struct http_request *r, int status, const struct http_pair *headers, size_t n, struct buf *body);
/* Answers in pieces: content_length -1 means chunked. */
void http_respond_start(struct http_request *r, int status, const struct http_pair *headers, size_t n,
	int64_t content_length);
/* Copies p. False: the outgoing queue is full, write again after `drain`. Writes to a gone peer return true.
 */
bool http_respond_write(struct http_request *r, const void *p, size_t n);
/* ok=false: what was announced cannot be delivered; the connection is cut, so that the peer notices. */
void http_respond_end(struct http_request *r, bool ok);

struct http_limits {
	size_t line;           /* request line, bytes (414) */
	size_t headers;        /* all header bytes (431) */
	unsigned header_count; /* (431) */
	size_t body;           /* collected bodies (413) */
	unsigned connections;  /* accepted at once; more take the place of idle ones, or wait in the listen
				  queue */
	unsigned header_ms; /* from the first byte to the end of the headers (408), also the TLS handshake */
	unsigned idle_ms;   /* keep-alive without a request */
	unsigned body_ms;   /* a body (or a reader of our response) must move at least min_rate bytes/s over
			       this window */
	unsigned min_rate;
	unsigned wait_ms; /* who would stand in line for longer is turned away */
	unsigned waiting; /* or behind so many of the same owner */
	size_t bodies;    /* room for all bodies that are collected; one owner's may take a quarter */
};
extern const struct http_limits http_limits_default;

struct http_server;

/* Listens. `tls`: certificate chain and key as PEM files, minimum TLS 1.2. Error names the file or address.
 */
struct http_tls {
	const char *cert_file, *key_file;
};
/* Limits (NULL: the defaults) and handler are copied. */
int http_server_create(uv_loop_t *loop, const struct http_limits *limits, const struct http_handler *handler,
	struct http_server **out, struct error *err);
/* address "127.0.0.1" or "::", port 0: any. May be called for several addresses. */
int http_server_listen_tls(
	struct http_server *s, const char *address, int port, const struct http_tls *tls, struct error *err);
int http_server_listen_unix(struct http_server *s, const char *path, unsigned mode, struct error *err);
/* Takes over a listening socket (socket activation). tls NULL: a unix socket. */
int http_server_listen_fd(struct http_server *s, int fd, const struct http_tls *tls, struct error *err);
int http_server_port(const struct http_server *s); /* of the first TLS listener */
/* Reads certificate and key again for new connections; live ones go on. On error the old ones stay in force.
 */
int http_server_reload_tls(struct http_server *s, struct error *err);
/* No new connections or requests; keep-alive connections are closed as they fall idle; `done` is called on
 * the loop once none is left. */
void http_server_drain(struct http_server *s, void (*done)(void *ctx), void *ctx);
/* Closes everything at once; run the loop until it is empty, then the server is freed. */
void http_server_destroy(struct http_server *s);

struct http_stats {
	uint64_t accepted, requests, responses_by_class[6], bytes_in, bytes_out;
	unsigned open;
	uint64_t evicted;         /* idle ones that made room for new ones */
	uint64_t starved;         /* times that no descriptor was left for a new one */
	unsigned waiting, owners; /* connections in line, and of how many owners */
	uint64_t bodies;          /* bytes of collected bodies */
	uint64_t turned_excess, turned_overload;
};
void http_server_stats(const struct http_server *s, struct http_stats *out);
/* The reason phrase: "Not Found". */
const char *http_status_text(int status);

#endif
