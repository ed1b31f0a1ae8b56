/* SPDX-License-Identifier: Apache-2.0 */
/* The engine for work that outlives a request: a row and a const table of small idempotent steps.
 *
 *	load (loop, read) → act (a host's lane, may block, no store) → commit (loop, one savepoint: effect +
 *next step)
 *
 * Forward only. A flow resumes at its step after a crash. */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "domain/host_evidence.h"
#include "domain/quota.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/tick.h"
#include "placement/placement.h"
#include "store/db.h"

struct flow_engine;
struct server_pair;

struct flow_gpu_model { /* configuration: what a vendor:product is called in flavors */
	const char *name;
	unsigned vendor_id, product_id;
};

/* What becomes of a GPU that a server had: it is given again at once; to nobody before an operator's word; or
 * a flow resets and verifies it. */
enum flow_gpu_reset { GPU_RESET_OFF, GPU_RESET_OPERATOR, GPU_RESET_AUTO };

struct flow_config { /* strings are borrowed and live as long as the engine */
	struct loop *loop;
	struct tick *tick;
	struct store *store;
	struct lane_pool *lanes;
	const char *cloud_id; /* marks our domains */
	const char *pki_dir;  /* client certificate for hosts */
	const char *image_dir;
	int64_t image_size_max; /* bytes of an image made of a server; 0: any */
	const char *default_zone;
	const struct flow_gpu_model *gpu_models;
	size_t gpu_models_n;
	unsigned connect_timeout_ms, call_timeout_ms, stage_timeout_ms, stop_timeout_ms;
	unsigned retry_min_ms, retry_max_ms; /* back-off of steps and of connections */
	unsigned connects_max;               /* connections being opened at once */
	unsigned poll_ms;                    /* how often a connected host is looked over */
	int64_t unreachable_s;               /* after how long a silent host is called so */
	int64_t steady_s; /* how long a connection that came and went has to stand; 0: no time */
	/* fence agents: where their programs are, what their passwords are sealed with; "" none */
	const char *fence_command_dir, *fence_key;
	int64_t fence_call_s, fence_deadline_s; /* for a call; until its power has to be as it should */
	int64_t fence_auto_after_s; /* after how long a silent host is fenced by itself; 0: never */
	int64_t fence_auto_max;     /* how many such at once */
	bool fence_auto_evacuate;   /* and then evacuated */
	int64_t evacuate_parallel;  /* servers of a dead host that are made anew at once */
	struct history *history;    /* of consoles; NULL: none is kept */
	unsigned console_poll_ms;   /* how often it is brought up to date */
	struct samples *samples;    /* of what servers use; NULL: none are kept */
	int64_t shelved_offload_s;  /* how long a shelved server stays on its host; -1: for ever */
	bool resize_elsewhere;      /* a resize always goes to another host */
	int64_t resize_confirm_s;   /* how long one waits for its confirmation; 0: for ever */
	enum flow_gpu_reset gpu_reset;
	const char *gpu_verify_command; /* an absolute path; NULL or "": none */
	unsigned gpu_verify_timeout_ms;
	/* who makes way for others: told so long before, and out so long before a capacity block begins */
	int64_t preempt_notice_s, preempt_lead_s;
	/* moves under way at once, by drains: to one host, and in all; 0: 2 and 16 */
	int64_t moves_per_target, moves_at_once;
	int64_t preempt_wait_s; /* how long after that a server waits for those who make way for it */
};

/* Builds memory (placement, quota use) from the rows. Does not start anything yet; adds its member to the
 * tick. */
int flow_engine_create(const struct flow_config *config, struct flow_engine **out, struct error *err);
/* Connects the hosts and resumes the flows. */
void flow_engine_start(struct flow_engine *e);
/* No new steps; `stopped` is called on the loop when no act is under way (or its grace is over). */
void flow_engine_stop(struct flow_engine *e, unsigned grace_ms, void (*stopped)(void *ctx), void *ctx);
void flow_engine_destroy(struct flow_engine *e);

struct placement *flow_placement(struct flow_engine *e);
struct quota_index *flow_quota(struct flow_engine *e);

/* Tests: stops (as kill -9 would) where a step hands over; see run.c. */
struct flow_hooks {
	/* name: "<kind>/<step>", point: "before-act", "after-act", "after-commit". True: the engine goes dead
	 * silent. */
	bool (*crash)(void *ctx, const char *step, const char *point);
	/* each act is run twice when true, as a retry after a lost reply would */
	bool act_twice;
	void *ctx;
};
void flow_engine_hooks(struct flow_engine *e, const struct flow_hooks *hooks);

/* --- hosts, for the operator's API (inside a unit unless said otherwise) --- */

struct host_add {
	const char *name, *uri, *zone, *pool, *accel;
	int32_t vcpu_ratio_milli, ram_ratio_milli, disk_ratio_milli;
	int64_t ram_reserved_mib;
};
int flow_host_add(struct flow_engine *e, struct db *db, const struct host_add *want, int64_t now_us,
	int64_t *out_id, struct error *err);
/* Writes what the operator may change of the row (store_host_set_options), and tells placement. ERR_CONFLICT
 * with their names: servers are pinned to CPUs that would not be dedicated any more. */
struct host_row;
int flow_host_change(struct flow_engine *e, struct db *db, struct arena *a, const struct host_row *want,
	struct error *err);
/* What the operator says of a GPU. The text is a reason, or how it is cut: "whole", "mdev" or a geometry's
 * name (ERR_CONFLICT while anything of it is held). One that is held stays with its server. */
enum gpu_change { GPU_CUT, GPU_QUARANTINE, GPU_FAULT, GPU_CLEAR, GPU_RESET };
struct device_row;
int flow_gpu_change(struct flow_engine *e, struct db *db, const struct device_row *d, enum gpu_change what,
	const char *text, struct error *err);
/* state: up, draining, disabled */
int flow_host_set_state(struct flow_engine *e, struct db *db, int64_t host_id, const char *state,
	const char *reason, struct error *err);
/* The operator's word that the host is dead, or is not: a dead one gets no servers, and what was on it may be
 * made anew elsewhere. */
struct host_proof {        /* that it is down */
	const char *proof; /* fence, operator */
	const char *by, *reason;
};
/* proof NULL: it is not known to be down any more. */
int flow_host_force_down(struct flow_engine *e, struct db *db, int64_t host_id,
	const struct host_proof *proof, struct error *err);
/* Refused (ERR_CONFLICT) while servers are there. */
int flow_host_remove(struct flow_engine *e, struct db *db, int64_t host_id, struct error *err);
/* Any time on the loop: reads inventory and domains again soon. */
void flow_host_refresh(struct flow_engine *e, int64_t host_id);

struct host_link {                /* what memory knows of a host's connection */
	const char *state;        /* connecting, connected, unreachable */
	int64_t since_us;         /* of that state */
	int64_t seen_us;          /* last answer of any kind; 0 never */
	int64_t epoch;            /* counts connections */
	char error[256];          /* the last failure; "" none */
	unsigned queued, running; /* host calls */
	enum host_evidence known; /* of the host as a whole: by what, and since when */
	const char *source;
	int64_t known_us;
	bool fencing; /* its power is being cut: nothing is sent to it */
	bool is_connected;
};
/* The hosts that are heard, by id in order, as flow_host_link has them: for threads, which may not ask it. In
 * the arena. */
const int64_t *flow_hosts_heard(struct flow_engine *e, struct arena *a, size_t *out_n);
bool flow_host_link(struct flow_engine *e, int64_t host_id, struct host_link *out);
/* Of one whose row does not say that it is down. The link hears of a word that was taken back a moment later.
 */
static inline bool host_link_is_up(const struct host_link *l)
{
	return l->known == EVIDENCE_CONNECTED || (l->known == EVIDENCE_DOWN && l->is_connected);
}

/* An image was deleted: its copies on the hosts go when no server there needs them (inside a unit). */
int flow_image_deleted(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err);

/* --- aggregates of hosts (inside a unit) --- */

struct aggregate;
struct aggregate_change {
	const char *name;              /* NULL: as it is */
	int64_t add_host, remove_host; /* 0: none */
	const struct server_pair *metadata;
	size_t metadata_n; /* a value of NULL: the key goes */
};
/* ERR_CONFLICT: a name or a host that it has already, a host that would be in two zones, or leave its zone
 * while servers are there. */
int flow_aggregate_change(struct flow_engine *e, struct db *db, struct arena *a, int64_t id,
	const struct aggregate_change *change, int64_t now_us, struct error *err);
/* The image's copies on all hosts of the aggregate are made, or are there. */
int flow_aggregate_cache(struct flow_engine *e, struct db *db, struct arena *a, const struct aggregate *g,
	int64_t image_id, const char *request_id, int64_t now_us, struct error *err);

/* A stuck or waiting flow runs again now (inside a unit). ERR_NOT_FOUND. */
int flow_retry(struct flow_engine *e, struct db *db, int64_t flow_id, struct error *err);

struct flow_stats {
	uint64_t started, finished, failed, acts, retries;
	unsigned running; /* acts under way */
};
void flow_engine_stats(const struct flow_engine *e, struct flow_stats *out);

/* Compares rows with rows and rows with memory, inside a unit, since memory follows the tick: findings go to
 * `found`; *out_rules is how many rules were looked at. */
typedef void flow_finding_fn(void *ctx, const char *rule, const char *object, const char *message);
int flow_check(struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, int *out_rules,
	struct error *err);

#endif
