/* SPDX-License-Identifier: Apache-2.0 */
/* How long the engine takes to decide on a cloud of ten thousand hosts with eight GPUs each, half full.
 * Prints one line "name value unit" per figure; --json FILE writes them as an object too.  bench_placement
 * [--hosts N] [--json FILE] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "placement/placement.h"

enum { GPUS_PER_HOST = 8, DECISIONS = 2000, GANG = 64 };

static uint64_t seed = 1;

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

static void add_host(struct placement *p, int64_t id, bool gpus_there)
{
	struct placement_gpu gpus[GPUS_PER_HOST];
	struct placement_host h = { .id = id,
		.vcpus = 128,
		.ram_mib = 1 << 20,
		.ram_reserved_mib = 8192,
		.disk_gib = 8000,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = gpus_there ? GPUS_PER_HOST : 0 };

	snprintf(h.name, sizeof h.name, "node-%05d", (int)id);
	str_copy(h.zone, sizeof h.zone, id % 2 ? "a" : "b");
	for (int i = 0; i < GPUS_PER_HOST; i++) {
		gpus[i] = (struct placement_gpu) {
			.id = id * 100 + i, .numa_cell = i / 4, .iommu_group = -1, .healthy = true
		};
		str_copy(gpus[i].model, sizeof gpus[i].model, id % 4 ? "h100" : "l40s");
	}
	placement_host_set(p, &h);
}

static struct placement_request request(int gpus)
{
	struct placement_request r = { .vcpus = gpus ? 8 * gpus : 1 + (int)rnd(8), .disk_gib = 20 };

	r.ram_mib = r.vcpus * 4096;
	if (gpus) {
		str_copy(r.gpus[0].model, sizeof r.gpus[0].model, "h100");
		r.gpus[0].count = gpus;
		r.gpus_n = 1;
	}
	return r;
}

static int64_t took[DECISIONS];

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static FILE *json;

static void figure(const char *name, double value, const char *unit)
{
	static bool more;

	printf("%s %.3f %s\n", name, value, unit);
	if (json)
		fprintf(json, "%s\"%s\": {\"value\": %.6f, \"unit\": \"%s\"}", more ? ", " : "", name, value,
			unit);
	more = true;
}

static void percentiles(const char *name)
{
	static const struct {
		const char *suffix;
		int at;
	} which[] = { { "p50", DECISIONS / 2 }, { "p99", DECISIONS * 99 / 100 } };
	char full[64];

	qsort(took, DECISIONS, sizeof *took, by_value);
	for (size_t i = 0; i < ARRAY_LEN(which); i++) {
		snprintf(full, sizeof full, "placement_%s_%s", name, which[i].suffix);
		figure(full, (double)took[which[i].at] / 1e3, "us");
	}
}

/* Decide, take and give back, so that the cloud stays as full as it was. */
static void measure(struct placement *p, const char *name, int gpus, const char *host)
{
	for (int i = 0; i < DECISIONS; i++) {
		struct placement_request r = request(gpus);
		struct placement_choice c;
		struct error err;
		int64_t start = now_ns();
		int rc;

		str_copy(r.host, sizeof r.host, host);
		rc = placement_choose(p, &r, 1, &c, &err);
		if (rc == 0)
			placement_take(p, INT64_MAX, &r, &c, false, &err);
		took[i] = now_ns() - start;
		placement_release(p, INT64_MAX);
		placement_forget(p);
	}
	percentiles(name);
}

static void measure_gang(struct placement *p)
{
	static struct placement_choice c[GANG];
	struct placement_request r = request(8);
	struct error err;
	int64_t start = now_ns();

	for (int i = 0; i < 100; i++)
		placement_choose(p, &r, GANG, c, &err);
	figure("placement_gang_64x8", (double)(now_ns() - start) / 100 / 1e3, "us");
}

static size_t fill(struct placement *p, int64_t hosts)
{
	struct placement_choice c;
	struct error err;
	size_t n = 0;

	for (int64_t h = 1; h <= hosts;
		h++) { /* a server with 1 to 7 GPUs on half of them, one without on a third */
		struct placement_request r = request(h % 2 ? 0 : 1 + (int)rnd(7));

		snprintf(r.host, sizeof r.host, "node-%05d", (int)h);
		if (r.gpus_n && h % 4 == 0)
			str_copy(r.gpus[0].model, sizeof r.gpus[0].model, "l40s");
		if (h % 6 != 1 && placement_choose(p, &r, 1, &c, &err) == 0 &&
			placement_take(p, h, &r, &c, false, &err) == 0)
			n++;
	}
	placement_forget(p);
	return n;
}

int main(int argc, char **argv)
{
	struct placement *p = placement_create();
	int64_t hosts = 10000, start;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--hosts") == 0)
			hosts = atoll(argv[i + 1]);
		else if (strcmp(argv[i], "--json") == 0)
			json = fopen(argv[i + 1], "w");
	}
	if (json)
		fputs("{", json);
	start = now_ns();
	for (int64_t id = 1; id <= hosts; id++)
		add_host(p, id, id % 5 != 0);
	placement_forget(p);
	figure("placement_load_hosts", (double)(now_ns() - start) / 1e6, "ms");
	printf("# %d hosts, %zu servers\n", (int)hosts, fill(p, hosts));
	measure(p, "cpu", 0, "");
	measure(p, "gpu1", 1, "");
	measure(p, "gpu8", 8, "");
	measure(p, "named", 0, "node-00042");
	measure(p, "refused", 32, "");
	measure_gang(p);
	if (json) {
		fputs("}\n", json);
		fclose(json);
	}
	placement_destroy(p);
	return 0;
}
