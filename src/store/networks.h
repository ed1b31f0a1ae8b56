/* SPDX-License-Identifier: Apache-2.0 */
/* Networks, subnets and ports. */
#ifndef STORE_NETWORKS_H
#define STORE_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "domain/ipam.h"
#include "store/db.h"

/* A network of the provider's, from the configuration. */
struct provider_network {
	const char *name;
	bool is_bridge; /* source names a bridge of the hosts, else a libvirt network */
	const char *source;
	struct ipam_cidr cidr;
	uint32_t gateway;      /* 0: none */
	struct ipam_pool pool; /* the addresses that guests get */
	const char *dns;       /* comma between; "" none */
	int mtu;
};

/* Makes the network with its subnet, or brings the rows in line with the configuration (by name; what ports
 * depend on, cidr and pool, may only grow while addresses outside would be in use: ERR_CONFLICT). Inside a
 * unit. */
int store_network_ensure(struct db *db, const struct provider_network *n, const char *network_uid,
	const char *subnet_uid, int64_t now_us, struct error *err);

#endif
