/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine holds; private to this room. Hosts are pointers in slots; when one is asked for, the slots
 * are in the order of the hosts' ids, so that of equal hosts the one in the lower slot wins. Slots move when
 * hosts come and go: nothing outside remembers them, host ids and server ids are looked up in maps. */
#ifndef PLACEMENT_STATE_H
#define PLACEMENT_STATE_H

#include "placement/map.h"
#include "placement/placement.h"
#include "placement/words.h"

enum { NO_OWNER = 0, SCRATCH_OWNER = -1 };
enum { MODELS_MAX = 64 }; /* that requests can name; a GPU of a later one is given to those who take any */

struct gpu {
	int64_t id, owner;                         /* server that has all of it; NO_OWNER */
	const struct placement_geometry *geometry; /* NULL: not cut */
	int64_t reserved;
	uint32_t model;  /* in placement.models */
	int cell;        /* NUMA, the host's number; -1 */
	int iommu_group; /* -1 none */
	/* of partitions and shares; 0 where it is free or given whole */
	uint32_t slots_used; /* bit: a slot of the geometry */
	int16_t share_used;  /* thousandths */
	int16_t parts;       /* how many */
	int16_t profile;     /* of the parts, where all must be alike; index in geometry, -1 */
	bool healthy;
	bool gone; /* the host no longer has it: known while it is taken */
	bool shared;
	bool reserved_begun;
};
_Static_assert(sizeof(struct gpu) <= 64, "a cache line");

struct cpu {
	int16_t id, core;
	bool gone;
	int64_t owner;
};

struct cell {
	int id;
	bool gone;
	int64_t ram_mib, ram_used_mib;   /* in small pages */
	int64_t pages[2], pages_used[2]; /* of 2 MiB, of 1 GiB */
	struct cpu *cpus;                /* owned; by core, then id */
	size_t cpus_n;
	/* Sums by fit_refresh: free CPUs; cores whose threads are all free; CPUs of such that have several */
	int cpus_free, cores_free, siblings_free;
};

struct host {
	int64_t id;
	int64_t vcpus, ram_mib, disk_gib; /* after ratios and reserves */
	int64_t vcpus_used, ram_used_mib, disk_used_gib;
	struct gpu *gpus; /* owned; those that are there by id (64 at most), then the gone ones */
	size_t gpus_n, gpus_there;
	uint64_t grouped;     /* by bit: those that are not alone in their IOMMU group; by fit_refresh */
	uint64_t link_sizes;  /* bit: one less than the GPUs of a partition in links; by fit_refresh */
	uint64_t cut;         /* by bit: those with a geometry; by fit_refresh */
	uint64_t whole;       /* by bit: those that are there, healthy, and nothing of them is taken */
	size_t gpus_free;     /* how many */
	uint64_t models_free; /* of those that can give anything; all: more models than there are bits */
	struct cell *cells;   /* owned; by id */
	size_t cells_n;
	uint64_t *links; /* owned; sets of gpus[] by bit */
	size_t links_n;
	uint32_t *traits; /* owned; in placement.traits, sorted */
	size_t traits_n;
	int servers, exclusives; /* exclusives: of these, servers that want it for themselves */
	int preemptibles;        /* of the servers */
	bool exclusive;
	enum placement_host_state state;
	int64_t held_for; /* a server that waits for room here; 0 */
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME], rack[PLACEMENT_NAME], fabric[PLACEMENT_NAME];
};

/* What is read of a host that is passed over; derived from struct host by host_changed. */
struct hot {
	int64_t id;
	uint32_t zone, rack, fabric; /* in placement.labels */
	uint8_t state;
	bool used;   /* a server is there */
	bool closed; /* and may not get company */
	bool held;
};

struct part { /* of one GPU */
	int64_t gpu;
	uint32_t profile;     /* in placement.profiles; WORD_NONE: none */
	int16_t start, share; /* start -1: whole, or a free share */
	uint8_t slots;        /* from start */
	int8_t guest_cell;
};

/* What a server takes beside amounts; in one piece of memory. */
struct claim {
	struct part *gpus;
	struct placement_cell_choice *cells;
	int16_t *cpus; /* and behind them the threads beside them that stay idle */
	size_t gpus_n, cells_n, cpus_n, idle_n;
	bool isolated;
};

struct holding {
	int64_t server, host;
	int64_t vcpus, ram_mib, disk_gib, reservation;
	bool exclusive, preemptible;
	struct claim *claim; /* owned; NULL: amounts only */
};

enum change_kind {
	CHANGE_TAKE,
	CHANGE_RELEASE,
	CHANGE_HOST_ADD,
	CHANGE_HOST_SET,
	CHANGE_HOST_REMOVE,
	CHANGE_HOST_HOLD,
	CHANGE_MIX
};

struct change {
	enum change_kind kind;
	int64_t id;             /* the server's, or the host's */
	int64_t held_for;       /* HOST_HOLD: before */
	struct holding holding; /* RELEASE; owned */
	struct host *host;      /* HOST_SET, HOST_REMOVE: what was; owned */
	struct mix *mix;        /* MIX: what was; owned */
};

struct index;
struct mix;

struct placement {
	struct host **hosts; /* owned; by slot */
	struct hot *hot;
	size_t hosts_n, hosts_cap;
	size_t held_n;                     /* hosts that are kept for somebody */
	size_t states[PLACEMENT_DOWN + 1]; /* how many hosts are in each */
	bool unordered;                    /* slots are to be sorted by id */
	struct map by_id;                  /* host id to slot */
	struct map by_name;                /* hash of a host's name to its id */
	struct holding *holdings;
	size_t holdings_n, holdings_cap;
	struct map by_server; /* server id to index in holdings */
	struct words models, labels, traits, profiles;
	/* totals of all hosts: what one unit weighs against another in scores */
	int64_t vcpus, ram_mib, disk_gib;
	uint64_t ram_weight, disk_weight; /* sixteenths of a vCPU in 2^-20 for one MiB, one GiB */
	struct change *log;
	size_t log_n, log_cap;
	struct index *index; /* of hosts by shape; made when first asked */
	struct mix *mix;     /* what the score expects; NULL: nothing in particular. Owned */
	uint64_t fleet;      /* sum of mix_fleet_of of all hosts */
	enum placement_order order;
};

static inline bool gpu_taken(const struct gpu *g) /* all or a part of it */
{
	return g->owner != NO_OWNER || g->parts > 0;
}

static inline bool gpu_free(const struct gpu *g) /* though parts of it may be taken */
{
	return g->owner == NO_OWNER && g->healthy && !g->gone;
}

/* Of the models (bit per number in placement.models; all: any)? */
static inline bool gpu_of(const struct gpu *g, uint64_t models)
{
	return g->model < MODELS_MAX ? models >> g->model & 1 : models == UINT64_MAX;
}

/* Those of a capacity block are for its own servers once it has begun, and until then for preemptible ones;
 * its servers get no others. */
static inline bool gpu_open_to(const struct gpu *g, int64_t reservation, bool preemptible)
{
	if (reservation)
		return g->reserved == reservation && g->reserved_begun;
	return !g->reserved || (preemptible && !g->reserved_begun);
}

/* Pages of the small kind? */
static inline bool pages_small(int page_kib)
{
	return page_kib == PAGE_ANY || page_kib == PAGE_4K;
}

/* ---- hosts.c ---- */

/* NULL: not known. */
struct host *host_by_id(const struct placement *p, int64_t id);
/* Slots in the order of ids. */
void hosts_order(struct placement *p);
/* After anything of the host changed: hot alone, where the change will be taken back; or for all to know. */
void host_refresh(struct placement *p, size_t slot);
void host_changed(struct placement *p, size_t slot);
/* Puts h, which passes over to p, where the host of its id is (that one passes over to the caller), or
 * behind all (NULL). */
struct host *host_put(struct placement *p, struct host *h);
/* Takes the host out; it passes over to the caller. The last host moves into the gap. */
struct host *host_pull(struct placement *p, size_t slot);
void host_destroy(struct host *h);
struct host *host_copy(const struct host *h);

/* ---- inventory.c ---- */

/* The host as it is told, with what is taken of the old one (NULL: a new host). */
struct host *host_build(struct placement *p, const struct placement_host *from, const struct host *old);
struct gpu *host_gpu(const struct host *h, int64_t id);
struct cell *host_cell(const struct host *h, int id);
const struct cpu *host_cpu(const struct host *h, int16_t id);
struct cell *cell_of_cpu(const struct host *h, int16_t id, const struct cpu **out); /* NULL: not known */
/* What runs uses it, though the inventory does not list it. */
struct gpu *host_gpu_add_gone(struct host *h, int64_t id, uint32_t model);
struct cell *host_cell_add_gone(struct host *h, int id);
void cell_cpu_add_gone(struct cell *c, int16_t id);
/* Counts the GPUs that are there and free; fit_refresh does as well. */
void host_count_gpus(struct host *h);

/* ---- holdings.c ---- */

/* Charges the host with what is held (sign 1), or gives it back (-1). */
void host_charge(const struct placement *p, struct host *h, int sign, const struct holding *held);
/* What a server with this choice would hold; told: the choice says which threads are idle, else they are
 * found. Profiles are known: those of hosts are, others are to be made. */
struct holding holding_make(const struct placement *p, const struct host *h, int64_t server_id,
	const struct placement_request *req, const struct placement_choice *choice, bool told);
void holding_finish(struct holding *h);
void holding_add(struct placement *p, const struct holding *h);
/* As it was taken. */
void holding_tell(const struct placement *p, const struct holding *h, struct placement_request *req,
	struct placement_choice *out);
struct holding holding_copy(const struct holding *h);
/* Takes it out of the book and gives back what it held. False: the server held nothing. */
bool holding_pull(struct placement *p, int64_t server_id, struct holding *out);

/* ---- placement.c ---- */

/* A new entry of the journal, to be filled; valid until the next. */
struct change *journal_add(struct placement *p, enum change_kind kind, int64_t id);

#endif
