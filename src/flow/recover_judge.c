/* SPDX-License-Identifier: Apache-2.0 */
/* Reading hosts, and what of it can be taken over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "flow/recover.h"

static const int64_t GIB = (int64_t)1 << 30, MIB = (int64_t)1 << 20;

/* --- reading -------------------------------------------------------------------------------------------- */

static int64_t volume_size(const struct hv_volume *v, size_t n, const char *uuid, enum hv_part part)
{
	char name[HV_VOLUME_NAME];

	hv_server_volume(uuid, part, name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return v[i].capacity;
	return 0;
}

static bool has_disk(const struct hv_domain *d, enum hv_part part)
{
	char name[HV_VOLUME_NAME];

	hv_server_volume(d->uuid, part, name);
	for (size_t i = 0; i < d->disks_n; i++)
		if (strcmp(d->disks[i].volume, name) == 0)
			return true;
	return false;
}

static void measure(struct recover_domain *x, const struct hv_volume *v, size_t n)
{
	const char *uuid = x->d.uuid;
	unsigned long long id;

	x->disk_gib = (volume_size(v, n, uuid, HV_ROOT) + GIB - 1) / GIB;
	x->ephemeral_gib = (volume_size(v, n, uuid, HV_EPHEMERAL) + GIB - 1) / GIB;
	x->swap_mib = (volume_size(v, n, uuid, HV_SWAP) + MIB - 1) / MIB;
	x->config_drive = has_disk(&x->d, HV_CONFIG);
	x->marked = x->d.cloud_id != NULL;
	if (x->d.name && sscanf(x->d.name, "instance-%llx", &id) == 1 && id > 0 && id < (1ULL << 62))
		x->id = (int64_t)id;
}

static int read_domains(
	struct recover_host *h, const struct hv_driver *drv, struct hv_conn *c, struct error *err)
{
	struct hv_volume *volumes;
	struct hv_seen *seen;
	size_t n, volumes_n;

	if (drv->domain_list(c, &h->arena, &seen, &n, err) ||
		drv->volume_list(c, &h->arena, &volumes, &volumes_n, err))
		return -1;
	h->domains = ARENA_ARRAY(&h->arena, struct recover_domain, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct recover_domain *x = &h->domains[h->domains_n];

		if (drv->domain_describe(c, &h->arena, seen[i].uuid, &x->d, err)) {
			if (err->code == ERR_NOT_FOUND)
				continue; /* it is gone since */
			return -1;
		}
		x->power = seen[i].power;
		measure(x, volumes, volumes_n);
		h->domains_n++;
	}
	return 0;
}

int recover_domain_read(struct arena *a, const struct hv_driver *drv, struct hv_conn *c, const char *uuid,
	struct recover_domain *out, struct error *err)
{
	struct hv_volume *volumes;
	struct hv_seen seen;
	size_t n;

	*out = (struct recover_domain) { 0 };
	if (drv->domain_look(c, uuid, &seen, err) || drv->domain_describe(c, a, uuid, &out->d, err) ||
		drv->volume_list(c, a, &volumes, &n, err))
		return -1;
	out->power = seen.power;
	measure(out, volumes, n);
	return 0;
}

int recover_host_read(struct recover_host *h, const struct recover_connect *how, struct error *err)
{
	const struct hv_driver *drv = hv_driver_for(h->uri, err);
	const struct hv_target target = { .uri = h->uri,
		.pki_dir = how->pki_dir,
		.pool = h->pool ? h->pool : "cloudd",
		.connect_timeout_ms = how->timeout_ms };
	struct hv_conn *c;
	int rc;

	if (!drv || drv->connect(&target, NULL, NULL, &c, err))
		return -1;
	rc = drv->inventory(c, &h->arena, &h->inventory, err) || read_domains(h, drv, c, err) ? -1 : 0;
	drv->close(c);
	h->read = rc == 0;
	return rc;
}

/* --- which cloud ---------------------------------------------------------------------------------------- */

static int find_cloud(struct recover *r, struct error *err)
{
	const char *found = NULL;

	for (size_t i = 0; i < r->hosts_n; i++)
		for (size_t k = 0; k < r->hosts[i].domains_n; k++) {
			const char *id = r->hosts[i].domains[k].d.cloud_id;

			if (id && found && strcmp(id, found) != 0)
				return error_set(err, ERR_CONFLICT,
					"there are domains of the clouds %.36s and %.36s: say with --cloud "
					"which is meant",
					found, id);
			found = id ? id : found;
		}
	if (!found)
		return error_set(err, ERR_NOT_FOUND, "no host has a domain with the mark of a cloud");
	if (!uuid_valid(found))
		return error_set(err, ERR_CONFLICT, "the marks' cloud %.40s is none", found);
	str_copy(r->cloud_id, sizeof r->cloud_id, found);
	return 0;
}

/* --- what is in conflict -------------------------------------------------------------------------------- */

static bool on(const struct recover_domain *x)
{
	return x->power == HV_POWER_RUNNING || x->power == HV_POWER_PAUSED;
}

static bool pinned_alone(const struct hv_domain *d)
{
	for (size_t i = 0; i < d->pins_n; i++) {
		int first = cpuset_next(&d->pins[i], 0);

		if (first < 0 || cpuset_next(&d->pins[i], first + 1) >= 0)
			return false;
	}
	return d->pins_n > 0;
}

static bool known_network(const struct recover *r, const struct hv_nic *nic)
{
	for (size_t i = 0; i < r->networks_n; i++)
		if (r->networks[i].is_bridge == nic->is_bridge && str_eq(r->networks[i].source, nic->source))
			return true;
	return false;
}

const char *recover_refuse(const struct recover *r, const struct recover_domain *x)
{
	const struct hv_domain *d = &x->d;

	if (strcmp(d->cloud_id, r->cloud_id) != 0)
		return "of another cloud";
	if (!uuid_valid(d->uuid) || !x->id)
		return "its name or id is not a server's";
	if (!d->project_id || !*d->project_id || strlen(d->project_id) > 64)
		return "its mark names no project";
	if (d->vcpus < 1 || d->ram_mib < 1)
		return "its size is not known";
	if (d->mdevs_n)
		return "it has parts of GPUs";
	if (pinned_alone(d))
		return "it has CPUs of its own";
	for (size_t i = 0; i < d->nics_n; i++)
		if (!known_network(r, &d->nics[i]))
			return "its network is not in the configuration";
	return NULL;
}

static bool share_device(const struct hv_domain *a, const struct hv_domain *b)
{
	for (size_t i = 0; i < a->hostdevs_n; i++)
		for (size_t k = 0; k < b->hostdevs_n; k++)
			if (strcmp(a->hostdevs[i].address, b->hostdevs[k].address) == 0)
				return true;
	return false;
}

/* Two of them, on one host or on two. Of a device that two have in their definitions and one is on, that one
 * has it. */
static void refuse_pair(struct recover_domain *a, struct recover_domain *b, bool same_host)
{
	if (a->refused || b->refused)
		return;
	if (strcmp(a->d.uuid, b->d.uuid) == 0)
		a->refused = b->refused = "on two hosts";
	else if (a->id == b->id)
		a->refused = b->refused = "another domain has its name";
	else if (same_host && share_device(&a->d, &b->d)) {
		if (!on(a) || on(b))
			a->refused = "shares a device with another domain";
		if (!on(b) || on(a))
			b->refused = "shares a device with another domain";
	}
}

struct place {
	struct recover_domain *x;
	size_t host;
};

static int by_uuid(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->x->d.uuid, ((const struct place *)b)->x->d.uuid);
}

static int by_id(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->x->id > y->x->id) - (x->x->id < y->x->id);
}

/* Sorted, those that clash are neighbours; devices are compared within their host alone. */
static void refuse_pairs(struct recover *r, struct place *all, size_t n)
{
	static int (*const orders[])(const void *, const void *) = { by_uuid, by_id };

	for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
		if (n)
			qsort(all, n, sizeof *all, orders[o]);
		for (size_t i = 1; i < n; i++)
			refuse_pair(all[i - 1].x, all[i].x, false);
	}
	for (size_t h = 0; h < r->hosts_n; h++)
		for (size_t i = 0; i < r->hosts[h].domains_n; i++)
			for (size_t k = 0; r->hosts[h].domains[i].d.hostdevs_n && k < i; k++)
				if (r->hosts[h].domains[i].marked && r->hosts[h].domains[k].marked)
					refuse_pair(&r->hosts[h].domains[i], &r->hosts[h].domains[k], true);
}

static void count(struct recover *r)
{
	for (size_t h = 0; h < r->hosts_n; h++) {
		r->unread_n += !r->hosts[h].read;
		for (size_t i = 0; i < r->hosts[h].domains_n; i++) {
			const struct recover_domain *x = &r->hosts[h].domains[i];

			r->unmarked_n += !x->marked;
			r->taken_n += x->marked && !x->refused;
			r->refused_n += x->refused != NULL;
			r->hosts[h].refused_n += x->refused != NULL;
		}
	}
}

int recover_judge(struct recover *r, struct error *err)
{
	struct place *all;
	size_t n = 0;

	if (!r->cloud_id[0] && find_cloud(r, err))
		return -1;
	for (size_t h = 0; h < r->hosts_n; h++)
		n += r->hosts[h].domains_n;
	all = xcalloc(n + 1, sizeof *all);
	n = 0;
	for (size_t h = 0; h < r->hosts_n; h++)
		for (size_t i = 0; i < r->hosts[h].domains_n; i++) {
			struct recover_domain *x = &r->hosts[h].domains[i];

			if (!x->marked)
				continue;
			x->refused = recover_refuse(r, x);
			all[n++] = (struct place) { x, h };
		}
	refuse_pairs(r, all, n);
	free(all);
	count(r);
	return 0;
}
