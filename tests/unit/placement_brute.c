/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a server could lie on one small host, tried one after the other. */
#include "placement_brute.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

struct search {
	const struct host *h;
	const struct shape *s;
	unsigned leave_out;
	struct placement_guest_cell guest[PLACEMENT_GUEST_CELLS_MAX];
	size_t guest_n;
	struct way way;
	bool (*seen)(const struct host *h, const struct shape *s, const struct way *w, void *arg);
	void *arg;
};

size_t brute_guest(const struct shape *s, struct placement_guest_cell *out)
{
	if (s->cells_n) {
		memcpy(out, s->cells, (size_t)s->cells_n * sizeof *out);
		return (size_t)s->cells_n;
	}
	if (!s->dedicated && (s->page_kib == PAGE_ANY || s->page_kib == PAGE_4K))
		return 0;
	out[0] = (struct placement_guest_cell) { (int)s->vcpus, s->ram_mib };
	return 1;
}

/* ---- cells ---- */

static bool cpu_free(const struct cpu *c)
{
	return c->owner == NO_OWNER && !c->gone;
}

/* Threads of the CPU's core that are there, and of these the free ones. */
static void core_of(const struct cell *c, size_t cpu, int *threads, int *free)
{
	*threads = *free = 0;
	for (size_t i = 0; i < c->cpus_n; i++)
		if (c->cpus[i].core == c->cpus[cpu].core) {
			*threads += !c->cpus[i].gone || c->cpus[i].owner != NO_OWNER;
			*free += cpu_free(&c->cpus[i]);
		}
}

static bool first_of_core(const struct cell *c, size_t cpu)
{
	for (size_t i = 0; i < cpu; i++)
		if (c->cpus[i].core == c->cpus[cpu].core && cpu_free(&c->cpus[i]))
			return false;
	return true;
}

static int cpus_in(const struct cell *c, int policy)
{
	int n = 0;

	for (size_t i = 0; i < c->cpus_n; i++) {
		int threads, free;

		if (!cpu_free(&c->cpus[i]))
			continue;
		core_of(c, i, &threads, &free);
		n += policy == PLACEMENT_THREADS_PREFER ||
		     (policy == PLACEMENT_THREADS_REQUIRE && free == threads && threads >= 2) ||
		     (policy == PLACEMENT_THREADS_ISOLATE && free == threads && first_of_core(c, i));
	}
	return n;
}

/* In pages of that size: nothing but multiples of it are had. */
static bool memory_in(const struct cell *c, int64_t mib, int page_kib)
{
	int64_t pages;

	if (page_kib == PAGE_4K)
		return mib <= c->ram_mib - c->ram_used_mib;
	pages = (mib + page_kib / 1024 - 1) / (page_kib / 1024);
	if (page_kib == PAGE_1G)
		return pages <= c->pages[1] - c->pages_used[1];
	return pages <= c->pages[0] - c->pages_used[0];
}

static int page_for(const struct cell *c, int64_t mib, int page_kib)
{
	if (page_kib == PAGE_ANY)
		page_kib = PAGE_4K;
	if (page_kib != PAGE_LARGE)
		return memory_in(c, mib, page_kib) ? page_kib : -1;
	if (mib % 1024 == 0 && memory_in(c, mib, PAGE_1G))
		return PAGE_1G;
	return memory_in(c, mib, PAGE_2M) ? PAGE_2M : -1;
}

static bool cell_holds(
	const struct host *h, const struct shape *s, const struct placement_guest_cell *g, size_t cell)
{
	const struct cell *c = &h->cells[cell];

	if (c->gone || (s->dedicated && g->vcpus > cpus_in(c, (int)s->threads)))
		return false;
	return page_for(c, g->ram_mib, s->page_kib) >= 0;
}

/* ---- GPUs ---- */

static bool known_cell(const struct host *h, int number)
{
	for (size_t i = 0; i < h->cells_n; i++)
		if (h->cells[i].id == number && !h->cells[i].gone)
			return true;
	return false;
}

static bool near_enough(const struct search *x, const struct gpu *g)
{
	if (x->guest_n == 0 || x->leave_out & FREE_CELLS || x->s->pci == PLACEMENT_PCI_PREFERRED)
		return true;
	if (!known_cell(x->h, g->cell))
		return x->s->pci == PLACEMENT_PCI_LEGACY;
	for (size_t i = 0; i < x->guest_n; i++)
		if (x->h->cells[x->way.cell[i]].id == g->cell)
			return true;
	return false;
}

static bool allowed(const struct search *x, const struct gpu *g)
{
	if (g->owner != NO_OWNER || !g->healthy || g->gone)
		return false;
	if (x->leave_out & FREE_RESERVED)
		return true;
	if (x->s->reservation != 0)
		return g->reserved == x->s->reservation && g->reserved_begun;
	return g->reserved == 0 || (x->s->preemptible && !g->reserved_begun);
}

static const struct placement_profile *profile_of(const struct gpu *g, const char *name)
{
	for (size_t i = 0; g->geometry && i < g->geometry->profiles_n; i++)
		if (strcmp(g->geometry->profiles[i].name, name) == 0)
			return &g->geometry->profiles[i];
	return NULL;
}

static size_t want_of(const struct shape *s, size_t unit)
{
	size_t k = 0;

	while (unit >= (size_t)s->gpus[k].count)
		unit -= (size_t)s->gpus[k++].count;
	return k;
}

/* Does the partition lie beside all that is there and was chosen so far? */
static bool part_lies(const struct search *x, size_t unit, size_t gpu, int start)
{
	const struct gpu *g = &x->h->gpus[gpu];
	const struct placement_profile *p = profile_of(g, x->s->gpus[want_of(x->s, unit)].profile);
	uint32_t used = g->slots_used;

	if (!p || start < 0 || start + p->slots > g->geometry->slots || !(p->starts >> start & 1))
		return false;
	if (g->parts > 0 && g->slots_used == 0)
		return false;
	if (g->geometry->alike && g->parts > 0 && &g->geometry->profiles[g->profile] != p)
		return false;
	for (size_t u = 0; u < unit; u++) {
		const struct placement_profile *o = profile_of(g, x->s->gpus[want_of(x->s, u)].profile);

		if (x->way.gpu[u] != gpu)
			continue;
		if (g->geometry->alike && o != p)
			return false;
		for (int i = 0; i < o->slots; i++)
			used |= UINT32_C(1) << (x->way.start[u] + i);
	}
	for (int i = 0; i < p->slots; i++)
		if (used >> (start + i) & 1)
			return false;
	return true;
}

static bool unit_lies(const struct search *x, size_t unit, size_t gpu, int start)
{
	const struct shape_gpu *w = &x->s->gpus[want_of(x->s, unit)];
	const struct gpu *g = &x->h->gpus[gpu];

	if (!allowed(x, g) || !near_enough(x, g) || (w->models != UINT64_MAX && !(w->models >> g->model & 1)))
		return false;
	if (w->profile[0])
		return part_lies(x, unit, gpu, start);
	for (size_t u = 0; u < unit; u++)
		if (x->way.gpu[u] == gpu)
			return false;
	if (start != -1 || g->geometry || g->slots_used)
		return false;
	if (w->share == PLACEMENT_SHARE)
		return g->share_used == 0 && g->parts == 0;
	return g->shared && g->share_used + w->share <= PLACEMENT_SHARE;
}

uint64_t brute_whole(const struct shape *s, const struct way *w)
{
	uint64_t set = 0;

	for (size_t u = 0; u < w->gpus_n; u++) {
		const struct shape_gpu *want = &s->gpus[want_of(s, u)];

		if (!want->profile[0] && want->share == PLACEMENT_SHARE)
			set |= UINT64_C(1) << w->gpu[u];
	}
	return set;
}

static bool linked(const struct host *h, uint64_t whole)
{
	int n = __builtin_popcountll(whole);
	bool lists_one = false;

	for (size_t i = 0; i < h->links_n; i++) {
		if (h->links[i] == whole)
			return true;
		lists_one |= __builtin_popcountll(h->links[i]) == 1;
	}
	return n == 0 || (n == 1 && !lists_one);
}

static bool groups_whole(const struct host *h, uint64_t whole)
{
	for (size_t i = 0; i < h->gpus_n; i++)
		for (size_t j = 0; j < h->gpus_n; j++)
			if (whole >> i & 1 && !(whole >> j & 1) && !h->gpus[j].gone &&
				h->gpus[i].iommu_group >= 0 &&
				h->gpus[i].iommu_group == h->gpus[j].iommu_group)
				return false;
	return true;
}

static bool end(struct search *x)
{
	uint64_t whole = brute_whole(x->s, &x->way);

	if (x->s->link == PLACEMENT_REQUIRED && !(x->leave_out & FREE_LINK) && !linked(x->h, whole))
		return false;
	if (!(x->leave_out & FREE_GROUP) && !groups_whole(x->h, whole))
		return false;
	return x->seen(x->h, x->s, &x->way, x->arg);
}

/* Units of one want are alike: they are tried in one order alone. */
static bool behind(const struct search *x, size_t unit, size_t gpu, int start)
{
	size_t before = unit - 1;

	if (unit == 0 || want_of(x->s, before) != want_of(x->s, unit))
		return true;
	return gpu > x->way.gpu[before] || (gpu == x->way.gpu[before] && start > x->way.start[before]);
}

static bool try_gpus(struct search *x, size_t unit)
{
	if (unit == (size_t)x->s->gpus_total)
		return end(x);
	for (size_t i = 0; i < x->h->gpus_n; i++)
		for (int start = -1; start < 32; start++) {
			if (!behind(x, unit, i, start) || !unit_lies(x, unit, i, start))
				continue;
			x->way.gpu[unit] = i;
			x->way.start[unit] = start;
			if (try_gpus(x, unit + 1))
				return true;
		}
	return false;
}

static bool try_cells(struct search *x, size_t i)
{
	if (i == x->guest_n)
		return try_gpus(x, 0);
	for (size_t c = 0; c < x->h->cells_n; c++) {
		bool taken = false;

		for (size_t j = 0; j < i; j++)
			taken |= x->way.cell[j] == c;
		x->way.cell[i] = c;
		if (!taken && cell_holds(x->h, x->s, &x->guest[i], c) && try_cells(x, i + 1))
			return true;
	}
	return false;
}

bool brute_search(const struct host *h, const struct shape *s, unsigned leave_out,
	bool (*seen)(const struct host *h, const struct shape *s, const struct way *w, void *arg), void *arg)
{
	struct search x = { .h = h, .s = s, .leave_out = leave_out, .seen = seen, .arg = arg };

	x.guest_n = brute_guest(s, x.guest);
	x.way.gpus_n = (size_t)s->gpus_total;
	return try_cells(&x, 0);
}

static bool found(const struct host *h, const struct shape *s, const struct way *w, void *arg)
{
	(void)h, (void)s, (void)w, (void)arg;
	return true;
}

bool brute_fits(const struct host *h, const struct shape *s, unsigned leave_out)
{
	return brute_search(h, s, leave_out, found, NULL);
}

enum placement_rule brute_rule(const struct host *h, const struct shape *s)
{
	static const struct {
		unsigned leave_out;
		enum placement_rule rule;
	} steps[] = {
		{ FREE_RESERVED | FREE_CELLS | FREE_LINK | FREE_GROUP, RULE_GPU },
		{ FREE_CELLS | FREE_LINK | FREE_GROUP, RULE_RESERVED },
		{ FREE_LINK | FREE_GROUP, RULE_GPU_NUMA },
		{ FREE_GROUP, RULE_GPU_LINK },
		{ 0, RULE_GPU_GROUP },
	};
	bool small = s->page_kib == PAGE_ANY || s->page_kib == PAGE_4K;
	struct shape cells = *s;

	if (!s->dedicated && s->vcpus > 0 && s->vcpus > h->vcpus - h->vcpus_used)
		return RULE_VCPUS;
	if (small && s->ram_mib > 0 && s->ram_mib > h->ram_mib - h->ram_used_mib)
		return RULE_RAM;
	if (s->disk_gib > 0 && s->disk_gib > h->disk_gib - h->disk_used_gib)
		return RULE_DISK;
	cells.gpus_total = cells.gpus_n = 0;
	if (!brute_fits(h, &cells, 0))
		return RULE_NUMA;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (!brute_fits(h, s, steps[i].leave_out))
			return steps[i].rule;
	return RULE_OK;
}

/* ---- a choice ---- */

static size_t gpu_at(const struct host *h, int64_t id)
{
	for (size_t i = 0; i < h->gpus_n; i++)
		if (h->gpus[i].id == id)
			return i;
	fail_msg("no such gpu");
	return 0;
}

static size_t cell_at(const struct host *h, int id)
{
	for (size_t i = 0; i < h->cells_n; i++)
		if (h->cells[i].id == id)
			return i;
	fail_msg("no such cell");
	return 0;
}

static size_t cpu_at(const struct cell *c, int16_t id)
{
	size_t i = 0;

	while (i < c->cpus_n && c->cpus[i].id != id)
		i++;
	assert_true(i < c->cpus_n);
	return i;
}

/* The pins of one guest cell: free, in the cell, each once, and as the policy has it. */
static void assert_pins(const struct cell *c, const struct shape *s, const int16_t *pins, int n)
{
	int partial = 0;

	for (int i = 0; i < n; i++) {
		size_t at = cpu_at(c, pins[i]);
		int threads, free, before = 0, mine = 1;

		assert_true(cpu_free(&c->cpus[at]));
		core_of(c, at, &threads, &free);
		for (int j = 0; j < n; j++) {
			bool same = c->cpus[cpu_at(c, pins[j])].core == c->cpus[at].core;

			assert_true(i == j || pins[i] != pins[j]);
			mine += i != j && same;
			before += j < i && same;
		}
		if (s->threads != PLACEMENT_THREADS_PREFER)
			assert_int_equal(free, threads);
		if (s->threads == PLACEMENT_THREADS_ISOLATE)
			assert_int_equal(mine, 1);
		if (s->threads == PLACEMENT_THREADS_REQUIRE)
			assert_true(threads >= 2);
		partial += before == 0 && mine < threads;
	}
	if (s->threads == PLACEMENT_THREADS_REQUIRE)
		assert_true(partial <= 1);
}

void brute_assert_valid(const struct host *h, const struct shape *s, const struct placement_choice *c)
{
	struct search x = { .h = h, .s = s };
	size_t pins = 0;

	x.guest_n = brute_guest(s, x.guest);
	x.way.gpus_n = c->gpus_n;
	assert_int_equal(c->cells_n, x.guest_n);
	assert_int_equal(c->gpus_n, s->gpus_total);
	assert_int_equal(c->cpus_isolated, s->dedicated && s->threads == PLACEMENT_THREADS_ISOLATE);
	for (size_t i = 0; i < x.guest_n; i++) {
		size_t cell = x.way.cell[i] = cell_at(h, c->cells[i].cell);

		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(x.way.cell[i], x.way.cell[j]);
		assert_true(cell_holds(h, s, &x.guest[i], cell));
		assert_int_equal(c->cells[i].vcpus, x.guest[i].vcpus);
		assert_int_equal(c->cells[i].ram_mib, x.guest[i].ram_mib);
		assert_int_equal(
			c->cells[i].page_kib, page_for(&h->cells[cell], x.guest[i].ram_mib, s->page_kib));
		if (s->dedicated)
			assert_pins(&h->cells[cell], s, c->cpus + pins, x.guest[i].vcpus);
		pins += s->dedicated ? (size_t)x.guest[i].vcpus : 0;
	}
	assert_int_equal(c->cpus_n, pins);
	for (size_t u = 0; u < c->gpus_n; u++) {
		const struct placement_gpu_choice *g = &c->gpus[u];
		const struct shape_gpu *w = &s->gpus[want_of(s, u)];
		size_t i = gpu_at(h, g->id);
		int8_t guest_cell = -1;

		assert_true(unit_lies(&x, u, i, g->start));
		assert_string_equal(g->profile, w->profile);
		assert_int_equal(
			g->share, w->profile[0] ? profile_of(&h->gpus[i], w->profile)->share : w->share);
		for (size_t n = 0; n < c->cells_n; n++)
			if (c->cells[n].cell == h->gpus[i].cell)
				guest_cell = (int8_t)n;
		assert_int_equal(g->guest_cell, guest_cell);
		x.way.gpu[u] = i;
		x.way.start[u] = g->start;
	}
	if (s->link == PLACEMENT_REQUIRED)
		assert_true(linked(h, brute_whole(s, &x.way)));
	assert_true(groups_whole(h, brute_whole(s, &x.way)));
}
