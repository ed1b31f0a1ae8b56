/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `token`: found by the SHA-256 of the token's text, which is kept nowhere. A revoked token has no
 * row. */
#ifndef STORE_TOKENS_H
#define STORE_TOKENS_H

#include "base/arena.h"
#include "base/crypto.h"
#include "store/db.h"

struct assignment;

struct token {
	int64_t id, user_id, project_id, domain_id, credential_id; /* 0: none */
	unsigned char hash[SHA256_SIZE];
	bool is_system;
	const char *methods;   /* comma between */
	const char *audit_ids; /* its own, then that of the first of its line; comma between */
	int64_t issued_us, expires_us;
};

int store_token_insert(struct db *db, const struct token *t, struct error *err);
/* 1 found, 0 not, -1. Expired ones are found too. */
int store_token_find(struct db *db, struct arena *a, const unsigned char hash[SHA256_SIZE], struct token *out,
	struct error *err);
/* Is it there, and not expired? 1, 0 or -1. */
int store_token_holds(struct db *db, int64_t id, int64_t now_us, struct error *err);
int store_token_delete(struct db *db, int64_t id, struct error *err);
int store_token_delete_user(struct db *db, int64_t user_id, struct error *err);
/* All that are scoped to it. */
int store_token_delete_project(struct db *db, int64_t project_id, struct error *err);
/* All scoped to the domain or to its projects, and those of its users. */
int store_token_delete_domain(struct db *db, int64_t domain_id, struct error *err);
/* Those of a group's members. */
int store_token_delete_group(struct db *db, int64_t group_id, struct error *err);
/* Those that may rest on an assignment that was taken away. */
int store_token_delete_assignment(struct db *db, const struct assignment *a, struct error *err);
/* Some of those that have expired. Bounded work: called with each insert, it keeps up. */
int store_token_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err);

#endif
