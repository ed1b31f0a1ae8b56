/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of identity share among themselves. */
#ifndef API_IDENTITY_INTERNAL_H
#define API_IDENTITY_INTERNAL_H

#include "api/identity/identity.h"
#include "base/crypto.h"
#include "base/fair.h"
#include "base/util.h"
#include "domain/password.h"
#include "loop/lane.h"
#include "store/access_rules.h"
#include "store/app_credentials.h"
#include "store/assignments.h"
#include "store/domains.h"
#include "store/groups.h"
#include "store/projects.h"
#include "store/roles.h"
#include "store/tokens.h"
#include "store/users.h"

struct token_cache;

struct identity {
	struct api *api;
	struct lane *passwords; /* scrypt: slow on purpose, so never on the loop */
	struct fair line;       /* those that wait for it, in turn by who asks */
	unsigned hashing;
	struct token_cache *cache;
	struct principal *local_root;
};

enum { PASSWORD_MAX = 1024, DESCRIPTION_MAX = 4096, TAGS_MAX = 80, DEPTH_MAX = 6, LIST_MAX = 10000 };

/* --- authenticate.c --- */

/* What a token row comes to now: enabled user, scope and roles. ERR_UNAUTHORIZED when it holds no longer.
 * Works on any connection; the row need not be there. */
int principal_load(struct db *db, const struct token *t, struct principal **out, struct error *err);
/* The one answer to all that is wrong with credentials. Always -1. */
int unauthorized(struct error *err, const char *why);

/* --- password_pool.c --- */

/* First `given` is held against `hash` (which may be NULL: the same work, and wrong); then `fresh` against
 * the earlier ones; then it is hashed. A NULL leaves its part out. */
struct password_work {
	const char *given, *hash, *fresh;
	const char *const *earlier;
	size_t earlier_n;
};
enum password_outcome { PASSWORD_OK, PASSWORD_WRONG, PASSWORD_USED, PASSWORD_NO_MEMORY };
/* Called on the loop; `made`: the hash of `fresh`, in the call's arena. */
typedef void password_then(struct api_call *c, enum password_outcome outcome, const char *made);
/* Copies what it is given. -1 with ERR_BUSY when too many wait; then nothing is called. Who has most in line
 * makes room for who has less, and is answered that. */
int password_submit(
	struct api_call *c, const struct password_work *what, password_then *then, struct error *err);
void password_pool_create(struct identity *id);
void password_pool_destroy(struct identity *id);
/* 0 for PASSWORD_OK, else -1 with what the caller is told. */
int password_refused(const struct api_call *c, enum password_outcome outcome, struct error *err);

/* --- passwords.c --- */

/* What a new password is held against: nothing for a user who has none yet. */
int passwords_earlier(struct api_call *c, const struct user *u, struct password_work *out, struct error *err);
/* In the tick: the new hash, its expiry, and the memory of it. */
int passwords_set(
	struct api_call *c, const struct user *u, const char *hash, bool by_admin, struct error *err);

/* When a user's password expires, by the row and its options; 0: never. */
int64_t passwords_expire(const struct user *u);
static inline bool password_has_expired(const struct user *u, int64_t now_us)
{
	int64_t at_us = passwords_expire(u);

	return at_us && at_us <= now_us;
}

/* --- user_options.c --- */

/* The bits (enum user_option) of a row's JSON. */
unsigned user_options(const char *json);
/* Lays {"ignore_password_expiry": true, …: null} over what was there (NULL: nothing). */
int user_options_merge(
	struct api_call *c, const char *old, const json_t *given, const char **out, struct error *err);

/* --- lockout.c --- */

bool lockout_active(const struct user *u, int64_t now_us);
/* Counts a failed login in a tick of its own; at the limit the user is locked, each time for longer. */
void lockout_count(struct api_call *c, const struct user *u);

/* --- body.c --- */

/* Attributes that the route's table does not name go into *out, a JSON object as text, on top of `old` (NULL:
 * none); null removes one. */
int body_extra(struct api_call *c, const char *old, const char **out, struct error *err);
/* Rows of tables: an empty "options", and "tags", both of any struct with a member of that name. */
extern const struct bind_table body_no_options;
extern const struct bind_field body_tag_item;
#define BODY_OPTIONS(struct_name)                                                                     \
	{                                                                                             \
		.name = "options", .type = BIND_OBJ, .offset = offsetof(struct struct_name, options), \
		.flags = BIND_JSON, .table = &body_no_options                                         \
	}
#define BODY_TAGS(struct_name)                                                                  \
	{                                                                                       \
		.name = "tags", .type = BIND_ARR, .offset = offsetof(struct struct_name, tags), \
		.flags = BIND_JSON, .max = TAGS_MAX, .items = &body_tag_item                    \
	}
/* "tags": strings of 1 to 60 characters without , and /. */
int body_tags(const json_t *tags, struct error *err);
/* Was field i in the body, as a value or as null? */
static inline bool seen_has(const struct bind_seen *s, unsigned i)
{
	return s->present >> i & 1;
}
static inline bool seen_null(const struct bind_seen *s, unsigned i)
{
	return s->null >> i & 1;
}

/* --- domains.c --- */

/* Writes a changed domain; disabled, its tokens are no good from here on. */
int domain_save(struct api_call *c, const struct domain *d, bool was_enabled, struct error *err);
/* 204, or ERR_FORBIDDEN for an enabled one and for the default. */
int domain_remove(struct api_call *c, const struct domain *d, struct error *err);

/* --- access_rules.c --- */

extern const struct bind_field access_rule_item; /* of struct access_rule */
int access_rules_give(
	struct api_call *c, int64_t credential_id, const struct bind_list *rules, struct error *err);
/* "access_rules": [...], when there are any */
int access_rules_view(struct api_call *c, int64_t credential_id, struct error *err);

/* --- views.c --- */

/* "links": {"self": url of the path below /identity/v3} */
void view_links(struct api_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The end of a list: "links" with self and next; "truncated" when there is a next page. */
void view_list_links(struct api_call *c, const char *next_marker);
void view_extra(struct api_call *c, const char *extra);
void view_named(struct buf *b, const char *key, const char *uid, const char *name);
void view_domain(struct api_call *c, const struct domain *d);
/* As the project that acts as the domain, by the same id. */
void view_domain_project(struct api_call *c, const struct domain *d);
int view_project(struct api_call *c, const struct project *p, struct error *err);
/* The same with "parents" and "subtree" as the query asks for them. */
int view_project_tree(struct api_call *c, const struct project *p, struct error *err);
/* The members of a project's object, which stays open. */
int view_project_open(struct api_call *c, const struct project *p, struct error *err);
void view_user(struct api_call *c, const struct user *u);
void view_group(struct api_call *c, const struct user_group *g);
void view_role(struct api_call *c, const struct role *r);
void view_token(struct api_call *c, const struct principal *p);

/* --- lists.c: small helps of the handlers --- */

/* {"<key>": [ */
void list_begin(struct api_call *c, const char *key);
/* ] , links } */
void list_end(struct api_call *c, const char *next_marker);
/* A boolean filter: -1 when the query has none. `?enabled` alone means true. */
int query_flag(struct api_call *c, const char *name);
/* limit (LIST_MAX when none was asked for) and the row of marker's entity, by one of the loaders below. */
struct list_page {
	int64_t limit, after_id;
	const char *last, *next; /* marker of the next page; NULL: there is none */
};
typedef int page_marker(struct api_call *c, const char *uid, int64_t *out_id, struct error *err);
int query_page(struct api_call *c, page_marker *find, struct list_page *out, struct error *err);
/* 1: the row belongs on the page; 0: it does not (before the page, or another name than name__contains and
 * its like ask for); -1: the page is full. */
int list_take(struct api_call *c, struct list_page *p, int64_t id, const char *uid, const char *name);
bool query_name_fits(const struct api_call *c, const char *name);
/* A path parameter that this route may not have: NULL then. */
const char *param_or_null(const struct api_call *c, const char *name);
bool is_self(const struct api_call *c, const char *user_uid);
static inline int forbidden(struct error *err)
{
	return error_set(err, ERR_FORBIDDEN, "You are not authorized to perform the requested action.");
}
/* 204 */
int no_content(struct api_call *c);
/* Something that tokens rest on was changed by this unit. */
void tokens_changed(struct api_call *c);
/* A new row's keys. */
int64_t new_id(struct api_call *c);
const char *new_uid(struct api_call *c);

/* --- bodies: the tables of requests --- */

extern const struct bind_table identity_token_body, identity_domain_create_body, identity_domain_update_body,
	identity_project_create_body, identity_project_update_body, identity_tags_body,
	identity_user_create_body, identity_user_update_body, identity_password_body,
	identity_credential_body, identity_group_create_body, identity_group_update_body,
	identity_role_create_body, identity_role_update_body, identity_service_create_body,
	identity_service_update_body, identity_endpoint_create_body, identity_endpoint_update_body,
	identity_region_body;
extern const struct bind_table user_options_table;

/* --- the handlers --- */

api_handler identity_version_show;
api_handler identity_token_create, identity_token_show, identity_token_delete;
api_handler identity_auth_catalog, identity_auth_projects, identity_auth_domains, identity_auth_system;
api_handler identity_domain_list, identity_domain_create, identity_domain_show, identity_domain_update,
	identity_domain_delete;
api_handler identity_project_list, identity_project_create, identity_project_show, identity_project_update,
	identity_project_delete;
api_handler identity_tag_list, identity_tag_replace, identity_tag_clear, identity_tag_add, identity_tag_check,
	identity_tag_remove;
api_handler identity_user_list, identity_user_create, identity_user_show, identity_user_update,
	identity_user_delete, identity_user_password, identity_user_projects, identity_user_groups;
api_handler identity_group_list, identity_group_create, identity_group_show, identity_group_update,
	identity_group_delete;
api_handler identity_member_list, identity_member_add, identity_member_check, identity_member_remove;
api_handler identity_role_list, identity_role_create, identity_role_show, identity_role_update,
	identity_role_delete;
api_handler identity_implied_list, identity_implied_add, identity_implied_show, identity_implied_check,
	identity_implied_remove, identity_inference_list;
api_handler identity_grant_list, identity_grant_add, identity_grant_check, identity_grant_remove,
	identity_assignment_list;
api_handler identity_credential_list, identity_credential_create, identity_credential_show,
	identity_credential_delete;
api_handler identity_access_rule_list, identity_access_rule_show, identity_access_rule_delete;
api_handler identity_service_list, identity_service_create, identity_service_show, identity_service_update,
	identity_service_delete;
api_handler identity_endpoint_list, identity_endpoint_create, identity_endpoint_show,
	identity_endpoint_update, identity_endpoint_delete;
api_handler identity_region_list, identity_region_create, identity_region_put, identity_region_show,
	identity_region_update, identity_region_delete;

#endif
