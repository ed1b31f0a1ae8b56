/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a GPU from one server to the next: given back, reset, verified, clean; or quarantined with the
 * reason. And GPUs that are not on their hosts any more. Inside a unit unless said otherwise. */
#ifndef FLOW_CUSTODY_H
#define FLOW_CUSTODY_H

#include "flow/internal.h"
#include "store/custody.h"
#include "store/devices.h"

/* A server gives a whole GPU back, whose guest is proved gone: by the configuration it is given to nobody
 * before it was reset. The host's devices are told to placement by the caller. */
int custody_given_back(struct flow_engine *e, struct db *db, const struct custody_held *h, int64_t now_us,
	struct error *err);
/* It is reset by a flow now, whatever the configuration says. ERR_CONFLICT: somebody has it. */
int custody_reset(
	struct flow_engine *e, struct db *db, const struct device_row *d, int64_t now_us, struct error *err);
/* An operator's word ends its way, if it is on one. ERR_CONFLICT: a call to its host is under way. */
int custody_cut_short(struct flow_engine *e, struct db *db, const struct device_row *d,
	enum custody_result result, const char *words, int64_t now_us, struct error *err);
/* A look found the device, which was as `was` says: one that came back, or that nobody resets yet, is reset.
 * *changed: it may not be given any more. */
int custody_seen(struct flow_engine *e, struct db *db, const struct device_row *was, int64_t now_us,
	bool *changed, struct error *err);
/* The host is being removed: nobody waits for its devices any more. */
int custody_forget(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);

/* Servers that run, by the rows, and have lost a GPU by the look are in ERROR. */
int custody_lost(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err);
/* Any time on the loop. ERR_CONFLICT: a GPU of the server is not on its host, which is looked over soon. */
int custody_complete(struct flow_engine *e, struct db *db, const struct server *s, struct error *err);

/* gpu_reset.c */
extern const struct flow_kind kind_gpu_reset;

#endif
