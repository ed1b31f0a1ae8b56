/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt tells of a domain to one who has lost everything but the host. */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"

static size_t count(xmlNodePtr parent, const char *name)
{
	size_t n = 0;

	for (xmlNodePtr x = xr_child(parent, name); x; x = xr_next(x, name))
		n++;
	return n;
}

static void read_disks(struct arena *a, xmlNodePtr devices, struct hv_domain *d)
{
	struct hv_disk *disks = ARENA_ARRAY(a, struct hv_disk, count(devices, "disk") + 1);

	for (xmlNodePtr x = xr_child(devices, "disk"); x; x = xr_next(x, "disk")) {
		const char *volume = xr_attr(a, xr_child(x, "source"), "volume");
		const char *format = xr_attr(a, xr_child(x, "driver"), "type");

		if (volume)
			disks[d->disks_n++] = (struct hv_disk) { .volume = volume,
				.format = format ? format : "raw",
				.readonly = xr_child(x, "readonly") != NULL };
	}
	d->disks = disks;
}

/* Its address is in the mark alone. */
static const char *address_of(struct arena *a, xmlNodePtr mark, const char *mac)
{
	for (xmlNodePtr x = xr_child(mark, "nic"); x; x = xr_next(x, "nic"))
		if (xr_attr_is(x, "mac", mac))
			return xr_attr(a, x, "address");
	return NULL;
}

static void read_nics(struct arena *a, xmlNodePtr devices, xmlNodePtr mark, struct hv_domain *d)
{
	struct hv_nic *nics = ARENA_ARRAY(a, struct hv_nic, count(devices, "interface") + 1);

	for (xmlNodePtr x = xr_child(devices, "interface"); x; x = xr_next(x, "interface")) {
		const char *mac = xr_attr(a, xr_child(x, "mac"), "address");
		bool is_bridge = xr_attr_is(x, "type", "bridge");
		const char *source = xr_attr(a, xr_child(x, "source"), is_bridge ? "bridge" : "network");

		if (mac)
			nics[d->nics_n++] = (struct hv_nic) { .mac = mac,
				.is_bridge = is_bridge,
				.source = source ? source : "",
				.address = address_of(a, mark, mac) };
	}
	d->nics = nics;
}

static int read_xml(struct arena *a, const char *xml, struct hv_domain *d, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	xmlNodePtr root, mark, devices;

	if (!doc)
		return -1;
	root = xmlDocGetRootElement(doc);
	mark = xr_path(root, "metadata", "server", NULL);
	devices = xr_child(root, "devices");
	if (numaxml_read(a, root, d, err) || treexml_read(a, devices, d, err))
		return -1;
	d->uuid = xr_text(a, xr_child(root, "uuid"));
	d->name = xr_text(a, xr_child(root, "name"));
	d->title = xr_text(a, xr_child(root, "title"));
	read_disks(a, devices, d);
	read_nics(a, devices, mark, d);
	if (!mark)
		return 0;
	d->cloud_id = xr_attr(a, mark, "cloud");
	d->project_id = xr_attr(a, mark, "project");
	d->flavor_name = xr_attr(a, mark, "flavor");
	d->epoch = xr_attr_int(mark, "epoch", 0);
	return 0;
}

int lv_domain_describe(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	CLEANUP(free_ptr) char *xml = NULL;
	struct hv_domain d = { 0 };

	if (!uuid_valid(uuid))
		return error_set(err, ERR_BAD_REQUEST, "not a server's id");
	dom = virDomainLookupByUUIDString(c->link->conn, uuid);
	/* as it was defined: of one that runs, libvirt writes the bridge in place of the network */
	if (!dom || !(xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE)))
		return conn_fail(c, "describe the server", err);
	if (read_xml(a, xml, &d, err) < 0)
		return -1;
	*out = d;
	return 0;
}
