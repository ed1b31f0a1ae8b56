/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `eviction`, servers that have to leave their hosts, and of `waiter`, those who wait for their room.
 * Strings are in the caller's arena. */
#ifndef STORE_EVICTIONS_H
#define STORE_EVICTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct eviction {
	int64_t server_id, host_id;
	int64_t for_server_id, for_block_id; /* one of them is 0; both: its host is being emptied */
	int64_t action_id, notice_us, leave_us;
	bool begun; /* it is being made to leave */
	int64_t tries;
	/* read only */
	const char *server_uid, *server_name, *project_uid, *host_name, *for_uid;
};

/* Who it leaves for: "server", "reservation", "drain". */
const char *eviction_for(const struct eviction *e);
/* Writes all of it anew. */
int store_eviction_put(struct db *db, const struct eviction *e, struct error *err);
int store_eviction_remove(struct db *db, int64_t server_id, struct error *err);
/* 1 found, 0 not, -1. */
int store_eviction_get(
	struct db *db, struct arena *a, int64_t server_id, struct eviction *out, struct error *err);

struct eviction_filter { /* 0: any */
	int64_t project_id, host_id, for_server_id, for_block_id;
	int64_t due_us; /* those that have not begun and are due by then */
	int64_t limit;
};
/* By the time when they leave. */
int store_eviction_list(struct db *db, struct arena *a, const struct eviction_filter *f,
	struct eviction **out, size_t *out_n, struct error *err);

struct waiter {
	int64_t server_id, host_id;
	bool named; /* only that host was asked for */
	const char *zone;
	const char *resize; /* the request, as JSON; NULL: it is none */
	int64_t action_id;
	const char *request_id;
	int64_t deadline_us;
	/* read only */
	const char *server_uid, *server_name, *project_uid, *host_name;
	int64_t leavers;  /* how many leave for it */
	int64_t to_reset; /* GPUs of the host that nobody gets before they are cleared */
};

/* ERR_CONFLICT: it waits already, or the host is kept for another. */
int store_waiter_insert(struct db *db, const struct waiter *w, struct error *err);
int store_waiter_move(struct db *db, int64_t server_id, int64_t host_id, struct error *err);
int store_waiter_remove(struct db *db, int64_t server_id, struct error *err);
/* 1 found, 0 not, -1. */
int store_waiter_get(
	struct db *db, struct arena *a, int64_t server_id, struct waiter *out, struct error *err);
/* Who waits for the host: 1 found, 0 nobody, -1. */
int store_waiter_on(struct db *db, struct arena *a, int64_t host_id, struct waiter *out, struct error *err);
/* due_us: only those whose deadline has passed by then; project_id: only its own; at most limit. 0: all. */
int store_waiter_list(struct db *db, struct arena *a, int64_t due_us, int64_t project_id, int64_t limit,
	struct waiter **out, size_t *out_n, struct error *err);

#endif
