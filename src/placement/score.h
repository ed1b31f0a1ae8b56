/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the hosts that fit is the best; private to this room. */
#ifndef PLACEMENT_SCORE_H
#define PLACEMENT_SCORE_H

#include "placement/fit.h"

/* The score of a host that fits: lower is better, below INT64_MAX. It may read the host, what requests to
 * expect (p->mix) and the weights of p; whoever changes these resets the index. */
int64_t score_of(const struct placement *p, const struct host *h, const struct shape *s);

/* What requests to expect; see placement_mix_set. */
struct mix {
	struct shape shapes[PLACEMENT_MIX_MAX];
	uint32_t weights[PLACEMENT_MIX_MAX];
	size_t n;
};

#endif
