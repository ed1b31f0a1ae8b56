/* SPDX-License-Identifier: Apache-2.0 */
/* The placement service (Placement v1): a view of hosts and of what servers hold, to be read. What would
 * change it is refused by name: cloudd's own rows are what it shows. */
#ifndef API_PLACEMENT_PLACEMENT_H
#define API_PLACEMENT_PLACEMENT_H

#include "api/placement/tree.h"

/* Microversions from which on something is shown or taken. */
enum {
	SINCE_CLASSES = 2,
	SINCE_MEMBER_OF = 3,
	SINCE_RESOURCES = 4,
	SINCE_TRAITS = 6,
	SINCE_ALLOCATIONS_LINK = 11,
	SINCE_BY_PROVIDER = 12, /* allocations are an object, with project and user */
	SINCE_TREES = 14,
	SINCE_LIMIT = 16,
	SINCE_SUMMARY_TRAITS = 17,
	SINCE_REQUIRED = 18,
	SINCE_AGGREGATE_GENERATION = 19,
	SINCE_CANDIDATES_MEMBER_OF = 21,
	SINCE_ERROR_CODE = 23,
	SINCE_GROUPS = 25,
	SINCE_ALL_CLASSES = 27,
	SINCE_CONSUMER_GENERATION = 28,
	SINCE_CANDIDATE_TREES = 29,
	SINCE_CANDIDATES_IN_TREE = 31,
	SINCE_SUFFIXES = 33,
	SINCE_MAPPINGS = 34,
	SINCE_ROOT_REQUIRED = 35,
	SINCE_SUBTREE = 36,
	SINCE_CONSUMER_TYPE = 38
};

int provider_list(struct api_call *c, struct error *err);
int provider_show(struct api_call *c, struct error *err);
int provider_inventories(struct api_call *c, struct error *err);
int provider_inventory(struct api_call *c, struct error *err);
int provider_usages(struct api_call *c, struct error *err);
int provider_aggregates(struct api_call *c, struct error *err);
int provider_traits(struct api_call *c, struct error *err);
int provider_allocations(struct api_call *c, struct error *err);

int allocation_show(struct api_call *c, struct error *err);
int usage_show(struct api_call *c, struct error *err);

int resource_class_list(struct api_call *c, struct error *err);
int resource_class_show(struct api_call *c, struct error *err);
int trait_list(struct api_call *c, struct error *err);
int trait_show(struct api_call *c, struct error *err);

int candidate_list(struct api_call *c, struct error *err);

/* "resource_provider_generation" and so on: counts commits, so it changes whenever what is shown does. */
void placement_kv_generation(struct api_call *c, const char *key);
/* "traits": [...] */
void placement_kv_traits(struct api_call *c, const struct rp *p);
/* {"VCPU": 4, ...}, the amounts of one name added up. */
void placement_write_amounts(struct api_call *c, const struct rp_amount *list, size_t n);
/* From 1.15 on: how old this is, and that it must not be kept. */
void placement_fresh(struct api_call *c);

#endif
