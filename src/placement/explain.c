/* SPDX-License-Identifier: Apache-2.0 */
/* Why a host is not chosen: in one sentence for all hosts, and host by host. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "placement/choose.h"
#include "placement/score.h"

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
	[RULE_AGGREGATE] = "is in no aggregate that the flavor wants, or set apart for others",
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
	int code; /* of the index */
	const char *one, *several;
} refusals[] = {
	{ RULE_OK, "has not room for all", "have not room for all" }, /* that stay together */
	{ RULE_SCOPE, "is nowhere with room for all", "are nowhere with room for all" },
	{ RULE_GPU_GROUP, "has gpus in shared IOMMU groups", "have gpus in shared IOMMU groups" },
	{ RULE_GPU_LINK, "has gpus that are not linked", "have gpus that are not linked" },
	{ RULE_GPU_NUMA, "has gpus far from its cells", "have gpus far from their cells" },
	{ RULE_RESERVED, "has reserved gpus", "have reserved gpus" },
	{ RULE_GPU, "lacks gpus", "lack gpus" },
	{ RULE_NUMA, "lacks room within cells", "lack room within cells" },
	{ RULE_PAGES, "lacks huge pages", "lack huge pages" },
	{ RULE_CPUS, "lacks dedicated cpus", "lack dedicated cpus" },
	{ RULE_DISK, "lacks disk", "lack disk" },
	{ RULE_RAM, "lacks ram", "lack ram" },
	{ RULE_VCPUS, "lacks vcpus", "lack vcpus" },
	{ RULE_HELD, "is kept for a server that waits", "are kept for servers that wait" },
	{ RULE_EXCLUSIVE, "is not shared", "are not shared" },
	{ RULE_GROUP, "is ruled out", "are ruled out" },
	{ RULE_AGGREGATE, "is in no aggregate that the flavor wants",
		"are in no aggregate that the flavor wants" },
	{ RULE_TRAIT, "lacks a trait", "lack a trait" },
	{ RULE_ZONE, "is in another zone", "are in another zone" },
	{ RULE_HOST_NAMED, "is not the one named", "are not the one named" },
	{ CODE_STATE + PLACEMENT_DRAINING, "is draining", "are draining" },
	{ CODE_STATE + PLACEMENT_DISABLED, "is disabled", "are disabled" },
	{ CODE_STATE + PLACEMENT_DOWN, "is down", "are down" },
};

static int code_of(const struct choosing *c, size_t slot)
{
	enum placement_rule rule = query_rule(c->q, slot);

	if (rule == RULE_HOST_STATE)
		return CODE_STATE + c->p->hot[slot].state;
	if (rule != RULE_OK)
		return (int)rule;
	return c->tree && !c->p->hot[slot].held ? tree_code(c->tree, slot) : (int)query_ask(c->q, slot, NULL);
}

/* All but one host are told by their states. */
static void count_named(const struct choosing *c, size_t *counts)
{
	int64_t slot = map_get(&c->p->by_id, c->q->named);

	for (int state = 0; state <= PLACEMENT_DOWN; state++)
		counts[state == PLACEMENT_UP ? (int)RULE_HOST_NAMED : CODE_STATE + state] =
			c->p->states[state];
	if (slot == MAP_NONE)
		return;
	counts[c->p->hot[slot].state == PLACEMENT_UP ? (int)RULE_HOST_NAMED
						     : CODE_STATE + c->p->hot[slot].state]--;
	counts[code_of(c, (size_t)slot)]++;
}

static void count_codes(const struct choosing *c, size_t *counts)
{
	bool known = c->tree && !c->q->narrow; /* the tree knows all there is to know */

	for (int code = 0; code < CODES; code++)
		counts[code] = known ? tree_count(c->tree, code) : 0;
	if (known)
		return;
	if (*c->q->req->host)
		count_named(c, counts);
	else
		for (size_t i = 0; i < c->p->hosts_n; i++)
			counts[code_of(c, i)]++;
}

static const char *const scope_texts[] = {
	[PLACEMENT_ANYWHERE] = "fit",
	[PLACEMENT_ONE_HOST] = "fit on one host",
	[PLACEMENT_ONE_RACK] = "fit in one rack",
	[PLACEMENT_ONE_FABRIC] = "fit in one fabric",
};

int no_host(
	const struct choosing *c, enum placement_scope lacks, size_t fitted, size_t wanted, struct error *err)
{
	size_t counts[CODES], n = 0;
	char text[sizeof err->msg], of[32];

	if (wanted > 1)
		say(text, sizeof text, &n, "only %zu of %zu servers %s: ", fitted, wanted,
			scope_texts[lacks]);
	else
		say(text, sizeof text, &n, "no host fits: ");
	if (!c->p->hosts_n)
		say(text, sizeof text, &n, "there are no hosts");
	count_codes(c, counts);
	if (lacks == PLACEMENT_ONE_RACK || lacks == PLACEMENT_ONE_FABRIC) {
		counts[RULE_SCOPE] = counts[RULE_OK];
		counts[RULE_OK] = 0;
	}
	snprintf(of, sizeof of, " of %zu", c->p->hosts_n); /* said once */
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		size_t hosts = counts[refusals[i].code];

		if (!hosts)
			continue;
		say(text, sizeof text, &n, "%s%zu%s %s", *of ? "" : ", ", hosts, of,
			hosts > 1 ? refusals[i].several : refusals[i].one);
		*of = '\0';
	}
	return error_set(err, ERR_NO_HOST, "%s", text);
}

static struct placement_verdict verdict_of(const struct query *q, size_t slot)
{
	const struct host *h = q->p->hosts[slot];
	struct placement_verdict v = { .host_id = h->id, .rule = query_rule(q, slot) };

	if (v.rule == RULE_OK)
		v.rule = fit_check(h, &q->key.shape, &v.want, &v.have);
	if (v.rule == RULE_OK)
		v.score = score_of(q->p, h, &q->key.shape);
	return v;
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
		out[i] = verdict_of(&q, i);
		fit += out[i].rule == RULE_OK;
	}
	if (p->unordered)
		qsort(out, p->hosts_n, sizeof *out, verdict_by_host);
	return fit;
}
