/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `flow`: work that outlives a request. */
#ifndef STORE_FLOWS_H
#define STORE_FLOWS_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct flow_row { /* strings in the caller's arena */
	int64_t id;
	const char *kind, *subject_kind;
	int64_t subject_id;
	const char *step, *state; /* ready, waiting, stuck */
	int64_t tries, run_at_us, deadline_us;
	const char *last_error; /* NULL: none */
	int64_t action_id;      /* 0: none */
	int64_t arg_id;         /* the row of the other thing it is about; 0: none */
	const char *request_id;
	int64_t created_us;
};

/* A second flow for the subject: ERR_CONFLICT. */
int store_flow_insert(struct db *db, const struct flow_row *f, struct error *err);
int store_flow_load(struct db *db, struct arena *a, int64_t id, struct flow_row *out, struct error *err);
/* The one on a subject: 1 found, 0 none, -1. */
int store_flow_find(struct db *db, struct arena *a, const char *subject_kind, int64_t subject_id,
	struct flow_row *out, struct error *err);
/* All, by id. */
int store_flow_list(struct db *db, struct arena *a, struct flow_row **out, size_t *out_n, struct error *err);
/* On to the next step, due now, with a clean slate. */
int store_flow_move(struct db *db, int64_t id, const char *step, int64_t now_us, struct error *err);
/* Again at run_at_us (state waiting) or not before someone says so (state stuck). */
int store_flow_wait(struct db *db, int64_t id, const char *state, int64_t tries, int64_t run_at_us,
	const char *last_error, struct error *err);
/* Due now, with a new deadline. ERR_NOT_FOUND. */
int store_flow_retry(struct db *db, int64_t id, int64_t now_us, int64_t deadline_us, struct error *err);
int store_flow_remove(struct db *db, int64_t id, struct error *err);

#endif
