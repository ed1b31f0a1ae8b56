/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `allocation` and `allocation_device`: what servers hold of hosts. */
#ifndef STORE_ALLOCATIONS_H
#define STORE_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct allocation_device {  /* given whole */
	int64_t id;         /* device row */
	int64_t guest_cell; /* the server's cell that it is close to; -1: none is */
};

struct allocation_cell { /* the place in the list is the server's cell */
	int64_t cell;    /* the host's */
	int64_t vcpus, ram_mib, page_kib;
};

struct allocation_part {
	int64_t device_id;
	const char *uid;      /* of its mediated device */
	const char *profile;  /* "": a share alone */
	int64_t start, slots; /* -1, 0: a share alone */
	int64_t share;        /* thousandths of the GPU */
	int64_t guest_cell;
};

/* Arrays are in the order of their keys: device ids, cells, vCPUs, rows of parts. */
struct allocation_row {
	int64_t id; /* the server's: where it lives; else a move's, or one of its own */
	int64_t server_id, host_id, vcpus, ram_mib, disk_gib;
	/* Of these what it takes of the host's own amounts: nothing for pinned vCPUs and huge pages. */
	int64_t float_vcpus, float_ram_mib;
	bool exclusive; /* no other server on the host */
	bool preemptible;
	int64_t block_id; /* the capacity block that it uses; 0: none */
	const struct allocation_device *devices;
	size_t devices_n;
	/* Devices that the server's other allocation on this host holds, and that this one has as well once
	 * the server lives by it. */
	const struct allocation_device *also;
	size_t also_n;
	const struct allocation_cell *cells;
	size_t cells_n;
	const int16_t *cpus; /* of vCPU i */
	size_t cpus_n;       /* 0: not pinned */
	bool cpus_isolated;  /* no one else gets the other threads of their cores */
	const int16_t *idle; /* these; insert finds them by itself */
	size_t idle_n;
	const struct allocation_part *parts;
	size_t parts_n;
};

/* The last guard against giving twice: ERR_CONFLICT when the rows on the host would pass its capacity, or the
 * huge pages of a cell; a CPU or slot is held; a device is held, is not there, or is another host's; one
 * would be given whole and in part, or more than whole. id 0: the server's. */
int store_allocation_insert(struct db *db, const struct allocation_row *a, struct error *err);
/* What was held before, and never given away, is held in another way: what the host has is not asked. */
int store_allocation_restore(struct db *db, const struct allocation_row *a, struct error *err);
/* By its key; devices in the arena. 1 found, 0 nothing, -1. */
int store_allocation_get(
	struct db *db, struct arena *a, int64_t id, struct allocation_row *out, struct error *err);
int store_allocation_remove(struct db *db, int64_t id, struct error *err);
/* Of a server (0: all), by key. */
int store_allocation_list(struct db *db, struct arena *a, int64_t server_id, struct allocation_row **out,
	size_t *out_n, struct error *err);
/* Keys of what is left on a host by servers that do not live there, and of no open move. */
/* How many are being cleared away there, behind servers that went elsewhere. */
int store_allocation_leaving(struct db *db, int64_t host_id, int64_t *out_n, struct error *err);
int store_allocation_left(
	struct db *db, struct arena *a, int64_t host_id, int64_t **out, size_t *out_n, struct error *err);

#endif
