/* SPDX-License-Identifier: Apache-2.0 */
/* virConnectOpen has no deadline: what does not listen is found out here first, by a connect that has one. */
#include "hv/libvirt/address.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

static bool uri_is_tls(const char *uri)
{
	const char *sep = strstr(uri, "://");

	return sep && sep - uri > 4 && strncmp(sep - 4, "+tls", 4) == 0;
}

static void put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/", *s))
			buf_append(b, s, 1);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
}

char *address_uri(const struct hv_target *target, struct error *err)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *query = strchr(target->uri, '?');

	buf_puts(&b, target->uri);
	if (uri_is_tls(target->uri) && !(query && strstr(query, "pkipath="))) {
		if (!target->pki_dir || !*target->pki_dir) {
			error_set(err, ERR_BAD_REQUEST,
				"a TLS host needs pki_dir with cacert.pem, clientcert.pem, "
				"clientkey.pem");
			return NULL;
		}
		buf_puts(&b, query ? "&pkipath=" : "?pkipath=");
		put_escaped(&b, target->pki_dir);
	}
	return xstrdup(buf_text(&b));
}

int address_host(const char *uri, char *host, size_t host_size, char port[8], struct error *err)
{
	const char *start = strstr(uri, "://") + 3;
	size_t n = strcspn(start, "/?#");
	const char *end = start + n, *colon;
	bool bracket = *start == '[';
	int64_t number;

	if (bracket) {
		const char *close = memchr(start, ']', n);

		if (!close)
			return error_set(err, ERR_BAD_REQUEST, "the host's URI has '[' without ']'");
		start++;
		n = (size_t)(close - start);
		colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
	} else {
		colon = memchr(start, ':', n);
		n = colon ? (size_t)(colon - start) : n;
	}
	if (!n || n >= host_size || memchr(start, '@', n))
		return error_set(err, ERR_BAD_REQUEST, "the host's URI needs a host name without user");
	snprintf(port, 8, "16514");
	if (colon) {
		if (end - colon > 6)
			return error_set(err, ERR_BAD_REQUEST, "the port in the host's URI is not valid");
		snprintf(port, 8, "%.*s", (int)(end - colon - 1), colon + 1);
		if (!str_int64(port, 1, 65535, &number))
			return error_set(err, ERR_BAD_REQUEST, "the port in the host's URI is not valid");
	}
	memcpy(host, start, n);
	host[n] = '\0';
	return 0;
}

/* 0, or an errno. */
static int try_connect(const struct addrinfo *ai, int64_t deadline_us)
{
	CLEANUP(close_fd) int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int64_t left_us;
	int rc, code = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	do {
		left_us = deadline_us - clock_mono(&clock_system);
		rc = left_us > 0 ? poll(&p, 1, (int)(left_us / 1000 + 1)) : 0;
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return ETIMEDOUT;
	if (rc < 0)
		return errno;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len);
	return code;
}

int address_probe(const char *uri, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = clock_mono(&clock_system) + (int64_t)timeout_ms * 1000;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char host[256], port[8];
	int rc, code = EADDRNOTAVAIL;

	if (!uri_is_tls(uri))
		return 0;
	if (address_host(uri, host, sizeof host, port, err) < 0)
		return -1;
	if ((rc = getaddrinfo(host, port, &hints, &list)) != 0) {
		error_set(err, ERR_UNREACHABLE, "the host's name does not resolve");
		return error_detail(err, "%s: %s", host, gai_strerror(rc));
	}
	for (struct addrinfo *ai = list; ai && code; ai = ai->ai_next)
		code = try_connect(ai, deadline_us);
	freeaddrinfo(list);
	if (!code)
		return 0;
	error_set(err, ERR_UNREACHABLE, "the host cannot be reached");
	return error_detail(err, "%s port %s: %s", host, port, strerror(code));
}
