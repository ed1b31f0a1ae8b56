/* SPDX-License-Identifier: Apache-2.0 */
/* The least that the http room can serve: a fixed body of 1 kB over TLS, to be measured with a load
 *generator. bench_http_server CERT KEY PORT [UNIX_SOCKET] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

enum { BODY = 1024 };

static enum http_body on_begin(void *ctx, struct http_request *r)
{
	(void)ctx;
	(void)r;
	return HTTP_BODY_COLLECT;
}

static void on_end(void *ctx, struct http_request *r)
{
	static const struct http_pair headers[] = { { "Content-Type", "application/json" } };
	struct buf b = { 0 };

	(void)ctx;
	memset(buf_reserve(&b, BODY), 'x', BODY);
	b.len = BODY;
	http_respond(r, 200, headers, 1, &b);
}

static void on_signal(uv_signal_t *h, int signum)
{
	(void)signum;
	http_server_destroy(h->data);
	uv_close((uv_handle_t *)h, NULL);
}

int main(int argc, char **argv)
{
	static const struct http_handler handler = { .begin = on_begin, .end = on_end };
	struct http_server *s = NULL;
	struct error err = { 0 };
	uv_signal_t term;
	uv_loop_t loop;

	if (argc < 4) {
		fprintf(stderr, "usage: %s CERT KEY PORT [UNIX_SOCKET]\n", argv[0]);
		return 2;
	}
	uv_loop_init(&loop);
	if (http_server_create(&loop, NULL, &handler, &s, &err) ||
		http_server_listen_tls(
			s, "127.0.0.1", atoi(argv[3]), &(struct http_tls) { argv[1], argv[2] }, &err) ||
		(argc > 4 && http_server_listen_unix(s, argv[4], 0600, &err))) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	uv_signal_init(&loop, &term);
	term.data = s;
	uv_signal_start(&term, on_signal, SIGTERM);
	printf("%d\n", http_server_port(s));
	fflush(stdout);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) ? 1 : 0;
}
