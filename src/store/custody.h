/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `device_custody` and `custody_record`: devices between two servers, and the record of each such way
 * that is over. Strings are in the caller's arena. */
#ifndef STORE_CUSTODY_H
#define STORE_CUSTODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct custody_pass { /* a device that is to be reset, as it was when it was given back */
	int64_t device_id;
	const char *server_uid, *project_uid; /* who had it; "": nobody */
	bool by_operator;                     /* no flow resets it */
	int64_t vendor_id, product_id, numa_cell, iommu_group;
	int64_t released_us, reset_us; /* reset_us 0: not yet */
};

/* 1, 0 none, -1. */
int store_custody_get(
	struct db *db, struct arena *a, int64_t device_id, struct custody_pass *out, struct error *err);
/* It is to be reset: of the pass the device, who had it and who resets it count. */
int store_custody_begin(struct db *db, const struct custody_pass *p, int64_t now_us, struct error *err);
/* Not the operator but a flow resets it from here on. */
int store_custody_by_flow(struct db *db, int64_t device_id, struct error *err);
/* It was reset. */
int store_custody_was_reset(struct db *db, int64_t device_id, int64_t now_us, struct error *err);

enum custody_result { CUSTODY_CLEAN, CUSTODY_CLEARED, CUSTODY_QUARANTINED };
/* The way is over: the record is written, and the device is clean or quarantined. */
int store_custody_end(struct db *db, int64_t device_id, enum custody_result result, const char *words,
	int64_t now_us, struct error *err);
/* An operator says that a quarantined device is clean, which was on no way. */
int store_custody_cleared(struct db *db, int64_t device_id, int64_t now_us, struct error *err);

struct custody_held { /* what an allocation holds */
	int64_t device_id;
	const char *custody, *server_uid, *project_uid;
};
/* Its whole devices. */
int store_custody_held(struct db *db, struct arena *a, int64_t allocation_id, struct custody_held **out,
	size_t *out_n, struct error *err);
/* A quarantined device is given back as it is: that is a record, too. */
int store_custody_kept(struct db *db, const struct custody_held *h, int64_t now_us, struct error *err);
/* And a record for each part that the allocation holds: its mediated device was removed. */
int store_custody_parts(struct db *db, int64_t allocation_id, int64_t now_us, struct error *err);

struct custody_lost { /* a server that has a device which is not on its host */
	int64_t server_id;
	const char *server_uid, *state, *address, *host;
	bool has_flow;
	int64_t settled_us; /* what is known of its power is of then */
};
/* Of a host; or of a server (host_id 0). */
int store_custody_lost(struct db *db, struct arena *a, int64_t host_id, int64_t server_id,
	struct custody_lost **out, size_t *out_n, struct error *err);

struct custody_record {
	int64_t id;
	const char *device_uid, *host, *address, *model, *part, *server_uid, *project_uid;
	int64_t released_us, reset_us, verified_us, ended_us;
	const char *result, *words;
};
/* Newest first, those before an id (0: all), at most `limit`. device_uid NULL: of all devices; server_uid
 * NULL: of all servers. */
struct custody_filter {
	const char *device_uid, *server_uid;
	int64_t before;
	size_t limit;
};
int store_custody_records(struct db *db, struct arena *a, const struct custody_filter *f,
	struct custody_record **out, size_t *out_n, struct error *err);
/* At most `rows` of those that ended before a time go. How many did, or -1. */
int store_custody_purge(struct db *db, int64_t before_us, int64_t rows, struct error *err);

#endif
