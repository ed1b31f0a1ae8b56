/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes kept where only the holder of a secret can read them: AES-256-GCM under a key made of the secret and
 * a random salt by HKDF-SHA256 (RFC 5869). The secret itself is kept nowhere. */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

enum { SEAL_SALT = 16, SEAL_TAG = 16, SEAL_EXTRA = SEAL_SALT + SEAL_TAG };

/* `purpose` keeps the keys of different uses apart. out has n + SEAL_EXTRA bytes: salt, sealed bytes, tag. */
void seal(const struct rng *rng, const char *secret, const char *purpose, const void *plain, size_t n,
	unsigned char *out);
/* n: of the sealed bytes; out has n - SEAL_EXTRA. False when the secret is another, or a bit was changed. */
bool unseal(
	const char *secret, const char *purpose, const unsigned char *sealed, size_t n, unsigned char *out);

#endif
