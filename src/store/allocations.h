/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `allocation` and `allocation_device`: what servers hold of hosts. */
#ifndef STORE_ALLOCATIONS_H
#define STORE_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct allocation_row {
	int64_t id; /* the server's: where it lives; else a move's, or one of its own */
	int64_t server_id, host_id, vcpus, ram_mib, disk_gib;
	const int64_t *devices; /* ids of device rows */
	size_t devices_n;
	bool exclusive; /* no other server on the host */
};

/* The last guard against giving twice: ERR_CONFLICT when the rows on the host would pass its capacity, a
 * device is held, is not there, or is another host's. id 0: the server's. */
int store_allocation_insert(struct db *db, const struct allocation_row *a, struct error *err);
/* What was held before, and never given away, is held in another way: the host's capacity is not asked. */
int store_allocation_restore(struct db *db, const struct allocation_row *a, struct error *err);
/* By its key; devices in the arena. 1 found, 0 nothing, -1. */
int store_allocation_get(
	struct db *db, struct arena *a, int64_t id, struct allocation_row *out, struct error *err);
int store_allocation_remove(struct db *db, int64_t id, struct error *err);
/* Of a server (0: all), by key. */
int store_allocation_list(struct db *db, struct arena *a, int64_t server_id, struct allocation_row **out,
	size_t *out_n, struct error *err);
/* Keys of what is left on a host by servers that do not live there, and of no open move. */
int store_allocation_left(
	struct db *db, struct arena *a, int64_t host_id, int64_t **out, size_t *out_n, struct error *err);
/* PCI addresses of the devices that it holds, by address. */
int store_allocation_addresses(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err);

#endif
