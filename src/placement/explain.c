/* SPDX-License-Identifier: Apache-2.0 */
/* Why a host is not chosen: in one sentence for all hosts, and host by host. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "placement/choose.h"

static const char *const rule_names[RULE_MAX] = {
	[RULE_OK] = "ok",
	[RULE_HOST_STATE] = "host_state",
	[RULE_HOST_NAMED] = "host_named",
	[RULE_ZONE] = "zone",
	[RULE_AGGREGATE] = "aggregate",
	[RULE_GROUP] = "group",
	[RULE_EXCLUSIVE] = "exclusive",
	[RULE_VCPUS] = "vcpus",
	[RULE_RAM] = "ram",
	[RULE_DISK] = "disk",
	[RULE_GPU] = "gpu",
	[RULE_TRAIT] = "trait",
	[RULE_SCOPE] = "scope",
	[RULE_HELD] = "held",
	[RULE_CPUS] = "cpus",
	[RULE_PAGES] = "pages",
	[RULE_NUMA] = "numa",
	[RULE_RESERVED] = "reserved",
	[RULE_GPU_NUMA] = "gpu_numa",
	[RULE_GPU_LINK] = "gpu_link",
	[RULE_GPU_GROUP] = "gpu_group",
};

const char *placement_rule_name(enum placement_rule rule)
{
	return rule_names[rule];
}

static const char *const rule_texts[RULE_MAX] = {
	[RULE_OK] = "has room",
	[RULE_HOST_STATE] = "takes no servers now",
	[RULE_HOST_NAMED] = "is not the one named",
	[RULE_ZONE] = "is in another zone",
	[RULE_TRAIT] = "lacks a required trait, or has a forbidden one",
	[RULE_AGGREGATE] = "is in no aggregate that the flavor wants",
	[RULE_GROUP] = "is ruled out by the group or the hints",
	[RULE_SCOPE] = "is too far from the others",
	[RULE_EXCLUSIVE] = "is not shared",
	[RULE_HELD] = "is kept for a server that waits",
	[RULE_VCPUS] = "lacks vcpus",
	[RULE_RAM] = "lacks ram",
	[RULE_DISK] = "lacks disk",
	[RULE_CPUS] = "lacks dedicated cpus",
	[RULE_PAGES] = "lacks huge pages",
	[RULE_NUMA] = "has not room within its NUMA cells",
	[RULE_GPU] = "lacks gpus",
	[RULE_RESERVED] = "has gpus, but reserved ones",
	[RULE_GPU_NUMA] = "has gpus, but not near the cells",
	[RULE_GPU_LINK] = "has gpus, but no whole interconnect partition",
	[RULE_GPU_GROUP] = "has gpus, but in shared IOMMU groups",
};

const char *placement_rule_text(enum placement_rule rule)
{
	return rule_texts[rule];
}

static void say(char *text, size_t size, size_t *n, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say(char *text, size_t size, size_t *n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text + *n, size - *n, fmt, ap);
	va_end(ap);
	if (len > 0)
		*n = *n + (size_t)len < size ? *n + (size_t)len : size - 1;
}

/* Why hosts were refused, with the words for one host and for several. What nearly fitted comes first. */
static const struct refusal {
	enum placement_rule rule;
	enum placement_host_state state; /* of RULE_HOST_STATE */
	const char *one, *several;
} refusals[] = {
	{ RULE_OK, PLACEMENT_UP, "has not room for all", "have not room for all" }, /* that stay together */
	{ RULE_GPU, PLACEMENT_UP, "lacks gpus", "lack gpus" },
	{ RULE_DISK, PLACEMENT_UP, "lacks disk", "lack disk" },
	{ RULE_RAM, PLACEMENT_UP, "lacks ram", "lack ram" },
	{ RULE_VCPUS, PLACEMENT_UP, "lacks vcpus", "lack vcpus" },
	{ RULE_EXCLUSIVE, PLACEMENT_UP, "is not shared", "are not shared" },
	{ RULE_GROUP, PLACEMENT_UP, "is ruled out", "are ruled out" },
	{ RULE_AGGREGATE, PLACEMENT_UP, "is in no aggregate that the flavor wants",
		"are in no aggregate that the flavor wants" },
	{ RULE_ZONE, PLACEMENT_UP, "is in another zone", "are in another zone" },
	{ RULE_HOST_NAMED, PLACEMENT_UP, "is not the one named", "are not the one named" },
	{ RULE_HOST_STATE, PLACEMENT_DRAINING, "is draining", "are draining" },
	{ RULE_HOST_STATE, PLACEMENT_DISABLED, "is disabled", "are disabled" },
	{ RULE_HOST_STATE, PLACEMENT_DOWN, "is down", "are down" },
};

int no_host(const struct placement *p, const struct query *q, size_t fitted, size_t wanted, struct error *err)
{
	size_t counts[RULE_MAX][PLACEMENT_DOWN + 1] = { { 0 } }, n = 0;
	char text[sizeof err->msg], of[32];

	if (wanted > 1)
		say(text, sizeof text, &n, "only %zu of %zu servers fit: ", fitted, wanted);
	else
		say(text, sizeof text, &n, "no host fits: ");
	if (!p->hosts_n)
		say(text, sizeof text, &n, "there are no hosts");
	for (size_t i = 0; i < p->hosts_n; i++)
		counts[refused_by(p, q, i)][p->hot[i].state]++;
	snprintf(of, sizeof of, " of %zu", p->hosts_n); /* said once */
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		size_t hosts = counts[refusals[i].rule][refusals[i].state];

		if (!hosts)
			continue;
		say(text, sizeof text, &n, "%s%zu%s %s", *of ? "" : ", ", hosts, of,
			hosts > 1 ? refusals[i].several : refusals[i].one);
		*of = '\0';
	}
	return error_set(err, ERR_NO_HOST, "%s", text);
}

static void fill_numbers(
	const struct placement *p, const struct query *q, size_t slot, struct placement_verdict *v)
{
	const struct hot *h = &p->hot[slot];
	size_t k;
	int have;

	switch (v->rule) {
	case RULE_OK:
		v->score = score_of(p, q, slot);
		break;
	case RULE_VCPUS:
		v->want = q->req->vcpus;
		v->have = h->vcpus;
		break;
	case RULE_RAM:
		v->want = q->req->ram_mib;
		v->have = h->ram_mib;
		break;
	case RULE_DISK:
		v->want = q->req->disk_gib;
		v->have = h->disk_gib;
		break;
	case RULE_GPU:
		k = gpu_lacking(p, q, slot, &have);
		v->want = k < q->gpus.kinds_n ? q->gpus.count[k] : q->gpus.total;
		v->have = k < q->gpus.kinds_n ? have : h->gpus_free;
		break;
	default:
		break;
	}
}

static int verdict_by_host(const void *a, const void *b)
{
	const struct placement_verdict *x = a, *y = b;

	return (x->host_id > y->host_id) - (x->host_id < y->host_id);
}

size_t placement_explain(
	const struct placement *p, const struct placement_request *req, struct placement_verdict *out)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	size_t fit = 0;

	for (size_t i = 0; i < p->hosts_n; i++) {
		out[i] = (struct placement_verdict) { .host_id = p->hot[i].id, .rule = refused_by(p, &q, i) };
		fill_numbers(p, &q, i, &out[i]);
		fit += out[i].rule == RULE_OK;
	}
	if (p->hosts_n)
		qsort(out, p->hosts_n, sizeof *out, verdict_by_host);
	return fit;
}
