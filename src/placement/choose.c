/* SPDX-License-Identifier: Apache-2.0 */
/* Which host a server gets: one scan over the hot array by the rules, and the lowest score of those that
 * pass; the lower id where scores are equal. */
#include "placement/choose.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void query_finish(struct query *q)
{
	free(q->barred);
	free(q->members);
}

static void mark(const struct placement *p, uint8_t *flags, uint8_t bit, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t slot = map_get(&p->by_id, ids[i]);

		if (slot != MAP_NONE)
			flags[slot] |= bit;
	}
}

/* All but those of the list. */
static void mark_others(const struct placement *p, uint8_t *flags, uint8_t bit, const int64_t *ids, size_t n)
{
	mark(p, flags, bit, ids, n);
	for (size_t i = 0; i < p->hosts_n; i++)
		flags[i] ^= bit;
}

/* Lists of hosts as flags by slot, so that a long list costs no more than a short one. */
static uint8_t *barred_hosts(const struct placement *p, const struct placement_request *req)
{
	uint8_t *flags;

	if (!req->within && !req->eligible && !req->avoid_n)
		return NULL;
	flags = xcalloc(p->hosts_n + 1, 1);
	if (req->within)
		mark_others(p, flags, BARRED_GROUP, req->within, req->within_n);
	if (req->eligible)
		mark_others(p, flags, BARRED_AGGREGATE, req->eligible, req->eligible_n);
	mark(p, flags, BARRED_GROUP, req->avoid, req->avoid_n);
	return flags;
}

static void query_members(const struct placement *p, const struct placement_request *req, struct query *q)
{
	if (req->policy == PLACEMENT_NO_GROUP)
		return;
	q->members = xcalloc(p->hosts_n + 1, sizeof *q->members);
	for (size_t i = 0; i < req->members_n; i++) {
		int64_t slot = map_get(&p->by_id, req->members[i].host_id);

		if (slot == MAP_NONE)
			continue;
		q->members[slot] = (uint16_t)(q->members[slot] + req->members[i].n);
		q->members_all += (size_t)req->members[i].n;
	}
}

/* One unit of another resource in vCPUs, by what the whole cloud has of both. */
static uint64_t weight(int64_t vcpus, int64_t other)
{
	uint64_t w = other > 0 ? ((uint64_t)vcpus << 24) / (uint64_t)other : 0;

	return w < UINT32_MAX ? w : UINT32_MAX;
}

static void query_gpus(const struct placement *p, const struct placement_request *req, struct gpu_query *q)
{
	assert(req->gpus_n <= PLACEMENT_GPU_KINDS_MAX);
	for (size_t i = 0; i < req->gpus_n; i++) {
		uint32_t model = words_find(&p->models, req->gpus[i].model);
		int count = req->gpus[i].count;
		size_t k = 0;

		if (count <= 0)
			continue;
		if (count > PLACEMENT_GPUS_MAX)
			count = PLACEMENT_GPUS_MAX + 1; /* more than any host has */
		/* models that no host has stay apart: any of them refuses every host */
		while (k < q->kinds_n && (q->model[k] != model || model == WORD_NONE))
			k++;
		if (k == q->kinds_n)
			q->model[q->kinds_n++] = model;
		q->count[k] += count;
		q->total += count;
	}
}

struct query query_make(const struct placement *p, const struct placement_request *req)
{
	struct query q = { .req = req, .any_zone = !*req->zone, .any_host = !*req->host };

	q.zone = q.any_zone ? WORD_NONE : words_find(&p->zones, req->zone);
	q.name_hash = q.any_host ? 0 : name_hash(req->host);
	q.barred = barred_hosts(p, req);
	query_members(p, req, &q);
	q.ram_weight = weight(p->vcpus, p->ram_mib);
	q.disk_weight = weight(p->vcpus, p->disk_gib);
	query_gpus(p, req, &q.gpus);
	return q;
}

size_t gpu_lacking(const struct placement *p, const struct query *q, size_t slot, int *have)
{
	size_t k = 0;

	for (; k < q->gpus.kinds_n; k++) {
		*have = gpus_of_model(&p->hot[slot], &p->hosts[slot], q->gpus.model[k]);
		if (*have < q->gpus.count[k])
			break;
	}
	return k;
}

static bool group_refuses(const struct query *q, size_t slot)
{
	int most = q->req->max_per_host > 0 ? q->req->max_per_host : 1;

	if (q->barred && (q->barred[slot] & BARRED_GROUP))
		return true;
	if (!q->members)
		return false;
	return (q->req->policy == PLACEMENT_APART && q->members[slot] >= most) ||
	       (q->req->policy == PLACEMENT_TOGETHER && q->members_all && !q->members[slot]);
}

enum placement_rule refused_by(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];
	int have;

	if (h->state != PLACEMENT_UP)
		return RULE_HOST_STATE;
	if (!q->any_host && (h->name_hash != q->name_hash || strcmp(p->hosts[slot].name, q->req->host) != 0))
		return RULE_HOST_NAMED;
	if (!q->any_zone && (h->zone != q->zone || q->zone == WORD_NONE))
		return RULE_ZONE;
	if (q->barred && (q->barred[slot] & BARRED_AGGREGATE))
		return RULE_AGGREGATE;
	if (group_refuses(q, slot))
		return RULE_GROUP;
	if (h->closed || (q->req->exclusive && h->used))
		return RULE_EXCLUSIVE;
	if (h->vcpus < q->req->vcpus)
		return RULE_VCPUS;
	if (h->ram_mib < q->req->ram_mib)
		return RULE_RAM;
	if (h->disk_gib < q->req->disk_gib)
		return RULE_DISK;
	if (q->gpus.total &&
		(h->gpus_free < q->gpus.total || gpu_lacking(p, q, slot, &have) < q->gpus.kinds_n))
		return RULE_GPU;
	return RULE_OK;
}

/* A score has two parts. The upper, the class, keeps GPUs together: a server without GPUs goes to a host
 * without, and else to where fewest would be left without vCPUs and memory; a server with GPUs goes to where
 * fewest GPUs stay, and then to where they lie in fewest NUMA cells. The lower, the fit, is the sum of the
 * squares of what stays of vCPUs, memory and (at a sixteenth) disk, all as vCPUs: the smallest rest wins, and
 * of equal rests the balanced one. */
enum { FIT_BITS = 50, LEFT_BITS = 24, CELLS_MAX = 8 };

/* The fewest cells that the GPUs could come of, as far as is known without looking at each. */
static int cells_floor(const struct hot *h, const struct gpu_query *q)
{
	for (size_t k = 0; q->kinds_n == 1 && k < HOT_KINDS && k < h->kinds_n; k++)
		if (h->kind[k] == q->model[0])
			return (q->total + h->kind_cell_free[k] - 1) / h->kind_cell_free[k];
	return 1;
}

/* The class with GPUs in that many cells. */
static int64_t class_of(const struct hot *h, const struct query *q, int cells)
{
	if (!q->gpus.total)
		return h->has_gpus ? 1 + h->gpus_free : 0;
	return (int64_t)(h->gpus_free - q->gpus.total) * CELLS_MAX + (cells < CELLS_MAX ? cells : CELLS_MAX) -
	       1;
}

static uint64_t left_over(int64_t left, uint64_t weight)
{
	uint64_t n = (uint64_t)left < UINT64_C(1) << 30 ? (uint64_t)left : UINT64_C(1) << 30;

	n = n * weight >> 20;
	return n < UINT64_C(1) << LEFT_BITS ? n : (UINT64_C(1) << LEFT_BITS) - 1;
}

static int64_t fit_of(const struct hot *h, const struct query *q)
{
	uint64_t vcpus = left_over(h->vcpus - q->req->vcpus, UINT64_C(16) << 20);
	uint64_t ram = left_over(h->ram_mib - q->req->ram_mib, q->ram_weight);
	uint64_t disk = left_over(h->disk_gib - q->req->disk_gib, q->disk_weight);

	return (int64_t)(vcpus * vcpus + ram * ram + disk * disk / 16);
}

/* The score, or less where only a look at each GPU would tell; cheap. */
static int64_t score_floor(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];

	return class_of(h, q, cells_floor(h, &q->gpus)) << FIT_BITS | fit_of(h, q);
}

int64_t score_of(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];
	int cells = cells_floor(h, &q->gpus);

	if (q->gpus.total && (q->gpus.kinds_n > 1 || cells > 1 || h->kinds_n > HOT_KINDS))
		cells = gpus_pick(&p->hosts[slot], &q->gpus, NULL);
	return class_of(h, q, cells) << FIT_BITS | fit_of(h, q);
}

/* What a soft policy prefers, before any score: lower is better. */
static int preference(const struct query *q, size_t slot)
{
	if (q->req->policy == PLACEMENT_SOFT_TOGETHER)
		return -q->members[slot];
	return q->req->policy == PLACEMENT_SOFT_APART ? q->members[slot] : 0;
}

static int by_score(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

size_t best_of(const struct placement *p, const struct query *q, struct candidate *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->hosts_n; i++) {
		struct candidate c = { .id = p->hot[i].id, .slot = i };

		if (refused_by(p, q, i) != RULE_OK)
			continue;
		c.preference = preference(q, i);
		c.score = score_floor(p, q, i);
		if (n && by_score(&c, out) > 0)
			continue;
		c.score = score_of(p, q, i);
		if (n && by_score(&c, out) > 0)
			continue;
		*out = c;
		n = 1;
	}
	return n;
}

size_t ranking(const struct placement *p, const struct query *q, struct candidate *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->hosts_n; i++)
		if (refused_by(p, q, i) == RULE_OK)
			out[n++] =
				(struct candidate) { score_of(p, q, i), p->hot[i].id, i, preference(q, i) };
	if (n)
		qsort(out, n, sizeof *out, by_score);
	return n;
}

void choose_on(const struct placement *p, const struct query *q, size_t slot, struct placement_choice *out)
{
	int64_t ids[PLACEMENT_GPUS_MAX];

	*out = (struct placement_choice) { .host_id = p->hot[slot].id, .gpus_n = (size_t)q->gpus.total };
	if (out->gpus_n)
		gpus_pick(&p->hosts[slot], &q->gpus, ids);
	for (size_t i = 0; i < out->gpus_n; i++)
		out->gpus[i] = (struct placement_gpu_choice) {
			.id = ids[i], .start = -1, .share = PLACEMENT_SHARE, .guest_cell = -1
		};
}

static int choose_one(
	const struct placement *p, const struct query *q, struct placement_choice *out, struct error *err)
{
	struct candidate best;

	if (!best_of(p, q, &best))
		return no_host(p, q, 0, 1, err);
	choose_on(p, q, best.slot, out);
	return 0;
}

int placement_choose(struct placement *p, const struct placement_request *req, size_t n,
	struct placement_choice *out, struct error *err)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	CLEANUP(free_ptr) struct placement_choice *chosen = NULL;
	struct gang g = { .p = p, .q = &q };
	int rc = 0;

	if (n == 1)
		return choose_one(p, &q, out, err);
	g.chosen = chosen = xmalloc(n * sizeof *chosen);
	gang_choose(&g, n);
	if (g.n < n)
		rc = no_host(p, &q, g.n, n, err); /* while the others are charged: that is what refused it */
	else
		memcpy(out, chosen, n * sizeof *chosen);
	gang_undo(&g);
	return rc;
}
