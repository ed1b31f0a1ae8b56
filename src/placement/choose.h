/* SPDX-License-Identifier: Apache-2.0 */
/* What choosing, choosing several at once and explaining share; private to this room. */
#ifndef PLACEMENT_CHOOSE_H
#define PLACEMENT_CHOOSE_H

#include "placement/state.h"

enum barred { BARRED_GROUP = 1, BARRED_AGGREGATE = 2 };

/* A request made ready for the scan. */
struct query {
	const struct placement_request *req;
	struct gpu_query gpus;
	bool any_zone, any_host;
	uint32_t zone, name_hash;
	uint8_t *barred;   /* by slot, enum barred; NULL: none is. Owned */
	uint16_t *members; /* of the group, by slot; NULL: no group. Owned */
	size_t members_all;
	uint64_t ram_weight, disk_weight; /* sixteenths of a vCPU in 2^-20 for one MiB, one GiB */
};

struct query query_make(const struct placement *p, const struct placement_request *req);
void query_finish(struct query *q);

/* The first rule that a host fails. */
enum placement_rule refused_by(const struct placement *p, const struct query *q, size_t slot);
/* Of a host that fits: lower is better. */
int64_t score_of(const struct placement *p, const struct query *q, size_t slot);
/* The first kind of GPU that the host has too few of; kinds_n: none. */
size_t gpu_lacking(const struct placement *p, const struct query *q, size_t slot, int *have);

struct candidate {
	int64_t score, id;
	size_t slot;
	int preference;
};

/* The best host into *out; 0 or 1. */
size_t best_of(const struct placement *p, const struct query *q, struct candidate *out);
/* All hosts that fit, the best first; out has room for all hosts. */
size_t ranking(const struct placement *p, const struct query *q, struct candidate *out);
/* One server of the query onto a host where it fits, without taking anything. */
void choose_on(const struct placement *p, const struct query *q, size_t slot, struct placement_choice *out);

/* n alike into `chosen`, as far as they fit: what they would take is charged until gang_undo. */
struct gang {
	const struct placement *p;
	struct query *q;
	struct placement_choice *chosen;
	size_t n;
};
void gang_choose(struct gang *g, size_t n);
void gang_undo(struct gang *g);

/* ERR_NO_HOST with the refusals by rule: "no host fits: 3 of 4 lack ram, 1 is disabled". -1. */
int no_host(
	const struct placement *p, const struct query *q, size_t fitted, size_t wanted, struct error *err);

#endif
