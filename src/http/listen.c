/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: made here or taken over, and accepting as the limit on connections allows. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "http/conn.h"

enum { ACCEPTS_PER_RUN = 64, BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static void peer_text(const union address *a, char *out, size_t size)
{
	const void *p = NULL;
	int family = a->any.sa_family;

	if (family == AF_INET) {
		p = &a->v4.sin_addr;
	} else if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
		p = &a->v6.sin6_addr.s6_addr[12];
		family = AF_INET;
	} else if (family == AF_INET6) {
		p = &a->v6.sin6_addr;
	}
	if (!p || !inet_ntop(family, p, out, (socklen_t)size))
		str_copy(out, size, "unix");
}

static void accepted(struct listener *l, int fd, const union address *a)
{
	char peer[64];
	struct ucred cred = { .uid = UINT32_MAX };
	socklen_t n = sizeof cred;
	int one = 1;

	if (l->ctx) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n)) {
		close(fd);
		return;
	}
	peer_text(a, peer, sizeof peer);
	conn_accept(l, fd, peer, l->ctx ? UINT32_MAX : cred.uid);
}

/* Nothing but waiting helps: a connection that ends tries again, or the timer. */
static void wait_for_room(struct http_server *s)
{
	s->starved = true;
	listener_arm(s);
	server_timer_start(s);
}

static void on_connection(uv_poll_t *h, int status, int events)
{
	struct listener *l = CONTAINER_OF(h, struct listener, poll);
	struct http_server *s = l->server;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_RUN && l->armed; i++) {
		union address a = { 0 };
		socklen_t n = sizeof a;
		int fd;

		if (s->memory >= s->limits.connections && !evict_one(s)) {
			wait_for_room(s);
			return;
		}
		fd = accept4(l->fd, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accepted(l, fd, &a);
			listener_arm(s);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			s->stats.starved++;
			if (!evict_one(s))
				wait_for_room(s);
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

void listener_arm(struct http_server *s)
{
	bool want = !s->starved && !s->draining;

	for (struct listener *l = s->listeners; l; l = l->next) {
		if (!l->open || l->armed == want)
			continue;
		l->armed = want;
		if (want)
			uv_poll_start(&l->poll, UV_READABLE, on_connection);
		else
			uv_poll_stop(&l->poll);
	}
}

static void on_listener_closed(uv_handle_t *h)
{
	server_handle_closed(CONTAINER_OF(h, struct listener, poll)->server);
}

void listener_close_all(struct http_server *s)
{
	for (struct listener *l = s->listeners; l; l = l->next) {
		if (!l->open)
			continue;
		l->open = l->armed = false;
		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
		close(l->fd);
		if (l->path)
			unlink(l->path);
	}
}

static int socket_port(int fd)
{
	union address a = { 0 };
	socklen_t n = sizeof a;

	if (getsockname(fd, &a.any, &n))
		return 0;
	if (a.any.sa_family == AF_INET)
		return ntohs(a.v4.sin_port);
	return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

static void listener_free(struct listener *l)
{
	SSL_CTX_free(l->ctx);
	free(l->cert_file);
	free(l->key_file);
	free(l->path);
	free(l);
}

/* Takes fd in any case. */
static int listener_add(
	struct http_server *s, int fd, const struct http_tls *tls, const char *path, struct error *err)
{
	struct listener *l = xcalloc(1, sizeof *l), **end = &s->listeners;

	l->server = s;
	l->fd = fd;
	if (tls) {
		l->cert_file = xstrdup(tls->cert_file);
		l->key_file = xstrdup(tls->key_file);
		l->ctx = tls_context(tls->cert_file, tls->key_file, err);
		l->port = socket_port(fd);
	}
	if (tls && !l->ctx)
		goto fail;
	if (uv_poll_init(s->loop, &l->poll, fd)) {
		error_set(err, ERR_INTERNAL, "cannot watch the listening socket");
		goto fail;
	}
	l->path = path ? xstrdup(path) : NULL;
	l->open = true;
	s->handles++;
	while (*end)
		end = &(*end)->next;
	*end = l;
	listener_arm(s);
	return 0;
fail:
	close(fd);
	listener_free(l);
	return -1;
}

void listener_free_all(struct http_server *s)
{
	struct listener *next;

	for (struct listener *l = s->listeners; l; l = next) {
		next = l->next;
		listener_free(l);
	}
	s->listeners = NULL;
}

static int failed(struct error *err, const char *what, const char *address, int fd)
{
	error_set(err, ERR_BAD_REQUEST, "cannot %s %s: %s", what, address, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int http_server_listen_tls(
	struct http_server *s, const char *address, int port, const struct http_tls *tls, struct error *err)
{
	union address a = { 0 };
	socklen_t n = sizeof a.v4;
	int fd, one = 1;

	if (inet_pton(AF_INET, address, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, address, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons((uint16_t)port);
		n = sizeof a.v6;
	} else {
		return error_set(err, ERR_BAD_REQUEST, "not an IP address to listen on: %s", address);
	}
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(err, "make a socket for", address, fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, &a.any, n) || listen(fd, BACKLOG)) {
		char text[80];

		snprintf(text, sizeof text, "%.60s port %d", address, port);
		return failed(err, "listen on", text, fd);
	}
	return listener_add(s, fd, tls, NULL, err);
}

/* A socket file that nobody listens on any more is in the way of a restart. */
static void stale_socket_remove(const struct sockaddr_un *a)
{
	struct stat st;
	int fd;

	if (lstat(a->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)a, sizeof *a) && errno == ECONNREFUSED)
		unlink(a->sun_path);
	close(fd);
}

int http_server_listen_unix(struct http_server *s, const char *path, unsigned mode, struct error *err)
{
	union address a = { .un = { .sun_family = AF_UNIX } };
	int fd;

	if (!str_copy(a.un.sun_path, sizeof a.un.sun_path, path))
		return error_set(err, ERR_BAD_REQUEST, "socket path is too long: %s", path);
	stale_socket_remove(&a.un);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(err, "make a socket for", path, fd);
	/* The file is born with the mode of the descriptor, so that it is never open to more than it should
	 * be. */
	if (fchmod(fd, (mode_t)mode) || bind(fd, &a.any, sizeof a.un) || chmod(path, (mode_t)mode) ||
		listen(fd, BACKLOG))
		return failed(err, "listen on", path, fd);
	return listener_add(s, fd, NULL, path, err);
}

int http_server_listen_fd(struct http_server *s, int fd, const struct http_tls *tls, struct error *err)
{
	int family = 0, listening = 0, flags = fcntl(fd, F_GETFL);
	socklen_t n = sizeof family;

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n) ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) || !listening)
		return error_set(err, ERR_BAD_REQUEST, "descriptor %d is not a listening socket", fd);
	if ((family == AF_UNIX) != (tls == NULL))
		return error_set(err, ERR_BAD_REQUEST,
			"descriptor %d: TLS is for IP sockets, and IP sockets for TLS", fd);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return listener_add(s, fd, tls, NULL, err);
}

int http_server_port(const struct http_server *s)
{
	for (const struct listener *l = s->listeners; l; l = l->next)
		if (l->ctx)
			return l->port;
	return 0;
}

int http_server_reload_tls(struct http_server *s, struct error *err)
{
	bool ok = true;

	for (struct listener *l = s->listeners; l && ok; l = l->next) {
		l->fresh = l->ctx ? tls_context(l->cert_file, l->key_file, err) : NULL;
		ok = l->fresh || !l->ctx;
	}
	/* All or none. Live connections hold on to their own. */
	for (struct listener *l = s->listeners; l; l = l->next) {
		if (ok && l->fresh) {
			SSL_CTX_free(l->ctx);
			l->ctx = l->fresh;
		} else {
			SSL_CTX_free(l->fresh);
		}
		l->fresh = NULL;
	}
	return ok ? 0 : -1;
}
