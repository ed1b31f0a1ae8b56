/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `image_task`: imports of image data, under way and lately ended. */
#ifndef STORE_IMAGE_TASKS_H
#define STORE_IMAGE_TASKS_H

#include "base/arena.h"
#include "store/db.h"

struct image_task {
	int64_t id, image_id;
	const char *uid, *user_uid, *request_id;
	const char *method, *uri; /* uri: "" for data that were staged */
	const char *status, *message;
	int64_t created_us, updated_us, expires_us;
	/* joined: the image's */
	const char *image_uid, *image_status, *project_uid, *disk_format;
	int64_t project_id;
};

int store_image_task_insert(struct db *db, const struct image_task *t, struct error *err);
/* Ended; message "" with success. */
int store_image_task_end(struct db *db, int64_t id, const char *status, const char *message, int64_t now_us,
	struct error *err);
/* Cursors, newest first (open ones: oldest first), then rows: 1, 0 at the end, -1. In the arena. project_id
 * 0: of all; image_id 0: of all. */
int store_image_task_query(struct db *db, int64_t project_id, int64_t image_id, int64_t limit,
	sqlite3_stmt **out, struct error *err);
int store_image_task_open(struct db *db, sqlite3_stmt **out, struct error *err);
int store_image_task_next(sqlite3_stmt *st, struct arena *a, struct image_task *out, struct error *err);
/* ERR_NOT_FOUND. */
int store_image_task_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct image_task *out, struct error *err);
/* Removes at most `limit` that have ended and expired; how many, or -1. */
int store_image_task_purge(struct db *db, int64_t now_us, int64_t limit, struct error *err);

#endif
