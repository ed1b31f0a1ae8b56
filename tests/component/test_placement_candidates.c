/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates of the placement API against trying all: on random small hosts with random queries, one is found
 * exactly when there is one, what was found serves the query, and nothing is left asked for behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/placement/candidates.h"
#include "base/util.h"

enum { ROUNDS = 20000, PROVIDERS = 7, CELLS = 2, CLASSES = 3, TRAITS = 3, GROUPS = 4 };

static const char *const class_names[CLASSES] = { "VCPU", "PCPU", "CUSTOM_GPU_A" };
static const char *const trait_names[TRAITS] = { "CUSTOM_A", "CUSTOM_B", "CUSTOM_C" };
static const char *const suffixes[GROUPS] = { "", "1", "2", "_x" };

static uint64_t seed = 42;

static size_t rnd(size_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % n;
}

/* --- a host: the first provider; two cells; the others below any of them */

static struct rp all[PROVIDERS];
static struct rp_class classes[PROVIDERS][CLASSES];
static const char *traits[PROVIDERS][TRAITS];

static void make_host(void)
{
	memset(all, 0, sizeof all);
	for (size_t i = 0; i < PROVIDERS; i++) {
		struct rp *p = &all[i];

		p->classes = classes[i];
		p->traits = traits[i];
		p->parent = i <= CELLS ? 0 : rnd(CELLS + 1);
		p->preferred = rnd(3) == 0;
		for (size_t k = 0; k < CLASSES; k++)
			if (rnd(2))
				p->classes[p->classes_n++] = (struct rp_class) { .name = class_names[k],
					.total = (int64_t)rnd(4) + 1,
					.used = (int64_t)rnd(2),
					.ratio_milli = 1000 };
		for (size_t k = 0; k < TRAITS; k++)
			if (rnd(2))
				p->traits[p->traits_n++] = trait_names[k];
	}
}

/* --- a query */

static struct candidate_group groups[GROUPS];
static struct candidate_query query;
static const char *wanted[GROUPS][2], *subtree[2];

static void make_query(void)
{
	memset(groups, 0, sizeof groups);
	query = (struct candidate_query) { .groups = groups, .isolate = rnd(2) };
	for (size_t g = rnd(2); g < 2 + rnd(GROUPS - 1); g++) {
		struct candidate_group *to = &groups[query.groups_n];
		size_t first = rnd(CLASSES);

		to->suffix = suffixes[g];
		for (size_t k = 0; k < 1 + rnd(2); k++)
			to->want.amounts[to->want.amounts_n++] =
				(struct rp_amount) { class_names[(first + k) % CLASSES],
					(int64_t)rnd(2) + 1 };
		for (size_t k = 0; k < rnd(3); k++) {
			wanted[query.groups_n][k] = trait_names[rnd(TRAITS)];
			to->want.traits[to->want.traits_n++] =
				(struct want_set) { &wanted[query.groups_n][k], 1, rnd(3) == 0 };
		}
		query.groups_n++;
	}
	if (query.groups_n > 2 && rnd(2)) {
		subtree[0] = groups[1].suffix;
		subtree[1] = groups[2].suffix;
		query.subtrees[query.subtrees_n++] = (struct want_set) { subtree, 2, false };
	}
}

/* --- what must hold, said once more and plainly */

static bool amounts_fit(const struct candidate_item *items, size_t n, const size_t *at)
{
	for (size_t p = 0; p < PROVIDERS; p++)
		for (size_t k = 0; k < CLASSES; k++) {
			const struct rp_class *c = rp_class_find(&all[p], class_names[k]);
			int64_t sum = 0;

			for (size_t i = 0; i < n; i++)
				for (size_t a = 0; at[i] == p && a < items[i].amounts_n; a++)
					if (strcmp(items[i].amounts[a].name, class_names[k]) == 0)
						sum += items[i].amounts[a].n;
			if (sum && (!c || c->used + sum > c->total))
				return false;
		}
	return true;
}

/* Of the group without a suffix all its providers together have what is required. */
static bool traits_fit(const struct candidate_item *items, size_t n, const size_t *at)
{
	for (size_t g = 0; g < query.groups_n; g++)
		for (size_t t = 0; t < groups[g].want.traits_n; t++) {
			const struct want_set *s = &groups[g].want.traits[t];
			bool any = false, every = true;

			for (size_t i = 0; i < n; i++) {
				if (items[i].group != g)
					continue;
				any |= rp_has_trait(&all[at[i]], s->names[0]);
				every &= rp_has_trait(&all[at[i]], s->names[0]);
			}
			if (s->forbidden ? any : *groups[g].suffix ? !every : !any)
				return false;
		}
	return true;
}

static bool below(size_t p, size_t top)
{
	return p == top || all[p].parent == top || (p && all[all[p].parent].parent == top);
}

static bool layout_fits(const struct candidate_item *items, size_t n, const size_t *at)
{
	bool one_top = !query.subtrees_n;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i && query.isolate; k++)
			if (at[i] == at[k] && *groups[items[i].group].suffix &&
				*groups[items[k].group].suffix)
				return false;
	for (size_t top = 0; top < n && !one_top; top++) {
		one_top = items[top].group == 1 || items[top].group == 2;
		for (size_t i = 0; i < n; i++)
			if (items[i].group == 1 || items[i].group == 2)
				one_top &= below(at[i], at[top]);
	}
	return one_top;
}

static bool serves(const struct candidate_item *items, size_t n, const size_t *at)
{
	return amounts_fit(items, n, at) && traits_fit(items, n, at) && layout_fits(items, n, at);
}

static bool any_serves(const struct candidate_item *items, size_t n)
{
	size_t at[CANDIDATE_GROUPS_MAX] = { 0 }, i;

	do {
		if (serves(items, n, at))
			return true;
		for (i = 0; i < n && ++at[i] == PROVIDERS; i++)
			at[i] = 0;
	} while (i < n);
	return false;
}

static void test_as_trying_all(void **state)
{
	size_t order[PROVIDERS], found = 0, given_up = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		CLEANUP(arena_finish) struct arena arena = { 0 };
		struct rp_tree tree = { all, PROVIDERS };
		size_t at[CANDIDATE_GROUPS_MAX] = { 0 };
		struct candidate k;
		bool there, have;

		make_host();
		make_query();
		candidate_items(&arena, &query, &k);
		k.tree = &tree;
		k.order = order;
		have = candidate_find(&k, 0, true);
		for (size_t i = 0; i < k.items_n; i++)
			at[i] = k.items[i].at;
		if (have)
			assert_true(serves(k.items, k.items_n, at));
		there = have || any_serves(k.items, k.items_n);
		found += have;
		given_up += there && !have;
		/* it may only miss what it did not look for any more */
		assert_true(have || !there || k.tries > k.items_n + CANDIDATE_TRIES);
		candidate_clear(&k);
		for (size_t p = 0; p < PROVIDERS; p++)
			for (size_t c = 0; c < all[p].classes_n; c++)
				assert_int_equal(all[p].classes[c].asked, 0);
	}
	assert_true(found > ROUNDS / 20 && found < ROUNDS * 19 / 20);
	assert_true(given_up < ROUNDS / 100);
}

/* Six of eight like GPUs at once, nine never: and in no more tries than there are GPUs. */
static void test_like_gpus(void **state)
{
	enum { GPUS = 8 };
	static struct rp gpus[GPUS + 1];
	static struct rp_class one[GPUS + 1];
	static struct candidate_group asked[GPUS + 1];
	static char names[GPUS + 1][2];
	struct candidate_query q = { .groups = asked, .isolate = true };
	struct rp_tree tree = { gpus, GPUS + 1 };
	size_t order[GPUS + 1];

	(void)state;
	for (size_t i = 0; i <= GPUS; i++) {
		one[i] = (struct rp_class) { .name = "CUSTOM_GPU_A", .total = i > 0, .ratio_milli = 1000 };
		gpus[i] = (struct rp) { .classes = &one[i], .classes_n = 1 };
		names[i][0] = (char)('1' + i);
		asked[i].suffix = names[i];
		asked[i].want.amounts[0] = (struct rp_amount) { "CUSTOM_GPU_A", 1 };
		asked[i].want.amounts_n = 1;
	}
	for (q.groups_n = 1; q.groups_n <= GPUS + 1; q.groups_n++) {
		CLEANUP(arena_finish) struct arena arena = { 0 };
		struct candidate k;

		candidate_items(&arena, &q, &k);
		k.tree = &tree;
		k.order = order;
		assert_int_equal(candidate_find(&k, 0, true), q.groups_n <= GPUS);
		assert_true(q.groups_n > GPUS || k.tries == q.groups_n);
		candidate_clear(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_trying_all),
		cmocka_unit_test(test_like_gpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
