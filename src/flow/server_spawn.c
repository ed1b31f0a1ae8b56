/* SPDX-License-Identifier: Apache-2.0 */
/* The domain of a server: what it is made of, what its host owes it by the rows, and whether it got that. A
 * server that did not never counts as started. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "domain/gpu_products.h"
#include "domain/ipam.h"
#include "flow/server_parts.h"
#include "store/allocation_place.h"

/* ---- the promise ---- */

static void promise_cells(struct arena *a, const struct allocation_place *p, struct hv_domain *d)
{
	struct hv_guest_cell *cells = ARENA_ARRAY(a, struct hv_guest_cell, p->cells_n);

	d->cells = cells;
	d->cells_n = p->cells_n;
	for (size_t i = 0; i < p->cells_n; i++)
		cells[i] = (struct hv_guest_cell) { (int)p->cells[i].cell, (int)p->cells[i].vcpus,
			p->cells[i].ram_mib, (int)p->cells[i].page_kib };
}

/* The host's CPUs that are for all, in one of its cells (-1: in any). */
static struct cpuset shared_in(const struct allocation_place *p, int64_t cell)
{
	struct cpuset s = { { 0 } };

	for (size_t i = 0; i < p->shared_n; i++)
		if (cell < 0 || p->shared_cell[i] == cell)
			cpuset_add(&s, p->shared[i]);
	return s;
}

/* Each vCPU to its own CPU; else to what is for all in its cell, and without cells on the host. Where all
 * CPUs of a cell are set apart, the vCPUs that float there go where the host lets them. */
static void promise_pins(struct arena *a, const struct allocation_place *p, struct hv_domain *d)
{
	struct cpuset *pins = ARENA_ARRAY(a, struct cpuset, (size_t)d->vcpus), anywhere = shared_in(p, -1);
	size_t n = 0;

	for (size_t i = 0; i < p->cpus_n && n < (size_t)d->vcpus; i++)
		cpuset_add(&pins[n++], p->cpus[i]);
	for (size_t c = 0; !p->cpus_n && c < p->cells_n; c++) {
		struct cpuset near = shared_in(p, p->cells[c].cell);

		for (int64_t i = 0; i < p->cells[c].vcpus && n < (size_t)d->vcpus; i++)
			pins[n++] = cpuset_empty(&near) ? anywhere : near;
	}
	while (!p->cpus_n && n < (size_t)d->vcpus)
		pins[n++] = anywhere;
	d->pins = pins;
	d->pins_n = cpuset_empty(&pins[0]) ? 0 : n;
}

/* Not in the way of vCPUs if there is another place: what is for all in its cells, or on the host. */
static void promise_emulator(const struct allocation_place *p, struct hv_domain *d)
{
	for (size_t c = 0; c < p->cells_n; c++) {
		struct cpuset near = shared_in(p, p->cells[c].cell);

		cpuset_join(&d->emulator, &near);
	}
	if (cpuset_empty(&d->emulator))
		d->emulator = shared_in(p, -1);
	for (size_t i = 0; cpuset_empty(&d->emulator) && i < d->pins_n; i++)
		cpuset_join(&d->emulator, &d->pins[i]);
}

static int guest_cell(const struct allocation_place *p, int64_t cell)
{
	return cell >= 0 && cell < (int64_t)p->cells_n ? (int)cell : -1;
}

static size_t functions(const struct place_gpu *g)
{
	size_t n = 1 + (g->companions[0] != '\0');

	for (const char *c = g->companions; *c; c++)
		n += *c == ',';
	return n;
}

/* An IOMMU group goes as a whole: what shares it with a GPU goes with that, or the host could not give it. */
static void promise_gpus(struct arena *a, const struct allocation_place *p, struct hv_domain *d)
{
	struct hv_hostdev *list;
	size_t n = 0;

	for (size_t i = 0; i < p->gpus_n; i++)
		n += functions(&p->gpus[i]);
	d->hostdevs = list = ARENA_ARRAY(a, struct hv_hostdev, n);
	for (size_t i = 0; i < p->gpus_n; i++) {
		const struct place_gpu *g = &p->gpus[i];
		int cell = guest_cell(p, g->guest_cell);
		char *rest = NULL, *text = arena_printf(a, "%s,%s", g->address, g->companions);

		for (char *t = strtok_r(text, ",", &rest); t; t = strtok_r(NULL, ",", &rest)) {
			size_t k = 0;

			while (k < d->hostdevs_n && strcmp(list[k].address, t) != 0)
				k++;
			if (k < d->hostdevs_n)
				continue; /* of two GPUs of the group */
			str_copy(list[k].address, sizeof list[k].address, t);
			list[k].guest_cell = cell;
			d->hostdevs_n++;
		}
	}
}

static int promise_parts(
	struct arena *a, const struct allocation_place *p, struct hv_domain *d, struct error *err)
{
	struct hv_mdev *list = ARENA_ARRAY(a, struct hv_mdev, p->parts_n);

	d->mdevs = list;
	for (size_t i = 0; i < p->parts_n; i++) {
		const struct place_part *part = &p->parts[i];
		struct hv_mdev *m = &list[d->mdevs_n++];

		str_copy(m->uuid, sizeof m->uuid, part->uid);
		str_copy(m->parent, sizeof m->parent, part->address);
		m->guest_cell = guest_cell(p, part->guest_cell);
		if (!gpu_mdev_find(part->types, part->profile, m->type)) {
			error_set(err, ERR_CONFLICT, "The host does not offer what the server was promised.");
			return error_detail(err, "device %s offers no %s", part->address, part->profile);
		}
	}
	return 0;
}

int server_promise_load(struct db *db, struct arena *a, const struct server *s, int64_t allocation_id,
	struct hv_domain *out, struct error *err)
{
	struct hv_domain d = { .vcpus = (int)s->vcpus, .ram_mib = s->ram_mib };
	struct allocation_place p;
	int rc = store_allocation_place(db, a, allocation_id, &p, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		promise_cells(a, &p, &d);
		promise_pins(a, &p, &d);
		promise_emulator(&p, &d);
		promise_gpus(a, &p, &d);
		if (promise_parts(a, &p, &d, err))
			return -1;
	}
	*out = d;
	return 0;
}

/* ---- the domain ---- */

static struct hv_nic nic_of(struct arena *a, const struct server_port *p)
{
	char text[IPAM_TEXT];

	return (struct hv_nic) { p->mac, p->is_bridge, p->source, p->mtu,
		p->has_address ? arena_strdup(a, ipam_format(p->address, text)) : NULL };
}

int server_define(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_nic *nics = ARENA_ARRAY(&act->arena, struct hv_nic, f->ports_n);
	struct hv_domain d = f->promise;
	char name[32];

	d.uuid = f->s.uid;
	d.name = name;
	d.title = f->s.name;
	d.nics = nics;
	d.nics_n = f->ports_n;
	d.project_id = f->project_uid;
	d.flavor_name = f->s.flavor_name;
	d.cloud_id = f->cloud_id;
	d.epoch = f->s.epoch;
	d.disks = server_disks(&act->arena, &f->s, &d.disks_n);
	snprintf(name, sizeof name, "instance-%08llx", (unsigned long long)f->s.id);
	for (size_t i = 0; i < f->ports_n; i++)
		nics[i] = nic_of(&act->arena, &f->ports[i]);
	return drv->domain_define(conn, &d, err);
}

/* After the definition, which names them: so whoever finds it can remove them. */
static int make_mdevs(
	const struct hv_domain *d, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	for (size_t i = 0; i < d->mdevs_n; i++)
		if (drv->mdev_ensure(conn, &d->mdevs[i], err))
			return -1;
	return 0;
}

/* One that went off by itself at once has nothing to be looked at. */
static int check(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct hv_domain has;
	struct error broken;

	if (drv->domain_read(conn, &act->arena, f->s.uid, &has, err))
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (hv_domain_kept(&f->promise, &has, &broken))
		return 0;
	if (act_abandoned(act, err) || server_cut(act, drv, conn, err))
		return -1;
	*err = broken;
	return -1;
}

int server_spawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (server_define(act, drv, conn, err) || act_abandoned(act, err) ||
		make_mdevs(&f->promise, drv, conn, err) || act_abandoned(act, err) ||
		drv->domain_start(conn, f->s.uid, err) || act_abandoned(act, err) ||
		check(act, drv, conn, err))
		return -1;
	return FLOW_NEXT;
}

int server_remove(const char *uid, const char *const *mdevs, size_t mdevs_n, const struct hv_driver *drv,
	struct hv_conn *conn, struct error *err)
{
	if (drv->domain_remove(conn, uid, err))
		return -1;
	for (size_t i = 0; i < mdevs_n; i++)
		if (drv->mdev_remove(conn, mdevs[i], err))
			return -1;
	return server_parts_remove(uid, drv, conn, err);
}
