/* SPDX-License-Identifier: Apache-2.0 */
/* The state as text, for comparing an engine that followed every tick with one built from the rows. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/util.h"
#include "placement/state.h"

static const char *const state_names[] = {
	[PLACEMENT_UP] = "up",
	[PLACEMENT_DRAINING] = "draining",
	[PLACEMENT_DISABLED] = "disabled",
	[PLACEMENT_DOWN] = "down",
};

static int host_by_id(const void *a, const void *b)
{
	const struct host *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int holding_by_server(const void *a, const void *b)
{
	const struct holding *const *x = a, *const *y = b;

	return ((*x)->server > (*y)->server) - ((*x)->server < (*y)->server);
}

static void dump_host(const struct placement *p, const struct host *h, struct buf *out)
{
	struct placement_usage u = { 0 };

	placement_host_usage(p, h->id, &u);
	buf_printf(out,
		"host %" PRId64 " %s zone '%s' %s: vcpus %" PRId64 "/%" PRId64 " ram %" PRId64 "/%" PRId64
		" disk %" PRId64 "/%" PRId64 " gpus %d/%d servers %d%s\n",
		h->id, h->name, h->zone, state_names[h->state], u.vcpus_used, u.vcpus_total, u.ram_used_mib,
		u.ram_total_mib, u.disk_used_gib, u.disk_total_gib, u.gpus_used, u.gpus_total, u.servers,
		h->exclusive ? " exclusive" : "");
}

static void dump_holding(const struct placement *p, const struct holding *s, struct buf *out)
{
	const struct host *h = &p->hosts[map_get(&p->by_id, s->host)];

	buf_printf(out, "server %" PRId64 " on %" PRId64 ": vcpus %" PRId64 " ram %" PRId64 " disk %" PRId64,
		s->server, s->host, s->vcpus, s->ram_mib, s->disk_gib);
	for (size_t i = 0; i < h->gpus_n; i++)
		if (h->gpus[i].owner == s->server)
			buf_printf(out, " gpu %" PRId64, h->gpus[i].id);
	buf_puts(out, s->exclusive ? " exclusive\n" : "\n");
}

void placement_dump(const struct placement *p, struct buf *out)
{
	CLEANUP(free_ptr) const struct host **hosts = xmalloc(p->hosts_n * sizeof *hosts);
	CLEANUP(free_ptr) const struct holding **holdings = xmalloc(p->holdings_n * sizeof *holdings);

	for (size_t i = 0; i < p->hosts_n; i++)
		hosts[i] = &p->hosts[i];
	for (size_t i = 0; i < p->holdings_n; i++)
		holdings[i] = &p->holdings[i];
	qsort(hosts, p->hosts_n, sizeof *hosts, host_by_id);
	qsort(holdings, p->holdings_n, sizeof *holdings, holding_by_server);
	for (size_t i = 0; i < p->hosts_n; i++)
		dump_host(p, hosts[i], out);
	for (size_t i = 0; i < p->holdings_n; i++)
		dump_holding(p, holdings[i], out);
}
