/* SPDX-License-Identifier: Apache-2.0 */
/* Images: create, show, delete, tags, (de)activation; and who may see and change which. */
#include "api/image/internal.h"

#include <string.h>

#include "api/image/disk.h"
#include "base/crypto.h"
#include "base/util.h"
#include "flow/flow.h"
#include "store/guardrails.h"
#include "store/quota_use.h"
#include "store/quotas.h"

enum { MIB = 1 << 20 };

struct image_viewer image_viewer(const struct api_call *c)
{
	return (struct image_viewer) { c->who->project.id, api_is_admin(c) };
}

bool image_is_own(const struct api_call *c, const struct image *i)
{
	return api_is_admin(c) || (c->who->project.id && i->project_id == c->who->project.id);
}

int image_find(struct api_call *c, struct image *out, struct error *err)
{
	if (store_image_get(c->db, c->arena, image_viewer(c), api_param(c, "image_id"), out, err) < 0)
		return -1;
	c->target = out->uid;
	return 0;
}

int image_find_own(struct api_call *c, struct image *out, struct error *err)
{
	if (image_find(c, out, err) < 0)
		return -1;
	if (!image_is_own(c, out))
		return error_set(err, ERR_FORBIDDEN,
			"You are not permitted to modify this image: it belongs "
			"to another project.");
	return 0;
}

/* --- the view ---------------------------------------------------------------------------------------------
 */

static void kv_size(struct buf *out, const char *key, int64_t v)
{
	if (v < 0)
		jw_kv_null(out, key);
	else
		jw_kv_int(out, key, v);
}

void image_view(struct buf *out, const struct image *i)
{
	char text[TIME_TEXT];

	jw_object(out);
	/* first, so that a property can never hide an attribute */
	for (size_t k = 0; k < i->properties_n; k++)
		jw_kv_str(out, i->properties[k].key, i->properties[k].value);
	jw_kv_str(out, "id", i->uid);
	jw_kv_str(out, "name", i->name);
	jw_kv_str(out, "status", i->status);
	jw_kv_str(out, "visibility", i->visibility);
	jw_kv_str(out, "disk_format", i->disk_format);
	jw_kv_str(out, "container_format", i->container_format);
	kv_size(out, "size", i->size);
	kv_size(out, "virtual_size", i->virtual_size);
	jw_kv_str(out, "checksum", i->checksum);
	jw_kv_str(out, "os_hash_algo", i->sha512 ? "sha512" : NULL);
	jw_kv_str(out, "os_hash_value", i->sha512);
	jw_kv_int(out, "min_disk", i->min_disk_gib);
	jw_kv_int(out, "min_ram", i->min_ram_mib);
	jw_kv_bool(out, "protected", i->is_protected);
	jw_kv_bool(out, "os_hidden", i->hidden);
	jw_kv_str(out, "owner", i->project_uid);
	jw_key(out, "tags");
	jw_array(out);
	for (size_t k = 0; k < i->tags_n; k++)
		jw_str(out, i->tags[k]);
	jw_end_array(out);
	jw_kv_str(out, "created_at", time_iso(i->created_us, text));
	jw_kv_str(out, "updated_at", time_iso(i->updated_us, text));
	jw_key(out, "self");
	jw_strf(out, "/v2/images/%s", i->uid);
	jw_key(out, "file");
	jw_strf(out, "/v2/images/%s/file", i->uid);
	jw_kv_str(out, "schema", "/v2/schemas/image");
	jw_end_object(out);
}

int image_show(struct api_call *c, struct error *err)
{
	struct image i;

	if (image_find(c, &i, err) < 0)
		return -1;
	image_view(&c->out, &i);
	return 0;
}

/* --- create -----------------------------------------------------------------------------------------------
 */

int image_quota(struct api *api, struct db *db, int64_t project_id, int64_t images, int64_t bytes,
	int64_t *out_left, struct error *err)
{
	const struct quota_index *q = flow_quota(api->flows);
	struct quota_amount want[] = { { QUOTA_IMAGES, images },
		{ QUOTA_IMAGE_MIB, (bytes + MIB - 1) / MIB } };
	struct quota_amount each = { QUOTA_IMAGE_MIB, 1 };
	int64_t room = 0;

	if (store_quota_admit(db, q, project_id, &(struct quota_amounts) { want, 2, 2 }, err) < 0)
		return -1;
	if (!out_left)
		return 0;
	if (store_quota_room(db, q, project_id, &(struct quota_amounts) { &each, 1, 1 }, INT64_MAX / MIB,
		    &room, err) < 0)
		return -1;
	*out_left = room == INT64_MAX / MIB ? INT64_MAX : room * MIB;
	return 0;
}

int image_counted(struct api *api, struct db *db, int64_t project_id, struct error *err)
{
	return store_quota_use_images(db, flow_quota(api->flows), project_id, err);
}

int image_allowed(struct api_call *c, const struct image *i, struct error *err)
{
	return store_guardrail_check(
		c->db, i->project_id, &(struct guardrail_ask) { .visibility = i->visibility }, err);
}

static struct image fresh_image(struct api_call *c)
{
	char *uid = arena_alloc(c->arena, UUID_TEXT);

	uuid_make(c->api->loop->rng, uid);
	return (struct image) {
		.id = store_next_id(c->api->store),
		.uid = uid,
		.project_id = c->who->project.id,
		.project_uid = c->who->project.uid,
		.status = "queued",
		.visibility = "shared",
		.size = -1,
		.virtual_size = -1,
		.created_us = c->now_us,
		.updated_us = c->now_us,
		.properties = ARENA_ARRAY(c->arena, struct image_property, IMAGE_PROPERTIES_MAX),
		.tags = ARENA_ARRAY(c->arena, const char *, IMAGE_TAGS_MAX),
	};
}

int image_create(struct api_call *c, struct error *err)
{
	struct image i = fresh_image(c);
	struct image_edit e = { c, &i, true };
	const char *key;
	json_t *v;

	json_object_foreach(c->body, key, v)
	{
		if (!json_is_null(v) && image_attribute_set(&e, key, v, err) < 0)
			return -1;
	}
	if (!i.project_id)
		return error_set(err, ERR_BAD_REQUEST,
			"an image belongs to a project: use a token scoped to one, or name the owner");
	if (image_allowed(c, &i, err) < 0 || image_quota(c->api, c->db, i.project_id, 1, 0, NULL, err) < 0 ||
		store_image_insert(c->db, &i, err) < 0 || image_counted(c->api, c->db, i.project_id, err) < 0)
		return -1;
	c->status = 201;
	c->target = i.uid;
	api_header(c, "Location", api_url(c, "/image/v2/images/%s", i.uid));
	api_header(c, "OpenStack-image-import-methods", image_import_methods(c->api));
	image_view(&c->out, &i);
	return 0;
}

/* --- delete -----------------------------------------------------------------------------------------------
 */

static void remove_file(struct api_call *c)
{
	disk_remove(c->api, c->target);
}

/* Just now, by a request or an import. */
static bool data_come(const struct image *i)
{
	return strcmp(i->status, "saving") == 0 || strcmp(i->status, "importing") == 0 ||
	       (strcmp(i->status, "uploading") == 0 && i->size < 0);
}

int image_delete(struct api_call *c, struct error *err)
{
	struct image i;

	if (image_find_own(c, &i, err) < 0)
		return -1;
	if (i.is_protected)
		return error_set(err, ERR_FORBIDDEN, "Image %s is protected and cannot be deleted.", i.uid);
	if (store_image_delete(c->db, i.id, c->now_us, err) < 0 ||
		image_counted(c->api, c->db, i.project_id, err) < 0 ||
		flow_image_deleted(c->api->flows, c->db, i.id, err) < 0)
		return -1;
	/* what comes in just now notices the deleted row, and removes its file itself */
	if (!data_come(&i))
		c->committed = remove_file;
	c->status = 204;
	return 0;
}

/* --- tags and actions -------------------------------------------------------------------------------------
 */

static size_t tag_index(const struct image *i, const char *tag)
{
	size_t k = 0;

	while (k < i->tags_n && strcmp(i->tags[k], tag) != 0)
		k++;
	return k;
}

static int save(struct api_call *c, struct image *i, struct error *err)
{
	i->updated_us = c->now_us;
	c->status = 204;
	return store_image_update(c->db, i, err);
}

int image_tag_add(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag");
	struct image i;

	if (image_find_own(c, &i, err) < 0 || image_tag_check(tag, err) < 0)
		return -1;
	c->status = 204;
	if (tag_index(&i, tag) < i.tags_n)
		return 0;
	if (i.tags_n == IMAGE_TAGS_MAX)
		return error_set(err, ERR_TOO_LARGE, "an image has at most %d tags", IMAGE_TAGS_MAX);
	i.tags[i.tags_n++] = tag;
	return save(c, &i, err);
}

int image_tag_remove(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag");
	struct image i;
	size_t k;

	if (image_find_own(c, &i, err) < 0)
		return -1;
	k = tag_index(&i, tag);
	if (k == i.tags_n)
		return error_set(err, ERR_NOT_FOUND, "The image has no tag '%.64s'.", tag);
	i.tags[k] = i.tags[--i.tags_n];
	return save(c, &i, err);
}

static int move(struct api_call *c, const char *from, const char *to, struct error *err)
{
	struct image i;

	if (image_find_own(c, &i, err) < 0)
		return -1;
	c->status = 204;
	if (strcmp(i.status, to) == 0)
		return 0;
	if (strcmp(i.status, from) != 0)
		return error_set(err, ERR_FORBIDDEN, "Not allowed to move image %s from status %s to %s.",
			i.uid, i.status, to);
	return store_image_move(c->db, i.id, from, to, c->now_us, err) < 0 ? -1 : 0;
}

int image_deactivate(struct api_call *c, struct error *err)
{
	return move(c, "active", "deactivated", err);
}

int image_reactivate(struct api_call *c, struct error *err)
{
	return move(c, "deactivated", "active", err);
}
