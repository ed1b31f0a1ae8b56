/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/drift.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "flow/drift_set.h"
#include "store/custody.h"
#include "store/drift.h"
#include "store/server_power.h"

#define REPAIRED "repaired"
#define REPORTED "reported"

static const struct drift_kind kinds[DRIFT_WHATS] = {
	[DRIFT_DOMAIN_UNKNOWN] = { "domain-unknown", "A domain with our mark belongs to no known server.",
		REPORTED, "nothing: the database may be older than the domain",
		"virsh -c HOST dumpxml {object}" },
	[DRIFT_DOMAIN_DELETED] = { "domain-deleted", "A deleted server's domain is still there.", REPAIRED,
		"the look that found it: it is removed", NULL },
	[DRIFT_DOMAIN_LEFT] = { "domain-left", "A server left a domain here, which is being cleared away.",
		REPAIRED, "flow leftover_remove", "cloudctl why {object}" },
	[DRIFT_DOMAIN_OLDER] = { "domain-older",
		"A server has a domain of an older epoch where it does not live.", REPAIRED,
		"flow leftover_remove", "cloudctl why {object}" },
	[DRIFT_DOMAIN_ELSEWHERE] = { "domain-elsewhere",
		"A server has a domain that is not older than its row where it does not live.", REPORTED,
		"nothing: the database may be older than the domain", "cloudctl why {object}" },
	[DRIFT_DOMAIN_ABSENT] = { "domain-absent", "A server's domain is not on its host.", REPORTED,
		"nothing; one that should run is shown in ERROR", "openstack server reboot --hard {object}" },
	[DRIFT_EPOCH] = { "epoch", "A server's domain has another epoch than its row.", REPORTED,
		"the next cold start defines it anew", "openstack server reboot --hard {object}" },
	[DRIFT_POWER] = { "power", "A guest does not do what its server's state says.", REPAIRED,
		"the look that found it: the state follows what was seen", "cloudctl why {object}" },
	[DRIFT_POWER_OTHER] = { "power-other",
		"A guest does not do what its server's state says, and no state follows of it.", REPORTED,
		"nothing: who wants what is not known", "openstack server reboot --hard {object}" },
	[DRIFT_DEFINITION] = { "definition", "A guest has not what its server was promised.", REPORTED,
		"the next cold start defines it anew", "openstack server reboot --hard {object}", true },
	[DRIFT_VOLUME_LEFT] = { "volume-left", "A volume of a server that is deleted, or lives elsewhere.",
		REPORTED, "flow leftover_remove, on the operator's word", "cloudctl drift --clear {id}", true,
		true },
	[DRIFT_VOLUME_UNKNOWN] = { "volume-unknown",
		"A volume that carries our naming belongs to no known row.", REPORTED,
		"nothing: the database may be older than the volume", NULL, true },
	[DRIFT_VOLUME_MISSING] = { "volume-missing", "A server's root disk is not in the pool.", REPORTED,
		"nothing: what was on it is gone", "openstack server rebuild {object}", true },
	[DRIFT_COPY_LEFT] = { "copy-left", "A copy of a deleted image that no row knows of.", REPORTED,
		"flow image_unstage, on the operator's word", "cloudctl drift --clear {id}", true, true },
	[DRIFT_COPY_MISSING] = { "copy-missing", "An image's copy is not in the pool, though its row is.",
		REPORTED, "nothing: servers that stand on it cannot start", "cloudctl host drain {host}",
		true },
	[DRIFT_GPU_ABSENT] = { "gpu-absent", "A GPU that a server has is not on its host.", REPORTED,
		"nothing; a server that ran is shown in ERROR", "cloudctl why {object}" },
};

const struct drift_kind *drift_kind(enum drift_what what)
{
	return &kinds[what];
}

/* ---- what is kept ---- */

struct drift_set *drift_set_of(struct link *l)
{
	if (!l->drift) {
		l->drift = xcalloc(1, sizeof *l->drift);
		l->drift->host_id = l->host_id;
	}
	return l->drift;
}

void drift_set_free(struct drift_set *d)
{
	if (!d)
		return;
	free(d->found);
	free(d->next);
	free(d);
}

void drift_begin(struct drift_set *d, int64_t at_us)
{
	d->next_n = 0;
	d->at_us = at_us;
	d->more = 0;
}

static const struct drift *find(const struct drift *list, size_t n, enum drift_what what, const char *object)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].what == what && strcmp(list[i].object, object) == 0)
			return &list[i];
	return NULL;
}

/* Of host, kind and object: the same in each look. */
static void name(const struct drift_set *d, struct drift *x)
{
	char text[HV_VOLUME_NAME + 64];
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	snprintf(text, sizeof text, "%lld/%s/%s", (long long)d->host_id, kinds[x->what].name, x->object);
	for (const char *p = text; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	snprintf(x->id, sizeof x->id, "%016" PRIx64, hash);
}

static struct drift *room(struct drift_set *d)
{
	if (d->next_n == DRIFT_KEPT) {
		d->more++;
		return NULL;
	}
	if (d->next_n == d->next_cap) {
		d->next_cap = d->next_cap ? d->next_cap * 2 : 8;
		d->next = xrealloc(d->next, d->next_cap * sizeof *d->next);
	}
	return &d->next[d->next_n++];
}

void drift_add(struct drift_set *d, enum drift_what what, const char *object, const char *fmt, ...)
{
	const struct drift *before;
	struct drift *x;
	va_list ap;

	if (find(d->next, d->next_n, what, object) || !(x = room(d)))
		return;
	*x = (struct drift) { .what = what, .since_us = d->at_us, .seen_us = d->at_us, .looks = 1 };
	str_copy(x->object, sizeof x->object, object);
	va_start(ap, fmt);
	vsnprintf(x->detail, sizeof x->detail, fmt, ap);
	va_end(ap);
	name(d, x);
	before = find(d->found, d->n, what, object);
	if (before) {
		x->since_us = before->since_us;
		x->looks = before->looks + 1;
	} else {
		log_event(LOG_WARNING, "rows and host differ", "what", kinds[what].name, "object", object,
			"detail", x->detail, NULL);
	}
}

void drift_end(struct drift_set *d, bool deep)
{
	for (size_t i = 0; !deep && i < d->n; i++) {
		struct drift *x = kinds[d->found[i].what].deep ? room(d) : NULL;

		if (x)
			*x = d->found[i];
	}
	free(d->found);
	d->found = d->next;
	d->n = d->next_n;
	d->next = NULL;
	d->next_n = d->next_cap = 0;
	d->looked_us = d->at_us;
	if (deep)
		d->deep_us = d->at_us;
}

bool flow_drift_host(const struct flow_engine *e, int64_t host_id, struct drift_host *out)
{
	const struct link *l = link_find(e, host_id);
	const struct drift_set *d = l ? l->drift : NULL;

	if (!d)
		return false;
	*out = (struct drift_host) {
		.looked_us = d->looked_us,
		.deep_us = d->deep_us,
		.foreign = d->foreign,
		.more = d->more,
		.found = d->found,
		.n = d->n,
	};
	return true;
}

/* ---- domains ---- */

static const char *const power_texts[] = {
	[HV_POWER_ABSENT] = "absent",
	[HV_POWER_RUNNING] = "running",
	[HV_POWER_PAUSED] = "paused",
	[HV_POWER_SHUTOFF] = "off",
	[HV_POWER_CRASHED] = "crashed",
	[HV_POWER_SUSPENDED] = "suspended",
};

#define P(power) (1u << HV_POWER_##power)
#define OFF (P(SHUTOFF) | P(CRASHED))

/* What its guest may do while nobody is at work on it; 0: it need not be there at all. */
static const unsigned powers[VM_STATE_MAX] = {
	[VM_ACTIVE] = P(RUNNING),
	[VM_STOPPED] = OFF,
	[VM_PAUSED] = P(PAUSED),
	[VM_SUSPENDED] = P(SUSPENDED),
	[VM_RESCUED] = P(RUNNING) | OFF,
	[VM_RESIZED] = P(RUNNING) | OFF,
	[VM_ERROR] = P(ABSENT) | P(SUSPENDED) | OFF,
	[VM_SHELVED] = OFF,
};

/* What a flow works on, or has settled since the look began, the look says nothing about. */
static void at_home(struct drift_set *d, const struct host_look *look, const struct server_power *p)
{
	const struct hv_seen *seen = observe_find(look, p->uid);
	enum hv_power power = seen ? seen->power : HV_POWER_ABSENT;

	if (p->has_flow || look->started_us <= p->power_seen_us || !powers[p->vm_state])
		return;
	if (!(powers[p->vm_state] & (1u << power)))
		drift_add(d,
			power == HV_POWER_ABSENT              ? DRIFT_DOMAIN_ABSENT
			: observe_follows(p->vm_state, power) ? DRIFT_POWER
							      : DRIFT_POWER_OTHER,
			p->uid, "the server is %s, its guest is %s", vm_state_text(p->vm_state),
			power_texts[power]);
	if (seen && (seen->epoch > p->epoch || (seen->epoch < p->epoch && power == HV_POWER_RUNNING)))
		drift_add(d, DRIFT_EPOCH, p->uid, "the row's epoch is %lld, the domain's %lld",
			(long long)p->epoch, (long long)seen->epoch);
}

static int not_at_home(struct drift_set *d, struct db *ro, const struct host_look *look,
	const struct hv_seen *seen, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct drift_owner o;
	int rc = store_drift_owner(ro, &a, seen->uuid, look->host_id, &o, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		drift_add(d, DRIFT_DOMAIN_UNKNOWN, seen->uuid, "it is %s, of epoch %lld",
			power_texts[seen->power], (long long)seen->epoch);
	else if (o.clearing)
		drift_add(d, DRIFT_DOMAIN_LEFT, seen->uuid, "it is %s", power_texts[seen->power]);
	else if (o.has_flow || o.holds || look->started_us <= o.power_seen_us)
		return 0; /* it moves, or has just moved */
	else if (o.deleted_us && look->started_us > o.deleted_us)
		drift_add(d, DRIFT_DOMAIN_DELETED, seen->uuid, "it is %s", power_texts[seen->power]);
	else if (!o.deleted_us)
		drift_add(d, seen->epoch < o.epoch ? DRIFT_DOMAIN_OLDER : DRIFT_DOMAIN_ELSEWHERE, seen->uuid,
			"it is %s, of epoch %lld; the server's is %lld, on host %s", power_texts[seen->power],
			(long long)seen->epoch, (long long)o.epoch, o.host ? o.host : "none");
	return 0;
}

int drift_domains(struct drift_set *d, struct db *ro, const struct host_look *look, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server_power *rows;
	size_t n, i = 0;

	if (store_server_powers(ro, &a, look->host_id, NULL, &rows, &n, err))
		return -1;
	d->foreign = 0;
	/* both are sorted */
	for (size_t k = 0; k < look->seen_n; k++) {
		while (i < n && strcmp(rows[i].uid, look->seen[k].uuid) < 0)
			i++;
		if (!look->seen[k].ours)
			d->foreign++;
		else if ((i == n || strcmp(rows[i].uid, look->seen[k].uuid) != 0) &&
			 not_at_home(d, ro, look, &look->seen[k], err))
			return -1;
	}
	for (i = 0; i < n; i++)
		at_home(d, look, &rows[i]);
	return 0;
}

/* By the rows, which the last look at the inventory wrote. */
static int drift_gpus(struct drift_set *d, struct db *ro, int64_t host_id, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct custody_lost *all;
	size_t n;

	if (store_custody_lost(ro, &a, host_id, 0, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		drift_add(d, DRIFT_GPU_ABSENT, all[i].server_uid, "device %s is not there", all[i].address);
	return 0;
}

void drift_look(struct link *l, const struct host_look *look)
{
	struct drift_set *d = drift_set_of(l);
	struct error err;

	drift_begin(d, look->started_us);
	if (drift_domains(d, store_ro(l->e->cfg.store), look, &err) == 0 &&
		drift_gpus(d, store_ro(l->e->cfg.store), look->host_id, &err) == 0)
		drift_end(d, false);
}
