/* SPDX-License-Identifier: Apache-2.0 */
/* Are there GPUs for a request? Exact: by Hall's theorem where GPUs are given one by one, by a table of what
 * can be reached where IOMMU groups tie some together. */
#include <string.h>

#include "placement/fit_local.h"

/* A GPU that can be cut is given in partitions only; one that is shared can be given whole while nobody has a
 * share of it. */
static bool serves_whole(const struct gpu *g)
{
	return !g->geometry && !g->parts;
}

static bool serves_share(const struct gpu *g, int share)
{
	return g->shared && !g->geometry && !g->slots_used && g->share_used + share <= PLACEMENT_SHARE;
}

/* The GPUs for want k, of those. */
static uint64_t serving(const struct task *t, size_t k, uint64_t of)
{
	const struct shape_gpu *w = &t->s->gpus[k];
	uint64_t set = 0;

	if (t->whole >> k & 1 && !(t->h->models_free & (t->h->models_free - 1))) /* all are of one model */
		return t->h->models_free & w->models ? of & t->h->whole & ~t->h->cut : 0;
	for (; of; of &= of - 1) {
		const struct gpu *g = &t->h->gpus[__builtin_ctzll(of)];
		bool can = gpu_of(g, w->models);

		if (t->whole >> k & 1)
			can = can && serves_whole(g);
		else if (t->shares >> k & 1)
			can = can && serves_share(g, w->share);
		else
			can = can && part_serves(g, w->profile);
		set |= can ? of & -of : 0;
	}
	return set;
}

/* The GPUs for each want; those of blocks as well, or as the request may. */
static void find_gpus(struct task *t, bool blocks)
{
	uint64_t open = 0;

	for (size_t i = 0; i < t->h->gpus_there; i++) {
		const struct gpu *g = &t->h->gpus[i];
		bool may = gpu_free(g) && (blocks || gpu_open_to(g, t->s->reservation, t->s->preemptible));

		open |= (uint64_t)may << i;
	}
	for (size_t k = 0; k < t->n; k++)
		t->can[k] = serving(t, k, open);
}

static uint64_t iommu_group(const struct host *h, size_t i)
{
	uint64_t set = UINT64_C(1) << i;

	for (size_t j = 0; h->gpus[i].iommu_group >= 0 && j < h->gpus_there; j++)
		if (h->gpus[j].iommu_group == h->gpus[i].iommu_group && !h->gpus[j].gone)
			set |= UINT64_C(1) << j;
	return set;
}

/* Most hosts have no such groups: then the remainders of their numbers tell. */
static void find_groups(struct host *h)
{
	uint64_t seen = 0;
	bool twice = false;

	for (size_t i = 0; i < h->gpus_there; i++)
		if (h->gpus[i].iommu_group >= 0 && !h->gpus[i].gone) {
			twice |= bit(seen, (unsigned)h->gpus[i].iommu_group % 64);
			seen |= UINT64_C(1) << (unsigned)h->gpus[i].iommu_group % 64;
		}
	h->grouped = 0;
	for (size_t i = 0; twice && i < h->gpus_there; i++) {
		uint64_t group = iommu_group(h, i);

		h->grouped |= group & (group - 1) ? group : 0;
	}
}

void gpus_refresh(struct host *h)
{
	find_groups(h);
	h->cut = h->link_sizes = 0;
	for (size_t i = 0; i < h->gpus_there; i++)
		h->cut |= (uint64_t)(h->gpus[i].geometry != NULL) << i;
	for (size_t i = 0; i < h->links_n; i++)
		if (h->links[i])
			h->link_sizes |= UINT64_C(1) << (__builtin_popcountll(h->links[i]) - 1);
}

/* One GPU alone needs no partition where the host does not list such. */
bool link_matters(const struct host *h, int n)
{
	for (size_t i = 0; n == 1 && i < h->links_n; i++)
		if (__builtin_popcountll(h->links[i]) == 1)
			return true;
	return n > 1;
}

static const enum bind binds[] = {
	[PLACEMENT_PCI_LEGACY] = BIND_LEGACY,
	[PLACEMENT_PCI_REQUIRED] = BIND_CELLS,
	[PLACEMENT_PCI_PREFERRED] = BIND_NONE,
	[PLACEMENT_PCI_SOCKET] = BIND_CELLS,
};

void task_init(struct task *t, const struct host *h, const struct shape *s, const struct guest *g)
{
	*t = (struct task) { .h = h, .s = s, .guest = g, .n = (size_t)s->gpus_n, .grouped = true };
	for (size_t k = 0; k < t->n; k++) {
		const struct shape_gpu *w = &s->gpus[k];

		t->count[k] = w->count;
		t->total += w->count;
		if (w->profile[0])
			t->parts |= 1u << k;
		else if (w->share < PLACEMENT_SHARE)
			t->shares |= 1u << k;
		else
			t->whole |= 1u << k;
		t->whole_n += t->whole >> k & 1 ? w->count : 0;
		t->ones += t->parts >> k & 1 ? 0 : w->count;
	}
	find_gpus(t, false);
	t->bind = g->n ? binds[s->pci] : BIND_NONE;
	t->linked = s->link == PLACEMENT_REQUIRED && link_matters(h, t->whole_n);
}

uint64_t task_any(const struct task *t, unsigned wants)
{
	uint64_t any = 0;

	for (size_t k = 0; k < t->n; k++)
		any |= wants >> k & 1 ? t->can[k] : 0;
	return any;
}

/* The first set of wants that has not enough GPUs for all of them; 0: none, each gets GPUs of its own. */
static unsigned hall(const struct task *t, int *count, int *have)
{
	for (unsigned set = 1; set < 1u << t->n; set++) {
		if (set & t->parts)
			continue;
		*count = 0;
		for (size_t k = 0; k < t->n; k++)
			*count += set >> k & 1 ? t->count[k] : 0;
		*have = __builtin_popcountll(task_any(t, set));
		if (*have < *count)
			return set;
	}
	return 0;
}

/* ---- IOMMU groups ---- */

enum { TALLY_MAX = 17 * 17 * 17 }; /* the counts of three wants, and a fourth as large, add up to 64 */

/* How many GPUs the wants could have got so far, all ways: over the counts of all wants but the largest, the
 * set of counts of that. */
struct tally {
	size_t stride[PLACEMENT_GPU_KINDS_MAX]; /* 0: the largest */
	size_t size;
	uint64_t sets[TALLY_MAX];
};

static void tally_init(struct tally *y, const struct task *t)
{
	size_t largest = t->n;

	for (size_t k = 0; k < t->n; k++)
		if (!(t->parts >> k & 1) && (largest == t->n || t->count[k] > t->count[largest]))
			largest = k;
	y->size = 1;
	for (size_t k = 0; k < t->n; k++) {
		y->stride[k] = k == largest ? 0 : y->size;
		y->size *= k == largest || t->parts >> k & 1 ? 1 : (size_t)t->count[k] + 1;
	}
	memset(y->sets, 0, y->size * sizeof *y->sets);
	y->sets[0] = 1;
}

static void tally_copy(struct tally *to, const struct tally *from)
{
	memcpy(to->stride, from->stride, sizeof to->stride);
	to->size = from->size;
	memcpy(to->sets, from->sets, from->size * sizeof *to->sets);
}

/* Adds to `to`: as in `from`, and one more for want k. */
static void tally_give(struct tally *to, const struct tally *from, const struct task *t, size_t k)
{
	size_t stride = from->stride[k], block = stride * ((size_t)t->count[k] + 1);

	for (size_t i = 0; !stride && i < from->size; i++)
		to->sets[i] |= from->sets[i] << 1;
	for (size_t at = 0; stride && at < from->size; at += block)
		for (size_t i = at + stride; i < at + block; i++)
			to->sets[i] |= from->sets[i - stride];
}

/* The GPU goes to one of these wants, or to none where it may be left. */
static void tally_gpu(struct tally *y, const struct task *t, size_t gpu, unsigned wants, bool may_leave)
{
	struct tally from;

	tally_copy(&from, y);
	if (!may_leave)
		memset(y->sets, 0, y->size * sizeof *y->sets);
	for (size_t k = 0; k < t->n; k++)
		if (wants >> k & 1 && bit(t->can[k], gpu))
			tally_give(y, &from, t, k);
}

/* The group is taken whole, all for wants of whole GPUs, or its GPUs are shared one by one. */
static void tally_group(struct tally *y, const struct task *t, uint64_t group)
{
	struct tally taken;

	tally_copy(&taken, y);
	for (uint64_t left = group; left; left &= left - 1) {
		tally_gpu(&taken, t, (size_t)__builtin_ctzll(left), t->whole, false);
		tally_gpu(y, t, (size_t)__builtin_ctzll(left), t->shares, true);
	}
	for (size_t i = 0; i < y->size; i++)
		y->sets[i] |= taken.sets[i];
}

static bool fits_groups(const struct task *t)
{
	uint64_t left = task_any(t, t->whole | t->shares), alone = left & ~t->h->grouped;
	struct tally y;
	int count = 0;

	tally_init(&y, t);
	for (; alone; alone &= alone - 1)
		tally_gpu(&y, t, (size_t)__builtin_ctzll(alone), t->whole | t->shares, true);
	for (left &= t->h->grouped; left;) {
		uint64_t group = iommu_group(t->h, (size_t)__builtin_ctzll(left));

		tally_group(&y, t, group);
		left &= ~group;
	}
	for (size_t k = 0; k < t->n; k++)
		if (!y.stride[k] && !(t->parts >> k & 1))
			count = t->count[k];
	return bit(y.sets[y.size - 1], (size_t)count);
}

/* ---- the interconnect ---- */

bool task_fits_link(const struct task *t, uint64_t set)
{
	uint64_t groups = 0;
	struct task linked;
	int count, have;

	if (set & ~task_any(t, t->whole) || __builtin_popcountll(set) != t->whole_n)
		return false;
	for (uint64_t left = t->grouped ? set & t->h->grouped : 0; left; left &= left - 1)
		groups |= iommu_group(t->h, (size_t)__builtin_ctzll(left));
	if (groups & ~set)
		return false;
	linked = *t;
	task_take_link(&linked, set);
	return !hall(&linked, &count, &have);
}

void task_take_link(struct task *t, uint64_t set)
{
	for (size_t k = 0; k < t->n; k++)
		if (t->whole >> k & 1)
			t->can[k] &= set;
		else if (t->shares >> k & 1)
			t->can[k] &= ~set;
}

static bool fits_any_link(const struct task *t)
{
	for (size_t i = 0; i < t->h->links_n; i++)
		if (task_fits_link(t, t->h->links[i]))
			return true;
	return false;
}

bool task_fits(const struct task *t)
{
	int count, have;

	if (!parts_fit(t))
		return false;
	if (t->linked)
		return fits_any_link(t);
	if (hall(t, &count, &have))
		return false;
	/* All 64 that there can be are whole groups for sure. */
	return !t->grouped || !(task_any(t, t->whole) & t->h->grouped) || t->whole_n == PLACEMENT_GPUS_MAX ||
	       fits_groups(t);
}

/* ---- which rule refuses ---- */

static void count_short(const struct task *t, int64_t *want, int64_t *have)
{
	int w = 0, n = 0;

	if (!hall(t, &w, &n))
		w = n = 0;
	for (size_t k = 0; w == 0 && k < t->n; k++)
		if (t->parts >> k & 1 && parts_room(t, k) < t->count[k]) {
			w = t->count[k];
			n = parts_room(t, k);
		}
	*want = w;
	*have = n;
}

/* The task lacks something: the first rule that fails, with all after it left out of account. */
static enum placement_rule refusal(struct task *t, int64_t *want, int64_t *have)
{
	bool linked = t->linked;
	enum bind bind = t->bind;
	struct task all = *t;

	all.linked = all.grouped = false;
	all.bind = BIND_NONE;
	find_gpus(&all, true);
	count_short(&all, want, have);
	if (!task_fits(&all))
		return RULE_GPU;
	find_gpus(&all, false);
	count_short(&all, want, have);
	if (!task_fits(&all))
		return RULE_RESERVED;
	*want = *have = 0;
	all.bind = bind;
	if (!task_fits_bound(&all))
		return RULE_GPU_NUMA;
	all.linked = linked;
	return task_fits_bound(&all) ? RULE_GPU_GROUP : RULE_GPU_LINK;
}

enum placement_rule gpus_check(
	const struct host *h, const struct shape *s, const struct guest *g, int64_t *want, int64_t *have)
{
	struct task t;

	task_init(&t, h, s, g);
	if (t.total > PLACEMENT_GPUS_MAX) {
		*want = t.total;
		*have = PLACEMENT_GPUS_MAX;
		return RULE_GPU;
	}
	return task_fits_bound(&t) ? RULE_OK : refusal(&t, want, have);
}
