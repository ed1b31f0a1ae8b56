/* SPDX-License-Identifier: Apache-2.0 */
/* Clusters that are cut into servers which fill them exactly: the best answer, all of them placed, is known
 * by construction. They come one by one, in a random order or the largest first, and in each of many turns
 * half of them leave and come again. NUMA cells, partitions of an interconnect, partitions of GPUs, and gangs
 * within racks. */
#include "quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { HOSTS = 24, PIECES = HOSTS * 64, RACK = 8, KINDS = 16, TURNS = 20 };

struct piece {
	int kind;  /* of the generator's requests */
	int units; /* of what the host has: GPUs, or slots */
	int count; /* servers: a gang */
	uint64_t key;
	int64_t id; /* of its first server */
	bool there;
};

struct cut {
	struct piece of[PIECES];
	size_t n;
	int units; /* all */
};

struct generator {
	const char *name;
	void (*host)(struct placement_host *h); /* as it is; fills what is not the same for all */
	void (*cut)(struct cut *c, uint64_t *rng);
	struct placement_request (*request)(int kind);
	int kinds;
};

static void put(struct cut *c, int kind, int units, int count)
{
	c->of[c->n++] = (struct piece) { .kind = kind, .units = units, .count = count };
	c->units += units * count;
}

static struct placement_request gpus_wanted(int n)
{
	struct placement_request r = { .vcpus = 8 * n, .ram_mib = INT64_C(65536) * n, .gpus_n = 1 };

	r.gpus[0].count = n;
	return r;
}

/* ---- NUMA: two cells of four GPUs and 32 CPUs ---- */

static void numa_host(struct placement_host *h)
{
	static struct placement_cpu cpus[2][32];
	static struct placement_cell cells[2];

	for (int c = 0; c < 2; c++) {
		cells[c] =
			(struct placement_cell) { .id = c, .ram_mib = 262144, .cpus = cpus[c], .cpus_n = 32 };
		for (int i = 0; i < 32; i++)
			cpus[c][i] = (struct placement_cpu) { (int16_t)(32 * c + i), (int16_t)(32 * c + i) };
	}
	h->cells = cells;
	h->cells_n = 2;
}

static void numa_cut(struct cut *c, uint64_t *rng)
{
	if (rng_below(rng, 4) == 0) {
		put(c, 3, 8, 1);
		return;
	}
	for (int cell = 0; cell < 2; cell++)
		for (int left = 4, kind; left; left -= 1 << kind) {
			kind = (int)rng_below(rng, 3);
			while (1 << kind > left)
				kind--;
			put(c, kind, 1 << kind, 1);
		}
}

static struct placement_request numa_request(int kind)
{
	struct placement_request r = gpus_wanted(1 << kind);

	r.dedicated = true;
	r.pci = PLACEMENT_PCI_REQUIRED;
	r.cells_n = kind == 3 ? 2 : 1;
	for (size_t i = 0; i < r.cells_n; i++)
		r.cells[i] = (struct placement_guest_cell) { (int)r.vcpus / (int)r.cells_n,
			r.ram_mib / (int64_t)r.cells_n };
	return r;
}

/* ---- interconnect: one, two, four or eight GPUs of a switch ---- */

static void link_host(struct placement_host *h)
{
	static const uint64_t links[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x03, 0x0c, 0x30,
		0xc0, 0x0f, 0xf0, 0xff };

	h->links = links;
	h->links_n = ARRAY_LEN(links);
}

static void link_split(struct cut *c, uint64_t *rng, int kind)
{
	if (!kind || rng_below(rng, 3) == 0) {
		put(c, kind, 1 << kind, 1);
		return;
	}
	link_split(c, rng, kind - 1);
	link_split(c, rng, kind - 1);
}

static void link_cut(struct cut *c, uint64_t *rng)
{
	link_split(c, rng, 3);
}

static struct placement_request link_request(int kind)
{
	struct placement_request r = gpus_wanted(1 << kind);

	r.link = PLACEMENT_REQUIRED;
	return r;
}

/* ---- partitions of GPUs ---- */

static const struct placement_profile profiles[] = {
	{ "1g", 0x7f, 1, 142 },
	{ "2g", 0x15, 2, 285 },
	{ "3g", 0x11, 4, 428 },
	{ "4g", 0x01, 4, 571 },
	{ "7g", 0x01, 8, 1000 },
};
static const struct placement_geometry geometry = { 8, false, profiles, ARRAY_LEN(profiles) };

static void part_host(struct placement_host *h)
{
	struct placement_gpu *gpus = (struct placement_gpu *)h->gpus;

	for (size_t i = 0; i < h->gpus_n; i++)
		gpus[i].geometry = &geometry;
}

static void part_cut(struct cut *c, uint64_t *rng)
{
	/* numbers of 1g, 2g, 3g, 4g, 7g that fill a GPU */
	static const int fills[][5] = { { 0, 0, 0, 0, 1 }, { 0, 0, 1, 1, 0 }, { 0, 0, 2, 0, 0 },
		{ 1, 1, 0, 1, 0 }, { 3, 0, 0, 1, 0 }, { 0, 2, 1, 0, 0 }, { 2, 1, 1, 0, 0 }, { 4, 0, 1, 0, 0 },
		{ 1, 3, 0, 0, 0 }, { 3, 2, 0, 0, 0 }, { 7, 0, 0, 0, 0 } };

	for (int gpu = 0; gpu < 8; gpu++) {
		const int *fill = fills[rng_below(rng, ARRAY_LEN(fills))];

		for (int k = 0; k < 5; k++)
			for (int i = 0; i < fill[k]; i++)
				put(c, k, profiles[k].share, 1);
	}
}

static struct placement_request part_request(int kind)
{
	struct placement_request r = { .vcpus = 1, .ram_mib = 1024, .gpus_n = 1 };

	r.gpus[0].count = 1;
	str_copy(r.gpus[0].profile, sizeof r.gpus[0].profile, profiles[kind].name);
	return r;
}

/* ---- gangs within a rack ---- */

static void gang_host(struct placement_host *h)
{
	snprintf(h->rack, sizeof h->rack, "r%d", (int)(h->id - 1) / RACK);
}

/* Each rack is cut with its first host. */
static void gang_cut(struct cut *c, uint64_t *rng)
{
	static int host;

	if (host++ % RACK)
		return;
	for (int left = RACK, kind; left; left -= 1 << kind) {
		kind = (int)rng_below(rng, 4);
		while (1 << kind > left)
			kind--;
		put(c, kind, 8, 1 << kind);
	}
}

static struct placement_request gang_request(int kind)
{
	struct placement_request r = gpus_wanted(8);

	(void)kind;
	r.scope = PLACEMENT_ONE_RACK;
	r.scope_required = true;
	return r;
}

static const struct generator generators[] = {
	{ "numa", numa_host, numa_cut, numa_request, 4 },
	{ "interconnect", link_host, link_cut, link_request, 4 },
	{ "partitions", part_host, part_cut, part_request, 5 },
	{ "gangs", gang_host, gang_cut, gang_request, 4 },
};

/* ---- a round ---- */

static void add_host(struct placement *p, const struct generator *g, int64_t id)
{
	struct placement_gpu gpus[8];
	struct placement_host h = { .id = id,
		.vcpus = 64,
		.ram_mib = 524288,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = ARRAY_LEN(gpus) };

	for (int i = 0; i < 8; i++) {
		gpus[i] = (struct placement_gpu) {
			.id = id * 64 + i, .numa_cell = i / 4, .iommu_group = -1, .healthy = true
		};
		str_copy(gpus[i].model, sizeof gpus[i].model, "h100");
	}
	g->host(&h);
	placement_host_set(p, &h);
}

static void expect(struct placement *p, const struct generator *g, const struct cut *c)
{
	struct placement_request requests[KINDS];
	uint32_t weights[KINDS] = { 0 };

	for (int k = 0; k < g->kinds; k++)
		requests[k] = g->request(k);
	for (size_t i = 0; i < c->n; i++)
		weights[c->of[i].kind] += (uint32_t)c->of[i].count;
	placement_mix_set(p, requests, weights, (size_t)g->kinds, false);
}

static bool offer(struct placement *p, const struct generator *g, struct piece *piece)
{
	static struct placement_choice choices[RACK];
	struct placement_request r = g->request(piece->kind);
	struct error err;

	if (placement_choose(p, &r, (size_t)piece->count, choices, &err) < 0)
		return false;
	for (int i = 0; i < piece->count; i++)
		if (placement_take(p, piece->id + i, &r, &choices[i], false, &err) < 0) {
			fprintf(stderr, "bench: what was chosen does not fit: %s\n", err.msg);
			exit(1);
		}
	placement_forget(p);
	return true;
}

/* Offers all that are not there; returns the units that stay outside. */
static int offer_all(struct placement *p, const struct generator *g, struct cut *c)
{
	int lost = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct piece *piece = &c->of[i];

		piece->there = piece->there || offer(p, g, piece);
		lost += piece->there ? 0 : piece->units * piece->count;
	}
	return lost;
}

/* Half of them leave. */
static void leave(struct placement *p, struct cut *c, uint64_t *rng)
{
	for (size_t i = 0; i < c->n; i++) {
		struct piece *piece = &c->of[i];

		if (rng_below(rng, 2))
			continue;
		for (int k = 0; piece->there && k < piece->count; k++)
			placement_release(p, piece->id + k);
		piece->there = false;
	}
	placement_forget(p);
}

static int by_key(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* In a random order, or the largest first. */
static void line_up(struct cut *c, bool sorted, uint64_t *rng)
{
	for (size_t i = 0; i < c->n; i++) {
		c->of[i].key = rng_next(rng) >> 16;
		if (sorted)
			c->of[i].key |= (uint64_t)(4096 - c->of[i].units * c->of[i].count) << 48;
	}
	qsort(c->of, c->n, sizeof *c->of, by_key);
}

/* What part of all stays outside, in %: mean of the turns. */
static double round_run(
	const struct generator *g, struct cut *c, enum placement_order order, bool sorted, uint64_t rng)
{
	struct placement *p = placement_create();
	int lost = 0;

	for (int64_t host = 1; host <= HOSTS; host++)
		add_host(p, g, host);
	placement_order_set(p, order);
	expect(p, g, c);
	for (size_t i = 0; i < c->n; i++)
		c->of[i].there = false;
	for (int turn = 0; turn < TURNS; turn++) {
		leave(p, c, &rng);
		line_up(c, sorted, &rng);
		lost += offer_all(p, g, c);
	}
	placement_destroy(p);
	return 100.0 * lost / c->units / TURNS;
}

static void cut_make(const struct generator *g, uint64_t *rng, struct cut *c)
{
	int64_t id = 1;

	c->n = 0;
	c->units = 0;
	for (int host = 0; host < HOSTS; host++)
		g->cut(c, rng);
	for (size_t i = 0; i < c->n; i++) {
		c->of[i].id = id;
		id += c->of[i].count;
	}
}

size_t known_run(int rounds, bool sorted, struct known *out, size_t max)
{
	static struct cut c;
	size_t n = 0;

	for (; n < ARRAY_LEN(generators) && n < max; n++) {
		uint64_t rng = 42;

		out[n] = (struct known) { .name = generators[n].name };
		for (int i = 0; i < rounds; i++) {
			cut_make(&generators[n], &rng, &c);
			out[n].lost += round_run(&generators[n], &c, PLACEMENT_BY_MIX, sorted, rng) / rounds;
			out[n].lost_first +=
				round_run(&generators[n], &c, PLACEMENT_FIRST_FIT, sorted, rng) / rounds;
		}
	}
	return n;
}
