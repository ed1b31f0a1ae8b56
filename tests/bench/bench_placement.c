/* SPDX-License-Identifier: Apache-2.0 */
/* How long the engine takes to decide on a cloud of ten thousand hosts with eight GPUs each, two NUMA cells,
 * a switched interconnect, and every eighth host's GPUs cut into partitions. Servers of sixteen shapes come
 * and go. The same decisions are made by a plain scan over packed arrays, that knows amounts and GPUs of a
 * model alone. Prints one line "name value unit" per figure; --json FILE writes them as an object too.
 * bench_placement [--hosts N] [--json FILE] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "placement/placement.h"

enum {
	GPUS_PER_HOST = 8,
	CPUS_PER_CELL = 64,
	RACK = 16,
	FABRIC = 256,
	DECISIONS = 20000,
	SAMPLES = 2000,
	TURN = 50,
	GANG = 128,
	ALLOCATIONS = 100000
};

static uint64_t seed = 1;
static int64_t hosts = 10000;
static FILE *json;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- figures ---- */

static void figure(const char *name, double value, const char *unit)
{
	static bool more;

	printf("%s %.3f %s\n", name, value, unit);
	if (json)
		fprintf(json, "%s\"%s\": {\"value\": %.6f, \"unit\": \"%s\"}", more ? ", " : "", name, value,
			unit);
	more = true;
}

static size_t memory(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void percentiles(const char *name, int64_t *took, size_t n)
{
	static const struct {
		const char *suffix;
		size_t per_mille;
	} which[] = { { "p50", 500 }, { "p99", 990 }, { "p999", 999 } };
	char full[64];

	qsort(took, n, sizeof *took, by_value);
	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		snprintf(full, sizeof full, "placement_%s_%s", name, which[i].suffix);
		figure(full, (double)took[n * which[i].per_mille / 1000] / 1e3, "us");
	}
}

/* ---- the cloud ---- */

static const struct placement_profile profiles[] = {
	{ "1g", 0x7f, 1, 125 },
	{ "2g", 0x15, 2, 250 },
	{ "3g", 0x11, 4, 500 },
	{ "7g", 0x01, 8, 1000 },
};
static const struct placement_geometry geometry = { 8, false, profiles, ARRAY_LEN(profiles) };
/* One, two, four or eight of a switch. */
static const uint64_t links[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x03, 0x0c, 0x30, 0xc0,
	0x0f, 0xf0, 0xff };

static void add_host(struct placement *p, int64_t id)
{
	struct placement_gpu gpus[GPUS_PER_HOST];
	struct placement_cpu cpus[2][CPUS_PER_CELL];
	struct placement_cell cells[2];
	struct placement_host h = { .id = id,
		.vcpus = 128,
		.ram_mib = 1 << 20,
		.ram_reserved_mib = 8192,
		.disk_gib = 8000,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = GPUS_PER_HOST,
		.cells = cells,
		.cells_n = 2,
		.links = links,
		.links_n = ARRAY_LEN(links) };

	snprintf(h.name, sizeof h.name, "node-%06d", (int)id);
	snprintf(h.rack, sizeof h.rack, "r%d", (int)((id - 1) / RACK));
	snprintf(h.fabric, sizeof h.fabric, "f%d", (int)((id - 1) / FABRIC));
	str_copy(h.zone, sizeof h.zone, id % 2 ? "a" : "b");
	for (int c = 0; c < 2; c++) {
		cells[c] = (struct placement_cell) { c, 1 << 19, 1 << 16, 0, cpus[c], CPUS_PER_CELL };
		for (int i = 0; i < CPUS_PER_CELL; i++)
			cpus[c][i] = (struct placement_cpu) { (int16_t)(c * CPUS_PER_CELL + i),
				(int16_t)(c * CPUS_PER_CELL / 2 + i % (CPUS_PER_CELL / 2)) };
	}
	for (int i = 0; i < GPUS_PER_HOST; i++) {
		gpus[i] = (struct placement_gpu) { .id = id * 100 + i,
			.numa_cell = i / 4,
			.iommu_group = 40 + i,
			.healthy = true,
			.geometry = id % 8 ? NULL : &geometry };
		str_copy(gpus[i].model, sizeof gpus[i].model, id % 4 ? "h100" : "l40s");
	}
	placement_host_set(p, &h);
}

/* ---- what is asked for ---- */

static const struct wish {
	int vcpus, gib, gpus;
	const char *model, *profile;
	int link, cells, dedicated, page_kib, threads;
	const char *zone;
	int scope;
} wishes[] = {
	{ .vcpus = 1, .gib = 4 },
	{ .vcpus = 2, .gib = 8 },
	{ .vcpus = 4, .gib = 16 },
	{ .vcpus = 8, .gib = 32, .zone = "b" },
	{ .vcpus = 8, .gib = 64, .gpus = 1, .model = "h100" },
	{ .vcpus = 8, .gib = 64, .gpus = 1, .model = "l40s" },
	{ .vcpus = 16, .gib = 128, .gpus = 2, .model = "h100" },
	{ .vcpus = 16, .gib = 128, .gpus = 2, .model = "h100", .link = PLACEMENT_REQUIRED },
	{ .vcpus = 32, .gib = 256, .gpus = 4, .model = "h100", .link = PLACEMENT_PREFERRED },
	{ .vcpus = 48, .gib = 384, .gpus = 6, .model = "h100" },
	{ .vcpus = 64, .gib = 512, .gpus = 8, .model = "h100", .link = PLACEMENT_REQUIRED },
	{ .vcpus = 8, .gib = 64, .gpus = 1, .model = "h100|l40s", .cells = 1, .dedicated = 1 },
	{ .vcpus = 16, .gib = 128, .gpus = 2, .model = "h100", .cells = 2, .dedicated = 1 },
	{ .vcpus = 8, .gib = 32, .cells = 1, .page_kib = PAGE_2M },
	{ .vcpus = 4, .gib = 16, .gpus = 1, .profile = "1g" },
	{ .vcpus = 8, .gib = 32, .gpus = 1, .profile = "3g", .zone = "b" },
};

static struct placement_request request(const struct wish *w)
{
	struct placement_request r = { .vcpus = w->vcpus,
		.ram_mib = w->gib * 1024,
		.disk_gib = 20,
		.link = (enum placement_wish)w->link,
		.pci = PLACEMENT_PCI_LEGACY,
		.dedicated = w->dedicated,
		.page_kib = w->page_kib,
		.cells_n = (size_t)w->cells };

	for (int i = 0; i < w->cells; i++)
		r.cells[i] = (struct placement_guest_cell) { w->vcpus / w->cells, r.ram_mib / w->cells };
	str_copy(r.zone, sizeof r.zone, w->zone ? w->zone : "");
	if (w->gpus) {
		str_copy(r.gpus[0].model, sizeof r.gpus[0].model, w->model ? w->model : "");
		str_copy(r.gpus[0].profile, sizeof r.gpus[0].profile, w->profile ? w->profile : "");
		r.gpus[0].count = w->gpus;
		r.gpus_n = 1;
	}
	return r;
}

/* ---- a plain scan ---- */

static struct packed {
	int64_t *id, *vcpus, *ram, *disk;
	uint8_t *state, *model, *gpus, *zone;
} packed;

static void pack(const struct placement *p)
{
	size_t n = (size_t)hosts;

	packed = (struct packed) { xcalloc(n, 8), xcalloc(n, 8), xcalloc(n, 8), xcalloc(n, 8), xcalloc(n, 1),
		xcalloc(n, 1), xcalloc(n, 1), xcalloc(n, 1) };
	for (size_t i = 0; i < n; i++) {
		struct placement_usage u;

		placement_host_usage(p, (int64_t)i + 1, &u);
		packed.id[i] = (int64_t)i + 1;
		packed.vcpus[i] = u.vcpus_total - u.vcpus_used;
		packed.ram[i] = u.ram_total_mib - u.ram_used_mib;
		packed.disk[i] = u.disk_total_gib - u.disk_used_gib;
		packed.model[i] = (i + 1) % 4 != 0;
		packed.gpus[i] = (uint8_t)(u.gpus_total - u.gpus_used);
		packed.zone[i] = (i + 1) % 2 != 0;
	}
}

/* Best fit by amounts, GPUs first. */
static int64_t scan(const struct placement_request *r)
{
	int64_t best = 0, least = INT64_MAX;
	int gpus = r->gpus_n ? r->gpus[0].count : 0, model = r->gpus_n && r->gpus[0].model[0] == 'h';

	for (size_t i = 0; i < (size_t)hosts; i++) {
		int64_t vcpus = packed.vcpus[i] - r->vcpus, ram = (packed.ram[i] - r->ram_mib) >> 13, score;

		if (packed.state[i] || vcpus < 0 || ram < 0 || packed.disk[i] < r->disk_gib)
			continue;
		if (gpus && (packed.model[i] != model || packed.gpus[i] < gpus))
			continue;
		if (*r->zone && packed.zone[i] != (*r->zone == 'a'))
			continue;
		score = (int64_t)(packed.gpus[i] - gpus) << 40 | (vcpus * vcpus + ram * ram);
		if (score < least) {
			least = score;
			best = packed.id[i];
		}
	}
	return best;
}

static void measure_scan(const struct placement *p)
{
	static int64_t took[SAMPLES];
	int64_t sum = 0;

	pack(p);
	for (size_t i = 0; i < SAMPLES; i++) {
		struct placement_request r = request(&wishes[i % ARRAY_LEN(wishes)]);
		int64_t start = now_ns();

		sum += scan(&r);
		took[i] = now_ns() - start;
	}
	percentiles(sum ? "plain_scan" : "plain_scan_none", took, SAMPLES);
}

/* ---- servers that come and go ---- */

static int64_t *alive;
static size_t alive_n;
static int64_t next_server = 1;

static bool place(struct placement *p, const struct wish *w, int64_t *choose_ns, int64_t *take_ns)
{
	static struct placement_choice c;
	struct placement_request r = request(w);
	struct error err;
	int64_t start = now_ns();
	bool fits = placement_choose(p, &r, 1, &c, &err) == 0;

	*choose_ns = now_ns() - start;
	start = now_ns();
	if (fits)
		fits = placement_take(p, next_server, &r, &c, false, &err) == 0;
	*take_ns = now_ns() - start;
	if (fits)
		alive[alive_n++] = next_server++;
	return fits;
}

static void release_one(struct placement *p)
{
	size_t at = rnd((uint32_t)alive_n);

	placement_release(p, alive[at]);
	alive[at] = alive[--alive_n];
}

static const struct wish *any_wish(void)
{
	return &wishes[rnd(ARRAY_LEN(wishes))];
}

static void measure_mixed(struct placement *p)
{
	static int64_t chose[DECISIONS], turned[DECISIONS];
	size_t refused = 0, n = 0;

	for (size_t i = 0; i < DECISIONS; i++) {
		int64_t taking, start;
		bool placed = place(p, any_wish(), &chose[i], &taking);

		refused += !placed;
		start = now_ns();
		release_one(p);
		if (placed)
			turned[n++] = chose[i] + taking + now_ns() - start;
		placement_forget(p);
	}
	percentiles("mixed", chose, DECISIONS);
	percentiles("mixed_place_release", turned, n);
	printf("# %zu of %d refused\n", refused, DECISIONS);
}

/* Decides for one shape again and again, takes and gives back. */
static void ask(struct placement *p, const struct wish *w, const char *host, int64_t *took, int n)
{
	static struct placement_choice c;

	for (int i = 0; i < n; i++) {
		struct placement_request r = request(w);
		struct error err;
		int64_t start;

		str_copy(r.host, sizeof r.host, host);
		start = now_ns();
		if (placement_choose(p, &r, 1, &c, &err) == 0) {
			took[i] = now_ns() - start;
			placement_take(p, INT64_MAX, &r, &c, false, &err);
			placement_release(p, INT64_MAX);
		} else {
			took[i] = now_ns() - start;
		}
		placement_forget(p);
	}
}

static void measure(struct placement *p, const char *name, const struct wish *w, const char *host)
{
	static int64_t took[SAMPLES];

	ask(p, w, host, took, SAMPLES);
	percentiles(name, took, SAMPLES);
}

/* Two that are compared, in turns: so the machine is as fast for the one as for the other. */
static void measure_pair(struct placement *p, const char *name, const struct wish *w, const char *other,
	const struct wish *than)
{
	static int64_t took[2][SAMPLES];

	for (int i = 0; i < SAMPLES; i += TURN) {
		ask(p, w, "", took[0] + i, TURN);
		ask(p, than, "", took[1] + i, TURN);
	}
	percentiles(name, took[0], SAMPLES);
	percentiles(other, took[1], SAMPLES);
}

/* A group with a server on every tenth host, that shall not share hosts; and half of the hosts in an
 * aggregate. */
static void measure_lists(struct placement *p)
{
	static int64_t took[SAMPLES];
	static struct placement_choice c;
	struct placement_members *members = xcalloc((size_t)hosts, sizeof *members);
	int64_t *eligible = xcalloc((size_t)hosts, sizeof *eligible);
	struct placement_request r = request(&wishes[4]);
	struct error err;

	for (int64_t id = 1; id <= hosts; id += 10)
		members[r.members_n++] = (struct placement_members) { id, 1 };
	for (int64_t id = 1; id <= hosts; id += 2)
		eligible[r.eligible_n++] = id;
	r.policy = PLACEMENT_APART;
	r.members = members;
	for (int i = 0; i < SAMPLES; i++) {
		int64_t start = now_ns();

		r.eligible = i < SAMPLES / 2 ? NULL : eligible;
		r.policy = i < SAMPLES / 2 ? PLACEMENT_APART : PLACEMENT_NO_GROUP;
		placement_choose(p, &r, 1, &c, &err);
		took[i] = now_ns() - start;
	}
	percentiles("group_apart", took, SAMPLES / 2);
	percentiles("eligible_half", took + SAMPLES / 2, SAMPLES / 2);
	free(members);
	free(eligible);
}

/* A shape that was never asked for: all hosts are judged. */
static void measure_new_shape(struct placement *p)
{
	static struct placement_choice c;
	struct error err;
	size_t held = memory();
	int64_t start = now_ns();

	for (int i = 0; i < 20; i++) {
		struct placement_request r = request(&wishes[6]);

		r.vcpus = 17 + i;
		placement_choose(p, &r, 1, &c, &err);
	}
	figure("placement_new_shape", (double)(now_ns() - start) / 20 / 1e3, "us");
	figure("placement_tree", (double)(memory() - held) / 20 / 1e3, "kB");
}

static void measure_gang(struct placement *p, const char *name, int gpus, enum placement_scope scope)
{
	static struct placement_choice c[GANG];
	struct wish w = { .vcpus = 8 * gpus, .gib = 64 * gpus, .gpus = gpus, .model = "h100" };
	struct placement_request r = request(&w);
	struct error err = { 0 };
	int64_t took[51];
	int rc = 0;

	r.scope = scope;
	placement_choose(p, &r, 1, c, &err);
	for (size_t i = 0; i < ARRAY_LEN(took); i++) {
		int64_t start = now_ns();

		rc = placement_choose(p, &r, GANG, c, &err);
		took[i] = now_ns() - start;
	}
	qsort(took, ARRAY_LEN(took), sizeof *took, by_value);
	figure(name, (double)took[ARRAY_LEN(took) / 2] / 1e6, "ms");
	if (rc)
		printf("# %s\n", err.msg);
}

/* ---- the start ---- */

static void measure_load(void)
{
	struct placement *p = placement_create();
	struct placement_choice c = { .gpus_n = 1, .gpus = { { .start = -1, .share = PLACEMENT_SHARE } } };
	struct placement_request r = request(&wishes[0]);
	struct error err;
	size_t held = memory();
	int64_t start = now_ns();

	for (int64_t id = 1; id <= hosts; id++)
		add_host(p, id);
	placement_forget(p);
	figure("placement_load_hosts", (double)(now_ns() - start) / 1e6, "ms");
	figure("placement_host", (double)(memory() - held) / (double)hosts / 1e3, "kB");
	start = now_ns();
	for (int64_t i = 0; i < ALLOCATIONS; i++) {
		c.host_id = 1 + i % hosts;
		c.gpus_n = i / hosts < GPUS_PER_HOST;
		c.gpus[0].id = c.host_id * 100 + i / hosts;
		if (placement_take(p, i + 1, &r, &c, true, &err))
			printf("# %s\n", err.msg);
	}
	placement_forget(p);
	figure("placement_load_100000_allocations", (double)(now_ns() - start) / 1e6, "ms");
	start = now_ns();
	placement_choose(p, &r, 1, &c, &err);
	figure("placement_first_decision", (double)(now_ns() - start) / 1e6, "ms");
	start = now_ns();
	placement_destroy(placement_copy(p));
	figure("placement_copy", (double)(now_ns() - start) / 1e6, "ms");
	placement_destroy(p);
}

/* The score expects what comes. */
static void expect(struct placement *p)
{
	static struct placement_request mix[ARRAY_LEN(wishes)];
	static uint32_t weights[ARRAY_LEN(wishes)];

	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		mix[i] = request(&wishes[i]);
		weights[i] = 1;
	}
	placement_mix_set(p, mix, weights, ARRAY_LEN(wishes), true);
}

static void fill(struct placement *p)
{
	int64_t chose, took, gpus = 0;

	while (gpus < hosts * GPUS_PER_HOST * 7 / 10) {
		const struct wish *w = any_wish();

		gpus += w->gpus + !w->gpus; /* ends though nothing fits */
		place(p, w, &chose, &took);
	}
	placement_forget(p);
}

int main(int argc, char **argv)
{
	static const struct wish huge = { .vcpus = 1, .gib = 1, .gpus = 9, .model = "h100" };
	struct placement *p = placement_create();

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--hosts") == 0)
			hosts = atoll(argv[i + 1]);
		else if (strcmp(argv[i], "--json") == 0)
			json = fopen(argv[i + 1], "w");
	}
	if (json)
		fputs("{", json);
	measure_load();
	alive = xcalloc((size_t)hosts * 16 + DECISIONS, sizeof *alive);
	for (int64_t id = 1; id <= hosts; id++)
		add_host(p, id);
	measure_gang(p, "placement_gang_128x8_empty", 8, PLACEMENT_ANYWHERE);
	expect(p);
	fill(p);
	printf("# %d hosts, %zu servers\n", (int)hosts, alive_n);
	measure_mixed(p);
	measure_scan(p);
	measure(p, "cpu", &wishes[0], "");
	measure_pair(p, "gpu1", &wishes[4], "gpu6", &wishes[9]);
	measure(p, "gpu8_linked", &wishes[10], "");
	measure(p, "pinned", &wishes[12], "");
	measure(p, "partition", &wishes[14], "");
	measure(p, "named", &wishes[0], "node-000042");
	measure(p, "refused", &huge, "");
	measure_lists(p);
	measure_new_shape(p);
	measure_gang(p, "placement_gang_128x8", 8, PLACEMENT_ANYWHERE);
	measure_gang(p, "placement_gang_128x8_fabric", 8, PLACEMENT_ONE_FABRIC);
	measure_gang(p, "placement_gang_128x1_rack", 1, PLACEMENT_ONE_RACK);
	if (json) {
		fputs("}\n", json);
		fclose(json);
	}
	free(alive);
	placement_destroy(p);
	return 0;
}
