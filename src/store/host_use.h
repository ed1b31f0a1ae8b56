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
/* Live servers there: key is the name, value the uid. */
int store_host_use_servers(struct db *db, struct arena *a, int64_t host_id, struct server_pair **out,
	size_t *out_n, struct error *err);

#endif
