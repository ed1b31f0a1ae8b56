/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts in order of score, for each shape that was lately asked for. A tree keeps every host's verdict
 * and score, and the least score of each eight hosts, of each eight such, and so on. It learns of changes
 * from a log when it is asked: a host is judged again only if it changed since. Private to this room. */
#ifndef PLACEMENT_INDEX_H
#define PLACEMENT_INDEX_H

#include "placement/query.h"

struct index *index_create(void);
void index_destroy(struct index *x);
/* The host in the slot changed. NULL: nothing to do; so below. */
void index_touch(struct index *x, size_t slot);
/* Slots were given anew, or all scores changed. */
void index_reset(struct index *x);

struct tree;
/* The tree for the key, up to date; valid until the next. Slots are in order. */
struct tree *index_tree(struct placement *p, const struct tree_key *key);
/* What a tree keeps of a host. */
struct leaf {
	int64_t score;
	uint8_t code;
};
struct leaf tree_leaf(const struct tree *t, size_t slot);
/* For changes that are not in the log and will be taken back: judges one host again, or says what it was. */
void tree_renew(const struct placement *p, struct tree *t, size_t slot);
void tree_put(struct tree *t, size_t slot, struct leaf leaf);

/* Verdicts as the tree keeps them: a rule; RULE_HOST_STATE with the state. */
enum { CODE_STATE = RULE_MAX, CODES = RULE_MAX + PLACEMENT_DOWN + 1 };
int tree_code(const struct tree *t, size_t slot);
int64_t tree_score(const struct tree *t, size_t slot);
/* How many hosts have the code. */
size_t tree_count(const struct tree *t, int code);

/* Of the hosts that accept says yes to (NULL: all) the one with the least score, then the least slot. Asks
 * only those that could win. False: there is none. */
typedef bool tree_accept_fn(void *ctx, size_t slot);
bool tree_best(const struct tree *t, tree_accept_fn *accept, void *ctx, size_t *out);

#endif
