/* SPDX-License-Identifier: Apache-2.0 */
/* What one small random host says to a random request, held against a search of every way: it fits exactly
 * where there is one, the rule that refuses is the first that leaves none, and what is chosen is one of them.
 */
#include "placement_brute.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

enum { GPUS = 6, GPUS_ALIGNED = 8, CELLS = 4, CPUS = 8, LINKS = 16, CASES = 20000 };

static uint64_t seed;

static int rnd(int below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)((seed >> 33) % (uint64_t)below);
}

static bool chance(int percent)
{
	return rnd(100) < percent;
}

static const struct placement_profile mig[] = {
	{ .name = "1g", .starts = 0x7f, .slots = 1, .share = 142 },
	{ .name = "1g.2m", .starts = 0x55, .slots = 2, .share = 142 },
	{ .name = "2g", .starts = 0x15, .slots = 2, .share = 285 },
	{ .name = "3g", .starts = 0x11, .slots = 4, .share = 428 },
	{ .name = "4g", .starts = 0x01, .slots = 4, .share = 571 },
	{ .name = "7g", .starts = 0x01, .slots = 8, .share = 1000 },
};
static const struct placement_profile odd[] = {
	{ .name = "1g", .starts = 0x1f, .slots = 1, .share = 200 },
	{ .name = "2g", .starts = 0x0b, .slots = 2, .share = 400 },
	{ .name = "3g", .starts = 0x07, .slots = 3, .share = 600 },
};
static const struct placement_profile types[] = {
	{ .name = "1g", .starts = 0x0f, .slots = 1, .share = 250 },
	{ .name = "2g", .starts = 0x05, .slots = 2, .share = 500 },
	{ .name = "4g", .starts = 0x01, .slots = 4, .share = 1000 },
};
static const struct placement_geometry geometries[] = {
	{ .slots = 8, .profiles = mig, .profiles_n = 6 },
	{ .slots = 5, .profiles = odd, .profiles_n = 3 },
	{ .slots = 4, .alike = true, .profiles = types, .profiles_n = 3 },
};

struct random_host {
	struct host h;
	struct gpu gpus[GPUS_ALIGNED];
	struct cell cells[CELLS];
	struct cpu cpus[CELLS][CPUS];
	uint64_t links[LINKS];
};

static void cut(struct gpu *g)
{
	g->geometry = &geometries[rnd(3)];
	for (int tries = rnd(4); tries > 0; tries--) {
		int at = rnd((int)g->geometry->profiles_n), start = rnd(g->geometry->slots);
		const struct placement_profile *p = &g->geometry->profiles[at];
		uint32_t slots = ((UINT32_C(1) << p->slots) - 1) << start;

		if (!(p->starts >> start & 1) || start + p->slots > g->geometry->slots ||
			slots & g->slots_used || (g->geometry->alike && g->parts && g->profile != at))
			continue;
		g->slots_used |= slots;
		g->parts++;
		g->profile = (int16_t)at;
	}
}

static void add_gpus(struct random_host *r)
{
	int free = 70 + rnd(40), cuts = rnd(3) * 40, groups = rnd(4), models = 1 + rnd(2),
	    blocks = rnd(2) * 30;

	r->h.gpus = r->gpus;
	r->h.gpus_n = (size_t)(rnd(3) ? GPUS : rnd(GPUS));
	r->h.gpus_there = r->h.gpus_n;
	for (size_t i = 0; i < r->h.gpus_n; i++) {
		struct gpu *g = &r->gpus[i];

		*g = (struct gpu) { .id = 100 + (int64_t)i, .model = (uint32_t)rnd(models), .profile = -1 };
		g->cell = chance(10) ? -1 : chance(5) ? 77 : rnd(CELLS);
		g->iommu_group = groups == 0   ? -1
				 : groups == 1 ? 64 * (int)i
				 : groups == 2 ? (int)i / 2
					       : rnd(4);
		g->healthy = chance(95);
		g->gone = chance(3);
		g->owner = chance(free) ? NO_OWNER : 1 + rnd(5);
		g->reserved = chance(blocks) ? 5 + rnd(2) : 0;
		g->reserved_begun = g->reserved && chance(50);
		if (chance(cuts)) {
			cut(g);
		} else if (chance(30)) {
			g->shared = true;
			g->parts = (int16_t)rnd(3);
			g->share_used = (int16_t)(g->parts * 100 * (1 + rnd(5)));
		}
	}
}

static void add_links(struct random_host *r)
{
	int kind = rnd(3), n = (int)r->h.gpus_n;

	r->h.links = r->links;
	if (kind == 0)
		return;
	if (kind == 1) {
		for (int i = rnd(LINKS); i > 0; i--)
			r->links[r->h.links_n++] = (uint64_t)rnd(1 << n);
		return;
	}
	for (int size = 4; size > 0; size /= 2)
		for (int i = 0; i + size <= n; i += size)
			r->links[r->h.links_n++] = ((UINT64_C(1) << size) - 1) << i;
}

static void add_cells(struct random_host *r)
{
	int free = 70 + rnd(40), threads = 1 + rnd(3);

	r->h.cells = r->cells;
	r->h.cells_n = (size_t)(rnd(4) ? CELLS : rnd(CELLS));
	for (size_t i = 0; i < r->h.cells_n; i++) {
		struct cell *c = &r->cells[i];

		*c = (struct cell) { .id = (int)i, .gone = chance(3), .ram_mib = (2 + rnd(6)) * 1024 };
		c->ram_used_mib = rnd(3) * 700;
		c->pages[0] = 500 + rnd(2000);
		c->pages_used[0] = rnd(500);
		c->pages[1] = 1 + rnd(4);
		c->pages_used[1] = rnd(2);
		c->cpus = r->cpus[i];
		c->cpus_n = (size_t)(rnd(3) ? CPUS : rnd(CPUS));
		for (size_t k = 0; k < c->cpus_n; k++)
			c->cpus[k] = (struct cpu) { .id = (int16_t)(i * 100 + k),
				.core = (int16_t)(i * 10 + k / (size_t)threads),
				.gone = chance(3),
				.owner = chance(free) ? NO_OWNER : 1 + rnd(3) };
	}
}

static void random_host(struct random_host *r)
{
	memset(r, 0, sizeof *r);
	r->h.id = 1;
	r->h.vcpus = 10 + rnd(60);
	r->h.vcpus_used = rnd(20);
	r->h.ram_mib = 4000 + rnd(16384);
	r->h.ram_used_mib = rnd(5000);
	r->h.disk_gib = 100;
	r->h.disk_used_gib = rnd(75);
	add_gpus(r);
	add_links(r);
	add_cells(r);
	fit_refresh(&r->h);
}

static void random_gpus(struct shape *s)
{
	static const char *const names[] = { "1g", "1g.2m", "2g", "3g", "4g", "7g" };
	int kinds = 1 + rnd(3), left = 1 + rnd(4);

	for (int k = 0; k < kinds && left > 0; k++) {
		struct shape_gpu *w = &s->gpus[s->gpus_n++];

		w->count = 1 + rnd(left);
		w->models = chance(70) ? UINT64_MAX : (uint64_t)(1 + rnd(7));
		w->share = PLACEMENT_SHARE;
		if (chance(25))
			strcpy(w->profile, names[rnd(6)]);
		else if (chance(20))
			w->share = 100 * (1 + rnd(9));
		left -= w->count;
		s->gpus_total += w->count;
	}
}

static void random_shape(struct shape *s)
{
	static const int pages[] = { PAGE_ANY, PAGE_ANY, PAGE_4K, PAGE_2M, PAGE_1G, PAGE_LARGE };

	memset(s, 0, sizeof *s);
	s->disk_gib = rnd(30);
	s->cells_n = chance(60) ? 0 : 1 + rnd(3);
	for (int i = 0; i < s->cells_n; i++)
		s->cells[i] = (struct placement_guest_cell) { 1 + rnd(4), 256 * (1 + rnd(6)) };
	for (int i = 0; i < s->cells_n; i++) {
		s->vcpus += s->cells[i].vcpus;
		s->ram_mib += s->cells[i].ram_mib;
	}
	if (!s->cells_n) {
		s->vcpus = 1 + rnd(5);
		s->ram_mib = 256 * (1 + rnd(8));
	}
	s->dedicated = chance(40);
	s->threads = rnd(3);
	s->page_kib = pages[rnd(6)];
	s->link = rnd(4) % 3;
	s->pci = rnd(4);
	s->preemptible = chance(30);
	s->reservation = chance(10) ? 5 : 0;
	if (chance(80))
		random_gpus(s);
}

static bool cells_refuse(enum placement_rule rule)
{
	return rule == RULE_CPUS || rule == RULE_PAGES || rule == RULE_NUMA;
}

static void test_against_search(void **state)
{
	struct random_host r;
	struct shape s;
	struct placement_choice c, again;
	int ok = 0, refused[RULE_MAX] = { 0 };

	(void)state;
	for (int i = 0; i < CASES; i++) {
		enum placement_rule is, should;

		seed = (uint64_t)i * 977 + 1;
		random_host(&r);
		random_shape(&s);
		is = fit_check(&r.h, &s, NULL, NULL);
		should = brute_rule(&r.h, &s);
		if (cells_refuse(is) ? should != RULE_NUMA : is != should)
			fail_msg("case %d: says %s, is %s", i, placement_rule_name(is),
				placement_rule_name(should));
		refused[is]++;
		if (is != RULE_OK)
			continue;
		ok++;
		memset(&c, 0xaa, sizeof c);
		memset(&again, 0x55, sizeof again);
		fit_pick(&r.h, &s, &c);
		fit_pick(&r.h, &s, &again);
		brute_assert_valid(&r.h, &s, &c);
		assert_int_equal(c.gpus_n, again.gpus_n);
		for (size_t k = 0; k < c.gpus_n; k++)
			assert_true(
				c.gpus[k].id == again.gpus[k].id && c.gpus[k].start == again.gpus[k].start);
	}
	/* The cases are worth something: none of the rules is rare. */
	for (int rule = RULE_VCPUS; rule < RULE_MAX; rule++)
		assert_true(refused[rule] >= CASES / 500);
	assert_true(ok >= CASES / 10);
}

/* ---- how good the choice is ---- */

/* Of a choice of whole GPUs; compared in this order. */
struct merit {
	int linked, near;            /* as wished, where it is not required */
	int cells;                   /* less is better: negative */
	int links[GPUS_ALIGNED + 1]; /* free partitions that stay, the largest first */
};

static struct merit merit_of(
	const struct host *h, const struct shape *s, uint64_t whole, const int *cells, size_t cells_n)
{
	struct merit m = { 0 };
	uint64_t seen = 0;

	m.near = 1;
	for (size_t i = 0; i < h->gpus_n; i++) {
		bool in = false;

		if (!(whole >> i & 1))
			continue;
		for (size_t c = 0; c < cells_n; c++)
			in |= cells[c] == h->gpus[i].cell;
		m.near &= in || cells_n == 0;
		m.cells -= !(seen >> h->gpus[i].cell & 1);
		seen |= UINT64_C(1) << h->gpus[i].cell;
	}
	for (size_t i = 0; i < h->links_n; i++) {
		bool stays = true;

		m.linked |= s->link == PLACEMENT_PREFERRED && h->links[i] == whole;
		for (size_t g = 0; g < h->gpus_n; g++)
			if (h->links[i] >> g & 1)
				stays &= gpu_free(&h->gpus[g]) && !(whole >> g & 1);
		m.links[GPUS_ALIGNED - __builtin_popcountll(h->links[i])] += stays;
	}
	return m;
}

static int compare(const struct merit *a, const struct merit *b)
{
	const int *x = (const int *)a, *y = (const int *)b;

	for (size_t i = 0; i < sizeof *a / sizeof *x; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

static bool see_merit(const struct host *h, const struct shape *s, const struct way *w, void *arg)
{
	struct placement_guest_cell guest[PLACEMENT_GUEST_CELLS_MAX];
	size_t n = brute_guest(s, guest);
	int cells[PLACEMENT_GUEST_CELLS_MAX];
	struct merit m, *best = arg;

	for (size_t i = 0; i < n; i++)
		cells[i] = h->cells[w->cell[i]].id;
	m = merit_of(h, s, brute_whole(s, w), cells, n);
	if (compare(&m, best) > 0)
		*best = m;
	return false;
}

/* A host as they are built: partitions of 1, 2, 4, 8 GPUs within and over cells. */
static void aligned_host(struct random_host *r)
{
	int cells = 1 << rnd(3), free = 20 + rnd(90);

	memset(r, 0, sizeof *r);
	r->h = (struct host) { .id = 1, .vcpus = 64, .ram_mib = 65536, .disk_gib = 100 };
	r->h.gpus = r->gpus;
	r->h.gpus_n = r->h.gpus_there = GPUS_ALIGNED;
	r->h.links = r->links;
	for (int i = 0; i < GPUS_ALIGNED; i++)
		r->gpus[i] = (struct gpu) { .id = i + 1,
			.cell = i * cells / GPUS_ALIGNED,
			.iommu_group = i + 1,
			.healthy = true,
			.profile = -1,
			.owner = chance(free) ? NO_OWNER : 1 };
	for (int size = chance(80) ? GPUS_ALIGNED : 2; size > 0; size /= 2)
		for (int i = 0; i < GPUS_ALIGNED; i += size)
			r->links[r->h.links_n++] = ((UINT64_C(1) << size) - 1) << i;
	r->h.cells = r->cells;
	r->h.cells_n = (size_t)cells;
	for (int i = 0; i < cells; i++) {
		r->cells[i] = (struct cell) { .id = i, .ram_mib = 16384, .cpus = r->cpus[i], .cpus_n = CPUS };
		for (int k = 0; k < CPUS; k++)
			r->cpus[i][k] = (struct cpu) { .id = (int16_t)(i * CPUS + k),
				.core = (int16_t)(i * CPUS + k / 2),
				.owner = chance(90) ? NO_OWNER : 1 };
	}
	fit_refresh(&r->h);
}

static void test_best_choice(void **state)
{
	struct random_host r;
	struct placement_choice c;
	int seen = 0;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct shape s = { .vcpus = 4, .ram_mib = 1024, .gpus_n = 1, .link = PLACEMENT_PREFERRED };
		struct merit best = { .cells = -1000 }, got;
		uint64_t whole = 0;
		int cells[PLACEMENT_GUEST_CELLS_MAX];

		seed = (uint64_t)i * 991 + 7;
		aligned_host(&r);
		s.gpus_total = 1 + rnd(chance(50) ? 3 : GPUS_ALIGNED);
		s.gpus[0] =
			(struct shape_gpu) { .models = 1, .count = s.gpus_total, .share = PLACEMENT_SHARE };
		s.link = chance(50) ? PLACEMENT_WHATEVER : PLACEMENT_PREFERRED;
		s.dedicated = chance(40);
		s.pci = chance(50) ? PLACEMENT_PCI_PREFERRED : PLACEMENT_PCI_LEGACY;
		if (fit_check(&r.h, &s, NULL, NULL) != RULE_OK)
			continue;
		seen++;
		fit_pick(&r.h, &s, &c);
		for (size_t k = 0; k < c.gpus_n; k++)
			whole |= UINT64_C(1) << (c.gpus[k].id - 1);
		for (size_t k = 0; k < c.cells_n; k++)
			cells[k] = c.cells[k].cell;
		got = merit_of(&r.h, &s, whole, cells, c.cells_n);
		brute_search(&r.h, &s, 0, see_merit, &best);
		if (compare(&got, &best) != 0)
			fail_msg("case %d: %d GPUs, %#llx is not the best", i, s.gpus_total,
				(unsigned long long)whole);
	}
	assert_true(seen > 1500);
}

/* ---- partitions ---- */

enum { CUT_GPUS = 8, FILLS = 200 };

/* Profiles that fill GPUs so that nothing more fits, in any order. */
static size_t random_fill(int *profiles)
{
	size_t n = 0;

	for (int g = 0; g < CUT_GPUS; g++)
		for (uint32_t used = 0, tries = 0; tries < 60; tries++) {
			int at = rnd(6), start = rnd(8);
			uint32_t slots = ((UINT32_C(1) << mig[at].slots) - 1) << start;

			if (!(mig[at].starts >> start & 1) || used & slots)
				continue;
			used |= slots;
			profiles[n++] = at;
		}
	for (size_t i = n - 1; i > 0; i--) {
		size_t j = (size_t)rnd((int)i + 1);
		int of = profiles[i];

		profiles[i] = profiles[j];
		profiles[j] = of;
	}
	return n;
}

/* One by one, not knowing what is to come: how many of them find no place? */
static size_t fill(const int *profiles, size_t n)
{
	struct gpu gpus[CUT_GPUS];
	struct host h = { .vcpus = 1000, .gpus = gpus, .gpus_n = CUT_GPUS, .gpus_there = CUT_GPUS };
	struct placement_choice c;
	size_t refused = 0;

	for (int i = 0; i < CUT_GPUS; i++)
		gpus[i] = (struct gpu) {
			.id = i, .iommu_group = -1, .healthy = true, .profile = -1, .geometry = &geometries[0]
		};
	fit_refresh(&h);
	for (size_t i = 0; i < n; i++) {
		const struct placement_profile *p = &mig[profiles[i]];
		struct shape s = { .vcpus = 1, .gpus_n = 1, .gpus_total = 1 };

		s.gpus[0] = (struct shape_gpu) { .models = UINT64_MAX, .count = 1, .share = PLACEMENT_SHARE };
		strcpy(s.gpus[0].profile, p->name);
		if (fit_check(&h, &s, NULL, NULL) != RULE_OK) {
			refused++;
			continue;
		}
		fit_pick(&h, &s, &c);
		gpus[c.gpus[0].id].slots_used |= ((UINT32_C(1) << p->slots) - 1) << c.gpus[0].start;
		gpus[c.gpus[0].id].parts++;
	}
	return refused;
}

static void test_partitions_fill(void **state)
{
	int profiles[CUT_GPUS * 8];
	size_t all = 0, refused = 0;

	(void)state;
	seed = 1;
	for (int i = 0; i < FILLS; i++) {
		size_t n = random_fill(profiles);

		all += n;
		refused += fill(profiles, n);
	}
	/* What would fill all, come one by one: at most one in two hundred is lost. */
	assert_true(refused * 200 <= all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_search),
		cmocka_unit_test(test_best_choice),
		cmocka_unit_test(test_partitions_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
