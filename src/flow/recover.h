/* SPDX-License-Identifier: Apache-2.0 */
/* The database is gone: a new one is made of what the hosts tell of their domains. Three steps: a host is
 * read (on a thread), all of them are judged together (what is taken over, what is in conflict), and what is
 * taken over is written in one unit. A host that has anything in conflict is disabled, as what that holds
 * there is not known. */
#ifndef FLOW_RECOVER_H
#define FLOW_RECOVER_H

#include "base/arena.h"
#include "hv/hv.h"
#include "store/networks.h"

struct db;
struct flow_engine;

struct recover_domain {
	struct hv_domain d;
	enum hv_power power;
	int64_t disk_gib, ephemeral_gib, swap_mib;
	int64_t id;  /* of its row: told by its name */
	bool marked; /* by any cloud */
	bool config_drive;
	const char *refused; /* why it is not taken over; NULL: it is */
};

struct recover_host {
	const char *name, *uri, *pool; /* pool NULL: the default */
	/* as read; strings in the arena */
	struct arena arena;
	bool read;
	struct error err; /* why not */
	struct hv_inventory inventory;
	struct recover_domain *domains;
	size_t domains_n;
	size_t refused_n; /* marked ones that are not taken over */
};

struct recover_connect {
	const char *pki_dir;
	unsigned timeout_ms;
};

struct hv_conn;
/* One domain, and the sizes of its disks: blocks. */
int recover_domain_read(struct arena *a, const struct hv_driver *drv, struct hv_conn *c, const char *uuid,
	struct recover_domain *out, struct error *err);
/* Everything that it has: blocks. */
int recover_host_read(struct recover_host *h, const struct recover_connect *how, struct error *err);

struct recover {
	struct recover_host *hosts;
	size_t hosts_n;
	const struct provider_network *networks; /* of the configuration */
	size_t networks_n;
	char cloud_id[UUID_TEXT]; /* "" before: that of the marks, if they agree */
	/* judged */
	size_t taken_n, refused_n, unmarked_n, unread_n;
};

/* ERR_CONFLICT: the marks are of several clouds, and it was not said which is meant; ERR_NOT_FOUND: there is
 * none. */
int recover_judge(struct recover *r, struct error *err);

/* Why a domain by itself cannot be taken over; NULL: it can. */
const char *recover_refuse(const struct recover *r, const struct recover_domain *x);

/* Cloud, networks, projects, hosts and servers into an empty database. Inside a unit. */
int recover_write(struct flow_engine *e, struct db *db, const struct recover *r, struct error *err);

#endif
