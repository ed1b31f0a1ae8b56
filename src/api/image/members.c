/* SPDX-License-Identifier: Apache-2.0 */
/* Sharing an image with other projects: the owner names members, each member accepts or rejects. */
#include <string.h>

#include "api/image/internal.h"
#include "base/util.h"
#include "store/projects.h"

static const char *const statuses[] = { "accepted", "rejected", "pending", NULL };

static void view_member(struct buf *out, const struct image *i, const struct image_member *m)
{
	char text[TIME_TEXT];

	jw_object(out);
	jw_kv_str(out, "member_id", m->project_uid);
	jw_kv_str(out, "image_id", i->uid);
	jw_kv_str(out, "status", m->status);
	jw_kv_str(out, "created_at", time_iso(m->created_us, text));
	jw_kv_str(out, "updated_at", time_iso(m->updated_us, text));
	jw_kv_str(out, "schema", "/v2/schemas/member");
	jw_end_object(out);
}

static int find_shared(struct api_call *c, struct image *out, struct error *err)
{
	if (image_find(c, out, err) < 0)
		return -1;
	if (strcmp(out->visibility, "shared") != 0)
		return error_set(err, ERR_FORBIDDEN, "Only shared images have members.");
	return 0;
}

/* A member sees itself alone. */
static const char *visible_member(const struct api_call *c, const struct image *i)
{
	return image_is_own(c, i) ? NULL : c->who->project.uid;
}

static int find_member(struct api_call *c, const struct image *i, struct image_member *out, struct error *err)
{
	const char *uid = api_param(c, "member_id"), *only = visible_member(c, i);
	struct image_member *list;
	size_t n = 0;

	if ((!only || strcmp(only, uid) == 0) &&
		store_image_members(c->db, c->arena, i->id, uid, &list, &n, err) < 0)
		return -1;
	if (!n)
		return error_set(err, ERR_NOT_FOUND, "%.64s not found in the member list of the image %s.",
			uid, i->uid);
	*out = list[0];
	return 0;
}

int image_member_list(struct api_call *c, struct error *err)
{
	struct image i;
	struct image_member *list;
	size_t n;

	if (find_shared(c, &i, err) < 0 ||
		store_image_members(c->db, c->arena, i.id, visible_member(c, &i), &list, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "members");
	jw_array(&c->out);
	for (size_t k = 0; k < n; k++)
		view_member(&c->out, &i, &list[k]);
	jw_end_array(&c->out);
	jw_kv_str(&c->out, "schema", "/v2/schemas/members");
	jw_end_object(&c->out);
	return 0;
}

int image_member_show(struct api_call *c, struct error *err)
{
	struct image i;
	struct image_member m;

	if (find_shared(c, &i, err) < 0 || find_member(c, &i, &m, err) < 0)
		return -1;
	view_member(&c->out, &i, &m);
	return 0;
}

struct member_body {
	const char *project, *status;
};

static const struct bind_field member_fields[] = {
	BIND(member_body, project, "member", BIND_STR, BIND_REQUIRED, 1, 64),
};

static const struct bind_field status_fields[] = {
	/* openstacksdk says again who the member is */
	BIND(member_body, project, "member", BIND_STR, 0, 0, 64),
	{ .name = "status",
		.type = BIND_STR,
		.offset = offsetof(struct member_body, status),
		.flags = BIND_REQUIRED,
		.words = statuses },
};

const struct bind_table image_member_body = { BIND_TABLE(member_body, member_fields) },
			image_member_status_body = { BIND_TABLE(member_body, status_fields) };

int image_member_create(struct api_call *c, struct error *err)
{
	const struct member_body *in = c->in;
	struct image i;
	struct project p;
	struct image_member m, *list;
	size_t n;

	if (find_shared(c, &i, err) < 0)
		return -1;
	if (!image_is_own(c, &i))
		return error_set(err, ERR_FORBIDDEN, "Only the owner of an image may share it.");
	if (store_project_get(c->db, c->arena, in->project, &p, err) < 0)
		return -1;
	if (store_image_members(c->db, c->arena, i.id, NULL, &list, &n, err) < 0)
		return -1;
	if (n >= IMAGE_MEMBERS_MAX)
		return error_set(
			err, ERR_TOO_LARGE, "an image is shared with at most %d projects", IMAGE_MEMBERS_MAX);
	m = (struct image_member) { i.id, p.id, p.uid, "pending", c->now_us, c->now_us };
	if (store_image_member_insert(c->db, &m, err) < 0)
		return -1;
	view_member(&c->out, &i, &m);
	return 0;
}

int image_member_set(struct api_call *c, struct error *err)
{
	const struct member_body *in = c->in;
	struct image i;
	struct image_member m;

	if (find_shared(c, &i, err) < 0 || find_member(c, &i, &m, err) < 0)
		return -1;
	if (!api_is_admin(c) && m.project_id != c->who->project.id)
		return error_set(err, ERR_FORBIDDEN, "Only the member itself may accept or reject an image.");
	m.status = in->status;
	m.updated_us = c->now_us;
	if (store_image_member_update(c->db, &m, err) < 0)
		return -1;
	view_member(&c->out, &i, &m);
	return 0;
}

int image_member_delete(struct api_call *c, struct error *err)
{
	struct image i;
	struct image_member m;

	if (find_shared(c, &i, err) < 0)
		return -1;
	if (!image_is_own(c, &i))
		return error_set(err, ERR_FORBIDDEN, "Only the owner of an image may end its sharing.");
	if (find_member(c, &i, &m, err) < 0)
		return -1;
	c->status = 204;
	return store_image_member_remove(c->db, i.id, m.project_id, err);
}
