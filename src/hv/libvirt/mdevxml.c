/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/mdevxml.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"
#include "hv/libvirt/xmlw.h"

enum { FUNCTIONS_MAX = 256 };

static const char prefix[] = "mdev_";

void mdevxml_pci_name(const char *address, char out[MDEVXML_NAME])
{
	unsigned p[4];

	*out = '\0';
	if (treexml_address(address, p))
		snprintf(out, MDEVXML_NAME, "pci_%04x_%02x_%02x_%x", p[0], p[1], p[2], p[3]);
}

/* mdev_<uuid with _ for ->, and since libvirt 7.3 _<its parent's address> */
bool mdevxml_is(const char *name, const char *uuid)
{
	if (!str_starts(name, prefix))
		return false;
	for (name += strlen(prefix); *uuid; name++, uuid++)
		if (*name != (*uuid == '-' ? '_' : *uuid))
			return false;
	return !*name || *name == '_';
}

void mdevxml_write(struct buf *out, const char *parent, const char *type_id, const char *uuid)
{
	struct xmlw w = { .out = out };

	xw_open(&w, "device");
	xw_leaf(&w, "parent", parent);
	xw_open(&w, "capability");
	xw_attr(&w, "type", "mdev");
	xw_empty(&w, "type", "id", type_id, NULL);
	xw_leaf(&w, "uuid", uuid);
	xw_close(&w);
	xw_close(&w);
}

static xmlNodePtr capability(xmlNodePtr parent, const char *type)
{
	xmlNodePtr c = xr_child(parent, "capability");

	while (c && !xr_attr_is(c, "type", type))
		c = xr_next(c, "capability");
	return c;
}

static void read_types(struct arena *a, xmlNodePtr types, const char *type, struct mdevxml_parent *out)
{
	for (xmlNodePtr t = xr_child(types, "type"); t && !out->type_id; t = xr_next(t, "type")) {
		char *id = xr_attr(a, t, "id");

		if (!id || (strcmp(id, type) != 0 && !str_eq(xr_text(a, xr_child(t, "name")), type)))
			continue;
		out->type_id = id;
		out->available = xr_int(xr_child(t, "availableInstances"), 0);
	}
}

static void read_functions(struct arena *a, xmlNodePtr functions, struct mdevxml_parent *out)
{
	out->functions = ARENA_ARRAY(a, const char *, FUNCTIONS_MAX);
	for (xmlNodePtr f = xr_child(functions, "address"); f && out->functions_n < FUNCTIONS_MAX;
		f = xr_next(f, "address"))
		out->functions[out->functions_n++] = arena_printf(a, "pci_%04x_%02x_%02x_%x",
			(unsigned)xr_attr_int(f, "domain", 0) & 0xffff,
			(unsigned)xr_attr_int(f, "bus", 0) & 0xff, (unsigned)xr_attr_int(f, "slot", 0) & 0x1f,
			(unsigned)xr_attr_int(f, "function", 0) & 7);
}

int mdevxml_parent(
	struct arena *a, const char *xml, const char *type, struct mdevxml_parent *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	struct mdevxml_parent p = { 0 };
	xmlNodePtr pci;

	if (!doc)
		return -1;
	pci = capability(xmlDocGetRootElement(doc), "pci");
	read_types(a, capability(pci, "mdev_types"), type, &p);
	read_functions(a, capability(pci, "virt_functions"), &p);
	*out = p;
	return 0;
}
