/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest used, from counters that its host reads: how two readings become a use, and how a use is laid
 * over the hours it fell into. Counters only grow while a guest runs; each start of it counts from 0. */
#ifndef DOMAIN_SAMPLES_H
#define DOMAIN_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

enum sample_counter {
	SAMPLE_CPU_NS,
	SAMPLE_DISK_READ_BYTES,
	SAMPLE_DISK_READS,
	SAMPLE_DISK_WRITE_BYTES,
	SAMPLE_DISK_WRITES,
	SAMPLE_NET_RX_BYTES,
	SAMPLE_NET_RX_PACKETS,
	SAMPLE_NET_TX_BYTES,
	SAMPLE_NET_TX_PACKETS,
	SAMPLE_COUNTERS
};
/* "cpu_ns", "disk_read_bytes" ... */
extern const char *const sample_counter_names[SAMPLE_COUNTERS];

enum { SAMPLE_UNKNOWN = -1 };

struct sample_reading {
	int64_t start; /* which start of the guest it is: another number for each on its host */
	int64_t at_ms;
	int64_t counter[SAMPLE_COUNTERS]; /* SAMPLE_UNKNOWN: the host did not tell this time */
	int64_t ram_mib;                  /* in use now, or SAMPLE_UNKNOWN */
};

/* What is remembered of a guest on a host between readings; all zero: nothing yet. */
struct sample_last {
	bool known;
	int64_t start, at_ms;
	int64_t counter[SAMPLE_COUNTERS]; /* as counted so far */
};

struct sample_use {
	int64_t since_ms, at_ms; /* the time that it covers; none when they are the same */
	int64_t used[SAMPLE_COUNTERS];
	int64_t ram_mib;
};

/* What the reading adds to what was counted. False: it is no later than the last one, and nothing changes.
 * covered_ms: up to when the server's time is covered already, by whichever host (0: not at all). Time before
 * this guest's start counts as its own for at most gap_ms, which is what a move or a restart may take; while
 * it runs on, as long as it takes to be heard again. */
bool sample_count(struct sample_last *last, int64_t covered_ms, int64_t gap_ms,
	const struct sample_reading *now, struct sample_use *out);

/* Cuts what of `use` fell into its first step of step_ms (with offset_ms added to times, so as to be that of
 * the wall clock) off into *part, and leaves the rest. False when nothing was left. The parts of a use add up
 * to it. */
bool sample_part(struct sample_use *use, int64_t offset_ms, int64_t step_ms, struct sample_use *part);
/* The step that a part lies in. */
int64_t sample_step(const struct sample_use *part, int64_t offset_ms, int64_t step_ms);

#endif
