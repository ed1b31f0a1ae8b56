/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `role_assignment`: who has which role where, and what that comes to. */
#ifndef STORE_ASSIGNMENTS_H
#define STORE_ASSIGNMENTS_H

#include "base/arena.h"
#include "store/db.h"
#include "store/roles.h"

enum actor_kind { ACTOR_USER, ACTOR_GROUP };
enum assigned_kind { ASSIGNED_PROJECT, ASSIGNED_DOMAIN, ASSIGNED_SYSTEM };

struct assignment {
	enum actor_kind actor_kind;
	int64_t actor_id;
	enum assigned_kind target_kind;
	int64_t target_id; /* 0 with ASSIGNED_SYSTEM */
	int64_t role_id;
	bool inherited; /* by the projects below the target, and not by the target itself */
};

/* With the names a view needs; strings as in other cursors. */
struct assignment_row {
	struct assignment of;
	struct assignment_name {
		const char *uid, *name, *domain_uid, *domain_name; /* NULL: none */
	} actor, target, role;
	const char *membership_uid; /* effective: the group it comes from */
};

struct assignment_filter {
	const char *user_uid, *group_uid, *role_uid, *project_uid, *domain_uid; /* NULL: any */
	bool system, inherited;                                                 /* only these */
	bool effective; /* of users only: groups, inheritance and implied roles followed */
	bool subtree;   /* project_uid: also the projects below it */
};

/* Adding twice is well. */
int store_assignment_add(struct db *db, const struct assignment *a, struct error *err);
/* 1 it is there, 0 not, -1. */
int store_assignment_has(struct db *db, const struct assignment *a, struct error *err);
/* Rows removed, or -1. The tokens that rest on it go too. */
int store_assignment_remove(struct db *db, const struct assignment *a, struct error *err);
/* All of an actor, or on a target. */
int store_assignment_delete_actor(struct db *db, enum actor_kind kind, int64_t id, struct error *err);
int store_assignment_delete_target(struct db *db, enum assigned_kind kind, int64_t id, struct error *err);
/* A cursor for store_role_next: the roles assigned as `a` says, role_id aside. */
int store_assignment_roles(struct db *db, const struct assignment *a, sqlite3_stmt **out, struct error *err);
/* What a user may do on a target: roles given to it or its groups, there or inherited, and what they imply,
 * by id. In the arena; none is no error. */
int store_assignment_effective(struct db *db, struct arena *a, int64_t user_id, enum assigned_kind kind,
	int64_t target_id, struct role **out, size_t *out_n, struct error *err);
/* A cursor; then rows: 1, 0 at the end, -1. */
int store_assignment_query(
	struct db *db, const struct assignment_filter *f, sqlite3_stmt **out, struct error *err);
int store_assignment_next(sqlite3_stmt *st, struct arena *a, struct assignment_row *out, struct error *err);
/* A cursor for store_domain_next: domains a user may scope to. 1 or 0: may it scope to the system? */
int store_assignment_domains(struct db *db, int64_t user_id, sqlite3_stmt **out, struct error *err);
int store_assignment_system(struct db *db, int64_t user_id, struct error *err);

#endif
