/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/rating_sums.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct rating_sums {
	int64_t from_us, to_us;
	bool merged;
	struct rating_group *groups;
	size_t n, cap;
	uint32_t *slots; /* index of a group, plus one; open addressing */
	size_t slots_n;  /* a power of two */
	struct arena texts;
	const char **words; /* each text once: things compare by pointers */
	size_t words_n, words_cap;
	size_t last; /* the next interval is often of the same thing */
};

enum { FIRST_SLOTS = 1024 };

static const char nothing[] = "";

struct rating_sums *rating_sums_create(int64_t from_us, int64_t to_us)
{
	struct rating_sums *s = xcalloc(1, sizeof *s);

	s->from_us = from_us;
	s->to_us = to_us;
	s->slots_n = s->words_cap = FIRST_SLOTS;
	s->slots = xcalloc(s->slots_n, sizeof *s->slots);
	s->words = xcalloc(s->words_cap, sizeof *s->words);
	return s;
}

void rating_sums_merge(struct rating_sums *s)
{
	s->merged = true;
}

void rating_sums_destroy(struct rating_sums *s)
{
	if (!s)
		return;
	free(s->groups);
	free(s->slots);
	free(s->words);
	arena_finish(&s->texts);
	free(s);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* --- texts --- */

static size_t word_hash(const char *text)
{
	size_t n = strlen(text);
	uint64_t h = n, v;

	for (; n >= 8; n -= 8, text += 8) {
		memcpy(&v, text, 8);
		h = mix(h, v);
	}
	v = 0;
	memcpy(&v, text, n);
	return mix(h, v);
}

static void words_grow(struct rating_sums *s)
{
	size_t cap = s->words_cap * 2;
	const char **words = xcalloc(cap, sizeof *words);

	for (size_t i = 0; i < s->words_cap; i++) {
		size_t at = s->words[i] ? word_hash(s->words[i]) & (cap - 1) : 0;

		if (!s->words[i])
			continue;
		while (words[at])
			at = (at + 1) & (cap - 1);
		words[at] = s->words[i];
	}
	free(s->words);
	s->words = words;
	s->words_cap = cap;
}

static const char *word(struct rating_sums *s, const char *text)
{
	size_t at;

	if (!text || !*text)
		return nothing;
	at = word_hash(text) & (s->words_cap - 1);
	for (; s->words[at]; at = (at + 1) & (s->words_cap - 1))
		if (strcmp(s->words[at], text) == 0)
			return s->words[at];
	text = s->words[at] = arena_strdup(&s->texts, text);
	if (++s->words_n > s->words_cap / 2)
		words_grow(s);
	return text;
}

/* --- groups --- */

static bool same(const struct rating_group *a, const struct rating_group *b)
{
	return a->project_id == b->project_id && a->kind == b->kind &&
	       memcmp(&a->thing, &b->thing, sizeof a->thing) == 0;
}

static size_t group_hash(const struct rating_group *g)
{
	uint64_t h = mix((uint64_t)g->kind, (uint64_t)g->project_id);

	for (size_t i = 0; i < PRICE_FIELDS; i++)
		h = mix(h, (uintptr_t)g->thing.fields[i]);
	return h;
}

static void slots_put(struct rating_sums *s, size_t index)
{
	size_t at = group_hash(&s->groups[index]) & (s->slots_n - 1);

	while (s->slots[at])
		at = (at + 1) & (s->slots_n - 1);
	s->slots[at] = (uint32_t)index + 1;
}

static void slots_grow(struct rating_sums *s)
{
	s->slots_n *= 2;
	free(s->slots);
	s->slots = xcalloc(s->slots_n, sizeof *s->slots);
	for (size_t i = 0; i < s->n; i++)
		slots_put(s, i);
}

static struct rating_group *group_of(struct rating_sums *s, const struct rating_group *key)
{
	if (s->last < s->n && same(&s->groups[s->last], key))
		return &s->groups[s->last];
	for (size_t at = group_hash(key) & (s->slots_n - 1); s->slots[at]; at = (at + 1) & (s->slots_n - 1)) {
		s->last = s->slots[at] - 1;
		if (same(&s->groups[s->last], key))
			return &s->groups[s->last];
	}
	if (s->n == RATING_GROUPS_MAX)
		return NULL;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->groups = xrealloc(s->groups, s->cap * sizeof *s->groups);
	}
	s->last = s->n;
	s->groups[s->n++] = *key;
	slots_put(s, s->last);
	if (s->n > s->slots_n / 2)
		slots_grow(s);
	return &s->groups[s->last];
}

int rating_sums_add(struct rating_sums *s, const struct rating_use *u, struct error *err)
{
	int64_t from = u->start_us > s->from_us ? u->start_us : s->from_us,
		to = u->end_us && u->end_us < s->to_us ? u->end_us : s->to_us;
	struct rating_group key = { .project_id = s->merged ? 0 : u->project_id, .kind = u->kind }, *g;

	if (from >= to)
		return 0;
	for (size_t i = 0; i < PRICE_FIELDS; i++)
		key.thing.fields[i] = word(s, u->thing.fields[i]);
	g = group_of(s, &key);
	if (!g)
		return error_set(
			err, ERR_TOO_LARGE, "more than %d kinds of things were used", RATING_GROUPS_MAX);
	for (size_t i = 0; i < RATING_AMOUNTS; i++)
		if (__builtin_add_overflow(g->sums[i], (money_wide)u->amounts[i] * (to - from), &g->sums[i]))
			return error_set(err, ERR_TOO_LARGE, "more was used than can be added up");
	return 0;
}

/* --- sorted --- */

static int compare(const void *pa, const void *pb)
{
	const struct rating_group *a = pa, *b = pb;
	int c = 0;

	if (a->project_id != b->project_id)
		return a->project_id < b->project_id ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	for (size_t i = 0; i < PRICE_FIELDS && !c; i++)
		if (a->thing.fields[i] != b->thing.fields[i])
			c = strcmp(a->thing.fields[i], b->thing.fields[i]);
	return c;
}

const struct rating_group *rating_sums_sorted(struct rating_sums *s, size_t *n)
{
	if (s->n)
		qsort(s->groups, s->n, sizeof *s->groups, compare);
	s->last = s->n;
	memset(s->slots, 0, s->slots_n * sizeof *s->slots);
	for (size_t i = 0; i < s->n; i++)
		slots_put(s, i);
	*n = s->n;
	return s->groups;
}
