/* SPDX-License-Identifier: Apache-2.0 */
/* A host is worth what the requests that are to be expected could still do with its free GPUs; the score of a
 * request is the worth that it would destroy there, and a little for each GPU that it would leave free, so
 * that whole hosts stay free. Scores that are nearly equal are equal: the lower host then, which fills one
 * after another. Hosts without GPUs come first where they can, by how little they are left with.
 *
 * Where nothing is expected, the same is done coarsely. A server with GPUs goes to where fewest GPUs stay,
 * one without to where fewest would be left without vCPUs and memory. */
#include "placement/score.h"

#include <string.h>

enum { FIT_BITS = 50, LEFT_BITS = 24, CELLS_MAX = 8, GROUPS_MAX = 4, FINE = 64, PACKING = 12 };

/* ---- what stays of amounts ---- */

static uint64_t left_over(int64_t left, uint64_t weight)
{
	uint64_t n = (uint64_t)left < UINT64_C(1) << 30 ? (uint64_t)left : UINT64_C(1) << 30;

	n = n * weight >> 20;
	return n < UINT64_C(1) << LEFT_BITS ? n : (UINT64_C(1) << LEFT_BITS) - 1;
}

static bool large_pages(const struct shape *s)
{
	return s->page_kib > PAGE_4K || s->page_kib == PAGE_LARGE;
}

/* The sum of the squares of what stays of vCPUs, memory and (at a sixteenth) disk, all as vCPUs: the smallest
 * rest wins, and of equal rests the balanced one. */
static int64_t rest_of(const struct placement *p, const struct host *h, const struct shape *s)
{
	uint64_t vcpus =
		left_over(h->vcpus - h->vcpus_used - (s->dedicated ? 0 : s->vcpus), UINT64_C(16) << 20);
	uint64_t ram =
		left_over(h->ram_mib - h->ram_used_mib - (large_pages(s) ? 0 : s->ram_mib), p->ram_weight);
	uint64_t disk = left_over(h->disk_gib - h->disk_used_gib - s->disk_gib, p->disk_weight);

	return (int64_t)(vcpus * vcpus + ram * ram + disk * disk / 16);
}

/* ---- NUMA cells ---- */

static bool wanted(const struct shape *s, const struct gpu *g)
{
	for (int k = 0; k < s->gpus_n; k++)
		if (gpu_of(g, s->gpus[k].models))
			return true;
	return false;
}

/* How many GPUs of each cell could serve. */
static int cells_free(const struct host *h, const struct shape *s, int free[PLACEMENT_CELLS_MAX])
{
	int cell[PLACEMENT_CELLS_MAX], cells = 0;

	for (size_t i = 0; i < h->gpus_there; i++) {
		int c = 0;

		if (!gpu_free(&h->gpus[i]) || !wanted(s, &h->gpus[i]))
			continue;
		while (c < cells && cell[c] != h->gpus[i].cell)
			c++;
		if (c == PLACEMENT_CELLS_MAX)
			continue;
		if (c == cells) {
			cell[cells] = h->gpus[i].cell;
			free[cells++] = 0;
		}
		free[c]++;
	}
	return cells;
}

/* The fewest NUMA cells that the GPUs could come of, less the first. */
static int cells_more(const struct host *h, const struct shape *s)
{
	int free[PLACEMENT_CELLS_MAX], cells, used = 0;

	if (s->gpus_total < 2)
		return 0;
	cells = cells_free(h, s, free);
	for (int left = s->gpus_total; left > 0 && used < CELLS_MAX; used++) {
		int most = 0;

		for (int c = 1; c < cells; c++)
			most = free[c] > free[most] ? c : most;
		if (!cells || !free[most])
			break;
		left -= free[most];
		free[most] = 0;
	}
	return used > 0 ? used - 1 : 0;
}

/* ---- what a host is worth ---- */

/* A host's GPUs of one row of the table. */
struct group {
	size_t row;
	uint64_t models;
	int whole;                 /* free ones */
	int16_t count[MIX_SHAPES]; /* of each request, as far as the GPUs go */
};

struct view {
	struct group groups[GROUPS_MAX];
	int n;
	int64_t left; /* free thousandths of all */
};

/* What the usual requests can have of it: nothing of those that belong to a block. */
static int free_of(const struct gpu *g)
{
	return gpu_free(g) && !g->reserved ? PLACEMENT_SHARE - g->share_used : 0;
}

/* Hosts with more sorts of GPUs than there are groups: what is left counts with the last. */
static struct group *group_of(struct view *v, const struct gpu *g)
{
	size_t row = mix_row(g);
	int i = 0;

	while (i < v->n && v->groups[i].row != row)
		i++;
	if (i == GROUPS_MAX)
		return &v->groups[GROUPS_MAX - 1];
	if (i == v->n) {
		v->n++;
		v->groups[i].row = row;
		v->groups[i].whole = 0;
		memset(v->groups[i].count, 0, sizeof v->groups[i].count);
	}
	return &v->groups[i];
}

static void count_add(int16_t *restrict to, const int16_t *restrict what, int times)
{
	for (int i = 0; i < MIX_SHAPES; i++)
		to[i] = (int16_t)(to[i] + times * what[i]);
}

static void view_make(const struct mix_table *t, const struct host *h, struct view *v)
{
	v->n = 0;
	v->left = 0;
	for (size_t i = 0; i < h->gpus_there; i++) {
		struct group *g = group_of(v, &h->gpus[i]);
		int free = free_of(&h->gpus[i]);

		v->left += free;
		if (free == PLACEMENT_SHARE)
			g->whole++;
		else if (free > 0)
			count_add(g->count, t->on_gpu[free], 1);
	}
	for (int i = 0; i < v->n; i++) {
		count_add(v->groups[i].count, t->on_whole[v->groups[i].whole], 1);
		count_add(v->groups[i].count, t->on_gpu[PLACEMENT_SHARE], v->groups[i].whole);
	}
}

static void take_whole(const struct mix_table *t, struct group *g, int n)
{
	count_add(g->count, t->on_whole[g->whole], -1);
	g->whole -= n;
	count_add(g->count, t->on_whole[g->whole], 1);
	count_add(g->count, t->on_gpu[PLACEMENT_SHARE], -n);
}

static void take_part(const struct mix_table *t, struct group *g, int before, int after)
{
	if (before == PLACEMENT_SHARE) {
		take_whole(t, g, 1);
		before = 0;
	}
	count_add(g->count, t->on_gpu[before], -1);
	count_add(g->count, t->on_gpu[after], 1);
}

/* How many of each request the pools allow. */
static void limits(const struct mix_table *t, const int64_t *free, int32_t *restrict limit)
{
	for (int i = 0; i < MIX_SHAPES; i++)
		limit[i] = MIX_ENOUGH;
	for (int pool = 0; pool < POOLS; pool++) {
		const uint32_t *restrict per = t->per[pool], *restrict unlimited = t->unlimited[pool];
		uint64_t units = pool_units((enum pool)pool, free[pool]);

		if (!t->asked[pool])
			continue;
		for (int i = 0; i < MIX_SHAPES; i++) {
			uint32_t n = (uint32_t)(units * per[i] >> 32) | unlimited[i];

			limit[i] = n < (uint32_t)limit[i] ? (int32_t)n : limit[i];
		}
	}
}

/* In FINE parts: the GPUs that each request can use if one of it fits; and, at less, how many do fit. */
static int64_t worth_of(const struct mix_table *t, const struct view *v, const int32_t *restrict limit)
{
	int64_t sum = 0;

	for (int g = 0; g < v->n; g++) {
		const int16_t *restrict worth = t->worth[v->groups[g].row];
		const int16_t *restrict count = v->groups[g].count;
		int32_t usable = 0, packed = 0;

		for (int i = 0; i < MIX_SHAPES; i++) {
			int32_t n = count[i], fit = n < limit[i] ? n : limit[i];

			usable += worth[i] * (limit[i] > 0 ? n : 0);
			packed += worth[i] * fit;
		}
		sum += (int64_t)usable * FINE + (int64_t)packed * PACKING;
	}
	return sum;
}

static void pools_free(const struct host *h, int64_t *free)
{
	free[POOL_VCPUS] = h->vcpus - h->vcpus_used;
	free[POOL_RAM] = h->ram_mib - h->ram_used_mib;
	free[POOL_DEDICATED] = free[POOL_HUGE] = 0;
	for (size_t i = 0; i < h->cells_n; i++) {
		const struct cell *c = &h->cells[i];

		free[POOL_DEDICATED] += c->cpus_free;
		free[POOL_HUGE] +=
			(c->pages[0] - c->pages_used[0]) * 2 + (c->pages[1] - c->pages_used[1]) * 1024;
	}
}

/* ---- what a request would take of it ---- */

static void take_gpus(const struct mix_table *t, struct view *v, const struct shape_gpu *k)
{
	int n = k->count;

	for (int i = 0; i < v->n && n > 0; i++) {
		struct group *g = &v->groups[i];
		size_t model = g->row / GPU_SORTS;
		int some = g->whole < n ? g->whole : n;

		if (model < MODELS_MAX ? !(k->models >> model & 1) : k->models != UINT64_MAX)
			continue;
		take_whole(t, g, some);
		v->left -= (int64_t)some * PLACEMENT_SHARE;
		n -= some;
	}
}

/* A share goes to the fullest GPU that has room for it, as fit_pick does; so does, nearly, a partition. */
static void take_share(
	const struct mix_table *t, const struct host *h, struct view *v, const struct shape_gpu *k)
{
	const struct gpu *best = NULL;
	int share = k->share;

	for (size_t i = 0; i < h->gpus_there; i++) {
		const struct gpu *g = &h->gpus[i];

		if (free_of(g) < share || !gpu_of(g, k->models) || (*k->profile ? !g->geometry : !g->shared))
			continue;
		if (!best || g->share_used > best->share_used)
			best = g;
	}
	if (!best)
		return;
	take_part(t, group_of(v, best), free_of(best), free_of(best) - share);
	v->left -= share;
}

/* The thousandths of the GPU that the profile takes on this host. */
static int share_on(const struct host *h, const char *profile)
{
	for (size_t i = 0; i < h->gpus_there; i++) {
		const struct placement_geometry *geometry = h->gpus[i].geometry;

		for (size_t k = 0; geometry && k < geometry->profiles_n; k++)
			if (strcmp(geometry->profiles[k].name, profile) == 0)
				return geometry->profiles[k].share;
	}
	return PLACEMENT_SHARE;
}

static void take(const struct mix_table *t, const struct host *h, const struct shape *s, struct view *v)
{
	for (int i = 0; i < s->gpus_n && !s->reservation; i++) {
		struct shape_gpu k = s->gpus[i];

		if (*k.profile)
			k.share = share_on(h, k.profile);
		if (!*k.profile && k.share >= PLACEMENT_SHARE)
			take_gpus(t, v, &k);
		else
			take_share(t, h, v, &k);
	}
}

static int64_t lost_on(const struct mix_table *t, const struct host *h, const struct shape *s)
{
	int32_t limit[MIX_SHAPES];
	int64_t free[POOLS], lost;
	struct view v;

	view_make(t, h, &v);
	pools_free(h, free);
	limits(t, free, limit);
	lost = worth_of(t, &v, limit);
	free[s->dedicated ? POOL_DEDICATED : POOL_VCPUS] -= s->vcpus;
	free[large_pages(s) ? POOL_HUGE : POOL_RAM] -= s->ram_mib;
	limits(t, free, limit);
	take(t, h, s, &v);
	lost -= worth_of(t, &v, limit);
	return lost + (int64_t)t->per_left * v.left * FINE / PLACEMENT_SHARE;
}

static int64_t by_mix(
	const struct placement *p, const struct mix_table *t, const struct host *h, const struct shape *s)
{
	int64_t lost;

	if (!h->gpus_there)
		return rest_of(p, h, s);
	lost = (lost_on(t, h, s) + t->step / 2) / t->step;
	return (INT64_C(1) << FIT_BITS) + lost * CELLS_MAX + cells_more(h, s);
}

/* ---- other orders ---- */

static bool parts_only(const struct shape *s)
{
	for (int k = 0; k < s->gpus_n; k++)
		if (s->gpus[k].share < PLACEMENT_SHARE || *s->gpus[k].profile)
			return true;
	return false;
}

/* Nothing is expected. */
static int64_t by_class(const struct placement *p, const struct host *h, const struct shape *s)
{
	int64_t class = h->gpus_there ? 1 + (int64_t)h->gpus_free : 0;

	if (s->gpus_total && parts_only(s))
		class = (int64_t)h->gpus_free * CELLS_MAX;
	else if (s->gpus_total)
		class = ((int64_t)h->gpus_free - s->gpus_total) * CELLS_MAX + cells_more(h, s);
	return class * (INT64_C(1) << FIT_BITS) + rest_of(p, h, s);
}

/* Thousandths of all vCPUs and of all GPUs that the largest host has stay unknown to a host, so what is left
 * is taken against the usual: what the average host has. */
static int64_t left_on(const struct placement *p, const struct host *h, const struct shape *s)
{
	int64_t vcpus = h->vcpus - h->vcpus_used - s->vcpus, gpus = 0;

	for (size_t i = 0; i < h->gpus_there; i++)
		gpus += gpu_free(&h->gpus[i]) ? PLACEMENT_SHARE - h->gpus[i].share_used : 0;
	for (int k = 0; k < s->gpus_n; k++)
		gpus -= (int64_t)s->gpus[k].count * s->gpus[k].share;
	return vcpus * (1 << 20) / (p->vcpus / (int64_t)p->hosts_n + 1) +
	       gpus * (1 << 20) / (PLACEMENT_SHARE * 8);
}

int64_t score_of(const struct placement *p, const struct host *h, const struct shape *s)
{
	const struct mix_table *t;

	switch (p->order) {
	case PLACEMENT_FIRST_FIT:
		return 0;
	case PLACEMENT_BEST_FIT:
		return left_on(p, h, s);
	case PLACEMENT_SPREAD:
		return -left_on(p, h, s);
	case PLACEMENT_BY_MIX:
		break;
	}
	t = mix_table(p);
	return t ? by_mix(p, t, h, s) : by_class(p, h, s);
}
