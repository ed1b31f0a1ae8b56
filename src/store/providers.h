/* SPDX-License-Identifier: Apache-2.0 */
/* What is held of hosts, their cells and GPUs, thing by thing, and who holds it: for views of many hosts at
 * once. Strings are in the caller's arena. */
#ifndef STORE_PROVIDERS_H
#define STORE_PROVIDERS_H

#include "store/hosts.h"

enum held_kind {
	HELD_AMOUNTS, /* the host's own: vcpus, ram_mib, disk_gib */
	HELD_PAGES,   /* n huge pages of `page_kib` in cell `key` */
	HELD_CPU,     /* the dedicated CPU `key`, used or kept idle */
	HELD_DEVICE,  /* the GPU `key` */
	HELD_PART     /* a partition of it: `profile`, `slots` from `start` on, `share` */
};

struct held {
	int64_t host_id, key;
	enum held_kind kind;
	int64_t vcpus, ram_mib, disk_gib;
	int64_t page_kib, n; /* n: 1 where nothing else is said */
	const char *model, *profile;
	int64_t start, slots, share;
	/* who; NULL in sums */
	const char *consumer; /* a server's uid, or that of the move that keeps it for the server */
	bool by_move;
	const char *project_uid, *user_uid;
	int64_t generation; /* of the server's row */
};

/* Of one host (0: all), by host; amounts and pages summed up. */
int store_held_sums(
	struct db *db, struct arena *a, int64_t host_id, struct held **out, size_t *out_n, struct error *err);
/* By consumer and host. */
int store_held_of_host(
	struct db *db, struct arena *a, int64_t host_id, struct held **out, size_t *out_n, struct error *err);
int store_held_of_consumer(
	struct db *db, struct arena *a, const char *uid, struct held **out, size_t *out_n, struct error *err);
/* user_uid NULL: of any. */
int store_held_of_project(struct db *db, struct arena *a, const char *project_uid, const char *user_uid,
	struct held **out, size_t *out_n, struct error *err);

struct provider_cell {
	int64_t host_id;
	struct host_cell_row cell;
};
/* The cells of one host (0: all), by host and cell. */
int store_provider_cells(struct db *db, struct arena *a, int64_t host_id, struct provider_cell **out,
	size_t *out_n, struct error *err);
/* The host of a GPU's uid: 1 found, 0 none, -1. */
int store_provider_of_device(struct db *db, const char *uid, int64_t *out_host_id, struct error *err);
/* The only host whose uid begins like that: 1 found with its uid, 0 none, -1. */
int store_provider_by_prefix(struct db *db, struct arena *a, const char *prefix, int64_t *out_host_id,
	const char **out_uid, struct error *err);

struct provider_member { /* of an aggregate */
	int64_t host_id;
	const char *aggregate_uid;
};
/* Of one host (0: all), by host and uid. */
int store_provider_aggregates(struct db *db, struct arena *a, int64_t host_id, struct provider_member **out,
	size_t *out_n, struct error *err);

#endif
