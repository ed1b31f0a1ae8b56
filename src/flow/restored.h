/* SPDX-License-Identifier: Apache-2.0 */
/* A cloud whose rows are older than the world: it was restored from a backup, or made of what hosts had.
 * Until an operator says that this is over, domains with our mark that the rows do not account for are kept,
 * and shown; he takes each over, or has it removed. Domains of servers that are not known at all are shown at
 * any time. */
#ifndef FLOW_RESTORED_H
#define FLOW_RESTORED_H

#include "flow/flow.h"
#include "hv/hv.h"
#include "store/restored.h"

struct restored_domain {
	int64_t host_id;
	char uuid[UUID_TEXT];
	enum hv_power power;
	int64_t epoch;
	const char *why; /* unknown, deleted, elsewhere: what the rows say of its server */
};

/* --- for the operator, on the loop --- */

bool flow_restored(const struct flow_engine *e);
/* Borrowed until the loop's next turn. */
const struct restored_domain *flow_restored_domains(const struct flow_engine *e, size_t *out_n);
/* It is over: flows that the restore held back go on. Inside a unit; flow_restored_over when that is on disk.
 */
int flow_restored_end(
	struct flow_engine *e, struct db *db, struct arena *a, size_t *out_flows, struct error *err);
void flow_restored_over(struct flow_engine *e);
/* Takes a domain away, with its disks, by the operator's word: one of those that are shown. ERR_NOT_FOUND,
 * ERR_CONFLICT: its server lives there, or the host is not connected. Without `now` it is only asked whether
 * it could be. */
int flow_restored_discard(
	struct flow_engine *e, int64_t host_id, const char *uuid, bool now, struct error *err);

/* Reads a domain that is shown as unknown from its host; done is called on the loop, once. -1: it is not. */
struct recover_domain;
/* What it points to is in the arena, which whoever wants to keep it takes. */
typedef void flow_adopt_fn(
	void *ctx, const struct recover_domain *x, struct arena *a, const struct error *err);
int flow_restored_read(struct flow_engine *e, int64_t host_id, const char *uuid, flow_adopt_fn *done,
	void *ctx, struct error *err);
/* What was read becomes a server with all that it holds. Inside a unit. ERR_CONFLICT says what is in the way.
 */
int flow_restored_adopt(struct flow_engine *e, struct db *db, int64_t host_id, const struct recover_domain *x,
	struct error *err);

/* --- for looks --- */

int restored_create(struct flow_engine *e, struct db *ro, struct error *err);
void restored_destroy(struct flow_engine *e);
/* A look over the host begins: what was found before is forgotten. */
void restored_look(struct flow_engine *e, int64_t host_id);
/* The rows do not account for it. True: it is not to be touched. */
bool restored_keeps(struct flow_engine *e, int64_t host_id, const struct hv_seen *seen, const char *why);

#endif
