/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `fence_agent`, `fence_attempt` and `host_evacuation`. Strings are in the caller's arena. */
#ifndef STORE_FENCES_H
#define STORE_FENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct fence_agent_row {
	int64_t host_id;
	const char *kind, *target, *user; /* redfish, command */
	const void *password;             /* sealed; NULL: none */
	size_t password_n;
	const char *ca; /* PEM; "": the system's */
	int64_t changed_us;
};
int store_fence_agent_put(struct db *db, const struct fence_agent_row *a, struct error *err);
/* 1, 0 none, -1. */
int store_fence_agent_get(
	struct db *db, struct arena *a, int64_t host_id, struct fence_agent_row *out, struct error *err);
/* 1, 0 there was none, -1. */
int store_fence_agent_remove(struct db *db, int64_t host_id, struct error *err);

struct fence_attempt {
	int64_t id, host_id;
	const char *host;                           /* its name; not written */
	const char *verb, *state;                   /* off, on, status; running, done, failed */
	const char *asked_by, *reason, *request_id; /* asked_by "": cloudd itself */
	bool answered, evacuate;                    /* the host itself, at the beginning; when it is off */
	const char *power, *last_error;             /* as read last: off, on, "" */
	int64_t power_us, tries;
	int64_t created_us, deadline_us, ended_us;
};
/* ERR_CONFLICT: another one is running there. Forgets the oldest. */
int store_fence_attempt_insert(struct db *db, const struct fence_attempt *t, struct error *err);
/* state, power, tries, error, end. */
int store_fence_attempt_save(struct db *db, const struct fence_attempt *t, struct error *err);
/* 1, 0 none, -1. */
int store_fence_attempt_load(
	struct db *db, struct arena *a, int64_t id, struct fence_attempt *out, struct error *err);
/* The newest first; host_id 0: the running ones of all hosts. */
int store_fence_attempt_list(struct db *db, struct arena *a, int64_t host_id, size_t limit,
	struct fence_attempt **out, size_t *out_n, struct error *err);
/* Hosts that cloudd fenced by itself since then, and that are still down. */
int store_fence_auto_count(struct db *db, int64_t since_us, int64_t *out_n, struct error *err);

struct host_evacuation {
	int64_t host_id;
	const char *state, *asked_by, *request_id, *user_uid, *project_uid, *why; /* running, done, stopped */
	int64_t begun, created_us, ended_us;
};
/* Anew: what stayed behind before is tried again. */
int store_evacuation_begin(struct db *db, const struct host_evacuation *v, struct error *err);
int store_evacuation_end(struct db *db, int64_t host_id, const char *state, const char *why, int64_t now_us,
	struct error *err);
int store_evacuation_count(struct db *db, int64_t host_id, struct error *err);
/* A server stays behind. */
int store_evacuation_leave(
	struct db *db, int64_t host_id, int64_t server_id, const char *why, struct error *err);
/* 1, 0 none, -1. */
int store_evacuation_get(
	struct db *db, struct arena *a, int64_t host_id, struct host_evacuation *out, struct error *err);
/* Hosts with a running one. */
int store_evacuation_running(struct db *db, struct arena *a, int64_t **out, size_t *out_n, struct error *err);

struct evacuation_server {
	int64_t id;
	const char *uid, *name, *vm_state, *why; /* why it stays; NULL: it is still to go */
};
/* The servers that are on the host. */
int store_evacuation_servers(struct db *db, struct arena *a, int64_t host_id, struct evacuation_server **out,
	size_t *out_n, struct error *err);
/* Evacuations from there that are under way. */
int store_evacuation_moving(struct db *db, int64_t host_id, int64_t *out_n, struct error *err);

#endif
