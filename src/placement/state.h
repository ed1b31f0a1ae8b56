/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine holds; private to this room. Hosts lie in two parallel arrays by slot: `hot` is one cache
 * line each, all that a scan of ten thousand hosts reads; `hosts` is the rest. A slot moves when another host
 * is removed, so nothing outside remembers slots: host ids and server ids are looked up in maps. */
#ifndef PLACEMENT_STATE_H
#define PLACEMENT_STATE_H

#include "placement/map.h"
#include "placement/placement.h"

enum { HOT_KINDS = 4, NO_OWNER = 0, SCRATCH_OWNER = -1 };

struct gpu {
	int64_t id, owner; /* server that has all of it; NO_OWNER */
	uint32_t model;    /* in placement.models */
	int cell;          /* NUMA, the host's number; -1 */
	int iommu_group;   /* -1 none */
	bool healthy;
	bool gone; /* the host no longer has it: known while it is taken */
	const struct placement_geometry *geometry;
	bool shared;
	int64_t reserved;
	bool reserved_begun;
	/* of partitions and shares; 0 where it is free or given whole */
	uint32_t slots_used; /* bit: a slot of the geometry */
	int16_t share_used;  /* thousandths */
	int16_t parts;       /* how many */
	int16_t profile;     /* of the parts, where all must be alike; index in geometry, -1 */
};

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
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME], rack[PLACEMENT_NAME], fabric[PLACEMENT_NAME];
	enum placement_host_state state;
	int64_t vcpus, ram_mib, disk_gib; /* after ratios and reserves */
	int64_t vcpus_used, ram_used_mib, disk_used_gib;
	int servers, exclusives; /* exclusives: of these, servers that want it for themselves */
	bool exclusive;
	struct gpu *gpus; /* owned; by id */
	size_t gpus_n;
	struct cell *cells; /* owned; by id */
	size_t cells_n;
	uint64_t *links; /* owned; sets of gpus[] by bit */
	size_t links_n;
	uint32_t *traits; /* owned; in placement.traits, sorted */
	size_t traits_n;
	int64_t held_for; /* a server that waits for room here; 0 */
};

/* Derived from a struct host by host_refresh, never changed elsewhere. */
struct hot {
	int64_t id;
	int64_t vcpus, ram_mib,
		disk_gib; /* free; negative when overcommitted by force or by a lowered ratio */
	uint32_t zone;    /* in placement.zones */
	uint32_t name_hash;
	uint8_t state;
	uint8_t has_gpus;  /* any that is there: kept for those who want GPUs */
	uint8_t gpus_free; /* healthy and not taken, of all models */
	uint8_t kinds_n;   /* may be above HOT_KINDS: then the rest is looked up in the host */
	uint16_t kind[HOT_KINDS];
	uint8_t kind_free[HOT_KINDS];
	uint8_t kind_cell_free[HOT_KINDS]; /* the most in one NUMA cell */
	uint8_t used;                      /* a server is there */
	uint8_t closed;                    /* and may not get company */
};
_Static_assert(sizeof(struct hot) <= 64, "a cache line");

struct holding {
	int64_t server, host;
	int64_t vcpus, ram_mib, disk_gib; /* its GPUs are those that it owns */
	bool exclusive;
};

enum change_kind { CHANGE_TAKE, CHANGE_RELEASE, CHANGE_HOST_ADD, CHANGE_HOST_SET, CHANGE_HOST_REMOVE };

struct change {
	enum change_kind kind;
	int64_t id;             /* TAKE: the server; HOST_ADD: the host */
	struct holding holding; /* RELEASE */
	int64_t *gpus;          /* RELEASE; owned */
	size_t gpus_n;
	struct host *host; /* HOST_SET, HOST_REMOVE: what was; owned, with its GPUs */
};

struct words { /* texts by small numbers, never removed */
	char (*texts)[PLACEMENT_NAME];
	uint32_t n, cap;
};

struct placement {
	struct hot *hot;
	struct host *hosts;
	size_t hosts_n, hosts_cap;
	struct map by_id; /* host id to slot */
	struct holding *holdings;
	size_t holdings_n, holdings_cap;
	struct map by_server; /* server id to index in holdings */
	struct words models, zones, traits;
	int64_t vcpus, ram_mib,
		disk_gib; /* totals of all hosts: what one unit weighs against another in scores */
	struct change *log;
	size_t log_n, log_cap;
};

enum { WORD_NONE = UINT16_MAX };
uint32_t words_find(const struct words *w, const char *text); /* WORD_NONE: not there */
uint32_t words_have(struct words *w, const char *text);
uint32_t name_hash(const char *name);

struct gpu *host_gpu(const struct host *h, int64_t id);
/* One that is not in the inventory but about to be taken by force. */
void host_gpu_add_gone(struct placement *p, struct host *h, int64_t id, const char *model);
static inline bool gpu_free(const struct gpu *g)
{
	return g->owner == NO_OWNER && g->healthy && !g->gone;
}

/* Charges a host for a holding and GPUs (sign 1), or gives them back (-1). */
void host_charge(const struct placement *p, size_t slot, int sign, const struct holding *h,
	const int64_t *gpus, size_t gpus_n, int64_t owner);

/* Puts h, whose GPUs pass over to p, where the host of its id is, or behind all. */
void host_put(struct placement *p, const struct host *h);
/* Takes the host out; its GPUs pass over to the caller. The last host moves into the gap. */
struct host host_pull(struct placement *p, size_t slot);

/* A new entry of the journal, to be filled; valid until the next. */
struct change *journal_add(struct placement *p, enum change_kind kind, int64_t id);

/* GPUs wanted, with models as numbers and each model once. */
struct gpu_query {
	uint32_t model[PLACEMENT_GPU_KINDS_MAX];
	int count[PLACEMENT_GPU_KINDS_MAX];
	size_t kinds_n;
	int total;
};

/* Free GPUs of a model on a host. */
int gpus_of_model(const struct hot *hot, const struct host *h, uint32_t model);
/* Picks from as few NUMA cells as it can, and of these from the fullest; the host must have enough. Returns
 * the number of cells; ids (room for q->total, or NULL) in the order of the wants. */
int gpus_pick(const struct host *h, const struct gpu_query *q, int64_t *ids);

#endif
