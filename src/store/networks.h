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

enum { STORE_NETWORKS_MAX = 1000, PORT_ADDRESSES_MAX = 8 };

struct network {
	int64_t id;
	const char *uid, *project_uid, *name, *description; /* project_uid "": the provider's */
	bool shared, external;
	int mtu;
	const char *source_kind, *source;
	int64_t created_us, updated_us;
};

struct subnet {
	int64_t id, network_id;
	const char *uid, *network_uid, *project_uid, *name;
	struct ipam_cidr cidr;
	uint32_t gateway; /* 0: none */
	struct ipam_pool pool;
	bool dhcp;
	const char *dns; /* comma between */
	int64_t created_us, updated_us;
};

struct port_address {
	const char *subnet_uid;
	uint32_t address;
};

struct port {
	int64_t id;
	const char *uid, *network_uid, *project_uid, *name, *mac;
	bool admin_up, active;                /* active: its server runs */
	const char *server_uid, *zone, *host; /* of the server that holds it; "" none */
	struct port_address addresses[PORT_ADDRESSES_MAX];
	size_t addresses_n;
	int64_t created_us, updated_us;
};

/* What a project sees: its own and shared ones; project 0: all. At most STORE_NETWORKS_MAX, by name. Arrays
 * are in the arena. */
int store_network_list(struct db *db, struct arena *a, int64_t project_id, struct network **out,
	size_t *out_n, struct error *err);
int store_network_get(struct db *db, struct arena *a, int64_t project_id, const char *uid,
	struct network *out, struct error *err);
int store_subnet_list(struct db *db, struct arena *a, int64_t project_id, struct subnet **out, size_t *out_n,
	struct error *err);
int store_subnet_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct subnet *out,
	struct error *err);

struct port_filter {        /* NULL: any */
	int64_t project_id; /* 0: all */
	const char *server_uid, *network_uid, *name, *mac;
	size_t limit;
};
int store_port_list(struct db *db, struct arena *a, const struct port_filter *f, struct port **out,
	size_t *out_n, struct error *err);
int store_port_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct port *out,
	struct error *err);

#endif
