/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the books of a period add up: each GPU's shares are 1000 at every moment from its first to its
 * last, the intervals of all else meet, each has an owner that exists, and what is open is what the rows say.
 */
#ifndef STORE_BOOKS_VERIFY_H
#define STORE_BOOKS_VERIFY_H

#include <stdatomic.h>

#include "domain/books_time.h"
#include "domain/usage.h"
#include "store/checks.h"

/* In the order of the names. */
enum gpu_owner { GPU_TENANT, GPU_RESERVED, GPU_IDLE, GPU_MAINTENANCE, GPU_FAULTY, GPU_OWNERS };
extern const char *const gpu_owner_names[GPU_OWNERS];

struct books_model { /* share × µs of the GPUs of a model: of each owner, and of their time in the books */
	const char *model;
	usage_wide owners[GPU_OWNERS], lifetime;
};

struct books_verify {
	int64_t from_us, to_us; /* books time; not later than now */
	int64_t now_us;
	const struct books_step *steps; /* for times in messages */
	size_t steps_n;
	store_finding_fn *found;
	void *ctx;
	const atomic_bool *stop; /* ends with ERR_UNAVAILABLE */
	/* out; in the arena */
	struct arena *arena;
	struct books_model *models;
	size_t models_n;
	int64_t gpus, gpu_rows, rows;
};

int store_books_verify(struct db *db, struct books_verify *v, struct error *err);

#endif
