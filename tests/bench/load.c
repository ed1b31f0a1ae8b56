/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

enum { READ_ROOM = 16384, REPLY_MAX = 8 << 20, EVENTS = 64, SILENCE_MS = 60000 };

void load_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	ERR_print_errors_fp(stderr);
	exit(1);
}

int64_t load_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t load_cpu_us(int pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		load_die("process %d is not there", pid);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

SSL_CTX *load_tls(const char *ca_file)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1)
		load_die("%s: no certificate of an authority", ca_file);
	return tls;
}

SSL *load_connect(SSL_CTX *tls, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	SSL *ssl;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		if (errno != ECONNREFUSED)
			load_die("port %d: %s", port, strerror(errno));
		close(fd);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	ssl = SSL_new(tls);
	SSL_set_fd(ssl, fd);
	SSL_set1_host(ssl, "localhost");
	if (SSL_connect(ssl) != 1)
		load_die("port %d: no TLS connection", port);
	return ssl;
}

void load_open(struct load *l, int port, const char *ca_file, unsigned connections)
{
	l->tls = load_tls(ca_file);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->conns = xcalloc(connections, sizeof *l->conns);
	l->conns_n = connections;
	for (unsigned i = 0; i < connections; i++) {
		struct load_conn *c = &l->conns[i];
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

		c->ssl = load_connect(l->tls, port);
		if (!c->ssl)
			load_die("nobody listens on port %d", port);
		c->fd = SSL_get_fd(c->ssl);
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
	}
}

void load_close(struct load *l)
{
	for (unsigned i = 0; i < l->conns_n; i++) {
		struct load_conn *c = &l->conns[i];

		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		close(c->fd);
		buf_finish(&c->out);
		buf_finish(&c->in);
	}
	free(l->conns);
	close(l->epoll);
	SSL_CTX_free(l->tls);
}

/* Requests are far smaller than a socket's buffer: what does not go out at once is an error. */
static bool send_next(struct load *l, struct load_conn *c)
{
	c->out.len = 0;
	if (!l->next(l->ctx, &c->out))
		return false;
	c->in.len = 0;
	c->busy = true;
	c->sent_us = load_now_us();
	if (SSL_write(c->ssl, c->out.data, (int)c->out.len) != (int)c->out.len)
		load_die("a request could not be written");
	return true;
}

/* Length of head and body when the reply is whole, else 0. */
static size_t reply_whole(struct buf *in, size_t *out_body_at)
{
	char *text = (char *)buf_text(in), *end = strstr(text, "\r\n\r\n"), *field;
	size_t body = 0;

	if (!end)
		return 0;
	*end = '\0';
	field = strcasestr(text, "\ncontent-length:");
	if (field)
		body = strtoul(field + 16, NULL, 10);
	*end = '\r';
	*out_body_at = (size_t)(end + 4 - text);
	return in->len >= *out_body_at + body ? *out_body_at + body : 0;
}

/* True when the reply is whole. */
static bool receive(struct load *l, struct load_conn *c)
{
	size_t body_at;
	int n;

	for (;;) {
		if (c->in.len > REPLY_MAX)
			load_die("a reply is too long");
		n = SSL_read(c->ssl, buf_reserve(&c->in, READ_ROOM), READ_ROOM);
		if (n <= 0)
			break;
		c->in.len += (size_t)n;
	}
	if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
		load_die("the server closed a connection");
	if (!c->busy || !reply_whole(&c->in, &body_at))
		return false;
	c->busy = false;
	l->reply(l->ctx, atoi(c->in.data + 9), c->in.data + body_at, c->in.len - body_at,
		load_now_us() - c->sent_us);
	return true;
}

void load_run(struct load *l, unsigned connections)
{
	struct epoll_event events[EVENTS];
	unsigned busy = 0;

	for (unsigned i = 0; i < connections && i < l->conns_n; i++)
		busy += send_next(l, &l->conns[i]);
	while (busy) {
		int n = epoll_wait(l->epoll, events, EVENTS, SILENCE_MS);

		if (n == 0)
			load_die("no answer for %d s", SILENCE_MS / 1000);
		for (int i = 0; i < n; i++) {
			struct load_conn *c = events[i].data.ptr;

			if (receive(l, c) && !send_next(l, c))
				busy--;
		}
	}
}
