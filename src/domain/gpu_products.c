/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are those of the PCI id database; profiles and their positions as NVIDIA publishes them for MIG. Left
 * out are profiles with media extensions ("+me"), of which a GPU has one at most: a rule that slots do not
 * tell. */
#include "domain/gpu_products.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpuset.h"
#include "base/util.h"

/* ---- products ---- */

enum { NVIDIA = 0x10de, AMD = 0x1002, HABANA = 0x1da3, GIB = 1024 };

static const struct gpu_product products[] = {
	{ NVIDIA, 0x1db1, "v100-sxm2-16", 16 * GIB, GPU_LINK_SWITCH, NULL },
	{ NVIDIA, 0x1db4, "v100-pcie-16", 16 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x1db5, "v100-sxm2-32", 32 * GIB, GPU_LINK_SWITCH, NULL },
	{ NVIDIA, 0x1db6, "v100-pcie-32", 32 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x1db8, "v100-sxm3-32", 32 * GIB, GPU_LINK_SWITCH, NULL },
	{ NVIDIA, 0x1df6, "v100s-pcie-32", 32 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x1eb8, "t4", 16 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x20b0, "a100-sxm4-40", 40 * GIB, GPU_LINK_SWITCH, "mig-40" },
	{ NVIDIA, 0x20b1, "a100-pcie-40", 40 * GIB, GPU_LINK_NONE, "mig-40" },
	{ NVIDIA, 0x20b2, "a100-sxm4-80", 80 * GIB, GPU_LINK_SWITCH, "mig-80" },
	{ NVIDIA, 0x20b5, "a100-pcie-80", 80 * GIB, GPU_LINK_NONE, "mig-80" },
	{ NVIDIA, 0x20b7, "a30", 24 * GIB, GPU_LINK_NONE, "mig-24" },
	{ NVIDIA, 0x20f1, "a100-pcie-40", 40 * GIB, GPU_LINK_NONE, "mig-40" },
	{ NVIDIA, 0x20f3, "a800-sxm4-80", 80 * GIB, GPU_LINK_SWITCH, "mig-80" },
	{ NVIDIA, 0x20f5, "a800-pcie-80", 80 * GIB, GPU_LINK_NONE, "mig-80" },
	{ NVIDIA, 0x2235, "a40", 48 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x2236, "a10", 24 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x2321, "h100-nvl", 94 * GIB, GPU_LINK_PAIRS, "mig-94" },
	{ NVIDIA, 0x2322, "h800-pcie", 80 * GIB, GPU_LINK_NONE, "mig-80" },
	{ NVIDIA, 0x2324, "h800-sxm5", 80 * GIB, GPU_LINK_SWITCH, "mig-80" },
	{ NVIDIA, 0x2329, "h20", 96 * GIB, GPU_LINK_SWITCH, "mig-96" },
	{ NVIDIA, 0x2330, "h100-sxm5", 80 * GIB, GPU_LINK_SWITCH, "mig-80" },
	{ NVIDIA, 0x2331, "h100-pcie", 80 * GIB, GPU_LINK_NONE, "mig-80" },
	{ NVIDIA, 0x2335, "h200-sxm5", 141 * GIB, GPU_LINK_SWITCH, "mig-141" },
	{ NVIDIA, 0x233b, "h200-nvl", 141 * GIB, GPU_LINK_NONE, "mig-141" },
	{ NVIDIA, 0x26b5, "l40", 48 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x26b9, "l40s", 48 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x27b8, "l4", 24 * GIB, GPU_LINK_NONE, NULL },
	{ NVIDIA, 0x2901, "b200", 180 * GIB, GPU_LINK_SWITCH, "mig-180" },
	{ NVIDIA, 0x2941, "gb200", 186 * GIB, GPU_LINK_SWITCH, NULL },
	/* two of these make one module of the MI250X */
	{ AMD, 0x7408, "mi250x", 64 * GIB, GPU_LINK_NONE, NULL },
	{ AMD, 0x740c, "mi250x", 64 * GIB, GPU_LINK_NONE, NULL },
	{ AMD, 0x740f, "mi210", 64 * GIB, GPU_LINK_NONE, NULL },
	{ AMD, 0x74a1, "mi300x", 192 * GIB, GPU_LINK_SWITCH, NULL },
	{ AMD, 0x74a5, "mi325x", 256 * GIB, GPU_LINK_SWITCH, NULL },
	{ HABANA, 0x1020, "gaudi2", 96 * GIB, GPU_LINK_SWITCH, NULL },
};

const struct gpu_product *gpu_product_find(int64_t vendor_id, int64_t product_id)
{
	for (size_t i = 0; i < ARRAY_LEN(products); i++)
		if (products[i].vendor_id == vendor_id && products[i].product_id == product_id)
			return &products[i];
	return NULL;
}

/* ---- geometries: eight slots of memory, sevenths of the processors ---- */

#define EVERY 0x7f /* 0 to 6 */
#define EVEN 0x55  /* 0, 2, 4, 6 */
#define LOW 0x15   /* 0, 2, 4 */
#define HALF 0x11  /* 0, 4 */
#define SEVEN(n) ((n)*1000 / 7)

#define SEVENTHS(one, two, four, all)                                               \
	{ "1g." one, EVERY, 1, SEVEN(1) }, { "1g." two, EVEN, 2, SEVEN(1) },        \
		{ "2g." two, LOW, 2, SEVEN(2) }, { "3g." four, HALF, 4, SEVEN(3) }, \
		{ "4g." four, 1, 4, SEVEN(4) },                                     \
	{                                                                           \
		"7g." all, 1, 8, 1000                                               \
	}

static const struct gpu_profile mig_24[] = {
	{ "1g.6gb", 0xf, 1, 250 },
	{ "2g.12gb", 0x5, 2, 500 },
	{ "4g.24gb", 0x1, 4, 1000 },
};
static const struct gpu_profile mig_40[] = { SEVENTHS("5gb", "10gb", "20gb", "40gb") };
static const struct gpu_profile mig_80[] = { SEVENTHS("10gb", "20gb", "40gb", "80gb") };
static const struct gpu_profile mig_94[] = { SEVENTHS("12gb", "24gb", "47gb", "94gb") };
static const struct gpu_profile mig_96[] = { SEVENTHS("12gb", "24gb", "48gb", "96gb") };
static const struct gpu_profile mig_141[] = { SEVENTHS("18gb", "35gb", "71gb", "141gb") };
static const struct gpu_profile mig_180[] = { SEVENTHS("23gb", "45gb", "90gb", "180gb") };

#define GEOMETRY(name, slots, profiles)                          \
	{                                                        \
		(name), (slots), (profiles), ARRAY_LEN(profiles) \
	}

static const struct gpu_geometry geometries[] = {
	GEOMETRY("mig-24", 4, mig_24),
	GEOMETRY("mig-40", 8, mig_40),
	GEOMETRY("mig-80", 8, mig_80),
	GEOMETRY("mig-94", 8, mig_94),
	GEOMETRY("mig-96", 8, mig_96),
	GEOMETRY("mig-141", 8, mig_141),
	GEOMETRY("mig-180", 8, mig_180),
};

const struct gpu_geometry *gpu_geometry_at(size_t i)
{
	return i < ARRAY_LEN(geometries) ? &geometries[i] : NULL;
}

const struct gpu_geometry *gpu_geometry_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(geometries); i++)
		if (strcmp(geometries[i].name, name) == 0)
			return &geometries[i];
	return NULL;
}

/* ---- types of mediated devices ---- */

static bool mdev_type(const char *at, size_t n, struct gpu_mdev_type *out)
{
	const char *eq = memchr(at, '=', n), *name;
	char *end;
	long instances;

	if (!eq || eq == at || eq - at >= GPU_MDEV_NAME)
		return false;
	instances = strtol(eq + 1, &end, 10);
	if (end == eq + 1 || instances < 0 || instances > 1 << 20)
		return false;
	memset(out, 0, sizeof *out);
	memcpy(out->id, at, (size_t)(eq - at));
	out->instances = (int)instances;
	name = end < at + n && *end == ':' ? end + 1 : NULL;
	for (size_t i = 0; name && name + i < at + n && i < GPU_MDEV_NAME - 1; i++)
		out->name[i] = name[i];
	return true;
}

size_t gpu_mdev_types(const char *text, struct gpu_mdev_type out[GPU_MDEV_TYPES_MAX])
{
	size_t n = 0;

	while (*text && n < GPU_MDEV_TYPES_MAX) {
		size_t len = strcspn(text, ";");

		n += mdev_type(text, len, &out[n]);
		text += len + (text[len] == ';');
	}
	return n;
}

static int lesser(int64_t a, int64_t b)
{
	return (int)(a < b ? a : b);
}

int gpu_mdev_most(const struct gpu_mdev_type *t, int64_t memory_mib)
{
	const char *dash = strrchr(t->name, '-'), *before;
	int most = t->instances, gib, slices;
	char kind, end;

	if (!dash || sscanf(dash, "-%4d%c", &gib, &kind) != 2 || gib < 1 || kind < 'A' || kind > 'Z')
		return most;
	if (memory_mib >= (int64_t)gib * GIB)
		most = lesser(most, memory_mib / GIB / gib);
	before = memrchr(t->name, '-', (size_t)(dash - t->name));
	if (before && sscanf(before, "-%2d%c", &slices, &end) == 2 && end == '-' && slices >= 1 &&
		slices <= 7)
		most = lesser(most, 7 / slices);
	return most;
}

static bool is_profile(const struct gpu_mdev_type *t, const char *profile)
{
	char suffix[GPU_MDEV_NAME];
	size_t n = strlen(t->name), m;
	int slices, gb, end = 0;

	if (strcmp(t->id, profile) == 0 || strcmp(t->name, profile) == 0)
		return true;
	if (sscanf(profile, "%2dg.%4dgb%n", &slices, &gb, &end) != 2 || !end || profile[end])
		return false;
	m = (size_t)snprintf(suffix, sizeof suffix, "-%d-%dC", slices, gb);
	return n > m && strcmp(t->name + n - m, suffix) == 0;
}

bool gpu_mdev_find(const char *text, const char *profile, char out_id[GPU_MDEV_NAME])
{
	struct gpu_mdev_type types[GPU_MDEV_TYPES_MAX];
	size_t n = gpu_mdev_types(text, types);

	for (size_t i = 0; i < n; i++)
		if (is_profile(&types[i], profile)) {
			str_copy(out_id, GPU_MDEV_NAME, types[i].id);
			return true;
		}
	return false;
}

uint64_t gpu_geometry_offered(const struct gpu_geometry *g, const char *mdev_types)
{
	char id[GPU_MDEV_NAME];
	uint64_t offered = 0;

	for (size_t i = 0; i < g->profiles_n && i < 64; i++)
		offered |= (uint64_t)gpu_mdev_find(mdev_types, g->profiles[i].name, id) << i;
	return offered;
}

/* ---- interconnect ---- */

static uint64_t span(const size_t *order, size_t n)
{
	uint64_t set = 0;

	for (size_t i = 0; i < n; i++)
		set |= (uint64_t)1 << order[i];
	return set;
}

/* Aligned sets of 8, 4 and 2, or of 2 alone, of those in `order`. */
static size_t sets_of(const size_t *order, size_t n, size_t largest, uint64_t *out, size_t out_n)
{
	for (size_t size = largest; size > 1; size /= 2)
		for (size_t i = 0; i + size <= n && out_n < GPU_LINKS_MAX; i += size)
			out[out_n++] = span(order + i, size);
	return out_n;
}

size_t gpu_links_auto(const struct gpu_product *const *p, size_t n, uint64_t out[GPU_LINKS_MAX])
{
	uint64_t seen = 0;
	size_t out_n = 0;

	for (size_t i = 0; i < n && i < 64; i++) {
		size_t order[64], k = 0;

		if (!p[i] || p[i]->link == GPU_LINK_NONE || seen >> i & 1)
			continue;
		for (size_t j = i; j < n && j < 64; j++)
			if (p[j] == p[i])
				order[k++] = j;
		seen |= span(order, k);
		out_n = sets_of(order, k, p[i]->link == GPU_LINK_PAIRS ? 2 : 8, out, out_n);
	}
	return out_n;
}

int gpu_links_parse(const char *text, uint64_t out[GPU_LINKS_MAX])
{
	int n = 0;

	while (*text) {
		size_t len = strcspn(text, ";");
		char one[256];
		struct cpuset set;

		if (!len || len >= sizeof one || n == GPU_LINKS_MAX)
			return -1;
		memcpy(one, text, len);
		one[len] = '\0';
		if (cpuset_parse(one, &set) || cpuset_empty(&set) || cpuset_next(&set, 64) >= 0)
			return -1;
		out[n++] = set.bits[0];
		text += len;
		if (*text == ';' && !*++text)
			return -1;
	}
	return n;
}
