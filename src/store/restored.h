/* SPDX-License-Identifier: Apache-2.0 */
/* That the rows are older than the world: the database was put back from a backup, and nobody has said yet
 * that what the hosts have was looked over. Until then nothing that the rows do not know is taken away, and
 * work that the backup had under way waits. */
#ifndef STORE_RESTORED_H
#define STORE_RESTORED_H

#include "store/db.h"

/* What flows say that a restore held back. */
#define RESTORED_HELD "held back: the cloud was restored (cloudctl recovery finish)"

struct restored {
	int64_t at_us;     /* when it was put back */
	int64_t backup_us; /* when the backup was made */
	char backup[128];  /* its name */
};

/* 1, 0 it was not, or that is over; -1. */
int store_restored_get(struct db *db, struct restored *out, struct error *err);
/* It is over. The ids of the flows that were held back, in the arena; who calls sets them going. Inside a
 * unit. */
int store_restored_end(struct db *db, struct arena *a, int64_t **out_flows, size_t *out_n, struct error *err);

#endif
