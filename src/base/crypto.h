/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, encodings, ids and comparisons, on OpenSSL's libcrypto. */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

enum {
	SHA256_SIZE = 32,
	UUID_TEXT = 37, /* 36 characters and NUL */
	HEX32_TEXT = 33 /* 32 hex digits and NUL: Keystone's ids */
};

/* SHA-256 of n bytes. */
void sha256(const void *data, size_t n, unsigned char out[SHA256_SIZE]);
/* Of what is left to read of a file, and how much that was. -1 with errno. */
int sha256_fd(int fd, unsigned char out[SHA256_SIZE], int64_t *out_bytes);
/* HMAC (RFC 2104) with SHA-256, of n bytes under a key that is text. */
void hmac_sha256(const char *key, const void *data, size_t n, unsigned char out[SHA256_SIZE]);
/* MD5 with colons (an OpenSSH fingerprint, RFC 4716 section 4); out has 48 bytes. */
void md5_fingerprint(const void *data, size_t n, char out[48]);
/* Lower-case hex of n bytes; out has 2n + 1. */
void hex_encode(const void *data, size_t n, char *out);
/* Equal, in a time that depends on n alone. */
bool constant_time_equal(const void *a, const void *b, size_t n);

/* Base64 (RFC 4648 section 4). Encode: owned by the caller. Decode: white space is skipped; NULL when it is
 * not base64; *out_n bytes, owned by the caller. */
char *base64_encode(const void *data, size_t n);
unsigned char *base64_decode(const char *text, size_t n, size_t *out_n);
/* n random bytes as base64url (RFC 4648 section 5) without padding and without a dash in front; owned by the
 * caller. */
char *random_base64url(const struct rng *rng, size_t n);

/* A random UUID (RFC 4122 version 4), lower case. */
void uuid_make(const struct rng *rng, char out[UUID_TEXT]);
void hex32_make(const struct rng *rng, char out[HEX32_TEXT]);
bool uuid_valid(const char *s); /* 36 characters, dashes in place, any case */
bool hex32_valid(const char *s);

/* scrypt (RFC 7914) with N=2^15, r=8, p=3 as "scrypt$15$8$3$salt$hash". Takes about 0.2 s of CPU and 32 MiB:
 * never on the loop. Returned text is owned by the caller; NULL when memory is short. */
char *password_hash(const struct rng *rng, const char *password);
/* True when the password matches; parameters come from the hash. A hash that is NULL or malformed costs the
 * same work and never matches. */
bool password_verify(const char *password, const char *hash);

#endif
