/* SPDX-License-Identifier: Apache-2.0 */
/* Resource providers, made of rows: each host with its NUMA cells and GPUs as a tree, what they have, and
 * what is taken of it. Nothing of it is stored. */
#ifndef API_PLACEMENT_TREE_H
#define API_PLACEMENT_TREE_H

#include "api/api.h"
#include "base/cpuset.h"
#include "store/devices.h"
#include "store/providers.h"

struct rp_class { /* an inventory */
	const char *name;
	int64_t total, reserved, used;
	int32_t ratio_milli;
	int64_t asked; /* while a candidate is sought */
};

enum rp_kind { RP_HOST, RP_CELL, RP_GPU };

struct rp {
	enum rp_kind kind;
	const char *uid, *name;
	size_t parent, root;  /* places in the tree; a host's own */
	int64_t host_id, key; /* key: the host's row, the cell's number, the device's row */
	const char *model;    /* of a GPU */
	struct cpuset cpus;   /* of a cell: the dedicated ones */
	struct rp_class *classes;
	size_t classes_n;
	const char **traits;
	size_t traits_n;
	bool preferred; /* the engine would take it */
};

struct rp_tree { /* hosts by row, each followed by its cells and its GPUs */
	struct rp *all;
	size_t n;
};

/* Of one host (0: all). */
int rp_tree_load(struct api_call *c, int64_t host_id, struct rp_tree *out, struct error *err);
/* The tree that a provider is of, and its place there. ERR_NOT_FOUND. */
int rp_tree_find(struct api_call *c, const char *uid, struct rp_tree *out, size_t *out_at, struct error *err);
/* Behind the last provider of the host at `root`. */
size_t rp_tree_end(const struct rp_tree *t, size_t root);
/* The one that something is held of; NULL: it is not in the tree. */
const struct rp *rp_tree_holder(const struct rp_tree *t, const struct held *h);

struct rp_class *rp_class_find(const struct rp *p, const char *name);
bool rp_has_trait(const struct rp *p, const char *name);
/* What can be held of it: (total - reserved) × ratio. */
int64_t rp_class_capacity(const struct rp_class *k);

struct rp_amount {
	const char *name; /* of a resource class */
	int64_t n;
};
enum { RP_AMOUNTS = 3 };
/* What something held comes to. Returns how many. */
size_t rp_amounts(struct arena *a, const struct held *h, struct rp_amount out[RP_AMOUNTS]);

#define RP_TRAIT_NODE "COMPUTE_NODE"
#define RP_TRAIT_DISABLED "COMPUTE_STATUS_DISABLED"
#define RP_TRAIT_CELL "HW_NUMA_ROOT"

#endif
