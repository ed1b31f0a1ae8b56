/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `webhook`: who is told of events, where, and how far that has come. Strings are in the caller's
 * arena. */
#ifndef STORE_WEBHOOKS_H
#define STORE_WEBHOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct webhook {
	int64_t id;
	const char *uid, *name;
	const char *project_uid; /* whose it is */
	bool everything;         /* an operator's: all projects' events, and the operator's own */
	const char *url, *types;
	const void *secret; /* sealed */
	size_t secret_n;
	bool paused;
	int64_t round;          /* counts rewinds */
	int64_t done_id;        /* the last event that was delivered, was not for it, or was given up */
	int64_t delivered_us;   /* 0: never */
	int64_t tries, due_us;  /* of the next delivery: how often it failed, when it is tried again */
	const char *last_error; /* "": it did not fail */
	int64_t given_up;       /* events */
	int64_t created_us;
};

/* Those of a project; NULL: all. By id. */
int store_webhook_list(struct db *db, struct arena *a, const char *project_uid, struct webhook **out,
	size_t *out_n, struct error *err);
/* project_uid NULL: any. ERR_NOT_FOUND. */
int store_webhook_get(struct db *db, struct arena *a, const char *project_uid, const char *uid,
	struct webhook *out, struct error *err);
/* 1 found, 0 gone, -1. */
int store_webhook_load(struct db *db, struct arena *a, int64_t id, struct webhook *out, struct error *err);
int store_webhook_insert(struct db *db, const struct webhook *w, struct error *err);
int store_webhook_remove(struct db *db, int64_t id, struct error *err);
int store_webhook_pause(struct db *db, int64_t id, bool paused, struct error *err);
/* How far it has come: done_id, delivered_us, tries, due_us, last_error and given_up of w, unless it was
 * rewound since w was read. 1, 0, -1. */
int store_webhook_advance(struct db *db, const struct webhook *w, struct error *err);
/* Nothing up to that event was for it. As above. */
int store_webhook_pass(struct db *db, int64_t id, int64_t round, int64_t done_id, struct error *err);
/* All behind that event is delivered (again), from now on. */
int store_webhook_rewind(struct db *db, int64_t id, int64_t done_id, struct error *err);

#endif
