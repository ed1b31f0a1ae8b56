/* SPDX-License-Identifier: Apache-2.0 */
/* What a running domain has, by libvirt's word: its live XML, and the kernel's for where its vCPUs may run.
 */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/numaxml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"

static int read_xml(struct arena *a, const char *xml, struct hv_domain *out, struct error *err)
{
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), err);
	xmlNodePtr root;

	if (!doc)
		return -1;
	root = xmlDocGetRootElement(doc);
	if (!xr_attr_is(xr_path(root, "metadata", "server", NULL), "cloud", hv_cloud_id()))
		return error_set(err, ERR_CONFLICT, "a domain with this id on the host is not ours");
	if (xr_attr_int(root, "id", -1) < 0)
		return error_set(err, ERR_NOT_FOUND, "the server does not run");
	return numaxml_read(a, root, out, err) || treexml_read(a, xr_child(root, "devices"), out, err) ? -1
												       : 0;
}

/* The definition says what libvirt was asked; the threads tell what became of it. (Its test driver has none,
 * and knows CPUs of its own host only.) */
static int read_affinity(
	struct hv_conn *c, virDomainPtr dom, struct arena *a, struct hv_domain *out, struct error *err)
{
	CLEANUP(free_ptr) virVcpuInfo *info = xcalloc(out->pins_n, sizeof *info);
	CLEANUP(free_ptr) unsigned char *maps = xcalloc(out->pins_n, sizeof(struct cpuset));
	struct cpuset *pins = ARENA_ARRAY(a, struct cpuset, out->pins_n);
	int n = virDomainGetVcpus(dom, info, (int)out->pins_n, maps, sizeof(struct cpuset));

	if (n < 0)
		return conn_fail(c, "tell where the server's processors run", err);
	out->pins = pins;
	out->pins_n = (size_t)n;
	for (int i = 0; i < n; i++)
		for (int cpu = 0; cpu < CPUSET_MAX; cpu++)
			if (VIR_CPU_USABLE(maps, sizeof(struct cpuset), i, cpu))
				cpuset_add(&pins[i], cpu);
	return 0;
}

int lv_domain_read(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	CLEANUP(free_ptr) char *xml = NULL;
	struct hv_domain d = { 0 };

	if (!uuid_valid(uuid))
		return error_set(err, ERR_BAD_REQUEST, "not a server's id");
	dom = virDomainLookupByUUIDString(c->link->conn, uuid);
	if (!dom || !(xml = virDomainGetXMLDesc(dom, 0)))
		return conn_fail(c, "describe the server", err);
	if (read_xml(a, xml, &d, err) < 0 ||
		(d.pins_n && !c->link->test && read_affinity(c, dom, a, &d, err) < 0))
		return -1;
	*out = d;
	return 0;
}
