/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "sched.h"

enum { REPLY_WAIT_MS = 300000 };

char client_socket[64];

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool client_connect(struct client *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(client_socket);

	if (c->fd >= 0)
		return true;
	memcpy(a.sun_path + 1, client_socket, n);
	/* not the daemon's: there is always one more */
	c->fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && connect(c->fd, (struct sockaddr *)&a,
				  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) == 0)
		return true;
	client_close(c);
	return false;
}

static bool client_send(struct client *c, const char *p, size_t n, bool slow)
{
	while (n) {
		size_t part = slow && n > 40 ? 1 + dice((uint32_t)(n / 2)) : n;
		ssize_t sent = send(c->fd, p, part, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			if (!sched_writable(c->fd, REPLY_WAIT_MS))
				return false;
			continue;
		}
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
		if (slow && n)
			sched_sleep_ms(1 + dice(200));
	}
	return true;
}

static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = strstr(head, "\r\n"); p; p = strstr(p + 2, "\r\n"))
		if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
			return p + 2 + n + 1 + strspn(p + 2 + n + 1, " ");
	return NULL;
}

/* The end of the chunked body that begins at p, or NULL when it is not all there; moves it together. */
static bool unchunk(char *p, size_t n, size_t *out)
{
	size_t at = 0, len = 0;

	for (;;) {
		char *end = memchr(p + at, '\n', n - at);
		size_t size;

		if (!end)
			return false;
		size = strtoul(p + at, NULL, 16);
		at = (size_t)(end - p) + 1;
		if (at + size + 2 > n)
			return false;
		memmove(p + len, p + at, size);
		len += size;
		at += size + 2;
		if (!size)
			break;
	}
	*out = len;
	return true;
}

/* 1 a whole reply, 0 more has to come. */
static int parse(char *p, size_t n, bool eof, bool head_only, struct reply *r, bool *out_close)
{
	char *body = memmem(p, n, "\r\n\r\n", 4);
	const char *h;
	size_t len;

	if (!body || sscanf(p, "HTTP/1.%*d %d", &r->status) != 1)
		return 0;
	*body = '\0';
	len = n - (size_t)(body + 4 - p);
	h = header(p, "content-length");
	if (h && strtoul(h, NULL, 10) > len && !head_only) {
		*body = '\r';
		return 0;
	}
	if (!h && header(p, "transfer-encoding") && !unchunk(body + 4, len, &len)) {
		*body = '\r';
		return 0;
	}
	(void)eof;
	if ((h = header(p, "x-subject-token")))
		snprintf(r->token, sizeof r->token, "%.*s", (int)strcspn(h, "\r\n"), h);
	*out_close = (h = header(p, "connection")) && strncasecmp(h, "close", 5) == 0;
	r->json = len && !head_only ? json_loadb(body + 4, len, JSON_DECODE_ANY, NULL) : NULL;
	return 1;
}

static void receive(struct client *c, struct reply *r, bool slow)
{
	char *buf = malloc(REPLY_MAX + 1);
	size_t n = 0;
	bool close_it = false;

	for (;;) {
		ssize_t got = recv(c->fd, buf + n, slow ? 1 + dice(400) : REPLY_MAX - n, 0);

		if (got < 0 && errno == EAGAIN) {
			if (sched_readable(c->fd, REPLY_WAIT_MS))
				continue;
			problem("a request was not answered within %d s", REPLY_WAIT_MS / 1000);
			got = 0;
		}
		if (got > 0)
			n += (size_t)got;
		buf[n] = '\0';
		r->status = 0;
		if (got >= 0 && n && parse(buf, n, got == 0, false, r, &close_it)) {
			if (close_it)
				client_close(c);
			break;
		}
		if (got <= 0 || n == REPLY_MAX) {
			r->status = 0;
			client_close(c);
			break;
		}
		if (slow)
			sched_sleep_ms(1 + dice(100));
	}
	free(buf);
}

static void ask(
	struct client *c, const char *head, size_t head_n, const void *body, size_t n, struct reply *r)
{
	bool slow = !c->calm && chance(run->profile.request_slow);
	bool drop = !c->calm && chance(run->profile.request_drop);
	char peek;

	if (c->fd >= 0 && recv(c->fd, &peek, 1, MSG_PEEK) == 0)
		client_close(c); /* it was idle for too long */
	memset(r, 0, sizeof *r);
	if (!client_connect(c)) {
		r->status = -1;
		return;
	}
	if (slow)
		fault_count(FAULT_CLIENT_SLOW);
	if (drop && chance(500)) { /* in the middle of the request */
		client_send(c, head, dice((uint32_t)head_n), slow);
		fault_count(FAULT_CLIENT_DROPPED);
		client_close(c);
		return;
	}
	if (!client_send(c, head, head_n, slow) || !client_send(c, body, n, slow)) {
		client_close(c);
		return;
	}
	if (drop) { /* without waiting for the answer */
		sched_sleep_ms(dice(50));
		fault_count(FAULT_CLIENT_DROPPED);
		client_close(c);
		return;
	}
	receive(c, r, slow);
}

static size_t head_of(const struct client *c, char *out, size_t size, const char *method, const char *path,
	const char *type, size_t n, const char *version, const char *key)
{
	int at = snprintf(
		out, size, "%s %s HTTP/1.1\r\nHost: cloud\r\nAccept: application/json\r\n", method, path);

	if (c->token)
		at += snprintf(out + at, size - (size_t)at, "X-Auth-Token: %s\r\n", c->token);
	if (version)
		at += snprintf(out + at, size - (size_t)at, "OpenStack-API-Version: compute %s\r\n", version);
	if (key)
		at += snprintf(out + at, size - (size_t)at, "Idempotency-Key: %s\r\n", key);
	if (type)
		at += snprintf(
			out + at, size - (size_t)at, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, n);
	at += snprintf(out + at, size - (size_t)at, "\r\n");
	return (size_t)at;
}

void client_ask(struct client *c, const char *method, const char *path, const char *body, const char *version,
	const char *key, struct reply *r)
{
	char head[2048];
	size_t n = body ? strlen(body) : 0;
	size_t head_n = head_of(c, head, sizeof head, method, path,
		body                    ? "application/json"
		: strcmp(method, "GET") ? "application/json"
					: NULL,
		n, version, key);

	ask(c, head, head_n, body, n, r);
	run->totals.requests++;
	event("%s %s %.60s -> %d", method, path, body ? body : "", r->status);
}

void client_put(struct client *c, const char *path, const void *p, size_t n, struct reply *r)
{
	char head[2048];
	size_t head_n = head_of(c, head, sizeof head, "PUT", path, "application/octet-stream", n, NULL, NULL);

	ask(c, head, head_n, p, n, r);
	event("PUT %s (%zu bytes) -> %d", path, n, r->status);
}
