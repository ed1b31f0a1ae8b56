/* SPDX-License-Identifier: Apache-2.0 */
/* POST /users/{id}/password: one's own, by showing the old one; needs no token, since who has to change an
 * expired password gets none. And what all new passwords have in common. */
#include "api/identity/internal.h"

struct change {
	const char *password, *original;
	int64_t user_id;
	const char *old_hash, *new_hash;
};

static const struct bind_field fields[] = {
	BIND(change, password, "password", BIND_STR, BIND_REQUIRED, 1, PASSWORD_MAX),
	BIND(change, original, "original_password", BIND_STR, BIND_REQUIRED, 1, PASSWORD_MAX),
};

const struct bind_table identity_password_body = { .top = "user", BIND_TABLE(change, fields) };

int passwords_earlier(struct api_call *c, const struct user *u, struct password_work *out, struct error *err)
{
	int64_t last = c->api->config.passwords.unique_last;
	const char **all;
	size_t n;

	if (!last || !u->id)
		return 0;
	if (store_user_passwords(c->db, c->arena, u->id, last, &all, &n, err) < 0)
		return -1;
	/* one that was set before anything was remembered */
	if (!n && u->password_hash)
		all[n++] = u->password_hash;
	out->earlier = all;
	out->earlier_n = n;
	return 0;
}

int64_t passwords_expire(const struct user *u)
{
	return password_expires(u->password_expires_us, user_options(u->options));
}

int passwords_set(
	struct api_call *c, const struct user *u, const char *hash, bool by_admin, struct error *err)
{
	const struct password_rules *rules = &c->api->config.passwords;
	int64_t expires_us = hash ? password_expiry(rules, by_admin, user_options(u->options), c->now_us) : 0;

	if (store_user_set_password(c->db, u->id, hash, c->now_us, expires_us, err) < 0)
		return -1;
	if (hash && rules->unique_last &&
		store_user_password_add(c->db, u->id, hash, rules->unique_last, err) < 0)
		return -1;
	return 0;
}

static int set_in_tick(struct api_call *c, struct error *err)
{
	const struct change *ch = c->in;
	struct user u;

	if (store_user_load(c->db, c->arena, ch->user_id, &u, err) < 0)
		return -1;
	if (!str_eq(u.password_hash, ch->old_hash) || lockout_active(&u, c->now_us) || !u.enabled ||
		!u.domain_enabled)
		return unauthorized(
			err, "the password was changed meanwhile, or the user is locked or disabled");
	if (user_options(u.options) & USER_LOCK_PASSWORD)
		return error_set(
			err, ERR_FORBIDDEN, "This user's password is changed by administrators only.");
	if (password_age(&c->api->config.passwords, u.password_changed_us, u.password_expires_us, c->now_us,
		    err) < 0 ||
		passwords_set(c, &u, ch->new_hash, false, err) < 0 ||
		store_token_delete_user(c->db, u.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

static void made(struct api_call *c, enum password_outcome outcome, const char *hash)
{
	struct change *ch = c->in;
	struct error err = { 0 };
	struct user u;

	c->db = store_ro(c->api->store);
	if (ch->user_id && store_user_load(c->db, c->arena, ch->user_id, &u, &err) == 0) {
		if (outcome == PASSWORD_WRONG)
			lockout_count(c, &u);
		else if (lockout_active(&u, c->now_us))
			outcome = PASSWORD_WRONG; /* whatever else: a guesser must not learn that it was right
						   */
	}
	if (password_refused(c, outcome, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	ch->new_hash = hash;
	api_submit(c, set_in_tick);
}

int identity_user_password(struct api_call *c, struct error *err)
{
	struct change *ch = c->in;
	struct password_work work = { 0 };
	struct user u = { 0 };

	c->target = api_param(c, "user_id");
	if (password_strength(&c->api->config.passwords, ch->password, err) < 0)
		return -1;
	/* who does not exist costs as much work as who does */
	if (store_user_get(c->db, c->arena, c->target, &u, err) < 0 && err->code != ERR_NOT_FOUND)
		return -1;
	if (passwords_earlier(c, &u, &work, err) < 0)
		return -1;
	ch->user_id = u.id;
	ch->old_hash = u.password_hash;
	work.given = ch->original;
	/* a right guess costs more: the new password is hashed as well. Of who is locked, none is right. */
	work.hash = lockout_active(&u, c->now_us) ? NULL : u.password_hash;
	work.fresh = ch->password;
	return password_submit(c, &work, made, err);
}
