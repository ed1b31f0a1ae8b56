/* SPDX-License-Identifier: Apache-2.0 */
/* The index against what it stands for: whatever happened before, a choice is the best of all hosts as they
 * are judged one by one, and an engine without any history chooses the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement_random.h"

enum { HOSTS_MAX = 700, SHAPES = 12, SERVERS = 400 };

static struct random_host hosts[HOSTS_MAX + 1];
static struct random_request shapes[SHAPES];

struct world {
	struct placement *p;
	int hosts; /* numbers 1 to this, though some may not be there */
};

/* As the contract puts it: lower is better. */
static int64_t preference(const struct placement_request *r, int64_t host)
{
	int64_t n = 0;

	for (size_t i = 0; i < r->members_n; i++)
		n += r->members[i].host_id == host ? r->members[i].n : 0;
	return r->policy == PLACEMENT_SOFT_TOGETHER ? -n : r->policy == PLACEMENT_SOFT_APART ? n : 0;
}

/* The host that a plain scan finds; 0: none. */
static int64_t best_by_scan(const struct placement *p, const struct placement_request *r)
{
	static struct placement_verdict v[HOSTS_MAX];
	const struct placement_verdict *best = NULL;
	size_t fit = placement_explain(p, r, v);

	for (size_t i = 0; i < placement_hosts(p); i++) {
		int64_t mine, others;

		assert_true(!i || v[i - 1].host_id < v[i].host_id);
		if (v[i].rule != RULE_OK)
			continue;
		fit--;
		mine = preference(r, v[i].host_id);
		others = best ? preference(r, best->host_id) : 0;
		if (!best || mine < others || (mine == others && v[i].score < best->score))
			best = &v[i];
	}
	assert_int_equal(fit, 0);
	return best ? best->host_id : 0;
}

static void assert_same_choice(const struct placement_choice *a, const struct placement_choice *b)
{
	assert_int_equal(a->host_id, b->host_id);
	assert_int_equal(a->gpus_n, b->gpus_n);
	assert_int_equal(a->cells_n, b->cells_n);
	assert_int_equal(a->cpus_n, b->cpus_n);
	for (size_t i = 0; i < a->gpus_n; i++) {
		assert_int_equal(a->gpus[i].id, b->gpus[i].id);
		assert_int_equal(a->gpus[i].start, b->gpus[i].start);
	}
	assert_memory_equal(a->cpus, b->cpus, a->cpus_n * sizeof *a->cpus);
}

/* Returns whether it fits; *c is the choice then. */
static bool choose(const struct world *w, const struct random_request *r, struct placement_choice *c)
{
	int64_t best = best_by_scan(w->p, &r->r);
	static struct placement_choice fresh;
	struct error err = { 0 }, other = { 0 };
	int rc = placement_choose(w->p, &r->r, 1, c, &err);

	assert_int_equal(rc == 0, best != 0);
	if (rc == 0)
		assert_int_equal(c->host_id, best);
	if (!chance(8))
		return rc == 0;
	{
		struct placement *copy = placement_copy(w->p);

		assert_int_equal(placement_choose(copy, &r->r, 1, &fresh, &other), rc);
		if (rc == 0)
			assert_same_choice(c, &fresh);
		else
			assert_string_equal(err.msg, other.msg);
		placement_destroy(copy);
	}
	return rc == 0;
}

static void step_host(const struct world *w)
{
	int64_t id = 1 + rnd((uint32_t)w->hosts);

	switch (rnd(6)) {
	case 0:
		placement_host_remove(w->p, id);
		break;
	case 1:
		placement_host_hold(w->p, id, chance(2) ? 0 : 1 + rnd(SERVERS));
		break;
	default:
		random_host_change(&hosts[id]);
		placement_host_set(w->p, &hosts[id].h);
		break;
	}
}

static void step(const struct world *w)
{
	static struct placement_choice c;
	struct random_request r = shapes[rnd(SHAPES)];
	int64_t server = 1 + rnd(SERVERS);
	struct error err;

	if (chance(4)) {
		placement_release(w->p, server);
		return;
	}
	if (chance(10)) {
		step_host(w);
		return;
	}
	if (chance(2))
		random_constraints(&r, w->hosts);
	r.r.server = chance(3) ? server : 0;
	if (!choose(w, &r, &c))
		return;
	placement_release(w->p, server); /* if it is there already */
	if (best_by_scan(w->p, &r.r) == c.host_id)
		placement_take(w->p, server, &r.r, &c, false, &err);
}

static void live(int n, int steps)
{
	struct world w = { placement_create(), n };

	for (int i = 1; i <= n; i++) {
		int64_t id = i % 2 ? i : n + 1 - i - n % 2; /* told in some order */

		random_host(&hosts[id], id);
		if (chance(8) && n < 100)
			continue;
		placement_host_set(w.p, &hosts[id].h);
	}
	for (int i = 0; i < SHAPES; i++)
		random_shape(&shapes[i]);
	placement_forget(w.p);
	for (int i = 0; i < steps; i++) {
		size_t mark = placement_mark(w.p);

		for (unsigned k = 1 + rnd(4); k; k--)
			step(&w);
		if (chance(4))
			placement_undo(w.p, mark);
		else if (chance(2))
			placement_forget(w.p);
	}
	placement_destroy(w.p);
}

static void test_small(void **state)
{
	(void)state;
	for (int life = 0; life < 80; life++) {
		seed = 100 + (uint64_t)life;
		live(1 + (int)rnd(20), 120);
	}
}

/* Several levels of the tree. */
static void test_large(void **state)
{
	(void)state;
	seed = 7;
	live(HOSTS_MAX, 150);
	live(65, 400);
}

/* Of equal hosts the lowest id wins, wherever better ones that may not be used led the search. */
static void test_ties(void **state)
{
	(void)state;
	for (int life = 0; life < 60; life++) {
		struct placement *p = placement_create();
		struct placement_request r = { .vcpus = 1, .ram_mib = 1 };
		struct placement_choice c;
		struct placement_host h = { .vcpu_ratio_milli = 1000, .ram_ratio_milli = 1000 };
		int64_t avoid[20], n = 300;
		struct error err;

		seed = 900 + (uint64_t)life;
		r.avoid = avoid;
		for (h.id = 1; h.id <= n; h.id++) {
			h.vcpus = r.avoid_n < 20 && chance(12) ? 8 : 64 << rnd(2);
			h.ram_mib = 1024 * h.vcpus;
			if (h.vcpus == 8)
				avoid[r.avoid_n++] = h.id;
			placement_host_set(p, &h);
		}
		assert_int_equal(placement_choose(p, &r, 1, &c, &err), 0);
		assert_int_equal(c.host_id, best_by_scan(p, &r));
		placement_destroy(p);
	}
}

/* More shapes than there are trees: some are given up and built again. */
static void test_many_shapes(void **state)
{
	struct placement *p = placement_create();
	struct random_host h;

	(void)state;
	seed = 11;
	for (int64_t id = 1; id <= 40; id++) {
		random_host(&h, id);
		placement_host_set(p, &h.h);
	}
	for (int i = 0; i < 6000; i++) {
		struct placement_request r = { .vcpus = 1 + i % 2, .ram_mib = 1 + rnd(1500) };
		struct placement_choice c;
		struct error err;
		int64_t best = best_by_scan(p, &r);

		assert_int_equal(placement_choose(p, &r, 1, &c, &err) == 0, best != 0);
		if (best)
			assert_int_equal(c.host_id, best);
		if (best && chance(4))
			placement_take(p, i + 1, &r, &c, false, &err);
		if (chance(3))
			placement_release(p, 1 + rnd((uint32_t)i + 1));
	}
	placement_destroy(p);
}

/* What is expected changes the scores: nothing of the old ones may be left in the trees. */
static void test_mix(void **state)
{
	struct world w = { placement_create(), 30 };

	(void)state;
	seed = 13;
	for (int64_t id = 1; id <= w.hosts; id++) {
		random_host(&hosts[id], id);
		placement_host_set(w.p, &hosts[id].h);
	}
	for (int round = 0; round < 40; round++) {
		struct placement_request mix[4];
		const uint32_t weights[4] = { 1 + rnd(9), 1 + rnd(9), 1 + rnd(9), 1 + rnd(9) };

		for (int i = 0; i < SHAPES; i++)
			random_shape(&shapes[i]);
		for (int i = 0; i < 4; i++)
			mix[i] = shapes[rnd(SHAPES)].r;
		placement_mix_set(w.p, mix, weights, rnd(5), chance(2));
		for (int i = 0; i < 20; i++)
			step(&w);
	}
	placement_destroy(w.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_many_shapes),
		cmocka_unit_test(test_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
