/* SPDX-License-Identifier: Apache-2.0 */
/* One host's answer to a request, rule by rule. */
#include "placement/fit_local.h"

void fit_refresh(struct host *h)
{
	host_count_gpus(h);
	for (size_t i = 0; i < h->cells_n; i++)
		cpus_refresh(&h->cells[i]);
	gpus_refresh(h);
}

static bool lacks(int64_t w, int64_t h, int64_t *want, int64_t *have)
{
	*want = w;
	*have = h > 0 ? h : 0;
	return w > h && w > 0;
}

/* What floats and small pages come from the host as a whole; the rest from its cells. */
static enum placement_rule check_amounts(
	const struct host *h, const struct shape *s, int64_t *want, int64_t *have)
{
	if (!s->dedicated && lacks(s->vcpus, h->vcpus - h->vcpus_used, want, have))
		return RULE_VCPUS;
	if (pages_small(s->page_kib) && lacks(s->ram_mib, h->ram_mib - h->ram_used_mib, want, have))
		return RULE_RAM;
	if (lacks(s->disk_gib, h->disk_gib - h->disk_used_gib, want, have))
		return RULE_DISK;
	return RULE_OK;
}

/* Too few GPUs, or none of a model: seen without a look at each. */
static bool lacks_gpus(const struct host *h, const struct shape *s)
{
	int whole = 0;

	for (int k = 0; k < s->gpus_n; k++) {
		if (!(h->models_free & s->gpus[k].models))
			return true;
		if (s->gpus[k].share == PLACEMENT_SHARE && !s->gpus[k].profile[0])
			whole += s->gpus[k].count;
	}
	return whole > (int)h->gpus_free;
}

enum placement_rule fit_check(const struct host *h, const struct shape *s, int64_t *want, int64_t *have)
{
	int64_t w = 0, n = 0;
	enum placement_rule rule = check_amounts(h, s, &w, &n);
	struct guest guest;

	if (rule == RULE_OK)
		rule = guest_check(h, s, &guest, &w, &n);
	if (rule == RULE_OK &&
		s->gpus_n) /* most hosts that are asked are refused, and nobody asks for numbers */
		rule = !want && !have && lacks_gpus(h, s) ? RULE_GPU : gpus_check(h, s, &guest, &w, &n);
	if (want)
		*want = rule == RULE_OK ? 0 : w;
	if (have)
		*have = rule == RULE_OK ? 0 : n;
	return rule;
}

/* Which of the server's cells each GPU is close to. */
static void say_guest_cells(const struct host *h, struct placement_choice *out)
{
	for (size_t i = 0; i < out->gpus_n; i++)
		out->gpus[i].guest_cell = -1;
	for (size_t i = 0; out->cells_n && i < out->gpus_n; i++) {
		const struct gpu *g = host_gpu(h, out->gpus[i].id);

		for (size_t c = 0; c < out->cells_n; c++)
			if (g && out->cells[c].cell == g->cell)
				out->gpus[i].guest_cell = (int8_t)c;
	}
}

void fit_pick(const struct host *h, const struct shape *s, struct placement_choice *out)
{
	struct guest guest;
	int64_t want, have;
	uint32_t near = 0;

	out->gpus_n = out->cells_n = out->cpus_n = out->idle_n = 0;
	out->cpus_isolated = false;
	guest_check(h, s, &guest, &want, &have);
	if (s->gpus_n)
		near = gpus_choose(h, s, &guest, out);
	if (guest.n)
		guest_pick(h, s, &guest, near, out);
	say_guest_cells(h, out);
}
