/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `usage`, for reports. What writes them is in books.h. Times are books time. */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct usage_row { /* a server's interval with its server; strings in the arena */
	int64_t project_id, server_id;
	const char *server_uid, *server_name, *flavor_name, *state, *vm_state;
	int64_t vcpus, ram_mib, disk_gib, gpus;
	int64_t started_us, ended_us;                   /* ended 0: open */
	int64_t created_us, launched_us, terminated_us; /* the server's, wall time */
};

/* The servers' intervals that meet [from, to), of a project (0: all), by project, server and start. */
int store_usage_list(struct db *db, struct arena *a, int64_t project_id, int64_t from_us, int64_t to_us,
	struct usage_row **out, size_t *out_n, struct error *err);

/* The one text that a query gives for an id; *out stays as it is when there is none. */
int store_usage_name(struct db *db, struct arena *a, const char *sql, const char *uid, const char **out,
	struct error *err);

#endif
