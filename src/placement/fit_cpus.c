/* SPDX-License-Identifier: Apache-2.0 */
/* Dedicated CPUs of one cell: cores and their threads. */
#include "placement/fit_local.h"

/* The threads of one core lie side by side. */
struct core {
	const struct cpu *cpus;
	size_t n;
	int free, threads; /* CPUs: to be had; there, or gone but still taken */
};

/* The core at cpus[*at], which moves behind it. */
static bool next_core(const struct cell *c, size_t *at, struct core *out)
{
	if (*at == c->cpus_n)
		return false;
	*out = (struct core) { .cpus = c->cpus + *at };
	while (*at < c->cpus_n && c->cpus[*at].core == out->cpus->core) {
		const struct cpu *cpu = &c->cpus[(*at)++];

		out->n++;
		out->free += !cpu->gone && cpu->owner == NO_OWNER;
		out->threads += !cpu->gone || cpu->owner != NO_OWNER;
	}
	return true;
}

static bool core_whole(const struct core *core)
{
	return core->free > 0 && core->free == core->threads;
}

void cpus_refresh(struct cell *c)
{
	struct core core;

	c->cpus_free = c->cores_free = c->siblings_free = 0;
	for (size_t at = 0; next_core(c, &at, &core);) {
		c->cpus_free += core.free;
		c->cores_free += core_whole(&core);
		c->siblings_free += core_whole(&core) && core.free > 1 ? core.free : 0;
	}
}

int cpus_free(const struct cell *c, int threads)
{
	switch (threads) {
	case PLACEMENT_THREADS_ISOLATE:
		return c->cores_free;
	case PLACEMENT_THREADS_REQUIRE:
		return c->siblings_free;
	default:
		return c->cpus_free;
	}
}

/* What a core gives to a server of that policy. */
static int core_gives(const struct core *core, int threads)
{
	if (threads == PLACEMENT_THREADS_PREFER)
		return core->free;
	if (!core_whole(core) || (threads == PLACEMENT_THREADS_REQUIRE && core->free == 1))
		return 0;
	return core->free;
}

static int16_t *take(const struct core *core, int n, int16_t *out)
{
	for (size_t i = 0; i < core->n && n > 0; i++)
		if (!core->cpus[i].gone && core->cpus[i].owner == NO_OWNER) {
			*out++ = core->cpus[i].id;
			n--;
		}
	return out;
}

/* Whole cores as far as n goes, then parts of cores that match what is left; the smallest that is left over
 * is broken for the rest. */
static void pick_filling(const struct cell *c, int threads, int most, int n, int16_t *out)
{
	struct core core, broken = { 0 };

	for (int size = most; size > 0; size--)
		for (size_t at = 0; n > 0 && next_core(c, &at, &core);) {
			if (core_gives(&core, threads) != size)
				continue;
			if (size > n) {
				broken = core;
				break;
			}
			out = take(&core, size, out);
			n -= size;
		}
	take(&broken, n, out);
}

/* One thread of each core; the cores with the fewest first, as their other threads are lost. */
static void pick_isolated(const struct cell *c, int most, int n, int16_t *out)
{
	struct core core;

	for (int size = 1; size <= most; size++)
		for (size_t at = 0; n > 0 && next_core(c, &at, &core);)
			if (core_gives(&core, PLACEMENT_THREADS_ISOLATE) == size) {
				out = take(&core, 1, out);
				n--;
			}
}

void cpus_pick(const struct cell *c, int threads, int n, int16_t *out)
{
	int most = 0;
	struct core core;

	for (size_t at = 0; next_core(c, &at, &core);)
		if (core_gives(&core, threads) > most)
			most = core_gives(&core, threads);
	if (threads == PLACEMENT_THREADS_ISOLATE)
		pick_isolated(c, most, n, out);
	else
		pick_filling(c, threads, most, n, out);
}
