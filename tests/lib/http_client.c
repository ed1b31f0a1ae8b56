/* SPDX-License-Identifier: Apache-2.0 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/util.h"

static bool connect_to(struct client *c, const struct sockaddr *a, socklen_t n)
{
	struct timeval patience = { .tv_sec = 20 };

	*c = (struct client) { 0 };
	signal(SIGPIPE, SIG_IGN);
	c->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (!connect(c->fd, a, n))
		return true;
	client_close(c);
	return false;
}

bool client_open_plain(struct client *c, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!connect_to(c, (struct sockaddr *)&a, sizeof a))
		return false;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return true;
}

bool client_open_unix(struct client *c, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	str_copy(a.sun_path, sizeof a.sun_path, path);
	return connect_to(c, (struct sockaddr *)&a, sizeof a);
}

bool client_open_tls(struct client *c, int port, int max_version)
{
	if (!client_open_plain(c, port))
		return false;
	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(c->ctx, 0);
	SSL_CTX_set_min_proto_version(c->ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(c->ctx, max_version);
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_alpn_protos(c->ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	if (SSL_connect(c->ssl) == 1)
		return true;
	ERR_clear_error();
	client_close(c);
	return false;
}

void client_close(struct client *c)
{
	if (c->ssl)
		SSL_shutdown(c->ssl);
	ERR_clear_error();
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	if (c->fd >= 0)
		close(c->fd);
	buf_finish(&c->in);
	*c = (struct client) { .fd = -1 };
}

void client_reset(struct client *c)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(c->fd);
	c->fd = -1;
	if (c->ssl)
		SSL_set_quiet_shutdown(c->ssl, 1);
	client_close(c);
}

bool client_send(struct client *c, const void *p, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t k = c->ssl ? SSL_write(c->ssl, (const char *)p + sent, (int)(n - sent))
				   : send(c->fd, (const char *)p + sent, n - sent, MSG_NOSIGNAL);

		if (k <= 0) {
			ERR_clear_error();
			return false;
		}
		sent += (size_t)k;
	}
	return true;
}

bool client_puts(struct client *c, const char *text)
{
	return client_send(c, text, strlen(text));
}

bool client_fill(struct client *c)
{
	char *p = buf_reserve(&c->in, 65536);
	ssize_t n = c->ssl ? SSL_read(c->ssl, p, 65536) : recv(c->fd, p, 65536, 0);

	if (n > 0) {
		c->in.len += (size_t)n;
		return true;
	}
	c->clean_end = c->ssl ? SSL_get_error(c->ssl, (int)n) == SSL_ERROR_ZERO_RETURN : n == 0;
	ERR_clear_error();
	return false;
}

size_t client_drain(struct client *c)
{
	size_t n = c->in.len;

	c->in.len = 0;
	while (client_fill(c)) {
		n += c->in.len;
		c->in.len = 0;
	}
	return n;
}

/* Moves bytes from the connection; false at its end. */
static bool take(struct client *c, struct buf *to, size_t n)
{
	while (n) {
		size_t k = c->in.len < n ? c->in.len : n;

		if (k) {
			buf_append(to, c->in.data, k);
			buf_consume(&c->in, k);
		}
		n -= k;
		if (n && !client_fill(c))
			return false;
	}
	return true;
}

static bool take_line(struct client *c, struct buf *to)
{
	do
		if (!take(c, to, 1))
			return false;
	while (to->data[to->len - 1] != '\n');
	return true;
}

static bool take_chunks(struct client *c, struct buf *body)
{
	for (;;) {
		struct buf line = { 0 };
		size_t n;

		if (!take_line(c, &line)) {
			buf_finish(&line);
			return false;
		}
		n = strtoul(buf_text(&line), NULL, 16);
		line.len = 0;
		if (!take(c, n ? body : &line, n) || !take(c, &line, 2)) {
			buf_finish(&line);
			return false;
		}
		buf_finish(&line);
		if (!n)
			return true;
	}
}

bool client_read(struct client *c, struct client_response *r, bool head_request)
{
	char *length, *encoding;

	client_response_finish(r);
	for (;;) {
		size_t before = r->head.len;

		if (!take_line(c, &r->head))
			return false;
		if (r->head.len - before == 2)
			break;
	}
	r->status = atoi(buf_text(&r->head) + strlen("HTTP/1.1 "));
	length = client_header(r, "Content-Length");
	encoding = client_header(r, "Transfer-Encoding");
	if (head_request || r->status < 200 || r->status == 204 || r->status == 304) {
		r->complete = true;
	} else if (encoding) {
		r->complete = take_chunks(c, &r->body);
	} else if (length) {
		r->complete = take(c, &r->body, strtoul(length, NULL, 10));
	} else {
		while (take(c, &r->body, 1))
			;
		r->complete = c->clean_end;
	}
	free(length);
	free(encoding);
	return true;
}

char *client_header(const struct client_response *r, const char *name)
{
	size_t n = strlen(name);
	const char *p = r->head.data, *end = p + r->head.len;

	while (p < end) {
		const char *next = memchr(p, '\n', (size_t)(end - p));

		if (!next)
			break;
		if ((size_t)(next - p) > n + 2 && !strncasecmp(p, name, n) && p[n] == ':')
			return strndup(p + n + 2, (size_t)(next - p) - n - 3);
		p = next + 1;
	}
	return NULL;
}

void client_response_finish(struct client_response *r)
{
	buf_finish(&r->head);
	buf_finish(&r->body);
	r->status = 0;
	r->complete = false;
}

void client_peer_cert(struct client *c, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	X509 *cert = SSL_get1_peer_certificate(c->ssl);

	X509_digest(cert, EVP_sha256(), digest, NULL);
	X509_free(cert);
	hex_encode(digest, 32, out);
}
