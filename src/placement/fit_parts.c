/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions of GPUs: which profile fits where. */
#include <string.h>

#include "base/util.h"
#include "placement/claims.h"
#include "placement/fit_local.h"

static uint32_t slots_at(const struct placement_profile *p, int start)
{
	return (uint32_t)(((UINT64_C(1) << p->slots) - 1) << start);
}

static bool place_free(
	const struct placement_geometry *g, const struct placement_profile *p, int start, uint32_t used)
{
	return p->slots && start + p->slots <= g->slots && p->starts >> start & 1 &&
	       !(used & slots_at(p, start));
}

/* Partitions of one size: taking the first place again and again gives the most. */
static int room_beside(const struct placement_geometry *g, const struct placement_profile *p, uint32_t used)
{
	int n = 0;

	for (uint32_t left = p->starts; left; left &= left - 1) {
		int start = __builtin_ctz(left);

		if (place_free(g, p, start, used)) {
			used |= slots_at(p, start);
			n++;
		}
	}
	return n;
}

enum { SLOTS_MAX = 32 };

static uint32_t used_of(const struct task *t, size_t gpu)
{
	return t->laid ? t->laid->used[gpu] : t->h->gpus[gpu].slots_used;
}

/* The only profile that the GPU may be cut into; -1: any. */
static int bound_profile(const struct task *t, size_t gpu)
{
	const struct gpu *g = &t->h->gpus[gpu];

	if (!g->geometry || !g->geometry->alike)
		return -1;
	if (t->laid)
		return t->laid->profile[gpu];
	if (g->parts && g->profile < 0)
		return INT16_MAX; /* of one that is not known any more */
	return g->parts ? g->profile : -1;
}

static int room(const struct task *t, size_t gpu, int profile)
{
	const struct placement_geometry *g = t->h->gpus[gpu].geometry;
	int bound = bound_profile(t, gpu);

	if (profile < 0 || (bound >= 0 && bound != profile))
		return 0;
	return room_beside(g, &g->profiles[profile], used_of(t, gpu));
}

/* A GPU that has free shares taken cannot be cut before they are given back. */
bool part_serves(const struct gpu *g, const char *profile)
{
	return g->geometry && g->geometry->slots <= SLOTS_MAX && (!g->parts || g->slots_used) &&
	       geometry_profile(g->geometry, profile) >= 0;
}

int parts_room(const struct task *t, size_t k)
{
	const struct placement_geometry *seen = NULL;
	int profile = -1, n = 0;

	for (uint64_t left = t->can[k]; left && n < t->count[k]; left &= left - 1) {
		size_t gpu = (size_t)__builtin_ctzll(left);

		if (t->h->gpus[gpu].geometry != seen) {
			seen = t->h->gpus[gpu].geometry;
			profile = geometry_profile(seen, t->s->gpus[k].profile);
		}
		n += room(t, gpu, profile);
	}
	return n;
}

/* ---- several profiles at once ---- */

enum { TABLE_MAX = 17 * 17 * 17 };

/* How many partitions could lie in the GPUs so far and in the first i slots of the one at hand: rows[i], over
 * the counts of all wants but the largest, has the most of that; -1: those cannot be. */
struct table {
	size_t stride[PLACEMENT_GPU_KINDS_MAX]; /* 0: the largest */
	size_t size;
	int8_t rows[SLOTS_MAX + 1][TABLE_MAX];
};

static size_t table_init(struct table *y, const struct task *t)
{
	size_t largest = t->n;

	for (size_t k = 0; k < t->n; k++)
		if (t->parts >> k & 1 && (largest == t->n || t->count[k] > t->count[largest]))
			largest = k;
	y->size = 1;
	for (size_t k = 0; k < t->n; k++) {
		bool counts = k != largest && t->parts >> k & 1;

		y->stride[k] = counts ? y->size : 0;
		y->size *= counts ? (size_t)t->count[k] + 1 : 1;
	}
	memset(y->rows[0], -1, y->size);
	y->rows[0][0] = 0;
	return largest;
}

static void row_max(int8_t *to, const int8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (from[i] > to[i])
			to[i] = from[i];
}

/* to: as in `from`, and one more for want k. */
static void row_give(const struct table *y, int8_t *to, const int8_t *from, size_t k, int count)
{
	size_t stride = y->stride[k];

	if (!stride) {
		for (size_t i = 0; i < y->size; i++)
			if (from[i] >= 0 && from[i] < count && from[i] + 1 > to[i])
				to[i] = (int8_t)(from[i] + 1);
		return;
	}
	for (size_t at = 0, block = stride * ((size_t)count + 1); at < y->size; at += block)
		for (size_t i = at + stride; i < at + block; i++)
			if (from[i - stride] > to[i])
				to[i] = from[i - stride];
}

/* Fills the rows of one GPU with partitions of these profiles, by want. Its last row is the result. */
static void fill_slots(struct table *y, const struct task *t, size_t gpu, const int *profile)
{
	const struct placement_geometry *g = t->h->gpus[gpu].geometry;

	for (int end = 1; end <= g->slots; end++) {
		memcpy(y->rows[end], y->rows[end - 1], y->size);
		for (size_t k = 0; k < t->n; k++) {
			const struct placement_profile *p = profile[k] < 0 ? NULL : &g->profiles[profile[k]];

			if (p && p->slots <= end && place_free(g, p, end - p->slots, used_of(t, gpu)))
				row_give(y, y->rows[end], y->rows[end - p->slots], k, t->count[k]);
		}
	}
}

static void add_gpu(struct table *y, const struct task *t, size_t gpu)
{
	const struct placement_geometry *g = t->h->gpus[gpu].geometry;
	int profile[PLACEMENT_GPU_KINDS_MAX], bound = bound_profile(t, gpu);
	int8_t sum[TABLE_MAX];

	for (size_t k = 0; k < t->n; k++) {
		bool may = t->parts >> k & 1 && bit(t->can[k], gpu);

		profile[k] = may ? geometry_profile(g, t->s->gpus[k].profile) : -1;
		if (bound >= 0 && profile[k] != bound)
			profile[k] = -1;
	}
	if (!g->alike) {
		fill_slots(y, t, gpu, profile);
		memcpy(y->rows[0], y->rows[g->slots], y->size);
		return;
	}
	memcpy(sum, y->rows[0], y->size);
	for (size_t k = 0; k < t->n; k++) { /* one profile for all of it */
		int only[PLACEMENT_GPU_KINDS_MAX];

		for (size_t j = 0; j < t->n; j++)
			only[j] = profile[j] == profile[k] ? profile[j] : -1;
		fill_slots(y, t, gpu, only);
		row_max(sum, y->rows[g->slots], y->size);
	}
	memcpy(y->rows[0], sum, y->size);
}

static bool fit_together(const struct task *t)
{
	struct table y;
	size_t largest = table_init(&y, t);
	uint64_t left = task_any(t, t->parts);

	for (; left && y.rows[0][y.size - 1] < t->count[largest]; left &= left - 1)
		add_gpu(&y, t, (size_t)__builtin_ctzll(left));
	return y.rows[0][y.size - 1] >= t->count[largest];
}

bool parts_fit(const struct task *t)
{
	for (size_t k = 0; k < t->n; k++)
		if (t->parts >> k & 1 && parts_room(t, k) < t->count[k])
			return false;
	return !(t->parts & (t->parts - 1)) || fit_together(t);
}

/* ---- choosing ---- */

struct place {
	size_t gpu;
	int start, profile;
	/* Partitions of each size, the largest first, that there is no room for any more; then: it is uncut
	 */
	uint8_t lost[SLOTS_MAX + 2];
};

static void count_lost(const struct task *t, struct place *p)
{
	const struct placement_geometry *g = t->h->gpus[p->gpu].geometry;
	uint32_t used = used_of(t, p->gpu), then = used | slots_at(&g->profiles[p->profile], p->start);

	memset(p->lost, 0, sizeof p->lost);
	p->lost[SLOTS_MAX + 1] = used == 0;
	for (size_t i = 0; i < g->profiles_n; i++) {
		int before = room(t, p->gpu, (int)i);
		int after = g->alike && (int)i != p->profile ? 0 : room_beside(g, &g->profiles[i], then);

		p->lost[SLOTS_MAX - g->profiles[i].slots % (SLOTS_MAX + 1)] += before - after;
	}
}

static int compare(const struct place *a, const struct place *b)
{
	for (size_t i = 0; i < ARRAY_LEN(a->lost); i++)
		if (a->lost[i] != b->lost[i])
			return a->lost[i] - b->lost[i];
	if (a->gpu != b->gpu)
		return a->gpu < b->gpu ? -1 : 1;
	return a->start - b->start;
}

/* Nothing tells the GPU from an earlier one. */
static bool like_earlier(const struct task *t, size_t gpu)
{
	const struct gpu *g = &t->h->gpus[gpu];

	for (size_t i = 0; i < gpu; i++) {
		const struct gpu *o = &t->h->gpus[i];
		bool same = o->geometry == g->geometry && o->cell == g->cell;

		for (size_t k = 0; k < t->n; k++)
			same &= bit(t->can[k], i) == bit(t->can[k], gpu);
		if (same && g->geometry && t->laid->used[i] == t->laid->used[gpu] &&
			t->laid->profile[i] == t->laid->profile[gpu])
			return true;
	}
	return false;
}

/* The best place for one of want k that comes behind `after`, or at all. */
static bool next_place(const struct task *t, size_t k, const struct place *after, struct place *out)
{
	bool found = false;

	for (uint64_t left = t->can[k]; left; left &= left - 1) {
		struct place p = { .gpu = (size_t)__builtin_ctzll(left) };
		const struct placement_geometry *g = t->h->gpus[p.gpu].geometry;

		p.profile = geometry_profile(g, t->s->gpus[k].profile);
		if (room(t, p.gpu, p.profile) == 0 || like_earlier(t, p.gpu))
			continue;
		for (; p.start < g->slots; p.start++) {
			if (!place_free(g, &g->profiles[p.profile], p.start, used_of(t, p.gpu)))
				continue;
			count_lost(t, &p);
			if ((!after || compare(&p, after) > 0) && (!found || compare(&p, out) < 0)) {
				*out = p;
				found = true;
			}
		}
	}
	return found;
}

/* The place goes to want k, if the rest fits then. */
static bool try_place(struct task *t, struct laid *laid, const struct place *p, size_t k)
{
	const struct gpu *g = &t->h->gpus[p->gpu];
	uint32_t cell = host_cell_bit(t->h, g->cell);
	struct laid were = *laid;
	struct task was = *t;

	laid->used[p->gpu] |= slots_at(&g->geometry->profiles[p->profile], p->start);
	laid->profile[p->gpu] = (int16_t)p->profile;
	t->count[k]--;
	t->near |= t->bind == BIND_NONE ? 0 : cell;
	if ((cell || t->bind != BIND_CELLS) && task_fits_bound(t))
		return true;
	*laid = were;
	*t = was;
	return false;
}

static void choose_one(struct task *t, struct laid *laid, size_t k, struct placement_gpu_choice *out)
{
	struct place p, last;
	const struct placement_profile *profile;
	bool found = next_place(t, k, NULL, &p);

	while (found && !try_place(t, laid, &p, k)) {
		last = p;
		found = next_place(t, k, &last, &p);
	}
	if (!found)
		return; /* only on a host that does not fit */
	profile = &t->h->gpus[p.gpu].geometry->profiles[p.profile];
	*out = (struct placement_gpu_choice) {
		.id = t->h->gpus[p.gpu].id, .start = (int16_t)p.start, .share = profile->share
	};
	str_copy(out->profile, sizeof out->profile, profile->name);
}

static int slots_of(const struct task *t, size_t k)
{
	const struct placement_geometry *g;

	if (!(t->parts >> k & 1) || !t->can[k])
		return 0;
	g = t->h->gpus[__builtin_ctzll(t->can[k])].geometry;
	return g->profiles[geometry_profile(g, t->s->gpus[k].profile)].slots;
}

/* The largest first: they have the fewest places. */
void parts_choose(const struct task *task, struct placement_gpu_choice *const *out)
{
	struct task t = *task;
	struct laid laid = { 0 };
	unsigned left = t.parts;

	for (size_t i = 0; i < t.h->gpus_there; i++) {
		laid.used[i] = t.h->gpus[i].slots_used;
		laid.profile[i] = (int16_t)bound_profile(&t, i);
	}
	t.laid = &laid;
	while (left) {
		size_t k = t.n;

		for (size_t i = 0; i < t.n; i++)
			if (left >> i & 1 && (k == t.n || slots_of(&t, i) > slots_of(&t, k)))
				k = i;
		left &= ~(1u << k);
		for (int i = 0, n = t.count[k]; i < n; i++)
			choose_one(&t, &laid, k, out[k] + i);
	}
}
