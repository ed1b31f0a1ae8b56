/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts as they are built give to requests, said as text: "0:4 cpus 0 16 1 17 gpus 1 2" is a guest cell
 * of 4 vCPUs in the host's cell 0, pinned to these CPUs, and two GPUs; a partition is "gpu/profile@start". A
 * request that does not fit gives the name of the rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/fit.h"

enum { GPUS = 8, CELLS = 2, CORES = 8, CPUS = 2 * CORES, LINKS = 15 };

struct built {
	struct host h;
	struct gpu gpus[GPUS];
	struct cell cells[CELLS];
	struct cpu cpus[CELLS][CPUS];
	uint64_t links[LINKS];
};

static const struct placement_profile mig_40[] = {
	{ .name = "1g.5gb", .starts = 0x7f, .slots = 1, .share = 142 },
	{ .name = "1g.10gb", .starts = 0x55, .slots = 2, .share = 142 },
	{ .name = "2g.10gb", .starts = 0x15, .slots = 2, .share = 285 },
	{ .name = "3g.20gb", .starts = 0x11, .slots = 4, .share = 428 },
	{ .name = "4g.20gb", .starts = 0x01, .slots = 4, .share = 571 },
	{ .name = "7g.40gb", .starts = 0x01, .slots = 8, .share = 1000 },
};
static const struct placement_geometry mig = {
	.slots = 8, .profiles = mig_40, .profiles_n = ARRAY_LEN(mig_40)
};
static const struct placement_profile vgpu_types[] = {
	{ .name = "1q", .starts = 0xff, .slots = 1, .share = 125 },
	{ .name = "2q", .starts = 0x55, .slots = 2, .share = 250 },
	{ .name = "4q", .starts = 0x11, .slots = 4, .share = 500 },
};
static const struct placement_geometry vgpu = {
	.slots = 8, .alike = true, .profiles = vgpu_types, .profiles_n = ARRAY_LEN(vgpu_types)
};

/* Two sockets, each of 8 cores with threads n and n + 16 (cell 1: from 8 on), 64 GiB of memory and as much in
 * huge pages, and four GPUs: ids 1 to 4 and 5 to 8. */
static struct built *build(void)
{
	struct built *b = xcalloc(1, sizeof *b);

	b->h = (struct host) { .id = 1, .vcpus = 32, .ram_mib = 131072, .disk_gib = 1000 };
	b->h.gpus = b->gpus;
	b->h.gpus_n = b->h.gpus_there = GPUS;
	b->h.cells = b->cells;
	b->h.cells_n = CELLS;
	b->h.links = b->links;
	for (int i = 0; i < GPUS; i++)
		b->gpus[i] = (struct gpu) {
			.id = i + 1, .cell = i / 4, .iommu_group = 20 + i, .healthy = true, .profile = -1
		};
	for (int c = 0; c < CELLS; c++) {
		b->cells[c] = (struct cell) { .id = c, .ram_mib = 65536, .pages = { 16384, 32 } };
		b->cells[c].cpus = b->cpus[c];
		b->cells[c].cpus_n = CPUS;
		for (int i = 0; i < CPUS; i++)
			b->cpus[c][i] =
				(struct cpu) { .id = (int16_t)(c * CORES + i / 2 + i % 2 * CELLS * CORES),
					.core = (int16_t)(c * CORES + i / 2) };
	}
	return b;
}

/* Sets of that many GPUs in a row, down to so many. */
static void link_gpus(struct built *b, int from, int to)
{
	for (int size = from; size >= to; size /= 2)
		for (int i = 0; i < GPUS; i += size)
			b->links[b->h.links_n++] = ((UINT64_C(1) << size) - 1) << i;
}

static void plain(struct built *b)
{
	(void)b;
}

static void nvswitch(struct built *b)
{
	link_gpus(b, 8, 1);
}

static void pairs(struct built *b)
{
	link_gpus(b, 2, 2);
}

static void groups(struct built *b)
{
	for (int i = 0; i < GPUS; i++)
		b->gpus[i].iommu_group = i / 2;
}

static void cut(struct built *b)
{
	for (int i = 0; i < GPUS; i++)
		b->gpus[i].geometry = &mig;
}

static void typed(struct built *b)
{
	for (int i = 0; i < GPUS; i++)
		b->gpus[i].geometry = &vgpu;
}

static void shared(struct built *b)
{
	for (int i = 0; i < GPUS; i++)
		b->gpus[i].shared = true;
}

static void mixed(struct built *b) /* the second socket has other ones */
{
	for (int i = 4; i < GPUS; i++)
		b->gpus[i].model = 1;
}

static void unknown(struct built *b) /* no cell is known of the last ones */
{
	for (int i = 4; i < GPUS; i++)
		b->gpus[i].cell = -1;
}

static void block(struct built *b) /* the first four will be a block's, the next two are */
{
	for (int i = 0; i < 6; i++) {
		b->gpus[i].reserved = 9;
		b->gpus[i].reserved_begun = i >= 4;
	}
}

/* "cpu3 gpu1 gpu5=0,1 share2=300 broken4": CPUs and GPUs of others, slots of a GPU, shares of it. */
static void take(struct built *b, const char *taken)
{
	char text[256], *save, *word;

	str_copy(text, sizeof text, taken);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		int n, at, used;

		if (sscanf(word, "cpu%d", &n) == 1) {
			for (int i = 0; i < CELLS * CPUS; i++)
				if (b->cpus[i / CPUS][i % CPUS].id == n)
					b->cpus[i / CPUS][i % CPUS].owner = 7;
		} else if (sscanf(word, "share%d=%d", &n, &used) == 2) {
			b->gpus[n - 1].share_used = (int16_t)used;
			b->gpus[n - 1].parts = 1;
		} else if (sscanf(word, "gpu%d=%d/%d", &n, &used, &at) == 3) {
			b->gpus[n - 1].slots_used |= (uint32_t)used;
			b->gpus[n - 1].profile = (int16_t)at;
			b->gpus[n - 1].parts++;
		} else if (sscanf(word, "broken%d", &n) == 1) {
			b->gpus[n - 1].healthy = false;
		} else {
			assert_int_equal(sscanf(word, "gpu%d", &n), 1);
			b->gpus[n - 1].owner = 7;
		}
	}
}

static void say(const struct placement_choice *c, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < c->cells_n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%d:%d%s", n ? " " : "", c->cells[i].cell,
			c->cells[i].vcpus,
			c->cells[i].page_kib == PAGE_2M   ? "/2m"
			: c->cells[i].page_kib == PAGE_1G ? "/1g"
							  : "");
	for (size_t i = 0; i < c->cpus_n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s %d", i ? "" : " cpus", c->cpus[i]);
	for (size_t i = 0; i < c->gpus_n; i++) {
		const struct placement_gpu_choice *g = &c->gpus[i];

		n += (size_t)snprintf(
			out + n, size - n, "%s%s %" PRId64, n && !i ? " " : "", i ? "" : "gpus", g->id);
		if (*g->profile)
			n += (size_t)snprintf(out + n, size - n, "/%s@%d", g->profile, g->start);
	}
}

struct test_case {
	const char *what;
	void (*made)(struct built *b);
	const char *taken;
	struct shape s;
	const char *expected;
};

static void run(const struct test_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free_ptr) void *owned = build();
		CLEANUP(free_ptr) void *choice = xcalloc(1, sizeof(struct placement_choice));
		struct built *b = owned;
		struct shape s = cases[i].s;
		char got[512];
		enum placement_rule rule;

		cases[i].made(b);
		take(b, cases[i].taken);
		fit_refresh(&b->h);
		for (int k = 0; k < PLACEMENT_GPU_KINDS_MAX && s.gpus[k].count; k++) {
			s.gpus_n++;
			s.gpus_total += s.gpus[k].count;
			s.gpus[k].share = s.gpus[k].share ? s.gpus[k].share : PLACEMENT_SHARE;
			s.gpus[k].models = s.gpus[k].models ? s.gpus[k].models : UINT64_MAX;
		}
		rule = fit_check(&b->h, &s, NULL, NULL);
		str_copy(got, sizeof got, placement_rule_name(rule));
		if (rule == RULE_OK) {
			fit_pick(&b->h, &s, choice);
			say(choice, got, sizeof got);
		}
		if (strcmp(got, cases[i].expected) != 0)
			fail_msg("%s: got \"%s\", not \"%s\"", cases[i].what, got, cases[i].expected);
	}
}

#define PINNED(n, policy) .vcpus = (n), .ram_mib = 1024, .dedicated = 1, .threads = PLACEMENT_THREADS_##policy
#define WHOLE(n) .vcpus = 1, .ram_mib = 1024, .gpus = { { .count = (n) } }
#define PART(n, name) .vcpus = 1, .ram_mib = 1024, .gpus = { { .count = (n), .profile = (name) } }
#define SHARE(n, milli) .vcpus = 1, .ram_mib = 1024, .gpus = { { .count = (n), .share = (milli) } }

static void test_cpus(void **state)
{
	static const struct test_case cases[] = {
		{ "threads of one core together", plain, "", { PINNED(4, PREFER) }, "0:4 cpus 0 16 1 17" },
		{ "a core that is broken already", plain, "cpu0", { PINNED(3, PREFER) }, "0:3 cpus 1 17 16" },
		{ "or one is broken", plain, "", { PINNED(3, PREFER) }, "0:3 cpus 0 16 1" },
		{ "halves when there is nothing else", plain,
			"cpu0 cpu1 cpu2 cpu3 cpu4 cpu5 cpu6 cpu7 cpu8 cpu24 cpu9 cpu25 cpu10 cpu26 cpu11 "
			"cpu27 cpu12 cpu28",
			{ PINNED(8, PREFER) }, "0:8 cpus 16 17 18 19 20 21 22 23" },
		{ "the cell that is fuller", plain, "cpu8 cpu24", { PINNED(2, PREFER) }, "1:2 cpus 9 25" },
		{ "siblings alone", plain, "cpu0", { PINNED(4, REQUIRE) }, "0:4 cpus 1 17 2 18" },
		{ "an odd one leaves a thread", plain, "cpu0", { PINNED(3, REQUIRE) }, "0:3 cpus 1 17 2" },
		{ "one core each", plain, "cpu1", { PINNED(3, ISOLATE) }, "0:3 cpus 0 2 3" },
		{ "seven whole cores are not eight", plain, "cpu1 cpu9", { PINNED(8, ISOLATE) }, "numa" },
		{ "seven whole cores a cell", plain, "cpu1 cpu9", { PINNED(15, ISOLATE) }, "cpus" },
		{ "too many", plain, "", { PINNED(33, PREFER) }, "cpus" },
		{ "more than a cell has", plain, "", { PINNED(17, PREFER) }, "numa" },
		{ "cpus without gpus", plain, "gpu5 gpu6", { PINNED(2, PREFER) }, "1:2 cpus 8 24" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_cells(void **state)
{
	static const struct test_case cases[] = {
		{ "each in a cell of its own", plain, "",
			{ .vcpus = 4, .ram_mib = 2048, .cells = { { 2, 1024 }, { 2, 1024 } }, .cells_n = 2 },
			"0:2 1:2" },
		{ "three are too many", plain, "",
			{ .vcpus = 3,
				.ram_mib = 3072,
				.cells = { { 1, 1024 }, { 1, 1024 }, { 1, 1024 } },
				.cells_n = 3 },
			"numa" },
		{ "the larger where there is room", plain, "cpu0 cpu16 cpu1 cpu17",
			{ .vcpus = 17,
				.ram_mib = 2048,
				.dedicated = 1,
				.cells = { { 13, 1024 }, { 4, 1024 } },
				.cells_n = 2 },
			"1:13 0:4 cpus 8 24 9 25 10 26 11 27 12 28 13 29 14 2 18 3 19" },
		{ "huge pages make a cell", plain, "", { .vcpus = 1, .ram_mib = 3000, .page_kib = PAGE_2M },
			"0:1/2m" },
		{ "of 1 GiB", plain, "", { .vcpus = 1, .ram_mib = 4096, .page_kib = PAGE_1G }, "0:1/1g" },
		{ "the largest that fits", plain, "", { .vcpus = 1, .ram_mib = 4096, .page_kib = PAGE_LARGE },
			"0:1/1g" },
		{ "without waste", plain, "", { .vcpus = 1, .ram_mib = 4000, .page_kib = PAGE_LARGE },
			"0:1/2m" },
		{ "not enough", plain, "", { .vcpus = 1, .ram_mib = 70000, .page_kib = PAGE_2M }, "pages" },
		{ "not in one cell", plain, "", { .vcpus = 1, .ram_mib = 40000, .page_kib = PAGE_1G },
			"numa" },
		{ "small pages float", plain, "", { .vcpus = 1, .ram_mib = 100000 }, "" },
		{ "too much memory", plain, "", { .vcpus = 1, .ram_mib = 140000 }, "ram" },
		{ "too many vcpus", plain, "", { .vcpus = 33, .ram_mib = 1 }, "vcpus" },
		{ "too much disk", plain, "", { .vcpus = 1, .disk_gib = 1001 }, "disk" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_gpus(void **state)
{
	static const struct test_case cases[] = {
		{ "close to each other", plain, "gpu1", { WHOLE(4) }, "gpus 5 6 7 8" },
		{ "where others are", plain, "gpu6", { WHOLE(2) }, "gpus 5 7" },
		{ "over both cells", plain, "gpu1 gpu6 gpu7", { WHOLE(5) }, "gpus 2 3 4 5 8" },
		{ "as few as there are", plain, "gpu1 broken6", { WHOLE(7) }, "gpu" },
		{ "of a model", mixed, "", { .gpus = { { .count = 2, .models = 2 } } }, "gpus 5 6" },
		{ "of two models", mixed, "",
			{ .gpus = { { .count = 2, .models = 2 }, { .count = 1, .models = 3 } } },
			"gpus 5 6 7" },
		{ "what only one can have is left to it", mixed, "gpu5 gpu6 gpu7",
			{ .gpus = { { .count = 1, .models = 3 }, { .count = 1, .models = 2 } } },
			"gpus 1 8" },
		{ "groups whole", groups, "gpu1", { WHOLE(2) }, "gpus 3 4" },
		{ "groups not in part", groups, "", { WHOLE(3) }, "gpu_group" },
		{ "nor with a stranger", groups, "gpu1 gpu3 gpu5 gpu7", { WHOLE(2) }, "gpu_group" },
		{ "later a block's", block, "gpu7 gpu8", { WHOLE(1) }, "reserved" },
		{ "until it begins", block, "gpu7 gpu8", { WHOLE(1), .preemptible = 1 }, "gpus 1" },
		{ "none of a block if it can be", block, "", { WHOLE(1), .preemptible = 1 }, "gpus 7" },
		{ "its own", block, "", { WHOLE(2), .reservation = 9 }, "gpus 5 6" },
		{ "no more than these", block, "", { WHOLE(3), .reservation = 9 }, "reserved" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_near(void **state)
{
	static const struct test_case cases[] = {
		{ "beside its GPUs", plain, "gpu1 gpu2 gpu3",
			{ PINNED(2, PREFER), .gpus = { { .count = 2 } } }, "1:2 cpus 8 24 gpus 5 6" },
		{ "more than a cell has", plain, "", { PINNED(2, PREFER), .gpus = { { .count = 5 } } },
			"gpu_numa" },
		{ "unless it need not be", plain, "",
			{ PINNED(2, PREFER), .gpus = { { .count = 5 } }, .pci = PLACEMENT_PCI_PREFERRED },
			"0:2 cpus 0 16 gpus 1 2 3 4 5" },
		{ "two cells", plain, "",
			{ .vcpus = 2,
				.ram_mib = 2048,
				.cells = { { 1, 1024 }, { 1, 1024 } },
				.cells_n = 2,
				.gpus = { { .count = 5 } } },
			"0:1 1:1 gpus 1 2 3 4 5" },
		{ "no known cell", unknown, "gpu1 gpu2", { PINNED(2, PREFER), .gpus = { { .count = 3 } } },
			"0:2 cpus 0 16 gpus 3 4 5" },
		{ "is not near", unknown, "gpu1 gpu2",
			{ PINNED(2, PREFER), .gpus = { { .count = 3 } }, .pci = PLACEMENT_PCI_REQUIRED },
			"gpu_numa" },
		{ "no CPUs beside the GPUs", plain, "gpu5 gpu6 gpu7 gpu8 cpu0",
			{ PINNED(16, PREFER), .gpus = { { .count = 1 } } }, "gpu_numa" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_links(void **state)
{
	static const struct test_case cases[] = {
		{ "one partition", nvswitch, "gpu1", { WHOLE(4), .link = PLACEMENT_REQUIRED },
			"gpus 5 6 7 8" },
		{ "there is none of three", nvswitch, "", { WHOLE(3), .link = PLACEMENT_REQUIRED },
			"gpu_link" },
		{ "none is free", nvswitch, "gpu1 gpu5", { WHOLE(4), .link = PLACEMENT_REQUIRED },
			"gpu_link" },
		{ "any, if none is free", nvswitch, "gpu1 gpu5", { WHOLE(4), .link = PLACEMENT_PREFERRED },
			"gpus 2 3 4 6" },
		{ "a pair in the broken half", nvswitch, "gpu1", { WHOLE(2) }, "gpus 3 4" },
		{ "one beside the broken pair", nvswitch, "gpu1", { WHOLE(1) }, "gpus 2" },
		{ "the smallest that does", nvswitch, "gpu1 gpu7 gpu8",
			{ WHOLE(2), .link = PLACEMENT_REQUIRED }, "gpus 5 6" },
		{ "alone", pairs, "", { WHOLE(1), .link = PLACEMENT_REQUIRED }, "gpus 1" },
		{ "pairs stay whole", pairs, "gpu3", { WHOLE(1) }, "gpus 4" },
		{ "three of pairs", pairs, "gpu1 gpu6", { WHOLE(3) }, "gpus 2 3 4" },
		{ "no partitions at all", plain, "", { WHOLE(2), .link = PLACEMENT_REQUIRED }, "gpu_link" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_parts(void **state)
{
	static const struct test_case cases[] = {
		{ "at the end, for larger ones", cut, "", { PART(1, "1g.5gb") }, "gpus 1/1g.5gb@6" },
		{ "where it is cut", cut, "gpu3=64/0", { PART(1, "1g.5gb") }, "gpus 3/1g.5gb@4" },
		{ "a half stays whole", cut, "gpu3=64/0", { PART(1, "2g.10gb") }, "gpus 3/2g.10gb@4" },
		{ "the other half", cut, "gpu3=64/0", { PART(1, "3g.20gb") }, "gpus 3/3g.20gb@0" },
		{ "the half that leaves the first", cut, "", { PART(1, "3g.20gb") }, "gpus 1/3g.20gb@4" },
		{ "all of one", cut, "gpu1=1/0", { PART(1, "7g.40gb") }, "gpus 2/7g.40gb@0" },
		{ "several", cut, "", { PART(3, "2g.10gb") }, "gpus 1/2g.10gb@4 1/2g.10gb@0 1/2g.10gb@2" },
		{ "in the order of the wants", cut, "",
			{ .gpus = { { .count = 1, .profile = "1g.5gb" },
				  { .count = 1, .profile = "4g.20gb" } } },
			"gpus 1/1g.5gb@6 1/4g.20gb@0" },
		{ "not whole", cut, "", { WHOLE(1) }, "gpu" },
		{ "no such profile", cut, "", { PART(1, "9g") }, "gpu" },
		{ "more than there is", cut, "gpu1 gpu2 gpu3 gpu4 gpu5 gpu6 gpu7 gpu8=1/0",
			{ PART(4, "1g.10gb") }, "gpu" },
		{ "a type of its own", typed, "gpu2=1/0", { PART(1, "2q") }, "gpus 1/2q@0" },
		{ "beside its like", typed, "gpu2=1/0", { PART(1, "1q") }, "gpus 2/1q@1" },
		{ "beside its like, until it is full", typed, "gpu2=15/2", { PART(2, "4q") },
			"gpus 2/4q@4 1/4q@0" },
		{ "a share", shared, "", { SHARE(1, 300) }, "gpus 1" },
		{ "where it fits best", shared, "share2=300 share3=500", { SHARE(1, 300) }, "gpus 3" },
		{ "and not where it does not", shared, "share2=300 share3=800", { SHARE(1, 300) }, "gpus 2" },
		{ "of two GPUs", shared, "share3=300", { SHARE(2, 500) }, "gpus 1 3" },
		{ "whole while nobody has a share", shared, "share1=300", { WHOLE(4) }, "gpus 5 6 7 8" },
		{ "shares are not given of others", plain, "", { SHARE(1, 300) }, "gpu" },
	};

	(void)state;
	run(cases, ARRAY_LEN(cases));
}

static void test_amounts(void **state)
{
	CLEANUP(free_ptr) void *owned = build();
	struct built *b = owned;
	struct shape s = { .vcpus = 40 };
	int64_t want, have;

	(void)state;
	fit_refresh(&b->h);
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_VCPUS);
	assert_true(want == 40 && have == 32);
	s = (struct shape) { .vcpus = 40, .dedicated = 1 };
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_CPUS);
	assert_true(want == 40 && have == 32);
	s = (struct shape) { .gpus_n = 1, .gpus_total = 9 };
	s.gpus[0] = (struct shape_gpu) { .count = 9, .models = 1, .share = PLACEMENT_SHARE };
	take(b, "gpu1 broken2");
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_GPU);
	assert_true(want == 9 && have == 6);
	s.gpus[0].count = s.gpus_total = 5;
	block(b);
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_RESERVED);
	assert_true(want == 5 && have == 2);
	/* What is overcommitted refuses those who want of it alone. */
	b->h.disk_used_gib = 2000;
	s = (struct shape) { .vcpus = 1 };
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_OK);
	s.disk_gib = 1;
	assert_int_equal(fit_check(&b->h, &s, &want, &have), RULE_DISK);
	assert_true(want == 1 && have == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_amounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
