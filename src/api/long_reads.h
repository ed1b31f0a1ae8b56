/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that take long are read and rendered on a thread, each on a connection of its own, so that nobody
 * waits for another's: the routes that have ROUTE_LONG, for owners for whom they were measured to take long.
 * What their handlers use is the call, its principal, c->db and constants; of the loop's memory nothing but
 * what is handed to them. */
#ifndef API_LONG_READS_H
#define API_LONG_READS_H

#include "api/api.h"

struct long_reads;
struct long_reads *long_reads_create(struct api *api);
void long_reads_destroy(struct long_reads *r);

/* True: the call is taken, and will be answered. False: it is short, and the caller's to run. */
bool long_read_take(struct api_call *c);
/* It was, and took so long. */
void long_read_ran(struct api_call *c, int64_t us);

struct long_reads_stats {
	uint64_t taken;
	unsigned waiting;
};
void long_reads_stats(const struct long_reads *r, struct long_reads_stats *out);

#endif
