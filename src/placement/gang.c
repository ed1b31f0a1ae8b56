/* SPDX-License-Identifier: Apache-2.0 */
/* Several alike servers at once: chosen one after the other, on hosts that are charged as if each had been
 * taken. */
#include <stdlib.h>

#include "base/util.h"
#include "placement/choose.h"

static void gang_charge(struct gang *g, size_t slot, int sign, const struct placement_choice *c)
{
	const struct placement_request *req = g->q->req;
	struct holding h = { .vcpus = req->vcpus,
		.ram_mib = req->ram_mib,
		.disk_gib = req->disk_gib,
		.exclusive = req->exclusive };

	int64_t ids[PLACEMENT_GPUS_MAX];

	for (size_t i = 0; i < c->gpus_n; i++)
		ids[i] = c->gpus[i].id;
	host_charge(g->p, slot, sign, &h, ids, c->gpus_n, SCRATCH_OWNER);
	if (!g->q->members)
		return;
	g->q->members[slot] = (uint16_t)(g->q->members[slot] + sign);
	g->q->members_all += (size_t)sign;
}

static void gang_take(struct gang *g, size_t slot)
{
	struct placement_choice *c = &g->chosen[g->n++];

	choose_on(g->p, g->q, slot, c);
	gang_charge(g, slot, 1, c);
}

void gang_undo(struct gang *g)
{
	while (g->n) {
		const struct placement_choice *c = &g->chosen[--g->n];

		gang_charge(g, (size_t)map_get(&g->p->by_id, c->host_id), -1, c);
	}
}

/* All of them on one host, as far as its amounts tell. */
static bool room_for_all(const struct hot *h, const struct query *q, size_t n)
{
	int64_t k = (int64_t)n;

	return h->vcpus >= k * q->req->vcpus && h->ram_mib >= k * q->req->ram_mib &&
	       h->disk_gib >= k * q->req->disk_gib && h->gpus_free >= k * q->gpus.total;
}

/* One after the other. What is left of a host only shrinks by that, and so does its score (a GPU less weighs
 * more than all NUMA cells), while no other host changes: the best one stays the best for as long as it fits,
 * then comes the next of the same ranking. Those that stay together all fit on one host, or it is let go. */
static void gang_fill(struct gang *g, size_t n)
{
	CLEANUP(free_ptr) struct candidate *ranks = xmalloc((g->p->hosts_n + 1) * sizeof *ranks);
	bool together = g->q->req->policy == PLACEMENT_TOGETHER;
	size_t ranks_n = ranking(g->p, g->q, ranks);

	for (size_t r = 0; r < ranks_n && g->n < n; r++) {
		size_t slot = ranks[r].slot;

		if (together)
			gang_undo(g);
		if (together && !room_for_all(&g->p->hot[slot], g->q, n))
			continue;
		while (g->n < n && refused_by(g->p, g->q, slot) == RULE_OK)
			gang_take(g, slot);
	}
	if (together && g->n < n)
		gang_undo(g);
}

/* Each one makes its host less liked: looked over anew every time. */
static void gang_spread(struct gang *g, size_t n)
{
	struct candidate best;

	while (g->n < n && best_of(g->p, g->q, &best))
		gang_take(g, best.slot);
}

void gang_choose(struct gang *g, size_t n)
{
	if (g->q->req->policy == PLACEMENT_SOFT_APART)
		gang_spread(g, n);
	else
		gang_fill(g, n);
}
