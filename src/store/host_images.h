/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `host_image`: an image as a volume of a host's pool. */
#ifndef STORE_HOST_IMAGES_H
#define STORE_HOST_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct host_image_row { /* with what is known of the image; strings in the arena */
	int64_t id, host_id, image_id;
	const char *state; /* staging, ready, error */
	const char *error; /* NULL: none */
	const char *image_uid, *image_status;
	const char *format; /* of the image: "qcow2", "raw" */
	int64_t size, virtual_size;
	bool image_deleted;
	int64_t servers; /* live servers on that host over that image; only store_host_image_load fills it */
};

/* 1 found, 0 none, -1. */
int store_host_image_find(struct db *db, struct arena *a, int64_t host_id, int64_t image_id,
	struct host_image_row *out, struct error *err);
/* By row. 1 found, 0 none, -1. */
int store_host_image_load(
	struct db *db, struct arena *a, int64_t id, struct host_image_row *out, struct error *err);
int store_host_image_insert(struct db *db, int64_t id, int64_t host_id, int64_t image_id, struct error *err);
int store_host_image_set(struct db *db, int64_t id, const char *state, const char *error_text,
	int64_t staged_us, struct error *err);
int store_host_image_remove(struct db *db, int64_t id, struct error *err);
/* Copies of deleted images that nothing on their host needs any more: those on the host, whatever image; with
 * host_id 0 those of the image, on all hosts. Ids in the arena. */
int store_host_image_unused(struct db *db, struct arena *a, int64_t host_id, int64_t image_id, int64_t **out,
	size_t *out_n, struct error *err);

struct image_facts { /* what a create needs of an image's row */
	const char *uid, *status, *format, *visibility;
	int64_t size, virtual_size, project_id;
	bool deleted, is_protected;
};
/* 1 found, 0 none, -1. */
int store_image_facts(
	struct db *db, struct arena *a, int64_t image_id, struct image_facts *out, struct error *err);

#endif
