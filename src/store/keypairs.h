/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `keypair`: public keys of users. */
#ifndef STORE_KEYPAIRS_H
#define STORE_KEYPAIRS_H

#include "store/db.h"

struct keypair {
	int64_t id, user_id;
	const char *name, *type, *public_key, *fingerprint;
	int64_t created_us;
};

/* id included. ERR_CONFLICT when the user has one of that name. */
int store_keypair_insert(struct db *db, const struct keypair *k, struct error *err);
int store_keypair_get(struct db *db, struct arena *a, int64_t user_id, const char *name, struct keypair *out,
	struct error *err);
/* By name, those after the name `after` (NULL: from the start), at most max. */
int store_keypair_list(struct db *db, struct arena *a, int64_t user_id, const char *after, int64_t max,
	struct keypair **out, size_t *out_n, struct error *err);
int store_keypair_delete(struct db *db, int64_t user_id, const char *name, struct error *err);
int store_keypair_count(struct db *db, int64_t user_id, int64_t *out, struct error *err);
/* The row of the user that an administrator names: 1 found, 0 no such user, -1. */
int store_keypair_user(struct db *db, const char *user_uid, int64_t *out_id, struct error *err);

#endif
