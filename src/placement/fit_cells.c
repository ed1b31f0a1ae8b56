/* SPDX-License-Identifier: Apache-2.0 */
/* A server's NUMA cells in those of a host. Every one of them takes a cell of its own, so a cell of the host
 * fits or does not whatever the others get: all is matching in a bipartite graph. */
#include <stdlib.h>
#include <string.h>

#include "placement/fit_local.h"

enum { PAGES_2M, PAGES_1G };

static int64_t pages_free(const struct cell *c, int kind)
{
	int64_t n = c->pages[kind] - c->pages_used[kind];

	return n > 0 ? n : 0;
}

static int64_t small_free(const struct cell *c)
{
	return c->ram_mib > c->ram_used_mib ? c->ram_mib - c->ram_used_mib : 0;
}

/* The size of the pages that the memory would be in; -1: the cell has not enough of them. Large ones are the
 * largest that are not wasted. */
static int cell_page(const struct cell *c, int page_kib, int64_t ram_mib)
{
	bool gib = page_kib == PAGE_1G || (page_kib == PAGE_LARGE && ram_mib % 1024 == 0);

	if (pages_small(page_kib))
		return ram_mib <= small_free(c) ? PAGE_4K : -1;
	if (gib && pages_of(ram_mib, PAGE_1G) <= pages_free(c, PAGES_1G))
		return PAGE_1G;
	if (page_kib != PAGE_1G && pages_of(ram_mib, PAGE_2M) <= pages_free(c, PAGES_2M))
		return PAGE_2M;
	return -1;
}

/* Memory of a cell in pages of the kind wanted, in MiB. */
static int64_t cell_memory(const struct cell *c, int page_kib)
{
	int64_t mib = 0;

	if (pages_small(page_kib))
		return small_free(c);
	if (page_kib != PAGE_1G)
		mib += pages_free(c, PAGES_2M) * 2;
	if (page_kib != PAGE_2M)
		mib += pages_free(c, PAGES_1G) * 1024;
	return mib;
}

static size_t cells_count(const struct host *h)
{
	return h->cells_n < HOST_CELLS_MAX ? h->cells_n : HOST_CELLS_MAX;
}

static void guest_init(struct guest *g, const struct shape *s)
{
	g->n = (size_t)s->cells_n;
	memset(g->fits, 0, sizeof g->fits);
	if (g->n)
		memcpy(g->cells, s->cells, g->n * sizeof *g->cells);
	else if (s->dedicated || !pages_small(s->page_kib))
		g->cells[g->n++] = (struct placement_guest_cell) { (int)s->vcpus, s->ram_mib };
}

static bool cell_fits(const struct cell *c, const struct shape *s, const struct placement_guest_cell *guest)
{
	return !c->gone && (!s->dedicated || guest->vcpus <= cpus_free(c, s->threads)) &&
	       cell_page(c, s->page_kib, guest->ram_mib) >= 0;
}

/* Finds a place for i, moving others if need be; `at` says who is where: -1 nobody. */
static bool seat(const uint32_t *options, size_t i, int8_t *at, uint32_t *tried)
{
	for (uint32_t left = options[i]; left &= ~*tried; left &= left - 1) {
		int place = __builtin_ctz(left);

		*tried |= UINT32_C(1) << place;
		if (at[place] < 0 || seat(options, (size_t)at[place], at, tried)) {
			at[place] = (int8_t)i;
			return true;
		}
	}
	return false;
}

/* Can each of n have one of its options for itself? */
static bool matches(const uint32_t *options, size_t n)
{
	int8_t at[HOST_CELLS_MAX];

	memset(at, -1, sizeof at);
	for (size_t i = 0; i < n; i++) {
		uint32_t tried = 0;

		if (!seat(options, i, at, &tried))
			return false;
	}
	return true;
}

static bool guest_fits_in(const struct guest *g, uint32_t cells)
{
	uint32_t options[PLACEMENT_GUEST_CELLS_MAX];

	for (size_t i = 0; i < g->n; i++)
		options[i] = g->fits[i] & cells;
	return matches(options, g->n);
}

bool guest_covers(const struct guest *g, uint32_t cells)
{
	uint32_t options[PLACEMENT_GUEST_CELLS_MAX] = { 0 };
	size_t n = 0;

	for (; cells; cells &= cells - 1, n++) {
		if (n == g->n)
			return false;
		for (size_t i = 0; i < g->n; i++)
			options[n] |= (g->fits[i] >> __builtin_ctz(cells) & 1) << i;
	}
	return matches(options, n);
}

/* Refused by sums of all cells? */
static enum placement_rule check_sums(
	const struct host *h, const struct shape *s, int64_t *want, int64_t *have)
{
	int64_t cpus = 0, mib = 0;

	for (size_t i = 0; i < cells_count(h); i++)
		if (!h->cells[i].gone) {
			cpus += cpus_free(&h->cells[i], s->threads);
			mib += cell_memory(&h->cells[i], s->page_kib);
		}
	*want = s->vcpus;
	*have = cpus < PLACEMENT_PINS_MAX ? cpus : PLACEMENT_PINS_MAX;
	if (s->dedicated && *have < *want)
		return RULE_CPUS;
	*want = s->ram_mib;
	*have = mib;
	return !pages_small(s->page_kib) && *have < *want ? RULE_PAGES : RULE_OK;
}

enum placement_rule guest_check(
	const struct host *h, const struct shape *s, struct guest *g, int64_t *want, int64_t *have)
{
	enum placement_rule rule;

	guest_init(g, s);
	if (!g->n)
		return RULE_OK;
	rule = check_sums(h, s, want, have);
	if (rule != RULE_OK)
		return rule;
	for (size_t i = 0; i < g->n; i++)
		for (size_t c = 0; c < cells_count(h); c++)
			g->fits[i] |= (uint32_t)cell_fits(&h->cells[c], s, &g->cells[i]) << c;
	*want = *have = 0;
	return matches(g->fits, g->n) ? RULE_OK : RULE_NUMA;
}

/* How much a cell is to be kept for others: free GPUs first, as they are idle without CPUs and memory beside
 * them, then what it has most of. */
struct keep {
	int gpus, cpus;
	int64_t mib;
	size_t cell;
};

static int by_keep(const void *a, const void *b)
{
	const struct keep *x = a, *y = b;

	if (x->gpus != y->gpus)
		return y->gpus - x->gpus;
	if (x->cpus != y->cpus)
		return y->cpus - x->cpus;
	if (x->mib != y->mib)
		return x->mib < y->mib ? 1 : -1;
	return y->cell > x->cell ? 1 : -1;
}

static size_t keep_order(const struct host *h, const struct shape *s, struct keep *out)
{
	size_t n = cells_count(h);

	for (size_t i = 0; i < n; i++) {
		const struct cell *c = &h->cells[i];

		out[i] = (struct keep) { .cell = i,
			.cpus = s->dedicated ? cpus_free(c, s->threads) : 0,
			.mib = cell_memory(c, s->page_kib) };
		for (size_t k = 0; k < h->gpus_n; k++)
			out[i].gpus += gpu_free(&h->gpus[k]) && h->gpus[k].cell == c->id;
	}
	qsort(out, n, sizeof *out, by_keep);
	return n;
}

/* The cells that the server will be in: as many as it has. */
static uint32_t narrow_cells(
	const struct host *h, const struct shape *s, const struct guest *g, uint32_t near)
{
	struct keep order[HOST_CELLS_MAX];
	size_t n = keep_order(h, s, order);
	uint32_t cells = UINT32_MAX;

	for (size_t i = n; i < HOST_CELLS_MAX; i++)
		cells &= ~(UINT32_C(1) << i);
	for (size_t i = 0; i < n; i++) {
		uint32_t without = cells & ~(UINT32_C(1) << order[i].cell);

		if (!(near >> order[i].cell & 1) && guest_fits_in(g, without))
			cells = without;
	}
	return cells;
}

/* The first of the cells that leaves the other guest cells theirs. */
static size_t settle(struct guest *g, size_t i, uint32_t cells)
{
	uint32_t fits = g->fits[i];

	for (; fits & cells; fits &= fits - 1) {
		if (!(fits & -fits & cells))
			continue;
		g->fits[i] = fits & -fits;
		if (guest_fits_in(g, cells))
			break;
	}
	return (size_t)__builtin_ctz(g->fits[i]);
}

void guest_pick(const struct host *h, const struct shape *s, const struct guest *guest, uint32_t near,
	struct placement_choice *out)
{
	struct guest g = *guest;
	uint32_t cells = narrow_cells(h, s, &g, near);

	out->cells_n = g.n;
	for (size_t i = 0; i < g.n; i++) {
		const struct cell *c = &h->cells[settle(&g, i, cells)];

		out->cells[i] = (struct placement_cell_choice) { c->id, g.cells[i].vcpus, g.cells[i].ram_mib,
			cell_page(c, s->page_kib, g.cells[i].ram_mib) };
		if (!s->dedicated)
			continue;
		cpus_pick(c, s->threads, g.cells[i].vcpus, out->cpus + out->cpus_n);
		out->cpus_n += (size_t)g.cells[i].vcpus;
	}
	out->cpus_isolated = s->dedicated && s->threads == PLACEMENT_THREADS_ISOLATE;
}
