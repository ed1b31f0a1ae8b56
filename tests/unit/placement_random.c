/* SPDX-License-Identifier: Apache-2.0 */
#include "placement_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

uint64_t seed;

uint32_t rnd(uint32_t below) /* splitmix64 */
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}

/* ---- hosts ---- */

static const struct placement_profile sliced[] = {
	{ "1g", 0x7f, 1, 125 },
	{ "2g", 0x15, 2, 250 },
	{ "3g", 0x11, 4, 500 },
	{ "7g", 0x01, 8, 1000 },
};
static const struct placement_profile even[] = {
	{ "q4", 0x0f, 1, 250 },
	{ "q2", 0x05, 2, 500 },
};
static const struct placement_geometry geometries[] = {
	{ 8, false, sliced, ARRAY_LEN(sliced) },
	{ 4, true, even, ARRAY_LEN(even) },
};
static const char *const models[] = { "h100", "h200", "l40s" };
static const char *const traits[] = { "HW_A", "HW_B", "CUSTOM_C" };

static void random_gpus(struct random_host *t)
{
	uint32_t kind = rnd(4), model = rnd(3);

	t->h.gpus = t->gpus;
	t->h.gpus_n = kind == 3 ? 0 : 2u << rnd(3);
	for (size_t i = 0; i < t->h.gpus_n; i++) {
		struct placement_gpu *g = &t->gpus[i];

		*g = (struct placement_gpu) { .id = t->h.id * 100 + 7 - (int64_t)i, /* not in order */
			.numa_cell = (int)(i * 2 / t->h.gpus_n),
			.iommu_group = chance(6) ? 5 : 10 + (int)i,
			.healthy = !chance(12),
			.geometry = kind == 1 ? &geometries[rnd(2)] : NULL,
			.shared = kind == 2,
			.reserved = chance(10) ? 7 : 0,
			.reserved_begun = chance(2) };
		str_copy(g->model, sizeof g->model, models[chance(5) ? rnd(3) : model]);
	}
}

static void random_links(struct random_host *t)
{
	t->h.links = t->links;
	for (size_t n = 1; chance(2) && n <= t->h.gpus_n; n *= 2)
		for (size_t at = 0; at < t->h.gpus_n; at += n)
			t->links[t->h.links_n++] = ((UINT64_C(1) << n) - 1) << at;
}

static void random_cells(struct random_host *t)
{
	t->h.cells = t->cells;
	t->h.cells_n = rnd(3);
	for (size_t c = 0; c < t->h.cells_n; c++) {
		t->cells[c] = (struct placement_cell) {
			.id = (int)c, .ram_mib = 16384, .pages_2m = 4096, .pages_1g = 8, .cpus = t->cpus[c]
		};
		t->cells[c].cpus_n = 4 + 2 * rnd(3);
		for (size_t i = 0; i < t->cells[c].cpus_n; i++)
			t->cpus[c][i] =
				(struct placement_cpu) { (int16_t)(c * 8 + i), (int16_t)(c * 4 + i / 2) };
	}
}

static void random_labels(struct random_host *t)
{
	snprintf(t->h.zone, sizeof t->h.zone, "z%u", rnd(2));
	if (!chance(8))
		snprintf(t->h.rack, sizeof t->h.rack, "r%u", rnd(4));
	if (!chance(8))
		snprintf(t->h.fabric, sizeof t->h.fabric, "f%u", rnd(2));
	t->h.traits = t->traits;
	t->h.traits_n = 0;
	for (size_t i = 0; i < ARRAY_LEN(traits); i++)
		if (chance(2))
			t->traits[t->h.traits_n++] = traits[i];
}

void random_host(struct random_host *t, int64_t id)
{
	*t = (struct random_host) { .h = { .id = id,
					    .vcpus = 8 << rnd(2),
					    .ram_mib = 32768,
					    .disk_gib = 200 << rnd(2),
					    .vcpu_ratio_milli = 1000 + (int32_t)rnd(2) * 500,
					    .ram_ratio_milli = 1000,
					    .disk_ratio_milli = 1000,
					    .exclusive = chance(12) } };
	snprintf(t->h.name, sizeof t->h.name, "h%" PRId64, id);
	random_labels(t);
	random_gpus(t);
	random_links(t);
	random_cells(t);
}

void random_host_change(struct random_host *t)
{
	switch (rnd(4)) {
	case 0:
		t->h.state = chance(2) ? PLACEMENT_UP : (enum placement_host_state)rnd(4);
		break;
	case 1:
		random_labels(t);
		break;
	case 2:
		t->h.vcpus += 2;
		t->h.ram_mib += 1024;
		break;
	default:
		for (size_t i = 0; i < t->h.gpus_n; i++)
			t->gpus[i].healthy = !chance(12);
		break;
	}
}

/* ---- requests ---- */

static void random_gpu_want(struct placement_request *r)
{
	static const char *const wanted[] = { "h100", "h200", "l40s", "h100|h200", "", "b300" };
	static const char *const profiles[] = { "1g", "2g", "3g", "q4", "q2" };
	struct placement_gpu_want *g = &r->gpus[r->gpus_n++];

	str_copy(g->model, sizeof g->model, wanted[chance(12) ? 5 : rnd(5)]);
	g->count = 1 + (int)rnd(chance(3) ? 8 : 2);
	if (chance(4)) {
		str_copy(g->profile, sizeof g->profile, profiles[rnd(5)]);
		g->count = 1 + (int)rnd(3);
	} else if (chance(4)) {
		g->share = 200 + 100 * (int)rnd(4);
		g->count = 1;
	}
}

static void random_guest_cells(struct placement_request *r)
{
	static const int pages[] = { PAGE_ANY, PAGE_ANY, PAGE_4K, PAGE_2M, PAGE_1G, PAGE_LARGE };

	r->dedicated = chance(2);
	r->threads = (enum placement_threads)rnd(3);
	r->page_kib = pages[rnd(6)];
	r->pci = (enum placement_pci)rnd(4);
	r->vcpus = 2 * (1 + rnd(2));
	r->ram_mib = 2048 * (1 + rnd(3));
	r->cells_n = rnd(3);
	for (size_t i = 0; i < r->cells_n; i++)
		r->cells[i] = (struct placement_guest_cell) { (int)r->vcpus / (int)r->cells_n,
			r->ram_mib / (int64_t)r->cells_n };
}

void random_shape(struct random_request *out)
{
	struct placement_request *r = &out->r;

	*out = (struct random_request) { .r = { .vcpus = 1 + rnd(4),
						 .ram_mib = 1024 * (1 + rnd(4)),
						 .disk_gib = 10 * rnd(4),
						 .link = (enum placement_wish)rnd(3),
						 .exclusive = chance(16),
						 .preemptible = chance(4),
						 .reservation = chance(10) ? 7 : 0 } };
	if (chance(3))
		random_guest_cells(r);
	if (chance(2))
		random_gpu_want(r);
	if (r->gpus_n && chance(5))
		random_gpu_want(r);
}

static size_t random_list(int64_t *ids, int n)
{
	size_t many = rnd(RANDOM_LIST);

	for (size_t i = 0; i < many; i++)
		ids[i] = 1 + rnd((uint32_t)n + 1); /* with one that is not there */
	return many;
}

static void random_group(struct random_request *out, int n)
{
	struct placement_request *r = &out->r;

	r->policy = (enum placement_policy)(1 + rnd(4));
	r->max_per_host = (int)rnd(3);
	r->members = out->members;
	for (uint32_t many = rnd(6); r->members_n < many;)
		out->members[r->members_n++] =
			(struct placement_members) { 1 + rnd((uint32_t)n), 1 + (int)rnd(3) };
}

void random_constraints(struct random_request *out, int n)
{
	struct placement_request *r = &out->r;

	if (chance(3))
		snprintf(r->zone, sizeof r->zone, "z%u", chance(8) ? 9 : rnd(2));
	if (chance(12))
		snprintf(r->host, sizeof r->host, "h%u", 1 + rnd((uint32_t)n));
	if (chance(4)) {
		r->traits_required = out->traits;
		out->traits[r->traits_required_n++] = traits[rnd(3)];
	}
	if (chance(6)) {
		r->traits_forbidden = out->traits + 2;
		out->traits[2 + r->traits_forbidden_n++] = chance(4) ? "HW_UNKNOWN" : traits[rnd(3)];
	}
	if (chance(4)) {
		r->avoid = out->avoid;
		r->avoid_n = random_list(out->avoid, n);
	}
	if (chance(6)) {
		r->within = out->within;
		r->within_n = random_list(out->within, n);
	}
	if (chance(6)) {
		r->eligible = out->eligible;
		r->eligible_n = random_list(out->eligible, n);
	}
	if (chance(6)) {
		r->apart = out->apart;
		r->apart_n = random_list(out->apart, n);
	}
	if (chance(4))
		random_group(out, n);
}

char *random_dump(const struct placement *p)
{
	struct buf b = { 0 };
	char *text;

	placement_dump(p, &b);
	text = xstrdup(buf_text(&b));
	buf_finish(&b);
	return text;
}
