/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as XML from a host (capabilities, devices, pools, guests, our mark), and as a tenant's text
 * in a guest's definition, which must stay well-formed XML with that text in it as text. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuzz_replay.h"
#include "hv/libvirt/domxml.h"
#include "hv/libvirt/guestxml.h"
#include "hv/libvirt/hostxml.h"
#include "hv/libvirt/mdevxml.h"
#include "hv/libvirt/nodexml.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"

static void from_host(const char *text)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct domxml_mark mark;
	struct host_caps caps;
	CLEANUP(buf_finish) struct buf placed = { 0 };
	const struct hv_device *devices;
	struct pci pci[2];
	size_t devices_n;
	struct guest guest;
	struct error err;

	hostxml_caps(&a, text, &caps, &err);
	if (nodexml_read(&a, text, &pci[0], &err) > 0) {
		pci[1] = pci[0];
		str_copy(pci[1].physical, sizeof pci[1].physical, pci[0].device.address);
		nodexml_devices(&a, pci, 2, &devices, &devices_n);
	}
	hostxml_cpu_features(&a, text);
	hostxml_cpu_text(&a, text);
	hostxml_cpu_virtualizes(text);
	hostxml_pool_path(&a, text);
	domxml_mark_read(text, &mark);
	guestxml_read(&a, text, &guest, &err);
	/* a definition that we wrote for another host can be read there */
	if (guestxml_place(text,
		    &(struct guest_place) { .pool = "p<&'\"", .emulator = "/e<&'\"", .log_path = "/l<&'\"" },
		    &placed, &err) == 0 &&
		guestxml_read(&a, buf_text(&placed), &guest, &err) < 0)
		abort();
}

/* A running guest, a device that is given in parts. */
static void of_promise(const char *text)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error err;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(text, strlen(text), &err);
	struct hv_domain d = { 0 };
	struct mdevxml_parent parent;
	xmlNodePtr root;

	if (!doc)
		return;
	root = xmlDocGetRootElement(doc);
	if (numaxml_read(&a, root, &d, &err) == 0 &&
		treexml_read(&a, xr_child(root, "devices"), &d, &err) == 0 && !hv_domain_kept(&d, &d, &err) &&
		!strstr(err.detail, "device"))
		abort(); /* it has what it has; a device may be named twice */
	mdevxml_parent(&a, text, "nvidia-474", &parent, &err);
}

static void from_tenant(const char *text)
{
	const struct hv_domain d = { .uuid = "11111111-2222-4333-8444-555555555555",
		.name = text,
		.title = text,
		.vcpus = 1,
		.ram_mib = 1,
		.project_id = text,
		.flavor_name = text,
		.cloud_id = text };
	CLEANUP(buf_finish) struct buf xml = { 0 };
	struct error err;
	xmlDocPtr doc;
	xmlNodePtr name;

	domxml_write(&xml, &d, &(struct domxml_host) { .type = "kvm", .arch = "x86_64", .pool = text });
	if (!(doc = xr_parse(xml.data, xml.len, &err)))
		abort();
	name = xr_child(xmlDocGetRootElement(doc), "name");
	if (!name || xr_child(name, NULL) || xr_next(name, "name"))
		abort();
	xmlFreeDoc(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = xmalloc(n + 1);

	memcpy(text, n ? (const void *)data : "", n);
	text[n] = '\0';
	from_host(text);
	of_promise(text);
	from_tenant(text);
	free(text);
	return 0;
}
