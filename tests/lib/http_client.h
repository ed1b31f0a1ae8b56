/* SPDX-License-Identifier: Apache-2.0 */
/* A small blocking HTTP client for tests, which sends just the bytes that it is told to. A call that waits
 * for more than 20 seconds fails the test by reporting the end of the connection. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL: no TLS */
	struct buf in;
	bool clean_end; /* the end came with close-notify (or FIN, without TLS) */
};

struct client_response {
	int status;
	struct buf head, body; /* head: status line and header fields as text */
	bool complete;         /* all of the body came */
};

/* TLS to 127.0.0.1. max_version 0: any. False: no connection. */
bool client_open_tls(struct client *c, int port, int max_version);
bool client_open_plain(struct client *c, int port);
bool client_open_unix(struct client *c, const char *path);
void client_close(struct client *c);
/* As a peer that vanishes: RST, no close-notify. */
void client_reset(struct client *c);
bool client_send(struct client *c, const void *p, size_t n);
bool client_puts(struct client *c, const char *text);
/* Reads some bytes into c->in; false at the end. */
bool client_fill(struct client *c);
/* Reads one response; false when the connection ended before its head was in. */
bool client_read(struct client *c, struct client_response *r, bool head_request);
/* The value of a header field as a new string, or NULL. */
char *client_header(const struct client_response *r, const char *name);
/* Reads until the end of the connection; how many bytes came. */
size_t client_drain(struct client *c);
void client_response_finish(struct client_response *r);
/* SHA-256 of the server's certificate as hex; out has 65 bytes. */
void client_peer_cert(struct client *c, char *out);

#endif
