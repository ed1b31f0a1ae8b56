/* SPDX-License-Identifier: Apache-2.0 */
/* What projects use, counted from the rows: the truth that the index in memory is built from and compared
 * with. */
#ifndef STORE_QUOTA_USE_H
#define STORE_QUOTA_USE_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct quota_use_row { /* of live servers of a project with the same extra specs, also in their moves */
	int64_t project_id, servers, vcpus, ram_mib; /* of each server the larger of its two flavors */
	const char *extra_specs, *other_specs;       /* other_specs NULL: no move is open */
};
int store_quota_use_servers(
	struct db *db, struct arena *a, struct quota_use_row **out, size_t *out_n, struct error *err);

struct quota_use_count {
	int64_t project_id, n;
};
int store_quota_use_ports(
	struct db *db, struct arena *a, struct quota_use_count **out, size_t *out_n, struct error *err);
/* Server groups of each project. */
int store_quota_use_groups(
	struct db *db, struct arena *a, struct quota_use_count **out, size_t *out_n, struct error *err);

#endif
