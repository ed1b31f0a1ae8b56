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

/* Runs fn(arg) on the loop's thread, in the order of the calls; from any thread. False when there is no loop
 * (before hv_init, after hv_finish): fn is not called. */
bool hv_post(void (*fn)(void *arg), void *arg);
/* Is this the loop's thread? */
bool hv_on_loop(void);

/* The bridge between the loop and libvirt; see libvirt/events.c. */
int hv_events_init(void *uv_loop, struct error *err);
void hv_events_finish(void);
int hv_libvirt_init(struct error *err);
void hv_libvirt_finish(void);

#endif
