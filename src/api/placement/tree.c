/* SPDX-License-Identifier: Apache-2.0 */
#include "api/placement/tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"
#include "domain/cpu_traits.h"
#include "flow/topology.h"

enum { MIB_2M = 2, MIB_1G = 1024, UUID_TAIL = 24, UUID_VERSION = 14, CELL_CLASSES = 3, HOST_CLASSES = 3 };

#define PAGES_2M "CUSTOM_MEMORY_PAGES_2M"
#define PAGES_1G "CUSTOM_MEMORY_PAGES_1G"

/* ---- names ---- */

/* A custom name: capitals, digits and underscores. */
static const char *custom(struct arena *a, const char *prefix, const char *first, const char *second)
{
	char *name = arena_printf(
		a, "%s%s%s%s", prefix, first, second && *second ? "_" : "", second ? second : "");

	for (char *p = name; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
	return name;
}

static const char *gpu_class(struct arena *a, const char *model, const char *profile)
{
	return custom(a, "CUSTOM_GPU_", model, profile);
}

/* A cell has no id of its own. Its uuid is its host's, marked as of version 8 (RFC 9562: free form), with the
 * cell's number worked into the last part: it can be taken apart again. */
static const char *cell_uid(struct arena *a, const char *host_uid, int64_t cell)
{
	char *uid = arena_strndup(a, host_uid, UUID_TAIL);

	if (strlen(uid) == UUID_TAIL)
		uid[UUID_VERSION] = '8';
	return arena_printf(a, "%s%012llx", uid,
		strtoull(host_uid + strlen(uid), NULL, 16) ^ (unsigned long long)(cell + 1));
}

/* ---- classes and traits ---- */

struct rp_class *rp_class_find(const struct rp *p, const char *name)
{
	for (size_t i = 0; i < p->classes_n; i++)
		if (strcmp(p->classes[i].name, name) == 0)
			return &p->classes[i];
	return NULL;
}

bool rp_has_trait(const struct rp *p, const char *name)
{
	for (size_t i = 0; i < p->traits_n; i++)
		if (strcmp(p->traits[i], name) == 0)
			return true;
	return false;
}

int64_t rp_class_capacity(const struct rp_class *k)
{
	return (k->total - k->reserved) * k->ratio_milli / 1000;
}

/* None where there is nothing. */
static void add_class(struct rp *p, const char *name, int64_t total, int64_t reserved, int32_t ratio_milli)
{
	if (total > 0)
		p->classes[p->classes_n++] = (struct rp_class) { .name = name,
			.total = total,
			.reserved = reserved < total ? reserved : total,
			.ratio_milli = ratio_milli };
}

/* What is held stays shown, even if there is none of it any more. */
static struct rp_class *held_class(struct arena *a, struct rp *p, const char *name)
{
	struct rp_class *k = rp_class_find(p, name), *more;

	if (k)
		return k;
	more = ARENA_ARRAY(a, struct rp_class, p->classes_n + 1);
	if (p->classes_n)
		memcpy(more, p->classes, p->classes_n * sizeof *more);
	p->classes = more;
	p->classes[p->classes_n] = (struct rp_class) { .name = name, .ratio_milli = 1000 };
	return &p->classes[p->classes_n++];
}

static size_t words_count(const char *s)
{
	size_t n = *s != '\0';

	for (; *s; s++)
		n += *s == ' ';
	return n;
}

static void host_traits(struct arena *a, const struct host_row *h, struct rp *p)
{
	char *rest = NULL, *features = topology_emulated(h) ? NULL : arena_strdup(a, h->cpu_features);

	p->traits = ARENA_ARRAY(a, const char *, words_count(h->traits) + words_count(h->cpu_features) + 2);
	p->traits[p->traits_n++] = RP_TRAIT_NODE;
	if (strcmp(h->state, "up") != 0 || h->forced_down)
		p->traits[p->traits_n++] = RP_TRAIT_DISABLED;
	for (char *w = strtok_r(arena_strdup(a, h->traits), " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		p->traits[p->traits_n++] = w;
	for (char *w = features ? strtok_r(features, " ", &rest) : NULL; w; w = strtok_r(NULL, " ", &rest))
		if (cpu_trait(w))
			p->traits[p->traits_n++] = cpu_trait(w);
}

/* ---- providers of a host ---- */

/* All rows, each list by host. */
struct rows {
	struct host_row *hosts;
	struct provider_cell *cells;
	struct device_row *devices;
	struct held *held;
	struct gpu_names *names;
	size_t hosts_n, cells_n, devices_n, held_n;
};

static int count(const struct cpuset *s)
{
	int n = 0;

	for (int i = cpuset_next(s, 0); i >= 0; i = cpuset_next(s, i + 1))
		n++;
	return n;
}

/* "0,32;1,33": the dedicated ones among them. */
static struct cpuset cell_cpus(const char *list, const struct cpuset *dedicated)
{
	struct cpuset out = { { 0 } };

	while (*list) {
		char *end;
		long id = strtol(list, &end, 10);

		if (end == list)
			break;
		if (id >= 0 && id < CPUSET_MAX && cpuset_has(dedicated, (int)id))
			cpuset_add(&out, (int)id);
		list = *end ? end + 1 : end;
	}
	return out;
}

static struct rp cell_make(struct arena *a, const struct host_row *h, const struct host_cell_row *k,
	const struct cpuset *dedicated)
{
	struct rp p = {
		.kind = RP_CELL,
		.uid = cell_uid(a, h->uid, k->cell),
		.name = arena_printf(a, "%s_cell%lld", h->name, (long long)k->cell),
		.host_id = h->id,
		.key = k->cell,
		.cpus = cell_cpus(k->cpu_list, dedicated),
		.classes = ARENA_ARRAY(a, struct rp_class, CELL_CLASSES),
		.traits = ARENA_ARRAY(a, const char *, 1),
		.traits_n = 1,
	};

	p.traits[0] = RP_TRAIT_CELL;
	add_class(&p, "PCPU", count(&p.cpus), 0, 1000);
	add_class(&p, PAGES_2M, k->pages_2m, 0, 1000);
	add_class(&p, PAGES_1G, k->pages_1g, 0, 1000);
	return p;
}

/* Of the model that came last: most GPUs are like the one before. */
struct gpu_names {
	const char *model, *class, *trait;
};

static const struct gpu_names *names_of(struct arena *a, const char *model, struct gpu_names *last)
{
	if (!last->model || strcmp(last->model, model) != 0)
		*last = (struct gpu_names) { model, gpu_class(a, model, NULL),
			custom(a, "CUSTOM_GPU_MODEL_", model, NULL) };
	return last;
}

static struct rp gpu_make(
	struct arena *a, const struct host_row *h, const struct device_row *d, struct gpu_names *last)
{
	struct rp p = {
		.kind = RP_GPU,
		.uid = d->uid,
		.name = arena_printf(a, "%s_%s", h->name, d->address),
		.host_id = h->id,
		.key = d->id,
		.model = d->model,
	};

	if (d->model[0]) {
		p.traits = ARENA_ARRAY(a, const char *, 1);
		p.traits[p.traits_n++] = names_of(a, d->model, last)->trait;
	}
	return p;
}

/* What dedicated CPUs and huge pages leave is the host's own. */
static void host_classes(struct arena *a, const struct host_row *h, const struct rows *r, int64_t pinned,
	size_t cells, struct rp *p)
{
	int64_t huge = 0;

	for (size_t i = 0; i < cells; i++)
		huge += r->cells[i].cell.pages_2m * MIB_2M + r->cells[i].cell.pages_1g * MIB_1G;
	p->classes = ARENA_ARRAY(a, struct rp_class, HOST_CLASSES);
	add_class(p, "VCPU", h->vcpus - pinned, 0, h->vcpu_ratio_milli);
	add_class(p, "MEMORY_MB", h->ram_mib - huge, h->ram_reserved_mib, h->ram_ratio_milli);
	add_class(p, "DISK_GB", h->disk_gib, h->disk_reserved_gib, h->disk_ratio_milli);
}

/* ---- what is held ---- */

size_t rp_amounts(struct arena *a, const struct held *h, struct rp_amount out[RP_AMOUNTS])
{
	const struct rp_amount own[] = { { "VCPU", h->vcpus }, { "MEMORY_MB", h->ram_mib },
		{ "DISK_GB", h->disk_gib } };
	size_t n = 0;

	if (h->kind != HELD_AMOUNTS) {
		out[0] = (struct rp_amount) {
			h->kind == HELD_CPU     ? "PCPU"
			: h->kind == HELD_PAGES ? h->page_kib == PAGE_1G ? PAGES_1G : PAGES_2M
						: gpu_class(a, h->model, h->profile),
			h->n,
		};
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (own[i].n > 0)
			out[n++] = own[i];
	return n;
}

static bool holds(const struct rp *p, const struct held *h)
{
	switch (h->kind) {
	case HELD_AMOUNTS:
		return p->kind == RP_HOST;
	case HELD_PAGES:
		return p->kind == RP_CELL && p->key == h->key;
	case HELD_CPU:
		return p->kind == RP_CELL && cpuset_has(&p->cpus, (int)h->key);
	default:
		return p->kind == RP_GPU && p->key == h->key;
	}
}

static struct rp *holder(struct rp *list, size_t n, const struct held *h)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].host_id == h->host_id && holds(&list[i], h))
			return &list[i];
	return NULL;
}

const struct rp *rp_tree_holder(const struct rp_tree *t, const struct held *h)
{
	return holder(t->all, t->n, h);
}

/* ---- GPUs: what there is depends on what is taken ---- */

/* How many more of a profile can be had beside what is taken. All take the same number of slots, so the
 * lowest that is free is never wrong. */
static int64_t more_parts(const struct placement_profile *p, uint32_t taken, int64_t share)
{
	uint32_t wide = p->slots < 32 ? ((uint32_t)1 << p->slots) - 1 : UINT32_MAX;
	int64_t n = 0;

	for (int at = 0; at + p->slots <= 32; at++) {
		uint32_t slots = wide << at;

		if (!(p->starts >> at & 1) || (taken & slots) || share + p->share > PLACEMENT_SHARE)
			continue;
		taken |= slots;
		share += p->share;
		n++;
	}
	return n;
}

static bool givable(const struct device_row *d)
{
	return d->present && strcmp(d->health, "ok") == 0 && strcmp(d->custody, "clean") == 0 && !d->block_id;
}

/* Each profile's total is what is taken of it and what could be beside all that is taken now. */
static void cut_classes(struct arena *a, const struct device_row *d, const struct placement_geometry *g,
	const struct held *held, size_t n, struct rp *p)
{
	const char *only = NULL;
	uint32_t taken = 0;
	int64_t share = 0;

	for (size_t i = 0; i < n; i++) {
		if (held[i].kind != HELD_PART || held[i].key != d->id)
			continue;
		for (int64_t s = 0; s < held[i].slots; s++)
			taken |= (uint32_t)1 << (held[i].start + s);
		share += held[i].share;
		only = g->alike ? held[i].profile : NULL;
	}
	for (size_t i = 0; i < g->profiles_n; i++) {
		const struct placement_profile *f = &g->profiles[i];
		const char *name = gpu_class(a, d->model, f->name);
		struct rp_class *k = rp_class_find(p, name);
		int64_t more = only && strcmp(only, f->name) != 0 ? 0 : more_parts(f, taken, share);

		if (!k && more)
			k = held_class(a, p, name);
		if (k)
			k->total = k->used + more;
	}
}

/* Of one that nobody may get the rest is reserved. */
static void gpu_classes(struct arena *a, const struct device_row *d, const struct rows *r, struct rp *p)
{
	const struct placement_geometry *g = topology_geometry(d);

	if (d->model[0] && g)
		cut_classes(a, d, g, r->held, r->held_n, p);
	else if (d->model[0])
		held_class(a, p, names_of(a, d->model, r->names)->class)->total = 1;
	for (size_t i = 0; i < p->classes_n; i++) {
		struct rp_class *k = &p->classes[i];

		k->total = k->total < k->used ? k->used : k->total;
		k->reserved = givable(d) ? 0 : k->total - k->used;
	}
}

/* ---- the tree ---- */

/* Rows of the host at the front of each list. */
static struct rows rows_of(const struct rows *r, int64_t host_id)
{
	struct rows mine = *r;

	mine.cells_n = mine.devices_n = mine.held_n = 0;
	while (mine.cells_n < r->cells_n && r->cells[mine.cells_n].host_id == host_id)
		mine.cells_n++;
	while (mine.devices_n < r->devices_n && r->devices[mine.devices_n].host_id == host_id)
		mine.devices_n++;
	while (mine.held_n < r->held_n && r->held[mine.held_n].host_id == host_id)
		mine.held_n++;
	return mine;
}

static void rows_behind(struct rows *r, const struct rows *mine)
{
	r->cells += mine->cells_n;
	r->cells_n -= mine->cells_n;
	r->devices += mine->devices_n;
	r->devices_n -= mine->devices_n;
	r->held += mine->held_n;
	r->held_n -= mine->held_n;
}

static void add_cells(
	struct arena *a, const struct host_row *h, const struct rows *r, size_t root, struct rp_tree *t)
{
	struct cpuset dedicated = { { 0 } };
	int64_t pinned = 0;

	cpuset_parse(h->dedicated_cpus, &dedicated);
	for (size_t i = 0; i < r->cells_n; i++) {
		struct rp *p = &t->all[t->n++];

		*p = cell_make(a, h, &r->cells[i].cell, &dedicated);
		p->parent = p->root = root;
		pinned += count(&p->cpus);
	}
	host_classes(a, h, r, pinned, r->cells_n, &t->all[root]);
}

static void add_gpus(
	struct arena *a, const struct host_row *h, const struct rows *r, size_t root, struct rp_tree *t)
{
	size_t cells_end = t->n;

	for (size_t i = 0; i < r->devices_n; i++) {
		struct rp *p = &t->all[t->n++];

		*p = gpu_make(a, h, &r->devices[i], r->names);
		p->parent = p->root = root;
		for (size_t k = root + 1; k < cells_end; k++)
			if (t->all[k].key == r->devices[i].numa_cell)
				p->parent = k;
	}
}

static void add_host(struct arena *a, const struct host_row *h, const struct rows *r, struct rp_tree *t)
{
	size_t root = t->n++, first_gpu;
	struct rp_amount amounts[RP_AMOUNTS];

	t->all[root] = (struct rp) { .kind = RP_HOST,
		.uid = h->uid,
		.name = h->name,
		.parent = root,
		.root = root,
		.host_id = h->id,
		.key = h->id };
	host_traits(a, h, &t->all[root]);
	add_cells(a, h, r, root, t);
	first_gpu = t->n;
	add_gpus(a, h, r, root, t);
	for (size_t i = 0; i < r->held_n; i++) {
		struct rp *p = holder(&t->all[root], t->n - root, &r->held[i]);
		size_t n = p ? rp_amounts(a, &r->held[i], amounts) : 0;

		for (size_t k = 0; k < n; k++)
			held_class(a, p, amounts[k].name)->used += amounts[k].n;
	}
	for (size_t i = 0; i < r->devices_n; i++)
		gpu_classes(a, &r->devices[i], r, &t->all[first_gpu + i]);
}

static int by_id(const void *pa, const void *pb)
{
	const struct host_row *a = pa, *b = pb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int rows_read(struct api_call *c, int64_t host_id, struct rows *r, struct error *err)
{
	if (host_id) {
		r->hosts = ARENA_NEW(c->arena, struct host_row);
		r->hosts_n = 1;
		if (store_host_load(c->db, c->arena, host_id, r->hosts, err))
			return -1;
	} else if (store_host_list(c->db, c->arena, &r->hosts, &r->hosts_n, err)) {
		return -1;
	}
	if (r->hosts_n > 1)
		qsort(r->hosts, r->hosts_n, sizeof *r->hosts, by_id);
	return store_provider_cells(c->db, c->arena, host_id, &r->cells, &r->cells_n, err) ||
			       store_device_list(c->db, c->arena, host_id, &r->devices, &r->devices_n, err) ||
			       store_held_sums(c->db, c->arena, host_id, &r->held, &r->held_n, err)
		       ? -1
		       : 0;
}

int rp_tree_load(struct api_call *c, int64_t host_id, struct rp_tree *out, struct error *err)
{
	struct gpu_names names = { 0 };
	struct rows r = { .names = &names };
	struct rp_tree t = { 0 };

	if (rows_read(c, host_id, &r, err))
		return -1;
	t.all = ARENA_ARRAY(c->arena, struct rp, r.hosts_n + r.cells_n + r.devices_n + 1);
	for (size_t i = 0; i < r.hosts_n; i++) {
		struct rows mine = rows_of(&r, r.hosts[i].id);

		add_host(c->arena, &r.hosts[i], &mine, &t);
		rows_behind(&r, &mine);
	}
	*out = t;
	return 0;
}

/* The host that a provider's uid is of: 1 found, 0 none, -1. */
static int host_of(struct api_call *c, const char *uid, int64_t *out_id, struct error *err)
{
	const char *host_uid;
	char *prefix;
	int rc;

	rc = store_provider_by_prefix(c->db, c->arena, uid, out_id, &host_uid, err);
	if (rc)
		return rc;
	rc = store_provider_of_device(c->db, uid, out_id, err);
	if (rc || uid[UUID_VERSION] != '8')
		return rc;
	prefix = arena_strndup(c->arena, uid, UUID_TAIL);
	prefix[UUID_VERSION] = '4';
	return store_provider_by_prefix(c->db, c->arena, prefix, out_id, &host_uid, err);
}

int rp_tree_find(struct api_call *c, const char *uid, struct rp_tree *out, size_t *out_at, struct error *err)
{
	int64_t host_id = 0;
	int rc = uuid_valid(uid) ? host_of(c, uid, &host_id, err) : 0;

	if (rc < 0 || (rc > 0 && rp_tree_load(c, host_id, out, err)))
		return -1;
	for (size_t i = 0; rc > 0 && i < out->n; i++)
		if (strcmp(out->all[i].uid, uid) == 0) {
			*out_at = i;
			return 0;
		}
	return error_set(err, ERR_NOT_FOUND, "No resource provider with uuid %.64s found", uid);
}

size_t rp_tree_end(const struct rp_tree *t, size_t root)
{
	size_t end = root + 1;

	while (end < t->n && t->all[end].root == root)
		end++;
	return end;
}
