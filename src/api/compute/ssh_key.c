/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/ssh_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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

static char *public_line(EVP_PKEY *key)
{
	CLEANUP(buf_finish) struct buf blob = { 0 };
	CLEANUP(free_ptr) char *text = NULL;

	put_string(&blob, "ssh-rsa", 7);
	if (put_number(&blob, key, OSSL_PKEY_PARAM_RSA_E) < 0 ||
		put_number(&blob, key, OSSL_PKEY_PARAM_RSA_N) < 0)
		return NULL;
	text = base64_encode(blob.data, blob.len);
	return xasprintf("ssh-rsa %s Generated-by-cloudd", text);
}

static char *private_pem(EVP_PKEY *key)
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

int ssh_key_generate(char **out_private, char **out_public, struct error *err)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	char *private = key ? private_pem(key) : NULL, *public = key ? public_line(key) : NULL;

	EVP_PKEY_free(key);
	if (!private || !public) {
		free(private);
		free(public);
		return error_internal(err, "OpenSSL could not make an RSA key");
	}
	*out_private = private;
	*out_public = public;
	return 0;
}
