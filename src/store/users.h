/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `user`: who may log in, and the state of their password. */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "base/arena.h"
#include "store/db.h"

struct user {
	int64_t id, domain_id;
	const char *uid, *name, *description, *email, *default_project_uid; /* the last three may be NULL */
	bool enabled;
	const char *password_hash;                        /* NULL: cannot log in with a password */
	int64_t password_changed_us, password_expires_us; /* 0: never */
	int64_t failures, locked_until_us;
	const char *extra, *options; /* JSON objects */
	int64_t created_us;
	/* joined */
	const char *domain_uid, *domain_name;
	bool domain_enabled;
};

struct user_filter {
	const char *name, *domain_uid; /* NULL: any */
	int enabled;                   /* -1: any */
	int64_t group_id;              /* members of; 0: any */
	int64_t after_id;              /* page: ids above it */
	int64_t limit;                 /* -1: none */
};

/* By the client's id, by name in a domain without case, by row. ERR_NOT_FOUND. */
int store_user_get(struct db *db, struct arena *a, const char *uid, struct user *out, struct error *err);
int store_user_by_name(struct db *db, struct arena *a, int64_t domain_id, const char *name, struct user *out,
	struct error *err);
int store_user_load(struct db *db, struct arena *a, int64_t id, struct user *out, struct error *err);
/* A cursor, by id; then rows: 1, 0 at the end, -1. Strings are borrowed until the next row when `a` is NULL.
 */
int store_user_query(struct db *db, const struct user_filter *f, sqlite3_stmt **out, struct error *err);
int store_user_next(sqlite3_stmt *st, struct arena *a, struct user *out, struct error *err);
int store_user_insert(struct db *db, const struct user *u, struct error *err);
/* All but the password and the counters of failed logins. */
int store_user_update(struct db *db, const struct user *u, struct error *err);
/* Also ends a lock. expires_us 0: never. */
int store_user_set_password(
	struct db *db, int64_t id, const char *hash, int64_t now_us, int64_t expires_us, struct error *err);
/* Remembers a password that the user had or has; of all the newest `keep` stay. */
int store_user_password_add(struct db *db, int64_t id, const char *hash, int64_t keep, struct error *err);
/* The newest `limit` of them, in the arena. */
int store_user_passwords(struct db *db, struct arena *a, int64_t id, int64_t limit, const char ***out,
	size_t *out_n, struct error *err);
int store_user_set_failures(
	struct db *db, int64_t id, int64_t failures, int64_t locked_until_us, struct error *err);
/* With tokens, credentials, memberships, assignments and keypairs. */
int store_user_delete(struct db *db, int64_t id, struct error *err);

#endif
