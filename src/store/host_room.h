/* SPDX-License-Identifier: Apache-2.0 */
/* What a host has for servers by its rows, and what the rows of allocations take of it. */
#ifndef STORE_HOST_ROOM_H
#define STORE_HOST_ROOM_H

#include "base/cpuset.h"
#include "store/db.h"

struct host_amounts {
	int64_t vcpus, ram_mib, disk_gib;
};

struct host_room {
	struct host_amounts all;  /* with ratios, without reserves, dedicated CPUs and huge pages */
	struct host_amounts used; /* by what floats */
	struct cpuset pins;       /* CPUs for dedicated use that the host lists */
};

/* 1 found, 0 no such host, -1. */
int store_host_room(struct db *db, int64_t host_id, struct host_room *out, struct error *err);
/* Its pins alone, without a look at what is taken. As above. */
int store_host_pins(struct db *db, int64_t host_id, struct cpuset *out, struct error *err);
/* Of all cells: the other threads of these CPUs' cores. */
int store_host_siblings(
	struct db *db, int64_t host_id, const struct cpuset *cpus, struct cpuset *out, struct error *err);
/* The CPUs of a cell's cpu_list; of one that cannot be read none. */
struct cpuset store_cell_cpus(const char *cpu_list);

#endif
