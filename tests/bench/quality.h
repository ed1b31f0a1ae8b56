/* SPDX-License-Identifier: Apache-2.0 */
/* How well placement packs: what bench_quality is made of. */
#ifndef BENCH_QUALITY_H
#define BENCH_QUALITY_H

#include "cloudctl/trace.h"

/* splitmix64; below(n) is the upper half of the 128-bit product */
uint64_t rng_next(uint64_t *state);
uint64_t rng_below(uint64_t *state, uint64_t n);

/* ---- experiments on a trace ---- */

struct job {
	bool churn; /* else inflation */
	uint64_t seed;
	int load; /* hundredths; of churn */
	enum placement_order order;
	uint64_t shuffle; /* seed of the order of hosts; 0: the file's */
};

struct result {
	uint64_t arrivals, hash;  /* of inflation */
	double end, full;         /* allocated %, at the end and when as much as there is has arrived */
	double refused, refused8; /* % of the GPU demand, and of that of tasks with eight */
	double allocated;         /* mean % */
};

struct result job_run(const struct trace *t, const struct job *job);

/* A cluster and a list like those of a production cloud. */
void trace_make(struct trace *t, size_t hosts, uint64_t seed);

/* ---- clusters whose best is known ---- */

struct known {
	const char *name;
	double lost;       /* % of the GPUs that the best would have given, mean of the rounds */
	double lost_first; /* the same by first fit */
};

/* Cuts hosts into servers that fill them exactly, offers them in a random order, or the largest first. */
size_t known_run(int rounds, bool sorted, struct known *out, size_t max);

#endif
