/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of a row tells others: called by those functions of the store that make it, in the same
 * savepoint. "Before": the row still says what was. Nothing that changes nothing is told. */
#ifndef STORE_EVENT_ROWS_H
#define STORE_EVENT_ROWS_H

#include <stdbool.h>

#include "domain/host_evidence.h"
#include "store/db.h"

struct server;
struct device_row;
struct eviction;

int event_server_created(struct db *db, int64_t id, struct error *err);
/* Before. fault: what the tenant is told of it, or NULL. */
int event_server_state(struct db *db, int64_t id, const char *to, const char *fault, struct error *err);
/* Before: it lives on that host now; 0 none. */
int event_server_host(struct db *db, int64_t id, int64_t host_id, struct error *err);
/* Before. */
int event_eviction(struct db *db, const struct eviction *e, struct error *err);

int event_host_added(struct db *db, int64_t id, struct error *err);
/* Before. */
int event_host_removed(struct db *db, int64_t id, struct error *err);
int event_host_state(struct db *db, int64_t id, const char *to, const char *reason, struct error *err);
/* Before: its drain is in that state now. */
int event_drain(struct db *db, int64_t host_id, const char *to, struct error *err);
int event_host_forced_down(struct db *db, int64_t id, bool down, struct error *err);
/* What is known of it, if that is not what the row says. */
int event_host_evidence(
	struct db *db, int64_t id, enum host_evidence to, const char *source, struct error *err);
/* data: JSON, beside its id. */
int event_host_note(struct db *db, const char *type, int64_t id, const char *data, struct error *err);

int event_gpu_added(struct db *db, int64_t id, struct error *err);
/* Before. */
int event_gpu_present(struct db *db, int64_t id, bool present, struct error *err);
int event_gpu_state(struct db *db, const struct device_row *to, struct error *err);
/* A stage of a GPU's way from one server to the next. */
int event_gpu_custody(
	struct db *db, int64_t id, const char *to, const char *stage, const char *reason, struct error *err);

/* With its hosts and GPUs. */
int event_block_made(struct db *db, int64_t id, struct error *err);
int event_block_edited(struct db *db, int64_t id, struct error *err);
/* Before. */
int event_block_state(struct db *db, int64_t id, const char *to, struct error *err);

int event_image_active(struct db *db, int64_t id, struct error *err);
/* Before. */
int event_image_deleted(struct db *db, int64_t id, struct error *err);
int event_flow_stuck(struct db *db, int64_t id, const char *why, struct error *err);

#endif
