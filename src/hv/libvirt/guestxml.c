/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/guestxml.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/xmlr.h"
#include "hv/libvirt/xmlw.h"

enum { DEVICES_MAX = 256 };

static size_t count(xmlNodePtr devices, const char *name)
{
	size_t n = 0;

	for (xmlNodePtr d = xr_child(devices, name); d && n < DEVICES_MAX; d = xr_next(d, name))
		n++;
	return n;
}

static void read_disks(struct arena *a, xmlNodePtr devices, struct guest *g)
{
	size_t n = count(devices, "disk");
	struct guest_disk *list = ARENA_ARRAY(a, struct guest_disk, n);

	g->disks = list;
	for (xmlNodePtr d = xr_child(devices, "disk"); d && n--; d = xr_next(d, "disk")) {
		char *dev = xr_attr(a, xr_child(d, "target"), "dev");

		if (!dev)
			continue;
		list[g->disks_n].dev = dev;
		list[g->disks_n++].volume = xr_attr(a, xr_child(d, "source"), "volume");
	}
}

static void read_macs(struct arena *a, xmlNodePtr devices, struct guest *g)
{
	size_t n = count(devices, "interface");
	const char **list = ARENA_ARRAY(a, const char *, n);

	g->macs = list;
	for (xmlNodePtr d = xr_child(devices, "interface"); d && n--; d = xr_next(d, "interface")) {
		char *mac = xr_attr(a, xr_child(d, "mac"), "address");

		if (mac)
			list[g->macs_n++] = mac;
	}
}

int guestxml_read(struct arena *a, const char *xml, struct guest *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	struct guest g = { 0 };
	xmlNodePtr devices;

	if (!doc)
		return -1;
	devices = xr_child(xmlDocGetRootElement(doc), "devices");
	read_disks(a, devices, &g);
	read_macs(a, devices, &g);
	g.hostdevs = xr_child(devices, "hostdev") != NULL;
	*out = g;
	return 0;
}

/* --- for another host ----------------------------------------------------------------------------------- */

static void set(xmlNodePtr node, const char *attr, const char *value)
{
	if (node && value && xmlHasProp(node, (const xmlChar *)attr))
		xmlSetProp(node, (const xmlChar *)attr, (const xmlChar *)value);
}

static void drop_children(xmlNodePtr parent, const char *name)
{
	xmlNodePtr child;

	while ((child = xr_child(parent, name))) {
		xmlUnlinkNode(child);
		xmlFreeNode(child);
	}
}

static void place_devices(xmlNodePtr devices, const struct guest_place *p)
{
	static const char *const logged[] = { "serial", "console" };
	xmlNodePtr emulator = xr_child(devices, "emulator");

	if (emulator && p->emulator) {
		xmlNodeSetContent(emulator, NULL);
		xmlNodeAddContent(emulator, (const xmlChar *)p->emulator);
	}
	for (xmlNodePtr d = xr_child(devices, "disk"); d; d = xr_next(d, "disk")) {
		set(xr_child(d, "source"), "pool", p->pool);
		drop_children(d, "backingStore");
	}
	for (size_t i = 0; i < ARRAY_LEN(logged); i++)
		for (xmlNodePtr d = xr_child(devices, logged[i]); d; d = xr_next(d, logged[i]))
			set(xr_child(d, "log"), "file", p->log_path);
}

/* The elements of its place here go, those of the other come. */
static int place_promise(xmlNodePtr root, const struct hv_domain *promise, struct error *err)
{
	static const char *const elements[] = { "memoryBacking", "cputune", "numatune" };
	CLEANUP(buf_finish) struct buf text = { 0 };
	CLEANUP(xr_free) xmlDocPtr doc = NULL;
	struct xmlw w = { .out = &text };

	xw_open(&w, "domain");
	numaxml_write(&w, promise);
	xw_close(&w);
	if (!(doc = xr_parse(text.data, text.len, err)))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
		xmlNodePtr now = xr_child(xmlDocGetRootElement(doc), elements[i]);

		drop_children(root, elements[i]);
		if (now)
			xmlAddChild(root, xmlDocCopyNode(now, root->doc, 1));
	}
	return 0;
}

static void place_mark(xmlNodePtr root, int64_t epoch)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)epoch);
	if (epoch)
		set(xr_path(root, "metadata", "server", NULL), "epoch", text);
}

int guestxml_place(const char *xml, const struct guest_place *place, struct buf *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	xmlChar *text = NULL;
	int n = 0;

	if (!doc)
		return -1;
	place_devices(xr_child(xmlDocGetRootElement(doc), "devices"), place);
	place_mark(xmlDocGetRootElement(doc), place->epoch);
	if (place->promise && place_promise(xmlDocGetRootElement(doc), place->promise, err) < 0)
		return -1;
	xmlDocDumpMemory(doc, &text, &n);
	if (!text)
		return error_internal(err, "a guest's definition could not be written");
	buf_append(out, text, (size_t)n);
	xmlFree(text);
	return 0;
}
