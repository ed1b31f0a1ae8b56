/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs a capacity block gets: pure. As few hosts as possible, of these so that the fewest GPUs are left
 * over on them, whole hosts and those without guests first. */
#ifndef DOMAIN_CALENDAR_H
#define DOMAIN_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
	CALENDAR_GPUS_MAX = 4096, /* in one block */
	CALENDAR_HOST_GPUS = 64,
	CALENDAR_DAYS_MAX = 366 /* of one block, and how far ahead it may begin */
};

/* Where its GPUs lie. */
enum calendar_scope { CALENDAR_ANYWHERE, CALENDAR_ONE_HOST, CALENDAR_ONE_RACK, CALENDAR_ONE_FABRIC };
const char *calendar_scope_text(enum calendar_scope scope); /* "rack"; "" for anywhere */
bool calendar_scope_parse(const char *text, enum calendar_scope *out);

struct calendar_gpu { /* of the model, sound; those of one host lie together */
	int64_t id, host_id;
	const char *rack, *fabric; /* "": not known */
	bool held;                 /* by a server that nothing makes leave */
	bool guest;                /* by one that leaves when it must */
};

struct calendar_use { /* by another block, or by a maintenance window of its host */
	size_t gpu;   /* in the array of these */
	int64_t start_us, end_us;
	bool maintenance;
};

struct calendar_want {
	const char *model;
	size_t gpus; /* 1 to CALENDAR_GPUS_MAX */
	enum calendar_scope scope;
	int64_t start_us, end_us;
};

/* out has room for want->gpus ids. ERR_CONFLICT: they are not to be had then; the message says how many are,
 * what has the others, and the earliest start from which they all are. */
int calendar_plan(const struct calendar_want *want, const struct calendar_gpu *gpus, size_t n,
	const struct calendar_use *uses, size_t uses_n, struct arena *a, int64_t *out, struct error *err);

#endif
