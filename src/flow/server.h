/* SPDX-License-Identifier: Apache-2.0 */
/* What the API asks of servers. Each runs inside a tick's unit with the read-write connection: it checks,
 * writes all rows that the change needs (quota, allocation, ports, usage, flow) and returns; the flow goes on
 * after the commit. */
#ifndef FLOW_SERVER_H
#define FLOW_SERVER_H

#include "base/arena.h"
#include "domain/server_state.h"
#include "flow/flow.h"
#include "placement/placement.h"
#include "store/server_groups.h"
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
	int64_t group_id;        /* row; 0: none */
	struct server_hint *hints;
	size_t hints_n;
	int count;     /* all or none */
	bool numbered; /* names become name-1, name-2 … */
};

/* Makes `count` servers; out_uids is an array in the arena. Quota or a bad reference: -1 and nothing is made.
 * No host: the servers are made in ERROR with a fault, as Nova does, and 0 is returned. */
int flow_server_create(struct flow_engine *e, struct db *db, struct arena *a,
	const struct server_create *want, const struct flow_origin *origin, const char ***out_uids,
	struct error *err);

/* For how many such servers the limits have room, at most max. */
int flow_server_room(struct flow_engine *e, struct db *db, const struct server_create *want, int64_t max,
	int64_t *out, struct error *err);

/* What flow_server_create would do with the same request now, and why; changes nothing. A project of 0 has no
 * limits. Arrays are in the arena. */
enum { EXPLAIN_LEAVERS_MAX = 32 };
struct server_explanation {
	struct error quota, guardrail; /* ERR_NONE: within its limits; it may */
	bool placed;
	const struct placement_choice *choices; /* placed: of each server */
	struct error no_host;                   /* else why */
	struct placement_request request;       /* of one of them */
	struct placement_verdict *verdicts;     /* of each host, by id, for one of them */
	size_t verdicts_n;
	size_t preempted; /* not placed: it would wait for so many preemptible servers to leave; 0: for none
			   */
	/* Not placed: the fewest servers that would have to leave one host for one of them. host_id 0: no
	 * host would do even if it were empty. */
	int64_t change_host_id, leavers[EXPLAIN_LEAVERS_MAX];
	size_t leavers_n;
};
/* with_change: also who would have to leave, which looks at all servers. */
int flow_server_explain(struct flow_engine *e, struct db *db, struct arena *a,
	const struct server_create *want, bool with_change, struct server_explanation *out,
	struct error *err);

/* os-start, os-stop, reboot, pause, unpause, suspend, resume by their rows of the action table: checks state
 * and lock (ERR_CONFLICT), sets task_state, starts the flow. */
enum server_op {
	SERVER_START,
	SERVER_STOP,
	SERVER_REBOOT_SOFT,
	SERVER_REBOOT_HARD,
	SERVER_PAUSE,
	SERVER_UNPAUSE,
	SERVER_SUSPEND,
	SERVER_RESUME
};
int flow_server_act(struct flow_engine *e, struct db *db, struct server *s, enum server_op op, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* A server made anew in its place: `s` carries what tenants edit, its key, user data and password as they
 * shall be. */
struct server_rebuild {
	int64_t image_id;
	const struct server_pair *metadata; /* NULL: as it was; else all of it */
	size_t metadata_n;
};
int flow_server_rebuild(struct flow_engine *e, struct db *db, struct server *s,
	const struct server_rebuild *want, bool is_admin, const struct flow_origin *origin,
	struct error *err);
/* Boots a fresh disk of that image, with the server's own behind it. */
int flow_server_rescue(struct flow_engine *e, struct db *db, struct server *s, int64_t image_id,
	bool is_admin, const struct flow_origin *origin, struct error *err);
int flow_server_unrescue(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* The server's root disk becomes the data of that image, which is in status saving. ACTION_CREATE_IMAGE or
 * ACTION_CREATE_BACKUP: by the latter the older backups go. */
int flow_server_image(struct flow_engine *e, struct db *db, struct server *s, enum server_action action,
	int64_t image_id, bool is_admin, const struct flow_origin *origin, struct error *err);
/* And then the server leaves its host, by the configuration at once, later or never. */
int flow_server_shelve(struct flow_engine *e, struct db *db, struct server *s, int64_t image_id,
	bool is_admin, const struct flow_origin *origin, struct error *err);
int flow_server_shelve_offload(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err);
struct server_unshelve {
	const char *zone, *host; /* "" or NULL: any */
};
/* ERR_NO_HOST: it stays as it is. */
int flow_server_unshelve(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct server_unshelve *want, bool is_admin, const struct flow_origin *origin,
	struct error *err);

/* Delete works in any state and never waits: the wish is noted, and what runs now gives way at its next step.
 */
int flow_server_delete(struct flow_engine *e, struct db *db, struct server *s, bool is_admin,
	const struct flow_origin *origin, struct error *err);

/* Asked of the running guest, and answered when it has. done is called once on the loop: err NULL, it did.
 * ERR_CONFLICT: its agent does not answer, or it does not run. */
typedef void flow_guest_fn(void *ctx, const struct error *err);
void flow_server_password(struct flow_engine *e, const struct server *s, const char *user,
	const char *password, flow_guest_fn *done, void *ctx);
/* A non-maskable interrupt: a guest that is set up for it dumps its memory. */
void flow_server_crash_dump(struct flow_engine *e, const struct server *s, flow_guest_fn *done, void *ctx);

/* The last max_lines lines (0: all, bounded) of the console, read from the host on its bulk lane. done is
 * called once on the loop: text valid during the call, or err. ERR_CONFLICT when the server has no host yet.
 */
typedef void flow_console_fn(void *ctx, const struct buf *text, const struct error *err);
void flow_server_console(struct flow_engine *e, int64_t host_id, const char *uid, int64_t max_lines,
	flow_console_fn *done, void *ctx);

/* What a running server uses, asked of its host on the bulk lane. done is called once on the loop: stats
 * valid during the call, or err. ERR_CONFLICT when it is on no host or does not run. */
struct hv_stats;
typedef void flow_stats_fn(void *ctx, const struct hv_stats *stats, const struct error *err);
void flow_server_stats(
	struct flow_engine *e, int64_t host_id, const char *uid, flow_stats_fn *done, void *ctx);

/* Any time on the loop: looks soon at what the server's host has of it. */
void flow_server_look(struct flow_engine *e, int64_t host_id, const char *uid);

#endif
