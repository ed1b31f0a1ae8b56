/* SPDX-License-Identifier: Apache-2.0 */
/* Images that are made of servers: what of them goes when a newer one has come. */
#ifndef STORE_SNAPSHOTS_H
#define STORE_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

/* Properties by which a backup is known, and which are read again when it is there. */
#define SNAPSHOT_TYPE "image_type"
#define SNAPSHOT_INSTANCE "instance_uuid"
#define SNAPSHOT_BACKUP_TYPE "backup_type"
#define SNAPSHOT_ROTATION "backup_rotation"

/* The older backups that are too many beside this one (an image's row): of the same project, server and
 * type, active and not protected. None when the image is no backup. Row ids in the arena, newest first. */
int store_snapshot_surplus(
	struct db *db, struct arena *a, int64_t image_id, int64_t **out, size_t *out_n, struct error *err);

#endif
