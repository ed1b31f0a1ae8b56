/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the GPU ledger with the names of those they are about. */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/db.h"

struct ledger_filter {   /* NULL: any */
	const char *gpu; /* id, or HOST:ADDRESS */
	const char *host, *model;
	int64_t from_us, to_us; /* books time: what meets [from, to) */
	int64_t limit;
};

struct ledger_row { /* strings are borrowed during the call; NULL: nobody */
	const char *gpu_uid, *host, *address, *model, *zone, *owner, *profile, *state;
	const char *project_uid, *server_uid, *block_uid;
	int64_t share, started_us, ended_us; /* ended 0: open */
	bool preemptible;
};

typedef void ledger_row_fn(void *ctx, const struct ledger_row *row);
/* By host, address and time. *out_more: the limit cut them off. */
int store_ledger_walk(struct db *db, const struct ledger_filter *f, ledger_row_fn *fn, void *ctx,
	bool *out_more, struct error *err);

#endif
