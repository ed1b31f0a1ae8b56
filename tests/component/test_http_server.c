/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: TLS versions and certificates, taking sockets over, draining, ending, complaints. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "http_fixture.h"

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	fixture_start(&f, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_stop(&f);
	return 0;
}

static void expect_echo(struct client *c)
{
	struct client_response r = { 0 };

	assert_true(client_puts(c, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_read(c, &r, false));
	assert_string_equal(buf_text(&r.body), "GET /echo?\n");
	client_response_finish(&r);
}

static void test_tls_versions(void **state)
{
	static const int served[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const int refused[] = { TLS1_VERSION, TLS1_1_VERSION };
	struct client c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(served); i++) {
		const unsigned char *alpn = NULL;
		unsigned n = 0;

		assert_true(client_open_tls(&c, f.port, served[i]));
		assert_int_equal(SSL_version(c.ssl), served[i]);
		SSL_get0_alpn_selected(c.ssl, &alpn, &n);
		assert_int_equal(n, 8);
		assert_memory_equal(alpn, "http/1.1", 8);
		expect_echo(&c);
		client_close(&c);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_false(client_open_tls(&c, f.port, refused[i]));
}

static void test_plain_http_on_the_tls_port(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_plain(&c, f.port));
	assert_true(client_puts(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
	client_drain(&c);
	assert_true(c.clean_end);
	client_close(&c);
	assert_int_equal(f.begun, 0);
	assert_true(client_open_tls(&c, f.port, 0));
	expect_echo(&c);
	client_close(&c);
}

static void reload(struct fixture *x)
{
	x->result = http_server_reload_tls(x->server, &x->err);
}

static void test_reload_keeps_connections(void **state)
{
	struct client old, new;
	char before[65], after[65];
	FILE *broken;

	(void)state;
	assert_true(client_open_tls(&old, f.port, 0));
	client_peer_cert(&old, before);
	for (int i = 0; i < 2; i++) {
		fixture_make_cert(&f, i == 0); /* RSA, then ECDSA */
		fixture_call(&f, reload);
		assert_int_equal(f.result, 0);
		expect_echo(&old);
		assert_true(client_open_tls(&new, f.port, 0));
		client_peer_cert(&new, after);
		assert_string_not_equal(before, after);
		expect_echo(&new);
		client_close(&new);
	}
	/* A broken file changes nothing. */
	broken = fopen(f.cert, "w");
	fputs("nonsense\n", broken);
	fclose(broken);
	fixture_call(&f, reload);
	assert_int_equal(f.result, -1);
	assert_non_null(strstr(f.err.msg, f.cert));
	assert_true(client_open_tls(&new, f.port, 0));
	client_peer_cert(&new, before);
	assert_string_equal(before, after);
	expect_echo(&new);
	expect_echo(&old);
	client_close(&new);
	client_close(&old);
}

static void test_key_that_does_not_fit(void **state)
{
	char *key;

	(void)state;
	key = xasprintf("%s", f.key);
	snprintf(f.key, sizeof f.key, "%s/other.pem", f.dir);
	fixture_make_cert(&f, false);
	unlink(f.key);
	str_copy(f.key, sizeof f.key, key);
	free(key);
	fixture_call(&f, reload);
	assert_int_equal(f.result, -1);
	assert_non_null(strstr(f.err.msg, f.key));
}

static void drained(void *ctx)
{
	struct fixture *x = ctx;

	pthread_mutex_lock(&x->lock);
	x->finished++;
	pthread_cond_broadcast(&x->changed);
	pthread_mutex_unlock(&x->lock);
}

static void drain(struct fixture *x)
{
	http_server_drain(x->server, drained, x);
}

static void test_drain(void **state)
{
	struct client idle, busy, plain, late;
	struct client_response r = { 0 };
	char *connection;

	(void)state;
	assert_true(client_open_tls(&idle, f.port, 0));
	expect_echo(&idle);
	assert_true(client_open_plain(&plain, f.port)); /* never says anything */
	assert_true(client_open_tls(&busy, f.port, 0));
	assert_true(client_puts(
		&busy, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
	fixture_wait(&f, &f.held_n, 1);
	fixture_call(&f, drain);
	assert_int_equal(client_drain(&idle), 0);
	assert_true(idle.clean_end);
	client_close(&idle);
	assert_false(client_open_tls(&late, f.port, 0));
	assert_int_equal(f.finished, 0);
	/* The one in work is answered, the one behind it is not begun. */
	fixture_release(&f);
	assert_true(client_read(&busy, &r, false));
	assert_string_equal(buf_text(&r.body), "held");
	connection = client_header(&r, "Connection");
	assert_string_equal(connection, "close");
	free(connection);
	assert_int_equal(client_drain(&busy), 0);
	client_close(&busy);
	fixture_wait(&f, &f.finished, 1);
	assert_int_equal(client_drain(&plain), 0);
	client_close(&plain);
	assert_int_equal(fixture_open(&f), 0);
	assert_int_equal(f.begun, 2);
	client_response_finish(&r);
}

static void test_drain_of_nothing(void **state)
{
	(void)state;
	fixture_call(&f, drain);
	fixture_wait(&f, &f.finished, 1);
}

/* Destroyed with everything in flight: an upload, a held request, a stream, a handshake. */
static void test_destroy_in_the_middle(void **state)
{
	struct client upload, held, stream, plain;

	(void)state;
	assert_true(client_open_tls(&upload, f.port, 0));
	assert_true(client_puts(&upload, "PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"));
	fixture_wait(&f, &f.held_n, 1);
	assert_true(client_open_tls(&held, f.port, 0));
	assert_true(client_puts(&held, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
	fixture_wait(&f, &f.held_n, 2);
	assert_true(client_open_tls(&stream, f.port, 0));
	assert_true(client_puts(&stream, "GET /stream?n=100000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
	assert_true(client_fill(&stream));
	assert_true(client_open_plain(&plain, f.port));
	fixture_stop(&f); /* releases the held request after the loop has ended */
	assert_int_equal(f.aborted, 1);
	assert_int_equal(f.finished, 1);
	client_close(&upload);
	client_close(&held);
	client_close(&stream);
	client_close(&plain);
	fixture_start(&f, NULL);
}

static int listening(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static void take_over(struct fixture *x)
{
	const struct http_tls tls = { x->cert, x->key };

	x->result = http_server_listen_fd(x->server, x->result, &tls, &x->err);
}

static void test_socket_taken_over(void **state)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	struct client c;

	(void)state;
	f.result = listening();
	assert_int_equal(getsockname(f.result, (struct sockaddr *)&a, &n), 0);
	fixture_call(&f, take_over);
	assert_int_equal(f.result, 0);
	assert_true(client_open_tls(&c, ntohs(a.sin_port), 0));
	expect_echo(&c);
	client_close(&c);
	f.result = 0;
	fixture_call(&f, take_over); /* standard input is no such socket */
	assert_int_equal(f.result, -1);
	assert_string_equal(f.err.msg, "descriptor 0 is not a listening socket");
}

static void listen_twice(struct fixture *x)
{
	const struct http_tls tls = { x->cert, x->key }, missing = { "/nonexistent/cert.pem", x->key };

	assert_int_equal(http_server_listen_tls(x->server, "127.0.0.1", x->port, &tls, &x->err), -1);
	assert_non_null(strstr(x->err.msg, "127.0.0.1 port"));
	assert_int_equal(http_server_listen_tls(x->server, "localhost", 0, &tls, &x->err), -1);
	assert_non_null(strstr(x->err.msg, "localhost"));
	assert_int_equal(http_server_listen_tls(x->server, "127.0.0.1", 0, &missing, &x->err), -1);
	assert_non_null(strstr(x->err.msg, "/nonexistent/cert.pem"));
	assert_int_equal(http_server_listen_unix(x->server, x->path, 0600, &x->err), -1);
	assert_non_null(strstr(x->err.msg, x->path));
	x->result = http_server_listen_tls(x->server, "::1", 0, &tls, &x->err);
}

static void test_listen_errors_name_the_place(void **state)
{
	(void)state;
	fixture_call(&f, listen_twice);
}

static void listen_stale(struct fixture *x)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* as a process leaves it that was killed */
	snprintf(a.sun_path, sizeof a.sun_path, "%s/stale", x->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	x->result = http_server_listen_unix(x->server, a.sun_path, 0660, &x->err);
}

static void test_unix_socket_mode_and_stale_file(void **state)
{
	struct stat st;
	struct client c;
	char path[96];

	(void)state;
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fixture_call(&f, listen_stale);
	assert_int_equal(f.result, 0);
	snprintf(path, sizeof path, "%s/stale", f.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_true(client_open_unix(&c, path));
	expect_echo(&c);
	client_close(&c);
}

static void check_stats(struct fixture *x)
{
	struct http_stats s;

	http_server_stats(x->server, &s);
	assert_int_equal(s.accepted, 1);
	assert_int_equal(s.open, 1);
	assert_int_equal(s.requests, 2);
	assert_int_equal(s.responses_by_class[2], 2);
	assert_int_equal(s.responses_by_class[4], 0);
	assert_true(s.bytes_in > 0 && s.bytes_out > 0);
}

static void test_stats(void **state)
{
	struct client c;

	(void)state;
	assert_true(client_open_unix(&c, f.path));
	expect_echo(&c);
	expect_echo(&c);
	fixture_call(&f, check_stats);
	client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tls_versions),
		TEST(test_plain_http_on_the_tls_port),
		TEST(test_reload_keeps_connections),
		TEST(test_key_that_does_not_fit),
		TEST(test_drain),
		TEST(test_drain_of_nothing),
		TEST(test_destroy_in_the_middle),
		TEST(test_socket_taken_over),
		TEST(test_listen_errors_name_the_place),
		TEST(test_unix_socket_mode_and_stale_file),
		TEST(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
