/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a create costs a client of libvirt: a bare loop of volume create, define and create, one
 *after the other on one connection, with nothing checked, remembered or looked up in between.
 *
 *	bench_libvirt_loop URI POOL NETWORK COUNT
 *
 * Prints "cpu_us" of this process per create, and what a create took. Takes away what it made. */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "load.h"

static const char volume_xml[] =
	"<volume><name>bench-%06u.qcow2</name><capacity unit='bytes'>1073741824</capacity>"
	"<allocation>0</allocation><target><format type='qcow2'/></target></volume>";

/* what the daemon's domain XML for the test driver has */
static const char domain_xml[] =
	"<domain type='test'><name>bench-%06u</name><uuid>be4c4000-0000-4000-8000-%012u</uuid>"
	"<title>bench-%u</title>"
	"<metadata><cloudd:server xmlns:cloudd='https://cloudd.dev/ns/1' "
	"cloud='be4c4000-0000-4000-8000-000000000000' "
	"project='0123456789abcdef0123456789abcdef' flavor='m1.nano' epoch='1'/></metadata>"
	"<memory unit='MiB'>192</memory><vcpu placement='static'>1</vcpu>"
	"<os><type arch='i686'>hvm</type><boot dev='hd'/></os><features><acpi/><apic/></features><clock "
	"offset='utc'/>"
	"<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</"
	"on_crash><devices>"
	"<disk type='volume' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
	"<source pool='%s' volume='bench-%06u.qcow2'/><target dev='vda' bus='virtio'/></disk>"
	"<interface type='network'><mac address='fa:16:3e:%02x:%02x:%02x'/><source network='%s'/><model "
	"type='virtio'/>"
	"</interface>"
	"<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' "
	"port='0'/></console>"
	"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
	"<memballoon model='virtio'><stats period='10'/></memballoon>"
	"<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>";

static const char *pool_name, *network;

static void make(virConnectPtr conn, virStoragePoolPtr pool, unsigned i)
{
	char xml[4096];
	virStorageVolPtr vol;
	virDomainPtr dom;

	snprintf(xml, sizeof xml, volume_xml, i);
	if (!(vol = virStorageVolCreateXML(pool, xml, 0)))
		load_die("volume %u", i);
	snprintf(xml, sizeof xml, domain_xml, i, i, i, pool_name, i, i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff,
		network);
	if (!(dom = virDomainDefineXML(conn, xml)) || virDomainCreate(dom) < 0)
		load_die("domain %u", i);
	virStorageVolFree(vol);
	virDomainFree(dom);
}

static void take_away(virConnectPtr conn, virStoragePoolPtr pool, unsigned i)
{
	char name[64];
	virStorageVolPtr vol;
	virDomainPtr dom;

	snprintf(name, sizeof name, "bench-%06u", i);
	if (!(dom = virDomainLookupByName(conn, name)) || virDomainDestroy(dom) < 0 ||
		virDomainUndefine(dom) < 0)
		load_die("domain %u stays", i);
	virDomainFree(dom);
	snprintf(name, sizeof name, "bench-%06u.qcow2", i);
	if (!(vol = virStorageVolLookupByName(pool, name)) || virStorageVolDelete(vol, 0) < 0)
		load_die("volume %u stays", i);
	virStorageVolFree(vol);
}

int main(int argc, char **argv)
{
	unsigned count = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	virStoragePoolPtr pool;
	virConnectPtr conn;
	int64_t start, cpu;
	int self = 0; /* clock_getcpuclockid's name for this process */

	if (!count)
		load_die("usage: %s URI POOL NETWORK COUNT", argv[0]);
	pool_name = argv[2];
	network = argv[3];
	if (!(conn = virConnectOpen(argv[1])) || !(pool = virStoragePoolLookupByName(conn, pool_name)))
		load_die("no connection to %s, or no pool %s", argv[1], pool_name);
	start = load_now_us();
	cpu = load_cpu_us(self);
	for (unsigned i = 0; i < count; i++)
		make(conn, pool, i);
	cpu = load_cpu_us(self) - cpu;
	start = load_now_us() - start;
	printf("cpu_us %.2f\ntook_us %.2f\n", (double)cpu / count, (double)start / count);
	for (unsigned i = 0; i < count; i++)
		take_away(conn, pool, i);
	virStoragePoolFree(pool);
	virConnectClose(conn);
	return 0;
}
