/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhook_secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"
#include "base/util.h"

static void purpose_of(const struct webhook *w, char out[64])
{
	snprintf(out, 64, "cloudd webhook %.36s", w->uid);
}

void webhook_secret_seal(
	const struct rng *rng, const char *key, struct arena *a, const char *secret, struct webhook *w)
{
	size_t n = strlen(secret);
	unsigned char *sealed = arena_alloc(a, n + SEAL_EXTRA);
	char purpose[64];

	purpose_of(w, purpose);
	seal(rng, key, purpose, secret, n, sealed);
	w->secret = sealed;
	w->secret_n = n + SEAL_EXTRA;
}

char *webhook_secret_open(const char *key, const struct webhook *w)
{
	char purpose[64], *plain;

	if (w->secret_n < SEAL_EXTRA + WEBHOOK_SECRET_MIN || w->secret_n > SEAL_EXTRA + WEBHOOK_SECRET_MAX)
		return NULL;
	plain = xcalloc(1, w->secret_n - SEAL_EXTRA + 1);
	purpose_of(w, purpose);
	if (unseal(key, purpose, w->secret, w->secret_n, (unsigned char *)plain))
		return plain;
	free(plain);
	return NULL;
}
