/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's host tells of it: diagnostics for administrators, and how it lies on the host's NUMA cells.
 */
#include <stdio.h>

#include "api/compute/server_view.h"
#include "base/util.h"
#include "hv/hv.h"

/* --- GET /servers/{id}/topology: vCPUs and memory float over the host, so there are no cells to tell of */

int compute_server_topology(struct api_call *c, struct error *err)
{
	struct server_row r;

	if (compute_server_row(c, &r, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "nodes");
	jw_array(&c->out);
	jw_end_array(&c->out);
	jw_kv_null(&c->out, "pagesize_kb");
	jw_end_object(&c->out);
	return 0;
}

/* --- GET /servers/{id}/diagnostics */

struct diagnostics {
	struct api_call *call;
	struct server s;
};

static const char *power_word(enum hv_power power)
{
	static const char *const words[] = {
		[HV_POWER_ABSENT] = "pending",
		[HV_POWER_RUNNING] = "running",
		[HV_POWER_PAUSED] = "paused",
		[HV_POWER_SHUTOFF] = "shutdown",
		[HV_POWER_CRASHED] = "crashed",
		[HV_POWER_SUSPENDED] = "suspended",
	};

	return words[power];
}

/* Below 2.48: libvirt's own words, one flat object. */
static void flat_view(struct buf *b, const struct hv_stats *s)
{
	static const char disk_letters[] = "abcdefghijklmnopqrstuvwxyz";
	char key[48];

#define PUT(value, ...)                                 \
	do {                                            \
		snprintf(key, sizeof key, __VA_ARGS__); \
		jw_kv_int(b, key, (value));             \
	} while (0)
	for (size_t i = 0; i < s->vcpus_n; i++)
		PUT(s->vcpu_ns[i], "cpu%zu_time", i);
	PUT(s->ram_max_mib * 1024, "memory");
	if (s->ram_used_mib)
		PUT(s->ram_used_mib * 1024, "memory-rss");
	for (size_t i = 0; i < s->disks_n && i < sizeof disk_letters - 1; i++) {
		PUT(s->disks[i].read_bytes, "vd%c_read", disk_letters[i]);
		PUT(s->disks[i].read_requests, "vd%c_read_req", disk_letters[i]);
		PUT(s->disks[i].write_bytes, "vd%c_write", disk_letters[i]);
		PUT(s->disks[i].write_requests, "vd%c_write_req", disk_letters[i]);
		PUT(-1, "vd%c_errors", disk_letters[i]); /* not counted */
	}
	for (size_t i = 0; i < s->nics_n; i++) {
		PUT(s->nics[i].rx_bytes, "vnet%zu_rx", i);
		PUT(s->nics[i].rx_packets, "vnet%zu_rx_packets", i);
		PUT(s->nics[i].rx_errors, "vnet%zu_rx_errors", i);
		PUT(s->nics[i].rx_drop, "vnet%zu_rx_drop", i);
		PUT(s->nics[i].tx_bytes, "vnet%zu_tx", i);
		PUT(s->nics[i].tx_packets, "vnet%zu_tx_packets", i);
		PUT(s->nics[i].tx_errors, "vnet%zu_tx_errors", i);
		PUT(s->nics[i].tx_drop, "vnet%zu_tx_drop", i);
	}
#undef PUT
}

static void cpus_view(struct buf *b, const struct hv_stats *s)
{
	jw_key(b, "cpu_details");
	jw_array(b);
	for (size_t i = 0; i < s->vcpus_n; i++) {
		jw_object(b);
		jw_kv_int(b, "id", (int64_t)i);
		jw_kv_int(b, "time", s->vcpu_ns[i]);
		jw_kv_null(b, "utilisation");
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void nics_view(struct buf *b, const struct hv_stats *s)
{
	jw_key(b, "nic_details");
	jw_array(b);
	for (size_t i = 0; i < s->nics_n; i++) {
		const struct hv_nic_stats *n = &s->nics[i];

		jw_object(b);
		jw_kv_str(b, "mac_address", n->mac);
		jw_kv_int(b, "rx_octets", n->rx_bytes);
		jw_kv_int(b, "rx_packets", n->rx_packets);
		jw_kv_int(b, "rx_errors", n->rx_errors);
		jw_kv_int(b, "rx_drop", n->rx_drop);
		jw_kv_null(b, "rx_rate");
		jw_kv_int(b, "tx_octets", n->tx_bytes);
		jw_kv_int(b, "tx_packets", n->tx_packets);
		jw_kv_int(b, "tx_errors", n->tx_errors);
		jw_kv_int(b, "tx_drop", n->tx_drop);
		jw_kv_null(b, "tx_rate");
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void disks_view(struct buf *b, const struct hv_stats *s)
{
	jw_key(b, "disk_details");
	jw_array(b);
	for (size_t i = 0; i < s->disks_n; i++) {
		const struct hv_disk_stats *d = &s->disks[i];

		jw_object(b);
		jw_kv_int(b, "read_bytes", d->read_bytes);
		jw_kv_int(b, "read_requests", d->read_requests);
		jw_kv_int(b, "write_bytes", d->write_bytes);
		jw_kv_int(b, "write_requests", d->write_requests);
		jw_kv_int(b, "errors_count", -1); /* not counted */
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void full_view(struct buf *b, const struct diagnostics *d, const struct hv_stats *s)
{
	int64_t now_us = d->call->now_us;

	jw_kv_str(b, "state", power_word(s->power));
	jw_kv_str(b, "driver", "libvirt");
	jw_kv_str(b, "hypervisor", "qemu");
	jw_kv_str(b, "hypervisor_os", "linux");
	jw_kv_int(b, "uptime", d->s.launched_us ? (now_us - d->s.launched_us) / 1000000 : 0);
	jw_kv_bool(b, "config_drive", d->s.config_drive);
	jw_kv_int(b, "num_cpus", (int64_t)s->vcpus_n);
	jw_kv_int(b, "num_nics", (int64_t)s->nics_n);
	jw_kv_int(b, "num_disks", (int64_t)s->disks_n);
	jw_key(b, "memory_details");
	jw_object(b);
	jw_kv_int(b, "maximum", s->ram_max_mib);
	jw_key(b, "used");
	if (s->ram_used_mib)
		jw_int(b, s->ram_used_mib);
	else
		jw_null(b);
	jw_end_object(b);
	cpus_view(b, s);
	nics_view(b, s);
	disks_view(b, s);
}

static void answer(void *ctx, const struct hv_stats *stats, const struct error *err)
{
	struct diagnostics *d = ctx;
	struct api_call *c = d->call;
	struct error copy;

	if (err) {
		copy = *err;
		api_fail(c, &copy);
		return;
	}
	c->status = 200;
	jw_object(&c->out);
	if (since(c, 48))
		full_view(&c->out, d, stats);
	else
		flat_view(&c->out, stats);
	jw_end_object(&c->out);
	api_reply(c);
}

int compute_server_diagnostics(struct api_call *c, struct error *err)
{
	struct diagnostics *d = ARENA_NEW(c->arena, struct diagnostics);

	d->call = c;
	if (compute_server_load(c, &d->s, err) < 0)
		return -1;
	flow_server_stats(c->api->flows, d->s.host_id, d->s.uid, answer, d);
	return 0;
}
