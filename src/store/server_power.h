/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow changes of `server` rows that flows and observations make, and what they need to see for it. */
#ifndef STORE_SERVER_POWER_H
#define STORE_SERVER_POWER_H

#include <stdbool.h>

#include "base/arena.h"
#include "domain/server_state.h"
#include "store/db.h"

/* Is its deletion wished? 1 also for a row that is deleted. */
int store_server_wish(struct db *db, int64_t id, int64_t *out, struct error *err);
int store_server_task(struct db *db, int64_t id, enum task_state task, int64_t now_us, struct error *err);

struct server_settled { /* where a flow leaves a server: no task, no fault */
	int64_t id;
	enum vm_state vm_state;
	int power_state;
	int64_t seen_epoch, now_us;
	bool launched;    /* launched_us is set if it was not */
	bool forget_pass; /* the administrator's password was handed over */
};
int store_server_settle(struct db *db, const struct server_settled *to, struct error *err);
/* ERROR with a fault, no task, and no password kept for a drive to come. */
int store_server_fault(struct db *db, int64_t id, int code, const char *message, const char *details,
	int64_t now_us, struct error *err);

/* When its power was seen last, in the time of a clock that was set back. */
int store_server_set_seen(struct db *db, int64_t id, int64_t seen_us, struct error *err);

struct server_power { /* what there is to compare with an observation; strings in the arena */
	int64_t id, project_id;
	const char *uid;
	enum vm_state vm_state;
	int power_state;
	int64_t power_seen_us, epoch;
	bool has_flow;
};
/* The live servers of a host (uid NULL: all), by uid. */
int store_server_powers(struct db *db, struct arena *a, int64_t host_id, const char *uid,
	struct server_power **out, size_t *out_n, struct error *err);
/* seen_us: when the look began; now_us: when the row changes, which is what changes-since goes by. */
int store_server_set_power(struct db *db, int64_t id, enum vm_state vm_state, int power_state,
	int64_t seen_us, int64_t seen_epoch, int64_t now_us, struct error *err);
/* The row id and power of a live server on a host: 1 found, 0 not, -1. */
int store_server_find_power(
	struct db *db, int64_t host_id, const char *uid, int64_t *out_id, int *out_power, struct error *err);

/* Row ids (at most max) of idle servers shelved before that time and still on their hosts, longest first. */
int store_server_shelved_before(struct db *db, struct arena *a, int64_t before_us, int64_t max, int64_t **out,
	size_t *out_n, struct error *err);

struct server_elsewhere { /* of the server that a domain's uuid names */
	int64_t id, epoch;
	bool deleted, holds; /* holds: anything on the host that was looked at */
};
/* 1 found, 0 never heard of it, -1. */
int store_server_elsewhere(
	struct db *db, const char *uid, int64_t host_id, struct server_elsewhere *out, struct error *err);
/* The uid of the project of a server (by its uid, deleted ones too); "" for one that is not known. */
int store_server_project_of(
	struct db *db, struct arena *a, const char *uid, const char **out_uid, struct error *err);
/* What a domain's mark and its config drive say of the project. */
int store_server_project(
	struct db *db, struct arena *a, int64_t project_id, const char **out_uid, struct error *err);
/* The deletion that is asked for in the action log: 1 found, 0 not, -1. */
int store_server_delete_action(struct db *db, struct arena *a, int64_t server_id, int64_t *out_id,
	const char **out_request_id, struct error *err);

#endif
