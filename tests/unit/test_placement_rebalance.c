/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan promises is so when its moves are made, one after the other; only those move that may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "placement/placement.h"

enum { HOSTS_MAX = 6, SERVERS = 40, CASES = 600, MOVES = 64 };

static uint64_t seed;

static uint32_t rnd(uint32_t below) /* splitmix64 */
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

struct guest {
	struct placement_request req;
	bool held, fixed;
};

static struct guest guests[SERVERS + 1]; /* by id */

static bool may_leave(void *ctx, int64_t id)
{
	(void)ctx;
	return id > 0 && !guests[id].fixed;
}

static int request_of(void *ctx, int64_t id, struct placement_request *out)
{
	(void)ctx;
	*out = guests[id].req;
	return 0;
}

static const struct placement_movers movers = { { may_leave, NULL }, request_of, NULL };

static void add_host(struct placement *p, int64_t id)
{
	struct placement_gpu gpus[4];
	struct placement_host h = { .id = id,
		.vcpus = 8 + rnd(9),
		.ram_mib = 8192 * (1 + rnd(3)),
		.disk_gib = 1000,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = rnd(5) };

	snprintf(h.name, sizeof h.name, "h%d", (int)id);
	for (size_t i = 0; i < h.gpus_n; i++) {
		gpus[i] = (struct placement_gpu) {
			.id = id * 10 + (int64_t)i, .numa_cell = -1, .iommu_group = -1, .healthy = true
		};
		str_copy(gpus[i].model, sizeof gpus[i].model, "g");
	}
	placement_host_set(p, &h);
}

static void add_guest(struct placement *p, int64_t id)
{
	struct guest *g = &guests[id];
	struct placement_choice c;
	struct error err;

	*g = (struct guest) { .req = { .vcpus = 1 + rnd(4), .ram_mib = 1024 * (1 + rnd(4)), .disk_gib = 1 } };
	if (rnd(5) == 0) {
		g->req.gpus_n = 1;
		g->req.gpus[0].count = 1;
		g->fixed = true; /* passed through: it cannot move */
	}
	if (placement_choose(p, &g->req, 1, &c, &err) < 0)
		return;
	assert_int_equal(placement_take(p, id, &g->req, &c, false, &err), 0);
	g->held = true;
}

/* Makes the moves as an operator would: each to the host that the plan names. */
static void make(struct placement *p, const struct placement_move *m)
{
	struct guest *g = &guests[m->server_id];
	struct placement_request to = g->req, was;
	struct placement_choice c;
	struct error err;

	assert_true(may_leave(NULL, m->server_id));
	assert_true(placement_held(p, m->server_id, &was, &c));
	assert_int_equal(c.host_id, m->from);
	assert_int_not_equal(m->from, m->to);
	placement_release(p, m->server_id);
	to.within = &m->to;
	to.within_n = 1;
	if (placement_choose(p, &to, 1, &c, &err) < 0 ||
		placement_take(p, m->server_id, &g->req, &c, false, &err) < 0)
		fail_msg("a move of the plan cannot be made: %s", err.msg);
}

static void try_case(uint64_t number, size_t *wins)
{
	struct placement *p = placement_create();
	struct placement_request want = { .vcpus = 4 + rnd(8), .ram_mib = 4096, .disk_gib = 1, .gpus_n = 1 };
	struct placement_move moves[MOVES];
	size_t hosts = 2 + rnd(HOSTS_MAX - 1), count = 1 + rnd(3), n, won, before;

	want.gpus[0].count = 1 + (int)rnd(4);
	memset(guests, 0, sizeof guests);
	for (size_t i = 1; i <= hosts; i++)
		add_host(p, (int64_t)i);
	for (int64_t i = 1; i <= (int64_t)(2 * hosts); i++)
		add_guest(p, i);
	placement_forget(p);
	before = placement_room(p, &want, 1000);
	won = placement_rebalance(p, &want, count, &movers, moves, MOVES, &n);
	assert_true(won <= count);
	assert_true(won ? n > 0 : n == 0);
	assert_int_equal(placement_room(p, &want, 1000), before);
	assert_int_equal(placement_mark(p), 0);
	for (size_t i = 0; i < n; i++)
		make(p, &moves[i]);
	if (placement_room(p, &want, 1000) < before + won)
		fail_msg("case %llu: %zu fit, %zu more were promised, %zu fit then",
			(unsigned long long)number, before, won, placement_room(p, &want, 1000));
	*wins += won;
	placement_destroy(p);
}

static void test_promises(void **state)
{
	size_t wins = 0;

	(void)state;
	for (uint64_t i = 0; i < CASES; i++) {
		seed = i;
		try_case(i, &wins);
	}
	if (wins < CASES / 10)
		fail_msg("%zu won in all", wins); /* there was something to win */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_promises) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
