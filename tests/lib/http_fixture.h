/* SPDX-License-Identifier: Apache-2.0 */
/* A server of the http room on a loop in a thread of its own, with handlers that misbehave on request. */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "http/http.h"
#include "http/websocket.h"
#include "http_client.h"

/* By the last part of the path:
 *	echo     200 with "METHOD path?query" and a newline before the collected body; "x-peer" is peer and
 *uid fixed    200, 1000 bytes hold     answers 200 "held" when fixture_release is called upload   streams in;
 *pauses after the first piece until fixture_resume; answers with the number of bytes early    streams in;
 *answers 403 with the first piece refuse   403 before the body big      200, body of ?n= bytes, whole stream
 *200, ?n= bytes in pieces; chunked, or with Content-Length when ?length=1 cut      announces 100 bytes, sends
 *10, gives up inject   a header value with a line end empty    204
 *	watch    200, chunked: "first", and "more" with each fixture_more, until the peer leaves
 *	socket   a WebSocket that says what it hears; "bye" ends it, "wait" pauses it until fixture_go_on,
 *"flood" makes it send 8 MiB
 */
enum { FIXTURE_FLOOD = 48 << 20 };

struct fixture {
	uv_loop_t loop;
	uv_async_t call;
	pthread_t thread;
	struct http_server *server;
	struct http_limits limits;
	char dir[64], cert[96], key[96], path[96];
	int port;

	void (*fn)(struct fixture *f); /* what fixture_call runs */
	bool fn_done, destroyed;
	pthread_mutex_t lock;
	pthread_cond_t changed;

	/* the loop's thread writes them, under the lock */
	struct http_request *held, *paused;
	unsigned begun, held_n, aborted, dropped, drained, finished, left;
	size_t bytes_in, bytes_at_pause, stream_done;
	bool drain_done;
	struct http_websocket *socket;
	struct http_websocket_limits socket_limits; /* set by the test */
	unsigned heard, waits, closed, socket_full, socket_drained;
	int close_code;
	size_t flood_left;
	int result;
	struct error err;
};

void fixture_start(struct fixture *f, const struct http_limits *limits);
void fixture_stop(struct fixture *f);
/* Runs fn on the loop and waits for it. */
void fixture_call(struct fixture *f, void (*fn)(struct fixture *f));
void fixture_release(struct fixture *f);
void fixture_resume(struct fixture *f);
void fixture_more(struct fixture *f);
void fixture_go_on(struct fixture *f);
/* Waits until *what, which the loop's thread writes, is at least n. */
void fixture_wait(struct fixture *f, const unsigned *what, unsigned n);
unsigned fixture_open(struct fixture *f);
/* A new self-signed certificate in f->cert and f->key. */
void fixture_make_cert(struct fixture *f, bool rsa);

#endif
