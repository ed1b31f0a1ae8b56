/* SPDX-License-Identifier: Apache-2.0 */
/* What a host says of a guest: the parts that calls on its devices need, and its definition for another host.
 * Pure: text in, structs and text out. */
#ifndef HV_LIBVIRT_GUESTXML_H
#define HV_LIBVIRT_GUESTXML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct guest_disk {
	const char *dev;    /* "vda" */
	const char *volume; /* NULL: not a volume of a pool */
};

struct guest {
	const struct guest_disk *disks;
	size_t disks_n;
	const char *const *macs; /* of its network cards, in their order */
	size_t macs_n;
	bool hostdevs; /* has devices of the host passed through */
};

/* Into the arena. */
int guestxml_read(struct arena *a, const char *xml, struct guest *out, struct error *err);

struct hv_domain;
struct guest_place { /* NULL: as it is */
	const char *pool, *emulator, *log_path;
	const struct hv_domain *promise; /* where its processors and memory lie there */
	int64_t epoch;                   /* of its mark; 0: as it is */
};

/* The definition as another host wants it: disks in its pool, without the backing images that they have here,
 * the console's log where it keeps them, pins and cells as it gives them. */
int guestxml_place(const char *xml, const struct guest_place *place, struct buf *out, struct error *err);

#endif
