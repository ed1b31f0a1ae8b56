/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `request`: what a POST with an Idempotency-Key was answered. */
#ifndef STORE_IDEMPOTENCY_H
#define STORE_IDEMPOTENCY_H

#include "base/arena.h"
#include "base/crypto.h"
#include "store/db.h"

enum { KEPT_REQUESTS_MAX = 10000 }; /* of one owner */

struct kept_request {
	int64_t owner_id; /* row of the project, or of the user without one */
	unsigned char key_hash[SHA256_SIZE], fingerprint[SHA256_SIZE];
	const void *reply; /* sealed */
	size_t reply_n;
	int64_t expires_us;
};

/* 1 found, with the reply in the arena; 0 none that has not expired; -1 */
int store_request_find(struct db *db, struct arena *a, const unsigned char key_hash[SHA256_SIZE],
	int64_t now_us, struct kept_request *out, struct error *err);
/* Takes the place of one that has expired. ERR_OVER_QUOTA: its owner has KEPT_REQUESTS_MAX. */
int store_request_insert(struct db *db, const struct kept_request *r, struct error *err);
/* Removes at most `limit` that have expired; how many, or -1. */
int store_request_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err);

#endif
