/* SPDX-License-Identifier: Apache-2.0 */
/* What samples.c and samples_ask.c share. No other file includes this. */
#ifndef FLOW_SAMPLE_SET_H
#define FLOW_SAMPLE_SET_H

#include "flow/internal.h"
#include "flow/samples.h"

enum { SAMPLE_READERS = 2, SAMPLE_QUEUE = 64 };

struct watch { /* a host */
	int64_t host_id, due_us, read_us;
	bool busy, seen;
};

struct sample_set {
	struct flow_engine *e;
	struct samples *file;
	struct loop_timer timer;
	struct map all; /* struct watch by host */
	struct take *head, **tail;
	struct lane *writer, *readers;
	bool writing, sweeping;
	unsigned beats, refs; /* refs: the timer, work under way */
	struct flow_samples_stats stats;
};

/* NULL: there is none of that host. */
struct watch *sample_watch(const struct sample_set *set, int64_t host_id);

#endif
