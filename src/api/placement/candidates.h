/* SPDX-License-Identifier: Apache-2.0 */
/* A query for candidates, and the providers of one host that could serve it. */
#ifndef API_PLACEMENT_CANDIDATES_H
#define API_PLACEMENT_CANDIDATES_H

#include "api/placement/want.h"

enum {
	CANDIDATE_GROUPS_MAX = 65,
	CANDIDATE_SUFFIX = 64,
	CANDIDATE_SUBTREES_MAX = 16,
	CANDIDATE_TRIES = 512 /* on a host, beside one each item */
};

struct candidate_group {
	const char *suffix; /* "": its resources may come from several providers; else from one */
	struct rp_want want;
};

struct candidate_query {
	struct candidate_group *groups;
	size_t groups_n;
	bool isolate; /* groups with a suffix get providers of their own */
	bool policy_given;
	struct rp_want root; /* traits of the host */
	/* groups whose providers are one of them and what is below it */
	struct want_set subtrees[CANDIDATE_SUBTREES_MAX];
	size_t subtrees_n;
	int64_t limit;
};

int candidate_query_read(struct api_call *c, struct candidate_query *out, struct error *err);

/* What was found on a host: providers by item; items of a group follow each other. */
struct candidate_item {
	size_t group;
	const struct rp_amount *amounts;
	size_t amounts_n;
	bool alike; /* as the item before */
	size_t at;  /* the provider's place in the tree */
};

struct candidate {
	const struct candidate_query *query;
	struct rp_tree *tree;
	size_t root, end;
	struct candidate_item *items;
	size_t items_n;
	size_t *order, order_n; /* of trying */
	size_t tries;
};

/* The items of a query: the same for all hosts. */
void candidate_items(struct arena *a, const struct candidate_query *q, struct candidate *out);
/* Looks for providers of the host at `root`; what is asked of each is in its classes then, until cleared. */
bool candidate_find(struct candidate *k, size_t root, bool whole_tree);
void candidate_clear(struct candidate *k);

#endif
