/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a simulated guest as it runs: its memory saved and forgotten, its password set, an NMI, its
 * figures. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

int sim_domain_save(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_SAVE, &k, err) < 0)
		return -1;
	if ((rc = sim_find_present(k.w, uuid, &d, err)) == 0 && sim_power_on(d->power)) {
		if (d->has.hostdevs_n || d->has.mdevs_n)
			rc = error_set(
				err, ERR_CONFLICT, "the memory of a server with devices cannot be kept");
		else
			sim_world_power(k.w, d, HV_POWER_SUSPENDED, true);
	}
	return sim_end(&k, rc, err);
}

int sim_domain_forget(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_FORGET, &k, err) < 0)
		return -1;
	if ((rc = sim_find_ours(k.w, uuid, &d, err)) == 0 && d && d->power == HV_POWER_SUSPENDED)
		sim_world_power(k.w, d, HV_POWER_SHUTOFF, false);
	return sim_end(&k, rc, err);
}

int sim_domain_set_password(
	struct hv_conn *c, const char *uuid, const char *user, const char *password, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_SET_PASSWORD, &k, err) < 0)
		return -1;
	if ((rc = sim_find_present(k.w, uuid, &d, err)) == 0) {
		if (d->power != HV_POWER_RUNNING || d->no_agent)
			rc = error_set(err, ERR_CONFLICT, "the server's guest agent does not answer");
		else
			snprintf(d->password, sizeof d->password, "%s:%s", user, password);
	}
	return sim_end(&k, rc, err);
}

int sim_domain_nmi(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_NMI, &k, err) < 0)
		return -1;
	if ((rc = sim_find_running(k.w, uuid, &d, err)) == 0)
		d->nmis++;
	return sim_end(&k, rc, err);
}

/* Figures that tests know beforehand: a second a start for each processor, the rest by the device's number.
 */
static void fill_stats(const struct sim_dom *d, struct arena *a, struct hv_stats *s)
{
	int64_t *vcpus = ARENA_ARRAY(a, int64_t, (size_t)d->vcpus);
	struct hv_nic_stats *nics = ARENA_ARRAY(a, struct hv_nic_stats, d->nics_n);
	struct hv_disk_stats *disks = ARENA_ARRAY(a, struct hv_disk_stats, d->disks_n);

	for (int i = 0; i < d->vcpus; i++)
		vcpus[i] = (int64_t)d->starts * 1000000000;
	for (size_t i = 0; i < d->nics_n; i++) {
		int64_t k = (int64_t)i + 1;

		nics[i] = (struct hv_nic_stats) {
			.rx_bytes = 1000 * k, .rx_packets = 10 * k, .tx_bytes = 2000 * k, .tx_packets = 20 * k
		};
		str_copy(nics[i].mac, sizeof nics[i].mac, d->macs[i]);
	}
	for (size_t i = 0; i < d->disks_n; i++) {
		int64_t k = (int64_t)i + 1;

		disks[i] = (struct hv_disk_stats) { 4096 * k, k, 8192 * k, 2 * k };
	}
	*s = (struct hv_stats) { .power = d->power,
		.cpu_ns = (int64_t)d->starts * d->vcpus * 1000000000,
		.vcpu_ns = vcpus,
		.vcpus_n = (size_t)d->vcpus,
		.ram_max_mib = d->ram_mib,
		.ram_used_mib = d->ram_mib / 2,
		.nics = nics,
		.nics_n = d->nics_n,
		.disks = disks,
		.disks_n = d->disks_n };
}

int sim_domain_stats(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_stats *out, struct error *err)
{
	struct hv_stats stats = { 0 };
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_STATS, &k, err) < 0)
		return -1;
	if ((rc = sim_find_running(k.w, uuid, &d, err)) == 0)
		fill_stats(d, a, &stats);
	if (sim_end(&k, rc, err) < 0)
		return -1;
	*out = stats;
	return 0;
}
