/* SPDX-License-Identifier: Apache-2.0 */
/* A PCI device between two guests: who has it, what it is now, and its reset. */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/mdevxml.h"
#include "hv/libvirt/nodexml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"

static void node_free(virNodeDevicePtr *d)
{
	if (*d)
		virNodeDeviceFree(*d);
}

static int gone(const char *address, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "device %.15s is not on its host", address);
}

/* The node device, and what its host says of it. */
static int find(
	struct hv_conn *c, const char *address, virNodeDevicePtr *out, struct pci *pci, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *xml = NULL;
	char name[MDEVXML_NAME];
	struct pci is;
	int rc;

	mdevxml_pci_name(address, name);
	if (!name[0])
		return error_set(err, ERR_BAD_REQUEST, "not the address of a PCI device");
	*out = virNodeDeviceLookupByName(c->link->conn, name);
	if (!*out || !(xml = virNodeDeviceGetXMLDesc(*out, 0)))
		return conn_last() == VIR_ERR_NO_NODE_DEVICE ? gone(address, err)
							     : conn_fail(c, "describe a device", err);
	rc = nodexml_read(&a, xml, &is, err);
	if (rc <= 0)
		return rc < 0 ? -1 : gone(address, err);
	*pci = is;
	pci->device.companions = pci->device.mdev_types = ""; /* in the arena */
	return 0;
}

/* ---- who has it ---- */

static bool has(const char *xml, const char *address)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error ignored;
	CLEANUP(xr_free) xmlDocPtr doc = xr_parse(xml, strlen(xml), &ignored);
	struct hv_domain d = { 0 };

	if (!doc || treexml_read(&a, xr_child(xmlDocGetRootElement(doc), "devices"), &d, &ignored))
		return true; /* it cannot be told: then it may */
	for (size_t i = 0; i < d.hostdevs_n; i++)
		if (strcmp(d.hostdevs[i].address, address) == 0)
			return true;
	return false;
}

/* Ours or not: the first running domain that has it. One that ends meanwhile has it no more. */
static int find_user(struct hv_conn *c, const char *address, char out[UUID_TEXT], struct error *err)
{
	virDomainPtr *list = NULL;
	int n = virConnectListAllDomains(c->link->conn, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE), rc = 0;

	out[0] = '\0';
	if (n < 0)
		return conn_fail(c, "list its domains", err);
	for (int i = 0; i < n; i++) {
		CLEANUP(free_ptr) char *xml = NULL;

		if (rc == 0 && !out[0]) {
			xml = virDomainGetXMLDesc(list[i], 0);
			if (!xml && conn_last() != VIR_ERR_NO_DOMAIN)
				rc = conn_fail(c, "describe a domain", err);
			else if (xml && has(xml, address))
				virDomainGetUUIDString(list[i], out);
		}
		virDomainFree(list[i]);
	}
	free(list);
	return rc;
}

int lv_device_look(struct hv_conn *c, const char *address, struct hv_device_seen *out, struct error *err)
{
	CLEANUP(node_free) virNodeDevicePtr dev = NULL;
	struct hv_device_seen seen = { .user = "" };
	struct pci pci = { .class = 0 };

	if (find(c, address, &dev, &pci, err) || find_user(c, address, seen.user, err))
		return -1;
	seen.device = pci.device;
	*out = seen;
	return 0;
}

/* ---- its reset ---- */

/* libvirt takes a reset that was never possible here for an unknown call. */
static int reset_failed(struct hv_conn *c, struct error *err)
{
	if (conn_last() == VIR_ERR_NO_SUPPORT)
		return error_set(err, ERR_NOT_IMPLEMENTED, "the host resets no devices");
	return conn_fail(c, "reset the device", err);
}

/* A host's driver that has it would be hurt by the reset: it is parked with VFIO meanwhile. */
static int reset_parked(struct hv_conn *c, virNodeDevicePtr dev, bool parked, struct error *err)
{
	int rc = 0;

	if (parked && virNodeDeviceDetachFlags(dev, "vfio", 0) < 0)
		return conn_fail(c, "take the device from its driver", err);
	if (virNodeDeviceReset(dev) < 0)
		rc = reset_failed(c, err);
	if (parked && virNodeDeviceReAttach(dev) < 0 && rc == 0)
		rc = conn_fail(c, "give the device back to its driver", err);
	return rc;
}

int lv_device_reset(struct hv_conn *c, const char *address, struct error *err)
{
	CLEANUP(node_free) virNodeDevicePtr dev = NULL;
	char user[UUID_TEXT];
	struct pci pci = { .class = 0 };

	if (find(c, address, &dev, &pci, err) || find_user(c, address, user, err))
		return -1;
	if (user[0])
		return error_set(err, ERR_BUSY, "the device is in use by domain %s", user);
	if (c->link->test) /* whose devices are of paper */
		return 0;
	return reset_parked(c, dev, pci.device.driver[0] && strcmp(pci.device.driver, "vfio-pci") != 0, err);
}
