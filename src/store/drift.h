/* SPDX-License-Identifier: Apache-2.0 */
/* What rows say of things that were found on a host: whose a domain or a volume is, and which copies of
 * images should be there. */
#ifndef STORE_DRIFT_H
#define STORE_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct drift_owner { /* the server of a uid, seen from a host */
	int64_t id, epoch, host_id;
	int64_t deleted_us; /* 0: it lives */
	int64_t power_seen_us;
	const char *host; /* where it lives; NULL: nowhere */
	bool has_flow;    /* one works on it */
	bool holds;       /* it holds something of the host that was looked at */
	bool clearing;    /* by a flow that clears away what it left there */
};
/* 1 found, 0 never heard of it, -1. */
int store_drift_owner(struct db *db, struct arena *a, const char *uid, int64_t host_id,
	struct drift_owner *out, struct error *err);

struct drift_copy { /* of an image, on a host */
	const char *uid, *format, *state;
	int64_t staged_us;
	bool has_flow;
};
int store_drift_copies(struct db *db, struct arena *a, int64_t host_id, struct drift_copy **out,
	size_t *out_n, struct error *err);
/* The image of a uid: 1 found, 0 never heard of it, -1. */
int store_drift_image(struct db *db, const char *uid, int64_t *out_id, bool *out_deleted, struct error *err);

#endif
