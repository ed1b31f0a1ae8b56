/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 signatures (RFC 8032), and the files their keys are in: PEM, as openssl reads and writes them. */
#ifndef BASE_SIGN_H
#define BASE_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum {
	SIGN_PUBLIC = 32,
	SIGN_BYTES = 64,
	SIGN_ID_TEXT = 33 /* a key's name: 32 hex digits of the SHA-256 of its public half, and NUL */
};

struct sign_key; /* a private key */

/* A new key. */
struct sign_key *sign_key_make(void);
/* ERR_NOT_FOUND when there is no such file; ERR_FORBIDDEN when others than its owner may read it. */
int sign_key_load(const char *path, struct sign_key **out, struct error *err);
/* Writes the key, readable by its owner alone, and its public half as PEM into <path>.pub. Both whole or not
 * at all, and on disk when it returns. */
int sign_key_save(const struct sign_key *k, const char *path, struct error *err);
void sign_key_free(struct sign_key *k); /* NULL is fine */
const unsigned char *sign_key_public(const struct sign_key *k);
const char *sign_key_id(const struct sign_key *k);
void sign(const struct sign_key *k, const void *data, size_t n, unsigned char out[SIGN_BYTES]);

bool sign_verify(const unsigned char public_key[SIGN_PUBLIC], const void *data, size_t n,
	const unsigned char signature[SIGN_BYTES]);
void sign_public_id(const unsigned char public_key[SIGN_PUBLIC], char out[SIGN_ID_TEXT]);
/* A public key as PEM text. */
void sign_public_pem(const unsigned char public_key[SIGN_PUBLIC], struct buf *out);
/* The public key in a PEM file, which may hold the private one as well. */
int sign_public_load(const char *path, unsigned char out[SIGN_PUBLIC], struct error *err);

#endif
