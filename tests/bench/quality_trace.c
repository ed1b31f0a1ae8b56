/* SPDX-License-Identifier: Apache-2.0 */
/* The two experiments on a list of tasks: inflation (tasks come until they ask for 1.3 times what there is)
 * and churn (tasks come and go). */
#include "quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

uint64_t rng_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint64_t rng_below(uint64_t *state, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)rng_next(state) * n >> 64);
}

/* ---- one cloud ---- */

struct cloud {
	const struct trace *t;
	struct placement *p;
	const struct job *job;
	int64_t allocated;         /* thousandths of GPUs */
	uint64_t placed, released; /* tasks with GPUs, of late */
	bool churning;
	struct placement_choice choice;
};

static void cloud_open(struct cloud *c, const struct trace *t, const struct job *job)
{
	size_t *order = xmalloc((t->hosts_n + 1) * sizeof *order);
	uint64_t rng = job->shuffle;

	*c = (struct cloud) { .t = t, .p = placement_create(), .job = job };
	for (size_t i = 0; i < t->hosts_n; i++)
		order[i] = i;
	for (size_t i = t->hosts_n; job->shuffle && i-- > 1;) {
		size_t j = rng_below(&rng, i + 1), host = order[i];

		order[i] = order[j];
		order[j] = host;
	}
	for (size_t i = 0; i < t->hosts_n; i++)
		trace_host_set(t, c->p, order[i], (int64_t)i + 1);
	free(order);
	placement_order_set(c->p, job->order);
	trace_expect(t, c->p, false);
	placement_forget(c->p);
}

/* What the daemon does by the rows of late: says whether servers come and go. */
static void count(struct cloud *c, bool released)
{
	bool was = c->churning;

	c->released += released;
	c->placed += !released;
	if (c->placed + c->released < 2 * c->t->hosts_n)
		return;
	c->churning = placement_churns(c->placed, c->released, was);
	c->placed /= 2;
	c->released /= 2;
	if (c->churning != was)
		trace_expect(c->t, c->p, c->churning);
}

static bool place(struct cloud *c, size_t task, int64_t id)
{
	const struct trace_task *k = &c->t->tasks[task];
	struct placement_request r = trace_request(k);
	struct error err;

	if (placement_choose(c->p, &r, 1, &c->choice, &err) < 0)
		return false;
	if (placement_take(c->p, id, &r, &c->choice, false, &err) < 0) {
		fprintf(stderr, "bench: what was chosen does not fit: %s\n", err.msg);
		exit(1);
	}
	c->allocated += trace_demand(k);
	if (k->gpus)
		count(c, false);
	placement_forget(c->p);
	return true;
}

static void release(struct cloud *c, size_t task, int64_t id)
{
	placement_release(c->p, id);
	c->allocated -= trace_demand(&c->t->tasks[task]);
	if (c->t->tasks[task].gpus)
		count(c, true);
	placement_forget(c->p);
}

static double percent(int64_t part, int64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

/* ---- inflation ---- */

static size_t *arrivals_make(const struct trace *t, uint64_t seed, size_t *out_n)
{
	int64_t target = trace_capacity(t) * 13 / 10, sum = 0, k;
	size_t n = t->tasks_n, cap = 2 * n + 64, *list = xmalloc(cap * sizeof *list);

	for (size_t i = 0; i < n; i++) {
		list[i] = i;
		sum += trace_demand(&t->tasks[i]);
	}
	for (size_t i = n; i-- > 1;) {
		size_t j = rng_below(&seed, i + 1), task = list[i];

		list[i] = list[j];
		list[j] = task;
	}
	while (sum > target && n) {
		size_t at = rng_below(&seed, n);

		sum -= trace_demand(&t->tasks[list[at]]);
		memmove(list + at, list + at + 1, (--n - at) * sizeof *list);
	}
	while (k = (int64_t)rng_below(&seed, t->tasks_n), sum + trace_demand(&t->tasks[k]) <= target) {
		if (n == cap) {
			cap *= 2;
			list = xrealloc(list, cap * sizeof *list);
		}
		sum += trace_demand(&t->tasks[k]);
		list[n++] = (size_t)k;
		if (n > 100 * t->tasks_n) /* nearly none wants GPUs */
			break;
	}
	*out_n = n;
	return list;
}

static void inflate(struct cloud *c, struct result *out)
{
	int64_t arrived = 0, capacity = trace_capacity(c->t);
	size_t n, *list = arrivals_make(c->t, c->job->seed, &n);

	*out = (struct result) { .arrivals = n, .hash = UINT64_C(0xcbf29ce484222325), .full = -1 };
	for (size_t i = 0; i < n; i++) {
		out->hash = (out->hash ^ list[i]) * UINT64_C(0x100000001b3);
		arrived += trace_demand(&c->t->tasks[list[i]]);
		place(c, list[i], (int64_t)i + 1);
		if (out->full < 0 && arrived >= capacity)
			out->full = percent(c->allocated, capacity);
	}
	out->end = percent(c->allocated, capacity);
	free(list);
}

/* ---- churn ---- */

struct leaving {
	int64_t due, id;
	size_t task;
};

struct heap {
	struct leaving *of;
	size_t n;
};

static bool sooner(const struct leaving *a, const struct leaving *b)
{
	return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static void heap_push(struct heap *h, struct leaving l)
{
	size_t at = h->n++;

	while (at && sooner(&l, &h->of[(at - 1) / 2])) {
		h->of[at] = h->of[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->of[at] = l;
}

static struct leaving heap_pop(struct heap *h)
{
	struct leaving first = h->of[0], last = h->of[--h->n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < h->n) {
		child += child + 1 < h->n && sooner(&h->of[child + 1], &h->of[child]);
		if (!sooner(&h->of[child], &last))
			break;
		h->of[at] = h->of[child];
		at = child;
	}
	h->of[at] = last;
	return first;
}

struct sums {
	int64_t demand, refused, demand8, refused8;
	double allocated;
};

static void step(struct cloud *c, struct heap *h, int64_t at, uint64_t *rng, double m, struct sums *sums)
{
	size_t k;
	double u;
	bool placed;
	int64_t demand;

	while (h->n && h->of[0].due <= at) {
		struct leaving l = heap_pop(h);

		release(c, l.task, l.id);
	}
	k = rng_below(rng, c->t->tasks_n);
	u = ((double)(rng_next(rng) >> 11) + 0.5) / 9007199254740992.0;
	placed = place(c, k, at + 1);
	if (placed)
		heap_push(h, (struct leaving) { (int64_t)floor((double)at + 1 - log(u) * m), at + 1, k });
	if (!sums)
		return;
	demand = trace_demand(&c->t->tasks[k]);
	sums->demand += demand;
	sums->refused += placed ? 0 : demand;
	sums->demand8 += c->t->tasks[k].gpus == 8 ? demand : 0;
	sums->refused8 += c->t->tasks[k].gpus == 8 && !placed ? demand : 0;
	sums->allocated += (double)c->allocated;
}

static void churn(struct cloud *c, struct result *out)
{
	int64_t capacity = trace_capacity(c->t), all = 0, steps, warm;
	struct sums sums = { 0 };
	struct heap heap = { 0 };
	uint64_t rng = c->job->seed;
	double m;

	*out = (struct result) { 0 };
	for (size_t i = 0; i < c->t->tasks_n; i++)
		all += trace_demand(&c->t->tasks[i]);
	if (!all)
		return;
	m = c->job->load / 100.0 * (double)capacity / ((double)all / (double)c->t->tasks_n);
	steps = (int64_t)floor(8 * m);
	warm = (int64_t)floor(3 * m);
	heap.of = xmalloc(((size_t)steps + 1) * sizeof *heap.of);
	for (int64_t at = 0; at < steps; at++)
		step(c, &heap, at, &rng, m, at < warm ? NULL : &sums);
	free(heap.of);
	out->refused = percent(sums.refused, sums.demand);
	out->refused8 = percent(sums.refused8, sums.demand8);
	out->allocated = steps > warm && capacity
				 ? 100 * sums.allocated / (double)(steps - warm) / (double)capacity
				 : 0;
}

struct result job_run(const struct trace *t, const struct job *job)
{
	struct result r;
	struct cloud c;

	cloud_open(&c, t, job);
	if (job->churn)
		churn(&c, &r);
	else
		inflate(&c, &r);
	placement_destroy(c.p);
	return r;
}

/* ---- a cluster of its own ---- */

static size_t one_of(uint64_t *rng, const int *weights, size_t n)
{
	int sum = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < n; k++)
		sum += weights[k];
	at = (int)rng_below(rng, (uint64_t)sum);
	while (at >= weights[i])
		at -= weights[i++];
	return i;
}

static void make_hosts(struct trace *t, size_t n, uint64_t *rng)
{
	static const struct trace_host kinds[] = {
		{ "", "h100", 96000, 786432, 8 },
		{ "", "h100", 128000, 1048576, 8 },
		{ "", "l40s", 96000, 393216, 4 },
		{ "", "l4", 104000, 524288, 2 },
		{ "", "l4", 32000, 131072, 2 },
		{ "", "a100", 64000, 262144, 1 },
	};
	static const int weights[] = { 40, 8, 12, 28, 6, 6 };

	t->hosts = xcalloc(n, sizeof *t->hosts);
	for (t->hosts_n = 0; t->hosts_n < n; t->hosts_n++) {
		t->hosts[t->hosts_n] = kinds[one_of(rng, weights, ARRAY_LEN(weights))];
		t->hosts[t->hosts_n].name = arena_printf(&t->arena, "host-%05zu", t->hosts_n);
	}
}

static struct trace_task make_task(uint64_t *rng)
{
	static const int kinds[] = { 130, 370, 480, 6, 6, 8 }, gpus[] = { 0, 1, 1, 2, 4, 8 };
	static const int shares[] = { 100, 200, 250, 330, 470, 500, 600, 750, 810, 900 };
	static const int per_gpu[] = { 4000, 6000, 8000, 11000, 12000, 16000 };
	static const int often[] = { 20, 15, 30, 15, 12, 2 };
	size_t kind = one_of(rng, kinds, ARRAY_LEN(kinds));
	struct trace_task k = { .models = "", .gpus = gpus[kind], .comes = -1, .goes = -1 };
	int cpu = per_gpu[one_of(rng, often, ARRAY_LEN(often))];

	k.share = kind == 1 ? shares[rng_below(rng, ARRAY_LEN(shares))] : kind ? PLACEMENT_SHARE : 0;
	k.cpu = kind > 1 ? (int64_t)cpu * k.gpus : kind ? cpu / 2 : cpu;
	if (kind == 5 && k.cpu > 96000)
		k.cpu = 96000;
	k.ram_mib = k.cpu / 1000 * (kind > 2 ? 6144 : 3072);
	if (kind > 2)
		k.models = "h100|l40s";
	return k;
}

void trace_make(struct trace *t, size_t hosts, uint64_t seed)
{
	int64_t demand = 0;
	size_t cap = 1024;

	memset(t, 0, sizeof *t);
	make_hosts(t, hosts, &seed);
	t->tasks = xmalloc(cap * sizeof *t->tasks);
	while (demand < trace_capacity(t) * 98 / 100) {
		if (t->tasks_n == cap) {
			cap *= 2;
			t->tasks = xrealloc(t->tasks, cap * sizeof *t->tasks);
		}
		t->tasks[t->tasks_n] = make_task(&seed);
		demand += trace_demand(&t->tasks[t->tasks_n++]);
	}
}
