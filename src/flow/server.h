/* SPDX-License-Identifier: Apache-2.0 */
/* What the API asks of servers. Each runs inside a tick's unit with the read-write connection: it checks,
 * writes all rows that the change needs (quota, allocation, ports, usage, flow) and returns; the flow goes on
 * after the commit. */
#ifndef FLOW_SERVER_H
#define FLOW_SERVER_H

#include "base/arena.h"
#include "domain/server_state.h"
#include "flow/flow.h"
#include "store/servers.h"

struct flow_origin { /* who asked, for the action log */
	const char *request_id, *user_uid, *project_uid;
	int64_t now_us;
};

struct server_nic_want {
	int64_t network_id;   /* row; or */
	int64_t port_id;      /* an existing port's row */
	const char *fixed_ip; /* NULL: any free one */
};

struct server_create {
	struct server base; /* project, names, flavor's and image's values, key, user data …; uid, id, states,
			       times are made here */
	struct server_pair *metadata;
	size_t metadata_n;
	const char *const *tags;
	size_t tags_n;
	struct server_nic_want *nics;
	size_t nics_n;
	const char *zone, *host; /* "" or NULL: any. host: admins only, by name */
	int count;               /* all or none */
	bool numbered;           /* names become name-1, name-2 … */
};

/* Makes `count` servers; out_uids is an array in the arena. Quota or a bad reference: -1 and nothing is made.
 * No host: the servers are made in ERROR with a fault, as Nova does, and 0 is returned. */
int flow_server_create(struct flow_engine *e, struct db *db, struct arena *a,
	const struct server_create *want, const struct flow_origin *origin, const char ***out_uids,
	struct error *err);

/* os-start, os-stop, reboot, pause, unpause by their rows of the action table: checks state and lock
 * (ERR_CONFLICT), sets task_state, starts the flow. */
enum server_op {
	SERVER_START,
	SERVER_STOP,
	SERVER_REBOOT_SOFT,
	SERVER_REBOOT_HARD,
	SERVER_PAUSE,
	SERVER_UNPAUSE
};
int flow_server_act(struct flow_engine *e, struct db *db, struct server *s, enum server_op op, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* Delete works in any state and never waits: the wish is noted, and what runs now gives way at its next step.
 */
int flow_server_delete(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* The last max_lines lines (0: all, bounded) of the console, read from the host on its bulk lane. done is
 * called once on the loop: text valid during the call, or err. ERR_CONFLICT when the server has no host yet.
 */
typedef void flow_console_fn(void *ctx, const struct buf *text, const struct error *err);
void flow_server_console(struct flow_engine *e, int64_t host_id, const char *uid, int64_t max_lines,
	flow_console_fn *done, void *ctx);

#endif
