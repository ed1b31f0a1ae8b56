/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of usage: intervals of use clipped to a period, and exact sums of them. Times are books µs; an
 * interval has its start and not its end, so that intervals that meet are disjoint. */
#ifndef DOMAIN_USAGE_H
#define DOMAIN_USAGE_H

#include <stdint.h>

enum { USAGE_OPEN = 0 }; /* as end: still running */

struct usage_interval {
	int64_t start_us, end_us; /* end USAGE_OPEN: until now */
	int64_t vcpus, ram_mib, disk_gib, gpus;
};

/* 128 bits: a large cloud's MiB × µs of a year pass 64. */
__extension__ typedef __int128 usage_wide;

struct usage_sum {
	usage_wide us, vcpu_us, ram_mib_us, disk_gib_us, gpu_us;
};

/* µs of the interval inside [from, to); what still runs ends now. 0 when they do not meet. */
int64_t usage_clip(const struct usage_interval *i, int64_t from_us, int64_t to_us, int64_t now_us);
/* Adds what falls into the period. All-zero is an empty sum. */
void usage_add(struct usage_sum *sum, const struct usage_interval *i, int64_t from_us, int64_t to_us,
	int64_t now_us);
void usage_sum_add(struct usage_sum *to, const struct usage_sum *more);
/* A sum's member in hours, for the API. */
double usage_hours(usage_wide us);

#endif
