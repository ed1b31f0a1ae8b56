/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's engine. Pure: no I/O, no clock, no randomness; the same answer for the same state. It holds
 * hosts and what is taken on them; it is rebuilt from the rows at start, follows each tick by a journal that
 * can be undone, and is compared with the rows by `cloudctl check`.
 *
 * Capacity of a host: vcpus × vcpu_ratio, (ram_mib - ram_reserved_mib) × ram_ratio, (disk_gib -
 * disk_reserved_gib) × disk_ratio; of each cell, its dedicated CPUs and huge pages once; each GPU once, or as
 * far as its partitions or shares go. */
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
	PLACEMENT_NAME = 64,
	PLACEMENT_MODELS = 256,        /* "h100" or "h100|h200", with its NUL */
	PLACEMENT_CELLS_MAX = 16,      /* NUMA cells of a host */
	PLACEMENT_GUEST_CELLS_MAX = 8, /* of a server */
	PLACEMENT_CPUS_MAX = 1024,     /* of a host: numbers of logical CPUs are below it */
	PLACEMENT_PINS_MAX = 512,      /* pinned vCPUs of a server */
	PLACEMENT_LINKS_MAX = 64,      /* interconnect partitions of a host */
	PLACEMENT_MIX_MAX = 4096,      /* kinds of requests that the score is told to expect */
	PLACEMENT_SHARE = 1000         /* a whole GPU in thousandths */
};

/* Sizes of memory pages in KiB, as Nova's hw:mem_page_size names them. */
enum { PAGE_ANY = 0, PAGE_LARGE = -1, PAGE_4K = 4, PAGE_2M = 2048, PAGE_1G = 1048576 };

enum placement_host_state {
	PLACEMENT_UP,       /* takes new servers */
	PLACEMENT_DRAINING, /* the operator wants it empty */
	PLACEMENT_DISABLED,
	PLACEMENT_DOWN /* not connected, or declared dead */
};

/* ---- what there is ---- */

/* How a GPU can be cut: a profile takes `slots` slots in a row from one of the positions in `starts` (bit i:
 * slot i), where none of them is taken. MIG-like geometry and mediated device types are both told by it. */
struct placement_profile {
	char name[PLACEMENT_NAME]; /* "1g.10gb" */
	uint32_t starts;
	uint8_t slots;
	int16_t share; /* of the GPU, in thousandths */
};

struct placement_geometry {
	uint8_t slots; /* at most 32 */
	bool alike;    /* all partitions of one GPU have the same profile */
	const struct placement_profile *profiles;
	size_t profiles_n;
};

struct placement_gpu {
	int64_t id;                 /* of the device row */
	char model[PLACEMENT_NAME]; /* operator's name for vendor:product */
	int numa_cell;              /* -1 unknown */
	int iommu_group;            /* -1 none; GPUs of one group go to one server, all or none of them */
	bool healthy;               /* sound and clean: only such ones are given */
	/* How it is cut; NULL: given whole, or in free shares where `shared`. Must outlive the engine. */
	const struct placement_geometry *geometry;
	bool shared;         /* takes requests for a share without a profile */
	int64_t reserved;    /* a capacity block that it belongs to now or later; 0: none */
	bool reserved_begun; /* it has begun: preemptible servers may not use it any more */
};

struct placement_cpu {
	int16_t id, core; /* threads of one core have the same core number within the host */
};

struct placement_cell {
	int id;
	int64_t ram_mib;                  /* with small pages: what the cell has less its huge pages */
	int64_t pages_2m, pages_1g;       /* huge pages: their number */
	const struct placement_cpu *cpus; /* those that servers with dedicated CPUs are pinned to */
	size_t cpus_n;
};

struct placement_host {
	int64_t id;
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME], rack[PLACEMENT_NAME], fabric[PLACEMENT_NAME];
	enum placement_host_state state;
	/* vcpus, ram_mib: for servers that float and use small pages: without dedicated CPUs and huge pages
	 */
	int64_t vcpus, ram_mib, ram_reserved_mib, disk_gib, disk_reserved_gib;
	int32_t vcpu_ratio_milli, ram_ratio_milli, disk_ratio_milli; /* 1000 = 1.0 */
	bool exclusive;                                              /* takes one server at most */
	const struct placement_gpu *gpus;                            /* all arrays are copied */
	size_t gpus_n;
	const struct placement_cell *cells; /* none: not known */
	size_t cells_n;
	/* Sets of GPUs (bit i: gpus[i]) that can be one partition of the interconnect (NVLink, NVSwitch). */
	const uint64_t *links;
	size_t links_n;
	const char *const *traits; /* "HW_CPU_X86_AVX512F", "CUSTOM_NVME" */
	size_t traits_n;
};

/* ---- what is asked ---- */

struct placement_gpu_want {
	char model[PLACEMENT_MODELS]; /* several with '|': each GPU of any of them; "": of any */
	int count;
	int share;                    /* of each GPU in thousandths, 0: whole */
	char profile[PLACEMENT_NAME]; /* a partition of this profile; "": none */
};

/* How the servers of a group lie to each other. The soft ones are preferences, and come before the score. */
enum placement_policy {
	PLACEMENT_NO_GROUP,
	PLACEMENT_TOGETHER, /* all on one host */
	PLACEMENT_APART,    /* at most max_per_host on one */
	PLACEMENT_SOFT_TOGETHER,
	PLACEMENT_SOFT_APART
};

/* How close the servers of one request lie (a gang). */
enum placement_scope { PLACEMENT_ANYWHERE, PLACEMENT_ONE_HOST, PLACEMENT_ONE_RACK, PLACEMENT_ONE_FABRIC };

/* hw:cpu_thread_policy */
enum placement_threads { PLACEMENT_THREADS_PREFER, PLACEMENT_THREADS_ISOLATE, PLACEMENT_THREADS_REQUIRE };

/* hw:pci_numa_affinity_policy: a server with NUMA cells and its GPUs. Legacy: in its cells, or of no known
 * cell. Preferred: there if it can be. Socket counts as required where sockets are cells. */
enum placement_pci {
	PLACEMENT_PCI_LEGACY,
	PLACEMENT_PCI_REQUIRED,
	PLACEMENT_PCI_PREFERRED,
	PLACEMENT_PCI_SOCKET
};

enum placement_wish { PLACEMENT_WHATEVER, PLACEMENT_PREFERRED, PLACEMENT_REQUIRED };

struct placement_guest_cell { /* a NUMA cell of the server */
	int vcpus;
	int64_t ram_mib;
};

struct placement_members { /* of the group, on one host */
	int64_t host_id;
	int n;
};

struct placement_request {
	int64_t vcpus, ram_mib, disk_gib;
	struct placement_gpu_want gpus[PLACEMENT_GPU_KINDS_MAX];
	size_t gpus_n;
	enum placement_wish link; /* its GPUs are one partition of the interconnect */
	enum placement_pci pci;
	/* Cells that it sees; each lies within a host's cell of its own. 0: it floats, unless dedicated or
	 * pages make it one cell. Their vcpus and ram_mib add up to those above. */
	struct placement_guest_cell cells[PLACEMENT_GUEST_CELLS_MAX];
	size_t cells_n;
	bool dedicated; /* each vCPU has a host CPU of its own */
	enum placement_threads threads;
	int page_kib;                                                 /* PAGE_ANY: small ones */
	const char *const *traits_required, *const *traits_forbidden; /* of the host */
	size_t traits_required_n, traits_forbidden_n;
	char zone[PLACEMENT_NAME]; /* "": any */
	char host[PLACEMENT_NAME]; /* "": any; else this one, or nowhere */
	const int64_t *avoid;      /* host ids not to use (another server's, a failed try) */
	size_t avoid_n;
	const int64_t *within; /* host ids to choose from (same host as another server); NULL: all */
	size_t within_n;
	const int64_t *eligible; /* host ids in the aggregates that the flavor wants; NULL: all */
	size_t eligible_n;
	const int64_t *apart; /* host ids set apart for flavors that require more than this one */
	size_t apart_n;
	enum placement_policy policy;
	int max_per_host;                        /* PLACEMENT_APART; 0: one */
	const struct placement_members *members; /* of the group, without those that are being placed */
	size_t members_n;
	bool exclusive;             /* no other server on its host */
	enum placement_scope scope; /* of a gang: choose's n servers */
	bool scope_required;        /* else preferred */
	int64_t reservation;        /* uses GPUs of this block that has begun; 0: none */
	bool preemptible;           /* may use a block's GPUs until it begins; may be a victim */
	int64_t server;             /* its id, where a host may be kept for it; 0 */
};

struct placement_gpu_choice {
	int64_t id;
	int16_t start; /* of its partition's slots; -1: whole, or a free share */
	int16_t share; /* thousandths */
	char profile[PLACEMENT_NAME];
	int8_t guest_cell; /* the server's cell that is close to it; -1: none is */
};

struct placement_cell_choice { /* of one guest cell */
	int cell;              /* the host's */
	int vcpus;             /* pins of the server's cells follow each other in cpus */
	int64_t ram_mib;
	int page_kib; /* PAGE_4K: small ones */
};

struct placement_choice {
	int64_t host_id;
	struct placement_gpu_choice gpus[PLACEMENT_GPUS_MAX];
	size_t gpus_n;
	struct placement_cell_choice cells[PLACEMENT_GUEST_CELLS_MAX];
	size_t cells_n;                   /* 0: it floats */
	int16_t cpus[PLACEMENT_PINS_MAX]; /* vCPU i is pinned to host CPU cpus[i] */
	size_t cpus_n;                    /* 0: not pinned */
	bool cpus_isolated; /* the other threads of these CPUs' cores are the server's too, and stay idle */
	int16_t idle[PLACEMENT_PINS_MAX]; /* these, of what is held; of what is chosen they are found when it
					     is taken */
	size_t idle_n;
};

/* The rules in the order they are tried: a refused host fails the first of them. */
enum placement_rule {
	RULE_OK,
	RULE_HOST_STATE,
	RULE_HOST_NAMED,
	RULE_ZONE,
	RULE_TRAIT,     /* lacks a required one, has a forbidden one */
	RULE_AGGREGATE, /* eligible, apart */
	RULE_GROUP,     /* avoid / within, and the policy */
	RULE_SCOPE,     /* of a gang: too far from the others */
	RULE_EXCLUSIVE, /* it wants a host for itself, or another has this one for itself */
	RULE_HELD,      /* kept for a server that waits for others to leave */
	RULE_VCPUS,
	RULE_RAM,
	RULE_DISK,
	RULE_CPUS,      /* dedicated ones */
	RULE_PAGES,     /* huge pages */
	RULE_NUMA,      /* there is enough, but not within its cells */
	RULE_GPU,       /* too few free ones of the model, or no room for the profile */
	RULE_RESERVED,  /* they belong to a capacity block */
	RULE_GPU_NUMA,  /* free ones, but not near its cells */
	RULE_GPU_LINK,  /* free ones, but no free partition of the interconnect */
	RULE_GPU_GROUP, /* free ones, but IOMMU groups that are shared with others */
	RULE_MAX
};
const char *placement_rule_name(enum placement_rule rule); /* "ram" */
const char *placement_rule_text(enum placement_rule rule); /* of one host: "lacks ram" */

struct placement_verdict { /* one host's, for explain */
	int64_t host_id;
	enum placement_rule rule;
	int64_t want, have; /* of what the rule counts; 0 where it counts nothing */
	int64_t score;      /* RULE_OK: lower is better */
};

struct placement;
struct placement *placement_create(void);
void placement_destroy(struct placement *p);
/* The same state, with an empty journal: to try things on. */
struct placement *placement_copy(const struct placement *p);

/* What requests to expect: the score of a choice is what it takes from them. Weights are relative; of the
 * requests only amounts, GPUs, pages and dedicated count. Churning: servers with GPUs come and go, rather
 * than come to stay. None: GPUs are kept together all the same. Journaled. */
void placement_mix_set(struct placement *p, const struct placement_request *requests, const uint32_t *weights,
	size_t n, bool churning);
/* Does a cloud churn in which so many servers with GPUs came and went of late? was: what it did before, so
 * that it does not change to and fro. */
bool placement_churns(uint64_t placed, uint64_t released, bool was);

/* How the best of the hosts that fit is found. */
enum placement_order {
	PLACEMENT_BY_MIX,    /* what the requests that are expected lose least by */
	PLACEMENT_BEST_FIT,  /* the fewest vCPUs and GPUs left */
	PLACEMENT_FIRST_FIT, /* the lowest id */
	PLACEMENT_SPREAD     /* the most vCPUs and GPUs left */
};
void placement_order_set(struct placement *p, enum placement_order order);

/* Adds the host, or changes it keeping what is taken there. GPUs, cells and CPUs that vanish stay known
 * while they are taken. */
void placement_host_set(struct placement *p, const struct placement_host *h);
/* False while something is taken there. */
bool placement_host_remove(struct placement *p, int64_t host_id);
/* Keeps the host for one server that waits for others to leave it; 0: for nobody. Journaled. */
void placement_host_hold(struct placement *p, int64_t host_id, int64_t server_id);

/* Chooses for n alike servers, all or none, without taking anything. -1 with ERR_NO_HOST whose message counts
 * the refusals by rule ("no host fits: 3 of 4 lack ram, 1 is disabled"). */
int placement_choose(struct placement *p, const struct placement_request *req, size_t n,
	struct placement_choice *out, struct error *err);
/* Every host's verdict, by host id; out has room for placement_hosts(p). Returns how many fit. */
size_t placement_explain(
	const struct placement *p, const struct placement_request *req, struct placement_verdict *out);
size_t placement_hosts(const struct placement *p);
/* How many such servers fit now, one after the other, at most max. */
size_t placement_room(const struct placement *p, const struct placement_request *req, size_t max);

/* Takes for a server (id of its row) what was chosen. -1 with ERR_CONFLICT, and nothing taken, when it does
 * not fit or the server holds something already. Loading at start uses it too, with force: what runs is taken
 * even above capacity, since it is there; of the request only vcpus, ram_mib, disk_gib, exclusive,
 * preemptible and reservation are read then. */
int placement_take(struct placement *p, int64_t server_id, const struct placement_request *req,
	const struct placement_choice *choice, bool force, struct error *err);
/* Gives back exactly what the server took; nothing taken: fine. */
void placement_release(struct placement *p, int64_t server_id);
/* What it holds: of the request what is listed above. False: nothing. */
bool placement_held(const struct placement *p, int64_t server_id, struct placement_request *req,
	struct placement_choice *out);

/* Whether a server may be made to leave its host. */
struct placement_may {
	bool (*leave)(void *ctx, int64_t server_id);
	void *ctx;
};

/* The fewest (then the smallest, then the newest: highest ids) servers of one host that have to go so that
 * the request fits there, and what it gets then. may NULL: preemptible ones. -1 with ERR_NO_HOST. Also a
 * placement of its own where nothing has to go (*out_n 0). */
int placement_victims(const struct placement *p, const struct placement_request *req,
	const struct placement_may *may, struct placement_choice *out, int64_t *victims, size_t max,
	size_t *out_n, struct error *err);

/* Who may move, and what each would ask for elsewhere: as at its creation; -1: it cannot move after all. */
struct placement_movers {
	struct placement_may may;
	int (*request)(void *ctx, int64_t server_id, struct placement_request *out);
	void *ctx;
};

struct placement_move {
	int64_t server_id, from, to; /* hosts */
};

/* Moves after which up to `count` more servers of the request fit than do now; in the order in which they can
 * be made, at most max. Returns how many more; *out_n: the number of moves. */
size_t placement_rebalance(const struct placement *p, const struct placement_request *req, size_t count,
	const struct placement_movers *movers, struct placement_move *moves, size_t max, size_t *out_n);

/* What follows a mark can be undone back to it, newest first (a savepoint, or a tick that was refused).
 * Forget drops the journal once the tick is on disk. Host changes are journaled as well. */
size_t placement_mark(const struct placement *p);
void placement_undo(struct placement *p, size_t mark);
void placement_forget(struct placement *p);

/* What happened since a mark, in order, with what was before: enough to do it again and to take it back. */
enum placement_event_kind {
	PLACEMENT_TAKEN,
	PLACEMENT_RELEASED,
	PLACEMENT_HOST_TOLD,
	PLACEMENT_HOST_HELD,
	PLACEMENT_MIX_TOLD
};

struct placement_mix { /* what requests to expect */
	const struct placement_request *requests;
	const uint32_t *weights;
	size_t n;
	bool churning;
};

struct placement_event { /* valid during the call */
	enum placement_event_kind kind;
	int64_t id; /* the server's, or the host's */
	/* TAKEN: what it got; RELEASED: what it had; as placement_held tells it */
	const struct placement_request *request;
	const struct placement_choice *choice;
	const struct placement_host *host,
		*before;               /* HOST_TOLD; NULL: not there. Ratios are worked in: 1000 */
	int64_t held_for, held_before; /* HOST_HELD */
	const struct placement_mix *mix, *mix_before; /* MIX_TOLD; NULL: none */
};
typedef int placement_event_fn(void *ctx, const struct placement_event *ev, struct error *err);
/* -1 as soon as fn says so. */
int placement_events(
	const struct placement *p, size_t mark, placement_event_fn *fn, void *ctx, struct error *err);
/* The mix as it is; nothing where there is none. */
int placement_mix_tell(const struct placement *p, placement_event_fn *fn, void *ctx, struct error *err);
/* Every host as it is, in no order. */
int placement_each_host(const struct placement *p, placement_event_fn *fn, void *ctx, struct error *err);

struct placement_usage {
	int64_t vcpus_total, vcpus_used, ram_total_mib, ram_used_mib, disk_total_gib, disk_used_gib;
	int64_t dedicated_total, dedicated_used; /* CPUs */
	int64_t huge_total_mib, huge_used_mib;   /* memory in huge pages */
	int gpus_total, gpus_used, servers;      /* a GPU that is partly taken counts as used */
	int64_t shares_used;                     /* thousandths of GPUs */
};
/* Totals are after ratios and reserves. False: no such host. */
bool placement_host_usage(const struct placement *p, int64_t host_id, struct placement_usage *out);
/* How many slots in a row a partition of this profile takes of the GPU; 0: it has no such profile. */
int placement_profile_slots(const struct placement *p, int64_t host_id, int64_t gpu_id, const char *profile);
/* A text of all that is taken, ordered by ids: equal states give equal texts. */
void placement_dump(const struct placement *p, struct buf *out);

#endif
