/* SPDX-License-Identifier: Apache-2.0 */
/* What deliveries are signed with, as it is kept: sealed under a key that is not in the database, each for
 * one webhook alone. */
#ifndef API_WEBHOOK_SECRET_H
#define API_WEBHOOK_SECRET_H

#include "base/arena.h"
#include "base/clock.h"
#include "store/webhooks.h"

enum { WEBHOOK_SECRET_MIN = 16, WEBHOOK_SECRET_MAX = 256 }; /* bytes */

/* Fills in w->secret of one with a uid; in the arena. */
void webhook_secret_seal(
	const struct rng *rng, const char *key, struct arena *a, const char *secret, struct webhook *w);
/* Owned by the caller. NULL: it was sealed with another key. */
char *webhook_secret_open(const char *key, const struct webhook *w);

#endif
