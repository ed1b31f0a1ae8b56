/* SPDX-License-Identifier: Apache-2.0 */
/* A resize that waits until preemptible servers have left a host for it. The server runs on meanwhile. In a
 * unit. */
#ifndef FLOW_RESIZE_WAIT_H
#define FLOW_RESIZE_WAIT_H

#include "flow/preempt.h"
#include "flow/server_move.h"

int resize_wait_begin(struct flow_engine *e, struct db *db, struct server *s, const struct server_move *want,
	const struct placement_request *req, const struct preempt_plan *plan,
	const struct flow_origin *origin, struct error *err);
/* As if it were asked for now. */
int resize_wait_go(struct flow_engine *e, struct db *db, struct arena *a, struct server *s,
	const struct waiter *w, struct error *err);

#endif
