/* SPDX-License-Identifier: Apache-2.0 */
/* What a host has, and what guests' definitions depend on. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/hostxml.h"
#include "hv/libvirt/nodexml.h"

enum { DEVICES_MAX = 4096 };

/* --- facts ---------------------------------------------------------------------------------------------- */

/* The host's <cpu> with all its features: it lists only what goes beyond the named model. In the arena; NULL
 * when the host tells none. */
static const char *expanded_cpu(struct hv_conn *c, struct arena *a, const char *caps_xml)
{
	CLEANUP(free_ptr) char *expanded = NULL;
	const char *cpu = hostxml_cpu_text(a, caps_xml);

	if (cpu)
		expanded = virConnectBaselineCPU(
			c->link->conn, &cpu, 1, VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES);
	return expanded ? arena_strdup(a, expanded) : cpu;
}

/* KVM is worth its name only where the processor virtualizes: a /dev/kvm without vmx or svm (a paravirtual
 * one) is offered by libvirt, but an ordinary guest kernel does not boot under it. */
static bool cpu_virtualizes(struct hv_conn *c, const char *caps_xml)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const char *cpu = expanded_cpu(c, &a, caps_xml);

	return cpu && hostxml_cpu_virtualizes(cpu);
}

static int decide_accel(struct hv_conn *c, const char *caps_xml, const struct host_caps *caps,
	struct host_facts *out, struct error *err)
{
	bool x86 = str_eq(caps->guest_arch, "x86_64") || str_eq(caps->guest_arch, "i686");

	if (c->link->test) {
		snprintf(out->domain, sizeof out->domain, "test");
		return 0;
	}
	if (c->accel == HV_ACCEL_KVM && !caps->offers_kvm)
		return error_set(err, ERR_HYPERVISOR, "the host is set to KVM but does not offer it");
	out->kvm = caps->offers_kvm && c->accel != HV_ACCEL_QEMU &&
		   (c->accel == HV_ACCEL_KVM || !x86 || cpu_virtualizes(c, caps_xml));
	snprintf(out->domain, sizeof out->domain, "%s", out->kvm ? "kvm" : "qemu");
	return 0;
}

static int pool_path(struct hv_conn *c, char **out, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *xml = NULL;
	CLEANUP(pool_free) virStoragePoolPtr pool = virStoragePoolLookupByName(c->link->conn, c->pool);
	char *path;

	if (!pool)
		return conn_fail(c, "find its storage pool", err);
	if (!(xml = virStoragePoolGetXMLDesc(pool, 0)))
		return conn_fail(c, "describe the storage pool", err);
	path = hostxml_pool_path(&a, xml);
	*out = path ? xstrdup(path) : NULL;
	return 0;
}

int host_facts_read(struct hv_conn *c, struct host_facts *out, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *xml = virConnectGetCapabilities(c->link->conn);
	struct host_caps caps;

	if (!xml)
		return conn_fail(c, "tell its capabilities", err);
	if (hostxml_caps(&a, xml, &caps, err) < 0 || decide_accel(c, xml, &caps, out, err) < 0)
		return -1;
	snprintf(out->type, sizeof out->type, "%s", c->link->test ? "TEST" : "QEMU");
	snprintf(out->arch, sizeof out->arch, "%s", caps.guest_arch);
	if (c->link->test)
		return 0;
	out->emulator = caps.emulator ? xstrdup(caps.emulator) : NULL;
	return pool_path(c, &out->pool_path, err);
}

/* --- inventory ------------------------------------------------------------------------------------------ */

static int read_node(struct hv_conn *c, struct arena *a, struct hv_inventory *inv, struct error *err)
{
	CLEANUP(free_ptr) char *hostname = virConnectGetHostname(c->link->conn);
	unsigned long version = 0;
	virNodeInfo node;

	if (virNodeGetInfo(c->link->conn, &node) < 0)
		return conn_fail(c, "describe its processors and memory", err);
	if (virConnectGetVersion(c->link->conn, &version) < 0)
		return conn_fail(c, "tell its version", err);
	if (!hostname)
		return conn_fail(c, "tell its name", err);
	inv->hostname = arena_strdup(a, hostname);
	inv->version = (int64_t)version;
	inv->cpus = (int)node.cpus;
	inv->ram_mib = node.memory / 1024 < HV_RAM_MIB_MAX ? (int64_t)(node.memory / 1024) : HV_RAM_MIB_MAX;
	inv->sockets = (int)(node.sockets * node.nodes);
	inv->cores = (int)node.cores;
	inv->threads = (int)node.threads;
	return 0;
}

static int read_caps(struct hv_conn *c, struct arena *a, struct hv_inventory *inv, struct error *err)
{
	CLEANUP(free_ptr) char *xml = virConnectGetCapabilities(c->link->conn);
	struct host_caps caps;
	const char *cpu;

	if (!xml)
		return conn_fail(c, "tell its capabilities", err);
	if (hostxml_caps(a, xml, &caps, err) < 0)
		return -1;
	cpu = expanded_cpu(c, a, xml);
	inv->cpu_features = cpu ? hostxml_cpu_features(a, cpu) : "";
	memcpy(inv->uuid, caps.uuid, sizeof inv->uuid);
	inv->arch = caps.arch;
	inv->cpu_model = caps.cpu_model ? caps.cpu_model : "";
	if (caps.sockets && caps.cores && caps.threads) {
		inv->sockets = caps.sockets;
		inv->cores = caps.cores;
		inv->threads = caps.threads;
	}
	inv->cells = caps.cells;
	inv->cells_n = caps.cells_n;
	return 0;
}

/* A host that tells of no cells is one that has everything. Only libvirt's test driver is such a host: its
 * CPUs are numbered from 0, the threads of a core in a row. */
static void one_cell(struct arena *a, struct hv_inventory *inv)
{
	struct hv_cell *cell = ARENA_NEW(a, struct hv_cell);
	int threads = inv->threads > 0 ? inv->threads : 1;
	struct hv_cpu *cpu = ARENA_ARRAY(a, struct hv_cpu, CPUSET_MAX);

	for (int i = 0; i < inv->cpus && i < CPUSET_MAX; i++)
		cpu[cell->cpu_n++] = (struct hv_cpu) { (int16_t)i, (int16_t)(i - i % threads) };
	cell->cpu = cpu;
	cell->ram_mib = inv->ram_mib;
	cell->cpus = inv->cpus;
	inv->cells = cell;
	inv->cells_n = 1;
}

/* A device that vanished since the list was made is not there: no error. */
static int read_device(
	struct hv_conn *c, struct arena *a, virNodeDevicePtr dev, struct pci *out, struct error *err)
{
	CLEANUP(free_ptr) char *xml = virNodeDeviceGetXMLDesc(dev, 0);

	if (!xml)
		return conn_last() == VIR_ERR_NO_NODE_DEVICE ? 0 : conn_fail(c, "describe a device", err);
	return nodexml_read(a, xml, out, err);
}

static int read_devices(struct hv_conn *c, struct arena *a, struct hv_inventory *inv, struct error *err)
{
	virNodeDevicePtr *devs = NULL;
	struct pci *all;
	size_t all_n = 0;
	int n, rc = 0;

	n = virConnectListAllNodeDevices(c->link->conn, &devs, VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV);
	if (n < 0)
		return conn_fail(c, "list its devices", err);
	all = xcalloc((size_t)n + 1, sizeof *all);
	for (int i = 0; i < n; i++) {
		if (rc >= 0 && i < DEVICES_MAX && (rc = read_device(c, a, devs[i], &all[all_n], err)) > 0)
			all_n++;
		virNodeDeviceFree(devs[i]);
	}
	free(devs);
	if (rc >= 0)
		nodexml_devices(a, all, all_n, &inv->devices, &inv->devices_n);
	free(all);
	return rc < 0 ? -1 : 0;
}

static int read_pool(struct hv_conn *c, struct hv_inventory *inv, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = virStoragePoolLookupByName(c->link->conn, c->pool);
	virStoragePoolInfo info;

	if (!pool && conn_last() == VIR_ERR_NO_STORAGE_POOL)
		return error_set(err, ERR_HYPERVISOR, "the host has no storage pool named %.64s", c->pool);
	if (!pool)
		return conn_fail(c, "find its storage pool", err);
	if (virStoragePoolIsActive(pool) == 0 && virStoragePoolCreate(pool, 0) < 0 &&
		virStoragePoolIsActive(pool) != 1) {
		conn_fail(c, "start its storage pool", err);
		return error_wrap(err, "pool %.64s", c->pool);
	}
	/* refused while a volume is built: then the figures are a little old */
	virStoragePoolRefresh(pool, 0);
	if (virStoragePoolGetInfo(pool, &info) < 0)
		return conn_fail(c, "describe its storage pool", err);
	str_copy(inv->pool, sizeof inv->pool, c->pool);
	inv->pool_capacity_gib = (int64_t)(info.capacity >> 30);
	inv->pool_free_gib = (int64_t)(info.available >> 30);
	return 0;
}

int lv_inventory(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err)
{
	struct hv_inventory inv = { 0 };
	const struct host_facts *facts;

	if (read_pool(c, &inv, err) < 0 || conn_facts(c, &facts, err) < 0 || read_node(c, a, &inv, err) < 0 ||
		read_caps(c, a, &inv, err) < 0 || read_devices(c, a, &inv, err) < 0)
		return -1;
	if (!inv.cells_n)
		one_cell(a, &inv);
	if (facts->pool_path == NULL && !c->link->test)
		return error_set(err, ERR_HYPERVISOR,
			"the host's storage pool %.64s is not a directory of files (dir, fs or netfs)",
			c->pool);
	inv.type = c->link->test ? "TEST" : "QEMU";
	inv.kvm = facts->kvm;
	*out = inv;
	return 0;
}
