/* SPDX-License-Identifier: Apache-2.0 */
/* Guardrails: what a project and all below it may use at all. A project may use what its own rows and those
 * of every project above it allow; where nobody says anything, all is allowed. */
#ifndef STORE_GUARDRAILS_H
#define STORE_GUARDRAILS_H

#include <stdbool.h>

#include "base/arena.h"
#include "store/db.h"

/* Lists of what is allowed, and what is allowed unless a row says no. */
enum guardrail_rule { GUARDRAIL_FLAVOR, GUARDRAIL_ZONE, GUARDRAIL_IMAGE, GUARDRAIL_LISTS };
extern const char *const guardrail_visibilities[]; /* of images; NULL at the end */

struct guardrail_list {
	bool said; /* else all are allowed */
	const char **values;
	size_t n;
};
struct guardrail {
	struct guardrail_list lists[GUARDRAIL_LISTS];
	bool no_preemptible, no_reserved;
};

/* A project's own rows, and what they leave together with those above it; values in the arena, in order. */
int store_guardrail_own(
	struct db *db, struct arena *a, int64_t project_id, struct guardrail *out, struct error *err);
int store_guardrail_effective(
	struct db *db, struct arena *a, int64_t project_id, struct guardrail *out, struct error *err);
/* Takes the place of the rows that there are. */
int store_guardrail_set(struct db *db, int64_t project_id, const struct guardrail *g, struct error *err);

/* What somebody is about to use for a project. */
struct guardrail_ask {
	const char *flavor_uid, *zone; /* NULL, "": none is asked for */
	const char *visibility;        /* of an image to be used or made; NULL: none */
	bool preemptible, reserved;
};
/* ERR_FORBIDDEN, naming what is not allowed. */
int store_guardrail_check(
	struct db *db, int64_t project_id, const struct guardrail_ask *ask, struct error *err);
/* Hosts of the zones that the project may use. *out NULL: of all. */
int store_guardrail_hosts(
	struct db *db, struct arena *a, int64_t project_id, int64_t **out, size_t *out_n, struct error *err);

#endif
