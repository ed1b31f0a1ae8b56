/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/nodexml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/xmlr.h"

enum {
	CLASS_DISPLAY = 0x03,
	CLASS_BRIDGE = 0x06,
	CLASS_ACCELERATOR = 0x12,
	SUBCLASS_OTHER = 0x80, /* of a bridge: an NVSwitch is one, and is a device like others */
	TYPES_MAX = 32,
	INSTANCES_MAX = 1024
};

/* ---- one device ---- */

static void copy_text(struct arena *a, char *dst, size_t size, xmlNodePtr node)
{
	char *s = xr_text(a, node);

	str_copy(dst, size, s ? s : "");
	/* a cut may have gone through a character */
	for (size_t n = strlen(dst); n && !utf8_valid(dst, n);)
		dst[--n] = '\0';
}

/* The children of the element, or its attributes, are the parts of an address. */
static void address(char out[16], int64_t domain, int64_t bus, int64_t slot, int64_t function)
{
	snprintf(out, 16, "%04x:%02x:%02x.%x", (unsigned)domain & 0xffffff, (unsigned)bus & 0xff,
		(unsigned)slot & 0x1f, (unsigned)function & 7);
}

static xmlNodePtr capability(xmlNodePtr of, const char *type)
{
	xmlNodePtr c = xr_child(of, "capability");

	while (c && !xr_attr_is(c, "type", type))
		c = xr_next(c, "capability");
	return c;
}

static bool plain(const char *text)
{
	return text && *text && strlen(text) < 64 && !strpbrk(text, ";=:");
}

/* "nvidia-474=7:NVIDIA A100-1-5C;...". Names are made fit for it. */
static const char *read_types(struct arena *a, xmlNodePtr types)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	int n = 0;

	for (xmlNodePtr t = xr_child(types, "type"); t && n < TYPES_MAX; t = xr_next(t, "type")) {
		char *id = xr_attr(a, t, "id"), *name = xr_text(a, xr_child(t, "name"));
		int64_t free = xr_int(xr_child(t, "availableInstances"), 0);

		if (!plain(id) || free < 0 || free > INSTANCES_MAX)
			continue;
		buf_printf(&out, "%s%s=%d", n++ ? ";" : "", id, (int)free);
		if (plain(name))
			buf_printf(&out, ":%s", name);
	}
	return arena_strdup(a, buf_text(&out));
}

static void read_function(struct arena *a, xmlNodePtr pci, struct pci *out)
{
	xmlNodePtr physical = xr_child(capability(pci, "phys_function"), "address");

	if (physical)
		address(out->physical, xr_attr_int(physical, "domain", 0), xr_attr_int(physical, "bus", 0),
			xr_attr_int(physical, "slot", 0), xr_attr_int(physical, "function", 0));
	out->device.mdev_types = read_types(a, capability(pci, "mdev_types"));
}

int nodexml_read(struct arena *a, const char *xml, struct pci *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	struct pci p = { .device = { .companions = "", .mdev_types = "" } };
	struct hv_device *d = &p.device;
	xmlNodePtr pci;
	int64_t class;

	if (!doc)
		return -1;
	if (!(pci = capability(xmlDocGetRootElement(doc), "pci")))
		return 0;
	class = xr_int(xr_child(pci, "class"), 0);
	p.class = (uint8_t)(class >> 16);
	p.bridge = capability(pci, "pci-bridge") ||
		   (p.class == CLASS_BRIDGE && (class >> 8 & 0xff) != SUBCLASS_OTHER);
	address(d->address, xr_int(xr_child(pci, "domain"), 0), xr_int(xr_child(pci, "bus"), 0),
		xr_int(xr_child(pci, "slot"), 0), xr_int(xr_child(pci, "function"), 0));
	d->vendor_id = (uint16_t)xr_attr_int(xr_child(pci, "vendor"), "id", 0);
	d->product_id = (uint16_t)xr_attr_int(xr_child(pci, "product"), "id", 0);
	copy_text(a, d->vendor, sizeof d->vendor, xr_child(pci, "vendor"));
	copy_text(a, d->product, sizeof d->product, xr_child(pci, "product"));
	d->numa_cell = (int)xr_attr_int(xr_child(pci, "numa"), "node", -1);
	d->iommu_group = (int)xr_attr_int(xr_child(pci, "iommuGroup"), "number", -1);
	copy_text(a, d->driver, sizeof d->driver, xr_path(xmlDocGetRootElement(doc), "driver", "name", NULL));
	read_function(a, pci, &p);
	*out = p;
	return 1;
}

/* ---- all of them ---- */

static bool is_gpu(const struct pci *p)
{
	return (p->class == CLASS_DISPLAY || p->class == CLASS_ACCELERATOR) && !p->physical[0] && !p->bridge;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct hv_device *)a)->address, ((const struct hv_device *)b)->address);
}

/* Bridges stay with the host; virtual functions go when their device is given away. */
static const char *companions(struct arena *a, const struct pci *of, const struct pci *all, size_t n)
{
	CLEANUP(buf_finish) struct buf out = { 0 };

	for (size_t i = 0; of->device.iommu_group >= 0 && i < n; i++)
		if (all[i].device.iommu_group == of->device.iommu_group && !is_gpu(&all[i]) &&
			!all[i].bridge && !all[i].physical[0])
			buf_printf(&out, "%s%s", out.len ? "," : "", all[i].device.address);
	return arena_strdup(a, buf_text(&out));
}

struct types {
	struct {
		const char *id, *name; /* not ended */
		int id_n, name_n, free;
	} list[TYPES_MAX];
	size_t n;
};

/* Adds what read_types wrote. */
static void types_add(struct types *t, const char *text)
{
	while (*text) {
		int len = (int)strcspn(text, ";"), id_n = (int)strcspn(text, "="),
		    free = atoi(text + id_n + 1);
		int name_at = (int)strcspn(text, ":;") + 1;
		size_t i = 0;

		while (i < t->n &&
			(t->list[i].id_n != id_n || memcmp(t->list[i].id, text, (size_t)id_n) != 0))
			i++;
		if (i == t->n && t->n < TYPES_MAX) {
			t->list[t->n].id = text;
			t->list[t->n].id_n = id_n;
			t->list[t->n].name = text + (name_at < len ? name_at : len);
			t->list[t->n].name_n = name_at < len ? len - name_at : 0;
			t->list[t->n++].free = 0;
		}
		if (i < t->n)
			t->list[i].free += free;
		text += len + (text[len] == ';');
	}
}

/* Where a device is cut for its virtual functions, these offer the types, each its own instances. */
static const char *types_of(struct arena *a, const struct pci *of, const struct pci *all, size_t n)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	struct types t = { .n = 0 };

	types_add(&t, of->device.mdev_types);
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].physical, of->device.address) == 0)
			types_add(&t, all[i].device.mdev_types);
	for (size_t i = 0; i < t.n; i++)
		buf_printf(&out, "%s%.*s=%d%s%.*s", i ? ";" : "", t.list[i].id_n, t.list[i].id,
			t.list[i].free, t.list[i].name_n ? ":" : "", t.list[i].name_n, t.list[i].name);
	return arena_strdup(a, buf_text(&out));
}

/* Of those at one address the first stays: devices are known by it. */
static size_t without_doubles(struct hv_device *list, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (k == 0 || strcmp(list[k - 1].address, list[i].address) != 0)
			list[k++] = list[i];
	return k;
}

void nodexml_devices(
	struct arena *a, const struct pci *all, size_t n, const struct hv_device **out, size_t *out_n)
{
	struct hv_device *list = ARENA_ARRAY(a, struct hv_device, n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_gpu(&all[i]))
			continue;
		list[k] = all[i].device;
		list[k].companions = companions(a, &all[i], all, n);
		list[k++].mdev_types = types_of(a, &all[i], all, n);
	}
	qsort(list, k, sizeof *list, by_address);
	*out = list;
	*out_n = without_doubles(list, k);
}
