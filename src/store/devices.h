/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `device`: the GPUs and accelerators of hosts. Strings are in the caller's arena. */
#ifndef STORE_DEVICES_H
#define STORE_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct device_row {
	int64_t id, host_id;
	const char *uid, *address, *vendor, *product, *model, *driver; /* model "": unknown, never given */
	int64_t vendor_id, product_id, numa_cell, iommu_group;
	bool present;
	/* who holds it; read only */
	int64_t server_id; /* 0: nobody */
	const char *server_uid;
};

/* Of a host (0: all), by host and address. */
int store_device_list(struct db *db, struct arena *a, int64_t host_id, struct device_row **out, size_t *out_n,
	struct error *err);
int store_device_insert(struct db *db, const struct device_row *d, struct error *err);
/* What was read from the host, by row id. */
int store_device_update(struct db *db, const struct device_row *d, struct error *err);

#endif
