/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a guest from outside while it runs: a password by its agent, an NMI. And what it uses. */
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/guestxml.h"

enum { AGENT_TIMEOUT_S = 10, VCPUS_MAX = 1024 };

int lv_domain_set_password(
	struct hv_conn *c, const char *uuid, const char *user, const char *password, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	/* without it an agent that hangs holds the call for ever */
	virDomainAgentSetResponseTimeout(dom, AGENT_TIMEOUT_S, 0);
	if (virDomainSetUserPassword(dom, user, password, 0) == 0)
		return 0;
	switch (conn_last()) {
	case VIR_ERR_OPERATION_INVALID: /* off */
	case VIR_ERR_AGENT_UNRESPONSIVE:
	case VIR_ERR_AGENT_UNSYNCED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED: /* has no channel for one */
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_INTERNAL_ERROR: /* what the agent answered: no such user, no such program */
		conn_fail(c, "set the password", err);
		if (err->code == ERR_HYPERVISOR)
			err->code = ERR_CONFLICT;
		return error_wrap(err, "the server's guest agent does not answer or refused");
	default:
		return conn_fail(c, "set the password", err);
	}
}

int lv_domain_nmi(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!lv_is_active(seen.power))
		return error_set(err, ERR_NOT_FOUND, "the server does not run");
	return virDomainInjectNMI(dom, 0) < 0 ? conn_fail(c, "interrupt the server", err) : 0;
}

/* --- figures ---------------------------------------------------------------------------------------------
 */

static int read_cpus(virDomainPtr dom, struct arena *a, struct hv_stats *s)
{
	CLEANUP(free_ptr) virVcpuInfo *vcpus = NULL;
	virDomainInfo info;
	int64_t *times;
	int n;

	if (virDomainGetInfo(dom, &info) < 0)
		return -1;
	s->cpu_ns = (int64_t)info.cpuTime;
	s->ram_max_mib = (int64_t)(info.maxMem / 1024);
	n = info.nrVirtCpu < VCPUS_MAX ? info.nrVirtCpu : VCPUS_MAX;
	vcpus = xcalloc((size_t)n, sizeof *vcpus);
	if ((n = virDomainGetVcpus(dom, vcpus, n, NULL, 0)) < 0)
		return -1;
	times = ARENA_ARRAY(a, int64_t, (size_t)n);
	for (int i = 0; i < n; i++)
		times[i] = (int64_t)vcpus[i].cpuTime;
	s->vcpus_n = (size_t)n;
	s->vcpu_ns = times;
	return 0;
}

/* As the guest's balloon driver tells; one without it leaves the use unknown. */
static int read_memory(virDomainPtr dom, struct hv_stats *s)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	int64_t available = 0, usable = -1, unused = -1;
	int n = virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);

	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_AVAILABLE)
			available = (int64_t)stats[i].val;
		else if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_USABLE)
			usable = (int64_t)stats[i].val;
		else if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_UNUSED)
			unused = (int64_t)stats[i].val;
	}
	if (usable < 0)
		usable = unused;
	s->ram_used_mib = available && usable >= 0 && usable < available ? (available - usable) / 1024 : 0;
	return 0;
}

static int64_t known(long long n) /* -1: the host does not tell */
{
	return n > 0 ? n : 0;
}

static void read_nics(virDomainPtr dom, const struct guest *g, struct arena *a, struct hv_stats *s)
{
	struct hv_nic_stats *list = ARENA_ARRAY(a, struct hv_nic_stats, g->macs_n);

	for (size_t i = 0; i < g->macs_n; i++) {
		virDomainInterfaceStatsStruct n = { 0 };

		/* one whose host's end is gone counts nothing any more */
		(void)virDomainInterfaceStats(dom, g->macs[i], &n, sizeof n);
		list[i] = (struct hv_nic_stats) { .rx_bytes = known(n.rx_bytes),
			.rx_packets = known(n.rx_packets),
			.rx_errors = known(n.rx_errs),
			.rx_drop = known(n.rx_drop),
			.tx_bytes = known(n.tx_bytes),
			.tx_packets = known(n.tx_packets),
			.tx_errors = known(n.tx_errs),
			.tx_drop = known(n.tx_drop) };
		str_copy(list[i].mac, sizeof list[i].mac, g->macs[i]);
	}
	s->nics = list;
	s->nics_n = g->macs_n;
}

static int read_disks(virDomainPtr dom, const struct guest *g, struct arena *a, struct hv_stats *s)
{
	struct hv_disk_stats *list = ARENA_ARRAY(a, struct hv_disk_stats, g->disks_n);

	for (size_t i = 0; i < g->disks_n; i++) {
		virDomainBlockStatsStruct d = { 0 };

		if (virDomainBlockStats(dom, g->disks[i].dev, &d, sizeof d) < 0)
			return -1;
		list[i] = (struct hv_disk_stats) { known(d.rd_bytes), known(d.rd_req), known(d.wr_bytes),
			known(d.wr_req) };
	}
	s->disks = list;
	s->disks_n = g->disks_n;
	return 0;
}

int lv_domain_stats(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_stats *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	CLEANUP(free_ptr) char *xml = NULL;
	struct hv_stats stats = { 0 };
	struct hv_seen seen;
	struct guest guest = { 0 };

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!lv_is_active(seen.power))
		return error_set(err, ERR_NOT_FOUND, "the server does not run");
	if (!(xml = virDomainGetXMLDesc(dom, 0)))
		return conn_fail(c, "describe the server", err);
	if (guestxml_read(a, xml, &guest, err) < 0)
		return -1;
	stats.power = seen.power;
	read_nics(dom, &guest, a, &stats);
	if (read_cpus(dom, a, &stats) < 0 || read_memory(dom, &stats) < 0 ||
		read_disks(dom, &guest, a, &stats) < 0) {
		conn_fail(c, "measure the server", err);
		if (err->code == ERR_HYPERVISOR && virDomainIsActive(dom) == 0)
			return error_set(err, ERR_NOT_FOUND, "the server does not run");
		return -1;
	}
	*out = stats;
	return 0;
}
