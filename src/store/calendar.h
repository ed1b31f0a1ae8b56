/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `block`: capacity blocks of projects and maintenance windows of hosts. Strings are in the caller's
 * arena. */
#ifndef STORE_CALENDAR_H
#define STORE_CALENDAR_H

#include "base/arena.h"
#include "domain/calendar.h"
#include "store/db.h"

struct block {
	int64_t id;
	const char *uid, *name;
	int64_t project_id;                     /* 0: a maintenance window */
	const char *project_uid, *project_name; /* read only */
	const char *model;
	int64_t gpus;
	const char *scope;
	int64_t start_us, end_us;
	const char *state; /* planned, clearing, active; ended, cancelled */
	const char *reason;
	int64_t created_us, updated_us;
	bool empties; /* a maintenance window: its hosts are emptied when it begins */
};
bool block_is_open(const struct block *b);

int store_block_insert(struct db *db, const struct block *b, struct error *err);
int store_block_device_add(struct db *db, int64_t block_id, int64_t device_id, struct error *err);
int store_block_host_add(struct db *db, int64_t block_id, int64_t host_id, struct error *err);
int store_block_edit(
	struct db *db, int64_t id, const char *name, int64_t end_us, int64_t now_us, struct error *err);
int store_block_state(struct db *db, int64_t id, const char *state, int64_t now_us, struct error *err);
/* The window has drained the host, or taken that back. */
int store_block_drained(struct db *db, int64_t block_id, int64_t host_id, bool drained, struct error *err);

struct block_filter {               /* 0, NULL: any */
	bool maintenance, capacity; /* neither: both */
	int64_t project_id, host_id;
	bool open;
	int64_t from_us, to_us; /* that touch this span */
	int64_t limit;
};
/* By start. */
int store_block_list(struct db *db, struct arena *a, const struct block_filter *f, struct block **out,
	size_t *out_n, struct error *err);
/* project_id 0: of any. ERR_NOT_FOUND. */
int store_block_get(struct db *db, struct arena *a, bool maintenance, int64_t project_id, const char *uid,
	struct block *out, struct error *err);
int store_block_load(struct db *db, struct arena *a, int64_t id, struct block *out, struct error *err);

struct block_host {
	int64_t host_id;
	const char *name, *rack, *fabric;
	int64_t gpus; /* of a capacity block */
	bool drained;
};
/* By name. */
int store_block_hosts(struct db *db, struct arena *a, int64_t block_id, struct block_host **out,
	size_t *out_n, struct error *err);
/* Servers that use the block now. */
int store_block_servers(struct db *db, int64_t block_id, int64_t *out, struct error *err);

/* How many are open. */
int store_block_count(struct db *db, int64_t *out, struct error *err);

/* What calendar_plan needs to know: sound GPUs of the model, and who uses them after that time. *out_all:
 * GPUs of the model, sound or not. */
int store_block_gpus(struct db *db, struct arena *a, const char *model, int64_t after_us,
	struct calendar_gpu **out, size_t *out_n, struct calendar_use **out_uses, size_t *out_uses_n,
	struct error *err);
/* An open block of that kind that has something of the host in that span, `but` aside: 1 found, 0, -1. */
int store_block_on_host(struct db *db, struct arena *a, int64_t host_id, int64_t but, int64_t start_us,
	int64_t end_us, struct block *out, struct error *err);
/* The same for the GPUs or the hosts of a block that shall last until then. */
int store_block_behind(struct db *db, struct arena *a, const struct block *b, int64_t end_us,
	struct block *out, struct error *err);

/* ---- time ---- */

/* When the next thing is due: a block's beginning (a capacity block's: ahead_us before) or end, a server that
 * has to leave, one that gives up waiting. 1 there is one, 0, -1. */
int store_calendar_next(struct db *db, int64_t ahead_us, int64_t *out_us, struct error *err);
/* Open blocks of which something is due, the earliest first. */
int store_block_due(struct db *db, struct arena *a, int64_t now_us, int64_t ahead_us, int64_t max,
	int64_t **out, size_t *out_n, struct error *err);

struct block_guest { /* has GPUs of the block, and leaves for it */
	int64_t server_id, host_id;
	int64_t until_us; /* its own block lasts so long; 0 */
};
int store_block_guests(struct db *db, struct arena *a, int64_t block_id, struct block_guest **out,
	size_t *out_n, struct error *err);
/* The first of the blocks that it has to leave for: begun, or about to. 1 found, 0 none, -1. */
int store_block_over(struct db *db, int64_t server_id, int64_t *out_block_id, struct error *err);
/* Allocations of servers that used this block, or another that is over, on GPUs that no open block claims any
 * more. */
int store_block_free_servers(
	struct db *db, struct arena *a, int64_t block_id, int64_t **out, size_t *out_n, struct error *err);
/* The allocation is of no block any more. */
int store_block_leave(struct db *db, int64_t allocation_id, struct error *err);

#endif
