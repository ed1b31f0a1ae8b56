/* SPDX-License-Identifier: Apache-2.0 */
/* Flavors: what values are valid, and what their extra specs ask for. An extra spec that would not be
 * honoured is refused when it is set: nothing is silently ignored. */
#ifndef DOMAIN_FLAVOR_H
#define DOMAIN_FLAVOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	FLAVOR_MODEL = 64, /* a GPU model's name with its NUL */
	FLAVOR_GPU_KINDS_MAX = 4,
	FLAVOR_GPUS_MAX = 64, /* in one server */
	FLAVOR_AGGREGATES_MAX = 8,
	FLAVOR_VCPUS_MAX = 4096,
	FLAVOR_RAM_MIB_MAX = 64 << 20, /* 64 TiB */
	FLAVOR_DISK_GIB_MAX = 1 << 20, /* 1 PiB */
	FLAVOR_EXTRA_SPECS_MAX = 64
};

/* The extra spec, and the metadata of an aggregate, by which a host takes one server. */
#define FLAVOR_EXCLUSIVE_HOST "cloudd:exclusive_host"

struct flavor_values {
	const char *id, *name, *description; /* id and description may be NULL: made, none */
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	double rxtx_factor;
};

/* ERR_BAD_REQUEST naming the field and its range. rxtx_factor is kept for clients that read it back; as with
 * OpenStack's libvirt hosts it has no effect. */
int flavor_check(const struct flavor_values *f, struct error *err);

struct flavor_gpu_want {
	char model[FLAVOR_MODEL];
	int count;
};

struct flavor_aggregate_want { /* metadata that an aggregate of the host must have */
	char key[128], value[256];
};

/* What a flavor's extra specs ask of a host. */
struct flavor_wants {
	struct flavor_gpu_want gpus[FLAVOR_GPU_KINDS_MAX];
	size_t gpus_n;
	struct flavor_aggregate_want aggregates[FLAVOR_AGGREGATES_MAX];
	size_t aggregates_n;
	bool exclusive_host; /* no other server there */
};

/* The number of GPUs of all kinds: what quota and usage count. */
int64_t flavor_wants_gpus(const struct flavor_wants *w);

/* Checks one extra spec by the table of those that are understood and adds what it asks for to wants (NULL:
 * only check). ERR_BAD_REQUEST otherwise; the message lists what is understood. */
int flavor_extra_spec(const char *key, const char *value, struct flavor_wants *wants, struct error *err);

#endif
