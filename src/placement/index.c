/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/score.h"

enum {
	FAN = 8,    /* scores of a node: one cache line */
	LEVELS = 8, /* for 8^8 hosts */
	TREES_MIN = 64,
	TREES_MAX = 1024,
	TREES_BYTES = 48 << 20, /* of all trees together, once there are more than TREES_MIN */
	TOUCHED = 8192          /* places of the log; a power of two */
};
#define NOWHERE INT64_MAX /* the score of a host that does not fit */

struct tree {
	struct tree_key key;
	int64_t hash;
	uint64_t asked;       /* when last: for the choice of which one to give up */
	uint64_t seen;        /* changes of the log that it knows */
	uint64_t age;         /* of the index when it was built */
	size_t n;             /* hosts */
	int64_t *nodes;       /* of all levels; level 0 are the hosts' scores. Owned */
	size_t level[LEVELS]; /* where each begins */
	int levels;           /* of the last, only the first is used */
	uint8_t *codes;       /* by slot. Owned */
	size_t counts[CODES];
};

struct index {
	struct tree *trees[TREES_MAX];
	size_t n;
	struct map by_hash; /* of the key, to its place in trees */
	uint64_t asks, age, changes;
	uint32_t touched[TOUCHED]; /* slots, by the number of the change */
	uint64_t *last;            /* by slot: its newest change. Owned */
	size_t last_cap;
};

struct index *index_create(void)
{
	return xcalloc(1, sizeof(struct index));
}

static void tree_destroy(struct tree *t)
{
	free(t->nodes);
	free(t->codes);
	free(t);
}

void index_destroy(struct index *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n; i++)
		tree_destroy(x->trees[i]);
	map_finish(&x->by_hash);
	free(x->last);
	free(x);
}

void index_touch(struct index *x, size_t slot)
{
	if (!x)
		return;
	if (slot >= x->last_cap) {
		size_t cap = x->last_cap ? x->last_cap : 64;

		while (cap <= slot)
			cap *= 2;
		x->last = xrealloc(x->last, cap * sizeof *x->last);
		memset(x->last + x->last_cap, 0, (cap - x->last_cap) * sizeof *x->last);
		x->last_cap = cap;
	}
	x->touched[x->changes % TOUCHED] = (uint32_t)slot;
	x->last[slot] = ++x->changes;
}

void index_reset(struct index *x)
{
	if (x)
		x->age++;
}

/* ---- one tree ---- */

static uint8_t judge_code(const struct placement *p, const struct tree_key *key, size_t slot)
{
	const struct hot *hot = &p->hot[slot];
	const struct host *h = p->hosts[slot];

	if (hot->state != PLACEMENT_UP)
		return (uint8_t)(CODE_STATE + hot->state);
	if (key->zone != WORD_NONE && hot->zone != key->zone)
		return RULE_ZONE;
	if (key->traits_n && !host_has_traits(h, key->traits, key->traits_n))
		return RULE_TRAIT;
	if (hot->closed || (key->shape.exclusive && hot->used))
		return RULE_EXCLUSIVE;
	if (hot->held)
		return RULE_HELD;
	return (uint8_t)fit_check(h, &key->shape, NULL, NULL);
}

static struct leaf judge(const struct placement *p, const struct tree_key *key, size_t slot)
{
	struct leaf leaf = { NOWHERE, judge_code(p, key, slot) };

	if (leaf.code == RULE_OK)
		leaf.score = score_of(p, p->hosts[slot], &key->shape);
	return leaf;
}

static int64_t least(const int64_t *of)
{
	int64_t min = of[0];

	for (int i = 1; i < FAN; i++)
		min = of[i] < min ? of[i] : min;
	return min;
}

/* After the score at this place of level 0 changed. */
static void carry_up(struct tree *t, size_t at)
{
	for (int l = 0; l + 1 < t->levels; l++) {
		int64_t min = least(t->nodes + t->level[l] + at / FAN * FAN);
		int64_t *up = t->nodes + t->level[l + 1] + at / FAN;

		if (*up == min)
			return;
		*up = min;
		at /= FAN;
	}
}

struct leaf tree_leaf(const struct tree *t, size_t slot)
{
	return (struct leaf) { t->nodes[slot], t->codes[slot] };
}

void tree_put(struct tree *t, size_t slot, struct leaf leaf)
{
	t->counts[t->codes[slot]]--;
	t->counts[leaf.code]++;
	t->codes[slot] = leaf.code;
	if (t->nodes[slot] == leaf.score)
		return;
	t->nodes[slot] = leaf.score;
	carry_up(t, slot);
}

void tree_renew(const struct placement *p, struct tree *t, size_t slot)
{
	tree_put(t, slot, judge(p, &t->key, slot));
}

/* Each level is filled up to whole nodes with places that no host has. */
static size_t lay_out(struct tree *t, size_t n)
{
	size_t total = 0, wide = n;

	t->levels = 0;
	for (;;) {
		size_t room = (wide + FAN - 1) / FAN * FAN;

		t->level[t->levels++] = total;
		total += room ? room : FAN;
		if (room <= FAN || t->levels == LEVELS)
			return total;
		wide = room / FAN;
	}
}

static void build(const struct placement *p, struct tree *t)
{
	size_t total = lay_out(t, p->hosts_n);

	if (t->n != p->hosts_n || !t->nodes) {
		t->n = p->hosts_n;
		t->nodes = xrealloc(t->nodes, total * sizeof *t->nodes);
		t->codes = xrealloc(t->codes, t->n + 1);
	}
	for (size_t i = 0; i < total; i++)
		t->nodes[i] = NOWHERE;
	memset(t->counts, 0, sizeof t->counts);
	for (size_t i = 0; i < t->n; i++) {
		struct leaf leaf = judge(p, &t->key, i);

		t->nodes[i] = leaf.score;
		t->codes[i] = leaf.code;
		t->counts[leaf.code]++;
	}
	for (int l = 0; l + 1 < t->levels; l++)
		for (size_t i = 0; t->level[l] + i * FAN < t->level[l + 1]; i++)
			t->nodes[t->level[l + 1] + i] = least(t->nodes + t->level[l] + i * FAN);
}

static void bring_up_to_date(const struct placement *p, const struct index *x, struct tree *t)
{
	uint64_t behind = x->changes - t->seen;

	if (t->age != x->age || !t->nodes || behind > TOUCHED || behind > t->n) {
		build(p, t);
	} else {
		for (uint64_t c = t->seen; c < x->changes; c++) {
			uint32_t slot = x->touched[c % TOUCHED];

			if (x->last[slot] == c + 1) /* else it comes again */
				tree_renew(p, t, slot);
		}
	}
	t->age = x->age;
	t->seen = x->changes;
}

/* ---- all of them ---- */

static int64_t hash_of(const struct tree_key *key)
{
	const unsigned char *bytes = (const unsigned char *)key;
	uint64_t h = 0, word;

	_Static_assert(sizeof *key % sizeof word == 0, "hashed by words");
	for (size_t i = 0; i < sizeof *key; i += sizeof word) {
		memcpy(&word, bytes + i, sizeof word);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (int64_t)h;
}

static size_t trees_allowed(size_t hosts)
{
	size_t n = TREES_BYTES / (hosts * (sizeof(int64_t) + 2) + sizeof(struct tree));

	return n < TREES_MIN ? TREES_MIN : n < TREES_MAX ? n : TREES_MAX;
}

/* A new one; where there are too many, in the place of the one that was longest not asked. */
static struct tree *tree_create(const struct placement *p, const struct tree_key *key, int64_t hash)
{
	struct index *x = p->index;
	struct tree *t = xcalloc(1, sizeof *t);
	size_t at = x->n;

	if (x->n >= trees_allowed(p->hosts_n)) {
		at = 0;
		for (size_t i = 1; i < x->n; i++)
			at = x->trees[i]->asked < x->trees[at]->asked ? i : at;
		map_remove(&x->by_hash, x->trees[at]->hash);
		tree_destroy(x->trees[at]);
	} else {
		x->n++;
	}
	t->key = *key;
	t->hash = hash;
	x->trees[at] = t;
	map_set(&x->by_hash, hash, (int64_t)at);
	return t;
}

struct tree *index_tree(struct placement *p, const struct tree_key *key)
{
	int64_t hash = hash_of(key), at;
	struct index *x = p->index;
	struct tree *t;

	if (!x)
		x = p->index = index_create();
	at = map_get(&x->by_hash, hash);
	t = at == MAP_NONE ? tree_create(p, key, hash) : x->trees[at];
	/* Another key with this hash gives way. NOLINTNEXTLINE(bugprone-*,cert-*): unused bytes are 0 */
	if (memcmp(&t->key, key, sizeof *key) != 0) {
		t->key = *key;
		t->age = x->age - 1;
	}
	t->asked = ++x->asks;
	bring_up_to_date(p, x, t);
	return t;
}

int tree_code(const struct tree *t, size_t slot)
{
	return t->codes[slot];
}

int64_t tree_score(const struct tree *t, size_t slot)
{
	return t->nodes[slot];
}

size_t tree_count(const struct tree *t, int code)
{
	return t->counts[code];
}

/* ---- the best ---- */

struct search {
	const struct tree *t;
	tree_accept_fn *accept;
	void *ctx;
	int64_t best;
	size_t slot;
};

/* Below one node, the most promising first; slots of a node's i-th child come before those of the next. */
static void search_node(struct search *s, int level, size_t node, size_t span)
{
	const int64_t *of = s->t->nodes + s->t->level[level] + node * FAN;
	unsigned tried = 0;

	for (int turn = 0; turn < FAN; turn++) {
		size_t next = FAN;

		for (size_t i = 0; i < FAN; i++)
			if (!(tried >> i & 1) && (next == FAN || of[i] < of[next]))
				next = i;
		if (of[next] == NOWHERE || of[next] > s->best ||
			(of[next] == s->best && (node * FAN + next) * span > s->slot))
			return;
		tried |= 1u << next;
		if (level) {
			search_node(s, level - 1, node * FAN + next, span / FAN);
		} else if (!s->accept || s->accept(s->ctx, node * FAN + next)) {
			s->best = of[next];
			s->slot = node * FAN + next;
			return; /* the others of this node are worse */
		}
	}
}

bool tree_best(const struct tree *t, tree_accept_fn *accept, void *ctx, size_t *out)
{
	struct search s = { .t = t, .accept = accept, .ctx = ctx, .best = NOWHERE };
	size_t span = 1;

	for (int l = 1; l < t->levels; l++)
		span *= FAN;
	search_node(&s, t->levels - 1, 0, span);
	*out = s.slot;
	return s.best != NOWHERE;
}
