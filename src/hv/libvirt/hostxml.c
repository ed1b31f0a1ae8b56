/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/hostxml.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/xmlr.h"

enum { CELLS_MAX = 256, CLASS_DISPLAY = 0x03, CLASS_ACCELERATOR = 0x12 };

static int64_t memory_mib(xmlNodePtr memory)
{
	int64_t n = xr_int(memory, 0);

	if (xr_attr_is(memory, "unit", "MiB"))
		return n;
	return n / 1024; /* KiB: libvirt's default */
}

static void read_cells(struct arena *a, xmlNodePtr cells, struct host_caps *out)
{
	struct hv_cell *list;
	size_t n = 0;

	for (xmlNodePtr c = xr_child(cells, "cell"); c && n < CELLS_MAX; c = xr_next(c, "cell"))
		n++;
	list = ARENA_ARRAY(a, struct hv_cell, n);
	out->cells = list;
	out->cells_n = n;
	for (xmlNodePtr c = xr_child(cells, "cell"); c && n--; c = xr_next(c, "cell"), list++) {
		list->id = (int)xr_attr_int(c, "id", 0);
		list->ram_mib = memory_mib(xr_child(c, "memory"));
		list->cpus = (int)xr_attr_int(xr_child(c, "cpus"), "num", 0);
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

bool hostxml_cpu_virtualizes(const char *xml)
{
	struct error ignored;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &ignored);

	if (!doc)
		return false;
	for (xmlNodePtr f = xr_child(xmlDocGetRootElement(doc), "feature"); f; f = xr_next(f, "feature"))
		if ((xr_attr_is(f, "name", "vmx") || xr_attr_is(f, "name", "svm")) &&
			!xr_attr_is(f, "policy", "disable") && !xr_attr_is(f, "policy", "forbid"))
			return true;
	return false;
}

static void copy_text(struct arena *a, char *dst, size_t size, xmlNodePtr node)
{
	char *s = xr_text(a, node);

	str_copy(dst, size, s ? s : "");
	/* a cut may have gone through a character */
	for (size_t n = strlen(dst); n && !utf8_valid(dst, n);)
		dst[--n] = '\0';
}

static void read_pci(struct arena *a, xmlNodePtr pci, xmlNodePtr driver, struct hv_device *d)
{
	unsigned domain = (unsigned)xr_int(xr_child(pci, "domain"), 0);
	unsigned bus = (unsigned)xr_int(xr_child(pci, "bus"), 0);
	unsigned slot = (unsigned)xr_int(xr_child(pci, "slot"), 0);
	unsigned function = (unsigned)xr_int(xr_child(pci, "function"), 0);

	snprintf(d->address, sizeof d->address, "%04x:%02x:%02x.%x", domain & 0xffffff, bus & 0xff,
		slot & 0x1f, function & 7);
	d->vendor_id = (uint16_t)xr_attr_int(xr_child(pci, "vendor"), "id", 0);
	d->product_id = (uint16_t)xr_attr_int(xr_child(pci, "product"), "id", 0);
	copy_text(a, d->vendor, sizeof d->vendor, xr_child(pci, "vendor"));
	copy_text(a, d->product, sizeof d->product, xr_child(pci, "product"));
	d->numa_cell = (int)xr_attr_int(xr_child(pci, "numa"), "node", -1);
	d->iommu_group = (int)xr_attr_int(xr_child(pci, "iommuGroup"), "number", -1);
	copy_text(a, d->driver, sizeof d->driver, xr_child(driver, "name"));
}

int hostxml_device(struct arena *a, const char *xml, struct hv_device *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	struct hv_device d = { 0 };
	xmlNodePtr root, pci;
	int64_t class;

	if (!doc)
		return -1;
	root = xmlDocGetRootElement(doc);
	for (pci = xr_child(root, "capability"); pci && !xr_attr_is(pci, "type", "pci");)
		pci = xr_next(pci, "capability");
	class = xr_int(xr_child(pci, "class"), 0) >> 16;
	if (class != CLASS_DISPLAY && class != CLASS_ACCELERATOR)
		return 0;
	read_pci(a, pci, xr_child(root, "driver"), &d);
	*out = d;
	return 1;
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
