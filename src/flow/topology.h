/* SPDX-License-Identifier: Apache-2.0 */
/* What a host is made of, by its rows, as placement knows it. */
#ifndef FLOW_TOPOLOGY_H
#define FLOW_TOPOLOGY_H

#include "base/arena.h"
#include "base/cpuset.h"
#include "placement/placement.h"
#include "store/devices.h"
#include "store/hosts.h"

/* CPUs of the host that are given to servers one by one: what the operator set apart and the host has. */
int topology_dedicated(struct db *db, const struct host_row *h, struct cpuset *out, struct error *err);

/* All of it but the state: arrays in the arena. `devices` begin with those of the host, if it has any. */
int topology_host(struct db *db, struct arena *a, const struct host_row *h, const struct device_row *devices,
	size_t n, struct placement_host *out, struct error *err);

/* Guests get an emulated CPU, without what the host's has. */
bool topology_emulated(const struct host_row *h);

/* The partitions of the interconnect among devices, which are of one host and by address: as its row says.
 * Returns their number. */
size_t topology_links(const struct host_row *h, const struct device_row *devices, size_t n,
	uint64_t out[PLACEMENT_LINKS_MAX]);

/* How a device is cut; NULL: given whole. Lives as long as the process. */
const struct placement_geometry *topology_geometry(const struct device_row *d);

#endif
