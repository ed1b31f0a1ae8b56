/* SPDX-License-Identifier: Apache-2.0 */
#include "http_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"

enum { PIECE = 16 * 1024 };

struct job {
	size_t left;
};

static void bump(struct fixture *f, unsigned *what)
{
	pthread_mutex_lock(&f->lock);
	(*what)++;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static bool is(const struct http_request *r, const char *name)
{
	const char *slash = strrchr(r->path, '/');

	return slash && !strcmp(slash + 1, name);
}

static size_t query_n(const struct http_request *r, const char *name)
{
	const char *v = http_query(r, name);

	return v ? strtoul(v, NULL, 10) : 0;
}

static void text(struct http_request *r, int status, const char *s)
{
	struct buf b = { 0 };

	buf_puts(&b, s);
	http_respond(r, status, NULL, 0, &b);
}

static enum http_body on_begin(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	bump(f, &f->begun);
	if (is(r, "refuse")) {
		text(r, 403, "no");
		return HTTP_BODY_REFUSED;
	}
	return is(r, "upload") || is(r, "early") ? HTTP_BODY_STREAM : HTTP_BODY_COLLECT;
}

static bool on_data(void *ctx, struct http_request *r, const void *p, size_t n)
{
	struct fixture *f = ctx;
	bool first;

	(void)p;
	if (is(r, "early")) {
		text(r, 403, "enough");
		return false;
	}
	pthread_mutex_lock(&f->lock);
	f->bytes_in += n;
	first = !f->paused && !r->data;
	if (first) {
		r->data = f;
		f->paused = r;
		f->bytes_at_pause = f->bytes_in;
		f->held_n++;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return !first;
}

static void stream_on(struct fixture *f, struct http_request *r)
{
	static char piece[PIECE];
	struct job *job = r->data;

	while (job->left) {
		size_t n = job->left < PIECE ? job->left : PIECE;
		bool more;

		memset(piece, 'a' + (int)(job->left / PIECE % 26), n);
		job->left -= n;
		more = http_respond_write(r, piece, n);
		pthread_mutex_lock(&f->lock);
		f->stream_done += n;
		pthread_mutex_unlock(&f->lock);
		if (!more)
			return;
	}
	http_respond_end(r, true);
	bump(f, &f->finished);
}

static void echo(struct http_request *r)
{
	char *peer = arena_printf(&r->arena, "%s %u", r->peer, r->peer_uid);
	const struct http_pair headers[] = { { "x-peer", peer }, { "Content-Length", "7" } };
	struct buf b = { 0 };

	buf_printf(&b, "%s %s?%s\n", r->method_name, r->path, r->raw_query);
	buf_append(&b, r->body, r->body_n);
	http_respond(r, 200, headers, ARRAY_LEN(headers), &b);
}

static void whole(struct http_request *r, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_append(&b, &(char) { (char)('a' + i % 26) }, 1);
	http_respond(r, 200, NULL, 0, &b);
}

/* --- a WebSocket that says what it hears --- */

static void flood(void *ctx)
{
	static const char piece[PIECE];
	struct fixture *f = ctx;

	while (f->flood_left) {
		f->flood_left -= PIECE;
		if (!http_websocket_send(f->socket, piece, PIECE, false)) {
			bump(f, &f->socket_full);
			return;
		}
	}
}

static void on_message(void *ctx, const void *p, size_t n, bool is_text)
{
	struct fixture *f = ctx;

	bump(f, &f->heard);
	if (n == 3 && !memcmp(p, "bye", 3)) {
		http_websocket_close(f->socket, 4000, "as you say");
	} else if (n == 4 && !memcmp(p, "wait", 4)) {
		http_websocket_pause(f->socket, true);
		bump(f, &f->waits);
	} else if (n == 5 && !memcmp(p, "flood", 5)) {
		f->flood_left = FIXTURE_FLOOD;
		flood(f);
	} else {
		http_websocket_send(f->socket, p, n, is_text);
	}
}

static void on_socket_drain(void *ctx)
{
	struct fixture *f = ctx;

	bump(f, &f->socket_drained);
	flood(f);
}

static void on_closed(void *ctx, int code, const char *why)
{
	struct fixture *f = ctx;

	(void)why;
	f->close_code = code;
	f->socket = NULL;
	bump(f, &f->closed);
}

static void accept_socket(struct fixture *f, struct http_request *r)
{
	static const struct http_websocket_events events = { on_message, on_socket_drain, on_closed };
	static const struct http_pair headers[] = { { "x-id", "7" } };
	const char *protocol = http_websocket_offers(r, "binary") ? "binary" : NULL;

	switch (http_websocket_asked(r)) {
	case WEBSOCKET_FINE:
		f->socket = http_websocket_accept(
			r, protocol, headers, ARRAY_LEN(headers), &f->socket_limits, &events, f);
		assert_non_null(f->socket);
		break;
	case WEBSOCKET_VERSION:
		text(r, 426, "version");
		break;
	case WEBSOCKET_BAD:
		text(r, 400, "bad");
		break;
	case WEBSOCKET_NONE:
		text(r, 200, "none");
		break;
	}
}

static void go_on(struct fixture *f)
{
	http_websocket_pause(f->socket, false);
}

void fixture_go_on(struct fixture *f)
{
	fixture_call(f, go_on);
}

static void on_end(void *ctx, struct http_request *r)
{
	static const struct http_pair inject[] = { { "x-one", "a\r\nx-two: b" }, { "bad name", "c" } };
	struct fixture *f = ctx;

	if (is(r, "echo")) {
		echo(r);
	} else if (is(r, "fixed")) {
		whole(r, 1000);
	} else if (is(r, "big")) {
		whole(r, query_n(r, "n"));
	} else if (is(r, "hold")) {
		f->held = r;
		bump(f, &f->held_n);
	} else if (is(r, "watch")) {
		http_respond_start(r, 200, NULL, 0, -1);
		http_respond_write(r, "first", 5);
		f->held = r;
		bump(f, &f->held_n);
	} else if (is(r, "upload")) {
		char digits[24];

		snprintf(digits, sizeof digits, "%zu", f->bytes_in);
		text(r, 201, digits);
	} else if (is(r, "stream")) {
		size_t n = query_n(r, "n");

		r->data = ARENA_NEW(&r->arena, struct job);
		((struct job *)r->data)->left = n;
		http_respond_start(r, 200, NULL, 0, query_n(r, "length") ? (int64_t)n : -1);
		stream_on(f, r);
	} else if (is(r, "cut")) {
		http_respond_start(r, 200, NULL, 0, 100);
		http_respond_write(r, "0123456789", 10);
		http_respond_end(r, false);
	} else if (is(r, "inject")) {
		http_respond(r, 200, inject, ARRAY_LEN(inject), NULL);
	} else if (is(r, "socket")) {
		accept_socket(f, r);
	} else if (is(r, "empty")) {
		text(r, 204, "not to be seen");
	} else {
		text(r, 404, "no such path");
	}
}

static void on_abort(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	f->paused = NULL;
	text(r, 500, "goes nowhere");
	bump(f, &f->aborted);
}

static void on_dropped(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	assert_non_null(r->path);
	bump(f, &f->dropped);
}

static void on_drain(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	bump(f, &f->drained);
	stream_on(f, r);
}

static void on_left(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	if (f->held != r)
		return;
	f->held = NULL;
	http_respond_end(r, true);
	bump(f, &f->left);
}

static void more(struct fixture *f)
{
	http_respond_write(f->held, "more", 4);
}

void fixture_more(struct fixture *f)
{
	fixture_call(f, more);
}

static void on_call(uv_async_t *a)
{
	struct fixture *f = CONTAINER_OF(a, struct fixture, call);
	void (*fn)(struct fixture *);

	pthread_mutex_lock(&f->lock);
	fn = f->fn;
	f->fn = NULL;
	pthread_mutex_unlock(&f->lock);
	if (!fn)
		return;
	fn(f);
	pthread_mutex_lock(&f->lock);
	f->fn_done = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void fixture_call(struct fixture *f, void (*fn)(struct fixture *f))
{
	pthread_mutex_lock(&f->lock);
	f->fn = fn;
	f->fn_done = false;
	uv_async_send(&f->call);
	while (!f->fn_done)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void fixture_wait(struct fixture *f, const unsigned *what, unsigned n)
{
	pthread_mutex_lock(&f->lock);
	while (*what < n)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

static void release(struct fixture *f)
{
	struct http_request *r = f->held;

	f->held = NULL;
	text(r, 200, "held");
}

void fixture_release(struct fixture *f)
{
	fixture_call(f, release);
}

static void resume(struct fixture *f)
{
	struct http_request *r = f->paused;

	f->paused = NULL;
	http_body_resume(r);
}

void fixture_resume(struct fixture *f)
{
	fixture_call(f, resume);
}

static void count_open(struct fixture *f)
{
	struct http_stats stats;

	http_server_stats(f->server, &stats);
	f->result = (int)stats.open;
}

unsigned fixture_open(struct fixture *f)
{
	fixture_call(f, count_open);
	return (unsigned)f->result;
}

void fixture_make_cert(struct fixture *f, bool rsa)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	FILE *out;

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), (uint64_t)(uintptr_t)cert | 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	out = fopen(f->cert, "w");
	assert_true(out && PEM_write_X509(out, cert));
	fclose(out);
	out = fopen(f->key, "w");
	assert_true(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
	fclose(out);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void *loop_thread(void *arg)
{
	struct fixture *f = arg;

	uv_run(&f->loop, UV_RUN_DEFAULT);
	return NULL;
}

void fixture_start(struct fixture *f, const struct http_limits *limits)
{
	static struct http_handler handler = { .begin = on_begin,
		.data = on_data,
		.end = on_end,
		.abort = on_abort,
		.dropped = on_dropped,
		.drain = on_drain,
		.left = on_left };
	struct http_tls tls;

	*f = (struct fixture) { 0 };
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	str_copy(f->dir, sizeof f->dir, "/tmp/cloudd-http-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cert, sizeof f->cert, "%s/cert.pem", f->dir);
	snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);
	snprintf(f->path, sizeof f->path, "%s/socket", f->dir);
	fixture_make_cert(f, false);
	handler.ctx = f;
	tls = (struct http_tls) { f->cert, f->key };
	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->call, on_call);
	assert_int_equal(http_server_create(&f->loop, limits, &handler, &f->server, &f->err), 0);
	assert_int_equal(http_server_listen_tls(f->server, "127.0.0.1", 0, &tls, &f->err), 0);
	assert_int_equal(http_server_listen_unix(f->server, f->path, 0600, &f->err), 0);
	f->port = http_server_port(f->server);
	assert_int_equal(pthread_create(&f->thread, NULL, loop_thread, f), 0);
}

static void stop(struct fixture *f)
{
	if (!f->destroyed)
		http_server_destroy(f->server);
	uv_close((uv_handle_t *)&f->call, NULL);
}

void fixture_stop(struct fixture *f)
{
	fixture_call(f, stop);
	pthread_join(f->thread, NULL);
	if (f->held)
		release(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	unlink(f->cert);
	unlink(f->key);
	assert_int_not_equal(access(f->path, F_OK), 0); /* the server removed its socket */
	assert_int_equal(rmdir(f->dir), 0);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
}
