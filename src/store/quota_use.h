/* SPDX-License-Identifier: Apache-2.0 */
/* What projects use, counted from the rows: the truth that the index in memory is built from and compared
 * with. */
#ifndef STORE_QUOTA_USE_H
#define STORE_QUOTA_USE_H

#include <stdint.h>

#include "base/arena.h"
#include "domain/quota.h"
#include "store/db.h"

struct quota_use_row { /* of live servers of a project with the same extra specs, also in their moves */
	int64_t project_id, servers, vcpus, ram_mib,
		disk_gib;                      /* of each server the larger of its two flavors */
	const char *extra_specs, *other_specs; /* other_specs NULL: no move is open */
};
int store_quota_use_servers(
	struct db *db, struct arena *a, struct quota_use_row **out, size_t *out_n, struct error *err);

/* Adds which project is below which, and all that is counted one by one: ports, addresses, server groups,
 * images. */
int store_quota_use_all(struct db *db, struct quota_index *q, struct error *err);
/* Images of one project are counted anew, after any of them came, went, changed owner or got data. */
int store_quota_use_images(struct db *db, struct quota_index *q, int64_t project_id, struct error *err);

#endif
