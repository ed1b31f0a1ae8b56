/* SPDX-License-Identifier: Apache-2.0 */
/* What servers hold of a host, and which they are: for the administrator's lists. */
#ifndef STORE_HOST_USE_H
#define STORE_HOST_USE_H

#include "store/servers.h"

struct host_use {
	int64_t servers, vcpus, ram_mib, disk_gib;
};

/* Sums of the allocations on the host. */
int store_host_use(struct db *db, int64_t host_id, struct host_use *out, struct error *err);
/* CPUs that servers have for themselves, by server. */
struct host_use_cpu {
	int64_t cpu;
	const char *server_uid, *server_name;
};
int store_host_use_cpus(struct db *db, struct arena *a, int64_t host_id, struct host_use_cpu **out,
	size_t *out_n, struct error *err);
/* Memory that servers with cells hold in each cell of the host, by size of its pages. */
struct host_use_cell {
	int64_t cell, page_kib, ram_mib;
};
int store_host_use_cells(struct db *db, struct arena *a, int64_t host_id, struct host_use_cell **out,
	size_t *out_n, struct error *err);
/* Live servers there: key is the name, value the uid. */
int store_host_use_servers(struct db *db, struct arena *a, int64_t host_id, struct server_pair **out,
	size_t *out_n, struct error *err);
/* The same by project, with the projects' uids in the same order. */
int store_host_use_projects(struct db *db, struct arena *a, int64_t host_id, const char ***out_uids,
	struct host_use **out, size_t *out_n, struct error *err);
/* Servers that were metered at some time of [from, to), by host; names and numbers in the same order. */
int store_host_use_metered(struct db *db, struct arena *a, int64_t from_us, int64_t to_us,
	const char ***out_names, int64_t **out_servers, size_t *out_n, struct error *err);

#endif
