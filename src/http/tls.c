/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL over a BIO of our own: it reads from the socket into OpenSSL's buffer, sends from it
 * directly, and queues what the socket does not take, so that a write never has to be repeated. */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "http/conn.h"

#include <errno.h>

static int bio_write(BIO *b, const char *p, int n)
{
	return (int)io_send(BIO_get_data(b), p, (size_t)n);
}

static int bio_read(BIO *b, char *p, int n)
{
	ssize_t got;

	BIO_clear_retry_flags(b);
	got = io_recv(BIO_get_data(b), p, (size_t)n);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(b);
	return (int)got;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *tls_bio_create(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "http connection");

	if (!m)
		return NULL;
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO_meth_set_create(m, bio_create);
	return m;
}

static int openssl_failed(struct error *err, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
	ERR_clear_error();
	return error_set(err, ERR_BAD_REQUEST, "%s %s: %s", what, file, text);
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
	unsigned in_n, void *ctx)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, ours, sizeof ours - 1, in, in_n) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

static void context_tune(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	/* Tickets resume; the server keeps nothing per session. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
}

SSL_CTX *tls_context(const char *cert_file, const char *key_file, struct error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (!ctx) {
		openssl_failed(err, "TLS", "context");
		return NULL;
	}
	context_tune(ctx);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		openssl_failed(err, "certificate", cert_file);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		openssl_failed(err, "key", key_file);
	else if (SSL_CTX_check_private_key(ctx) != 1)
		openssl_failed(err, "key does not fit the certificate:", key_file);
	else
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

SSL *tls_accept(SSL_CTX *ctx, struct conn *c)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = ssl ? BIO_new(c->server->bio) : NULL;

	if (!bio) {
		SSL_free(ssl);
		return NULL;
	}
	BIO_set_data(bio, c);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return ssl;
}

int tls_handshake(struct conn *c)
{
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(c->ssl);
	if (n == 1)
		return 1;
	return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
}
