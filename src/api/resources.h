/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller may run out of: its disks, the database's lock, descriptors, memory. It is looked at
 * from time to time, and at once after a write was refused; when something runs short, and when it is over,
 * that is said once, in the journal and as an event. docs/limits.md. */
#ifndef API_RESOURCES_H
#define API_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct api;
struct api_call;
struct resources;

struct resource {
	const char *name;    /* "database_disk" */
	const char *means;   /* what does not work meanwhile */
	const char *remedy;  /* what an operator does about it */
	int64_t left, least; /* bytes or descriptors: how much there is, and how much there should be; -1: not
				known */
	bool trouble;
	int64_t since_us; /* wall clock */
	char why[200];    /* for operators: it may name paths */
};

struct resources *resources_create(struct api *api);
void resources_stop(struct resources *r);
/* With the loop's next turn. */
void resources_destroy(struct resources *r);

const struct resource *resources_all(const struct resources *r, size_t *n);
/* A write was refused: looks soon. r may be NULL, also below. */
void resources_hint(struct resources *r);
/* May something be made that takes room, in the database or (images) in the directory of images?
 * ERR_NO_SPACE: their disk has less than disk_min_free_mib left. */
int resources_room(const struct resources *r, bool images, struct error *err);
/* Short of memory: nothing new is begun. */
int resources_memory(const struct resources *r, struct error *err);

/* GET /healthcheck, for who balances or watches: 200, or 503 while nothing can be written. */
int resources_health(struct api_call *c, struct error *err);

#endif
