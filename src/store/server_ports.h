/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and addresses as servers use them: made with a server, joined to it, given back with it. */
#ifndef STORE_SERVER_PORTS_H
#define STORE_SERVER_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct server_port { /* strings in the arena */
	int64_t id, network_id;
	const char *uid, *mac, *network_uid;
	bool own;       /* made for the server */
	bool is_bridge; /* source is a bridge of the host, else a libvirt network */
	const char *source;
	int mtu;
	bool has_address;
	uint32_t address, cidr_base, gateway; /* gateway 0: none */
	int cidr_bits;
	const char *dns; /* addresses, comma between */
};

struct server_port_want {
	int64_t project_id, server_id, network_id;
	const char *fixed_ip; /* NULL: the next free one; "": none */
	const char *uid, *mac;
	int64_t now_us;
};

/* A port of the server's own with an address of the network's (first) subnet. The addresses go round the
 * pool, so that a freed one rests. ERR_NOT_FOUND no such network; ERR_BAD_REQUEST a fixed address outside;
 * ERR_CONFLICT taken or none left; a MAC that is taken is ERR_CONFLICT with detail naming port.mac. */
int store_server_port_make(
	struct db *db, const struct server_port_want *want, int64_t *out_id, struct error *err);
/* Joins an existing free port of the project to the server. ERR_NOT_FOUND, ERR_CONFLICT (in use). */
int store_server_port_join(struct db *db, int64_t port_id, int64_t project_id, int64_t server_id,
	int64_t now_us, struct error *err);
/* In the order they were made. */
int store_server_port_list(struct db *db, struct arena *a, int64_t server_id, struct server_port **out,
	size_t *out_n, struct error *err);
/* Own ports go with their addresses, joined ones become free. *out_removed, *out_addresses: how many went. */
int store_server_port_release(struct db *db, int64_t server_id, int64_t now_us, int64_t *out_removed,
	int64_t *out_addresses, struct error *err);

#endif
