/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the http room: the server, its listeners and connections. A connection has at most one request at
 * a time; the next one is read when the answer to it is on its way. */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <openssl/ssl.h>

#include "base/fair.h"
#include "http/http.h"
#include "http/message.h"

enum {
	SCRATCH = 64 * 1024,    /* one read of body bytes; most of what a shared buffer keeps */
	OUT_HIGH = 256 * 1024,  /* queued bytes at which a streaming handler is told to stop */
	OUT_LOW = 64 * 1024,    /* and to go on */
	RECORD = 16 * 1024,     /* most of what one TLS record carries */
	DISCARD_MAX = 64 * 1024 /* unread body that is skipped to keep a connection */
};

/*	HANDSHAKE → HEAD → BODY → ANSWER → HEAD …
 *	                ↘ error   ↘ LINGER → CLOSED */
enum conn_phase {
	CONN_HANDSHAKE,
	CONN_HEAD,   /* between requests, or in the middle of a head */
	CONN_BODY,   /* the handler has seen the head, the body is coming in */
	CONN_ANSWER, /* all that will be read of the request was read; the answer is being made or sent */
	CONN_SOCKET, /* a WebSocket now: until its end, which is CONN_ANSWER with `closing` */
	CONN_LINGER, /* our side is closed; what the peer still sends is thrown away, so that it can read our
			answer */
	CONN_CLOSED
};

struct conn {
	uv_poll_t poll;
	int fd, armed; /* armed: what uv_poll waits for */
	struct http_server *server;
	struct conn *prev, *next; /* all that are not CLOSED; the last to fall idle comes first */
	uint64_t idle_since;      /* uv_now when it did, or came */
	struct fair_item turn;    /* in line for its turn */
	struct fair_class *owner; /* in whose line it stands: the peer's, later the last request's */
	SSL *ssl;                 /* NULL: a unix socket */
	enum conn_phase phase;

	bool running;   /* inside conn_run: handlers' calls only leave their result */
	uint8_t shed;   /* its owner's line was too long when it came: it is to be turned away, so */
	bool moved;     /* the request is not of the owner whose turn it is */
	bool poll_open; /* the uv handle is not closed yet */
	bool readable;  /* the socket may have bytes */
	bool io_error;  /* nothing can be sent or read any more */
	bool closing;   /* no request after this one */
	bool trimmed;   /* idle, and its buffers were given back */
	bool corked;    /* gather output until conn_flush */

	/* the request */
	bool live;    /* a handler has it and has not answered */
	bool gone;    /* what the handler answers goes nowhere */
	bool started; /* http_respond_start was called */
	bool blocked; /* http_respond_write has returned false */
	bool paused;  /* the data call has returned false */
	bool resumed; /* http_body_resume was called, perhaps inside of the data call */
	bool chunked_out, no_body_out;
	enum http_body mode;
	int64_t out_left;           /* of an announced Content-Length; -1: chunked or until the end */
	uint64_t body_n, discard_n; /* body bytes read; of these thrown away */
	size_t reserved;            /* of the room for bodies */
	struct http_request req;
	struct message msg;
	struct http_websocket *ws; /* CONN_SOCKET */

	struct buf head; /* the current request's head; req points into it */
	struct buf in;   /* read, not yet used from in_at on */
	size_t in_at;
	struct buf collect; /* COLLECT */
	struct buf out;     /* for the socket: encrypted, not yet sent from out_at on */
	size_t out_at;
	struct buf body; /* of an answer: handed to TLS from body_at on as the socket takes it */
	size_t body_at;

	/* uv_now; 0: none */
	uint64_t deadline;              /* of handshake, head, idling or lingering */
	uint64_t in_window, out_window; /* ends of the windows in which min_rate is measured */
	uint64_t in_moved, out_moved;
};

struct listener {
	uv_poll_t poll;
	int fd;
	bool open, armed;
	struct http_server *server;
	struct listener *next;
	SSL_CTX *ctx;   /* NULL: a unix socket */
	SSL_CTX *fresh; /* while all are reloaded */
	char *cert_file, *key_file;
	char *path; /* to remove at the end */
	int port;
};

struct http_server {
	uv_loop_t *loop;
	struct http_limits limits;
	struct http_handler handler;
	struct listener *listeners;
	struct conn *conns, *last;
	unsigned most;                     /* open at once, since memory was given back */
	struct fair line;                  /* connections that have something to do */
	struct fair_class *first, *excess; /* of the unix socket; of those that are turned away */
	uint64_t direct_ms;                /* the turn of the loop in which */
	int64_t direct_us;                 /* so much was done without standing in line */
	size_t bodies;                     /* bytes of bodies that are being collected or answered */
	uv_timer_t timer;                  /* one for all deadlines */
	uv_idle_t idle;                    /* runs while anybody stands in line */
	unsigned handles;                  /* uv handles not yet closed */
	unsigned memory; /* connections not yet freed: open ones, and requests whose peer has left */
	bool timer_on, starved, draining, done_due, destroyed;
	void (*done)(void *ctx);
	void *done_ctx;
	uint64_t sweep_ms;
	struct http_stats stats;
	BIO_METHOD *bio;
	time_t date_at;
	char date[40];         /* "Sun, 06 Nov 1994 08:49:37 GMT" */
	struct buf text;       /* an answer's head, while it is made */
	char scratch[SCRATCH]; /* body bytes, while they are handed on */
};

static inline size_t conn_in_n(const struct conn *c)
{
	return c->in.len - c->in_at;
}

static inline size_t conn_out_n(const struct conn *c)
{
	return c->out.len - c->out_at;
}

static inline bool conn_body_pending(const struct conn *c)
{
	return c->body_at < c->body.len;
}

/* conn.c */
void conn_accept(struct listener *l, int fd, const char *peer, uint32_t uid);
void conn_run(struct conn *c);
void conn_ready(struct conn *c); /* runs it when its turn comes */
void conn_sweep(struct conn *c, uint64_t now);
void conn_drop(struct conn *c); /* closes at once; lets the handler know */
void conn_close(struct conn *c);
void conn_settle(struct conn *c); /* after an answer, outside of conn_run */
void conn_unref(struct conn *c);  /* frees it when nothing holds it */

/* exchange.c */
enum step { GO_ON, STOP };
enum step exchange_step(struct conn *c);
/* The peer broke a rule: an error answer, if one can still be told apart, and the end. */
enum step exchange_refuse(struct conn *c, int status, const char *why);
enum step exchange_linger(struct conn *c); /* ends our side in order; all output is sent */
enum step exchange_drop(struct conn *c);   /* ends it now */
void exchange_next(struct conn *c);        /* the answer is sent: ready for another request */
void exchange_abandon(struct conn *c);     /* tells the handler that nobody waits for its answer */
void exchange_window(struct conn *c); /* a new span in which the body must move min_rate bytes a second */

/* request.c: fills c->req from c->msg. 0, or -1: msg.status and msg.why are set. */
int request_fill(struct conn *c);
void request_clear(struct conn *c);

/* respond.c: an answer of our own to a broken request; the connection closes after it. */
void respond_error(struct conn *c, int status, const char *why);
void respond_continue(struct conn *c);
/* 101, with these headers. */
void respond_switch(struct conn *c, const struct http_pair *headers, size_t n);

/* websocket.c: of a connection that is one */
enum step websocket_step(struct conn *c);
enum step websocket_sweep(struct conn *c, uint64_t now);
bool websocket_reads(const struct conn *c);
void websocket_drained(struct conn *c); /* some output was sent */
void websocket_lost(struct conn *c);    /* the connection closes: tells the owner */

/* io.c: bytes of the connection, through TLS if it has it. */
enum io_result { IO_OK, IO_AGAIN, IO_EOF };
enum io_result io_read(struct conn *c, void *p, size_t n, size_t *out_n);
void io_write(struct conn *c, const void *p, size_t n);
void io_flush(struct conn *c);                      /* sends what the socket takes, from out and body */
bool io_buffered(const struct conn *c);             /* bytes read from the socket, not yet by io_read */
ssize_t io_recv(struct conn *c, void *p, size_t n); /* raw; -1 with EAGAIN */
ssize_t io_send(
	struct conn *c, const void *p, size_t n); /* raw; takes all, queues what the socket does not */
void io_trim(struct conn *c);                     /* gives idle buffers back */
void io_goodbye(struct conn *c);                  /* close-notify and FIN */

/* tls.c */
BIO_METHOD *tls_bio_create(void);
SSL_CTX *tls_context(const char *cert_file, const char *key_file, struct error *err);
SSL *tls_accept(SSL_CTX *ctx, struct conn *c); /* NULL: out of memory */
int tls_handshake(struct conn *c);             /* 1: done, 0: needs bytes, -1: failed */

/* listen.c */
void listener_arm(struct http_server *s); /* accepts, or not, by what the limits say */
void listener_close_all(struct http_server *s);
void listener_free_all(struct http_server *s);

/* server.c */
void server_conn_closed(struct http_server *s);
void server_handle_closed(struct http_server *s);
void server_maybe_free(struct http_server *s);
void server_timer_start(struct http_server *s);
const char *server_date(struct http_server *s);
void server_wake(struct http_server *s); /* somebody stands in line */

/* evict.c: who makes room */
void evict_enter(struct conn *c);
void evict_leave(struct conn *c);
void evict_idle(struct conn *c); /* it has been answered */
/* False: there is none that idles. */
bool evict_one(struct http_server *s);

/* turns.c: whose turn it is */
void turns_init(struct http_server *s);
void turns_finish(struct http_server *s);
/* Now, when nobody else wants to; or in line. */
void turns_go(struct http_server *s, struct conn *c);
void turns_line_up(struct http_server *s, struct conn *c);
/* Runs those whose turn it is, for as long as others can wait. */
void turns_serve(struct http_server *s);
void turns_leave(struct http_server *s, struct conn *c); /* the connection closes */
void turns_body_release(struct conn *c);
struct fair_class *turns_peer(struct http_server *s, const struct conn *c);

#endif
