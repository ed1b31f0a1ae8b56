/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts told, as rows of a new database. Held by force: it was given out before the rows were lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/ipam.h"
#include "domain/names.h"
#include "flow/claims.h"
#include "flow/recover.h"
#include "flow/restored.h"
#include "store/audit.h"
#include "store/devices.h"
#include "store/hosts.h"
#include "store/meta.h"
#include "store/projects.h"
#include "store/server_ports.h"
#include "store/servers.h"

/* IDS_APART: what is made from now on gets ids far from those that servers had that no host tells of */
enum { RATIO = 1000, IDS_APART = 1 << 20 };

struct writing {
	struct flow_engine *e;
	struct db *db;
	struct arena *a;
	const struct recover *r;
	int64_t now_us;
	struct network *networks;
	size_t networks_n;
};

/* --- cloud, networks, projects -------------------------------------------------------------------------- */

static int write_cloud(struct writing *w, struct error *err)
{
	char cloud_id[UUID_TEXT], said[96], network_uid[UUID_TEXT], subnet_uid[UUID_TEXT];
	const struct recover *r = w->r;

	snprintf(said, sizeof said, "%lld %lld the hosts", (long long)w->now_us, (long long)w->now_us);
	if (store_meta_ensure(w->db, "cloud_id", r->cloud_id, cloud_id, sizeof cloud_id, err) ||
		store_meta_ensure(w->db, "restored", said, said, sizeof said, err))
		return -1;
	for (size_t i = 0; i < r->networks_n; i++) {
		uuid_make(w->e->cfg.loop->rng, network_uid);
		uuid_make(w->e->cfg.loop->rng, subnet_uid);
		if (store_network_ensure(w->db, &r->networks[i], network_uid, subnet_uid, w->now_us, err))
			return -1;
	}
	return store_network_list(w->db, w->a, 0, &w->networks, &w->networks_n, err);
}

static int project_of(struct writing *w, const char *uid, int64_t *out_id, struct error *err)
{
	struct project p;
	struct error none = { 0 };

	if (store_project_get(w->db, w->a, uid, &p, &none) == 0) {
		*out_id = p.id;
		return 0;
	}
	if (none.code != ERR_NOT_FOUND)
		return *err = none, -1;
	p = (struct project) { .id = *out_id = store_next_id(w->e->cfg.store),
		.domain_id = 1,
		.uid = uid,
		.name = arena_printf(w->a, "recovered-%s", uid),
		.description = "Made again of the domains that hosts have",
		.enabled = true,
		.extra = "{}",
		.created_us = w->now_us };
	return store_project_insert(w->db, &p, err);
}

/* --- hosts ---------------------------------------------------------------------------------------------- */

/* As much as is there already must fit. */
static int32_t ratio_for(int64_t need, int64_t have)
{
	int64_t milli = have > 0 ? (need * RATIO + have - 1) / have : RATIO;

	return milli > RATIO ? (int32_t)(milli < INT32_MAX ? milli : INT32_MAX) : RATIO;
}

static int write_host(struct writing *w, const struct recover_host *h, int64_t *out_id, struct error *err)
{
	struct host_add want = { .name = h->name, .uri = h->uri, .pool = h->pool };
	struct host_look look = { .started_us = w->now_us, .has_inventory = true, .inventory = h->inventory };
	int64_t vcpus = 0, ram = 0, disk = 0;

	for (size_t i = 0; i < h->domains_n; i++) {
		const struct recover_domain *x = &h->domains[i];

		if (!x->marked || x->refused)
			continue;
		vcpus += x->d.vcpus;
		ram += x->d.ram_mib;
		disk += x->disk_gib + x->ephemeral_gib + (x->swap_mib + 1023) / 1024;
	}
	want.vcpu_ratio_milli = ratio_for(vcpus, h->inventory.cpus);
	want.ram_ratio_milli = ratio_for(ram, h->inventory.ram_mib);
	want.disk_ratio_milli = ratio_for(disk, h->inventory.pool_capacity_gib);
	if (flow_host_add(w->e, w->db, &want, w->now_us, out_id, err))
		return error_wrap(err, "host %s", h->name);
	look.host_id = *out_id;
	if (h->read && inventory_apply(w->e, w->db, &look, err))
		return error_wrap(err, "host %s", h->name);
	if (h->read && !h->refused_n)
		return 0;
	return flow_host_set_state(w->e, w->db, *out_id, "disabled",
		h->read ? "recovery: it has domains that were not taken over"
			: "recovery: it was not heard, what it has is not known",
		err);
}

/* --- servers -------------------------------------------------------------------------------------------- */

static const struct {
	enum hv_power seen;
	enum vm_state vm;
	enum power_state power;
} states[] = {
	{ HV_POWER_RUNNING, VM_ACTIVE, POWER_RUNNING },
	{ HV_POWER_PAUSED, VM_PAUSED, POWER_PAUSED },
	{ HV_POWER_SHUTOFF, VM_STOPPED, POWER_SHUTDOWN },
	{ HV_POWER_CRASHED, VM_STOPPED, POWER_CRASHED },
	{ HV_POWER_SUSPENDED, VM_SUSPENDED, POWER_SUSPENDED },
};

/* The host's GPUs that the domain has; functions that went along with them are none. */
static int find_gpus(struct writing *w, const struct recover_domain *x, int64_t host_id,
	struct allocation_row *row, struct buf *alias, struct error *err)
{
	struct allocation_device *held;
	struct device_row *all;
	size_t n;

	if (store_device_list(w->db, w->a, host_id, &all, &n, err))
		return -1;
	held = ARENA_ARRAY(w->a, struct allocation_device, n + 1);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < x->d.hostdevs_n; k++) {
			if (strcmp(x->d.hostdevs[k].address, all[i].address) != 0)
				continue;
			buf_printf(alias, "%s%s:1", alias->len ? "," : "", all[i].model);
			held[row->devices_n++] =
				(struct allocation_device) { all[i].id, x->d.hostdevs[k].guest_cell };
		}
	row->devices = held;
	return 0;
}

static void find_cells(struct writing *w, const struct recover_domain *x, struct allocation_row *row)
{
	struct allocation_cell *cells = ARENA_ARRAY(w->a, struct allocation_cell, x->d.cells_n + 1);

	for (size_t i = 0; i < x->d.cells_n; i++)
		cells[i] = (struct allocation_cell) { x->d.cells[i].cell, x->d.cells[i].vcpus,
			x->d.cells[i].ram_mib, x->d.cells[i].page_kib ? x->d.cells[i].page_kib : PAGE_4K };
	row->cells = cells;
	row->cells_n = x->d.cells_n;
}

static const char *specs_of(struct writing *w, const struct allocation_row *row, struct buf *alias)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	if (alias->len)
		jw_kv_str(&b, "pci_passthrough:alias", buf_text(alias));
	if (row->cells_n) {
		jw_key(&b, "hw:numa_nodes");
		jw_strf(&b, "%zu", row->cells_n);
	}
	jw_end_object(&b);
	return arena_strdup(w->a, buf_text(&b));
}

static int hold(struct writing *w, const struct allocation_row *row, struct error *err)
{
	struct placement_choice *c = ARENA_NEW(w->a, struct placement_choice);
	struct allocation_row written;
	struct placement_request req;

	if (store_allocation_restore(w->db, row, err) ||
		store_allocation_get(w->db, w->a, row->id, &written, err) < 0)
		return -1;
	claim_held(&written, &req, c);
	return placement_take(w->e->placement, row->id, &req, c, true, err);
}

static int write_nic(struct writing *w, const struct server *s, const struct hv_nic *nic, struct error *err)
{
	struct server_port_want want = { .project_id = s->project_id,
		.server_id = s->id,
		.fixed_ip = nic->address ? nic->address : "",
		.mac = nic->mac,
		.now_us = w->now_us };
	char uid[UUID_TEXT];
	int64_t id;

	for (size_t i = 0; i < w->networks_n && !want.network_id; i++)
		if (str_eq(w->networks[i].source_kind, nic->is_bridge ? "bridge" : "network") &&
			str_eq(w->networks[i].source, nic->source))
			want.network_id = w->networks[i].id;
	uuid_make(w->e->cfg.loop->rng, uid);
	want.uid = uid;
	if (store_server_port_make(w->db, &want, &id, err))
		return error_wrap(err, "network card %s", nic->mac);
	quota_index_add(w->e->quota, s->project_id, QUOTA_PORTS, 1);
	if (nic->address)
		quota_index_add(w->e->quota, s->project_id, QUOTA_ADDRESSES, 1);
	return 0;
}

static void fill_row(struct writing *w, const struct recover_domain *x, int64_t host_id, struct server *s)
{
	char *host = arena_alloc(w->a, HOSTNAME_TEXT);

	*s = (struct server) { .id = x->id,
		.uid = x->d.uuid,
		.user_uid = "",
		.name = x->d.title ? x->d.title : x->d.name,
		.hostname = host,
		.power_seen_us = w->now_us,
		.host_id = host_id,
		.epoch = x->d.epoch,
		.flavor_uid = "",
		.flavor_name = x->d.flavor_name ? x->d.flavor_name : "",
		.vcpus = x->d.vcpus,
		.ram_mib = x->d.ram_mib,
		.disk_gib = x->disk_gib,
		.ephemeral_gib = x->ephemeral_gib,
		.swap_mib = x->swap_mib,
		.extra_specs = "{}",
		.config_drive = x->config_drive,
		.zone = w->e->cfg.default_zone,
		.access_ipv4 = "",
		.access_ipv6 = "",
		.disk_config = "MANUAL",
		.reservation_id = arena_printf(w->a, "r-%.8s", x->d.uuid),
		.created_us = w->now_us,
		.updated_us = w->now_us,
		.launched_us = w->now_us,
		.generation = 1,
		.vm_state = VM_ERROR };
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (states[i].seen == x->power) {
			s->vm_state = states[i].vm;
			s->power_state = states[i].power;
		}
	hostname_make(s->name, s->uid, host);
}

static int note(struct writing *w, const struct recover_domain *x, const char *host, struct error *err)
{
	char reason[160];
	const struct audit_note n = { .at_us = w->now_us,
		.action = "server.recover",
		.target = x->d.uuid,
		.project_uid = x->d.project_id,
		.status = 200,
		.reason = reason };

	snprintf(reason, sizeof reason, "its row was lost: taken over as host %.63s has it", host);
	return store_audit_note(w->db, &n, err);
}

static int write_server(struct writing *w, const char *host, int64_t host_id, const struct recover_domain *x,
	struct error *err)
{
	struct allocation_row row = { .id = x->id,
		.server_id = x->id,
		.host_id = host_id,
		.vcpus = x->d.vcpus,
		.ram_mib = x->d.ram_mib,
		.disk_gib = x->disk_gib + x->ephemeral_gib + (x->swap_mib + 1023) / 1024 };
	CLEANUP(buf_finish) struct buf alias = { 0 };
	struct server s;

	fill_row(w, x, host_id, &s);
	find_cells(w, x, &row);
	claim_floats(&row);
	if (project_of(w, x->d.project_id, &s.project_id, err) || find_gpus(w, x, host_id, &row, &alias, err))
		return -1;
	s.extra_specs = specs_of(w, &row, &alias);
	if (store_server_insert(w->db, &s, err) || hold(w, &row, err) || note(w, x, host, err))
		return error_wrap(err, "server %s", s.uid);
	capacity_count_server(w->e->quota, &s, 1);
	for (size_t i = 0; i < x->d.nics_n; i++)
		if (write_nic(w, &s, &x->d.nics[i], err))
			return error_wrap(err, "server %s", s.uid);
	return 0;
}

int recover_write(struct flow_engine *e, struct db *db, const struct recover *r, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct writing w = { .e = e, .db = db, .a = &a, .r = r, .now_us = engine_now(e) };
	int64_t last = 0, host_id;

	for (size_t h = 0; h < r->hosts_n; h++)
		for (size_t i = 0; i < r->hosts[h].domains_n; i++)
			if (r->hosts[h].domains[i].marked && r->hosts[h].domains[i].id > last)
				last = r->hosts[h].domains[i].id;
	store_ids_beyond(e->cfg.store, last + IDS_APART);
	if (write_cloud(&w, err))
		return -1;
	for (size_t h = 0; h < r->hosts_n; h++) {
		const struct recover_host *host = &r->hosts[h];

		if (write_host(&w, host, &host_id, err))
			return -1;
		for (size_t i = 0; i < host->domains_n; i++)
			if (host->domains[i].marked && !host->domains[i].refused &&
				write_server(&w, host->name, host_id, &host->domains[i], err))
				return -1;
	}
	return 0;
}

int flow_restored_adopt(struct flow_engine *e, struct db *db, int64_t host_id, const struct recover_domain *x,
	struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct recover r = { .hosts_n = 0 };
	struct writing w = { .e = e, .db = db, .a = &a, .r = &r, .now_us = engine_now(e) };
	struct provider_network *networks;
	struct host_row host;
	const char *why;

	if (store_host_load(db, &a, host_id, &host, err) ||
		store_network_list(db, &a, 0, &w.networks, &w.networks_n, err))
		return -1;
	networks = ARENA_ARRAY(&a, struct provider_network, w.networks_n + 1);
	for (size_t i = 0; i < w.networks_n; i++)
		networks[i] =
			(struct provider_network) { .is_bridge = str_eq(w.networks[i].source_kind, "bridge"),
				.source = w.networks[i].source };
	r.networks = networks;
	r.networks_n = w.networks_n;
	str_copy(r.cloud_id, sizeof r.cloud_id, e->cfg.cloud_id);
	why = x->marked ? recover_refuse(&r, x) : "it carries no mark";
	if (why)
		return error_set(err, ERR_CONFLICT, "domain %s cannot be taken over: %s", x->d.uuid, why);
	return write_server(&w, host.name, host_id, x, err);
}
