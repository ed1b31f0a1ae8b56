/* SPDX-License-Identifier: Apache-2.0 */
/* Domains of simulated hosts: defined, powered, looked at and removed. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

static bool ours(const struct sim_dom *d)
{
	return d->cloud[0] && strcmp(d->cloud, hv_cloud_id()) == 0;
}

int sim_find_ours(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err)
{
	*out = sim_world_dom(w, uuid);
	if (*out && !ours(*out))
		return error_set(err, ERR_CONFLICT, "a domain with this id on the host is not ours");
	return 0;
}

int sim_find_present(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err)
{
	if (sim_find_ours(w, uuid, out, err) < 0)
		return -1;
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the server is not on the host");
}

int sim_find_running(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err)
{
	if (sim_find_present(w, uuid, out, err) < 0)
		return -1;
	return sim_power_on((*out)->power) ? 0 : error_set(err, ERR_NOT_FOUND, "the server does not run");
}

/* What a definition says replaces what was; devices of a domain that is on, or saved, stay as they are until
 * it is off. */
static void dom_set(struct sim_dom *s, const struct hv_domain *d)
{
	str_copy(s->name, sizeof s->name, d->name);
	str_copy(s->cloud, sizeof s->cloud, d->cloud_id ? d->cloud_id : "");
	s->epoch = d->epoch;
	s->vcpus = d->vcpus;
	s->ram_mib = d->ram_mib;
	if (sim_power_on(s->power) || s->power == HV_POWER_SUSPENDED)
		return;
	free(s->told);
	s->told = sim_told_make(d);
	free(s->disks);
	free(s->macs);
	s->disks_n = d->disks_n;
	s->nics_n = d->nics_n;
	s->disks = xcalloc(d->disks_n, sizeof *s->disks);
	sim_has_set(&s->has, d);
	for (size_t i = 0; i < d->disks_n; i++)
		str_copy(s->disks[i], sizeof s->disks[i], d->disks[i].volume);
	s->macs = xcalloc(d->nics_n, sizeof *s->macs);
	for (size_t i = 0; i < d->nics_n; i++)
		str_copy(s->macs[i], sizeof s->macs[i], d->nics[i].mac ? d->nics[i].mac : "");
}

int sim_domain_define(struct hv_conn *c, const struct hv_domain *d, struct error *err)
{
	struct sim_dom *s;
	struct sim_call k;
	int rc;

	if (!uuid_valid(d->uuid) || !d->name || !*d->name || strpbrk(d->name, "\t\n"))
		return error_set(err, ERR_BAD_REQUEST, "the server's id or name is not valid");
	if (sim_begin(c, SIM_DOMAIN_DEFINE, &k, err) < 0)
		return -1;
	if ((rc = sim_find_ours(k.w, d->uuid, &s, err)) == 0) {
		if (!s)
			s = sim_world_dom_add(k.w, d->uuid);
		dom_set(s, d);
		sim_world_dom_save(k.w, s);
	}
	return sim_end(&k, rc, err);
}

/* What a real host would find missing or taken. */
static int can_start(struct sim_world *w, const struct sim_dom *d, struct error *err)
{
	for (size_t i = 0; i < d->disks_n; i++)
		if (!sim_world_vol(w, d->disks[i]))
			return sim_no(err, "a disk is not there");
	for (size_t i = 0; i < d->has.hostdevs_n; i++) {
		const struct sim_gpu *g = sim_world_gpu(w, d->has.hostdevs[i].address);

		if (!g || sim_gpu_lost(w, g))
			return sim_no(err, "there is no such PCI device");
		if ((g->holder && g->holder != d) || sim_world_cut(w, g->address))
			return sim_no(err, "the PCI device is in use by another domain");
	}
	for (size_t i = 0; i < d->has.mdevs_n; i++)
		if (!sim_world_mdev(w, d->has.mdevs[i].uuid))
			return sim_no(err, "there is no such mediated device");
	return 0;
}

int sim_domain_start(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_START, &k, err) < 0)
		return -1;
	if ((rc = sim_find_present(k.w, uuid, &d, err)) == 0 && !sim_power_on(d->power) &&
		(rc = can_start(k.w, d, err)) == 0) {
		d->starts += d->power != HV_POWER_SUSPENDED;
		sim_world_power(k.w, d, HV_POWER_RUNNING, true);
	}
	return sim_end(&k, rc, err);
}

static int turn_off(struct hv_conn *c, enum sim_op op, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = sim_find_ours(k.w, uuid, &d, err)) == 0 && d && sim_power_on(d->power))
		sim_world_power(k.w, d, HV_POWER_SHUTOFF, true);
	return sim_end(&k, rc, err);
}

int sim_domain_shutdown(struct hv_conn *c, const char *uuid, struct error *err)
{
	return turn_off(c, SIM_DOMAIN_SHUTDOWN, uuid, err);
}

int sim_domain_stop(struct hv_conn *c, const char *uuid, struct error *err)
{
	return turn_off(c, SIM_DOMAIN_STOP, uuid, err);
}

static int restart(struct hv_conn *c, enum sim_op op, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = sim_find_present(k.w, uuid, &d, err)) == 0) {
		if (sim_power_on(d->power))
			d->starts++;
		else
			rc = sim_no(err, "the domain is not running");
	}
	return sim_end(&k, rc, err);
}

int sim_domain_reboot(struct hv_conn *c, const char *uuid, struct error *err)
{
	return restart(c, SIM_DOMAIN_REBOOT, uuid, err);
}

int sim_domain_reset(struct hv_conn *c, const char *uuid, struct error *err)
{
	return restart(c, SIM_DOMAIN_RESET, uuid, err);
}

static int freeze(struct hv_conn *c, enum sim_op op, const char *uuid, enum hv_power power, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = sim_find_present(k.w, uuid, &d, err)) == 0 && d->power != power) {
		d->halted = false;
		if (sim_power_on(d->power))
			sim_world_power(k.w, d, power, true);
		else
			rc = sim_no(err, "the domain is not running");
	}
	return sim_end(&k, rc, err);
}

int sim_domain_pause(struct hv_conn *c, const char *uuid, struct error *err)
{
	return freeze(c, SIM_DOMAIN_PAUSE, uuid, HV_POWER_PAUSED, err);
}

int sim_domain_unpause(struct hv_conn *c, const char *uuid, struct error *err)
{
	return freeze(c, SIM_DOMAIN_UNPAUSE, uuid, HV_POWER_RUNNING, err);
}

int sim_domain_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_REMOVE, &k, err) < 0)
		return -1;
	if ((rc = sim_find_ours(k.w, uuid, &d, err)) == 0 && d) {
		if (sim_power_on(d->power))
			sim_world_power(k.w, d, HV_POWER_SHUTOFF, true);
		for (size_t i = 0; i < d->has.mdevs_n; i++)
			sim_world_mdev_remove(k.w, d->has.mdevs[i].uuid);
		sim_world_dom_remove(k.w, d);
	}
	return sim_end(&k, rc, err);
}

static void seen_of(const struct sim_dom *d, struct hv_seen *out)
{
	str_copy(out->uuid, sizeof out->uuid, d->node.key);
	out->power = d->power;
	out->halted = d->power == HV_POWER_PAUSED && (d->halted || d->incoming);
	out->ours = ours(d);
	out->epoch = out->ours ? d->epoch : 0;
}

int sim_domain_look(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err)
{
	struct hv_seen seen = { .power = HV_POWER_ABSENT };
	const struct sim_dom *d;
	struct sim_call k;

	if (sim_begin(c, SIM_DOMAIN_LOOK, &k, err) < 0)
		return -1;
	str_copy(seen.uuid, sizeof seen.uuid, uuid);
	if ((d = sim_world_dom(k.w, uuid)))
		seen_of(d, &seen);
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = seen;
	return 0;
}

int sim_domain_list(
	struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err)
{
	struct hv_seen *list;
	struct sim_call k;
	size_t n = 0;

	if (sim_begin(c, SIM_DOMAIN_LIST, &k, err) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct hv_seen, k.w->doms.n);
	for (struct sim_node *d = sim_table_next(&k.w->doms, NULL); d; d = sim_table_next(&k.w->doms, d))
		seen_of((struct sim_dom *)(void *)d, &list[n++]);
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}
