/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef HV_INTERNAL_H
#define HV_INTERNAL_H

#include <stdbool.h>

#include "hv/hv.h"

extern const struct hv_driver hv_libvirt_driver;
extern const struct hv_driver hv_sim_driver;

/* The cloud whose mark our domains carry; "" before hv_init. */
const char *hv_cloud_id(void);

/* By its name: an image, or a disk of a server (no log, no marker). */
bool hv_volume_ours(const char *name);

/* blank.c: a volume that has a size and no bytes, read into fd: an empty image, or zeroes. */
int hv_blank_read(
	const char *name, int64_t capacity, int fd, int64_t max, int64_t *out_size, struct error *err);
/* data, and a hole up to size, become fd's content. */
int hv_file_write(int fd, const struct buf *data, int64_t size, struct error *err);
/* A file of the controller's could not be written, as errno says; a full disk is ERR_NO_SPACE. */
int hv_file_failed(struct error *err);
int hv_too_large(int64_t max, struct error *err);

/* Runs fn(arg) on the loop's thread, in the order of the calls; from any thread. False when there is no loop
 * (before hv_init, after hv_finish): fn is not called. */
bool hv_post(void (*fn)(void *arg), void *arg);
/* Is this the loop's thread? */
bool hv_on_loop(void);
/* The watch on a descriptor that libvirt added last on this thread; shuts the socket that a watch is on, if
 * it is there still. */
extern _Thread_local int hv_watch_last;
void hv_watch_shut(int id);

/* Where a console's log is read from: piece 0 is the log itself, 1 what was rotated away last. */
struct log_source {
	int (*size)(void *ctx, int piece, int64_t *out, struct error *err); /* -1: it is not there */
	int (*read)(void *ctx, int piece, int64_t offset, size_t n, struct buf *out, struct error *err);
};
/* log_follow.c: console_follow for one log. */
int log_follow(struct hv_log *l, const struct log_source *from, void *ctx, size_t max, struct error *err);

/* The bridge between the loop and libvirt; see libvirt/events.c. */
int hv_events_init(void *uv_loop, struct error *err);
void hv_events_finish(void);
int hv_libvirt_init(struct error *err);
void hv_libvirt_finish(void);

#endif
