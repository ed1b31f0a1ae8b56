/* SPDX-License-Identifier: Apache-2.0 */
/* Extra specs of flavors, in Nova's terms where Nova has them: one table of what is understood. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/flavor.h"
#include "domain/names.h"

static const char model_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-|";
static const char trait_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* ---- words and numbers ---- */

struct word {
	const char *text;
	int value;
};

static const struct word threads_words[] = { { "prefer", FLAVOR_THREADS_PREFER },
	{ "isolate", FLAVOR_THREADS_ISOLATE }, { "require", FLAVOR_THREADS_REQUIRE }, { NULL, 0 } };
static const struct word pci_words[] = { { "legacy", FLAVOR_PCI_LEGACY }, { "required", FLAVOR_PCI_REQUIRED },
	{ "preferred", FLAVOR_PCI_PREFERRED }, { "socket", FLAVOR_PCI_SOCKET }, { NULL, 0 } };
static const struct word wish_words[] = { { "required", FLAVOR_REQUIRED }, { "preferred", FLAVOR_PREFERRED },
	{ NULL, 0 } };
static const struct word scope_words[] = { { "host", FLAVOR_ONE_HOST }, { "rack", FLAVOR_ONE_RACK },
	{ "fabric", FLAVOR_ONE_FABRIC }, { NULL, 0 } };
static const struct word trait_words[] = { { "required", false }, { "forbidden", true }, { NULL, 0 } };
static const struct word page_words[] = { { "any", FLAVOR_PAGE_ANY }, { "small", 4 },
	{ "large", FLAVOR_PAGE_LARGE }, { "4", 4 }, { "4KB", 4 }, { "2048", 2048 }, { "2MB", 2048 },
	{ "1048576", 1048576 }, { "1GB", 1048576 }, { NULL, 0 } };

static int spec_word(
	const char *key, const char *value, const struct word *words, int *out, struct error *err)
{
	char known[120] = "";
	size_t n = 0;

	for (const struct word *w = words; w->text; w++)
		if (strcmp(w->text, value) == 0) {
			*out = w->value;
			return 0;
		}
	for (const struct word *w = words; w->text; w++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s",
			w == words  ? ""
			: w[1].text ? ", "
				    : " or ",
			w->text);
	return error_set(err, ERR_BAD_REQUEST, "%.80s must be %s, not '%.64s'", key, known, value);
}

static int spec_bool(const char *key, const char *value, bool *out, struct error *err)
{
	if (str_bool(value, out))
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "%.80s must be true or false, not '%.64s'", key, value);
}

static int spec_number(
	const char *key, const char *value, int64_t min, int64_t max, int64_t *out, struct error *err)
{
	int64_t n = 0;
	size_t len = strlen(value);

	if (len && len <= 10 && strspn(value, "0123456789") == len) {
		n = strtoll(value, NULL, 10);
		if (n >= min && n <= max) {
			*out = n;
			return 0;
		}
	}
	return error_set(err, ERR_BAD_REQUEST,
		"%.80s must be an integer from %" PRId64 " to %" PRId64 ", not '%.64s'", key, min, max,
		value);
}

/* ---- GPUs ---- */

bool flavor_model_among(const char *models, const char *model)
{
	size_t n = strlen(model), len;

	for (const char *p = models; n && *p; p += len + (p[len] == '|')) {
		len = strcspn(p, "|");
		if (len == n && memcmp(p, model, n) == 0)
			return true;
	}
	return false;
}

int64_t flavor_wants_gpus(const struct flavor_wants *w)
{
	int64_t n = w->part.count;

	for (size_t i = 0; i < w->gpus_n; i++)
		n += w->gpus[i].count;
	return n;
}

static int add_gpus(const struct flavor_gpu_want *want, struct flavor_wants *wants, struct error *err)
{
	size_t i = 0;

	while (i < wants->gpus_n && strcmp(wants->gpus[i].model, want->model) != 0)
		i++;
	if (i < wants->gpus_n)
		return error_set(
			err, ERR_BAD_REQUEST, "pci_passthrough:alias names %.64s twice", want->model);
	if (i == FLAVOR_GPU_KINDS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "pci_passthrough:alias may name at most %d models",
			FLAVOR_GPU_KINDS_MAX);
	if (flavor_wants_gpus(wants) + want->count > FLAVOR_GPUS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "pci_passthrough:alias may ask for at most %d GPUs",
			FLAVOR_GPUS_MAX);
	wants->gpus[i] = *want;
	wants->gpus_n++;
	return 0;
}

/* "h100:8,l40s:1"; "h100|h200:8" is eight of either. */
static int spec_gpus(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	const char *p = value;

	do {
		struct flavor_gpu_want want = { .count = 0 };
		size_t n;
		int digits = 0;

		p += strspn(p, " ");
		n = strspn(p, model_chars);
		if (n == 0 || n >= sizeof want.model || p[n] != ':')
			break;
		memcpy(want.model, p, n);
		for (p += n + 1; *p >= '0' && *p <= '9' && digits < 4; p++, digits++)
			want.count = want.count * 10 + (*p - '0');
		p += strspn(p, " ");
		if (want.count < 1 || (*p && *p != ','))
			break;
		if (add_gpus(&want, wants, err) < 0)
			return -1;
		if (!*p)
			return 0;
	} while (*p++ == ',');
	return error_set(
		err, ERR_BAD_REQUEST, "%s must be MODEL:COUNT[,MODEL:COUNT...], not '%.64s'", key, value);
}

static int spec_vgpu(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int64_t n = 0;

	if (spec_number(key, value, 1, FLAVOR_GPUS_MAX, &n, err) < 0)
		return -1;
	wants->part.count = (int)n;
	return 0;
}

static int part_name(const char *key, const char *value, char *out, size_t size, struct error *err)
{
	size_t n = strlen(value);

	if (!n || n >= size || strspn(value, model_chars) != n)
		return error_set(err, ERR_BAD_REQUEST,
			"%s must be a name of letters, digits, '_', '.' and '-', not '%.64s'", key, value);
	memcpy(out, value, n + 1);
	return 0;
}

static int spec_profile(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	return part_name(key, value, wants->part.profile, sizeof wants->part.profile, err);
}

static int spec_part_model(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	return part_name(key, value, wants->part.model, sizeof wants->part.model, err);
}

static int spec_link(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int v = 0;

	if (spec_word(key, value, wish_words, &v, err) < 0)
		return -1;
	wants->link = (enum flavor_wish)v;
	return 0;
}

static int spec_pci(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int v = 0;

	if (spec_word(key, value, pci_words, &v, err) < 0)
		return -1;
	wants->pci = (enum flavor_pci)v;
	return 0;
}

/* ---- CPUs and memory ---- */

static int spec_cpu_policy(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	static const struct word words[] = { { "shared", false }, { "dedicated", true }, { NULL, 0 } };
	int v = 0;

	if (spec_word(key, value, words, &v, err) < 0)
		return -1;
	wants->dedicated |= v;
	return 0;
}

static int spec_pcpu(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int64_t n = 0;

	if (spec_number(key, value, 1, FLAVOR_PINS_MAX, &n, err) < 0)
		return -1;
	wants->pcpus = (int)n;
	wants->dedicated = true;
	return 0;
}

static int spec_threads(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int v = 0;

	if (spec_word(key, value, threads_words, &v, err) < 0)
		return -1;
	wants->threads = (enum flavor_threads)v;
	wants->threads_said = true;
	return 0;
}

/* QEMU's own threads run on the CPUs of the server's vCPUs. */
static int spec_emulator(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	(void)wants;
	if (strcmp(value, "share") == 0)
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"%s must be share: a server's emulator threads run on the CPUs of its vCPUs", key);
}

static int spec_pages(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	return spec_word(key, value, page_words, &wants->page_kib, err);
}

static int spec_nodes(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int64_t n = 0;

	if (spec_number(key, value, 1, FLAVOR_CELLS_MAX, &n, err) < 0)
		return -1;
	wants->cells_n = (int)n;
	return 0;
}

/* The number behind "hw:numa_cpus." */
static int cell_number(const char *key, int *out, struct error *err)
{
	const char *digits = strrchr(key, '.') + 1;
	int64_t n = 0;

	if (spec_number("the NUMA cell's number", digits, 0, FLAVOR_CELLS_MAX - 1, &n, err) < 0)
		return -1;
	*out = (int)n;
	return 0;
}

/* One run of vCPUs: "0-3", "0,1,2,3" or "4". */
static int spec_cell_cpus(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int cell = 0, next = -1, first = 0;
	const char *p = value;

	if (cell_number(key, &cell, err) < 0)
		return -1;
	while (isdigit((unsigned char)*p)) {
		char *end;
		long from = strtol(p, &end, 10), to = from;

		if (*end == '-' && isdigit((unsigned char)end[1]))
			to = strtol(end + 1, &end, 10);
		if (from > to || to >= FLAVOR_VCPUS_MAX || (next >= 0 && from != next))
			break;
		if (next < 0)
			first = (int)from;
		next = (int)to + 1;
		if (!*end) {
			wants->cells[cell].first = first;
			wants->cells[cell].vcpus = next - first;
			wants->cells_cpus |= UINT32_C(1) << cell;
			return 0;
		}
		if (*end != ',')
			break;
		p = end + 1;
	}
	return error_set(err, ERR_BAD_REQUEST, "%s must be vCPUs in a row, as 0-3 or 0,1,2,3, not '%.64s'",
		key, value);
}

static int spec_cell_ram(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int cell = 0;

	if (cell_number(key, &cell, err) < 0 ||
		spec_number(key, value, 1, FLAVOR_RAM_MIB_MAX, &wants->cells[cell].ram_mib, err) < 0)
		return -1;
	wants->cells_ram |= UINT32_C(1) << cell;
	return 0;
}

/* ---- the host ---- */

/* Every guest has a virtio-rng device. */
static int spec_rng(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	bool on;

	(void)wants;
	if (str_bool(value, &on) && on)
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "%s must be true: every server has a random number device", key);
}

static int spec_exclusive(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	return spec_bool(key, value, &wants->exclusive_host, err);
}

static int spec_preemptible(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	return spec_bool(key, value, &wants->preemptible, err);
}

static int spec_scope(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int v = 0;

	if (spec_word(key, value, scope_words, &v, err) < 0)
		return -1;
	wants->scope = (enum flavor_scope)v;
	return 0;
}

static int spec_scope_wish(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	int v = 0;

	if (spec_word(key, value, wish_words, &v, err) < 0)
		return -1;
	wants->scope_wish = (enum flavor_wish)v;
	wants->scope_wish_said = true;
	return 0;
}

/* Metadata that an aggregate of the host has: the whole value, no operators. */
static int spec_aggregate(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	static const char *const operators[] = { "=", "<", ">", "!=", "s==", "s!=", "s<", "s>" };
	struct flavor_aggregate_want *w = &wants->aggregates[wants->aggregates_n];
	const char *name = strchr(key, ':') + 1;

	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (str_starts(value, operators[i]))
			return error_set(err, ERR_BAD_REQUEST,
				"%.120s is compared as a whole: the operator '%s' is not understood here",
				key, operators[i]);
	if (wants->aggregates_n == FLAVOR_AGGREGATES_MAX)
		return error_set(err, ERR_BAD_REQUEST,
			"a flavor may name metadata of aggregates at most %d times", FLAVOR_AGGREGATES_MAX);
	if (!*name || !str_copy(w->key, sizeof w->key, name) || !str_copy(w->value, sizeof w->value, value))
		return error_set(err, ERR_BAD_REQUEST,
			"aggregate_instance_extra_specs:KEY needs a key of 1 to %zu bytes and a value of at "
			"most %zu",
			sizeof w->key - 1, sizeof w->value - 1);
	wants->aggregates_n++;
	return 0;
}

static int spec_trait(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	struct flavor_trait *t = &wants->traits[wants->traits_n];
	const char *name = strchr(key, ':') + 1;
	size_t n = strlen(name);
	int forbidden = 0;

	if (spec_word(key, value, trait_words, &forbidden, err) < 0)
		return -1;
	if (!n || n >= sizeof t->name || strspn(name, trait_chars) != n)
		return error_set(err, ERR_BAD_REQUEST,
			"trait:NAME needs a name of capitals, digits and '_', as CUSTOM_NVME, not '%.64s'",
			name);
	if (wants->traits_n == FLAVOR_TRAITS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "a flavor may name at most %d traits", FLAVOR_TRAITS_MAX);
	memcpy(t->name, name, n + 1);
	t->forbidden = forbidden;
	wants->traits_n++;
	return 0;
}

/* ---- the table ---- */

static const struct spec {
	const char *key; /* a whole key, or the beginning of one where `begins` */
	bool begins;
	int (*parse)(const char *key, const char *value, struct flavor_wants *wants, struct error *err);
	struct flavor_spec_doc doc;
} specs[] = {
	{ "pci_passthrough:alias", false, spec_gpus,
		{ "pci_passthrough:alias", "MODEL:COUNT[,...]",
			"whole GPUs; h100\\|h200:8 takes eight of either" } },
	{ "resources:VGPU", false, spec_vgpu,
		{ "resources:VGPU", "1 to 64",
			"partitions of GPUs, of the profile that cloudd:gpu_profile names" } },
	{ "resources:PCPU", false, spec_pcpu,
		{ "resources:PCPU", "the flavor's vCPUs", "the same as hw:cpu_policy=dedicated" } },
	{ "hw:cpu_policy", false, spec_cpu_policy,
		{ "hw:cpu_policy", "shared, dedicated", "dedicated: each vCPU has a host CPU of its own" } },
	{ "hw:cpu_thread_policy", false, spec_threads,
		{ "hw:cpu_thread_policy", "prefer, isolate, require",
			"threads of one core: filled where it can be, one vCPU a core, or whole cores "
			"only" } },
	{ "hw:emulator_threads_policy", false, spec_emulator,
		{ "hw:emulator_threads_policy", "share", "QEMU's own threads run on the server's CPUs" } },
	{ "hw:mem_page_size", false, spec_pages,
		{ "hw:mem_page_size", "any, small, large, 2MB, 1GB (or KiB)",
			"pages of the server's memory; large: 1 GiB pages, else 2 MiB ones" } },
	{ "hw:numa_nodes", false, spec_nodes,
		{ "hw:numa_nodes", "1 to 8",
			"NUMA cells that the server sees, each within a host's cell of its own" } },
	{ "hw:numa_cpus.", true, spec_cell_cpus,
		{ "hw:numa_cpus.N", "vCPUs in a row: 0-3",
			"the vCPUs of cell N, where cells are not equal" } },
	{ "hw:numa_mem.", true, spec_cell_ram,
		{ "hw:numa_mem.N", "MiB", "the memory of cell N, where cells are not equal" } },
	{ "hw:pci_numa_affinity_policy", false, spec_pci,
		{ "hw:pci_numa_affinity_policy", "legacy, required, preferred, socket",
			"whether GPUs lie near the server's cells" } },
	{ "hw_rng:allowed", false, spec_rng,
		{ "hw_rng:allowed", "true", "every server has a random number device" } },
	{ "trait:", true, spec_trait,
		{ "trait:NAME", "required, forbidden", "the host has the trait, or has it not" } },
	{ "aggregate_instance_extra_specs:", true, spec_aggregate,
		{ "aggregate_instance_extra_specs:KEY", "text",
			"an aggregate of the host has that metadata" } },
	{ FLAVOR_EXCLUSIVE_HOST, false, spec_exclusive,
		{ FLAVOR_EXCLUSIVE_HOST, "true, false", "no other server on its host" } },
	{ "cloudd:gpu_link", false, spec_link,
		{ "cloudd:gpu_link", "required, preferred",
			"the GPUs are one partition of the interconnect (NVLink, NVSwitch)" } },
	{ "cloudd:gpu_profile", false, spec_profile,
		{ "cloudd:gpu_profile", "as 1g.10gb", "which partition resources:VGPU means" } },
	{ "cloudd:gpu_model", false, spec_part_model,
		{ "cloudd:gpu_model", "MODEL[\\|MODEL...]",
			"of which GPUs resources:VGPU takes partitions" } },
	{ "cloudd:scope", false, spec_scope,
		{ "cloudd:scope", "host, rack, fabric", "how close the servers of one request lie" } },
	{ "cloudd:scope_policy", false, spec_scope_wish,
		{ "cloudd:scope_policy", "required, preferred",
			"whether cloudd:scope must be met (it must, unless said)" } },
	{ "cloudd:preemptible", false, spec_preemptible,
		{ "cloudd:preemptible", "true, false",
			"the server leaves, with notice, when others need its room" } },
};

const struct flavor_spec_doc *flavor_spec_doc(size_t i)
{
	return i < ARRAY_LEN(specs) ? &specs[i].doc : NULL;
}

static bool is_for(const struct spec *s, const char *key)
{
	return s->begins ? str_starts(key, s->key) : strcmp(s->key, key) == 0;
}

/* Those of the same name space, or else the name spaces. */
static int not_understood(const char *key, struct error *err)
{
	size_t space = strcspn(key, ":"), n = 0;
	char known[200] = "";

	for (size_t i = 0; i < ARRAY_LEN(specs) && key[space]; i++)
		if (strncmp(specs[i].key, key, space + 1) == 0)
			n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "",
				specs[i].doc.key + space + 1);
	if (n)
		return error_set(err, ERR_BAD_REQUEST,
			"the extra spec '%.60s' is not understood and would have no effect; of %.*s: there "
			"are "
			"%s",
			key, (int)space, key, known);
	return error_set(err, ERR_BAD_REQUEST,
		"the extra spec '%.60s' is not understood and would have no effect; understood are some of "
		"pci_passthrough:, resources:, hw:, hw_rng:, trait:, aggregate_instance_extra_specs:, "
		"cloudd:",
		key);
}

int flavor_extra_spec(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	struct flavor_wants scratch;

	if (name_check(NAME_EXTRA_SPEC_KEY, key, err) < 0 ||
		name_check(NAME_EXTRA_SPEC_VALUE, value, err) < 0)
		return -1;
	if (!wants)
		memset(&scratch, 0, sizeof scratch);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		if (is_for(&specs[i], key))
			return specs[i].parse(key, value, wants ? wants : &scratch, err);
	return not_understood(key, err);
}

/* ---- all of them together ---- */

static int check_cells(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib, struct error *err)
{
	uint32_t all = (UINT32_C(1) << w->cells_n) - 1;
	int64_t ram = 0;
	int next = 0;

	if (!w->cells_cpus && !w->cells_ram) {
		if (w->cells_n && (vcpus % w->cells_n || ram_mib % w->cells_n))
			return error_set(err, ERR_BAD_REQUEST,
				"hw:numa_nodes is %d, which divides %" PRId64 " vCPUs and %" PRId64
				" MiB into no equal cells: say hw:numa_cpus.N and hw:numa_mem.N of each",
				w->cells_n, vcpus, ram_mib);
		return 0;
	}
	if (w->cells_cpus != all || w->cells_ram != all)
		return error_set(err, ERR_BAD_REQUEST,
			"hw:numa_cpus.N and hw:numa_mem.N must both be said of each of the hw:numa_nodes "
			"cells, "
			"numbered from 0");
	for (int i = 0; i < w->cells_n; i++) {
		if (w->cells[i].first != next)
			return error_set(err, ERR_BAD_REQUEST,
				"hw:numa_cpus.%d must begin with vCPU %d: cells take vCPUs in a row", i,
				next);
		next += w->cells[i].vcpus;
		ram += w->cells[i].ram_mib;
	}
	if (next != vcpus || ram != ram_mib)
		return error_set(err, ERR_BAD_REQUEST,
			"the NUMA cells have %d vCPUs and %" PRId64 " MiB together, the flavor has %" PRId64
			" and %" PRId64,
			next, ram, vcpus, ram_mib);
	return 0;
}

static int check_pages(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib, struct error *err)
{
	struct flavor_cell cells[FLAVOR_CELLS_MAX] = { { 0, 0, ram_mib } };
	int64_t page_mib = w->page_kib == FLAVOR_PAGE_LARGE ? 2 : w->page_kib / 1024;
	int n = flavor_wants_cells(w, vcpus, ram_mib, cells);

	for (int i = 0; page_mib > 0 && i < (n ? n : 1); i++)
		if (cells[i].ram_mib % page_mib)
			return error_set(err, ERR_BAD_REQUEST,
				"hw:mem_page_size does not divide the %" PRId64
				" MiB of memory of a NUMA cell",
				cells[i].ram_mib);
	return 0;
}

int flavor_wants_check(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib, struct error *err)
{
	const struct {
		bool wrong;
		const char *says;
	} rules[] = {
		{ w->part.count && !w->part.profile[0],
			"resources:VGPU needs cloudd:gpu_profile, which says what partition it is" },
		{ !w->part.count && (w->part.profile[0] || w->part.model[0]),
			"cloudd:gpu_profile and cloudd:gpu_model need resources:VGPU, which says how many" },
		{ w->part.count && w->gpus_n == FLAVOR_GPU_KINDS_MAX,
			"pci_passthrough:alias and resources:VGPU may name at most 4 kinds of GPUs "
			"together" },
		{ flavor_wants_gpus(w) > FLAVOR_GPUS_MAX, "a server may have at most 64 GPUs" },
		{ w->link != FLAVOR_WHATEVER && !w->gpus_n,
			"cloudd:gpu_link needs whole GPUs: pci_passthrough:alias" },
		{ w->threads_said && !w->dedicated,
			"hw:cpu_thread_policy needs hw:cpu_policy to be dedicated" },
		{ w->dedicated && vcpus > FLAVOR_PINS_MAX,
			"hw:cpu_policy dedicated allows at most 512 vCPUs" },
		{ w->pcpus && w->pcpus != vcpus, "resources:PCPU must be the number of the flavor's vCPUs: "
						 "all are dedicated or none" },
		{ w->scope_wish_said && !w->scope, "cloudd:scope_policy needs cloudd:scope" },
		{ (w->cells_cpus || w->cells_ram) && !w->cells_n,
			"hw:numa_cpus.N and hw:numa_mem.N need hw:numa_nodes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].wrong)
			return error_set(err, ERR_BAD_REQUEST, "%s", rules[i].says);
	return check_cells(w, vcpus, ram_mib, err) < 0 ? -1 : check_pages(w, vcpus, ram_mib, err);
}

int flavor_wants_cells(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib,
	struct flavor_cell out[FLAVOR_CELLS_MAX])
{
	for (int i = 0; i < w->cells_n; i++) {
		int each = (int)(vcpus / w->cells_n);

		out[i] = w->cells_cpus ? w->cells[i]
				       : (struct flavor_cell) { i * each, each, ram_mib / w->cells_n };
	}
	return w->cells_n;
}
