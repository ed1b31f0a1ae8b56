/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated host is made of: the parameters of its URI, and the inventory that follows from them. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/sim_world.h"

/* --- parameters ----------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t offset;
	int64_t min, max, absent;
} numbers[] = {
#define NUMBER(name, min, max, absent)                                           \
	{                                                                        \
#name, offsetof(struct sim_params, name), (min), (max), (absent) \
	}
	NUMBER(vcpus, 1, 65536, 64),
	NUMBER(cells, 1, 64, 1),
	NUMBER(threads, 1, 8, 1),
	NUMBER(ram_gib, 1, 1 << 20, 256),
	NUMBER(disk_gib, 1, 1 << 30, 10000),
	NUMBER(pages_2m, 0, 1 << 28, 0),
	NUMBER(pages_1g, 0, 1 << 20, 0),
	NUMBER(gpus, 0, 128, 0),
	NUMBER(iommu, 1, 128, 1),
	NUMBER(audio, 0, 1, 0),
	NUMBER(delay_ms, 0, 600000, 0),
	NUMBER(move_ms, 0, 600000, 0),
#undef NUMBER
};

static const struct {
	const char *name;
	size_t offset, size;
} texts[] = {
#define TEXT(name)                                                                                  \
	{                                                                                           \
#name, offsetof(struct sim_params, name), sizeof(((struct sim_params *)NULL)->name) \
	}
	TEXT(state),
	TEXT(off),
	TEXT(hang),
	TEXT(lost),
	TEXT(features),
	TEXT(mdev),
#undef TEXT
};

static int64_t *number_at(struct sim_params *p, size_t i)
{
	return (int64_t *)(void *)((char *)p + numbers[i].offset);
}

static bool gpu_set(struct sim_params *p, const char *value)
{
	unsigned vendor, product;
	int end = 0;

	if (sscanf(value, "%4x:%4x%n", &vendor, &product, &end) != 2 || value[end])
		return false;
	p->gpu_vendor = (uint16_t)vendor;
	p->gpu_product = (uint16_t)product;
	return true;
}

static bool param_set(struct sim_params *p, const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (strcmp(key, numbers[i].name) == 0)
			return str_int64(value, numbers[i].min, numbers[i].max, number_at(p, i));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(key, texts[i].name) == 0)
			return *value && str_copy((char *)p + texts[i].offset, texts[i].size, value);
	return strcmp(key, "gpu") == 0 && gpu_set(p, value);
}

/* Texts come without characters that mean something in a URI. */
static void replace(char *text, char what, char with, bool first_only)
{
	bool done = false;

	for (; *text; text++) {
		if (*text == ';')
			done = false;
		if (*text != what || (done && first_only))
			continue;
		*text = with;
		done = true;
	}
}

int sim_params_read(const char *query, struct sim_params *out, struct error *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(query);
	struct sim_params p = { .gpu_vendor = 0x10de, .gpu_product = 0x20b0 };
	char *save = NULL;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*number_at(&p, i) = numbers[i].absent;
	for (char *pair = strtok_r(copy, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(pair, '=');

		if (eq)
			*eq = '\0';
		if (!eq || !param_set(&p, pair, eq + 1))
			return error_set(err, ERR_BAD_REQUEST,
				"sim://: %.32s is not one of vcpus, cells, threads, ram_gib, disk_gib, "
				"pages_2m, pages_1g, features, gpus, gpu, iommu, audio, mdev, delay_ms, "
				"move_ms, state, off, hang, lost with a valid value",
				pair);
	}
	replace(p.features, '.', ' ', false);
	replace(p.mdev, ',', ';', false);
	replace(p.mdev, ':', '=', true);
	*out = p;
	return 0;
}

/* --- inventory ------------------------------------------------------------------------------------------ */

static void fill_gpu(struct hv_device *d, const struct sim_world *w, const struct sim_gpu *g, struct arena *a)
{
	sim_gpu_describe(w, g, d);
	d->companions = "";
	if (w->params.audio)
		d->companions = arena_printf(a, "%.*s.1", (int)strcspn(g->address, "."), g->address);
	d->mdev_types = arena_strdup(a, w->params.mdev);
}

/* Cores are spread over the cells in order. Threads are numbered as Linux does: first one of each core, then
 * the second. */
static void fill_cell(struct hv_cell *cell, const struct sim_params *p, int id, struct arena *a)
{
	int64_t cores = (p->vcpus + p->threads - 1) / p->threads;
	struct hv_cpu *list = ARENA_ARRAY(a, struct hv_cpu, CPUSET_MAX);

	cell->id = id;
	cell->ram_mib = p->ram_gib * 1024 / p->cells;
	cell->pages_2m = p->pages_2m;
	cell->pages_1g = p->pages_1g;
	cell->cpu = list;
	for (int64_t core = 0; core < cores; core++)
		for (int64_t cpu = core; core * p->cells / cores == id && cpu < p->vcpus; cpu += cores) {
			cell->cpus++;
			if (cpu < CPUSET_MAX)
				list[cell->cpu_n++] = (struct hv_cpu) { (int16_t)cpu, (int16_t)core };
		}
}

static void fill_uuid(const char *name, char out[UUID_TEXT])
{
	unsigned char h[SHA256_SIZE];

	sha256(name, strlen(name), h);
	snprintf(out, UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x",
		h[0], h[1], h[2], h[3], h[4], h[5], h[6] & 15, h[7], h[8] & 15, h[9], h[10], h[11], h[12],
		h[13], h[14], h[15]);
}

static void fill_inventory(const struct sim_world *w, struct arena *a, struct hv_inventory *inv)
{
	const struct sim_params *p = &w->params;
	struct hv_cell *cells = ARENA_ARRAY(a, struct hv_cell, (size_t)p->cells);
	struct hv_device *devices = ARENA_ARRAY(a, struct hv_device, (size_t)p->gpus);
	int64_t used_gib = (w->used_bytes + (1LL << 30) - 1) >> 30;

	for (int i = 0; i < p->cells; i++)
		fill_cell(&cells[i], p, i, a);
	for (int i = 0; i < p->gpus; i++)
		if (!sim_gpu_lost(w, &w->gpus[i]))
			fill_gpu(&devices[inv->devices_n++], w, &w->gpus[i], a);
	fill_uuid(w->node.key, inv->uuid);
	inv->hostname = arena_strdup(a, w->node.key);
	inv->type = "SIM";
	inv->version = 1000000;
	inv->arch = "x86_64";
	inv->cpu_model = "Simulated";
	inv->cpu_features = arena_strdup(a, p->features);
	inv->cpus = (int)p->vcpus;
	inv->sockets = (int)p->cells;
	inv->threads = (int)p->threads;
	inv->cores = (int)(p->vcpus / p->cells / p->threads);
	inv->cores += !inv->cores;
	inv->ram_mib = p->ram_gib * 1024;
	inv->cells = cells;
	inv->cells_n = (size_t)p->cells;
	inv->devices = devices;
	inv->kvm = true;
	inv->pool_capacity_gib = p->disk_gib;
	inv->pool_free_gib = used_gib > p->disk_gib ? 0 : p->disk_gib - used_gib;
	str_copy(inv->pool, sizeof inv->pool, "sim");
}

int sim_inventory(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err)
{
	struct hv_inventory inv = { 0 };
	struct sim_call k;

	if (sim_begin(c, SIM_INVENTORY, &k, err) < 0)
		return -1;
	fill_inventory(k.w, a, &inv);
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = inv;
	return 0;
}
