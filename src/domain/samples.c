/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/samples.h"

#include <string.h>

const char *const sample_counter_names[SAMPLE_COUNTERS] = {
	[SAMPLE_CPU_NS] = "cpu_ns",
	[SAMPLE_DISK_READ_BYTES] = "disk_read_bytes",
	[SAMPLE_DISK_READS] = "disk_reads",
	[SAMPLE_DISK_WRITE_BYTES] = "disk_write_bytes",
	[SAMPLE_DISK_WRITES] = "disk_writes",
	[SAMPLE_NET_RX_BYTES] = "net_rx_bytes",
	[SAMPLE_NET_RX_PACKETS] = "net_rx_packets",
	[SAMPLE_NET_TX_BYTES] = "net_tx_bytes",
	[SAMPLE_NET_TX_PACKETS] = "net_tx_packets",
};

__extension__ typedef __int128 wide;

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool sample_count(struct sample_last *last, int64_t covered_ms, int64_t gap_ms,
	const struct sample_reading *now, struct sample_use *out)
{
	bool runs_on = last->known && last->start == now->start;

	if (last->known && now->at_ms <= last->at_ms)
		return false;
	*out = (struct sample_use) { .since_ms = now->at_ms, .at_ms = now->at_ms, .ram_mib = now->ram_mib };
	if (covered_ms && (runs_on || now->at_ms - covered_ms <= gap_ms))
		out->since_ms = least(covered_ms, now->at_ms);
	if (!runs_on)
		memset(last->counter, 0, sizeof last->counter);
	for (int i = 0; i < SAMPLE_COUNTERS; i++) {
		int64_t was = last->counter[i], is = now->counter[i];

		if (is < 0)
			continue;
		/* one that has become smaller began anew */
		out->used[i] = is >= was ? is - was : is;
		last->counter[i] = is;
	}
	last->known = true;
	last->start = now->start;
	last->at_ms = now->at_ms;
	return true;
}

/* The end of the step that an instant lies in, in the use's own time. */
static int64_t step_end(int64_t ms, int64_t offset_ms, int64_t step_ms)
{
	int64_t wall = ms + offset_ms, into = wall % step_ms;

	return ms - (into < 0 ? into + step_ms : into) + step_ms;
}

bool sample_part(struct sample_use *use, int64_t offset_ms, int64_t step_ms, struct sample_use *part)
{
	int64_t whole = use->at_ms - use->since_ms, end, first;

	if (use->since_ms < 0)
		return false;
	*part = *use;
	end = step_end(use->since_ms, offset_ms, step_ms);
	if (whole <= 0 || end >= use->at_ms) {
		use->since_ms = -1; /* all of it */
		return true;
	}
	first = end - use->since_ms;
	part->at_ms = use->since_ms = end;
	for (int i = 0; i < SAMPLE_COUNTERS; i++) {
		part->used[i] = (int64_t)((wide)use->used[i] * first / whole);
		use->used[i] -= part->used[i];
	}
	return true;
}

int64_t sample_step(const struct sample_use *part, int64_t offset_ms, int64_t step_ms)
{
	return (step_end(part->since_ms, offset_ms, step_ms) + offset_ms) / step_ms - 1;
}
