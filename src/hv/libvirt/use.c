/* SPDX-License-Identifier: Apache-2.0 */
/* What guests use: one call for all of a host. Whose a guest is was read when it was first seen since its
 * start. */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/useparams.h"

enum {
	GROUPS = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |
		 VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK
};

static void records_free(virDomainStatsRecordPtr **list)
{
	if (*list)
		virDomainStatsRecordListFree(*list);
}

/* Of all that are active, or of one. How many, or -1. */
static int fetch(struct hv_conn *c, const char *only, virDomainStatsRecordPtr **out, struct error *err)
{
	/* the test driver never waits, and does not know the flag */
	unsigned flags = c->link->test ? 0 : VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	virDomainPtr doms[2] = { NULL };
	struct hv_seen seen;
	int n;

	if (only && lv_find_ours(c, only, &dom, &seen, err) < 0)
		return -1;
	if (only && (!dom || !lv_is_active(seen.power)))
		return 0;
	doms[0] = dom;
	n = only ? virDomainListGetStats(doms, GROUPS, out, flags)
		 : virConnectGetAllDomainStats(
			   c->link->conn, GROUPS, out, flags | VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE);
	return n < 0 ? conn_fail(c, "measure its servers", err) : n;
}

/* 1: ours, with its start; 0: not, or it is gone meanwhile; -1. */
static int start_of(struct hv_conn *c, virDomainPtr dom, const struct memo_start *known, size_t known_n,
	struct memo_start *out, struct error *err)
{
	int id = (int)virDomainGetID(dom);
	const struct memo_start *m = memo_start_find(known, known_n, out->uuid, id);
	struct hv_seen seen = { 0 };
	struct error why;

	if (m) {
		*out = *m;
		return out->ours;
	}
	if (lv_read_mark(c, dom, &seen, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*err = why;
		return -1;
	}
	out->id = id;
	out->ours = seen.ours;
	out->epoch = seen.epoch;
	return out->ours;
}

/* 1: taken, 0: left out, -1. */
static int take(struct hv_conn *c, const virDomainStatsRecord *r, const struct memo_start *known,
	size_t known_n, struct memo_start *start, struct hv_use *out, struct error *err)
{
	int state = VIR_DOMAIN_NOSTATE, rc;

	*start = (struct memo_start) { .id = -1 };
	if (virDomainGetID(r->dom) == (unsigned)-1 || virDomainGetUUIDString(r->dom, start->uuid) < 0)
		return 0;
	rc = start_of(c, r->dom, known, known_n, start, err);
	if (rc <= 0)
		return rc;
	virTypedParamsGetInt(r->params, r->nparams, "state.state", &state);
	*out = (struct hv_use) { .power = lv_power(state) };
	str_copy(out->uuid, sizeof out->uuid, start->uuid);
	/* a host counts its starts from its own, cloudd its through all */
	out->start = start->epoch << 32 | (int64_t)start->id;
	useparams_read(r->params, r->nparams, out);
	return lv_is_active(out->power);
}

int lv_domains_use(struct hv_conn *c, struct arena *a, const char *only, struct hv_use **out, size_t *out_n,
	struct error *err)
{
	CLEANUP(records_free) virDomainStatsRecordPtr *records = NULL;
	CLEANUP(free_ptr) struct memo_start *known = NULL;
	int rc = 0, total = fetch(c, only, &records, err);
	struct memo_start *starts;
	struct hv_use *list;
	size_t n = 0, starts_n = 0, known_n = 0;

	if (total < 0)
		return -1;
	if (!only)
		known = memo_starts_take(&c->memo, &known_n);
	starts = xcalloc((size_t)total + 1, sizeof *starts);
	list = ARENA_ARRAY(a, struct hv_use, (size_t)total + 1);
	for (int i = 0; i < total && rc >= 0; i++) {
		rc = take(c, records[i], known, known_n, &starts[starts_n], &list[n], err);
		n += rc > 0;
		starts_n += rc >= 0 && starts[starts_n].id >= 0;
	}
	if (rc < 0 || only)
		free(starts);
	else
		memo_starts_set(&c->memo, starts, starts_n);
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}
