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
	int64_t memory_mib;         /* by its product; 0 unknown */
	const char *companions;     /* functions of its IOMMU group that go with it: "0000:65:00.1,..." */
	const char *mdev_types;     /* "nvidia-474=7:NVIDIA A100-1-5C;...": how many there can be */
	const char *health;         /* ok, faulty */
	const char *custody;        /* clean (or held), reset, quarantined: only a clean one is given */
	const char *custody_reason; /* the operator's, or what went wrong */
	const char *cut;            /* whole, mdev, or the name of a geometry */
	/* who holds it; read only */
	int64_t server_id; /* of all of it; 0: nobody */
	const char *server_uid;
	int64_t parts; /* how many partitions and shares of it are held */
	/* read only: the capacity block that it belongs to now or next (0: none), and whether that is being
	 * cleared, or has begun */
	int64_t block_id;
	bool block_begun;
	/* read only: of one whose custody is reset, when it was given back and reset (0: not yet), and
	 * whether that is the operator's to do */
	int64_t released_us, reset_us;
	bool by_operator;
};

/* Of a host (0: all), by host and address. */
int store_device_list(struct db *db, struct arena *a, int64_t host_id, struct device_row **out, size_t *out_n,
	struct error *err);
int store_device_insert(struct db *db, const struct device_row *d, struct error *err);
/* What was read from the host, by row id. */
int store_device_update(struct db *db, const struct device_row *d, struct error *err);
/* By uid, or HOST:ADDRESS ("node7:0000:65:00.0"). ERR_NOT_FOUND. */
int store_device_get(
	struct db *db, struct arena *a, const char *uid_or_place, struct device_row *out, struct error *err);
/* By row id: 1, 0 none, -1. */
int store_device_load(struct db *db, struct arena *a, int64_t id, struct device_row *out, struct error *err);
/* What is held of one that is cut, by slot. */
struct device_part {
	const char *profile, *server_uid;
	int64_t start, slots, share;
};
int store_device_parts(struct db *db, struct arena *a, int64_t id, struct device_part **out, size_t *out_n,
	struct error *err);
/* What the operator and flows say of it: health, custody with its reason, cut; by row id. */
int store_device_set_state(struct db *db, const struct device_row *d, struct error *err);

#endif
