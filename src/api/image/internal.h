/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the image service share among themselves. */
#ifndef API_IMAGE_INTERNAL_H
#define API_IMAGE_INTERNAL_H

#include "api/image/image.h"
#include "store/images.h"

/* The routes' handlers, by file. */
api_handler image_create, image_show, image_delete, image_patch; /* images.c, patch.c */
api_handler image_list;                                          /* list.c */
api_handler image_tag_add, image_tag_remove, image_deactivate, image_reactivate;
api_handler image_member_list, image_member_show, image_member_create, image_member_set, image_member_delete;
api_handler image_upload, image_stage;                        /* upload.c: ROUTE_OWN, ROUTE_STREAM */
api_handler image_import, image_info_import;                  /* import.c */
api_handler image_tasks_of, image_task_list, image_task_show; /* tasks.c */
api_handler image_download;                                   /* download.c: ROUTE_OWN */
api_handler image_schema;                                     /* schemas.c */

/* images.c */
struct image_viewer image_viewer(const struct api_call *c);
bool image_is_own(const struct api_call *c, const struct image *i); /* the owner's, or an administrator's */
/* {image_id} of the path on c->db: ERR_NOT_FOUND also for what the caller may not see. */
int image_find(struct api_call *c, struct image *out, struct error *err);
/* And the caller may change it, else ERR_FORBIDDEN. */
int image_find_own(struct api_call *c, struct image *out, struct error *err);
void image_view(struct buf *out, const struct image *i);
/* May the project have so many images, and bytes of data, more? ERR_OVER_QUOTA. out_left (may be NULL): bytes
 * of data it may have altogether beyond what there is. */
int image_quota(struct api *api, struct db *db, int64_t project_id, int64_t images, int64_t bytes,
	int64_t *out_left, struct error *err);
/* Inside a unit: a project's images are others, or other in size, than before. */
int image_counted(struct api *api, struct db *db, int64_t project_id, struct error *err);
/* Do the owner's guardrails allow an image of that visibility? */
int image_allowed(struct api_call *c, const struct image *i, struct error *err);

/* import.c: "glance-direct", and what else is offered */
const char *image_import_methods(const struct api *api);
/* At start: downloads that had been accepted go on. */
int image_import_resume(struct api *api, struct error *err);
void image_import_finish(void);

/* attributes.c: what a client may set. Values are copied into the call's arena. */
struct image_edit {
	struct api_call *call;
	struct image *image;
	bool creating;
};
extern const struct bind_table image_import_body, image_create_body, image_member_body,
	image_member_status_body;
extern const char *const image_disk_formats[], *const image_container_formats[], *const image_visibilities[];
/* Sets one attribute or property by its JSON name. */
int image_attribute_set(struct image_edit *e, const char *name, json_t *value, struct error *err);
/* Removes a property; ERR_FORBIDDEN for attributes, ERR_CONFLICT when there is none. */
int image_attribute_remove(struct image_edit *e, const char *name, struct error *err);
/* Does it have that property, or is it an attribute (which always exists)? */
bool image_attribute_exists(const struct image_edit *e, const char *name);
bool image_attribute_known(const char *name);
/* 1 to 255 characters. */
int image_tag_check(const char *tag, struct error *err);
bool image_word_known(const char *const *words, const char *word); /* words end with NULL */

/* patch.c: pure. Applies a JSON patch (legacy: the v2.0 form) to e->image. */
int image_patch_apply(struct image_edit *e, const json_t *patch, bool legacy, struct error *err);

#endif
