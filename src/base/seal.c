/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 32, NONCE_SIZE = 12 };

static void derive(const char *secret, const char *purpose, const unsigned char salt[SEAL_SALT],
	unsigned char key[KEY_SIZE])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, strlen(secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, SEAL_SALT),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose, strlen(purpose)),
		OSSL_PARAM_construct_end(),
	};

	if (!kdf || !ctx || EVP_KDF_derive(ctx, key, KEY_SIZE, params) != 1)
		abort();
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* The salt makes each key one of its own, so that the nonce may be the same. */
static EVP_CIPHER_CTX *cipher(
	const char *secret, const char *purpose, const unsigned char *salt, bool sealing)
{
	static const unsigned char nonce[NONCE_SIZE];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char key[KEY_SIZE];

	derive(secret, purpose, salt, key);
	if (!ctx || EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, sealing) != 1)
		abort();
	OPENSSL_cleanse(key, sizeof key);
	return ctx;
}

void seal(const struct rng *rng, const char *secret, const char *purpose, const void *plain, size_t n,
	unsigned char *out)
{
	EVP_CIPHER_CTX *ctx;
	int done = 0, rest = 0;

	rng->fill(rng->ctx, out, SEAL_SALT);
	ctx = cipher(secret, purpose, out, true);
	if (EVP_CipherUpdate(ctx, out + SEAL_SALT, &done, plain, (int)n) != 1 ||
		EVP_CipherFinal_ex(ctx, out + SEAL_SALT + done, &rest) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, out + SEAL_SALT + n) != 1)
		abort();
	EVP_CIPHER_CTX_free(ctx);
}

bool unseal(
	const char *secret, const char *purpose, const unsigned char *sealed, size_t n, unsigned char *out)
{
	unsigned char tag[SEAL_TAG];
	EVP_CIPHER_CTX *ctx;
	int done = 0, rest = 0;
	bool good;

	if (n < SEAL_EXTRA)
		return false;
	memcpy(tag, sealed + n - SEAL_TAG, SEAL_TAG);
	ctx = cipher(secret, purpose, sealed, false);
	good = EVP_CipherUpdate(ctx, out, &done, sealed + SEAL_SALT, (int)(n - SEAL_EXTRA)) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) == 1 &&
	       EVP_CipherFinal_ex(ctx, out + done, &rest) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}
