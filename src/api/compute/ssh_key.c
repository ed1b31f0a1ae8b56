/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/ssh_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/util.h"

static const char *const types[] = { "ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
	"ssh-dss" };

enum { BLOB_MAX = 8192 };

/* The blob starts with its type as a string of 32-bit length (RFC 4253 section 6.6), and a key follows. */
static bool blob_is(const unsigned char *blob, size_t n, const char *type, size_t type_n)
{
	size_t len;

	if (n < 4)
		return false;
	len = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3];
	return len == type_n && n > 4 + len + 4 && memcmp(blob + 4, type, type_n) == 0;
}

int ssh_key_fingerprint(const char *key, char out[SSH_FINGERPRINT], struct error *err)
{
	CLEANUP(free_ptr) void *blob = NULL;
	size_t type_n = strcspn(key, " "), n, blob_n;
	const char *text = key + type_n + strspn(key + type_n, " ");
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		known = known || (strlen(types[i]) == type_n && memcmp(types[i], key, type_n) == 0);
	for (const char *p = key; *p; p++)
		known = known && (unsigned char)*p >= ' ' && *p != 0x7f;
	n = strcspn(text, " ");
	if (known && n)
		blob = base64_decode(text, n, &blob_n);
	if (!blob || blob_n > BLOB_MAX || !blob_is(blob, blob_n, key, type_n))
		return error_set(err, ERR_BAD_REQUEST,
			"Keypair data is invalid: public_key must be one OpenSSH line: type, base64 and a "
			"comment");
	md5_fingerprint(blob, blob_n, out);
	return 0;
}

/* --- making one */

static void put_string(struct buf *b, const void *p, size_t n)
{
	unsigned char len[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
		(unsigned char)n };

	buf_append(b, len, sizeof len);
	buf_append(b, p, n);
}

/* RFC 4251 mpint: big endian, with a zero in front when the top bit is set. */
static int put_number(struct buf *b, EVP_PKEY *key, const char *name)
{
	unsigned char raw[520] = { 0 };
	BIGNUM *n = NULL;
	int len;

	if (!EVP_PKEY_get_bn_param(key, name, &n))
		return -1;
	len = BN_num_bytes(n);
	if (len <= 512)
		BN_bn2bin(n, raw + 1);
	BN_free(n);
	if (len > 512)
		return -1;
	if (raw[1] & 0x80)
		put_string(b, raw, (size_t)len + 1);
	else
		put_string(b, raw + 1, (size_t)len);
	return 0;
}

static char *line_of(const char *type, const struct buf *blob)
{
	CLEANUP(free_ptr) char *text = base64_encode(blob->data, blob->len);

	return xasprintf("%s %s Generated-by-cloudd", type, text);
}

static char *rsa_public(EVP_PKEY *key)
{
	CLEANUP(buf_finish) struct buf blob = { 0 };

	put_string(&blob, "ssh-rsa", 7);
	if (put_number(&blob, key, OSSL_PKEY_PARAM_RSA_E) < 0 ||
		put_number(&blob, key, OSSL_PKEY_PARAM_RSA_N) < 0)
		return NULL;
	return line_of("ssh-rsa", &blob);
}

static char *rsa_private(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *pem = NULL;
	long n;

	if (bio && PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL)) {
		n = BIO_get_mem_data(bio, &data);
		pem = xcalloc((size_t)n + 1, 1);
		memcpy(pem, data, (size_t)n);
		OPENSSL_cleanse(data, (size_t)n);
	}
	BIO_free(bio);
	return pem;
}

/* --- Ed25519, for which OpenSSH has a form of its own (its PROTOCOL.key) */

enum { ED25519_BYTES = 32, PEM_LINE = 70 };

static const char ed25519_name[] = "ssh-ed25519";

static void wipe(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->cap);
	buf_finish(b);
}

static void ed25519_blob(const unsigned char *public, struct buf *out)
{
	put_string(out, ed25519_name, strlen(ed25519_name));
	put_string(out, public, ED25519_BYTES);
}

/* The check number twice, the key (its seed with the public half behind it), a comment, and 1, 2, 3, ... up
 * to a whole block. */
static void ed25519_secrets(const unsigned char *seed, const unsigned char *public, struct buf *out)
{
	unsigned char check[4], both[2 * ED25519_BYTES];

	rng_system.fill(rng_system.ctx, check, sizeof check);
	buf_append(out, check, sizeof check);
	buf_append(out, check, sizeof check);
	ed25519_blob(public, out);
	memcpy(both, seed, ED25519_BYTES);
	memcpy(both + ED25519_BYTES, public, ED25519_BYTES);
	put_string(out, both, sizeof both);
	OPENSSL_cleanse(both, sizeof both);
	put_string(out, "", 0);
	for (unsigned char pad = 1; out->len % 8; pad++)
		buf_append(out, &pad, 1);
}

static char *ed25519_private(const unsigned char *seed, const unsigned char *public)
{
	static const unsigned char one_key[4] = { 0, 0, 0, 1 };
	CLEANUP(wipe) struct buf file = { 0 };
	CLEANUP(wipe) struct buf secrets = { 0 };
	CLEANUP(wipe) struct buf pem = { 0 };
	CLEANUP(buf_finish) struct buf blob = { 0 };
	char *text;
	size_t n;

	ed25519_secrets(seed, public, &secrets);
	ed25519_blob(public, &blob);
	buf_append(&file, "openssh-key-v1", 15); /* with its NUL */
	put_string(&file, "none", 4);            /* no cipher, */
	put_string(&file, "none", 4);            /* no passphrase */
	put_string(&file, "", 0);
	buf_append(&file, one_key, sizeof one_key);
	put_string(&file, blob.data, blob.len);
	put_string(&file, secrets.data, secrets.len);
	text = base64_encode(file.data, file.len);
	n = strlen(text);
	buf_puts(&pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t i = 0; i < n; i += PEM_LINE)
		buf_printf(&pem, "%.*s\n", PEM_LINE, text + i);
	buf_puts(&pem, "-----END OPENSSH PRIVATE KEY-----\n");
	OPENSSL_cleanse(text, n);
	free(text);
	return xstrdup(buf_text(&pem));
}

static void ed25519_make(EVP_PKEY *key, char **out_private, char **out_public)
{
	unsigned char seed[ED25519_BYTES], public[ED25519_BYTES];
	CLEANUP(buf_finish) struct buf blob = { 0 };
	size_t seed_n = sizeof seed, public_n = sizeof public;

	if (EVP_PKEY_get_raw_private_key(key, seed, &seed_n) != 1 ||
		EVP_PKEY_get_raw_public_key(key, public, &public_n) != 1)
		return;
	ed25519_blob(public, &blob);
	*out_public = line_of(ed25519_name, &blob);
	*out_private = ed25519_private(seed, public);
	OPENSSL_cleanse(seed, sizeof seed);
}

int ssh_key_generate(enum ssh_key_type type, char **out_private, char **out_public, struct error *err)
{
	EVP_PKEY *key = type == SSH_KEY_RSA ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char *private = NULL, *public = NULL;

	if (key && type == SSH_KEY_RSA) {
		private = rsa_private(key);
		public = rsa_public(key);
	} else if (key) {
		ed25519_make(key, &private, &public);
	}
	EVP_PKEY_free(key);
	if (!private || !public) {
		free(private);
		free(public);
		return error_internal(err, "OpenSSL could not make a key");
	}
	*out_private = private;
	*out_public = public;
	return 0;
}
