/* SPDX-License-Identifier: Apache-2.0 */
/* Names of resource classes and traits: the standard ones that have a meaning here, and those in use. */
#include <stdlib.h>
#include <string.h>

#include "api/placement/placement.h"
#include "base/util.h"
#include "domain/cpu_traits.h"

static const char *const standard_classes[] = { "VCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE", "SRIOV_NET_VF",
	"NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD", "NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU",
	"VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC", "PCPU",
	"MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU" };
static const char *const standard_traits[] = { RP_TRAIT_NODE, RP_TRAIT_DISABLED, RP_TRAIT_CELL };

struct names {
	const char **list;
	size_t n, cap;
};

static void add(struct api_call *c, struct names *names, const char *name)
{
	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 64;
		const char **more = ARENA_ARRAY(c->arena, const char *, cap);

		if (names->n)
			memcpy(more, names->list, names->n * sizeof *more);
		names->list = more;
		names->cap = cap;
	}
	names->list[names->n++] = name;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each once, in their order. */
static void settle(struct names *names)
{
	size_t n = 0;

	if (names->n)
		qsort(names->list, names->n, sizeof *names->list, compare);
	for (size_t i = 0; i < names->n; i++)
		if (!n || strcmp(names->list[n - 1], names->list[i]) != 0)
			names->list[n++] = names->list[i];
	names->n = n;
}

static bool has(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

/* ---- resource classes ---- */

static int classes(struct api_call *c, struct names *out, struct error *err)
{
	struct rp_tree t;

	if (rp_tree_load(c, 0, &t, err) < 0)
		return -1;
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < t.all[i].classes_n; k++)
			add(c, out, t.all[i].classes[k].name);
	for (size_t i = 0; i < ARRAY_LEN(standard_classes); i++)
		add(c, out, standard_classes[i]);
	settle(out);
	placement_fresh(c);
	return 0;
}

static void write_class(struct api_call *c, const char *name)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "name", name);
	jw_key(&c->out, "links");
	jw_array(&c->out);
	api_link(c, "self", arena_printf(c->arena, "/placement/resource_classes/%s", name));
	jw_end_array(&c->out);
	jw_end_object(&c->out);
}

int resource_class_list(struct api_call *c, struct error *err)
{
	struct names all = { 0 };

	if (classes(c, &all, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "resource_classes");
	jw_array(&c->out);
	for (size_t i = 0; i < all.n; i++)
		write_class(c, all.list[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int resource_class_show(struct api_call *c, struct error *err)
{
	const char *name = api_param(c, "name");
	struct names all = { 0 };

	if (classes(c, &all, err) < 0)
		return -1;
	if (!has(&all, name))
		return error_set(err, ERR_NOT_FOUND, "No such resource class found: %.255s", name);
	write_class(c, name);
	return 0;
}

/* ---- traits ---- */

/* associated: only those that a provider has. */
static int traits(struct api_call *c, bool associated, struct names *out, struct error *err)
{
	struct rp_tree t;

	if (rp_tree_load(c, 0, &t, err) < 0)
		return -1;
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < t.all[i].traits_n; k++)
			add(c, out, t.all[i].traits[k]);
	for (size_t i = 0; !associated && cpu_trait_at(i); i++)
		add(c, out, cpu_trait_at(i));
	for (size_t i = 0; !associated && i < ARRAY_LEN(standard_traits); i++)
		add(c, out, standard_traits[i]);
	settle(out);
	placement_fresh(c);
	return 0;
}

/* "in:A,B" or "startswith:X" */
static bool named(struct api_call *c, const char *filter, const char *name)
{
	char *rest, *part;

	if (!filter || str_starts(filter, "startswith:"))
		return !filter || str_starts(name, filter + strlen("startswith:"));
	rest = arena_strdup(c->arena, filter + strlen("in:"));
	while ((part = strsep(&rest, ",")))
		if (strcmp(part, name) == 0)
			return true;
	return false;
}

static int read_filter(struct api_call *c, const char **out_name, bool *out_associated, struct error *err)
{
	const char *associated = api_query(c, "associated");

	*out_name = api_query(c, "name");
	*out_associated = false;
	if (*out_name && !str_starts(*out_name, "in:") && !str_starts(*out_name, "startswith:"))
		return error_set(err, ERR_BAD_REQUEST,
			"Invalid query parameter name: it is in:NAME,NAME or startswith:BEGINNING");
	if (associated && !str_bool(associated, out_associated))
		return error_set(
			err, ERR_BAD_REQUEST, "Invalid query parameter associated: it is true or false");
	return 0;
}

int trait_list(struct api_call *c, struct error *err)
{
	struct names all = { 0 };
	const char *name;
	bool associated;

	if (read_filter(c, &name, &associated, err) < 0 || traits(c, associated, &all, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "traits");
	jw_array(&c->out);
	for (size_t i = 0; i < all.n; i++)
		if (named(c, name, all.list[i]))
			jw_str(&c->out, all.list[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int trait_show(struct api_call *c, struct error *err)
{
	struct names all = { 0 };

	if (traits(c, false, &all, err) < 0)
		return -1;
	if (!has(&all, api_param(c, "name")))
		return error_set(err, ERR_NOT_FOUND, "No such trait: %.255s", api_param(c, "name"));
	c->status = 204;
	return 0;
}
