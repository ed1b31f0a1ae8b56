/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's engine. Pure: no I/O, no clock, no randomness; the same answer for the same state. It holds
 * hosts and what is taken on them; it is rebuilt from the rows at start, follows each tick by a journal that
 * can be undone, and is compared with the rows by `cloudctl check`.
 *
 * Capacity of a host: vcpus × vcpu_ratio, (ram_mib - ram_reserved_mib) × ram_ratio, disk_gib × disk_ratio,
 * each GPU once. */
#ifndef PLACEMENT_PLACEMENT_H
#define PLACEMENT_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum {
	PLACEMENT_GPUS_MAX = 64,     /* of one host */
	PLACEMENT_GPU_KINDS_MAX = 4, /* in one request */
	PLACEMENT_NAME = 64
};

enum placement_host_state {
	PLACEMENT_UP,       /* takes new servers */
	PLACEMENT_DRAINING, /* the operator wants it empty */
	PLACEMENT_DISABLED,
	PLACEMENT_DOWN /* not connected, or declared dead */
};

struct placement_gpu {
	int64_t id;                 /* of the device row */
	char model[PLACEMENT_NAME]; /* operator's name for vendor:product */
	int numa_cell;              /* -1 unknown */
	bool healthy;               /* only healthy ones are given */
};

struct placement_host {
	int64_t id;
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME];
	enum placement_host_state state;
	int64_t vcpus, ram_mib, ram_reserved_mib, disk_gib;
	int32_t vcpu_ratio_milli, ram_ratio_milli, disk_ratio_milli; /* 1000 = 1.0 */
	bool exclusive;                                              /* takes one server at most */
	const struct placement_gpu *gpus;                            /* copied */
	size_t gpus_n;
};

struct placement_gpu_want {
	char model[PLACEMENT_NAME];
	int count;
};

/* How the servers of a group lie to each other. The soft ones are preferences, and come before the score. */
enum placement_policy {
	PLACEMENT_NO_GROUP,
	PLACEMENT_TOGETHER, /* all on one host */
	PLACEMENT_APART,    /* at most max_per_host on one */
	PLACEMENT_SOFT_TOGETHER,
	PLACEMENT_SOFT_APART
};

struct placement_members { /* of the group, on one host */
	int64_t host_id;
	int n;
};

struct placement_request {
	int64_t vcpus, ram_mib, disk_gib;
	struct placement_gpu_want gpus[PLACEMENT_GPU_KINDS_MAX];
	size_t gpus_n;
	char zone[PLACEMENT_NAME]; /* "": any */
	char host[PLACEMENT_NAME]; /* "": any; else this one, or nowhere */
	const int64_t *avoid;      /* host ids not to use (another server's, a failed try) */
	size_t avoid_n;
	const int64_t *within; /* host ids to choose from (same host as another server); NULL: all */
	size_t within_n;
	const int64_t *eligible; /* host ids in the aggregates that the flavor wants; NULL: all */
	size_t eligible_n;
	enum placement_policy policy;
	int max_per_host;                        /* PLACEMENT_APART; 0: one */
	const struct placement_members *members; /* of the group, without those that are being placed */
	size_t members_n;
	bool exclusive; /* no other server on its host */
};

struct placement_choice {
	int64_t host_id;
	int64_t gpu_ids[PLACEMENT_GPUS_MAX];
	size_t gpus_n;
};

/* The rules in the order they are tried: a refused host fails the first of them. */
enum placement_rule {
	RULE_OK,
	RULE_HOST_STATE,
	RULE_HOST_NAMED,
	RULE_ZONE,
	RULE_AGGREGATE, /* eligible */
	RULE_GROUP,     /* avoid / within, and the policy */
	RULE_EXCLUSIVE, /* it wants a host for itself, or another has this one for itself */
	RULE_VCPUS,
	RULE_RAM,
	RULE_DISK,
	RULE_GPU,
	RULE_MAX
};
const char *placement_rule_name(enum placement_rule rule); /* "ram" */

struct placement_verdict { /* one host's, for explain */
	int64_t host_id;
	enum placement_rule rule;
	int64_t want, have; /* of what the rule counts; 0 where it counts nothing */
	int64_t score;      /* RULE_OK: lower is better */
};

struct placement;
struct placement *placement_create(void);
void placement_destroy(struct placement *p);

/* Adds the host, or changes it keeping what is taken there. GPUs that vanish stay known while they are taken.
 */
void placement_host_set(struct placement *p, const struct placement_host *h);
/* False while something is taken there. */
bool placement_host_remove(struct placement *p, int64_t host_id);

/* Chooses for n alike servers, all or none, without taking anything. -1 with ERR_NO_HOST whose message counts
 * the refusals by rule ("no host fits: 3 of 4 lack ram, 1 is disabled"). */
int placement_choose(const struct placement *p, const struct placement_request *req, size_t n,
	struct placement_choice *out, struct error *err);
/* Every host's verdict, by host id; out has room for placement_hosts(p). Returns how many fit. */
size_t placement_explain(
	const struct placement *p, const struct placement_request *req, struct placement_verdict *out);
size_t placement_hosts(const struct placement *p);

/* Takes for a server (id of its row) what was chosen. -1 with ERR_CONFLICT, and nothing taken, when it does
 * not fit or the server holds something already. Loading at start uses it too, with force: what runs is taken
 * even above capacity, since it is there. */
int placement_take(struct placement *p, int64_t server_id, const struct placement_request *req,
	const struct placement_choice *choice, bool force, struct error *err);
/* Gives back exactly what the server took; nothing taken: fine. */
void placement_release(struct placement *p, int64_t server_id);

/* What follows a mark can be undone back to it, newest first (a savepoint, or a tick that was refused).
 * Forget drops the journal once the tick is on disk. Host changes are journaled as well. */
size_t placement_mark(const struct placement *p);
void placement_undo(struct placement *p, size_t mark);
void placement_forget(struct placement *p);

struct placement_usage {
	int64_t vcpus_total, vcpus_used, ram_total_mib, ram_used_mib, disk_total_gib, disk_used_gib;
	int gpus_total, gpus_used, servers;
};
/* Totals are after ratios and reserves. False: no such host. */
bool placement_host_usage(const struct placement *p, int64_t host_id, struct placement_usage *out);
/* A text of all that is taken, ordered by ids: equal states give equal texts. */
void placement_dump(const struct placement *p, struct buf *out);

#endif
