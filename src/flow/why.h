/* SPDX-License-Identifier: Apache-2.0 */
/* What memory knows of a flow and of a host's link, for who asks why something is as it is. On the loop. */
#ifndef FLOW_WHY_H
#define FLOW_WHY_H

#include "domain/why.h"
#include "flow/flow.h"

struct flow_row;
struct host_row;

struct flow_stands {
	enum why_flow how;
	int64_t host_id;        /* that it waits for; 0: none */
	int64_t other_id;       /* the flow that comes first; 0: none */
	const char *other_kind; /* its kind; NULL */
};
struct flow_stands flow_stands(const struct flow_engine *e, const struct flow_row *f);
/* h NULL: on no host. */
enum why_link flow_host_stands(struct flow_engine *e, const struct host_row *h);
/* When a resize that is finished confirms itself; 0: never. */
int64_t flow_resize_confirms_us(const struct flow_engine *e, int64_t finished_us);

#endif
