/* SPDX-License-Identifier: Apache-2.0 */
/* Which host a server gets: one scan over the hot array by the rules, and the lowest score of those that
 * pass; the lower id where scores are equal. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/state.h"

/* A request made ready for the scan. */
struct query {
	const struct placement_request *req;
	struct gpu_query gpus;
	bool any_zone, any_host;
	uint32_t zone, name_hash;
	uint8_t *allowed;                 /* by slot; NULL: all are. Owned */
	uint64_t ram_weight, disk_weight; /* sixteenths of a vCPU in 2^-20 for one MiB, one GiB */
};

static const char *const rule_names[RULE_MAX] = {
	[RULE_OK] = "ok",
	[RULE_HOST_STATE] = "host_state",
	[RULE_HOST_NAMED] = "host_named",
	[RULE_ZONE] = "zone",
	[RULE_GROUP] = "group",
	[RULE_VCPUS] = "vcpus",
	[RULE_RAM] = "ram",
	[RULE_DISK] = "disk",
	[RULE_GPU] = "gpu",
};

const char *placement_rule_name(enum placement_rule rule)
{
	return rule_names[rule];
}

static void query_finish(struct query *q)
{
	free(q->allowed);
}

/* A list of hosts as flags by slot, so that a long list costs no more than a short one. */
static uint8_t *allowed_hosts(const struct placement *p, const struct placement_request *req)
{
	uint8_t *allowed;

	if (!req->within && !req->avoid_n)
		return NULL;
	allowed = xmalloc(p->hosts_n);
	memset(allowed, req->within ? 0 : 1, p->hosts_n);
	for (size_t i = 0; req->within && i < req->within_n; i++) {
		int64_t slot = map_get(&p->by_id, req->within[i]);

		if (slot != MAP_NONE)
			allowed[slot] = 1;
	}
	for (size_t i = 0; i < req->avoid_n; i++) {
		int64_t slot = map_get(&p->by_id, req->avoid[i]);

		if (slot != MAP_NONE)
			allowed[slot] = 0;
	}
	return allowed;
}

/* One unit of another resource in vCPUs, by what the whole cloud has of both. */
static uint64_t weight(int64_t vcpus, int64_t other)
{
	uint64_t w = other > 0 ? ((uint64_t)vcpus << 24) / (uint64_t)other : 0;

	return w < UINT32_MAX ? w : UINT32_MAX;
}

static void query_gpus(const struct placement *p, const struct placement_request *req, struct gpu_query *q)
{
	assert(req->gpus_n <= PLACEMENT_GPU_KINDS_MAX);
	for (size_t i = 0; i < req->gpus_n; i++) {
		uint32_t model = words_find(&p->models, req->gpus[i].model);
		int count = req->gpus[i].count;
		size_t k = 0;

		if (count <= 0)
			continue;
		if (count > PLACEMENT_GPUS_MAX)
			count = PLACEMENT_GPUS_MAX + 1; /* more than any host has */
		/* models that no host has stay apart: any of them refuses every host */
		while (k < q->kinds_n && (q->model[k] != model || model == WORD_NONE))
			k++;
		if (k == q->kinds_n)
			q->model[q->kinds_n++] = model;
		q->count[k] += count;
		q->total += count;
	}
}

static struct query query_make(const struct placement *p, const struct placement_request *req)
{
	struct query q = { .req = req, .any_zone = !*req->zone, .any_host = !*req->host };

	q.zone = q.any_zone ? WORD_NONE : words_find(&p->zones, req->zone);
	q.name_hash = q.any_host ? 0 : name_hash(req->host);
	q.allowed = allowed_hosts(p, req);
	q.ram_weight = weight(p->vcpus, p->ram_mib);
	q.disk_weight = weight(p->vcpus, p->disk_gib);
	query_gpus(p, req, &q.gpus);
	return q;
}

/* The first kind of GPU that the host has too few of; kinds_n: none. */
static size_t gpu_lacking(const struct placement *p, const struct query *q, size_t slot, int *have)
{
	size_t k = 0;

	for (; k < q->gpus.kinds_n; k++) {
		*have = gpus_of_model(&p->hot[slot], &p->hosts[slot], q->gpus.model[k]);
		if (*have < q->gpus.count[k])
			break;
	}
	return k;
}

static enum placement_rule refused_by(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];
	int have;

	if (h->state != PLACEMENT_UP)
		return RULE_HOST_STATE;
	if (!q->any_host && (h->name_hash != q->name_hash || strcmp(p->hosts[slot].name, q->req->host) != 0))
		return RULE_HOST_NAMED;
	if (!q->any_zone && (h->zone != q->zone || q->zone == WORD_NONE))
		return RULE_ZONE;
	if (q->allowed && !q->allowed[slot])
		return RULE_GROUP;
	if (h->vcpus < q->req->vcpus)
		return RULE_VCPUS;
	if (h->ram_mib < q->req->ram_mib)
		return RULE_RAM;
	if (h->disk_gib < q->req->disk_gib)
		return RULE_DISK;
	if (q->gpus.total &&
		(h->gpus_free < q->gpus.total || gpu_lacking(p, q, slot, &have) < q->gpus.kinds_n))
		return RULE_GPU;
	return RULE_OK;
}

/* A score has two parts. The upper, the class, keeps GPUs together: a server without GPUs goes to a host
 * without, and else to where fewest would be left without vCPUs and memory; a server with GPUs goes to where
 * fewest GPUs stay, and then to where they lie in fewest NUMA cells. The lower, the fit, is the sum of the
 * squares of what stays of vCPUs, memory and (at a sixteenth) disk, all as vCPUs: the smallest rest wins, and
 * of equal rests the balanced one. */
enum { FIT_BITS = 50, LEFT_BITS = 24, CELLS_MAX = 8 };

/* The fewest cells that the GPUs could come of, as far as is known without looking at each. */
static int cells_floor(const struct hot *h, const struct gpu_query *q)
{
	for (size_t k = 0; q->kinds_n == 1 && k < HOT_KINDS && k < h->kinds_n; k++)
		if (h->kind[k] == q->model[0])
			return (q->total + h->kind_cell_free[k] - 1) / h->kind_cell_free[k];
	return 1;
}

/* The class with GPUs in that many cells. */
static int64_t class_of(const struct hot *h, const struct query *q, int cells)
{
	if (!q->gpus.total)
		return h->has_gpus ? 1 + h->gpus_free : 0;
	return (int64_t)(h->gpus_free - q->gpus.total) * CELLS_MAX + (cells < CELLS_MAX ? cells : CELLS_MAX) -
	       1;
}

static uint64_t left_over(int64_t left, uint64_t weight)
{
	uint64_t n = (uint64_t)left < UINT64_C(1) << 30 ? (uint64_t)left : UINT64_C(1) << 30;

	n = n * weight >> 20;
	return n < UINT64_C(1) << LEFT_BITS ? n : (UINT64_C(1) << LEFT_BITS) - 1;
}

static int64_t fit_of(const struct hot *h, const struct query *q)
{
	uint64_t vcpus = left_over(h->vcpus - q->req->vcpus, UINT64_C(16) << 20);
	uint64_t ram = left_over(h->ram_mib - q->req->ram_mib, q->ram_weight);
	uint64_t disk = left_over(h->disk_gib - q->req->disk_gib, q->disk_weight);

	return (int64_t)(vcpus * vcpus + ram * ram + disk * disk / 16);
}

/* The score, or less where only a look at each GPU would tell; cheap. */
static int64_t score_floor(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];

	return class_of(h, q, cells_floor(h, &q->gpus)) << FIT_BITS | fit_of(h, q);
}

static int64_t score_of(const struct placement *p, const struct query *q, size_t slot)
{
	const struct hot *h = &p->hot[slot];
	int cells = cells_floor(h, &q->gpus);

	if (q->gpus.total && (q->gpus.kinds_n > 1 || cells > 1 || h->kinds_n > HOT_KINDS))
		cells = gpus_pick(&p->hosts[slot], &q->gpus, NULL);
	return class_of(h, q, cells) << FIT_BITS | fit_of(h, q);
}

struct candidate {
	int64_t score, id;
	size_t slot;
};

static int by_score(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* The best host into *out; 0 or 1. */
static size_t best_of(const struct placement *p, const struct query *q, struct candidate *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->hosts_n; i++) {
		struct candidate c = { .id = p->hot[i].id, .slot = i };

		if (refused_by(p, q, i) != RULE_OK)
			continue;
		c.score = score_floor(p, q, i);
		if (n && by_score(&c, out) > 0)
			continue;
		c.score = score_of(p, q, i);
		if (n && by_score(&c, out) > 0)
			continue;
		*out = c;
		n = 1;
	}
	return n;
}

/* All hosts that fit, the best first; out has room for all hosts. */
static size_t ranking(const struct placement *p, const struct query *q, struct candidate *out)
{
	size_t n = 0;

	for (size_t i = 0; i < p->hosts_n; i++)
		if (refused_by(p, q, i) == RULE_OK)
			out[n++] = (struct candidate) { score_of(p, q, i), p->hot[i].id, i };
	if (n)
		qsort(out, n, sizeof *out, by_score);
	return n;
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
	{ RULE_GPU, PLACEMENT_UP, "lacks gpus", "lack gpus" },
	{ RULE_DISK, PLACEMENT_UP, "lacks disk", "lack disk" },
	{ RULE_RAM, PLACEMENT_UP, "lacks ram", "lack ram" },
	{ RULE_VCPUS, PLACEMENT_UP, "lacks vcpus", "lack vcpus" },
	{ RULE_GROUP, PLACEMENT_UP, "is ruled out", "are ruled out" },
	{ RULE_ZONE, PLACEMENT_UP, "is in another zone", "are in another zone" },
	{ RULE_HOST_NAMED, PLACEMENT_UP, "is not the one named", "are not the one named" },
	{ RULE_HOST_STATE, PLACEMENT_DRAINING, "is draining", "are draining" },
	{ RULE_HOST_STATE, PLACEMENT_DISABLED, "is disabled", "are disabled" },
	{ RULE_HOST_STATE, PLACEMENT_DOWN, "is down", "are down" },
};

/* "no host fits: 3 of 4 lack ram, 1 is disabled" */
static int no_host(
	const struct placement *p, const struct query *q, size_t fitted, size_t wanted, struct error *err)
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

static void choose_on(
	const struct placement *p, const struct query *q, size_t slot, struct placement_choice *out)
{
	*out = (struct placement_choice) { .host_id = p->hot[slot].id, .gpus_n = (size_t)q->gpus.total };
	if (out->gpus_n)
		gpus_pick(&p->hosts[slot], &q->gpus, out->gpu_ids);
}

/* Chooses one after the other, charging the hosts as if each had been taken. What is left of a host only
 * shrinks by that, and so does its score (a GPU less weighs more than all NUMA cells), while no other host
 * changes: the best one stays the best for as long as it fits, then comes the next of the same ranking.
 * Returns how many. */
static size_t choose_gang(
	const struct placement *p, const struct query *q, size_t n, struct placement_choice *chosen)
{
	const struct placement_request *req = q->req;
	struct holding h = { .vcpus = req->vcpus, .ram_mib = req->ram_mib, .disk_gib = req->disk_gib };
	CLEANUP(free_ptr) struct candidate *ranks = xmalloc(p->hosts_n * sizeof *ranks);
	size_t ranks_n = ranking(p, q, ranks), i = 0;

	for (size_t r = 0; r < ranks_n && i < n; r++)
		for (; i < n && refused_by(p, q, ranks[r].slot) == RULE_OK; i++) {
			choose_on(p, q, ranks[r].slot, &chosen[i]);
			host_charge(
				p, ranks[r].slot, 1, &h, chosen[i].gpu_ids, chosen[i].gpus_n, SCRATCH_OWNER);
		}
	return i;
}

static void uncharge(const struct placement *p, const struct placement_request *req,
	const struct placement_choice *chosen, size_t n)
{
	struct holding h = { .vcpus = req->vcpus, .ram_mib = req->ram_mib, .disk_gib = req->disk_gib };

	while (n--)
		host_charge(p, (size_t)map_get(&p->by_id, chosen[n].host_id), -1, &h, chosen[n].gpu_ids,
			chosen[n].gpus_n, SCRATCH_OWNER);
}

static int choose_one(
	const struct placement *p, const struct query *q, struct placement_choice *out, struct error *err)
{
	struct candidate best;

	if (!best_of(p, q, &best))
		return no_host(p, q, 0, 1, err);
	choose_on(p, q, best.slot, out);
	return 0;
}

int placement_choose(const struct placement *p, const struct placement_request *req, size_t n,
	struct placement_choice *out, struct error *err)
{
	CLEANUP(query_finish) struct query q = query_make(p, req);
	CLEANUP(free_ptr) struct placement_choice *chosen = NULL;
	size_t fitted;
	int rc = 0;

	if (n == 1)
		return choose_one(p, &q, out, err);
	chosen = xmalloc(n * sizeof *chosen);
	fitted = choose_gang(p, &q, n, chosen);
	if (fitted < n)
		rc = no_host(
			p, &q, fitted, n, err); /* while the others are charged: that is what refused it */
	else
		memcpy(out, chosen, n * sizeof *chosen);
	uncharge(p, req, chosen, fitted);
	return rc;
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
