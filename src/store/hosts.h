/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `host` and its NUMA cells. Strings are in the caller's arena. */
#ifndef STORE_HOSTS_H
#define STORE_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct host_row {
	int64_t id;
	const char *uid, *name, *uri, *zone, *pool, *accel;
	const char *state, *state_reason; /* up, draining, disabled */
	int32_t vcpu_ratio_milli, ram_ratio_milli, disk_ratio_milli;
	int64_t ram_reserved_mib, created_us;
	/* the operator's */
	const char *rack, *fabric;  /* "" not known */
	const char *dedicated_cpus; /* "2-15,34-47": for servers with dedicated CPUs */
	const char *gpu_links;      /* auto, none, or sets by index: "0-7;0-3;4-7" */
	const char *traits;         /* CUSTOM_... with blanks between, sorted */
	int64_t disk_reserved_gib;
	/* as last read from the host */
	int64_t inventory_us; /* 0: never */
	const char *hv_uuid, *hv_hostname, *hv_type, *arch, *cpu_model;
	int64_t hv_version, vcpus, cpu_sockets, cpu_cores, cpu_threads, ram_mib, disk_gib, disk_free_gib;
	bool kvm;
	const char *cpu_features; /* names with blanks between */
	bool forced_down;         /* the operator's word that it is dead */
	bool exclusive;           /* an aggregate says so: one server at a time */
	/* what is known of it as a whole (domain/host_evidence.h), as it was told last */
	const char *evidence, *evidence_source;
	int64_t evidence_us, link_epoch; /* connections so far */
	/* of forced_down: fence or operator, whose word or wish, and why; "" */
	const char *down_proof, *down_by, *down_reason;
	int64_t down_us;
	bool comes_back; /* it was down; what went elsewhere may still have something there */
};

/* The zone of a row of host: that of an aggregate it is in, else the one it was added with. */
#define STORE_HOST_ZONE                                                                             \
	"coalesce((SELECT min(zm.value) FROM aggregate_host zh JOIN aggregate_metadata zm "         \
	"ON zm.aggregate_id = zh.aggregate_id AND zm.key = 'availability_zone' WHERE zh.host_id = " \
	"host.id), host.zone)"

struct host_cell_row {
	int64_t cell, ram_mib, cpus; /* ram_mib: with what is in huge pages */
	int64_t pages_2m, pages_1g;
	const char *cpu_list; /* cores, each its threads: "0,32;1,33"; "" not known */
};

/* A name or URI that is taken: ERR_CONFLICT. The inventory columns are left at their defaults. */
int store_host_insert(struct db *db, const struct host_row *h, struct error *err);
int store_host_load(struct db *db, struct arena *a, int64_t id, struct host_row *out, struct error *err);
/* By uid or name. ERR_NOT_FOUND. */
int store_host_get(
	struct db *db, struct arena *a, const char *uid_or_name, struct host_row *out, struct error *err);
/* All, by name. */
int store_host_list(struct db *db, struct arena *a, struct host_row **out, size_t *out_n, struct error *err);
int store_host_set_state(struct db *db, int64_t id, const char *state, const char *reason, struct error *err);
/* h: forced_down and what is known of that. */
int store_host_set_down(struct db *db, const struct host_row *h, struct error *err);
/* h: evidence and what belongs to it; an event tells of a new one. */
int store_host_set_evidence(struct db *db, const struct host_row *h, struct error *err);
int store_host_set_comes_back(struct db *db, int64_t id, bool comes_back, struct error *err);
/* Writes what the operator may change: labels, traits, CPUs, links, ratios, reserves. */
int store_host_set_options(struct db *db, const struct host_row *h, struct error *err);
/* Writes the columns that were read from the host. */
int store_host_set_inventory(struct db *db, const struct host_row *h, struct error *err);
/* How many servers live there, or still hold something there. */
int store_host_servers(struct db *db, int64_t id, int64_t *out_n, struct error *err);
/* The oldest host before that one whose machine has this UUID: 1, or 0 for none. */
int store_host_of_machine(struct db *db, struct arena *a, const char *hv_uuid, int64_t before_id,
	const char **out_name, struct error *err);
/* How many flows there are on its image copies. */
int store_host_flows(struct db *db, int64_t id, int64_t *out_n, struct error *err);
/* The row, its cells, devices and staged images; servers that were there (all deleted) lose their host. */
int store_host_remove(struct db *db, int64_t id, struct error *err);

int store_host_cells_set(
	struct db *db, int64_t id, const struct host_cell_row *cells, size_t n, struct error *err);
int store_host_cells(struct db *db, struct arena *a, int64_t id, struct host_cell_row **out, size_t *out_n,
	struct error *err);

#endif
