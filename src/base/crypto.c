/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crypto.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* Looked up once: that costs as much as hashing a kilobyte. */
static EVP_MD *sha256_md;

static void sha256_find(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void sha256(const void *data, size_t n, unsigned char out[SHA256_SIZE])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, sha256_find);
	if (EVP_Digest(data, n, out, NULL, sha256_md, NULL) != 1)
		abort();
}

int sha256_fd(int fd, unsigned char out[SHA256_SIZE], int64_t *out_bytes)
{
	enum { PIECE = 1 << 18 };
	CLEANUP(free_ptr) char *piece = xmalloc(PIECE);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int64_t total = 0;
	ssize_t n;

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	while ((n = read(fd, piece, PIECE)) > 0) {
		if (EVP_DigestUpdate(md, piece, (size_t)n) != 1)
			abort();
		total += n;
	}
	if (EVP_DigestFinal_ex(md, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(md);
	*out_bytes = total;
	return n < 0 ? -1 : 0;
}

void hmac_sha256(const char *key, const void *data, size_t n, unsigned char out[SHA256_SIZE])
{
	if (!HMAC(EVP_sha256(), key, (int)strlen(key), data, n, out, NULL))
		abort();
}

void md5_fingerprint(const void *data, size_t n, char out[48])
{
	unsigned char md[16];

	if (EVP_Digest(data, n, md, NULL, EVP_md5(), NULL) != 1)
		abort();
	for (int i = 0; i < 16; i++)
		snprintf(out + 3 * i, 4, i < 15 ? "%02x:" : "%02x", md[i]);
}

void hex_encode(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

bool constant_time_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

char *base64_encode(const void *data, size_t n)
{
	char *out = xmalloc(4 * ((n + 2) / 3) + 1);

	out[EVP_EncodeBlock((unsigned char *)out, data, (int)n)] = '\0';
	return out;
}

static bool base64_digit(unsigned char c)
{
	return isalnum(c) || c == '+' || c == '/';
}

unsigned char *base64_decode(const char *text, size_t n, size_t *out_n)
{
	unsigned char *clean = xmalloc(n + 1), *out;
	size_t len = 0, pad = 0;
	bool good = true;
	int got = 0;

	for (size_t i = 0; i < n; i++)
		if (!isspace((unsigned char)text[i]))
			clean[len++] = (unsigned char)text[i];
	while (pad < 2 && pad < len && clean[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len - pad; i++) /* OpenSSL forgives some characters that are none */
		good = good && base64_digit(clean[i]);
	out = xmalloc(3 * (len / 4) + 1);
	if (good && len % 4 == 0)
		got = len ? EVP_DecodeBlock(out, clean, (int)len) : 0;
	free(clean);
	if (!good || len % 4 || got < 0) {
		free(out);
		return NULL;
	}
	*out_n = (size_t)got - pad;
	return out;
}

char *random_base64url(const struct rng *rng, size_t n)
{
	unsigned char *raw = xmalloc(n);
	char *text;

	rng->fill(rng->ctx, raw, n);
	text = base64_encode(raw, n);
	OPENSSL_cleanse(raw, n);
	free(raw);
	for (char *p = text; *p; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p);
	/* a dash in front would make it an option on a command line */
	if (*text == '-')
		*text = 'A';
	return text;
}

void uuid_make(const struct rng *rng, char out[UUID_TEXT])
{
	unsigned char b[16];
	char hex[33];

	rng->fill(rng->ctx, b, sizeof b);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	hex_encode(b, sizeof b, hex);
	snprintf(out, UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void hex32_make(const struct rng *rng, char out[HEX32_TEXT])
{
	unsigned char b[16];

	rng->fill(rng->ctx, b, sizeof b);
	hex_encode(b, sizeof b, out);
}

bool uuid_valid(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return s[36] == '\0';
}

bool hex32_valid(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

struct scrypt_params {
	unsigned log_n, r, p;
};

static const struct scrypt_params scrypt_default = { 15, 8, 3 };

static bool scrypt_derive(const struct scrypt_params *sp, const char *password, const unsigned char *salt,
	size_t salt_n, unsigned char out[32])
{
	return EVP_PBE_scrypt(password, strlen(password), salt, salt_n, UINT64_C(1) << sp->log_n, sp->r,
		       sp->p, (uint64_t)256 << 20, out, 32) == 1;
}

char *password_hash(const struct rng *rng, const char *password)
{
	unsigned char salt[16], hash[32];
	char salt_hex[33], hash_hex[65];

	rng->fill(rng->ctx, salt, sizeof salt);
	if (!scrypt_derive(&scrypt_default, password, salt, sizeof salt, hash))
		return NULL;
	hex_encode(salt, sizeof salt, salt_hex);
	hex_encode(hash, sizeof hash, hash_hex);
	return xasprintf("scrypt$%u$%u$%u$%s$%s", scrypt_default.log_n, scrypt_default.r, scrypt_default.p,
		salt_hex, hash_hex);
}

static bool hex_decode(const char *hex, unsigned char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 2 * i, "%2hhx", out + i) != 1)
			return false;
	return true;
}

bool password_verify(const char *password, const char *hash)
{
	struct scrypt_params sp;
	unsigned char salt[16] = { 0 }, want[32] = { 0 }, got[32];
	char salt_hex[33], hash_hex[65];
	bool known = hash &&
		     sscanf(hash, "scrypt$%2u$%2u$%2u$%32[0-9a-f]$%64[0-9a-f]", &sp.log_n, &sp.r, &sp.p,
			     salt_hex, hash_hex) == 5 &&
		     sp.log_n >= 1 && sp.log_n <= 20 && strlen(salt_hex) == 32 && strlen(hash_hex) == 64 &&
		     hex_decode(salt_hex, salt, sizeof salt) && hex_decode(hash_hex, want, sizeof want);

	if (!known)
		sp = scrypt_default;
	return scrypt_derive(&sp, password, salt, sizeof salt, got) && known &&
	       constant_time_equal(got, want, sizeof want);
}
