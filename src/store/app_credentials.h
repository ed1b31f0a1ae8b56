/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `application_credential`: a secret that stands for a user in one project with some of its roles. */
#ifndef STORE_APP_CREDENTIALS_H
#define STORE_APP_CREDENTIALS_H

#include "base/arena.h"
#include "base/crypto.h"
#include "store/db.h"

struct app_credential {
	int64_t id, user_id, project_id;
	const char *uid, *name, *description; /* the last may be NULL */
	unsigned char secret_hash[SHA256_SIZE];
	int64_t expires_us; /* 0: never */
	bool unrestricted;
	int64_t created_us;
	const char *project_uid; /* joined */
};

/* By the client's id, by a user's name for it, by row. ERR_NOT_FOUND. */
int store_app_credential_get(
	struct db *db, struct arena *a, const char *uid, struct app_credential *out, struct error *err);
int store_app_credential_by_name(struct db *db, struct arena *a, int64_t user_id, const char *name,
	struct app_credential *out, struct error *err);
int store_app_credential_load(
	struct db *db, struct arena *a, int64_t id, struct app_credential *out, struct error *err);
/* A cursor over a user's; name NULL: all. Then rows: 1, 0 at the end, -1. */
int store_app_credential_query(
	struct db *db, int64_t user_id, const char *name, sqlite3_stmt **out, struct error *err);
int store_app_credential_next(
	sqlite3_stmt *st, struct arena *a, struct app_credential *out, struct error *err);
int store_app_credential_count(struct db *db, int64_t user_id, int64_t *out, struct error *err);
int store_app_credential_insert(struct db *db, const struct app_credential *c, struct error *err);
int store_app_credential_role_add(struct db *db, int64_t id, int64_t role_id, struct error *err);
/* A cursor for store_role_next. */
int store_app_credential_roles(struct db *db, int64_t id, sqlite3_stmt **out, struct error *err);
/* With its tokens. */
int store_app_credential_delete(struct db *db, int64_t id, struct error *err);
int store_app_credential_delete_user(struct db *db, int64_t user_id, struct error *err);
int store_app_credential_delete_project(struct db *db, int64_t project_id, struct error *err);

#endif
