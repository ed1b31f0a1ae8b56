/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_hints.h"

#include "base/util.h"
#include "store/calendar.h"

enum { HINTED_MAX = 64 }; /* servers */

static const struct bind_field server_id = { .type = BIND_STR, .min = 36, .max = 36 };

#define ONE(member, json_name)                                                                               \
	{                                                                                                    \
		.name = (json_name), .type = BIND_STR, .offset = offsetof(struct server_hints_body, member), \
		.min = 36, .max = 36                                                                         \
	}
#define SEVERAL(member, json_name)                                                                           \
	{                                                                                                    \
		.name = (json_name), .type = BIND_ARR, .offset = offsetof(struct server_hints_body, member), \
		.min = 1, .max = HINTED_MAX, .items = &server_id                                             \
	}

static const struct bind_field fields[] = {
	ONE(group, "group"),
	ONE(same, "same_host"),
	SEVERAL(all_same, "same_host"),
	ONE(different, "different_host"),
	SEVERAL(all_different, "different_host"),
	ONE(reservation, "reservation"),
};

#undef ONE
#undef SEVERAL

const struct bind_table server_hints_table = { BIND_TABLE(server_hints_body, fields) };

static int add_hint(struct api_call *c, int64_t project_id, enum hint_kind kind, const char *uid,
	struct server_create *want, struct error *err)
{
	struct server_hint *h = &want->hints[want->hints_n];
	struct server other;

	if (store_server_get(c->db, c->arena, project_id, uid, &other, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "%s: Instance %.64s could not be found.",
					 kind == HINT_SAME_HOST ? "same_host" : "different_host", uid)
			       : -1;
	*h = (struct server_hint) { kind, other.id };
	want->hints_n++;
	return 0;
}

static int add_hints(struct api_call *c, int64_t project_id, enum hint_kind kind, const char *one,
	const struct bind_list *all, struct server_create *want, struct error *err)
{
	const char *const *uids = all->items;

	if (one && add_hint(c, project_id, kind, one, want, err) < 0)
		return -1;
	for (size_t i = 0; i < all->n; i++)
		if (add_hint(c, project_id, kind, uids[i], want, err) < 0)
			return -1;
	return 0;
}

/* A capacity block of the project that has begun. */
static int add_reservation(struct api_call *c, int64_t project_id, const char *uid,
	struct server_create *want, struct error *err)
{
	struct block b;

	if (store_block_get(c->db, c->arena, false, project_id, uid, &b, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Reservation %.64s could not be found.", uid)
			       : -1;
	if (!str_eq(b.state, "active")) {
		char start[TIME_TEXT];

		return block_is_open(&b)
			       ? error_set(err, ERR_BAD_REQUEST, "Reservation %.64s begins at %s.", uid,
					 time_iso(b.start_us, start))
			       : error_set(err, ERR_BAD_REQUEST, "Reservation %.64s is %s.", uid, b.state);
	}
	want->hints[want->hints_n++] = (struct server_hint) { HINT_RESERVATION, b.id };
	return 0;
}

int server_find_hints(struct api_call *c, int64_t project_id, const struct server_hints_body *in,
	struct server_create *want, struct error *err)
{
	struct server_group g;

	want->hints = ARENA_ARRAY(c->arena, struct server_hint, in->all_same.n + in->all_different.n + 3);
	if (in->group) {
		if (store_server_group_get(c->db, c->arena, project_id, in->group, &g, err) < 0)
			return err->code == ERR_NOT_FOUND
				       ? error_set(err, ERR_BAD_REQUEST,
						 "Instance group %.64s could not be found.", in->group)
				       : -1;
		want->group_id = g.id;
	}
	if (in->reservation && add_reservation(c, project_id, in->reservation, want, err) < 0)
		return -1;
	if (add_hints(c, project_id, HINT_SAME_HOST, in->same, &in->all_same, want, err) < 0)
		return -1;
	return add_hints(c, project_id, HINT_DIFFERENT_HOST, in->different, &in->all_different, want, err);
}
