/* SPDX-License-Identifier: Apache-2.0 */
/* Files of images that flows make of servers' disks: named by the image's id in the directory of images, and
 * given the same looks as an upload. A file without an active row is a left-over, removed at the next start.
 */
#ifndef FLOW_IMAGE_FILE_H
#define FLOW_IMAGE_FILE_H

#include "flow/internal.h"

struct image_data { /* what is known of the bytes */
	int64_t size, virtual_size;
	char md5[33], sha512[129];
};

/* On a lane: the qcow2 volume's bytes as the image's file, whole and durable, or no file. ERR_TOO_LARGE above
 * `max` bytes. */
int image_file_fetch(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *volume,
	const char *path, int64_t max, struct image_data *out, struct error *err);

/* In a unit: the image's file goes, on a thread, once the unit is on disk. */
void image_file_forget(struct flow_engine *e, const char *uid);
/* For the engine's part in the tick. */
void image_files_undo(struct flow_engine *e, size_t mark);
void image_files_done(struct flow_engine *e);
void image_files_destroy(struct flow_engine *e);

#endif
