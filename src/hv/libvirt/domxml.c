/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/domxml.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"
#include "hv/libvirt/xmlw.h"

enum { BALLOON_PERIOD_S = 10 };

static bool is_x86(const struct domxml_host *h)
{
	return str_eq(h->arch, "x86_64") || str_eq(h->arch, "i686");
}

static bool is_test(const struct domxml_host *h)
{
	return str_eq(h->type, "test");
}

/* libvirt refuses a title of several lines. */
static void write_title(struct xmlw *w, const char *title)
{
	char line[1024];

	if (!title || !*title)
		return;
	str_copy(line, sizeof line, title);
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	xw_leaf(w, "title", line);
}

static void write_mark(struct xmlw *w, const struct hv_domain *d)
{
	xw_open(w, "metadata");
	xw_open(w, "cloudd:server");
	xw_attr(w, "xmlns:cloudd", DOMXML_NS);
	xw_attr(w, "cloud", d->cloud_id ? d->cloud_id : "");
	xw_attr(w, "project", d->project_id ? d->project_id : "");
	xw_attr(w, "flavor", d->flavor_name ? d->flavor_name : "");
	xw_attrf(w, "epoch", "%lld", (long long)d->epoch);
	for (size_t i = 0; i < d->nics_n; i++)
		if (d->nics[i].address)
			xw_empty(w, "cloudd:nic", "mac", d->nics[i].mac, "address", d->nics[i].address, NULL);
	xw_close(w);
	xw_close(w);
}

static void write_os(struct xmlw *w, const struct hv_domain *d, const struct domxml_host *h)
{
	const char *machine = d->machine ? d->machine : is_x86(h) ? "q35" : "virt";

	xw_open(w, "os");
	xw_open(w, "type");
	if (h->arch)
		xw_attr(w, "arch", h->arch);
	if (!is_test(h))
		xw_attr(w, "machine", machine);
	xw_text(w, "hvm");
	xw_close(w);
	xw_empty(w, "boot", "dev", "hd", NULL);
	xw_close(w);
}

static void write_cpu_model(struct xmlw *w, const struct hv_domain *d, const struct domxml_host *h)
{
	int sockets = numaxml_sockets(d);

	if (str_eq(h->type, "kvm")) {
		xw_attr(w, "mode", "host-passthrough");
		xw_attr(w, "check", "none");
		/* a GPU's memory is mapped above the guest's own: as many address bits as the host has */
		if (d->hostdevs_n + d->mdevs_n)
			xw_empty(w, "maxphysaddr", "mode", "passthrough", NULL);
	} else {
		xw_attr(w, "mode", "maximum");
	}
	xw_open(w, "topology");
	xw_attrf(w, "sockets", "%d", sockets);
	xw_attrf(w, "cores", "%d", d->vcpus / sockets);
	xw_attr(w, "threads", "1");
	xw_close(w);
}

static void write_cpu(struct xmlw *w, const struct hv_domain *d, const struct domxml_host *h)
{
	if (is_test(h) && !d->cells_n)
		return;
	xw_open(w, "cpu");
	if (!is_test(h))
		write_cpu_model(w, d, h);
	numaxml_write_cells(w, d);
	xw_close(w);
}

static void write_clock(struct xmlw *w, const struct domxml_host *h)
{
	xw_open(w, "clock");
	xw_attr(w, "offset", "utc");
	if (is_x86(h) && !is_test(h)) {
		xw_empty(w, "timer", "name", "rtc", "tickpolicy", "catchup", NULL);
		xw_empty(w, "timer", "name", "pit", "tickpolicy", "delay", NULL);
		xw_empty(w, "timer", "name", "hpet", "present", "no", NULL);
	}
	xw_close(w);
}

static void write_disk(struct xmlw *w, const struct hv_disk *disk, size_t i, const struct domxml_host *h)
{
	char dev[8];

	if (i < 26)
		snprintf(dev, sizeof dev, "vd%c", (char)('a' + i));
	else
		snprintf(dev, sizeof dev, "vd%c%c", (char)('a' + (i / 26 - 1) % 26), (char)('a' + i % 26));
	xw_open(w, "disk");
	xw_attr(w, "type", "volume");
	xw_attr(w, "device", "disk");
	xw_open(w, "driver");
	xw_attr(w, "name", "qemu");
	xw_attr(w, "type", disk->format);
	if (!disk->readonly)
		xw_attr(w, "discard", "unmap");
	xw_close(w);
	xw_empty(w, "source", "pool", h->pool, "volume", disk->volume, NULL);
	xw_empty(w, "target", "dev", dev, "bus", "virtio", NULL);
	if (disk->readonly)
		xw_empty(w, "readonly", NULL);
	if (disk->serial && *disk->serial)
		xw_leaf(w, "serial", disk->serial);
	xw_close(w);
}

static void write_nic(struct xmlw *w, const struct hv_nic *nic)
{
	xw_open(w, "interface");
	xw_attr(w, "type", nic->is_bridge ? "bridge" : "network");
	xw_empty(w, "mac", "address", nic->mac, NULL);
	xw_empty(w, "source", nic->is_bridge ? "bridge" : "network", nic->source, NULL);
	xw_empty(w, "model", "type", "virtio", NULL);
	if (nic->mtu > 0) {
		xw_open(w, "mtu");
		xw_attrf(w, "size", "%d", nic->mtu);
		xw_close(w);
	}
	xw_close(w);
}

/* Other machines are left to libvirt, and its test driver where no device has its place in the tree. */
static bool has_tree(const struct hv_domain *d, const struct domxml_host *h)
{
	return (!is_test(h) || d->cells_n) &&
	       (!d->machine || str_eq(d->machine, "q35") || str_eq(d->machine, "virt"));
}

static void write_serial(struct xmlw *w, const struct domxml_host *h)
{
	xw_open(w, "serial");
	xw_attr(w, "type", "pty");
	if (h->log_path)
		xw_empty(w, "log", "file", h->log_path, "append", "on", NULL);
	xw_empty(w, "target", "port", "0", NULL);
	xw_close(w);
	xw_open(w, "console");
	xw_attr(w, "type", "pty");
	if (h->log_path)
		xw_empty(w, "log", "file", h->log_path, "append", "on", NULL);
	xw_empty(w, "target", "type", "serial", "port", "0", NULL);
	xw_close(w);
}

static void write_helpers(struct xmlw *w)
{
	xw_open(w, "channel");
	xw_attr(w, "type", "unix");
	xw_empty(w, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
	xw_close(w);
	xw_open(w, "memballoon");
	xw_attr(w, "model", "virtio");
	xw_open(w, "stats");
	xw_attrf(w, "period", "%d", BALLOON_PERIOD_S);
	xw_close(w);
	xw_close(w);
	xw_open(w, "rng");
	xw_attr(w, "model", "virtio");
	xw_open(w, "backend");
	xw_attr(w, "model", "random");
	xw_text(w, "/dev/urandom");
	xw_close(w);
	xw_close(w);
}

static void write_devices(struct xmlw *w, const struct hv_domain *d, const struct domxml_host *h)
{
	xw_open(w, "devices");
	if (h->emulator)
		xw_leaf(w, "emulator", h->emulator);
	if (has_tree(d, h)) {
		treexml_write_ports(w, d);
		xw_empty(w, "controller", "type", "usb", "model", "none", NULL);
	}
	for (size_t i = 0; i < d->disks_n; i++)
		write_disk(w, &d->disks[i], i, h);
	for (size_t i = 0; i < d->nics_n; i++)
		write_nic(w, &d->nics[i]);
	treexml_write_devices(w, d, has_tree(d, h));
	write_serial(w, h);
	write_helpers(w);
	xw_close(w);
}

void domxml_write(struct buf *out, const struct hv_domain *d, const struct domxml_host *h)
{
	struct xmlw w = { .out = out };

	xw_open(&w, "domain");
	xw_attr(&w, "type", h->type);
	xw_leaf(&w, "name", d->name);
	xw_leaf(&w, "uuid", d->uuid);
	write_title(&w, d->title);
	write_mark(&w, d);
	xw_open(&w, "memory");
	xw_attr(&w, "unit", "MiB");
	xw_textf(&w, "%lld", (long long)d->ram_mib);
	xw_close(&w);
	xw_open(&w, "vcpu");
	xw_attr(&w, "placement", "static");
	xw_textf(&w, "%d", d->vcpus);
	xw_close(&w);
	numaxml_write(&w, d);
	write_os(&w, d, h);
	xw_open(&w, "features");
	xw_empty(&w, "acpi", NULL);
	if (is_x86(h))
		xw_empty(&w, "apic", NULL);
	xw_close(&w);
	write_cpu(&w, d, h);
	write_clock(&w, h);
	xw_leaf(&w, "on_poweroff", "destroy");
	xw_leaf(&w, "on_reboot", "restart");
	xw_leaf(&w, "on_crash", "destroy");
	write_devices(&w, d, h);
	xw_close(&w);
}

int domxml_mark_read(const char *xml, struct domxml_mark *out)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(xr_free) xmlDocPtr doc = NULL;
	struct error ignored;
	xmlNodePtr root;
	char *cloud;

	if (!(doc = xr_parse(xml, strlen(xml), &ignored)))
		return -1;
	root = xmlDocGetRootElement(doc);
	/* libvirt hands out the element with its own prefix, or with none; the name space it strips */
	if (strcmp((const char *)root->name, "server") != 0 || !(cloud = xr_attr(&a, root, "cloud")))
		return -1;
	if (!str_copy(out->cloud_id, sizeof out->cloud_id, cloud))
		return -1;
	out->epoch = xr_attr_int(root, "epoch", 0);
	return 0;
}
