/* SPDX-License-Identifier: Apache-2.0 */
/* POST /users/{id}/password: one's own, by showing the old one. Both are worked on by the passwords lane. */
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

static int set_in_tick(struct api_call *c, struct error *err)
{
	const struct change *ch = c->stream.data_ctx;
	struct user u;

	if (store_user_load(c->db, c->arena, ch->user_id, &u, err) < 0)
		return -1;
	if (!str_eq(u.password_hash, ch->old_hash) || lockout_active(&u, c->now_us))
		return unauthorized(err, "the password was changed meanwhile, or the user is locked");
	if (store_user_set_password(c->db, u.id, ch->new_hash, c->now_us, err) < 0 ||
		store_token_delete_user(c->db, u.id, err) < 0)
		return -1;
	tokens_changed(c);
	return no_content(c);
}

static void made(struct api_call *c, bool ok, const char *hash)
{
	struct change *ch = c->stream.data_ctx;
	struct error err;

	if (!ok) {
		error_set(&err, ERR_UNAVAILABLE, "The password could not be hashed: memory is short.");
		api_fail(c, &err);
		return;
	}
	ch->new_hash = hash;
	api_submit(c, set_in_tick);
}

static void checked(struct api_call *c, bool ok, const char *hash)
{
	const struct change *ch = c->stream.data_ctx;
	struct error err = { 0 };
	struct user u;

	(void)hash;
	c->db = store_ro(c->api->store);
	if (ok) {
		if (password_make(c, ch->password, made, &err) < 0)
			api_fail(c, &err);
		return;
	}
	if (store_user_load(c->db, c->arena, ch->user_id, &u, &err) == 0)
		lockout_count(c, &u);
	unauthorized(&err, "wrong original_password");
	api_fail(c, &err);
}

int identity_user_password(struct api_call *c, struct error *err)
{
	struct change *ch = ARENA_NEW(c->arena, struct change);
	const char *uid = api_param(c, "user_id");
	struct user u;

	if (!api_is_admin(c) && !is_self(c, uid))
		return forbidden(err);
	c->target = uid;
	if (api_bind(c, "user", fields, ARRAY_LEN(fields), ch, NULL, err) < 0 ||
		store_user_get(c->db, c->arena, uid, &u, err) < 0)
		return -1;
	ch->user_id = u.id;
	ch->old_hash = u.password_hash;
	c->stream.data_ctx = ch;
	return password_check(c, ch->original, u.password_hash, checked, err);
}
