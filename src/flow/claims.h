/* SPDX-License-Identifier: Apache-2.0 */
/* What placement chose, as rows of the store, and such rows as what placement holds. */
#ifndef FLOW_CLAIMS_H
#define FLOW_CLAIMS_H

#include "flow/internal.h"
#include "placement/placement.h"
#include "store/allocations.h"

/* All of the row but whose it is (id, server_id); arrays in the arena. Parts get ids of their own. */
void claim_row(struct arena *a, const struct placement *p, const struct rng *rng,
	const struct placement_request *req, const struct placement_choice *c, struct allocation_row *out);
/* The other way, as far as placement_take reads it by force. */
void claim_held(
	const struct allocation_row *row, struct placement_request *req, struct placement_choice *out);
/* Of the row's vCPUs and memory what it takes of the host's own amounts. */
void claim_floats(struct allocation_row *row);
/* No cells, CPUs, pages or parts: it can be anywhere on its host. */
bool claim_is_plain(const struct allocation_row *row);

/* Takes for a server, under the key, what was chosen: in memory and in rows. Inside a unit. */
int claim_take(struct flow_engine *e, struct db *db, struct arena *a, int64_t id, int64_t server_id,
	const struct placement_request *req, const struct placement_choice *c, struct error *err);
/* Before it is given back for good, when its guest is proved gone: its whole GPUs are reset and verified
 * before anyone gets them, and its parts leave a record (custody.h). */
int claim_reset(struct flow_engine *e, struct db *db, int64_t id, struct error *err);
/* The same of a row that was made already, by force: beside what the server holds on that host. */
int claim_take_row(struct flow_engine *e, struct db *db, struct arena *a, const struct allocation_row *row,
	struct error *err);

#endif
