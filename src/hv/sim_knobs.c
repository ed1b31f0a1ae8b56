/* SPDX-License-Identifier: Apache-2.0 */
/* What tests do to simulated hosts, and what they look at. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/sim_world.h"

static const char *const op_names[] = {
	[SIM_CONNECT] = "connect",
	[SIM_INVENTORY] = "inventory",
	[SIM_IMAGE_ENSURE] = "image_ensure",
	[SIM_VOLUME_ENSURE] = "volume_ensure",
	[SIM_VOLUME_WRITE] = "volume_write",
	[SIM_VOLUME_REMOVE] = "volume_remove",
	[SIM_DOMAIN_DEFINE] = "domain_define",
	[SIM_DOMAIN_START] = "domain_start",
	[SIM_DOMAIN_SHUTDOWN] = "domain_shutdown",
	[SIM_DOMAIN_STOP] = "domain_stop",
	[SIM_DOMAIN_REBOOT] = "domain_reboot",
	[SIM_DOMAIN_RESET] = "domain_reset",
	[SIM_DOMAIN_PAUSE] = "domain_pause",
	[SIM_DOMAIN_UNPAUSE] = "domain_unpause",
	[SIM_DOMAIN_READ] = "domain_read",
	[SIM_DOMAIN_DESCRIBE] = "domain_describe",
	[SIM_DOMAIN_REMOVE] = "domain_remove",
	[SIM_MDEV_ENSURE] = "mdev_ensure",
	[SIM_MDEV_REMOVE] = "mdev_remove",
	[SIM_DEVICE_RESET] = "device_reset",
	[SIM_DEVICE_LOOK] = "device_look",
	[SIM_DOMAIN_LOOK] = "domain_look",
	[SIM_DOMAIN_LIST] = "domain_list",
	[SIM_CONSOLE_READ] = "console_read",
	[SIM_CONSOLE_FOLLOW] = "console_follow",
	[SIM_CONSOLE_OPEN] = "console_open",
	[SIM_DOMAIN_SAVE] = "domain_save",
	[SIM_DOMAIN_FORGET] = "domain_forget",
	[SIM_DOMAIN_SET_PASSWORD] = "domain_set_password",
	[SIM_DOMAIN_NMI] = "domain_nmi",
	[SIM_DOMAIN_STATS] = "domain_stats",
	[SIM_DOMAINS_USE] = "domains_use",
	[SIM_VOLUME_GROW] = "volume_grow",
	[SIM_VOLUME_FLATTEN] = "volume_flatten",
	[SIM_VOLUME_DOWNLOAD] = "volume_download",
	[SIM_VOLUME_UPLOAD] = "volume_upload",
	[SIM_VOLUME_LIST] = "volume_list",
	[SIM_DOMAIN_MIGRATE] = "domain_migrate",
	[SIM_MIGRATE_LOOK] = "migrate_look",
	[SIM_MIGRATE_CANCEL] = "migrate_cancel",
	[SIM_MIGRATE_FORCE] = "migrate_force",
};
_Static_assert(sizeof op_names / sizeof *op_names == SIM_OP_MAX, "every call has a name");

const char *sim_op_name(enum sim_op op)
{
	return (unsigned)op < SIM_OP_MAX ? op_names[op] : "any";
}

static struct sim_world *locked(const char *world)
{
	struct sim_world *w = sim_world_get(world);

	pthread_mutex_lock(&w->lock);
	return w;
}

static void unlock(struct sim_world *w)
{
	pthread_mutex_unlock(&w->lock);
}

/* --- faults --------------------------------------------------------------------------------------------- */

void sim_fault(const char *world, enum sim_op op, unsigned nth, int times, enum sim_fault_kind kind)
{
	struct sim_fault_row *f = xcalloc(1, sizeof *f), **p;
	struct sim_world *w = locked(world);

	*f = (struct sim_fault_row) {
		.op = op, .after = nth ? nth - 1 : 0, .times = times ? times : 1, .kind = kind
	};
	for (p = &w->faults; *p; p = &(*p)->next)
		;
	*p = f;
	unlock(w);
}

void sim_faults_clear(const char *world)
{
	struct sim_world *w = locked(world);

	for (struct sim_fault_row *f = w->faults, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	w->faults = NULL;
	unlock(w);
}

void sim_release(const char *world)
{
	struct sim_world *w = locked(world);

	w->releases++;
	pthread_cond_broadcast(&w->changed);
	unlock(w);
}

void sim_delay(const char *world, unsigned delay_ms)
{
	struct sim_world *w = locked(world);

	w->params.delay_ms = delay_ms;
	unlock(w);
}

void sim_move_time(const char *world, unsigned move_ms)
{
	struct sim_world *w = locked(world);

	w->params.move_ms = move_ms;
	unlock(w);
}

void sim_move_cut(const char *world, enum sim_cut where)
{
	struct sim_world *w = locked(world);

	w->cut = where;
	unlock(w);
}

uint64_t sim_calls(const char *world, enum sim_op op)
{
	struct sim_world *w = locked(world);
	uint64_t n = 0;

	for (unsigned i = 0; i < SIM_OP_MAX; i++)
		if (op == SIM_ANY || (unsigned)op == i)
			n += w->calls[i];
	unlock(w);
	return n;
}

unsigned sim_hanging(const char *world)
{
	struct sim_world *w = locked(world);
	unsigned n = w->hanging;

	unlock(w);
	return n;
}

/* --- the host ------------------------------------------------------------------------------------------- */

void sim_drop(const char *world, const char *why)
{
	struct sim_world *w = locked(world);

	sim_world_drop(w, why);
	unlock(w);
}

void sim_set_down(const char *world, bool down)
{
	struct sim_world *w = locked(world);

	w->down = down;
	if (down)
		sim_world_drop(w, "the host is down");
	unlock(w);
}

void sim_world_power_off(struct sim_world *w)
{
	sim_world_mdevs_clear(w);
	for (struct sim_node *n = sim_table_next(&w->doms, NULL); n; n = sim_table_next(&w->doms, n)) {
		struct sim_dom *d = (struct sim_dom *)(void *)n;

		if (sim_power_on(d->power))
			sim_world_power(w, d, HV_POWER_SHUTOFF, false);
	}
}

void sim_crash(const char *world)
{
	struct sim_world *w = locked(world);

	sim_world_drop(w, "the host lost power");
	sim_world_power_off(w);
	unlock(w);
}

void sim_events(const char *world, bool lose, bool repeat)
{
	struct sim_world *w = locked(world);

	w->lose_events = lose;
	w->repeat_events = repeat;
	unlock(w);
}

/* --- domains -------------------------------------------------------------------------------------------- */

static int guest_off(const char *world, const char *uuid, enum hv_power power)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);

	if (d && sim_power_on(d->power))
		sim_world_power(w, d, power, true);
	unlock(w);
	return d ? 0 : -1;
}

int sim_guest_shutdown(const char *world, const char *uuid)
{
	return guest_off(world, uuid, HV_POWER_SHUTOFF);
}

int sim_guest_crash(const char *world, const char *uuid)
{
	return guest_off(world, uuid, HV_POWER_CRASHED);
}

int sim_undefine(const char *world, const char *uuid)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);

	if (d)
		sim_world_dom_remove(w, d);
	unlock(w);
	return d ? 0 : -1;
}

int sim_guest_agent(const char *world, const char *uuid, bool there)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);

	if (d)
		d->no_agent = !there;
	unlock(w);
	return d ? 0 : -1;
}

int sim_guest_use(const char *world, const char *uuid, const int64_t *more)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);
	bool runs = d && sim_power_on(d->power);

	for (int i = 0; runs && i < SAMPLE_COUNTERS; i++)
		d->use.counter[i] += more[i];
	unlock(w);
	return runs ? 0 : -1;
}

int sim_guest_busy(const char *world, const char *uuid, bool busy)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);

	if (d)
		d->use.busy = busy;
	unlock(w);
	return d ? 0 : -1;
}

bool sim_guest_password(const char *world, const char *uuid, struct buf *out)
{
	struct sim_world *w = locked(world);
	const struct sim_dom *d = sim_world_dom(w, uuid);
	bool set = d && d->password[0];

	if (set)
		buf_puts(out, d->password);
	unlock(w);
	return set;
}

void sim_foreign_domain(const char *world, const char *uuid)
{
	struct sim_world *w = locked(world);
	struct sim_dom *d = sim_world_dom(w, uuid);

	if (!d) {
		d = sim_world_dom_add(w, uuid);
		str_copy(d->name, sizeof d->name, "foreign");
		d->vcpus = 1;
		d->ram_mib = 1024;
	}
	d->cloud[0] = '\0';
	sim_world_power(w, d, HV_POWER_RUNNING, false);
	unlock(w);
}

bool sim_domain_get(const char *world, const char *uuid, struct sim_domain *out)
{
	struct sim_world *w = locked(world);
	const struct sim_dom *d = sim_world_dom(w, uuid);

	if (d) {
		*out = (struct sim_domain) { .power = d->power,
			.ours = d->cloud[0] != '\0',
			.epoch = d->epoch,
			.vcpus = d->vcpus,
			.ram_mib = d->ram_mib,
			.disks_n = d->disks_n,
			.nics_n = d->nics_n,
			.hostdevs_n = d->has.hostdevs_n,
			.cells_n = d->has.cells_n,
			.pins_n = d->has.pins_n,
			.mdevs_n = d->has.mdevs_n,
			.starts = d->starts,
			.nmis = d->nmis,
			.moving = d->move || d->incoming };
		str_copy(out->uuid, sizeof out->uuid, d->node.key);
		str_copy(out->name, sizeof out->name, d->name);
	}
	unlock(w);
	return d != NULL;
}

size_t sim_domain_count(const char *world)
{
	struct sim_world *w = locked(world);
	size_t n = w->doms.n;

	unlock(w);
	return n;
}

static unsigned claims(struct sim_world *w, const char *address)
{
	unsigned n = 0;

	for (struct sim_node *k = sim_table_next(&w->doms, NULL); k; k = sim_table_next(&w->doms, k)) {
		const struct sim_dom *d = (struct sim_dom *)(void *)k;

		for (size_t i = 0; i < d->has.hostdevs_n; i++)
			n += strcmp(d->has.hostdevs[i].address, address) == 0;
	}
	return n;
}

size_t sim_devices_shared(const char *world)
{
	struct sim_world *w = locked(world);
	size_t n = 0;

	for (int i = 0; i < w->params.gpus; i++)
		n += claims(w, w->gpus[i].address) > 1;
	unlock(w);
	return n;
}

void sim_breach(const char *world, enum sim_breach how)
{
	struct sim_world *w = locked(world);

	w->breach = how;
	unlock(w);
}

size_t sim_mdev_count(const char *world)
{
	struct sim_world *w = locked(world);
	size_t n = w->mdevs.n;

	unlock(w);
	return n;
}

bool sim_mdev_exists(const char *world, const char *uuid)
{
	struct sim_world *w = locked(world);
	bool yes = sim_world_mdev(w, uuid);

	unlock(w);
	return yes;
}

/* --- volumes -------------------------------------------------------------------------------------------- */

bool sim_volume_exists(const char *world, const char *name)
{
	struct sim_world *w = locked(world);
	bool yes = sim_world_vol(w, name) != NULL;

	unlock(w);
	return yes;
}

size_t sim_volume_count(const char *world)
{
	struct sim_world *w = locked(world);
	size_t n = w->vols.n;

	unlock(w);
	return n;
}

int64_t sim_volume_capacity(const char *world, const char *name)
{
	struct sim_world *w = locked(world);
	const struct sim_vol *v = sim_world_vol(w, name);
	int64_t capacity = v ? v->capacity : -1;

	unlock(w);
	return capacity;
}

bool sim_volume_read(const char *world, const char *name, struct buf *out)
{
	struct sim_world *w = locked(world);
	const struct sim_vol *v = sim_world_vol(w, name);
	bool yes = v && v->kept;

	if (yes)
		buf_append(out, v->data.data, v->data.len);
	unlock(w);
	return yes;
}
