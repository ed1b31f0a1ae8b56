/* SPDX-License-Identifier: Apache-2.0 */
/* How much there is of what, for the metrics: counts over whole tables, on a reader's connection and thread.
 */
#ifndef STORE_METRICS_H
#define STORE_METRICS_H

#include <stdint.h>

#include "store/db.h"

/* One count: a and b are the labels' values ("": none); valid during the call. */
typedef void metrics_row_fn(void *ctx, const char *a, const char *b, int64_t n);

/* Each calls fn for every row. */
int store_metrics_servers(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err); /* by vm_state */
int store_metrics_hosts(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);   /* by state */
int store_metrics_flows(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);   /* kind, state */
/* By owner, in thousandths of a GPU. */
int store_metrics_gpus(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);
/* One row each: the last audit record, the last event, */
int store_metrics_audit(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);
int store_metrics_events(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);
/* and when the oldest event was that could not be delivered to a webhook so far; 0: none waits. */
int store_metrics_waiting(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);

#endif
