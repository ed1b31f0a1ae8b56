/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/treexml.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/xmlr.h"

/* Free slots for devices that are plugged in later, and how many root ports a guest may have at most. */
enum { SPARE_PORTS = 8, PORTS_MAX = 64, BUSES = 256, SLOTS = 32, CELLS_MAX = 8, DEVICES_MAX = 256 };

bool treexml_address(const char *text, unsigned out[4])
{
	unsigned p[4];
	int n = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &p[0], &p[1], &p[2], &p[3], &n) != 4 || text[n] || p[2] > 31 ||
		p[3] > 7)
		return false;
	if (out)
		memcpy(out, p, sizeof p);
	return true;
}

/* --- the tree ------------------------------------------------------------------------------------------- */

/* Where things are, by numbers of controllers: 0 the root, then the expanders, then their ports. */
struct tree {
	int expander[CELLS_MAX]; /* 0: the cell has no devices */
	int ports[CELLS_MAX];    /* how many it has */
	int first[CELLS_MAX];    /* its first port */
	int free;                /* the first number that is not taken */
};

/* The cell below which the i-th of hostdevs and mdevs goes; -1: below the root. */
static int cell_of(const struct hv_domain *d, size_t i)
{
	int cell = i < d->hostdevs_n ? d->hostdevs[i].guest_cell : d->mdevs[i - d->hostdevs_n].guest_cell;

	return cell >= 0 && cell < (int)d->cells_n && cell < CELLS_MAX ? cell : -1;
}

static struct tree plan(const struct hv_domain *d)
{
	struct tree t = { .free = 1 };

	for (size_t i = 0; i < d->hostdevs_n + d->mdevs_n; i++)
		if (cell_of(d, i) >= 0 && t.ports[cell_of(d, i)] < SLOTS)
			t.ports[cell_of(d, i)]++;
	for (int c = 0; c < CELLS_MAX; c++)
		if (t.ports[c])
			t.expander[c] = t.free++;
	for (int c = 0; c < CELLS_MAX; c++) {
		t.first[c] = t.free;
		t.free += t.ports[c];
	}
	return t;
}

static void open_controller(struct xmlw *w, int index, const char *model)
{
	xw_open(w, "controller");
	xw_attr(w, "type", "pci");
	xw_attrf(w, "index", "%d", index);
	xw_attr(w, "model", model);
}

static void write_address(struct xmlw *w, int bus, int slot)
{
	xw_open(w, "address");
	xw_attr(w, "type", "pci");
	xw_attr(w, "domain", "0x0000");
	xw_attrf(w, "bus", "0x%02x", (unsigned)bus);
	xw_attrf(w, "slot", "0x%02x", (unsigned)slot);
	xw_attr(w, "function", "0x0");
	xw_close(w);
}

/* An expander is a root of its own to the guest, with the buses from its number on. */
static void write_expander(struct xmlw *w, int index, int cell, int bus_nr)
{
	open_controller(w, index, "pcie-expander-bus");
	xw_open(w, "target");
	xw_attrf(w, "busNr", "%d", bus_nr);
	xw_open(w, "node");
	xw_textf(w, "%d", cell);
	xw_close(w);
	xw_close(w);
	xw_close(w);
}

static void write_expanders(struct xmlw *w, const struct tree *t)
{
	int bus_nr = BUSES;

	for (int c = 0; c < CELLS_MAX; c++)
		bus_nr -= t->ports[c] + (t->ports[c] > 0);
	for (int c = 0; c < CELLS_MAX; c++)
		if (t->ports[c]) {
			write_expander(w, t->expander[c], c, bus_nr);
			bus_nr += t->ports[c] + 1;
		}
	for (int c = 0; c < CELLS_MAX; c++)
		for (int i = 0; i < t->ports[c]; i++) {
			open_controller(w, t->first[c] + i, "pcie-root-port");
			write_address(w, t->expander[c], i);
			xw_close(w);
		}
}

/* PCI Express hot-plug needs a free root port for each device, and ports cannot be added to a running guest.
 */
void treexml_write_ports(struct xmlw *w, const struct hv_domain *d)
{
	struct tree t = plan(d);
	size_t below = 0, ports;

	for (int c = 0; c < CELLS_MAX; c++)
		below += (size_t)t.ports[c];
	/* 3: serial, balloon, rng */
	ports = d->disks_n + d->nics_n + d->hostdevs_n + d->mdevs_n - below + 3 + SPARE_PORTS;
	if (ports > PORTS_MAX)
		ports = PORTS_MAX;
	xw_empty(w, "controller", "type", "pci", "index", "0", "model", "pcie-root", NULL);
	write_expanders(w, &t);
	for (size_t i = 0; i < ports; i++) {
		open_controller(w, t.free + (int)i, "pcie-root-port");
		xw_close(w);
	}
}

/* --- the devices ---------------------------------------------------------------------------------------- */

static void write_pci_source(struct xmlw *w, const char *address)
{
	unsigned p[4] = { 0 };

	treexml_address(address, p);
	xw_open(w, "address");
	xw_attrf(w, "domain", "0x%04x", p[0]);
	xw_attrf(w, "bus", "0x%02x", p[1]);
	xw_attrf(w, "slot", "0x%02x", p[2]);
	xw_attrf(w, "function", "0x%x", p[3]);
	xw_close(w);
}

static void write_device(struct xmlw *w, const struct hv_domain *d, size_t i, int bus)
{
	bool pci = i < d->hostdevs_n;

	xw_open(w, "hostdev");
	xw_attr(w, "mode", "subsystem");
	xw_attr(w, "type", pci ? "pci" : "mdev");
	if (pci)
		xw_attr(w, "managed", "yes");
	else
		xw_attr(w, "model", "vfio-pci");
	xw_open(w, "source");
	if (pci)
		write_pci_source(w, d->hostdevs[i].address);
	else
		xw_empty(w, "address", "uuid", d->mdevs[i - d->hostdevs_n].uuid, NULL);
	xw_close(w);
	if (bus)
		write_address(w, bus, 0);
	xw_close(w);
}

void treexml_write_devices(struct xmlw *w, const struct hv_domain *d, bool tree)
{
	struct tree t = plan(d);
	int used[CELLS_MAX] = { 0 };

	for (size_t i = 0; i < d->hostdevs_n + d->mdevs_n; i++) {
		int cell = tree ? cell_of(d, i) : -1;
		bool below = cell >= 0 && used[cell] < t.ports[cell];

		write_device(w, d, i, below ? t.first[cell] + used[cell]++ : 0);
	}
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int64_t bus_of(xmlNodePtr device)
{
	xmlNodePtr address = xr_child(device, "address");

	return xr_attr_is(address, "type", "pci") ? xr_attr_int(address, "bus", -1) : -1;
}

static xmlNodePtr controller(xmlNodePtr devices, int64_t index)
{
	xmlNodePtr c = xr_child(devices, "controller");

	while (c && (!xr_attr_is(c, "type", "pci") || xr_attr_int(c, "index", -1) != index))
		c = xr_next(c, "controller");
	return c;
}

/* Upwards from a device's bus to the expander that it hangs on; none: -1. */
static int cell_above(xmlNodePtr devices, xmlNodePtr device)
{
	xmlNodePtr c = device;

	for (int depth = 0; c && depth < SLOTS; depth++) {
		c = controller(devices, bus_of(c));
		if (xr_attr_is(c, "model", "pcie-expander-bus"))
			return (int)xr_int(xr_path(c, "target", "node", NULL), -1);
	}
	return -1;
}

static void read_source(xmlNodePtr source, char out[16])
{
	xmlNodePtr a = xr_child(source, "address");

	snprintf(out, 16, "%04x:%02x:%02x.%x", (unsigned)xr_attr_int(a, "domain", 0) & 0xffff,
		(unsigned)xr_attr_int(a, "bus", 0) & 0xff, (unsigned)xr_attr_int(a, "slot", 0) & 0x1f,
		(unsigned)xr_attr_int(a, "function", 0) & 7);
}

int treexml_read(struct arena *a, xmlNodePtr devices, struct hv_domain *out, struct error *err)
{
	struct hv_hostdev *hostdevs;
	struct hv_mdev *mdevs;
	size_t n = 0;

	for (xmlNodePtr h = xr_child(devices, "hostdev"); h; h = xr_next(h, "hostdev"))
		if (++n > DEVICES_MAX)
			return error_set(err, ERR_HYPERVISOR, "the server has too many devices of the host");
	out->hostdevs = hostdevs = ARENA_ARRAY(a, struct hv_hostdev, n);
	out->mdevs = mdevs = ARENA_ARRAY(a, struct hv_mdev, n);
	for (xmlNodePtr h = xr_child(devices, "hostdev"); h; h = xr_next(h, "hostdev")) {
		xmlNodePtr source = xr_child(h, "source");
		int cell = cell_above(devices, h);

		if (xr_attr_is(h, "type", "pci")) {
			read_source(source, hostdevs[out->hostdevs_n].address);
			hostdevs[out->hostdevs_n++].guest_cell = cell;
		} else if (xr_attr_is(h, "type", "mdev")) {
			char *uuid = xr_attr(a, xr_child(source, "address"), "uuid");

			str_copy(mdevs[out->mdevs_n].uuid, UUID_TEXT, uuid ? uuid : "");
			mdevs[out->mdevs_n++].guest_cell = cell;
		}
	}
	return 0;
}
