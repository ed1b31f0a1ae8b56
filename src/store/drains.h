/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `drain`, hosts that are being emptied, and of `drain_server`, what became of each server on them.
 * Strings are in the caller's arena. */
#ifndef STORE_DRAINS_H
#define STORE_DRAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "domain/server_state.h"
#include "store/db.h"

struct drain {
	int64_t host_id;
	const char *state; /* running, stopped, done, partial */
	int64_t parallel;
	bool cold;
	const char *request_id;
	int64_t begun_us, ended_us; /* ended 0: not over */
	/* read only */
	const char *host_uid, *host_name, *reason; /* the host's */
};

/* Writes all of it anew; told as an event when the state is another. */
int store_drain_put(struct db *db, const struct drain *d, struct error *err);
/* With what became of its servers. None: fine. */
int store_drain_remove(struct db *db, int64_t host_id, struct error *err);
/* 1 found, 0 none, -1. */
int store_drain_get(struct db *db, struct arena *a, int64_t host_id, struct drain *out, struct error *err);
/* Those that are looked at: all but those that are done, by host. */
int store_drain_open(struct db *db, struct arena *a, struct drain **out, size_t *out_n, struct error *err);
/* Is one of them running or stopped, and are moves of it under way; when is a server that waits due next
 * (0: none is)? */
struct drain_next {
	bool open;
	int64_t moving, for_room, due_us;
};
int store_drain_next(struct db *db, int64_t now_us, struct drain_next *out, struct error *err);

struct drain_server {
	int64_t host_id, server_id;
	const char *state; /* waiting, moving, moved, stays */
	const char *way, *reason, *to_host;
	int64_t tries, due_us;
	bool for_room;
	/* read only: the server as it is */
	const char *server_uid, *server_name, *project_uid;
	int64_t server_host_id;  /* 0: none */
	const char *server_host; /* NULL: none */
	enum vm_state vm;
	enum task_state task;
	bool locked, preemptible, want_delete, has_flow;
	int64_t leave_us; /* it has to leave then; 0: it has not */
	const char *extra_specs;
	const char *failed; /* why its last move away from here went wrong; NULL: none did */
};

int store_drain_server_put(struct db *db, const struct drain_server *s, struct error *err);
/* In line with where servers are: those that are there and not in it, or are back, wait; deleted ones go;
 * those that left without having been made to have moved. */
int store_drain_sync(struct db *db, int64_t host_id, struct error *err);
/* Begins anew with those that have not moved. */
int store_drain_afresh(struct db *db, int64_t host_id, struct error *err);
/* What was under way when the process ended was cut off by that: it counts as no try. */
int store_drain_excuse(struct db *db, struct error *err);
/* Those that have not moved: the largest first. all: and those that have. */
int store_drain_servers(struct db *db, struct arena *a, int64_t host_id, bool all, struct drain_server **out,
	size_t *out_n, struct error *err);
/* Hosts to which a move of the server from there has failed since then. */
int store_drain_failed(struct db *db, struct arena *a, const struct drain_server *s, int64_t since_us,
	int64_t **out, size_t *out_n, struct error *err);

struct drain_counts {
	int64_t waiting, moving, moved, stays;
};
int store_drain_counts(struct db *db, int64_t host_id, struct drain_counts *out, struct error *err);
/* Moves under way in the cloud, whoever asked for them: of each host that they go to. */
struct drain_target {
	int64_t host_id, moves;
};
int store_drain_targets(
	struct db *db, struct arena *a, struct drain_target **out, size_t *out_n, struct error *err);

#endif
