/* SPDX-License-Identifier: Apache-2.0 */
/* Who makes a request: what a valid token says, resolved to rows. */
#ifndef API_PRINCIPAL_H
#define API_PRINCIPAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct api;
struct api_call;
struct http_request;
struct access_rule;

struct principal_name {
	int64_t id; /* row; 0: none */
	const char *uid, *name;
};

struct principal {
	struct arena arena; /* owns all strings */
	unsigned refs;
	struct principal_name user, user_domain;
	struct principal_name project, project_domain; /* project scope */
	struct principal_name domain;                  /* domain scope */
	bool is_system;                                /* system scope */
	bool is_local_root; /* root on the unix socket: an administrator without a token or user row */
	bool is_admin, is_member, is_reader; /* what the roles, implied ones included, come to */
	struct principal_name *roles;        /* effective, implied ones included */
	size_t roles_n;
	int64_t token_id;
	const char *methods;   /* comma between */
	const char *audit_ids; /* comma between */
	int64_t issued_us, expires_us;
	int64_t password_expires_us; /* 0: never */
	int64_t credential_id;       /* application credential; 0: none */
	const char *credential_uid, *credential_name;
	bool credential_unrestricted;
	struct access_rule *rules; /* the only requests that the credential is good for; rules_n 0: any */
	size_t rules_n;
};

struct principal *principal_ref(struct principal *p);
void principal_unref(struct principal *p); /* NULL is fine */

/* --- implemented by api/identity --- */

struct identity;
int identity_create(struct api *api, struct identity **out, struct error *err);
void identity_destroy(struct identity *id);
/* The bearer of a token text: a reference, or NULL with ERR_UNAUTHORIZED. Fast: served from memory until
 * anything in identity changed. Read-only connection. */
struct principal *identity_authenticate(struct identity *id, const char *token, struct error *err);
/* Anything that a token depends on (users, projects, domains, roles, assignments, tokens) is changed by the
 * unit now running: what is kept in memory is dropped now and again when the tick is on disk. */
void identity_changed(struct identity *id);
/* The principal of uid 0 on the unix socket. */
struct principal *identity_local_root(struct identity *id);

#endif
