/* SPDX-License-Identifier: Apache-2.0 */
/* The state as text, for comparing an engine that followed every tick with one built from the rows. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/state.h"

static const char *const state_names[] = {
	[PLACEMENT_UP] = "up",
	[PLACEMENT_DRAINING] = "draining",
	[PLACEMENT_DISABLED] = "disabled",
	[PLACEMENT_DOWN] = "down",
};

static int host_by_number(const void *a, const void *b)
{
	const struct host *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int holding_by_server(const void *a, const void *b)
{
	const struct holding *const *x = a, *const *y = b;

	return ((*x)->server > (*y)->server) - ((*x)->server < (*y)->server);
}

static void dump_gpus(const struct host *h, struct buf *out)
{
	for (size_t i = 0; i < h->gpus_n; i++) {
		const struct gpu *g = &h->gpus[i];

		if (g->owner != NO_OWNER)
			buf_printf(out, " gpu %" PRId64 " of %" PRId64, g->id, g->owner);
		else if (g->parts)
			buf_printf(out, " gpu %" PRId64 " slots %#x share %d in %d", g->id, g->slots_used,
				g->share_used, g->parts);
	}
}

static void dump_cells(const struct host *h, struct buf *out)
{
	for (size_t i = 0; i < h->cells_n; i++) {
		const struct cell *c = &h->cells[i];
		size_t cpus = 0, taken = 0;

		for (size_t k = 0; k < c->cpus_n; k++) {
			cpus += !c->cpus[k].gone;
			/* rows do not say where one lay that is gone */
			taken += c->cpus[k].owner != NO_OWNER && !c->cpus[k].gone;
		}
		if (!c->gone || taken || c->ram_used_mib || c->pages_used[0] || c->pages_used[1])
			buf_printf(out,
				" cell %d ram %" PRId64 "/%" PRId64 " 2M %" PRId64 "/%" PRId64 " 1G %" PRId64
				"/%" PRId64 " cpus %zu/%zu",
				c->id, c->ram_used_mib, c->ram_mib, c->pages_used[0], c->pages[0],
				c->pages_used[1], c->pages[1], taken, cpus);
	}
}

static void dump_host(const struct placement *p, const struct host *h, struct buf *out)
{
	struct placement_usage u = { 0 };

	placement_host_usage(p, h->id, &u);
	buf_printf(out,
		"host %" PRId64 " %s zone '%s' %s: vcpus %" PRId64 "/%" PRId64 " ram %" PRId64 "/%" PRId64
		" disk %" PRId64 "/%" PRId64 " gpus %d/%d servers %d%s",
		h->id, h->name, h->zone, state_names[h->state], u.vcpus_used, u.vcpus_total, u.ram_used_mib,
		u.ram_total_mib, u.disk_used_gib, u.disk_total_gib, u.gpus_used, u.gpus_total, u.servers,
		h->exclusive ? " exclusive" : "");
	if (*h->rack || *h->fabric)
		buf_printf(out, " rack '%s' fabric '%s'", h->rack, h->fabric);
	if (h->held_for)
		buf_printf(out, " for %" PRId64, h->held_for);
	dump_gpus(h, out);
	dump_cells(h, out);
	buf_puts(out, "\n");
}

static int by_gpu(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return x->gpu != y->gpu ? (x->gpu > y->gpu) - (x->gpu < y->gpu)
				: (x->start > y->start) - (x->start < y->start);
}

/* Rows do not keep the order in which GPUs were chosen. */
static void dump_parts(const struct placement *p, const struct claim *c, struct buf *out)
{
	CLEANUP(free_ptr) struct part *gpus = xmalloc((c->gpus_n + 1) * sizeof *gpus);

	memcpy(gpus, c->gpus, c->gpus_n * sizeof *gpus);
	if (c->gpus_n)
		qsort(gpus, c->gpus_n, sizeof *gpus, by_gpu);
	for (size_t i = 0; i < c->gpus_n; i++) {
		const struct part *g = &gpus[i];

		buf_printf(out, " gpu %" PRId64, g->gpu);
		if (g->profile != WORD_NONE)
			buf_printf(out, " %s at %d", p->profiles.texts[g->profile], g->start);
		else if (g->share < PLACEMENT_SHARE)
			buf_printf(out, " share %d", g->share);
	}
}

static void dump_claim(const struct placement *p, const struct claim *c, struct buf *out)
{
	dump_parts(p, c, out);
	for (size_t i = 0; i < c->cells_n; i++)
		buf_printf(out, " cell %d vcpus %d ram %" PRId64 " pages %d", c->cells[i].cell,
			c->cells[i].vcpus, c->cells[i].ram_mib, c->cells[i].page_kib);
	for (size_t i = 0; i < c->cpus_n; i++)
		buf_printf(out, "%s%d", i ? "," : " cpus ", c->cpus[i]);
	if (c->isolated)
		buf_puts(out, " isolated");
	for (size_t i = 0; i < c->idle_n; i++)
		buf_printf(out, "%s%d", i ? "," : " idle ", c->cpus[c->cpus_n + i]);
}

static void dump_holding(const struct placement *p, const struct holding *s, struct buf *out)
{
	buf_printf(out, "server %" PRId64 " on %" PRId64 ": vcpus %" PRId64 " ram %" PRId64 " disk %" PRId64,
		s->server, s->host, s->vcpus, s->ram_mib, s->disk_gib);
	if (s->claim)
		dump_claim(p, s->claim, out);
	if (s->reservation)
		buf_printf(out, " reservation %" PRId64, s->reservation);
	buf_printf(out, "%s%s\n", s->preemptible ? " preemptible" : "", s->exclusive ? " exclusive" : "");
}

void placement_dump(const struct placement *p, struct buf *out)
{
	CLEANUP(free_ptr) const struct host **hosts = xmalloc((p->hosts_n + 1) * sizeof *hosts);
	CLEANUP(free_ptr) const struct holding **holdings = xmalloc((p->holdings_n + 1) * sizeof *holdings);

	for (size_t i = 0; i < p->hosts_n; i++)
		hosts[i] = p->hosts[i];
	for (size_t i = 0; i < p->holdings_n; i++)
		holdings[i] = &p->holdings[i];
	if (p->hosts_n)
		qsort(hosts, p->hosts_n, sizeof *hosts, host_by_number);
	if (p->holdings_n)
		qsort(holdings, p->holdings_n, sizeof *holdings, holding_by_server);
	for (size_t i = 0; i < p->hosts_n; i++)
		dump_host(p, hosts[i], out);
	for (size_t i = 0; i < p->holdings_n; i++)
		dump_holding(p, holdings[i], out);
}
