/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of decisions: each unit writes down, in its own savepoint, what it asked of placement, what was
 * answered, and what it changed there with what was before. The engine of any kept moment is today's, walked
 * back; so each past question can be asked again. */
#ifndef FLOW_DECISIONS_H
#define FLOW_DECISIONS_H

#include "flow/flow.h"
#include "placement/placement.h"
#include "store/decisions.h"

/* For the time of the question a server gives up what it holds, but a rest. */
struct decision_beside {
	int64_t id;                           /* of its allocation; 0: none */
	const struct placement_request *held; /* of the rest; NULL: nothing is kept */
	const struct placement_choice *choice;
};

struct decision_asked {
	const char *request_id, *project_uid; /* NULL: not known */
	int64_t server_id;                    /* who looks for a place; 0: a new server */
	struct decision_beside beside;
};

/* placement_choose inside a unit, written down. */
int decision_choose(struct flow_engine *e, struct db *db, const struct decision_asked *who,
	const struct placement_request *req, size_t n, struct placement_choice *out, struct error *err);
/* What has changed since the last call, or since the unit began, is written down. */
int decisions_write(struct flow_engine *e, struct db *db, struct error *err);
/* After a start: hosts that are not as the journal last saw them. Inside a unit. */
int decisions_begin(struct flow_engine *e, struct db *db, struct error *err);

/* Asks a kept question again as of then, inside a unit. out_answer: as the row's, in the arena.
 * ERR_TOO_LARGE: too much has happened since. */
int flow_decision_ask(struct flow_engine *e, struct db *db, struct arena *a, const struct decision_row *row,
	const char **out_answer, struct error *err);

#endif
