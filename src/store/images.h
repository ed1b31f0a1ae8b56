/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `image` with their properties, tags and members. A deleted image keeps its row (deleted_us):
 * servers and hosts still name it, and its id is never given again. */
#ifndef STORE_IMAGES_H
#define STORE_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

enum { IMAGE_PROPERTIES_MAX = 128, IMAGE_TAGS_MAX = 128, IMAGE_MEMBERS_MAX = 128, IMAGE_NAME_MAX = 255 };

struct image_property {
	const char *key, *value;
};

struct image {
	int64_t id, project_id;
	const char *uid, *project_uid; /* project_uid is joined: only read */
	const char *name;              /* NULL: none */
	const char *status, *visibility;
	const char *disk_format, *container_format; /* NULL until set */
	int64_t size, virtual_size;                 /* bytes; -1 until there is data */
	const char *checksum, *sha512;              /* hex; NULL until there is data */
	int64_t min_disk_gib, min_ram_mib;
	bool is_protected, hidden;
	int64_t created_us, updated_us;
	const char *member_status;         /* the viewer's, when it is a member; only read */
	struct image_property *properties; /* room for IMAGE_PROPERTIES_MAX, by key */
	size_t properties_n;
	const char **tags; /* room for IMAGE_TAGS_MAX */
	size_t tags_n;
};

/* Who looks: sees its own images, public and community ones, and what is shared with it; an administrator
 * all. */
struct image_viewer {
	int64_t project_id; /* 0: none */
	bool is_admin;
};

/* By the client's id, with properties and tags. ERR_NOT_FOUND also for what the viewer may not see. */
int store_image_get(struct db *db, struct arena *a, struct image_viewer viewer, const char *uid,
	struct image *out, struct error *err);
struct image_scan { /* what of others a list may show, beside one's own images and public ones */
	struct image_viewer viewer;
	bool community;
	const char *member_status; /* of what is shared with the viewer; "all" */
};
/* Images in no particular order, without properties and tags; strings are borrowed during the call.
 * Administrators get all there are. fn returns 0 to go on, 1 to end, -1 with err. */
typedef int image_scan_fn(void *ctx, const struct image *i, struct error *err);
int store_image_scan(
	struct db *db, const struct image_scan *scan, image_scan_fn *fn, void *ctx, struct error *err);
/* 1 it has it, 0 not, -1. */
int store_image_has_property(
	struct db *db, int64_t id, const char *key, const char *value, struct error *err);
int store_image_has_tag(struct db *db, int64_t id, const char *tag, struct error *err);
/* Fills in properties and tags. */
int store_image_details(struct db *db, struct arena *a, struct image *i, struct error *err);
/* What a project's images come to: how many, and the MiB of their data, each image rounded up. */
int store_image_use(
	struct db *db, int64_t project_id, int64_t *out_images, int64_t *out_mib, struct error *err);

/* With properties and tags. ERR_CONFLICT when the uid was ever given. */
int store_image_insert(struct db *db, const struct image *i, struct error *err);
/* All that a tenant may change, properties and tags included. */
int store_image_update(struct db *db, const struct image *i, struct error *err);
/* From queued to a status in which data comes, when the disk format still is the one that the data is judged
 * by. 1, 0, -1 as below. */
int store_image_claim(struct db *db, int64_t id, const char *to, const char *disk_format, int64_t now_us,
	struct error *err);
/* 1 changed, 0 it is not (or no longer) in status `from`, -1. */
int store_image_move(
	struct db *db, int64_t id, const char *from, const char *to, int64_t now_us, struct error *err);
/* From saving or importing to active, with what is known of the data now. 1, 0, -1 as above. */
int store_image_activate(struct db *db, const struct image *i, int64_t now_us, struct error *err);
/* Uploading: all is there, and known; an import makes it active. 1, 0, -1 as above. */
int store_image_staged(struct db *db, const struct image *i, int64_t now_us, struct error *err);
int store_image_delete(struct db *db, int64_t id, int64_t now_us, struct error *err);

/* At start: uploads that were cut off; not what a flow brings. Rows changed, or -1. */
int store_image_requeue_all(struct db *db, int64_t now_us, struct error *err);
/* Shall there be a file of this image? 1, 0, -1. */
int store_image_has_data(struct db *db, const char *uid, struct error *err);

struct image_member {
	int64_t image_id, project_id;
	const char *project_uid, *status;
	int64_t created_us, updated_us;
};

/* project_uid NULL: all. Those of one image, in the arena. */
int store_image_members(struct db *db, struct arena *a, int64_t image_id, const char *project_uid,
	struct image_member **out, size_t *out_n, struct error *err);
/* ERR_CONFLICT when it is one already. */
int store_image_member_insert(struct db *db, const struct image_member *m, struct error *err);
int store_image_member_update(struct db *db, const struct image_member *m, struct error *err);
int store_image_member_remove(struct db *db, int64_t image_id, int64_t project_id, struct error *err);

#endif
