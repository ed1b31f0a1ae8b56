/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of GPUs for data centres by their PCI ids: name, memory, how they are tied together, how they
 * can be cut. What is not in the tables is told by the operator, or left unknown. */
#ifndef DOMAIN_GPU_PRODUCTS_H
#define DOMAIN_GPU_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- products ---- */

enum gpu_link {
	GPU_LINK_NONE,  /* or a bridge that may be missing: the operator tells */
	GPU_LINK_PAIRS, /* sold as two that are bridged */
	GPU_LINK_SWITCH /* each reaches each on a board of up to eight */
};

struct gpu_product {
	uint16_t vendor_id, product_id;
	const char *model; /* what flavors call it where the configuration names it no other way */
	int64_t memory_mib;
	enum gpu_link link;
	const char *geometry; /* how it can be cut; NULL: not known to be */
};

/* NULL: not known. */
const struct gpu_product *gpu_product_find(int64_t vendor_id, int64_t product_id);

/* ---- geometries ---- */

struct gpu_profile { /* `slots` in a row, from a slot in `starts` on */
	const char *name;
	uint32_t starts;
	uint8_t slots;
	int16_t share; /* of the GPU's processors, in thousandths */
};

struct gpu_geometry {
	const char *name;
	uint8_t slots;
	const struct gpu_profile *profiles;
	size_t profiles_n;
};

/* By number, NULL behind the last. */
const struct gpu_geometry *gpu_geometry_at(size_t i);
/* NULL: there is none. */
const struct gpu_geometry *gpu_geometry_find(const char *name);

/* How a device is given when it is not cut by a geometry. */
#define GPU_CUT_WHOLE "whole"
#define GPU_CUT_MDEV "mdev" /* in mediated devices, all of one type */

/* ---- types of mediated devices ---- */

enum { GPU_MDEV_TYPES_MAX = 32, GPU_MDEV_NAME = 64, GPU_MDEV_INSTANCES_MAX = 32 };

struct gpu_mdev_type {
	char id[GPU_MDEV_NAME], name[GPU_MDEV_NAME]; /* "nvidia-474", "NVIDIA A100-1-5C" */
	int instances;
};

/* Reads "nvidia-474=7:NVIDIA A100-1-5C;nvidia-475=3:..."; what is malformed is left out. */
size_t gpu_mdev_types(const char *text, struct gpu_mdev_type out[GPU_MDEV_TYPES_MAX]);
/* How many of the type one GPU holds: each of its virtual functions says that it can make one, but the memory
 * in the name ("NVIDIA A100-4C": 4 GiB) and its slices ("-1-5C": one of seven) are there once. memory_mib 0:
 * not known. */
int gpu_mdev_most(const struct gpu_mdev_type *t, int64_t memory_mib);
/* The id of the type in text that is a partition of that profile: the profile is its id or its name, or
 * "1g.5gb" where the name ends in "-1-5C". False: none is. */
bool gpu_mdev_find(const char *text, const char *profile, char out_id[GPU_MDEV_NAME]);

/* Bit i: there is a type for profile i of the geometry. */
uint64_t gpu_geometry_offered(const struct gpu_geometry *g, const char *mdev_types);

/* ---- interconnect ---- */

enum { GPU_LINKS_MAX = 64 };

/* The partitions of GPUs of a host, bit i for the i-th by address: product[i] may be NULL. Equal products are
 * taken in their order: pairs, or on boards of eight halves, quarters and the whole. */
size_t gpu_links_auto(const struct gpu_product *const *products, size_t n, uint64_t out[GPU_LINKS_MAX]);
/* Of "0-7;0-3;4-7;0,1". Returns their number, or -1: not such a text, or more than GPU_LINKS_MAX. */
int gpu_links_parse(const char *text, uint64_t out[GPU_LINKS_MAX]);

#endif
