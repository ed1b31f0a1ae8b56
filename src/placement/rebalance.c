/* SPDX-License-Identifier: Apache-2.0 */
/* How to win room for larger servers back: by moving smaller ones that may move. Each step takes the host
 * where the fewest have to go, and finds a place for each of them elsewhere, on a copy of the engine. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/placement.h"

enum { LEAVERS_MAX = 64, FILL_MAX = 256, VAIN_MAX = 64 /* hosts that are tried in vain */ };

struct plan {
	struct placement *p; /* the copy */
	struct placement_request req;
	const struct placement_movers *movers;
	struct placement_move *moves;
	size_t moves_n, moves_max;
	int64_t *closed; /* hosts that are given up, or won: they take nobody that moves */
	size_t closed_n;
	int64_t dummy; /* what stands for the servers that shall fit */
};

static void placement_done(struct placement **p)
{
	placement_destroy(*p);
}

/* One that fits as it is, or on the host that was just won. */
static bool fill_one(struct plan *plan, const struct placement_choice *choice)
{
	struct error ignored;

	return placement_take(plan->p, --plan->dummy, &plan->req, choice, false, &ignored) == 0;
}

static bool move_one(struct plan *plan, int64_t server_id, int64_t from)
{
	CLEANUP(free_ptr) struct placement_choice *to = xmalloc(sizeof *to);
	CLEANUP(free_ptr) int64_t *avoid = NULL;
	struct placement_request req;
	struct error ignored;

	if (plan->moves_n == plan->moves_max || plan->movers->request(plan->movers->ctx, server_id, &req) < 0)
		return false;
	avoid = xmalloc((req.avoid_n + plan->closed_n + 1) * sizeof *avoid);
	if (req.avoid_n)
		memcpy(avoid, req.avoid, req.avoid_n * sizeof *avoid);
	if (plan->closed_n)
		memcpy(avoid + req.avoid_n, plan->closed, plan->closed_n * sizeof *avoid);
	req.avoid_n += plan->closed_n;
	avoid[req.avoid_n++] = from;
	req.avoid = avoid;
	placement_release(plan->p, server_id);
	if (placement_choose(plan->p, &req, 1, to, &ignored) < 0 ||
		placement_take(plan->p, server_id, &req, to, false, &ignored) < 0)
		return false;
	plan->moves[plan->moves_n++] = (struct placement_move) { server_id, from, to->host_id };
	return true;
}

/* Wins one host, or gives it up: then the next is tried. */
static bool win_one(struct plan *plan, bool *out_won)
{
	CLEANUP(free_ptr) struct placement_choice *there = xmalloc(sizeof *there);
	int64_t leavers[LEAVERS_MAX];
	size_t n, mark = placement_mark(plan->p), moves = plan->moves_n;
	bool all = true;
	struct error ignored;

	plan->req.avoid = plan->closed;
	plan->req.avoid_n = plan->closed_n;
	if (placement_victims(
		    plan->p, &plan->req, &plan->movers->may, there, leavers, LEAVERS_MAX, &n, &ignored) < 0)
		return false;
	for (size_t i = 0; i < n && all; i++)
		all = move_one(plan, leavers[i], there->host_id);
	*out_won = n > 0 && all && fill_one(plan, there);
	if (!*out_won) {
		placement_undo(plan->p, mark);
		plan->moves_n = moves;
	}
	plan->closed[plan->closed_n++] = there->host_id;
	return true;
}

size_t placement_rebalance(const struct placement *p, const struct placement_request *req, size_t count,
	const struct placement_movers *movers, struct placement_move *moves, size_t max, size_t *out_n)
{
	struct placement *copy CLEANUP(placement_done) = placement_copy(p);
	CLEANUP(free_ptr) struct placement_choice *choice = xmalloc(sizeof *choice);
	CLEANUP(free_ptr) int64_t *closed = xmalloc((placement_hosts(p) + 1) * sizeof *closed);
	struct plan plan = { .p = copy,
		.req = *req,
		.movers = movers,
		.moves = moves,
		.moves_max = max,
		.closed = closed,
		.dummy = INT64_MIN / 2 };
	size_t won = 0, vain = 0;
	struct error ignored;
	bool one;

	/* what fits already is no gain, and shall not be lost to those that move */
	for (int i = 0; i < FILL_MAX && placement_choose(copy, req, 1, choice, &ignored) == 0; i++)
		if (!fill_one(&plan, choice))
			break;
	while (won < count && vain < VAIN_MAX && plan.closed_n < placement_hosts(p) && win_one(&plan, &one)) {
		won += one;
		vain += !one;
	}
	*out_n = plan.moves_n;
	return won;
}
