/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "http/conn.h"

enum { CORK_MAX = 4 * RECORD };

ssize_t io_recv(struct conn *c, void *p, size_t n)
{
	ssize_t got = -1;

	/* A short read has emptied the socket: saves the call that would only say so. */
	if (!c->readable) {
		errno = EAGAIN;
		return -1;
	}
	do
		got = recv(c->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (size_t)got < n)
		c->readable = got == 0; /* EOF stays readable */
	if (got > 0) {
		c->server->stats.bytes_in += (uint64_t)got;
		c->in_moved += (uint64_t)got;
	}
	return got;
}

static size_t socket_send(struct conn *c, const char *p, size_t n)
{
	size_t sent = 0;

	while (sent < n && !c->io_error) {
		ssize_t k = send(c->fd, p + sent, n - sent, MSG_NOSIGNAL);

		if (k > 0)
			sent += (size_t)k;
		else if (k < 0 && errno == EAGAIN)
			break;
		else if (k == 0 || errno != EINTR)
			c->io_error = true;
	}
	c->server->stats.bytes_out += sent;
	c->out_moved += sent;
	return sent;
}

ssize_t io_send(struct conn *c, const void *p, size_t n)
{
	size_t sent = 0;

	if (!conn_out_n(c) && !c->corked)
		sent = socket_send(c, p, n);
	if (sent < n && !c->io_error)
		buf_append(&c->out, (const char *)p + sent, n - sent);
	return (ssize_t)n;
}

void io_write(struct conn *c, const void *p, size_t n)
{
	if (!n || c->io_error)
		return;
	if (!c->ssl) {
		io_send(c, p, n);
		return;
	}
	ERR_clear_error();
	if (SSL_write(c->ssl, p, (int)n) != (int)n)
		c->io_error = true;
}

static void out_send(struct conn *c)
{
	if (!conn_out_n(c))
		return;
	c->out_at += socket_send(c, c->out.data + c->out_at, conn_out_n(c));
	if (conn_out_n(c)) {
		/* Keep the sent part from growing without end under a slow reader. */
		if (c->out_at > OUT_HIGH) {
			buf_consume(&c->out, c->out_at);
			c->out_at = 0;
		}
		return;
	}
	c->out.len = c->out_at = 0;
	if (c->out.cap > RECORD)
		buf_finish(&c->out);
}

void io_flush(struct conn *c)
{
	c->corked = false;
	out_send(c);
	while (conn_body_pending(c) && !conn_out_n(c) && !c->io_error) {
		size_t n = c->body.len - c->body_at;

		if (n > CORK_MAX)
			n = CORK_MAX;
		c->corked = c->ssl != NULL && n > RECORD;
		io_write(c, c->body.data + c->body_at, n);
		c->body_at += n;
		c->corked = false;
		out_send(c);
	}
	if (!conn_body_pending(c) && c->body.data) {
		buf_finish(&c->body);
		c->body_at = 0;
	}
}

bool io_buffered(const struct conn *c)
{
	return c->ssl && SSL_has_pending(c->ssl);
}

enum io_result io_read(struct conn *c, void *p, size_t n, size_t *out_n)
{
	int got;

	if (!c->ssl) {
		ssize_t k = io_recv(c, p, n);

		*out_n = k > 0 ? (size_t)k : 0;
		return k > 0 ? IO_OK : k < 0 && errno == EAGAIN ? IO_AGAIN : IO_EOF;
	}
	*out_n = 0;
	if (!c->readable && !io_buffered(c))
		return IO_AGAIN;
	ERR_clear_error();
	got = SSL_read(c->ssl, p, (int)n);
	*out_n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return IO_OK;
	switch (SSL_get_error(c->ssl, got)) {
	case SSL_ERROR_WANT_READ:
		return IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	default:
		/* Nothing more may be written through this TLS state, close-notify included. */
		SSL_set_quiet_shutdown(c->ssl, 1);
		return IO_EOF;
	}
}

void io_trim(struct conn *c)
{
	buf_finish(&c->head);
	if (!conn_in_n(c)) {
		buf_finish(&c->in);
		c->in_at = 0;
	}
	if (c->ssl)
		SSL_free_buffers(c->ssl);
	c->trimmed = true;
}

void io_goodbye(struct conn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl) && !c->io_error) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	out_send(c);
	shutdown(c->fd, SHUT_WR);
}
