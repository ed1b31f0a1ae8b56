/* SPDX-License-Identifier: Apache-2.0 */
/* A request made ready to be asked of hosts; private to this room. */
#ifndef PLACEMENT_QUERY_H
#define PLACEMENT_QUERY_H

#include "placement/fit.h"
#include "placement/state.h"

enum { KEY_TRAITS = 8 };

/* What a tree of the index is for. Unused bytes are 0: compared and hashed as memory. */
struct tree_key {
	struct shape shape;
	uint32_t zone; /* in placement.labels; WORD_NONE: any */
	uint32_t traits_n;
	uint32_t traits[KEY_TRAITS]; /* required ones, sorted */
};

struct id_set { /* sorted */
	const int64_t *ids;
	size_t n;
	int64_t *owned;
};

struct query {
	const struct placement *p;
	const struct placement_request *req;
	struct tree_key key;
	bool narrow;   /* asks for more than its tree answers */
	int64_t named; /* the host's id, MAP_NONE: there is none of this name; where req->host says one */
	struct id_set avoid, within, eligible, apart;
	uint32_t *traits; /* required, then forbidden. Owned */
	size_t required_n, forbidden_n;
	struct map members; /* of the group by host id, where there is a policy */
	int64_t members_all;
};

struct shape shape_of(const struct placement *p, const struct placement_request *req);
/* Gives numbers to its models that no host has yet, so that its shape counts those that come. */
void shape_know_models(struct placement *p, const struct placement_request *req);
/* The query borrows p and req. */
struct query query_make(const struct placement *p, const struct placement_request *req);
void query_finish(struct query *q);
/* One more server of the group on the host, or less. */
void query_member(struct query *q, int64_t host_id, int n);
int64_t query_members_on(const struct query *q, int64_t host_id);

/* The first rule up to RULE_HELD that the host in the slot fails. */
enum placement_rule query_rule(const struct query *q, size_t slot);
/* The same without what depends on what is taken there (RULE_EXCLUSIVE, RULE_HELD). */
enum placement_rule query_rule_of_place(const struct query *q, size_t slot);
/* All rules; score (may be NULL) where it is RULE_OK. */
enum placement_rule query_ask(const struct query *q, size_t slot, int64_t *score);
/* What a soft policy prefers, before any score: lower is better. */
int64_t query_preference(const struct query *q, size_t slot);
bool host_has_traits(const struct host *h, const uint32_t *traits, size_t n); /* all of them */
bool id_set_has(const struct id_set *s, int64_t id);

#endif
