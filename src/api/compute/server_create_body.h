/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /servers: its table, and the structs that the table fills. */
#ifndef API_COMPUTE_SERVER_CREATE_BODY_H
#define API_COMPUTE_SERVER_CREATE_BODY_H

#include "api/compute/server_hints.h"

enum { SERVERS_MAX = 500, SERVER_NICS_MAX = 16 }; /* in one request; of one server */

struct server_nic_body {
	const char *network, *port, *fixed_ip, *tag;
};

struct server_device_body {
	const char *uuid, *source, *destination;
	int64_t boot_index;
	bool delete_on_termination;
	const json_t *other; /* any of the keys that say more than this cloud has */
};

struct server_group_name {
	const char *name;
};

struct server_create_args {
	const char *name, *image, *flavor, *key_name, *zone, *admin_pass, *user_data, *disk_config;
	const char *access_ipv4, *access_ipv6, *description, *hostname, *host, *hypervisor;
	const char *networks_word; /* "auto" or "none", or */
	struct bind_list networks; /* struct server_nic_body */
	struct bind_list groups;   /* struct server_group_name */
	struct bind_list devices;  /* struct server_device_body */
	json_t *metadata, *bdm, *personality, *tags, *certificates;
	bool config_drive, return_reservation;
	int64_t min_count, max_count;
};

struct server_create_body {
	struct server_create_args *server;
	const struct server_hints_body *hints, *hints_older; /* one is NULL; under its name of old */
};

#endif
