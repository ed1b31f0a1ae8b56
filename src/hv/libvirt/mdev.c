/* SPDX-License-Identifier: Apache-2.0 */
/* Mediated devices, made and removed through libvirt's node devices. They are of the running host only: their
 * record is in our rows, and a start makes them again. */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/mdevxml.h"

static void node_free(virNodeDevicePtr *d)
{
	if (*d)
		virNodeDeviceFree(*d);
}

/* *out stays NULL when there is none. */
static int find(struct hv_conn *c, const char *uuid, virNodeDevicePtr *out, struct error *err)
{
	virNodeDevicePtr *list = NULL;
	int n = virConnectListAllNodeDevices(c->link->conn, &list, VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV);

	if (n < 0)
		return conn_fail(c, "list its mediated devices", err);
	for (int i = 0; i < n; i++) {
		if (!*out && mdevxml_is(virNodeDeviceGetName(list[i]), uuid))
			*out = list[i];
		else
			virNodeDeviceFree(list[i]);
	}
	free(list);
	return 0;
}

/* 1 made; 0 this parent has no room for it; -1. */
static int make(struct hv_conn *c, const char *parent, const struct hv_mdev *m, struct mdevxml_parent *p,
	struct arena *a, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	CLEANUP(free_ptr) char *xml = NULL;
	CLEANUP(node_free)
	virNodeDevicePtr dev = virNodeDeviceLookupByName(c->link->conn, parent), made = NULL;

	if (!dev || !(xml = virNodeDeviceGetXMLDesc(dev, 0)))
		return conn_fail(c, "find the device that the server was promised a part of", err);
	if (mdevxml_parent(a, xml, m->type, p, err) < 0)
		return -1;
	if (!p->type_id || p->available < 1)
		return 0;
	mdevxml_write(&text, parent, p->type_id, m->uuid);
	made = virNodeDeviceCreateXML(c->link->conn, buf_text(&text), 0);
	return made ? 1 : conn_fail(c, "make the server's part of a device", err);
}

static int make_below(struct hv_conn *c, const struct hv_mdev *m, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct mdevxml_parent device = { 0 }, function = { 0 };
	char name[MDEVXML_NAME];
	int rc;

	mdevxml_pci_name(m->parent, name);
	rc = make(c, name, m, &device, &a, err);
	for (size_t i = 0; rc == 0 && i < device.functions_n; i++)
		rc = make(c, device.functions[i], m, &function, &a, err);
	if (rc)
		return rc < 0 ? -1 : 0;
	error_set(err, ERR_HYPERVISOR, "the host could not make the server's part of a device");
	return error_detail(err, "%s and its virtual functions have no room for %s", m->parent, m->type);
}

/* One that somebody defined for good may be there without being made. */
static int awake(struct hv_conn *c, virNodeDevicePtr dev, struct error *err)
{
	int active = virNodeDeviceIsActive(dev);

	if (active > 0 || (active < 0 && conn_last() == VIR_ERR_NO_SUPPORT) ||
		virNodeDeviceCreate(dev, 0) == 0)
		return 0;
	return conn_fail(c, "start the server's part of a device", err);
}

int lv_mdev_ensure(struct hv_conn *c, const struct hv_mdev *m, struct error *err)
{
	CLEANUP(node_free) virNodeDevicePtr there = NULL, since = NULL;
	struct error ignored;

	if (!uuid_valid(m->uuid))
		return error_set(err, ERR_BAD_REQUEST, "not the id of a mediated device");
	if (find(c, m->uuid, &there, err) < 0)
		return -1;
	if (there)
		return awake(c, there, err);
	if (make_below(c, m, err) == 0)
		return 0;
	return find(c, m->uuid, &since, &ignored) == 0 && since ? 0 : -1;
}

int lv_mdev_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(node_free) virNodeDevicePtr dev = NULL;

	if (find(c, uuid, &dev, err) < 0)
		return -1;
	if (!dev || virNodeDeviceIsActive(dev) == 0 || virNodeDeviceDestroy(dev) == 0 ||
		conn_last() == VIR_ERR_NO_NODE_DEVICE)
		return 0;
	return conn_fail(c, "remove the server's part of a device", err);
}
