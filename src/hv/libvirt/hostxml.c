/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/hostxml.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cpuset.h"
#include "base/util.h"
#include "hv/libvirt/xmlr.h"

enum { CELLS_MAX = 256, FEATURES_MAX = 1024, FEATURE_NAME = 64, PAGE_2M_KIB = 2048, PAGE_1G_KIB = 1048576 };

static int64_t memory_mib(xmlNodePtr memory)
{
	int64_t n = xr_int(memory, 0) / (xr_attr_is(memory, "unit", "MiB") ? 1 : 1024); /* KiB: the default */

	return n < 0 ? 0 : n < HV_RAM_MIB_MAX ? n : HV_RAM_MIB_MAX;
}

static int by_core(const void *a, const void *b)
{
	const struct hv_cpu *x = a, *y = b;

	return x->core != y->core ? x->core - y->core : x->id - y->id;
}

/* A core is known by the lowest number of its threads: the host numbers cores within a socket only. */
static int16_t core_of(struct arena *a, xmlNodePtr cpu, int16_t id)
{
	char *siblings = xr_attr(a, cpu, "siblings");
	struct cpuset set;

	if (!siblings || cpuset_parse(siblings, &set) || !cpuset_has(&set, id))
		return id;
	return (int16_t)cpuset_next(&set, 0);
}

/* CPUs of a number that no set of CPUs can hold are left out: they are given to nobody alone. So are those
 * that come again, in this cell or another. */
static void read_cpus(struct arena *a, xmlNodePtr cpus, struct cpuset *seen, struct hv_cell *cell)
{
	struct hv_cpu *list;
	size_t n = 0;

	for (xmlNodePtr c = xr_child(cpus, "cpu"); c; c = xr_next(c, "cpu"))
		n++;
	cell->cpu = list = ARENA_ARRAY(a, struct hv_cpu, n + 1);
	for (xmlNodePtr c = xr_child(cpus, "cpu"); c; c = xr_next(c, "cpu")) {
		int64_t id = xr_attr_int(c, "id", -1);

		if (id < 0 || id >= CPUSET_MAX || cpuset_has(seen, (int)id))
			continue;
		cpuset_add(seen, (int)id);
		list[cell->cpu_n++] = (struct hv_cpu) { (int16_t)id, core_of(a, c, (int16_t)id) };
	}
	qsort(list, cell->cpu_n, sizeof *list, by_core);
}

static void read_pages(xmlNodePtr node, struct hv_cell *cell)
{
	for (xmlNodePtr p = xr_child(node, "pages"); p; p = xr_next(p, "pages")) {
		int64_t size = xr_attr_int(p, "size", 0), n = xr_int(p, 0);

		if (n < 0 || n > INT32_MAX)
			continue;
		if (size == PAGE_2M_KIB)
			cell->pages_2m = n;
		else if (size == PAGE_1G_KIB)
			cell->pages_1g = n;
	}
}

/* A cell of a number that no set of cells can hold, or that comes again, is none. */
static void read_cells(struct arena *a, xmlNodePtr cells, struct host_caps *out)
{
	struct cpuset ids = { { 0 } }, cpus = { { 0 } };
	struct hv_cell *list;
	size_t n = 0;

	for (xmlNodePtr c = xr_child(cells, "cell"); c && n < CELLS_MAX; c = xr_next(c, "cell"))
		n++;
	list = ARENA_ARRAY(a, struct hv_cell, n);
	out->cells = list;
	for (xmlNodePtr c = xr_child(cells, "cell"); c && n--; c = xr_next(c, "cell")) {
		int64_t id = xr_attr_int(c, "id", 0), num = xr_attr_int(xr_child(c, "cpus"), "num", 0);

		if (id < 0 || id >= CPUSET_MAX || cpuset_has(&ids, (int)id))
			continue;
		cpuset_add(&ids, (int)id);
		list->id = (int)id;
		list->ram_mib = memory_mib(xr_child(c, "memory"));
		list->cpus = num > 0 && num <= INT16_MAX ? (int)num : 0;
		read_cpus(a, xr_child(c, "cpus"), &cpus, list);
		read_pages(c, list);
		out->cells_n++;
		list++;
	}
}

static void read_host(struct arena *a, xmlNodePtr host, struct host_caps *out)
{
	xmlNodePtr cpu = xr_child(host, "cpu"), topology = xr_child(cpu, "topology");
	char *uuid = xr_text(a, xr_child(host, "uuid"));

	if (uuid && uuid_valid(uuid))
		memcpy(out->uuid, uuid, UUID_TEXT);
	out->arch = xr_text(a, xr_child(cpu, "arch"));
	out->cpu_model = xr_text(a, xr_child(cpu, "model"));
	out->sockets = (int)xr_attr_int(topology, "sockets", 0);
	out->cores = (int)xr_attr_int(topology, "cores", 0);
	out->threads = (int)xr_attr_int(topology, "threads", 0);
	read_cells(a, xr_path(host, "topology", "cells", NULL), out);
}

/* Guests of the host's own architecture; the first offered when there are none. */
static void read_guests(struct arena *a, xmlNodePtr root, struct host_caps *out)
{
	for (xmlNodePtr g = xr_child(root, "guest"); g; g = xr_next(g, "guest")) {
		xmlNodePtr arch = xr_child(g, "arch");
		char *name = xr_attr(a, arch, "name");
		char *type = xr_text(a, xr_child(g, "os_type"));
		bool own = str_eq(name, out->arch);

		if (!name || !str_eq(type, "hvm") || (out->guest_arch && !own))
			continue;
		out->guest_arch = name;
		out->emulator = xr_text(a, xr_child(arch, "emulator"));
		out->offers_kvm = false;
		for (xmlNodePtr d = xr_child(arch, "domain"); d; d = xr_next(d, "domain"))
			if (xr_attr_is(d, "type", "kvm"))
				out->offers_kvm = true;
		if (own)
			return;
	}
}

int hostxml_caps(struct arena *a, const char *xml, struct host_caps *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	struct host_caps caps = { 0 };
	xmlNodePtr root;

	if (!doc)
		return -1;
	root = xmlDocGetRootElement(doc);
	read_host(a, xr_child(root, "host"), &caps);
	read_guests(a, root, &caps);
	if (!caps.guest_arch)
		return error_set(err, ERR_HYPERVISOR, "the host offers no fully virtualized guests");
	if (!caps.arch)
		caps.arch = caps.guest_arch;
	*out = caps;
	return 0;
}

char *hostxml_cpu_text(struct arena *a, const char *caps_xml)
{
	const char *host = strstr(caps_xml, "<host>");
	const char *start = host ? strstr(host, "<cpu>") : NULL;
	const char *end = start ? strstr(start, "</cpu>") : NULL;

	return end ? arena_strndup(a, start, (size_t)(end - start) + strlen("</cpu>")) : NULL;
}

static bool feature_there(xmlNodePtr f)
{
	return !xr_attr_is(f, "policy", "disable") && !xr_attr_is(f, "policy", "forbid");
}

bool hostxml_cpu_virtualizes(const char *xml)
{
	struct error ignored;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &ignored);

	if (!doc)
		return false;
	for (xmlNodePtr f = xr_child(xmlDocGetRootElement(doc), "feature"); f; f = xr_next(f, "feature"))
		if ((xr_attr_is(f, "name", "vmx") || xr_attr_is(f, "name", "svm")) && feature_there(f))
			return true;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *hostxml_cpu_features(struct arena *a, const char *xml)
{
	struct error ignored;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &ignored);
	CLEANUP(buf_finish) struct buf out = { 0 };
	char *names[FEATURES_MAX];
	size_t n = 0;

	for (xmlNodePtr f = doc ? xr_child(xmlDocGetRootElement(doc), "feature") : NULL;
		f && n < FEATURES_MAX; f = xr_next(f, "feature")) {
		char *name = xr_attr(a, f, "name");

		if (name && *name && strlen(name) < FEATURE_NAME && !strpbrk(name, " \t\n") &&
			feature_there(f))
			names[n++] = name;
	}
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			buf_printf(&out, "%s%s", i ? " " : "", names[i]);
	return arena_strdup(a, buf_text(&out));
}

char *hostxml_pool_path(struct arena *a, const char *pool_xml)
{
	static const char *const of_files[] = { "dir", "fs", "netfs" };
	struct error ignored;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(pool_xml, strlen(pool_xml), &ignored);
	xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;

	for (size_t i = 0; root && i < ARRAY_LEN(of_files); i++)
		if (xr_attr_is(root, "type", of_files[i]))
			return xr_text(a, xr_path(root, "target", "path", NULL));
	return NULL;
}
