/* SPDX-License-Identifier: Apache-2.0 */
/* How many servers would find room: on copies of hosts, that take one after the other. */
#include <stdlib.h>

#include "base/util.h"
#include "placement/choose.h"

enum { ROOM_MAX = 1 << 20 }; /* of one host; what it is multiplied with stays far from overflow */

static void bound(size_t *room, int64_t have, int64_t each)
{
	if (each > 0 && (int64_t)*room * each > have) /* a division takes longer */
		*room = have > 0 ? (size_t)(have / each) : 0;
}

static bool asks_whole_gpus(const struct shape *s)
{
	bool whole = s->gpus_total > 0;

	for (int k = 0; k < s->gpus_n; k++)
		whole = whole && s->gpus[k].share == PLACEMENT_SHARE && !*s->gpus[k].profile;
	return whole;
}

size_t room_at_most(const struct query *q, size_t slot, size_t most)
{
	const struct host *h = q->p->hosts[slot];
	const struct shape *s = &q->key.shape;

	most = most < ROOM_MAX ? most : ROOM_MAX;
	if (asks_whole_gpus(s))
		bound(&most, (int64_t)h->gpus_free, s->gpus_total);
	if (!s->dedicated)
		bound(&most, h->vcpus - h->vcpus_used, s->vcpus);
	if (pages_small(s->page_kib))
		bound(&most, h->ram_mib - h->ram_used_mib, s->ram_mib);
	bound(&most, h->disk_gib - h->disk_used_gib, s->disk_gib);
	if (h->exclusive || s->exclusive)
		bound(&most, 1, 1);
	if (q->req->policy == PLACEMENT_APART)
		bound(&most,
			(q->req->max_per_host > 0 ? q->req->max_per_host : 1) - query_members_on(q, h->id),
			1);
	return most;
}

/* One after the other, until one does not fit. */
static size_t try_room(const struct query *q, size_t slot, size_t most)
{
	const struct shape *s = &q->key.shape;
	CLEANUP(free_ptr) struct placement_choice *choice = xmalloc(sizeof *choice);
	struct host *h = host_copy(q->p->hosts[slot]);
	size_t n = 0;

	for (; n < most && fit_check(h, s, NULL, NULL) == RULE_OK; n++) {
		struct holding held;

		fit_pick(h, s, choice);
		held = holding_make(q->p, h, SCRATCH_OWNER, q->req, choice, false);
		host_charge(q->p, h, 1, &held);
		holding_finish(&held);
	}
	host_destroy(h);
	return n;
}

static size_t room_on(const struct query *q, size_t slot, size_t most)
{
	const struct shape *s = &q->key.shape;

	if (query_ask(q, slot, NULL) != RULE_OK)
		return 0;
	most = room_at_most(q, slot, most);
	return most > 1 && (s->gpus_n || s->cells_n) ? try_room(q, slot, most) : most;
}

size_t placement_room(const struct placement *p, const struct placement_request *req, size_t max)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	bool together = req->policy == PLACEMENT_TOGETHER && !q.members_all;
	size_t room = 0;

	for (size_t i = 0; i < p->hosts_n && room < max; i++) {
		size_t n = room_on(&q, i, together ? max : max - room);

		room = !together ? room + n : n > room ? n : room;
	}
	return room;
}
