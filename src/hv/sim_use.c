/* SPDX-License-Identifier: Apache-2.0 */
/* What simulated guests use: each start counts from 0, a live move is a start on the other host. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

static _Atomic(const struct clock *) use_clock = &clock_system;

void sim_use_clock(const struct clock *clock)
{
	atomic_store(&use_clock, clock);
}

static int64_t now_us(void)
{
	const struct clock *c = atomic_load(&use_clock);

	return c ? clock_mono(c) : 0;
}

/* Another one for each, over the lives of processes, too. */
static int64_t new_start(void)
{
	static atomic_llong last;
	long long none = 0;

	atomic_compare_exchange_strong(&last, &none, clock_wall(&clock_system));
	return atomic_fetch_add(&last, 1) + 1;
}

static uint32_t hash_of(const char *uuid)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = uuid; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return h;
}

/* By its name, so that guests differ and a run can be repeated. */
void sim_use_advance(struct sim_dom *d)
{
	int64_t now = now_us(), us = now - d->use.at_us, rate = hash_of(d->node.key) % 100 + 1;
	int64_t *n = d->use.counter;

	d->use.at_us = now;
	if (d->power != HV_POWER_RUNNING || !now || us <= 0)
		return;
	n[SAMPLE_CPU_NS] += us * 10 * rate * d->vcpus; /* a hundredth of them for each of the rate */
	n[SAMPLE_DISK_READ_BYTES] += us * rate / 100 * 4;
	n[SAMPLE_DISK_READS] = n[SAMPLE_DISK_READ_BYTES] / 4096;
	n[SAMPLE_DISK_WRITE_BYTES] += us * rate / 100 * 8;
	n[SAMPLE_DISK_WRITES] = n[SAMPLE_DISK_WRITE_BYTES] / 4096;
	n[SAMPLE_NET_RX_BYTES] += us * rate / 10;
	n[SAMPLE_NET_RX_PACKETS] = n[SAMPLE_NET_RX_BYTES] / 1000;
	n[SAMPLE_NET_TX_BYTES] += us * rate / 5;
	n[SAMPLE_NET_TX_PACKETS] = n[SAMPLE_NET_TX_BYTES] / 1000;
}

void sim_use_start(struct sim_dom *d)
{
	d->use = (struct sim_use) { .start = new_start(), .at_us = now_us() };
}

/* A busy guest's monitor does not answer: its disks and its balloon are not told. */
static void use_of(const struct sim_dom *d, struct hv_use *out)
{
	*out = (struct hv_use) { .power = d->power, .start = d->use.start };
	str_copy(out->uuid, sizeof out->uuid, d->node.key);
	memcpy(out->counter, d->use.counter, sizeof out->counter);
	out->ram_mib = d->ram_mib / 4 + d->ram_mib * (hash_of(d->node.key) % 50) / 100;
	if (!d->use.busy)
		return;
	out->ram_mib = SAMPLE_UNKNOWN;
	for (int i = SAMPLE_DISK_READ_BYTES; i <= SAMPLE_DISK_WRITES; i++)
		out->counter[i] = SAMPLE_UNKNOWN;
}

int sim_domains_use(struct hv_conn *c, struct arena *a, const char *only, struct hv_use **out, size_t *out_n,
	struct error *err)
{
	struct hv_use *list;
	struct sim_call k;
	size_t n = 0;

	if (sim_begin(c, SIM_DOMAINS_USE, &k, err) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct hv_use, k.w->doms.n);
	for (struct sim_node *node = sim_table_next(&k.w->doms, NULL); node;
		node = sim_table_next(&k.w->doms, node)) {
		struct sim_dom *d = (struct sim_dom *)(void *)node;

		if (!sim_power_on(d->power) || strcmp(d->cloud, hv_cloud_id()) != 0 ||
			(only && strcmp(only, node->key) != 0))
			continue;
		sim_use_advance(d);
		use_of(d, &list[n++]);
	}
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}
