/* SPDX-License-Identifier: Apache-2.0 */
/* What servers were asked for of late. */
#ifndef STORE_SERVER_MIX_H
#define STORE_SERVER_MIX_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct server_mix_row { /* servers alike, deleted ones with them */
	int64_t vcpus, ram_mib, made, gone;
	const char *extra_specs; /* never "{}": such servers want nothing special */
};

/* Of the newest servers that were made since then, the most frequent kinds first; at most max. */
int store_server_mix(struct db *db, struct arena *a, int64_t since_us, size_t max,
	struct server_mix_row **out, size_t *out_n, struct error *err);

#endif
