/* SPDX-License-Identifier: Apache-2.0 */
/* Where an allocation lies within its host, for the domain that is made of it. */
#ifndef STORE_ALLOCATION_PLACE_H
#define STORE_ALLOCATION_PLACE_H

#include "store/allocations.h"

struct place_gpu {           /* given whole */
	const char *address; /* "0000:65:00.0" */
	const char
		*companions; /* functions of its IOMMU group that go with it: "0000:65:00.1,..."; "" none */
	int64_t guest_cell;  /* the server's cell that it is close to; -1: none is */
};

struct place_part {           /* of a GPU */
	const char *uid;      /* the mediated device's uuid */
	const char *address;  /* the GPU's */
	const char *profile;  /* "": a share alone */
	const char *cut;      /* the device's: mdev (then profile is the type), or the name of a geometry */
	const char *types;    /* of mediated devices that the device offers: its mdev_types */
	int64_t start, slots; /* -1, 0: a share alone */
	int64_t share;        /* of the GPU, in thousandths */
	int64_t guest_cell;
};

struct allocation_place {
	int64_t host_id;
	const struct allocation_cell *cells; /* of the server, in its order; none: it floats */
	size_t cells_n;
	const int16_t *cpus;          /* vCPU i is pinned to host CPU cpus[i]; the cells' follow each other */
	size_t cpus_n;                /* 0: not pinned */
	const struct place_gpu *gpus; /* by address */
	size_t gpus_n;
	const struct place_part *parts; /* by address and start */
	size_t parts_n;
	/* Where it has cells, or some CPUs of the host are for dedicated use: all CPUs but those, for what is
	 * not pinned. None: all, or they are not known. */
	const int16_t *shared;
	const int16_t *shared_cell; /* the host's cell of each */
	size_t shared_n;
};

/* By the allocation's key; all in the arena. 1 found, 0 nothing, -1. */
int store_allocation_place(
	struct db *db, struct arena *a, int64_t id, struct allocation_place *out, struct error *err);
/* The uuids of its mediated devices. */
int store_allocation_mdevs(
	struct db *db, struct arena *a, int64_t id, const char ***out, size_t *out_n, struct error *err);

#endif
