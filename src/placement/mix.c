/* SPDX-License-Identifier: Apache-2.0 */
/* Learns what requests to expect. A request counts for more the more often it is made and the fewer hosts of
 * the empty fleet can serve it: what only few hosts can do is what must not be taken from them. Requests for
 * several GPUs count for at least a given share of all, for rare ones find no whole host unless it is kept
 * for them. All in whole numbers, so that every machine learns the same. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/index.h"
#include "placement/score.h"

enum {
	ONE_BITS = 16,
	ONE = 1 << ONE_BITS, /* fixed point */
	WEIGHTS = 1 << 24,   /* all together */
	REACH_FLOOR = ONE / 20,
	BOOST_MAX = 1024 << 8,
	CLASSES_MAX = 1024,
	WORTH_SUM = 65536
};

/* A cloud that only fills and one whose servers come and go are served best in different ways: the first
 * does without what little is asked for; in the second, room for large servers comes again only if it was not
 * broken. */
static const struct setting {
	bool by_size; /* a request's weight grows with its GPUs */
	bool steep;   /* scarcity to the power of 3/2, else 1 */
	int multi;    /* hundredths of the demand that requests for several GPUs count for at least */
	int left;     /* price of a GPU left free, in thousandths of one that is lost */
	int step;     /* in such thousandths */
} settings[2] = {
	{ .by_size = false, .steep = true, .multi = 22, .left = 8, .step = 5 },
	{ .by_size = true, .steep = false, .multi = 44, .left = 20, .step = 5 },
};

bool placement_churns(uint64_t placed, uint64_t released, bool was)
{
	return (was ? 8 : 4) * released > placed + 1;
}

/* ---- a request, as the mix sees it ---- */

struct demand {
	int64_t need[POOLS];
	uint64_t models;
	int32_t sort;          /* of GPU_SORTS */
	int32_t gpus;          /* each server has */
	int32_t share;         /* thousandths of each */
	int32_t unused;        /* 0: compared as memory */
	uint64_t weight, mass; /* mass: weight times GPUs */
};

/* A host of the empty fleet, and how many are like it. */
struct fleet_class {
	int64_t have[POOLS];
	uint32_t gpus, row; /* of the GPUs: most are alike; those of the first are counted */
	uint32_t count;
};

static int64_t size_of(const struct demand *d)
{
	return (int64_t)d->gpus * d->share;
}

/* The thousandths that a profile takes; 0: no GPU has it. */
static int profile_share(const struct placement *p, const char *name)
{
	const struct placement_geometry *seen = NULL;

	for (size_t i = 0; i < p->hosts_n; i++)
		for (size_t g = 0; g < p->hosts[i]->gpus_there; g++) {
			const struct placement_geometry *geometry = p->hosts[i]->gpus[g].geometry;

			if (geometry == seen)
				continue;
			seen = geometry;
			for (size_t k = 0; geometry && k < geometry->profiles_n; k++)
				if (strcmp(geometry->profiles[k].name, name) == 0)
					return geometry->profiles[k].share;
		}
	return 0;
}

/* False: it wants no GPU that there is. */
static bool demand_make(const struct placement *p, const struct shape *s, uint64_t weight, struct demand *out)
{
	const struct shape_gpu *g = &s->gpus[0]; /* the first kind stands for all */
	bool huge = !pages_small(s->page_kib);

	*out = (struct demand) { .models = g->models, .gpus = s->gpus_total, .weight = weight };
	out->need[s->dedicated ? POOL_DEDICATED : POOL_VCPUS] = s->vcpus;
	out->need[huge ? POOL_HUGE : POOL_RAM] = s->ram_mib;
	if (s->gpus_total <= 0 || s->gpus_total > PLACEMENT_GPUS_MAX)
		return false;
	out->share = *g->profile ? profile_share(p, g->profile) : g->share;
	out->sort = *g->profile ? 2 : g->share < PLACEMENT_SHARE;
	if (out->sort) { /* several parts of GPUs count as so many servers with one */
		out->weight *= (uint64_t)out->gpus;
		out->gpus = 1;
	}
	return out->share > 0 && out->share <= PLACEMENT_SHARE;
}

/* A row's GPUs serve it? */
static bool serves(const struct demand *d, size_t row)
{
	size_t model = row / GPU_SORTS, sort = row % GPU_SORTS;

	if (model < MODELS_MAX ? !(d->models >> model & 1) : d->models != UINT64_MAX)
		return false;
	return !d->sort || (int)sort == d->sort;
}

/* ---- the fleet ---- */

uint32_t pool_units(enum pool pool, int64_t amount)
{
	static const int shift[POOLS] = { [POOL_VCPUS] = 4, [POOL_DEDICATED] = 4 };
	int64_t most = (int64_t)UINT32_MAX >> (shift[pool] + 1);

	return (uint32_t)((amount < 0 ? 0 : amount < most ? amount : most) << shift[pool]);
}

static struct fleet_class class_of(const struct host *h)
{
	struct fleet_class c = { .count = 1, .row = UINT32_MAX };

	c.have[POOL_VCPUS] = h->vcpus;
	c.have[POOL_RAM] = h->ram_mib;
	for (size_t i = 0; i < h->cells_n; i++) {
		for (size_t k = 0; k < h->cells[i].cpus_n; k++)
			c.have[POOL_DEDICATED] += !h->cells[i].cpus[k].gone;
		c.have[POOL_HUGE] += h->cells[i].pages[0] * 2 + h->cells[i].pages[1] * 1024;
	}
	if (h->gpus_there)
		c.row = (uint32_t)mix_row(&h->gpus[0]);
	for (size_t i = 0; i < h->gpus_there; i++)
		c.gpus += mix_row(&h->gpus[i]) == c.row;
	return c;
}

uint64_t mix_fleet_of(const struct host *h)
{
	struct fleet_class c = class_of(h);
	uint64_t hash = (uint64_t)c.gpus << 32 | c.row;

	for (int i = 0; i < POOLS; i++) {
		hash = (hash ^ (uint64_t)c.have[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return hash;
}

static int by_class(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct fleet_class, count));
}

/* Alike hosts are one class; of too many classes, each k-th stands for its neighbours. */
static size_t fleet_make(const struct placement *p, struct fleet_class *out)
{
	size_t n = 0, every;

	for (size_t i = 0; i < p->hosts_n; i++)
		if (p->hosts[i]->gpus_there)
			out[n++] = class_of(p->hosts[i]);
	if (!n)
		return 0;
	qsort(out, n, sizeof *out, by_class);
	every = n;
	n = 0;
	for (size_t i = 1; i < every; i++)
		if (by_class(&out[i], &out[n]) == 0)
			out[n].count++;
		else
			out[++n] = out[i];
	n++;
	every = (n + CLASSES_MAX - 1) / CLASSES_MAX;
	for (size_t i = 0; every > 1 && i < n; i++)
		if (i % every == 0)
			out[i / every] = out[i];
		else
			out[i / every].count += out[i].count;
	return (n + every - 1) / every;
}

/* ---- weights ---- */

static uint64_t root(uint64_t x)
{
	uint64_t r = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= x)
			r += bit;
	return r;
}

/* How many of them an empty host takes. */
static int64_t packing(const struct fleet_class *c, const struct demand *d)
{
	int64_t most = (int64_t)c->gpus / d->gpus * (PLACEMENT_SHARE / d->share);

	if (!serves(d, c->row))
		return 0;
	for (int i = 0; i < POOLS; i++)
		if (d->need[i] > 0 && c->have[i] / d->need[i] < most)
			most = c->have[i] / d->need[i];
	return most;
}

/* The share of all GPUs that this request alone could fill: ONE is all of them. */
static uint64_t reach(const struct fleet_class *fleet, size_t n, const struct demand *d)
{
	uint64_t filled = 0, all = 0, share;

	for (size_t i = 0; i < n; i++) {
		filled += (uint64_t)(fleet[i].count * packing(&fleet[i], d) * size_of(d));
		all += (uint64_t)fleet[i].count * fleet[i].gpus * PLACEMENT_SHARE;
	}
	share = all ? filled * ONE / all : ONE;
	return share < REACH_FLOOR ? REACH_FLOOR : share;
}

/* By how much requests for several GPUs count for more than they are; 256: as they are. */
static uint64_t boost_of(const struct setting *set, const struct demand *d, size_t n)
{
	uint64_t all = 0, several = 0, boost;

	for (size_t i = 0; i < n; i++) {
		all += d[i].weight * (uint64_t)size_of(&d[i]);
		several += d[i].gpus > 1 ? d[i].weight * (uint64_t)size_of(&d[i]) : 0;
	}
	boost = several ? all / 100 * (uint64_t)set->multi / (several / 256 + 1) : 256;
	return boost < 256 ? 256 : boost < BOOST_MAX ? boost : BOOST_MAX;
}

static uint64_t mass_of(const struct setting *set, const struct fleet_class *fleet, size_t classes,
	const struct demand *d, uint64_t boost)
{
	uint64_t scarce = (UINT64_C(1) << 2 * ONE_BITS) / reach(fleet, classes, d), mass;

	if (set->steep)
		scarce = scarce * root(scarce << ONE_BITS) >> ONE_BITS;
	mass = (d->weight * scarce >> 8) * (d->gpus > 1 ? boost : 256) >> 8;
	return set->by_size ? mass * (uint64_t)size_of(d) / PLACEMENT_SHARE : mass;
}

/* ---- few that stand for all ---- */

static int64_t apart(int64_t a, int64_t b, int64_t soft)
{
	return a + b + soft ? 1000 * (a > b ? a - b : b - a) / (a + b + soft) : 0;
}

/* How different two requests are, on a scale of its own. */
static int64_t distance(const struct demand *a, const struct demand *b)
{
	int64_t d = 6 * apart(a->share, b->share, 0) + 6 * apart(a->gpus, b->gpus, 0);

	for (int i = 0; i < POOLS; i++)
		d += (i == POOL_VCPUS || i == POOL_DEDICATED ? 2 : 1) *
		     apart(a->need[i], b->need[i], i == POOL_VCPUS || i == POOL_DEDICATED ? 1 : 1024);
	if (a->models != b->models)
		d += a->models != UINT64_MAX && b->models != UINT64_MAX
			     ? 500 + 250 * __builtin_popcountll(a->models ^ b->models)
			     : 1000;
	return d + (a->sort != b->sort ? 2000 : 0);
}

static int by_mass(const void *a, const void *b)
{
	const struct demand *x = a, *y = b;

	return x->mass != y->mass ? (x->mass < y->mass) - (x->mass > y->mass) : memcmp(x, y, sizeof *x);
}

/* The heaviest stay; each of the others joins the one that is most like it. */
static size_t condense(struct demand *d, size_t n)
{
	size_t kept = n < MIX_SHAPES ? n : MIX_SHAPES;

	qsort(d, n, sizeof *d, by_mass);
	for (size_t i = kept; i < n; i++) {
		int64_t least = INT64_MAX;
		size_t near = 0;

		for (size_t k = 0; k < kept; k++)
			if (distance(&d[k], &d[i]) < least) {
				least = distance(&d[k], &d[i]);
				near = k;
			}
		d[near].mass += d[i].mass;
	}
	return kept;
}

/* ---- the table ---- */

static int least(int a, int b)
{
	return a < b ? a : b;
}

static void fill_place(struct mix_table *t, size_t at, const struct demand *d, uint64_t worth)
{
	for (int i = 0; i < POOLS; i++) {
		uint32_t need = pool_units((enum pool)i, d->need[i]);

		t->per[i][at] = need > 1 ? (uint32_t)(((UINT64_C(1) << 32) + need - 1) / need) : 0;
		t->unlimited[i][at] = need > 1 ? 0 : UINT32_MAX;
		t->asked[i] = t->asked[i] || need > 1;
	}
	for (int x = d->share; d->gpus == 1 && x <= PLACEMENT_SHARE; x++)
		t->on_gpu[x][at] = (int16_t)least(x / d->share, 500);
	for (int x = d->gpus; d->gpus > 1 && x <= PLACEMENT_GPUS_MAX; x++)
		t->on_whole[x][at] = (int16_t)(x / d->gpus);
	for (size_t row = 0; row < ARRAY_LEN(t->worth); row++)
		if (serves(d, row))
			t->worth[row][at] = (int16_t)worth;
}

/* Worths become 16-bit numbers: the largest fits, and the weights together are WORTH_SUM at most. */
static void fill(struct mix_table *t, const struct setting *set, struct demand *d, size_t n)
{
	uint64_t top = 1, weights = 0, sum = 0, num, den;
	int shift = 0;

	for (size_t i = 0; i < n; i++)
		sum += d[i].mass;
	while (sum >> shift >> 30) /* products below fit */
		shift++;
	for (size_t i = 0; i < n; i++) {
		d[i].mass >>= shift;
		top = d[i].mass > top ? d[i].mass : top;
		weights += d[i].mass * PLACEMENT_SHARE / (uint64_t)size_of(&d[i]);
	}
	num = INT16_MAX * weights < WORTH_SUM * top ? INT16_MAX : WORTH_SUM;
	den = num == INT16_MAX ? top : weights;
	for (size_t i = 0; i < n; i++)
		fill_place(t, i, &d[i], (d[i].mass * num + den / 2) / den);
	weights = weights * num / den;
	t->n = n;
	t->per_left = (int32_t)((weights * (uint64_t)set->left + 500) / 1000);
	t->step = (int32_t)((weights * (uint64_t)set->step * 64 + 500) / 1000);
	t->step = t->step > 0 ? t->step : 1;
}

static struct mix_table *learn(const struct placement *p, const struct mix *m)
{
	const struct setting *set = &settings[m->churning];
	struct mix_table *t = xcalloc(1, sizeof *t);
	CLEANUP(free_ptr) struct fleet_class *fleet = xcalloc(p->hosts_n + 1, sizeof *fleet);
	CLEANUP(free_ptr) struct demand *d = xcalloc(m->n + 1, sizeof *d);
	size_t classes = fleet_make(p, fleet), n = 0;
	uint64_t all = 0, boost;

	for (size_t i = 0; i < m->n; i++)
		all += m->weights[i];
	for (size_t i = 0; i < m->n; i++)
		n += m->weights[i] &&
		     demand_make(p, &m->shapes[i], (uint64_t)m->weights[i] * WEIGHTS / all + 1, &d[n]);
	boost = boost_of(set, d, n);
	for (size_t i = 0; i < n; i++)
		d[i].mass = mass_of(set, fleet, classes, &d[i], boost);
	n = condense(d, n);
	if (n)
		fill(t, set, d, n);
	return t;
}

const struct mix_table *mix_table(const struct placement *p)
{
	struct mix *m = p->mix;

	if (!m)
		return NULL;
	if (!m->table || m->fleet != p->fleet) {
		free(m->table);
		m->table = learn(p, m);
		m->fleet = p->fleet;
	}
	return m->table->n ? m->table : NULL;
}

/* ---- as it is told ---- */

void mix_destroy(struct mix *m)
{
	if (!m)
		return;
	free(m->shapes);
	free(m->weights);
	free(m->table);
	free(m);
}

struct mix *mix_copy(const struct mix *m)
{
	struct mix *to = xcalloc(1, sizeof *to);

	to->n = m->n;
	to->churning = m->churning;
	to->shapes = xmalloc((m->n + 1) * sizeof *to->shapes);
	to->weights = xmalloc((m->n + 1) * sizeof *to->weights);
	memcpy(to->shapes, m->shapes, m->n * sizeof *to->shapes);
	memcpy(to->weights, m->weights, m->n * sizeof *to->weights);
	return to;
}

static bool same_mix(const struct mix *a, const struct mix *b)
{
	if (!a || !b)
		return a == b;
	return a->n == b->n && a->churning == b->churning &&
	       memcmp(a->shapes, b->shapes, a->n * sizeof *a->shapes) == 0 &&
	       memcmp(a->weights, b->weights, a->n * sizeof *a->weights) == 0;
}

void placement_mix_set(struct placement *p, const struct placement_request *requests, const uint32_t *weights,
	size_t n, bool churning)
{
	struct mix *mix = n ? xcalloc(1, sizeof *mix) : NULL;

	n = n < PLACEMENT_MIX_MAX ? n : PLACEMENT_MIX_MAX;
	if (mix) {
		*mix = (struct mix) { .shapes = xcalloc(n, sizeof *mix->shapes),
			.weights = xcalloc(n, sizeof *mix->weights),
			.churning = churning };
		for (; mix->n < n; mix->n++) {
			shape_know_models(p, &requests[mix->n]);
			mix->shapes[mix->n] = shape_of(p, &requests[mix->n]);
			mix->weights[mix->n] = weights[mix->n];
		}
	}
	if (same_mix(mix, p->mix)) {
		mix_destroy(mix);
		return;
	}
	journal_add(p, CHANGE_MIX, 0)->mix = p->mix;
	p->mix = mix;
	index_reset(p->index);
}

void placement_order_set(struct placement *p, enum placement_order order)
{
	p->order = order;
	index_reset(p->index);
}
