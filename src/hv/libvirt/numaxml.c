/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/numaxml.h"

#include <string.h>

#include "base/util.h"
#include "hv/libvirt/xmlr.h"

enum { SMALL_PAGE_KIB = 4, KIB = 1024, CELLS_MAX = 256, VCPUS_MAX = 1024 };

/* --- writing -------------------------------------------------------------------------------------------- */

static void attr_set(struct xmlw *w, const char *name, const struct cpuset *s)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	cpuset_write(s, &text);
	xw_attr(w, name, buf_text(&text));
}

static void write_pages(struct xmlw *w, const struct hv_domain *d)
{
	bool huge = false;

	for (size_t i = 0; i < d->cells_n; i++)
		huge |= d->cells[i].page_kib > SMALL_PAGE_KIB;
	if (!huge)
		return;
	xw_open(w, "memoryBacking");
	xw_open(w, "hugepages");
	for (size_t i = 0; i < d->cells_n; i++) {
		if (d->cells[i].page_kib <= SMALL_PAGE_KIB)
			continue;
		xw_open(w, "page");
		xw_attrf(w, "size", "%d", d->cells[i].page_kib);
		xw_attr(w, "unit", "KiB");
		xw_attrf(w, "nodeset", "%zu", i);
		xw_close(w);
	}
	xw_close(w);
	xw_close(w);
}

static void write_pins(struct xmlw *w, const struct hv_domain *d)
{
	if (!d->pins_n && cpuset_empty(&d->emulator))
		return;
	xw_open(w, "cputune");
	for (size_t i = 0; i < d->pins_n; i++) {
		xw_open(w, "vcpupin");
		xw_attrf(w, "vcpu", "%zu", i);
		attr_set(w, "cpuset", &d->pins[i]);
		xw_close(w);
	}
	if (!cpuset_empty(&d->emulator)) {
		xw_open(w, "emulatorpin");
		attr_set(w, "cpuset", &d->emulator);
		xw_close(w);
	}
	xw_close(w);
}

static void write_memory_cells(struct xmlw *w, const struct hv_domain *d)
{
	struct cpuset all = { 0 };

	if (!d->cells_n)
		return;
	for (size_t i = 0; i < d->cells_n; i++)
		cpuset_add(&all, d->cells[i].cell);
	xw_open(w, "numatune");
	xw_open(w, "memory");
	xw_attr(w, "mode", "strict");
	attr_set(w, "nodeset", &all);
	xw_close(w);
	for (size_t i = 0; i < d->cells_n; i++) {
		xw_open(w, "memnode");
		xw_attrf(w, "cellid", "%zu", i);
		xw_attr(w, "mode", "strict");
		xw_attrf(w, "nodeset", "%d", d->cells[i].cell);
		xw_close(w);
	}
	xw_close(w);
}

void numaxml_write(struct xmlw *w, const struct hv_domain *d)
{
	write_pages(w, d);
	write_pins(w, d);
	write_memory_cells(w, d);
}

void numaxml_write_cells(struct xmlw *w, const struct hv_domain *d)
{
	int first = 0;

	if (!d->cells_n)
		return;
	xw_open(w, "numa");
	for (size_t i = 0; i < d->cells_n; first += d->cells[i++].vcpus) {
		xw_open(w, "cell");
		xw_attrf(w, "id", "%zu", i);
		xw_attrf(w, "cpus", d->cells[i].vcpus > 1 ? "%d-%d" : "%d", first,
			first + d->cells[i].vcpus - 1);
		xw_attrf(w, "memory", "%lld", (long long)d->cells[i].ram_mib);
		xw_attr(w, "unit", "MiB");
		xw_close(w);
	}
	xw_close(w);
}

/* One, as guests of some licences count them; but kernels do not expect a socket to lie in two cells. */
int numaxml_sockets(const struct hv_domain *d)
{
	for (size_t i = 0; i < d->cells_n; i++)
		if (d->cells[i].vcpus != d->cells[0].vcpus)
			return 1;
	return d->cells_n ? (int)d->cells_n : 1;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int bad(struct error *err, const char *what)
{
	error_set(err, ERR_HYPERVISOR, "the host's description of the server cannot be read");
	return error_detail(err, "%s", what);
}

/* Of what libvirt may write; 0: more than any host has. */
static int64_t kib(int64_t n, const char *unit)
{
	int shift = str_eq(unit, "GiB") ? 20 : str_eq(unit, "MiB") ? 10 : 0;

	return n < 0 || n >> (50 - shift) ? 0 : n << shift;
}

static int64_t mib(int64_t n, const char *unit)
{
	return kib(n, unit) / KIB;
}

static bool attr_cpus(struct arena *a, xmlNodePtr node, const char *name, struct cpuset *out)
{
	char *text = xr_attr(a, node, name);

	return text && cpuset_parse(text, out) == 0;
}

static size_t count(xmlNodePtr parent, const char *name, size_t max)
{
	size_t n = 0;

	for (xmlNodePtr c = xr_child(parent, name); c && n < max; c = xr_next(c, name))
		n++;
	return n;
}

static int read_cells(struct arena *a, xmlNodePtr numa, struct hv_domain *out, struct error *err)
{
	struct hv_guest_cell *cells;

	out->cells_n = count(numa, "cell", CELLS_MAX);
	out->cells = cells = ARENA_ARRAY(a, struct hv_guest_cell, out->cells_n);
	for (xmlNodePtr c = xr_child(numa, "cell"); c; c = xr_next(c, "cell")) {
		int64_t id = xr_attr_int(c, "id", -1);
		struct cpuset cpus;

		if (id < 0 || id >= (int64_t)out->cells_n || !attr_cpus(a, c, "cpus", &cpus))
			return bad(err, "cell of numa");
		cells[id] = (struct hv_guest_cell) { .cell = -1,
			.ram_mib = mib(xr_attr_int(c, "memory", 0), xr_attr(a, c, "unit")),
			.page_kib = SMALL_PAGE_KIB };
		for (int k = cpuset_next(&cpus, 0); k >= 0; k = cpuset_next(&cpus, k + 1))
			cells[id].vcpus++;
	}
	return 0;
}

/* Of the host's cells one each; anything else is none of ours. */
static int read_memory_cells(
	struct arena *a, xmlNodePtr numatune, const struct hv_domain *out, struct error *err)
{
	struct hv_guest_cell *cells = (struct hv_guest_cell *)out->cells;

	for (xmlNodePtr m = xr_child(numatune, "memnode"); m; m = xr_next(m, "memnode")) {
		int64_t id = xr_attr_int(m, "cellid", -1);
		struct cpuset nodes;
		int first;

		if (id < 0 || id >= (int64_t)out->cells_n || !attr_cpus(a, m, "nodeset", &nodes))
			return bad(err, "memnode");
		first = cpuset_next(&nodes, 0);
		if (xr_attr_is(m, "mode", "strict") && cpuset_next(&nodes, first + 1) < 0)
			cells[id].cell = first;
	}
	return 0;
}

static int read_pages(struct arena *a, xmlNodePtr hugepages, const struct hv_domain *out, struct error *err)
{
	struct hv_guest_cell *cells = (struct hv_guest_cell *)out->cells;

	for (xmlNodePtr p = xr_child(hugepages, "page"); p; p = xr_next(p, "page")) {
		int64_t size = kib(xr_attr_int(p, "size", 0), xr_attr(a, p, "unit"));
		struct cpuset nodes;

		if (size <= 0 || size > INT32_MAX)
			return bad(err, "size of a page");
		if (!attr_cpus(a, p, "nodeset", &nodes)) /* of all cells */
			cpuset_parse("0-1023", &nodes);
		for (size_t i = 0; i < out->cells_n; i++)
			if (cpuset_has(&nodes, (int)i))
				cells[i].page_kib = (int)size;
	}
	return 0;
}

static int read_pins(struct arena *a, xmlNodePtr cputune, struct hv_domain *out, struct error *err)
{
	struct cpuset *pins;

	attr_cpus(a, xr_child(cputune, "emulatorpin"), "cpuset", &out->emulator);
	if (!xr_child(cputune, "vcpupin"))
		return 0;
	out->pins_n = (size_t)out->vcpus;
	out->pins = pins = ARENA_ARRAY(a, struct cpuset, out->pins_n);
	for (xmlNodePtr p = xr_child(cputune, "vcpupin"); p; p = xr_next(p, "vcpupin")) {
		int64_t i = xr_attr_int(p, "vcpu", -1);

		if (i < 0 || i >= out->vcpus || !attr_cpus(a, p, "cpuset", &pins[i]))
			return bad(err, "vcpupin");
	}
	return 0;
}

int numaxml_read(struct arena *a, xmlNodePtr root, struct hv_domain *out, struct error *err)
{
	xmlNodePtr memory = xr_child(root, "memory");
	int64_t vcpus = xr_int(xr_child(root, "vcpu"), 0);

	if (vcpus < 1 || vcpus > VCPUS_MAX || !memory)
		return bad(err, "vcpu, memory");
	out->vcpus = (int)vcpus;
	out->ram_mib = mib(xr_int(memory, 0), xr_attr(a, memory, "unit"));
	return read_cells(a, xr_path(root, "cpu", "numa", NULL), out, err) ||
			       read_memory_cells(a, xr_child(root, "numatune"), out, err) ||
			       read_pages(a, xr_path(root, "memoryBacking", "hugepages", NULL), out, err) ||
			       read_pins(a, xr_child(root, "cputune"), out, err)
		       ? -1
		       : 0;
}
