/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /auth/tokens as a plain struct. */
#ifndef API_IDENTITY_AUTH_H
#define API_IDENTITY_AUTH_H

#include "api/identity/internal.h"

enum auth_method { AUTH_PASSWORD = 1, AUTH_TOKEN = 2, AUTH_CREDENTIAL = 4 };
enum auth_scope { SCOPE_DEFAULT, SCOPE_NONE, SCOPE_PROJECT, SCOPE_DOMAIN, SCOPE_SYSTEM };

/* By id, or by name; users and projects are named in a domain, which is by id or name again. */
struct auth_ref {
	const char *uid, *name, *domain_uid, *domain_name;
};

struct auth_request {
	unsigned methods;
	struct auth_ref user;
	const char *password;
	const char *token;
	struct auth_ref credential, credential_user;
	const char *secret;
	enum auth_scope scope;
	struct auth_ref target; /* of the scope */
	/* what the first look found */
	int64_t user_id;           /* whose password was checked; 0: nobody */
	const char *password_hash; /* it was checked against this one */
};

int auth_parse(struct api_call *c, struct auth_request *out, struct error *err);
/* The user that a reference names; ERR_NOT_FOUND. */
int auth_find_user(struct api_call *c, const struct auth_ref *ref, struct user *out, struct error *err);

#endif
